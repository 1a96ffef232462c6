//! Settings: what an operator may turn, declared once (design of control, 26; spec CFG-01, -02,
//! -03).
//!
//! One table ([`SETTINGS`], in `setting/table.rs`) says of each setting its category and name, its
//! type with unit and bounds, its default, how deep it may be set, who reads it, and the names that
//! the source has for it. The same table makes [`Profile`], a structure with a field for each, so
//! that who reads a setting reads a typed field and never a text.
//!
//! A row of [`SettingRow`] sets one at one place: the whole switch, a tenant, an account or a
//! subscriber; the narrower place wins. Many settings may be `auto`: what counts then is said in
//! their words. What the process itself needs (addresses, cores, files) are keys of its
//! configuration file and none of these. Where each name of the source went is in [`source`].

mod source;
mod table;

pub use source::{Disposition, SourceName, SourceTarget, source_names};
pub use table::{
    BooksSettings, CalendarSettings, CallSettings, DigestSettings, FactSettings, FailoverSettings,
    GuardSettings, IdentitySettings, LimitSettings, LoginSettings, MediaSettings, NatSettings,
    NumberSettings, PriceSettings, Profile, RegistrationSettings, ResolverSettings,
    RingGroupSettings, RouteSettings, SETTINGS, SessionSettings, SubscriberSettings,
};

use crate::{
    AccountId, Amount, CODECS_MAX, Cli, Currency, DAY_MIN, DayParts, Digits, G711, Home, MediaPath,
    Operation, PRICE_DIGITS, Price, ReliableMode, RouteOrder, SettingId, SrtpUse, SubscriberId,
    TenantId, TimerMode, VoiceCodec, parse_decimal, print_decimal,
};
use core::fmt;

/// Most statuses in one list.
pub const SETTING_STATUSES_MAX: usize = 64;
/// Most programs in one list.
pub const SETTING_PROGRAMS_MAX: usize = 32;
/// Longest text of a value, bytes.
pub const SETTING_VALUE_MAX: usize = 512;
/// What stands for no value of its own.
pub const AUTO: &str = "auto";

/// One setting: what the table says of it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Group of settings.
    pub category: &'static str,
    /// Name in its group; a unit stands last.
    pub name: &'static str,
    /// What it does, and what `auto` means.
    pub doc: &'static str,
    /// What its values are.
    pub kind: SettingKind,
    /// It may be `auto`.
    pub auto: bool,
    /// The narrowest place where it may be set.
    pub depth: Depth,
    /// Who acts by it.
    pub reader: SettingReader,
    /// Names of the source that became it.
    pub source: &'static [&'static str],
    default: fn() -> Option<SettingValue>,
    put: fn(&mut Profile, Option<&SettingValue>) -> bool,
    get: fn(&Profile) -> Option<SettingValue>,
}

/// Places where settings are set, the widest first; the narrower wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Depth {
    /// The whole switch.
    System,
    /// One tenant.
    Tenant,
    /// One account: its subscribers, and trunks whose calls it pays.
    Account,
    /// One subscriber.
    Subscriber,
}

impl Depth {
    /// All, the widest first.
    pub const ALL: [Depth; 4] = [Depth::System, Depth::Tenant, Depth::Account, Depth::Subscriber];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Depth::System => "system",
            Depth::Tenant => "tenant",
            Depth::Account => "account",
            Depth::Subscriber => "subscriber",
        }
    }
}

/// Who acts by a setting; the tests of that part go through all of its settings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SettingReader {
    /// Decisions on calls and registrations.
    Routing,
    /// REST itself.
    Rest,
    /// The control plane's own housekeeping.
    Control,
}

/// What values of a setting are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SettingKind {
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// Milliseconds from the first to the second, a multiple of the third.
    Millis(i64, i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number that can be dialled.
    Number,
    /// SIP statuses of 300 to 699, with commas between; none is `none`.
    Statuses,
    /// Some of these words, with commas between; none is `none`.
    Words(&'static [&'static str]),
    /// A price per minute, in the currency of who pays.
    Price,
    /// A sum of money, in the currency of whom it is about.
    Sum,
    /// Names of voice codecs with commas between, none of them twice.
    Codecs,
    /// Names of programs as they call themselves, with commas between; none is `none`.
    Programs,
}

impl SettingKind {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SettingKind::Flag => "flag",
            SettingKind::Whole(..) => "whole",
            SettingKind::Millis(..) => "milliseconds",
            SettingKind::Word(_) => "word",
            SettingKind::Number => "number",
            SettingKind::Statuses => "statuses",
            SettingKind::Words(_) => "words",
            SettingKind::Price => "price",
            SettingKind::Sum => "sum",
            SettingKind::Codecs => "codecs",
            SettingKind::Programs => "programs",
        }
    }

    fn parse(self, text: &str) -> Option<SettingValue> {
        match self {
            SettingKind::Flag => text.parse().ok().map(SettingValue::Flag),
            SettingKind::Whole(least, most) => {
                whole(text).filter(|n| (least..=most).contains(n)).map(SettingValue::Whole)
            }
            SettingKind::Millis(least, most, step) => whole(text)
                .filter(|n| (least..=most).contains(n) && n.checked_rem(step) == Some(0))
                .map(SettingValue::Whole),
            SettingKind::Word(words) => {
                words.iter().find(|word| **word == text).map(|word| SettingValue::Word(word))
            }
            SettingKind::Number => {
                let number = Digits::parse(text).ok().filter(|number| !number.is_empty());
                number.map(SettingValue::Number)
            }
            SettingKind::Statuses => statuses(text).map(SettingValue::Statuses),
            SettingKind::Words(known) => some_words(known, text).map(SettingValue::Words),
            SettingKind::Price => {
                let price = parse_decimal(text, PRICE_DIGITS).ok().filter(|price| *price >= 0);
                price.map(|price| SettingValue::Price(Price(price)))
            }
            SettingKind::Sum => {
                let sum = parse_decimal(text, PRICE_DIGITS).ok().filter(|sum| *sum >= 0);
                sum.map(|sum| SettingValue::Sum(Sum(sum)))
            }
            SettingKind::Codecs => codecs(text).map(SettingValue::Codecs),
            SettingKind::Programs => programs(text).map(SettingValue::Programs),
        }
    }
}

impl fmt::Display for SettingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingKind::Flag => f.write_str("true or false"),
            SettingKind::Whole(least, most) => write!(f, "a whole number from {least} to {most}"),
            SettingKind::Millis(least, most, 1) => write!(f, "milliseconds from {least} to {most}"),
            SettingKind::Millis(least, most, step) => {
                write!(f, "milliseconds from {least} to {most}, a multiple of {step}")
            }
            SettingKind::Word(words) => write!(f, "one of {}", words.join(", ")),
            SettingKind::Number => f.write_str("a number of 0-9, * and #"),
            SettingKind::Statuses => {
                f.write_str("SIP statuses of 300 to 699 like 486,603, or none")
            }
            SettingKind::Words(words) => write!(f, "some of {}, or none", words.join(",")),
            SettingKind::Price => f.write_str("a price per minute like 0.05"),
            SettingKind::Sum => f.write_str("a sum of money like 250 or 9.50"),
            SettingKind::Codecs => f.write_str("1 to 8 voice codecs like G729,PCMA"),
            SettingKind::Programs => f.write_str("names like Acme SBC,FreePBX, or none"),
        }
    }
}

/// Digits only: `+5`, `5.0` and `05` are other texts for what has one already.
fn whole(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn statuses(text: &str) -> Option<Vec<u16>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let one = |part: &str| {
        let status = part.trim().parse::<u16>().ok()?;
        (300..700).contains(&status).then_some(status)
    };
    let mut all: Vec<u16> = text.split(',').map(one).collect::<Option<_>>()?;
    all.sort_unstable();
    all.dedup();
    (all.len() <= SETTING_STATUSES_MAX).then_some(all)
}

fn programs(text: &str) -> Option<Vec<String>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let all: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_name =
        |name: &&str| !name.is_empty() && name.bytes().all(|b| (b' '..=b'~').contains(&b));
    // `auto` is no program, but no value of its own.
    let fits = text != AUTO && all.len() <= SETTING_PROGRAMS_MAX && all.iter().all(is_name);
    fits.then(|| all.into_iter().map(str::to_owned).collect())
}

fn codecs(text: &str) -> Option<Vec<VoiceCodec>> {
    let mut all = Vec::new();
    for name in text.split(',') {
        let (_, codec) = VoiceCodec::ALL.iter().find(|(known, _)| *known == name.trim())?;
        if all.contains(codec) || all.len() == CODECS_MAX {
            return None;
        }
        all.push(*codec);
    }
    Some(all)
}

/// The words in the order in which they are known, each once.
fn some_words(known: &'static [&'static str], text: &str) -> Option<Vec<&'static str>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let place = |part: &str| known.iter().position(|word| *word == part.trim());
    let places: std::collections::BTreeSet<usize> =
        text.split(',').map(place).collect::<Option<_>>()?;
    Some(places.into_iter().filter_map(|place| known.get(place).copied()).collect())
}

/// A value of a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SettingValue {
    /// Yes or no.
    Flag(bool),
    /// A count, or milliseconds.
    Whole(i64),
    /// A word.
    Word(&'static str),
    /// A number that can be dialled.
    Number(Digits),
    /// SIP statuses.
    Statuses(Vec<u16>),
    /// Words.
    Words(Vec<&'static str>),
    /// A price per minute.
    Price(Price),
    /// A sum of money.
    Sum(Sum),
    /// Voice codecs, the best first.
    Codecs(Vec<VoiceCodec>),
    /// Programs, as they call themselves.
    Programs(Vec<String>),
}

/// A sum of money in whichever currency it is about, 1e-9 of its unit: a setting may be for
/// accounts of several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Sum(pub i64);

impl Sum {
    /// The same at the ledger scale of a currency; what is finer is left out.
    #[must_use]
    pub fn amount(self, currency: Currency) -> Amount {
        let finer = u32::from(PRICE_DIGITS.saturating_sub(currency.ledger_digits()));
        Amount(self.0.checked_div(10_i64.pow(finer)).unwrap_or_default())
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingValue::Flag(flag) => flag.fmt(f),
            SettingValue::Whole(number) => number.fmt(f),
            SettingValue::Word(word) => f.write_str(word),
            SettingValue::Number(number) => number.fmt(f),
            SettingValue::Statuses(list) if list.is_empty() => f.write_str("none"),
            SettingValue::Words(list) if list.is_empty() => f.write_str("none"),
            SettingValue::Programs(list) if list.is_empty() => f.write_str("none"),
            SettingValue::Programs(list) => f.write_str(&list.join(",")),
            SettingValue::Words(list) => f.write_str(&list.join(",")),
            SettingValue::Statuses(list) => {
                let texts: Vec<String> = list.iter().map(u16::to_string).collect();
                f.write_str(&texts.join(","))
            }
            SettingValue::Price(price) => f.write_str(&print_decimal(price.0, PRICE_DIGITS)),
            SettingValue::Sum(sum) => f.write_str(&print_decimal(sum.0, PRICE_DIGITS)),
            SettingValue::Codecs(list) => {
                let names: Vec<&str> = list.iter().map(|codec| codec.name()).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

/// A value that a setting cannot have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadValue {
    kind: SettingKind,
    auto: bool,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auto = if self.auto { ", nor auto" } else { "" };
        write!(f, "is not {}{auto}", self.kind)
    }
}

impl core::error::Error for BadValue {}

impl Setting {
    /// The setting of this name, whatever the case.
    #[must_use]
    pub fn find(category: &str, name: &str) -> Option<&'static Setting> {
        Setting::place(category, name).and_then(|place| SETTINGS.get(place))
    }

    /// Its place in [`SETTINGS`].
    #[must_use]
    pub fn place(category: &str, name: &str) -> Option<usize> {
        let is = |s: &&Setting| {
            s.category.eq_ignore_ascii_case(category) && s.name.eq_ignore_ascii_case(name)
        };
        SETTINGS.iter().position(|setting| is(&setting))
    }

    /// Category and name with a point between.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.category, self.name)
    }

    /// Reads a value; `None` is `auto`.
    ///
    /// # Errors
    /// [`BadValue`] says what it takes.
    pub fn parse(&self, text: &str) -> Result<Option<SettingValue>, BadValue> {
        if self.auto && text == AUTO {
            return Ok(None);
        }
        let value = if text.len() <= SETTING_VALUE_MAX { self.kind.parse(text) } else { None };
        value.map(Some).ok_or(BadValue { kind: self.kind, auto: self.auto })
    }

    /// The value that it has when nobody set it.
    #[must_use]
    pub fn default(&self) -> Option<SettingValue> {
        (self.default)()
    }

    /// Its value in a profile.
    #[must_use]
    pub fn of(&self, profile: &Profile) -> Option<SettingValue> {
        (self.get)(profile)
    }

    /// Sets it in a profile. `false` when the value is of another type; nothing has changed then.
    pub fn put(&self, profile: &mut Profile, value: Option<&SettingValue>) -> bool {
        (self.put)(profile, value)
    }
}

/// The text of a value; `auto` for none.
#[must_use]
pub fn print_setting(value: Option<&SettingValue>) -> String {
    value.map_or_else(|| AUTO.to_owned(), SettingValue::to_string)
}

/// One setting, set at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingRow {
    /// Identity.
    pub id: SettingId,
    /// Group of settings.
    pub category: String,
    /// Name in its group.
    pub name: String,
    /// `None` = for the whole switch.
    pub tenant: Option<TenantId>,
    /// Only for this account.
    pub account: Option<AccountId>,
    /// Only for this subscriber.
    pub subscriber: Option<SubscriberId>,
    /// The value as text.
    pub value: String,
}

impl SettingRow {
    /// The place where it is set; `None` when its columns name no place.
    #[must_use]
    pub const fn depth(&self) -> Option<Depth> {
        match (self.tenant, self.account, self.subscriber) {
            (None, None, None) => Some(Depth::System),
            (Some(_), None, None) => Some(Depth::Tenant),
            (Some(_), Some(_), None) => Some(Depth::Account),
            (Some(_), None, Some(_)) => Some(Depth::Subscriber),
            (None, Some(_), _) | (None, None, Some(_)) | (Some(_), Some(_), Some(_)) => None,
        }
    }
}

/// Whether media of a phone is taken to come through a NAT.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Nat {
    /// By its contact.
    #[default]
    Auto,
    /// Always: its media is believed to come from where it comes.
    Always,
    /// Never: it comes from where its description says.
    Never,
}

/// What a contact more than allowed does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum ContactsFull {
    /// It takes the place of the one refreshed longest ago.
    #[default]
    Replace,
    /// It is refused.
    Refuse,
}

/// Who may take a subscriber's place in a call (spec PBX-PICK-01).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Pickup {
    /// Nobody.
    Never,
    /// Who is of one account or one ring group with it.
    #[default]
    Group,
    /// Every subscriber of its tenant.
    Tenant,
}

/// How the contacts of a subscriber ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Fork {
    /// All together.
    #[default]
    Parallel,
    /// Those of one q together, the highest q first (RFC 3261 16.6).
    ByQ,
}

/// What becomes of a registration with a Path (RFC 3327).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum PathPolicy {
    /// The Path is kept.
    #[default]
    Accept,
    /// It is kept when the client supports it.
    Require,
    /// None is taken.
    Refuse,
}

/// Where requests to a contact are sent (spec SIP-NAT-02).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum SendTo {
    /// To the address in it when it registered from there, else where it registered from.
    #[default]
    ByContact,
    /// Where it registered from.
    Source,
    /// To the address in it.
    Contact,
    /// As by default, and to the other one of both when nobody answers there.
    Both,
}

/// What a called party's 3xx means (spec SIP-REDIR-01).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Redirect {
    /// A failure like any other.
    Fail,
    /// The caller is told it.
    Pass,
    /// Another number is called, where it was called.
    Number,
    /// The same number is called at another address.
    Domain,
    /// The call is routed anew, to the number that it names.
    Reroute,
    /// A forward of who was called, and paid for so.
    Forward,
}

/// After which failures of a trunk the next one is tried (spec FAIL-04, `rerouteon`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum FailoverMode {
    /// What may be the trunk's own trouble.
    #[default]
    Usual,
    /// It says nothing, or that somebody behind it does not.
    Silence,
    /// That, and all that it says is its own fault.
    Fault,
    /// Each.
    All,
}

/// What a called subscriber's phones see in To (spec NUM-INT-01, `rewriteinternalcalled`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum CalledShown {
    /// The user of the contact.
    #[default]
    Contact,
    /// What the caller dialled.
    Received,
    /// The subscriber's user name.
    Username,
    /// Its first number.
    Number,
    /// The one of its numbers that was called, else the first.
    Best,
}

/// When a caller who talks with a trunk is put through to another one (spec FAIL-04,
/// `rerouteconnected`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Answered {
    /// Never.
    #[default]
    Never,
    /// When the trunk fails.
    Fault,
    /// Whenever it ends the call.
    Any,
}

/// What becomes of a call whose request names a domain that is none of ours (spec C-RTE-03,
/// `fwdtootherdomains`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Foreign {
    /// The domain is not looked at.
    #[default]
    Ignore,
    /// The same, and whom nobody here is meant by is called there.
    Unknown,
    /// It goes there.
    Always,
    /// The caller is told to call there himself.
    Redirect,
}

/// What keeps the NAT of a contact open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum KeepAlive {
    /// Line ends.
    #[default]
    Crlf,
    /// OPTIONS.
    Options,
    /// Nothing of ours.
    None,
}

impl NumberSettings {
    /// The country in which somebody dials, if one is set.
    #[must_use]
    pub fn home(&self) -> Option<Home> {
        let (prefix, digits_min) = (self.national_prefix, self.national_digits_min);
        self.country.map(|country| Home { country, prefix, digits_min })
    }
}

impl CalendarSettings {
    /// Where the parts of a day begin.
    #[must_use]
    pub fn day_parts(&self) -> DayParts {
        let minutes = |ms: u32| u16::try_from(ms / 60_000).unwrap_or(DAY_MIN).min(DAY_MIN);
        DayParts {
            peak_from_min: minutes(self.peak_from_ms),
            peak_until_min: minutes(self.peak_until_ms),
            evening_from_min: minutes(self.evening_from_ms),
            night_from_min: minutes(self.night_from_ms),
            weekend_is_peak: self.weekend_is_peak,
            holiday_is_weekend: self.holiday_is_weekend,
        }
    }
}

/// What a call costs over whose talk another class of times begins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum ClassRule {
    /// Each stretch its own price: the call is split at the boundary.
    #[default]
    Split,
    /// All of it the price of the middle of the talk, as in the source (spec BILL-TIME-01). A call
    /// may cost less for being longer.
    Middle,
}

/// What becomes of a call when somebody outside does not say what he was asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Unknown {
    /// It goes on as if nobody had been asked.
    #[default]
    Continue,
    /// It is refused.
    Refuse,
}

/// A type of a field of a profile.
trait Typed: Sized {
    /// It may be `auto`.
    const AUTO: bool = false;
    fn of(value: Option<&SettingValue>) -> Option<Self>;
    fn value(&self) -> Option<SettingValue>;
}

impl Typed for bool {
    fn of(value: Option<&SettingValue>) -> Option<bool> {
        if let Some(SettingValue::Flag(flag)) = value { Some(*flag) } else { None }
    }

    fn value(&self) -> Option<SettingValue> {
        Some(SettingValue::Flag(*self))
    }
}

macro_rules! counts {
    ($($type:ty)+) => {$(
        impl Typed for $type {
            fn of(value: Option<&SettingValue>) -> Option<$type> {
                match value {
                    Some(SettingValue::Whole(number)) => <$type>::try_from(*number).ok(),
                    Some(
                        SettingValue::Flag(_)
                        | SettingValue::Word(_)
                        | SettingValue::Number(_)
                        | SettingValue::Statuses(_)
                        | SettingValue::Words(_)
                        | SettingValue::Price(_)
                        | SettingValue::Sum(_)
                        | SettingValue::Codecs(_)
                        | SettingValue::Programs(_),
                    )
                    | None => None,
                }
            }

            fn value(&self) -> Option<SettingValue> {
                i64::try_from(*self).ok().map(SettingValue::Whole)
            }
        }
    )+};
}

counts! { u8 u16 u32 u64 }

impl Typed for Digits {
    fn of(value: Option<&SettingValue>) -> Option<Digits> {
        if let Some(SettingValue::Number(number)) = value { Some(*number) } else { None }
    }

    fn value(&self) -> Option<SettingValue> {
        Some(SettingValue::Number(*self))
    }
}

impl Typed for Price {
    fn of(value: Option<&SettingValue>) -> Option<Price> {
        if let Some(SettingValue::Price(price)) = value { Some(*price) } else { None }
    }

    fn value(&self) -> Option<SettingValue> {
        Some(SettingValue::Price(*self))
    }
}

impl Typed for Sum {
    fn of(value: Option<&SettingValue>) -> Option<Sum> {
        if let Some(SettingValue::Sum(sum)) = value { Some(*sum) } else { None }
    }

    fn value(&self) -> Option<SettingValue> {
        Some(SettingValue::Sum(*self))
    }
}

impl Typed for Vec<u16> {
    fn of(value: Option<&SettingValue>) -> Option<Vec<u16>> {
        if let Some(SettingValue::Statuses(list)) = value { Some(list.clone()) } else { None }
    }

    fn value(&self) -> Option<SettingValue> {
        Some(SettingValue::Statuses(self.clone()))
    }
}

impl Typed for Vec<VoiceCodec> {
    fn of(value: Option<&SettingValue>) -> Option<Vec<VoiceCodec>> {
        if let Some(SettingValue::Codecs(list)) = value { Some(list.clone()) } else { None }
    }

    fn value(&self) -> Option<SettingValue> {
        Some(SettingValue::Codecs(self.clone()))
    }
}

impl Typed for Vec<String> {
    fn of(value: Option<&SettingValue>) -> Option<Vec<String>> {
        if let Some(SettingValue::Programs(list)) = value { Some(list.clone()) } else { None }
    }

    fn value(&self) -> Option<SettingValue> {
        Some(SettingValue::Programs(self.clone()))
    }
}

/// Kinds of numbers, one bit each, in the order of [`NUMBER_KINDS`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct NumberKinds(u16);

/// The kinds of numbers that the shipped ranges tell apart, by their words.
pub const NUMBER_KINDS: &[&str] = &[
    "ordinary",
    "mobile",
    "satellite",
    "premium",
    "free",
    "shared",
    "personal",
    "pager",
    "network",
];

// Each has its bit.
const _: () = assert!(NUMBER_KINDS.len() <= u16::BITS as usize);

impl NumberKinds {
    /// It has no kind.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// It has the kind at this place of [`NUMBER_KINDS`].
    #[must_use]
    pub const fn has(self, place: usize) -> bool {
        place < NUMBER_KINDS.len() && self.0 >> place & 1 == 1
    }
}

impl Typed for NumberKinds {
    fn of(value: Option<&SettingValue>) -> Option<NumberKinds> {
        let Some(SettingValue::Words(list)) = value else { return None };
        let place = |word: &&str| NUMBER_KINDS.iter().position(|known| known == word);
        let bit = |kinds: u16, word| place(word).map(|place| kinds | 1 << place);
        list.iter().try_fold(0, bit).map(NumberKinds)
    }

    fn value(&self) -> Option<SettingValue> {
        let words = NUMBER_KINDS.iter().enumerate().filter(|(place, _)| self.has(*place));
        Some(SettingValue::Words(words.map(|(_, word)| *word).collect()))
    }
}

/// An enumeration by its words.
macro_rules! worded {
    ($($type:ident $words:ident { $($value:ident => $word:literal),+ })+) => {$(
        const $words: &[&str] = &[$($word),+];

        impl Typed for $type {
            fn of(value: Option<&SettingValue>) -> Option<$type> {
                let Some(SettingValue::Word(word)) = value else { return None };
                match *word {
                    $($word => Some($type::$value),)+
                    _ => None,
                }
            }

            fn value(&self) -> Option<SettingValue> {
                Some(SettingValue::Word(match self {
                    $($type::$value => $word,)+
                }))
            }
        }
    )+};
}

worded! {
    Nat NAT_WORDS { Auto => "by-contact", Always => "always", Never => "never" }
    ContactsFull FULL_WORDS { Replace => "replace", Refuse => "refuse" }
    Fork FORK_WORDS { Parallel => "parallel", ByQ => "by-q" }
    PathPolicy PATH_WORDS { Accept => "accept", Require => "require", Refuse => "refuse" }
    SendTo SEND_TO_WORDS {
        ByContact => "by-contact", Source => "source", Contact => "contact", Both => "both"
    }
    RouteOrder ORDER_WORDS {
        Weight => "weight", Price => "price", Quality => "quality", Rotation => "rotation",
        Share => "share", Lines => "lines"
    }
    FailoverMode FAILOVER_WORDS {
        Usual => "usual", Silence => "silence", Fault => "fault", All => "all"
    }
    CalledShown CALLED_SHOWN_WORDS {
        Contact => "contact", Received => "received", Username => "username", Number => "number",
        Best => "best"
    }
    Answered ANSWERED_WORDS { Never => "never", Fault => "fault", Any => "any" }
    Redirect REDIRECT_WORDS {
        Fail => "fail", Pass => "pass", Number => "number", Domain => "domain",
        Reroute => "reroute", Forward => "forward"
    }
    MediaPath MEDIA_PATH_WORDS {
        Peer => "peer", Direct => "direct", Fixed => "fixed", BothNated => "both-nated",
        CallerNated => "caller-nated", CalledNated => "called-nated",
        EitherNated => "either-nated", Relay => "relay"
    }
    G711 G711_WORDS { Keep => "keep", Spare => "spare", Bar => "bar" }
    SrtpUse SRTP_WORDS {
        Off => "off", Pass => "pass", Accept => "accept", Offer => "offer", Require => "require",
        EndToEnd => "end-to-end", Dtls => "dtls"
    }
    Pickup PICKUP_WORDS { Never => "never", Group => "group", Tenant => "tenant" }
    Operation OPERATION_WORDS { Connect => "connect", Redirect => "redirect" }
    TimerMode TIMER_WORDS {
        Never => "never", Answer => "answer", Ask => "ask", Force => "force"
    }
    ReliableMode RELIABLE_WORDS {
        Never => "never", Media => "media", Always => "always", Require => "require"
    }
    Foreign FOREIGN_WORDS {
        Ignore => "ignore", Unknown => "unknown", Always => "always", Redirect => "redirect"
    }
    KeepAlive KEEP_ALIVE_WORDS { Crlf => "crlf", Options => "options", None => "none" }
    Unknown UNKNOWN_WORDS { Continue => "continue", Refuse => "refuse" }
    ClassRule CLASS_RULE_WORDS { Split => "split", Middle => "middle" }
    Cli CLI_WORDS {
        Always => "always", Normal => "normal", Asserted => "asserted",
        AssertedTrusted => "asserted-trusted", Hide => "hide", HideAll => "hide-all"
    }
}

impl<T: Typed> Typed for Option<T> {
    const AUTO: bool = true;

    fn of(value: Option<&SettingValue>) -> Option<Option<T>> {
        match value {
            None => Some(None),
            Some(_) => T::of(value).map(Some),
        }
    }

    fn value(&self) -> Option<SettingValue> {
        self.as_ref().and_then(T::value)
    }
}

#[cfg(test)]
mod tests;
