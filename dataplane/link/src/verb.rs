//! What the control plane tells a running call to do. Numbers never change their meaning.

use crate::codec::{Octets, wire_code, wire_enum, wire_struct};
use crate::{Branch, Cause, Grant, LegId, Reason, VerbId};

/// Longest resume blob, bytes: app, step, id of its variables.
pub const RESUME_MAX: usize = 256;

wire_code! {
    /// Every verb has its number from the start; one that a dataplane does not carry out answers
    /// [`VerbOutcome::Unsupported`].
    pub enum VerbKind {
        /// Answer an inbound leg.
        Answer = 1,
        /// Ring towards an inbound leg.
        Ring = 2,
        /// Play prompts.
        Play = 3,
        /// Speak text.
        Say = 4,
        /// Collect digits.
        Collect = 5,
        /// Record.
        Record = 6,
        /// Pause a player or recorder.
        Pause = 7,
        /// Stop a player or recorder.
        Stop = 8,
        /// Send DTMF.
        SendDtmf = 9,
        /// Hold a leg.
        Hold = 10,
        /// Resume a held leg.
        Resume = 11,
        /// Mute a leg.
        Mute = 12,
        /// Park a leg.
        Park = 13,
        /// Dial a target for a leg.
        Dial = 14,
        /// Originate legs.
        Originate = 15,
        /// Bridge two legs.
        Bridge = 16,
        /// Unbridge two legs.
        Unbridge = 17,
        /// Put a leg into a mixer.
        Mix = 18,
        /// Listen to a leg.
        Tap = 19,
        /// Speak to one side only.
        Whisper = 20,
        /// Join a call aloud.
        Barge = 21,
        /// Detect machine, fax or silence.
        Detect = 22,
        /// Transfer.
        Transfer = 23,
        /// Redirect an unanswered leg.
        Redirect = 24,
        /// Send REFER.
        Refer = 25,
        /// Send MESSAGE.
        Message = 26,
        /// Send NOTIFY.
        Notify = 27,
        /// End a leg or the call.
        Hangup = 28,
    }
}

wire_struct! {
    /// One instruction. Arguments are [`Octets`] holding the kind's own struct, so that a dataplane
    /// can refuse a kind that it does not know without failing to read the frame.
    pub struct Verb {
        /// Identity.
        pub id: VerbId,
        /// The leg; for Originate its slot is zero.
        pub leg: LegId,
        /// What.
        pub kind: VerbKind,
        /// Arguments: [`Hangup`], [`Originate`] and so on, encoded.
        pub args: Octets,
        /// For taking a session up again, at most [`RESUME_MAX`] bytes.
        pub resume: Octets,
        /// When the control plane is lost in the middle of a session.
        pub on_driver_lost: OnDriverLost,
    }
}

wire_enum! {
    /// What a call does when its session's control plane is gone.
    pub enum OnDriverLost {
        /// Nothing: it runs on (bridged calls, conferences).
        0 => RunOn,
        /// Music for so many seconds, then a prompt and hang-up.
        1 => Wait(u16),
    }
}

wire_struct! {
    /// Arguments of Hangup: all legs, or one.
    pub struct Hangup {
        /// Only this leg's index; `None` ends the call.
        pub leg: Option<u8>,
        /// Cause to send.
        pub cause: Cause,
        /// For the record.
        pub reason: Reason,
    }
}

wire_struct! {
    /// Arguments of Originate: call `first`; when it answers, call `second` and join them.
    pub struct Originate {
        /// Answered first.
        pub first: Branch,
        /// Then this.
        pub second: Branch,
        /// Talk time from the answer of the second.
        pub grant: Grant,
        /// Echoed as in an answer.
        pub settlement: Octets,
        /// Ask id under which facts and Extend run, given by the control plane.
        pub ask: crate::AskId,
        /// Milliseconds until it must have begun.
        pub deadline_ms: u32,
    }
}

wire_struct! {
    /// The outcome of a verb.
    pub struct VerbResult {
        /// Which.
        pub id: VerbId,
        /// What came of it.
        pub outcome: VerbOutcome,
    }
}

wire_code! {
    /// Outcomes.
    pub enum VerbOutcome {
        /// Carried out, or begun.
        Done = 0,
        /// This dataplane does not carry out that verb.
        Unsupported = 1,
        /// No such call or leg.
        NoSuchLeg = 2,
        /// The arguments cannot be read, or not now.
        BadArguments = 3,
        /// No room for another call.
        Full = 4,
    }
}
