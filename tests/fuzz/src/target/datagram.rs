//! IPv4 and UDP headers: checks, accessors, building, and the checksum that is updated.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use strowger_wire::{checksum, ipv4, udp};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "datagram", run, seeds, words: &[] };

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    match ipv4::Packet::new_checked(input) {
        Ok(packet) => {
            assert!(packet.header_len() + packet.payload().len() == packet.total_len());
            assert!(packet.total_len() <= input.len() && packet.dscp() < 64);
            shape.note("ip", &(packet.is_checksum_right(), packet.is_fragment()));
            shape.note("df", &packet.is_dont_fragment()).note("header", &packet.header_len());
            let (from, to) = (packet.source().into(), packet.destination().into());
            datagram(packet.payload(), from, to, &mut shape);
        }
        Err(error) => {
            shape.print("error", &error);
            let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
            datagram(input, from, from, &mut shape);
        }
    }
    build(&mut Choices(input));
    shape
}

fn datagram(octets: &[u8], from: IpAddr, to: IpAddr, shape: &mut Shape) {
    match udp::Packet::new_checked(octets) {
        Ok(packet) => {
            assert!(packet.len() <= octets.len() && packet.payload().len() <= packet.len());
            let from = SocketAddr::new(from, packet.source_port());
            let to = SocketAddr::new(to, packet.destination_port());
            let right = packet.is_checksum_right(from, to);
            shape.note("udp", &(packet.checksum() == 0, right, packet.payload().is_empty()));
        }
        Err(error) => {
            shape.print("error", &error);
        }
    }
}

/// `parse(build(x)) == x`, checksums right, and still right after a word is changed with them.
fn build(choices: &mut Choices<'_>) {
    let from = SocketAddr::new(Ipv4Addr::from(choices.array()).into(), choices.u16());
    let to = SocketAddr::new(Ipv4Addr::from(choices.array()).into(), choices.u16());
    let flags = choices.u8();
    let (ttl, ident, word) = (choices.u8(), choices.u16(), choices.u16());
    let payload = choices.bytes(1_400);
    let mut datagram = vec![0; udp::HEADER_LEN];
    datagram.extend_from_slice(payload);
    assert!(udp::emit(&mut datagram, from, to).is_ok());
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (from.ip(), to.ip()) else { return };
    let header = ipv4::Header {
        source,
        destination,
        protocol: ipv4::PROTOCOL_UDP,
        payload_len: datagram.len() as u16,
        dscp: flags >> 2,
        ttl,
        ident,
        dont_fragment: flags & 1 == 1,
    };
    let mut octets = vec![0; ipv4::HEADER_LEN];
    assert!(header.emit(&mut octets).is_ok());
    octets.extend_from_slice(&datagram);
    let Ok(packet) = ipv4::Packet::new_checked(&octets[..]) else {
        return assert!(octets.is_empty(), "our own header was refused");
    };
    assert!(packet.is_checksum_right() && packet.payload() == datagram);
    assert_eq!((packet.source(), packet.destination()), (source, destination));
    assert_eq!((packet.dscp(), packet.ttl(), packet.ident()), (flags >> 2, ttl, ident));
    let Ok(inner) = udp::Packet::new_checked(packet.payload()) else {
        return assert!(octets.is_empty(), "our own datagram was refused");
    };
    assert!(inner.is_checksum_right(from, to) && inner.payload() == payload);
    assert_eq!((inner.source_port(), inner.destination_port()), (from.port(), to.port()));
    let old = u16::from_be_bytes([octets[4], octets[5]]);
    let updated = checksum::updated(u16::from_be_bytes([octets[10], octets[11]]), old, word);
    octets[4..6].copy_from_slice(&word.to_be_bytes());
    octets[10..12].copy_from_slice(&updated.to_be_bytes());
    let right = ipv4::Packet::new_checked(&octets[..]).map(|packet| packet.is_checksum_right());
    assert_eq!(right, Ok(true));
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let (from, to) = ("10.0.0.1:4000".parse(), "10.0.0.2:16384".parse());
    let (Ok(from), Ok(to)) = (from, to) else { return Vec::new() };
    let mut datagram: Vec<u8> = (0..udp::HEADER_LEN + 20).map(|_| dice.byte()).collect();
    let built = udp::emit(&mut datagram, SocketAddr::V4(from), SocketAddr::V4(to));
    assert!(built.is_ok());
    let header = ipv4::Header {
        source: *from.ip(),
        destination: *to.ip(),
        protocol: ipv4::PROTOCOL_UDP,
        payload_len: datagram.len() as u16,
        dscp: 46,
        ttl: 64,
        ident: 1,
        dont_fragment: true,
    };
    let mut packet = vec![0; ipv4::HEADER_LEN];
    assert!(header.emit(&mut packet).is_ok());
    packet.extend_from_slice(&datagram);
    vec![packet, datagram]
}
