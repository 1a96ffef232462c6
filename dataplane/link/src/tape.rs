//! The tape: the last SIP messages of a shard, in shared memory, for whoever asks afterwards.
//!
//! The shard writes each message once, without lock or allocation and without a word
//! to the control plane. When the tape is full it goes on over its oldest part. Readers in other
//! processes take what still stands there; what is written over while they read they notice, and
//! leave out. The tape outlives its writer: the messages of a call that a crash cut off are on it.
//!
//! ```text
//! word 0  magic      word 1  words of the ring
//! word 2  reserve    word 3  head                  positions, in words since the first
//! word 8  ring, in segments: an entry lies in one segment, what is left of one is a gap
//! ```
//!
//! An entry at position `p` may be read when `p + entry <= head` and, after it was copied,
//! `reserve <= p + ring`: the writer raises `reserve` before it touches a word, and `head` when all
//! are in place.

use core::net::{IpAddr, SocketAddr};

use crate::Transport;
use crate::sync::{AtomicU64, Ordering, fence, store_bytes};

const MAGIC: u64 = u64::from_le_bytes(*b"STRTAPE1");
const MAGIC_WORD: usize = 0;
const RING_WORD: usize = 1;
const RESERVE_WORD: usize = 2;
const HEAD_WORD: usize = 3;
const HEADER_WORDS: usize = 8;
/// Words of a segment: 64 KiB.
const SEGMENT_WORDS: usize = 8_192;
/// Words of an entry in front of its bytes.
const FIXED_WORDS: usize = 7;
/// Length of a gap: the next entry is at the beginning of the next segment.
const GAP: u32 = u32::MAX;
/// Most bytes of a message that are kept.
pub const MESSAGE_BYTES_MAX: usize = 16_384;
/// Segments of the smallest tape.
const SEGMENTS_MIN: usize = 2;

const _: () = assert!(FIXED_WORDS + MESSAGE_BYTES_MAX / 8 < SEGMENT_WORDS);

/// Words of the memory for a tape of `bytes`, rounded up to segments.
#[must_use]
pub const fn words_needed(bytes: usize) -> usize {
    let segments = bytes.div_ceil(SEGMENT_WORDS * 8);
    let segments = if segments < SEGMENTS_MIN { SEGMENTS_MIN } else { segments };
    HEADER_WORDS + segments * SEGMENT_WORDS
}

/// A message beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Said {
    /// When, microseconds since 1970-01-01 UTC.
    pub wall_us: i64,
    /// We sent it.
    pub outgoing: bool,
    /// By what.
    pub transport: Transport,
    /// Index of our listener.
    pub listener: u8,
    /// Our address.
    pub local: SocketAddr,
    /// The other's.
    pub peer: SocketAddr,
    /// Bytes of the whole message; at most [`MESSAGE_BYTES_MAX`] of them are kept.
    pub len: u32,
}

/// Why memory is no tape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TapeError {
    /// Too short, or of another length than it says.
    Length,
    /// Of another version, or something else.
    Magic,
}

/// The writing side: one thread.
#[derive(Debug)]
pub struct Tape<W> {
    words: W,
    ring: usize,
    head: u64,
}

impl<W: AsRef<[AtomicU64]>> Tape<W> {
    /// Makes an empty tape, or goes on with the one that a former process left in the same memory.
    ///
    /// # Errors
    /// [`TapeError::Length`].
    pub fn open(words: W) -> Result<Tape<W>, TapeError> {
        let all = words.as_ref();
        let ring = all.len().checked_sub(HEADER_WORDS).ok_or(TapeError::Length)?;
        if ring < SEGMENTS_MIN * SEGMENT_WORDS || !ring.is_multiple_of(SEGMENT_WORDS) {
            return Err(TapeError::Length);
        }
        let before = [MAGIC_WORD, RING_WORD].map(|at| load(all, at, Ordering::Relaxed));
        let mut head = load(all, HEAD_WORD, Ordering::Acquire);
        if before != [MAGIC, ring as u64] {
            store(all, MAGIC_WORD, 0, Ordering::Release);
            for at in [RESERVE_WORD, HEAD_WORD] {
                store(all, at, 0, Ordering::Relaxed);
            }
            store(all, RING_WORD, ring as u64, Ordering::Relaxed);
            store(all, MAGIC_WORD, MAGIC, Ordering::Release);
            head = 0;
        }
        let mut tape = Tape { words, ring, head };
        // The former writer may have died inside an entry: what it had begun is passed over.
        tape.skip_to_segment();
        Ok(tape)
    }

    /// Writes a message down.
    pub fn write(&mut self, said: &Said, message: &[u8]) {
        let kept = message.get(..MESSAGE_BYTES_MAX).unwrap_or(message);
        let size = FIXED_WORDS + kept.len().div_ceil(8);
        if self.place() % SEGMENT_WORDS + size > SEGMENT_WORDS {
            self.skip_to_segment();
        }
        let next = self.head + size as u64;
        let all = self.words.as_ref();
        store(all, RESERVE_WORD, next, Ordering::Relaxed);
        fence(Ordering::Release);
        let from = HEADER_WORDS + self.place();
        let Some(entry) = all.get(from..from + size) else { return };
        let Some((fixed, body)) = entry.split_at_checked(FIXED_WORDS) else { return };
        let values = fixed.iter().zip(fixed_of(said, kept.len()));
        values.for_each(|(word, value)| word.store(value, Ordering::Relaxed));
        store_bytes(body, kept);
        self.head = next;
        store(all, HEAD_WORD, next, Ordering::Release);
    }

    /// Where the head is in the ring.
    fn place(&self) -> usize {
        usize::try_from(self.head % self.ring as u64).unwrap_or(0)
    }

    /// Makes a gap up to the next segment, unless one begins here.
    fn skip_to_segment(&mut self) {
        let used = self.place() % SEGMENT_WORDS;
        if used == 0 {
            return;
        }
        let next = self.head + (SEGMENT_WORDS - used) as u64;
        let all = self.words.as_ref();
        store(all, RESERVE_WORD, next, Ordering::Relaxed);
        fence(Ordering::Release);
        store(all, HEADER_WORDS + self.place(), GAP.into(), Ordering::Relaxed);
        self.head = next;
        store(all, HEAD_WORD, next, Ordering::Release);
    }
}

/// The reading side, in any process, as often as wanted.
#[derive(Debug)]
pub struct Reader<W> {
    words: W,
    ring: usize,
    at: u64,
}

impl<W: AsRef<[AtomicU64]>> Reader<W> {
    /// Reads from the oldest message on.
    ///
    /// # Errors
    /// [`TapeError`].
    pub fn attach(words: W) -> Result<Reader<W>, TapeError> {
        let all = words.as_ref();
        let ring = all.len().checked_sub(HEADER_WORDS).ok_or(TapeError::Length)?;
        if load(all, MAGIC_WORD, Ordering::Acquire) != MAGIC {
            return Err(TapeError::Magic);
        }
        let said = load(all, RING_WORD, Ordering::Relaxed);
        if ring == 0 || said != ring as u64 || !ring.is_multiple_of(SEGMENT_WORDS) {
            return Err(TapeError::Length);
        }
        let mut reader = Reader { words, ring, at: 0 };
        reader.at = reader.oldest();
        Ok(reader)
    }

    /// The same, from the next message on that will be written.
    #[must_use]
    pub fn at_end(mut self) -> Self {
        self.at = load(self.words.as_ref(), HEAD_WORD, Ordering::Acquire);
        self
    }

    /// The next message, its bytes into `message`; `None` when there is none yet. Messages that
    /// were written over before they could be read are passed over.
    pub fn next(&mut self, message: &mut Vec<u8>) -> Option<Said> {
        // Each round goes on by a segment at least, and the writer cannot lap us for ever: it has
        // as many rounds as there are segments, and what is newer then comes with the next call.
        for _ in 0..=self.ring / SEGMENT_WORDS {
            let all = self.words.as_ref();
            if self.at >= load(all, HEAD_WORD, Ordering::Acquire) {
                return None;
            }
            let (found, size) = self.copy(message);
            fence(Ordering::Acquire);
            let reserve = load(all, RESERVE_WORD, Ordering::Relaxed);
            if reserve > self.at.saturating_add(self.ring as u64) {
                self.at = self.oldest();
                continue;
            }
            let left = SEGMENT_WORDS as u64 - self.at % SEGMENT_WORDS as u64;
            match (found, size) {
                (Some(said), size) if size as u64 <= left => {
                    self.at += size as u64;
                    return Some(said);
                }
                // A gap, or nothing that a writer of ours wrote.
                (Some(_) | None, _) => self.at += left,
            }
        }
        None
    }

    /// Copies the entry at `at`: what it says and its words; `None` = a gap, or no entry.
    fn copy(&self, message: &mut Vec<u8>) -> (Option<Said>, usize) {
        message.clear();
        let all = self.words.as_ref();
        let from = HEADER_WORDS + usize::try_from(self.at % self.ring as u64).unwrap_or(0);
        let mut fixed = [0; FIXED_WORDS];
        for (value, word) in fixed.iter_mut().zip(all.get(from..).unwrap_or_default()) {
            *value = word.load(Ordering::Relaxed);
        }
        let kept = usize::try_from(fixed[0] as u32).unwrap_or(usize::MAX);
        if kept > MESSAGE_BYTES_MAX {
            return (None, 0);
        }
        let size = FIXED_WORDS + kept.div_ceil(8);
        let body = all.get(from + FIXED_WORDS..from + size).unwrap_or_default();
        body.iter().for_each(|word| {
            message.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        });
        message.truncate(kept);
        (said_of(&fixed), size)
    }

    /// The first segment that is not being written over.
    fn oldest(&self) -> u64 {
        let reserve = load(self.words.as_ref(), RESERVE_WORD, Ordering::Acquire);
        let gone = reserve.saturating_sub(self.ring as u64);
        gone.div_ceil(SEGMENT_WORDS as u64) * SEGMENT_WORDS as u64
    }
}

fn fixed_of(said: &Said, kept: usize) -> [u64; FIXED_WORDS] {
    let Said { wall_us, outgoing, transport, listener, local, peer, len } = *said;
    let halves = |ip: IpAddr| {
        let ip = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let bits = ip.to_bits();
        [(bits >> 64) as u64, bits as u64]
    };
    let ([a, b], [c, d]) = (halves(local.ip()), halves(peer.ip()));
    let way = u64::from(outgoing)
        | u64::from(transport as u8) << 8
        | u64::from(listener) << 16
        | u64::from(local.port()) << 32
        | u64::from(peer.port()) << 48;
    [u64::from(len) << 32 | kept as u64, wall_us.cast_unsigned(), way, a, b, c, d]
}

fn said_of(fixed: &[u64; FIXED_WORDS]) -> Option<Said> {
    let [lengths, wall, way, a, b, c, d] = *fixed;
    let address = |high: u64, low: u64, port: u64| {
        let ip = core::net::Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        SocketAddr::new(IpAddr::V6(ip).to_canonical(), port as u16)
    };
    let transport = match (way >> 8) as u8 {
        0 => Transport::Udp,
        1 => Transport::Tcp,
        2 => Transport::Tls,
        3 => Transport::Ws,
        4 => Transport::Wss,
        _ => return None,
    };
    Some(Said {
        wall_us: wall.cast_signed(),
        outgoing: way & 1 == 1,
        transport,
        listener: (way >> 16) as u8,
        local: address(a, b, way >> 32),
        peer: address(c, d, way >> 48),
        len: (lengths >> 32) as u32,
    })
}

fn load(words: &[AtomicU64], at: usize, order: Ordering) -> u64 {
    words.get(at).map_or(0, |word| word.load(order))
}

fn store(words: &[AtomicU64], at: usize, value: u64, order: Ordering) {
    if let Some(word) = words.get(at) {
        word.store(value, order);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    type Memory = Arc<Vec<AtomicU64>>;

    struct Shared(Memory);

    impl AsRef<[AtomicU64]> for Shared {
        fn as_ref(&self) -> &[AtomicU64] {
            &self.0
        }
    }

    fn memory(bytes: usize) -> Memory {
        Arc::new((0..words_needed(bytes)).map(|_| AtomicU64::new(0)).collect())
    }

    fn said(number: i64, len: usize) -> Said {
        Said {
            wall_us: number,
            outgoing: number % 2 == 1,
            transport: Transport::Tcp,
            listener: 3,
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: "[2001:db8::7]:5062".parse().unwrap(),
            len: len as u32,
        }
    }

    /// A message that says which it is in each byte.
    fn message(number: i64, len: usize) -> Vec<u8> {
        (0..len).map(|at| (number as u8).wrapping_add(at as u8)).collect()
    }

    fn all(memory: &Memory) -> Vec<(Said, Vec<u8>)> {
        let mut reader = Reader::attach(Shared(Arc::clone(memory))).unwrap();
        let (mut read, mut bytes) = (Vec::new(), Vec::new());
        while let Some(said) = reader.next(&mut bytes) {
            read.push((said, bytes.clone()));
        }
        read
    }

    #[test]
    fn what_was_written_last_is_read_whole() {
        let memory = memory(1);
        let mut tape = Tape::open(Shared(Arc::clone(&memory))).unwrap();
        assert_eq!(all(&memory), []);
        let lens = [0, 1, 7, 8, 9, 500, 1_300, 16_384];
        for number in 0..2_000 {
            let len = lens[number as usize % lens.len()];
            tape.write(&said(number, len), &message(number, len));
            let read = all(&memory);
            let (last, bytes) = read.last().unwrap();
            assert_eq!((*last, bytes), (said(number, len), &message(number, len)));
            for (before, after) in read.iter().zip(read.iter().skip(1)) {
                assert_eq!(before.0.wall_us + 1, after.0.wall_us);
                assert_eq!(before.1, message(before.0.wall_us, before.0.len as usize));
            }
            // All of one segment at least, of two.
            assert!(read.len() as i64 > number.min(4), "{} of {number}", read.len());
        }
    }

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        let memory = memory(1);
        let mut tape = Tape::open(Shared(Arc::clone(&memory))).unwrap();
        tape.write(&said(1, 20_000), &message(1, 20_000));
        let [(told, bytes)] = all(&memory).try_into().unwrap();
        assert_eq!((told.len, bytes), (20_000, message(1, MESSAGE_BYTES_MAX)));
    }

    #[test]
    fn the_next_life_goes_on_behind_the_last() {
        let memory = memory(1);
        let mut tape = Tape::open(Shared(Arc::clone(&memory))).unwrap();
        tape.write(&said(1, 90), &message(1, 90));
        // Died in the middle of the next one.
        let next = memory[RESERVE_WORD].load(Ordering::Relaxed) + 40;
        memory[RESERVE_WORD].store(next, Ordering::Relaxed);
        let mut tape = Tape::open(Shared(Arc::clone(&memory))).unwrap();
        tape.write(&said(2, 80), &message(2, 80));
        let read: Vec<i64> = all(&memory).iter().map(|(said, _)| said.wall_us).collect();
        assert_eq!(read, [1, 2]);
        let reader = Reader::attach(Shared(Arc::clone(&memory))).unwrap();
        let mut end = reader.at_end();
        let mut bytes = Vec::new();
        assert_eq!(end.next(&mut bytes), None);
        tape.write(&said(3, 8), &message(3, 8));
        assert_eq!(end.next(&mut bytes), Some(said(3, 8)));
    }

    #[test]
    fn memory_that_is_no_tape_is_refused() {
        let wrong = |memory: &Memory| Reader::attach(Shared(Arc::clone(memory))).err();
        assert_eq!(wrong(&Arc::new(Vec::new())), Some(TapeError::Length));
        let memory = memory(1);
        assert_eq!(wrong(&memory), Some(TapeError::Magic));
        let _tape = Tape::open(Shared(Arc::clone(&memory))).unwrap();
        memory[RING_WORD].store(9, Ordering::Relaxed);
        assert_eq!(wrong(&memory), Some(TapeError::Length));
        assert_eq!(Tape::open(Shared(Arc::new(Vec::new()))).err(), Some(TapeError::Length));
    }

    #[test]
    fn any_words_are_read_without_panic() {
        let memory = memory(1);
        let mut tape = Tape::open(Shared(Arc::clone(&memory))).unwrap();
        (0..500).for_each(|n| tape.write(&said(n, 300), &message(n, 300)));
        let mut chance = 1u64;
        for _ in 0..2_000 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
            let at = (chance >> 33) as usize % memory.len();
            if at != MAGIC_WORD && at != RING_WORD {
                memory[at].store(chance, Ordering::Relaxed);
            }
            let mut reader = Reader::attach(Shared(Arc::clone(&memory))).unwrap();
            let mut bytes = Vec::new();
            for _ in 0..1_000 {
                if reader.next(&mut bytes).is_none() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_reader_beside_the_writer_never_sees_half_a_message() {
        let memory = memory(1);
        let mut tape = Tape::open(Shared(Arc::clone(&memory))).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (theirs, ends) = (Arc::clone(&memory), Arc::clone(&over));
        let reading = std::thread::spawn(move || {
            let (mut read, mut last, mut bytes) = (0u64, -1, Vec::new());
            let mut reader = Reader::attach(Shared(theirs)).unwrap();
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                while let Some(said) = reader.next(&mut bytes) {
                    assert!(said.wall_us > last, "{} after {last}", said.wall_us);
                    assert_eq!(bytes, message(said.wall_us, said.len as usize));
                    last = said.wall_us;
                    read += 1;
                }
            }
            read
        });
        for number in 0..100_000 {
            let len = 100 + number as usize % 900;
            tape.write(&said(number, len), &message(number, len));
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reading.join().unwrap() > 0);
    }
}
