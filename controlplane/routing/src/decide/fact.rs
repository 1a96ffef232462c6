//! Questions to the outside while a decision is made.
//!
//! A question that was not put yet becomes what the decision needs, and the steps go on as if
//! nobody had been asked: what they come to is thrown away. So one may be wanted anywhere, in the
//! forward of a forward, too.

use super::Attempt;
use crate::fact::{FACTS_MAX, Finding, Lack, Outsider, Query};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_model::Unknown;

impl Attempt<'_> {
    /// What came of a question; `None` when nobody is asked, or has answered yet.
    pub(super) fn find_out(&mut self, query: Query) -> Option<Finding> {
        let known = self.facts.known.as_ref()?;
        if let Some(fact) = known.iter().find(|fact| fact.query == query) {
            return Some(fact.finding.clone());
        }
        if known.len() >= FACTS_MAX {
            return Some(Finding::Unknown(Lack::Full));
        }
        // The first one: its answer may make the others needless.
        self.need.get_or_insert(query);
        None
    }

    /// Goes on without an answer, or not.
    pub(super) fn without(
        &mut self,
        outsider: Outsider,
        lack: Lack,
        policy: Unknown,
    ) -> Result<(), Refusal> {
        self.note(Step::FactUnknown { outsider: outsider.number(), lack: lack.number() });
        match policy {
            Unknown::Continue => {
                self.note(Step::WithoutFact {});
                Ok(())
            }
            Unknown::Refuse => {
                self.note(Step::NotWithoutFact {});
                Err(Refusal::Unknown)
            }
        }
    }
}
