//! Date (RFC 3261 20.17): `Sat, 13 Nov 2010 23:29:00 GMT`, and GMT only.

use crate::lex::{self, Class, Cursor};

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const DAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// A date and time of GMT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// Four digits.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60 (leap second).
    pub second: u8,
}

impl Date {
    /// All of `value`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Date> {
        let mut cursor = Cursor::new(value);
        let weekday = cursor.skip_lws().until(b',')?;
        DAYS.iter().find(|day| weekday.eq_ignore_ascii_case(**day))?;
        let day = digits(&mut cursor, 2, 31)?;
        let name = cursor.skip_lws().token()?;
        let month = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(*month))? + 1;
        let year = digits(&mut cursor, 4, 9999)?;
        let hour = digits(&mut cursor, 2, 23)?;
        cursor.eat(b':').then_some(())?;
        let minute = digits(&mut cursor, 2, 59)?;
        cursor.eat(b':').then_some(())?;
        let second = digits(&mut cursor, 2, 60)?;
        let zone = lex::trim(cursor.rest());
        let date = Date {
            year,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
            hour: u8::try_from(hour).ok()?,
            minute: u8::try_from(minute).ok()?,
            second: u8::try_from(second).ok()?,
        };
        (zone.eq_ignore_ascii_case(b"GMT") && day > 0).then_some(date)
    }
}

fn digits(cursor: &mut Cursor<'_>, len: usize, max: u64) -> Option<u16> {
    let digits = cursor.skip_lws().take(Class::DIGIT);
    if digits.len() != len {
        return None;
    }
    u16::try_from(lex::number(digits, max)?).ok()
}
