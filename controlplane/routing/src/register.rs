//! REGISTER asks: credentials, whose address of record, then the registrar (RFC 3261 10.3).

mod date;
mod extension;

use crate::decide::{
    Decision, Identity, Known, Verdict, challenge_stranger, identify, is_home, not_supported,
};
use crate::location::{Locations, RegisterError, Registrant};
use crate::nonce::NonceUse;
use crate::refusal::Refusal;
use crate::trace::{Step, Trace};
use crate::uri::escape_user;
use crate::world::World;
use strowger_link::{Ask, AskBody, Octets, RegisterAsk, Registered, Tick};
use strowger_model::{RegistrationSettings, TenantId};

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
        Ok((known, registrant, nonce)) => {
            if let Some(used) = nonce {
                locations.nonces_mut().spend(used);
            }
            let settings = &known.settings(world).registration;
            let registrar = Registrar { world, ask, request, settings, wall_us };
            registrar.register(registrant, locations, now, &mut trace)
        }
        Err(verdict) => *verdict,
    };
    Decision::of(verdict, trace, tenant)
}

/// Steps 3 to 5: who it is, and whether the address of record is its own.
fn admitted<'a>(
    world: &'a World,
    locations: &Locations,
    ask: &Ask,
    request: &RegisterAsk,
    trace: &mut Trace,
    of: &mut Option<TenantId>,
) -> Result<(Known<'a>, Registrant, Option<NonceUse>), Box<Verdict>> {
    let (known, nonce) = match identify(world, locations, &request.credentials) {
        Identity::Known(known, nonce) => (known, nonce),
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
    *of = Some(match known {
        Known::Subscriber(row) => row.tenant,
        Known::Trunk(row, ..) => row.tenant,
    });
    trace.note(known.step());
    if let Some(step) = known.disabled() {
        return Err(refused(Refusal::Denied, step, trace));
    }
    if let Known::Trunk(row, ..) = known
        && !is_home(world, known, ask.hints.source)
    {
        let step = Step::NotItsAddress { trunk: row.id.0 };
        return Err(refused(Refusal::AuthFailed, step, trace));
    }
    //= rfc3261#section-10.3
    //# If the authenticated user is
    //# not authorized to modify bindings, the registrar MUST return a 403
    //# (Forbidden) and skip the remaining steps.
    let (own, tenant, not_its_own) = match known {
        Known::Subscriber(row) => {
            let own = request.user == row.username
                || row.numbers.iter().any(|number| number.as_str() == request.user);
            (own, row.tenant, Step::NotItsOwn { subscriber: row.id.0 })
        }
        Known::Trunk(row, _, credentials) => {
            let own = request.user == credentials.username;
            (own, row.tenant, Step::NotTrunksOwn { trunk: row.id.0 })
        }
    };
    if !own {
        return Err(refused(Refusal::Denied, not_its_own, trace));
    }
    // Phones name the switch in many ways; only a host that is another tenant's is not ours.
    if world.tenant_of_host(&request.host).is_some_and(|t| t.id != tenant) {
        return Err(refused(Refusal::UnknownUser, not_its_own, trace));
    }
    let registrant = match known {
        Known::Subscriber(row) => Registrant::from(row),
        Known::Trunk(row, ..) => Registrant::from(row.id),
    };
    let registrant = registrant.within(&known.settings(world).registration);
    Ok((known, registrant, nonce))
}

/// A REGISTER of somebody who may register.
struct Registrar<'a> {
    world: &'a World,
    ask: &'a Ask,
    request: &'a RegisterAsk,
    settings: &'a RegistrationSettings,
    wall_us: i64,
}

impl Registrar<'_> {
    /// Steps 6 to 8, and what the extensions add to them.
    fn register(
        &self,
        mut registrant: Registrant,
        locations: &mut Locations,
        now: Tick,
        trace: &mut Trace,
    ) -> Verdict {
        let extensions = match extension::Extensions::of(self.request, self.settings) {
            Ok(extensions) => extensions,
            Err(bar) => return bar.answer(trace),
        };
        registrant.outbound = extensions.outbound;
        let host = &self.request.host;
        registrant.aor = extensions.gruu.then(|| format!("{}@{host}", self.user()));
        let hints = &self.ask.hints;
        let outcome = locations.register(registrant, self.request, hints, now, self.wall_us);
        match outcome {
            Ok(contacts) => {
                let count = i64::try_from(contacts.len()).unwrap_or_default();
                trace.note(Step::Registered { contacts: count });
                let listener = self.world.listener_at(hints.listener);
                let mut headers = extensions.headers(self.request, listener);
                headers.push(extension::field("Date", date::http_date(self.wall_us)));
                Verdict::Registered(Registered { contacts, headers })
            }
            Err(why) => refused_by_registrar(why, trace),
        }
    }

    /// The user of the address of record as it stands in a URI.
    fn user(&self) -> String {
        escape_user(&self.request.user)
    }
}

fn refused_by_registrar(why: RegisterError, trace: &mut Trace) -> Verdict {
    let refusal = match why {
        RegisterError::TooBrief { min_s } => return too_brief(min_s, trace),
        RegisterError::Wildcard | RegisterError::Contact => Refusal::BadRequest,
        RegisterError::OutOfOrder => Refusal::OutOfOrder,
        RegisterError::TooMany => Refusal::Denied,
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
    let field = extension::field("Min-Expires", min_s.to_string());
    extension::Bar { status: 423, phrase: "", field: Some(field) }.answer(trace)
}

fn refused(refusal: Refusal, step: Step, trace: &mut Trace) -> Box<Verdict> {
    trace.note(step);
    let cause = refusal.cause();
    trace.note(Step::Refused { sip: cause.sip.into(), q850: cause.q850.into() });
    Box::new(Verdict::Refuse(refusal.refuse(false, Octets::default())))
}

#[cfg(test)]
mod tests;
