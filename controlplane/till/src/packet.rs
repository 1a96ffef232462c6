//! Packets of money: what an account has for some of its calls beside its balance.
//!
//! Calls share a packet without parting it. What they can cost together is compared with what is
//! left of it, and only what goes **beyond** is held of the balance:
//! `beyond = max(0, held by its calls - left)`. A record is paid by the packet as far as something
//! is left, in the order of the records; so the books, which see the same order, pay the same, and
//! `paid by the balance + beyond` never grows by a record that stays within its hold. A property
//! test holds this against a purse of two pockets.

use crate::account::{Place, clamp};
use std::collections::BTreeMap;
use strowger_model::{AllowanceId, Amount};

/// What a packet has given and can give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketLeft {
    /// How much there is.
    pub granted: Amount,
    /// What records used.
    pub used: Amount,
    /// What running calls can still cost, beyond what is left too.
    pub held: Amount,
}

#[derive(Clone, Copy, Debug)]
struct Pocket {
    place: Place,
    granted: i128,
    used: i128,
    held: i128,
}

impl Pocket {
    const fn left(&self) -> i128 {
        let left = self.granted - self.used;
        if left > 0 { left } else { 0 }
    }

    /// What calls that can cost `held` need of the balance.
    const fn beyond(&self, held: i128) -> i128 {
        let beyond = held - self.left();
        if beyond > 0 { beyond } else { 0 }
    }
}

/// What a packet leaves a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// What is held of the balance for the call alone.
    pub(crate) beyond: i128,
    /// What the packet has for it, beside other calls.
    pub(crate) left: i128,
}

/// All packets.
#[derive(Default, Debug)]
pub(crate) struct Packets(BTreeMap<AllowanceId, Pocket>);

impl Packets {
    /// A new packet, or another size of a known one; by how much what is held of the balance
    /// changes.
    pub(crate) fn load(
        &mut self,
        id: AllowanceId,
        place: Place,
        (granted, used): (Amount, Amount),
    ) -> i128 {
        let new = Pocket { place, granted: 0, used: used.0.into(), held: 0 };
        let pocket = self.0.entry(id).or_insert(new);
        let before = pocket.beyond(pocket.held);
        pocket.granted = granted.0.into();
        pocket.beyond(pocket.held) - before
    }

    pub(crate) fn forget(&mut self, id: AllowanceId) {
        if self.0.get(&id).is_some_and(|pocket| pocket.held == 0) {
            self.0.remove(&id);
        }
    }

    /// A packet of an account, when it is known.
    pub(crate) fn of(&self, id: Option<AllowanceId>, place: Place) -> Option<AllowanceId> {
        id.filter(|id| self.0.get(id).is_some_and(|pocket| pocket.place == place))
    }

    pub(crate) fn get(&self, id: AllowanceId) -> Option<PacketLeft> {
        let Pocket { granted, used, held, .. } = *self.0.get(&id)?;
        Some(PacketLeft { granted: clamp(granted), used: clamp(used), held: clamp(held) })
    }

    /// What there is for a call that holds `own` so far.
    pub(crate) fn room(&self, id: AllowanceId, own: Amount) -> Option<Room> {
        let pocket = self.0.get(&id)?;
        let others = pocket.held - i128::from(own.0);
        let beyond = pocket.beyond(pocket.held) - pocket.beyond(others);
        let left = pocket.left() - others;
        Some(Room { beyond, left: left.max(0) })
    }

    /// What a call can cost changes; by how much what is held of the balance does.
    pub(crate) fn hold(&mut self, id: AllowanceId, before: Amount, after: Amount) -> i128 {
        let Some(pocket) = self.0.get_mut(&id) else { return 0 };
        let beyond = pocket.beyond(pocket.held);
        pocket.held += i128::from(after.0) - i128::from(before.0);
        pocket.beyond(pocket.held) - beyond
    }

    /// Pays of a charge what is left: of which account, how much, and by how much what is held of
    /// its balance for other calls changes.
    pub(crate) fn pay(&mut self, id: AllowanceId, charge: Amount) -> Option<(Place, Amount, i128)> {
        let pocket = self.0.get_mut(&id)?;
        let beyond = pocket.beyond(pocket.held);
        let pays = i128::from(charge.0.max(0)).min(pocket.left());
        pocket.used += pays;
        Some((pocket.place, clamp(pays), pocket.beyond(pocket.held) - beyond))
    }
}
