//! Forwards: who pays for a branch beside the caller (design of calls, 3).
//!
//! A call is a tree of parts. Its root is what the caller dialled and pays for; each forward is a
//! part below the one whose callee forwards, paid for by who forwards. A branch belongs to one part
//! and costs, once it is answered, all the parts above it, each its own payer.
//!
//! A part may also stand **instead** of the one above it: a called party said that the number is
//! another one, and whoever pays for the way there pays the new price in place of the old one. Such
//! a part is nobody's forward and has no record of its own.

use super::{BadSettlement, Level, Settlement};
use crate::compact::{Form, Reader, Writer};
use strowger_link::HOPS_MAX;
use strowger_model::{AccountId, CostBound, Digits, RingGroupId, SubscriberId, TrunkId};

/// Most forwards of one call.
pub const FORWARDS_MAX: usize = 5;

/// One forward.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The forward that it follows from, an earlier one; `None` = the caller's own call.
    pub parent: Option<u8>,
    /// Who forwards, or said that the number is another one.
    pub by: Forwarder,
    /// It is paid instead of what it follows from, by who pays for that.
    pub instead: bool,
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
    /// A trunk, by a redirect.
    Trunk(TrunkId),
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

/// Bit of the kind of a part that stands instead of another.
const INSTEAD: u8 = 0x80;

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

    /// The forward whose record a branch of a part stands in: parts that stand instead of others
    /// have none.
    #[must_use]
    pub fn home(&self, part: Option<u8>) -> Option<u8> {
        self.chain(part).find(|(_, part)| !part.instead).map(|(index, _)| index)
    }

    /// What is paid in the record of the forward `home` (`None` = the caller's) in place of its own
    /// price, when a branch of `answered` answered.
    #[must_use]
    pub fn instead(&self, home: Option<u8>, answered: Option<u8>) -> Option<&Part> {
        let mut chain = self.chain(answered);
        chain.find(|(index, part)| part.instead && self.home(Some(*index)) == home).map(|(_, p)| p)
    }

    /// The parts that a branch costs, the last one first, and whether the caller's own price is
    /// among what it costs.
    fn costs(&self, end: Option<u8>) -> (Vec<&Part>, bool) {
        let (mut costs, mut is_replaced) = (Vec::new(), false);
        for (_, part) in self.chain(end) {
            if !is_replaced {
                costs.push(part);
            }
            is_replaced = part.instead;
        }
        (costs, !is_replaced)
    }

    /// Who may have to pay and the bound of it, each account once: of a branch that was answered,
    /// or before that of whichever will be; `wait` is how long after its beginning the call is
    /// answered. `None` when a bound cannot be made.
    #[must_use]
    pub fn payers(
        &self,
        answered: Option<PriceRef>,
        wait: Wait,
    ) -> Option<Vec<(AccountId, CostBound)>> {
        let bound = |level: &Level| level.terms.bound(wait.least_ms, wait.most_ms);
        let mut own = Payers::default();
        for level in &self.levels {
            own.join(level.account, bound(level)?, CostBound::both)?;
        }
        // Without forwards every branch costs the same.
        if self.parts.is_empty() {
            return Some(own.0);
        }
        let ends: Vec<Option<u8>> = match answered {
            Some(price) => vec![price.part],
            None => (0u8..).take(self.parts.len()).map(Some).collect(),
        };
        let mut payers = if answered.is_none() { own.clone() } else { Payers::default() };
        for end in ends {
            let (parts, is_own) = self.costs(end);
            let mut way = if is_own { own.clone() } else { Payers::default() };
            for part in parts {
                way.join(part.level.account, bound(&part.level)?, CostBound::both)?;
            }
            for (account, bound) in way.0 {
                payers.join(account, bound, CostBound::either)?;
            }
        }
        Some(payers.0)
    }
}

/// How long after its beginning a call is answered, as far as is known, milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Not before.
    pub least_ms: u64,
    /// Not after.
    pub most_ms: u64,
}

/// The longest that a call waits for its answer: more than its stages can ring.
const WAIT_MS_MAX: u64 = 4 * 3_600_000;
/// By how much the clocks of two sides may tell a moment apart.
const CLOCKS_MS: u64 = 2_000;

impl Wait {
    /// Nobody has answered yet.
    pub const UNKNOWN: Wait = Wait { least_ms: 0, most_ms: WAIT_MS_MAX };

    /// It was answered after so long, as one of two clocks saw it.
    #[must_use]
    pub const fn about(ms: u64) -> Wait {
        Wait { least_ms: ms.saturating_sub(CLOCKS_MS), most_ms: ms.saturating_add(CLOCKS_MS) }
    }
}

impl Settlement {
    /// A price of it changes during the call, so that what it can cost depends on when it is
    /// answered.
    #[must_use]
    pub fn has_time_classes(&self) -> bool {
        let parts = self.parts.iter().map(|part| &part.level);
        let mut levels = self.levels.iter().chain(parts);
        levels.any(|level| level.terms.pricing.prices.as_slice().len() > 1)
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
            Forwarder::Trunk(id) => (2, id.0),
        };
        let kind = if self.instead { kind | INSTEAD } else { kind };
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
            instead: kind & INSTEAD != 0,
            by: match kind & !INSTEAD {
                0 => Forwarder::Subscriber(SubscriberId(id)),
                1 => Forwarder::RingGroup(RingGroupId(id)),
                2 => Forwarder::Trunk(TrunkId(id)),
                3..=u8::MAX => return Err(BadSettlement::Malformed),
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
            commission: None,
        }
    }

    fn part(parent: Option<u8>, account: i64, price: i64) -> Part {
        let by = Forwarder::Subscriber(SubscriberId(1));
        let level = level(account, price);
        Part { parent, by, instead: false, number: None, destination: None, level }
    }

    /// What each payer pays for a minute, at 1e-9, to whole thousandths.
    fn minute(settlement: &Settlement, answered: Option<PriceRef>) -> Vec<(i64, i64)> {
        let payers = settlement.payers(answered, Wait::UNKNOWN).unwrap();
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

    #[test]
    fn another_number_is_paid_instead() {
        let mut settlement = Settlement::free(TenantId(1));
        settlement.levels = vec![level(1, 10_000_000)];
        let instead =
            |parent, account, price| Part { instead: true, ..part(parent, account, price) };
        // What was dialled is another number, whose callee forwards to one that is another again.
        settlement.parts = vec![
            instead(None, 1, 30_000_000),
            part(Some(0), 2, 200_000_000),
            instead(Some(1), 2, 500_000_000),
            instead(Some(0), 1, 40_000_000),
        ];
        let answered = |part| Some(PriceRef { hop: None, part });
        assert_eq!(minute(&settlement, answered(None)), [(1, 10)]);
        assert_eq!(minute(&settlement, answered(Some(0))), [(1, 30)]);
        assert_eq!(minute(&settlement, answered(Some(1))), [(2, 200), (1, 30)]);
        assert_eq!(minute(&settlement, answered(Some(2))), [(2, 500), (1, 30)]);
        assert_eq!(minute(&settlement, answered(Some(3))), [(1, 40)]);
        // Whichever it will be: the dearest of each.
        assert_eq!(minute(&settlement, None), [(1, 40), (2, 500)]);
        let home = |part| settlement.home(Some(part));
        assert_eq!([home(0), home(1), home(2), home(3)], [None, Some(1), Some(1), None]);
        let paid = |home, part| settlement.instead(home, part).map(|p| p.level.terms.pricing);
        let price = |index: usize| Some(settlement.parts[index].level.terms.pricing);
        assert_eq!(paid(None, None), None);
        assert_eq!((paid(None, Some(2)), paid(Some(1), Some(2))), (price(0), price(2)));
        assert_eq!((paid(None, Some(1)), paid(Some(1), Some(1))), (price(0), None));
        assert_eq!(paid(None, Some(3)), price(3));
        let bytes = settlement.encode().unwrap();
        assert_eq!(Settlement::decode(&bytes), Ok(settlement));
    }
}
