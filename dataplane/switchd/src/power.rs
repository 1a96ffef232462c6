//! Calls that a power cut ended: found in the journal alone, ended at their last sign of life.
//!
//! The call table goes with the host, or with the memory it stood in; the journal stays. An
//! answered call has a `Start` frame there, and an `Ended` one once it is over. Marks of life
//! (`Alive`) say once a second how far a life of the dataplane came, and once a minute which
//! answered calls were going on. So a call that was started and never ended, and that is not in the
//! table either, was cut off: it is given its `Ended`, at the last mark of the life that carried
//! it, with the reason [`Reason::HostLost`]. Done before the shard starts, at each boot, so that a
//! second crash in the middle of it loses nothing: what was written then is found as ended, the
//! rest is done again.
//!
//! Ticks of another boot mean nothing to this one's clock. None is compared with it: a duration is
//! the difference of two ticks of one life, and times of day come from the call's own anchor.
//!
//! How much is read: back to the second last list of calls (one may be spread over two segments).
//! A life lists its calls with its first mark, and then each minute: so at most two minutes, or the
//! last two lives. Then, only for calls that such a list names, further back to their `Start`.
//!
//! What the frames mean says [`Ledger`]; here is which of them are read.
//!
//! Damaged frames are passed over: a list makes up for one that is lost, by the one before it; an
//! answered call whose `Start` is lost can be counted only.

use crate::complain;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use strowger_link::codec::encode;
pub(crate) use strowger_link::journal::CutOff;
use strowger_link::journal::{Frame, FrameKind, Ledger, Scan, Scanned, SegmentHeader};
use strowger_link::{Alive, CallFacts, RecordId, Tick};
use strowger_port::eventfd::EventFd;
use strowger_port::journal_file::{GROUP_PART, list_segments, segment_path};
use strowger_port::net::JournalSink;

/// Lists of calls that the reading goes back to.
const LISTS: usize = 2;
/// Most segments read back for either purpose: 64 GiB of journal at the usual size.
const SEGMENTS_MAX: usize = 4_096;
/// How long the journal may take to make room, milliseconds, and how often.
const ROOM_MS: u32 = 100;
const ROOM_TRIES_MAX: u32 = 300;

/// Calls that were answered and neither ended nor are `held`, which is what the call table has.
///
/// Called before the journal is opened for writing.
///
/// # Errors
/// The journal cannot be read.
pub(crate) fn cut_off(journal: &Path, held: &BTreeSet<RecordId>) -> io::Result<CutOff> {
    let numbers = list_segments(journal)?;
    let from = beginning(journal, &numbers)?;
    let (older, newer) = numbers.split_at_checked(from).unwrap_or_default();
    let mut ledger = Ledger::default();
    for number in newer {
        if let Some(segment) = Segment::read(journal, *number)? {
            segment.frames(|frame| ledger.take(segment.header.epoch, frame));
        }
    }
    for record in held {
        ledger.forget(*record);
    }
    for number in older.iter().rev().take(SEGMENTS_MAX) {
        if !ledger.wants() {
            break;
        }
        if let Some(segment) = Segment::read(journal, *number)? {
            segment.frames(|frame| ledger.take_wanted(frame));
        }
    }
    Ok(ledger.close())
}

/// Hands the facts to the journal, as fast as it takes them, and waits until they are durable.
///
/// # Errors
/// The disk takes nothing for a long time.
pub(crate) fn record(
    journal: &mut impl JournalSink,
    bell: &EventFd,
    calls: &[CallFacts],
) -> Result<(), &'static str> {
    let mut tries = 0;
    let mut last = journal.durable();
    let mut wait = |durable: u64| {
        // The bell is the shard's, which does not run yet.
        let _time_over = bell.wait(Some(ROOM_MS));
        tries = if durable == last { tries + 1 } else { 0 };
        last = durable;
        if tries < ROOM_TRIES_MAX { Ok(()) } else { Err("the journal's disk takes nothing") }
    };
    let mut appended = journal.durable();
    for facts in calls {
        let payload = encode(facts);
        appended = loop {
            match journal.append(FrameKind::Ended, &payload) {
                Ok(number) => break number,
                Err(_) => wait(journal.durable())?,
            }
        };
    }
    while journal.durable() < appended {
        wait(journal.durable())?;
    }
    Ok(())
}

/// The index of the segment to read from: the newest one from which on every shard has listed its
/// calls [`LISTS`] times. The first mark of a life is such a list, whatever its second.
fn beginning(journal: &Path, numbers: &[u32]) -> io::Result<usize> {
    let mut lists: BTreeMap<u8, BTreeSet<(u32, Tick)>> = BTreeMap::new();
    // The earliest mark of each shard in the life that is being read.
    let (mut life, mut firsts) = (0, BTreeMap::<u8, Tick>::new());
    let enough = |lists: &BTreeMap<u8, BTreeSet<_>>| {
        !lists.is_empty() && lists.values().all(|of_shard| of_shard.len() >= LISTS)
    };
    for (read, (index, number)) in (1..).zip(numbers.iter().enumerate().rev()) {
        let Some(segment) = Segment::read(journal, *number)? else { continue };
        let epoch = segment.header.epoch;
        if epoch != life {
            for (shard, first) in std::mem::take(&mut firsts) {
                lists.entry(shard).or_default().insert((life, first));
            }
            life = epoch;
            if enough(&lists) {
                return Ok(index.saturating_add(1));
            }
        }
        segment.frames(|frame| {
            let of_shard = lists.entry(frame.shard).or_default();
            let Some(alive) = Alive::of_frame(frame) else { return };
            let first = firsts.entry(frame.shard).or_insert(alive.at);
            *first = alive.at.min(*first);
            if Alive::is_list(alive.at) {
                of_shard.insert((epoch, alive.at));
            }
        });
        if enough(&lists) || read >= SEGMENTS_MAX {
            return Ok(index);
        }
    }
    Ok(0)
}

/// One segment, read as far as it was written.
struct Segment {
    header: SegmentHeader,
    bytes: Vec<u8>,
}

impl Segment {
    /// `None` = its header is damaged, so nothing in it can be read.
    fn read(journal: &Path, number: u32) -> io::Result<Option<Segment>> {
        let bytes = written(&segment_path(journal, number))?;
        let Ok(header) = SegmentHeader::decode(&bytes) else {
            complain(&format!("segment {number} of the journal is damaged"));
            return Ok(None);
        };
        Ok(Some(Segment { header, bytes }))
    }

    /// Each whole frame once, in order.
    fn frames(&self, mut take: impl FnMut(&Frame<'_>)) {
        let mut scan = Scan::new(&self.bytes, self.header.salt);
        loop {
            match scan.next() {
                Scanned::Frame { frame, .. } => take(&frame),
                Scanned::Damaged { .. } => {}
                Scanned::End { .. } => return,
            }
        }
    }
}

/// A file's bytes up to the zeros that it was allocated with. What was not synced may stand behind
/// zeros, but then it is of one group: so it is read in pieces as long as a group may be, to the
/// first one of zeros.
fn written(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let piece_bytes = file.metadata()?.len().div_ceil(GROUP_PART.into());
    let mut bytes = Vec::new();
    loop {
        let begun = bytes.len();
        let got = (&mut file).take(piece_bytes).read_to_end(&mut bytes)?;
        let piece = bytes.get(begun..).unwrap_or_default();
        if got == 0 || piece.iter().all(|byte| *byte == 0) {
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
