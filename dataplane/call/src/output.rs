//! What the shard carries out for its calls.

use std::sync::Arc;
use strowger_leg::Command;
use strowger_link::table::SlotState;
use strowger_link::{Ask, CallFacts, LegId, SlotRef, Up};

/// One thing to do, in the order in which [`crate::Calls::poll_output`] gives it: table, journal,
/// rings, network ("state before effect", design of the dataplane, 6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Write the slot of a call into the call table.
    Slot {
        /// Which slot.
        slot: SlotRef,
        /// State of the call; never [`SlotState::Free`]. What else the slot must hold say
        /// [`crate::Calls::snapshot`] and [`crate::Calls::freeze`] when all cores are at rest.
        state: SlotState,
    },
    /// The call is over, its record durable if it leaves one. Its parties may be owed a last word
    /// still, which is the protocol's to say: [`crate::Calls::vacate`] when they are not. Until
    /// then the slot is [`SlotState::Leaving`].
    Done {
        /// Which slot.
        slot: SlotRef,
        /// The slot was written at its end, so that only its state changes.
        shown: bool,
    },
    /// The slot is free: nothing of that call is owed any more.
    Free {
        /// Which slot.
        slot: SlotRef,
    },
    /// Append to the journal; for [`Entry::Ended`] tell [`crate::Calls::journaled`] its sequence.
    Journal {
        /// Which frame.
        entry: Entry,
        /// The call's slot.
        slot: SlotRef,
        /// So far, or whole.
        facts: Box<CallFacts>,
    },
    /// Tell the control plane: Started, Abandoned, Live, Verb; never an ask.
    Up(Up),
    /// Ask the control plane. The trunk in the hints is for the shard to fill in: the edge snapshot
    /// is not known here.
    Ask(Arc<Ask>),
    /// Tell a leg.
    Leg {
        /// Which.
        leg: LegId,
        /// What.
        command: Command,
    },
}

/// Kinds of journal frames that calls write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Entry {
    /// At answer: so that a power cut cannot lose the call.
    Start,
    /// At the end: the whole record.
    Ended,
}
