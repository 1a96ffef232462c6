//! Times of the day and the week as prices and routes know them: the clock of a time zone, days,
//! holidays, and classes of times (spec BILL-TIME-01, BILL-HOL-01).
//!
//! Plain integers: a [`Zone`] is a list of offsets, made by whoever has the time zone database.
//! From it, from a tenant's [`DayParts`] and its [`Holidays`] a [`Clock`] tells which classes count
//! at a moment, and when that may change next. A day that a clock change makes longer or shorter
//! is one of 25 or 23 hours; what is left out of it is passed over, what comes twice counts twice.

mod class;

pub use class::{BadClass, TimeClass, Window};

use crate::{Digits, HolidayId, TenantId};
use std::collections::BTreeMap;

/// Microseconds of a minute.
pub const MINUTE_US: i64 = 60_000_000;
/// Minutes of a day.
pub const DAY_MIN: u16 = 1_440;
/// Most days that one row of holidays spans.
pub const HOLIDAY_DAYS_MAX: i32 = 366;

const DAY_US: i64 = DAY_MIN as i64 * MINUTE_US;

/// How far the clocks of a time zone are from UTC, and from when on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Zone {
    first_s: i32,
    // Moment and offset from then on, in order of time.
    changes: Vec<(i64, i32)>,
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone { first_s: 0, changes: Vec::new() };

    /// A zone that is `first_s` seconds ahead of UTC, and from each moment on (microseconds since
    /// 1970 UTC) as far as stands beside it. `None` when the moments are not in order.
    #[must_use]
    pub fn new(first_s: i32, changes: Vec<(i64, i32)>) -> Option<Zone> {
        let is_rising = changes.is_sorted_by(|(a, _), (b, _)| a < b);
        is_rising.then_some(Zone { first_s, changes })
    }

    /// Seconds ahead of UTC at a moment.
    #[must_use]
    pub fn offset_s(&self, at_us: i64) -> i32 {
        let before = self.changes.partition_point(|(from_us, _)| *from_us <= at_us);
        let last = before.checked_sub(1).and_then(|at| self.changes.get(at));
        last.map_or(self.first_s, |(_, offset_s)| *offset_s)
    }

    /// What its clocks show, microseconds since their 1970.
    #[must_use]
    pub fn local_us(&self, at_us: i64) -> i64 {
        at_us.saturating_add(i64::from(self.offset_s(at_us)).saturating_mul(1_000_000))
    }

    /// The next moment after this at which its clocks are changed.
    fn next_change_us(&self, at_us: i64) -> Option<i64> {
        let next = self.changes.partition_point(|(from_us, _)| *from_us <= at_us);
        self.changes.get(next).map(|(from_us, _)| *from_us)
    }
}

/// Days that are holidays, or are none (spec BILL-HOL-01).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holiday {
    /// Identity.
    pub id: HolidayId,
    /// Tenant; its time zone says when a day begins.
    pub tenant: TenantId,
    /// Shown name.
    pub name: String,
    /// First day, counted from 1 January 1970.
    pub from_day: i32,
    /// Last day.
    pub until_day: i32,
    /// A working day, even at a weekend, instead of a holiday.
    pub working: bool,
    /// Called numbers that it is for; empty = all.
    pub prefixes: Vec<Digits>,
}

/// The holidays of one tenant, by day.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Holidays {
    days: BTreeMap<i32, Vec<Mark>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Mark {
    working: bool,
    prefixes: Vec<Digits>,
}

impl Holidays {
    /// There are none.
    pub const NONE: Holidays = Holidays { days: BTreeMap::new() };

    /// Of these rows; of one that spans more than [`HOLIDAY_DAYS_MAX`] days the first ones.
    #[must_use]
    pub fn of(rows: &[Holiday]) -> Holidays {
        let mut days: BTreeMap<i32, Vec<Mark>> = BTreeMap::new();
        for row in rows {
            let last = row.from_day.saturating_add(HOLIDAY_DAYS_MAX - 1).min(row.until_day);
            for day in row.from_day..=last {
                let mark = Mark { working: row.working, prefixes: row.prefixes.clone() };
                days.entry(day).or_default().push(mark);
            }
        }
        Holidays { days }
    }

    /// Whether calls to `number` have a holiday that day: `Some(false)` is a working day by name.
    /// Of several rows the one with the longest prefix counts, of two of one length the working
    /// day.
    fn mark(&self, day: i32, number: &Digits) -> Option<bool> {
        let length = |mark: &Mark| match mark.prefixes.is_empty() {
            true => Some(0),
            false => mark.prefixes.iter().filter(|p| number.has_prefix(p)).map(|p| p.len()).max(),
        };
        let marks = self.days.get(&day)?.iter();
        let fitting = marks.filter_map(|mark| Some((length(mark)?, mark.working)));
        fitting.max().map(|(_, working)| !working)
    }
}

/// Where the parts of a day begin, minutes after midnight (source: `peaktimebegin`, `peaktimeend`,
/// `eveningbegin`, `nightbegin`, `weekendispeak`, `autoholiday`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DayParts {
    /// Peak hours begin.
    pub peak_from_min: u16,
    /// Peak hours end; not behind the beginning = there are none.
    pub peak_until_min: u16,
    /// Evening begins; it ends where the night does.
    pub evening_from_min: u16,
    /// Night begins; it ends where peak hours begin.
    pub night_from_min: u16,
    /// Saturdays and Sundays have peak hours too.
    pub weekend_is_peak: bool,
    /// A holiday is as a Sunday; otherwise it counts for prices of holidays alone.
    pub holiday_is_weekend: bool,
}

/// What is known of a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Day {
    /// 0 = Monday.
    weekday: u16,
    is_weekend: bool,
    is_holiday: bool,
}

/// A moment as classes see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    day: Day,
    /// Minutes since midnight.
    minute: u16,
    parts: DayParts,
}

/// The clock by which one call is priced.
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a> {
    /// The tenant's time zone.
    pub zone: &'a Zone,
    /// Its parts of the day.
    pub parts: DayParts,
    /// Its holidays.
    pub holidays: &'a Holidays,
    /// The called number, in canonical form.
    pub number: &'a Digits,
}

impl Clock<'_> {
    /// What counts at a moment.
    #[must_use]
    pub fn place(&self, at_us: i64) -> Place {
        let local_us = self.zone.local_us(at_us);
        let day = i32::try_from(local_us.div_euclid(DAY_US)).unwrap_or(i32::MAX);
        let minute = local_us.rem_euclid(DAY_US) / MINUTE_US;
        // 1 January 1970 was a Thursday.
        let weekday = u16::try_from((i64::from(day) + 3).rem_euclid(7)).unwrap_or_default();
        let mark = self.holidays.mark(day, self.number);
        let is_holiday = mark == Some(true);
        let is_weekend = match mark {
            Some(false) => false,
            Some(true) if self.parts.holiday_is_weekend => true,
            Some(true) | None => weekday >= 5,
        };
        Place {
            day: Day { weekday, is_weekend, is_holiday },
            minute: u16::try_from(minute).unwrap_or_default(),
            parts: self.parts,
        }
    }

    /// The day of the week (0 = Monday) and the minutes after midnight, where the tenant is.
    #[must_use]
    pub fn weekday_and_minute(&self, at_us: i64) -> (u16, u16) {
        let place = self.place(at_us);
        (place.day.weekday, place.minute)
    }

    /// The first moment after this at which another class may count: a part of the day or one of
    /// `edges` (minutes after midnight) begins, the day ends, or the clocks are changed.
    #[must_use]
    pub fn next_us(&self, at_us: i64, edges: &[u16]) -> i64 {
        let local_us = self.zone.local_us(at_us);
        let offset_us = local_us.saturating_sub(at_us);
        let midnight_us = local_us.div_euclid(DAY_US).saturating_mul(DAY_US);
        let parts = &self.parts;
        let own = [
            parts.peak_from_min,
            parts.peak_until_min,
            parts.evening_from_min,
            parts.night_from_min,
            DAY_MIN,
        ];
        let edge_us = |minute: &u16| midnight_us.saturating_add(i64::from(*minute) * MINUTE_US);
        let ahead = own.iter().chain(edges).map(edge_us).filter(|edge_us| *edge_us > local_us);
        let next_us = ahead.min().unwrap_or(i64::MAX).saturating_sub(offset_us);
        self.zone.next_change_us(at_us).map_or(next_us, |change_us| next_us.min(change_us))
    }
}

/// The day of a date of the Gregorian calendar, counted from 1 January 1970; `None` when there is
/// no such date in the years 1 to 9999.
#[must_use]
pub fn day_of(year: i32, month: u8, day: u8) -> Option<i32> {
    let (days, wanted) = (days_before(year, month)?, i32::from(day));
    // The first of the year behind the last is there to measure December.
    if year > 9_999 {
        return None;
    }
    let (year_after, month_after) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let length = days_before(year_after, month_after)? - days;
    (1..=length).contains(&wanted).then(|| days + wanted - 1)
}

/// Days from 1 January 1970 to the first of a month.
fn days_before(year: i32, month: u8) -> Option<i32> {
    if !(1..=10_000).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // Years that begin in March have their leap day at their end.
    let shifted = i32::from(month) + 9;
    let (year, month) = (year - 1 + shifted / 12, shifted % 12);
    let leaps = year / 4 - year / 100 + year / 400;
    Some(year * 365 + leaps + (month * 153 + 2) / 5 - 719_468)
}

/// Year, month and day of a day that is counted from 1 January 1970; `None` outside of the years 1
/// to 9999.
#[must_use]
pub fn date_of(days: i32) -> Option<(i32, u8, u8)> {
    let first = days_before(1, 1)?;
    let mut year = days.checked_sub(first)?.checked_div(366)?.checked_add(1)?;
    // The estimate is early by less than one day for each year: 21 years at most.
    while days_before(year.checked_add(1)?, 1)? <= days {
        year += 1;
    }
    let month =
        (1..=12).rev().find(|month| days_before(year, *month).is_some_and(|d| d <= days))?;
    let day = u8::try_from(days - days_before(year, month)? + 1).ok()?;
    (days >= first && year <= 9_999).then_some((year, month, day))
}

#[cfg(test)]
mod tests;
