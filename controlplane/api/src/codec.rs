//! Forms of values in JSON: numbers, texts, ids, words, lists, times, addresses.

use crate::field::{Codec, Shaped, Use, Wrong, nullable};
use crate::shape::Components;
use crate::value::{Spelled, Time, Worded, parse_time};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use strowger_model::{
    AccountId, BanId, CallerRuleId, CauseMap, Currency, DidId, Digits, EgressTarget,
    ExchangeRateId, HolidayId, HostPort, NUMBER_MAX, NumberListId, OrganizationId, PRICE_DIGITS,
    PhonebookEntryId, RadiusServerId, RateId, RingGroupId, RouteId, RuleId, SettingId, SourceMatch,
    SubscriberId, TariffId, TenantId, TimeClass, TrunkId, TrunkLoginId, date_of, day_of,
    parse_decimal, print_decimal,
};

/// Longest host name (RFC 1035 section 2.3.4).
const HOST_MAX: usize = 253;
/// Longest label of a host name.
const LABEL_MAX: usize = 63;

/// `true` or `false`.
pub(crate) struct Flag;

impl Shaped for Flag {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "boolean"})
    }
}

impl Codec<bool> for Flag {
    fn show(&self, value: &bool) -> Value {
        json!(value)
    }

    fn take(&self, json: &Value, _: Option<&bool>) -> Result<bool, Wrong> {
        json.as_bool().ok_or_else(|| Wrong::new("is neither true nor false"))
    }
}

/// A whole number from the first to the last.
pub(crate) struct Int(pub(crate) i64, pub(crate) i64);

/// No limit, or a limit.
pub(crate) const LIMIT: Int = Int(0, u32::MAX as i64);

impl Shaped for Int {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "integer", "minimum": self.0, "maximum": self.1})
    }
}

impl<T: TryFrom<i64> + Copy> Codec<T> for Int
where
    i64: From<T>,
{
    fn show(&self, value: &T) -> Value {
        json!(i64::from(*value))
    }

    fn take(&self, json: &Value, _: Option<&T>) -> Result<T, Wrong> {
        let Int(least, most) = self;
        let value = whole(json).filter(|value| (least..=most).contains(&value));
        let value = value.and_then(|value| T::try_from(value).ok());
        value.ok_or_else(|| Wrong::new(format!("is no whole number from {least} to {most}")))
    }
}

/// A whole number, also written as `1.0`: JSON does not tell them apart.
fn whole(json: &Value) -> Option<i64> {
    let text = match json {
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            return None;
        }
    };
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

/// Whole seconds from the first to the last, in JSON as milliseconds.
pub(crate) struct Seconds(pub(crate) u32, pub(crate) u32);

impl Shaped for Seconds {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        let [least, most] = [self.0, self.1].map(|s| i64::from(s) * 1000);
        json!({"type": "integer", "minimum": least, "maximum": most, "multipleOf": 1000})
    }
}

impl Codec<u32> for Seconds {
    fn show(&self, value: &u32) -> Value {
        json!(i64::from(*value) * 1000)
    }

    fn take(&self, json: &Value, _: Option<&u32>) -> Result<u32, Wrong> {
        let seconds = whole(json).filter(|ms| ms % 1000 == 0).map(|ms| ms / 1000);
        let seconds = seconds.and_then(|s| u32::try_from(s).ok());
        seconds.filter(|s| (self.0..=self.1).contains(s)).ok_or_else(|| {
            let [least, most] = [self.0, self.1].map(|s| i64::from(s) * 1000);
            Wrong::new(format!("is no multiple of 1000 from {least} to {most}, milliseconds"))
        })
    }
}

/// A text of so many characters, none of which is a control character.
pub(crate) struct Text(pub(crate) usize, pub(crate) usize);

/// The pattern of a text without control characters.
pub(crate) const PLAIN: &str = "^[^\\x00-\\x1f\\x7f-\\x9f]*$";
/// The same, and it is not blank.
pub(crate) const SAYING: &str =
    "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$";
/// The pattern of an id: one text for each, so that a list can be held free of doubles by texts.
pub(crate) const ID: &str = "^(0|-?[1-9][0-9]{0,17}|-?[1-8][0-9]{18})$";
/// No id is so far from zero: rows count from 1, and a record's origin would have to be the
/// 8,185,453rd.
const ID_END: u64 = 9_000_000_000_000_000_000;

/// A name.
pub(crate) const NAME: Text = Text(1, 100);

impl Shaped for Text {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({
            "type": "string", "minLength": self.0, "maxLength": self.1, "pattern": PLAIN,
        })
    }
}

impl Codec<String> for Text {
    fn show(&self, value: &String) -> Value {
        json!(value)
    }

    fn take(&self, json: &Value, _: Option<&String>) -> Result<String, Wrong> {
        let Text(least, most) = self;
        let text = text(json)?;
        if !(least..=most).contains(&&text.chars().count()) {
            return Err(Wrong::new(match least {
                0 => format!("has more than {most} characters"),
                _ => format!("does not have {least} to {most} characters"),
            }));
        }
        if text.chars().any(char::is_control) {
            return Err(Wrong::new("has control characters"));
        }
        Ok(text.to_owned())
    }
}

pub(crate) fn text(json: &Value) -> Result<&str, Wrong> {
    json.as_str().ok_or_else(|| Wrong::new("is no text"))
}

/// A value or null.
pub(crate) struct Opt<C>(pub(crate) C);

impl<C: Shaped> Shaped for Opt<C> {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        nullable(self.0.schema(components, of))
    }
}

impl<T, C: Codec<T>> Codec<Option<T>> for Opt<C> {
    fn show(&self, value: &Option<T>) -> Value {
        value.as_ref().map_or(Value::Null, |value| self.0.show(value))
    }

    fn take(&self, json: &Value, old: Option<&Option<T>>) -> Result<Option<T>, Wrong> {
        if json.is_null() {
            return Ok(None);
        }
        self.0.take(json, old.and_then(Option::as_ref)).map(Some)
    }
}

/// A list of at least and at most so many, none of them twice.
pub(crate) struct Set<C>(pub(crate) C, pub(crate) usize, pub(crate) usize);

impl<C: Shaped> Shaped for Set<C> {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        let of = if of == Use::Patch { Use::Form } else { of };
        json!({
            "type": "array", "items": self.0.schema(components, of),
            "minItems": self.1, "maxItems": self.2, "uniqueItems": true,
        })
    }
}

impl<T: PartialEq, C: Codec<T>> Codec<Vec<T>> for Set<C> {
    fn show(&self, values: &Vec<T>) -> Value {
        values.iter().map(|value| self.0.show(value)).collect()
    }

    fn take(&self, json: &Value, _: Option<&Vec<T>>) -> Result<Vec<T>, Wrong> {
        let items = json.as_array().ok_or_else(|| Wrong::new("is no list"))?;
        let Set(_, least, most) = self;
        if !(least..=most).contains(&&items.len()) {
            return Err(Wrong::new(format!("does not have {least} to {most} entries")));
        }
        let mut taken: Vec<T> = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            let value = self.0.take(item, None).map_err(|wrong: Wrong| wrong.in_list(place))?;
            if taken.contains(&value) {
                return Err(Wrong::new("stands twice").in_list(place));
            }
            taken.push(value);
        }
        Ok(taken)
    }
}

/// A list of at most so many.
pub(crate) struct List<C>(pub(crate) C, pub(crate) usize);

impl<C: Shaped> Shaped for List<C> {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        // A patch sets the whole list.
        let of = if of == Use::Patch { Use::Form } else { of };
        json!({"type": "array", "items": self.0.schema(components, of), "maxItems": self.1})
    }
}

impl<T, C: Codec<T>> Codec<Vec<T>> for List<C> {
    fn show(&self, values: &Vec<T>) -> Value {
        values.iter().map(|value| self.0.show(value)).collect()
    }

    fn take(&self, json: &Value, _: Option<&Vec<T>>) -> Result<Vec<T>, Wrong> {
        let items = json.as_array().ok_or_else(|| Wrong::new("is no list"))?;
        if items.len() > self.1 {
            return Err(Wrong::new(format!("has more than {} entries", self.1)));
        }
        let take =
            |(place, item)| self.0.take(item, None).map_err(|wrong: Wrong| wrong.in_list(place));
        items.iter().enumerate().map(take).collect()
    }
}

/// An id: a string, because many readers of JSON keep only 53 bits of a number.
pub(crate) struct Ident;

/// A number that a row is known by.
pub(crate) trait Known: Sized {
    fn of(id: i64) -> Self;
    fn number(&self) -> i64;
}

macro_rules! known {
    ($($id:ident)+) => {$(
        impl Known for $id {
            fn of(id: i64) -> Self {
                $id(id)
            }
            fn number(&self) -> i64 {
                self.0
            }
        }
    )+};
}

known! {
    AccountId BanId CallerRuleId DidId ExchangeRateId HolidayId NumberListId OrganizationId
    PhonebookEntryId RadiusServerId RateId RingGroupId RouteId RuleId SettingId SubscriberId
    TariffId TenantId TrunkId TrunkLoginId
}

impl Known for i64 {
    fn of(id: i64) -> Self {
        id
    }
    fn number(&self) -> i64 {
        *self
    }
}

/// Reads an id as it stands in JSON and in queries, see [`ID`].
pub(crate) fn parse_id(text: &str) -> Option<i64> {
    let id: i64 = text.parse().ok()?;
    (id.unsigned_abs() < ID_END && id.to_string() == text).then_some(id)
}

impl Shaped for Ident {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "pattern": ID})
    }
}

impl<T: Known> Codec<T> for Ident {
    fn show(&self, value: &T) -> Value {
        json!(value.number().to_string())
    }

    fn take(&self, json: &Value, _: Option<&T>) -> Result<T, Wrong> {
        let id = json.as_str().and_then(parse_id).map(T::of);
        id.ok_or_else(|| Wrong::new("is no id, which is a text of digits"))
    }
}

/// A number of at least so many digits.
pub(crate) struct Number(pub(crate) usize);

/// A number that can be dialled.
pub(crate) const NUMBER: Number = Number(1);
/// A prefix, perhaps of every number.
pub(crate) const PREFIX: Number = Number(0);

impl Shaped for Number {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "pattern": format!("^[0-9*#]{{{},{NUMBER_MAX}}}$", self.0)})
    }
}

impl Codec<Digits> for Number {
    fn show(&self, value: &Digits) -> Value {
        json!(value.as_str())
    }

    fn take(&self, json: &Value, _: Option<&Digits>) -> Result<Digits, Wrong> {
        let digits = Digits::parse(text(json)?).ok().filter(|digits| digits.len() >= self.0);
        digits.ok_or_else(|| {
            let least = self.0;
            Wrong::new(format!("is no number of {least} to {NUMBER_MAX} of 0-9, * and #"))
        })
    }
}

/// A word of an enumeration.
pub(crate) struct Words<T>(pub(crate) std::marker::PhantomData<fn() -> T>);

/// The words of an enumeration.
pub(crate) const fn words<T>() -> Words<T> {
    Words(std::marker::PhantomData)
}

impl<T: Worded> Shaped for Words<T> {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "enum": T::WORDS})
    }
}

impl<T: Spelled> Codec<T> for Words<T> {
    fn show(&self, value: &T) -> Value {
        json!(value.word())
    }

    fn take(&self, json: &Value, _: Option<&T>) -> Result<T, Wrong> {
        let value = json.as_str().and_then(T::of);
        value.ok_or_else(|| Wrong::new(format!("is none of {}", T::WORDS.join(", "))))
    }
}

/// A time of RFC 3339, kept to microseconds.
pub(crate) struct Moment;

impl Shaped for Moment {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "format": "date-time"})
    }
}

impl Codec<i64> for Moment {
    fn show(&self, value: &i64) -> Value {
        json!(Time(*value))
    }

    fn take(&self, json: &Value, _: Option<&i64>) -> Result<i64, Wrong> {
        let time = json.as_str().and_then(parse_time);
        time.ok_or_else(|| Wrong::new("is no time like 2026-01-31T12:00:00Z (RFC 3339)"))
    }
}

/// A currency, ISO 4217; its smallest coin is known.
pub(crate) struct Iso4217;

impl Shaped for Iso4217 {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "enum": crate::currency::codes()})
    }
}

impl Codec<Currency> for Iso4217 {
    fn show(&self, value: &Currency) -> Value {
        json!(value.code())
    }

    fn take(&self, json: &Value, old: Option<&Currency>) -> Result<Currency, Wrong> {
        let code = text(json)?;
        // One that an import brought with another coin stays as it is.
        if let Some(old) = old.filter(|old| old.code() == code) {
            return Ok(*old);
        }
        crate::currency::currency(code).ok_or_else(|| Wrong::new("is no currency of ISO 4217"))
    }
}

/// A date like `2026-12-24`, kept as days since 1970.
pub(crate) struct Date;

impl Shaped for Date {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "format": "date"})
    }
}

impl Codec<i32> for Date {
    fn show(&self, day: &i32) -> Value {
        date_of(*day).map_or(Value::Null, |(year, month, day)| {
            json!(format!("{year:04}-{month:02}-{day:02}"))
        })
    }

    fn take(&self, json: &Value, _: Option<&i32>) -> Result<i32, Wrong> {
        let parse = |text: &str| {
            let (year, rest) = text.split_once('-')?;
            let (month, day) = rest.split_once('-')?;
            let lengths = (year.len(), month.len(), day.len()) == (4, 2, 2);
            let plain = [year, month, day].iter().all(|p| p.bytes().all(|b| b.is_ascii_digit()));
            let numbers = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
            (lengths && plain).then(|| day_of(numbers.0, numbers.1, numbers.2)).flatten()
        };
        let day = json.as_str().and_then(parse);
        day.ok_or_else(|| Wrong::new("is no date like 2026-12-24"))
    }
}

/// A class of times.
pub(crate) struct Class;

impl Shaped for Class {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        class_shape()
    }
}

/// What texts of classes of times are.
pub(crate) fn class_shape() -> Value {
    json!({
        "type": "string", "pattern": TimeClass::PATTERN,
        "description": "When it counts: a class of times, or a stretch like `08:00-18:00` of every \
            day or `fri 18:00-mon 06:00` of the week. Of several prices the narrowest wins.",
    })
}

impl Codec<TimeClass> for Class {
    fn show(&self, class: &TimeClass) -> Value {
        json!(class.to_string())
    }

    fn take(&self, json: &Value, _: Option<&TimeClass>) -> Result<TimeClass, Wrong> {
        let class = json.as_str().and_then(|text| text.parse().ok());
        class.ok_or_else(|| {
            Wrong::new("is no class of times like peak, and no stretch like 08:00-18:00")
        })
    }
}

/// A decimal number above zero, of nine digits behind the point.
pub(crate) struct Factor;

impl Shaped for Factor {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "pattern": "^[0-9]{1,9}(\\.[0-9]{1,9})?$"})
    }
}

impl Codec<i64> for Factor {
    fn show(&self, value: &i64) -> Value {
        json!(print_decimal(*value, PRICE_DIGITS))
    }

    fn take(&self, json: &Value, _: Option<&i64>) -> Result<i64, Wrong> {
        let value = parse_decimal(text(json)?, PRICE_DIGITS);
        let value = value.map_err(|_| Wrong::new("is no decimal number like 0.92"))?;
        if value > 0 { Ok(value) } else { Err(Wrong::unfit("is not above zero")) }
    }
}

/// Longest name of a time zone, characters.
const ZONE_MAX: usize = 64;

/// The name of a time zone that this host knows.
pub(crate) struct Zone;

impl Shaped for Zone {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "minLength": 1, "maxLength": ZONE_MAX, "pattern": PLAIN})
    }
}

impl Codec<String> for Zone {
    fn show(&self, value: &String) -> Value {
        json!(value)
    }

    fn take(&self, json: &Value, _: Option<&String>) -> Result<String, Wrong> {
        let name: String = Text(1, ZONE_MAX).take(json, None)?;
        let known = jiff::tz::TimeZone::get(&name).is_ok();
        known.then_some(name).ok_or_else(|| {
            Wrong::unfit("is no time zone that this host knows, like Europe/Berlin or UTC")
        })
    }
}

/// The pattern of a DNS name (RFC 1123 section 2.1); its last label begins with a letter, so that
/// no address is one.
const DNS: &str = "([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)*\
    [A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.?";
/// The pattern of an address of IPv4.
const IPV4: &str = "((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}\
    (25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
/// The pattern of a port.
const PORT: &str = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|\
    [1-9][0-9]{0,3})";

/// The schema of a text that is whole what the pattern says.
fn whole_text(pattern: &str, most: usize) -> Value {
    json!({"type": "string", "pattern": format!("^{pattern}$"), "maxLength": most})
}

/// A host: a DNS name or an address, in lower case.
pub(crate) struct Host;

impl Shaped for Host {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        let v6 = json!({"type": "string", "format": "ipv6"});
        json!({"anyOf": [whole_text(DNS, HOST_MAX), whole_text(IPV4, HOST_MAX), v6]})
    }
}

/// Whether a text is a DNS name.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=LABEL_MAX).contains(&label.len())
            && inner
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let bare = name.strip_suffix('.').unwrap_or(name);
    let last = bare.rsplit('.').next().unwrap_or_default();
    name.len() <= HOST_MAX
        && bare.split('.').all(is_label)
        && last.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// Whether a text is a DNS name or an address.
pub(crate) fn is_host(name: &str) -> bool {
    is_name(name) || name.parse::<IpAddr>().is_ok()
}

impl Codec<String> for Host {
    fn show(&self, value: &String) -> Value {
        json!(value)
    }

    fn take(&self, json: &Value, _: Option<&String>) -> Result<String, Wrong> {
        let name = text(json)?;
        let is_fine = is_host(name);
        let fine = is_fine.then(|| name.to_ascii_lowercase());
        fine.ok_or_else(|| Wrong::new("is no host name or address"))
    }
}

/// A host with a port if it has one: `sip.example.com` or `sip.example.com:5070`.
pub(crate) struct HostAndPort;

impl Shaped for HostAndPort {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        whole_text(&format!("{DNS}(:{PORT})?"), HOST_MAX)
    }
}

/// Reads a port as people write it.
fn parse_port(text: &str) -> Option<u16> {
    let is_plain = !text.starts_with(['0', '+']);
    is_plain.then(|| text.parse().ok()).flatten()
}

fn parse_host(text: &str) -> Option<HostPort> {
    if text.len() > HOST_MAX {
        return None;
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, parse_port(port)?),
        None => (text, 0),
    };
    is_name(name).then(|| HostPort { name: name.to_ascii_lowercase(), port })
}

fn print_host(host: &HostPort) -> String {
    match host.port {
        0 => host.name.clone(),
        port => format!("{}:{port}", host.name),
    }
}

impl Codec<HostPort> for HostAndPort {
    fn show(&self, value: &HostPort) -> Value {
        json!(print_host(value))
    }

    fn take(&self, json: &Value, _: Option<&HostPort>) -> Result<HostPort, Wrong> {
        parse_host(text(json)?)
            .ok_or_else(|| Wrong::new("is no host name with a port or without one"))
    }
}

/// Where calls of a trunk go: an address with its port, a host, or `registered`.
pub(crate) struct Target;

impl Shaped for Target {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        let v6 = whole_text(&format!("\\[[0-9A-Fa-f:.]{{2,45}}\\]:{PORT}"), HOST_MAX);
        let v4 = whole_text(&format!("{IPV4}:{PORT}"), HOST_MAX);
        let host = whole_text(&format!("{DNS}(:{PORT})?"), HOST_MAX);
        json!({"anyOf": [host, v4, v6]})
    }
}

impl Codec<EgressTarget> for Target {
    fn show(&self, value: &EgressTarget) -> Value {
        json!(value.to_string())
    }

    fn take(&self, json: &Value, _: Option<&EgressTarget>) -> Result<EgressTarget, Wrong> {
        let text = text(json)?;
        if text == "registered" {
            return Ok(EgressTarget::Registered);
        }
        if let Some(host) = parse_host(text) {
            return Ok(EgressTarget::Host(host));
        }
        Address.take(json, None).map(EgressTarget::Address).map_err(|_: Wrong| {
            // Not every text of digits and colons in brackets is an address, nor every address one
            // party's.
            Wrong::unfit("is no address with its port, no host name, and not `registered`")
        })
    }
}

/// An address with its port, `192.0.2.1:1812` or `[2001:db8::1]:1812`; one party's.
pub(crate) struct Address;

impl Shaped for Address {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        let v6 = whole_text(&format!("\\[[0-9A-Fa-f:.]{{2,45}}\\]:{PORT}"), HOST_MAX);
        let v4 = whole_text(&format!("{IPV4}:{PORT}"), HOST_MAX);
        json!({"anyOf": [v4, v6]})
    }
}

impl Codec<SocketAddr> for Address {
    fn show(&self, value: &SocketAddr) -> Value {
        json!(value.to_string())
    }

    fn take(&self, json: &Value, _: Option<&SocketAddr>) -> Result<SocketAddr, Wrong> {
        let text = text(json)?;
        let port = text.rsplit_once(':').and_then(|(_, port)| parse_port(port));
        let address = text.parse::<SocketAddr>().ok().filter(|_| port.is_some());
        let address = address.filter(|a| !a.ip().is_unspecified() && !a.ip().is_multicast());
        address.ok_or_else(|| Wrong::unfit("is no address with its port"))
    }
}

/// A network, for example `192.0.2.0/24`; a bare address is a network of one.
pub(crate) struct Network;

impl Shaped for Network {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        let v4 = whole_text(&format!("{IPV4}(/(3[0-2]|[12]?[0-9]))?"), NETWORK_MAX);
        let v6 = whole_text("[0-9A-Fa-f:.]{2,45}(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?", NETWORK_MAX);
        json!({"anyOf": [v4, v6]})
    }
}

/// Longest network, characters.
const NETWORK_MAX: usize = 49;

/// Reads a network; bits behind the prefix must be zero.
pub(crate) fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (text, None),
    };
    let address = address.parse::<IpAddr>().ok()?.to_canonical();
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32u8),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let len = match len {
        Some(len) if len.bytes().all(|b| b.is_ascii_digit()) => len.parse::<u8>().ok()?,
        Some(_) => return None,
        None => width,
    };
    let rest = bits.checked_shl(u32::from(len)).unwrap_or(0);
    (len <= width && rest == 0).then_some((address, len))
}

pub(crate) const NO_NETWORK: &str =
    "is no network like 192.0.2.0/24, whose bits behind the prefix are zero";

impl Codec<SourceMatch> for Network {
    fn show(&self, value: &SourceMatch) -> Value {
        json!(format!("{}/{}", value.network, value.prefix_len))
    }

    fn take(&self, json: &Value, old: Option<&SourceMatch>) -> Result<SourceMatch, Wrong> {
        let (network, prefix_len) =
            parse_network(text(json)?).ok_or_else(|| Wrong::unfit(NO_NETWORK))?;
        Ok(SourceMatch { network, prefix_len, port: old.map_or(0, |old| old.port) })
    }
}

/// A port, or null for any.
pub(crate) struct AnyPort;

impl Shaped for AnyPort {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        nullable(Int(1, 65_535).schema(components, of))
    }
}

impl Codec<u16> for AnyPort {
    fn show(&self, value: &u16) -> Value {
        if *value == 0 { Value::Null } else { json!(value) }
    }

    fn take(&self, json: &Value, _: Option<&u16>) -> Result<u16, Wrong> {
        if json.is_null() { Ok(0) } else { Int(1, 65_535).take(json, None) }
    }
}

/// A Q.850 value for a status, or null for the one that belongs to it.
pub(crate) struct AnyCause;

impl Shaped for AnyCause {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        nullable(Int(1, 127).schema(components, of))
    }
}

impl Codec<CauseMap> for AnyCause {
    fn show(&self, value: &CauseMap) -> Value {
        if value.to_q850 == 0 { Value::Null } else { json!(value.to_q850) }
    }

    fn take(&self, json: &Value, old: Option<&CauseMap>) -> Result<CauseMap, Wrong> {
        let to_q850 = if json.is_null() { 0 } else { Int(1, 127).take(json, None)? };
        let old = old.copied().unwrap_or(CauseMap { status: 0, to_status: 0, to_q850 });
        Ok(CauseMap { to_q850, ..old })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_no_bits_behind_their_prefix() {
        let of = |text: &str| parse_network(text).map(|(address, len)| format!("{address}/{len}"));
        for (text, expect) in [
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("192.0.2.1", Some("192.0.2.1/32")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("::/0", Some("::/0")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("::ffff:192.0.2.1", Some("192.0.2.1/32")),
            ("192.0.2.1/24", None),
            ("192.0.2.0/33", None),
            ("192.0.2.0/+24", None),
            ("192.0.2.0/", None),
            ("2001:db8::1/64", None),
            ("192.0.2", None),
            ("", None),
        ] {
            assert_eq!(of(text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn an_id_has_one_text() {
        for (text, expect) in [
            ("0", Some(0)),
            ("-7", Some(-7)),
            ("8999999999999999999", Some(8_999_999_999_999_999_999)),
            ("9000000000000000000", None),
            ("28906065336810468189", None),
            ("07", None),
            ("-0", None),
            ("+7", None),
            ("", None),
        ] {
            assert_eq!(parse_id(text), expect, "{text}");
        }
        let twice = json!(["4376", "23411128794608593129", "28906065336810468189"]);
        let wrong = Codec::<Vec<i64>>::take(&Set(Ident, 0, 9), &twice, None).unwrap_err();
        assert!(!format!("{wrong:?}").contains("twice"), "{wrong:?}");
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for name in ["a", "sip.example.com", "a-b.example.", "4u.a1", "192.0.2.1", "2001:db8::1"] {
            assert!(is_host(name), "{name}");
        }
        let long = "a".repeat(64);
        let bad =
            ["", ".", "a..b", "-a", "a-", "a b", "a_b", "a:b", "\u{fc}.example", "a.1", &long];
        for name in bad {
            assert!(!is_host(name), "{name}");
        }
        let target =
            |text: &str| Target.take(&json!(text), None).ok().map(|target| target.to_string());
        for (text, expect) in [
            ("192.0.2.1:5060", Some("192.0.2.1:5060")),
            ("[2001:db8::1]:5060", Some("[2001:db8::1]:5060")),
            ("SIP.example.com", Some("sip.example.com")),
            ("sip.example.com:5070", Some("sip.example.com:5070")),
            ("registered", Some("registered")),
            ("192.0.2.1", None),
            ("192.0.2.1:0", None),
            ("192.0.2.1:05060", None),
            ("sip.example.com:+5070", None),
            ("0.0.0.0:5060", None),
            ("sip.example.com:0", None),
            ("sip:a@b", None),
        ] {
            assert_eq!(target(text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_whole() {
        let int = |json: Value| Codec::<u32>::take(&Int(0, 10), &json, None).ok();
        assert_eq!(int(json!(10)), Some(10));
        assert_eq!(int(json!(1.0)), Some(1));
        for json in [json!(11), json!(-1), json!(1.5), json!("1"), json!(true), json!(null)] {
            assert_eq!(int(json.clone()), None, "{json}");
        }
        let seconds = |json: Value| Seconds(1, 60).take(&json, None).ok();
        assert_eq!(seconds(json!(60_000)), Some(60));
        for json in [json!(0), json!(1500), json!(61_000), json!(-1000)] {
            assert_eq!(seconds(json.clone()), None, "{json}");
        }
    }
}
