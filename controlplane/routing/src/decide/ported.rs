//! Numbers that moved to another operator (spec NP-01): what a call that leaves us is routed by.

use super::Attempt;
use super::called::Called;
use super::sender::Sender;
use crate::trace::Step;

impl<'a> Attempt<'a> {
    /// The number that the caller pays for and that its record is about, too.
    pub(super) fn ported_away(&mut self, sender: &Sender<'a>, called: Called) -> Called {
        let dialled = called.number;
        let called = self.ported(called);
        if called.number != dialled {
            self.known_called(sender, &called);
        }
        called
    }

    /// The called party by the number that its operator is reached by: routes, prices and trunks
    /// see that one. A number of ours is never asked about, and who is barred from a number is
    /// barred by the one that was dialled.
    pub(super) fn ported(&mut self, called: Called) -> Called {
        let Ok(number) = called.number else { return called };
        let Some(target) = self.world.ported().find(&number) else { return called };
        let Some(routed) = target.routed(&number) else {
            self.note(Step::PortedTooLong {});
            return called;
        };
        self.note(Step::Ported {});
        self.note(Step::Number(routed));
        let chain = Some(self.world.chain(&routed));
        Called { text: called.text, number: Ok(routed), chain }
    }
}
