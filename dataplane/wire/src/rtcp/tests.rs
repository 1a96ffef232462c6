use super::{Builder, CNAME, Compound, Error, Lead, Packet, ReportBlock, SenderInfo};
use crate::NoRoom;
use proptest::prelude::*;

const INFO: SenderInfo =
    SenderInfo { ntp: 0xe0e1_e2e3_8000_0000, rtp_timestamp: 160, packets: 50, octets: 8000 };

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 0xdead_beef,
    fraction_lost: 25,
    cumulative_lost: -3,
    highest_sequence: 0x0001_0002,
    jitter: 12,
    last_sr: 0xe2e3_8000,
    delay_since_last_sr: 0x0001_0000,
};

fn refused(octets: &[u8]) -> Error {
    Compound::new_checked(octets).map(|_| ()).unwrap_err()
}

#[test]
fn a_call_leg_reports_and_leaves() {
    let mut buffer = [0xaa; 200];
    let mut builder = Builder::new(&mut buffer);
    builder.sender_report(7, INFO, &[BLOCK, BLOCK]).unwrap();
    builder.cname(7, b"phone@192.0.2.1").unwrap();
    builder.bye(&[7, 8], b"over").unwrap();
    let octets = builder.finish();
    assert_eq!(octets.len(), (28 + 48) + (8 + 20) + (12 + 8));

    let compound = Compound::new_checked(octets).unwrap();
    assert!(!compound.is_reduced());
    let packets: Vec<_> = compound.packets().collect();
    let [Packet::SenderReport(report), Packet::SourceDescription(names), Packet::Bye(bye)] =
        packets[..]
    else {
        panic!("{packets:?}")
    };
    assert_eq!((report.ssrc(), report.info()), (7, INFO));
    assert_eq!(report.reports().collect::<Vec<_>>(), [BLOCK, BLOCK]);
    let items: Vec<_> = names.items().map(|item| (item.ssrc, item.kind, item.text)).collect();
    assert_eq!(items, [(7, CNAME, &b"phone@192.0.2.1"[..])]);
    assert_eq!(bye.sources().collect::<Vec<_>>(), [7, 8]);
    assert_eq!(bye.reason(), Some(&b"over"[..]));
}

#[test]
fn a_receiver_report_to_the_byte() {
    let mut buffer = [0; 32];
    let mut builder = Builder::new(&mut buffer);
    builder.receiver_report(1, &[BLOCK]).unwrap();
    let expected = [
        0x81, 201, 0, 7, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef, 25, 0xff, 0xff, 0xfd, 0, 1, 0, 2, 0,
        0, 0, 12, 0xe2, 0xe3, 0x80, 0, 0, 1, 0, 0,
    ];
    assert_eq!(builder.finish(), expected);
}

#[test]
fn losses_are_24_bits_with_a_sign() {
    for (lost, seen) in [(0, 0), (-1, -1), (0x7f_ffff, 0x7f_ffff), (0x80_0000, 0x7f_ffff)] {
        let block = ReportBlock { cumulative_lost: lost, ..BLOCK };
        assert_eq!(ReportBlock::parse(&block.octets()).cumulative_lost, seen, "{lost}");
    }
    let block = ReportBlock { cumulative_lost: i32::MIN, ..BLOCK };
    assert_eq!(ReportBlock::parse(&block.octets()).cumulative_lost, -0x80_0000);
}

#[test]
fn names_of_every_length_end_on_a_word() {
    for len in 0..=255 {
        let mut buffer = [0xff; 280];
        let mut builder = Builder::new(&mut buffer);
        builder.cname(9, &vec![b'x'; len]).unwrap();
        let octets = builder.finish();
        assert_eq!(octets.len() % 4, 0);
        let compound = Compound::new_checked(octets).unwrap();
        assert!(compound.is_reduced());
        let Some(Packet::SourceDescription(names)) = compound.packets().next() else { panic!() };
        assert_eq!(names.items().map(|item| item.text.len()).collect::<Vec<_>>(), [len]);
    }
}

#[test]
fn chunks_begin_on_a_word() {
    let mut octets = vec![0x83, 202, 0, 8];
    octets.extend([0, 0, 0, 1, CNAME, 2, b'a', b'b', 0, 0, 0, 0]); // nulls of a whole word
    octets.extend([0, 0, 0, 2, CNAME, 1, b'c', 0]); // one null
    octets.extend([0, 0, 0, 3, CNAME, 0, 2, 0, 0, 0, 0, 0]); // an empty name, an empty NAME
    let compound = Compound::new_checked(&octets).unwrap();
    let Some(Packet::SourceDescription(names)) = compound.packets().next() else { panic!() };
    let items: Vec<_> = names.items().map(|item| (item.ssrc, item.kind, item.text)).collect();
    assert_eq!(items, [(1, 1, &b"ab"[..]), (2, 1, b"c"), (3, 1, b""), (3, 2, b"")]);
}

#[test]
fn a_goodbye_may_give_no_reason() {
    let mut buffer = [0; 8];
    let mut builder = Builder::new(&mut buffer);
    builder.bye(&[5], b"").unwrap();
    let compound = Compound::new_checked(builder.finish()).unwrap();
    let Some(Packet::Bye(bye)) = compound.packets().next() else { panic!() };
    assert_eq!((bye.sources().next(), bye.reason()), (Some(5), None));
}

#[test]
fn what_does_not_fit_is_left_out_whole() {
    let mut buffer = [0xaa; 36];
    let mut builder = Builder::new(&mut buffer);
    builder.receiver_report(1, &[]).unwrap();
    assert_eq!(builder.sender_report(1, INFO, &[BLOCK]), Err(NoRoom));
    assert_eq!(builder.receiver_report(1, &[BLOCK; 32]), Err(NoRoom));
    assert_eq!(builder.bye(&[1], &[0; 256]), Err(NoRoom));
    assert_eq!(builder.cname(1, &[0; 256]), Err(NoRoom));
    builder.bye(&[1], b"").unwrap();
    assert_eq!(builder.finish(), [0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0, 0, 0, 1]);
}

#[test]
fn bad_compounds_are_refused_with_their_reason() {
    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 1];
    let with = |at: usize, octet: u8| {
        let mut octets = REPORT;
        octets[at] = octet;
        refused(&octets)
    };
    assert_eq!(refused(&[]), Error::Truncated);
    assert_eq!(refused(&REPORT[..3]), Error::Truncated);
    assert_eq!(refused(&REPORT[..7]), Error::Truncated);
    assert_eq!(with(3, 2), Error::Truncated);
    assert_eq!(with(0, 0x40), Error::Version);
    assert_eq!(with(1, 100), Error::PacketType);
    assert_eq!(with(0, 0x81), Error::Count); // a report block that is not there
    assert_eq!(with(1, 200), Error::Count); // a sender report without its sender's part
    assert_eq!(refused(&[0xa0, 201, 0, 1, 0, 0, 0, 0]), Error::Padding);
    assert_eq!(refused(&[0xa0, 201, 0, 1, 0, 0, 0, 9]), Error::Padding);
    let padded_first = [[0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4].as_slice(), &REPORT].concat();
    assert_eq!(refused(&padded_first), Error::Padding);
    assert_eq!(refused(&[&REPORT[..], &[0x00, 201, 0, 0]].concat()), Error::Version);
    assert_eq!(refused(&[0x82, 203, 0, 1, 0, 0, 0, 1]), Error::Count);
    assert_eq!(refused(&[0x81, 203, 0, 2, 0, 0, 0, 1, 9, b'o', b'h', 0]), Error::Count);
    assert_eq!(refused(&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, b'o', b'h']), Error::Count);
}

#[test]
fn padding_of_the_last_packet_is_no_part_of_its_body() {
    let octets = [0xa0, 204, 0, 3, 0, 0, 0, 1, b'n', b'a', b'm', b'e', 0, 0, 0, 4];
    let compound = Compound::new_checked(&octets).unwrap();
    let Some(Packet::Other { packet_type: 204, count: 0, body }) = compound.packets().next() else {
        panic!()
    };
    assert_eq!(body, b"\0\0\0\x01name");
}

#[test]
fn an_encrypted_compound_shows_its_lead() {
    // An empty receiver report, then octets that are cipher text.
    let octets = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x13, 0x37, 0x99];
    assert_eq!(Lead::new_checked(&octets), Ok(Lead { packet_type: 201, ssrc: 7 }));
    assert!(Compound::new_checked(&octets).is_err());
    assert_eq!(Lead::new_checked(&octets[..7]), Err(Error::Truncated));
    assert_eq!(Lead::new_checked(&[0x80, 201, 0, 9, 0, 0, 0, 7]), Err(Error::Truncated));
    assert_eq!(Lead::new_checked(&[0x80, 8, 0, 1, 0, 0, 0, 7]), Err(Error::PacketType));
    assert_eq!(Lead::new_checked(&[0x00, 201, 0, 1, 0, 0, 0, 7]), Err(Error::Version));
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(
        first in 0x80u8..0xc0,
        packet_type in 198u8..206,
        words in 0u8..12,
        rest in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let octets = [&[first, packet_type, 0, words][..], &rest].concat();
        if let Ok(compound) = Compound::new_checked(&octets) {
            prop_assert!(compound.packets().count() >= 1);
            for packet in compound.packets() {
                walk(packet);
            }
        }
    }

    #[test]
    fn reports_read_back(
        ssrc: u32,
        words in prop::collection::vec(any::<(u32, u8, i32, u32, u32)>(), 0..32),
    ) {
        let reports: Vec<_> = words.iter().map(|&(ssrc, fraction_lost, lost, sequence, jitter)| {
            let cumulative_lost = lost >> 8; // 24 bits
            ReportBlock {
                ssrc,
                fraction_lost,
                cumulative_lost,
                highest_sequence: sequence,
                jitter,
                ..BLOCK
            }
        }).collect();
        let mut buffer = [0; 1000];
        let mut builder = Builder::new(&mut buffer);
        builder.sender_report(ssrc, INFO, &reports).unwrap();
        let compound = Compound::new_checked(builder.finish()).unwrap();
        let Some(Packet::SenderReport(read)) = compound.packets().next() else { panic!() };
        prop_assert_eq!(read.ssrc(), ssrc);
        prop_assert_eq!(read.reports().collect::<Vec<_>>(), reports);
    }
}

/// Reads all there is; what is read must lie inside the packet.
fn walk(packet: Packet<'_>) {
    match packet {
        Packet::SenderReport(report) => assert!(report.reports().count() <= 31),
        Packet::ReceiverReport(report) => assert!(report.reports().count() <= 31),
        Packet::SourceDescription(names) => {
            assert!(names.items().all(|item| item.text.len() <= 255));
        }
        Packet::Bye(bye) => {
            assert!(bye.sources().count() <= 31);
            assert!(bye.reason().is_none_or(|reason| reason.len() <= 255));
        }
        Packet::Other { body, .. } => assert!(body.len() <= 60),
    }
}
