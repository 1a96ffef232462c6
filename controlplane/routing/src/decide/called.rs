//! What was dialled, and whether it is one of ours (spec NUM-NORM, ROUTE-LOCAL-01).

use super::sender::{Sender, Who};
use super::way::{Place, Way};
use super::{Attempt, Stop};
use crate::gruu::{self, Gruu};
use crate::limits::CALLED_MAX;
use crate::prefix::Chain;
use crate::refusal::Refusal;
use crate::trace::{Step, TO_SUBSTITUTE};
use crate::world::Holder;
use strowger_model::{
    BadNumber, Barring, CalledFrom, DidId, DidTarget, Digits, Forward, ForwardWhen, OrganizationId,
    RingGroup, Subscriber, Tenant, TenantId, Trunk, TrunkId,
};

/// The called party in its forms.
pub(super) struct Called {
    /// As received, without tech prefix and parameters, edited as the sender's row says.
    pub(super) text: String,
    /// Canonical, when it is a number.
    pub(super) number: Result<Digits, BadNumber>,
    /// The ids of the number's prefixes.
    pub(super) chain: Option<Chain>,
}

/// A party of ours.
#[derive(Clone, Copy)]
pub(super) enum Party<'a> {
    Subscriber(&'a Subscriber),
    Group(&'a RingGroup),
    /// A customer's switch, which a DID leads to.
    Trunk(&'a Trunk),
}

impl Party<'_> {
    pub(super) fn holder(&self) -> Holder {
        match self {
            Party::Subscriber(row) => Holder::Subscriber(row.id),
            Party::Group(row) => Holder::RingGroup(row.id),
            Party::Trunk(row) => Holder::Trunk(row.id),
        }
    }
}

impl<'a> Attempt<'a> {
    /// Step 10: before anything is looked up.
    pub(super) fn check_length(&mut self) -> Result<(), Stop> {
        let call = self.call;
        // A Request-URI without a user may leave the number to To.
        let said = if call.called.is_empty() { &call.to_user } else { &call.called };
        let len = said.len();
        let bad = match len {
            0 => BadNumber::Empty,
            1..=CALLED_MAX => return Ok(()),
            _ => BadNumber::TooLong,
        };
        let step = Step::BadLength { characters: i64::try_from(len).unwrap_or(i64::MAX) };
        Err(self.refuse_for(Refusal::BadNumber(bad), step))
    }

    /// Steps 14 and 16: tech prefix off, the trunk's own edit, then the canonical form. A text that
    /// is no number may still be a user name.
    pub(super) fn normalise(&mut self, sender: &Sender<'a>) -> Result<Called, Stop> {
        let received = self.received(sender);
        let Some(text) = self.own_text(sender, &received) else {
            let trunk = match sender.who {
                Who::Trunk(trunk, _) => trunk.id.0,
                Who::Subscriber(_) => 0,
            };
            return Err(self.refuse_for(Refusal::Denied, Step::NoTechPrefix { trunk }));
        };
        let number = sender.canonical(&text);
        let called = self.called_as(text, number);
        self.note_called(sender, &called);
        Ok(called)
    }

    /// From here on this number is called.
    pub(super) fn note_called(&mut self, sender: &Sender<'a>, called: &Called) {
        if let Ok(digits) = called.number {
            self.note(Step::Number(digits));
            self.known_called(sender, called);
        }
    }

    /// The number that a refusal's record and prices go by.
    pub(super) fn known_called(&mut self, sender: &Sender<'a>, called: &Called) {
        if let Ok(digits) = called.number {
            let destination = self.destination_of(sender.tenant.id, called);
            if let Some(known) = &mut self.known {
                known.number = Some(digits);
                known.destination = destination;
            }
        }
    }

    /// A received text without parameters and the sender's tech prefix, edited as its row says;
    /// `None` when the tech prefix is missing.
    pub(super) fn own_text(&self, sender: &Sender<'a>, received: &str) -> Option<String> {
        let received = received.split(';').next().unwrap_or_default();
        match sender.who {
            Who::Subscriber(_) => Some(received.to_owned()),
            Who::Trunk(_, ingress) => {
                let own = match &ingress.tech_prefix {
                    Some(prefix) => received.strip_prefix(prefix.as_str())?,
                    None => received,
                };
                Some(ingress.called.apply(own))
            }
        }
    }

    /// The called number as the sender's row says where it stands (spec SIP-URI-01), or as rules
    /// left it.
    pub(super) fn received(&self, sender: &Sender<'a>) -> String {
        if let Some(called) = &self.called {
            return called.clone();
        }
        let call = self.call;
        let from = match sender.who {
            Who::Subscriber(_) => CalledFrom::Auto,
            Who::Trunk(_, ingress) => ingress.called_from,
        };
        let world = self.world;
        let text: &str = match from {
            CalledFrom::Auto if call.called.is_empty() => &call.to_user,
            CalledFrom::Auto => world.received(self.ask.hints.source, call),
            CalledFrom::RequestUri => &call.called,
            CalledFrom::To => &call.to_user,
        };
        text.to_owned()
    }

    /// What a text means to a tenant.
    pub(super) fn called_of(&self, tenant: &Tenant, text: String) -> Called {
        let number = tenant.normalisation.normalise(&text);
        self.called_as(text, number)
    }

    /// A text with what it means.
    pub(super) fn called_as(&self, text: String, number: Result<Digits, BadNumber>) -> Called {
        let chain = number.ok().map(|digits| self.world.chain(&digits));
        Called { text, number, chain }
    }

    /// Prefix of the direction that a number belongs to.
    pub(super) fn destination_of(&self, tenant: TenantId, called: &Called) -> Option<Digits> {
        let chain = called.chain.as_ref()?;
        self.world.destination(tenant, chain).map(|destination| destination.prefix)
    }

    /// An emergency number of the tenant. The world is newer than the edge's table, so its word
    /// counts and the edge's mark is not read.
    pub(super) fn emergency_of(&self, tenant: TenantId, called: &Called) -> Option<&'a [TrunkId]> {
        let raw = Digits::parse(&called.text).ok();
        let numbers = [raw, called.number.ok()];
        numbers.into_iter().flatten().find_map(|number| self.world.emergency(tenant, number))
    }

    /// Whom of ours the caller means: a device by its GRUU (RFC 5627), else a party.
    pub(super) fn find_party(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        looks: bool,
    ) -> Result<Option<Party<'a>>, Stop> {
        let tenant = sender.tenant.id;
        match gruu::read(&self.call.request_uri, self.locations.key()) {
            None => Ok(self.find_local(tenant, sender.scope(), called, looks)),
            Some(Gruu::Public(device)) => {
                let party = self.find_local(tenant, sender.scope(), called, looks);
                let is_subscriber = matches!(party, Some(Party::Subscriber(_)));
                self.device = Some(device).filter(|_| is_subscriber);
                Ok(party)
            }
            Some(Gruu::Temporary(id, device)) => {
                self.device = Some(device);
                let own = self.world.subscriber(id).filter(|row| row.tenant == tenant);
                let party = own.and_then(|row| {
                    let step = |subscriber| Step::CalleeByName { subscriber };
                    self.party(Holder::Subscriber(row.id), step)
                });
                party.map(Some).ok_or(Stop::Refuse(Refusal::UnknownUser))
            }
            Some(Gruu::Unknown) => Err(Stop::Refuse(Refusal::UnknownUser)),
        }
    }

    /// Step 22: user name, number or short number of a party who is not switched off.
    pub(super) fn find_local(
        &mut self,
        tenant: TenantId,
        scope: Option<OrganizationId>,
        called: &Called,
        looks: bool,
    ) -> Option<Party<'a>> {
        if !looks {
            return None;
        }
        let world = self.world;
        let number = called.number.ok();
        let other = number.filter(|number| number.as_str() != called.text);
        let by_name = world
            .named(tenant, &called.text)
            .or_else(|| world.named(tenant, other?.as_str()))
            // A trunk's user name is nobody's address.
            .filter(|holder| !matches!(holder, Holder::Trunk(_)));
        let by_number = || world.numbered(tenant, number?);
        let by_short = || world.short(scope?, number?);
        if let Some(holder) = by_name {
            self.party(holder, |subscriber| Step::CalleeByName { subscriber })
        } else if let Some(holder) = by_number() {
            self.party(holder, |subscriber| Step::CalleeByNumber { subscriber })
        } else {
            self.party(by_short()?, |subscriber| Step::CalleeByShort { subscriber })
        }
    }

    fn party(&mut self, holder: Holder, step: impl Fn(i64) -> Step) -> Option<Party<'a>> {
        match holder {
            Holder::Subscriber(id) => {
                self.note(step(id.0));
                let row = self.world.subscriber(id)?;
                if row.enabled {
                    return Some(Party::Subscriber(row));
                }
                // As if deleted: the number may still have a route.
                self.note(Step::SubscriberDisabled { subscriber: id.0 });
                None
            }
            Holder::RingGroup(id) => {
                let row = self.world.ring_group(id).filter(|row| row.enabled)?;
                self.note(Step::CalleeGroup { group: id.0 });
                Some(Party::Group(row))
            }
            Holder::Did(id) => self.did(id),
            Holder::Trunk(_) => None,
        }
    }

    fn did(&mut self, id: DidId) -> Option<Party<'a>> {
        let did = self.world.did(id).filter(|row| row.enabled)?;
        self.note(Step::CalleeDid { did: id.0 });
        match did.target {
            DidTarget::Subscriber(id) => {
                self.party(Holder::Subscriber(id), |subscriber| Step::CalleeByNumber { subscriber })
            }
            DidTarget::RingGroup(id) => {
                self.party(Holder::RingGroup(id), |subscriber| Step::CalleeByNumber { subscriber })
            }
            // As if deleted: the number may still have a route.
            DidTarget::Pool => {
                if !did.shared {
                    self.note(Step::DidInPool { did: id.0 });
                }
                None
            }
            DidTarget::Trunk(id) => {
                self.note(Step::DidTrunk { trunk: id.0 });
                self.world.trunk(id).map(Party::Trunk)
            }
        }
    }

    /// A subscriber that is registered nowhere and forwards nothing for that is as if its number
    /// were none of ours, where that is set (spec DID-FALLBACK-01).
    pub(super) fn unless_offline(
        &mut self,
        called: &Called,
        party: Option<Party<'a>>,
    ) -> Option<Party<'a>> {
        let Some(Party::Subscriber(row)) = party else { return party };
        let is_away = self.world.subscriber_settings(row.id).call.offline_outside
            && called.number.is_ok_and(|number| row.numbers.contains(&number))
            && self.locations.contacts(row.id, self.now).is_empty();
        let is_offline = |forward: &Forward| {
            forward.enabled && matches!(forward.when, ForwardWhen::Always | ForwardWhen::Offline)
        };
        if !is_away || row.forwards.iter().any(is_offline) {
            return party;
        }
        self.note(Step::Offline { subscriber: row.id.0 });
        None
    }

    /// A number that is none of ours: the routes, or who is called in place of a number that
    /// nobody has (spec DID-FALLBACK-01).
    pub(super) fn lead_beyond(
        &mut self,
        sender: &Sender<'a>,
        called: Called,
        place: &Place,
    ) -> Result<(Called, Way), Stop> {
        let mut way = Way::outside();
        self.remember_shared(sender, &called);
        let refusal = match self.lead_out(sender, &called, place, &mut way) {
            Ok(_) => return Ok((called, way)),
            Err(refusal) => refusal,
        };
        if refusal == Refusal::UnknownNumber
            && let Some(way) = self.lead_to_domain(sender, &called, place)?
        {
            return Ok((called, way));
        }
        let instead = sender.settings.call.unknown_to;
        let Some(instead) = instead.filter(|_| refusal == Refusal::UnknownNumber) else {
            return Err(refusal.into());
        };
        self.note(Step::Beyond { beyond: TO_SUBSTITUTE });
        let called = self.called_of(sender.tenant, instead.to_string());
        self.note_called(sender, &called);
        let party = self.find_local(sender.tenant.id, sender.scope(), &called, true);
        let party = party.ok_or(refusal)?;
        let mut way = Way::inside();
        self.check_self_call(sender, &party)?;
        self.lead(sender, &called, party, place, &mut way)?;
        Ok((called, way))
    }

    /// Who calls itself calls another number instead, if one is set (spec C-CALL-05).
    pub(super) fn forward_to_self(
        &mut self,
        sender: &Sender<'a>,
        called: Called,
        party: Option<Party<'a>>,
    ) -> (Called, Option<Party<'a>>) {
        let (Who::Subscriber(caller), Some(Party::Subscriber(callee))) = (sender.who, &party)
        else {
            return (called, party);
        };
        let set = &sender.settings.call;
        let Some(instead) = set.self_forward.filter(|_| caller.id == callee.id && !set.self_call)
        else {
            return (called, party);
        };
        self.note(Step::SelfCall { subscriber: caller.id.0 });
        let called = self.called_of(sender.tenant, instead.to_string());
        self.note_called(sender, &called);
        let party = self.find_local(sender.tenant.id, sender.scope(), &called, set.local_numbers);
        (called, party)
    }

    /// Step 21: a phone that calls itself would ring itself busy.
    pub(super) fn check_self_call(
        &mut self,
        sender: &Sender<'a>,
        party: &Party<'a>,
    ) -> Result<(), Stop> {
        match (sender.who, party) {
            (Who::Subscriber(caller), Party::Subscriber(callee))
                if caller.id == callee.id && !sender.settings.call.self_call =>
            {
                let step = Step::SelfCall { subscriber: caller.id.0 };
                Err(self.refuse_for(Refusal::Denied, step))
            }
            (
                Who::Subscriber(_) | Who::Trunk(..),
                Party::Subscriber(_) | Party::Group(_) | Party::Trunk(_),
            ) => Ok(()),
        }
    }

    /// What the sender may call. A sender who calls nobody still reaches emergency numbers, which
    /// were looked at before. The lists of prefixes are for numbers that leave us: who has no
    /// number to dial outside may well call a colleague.
    pub(super) fn check_barring(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        is_local: bool,
    ) -> Result<(), Stop> {
        let bars = |barring: &Barring| {
            let by_prefix = || called.number.is_ok_and(|number| barring.bars(&number));
            barring.all || (!is_local && by_prefix())
        };
        let on_behalf = sender.behalf.is_some_and(|row| bars(&row.barring));
        if on_behalf || bars(sender.barring()) || bars(&sender.account.barring) {
            return Err(self.refuse_for(Refusal::Denied, Step::Barred {}));
        }
        let denied = match is_local {
            true => None,
            false => {
                let gate = sender.gate();
                let denied = self.denied_called(&gate, called);
                denied.or_else(|| self.denied_out(&gate, |own| own.number_of(sender), called))
            }
        };
        denied.map_or(Ok(()), |step| Err(self.refuse_for(Refusal::Denied, step)))
    }
}
