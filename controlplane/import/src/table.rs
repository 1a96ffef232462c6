//! Cells as they stand in a file, in one piece of memory.

use crate::ReadError;
use crate::limits::{CELL_LEN_MAX, COLUMNS_MAX, ROWS_MAX, TABLE_LEN_MAX};

/// How a cell was written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Kind {
    /// As text; all cells of a CSV file are.
    #[default]
    Text,
    /// As a number of a workbook: digits, a point, perhaps an exponent. It has lost nothing up to
    /// 15 digits.
    Number,
}

/// A cell, without white space around it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cell<'a> {
    /// What stands there.
    pub text: &'a str,
    /// How.
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    at: u32,
    len: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    line: u32,
    first: u32,
    count: u32,
}

/// The rows of a file that have something in them, in order.
#[derive(Clone, Default, Debug)]
pub struct Table {
    text: String,
    cells: Vec<Span>,
    rows: Vec<Start>,
    /// First cell of the row that is being written.
    open: usize,
    /// Days are counted from 1904 (a setting of workbooks).
    pub(crate) is_1904: bool,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Line of the file, or row of the sheet, from 1.
    pub line: u32,
    table: &'a Table,
    cells: &'a [Span],
}

impl<'a> Row<'a> {
    /// The cell of a column, from 0; an empty one where the row ends before.
    #[must_use]
    pub fn cell(&self, column: usize) -> Cell<'a> {
        let Some(span) = self.cells.get(column) else { return Cell::default() };
        let (from, len) = (span.at as usize, span.len as usize);
        let text = self.table.text.get(from..from.saturating_add(len)).unwrap_or_default();
        Cell { text: text.trim(), kind: span.kind }
    }

    /// Its cells, up to the last.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> + use<'a> {
        let row = *self;
        (0..row.cells.len()).map(move |column| row.cell(column))
    }
}

impl Table {
    pub(crate) fn new(is_1904: bool) -> Table {
        Table { is_1904, ..Table::default() }
    }

    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|start| {
            let first = start.first as usize;
            let cells = self.cells.get(first..first.saturating_add(start.count as usize));
            Row { line: start.line, table: self, cells: cells.unwrap_or_default() }
        })
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Columns of the row being written.
    pub(crate) fn width(&self) -> usize {
        self.cells.len().saturating_sub(self.open)
    }

    /// Adds a cell to the row being written.
    pub(crate) fn push(&mut self, text: &str, kind: Kind, line: u32) -> Result<(), ReadError> {
        if text.len() > CELL_LEN_MAX {
            let column = u32::try_from(self.width().saturating_add(1)).unwrap_or(u32::MAX);
            return Err(ReadError::LongCell { line, column });
        }
        if self.width() >= COLUMNS_MAX {
            return Err(ReadError::Columns { line });
        }
        let at = self.text.len();
        if at.saturating_add(text.len()) > TABLE_LEN_MAX {
            return Err(ReadError::TooLarge);
        }
        let span = |n: usize| u32::try_from(n).map_err(|_| ReadError::TooLarge);
        self.cells.push(Span { at: span(at)?, len: span(text.len())?, kind });
        self.text.push_str(text);
        Ok(())
    }

    /// Ends the row being written; one of empty cells is dropped.
    pub(crate) fn end_row(&mut self, line: u32) -> Result<(), ReadError> {
        let begun = self.cells.get(self.open..).unwrap_or_default();
        let texts = begun.first().map(|first| first.at as usize);
        let text = texts.and_then(|at| self.text.get(at..)).unwrap_or_default();
        if text.trim().is_empty() {
            let text_len = self.text.len().saturating_sub(text.len());
            self.text.truncate(text_len);
            self.cells.truncate(self.open);
            return Ok(());
        }
        if self.rows.len() >= ROWS_MAX {
            return Err(ReadError::Rows);
        }
        let span = |n: usize| u32::try_from(n).map_err(|_| ReadError::TooLarge);
        self.rows.push(Start { line, first: span(self.open)?, count: span(self.width())? });
        self.open = self.cells.len();
        Ok(())
    }
}

/// The name of a column as spreadsheets write it: A, B, ... Z, AA.
#[must_use]
pub fn letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column.saturating_add(1);
    while rest > 0 {
        rest = rest.saturating_sub(1);
        letters.push(char::from(b'A'.saturating_add(u8::try_from(rest % 26).unwrap_or(0))));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        let of = [0, 25, 26, 51, 52, 701, 702].map(letters);
        assert_eq!(of, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }

    #[test]
    fn too_many_columns_and_too_long_cells_are_named() {
        let mut table = Table::default();
        for _ in 0..COLUMNS_MAX {
            table.push("x", Kind::Text, 7).unwrap();
        }
        assert_eq!(table.push("x", Kind::Text, 7), Err(ReadError::Columns { line: 7 }));
        table.end_row(7).unwrap();
        table.push("x", Kind::Text, 8).unwrap();
        let long = "x".repeat(CELL_LEN_MAX + 1);
        let error = table.push(&long, Kind::Text, 8).unwrap_err();
        assert_eq!(error, ReadError::LongCell { line: 8, column: 2 });
    }
}
