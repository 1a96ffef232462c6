//! The contract between the planes: frames, slots, journal frames, ids, time. Pure: no clock, no
//! socket, no memory of its own.
//!
//! The dataplane owns this crate and the control plane depends on it, never the other way round.
//! Everything here is read by another process, possibly of another release, possibly after a crash:
//! each form has a version, golden bytes in a test, and a reader that trusts no length.
//!
//! Where to start: [`Ask`] and [`Answer`] (one decision per attempt), [`CallFacts`] (what is left
//! of a call), [`token`] (how a datagram finds its call), then `ring`, `table` and `journal` for
//! where these bytes live.

mod answer;
mod ask;
mod cause;
pub mod codec;
pub mod crc;
mod edge;
mod fact;
mod flow;
mod frame;
mod ids;
pub mod journal;
mod keep;
pub mod ring;
mod ruled;
pub mod siphash;
mod sync;
pub mod table;
mod tally;
pub mod tape;
mod tick;
pub mod token;
mod upstream;
mod verb;

pub use answer::*;
pub use ask::*;
pub use cause::{Cause, Party, Reason};
pub use codec::{Malformed, Octets};
pub use edge::*;
pub use fact::*;
pub use flow::{CONNECTIONS_MAX, FlowToken, shard_of_way, way_to_shard};
pub use frame::*;
pub use ids::{
    AskId, DOOR, LEGS_MAX, LegId, RECORD_SEQ_BITS, RecordId, SHARDS_MAX, SlotRef, VerbId,
};
pub use keep::*;
pub use ruled::ruled;
pub use siphash::Key;
pub use tally::Tally;
pub use tick::{MS, SECOND, Tick};
pub use upstream::*;
pub use verb::*;
