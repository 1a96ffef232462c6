//! What of a call outlives its process: an answered one is taken up, any other is ended in order.

use super::credit::Credit;
use super::end::{Closed, Farewell, told_cause};
use super::exchange::Exchange;
use super::facts::FactLog;
use super::leg::{Leg, LegState, Mesh, Trying, unknown_policy};
use super::talk::Talk;
use super::transfer::Transfer;
use super::{Call, State};
use crate::Entry;
use crate::desk::{Cx, retry_after_s};
use crate::limits::LINGER_MS;
use strowger_leg::Command;
use strowger_link::codec::{Wire, decode};
use strowger_link::table::SlotState;
use strowger_link::wire_struct;
use strowger_link::{
    AskId, CallFacts, CallFactsRef, Cause, FACTS_MAX, Fact, Grant, Hints, LEGS_MAX, LegId, Manner,
    MediaPolicy, OnRedirect, Reason, RecordId, SlotRef, Tick,
};

/// Version of the image. That of the release before is read as well; any other is not taken up.
const VERSION: u8 = 3;
/// The form of the release before, which knew no transfers.
const VERSION_BEFORE: u8 = 2;

/// Q.850 41, temporary failure. 503 for a caller who waits: this node as a whole could not.
const LOST: Cause = Cause::new(503, 41);

wire_struct! {
    /// A call beside its facts.
    pub struct Frozen {
        /// [`VERSION`].
        pub version: u8,
        /// By leg number.
        pub legs: Vec<FrozenLeg>,
        /// What it takes to go on, of an answered call.
        pub talk: Option<FrozenTalk>,
    }
}

wire_struct! {
    /// One leg of it.
    pub struct FrozenLeg {
        /// Media policy.
        pub policy: MediaPolicy,
        /// Gauges it holds.
        pub gauges: Vec<u32>,
        /// Its party is told why it ends.
        pub explain: bool,
        /// It is the half of another call.
        pub mesh: Option<FrozenMesh>,
    }
}

wire_struct! {
    /// The half of another call. Whose party it stands for says that call.
    pub struct FrozenMesh {
        /// The other half.
        pub far: LegId,
        /// The leg of the other call whose place that half takes, of two calls of one party.
        pub instead: Option<u8>,
    }
}

wire_struct! {
    /// A transfer that is tried.
    pub struct FrozenTransfer {
        /// Who asked.
        pub by: u8,
        /// Who asked has hung up, and the other one waits.
        pub alone: bool,
        /// The half of the call to the target, or the tie to another shard.
        pub mesh: u8,
        /// The target was offered nothing.
        pub late: bool,
    }
}

wire_struct! {
    /// What an answered call goes on with.
    pub struct FrozenTalk {
        /// The control plane granted it.
        pub granted: bool,
        /// What is left of Max-Forwards.
        pub hops_left: u8,
        /// Where it came in, for asks to come.
        pub hints: Hints,
        /// Facts dropped so far.
        pub facts_dropped: u32,
        /// The bridge is leg 0 and this one, or who stands in their places.
        pub peer: u8,
        /// From when talk time counts.
        pub answered_at: Tick,
        /// Talk time.
        pub grant: Grant,
        /// Longest duration.
        pub max_at: Tick,
        /// An exchange of descriptions was under way: the legs may have different sessions.
        pub unsure: bool,
        /// The other leg of the bridge.
        pub first: u8,
        /// One of both wants the other to be put through.
        pub transfer: Option<FrozenTransfer>,
    }
}

wire_struct! {
    /// The form of version 2, to be read.
    pub struct FrozenBefore {
        /// [`VERSION_BEFORE`].
        pub version: u8,
        /// By leg number.
        pub legs: Vec<FrozenLegBefore>,
        /// As in [`Frozen`].
        pub talk: Option<FrozenTalkBefore>,
    }
}

wire_struct! {
    /// A leg of version 2.
    pub struct FrozenLegBefore {
        /// Media policy.
        pub policy: MediaPolicy,
        /// Gauges it holds.
        pub gauges: Vec<u32>,
        /// Its party is told why it ends.
        pub explain: bool,
    }
}

wire_struct! {
    /// An answered call of version 2, all of it as in [`FrozenTalk`].
    pub struct FrozenTalkBefore {
        /// The control plane granted it.
        pub granted: bool,
        /// What is left of Max-Forwards.
        pub hops_left: u8,
        /// Where it came in.
        pub hints: Hints,
        /// Facts dropped so far.
        pub facts_dropped: u32,
        /// The bridge is leg 0 and this one.
        pub peer: u8,
        /// From when talk time counts.
        pub answered_at: Tick,
        /// Talk time.
        pub grant: Grant,
        /// Longest duration.
        pub max_at: Tick,
        /// An exchange of descriptions was under way.
        pub unsure: bool,
    }
}

impl From<FrozenBefore> for Frozen {
    fn from(before: FrozenBefore) -> Frozen {
        let leg = |leg: FrozenLegBefore| {
            let FrozenLegBefore { policy, gauges, explain } = leg;
            FrozenLeg { policy, gauges, explain, mesh: None }
        };
        let legs = before.legs.into_iter().map(leg).collect();
        Frozen { version: VERSION, legs, talk: before.talk.map(FrozenTalk::from) }
    }
}

impl From<FrozenTalkBefore> for FrozenTalk {
    fn from(before: FrozenTalkBefore) -> FrozenTalk {
        let FrozenTalkBefore { granted, hops_left, hints, facts_dropped, .. } = before;
        let FrozenTalkBefore { peer, answered_at, grant, max_at, unsure, .. } = before;
        FrozenTalk {
            granted,
            hops_left,
            hints,
            facts_dropped,
            peer,
            answered_at,
            grant,
            max_at,
            unsure,
            first: 0,
            transfer: None,
        }
    }
}

impl FrozenTransfer {
    fn of(transfer: &Transfer, alone: bool) -> FrozenTransfer {
        let Transfer { by, mesh, late, .. } = *transfer;
        FrozenTransfer { by, alone, mesh, late }
    }

    /// Its asker's subscription ended with the former process: nobody is told any more, and a
    /// progress that nobody hears is nothing.
    fn thawed(&self) -> Box<Transfer> {
        let FrozenTransfer { by, mesh, late, .. } = *self;
        Box::new(Transfer { by, mesh, late, accepted: true, answer: None, picked: false })
    }
}

impl Frozen {
    /// The legs of the bridge whose party is there.
    fn parties(&self) -> Option<impl Iterator<Item = u8> + '_> {
        let talk = self.talk.as_ref()?;
        let waits_without = talk.transfer.as_ref().filter(|transfer| transfer.alone);
        let gone = waits_without.map(|transfer| transfer.by);
        let is_mesh =
            |leg: u8| self.legs.get(usize::from(leg)).is_some_and(|known| known.mesh.is_some());
        let bridge = [talk.first, talk.peer].into_iter();
        Some(bridge.filter(move |leg| Some(*leg) != gone && !is_mesh(*leg)))
    }

    /// The tie of a transfer that is tried: what is tried at another shard has no half here.
    fn tried_tie(&self) -> Option<u8> {
        let tried = self.talk.as_ref()?.transfer.as_ref()?.mesh;
        let known = self.legs.get(usize::from(tried))?;
        known.mesh.is_none().then_some(tried)
    }

    /// How a leg stands after a thaw.
    fn state_of(&self, leg: usize, now: Tick) -> LegState {
        let Some(talk) = &self.talk else { return LegState::Gone };
        let is = |number: u8| usize::from(number) == leg;
        match &talk.transfer {
            // It ends with its process: the protocol still has its dialog, which is hung up.
            Some(transfer) if is(transfer.mesh) && self.tried_tie().is_some() => {
                LegState::Trying(Trying::over(now))
            }
            Some(transfer) if is(transfer.mesh) => LegState::Offered,
            Some(transfer) if is(transfer.by) && transfer.alone => LegState::Gone,
            Some(_) | None if is(talk.first) || is(talk.peer) => LegState::Answered,
            Some(_) | None => LegState::Gone,
        }
    }

    /// Whether its numbers are those of its legs.
    fn holds_together(&self) -> bool {
        let Some(talk) = &self.talk else { return false };
        let known = |leg: u8| usize::from(leg) < self.legs.len();
        let waits = talk.transfer.as_ref().is_none_or(|transfer| {
            let FrozenTransfer { by, mesh, .. } = *transfer;
            let on_bridge = |leg| leg == talk.first || leg == talk.peer;
            on_bridge(by) && !on_bridge(mesh) && known(mesh)
        });
        let bridge = talk.first != talk.peer && known(talk.first) && known(talk.peer);
        bridge && waits && self.legs.len() <= usize::from(LEGS_MAX)
    }
}

/// What the call table names beside the body of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    /// State of the slot.
    pub state: SlotState,
    /// The call's record.
    pub record: RecordId,
    /// The ask that it runs under.
    pub ask: AskId,
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
    /// Its party is told why it ends.
    pub explain: bool,
}

impl Call {
    /// What the call table knows of this call now: its state, and its facts. `None` for an attempt
    /// that leaves no record and is over.
    pub(crate) fn snapshot(&self) -> Option<(SlotState, Box<CallFacts>)> {
        Some((self.slot_state()?, self.call_facts()))
    }

    /// Appends the facts of a snapshot as bytes; `None`, and nothing appended, where there is none.
    pub(crate) fn put_facts(&self, out: &mut Vec<u8>) -> Option<Shown> {
        let state = self.slot_state()?;
        let facts = CallFactsRef {
            record: self.record,
            ask: self.ask,
            slot: self.slot,
            anchor_us: self.anchor_us,
            settlement: &self.settlement,
            facts: self.facts.as_slice(),
        };
        facts.put(out);
        Some(Shown { state, record: self.record, ask: self.ask })
    }

    /// The legs that its facts know, in their order.
    pub(crate) fn legs_opened(&self) -> impl Iterator<Item = u8> + '_ {
        self.facts.as_slice().iter().filter_map(|fact| match fact {
            Fact::LegOpened(opened) => Some(opened.leg),
            Fact::Began(_)
            | Fact::LegProgress(_)
            | Fact::LegAnswered(_)
            | Fact::LegEnded(_)
            | Fact::Joined(_)
            | Fact::Parted(_)
            | Fact::Granted(_)
            | Fact::Ended(_) => None,
        })
    }

    /// The state alone.
    pub(crate) fn slot_state(&self) -> Option<SlotState> {
        match &self.state {
            State::Asked(_) => Some(SlotState::Asked),
            State::Hunting(_) | State::Picking(_) | State::Setup(_) => Some(SlotState::Ringing),
            State::Talking(_) => Some(SlotState::Answered),
            State::Closed(Closed::Recorded) => Some(SlotState::Ended),
            State::Closed(Closed::Settled { .. }) => None,
            State::Closed(Closed::Leaving { .. }) => Some(SlotState::Leaving),
        }
    }

    /// Appends the image of a call that goes on, or that tries to; `false` once it is over.
    pub(crate) fn freeze(&self, out: &mut Vec<u8>) -> bool {
        let talk = match &self.state {
            State::Talking(talk) => Some(self.freeze_talk(talk)),
            State::Asked(_) | State::Hunting(_) | State::Picking(_) | State::Setup(_) => None,
            State::Closed(_) => return false,
        };
        let mesh = |mesh: &Mesh| FrozenMesh { far: mesh.far, instead: mesh.instead };
        let leg = |leg: &Leg| FrozenLeg {
            policy: leg.policy,
            gauges: leg.gauges.clone(),
            explain: leg.manner.explain,
            mesh: leg.mesh.as_deref().map(mesh),
        };
        let legs = self.legs.iter().map(leg).collect();
        Frozen { version: VERSION, legs, talk }.put(out);
        true
    }

    fn freeze_talk(&self, talk: &Talk) -> FrozenTalk {
        let transfer = talk.transfer.as_deref();
        let both = !self.is_over(talk.first) && !self.is_over(talk.peer);
        FrozenTalk {
            granted: self.granted,
            hops_left: self.hops_left,
            hints: self.hints.clone(),
            facts_dropped: self.facts.dropped(),
            peer: talk.peer,
            answered_at: talk.credit.answered_at(),
            grant: talk.credit.grant(),
            max_at: talk.max_at,
            // Who waits alone is offered anew what the target says.
            unsure: both && talk.exchange != Exchange::Idle,
            first: talk.first,
            transfer: transfer.map(|tried| FrozenTransfer::of(tried, self.is_over(tried.by))),
        }
    }

    /// Takes an answered call up whose legs and media have been taken back. One with mesh legs has
    /// its other parties by [`crate::Calls::rejoin`].
    pub(crate) fn thaw(
        slot: SlotRef,
        facts: CallFacts,
        image: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<Call, NotThawed> {
        let frozen = frozen(image)?;
        let facts_fit = facts.slot == slot && !facts.is_ended() && facts.facts.len() <= FACTS_MAX;
        if !frozen.holds_together() || !facts_fit {
            return Err(NotThawed::Malformed);
        }
        let states: Vec<LegState> =
            (0..frozen.legs.len()).map(|leg| frozen.state_of(leg, cx.now)).collect();
        let tried_tie = frozen.tried_tie();
        let talk = frozen.talk.ok_or(NotThawed::Malformed)?;
        let legs = frozen.legs.into_iter().zip(states).map(|(leg, state)| thawed_leg(leg, state));
        let mut call = Call {
            slot,
            ask: facts.ask,
            granted: talk.granted,
            record: facts.record,
            anchor_us: facts.anchor_us,
            hints: talk.hints,
            hops_left: talk.hops_left,
            settlement: facts.settlement,
            facts: FactLog::resume(facts.facts, talk.facts_dropped),
            legs: legs.collect(),
            joined: None,
            again: None,
            beside: None,
            state: State::default(),
        };
        for id in call.legs.iter().flat_map(|leg| &leg.gauges) {
            cx.res.retake(*id);
        }
        let (first, peer) = (talk.first, talk.peer);
        // Of who is no half, only a tie is on a bridge without a fact of its own.
        for leg in [first, peer] {
            let tie = !call.is_mesh(leg) && call.facts.opened(leg).is_none();
            if let Some(known) = call.leg_mut(leg) {
                known.tie = tie;
            }
        }
        if let Some(known) = tried_tie.and_then(|leg| call.leg_mut(leg)) {
            known.tie = true;
        }
        let both = !call.is_over(first) && !call.is_over(peer);
        if both {
            call.join(first, peer, cx);
        }
        let unsure = talk.unsure && both;
        let meshed = call.is_mesh(first) || call.is_mesh(peer);
        call.state = State::Talking(Box::new(Talk {
            first,
            peer,
            transfer: talk.transfer.as_ref().map(FrozenTransfer::thawed),
            credit: Credit::resume(talk.grant, talk.answered_at, cx.now),
            max_at: talk.max_at,
            exchange: if unsure { Exchange::Asking { leg: first } } else { Exchange::Idle },
        }));
        // Of a chain one call asks for all.
        if unsure && !meshed {
            call.command(first, Command::Reoffer { body: None }, cx);
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
            again: None,
            beside: None,
            state: State::Closed(Closed::Settled { shown: false }),
        };
        for lost in legs {
            call.hang_up_lost(lost, told.unwrap_or(LOST), cx);
        }
        if owes_record {
            call.write_slot(SlotState::Ended, cx);
            cx.desk.out.journal(Entry::Ended, slot, call.call_facts());
            call.state = State::Closed(Closed::Recorded);
        }
        call
    }

    fn hang_up_lost(&mut self, lost: LostLeg, told: Cause, cx: &mut Cx<'_>) {
        let LostLeg { leg, early, explain } = lost;
        if leg >= LEGS_MAX {
            return;
        }
        let place = usize::from(leg);
        while self.legs.len() <= place {
            self.legs.push(Leg { state: LegState::Gone, ..Leg::inbound(false) });
        }
        let until = cx.now.plus_ms(LINGER_MS);
        let cancelled = (early && leg != 0).then_some(told_cause(LOST, explain, false));
        if let Some(known) = self.legs.get_mut(place) {
            known.policy = unknown_policy(false);
            known.state = LegState::Closing { until, cancelled };
        }
        let unanswered_caller = early && leg == 0;
        let command = match unanswered_caller {
            true => Command::Hangup {
                cause: told_cause(told, explain, unanswered_caller),
                phrase: "".into(),
                retry_after_s: retry_after_s(self.ask),
            },
            false => Farewell::plain_hangup(told_cause(LOST, explain, unanswered_caller)),
        };
        self.command(leg, command, cx);
    }
}

fn thawed_leg(leg: FrozenLeg, state: LegState) -> Leg {
    let FrozenLeg { policy, gauges, explain, mesh } = leg;
    let half = |FrozenMesh { far, instead }| Box::new(Mesh { far, instead, ..Mesh::waiting() });
    Leg {
        policy,
        continue_on: Vec::new(),
        stop_on: Vec::new(),
        gauges,
        manner: Manner { explain, ..Manner::default() },
        hop: 0,
        redirect: OnRedirect::Fail,
        way: 0,
        state,
        mesh: mesh.map(half),
        tie: false,
    }
}

/// The legs of an image's bridge that have a party, none in the middle of a chain of calls; `None`
/// for an image that cannot be read, or that of a call without a bridge.
#[must_use]
pub fn bridged(image: &[u8]) -> Option<Vec<u8>> {
    Some(frozen(image).ok()?.parties()?.collect())
}

/// Whether a call has halves of other calls: it is whole when all of them are taken up.
#[must_use]
pub fn is_meshed(image: &[u8]) -> bool {
    let legs = frozen(image).map(|frozen| frozen.legs).unwrap_or_default();
    legs.iter().any(|leg| leg.mesh.is_some())
}

/// Whether a party is told why its leg ends; as usual when the image does not say.
#[must_use]
pub fn explained(image: &[u8], leg: u8) -> bool {
    let legs = frozen(image).map(|frozen| frozen.legs).unwrap_or_default();
    legs.get(usize::from(leg)).is_none_or(|leg| leg.explain)
}

fn frozen(image: &[u8]) -> Result<Frozen, NotThawed> {
    let malformed = |_| NotThawed::Malformed;
    match image.first() {
        Some(&VERSION) => decode(image).map_err(malformed),
        Some(&VERSION_BEFORE) => decode(image).map(FrozenBefore::into).map_err(malformed),
        Some(_) | None => Err(NotThawed::Version),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use strowger_link::codec::encode;

    fn talk() -> FrozenTalk {
        FrozenTalk {
            granted: true,
            hops_left: 69,
            hints: nowhere(),
            facts_dropped: 2,
            peer: 1,
            answered_at: Tick(5),
            grant: Grant { ms: 60_000, free_ms: 1, last: true, go_on: false },
            max_at: Tick(7),
            unsure: false,
            first: 0,
            transfer: None,
        }
    }

    fn legs(explain: [bool; 2]) -> Vec<FrozenLeg> {
        let leg = |(explain, gauge)| FrozenLeg {
            policy: unknown_policy(true),
            gauges: vec![gauge],
            explain,
            mesh: None,
        };
        explain.into_iter().zip([3, 4]).map(leg).collect()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    /// As version 2 wrote it.
    const BEFORE: &str = "\
        02020000010000000000000000010003000000010001000000000000000001000400000000010145\
        00040000000000000400000000000000000000000200000001050000000000000060ea0000000000\
        0001000000000000000100070000000000000000";
    /// As this version writes it.
    const NOW: &str = "\
        03020000010000000000000000010003000000010000010000000000000000010004000000000001\
        014500040000000000000400000000000000000000000200000001050000000000000060ea000000\
        000000010000000000000001000700000000000000000000";

    #[test]
    fn the_form_is_written_as_ever_and_that_of_the_release_before_is_read() {
        let now = Frozen { version: VERSION, legs: legs([true, false]), talk: Some(talk()) };
        assert_eq!(hex(&encode(&now)), NOW);
        assert_eq!(frozen(&bytes(NOW)), Ok(now.clone()));
        assert_eq!(frozen(&bytes(BEFORE)), Ok(now));
        assert_eq!(frozen(&[4, 0]), Err(NotThawed::Version));
        assert_eq!(frozen(&[]), Err(NotThawed::Version));
        assert_eq!(frozen(&bytes(NOW)[..20]), Err(NotThawed::Malformed));
    }

    #[test]
    fn a_call_that_is_not_answered_tells_the_wishes_of_its_parties_and_has_no_bridge() {
        let image = encode(&Frozen { version: VERSION, legs: legs([false, true]), talk: None });
        assert_eq!([0, 1, 2].map(|leg| explained(&image, leg)), [false, true, true]);
        assert!(explained(&[], 0));
        assert_eq!(bridged(&image), None);
        assert_eq!(bridged(&bytes(NOW)), Some(vec![0, 1]));
        assert!(!is_meshed(&image));
    }
}
