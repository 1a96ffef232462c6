//! As much of ZIP as workbooks use: the directory at the end, parts stored or deflated. What a
//! part says of its length is not believed: unpacking ends at the bound.

use crate::limits::{PART_LEN_MAX, PARTS_MAX};
use std::collections::BTreeMap;

/// Why an archive cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BadZip {
    /// Cut off, or no archive.
    Broken,
    /// Encrypted.
    Encrypted,
    /// Packed in a way other than deflate, or beyond 4 GB.
    Unknown,
    /// A part grows beyond the bound, or there are too many.
    TooLarge,
}

const END: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LEN: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LEN: usize = 30;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const ENCRYPTED: u16 = 1;

#[derive(Clone, Copy, Debug)]
struct Part {
    flags: u16,
    method: u16,
    crc: u32,
    packed_len: usize,
    at: usize,
}

/// The parts of an archive by name.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    parts: BTreeMap<String, Part>,
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, BadZip> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>);
    bytes.map(|bytes| u16::from_le_bytes(*bytes)).ok_or(BadZip::Broken)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, BadZip> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
    bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or(BadZip::Broken)
}

fn size_at(bytes: &[u8], at: usize) -> Result<usize, BadZip> {
    match u32_at(bytes, at)? {
        u32::MAX => Err(BadZip::Unknown),
        size => usize::try_from(size).map_err(|_| BadZip::Unknown),
    }
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Archive<'a>, BadZip> {
        // A comment of at most 65,535 bytes follows the end.
        let from = bytes.len().saturating_sub(END_LEN + usize::from(u16::MAX));
        let tail = bytes.get(from..).unwrap_or_default();
        let end = tail.windows(END.len()).rposition(|window| window == END);
        let end = tail.get(end.ok_or(BadZip::Broken)?..).unwrap_or_default();
        let count = usize::from(u16_at(end, 10)?);
        if count > PARTS_MAX {
            return Err(BadZip::TooLarge);
        }
        let mut at = size_at(end, 16)?;
        let mut parts = BTreeMap::new();
        for _ in 0..count {
            let entry = bytes.get(at..).filter(|entry| entry.starts_with(ENTRY));
            let entry = entry.ok_or(BadZip::Broken)?;
            let lens = [28, 30, 32].map(|at| u16_at(entry, at).map(usize::from));
            let [name_len, extra_len, comment_len] = lens;
            let name_end = ENTRY_LEN.saturating_add(name_len?);
            let name = entry.get(ENTRY_LEN..name_end).ok_or(BadZip::Broken)?;
            let part = Part {
                flags: u16_at(entry, 8)?,
                method: u16_at(entry, 10)?,
                crc: u32_at(entry, 16)?,
                packed_len: size_at(entry, 20)?,
                at: size_at(entry, 42)?,
            };
            parts.insert(String::from_utf8_lossy(name).to_ascii_lowercase(), part);
            let entry_len = name_end.saturating_add(extra_len?).saturating_add(comment_len?);
            at = at.saturating_add(entry_len);
        }
        Ok(Archive { bytes, parts })
    }

    /// A part, unpacked; `None` = there is none of that name.
    pub(super) fn part(&self, name: &str) -> Result<Option<Vec<u8>>, BadZip> {
        let name = name.to_ascii_lowercase();
        let Some(part) = self.parts.get(&name) else { return Ok(None) };
        if part.flags & ENCRYPTED != 0 {
            return Err(BadZip::Encrypted);
        }
        let local = self.bytes.get(part.at..).filter(|local| local.starts_with(LOCAL));
        let local = local.ok_or(BadZip::Broken)?;
        let name_len = usize::from(u16_at(local, 26)?);
        let extra_len = usize::from(u16_at(local, 28)?);
        let from = LOCAL_LEN.saturating_add(name_len).saturating_add(extra_len);
        let packed = local.get(from..from.saturating_add(part.packed_len));
        let packed = packed.ok_or(BadZip::Broken)?;
        let plain = match part.method {
            STORED if packed.len() > PART_LEN_MAX => return Err(BadZip::TooLarge),
            STORED => packed.to_vec(),
            DEFLATED => inflate(packed)?,
            _ => return Err(BadZip::Unknown),
        };
        if crc32(&plain) == part.crc { Ok(Some(plain)) } else { Err(BadZip::Broken) }
    }
}

fn inflate(packed: &[u8]) -> Result<Vec<u8>, BadZip> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
    let plain = decompress_to_vec_with_limit(packed, PART_LEN_MAX);
    plain.map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => BadZip::TooLarge,
        TINFLStatus::FailedCannotMakeProgress
        | TINFLStatus::BadParam
        | TINFLStatus::Adler32Mismatch
        | TINFLStatus::Failed
        | TINFLStatus::Done
        | TINFLStatus::NeedsMoreInput => BadZip::Broken,
    })
}

const CRC: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut n = 0usize;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

/// The checksum of ZIP (ISO 3309).
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let place = usize::from(crc.to_le_bytes()[0] ^ byte);
        CRC.get(place).copied().unwrap_or_default() ^ (crc >> 8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
