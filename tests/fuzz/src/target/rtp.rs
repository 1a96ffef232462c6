//! RTP packets: both checks, every accessor, rewriting in place, building.

use strowger_wire::demux::Kind;
use strowger_wire::rtp::{HEADER_LEN, Header, Packet};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "rtp", run, seeds, words: &[] };

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    shape.print("kind", &Kind::of(input));
    let clear = Packet::new_checked(input);
    shape.print("error", &clear.as_ref().err());
    match Packet::new_header_checked(input) {
        Ok(packet) => {
            views(&packet, input, clear.is_ok(), &mut shape);
            rewrite(input);
        }
        Err(_) => assert!(clear.is_err(), "the strict check took what the loose one refused"),
    }
    build(&mut Choices(input));
    shape
}

fn views(packet: &Packet<&[u8]>, input: &[u8], clear: bool, shape: &mut Shape) {
    assert_eq!(packet.version(), 2);
    assert!(packet.header_len() <= input.len() && packet.payload_type() < 128);
    let csrcs = packet.csrcs().count();
    let extension = packet.extension().map(|extension| extension.data.len());
    assert_eq!(packet.header_len(), HEADER_LEN + 4 * csrcs + extension.map_or(0, |data| data + 4));
    let padding = packet.padding_len().unwrap_or(0);
    if clear {
        assert_eq!(packet.header_len() + packet.payload().len() + padding, input.len());
        assert!(packet.padding_len() != Some(0));
    }
    shape.note("csrcs", &csrcs).count("extension", extension.map_or(0, |data| data + 1));
    shape.count("padding", padding).count("payload", packet.payload().len());
}

/// A rewritten field reads back, and nothing else has changed.
fn rewrite(input: &[u8]) {
    let mut octets = input.to_vec();
    let Ok(mut packet) = Packet::new_header_checked(&mut octets[..]) else {
        return assert!(input.is_empty(), "a copy was refused");
    };
    let (marker, payload_type) = (packet.marker(), packet.payload_type());
    let (sequence, timestamp) = (packet.sequence(), packet.timestamp());
    packet.set_marker(!marker);
    packet.set_payload_type(payload_type ^ 0xff);
    packet.set_sequence(!sequence);
    packet.set_timestamp(!timestamp);
    packet.set_ssrc(0x0102_0304);
    assert_eq!((packet.marker(), packet.payload_type()), (!marker, payload_type ^ 0x7f));
    assert_eq!((packet.sequence(), packet.timestamp()), (!sequence, !timestamp));
    assert_eq!(packet.ssrc(), 0x0102_0304);
    assert_eq!((octets[0], &octets[HEADER_LEN..]), (input[0], &input[HEADER_LEN..]));
}

/// `parse(build(x)) == x`.
fn build(choices: &mut Choices<'_>) {
    let header = header(choices);
    let payload = choices.bytes(200);
    let mut octets = vec![0; HEADER_LEN];
    assert!(header.emit(&mut octets[..HEADER_LEN - 1]).is_err());
    assert!(header.emit(&mut octets).is_ok());
    octets.extend_from_slice(payload);
    let packet = Packet::new_checked(&octets[..]).map(|packet| {
        let parsed = Header {
            marker: packet.marker(),
            payload_type: packet.payload_type(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            ssrc: packet.ssrc(),
        };
        (parsed, packet.payload().to_vec())
    });
    assert_eq!(packet, Ok((header, payload.to_vec())));
}

fn header(choices: &mut Choices<'_>) -> Header {
    Header {
        marker: choices.u8() & 1 == 1,
        payload_type: choices.u8() & 0x7f,
        sequence: choices.u16(),
        timestamp: choices.u32(),
        ssrc: choices.u32(),
    }
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut plain = vec![0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4];
    plain.extend((0..160).map(|_| dice.byte()));
    // Padding, extension, two contributing sources.
    let mut rich = vec![0xb2, 0x80 | 101, 0, 2, 0, 0, 1, 64, 1, 2, 3, 4];
    rich.extend([9, 9, 9, 9, 8, 8, 8, 8, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    rich.extend([5, 0x0a, 3, 0x20, 0, 0, 0, 4]);
    vec![plain, rich]
}
