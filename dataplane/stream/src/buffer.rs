//! Bytes that came and bytes that go, given back to the allocator as soon as there are none.

use crate::limits::OUTBOX_LEN_MAX;

/// Bytes that came, taken from the front.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    at: usize,
}

impl Inbox {
    pub(crate) const fn new() -> Inbox {
        Inbox { bytes: Vec::new(), at: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.writer().extend_from_slice(bytes);
    }

    /// Where more can be appended.
    pub(crate) fn writer(&mut self) -> &mut Vec<u8> {
        if self.at > 0 {
            // What is left is at most a part of one message.
            self.bytes.drain(..self.at.min(self.bytes.len()));
            self.at = 0;
        }
        &mut self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.at..).unwrap_or_default()
    }

    /// Drops `n` bytes; an empty inbox holds no memory.
    pub(crate) fn take(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.bytes.len());
        if self.is_empty() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Inbox::new();
    }
}

/// Bytes to be sent, bounded.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    at: usize,
}

impl Outbox {
    pub(crate) const fn new() -> Outbox {
        Outbox { bytes: Vec::new(), at: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `n` bytes more may wait.
    pub(crate) fn has_room(&self, n: usize) -> bool {
        self.len().saturating_add(n) <= OUTBOX_LEN_MAX
    }

    pub(crate) fn front(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.writer().extend_from_slice(bytes);
    }

    /// Where more can be appended, by who has asked for room.
    pub(crate) fn writer(&mut self) -> &mut Vec<u8> {
        self.compact();
        &mut self.bytes
    }

    /// `n` bytes have gone.
    pub(crate) fn take(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.bytes.len());
        if self.is_empty() {
            *self = Outbox::new();
        }
    }

    /// Moves what is left to the front once more has gone than is left, so that each byte is moved
    /// at most once on average.
    fn compact(&mut self) {
        if self.at > self.len() {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut inbox = Inbox::new();
        inbox.push(b"abc");
        inbox.take(1);
        inbox.push(b"d");
        assert_eq!((inbox.bytes(), inbox.len()), (&b"bcd"[..], 3));
        inbox.take(3);
        assert!(inbox.is_empty() && inbox.bytes.capacity() == 0);
        let mut outbox = Outbox::new();
        outbox.push(b"abcd");
        outbox.take(3);
        outbox.push(b"ef");
        assert_eq!((outbox.front(), outbox.at), (&b"def"[..], 0));
        outbox.take(9);
        assert!(outbox.is_empty() && outbox.bytes.capacity() == 0);
    }

    #[test]
    fn room_counts_what_waits() {
        let mut outbox = Outbox::new();
        outbox.push(&[0; 10]);
        outbox.take(4);
        assert!(outbox.has_room(OUTBOX_LEN_MAX - 6) && !outbox.has_room(OUTBOX_LEN_MAX - 5));
    }
}
