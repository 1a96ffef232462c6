//! Journal segments: a scan of any bytes ends, frames read are frames written, and damage in one
//! place costs no frame elsewhere.

use strowger_link::journal::{
    ALIGN, Frame, FrameKind, SEGMENT_HEADER_BYTES, SYNC_MARK, Scan, Scanned, SegmentHeader,
};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target =
    Target { name: "journal", run, seeds, words: &[&SYNC_MARK, &[0; ALIGN]] };

/// The salt of segments whose header does not read.
const SALT: u32 = 0x5157_0001;

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let header = SegmentHeader::decode(input);
    shape.note("header", &header.as_ref().err().map(std::mem::discriminant));
    if let Ok(header) = header {
        assert_eq!(header.encode(), input[..SEGMENT_HEADER_BYTES]);
    }
    let salt = header.map_or(SALT, |header| header.salt);
    let frames = scan(input, salt, &mut shape);
    for frame in frames {
        let mut built = Vec::new();
        assert!(frame.encode_into(salt, &mut built).is_ok());
        assert_eq!(Frame::decode(salt, &built), Some((frame, built.len())));
    }
    damage(&mut Choices(input));
    shape
}

/// All frames of a segment; the scan goes forward and ends.
fn scan<'a>(bytes: &'a [u8], salt: u32, shape: &mut Shape) -> Vec<Frame<'a>> {
    let (mut scan, mut at, mut frames) = (Scan::new(bytes, salt), SEGMENT_HEADER_BYTES, Vec::new());
    for _ in 0..=bytes.len() / ALIGN {
        match scan.next() {
            Scanned::Frame { offset, end, frame } => {
                assert!(offset == at && end > offset && end <= bytes.len() && end % ALIGN == 0);
                shape.kind("kind", &frame.kind).count("payload", frame.payload.len());
                frames.push(frame);
                at = end;
            }
            Scanned::Damaged { offset, len } => {
                assert!(offset == at && len > 0 && len % ALIGN == 0);
                shape.count("damaged", len);
                at = offset + len;
            }
            Scanned::End { offset, torn } => {
                assert_eq!(offset, at);
                assert_eq!(scan.next(), Scanned::End { offset, torn });
                shape.note("torn", &torn).count("frames", frames.len());
                return frames;
            }
        }
    }
    // Only so many frames fit.
    let endless = bytes.len() + 1;
    assert!(endless == 0, "the scan does not end");
    frames
}

/// Frames written, one byte changed: every frame but the hit one is still found.
fn damage(choices: &mut Choices<'_>) {
    let header = SegmentHeader {
        node: 1,
        epoch: 2,
        segment: 3,
        salt: choices.u32(),
        base_seq: 10,
        created_us: 5,
    };
    let mut bytes = header.encode().to_vec();
    let mut places = Vec::new();
    for seq in 0..u64::from(choices.u8() % 6) {
        let (kind, len) = (FrameKind::from_code(choices.u8()), usize::from(choices.u8()));
        let frame = Frame { kind, shard: choices.u8(), seq, payload: choices.bytes(len) };
        let begin = bytes.len();
        assert!(frame.encode_into(header.salt, &mut bytes).is_ok());
        places.push(begin..bytes.len());
    }
    let zeros = usize::from(choices.u8() % 4) * ALIGN;
    bytes.resize(bytes.len() + zeros, 0);
    let room = bytes.len() - SEGMENT_HEADER_BYTES - zeros;
    let hit = SEGMENT_HEADER_BYTES + usize::from(choices.u16()).checked_rem(room).unwrap_or(0);
    let whole: Vec<u64> = (0..places.len() as u64).collect();
    let found = |bytes: &[u8]| -> Vec<u64> {
        let frames = scan(bytes, header.salt, &mut Shape::new());
        frames.iter().map(|frame| frame.seq).collect()
    };
    assert_eq!(found(&bytes), whole);
    if let Some(byte) = bytes.get_mut(hit).filter(|_| room > 0) {
        *byte ^= 1 << (choices.u8() % 8);
        let spared =
            |seq: &u64| !places.get(*seq as usize).is_some_and(|place| place.contains(&hit));
        assert_eq!(found(&bytes), whole.iter().copied().filter(spared).collect::<Vec<_>>());
    }
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let header = SegmentHeader {
        node: 1,
        epoch: 2,
        segment: 3,
        salt: SALT,
        base_seq: 10,
        created_us: 1_700_000_000_000_000,
    };
    let mut segment = header.encode().to_vec();
    let kinds = [FrameKind::Start, FrameKind::Alive, FrameKind::Ended, FrameKind::Other(9)];
    for (seq, kind) in (10..).zip(kinds) {
        let payload: Vec<u8> = (0..dice.below(60)).map(|_| dice.byte()).collect();
        let frame = Frame { kind, shard: dice.byte(), seq, payload: &payload };
        assert!(frame.encode_into(SALT, &mut segment).is_ok());
    }
    let mut torn = segment.clone();
    torn.truncate(segment.len() - 5);
    let mut hurt = segment.clone();
    hurt[SEGMENT_HEADER_BYTES + 30] ^= 1;
    segment.resize(segment.len() + 64, 0);
    // Payloads full of marks: what a resynchronisation has to wade through.
    let marks = [header.encode().as_slice(), &SYNC_MARK.repeat(2_000)].concat();
    vec![segment, torn, hurt, marks]
}
