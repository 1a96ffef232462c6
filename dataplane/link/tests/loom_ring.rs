//! Loom model of the ring's sleep protocol: no interleaving loses a wake-up or a frame.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p strowger-link --test loom_ring --release`
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a test")]

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use strowger_link::ring::{Consumer, Producer, Wake, format, words_needed};

fn ring() -> Arc<Vec<AtomicU64>> {
    let words: Vec<AtomicU64> = (0..words_needed(8)).map(|_| AtomicU64::new(0)).collect();
    format(&words).unwrap();
    Arc::new(words)
}

struct Shared(Arc<Vec<AtomicU64>>);

impl AsRef<[AtomicU64]> for Shared {
    fn as_ref(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// How the writer finds out whether to wake the reader.
#[derive(Clone, Copy)]
enum Look {
    /// With each frame.
    Each,
    /// Once behind all of them, as a shard does at the end of its turn.
    Last,
}

/// The writer pushes; the reader sleeps by `park` when it may. `unpark` before `park` is kept by
/// loom (as by an eventfd), so a run that never ends is a lost wake-up; loom reports it.
fn run(frames: u8, look: Look, preemptions: Option<usize>) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(move || {
        let words = ring();
        let mut consumer = Consumer::attach(Shared(Arc::clone(&words))).unwrap();
        let reader = thread::current();
        let writer = thread::spawn(move || {
            let mut producer = Producer::attach(Shared(words)).unwrap();
            let mut wakes = 0;
            for n in 0..frames {
                producer.leave(&[n; 3]).unwrap();
                let looks = matches!(look, Look::Each) || n + 1 == frames;
                if looks && producer.wake() == Wake::Needed {
                    wakes += 1;
                    reader.unpark();
                }
            }
            wakes
        });
        let mut frame = Vec::new();
        let (mut next, mut attempts) = (0, 0);
        while next < frames {
            if consumer.pop(&mut frame).unwrap().is_some() {
                assert_eq!(frame, [next; 3]);
                next += 1;
                continue;
            }
            attempts += 1;
            if consumer.prepare_sleep() {
                thread::park();
            }
            consumer.finish_sleep();
        }
        let wakes = writer.join().unwrap();
        // A push may ring a reader that found the frame itself on its second look, never twice.
        assert!(wakes <= attempts, "{wakes} wake-ups for {attempts} attempts to sleep");
    });
}

#[test]
fn no_wake_up_is_lost_with_one_frame() {
    run(1, Look::Each, None);
}

#[test]
fn no_wake_up_is_lost_with_two_frames() {
    run(2, Look::Each, Some(3));
}

#[test]
fn no_wake_up_is_lost_with_one_look_behind_two_frames() {
    run(2, Look::Last, Some(3));
}
