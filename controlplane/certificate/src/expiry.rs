//! From when until when a certificate is valid: RFC 5280 4.1.2.5, read from its DER.

use std::time::{Duration, SystemTime};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Both ends; None = this is no certificate.
pub(crate) fn validity(der: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut fields, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        (_, _, fields) = element(fields)?;
    }
    // Serial number, signature, issuer.
    for _ in 0..3 {
        (_, _, fields) = element(fields)?;
    }
    let (_, both, _) = element(fields).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (tag, from, rest) = element(both)?;
    let from = time(tag, from)?;
    let (tag, until, _) = element(rest)?;
    Some((from, time(tag, until)?))
}

/// Tag, content and what comes behind.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 3))?;
            (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ`, of 1950 to 2049, or with four digits of the year.
fn time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let mut digits = text.strip_suffix(b"Z")?.chunks(2).map(|two| {
        let number = str::from_utf8(two).ok().filter(|two| two.len() == 2)?;
        number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse::<u64>().ok())?
    });
    let mut next = || digits.next().flatten();
    let year = match (tag, next()?) {
        (GENERALIZED_TIME, century) => century * 100 + next()?,
        (UTC_TIME, year @ 50..) => 1_900 + year,
        (UTC_TIME, year) => 2_000 + year,
        _ => return None,
    };
    let (month, day) = (next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    let sound = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    if !sound || second > 60 || next().is_some() || year < 1_970 {
        return None;
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, whose year begins with March here, so
/// that the odd day is its last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap = year / 4 - year / 100 + year / 400;
    let before = 719_468;
    year * 365 + leap + (153 * month + 2) / 5 + day - 1 - before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tag: u8, text: &str, expect: Option<u64>) {
        let seconds = time(tag, text.as_bytes())
            .map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(seconds, expect, "{text}");
    }

    #[test]
    fn times_are_read_as_the_standard_writes_them() {
        check(UTC_TIME, "700101000000Z", Some(0));
        check(UTC_TIME, "000229235959Z", Some(951_868_799));
        check(UTC_TIME, "491231235959Z", Some(2_524_607_999));
        check(GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000));
        check(GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799));
        check(GENERALIZED_TIME, "20240301000000Z", Some(1_709_251_200));
        for wrong in ["", "Z", "700101000000", "7001010000Z", "701301000000Z", "70010100000xZ"] {
            check(UTC_TIME, wrong, None);
        }
        check(UTC_TIME, "500101000000Z", None);
        check(0x04, "700101000000Z", None);
    }

    #[test]
    fn validity_is_that_of_the_certificate_and_nothing_panics() {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2051, 3, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(validity(&der), Some((at(1_709_164_800), at(2_561_241_600))));
        for len in 0..der.len() {
            assert_eq!(validity(&der[..len]), None, "{len}");
        }
        for place in 0..200.min(der.len()) {
            for byte in [0, 0x30, 0x7f, 0x83, 0xff] {
                let mut changed = der.clone();
                changed[place] = byte;
                validity(&changed);
            }
        }
    }
}
