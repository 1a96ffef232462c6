//! SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed MAC.

/// The MAC of `message` under a key of 128 bits.
pub(crate) fn siphash(key: [u64; 2], message: &[u8]) -> u64 {
    let mut state = State::new(key);
    let mut words = message.chunks_exact(8);
    for word in words.by_ref() {
        state.absorb(little_endian(word));
    }
    let length = (message.len() as u64) << 56;
    state.absorb(little_endian(words.remainder()) | length);
    state.finish()
}

/// Up to eight bytes as a number.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    /// The constants spell "somepseudorandomlygeneratedbytes".
    const fn new([k0, k1]: [u64; 2]) -> State {
        State {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }

    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher as _;

    use super::*;

    /// The key 00 01 .. 0f and the messages (), (00), (00 01) ... of the paper's appendix and of
    /// the reference implementation's vectors.
    const KEY: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
    const VECTORS: [u64; 9] = [
        0x726f_db47_dd0e_0e31,
        0x74f8_39c5_93dc_67fd,
        0x0d6c_8009_d9a9_4f5a,
        0x8567_6696_d7fb_7e2d,
        0xcf27_94e0_2771_87b7,
        0x1876_5564_cd99_a68d,
        0xcbc9_466e_58fe_e3ce,
        0xab02_00f5_8b01_d137,
        0x93f5_f579_9a93_2462,
    ];

    #[test]
    fn gives_the_reference_vectors() {
        let message: Vec<u8> = (0..64).collect();
        for (len, expected) in VECTORS.iter().enumerate() {
            assert_eq!(siphash(KEY, &message[..len]), *expected, "{len}");
        }
        assert_eq!(siphash(KEY, &message[..15]), 0xa129_ca61_49be_45e5);
    }

    #[test]
    #[expect(deprecated, reason = "the library's SipHash-2-4 is an oracle here, nothing else")]
    fn agrees_with_the_standard_library() {
        let message: Vec<u8> = (0..200).map(|n: u32| (n * 37) as u8).collect();
        for len in 0..message.len() {
            let mut oracle = std::hash::SipHasher::new_with_keys(KEY[1], KEY[0]);
            oracle.write(&message[..len]);
            assert_eq!(siphash([KEY[1], KEY[0]], &message[..len]), oracle.finish(), "{len}");
        }
    }
}
