//! What a pair has carried.

use crate::datagram::Drops;
use crate::ear::{Answered, Ear};
use crate::flow::Flow;
use crate::hearing::Heard;
use core::net::SocketAddr;
use strowger_link::Tick;

/// What a pair carried from its opening to its closing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaReport {
    /// When it was opened.
    pub opened: Tick,
    /// When it was closed, or this report made.
    pub closed: Tick,
    /// What came from side A.
    pub a: SideReport,
    /// What came from side B.
    pub b: SideReport,
}

/// What came from one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SideReport {
    /// Its media.
    pub media: FlowReport,
    /// Its RTCP, if the side has a port for it.
    pub rtcp: Option<RtcpReport>,
}

/// Media from one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowReport {
    /// Packets accepted from it, the held ones counted.
    pub packets: u64,
    /// Octets of their UDP payload.
    pub octets: u64,
    /// Packets lost on the way to us, RFC 3550 A.3.
    pub lost: u64,
    /// Interarrival jitter at the end, RFC 3550 A.8, in microseconds.
    pub jitter_us: u32,
    /// Its highest value.
    pub jitter_us_max: u32,
    /// Times of the first and the last packet.
    pub span: Option<(Tick, Tick)>,
    /// Packets dropped, by reason.
    pub drops: Drops,
    /// The payload type last received, telephone-event apart.
    pub payload_type: Option<u8>,
    /// The SSRC last received.
    pub ssrc: Option<u32>,
    /// Where its packets came from.
    pub latched: Option<SocketAddr>,
    /// How often that moved without signalling.
    pub moves: u16,
    /// What it sent after the call was answered; `None` before that.
    pub answered: Option<Answered>,
}

/// RTCP from one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtcpReport {
    /// Packets accepted from it.
    pub packets: u64,
    /// Packets dropped, by reason.
    pub drops: Drops,
    /// Where they came from.
    pub latched: Option<SocketAddr>,
    /// What they tell of the stream that the side is sent.
    pub heard: Option<Heard>,
}

impl FlowReport {
    pub(crate) fn new(flow: &Flow, ear: &Ear) -> FlowReport {
        let (jitter_us, jitter_us_max) = flow.reception.jitter_us();
        FlowReport {
            packets: flow.reception.packets(),
            octets: flow.reception.octets(),
            lost: flow.lost(),
            jitter_us,
            jitter_us_max,
            span: flow.reception.span(),
            drops: flow.drops,
            payload_type: flow.reception.payload_type(),
            ssrc: flow.ssrc(),
            latched: flow.remote.latched(),
            moves: flow.remote.moves(),
            answered: ear.told(),
        }
    }
}

impl RtcpReport {
    pub(crate) fn new(flow: &Flow, heard: Option<Heard>) -> RtcpReport {
        RtcpReport {
            packets: flow.reception.packets(),
            drops: flow.drops,
            latched: flow.remote.latched(),
            heard,
        }
    }
}
