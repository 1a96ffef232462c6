//! Lines of comma-separated values (RFC 4180), and the rows that they stand for.

use crate::field::Wrong;
use serde_json::{Map, Number, Value, json};

/// Columns that a file may have, and what stands in them.
const COLUMNS: [(&str, Cell); 13] = [
    ("prefix", Cell::Text),
    ("class", Cell::Text),
    ("digits_min", Cell::Number),
    ("digits_max", Cell::Number),
    ("price", Cell::Money),
    ("step_ms", Cell::Number),
    ("minimum_ms", Cell::Number),
    ("free_ms", Cell::Number),
    ("free_after_ms", Cell::Number),
    ("connection_fee", Cell::Money),
    ("from", Cell::Text),
    ("until", Cell::Text),
    ("removed", Cell::Flag),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cell {
    Text,
    Money,
    Number,
    Flag,
}

impl Cell {
    /// The member that a cell stands for.
    fn value(self, text: String) -> Result<Value, Wrong> {
        match self {
            Cell::Text => Ok(Value::String(text)),
            Cell::Money => Ok(json!({"amount": text})),
            Cell::Number => {
                let number = text.parse::<i64>().map(Number::from);
                number.map(Value::Number).map_err(|_| Wrong::new("is no whole number"))
            }
            Cell::Flag => match text.as_str() {
                "true" | "1" => Ok(Value::Bool(true)),
                "false" | "0" => Ok(Value::Bool(false)),
                _ => Err(Wrong::new("is neither true nor false")),
            },
        }
    }
}

/// Something with the number of its line.
type Numbered<T> = (usize, T);

/// Reads a file, line after line.
pub(super) struct Lines<'a> {
    rest: &'a str,
    /// Number of the line that is read next, from 1.
    next: usize,
    columns: Vec<(&'static str, Cell)>,
}

impl<'a> Lines<'a> {
    /// Begins with the header line.
    ///
    /// # Errors
    /// The line and what is wrong with it.
    pub(super) fn new(text: &'a str) -> Result<Lines<'a>, (usize, Wrong)> {
        let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = Lines { rest, next: 1, columns: Vec::new() };
        let Some((line, names)) = lines.record()? else {
            return Err((1, Wrong::new("has no header line")));
        };
        for name in names {
            let known = COLUMNS.iter().find(|(known, _)| *known == name.trim());
            let Some(column) = known else {
                let all = COLUMNS.map(|(name, _)| name).join(", ");
                return Err((line, Wrong::new(format!("has a column that is none of {all}"))));
            };
            if lines.columns.contains(column) {
                return Err((line, Wrong::new("stands twice in the header").at(column.0)));
            }
            lines.columns.push(*column);
        }
        Ok(lines)
    }

    /// The next row, with the number of its line; empty lines are passed over, empty cells say
    /// nothing.
    ///
    /// # Errors
    /// The line and what is wrong with it.
    pub(super) fn row(&mut self) -> Result<Option<Numbered<Map<String, Value>>>, Numbered<Wrong>> {
        let Some((line, cells)) = self.record()? else { return Ok(None) };
        if cells.len() != self.columns.len() {
            let columns = self.columns.len();
            let detail = format!("has {} cells, not the {columns} of the header", cells.len());
            return Err((line, Wrong::new(detail)));
        }
        let mut row = Map::new();
        for ((name, kind), text) in self.columns.iter().zip(cells) {
            let text = text.trim();
            // The prefix of all numbers is empty.
            if text.is_empty() && *name != "prefix" {
                continue;
            }
            let value = kind.value(text.to_owned()).map_err(|wrong| (line, wrong.at(name)))?;
            row.insert((*name).to_owned(), value);
        }
        Ok(Some((line, row)))
    }

    /// The cells of the next line that is not empty.
    fn record(&mut self) -> Result<Option<Numbered<Vec<String>>>, Numbered<Wrong>> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let line = self.next;
            let cells = self.cells(line)?;
            if !matches!(cells.as_slice(), [only] if only.is_empty()) {
                return Ok(Some((line, cells)));
            }
        }
    }

    fn cells(&mut self, line: usize) -> Result<Vec<String>, (usize, Wrong)> {
        let mut cells = Vec::new();
        loop {
            let cell = match self.rest.strip_prefix('"') {
                Some(rest) => {
                    self.rest = rest;
                    self.quoted().ok_or_else(|| (line, Wrong::new("has an open quotation mark")))?
                }
                None => {
                    let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
                    let (cell, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    cell.trim_end_matches('\r').to_owned()
                }
            };
            if cells.len() > COLUMNS.len() {
                return Err((line, Wrong::new("has more cells than there are columns")));
            }
            cells.push(cell);
            let end = self.rest.trim_start_matches('\r');
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
            } else if end.is_empty() || end.starts_with('\n') {
                self.rest = end.strip_prefix('\n').unwrap_or(end);
                self.next = self.next.saturating_add(1);
                return Ok(cells);
            } else {
                return Err((line, Wrong::new("has text behind a quotation mark")));
            }
        }
    }

    /// The text up to the closing quotation mark; two of them are one.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let (before, rest) = self.rest.split_once('"')?;
            text.push_str(before);
            self.next = self.next.saturating_add(before.matches('\n').count());
            match rest.strip_prefix('"') {
                Some(rest) => {
                    text.push('"');
                    self.rest = rest;
                }
                None => {
                    self.rest = rest;
                    return Some(text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Rows = Result<Vec<(usize, Value)>, (usize, String)>;

    fn read(text: &str) -> Rows {
        let told =
            |(line, wrong): (usize, Wrong)| (line, format!("{} {}", wrong.path, wrong.detail));
        let mut lines = Lines::new(text).map_err(told)?;
        let mut rows = Vec::new();
        while let Some((line, row)) = lines.row().map_err(told)? {
            rows.push((line, Value::Object(row)));
        }
        Ok(rows)
    }

    #[test]
    fn lines_become_rows() {
        let text =
            "\u{feff}prefix,price,step_ms,removed\r\n44,0.05,60000,\n\n\"49\",\"0.1\",,1\r\n,1,,";
        let expect = vec![
            (2, json!({"prefix": "44", "price": {"amount": "0.05"}, "step_ms": 60000})),
            (4, json!({"prefix": "49", "price": {"amount": "0.1"}, "removed": true})),
            (5, json!({"prefix": "", "price": {"amount": "1"}})),
        ];
        assert_eq!(read(text), Ok(expect));
        assert_eq!(read("prefix\n"), Ok(vec![]));
    }

    #[test]
    fn errors_name_the_line_and_the_column() {
        for (text, line, part) in [
            ("", 1, "header"),
            ("prefix,colour\n", 1, "none of prefix, class"),
            ("prefix,prefix\n", 1, "twice"),
            ("prefix,price\n44,1\n45\n", 3, "1 cells"),
            ("prefix,price\n44,1,2\n", 2, "3 cells"),
            ("prefix,step_ms\n44,x\n", 2, "step_ms is no whole number"),
            ("prefix,removed\n44,1\n44,yes\n", 3, "removed is neither"),
            ("prefix\n\"44\n", 2, "open quotation"),
            ("prefix\n\"44\"5\n", 2, "behind a quotation"),
            ("prefix\n\"4\n4\",\n", 3, "2 cells"),
        ] {
            let (at, detail) = read(text).unwrap_err();
            // A line that has a quoted line break in it is known by its end or its beginning.
            assert!(at == line || at + 1 == line, "{text:?}: {at}");
            assert!(detail.contains(part), "{text:?}: {detail}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_text_is_read_to_an_end(text in "[a-z0-9,\"\r\n]{0,60}") {
            let _either = read(&text);
            let _either = read(&format!("prefix,price\n{text}"));
        }
    }
}
