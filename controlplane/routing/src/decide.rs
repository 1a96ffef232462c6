//! One decision per attempt of a caller (design of control, 13; spec 19.1).
//!
//! [`decide`] is pure: the same world, contacts, ask, facts and times give the same decision, so a
//! dry run, a replay and a test call this very function. The steps stand in [`Attempt::run`] in the
//! order in which they are taken; each can end the attempt.

mod agreed;
mod bid;
mod called;
mod callee;
mod candidate;
mod diverted;
mod fact;
mod first;
mod foreign;
mod forward;
mod group;
mod header;
mod hook;
mod hop;
mod identity;
mod list;
mod manner;
mod open;
mod order;
mod owner;
mod pickup;
mod plan;
mod ported;
mod price;
mod radius;
mod reached;
mod redirect;
mod reroute;
mod ring;
mod route;
mod rule;
mod sender;
mod shared;
mod tariff;
mod transfer;
mod way;

pub(crate) use hop::{emergency_branches, parameter};
pub(crate) use tariff::RINGING_MS;

pub use order::Place as RoutePlace;
pub use pickup::picked_up;
#[cfg(test)]
pub(crate) use plan::blank_branch;
pub use plan::{
    AddressCaps, AdmitPlan, Limit, LimitOf, NO_LEASE, Payer, Plan, TalkTime, finish, reject,
};
pub use redirect::redirected;
pub use reroute::rerouted;
pub(crate) use sender::{Identity, Known, identify, is_home};
pub use transfer::transferred;

use crate::fact::{Fact, Query};
use crate::gruu::Device;
use crate::header::{Fields, TrunkRules};
use crate::location::Locations;
use crate::nonce::NonceUse;
use crate::refusal::Refusal;
use crate::shared_call::{SharedCall, SharedCalls};
use crate::standing::{Direction, Standing, Turn};
use crate::trace::{Step, Trace};
use crate::world::World;
use core::cell::OnceCell;
use plan::{sender_manner, spoken};
use sender::Sender;
use std::sync::Arc;
use strowger_billing::{Caller, Settlement};
use strowger_link::{
    Answer, AnswerBody, Ask, AskBody, AskId, CallAsk, Challenge, HeaderField, Manner, Octets,
    Refuse, Registered, Respond, Tick,
};
use strowger_model::{AccountId, DidId, RingGroupId, SubscriberId, Tenant, TenantId, TrunkId};
use way::{Place, Way};

/// What was found out for earlier [`Query`]s of the same ask.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Facts {
    /// Questions to the outside and what came of them; `None` = nobody is asked anything.
    pub known: Option<Vec<Fact>>,
    /// Accounts that the till refused as payers of forwards: theirs are not followed.
    pub unable: Vec<AccountId>,
    /// Who calls is known: a subscriber who transfers a call that runs.
    pub sender: Option<SubscriberId>,
    /// It is decided again, because a trunk that had answered is gone.
    pub again: Option<Again>,
    /// How trunks did lately.
    pub standing: Arc<Standing>,
    /// Who called whom by shared DIDs lately.
    pub shared: Arc<SharedCalls>,
    /// The place of each target of a route is told, with its reasons.
    pub explain: bool,
}

/// Of a call that was answered, and is to go elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Again {
    /// Who called, as the settlement of the call says.
    pub caller: Caller,
    /// Trunks that had it.
    pub tried: Vec<TrunkId>,
}

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
    /// The trunk that is called first, for [`Standing::sent`] when the decision is taken.
    pub sent: Option<Sent>,
    /// A shared DID that the called number sees, for [`SharedCalls::note`] when the decision is
    /// taken.
    pub shared: Option<SharedCall>,
    /// Targets of routes in the order to try; empty unless [`Facts::explain`] asked.
    pub places: Vec<RoutePlace>,
}

/// A call that goes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// By this trunk first.
    pub trunk: TrunkId,
    /// To a number of this direction.
    pub direction: Direction,
    /// To see how good the trunk is.
    pub probes: bool,
    /// The targets that it shares calls with, for [`Standing::took`].
    pub turn: Option<Arc<Turn>>,
}

impl Decision {
    /// One that uses nothing up.
    #[must_use]
    pub const fn of(verdict: Verdict, trace: Trace, tenant: Option<TenantId>) -> Decision {
        let places = Vec::new();
        let (nonce, turn, sent, shared) = (None, None, None, None);
        Decision { verdict, trace, tenant, nonce, turn, sent, shared, places }
    }
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
            Verdict::Need(_) => return None,
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
    let mut attempt = Attempt::new((world, locations), (ask, call), facts, (now, wall_us));
    let outcome = attempt.run();
    attempt.decided(outcome)
}

pub(crate) fn not_supported() -> Decision {
    let mut trace = Trace::default();
    trace.note(Step::NotSupported {});
    let refuse = Refusal::NotSupported.refuse(false, Octets::default());
    Decision::of(Verdict::Refuse(refuse), trace, None)
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
    // When the call began: from then on its prices count.
    began_us: i64,
    trace: Trace,
    nonce: Option<NonceUse>,
    turn: Option<RingGroupId>,
    // How the caller is spoken to.
    manner: Manner,
    is_emergency: bool,
    // It is there to try a trunk by hand.
    is_test: bool,
    // What a refusal's record needs; `None` as long as the sender is a stranger.
    known: Option<Settlement>,
    // The longest talk that those allow who were asked; `None` = they set no limit.
    talk_ms: Option<u64>,
    // What rules made of the called text and of the caller's number.
    called: Option<String>,
    caller: Option<String>,
    // The caller's number towards carriers, once one was asked for it.
    outside: OnceCell<String>,
    // The only device of the callee that may ring.
    device: Option<Device>,
    // The caller's header fields once a rule has worked on them; `None` = as they came.
    fields: Option<Fields>,
    // Rules about responses of the trunk that the call came by.
    replies: Option<&'a TrunkRules>,
    // The trunk that is called first.
    sent: Option<Sent>,
    // The shared DID that the caller dialled to reach its contact.
    via: Option<DidId>,
    // What is remembered of a call by a shared DID.
    shared_call: Option<SharedCall>,
    // What is told of targets, if somebody asked.
    places: Vec<RoutePlace>,
    // What has to be found out before any of this counts.
    need: Option<Query>,
}

/// Why the steps end before a plan.
enum Stop {
    Refuse(Refusal),
    /// The caller is told to call these instead.
    Redirect(Vec<HeaderField>),
    Challenge(Challenge),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refuse(refusal)
    }
}

impl<'a> Attempt<'a> {
    fn new(
        (world, locations): (&'a World, &'a Locations),
        (ask, call): (&'a Ask, &'a CallAsk),
        facts: &'a Facts,
        (now, wall_us): (Tick, i64),
    ) -> Attempt<'a> {
        Attempt {
            world,
            locations,
            ask,
            call,
            facts,
            now,
            wall_us,
            began_us: wall_us,
            trace: Trace::default(),
            nonce: None,
            turn: None,
            manner: Manner::default(),
            is_emergency: false,
            is_test: false,
            known: None,
            talk_ms: None,
            called: None,
            caller: None,
            outside: OnceCell::new(),
            device: None,
            fields: None,
            replies: None,
            sent: None,
            via: None,
            shared_call: None,
            places: Vec::new(),
            need: None,
        }
    }

    fn decided(mut self, outcome: Result<Plan, Stop>) -> Decision {
        if let Some(query) = self.need.take() {
            let tenant = self.known.as_ref().map(|known| known.tenant);
            return Decision::of(Verdict::Need(query), self.trace, tenant);
        }
        let verdict = match outcome {
            Ok(plan) => {
                let stages = plan.go.stages.len();
                self.note(Step::Planned { stages: i64::try_from(stages).unwrap_or_default() });
                Verdict::Go(Box::new(plan))
            }
            Err(Stop::Refuse(refusal)) => Verdict::Refuse(self.refusal(refusal)),
            Err(Stop::Redirect(headers)) => {
                Verdict::Refuse(Refuse { headers, ..self.refusal(Refusal::Redirected) })
            }
            Err(Stop::Challenge(challenge)) => {
                self.note(Step::Challenged {});
                Verdict::Challenge(challenge)
            }
        };
        let tenant = self.known.as_ref().map(|known| known.tenant);
        let Attempt { trace, nonce, turn, sent, shared_call: shared, places, .. } = self;
        Decision { verdict, trace, tenant, nonce, turn, sent, shared, places }
    }

    /// The pipeline of spec 19.1 as far as it is built; cheap drops come first.
    fn run(&mut self) -> Result<Plan, Stop> {
        self.check_length()?;
        self.rules_received()?;
        let sender = self.authenticate()?;
        self.know(&sender);
        self.receive_headers(&sender);
        self.rules_known(&sender)?;
        let called = self.normalise(&sender)?;
        self.check_guest(&sender, &called)?;
        if let Some(trunks) = self.emergency_of(sender.tenant.id, &called) {
            self.note(Step::Emergency {});
            self.is_emergency = true;
            let way = self.route_emergency(&sender, &called, trunks)?;
            return self.plan(&sender, &called, way, None);
        }
        self.check_enabled(&sender)?;
        self.check_caller(&sender)?;
        self.check_session()?;
        if let Some((trunk, called)) = self.tested(&sender, &called) {
            return self.try_trunk(&sender, trunk, &called);
        }
        let looks = sender.settings.call.local_numbers;
        let (called, shared) = self.share(&sender, called)?;
        let party = match shared {
            Some(party) => Some(party),
            None => self.find_party(&sender, &called, looks)?,
        };
        let (called, party) = self.rules_routing(&sender, called, party)?;
        let (called, party) = self.hook(&sender, called, party)?;
        if let Some(plan) = self.leave(&sender, &called)? {
            return Ok(plan);
        }
        let (called, party) = self.forward_to_self(&sender, called, party);
        let party = self.unless_offline(&called, party);
        self.check_barring(&sender, &called, party.is_some())?;
        self.authorize(&sender, &called, party.is_some())?;
        let called = match party {
            Some(_) => called,
            None => self.ported_away(&sender, called)?,
        };
        let diverted = self.diverted_before(&sender);
        let place = Place::caller(sender.holder().into_iter().collect(), diverted);
        let (called, way) = match party {
            Some(party) => {
                let mut way = Way::inside();
                self.check_self_call(&sender, &party)?;
                self.lead(&sender, &called, party, &place, &mut way)?;
                (called, way)
            }
            None => self.lead_beyond(&sender, called, &place)?,
        };
        self.note_hidden(&sender);
        self.send_elsewhere(&sender, &way)?;
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

    fn refusal(&mut self, refusal: Refusal) -> Refuse {
        let cause = refusal.cause();
        self.note(Step::Refused { sip: cause.sip.into(), q850: cause.q850.into() });
        let settlement = self.known.as_ref().and_then(|s| s.encode().ok());
        let record = settlement.is_some();
        let mut refuse = refusal.refuse(record, Octets(settlement.unwrap_or_default()));
        refuse.headers.extend(self.own_reply());
        spoken(refuse, &self.manner)
    }

    fn refuse_for(&mut self, refusal: Refusal, step: Step) -> Stop {
        self.note(step);
        Stop::Refuse(refusal)
    }
}

/// The challenge for somebody we do not know, by the host that the request was sent to.
pub(crate) fn challenge_stranger(world: &World, ask: &Ask) -> Option<Challenge> {
    let tenant = tenant_named(world, ask).or_else(|| world.tenants().next())?;
    let algorithms = tenant.algorithms.iter().map(|a| crate::digest::algorithm(*a)).collect();
    Some(Challenge { realm: tenant.realm.clone(), algorithms, stale: false })
}

/// The tenant that a request names: by the name that its sender asked for by TLS, else by the host
/// of its Request-URI.
pub(crate) fn tenant_named<'a>(world: &'a World, ask: &Ask) -> Option<&'a Tenant> {
    let by_name = ask.hints.sni.as_deref().and_then(|sni| world.tenant_of_host(sni));
    by_name.or_else(|| world.tenant_of_host(&ask.hints.host))
}

#[cfg(test)]
mod tests;
