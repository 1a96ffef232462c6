//! Writing what answers a request, into a buffer of the caller's.

use crate::stun::{HEAD_LEN, HEADER_LEN, MAGIC_COOKIE, Message, fingerprint, integrity, kind};
use core::net::{IpAddr, SocketAddr};

/// A message that is being written. What finds no room leaves it without an end.
#[derive(Debug)]
pub struct Reply<'b> {
    room: &'b mut [u8],
    /// `None` = something found no room.
    len: Option<usize>,
    transaction: [u8; 12],
}

impl<'b> Reply<'b> {
    /// Begins a message of a kind to the transaction of a request. The request need not be there
    /// any more: it may have lain in the same room.
    #[must_use]
    pub fn begin(room: &'b mut [u8], kind: u16, transaction: [u8; 12]) -> Reply<'b> {
        let mut reply = Reply { room, len: Some(0), transaction };
        reply.put(&kind.to_be_bytes());
        reply.put(&[0, 0]);
        reply.put(&MAGIC_COOKIE);
        reply.put(&transaction);
        reply
    }

    /// The same with the transaction of a message that lies elsewhere.
    #[must_use]
    pub fn to(room: &'b mut [u8], kind: u16, request: &Message<'_>) -> Reply<'b> {
        Reply::begin(room, kind, request.transaction())
    }

    /// An attribute, padded.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        let Ok(len) = u16::try_from(value.len()) else {
            self.len = None;
            return;
        };
        self.put(&kind.to_be_bytes());
        self.put(&len.to_be_bytes());
        self.put(value);
        const PADDING: [u8; 3] = [0; 3];
        let padding = value.len().next_multiple_of(4) - value.len();
        self.put(PADDING.get(..padding).unwrap_or_default());
    }

    /// XOR-MAPPED-ADDRESS (RFC 8489 14.2).
    pub fn mapped(&mut self, source: SocketAddr) {
        let mut value = [0; 20];
        let [m0, m1, ..] = MAGIC_COOKIE;
        let [p0, p1] = source.port().to_be_bytes();
        let (family, len) = match source.ip().to_canonical() {
            IpAddr::V4(ip) => {
                value.iter_mut().skip(4).zip(ip.octets()).for_each(|(to, octet)| *to = octet);
                (1, 8)
            }
            IpAddr::V6(ip) => {
                value.iter_mut().skip(4).zip(ip.octets()).for_each(|(to, octet)| *to = octet);
                (2, 20)
            }
        };
        let mask = MAGIC_COOKIE.iter().chain(&self.transaction);
        value.iter_mut().skip(4).zip(mask).for_each(|(octet, mask)| *octet ^= mask);
        if let Some(head) = value.first_chunk_mut::<4>() {
            *head = [0, family, p0 ^ m0, p1 ^ m1];
        }
        self.attribute(kind::XOR_MAPPED_ADDRESS, value.get(..len).unwrap_or_default());
    }

    /// ERROR-CODE without a phrase (RFC 8489 14.8).
    pub fn error(&mut self, code: u16) {
        let (class, number) = (code / 100 % 10, code % 100);
        self.attribute(kind::ERROR_CODE, &[0, 0, class as u8, number as u8]);
    }

    /// MESSAGE-INTEGRITY of all so far.
    pub fn sign(&mut self, pwd: &[u8]) {
        match self.so_far().and_then(|before| integrity(before, pwd)) {
            Some(tag) => self.attribute(kind::MESSAGE_INTEGRITY, &tag),
            None => self.len = None,
        }
    }

    /// FINGERPRINT of all so far; nothing follows it.
    pub fn fingerprint(&mut self) {
        match self.so_far().map(fingerprint) {
            Some(sum) => self.attribute(kind::FINGERPRINT, &sum.to_be_bytes()),
            None => self.len = None,
        }
    }

    /// The message's length; `None` when something found no room.
    #[must_use]
    pub fn finish(self) -> Option<usize> {
        let len = self.len?;
        let told = u16::try_from(len.checked_sub(HEADER_LEN)?).ok()?;
        let place = self.room.get_mut(2..HEAD_LEN)?;
        place.copy_from_slice(&told.to_be_bytes());
        Some(len)
    }

    fn so_far(&self) -> Option<&[u8]> {
        self.room.get(..self.len?)
    }

    fn put(&mut self, octets: &[u8]) {
        let Some(from) = self.len else { return };
        let end = from + octets.len();
        self.len = self.room.get_mut(from..end).map(|place| {
            place.copy_from_slice(octets);
            end
        });
    }
}
