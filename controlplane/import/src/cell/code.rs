//! Codes: prefixes of called numbers, as suppliers write them.

use crate::limits::{CELL_CODES_MAX, CODE_LEN_MAX};
use crate::table::{Cell, Kind};
use strowger_model::Digits;

/// Why a cell has no codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadCode {
    /// Nothing there.
    #[error("is missing")]
    Missing,
    /// Letters and the like.
    #[error("is no code")]
    Characters,
    /// `4.9151E+11`: digits are lost.
    #[error("was cut by a spreadsheet, its digits are lost: format the column as text")]
    Scientific,
    /// `49151.0`: a number of a spreadsheet, or digits parted by a point; which is not known.
    #[error("has a fraction: format the column as text")]
    Fraction,
    /// A country's code does not begin with 0.
    #[error("begins with 0, as no country's code does")]
    Zero,
    /// More digits than a number has.
    #[error("has more than {CODE_LEN_MAX} digits")]
    TooLong,
    /// The end is before the beginning, or of another length.
    #[error("is no range: its end is before its beginning, or longer")]
    Range,
    /// Too many codes.
    #[error("is of more than {CELL_CODES_MAX} codes")]
    TooMany,
}

/// The codes of a cell; behind a country's code where `country` is one. Lists and ranges are
/// expanded: a range is every code from its beginning to its end, all of one length.
pub(crate) fn codes(country: Option<Digits>, cell: Cell<'_>) -> Result<Vec<Digits>, BadCode> {
    let mut codes = Vec::new();
    match (country, cell.text) {
        (None, "") => return Err(BadCode::Missing),
        // A country of its own: its whole numbers.
        (Some(country), "") => return Ok(vec![country]),
        (None | Some(_), _) => {}
    }
    let text = whole(cell)?;
    for part in text.split([',', ';', '/', '|', '\n']) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        if codes.len() >= CELL_CODES_MAX {
            return Err(BadCode::TooMany);
        }
        expand(country, part, &mut codes)?;
    }
    if codes.is_empty() { Err(BadCode::Missing) } else { Ok(codes) }
}

/// One code, as of a country.
pub(crate) fn code(cell: Cell<'_>) -> Result<Digits, BadCode> {
    let digits = bare(&whole(cell)?, true)?;
    Digits::parse(&digits).map_err(|_| BadCode::TooLong)
}

/// The digits of a number of a workbook in full; of a text what stands there, unless a spreadsheet
/// has cut it.
fn whole(cell: Cell<'_>) -> Result<String, BadCode> {
    let text = cell.text;
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, ""));
    let (units, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match cell.kind {
        Kind::Text => {
            let (units, fraction) = number.split_once(['.', ',']).unwrap_or((number, ""));
            let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let is_number = !units.is_empty() && digits(units) && digits(fraction);
            if is_number && !power.is_empty() && digits(power) {
                return Err(BadCode::Scientific);
            }
            if is_number && text.contains('.') {
                return Err(BadCode::Fraction);
            }
            Ok(text.to_owned())
        }
        Kind::Number => {
            if !digits(units) || !digits(fraction) || units.is_empty() {
                return Err(BadCode::Characters);
            }
            let power = match exponent {
                "" => 0,
                exponent => exponent.parse::<usize>().map_err(|_| BadCode::Fraction)?,
            };
            let fraction = fraction.trim_end_matches('0');
            if power > CODE_LEN_MAX {
                return Err(BadCode::TooLong);
            }
            let zeros = power.checked_sub(fraction.len()).ok_or(BadCode::Fraction)?;
            Ok(format!("{units}{fraction}{}", "0".repeat(zeros)))
        }
    }
}

/// The digits of a code. Of a whole one without what is dialled before a country's code.
fn bare(text: &str, is_whole: bool) -> Result<String, BadCode> {
    let text = text.trim();
    let plus = text.strip_prefix('+').filter(|_| is_whole);
    let filler = |char: char| matches!(char, ' ' | '\u{a0}' | '\u{202f}' | '(' | ')' | '.');
    let digits: String = plus.unwrap_or(text).chars().filter(|char| !filler(*char)).collect();
    if digits.is_empty() || digits.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Err(BadCode::Characters);
    }
    let digits = match (is_whole, plus) {
        (true, None) => {
            let inner = digits.strip_prefix("00").or_else(|| digits.strip_prefix("011"));
            inner.unwrap_or(&digits).to_owned()
        }
        (true, Some(_)) | (false, _) => digits,
    };
    match (digits.len(), is_whole && digits.starts_with('0')) {
        (0, _) => Err(BadCode::Characters),
        (_, true) => Err(BadCode::Zero),
        (len, _) if len > CODE_LEN_MAX => Err(BadCode::TooLong),
        _ => Ok(digits),
    }
}

/// A code, or a range of them: `4915-4917`, `49151-3`, `49151 – 49153`.
fn expand(country: Option<Digits>, part: &str, codes: &mut Vec<Digits>) -> Result<(), BadCode> {
    let country = country.as_ref().map_or("", Digits::as_str);
    let is_whole = country.is_empty();
    let mut push = |digits: &str| {
        let code = format!("{country}{digits}");
        if code.len() > CODE_LEN_MAX {
            return Err(BadCode::TooLong);
        }
        codes.push(Digits::parse(&code).map_err(|_| BadCode::Characters)?);
        if codes.len() > CELL_CODES_MAX { Err(BadCode::TooMany) } else { Ok(()) }
    };
    let Some((from, to)) = part.split_once(['-', '–', '—']) else {
        return push(&bare(part, is_whole)?);
    };
    let from = bare(from, is_whole)?;
    let to = to.trim();
    // A short end is the end of the digits of the beginning.
    let told: String = to.chars().filter(char::is_ascii_digit).collect();
    let to = match from.len().checked_sub(told.len()) {
        Some(kept @ 1..) if !told.is_empty() => {
            let tail = bare(to, false)?;
            format!("{}{tail}", from.get(..kept).unwrap_or_default())
        }
        Some(_) | None => bare(to, is_whole)?,
    };
    if to.len() != from.len() || to < from {
        return Err(BadCode::Range);
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| BadCode::TooLong);
    for code in number(&from)?..=number(&to)? {
        push(&format!("{code:0width$}", width = from.len()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(country: &str, text: &str, kind: Kind) -> Result<Vec<String>, BadCode> {
        let country = Digits::parse(country).ok().filter(|country| !country.is_empty());
        let codes = codes(country, Cell { text, kind })?;
        Ok(codes.iter().map(|code| code.as_str().to_owned()).collect())
    }

    #[track_caller]
    fn check(text: &str, wanted: &[&str]) {
        assert_eq!(of("", text, Kind::Text).unwrap(), wanted, "{text}");
    }

    #[test]
    fn codes_as_they_are_written() {
        check("49151", &["49151"]);
        check("49151,49152", &["49151", "49152"]);
        check("49151; 49152 / 49153\n49154", &["49151", "49152", "49153", "49154"]);
        check("4915-4917", &["4915", "4916", "4917"]);
        check("4915 – 4916,43", &["4915", "4916", "43"]);
        check("49151-3", &["49151", "49152", "49153"]);
        check("4998-5002", &["4998", "4999", "5000", "5001", "5002"]);
        check("44 7911", &["447911"]);
        check("44 (7911)", &["447911"]);
        check("+1", &["1"]);
        check("0044", &["44"]);
        check("01144-01146", &["44", "45", "46"]);
        check("1.242.555", &["1242555"]);
    }

    #[test]
    fn codes_that_are_none() {
        use BadCode::*;
        for (text, wanted) in [
            ("", Missing),
            (" , ", Missing),
            ("Germany", Characters),
            ("4.9151E+11", Scientific),
            ("4,9151E+11", Scientific),
            ("49E3", Scientific),
            ("49151.0", Fraction),
            ("1.242", Fraction),
            ("0151", Zero),
            ("00", Characters),
            ("44-7911", Range),
            ("4917-4915", Range),
            ("1234567890123456", TooLong),
            ("1000000-9999999", TooMany),
            ("49151-", Characters),
        ] {
            assert_eq!(of("", text, Kind::Text), Err(wanted), "{text:?}");
        }
    }

    #[test]
    fn numbers_of_workbooks_are_whole_or_refused() {
        let of = |text| of("", text, Kind::Number);
        assert_eq!(of("49151").unwrap(), ["49151"]);
        assert_eq!(of("4.9151E11").unwrap(), ["491510000000"]);
        assert_eq!(of("49151.0").unwrap(), ["49151"]);
        assert_eq!(of("4915.5"), Err(BadCode::Fraction));
        assert_eq!(of("4.9E-1"), Err(BadCode::Fraction));
        assert_eq!(of("1E99999"), Err(BadCode::TooLong));
        assert_eq!(of("-49"), Err(BadCode::Characters));
    }

    #[test]
    fn area_codes_stand_behind_their_country() {
        assert_eq!(of("39", "06,081", Kind::Text).unwrap(), ["3906", "39081"]);
        assert_eq!(of("49", "151-152", Kind::Text).unwrap(), ["49151", "49152"]);
        assert_eq!(of("49", "", Kind::Text).unwrap(), ["49"]);
        assert_eq!(of("7", "008-011", Kind::Text).unwrap(), ["7008", "7009", "7010", "7011"]);
        assert_eq!(of("49", "+151", Kind::Text), Err(BadCode::Characters));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_range_is_every_code_between_and_no_other(from in 1_000u32..9_000, more in 0u32..900) {
            let to = from + more;
            let codes = of("", &format!("{from}-{to}"), Kind::Text).unwrap();
            let wanted: Vec<_> = (from..=to).map(|code| code.to_string()).collect();
            prop_assert_eq!(codes, wanted);
        }
    }
}
