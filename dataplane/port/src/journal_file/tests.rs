use super::disk::Disk;
use super::space::Space;
use super::write::{COMMIT_TRIES_MAX, GroupFull, Identity, Log};
use super::*;
use crate::eventfd::EventFd;
use crate::net::{JournalFull, JournalSink};
use crate::testing::Scratch;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strowger_link::journal::{
    Frame, FrameKind, Position, SEGMENT_HEADER_BYTES, Scan, Scanned, SegmentHeader, frame_bytes,
};

const SALT: u32 = 9;

/// A disk in memory that loses unsynced bytes and fails when told to.
#[derive(Clone, Default)]
struct FakeDisk(Rc<RefCell<FakeState>>);

#[derive(Default)]
struct FakeState {
    /// Durable bytes of the segments.
    durable: BTreeMap<u32, Vec<u8>>,
    /// Calls that can fail so far; those in `failing` do.
    calls: u32,
    failing: Vec<u32>,
    room: Option<u32>,
}

struct FakeFile {
    number: Option<u32>,
    bytes: Vec<u8>,
    failed: bool,
}

impl FakeDisk {
    fn fail_next(&self, calls: std::ops::Range<u32>) {
        let mut state = self.0.borrow_mut();
        let now = state.calls;
        state.failing.extend(calls.map(|call| now + call));
    }

    fn call(&self, file: &mut FakeFile) -> io::Result<()> {
        assert!(!file.failed, "one more call on a file that failed");
        let mut state = self.0.borrow_mut();
        state.calls += 1;
        let call = state.calls - 1;
        file.failed = state.failing.contains(&call);
        if file.failed { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }

    /// Numbers of the durable frames, as a reader sees them.
    fn seqs(&self) -> Vec<u64> {
        let mut seqs: Vec<u64> = Vec::new();
        for bytes in self.0.borrow().durable.values() {
            let header = SegmentHeader::decode(bytes).unwrap();
            let mut rest = &bytes[SEGMENT_HEADER_BYTES..];
            if let Some((first, _)) = Frame::decode(header.salt, rest) {
                assert_eq!(first.seq, header.base_seq);
            }
            while let Some((frame, size)) = Frame::decode(header.salt, rest) {
                let known = seqs.last().is_some_and(|last| frame.seq <= *last);
                if frame.kind != FrameKind::Sealed && !known {
                    seqs.push(frame.seq);
                }
                rest = &rest[size..];
            }
        }
        seqs
    }
}

impl Disk for FakeDisk {
    type File = FakeFile;

    fn allocate(&mut self, bytes: u32) -> io::Result<FakeFile> {
        let mut state = self.0.borrow_mut();
        if let Some(room) = state.room.as_mut() {
            *room =
                room.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOSPC))?;
        }
        Ok(FakeFile { number: None, bytes: vec![0; bytes as usize], failed: false })
    }

    fn publish(&mut self, file: &mut FakeFile, number: u32, header: &[u8]) -> io::Result<()> {
        self.call(file)?;
        file.bytes[..header.len()].copy_from_slice(header);
        file.number = Some(number);
        let before = self.0.borrow_mut().durable.insert(number, file.bytes.clone());
        assert!(before.is_none(), "segment {number} twice");
        Ok(())
    }

    fn write(&mut self, file: &mut FakeFile, offset: u32, bytes: &[u8]) -> io::Result<()> {
        self.call(file)?;
        file.bytes[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, file: &mut FakeFile) -> io::Result<()> {
        self.call(file)?;
        self.0.borrow_mut().durable.insert(file.number.unwrap(), file.bytes.clone());
        Ok(())
    }

    fn seal(&mut self, file: &mut FakeFile, bytes: u32) -> io::Result<()> {
        self.call(file)?;
        file.bytes.truncate(bytes as usize);
        self.sync(file)
    }
}

fn log(disk: &FakeDisk, space: &Arc<Space>) -> Log<FakeDisk> {
    let identity = Identity { node: 1, epoch: 1, salt: SALT };
    Log::new(disk.clone(), identity, SEGMENT_BYTES_MIN, Arc::clone(space), 1, 1)
}

fn push(log: &mut Log<FakeDisk>, count: usize, bytes: usize) {
    for _ in 0..count {
        log.push(FrameKind::Ended, 0, &vec![7; bytes]).unwrap();
    }
}

#[test]
fn a_failed_sync_moves_the_group_to_a_new_segment() {
    let (disk, space) = (FakeDisk::default(), Arc::new(Space::default()));
    let mut log = log(&disk, &space);
    log.maintain().unwrap();
    push(&mut log, 3, 100);
    let first = log.commit().unwrap();
    assert_eq!(first, Position { segment: 1, offset: 64 + 3 * frame_bytes(100) as u32 });
    push(&mut log, 2, 100);
    // The write succeeds, the sync fails: `call` refuses any further call on that file.
    disk.fail_next(1..2);
    let second = log.commit().unwrap();
    assert_eq!(second, Position { segment: 2, offset: 64 + 2 * frame_bytes(100) as u32 });
    assert_eq!((log.disk_errors(), log.durable_seq()), (1, 5));
    assert_eq!(disk.seqs(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_dead_disk_keeps_the_group_until_it_is_back() {
    let (disk, space) = (FakeDisk::default(), Arc::new(Space::default()));
    let mut log = log(&disk, &space);
    log.maintain().unwrap();
    push(&mut log, 3, 100);
    disk.fail_next(0..20);
    assert!(log.commit().is_err());
    assert_eq!((log.disk_errors(), log.durable_seq()), (u64::from(COMMIT_TRIES_MAX), 0));
    assert!(!log.is_empty());
    while log.commit().is_err() {}
    assert_eq!(disk.seqs(), [1, 2, 3]);
}

#[test]
fn full_segments_are_sealed_and_groups_have_a_bound() {
    let (disk, space) = (FakeDisk::default(), Arc::new(Space::default()));
    let mut log = log(&disk, &space);
    log.maintain().unwrap();
    assert_eq!(log.push(FrameKind::Ended, 0, &vec![0; 40_000]), Err(GroupFull));
    for _ in 0..12 {
        push(&mut log, 4, 30_000);
        assert_eq!(log.push(FrameKind::Ended, 0, &vec![0; 30_000]), Err(GroupFull));
        log.commit().unwrap();
        log.maintain().unwrap();
    }
    assert_eq!(disk.seqs(), (1..=48).collect::<Vec<_>>());
    let state = disk.0.borrow();
    let lengths: Vec<usize> = state.durable.values().map(Vec::len).collect();
    // Eight groups, a header and the seal, cut to its length; then the open one.
    let sealed = 64 + 32 * frame_bytes(30_000) + frame_bytes(4);
    assert_eq!(lengths, [sealed, SEGMENT_BYTES_MIN as usize]);
    let mut scan = Scan::new(&state.durable[&1], SALT);
    let last = std::iter::from_fn(|| match scan.next() {
        Scanned::Frame { frame, .. } => Some(frame),
        Scanned::Damaged { .. } | Scanned::End { .. } => None,
    });
    let last = last.last().unwrap();
    assert_eq!((last.kind, last.payload), (FrameKind::Sealed, 2u32.to_le_bytes().as_slice()));
}

#[test]
fn whatever_fails_what_was_acknowledged_is_durable_once_and_in_order() {
    for seed in 0..80u64 {
        let (disk, space) = (FakeDisk::default(), Arc::new(Space::default()));
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % bound
        };
        let density = 1 + random(6);
        let plan: Vec<u32> = (0..200).filter(|_| random(10) < density).collect();
        disk.0.borrow_mut().failing = plan;
        let mut log = log(&disk, &space);
        for _ in 0..15 {
            let _ = log.maintain();
            if log.is_empty() {
                push(&mut log, 1 + random(4) as usize, random(20_000) as usize);
            }
            if log.commit().is_ok() {
                let expected: Vec<u64> = (1..=log.durable_seq()).collect();
                assert_eq!(disk.seqs(), expected, "seed {seed}");
            }
        }
    }
}

#[test]
fn room_is_promised_only_if_it_is_there() {
    let (disk, space) = (FakeDisk::default(), Arc::new(Space::default()));
    disk.0.borrow_mut().room = Some(2);
    let mut log = log(&disk, &space);
    assert!(!space.reserve(0), "nothing is allocated yet");
    log.maintain().unwrap();
    let one = 30_000;
    let mut promised = 0;
    loop {
        while space.reserve(one) {
            promised += 1;
        }
        if log.maintain().is_err() {
            break;
        }
    }
    // Two segments less header, seal and the room a group may leave at the end.
    let usable = SEGMENT_BYTES_MIN as usize - 64 - frame_bytes(4) - SEGMENT_BYTES_MIN as usize / 8;
    assert_eq!(promised, 2 * usable / frame_bytes(one as usize));
    assert!(!space.has_unpromised(one));
    // All of them can indeed be written, though the disk takes no further segment.
    for _ in 0..promised {
        if log.push(FrameKind::Ended, 0, &vec![1; one as usize]) == Err(GroupFull) {
            log.commit().unwrap();
            log.push(FrameKind::Ended, 0, &vec![1; one as usize]).unwrap();
        }
        space.take(one);
        space.release(one);
    }
    log.commit().unwrap();
    assert_eq!(disk.seqs().len(), promised);
    assert!(!space.reserve(one));
}

fn config(scratch: &Scratch, epoch: u32) -> JournalConfig {
    let config = JournalConfig::new(scratch.path().to_owned(), 7, epoch);
    JournalConfig { segment_bytes: SEGMENT_BYTES_MIN, group_ms: 1, ..config }
}

/// A running journal of two shards.
struct Bench {
    journal: Journal,
    handles: Vec<JournalHandle>,
    wakers: Vec<EventFd>,
    position: Arc<AtomicU64>,
}

fn start(config: &JournalConfig) -> Bench {
    let wakers: Vec<EventFd> = (0..2).map(|_| EventFd::new().unwrap()).collect();
    let clones = wakers.iter().map(|waker| waker.try_clone().unwrap()).collect();
    let position = Arc::new(AtomicU64::new(0));
    let published = Arc::clone(&position);
    let publish = move |end: Position| published.store(end.to_word(), Ordering::Release);
    let (journal, handles) = Journal::start(config, clones, publish).unwrap();
    Bench { journal, handles, wakers, position }
}

impl Bench {
    fn append(&mut self, shard: usize, payload: &[u8]) -> u64 {
        loop {
            match self.handles[shard].append(FrameKind::Ended, payload) {
                Ok(number) => return number,
                Err(JournalFull) => {
                    assert!(self.wakers[shard].wait(Some(10_000)).unwrap(), "full for ever");
                }
            }
        }
    }

    fn wait_durable(&self, shard: usize, number: u64) {
        while self.handles[shard].durable() < number {
            assert!(self.wakers[shard].wait(Some(10_000)).unwrap(), "not durable in time");
        }
    }

    fn position(&self) -> Position {
        Position::from_word(self.position.load(Ordering::Acquire))
    }
}

/// All that can be read: (epoch, shard, payload), the alarms, and the cursors after each frame.
#[derive(Default, Debug)]
struct Seen {
    frames: Vec<(u32, u8, Vec<u8>)>,
    cursors: Vec<Cursor>,
    alarms: Vec<String>,
}

fn read(scratch: &Scratch, cursor: Cursor, limit: Option<Position>) -> Seen {
    let mut reader = JournalReader::new(scratch.path(), cursor);
    read_on(&mut reader, limit)
}

fn read_on(reader: &mut JournalReader, limit: Option<Position>) -> Seen {
    let mut seen = Seen::default();
    for _ in 0..100_000 {
        match reader.next(limit).unwrap() {
            Entry::Frame { node, epoch, frame, cursor } => {
                assert_eq!((node, frame.kind), (7, FrameKind::Ended));
                seen.frames.push((epoch, frame.shard, frame.payload.to_vec()));
                seen.cursors.push(cursor);
            }
            Entry::Wait => return seen,
            Entry::Damaged { position, len } => {
                seen.alarms.push(format!("damaged {len} at {}", position.offset))
            }
            Entry::Missing { after, before, frames } => {
                seen.alarms.push(format!("missing {frames} over {}", before - after));
            }
        }
    }
    panic!("no end");
}

fn payload(n: u64) -> Vec<u8> {
    n.to_le_bytes().into_iter().cycle().take(8 + (n % 900) as usize).collect()
}

#[test]
fn what_shards_append_becomes_durable_and_is_read_in_order() {
    let scratch = Scratch::new("journal");
    let mut bench = start(&config(&scratch, 1));
    let mut reader = JournalReader::new(scratch.path(), Cursor::default());
    let mut seen = Seen::default();
    for n in 1..=6_000 {
        assert_eq!(bench.append(0, &payload(n)), n);
        assert_eq!(bench.append(1, &payload(n + 1)), n);
        if n.is_multiple_of(500) {
            bench.wait_durable(0, n);
            bench.wait_durable(1, n);
            let more = read_on(&mut reader, Some(bench.position()));
            assert!(more.alarms.is_empty(), "{:?}", more.alarms);
            seen.frames.extend(more.frames);
            assert_eq!(seen.frames.len() as u64, 2 * n, "all that is durable, no more");
        }
    }
    let health = bench.journal.health();
    assert_eq!((health.failing, health.full, health.disk_errors), (false, false, 0));
    for shard in 0..2u8 {
        let mine = seen.frames.iter().filter(|(_, found, _)| *found == shard);
        let expected = (1..=6_000).map(|n| payload(n + u64::from(shard)));
        assert!(mine.map(|(_, _, bytes)| bytes).eq(&expected.collect::<Vec<_>>()));
    }
    let segments = list_segments(scratch.path()).unwrap();
    assert!(segments.len() > 4, "{segments:?}");
}

#[test]
fn a_limit_hides_what_is_behind_it() {
    let scratch = Scratch::new("limit");
    let mut bench = start(&config(&scratch, 1));
    bench.append(0, b"one");
    bench.wait_durable(0, 1);
    let limit = bench.position();
    bench.append(0, b"two");
    bench.wait_durable(0, 2);
    let seen = read(&scratch, Cursor::default(), Some(limit));
    assert_eq!(seen.frames, [(1, 0, b"one".to_vec())]);
    assert_eq!(read(&scratch, Cursor::default(), Some(Position::default())).frames, []);
    assert_eq!(read(&scratch, seen.cursors[0], Some(bench.position())).frames.len(), 1);
}

#[test]
fn any_cursor_reads_on_without_loss_or_repetition_over_runs() {
    let scratch = Scratch::new("runs");
    for epoch in 1..=3 {
        let mut bench = start(&config(&scratch, epoch));
        for n in 0..1_200 {
            bench.append(0, &payload(n));
        }
        bench.journal.stop();
    }
    let all = read(&scratch, Cursor::default(), None);
    assert_eq!(all.alarms, Vec::<String>::new());
    assert_eq!(all.frames.len(), 3_600);
    assert!(all.frames.is_sorted_by_key(|(epoch, _, _)| *epoch));
    for (n, cursor) in all.cursors.iter().enumerate().step_by(101) {
        let rest = read(&scratch, *cursor, None);
        assert!(rest.frames == all.frames[n + 1..], "after frame {n}");
        assert_eq!(rest.alarms, Vec::<String>::new());
    }
}

/// What a failed sync leaves: the first segment has frames 4 and 5 that the second has again.
#[test]
fn frames_written_again_are_read_once() {
    let scratch = Scratch::new("again");
    for (segment, seqs) in [(5, 1..=5u64), (6, 4..=8)] {
        let (node, epoch, base_seq, created_us) = (7, 1, *seqs.start(), 0);
        let header = SegmentHeader { node, epoch, segment, salt: SALT, base_seq, created_us };
        let mut bytes = header.encode().to_vec();
        for seq in seqs {
            let payload = &[seq as u8];
            let frame = Frame { kind: FrameKind::Ended, shard: 0, seq, payload };
            frame.encode_into(SALT, &mut bytes).unwrap();
        }
        bytes.resize(1 << 20, 0);
        std::fs::write(segment_path(scratch.path(), segment), bytes).unwrap();
    }
    let all = read(&scratch, Cursor::default(), None);
    assert_eq!(all.alarms, Vec::<String>::new());
    let expected: Vec<_> = (1..=8).map(|seq| (1, 0, vec![seq])).collect();
    assert_eq!(all.frames, expected);
    for (n, cursor) in all.cursors.iter().enumerate() {
        assert_eq!(read(&scratch, *cursor, None).frames, expected[n + 1..]);
    }
}

#[test]
fn a_directory_has_one_writer() {
    let scratch = Scratch::new("lock");
    let first = start(&config(&scratch, 1));
    let wakers = || vec![EventFd::new().unwrap()];
    let second = Journal::start(&config(&scratch, 2), wakers(), |_| ());
    assert_eq!(second.err().unwrap().kind(), io::ErrorKind::ResourceBusy);
    drop(first);
    assert!(Journal::start(&config(&scratch, 2), wakers(), |_| ()).is_ok());
    for wrong in [
        JournalConfig { segment_bytes: 1000, ..config(&scratch, 3) },
        JournalConfig { group_ms: 51, ..config(&scratch, 3) },
        JournalConfig { queue_words: 1000, ..config(&scratch, 3) },
    ] {
        let refused = Journal::start(&wrong, wakers(), |_| ());
        assert_eq!(refused.err().unwrap().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn segments_are_synced_by_their_numbers() {
    let scratch = Scratch::new("sync");
    std::fs::write(segment_path(scratch.path(), 5), "frames").unwrap();
    // One that cannot be opened.
    std::os::unix::fs::symlink("nowhere", segment_path(scratch.path(), 7)).unwrap();
    sync_segments(scratch.path(), 0..=6).unwrap();
    assert!(sync_segments(scratch.path(), 5..=7).is_err());
}

#[test]
fn numbers_do_not_come_again_when_the_directory_is_lost() {
    let scratch = Scratch::new("lost");
    let mut bench = start(&config(&scratch, 1));
    bench.append(0, b"before");
    bench.journal.stop();
    let before = read(&scratch, Cursor::default(), None);
    for number in list_segments(scratch.path()).unwrap() {
        std::fs::remove_file(segment_path(scratch.path(), number)).unwrap();
    }
    // Segments are numbered by the second.
    EventFd::new().unwrap().wait(Some(1_100)).unwrap();
    let mut bench = start(&config(&scratch, 2));
    bench.append(0, b"after");
    bench.journal.stop();
    let after = read(&scratch, before.cursors[0], None);
    assert_eq!(after.frames, [(2, 0, b"after".to_vec())]);
    assert_eq!(after.alarms.len(), 1, "and it is said: {:?}", after.alarms);
}

#[test]
fn torn_ends_are_passed_and_damage_is_an_alarm() {
    let scratch = Scratch::new("damage");
    for epoch in 1..=2 {
        let mut bench = start(&config(&scratch, epoch));
        for n in 0..5u64 {
            bench.append(0, &[n as u8; 40]);
        }
        bench.journal.stop();
    }
    let first = segment_path(scratch.path(), list_segments(scratch.path()).unwrap()[0]);
    let whole = std::fs::read(&first).unwrap();
    let frame = frame_bytes(40);
    std::fs::remove_file(&first).unwrap();
    let check = |bytes: &[u8], count: usize, alarms: &[&str]| {
        std::fs::write(&first, bytes).unwrap();
        let seen = read(&scratch, Cursor::default(), None);
        assert_eq!(seen.frames.len(), count);
        assert_eq!(seen.alarms, alarms);
    };
    check(&whole, 10, &[]);
    // A crash in the middle of the last frame, then zeros as allocated.
    let mut torn = whole[..64 + 4 * frame + 30].to_vec();
    torn.resize(1 << 20, 0);
    check(&torn, 9, &[]);
    let mut damaged = whole.clone();
    damaged[64 + frame + 30] ^= 1;
    check(&damaged, 9, &["damaged 64 at 128", "missing 1 over 0"]);
    let mut headless = whole.clone();
    headless[20] ^= 1;
    let length = whole.len();
    check(&headless, 5, &[format!("damaged {length} at 0").as_str()]);
}

#[test]
fn damage_below_the_durable_end_is_an_alarm_and_not_waited_for() {
    let scratch = Scratch::new("below");
    let mut bench = start(&config(&scratch, 1));
    for n in 1..=3 {
        bench.append(0, &[1; 40]);
        bench.wait_durable(0, n);
    }
    let limit = bench.position();
    let path = segment_path(scratch.path(), limit.segment);
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let last = u64::from(limit.offset) - frame_bytes(40) as u64;
    std::os::unix::fs::FileExt::write_all_at(&file, &[9; 24], last).unwrap();
    let mut reader = JournalReader::new(scratch.path(), Cursor::default());
    let seen = read_on(&mut reader, Some(limit));
    assert_eq!((seen.frames.len(), seen.alarms), (2, vec![format!("damaged 64 at {last}")]));
    bench.append(0, &[2; 40]);
    bench.wait_durable(0, 4);
    let seen = read_on(&mut reader, Some(bench.position()));
    assert_eq!((seen.frames.len(), seen.alarms), (1, vec!["missing 1 over 0".to_owned()]));
}

#[test]
fn a_lost_segment_is_an_alarm() {
    let scratch = Scratch::new("segment");
    let mut bench = start(&config(&scratch, 1));
    for n in 0..4_000 {
        bench.append(0, &[n as u8; 1000]);
    }
    bench.journal.stop();
    let whole = read(&scratch, Cursor::default(), None);
    let numbers = list_segments(scratch.path()).unwrap();
    std::fs::remove_file(segment_path(scratch.path(), numbers[1])).unwrap();
    let seen = read(&scratch, Cursor::default(), None);
    let missing = whole.frames.len() - seen.frames.len();
    assert!(missing > 100);
    assert_eq!(seen.alarms, [format!("missing {missing} over 0")]);
    // A reader whose own segment is gone.
    let inside = whole.cursors.iter().find(|cursor| cursor.position.segment == numbers[1]);
    assert_eq!(read(&scratch, *inside.unwrap(), None).alarms.len(), 1);
}

#[test]
fn handles_refuse_what_is_too_long_or_has_no_room() {
    let scratch = Scratch::new("refuse");
    let mut bench = start(&JournalConfig { queue_words: 64, ..config(&scratch, 1) });
    let handle = &mut bench.handles[0];
    assert_eq!(handle.append(FrameKind::Ended, &[0; 40_000]), Err(JournalFull));
    assert_eq!(handle.append(FrameKind::Ended, &[0; 1_000]), Err(JournalFull), "queue");
    assert_eq!(handle.reserve(u32::MAX), Err(JournalFull));
    let mut reserved = 0;
    while handle.reserve(10_000).is_ok() && reserved < 100_000 {
        reserved += 1;
        if reserved > 400 {
            break;
        }
    }
    assert!(reserved >= 90, "{reserved}");
    for _ in 0..reserved {
        handle.release(10_000);
    }
    assert_eq!(handle.append(FrameKind::Ended, b"room again"), Ok(1));
    bench.wait_durable(0, 1);
}

#[test]
fn calls_are_admitted_while_there_is_room_for_their_records() {
    let dir = Scratch::new("admit");
    let mut config = JournalConfig::new(dir.path().to_owned(), 0, 1);
    config.segment_bytes = SEGMENT_BYTES_MIN;
    let (journal, mut handles) =
        Journal::start(&config, vec![EventFd::new().unwrap()], |_| {}).unwrap();
    let handle = &mut handles[0];
    assert!(handle.admit(100), "100 calls need less than a segment");
    assert!(!handle.admit(1_000_000), "no room is promised that nobody allocated");
    // Those that run are recorded all the same, and fewer calls need less.
    handle.append(FrameKind::Ended, b"record").unwrap();
    assert!(handle.admit(1));
    journal.stop();
}
