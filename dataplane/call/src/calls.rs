//! All calls of a shard: slots and their lives, the one timer list, asks and verbs by their ids.

use crate::alarm::Alarms;
use crate::call::{Attempt, Call, Lost, NotThawed};
use crate::desk::{AskKind, Counters, Cx, Desk, Link};
use crate::limits::{LINGER_MS, SLOTS_MAX};
use crate::slab::{Life, Slab, first_leg};
use crate::{Output, Resources};
use std::collections::{BTreeMap, BTreeSet};
use strowger_leg::{Cause, Command, Event, Offer};
use strowger_link::codec::decode;
use strowger_link::table::SlotState;
use strowger_link::{
    Answer, AnswerBody, AskId, CallFacts, Emergency, Hangup, LegId, Lengthen, Originate, Reason,
    RecordId, SlotRef, Tick, Up, Verb, VerbKind, VerbOutcome, VerbResult,
};

/// What a shard's calls are told at start.
#[derive(Clone, Debug)]
pub struct CallsConfig {
    /// Segment of the call table that this shard owns.
    pub seg: u8,
    /// Slots of that segment, at most [`crate::limits::SLOTS_MAX`].
    pub slots: u32,
    /// Shard number: high 8 bits of its ask ids.
    pub shard: u8,
    /// Where ask ids begin, so that a restarted shard repeats none: microseconds of the monotonic
    /// clock do (56 bits are used).
    pub ask_base: u64,
    /// Generation of the first life of each slot; past the last one of the process before.
    pub first_gen: u16,
    /// How long a call waits for its answer, milliseconds (default 3000).
    pub ask_timeout_ms: u32,
}

impl Default for CallsConfig {
    fn default() -> Self {
        CallsConfig {
            seg: 0,
            slots: 4096,
            shard: 0,
            ask_base: 0,
            first_gen: 0,
            ask_timeout_ms: 3000,
        }
    }
}

/// All calls of one shard. Every collection is bounded by its slots.
#[derive(Debug)]
pub struct Calls {
    slab: Slab,
    desk: Desk,
    alarms: Alarms,
    /// Closed calls by the sequence of their record, and the other way round.
    by_seq: BTreeSet<(u64, u16)>,
    seq_of: BTreeMap<u16, u64>,
    /// Calls that leave, in the order in which they were done.
    leaving: BTreeMap<u64, SlotRef>,
    left: u64,
}

impl Calls {
    /// No calls yet; every slot is free.
    #[must_use]
    pub fn new(config: CallsConfig) -> Calls {
        let slab = Slab::new(config.seg, config.slots.min(SLOTS_MAX), config.first_gen);
        Calls {
            alarms: Alarms::new(slab.len()),
            slab,
            desk: Desk::new(config),
            by_seq: BTreeSet::new(),
            seq_of: BTreeMap::new(),
            leaving: BTreeMap::new(),
            left: 0,
        }
    }

    /// The control plane's greeting: record ids count under `origin` from now on. Before the first
    /// one, new calls are refused with 503.
    pub fn set_origin(&mut self, origin: u32) {
        self.desk.set_origin(origin);
    }

    /// Emergency numbers and where they go; replaces the table before.
    pub fn set_emergency(&mut self, table: Vec<Emergency>) {
        self.desk.set_emergency(table);
    }

    /// A leg for a new INVITE, `None` when every slot is in use. `Offered` must follow, or
    /// [`Calls::unreserve`].
    pub fn reserve(&mut self) -> Option<LegId> {
        self.open().map(first_leg)
    }

    /// A slot for a new call. A last word costs no call: when none is free, the call that has been
    /// leaving for longest goes.
    fn open(&mut self) -> Option<SlotRef> {
        if let Some(slot) = self.slab.open() {
            return Some(slot);
        }
        let oldest = self.leaving.first_key_value().map(|(_, slot)| *slot)?;
        self.vacate(oldest);
        self.slab.open()
    }

    /// The parties of a call that is [`Output::Done`] are owed nothing any more: its slot is free.
    pub fn vacate(&mut self, slot: SlotRef) {
        let turn = self.slab.call(slot).and_then(|call| call.leaving());
        if let Some(turn) = turn {
            self.leaving.remove(&turn);
            self.free(slot);
        }
    }

    /// Gives back a leg that was reserved and never offered.
    pub fn unreserve(&mut self, leg: LegId) {
        if let Some(Life::Reserved) = self.slab.life(leg.slot) {
            self.slab.close(leg.slot);
        }
    }

    /// What a leg reports. `wall_us` is the wall clock, microseconds since 1970 UTC; it is read at
    /// the beginning of a call only.
    pub fn handle_leg(
        &mut self,
        leg: LegId,
        event: Event,
        now: Tick,
        wall_us: i64,
        res: &mut impl Resources,
    ) {
        match (self.slab.life(leg.slot), event) {
            (Some(Life::Call(_)), event) => {
                self.with(leg.slot, now, res, |call, cx| call.handle_leg(leg.leg, event, cx));
            }
            (Some(Life::Reserved), Event::Offered(offer)) => {
                self.begin(leg.slot, *offer, now, wall_us, res);
            }
            (Some(Life::Reserved), Event::Ended { .. } | Event::Refused { .. }) => {
                self.slab.close(leg.slot);
            }
            (Some(Life::Turned { .. }), Event::Ended { .. } | Event::Refused { .. }) => {
                self.free(leg.slot);
            }
            (
                Some(Life::Free | Life::Reserved | Life::Turned { .. }) | None,
                Event::Offered(_)
                | Event::Progress { .. }
                | Event::Answered { .. }
                | Event::Confirmed { .. }
                | Event::Refused { .. }
                | Event::Reoffer { .. }
                | Event::ReofferAnswered { .. }
                | Event::ReofferRefused { .. }
                | Event::Digits { .. }
                | Event::Info { .. }
                | Event::Ended { .. },
            ) => self.desk.counters.strays += 1,
        }
    }

    /// An answer of the control plane. A grant that nobody waits for is given back, once.
    pub fn handle_answer(&mut self, answer: Answer, now: Tick, res: &mut impl Resources) {
        let Answer { ask, body } = answer;
        let is_grant = matches!(body, AnswerBody::Go(_));
        match self.desk.take(ask) {
            Some((slot, kind)) => {
                // A plan does not answer an Extend: whoever counts it as taken is wrong.
                if is_grant && kind == AskKind::Extend {
                    self.desk.abandon(ask);
                }
                self.with(slot, now, res, |call, cx| call.handle_answer(body, cx));
            }
            None if is_grant => self.desk.abandon(ask),
            // More talk time for a call that has ended went to its hold, which its record settles.
            None => {}
        }
    }

    /// More talk time that nobody asked for: money came in during a last slice. What is for a call
    /// that has ended, or for an earlier life of its slot, is dropped.
    pub fn handle_lengthen(&mut self, more: &Lengthen, now: Tick, res: &mut impl Resources) {
        let Lengthen { ask, leg, grant } = *more;
        let known = self.with(leg.slot, now, res, |call, cx| call.handle_lengthen(ask, grant, cx));
        if known != Some(true) {
            self.desk.counters.strays += 1;
        }
    }

    /// An instruction of the control plane; its outcome goes up. `wall_us` as in
    /// [`Calls::handle_leg`].
    pub fn handle_verb(&mut self, verb: Verb, now: Tick, wall_us: i64, res: &mut impl Resources) {
        let outcome = match verb.kind {
            VerbKind::Hangup => self.hangup(&verb, now, res),
            VerbKind::Originate => self.originate(&verb, now, wall_us, res),
            VerbKind::Answer
            | VerbKind::Ring
            | VerbKind::Play
            | VerbKind::Say
            | VerbKind::Collect
            | VerbKind::Record
            | VerbKind::Pause
            | VerbKind::Stop
            | VerbKind::SendDtmf
            | VerbKind::Hold
            | VerbKind::Resume
            | VerbKind::Mute
            | VerbKind::Park
            | VerbKind::Dial
            | VerbKind::Bridge
            | VerbKind::Unbridge
            | VerbKind::Mix
            | VerbKind::Tap
            | VerbKind::Whisper
            | VerbKind::Barge
            | VerbKind::Detect
            | VerbKind::Transfer
            | VerbKind::Redirect
            | VerbKind::Refer
            | VerbKind::Message
            | VerbKind::Notify => VerbOutcome::Unsupported,
        };
        self.desk.out.up(Up::Verb(VerbResult { id: verb.id, outcome }));
    }

    /// No media came from an answered leg for as long as its policy allows.
    pub fn handle_silence(&mut self, leg: LegId, now: Tick, res: &mut impl Resources) {
        self.with(leg.slot, now, res, |call, cx| call.handle_silence(leg.leg, cx));
    }

    /// The control plane is gone. Asks under way wait for its return until their deadlines, and so
    /// do new ones.
    pub fn handle_control_lost(&mut self) {
        if self.desk.link == Link::Up {
            self.desk.link = Link::Lost;
        }
    }

    /// The control plane is back (after its greeting): asks under way are asked again under their
    /// ids.
    pub fn handle_control_back(&mut self) {
        match self.desk.link {
            Link::Never | Link::Up => return,
            Link::Lost => self.desk.link = Link::Up,
        }
        for (_, slot) in self.desk.waiting() {
            if let Some(ask) = self.slab.call(slot).and_then(|call| call.ask_under_way()) {
                self.desk.out.ask(Box::new(ask.clone()));
            }
        }
    }

    /// Time has come to [`Calls::poll_timeout`]. Looks only at calls whose timer is due.
    pub fn handle_timeout(&mut self, now: Tick, res: &mut impl Resources) {
        for idx in self.alarms.due(now) {
            let Some(slot) = self.slab.current(idx) else { continue };
            match self.slab.life(slot) {
                Some(Life::Call(_)) => {
                    self.with(slot, now, res, |call, cx| call.handle_timeout(cx));
                }
                Some(Life::Turned { until }) if *until <= now => {
                    self.desk.counters.legs_lost += 1;
                    self.free(slot);
                }
                Some(Life::Turned { until }) => self.alarms.arm(idx, *until),
                Some(Life::Free | Life::Reserved) | None => {}
            }
        }
    }

    /// When [`Calls::handle_timeout`] is due next; it may turn out to be too early.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.alarms.next()
    }

    /// The next thing to do; drain to `None` after every `handle_*`. Table first, then journal,
    /// rings, network.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.desk.out.poll()
    }

    /// The `Ended` frame of `slot`'s call stands in the journal at `seq`.
    pub fn journaled(&mut self, slot: SlotRef, seq: u64) {
        if !self.slab.call(slot).is_some_and(|call| call.is_closed()) {
            return;
        }
        if let Some(before) = self.seq_of.insert(slot.idx, seq) {
            self.by_seq.remove(&(before, slot.idx));
        }
        self.by_seq.insert((seq, slot.idx));
    }

    /// The journal is durable up to and including `seq`: calls whose record it holds are done once
    /// their legs have said their last word.
    pub fn handle_durable(&mut self, seq: u64) {
        while let Some(&(at, idx)) = self.by_seq.first() {
            if at > seq {
                break;
            }
            self.by_seq.remove(&(at, idx));
            self.seq_of.remove(&idx);
            let Some(slot) = self.slab.current(idx) else { continue };
            if let Some(call) = self.slab.call(slot) {
                call.handle_durable();
                self.settle(slot);
            }
        }
    }

    /// Ends every call in order: all legs are hung up, records are written. The process is about to
    /// end; new calls must not be offered any more.
    pub fn shut_down(&mut self, now: Tick, res: &mut impl Resources) {
        // 31: normal, unspecified. 480 tells an unanswered caller to try again later.
        let args = Hangup { leg: None, cause: Cause::new(480, 31), reason: Reason::Operator };
        for idx in 0..self.slab.len() {
            let slot = u16::try_from(idx).ok().and_then(|idx| self.slab.current(idx));
            let Some(slot) = slot else { continue };
            self.with(slot, now, res, |call, cx| call.handle_hangup(&args, cx));
        }
    }

    /// What the call table must know of a slot's call now: state and facts. `None` when there is
    /// nothing to know.
    #[must_use]
    pub fn snapshot(&self, slot: SlotRef) -> Option<(SlotState, Box<CallFacts>)> {
        self.slab.peek(slot)?.snapshot()
    }

    /// The state alone.
    #[must_use]
    pub fn slot_state(&self, slot: SlotRef) -> Option<SlotState> {
        self.slab.peek(slot)?.slot_state()
    }

    /// The image of a call that is not over, for [`Calls::thaw`] in a later process, which takes an
    /// answered one up.
    #[must_use]
    pub fn freeze(&self, slot: SlotRef) -> Option<Vec<u8>> {
        self.slab.peek(slot)?.freeze()
    }

    /// Takes up an answered call of a former process; its legs and their media have been taken back
    /// before. It goes on under its record, with the talk time that is left.
    ///
    /// # Errors
    /// [`NotThawed`]: nothing has changed, the caller ends the call by [`Calls::close_lost`].
    pub fn thaw(
        &mut self,
        slot: SlotRef,
        facts: CallFacts,
        image: &[u8],
        now: Tick,
        res: &mut impl Resources,
    ) -> Result<(), NotThawed> {
        if !self.slab.resume(slot) {
            return Err(NotThawed::Slot);
        }
        let mut cx = Cx { now, desk: &mut self.desk, res };
        match Call::thaw(slot, facts, image, &mut cx) {
            Ok(call) => {
                self.house(slot, call);
                Ok(())
            }
            Err(e) => {
                self.slab.close(slot);
                Err(e)
            }
        }
    }

    /// Ends what a former process left and nobody can go on with: the record is closed at its last
    /// sign of life, the legs that were taken back are hung up. The call is done after both.
    /// `false` when the slot is not one of ours.
    pub fn close_lost(
        &mut self,
        slot: SlotRef,
        lost: Lost,
        now: Tick,
        res: &mut impl Resources,
    ) -> bool {
        let ours = self.slab.resume(slot);
        if ours {
            let call = Call::lost(slot, lost, &mut Cx { now, desk: &mut self.desk, res });
            self.house(slot, call);
        }
        ours
    }

    /// Slots in use, those included that are reserved, and those of calls that leave.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.slab.in_use()
    }

    /// Of these, calls that are over and recorded, and whose parties are owed a last word.
    #[must_use]
    pub fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Records of the calls that are answered and go on, for the journal's marks.
    pub fn answered(&self) -> impl Iterator<Item = RecordId> {
        self.slab.calls().filter_map(Call::answered_record)
    }

    /// What went nowhere so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.desk.counters
    }

    fn begin(
        &mut self,
        slot: SlotRef,
        offer: Offer,
        now: Tick,
        wall_us: i64,
        res: &mut impl Resources,
    ) {
        if offer.hops_left == 0 {
            // Q.850 25: exchange routing error.
            return self.turn_away(slot, Cause::new(483, 25), 0, now);
        }
        let mut cx = Cx { now, desk: &mut self.desk, res };
        match Call::begin(Attempt { slot, offer, wall_us }, &mut cx) {
            Some(call) => self.house(slot, call),
            None => {
                let retry_after_s = crate::desk::retry_after_s(AskId(slot.idx.into()));
                self.turn_away(slot, Cause::from_sip(503), retry_after_s, now);
            }
        }
    }

    /// Refuses an attempt without a call: nothing is asked and nothing recorded.
    fn turn_away(&mut self, slot: SlotRef, cause: Cause, retry_after_s: u16, now: Tick) {
        let until = now.plus_ms(LINGER_MS);
        if let Some(life) = self.slab.life(slot) {
            *life = Life::Turned { until };
            self.alarms.arm(slot.idx, until);
            let command = Command::Hangup { cause, phrase: "".into(), retry_after_s };
            self.desk.out.leg(first_leg(slot), command);
        }
    }

    fn hangup(&mut self, verb: &Verb, now: Tick, res: &mut impl Resources) -> VerbOutcome {
        let Ok(args) = decode::<Hangup>(&verb.args.0) else { return VerbOutcome::BadArguments };
        self.with(verb.leg.slot, now, res, |call, cx| call.handle_hangup(&args, cx))
            .unwrap_or(VerbOutcome::NoSuchLeg)
    }

    fn originate(
        &mut self,
        verb: &Verb,
        now: Tick,
        wall_us: i64,
        res: &mut impl Resources,
    ) -> VerbOutcome {
        let Ok(args) = decode::<Originate>(&verb.args.0) else { return VerbOutcome::BadArguments };
        let Some(slot) = self.open() else { return VerbOutcome::Full };
        let mut cx = Cx { now, desk: &mut self.desk, res };
        match Call::originate(slot, args, wall_us, &mut cx) {
            Some(call) => {
                self.house(slot, call);
                VerbOutcome::Done
            }
            None => {
                self.slab.close(slot);
                VerbOutcome::Full
            }
        }
    }

    fn house(&mut self, slot: SlotRef, call: Call) {
        if let Some(life) = self.slab.life(slot) {
            *life = Life::Call(Box::new(call));
        }
        self.settle(slot);
    }

    /// Lets the call of `slot` act, then sees to its timer and its end.
    fn with<T>(
        &mut self,
        slot: SlotRef,
        now: Tick,
        res: &mut impl Resources,
        act: impl FnOnce(&mut Call, &mut Cx<'_>) -> T,
    ) -> Option<T> {
        let call = self.slab.call(slot)?;
        let result = act(call, &mut Cx { now, desk: &mut self.desk, res });
        self.settle(slot);
        Some(result)
    }

    fn settle(&mut self, slot: SlotRef) {
        let Some(call) = self.slab.call(slot) else { return };
        if let Some(shown) = call.leave(self.left) {
            self.leaving.insert(self.left, slot);
            self.left += 1;
            self.alarms.cancel(slot.idx);
            self.desk.out.done(slot, shown);
        } else {
            let next_at = call.next_at();
            self.alarms.arm(slot.idx, next_at);
        }
    }

    fn free(&mut self, slot: SlotRef) {
        self.alarms.cancel(slot.idx);
        self.slab.close(slot);
        self.desk.out.free(slot);
    }

    /// Where the call of `slot` stands.
    #[cfg(test)]
    fn state_name(&mut self, slot: SlotRef) -> String {
        self.slab.call(slot).map_or_else(|| "-".to_owned(), |call| call.state_name())
    }

    /// Every ask under way has a call that waits for it.
    #[cfg(test)]
    fn check_asks(&mut self) {
        for (id, slot) in self.desk.waiting() {
            let call = self.slab.call(slot).expect("a call");
            assert_eq!(call.ask_under_way().map(|ask| ask.id), Some(id));
        }
    }

    /// Every timer has an owner, and none is late to its owner's next one.
    #[cfg(test)]
    fn check_timers(&mut self) {
        for idx in self.alarms.owners().collect::<Vec<_>>() {
            let slot = self.slab.current(idx).expect("a slot");
            match self.slab.life(slot) {
                Some(Life::Call(_) | Life::Turned { .. }) => {}
                Some(Life::Free | Life::Reserved) | None => panic!("a timer without an owner"),
            }
        }
        for call in self.slab.calls() {
            assert!(
                call.next_at() == Tick::NEVER
                    || self.alarms.next().is_some_and(|at| at <= call.next_at())
            );
        }
    }
}

#[cfg(test)]
mod tests;
