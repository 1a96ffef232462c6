//! What was protected comes back, once, and nothing else does: all suites, random packets, changes
//! of single bits, and the wrap of sequence numbers over more than one round.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input must fail")]

use proptest::prelude::*;
use strowger_srtp::limits::{GROWTH_MAX, STREAMS_MAX};
use strowger_srtp::{
    Fault, KeyMaker, Mark, Master, RtcpOpener, RtcpSealer, RtpOpener, RtpSealer, Suite,
};

fn suite() -> impl Strategy<Value = Suite> {
    (0..Suite::ALL.len()).prop_map(|nth| Suite::ALL[nth].2)
}

fn master(suite: Suite) -> Master {
    KeyMaker::new(&[3; 32]).unwrap().make(suite).unwrap()
}

/// A packet with `csrcs` contributing sources and an extension of some words, or none.
fn rtp((sequence, ssrc): (u16, u32), (csrcs, words): (u8, Option<u16>), payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80 | csrcs & 15 | if words.is_some() { 0x10 } else { 0 }, 8];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 9]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend(std::iter::repeat_n(0x11, 4 * usize::from(csrcs & 15)));
    if let Some(words) = words {
        packet.extend_from_slice(&[0xbe, 0xde]);
        packet.extend_from_slice(&words.to_be_bytes());
        packet.extend(std::iter::repeat_n(0x22, 4 * usize::from(words)));
    }
    packet.extend_from_slice(payload);
    packet
}

fn seal(sealer: &mut RtpSealer, packet: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut room = [packet, &[0; GROWTH_MAX]].concat();
    let len = sealer.seal(&mut room, packet.len())?.len;
    room.truncate(len);
    Ok(room)
}

proptest! {
    #[test]
    fn rtp_comes_back_as_it_was_and_once(
        suite in suite(),
        sequence: u16,
        ssrc: u32,
        csrcs in 0u8..16,
        words in proptest::option::of(0u16..5),
        payload in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let master = master(suite);
        let plain = rtp((sequence, ssrc), (csrcs, words), &payload);
        let mut sealer = RtpSealer::new(&master).unwrap();
        let sealed = seal(&mut sealer, &plain).unwrap();
        let clear = plain.len() - payload.len();
        prop_assert_eq!(&sealed[..clear], &plain[..clear], "the header stays");
        prop_assert!(payload.len() < 16 || sealed[clear..plain.len()] != payload[..]);
        prop_assert_eq!(seal(&mut sealer, &plain), Err(Fault::Replayed));
        let mut opener = RtpOpener::new(&master).unwrap();
        let mut packet = sealed.clone();
        let len = opener.open(&mut packet).unwrap().len;
        prop_assert_eq!(&packet[..len], &plain[..]);
        prop_assert_eq!(opener.open(&mut sealed.clone()), Err(Fault::Replayed));
    }

    #[test]
    fn a_changed_bit_or_another_length_is_found(
        suite in suite(),
        payload in proptest::collection::vec(any::<u8>(), 0..60),
        at: proptest::sample::Index,
        bit in 0u8..8,
        cut: proptest::sample::Index,
    ) {
        let master = master(suite);
        let sealed = seal(
            &mut RtpSealer::new(&master).unwrap(),
            &rtp((1, 7), (0, None), &payload),
        ).unwrap();
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= 1 << bit;
        prop_assert!(RtpOpener::new(&master).unwrap().open(&mut changed).is_err());
        let mut shorter = sealed[..cut.index(sealed.len())].to_vec();
        prop_assert!(RtpOpener::new(&master).unwrap().open(&mut shorter).is_err());
    }

    #[test]
    fn rtcp_comes_back_as_it_was_once_and_unchanged(
        suite in suite(),
        ssrc: u32,
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        at: proptest::sample::Index,
        bit in 0u8..8,
    ) {
        let master = master(suite);
        let mut plain = vec![0x81, 200, 0, 1];
        plain.extend_from_slice(&ssrc.to_be_bytes());
        plain.extend_from_slice(&payload);
        let mut sealer = RtcpSealer::new(&master).unwrap();
        let mut opener = RtcpOpener::new(&master).unwrap();
        let mut former = None;
        for _ in 0..3 {
            let mut room = [plain.as_slice(), &[0; GROWTH_MAX]].concat();
            let len = sealer.seal(&mut room, plain.len()).unwrap().len;
            room.truncate(len);
            let mut changed = room.clone();
            changed[at.index(len)] ^= 1 << bit;
            prop_assert!(opener.open(&mut changed).is_err());
            prop_assert_ne!(former.replace(room.clone()), Some(room.clone()), "each its own");
            let mut packet = room.clone();
            let len = opener.open(&mut packet).unwrap().len;
            prop_assert_eq!(&packet[..len], &plain[..]);
            prop_assert_eq!(opener.open(&mut room), Err(Fault::Replayed));
        }
    }

    /// Whatever comes, nothing panics and nothing passes.
    #[test]
    fn noise_does_not_pass(
        suite in suite(),
        mut noise in proptest::collection::vec(any::<u8>(), 0..300),
        is_rtp_like: bool,
    ) {
        if let Some(first) = noise.first_mut().filter(|_| is_rtp_like) {
            *first = *first & 0x3f | 0x80;
        }
        let master = master(suite);
        prop_assert!(RtpOpener::new(&master).unwrap().open(&mut noise.clone()).is_err());
        prop_assert!(RtcpOpener::new(&master).unwrap().open(&mut noise.clone()).is_err());
        let len = noise.len();
        let _sealed = RtpSealer::new(&master).unwrap().seal(&mut noise.clone(), len);
        let _sealed = RtcpSealer::new(&master).unwrap().seal(&mut noise, len + 1);
    }
}

/// Three rounds of sequence numbers with losses; a receiver that begins late at zero is lost, one
/// that is resumed from marks goes on, and so does a sender.
#[test]
fn rollover_counters_follow_and_are_resumed() {
    let master = master(Suite::AesCm128Sha80);
    let mut sealer = RtpSealer::new(&master).unwrap();
    let mut opener = RtpOpener::new(&master).unwrap();
    let (mut kept, mut kept_sent) = (Vec::new(), Vec::new());
    let mut packets = 0u32;
    for index in (65_000u64..65_000 + 3 * 65_536).step_by(7) {
        let plain = rtp((index as u16, 7), (0, None), &index.to_be_bytes());
        let sealed = seal(&mut sealer, &plain).unwrap();
        packets += 1;
        // A sender dies and lives again from what was kept, however long ago that was.
        if packets.is_multiple_of(5_000) {
            sealer = RtpSealer::new(&master).unwrap();
            kept_sent.iter().for_each(|mark| sealer.resume(*mark));
            opener = RtpOpener::new(&master).unwrap();
            kept.iter().for_each(|mark| opener.resume(*mark));
            continue;
        }
        let mut packet = sealed.clone();
        let passed = opener.open(&mut packet).expect("it follows");
        assert_eq!(&packet[..passed.len], &plain[..], "at {index}");
        if passed.is_mark_due {
            kept = opener.marks().collect();
            kept_sent = sealer.marks().collect();
        }
    }
    assert!(kept.iter().any(|mark: &Mark| mark.index >> 16 == 3), "{kept:?}");
    let last = rtp((5, 7), (0, None), b"late");
    let sealed = seal(&mut sealer, &last).unwrap();
    let late = RtpOpener::new(&master).unwrap().open(&mut sealed.clone());
    assert_eq!(late, Err(Fault::Forged));
}

/// 10,000 packets there and back.
#[test]
fn a_source_that_made_room_is_not_sealed_again_under_its_key() {
    let master = master(Suite::Gcm128);
    let mut sealer = RtpSealer::new(&master).unwrap();
    let packet = |ssrc: u32| rtp((1000, ssrc), (0, None), b"what is said");
    for ssrc in 0..=STREAMS_MAX as u32 {
        assert!(seal(&mut sealer, &packet(ssrc)).is_ok(), "{ssrc}");
    }
    assert_eq!(seal(&mut sealer, &packet(0)), Err(Fault::Replayed), "its index has been used");
    // Those that stay go on, and new ones come in, hundreds of them.
    assert!(seal(&mut sealer, &rtp((1001, 1), (0, None), b"more")).is_ok());
    let refused = (1000..1064).filter(|ssrc| seal(&mut sealer, &packet(*ssrc)).is_err()).count();
    assert!(refused <= 1, "{refused} new sources of 64 were taken for old ones");
    let again = (2..STREAMS_MAX as u32).filter(|ssrc| seal(&mut sealer, &packet(*ssrc)).is_ok());
    assert_eq!(again.count(), 0);
}

#[test]
fn the_packet_path_allocates_nothing() {
    for (_, _, suite) in Suite::ALL {
        let master = master(suite);
        let (mut sealer, mut opener) =
            (RtpSealer::new(&master).unwrap(), RtpOpener::new(&master).unwrap());
        let mut room = [0u8; 220];
        let counted = allocation_counter::measure(|| {
            for sequence in 0..10_000u16 {
                room[..12].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7]);
                room[2..4].copy_from_slice(&sequence.to_be_bytes());
                let len = sealer.seal(&mut room, 172).unwrap().len;
                assert_eq!(opener.open(&mut room[..len]).unwrap().len, 172);
            }
        });
        assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{suite:?}");
    }
}
