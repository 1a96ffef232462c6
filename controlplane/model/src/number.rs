//! Numbers: what was dialled, what it means, and what a carrier is sent (spec NUM-NORM, NUM-PX).
//!
//! [`Digits`] is the canonical form: country code and national number without `+`, or a service
//! number with `*` and `#`. Everything that routes, prices or records uses it. [`Normalisation`]
//! turns received text into it; [`PrefixEdit`] turns it into what a peer wants to see.

use core::fmt;
use std::borrow::Cow;

/// Longest number, characters (E.164 has 15 digits; carriers put prefixes of their own before it).
pub const NUMBER_MAX: usize = 32;
/// Most prefixes in one list of a [`PrefixEdit`] or [`Normalisation`].
pub const EDIT_PREFIXES_MAX: usize = 16;

/// A canonical number or prefix: at most [`NUMBER_MAX`] of `0-9 * #`; empty = every number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits {
    // Unused places stay zero, so that derived order is the order of the texts.
    text: [u8; NUMBER_MAX],
    len: u8,
}

/// Why a text is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadNumber {
    /// Nothing is left of it.
    Empty,
    /// It holds a character that no number has.
    Character,
    /// It is longer than the limit.
    TooLong,
    /// It is shorter than the limit.
    TooShort,
}

impl fmt::Display for BadNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadNumber::Empty => "the number is empty",
            BadNumber::Character => "the number has a character other than 0-9, * and #",
            BadNumber::TooLong => "the number is too long",
            BadNumber::TooShort => "the number is too short",
        })
    }
}

impl core::error::Error for BadNumber {}

impl Digits {
    /// The empty prefix, which every number has.
    pub const EMPTY: Digits = Digits { text: [0; NUMBER_MAX], len: 0 };

    /// Checks a text that is already canonical; the empty text is the empty prefix.
    ///
    /// # Errors
    /// [`BadNumber::Character`] or [`BadNumber::TooLong`].
    pub fn parse(text: &str) -> Result<Digits, BadNumber> {
        let mut digits = Digits::EMPTY;
        if text.len() > NUMBER_MAX {
            return Err(BadNumber::TooLong);
        }
        for (place, byte) in digits.text.iter_mut().zip(text.bytes()) {
            if !is_dial_character(byte) {
                return Err(BadNumber::Character);
            }
            *place = byte;
            digits.len += 1;
        }
        Ok(digits)
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The characters as ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many characters.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether this is the empty prefix.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same without its last character; the empty prefix stays what it is.
    #[must_use]
    pub fn without_last(mut self) -> Digits {
        self.len = self.len.saturating_sub(1);
        if let Some(last) = self.text.get_mut(usize::from(self.len)) {
            *last = 0;
        }
        self
    }

    /// Whether this number begins with `prefix`.
    #[must_use]
    pub fn has_prefix(&self, prefix: &Digits) -> bool {
        self.as_bytes().starts_with(prefix.as_bytes())
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digits({})", self.as_str())
    }
}

const fn is_dial_character(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'*' | b'#')
}

/// Visual separators that people and phones put into numbers (RFC 3966 section 5.1.1), and blanks.
const fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/')
}

/// How received numbers become [`Digits`] (spec NUM-NORM-01 to -04, NUM-LEN-01).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Normalisation {
    /// International prefixes to strip, tried in order, one at most is taken (source: `iec1..3`).
    pub international: Vec<String>,
    /// Prefix edit of what is left (source: `incomingprefix...`).
    pub incoming: PrefixEdit,
    /// A `#` at the end is the phone's "dial now" (source: `removetrailinghash`).
    pub strip_trailing_hash: bool,
    /// Shortest number accepted, characters (source: `checkminnumlen`).
    pub length_min: u8,
    /// Longest number accepted, characters, at most [`NUMBER_MAX`] (source: `checkmaxnumlen`).
    pub length_max: u8,
}

impl Default for Normalisation {
    fn default() -> Self {
        Normalisation {
            international: vec!["+".into(), "00".into()],
            incoming: PrefixEdit::default(),
            strip_trailing_hash: true,
            length_min: 1,
            length_max: NUMBER_MAX as u8,
        }
    }
}

impl Normalisation {
    /// The canonical form of a number as received: the user part of a URI, unescaped.
    ///
    /// Parameters behind `;` and visual separators are dropped. Anything else that is not a digit,
    /// `*`, `#` or a leading international prefix refuses the number: guessing which of somebody's
    /// characters were meant would route and bill another number than the one dialled.
    ///
    /// # Errors
    /// [`BadNumber`] says why it is none.
    pub fn normalise(&self, received: &str) -> Result<Digits, BadNumber> {
        self.normalise_at(received, None)
    }

    /// The same for somebody who dials numbers of his own country as one does there.
    ///
    /// # Errors
    /// [`BadNumber`] says why it is none.
    pub fn normalise_at(&self, received: &str, home: Option<Home>) -> Result<Digits, BadNumber> {
        let number = received.split(';').next().unwrap_or_default();
        let plain: Cow<'_, str> = match number.bytes().any(is_separator) {
            true => number.chars().filter(|c| !is_blank(*c)).collect::<String>().into(),
            false => number.into(),
        };
        let mut text = plain.as_ref();
        if self.strip_trailing_hash && text.len() > 1 {
            text = text.strip_suffix('#').unwrap_or(text);
        }
        let national;
        if let Some(rest) = self.international.iter().find_map(|p| text.strip_prefix(p.as_str())) {
            text = rest;
        } else if let Some(home) = home {
            national = home.national(text);
            text = &national;
        }
        let digits = Digits::parse(&self.incoming.edited(text))?;
        self.check_length(digits)
    }

    fn check_length(&self, digits: Digits) -> Result<Digits, BadNumber> {
        if digits.is_empty() {
            Err(BadNumber::Empty)
        } else if digits.len < self.length_min {
            Err(BadNumber::TooShort)
        } else if digits.len > self.length_max {
            Err(BadNumber::TooLong)
        } else {
            Ok(digits)
        }
    }
}

/// How numbers of a country are dialled inside of it (spec NUM-NORM-04).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Home {
    /// Country code, without `+`.
    pub country: Digits,
    /// What is dialled in front of a number of the country, and is no part of it; `None` = nothing.
    pub prefix: Option<Digits>,
    /// Shorter numbers are none of the country: short numbers, services.
    pub digits_min: u8,
}

impl Home {
    /// A number that is not dialled as one of another country.
    fn national<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let is_long = text.len() >= usize::from(self.digits_min);
        if !is_long || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.into();
        }
        let own = match &self.prefix {
            Some(prefix) => text.strip_prefix(prefix.as_str()).filter(|rest| !rest.is_empty()),
            None => Some(text),
        };
        own.map_or(text.into(), |own| format!("{}{own}", self.country).into())
    }
}

fn is_blank(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_separator)
}

/// One edit of the front of a number (spec NUM-PX-01), on the way in or on the way out.
///
/// First one of [`remove`](Self::remove) is taken off a number whose length is in range; then, if
/// all conditions hold for what is left, [`remove_then`](Self::remove_then) is taken off where it
/// stands and [`add`](Self::add) is put in front. The default changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrefixEdit {
    /// Prefixes to take off; the first that fits is taken, one at most.
    pub remove: Vec<String>,
    /// Shortest number that `remove` touches, characters.
    pub remove_length_min: u8,
    /// Longest number that `remove` touches, characters.
    pub remove_length_max: u8,
    /// Condition for the rest: at least so long, characters.
    pub add_length_min: u8,
    /// Condition for the rest: shorter than this, characters.
    pub add_length_below: u8,
    /// Condition for the rest: begins with one of these; empty = any.
    pub if_begins: Vec<String>,
    /// Condition for the rest: begins with none of these.
    pub if_not_begins: Vec<String>,
    /// Taken off under the conditions, where it stands.
    pub remove_then: String,
    /// Put in front under the conditions.
    pub add: String,
}

impl Default for PrefixEdit {
    fn default() -> Self {
        PrefixEdit {
            remove: Vec::new(),
            remove_length_min: 0,
            remove_length_max: u8::MAX,
            add_length_min: 0,
            add_length_below: u8::MAX,
            if_begins: Vec::new(),
            if_not_begins: Vec::new(),
            remove_then: String::new(),
            add: String::new(),
        }
    }
}

impl PrefixEdit {
    /// The edited number.
    #[must_use]
    pub fn apply(&self, number: &str) -> String {
        self.edited(number).into_owned()
    }

    /// The same, and of the number itself where nothing is put in front.
    fn edited<'n>(&self, number: &'n str) -> Cow<'n, str> {
        let rest = self.removed(number);
        if !self.adds_to(rest) {
            return rest.into();
        }
        let rest = rest.strip_prefix(self.remove_then.as_str()).unwrap_or(rest);
        match self.add.is_empty() {
            true => rest.into(),
            false => [self.add.as_str(), rest].concat().into(),
        }
    }

    fn removed<'a>(&self, number: &'a str) -> &'a str {
        let range = usize::from(self.remove_length_min)..=usize::from(self.remove_length_max);
        if !range.contains(&number.len()) {
            return number;
        }
        self.remove.iter().find_map(|prefix| number.strip_prefix(prefix.as_str())).unwrap_or(number)
    }

    fn adds_to(&self, rest: &str) -> bool {
        let begins = |list: &[String]| list.iter().any(|p| rest.starts_with(p.as_str()));
        rest.len() >= usize::from(self.add_length_min)
            && rest.len() < usize::from(self.add_length_below)
            && (self.if_begins.is_empty() || begins(&self.if_begins))
            && !begins(&self.if_not_begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|w| (*w).to_owned()).collect()
    }

    /// The source's own test vector (spec NUM-TEST).
    #[test]
    fn source_test_vector() {
        let ingress = Normalisation {
            international: words(&["00", "+"]),
            incoming: PrefixEdit {
                if_begins: words(&["07"]),
                add: "4".into(),
                ..PrefixEdit::default()
            },
            ..Normalisation::default()
        };
        let egress =
            PrefixEdit { if_not_begins: words(&["00"]), add: "00".into(), ..PrefixEdit::default() };
        for received in ["+40721234567", "0040721234567", "40721234567", "0721234567"] {
            let number = ingress.normalise(received).unwrap();
            assert_eq!(number.as_str(), "40721234567", "{received}");
            assert_eq!(egress.apply(number.as_str()), "0040721234567", "{received}");
        }
    }

    fn check(received: &str, expect: Result<&str, BadNumber>) {
        let settings = Normalisation { length_min: 2, length_max: 15, ..Normalisation::default() };
        let got = settings.normalise(received);
        assert_eq!(got.as_ref().map(Digits::as_str).map_err(|e| *e), expect, "{received:?}");
    }

    #[test]
    fn received_numbers() {
        check("1002", Ok("1002"));
        check("+44 (20) 7946-0018", Ok("442079460018"));
        check("0044.20.7946.0018", Ok("442079460018"));
        check("+442079460018;phone-context=example.com", Ok("442079460018"));
        check("*43", Ok("*43"));
        check("*43#", Ok("*43"));
        check("1002#", Ok("1002"));
        check("#", Err(BadNumber::TooShort));
        check("", Err(BadNumber::Empty));
        check("+", Err(BadNumber::Empty));
        check("7", Err(BadNumber::TooShort));
        check("1234567890123456", Err(BadNumber::TooLong));
        check("123456789012345678901234567890123", Err(BadNumber::TooLong));
        check("alice", Err(BadNumber::Character));
        check("44'; DROP TABLE", Err(BadNumber::Character));
        check("++44", Err(BadNumber::Character));
        check("44+20", Err(BadNumber::Character));
        check("\u{661}\u{662}\u{663}", Err(BadNumber::Character));
    }

    #[test]
    fn numbers_are_dialled_as_one_does_at_home() {
        let digits = |text: &str| Digits::parse(text).unwrap();
        let with = |country: &str, prefix: &str, received: &str| {
            let prefix = (!prefix.is_empty()).then(|| digits(prefix));
            let home = Home { country: digits(country), prefix, digits_min: 7 };
            let number = Normalisation::default().normalise_at(received, Some(home)).unwrap();
            number.to_string()
        };
        for (country, prefix, received, expect) in [
            ("49", "0", "030 1234567", "49301234567"),
            ("49", "0", "+44 20 7946 0018", "442079460018"),
            ("49", "0", "0044 20 7946 0018", "442079460018"),
            ("49", "0", "49301234567", "49301234567"),
            ("49", "0", "0115", "0115"),
            ("49", "0", "1001", "1001"),
            ("36", "06", "06 1 234 5678", "3612345678"),
            ("36", "06", "061234", "061234"),
            ("45", "", "33 12 34 56", "4533123456"),
            ("45", "", "112", "112"),
            ("45", "", "*43#1234", "*43#1234"),
        ] {
            assert_eq!(with(country, prefix, received), expect, "{country} {prefix} {received}");
        }
        // The tenant's own edit comes after.
        let edit = PrefixEdit { if_begins: words(&["0"]), add: "44".into(), ..Default::default() };
        let tenant = Normalisation { incoming: edit, ..Normalisation::default() };
        let home = Home { country: digits("49"), prefix: Some(digits("0")), digits_min: 7 };
        let at = |home| tenant.normalise_at("0301234567", home).unwrap().to_string();
        assert_eq!((at(Some(home)), at(None)), ("49301234567".into(), "440301234567".into()));
    }

    #[test]
    fn edits_in_order() {
        let edit = PrefixEdit {
            remove: words(&["9", "8"]),
            remove_length_min: 4,
            remove_length_max: 6,
            add_length_min: 3,
            add_length_below: 6,
            if_begins: words(&["0"]),
            if_not_begins: words(&["00"]),
            remove_then: "0".into(),
            add: "49".into(),
        };
        for (from, to) in [
            ("90123", "49123"),     // 9 off, then 0 off, 49 on
            ("9012345", "9012345"), // too long to lose the 9, so it does not begin with 0
            ("9012", "4912"),
            ("912", "912"),       // too short to lose the 9
            ("01", "01"),         // too short to change
            ("80012", "0012"),    // begins with 00
            ("98012", "8012"),    // one prefix is taken, not two
            ("012345", "012345"), // not below 6
        ] {
            assert_eq!(edit.apply(from), to, "{from}");
        }
        assert_eq!(PrefixEdit::default().apply("0012"), "0012");
    }

    #[test]
    fn digits_order_as_texts() {
        let mut numbers: Vec<Digits> =
            ["44", "4", "", "441", "5", "45", "*", "#1"].map(|t| Digits::parse(t).unwrap()).into();
        numbers.sort();
        let texts: Vec<&str> = numbers.iter().map(Digits::as_str).collect();
        assert_eq!(texts, ["", "#1", "*", "4", "44", "441", "45", "5"]);
        assert!(Digits::parse("442").unwrap().has_prefix(&Digits::parse("44").unwrap()));
        assert!(!Digits::parse("4").unwrap().has_prefix(&Digits::parse("44").unwrap()));
        assert!(Digits::parse("4").unwrap().has_prefix(&Digits::EMPTY));
    }
}
