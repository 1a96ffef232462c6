//! What must hold inside after every step.

use crate::Calls;
use crate::slab::Life;
use strowger_link::Tick;

impl Calls {
    pub(super) fn check(&mut self) {
        assert!(self.desk.errands.is_empty(), "calls want something of each other");
        self.check_asks();
        self.check_timers();
        self.check_bridges();
    }

    /// Every ask under way has a call that waits for it.
    fn check_asks(&mut self) {
        for (id, slot) in self.desk.waiting() {
            let call = self.slab.call(slot).expect("a call");
            assert_eq!(call.ask_under_way().map(|ask| ask.id), Some(id));
        }
    }

    /// Every timer has an owner, and none is late to its owner's next one.
    fn check_timers(&mut self) {
        for idx in self.alarms.owners().collect::<Vec<_>>() {
            let slot = self.slab.current(idx).expect("a slot");
            match self.slab.life(slot) {
                Some(Life::Call(_) | Life::Turned { .. }) => {}
                Some(Life::Free | Life::Reserved) | None => panic!("a timer without an owner"),
            }
        }
        for call in self.slab.calls() {
            assert!(
                call.next_at() == Tick::NEVER
                    || self.alarms.next().is_some_and(|at| at <= call.next_at())
            );
        }
    }

    /// Nobody talks alone, unless somebody is called in the place of who is gone.
    fn check_bridges(&self) {
        for call in self.slab.calls() {
            assert!(!call.is_alone(), "{:?} has one party: {call:?}", call.slot());
        }
    }
}
