//! What happened: the dataplane's facts, from which the control plane composes records.

use crate::codec::{Octets, Wire, put_list, wire_code, wire_enum, wire_struct};
use crate::{AskId, Cause, Party, PartyRef, Reason, RecordId, SlotRef, Tick, Transport};
use std::net::SocketAddr;

/// Most facts of one call that are kept; later ones are counted in `CallEnded`.
pub const FACTS_MAX: usize = 256;

wire_struct! {
    /// Everything the journal knows of one call: body of `Start` (so far) and `Ended` (whole).
    pub struct CallFacts {
        /// The record's identity, constant through crashes.
        pub record: RecordId,
        /// The ask that began it.
        pub ask: AskId,
        /// Its slot, for the reader of the call table.
        pub slot: SlotRef,
        /// Wall clock minus tick at the beginning of this call, microseconds: the anchor that turns
        /// its ticks into times. Per call, so that a later step of the clock moves no record.
        pub anchor_us: i64,
        /// The settlement of the last answer.
        pub settlement: Octets,
        /// Facts in order of time.
        pub facts: Vec<Fact>,
    }
}

wire_struct! {
    /// Body of a slot of the call table.
    pub struct SlotBody {
        /// Everything that the journal would know of the call now.
        pub facts: CallFacts,
        /// What a new life of the dataplane needs to take the call up, opaque to the control plane;
        /// empty for a call that found no room for it.
        pub image: Octets,
    }
}

/// The parts of [`CallFacts`] where they stand, to be written without a copy of them.
#[derive(Clone, Copy, Debug)]
pub struct CallFactsRef<'a> {
    /// As there.
    pub record: RecordId,
    /// As there.
    pub ask: AskId,
    /// As there.
    pub slot: SlotRef,
    /// As there.
    pub anchor_us: i64,
    /// As there.
    pub settlement: &'a Octets,
    /// As there.
    pub facts: &'a [Fact],
}

impl CallFactsRef<'_> {
    /// Appends the bytes of [`CallFacts`].
    pub fn put(&self, out: &mut Vec<u8>) {
        let CallFactsRef { record, ask, slot, anchor_us, settlement, facts } = self;
        record.put(out);
        ask.put(out);
        slot.put(out);
        anchor_us.put(out);
        settlement.put(out);
        put_list(facts, out);
    }
}

impl CallFacts {
    /// Whether the call has ended: its last fact says so.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.facts.last(), Some(Fact::Ended(_)))
    }

    /// `hop` of the branch that the caller was joined with; `None` when nobody answered.
    #[must_use]
    pub fn answered_hop(&self) -> Option<u8> {
        let joined = self.facts.iter().find_map(|fact| match fact {
            Fact::Joined(pair) => Some(*pair),
            Fact::Began(_)
            | Fact::LegOpened(_)
            | Fact::LegProgress(_)
            | Fact::LegAnswered(_)
            | Fact::LegEnded(_)
            | Fact::Parted(_)
            | Fact::Granted(_)
            | Fact::Ended(_) => None,
        })?;
        // The caller's leg is 0, and of an originated call the first that we sent.
        let leg = joined.a.max(joined.b);
        let opened = self.facts.iter().rev().find_map(|fact| match fact {
            Fact::LegOpened(opened) if opened.leg == leg => Some(opened.hop),
            Fact::LegOpened(_)
            | Fact::Began(_)
            | Fact::LegProgress(_)
            | Fact::LegAnswered(_)
            | Fact::LegEnded(_)
            | Fact::Joined(_)
            | Fact::Parted(_)
            | Fact::Granted(_)
            | Fact::Ended(_) => None,
        });
        Some(opened.unwrap_or_default())
    }

    /// Ends a call that a crash cut off: every leg that is open, then the call, at `tick`, the last
    /// sign of life of its shard, but never before its last fact. A call that has ended stays as it
    /// is.
    pub fn close_at(&mut self, tick: Tick, reason: Reason) {
        if self.is_ended() {
            return;
        }
        let at = self.facts.iter().map(Fact::at).fold(tick, Tick::max);
        // Q.850 41, temporary failure: the network's fault and over soon.
        let (cause, by) = (Cause::new(0, 41), Party::Unknown);
        for leg in self.open_legs() {
            let ended = LegEnded { leg, at, cause, by, reason, media: None };
            self.facts.push(Fact::LegEnded(Box::new(ended)));
        }
        self.facts.push(Fact::Ended(CallEnded { at, cause, by, reason, facts_dropped: 0 }));
    }

    /// Legs opened and not ended, in order; an index may be used again after its leg ended.
    fn open_legs(&self) -> Vec<u8> {
        let mut open = Vec::new();
        for fact in &self.facts {
            if let Fact::LegOpened(opened) = fact {
                open.push(opened.leg);
            } else if let Fact::LegEnded(ended) = fact {
                open.retain(|leg| *leg != ended.leg);
            }
        }
        open
    }
}

impl Fact {
    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Tick {
        match self {
            Fact::Began(fact) => fact.at,
            Fact::LegOpened(fact) => fact.at,
            Fact::LegProgress(fact) => fact.at,
            Fact::LegAnswered(fact) => fact.at,
            Fact::LegEnded(fact) => fact.at,
            Fact::Joined(pair) | Fact::Parted(pair) => pair.at,
            Fact::Granted(fact) => fact.at,
            Fact::Ended(fact) => fact.at,
        }
    }
}

wire_enum! {
    /// One fact.
    pub enum Fact {
        /// An attempt began.
        0 => Began(Box<Began>),
        /// A leg was opened.
        1 => LegOpened(Box<LegOpened>),
        /// A leg rang or progressed.
        2 => LegProgress(LegProgress),
        /// A leg answered.
        3 => LegAnswered(LegAnswered),
        /// A leg ended; exactly one for each leg opened.
        4 => LegEnded(Box<LegEnded>),
        /// Two legs were joined.
        5 => Joined(Pair),
        /// Two legs were parted.
        6 => Parted(Pair),
        /// Talk time was granted.
        7 => Granted(Granted),
        /// The call ended: the last fact, always.
        8 => Ended(CallEnded),
    }
}

wire_struct! {
    /// An attempt began.
    pub struct Began {
        /// First INVITE, or the verb.
        pub at: Tick,
        /// Listener.
        pub listener: u8,
        /// Source address of the caller; `None` for an originated call.
        pub source: Option<SocketAddr>,
        /// Number as received.
        pub received: String,
        /// Caller's From user as received.
        pub from_user: String,
        /// Display name as received.
        pub display: String,
        /// SIP Call-ID.
        pub sip_call_id: String,
        /// User-Agent.
        pub user_agent: String,
    }
}

wire_code! {
    /// Who sent the INVITE of a leg; a leg has nothing else that is its role.
    pub enum Direction {
        /// Received by us.
        In = 0,
        /// Sent by us.
        Out = 1,
    }
}

wire_struct! {
    /// A leg was opened.
    pub struct LegOpened {
        /// Its index.
        pub leg: u8,
        /// When.
        pub at: Tick,
        /// Direction.
        pub direction: Direction,
        /// Stage and branch of the answer, for legs that we sent.
        pub stage: u8,
        /// Branch in the stage.
        pub branch: u8,
        /// Index of its price in the settlement.
        pub hop: u8,
        /// Number as dialled on this leg.
        pub dialed: String,
        /// From user shown on this leg.
        pub from_user: String,
        /// Remote address.
        pub remote: SocketAddr,
        /// Transport.
        pub transport: Transport,
        /// Who is there.
        pub party: PartyRef,
    }
}

wire_struct! {
    /// A provisional answer other than 100.
    pub struct LegProgress {
        /// Leg.
        pub leg: u8,
        /// When.
        pub at: Tick,
        /// SIP status.
        pub status: u16,
    }
}

wire_struct! {
    /// A final positive answer.
    pub struct LegAnswered {
        /// Leg.
        pub leg: u8,
        /// When (200 sent or received).
        pub at: Tick,
    }
}

wire_struct! {
    /// A leg ended.
    pub struct LegEnded {
        /// Leg.
        pub leg: u8,
        /// When (BYE, CANCEL, final answer or error).
        pub at: Tick,
        /// Cause.
        pub cause: Cause,
        /// Who ended it.
        pub by: Party,
        /// Our reason.
        pub reason: Reason,
        /// Media of this leg, when it was relayed.
        pub media: Option<MediaReport>,
    }
}

wire_struct! {
    /// What a leg sent us and what we sent it (source names in spec 13.1).
    pub struct MediaReport {
        /// Packets received from the leg.
        pub received: u64,
        /// Octets received.
        pub received_octets: u64,
        /// Packets sent to the leg.
        pub sent: u64,
        /// Octets sent.
        pub sent_octets: u64,
        /// Packets lost on the way to us (RFC 3550 A.3), never negative here.
        pub lost: u64,
        /// Interarrival jitter at the end, microseconds.
        pub jitter_us: u32,
        /// Largest jitter, microseconds.
        pub jitter_us_max: u32,
        /// Packets of strangers dropped.
        pub strangers: u64,
        /// Other packets dropped.
        pub dropped: u64,
        /// Last payload type, 255 for none.
        pub payload_type: u8,
        /// Codec name of that payload type, if described.
        pub codec: String,
        /// Where the leg's media came from.
        pub remote: Option<SocketAddr>,
        /// First packet, if any.
        pub first_at: Option<Tick>,
        /// Last packet, if any.
        pub last_at: Option<Tick>,
        /// What the party itself told by RTCP, if it told anything.
        pub heard: Option<Heard>,
        /// From the answer to its first packet behind it, or to now if none came, milliseconds;
        /// none while the call was not answered, or was with another party.
        pub silent_ms: Option<u32>,
        /// For so long after the answer it sent the very sound that it had sent before, ms.
        pub rang_ms: u32,
    }
}

/// A sound that goes on for so long behind an answer rings on, milliseconds.
pub const FALSE_RANG_MS_MIN: u32 = 1_000;
/// A called party that sends nothing for so long after its answer has not answered, milliseconds.
pub const FALSE_SILENT_MS_MIN: u32 = 5_000;
/// As long as the caller has not sent so many packets either, silence says nothing.
pub const FALSE_PACKETS_MIN: u64 = 100;

impl MediaReport {
    /// Whether the answer of this party was false, as far as packets tell, by what came from its
    /// caller.
    #[must_use]
    pub fn is_false_answer(&self, caller: &MediaReport) -> bool {
        let is_silent = self.silent_ms.is_some_and(|ms| ms >= FALSE_SILENT_MS_MIN);
        self.rang_ms >= FALSE_RANG_MS_MIN || is_silent && caller.received >= FALSE_PACKETS_MIN
    }
}

wire_struct! {
    /// What a party told of the stream that we sent it (RFC 3550 6.4.1).
    #[derive(Copy)]
    pub struct Heard {
        /// Reports that told it.
        pub reports: u32,
        /// Packets that it misses.
        pub lost: u32,
        /// Interarrival jitter where it is, microseconds.
        pub jitter_us: u32,
        /// Round trip between it and us, microseconds, if anything measured it.
        pub round_trip_us: Option<u32>,
        /// The longest, microseconds; 0 when none was measured.
        pub round_trip_us_max: u32,
    }
}

wire_struct! {
    /// Two legs.
    #[derive(Copy)]
    pub struct Pair {
        /// One.
        pub a: u8,
        /// The other.
        pub b: u8,
        /// When.
        pub at: Tick,
    }
}

wire_struct! {
    /// Talk time granted, from answer.
    #[derive(Copy)]
    pub struct Granted {
        /// When the answer came.
        pub at: Tick,
        /// Milliseconds from answer.
        pub ms: u64,
        /// So many of them an allowance pays.
        pub free_ms: u64,
        /// The last slice.
        pub last: bool,
    }
}

wire_struct! {
    /// The call ended.
    pub struct CallEnded {
        /// When: first BYE, CANCEL or error.
        pub at: Tick,
        /// Cause towards the caller.
        pub cause: Cause,
        /// Who ended it.
        pub by: Party,
        /// Our reason.
        pub reason: Reason,
        /// Facts dropped beyond [`FACTS_MAX`].
        pub facts_dropped: u32,
    }
}

wire_struct! {
    /// What a life of a shard was told: body of `Origin`. Node and epoch of the life stand in the
    /// header of the segment, the shard in the frame. A database that was put back to an older
    /// state learns from it which origins it has given away.
    pub struct OriginMark {
        /// Origin of record ids.
        pub origin: u32,
        /// Boot of the host, little-endian, as the call table has it.
        pub boot: [u8; 16],
    }
}

wire_struct! {
    /// A sign of life of a shard: body of `Alive`.
    pub struct Alive {
        /// Shard.
        pub shard: u8,
        /// High-water tick.
        pub at: Tick,
        /// Wall clock then, microseconds.
        pub wall_us: i64,
        /// Answered calls whose record is open, on a life's first mark and on marks of seconds that
        /// [`Alive::is_list`] names, else none. More than [`ALIVE_LIST_MAX`] stand in several marks
        /// of the same tick.
        pub live: Vec<RecordId>,
    }
}

/// Most calls one mark lists: as many as fit a frame of the journal.
pub const ALIVE_LIST_MAX: usize = 4_000;
/// Marks of every so many seconds list calls.
const LIST_EVERY_S: u64 = 60;

const _: () = assert!(ALIVE_LIST_MAX * size_of::<i64>() + 64 <= crate::journal::PAYLOAD_BYTES_MAX);

impl Alive {
    /// Whether a mark of this tick lists the answered calls whichever mark of its life it is;
    /// without any, its list is empty.
    #[must_use]
    pub const fn is_list(at: Tick) -> bool {
        (at.0 / crate::SECOND).is_multiple_of(LIST_EVERY_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_of_each_minute_lists_calls_and_a_frame_takes_the_list() {
        let named = (0..3_600).filter(|s| Alive::is_list(Tick(s * crate::SECOND + 999)));
        assert!(named.eq((0..60).map(|minute| minute * 60)));
        let live = vec![RecordId(i64::MAX); ALIVE_LIST_MAX];
        let alive = Alive { shard: 255, at: Tick::NEVER, wall_us: i64::MIN, live };
        assert!(crate::codec::encode(&alive).len() <= crate::journal::PAYLOAD_BYTES_MAX);
    }
}
