//! Days and times, as suppliers write them.

use super::decimal::number;
use crate::table::{Cell, Kind};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// What stands first where a date is written with numbers only and the year last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateOrder {
    /// 31/01/2026
    Day,
    /// 01/31/2026
    Month,
}

/// Why a cell has no date.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadDate {
    /// No form that is known.
    #[error("is no date")]
    Characters,
    /// 31 February.
    #[error("is no day of the calendar")]
    Calendar,
    /// 03/05/2026 without anything that says which is the month.
    #[error("may be two days: say whether days or months come first")]
    Ambiguous,
}

/// Months by how their names begin, in the languages of heads.
const MONTHS: [&[&str]; 12] = [
    &["jan", "ene", "gen", "янв"],
    &["feb", "fev", "фев"],
    &["mar", "маp", "мар"],
    &["apr", "avr", "abr", "апр"],
    &["may", "mai", "mag", "май", "мая"],
    &["jun", "juin", "giu", "июн"],
    &["jul", "juil", "lug", "июл"],
    &["aug", "aou", "ago", "авг"],
    &["sep", "set", "сен"],
    &["oct", "okt", "ott", "out", "окт"],
    &["nov", "ноя"],
    &["dec", "dez", "dic", "дек"],
];
/// Days that workbooks count, from 1900-03-01 (before it they count a day that was not) to 9999.
const SERIAL: std::ops::RangeInclusive<i64> = 61..=2_958_465;
const SERIAL_DIGITS: u8 = 9;
const DAY_S: i64 = 86_400;

fn month(word: &str) -> Option<i8> {
    let word = super::word::words(word);
    let is_word = word.chars().count() >= 3 && word.chars().all(char::is_alphabetic);
    let names = |names: &[&str]| names.iter().any(|name| word.starts_with(name));
    let place = MONTHS.iter().position(|list| names(list)).filter(|_| is_word)?;
    i8::try_from(place.saturating_add(1)).ok()
}

/// Whether one of the words is a month.
pub(crate) fn has_month(text: &str) -> bool {
    text.split(|char: char| !char.is_alphabetic()).any(|word| month(word).is_some())
}

/// A day, and the time of day where one is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moment {
    at: DateTime,
    has_time: bool,
    /// A time that names its own distance from UTC.
    exact_us: Option<i64>,
}

impl Moment {
    /// Its beginning, microseconds since 1970.
    pub(crate) fn begin_us(self, zone: &TimeZone) -> Result<i64, BadDate> {
        if let Some(exact_us) = self.exact_us {
            return Ok(exact_us);
        }
        let stamp = zone.to_timestamp(self.at).map_err(|_| BadDate::Calendar)?;
        Ok(stamp.as_microsecond())
    }

    /// The end of the day; of a time the time itself.
    pub(crate) fn end_us(self, zone: &TimeZone) -> Result<i64, BadDate> {
        if self.has_time {
            return self.begin_us(zone);
        }
        let next = self.at.date().tomorrow().map_err(|_| BadDate::Calendar)?;
        let at = next.at(0, 0, 0, 0);
        Moment { at, ..self }.begin_us(zone)
    }
}

/// The order of which a text alone is proof.
pub(crate) fn evidence(text: &str) -> Option<DateOrder> {
    let [first, second, year] = numbers(text.split_whitespace().next()?)?;
    match (first.parse::<u8>(), second.parse::<u8>(), year.len()) {
        (Ok(13..=31), Ok(1..=12), 2 | 4) => Some(DateOrder::Day),
        (Ok(1..=12), Ok(13..=31), 2 | 4) => Some(DateOrder::Month),
        _ => None,
    }
}

fn numbers(text: &str) -> Option<[&str; 3]> {
    let mut parts = text.split(['/', '-', '.']);
    let numbers = [parts.next()?, parts.next()?, parts.next()?];
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.next().is_none() && numbers.iter().all(digits)).then_some(numbers)
}

/// The moment of a cell.
pub(crate) fn moment(
    cell: Cell<'_>,
    order: Option<DateOrder>,
    is_1904: bool,
) -> Result<Moment, BadDate> {
    if cell.kind == Kind::Number && !is_compact(cell.text) {
        return serial(cell, is_1904);
    }
    if let Ok(stamp) = cell.text.parse::<jiff::Timestamp>() {
        let at = TimeZone::UTC.to_datetime(stamp);
        let exact_us = Some(stamp.as_microsecond());
        return Ok(Moment { at, has_time: true, exact_us });
    }
    let (day, time) = parts(cell.text)?;
    let date = date(day, order)?;
    match time {
        None => Ok(Moment { at: date.at(0, 0, 0, 0), has_time: false, exact_us: None }),
        Some(time) => {
            let (at, has_time) = (clock(date, time)?, true);
            Ok(Moment { at, has_time, exact_us: None })
        }
    }
}

/// `20260131`
fn is_compact(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The day, and the time of day behind it.
fn parts(text: &str) -> Result<(&str, Option<&str>), BadDate> {
    // The time begins with the word that has a colon; before it there may be a T.
    let Some(colon) = text.find(':') else { return Ok((text, None)) };
    let before = text.get(..colon).unwrap_or_default();
    let space = before.rfind([' ', 'T']).ok_or(BadDate::Characters)?;
    let day = before.get(..space).unwrap_or_default();
    let time = text.get(space.saturating_add(1)..).unwrap_or_default();
    Ok((day.trim().trim_end_matches(','), Some(time)))
}

/// `14:30`, `14:30:00`, `2:30 PM`, `00:00:00.000`
fn clock(date: Date, text: &str) -> Result<DateTime, BadDate> {
    let lower = text.trim().to_ascii_lowercase();
    let (text, afternoon) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(text), _) => (text.trim(), Some(false)),
        (None, Some(text)) => (text.trim(), Some(true)),
        (None, None) => (lower.as_str(), None),
    };
    let text = text.split_once('.').map_or(text, |(text, _)| text);
    let small = |text: &str| text.parse::<i8>().map_err(|_| BadDate::Characters);
    let mut parts = text.split(':');
    let hour = small(parts.next().unwrap_or_default())?;
    let minute = small(parts.next().unwrap_or_default())?;
    let second = parts.next().map_or(Ok(0), small)?;
    let hour = match (afternoon, hour) {
        (None, hour) => hour,
        (Some(pm), 12) => {
            if pm {
                12
            } else {
                0
            }
        }
        (Some(pm), 1..=11) => {
            if pm {
                hour.saturating_add(12)
            } else {
                hour
            }
        }
        (Some(_), _) => return Err(BadDate::Characters),
    };
    if parts.next().is_some() {
        return Err(BadDate::Characters);
    }
    let time = jiff::civil::Time::new(hour, minute, second, 0).map_err(|_| BadDate::Calendar)?;
    Ok(date.to_datetime(time))
}

fn date(text: &str, order: Option<DateOrder>) -> Result<Date, BadDate> {
    if is_compact(text) {
        let cut = |from, to| text.get(from..to).unwrap_or_default();
        return day(cut(0, 4), number_of(cut(4, 6))?, cut(6, 8));
    }
    if let Some([a, b, c]) = numbers(text) {
        if a.len() == 4 {
            return day(a, number_of(b)?, c);
        }
        // A point is written where days come first, and nowhere else.
        let told = if text.contains('.') { Some(DateOrder::Day) } else { None };
        let order = told.or(order).or_else(|| evidence(text));
        return match order {
            Some(DateOrder::Day) => day(c, number_of(b)?, a),
            Some(DateOrder::Month) => day(c, number_of(a)?, b),
            None if a == b => day(c, number_of(b)?, a),
            None => Err(BadDate::Ambiguous),
        };
    }
    let apart = |char: char| char.is_whitespace() || matches!(char, '-' | '/' | ',' | '.');
    let mut words: Vec<&str> = text.split(apart).filter(|word| !word.is_empty()).take(6).collect();
    // Spanish and Portuguese say "31 de enero de 2026".
    words.retain(|word| !matches!(*word, "de" | "of" | "the"));
    match words.as_slice() {
        [a, b, c] => match (month(a), month(b)) {
            (Some(name), None) => day(c, name, ordinal(b)),
            (None, Some(name)) if a.len() == 4 => day(a, name, c),
            (None, Some(name)) => day(c, name, ordinal(a)),
            (None, None) | (Some(_), Some(_)) => Err(BadDate::Characters),
        },
        _ => Err(BadDate::Characters),
    }
}

fn ordinal(text: &str) -> &str {
    text.trim_end_matches(|char: char| char.is_ascii_alphabetic())
}

fn number_of(text: &str) -> Result<i8, BadDate> {
    text.parse().map_err(|_| BadDate::Characters)
}

/// A day of the calendar; a year of two digits is of this century.
fn day(year: &str, month: i8, day: &str) -> Result<Date, BadDate> {
    let digits = year.bytes().all(|byte| byte.is_ascii_digit());
    let base = match year.len() {
        2 if digits => 2_000,
        4 if digits => 0,
        _ => return Err(BadDate::Characters),
    };
    let year = year.parse::<i16>().map_err(|_| BadDate::Characters)?;
    let year = year.saturating_add(base);
    Date::new(year, month, number_of(day)?).map_err(|_| BadDate::Calendar)
}

/// The day that a workbook counts, from 1899-12-30 or 1904-01-01.
fn serial(cell: Cell<'_>, is_1904: bool) -> Result<Moment, BadDate> {
    let number = number(cell, None, "").map_err(|_| BadDate::Characters)?;
    let (units, _) = number.units(SERIAL_DIGITS).map_err(|_| BadDate::Characters)?;
    let unit = 10i64.pow(u32::from(SERIAL_DIGITS));
    let (days, rest) = (units / unit, units % unit);
    // Tenths of a second are the noise of fractions of days.
    let seconds = rest.saturating_mul(DAY_S).saturating_add(unit / 2) / unit;
    if !SERIAL.contains(&days) {
        return Err(BadDate::Characters);
    }
    let first = if is_1904 { Date::new(1904, 1, 1) } else { Date::new(1899, 12, 30) };
    let first = first.map_err(|_| BadDate::Calendar)?;
    let span = jiff::Span::new().try_days(days).and_then(|span| span.try_seconds(seconds));
    let at = span.and_then(|span| first.at(0, 0, 0, 0).checked_add(span));
    let at = at.map_err(|_| BadDate::Calendar)?;
    Ok(Moment { at, has_time: seconds > 0, exact_us: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, kind: Kind, order: Option<DateOrder>) -> Result<String, BadDate> {
        let moment = moment(Cell { text, kind }, order, false)?;
        let us = moment.begin_us(&TimeZone::UTC)?;
        Ok(jiff::Timestamp::from_microsecond(us).unwrap().to_string())
    }

    #[test]
    fn dates_as_they_are_written() {
        for text in [
            "2026-01-31",
            "2026/01/31",
            "2026.01.31",
            "20260131",
            "31.01.2026",
            "31.1.26",
            "31/01/2026",
            "01/31/2026",
            "31-01-2026",
            "31-Jan-2026",
            "31-Jan-26",
            "31 January 2026",
            "January 31, 2026",
            "Jan 31st, 2026",
            "31. Januar 2026",
            "31 de enero de 2026",
            "31 janv. 2026",
            "31 янв 2026",
            "2026-Jan-31",
            "2026-01-31 00:00:00",
            "2026-01-31T00:00:00.000",
            "31/01/2026 12:00 AM",
            "2026-01-31T01:00:00+01:00",
        ] {
            assert_eq!(
                told(text, Kind::Text, None).as_deref(),
                Ok("2026-01-31T00:00:00Z"),
                "{text}"
            );
        }
        let at = |text| told(text, Kind::Text, None).unwrap();
        assert_eq!(at("31.12.2026 23:59"), "2026-12-31T23:59:00Z");
        assert_eq!(at("31-Dec-2026 1:05:09 PM"), "2026-12-31T13:05:09Z");
    }

    #[test]
    fn an_order_is_told_or_proved_and_never_guessed() {
        let of = |text, order| told(text, Kind::Text, order);
        assert_eq!(of("03/05/2026", None), Err(BadDate::Ambiguous));
        assert_eq!(of("03/05/2026", Some(DateOrder::Day)).unwrap(), "2026-05-03T00:00:00Z");
        assert_eq!(of("03/05/2026", Some(DateOrder::Month)).unwrap(), "2026-03-05T00:00:00Z");
        assert_eq!(of("31/01/2026", Some(DateOrder::Month)), Err(BadDate::Calendar));
        assert_eq!(of("05/05/2026", None).unwrap(), "2026-05-05T00:00:00Z");
        assert_eq!(evidence("13/02/2026"), Some(DateOrder::Day));
        assert_eq!(evidence("02/13/2026"), Some(DateOrder::Month));
        assert_eq!(evidence("2026-02-13"), None);
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in ["30.02.2026", "2026-13-01", "31.12.2026 25:00"] {
            assert_eq!(told(text, Kind::Text, None), Err(BadDate::Calendar), "{text}");
        }
        for text in ["", "soon", "45658", "1.2", "31.12.202", "12:00", "1 2 3", "a b c d e f g"] {
            assert_eq!(told(text, Kind::Text, None), Err(BadDate::Characters), "{text}");
        }
    }

    #[test]
    fn days_of_workbooks_are_counted() {
        let of = |text| told(text, Kind::Number, None);
        assert_eq!(of("46053").unwrap(), "2026-01-31T00:00:00Z");
        assert_eq!(of("46053.5").unwrap(), "2026-01-31T12:00:00Z");
        assert_eq!(of("20260131").unwrap(), "2026-01-31T00:00:00Z");
        assert_eq!(of("60"), Err(BadDate::Characters));
        assert_eq!(of("1e30"), Err(BadDate::Characters));
        let mac = moment(Cell { text: "44591", kind: Kind::Number }, None, true).unwrap();
        assert_eq!(mac.at, Date::new(2026, 1, 31).unwrap().at(0, 0, 0, 0));
    }

    #[test]
    fn a_day_ends_with_its_last_second_where_it_is() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let day = moment(Cell { text: "2026-01-31", kind: Kind::Text }, None, false).unwrap();
        let at = |us| jiff::Timestamp::from_microsecond(us).unwrap().to_string();
        assert_eq!(at(day.begin_us(&zone).unwrap()), "2026-01-30T22:00:00Z");
        assert_eq!(at(day.end_us(&zone).unwrap()), "2026-01-31T22:00:00Z");
    }
}
