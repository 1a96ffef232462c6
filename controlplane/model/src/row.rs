//! The rows an operator sees: what the store keeps, REST shows and routing compiles.
//!
//! Plain values. Rows of one tenant refer only to rows of the same tenant (design of control, 25);
//! `routing::World::build` checks that, and names the row that does not.
//!
//! Conventions: a limit of 0 means none; a larger priority is tried first; times are microseconds
//! since 1970 UTC; durations carry their unit in their name.

mod carrier;
mod dialog;
mod feature;
mod header;
mod import;
mod list;
mod price;
mod radius;
mod rule;

pub use carrier::*;
pub use dialog::*;
pub use feature::*;
pub use header::*;
pub use import::*;
pub use list::*;
pub use price::*;
pub use radius::*;
pub use rule::*;

use crate::{
    AccountId, AllowanceId, Amount, Currency, Digits, ExchangeRateId, Normalisation,
    OrganizationId, Price, RateId, RouteId, SubscriberId, TariffId, TenantId, TimeClass, TrunkId,
};
use core::fmt;
use std::net::SocketAddr;

/// A wall between customers of the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tenant {
    /// Identity.
    pub id: TenantId,
    /// Shown name.
    pub name: String,
    /// Digest realm: constant, because stored HA1 values contain it; unique among tenants.
    pub realm: String,
    /// Host names by which its subscribers address this switch, beside the realm.
    pub domains: Vec<String>,
    /// Currency of its books and of internal prices.
    pub currency: Currency,
    /// IANA name of the time zone of its periods and calendars.
    pub timezone: String,
    /// Digest algorithms that strangers are challenged with, best first (RFC 8760 section 2.4).
    pub algorithms: Vec<DigestAlgorithm>,
    /// Country code without `+`, for example `44` (source: `countryprefix`).
    pub country_prefix: Digits,
    /// How called numbers become canonical.
    pub normalisation: Normalisation,
    /// Price per minute of calls between its subscribers (source: `internal_endusercost`).
    pub internal_price: Price,
    /// Ring time when a subscriber or trunk names none, seconds (source: `ringtimeout`).
    pub ring_timeout_s: u32,
    /// Longest call from answer, seconds (source: `MAXSPEACHLEN`).
    pub talk_s_max: u32,
    /// Call ends when no media came so long after answer, seconds (source: `MEDIATIMEOUTSTART`).
    pub media_start_timeout_s: u32,
    /// Call ends when media is gone for so long, seconds (source: `MEDIATIMEOUT`).
    pub media_timeout_s: u32,
    /// Most that the calls of one day may cost any account that subscribers call on, `None` = no
    /// limit (source: `maxdailycreditforenduser`).
    pub subscriber_day_max: Option<Amount>,
    /// The same for an account that a trunk calls on (source: `maxdailycreditforts`).
    pub trunk_day_max: Option<Amount>,
}

/// Digest algorithms (RFC 8760).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DigestAlgorithm {
    /// MD5, for phones that know nothing better.
    Md5,
    /// SHA-256.
    Sha256,
}

/// A node of the tree inside a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organization {
    /// Identity.
    pub id: OrganizationId,
    /// Tenant.
    pub tenant: TenantId,
    /// The node above; `None` at the root.
    pub parent: Option<OrganizationId>,
    /// What it is.
    pub kind: OrganizationKind,
    /// Shown name.
    pub name: String,
    /// What its people, and those of organizations below it, may not do, although their role
    /// may (source: `rights`).
    pub withheld: Vec<Right>,
}

/// What a reseller may do, one by one; all of it unless it is withheld.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Right {
    /// Make resellers below.
    Resellers,
    /// Make, change and delete organizations.
    Organizations,
    /// Make, change and delete accounts.
    Accounts,
    /// Say what accounts pay: tariff, discounts, reduction.
    Prices,
    /// Make, change and delete subscribers and ring groups, and set their passwords.
    Subscribers,
    /// Make, change and delete trunks.
    Trunks,
    /// Assign numbers.
    Numbers,
    /// Hand out money and free time.
    Payments,
    /// Make users and tokens, and act for others.
    Logins,
    /// End calls, and forget where somebody is registered.
    Calls,
    /// Ask for statistics.
    Statistics,
}

/// Kinds of organization (design of control, 24).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OrganizationKind {
    /// Separates businesses of one operator.
    Owner,
    /// Sells to customers of its own.
    Reseller,
    /// Scope of short numbers.
    Company,
    /// Buys from us.
    Customer,
    /// Sells to us.
    Supplier,
}

/// Who pays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Identity.
    pub id: AccountId,
    /// Tenant.
    pub tenant: TenantId,
    /// Owner.
    pub organization: OrganizationId,
    /// Shown name.
    pub name: String,
    /// Currency, immutable once used.
    pub currency: Currency,
    /// Calls need credit; otherwise they are billed later.
    pub prepaid: bool,
    /// The balance never passes below this; for postpaid mostly negative, `None` = no floor.
    pub floor: Option<Amount>,
    /// Its prices; without one those that rules about prices give it ([`PriceRule`]).
    pub tariff: Option<TariffId>,
    /// Most concurrent calls, 0 = no limit (source: `MaxLines`).
    pub calls_max: u32,
    /// Most call attempts per second, 0 = no limit.
    pub cps_max: u32,
    /// Most that the calls of one day may cost, `None` = no limit (source: `maxdailycredit`).
    pub day_max: Option<Amount>,
    /// Most that the calls of one month may cost, `None` = no limit (source: `maxmonthlycredit`).
    pub month_max: Option<Amount>,
    /// That limit grows by so much for each month in which calls cost something, `None` = not
    /// (source: `maxmonthlycreditinc`).
    pub month_grows_by: Option<Amount>,
    /// And no further than this (source: `maxmonthlycreditend`).
    pub month_grows_to: Option<Amount>,
    /// From the month of this time on, microseconds since 1970 UTC.
    pub month_grows_since_us: Option<i64>,
    /// What is taken off its tariff's prices, by called prefix: the longest counts (source:
    /// `Discount1` to `3` with `Direction1` to `3`).
    pub discounts: Vec<Discount>,
    /// And off all of them besides, 1e-4 (source: `Reduction`).
    pub reduction_bp: u16,
    /// It pays for the calls of accounts of organizations below its own too, at its own tariff.
    pub resells: bool,
    /// Whose trunks take its calls: those of these organizations and below; empty = everybody's
    /// (source: `AllowedPartners` of a sender).
    pub partners: Vec<OrganizationId>,
    /// What its calls may be for, whoever makes them (source: `Enabledprefixes`, `BlockPrefixes`).
    pub barring: Barring,
    /// Who resells pays when he hands credit out, and not call by call (source: `stage` 9).
    pub resells_early: bool,
    /// Who brought it earns a commission on what it pays: an account of the same currency (source:
    /// `AddedBy`).
    pub agent: Option<AccountId>,
    /// What of it, 1e-4 (source: `Commission`).
    pub commission_bp: u16,
    /// The commission is a part of what is left of it when the call itself is paid, and not of all
    /// of it (source: `salescomissionfromprofit`).
    pub commission_of_profit: bool,
    /// May call.
    pub enabled: bool,
    /// With the control plane gone a call goes on at the end of its slice instead of being cut.
    pub go_on_without_control: bool,
}

/// A part of the price that is not charged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Discount {
    /// Called canonical numbers it is for; empty = all.
    pub prefix: Digits,
    /// The part, 1e-4.
    pub share_bp: u16,
}

impl Account {
    /// A prepaid account with nothing else set: no name, no prices, no limits; it may call.
    #[must_use]
    pub fn new(
        id: AccountId,
        tenant: TenantId,
        organization: OrganizationId,
        currency: Currency,
    ) -> Account {
        Account {
            id,
            tenant,
            organization,
            name: String::new(),
            currency,
            prepaid: true,
            floor: None,
            tariff: None,
            calls_max: 0,
            cps_max: 0,
            day_max: None,
            month_max: None,
            month_grows_by: None,
            month_grows_to: None,
            month_grows_since_us: None,
            discounts: Vec::new(),
            reduction_bp: 0,
            resells: false,
            partners: Vec::new(),
            barring: Barring::default(),
            resells_early: false,
            agent: None,
            commission_bp: 0,
            commission_of_profit: false,
            enabled: true,
            go_on_without_control: false,
        }
    }

    /// The balance never passes below this; `None` = no floor. A prepaid account without a floor of
    /// its own must not pass zero.
    #[must_use]
    pub fn least(&self) -> Option<Amount> {
        self.floor.or(self.prepaid.then_some(Amount::ZERO))
    }

    /// It may spend more than it was given.
    #[must_use]
    pub fn may_owe(&self) -> bool {
        self.least().is_none_or(|least| least < Amount::ZERO)
    }

    /// What is taken off the price of a call to `number`, 1e-4: its discount and the reduction
    /// together, at most all of it.
    #[must_use]
    pub fn discount_bp(&self, number: &Digits) -> u16 {
        let fitting = self.discounts.iter().filter(|d| number.has_prefix(&d.prefix));
        let longest = fitting.max_by_key(|d| (d.prefix.len(), d.share_bp));
        let share_bp = longest.map_or(0, |d| d.share_bp);
        share_bp.saturating_add(self.reduction_bp).min(crate::WHOLE)
    }
}

/// Free time of an account: its calls take it before money (spec PROMO-02).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Identity.
    pub id: AllowanceId,
    /// Tenant of the account.
    pub tenant: TenantId,
    /// Whose calls.
    pub account: AccountId,
    /// Shown name.
    pub name: String,
    /// What the called canonical number must begin with; empty = all numbers.
    pub prefix: Option<Digits>,
    /// How much there is, seconds of talk; 0 for a packet of money.
    pub seconds: u32,
    /// How much money there is, with tax, in the account's currency; 0 for free time. It pays for
    /// calls before the balance does.
    pub credit: Amount,
    /// For calls that begin at or after, microseconds.
    pub from_us: i64,
    /// For calls that begin before, microseconds.
    pub until_us: i64,
    /// It is given again when it ends; `None` = once (source: `freedays`).
    pub renewal: Option<Renewal>,
    /// What the account pays for it, with tax, out of its balance when it is given; 0 = nothing.
    /// Where it is given again, it is bought again.
    pub price: Amount,
    /// Tax in that, millionths.
    pub vat_ppm: u32,
}

/// How free time is given again: what is left of it ends, and as much begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renewal {
    /// For so many days of the tenant's time zone, at least one.
    pub days: u32,
    /// Ends then at the latest, microseconds.
    pub until_us: i64,
}

impl Allowance {
    /// The next one, from `from_us` up to `end_us`, where the days of its renewal end; `None`
    /// behind the last.
    #[must_use]
    pub fn next(&self, from_us: i64, end_us: i64) -> Option<Allowance> {
        let last_us = self.renewal?.until_us;
        let until_us = end_us.min(last_us);
        (until_us > from_us).then(|| Allowance {
            id: self.id.renewed(),
            from_us,
            until_us,
            ..self.clone()
        })
    }

    /// How much there is, milliseconds.
    #[must_use]
    pub fn granted_ms(&self) -> u64 {
        u64::from(self.seconds) * 1_000
    }

    /// Whether it is for a call to `number` that begins at `at_us`.
    #[must_use]
    pub fn is_for(&self, number: Option<&Digits>, at_us: i64) -> bool {
        let is_valid = (self.from_us..self.until_us).contains(&at_us);
        let prefix = self.prefix.as_ref();
        is_valid && prefix.is_none_or(|p| number.is_some_and(|number| number.has_prefix(p)))
    }

    /// It is a packet of money, and no free time.
    #[must_use]
    pub fn is_money(&self) -> bool {
        self.credit > Amount::ZERO
    }

    /// Which goes first: the longest prefix, then the one that ends first, then the least id.
    #[must_use]
    pub fn order(&self) -> (core::cmp::Reverse<usize>, i64, AllowanceId) {
        let prefix = self.prefix.as_ref().map_or(0, |prefix| prefix.as_bytes().len());
        (core::cmp::Reverse(prefix), self.until_us, self.id)
    }
}

/// A SIP identity with features.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscriber {
    /// Identity.
    pub id: SubscriberId,
    /// Tenant; its realm is the realm of the HA1 values.
    pub tenant: TenantId,
    /// Who pays.
    pub account: AccountId,
    /// Owner; scope of the short number.
    pub organization: OrganizationId,
    /// Digest user name and address of record, unique per tenant.
    pub username: String,
    /// Numbers that reach it, canonical; the first is shown to the outside. Unique per tenant.
    pub numbers: Vec<Digits>,
    /// Short number inside its organization.
    pub short: Option<Digits>,
    /// Display name.
    pub display: String,
    /// `MD5(username:realm:password)`.
    pub ha1_md5: Option<Ha1<16>>,
    /// `SHA-256(username:realm:password)`.
    pub ha1_sha256: Option<Ha1<32>>,
    /// Algorithms accepted from it.
    pub digest: DigestPolicy,
    /// Time it rings, seconds; 0 = the tenant's (source: `NoAnswer`).
    pub ring_timeout_s: u32,
    /// Most concurrent calls it makes, 0 = no limit.
    pub calls_max: u32,
    /// `false` = as if deleted, for calls and registrations (source: `Enabled`).
    pub enabled: bool,
    /// Shortest registration accepted, seconds, at most 3600; shorter wishes are answered 423.
    pub expires_s_min: u32,
    /// Longest registration granted, seconds (source: `upperexpire`).
    pub expires_s_max: u32,
    /// Most contacts registered at once.
    pub contacts_max: u8,
    /// What called parties see of it.
    pub identity: Identity,
    /// What it may call.
    pub barring: Barring,
    /// Where its calls go instead.
    pub forwards: Vec<Forward>,
}

/// Which digest algorithms a subscriber may use (design of calls, 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DigestPolicy {
    /// SHA-256 or MD5.
    Both,
    /// SHA-256 only.
    Sha256Only,
    /// MD5 only: accounts marked old.
    Md5Only,
}

/// A stored digest secret; whoever knows it can authenticate, so it never prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Debug for Ha1<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(..)")
    }
}

/// A peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    /// Identity.
    pub id: TrunkId,
    /// Tenant.
    pub tenant: TenantId,
    /// Owner.
    pub organization: OrganizationId,
    /// Shown name.
    pub name: String,
    /// Carries calls.
    pub enabled: bool,
    /// Sends us calls.
    pub ingress: Option<Ingress>,
    /// Takes calls from us.
    pub egress: Option<Egress>,
}

/// Transports a row can name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Stream.
    Tcp,
    /// Stream under TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket under TLS.
    Wss,
}

/// A list of prices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tariff {
    /// Identity.
    pub id: TariffId,
    /// Tenant.
    pub tenant: TenantId,
    /// Shown name.
    pub name: String,
    /// Currency of its prices.
    pub currency: Currency,
    /// Whose prices.
    pub kind: TariffKind,
    /// How the amount of one call is rounded.
    pub rounding: Rounding,
    /// Value added tax, millionths (20 % = 200000).
    pub vat_ppm: u32,
    /// Prices contain the tax.
    pub vat_included: bool,
}

/// Whose prices a tariff holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TariffKind {
    /// What customers pay us.
    Customer,
    /// What we pay suppliers.
    Supplier,
}

/// Rounding of a call's amount, once per call and level.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rounding {
    /// Decimal digits kept, at most the ledger's.
    pub digits: u8,
    /// Direction.
    pub mode: RoundingMode,
}

/// Directions of rounding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RoundingMode {
    /// Half away from zero.
    #[default]
    HalfAway,
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
    /// Half to even.
    HalfEven,
}

/// A change of a price list: what differs from the revisions before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TariffRevision {
    /// Its list.
    pub tariff: TariffId,
    /// 1 for the first; a later one counts before an earlier.
    pub number: u32,
    /// Whether its rows count.
    pub state: RevisionState,
    /// Its rows count from then on, microseconds.
    pub effective_us: i64,
    /// Why, for people.
    pub note: String,
    /// When it was begun, microseconds.
    pub created_us: i64,
    /// When it was published, microseconds.
    pub published_us: Option<i64>,
}

/// Whether a revision's rows count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RevisionState {
    /// Rows are added to it.
    Draft,
    /// They count.
    Published,
    /// They counted and do not count any more.
    Undone,
}

/// One price line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Identity.
    pub id: RateId,
    /// Its list.
    pub tariff: TariffId,
    /// Called numbers it is for; the longest wins.
    pub prefix: Digits,
    /// When it counts; of several prices of one prefix the narrowest class wins.
    pub class: TimeClass,
    /// Fewest digits of numbers it is for (source: `mindigits`).
    pub digits_min: u8,
    /// Most digits of numbers it is for, 0 = no limit (source: `maxdigits`).
    pub digits_max: u8,
    /// Price per minute.
    pub price: Price,
    /// Billing step, seconds, at least 1.
    pub step_s: u32,
    /// Minimum charged once answered, seconds.
    pub minimum_s: u32,
    /// Not charged at the beginning, seconds.
    pub free_s: u32,
    /// Nothing is charged beyond this, seconds; 0 = no such limit.
    pub free_after_s: u32,
    /// Charged once on answer, at the ledger scale of the tariff's currency.
    pub connection_fee: Amount,
    /// In force from.
    pub from_us: i64,
    /// In force before; `None` = until replaced.
    pub until_us: Option<i64>,
}

/// What tells the prices of one moment apart: of two with the same key one counts.
pub type RateKey = (Digits, TimeClass, u8, u8);

impl Rate {
    /// Its key.
    #[must_use]
    pub const fn key(&self) -> RateKey {
        (self.prefix, self.class, self.digits_min, self.digits_max)
    }

    /// Whether it is for numbers of so many digits.
    #[must_use]
    pub fn takes_digits(&self, count: usize) -> bool {
        takes_digits(self.digits_min, self.digits_max, count)
    }
}

/// Whether `count` digits are within limits, of which an upper one of 0 is none.
#[must_use]
pub fn takes_digits(least: u8, most: u8, count: usize) -> bool {
    usize::from(least) <= count && (most == 0 || count <= usize::from(most))
}

/// What one unit of a currency is worth from a time on, in the currency of the tenant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExchangeRate {
    /// Identity.
    pub id: ExchangeRateId,
    /// Tenant.
    pub tenant: TenantId,
    /// The currency; never the tenant's own.
    pub currency: Currency,
    /// Units of the tenant's currency for one of it, 1e-9; above zero.
    pub rate: i64,
    /// In force from, microseconds, until a later one is.
    pub from_us: i64,
}

/// A pattern with targets (spec ROUTE-PAT-01).
///
/// The route with the larger priority wins, among equals the longer prefix. A route without a
/// usable target refuses the call, so a prefix can be blocked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Identity.
    pub id: RouteId,
    /// Tenant.
    pub tenant: TenantId,
    /// Called numbers it is for; empty = all.
    pub prefix: Digits,
    /// Further called numbers it is for (spec C-RTE-07).
    pub more_prefixes: Vec<Digits>,
    /// Prefixes of callers' numbers it is for; empty = all.
    pub callers: Vec<Digits>,
    /// Callers of this organization, or of one below it, only.
    pub organization: Option<OrganizationId>,
    /// Times that it is for, by the tenant's clock; empty = always (spec ROUTE-PAT-01).
    pub times: Vec<TimeClass>,
    /// Times that it is not for, whatever `times` says.
    pub except_times: Vec<TimeClass>,
    /// Its calls may take the lines that trunks keep reserved ([`Egress::calls_reserved`]).
    pub reserved: bool,
    /// Larger wins.
    pub priority: i32,
    /// When its targets are exhausted, the next matching route follows.
    pub overflow: bool,
    /// How targets of one priority follow each other; `None` = as the setting `route.order` says.
    pub order: Option<RouteOrder>,
    /// Where the call goes.
    pub targets: Vec<RouteTarget>,
}

impl Route {
    /// A route to nowhere, with nothing else set.
    #[must_use]
    pub const fn new(id: RouteId, tenant: TenantId, prefix: Digits) -> Route {
        Route {
            id,
            tenant,
            prefix,
            more_prefixes: Vec::new(),
            callers: Vec::new(),
            organization: None,
            times: Vec::new(),
            except_times: Vec::new(),
            reserved: false,
            priority: 0,
            overflow: false,
            order: None,
            targets: Vec::new(),
        }
    }
}

/// How targets of one priority follow each other (spec ROUTE-LB-01, ROUTE-LCR-01, BRS-01).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum RouteOrder {
    /// By the trunks' own preference, then by weight.
    #[default]
    Weight,
    /// The cheapest for this call first.
    Price,
    /// By price and quality together, those without figures tried now and then.
    Quality,
    /// The one that was called longest ago first.
    Rotation,
    /// Each as often as its weight says, counted call by call.
    Share,
    /// The one with the most free lines first.
    Lines,
}

impl RouteOrder {
    /// All.
    pub const ALL: [RouteOrder; 6] = [
        RouteOrder::Weight,
        RouteOrder::Price,
        RouteOrder::Quality,
        RouteOrder::Rotation,
        RouteOrder::Share,
        RouteOrder::Lines,
    ];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RouteOrder::Weight => "weight",
            RouteOrder::Price => "price",
            RouteOrder::Quality => "quality",
            RouteOrder::Rotation => "rotation",
            RouteOrder::Share => "share",
            RouteOrder::Lines => "lines",
        }
    }

    /// The order of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<RouteOrder> {
        RouteOrder::ALL.into_iter().find(|order| order.name() == word)
    }
}

/// One target of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteTarget {
    /// Trunk.
    pub trunk: TrunkId,
    /// Larger is tried first; each full hundred is a tier of its own (spec ROUTE-PRIO-01).
    pub priority: i32,
    /// Share among equals; 0 = only when the others are exhausted.
    pub weight: u16,
}

/// An emergency number (spec ROUTE-EMERG-01): no credit, no limit and no price stands before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emergency {
    /// Tenant.
    pub tenant: TenantId,
    /// Number, canonical and as dialled.
    pub number: Digits,
    /// Trunks in the order to try.
    pub trunks: Vec<TrunkId>,
}

/// The name of a called direction, for records and reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Destination {
    /// Tenant.
    pub tenant: TenantId,
    /// Called numbers it names; the longest wins.
    pub prefix: Digits,
    /// Name, for example `United Kingdom mobile`.
    pub name: String,
}

/// By how much a stored contact may end before it really does, microseconds: a refresh that makes
/// it last no longer than this is not written.
pub const BINDING_GRACE_US: i64 = 60_000_000;

/// A registered contact, as written behind the registrar's memory and read at boot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Whose contact; 0 for one of a trunk, which is kept under the trunk.
    pub subscriber: SubscriberId,
    /// Contact URI as registered.
    pub uri: String,
    /// `+sip.instance` (RFC 5626), empty when not sent.
    pub instance: String,
    /// `reg-id` (RFC 5626), 0 when not sent.
    pub reg_id: u32,
    /// Call-ID of the last REGISTER.
    pub sip_call_id: String,
    /// CSeq of the last REGISTER.
    pub cseq: u32,
    /// Quality, thousandths.
    pub q: u16,
    /// User-Agent.
    pub user_agent: String,
    /// Path headers, topmost first (RFC 3327).
    pub path: Vec<String>,
    /// Listener it came to.
    pub listener: u8,
    /// Address the REGISTER came from.
    pub source: SocketAddr,
    /// Transport it came by.
    pub transport: Transport,
    /// Flow token of the connection, 0 for UDP; void after a restart of the dataplane.
    pub flow: u64,
    /// Its REGISTER's Via named another address than it came from: a NAT lies between.
    pub nated: bool,
    /// When it was last refreshed.
    pub refreshed_us: i64,
    /// When it ends.
    pub expires_us: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Ha1([7; 16])), "Ha1(..)");
    }
}
