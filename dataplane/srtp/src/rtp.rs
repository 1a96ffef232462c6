//! HOT PATH
//!
//! RTP of one direction.

use crate::cipher::Cipher;
use crate::derive::Purpose;
use crate::master::Master;
use crate::packet::Head;
use crate::stream::{Forgotten, Mark, Streams};
use crate::{Fault, Passed};
use core::fmt;

/// Protects RTP.
///
/// A packet is protected once: its index, which the source's sequence number gives, is never used
/// for another one, for two payloads under one index would tell what both are. A source that was
/// unheard for so long that it made room for others is therefore not taken again under this key: it
/// would begin where it began before.
pub struct RtpSealer {
    cipher: Cipher,
    streams: Streams,
    forgotten: Forgotten,
}

impl RtpSealer {
    /// A sealer that has sealed nothing. `None` never comes: a master has the lengths of its suite.
    #[must_use]
    pub fn new(master: &Master) -> Option<RtpSealer> {
        let cipher = Cipher::new(master, Purpose::Rtp)?;
        Some(RtpSealer { cipher, streams: Streams::new(), forgotten: Forgotten::new() })
    }

    /// Protects the packet in the first `len` octets of `room`, in place.
    ///
    /// # Errors
    /// [`Fault::Malformed`]; [`Fault::Replayed`] for a packet whose index has been used, or may
    /// have been.
    pub fn seal(&mut self, room: &mut [u8], len: usize) -> Result<Passed, Fault> {
        let packet = room.get(..len).ok_or(Fault::Malformed)?;
        let head = Head::read(packet, 0)?;
        let index = self.streams.index_of(head.ssrc, head.sequence)?;
        // A new source begins in its first round: of later ones this need not be asked.
        let is_new = index <= u64::from(u16::MAX) && self.streams.lacks(head.ssrc);
        if is_new && self.forgotten.has(head.ssrc) {
            return Err(Fault::Replayed);
        }
        let len = self.cipher.seal_rtp((room, len), head, index)?;
        if is_new && let Some(gone) = self.streams.next_to_go() {
            self.forgotten.add(gone);
        }
        Ok(Passed { len, is_mark_due: self.streams.pass(head.ssrc, index) })
    }

    /// Where its sources are.
    pub fn marks(&self) -> impl Iterator<Item = Mark> + '_ {
        self.streams.marks()
    }

    /// Takes a source up where a former life left it.
    pub fn resume(&mut self, mark: Mark) {
        self.streams.resume(mark);
    }
}

/// Proves and opens RTP.
pub struct RtpOpener {
    cipher: Cipher,
    streams: Streams,
}

impl RtpOpener {
    /// As [`RtpSealer::new`].
    #[must_use]
    pub fn new(master: &Master) -> Option<RtpOpener> {
        Some(RtpOpener { cipher: Cipher::new(master, Purpose::Rtp)?, streams: Streams::new() })
    }

    /// Opens a packet in place. Whether it came before is looked at first, which costs nothing.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open(&mut self, packet: &mut [u8]) -> Result<Passed, Fault> {
        let head = Head::read(packet, self.cipher.tag_len())?;
        let index = self.streams.index_of(head.ssrc, head.sequence)?;
        let len = self.cipher.open_rtp(packet, head, index)?;
        Ok(Passed { len, is_mark_due: self.streams.pass(head.ssrc, index) })
    }

    /// As [`RtpSealer::marks`].
    pub fn marks(&self) -> impl Iterator<Item = Mark> + '_ {
        self.streams.marks()
    }

    /// As [`RtpSealer::resume`].
    pub fn resume(&mut self, mark: Mark) {
        self.streams.resume(mark);
    }
}

impl fmt::Debug for RtpSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpSealer").field("streams", &self.streams).finish_non_exhaustive()
    }
}

impl fmt::Debug for RtpOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpOpener").field("streams", &self.streams).finish_non_exhaustive()
    }
}
