//! What one party wants of one media line, as plain values.

use crate::attribute::{Rtcp, RtpMap};
use crate::codec::static_map;
use crate::description::{Host, Media};
use crate::direction::Direction;
use crate::payload::PayloadTypes;
use crate::text::number;
use std::net::SocketAddr;

/// What one party's description says of one media line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// What kind of media.
    pub kind: MediaKind,
    /// What carries it.
    pub transport: Transport,
    /// Where the party receives it.
    pub target: Target,
    /// Where the party receives RTCP: `a=rtcp`, else the port above RTP's. `None` without an
    /// address, for transports without RTCP, and above port 65535.
    pub rtcp: Option<SocketAddr>,
    /// Whether the party can take RTCP on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// The payload types the party is ready to receive.
    pub payload_types: PayloadTypes,
    /// The payload type it likes best.
    pub preferred: Option<u8>,
    /// The clock of the preferred payload type, in Hz; 8000 when nothing says it, 90,000 for
    /// video.
    pub clock_hz: u32,
    /// The payload type of telephone-event (RFC 4733), the one with the preferred clock first.
    pub telephone_event: Option<u8>,
    /// What the party does. An address that means hold (`0.0.0.0`, RFC 3264 section 8.4) takes
    /// receiving away; a rejected media line is inactive.
    pub direction: Direction,
    /// Milliseconds of media in a packet that the party would like.
    pub ptime_ms: Option<u16>,
    /// Whether it names keys of SRTP (RFC 4568), by whatever transport.
    pub has_keys: bool,
}

/// The kind of a media line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaKind {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `image`: fax by T.38
    Image,
    /// `text`: real-time text
    Text,
    /// `application`
    Application,
    /// `message`: MSRP
    Message,
    /// Anything else; passes unchanged.
    Other,
}

/// What carries a media line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// RTP in the clear: `RTP/AVP`, `RTP/AVPF`.
    Rtp,
    /// SRTP with keys in the description: `RTP/SAVP`, `RTP/SAVPF`.
    Srtp,
    /// SRTP with keys by DTLS: `UDP/TLS/RTP/SAVP`, `UDP/TLS/RTP/SAVPF`.
    DtlsSrtp,
    /// `udptl`: fax by T.38. Datagrams whose first octet means nothing to a demultiplexer.
    Udptl,
    /// Anything else. Not ours to relay.
    Other,
}

/// Where a party receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Port 0: the media line is rejected or ended.
    Rejected,
    /// The unspecified address: on hold by the manner of RFC 2543.
    Held,
    /// At this address.
    At(SocketAddr),
    /// At this port of a host whose name stands in the description, or whose address is found out
    /// by ICE.
    Named {
        /// The port.
        port: u16,
    },
}

impl Transport {
    /// Whether packets are RTP or SRTP.
    #[must_use]
    pub const fn is_rtp(self) -> bool {
        matches!(self, Transport::Rtp | Transport::Srtp | Transport::DtlsSrtp)
    }

    fn parse(protocol: &[u8]) -> Transport {
        const KNOWN: [(&str, Transport); 7] = [
            ("RTP/AVP", Transport::Rtp),
            ("RTP/AVPF", Transport::Rtp),
            ("RTP/SAVP", Transport::Srtp),
            ("RTP/SAVPF", Transport::Srtp),
            ("UDP/TLS/RTP/SAVP", Transport::DtlsSrtp),
            ("UDP/TLS/RTP/SAVPF", Transport::DtlsSrtp),
            ("udptl", Transport::Udptl),
        ];
        let found = KNOWN.iter().find(|(name, _)| protocol.eq_ignore_ascii_case(name.as_bytes()));
        found.map_or(Transport::Other, |(_, transport)| *transport)
    }
}

impl MediaKind {
    fn parse(kind: &[u8]) -> MediaKind {
        const KNOWN: [(&str, MediaKind); 6] = [
            ("audio", MediaKind::Audio),
            ("video", MediaKind::Video),
            ("image", MediaKind::Image),
            ("text", MediaKind::Text),
            ("application", MediaKind::Application),
            ("message", MediaKind::Message),
        ];
        let found = KNOWN.iter().find(|(name, _)| kind.eq_ignore_ascii_case(name.as_bytes()));
        found.map_or(MediaKind::Other, |(_, kind)| *kind)
    }
}

impl Terms {
    /// Where to send RTP, if the party gave an address and is not on hold by it.
    #[must_use]
    pub const fn rtp(&self) -> Option<SocketAddr> {
        match self.target {
            Target::At(address) => Some(address),
            Target::Rejected | Target::Held | Target::Named { .. } => None,
        }
    }

    /// Whether the media line is rejected or ended.
    #[must_use]
    pub const fn is_rejected(&self) -> bool {
        matches!(self.target, Target::Rejected)
    }
}

/// What attributes of a media line say, found in one walk over them: the first of each name.
#[derive(Default)]
struct Stated<'a> {
    rtpmaps: Vec<RtpMap<'a>>,
    rtcp: Option<&'a [u8]>,
    rtcp_mux: bool,
    has_keys: bool,
    ptime: Option<&'a [u8]>,
    direction: Option<Direction>,
}

impl<'a> Stated<'a> {
    fn of(media: &Media<'_, 'a>) -> Stated<'a> {
        let mut stated = Stated::default();
        for attribute in media.attributes() {
            if attribute.is("rtpmap") {
                stated.rtpmaps.extend(attribute.value.and_then(RtpMap::parse));
            } else if attribute.is("rtcp") {
                stated.rtcp = stated.rtcp.or(attribute.value);
            } else if attribute.is("ptime") {
                stated.ptime = stated.ptime.or(attribute.value);
            } else if attribute.is("rtcp-mux") {
                stated.rtcp_mux = true;
            } else if attribute.is("crypto") {
                stated.has_keys = true;
            } else if stated.direction.is_none() {
                stated.direction = Direction::parse(attribute.name);
            }
        }
        stated
    }

    /// As [`Media::rtpmap`].
    fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        let named = self.rtpmaps.iter().find(|map| map.payload_type == payload_type);
        named.copied().or_else(|| static_map(payload_type))
    }

    fn rtcp_address(&self, target: Target) -> Option<SocketAddr> {
        let Target::At(rtp) = target else { return None };
        let Some(stated) = self.rtcp.and_then(Rtcp::parse) else {
            return Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?));
        };
        match stated.host {
            None => Some(SocketAddr::new(rtp.ip(), stated.port)),
            Some(Host::Ip(ip)) if !ip.is_unspecified() => Some(SocketAddr::new(ip, stated.port)),
            Some(Host::Ip(_) | Host::Name(_)) => None,
        }
    }

    /// Whether a payload type carries sound or pictures, not events or comfort noise.
    fn carries(&self, payload_type: u8) -> bool {
        self.rtpmap(payload_type).is_none_or(|map| {
            !map.is_telephone_event() && !map.encoding.eq_ignore_ascii_case(b"CN")
        })
    }

    fn clock_hz(&self, kind: MediaKind, preferred: Option<u8>) -> u32 {
        let map = preferred.and_then(|payload_type| self.rtpmap(payload_type));
        map.map_or(if kind == MediaKind::Video { 90_000 } else { 8000 }, |map| map.clock_hz)
    }

    fn telephone_event(&self, listed: PayloadTypes, clock_hz: u32) -> Option<u8> {
        let is_listed =
            |map: &&RtpMap<'_>| map.is_telephone_event() && listed.contains(map.payload_type);
        let events = || self.rtpmaps.iter().filter(is_listed);
        let same_clock = events().find(|map| map.clock_hz == clock_hz);
        same_clock.or_else(|| events().next()).map(|map| map.payload_type)
    }
}

impl Media<'_, '_> {
    /// What the party wants of this media line.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let stated = Stated::of(self);
        let target = self.target();
        let transport = Transport::parse(self.protocol());
        let kind = MediaKind::parse(self.kind());
        let is_rtp = transport.is_rtp();
        let mut types = self.payload_types().filter(|_| is_rtp);
        let preferred = types.find(|payload_type| stated.carries(*payload_type));
        let clock_hz = stated.clock_hz(kind, preferred);
        let payload_types: PayloadTypes = match is_rtp {
            true => self.payload_types().collect(),
            false => PayloadTypes::NONE,
        };
        let direction = || stated.direction.unwrap_or_else(|| self.session_direction());
        Terms {
            kind,
            transport,
            target,
            rtcp: if is_rtp { stated.rtcp_address(target) } else { None },
            rtcp_mux: stated.rtcp_mux,
            payload_types,
            preferred,
            clock_hz,
            telephone_event: match is_rtp {
                true => stated.telephone_event(payload_types, clock_hz),
                false => None,
            },
            direction: match target {
                Target::Rejected => Direction::Inactive,
                Target::Held => direction().and(Direction::SendOnly),
                Target::At(_) | Target::Named { .. } => direction(),
            },
            ptime_ms: stated.ptime.and_then(|value| number(value.trim_ascii())),
            has_keys: stated.has_keys,
        }
    }

    fn has_ice(&self) -> bool {
        self.stated("ice-ufrag").next().is_some()
    }

    /// Where the party receives.
    #[must_use]
    pub fn target(&self) -> Target {
        match (self.port(), self.connection().map(|connection| connection.host)) {
            (0, _) | (_, None) => Target::Rejected,
            // By ICE an address that is none says that candidates follow (RFC 8839 4.2.1).
            (port, Some(Host::Ip(ip))) if ip.is_unspecified() && self.has_ice() => {
                Target::Named { port }
            }
            (_, Some(Host::Ip(ip))) if ip.is_unspecified() => Target::Held,
            (port, Some(Host::Ip(ip))) => Target::At(SocketAddr::new(ip, port)),
            (port, Some(Host::Name(_))) => Target::Named { port },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Description;

    #[test]
    fn only_rtp_has_payload_types_and_events() {
        let terms = |protocol: &str| {
            let body = format!(
                "v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\n\
                 m=audio 4000 {protocol} 0 101\na=rtpmap:101 telephone-event/8000\n"
            );
            let terms =
                Description::parse(body.as_bytes()).unwrap().media().next().unwrap().terms();
            (terms.payload_types.contains(101), terms.telephone_event)
        };
        assert_eq!(terms("RTP/AVP"), (true, Some(101)));
        assert_eq!(terms("TCP/MRCPv2"), (false, None));
    }
}
