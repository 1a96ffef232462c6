//! Stages of branches: ringing together, one after the other, until one answers.

use super::end::{End, Farewell};
use super::exchange::Exchange;
use super::failure::{Failure, FailureKind, Verdict, best, stage_end};
use super::leg::{Expiry, Leg, LegState};
use super::{Call, State, clip};
use crate::Role;
use crate::desk::Cx;
use crate::limits::ATTEMPTS_MAX;
use strowger_leg::{Body, Command, Event, Invite};
use strowger_link::{
    BRANCHES_MAX, Branch, Cause, Direction, Fact, GAUGES_MAX, Gauge, Go, Grant, LegAnswered,
    LegOpened, LiveState, Next, Reason, Refuse, STAGES_MAX, Stage, Tick,
};

/// The rest of a plan that is carried out for an unanswered caller.
#[derive(Debug)]
pub(crate) struct Hunt {
    stages: Vec<Stage>,
    /// The stage under way and what may follow it; `None` before the first.
    stage: Option<(u8, Next)>,
    /// Failures before this one are those of earlier stages.
    since: usize,
    on_exhausted: Refuse,
    grant: Grant,
    max_ms: u64,
    /// The caller's session description; `None` = it wants ours (late offer).
    offer: Option<Body>,
    failures: Vec<Failure>,
    /// The stage's branches do not let the hunt go on.
    stopped: bool,
    /// The leg whose early media the caller hears, and the description that the caller was given.
    early: Option<(u8, Body)>,
    told: Told,
}

/// How much of the callee's progress the caller has been told; only more is told again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Told {
    Nothing,
    /// Forwarded, queued and such.
    Moves,
    /// 183 without media.
    Progresses,
    /// 180.
    Rings,
    /// Early media.
    Media,
}

impl Told {
    fn by_status(status: u16) -> Told {
        match status {
            180 => Told::Rings,
            183 => Told::Progresses,
            // 199 ends an early dialog (RFC 6228), which is no progress of the call.
            0..=179 | 199..=u16::MAX => Told::Nothing,
            181 | 182 | 184..=198 => Told::Moves,
        }
    }
}

impl Hunt {
    /// Takes a longer grant; `false` when it is no longer.
    pub(crate) fn lengthened(&mut self, grant: Grant) -> bool {
        let is_longer = grant.ms > self.grant.ms;
        if is_longer {
            self.grant = Grant { free_ms: grant.free_ms.max(self.grant.free_ms), ..grant };
        }
        is_longer
    }

    pub(crate) fn new(go: Go, offer: Option<Body>) -> Hunt {
        Hunt {
            stages: go.stages,
            stage: None,
            since: 0,
            on_exhausted: go.on_exhausted,
            grant: go.grant,
            max_ms: go.max_ms,
            offer,
            failures: Vec::new(),
            stopped: false,
            early: None,
            told: Told::Nothing,
        }
    }

    /// The next stage and its index, unless the hunt is over.
    fn next_stage(&mut self) -> Option<(u8, Stage)> {
        let index = match self.stage {
            None => 0,
            Some((index, next)) => self.follower(index, &next)?,
        };
        let stage = self.stages.get_mut(usize::from(index)).filter(|_| index < STAGES_MAX as u8)?;
        let branches = std::mem::take(&mut stage.branches);
        self.stage = Some((index, stage.next));
        self.since = self.failures.len();
        self.stopped = false;
        Some((index, Stage { branches, next: stage.next }))
    }

    /// What follows a stage by how it ended; always a later one.
    fn follower(&self, index: u8, next: &Next) -> Option<u8> {
        let end = stage_end(self.failures.get(self.since..).unwrap_or_default());
        let failed = next.failed.filter(|_| !self.stopped);
        next.on(end).or(failed).filter(|to| *to > index)
    }

    /// The caller hears nothing of `leg` any more.
    fn forget_early(&mut self, leg: u8) {
        if self.early.as_ref().is_some_and(|(early, _)| *early == leg) {
            self.early = None;
            self.told = Told::Nothing;
        }
    }
}

impl Call {
    /// Tries stages until a branch is under way, or nothing is left to try.
    pub(crate) fn hunt(&mut self, mut hunt: Box<Hunt>, cx: &mut Cx<'_>) -> State {
        while !self.is_trying() {
            let Some((index, stage)) = hunt.next_stage() else {
                return self.exhausted(&hunt, cx);
            };
            for (nth, branch) in (0u8..).zip(stage.branches.into_iter().take(BRANCHES_MAX)) {
                self.try_branch(&mut hunt, (index, nth), branch, cx);
            }
        }
        State::Hunting(hunt)
    }

    fn is_trying(&self) -> bool {
        self.legs.iter().any(|leg| leg.trying().is_some())
    }

    fn try_branch(&mut self, hunt: &mut Hunt, at: (u8, u8), branch: Branch, cx: &mut Cx<'_>) {
        let Some(leg) = self.open_leg(at, &branch, cx) else { return };
        let body = match (self.admit(leg, &branch, cx), &hunt.offer) {
            (Err(failure), _) => Err(failure),
            (Ok(()), None) => Ok(None),
            (Ok(()), Some(offer)) => self
                .describe(0, leg, Role::Offer, offer, cx)
                .map(Some)
                .map_err(|cause| Failure::new(FailureKind::Unusable, cause)),
        };
        match body {
            Ok(body) => self.invite(leg, branch, body, cx),
            Err(failure) => self.branch_failed(hunt, leg, failure, Farewell::None, cx),
        }
    }

    /// Opens a leg of ours for a branch; `None` when the call has no leg number left.
    pub(crate) fn open_leg(
        &mut self,
        (stage, nth): (u8, u8),
        branch: &Branch,
        cx: &mut Cx<'_>,
    ) -> Option<u8> {
        let leg = u8::try_from(self.legs.len()).ok().filter(|leg| *leg <= ATTEMPTS_MAX)?;
        self.legs.push(Leg::outbound(branch, cx.now));
        cx.res.begin(self.leg_id(leg), branch.listener, branch.target.address);
        self.facts.push(Fact::LegOpened(LegOpened {
            leg,
            at: cx.now,
            direction: Direction::Out,
            stage,
            branch: nth,
            hop: branch.hop,
            dialed: clip(&branch.dialed),
            from_user: clip(&branch.from_user),
            remote: branch.target.address,
            transport: branch.target.transport,
            party: branch.party.clone(),
        }));
        self.live(leg, LiveState::Dialing, cx);
        Some(leg)
    }

    /// Takes the branch's gauges. Those that were taken stay with the leg, which gives them back.
    pub(crate) fn admit(
        &mut self,
        leg: u8,
        branch: &Branch,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        if branch.app.is_some() {
            // Q.850 79: service or option not implemented.
            let kind = FailureKind::Skipped(Reason::Internal);
            return Err(Failure::new(kind, Cause::new(0, 79)));
        }
        for gauge in branch.gauges.iter().take(GAUGES_MAX) {
            let is_callee = Gauge::is_callee(gauge.id);
            // The callee's other contacts ring in the same call.
            let is_counted = is_callee && self.holds_gauge(gauge.id);
            if !is_counted && !cx.res.take(gauge, cx.now) {
                return Err(Failure::full(is_callee));
            }
            if let Some(known) = self.leg_mut(leg) {
                known.gauges.push(gauge.id);
            }
        }
        Ok(())
    }

    /// Whether a leg of this call has taken this gauge.
    pub(crate) fn holds_gauge(&self, id: u32) -> bool {
        self.legs.iter().any(|leg| leg.gauges.contains(&id))
    }

    pub(crate) fn invite(&mut self, leg: u8, branch: Branch, body: Option<Body>, cx: &mut Cx<'_>) {
        let hops_left = self.hops_left.saturating_sub(1);
        let invite = Invite { branch, hops_left, body };
        self.command(leg, Command::Invite(Box::new(invite)), cx);
    }

    pub(crate) fn describe(
        &self,
        from: u8,
        to: u8,
        role: Role,
        body: &Body,
        cx: &mut Cx<'_>,
    ) -> Result<Body, Cause> {
        let gone = Cause::new(481, 41);
        let ours = self.leg(from).ok_or(gone)?.policy;
        let theirs = self.leg(to).ok_or(gone)?.policy;
        cx.res.describe(self.leg_id(from), self.leg_id(to), role, body, (&ours, &theirs))
    }

    /// Ends a branch that came to nothing and draws the conclusion for the hunt.
    fn branch_failed(
        &mut self,
        hunt: &mut Hunt,
        leg: u8,
        failure: Failure,
        farewell: Farewell,
        cx: &mut Cx<'_>,
    ) {
        let Some(known) = self.leg(leg).filter(|known| !known.is_over()) else { return };
        let verdict = failure.verdict(&known.continue_on, &known.stop_on);
        let end = End::new(failure.cause, failure.by(), failure.reason());
        self.end_leg(leg, &end, farewell, cx);
        hunt.forget_early(leg);
        hunt.failures.push(failure);
        match verdict {
            Verdict::Continue => {}
            Verdict::Stop => hunt.stopped = true,
            Verdict::StopAll => {
                hunt.stopped = true;
                self.end_trying(hunt, Cause::new(487, 16), cx);
            }
        }
    }

    /// Hangs up every branch that is still tried.
    fn end_trying(&mut self, hunt: &mut Hunt, cause: Cause, cx: &mut Cx<'_>) {
        let end = End::ours(cause, Reason::Normal);
        for leg in self.leg_numbers() {
            if self.leg(leg).and_then(Leg::trying).is_some() {
                self.end_leg(leg, &end, Farewell::Hangup, cx);
                hunt.forget_early(leg);
            }
        }
    }

    /// Nothing is left to try: the best failure that was heard, or what the plan says.
    fn exhausted(&mut self, hunt: &Hunt, cx: &mut Cx<'_>) -> State {
        let mut end = match best(&hunt.failures) {
            Some(failure) => End::new(failure.told(), failure.by(), failure.reason()),
            None => super::ask::refusal(&hunt.on_exhausted),
        };
        end.cause = self.read_cause(0, end.cause);
        self.close(&end, cx)
    }

    /// What a cause means that a leg said, or what the caller is told instead of it.
    fn read_cause(&self, leg: u8, cause: Cause) -> Cause {
        self.leg(leg).map_or(cause, |leg| leg.manner.read(cause))
    }

    pub(crate) fn hunting_leg(
        &mut self,
        mut hunt: Box<Hunt>,
        leg: u8,
        event: Event,
        cx: &mut Cx<'_>,
    ) -> State {
        match (event, leg) {
            (Event::Ended { cause, by_party }, 0) => self.caller_gave_up(cause, by_party, cx),
            (Event::Refused { cause, .. }, 0) => self.caller_gave_up(cause, true, cx),
            (Event::Progress { status, body, fork: _ }, 1..) => {
                self.branch_progress(&mut hunt, leg, status, body, cx);
                State::Hunting(hunt)
            }
            (Event::Answered { body }, 1..) => self.branch_answered(hunt, leg, body, cx),
            (Event::Refused { cause, silent, contacts: _ }, 1..) => {
                let failure = match silent {
                    true => Failure::new(FailureKind::Silent, cause),
                    false => Failure::new(FailureKind::Refused, self.read_cause(leg, cause)),
                };
                self.branch_failed(&mut hunt, leg, failure, Farewell::None, cx);
                self.hunt(hunt, cx)
            }
            (Event::Ended { cause, by_party }, 1..) => {
                let kind = if by_party { FailureKind::Refused } else { FailureKind::Silent };
                let failure = Failure::new(kind, cause);
                self.branch_failed(&mut hunt, leg, failure, Farewell::None, cx);
                self.hunt(hunt, cx)
            }
            (
                Event::Offered(_)
                | Event::Progress { .. }
                | Event::Answered { .. }
                | Event::Confirmed { .. }
                | Event::Reoffer { .. }
                | Event::ReofferAnswered { .. }
                | Event::ReofferRefused { .. }
                | Event::Digits { .. }
                | Event::Info { .. },
                _,
            ) => {
                Call::misplaced(cx);
                State::Hunting(hunt)
            }
        }
    }

    fn branch_progress(
        &mut self,
        hunt: &mut Hunt,
        leg: u8,
        status: u16,
        body: Option<Body>,
        cx: &mut Cx<'_>,
    ) {
        if !self.note_progress(leg, status, cx) || status == 199 {
            return;
        }
        let media = match (&hunt.offer, &hunt.early, body) {
            // One early stream is heard: the first. A body to a late offer would itself be an
            // offer, which only a reliable provisional answer may make.
            (Some(_), None, Some(body)) => self.describe(leg, 0, Role::Answer, &body, cx).ok(),
            (Some(_) | None, _, _) => None,
        };
        if let Some(body) = media {
            hunt.early = Some((leg, body.clone()));
            hunt.told = Told::Media;
            self.join(0, leg, cx);
            self.command(0, Command::Progress { status, body: Some(body) }, cx);
            return;
        }
        let news = Told::by_status(status);
        if news > hunt.told {
            hunt.told = news;
            self.command(0, Command::Progress { status, body: None }, cx);
        }
    }

    /// The first branch that answers with media that can be used has the call.
    fn branch_answered(
        &mut self,
        mut hunt: Box<Hunt>,
        leg: u8,
        body: Option<Body>,
        cx: &mut Cx<'_>,
    ) -> State {
        let Some(known) = self.leg_mut(leg).filter(|known| known.trying().is_some()) else {
            Call::misplaced(cx);
            return State::Hunting(hunt);
        };
        known.state = LegState::Answered;
        self.facts.push(Fact::LegAnswered(LegAnswered { leg, at: cx.now }));
        let told = match self.answer_for_caller(&hunt, leg, body.as_ref(), cx) {
            Ok(told) => told,
            Err(cause) => {
                let failure = Failure::new(FailureKind::Unusable, cause);
                self.branch_failed(&mut hunt, leg, failure, Farewell::Hangup, cx);
                return self.hunt(hunt, cx);
            }
        };
        if let Some(caller) = self.leg_mut(0) {
            caller.state = LegState::Answered;
        }
        // Q.850 26: answered elsewhere (the phone shows no missed call, RFC 3326).
        self.end_trying(&mut hunt, Cause::new(200, 26), cx);
        self.facts.push(Fact::LegAnswered(LegAnswered { leg: 0, at: cx.now }));
        self.command(0, Command::Answer { body: Some(told) }, cx);
        let exchange = match hunt.offer {
            Some(_) => Exchange::Idle,
            None => Exchange::Confirming { from: 0, to: leg },
        };
        self.talk(leg, (hunt.grant, hunt.max_ms), exchange, cx)
    }

    /// The description that answers the caller, or that it is to answer after a late offer.
    fn answer_for_caller(
        &self,
        hunt: &Hunt,
        leg: u8,
        body: Option<&Body>,
        cx: &mut Cx<'_>,
    ) -> Result<Body, Cause> {
        match (&hunt.offer, body, &hunt.early) {
            (Some(_), Some(body), _) => self.describe(leg, 0, Role::Answer, body, cx),
            (None, Some(body), _) => self.describe(leg, 0, Role::Offer, body, cx),
            // Its early description was the answer.
            (Some(_), None, Some((early, told))) if *early == leg => Ok(told.clone()),
            (Some(_) | None, None, _) => Err(Cause::from_sip(488)),
        }
    }

    pub(crate) fn hunting_timeout(&mut self, mut hunt: Box<Hunt>, cx: &mut Cx<'_>) -> State {
        for leg in self.leg_numbers() {
            if let Some(failure) = self.expired(leg, cx.now) {
                self.branch_failed(&mut hunt, leg, failure, Farewell::Hangup, cx);
            }
        }
        self.hunt(hunt, cx)
    }

    /// What the time-out of an unanswered leg of ours means, if one has come.
    pub(crate) fn expired(&self, leg: u8, now: Tick) -> Option<Failure> {
        match self.leg(leg)?.trying()?.expired(now)? {
            // Q.850 102 recovery on timer expiry, 19 no answer from a user who was alerted.
            Expiry::Silent => Some(Failure::new(FailureKind::Silent, Cause::new(408, 102))),
            Expiry::RungOut => Some(Failure::new(FailureKind::RungOut, Cause::new(408, 19))),
        }
    }

    /// An operator ends one branch: the hunt goes on without it.
    pub(crate) fn end_branch(
        &mut self,
        mut hunt: Box<Hunt>,
        leg: u8,
        (cause, reason): (Cause, Reason),
        cx: &mut Cx<'_>,
    ) -> State {
        let failure = Failure::new(FailureKind::Skipped(reason), cause);
        self.branch_failed(&mut hunt, leg, failure, Farewell::Hangup, cx);
        self.hunt(hunt, cx)
    }
}
