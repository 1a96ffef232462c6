//! What of a call outlives its process: an answered one is taken up, any other is ended in order.

use super::credit::Credit;
use super::end::{Closed, Farewell, final_cause};
use super::exchange::Exchange;
use super::facts::FactLog;
use super::leg::{Leg, LegState, unknown_policy};
use super::talk::Talk;
use super::{Call, State};
use crate::Entry;
use crate::desk::{Cx, retry_after_s};
use crate::limits::LINGER_MS;
use strowger_leg::Command;
use strowger_link::codec::{decode, encode};
use strowger_link::table::SlotState;
use strowger_link::wire_struct;
use strowger_link::{
    CallFacts, Cause, FACTS_MAX, Fact, Grant, Hints, LEGS_MAX, Manner, MediaPolicy, Reason,
    SlotRef, Tick,
};

/// Version of the image; another one is not taken up.
const VERSION: u8 = 1;

/// Q.850 41, temporary failure. 503 for a caller who waits: this node as a whole could not.
const LOST: Cause = Cause::new(503, 41);

wire_struct! {
    /// An answered call, beside its facts.
    pub struct Frozen {
        /// [`VERSION`].
        pub version: u8,
        /// The control plane granted it.
        pub granted: bool,
        /// What is left of Max-Forwards.
        pub hops_left: u8,
        /// Where it came in, for asks to come.
        pub hints: Hints,
        /// Facts dropped so far.
        pub facts_dropped: u32,
        /// By leg number.
        pub legs: Vec<FrozenLeg>,
        /// The bridge is leg 0 and this one.
        pub peer: u8,
        /// From when talk time counts.
        pub answered_at: Tick,
        /// Talk time.
        pub grant: Grant,
        /// Longest duration.
        pub max_at: Tick,
        /// An exchange of descriptions was under way: the legs may have different sessions.
        pub unsure: bool,
    }
}

wire_struct! {
    /// One leg of it.
    pub struct FrozenLeg {
        /// Media policy.
        pub policy: MediaPolicy,
        /// Gauges it holds.
        pub gauges: Vec<u32>,
    }
}

/// Why a call was not taken up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NotThawed {
    /// The image is of another version.
    Version,
    /// The image or the facts do not hold together.
    Malformed,
    /// The slot is in use, or beyond the slots of this process.
    Slot,
}

/// A call of a former process that cannot go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// What its slot knew.
    pub facts: CallFacts,
    /// Its legs that the protocol has taken back and that are to be hung up: not those of which it
    /// had heard the last.
    pub legs: Vec<LostLeg>,
    /// The last sign of life of the former process: billed up to here.
    pub at: Tick,
    /// Why it ends.
    pub reason: Reason,
    /// A record is owed: it is to leave one, and none stands in the journal.
    pub owes_record: bool,
}

/// A leg of a lost call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostLeg {
    /// Its number.
    pub leg: u8,
    /// It has not answered, or was not answered.
    pub early: bool,
}

impl Call {
    /// What the call table knows of this call now: its state, and its facts. `None` for an attempt
    /// that leaves no record and is over.
    pub(crate) fn snapshot(&self) -> Option<(SlotState, Box<CallFacts>)> {
        Some((self.slot_state()?, self.call_facts()))
    }

    /// The state alone.
    pub(crate) fn slot_state(&self) -> Option<SlotState> {
        match &self.state {
            State::Asked(_) => Some(SlotState::Asked),
            State::Hunting(_) | State::Setup(_) => Some(SlotState::Ringing),
            State::Talking(_) => Some(SlotState::Answered),
            State::Closed(Closed::Recorded) => Some(SlotState::Ended),
            State::Closed(Closed::Settled { .. }) => None,
            State::Closed(Closed::Leaving { .. }) => Some(SlotState::Leaving),
        }
    }

    /// The image of an answered call; `None` for all others, which cannot be taken up.
    pub(crate) fn freeze(&self) -> Option<Vec<u8>> {
        let State::Talking(talk) = &self.state else { return None };
        let leg = |leg: &Leg| FrozenLeg { policy: leg.policy, gauges: leg.gauges.clone() };
        Some(encode(&Frozen {
            version: VERSION,
            granted: self.granted,
            hops_left: self.hops_left,
            hints: self.hints.clone(),
            facts_dropped: self.facts.dropped(),
            legs: self.legs.iter().map(leg).collect(),
            peer: talk.peer,
            answered_at: talk.credit.answered_at(),
            grant: talk.credit.grant(),
            max_at: talk.max_at,
            unsure: talk.exchange != Exchange::Idle,
        }))
    }

    /// Takes an answered call up whose legs and media have been taken back.
    pub(crate) fn thaw(
        slot: SlotRef,
        facts: CallFacts,
        image: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<Call, NotThawed> {
        let frozen = frozen(image)?;
        let peer_fits = frozen.peer != 0 && usize::from(frozen.peer) < frozen.legs.len();
        let facts_fit = facts.slot == slot && !facts.is_ended() && facts.facts.len() <= FACTS_MAX;
        if !peer_fits || !facts_fit || frozen.legs.len() > usize::from(LEGS_MAX) {
            return Err(NotThawed::Malformed);
        }
        let speaks = |leg: usize| leg == 0 || leg == usize::from(frozen.peer);
        let legs = frozen.legs.into_iter().enumerate().map(|(number, leg)| Leg {
            policy: leg.policy,
            continue_on: Vec::new(),
            stop_on: Vec::new(),
            gauges: leg.gauges,
            manner: Manner::default(),
            hop: 0,
            state: if speaks(number) { LegState::Answered } else { LegState::Gone },
        });
        let mut call = Call {
            slot,
            ask: facts.ask,
            granted: frozen.granted,
            record: facts.record,
            anchor_us: facts.anchor_us,
            hints: frozen.hints,
            hops_left: frozen.hops_left,
            settlement: facts.settlement,
            facts: FactLog::resume(facts.facts, frozen.facts_dropped),
            legs: legs.collect(),
            joined: None,
            state: State::default(),
        };
        for id in call.legs.iter().flat_map(|leg| &leg.gauges) {
            cx.res.retake(*id);
        }
        call.join(0, frozen.peer, cx);
        call.state = State::Talking(Box::new(Talk {
            peer: frozen.peer,
            credit: Credit::resume(frozen.grant, frozen.answered_at, cx.now),
            max_at: frozen.max_at,
            exchange: if frozen.unsure { Exchange::Asking { leg: 0 } } else { Exchange::Idle },
        }));
        if frozen.unsure {
            call.command(0, Command::Reoffer { body: None }, cx);
        }
        Ok(call)
    }

    /// The rest of a call that ended with its process: its record, and the legs to be hung up.
    pub(crate) fn lost(slot: SlotRef, lost: Lost, cx: &mut Cx<'_>) -> Call {
        let Lost { mut facts, legs, at, reason, owes_record } = lost;
        // A caller who may have heard a failure already hears the same one again.
        let told = facts.facts.iter().find_map(|fact| match fact {
            Fact::LegEnded(ended) if ended.leg == 0 => Some(ended.cause),
            Fact::LegEnded(_)
            | Fact::Began(_)
            | Fact::LegOpened(_)
            | Fact::LegProgress(_)
            | Fact::LegAnswered(_)
            | Fact::Joined(_)
            | Fact::Parted(_)
            | Fact::Granted(_)
            | Fact::Ended(_) => None,
        });
        facts.close_at(at, reason);
        let mut call = Call {
            slot,
            ask: facts.ask,
            granted: false,
            record: facts.record,
            anchor_us: facts.anchor_us,
            hints: nowhere(),
            hops_left: 0,
            settlement: facts.settlement,
            facts: FactLog::resume(facts.facts, 0),
            legs: Vec::new(),
            joined: None,
            state: State::Closed(Closed::Settled { shown: false }),
        };
        for LostLeg { leg, early } in legs {
            call.hang_up_lost(leg, early, told.unwrap_or(LOST), cx);
        }
        if owes_record {
            call.write_slot(SlotState::Ended, cx);
            cx.desk.out.journal(Entry::Ended, slot, call.call_facts());
            call.state = State::Closed(Closed::Recorded);
        }
        call
    }

    fn hang_up_lost(&mut self, leg: u8, early: bool, told: Cause, cx: &mut Cx<'_>) {
        if leg >= LEGS_MAX {
            return;
        }
        let place = usize::from(leg);
        while self.legs.len() <= place {
            self.legs.push(Leg { state: LegState::Gone, ..Leg::inbound(false) });
        }
        let until = cx.now.plus_ms(LINGER_MS);
        let cancelled = (early && leg != 0).then_some(LOST);
        if let Some(known) = self.legs.get_mut(place) {
            known.policy = unknown_policy(false);
            known.state = LegState::Closing { until, cancelled };
        }
        let command = match early && leg == 0 {
            true => Command::Hangup {
                cause: final_cause(told),
                phrase: "".into(),
                retry_after_s: retry_after_s(self.ask),
            },
            false => Farewell::plain_hangup(LOST),
        };
        self.command(leg, command, cx);
    }
}

/// The two legs of an image's bridge; `None` for an image that cannot be read.
#[must_use]
pub fn bridged(image: &[u8]) -> Option<[u8; 2]> {
    frozen(image).ok().map(|frozen| [0, frozen.peer])
}

fn frozen(image: &[u8]) -> Result<Frozen, NotThawed> {
    if image.first() != Some(&VERSION) {
        return Err(NotThawed::Version);
    }
    decode(image).map_err(|_| NotThawed::Malformed)
}

/// A lost call asks nothing any more.
fn nowhere() -> Hints {
    let nowhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    Hints {
        listener: 0,
        local: nowhere,
        source: nowhere,
        transport: strowger_link::Transport::Udp,
        host: String::new(),
        sni: None,
        trunk: None,
    }
}
