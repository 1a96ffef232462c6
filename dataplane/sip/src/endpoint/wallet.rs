//! Credentials that we show to a peer: what it challenged, and how often each nonce was used.

use strowger_link::Secret;
use strowger_link::codec::{Malformed, Reader, Wire};

use super::config::Chance;
use super::image;
use crate::digest::{Challenge, Identity, Request};
use crate::header::Header;
use crate::limits::{AUTH_TRIES_MAX, SHOWN_MAX};
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
}

/// The credentials of one leg.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Wallet {
    secret: Option<Secret>,
    known: Vec<Known>,
}

/// A field to be written.
pub(super) type Line = (Header, Vec<u8>);

impl Wallet {
    pub(super) fn new(secret: Option<Secret>) -> Wallet {
        Wallet { secret, known: Vec::new() }
    }

    /// Takes the challenge of a 401 or 407 to a request that was challenged `tries` times before;
    /// whether to send it again.
    pub(super) fn learn(&mut self, response: Message<'_>, status: u16, tries: u8) -> bool {
        let (asked, header) = match status {
            401 => (Header::WwwAuthenticate, Header::Authorization),
            407 => (Header::ProxyAuthenticate, Header::ProxyAuthorization),
            _ => return false,
        };
        let mut values = response.values(asked);
        let Some(value) = values.find(|value| Challenge::parse(value).is_some()) else {
            return false;
        };
        let stale = Challenge::parse(value).is_some_and(|challenge| challenge.stale);
        // The second time the password is wrong, unless the peer says it was only the nonce, or
        // wants another algorithm (RFC 8760 2.3), or unless it is another server that asks.
        let algorithm = |value: &[u8]| Challenge::parse(value).map(|c| c.algorithm);
        let answered = self.known.iter().find(|known| known.header == header);
        let new = answered.is_none_or(|known| algorithm(&known.challenge) != algorithm(value));
        if self.secret.is_none() || tries >= AUTH_TRIES_MAX || (tries > 0 && !stale && !new) {
            return false;
        }
        self.known.retain(|known| known.header != header);
        if self.known.len() < SHOWN_MAX {
            self.known.push(Known { header, challenge: value.into(), count: 0 });
        }
        true
    }

    /// The fields that a request needs; none before the first challenge.
    pub(super) fn lines(&mut self, method: &str, uri: &[u8], chance: &mut Chance) -> Vec<Line> {
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
    pub(super) fn skip(&mut self, step: u32) {
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
            })
        })?;
        Ok(Wallet { secret, known })
    }
}
