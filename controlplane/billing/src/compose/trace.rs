//! What happened to each leg, read once from the facts.

use strowger_link::{
    Began, CallEnded, CallFacts, Direction, Fact, LegEnded, LegOpened, MediaReport, Tick,
};

/// A call, leg by leg.
pub(super) struct Call<'a> {
    pub(super) facts: &'a CallFacts,
    pub(super) began: Option<&'a Began>,
    pub(super) started_at: Tick,
    /// Longest talk time granted; `None` = no lease.
    pub(super) granted_ms: Option<u64>,
    /// So much of it an allowance pays.
    pub(super) free_ms: u64,
    pub(super) ended: Option<&'a CallEnded>,
    legs: Vec<Leg<'a>>,
    /// Place of the caller's leg in `legs`.
    caller: Option<usize>,
    /// Who is joined in the caller's place, once it has put the other one through: half of another
    /// call, and no leg of this one.
    stands_in: Option<u8>,
}

/// One leg. An index may be used again after its leg ended, so legs are told apart by place.
pub(super) struct Leg<'a> {
    pub(super) opened: &'a LegOpened,
    pub(super) rang_at: Option<Tick>,
    pub(super) answered_at: Option<Tick>,
    pub(super) ended: Option<&'a LegEnded>,
    joined_to_caller: bool,
    /// It was parted from who stayed on the bridge.
    parted: bool,
}

impl<'a> Call<'a> {
    pub(super) fn read(facts: &'a CallFacts) -> Call<'a> {
        let mut call = Call {
            facts,
            began: None,
            started_at: facts.facts.iter().map(Fact::at).min().unwrap_or_default(),
            granted_ms: None,
            free_ms: 0,
            ended: None,
            legs: Vec::new(),
            caller: None,
            stands_in: None,
        };
        for fact in &facts.facts {
            call.add(fact);
        }
        call
    }

    fn add(&mut self, fact: &'a Fact) {
        match fact {
            Fact::Began(began) => {
                if self.began.is_none() {
                    self.began = Some(began);
                    self.started_at = began.at;
                }
            }
            Fact::LegOpened(opened) => self.open(opened),
            Fact::LegProgress(progress) => {
                if let Some(leg) = self.leg(progress.leg) {
                    leg.rang_at = leg.rang_at.or(Some(progress.at));
                }
            }
            Fact::LegAnswered(answered) => {
                if let Some(leg) = self.leg(answered.leg) {
                    leg.answered_at = leg.answered_at.or(Some(answered.at));
                }
            }
            Fact::LegEnded(ended) => {
                if let Some(leg) = self.leg(ended.leg) {
                    leg.ended = leg.ended.or(Some(ended));
                }
            }
            Fact::Joined(pair) => self.join(pair.a, pair.b),
            Fact::Parted(pair) => {
                if let Some(leg) = self.leg(pair.a) {
                    leg.parted = true;
                }
            }
            Fact::Granted(granted) => {
                let lease = (granted.ms != u64::MAX).then_some(granted.ms);
                // Before the answer a redirect may have made it less.
                if self.winner().is_none() {
                    (self.granted_ms, self.free_ms) = (lease, granted.free_ms);
                }
                self.granted_ms = self.granted_ms.max(lease);
                self.free_ms = self.free_ms.max(granted.free_ms);
            }
            Fact::Ended(ended) => self.ended = self.ended.or(Some(ended)),
        }
    }

    /// The caller's leg is the first that came to us; of an originated call, the first we sent.
    fn open(&mut self, opened: &'a LegOpened) {
        let place = self.legs.len();
        let (rang_at, answered_at, ended) = (None, None, None);
        let (joined_to_caller, parted) = (false, false);
        self.legs.push(Leg { opened, rang_at, answered_at, ended, joined_to_caller, parted });
        let caller = self.caller.and_then(|caller| self.legs.get(caller));
        let takes_over = match caller.map(|leg| leg.opened.direction) {
            None => true,
            Some(Direction::Out) => opened.direction == Direction::In,
            Some(Direction::In) => false,
        };
        if takes_over {
            self.caller = Some(place);
        }
    }

    /// The last leg opened under an index.
    fn leg(&mut self, index: u8) -> Option<&mut Leg<'a>> {
        self.legs.iter_mut().rev().find(|leg| leg.opened.leg == index)
    }

    fn join(&mut self, a: u8, b: u8) {
        let caller = self.caller().filter(|leg| leg.ended.is_none()).map(|leg| leg.opened.leg);
        if caller.is_none() && self.stands_in.is_none() {
            self.stands_in = [a, b].into_iter().find(|index| self.leg(*index).is_none());
        }
        let caller = caller.or(self.stands_in);
        let other = match caller {
            Some(caller) if caller == a => b,
            Some(caller) if caller == b => a,
            Some(_) | None => return,
        };
        if let Some(leg) = self.leg(other) {
            leg.joined_to_caller = true;
        }
    }

    pub(super) fn caller(&self) -> Option<&Leg<'a>> {
        self.caller.and_then(|place| self.legs.get(place))
    }

    pub(super) fn called_legs(&self) -> impl Iterator<Item = &Leg<'a>> {
        let caller = self.caller;
        self.legs
            .iter()
            .enumerate()
            .filter(move |(place, _)| Some(*place) != caller)
            .map(|(_, l)| l)
    }

    /// The called leg: of those that talked with the caller the first to answer, else the last one
    /// tried.
    pub(super) fn called(&self) -> Option<&Leg<'a>> {
        self.winner().or_else(|| self.called_legs().last())
    }

    /// Of the called legs that talked with the caller, the first to answer.
    pub(super) fn winner(&self) -> Option<&Leg<'a>> {
        self.talked().min_by_key(|leg| leg.answered_at)
    }

    /// Called legs that answered and were joined with the caller. One that answered with media that
    /// nobody can use, or a moment after another, never talked.
    fn talked(&self) -> impl Iterator<Item = &Leg<'a>> {
        self.called_legs().filter(|leg| leg.answered_at.is_some() && leg.joined_to_caller)
    }

    /// From the first answer of a leg that talked to the end of the last, at most to `call_end`.
    pub(super) fn talk_of_called(&self, call_end: Tick) -> Option<(Tick, Tick)> {
        let spans = || self.talked().filter_map(|leg| leg.answered_span(call_end));
        let from = spans().map(|(from, _)| from).min()?;
        let to = spans().map(|(_, to)| to).max()?;
        Some((from, to))
    }

    /// How the trunk ended that the call was rerouted from: with it the talk of this record ended,
    /// and another call has the rest. `None` = somebody talked to the call's end, or would have.
    pub(super) fn left(&self, call_end: Tick) -> Option<&'a LegEnded> {
        let (_, talked_to) = self.talk_of_called(call_end)?;
        let ended = self.winner().filter(|leg| leg.parted)?.ended?;
        (talked_to <= ended.at && ended.at < call_end).then_some(ended)
    }

    /// A tick as wall clock, microseconds since 1970 UTC.
    pub(super) fn wall_us(&self, tick: Tick) -> i64 {
        let us = i64::try_from(tick.0 / 1_000).unwrap_or(i64::MAX);
        self.facts.anchor_us.saturating_add(us)
    }
}

impl<'a> Leg<'a> {
    /// Answer to end, the end being at most `call_end`.
    pub(super) fn answered_span(&self, call_end: Tick) -> Option<(Tick, Tick)> {
        let from = self.answered_at?;
        let to = self.ended.map_or(call_end, |ended| ended.at.min(call_end));
        Some((from, to.max(from)))
    }

    pub(super) fn media(&self) -> Option<&'a MediaReport> {
        self.ended.and_then(|ended| ended.media.as_ref())
    }
}
