//! Stages of branches: ringing together, one after the other, until one answers.

use super::brought::{Brought, parts_for};
use super::end::{End, Farewell};
use super::exchange::Exchange;
use super::failure::{Failure, FailureKind, Verdict, best};
use super::leg::{Expiry, Leg, LegState};
use super::redirect::Redirects;
use super::way::Ways;
use super::{Beside, Call, State, clip};
use crate::Role;
use crate::desk::Cx;
use crate::limits::ATTEMPTS_MAX;
use std::sync::Arc;
use strowger_leg::{Body, Command, Event, Invite, Part};
use strowger_link::{
    Ask, BRANCHES_MAX, Branch, BranchAuth, CallAsk, Cause, Direction, Fact, GAUGES_MAX, Gauge, Go,
    Grant, HeaderField, LegAnswered, LegOpened, LiveState, OnRedirect, Party, Reason, Refuse,
    Stage, Tick,
};

/// The rest of a plan that is carried out for an unanswered caller.
#[derive(Debug)]
pub(crate) struct Hunt {
    pub(super) ways: Ways,
    pub(super) redirects: Redirects,
    on_exhausted: Refuse,
    grant: Grant,
    max_ms: u64,
    /// The caller's session description; `None` = it wants ours (late offer).
    offer: Option<Body>,
    /// The caller's credentials for somebody beyond us.
    shown: Box<[HeaderField]>,
    /// What stands beside the caller's description and passes its own side.
    parts: Box<[Part]>,
    /// What the Call-IDs of branches begin with; nearly always nothing.
    related: Option<Box<str>>,
    /// Fields of what legs said last, for the caller.
    fields: Option<Box<Said>>,
    /// What stood beside the refusals of branches.
    beside: Vec<Beside>,
    failures: Vec<(u8, Failure)>,
    /// Somebody said that nobody is to be tried any more (6xx).
    stopped: bool,
    early: Option<Early>,
    /// A branch is over that had not answered an offer of the caller.
    owes_refusal: bool,
    told: Told,
}

/// Fields of what each leg said last.
#[derive(Debug, Default)]
struct Said(Vec<(u8, Vec<HeaderField>)>);

/// Whose early media the caller hears.
#[derive(Debug)]
struct Early {
    leg: u8,
    /// Which of the early dialogs of that leg.
    fork: u8,
    /// The description that the caller was given, or that it gave last.
    body: Body,
    /// The leg (or 0, the caller) whose new offer the other one has not answered.
    pending: Option<u8>,
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

    /// `question` is what the caller asked for, when it is known.
    pub(crate) fn new(go: Go, brought: Brought, question: Option<CallAsk>) -> Hunt {
        let Brought { offer, shown, parts, related } = brought;
        let asks = |stage: &Stage| stage.branches.iter().any(|b| b.redirect == OnRedirect::Ask);
        let question = question.filter(|_| go.stages.iter().any(asks));
        Hunt {
            ways: Ways::new(go.stages),
            redirects: question.map(Redirects::of).unwrap_or_default(),
            on_exhausted: go.on_exhausted,
            grant: go.grant,
            max_ms: go.max_ms,
            offer,
            shown: shown.into(),
            parts: parts.into(),
            related,
            fields: None,
            beside: Vec::new(),
            failures: Vec::new(),
            stopped: false,
            early: None,
            owes_refusal: false,
            told: Told::Nothing,
        }
    }

    /// The grant that the call has from now on.
    pub(super) fn set_grant(&mut self, grant: Grant) {
        self.grant = grant;
    }

    /// Nobody may be tried any more.
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// What the caller offered; `None` = it wants ours.
    pub(super) fn offer(&self) -> Option<&Body> {
        self.offer.as_ref()
    }

    /// How long who answers may talk: the lease, and the longest duration.
    pub(super) fn terms(&self) -> (Grant, u64) {
        (self.grant, self.max_ms)
    }

    pub(crate) fn ask_under_way(&self) -> Option<&Arc<Ask>> {
        self.redirects.ask_under_way()
    }

    pub(crate) fn deadline(&self) -> Tick {
        self.redirects.deadline()
    }

    /// The other side of an offer before the answer; the error is the status that refuses it.
    pub(crate) fn early_with(&self, from: u8) -> Result<u8, u16> {
        match &self.early {
            Some(Early { pending: Some(_), .. }) => Err(491),
            Some(early) if from == 0 => Ok(early.leg),
            Some(early) if from == early.leg => Ok(0),
            Some(_) | None => Err(488),
        }
    }

    /// `from` offered `body`, and the other side was told `told`.
    pub(crate) fn begin_early(&mut self, from: u8, body: Body, told: &Body) {
        let Some(early) = &mut self.early else { return };
        early.pending = Some(from);
        if from == 0 {
            // Later stages are offered what counts now.
            self.offer = Some(body);
        } else {
            early.body = told.clone();
        }
    }

    /// `leg` said what becomes of the offer; gives whose it was.
    pub(crate) fn end_early(&mut self, leg: u8) -> Option<u8> {
        let early = self.early.as_mut()?;
        let from = early.pending?;
        let to = if from == 0 { early.leg } else { 0 };
        if to != leg {
            return None;
        }
        early.pending = None;
        Some(from)
    }

    /// The caller is owed the refusal of its offer.
    pub(crate) fn owe_refusal(&mut self, is_owed: bool) {
        self.owes_refusal |= is_owed;
    }

    pub(crate) fn take_owed(&mut self) -> bool {
        std::mem::take(&mut self.owes_refusal)
    }

    /// The offer of `from` was answered by `told`.
    pub(crate) fn answered_early(&mut self, from: u8, told: &Body) {
        if let Some(early) = self.early.as_mut().filter(|_| from == 0) {
            early.body = told.clone();
        }
    }

    /// What `leg` says from now on has these fields.
    fn note_fields(&mut self, leg: u8, fields: Vec<HeaderField>) {
        let said = self.fields.get_or_insert_default();
        // One entry a leg, and a call has few.
        said.0.retain(|(of, _)| *of != leg);
        said.0.push((leg, fields));
    }

    /// The fields of what `leg` said last.
    fn fields_of(&self, leg: u8) -> Option<&[HeaderField]> {
        let mut all = self.fields.as_deref()?.0.iter();
        all.find(|(of, _)| *of == leg).map(|(_, fields)| fields.as_slice())
    }

    /// What stood beside the refusal of `leg`.
    fn take_beside(&mut self, leg: u8) -> Option<Box<Beside>> {
        let at = self.beside.iter().position(|beside| beside.leg == leg)?;
        Some(Box::new(self.beside.swap_remove(at)))
    }

    /// The caller hears nothing of `leg` any more.
    fn forget_early(&mut self, leg: u8) {
        if self.early.as_ref().is_some_and(|early| early.leg == leg) {
            self.early = None;
            self.told = Told::Nothing;
        }
    }
}

impl Call {
    /// Tries stages until a branch is under way, or nothing is left to try.
    pub(crate) fn hunt(&mut self, mut hunt: Box<Hunt>, cx: &mut Cx<'_>) -> State {
        while let Some(way) = self.idle_way(&hunt) {
            let Some((index, stage)) = hunt.ways.next_stage(way) else { continue };
            for (nth, branch) in (0u8..).zip(stage.branches.into_iter().take(BRANCHES_MAX)) {
                self.try_branch(&mut hunt, (way, index, nth), branch, cx);
            }
        }
        if hunt.ways.is_over() {
            return self.exhausted(&mut hunt, cx);
        }
        self.settle_early(&mut hunt, cx);
        State::Hunting(hunt)
    }

    /// A list of stages that nothing holds back: none of its branches rings or was redirected to
    /// where nobody knows yet, and nothing that follows from it is under way.
    fn idle_way(&self, hunt: &Hunt) -> Option<u8> {
        let rings = |way: u8| self.legs.iter().any(|l| l.way == way && l.trying().is_some());
        let is_of = |way: u8| move |leg: u8| self.leg(leg).is_some_and(|leg| leg.way == way);
        hunt.ways.open().find(|way| {
            !rings(*way) && !hunt.redirects.any_of(is_of(*way)) && !hunt.ways.is_followed(*way)
        })
    }

    fn try_branch(
        &mut self,
        hunt: &mut Hunt,
        (way, stage, nth): (u8, u8, u8),
        branch: Branch,
        cx: &mut Cx<'_>,
    ) {
        let Some(leg) = self.open_leg((stage, nth), &branch, cx) else { return };
        if let Some(known) = self.leg_mut(leg) {
            known.way = way;
        }
        hunt.redirects.note_target(&branch.target.uri);
        let parts = parts_for(&hunt.parts, &branch.manner);
        let body = match (self.admit(leg, &branch, cx), &hunt.offer) {
            (Err(failure), _) => Err(failure),
            // Somebody is to understand what this branch is not sent.
            (Ok(()), _) if parts.is_none() => {
                let kind = FailureKind::Skipped(Reason::BadMedia);
                Err(Failure::new(kind, Cause::from_sip(415)))
            }
            (Ok(()), None) => Ok(None),
            (Ok(()), Some(offer)) => self
                .describe(0, leg, Role::Offer, offer, cx)
                .map(Some)
                .map_err(|cause| Failure::new(FailureKind::Unusable, cause)),
        };
        match body {
            Ok(body) => {
                let shown = match branch.auth {
                    BranchAuth::Pass => hunt.shown.to_vec(),
                    BranchAuth::Ours | BranchAuth::Mapped(_) => Vec::new(),
                };
                let parts = parts.unwrap_or_default();
                let related = hunt.related.clone();
                self.invite(leg, branch, Brought { offer: body, shown, parts, related }, cx);
            }
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
        self.facts.push(Fact::LegOpened(Box::new(LegOpened {
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
        })));
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

    pub(crate) fn invite(&mut self, leg: u8, branch: Branch, brought: Brought, cx: &mut Cx<'_>) {
        let Brought { offer: body, shown, parts, related } = brought;
        let hops_left = self.hops_left.saturating_sub(1);
        let invite = Invite { branch, hops_left, body, parts, shown, related };
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
        let theirs = self.leg(to).ok_or(gone)?;
        if theirs.mesh.is_some() {
            // The other call describes it for its own party.
            return Ok(body.clone());
        }
        let (from, ours) = self.speaker(from).ok_or(gone)?;
        cx.res.describe(from, self.leg_id(to), role, body, (&ours, &theirs.policy))
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
        if self.is_over(leg) {
            return;
        }
        let end = End::new(failure.cause, failure.by(), failure.reason());
        self.end_branch_leg(hunt, leg, &end, farewell, cx);
        self.branch_came_to_nothing(hunt, leg, failure, cx);
    }

    fn end_branch_leg(
        &mut self,
        hunt: &mut Hunt,
        leg: u8,
        end: &End,
        farewell: Farewell,
        cx: &mut Cx<'_>,
    ) {
        self.end_leg(leg, end, farewell, cx);
        Call::close_early(hunt, leg);
        hunt.forget_early(leg);
    }

    /// Ends a branch that said that the call is to go elsewhere.
    pub(super) fn end_redirected(
        &mut self,
        hunt: &mut Hunt,
        leg: u8,
        cause: Cause,
        cx: &mut Cx<'_>,
    ) {
        let end = End::new(cause, Party::Called, Reason::Redirected);
        self.end_branch_leg(hunt, leg, &end, Farewell::None, cx);
    }

    /// Draws the conclusion of a branch that is over.
    pub(super) fn branch_came_to_nothing(
        &mut self,
        hunt: &mut Hunt,
        leg: u8,
        failure: Failure,
        cx: &mut Cx<'_>,
    ) {
        let Some(known) = self.leg(leg) else { return };
        let (way, verdict) = (known.way, failure.verdict(&known.continue_on, &known.stop_on));
        hunt.failures.push((leg, failure));
        hunt.ways.failed(way, failure, verdict != Verdict::Continue);
        if verdict == Verdict::StopAll {
            hunt.stopped = true;
            hunt.ways.stop();
            hunt.redirects.give_up(cx);
            self.end_trying(hunt, Cause::new(487, 16), cx);
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
    fn exhausted(&mut self, hunt: &mut Hunt, cx: &mut Cx<'_>) -> State {
        let mut end = match best(&hunt.failures) {
            Some((leg, failure)) => {
                self.beside = hunt.take_beside(leg);
                let end = End::new(failure.told(), failure.by(), failure.reason());
                let headers = hunt.fields_of(leg).map(<[_]>::to_vec).unwrap_or_default();
                End { headers, ..end }
            }
            None => super::ask::refusal(&hunt.on_exhausted),
        };
        end.cause = self.read_cause(0, end.cause);
        if end.headers.is_empty() && hunt.fields.is_some() {
            // Those of a progress are not those of its end.
            self.command(0, Command::Fields(Vec::new()), cx);
        }
        if let (300..=399, Some((status, contacts))) = (end.cause.sip, hunt.redirects.take_passed())
        {
            self.end_leg(0, &end, Farewell::Redirect { status, contacts }, cx);
        }
        let state = self.close(&end, cx);
        self.beside = None;
        state
    }

    /// What a cause means that a leg said, or what the caller is told instead of it.
    fn read_cause(&self, leg: u8, cause: Cause) -> Cause {
        self.leg(leg).map_or(cause, |leg| leg.manner.read(cause))
    }

    /// A branch was refused: it has failed, or leads elsewhere.
    fn branch_refused(
        &mut self,
        hunt: &mut Hunt,
        leg: u8,
        (cause, silent): (Cause, bool),
        contacts: Vec<String>,
        cx: &mut Cx<'_>,
    ) {
        // The caller hears it with the refusal that is the best of all.
        hunt.beside.extend(self.beside.take().map(|beside| *beside));
        let challenges = hunt.fields_of(leg).is_some_and(|fields| fields.iter().any(is_challenge));
        let failed = match silent {
            true => Err(Failure::new(FailureKind::Silent, cause)),
            false if challenges && matches!(cause.sip, 401 | 407) => {
                Err(Failure::new(FailureKind::Challenged, cause))
            }
            false => {
                let cause = self.read_cause(leg, cause);
                self.redirected(hunt, (leg, cause), contacts, cx)
            }
        };
        if let Err(failure) = failed {
            self.branch_failed(hunt, leg, failure, Farewell::None, cx);
        }
    }

    pub(crate) fn hunting_leg(
        &mut self,
        mut hunt: Box<Hunt>,
        leg: u8,
        event: Event,
        cx: &mut Cx<'_>,
    ) -> State {
        match (event, leg) {
            (Event::Ended { cause, by_party }, 0) => {
                hunt.redirects.give_up(cx);
                self.caller_gave_up(cause, by_party, cx)
            }
            (Event::Refused { cause, .. }, 0) => {
                hunt.redirects.give_up(cx);
                self.caller_gave_up(cause, true, cx)
            }
            (Event::Progress { status, body, fork }, 1..) => {
                self.branch_progress(&mut hunt, leg, status, body.map(|b| (b, fork)), cx);
                State::Hunting(hunt)
            }
            (Event::Update { body }, leg) => {
                self.early_update(&mut hunt, leg, body, cx);
                State::Hunting(hunt)
            }
            (Event::ReofferAnswered { body }, leg) => {
                self.early_answered(&mut hunt, leg, body, cx);
                State::Hunting(hunt)
            }
            (Event::ReofferRefused { cause }, leg) => {
                self.early_refused(&mut hunt, leg, cause, cx);
                State::Hunting(hunt)
            }
            (Event::Answered { body }, 1..) => self.branch_answered(hunt, leg, body, cx),
            (Event::Refused { cause, silent, contacts }, 1..) => {
                self.branch_refused(&mut hunt, leg, (cause, silent), contacts, cx);
                self.hunt(hunt, cx)
            }
            (Event::Fields(fields), 1..) => {
                hunt.note_fields(leg, fields);
                State::Hunting(hunt)
            }
            (Event::Ended { cause, by_party }, 1..) => {
                let kind = if by_party { FailureKind::Refused } else { FailureKind::Silent };
                let failure = Failure::new(kind, cause);
                self.branch_failed(&mut hunt, leg, failure, Farewell::None, cx);
                self.hunt(hunt, cx)
            }
            (
                Event::Offered(_)
                | Event::Fields(_)
                | Event::Parts(_)
                | Event::Progress { .. }
                | Event::Answered { .. }
                | Event::Confirmed { .. }
                | Event::Reoffer { .. }
                | Event::Refreshed { .. }
                | Event::Digits { .. }
                | Event::Info { .. }
                | Event::Message { .. }
                | Event::Transfer(_),
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
        body: Option<(Body, u8)>,
        cx: &mut Cx<'_>,
    ) {
        if !self.note_progress(leg, status, cx) || status == 199 {
            return;
        }
        let media = match (&hunt.offer, &mut hunt.early, body) {
            // One early stream is heard: of the first leg that has one. A body to a late offer
            // would itself be an offer, which only a reliable provisional answer may make.
            (Some(_), None, Some((body, fork))) => {
                self.describe(leg, 0, Role::Answer, &body, cx).ok().map(|body| (body, fork))
            }
            // Another fork behind that leg: the newest is heard. Media follows it; the caller has
            // its answer already, and our address and ports stay what they are.
            (Some(_), Some(early), Some((body, fork)))
                if early.leg == leg && early.fork != fork && early.pending.is_none() =>
            {
                if self.describe(leg, 0, Role::Answer, &body, cx).is_ok() {
                    early.fork = fork;
                }
                None
            }
            (Some(_) | None, _, _) => None,
        };
        if let Some((body, fork)) = media {
            hunt.early = Some(Early { leg, fork, body: body.clone(), pending: None });
            hunt.told = Told::Media;
            self.join(0, leg, cx);
            self.tell_fields(hunt, leg, cx);
            self.command(0, Command::Progress { status, body: Some(body) }, cx);
            return;
        }
        let news = Told::by_status(status);
        if news > hunt.told || (news > Told::Nothing && self.says_more(leg)) {
            hunt.told = hunt.told.max(news);
            self.tell_fields(hunt, leg, cx);
            self.command(0, Command::Progress { status, body: None }, cx);
        }
    }

    /// Whether something stands beside what `leg` says, which nobody else rings with: a network
    /// tells by it how the call goes on, whatever the status.
    fn says_more(&self, leg: u8) -> bool {
        self.beside.is_some()
            && self.legs.iter().filter(|leg| leg.trying().is_some()).count() == 1
            && self.leg(leg).is_some_and(|leg| leg.trying().is_some())
    }

    /// The caller is told `leg`'s words with the fields that rules gave them. A leg without rules
    /// says nothing of fields, and nothing is left of another one's.
    fn tell_fields(&self, hunt: &Hunt, leg: u8, cx: &mut Cx<'_>) {
        if hunt.fields.is_some() {
            let fields = hunt.fields_of(leg).unwrap_or_default();
            self.command(0, Command::Fields(fields.to_vec()), cx);
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
        self.stop_hunting(&mut hunt, cx);
        self.facts.push(Fact::LegAnswered(LegAnswered { leg: 0, at: cx.now }));
        self.tell_fields(&hunt, leg, cx);
        self.command(0, Command::Answer { body: Some(told) }, cx);
        let exchange = match hunt.offer {
            Some(_) => Exchange::Idle,
            None => Exchange::Confirming { from: 0, to: leg },
        };
        self.talk(leg, (hunt.grant, hunt.max_ms), exchange, cx)
    }

    /// Somebody has answered: nobody else is to.
    pub(super) fn stop_hunting(&mut self, hunt: &mut Hunt, cx: &mut Cx<'_>) {
        hunt.redirects.give_up(cx);
        // Q.850 26: answered elsewhere (the phone shows no missed call, RFC 3326).
        self.end_trying(hunt, Cause::new(200, 26), cx);
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
            (Some(_), None, Some(early)) if early.leg == leg => Ok(early.body.clone()),
            (Some(_) | None, None, _) => Err(Cause::from_sip(488)),
        }
    }

    pub(crate) fn hunting_timeout(&mut self, mut hunt: Box<Hunt>, cx: &mut Cx<'_>) -> State {
        for leg in self.leg_numbers() {
            if let Some(failure) = self.expired(leg, cx.now) {
                self.branch_failed(&mut hunt, leg, failure, Farewell::Hangup, cx);
            }
        }
        self.redirect_timeout(&mut hunt, cx);
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

/// Whether a field is a challenge (RFC 3261 22).
fn is_challenge(field: &HeaderField) -> bool {
    let names = ["WWW-Authenticate", "Proxy-Authenticate"];
    names.iter().any(|name| field.name.eq_ignore_ascii_case(name))
}
