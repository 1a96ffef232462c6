//! HEP version 3, the encapsulation that Homer and its like collect.

use crate::Message;
use crate::text::call_id;
use std::net::IpAddr;
use strowger_link::Transport;

/// The vendor of the chunks that everybody knows.
const GENERIC: u16 = 0;
const SIP: u8 = 1;
/// Most bytes of a packet: its length has 16 bits, and a UDP datagram holds less.
const PACKET_BYTES_MAX: usize = 60_000;

/// One message as a packet from `agent`; empty when it is too long for one.
#[must_use]
pub fn hep(message: &Message, agent: u32) -> Vec<u8> {
    let said = &message.said;
    let (from, to) = match said.outgoing {
        true => (said.local, said.peer),
        false => (said.peer, said.local),
    };
    let us = said.wall_us.max(0);
    let protocol = match said.transport {
        Transport::Udp => 17,
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => 6,
    };
    let mut out = b"HEP3\0\0".to_vec();
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            chunk(&mut out, 1, &[2]);
            chunk(&mut out, 3, &from.octets());
            chunk(&mut out, 4, &to.octets());
        }
        (from, to) => {
            let wide = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            chunk(&mut out, 1, &[10]);
            chunk(&mut out, 5, &wide(from));
            chunk(&mut out, 6, &wide(to));
        }
    }
    chunk(&mut out, 2, &[protocol]);
    chunk(&mut out, 7, &from.port().to_be_bytes());
    chunk(&mut out, 8, &to.port().to_be_bytes());
    // Seconds in 32 bits: until 2106.
    chunk(&mut out, 9, &((us / 1_000_000) as u32).to_be_bytes());
    chunk(&mut out, 10, &((us % 1_000_000) as u32).to_be_bytes());
    chunk(&mut out, 11, &[SIP]);
    chunk(&mut out, 12, &agent.to_be_bytes());
    if let Some(id) = call_id(&message.bytes) {
        chunk(&mut out, 17, id);
    }
    chunk(&mut out, 15, &message.bytes);
    if out.len() > PACKET_BYTES_MAX {
        return Vec::new();
    }
    let len = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(4..6) {
        place.copy_from_slice(&len);
    }
    out
}

fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(6 + value.len()).unwrap_or(u16::MAX);
    for word in [GENERIC, kind, len] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(value);
}
