//! ENUM (RFC 6116): from a number to the SIP URI that the domain name system has for it.
//!
//! Pure like the rest: [`enum_name`] says which name to ask for its NAPTR records, [`enum_uri`]
//! what they mean. Only `E2U+sip` records that are the end of the search are taken; one that leads
//! on to other records (no flag, RFC 6116 2.4.2) is passed over, so that nobody is led in circles.
//! Expressions are of the extended kind of POSIX, read as those of `regex-automata`, whose time is
//! linear; an alternation takes its first member that fits and not the longest.

use crate::{Naptr, RECORDS_MAX};
use regex_automata::meta::Regex;
use regex_automata::util::{captures::Captures, syntax};

/// Longest expression, bytes: one string of a record (RFC 1035 3.3).
const EXPRESSION_MAX: usize = 255;
/// Size of a compiled expression, bytes.
const COMPILED_MAX: usize = 1 << 20;
/// Parentheses in each other.
const DEPTH_MAX: u32 = 16;
/// Longest URI.
const URI_MAX: usize = 1_024;
/// Longest name of the domain name system, with points.
const NAME_MAX: usize = 253;

/// The name that has the records of a number (RFC 6116 2.4); `None` when it would be too long, or
/// the number has other than digits.
#[must_use]
pub fn enum_name(number: &str, suffix: &str) -> Option<String> {
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut name = String::with_capacity(2 * number.len() + suffix.len());
    for digit in number.chars().rev() {
        name.push(digit);
        name.push('.');
    }
    name.push_str(suffix);
    (name.len() <= NAME_MAX).then_some(name)
}

/// The SIP or SIPS URI that these records have for a number; `None` when none of them has one. Of
/// records that cannot be used the next one counts.
#[must_use]
pub fn enum_uri(number: &str, records: &[Naptr]) -> Option<String> {
    let mut records: Vec<&Naptr> =
        records.iter().take(RECORDS_MAX).filter(|record| is_sip(record)).collect();
    records.sort_by_key(|record| (record.order, record.preference));
    let number = format!("+{number}");
    records.into_iter().find_map(|record| rewritten(&number, &record.regexp))
}

/// `E2U+sip`, among other services or not, at the end of the search.
fn is_sip(record: &Naptr) -> bool {
    let mut services = record.service.split('+');
    let is_enum = services.next().is_some_and(|first| first.eq_ignore_ascii_case("E2U"));
    let is_sip = |service: &str| {
        let kind = service.split(':').next().unwrap_or_default();
        kind.eq_ignore_ascii_case("sip")
    };
    record.flags.eq_ignore_ascii_case("u") && is_enum && services.any(is_sip)
}

/// The number after a record's substitution (RFC 3402 3.2), if that makes a SIP URI of it.
fn rewritten(number: &str, expression: &str) -> Option<String> {
    if expression.len() > EXPRESSION_MAX {
        return None;
    }
    let delimiter = expression.chars().next().filter(|c| is_delimiter(*c))?;
    let mut parts = parts(expression.get(delimiter.len_utf8()..)?, delimiter).into_iter();
    let (pattern, by, flags) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !(flags.is_empty() || flags == "i") {
        return None;
    }
    let pattern = compile(&pattern, flags == "i")?;
    let mut found = pattern.create_captures();
    pattern.captures(number, &mut found);
    let place = found.get_match()?;
    let mut uri = number.get(..place.start())?.to_owned();
    put(&mut uri, &by, number, &found)?;
    uri.push_str(number.get(place.end()..)?);
    let is_uri = uri.len() <= URI_MAX && uri.bytes().all(|byte| byte.is_ascii_graphic());
    let (scheme, _) = uri.split_once(':')?;
    let is_sip = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
    (is_uri && is_sip).then_some(uri)
}

/// What cannot be taken for a part of an expression (RFC 3402 3.2).
const fn is_delimiter(c: char) -> bool {
    c.is_ascii_graphic() && !c.is_ascii_digit() && c != 'i' && c != '\\'
}

/// The parts between delimiters; one behind a backslash is a character like any other.
fn parts(text: &str, delimiter: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == delimiter {
            parts.push(String::new());
            continue;
        }
        let Some(part) = parts.last_mut() else { continue };
        match c {
            '\\' => match rest.next() {
                Some(next) if next == delimiter => part.push(next),
                Some(next) => part.extend(['\\', next]),
                None => part.push('\\'),
            },
            other => part.push(other),
        }
    }
    parts
}

fn compile(pattern: &str, any_case: bool) -> Option<Regex> {
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    let syntax = syntax.case_insensitive(any_case).nest_limit(DEPTH_MAX);
    let config = Regex::config().utf8_empty(false).nfa_size_limit(Some(COMPILED_MAX));
    Regex::builder().syntax(syntax).configure(config).build(pattern).ok()
}

/// Writes a replacement, with what was found where it says `\1` to `\9`.
fn put(uri: &mut String, by: &str, number: &str, found: &Captures) -> Option<()> {
    let mut rest = by.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            uri.push(c);
            continue;
        }
        let next = rest.next()?;
        match next.to_digit(10) {
            Some(0) => return None,
            Some(nth) => {
                let group = found.get_group(usize::try_from(nth).ok()?)?;
                uri.push_str(number.get(group.range())?);
            }
            None => uri.push(next),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(order: u16, preference: u16, flags: &str, service: &str, regexp: &str) -> Naptr {
        let [flags, service, regexp] = [flags, service, regexp].map(str::to_owned);
        Naptr { order, preference, flags, service, regexp, replacement: ".".into() }
    }

    fn check(regexp: &str, expect: Option<&str>) {
        let found = enum_uri("442079460018", &[record(1, 1, "u", "E2U+sip", regexp)]);
        assert_eq!(found.as_deref(), expect, "{regexp}");
    }

    #[test]
    fn names_are_the_digits_backwards() {
        let name = enum_name("442079", "e164.arpa");
        assert_eq!(name.as_deref(), Some("9.7.0.2.4.4.e164.arpa"));
        for (number, suffix) in [("", "e164.arpa"), ("+44", "e164.arpa"), ("4*", "e164.arpa")] {
            assert_eq!(enum_name(number, suffix), None);
        }
        assert_eq!(enum_name("44", &"a".repeat(250)), None);
    }

    #[test]
    fn expressions_make_uris() {
        check("!^.*$!sip:info@example.com!", Some("sip:info@example.com"));
        check(r"!^\+44(.*)$!sip:0\1@pbx.example!", Some("sip:02079460018@pbx.example"));
        check(
            r"/^\+(.*)$/sips:\1@a.example;user=phone/",
            Some("sips:442079460018@a.example;user=phone"),
        );
        check(r"!^\+(44)(20)(.*)$!sip:\3.\2.\1@a!", Some("sip:79460018.20.44@a"));
        check(r"!(^\+44|^\+49)(.*)$!sip:\2@a!i", Some("sip:2079460018@a"));
        check(r"!^.*$!sip:a\!b@a!", Some("sip:a!b@a"));
        for bad in [
            "",
            "!",
            "!!!",
            "!^.*$!sip:a@b",
            "!^.*$!sip:a@b!x",
            "!^.*$!sip:a@b!i!",
            "!^.*$!mailto:a@b!",
            "!^.*$!sip:a b@c!",
            "!^\\+49.*$!sip:a@b!",
            "!^.*$!sip:\\1@b!",
            "!^.*$!sip:\\0@b!",
            "!(!sip:a@b!",
            "1^.*$1sip:a@b1",
            "i^.*$isip:a@bi",
        ] {
            check(bad, None);
        }
        check(&format!("!^.*$!sip:{}@b!", "a".repeat(300)), None);
        check(&format!("!^({}x.*)$!sip:a@b!", "(".repeat(100)), None);
    }

    #[test]
    fn the_first_record_that_can_be_used_counts() {
        let to = |name: &str| format!("!^.*$!sip:a@{name}!");
        let records = [
            record(2, 1, "u", "E2U+sip", &to("second-order")),
            record(1, 9, "U", "e2u+SIP", &to("second-preference")),
            record(1, 2, "u", "E2U+sip", "!broken"),
            record(1, 1, "", "E2U+sip", &to("leads-on")),
            record(1, 1, "u", "E2U+mailto", &to("mail")),
            record(1, 1, "u", "sip+E2U", &to("older-form")),
            record(1, 1, "s", "SIP+D2U", &to("another-use")),
        ];
        assert_eq!(enum_uri("44", &records).as_deref(), Some("sip:a@second-preference"));
        assert_eq!(enum_uri("44", &records[..1]).as_deref(), Some("sip:a@second-order"));
        assert_eq!(enum_uri("44", &records[2..]), None);
        let both = [record(1, 1, "u", "E2U+voice:tel+sip", &to("both"))];
        assert_eq!(enum_uri("44", &both).as_deref(), Some("sip:a@both"));
    }
}
