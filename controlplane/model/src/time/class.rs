//! Classes of times.

use super::{DAY_MIN, Place};
use core::fmt;
use core::str::FromStr;

/// Minutes of a week.
const WEEK_MIN: u16 = 7 * DAY_MIN;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When a price counts (spec BILL-TIME-01, whose class 0, disabled, is a price that is not there).
///
/// Of the prices of one prefix whose class counts at a moment, the one of the highest
/// [`TimeClass::rank`] is taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum TimeClass {
    /// Always (source: 10).
    #[default]
    All,
    /// When no other price of the prefix counts (11).
    Rest,
    /// Monday to Friday, and days that are said to be working days (4).
    Weekday,
    /// Saturday and Sunday (5).
    Weekend,
    /// Whatever is not peak time, and all of the weekend (6).
    OffPeakOrWeekend,
    /// Peak hours: of weekdays, and of weekends where that is set (2).
    Peak,
    /// Whatever is not peak time (3).
    OffPeak,
    /// From the beginning of the evening to that of the night (7).
    Evening,
    /// From the beginning of the night to that of peak hours (8).
    Night,
    /// Holidays (9).
    Holiday,
    /// A stretch of the day or the week (1, start-end).
    Within(Window),
}

/// A stretch of every day, or of the week.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Window {
    /// Of every day; otherwise of the week.
    daily: bool,
    /// First minute, after midnight or Monday's midnight.
    from_min: u16,
    /// The minute behind the last; not behind the first = over midnight, or over Sunday night.
    until_min: u16,
}

/// A text that stands for no class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadClass;

/// All that are words.
const WORDS: [(&str, TimeClass); 10] = [
    ("all", TimeClass::All),
    ("rest", TimeClass::Rest),
    ("weekday", TimeClass::Weekday),
    ("weekend", TimeClass::Weekend),
    ("off-peak-or-weekend", TimeClass::OffPeakOrWeekend),
    ("peak", TimeClass::Peak),
    ("off-peak", TimeClass::OffPeak),
    ("evening", TimeClass::Evening),
    ("night", TimeClass::Night),
    ("holiday", TimeClass::Holiday),
];

impl TimeClass {
    /// A regular expression of the texts of classes.
    pub const PATTERN: &'static str = "^(all|rest|weekday|weekend|off-peak-or-weekend|peak|\
        off-peak|evening|night|holiday|(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)-\
        (([01][0-9]|2[0-3]):[0-5][0-9]|24:00)|\
        (mon|tue|wed|thu|fri|sat|sun) (([01][0-9]|2[0-3]):[0-5][0-9]|24:00)-\
        (mon|tue|wed|thu|fri|sat|sun) (([01][0-9]|2[0-3]):[0-5][0-9]|24:00))$";

    /// What goes before what: the narrower the higher. [`TimeClass::Rest`] is the lowest.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            TimeClass::Rest => 0,
            TimeClass::All => 1,
            TimeClass::Weekday | TimeClass::OffPeakOrWeekend => 2,
            TimeClass::Weekend => 3,
            TimeClass::Peak | TimeClass::OffPeak => 4,
            TimeClass::Evening | TimeClass::Night => 5,
            TimeClass::Holiday => 6,
            TimeClass::Within(_) => 7,
        }
    }

    /// Whether it counts at a moment.
    #[must_use]
    pub const fn counts(self, at: &Place) -> bool {
        let Place { day, minute, parts } = at;
        let is_peak = parts.peak_from_min <= *minute
            && *minute < parts.peak_until_min
            && (!day.is_weekend || parts.weekend_is_peak);
        match self {
            TimeClass::All | TimeClass::Rest => true,
            TimeClass::Weekday => !day.is_weekend,
            TimeClass::Weekend => day.is_weekend,
            TimeClass::OffPeakOrWeekend => !is_peak || day.is_weekend,
            TimeClass::Peak => is_peak,
            TimeClass::OffPeak => !is_peak,
            TimeClass::Evening => {
                let (from, until) = (parts.evening_from_min, parts.night_from_min);
                from != until && is_in(*minute, from, until)
            }
            TimeClass::Night => {
                let (from, until) = (parts.night_from_min, parts.peak_from_min);
                from != until && is_in(*minute, from, until)
            }
            TimeClass::Holiday => day.is_holiday,
            TimeClass::Within(window) => {
                let now = if window.daily { *minute } else { day.weekday * DAY_MIN + *minute };
                is_in(now, window.from_min, window.until_min)
            }
        }
    }

    /// The minutes of the day at which a stretch begins and ends; none of a class that has a word.
    #[must_use]
    pub fn edges(self) -> Option<[u16; 2]> {
        if let TimeClass::Within(window) = self {
            Some([window.from_min, window.until_min].map(|minute| minute % DAY_MIN))
        } else {
            None
        }
    }
}

/// Whether a minute lies in a stretch that may go over the end of the day or week; one that ends
/// where it begins is all of it.
const fn is_in(minute: u16, from: u16, until: u16) -> bool {
    if from < until { from <= minute && minute < until } else { from <= minute || minute < until }
}

impl fmt::Display for TimeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let TimeClass::Within(window) = self {
            return window.fmt(f);
        }
        let word = WORDS.iter().find(|(_, class)| class == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { daily, from_min, until_min } = *self;
        for (dash, minute) in [("", from_min), ("-", until_min)] {
            let (day, minute) = (minute / DAY_MIN, minute % DAY_MIN);
            f.write_str(dash)?;
            if !daily {
                let day = DAYS.get(usize::from(day) % DAYS.len()).copied().unwrap_or_default();
                write!(f, "{day} ")?;
            }
            write!(f, "{:02}:{:02}", minute / 60, minute % 60)?;
        }
        Ok(())
    }
}

impl FromStr for TimeClass {
    type Err = BadClass;

    /// A word, or a stretch like `08:00-18:00` (of every day) or `fri 18:00-mon 06:00` (of the
    /// week). `24:00` is midnight at the end of a day.
    fn from_str(text: &str) -> Result<TimeClass, BadClass> {
        if let Some((_, class)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*class);
        }
        let (from, until) = text.split_once('-').ok_or(BadClass)?;
        let ((from_day, from), (until_day, until)) = (moment(from)?, moment(until)?);
        let window = match (from_day, until_day) {
            (None, None) => {
                Window { daily: true, from_min: from % DAY_MIN, until_min: until % DAY_MIN }
            }
            (Some(first), Some(last)) => Window {
                daily: false,
                from_min: (first * DAY_MIN + from) % WEEK_MIN,
                until_min: (last * DAY_MIN + until) % WEEK_MIN,
            },
            (Some(_), None) | (None, Some(_)) => return Err(BadClass),
        };
        Ok(TimeClass::Within(window))
    }
}

/// Day of the week, if one is named, and minutes after midnight.
fn moment(text: &str) -> Result<(Option<u16>, u16), BadClass> {
    let (day, time) = match text.split_once(' ') {
        Some((name, time)) => {
            let day = (0u16..).zip(DAYS).find(|(_, known)| *known == name);
            (Some(day.ok_or(BadClass)?.0), time)
        }
        None => (None, text),
    };
    let (hour, minute) = time.split_once(':').ok_or(BadClass)?;
    let two = |text: &str, most: u16| -> Result<u16, BadClass> {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| plain && *number <= most).ok_or(BadClass)
    };
    let minutes: u16 = two(hour, 24)? * 60 + two(minute, 59)?;
    if minutes <= DAY_MIN { Ok((day, minutes)) } else { Err(BadClass) }
}

/// All classes that are words.
#[cfg(test)]
pub(super) fn every() -> Vec<TimeClass> {
    WORDS.map(|(_, class)| class).to_vec()
}
