//! Numbers that moved to another operator (spec NP-01, NP-02): a sorted array of 12 bytes a number.
//!
//! A key is the number as an integer, which E.164's fifteen digits fit; a value is the index of a
//! routing prefix, which thousands of numbers share, or of a number to call instead. Found by
//! interpolation, for real numbers lie almost evenly, and by halving where they do not.

mod image;

pub use image::BadImage;

use core::fmt;
use strowger_model::Digits;

/// Most numbers of a table.
pub const PORTED_MAX: usize = 20_000_000;
/// Most different routing prefixes of a table.
pub const TARGETS_MAX: usize = 1 << 16;
/// Longest number, digits (E.164).
const DIGITS_MAX: usize = 15;
/// Steps of interpolation before halving takes over.
const GUESSES_MAX: usize = 8;
/// Set in a value that is the index of a number, not of a prefix.
const IS_NUMBER: u32 = 1 << 31;

const _: () = assert!(PORTED_MAX < IS_NUMBER as usize && TARGETS_MAX < PORTED_MAX);

/// How a ported number is routed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// By itself behind this prefix of its operator.
    Prefix(Digits),
    /// By this number instead.
    Number(Digits),
}

impl Target {
    /// The number to route by; `None` when it would be too long.
    #[must_use]
    pub fn routed(&self, number: &Digits) -> Option<Digits> {
        match self {
            Target::Number(instead) => Some(*instead),
            Target::Prefix(prefix) => Digits::parse(&format!("{prefix}{number}")).ok(),
        }
    }
}

/// A table of ported numbers. Immutable: the next one is made of [`Gathering`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Ported {
    // In order, each once.
    keys: Vec<u64>,
    values: Vec<u32>,
    prefixes: Vec<Digits>,
    numbers: Vec<u64>,
}

impl fmt::Debug for Ported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ported({} numbers)", self.len())
    }
}

impl Ported {
    /// How a canonical number is routed; `None` when it was not ported.
    #[must_use]
    pub fn find(&self, number: &Digits) -> Option<Target> {
        let at = self.place(key(number)?)?;
        self.target(*self.values.get(at)?)
    }

    /// How many numbers it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Memory that it takes, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        let each = size_of::<u64>() * (self.keys.capacity() + self.numbers.capacity());
        each + size_of::<u32>() * self.values.capacity()
            + size_of::<Digits>() * self.prefixes.capacity()
    }

    fn target(&self, value: u32) -> Option<Target> {
        let at = (value & !IS_NUMBER) as usize;
        match value & IS_NUMBER {
            0 => self.prefixes.get(at).copied().map(Target::Prefix),
            _ => self.numbers.get(at).map(|number| Target::Number(digits(*number))),
        }
    }

    /// Where `wanted` stands in the keys.
    fn place(&self, wanted: u64) -> Option<usize> {
        let (mut from, mut until) = (0, self.keys.len());
        for _ in 0..GUESSES_MAX {
            let (Some(low), Some(high)) =
                (self.keys.get(from), self.keys.get(until.wrapping_sub(1)))
            else {
                return None;
            };
            if from >= until || wanted < *low || *high < wanted {
                return None;
            }
            let at = from + guess(wanted - low, high - low, until - 1 - from);
            match self.keys.get(at)?.cmp(&wanted) {
                core::cmp::Ordering::Equal => return Some(at),
                core::cmp::Ordering::Less => from = at + 1,
                core::cmp::Ordering::Greater => until = at,
            }
        }
        let rest = self.keys.get(from..until)?;
        rest.binary_search(&wanted).ok().map(|at| from + at)
    }
}

/// Where in `width` places a key lies that is `above` of `range` above the first.
fn guess(above: u64, range: u64, width: usize) -> usize {
    match range {
        0 => 0,
        _ => (u128::from(above) * width as u128 / u128::from(range)) as usize,
    }
}

/// Whether a canonical number is one of E.164, so that an operator has it.
#[must_use]
pub fn is_e164(number: &Digits) -> bool {
    key(number).is_some()
}

/// A number as an integer; `None` for what is no number of E.164.
fn key(number: &Digits) -> Option<u64> {
    let text = number.as_str();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=DIGITS_MAX).contains(&text.len()) && !text.starts_with('0') && is_plain;
    fits.then(|| text.parse().ok()).flatten()
}

fn digits(key: u64) -> Digits {
    Digits::parse(&key.to_string()).unwrap_or(Digits::EMPTY)
}

/// Why a line of a list is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadLine {
    /// Not two or three columns.
    #[error("a line is number, prefix and, where the prefix is empty, number instead")]
    Columns,
    /// The first column.
    #[error("{0:?} is no number of E.164 without +")]
    Number(String),
    /// Neither a prefix nor a number, or both.
    #[error("either a prefix or a number instead must be said, of digits")]
    Target,
    /// Beyond [`PORTED_MAX`].
    #[error("there are more than {PORTED_MAX} numbers")]
    TooMany,
    /// Beyond [`TARGETS_MAX`].
    #[error("there are more than {TARGETS_MAX} different prefixes")]
    TooManyPrefixes,
}

/// A table in the making.
#[derive(Debug, Default)]
pub struct Gathering {
    pairs: Vec<(u64, u32)>,
    prefixes: Vec<Digits>,
    indexes: std::collections::BTreeMap<Digits, u32>,
    numbers: Vec<u64>,
}

impl Gathering {
    /// One that has what a table has; lines that are added count instead of its own.
    #[must_use]
    pub fn of(table: &Ported) -> Gathering {
        let pairs = table.keys.iter().copied().zip(table.values.iter().copied()).collect();
        let indexes = table.prefixes.iter().copied().zip(0u32..).collect();
        let (prefixes, numbers) = (table.prefixes.clone(), table.numbers.clone());
        Gathering { pairs, prefixes, indexes, numbers }
    }

    /// Adds a line of a list: `number,prefix` or `number,,instead`. An empty line and one that
    /// begins with `#` say nothing.
    ///
    /// # Errors
    /// [`BadLine`]; nothing was added then.
    pub fn add_line(&mut self, line: &str) -> Result<(), BadLine> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let mut columns = line.split([',', ';']).map(str::trim);
        let (number, prefix) = (columns.next().unwrap_or_default(), columns.next());
        let instead = columns.next().unwrap_or_default();
        let Some(prefix) = prefix.filter(|_| columns.next().is_none()) else {
            return Err(BadLine::Columns);
        };
        let parsed = Digits::parse(number).map_err(|_| BadLine::Number(number.to_owned()))?;
        let target = match (prefix, instead) {
            ("", "") => return Err(BadLine::Target),
            ("", instead) => Target::Number(Digits::parse(instead).map_err(|_| BadLine::Target)?),
            (prefix, "") => Target::Prefix(Digits::parse(prefix).map_err(|_| BadLine::Target)?),
            _ => return Err(BadLine::Target),
        };
        self.add(&parsed, target)
    }

    /// Adds a number; the last word on it counts.
    ///
    /// # Errors
    /// [`BadLine`]; nothing was added then.
    pub fn add(&mut self, number: &Digits, target: Target) -> Result<(), BadLine> {
        let key = key(number).ok_or_else(|| BadLine::Number(number.to_string()))?;
        if self.pairs.len() >= PORTED_MAX {
            return Err(BadLine::TooMany);
        }
        let value = match target {
            Target::Prefix(prefix) => self.prefix(prefix)?,
            Target::Number(instead) => {
                let instead = self::key(&instead).ok_or(BadLine::Target)?;
                let at = u32::try_from(self.numbers.len()).map_err(|_| BadLine::TooMany)?;
                self.numbers.push(instead);
                at | IS_NUMBER
            }
        };
        self.pairs.push((key, value));
        Ok(())
    }

    fn prefix(&mut self, prefix: Digits) -> Result<u32, BadLine> {
        if let Some(at) = self.indexes.get(&prefix) {
            return Ok(*at);
        }
        if self.prefixes.len() >= TARGETS_MAX || prefix.is_empty() {
            return Err(BadLine::TooManyPrefixes);
        }
        let at = u32::try_from(self.prefixes.len()).map_err(|_| BadLine::TooManyPrefixes)?;
        self.prefixes.push(prefix);
        self.indexes.insert(prefix, at);
        Ok(at)
    }

    /// The table.
    #[must_use]
    pub fn finish(mut self) -> Ported {
        // A stable sort keeps the order of lines about one number: the last counts.
        self.pairs.sort_by_key(|(key, _)| *key);
        let mut kept: Vec<(u64, u32)> = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs {
            match kept.last_mut() {
                Some(last) if last.0 == pair.0 => *last = pair,
                Some(_) | None => kept.push(pair),
            }
        }
        let (keys, values) = kept.into_iter().unzip();
        let mut table = Ported { keys, values, prefixes: self.prefixes, numbers: self.numbers };
        table.keys.shrink_to_fit();
        table.values.shrink_to_fit();
        table.numbers.shrink_to_fit();
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn number(text: &str) -> Digits {
        Digits::parse(text).unwrap()
    }

    fn table(lines: &[&str]) -> Ported {
        let mut gathering = Gathering::default();
        lines.iter().for_each(|line| gathering.add_line(line).unwrap());
        gathering.finish()
    }

    fn routed(table: &Ported, text: &str) -> Option<String> {
        let number = number(text);
        table.find(&number).and_then(|target| target.routed(&number)).map(|d| d.to_string())
    }

    #[test]
    fn a_ported_number_is_routed_by_its_prefix_or_by_another_number() {
        let table = table(&[
            "# number, prefix, instead",
            "40721000001,9901",
            "40721000002;9902",
            "40721000003,,40311000003",
            "",
            "40721000001, 9903 ,",
        ]);
        assert_eq!(table.len(), 3);
        assert_eq!(routed(&table, "40721000001").as_deref(), Some("990340721000001"), "the last");
        assert_eq!(routed(&table, "40721000002").as_deref(), Some("990240721000002"));
        assert_eq!(routed(&table, "40721000003").as_deref(), Some("40311000003"));
        for other in ["4072100000", "40721000004", "407210000010", "1", "*43", "999999999999999"] {
            assert_eq!(routed(&table, other), None, "{other}");
        }
        let mut more = Gathering::of(&table);
        more.add_line("40721000002,,40311000009").unwrap();
        more.add_line("40721000004,9902").unwrap();
        let more = more.finish();
        assert_eq!(routed(&more, "40721000002").as_deref(), Some("40311000009"));
        assert_eq!(routed(&more, "40721000003").as_deref(), Some("40311000003"));
        assert_eq!(routed(&more, "40721000004").as_deref(), Some("990240721000004"));
        assert_eq!(Ported::default().find(&number("40721000001")), None);
    }

    #[test]
    fn what_is_no_line_is_said() {
        let mut gathering = Gathering::default();
        for (line, wrong) in [
            ("40721000001", BadLine::Columns),
            ("40721000001,1,2,3", BadLine::Columns),
            ("+40721000001,99", BadLine::Number("+40721000001".into())),
            ("0721000001,99", BadLine::Number("0721000001".into())),
            ("4072100000112345,99", BadLine::Number("4072100000112345".into())),
            ("40721000001,,", BadLine::Target),
            ("40721000001,99,98", BadLine::Target),
            ("40721000001,D9", BadLine::Target),
            ("40721000001,,021", BadLine::Target),
        ] {
            assert_eq!(gathering.add_line(line), Err(wrong), "{line}");
        }
        assert!(gathering.finish().is_empty(), "nothing was added");
    }

    #[test]
    fn a_number_takes_twelve_bytes() {
        let mut gathering = Gathering::default();
        for n in 0..100_000u64 {
            let digits = number(&(40_700_000_000 + n * 37).to_string());
            gathering.add(&digits, Target::Prefix(number("9901"))).unwrap();
        }
        let table = gathering.finish();
        assert_eq!(table.len(), 100_000);
        assert!(table.bytes() <= 12 * 100_000 + 1_000, "{} bytes", table.bytes());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn it_finds_what_a_map_finds(
            rows in prop::collection::vec(("[1-9][0-9]{0,3}|[1-3][0-9]{9,14}", 0..5u8), 0..200),
            asked in prop::collection::vec("[1-9][0-9]{0,3}|[1-3][0-9]{9,14}", 0..40),
        ) {
            let mut gathering = Gathering::default();
            let mut map = BTreeMap::new();
            for (text, prefix) in &rows {
                let target = Target::Prefix(number(&format!("99{prefix}")));
                gathering.add(&number(text), target).unwrap();
                map.insert(text.clone(), target);
            }
            let table = gathering.finish();
            prop_assert_eq!(table.len(), map.len());
            for text in rows.iter().map(|(text, _)| text).chain(&asked) {
                prop_assert_eq!(table.find(&number(text)), map.get(text).copied(), "{}", text);
            }
            let again = Ported::read(&table.image()).unwrap();
            prop_assert!(again == table);
        }
    }
}
