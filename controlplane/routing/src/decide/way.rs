//! Where a call goes, before it has a price: stages, suppliers, and who forwarded.

use crate::refusal::Refusal;
use crate::world::Holder;
use strowger_billing::{Hop, Part};
use strowger_link::{Branch, DivertReason, Next, STAGES_MAX, Stage};

/// The stages of a plan while they are put together.
pub(super) struct Way {
    pub(super) stages: Vec<Stage>,
    /// Suppliers, by the price of a branch.
    pub(super) hops: Vec<Hop>,
    /// Forwards, by the price of a branch.
    pub(super) parts: Vec<Part>,
    pub(super) on_exhausted: Refusal,
    /// What the caller dialled is ours.
    pub(super) inside: bool,
}

/// How long a way was.
pub(super) struct Mark {
    stages: usize,
    hops: usize,
    parts: usize,
}

impl Way {
    /// To a party of ours.
    pub(super) const fn inside() -> Way {
        Way::empty(Refusal::NoAnswer, true)
    }

    /// To trunks.
    pub(super) const fn outside() -> Way {
        Way::empty(Refusal::Exhausted, false)
    }

    const fn empty(on_exhausted: Refusal, inside: bool) -> Way {
        Way { stages: Vec::new(), hops: Vec::new(), parts: Vec::new(), on_exhausted, inside }
    }

    /// Adds a stage that nothing leads to or from yet; `None` when there is no room.
    pub(super) fn push(&mut self, branches: Vec<Branch>) -> Option<u8> {
        let index = u8::try_from(self.stages.len()).ok()?;
        if self.stages.len() >= STAGES_MAX {
            return None;
        }
        self.stages.push(Stage { branches, next: Next::default() });
        Some(index)
    }

    /// Lets what follows a stage be `next`.
    pub(super) fn lead(&mut self, stage: u8, next: Next) {
        if let Some(stage) = self.stages.get_mut(usize::from(stage)) {
            stage.next = next;
        }
    }

    /// Makes room for so many hops, each a stage, at once.
    pub(super) fn reserve(&mut self, hops: usize) {
        self.stages.reserve_exact(hops);
        self.hops.reserve_exact(hops);
    }

    /// Where the next stage will stand.
    pub(super) fn end(&self) -> u8 {
        u8::try_from(self.stages.len()).unwrap_or(u8::MAX)
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark { stages: self.stages.len(), hops: self.hops.len(), parts: self.parts.len() }
    }

    /// Takes back what was added since.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.stages.truncate(mark.stages);
        self.hops.truncate(mark.hops);
        self.parts.truncate(mark.parts);
    }
}

/// Where in the tree of forwards the next party stands.
#[derive(Clone)]
pub(super) struct Place {
    /// The forward that leads here; `None` = the caller's own call.
    pub(super) part: Option<u8>,
    /// Who was called on the way; nobody is called twice.
    pub(super) chain: Vec<Holder>,
    /// Who diverted the call and why, the last one first.
    pub(super) diversions: Vec<Diversion>,
}

/// A diversion, as carriers are told (RFC 5806, RFC 7044).
#[derive(Clone)]
pub(super) struct Diversion {
    /// Number or name of who diverted.
    pub(super) user: String,
    pub(super) reason: DivertReason,
    /// How often.
    pub(super) count: u8,
    /// Who diverted is not shown.
    pub(super) hidden: bool,
}

impl Place {
    /// The caller's own call, with what was told of its way to us.
    pub(super) const fn caller(chain: Vec<Holder>, diversions: Vec<Diversion>) -> Place {
        Place { part: None, chain, diversions }
    }
}
