//! Where records end, told from the bytes as they come: RFC 8446 5.1.
//!
//! A session keeps parts of handshake messages in the buffer, so the buffer does not tell whether
//! something new is whole. This does, and knows what cannot be TLS at its first byte.

use crate::limits::{RECORD_HEAD_LEN, RECORD_LEN_MAX};

/// How far the record is that comes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Edge {
    head: [u8; RECORD_HEAD_LEN],
    /// Bytes of its head that have come.
    have: usize,
    /// Bytes of its content that have not, once the head is whole.
    left: usize,
}

impl Edge {
    /// Bytes have come. Whether a record ended in them; None = they are no TLS.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) -> Option<bool> {
        let mut ended = false;
        // Each step takes a byte at least.
        while let Some((first, rest)) = bytes.split_first() {
            if self.have < RECORD_HEAD_LEN {
                *self.head.get_mut(self.have)? = *first;
                self.have += 1;
                bytes = rest;
                self.check()?;
            } else {
                let n = self.left.min(bytes.len());
                self.left -= n;
                bytes = bytes.get(n..)?;
            }
            if self.have == RECORD_HEAD_LEN && self.left == 0 {
                ended = true;
                self.have = 0;
            }
        }
        Some(ended)
    }

    /// Change of cipher, alert, handshake or data, of no more bytes than there may be.
    fn check(&mut self) -> Option<()> {
        let [kind, _, _, high, low] = self.head;
        if !matches!(kind, 20..=23) {
            return None;
        }
        if self.have == RECORD_HEAD_LEN {
            self.left = usize::from(u16::from_be_bytes([high, low]));
        }
        (self.left <= RECORD_LEN_MAX - RECORD_HEAD_LEN).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_record_is_seen_however_it_comes() {
        let records = b"\x16\x03\x01\0\x02ab\x14\x03\x03\0\0\x17\x03\x03\0\x01c";
        let ends = [7, 12, 18];
        let mut edge = Edge::default();
        for (n, byte) in records.iter().enumerate() {
            assert_eq!(edge.advance(&[*byte]), Some(ends.contains(&(n + 1))), "{n}");
        }
        assert_eq!((edge.have, edge.left), (0, 0));
        for len in 0..=records.len() {
            let mut edge = Edge::default();
            assert_eq!(edge.advance(&records[..len]), Some(len >= ends[0]), "{len}");
        }
    }

    #[test]
    fn what_is_no_tls_is_known_at_once() {
        for bytes in [&b"I"[..], b"\x80\x2e", b"\x16\x03\x01\xff\xff", b"\x17\x03\x03\0\0G"] {
            assert_eq!(Edge::default().advance(bytes), None, "{}", bytes.escape_ascii());
        }
        assert_eq!(Edge::default().advance(b"\x16\x03\x01\x48\0"), Some(false));
        assert_eq!(Edge::default().advance(b"\x16\x03\x01\x48\x01"), None);
    }
}
