//! One call: its state, and which state hears which event.

mod ask;
mod brought;
mod credit;
mod early;
mod end;
mod exchange;
mod facts;
mod failure;
mod frozen;
mod hunt;
mod leg;
mod order;
mod originate;
mod pickup;
mod redirect;
mod rejoin;
mod reroute;
#[cfg(test)]
mod size;
mod talk;
mod tie;
mod transfer;
mod way;

pub(crate) use ask::Attempt;
pub use frozen::{Lost, LostLeg, NotThawed, Shown, bridged, explained, is_meshed};
pub(crate) use pickup::PickUp;
pub(crate) use transfer::{Beyond, Joining, Spawn, heard_as};

use crate::desk::Cx;
use ask::Asked;
use end::{Closed, End, Farewell};
use facts::{FactLog, clip};
use hunt::Hunt;
use leg::{Leg, LegState};
use originate::Setup;
use pickup::Picking;
use reroute::Again;
use std::mem;
use std::sync::Arc;
use strowger_leg::{Command, Event, Part};
use strowger_link::table::SlotState;
use strowger_link::{
    AnswerBody, Ask, AskId, CallFacts, Fact, Grant, Hints, LegId, LegProgress, Live, LiveState,
    Octets, Party, Reason, RecordId, SlotRef, Tick, Up,
};
use talk::Talk;

/// One call of the shard.
#[derive(Debug)]
pub(crate) struct Call {
    slot: SlotRef,
    /// The ask it runs under, or the number that an Originate gave it.
    ask: AskId,
    /// The control plane granted it; it wants to hear of the answer.
    granted: bool,
    record: RecordId,
    anchor_us: i64,
    hints: Hints,
    hops_left: u8,
    settlement: Octets,
    facts: FactLog,
    /// By leg number; a number is never used twice in a call.
    legs: Vec<Leg>,
    /// Legs whose media is joined.
    joined: Option<(u8, u8)>,
    /// What is asked when a trunk that answered is gone; `None` = the call ends then.
    again: Option<Box<Again>>,
    /// What stands beside the word of a leg that is being heard.
    beside: Option<Box<Beside>>,
    state: State,
}

/// What stands beside the description of what a leg says.
#[derive(Debug)]
struct Beside {
    leg: u8,
    parts: Vec<Part>,
}

/// Where a call stands. Each state owns what only it needs.
#[derive(Debug)]
pub(crate) enum State {
    /// The caller waits, the control plane has been asked.
    Asked(Box<Asked>),
    /// Branches of an answer are tried for the caller.
    Hunting(Box<Hunt>),
    /// The caller takes somebody's place: the other party is shown what it offers.
    Picking(Box<Picking>),
    /// Two legs are originated, one after the other.
    Setup(Box<Setup>),
    /// Two legs are answered and joined.
    Talking(Box<Talk>),
    /// Over. Legs may owe us their last word, the journal its durability, and the protocol may owe
    /// one to the parties.
    Closed(Closed),
}

impl Default for State {
    fn default() -> Self {
        State::Closed(Closed::Settled { shown: false })
    }
}

impl Call {
    /// Hears what a leg reports.
    pub(crate) fn handle_leg(&mut self, leg: u8, event: Event, cx: &mut Cx<'_>) {
        // What another leg said before stands beside nothing any more.
        self.beside = self.beside.take().filter(|beside| beside.leg == leg);
        if self.heard_after_end(leg, &event, cx) {
            return;
        }
        if let Event::Parts(parts) = event {
            self.beside = Some(Box::new(Beside { leg, parts }));
            return;
        }
        self.state = match mem::take(&mut self.state) {
            State::Asked(asked) => self.asked_leg(asked, event, cx),
            State::Hunting(hunt) => self.hunting_leg(hunt, leg, event, cx),
            State::Picking(picking) => self.picking_leg(picking, leg, event, cx),
            State::Setup(setup) => self.setup_leg(setup, leg, event, cx),
            State::Talking(talk) => self.talking_leg(talk, leg, event, cx),
            State::Closed(closed) => State::Closed(closed),
        };
        self.beside = None;
    }

    /// Hears an answer to its ask; `desk` has made sure that it waits for one.
    pub(crate) fn handle_answer(&mut self, body: AnswerBody, cx: &mut Cx<'_>) {
        self.state = match mem::take(&mut self.state) {
            State::Asked(asked) => self.asked_answer(*asked, body, cx),
            State::Talking(talk) => self.talking_answer(talk, body, cx),
            State::Hunting(hunt) => self.hunting_answer(hunt, body, cx),
            state @ (State::Picking(_) | State::Setup(_) | State::Closed(_)) => state,
        };
    }

    /// More talk time of the grant that it has, unasked. Whether it has that grant.
    pub(crate) fn handle_lengthen(&mut self, ask: AskId, grant: Grant, cx: &mut Cx<'_>) -> bool {
        if ask != self.ask {
            return false;
        }
        self.state = match mem::take(&mut self.state) {
            State::Hunting(mut hunt) => {
                if hunt.lengthened(grant) {
                    self.note_grant(grant, SlotState::Ringing, cx);
                }
                State::Hunting(hunt)
            }
            State::Setup(mut setup) => {
                if setup.lengthened(grant) {
                    self.note_grant(grant, SlotState::Ringing, cx);
                }
                State::Setup(setup)
            }
            State::Talking(talk) => self.talking_lengthened(talk, grant, cx),
            state @ (State::Asked(_) | State::Picking(_) | State::Closed(_)) => state,
        };
        true
    }

    /// A new total of talk time is in force.
    fn note_grant(&mut self, grant: Grant, state: SlotState, cx: &mut Cx<'_>) {
        self.facts.grant(grant, cx.now);
        self.write_slot(state, cx);
    }

    /// The ask that the call came from.
    pub(crate) const fn ask_id(&self) -> AskId {
        self.ask
    }

    /// No media came from `leg` for as long as its policy allows.
    pub(crate) fn handle_silence(&mut self, leg: u8, cx: &mut Cx<'_>) {
        // Q.850 102: recovery on timer expiry.
        let end = End::ours(strowger_link::Cause::new(0, 102), Reason::NoMedia);
        self.cut_talk(leg, end, cx);
    }

    /// Whoever agrees on keys in the place of `leg`'s party has another certificate.
    pub(crate) fn handle_impostor(&mut self, leg: u8, cx: &mut Cx<'_>) {
        // Q.850 57: bearer capability not authorized.
        let end = End::ours(strowger_link::Cause::new(0, 57), Reason::Impostor);
        self.cut_talk(leg, end, cx);
    }

    /// The answer of `leg` was false, and its policy wants no such calls.
    pub(crate) fn handle_false_answer(&mut self, leg: u8, cx: &mut Cx<'_>) {
        // Q.850 31: normal, unspecified; it has no word for who did not answer.
        let end = End::ours(strowger_link::Cause::new(0, 31), Reason::FalseAnswer);
        self.cut_talk(leg, end, cx);
    }

    /// Ends the talk of `leg`, if it talks, unless somebody else is called in its place.
    fn cut_talk(&mut self, leg: u8, end: End, cx: &mut Cx<'_>) {
        self.state = match mem::take(&mut self.state) {
            State::Talking(talk) if self.is_rerouted(&talk, leg, &end, cx.now) => {
                self.reroute(talk, &end, Farewell::Hangup, cx)
            }
            State::Talking(talk) if talk.has(leg) => self.close_talk(*talk, end, cx),
            state @ (State::Asked(_)
            | State::Hunting(_)
            | State::Picking(_)
            | State::Setup(_)
            | State::Talking(_)
            | State::Closed(_)) => state,
        };
    }

    /// Looks at every timer that may be due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        self.lose_silent_legs(cx);
        self.state = match mem::take(&mut self.state) {
            State::Asked(asked) => self.asked_timeout(asked, cx),
            State::Hunting(hunt) => self.hunting_timeout(hunt, cx),
            State::Picking(picking) => self.picking_timeout(picking, cx),
            State::Setup(setup) => self.setup_timeout(setup, cx),
            State::Talking(talk) => self.talking_timeout(talk, cx),
            State::Closed(closed) => State::Closed(closed),
        };
    }

    /// When [`Call::handle_timeout`] is due.
    pub(crate) fn next_at(&self) -> Tick {
        let legs = self.legs.iter().map(Leg::next_at).min().unwrap_or(Tick::NEVER);
        let own = match &self.state {
            State::Asked(asked) => asked.deadline(),
            State::Setup(setup) => setup.deadline(),
            State::Talking(talk) => talk.next_at(),
            State::Hunting(hunt) => hunt.deadline(),
            State::Picking(picking) => picking.deadline(),
            State::Closed(_) => Tick::NEVER,
        };
        legs.min(own)
    }

    /// The ask under way, to be asked again when the control plane is back.
    pub(crate) fn ask_under_way(&self) -> Option<&Arc<Ask>> {
        match &self.state {
            State::Asked(asked) => Some(asked.ask()),
            State::Talking(talk) => talk.ask_under_way(),
            State::Hunting(hunt) => hunt.ask_under_way(),
            State::Picking(_) | State::Setup(_) | State::Closed(_) => None,
        }
    }

    /// The record of a call that is answered and goes on.
    pub(crate) fn answered_record(&self) -> Option<RecordId> {
        match &self.state {
            State::Talking(_) => Some(self.record),
            State::Asked(_)
            | State::Hunting(_)
            | State::Picking(_)
            | State::Setup(_)
            | State::Closed(_) => None,
        }
    }

    /// The state's name and, while two speak, the exchange under way.
    #[cfg(test)]
    pub(crate) fn state_name(&self) -> String {
        match &self.state {
            State::Asked(_) => "Asked".to_owned(),
            State::Hunting(_) => "Hunting".to_owned(),
            State::Picking(_) => "Picking".to_owned(),
            State::Setup(_) => "Setup".to_owned(),
            State::Talking(talk) => format!("Talking {:?}", talk.exchange),
            State::Closed(Closed::Recorded) => "Closed Recorded".to_owned(),
            State::Closed(Closed::Settled { .. }) => "Closed Settled".to_owned(),
            State::Closed(Closed::Leaving { .. }) => "Closed Leaving".to_owned(),
        }
    }

    /// Whether a leg of its bridge is over and nobody is to take its place.
    #[cfg(any(test, feature = "world"))]
    pub(crate) fn is_alone(&self) -> bool {
        let talk = self.talk_now().filter(|talk| talk.transfer.is_none());
        talk.is_some_and(|talk| self.is_over(talk.first) || self.is_over(talk.peer))
    }

    /// What it talks with.
    pub(crate) fn talk_now(&self) -> Option<&Talk> {
        match &self.state {
            State::Talking(talk) => Some(talk),
            State::Asked(_)
            | State::Hunting(_)
            | State::Picking(_)
            | State::Setup(_)
            | State::Closed(_) => None,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    pub(crate) const fn slot(&self) -> SlotRef {
        self.slot
    }

    fn leg_id(&self, leg: u8) -> LegId {
        LegId { slot: self.slot, leg }
    }

    fn leg(&self, leg: u8) -> Option<&Leg> {
        self.legs.get(usize::from(leg))
    }

    fn leg_mut(&mut self, leg: u8) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(leg))
    }

    /// Numbers of all legs.
    fn leg_numbers(&self) -> impl Iterator<Item = u8> + use<> {
        // At most LEGS_MAX.
        0..u8::try_from(self.legs.len()).unwrap_or(u8::MAX)
    }

    /// Tells a leg something; beside it what stands beside the word of the other one that led to
    /// it.
    fn command(&self, leg: u8, command: Command, cx: &mut Cx<'_>) {
        if let Some(beside) = self.beside.as_deref().filter(|beside| beside.leg != leg)
            && self.has_room_beside(leg, &command)
        {
            self.say(leg, Command::Parts(beside.parts.clone()), cx);
        }
        self.say(leg, command, cx);
    }

    /// Whether something can stand beside a word to a leg; of one that we give up nobody knows
    /// whether it hears more than a CANCEL.
    fn has_room_beside(&self, leg: u8, command: &Command) -> bool {
        match command {
            Command::Hangup { .. } => !self.leg(leg).is_some_and(Leg::is_cancelled),
            Command::Progress { .. }
            | Command::Answer { .. }
            | Command::Reoffer { .. }
            | Command::Update { .. }
            | Command::ReofferAnswer { .. } => true,
            Command::Invite(_)
            | Command::Confirm { .. }
            | Command::Fields(_)
            | Command::Parts(_)
            | Command::Challenge(_)
            | Command::Redirect { .. }
            | Command::Speak(_)
            | Command::ReofferRefuse { .. }
            | Command::Info { .. }
            | Command::Message { .. }
            | Command::TransferAccept
            | Command::TransferRefuse { .. }
            | Command::TransferProgress { .. } => false,
        }
    }

    fn say(&self, leg: u8, command: Command, cx: &mut Cx<'_>) {
        match self.leg(leg).and_then(|leg| leg.mesh.as_ref()) {
            None => cx.desk.out.leg(self.leg_id(leg), command),
            Some(mesh) => cx.desk.say((self.leg_id(leg), mesh.far), command),
        }
    }

    fn live(&self, leg: u8, state: LiveState, cx: &mut Cx<'_>) {
        let live = Live { ask: self.ask, leg: self.leg_id(leg), state, at: cx.now };
        cx.desk.out.up(Up::Live(live));
    }

    /// Everything the journal and the table know of this call.
    fn call_facts(&self) -> Box<CallFacts> {
        Box::new(CallFacts {
            record: self.record,
            ask: self.ask,
            slot: self.slot,
            anchor_us: self.anchor_us,
            settlement: self.settlement.clone(),
            facts: self.facts.to_vec(),
        })
    }

    fn write_slot(&self, state: SlotState, cx: &mut Cx<'_>) {
        cx.desk.out.slot(self.slot, state);
    }

    /// The wall clock at `now`, by this call's own anchor.
    fn wall_us(&self, now: Tick) -> i64 {
        self.anchor_us.saturating_add(micros(now))
    }

    /// Notes a provisional answer of an outbound leg; `false` when that leg cannot have one.
    fn note_progress(&mut self, leg: u8, status: u16, cx: &mut Cx<'_>) -> bool {
        let Some(trying) = self.leg_mut(leg).and_then(Leg::trying_mut) else { return false };
        let rang = trying.rung;
        let news = trying.heard(status);
        let rings = trying.rung && !rang;
        if news {
            let at = cx.now;
            self.facts.detail(Fact::LegProgress(LegProgress { leg, at, status }));
        }
        if rings {
            self.live(leg, LiveState::Ringing, cx);
        }
        true
    }

    /// Who a leg is in the words of the record: the first leg calls, the others are called.
    fn party(leg: u8) -> Party {
        if leg == 0 { Party::Caller } else { Party::Called }
    }

    /// An event that its leg may not send now: counted, nothing else.
    fn misplaced(cx: &mut Cx<'_>) {
        cx.desk.counters.misplaced += 1;
    }

    /// Events of legs that have ended for the call. Whether it was one.
    fn heard_after_end(&mut self, leg: u8, event: &Event, cx: &mut Cx<'_>) -> bool {
        let Some(known) = self.leg_mut(leg) else {
            cx.desk.counters.strays += 1;
            return true;
        };
        let cancelled = match &mut known.state {
            LegState::Closing { cancelled, .. } => cancelled,
            LegState::Gone => {
                cx.desk.counters.strays += 1;
                return true;
            }
            LegState::Offered | LegState::Trying(_) | LegState::Answered => return false,
        };
        match event {
            Event::Ended { .. } | Event::Refused { .. } => known.state = LegState::Gone,
            // It answered before our hang-up reached it.
            Event::Answered { .. } => {
                if let Some(cause) = cancelled.take() {
                    self.command(leg, Farewell::plain_hangup(cause), cx);
                }
            }
            Event::Offered(_)
            | Event::Progress { .. }
            | Event::Fields(_)
            | Event::Parts(_)
            | Event::Confirmed { .. }
            | Event::Reoffer { .. }
            | Event::Update { .. }
            | Event::Refreshed { .. }
            | Event::ReofferAnswered { .. }
            | Event::ReofferRefused { .. }
            | Event::Digits { .. }
            | Event::Info { .. }
            | Event::Message { .. }
            | Event::Transfer(_) => {}
        }
        true
    }

    /// Legs that never said their last word are given up.
    fn lose_silent_legs(&mut self, cx: &mut Cx<'_>) {
        for leg in &mut self.legs {
            if let LegState::Closing { until, .. } = leg.state
                && until <= cx.now
            {
                leg.state = LegState::Gone;
                cx.desk.counters.legs_lost += 1;
            }
        }
    }
}

/// Microseconds of a tick.
pub(crate) fn micros(at: Tick) -> i64 {
    i64::try_from(at.0 / 1000).unwrap_or(i64::MAX)
}
