//! Reading a segment's bytes, damaged or torn as they may be.

use super::frame::{ALIGN, Frame, SYNC_MARK};
use super::segment::SEGMENT_HEADER_BYTES;

/// What stands at a place of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scanned<'a> {
    /// A whole frame; `end` is the place after it.
    Frame {
        /// Where it begins.
        offset: usize,
        /// Where the next one begins.
        end: usize,
        /// The frame.
        frame: Frame<'a>,
    },
    /// Bytes that are no frame, though a whole frame follows them: raise the alarm.
    Damaged {
        /// Where they begin.
        offset: usize,
        /// How many they are.
        len: usize,
    },
    /// No whole frame from here on: the end of the log, where a writer may truncate it.
    End {
        /// The truncation point.
        offset: usize,
        /// Bytes that are not zero stand there: a frame was cut by a crash (or is being written).
        torn: bool,
    },
}

/// Walks over one segment's bytes. After [`Scanned::End`] it goes on returning it.
pub struct Scan<'a> {
    bytes: &'a [u8],
    salt: u32,
    at: usize,
}

impl<'a> Scan<'a> {
    /// Over `bytes`, a segment from its first byte on, from the first frame.
    #[must_use]
    pub fn new(bytes: &'a [u8], salt: u32) -> Scan<'a> {
        Scan::from_offset(bytes, salt, SEGMENT_HEADER_BYTES)
    }

    /// From `offset` on, which a former scan returned.
    #[must_use]
    pub fn from_offset(bytes: &'a [u8], salt: u32, offset: usize) -> Scan<'a> {
        Scan { bytes, salt, at: offset.next_multiple_of(ALIGN) }
    }

    /// What stands at the present place; goes on behind it.
    #[expect(clippy::should_implement_trait, reason = "never ends: End is a place, not an absence")]
    pub fn next(&mut self) -> Scanned<'a> {
        let offset = self.at;
        if let Some((frame, size)) = self.frame_at(offset) {
            self.at = offset + size;
            return Scanned::Frame { offset, end: self.at, frame };
        }
        match self.resynchronise(offset) {
            Some(next) => {
                self.at = next;
                Scanned::Damaged { offset, len: next - offset }
            }
            None => {
                let rest = self.bytes.get(offset..).unwrap_or_default();
                Scanned::End { offset, torn: rest.iter().any(|byte| *byte != 0) }
            }
        }
    }

    fn frame_at(&self, offset: usize) -> Option<(Frame<'a>, usize)> {
        Frame::decode(self.salt, self.bytes.get(offset..)?)
    }

    /// The next place behind `offset` with a whole frame. Linear, but for payloads full of marks,
    /// each of which costs one check of at most the longest payload.
    fn resynchronise(&self, offset: usize) -> Option<usize> {
        let rest = self.bytes.get(offset..)?;
        let marks = rest.chunks_exact(ALIGN).enumerate().skip(1);
        let mut places = marks
            .filter(|(_, chunk)| chunk.starts_with(&SYNC_MARK))
            .map(|(n, _)| offset + n * ALIGN);
        places.find(|place| self.frame_at(*place).is_some())
    }
}

/// How far a reader has come in the log's numbering: sorts frames into new, seen and missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    next: u64,
}

impl Progress {
    /// Before frame `next`.
    #[must_use]
    pub const fn before(next: u64) -> Progress {
        Progress { next }
    }

    /// The number expected next.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next
    }

    /// Takes a frame's number: `None` = seen already (written again after a failed sync), else how
    /// many numbers before it are missing.
    pub fn take(&mut self, seq: u64) -> Option<u64> {
        let missing = seq.checked_sub(self.next)?;
        self.next = seq.saturating_add(1);
        Some(missing)
    }
}
