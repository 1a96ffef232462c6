//! Lists of numbers: which may not be called, or may not call (spec ACL-BL-01, -03).
//!
//! A list counts at one place: for all calls of the switch, of a tenant, of an account, or of those
//! that come in by a trunk. The places of a call are gates, one behind the other, and each must let
//! it through: what the operator denies no tenant allows, and what a tenant denies none of its
//! accounts. At one place the longest entry of all lists decides; of equals the one that denies.
//! Where none is found, a place with a list of [`ListEffect::Only`] denies.
//!
//! Rows are few and part of the world; entries are millions and lie beside it ([`ListEntries`]). A
//! list whose entries are not there has none.

use crate::page::PageMap;
use std::collections::BTreeMap;
use strowger_list::Numbers;
use strowger_model::{
    AccountId, Digits, ListEffect, NumberList, NumberListId, NumberSide, TenantId, TrunkId,
};

/// What stands on lists.
pub type ListEntries = BTreeMap<NumberListId, Numbers>;

/// Where a list counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum ListPlace {
    /// For every call.
    Switch,
    /// For calls of a tenant.
    Tenant(TenantId),
    /// For calls that an account pays.
    Account(AccountId),
    /// For calls that come in by a trunk.
    Trunk(TrunkId),
}

/// What the lists of one place say of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ListWord {
    /// An entry denies it.
    Denied(NumberListId, usize),
    /// Nothing on this list, on which it must stand.
    Lacking(NumberListId),
    /// An entry lets it through.
    Allowed(NumberListId, usize),
}

/// All lists, indexed; those that do not count are in no index.
#[derive(Clone, Debug, Default)]
pub struct NumberLists {
    rows: PageMap<NumberListId, NumberList>,
    places: BTreeMap<(NumberSide, ListPlace), Vec<NumberListId>>,
}

impl NumberLists {
    /// All of them in order of ids.
    pub fn iter(&self) -> impl Iterator<Item = &NumberList> {
        self.rows.iter().map(|(_, row)| row)
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: NumberListId) -> Option<&NumberList> {
        self.rows.get(&id)
    }

    /// None counts anywhere: what most calls ask and no more.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What the lists of a place say of a number; empty is none, which stands on no list.
    pub(crate) fn word(
        &self,
        entries: &ListEntries,
        (side, place): (NumberSide, ListPlace),
        number: &Digits,
    ) -> Option<ListWord> {
        let lists = self.places.get(&(side, place))?;
        let lists = lists.iter().filter_map(|id| self.rows.get(id));
        // The longest entry, and whether it denies; which of equals comes first is all the same.
        let mut found: Option<((usize, bool), NumberListId)> = None;
        let mut only = None;
        for list in lists {
            let denies = list.effect == ListEffect::Deny;
            if list.effect == ListEffect::Only {
                only = only.or(Some(list.id));
            }
            let entry = entries.get(&list.id).and_then(|numbers| numbers.find(number));
            let Some(digits) = entry else { continue };
            let rank = (digits, denies);
            if found.is_none_or(|(known, _)| known < rank) {
                found = Some((rank, list.id));
            }
        }
        match found {
            Some(((digits, true), id)) => Some(ListWord::Denied(id, digits)),
            Some(((digits, false), id)) => Some(ListWord::Allowed(id, digits)),
            None => only.map(ListWord::Lacking),
        }
    }

    /// How many there would be with this one.
    pub(crate) fn len_with(&self, row: &NumberList) -> usize {
        let is_new = self.rows.get(&row.id).is_none();
        self.rows.iter().count() + usize::from(is_new)
    }

    /// The same of those that count at its place.
    pub(crate) fn place_len_with(&self, row: &NumberList) -> usize {
        let known = self.places.get(&(row.side, place(row))).map(Vec::as_slice);
        let others = known.unwrap_or_default().iter().filter(|id| **id != row.id).count();
        others + usize::from(row.enabled)
    }

    pub(crate) fn put(&mut self, row: NumberList) {
        self.remove(row.id);
        if row.enabled {
            let ids = self.places.entry((row.side, place(&row))).or_default();
            ids.push(row.id);
            ids.sort_unstable();
        }
        self.rows.insert(row.id, row);
    }

    pub(crate) fn remove(&mut self, id: NumberListId) {
        let Some(old) = self.rows.remove(&id) else { return };
        let key = (old.side, place(&old));
        let Some(ids) = self.places.get_mut(&key) else { return };
        ids.retain(|known| *known != id);
        if ids.is_empty() {
            self.places.remove(&key);
        }
    }
}

/// The narrowest that a row names.
const fn place(row: &NumberList) -> ListPlace {
    match (row.tenant, row.account, row.trunk) {
        (_, _, Some(trunk)) => ListPlace::Trunk(trunk),
        (_, Some(account), None) => ListPlace::Account(account),
        (Some(tenant), None, None) => ListPlace::Tenant(tenant),
        (None, None, None) => ListPlace::Switch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::digits;
    use proptest::prelude::*;
    use strowger_list::Packed;

    fn row(id: i64, effect: ListEffect) -> NumberList {
        NumberList {
            id: NumberListId(id),
            tenant: Some(TenantId(1)),
            account: None,
            trunk: None,
            name: format!("L{id}"),
            side: NumberSide::Called,
            effect,
            enabled: true,
        }
    }

    fn world(all: &[(NumberList, &[&str])]) -> (NumberLists, ListEntries) {
        let (mut lists, mut entries) = (NumberLists::default(), ListEntries::new());
        for (row, numbers) in all {
            lists.put(row.clone());
            let packed = Packed::build(numbers.iter().map(|number| digits(number)));
            entries.insert(row.id, Numbers::new(packed));
        }
        (lists, entries)
    }

    fn said((lists, entries): &(NumberLists, ListEntries), number: &str) -> String {
        let number = if number.is_empty() { Digits::EMPTY } else { digits(number) };
        let place = (NumberSide::Called, ListPlace::Tenant(TenantId(1)));
        match lists.word(entries, place, &number) {
            Some(ListWord::Denied(id, digits)) => format!("{id} denies by {digits}"),
            Some(ListWord::Lacking(id)) => format!("{id} lacks"),
            Some(ListWord::Allowed(id, digits)) => format!("{id} allows by {digits}"),
            None => String::new(),
        }
    }

    #[test]
    fn the_longest_entry_of_a_place_decides_and_of_equals_the_one_that_denies() {
        let lists = world(&[
            (row(1, ListEffect::Allow), &["4420", "49", "33"]),
            (row(2, ListEffect::Deny), &["44", "442079", "49", "9"]),
        ]);
        for (number, expect) in [
            ("447", "2 denies by 2"),
            ("44207", "1 allows by 4"),
            ("4420791", "2 denies by 6"),
            ("49", "2 denies by 2"),
            ("331", "1 allows by 2"),
            ("1", ""),
            ("", ""),
        ] {
            assert_eq!(said(&lists, number), expect, "{number}");
        }
    }

    #[test]
    fn where_only_some_may_pass_the_others_may_not() {
        let only = row(3, ListEffect::Only);
        let lists = world(&[(only.clone(), &["44"]), (row(4, ListEffect::Deny), &["4477"])]);
        assert_eq!(
            (said(&lists, "4420").as_str(), said(&lists, "49").as_str()),
            ("3 allows by 2", "3 lacks")
        );
        assert_eq!(
            (said(&lists, "44770").as_str(), said(&lists, "").as_str()),
            ("4 denies by 4", "3 lacks")
        );
        // Without its entries nobody stands on it.
        let (lists, _) = lists;
        assert_eq!(said(&(lists, ListEntries::new()), "4420"), "3 lacks");
        let off = NumberList { enabled: false, ..only };
        let (lists, entries) = world(&[(off.clone(), &["44"])]);
        assert!(lists.is_empty() && lists.get(off.id).is_some());
        assert_eq!(said(&(lists, entries), "49"), "");
    }

    #[test]
    fn a_list_is_where_it_is_put_and_nowhere_when_it_is_gone() {
        let (mut lists, entries) = world(&[(row(1, ListEffect::Deny), &["44"])]);
        let number = digits("4420");
        let mut at = |row: NumberList, at: ListPlace| {
            lists.put(row);
            let places = [
                ListPlace::Switch,
                ListPlace::Tenant(TenantId(1)),
                ListPlace::Account(AccountId(5)),
                ListPlace::Trunk(TrunkId(7)),
            ];
            for place in places {
                let word = lists.word(&entries, (NumberSide::Called, place), &number);
                assert_eq!(word.is_some(), place == at, "{place:?}");
                assert_eq!(lists.word(&entries, (NumberSide::Caller, place), &number), None);
            }
        };
        let of = row(1, ListEffect::Deny);
        at(of.clone(), ListPlace::Tenant(TenantId(1)));
        at(NumberList { tenant: None, ..of.clone() }, ListPlace::Switch);
        let account = NumberList { account: Some(AccountId(5)), ..of.clone() };
        at(account.clone(), ListPlace::Account(AccountId(5)));
        at(NumberList { trunk: Some(TrunkId(7)), ..of.clone() }, ListPlace::Trunk(TrunkId(7)));
        assert_eq!((lists.len_with(&of), lists.len_with(&row(2, ListEffect::Deny))), (1, 2));
        assert_eq!((lists.place_len_with(&of), lists.place_len_with(&account)), (1, 1));
        lists.remove(of.id);
        assert!(lists.is_empty() && lists.iter().next().is_none());
    }

    proptest! {
        /// What is said is what somebody would say who goes through all entries by hand.
        #[test]
        fn a_place_says_what_its_entries_say(
            all in proptest::collection::vec(
                (0..3usize, proptest::collection::vec("[1-3]{1,3}", 0..4)), 0..4),
            number in "[1-3]{1,4}",
        ) {
            let effects = [ListEffect::Deny, ListEffect::Allow, ListEffect::Only];
            let rows: Vec<(NumberList, Vec<&str>)> = (1..)
                .zip(&all)
                .map(|(id, (effect, list))| {
                    (row(id, effects[*effect]), list.iter().map(String::as_str).collect())
                })
                .collect();
            let rows: Vec<(NumberList, &[&str])> =
                rows.iter().map(|(row, list)| (row.clone(), list.as_slice())).collect();
            let longest = |denies: bool| {
                let of = rows.iter().filter(|(row, _)| (row.effect == ListEffect::Deny) == denies);
                let entries = of.flat_map(|(_, list)| list.iter());
                entries.filter(|entry| number.starts_with(**entry)).map(|entry| entry.len()).max()
            };
            let is_strict = rows.iter().any(|(row, _)| row.effect == ListEffect::Only);
            let is_denied = match (longest(true), longest(false)) {
                (Some(denied), Some(allowed)) => denied >= allowed,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => is_strict,
            };
            let said = said(&world(&rows), &number);
            let denies = said.contains("denies") || said.contains("lacks");
            prop_assert_eq!(denies, is_denied, "{}", said);
        }
    }
}
