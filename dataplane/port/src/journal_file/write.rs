//! The log as a sequence of segments: groups of frames, each made durable as one.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use strowger_link::journal::{
    Frame, FrameKind, PAYLOAD_BYTES_MAX, Position, SEGMENT_HEADER_BYTES, SegmentHeader, frame_bytes,
};

use super::GROUP_PART;
use super::disk::Disk;
use super::space::Space;
use crate::clock;

/// Segments tried for one group before the error is told; the group is kept.
pub(super) const COMMIT_TRIES_MAX: u32 = 3;
/// Most segments allocated ahead.
pub(super) const SPARES_MAX: usize = 1024;
/// The last frame of a sealed segment carries the next one's number.
const SEALED_PAYLOAD_BYTES: usize = 4;
const SEALED_BYTES: u32 = frame_bytes(SEALED_PAYLOAD_BYTES) as u32;
const HEADER_BYTES: u32 = SEGMENT_HEADER_BYTES as u32;

const _: () =
    assert!(frame_bytes(PAYLOAD_BYTES_MAX) <= (super::SEGMENT_BYTES_MIN / GROUP_PART) as usize);

/// What every segment of this run says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) node: u32,
    pub(super) epoch: u32,
    /// The same for the run, so that a group can be written again as it is.
    pub(super) salt: u32,
}

struct Open<F> {
    file: F,
    number: u32,
    /// Where the next group goes; all before is durable.
    offset: u32,
}

/// The log's end.
pub(super) struct Log<D: Disk> {
    disk: D,
    identity: Identity,
    segment_bytes: u32,
    space: Arc<Space>,
    open: Option<Open<D::File>>,
    spares: VecDeque<D::File>,
    next_segment: u32,
    next_seq: u64,
    /// Encoded frames not durable yet, and the number of the first.
    group: Vec<u8>,
    group_seq: u64,
    disk_errors: u64,
}

/// The group is full: commit first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GroupFull;

impl<D: Disk> Log<D> {
    pub(super) fn new(
        disk: D,
        identity: Identity,
        segment_bytes: u32,
        space: Arc<Space>,
        next_segment: u32,
        next_seq: u64,
    ) -> Log<D> {
        let group_bytes = usize::try_from(segment_bytes / GROUP_PART).unwrap_or(0);
        Log {
            disk,
            identity,
            segment_bytes,
            space,
            open: None,
            spares: VecDeque::new(),
            next_segment,
            next_seq,
            group: Vec::with_capacity(group_bytes),
            group_seq: next_seq,
            disk_errors: 0,
        }
    }

    /// Adds a frame to the group; returns its number in the log.
    pub(super) fn push(
        &mut self,
        kind: FrameKind,
        shard: u8,
        payload: &[u8],
    ) -> Result<u64, GroupFull> {
        let bytes = self.group.len() + frame_bytes(payload.len());
        if bytes > self.group_bytes_max() {
            return Err(GroupFull);
        }
        let seq = self.next_seq;
        let frame = Frame { kind, shard, seq, payload };
        frame.encode_into(self.identity.salt, &mut self.group).map_err(|_| GroupFull)?;
        self.next_seq += 1;
        Ok(seq)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// Number of the last frame that is durable.
    pub(super) fn durable_seq(&self) -> u64 {
        self.group_seq.saturating_sub(1)
    }

    /// Failed writes and syncs so far.
    pub(super) fn disk_errors(&self) -> u64 {
        self.disk_errors
    }

    /// Makes the group durable; returns the log's end. On error the group is kept: try again.
    pub(super) fn commit(&mut self) -> io::Result<Position> {
        let mut tries = 1;
        loop {
            match self.commit_once() {
                Ok(position) => return Ok(position),
                Err(error) => {
                    self.disk_errors += 1;
                    self.abandon();
                    if tries == COMMIT_TRIES_MAX {
                        return Err(error);
                    }
                    tries += 1;
                }
            }
        }
    }

    /// Allocates ahead: one segment more than is promised, and one that is open.
    pub(super) fn maintain(&mut self) -> io::Result<()> {
        while self.space.spare() < self.usable() && self.spares.len() < SPARES_MAX {
            let spare = self.disk.allocate(self.segment_bytes)?;
            self.spares.push_back(spare);
            self.space.allocated(self.usable());
        }
        if self.open.is_none() {
            self.roll()?;
        }
        Ok(())
    }

    /// Ends the open segment in order.
    pub(super) fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            self.space.allocated(-remainder(&open, self.usable()));
            let _ = self.finish(open);
        }
    }

    fn group_bytes_max(&self) -> usize {
        usize::try_from(self.segment_bytes / GROUP_PART).unwrap_or(0)
    }

    /// Bytes of frames that surely fit into one segment, however the groups fall.
    fn usable(&self) -> i64 {
        let group = self.segment_bytes / GROUP_PART;
        i64::from(self.segment_bytes - HEADER_BYTES - SEALED_BYTES - group)
    }

    fn commit_once(&mut self) -> io::Result<Position> {
        let bytes = u32::try_from(self.group.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let limit = self.segment_bytes - SEALED_BYTES;
        let fits = |open: &Open<D::File>| bytes <= limit.saturating_sub(open.offset);
        if !self.open.as_ref().is_some_and(fits) {
            self.roll()?;
        }
        let Some(open) = self.open.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        self.disk.write(&mut open.file, open.offset, &self.group)?;
        self.disk.sync(&mut open.file)?;
        open.offset += bytes;
        self.group.clear();
        self.group_seq = self.next_seq;
        Ok(Position { segment: open.number, offset: open.offset })
    }

    /// Ends the open segment, if any, and opens the next one.
    fn roll(&mut self) -> io::Result<()> {
        self.seal();
        let mut file = match self.spares.pop_front() {
            Some(spare) => spare,
            None => {
                let file = self.disk.allocate(self.segment_bytes)?;
                self.space.allocated(self.usable());
                file
            }
        };
        let number = self.next_segment;
        // Even if it fails: a file of that number may be there.
        self.next_segment = number.saturating_add(1);
        let Identity { node, epoch, salt } = self.identity;
        let (base_seq, created_us) = (self.group_seq, clock::wall_us());
        let header = SegmentHeader { node, epoch, segment: number, salt, base_seq, created_us };
        if let Err(error) = self.disk.publish(&mut file, number, &header.encode()) {
            self.space.allocated(-self.usable());
            return Err(error);
        }
        self.open = Some(Open { file, number, offset: HEADER_BYTES });
        Ok(())
    }

    /// Writes the last frame of a segment. Its failure costs nothing: all before is durable, and
    /// readers go on when they see the next segment.
    fn finish(&mut self, mut open: Open<D::File>) -> io::Result<()> {
        let payload = self.next_segment.to_le_bytes();
        let seq = self.group_seq;
        let frame = Frame { kind: FrameKind::Sealed, shard: 0, seq, payload: &payload };
        let mut bytes = Vec::new();
        let encoded = frame.encode_into(self.identity.salt, &mut bytes);
        encoded.map_err(|_| io::ErrorKind::InvalidInput)?;
        self.disk.write(&mut open.file, open.offset, &bytes)?;
        self.disk.sync(&mut open.file)?;
        self.disk.seal(&mut open.file, open.offset + SEALED_BYTES)
    }

    /// Gives the open segment up after an error, as it is: not one more call on that file.
    fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            self.space.allocated(-remainder(&open, self.usable()));
        }
    }
}

/// Bytes of a segment that were counted as free and are lost with it.
fn remainder<F>(open: &Open<F>, usable: i64) -> i64 {
    (usable - i64::from(open.offset - HEADER_BYTES)).max(0)
}
