//! Requests that are neither a call nor a REGISTER: a request of a dialog whose sender has moved.

use crate::decide::{Decision, Identity, Verdict, challenge_stranger, identify, not_supported};
use crate::location::Locations;
use crate::nonce::NonceUse;
use crate::refusal::Refusal;
use crate::trace::{Step, Trace};
use crate::world::{Holder, World};
use strowger_link::{Ask, AskBody, Challenge, LegId, Octets, PartyRef, RequestAsk, Respond};
use strowger_model::{Subscriber, SubscriberId, TenantId};

/// Answers a request outside calls, or whether the sender of one inside a dialog is its party: 200
/// says so. Every other ask is refused as not supported.
#[must_use]
pub fn request(world: &World, locations: &Locations, ask: &Ask) -> Decision {
    let AskBody::Request(request) = &ask.body else { return not_supported() };
    if ask.leg == LegId::default() {
        return not_supported();
    }
    let mut proof = Proof { world, locations, ask, trace: Trace::default(), tenant: None };
    let (verdict, nonce) = match proof.judge(request) {
        Ok(nonce) => (Verdict::Respond(respond(200)), nonce),
        Err(verdict) => (*verdict, None),
    };
    let Proof { trace, tenant, .. } = proof;
    Decision { nonce, ..Decision::of(verdict, trace, tenant) }
}

/// An answer by its status alone.
fn respond(status: u16) -> Respond {
    let (phrase, headers, body) = (String::new(), Vec::new(), Octets(Vec::new()));
    Respond { status, phrase, headers, body }
}

/// Whether credentials are those of a dialog's party.
struct Proof<'a> {
    world: &'a World,
    locations: &'a Locations,
    ask: &'a Ask,
    trace: Trace,
    tenant: Option<TenantId>,
}

impl<'a> Proof<'a> {
    /// The nonce to spend, when they are.
    fn judge(&mut self, request: &RequestAsk) -> Result<Option<NonceUse>, Box<Verdict>> {
        let Some(credentials) = &request.credentials else {
            return Err(self.refuse(Refusal::Denied, Step::Stranger {}));
        };
        let called = self.called(&request.party)?;
        // The dataplane challenges whom we called before it knows whose subscriber it is.
        if let Some(challenge) = called.and_then(|row| self.own_realm(row, &credentials.realm)) {
            self.trace.note(Step::UnknownRealm {});
            return Err(Box::new(Verdict::Challenge(challenge)));
        }
        let (known, nonce) = match identify(self.world, self.locations, credentials) {
            Identity::Known(known, nonce) => (known, nonce),
            Identity::Wrong(step) => return Err(self.refuse(Refusal::AuthFailed, step)),
            Identity::Again(challenge, step) => {
                self.trace.note(step);
                return Err(Box::new(Verdict::Challenge(challenge)));
            }
            Identity::Stranger => {
                self.trace.note(Step::UnknownRealm {});
                let challenge = challenge_stranger(self.world, self.ask);
                return Err(match challenge {
                    Some(challenge) => Box::new(Verdict::Challenge(challenge)),
                    None => self.refuse(Refusal::Denied, Step::UnknownRealm {}),
                });
            }
        };
        self.trace.note(known.step());
        if let Some(step) = known.disabled() {
            return Err(self.refuse(Refusal::Denied, step));
        }
        match called {
            Some(row) if known.holder() != Holder::Subscriber(row.id) => {
                let step = Step::NotItsOwn { subscriber: row.id.0 };
                Err(self.refuse(Refusal::AuthFailed, step))
            }
            Some(_) | None => Ok(nonce),
        }
    }

    /// Whom we called, if it is known by id.
    fn called(&mut self, party: &PartyRef) -> Result<Option<&'a Subscriber>, Box<Verdict>> {
        match party {
            PartyRef::Unknown => Ok(None),
            PartyRef::Subscriber(id) => match self.world.subscriber(SubscriberId(*id)) {
                Some(row) => Ok(Some(row)),
                None => Err(self.refuse(Refusal::AuthFailed, Step::UnknownUser {})),
            },
            PartyRef::Trunk(_) => Err(self.refuse(Refusal::Denied, Step::Stranger {})),
        }
    }

    /// The challenge of a subscriber's own realm, when it was asked for another.
    fn own_realm(&self, row: &Subscriber, realm: &str) -> Option<Challenge> {
        let tenant = self.world.tenant(row.tenant).filter(|tenant| tenant.realm != realm)?;
        let algorithms = tenant.algorithms.iter().map(|a| crate::digest::algorithm(*a)).collect();
        Some(Challenge { realm: tenant.realm.clone(), algorithms, stale: false })
    }

    fn refuse(&mut self, refusal: Refusal, step: Step) -> Box<Verdict> {
        self.trace.note(step);
        let cause = refusal.cause();
        self.trace.note(Step::Refused { sip: cause.sip.into(), q850: cause.q850.into() });
        Box::new(Verdict::Refuse(refusal.refuse(false, Octets::default())))
    }
}

#[cfg(test)]
mod tests;
