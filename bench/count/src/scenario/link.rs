//! Forms between the planes.

use super::{Turn, done};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use strowger_link::journal::{Frame, FrameKind};
use strowger_link::ring;

/// Words of the ring.
const CAPACITY: usize = 1 << 12;
/// Bytes of the frames: an ask, and the facts of a call.
const ASK_BYTES: usize = 420;
const FACTS_BYTES: usize = 900;

/// A frame goes in and comes out.
pub(super) fn ring() -> Option<Turn> {
    let words: Vec<AtomicU64> =
        (0..ring::words_needed(CAPACITY)).map(|_| AtomicU64::new(0)).collect();
    ring::format(&words).ok()?;
    let words = Arc::new(words);
    let mut producer = ring::Producer::attach(Words(Arc::clone(&words))).ok()?;
    let mut consumer = ring::Consumer::attach(Words(words)).ok()?;
    let (frame, mut taken) = (vec![7; ASK_BYTES], Vec::with_capacity(4_096));
    Some(Box::new(move |meter| {
        let mut is_there = false;
        meter(&mut || {
            let pushed = producer.try_push(black_box(&frame)).is_ok();
            is_there = pushed && consumer.pop(&mut taken) == Ok(Some(ASK_BYTES));
        });
        done(is_there, "no frame")
    }))
}

struct Words(Arc<Vec<AtomicU64>>);

impl AsRef<[AtomicU64]> for Words {
    fn as_ref(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// A frame of the journal, with its checksum.
pub(super) fn journal() -> Option<Turn> {
    let (payload, mut out, mut seq) = (vec![7; FACTS_BYTES], Vec::with_capacity(4_096), 0);
    Some(Box::new(move |meter| {
        seq += 1;
        let frame = Frame { kind: FrameKind::Ended, shard: 0, seq, payload: &payload };
        let mut bytes = 0;
        meter(&mut || {
            out.clear();
            bytes = black_box(frame).encode_into(7, &mut out).unwrap_or(0);
        });
        done(bytes > FACTS_BYTES, "no frame")
    }))
}
