//! Lists of stages that are worked off: the plan's, and those that redirects led to.
//!
//! They are a tree: the plan is its root, and what a redirect led to follows from the list whose
//! branch was redirected, and is tried in that branch's place. A list goes on to its next stage
//! when none of its branches rings and nothing that follows from it is under way, so a redirect
//! leads on while other branches ring. What a list came to is a failure of the one that it follows
//! from.

use super::failure::{Failure, stage_end};
use strowger_link::{Next, STAGES_MAX, Stage};

/// One list of stages.
#[derive(Debug)]
pub(crate) struct Way {
    stages: Vec<Stage>,
    /// The stage under way and what may follow it; `None` before the first.
    stage: Option<(u8, Next)>,
    /// What the stage under way has come to so far.
    failures: Vec<Failure>,
    /// The stage's branches do not let the hunt go on.
    stopped: bool,
    /// No stage follows.
    over: bool,
    /// The list whose branch was redirected here; `None` = the plan.
    parent: Option<u8>,
    /// How many stages stand before its own in the record.
    before: u8,
}

/// All lists of a hunt, the plan first.
#[derive(Debug)]
pub(crate) struct Ways(Vec<Way>);

impl Ways {
    /// The plan alone.
    pub(crate) fn new(plan: Vec<Stage>) -> Ways {
        let mut ways = Ways(Vec::new());
        ways.push(plan, None);
        ways
    }

    /// What a redirect of a branch of `parent` led to.
    pub(crate) fn push(&mut self, stages: Vec<Stage>, parent: Option<u8>) {
        let before = self.0.last().map_or(0, |way| {
            let own = u8::try_from(way.stages.len()).unwrap_or(u8::MAX);
            way.before.saturating_add(own)
        });
        let (failures, stopped, over) = (Vec::new(), false, false);
        self.0.push(Way { stages, stage: None, failures, stopped, over, parent, before });
    }

    /// How many redirects were followed.
    pub(crate) fn followed(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// Numbers of the lists that may go on, the latest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = u8> + '_ {
        // At most REDIRECTS_MAX and the plan.
        let count = u8::try_from(self.0.len()).unwrap_or(u8::MAX);
        let is_open = |number: &u8| self.0.get(usize::from(*number)).is_some_and(|way| !way.over);
        (0..count).rev().filter(is_open)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.iter().all(|way| way.over)
    }

    /// Something that follows from this list is under way.
    pub(crate) fn is_followed(&self, way: u8) -> bool {
        self.0.iter().any(|other| other.parent == Some(way) && !other.over)
    }

    /// The next stage of a list with its place in the record; `None` ends the list.
    pub(crate) fn next_stage(&mut self, number: u8) -> Option<(u8, Stage)> {
        let way = self.0.get_mut(usize::from(number))?;
        let found = way.next_stage();
        if found.is_none() {
            self.end(number);
        }
        found
    }

    /// A list is over: what its last stage came to counts where it follows from.
    fn end(&mut self, number: u8) {
        let Some(way) = self.0.get_mut(usize::from(number)) else { return };
        way.over = true;
        let (failures, stopped) = (std::mem::take(&mut way.failures), way.stopped);
        let parent = way.parent.and_then(|parent| self.0.get_mut(usize::from(parent)));
        if let Some(parent) = parent {
            parent.failures.extend(failures);
            parent.stopped |= stopped;
        }
    }

    /// A branch of a list came to nothing.
    pub(crate) fn failed(&mut self, number: u8, failure: Failure, stops: bool) {
        if let Some(way) = self.0.get_mut(usize::from(number)) {
            way.failures.push(failure);
            way.stopped |= stops;
        }
    }

    /// Nobody lets the hunt go on any more.
    pub(crate) fn stop(&mut self) {
        self.0.iter_mut().for_each(|way| way.stopped = true);
    }
}

impl Way {
    fn next_stage(&mut self) -> Option<(u8, Stage)> {
        let index = match self.stage {
            None => 0,
            Some((index, next)) => self.follower(index, &next)?,
        };
        let stage = self.stages.get_mut(usize::from(index)).filter(|_| index < STAGES_MAX as u8)?;
        let branches = std::mem::take(&mut stage.branches);
        self.stage = Some((index, stage.next));
        self.failures.clear();
        self.stopped = false;
        Some((self.before.saturating_add(index), Stage { branches, next: stage.next }))
    }

    /// What follows a stage by how it ended; always a later one.
    fn follower(&self, index: u8, next: &Next) -> Option<u8> {
        let failed = next.failed.filter(|_| !self.stopped);
        next.on(stage_end(&self.failures)).or(failed).filter(|to| *to > index)
    }
}
