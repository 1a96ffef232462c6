//! What a caller's INVITE brings beside its question: it waits with the attempt, and goes on with
//! each branch that takes it.

use strowger_leg::{Body, Part};
use strowger_link::{HeaderField, Manner};

/// What an INVITE brings beside its plan.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// Session description; `None` = it wants one (late offer).
    pub(crate) offer: Option<Body>,
    /// Credentials for somebody beyond us.
    pub(crate) shown: Vec<HeaderField>,
    /// What stands beside the description.
    pub(crate) parts: Vec<Part>,
}

impl Brought {
    pub(crate) fn offer(offer: Option<Body>) -> Brought {
        Brought { offer, ..Brought::default() }
    }
}

/// The parts that go to or come from a party spoken to so; `None` when one does not that must be
/// understood. Nearly always there are none.
pub(crate) fn parts_for(parts: &[Part], manner: &Manner) -> Option<Vec<Part>> {
    let takes = |part: &Part| {
        let Part { body, .. } = part;
        let bodies = manner.bodies.as_deref();
        bodies.is_some_and(|bodies| bodies.takes(&body.content_type, body.data.len()))
    };
    let is_lost = parts.iter().any(|part| part.required && !takes(part));
    (!is_lost).then(|| parts.iter().filter(|part| takes(part)).cloned().collect())
}
