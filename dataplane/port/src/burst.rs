//! HOT PATH
//!
//! The reusable burst of media packets: received, changed and sent in the same buffers.

mod setup;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::net::MediaPort;

/// Most packets in one burst.
pub const BURST_MAX: usize = 256;
/// Bytes of one packet's buffer, headroom included.
pub const BUFFER_BYTES: usize = 2048;
/// Bytes kept free before the payload: room for an IPv6 and a UDP header (raw sending).
pub const HEADROOM_BYTES: usize = 64;
/// Most payload bytes of one packet.
pub const PAYLOAD_BYTES_MAX: usize = BUFFER_BYTES - HEADROOM_BYTES;

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const NO_PORT: MediaPort = MediaPort { address: 0, port: 0 };

/// Where a packet of a burst is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The open local port it leaves from.
    pub from: MediaPort,
    /// The peer.
    pub to: SocketAddr,
}

/// One packet: a buffer, where it came in, and where it is to go.
pub struct MediaPacket {
    local: MediaPort,
    source: SocketAddr,
    target: Option<Target>,
    queued_ns: u32,
    len: u16,
    buffer: [u8; BUFFER_BYTES],
}

impl MediaPacket {
    const EMPTY: MediaPacket = MediaPacket {
        local: NO_PORT,
        source: NOWHERE,
        target: None,
        queued_ns: 0,
        len: 0,
        buffer: [0; BUFFER_BYTES],
    };

    /// The local port it arrived at.
    #[must_use]
    pub fn local(&self) -> MediaPort {
        self.local
    }

    /// The address it came from.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// Time it waited in the kernel's queue, nanoseconds, capped at 4 s; 0 = not known.
    #[must_use]
    pub fn queued_ns(&self) -> u32 {
        self.queued_ns
    }

    /// Payload length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The UDP payload.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.buffer.get(HEADROOM_BYTES..HEADROOM_BYTES + self.len()).unwrap_or_default()
    }

    /// The UDP payload, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        let end = HEADROOM_BYTES + self.len();
        self.buffer.get_mut(HEADROOM_BYTES..end).unwrap_or_default()
    }

    /// All [`PAYLOAD_BYTES_MAX`] bytes from the payload's start, for a payload that grows; tell
    /// its new length by [`MediaPacket::set_len`].
    pub fn room_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(HEADROOM_BYTES..).unwrap_or_default()
    }

    /// The payload with `header` bytes before it; `None` = more than [`HEADROOM_BYTES`].
    pub(crate) fn headed(&self, header: usize) -> Option<&[u8]> {
        self.buffer.get(HEADROOM_BYTES.checked_sub(header)?..HEADROOM_BYTES + self.len())
    }

    /// The same, to be written.
    pub(crate) fn headed_mut(&mut self, header: usize) -> Option<&mut [u8]> {
        let end = HEADROOM_BYTES + self.len();
        self.buffer.get_mut(HEADROOM_BYTES.checked_sub(header)?..end)
    }

    /// Sets the payload's length; longer than [`PAYLOAD_BYTES_MAX`] is cut to it.
    pub fn set_len(&mut self, len: usize) {
        self.len = len.min(PAYLOAD_BYTES_MAX) as u16;
    }

    /// Where it is to go; `None` = nowhere (the state after receiving).
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.target
    }

    /// Sends it from `from` to `to` with the burst.
    pub fn send_from(&mut self, from: MediaPort, to: SocketAddr) {
        self.target = Some(Target { from, to });
    }

    /// Sends it nowhere.
    pub fn discard(&mut self) {
        self.target = None;
    }

    /// A backend fills in what it received; the payload is in `room_mut` already.
    pub fn arrived(&mut self, local: MediaPort, source: SocketAddr, len: usize, queued_ns: u32) {
        self.local = local;
        self.source = source;
        self.target = None;
        self.queued_ns = queued_ns;
        self.set_len(len);
    }
}

/// A fixed set of [`BURST_MAX`] buffers, the first `len` of them in use. Allocated once.
pub struct MediaBurst {
    packets: Box<[MediaPacket]>,
    len: usize,
}

impl Default for MediaBurst {
    fn default() -> Self {
        Self::new()
    }
}

impl MediaBurst {
    /// Packets in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no packet is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no buffer is free.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len == self.packets.len()
    }

    /// Frees all buffers.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The packets in use.
    #[must_use]
    pub fn packets(&self) -> &[MediaPacket] {
        self.packets.get(..self.len).unwrap_or_default()
    }

    /// The packets in use, to be changed.
    pub fn packets_mut(&mut self) -> &mut [MediaPacket] {
        self.packets.get_mut(..self.len).unwrap_or_default()
    }

    /// Takes one more buffer into use, empty and without target; `None` = full.
    ///
    /// For media that is made here (prompts, mixing, RTCP): fill `room_mut`, `set_len`,
    /// `send_from`.
    pub fn add(&mut self) -> Option<&mut MediaPacket> {
        let packet = self.packets.get_mut(self.len)?;
        self.len += 1;
        packet.arrived(NO_PORT, NOWHERE, 0, 0);
        Some(packet)
    }

    /// Adds a received packet by copy (simulator, tests); `false` = full or too long.
    pub fn push(&mut self, local: MediaPort, source: SocketAddr, data: &[u8]) -> bool {
        if data.len() > PAYLOAD_BYTES_MAX {
            return false;
        }
        let Some(packet) = self.add() else { return false };
        packet.room_mut().iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        packet.arrived(local, source, data.len(), 0);
        true
    }

    /// The free buffers, for a backend to receive into.
    pub(crate) fn free_mut(&mut self) -> &mut [MediaPacket] {
        self.packets.get_mut(self.len..).unwrap_or_default()
    }

    /// The first `count` free buffers are in use from here on.
    pub(crate) fn advance(&mut self, count: usize) {
        self.len = self.len.saturating_add(count).min(self.packets.len());
    }
}
