//! REGISTER asks: credentials, whose address of record, then the registrar (RFC 3261 10.3).

use crate::decide::{Decision, Identity, Verdict, challenge_stranger, identify, not_supported};
use crate::location::{Locations, RegisterError};
use crate::nonce::NonceUse;
use crate::refusal::Refusal;
use crate::trace::{Step, Trace};
use crate::world::World;
use strowger_link::{
    Ask, AskBody, BoundContact, HeaderField, Octets, RegisterAsk, Registered, Respond, Tick,
};
use strowger_model::{Subscriber, TenantId};

/// Answers a REGISTER; every other ask is refused as not supported.
///
/// Unlike [`crate::decide`] it changes something: `locations` has the new bindings and the spent
/// nonce count when it returns. `wall_us` is the wall clock at `now`.
#[must_use]
pub fn register(
    world: &World,
    locations: &mut Locations,
    ask: &Ask,
    now: Tick,
    wall_us: i64,
) -> Decision {
    let AskBody::Register(request) = &ask.body else { return not_supported() };
    let mut trace = Trace::default();
    let mut tenant = None;
    let verdict = match admitted(world, locations, ask, request, &mut trace, &mut tenant) {
        Ok((subscriber, nonce)) => {
            if let Some(used) = nonce {
                locations.nonces_mut().spend(used);
            }
            let outcome = locations.register(subscriber, request, &ask.hints, now, wall_us);
            conclude(outcome, &mut trace)
        }
        Err(verdict) => *verdict,
    };
    Decision { verdict, trace, tenant, nonce: None }
}

/// Steps 3 to 5: who it is, and whether the address of record is its own.
fn admitted<'a>(
    world: &'a World,
    locations: &Locations,
    ask: &Ask,
    request: &RegisterAsk,
    trace: &mut Trace,
    tenant: &mut Option<TenantId>,
) -> Result<(&'a Subscriber, Option<NonceUse>), Box<Verdict>> {
    let (subscriber, nonce) = match identify(world, locations, &request.credentials) {
        Identity::Known(subscriber, nonce) => (subscriber, nonce),
        Identity::Wrong(step) => return Err(refused(Refusal::AuthFailed, step, trace)),
        Identity::Again(challenge, step) => {
            trace.note(step);
            return Err(Box::new(Verdict::Challenge(challenge)));
        }
        Identity::Stranger => match challenge_stranger(world, ask) {
            Some(challenge) => {
                trace.note(Step::UnknownRealm {});
                return Err(Box::new(Verdict::Challenge(challenge)));
            }
            None => return Err(refused(Refusal::Denied, Step::UnknownRealm {}, trace)),
        },
    };
    let id = subscriber.id.0;
    *tenant = Some(subscriber.tenant);
    trace.note(Step::SenderSubscriber { subscriber: id });
    if !subscriber.enabled {
        let step = Step::SubscriberDisabled { subscriber: id };
        return Err(refused(Refusal::Denied, step, trace));
    }
    //= rfc3261#section-10.3
    //# If the authenticated user is
    //# not authorized to modify bindings, the registrar MUST return a 403
    //# (Forbidden) and skip the remaining steps.
    let own = request.user == subscriber.username
        || subscriber.numbers.iter().any(|number| number.as_str() == request.user);
    if !own {
        return Err(refused(Refusal::Denied, Step::NotItsOwn { subscriber: id }, trace));
    }
    // Phones name the switch in many ways; only a host that is another tenant's is not ours.
    let elsewhere = world.tenant_of_host(&request.host).is_some_and(|t| t.id != subscriber.tenant);
    if elsewhere {
        return Err(refused(Refusal::UnknownUser, Step::NotItsOwn { subscriber: id }, trace));
    }
    Ok((subscriber, nonce))
}

fn conclude(outcome: Result<Vec<BoundContact>, RegisterError>, trace: &mut Trace) -> Verdict {
    let refusal = match outcome {
        Ok(contacts) => {
            let count = i64::try_from(contacts.len()).unwrap_or_default();
            trace.note(Step::Registered { contacts: count });
            return Verdict::Registered(Registered { contacts });
        }
        Err(RegisterError::TooBrief { min_s }) => return too_brief(min_s, trace),
        Err(RegisterError::Wildcard | RegisterError::Contact) => Refusal::BadRequest,
        Err(RegisterError::OutOfOrder) => Refusal::OutOfOrder,
        Err(RegisterError::TooMany) => Refusal::Denied,
    };
    let cause = refusal.cause();
    trace.note(Step::Refused { sip: cause.sip.into(), q850: cause.q850.into() });
    Verdict::Refuse(refusal.refuse(false, Octets::default()))
}

//= rfc3261#section-10.3
//# This response MUST contain a Min-Expires header field
//# that states the minimum expiration interval the registrar is
//# willing to honor.
fn too_brief(min_s: u32, trace: &mut Trace) -> Verdict {
    trace.note(Step::Refused { sip: 423, q850: 0 });
    let value = Octets(min_s.to_string().into_bytes());
    Verdict::Respond(Respond {
        status: 423,
        phrase: String::new(),
        headers: vec![HeaderField { name: "Min-Expires".to_owned(), value }],
        body: Octets::default(),
    })
}

fn refused(refusal: Refusal, step: Step, trace: &mut Trace) -> Box<Verdict> {
    trace.note(step);
    let cause = refusal.cause();
    trace.note(Step::Refused { sip: cause.sip.into(), q850: cause.q850.into() });
    Box::new(Verdict::Refuse(refusal.refuse(false, Octets::default())))
}

#[cfg(test)]
mod tests;
