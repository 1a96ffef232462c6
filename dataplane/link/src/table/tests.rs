use super::layout::{CHUNK_WORDS, Control};
use super::*;
use crate::journal::Position;
use crate::sync::{AtomicU64, Ordering};
use crate::{AskId, RecordId, SlotRef, Tick};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const SETUP: Setup = Setup {
    seg: 3,
    node: 0x0A0B_0C0D,
    boot_id: 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10,
    token_key: 0xF0E0_D0C0_B0A0_9080_7060_5040_3020_1000,
    slots: 4,
    chunks: 12,
};
const NOW: Tick = Tick(1_000);

fn words(setup: &Setup) -> Vec<AtomicU64> {
    let count = words_needed(setup.slots, setup.chunks).unwrap();
    (0..count).map(|_| AtomicU64::new(0x55)).collect()
}

fn table(words: &[AtomicU64]) -> Table<&[AtomicU64]> {
    Table::create(words, &SETUP, 1).unwrap()
}

fn read(words: &[AtomicU64], idx: u16) -> Result<Option<(SlotHead, Vec<u8>)>, ReadError> {
    let mut body = Vec::new();
    let head = Reader::attach(words).unwrap().read(idx, &mut body)?;
    Ok(head.map(|head| (head, body)))
}

fn values(words: &[AtomicU64]) -> Vec<(usize, u64)> {
    let all = words.iter().map(|word| word.load(Ordering::Relaxed)).enumerate();
    all.filter(|(_, value)| *value != 0).collect()
}

#[test]
fn golden_words_of_header_and_slot() {
    let words = words(&SETUP);
    let mut table = table(&words);
    table.beat(Tick(77), 1_700_000_000_000_000);
    publish_durable(&words, Position { segment: 2, offset: 64 });
    let at = table.open(RecordId(0xAA), AskId(0xBB), b"charge", NOW).unwrap();
    table.write(at, SlotState::Answered, AskId(0x00CC), b"charge and record").unwrap();
    table.begin_thaw(at).unwrap();
    assert_eq!(
        values(&words),
        [
            (0, 0x4c42_4154_5752_5453),
            (1, 0x0000_0200_0000_0003),
            (2, 0x0000_0080_0000_0004),
            (3, 0x0000_0080_0000_000c),
            (4, 0x0000_0003_0a0b_0c0d),
            (5, 0x090a_0b0c_0d0e_0f10),
            (6, 0x0102_0304_0506_0708),
            (7, 0x7060_5040_3020_1000),
            (8, 0xf0e0_d0c0_b0a0_9080),
            (9, 0xe1af_e2b0),
            (16, 77),
            (17, 0x0006_0a24_181e_4000),
            (18, 1),
            (24, 0x0000_0002_0000_0040),
            (512, 0x0000_0002_0001_0301),
            (513, 0x03e8),
            (514, 0xaa),
            (515, 0xcc),
            (516, 0xbb),
            (517, 0x0000_0011_b69b_10b4),
            (518, 0x0000_0006_8e35_d85e),
            (520, 0x6120_6567_7261_6863),
            (521, 0x726f_6365_7220_646e),
            (522, 0x64),
            (576, 0x0000_6567_7261_6863),
        ]
    );
}

/// The calls of a release before go on in their segment, under its checks.
#[test]
fn a_segment_of_the_layout_before_is_gone_on_with() {
    let words = words(&SETUP);
    layout::format(&words, &SETUP, VERSION_BEFORE).unwrap();
    let mut before = Table::adopt(&words[..], 1).unwrap();
    let at = before.open(RecordId(0xAA), AskId(0xBB), b"charge", NOW).unwrap();
    before.write(at, SlotState::Answered, AskId(0x00CC), b"charge and record").unwrap();
    // As that release wrote them: lengths and CRC-32C.
    let descriptor = |at: usize| words[512 + at].load(Ordering::Relaxed);
    assert_eq!([descriptor(5), descriptor(6)], [0x0000_0011_e301_a22e, 0x0000_0006_6e86_c013]);
    let mut after = Table::adopt(&words[..], 2).unwrap();
    let (head, body) = read(&words, at.idx).unwrap().unwrap();
    assert_eq!(
        (head.slot, head.state, body.as_slice()),
        (at, SlotState::Answered, &b"charge and record"[..])
    );
    after.write(at, SlotState::Ended, AskId(0x00CC), &[7; 2_000]).unwrap();
    assert_eq!(read(&words, at.idx).unwrap().unwrap().1, [7; 2_000]);
}

#[test]
fn attach_refuses_what_is_not_our_segment() {
    let check = |at: usize, value: u64, expected| {
        let words = words(&SETUP);
        table(&words);
        words[at].store(value, Ordering::Relaxed);
        assert_eq!(Reader::attach(&words[..]).err(), Some(expected), "word {at}");
        assert_eq!(Table::adopt(&words[..], 2).err(), Some(expected), "word {at}");
    };
    check(0, 1, TableError::Magic);
    check(1, 1, TableError::Version(1));
    check(1, 4, TableError::Version(4));
    // Its header has another check.
    check(1, 2, TableError::Check);
    for at in 2..10 {
        check(at, 9, TableError::Check);
    }
    let words = words(&SETUP);
    table(&words);
    let short = &words[..words.len() - 1];
    assert_eq!(Reader::attach(short).err(), Some(TableError::Size));
    assert_eq!(Table::create(short, &SETUP, 1).err(), Some(TableError::Size));
    let too_many = Setup { slots: 65_537, ..SETUP };
    assert_eq!(words_needed(too_many.slots, 0), None);
    assert_eq!(words_needed(1, 1 << 21), None);
    assert_eq!(words_needed(0, 0), None);
}

#[test]
fn a_call_from_open_to_close() {
    let words = words(&SETUP);
    let mut table = table(&words);
    let at = table.open(RecordId(7), AskId(8), b"asked", NOW).unwrap();
    assert_eq!(at, SlotRef { seg: 3, idx: 0, r#gen: 1 });
    let head = SlotHead {
        slot: at,
        state: SlotState::Asked,
        thaw_attempts: 0,
        opened: NOW,
        record: RecordId(7),
        ask: AskId(8),
    };
    assert_eq!(read(&words, 0), Ok(Some((head, b"asked".to_vec()))));
    table.set_state(at, SlotState::Ringing).unwrap();
    let ringing = SlotHead { state: SlotState::Ringing, ..head };
    assert_eq!(read(&words, 0), Ok(Some((ringing, b"asked".to_vec()))));
    let frozen: Vec<u8> = (0..3_000u32).map(|n| n as u8).collect();
    table.write(at, SlotState::Answered, AskId(9), &frozen).unwrap();
    assert_eq!(table.counts(), Counts { slots_free: 3, chunks_free: 9 });
    let answered = SlotHead { state: SlotState::Answered, ask: AskId(9), ..head };
    assert_eq!(read(&words, 0), Ok(Some((answered, frozen))));
    table.write(at, SlotState::Ended, AskId(9), b"record").unwrap();
    assert_eq!(table.counts(), Counts { slots_free: 3, chunks_free: 12 });
    table.close(at).unwrap();
    assert_eq!(read(&words, 0), Ok(None));
    assert_eq!(table.counts(), Counts { slots_free: 4, chunks_free: 12 });
}

#[test]
fn references_of_former_lives_are_stale() {
    let words = words(&SETUP);
    let mut table = table(&words);
    let at = table.open(RecordId(1), AskId(1), b"", NOW).unwrap();
    table.close(at).unwrap();
    let stale = Err(WriteError::Stale);
    assert_eq!(table.close(at), stale);
    // Slots are reused in turn: the same one comes back only after the others.
    let next: Vec<SlotRef> =
        (0..4).map(|n| table.open(RecordId(n), AskId(0), b"", NOW).unwrap()).collect();
    assert_eq!(next.iter().map(|at| at.idx).collect::<Vec<_>>(), [1, 2, 3, 0]);
    assert_eq!(next[3].r#gen, 2);
    assert_eq!(table.write(at, SlotState::Answered, AskId(1), b""), stale);
    assert_eq!(table.set_state(at, SlotState::Answered), stale);
    assert_eq!(table.begin_thaw(at), stale.map(|()| 0));
    assert_eq!(table.set_state(SlotRef { seg: 4, ..next[3] }, SlotState::Ended), stale);
    assert_eq!(table.open(RecordId(5), AskId(5), b"", NOW), Err(WriteError::NoSlot));
}

#[test]
fn a_body_without_chunks_leaves_the_version_before() {
    let words = words(&SETUP);
    let mut table = table(&words);
    let at = table.open(RecordId(1), AskId(1), &[1; 8 * 1024], NOW).unwrap();
    let other = table.open(RecordId(2), AskId(2), b"short", NOW).unwrap();
    let before = read(&words, other.idx);
    let write = table.write(other, SlotState::Answered, AskId(3), &[2; 4 * 1024 + 1]);
    assert_eq!(write, Err(WriteError::NoChunks));
    assert_eq!(
        table.write(other, SlotState::Answered, AskId(3), &[2; 8193]),
        Err(WriteError::TooLong)
    );
    assert_eq!(table.open(RecordId(9), AskId(9), &[3; 5000], NOW), Err(WriteError::NoChunks));
    assert_eq!(read(&words, other.idx), before);
    assert_eq!(read(&words, 2), Ok(None));
    assert_eq!(table.counts(), Counts { slots_free: 2, chunks_free: 4 });
    table.close(at).unwrap();
    assert_eq!(table.write(other, SlotState::Answered, AskId(3), &[2; 4 * 1024 + 1]), Ok(()));
}

#[test]
fn thaw_attempts_are_counted_over_lives() {
    let words = words(&SETUP);
    let mut before = table(&words);
    before.beat(Tick(5), 6);
    let at = before.open(RecordId(1), AskId(1), &[9; 2000], NOW).unwrap();
    assert_eq!(before.begin_thaw(at), Ok(1));
    drop(before);
    let mut after = Table::adopt(&words[..], 2).unwrap();
    assert_eq!(after.heartbeat(), (Tick(5), 6));
    assert_eq!(Reader::attach(&words[..]).unwrap().epoch(), 2);
    assert_eq!(after.counts(), Counts { slots_free: 3, chunks_free: 10 });
    assert_eq!(after.begin_thaw(at), Ok(2));
    assert_eq!(read(&words, 0).unwrap().unwrap().0.thaw_attempts, 2);
    after.end_thaw(at).unwrap();
    assert_eq!(read(&words, 0).unwrap().unwrap().0.thaw_attempts, 0);
}

#[test]
fn damage_is_said_and_can_be_cleared() {
    let base = HEADER_WORDS;
    // (word, value): state, opening time, record, ask, length, check, body, chunk number.
    let damages: [(usize, u64); 8] = [
        (base, 0x0000_0001_0001_0900),
        (base + 1, 5),
        (base + 2, 5),
        (base + 4, 5),
        (base + 6, u64::MAX),
        (base + 6, 0x0000_07D0_0000_0001),
        (base + 4 * SLOT_WORDS, 5),
        (base + 64, u64::MAX),
    ];
    for (at, value) in damages {
        let words = words(&SETUP);
        let mut before = table(&words);
        let open = before.open(RecordId(1), AskId(1), &[9; 2000], NOW).unwrap();
        let other = before.open(RecordId(2), AskId(2), &[8; 2000], NOW).unwrap();
        words[at].store(value, Ordering::Relaxed);
        assert_eq!(read(&words, open.idx), Err(ReadError::Damaged), "word {at}");
        let mut after = Table::adopt(&words[..], 2).unwrap();
        let mut body = Vec::new();
        assert_eq!(after.read(open.idx, &mut body), Err(ReadError::Damaged));
        assert_eq!(after.occupant(open.idx), Some(open));
        assert_eq!(after.counts(), Counts { slots_free: 2, chunks_free: 10 });
        after.close(open).unwrap();
        assert_eq!(after.counts(), Counts { slots_free: 3, chunks_free: 10 });
        assert_eq!(read(&words, other.idx).unwrap().unwrap().1, [8; 2000]);
    }
}

/// What a kill may leave behind: anything in all that no version in force uses.
fn scribble(words: &[AtomicU64], table: &Table<&[AtomicU64]>, seed: u64) {
    let spoil = |word: &AtomicU64| word.store(seed | 1, Ordering::Relaxed);
    for idx in 0..SETUP.slots as usize {
        let slot = &words[HEADER_WORDS + idx * SLOT_WORDS..][..SLOT_WORDS];
        let control = Control::from_word(slot[0].load(Ordering::Relaxed));
        let idle = 1 - control.half();
        spoil(&slot[3 + idle]);
        spoil(&slot[5 + idle]);
        slot[8 + idle * 56..][..56].iter().for_each(spoil);
        if control.state == 0 {
            slot[1..].iter().for_each(spoil);
        }
    }
    for number in table.chunks_free() {
        let start = HEADER_WORDS + (SETUP.slots as usize) * SLOT_WORDS;
        words[start + number as usize * CHUNK_WORDS..][..CHUNK_WORDS].iter().for_each(spoil);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Open(usize),
    Write(u8, usize),
    Close(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![0usize..500, 440usize..460, 1000usize..3100, Just(8192)];
    prop_oneof![
        3 => len().prop_map(Step::Open),
        5 => (any::<u8>(), len()).prop_map(|(which, len)| Step::Write(which, len)),
        2 => any::<u8>().prop_map(Step::Close),
        1 => Just(Step::Restart),
    ]
}

/// No files of failures: a failing case is printed whole.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) }
}

proptest! {
    #![proptest_config(config())]

    /// After every step, whatever a kill left in the idle parts, each slot reads as last written.
    #[test]
    fn every_version_in_force_survives(steps in prop::collection::vec(step(), 1..40)) {
        let words = words(&SETUP);
        let mut table = table(&words);
        let mut model: Vec<(SlotRef, Vec<u8>)> = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            let body = |len: usize| -> Vec<u8> { (0..len).map(|at| (at * 7 + n) as u8).collect() };
            let pick = |which: u8, model: &[(SlotRef, Vec<u8>)]| {
                (!model.is_empty()).then(|| which as usize % model.len())
            };
            match step {
                Step::Open(len) => {
                    if let Ok(at) = table.open(RecordId(n as i64), AskId(1), &body(len), NOW) {
                        model.push((at, body(len)));
                    }
                }
                Step::Write(which, len) => {
                    let Some(which) = pick(which, &model) else { continue };
                    let (at, state) = (model[which].0, SlotState::Answered);
                    if table.write(at, state, AskId(2), &body(len)).is_ok() {
                        model[which].1 = body(len);
                    }
                }
                Step::Close(which) => {
                    let Some(which) = pick(which, &model) else { continue };
                    table.close(model.swap_remove(which).0).unwrap();
                }
                Step::Restart => table = Table::adopt(&words[..], n as u32).unwrap(),
            }
            scribble(&words, &table, n as u64);
            let expected: HashMap<u16, &Vec<u8>> =
                model.iter().map(|(at, body)| (at.idx, body)).collect();
            for idx in 0..SETUP.slots as u16 {
                let found = read(&words, idx).unwrap();
                prop_assert_eq!(found.as_ref().map(|(_, body)| body), expected.get(&idx).copied());
            }
            let chunks = |len: usize| if len <= HALF_BYTES { 0 } else { len.div_ceil(1024) };
            let held: usize = model.iter().map(|(_, body)| chunks(body.len())).sum();
            let counts = Counts { slots_free: 4 - model.len(), chunks_free: 12 - held };
            prop_assert_eq!(table.counts(), counts);
        }
    }

    #[test]
    fn garbage_never_panics(
        garbage in prop::collection::vec(any::<u64>(), SLOT_WORDS),
        low in 0u8..6,
    ) {
        let words = words(&SETUP);
        table(&words);
        for (word, value) in words[HEADER_WORDS..].iter().zip(&garbage) {
            word.store(*value, Ordering::Relaxed);
        }
        let control = garbage[0] & !0xFF00 | u64::from(low) << 8;
        words[HEADER_WORDS].store(control, Ordering::Relaxed);
        let found = read(&words, 0);
        prop_assert!(matches!(found, Ok(None) | Err(ReadError::Damaged)));
        prop_assert!(Table::adopt(&words[..], 2).is_ok());
    }
}

/// A reader beside a busy writer gets whole versions or `Torn`, never a mixture.
#[test]
fn a_reader_beside_a_writer_sees_whole_versions() {
    let words: Arc<Vec<AtomicU64>> = Arc::new(words(&SETUP));
    let mut table = Table::create(&words[..], &SETUP, 1).unwrap();
    let at = table.open(RecordId(1), AskId(0), &[0; 2100], NOW).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let (reader_words, reader_done) = (Arc::clone(&words), Arc::clone(&done));
    let reader = std::thread::spawn(move || {
        let reader = Reader::attach(&reader_words[..]).unwrap();
        let mut body = Vec::new();
        let (mut whole, mut last) = (0u32, 0);
        while !reader_done.load(Ordering::Relaxed) || whole == 0 {
            match reader.read(0, &mut body) {
                Ok(Some(head)) => {
                    assert!(head.ask.0 >= last, "went back in time");
                    last = head.ask.0;
                    assert!(body.iter().all(|byte| *byte == last as u8), "mixture at {last}");
                    assert_eq!(body.len(), length_of(last));
                    whole += 1;
                }
                Err(ReadError::Torn) => {}
                other @ (Ok(None) | Err(ReadError::Damaged | ReadError::NoSlot)) => {
                    panic!("{other:?}")
                }
            }
        }
        whole
    });
    for n in 1..30_000u64 {
        table.write(at, SlotState::Answered, AskId(n), &vec![n as u8; length_of(n)]).unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(reader.join().unwrap() > 0);
}

fn length_of(n: u64) -> usize {
    if n.is_multiple_of(2) { 2100 } else { 300 }
}

#[test]
fn a_slot_that_the_caller_chose() {
    let words = words(&SETUP);
    let mut table = table(&words);
    let at = SlotRef { seg: SETUP.seg, idx: 2, r#gen: 900 };
    table.open_at(at, RecordId(1), AskId(2), b"x", NOW).unwrap();
    assert_eq!(table.occupant(2), Some(at));
    assert_eq!(table.counts().slots_free, 3);
    let again = SlotRef { r#gen: 901, ..at };
    let stale = Err(WriteError::Stale);
    assert_eq!(table.open_at(again, RecordId(1), AskId(2), b"x", NOW), stale);
    assert_eq!(table.open_at(SlotRef { seg: 4, ..at }, RecordId(1), AskId(2), b"x", NOW), stale);
    assert_eq!(table.open_at(SlotRef { idx: 9, ..at }, RecordId(1), AskId(2), b"x", NOW), stale);
    table.close(at).unwrap();
    table.open_at(again, RecordId(1), AskId(2), b"x", NOW).unwrap();
    assert_eq!(table.write(at, SlotState::Answered, AskId(2), b"y"), stale);
    table.write(again, SlotState::Answered, AskId(2), b"y").unwrap();
    // The table's own choice passes over it.
    for _ in 0..3 {
        assert_ne!(table.open(RecordId(3), AskId(3), b"z", NOW).unwrap().idx, 2);
    }
    assert_eq!(table.open(RecordId(3), AskId(3), b"z", NOW), Err(WriteError::NoSlot));
}
