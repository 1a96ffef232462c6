//! Text with separators, as spreadsheets and switches write it (RFC 4180, and what they make of
//! it).

use crate::table::{Kind, Table};
use crate::{ReadError, text};

/// What may stand between cells; the earlier one where two fit alike.
const DELIMITERS: [char; 4] = [';', '\t', '|', ','];
/// Most lines that are looked at for the delimiter.
const PROBE_LINES: usize = 64;

/// A table of a file of text. Without a delimiter the one that fits most lines alike is taken, or
/// what a first line `sep=;` says.
pub(crate) fn read(bytes: &[u8], delimiter: Option<char>) -> Result<Table, ReadError> {
    let text = text::decode(bytes)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (told, rest, line) = match sep(text) {
        Some((told, rest)) => (Some(told), rest, 2),
        None => (None, text, 1),
    };
    let delimiter = delimiter.or(told).unwrap_or_else(|| guess(rest));
    Reader { rest, delimiter, line, table: Table::default() }.table()
}

/// A first line by which a spreadsheet tells the delimiter, and what follows it.
fn sep(text: &str) -> Option<(char, &str)> {
    let rest = text.get(..4).filter(|word| word.eq_ignore_ascii_case("sep="));
    let rest = rest.and_then(|word| text.get(word.len()..))?;
    let delimiter = rest.chars().next()?;
    let rest = rest.get(delimiter.len_utf8()..)?;
    let rest = rest.strip_prefix('\r').unwrap_or(rest);
    DELIMITERS.contains(&delimiter).then_some((delimiter, rest.strip_prefix('\n')?))
}

/// The delimiter by which most lines have equally many cells; among those the one of most cells.
fn guess(text: &str) -> char {
    let fits = |delimiter: char| {
        let mut counts: Vec<usize> = Vec::new();
        for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()).take(PROBE_LINES) {
            counts.push(count(line, delimiter));
        }
        let alike = |count: usize| counts.iter().filter(|other| **other == count).count();
        let best = counts.iter().filter(|count| **count > 0).map(|count| (alike(*count), *count));
        best.max().unwrap_or_default()
    };
    let mut best = (',', (0, 0));
    for delimiter in DELIMITERS {
        let fit = fits(delimiter);
        if fit > best.1 {
            best = (delimiter, fit);
        }
    }
    best.0
}

/// How often a character stands outside quotes.
fn count(line: &str, wanted: char) -> usize {
    let mut quoted = false;
    let mut found = 0usize;
    for char in line.chars() {
        match char {
            '"' => quoted = !quoted,
            _ if char == wanted && !quoted => found = found.saturating_add(1),
            _ => {}
        }
    }
    found
}

struct Reader<'a> {
    rest: &'a str,
    delimiter: char,
    line: u32,
    table: Table,
}

/// What stands behind a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Cell,
    Row,
    File,
}

impl<'a> Reader<'a> {
    fn table(mut self) -> Result<Table, ReadError> {
        let mut began = self.line;
        loop {
            let end = self.cell()?;
            match end {
                End::Cell => continue,
                End::Row | End::File => self.table.end_row(began)?,
            }
            if end == End::File {
                return Ok(self.table);
            }
            self.line = self.line.saturating_add(1);
            began = self.line;
        }
    }

    fn cell(&mut self) -> Result<End, ReadError> {
        let inner = self.rest.trim_start_matches(' ');
        match inner.strip_prefix('"') {
            Some(quoted) => {
                self.rest = quoted;
                self.quoted()
            }
            None => {
                let (delimiter, rest) = (self.delimiter, self.rest);
                let stop = |char: char| char == delimiter || char == '\n' || char == '\r';
                let at = rest.find(stop).unwrap_or(rest.len());
                self.table.push(rest.get(..at).unwrap_or_default(), Kind::Text, self.line)?;
                self.skip(at);
                self.end()
            }
        }
    }

    /// A cell in quotes; a quote in it stands twice, and line ends belong to it.
    fn quoted(&mut self) -> Result<End, ReadError> {
        let (began, mut text) = (self.line, String::new());
        loop {
            let unclosed = ReadError::Quote { line: began };
            let at = self.rest.find('"').ok_or(unclosed)?;
            let part = self.rest.get(..at).unwrap_or_default();
            let feeds = part.bytes().filter(|byte| *byte == b'\n').count();
            self.line = self.line.saturating_add(u32::try_from(feeds).unwrap_or(u32::MAX));
            text.push_str(part);
            self.skip(at.saturating_add(1));
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    text.push('"');
                    self.rest = rest;
                }
                None => break,
            }
        }
        self.table.push(&text, Kind::Text, began)?;
        self.rest = self.rest.trim_start_matches(' ');
        match self.end() {
            Ok(end) => Ok(end),
            Err(_) => Err(ReadError::Quote { line: began }),
        }
    }

    fn skip(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    /// What follows a cell; text behind a closing quote is nothing of it.
    fn end(&mut self) -> Result<End, ReadError> {
        let mut chars = self.rest.chars();
        let end = match chars.next() {
            None => End::File,
            Some('\n') => End::Row,
            Some('\r') => {
                self.rest = chars.as_str().strip_prefix('\n').unwrap_or(chars.as_str());
                return Ok(End::Row);
            }
            Some(char) if char == self.delimiter => End::Cell,
            Some(_) => return Err(ReadError::Quote { line: self.line }),
        };
        self.rest = chars.as_str();
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u32, Vec<String>)> {
        let table = read(text.as_bytes(), None).unwrap();
        let cells = |row: crate::Row<'_>| row.cells().map(|cell| cell.text.to_owned()).collect();
        table.rows().map(|row| (row.line, cells(row))).collect()
    }

    #[test]
    fn all_delimiters_are_found() {
        for delimiter in DELIMITERS {
            let text = format!("code{delimiter}name{delimiter}rate\n49{delimiter}a{delimiter}1\n");
            let wanted = [vec!["code", "name", "rate"], vec!["49", "a", "1"]];
            let found: Vec<_> = rows(&text).into_iter().map(|(_, cells)| cells).collect();
            assert_eq!(found, wanted, "{delimiter:?}");
        }
    }

    #[test]
    fn decimal_commas_are_no_delimiter_where_another_fits() {
        assert_eq!(rows("Code;Preis\n49;0,01\n43;0,02")[1].1, ["49", "0,01"]);
        assert_eq!(rows("sep=,\r\na;b,c\r\n"), [(2, vec!["a;b".into(), "c".into()])]);
    }

    #[test]
    fn quotes_hold_delimiters_quotes_and_lines_and_lines_are_counted_by_the_file() {
        let found = rows("a,b\r\n\r\n\"x \"\"y\"\"\n,z\",1\r\n , \n2,\"3\"");
        let told: Vec<_> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(told, [1, 3, 6]);
        assert_eq!(found[1].1, ["x \"y\"\n,z", "1"]);
        assert_eq!(found[2].1, ["2", "3"]);
    }

    #[test]
    fn a_broken_quote_is_named_by_the_line_it_began_in() {
        let line = |text: &str| read(text.as_bytes(), Some(',')).unwrap_err();
        assert_eq!(line("a,b\n1,\"2\n3\n"), ReadError::Quote { line: 2 });
        assert_eq!(line("a,b\n1,\"2\"x\n"), ReadError::Quote { line: 2 });
    }
}
