use super::*;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use strowger_link::journal::SEGMENT_HEADER_BYTES;
use strowger_link::{AskId, Began, CallEnded, Cause, Fact, Octets, Party, Reason, SECOND, SlotRef};
use strowger_port::journal_file::{Journal, JournalConfig};

/// A journal written frame by frame, as a dataplane would have.
struct Book {
    path: PathBuf,
    /// Of the segment being written.
    epoch: u32,
    number: u32,
    bytes: Vec<u8>,
    next_seq: u64,
}

impl Book {
    fn new() -> Book {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("strowger-power-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Book { path, epoch: 0, number: 0, bytes: Vec::new(), next_seq: 100 }
    }

    /// Begins a segment of a life.
    fn life(&mut self, epoch: u32) -> &mut Book {
        self.epoch = epoch;
        self.segment()
    }

    fn segment(&mut self) -> &mut Book {
        self.close();
        self.number += 1;
        let (epoch, segment, base_seq) = (self.epoch, self.number, self.next_seq);
        let header =
            SegmentHeader { node: 0, epoch, segment, salt: segment, base_seq, created_us: 0 };
        self.bytes = header.encode().to_vec();
        self
    }

    fn frame(&mut self, kind: FrameKind, payload: &[u8]) -> &mut Book {
        let frame = Frame { kind, shard: 0, seq: self.next_seq, payload };
        frame.encode_into(self.number, &mut self.bytes).unwrap();
        self.next_seq += 1;
        self
    }

    fn start(&mut self, record: u64, s: u64) -> &mut Book {
        self.frame(FrameKind::Start, &encode(&call(record, s)))
    }

    fn end(&mut self, record: u64, s: u64) -> &mut Book {
        let mut facts = call(record, s);
        facts.close_at(Tick(s * SECOND), Reason::Normal);
        self.frame(FrameKind::Ended, &encode(&facts))
    }

    /// Marks of life, each second from `from` to `to`, of which those that list name `live`.
    fn alive(&mut self, from: u64, to: u64, live: &[u64]) -> &mut Book {
        for s in from..=to {
            let at = Tick(s * SECOND);
            let listed = if Alive::is_list(at) { live } else { &[] };
            let live = listed.iter().map(|record| id(*record)).collect();
            self.frame(FrameKind::Alive, &encode(&Alive { shard: 0, at, wall_us: 0, live }));
        }
        self
    }

    /// Writes the segment as it stands on the disk: allocated beyond its frames.
    fn close(&self) {
        if !self.bytes.is_empty() {
            let mut bytes = self.bytes.clone();
            bytes.resize(bytes.len() + 4_096, 0);
            fs::write(segment_path(&self.path, self.number), bytes).unwrap();
        }
    }

    /// What is found, as record and second of the end.
    fn found(&self, held: &[u64]) -> Vec<(u64, u64)> {
        self.close();
        let cut = self.cut_off(held);
        assert_eq!(cut.unknown, 0);
        cut.calls.iter().map(ended).collect()
    }

    fn cut_off(&self, held: &[u64]) -> CutOff {
        cut_off(&self.path, &held.iter().map(|record| id(*record)).collect()).unwrap()
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.path).unwrap();
    }
}

fn id(record: u64) -> RecordId {
    RecordId::new(1, record).unwrap()
}

/// A call that was answered at that second.
fn call(record: u64, s: u64) -> CallFacts {
    let began = Began {
        at: Tick(s * SECOND),
        listener: 0,
        source: None,
        received: "44".into(),
        from_user: "1001".into(),
        display: String::new(),
        sip_call_id: "c".into(),
        user_agent: String::new(),
    };
    CallFacts {
        record: id(record),
        ask: AskId(record),
        slot: SlotRef::default(),
        anchor_us: 0,
        settlement: Octets(vec![1]),
        facts: vec![Fact::Began(Box::new(began))],
    }
}

fn ended(facts: &CallFacts) -> (u64, u64) {
    let Some(Fact::Ended(CallEnded { at, cause, by, reason, .. })) = facts.facts.last() else {
        panic!("{facts:?}");
    };
    assert_eq!((*reason, *by, *cause), (Reason::HostLost, Party::Unknown, Cause::new(0, 41)));
    assert_eq!(at.0 % SECOND, 0);
    (facts.record.seq(), at.0 / SECOND)
}

#[test]
fn a_started_call_ends_at_the_last_mark() {
    let mut book = Book::new();
    book.life(1).start(1, 10).start(2, 11).alive(12, 30, &[]).end(1, 30).alive(31, 50, &[]);
    assert_eq!(book.found(&[]), [(2, 50)]);
    // The call table has it: it lives, or is ended by what stands there.
    assert_eq!(book.found(&[2]), []);
}

#[test]
fn nothing_is_open_in_an_empty_journal_or_after_an_end_in_order() {
    let mut book = Book::new();
    assert_eq!(book.found(&[]), []);
    book.life(1).start(1, 10).alive(10, 20, &[]).end(1, 20);
    book.frame(FrameKind::Sealed, &[]);
    assert_eq!(book.found(&[]), []);
}

#[test]
fn a_call_before_the_first_mark_ends_at_its_last_fact() {
    let mut book = Book::new();
    book.life(1).start(1, 10);
    assert_eq!(book.found(&[]), [(1, 10)]);
}

#[test]
fn ticks_of_another_boot_are_not_mixed_in() {
    let mut book = Book::new();
    // The second life's clock starts at 0 again.
    book.life(1).start(1, 9_000).alive(9_001, 9_009, &[]);
    book.life(2).start(2, 3).alive(4, 8, &[]);
    assert_eq!(book.found(&[]), [(1, 9_009), (2, 8)]);
}

#[test]
fn a_call_ends_with_the_last_life_that_carried_it() {
    let mut book = Book::new();
    book.life(1).start(1, 10).start(2, 10).alive(11, 30, &[]);
    // Taken up by the next life of the same boot, which lists it; the other one was not, and the
    // power went before it was ended.
    book.life(2).alive(60, 75, &[1]);
    assert_eq!(book.found(&[]), [(1, 75), (2, 30)]);
}

#[test]
fn a_start_is_found_however_far_back() {
    let mut book = Book::new();
    book.life(1).start(1, 10).start(2, 10).start(3, 10).end(3, 11);
    for minute in 1..=20 {
        book.segment().alive(minute * 60, minute * 60 + 59, &[1, 2]);
        book.start(100 + minute, minute * 60).end(100 + minute, minute * 60 + 1);
    }
    book.end(2, 1_259);
    assert_eq!(book.found(&[]), [(1, 1_259)]);
}

#[test]
fn only_what_is_needed_is_read() {
    let mut book = Book::new();
    for minute in 1..=6 {
        book.segment().start(minute, minute * 60).alive(minute * 60, minute * 60 + 59, &[]);
        book.end(minute, minute * 60 + 59);
    }
    book.start(9, 419).close();
    let numbers = list_segments(&book.path).unwrap();
    assert_eq!((numbers.len(), beginning(&book.path, &numbers).unwrap()), (6, 4));
    // What stands before could not be read at all.
    for number in &numbers[..4] {
        fs::write(segment_path(&book.path, *number), "no segment").unwrap();
    }
    assert_eq!(book.found(&[]), [(9, 419)]);
    // But for the beginning of a call that runs on.
    book.alive(420, 425, &[9, 77]);
    book.close();
    let cut = book.cut_off(&[]);
    assert_eq!((cut.calls.len(), cut.unknown), (1, 1));
}

#[test]
fn short_lives_are_not_read_back_for_ever() {
    let mut book = Book::new();
    for life in 1..=9 {
        book.life(life).start(life.into(), 10).alive(11, 15, &[]).end(life.into(), 15);
    }
    book.start(99, 15).close();
    let numbers = list_segments(&book.path).unwrap();
    assert_eq!(beginning(&book.path, &numbers).unwrap(), 7);
    assert_eq!(book.found(&[]), [(99, 15)]);
}

#[test]
fn the_room_behind_the_frames_is_not_read() {
    let mut book = Book::new();
    book.life(1).start(1, 10).alive(11, 20, &[]).close();
    let path = segment_path(&book.path, 1);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(16 << 20).unwrap();
    assert_eq!(written(&path).unwrap().len(), 2 << 21);
    let cut = book.cut_off(&[]);
    assert_eq!(cut.calls.iter().map(ended).collect::<Vec<_>>(), [(1, 20)]);
}

#[test]
fn a_list_in_several_marks_is_one_list() {
    let mut book = Book::new();
    book.life(1).start(1, 10).start(2, 10).alive(11, 59, &[]);
    for minute in [1, 2, 3] {
        book.segment().alive(minute * 60, minute * 60, &[1]);
        // The second half of the list falls into the next segment.
        book.segment().alive(minute * 60, minute * 60, &[2]).alive(minute * 60 + 1, 190, &[]);
    }
    assert_eq!(book.found(&[]), [(1, 190), (2, 190)]);
}

#[test]
fn frames_written_again_count_once() {
    let mut book = Book::new();
    book.life(1).alive(5, 8, &[]).start(1, 9);
    let again = book.next_seq - 1;
    book.end(1, 10);
    // The sync failed for the last two as far as the writer knew, and the power went in between.
    book.segment();
    book.next_seq = again;
    book.start(1, 9);
    assert_eq!(book.found(&[]), []);
}

#[test]
fn a_torn_tail_costs_what_was_not_durable_only() {
    let mut book = Book::new();
    book.life(1).start(1, 10).alive(11, 20, &[]);
    let whole = book.bytes.len();
    book.end(1, 21);
    let all = book.bytes.clone();
    // Zeros at its end are there anyhow: the file was allocated.
    let solid = all.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in (whole..=solid).step_by(3) {
        book.bytes.truncate(0);
        book.bytes.extend_from_slice(&all[..cut]);
        assert_eq!(book.found(&[]), [(1, 20)], "cut at {cut} of {}", all.len());
    }
    book.bytes = all;
    assert_eq!(book.found(&[]), []);
}

#[test]
fn any_damage_is_survived_and_touches_no_other_call() {
    let mut book = Book::new();
    book.life(1).start(1, 10).start(2, 11).alive(50, 65, &[1, 2]).start(3, 66).end(2, 67);
    book.alive(67, 70, &[]);
    let whole = book.bytes.clone();
    for at in (SEGMENT_HEADER_BYTES..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        book.bytes = bytes;
        book.close();
        let cut = book.cut_off(&[]);
        let found: Vec<_> = cut.calls.iter().map(ended).collect();
        // Each frame bears on one call only, or tells the time.
        let told = found.len() + cut.unknown;
        assert!((1..=3).contains(&told), "{at}: {found:?}");
        for (record, s) in found {
            assert!([1, 2, 3].contains(&record) && (69..=70).contains(&s), "{at}: {record} {s}");
        }
    }
    // A segment without a header tells nothing, and is no reason not to start.
    book.bytes = whole;
    book.bytes[3] ^= 1;
    assert_eq!(book.found(&[]), []);
}

#[test]
fn a_second_crash_while_recording_doubles_nothing() {
    let mut book = Book::new();
    book.life(1);
    for record in 0..2_000 {
        book.start(record, 10);
    }
    book.alive(11, 20, &[]).close();
    let first = book.cut_off(&[]);
    assert_eq!(first.calls.len(), 2_000);
    // As many are written as fit before the next crash.
    let write = |epoch: u32, calls: &[CallFacts]| {
        let config = JournalConfig::new(book.path.clone(), 0, epoch);
        let bell = EventFd::new().unwrap();
        let wakers = vec![bell.try_clone().unwrap()];
        let (journal, mut handles) = Journal::start(&config, wakers, |_| {}).unwrap();
        record(&mut handles[0], &bell, calls).unwrap();
        assert_eq!(handles[0].durable(), calls.len() as u64);
        journal.stop();
    };
    write(2, &first.calls[..700]);
    let second = book.cut_off(&[]);
    assert_eq!(second.calls, first.calls[700..]);
    // More than the journal's memory takes at once.
    write(3, &second.calls);
    assert_eq!(book.cut_off(&[]).calls, []);
}
