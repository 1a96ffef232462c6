//! Which connection of which life of which shard: the flow token of RFC 5626, as a word.

/// Connections of one shard at once, at most.
pub const CONNECTIONS_MAX: u32 = 1 << PLACE_BITS;

const EPOCH_BITS: u32 = 16;
const SHARD_BITS: u32 = 8;
const PLACE_BITS: u32 = 20;
const LIFE_BITS: u32 = 20;
const _: () = assert!(EPOCH_BITS + SHARD_BITS + PLACE_BITS + LIFE_BITS == u64::BITS);

/// One connection of one life of one shard. It names the connection for as long as that is open,
/// and nothing ever after: the place is used again, under another life.
///
/// As a word: `epoch:16 shard:8 place:20 life:20`. Never 0, which stands for "no connection" in
/// [`RegisterAsk::flow`](crate::RegisterAsk::flow) and [`Target::flow`](crate::Target::flow).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowToken {
    /// Life of the shard's process, [`FlowEpoch::epoch`].
    pub epoch: u16,
    /// Shard.
    pub shard: u8,
    /// The connection's place, below [`CONNECTIONS_MAX`].
    pub place: u32,
    /// Which connection in that place it is, counted from 1 to [`FlowToken::LIFE_MAX`], then anew.
    pub life: u32,
}

impl FlowToken {
    /// The last life of a place before they are counted anew.
    pub const LIFE_MAX: u32 = (1 << LIFE_BITS) - 1;

    /// The word; `None` when a part is out of its bounds.
    #[must_use]
    pub fn to_word(self) -> Option<u64> {
        let FlowToken { epoch, shard, place, life } = self;
        if place >= CONNECTIONS_MAX || life == 0 || life > FlowToken::LIFE_MAX {
            return None;
        }
        let upper = u64::from(epoch) << SHARD_BITS | u64::from(shard);
        Some((upper << PLACE_BITS | u64::from(place)) << LIFE_BITS | u64::from(life))
    }

    /// The connection that a word names; `None` for a word that names none.
    #[must_use]
    pub fn from_word(word: u64) -> Option<FlowToken> {
        let part = |shift: u32, bits: u32| word >> shift & ((1 << bits) - 1);
        let token = FlowToken {
            epoch: u16::try_from(part(64 - EPOCH_BITS, EPOCH_BITS)).ok()?,
            shard: u8::try_from(part(PLACE_BITS + LIFE_BITS, SHARD_BITS)).ok()?,
            place: u32::try_from(part(LIFE_BITS, PLACE_BITS)).ok()?,
            life: u32::try_from(part(0, LIFE_BITS)).ok()?,
        };
        (token.life != 0).then_some(token)
    }
}

/// What marks the way to another shard in the place of a flow.
const SHARD_WAY: u64 = 1 << 63;
const SHARD_SHIFT: u32 = PLACE_BITS + LIFE_BITS;

/// The way to another shard of the same process, as a word in the place of a flow. It has no life,
/// so it names no connection.
#[must_use]
pub fn way_to_shard(shard: u8) -> u64 {
    SHARD_WAY | u64::from(shard) << SHARD_SHIFT
}

/// The shard that a word is the way to; `None` for any other word.
#[must_use]
pub fn shard_of_way(word: u64) -> Option<u8> {
    let shard = u8::try_from(word >> SHARD_SHIFT & 0xff).ok()?;
    (way_to_shard(shard) == word).then_some(shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_and_back() {
        for (token, word) in [
            (FlowToken { epoch: 0, shard: 0, place: 0, life: 1 }, 1),
            (FlowToken { epoch: 0x1234, shard: 0x56, place: 0x789ab, life: 0xcdef1 }, {
                0x1234_5678_9abc_def1
            }),
            (
                FlowToken {
                    epoch: u16::MAX,
                    shard: u8::MAX,
                    place: CONNECTIONS_MAX - 1,
                    life: FlowToken::LIFE_MAX,
                },
                u64::MAX,
            ),
        ] {
            assert_eq!(token.to_word(), Some(word), "{token:?}");
            assert_eq!(FlowToken::from_word(word), Some(token));
        }
    }

    #[test]
    fn the_way_to_a_shard_is_no_connection() {
        for shard in [0, 1, 31, u8::MAX] {
            let word = way_to_shard(shard);
            assert_eq!((shard_of_way(word), FlowToken::from_word(word)), (Some(shard), None));
            for other in [word | 1, word ^ 1 << 62, word ^ SHARD_WAY, word | 1 << 20] {
                assert_eq!(shard_of_way(other), None, "{other:#x}");
            }
        }
        assert_eq!(shard_of_way(0), None);
    }

    #[test]
    fn what_names_no_connection_is_no_word_and_no_token() {
        let one = FlowToken { epoch: 1, shard: 0, place: 2, life: 3 };
        for wrong in [
            FlowToken { life: 0, ..one },
            FlowToken { life: FlowToken::LIFE_MAX + 1, ..one },
            FlowToken { place: CONNECTIONS_MAX, ..one },
        ] {
            assert_eq!(wrong.to_word(), None, "{wrong:?}");
        }
        for word in [0, 0x1234_5678_9ab0_0000] {
            assert_eq!(FlowToken::from_word(word), None, "{word:#x}");
        }
    }
}
