//! Dates as SIP writes them (RFC 3261 20.17).

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Days of 400 years of the calendar.
const ERA: i64 = 146_097;

/// A time in GMT; microseconds since 1970.
pub(super) fn http_date(wall_us: i64) -> String {
    let seconds = wall_us.div_euclid(1_000_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], at: i64| {
        usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
    };
    // Each registration has one, and the machinery of formats is what it would cost most by.
    let mut date = String::with_capacity(DATE_LEN);
    date.push_str(name(&DAYS, days.rem_euclid(7)));
    date.push_str(", ");
    two_digits(&mut date, day);
    date.push(' ');
    date.push_str(name(&MONTHS, month - 1));
    date.push(' ');
    two_digits(&mut date, year / 100);
    two_digits(&mut date, year % 100);
    for (separator, part) in [(' ', of_day / 3_600), (':', of_day / 60 % 60), (':', of_day % 60)] {
        date.push(separator);
        two_digits(&mut date, part);
    }
    date.push_str(" GMT");
    date
}

/// Bytes of a date.
const DATE_LEN: usize = 29;

fn two_digits(out: &mut String, number: i64) {
    for digit in [number / 10 % 10, number % 10] {
        // One digit; a year before the common era is nobody's.
        out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// Year, month and day of a day since 1970, by years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, expect) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_289_692_740, "Sat, 13 Nov 2010 23:59:00 GMT"),
            (4_102_444_800, "Fri, 01 Jan 2100 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(seconds * 1_000_000), expect);
        }
    }
}
