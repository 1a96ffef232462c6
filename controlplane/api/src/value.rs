//! How ids, money, times and words look in JSON.

use crate::codec::ID;
use crate::rerate::RerateMode;
use crate::shape::{Components, Shape, view};
use crate::status::SubscriberState;
use crate::{CallId, CallState, LogLevel, LoginCause, LoginPhase, RouteVerdict};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use strowger_model::{
    AccountId, AllowanceId, Amount, Audio, CalledFrom, CdrId, ChargeKind, Cli, Currency,
    DigestAlgorithm, DigestPolicy, FalseAnswer, ForwardHeaders, ForwardWhen, G711, HeaderAction,
    HeaderOn, HeaderTest, IdentityHeader, IngressAuth, ListEffect, MediaPath, NumberSide,
    Operation, OrganizationId, OrganizationKind, PRICE_DIGITS, Price, ProgressMode, RadiusPurpose,
    RadiusValue, RateId, ReliableMode, RevisionState, Right, RingMode, RoundingMode, RouteOrder,
    RuleDeed, RuleStage, SentTo, SessionId, SrtpUse, SubscriberId, TariffId, TariffKind, TenantId,
    TimerMode, TokenId, Transport, TrunkId, TrunkLoginId, UserId, UserPhone, VoiceCodec,
    print_decimal,
};
use strowger_store::{MoneyKind, RerateState, TransferKind};

/// An id: a string, because many readers of JSON keep only 53 bits of a number.
#[derive(Clone, Copy)]
pub(crate) struct Id(i128);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Shape for Id {
    fn shape(_: &mut Components) -> Value {
        json!({"type": "string", "pattern": ID})
    }
}

impl From<u64> for Id {
    fn from(id: u64) -> Id {
        Id(id.into())
    }
}

impl From<i64> for Id {
    fn from(id: i64) -> Id {
        Id(id.into())
    }
}

impl From<CallId> for Id {
    fn from(id: CallId) -> Id {
        Id(id.0.into())
    }
}

macro_rules! ids {
    ($($id:ident)+) => {$(
        impl From<$id> for Id {
            fn from(id: $id) -> Id {
                Id(id.0.into())
            }
        }
    )+};
}

ids!(AccountId AllowanceId CdrId OrganizationId RateId SubscriberId TariffId TenantId TrunkId);
ids!(SessionId TokenId TrunkLoginId UserId);

/// A time, microseconds since 1970 UTC; shown as RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Beyond the years -9999 to 9999 nothing has a text; the nearest year stands for it.
        let nearest = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let time = Timestamp::from_microsecond(self.0).unwrap_or(nearest);
        serializer.collect_str(&format_args!("{time:.6}"))
    }
}

impl Shape for Time {
    fn shape(_: &mut Components) -> Value {
        json!({"type": "string", "format": "date-time"})
    }
}

/// Reads a time; any offset, at most microseconds are kept.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    is_rfc_3339(text).then(|| text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond))?
}

/// Whether a text has the form of a time of RFC 3339 section 5.6. What reads it takes other forms,
/// too, which the document does not promise.
fn is_rfc_3339(text: &str) -> bool {
    let is_like = |text: &[u8], form: &[u8]| {
        let is_one = |(byte, form): (&u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte.eq_ignore_ascii_case(form),
        };
        text.len() == form.len() && text.iter().zip(form).all(is_one)
    };
    let Some((time, rest)) = text.as_bytes().split_at_checked(b"0000-00-00T00:00:00".len()) else {
        return false;
    };
    let (rest, has_fraction) = match rest.strip_prefix(b".") {
        Some(rest) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (rest.get(digits..).unwrap_or_default(), digits > 0)
        }
        None => (rest, true),
    };
    let is_offset = [b"Z".as_slice(), b"+00:00", b"-00:00"].iter().any(|form| is_like(rest, form));
    is_like(time, b"0000-00-00T00:00:00") && has_fraction && is_offset
}

view! {
    /// An amount of money, exact.
    MoneyView {
        /// Decimal number with all digits of its scale.
        amount: String,
        /// Currency, ISO 4217.
        currency: String,
    }
}

/// The pattern of a decimal number.
pub(crate) const DECIMAL: &str = "^-?[0-9]{1,18}(\\.[0-9]{1,10})?$";
/// The same, not below zero.
pub(crate) const UNSIGNED: &str = "^[0-9]{1,18}(\\.[0-9]{1,10})?$";

/// Whether a text is what [`DECIMAL`] says.
pub(crate) fn is_decimal(text: &str) -> bool {
    let fits = |digits: &str, most| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let (whole, rest) = match text.split_once('.') {
        Some((whole, rest)) => (whole, Some(rest)),
        None => (text, None),
    };
    fits(whole.strip_prefix('-').unwrap_or(whole), 18) && rest.is_none_or(|rest| fits(rest, 10))
}

/// The schema of an amount that a client sets; it may leave the currency out.
pub(crate) fn money_shape() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["amount"],
        "properties": {
            "amount": {"type": "string", "pattern": DECIMAL},
            "currency": {"type": "string", "enum": crate::currency::codes()},
        },
    })
}

/// Money of an account or record.
pub(crate) fn money(amount: Amount, currency: Currency) -> MoneyView {
    MoneyView { amount: amount.print(currency), currency: currency.code().to_owned() }
}

/// A price per minute.
pub(crate) fn price(price: Price, currency: Currency) -> MoneyView {
    let amount = print_decimal(price.0, PRICE_DIGITS);
    MoneyView { amount, currency: currency.code().to_owned() }
}

/// Whole seconds of a setting as milliseconds.
pub(crate) fn ms(seconds: u32) -> u64 {
    u64::from(seconds) * 1000
}

/// A value of an enumeration, shown as its word.
pub(crate) struct Word<T>(pub(crate) T);

/// An enumeration with a word for each value.
pub(crate) trait Worded {
    /// All words.
    const WORDS: &'static [&'static str];
    /// The word of a value.
    fn word(&self) -> &'static str;
}

/// An enumeration that can be read by its words.
pub(crate) trait Spelled: Worded + Sized {
    /// The value of a word.
    fn of(word: &str) -> Option<Self>;
}

impl<T: Worded> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<T: Worded> Shape for Word<T> {
    fn shape(_: &mut Components) -> Value {
        json!({"type": "string", "enum": T::WORDS})
    }
}

macro_rules! words {
    ($($type:ident { $($value:ident => $word:literal),+ $(,)? })+) => {$(
        impl Worded for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];
            fn word(&self) -> &'static str {
                match self {
                    $($type::$value => $word,)+
                }
            }
        }

        impl Spelled for $type {
            fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($type::$value),)+
                    _ => None,
                }
            }
        }
    )+};
}

words! {
    RouteOrder {
        Weight => "weight",
        Price => "price",
        Quality => "quality",
        Rotation => "rotation",
        Share => "share",
        Lines => "lines",
    }
    CallState {
        Dialing => "dialing",
        Ringing => "ringing",
        Speaking => "speaking",
        Held => "held",
        Ended => "ended",
    }
    Right {
        Resellers => "resellers",
        Organizations => "organizations",
        Accounts => "accounts",
        Prices => "prices",
        Subscribers => "subscribers",
        Trunks => "trunks",
        Numbers => "numbers",
        Payments => "payments",
        Logins => "logins",
        Calls => "calls",
        Statistics => "statistics",
    }
    SubscriberState {
        Off => "off",
        Inactive => "inactive",
        Registered => "registered",
        Calling => "calling",
    }
    LogLevel {
        Error => "error",
        Warn => "warn",
        Info => "info",
        Debug => "debug",
        Trace => "trace",
    }
    LoginPhase {
        Unknown => "unknown",
        Trying => "trying",
        Registered => "registered",
        Failed => "failed",
        Refused => "refused",
        Left => "left",
        Away => "away",
    }
    LoginCause {
        Status => "status",
        Silent => "silent",
        Unreachable => "unreachable",
        WrongPassword => "wrong-password",
        NoPassword => "no-password",
        ForeignChallenge => "foreign-challenge",
        NotBound => "not-bound",
        NoAddress => "no-address",
        Unwritable => "unwritable",
        Full => "full",
    }
    ChargeKind {
        Customer => "customer",
        Reseller => "reseller",
        Supplier => "supplier",
        Commission => "commission",
        Packet => "packet",
    }
    MoneyKind { Payment => "payment", Adjustment => "adjustment" }
    RerateState {
        Preparing => "preparing",
        Prepared => "prepared",
        Publishing => "publishing",
        Published => "published",
        Discarded => "discarded",
    }
    RerateMode { Money => "money", Statistics => "statistics" }
    TransferKind {
        Charge => "charge",
        Cost => "cost",
        Vat => "vat",
        Payment => "payment",
        Voucher => "voucher",
        Fee => "fee",
        Adjustment => "adjustment",
        Rerate => "rerate",
        Exchange => "exchange",
        Commission => "commission",
        Packet => "packet",
        Reversal => "reversal",
    }
    DigestPolicy { Both => "both", Sha256Only => "sha256-only", Md5Only => "md5-only" }
    OrganizationKind {
        Owner => "owner",
        Reseller => "reseller",
        Company => "company",
        Customer => "customer",
        Supplier => "supplier",
    }
    DigestAlgorithm { Sha256 => "SHA-256", Md5 => "MD5" }
    Cli {
        Always => "always",
        Normal => "normal",
        Asserted => "asserted",
        AssertedTrusted => "asserted-trusted",
        Hide => "hide",
        HideAll => "hide-all",
    }
    ForwardWhen {
        Always => "always",
        Busy => "busy",
        NoAnswer => "no-answer",
        Offline => "offline",
    }
    RevisionState { Draft => "draft", Published => "published", Undone => "undone" }
    TariffKind { Customer => "customer", Supplier => "supplier" }
    RoundingMode {
        HalfAway => "half-away",
        Up => "up",
        Down => "down",
        HalfEven => "half-even",
    }
    RingMode { Parallel => "parallel", InTurn => "in-turn", Rotating => "rotating" }
    IdentityHeader {
        None => "none",
        Asserted => "asserted",
        Preferred => "preferred",
        RemoteParty => "remote-party",
    }
    HeaderAction { Add => "add", Remove => "remove", Rewrite => "rewrite", Copy => "copy" }
    HeaderOn { Request => "request", Response => "response" }
    HeaderTest {
        Present => "present",
        Absent => "absent",
        Equals => "equals",
        Begins => "begins",
    }
    NumberSide { Called => "called", Caller => "caller" }
    ListEffect { Deny => "deny", Allow => "allow", Only => "only" }
    RadiusPurpose { Access => "access", Accounting => "accounting" }
    RadiusValue {
        CallId => "call-id",
        Received => "received",
        From => "from",
        Source => "source",
        Tenant => "tenant",
        Account => "account",
        Organization => "organization",
        Subscriber => "subscriber",
        Trunk => "trunk",
        Cause => "cause",
        Price => "price",
        Currency => "currency",
        TalkTime => "talk-time",
        Status => "status",
    }
    RuleStage {
        Received => "received",
        Known => "known",
        Routing => "routing",
        Routed => "routed",
    }
    RuleDeed {
        Refuse => "refuse",
        SetCalled => "set-called",
        SetDialled => "set-dialled",
        SetCaller => "set-caller",
        Skip => "skip",
        Redirect => "redirect",
    }
    ForwardHeaders {
        AsSet => "as-set",
        None => "none",
        Diversion => "diversion",
        HistoryInfo => "history-info",
        Both => "both",
    }
    IngressAuth { Either => "either", Both => "both", Nobody => "nobody" }
    CalledFrom { Auto => "auto", RequestUri => "request-uri", To => "to" }
    MediaPath {
        Peer => "peer", Direct => "direct", Fixed => "fixed", BothNated => "both-nated",
        CallerNated => "caller-nated", CalledNated => "called-nated",
        EitherNated => "either-nated", Relay => "relay"
    }
    VoiceCodec {
        Pcmu => "PCMU", Pcma => "PCMA", G722 => "G722", G729 => "G729", G723 => "G723",
        G728 => "G728", Gsm => "GSM", Ilbc => "iLBC", Speex => "speex", Opus => "opus",
        Amr => "AMR", AmrWb => "AMR-WB", G726At16 => "G726-16", G726At24 => "G726-24",
        G726At32 => "G726-32", G726At40 => "G726-40", Evs => "EVS", L16 => "L16"
    }
    G711 { Keep => "keep", Spare => "spare", Bar => "bar" }
    SrtpUse {
        Off => "off", Pass => "pass", Accept => "accept", Offer => "offer", Require => "require",
        EndToEnd => "end-to-end", Dtls => "dtls"
    }
    ProgressMode { Sent => "sent", Ringing => "ringing" }
    UserPhone { Never => "never", Request => "request", To => "to" }
    Audio {
        None => "none", CallerOnly => "caller-only", CalledOnly => "called-only", Bad => "bad",
        Fair => "fair", Good => "good"
    }
    FalseAnswer { RingsOn => "rings-on", Silent => "silent" }
    Operation { Connect => "connect", Redirect => "redirect" }
    TimerMode { Never => "never", Answer => "answer", Ask => "ask", Force => "force" }
    ReliableMode {
        Never => "never",
        Media => "media",
        Always => "always",
        Require => "require",
    }
    SentTo { Routed => "routed", Received => "received", ReceivedTo => "received-to" }
    Transport { Udp => "udp", Tcp => "tcp", Tls => "tls", Ws => "ws", Wss => "wss" }
}

/// A number that the record's format names; one of a later release is shown as `code-N`.
pub(crate) struct Named {
    name: Option<&'static str>,
    code: u8,
}

impl Named {
    pub(crate) fn new(code: u8, name: fn(u8) -> Option<&'static str>) -> Named {
        Named { name: name(code), code }
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name {
            Some(name) => serializer.serialize_str(name),
            None => serializer.collect_str(&format_args!("code-{}", self.code)),
        }
    }
}

impl Shape for Named {
    fn shape(_: &mut Components) -> Value {
        json!({"type": "string"})
    }
}

impl Worded for RouteVerdict {
    const WORDS: &'static [&'static str] = &["go", "refuse", "challenge"];
    fn word(&self) -> &'static str {
        match self {
            RouteVerdict::Go => "go",
            RouteVerdict::Refuse { .. } => "refuse",
            RouteVerdict::Challenge => "challenge",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Serialize>(value: &T, expect: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), expect);
    }

    #[test]
    fn values_have_one_form() {
        check(&Id::from(AccountId(i64::MIN)), "\"-9223372036854775808\"");
        check(&Id::from(u64::MAX), "\"18446744073709551615\"");
        check(&Time(0), "\"1970-01-01T00:00:00.000000Z\"");
        check(&Time(1_700_000_000_000_001), "\"2023-11-14T22:13:20.000001Z\"");
        check(&Time(i64::MAX), "\"9999-12-30T22:00:00.999999Z\"");
        let eur = Currency::new("EUR", 2).unwrap();
        check(&money(Amount(-750), eur), r#"{"amount":"-0.00000750","currency":"EUR"}"#);
        check(&price(Price(450_000), eur), r#"{"amount":"0.000450000","currency":"EUR"}"#);
        check(&Word(DigestPolicy::Sha256Only), "\"sha256-only\"");
        check(&Named::new(2, strowger_model::reason_name), "\"busy\"");
        check(&Named::new(255, strowger_model::reason_name), "\"code-255\"");
    }

    #[test]
    fn times_are_read_with_their_offset() {
        for (text, expect) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T02:00:00.000001+02:00", Some(1)),
            ("1970-01-01t00:00:01.000001z", Some(1_000_001)),
            ("1970-01-01T00:00:00", None),
            ("1970-01-01T00:00Z", None),
            ("1970-01-01 00:00:00Z", None),
            ("19700101T000000Z", None),
            ("1970-01-01T00:00:00.Z", None),
            ("1970-01-01T00:00:00+02", None),
            ("1970-01-01T00:00:00+0200", None),
            ("1970-01-01T00:00:00+00:00[UTC]", None),
            ("1970-01-01T00:00:00,5Z", None),
            ("1970-02-30T00:00:00Z", None),
            ("1970-01-01T00:00:00é", None),
            ("1970-01-01", None),
            ("", None),
            ("now", None),
        ] {
            assert_eq!(parse_time(text), expect, "{text}");
        }
    }
}
