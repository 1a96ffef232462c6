//! What became of the calls that were offered during one part of a load.

use serde_json::{Value, json};

use crate::report::{Statuses, Times};

/// Counts of one part. A call counts to the part in which it was meant to begin, whenever it ends.
pub(crate) struct Tally {
    pub(crate) name: String,
    /// Begun.
    pub(crate) offered: u64,
    /// Not begun: no place was free in the generator.
    pub(crate) skipped: u64,
    pub(crate) answered: u64,
    /// Ended by a BYE that was answered 200, on the near side.
    pub(crate) ended: u64,
    /// BYEs that came to the far side, each call's first.
    pub(crate) far_ended: u64,
    pub(crate) refused: Statuses,
    /// INVITEs that got no final response.
    pub(crate) silent: u64,
    /// BYEs that got none, or another than 200.
    pub(crate) unended: u64,
    /// Ended by the server.
    pub(crate) cut: u64,
    /// Sent again.
    pub(crate) invites_again: u64,
    pub(crate) oks_again: u64,
    pub(crate) requests_again: u64,
    /// INVITE to 18x, to 200, and BYE to 200.
    pub(crate) early: Times,
    pub(crate) setup: Times,
    pub(crate) bye: Times,
    /// Requests inside of standing dialogs.
    pub(crate) asked: u64,
    pub(crate) served: u64,
    pub(crate) unserved: Statuses,
    pub(crate) unheard: u64,
    pub(crate) inside: Times,
}

impl Tally {
    pub(crate) fn new(name: &str) -> Tally {
        Tally {
            name: name.into(),
            offered: 0,
            skipped: 0,
            answered: 0,
            ended: 0,
            far_ended: 0,
            refused: Statuses::default(),
            silent: 0,
            unended: 0,
            cut: 0,
            invites_again: 0,
            oks_again: 0,
            requests_again: 0,
            early: Times::new(),
            setup: Times::new(),
            bye: Times::new(),
            asked: 0,
            served: 0,
            unserved: Statuses::default(),
            unheard: 0,
            inside: Times::new(),
        }
    }

    pub(crate) fn told(&self) -> Value {
        let mut told = json!({
            "part": self.name,
            "offered": self.offered,
            "skipped": self.skipped,
            "answered": self.answered,
            "ended": self.ended,
            "far_ended": self.far_ended,
            "refused": self.refused.told(),
            "silent": self.silent,
            "unended": self.unended,
            "cut": self.cut,
            "again": {
                "invite": self.invites_again,
                "ok": self.oks_again,
                "inside": self.requests_again,
            },
            "early_ms": self.early.told(),
            "setup_ms": self.setup.told(),
            "bye_ms": self.bye.told(),
        });
        if self.asked > 0 {
            told["inside"] = json!({
                "asked": self.asked,
                "served": self.served,
                "refused": self.unserved.told(),
                "silent": self.unheard,
                "ms": self.inside.told(),
            });
        }
        told
    }
}
