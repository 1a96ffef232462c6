//! All calls of a shard: slots and their lives, the one timer list, asks and verbs by their ids.

mod chain;
#[cfg(any(test, feature = "world"))]
pub mod world;

use crate::alarm::Alarms;
use crate::call::{Attempt, Call, Joining, Lost, NotThawed, PickUp, Shown, Spawn};
use crate::desk::{AskKind, Counters, Cx, Desk, Errand, Link};
use crate::limits::{CHAIN_MAX, ERRANDS_MAX, LINGER_MS, SLOTS_MAX};
use crate::slab::{Life, Slab, first_leg};
use crate::{Output, Resources};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strowger_leg::{Cause, Command, Event, Offer};
use strowger_link::codec::decode;
use strowger_link::table::SlotState;
use strowger_link::{
    Answer, AnswerBody, AskId, CallFacts, Emergency, Hangup, LegId, Lengthen, Octets, Originate,
    PartyRef, Reason, RecordId, SlotRef, Tick, Up, Verb, VerbKind, VerbOutcome, VerbResult,
};

/// The chain of calls is as long as it may be. Q.850 25: exchange routing error.
const TOO_LONG: Cause = Cause::new(480, 25);

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
    /// Longest call from its first INVITE to its end, milliseconds; 0 = no such limit.
    pub call_ms_max: u64,
    /// Call-IDs of our branches begin as that of their caller does.
    pub related_call_ids: bool,
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
            call_ms_max: 0,
            related_call_ids: false,
        }
    }
}

/// All calls of one shard. Every collection is bounded by its slots.
#[derive(Debug)]
pub struct Calls {
    slab: Slab,
    desk: Desk,
    alarms: Alarms,
    /// Room for what is due in a turn.
    due: Vec<u16>,
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
            due: Vec::with_capacity(64),
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

    /// A leg for the INVITE of another shard, whose party wants the place of `leg`. `Offered` must
    /// follow, or [`Calls::unreserve`].
    ///
    /// # Errors
    /// Why that place cannot be had.
    pub fn reserve_beside(&mut self, leg: LegId) -> Result<LegId, Cause> {
        let call = self.slab.call(leg.slot).ok_or(Cause::from_sip(481))?;
        call.open_beside(leg.leg).map(|number| LegId { leg: number, ..leg })
    }

    /// Gives back a leg that was reserved and never offered.
    pub fn unreserve(&mut self, leg: LegId) {
        match self.slab.life(leg.slot) {
            Some(Life::Reserved) => self.slab.close(leg.slot),
            Some(Life::Call(call)) => call.close_beside(leg.leg),
            Some(Life::Free | Life::Turned { .. }) | None => {}
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
                | Event::Fields(_)
                | Event::Parts(_)
                | Event::Answered { .. }
                | Event::Confirmed { .. }
                | Event::Refused { .. }
                | Event::Reoffer { .. }
                | Event::Update { .. }
                | Event::Refreshed { .. }
                | Event::ReofferAnswered { .. }
                | Event::ReofferRefused { .. }
                | Event::Digits { .. }
                | Event::Info { .. }
                | Event::Message { .. }
                | Event::Transfer(_)
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

    /// Whoever agrees on keys in the place of a leg's party has another certificate than its
    /// description names.
    pub fn handle_impostor(&mut self, leg: LegId, now: Tick, res: &mut impl Resources) {
        self.with(leg.slot, now, res, |call, cx| call.handle_impostor(leg.leg, cx));
    }

    /// An answered leg had not answered, as its media tells, and its policy wants no such calls.
    pub fn handle_false_answer(&mut self, leg: LegId, now: Tick, res: &mut impl Resources) {
        self.with(leg.slot, now, res, |call, cx| call.handle_false_answer(leg.leg, cx));
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
                self.desk.out.ask(Arc::clone(ask));
            }
        }
    }

    /// Time has come to [`Calls::poll_timeout`]. Looks only at calls whose timer is due.
    pub fn handle_timeout(&mut self, now: Tick, res: &mut impl Resources) {
        // Lent, so that a turn with a timer allocates nothing.
        let mut due = std::mem::take(&mut self.due);
        self.alarms.due(now, &mut due);
        for idx in due.drain(..) {
            let Some(slot) = self.slab.current(idx) else { continue };
            match self.slab.life(slot) {
                Some(Life::Call(_)) => {
                    self.with(slot, now, res, |call, cx| {
                        call.expire(cx);
                        call.handle_timeout(cx);
                    });
                }
                Some(Life::Turned { until }) if *until <= now => {
                    self.desk.counters.legs_lost += 1;
                    self.free(slot);
                }
                Some(Life::Turned { until }) => self.alarms.arm(idx, *until),
                Some(Life::Free | Life::Reserved) | None => {}
            }
        }
        self.due = due;
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

    /// Appends the facts of [`Calls::snapshot`] in the form of [`CallFacts`], without a copy of
    /// them; `None`, and nothing appended, where that is `None`.
    pub fn put_facts(&self, slot: SlotRef, out: &mut Vec<u8>) -> Option<Shown> {
        self.slab.peek(slot)?.put_facts(out)
    }

    /// The legs of a slot's call, those that have ended included, in the order of its facts; ties
    /// that no fact names come last.
    pub fn legs(&self, slot: SlotRef) -> impl Iterator<Item = u8> + '_ {
        let call = self.slab.peek(slot).into_iter();
        call.flat_map(|call| call.legs_opened().chain(call.ties()))
    }

    /// The ask of a slot's call.
    #[must_use]
    pub fn ask_of(&self, slot: SlotRef) -> Option<AskId> {
        self.slab.peek(slot).map(Call::ask_id)
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
        let mut image = Vec::new();
        self.freeze_into(slot, &mut image).then_some(image)
    }

    /// As [`Calls::freeze`], appended to `out`; `false`, and nothing appended, where that is
    /// `None`.
    pub fn freeze_into(&self, slot: SlotRef, out: &mut Vec<u8>) -> bool {
        self.slab.peek(slot).is_some_and(|call| call.freeze(out))
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
        let place = match self.place_of(&offer) {
            Ok(place) => place,
            Err(cause) => return self.turn_away(slot, cause, 0, now),
        };
        let mut cx = Cx { now, desk: &mut self.desk, res };
        match Call::begin(Attempt { slot, offer, place, wall_us }, &mut cx) {
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
        let result = self.act(slot, now, res, act);
        self.run_errands(now, res);
        result
    }

    /// What calls want of each other, until none wants anything more.
    fn run_errands(&mut self, now: Tick, res: &mut dyn Resources) {
        for _ in 0..ERRANDS_MAX {
            let Some(errand) = self.desk.errands.pop_front() else { return };
            match errand {
                Errand::Say { to, event } => {
                    self.act(to.slot, now, res, |call, cx| call.handle_leg(to.leg, event, cx));
                }
                Errand::Spawn(spawn) => self.spawn(*spawn, now, res),
                Errand::Join(joining) => self.join(&joining, now, res),
                Errand::PickUp(pick_up) => self.pick_up(&pick_up, now, res),
            }
        }
    }

    /// Two calls of one party become one bridge, unless they are one already, or too long together.
    fn join(&mut self, joining: &Joining, now: Tick, res: &mut dyn Resources) {
        let (from, replaced) = (joining.from, joining.replaced);
        let (one, other) = (self.chain(from.slot), self.chain(replaced.slot));
        let no_such_dialog = Cause::from_sip(481);
        let joined = if one.contains(&replaced.slot) {
            Err(no_such_dialog)
        } else if one.len() + other.len() > CHAIN_MAX {
            Err(TOO_LONG)
        } else {
            let join = |call: &mut Call, cx: &mut Cx<'_>| call.join_with(replaced.leg, joining, cx);
            self.act(replaced.slot, now, res, join).unwrap_or(Err(no_such_dialog))
        };
        self.act(from.slot, now, res, |call, cx| call.joined_with(joined, cx));
    }

    /// A caller takes somebody's place in another call.
    fn pick_up(&mut self, pick_up: &PickUp, now: Tick, res: &mut dyn Resources) {
        let (from, replaced) = (pick_up.from, pick_up.replaced);
        let chain = self.chain(replaced.slot);
        let place = if chain.contains(&from.slot) {
            Err(Cause::from_sip(481))
        } else if chain.len() >= CHAIN_MAX {
            Err(TOO_LONG)
        } else {
            let give = |call: &mut Call, cx: &mut Cx<'_>| call.give_place(pick_up, cx);
            self.act(replaced.slot, now, res, give).unwrap_or(Err(Cause::from_sip(481)))
        };
        self.act(from.slot, now, res, |call, cx| match place {
            Ok(far) => {
                call.meshed(from.leg, far);
                call.speak(cx);
            }
            Err(cause) => call.not_picked_up(cause, cx),
        });
    }

    /// Whose place a caller wants to take, and the settlement of that call; `None` = nobody's.
    fn place_of(&self, offer: &Offer) -> Result<Option<(PartyRef, Octets)>, Cause> {
        let Some(replaces) = &offer.replaces else { return Ok(None) };
        let call = self.slab.peek(replaces.leg.slot).ok_or(Cause::from_sip(481))?;
        call.place_of(replaces.leg.leg, replaces.ringing).map(Some)
    }

    /// Begins the call of a transfer; without a slot the transfer has failed.
    fn spawn(&mut self, spawn: Spawn, now: Tick, res: &mut dyn Resources) {
        let from = spawn.from;
        let fits = self.chain(from.slot).len() < CHAIN_MAX;
        let slot = if fits { self.open() } else { None };
        let begun = slot.and_then(|slot| {
            let mut cx = Cx { now, desk: &mut self.desk, res: &mut *res };
            let call = Call::transferred(slot, spawn, &mut cx);
            if call.is_none() {
                self.slab.close(slot);
            }
            Some((slot, call?))
        });
        let Some((slot, call)) = begun else {
            // Q.850 42: congestion.
            let cause = if fits { Cause::new(503, 42) } else { TOO_LONG };
            let event = Event::Ended { cause, by_party: false };
            self.act(from.slot, now, res, |call, cx| call.handle_leg(from.leg, event, cx));
            return;
        };
        self.house(slot, call);
        self.act(from.slot, now, res, |call, _| call.meshed(from.leg, first_leg(slot)));
    }

    /// As `with`; what the call wants of others waits.
    fn act<T>(
        &mut self,
        slot: SlotRef,
        now: Tick,
        res: &mut dyn Resources,
        act: impl FnOnce(&mut Call, &mut Cx<'_>) -> T,
    ) -> Option<T> {
        self.refresh(slot);
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
            let next_at = call.next_at().min(call.expires_at(self.desk.config.call_ms_max));
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
}

#[cfg(test)]
mod tests;
