//! The table of expected counts: `NAME COUNT` a line, instructions of one turn.

use std::collections::BTreeMap;

/// How far a count may be from what is expected, thousandths.
pub const TOLERANCE: u64 = 30;

const HEAD: &str = "\
# Instructions of one turn of each scenario, by callgrind; 3 % either way are allowed.
# Written by `bench/count/run.sh --bless`; the compiler is pinned in rust-toolchain.toml.
";

/// Counts by scenario.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Table(BTreeMap<String, u64>);

impl Table {
    /// Reads a table; lines that begin with `#` are for people.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn parse(text: &str) -> Result<Table, String> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let row = |line: &str| {
            let (name, count) = line.split_once(' ')?;
            Some((name.to_owned(), count.trim().replace(',', "").parse().ok()?))
        };
        lines
            .map(|line| row(line).ok_or(format!("no `NAME COUNT`: {line}")))
            .collect::<Result<_, _>>()
            .map(Table)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One line for each scenario whose count differs, or that only one of the tables has. Of
    /// `names`, all there are, `counted` may have some only.
    #[must_use]
    pub fn differences(&self, counted: &Table, names: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, count) in &counted.0 {
            match self.0.get(name) {
                None => lines.push(format!("{name}: {count}, not in the table: run with --bless")),
                Some(expected) => lines.extend(differs(name, *expected, *count)),
            }
        }
        let gone = self.0.keys().filter(|name| !names.contains(&name.as_str()));
        lines.extend(gone.map(|name| format!("{name}: in the table, and no scenario")));
        lines
    }

    /// The text of this table with the rows of `counted` in place of its own; rows of no scenario
    /// are left out.
    #[must_use]
    pub fn blessed(mut self, counted: &Table, names: &[&str]) -> String {
        self.0.extend(counted.0.clone());
        self.0.retain(|name, _| names.contains(&name.as_str()));
        let rows = self.0.iter().map(|(name, count)| format!("{name} {count}\n"));
        std::iter::once(HEAD.to_owned()).chain(rows).collect()
    }
}

fn differs(name: &str, expected: u64, count: u64) -> Option<String> {
    let by = expected.abs_diff(count);
    if by.saturating_mul(1_000) <= expected.saturating_mul(TOLERANCE) {
        return None;
    }
    let thousandths = by.saturating_mul(1_000) / expected.max(1);
    let (sign, word) = if count > expected { ('+', "more") } else { ('-', "fewer: bless it") };
    let (whole, tenth) = (thousandths / 10, thousandths % 10);
    Some(format!("{name}: {expected} -> {count} ({sign}{whole}.{tenth} %, {word})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::parse(text).unwrap()
    }

    #[test]
    fn differences_are_one_line_each() {
        let expected = table("# head\ncall 100000\nparse 1000\nscan 500\nold 3\n");
        let names = ["call", "parse", "scan", "new"];
        let same = table("call 103000\nparse 970\nscan 500\n");
        assert_eq!(expected.differences(&same, &names), ["old: in the table, and no scenario"]);
        let other = table("call 103001\nparse 969\nnew 7\n");
        assert_eq!(
            expected.differences(&other, &names),
            [
                "call: 100000 -> 103001 (+3.0 %, more)",
                "new: 7, not in the table: run with --bless",
                "parse: 1000 -> 969 (-3.1 %, fewer: bless it)",
                "old: in the table, and no scenario",
            ]
        );
    }

    #[test]
    fn blessing_keeps_what_was_not_counted() {
        let text =
            table("call 1\nold 2\nparse 3\n").blessed(&table("parse 4\n"), &["call", "parse"]);
        assert!(text.starts_with("# Instructions"));
        assert_eq!(table(&text), table("call 1\nparse 4\n"));
    }

    #[test]
    fn what_is_no_row_is_named() {
        assert_eq!(Table::parse("call"), Err("no `NAME COUNT`: call".to_owned()));
        assert_eq!(Table::parse("call many"), Err("no `NAME COUNT`: call many".to_owned()));
    }
}
