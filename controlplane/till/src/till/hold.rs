//! Holds of calls: what each has taken, from its admission or adoption until it gives all back.

use super::{Held, Hold, HoldState, Place, Till, UNSTARTED_MS};
use crate::{Admit, Adopt, Granted, HoldId, LimitKey, Ms, Output, Payer, WindowUse};
use strowger_model::Amount;

impl Till {
    pub(super) fn take(&mut self, levels: Vec<Held>, admit: &Admit, granted: Granted, now: Ms) {
        for limit in &admit.limits {
            self.limits.take(limit.key, now);
        }
        for held in &levels {
            if let Some(account) = self.accounts.get_mut(held.place) {
                account.counter.take(now);
            }
        }
        let deadline = now.plus(UNSTARTED_MS);
        self.deadlines.insert((deadline, admit.hold));
        let state = HoldState::Ringing { deadline };
        let limits = admit.limits.iter().map(|limit| limit.key).collect();
        if let Some(ask) = &admit.window {
            let (talk_ms, spent) = (0, Amount::ZERO);
            self.windows.count(&WindowUse {
                key: ask.key,
                span: ask.span,
                calls: 1,
                talk_ms,
                spent,
            });
        }
        let (free, ms_max, is_counted) = (admit.free, admit.ms_max, admit.window.is_some());
        let hold = Hold::new(state, levels, limits, granted);
        self.open(admit.hold, Hold { free, ms_max, is_counted, ..hold });
    }

    /// Holds money for what is granted and keeps the hold.
    fn open(&mut self, id: HoldId, mut hold: Hold) {
        self.hold_for_grant(&mut hold);
        self.keep(id, hold);
    }

    pub(super) fn keep(&mut self, id: HoldId, hold: Hold) {
        let waits = hold.waits_for_money();
        for held in &hold.levels {
            if waits {
                self.last.insert((held.place, id));
            } else {
                self.last.remove(&(held.place, id));
            }
        }
        self.holds.insert(id, hold);
    }

    pub(super) fn adopt(&mut self, adopt: Adopt, now: Ms) {
        let id = adopt.hold;
        // A call that is in the journal and in the call table counts once: the record wins.
        if self.settled.contains(id) {
            return;
        }
        // A question of a call that has ended since, unanswered: nobody would end its hold again.
        if !adopt.started && self.voided.contains(id) {
            return;
        }
        if self.holds.contains_key(&id) {
            if adopt.started {
                self.start(id);
            }
            return;
        }
        let mut levels = Vec::with_capacity(adopt.levels.len());
        for payer in adopt.levels {
            let Some(place) = self.place_of(payer.key) else { continue };
            if let Some(account) = self.accounts.get_mut(place) {
                account.counter.adopt();
            }
            levels.push(self.unheld(payer, place, adopt.at_us));
        }
        self.take_packet(&mut levels, adopt.packet);
        for key in &adopt.limits {
            self.limits.adopt(*key);
        }
        let deadline = now.plus(UNSTARTED_MS);
        let state = match adopt.started {
            true => HoldState::Talking,
            false => HoldState::Ringing { deadline },
        };
        if !adopt.started {
            self.deadlines.insert((deadline, id));
        }
        let Adopt { limits, free, granted_ms: ms, last, ms_max, .. } = adopt;
        let free_ms = if free.is_some() { adopt.free_ms } else { 0 };
        let granted = Granted { hold: id, ms, free_ms, last };
        let hold = Hold::new(state, levels, limits, granted);
        self.open(id, Hold { free, ms_max, ..hold });
    }

    pub(super) fn start(&mut self, id: HoldId) {
        let Some(hold) = self.holds.get_mut(&id) else {
            if !self.settled.contains(id) {
                self.out.push_back(Output::Unknown(id));
            }
            return;
        };
        match hold.state {
            HoldState::Ringing { deadline } => {
                self.deadlines.remove(&(deadline, id));
                hold.state = HoldState::Talking;
            }
            HoldState::Talking => {}
        }
    }

    /// Releases the payers that are not in `payers` and takes the bounds of the others. A payer who
    /// was not asked is not added: its money was never looked at.
    pub(super) fn narrow(&mut self, id: HoldId, payers: &[Payer]) {
        let Some(mut hold) = self.holds.remove(&id) else { return };
        let bound = |held: &Held| payers.iter().find(|p| p.key == held.payer.key).map(|p| p.bound);
        let (kept, gone): (Vec<Held>, Vec<Held>) =
            hold.levels.drain(..).partition(|held| bound(held).is_some());
        for held in &gone {
            self.release_level(id, held);
        }
        hold.levels = kept;
        for held in &mut hold.levels {
            if let Some(bound) = bound(held) {
                held.payer.bound = bound;
            }
        }
        self.hold_for_grant(&mut hold);
        let places: Vec<Place> = hold.levels.iter().map(|held| held.place).collect();
        self.keep(id, hold);
        for place in places {
            self.rise(place);
        }
    }

    pub(super) fn release_level(&mut self, id: HoldId, held: &Held) {
        self.change_hold(&mut held.clone(), Amount::ZERO);
        if let Some(account) = self.accounts.get_mut(held.place) {
            account.counter.release();
        }
        self.last.remove(&(held.place, id));
        self.rise(held.place);
    }

    /// `granted_ms` below ours: our last answer was lost, it is given again. Above ours: a slice
    /// that an earlier life of the till gave; it counts.
    pub(super) fn extend(&mut self, id: HoldId, granted_ms: u64, free_ms: u64) {
        // Who asks for more talks already.
        self.start(id);
        let Some(mut hold) = self.holds.remove(&id) else { return };
        if granted_ms >= hold.granted.ms {
            hold.granted.ms = granted_ms;
            if hold.free.is_some() {
                hold.granted.free_ms = hold.granted.free_ms.max(free_ms);
            }
            self.hold_for_grant(&mut hold);
            hold.granted = self.next_of(&hold);
            self.hold_for_grant(&mut hold);
        }
        self.out.push_back(Output::Extended(hold.granted));
        self.keep(id, hold);
    }

    /// Gives back all that a hold has taken.
    pub(super) fn release(&mut self, id: HoldId) -> Option<Hold> {
        let hold = self.holds.remove(&id)?;
        match hold.state {
            HoldState::Ringing { deadline } => {
                self.deadlines.remove(&(deadline, id));
            }
            HoldState::Talking => {}
        }
        for held in &hold.levels {
            self.release_level(id, held);
        }
        if let Some(allowance) = hold.free {
            self.pools.reserve(allowance, hold.reserved_ms, 0);
        }
        for key in &hold.limits {
            self.limits.release(*key);
        }
        Some(hold)
    }
}

impl Hold {
    fn new(state: HoldState, levels: Vec<Held>, limits: Vec<LimitKey>, granted: Granted) -> Hold {
        Hold {
            state,
            levels,
            limits,
            granted,
            free: None,
            reserved_ms: 0,
            ms_max: 0,
            is_widened: false,
            is_counted: false,
        }
    }

    /// It is in its last slice for want of money: a longest duration cannot be lengthened.
    pub(super) const fn waits_for_money(&self) -> bool {
        self.granted.last && (self.ms_max == 0 || self.granted.ms < self.ms_max)
    }
}
