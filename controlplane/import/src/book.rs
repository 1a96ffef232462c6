//! What a file is.

use crate::limits::{CELL_LEN_MAX, COLUMNS_MAX, FILE_LEN_MAX, ROWS_MAX};
use crate::xlsx::{Book, MAGIC, MAGIC_OLD};
use crate::{Mapping, Table, csv, letters};

/// Why a workbook cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadBook {
    /// Cut off or damaged.
    #[error("is cut off or damaged")]
    Broken,
    /// With a password.
    #[error("is encrypted")]
    Encrypted,
    /// Packed in a way that we do not know.
    #[error("is packed in an unknown way")]
    Unknown,
    /// An archive of something else.
    #[error("is an archive, but no workbook")]
    NoBook,
    /// XLS, or an encrypted workbook.
    #[error("is of the kind before XLSX, or encrypted: save it as XLSX or CSV without a password")]
    Old,
}

/// Why a file has no table.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing in it.
    #[error("the file has no row")]
    Empty,
    /// The file, or what it unpacks to, is beyond the bounds.
    #[error("the file, or what it unpacks to, is too large")]
    TooLarge,
    /// Neither UTF-8 nor UTF-16 nor Windows-1252.
    #[error("line {line}: is neither UTF-8 nor UTF-16 nor Windows-1252")]
    Encoding {
        /// Where.
        line: u32,
    },
    /// A quote that does not end, or text behind its end.
    #[error("line {line}: the quote does not end, or something follows its end")]
    Quote {
        /// Where it began.
        line: u32,
    },
    /// A cell that is too long.
    #[error("line {line}, column {}: more than {CELL_LEN_MAX} bytes", column_name(*column))]
    LongCell {
        /// Where.
        line: u32,
        /// Which, from 1.
        column: u32,
    },
    /// Too many columns.
    #[error("line {line}: more than {COLUMNS_MAX} columns")]
    Columns {
        /// Where.
        line: u32,
    },
    /// Too many rows.
    #[error("more than {ROWS_MAX} rows")]
    Rows,
    /// No sheet of that name.
    #[error("the workbook has no sheet {0:?}")]
    NoSheet(String),
    /// A workbook that cannot be read.
    #[error("the workbook {0}")]
    Book(BadBook),
}

fn column_name(column: u32) -> String {
    letters(usize::try_from(column).unwrap_or_default().saturating_sub(1))
}

/// The names of a workbook's sheets; none of a file of text.
///
/// # Errors
/// [`ReadError`], of a workbook that cannot be read.
pub fn sheets(bytes: &[u8]) -> Result<Vec<String>, ReadError> {
    if !is_book(bytes)? {
        return Ok(Vec::new());
    }
    Ok(Book::new(bytes)?.sheets().map(str::to_owned).collect())
}

/// The table of a file. Of a workbook the sheet that the mapping names, else the first in which the
/// columns of a deck are found, else the first that has a row.
///
/// # Errors
/// [`ReadError`]: no table of it is given in part.
pub fn read(bytes: &[u8], mapping: &Mapping) -> Result<Table, ReadError> {
    let table = match is_book(bytes)? {
        true => sheet(&Book::new(bytes)?, mapping)?,
        false => csv::read(bytes, mapping.delimiter)?,
    };
    if table.is_empty() { Err(ReadError::Empty) } else { Ok(table) }
}

fn is_book(bytes: &[u8]) -> Result<bool, ReadError> {
    if bytes.len() > FILE_LEN_MAX {
        return Err(ReadError::TooLarge);
    }
    if bytes.starts_with(MAGIC_OLD) {
        return Err(ReadError::Book(BadBook::Old));
    }
    Ok(bytes.starts_with(MAGIC))
}

fn sheet(book: &Book<'_>, mapping: &Mapping) -> Result<Table, ReadError> {
    if let Some(name) = &mapping.sheet {
        return book.table(name)?.ok_or_else(|| ReadError::NoSheet(name.clone()));
    }
    let mut first = None;
    for name in book.sheets() {
        let Some(table) = book.table(name)?.filter(|table| !table.is_empty()) else { continue };
        if mapping.columns_of(&table).is_ok() {
            return Ok(table);
        }
        first = first.or(Some(table));
    }
    first.ok_or(ReadError::Empty)
}
