//! WWW-Authenticate and Proxy-Authenticate: reading and answering those of a peer, writing ours.

use super::{Algorithm, Ha1, Proof, param};
use crate::lex;

/// Hexadecimal digits of the client's nonce of a session.
const SESSION_CNONCE_LEN: usize = 16;

/// A Digest challenge that can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Challenge<'a> {
    /// All of it, as it stands in the message.
    pub value: &'a [u8],
    /// The realm, as between its quotes.
    pub realm: &'a [u8],
    /// The nonce, as between its quotes.
    pub nonce: &'a [u8],
    /// The algorithm; MD5 when none is named.
    pub algorithm: Algorithm,
    /// Whether it wants a session key (`-sess`); never without `qop`.
    pub session: bool,
    /// Whether only the nonce was too old.
    pub stale: bool,
    names_algorithm: bool,
    opaque: Option<&'a [u8]>,
    /// Whether `qop` offers `auth`.
    auth: bool,
}

#[derive(Default)]
struct Found<'a> {
    realm: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
    algorithm: Option<&'a [u8]>,
    opaque: Option<&'a [u8]>,
    qop: Option<&'a [u8]>,
    stale: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    fn take(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        let places = [
            (b"realm".as_slice(), &mut self.realm),
            (b"nonce", &mut self.nonce),
            (b"algorithm", &mut self.algorithm),
            (b"opaque", &mut self.opaque),
            (b"qop", &mut self.qop),
            (b"stale", &mut self.stale),
        ];
        let place = places.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        place.is_none_or(|(_, place)| param::once(place, value))
    }
}

/// Who answers a challenge.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The name.
    pub username: &'a [u8],
    /// The password; HA1 is made of it with the realm of the challenge.
    pub password: &'a [u8],
}

/// Never shows the password.
impl std::fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// The request that carries an answer.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method as written.
    pub method: &'a [u8],
    /// Its Request-URI as written.
    pub uri: &'a [u8],
}

impl<'a> Challenge<'a> {
    /// All of one field's value; `None` for another scheme, an algorithm or qop that we do not
    /// speak, and whatever is malformed.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Challenge<'a>> {
        let mut found = Found::default();
        param::each(value, |name, value| found.take(name, value)).then_some(())?;
        let auth = |qop: &[u8]| {
            qop.split(|b| *b == b',').any(|q| lex::trim(q).eq_ignore_ascii_case(b"auth"))
        };
        if found.qop.is_some_and(|qop| !auth(qop)) {
            return None;
        }
        let named = found.algorithm.map_or(Some((Algorithm::Md5, false)), Algorithm::parse);
        let (algorithm, session) = named.filter(|(_, session)| !session || found.qop.is_some())?;
        Some(Challenge {
            value,
            realm: found.realm?,
            nonce: found.nonce?,
            algorithm,
            session,
            stale: found.stale.is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
            names_algorithm: found.algorithm.is_some(),
            opaque: found.opaque,
            auth: found.qop.is_some(),
        })
    }

    /// Whether this is to be answered rather than `other`, which stands above it. RFC 8760 2.4
    /// lets a local policy overrule the server's order: ours is the stronger hash, and of equals
    /// the one without a session key.
    #[must_use]
    pub fn is_better_than(&self, other: &Challenge<'_>) -> bool {
        let rank = |of: &Challenge<'_>| (of.algorithm == Algorithm::Sha256, !of.session);
        rank(self) > rank(other)
    }

    /// Writes the same challenge with another nonce, which a server gave ahead (`nextnonce`).
    #[must_use]
    pub fn renewed(&self, nonce: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut raw = |name: &str, value: &[u8]| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value);
        };
        raw("Digest realm=\"", self.realm);
        raw("\",nonce=\"", nonce);
        raw("\"", b"");
        if self.names_algorithm {
            raw(",algorithm=", self.algorithm.name_of(self.session).as_bytes());
        }
        if self.auth {
            raw(",qop=\"auth\"", b"");
        }
        if let Some(opaque) = self.opaque {
            raw(",opaque=\"", opaque);
            raw("\"", b"");
        }
        out
    }

    /// Writes the value of Authorization or Proxy-Authorization. `cnonce` must be new and hard to
    /// guess; `count` is how often this nonce has been answered, this time included.
    ///
    /// With a session key `cnonce` is not used: the key is made once for each nonce (RFC 7616
    /// 3.4.2), so its own is the same for all answers to one nonce, and known to nobody else.
    pub fn answer(
        &self,
        identity: Identity<'_>,
        request: Request<'_>,
        cnonce: &[u8],
        count: u32,
        out: &mut Vec<u8>,
    ) {
        let nc = format!("{count:08x}");
        let Identity { username, password } = identity;
        let ha1 = Ha1::compute(self.algorithm, username, self.realm, password);
        let of_session = self.algorithm.hash(&[ha1.hex(), self.nonce, b"cnonce"]);
        let of_session = of_session.text().get(..SESSION_CNONCE_LEN).unwrap_or_default();
        let cnonce = if self.session { of_session } else { cnonce };
        let proof = Proof {
            method: request.method,
            uri: request.uri,
            nonce: self.nonce,
            count: self.auth.then_some((nc.as_bytes(), cnonce)),
            session: self.session,
        };
        let response = proof.response(&ha1);
        out.extend_from_slice(b"Digest username=");
        param::write_quoted(out, username);
        let mut raw = |name: &str, value: &[u8]| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value);
        };
        raw(",realm=\"", self.realm);
        raw("\",nonce=\"", self.nonce);
        raw("\",uri=\"", request.uri);
        raw("\",response=\"", response.text());
        raw("\"", b"");
        if self.names_algorithm {
            raw(",algorithm=", self.algorithm.name_of(self.session).as_bytes());
        }
        if self.auth {
            raw(",qop=auth,nc=", nc.as_bytes());
            raw(",cnonce=\"", cnonce);
            raw("\"", b"");
        }
        if let Some(opaque) = self.opaque {
            raw(",opaque=\"", opaque);
            raw("\"", b"");
        }
    }
}

/// The `nextnonce` of an Authentication-Info value, as between its quotes.
#[must_use]
pub fn next_nonce(value: &[u8]) -> Option<&[u8]> {
    let mut nonce = None;
    let take = |name: &[u8], value| {
        !name.eq_ignore_ascii_case(b"nextnonce") || param::once(&mut nonce, value)
    };
    param::list(lex::Cursor::new(value), take).then_some(nonce).flatten()
}

/// Writes the value of one of our own challenges, always with `qop="auth"`.
pub fn write_challenge(
    out: &mut Vec<u8>,
    realm: &[u8],
    nonce: &[u8],
    algorithm: Algorithm,
    stale: bool,
) {
    out.extend_from_slice(b"Digest realm=");
    param::write_quoted(out, realm);
    out.extend_from_slice(b",nonce=");
    param::write_quoted(out, nonce);
    out.extend_from_slice(b",algorithm=");
    out.extend_from_slice(algorithm.name().as_bytes());
    out.extend_from_slice(b",qop=\"auth\"");
    if stale {
        out.extend_from_slice(b",stale=true");
    }
}
