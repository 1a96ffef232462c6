//! The first packet: what a party is sent when its call is answered, before anybody speaks (spec
//! MEDIA-ROUTE-02).
//!
//! Two ends that each send only where they have heard from wait for each other for ever. Where it
//! is set so, our port sends one packet to where the party says that it is: RTP without payload, of
//! a type that nobody has negotiated, which a party passes over (RFC 3550 section 5.1, RFC 6263
//! section 4.6). Once in the life of a leg, on each line of RTP in the clear; media that is
//! encrypted has none, as nothing leaves such a port unprotected, nor has fax.

use super::{Carried, LegMedia, MediaDesk};
use core::net::SocketAddr;
use strowger_link::LegId;
use strowger_media::LocalPort;
use strowger_sdp::PayloadTypes;

/// A datagram of ours: from which port, to whom, and what.
pub(super) type Own = (LocalPort, SocketAddr, Vec<u8>);

/// Packets that wait to leave at the end of a turn; more are not sent.
const GREETINGS_MAX: usize = 1_024;
/// Octets of a header of RTP.
const HEADER_LEN: usize = 12;
/// Types that are free to be negotiated (RFC 3551 section 6).
const DYNAMIC: core::ops::RangeInclusive<u8> = 96..=127;

impl MediaDesk {
    /// Sends a leg's party its first packet, if that is set, its call is answered, and where it is
    /// is known.
    pub(super) fn greet(&mut self, leg: LegId) {
        let Some(media) = self.legs.get(&leg).filter(|media| media.is_to_be_greeted()) else {
            return;
        };
        let session = media.session.id();
        let mut sent = false;
        for line in &media.lines {
            let (Some(ports), Some(pair), Some(terms)) = (line.ports, line.pair, line.terms) else {
                continue;
            };
            let joint = self.joints.get(&pair);
            let is_plain = joint.is_some_and(|joint| joint.carried == Carried::Rtp);
            let is_open = is_plain && !line.ends_here() && terms.direction.receives();
            let to = self.relay.destination(ports.rtp).filter(|_| is_open);
            let packet = packet(session, terms.payload_types);
            if let (Some(to), Some(packet)) = (to, packet)
                && self.greetings.len() < GREETINGS_MAX
            {
                self.greetings.push((ports.rtp, to, packet));
                sent = true;
            }
        }
        if let Some(media) = self.legs.get_mut(&leg).filter(|_| sent) {
            media.greeted = true;
        }
    }
}

impl LegMedia {
    /// Another shard is no party.
    fn is_to_be_greeted(&self) -> bool {
        let is_set = self.policy.is_some_and(|policy| policy.first_packet);
        is_set && self.answered && !self.greeted && !self.is_inside()
    }
}

/// RTP without payload, of a type that is none of these; `None` = all are taken.
fn packet(session: u64, taken: PayloadTypes) -> Option<Vec<u8>> {
    let free = DYNAMIC.rev().find(|number| !taken.contains(*number))?;
    let mut packet = Vec::with_capacity(HEADER_LEN);
    packet.extend([0x80, free]);
    // What stands in it is chance, as our session's number is.
    let [a, b, c, d, e, f, g, h] = session.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    packet.extend([e, f, c, d, g, h, a, b, c, d]);
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packet_is_rtp_of_a_type_that_nobody_negotiated() {
        let some: PayloadTypes = [0, 8, 127, 126].into_iter().collect();
        let octets = packet(7, some).unwrap();
        let read = strowger_wire::rtp::Packet::new_header_checked(&octets[..]).unwrap();
        assert_eq!((octets.len(), read.payload_type()), (HEADER_LEN, 125));
        assert_ne!(packet(8, some).unwrap(), octets, "another session, another source");
        assert_eq!(packet(7, PayloadTypes::ALL), None);
    }
}
