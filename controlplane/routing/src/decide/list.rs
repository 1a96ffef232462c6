//! Numbers that may not be called, or may not call: lists, and kinds of numbers (spec ACL-BL-01,
//! SEC-FRAUD-01).

use super::Attempt;
use super::called::Called;
use crate::caller::CallerAt;
use crate::list::{ListPlace, ListWord};
use crate::trace::Step;
use crate::world::World;
use strowger_model::{
    Account, AccountId, Digits, NUMBER_KINDS, NumberSide, Profile, TenantId, TrunkId,
};
use strowger_numbering::Ranges;

/// Whose lists and settings a number passes.
pub(super) struct Gate<'a> {
    pub(super) tenant: TenantId,
    pub(super) account: AccountId,
    /// The trunk that the call came in by.
    pub(super) trunk: Option<TrunkId>,
    pub(super) settings: &'a Profile,
}

impl<'a> Gate<'a> {
    /// That of an account that pays for a way of somebody else's call.
    pub(super) fn of(world: &'a World, account: &Account) -> Gate<'a> {
        let settings = world.account_settings(account.id);
        Gate { tenant: account.tenant, account: account.id, trunk: None, settings }
    }

    /// The places of its lists, the widest first.
    fn places(&self) -> [Option<ListPlace>; 4] {
        [
            Some(ListPlace::Switch),
            Some(ListPlace::Tenant(self.tenant)),
            Some(ListPlace::Account(self.account)),
            self.trunk.map(ListPlace::Trunk),
        ]
    }
}

impl Attempt<'_> {
    /// Why a number that leaves us is not called; `None` when it is. What was dialled counts, as
    /// for barring. What is no number stands on no list.
    pub(super) fn denied_called(&mut self, gate: &Gate<'_>, called: &Called) -> Option<Step> {
        let kinds = gate.settings.call.kinds_denied;
        if !kinds.is_empty()
            && let Ok(number) = &called.number
        {
            let word = Ranges::shipped().class(number).word();
            let place = NUMBER_KINDS.iter().position(|known| *known == word);
            if let Some(place) = place.filter(|place| kinds.has(*place)) {
                let number_kind = i64::try_from(place).unwrap_or_default();
                return Some(Step::KindDenied { number_kind });
            }
        }
        let number = called.number.unwrap_or(Digits::EMPTY);
        self.denied_by_lists(gate, NumberSide::Called, number)
    }

    /// Why a rule about callers keeps a call from leaving us to this number (spec ACL-BL-03);
    /// `number` is that of who calls or forwards.
    pub(super) fn denied_out(
        &mut self,
        gate: &Gate<'_>,
        number: impl FnOnce(&Self) -> String,
        called: &Called,
    ) -> Option<Step> {
        let callers = self.world.callers();
        if !callers.has_called() {
            return None;
        }
        let number = Digits::parse(&number(self)).unwrap_or(Digits::EMPTY);
        let (tenant, account) = (gate.tenant, gate.account);
        let caller = CallerAt { tenant, account, number, at_us: self.wall_us };
        let rule = callers.deciding_out(called.number.as_ref().ok()?, caller)?;
        self.turned_away(rule)
    }

    /// Why a caller with this number may not call; empty is one without a number.
    pub(super) fn denied_caller(&mut self, gate: &Gate<'_>, number: Digits) -> Option<Step> {
        self.denied_by_lists(gate, NumberSide::Caller, number)
    }

    fn denied_by_lists(
        &mut self,
        gate: &Gate<'_>,
        side: NumberSide,
        number: Digits,
    ) -> Option<Step> {
        let (lists, entries) = (self.world.lists(), self.world.list_entries());
        if lists.is_empty() {
            return None;
        }
        for place in gate.places().into_iter().flatten() {
            let digits = |digits: usize| i64::try_from(digits).unwrap_or_default();
            match lists.word(entries, (side, place), &number) {
                None => {}
                Some(ListWord::Allowed(id, entry)) => {
                    self.note(Step::ListAllowed { number_list: id.0, digits: digits(entry) });
                }
                Some(ListWord::Denied(id, entry)) => {
                    return Some(Step::ListDenied { number_list: id.0, digits: digits(entry) });
                }
                Some(ListWord::Lacking(id)) => {
                    return Some(Step::ListLacks { number_list: id.0 });
                }
            }
        }
        None
    }
}
