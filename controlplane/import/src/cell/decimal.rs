//! Decimal numbers without binary fractions.

use crate::table::{Cell, Kind};
use serde::{Deserialize, Serialize};

/// What stands between units and fractions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecimalMark {
    /// `0.01`
    Point,
    /// `0,01`
    Comma,
}

/// Why a text is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadNumber {
    /// Letters, two signs and the like.
    #[error("is no number")]
    Characters,
    /// Below zero.
    #[error("is below zero")]
    Negative,
    /// Beyond what a price may be.
    #[error("is too large")]
    TooLarge,
    /// `1,234` where nothing says whether it is one or a thousand.
    #[error("may be of units or of thousands: say what stands before fractions")]
    Ambiguous,
    /// The other mark than in the rest of the column.
    #[error("has another mark before fractions than the rest of the column")]
    Mark,
    /// Another currency than the tariff's.
    #[error("is of another currency than the tariff")]
    Currency,
}

/// Most digits that count; more are zeros or nobody's price.
const DIGITS_MAX: usize = 30;
/// Digits that a number of a workbook has: what follows is the noise of binary fractions.
const BOOK_DIGITS: usize = 15;
const EXPONENT_MAX: i32 = 40;

/// A number at or above zero: `mantissa` / 10^`scale`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Decimal {
    mantissa: u128,
    scale: i32,
}

impl Decimal {
    /// In units of 10^-`digits`, halves rounded up; whether something was rounded.
    pub(crate) fn units(self, digits: u8) -> Result<(i64, bool), BadNumber> {
        if self.mantissa == 0 {
            return Ok((0, false));
        }
        let shift = i32::from(digits).saturating_sub(self.scale);
        let power = |shift: i32| {
            let shift = shift.unsigned_abs();
            10u128.checked_pow(shift)
        };
        let (units, rounded) = if shift >= 0 {
            let units = power(shift).and_then(|power| self.mantissa.checked_mul(power));
            (units.ok_or(BadNumber::TooLarge)?, false)
        } else {
            match power(shift) {
                Some(power) => {
                    let (whole, rest) = (self.mantissa / power, self.mantissa % power);
                    let up = u128::from(rest >= power - rest && rest > 0);
                    (whole.saturating_add(up), rest > 0)
                }
                None => (0, true),
            }
        };
        Ok((i64::try_from(units).map_err(|_| BadNumber::TooLarge)?, rounded))
    }

    /// The same divided by 10^`places`.
    pub(crate) fn divided(self, places: u8) -> Decimal {
        Decimal { scale: self.scale.saturating_add(i32::from(places)), ..self }
    }
}

/// The number of a cell, without currency signs; `currency` = the code that may stand beside it.
pub(crate) fn number(
    cell: Cell<'_>,
    mark: Option<DecimalMark>,
    currency: &str,
) -> Result<Decimal, BadNumber> {
    match cell.kind {
        Kind::Number => plain(cell.text, Some(BOOK_DIGITS)),
        Kind::Text => {
            let text = bare(cell.text, currency)?;
            if text.starts_with(['-', '−']) {
                return Err(BadNumber::Negative);
            }
            plain(&pointed(text.strip_prefix('+').unwrap_or(text), mark)?, None)
        }
    }
}

/// The text without a currency's sign or code at either end.
fn bare<'a>(text: &'a str, currency: &str) -> Result<&'a str, BadNumber> {
    let signs = [('€', Some("EUR")), ('£', Some("GBP")), ('₽', Some("RUB")), ('$', None)];
    for (sign, code) in signs {
        let inner = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign));
        if let Some(inner) = inner {
            let same = code.is_none_or(|code| code == currency);
            return if same { Ok(inner.trim()) } else { Err(BadNumber::Currency) };
        }
    }
    let inner = text.trim_matches(|char: char| char.is_ascii_alphabetic());
    if inner.len() == text.len() || inner.is_empty() {
        return Ok(text);
    }
    let word = text.replacen(inner, "", 1);
    let is_code = word.len() == 3 && !inner.contains(|char: char| char.is_ascii_alphabetic());
    match (is_code, word.eq_ignore_ascii_case(currency)) {
        (true, true) => Ok(inner.trim()),
        (true, false) => Err(BadNumber::Currency),
        (false, _) => Ok(text),
    }
}

/// The text with a point before fractions and nothing between thousands.
fn pointed(text: &str, mark: Option<DecimalMark>) -> Result<String, BadNumber> {
    let group = |char: char| matches!(char, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’');
    let points = text.matches('.').count();
    let commas = text.matches(',').count();
    let mark = match (mark, evidence(text)) {
        (Some(told), Some(seen)) if told != seen => return Err(BadNumber::Mark),
        (Some(mark), _) | (None, Some(mark)) => mark,
        (None, None) if points.max(commas) == 1 => return Err(BadNumber::Ambiguous),
        (None, None) => DecimalMark::Point,
    };
    let (mark, other) = match mark {
        DecimalMark::Point => ('.', ','),
        DecimalMark::Comma => (',', '.'),
    };
    let (whole, fraction) = text.split_once(mark).unwrap_or((text, ""));
    let grouped = |char: char| char == other || group(char);
    let mut groups = whole.split(grouped);
    let first = groups.next().unwrap_or_default();
    let mut plain = first.to_owned();
    for part in groups {
        if part.len() != 3 || first.is_empty() || first.len() > 3 {
            return Err(BadNumber::Characters);
        }
        plain.push_str(part);
    }
    if !fraction.is_empty() {
        plain.push('.');
        plain.push_str(fraction);
    }
    Ok(plain)
}

/// The mark that a text can only have; `None` where it has none, or may have either.
pub(crate) fn evidence(text: &str) -> Option<DecimalMark> {
    let of = |mark: char| match mark {
        ',' => DecimalMark::Comma,
        _ => DecimalMark::Point,
    };
    let last = text.rfind(['.', ','])?;
    let (whole, fraction) = text.split_at_checked(last)?;
    let mark = fraction.chars().next()?;
    let other = if mark == ',' { '.' } else { ',' };
    if whole.contains(mark) {
        // It stands twice: it groups, and the other one is the mark. Unless both group.
        return (!whole.contains(other)).then(|| of(other));
    }
    if whole.contains(other) {
        return Some(of(mark));
    }
    let digits = fraction.bytes().filter(u8::is_ascii_digit).count();
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    let groups = digits == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
    (!groups).then(|| of(mark))
}

/// Digits, a point, perhaps an exponent. With `keep`, rounded to so many digits.
fn plain(text: &str, keep: Option<usize>) -> Result<Decimal, BadNumber> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse().map_err(|_| BadNumber::Characters)?),
        None => (text, 0i32),
    };
    if number.starts_with('-') {
        return Err(BadNumber::Negative);
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || digits().any(|byte| !byte.is_ascii_digit()) {
        return Err(BadNumber::Characters);
    }
    let zeros = digits().take_while(|byte| *byte == b'0').count();
    let all = digits().skip(zeros).count();
    let kept = all.min(keep.unwrap_or(DIGITS_MAX));
    let mut mantissa = 0u128;
    for byte in digits().skip(zeros).take(kept) {
        mantissa = mantissa.saturating_mul(10).saturating_add(u128::from(byte - b'0'));
    }
    if digits().nth(zeros.saturating_add(kept)).is_some_and(|byte| byte >= b'5') {
        mantissa = mantissa.saturating_add(1);
    }
    let small = |n: usize| i32::try_from(n).map_err(|_| BadNumber::TooLarge);
    let scale = small(fraction.len())?.saturating_sub(small(all.saturating_sub(kept))?);
    let scale = scale.saturating_sub(exponent);
    if mantissa > 0 && scale < -EXPONENT_MAX {
        return Err(BadNumber::TooLarge);
    }
    Ok(Decimal { mantissa, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, mark: Option<DecimalMark>, wanted: Result<(i64, bool), BadNumber>) {
        let cell = Cell { text, kind: Kind::Text };
        let found = number(cell, mark, "EUR").and_then(|number| number.units(4));
        assert_eq!(found, wanted, "{text:?} {mark:?}");
    }

    #[test]
    fn numbers_as_they_are_written() {
        use DecimalMark::{Comma, Point};
        for (text, mark, units) in [
            ("0.0123", None, 123),
            ("0,0123", None, 123),
            (".5", None, 5_000),
            ("12", None, 120_000),
            ("1.234,5", None, 12_345_000),
            ("1,234.5", None, 12_345_000),
            ("1,234,567", None, 12_345_670_000),
            ("1'234.50", None, 12_345_000),
            ("1 234,5", None, 12_345_000),
            ("1,234", Some(Comma), 12_340),
            ("1,234", Some(Point), 12_340_000),
            ("€ 0,01", None, 100),
            ("0.01 EUR", None, 100),
            ("$0.01", None, 100),
            ("+0.01", None, 100),
            ("2.5e-3", None, 25),
        ] {
            check(text, mark, Ok((units, false)));
        }
        check("0e2147483647", None, Ok((0, false)));
        check("1e-2147483647", None, Ok((0, true)));
        check("0.00005", None, Ok((1, true)));
        check("0.00004", None, Ok((0, true)));
    }

    #[test]
    fn what_may_be_two_numbers_is_none() {
        check("1,234", None, Err(BadNumber::Ambiguous));
        check("1.234", None, Err(BadNumber::Ambiguous));
        check("0.05", Some(DecimalMark::Comma), Err(BadNumber::Mark));
        check("-0.05", None, Err(BadNumber::Negative));
        check("0.05 USD", None, Err(BadNumber::Currency));
        check("£0.05", None, Err(BadNumber::Currency));
        check("1 23,4", None, Err(BadNumber::Characters));
        check("abc", None, Err(BadNumber::Characters));
        check("1e39", None, Err(BadNumber::TooLarge));
        check("1e999999999", None, Err(BadNumber::TooLarge));
        check("1e99999999999", None, Err(BadNumber::Characters));
        check("99999999999999999999", None, Err(BadNumber::TooLarge));
    }

    #[test]
    fn numbers_of_workbooks_lose_their_binary_noise() {
        for text in ["1.2500000000000001E-2", "0.012499999999999999", "0.0125"] {
            let cell = Cell { text, kind: Kind::Number };
            let found = number(cell, None, "EUR").unwrap().units(9);
            assert_eq!(found, Ok((12_500_000, false)), "{text}");
        }
    }
}
