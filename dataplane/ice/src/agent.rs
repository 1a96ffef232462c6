//! HOT PATH
//!
//! One component of a media line of ours, as the lite side of ICE.
//!
//! The party sends checks to our address; what proves itself by our password is answered, from
//! there on the party is known to be where the check came from. The pair that it nominates is where
//! media goes; before it nominated one, the first that it proved.

use crate::credentials::Credentials;
use crate::limits::{CONSENT_MS, UFRAG_LEN_MAX, UNKNOWN_MAX};
use crate::reply::Reply;
use crate::stun::{Message, kind};
use core::net::SocketAddr;
use strowger_link::{MS, Tick};

/// Attributes that must be understood, and are.
const KNOWN: [u16; 5] = [
    kind::USERNAME,
    kind::MESSAGE_INTEGRITY,
    kind::MESSAGE_INTEGRITY_SHA256,
    kind::PRIORITY,
    kind::USE_CANDIDATE,
];
/// Both say that the other side controls (RFC 8445 7.3.1.1); a lite one cannot.
const ROLE_CONFLICT: u16 = 487;
/// An attribute that must be understood is not (RFC 8489 6.3.1).
const UNKNOWN_ATTRIBUTE: u16 = 420;

/// A check that proved itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Check {
    /// The length of the answer, which lies where the check lay and goes back to its source.
    pub len: usize,
    /// Whether media goes to its source from now on, and did not before.
    pub is_chosen: bool,
}

/// The lite side of one component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    ours: Credentials,
    /// The party's ufrag.
    theirs: Box<[u8]>,
    /// What it nominated last; before that, the first that it proved.
    chosen: Option<SocketAddr>,
    /// When the party proved itself last.
    proved: Tick,
}

impl Agent {
    /// An agent that has heard nothing. `None` for a ufrag that is none.
    #[must_use]
    pub fn new(ours: Credentials, theirs: &[u8], now: Tick) -> Option<Agent> {
        if theirs.is_empty() || theirs.len() > UFRAG_LEN_MAX {
            return None;
        }
        let theirs = theirs.into();
        Some(Agent { ours, theirs, chosen: None, proved: now })
    }

    /// The agent as it goes on behind another description: the same credentials, or others after a
    /// restart of ICE (RFC 8445 section 9), which leaves media where it goes.
    #[must_use]
    pub fn followed_by(&self, next: Agent) -> Agent {
        Agent { chosen: self.chosen.or(next.chosen), ..next }
    }

    /// The agent where a former life of it had chosen an address.
    #[must_use]
    pub fn at(self, chosen: Option<SocketAddr>) -> Agent {
        Agent { chosen, ..self }
    }

    /// Where media goes.
    #[must_use]
    pub const fn chosen(&self) -> Option<SocketAddr> {
        self.chosen
    }

    /// Whether the party still wants what it is sent (RFC 7675).
    #[must_use]
    pub const fn consents(&self, now: Tick) -> bool {
        now.0.saturating_sub(self.proved.0) < CONSENT_MS * MS
    }

    /// Something else of the party has proved itself.
    pub const fn prove(&mut self, now: Tick) {
        self.proved = now;
    }

    /// Handles what came from `source` in the first `len` octets of `room`, and writes the answer
    /// in its place. `None` for what is no check of the party's: nothing is said to it.
    pub fn handle(
        &mut self,
        room: &mut [u8],
        len: usize,
        source: SocketAddr,
        now: Tick,
    ) -> Option<Check> {
        let request = Message::parse(room.get(..len)?)?;
        let is_request = matches!(request.kind(), kind::BINDING_REQUEST | kind::BINDING_INDICATION);
        if !is_request || !self.is_named(&request) || !request.is_by(self.ours.pwd()) {
            return None;
        }
        self.proved = now;
        if request.kind() == kind::BINDING_INDICATION {
            return None;
        }
        let transaction = request.transaction();
        let mut unknown = [0; UNKNOWN_MAX * 2];
        let mut unknown_len = 0;
        let strange = request.attributes().filter(|a| !a.is_optional() && !KNOWN.contains(&a.kind));
        for (place, attribute) in unknown.chunks_mut(2).zip(strange) {
            place.copy_from_slice(&attribute.kind.to_be_bytes());
            unknown_len += 2;
        }
        let is_conflict = request.attribute(kind::ICE_CONTROLLED).is_some();
        let nominates = request.attribute(kind::USE_CANDIDATE).is_some();
        let code = match (unknown_len > 0, is_conflict) {
            (true, _) => Some(UNKNOWN_ATTRIBUTE),
            (false, true) => Some(ROLE_CONFLICT),
            (false, false) => None,
        };
        let answer = if code.is_some() { kind::BINDING_ERROR } else { kind::BINDING_SUCCESS };
        let mut reply = Reply::begin(room, answer, transaction);
        match code {
            None => reply.mapped(source),
            Some(code) => reply.error(code),
        }
        if unknown_len > 0 {
            let named = unknown.get(..unknown_len).unwrap_or_default();
            reply.attribute(kind::UNKNOWN_ATTRIBUTES, named);
        }
        reply.sign(self.ours.pwd());
        reply.fingerprint();
        let len = reply.finish()?;
        Some(Check { len, is_chosen: code.is_none() && self.choose(source, nominates) })
    }

    /// Whether media goes elsewhere by a check from there.
    fn choose(&mut self, source: SocketAddr, nominates: bool) -> bool {
        if !nominates && self.chosen.is_some() {
            return false;
        }
        self.chosen.replace(source) != Some(source)
    }

    /// USERNAME is our ufrag, a colon and the party's (RFC 8445 7.2.2).
    fn is_named(&self, request: &Message<'_>) -> bool {
        let Some(name) = request.attribute(kind::USERNAME) else { return false };
        let rest = name.value.strip_prefix(self.ours.ufrag());
        rest.and_then(|rest| rest.strip_prefix(b":")) == Some(&*self.theirs)
    }
}

#[cfg(test)]
mod tests;
