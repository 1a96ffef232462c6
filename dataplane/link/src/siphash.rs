//! SipHash-2-4 (Aumasson, Bernstein 2012): the keyed hash of tags, branches and nonces.
//!
//! A short keyed MAC, not a general hash: an attacker without the key cannot forge a token of ours
//! nor aim initial requests at one core.

/// A 128-bit key; never logged, never on a wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

fn word(bytes: &[u8]) -> u64 {
    let mut full = [0u8; 8];
    for (to, from) in full.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(full)
}

/// The state behind all of `data`. The hash of 128 bits begins with another word than that of 64.
fn absorbed(key: &Key, data: &[u8], begin: u64) -> [u64; 4] {
    let (low, high) = key.0.split_at(8);
    let (k0, k1) = (word(low), word(high));
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d ^ begin,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut absorb = |m: u64| {
        v[3] ^= m;
        round(&mut v);
        round(&mut v);
        v[0] ^= m;
    };
    let (eights, rest) = data.as_chunks::<8>();
    for eight in eights {
        absorb(u64::from_le_bytes(*eight));
    }
    absorb(word(rest) | ((data.len() as u64) << 56));
    v
}

fn finished(v: &mut [u64; 4]) -> u64 {
    for _ in 0..4 {
        round(v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// The 64-bit hash of `data` under `key`.
#[must_use]
pub fn siphash24(key: &Key, data: &[u8]) -> u64 {
    let mut v = absorbed(key, data, 0);
    v[2] ^= 0xff;
    finished(&mut v)
}

/// The 128-bit hash of `data` under `key`, in two words: two texts that have the same one are not
/// found by who has no key, and not met with by chance.
#[must_use]
pub fn siphash24_wide(key: &Key, data: &[u8]) -> [u64; 2] {
    let mut v = absorbed(key, data, 0xee);
    v[2] ^= 0xee;
    let low = finished(&mut v);
    v[1] ^= 0xdd;
    [low, finished(&mut v)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_vectors() {
        // The first, second, eighth and sixteenth vectors of the paper's reference code.
        let key = Key(core::array::from_fn(|i| i as u8));
        let data: Vec<u8> = (0u8..64).collect();
        for (len, expect) in [
            (0, 0x726f_db47_dd0e_0e31u64),
            (1, 0x74f8_39c5_93dc_67fd),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
        ] {
            assert_eq!(siphash24(&key, &data[..len]), expect, "length {len}");
        }
    }

    #[test]
    fn reference_vectors_of_128_bits() {
        // The first two of the reference code.
        let key = Key(core::array::from_fn(|i| i as u8));
        for (data, expect) in [
            (&[][..], 0x9302_55c7_1472_f66d_e6a8_25ba_047f_81a3_u128),
            (&[0], 0x45fc_229b_1159_7634_44af_996b_d8c1_87da),
        ] {
            let [low, high] = siphash24_wide(&key, data);
            assert_eq!(u128::from(high) << 64 | u128::from(low), expect);
        }
    }
}
