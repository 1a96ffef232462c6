//! Our RTP view beside the `rtp` crate: equal on packets it builds, equal on arbitrary octets.

use proptest::prelude::*;
use rtp::header::{EXTENSION_PROFILE_ONE_BYTE, EXTENSION_PROFILE_TWO_BYTE, Extension, Header};
use strowger_wire::rtp::{self as ours, Packet};
use webrtc_util::marshal::{Marshal, Unmarshal};

prop_compose! {
    fn oracle_packet()(
        (padding, marker) in any::<(bool, bool)>(),
        payload_type in 0u8..128,
        (sequence_number, timestamp, ssrc) in any::<(u16, u32, u32)>(),
        csrc in prop::collection::vec(any::<u32>(), 0..16),
        extension in prop::option::of((0u16..0x1000, 0usize..8)),
        payload in prop::collection::vec(any::<u8>(), 1..200),
    ) -> rtp::packet::Packet {
        let data = |words: usize| Extension { id: 0, payload: vec![9; words * 4].into() };
        let extensions = extension.map(|(_, words)| data(words));
        rtp::packet::Packet {
            header: Header {
                version: 2,
                padding,
                extension: extension.is_some(),
                marker,
                payload_type,
                sequence_number,
                timestamp,
                ssrc,
                csrc,
                extension_profile: extension.map_or(0, |(profile, _)| profile),
                extensions: extensions.into_iter().collect(),
                extensions_padding: 0,
            },
            payload: payload.into(),
        }
    }
}

fn assert_equal(ours: &Packet<&[u8]>, oracle: &rtp::packet::Packet) {
    let header = &oracle.header;
    assert_eq!(ours.version(), header.version);
    assert_eq!(ours.marker(), header.marker);
    assert_eq!(ours.payload_type(), header.payload_type);
    assert_eq!(ours.sequence(), header.sequence_number);
    assert_eq!(ours.timestamp(), header.timestamp);
    assert_eq!(ours.ssrc(), header.ssrc);
    assert_eq!(ours.csrcs().collect::<Vec<_>>(), header.csrc);
    assert_eq!(ours.padding_len().is_some(), header.padding);
    assert_eq!(ours.extension().is_some(), header.extension);
    if let Some(extension) = ours.extension() {
        assert_eq!(extension.profile, header.extension_profile);
        assert_eq!(extension.data, &header.extensions[0].payload[..]);
    }
    assert_eq!(ours.payload(), &oracle.payload[..]);
}

/// The oracle parses RFC 8285 elements, and panics where they overrun the extension.
fn has_rfc_8285_elements(packet: &Packet<&[u8]>) -> bool {
    packet.extension().is_some_and(|extension| {
        [EXTENSION_PROFILE_ONE_BYTE, EXTENSION_PROFILE_TWO_BYTE].contains(&extension.profile)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn we_read_what_the_oracle_builds(oracle in oracle_packet()) {
        let octets = oracle.marshal().unwrap();
        assert_equal(&Packet::new_checked(&octets[..]).unwrap(), &oracle);
    }

    #[test]
    fn the_oracle_reads_what_we_build(
        (marker, sequence, timestamp, ssrc) in any::<(bool, u16, u32, u32)>(),
        payload_type in 0u8..128,
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut octets = vec![0xff; ours::HEADER_LEN];
        ours::Header { marker, payload_type, sequence, timestamp, ssrc }.emit(&mut octets).unwrap();
        octets.extend_from_slice(&payload);
        let oracle = rtp::packet::Packet::unmarshal(&mut &octets[..]).unwrap();
        assert_equal(&Packet::new_checked(&octets[..]).unwrap(), &oracle);
    }

    #[test]
    fn arbitrary_octets_read_equally_and_never_panic(
        first in prop_oneof![Just(0x80u8), 0x80u8..0xc0, any::<u8>()],
        rest in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut octets = vec![first];
        octets.extend_from_slice(&rest);
        let Ok(packet) = Packet::new_checked(&octets[..]) else { return Ok(()) };
        if !has_rfc_8285_elements(&packet) {
            let oracle = rtp::packet::Packet::unmarshal(&mut &octets[..]).unwrap();
            assert_equal(&packet, &oracle);
        }
    }

    #[test]
    fn what_we_refuse_the_oracle_refuses_too_or_reads_loosely(
        octets in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let refusal = match Packet::new_checked(&octets[..]) {
            Ok(_) => return Ok(()),
            Err(refusal) => refusal,
        };
        match refusal {
            // The oracle does not look at the version, and takes a padding count of 0.
            ours::Error::Version => {}
            ours::Error::Padding => prop_assert!(
                octets.last() == Some(&0)
                    || rtp::packet::Packet::unmarshal(&mut &octets[..]).is_err()
            ),
            ours::Error::Truncated => {
                prop_assert!(rtp::packet::Packet::unmarshal(&mut &octets[..]).is_err());
            }
        }
    }
}
