//! What a trunk comes before others for (spec 19.3, keys 4, 9, 10, 20, 21), and its free lines
//! (35).
//!
//! The source compares one field, the absolute priority of a gateway, at keys 4, 5 and 9, with
//! those of SIM cards between them: without cards that is one comparison.

use super::Attempt;
use super::hop::Hops;
use super::order::{Known, Way};
use super::sender::Sender;
use super::way::Way as Tree;
use crate::trace::{FOR_ALL, FOR_CALLED, FOR_CALLER, FOR_ORGANIZATION, Step};
use strowger_model::{Digits, Egress, OrganizationId, Precedence, RouteOrder};

/// Bits of what counts above all priorities.
pub(super) const FIRST_BITS: u32 = 9;

/// Which of a trunk's precedences a call meets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct First {
    pub(super) absolute: u8,
    pub(super) called: bool,
    pub(super) caller: bool,
    pub(super) organization: bool,
}

impl First {
    /// The key above all priorities, [`FIRST_BITS`] of it; less is earlier.
    pub(super) fn above(self) -> u64 {
        u64::from(u8::MAX - self.absolute) << 1 | u64::from(!self.called)
    }

    /// The key within a priority, two bits; less is earlier.
    pub(super) fn within(self) -> u64 {
        u64::from(!self.caller) << 1 | u64::from(!self.organization)
    }

    /// The most significant of them, as the trace says it.
    fn reason(self) -> Option<i64> {
        let First { absolute, called, caller, organization } = self;
        let met = [
            (absolute > 0, FOR_ALL),
            (called, FOR_CALLED),
            (caller, FOR_CALLER),
            (organization, FOR_ORGANIZATION),
        ];
        met.into_iter().find_map(|(is_met, reason)| is_met.then_some(reason))
    }
}

impl<'a> Attempt<'a> {
    /// What is known of a target by its precedence, by its last call where it is to rest behind it,
    /// and by its lines where the order asks for them.
    pub(super) fn put_first(
        &mut self,
        known: &mut Known,
        (sender, hops, tree): (&Sender<'a>, &Hops<'_>, &Tree),
        egress: &Egress,
        way: &Way<'_>,
    ) {
        let trunk = known.target.trunk;
        if way.order == RouteOrder::Lines {
            known.lines_free = lines_free(egress.calls_max, way.view.lines(trunk));
        }
        if way.set.rest_ms > 0 && way.view.rests(trunk, way.set.rest_ms) {
            known.rests = true;
            self.note(Step::HopRests { trunk: trunk.0 });
        }
        let Some(precedence) = &egress.precedence else { return };
        known.first = self.first(precedence, sender, hops, tree);
        if let Some(precedence) = known.first.reason() {
            self.note(Step::HopFirst { trunk: trunk.0, precedence });
        }
    }

    fn first(
        &self,
        precedence: &Precedence,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        tree: &Tree,
    ) -> First {
        let Precedence { absolute, called, callers, organizations } = precedence;
        let begins = |number: &Digits, list: &[Digits]| list.iter().any(|p| number.has_prefix(p));
        let caller = || {
            let shown = self.known.as_ref().map(|known| known.caller.number.as_str());
            let number = sender.tenant.normalisation.normalise(shown.unwrap_or_default());
            number.is_ok_and(|number| begins(&number, callers))
        };
        let own = self.payer_organization(sender, hops, tree);
        First {
            absolute: *absolute,
            called: begins(&hops.number, called),
            caller: !callers.is_empty() && caller(),
            organization: organizations.iter().any(|one| self.world.is_within(own, *one)),
        }
    }

    /// The organization of who pays for hops: who forwards for a forward, else the caller.
    fn payer_organization(
        &self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        tree: &Tree,
    ) -> OrganizationId {
        let part = hops.place.part.and_then(|part| tree.parts.get(usize::from(part)));
        part.map_or_else(|| sender.organization(), |part| part.level.organization)
    }
}

/// Lines that no call has; without a limit there are more than anybody has.
fn lines_free(calls_max: u32, in_use: u32) -> u32 {
    match calls_max {
        0 => u32::MAX.saturating_sub(in_use),
        limit => limit.saturating_sub(in_use),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_lines_are_what_is_left_of_the_limit() {
        assert_eq!((lines_free(10, 3), lines_free(10, 10), lines_free(10, 11)), (7, 0, 0));
        assert!(lines_free(0, 1_000) > lines_free(1_000_000, 0), "no limit is more than any");
        assert!(lines_free(0, 1) > lines_free(0, 2));
    }

    #[test]
    fn the_most_significant_precedence_is_told() {
        let none = First::default();
        assert_eq!(none.reason(), None);
        let all = First { absolute: 1, called: true, caller: true, organization: true };
        assert_eq!(all.reason(), Some(FOR_ALL));
        assert_eq!(First { absolute: 0, ..all }.reason(), Some(FOR_CALLED));
        let within = First { caller: true, organization: true, ..none };
        assert_eq!(within.reason(), Some(FOR_CALLER));
        assert_eq!(First { organization: true, ..none }.reason(), Some(FOR_ORGANIZATION));
    }
}
