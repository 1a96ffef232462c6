//! Who calls: a trunk by its address, or a subscriber by credentials (spec AUTH-MODE-01).

use super::{Attempt, Stop, challenge_stranger};
use crate::digest::{self, Verdict};
use crate::location::Locations;
use crate::nonce::NonceUse;
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::world::World;
use strowger_link::{Challenge, Credentials};
use strowger_model::{Account, Ingress, Subscriber, Tenant, Trunk, TrunkId};

/// A sender who is known, and who pays.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) account: &'a Account,
    pub(super) who: Who<'a>,
}

/// Which kind of sender.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    Subscriber(&'a Subscriber),
    Trunk(&'a Trunk, &'a Ingress),
}

impl<'a> Attempt<'a> {
    /// Step 13: a trunk that sends from its own address, else right credentials, else a challenge.
    pub(super) fn authenticate(&mut self) -> Result<Sender<'a>, Stop> {
        if let Some(id) = self.ask.hints.trunk
            && let Some(sender) = self.trunk_sender(TrunkId(id))?
        {
            return Ok(sender);
        }
        let Some(credentials) = &self.call.credentials else {
            self.note(Step::Stranger {});
            return Err(self.challenge());
        };
        let (subscriber, nonce) = match identify(self.world, self.locations, credentials) {
            Identity::Known(subscriber, nonce) => (subscriber, nonce),
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
        self.note(Step::SenderSubscriber { subscriber: subscriber.id.0 });
        let tenant = self.world.tenant(subscriber.tenant).ok_or(Refusal::Internal)?;
        let account = self.world.account(subscriber.account).ok_or(Refusal::Internal)?;
        Ok(Sender { tenant, account, who: Who::Subscriber(subscriber) })
    }

    /// The trunk that the edge named. The edge may be older than the world, so its word is checked.
    fn trunk_sender(&mut self, id: TrunkId) -> Result<Option<Sender<'a>>, Stop> {
        let trunk = self.world.sending_trunk(id, self.ask.hints.source, &self.call.called);
        let Some((trunk, ingress)) = trunk.and_then(|t| Some((t, t.ingress.as_ref()?))) else {
            self.note(Step::NotItsSource { trunk: id.0 });
            return Ok(None);
        };
        self.note(Step::SenderTrunk { trunk: trunk.id.0 });
        let tenant = self.world.tenant(trunk.tenant).ok_or(Refusal::Internal)?;
        let account = self.world.account(ingress.account).ok_or(Refusal::Internal)?;
        Ok(Some(Sender { tenant, account, who: Who::Trunk(trunk, ingress) }))
    }

    fn challenge(&self) -> Stop {
        match challenge_stranger(self.world, self.ask) {
            Some(challenge) => Stop::Challenge(challenge),
            None => Stop::Refuse(Refusal::Denied),
        }
    }

    /// Capability checks of the caller (spec 19.2): nothing switched off may call.
    pub(super) fn check_enabled(&mut self, sender: &Sender<'a>) -> Result<(), Stop> {
        let step = match sender.who {
            _ if !sender.account.enabled => Step::AccountDisabled { account: sender.account.id.0 },
            Who::Subscriber(s) if !s.enabled => Step::SubscriberDisabled { subscriber: s.id.0 },
            Who::Trunk(t, _) if !t.enabled => Step::TrunkDisabled { trunk: t.id.0 },
            Who::Subscriber(_) | Who::Trunk(..) => return Ok(()),
        };
        Err(self.refuse_for(Refusal::Denied, step))
    }
}

/// What credentials are worth.
pub(crate) enum Identity<'a> {
    /// Right, with the nonce count to spend.
    Known(&'a Subscriber, Option<NonceUse>),
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
    let Some(subscriber) = world.subscriber_named(tenant.id, &credentials.username) else {
        digest::verify_nobody(credentials);
        return Identity::Wrong(Step::UnknownUser {});
    };
    let id = subscriber.id.0;
    let again = |stale| Challenge {
        realm: tenant.realm.clone(),
        algorithms: digest::algorithms(subscriber, tenant),
        stale,
    };
    match digest::verify(credentials, subscriber, tenant) {
        Verdict::Wrong => Identity::Wrong(Step::WrongPassword { subscriber: id }),
        Verdict::Unknown => Identity::Again(again(false), Step::OtherAlgorithm { subscriber: id }),
        Verdict::Weak => Identity::Again(again(false), Step::WeakAlgorithm { subscriber: id }),
        Verdict::Right => match locations.nonces().check(subscriber.id, credentials) {
            Some(nonce) => Identity::Known(subscriber, nonce),
            None => Identity::Again(again(true), Step::Replay { subscriber: id }),
        },
    }
}
