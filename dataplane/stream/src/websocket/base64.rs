//! Base64 of fixed short lengths (RFC 4648 4): the key of an upgrade and its proof.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Letters of three bytes or fewer, padded.
pub(crate) fn encode_group(group: &[u8]) -> [u8; 4] {
    let byte = |n: usize| u32::from(group.get(n).copied().unwrap_or(0));
    let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
    std::array::from_fn(|n| {
        if n > group.len() {
            return b'=';
        }
        let six = (bits >> (18 - 6 * n)) & 63;
        LETTERS.get(six as usize).copied().unwrap_or(b'=')
    })
}

/// `bytes` in base64, `N` letters long: four for each three bytes begun.
pub(super) fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [b'='; N];
    for (to, group) in out.chunks_mut(4).zip(bytes.chunks(3)) {
        to.iter_mut().zip(encode_group(group)).for_each(|(to, from)| *to = from);
    }
    out
}

/// Whether `text` is the base64 of 16 bytes, as a key must be (RFC 6455 4.2.1).
pub(super) fn is_of_16_bytes(text: &[u8]) -> bool {
    let Some((letters, b"==")) = text.split_at_checked(22) else { return false };
    letters.iter().all(|letter| LETTERS.contains(letter))
        // The last letter has two bits; the others are zero.
        && matches!(letters.last(), Some(b'A' | b'Q' | b'g' | b'w'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_rfc_4648() {
        assert_eq!(&encode::<4>(b"f"), b"Zg==");
        assert_eq!(&encode::<4>(b"fo"), b"Zm8=");
        assert_eq!(&encode::<4>(b"foo"), b"Zm9v");
        assert_eq!(&encode::<8>(b"fooba"), b"Zm9vYmE=");
        assert_eq!(&encode::<8>(b"foobar"), b"Zm9vYmFy");
    }

    #[test]
    fn only_sixteen_bytes_are_a_key() {
        assert!(is_of_16_bytes(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(is_of_16_bytes(&encode::<24>(&[255; 16])));
        for text in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZR==", "=="] {
            assert!(!is_of_16_bytes(text.as_bytes()), "{text}");
        }
        assert!(
            !is_of_16_bytes(&encode::<24>(&[0; 17]))
                && !is_of_16_bytes(b"dGhlIHNhbXBsZ-Bub25jZQ==")
        );
    }
}
