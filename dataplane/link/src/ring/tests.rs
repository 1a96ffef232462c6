use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

fn ring(capacity: usize) -> Vec<AtomicU64> {
    let words: Vec<AtomicU64> = (0..words_needed(capacity)).map(|_| AtomicU64::new(7)).collect();
    format(&words).unwrap();
    words
}

fn values(words: &[AtomicU64]) -> Vec<(usize, u64)> {
    let all = words.iter().map(|word| word.load(Ordering::Relaxed)).enumerate();
    all.filter(|(_, value)| *value != 0).collect()
}

#[test]
fn golden_words_of_header_and_frame() {
    let words: Vec<AtomicU64> = (0..words_needed(8)).map(|_| AtomicU64::new(0)).collect();
    format(&words).unwrap();
    let mut producer = Producer::attach(&words[..]).unwrap();
    assert_eq!(producer.try_push(b"INVITE sip:"), Ok(Wake::NotNeeded));
    assert_eq!(
        values(&words),
        [
            (0, 0x474e_4952_5752_5453),
            (1, 1),
            (2, 8),
            (16, 3),
            (64, 11),
            (65, 0x7320_4554_4956_4e49),
            (66, 0x003a_7069),
        ]
    );
    let mut consumer = Consumer::attach(&words[..]).unwrap();
    let mut frame = Vec::new();
    assert_eq!(consumer.pop(&mut frame), Ok(Some(11)));
    assert!(consumer.prepare_sleep());
    assert_eq!(values(&words)[4..6], [(32, 3), (48, 1)]);
}

#[test]
fn attach_refuses_what_is_not_our_ring() {
    let check = |change: &dyn Fn(&[AtomicU64]), expected| {
        let words = ring(16);
        change(&words);
        assert_eq!(Consumer::attach(&words[..]).err(), Some(expected));
        assert_eq!(Producer::attach(&words[..]).err(), Some(expected));
    };
    check(&|words| words[0].store(1, Ordering::Relaxed), AttachError::Magic);
    check(&|words| words[1].store(2, Ordering::Relaxed), AttachError::Version(2));
    check(&|words| words[2].store(32, Ordering::Relaxed), AttachError::Capacity);
    for count in [0, 63, 64, 68, 64 + 17] {
        let words: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
        assert_eq!(format(&words), Err(AttachError::Size), "{count} words");
    }
}

#[test]
fn full_and_too_long_leave_the_ring_as_it_was() {
    let words = ring(8);
    let mut producer = Producer::attach(&words[..]).unwrap();
    let mut consumer = Consumer::attach(&words[..]).unwrap();
    assert_eq!(producer.try_push(&[0; 57]), Err(PushError::TooLong));
    assert_eq!(producer.room_bytes(), 56);
    assert_eq!(producer.try_push(&[1; 40]), Ok(Wake::NotNeeded));
    assert_eq!(producer.try_push(&[2; 9]), Err(PushError::Full));
    assert_eq!(producer.try_push(&[3; 8]), Ok(Wake::NotNeeded));
    assert_eq!(producer.try_push(&[]), Err(PushError::Full));
    let mut frame = Vec::new();
    assert_eq!(consumer.pop(&mut frame), Ok(Some(40)));
    assert_eq!(frame, [1; 40]);
    assert_eq!(producer.try_push(&[]), Ok(Wake::NotNeeded));
    assert_eq!(consumer.pop(&mut frame), Ok(Some(8)));
    assert_eq!(consumer.pop(&mut frame), Ok(Some(0)));
    assert_eq!(consumer.pop(&mut frame), Ok(None));
}

#[test]
fn staged_frames_are_unseen_until_published() {
    let words = ring(64);
    let mut producer = Producer::attach(&words[..]).unwrap();
    let mut consumer = Consumer::attach(&words[..]).unwrap();
    let mut frame = Vec::new();
    producer.stage(b"one").unwrap();
    producer.stage(b"two").unwrap();
    // A writer killed here leaves nothing behind: a new pair sees an empty ring.
    assert_eq!(consumer.pop(&mut frame), Ok(None));
    assert!(consumer.prepare_sleep());
    assert_eq!(producer.publish(), Wake::Needed);
    assert_eq!(producer.publish(), Wake::NotNeeded, "one wake-up per sleep");
    assert!(!consumer.prepare_sleep(), "frames wait");
    assert_eq!(consumer.pop(&mut frame), Ok(Some(3)));
    assert_eq!(frame, b"one");
    assert_eq!(consumer.pop(&mut frame), Ok(Some(3)));
    assert_eq!(frame, b"two");
}

#[test]
fn a_frame_that_is_left_wakes_nobody_and_comes_with_the_next() {
    let words = ring(16);
    let mut producer = Producer::attach(&words[..]).unwrap();
    let mut consumer = Consumer::attach(&words[..]).unwrap();
    assert!(consumer.prepare_sleep());
    producer.leave(b"no hurry").unwrap();
    assert_eq!(producer.try_push(b"now"), Ok(Wake::Needed), "the sleeper was not woken before");
    consumer.finish_sleep();
    let mut frame = Vec::new();
    for expected in [&b"no hurry"[..], b"now"] {
        assert_eq!(consumer.pop(&mut frame), Ok(Some(expected.len())));
        assert_eq!(frame, expected);
    }
    // A reader that is about to sleep sees it.
    producer.leave(b"late").unwrap();
    assert!(!consumer.prepare_sleep());
}

#[test]
fn lies_of_the_writer_are_corrupt() {
    // (word, value): a head behind the tail, a head beyond the capacity, lengths beyond the head.
    let lies: [(usize, u64); 7] = [
        (HEAD_WORD, 1),
        (HEAD_WORD, 2 + 9),
        (HEAD_WORD, u64::MAX),
        (HEADER_WORDS + 2, 9),
        (HEADER_WORDS + 2, FRAME_BYTES_MAX as u64 + 1),
        (HEADER_WORDS + 2, u64::MAX),
        (HEADER_WORDS + 2, 1 << 32),
    ];
    for (at, value) in lies {
        let words = ring(8);
        let mut producer = Producer::attach(&words[..]).unwrap();
        let mut consumer = Consumer::attach(&words[..]).unwrap();
        let mut frame = Vec::new();
        assert_eq!(producer.try_push(&[5; 8]), Ok(Wake::NotNeeded));
        assert_eq!(consumer.pop(&mut frame), Ok(Some(8)));
        assert_eq!(producer.try_push(&[6; 8]), Ok(Wake::NotNeeded));
        words[at].store(value, Ordering::Relaxed);
        assert_eq!(consumer.pop(&mut frame), Err(Corrupt), "word {at} = {value}");
    }
}

#[test]
fn lies_of_the_reader_are_corrupt() {
    for tail in [0, 6, u64::MAX] {
        let words = ring(8);
        let mut producer = Producer::attach(&words[..]).unwrap();
        let mut consumer = Consumer::attach(&words[..]).unwrap();
        let mut frame = Vec::new();
        assert_eq!(producer.try_push(&[5; 16]), Ok(Wake::NotNeeded));
        assert_eq!(consumer.pop(&mut frame), Ok(Some(16)));
        producer.refresh_tail().unwrap();
        assert_eq!(producer.try_push(&[5; 8]), Ok(Wake::NotNeeded));
        words[TAIL_WORD].store(tail, Ordering::Relaxed);
        assert_eq!(producer.try_push(&[6; 56]), Err(PushError::Corrupt), "tail {tail}");
    }
}

/// No files of failures: a failing case is printed whole.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) }
}

proptest! {
    #![proptest_config(config())]

    /// Any order of pushes and pops behaves as a queue of byte strings.
    #[test]
    fn behaves_as_a_queue(steps in prop::collection::vec(prop::option::of(0usize..70), 1..200)) {
        let words = ring(16);
        let mut producer = Producer::attach(&words[..]).unwrap();
        let mut consumer = Consumer::attach(&words[..]).unwrap();
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut frame = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            let Some(len) = step else {
                let popped = consumer.pop(&mut frame).unwrap().map(|_| frame.clone());
                prop_assert_eq!(popped, model.pop_front());
                continue;
            };
            let bytes: Vec<u8> = (0..len).map(|at| (at + n) as u8).collect();
            let used: usize = model.iter().map(|held| 1 + held.len().div_ceil(8)).sum();
            let fits = used + 1 + len.div_ceil(8) <= 16;
            prop_assert_eq!(producer.try_push(&bytes).is_ok(), fits);
            if fits {
                model.push_back(bytes);
            }
        }
    }

    /// Whatever stands in the shared words, reading ends without panic and within the bounds.
    #[test]
    fn garbage_never_panics(
        garbage in prop::collection::vec(any::<u64>(), 16),
        head in prop_oneof![0u64..20, any::<u64>()],
    ) {
        let words = ring(16);
        let mut consumer = Consumer::attach(&words[..]).unwrap();
        for (word, value) in words[HEADER_WORDS..].iter().zip(&garbage) {
            word.store(*value, Ordering::Relaxed);
        }
        words[HEAD_WORD].store(head, Ordering::Relaxed);
        let mut frame = Vec::new();
        let mut read = 0;
        while let Ok(Some(bytes)) = consumer.pop(&mut frame) {
            prop_assert_eq!(bytes, frame.len());
            read += 1 + bytes.div_ceil(8);
            prop_assert!(read <= 16);
        }
    }
}

/// Two threads, a small ring, both ends sleeping by `park`: all frames arrive, in order, whole.
#[test]
fn two_threads_with_sleep() {
    const FRAMES: u32 = 60_000;
    let words: Arc<Vec<AtomicU64>> = Arc::new(ring(64));
    let reader_words = Arc::clone(&words);
    let reader = std::thread::spawn(move || {
        let mut consumer = Consumer::attach(&reader_words[..]).unwrap();
        let mut frame = Vec::new();
        let (mut next, mut sleeps) = (0u32, 0u32);
        while next < FRAMES {
            match consumer.pop(&mut frame).unwrap() {
                Some(_) => {
                    assert_eq!(frame, bytes_of(next));
                    next += 1;
                }
                None => {
                    if consumer.prepare_sleep() {
                        sleeps += 1;
                        std::thread::park();
                    }
                    consumer.finish_sleep();
                }
            }
        }
        sleeps
    });
    let mut producer = Producer::attach(&words[..]).unwrap();
    for n in 0..FRAMES {
        loop {
            match producer.try_push(&bytes_of(n)) {
                Ok(Wake::Needed) => break reader.thread().unpark(),
                Ok(Wake::NotNeeded) => break,
                Err(PushError::Full) => std::thread::yield_now(),
                Err(error @ (PushError::TooLong | PushError::Corrupt)) => panic!("{error:?}"),
            }
        }
    }
    assert!(reader.join().unwrap() > 0, "the reader never slept: nothing was tested");
}

fn bytes_of(n: u32) -> Vec<u8> {
    n.to_le_bytes().into_iter().cycle().take((n % 61) as usize + 4).collect()
}
