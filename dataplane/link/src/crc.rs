//! CRC-32C (Castagnoli), the check of journal frames, segment headers and slot bodies.
//!
//! Reflected polynomial 0x82F63B78, start and final XOR of all ones, as in iSCSI (RFC 3720 B.4,
//! whose vectors are the tests). Eight table look-ups take eight bytes; no unsafe code, no special
//! instruction, so the same result everywhere.

/// Reflected Castagnoli polynomial.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// `TABLES[k][b]`: the effect of byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

/// A CRC-32C over bytes that come in pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crc32c(u32);

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

impl Crc32c {
    /// Over no bytes yet.
    #[must_use]
    pub const fn new() -> Crc32c {
        Crc32c(!0)
    }

    /// As [`Crc32c::new`], but started from a secret: a stranger cannot compute a matching check.
    #[must_use]
    pub const fn salted(salt: u32) -> Crc32c {
        Crc32c(!salt)
    }

    /// Continued over `bytes`.
    #[must_use]
    pub fn update(self, bytes: &[u8]) -> Crc32c {
        let (eights, rest) = bytes.as_chunks::<8>();
        let crc = eights.iter().fold(self.0, |crc, eight| step_eight(crc, *eight));
        Crc32c(rest.iter().fold(crc, |crc, byte| (crc >> 8) ^ table(0, crc as u8 ^ byte)))
    }

    /// The check value.
    #[must_use]
    pub const fn finish(self) -> u32 {
        !self.0
    }
}

/// CRC-32C of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    Crc32c::new().update(bytes).finish()
}

fn step_eight(crc: u32, eight: [u8; 8]) -> u32 {
    let [a, b, c, d, e, f, g, h] = eight;
    let [p, q, r, s] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
    table(7, p)
        ^ table(6, q)
        ^ table(5, r)
        ^ table(4, s)
        ^ table(3, e)
        ^ table(2, f)
        ^ table(1, g)
        ^ table(0, h)
}

/// Cannot fail: `k` is below 8 in each call here, a byte below 256.
fn table(k: usize, byte: u8) -> u32 {
    TABLES[k & 7][usize::from(byte)]
}

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::{Crc32c, POLYNOMIAL, crc32c};

    #[test]
    fn reference_vectors() {
        // RFC 3720 B.4, the check values read as little-endian numbers, and the usual "123456789".
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        let read_pdu: [u8; 48] = [
            0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0,
            0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
        ];
        let vectors: [(&[u8], u32); 7] = [
            (b"", 0),
            (b"123456789", 0xE306_9283),
            (&[0; 32], 0x8A91_36AA),
            (&[0xFF; 32], 0x62A8_AB43),
            (&rising, 0x46DD_794E),
            (&falling, 0x113F_DB5C),
            (&read_pdu, 0xD996_3A56),
        ];
        for (bytes, expected) in vectors {
            assert_eq!(crc32c(bytes), expected, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn equals_the_bitwise_definition_however_it_is_cut() {
        let bytes: Vec<u8> =
            (0..300u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut bitwise = !0u32;
        for byte in &bytes {
            bitwise ^= u32::from(*byte);
            for _ in 0..8 {
                bitwise = if bitwise & 1 == 1 { (bitwise >> 1) ^ POLYNOMIAL } else { bitwise >> 1 };
            }
        }
        for cut in 0..bytes.len() {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(Crc32c::new().update(left).update(right).finish(), !bitwise, "cut {cut}");
        }
    }

    #[test]
    fn a_salt_changes_the_check() {
        let salted = Crc32c::salted(7).update(b"frame").finish();
        assert_ne!(salted, crc32c(b"frame"));
        assert_eq!(Crc32c::salted(0).update(b"frame").finish(), crc32c(b"frame"));
    }
}
