//! Reads and writes of big-endian fields that cannot panic.
//!
//! The views check lengths once; a field beyond the buffer would be a bug of the check, reads as
//! zero and writes nowhere.

/// The octet at `at`.
pub(crate) fn u8_at(buffer: &[u8], at: usize) -> u8 {
    buffer.get(at).copied().unwrap_or(0)
}

/// The 16-bit field at `at`.
pub(crate) fn be16(buffer: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(buffer, at))
}

/// The 32-bit field at `at`.
pub(crate) fn be32(buffer: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(buffer, at))
}

/// The 64-bit field at `at`.
pub(crate) fn be64(buffer: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(buffer, at))
}

/// The `N` octets at `at`.
pub(crate) fn array<const N: usize>(buffer: &[u8], at: usize) -> [u8; N] {
    match buffer.get(at..).and_then(<[u8]>::first_chunk) {
        Some(octets) => *octets,
        None => [0; N],
    }
}

/// Writes `octets` at `at`, all of them or none.
pub(crate) fn put(buffer: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(field) = buffer.get_mut(at..).and_then(|rest| rest.get_mut(..octets.len())) {
        field.copy_from_slice(octets);
    }
}
