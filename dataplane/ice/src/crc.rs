//! CRC-32 as FINGERPRINT wants it (RFC 8489 14.7: ITU V.42).

/// By the four bits that leave.
const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut at = 0;
    while at < 16 {
        let mut bits = at as u32;
        let mut round = 0;
        while round < 4 {
            bits = if bits & 1 == 1 { 0xedb8_8320 ^ bits >> 1 } else { bits >> 1 };
            round += 1;
        }
        table[at] = bits;
        at += 1;
    }
    table
};

fn four(sum: u32, bits: u8) -> u32 {
    let place = (sum ^ u32::from(bits)) & 0xf;
    TABLE.get(place as usize).copied().unwrap_or_default() ^ sum >> 4
}

/// The sum of all octets.
pub(crate) fn crc32<'a>(octets: impl Iterator<Item = &'a u8>) -> u32 {
    !octets.fold(u32::MAX, |sum, octet| four(four(sum, *octet), octet >> 4))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_the_polynomial() {
        assert_eq!(super::crc32(b"123456789".iter()), 0xcbf4_3926);
        assert_eq!(super::crc32([].iter()), 0);
    }
}
