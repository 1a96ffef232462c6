//! The call table: what of each call survives a crash of the dataplane.
//!
//! One segment per owner (a shard), in shared words on tmpfs that outlive the process: a header,
//! the slots (one a call), a pool of chunks. There is one writer, [`Table`], and any number of
//! readers, [`Reader`], in other processes and in a later life of the owner. At every instant one
//! version of each slot is whole: the idle half is written, then the selector flips. A kill -9
//! between any two stores costs at most the version that was being written.
//!
//! The bodies are opaque here; so are record and ask numbers. Nothing here allocates after the
//! writer's start, blocks, or trusts a number read from the segment.
//!
//! # Layout, in words of 64 bits
//!
//! | words | content |
//! |--|---|
//! | 0..512 | header, see [`Setup`]; words 0..10 are fixed after formatting, 16.. change |
//! | then `slots` x 128 | slots |
//! | then `chunks` x 128 | chunks of 1 KiB |
//!
//! Header: 0 magic; 1 version (low 32 bits) and header words; 2 slot words and slot count; 3 chunk
//! words and chunk count; 4 segment number and node; 5, 6 boot id; 7, 8 token key; 9 CRC-32C of
//! words 1 to 8; 16 heartbeat (Tick); 17 heartbeat (wall clock, us); 18 epoch of the owner; 24 the
//! journal's durable [`crate::journal::Position`].
//!
//! Slot: 8 words of header, 2 halves of 56 words, 8 words to spare. Header:
//!
//! | word | content |
//! |--:|---|
//! | 0 | control: version (high 32 bits), generation (16), state (8), thaw attempts (8) |
//! | 1 | Tick when the slot was opened |
//! | 2 | record number |
//! | 3, 4 | ask number of half 0, of half 1 |
//! | 5, 6 | of half 0, of half 1: body length in bytes (high 32 bits), check (low 32) |
//! | 7 | 0 |
//!
//! The lowest bit of the version is the half in force. A body of up to 448 bytes stands in the half
//! itself; a longer one in chunks whose numbers stand in the half, two a word. The check covers
//! opening time, record, ask and body; in a segment of layout 2 it is a CRC-32C, else see
//! `check.rs`.
//!
//! # Why a reader gets whole versions
//!
//! Writer: `fence(Release)`, idle half relaxed, control released. Reader: control acquired, half
//! relaxed, `fence(Acquire)`, control again. If the reader saw one word of a later version, its
//! second look at control sees the flip that came before that word's writing, and it tries again;
//! after [`READ_TRIES_MAX`] tries it says [`ReadError::Torn`].

mod check;
mod layout;
mod pool;
mod read;
mod write;

pub use layout::{
    BODY_BYTES_MAX, CHUNK_BYTES, CHUNKS_MAX, CHUNKS_PER_BODY_MAX, HALF_BYTES, HEADER_WORDS, MAGIC,
    SLOT_WORDS, SLOTS_MAX, Setup, SlotState, TableError, VERSION, VERSION_BEFORE, words_needed,
};
pub use read::{READ_TRIES_MAX, ReadError, Reader, SlotHead};
pub use write::{Counts, Table, WriteError, publish_durable};

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
