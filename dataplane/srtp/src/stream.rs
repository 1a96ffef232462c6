//! HOT PATH
//!
//! Where the sources of one context are: the rollover counter of each (RFC 3711 section 3.3.1), and
//! which of its latest packets came (section 3.3.2). A source is known from its first authentic
//! packet on, so nobody without the key takes a place.

use crate::Fault;
use crate::limits::{FORGOTTEN_BITS, INDEX_MAX, MARK_EVERY, STREAMS_MAX, WINDOW};

/// Where a source is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The source.
    pub ssrc: u32,
    /// Its highest index: the rollover counter above 16 bits of sequence number.
    pub index: u64,
}

/// One source.
#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    highest: u64,
    /// Bit n: index `highest - n` has passed.
    passed: u128,
    /// When it passed last, by the count of packets.
    at: u64,
}

/// The sources of a context.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    streams: [Option<Stream>; STREAMS_MAX],
    packets: u64,
}

/// Sources that made room for others: two bits of many for each, so that one of them is always
/// known again, and a source that never was there hardly ever taken for one.
#[derive(Clone, Debug)]
pub(crate) struct Forgotten {
    words: [u64; FORGOTTEN_BITS / 64],
}

impl Forgotten {
    pub(crate) const fn new() -> Forgotten {
        Forgotten { words: [0; FORGOTTEN_BITS / 64] }
    }

    /// Whether a source may have made room.
    pub(crate) fn has(&self, ssrc: u32) -> bool {
        places(ssrc).into_iter().all(|place| {
            self.words.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
        })
    }

    pub(crate) fn add(&mut self, ssrc: u32) {
        for place in places(ssrc) {
            if let Some(word) = self.words.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
        }
    }
}

/// Two bits of a source. Who chooses sources chooses whom he silences: himself.
const fn places(ssrc: u32) -> [usize; 2] {
    let mixed = (ssrc as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (first, second) = ((mixed >> 48) as usize, (mixed >> 24 & 0xffff) as usize);
    [first % FORGOTTEN_BITS, second % FORGOTTEN_BITS]
}

impl Streams {
    pub(crate) const fn new() -> Streams {
        Streams { streams: [None; STREAMS_MAX], packets: 0 }
    }

    /// Whether a source has no place.
    pub(crate) fn lacks(&self, ssrc: u32) -> bool {
        self.streams.iter().flatten().all(|known| known.ssrc != ssrc)
    }

    /// The source that makes room for the next new one.
    pub(crate) fn next_to_go(&self) -> Option<u32> {
        self.streams.iter().min_by_key(|place| age(place))?.map(|stream| stream.ssrc)
    }

    /// The index of a packet by its sequence number.
    pub(crate) fn index_of(&self, ssrc: u32, sequence: u16) -> Result<u64, Fault> {
        let Some(stream) = self.streams.iter().flatten().find(|known| known.ssrc == ssrc) else {
            return Ok(u64::from(sequence));
        };
        let index = guess(stream.highest, sequence).ok_or(Fault::Replayed)?;
        stream.check(index)?;
        Ok(index)
    }

    /// Whether an index that a packet says itself may pass.
    pub(crate) fn check(&self, ssrc: u32, index: u64) -> Result<(), Fault> {
        let known = self.streams.iter().flatten().find(|known| known.ssrc == ssrc);
        known.map_or(Ok(()), |stream| stream.check(index))
    }

    /// An authentic packet passes; whether its source's mark is to be kept.
    pub(crate) fn pass(&mut self, ssrc: u32, index: u64) -> bool {
        self.packets = self.packets.wrapping_add(1);
        let at = self.packets;
        if let Some(stream) = self.streams.iter_mut().flatten().find(|known| known.ssrc == ssrc) {
            stream.at = at;
            return stream.pass(index);
        }
        self.put(Stream { ssrc, highest: index, passed: 1, at });
        true
    }

    /// Takes a mark up: nothing at or below it passes again.
    pub(crate) fn resume(&mut self, mark: Mark) {
        self.packets = self.packets.wrapping_add(1);
        let highest = mark.index.min(INDEX_MAX);
        self.put(Stream { ssrc: mark.ssrc, highest, passed: u128::MAX, at: self.packets });
    }

    pub(crate) fn marks(&self) -> impl Iterator<Item = Mark> + '_ {
        let streams = self.streams.iter().flatten();
        streams.map(|stream| Mark { ssrc: stream.ssrc, index: stream.highest })
    }

    /// Puts a source into the first free place, else into that of the one unheard for longest.
    fn put(&mut self, stream: Stream) {
        if let Some(place) = self.streams.iter_mut().min_by_key(|place| age(place)) {
            *place = Some(stream);
        }
    }
}

/// When a place was used last; a free one never was.
fn age(place: &Option<Stream>) -> u64 {
    place.as_ref().map_or(0, |known| known.at)
}

impl Stream {
    fn check(&self, index: u64) -> Result<(), Fault> {
        match self.highest.checked_sub(index) {
            None => Ok(()),
            Some(behind) if behind < WINDOW && self.passed >> behind & 1 == 0 => Ok(()),
            Some(_) => Err(Fault::Replayed),
        }
    }

    fn pass(&mut self, index: u64) -> bool {
        match index.checked_sub(self.highest) {
            Some(ahead) => {
                let is_mark_due = index / MARK_EVERY != self.highest / MARK_EVERY;
                self.passed = if ahead < WINDOW { self.passed << ahead } else { 0 } | 1;
                self.highest = index;
                is_mark_due
            }
            None => {
                let behind = self.highest - index;
                self.passed |= if behind < WINDOW { 1 << behind } else { 0 };
                false
            }
        }
    }
}

/// RFC 3711 appendix A: the index that is closest to the highest one; `None` before the first
/// round and beyond the last.
fn guess(highest: u64, sequence: u16) -> Option<u64> {
    const HALF: u16 = 1 << 15;
    // The lower 16 bits, so the cast keeps what is meant.
    let last = highest as u16;
    let ahead = sequence.wrapping_sub(last);
    let is_ahead = ahead < HALF || (ahead == HALF && last < HALF);
    let index = if is_ahead {
        highest + u64::from(ahead)
    } else {
        highest.checked_sub(u64::from(last.wrapping_sub(sequence)))?
    };
    (index <= INDEX_MAX).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::{Mark, Streams, guess};
    use crate::Fault;
    use crate::limits::{INDEX_MAX, MARK_EVERY, STREAMS_MAX, WINDOW};
    use proptest::prelude::*;

    /// The text of RFC 3711, appendix A, with its three cases.
    fn appendix_a(highest: u64, sequence: u16) -> i128 {
        let (roc, last) = (i128::from(highest >> 16), i128::from(highest & 0xffff));
        let sequence = i128::from(sequence);
        let round = if last < 32_768 {
            if sequence - last > 32_768 { roc - 1 } else { roc }
        } else if last - 32_768 > sequence {
            roc + 1
        } else {
            roc
        };
        round * 65_536 + sequence
    }

    proptest! {
        #[test]
        fn the_guess_is_that_of_the_appendix(highest in 0..=INDEX_MAX, sequence: u16) {
            let expected = appendix_a(highest, sequence);
            let in_range = (0..=i128::from(INDEX_MAX)).contains(&expected);
            prop_assert_eq!(
                guess(highest, sequence).map(i128::from),
                in_range.then_some(expected)
            );
        }

        /// A model that remembers every index: the window lets each pass once, unless it is too
        /// old to tell.
        #[test]
        fn nothing_passes_twice(steps in proptest::collection::vec(-300i64..300, 1..400)) {
            let mut streams = Streams::new();
            let (mut seen, mut highest) = (std::collections::BTreeSet::new(), 70_000i64);
            streams.pass(7, 70_000);
            seen.insert(70_000);
            for step in steps {
                let index = highest + step;
                let found = streams.index_of(7, index as u16);
                let is_fresh = !seen.contains(&index) && highest - index < WINDOW as i64;
                prop_assert_eq!(found.is_ok(), is_fresh, "{}", step);
                if let Ok(found) = found {
                    prop_assert_eq!(found as i64, index);
                    streams.pass(7, found);
                    seen.insert(index);
                    highest = highest.max(index);
                }
            }
        }
    }

    #[test]
    fn half_a_round_is_read_as_the_appendix_reads_it() {
        for highest in [0, 1, 32_767, 32_768, 65_535, 65_536, 98_304] {
            for sequence in [0, 1, 32_767, 32_768, 32_769, 65_535] {
                let expected = appendix_a(highest, sequence);
                let expected = u64::try_from(expected).ok();
                assert_eq!(guess(highest, sequence), expected, "{highest} {sequence}");
            }
        }
        assert_eq!(guess(INDEX_MAX, 0), None, "the key has ended");
    }

    #[test]
    fn marks_are_due_at_the_first_packet_and_each_quarter_of_a_round() {
        let mut streams = Streams::new();
        let due: Vec<u64> = (100..70_000).filter(|index| streams.pass(7, *index)).collect();
        let quarters = (1..=4).map(|n| n * MARK_EVERY);
        assert_eq!(due, std::iter::once(100).chain(quarters).collect::<Vec<_>>());
        assert_eq!(streams.marks().collect::<Vec<_>>(), [Mark { ssrc: 7, index: 69_999 }]);
    }

    #[test]
    fn what_is_resumed_passes_from_the_next_index_on() {
        let mut streams = Streams::new();
        streams.resume(Mark { ssrc: 7, index: 3 << 16 | 65_000 });
        assert_eq!(streams.index_of(7, 65_000), Err(Fault::Replayed));
        assert_eq!(streams.index_of(7, 64_999), Err(Fault::Replayed));
        assert_eq!(streams.index_of(7, 65_001), Ok(3 << 16 | 65_001));
        assert_eq!(streams.index_of(7, 5), Ok(4 << 16 | 5), "the next round");
    }

    #[test]
    fn the_source_unheard_for_longest_makes_room() {
        let mut streams = Streams::new();
        for ssrc in 0..STREAMS_MAX as u32 {
            streams.pass(ssrc, 70_000);
        }
        streams.pass(0, 70_001);
        streams.pass(99, 5);
        let known: std::collections::BTreeSet<u32> =
            streams.marks().map(|mark| mark.ssrc).collect();
        assert!(known.contains(&0) && known.contains(&99) && !known.contains(&1));
        assert_eq!(known.len(), STREAMS_MAX);
    }
}
