//! Numbers that moved to another operator (spec NP-01, NP-02): what a call that leaves us is routed
//! by.
//!
//! The host's own table first. What it does not know is asked of the portability service, if
//! settings of who pays want that.

use super::Attempt;
use super::called::Called;
use super::sender::Sender;
use crate::fact::{Finding, Outsider, Query};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_model::{Digits, FactSettings};
use strowger_numbering::{Target, is_e164};

impl<'a> Attempt<'a> {
    /// The number that the caller pays for and that its record is about, too.
    pub(super) fn ported_away(
        &mut self,
        sender: &Sender<'a>,
        called: Called,
    ) -> Result<Called, Refusal> {
        let dialled = called.number;
        let called = self.ported(called, &sender.settings.fact)?;
        if called.number != dialled {
            self.known_called(sender, &called);
        }
        Ok(called)
    }

    /// The called party by the number that its operator is reached by: routes, prices and trunks
    /// see that one. A number of ours is never asked about, and who is barred from a number is
    /// barred by the one that was dialled.
    pub(super) fn ported(&mut self, called: Called, set: &FactSettings) -> Result<Called, Refusal> {
        let Ok(number) = called.number else { return Ok(called) };
        let (target, step) = match self.world.ported().find(&number) {
            Some(target) => (Some(target), Step::Ported {}),
            None => (self.dipped(&number, set)?, Step::DipPorted {}),
        };
        let Some(target) = target else { return Ok(called) };
        let Some(routed) = target.routed(&number) else {
            self.note(Step::PortedTooLong {});
            return Ok(called);
        };
        self.note(step);
        self.note(Step::Number(routed));
        let chain = Some(self.world.chain(&routed));
        Ok(Called { text: called.text, number: Ok(routed), chain })
    }

    /// What the portability service says of a number.
    fn dipped(&mut self, number: &Digits, set: &FactSettings) -> Result<Option<Target>, Refusal> {
        let is_asked = set.portability
            && is_e164(number)
            && set.portability_prefix.is_none_or(|prefix| number.has_prefix(&prefix));
        if !is_asked {
            return Ok(None);
        }
        match self.find_out(Query::Ported(*number)).map(Finding::ported) {
            None => Ok(None),
            Some(Ok(Some(target))) => Ok(Some(target)),
            Some(Ok(None)) => {
                self.note(Step::DipNothing {});
                Ok(None)
            }
            Some(Err(lack)) => {
                self.without(Outsider::Portability, lack, set.portability_unknown)?;
                Ok(None)
            }
        }
    }
}
