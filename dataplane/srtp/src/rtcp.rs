//! HOT PATH
//!
//! RTCP of one direction. Each packet says its index itself.

use crate::cipher::{Cipher, WORD};
use crate::derive::Purpose;
use crate::limits::{MARK_EVERY, RTCP_INDEX_MAX, RTCP_RESUME_GAP};
use crate::master::Master;
use crate::packet::rtcp_ssrc;
use crate::stream::Streams;
use crate::{Fault, Passed};
use core::fmt;

/// Protects RTCP: one index for all sources, so none is used twice.
pub struct RtcpSealer {
    cipher: Cipher,
    index: u32,
}

impl RtcpSealer {
    /// A sealer that has sealed nothing. `None` never comes: a master has the lengths of its suite.
    #[must_use]
    pub fn new(master: &Master) -> Option<RtcpSealer> {
        Some(RtcpSealer { cipher: Cipher::new(master, Purpose::Rtcp)?, index: 0 })
    }

    /// Protects the packet in the first `len` octets of `room`, in place.
    ///
    /// # Errors
    /// [`Fault::Malformed`]; [`Fault::Replayed`] when the key has no index left.
    pub fn seal(&mut self, room: &mut [u8], len: usize) -> Result<Passed, Fault> {
        let packet = room.get(..len).ok_or(Fault::Malformed)?;
        let ssrc = rtcp_ssrc(packet, 0)?;
        if self.index >= RTCP_INDEX_MAX {
            return Err(Fault::Replayed);
        }
        let index = self.index + 1;
        let len = self.cipher.seal_rtcp((room, len), (ssrc, index))?;
        self.index = index;
        Ok(Passed { len, is_mark_due: u64::from(index) % MARK_EVERY == 0 })
    }

    /// The last index used.
    #[must_use]
    pub const fn mark(&self) -> u32 {
        self.index
    }

    /// Goes on where a former life was at `mark`, beyond all that it may have sent since.
    pub fn resume(&mut self, mark: u32) {
        self.index = mark.saturating_add(RTCP_RESUME_GAP).min(RTCP_INDEX_MAX);
    }
}

/// Proves and opens RTCP.
pub struct RtcpOpener {
    cipher: Cipher,
    streams: Streams,
}

impl RtcpOpener {
    /// As [`RtcpSealer::new`].
    #[must_use]
    pub fn new(master: &Master) -> Option<RtcpOpener> {
        Some(RtcpOpener { cipher: Cipher::new(master, Purpose::Rtcp)?, streams: Streams::new() })
    }

    /// Opens a packet in place.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open(&mut self, packet: &mut [u8]) -> Result<Passed, Fault> {
        let ssrc = rtcp_ssrc(packet, self.cipher.tag_len() + WORD)?;
        let index = self.cipher.rtcp_index(packet)?;
        self.streams.check(ssrc, index.into())?;
        let len = self.cipher.open_rtcp(packet, (ssrc, index))?;
        self.streams.pass(ssrc, index.into());
        // Each packet says where it is: there is nothing to keep.
        Ok(Passed { len, is_mark_due: false })
    }
}

impl fmt::Debug for RtcpSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtcpSealer").field("index", &self.index).finish_non_exhaustive()
    }
}

impl fmt::Debug for RtcpOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtcpOpener").field("streams", &self.streams).finish_non_exhaustive()
    }
}
