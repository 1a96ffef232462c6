//! One frame of the journal.

use crate::crc::Crc32c;

/// Frames begin at multiples of this many bytes in their segment.
pub const ALIGN: usize = 8;
/// First four bytes of a frame: not ASCII, not valid UTF-8.
pub const SYNC_MARK: [u8; 4] = [0xF5, b'S', b'J', 0x9C];
/// Version of the frame's form.
pub const FRAME_VERSION: u8 = 1;
/// Bytes before the payload.
pub const FRAME_HEADER_BYTES: usize = 24;
/// Longest payload in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 32 * 1024;

const CHECKED_FROM: usize = 4;
const CRC_AT: usize = 20;

/// What a frame says; the number stands in the frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FrameKind {
    /// 1: a call was answered.
    Start,
    /// 2: calls that live now: the high-water tick.
    Alive,
    /// 3: a call ended: its record.
    Ended,
    /// 4: the segment ends here, the next one follows.
    Sealed,
    /// 5: a life of a shard was told the origin of its record ids.
    Origin,
    /// Any other number: kinds of later versions and of other producers.
    Other(u8),
}

impl FrameKind {
    /// The number in the frame.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            FrameKind::Start => 1,
            FrameKind::Alive => 2,
            FrameKind::Ended => 3,
            FrameKind::Sealed => 4,
            FrameKind::Origin => 5,
            FrameKind::Other(code) => code,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> FrameKind {
        match code {
            1 => FrameKind::Start,
            2 => FrameKind::Alive,
            3 => FrameKind::Ended,
            4 => FrameKind::Sealed,
            5 => FrameKind::Origin,
            code => FrameKind::Other(code),
        }
    }
}

/// The payload is longer than [`PAYLOAD_BYTES_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

/// One frame; the payload belongs to someone else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// What the payload is.
    pub kind: FrameKind,
    /// The shard that wrote it.
    pub shard: u8,
    /// Its number in the log.
    pub seq: u64,
    /// Opaque here.
    pub payload: &'a [u8],
}

/// Bytes a frame with a payload of this length takes in a segment.
#[must_use]
pub const fn frame_bytes(payload: usize) -> usize {
    FRAME_HEADER_BYTES + payload.next_multiple_of(ALIGN)
}

impl<'a> Frame<'a> {
    /// Appends the frame to `out`, which must end at a multiple of [`ALIGN`]; returns its size.
    ///
    /// # Errors
    /// [`TooLong`]; `out` is as it was.
    pub fn encode_into(&self, salt: u32, out: &mut Vec<u8>) -> Result<usize, TooLong> {
        let length = u32::try_from(self.payload.len()).map_err(|_| TooLong)?;
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(TooLong);
        }
        let mut checked = [0u8; CRC_AT - CHECKED_FROM];
        let fields = [FRAME_VERSION, self.kind.code(), self.shard, 0].into_iter();
        let fields = fields.chain(self.seq.to_le_bytes()).chain(length.to_le_bytes());
        checked.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        let padding = padding_of(self.payload.len());
        let crc = Crc32c::salted(salt).update(&checked).update(self.payload).update(padding);
        out.extend_from_slice(&SYNC_MARK);
        out.extend_from_slice(&checked);
        out.extend_from_slice(&crc.finish().to_le_bytes());
        out.extend_from_slice(self.payload);
        out.extend_from_slice(padding);
        Ok(frame_bytes(self.payload.len()))
    }

    /// The frame at the beginning of `bytes`, and its size; `None` = no whole, right frame there.
    #[must_use]
    pub fn decode(salt: u32, bytes: &'a [u8]) -> Option<(Frame<'a>, usize)> {
        let (mark, after) = bytes.split_first_chunk::<4>()?;
        let (head, after) = after.split_first_chunk::<{ CRC_AT - CHECKED_FROM }>()?;
        let (crc, after) = after.split_first_chunk::<4>()?;
        let [version, kind, shard, zero, seq @ .., l0, l1, l2, l3] = *head;
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
        if *mark != SYNC_MARK || version != FRAME_VERSION || length > PAYLOAD_BYTES_MAX {
            return None;
        }
        let padded = after.get(..length.next_multiple_of(ALIGN))?;
        let (payload, padding) = padded.split_at_checked(length)?;
        let check = Crc32c::salted(salt).update(head).update(padded).finish();
        if check != u32::from_le_bytes(*crc) || zero != 0 || padding != padding_of(length) {
            return None;
        }
        let (kind, seq) = (FrameKind::from_code(kind), u64::from_le_bytes(seq));
        Some((Frame { kind, shard, seq, payload }, frame_bytes(length)))
    }
}

fn padding_of(payload: usize) -> &'static [u8] {
    let zeros: &'static [u8] = &[0; ALIGN];
    zeros.get(..payload.next_multiple_of(ALIGN) - payload).unwrap_or_default()
}
