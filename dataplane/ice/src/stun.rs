//! STUN messages as they come (RFC 8489 section 5): a view that is checked once.

use crate::crc::crc32;
use crate::limits::{ATTRIBUTES_MAX, MESSAGE_LEN_MAX};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Octets of the header.
pub(crate) const HEADER_LEN: usize = 20;
/// Octets of an attribute's head.
pub(crate) const HEAD_LEN: usize = 4;
/// Octets of MESSAGE-INTEGRITY's value.
pub(crate) const INTEGRITY_LEN: usize = 20;
/// What tells STUN of RFC 5389 and later from all else.
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// What FINGERPRINT's sum is combined with.
pub(crate) const FINGERPRINT_MASK: u32 = 0x5354_554e;
/// Attributes from here on may be passed over by who does not know them.
const OPTIONAL_FROM: u16 = 0x8000;

/// Methods with their class, and types of attributes.
pub mod kind {
    /// Binding request.
    pub const BINDING_REQUEST: u16 = 0x0001;
    /// Binding indication.
    pub const BINDING_INDICATION: u16 = 0x0011;
    /// Binding success response.
    pub const BINDING_SUCCESS: u16 = 0x0101;
    /// Binding error response.
    pub const BINDING_ERROR: u16 = 0x0111;
    /// MAPPED-ADDRESS
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    /// USERNAME
    pub const USERNAME: u16 = 0x0006;
    /// MESSAGE-INTEGRITY
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// ERROR-CODE
    pub const ERROR_CODE: u16 = 0x0009;
    /// UNKNOWN-ATTRIBUTES
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    /// REALM
    pub const REALM: u16 = 0x0014;
    /// NONCE
    pub const NONCE: u16 = 0x0015;
    /// MESSAGE-INTEGRITY-SHA256
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    /// PASSWORD-ALGORITHM
    pub const PASSWORD_ALGORITHM: u16 = 0x001d;
    /// USERHASH
    pub const USERHASH: u16 = 0x001e;
    /// XOR-MAPPED-ADDRESS
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// PRIORITY (RFC 8445 16.1)
    pub const PRIORITY: u16 = 0x0024;
    /// USE-CANDIDATE (RFC 8445 16.1)
    pub const USE_CANDIDATE: u16 = 0x0025;
    /// FINGERPRINT
    pub const FINGERPRINT: u16 = 0x8028;
    /// ICE-CONTROLLED (RFC 8445 16.1)
    pub const ICE_CONTROLLED: u16 = 0x8029;
    /// ICE-CONTROLLING (RFC 8445 16.1)
    pub const ICE_CONTROLLING: u16 = 0x802a;
}

/// A whole message: its header and all attributes are within it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    octets: &'a [u8],
}

/// An attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Its type, of [`kind`] or another.
    pub kind: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
    /// Where it begins in the message.
    at: usize,
}

impl Attribute<'_> {
    /// Whether who does not know it may pass it over.
    #[must_use]
    pub const fn is_optional(&self) -> bool {
        self.kind >= OPTIONAL_FROM
    }
}

impl<'a> Message<'a> {
    /// All of `octets`; `None` for what is no STUN, malformed or too long.
    #[must_use]
    pub fn parse(octets: &'a [u8]) -> Option<Message<'a>> {
        let (header, attributes) = octets.split_first_chunk::<HEADER_LEN>()?;
        let [k0, _, l0, l1, cookie @ .., _, _, _, _, _, _, _, _, _, _, _, _] = header;
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        let is_whole = octets.len() <= MESSAGE_LEN_MAX && len == attributes.len();
        if !is_whole || k0 & 0xc0 != 0 || *cookie != MAGIC_COOKIE {
            return None;
        }
        let message = Message { octets };
        let (mut taken, mut count) = (0, 0);
        for attribute in message.attributes() {
            taken += HEAD_LEN + attribute.value.len().next_multiple_of(4);
            count += 1;
        }
        (taken == attributes.len() && count <= ATTRIBUTES_MAX).then_some(message)
    }

    /// Method and class.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.octets.first_chunk().copied().map_or(0, u16::from_be_bytes)
    }

    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> [u8; 12] {
        let found = self.octets.get(8..HEADER_LEN).and_then(|octets| octets.try_into().ok());
        found.unwrap_or_default()
    }

    /// The attributes in their order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let mut at = HEADER_LEN;
        let octets = self.octets;
        core::iter::from_fn(move || {
            let rest = octets.get(at..)?;
            let ([t0, t1, l0, l1], rest) = rest.split_first_chunk::<HEAD_LEN>()?;
            let len = usize::from(u16::from_be_bytes([*l0, *l1]));
            let padded = rest.get(..len.next_multiple_of(4))?;
            let attribute =
                Attribute { kind: u16::from_be_bytes([*t0, *t1]), value: padded.get(..len)?, at };
            at += HEAD_LEN + padded.len();
            Some(attribute)
        })
    }

    /// The first attribute of a type. What stands behind MESSAGE-INTEGRITY is nobody's but
    /// FINGERPRINT's (RFC 8489 14.5).
    #[must_use]
    pub fn attribute(&self, kind: u16) -> Option<Attribute<'a>> {
        let mut is_proven = false;
        self.attributes().find(|attribute| {
            let counts = !is_proven || attribute.kind == kind::FINGERPRINT;
            is_proven |= attribute.kind == kind::MESSAGE_INTEGRITY;
            counts && attribute.kind == kind
        })
    }

    /// Whether MESSAGE-INTEGRITY is there and by this password (RFC 8489 14.5).
    #[must_use]
    pub fn is_by(&self, pwd: &[u8]) -> bool {
        let Some(attribute) = self.attribute(kind::MESSAGE_INTEGRITY) else { return false };
        let Some(before) = self.octets.get(..attribute.at) else { return false };
        let Some(tag) = integrity(before, pwd) else { return false };
        bool::from(attribute.value.ct_eq(&tag))
    }

    /// Whether FINGERPRINT is there, the last of all, and right (RFC 8489 14.7).
    #[must_use]
    pub fn is_fingerprinted(&self) -> bool {
        let Some(last) = self.attributes().last() else { return false };
        let Some(before) = self.octets.get(..last.at) else { return false };
        let sum = fingerprint(before).to_be_bytes();
        last.kind == kind::FINGERPRINT && last.value == sum
    }
}

/// The header's octets of a message that ends with an attribute of so many octets more.
fn lengthened(before: &[u8], value_len: usize) -> Option<([u8; 4], &[u8])> {
    let (head, rest) = before.split_first_chunk::<4>()?;
    let [k0, k1, ..] = *head;
    let len = (before.len() + HEAD_LEN + value_len).checked_sub(HEADER_LEN)?;
    let [l0, l1] = u16::try_from(len).ok()?.to_be_bytes();
    Some(([k0, k1, l0, l1], rest))
}

/// MESSAGE-INTEGRITY of what stands before it.
pub(crate) fn integrity(before: &[u8], pwd: &[u8]) -> Option<[u8; INTEGRITY_LEN]> {
    let (head, rest) = lengthened(before, INTEGRITY_LEN)?;
    let mut mac = Hmac::<Sha1>::new_from_slice(pwd).ok()?;
    mac.update(&head);
    mac.update(rest);
    Some(mac.finalize().into_bytes().into())
}

/// FINGERPRINT of what stands before it.
pub(crate) fn fingerprint(before: &[u8]) -> u32 {
    match lengthened(before, 4) {
        Some((head, rest)) => crc32(head.iter().chain(rest)) ^ FINGERPRINT_MASK,
        None => 0,
    }
}

#[cfg(test)]
mod tests;
