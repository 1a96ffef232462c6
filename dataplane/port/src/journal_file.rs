//! The journal on disk: one thread writes, shards hand over frames, another process reads.
//!
//! Writing: [`Journal::start`] gives one [`JournalHandle`] per shard (the [`JournalSink`] of that
//! shard) and starts the writer's thread. Frames wait in a bounded queue of memory; the thread
//! takes what came in one group interval, writes it with pwrite into a segment that was allocated
//! before, calls fdatasync once, then publishes: each shard's durable number, the log's
//! [`Position`], and it rings the shards. A crash of the process loses what waited in memory; the
//! call table has it.
//!
//! An error of fdatasync is final for that file: the kernel may have thrown the pages away and
//! called them clean, so a second fdatasync would lie. The group is written again, under its old
//! numbers, into a new segment.
//!
//! Files in the directory: `journal-NNNNNNNNNN.seg`, the segments; `spare-NNNN`, allocated and not
//! yet in use; `lock`. A full segment is sealed: a last frame, cut to its length, read-only.
//! A segment is deleted when the database has it and its time is over (segments are the restore
//! log), never before; what waits for the database is bounded by the admission of calls. Each
//! start begins a new one.
//!
//! Numbers never come again, even if the directory is lost: a start begins above the last
//! numbers found, for frames no lower than the wall clock in microseconds, and in an empty
//! directory with the segment of its second.
//!
//! Reading: [`JournalReader`], from a [`Cursor`] that is stored in the same transaction as what was
//! made of the frames: exactly once by position.
//!
//! [`JournalSink`]: crate::net::JournalSink
//! [`Position`]: strowger_link::journal::Position

mod disk;
mod handle;
mod keep;
mod read;
mod space;
mod thread;
mod write;

use std::path::PathBuf;

pub use disk::{list_segments, segment_path, sync_segments};
pub use handle::{CALL_BYTES, JournalHandle};
pub use read::{Cursor, Entry, JournalReader};
pub use thread::{Health, Journal};

/// Smallest segment in bytes.
pub const SEGMENT_BYTES_MIN: u32 = 1 << 20;
/// Largest segment in bytes: a reader holds one in memory.
pub const SEGMENT_BYTES_MAX: u32 = 1 << 28;
/// A group is at most this part of a segment.
pub const GROUP_PART: u32 = 8;
/// Longest group interval in milliseconds.
pub const GROUP_MS_MAX: u32 = 50;

/// How the journal is written.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Where; it exists and belongs to this switchd alone.
    pub directory: PathBuf,
    /// Bytes of one segment, [`SEGMENT_BYTES_MIN`] to [`SEGMENT_BYTES_MAX`]; 16 MiB is usual.
    pub segment_bytes: u32,
    /// Milliseconds that a frame may wait for others before the group is synced, at most
    /// [`GROUP_MS_MAX`]; 10 is usual.
    pub group_ms: u32,
    /// Words of each shard's queue, a power of two; 2^17 (1 MiB) is usual.
    pub queue_words: u32,
    /// The node, written into each segment.
    pub node: u32,
    /// The run of switchd, written into each segment.
    pub epoch: u32,
    /// Bytes of segments that may wait for the database; beyond them no call is admitted.
    pub waiting_bytes_max: u64,
    /// Seconds that a segment is kept after its last write, even if the database has it.
    pub keep_s: u64,
}

impl JournalConfig {
    /// The usual sizes.
    #[must_use]
    pub fn new(directory: PathBuf, node: u32, epoch: u32) -> JournalConfig {
        let (segment_bytes, queue_words) = (16 << 20, 1 << 17);
        let (waiting_bytes_max, keep_s) = (u64::MAX, u64::MAX);
        JournalConfig {
            directory,
            segment_bytes,
            group_ms: 10,
            queue_words,
            node,
            epoch,
            waiting_bytes_max,
            keep_s,
        }
    }
}

#[cfg(test)]
mod tests;
