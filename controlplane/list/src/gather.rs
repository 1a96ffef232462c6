//! Lines of a file as entries.

use crate::{ENTRIES_MAX, ENTRY_DIGITS_MAX, Key, Packed, key};

/// Longest line of a file, bytes.
pub const LINE_BYTES_MAX: usize = 512;
/// What the first line may say instead of a number.
const HEADER: &[u8] = b"number";

/// Why a line is no entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadLine {
    /// The first column.
    #[error("the first column is no number of 1 to {ENTRY_DIGITS_MAX} of 0-9, * and #")]
    Number,
    /// Longer than [`LINE_BYTES_MAX`].
    #[error("it has more than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Beyond [`ENTRIES_MAX`].
    #[error("there are more than {ENTRIES_MAX} entries")]
    TooMany,
}

/// Entries as they come, line by line.
#[derive(Debug, Default)]
pub struct Gathering {
    keys: Vec<Key>,
    lines: u64,
}

impl Gathering {
    /// Adds a line: an entry, canonical, behind a `+` or not, and what else stands in the columns
    /// behind it, which says nothing here. An empty line says nothing, nor does a first line whose
    /// first column is `number`.
    ///
    /// # Errors
    /// [`BadLine`]; nothing was added then.
    pub fn add_line(&mut self, line: &[u8]) -> Result<(), BadLine> {
        self.lines = self.lines.saturating_add(1);
        if line.len() > LINE_BYTES_MAX {
            return Err(BadLine::TooLong);
        }
        let line = match self.lines {
            1 => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line),
            _ => line,
        };
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let first = line.split(|byte| matches!(byte, b',' | b';' | b'\t')).next();
        let column = unquoted(first.unwrap_or_default().trim_ascii());
        if self.lines == 1 && column.eq_ignore_ascii_case(HEADER) {
            return Ok(());
        }
        let key = key(column.strip_prefix(b"+").unwrap_or(column)).ok_or(BadLine::Number)?;
        if self.keys.len() >= ENTRIES_MAX {
            return Err(BadLine::TooMany);
        }
        self.keys.push(key);
        Ok(())
    }

    /// The number of the line that was added last; from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.lines
    }

    /// Entries so far, those that came twice counted twice.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The list of them alone.
    #[must_use]
    pub fn packed(self) -> Packed {
        let mut keys = self.keys;
        keys.sort_unstable();
        keys.dedup();
        Packed::of_keys(keys)
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// A column without the quotes around it.
fn unquoted(column: &[u8]) -> &[u8] {
    let inner = column.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inner.map_or(column, <[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Numbers;
    use strowger_model::Digits;

    fn gathered(text: &str) -> Result<Gathering, (u64, BadLine)> {
        let mut gathering = Gathering::default();
        for line in text.as_bytes().split(|byte| *byte == b'\n') {
            gathering.add_line(line).map_err(|bad| (gathering.line(), bad))?;
        }
        Ok(gathering)
    }

    #[test]
    fn lines_are_read_as_they_come() {
        let text = "\u{feff}Number,reason\r\n+4420,fraud\r\n\n \"4477\" ;x\n4420\n49\tBerlin\n*21#";
        let gathering = gathered(text).unwrap();
        assert_eq!((gathering.len(), gathering.line()), (5, 7));
        let list = Numbers::new(gathering.packed());
        assert_eq!(list.len(), 4, "one stood there twice");
        for (number, expect) in
            [("442071", Some(4)), ("447", None), ("4477", Some(4)), ("493", Some(2))]
        {
            assert_eq!(list.find(&Digits::parse(number).unwrap()), expect, "{number}");
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        let long = format!("44,{}", "x".repeat(LINE_BYTES_MAX));
        for (text, expect) in [
            ("44\n45x", (2, BadLine::Number)),
            ("44\nnumber", (2, BadLine::Number)),
            ("12345678901234567", (1, BadLine::Number)),
            ("44\n,45", (2, BadLine::Number)),
            ("44\n++45", (2, BadLine::Number)),
            ("44\n\"45", (2, BadLine::Number)),
            (long.as_str(), (1, BadLine::TooLong)),
        ] {
            assert_eq!(gathered(text).unwrap_err(), expect, "{text}");
        }
    }
}
