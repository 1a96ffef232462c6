//! Workbooks (ISO 29500, SpreadsheetML), as far as a deck needs them: sheets by name, shared and
//! inline strings, numbers. Formulas count by the value that was stored with them; formats are not
//! looked at: a number in a column of dates is a day.

mod xml;
mod zip;

use crate::limits::{COLUMNS_MAX, PART_LEN_MAX, SHEETS_MAX};
use crate::table::{Kind, Table};
use crate::{BadBook, ReadError};
use std::collections::BTreeMap;
use xml::{BadXml, Event, Scanner, attribute};
use zip::{Archive, BadZip};

/// How an archive begins.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";
/// How files of Excel before 2007 begin, and encrypted ones of today.
pub(crate) const MAGIC_OLD: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

impl From<BadZip> for ReadError {
    fn from(bad: BadZip) -> ReadError {
        match bad {
            BadZip::Broken => ReadError::Book(BadBook::Broken),
            BadZip::Encrypted => ReadError::Book(BadBook::Encrypted),
            BadZip::Unknown => ReadError::Book(BadBook::Unknown),
            BadZip::TooLarge => ReadError::TooLarge,
        }
    }
}

impl From<BadXml> for ReadError {
    fn from(_: BadXml) -> ReadError {
        ReadError::Book(BadBook::Broken)
    }
}

/// A workbook whose sheets are known.
pub(crate) struct Book<'a> {
    archive: Archive<'a>,
    sheets: Vec<Sheet>,
    is_1904: bool,
}

struct Sheet {
    name: String,
    part: String,
}

impl<'a> Book<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Book<'a>, ReadError> {
        let archive = Archive::new(bytes)?;
        let links = links(&part(&archive, "xl/_rels/workbook.xml.rels")?)?;
        let text = part(&archive, "xl/workbook.xml")?;
        let mut book = Book { archive, sheets: Vec::new(), is_1904: false };
        let mut scanner = Scanner::new(&text);
        while let Some(event) = scanner.event()? {
            let Event::Open { name, attributes, .. } = event else { continue };
            match name {
                "workbookPr" => {
                    let value = attribute(attributes, "date1904");
                    book.is_1904 = value.is_some_and(|value| value == "1" || value == "true");
                }
                "sheet" if book.sheets.len() < SHEETS_MAX => {
                    let link = attribute(attributes, "id").and_then(|id| links.get(&*id));
                    let name = attribute(attributes, "name").unwrap_or_default().into_owned();
                    let sheets = link.map(|part| Sheet { name, part: part.clone() });
                    book.sheets.extend(sheets);
                }
                _ => {}
            }
        }
        Ok(book)
    }

    /// Names of the sheets, in order.
    pub(crate) fn sheets(&self) -> impl Iterator<Item = &str> {
        self.sheets.iter().map(|sheet| sheet.name.as_str())
    }

    /// A sheet's table; `None` = the book has no sheet of that name.
    pub(crate) fn table(&self, name: &str) -> Result<Option<Table>, ReadError> {
        let wanted = |sheet: &&Sheet| sheet.name == name;
        let Some(sheet) = self.sheets.iter().find(wanted) else { return Ok(None) };
        let strings = match self.archive.part("xl/sharedStrings.xml")? {
            Some(bytes) => Strings::new(&utf8(bytes)?)?,
            None => Strings::default(),
        };
        let text = part(&self.archive, &sheet.part)?;
        let mut rows = Rows {
            scanner: Scanner::new(&text),
            strings: &strings,
            table: Table::new(self.is_1904),
            line: 0,
        };
        rows.read()?;
        Ok(Some(rows.table))
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, ReadError> {
    String::from_utf8(bytes).map_err(|_| ReadError::Book(BadBook::Broken))
}

fn part(archive: &Archive<'_>, name: &str) -> Result<String, ReadError> {
    utf8(archive.part(name)?.ok_or(ReadError::Book(BadBook::NoBook))?)
}

/// Parts by the names under which the workbook refers to them.
fn links(text: &str) -> Result<BTreeMap<String, String>, ReadError> {
    let mut links = BTreeMap::new();
    let mut scanner = Scanner::new(text);
    while let Some(event) = scanner.event()? {
        let Event::Open { name: "Relationship", attributes, .. } = event else { continue };
        let (Some(id), Some(target)) =
            (attribute(attributes, "Id"), attribute(attributes, "Target"))
        else {
            continue;
        };
        let part = match target.strip_prefix('/') {
            Some(whole) => whole.to_owned(),
            None => format!("xl/{target}"),
        };
        links.insert(id.into_owned(), part);
    }
    Ok(links)
}

/// Texts that cells refer to by number.
#[derive(Default)]
struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    fn new(text: &str) -> Result<Strings, ReadError> {
        let mut strings = Strings::default();
        let mut scanner = Scanner::new(text);
        while let Some(event) = scanner.event()? {
            match event {
                Event::Open { name: "si", is_empty: true, .. } => {
                    strings.ends.push(strings.text.len());
                }
                Event::Open { name: "si", .. } => {
                    texts(&mut scanner, "si", &mut strings.text)?;
                    strings.ends.push(strings.text.len());
                }
                Event::Open { .. } | Event::Close(_) | Event::Text(_) => {}
            }
        }
        Ok(strings)
    }

    fn text(&self, number: usize) -> Option<&str> {
        let from = match number.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(from..*self.ends.get(number)?)
    }
}

/// The texts (`t`) of an element up to its end; how it is pronounced (`rPh`) is none of them.
fn texts(scanner: &mut Scanner<'_>, until: &str, into: &mut String) -> Result<(), ReadError> {
    let (mut is_text, mut is_sound) = (false, false);
    while let Some(event) = scanner.event()? {
        match event {
            Event::Open { name: "t", is_empty, .. } => is_text = !is_empty,
            Event::Open { name: "rPh", is_empty, .. } => is_sound = !is_empty,
            Event::Close("t") => is_text = false,
            Event::Close("rPh") => is_sound = false,
            Event::Close(name) if name == until => return Ok(()),
            Event::Text(text) if is_text && !is_sound => {
                if into.len().saturating_add(text.len()) > PART_LEN_MAX {
                    return Err(ReadError::TooLarge);
                }
                into.push_str(&text);
            }
            Event::Open { .. } | Event::Close(_) | Event::Text(_) => {}
        }
    }
    Err(ReadError::Book(BadBook::Broken))
}

struct Rows<'a> {
    scanner: Scanner<'a>,
    strings: &'a Strings,
    table: Table,
    line: u32,
}

impl Rows<'_> {
    fn read(&mut self) -> Result<(), ReadError> {
        while let Some(event) = self.scanner.event()? {
            match event {
                Event::Open { name: "row", attributes, is_empty } => {
                    let told = attribute(attributes, "r");
                    let line = match told {
                        Some(told) => told.parse().ok().filter(|line| *line > self.line),
                        None => self.line.checked_add(1),
                    };
                    self.line = line.ok_or(ReadError::Book(BadBook::Broken))?;
                    if !is_empty {
                        self.row()?;
                    }
                }
                Event::Close("sheetData") => return Ok(()),
                Event::Open { .. } | Event::Close(_) | Event::Text(_) => {}
            }
        }
        Ok(())
    }

    fn row(&mut self) -> Result<(), ReadError> {
        while let Some(event) = self.scanner.event()? {
            match event {
                Event::Open { name: "c", attributes, is_empty } => {
                    if let Some(place) = attribute(attributes, "r") {
                        self.fill(&place)?;
                    }
                    let kind = attribute(attributes, "t").unwrap_or_default();
                    if is_empty {
                        self.table.push("", Kind::Text, self.line)?;
                    } else {
                        self.cell(&kind)?;
                    }
                }
                Event::Close("row") => return self.table.end_row(self.line),
                Event::Open { .. } | Event::Close(_) | Event::Text(_) => {}
            }
        }
        Err(ReadError::Book(BadBook::Broken))
    }

    /// Empty cells up to the column that a place such as `C12` names.
    fn fill(&mut self, place: &str) -> Result<(), ReadError> {
        let mut column = 0usize;
        for letter in place.bytes().take_while(u8::is_ascii_alphabetic) {
            let digit = usize::from(letter.to_ascii_uppercase().saturating_sub(b'A'));
            column = column.saturating_mul(26).saturating_add(digit).saturating_add(1);
        }
        if column > COLUMNS_MAX {
            return Err(ReadError::Columns { line: self.line });
        }
        let column = column.checked_sub(1).filter(|column| *column >= self.table.width());
        let column = column.ok_or(ReadError::Book(BadBook::Broken))?;
        while self.table.width() < column {
            self.table.push("", Kind::Text, self.line)?;
        }
        Ok(())
    }

    /// The value of a cell: `v`, or the texts of an inline string.
    fn cell(&mut self, kind: &str) -> Result<(), ReadError> {
        let (mut value, mut is_value) = (String::new(), false);
        while let Some(event) = self.scanner.event()? {
            match event {
                Event::Open { name: "v", is_empty, .. } => is_value = !is_empty,
                Event::Close("v") => is_value = false,
                Event::Open { name: "is", is_empty: false, .. } => {
                    texts(&mut self.scanner, "is", &mut value)?;
                }
                Event::Text(text) if is_value => value.push_str(&text),
                Event::Close("c") => return self.put(kind, &value),
                Event::Open { .. } | Event::Close(_) | Event::Text(_) => {}
            }
        }
        Err(ReadError::Book(BadBook::Broken))
    }

    fn put(&mut self, kind: &str, value: &str) -> Result<(), ReadError> {
        let (text, kind) = match kind {
            "s" => {
                let number = value.trim().parse().ok();
                let text = number.and_then(|number| self.strings.text(number));
                (text.ok_or(ReadError::Book(BadBook::Broken))?, Kind::Text)
            }
            "" | "n" if !value.trim().is_empty() => (value, Kind::Number),
            // Strings of formulas, inline strings, truths, errors such as #N/A, ISO dates.
            _ => (value, Kind::Text),
        };
        self.table.push(text, kind, self.line)
    }
}

#[cfg(test)]
pub(crate) mod tests;
