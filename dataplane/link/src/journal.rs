//! The journal's segments and frames: format, encoder, scanner. Payloads are opaque here.
//!
//! One log per switchd, in numbered segment files. A segment is a [`SegmentHeader`], then frames
//! one after another, each at a multiple of [`ALIGN`] bytes, then zeros (the file is allocated
//! whole). Everything is little-endian.
//!
//! Frame, 24 bytes and the payload:
//!
//! | offset | size | field |
//! |--:|--:|---|
//! | 0 | 4 | [`SYNC_MARK`] |
//! | 4 | 1 | [`FRAME_VERSION`] |
//! | 5 | 1 | kind |
//! | 6 | 1 | shard |
//! | 7 | 1 | 0 |
//! | 8 | 8 | sequence number in the log, rising by 1 |
//! | 16 | 4 | payload length in bytes |
//! | 20 | 4 | CRC-32C of bytes 4..20 and the padded payload, started from the segment's salt |
//! | 24 | n | payload, padded with zeros to a multiple of [`ALIGN`] |
//!
//! The salt keeps a frame that stands inside a payload (a stranger's SIP header) or that was left
//! by another file from ever being taken for one of ours.
//!
//! After a failed fdatasync the frames not yet acknowledged are written again into a new segment
//! under their old numbers: a reader skips what it has seen, see [`Progress`].
//!
//! Where to start: [`Frame::encode_into`] to write, [`Scan`] to read.

mod frame;
mod ledger;
mod scan;
mod segment;

pub use frame::{
    ALIGN, FRAME_HEADER_BYTES, FRAME_VERSION, Frame, FrameKind, PAYLOAD_BYTES_MAX, SYNC_MARK,
    TooLong, frame_bytes,
};
pub use ledger::{CutOff, Ledger};
pub use scan::{Progress, Scan, Scanned};
pub use segment::{
    Position, SEGMENT_HEADER_BYTES, SEGMENT_MAGIC, SEGMENT_VERSION, SegmentError, SegmentHeader,
};

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
