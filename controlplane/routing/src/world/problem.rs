//! Why rows make no world, in words that name the row.

use core::fmt;
use strowger_model::{
    AccountId, BanId, CallerRuleId, DidId, Digits, ExchangeRateId, HolidayId, NumberListId,
    OrganizationId, PhonebookEntryId, PriceRuleId, RateId, RingGroupId, RouteId, RuleId, SettingId,
    SubscriberId, TariffId, TenantId, TrunkId,
};

/// A row and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{row}: {problem}")]
pub struct BuildError {
    /// The row.
    pub row: RowName,
    /// What is wrong.
    pub problem: Problem,
}

/// A row by its kind and key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RowName {
    /// A tenant.
    Tenant(TenantId),
    /// An organization.
    Organization(OrganizationId),
    /// An account.
    Account(AccountId),
    /// A subscriber.
    Subscriber(SubscriberId),
    /// A trunk.
    Trunk(TrunkId),
    /// A tariff.
    Tariff(TariffId),
    /// A price line.
    Rate(RateId),
    /// A route.
    Route(RouteId),
    /// The name of a direction.
    Destination(TenantId, Digits),
    /// An emergency number.
    Emergency(TenantId, Digits),
    /// A ring group.
    RingGroup(RingGroupId),
    /// A number of ours.
    Did(DidId),
    /// A contact of a subscriber.
    PhonebookEntry(PhonebookEntryId),
    /// A banned network.
    Ban(BanId),
    /// A rule about callers.
    CallerRule(CallerRuleId),
    /// A list of numbers.
    NumberList(NumberListId),
    /// A rule about calls.
    Rule(RuleId),
    /// A setting at one place.
    Setting(SettingId),
    /// Days that are holidays.
    Holiday(HolidayId),
    /// What a currency is worth.
    ExchangeRate(ExchangeRateId),
    /// A rule about prices.
    PriceRule(PriceRuleId),
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowName::Tenant(id) => write!(f, "tenant {id}"),
            RowName::Organization(id) => write!(f, "organization {id}"),
            RowName::Account(id) => write!(f, "account {id}"),
            RowName::Subscriber(id) => write!(f, "subscriber {id}"),
            RowName::Trunk(id) => write!(f, "trunk {id}"),
            RowName::Tariff(id) => write!(f, "tariff {id}"),
            RowName::Rate(id) => write!(f, "rate {id}"),
            RowName::Route(id) => write!(f, "route {id}"),
            RowName::Destination(tenant, prefix) => {
                write!(f, "destination {prefix} of tenant {tenant}")
            }
            RowName::Emergency(tenant, number) => {
                write!(f, "emergency number {number} of tenant {tenant}")
            }
            RowName::RingGroup(id) => write!(f, "ring group {id}"),
            RowName::Did(id) => write!(f, "DID {id}"),
            RowName::PhonebookEntry(id) => write!(f, "phonebook entry {id}"),
            RowName::Ban(id) => write!(f, "ban {id}"),
            RowName::CallerRule(id) => write!(f, "caller rule {id}"),
            RowName::NumberList(id) => write!(f, "number list {id}"),
            RowName::Rule(id) => write!(f, "rule {id}"),
            RowName::Setting(id) => write!(f, "setting {id}"),
            RowName::Holiday(id) => write!(f, "holiday {id}"),
            RowName::ExchangeRate(id) => write!(f, "exchange rate {id}"),
            RowName::PriceRule(id) => write!(f, "price rule {id}"),
        }
    }
}

/// What is wrong with a row.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// It refers to a row that is not there.
    #[error("{0} does not exist")]
    Missing(RowName),
    /// It refers to a row of another tenant.
    #[error("{0} belongs to another tenant")]
    OtherTenant(RowName),
    /// Its field has a value that another row has and that must be unique.
    #[error("its {field} is taken by {by}")]
    Taken {
        /// Field.
        field: &'static str,
        /// Who has it.
        by: RowName,
    },
    /// A list is too long.
    #[error("its {field} has more than {max} entries")]
    TooMany {
        /// Field.
        field: &'static str,
        /// Most entries.
        max: usize,
    },
    /// A value is out of range.
    #[error("its {field} is out of range")]
    OutOfRange {
        /// Field.
        field: &'static str,
    },
    /// Two rows that settle with each other have different currencies or kinds.
    #[error("its {field} does not fit {other}")]
    Mismatch {
        /// Field.
        field: &'static str,
        /// The other row.
        other: RowName,
    },
    /// Organizations form a ring, or a tree deeper than allowed.
    #[error("its parents form a ring or are too many")]
    Ring,
    /// The price cannot be rated.
    #[error("{0}")]
    Terms(strowger_billing::BadTerms),
    /// A rule about header fields.
    #[error("its {at}: {wrong}")]
    HeaderRule {
        /// The rule, for example `egress.header_rules[2]`.
        at: String,
        /// What is wrong with it.
        wrong: crate::header::BadHeaderRule,
    },
    /// A rule about calls.
    #[error("its {}: {}", .0.at, .0.why)]
    Rule(crate::rule::BadRule),
    /// No room for another prefix.
    #[error("the dictionary of prefixes is full")]
    DictionaryFull,
}
