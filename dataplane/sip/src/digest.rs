//! Digest authentication, RFC 3261 22 with RFC 7616 and RFC 8760: MD5 and SHA-256, `qop=auth` or
//! none, and both with a session key (`MD5-sess`, `SHA-256-sess`) where there is a `qop`. Both
//! sides: [`Credentials`] against a stored [`Ha1`] with self-validating [`Nonces`], and the answer
//! to a peer's [`Challenge`].
//!
//! Passwords never stand here longer than it takes to make an [`Ha1`]; comparisons do not stop at
//! the first difference.

mod challenge;
mod credentials;
mod nonce;
mod param;

pub use challenge::{Challenge, Identity, Request, next_nonce, write_challenge};
pub use credentials::{Check, Credentials};
pub use nonce::{NONCE_LEN, Nonces, Verdict};

use md5::Md5;
use sha2::Sha256;

/// A hash algorithm of digest authentication.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// MD5: for old phones only.
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// The algorithm called `name`, and whether it is the kind with a session key.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<(Algorithm, bool)> {
        [Algorithm::Md5, Algorithm::Sha256]
            .into_iter()
            .flat_map(|algorithm| [(algorithm, false), (algorithm, true)])
            .find(|(algorithm, session)| {
                name.eq_ignore_ascii_case(algorithm.name_of(*session).as_bytes())
            })
    }

    /// The name on the wire of either kind.
    #[must_use]
    pub const fn name_of(self, session: bool) -> &'static str {
        match (self, session) {
            (_, false) => self.name(),
            (Algorithm::Md5, true) => "MD5-sess",
            (Algorithm::Sha256, true) => "SHA-256-sess",
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Hexadecimal digits of one hash.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self {
            Algorithm::Md5 => 32,
            Algorithm::Sha256 => 64,
        }
    }

    /// The hash of `parts` with a colon between them, in lower-case hexadecimal.
    fn hash(self, parts: &[&[u8]]) -> HexHash {
        match self {
            Algorithm::Md5 => HexHash::of(self, &joined::<Md5>(parts)),
            Algorithm::Sha256 => HexHash::of(self, &joined::<Sha256>(parts)),
        }
    }
}

fn joined<D: md5::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

/// A hash in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct HexHash {
    digits: [u8; 64],
    len: usize,
}

impl HexHash {
    fn of(algorithm: Algorithm, bytes: &[u8]) -> HexHash {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut hash = HexHash { digits: [b'0'; 64], len: algorithm.hex_len() };
        for (pair, byte) in hash.digits.chunks_exact_mut(2).zip(bytes) {
            for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            }
        }
        hash
    }

    fn text(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

/// `H(username:realm:password)`: what a store keeps instead of the password, for one algorithm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hash: HexHash,
}

impl Ha1 {
    /// Computes it from a password.
    #[must_use]
    pub fn compute(algorithm: Algorithm, username: &[u8], realm: &[u8], password: &[u8]) -> Ha1 {
        Ha1 { algorithm, hash: algorithm.hash(&[username, realm, password]) }
    }

    /// Takes a stored one, in hexadecimal of either case; `None` when it is none of `algorithm`.
    #[must_use]
    pub fn from_hex(algorithm: Algorithm, text: &[u8]) -> Option<Ha1> {
        if text.len() != algorithm.hex_len() || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut hash = HexHash { digits: [b'0'; 64], len: text.len() };
        for (digit, byte) in hash.digits.iter_mut().zip(text) {
            *digit = byte.to_ascii_lowercase();
        }
        Some(Ha1 { algorithm, hash })
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Lower-case hexadecimal, to be stored.
    #[must_use]
    pub fn hex(&self) -> &[u8] {
        self.hash.text()
    }
}

/// Never shows the hash: it is as good as the password.
impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ha1").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What goes into the `response` of a request without its HA1.
#[derive(Clone, Copy)]
struct Proof<'a> {
    method: &'a [u8],
    uri: &'a [u8],
    nonce: &'a [u8],
    /// nc and cnonce, with `qop=auth`.
    count: Option<(&'a [u8], &'a [u8])>,
    /// HA1 is made into a session key first; only with a cnonce.
    session: bool,
}

impl Proof<'_> {
    /// The `response`, RFC 7616 3.4.1; without qop that of RFC 2069.
    fn response(self, ha1: &Ha1) -> HexHash {
        let algorithm = ha1.algorithm;
        let ha2 = algorithm.hash(&[self.method, self.uri]);
        match self.count {
            Some((nc, cnonce)) if self.session => {
                let key = algorithm.hash(&[ha1.hex(), self.nonce, cnonce]);
                algorithm.hash(&[key.text(), self.nonce, nc, cnonce, b"auth", ha2.text()])
            }
            Some((nc, cnonce)) => {
                algorithm.hash(&[ha1.hex(), self.nonce, nc, cnonce, b"auth", ha2.text()])
            }
            None => algorithm.hash(&[ha1.hex(), self.nonce, ha2.text()]),
        }
    }
}

/// Whether both are equal, in a time that depends on their lengths only.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

#[cfg(test)]
mod tests;
