//! The atomics of this crate: the real ones, or loom's under `--cfg loom`; and bytes in words that
//! are shared.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// Writes bytes into the first of the words; the last one is filled up with zeros.
pub(crate) fn store_bytes(words: &[AtomicU64], bytes: &[u8]) {
    let (eights, rest) = bytes.as_chunks::<8>();
    let whole = words.iter().zip(eights);
    whole.for_each(|(word, eight)| word.store(u64::from_le_bytes(*eight), Ordering::Relaxed));
    if let (Some(word), false) = (words.get(eights.len()), rest.is_empty()) {
        let value = rest.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        word.store(value, Ordering::Relaxed);
    }
}

/// Reads the first of the words into bytes, whole words of them.
pub(crate) fn load_bytes(words: &[AtomicU64], bytes: &mut [u8]) {
    let (eights, _) = bytes.as_chunks_mut::<8>();
    let whole = eights.iter_mut().zip(words);
    whole.for_each(|(eight, word)| *eight = word.load(Ordering::Relaxed).to_le_bytes());
}
