//! Money: integers at a fixed scale, never floats (ADR 0005; design of control, 10).
//!
//! - [`Amount`]: ledger money, i64 at `10^-(minor digits + 6)` of the currency (EUR: 1e-8).
//! - [`Price`]: per minute, i64 at 1e-9 of the currency.
//! - Products run in i128; rounding happens once, in `billing`.

/// Decimal digits of the ledger scale beyond a currency's minor digits.
pub const LEDGER_EXTRA_DIGITS: u8 = 6;
/// Decimal digits of a [`Price`].
pub const PRICE_DIGITS: u8 = 9;

/// A currency: ISO 4217 code and its minor digits (EUR 2, JPY 0, KWD 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency {
    code: [u8; 3],
    minor_digits: u8,
}

impl Currency {
    /// The euro, for rows that have no currency yet.
    pub const EUR: Currency = Currency { code: *b"EUR", minor_digits: 2 };

    /// Three capital letters and 0 to 4 minor digits.
    #[must_use]
    pub fn new(code: &str, minor_digits: u8) -> Option<Currency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        (bytes.iter().all(u8::is_ascii_uppercase) && minor_digits <= 4)
            .then_some(Currency { code: bytes, minor_digits })
    }

    /// ISO code.
    #[must_use]
    pub fn code(&self) -> &str {
        core::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// Digits after the point of its smallest coin.
    #[must_use]
    pub const fn minor_digits(&self) -> u8 {
        self.minor_digits
    }

    /// Digits after the point of an [`Amount`].
    #[must_use]
    pub const fn ledger_digits(&self) -> u8 {
        self.minor_digits + LEDGER_EXTRA_DIGITS
    }
}

impl core::fmt::Debug for Currency {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.code())
    }
}

/// Ledger money at its currency's scale. Which currency stands beside it, never in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Amount(pub i64);

/// A price per minute, 1e-9 of the currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Price(pub i64);

/// A decimal text is none, has too many digits, or does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadDecimal;

/// Parses `[-]digits[.digits]` exactly to an integer at `digits` decimal places.
///
/// # Errors
/// [`BadDecimal`] for other characters, more decimals than `digits`, or overflow.
pub fn parse_decimal(text: &str, digits: u8) -> Result<i64, BadDecimal> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty()
        || (body.contains('.') && fraction.is_empty())
        || !all_digits(whole)
        || !all_digits(fraction)
        || fraction.len() > usize::from(digits)
    {
        return Err(BadDecimal);
    }
    let padding = usize::from(digits) - fraction.len();
    let mut value: i64 = 0;
    for digit in whole.bytes().chain(fraction.bytes()).chain(core::iter::repeat_n(b'0', padding)) {
        let digit = i64::from(digit - b'0');
        let next = value.checked_mul(10).ok_or(BadDecimal)?;
        value = if negative { next.checked_sub(digit) } else { next.checked_add(digit) }
            .ok_or(BadDecimal)?;
    }
    Ok(value)
}

/// Prints an integer at `digits` decimal places, with all of them.
#[must_use]
pub fn print_decimal(value: i64, digits: u8) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let text = value.unsigned_abs().to_string();
    let width = usize::from(digits) + 1;
    let text = format!("{text:0>width$}");
    let (whole, fraction) = text.split_at(text.len() - usize::from(digits));
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

impl Amount {
    /// Zero.
    pub const ZERO: Amount = Amount(0);

    /// Parses a decimal amount of `currency`.
    ///
    /// # Errors
    /// [`BadDecimal`] as [`parse_decimal`].
    pub fn parse(text: &str, currency: Currency) -> Result<Amount, BadDecimal> {
        parse_decimal(text, currency.ledger_digits()).map(Amount)
    }

    /// Prints with all digits of the ledger scale.
    #[must_use]
    pub fn print(self, currency: Currency) -> String {
        print_decimal(self.0, currency.ledger_digits())
    }

    /// Sum, or `None` beyond i64.
    #[must_use]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount)
    }

    /// Difference, or `None` beyond i64.
    #[must_use]
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (text, digits, value) in [
            ("0", 8, 0),
            ("10", 8, 1_000_000_000),
            ("0.00045", 9, 450_000),
            ("-1.5", 2, -150),
            ("92233720368.54775807", 8, i64::MAX),
            ("-92233720368.54775808", 8, i64::MIN),
        ] {
            assert_eq!(parse_decimal(text, digits), Ok(value), "{text}");
        }
        for text in ["", "-", ".5", "5.", "1,5", "1.234", "+1", "1e3", "99999999999999999999", " 1"]
        {
            assert_eq!(parse_decimal(text, 2), Err(BadDecimal), "{text}");
        }
    }

    #[test]
    fn print_then_parse_is_identity() {
        for digits in [0, 2, 6, 9] {
            for value in [0, 1, -1, 99, 100, -12345, i64::MAX, i64::MIN] {
                assert_eq!(parse_decimal(&print_decimal(value, digits), digits), Ok(value));
            }
        }
    }

    #[test]
    fn scales_follow_the_currency() {
        for (code, minor, ledger) in [("EUR", 2, 8), ("JPY", 0, 6), ("KWD", 3, 9)] {
            assert_eq!(Currency::new(code, minor).unwrap().ledger_digits(), ledger);
        }
        assert_eq!(Currency::new("eur", 2), None);
        assert_eq!(Currency::new("EURO", 2), None);
    }
}
