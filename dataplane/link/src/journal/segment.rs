//! The header of a segment, and a place in the log.

use crate::crc::crc32c;

/// First eight bytes of a segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"STRWJRNL";
/// Version of the segment's form.
pub const SEGMENT_VERSION: u32 = 1;
/// Bytes before the first frame.
pub const SEGMENT_HEADER_BYTES: usize = 64;

/// A place in the log. Orders as the log does; packs into one word, so that it can be published by
/// one store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Position {
    /// Number of the segment.
    pub segment: u32,
    /// Bytes from the beginning of its file.
    pub offset: u32,
}

impl Position {
    /// As one word: segment in the high half.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        (self.segment as u64) << 32 | self.offset as u64
    }

    /// From [`Position::to_word`].
    #[must_use]
    pub const fn from_word(word: u64) -> Position {
        Position { segment: (word >> 32) as u32, offset: word as u32 }
    }
}

/// Why bytes are not the header of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentError {
    /// Fewer than [`SEGMENT_HEADER_BYTES`].
    Short,
    /// Not [`SEGMENT_MAGIC`].
    Magic,
    /// Another version: the number found.
    Version(u32),
    /// The check value is wrong.
    Check,
}

/// The first [`SEGMENT_HEADER_BYTES`] of a segment: little-endian magic, version, header size,
/// node, epoch, segment, salt, base sequence number, time, 12 zero bytes, CRC-32C of all before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentHeader {
    /// Origin: the node's number.
    pub node: u32,
    /// Origin: the run of switchd that wrote it.
    pub epoch: u32,
    /// Number of this segment in the node's log.
    pub segment: u32,
    /// Start of the frames' check values, random.
    pub salt: u32,
    /// Sequence number of the first frame.
    pub base_seq: u64,
    /// When it was made: microseconds since 1970-01-01 UTC.
    pub created_us: i64,
}

impl SegmentHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        let header_bytes = SEGMENT_HEADER_BYTES as u32;
        for field in [SEGMENT_VERSION, header_bytes, self.node, self.epoch, self.segment, self.salt]
        {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&self.base_seq.to_le_bytes());
        bytes.extend_from_slice(&self.created_us.to_le_bytes());
        bytes.resize(SEGMENT_HEADER_BYTES - 4, 0);
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        out
    }

    /// Reads the header at the beginning of a segment.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, SegmentError> {
        let header = bytes.first_chunk::<SEGMENT_HEADER_BYTES>().ok_or(SegmentError::Short)?;
        if !header.starts_with(&SEGMENT_MAGIC) {
            return Err(SegmentError::Magic);
        }
        let (checked, crc) = header.split_last_chunk::<4>().ok_or(SegmentError::Short)?;
        let u32_at = |at: usize| {
            let four = header.get(at..).and_then(<[u8]>::first_chunk).copied();
            four.map(u32::from_le_bytes).ok_or(SegmentError::Short)
        };
        let u64_at = |at: usize| {
            let eight = header.get(at..).and_then(<[u8]>::first_chunk).copied();
            eight.map(u64::from_le_bytes).ok_or(SegmentError::Short)
        };
        let version = u32_at(8)?;
        if version != SEGMENT_VERSION {
            return Err(SegmentError::Version(version));
        }
        if crc32c(checked) != u32::from_le_bytes(*crc)
            || u32_at(12)? as usize != SEGMENT_HEADER_BYTES
        {
            return Err(SegmentError::Check);
        }
        Ok(SegmentHeader {
            node: u32_at(16)?,
            epoch: u32_at(20)?,
            segment: u32_at(24)?,
            salt: u32_at(28)?,
            base_seq: u64_at(32)?,
            created_us: u64_at(40)?.cast_signed(),
        })
    }
}
