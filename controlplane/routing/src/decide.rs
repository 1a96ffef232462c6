//! One decision per attempt of a caller (design of control, 13; spec 19.1).
//!
//! [`decide`] is pure: the same world, contacts, ask, facts and times give the same decision, so a
//! dry run, a replay and a test call this very function. The steps stand in [`Attempt::run`] in the
//! order in which they are taken; each can end the attempt.

mod called;
mod forward;
mod group;
mod identity;
mod plan;
mod ring;
mod route;
mod sender;
mod way;

#[cfg(test)]
pub(crate) use plan::blank_branch;
pub use plan::{AdmitPlan, Limit, LimitOf, NO_LEASE, Payer, Plan, TalkTime, finish, reject};
pub(crate) use route::emergency_branches;
pub(crate) use sender::{Identity, Known, identify};

use crate::location::Locations;
use crate::nonce::NonceUse;
use crate::refusal::Refusal;
use crate::trace::{Step, Trace};
use crate::world::World;
use plan::{sender_manner, spoken};
use sender::Sender;
use strowger_billing::Settlement;
use strowger_link::{
    Answer, AnswerBody, Ask, AskBody, AskId, CallAsk, Challenge, Manner, Octets, Refuse,
    Registered, Respond, Tick,
};
use strowger_model::{AccountId, RingGroupId, TenantId};
use way::{Place, Way};

/// What was found out for earlier [`Query`]s of the same ask.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Facts {
    /// Questions and what came of them; a time-out is an answer too.
    pub known: Vec<Query>,
    /// Accounts that the till refused as payers of forwards: theirs are not followed.
    pub unable: Vec<AccountId>,
}

/// A question that only the outside can answer: RADIUS, a portability dip, ENUM.
///
/// None of them exists yet, so there is no value of this type and no decision waits for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Query {}

/// A decision, why it is so, and what it used up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// What to do.
    pub verdict: Verdict,
    /// Why.
    pub trace: Trace,
    /// Whose call it is; `None` as long as the sender is a stranger. Traces of strangers are not
    /// kept, they are counted.
    pub tenant: Option<TenantId>,
    /// A nonce count to spend in [`Locations::nonces_mut`] when the decision is taken.
    pub nonce: Option<NonceUse>,
    /// A rotating ring group that was called, for [`Locations::take_turn`] when the decision is
    /// taken.
    pub turn: Option<RingGroupId>,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Admit, then [`finish`].
    Go(Box<Plan>),
    /// No.
    Refuse(Refuse),
    /// Show credentials.
    Challenge(Challenge),
    /// REGISTER: these are the bindings.
    Registered(Registered),
    /// An answer with headers of its own (423 with Min-Expires).
    Respond(Respond),
    /// Find this out and decide again.
    Need(Query),
}

impl Verdict {
    /// The answer to `ask`, when nothing has to be admitted or found out first.
    #[must_use]
    pub fn into_answer(self, ask: AskId) -> Option<Answer> {
        let body = match self {
            Verdict::Go(_) => return None,
            Verdict::Refuse(refuse) => AnswerBody::Refuse(refuse),
            Verdict::Challenge(challenge) => AnswerBody::Challenge(challenge),
            Verdict::Registered(registered) => AnswerBody::Registered(registered),
            Verdict::Respond(respond) => AnswerBody::Respond(respond),
            Verdict::Need(query) => match query {},
        };
        Some(Answer { ask, body })
    }
}

/// Decides on a call; every other ask is refused as not supported.
///
/// `now` is the monotonic clock for contacts, `wall_us` the wall clock for prices, microseconds
/// since 1970 UTC.
#[must_use]
pub fn decide(
    world: &World,
    locations: &Locations,
    ask: &Ask,
    facts: &Facts,
    now: Tick,
    wall_us: i64,
) -> Decision {
    let AskBody::Call(call) = &ask.body else { return not_supported() };
    let mut attempt = Attempt {
        world,
        locations,
        ask,
        call,
        facts,
        now,
        wall_us,
        trace: Trace::default(),
        nonce: None,
        turn: None,
        manner: Manner::default(),
        is_emergency: false,
        known: None,
    };
    let verdict = match attempt.run() {
        Ok(plan) => {
            let stages = plan.go.stages.len();
            attempt.note(Step::Planned { stages: i64::try_from(stages).unwrap_or_default() });
            Verdict::Go(Box::new(plan))
        }
        Err(Stop::Refuse(refusal)) => attempt.refuse(refusal),
        Err(Stop::Challenge(challenge)) => {
            attempt.note(Step::Challenged {});
            Verdict::Challenge(challenge)
        }
    };
    let tenant = attempt.known.as_ref().map(|known| known.tenant);
    let Attempt { trace, nonce, turn, .. } = attempt;
    Decision { verdict, trace, tenant, nonce, turn }
}

pub(crate) fn not_supported() -> Decision {
    let mut trace = Trace::default();
    trace.note(Step::NotSupported {});
    let refuse = Refusal::NotSupported.refuse(false, Octets::default());
    Decision { verdict: Verdict::Refuse(refuse), trace, tenant: None, nonce: None, turn: None }
}

/// One attempt of a caller while it is decided.
struct Attempt<'a> {
    world: &'a World,
    locations: &'a Locations,
    ask: &'a Ask,
    call: &'a CallAsk,
    facts: &'a Facts,
    now: Tick,
    wall_us: i64,
    trace: Trace,
    nonce: Option<NonceUse>,
    turn: Option<RingGroupId>,
    // How the caller is spoken to.
    manner: Manner,
    is_emergency: bool,
    // What a refusal's record needs; `None` as long as the sender is a stranger.
    known: Option<Settlement>,
}

/// Why the steps end before a plan.
enum Stop {
    Refuse(Refusal),
    Challenge(Challenge),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refuse(refusal)
    }
}

impl<'a> Attempt<'a> {
    /// The pipeline of spec 19.1 as far as it is built; cheap drops come first.
    fn run(&mut self) -> Result<Plan, Stop> {
        self.check_length()?;
        let sender = self.authenticate()?;
        self.know(&sender);
        let called = self.normalise(&sender)?;
        if let Some(trunks) = self.emergency_of(sender.tenant.id, &called) {
            self.note(Step::Emergency {});
            self.is_emergency = true;
            let way = self.route_emergency(&sender, &called, trunks)?;
            return self.plan(&sender, &called, way, None);
        }
        self.check_enabled(&sender)?;
        let looks = sender.settings.call.local_numbers;
        let party = self.find_local(sender.tenant.id, sender.scope(), &called, looks);
        self.check_barring(&sender, &called, party.is_some())?;
        let place = Place::caller(sender.holder().into_iter().collect());
        let mut way = if party.is_some() { Way::inside() } else { Way::outside() };
        match party {
            Some(party) => {
                self.check_self_call(&sender, &party)?;
                self.lead(&sender, &called, party, &place, &mut way)?
            }
            None => self.route(&sender, &called, &place, &mut way)?,
        };
        self.note_hidden(&sender);
        let costs = self.price(&sender, &called, &way)?;
        self.plan(&sender, &called, way, Some(costs))
    }

    fn note(&mut self, step: Step) {
        self.trace.note(step);
    }

    /// From here on a refusal leaves a record with its tenant and account.
    fn know(&mut self, sender: &Sender<'a>) {
        let mut settlement = Settlement::free(sender.tenant.id);
        settlement.snapshot = self.world.version();
        settlement.caller = self.caller(sender);
        self.known = Some(settlement);
        self.manner = sender_manner(sender);
    }

    fn refuse(&mut self, refusal: Refusal) -> Verdict {
        let cause = refusal.cause();
        self.note(Step::Refused { sip: cause.sip.into(), q850: cause.q850.into() });
        let settlement = self.known.as_ref().and_then(|s| s.encode().ok());
        let record = settlement.is_some();
        let refuse = refusal.refuse(record, Octets(settlement.unwrap_or_default()));
        Verdict::Refuse(spoken(refuse, &self.manner))
    }

    fn refuse_for(&mut self, refusal: Refusal, step: Step) -> Stop {
        self.note(step);
        Stop::Refuse(refusal)
    }
}

/// The challenge for somebody we do not know, by the host that the request was sent to.
pub(crate) fn challenge_stranger(world: &World, ask: &Ask) -> Option<Challenge> {
    let by_host = || world.tenant_of_host(&ask.hints.host);
    let by_name = ask.hints.sni.as_deref().and_then(|sni| world.tenant_of_host(sni));
    let tenant = by_name.or_else(by_host).or_else(|| world.tenants().next())?;
    let algorithms = tenant.algorithms.iter().map(|a| crate::digest::algorithm(*a)).collect();
    Some(Challenge { realm: tenant.realm.clone(), algorithms, stale: false })
}

#[cfg(test)]
mod tests;
