//! Lists of numbers that may or may not be called, or may or may not call (spec ACL-BL-01, -03).

use crate::{AccountId, NumberListId, TenantId, TrunkId};

/// Most lists.
pub const NUMBER_LISTS_MAX: usize = 65_536;
/// Most lists about one side of the calls of one place: all of them are looked into.
pub const NUMBER_LISTS_PLACE_MAX: usize = 16;
/// Most entries of all lists together.
pub const NUMBER_LIST_ENTRIES_MAX: usize = 50_000_000;

/// A list of numbers and beginnings of numbers: whose calls it is about, and what follows from
/// standing on it. Its entries are no rows, there are too many of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberList {
    /// Identity.
    pub id: NumberListId,
    /// `None` = about all calls of the switch.
    pub tenant: Option<TenantId>,
    /// Only calls that this account pays for.
    pub account: Option<AccountId>,
    /// Only calls that come in by this trunk.
    pub trunk: Option<TrunkId>,
    /// Shown name.
    pub name: String,
    /// Whose number is looked for.
    pub side: NumberSide,
    /// What an entry does.
    pub effect: ListEffect,
    /// It counts.
    pub enabled: bool,
}

/// Whose number is looked for on a list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NumberSide {
    /// The number that is called, where the call leaves us.
    Called,
    /// The number of who calls.
    Caller,
}

/// What an entry of a list does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ListEffect {
    /// Numbers on it are denied (the source's blacklist).
    Deny,
    /// Numbers on it are let through, where a shorter entry of another list of the place denies.
    Allow,
    /// The same, and what is on no list of the place is denied (the source's whitelist).
    Only,
}
