//! Which legs a record is about: all of a call, or those of one forward.

use super::trace::{Call, Leg};
use crate::{Forwarder, Part, PriceRef, Settlement};
use strowger_link::{CallEnded, LegEnded, Tick};

/// One part of a call. Without a settlement there are no parts and all legs are the caller's own.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    settlement: Option<&'s Settlement>,
    /// `None` = what the caller dialled.
    pub(super) part: Option<u8>,
}

impl<'s> Scope<'s> {
    /// What the caller dialled.
    pub(super) const fn caller(settlement: Option<&'s Settlement>) -> Scope<'s> {
        Scope { settlement, part: None }
    }

    /// The forwards of a call, in order.
    pub(super) fn forwards(settlement: Option<&'s Settlement>) -> impl Iterator<Item = Scope<'s>> {
        let parts = settlement.map(|settlement| settlement.parts.as_slice()).unwrap_or_default();
        let own = (0u8..).zip(parts).filter(|(_, part)| !part.instead);
        own.map(move |(part, _)| Scope { settlement, part: Some(part) })
    }

    /// The leg belongs to this part itself: it stands in its record and in no other.
    pub(super) fn owns(&self, leg: &Leg<'_>) -> bool {
        self.settlement.is_none_or(|s| s.home(part_of(s, leg)) == self.part)
    }

    /// The leg belongs to this part or to a forward that follows from it.
    pub(super) fn covers(&self, leg: &Leg<'_>) -> bool {
        let Some((settlement, part)) = self.settlement.zip(self.part) else { return true };
        settlement.chain(part_of(settlement, leg)).any(|(index, _)| index == part)
    }

    /// The called leg of the record: the one that answered, else the last one tried; `None` when a
    /// forward answered, or nothing but forwards was tried.
    pub(super) fn called<'c, 'f>(&self, call: &'c Call<'f>) -> Option<&'c Leg<'f>> {
        match call.winner().filter(|leg| self.covers(leg)) {
            Some(winner) => Some(winner).filter(|leg| self.owns(leg)),
            None => call.called_legs().filter(|leg| self.owns(leg)).last(),
        }
    }

    /// Who forwarded out of this part: to where it was answered, else first.
    pub(super) fn forwarder(&self, call: &Call<'_>) -> Option<Forwarder> {
        let settlement = self.settlement?;
        let answered = call.winner().and_then(|leg| part_of(settlement, leg));
        let is_out = |part: &Part| !part.instead && settlement.home(part.parent) == self.part;
        let on_the_way = settlement.chain(answered).find(|(_, part)| is_out(part));
        let first = || settlement.parts.iter().find(|part| is_out(part));
        on_the_way.map(|(_, part)| part).or_else(first).map(|part| part.by)
    }

    /// Somebody answered in this part.
    pub(super) fn is_answered(&self, call: &Call<'_>) -> bool {
        call.winner().is_some_and(|leg| self.covers(leg))
    }

    /// When it began: the call, or the forward.
    pub(super) fn started_at(&self, call: &Call<'_>) -> Tick {
        let legs = call.called_legs().filter(|leg| self.covers(leg)).map(|leg| leg.opened.at);
        match self.part {
            None => call.started_at,
            Some(_) => legs.min().unwrap_or(call.started_at),
        }
    }

    /// How a forward ended that nobody answered: as its last leg did; and how a call that was
    /// rerouted: as the leg that it left. `None` = as the call.
    pub(super) fn own_end<'f>(&self, call: &Call<'f>) -> Option<&'f LegEnded> {
        let left = call.ended.and_then(|ended| call.left(ended.at));
        if left.is_some() && (self.part.is_none() || self.is_answered(call)) {
            return left;
        }
        self.part.filter(|_| !self.is_answered(call))?;
        let legs = call.called_legs().filter(|leg| self.covers(leg));
        legs.filter_map(|leg| leg.ended).max_by_key(|ended| ended.at)
    }

    pub(super) fn ended_at(&self, call: &Call<'_>, ended: &CallEnded) -> Tick {
        self.own_end(call).map_or(ended.at, |end| end.at)
    }
}

fn part_of(settlement: &Settlement, leg: &Leg<'_>) -> Option<u8> {
    PriceRef::of(leg.opened.hop).part.filter(|part| settlement.part(*part).is_some())
}
