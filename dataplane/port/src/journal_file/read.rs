//! Reading the log, from another process, while it is written or after a crash.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use strowger_link::journal::{
    Frame, FrameKind, Position, Progress, SEGMENT_HEADER_BYTES, Scan, Scanned, SegmentHeader,
};

use super::SEGMENT_BYTES_MAX;
use super::disk::{list_segments, segment_path};

/// Bytes already read that are kept before the buffer is moved up.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Where a reader is. Store it in the same transaction as what was made of the frames before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Cursor {
    /// Place of the next frame.
    pub position: Position,
    /// Number of the next frame: below it a frame is a repetition. 0 = any.
    pub next_seq: u64,
}

/// What [`JournalReader::next`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry<'a> {
    /// The next frame, never one that was given before this cursor.
    Frame {
        /// Origin: the node.
        node: u32,
        /// Origin: the run of switchd.
        epoch: u32,
        /// The frame.
        frame: Frame<'a>,
        /// Where the reader is after it.
        cursor: Cursor,
    },
    /// Bytes that should be frames are not: an alarm. Reading goes on behind them.
    Damaged {
        /// Where.
        position: Position,
        /// How many.
        len: u32,
    },
    /// Frames are missing: an alarm. Reading goes on behind them.
    Missing {
        /// They come after this segment's beginning.
        after: u32,
        /// And before this segment's end.
        before: u32,
        /// How many; 0 = whole segments, nobody can tell.
        frames: u64,
    },
    /// Nothing more for now.
    Wait,
}

/// Reads a directory of segments in order.
///
/// While switchd lives, read up to the durable [`Position`] it publishes: what lies behind could
/// still be lost, and then its place be taken. Without a limit (switchd is dead) all whole frames
/// are read.
pub struct JournalReader {
    directory: PathBuf,
    cursor: Cursor,
    open: Option<OpenSegment>,
    /// Epoch of the last segment read: tells a gap in the numbers from a new run.
    epoch: Option<u32>,
}

struct OpenSegment {
    file: File,
    header: SegmentHeader,
    /// The file's bytes from `start` on, as far as they were read.
    bytes: Vec<u8>,
    start: u32,
}

/// What one step did.
enum Step {
    /// A new frame stands at this place of the open segment's bytes.
    Frame(Range<usize>),
    Damaged {
        position: Position,
        len: u32,
    },
    Missing {
        after: u32,
        before: u32,
        frames: u64,
    },
    Again,
    Wait,
}

impl JournalReader {
    /// Reads from `cursor` on; `Cursor::default()` = from the oldest segment.
    #[must_use]
    pub fn new(directory: &Path, cursor: Cursor) -> JournalReader {
        JournalReader { directory: directory.to_owned(), cursor, open: None, epoch: None }
    }

    /// Where it is.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The next entry, in order.
    ///
    /// # Errors
    /// The system's, of reading; the reader stays where it was.
    pub fn next(&mut self, limit: Option<Position>) -> io::Result<Entry<'_>> {
        let place = loop {
            match self.step(limit)? {
                Step::Again => {}
                Step::Wait => return Ok(Entry::Wait),
                Step::Damaged { position, len } => return Ok(Entry::Damaged { position, len }),
                Step::Missing { after, before, frames } => {
                    return Ok(Entry::Missing { after, before, frames });
                }
                Step::Frame(place) => break place,
            }
        };
        let cursor = self.cursor;
        let entry = self.open.as_ref().and_then(|open| {
            let SegmentHeader { node, epoch, salt, .. } = open.header;
            let (frame, _) = Frame::decode(salt, open.bytes.get(place)?)?;
            Some(Entry::Frame { node, epoch, frame, cursor })
        });
        Ok(entry.unwrap_or(Entry::Wait))
    }

    fn step(&mut self, limit: Option<Position>) -> io::Result<Step> {
        let Some(open) = self.open.as_mut() else { return self.open_segment(limit) };
        let at = self.cursor.position.offset;
        let end = open.load(at, limit)?;
        let place = open.place(at)..open.place(end);
        let rest = open.bytes.get(place.clone()).unwrap_or_default();
        let Some((frame, size)) = Frame::decode(open.header.salt, rest) else {
            return self.not_a_frame(limit, place, end);
        };
        if frame.kind == FrameKind::Sealed {
            return self.leave_segment(limit);
        }
        let (seq, segment) = (frame.seq, self.cursor.position.segment);
        let mut progress = Progress::before(self.cursor.next_seq);
        let missing = progress.take(seq);
        if let Some(frames) = missing.filter(|frames| *frames > 0) {
            // The frame itself comes with the next step.
            self.cursor.next_seq = seq;
            return Ok(Step::Missing { after: segment, before: segment, frames });
        }
        self.cursor.next_seq = progress.next_seq();
        self.cursor.position.offset = at.saturating_add(u32::try_from(size).unwrap_or(u32::MAX));
        let place = place.start..place.start.saturating_add(size);
        Ok(if missing.is_some() { Step::Frame(place) } else { Step::Again })
    }

    /// Opens the segment the cursor points at, or the next one there is.
    fn open_segment(&mut self, limit: Option<Position>) -> io::Result<Step> {
        let wanted = self.cursor.position;
        let Some(number) = self.first_segment_from(wanted.segment)? else { return Ok(Step::Wait) };
        if limit.is_some_and(|limit| number > limit.segment) {
            return Ok(Step::Wait);
        }
        let file = File::open(segment_path(&self.directory, number))?;
        let size = u32::try_from(file.metadata()?.len()).unwrap_or(u32::MAX);
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let header = file.read_exact_at(&mut bytes, 0).ok();
        let header = header.and_then(|()| SegmentHeader::decode(&bytes).ok());
        let Some(header) = header.filter(|header| header.segment == number) else {
            // A header is durable before its file has this name.
            self.cursor.position = Position { segment: number.saturating_add(1), offset: 0 };
            let position = Position { segment: number, offset: 0 };
            return Ok(Step::Damaged { position, len: size });
        };
        let same_run = self.epoch.replace(header.epoch) == Some(header.epoch);
        let gap = number > wanted.segment && self.cursor.next_seq != 0 && !same_run;
        let offset = if number == wanted.segment { wanted.offset } else { 0 };
        let first = SEGMENT_HEADER_BYTES as u32;
        self.cursor.position = Position { segment: number, offset: offset.max(first) };
        if !same_run && offset <= first {
            self.cursor.next_seq = self.cursor.next_seq.max(header.base_seq);
        }
        let start = self.cursor.position.offset;
        self.open = Some(OpenSegment { file, header, bytes: Vec::new(), start });
        let after = wanted.segment.saturating_sub(1);
        Ok(if gap { Step::Missing { after, before: number, frames: 0 } } else { Step::Again })
    }

    /// What stands at the cursor is no frame: damage, the end of the segment, or the end of the
    /// log.
    fn not_a_frame(
        &mut self,
        limit: Option<Position>,
        place: Range<usize>,
        end: u32,
    ) -> io::Result<Step> {
        let position = self.cursor.position;
        let Some(open) = self.open.as_mut() else { return Ok(Step::Wait) };
        let rest = open.bytes.get(place.clone()).unwrap_or_default();
        let behind = match Scan::from_offset(rest, open.header.salt, 0).next() {
            Scanned::Damaged { len, .. } => Some(u32::try_from(len).unwrap_or(u32::MAX)),
            // Below the durable end all should be frames.
            Scanned::Frame { .. } | Scanned::End { .. } => limit
                .filter(|limit| limit.segment == position.segment)
                .map(|_| end.saturating_sub(position.offset)),
        };
        match behind {
            Some(0) => Ok(Step::Wait),
            Some(len) => {
                self.cursor.position.offset = position.offset.saturating_add(len);
                Ok(Step::Damaged { position, len })
            }
            None => {
                // Without a limit these bytes may change: a torn tail, or not written yet.
                open.bytes.truncate(place.start);
                self.leave_segment(limit)
            }
        }
    }

    /// Goes on to the next segment, if there is one.
    fn leave_segment(&mut self, limit: Option<Position>) -> io::Result<Step> {
        let next = self.cursor.position.segment.saturating_add(1);
        let exists = self.first_segment_from(next)?;
        let visible = |number: &u32| limit.is_none_or(|limit| *number <= limit.segment);
        if exists.filter(visible).is_none() {
            return Ok(Step::Wait);
        }
        self.cursor.position = Position { segment: next, offset: 0 };
        self.open = None;
        Ok(Step::Again)
    }

    fn first_segment_from(&self, number: u32) -> io::Result<Option<u32>> {
        let numbers = list_segments(&self.directory)?;
        Ok(numbers.into_iter().find(|found| *found >= number))
    }
}

impl OpenSegment {
    /// Reads what can be seen and was not read yet; returns its end.
    fn load(&mut self, at: u32, limit: Option<Position>) -> io::Result<u32> {
        let size = u32::try_from(self.file.metadata()?.len()).unwrap_or(u32::MAX);
        let size = size.min(SEGMENT_BYTES_MAX);
        let end = match limit {
            Some(limit) if limit.segment == self.header.segment => limit.offset.min(size),
            Some(_) | None => size,
        };
        let used = self.place(at);
        if used > KEPT_BYTES_MAX {
            self.bytes.drain(..used.min(self.bytes.len()));
            self.start = at;
        }
        let (have, want) = (self.bytes.len(), self.place(end));
        if want > have {
            self.bytes.resize(want, 0);
            let offset = u64::from(self.start) + have as u64;
            let read =
                self.file.read_exact_at(self.bytes.get_mut(have..).unwrap_or_default(), offset);
            if let Err(error) = read {
                self.bytes.truncate(have);
                return Err(error);
            }
        }
        Ok(end)
    }

    /// Where the byte at this offset of the file stands in `bytes`.
    fn place(&self, offset: u32) -> usize {
        usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX)
    }
}
