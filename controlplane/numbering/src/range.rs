//! Ranges of numbers that are shipped: whose they are and what kind (spec: high-cost numbers).

use core::fmt;
use std::sync::LazyLock;
use strowger_model::Digits;

/// The data, one line for each code.
const DATA: &str = include_str!("../data/ranges.txt");
/// Longest range, digits.
const RANGE_DIGITS_MAX: usize = 15;

/// What kind of number a range holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Class {
    /// Nothing else is known: mostly a fixed line.
    #[default]
    Ordinary,
    /// Mobile telephones.
    Mobile,
    /// Satellite telephones.
    Satellite,
    /// The called party earns by the call.
    Premium,
    /// The called party pays.
    Freephone,
    /// Caller and called party pay.
    Shared,
    /// A number that follows a person.
    Personal,
    /// Pagers.
    Pager,
    /// International networks of no country.
    Network,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 9] = [
        Class::Ordinary,
        Class::Mobile,
        Class::Satellite,
        Class::Premium,
        Class::Freephone,
        Class::Shared,
        Class::Personal,
        Class::Pager,
        Class::Network,
    ];

    /// Its word in the data, in rules and in REST.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Class::Ordinary => "ordinary",
            Class::Mobile => "mobile",
            Class::Satellite => "satellite",
            Class::Premium => "premium",
            Class::Freephone => "free",
            Class::Shared => "shared",
            Class::Personal => "personal",
            Class::Pager => "pager",
            Class::Network => "network",
        }
    }

    /// The class of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.word() == word)
    }
}

/// A country or territory by its two letters of ISO 3166-1 (`XK` for Kosovo, `AC` for Ascension).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The country of these two capitals.
    #[must_use]
    pub const fn of(letters: &str) -> Option<Country> {
        match letters.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Some(Country([*a, *b])),
            _ => None,
        }
    }

    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({self})")
    }
}

/// What is known of numbers that begin so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    prefix: Digits,
    class: Class,
    country: Option<Country>,
}

/// A table of ranges; the longest that a number begins with counts.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    // In order of prefixes, each once.
    ranges: Vec<Range>,
    longest: usize,
}

impl Ranges {
    /// The table that is shipped, read once.
    #[must_use]
    pub fn shipped() -> &'static Ranges {
        static SHIPPED: LazyLock<Ranges> = LazyLock::new(|| Ranges::read(DATA));
        &SHIPPED
    }

    /// What kind of number a canonical number is.
    #[must_use]
    pub fn class(&self, number: &Digits) -> Class {
        self.range(number).map_or(Class::Ordinary, |range| range.class)
    }

    /// Whose number a canonical number is; `None` for codes of no country and unknown ones.
    #[must_use]
    pub fn country(&self, number: &Digits) -> Option<Country> {
        self.range(number)?.country
    }

    /// How many ranges there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    fn range(&self, number: &Digits) -> Option<&Range> {
        (1..=number.len().min(self.longest)).rev().find_map(|len| {
            let prefix = number.as_bytes().get(..len)?;
            let at = self.ranges.binary_search_by(|r| r.prefix.as_bytes().cmp(prefix)).ok()?;
            self.ranges.get(at)
        })
    }

    /// Reads lines of the data's form; what cannot be read is left out, and a test says that in
    /// what is shipped there is no such thing.
    fn read(text: &str) -> Ranges {
        let mut ranges: Vec<Range> = lines(text).flat_map(of_line).collect();
        ranges.sort_by_key(|range| range.prefix);
        ranges.dedup_by_key(|range| range.prefix);
        let longest = ranges.iter().map(|range| range.prefix.len()).max().unwrap_or_default();
        Ranges { ranges, longest: longest.min(RANGE_DIGITS_MAX) }
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn of_line(line: &str) -> Vec<Range> {
    let mut words = line.split_ascii_whitespace();
    let (Some(code), Some(letters)) = (words.next(), words.next()) else { return Vec::new() };
    let country = Country::of(letters);
    let whole = Digits::parse(code).map(|prefix| Range { prefix, class: Class::Ordinary, country });
    let mut all: Vec<Range> = whole.into_iter().collect();
    for word in words {
        let Some((class, list)) = word.split_once(':') else { continue };
        let Some(class) = Class::of(class) else { continue };
        let prefixes = list.split(',').map(|rest| Digits::parse(&format!("{code}{rest}")));
        all.extend(prefixes.flatten().map(|prefix| Range { prefix, class, country }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: &str) -> String {
        let number = Digits::parse(number).unwrap();
        let ranges = Ranges::shipped();
        let country = ranges.country(&number);
        let country = country.map_or("-".to_owned(), |country| country.to_string());
        format!("{country} {}", ranges.class(&number).word())
    }

    #[test]
    fn numbers_are_of_their_countries_and_classes() {
        for (number, expect) in [
            ("442079460018", "GB ordinary"),
            ("447700900123", "GB mobile"),
            ("449011234567", "GB premium"),
            ("447624123456", "IM mobile"),
            ("441624123456", "IM ordinary"),
            ("12125550100", "US ordinary"),
            ("19005550100", "US premium"),
            ("18005550100", "US free"),
            ("14165550100", "CA ordinary"),
            ("18765550100", "JM ordinary"),
            ("4915112345678", "DE mobile"),
            ("499001234567", "DE premium"),
            ("40721234567", "RO mobile"),
            ("870776712345", "- satellite"),
            ("881631234567", "- satellite"),
            ("882161234567", "- satellite"),
            ("882345678901", "- network"),
            ("883510001234", "- network"),
            ("979112345678", "- premium"),
            ("80012345678", "- free"),
            ("79161234567", "RU mobile"),
            ("77011234567", "KZ mobile"),
            ("8613812345678", "CN mobile"),
            ("861012345678", "CN ordinary"),
            ("210123456", "- ordinary"),
            ("1002", "US ordinary"),
            ("*43", "- ordinary"),
            ("", "- ordinary"),
        ] {
            assert_eq!(known(number), expect, "{number}");
        }
    }

    /// Nothing in the data is left out, nothing stands in it twice, and of each range it is known
    /// whose it is as of its code.
    #[test]
    fn all_of_the_data_is_read() {
        let mut prefixes = std::collections::BTreeMap::new();
        for line in lines(DATA) {
            let mut words = line.split_ascii_whitespace();
            let (code, letters) = (words.next().unwrap(), words.next().unwrap());
            assert!(letters == "-" || Country::of(letters).is_some(), "{line}");
            assert!(prefixes.insert(code.to_owned(), line).is_none(), "twice: {line}");
            for word in words {
                let (class, list) = word.split_once(':').unwrap();
                assert!(Class::of(class).is_some_and(|class| class != Class::Ordinary), "{line}");
                for rest in list.split(',') {
                    assert!(rest.bytes().all(|b| b.is_ascii_digit()), "{line}");
                    let range = format!("{code}{rest}");
                    assert!(range.len() <= RANGE_DIGITS_MAX, "{line}");
                    assert!(!rest.is_empty() && prefixes.insert(range, line).is_none(), "{line}");
                }
            }
        }
        let shipped = Ranges::shipped();
        assert_eq!(shipped.len(), prefixes.len());
        assert!(!shipped.is_empty());
    }

    /// E.164 has no code that begins with another: where one does in the data, it is a part of the
    /// same numbering plan.
    #[test]
    fn codes_that_lie_in_others_are_those_of_shared_plans() {
        let codes: Vec<&str> =
            lines(DATA).filter_map(|line| line.split_ascii_whitespace().next()).collect();
        for inner in &codes {
            for outer in codes.iter().filter(|o| inner.starts_with(**o) && *o != inner) {
                let shared = ["1", "7", "262", "358", "39", "44", "47", "599", "61", "672"];
                assert!(shared.contains(outer), "{inner} lies in {outer}");
            }
        }
    }
}
