//! Credentials that we show to a peer: what it challenged, and how often each nonce was used.

use strowger_link::Secret;
use strowger_link::codec::{Malformed, Reader, Wire};

use super::config::Chance;
use super::image;
use crate::digest::{Challenge, Identity, Request, next_nonce};
use crate::header::Header;
use crate::limits::{AUTH_TRIES_MAX, CHALLENGES_MAX, SHOWN_MAX};
use crate::message::Message;

/// A challenge that we answer.
#[derive(Clone, PartialEq, Debug)]
struct Known {
    /// Where the answer goes: Authorization or Proxy-Authorization.
    header: Header,
    /// The challenge's value.
    challenge: Box<[u8]>,
    /// How often its nonce was answered.
    count: u32,
    /// It challenged the very request that goes out again.
    fresh: bool,
}

impl Known {
    /// Whether this is the challenge of the same server or proxy.
    fn is_of(&self, header: Header, realm: &[u8]) -> bool {
        let realm_of = |value| Challenge::parse(value).map(|challenge| challenge.realm);
        self.header == header && realm_of(&self.challenge) == Some(realm)
    }

    /// Whether the answer to this one was not accepted: asked again within the same request, or by
    /// the same nonce, unless only the nonce was too old. `tries` times it was asked before.
    fn is_refused_by(&self, asked: &Challenge<'_>, tries: u8) -> bool {
        // RFC 8760 2.3: a peer may turn out to want another algorithm, once.
        let other = |old: Challenge<'_>| old.algorithm != asked.algorithm;
        if tries <= 1 && Challenge::parse(&self.challenge).is_some_and(other) {
            return false;
        }
        let same = Challenge::parse(&self.challenge).is_some_and(|old| old.nonce == asked.nonce);
        !asked.stale && (self.fresh || (same && self.count > 0))
    }
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unanswered {
    /// It is none.
    NotChallenged,
    /// There is no password.
    NoSecret,
    /// Another realm than the password's, or nothing that we speak.
    Foreign,
    /// The password is wrong, or nonces grow old faster than we answer.
    Refused,
}

/// The credentials of one leg, or of one registration.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Wallet {
    secret: Option<Secret>,
    known: Vec<Known>,
}

/// A field to be written.
pub(crate) type Line = (Header, Vec<u8>);

impl Wallet {
    pub(crate) fn new(secret: Option<Secret>) -> Wallet {
        Wallet { secret, known: Vec::new() }
    }

    /// Takes the challenges of a 401 or 407 to a request that was challenged `tries` times before;
    /// whether to send it again.
    pub(crate) fn learn(&mut self, response: Message<'_>, status: u16, tries: u8) -> bool {
        self.try_learn(response, status, tries).is_ok()
    }

    /// As [`Wallet::learn`], with the reason.
    ///
    /// # Errors
    /// Why the request must not be sent again; nothing is learned then.
    pub(crate) fn try_learn(
        &mut self,
        response: Message<'_>,
        status: u16,
        tries: u8,
    ) -> Result<(), Unanswered> {
        if !matches!(status, 401 | 407) {
            return Err(Unanswered::NotChallenged);
        }
        let Some(secret) = &self.secret else { return Err(Unanswered::NoSecret) };
        let asked = challenges(response, &secret.realm);
        if asked.is_empty() {
            return Err(Unanswered::Foreign);
        }
        if tries == 0 {
            self.known.iter_mut().for_each(|known| known.fresh = false);
        }
        let refused = |(header, asked): &(Header, Challenge<'_>)| {
            let mut known = self.known.iter().filter(|known| known.is_of(*header, asked.realm));
            known.any(|known| known.is_refused_by(asked, tries))
        };
        if tries >= AUTH_TRIES_MAX || asked.iter().any(refused) {
            return Err(Unanswered::Refused);
        }
        for (header, asked) in asked {
            self.known.retain(|known| !known.is_of(header, asked.realm));
            if self.known.len() >= SHOWN_MAX {
                // The oldest: who challenged last wants its answer now.
                self.known.remove(0);
            }
            let challenge = asked.value.into();
            self.known.push(Known { header, challenge, count: 0, fresh: true });
        }
        Ok(())
    }

    /// Takes the nonce that a server gives ahead with its 2xx (RFC 3261 20.6); whether it did. It
    /// has no realm, so it means the only server known.
    pub(crate) fn note(&mut self, response: Message<'_>) -> bool {
        let next = response.value(Header::AuthenticationInfo).and_then(next_nonce);
        let mut servers = self.known.iter_mut().filter(|k| k.header == Header::Authorization);
        let (Some(nonce), Some(known), None) = (next, servers.next(), servers.next()) else {
            return false;
        };
        let renewed = Challenge::parse(&known.challenge).map(|old| old.renewed(nonce));
        // Only what can be read again is kept.
        let Some(value) = renewed.filter(|value| Challenge::parse(value).is_some()) else {
            return false;
        };
        (known.challenge, known.count, known.fresh) = (value.into(), 0, false);
        true
    }

    /// The fields that a request needs; none before the first challenge.
    pub(crate) fn lines(&mut self, method: &str, uri: &[u8], chance: &mut Chance) -> Vec<Line> {
        let Some(secret) = &self.secret else { return Vec::new() };
        let mut lines = Vec::new();
        for known in &mut self.known {
            let Some(challenge) = Challenge::parse(&known.challenge) else { continue };
            known.count = known.count.saturating_add(1);
            let identity = Identity {
                username: secret.username.as_bytes(),
                password: secret.password.as_bytes(),
            };
            let request = Request { method: method.as_bytes(), uri };
            let cnonce = format!("{:016x}", chance.next());
            let mut value = Vec::new();
            challenge.answer(identity, request, cnonce.as_bytes(), known.count, &mut value);
            lines.push((known.header, value));
        }
        lines
    }

    /// Goes on behind all counts that may have been used since the image was taken.
    pub(crate) fn skip(&mut self, step: u32) {
        for known in &mut self.known {
            known.count = known.count.saturating_add(step);
        }
    }
}

#[cfg(test)]
impl Wallet {
    pub(super) fn without_counts(&self) -> Wallet {
        let mut wallet = self.clone();
        wallet.known.iter_mut().for_each(|known| known.count = 0);
        wallet
    }
}

impl Wire for Wallet {
    fn put(&self, out: &mut Vec<u8>) {
        self.secret.put(out);
        image::put_len(self.known.len(), out);
        for known in &self.known {
            image::put_shown(known.header, out);
            image::put_bytes(&known.challenge, out);
            known.count.put(out);
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Wallet, Malformed> {
        let secret = Wire::take(input)?;
        let known = image::take_list(input, SHOWN_MAX, |input| {
            Ok(Known {
                header: image::take_shown(input)?,
                challenge: image::take_bytes(input)?,
                count: u32::take(input)?,
                fresh: false,
            })
        })?;
        Ok(Wallet { secret, known })
    }
}

/// What a response asks for, with the field that answers it: of each realm the best challenge. A
/// proxy's stands beside a server's when a forking proxy has put both together (RFC 3261 22.3).
fn challenges<'a>(response: Message<'a>, realm: &str) -> Vec<(Header, Challenge<'a>)> {
    let sides = [
        (Header::WwwAuthenticate, Header::Authorization),
        (Header::ProxyAuthenticate, Header::ProxyAuthorization),
    ];
    let values = sides.into_iter().flat_map(|(asked, answer)| {
        response.values(asked).filter_map(move |value| Some((answer, Challenge::parse(value)?)))
    });
    let ours = |challenge: &Challenge<'_>| realm.is_empty() || challenge.realm == realm.as_bytes();
    let mut found: Vec<(Header, Challenge<'a>)> = Vec::new();
    for (header, asked) in values.filter(|(_, asked)| ours(asked)).take(CHALLENGES_MAX) {
        let at = found.iter().position(|(h, other)| (*h, other.realm) == (header, asked.realm));
        let Some(place) = at.and_then(|at| found.get_mut(at)) else {
            if found.len() < SHOWN_MAX {
                found.push((header, asked));
            }
            continue;
        };
        if asked.is_better_than(&place.1) {
            *place = (header, asked);
        }
    }
    found
}
