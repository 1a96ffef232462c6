//! More payers under one hold: a call that rings is sent on by a called party, which pays for it,
//! or to a number with another price. All of it or nothing, like an admission; the hold stays one.

use super::{Held, Hold, HoldState, Till, check_shape};
use crate::{Admit, Granted, HoldId, Ms, Output, Payer, Refusal};
use strowger_model::Amount;

impl Till {
    pub(super) fn widen(&mut self, id: HoldId, payers: &[Payer], terms: (u64, i64), now: Ms) {
        let Some(hold) = self.holds.remove(&id) else {
            return self.out.push_back(Output::Unknown(id));
        };
        let (hold, said) = self.widened(hold, payers, terms, now);
        self.keep(id, hold);
        self.out.push_back(match said {
            Ok(granted) => Output::Admitted(granted),
            Err(why) => Output::Refused { hold: id, why },
        });
    }

    /// The hold, wider or as before, and what is said of it.
    fn widened(
        &mut self,
        mut hold: Hold,
        payers: &[Payer],
        terms: (u64, i64),
        now: Ms,
    ) -> (Hold, Result<Granted, Refusal>) {
        let HoldState::Ringing { .. } = hold.state else {
            return (hold, Err(Refusal::Duplicate));
        };
        let count = hold.levels.len();
        // Everything that it holds is given back first and taken anew, so that none of it stands in
        // its own way.
        self.let_go(&mut hold);
        match self.wider(&hold, payers, terms, now) {
            Ok((levels, granted)) => {
                for held in levels.iter().skip(count) {
                    if let Some(account) = self.accounts.get_mut(held.place) {
                        account.counter.take(now);
                    }
                }
                (hold.levels, hold.granted, hold.is_widened) = (levels, granted, true);
                self.hold_for_grant(&mut hold);
                (hold, Ok(granted))
            }
            Err(why) => {
                self.hold_for_grant(&mut hold);
                (hold, Err(why))
            }
        }
    }

    /// Holds nothing for it any more, neither money nor free time.
    fn let_go(&mut self, hold: &mut Hold) {
        if let Some(allowance) = hold.free {
            self.pools.reserve(allowance, hold.reserved_ms, 0);
            hold.reserved_ms = 0;
        }
        for held in &mut hold.levels {
            self.change_hold(held, Amount::ZERO);
        }
    }

    /// Payers before with their new bounds, then those who come to them, and what they grant.
    fn wider(
        &self,
        hold: &Hold,
        payers: &[Payer],
        (ms_min, at_us): (u64, i64),
        now: Ms,
    ) -> Result<(Vec<Held>, Granted), Refusal> {
        check_shape(payers, 0)?;
        let mut levels = hold.levels.clone();
        for held in &mut levels {
            if let Some(payer) = payers.iter().find(|payer| payer.key == held.payer.key) {
                held.payer.bound = payer.bound;
            }
        }
        let is_new = |payer: &&Payer| !levels.iter().any(|held| held.payer.key == payer.key);
        let new: Vec<Payer> = payers.iter().filter(is_new).copied().collect();
        let mut new = self.find_levels(&new, at_us)?;
        // A call counts in one day, whoever pays; the calendar may not know that day any more.
        for held in &mut new {
            let tenant = self.tenant_of(held.place);
            let known = levels.iter().find(|known| self.tenant_of(known.place) == tenant);
            held.since = known.map_or(held.since, |known| known.since);
        }
        self.check_limits(&new, &[], now)?;
        levels.extend(new);
        if levels.len() > crate::LEVELS_MAX {
            return Err(Refusal::Malformed);
        }
        let admit = Admit {
            hold: hold.granted.hold,
            levels: Vec::new(),
            free: hold.free,
            packet: None,
            limits: Vec::new(),
            window: None,
            money_min: None,
            ms_min,
            ms_max: hold.ms_max,
            at_us,
        };
        let granted = self.plan(&levels, &admit)?;
        Ok((levels, granted))
    }
}
