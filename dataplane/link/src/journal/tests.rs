use super::*;
use proptest::prelude::*;

const SALT: u32 = 0x5EED_0001;

fn frame(seq: u64, payload: &[u8]) -> Frame<'_> {
    Frame { kind: FrameKind::Ended, shard: 3, seq, payload }
}

fn header() -> SegmentHeader {
    SegmentHeader {
        node: 7,
        epoch: 2,
        segment: 9,
        salt: SALT,
        base_seq: 0x0102_0304_0506_0708,
        created_us: 1_700_000_000_000_000,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A segment of the given payloads, then `tail`; sequence numbers from 1. Also each frame's place.
fn segment(payloads: &[Vec<u8>], tail: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = header().encode().to_vec();
    let mut places = Vec::new();
    for (n, payload) in payloads.iter().enumerate() {
        places.push(bytes.len());
        frame(n as u64 + 1, payload).encode_into(SALT, &mut bytes).unwrap();
    }
    bytes.extend_from_slice(tail);
    (bytes, places)
}

/// Everything a scan says, up to and with the end.
fn scan(bytes: &[u8]) -> Vec<Scanned<'_>> {
    let mut scan = Scan::new(bytes, SALT);
    let mut all = Vec::new();
    loop {
        all.push(scan.next());
        if let Some(Scanned::End { .. }) = all.last() {
            return all;
        }
    }
}

fn seqs(found: &[Scanned<'_>]) -> Vec<u64> {
    let seq = |scanned: &Scanned<'_>| match scanned {
        Scanned::Frame { frame, .. } => Some(frame.seq),
        Scanned::Damaged { .. } | Scanned::End { .. } => None,
    };
    found.iter().filter_map(seq).collect()
}

#[test]
fn golden_frame() {
    let mut bytes = Vec::new();
    let frame = Frame { kind: FrameKind::Start, shard: 2, seq: 0x1122, payload: b"record" };
    assert_eq!(frame.encode_into(SALT, &mut bytes), Ok(32));
    let golden = "f5534a9c01010200221100000000000006000000f6c9aee57265636f72640000";
    assert_eq!(hex(&bytes), golden);
    assert_eq!(Frame::decode(SALT, &bytes), Some((frame, 32)));
}

#[test]
fn golden_segment_header() {
    let bytes = header().encode();
    let golden = concat!(
        "535452574a524e4c01000000400000000700000002000000090000000100ed5e",
        "080706050403020100401e18240a060000000000000000000000000082f1eb9b",
    );
    assert_eq!(hex(&bytes), golden);
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
}

#[test]
fn segment_header_refusals() {
    let good = header().encode();
    assert_eq!(SegmentHeader::decode(&good[..63]), Err(SegmentError::Short));
    let check = |at: usize, value: u8, expected| {
        let mut bytes = good;
        bytes[at] = value;
        assert_eq!(SegmentHeader::decode(&bytes), Err(expected), "byte {at}");
    };
    check(0, b'X', SegmentError::Magic);
    check(8, 2, SegmentError::Version(2));
    for (at, byte) in good.iter().enumerate().skip(12) {
        check(at, byte ^ 1, SegmentError::Check);
    }
}

#[test]
fn positions_order_as_words_do() {
    let early = Position { segment: 1, offset: u32::MAX };
    let late = Position { segment: 2, offset: 0 };
    assert!(early < late && early.to_word() < late.to_word());
    assert_eq!(Position::from_word(early.to_word()), early);
}

#[test]
fn kinds_keep_their_numbers() {
    for code in 0..=255 {
        assert_eq!(FrameKind::from_code(code).code(), code);
    }
    let named = [FrameKind::Start, FrameKind::Alive, FrameKind::Ended, FrameKind::Sealed];
    assert_eq!(named.map(FrameKind::code), [1, 2, 3, 4]);
}

#[test]
fn a_payload_has_a_bound() {
    let mut bytes = Vec::new();
    let long = vec![1; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(frame(1, &long).encode_into(SALT, &mut bytes), Err(TooLong));
    assert!(bytes.is_empty());
    let longest = &long[1..];
    assert_eq!(frame(1, longest).encode_into(SALT, &mut bytes), Ok(frame_bytes(longest.len())));
    assert_eq!(Frame::decode(SALT, &bytes).map(|(found, _)| found.payload), Some(longest));
}

#[test]
fn the_end_is_clean_or_torn() {
    let (clean, places) = segment(&[vec![1; 10], vec![2; 20]], &[0; 100]);
    let end = places[1] + frame_bytes(20);
    assert_eq!(scan(&clean).last(), Some(&Scanned::End { offset: end, torn: false }));
    // A frame cut at each length is a torn tail, never a frame and never damage.
    for cut in places[1]..end {
        let expected = Scanned::End { offset: places[1], torn: cut > places[1] };
        assert_eq!(scan(&clean[..cut])[1..], [expected], "cut at {cut}");
        let mut zeroed = clean.clone();
        zeroed[cut..].fill(0);
        let whole = Frame::decode(SALT, &zeroed[places[1]..]).is_some();
        assert_eq!(scan(&zeroed)[1..] == [expected], !whole, "zeros from {cut}");
    }
}

#[test]
fn damage_inside_is_reported_and_skipped() {
    let payloads: Vec<Vec<u8>> = (0..4).map(|n| vec![n; 30]).collect();
    let (good, places) = segment(&payloads, &[0; 8]);
    for at in places[1]..places[2] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        let found = scan(&bytes);
        assert_eq!(seqs(&found), [1, 3, 4], "byte {at}");
        let damaged = Scanned::Damaged { offset: places[1], len: places[2] - places[1] };
        assert_eq!(found[1], damaged, "byte {at}");
    }
}

#[test]
fn a_frame_inside_a_damaged_payload_is_not_taken() {
    // A stranger who knows the form but not the salt puts a frame into a header we store.
    let mut forged = Vec::new();
    frame(99, b"one million").encode_into(0, &mut forged).unwrap();
    let (mut bytes, places) = segment(&[vec![1; 8], forged, vec![2; 8]], &[0; 8]);
    bytes[places[1] + 5] ^= 1;
    assert_eq!(seqs(&scan(&bytes)), [1, 3]);
}

#[test]
fn progress_sorts_new_seen_and_missing() {
    let mut progress = Progress::before(5);
    assert_eq!(progress.take(5), Some(0));
    assert_eq!(progress.take(5), None);
    assert_eq!(progress.take(4), None);
    assert_eq!(progress.take(9), Some(3));
    assert_eq!(progress.next_seq(), 10);
}

/// No files of failures: a failing case is printed whole.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_written_is_read(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..12),
        zeros in 0usize..40,
    ) {
        let (bytes, places) = segment(&payloads, &vec![0; zeros]);
        let found = scan(&bytes);
        prop_assert_eq!(found.len(), payloads.len() + 1);
        for (n, payload) in payloads.iter().enumerate() {
            let end = places[n] + frame_bytes(payload.len());
            let frame = frame(n as u64 + 1, payload);
            let expected = Scanned::Frame { offset: places[n], end, frame };
            prop_assert_eq!(found[n], expected);
        }
    }

    /// One changed byte costs at most the frame it is in, and never invents one.
    #[test]
    fn one_changed_byte_costs_one_frame(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..8),
        at in any::<prop::sample::Index>(),
        change in 1u8..=255,
    ) {
        let (mut bytes, places) = segment(&payloads, &[]);
        let at = SEGMENT_HEADER_BYTES + at.index(bytes.len() - SEGMENT_HEADER_BYTES);
        bytes[at] ^= change;
        let hit = places.iter().rposition(|place| *place <= at).unwrap();
        let all = 1..=payloads.len() as u64;
        let expected: Vec<u64> = all.filter(|seq| *seq != hit as u64 + 1).collect();
        prop_assert_eq!(seqs(&scan(&bytes)), expected);
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..400), salt in any::<u32>()) {
        let mut scan = Scan::new(&bytes, salt);
        for _ in 0..60 {
            if let Scanned::End { .. } = scan.next() {
                return Ok(());
            }
        }
        prop_assert!(false, "no end");
    }
}
