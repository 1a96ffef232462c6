//! A capture that Wireshark and sngrep read: pcap, each message as one packet of IP and UDP, in
//! whatever transport it went, TLS included.

use crate::Message;
use std::net::{IpAddr, SocketAddr};

/// Times in microseconds (draft-ietf-opsawg-pcap 4).
const MAGIC: u32 = 0xA1B2_C3D4;
/// Packets begin with their IP header.
const LINKTYPE_RAW: u32 = 101;
const SNAP_BYTES_MAX: u32 = 65_535;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
const HOPS: u8 = 64;

/// The messages as a pcap file.
#[must_use]
pub fn pcap(messages: &[Message]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [MAGIC, 0x0004_0002, 0, 0, SNAP_BYTES_MAX, LINKTYPE_RAW] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    for message in messages {
        let packet = packet(message);
        let us = message.said.wall_us.max(0);
        let (seconds, micros) = (us / 1_000_000, us % 1_000_000);
        let len = u32::try_from(packet.len()).unwrap_or(SNAP_BYTES_MAX);
        // Seconds in 32 bits: until 2106.
        for word in [seconds as u32, micros as u32, len, len] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&packet);
    }
    out
}

fn packet(message: &Message) -> Vec<u8> {
    let said = &message.said;
    let (from, to) = match said.outgoing {
        true => (said.local, said.peer),
        false => (said.peer, said.local),
    };
    let datagram = datagram(from, to, &message.bytes);
    let mut out = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = u16::try_from(20 + datagram.len()).unwrap_or(u16::MAX).to_be_bytes();
            let mut header = [0; 20];
            header[0] = 0x45;
            header[2..4].copy_from_slice(&total);
            header[8] = HOPS;
            header[9] = UDP;
            header[12..16].copy_from_slice(&from.octets());
            header[16..20].copy_from_slice(&to.octets());
            let check = (!folded(sum(&header))).to_be_bytes();
            header[10..12].copy_from_slice(&check);
            header.to_vec()
        }
        (from, to) => {
            let mut header = [0; 40];
            header[0] = 0x60;
            let len = u16::try_from(datagram.len()).unwrap_or(u16::MAX).to_be_bytes();
            header[4..6].copy_from_slice(&len);
            header[6] = UDP;
            header[7] = HOPS;
            header[8..24].copy_from_slice(&octets(from));
            header[24..40].copy_from_slice(&octets(to));
            header.to_vec()
        }
    };
    out.extend_from_slice(&datagram);
    out
}

fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(UDP_HEADER + payload.len()).unwrap_or(u16::MAX);
    let mut out = Vec::with_capacity(UDP_HEADER + payload.len());
    for word in [from.port(), to.port(), len, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(payload);
    // The addresses of the pseudo header; those of IPv4 mapped add 0xFFFF each and are left short.
    let addresses = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(&from.octets()) + sum(&to.octets()),
        (from, to) => sum(&octets(from)) + sum(&octets(to)),
    };
    let check = !folded(addresses + u32::from(UDP) + u32::from(len) + sum(&out));
    // Zero would say that there is none (RFC 768).
    let check = if check == 0 { u16::MAX } else { check };
    if let Some(place) = out.get_mut(6..8) {
        place.copy_from_slice(&check.to_be_bytes());
    }
    out
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Sum of 16-bit words; at most 64 KiB come in, so 32 bits hold it.
fn sum(bytes: &[u8]) -> u32 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |byte| u32::from(*byte) << 8);
    pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum::<u32>() + last
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}
