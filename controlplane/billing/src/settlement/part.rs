//! Forwards: who pays for a branch beside the caller (design of calls, 3).
//!
//! A call is a tree of parts. Its root is what the caller dialled and pays for; each forward is a
//! part below the one whose callee forwards, paid for by who forwards. A branch belongs to one part
//! and costs, once it is answered, all the parts above it, each its own payer.

use super::{BadSettlement, Level, Settlement};
use crate::compact::{Form, Reader, Writer};
use strowger_link::HOPS_MAX;
use strowger_model::{AccountId, CostBound, Digits, RingGroupId, SubscriberId};

/// Most forwards of one call.
pub const FORWARDS_MAX: usize = 5;

/// One forward.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The forward that it follows from, an earlier one; `None` = the caller's own call.
    pub parent: Option<u8>,
    /// Who forwards.
    pub by: Forwarder,
    /// Where to, in canonical form, if it has one.
    pub number: Option<Digits>,
    /// Prefix of the destination it belongs to.
    pub destination: Option<Digits>,
    /// Who pays, and what.
    pub level: Level,
}

/// Who forwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Forwarder {
    /// A subscriber.
    Subscriber(SubscriberId),
    /// A ring group, to a member outside.
    RingGroup(RingGroupId),
}

/// What a branch costs: `hop` of [`strowger_link::Branch`], read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PriceRef {
    /// Index in [`Settlement::hops`]; `None` = no supplier.
    pub hop: Option<u8>,
    /// Index in [`Settlement::parts`]; `None` = the caller's own call.
    pub part: Option<u8>,
}

/// Low half of the byte of a branch without a supplier.
const NO_HOP: u8 = 0x0f;

const _: () = assert!(HOPS_MAX < NO_HOP as usize && FORWARDS_MAX < 0x0f);

impl PriceRef {
    /// Low half: the hop; high half: the part, counted from one.
    #[must_use]
    pub fn byte(self) -> u8 {
        let hop = self.hop.filter(|hop| *hop < NO_HOP).unwrap_or(NO_HOP);
        let part = self.part.map_or(0, |part| part.saturating_add(1).min(NO_HOP));
        hop | (part << 4)
    }

    /// Reads the byte.
    #[must_use]
    pub fn of(byte: u8) -> PriceRef {
        let hop = Some(byte & NO_HOP).filter(|hop| *hop != NO_HOP);
        PriceRef { hop, part: (byte >> 4).checked_sub(1) }
    }
}

impl Settlement {
    /// A forward.
    #[must_use]
    pub fn part(&self, index: u8) -> Option<&Part> {
        self.parts.get(usize::from(index))
    }

    /// The forwards that lead to a branch, the last one first.
    pub fn chain(&self, part: Option<u8>) -> impl Iterator<Item = (u8, &Part)> {
        let at = |index: u8| Some((index, self.part(index)?));
        let first = part.and_then(at);
        // Parents are earlier, so this ends.
        core::iter::successors(first, move |(_, part)| part.parent.and_then(at))
    }

    /// Who may have to pay and the bound of it, each account once: of a branch that was answered,
    /// or before that of whichever will be. `None` when a bound cannot be made.
    #[must_use]
    pub fn payers(&self, answered: Option<PriceRef>) -> Option<Vec<(AccountId, CostBound)>> {
        let mut payers = Payers::default();
        for level in &self.levels {
            payers.join(level.account, level.terms.bound()?, CostBound::both)?;
        }
        let ends: Vec<Option<u8>> = match answered {
            Some(price) => vec![price.part],
            None => (0u8..).take(self.parts.len()).map(Some).collect(),
        };
        let own = payers.clone();
        for end in ends {
            let mut way = own.clone();
            for (_, part) in self.chain(end) {
                way.join(part.level.account, part.level.terms.bound()?, CostBound::both)?;
            }
            for (account, bound) in way.0 {
                payers.join(account, bound, CostBound::either)?;
            }
        }
        Some(payers.0)
    }
}

/// Accounts in the order in which they came.
#[derive(Clone, Default)]
struct Payers(Vec<(AccountId, CostBound)>);

impl Payers {
    fn join(
        &mut self,
        account: AccountId,
        bound: CostBound,
        with: impl Fn(CostBound, CostBound) -> Option<CostBound>,
    ) -> Option<()> {
        match self.0.iter_mut().find(|(known, _)| *known == account) {
            Some((_, known)) => *known = with(*known, bound)?,
            None => self.0.push((account, bound)),
        }
        Some(())
    }
}

/// Not too many, and each behind the one that it follows from.
pub(super) fn are_in_order(parts: &[Part]) -> bool {
    let follows = |(index, part): (usize, &Part)| {
        part.parent.is_none_or(|parent| usize::from(parent) < index)
    };
    parts.len() <= FORWARDS_MAX && parts.iter().enumerate().all(follows)
}

impl Form for Part {
    fn write(&self, out: &mut Writer) {
        let (kind, id) = match self.by {
            Forwarder::Subscriber(id) => (0, id.0),
            Forwarder::RingGroup(id) => (1, id.0),
        };
        out.byte(self.parent.map_or(0, |parent| parent.saturating_add(1)));
        out.byte(kind);
        out.signed(id);
        self.number.write(out);
        self.destination.write(out);
        self.level.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let parent = input.byte()?.checked_sub(1);
        let kind = input.byte()?;
        let id = input.signed()?;
        Ok(Part {
            parent,
            by: match kind {
                0 => Forwarder::Subscriber(SubscriberId(id)),
                1 => Forwarder::RingGroup(RingGroupId(id)),
                2..=u8::MAX => return Err(BadSettlement::Malformed),
            },
            number: Form::read(input)?,
            destination: Form::read(input)?,
            level: Form::read(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Terms;
    use strowger_model::{Currency, OrganizationId, Price, TenantId};

    #[test]
    fn a_byte_names_hop_and_part() {
        for hop in (0..HOPS_MAX as u8).map(Some).chain([None]) {
            for part in (0..FORWARDS_MAX as u8).map(Some).chain([None]) {
                let price = PriceRef { hop, part };
                assert_eq!(PriceRef::of(price.byte()), price);
            }
        }
        // What was written before there were forwards.
        assert_eq!(PriceRef::of(3), PriceRef { hop: Some(3), part: None });
    }

    fn level(account: i64, price: i64) -> Level {
        let currency = Currency::new("EUR", 2).unwrap();
        Level {
            account: AccountId(account),
            organization: OrganizationId(1),
            prepaid: true,
            terms: Terms::flat(Price(price), currency).unwrap(),
        }
    }

    fn part(parent: Option<u8>, account: i64, price: i64) -> Part {
        let by = Forwarder::Subscriber(SubscriberId(1));
        let level = level(account, price);
        Part { parent, by, number: None, destination: None, level }
    }

    /// What each payer pays for a minute, at 1e-9, to whole thousandths.
    fn minute(settlement: &Settlement, answered: Option<PriceRef>) -> Vec<(i64, i64)> {
        let payers = settlement.payers(answered).unwrap();
        payers.iter().map(|(id, bound)| (id.0, bound.cost_up(60_000).0 / 100_000)).collect()
    }

    #[test]
    fn each_pays_its_own_part_and_one_account_pays_both() {
        let mut settlement = Settlement::free(TenantId(1));
        settlement.levels = vec![level(1, 10_000_000)];
        // 2 forwards on busy to 3, who forwards; 2 forwards on no answer.
        settlement.parts = vec![
            part(None, 2, 200_000_000),
            part(Some(0), 3, 50_000_000),
            part(None, 2, 300_000_000),
        ];
        let answered = |part| Some(PriceRef { hop: None, part });
        assert_eq!(minute(&settlement, answered(None)), [(1, 10)]);
        assert_eq!(minute(&settlement, answered(Some(0))), [(1, 10), (2, 200)]);
        assert_eq!(minute(&settlement, answered(Some(1))), [(1, 10), (3, 50), (2, 200)]);
        assert_eq!(minute(&settlement, None), [(1, 10), (2, 300), (3, 50)]);
        // The caller's own company forwards: it pays the two together.
        settlement.parts = vec![part(None, 1, 200_000_000)];
        assert_eq!(minute(&settlement, answered(Some(0))), [(1, 210)]);
        assert_eq!(minute(&settlement, None), [(1, 210)]);
        assert_eq!(minute(&settlement, answered(None)), [(1, 10)]);
    }
}
