//! The compact form of a settlement: variable-length integers, low seven bits first.
//!
//! The link's own codec has fixed places; sixteen levels and eight hops would not fit its bound.

use crate::BadSettlement;

/// Longest variable-length integer, bytes: 64 bits in groups of seven.
const VARINT_MAX: usize = 10;

/// A value with a compact form.
pub(crate) trait Form: Sized {
    fn write(&self, out: &mut Writer);
    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement>;
}

/// Bytes being written.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Small numbers of either sign stay short.
    pub(crate) fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// `text` cut to `bytes_max`, at a character.
    pub(crate) fn text(&mut self, text: &str, bytes_max: usize) {
        let text = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
        self.unsigned(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Octets of any kind.
    pub(crate) fn octets(&mut self, octets: &[u8]) {
        self.unsigned(octets.len() as u64);
        self.0.extend_from_slice(octets);
    }

    pub(crate) fn list<T: Form>(&mut self, list: &[T]) {
        self.unsigned(list.len() as u64);
        for value in list {
            value.write(self);
        }
    }
}

/// Bytes being read; no length in them is trusted.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, BadSettlement> {
        let (first, rest) = self.0.split_first().ok_or(BadSettlement::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, BadSettlement> {
        let mut value: u64 = 0;
        for group in 0..VARINT_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            let shifted = bits << (7 * group);
            if shifted >> (7 * group) != bits {
                return Err(BadSettlement::Malformed);
            }
            value |= shifted;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(BadSettlement::Malformed)
    }

    pub(crate) fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, BadSettlement> {
        T::try_from(self.unsigned()?).map_err(|_| BadSettlement::Malformed)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, BadSettlement> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(crate) fn text(&mut self, bytes_max: usize) -> Result<&'a str, BadSettlement> {
        core::str::from_utf8(self.octets(bytes_max)?).map_err(|_| BadSettlement::Malformed)
    }

    pub(crate) fn octets(&mut self, bytes_max: usize) -> Result<&'a [u8], BadSettlement> {
        let length: usize = self.narrow()?;
        if length > bytes_max {
            return Err(BadSettlement::Malformed);
        }
        let (head, tail) = self.0.split_at_checked(length).ok_or(BadSettlement::Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn list<T: Form>(
        &mut self,
        count_max: usize,
        too_many: BadSettlement,
    ) -> Result<Vec<T>, BadSettlement> {
        let count: usize = self.narrow()?;
        if count > count_max {
            return Err(too_many);
        }
        (0..count).map(|_| T::read(self)).collect()
    }
}
