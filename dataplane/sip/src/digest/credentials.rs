//! Authorization and Proxy-Authorization, the server's side.

use super::{Algorithm, Ha1, Proof, param, same_secret};
use crate::lex;

/// Digest credentials of a request. Values as between their quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credentials<'a> {
    /// Who claims to ask.
    pub username: &'a [u8],
    /// For which realm.
    pub realm: &'a [u8],
    /// Our nonce.
    pub nonce: &'a [u8],
    /// The `uri` that was hashed; proxies may have changed the Request-URI since.
    pub uri: &'a [u8],
    /// The algorithm; MD5 when none is named.
    pub algorithm: Algorithm,
    /// Whether HA1 is made into a session key first (`-sess`); never without `qop`.
    pub session: bool,
    response: &'a [u8],
    count: Option<Count<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Count<'a> {
    nc: &'a [u8],
    cnonce: &'a [u8],
}

/// What a verification says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Check {
    /// Whoever sent it knows the password.
    Match,
    /// It does not.
    Mismatch,
}

#[derive(Default)]
struct Found<'a> {
    username: Option<&'a [u8]>,
    realm: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
    uri: Option<&'a [u8]>,
    response: Option<&'a [u8]>,
    algorithm: Option<&'a [u8]>,
    qop: Option<&'a [u8]>,
    nc: Option<&'a [u8]>,
    cnonce: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    fn take(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        let places = [
            (b"username".as_slice(), &mut self.username),
            (b"realm", &mut self.realm),
            (b"nonce", &mut self.nonce),
            (b"uri", &mut self.uri),
            (b"response", &mut self.response),
            (b"algorithm", &mut self.algorithm),
            (b"qop", &mut self.qop),
            (b"nc", &mut self.nc),
            (b"cnonce", &mut self.cnonce),
        ];
        let place = places.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        place.is_none_or(|(_, place)| param::once(place, value))
    }
}

impl<'a> Credentials<'a> {
    /// All of one Authorization or Proxy-Authorization value; `None` for another scheme, an
    /// unknown algorithm or qop, and whatever is malformed.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Credentials<'a>> {
        let mut found = Found::default();
        param::each(value, |name, value| found.take(name, value)).then_some(())?;
        let named = found.algorithm.map_or(Some((Algorithm::Md5, false)), Algorithm::parse);
        let (algorithm, session) = named?;
        let count = match found.qop {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {
                let nc = found.nc.filter(|nc| nc.len() == 8)?;
                nc.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                Some(Count { nc, cnonce: found.cnonce? })
            }
            Some(_) => return None,
        };
        if session && count.is_none() {
            return None;
        }
        Some(Credentials {
            username: found.username?,
            realm: found.realm?,
            nonce: found.nonce?,
            uri: found.uri?,
            algorithm,
            session,
            response: found.response?,
            count,
        })
    }

    /// The nonce count of `qop=auth`.
    #[must_use]
    pub fn nonce_count(&self) -> Option<u32> {
        let count = self.count?;
        count.nc.iter().try_fold(0u32, |n, b| Some(n << 4 | u32::from(lex::hex(*b)?)))
    }

    /// The client's nonce of `qop=auth`.
    #[must_use]
    pub fn client_nonce(&self) -> Option<&'a [u8]> {
        self.count.map(|count| count.cnonce)
    }

    /// The `response` as sent, in hexadecimal.
    #[must_use]
    pub const fn response(&self) -> &'a [u8] {
        self.response
    }

    /// The nonce count as sent, eight hexadecimal digits, with `qop=auth`.
    #[must_use]
    pub fn nonce_count_text(&self) -> Option<&'a [u8]> {
        self.count.map(|count| count.nc)
    }

    /// Whether they prove knowledge of `ha1` for a request of `method`. The nonce is judged apart.
    #[must_use]
    pub fn verify(&self, ha1: &Ha1, method: &[u8]) -> Check {
        let count = self.count.map(|count| (count.nc, count.cnonce));
        let Credentials { uri, nonce, session, .. } = *self;
        let proof = Proof { method, uri, nonce, count, session };
        let expected = proof.response(ha1);
        let same = same_secret(&self.response.to_ascii_lowercase(), expected.text());
        if same && ha1.algorithm() == self.algorithm { Check::Match } else { Check::Mismatch }
    }
}
