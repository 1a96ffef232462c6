//! Billing increments: the first seconds and the further ones.

use crate::limits::INTERVAL_S_MAX;
use crate::table::{Cell, Kind};

/// Why a cell has no increments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadInterval {
    /// Neither `60/1` nor `60`.
    #[error("is no increment such as 60/1")]
    Characters,
    /// `1. Jan`: a spreadsheet took 1/1 for a date.
    #[error("was made a date by a spreadsheet: format the column as text")]
    Date,
    /// 0, or more than an hour.
    #[error("is not of 1 to {INTERVAL_S_MAX} seconds")]
    Range,
    /// `30/60`: charged time would be 30, 90, 150: a minimum and a step cannot say that.
    #[error("has a first part that is not made of whole further ones")]
    Parts,
}

/// Minimum and step, seconds. One number is both.
pub(crate) fn increments(cell: Cell<'_>) -> Result<(u32, u32), BadInterval> {
    if cell.kind == Kind::Text && looks_like_date(cell.text) {
        return Err(BadInterval::Date);
    }
    let parts = cell.text.split(['/', '+', ':', '-', '\\', ',']);
    let seconds: Result<Vec<u32>, _> = parts.take(3).map(|part| seconds(part, cell.kind)).collect();
    match seconds?.as_slice() {
        [both] => pair(*both, *both),
        [first, further] => pair(*first, *further),
        _ => Err(BadInterval::Characters),
    }
}

/// One number of seconds.
pub(crate) fn seconds_of(cell: Cell<'_>) -> Result<u32, BadInterval> {
    match seconds(cell.text, cell.kind)? {
        0 => Err(BadInterval::Range),
        seconds => Ok(seconds),
    }
}

/// A minimum that is made of whole steps; minimum 0 is the step.
pub(crate) fn pair(minimum_s: u32, step_s: u32) -> Result<(u32, u32), BadInterval> {
    if step_s == 0 {
        return Err(BadInterval::Range);
    }
    if minimum_s > step_s && !minimum_s.is_multiple_of(step_s) || (1..step_s).contains(&minimum_s) {
        return Err(BadInterval::Parts);
    }
    Ok((minimum_s, step_s))
}

fn seconds(text: &str, kind: Kind) -> Result<u32, BadInterval> {
    let text = text.trim().to_ascii_lowercase();
    let units = ["seconds", "second", "secs", "sec", "sek", "seg", "s", "\""];
    let text = units.iter().find_map(|unit| text.strip_suffix(unit)).unwrap_or(&text).trim_end();
    let text = match kind {
        Kind::Number => text.strip_suffix(".0").unwrap_or(text),
        Kind::Text => text,
    };
    if text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Err(BadInterval::Characters);
    }
    let seconds = text.parse().map_err(|_| BadInterval::Range)?;
    // A number of some ten thousand is the day that a spreadsheet made of 1/1.
    match (seconds, kind) {
        (30_000.., Kind::Number) => Err(BadInterval::Date),
        (0..=INTERVAL_S_MAX, _) => Ok(seconds),
        (_, _) => Err(BadInterval::Range),
    }
}

fn looks_like_date(text: &str) -> bool {
    text.contains(|char: char| char.is_ascii_digit()) && super::date::has_month(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increments_as_they_are_written() {
        let of = |text| increments(Cell { text, kind: Kind::Text });
        for (text, wanted) in [
            ("1/1", (1, 1)),
            ("60/1", (60, 1)),
            ("60/60", (60, 60)),
            ("60", (60, 60)),
            ("30+6", (30, 6)),
            ("60s / 1s", (60, 1)),
            ("0/1", (0, 1)),
        ] {
            assert_eq!(of(text), Ok(wanted), "{text}");
        }
        use BadInterval::*;
        for (text, wanted) in [
            ("1. Jan", Date),
            ("01-Jan", Date),
            ("30/60", Parts),
            ("60/7", Parts),
            ("60/0", Range),
            ("7200", Range),
            ("99999999999", Range),
            ("60/1/1", Characters),
            ("", Characters),
            ("per minute", Characters),
        ] {
            assert_eq!(of(text), Err(wanted), "{text}");
        }
        let book = |text| increments(Cell { text, kind: Kind::Number });
        assert_eq!(book("60.0"), Ok((60, 60)));
        assert_eq!(book("45658"), Err(Date));
    }
}
