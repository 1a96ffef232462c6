//! Who calls: a trunk by its address, a subscriber or trunk by credentials, or a guest (spec
//! AUTH-MODE-01).

use super::called::Called;
use super::list::Gate;
use super::{Attempt, Stop, challenge_stranger};
use crate::caller::CallerAt;
use crate::digest::{self, Secrets, Verdict};
use crate::location::Locations;
use crate::names::literal;
use crate::nonce::NonceUse;
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::world::{Holder, World};
use std::net::SocketAddr;
use strowger_link::{Challenge, Credentials};
use strowger_model::{
    Account, BadNumber, Barring, CallerRule, DidTarget, DigestPolicy, Digits, Guests, Ingress,
    IngressAuth, OrganizationId, Profile, Subscriber, Tenant, TenantId, Trunk, TrunkCredentials,
    TrunkId,
};

/// A shorter name is a program's whole name, a longer one part of it.
const WHOLE_BELOW: usize = 5;

/// A sender who is known, and who pays.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) account: &'a Account,
    pub(super) who: Who<'a>,
    /// Whose call it is that a trunk sends: it pays, and what it may counts beside what the trunk
    /// may.
    pub(super) behalf: Option<&'a Subscriber>,
    /// What is set for it.
    pub(super) settings: &'a Profile,
}

/// Which kind of sender.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    Subscriber(&'a Subscriber),
    Trunk(&'a Trunk, &'a Ingress),
}

impl<'a> Sender<'a> {
    /// What it may call.
    pub(super) const fn barring(&self) -> &'a Barring {
        match self.who {
            Who::Subscriber(row) => &row.barring,
            Who::Trunk(_, ingress) => &ingress.barring,
        }
    }

    /// Whose lists and settings say which numbers are called.
    pub(super) fn gate(&self) -> Gate<'a> {
        let trunk = match self.who {
            Who::Subscriber(_) => None,
            Who::Trunk(row, _) => Some(row.id),
        };
        let (tenant, account) = (self.tenant.id, self.account.id);
        Gate { tenant, account, trunk, settings: self.settings }
    }

    /// The subscriber whose call it is, by whatever way it came.
    pub(super) const fn subscriber(&self) -> Option<&'a Subscriber> {
        match self.who {
            Who::Subscriber(row) => Some(row),
            Who::Trunk(..) => self.behalf,
        }
    }

    /// What a number means that it dials or shows.
    pub(super) fn canonical(&self, text: &str) -> Result<Digits, BadNumber> {
        self.tenant.normalisation.normalise_at(text, self.settings.number.home())
    }

    /// The caller in the chain of parties: a subscriber is not called back by a forward.
    pub(super) fn holder(&self) -> Option<Holder> {
        self.subscriber().map(|row| Holder::Subscriber(row.id))
    }

    /// Where it belongs.
    pub(super) fn organization(&self) -> OrganizationId {
        match (self.subscriber(), self.who) {
            (Some(row), _) | (None, Who::Subscriber(row)) => row.organization,
            (None, Who::Trunk(row, _)) => row.organization,
        }
    }

    /// Where its short numbers are known; trunks have none.
    pub(super) fn scope(&self) -> Option<OrganizationId> {
        self.subscriber().map(|row| row.organization)
    }
}

impl<'a> Attempt<'a> {
    /// Step 13: who transfers a running call, a trunk that sends from its own address, else right
    /// credentials, else a challenge.
    pub(super) fn authenticate(&mut self) -> Result<Sender<'a>, Stop> {
        if let Some(row) = self.facts.sender.map(|id| self.world.subscriber(id)) {
            let row = row.ok_or(Refusal::Denied)?;
            self.note(Step::SenderSubscriber { subscriber: row.id.0 });
            let tenant = self.world.tenant(row.tenant).ok_or(Refusal::Internal)?;
            let account = self.world.account(row.account).ok_or(Refusal::Internal)?;
            let settings = self.world.subscriber_settings(row.id);
            let who = Who::Subscriber(row);
            return Ok(Sender { tenant, account, who, behalf: None, settings });
        }
        if let Some(again) = &self.facts.again {
            return self.sender_again(again);
        }
        if let Some(id) = self.ask.hints.trunk
            && let Some(sender) = self.trunk_sender(TrunkId(id))?
        {
            return Ok(sender);
        }
        let Some(credentials) = &self.call.credentials else {
            if let Some(sender) = self.guest()? {
                return Ok(sender);
            }
            self.note(Step::Stranger {});
            return Err(self.challenge());
        };
        let (known, nonce) = match identify(self.world, self.locations, credentials) {
            Identity::Known(known, nonce) => (known, nonce),
            Identity::Wrong(step) => return Err(self.refuse_for(Refusal::AuthFailed, step)),
            Identity::Again(challenge, step) => {
                self.note(step);
                return Err(Stop::Challenge(challenge));
            }
            Identity::Stranger => {
                self.note(Step::UnknownRealm {});
                return Err(self.challenge());
            }
        };
        self.nonce = nonce;
        self.note(known.step());
        self.check_home(known)?;
        match known {
            Known::Subscriber(row) => {
                let tenant = self.world.tenant(row.tenant).ok_or(Refusal::Internal)?;
                let account = self.world.account(row.account).ok_or(Refusal::Internal)?;
                let (who, settings) = (Who::Subscriber(row), known.settings(self.world));
                Ok(Sender { tenant, account, who, behalf: None, settings })
            }
            Known::Trunk(row, ingress, _) => self.sender_of(row, ingress),
        }
    }

    /// The trunk that the edge named. The edge may be older than the world, so its word is checked.
    fn trunk_sender(&mut self, id: TrunkId) -> Result<Option<Sender<'a>>, Stop> {
        let called = self.called.as_deref().unwrap_or(&self.call.called);
        let trunk = self.world.sending_trunk(id, self.ask.hints.source, called);
        let Some((trunk, ingress)) = trunk.and_then(|t| Some((t, t.ingress.as_ref()?))) else {
            self.note(Step::NotItsSource { trunk: id.0 });
            return Ok(None);
        };
        let listener = self.ask.hints.listener;
        if !ingress.listeners.is_empty() && !ingress.listeners.contains(&listener) {
            // As good as an unknown source: it may show credentials.
            let (trunk, listener) = (trunk.id.0, listener.into());
            self.note(Step::NotItsListener { trunk, listener });
            return Ok(None);
        }
        // The address alone is not enough.
        if ingress.auth == IngressAuth::Both {
            return Ok(None);
        }
        if !self.names_user(trunk, ingress) {
            self.note(Step::NotItsUser { trunk: trunk.id.0 });
            return Ok(None);
        }
        self.note(Step::SenderTrunk { trunk: trunk.id.0 });
        self.check_program(trunk, ingress)?;
        self.sender_of(trunk, ingress).map(Some)
    }

    fn sender_of(&mut self, trunk: &'a Trunk, ingress: &'a Ingress) -> Result<Sender<'a>, Stop> {
        let world = self.world;
        let tenant = world.tenant(trunk.tenant).ok_or(Refusal::Internal)?;
        let behalf = match ingress.by_number {
            true => self.shown_subscriber(tenant, ingress),
            false => None,
        };
        if let Some(row) = behalf {
            self.note(Step::BehalfOf { trunk: trunk.id.0, subscriber: row.id.0 });
        }
        let account = behalf.map_or(ingress.account, |row| row.account);
        let account = world.account(account).ok_or(Refusal::Internal)?;
        let settings = match behalf {
            Some(row) => world.subscriber_settings(row.id),
            None => world.account_settings(account.id),
        };
        Ok(Sender { tenant, account, who: Who::Trunk(trunk, ingress), behalf, settings })
    }

    /// The subscriber whose number a trunk shows as the caller's (spec AUTH-ANI-01): one that may
    /// be known so. One that is switched off is known too, and refused.
    fn shown_subscriber(&self, tenant: &Tenant, ingress: &Ingress) -> Option<&'a Subscriber> {
        let number = tenant.normalisation.normalise(self.said_by(ingress)).ok()?;
        let id = match self.world.numbered(tenant.id, number)? {
            Holder::Subscriber(id) => id,
            Holder::Did(id) => match self.world.did(id).filter(|did| did.enabled)?.target {
                DidTarget::Subscriber(id) => id,
                DidTarget::Trunk(_) | DidTarget::RingGroup(_) | DidTarget::Pool => return None,
            },
            Holder::RingGroup(_) | Holder::Trunk(_) => return None,
        };
        let may = self.world.subscriber_settings(id).identity.by_number;
        self.world.subscriber(id).filter(|_| may)
    }

    /// Whether From names a user that a trunk's row wants, if it wants some.
    fn names_user(&self, trunk: &Trunk, ingress: &Ingress) -> bool {
        if ingress.users.is_empty() {
            return true;
        }
        let said = self.call.caller.from_user.as_str();
        let tenant = self.world.tenant(trunk.tenant);
        let number = |text: &str| tenant.and_then(|t| t.normalisation.normalise(text).ok());
        let own = number(said);
        ingress.users.iter().any(|user| user == said || (own.is_some() && number(user) == own))
    }

    /// A trunk's credentials are shown from one of its addresses and by one of its users, where its
    /// row wants that.
    fn check_home(&mut self, known: Known<'a>) -> Result<(), Stop> {
        let Known::Trunk(row, ingress, _) = known else { return Ok(()) };
        if !is_home(self.world, known, self.ask.hints.source) {
            let step = Step::NotItsAddress { trunk: row.id.0 };
            return Err(self.refuse_for(Refusal::AuthFailed, step));
        }
        if !self.names_user(row, ingress) {
            let step = Step::NotItsUser { trunk: row.id.0 };
            return Err(self.refuse_for(Refusal::AuthFailed, step));
        }
        Ok(())
    }

    /// Who shows nothing, at a listener that takes guests: the trunk that guests call as. Who
    /// calls himself by a name of ours has to prove it.
    fn guest(&mut self) -> Result<Option<Sender<'a>>, Stop> {
        let world = self.world;
        let hints = &self.ask.hints;
        let policy = world.listener_at(hints.listener).map(|listener| listener.guests);
        if !matches!(policy, Some(Guests::Dids | Guests::Account)) {
            return Ok(None);
        }
        let asked = world.tenant_of_host(&hints.host);
        let called = self.called.as_deref().unwrap_or(&self.call.called);
        let fits = |trunk: &&Trunk| {
            let Some(ingress) = &trunk.ingress else { return false };
            let prefix = ingress.tech_prefix.as_ref();
            asked.is_none_or(|tenant| tenant.id == trunk.tenant)
                && (ingress.listeners.is_empty() || ingress.listeners.contains(&hints.listener))
                && prefix.is_none_or(|prefix| called.starts_with(prefix.as_str()))
                && self.names_user(trunk, ingress)
        };
        let found = world.guest_trunks().find(fits);
        let Some((trunk, ingress)) = found.and_then(|t| Some((t, t.ingress.as_ref()?))) else {
            return Ok(None);
        };
        let caller = &self.call.caller;
        let host = caller.from_host.as_str();
        // Only a domain that is not ours has names of its own.
        let is_ours = world.tenant_of_host(host).is_some()
            || host.eq_ignore_ascii_case(&hints.host)
            || literal(host).is_some();
        let is_named = world.named(trunk.tenant, &caller.from_user).is_some();
        if is_named && is_ours && ingress.users.is_empty() {
            return Ok(None);
        }
        let (trunk_id, listener) = (trunk.id.0, i64::from(hints.listener));
        self.note(Step::Guest { trunk: trunk_id, listener });
        self.check_program(trunk, ingress)?;
        self.sender_of(trunk, ingress).map(Some)
    }

    /// Who shows no credentials calls by one of the programs that are set for the account of its
    /// trunk, if some are (spec C-SEC-05).
    fn check_program(&mut self, trunk: &Trunk, ingress: &Ingress) -> Result<(), Stop> {
        let set = &self.world.account_settings(ingress.account).call.trunk_programs;
        if set.is_empty() || set.iter().any(|name| is_program(name, &self.call.user_agent)) {
            return Ok(());
        }
        Err(self.refuse_for(Refusal::Denied, Step::NotItsProgram { trunk: trunk.id.0 }))
    }

    /// A guest calls what its listener's policy allows; who may more can still show credentials.
    pub(super) fn check_guest(&mut self, sender: &Sender<'a>, called: &Called) -> Result<(), Stop> {
        let Who::Trunk(_, ingress) = sender.who else { return Ok(()) };
        if ingress.auth != IngressAuth::Nobody {
            return Ok(());
        }
        let listener = self.ask.hints.listener;
        let policy = self.world.listener_at(listener).map_or(Guests::Refuse, |one| one.guests);
        let holder = called.number.ok().and_then(|n| self.world.numbered(sender.tenant.id, n));
        let is_did = matches!(holder, Some(Holder::Did(_)));
        if policy == Guests::Account || (policy == Guests::Dids && is_did) {
            return Ok(());
        }
        self.note(Step::GuestBeyond { listener: listener.into() });
        Err(self.challenge())
    }

    fn challenge(&self) -> Stop {
        match challenge_stranger(self.world, self.ask) {
            Some(challenge) => Stop::Challenge(challenge),
            None => Stop::Refuse(Refusal::Denied),
        }
    }

    /// The firewall by caller. It sees the caller that the far side would see and the record shows:
    /// a number, or none.
    pub(super) fn check_caller(&mut self, sender: &Sender<'a>) -> Result<(), Stop> {
        let number = Digits::parse(&self.number_of(sender)).unwrap_or(Digits::EMPTY);
        let rule = self.world.callers().deciding(self.caller_at(sender, number));
        let denied = match rule {
            Some(rule) => self.turned_away(rule),
            None if sender.settings.call.callers_default_deny => Some(Step::CallerUnlisted {}),
            None => None,
        };
        let denied = denied.or_else(|| self.denied_caller(&sender.gate(), number));
        denied.map_or(Ok(()), |step| Err(self.refuse_for(Refusal::Denied, step)))
    }

    /// A caller as rules about callers see him.
    pub(super) fn caller_at(&self, sender: &Sender<'a>, number: Digits) -> CallerAt {
        let (tenant, account) = (sender.tenant.id, sender.account.id);
        CallerAt { tenant, account, number, at_us: self.wall_us }
    }

    /// What a rule says that decides on a caller: why he is turned away, or a step that he is not.
    pub(super) fn turned_away(&mut self, rule: &CallerRule) -> Option<Step> {
        let (id, allow) = (rule.id.0, rule.allow);
        if allow {
            self.note(Step::CallerAllowed { rule: id });
        }
        (!allow).then_some(Step::CallerDenied { rule: id })
    }

    /// Capability checks of the caller (spec 19.2): nothing switched off may call.
    pub(super) fn check_enabled(&mut self, sender: &Sender<'a>) -> Result<(), Stop> {
        let step = match sender.who {
            _ if !sender.account.enabled => Step::AccountDisabled { account: sender.account.id.0 },
            Who::Subscriber(s) if !s.enabled => Step::SubscriberDisabled { subscriber: s.id.0 },
            Who::Trunk(t, _) if !t.enabled => Step::TrunkDisabled { trunk: t.id.0 },
            Who::Trunk(..) if sender.behalf.is_some_and(|s| !s.enabled) => {
                let subscriber = sender.behalf.map_or(0, |s| s.id.0);
                Step::SubscriberDisabled { subscriber }
            }
            Who::Subscriber(s) if !self.may_call(sender, s) => Step::Offline { subscriber: s.id.0 },
            Who::Subscriber(_) | Who::Trunk(..) => return Ok(()),
        };
        Err(self.refuse_for(Refusal::Denied, step))
    }

    /// A subscriber is registered, or need not be.
    fn may_call(&self, sender: &Sender<'a>, caller: &Subscriber) -> bool {
        sender.settings.call.unregistered
            || !self.locations.contacts(caller.id, self.now).is_empty()
    }
}

/// Whether credentials are shown from where their row wants them to be.
pub(crate) fn is_home(world: &World, known: Known<'_>, source: SocketAddr) -> bool {
    match known {
        Known::Trunk(row, ingress, _) if ingress.auth == IngressAuth::Both => {
            world.trunk_sources(row).iter().any(|m| m.matches(source))
        }
        Known::Trunk(..) | Known::Subscriber(_) => true,
    }
}

/// Whose credentials they are.
#[derive(Clone, Copy)]
pub(crate) enum Known<'a> {
    Subscriber(&'a Subscriber),
    Trunk(&'a Trunk, &'a Ingress, &'a TrunkCredentials),
}

impl<'a> Known<'a> {
    fn find(world: &'a World, tenant: TenantId, username: &str) -> Option<Known<'a>> {
        match world.named(tenant, username)? {
            Holder::Subscriber(id) => world.subscriber(id).map(Known::Subscriber),
            Holder::Trunk(id) => {
                let trunk = world.trunk(id)?;
                let ingress = trunk.ingress.as_ref()?;
                Some(Known::Trunk(trunk, ingress, ingress.credentials.as_ref()?))
            }
            Holder::RingGroup(_) | Holder::Did(_) => None,
        }
    }

    /// What is set for it.
    pub(crate) fn settings(self, world: &'a World) -> &'a Profile {
        match self {
            Known::Subscriber(row) => world.subscriber_settings(row.id),
            Known::Trunk(_, ingress, _) => world.account_settings(ingress.account),
        }
    }

    fn secrets(self, settings: &Profile) -> Secrets {
        let stored = match self {
            Known::Subscriber(row) => Secrets::from(row),
            Known::Trunk(_, _, credentials) => Secrets::from(credentials),
        };
        match settings.digest.strong {
            true => Secrets { policy: DigestPolicy::Sha256Only, ..stored },
            false => stored,
        }
    }

    pub(crate) fn holder(self) -> Holder {
        match self {
            Known::Subscriber(row) => Holder::Subscriber(row.id),
            Known::Trunk(row, ..) => Holder::Trunk(row.id),
        }
    }

    /// Who it is, for the trace.
    pub(crate) const fn step(self) -> Step {
        match self {
            Known::Subscriber(row) => Step::SenderSubscriber { subscriber: row.id.0 },
            Known::Trunk(row, ..) => Step::SenderTrunk { trunk: row.id.0 },
        }
    }

    /// It is switched off.
    pub(crate) fn disabled(self) -> Option<Step> {
        match self {
            Known::Subscriber(row) if !row.enabled => {
                Some(Step::SubscriberDisabled { subscriber: row.id.0 })
            }
            Known::Trunk(row, ..) if !row.enabled => Some(Step::TrunkDisabled { trunk: row.id.0 }),
            Known::Subscriber(_) | Known::Trunk(..) => None,
        }
    }
}

/// What credentials are worth.
pub(crate) enum Identity<'a> {
    /// Right, with the nonce count to spend.
    Known(Known<'a>, Option<NonceUse>),
    /// Wrong password or unknown user: the same to the outside.
    Wrong(Step),
    /// Right, but another nonce or algorithm is wanted.
    Again(Challenge, Step),
    /// Of a realm that is none of ours.
    Stranger,
}

/// Checks credentials whose nonce the dataplane has checked.
pub(crate) fn identify<'a>(
    world: &'a World,
    locations: &Locations,
    credentials: &Credentials,
) -> Identity<'a> {
    let Some(tenant) = world.tenant_of_realm(&credentials.realm) else {
        return Identity::Stranger;
    };
    let Some(known) = Known::find(world, tenant.id, &credentials.username) else {
        digest::verify_nobody(credentials);
        return Identity::Wrong(Step::UnknownUser {});
    };
    let settings = known.settings(world);
    let secrets = known.secrets(settings);
    let again = |stale| Challenge {
        realm: tenant.realm.clone(),
        algorithms: digest::algorithms(secrets, tenant),
        stale,
    };
    let [wrong, weak, other, replay] = match known {
        Known::Subscriber(row) => {
            let subscriber = row.id.0;
            let (wrong, weak) =
                (Step::WrongPassword { subscriber }, Step::WeakAlgorithm { subscriber });
            [wrong, weak, Step::OtherAlgorithm { subscriber }, Step::Replay { subscriber }]
        }
        Known::Trunk(row, ..) => [Step::WrongTrunkCredentials { trunk: row.id.0 }; 4],
    };
    match digest::verify(credentials, secrets, tenant) {
        Verdict::Wrong => Identity::Wrong(wrong),
        Verdict::Unknown => Identity::Again(again(false), other),
        Verdict::Weak => Identity::Again(again(false), weak),
        Verdict::Right if settings.digest.qop && credentials.qop.is_none() => {
            Identity::Again(again(false), weak)
        }
        Verdict::Right => match locations.nonces().check(known.holder(), credentials) {
            Some(nonce) => Identity::Known(known, nonce),
            None => Identity::Again(again(true), replay),
        },
    }
}

/// Whether a program that calls itself `said` is meant by `name`: the whole name when that is
/// short, else a part of it.
fn is_program(name: &str, said: &str) -> bool {
    let (name, said) = (name.to_ascii_lowercase(), said.to_ascii_lowercase());
    if name.len() < WHOLE_BELOW { name == said } else { said.contains(&name) }
}
