//! HOT PATH
//!
//! One flow: what arrives at one local port.

use crate::datagram::{Datagram, Drop, Drops};
use crate::limits::{FLOW_WINDOW_SHIFT, RELATCH_SILENCE_MS, RTCP_RELATCH_SILENCE_MS};
use crate::ports::LocalPort;
use crate::reception::{Arrival, Reception};
use crate::remote::{Remote, Source};
use core::net::SocketAddr;
use core::num::NonZeroU32;
use strowger_link::{Tally, Tick};
use strowger_sdp::PayloadTypes;
use strowger_wire::demux::Kind;
use strowger_wire::{rtcp, rtp};

/// One direction of media: all that is known of what arrives at one local port. Plain data
/// without pointers, so that it can be frozen.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    pub(crate) format: Format,
    /// Whether packets go on; closed while on hold.
    pub(crate) is_open: bool,
    /// Whether an ear listens to what it carries.
    pub(crate) is_heard: bool,
    pub(crate) rate: Rate,
    /// Whether SRTP of the party ends at this port: what arrives is opened, what leaves is sealed.
    pub(crate) is_guarded: bool,
    /// What may come to the port.
    pub(crate) entry: Entry,
    /// The port of the other side, where packets leave from; `None` when it has none for RTCP.
    pub(crate) out: Option<LocalPort>,
    pub(crate) remote: Remote,
    pub(crate) reception: Reception,
    pub(crate) drops: Drops,
}

/// How many packets a flow may send in a second: what is beyond is a flood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rate {
    packets_max: u32,
    /// Packets left of the second.
    left: u32,
    /// The low bits of its number.
    second: u16,
}

impl Rate {
    /// 0 = as many as come.
    pub(crate) const fn new(packets_max: u32) -> Rate {
        Rate { packets_max, left: packets_max, second: 0 }
    }

    /// Packets in a second; 0 = as many as come.
    pub(crate) const fn packets_max(self) -> u32 {
        self.packets_max
    }

    /// Counts a packet; `false` = it is too many.
    pub(crate) fn admits(&mut self, now: Tick) -> bool {
        let second = (now.0 >> FLOW_WINDOW_SHIFT) as u16;
        if self.second != second {
            (self.second, self.left) = (second, self.packets_max);
        }
        if self.left == 0 {
            return self.packets_max == 0;
        }
        self.left -= 1;
        true
    }
}

/// What may come to a port (RFC 7983).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// What its flow carries.
    Media,
    /// Handshakes of DTLS as well, and checks of ICE.
    Secured,
    /// The same, and RTCP comes and goes by the port of RTP (RFC 5761).
    Shared,
}

/// What the packets of a flow are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// RTP or SRTP of these payload types; packets of `event` are telephone-event.
    Rtp { payload_types: PayloadTypes, event: Option<u8> },
    /// RTCP, or SRTCP, of which only the head can be read.
    Rtcp { is_clear: bool },
    /// Datagrams that are not looked at: UDPTL.
    Opaque,
}

impl Format {
    pub(crate) const fn is_rtp(self) -> bool {
        matches!(self, Format::Rtp { .. })
    }
}

impl Flow {
    pub(crate) fn new(
        format: Format,
        out: Option<LocalPort>,
        remote: Remote,
        (clock_hz, rate): (NonZeroU32, Rate),
    ) -> Flow {
        let (reception, drops) = (Reception::new(clock_hz), Drops::default());
        let (is_heard, is_guarded, entry) = (false, false, Entry::Media);
        let is_open = true;
        Flow { format, is_open, is_heard, rate, is_guarded, entry, out, remote, reception, drops }
    }

    /// Whether something that is no media may come from there now.
    pub(crate) fn admits(&mut self, from: SocketAddr, now: Tick) -> Result<(), Drop> {
        self.admit(from, |_| false, now)
    }

    /// What was counted so far, for whoever relays it from here on.
    pub(crate) fn tally(&self) -> Tally {
        Tally { flooded: self.drops.of(Drop::Flood), ..self.reception.tally() }
    }

    /// Takes over what was counted elsewhere.
    pub(crate) fn absorb(&mut self, tally: &Tally) {
        self.reception.absorb(tally);
        self.drops.set(Drop::Flood, tally.flooded);
    }

    /// Checks, latches and counts a packet; `Ok` when it may go on to the other side. `prove` is
    /// asked before anything is learned of it: whether it is by who it seems to be.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        from: SocketAddr,
        datagram: &mut Datagram<'_>,
        now: Tick,
        prove: impl FnOnce(&mut Datagram<'_>) -> Result<(), Drop>,
    ) -> Result<(), Drop> {
        match self.format {
            Format::Rtp { payload_types, event } => {
                let arrival = read_rtp(datagram.octets(), event)?;
                let continues = |reception: &Reception| {
                    reception.is_continued_by(&arrival, RELATCH_SILENCE_MS, now)
                };
                self.admit(from, continues, now)?;
                if !payload_types.contains(arrival.payload_type) {
                    return Err(Drop::PayloadType);
                }
                let len = datagram.len;
                prove(datagram)?;
                self.reception.count_rtp(&arrival, len, now);
                self.remote.settle(from);
                if self.is_open { Ok(()) } else { Err(Drop::Held) }
            }
            // RTCP goes on while media is on hold (RFC 3264 section 5.1).
            Format::Rtcp { .. } => {
                let ssrc = read_rtcp(datagram.octets())?;
                let continues = |reception: &Reception| {
                    reception.is_continued_by_source(ssrc, RTCP_RELATCH_SILENCE_MS, now)
                };
                self.admit(from, continues, now)?;
                let len = datagram.len;
                prove(datagram)?;
                self.reception.count_rtcp(ssrc, len, now);
                self.remote.settle(from);
                Ok(())
            }
            // Nothing in the datagram tells its stream: only behind a NAT it may move.
            Format::Opaque => {
                let behind_nat = self.remote.is_behind_nat(from);
                let continues = |reception: &Reception| {
                    behind_nat && reception.is_silent(RELATCH_SILENCE_MS, now)
                };
                self.admit(from, continues, now)?;
                self.reception.count(datagram.len, now);
                self.remote.settle(from);
                if self.is_open { Ok(()) } else { Err(Drop::Held) }
            }
        }
    }

    /// Packets lost; RTCP and opaque datagrams have no numbers to tell.
    pub(crate) fn lost(&self) -> u64 {
        match self.format {
            Format::Rtp { .. } => self.reception.lost(),
            Format::Rtcp { .. } | Format::Opaque => 0,
        }
    }

    /// The port that packets to this end leave from, this flow's being `own`.
    pub(crate) const fn leaves(&self, own: LocalPort) -> LocalPort {
        match (self.entry, self.format) {
            (Entry::Shared, Format::Rtcp { .. }) => own.below(),
            (Entry::Shared, Format::Rtp { .. } | Format::Opaque)
            | (Entry::Media | Entry::Secured, _) => own,
        }
    }

    /// The SSRC last received.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        match self.format {
            Format::Rtp { .. } | Format::Rtcp { .. } => self.reception.ssrc(),
            Format::Opaque => None,
        }
    }

    /// Strangers do not use up what the party may send.
    fn admit(
        &mut self,
        from: SocketAddr,
        continues: impl FnOnce(&Reception) -> bool,
        now: Tick,
    ) -> Result<(), Drop> {
        match self.remote.judge(from, || continues(&self.reception)) {
            Source::Latched | Source::New if self.rate.admits(now) => Ok(()),
            Source::Latched | Source::New => Err(Drop::Flood),
            Source::Stranger => Err(Drop::Stranger),
        }
    }
}

/// Reads what the relay needs of an RTP packet. Only the header is checked: the payload may be
/// encrypted.
fn read_rtp(octets: &[u8], event: Option<u8>) -> Result<Arrival, Drop> {
    if Kind::of(octets) != Kind::Rtp {
        return Err(Drop::Junk);
    }
    let packet = rtp::Packet::new_header_checked(octets).map_err(|_| Drop::Junk)?;
    let payload_type = packet.payload_type();
    Ok(Arrival {
        ssrc: packet.ssrc(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        payload_type,
        is_event: event == Some(payload_type),
    })
}

/// The sender's SSRC of an RTCP packet.
fn read_rtcp(octets: &[u8]) -> Result<u32, Drop> {
    match rtcp::Lead::new_checked(octets) {
        Ok(lead) => Ok(lead.ssrc),
        Err(_) => Err(Drop::Junk),
    }
}
