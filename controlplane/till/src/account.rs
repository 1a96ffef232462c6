//! Accounts and their numbers.

use crate::limit::Counter;
use crate::packet::Room;
use crate::period::{Since, Spendings};
use crate::{AccountKey, Load, PERIODS, Spent};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use strowger_model::{Amount, TenantId};

/// An account's numbers, for REST and for the laws of the simulator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Balance {
    /// Which.
    pub key: AccountKey,
    /// Balance in the database.
    pub posted: Amount,
    /// Charges (negative) and adjustments that the store has not committed yet.
    pub uncommitted: Amount,
    /// What running calls can still cost.
    pub held: Amount,
    /// The balance never passes below this; `None` = no floor.
    pub floor: Option<Amount>,
    /// What the balance leaves for a new call; `None` = without end. Days and months may leave
    /// less.
    pub available: Option<Amount>,
    /// Calls at once.
    pub calls: u32,
    /// What was spent in its newest day and month.
    pub spent: [Spent; PERIODS],
}

/// What one call holds of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountHold {
    /// Its talk time.
    pub granted: crate::Granted,
    /// What it can still cost.
    pub amount: Amount,
    /// It was answered.
    pub answered: bool,
}

impl Balance {
    /// Posted and uncommitted: what the account has, before running calls.
    #[must_use]
    pub fn total(&self) -> Amount {
        clamp(i128::from(self.posted.0) + i128::from(self.uncommitted.0))
    }
}

/// Sums are kept in i128: no number of i64 changes can overflow them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    posted: i128,
    uncommitted: i128,
    held: i128,
    floor: Option<Amount>,
    pub(crate) calls_max: u32,
    pub(crate) per_second_max: u32,
    pub(crate) counter: Counter,
    /// Whose calendar it follows; `None` until it is loaded.
    pub(crate) tenant: Option<TenantId>,
    pub(crate) spendings: Spendings,
    /// What it spends counts in what its tenant may spend.
    pub(crate) counts: bool,
    /// Calls in their last slice may get free time when there is no money.
    pub(crate) has_pools: bool,
    /// A charge came before its account was loaded.
    pub(crate) is_loaded: bool,
}

impl Account {
    /// A place for charges of an account that is not loaded.
    fn unknown() -> Account {
        Account {
            posted: 0,
            uncommitted: 0,
            held: 0,
            floor: None,
            calls_max: 0,
            per_second_max: 0,
            counter: Counter::default(),
            tenant: None,
            spendings: Spendings::NEW,
            counts: false,
            has_pools: false,
            is_loaded: false,
        }
    }

    /// New settings; the balance only when there was none.
    pub(crate) fn load(&mut self, load: &Load) {
        if !self.is_loaded {
            self.posted = load.posted.0.into();
            self.is_loaded = true;
        }
        self.floor = load.floor;
        self.calls_max = load.calls_max;
        self.per_second_max = load.per_second_max;
        self.tenant = Some(load.tenant);
        self.counts = load.counts;
        self.spendings.limit(load.spend_max);
        self.spendings.limit_talk(load.talk_ms_max);
        self.spendings.learn(load.learning);
    }

    /// Calls must be held for.
    pub(crate) fn is_limited(&self) -> bool {
        self.floor.is_some() || self.spendings.is_limited()
    }

    /// What a call that began in `since` can hold beyond the holds there are, `own` of which is its
    /// own: the least of what the balance and each period leave; `None` = without end.
    pub(crate) fn available(&self, own: Amount, since: Since) -> Option<Amount> {
        let money = self.money(own).map(|left| i128::from(left.0));
        let spending = self.spendings.available(since, own);
        [money, spending].into_iter().flatten().min().map(clamp)
    }

    /// The same for a call that a packet pays for first: what the packet leaves comes to what the
    /// balance leaves beside what is held for the call there.
    pub(crate) fn available_with(&self, own: Amount, since: Since, room: Room) -> Option<Amount> {
        let beside = self.money(Amount(0)).map(|left| i128::from(left.0) + room.beyond);
        let money = beside.map(|left| left.max(0) + room.left);
        let spending = self.spendings.available(since, own);
        [money, spending].into_iter().flatten().min().map(clamp)
    }

    /// What the balance leaves beyond the holds there are, `own` of which belongs to the asker;
    /// `None` = without end. Negative when the balance is below its floor.
    pub(crate) fn money(&self, own: Amount) -> Option<Amount> {
        let floor = i128::from(self.floor?.0);
        Some(clamp(self.posted + self.uncommitted - self.held + i128::from(own.0) - floor))
    }

    /// A hold changes from `before` to `after`.
    pub(crate) fn hold(&mut self, since: Since, before: Amount, after: Amount) {
        self.held += i128::from(after.0) - i128::from(before.0);
        self.spendings.hold(since, before, after);
    }

    /// The same of a call that a packet pays for first: only what goes beyond the packet is held of
    /// the balance, and all of it counts in days and months.
    pub(crate) fn hold_beyond(
        &mut self,
        since: Since,
        (before, after): (Amount, Amount),
        by: i128,
    ) {
        self.held += by;
        self.spendings.hold(since, before, after);
    }

    /// What is held of the balance for calls of a packet changes.
    pub(crate) fn shift_held(&mut self, by: i128) {
        self.held += by;
    }

    pub(crate) fn charge(&mut self, since: Since, charge: Amount) {
        self.uncommitted -= i128::from(charge.0);
        self.spendings.charge(since, charge);
    }

    pub(crate) fn commit(&mut self, charge: Amount) {
        self.posted -= i128::from(charge.0);
        self.uncommitted += i128::from(charge.0);
    }

    /// An adjustment that stands in the database.
    pub(crate) fn post(&mut self, amount: Amount) {
        self.posted += i128::from(amount.0);
    }

    /// An adjustment that does not stand there yet.
    pub(crate) fn promise(&mut self, amount: Amount) {
        self.uncommitted += i128::from(amount.0);
    }

    pub(crate) fn total(&self) -> Amount {
        clamp(self.posted + self.uncommitted)
    }

    pub(crate) fn balance(&self, key: AccountKey) -> Balance {
        Balance {
            key,
            posted: clamp(self.posted),
            uncommitted: clamp(self.uncommitted),
            held: clamp(self.held),
            floor: self.floor,
            available: self.money(Amount::ZERO),
            calls: self.counter.in_use(),
            spent: self.spendings.spent(),
        }
    }
}

/// Where an account stands among [`Accounts`]; accounts never move, so a hold keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place(usize);

/// All accounts. Found by hash, because a million of them make a tree of cold nodes. The hash has
/// no key, because nobody outside chooses account numbers, and decides no order.
#[derive(Default, Debug)]
pub(crate) struct Accounts {
    places: HashMap<AccountKey, Place, BuildHasherDefault<KeyHasher>>,
    list: Vec<(AccountKey, Account)>,
}

/// Mixes the two numbers of a key.
#[derive(Clone, Copy, Default, Debug)]
struct KeyHasher(u64);

impl KeyHasher {
    /// Odd, its bits without order: the fraction of the golden ratio.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(32) ^ word).wrapping_mul(KeyHasher::SPREAD);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_i64(&mut self, number: i64) {
        self.mix(number.cast_unsigned());
    }

    fn finish(&self) -> u64 {
        // The upper half is mixed best, and tables look at both ends.
        self.0 ^ self.0 >> 32
    }
}

impl Accounts {
    pub(crate) fn find(&self, key: AccountKey) -> Option<Place> {
        self.places.get(&key).copied()
    }

    /// The account, or a place for charges until it is loaded; `None` when there are `count_max`.
    pub(crate) fn find_or_open(&mut self, key: AccountKey, count_max: usize) -> Option<Place> {
        if let Some(place) = self.find(key) {
            return Some(place);
        }
        if self.list.len() >= count_max {
            return None;
        }
        let place = Place(self.list.len());
        self.list.push((key, Account::unknown()));
        self.places.insert(key, place);
        Some(place)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Account> {
        self.list.get(place.0).map(|(_, account)| account)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Account> {
        self.list.get_mut(place.0).map(|(_, account)| account)
    }

    /// In the order in which they were opened.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (AccountKey, &Account)> {
        self.list.iter().map(|(key, account)| (*key, account))
    }
}

pub(crate) fn clamp(value: i128) -> Amount {
    let bounded = value.clamp(i64::MIN.into(), i64::MAX.into());
    Amount(i64::try_from(bounded).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::hash::BuildHasher;
    use strowger_model::AccountId;

    #[test]
    fn keys_spread_over_both_ends_of_their_hashes() {
        let hasher = BuildHasherDefault::<KeyHasher>::default();
        let ids = (0..4_096).flat_map(|n| [n, n * 1_000, n << 32, -n]);
        let keys =
            ids.flat_map(|id| [0, 7].map(|node| AccountKey { node, account: AccountId(id) }));
        let keys: BTreeSet<AccountKey> = keys.collect();
        let hashes: Vec<u64> = keys.iter().map(|key| hasher.hash_one(key)).collect();
        let kinds = |part: fn(&u64) -> u64| hashes.iter().map(part).collect::<BTreeSet<_>>().len();
        assert_eq!(kinds(|hash| *hash), keys.len(), "no two are one");
        assert_eq!(kinds(|hash| hash >> 57), 128);
        // As many as chance leaves of so many keys in twice as many places, and some more.
        assert!(kinds(|hash| hash & 0xffff) * 10 > keys.len() * 7);
    }
}
