//! Questions of the dataplane: decided by `routing`, granted by the till, answered in one step.

use super::{Office, Output, TillRefusal, ms, pays_for_forwards};
use crate::fact::SoFar;
use crate::page::is_page;
use crate::{money, trace};
use core::mem::take;
use std::sync::Arc;
use strowger_billing::FORWARDS_MAX;
use strowger_link::{
    Answer, AnswerBody, Ask, AskBody, AskId, Down, Extended, Grant, Octets, RerouteAsk, Tick,
    TransferAsk,
};
use strowger_model::{AccountId, AllowanceId, Amount, RingGroupId, SubscriberId};
use strowger_routing::{
    AdmitPlan, Decision, Facts, NO_LEASE, NonceUse, Plan, Refusal, TalkTime, Verdict, decide,
    finish, picked_up, register, reject, request, rerouted, transferred,
};
use strowger_till::Output as Said;
use strowger_till::{Event, HoldId};

impl Office {
    pub(crate) fn handle_ask(&mut self, ask: &Ask, now: Tick, wall_us: i64) {
        if ask.deadline <= now {
            self.counts.expired += 1;
            return;
        }
        let answer = match &ask.body {
            AskBody::Call(_) => {
                self.counts.calls += 1;
                self.decide_call(ask, None, (now, wall_us))
            }
            AskBody::Transfer(transfer) => {
                self.counts.calls += 1;
                self.decide_transfer(ask, transfer, (now, wall_us))
            }
            AskBody::Reroute(asked) => {
                self.counts.calls += 1;
                self.decide_reroute(ask, asked, (now, wall_us))
            }
            AskBody::Register(_) => {
                self.counts.registrations += 1;
                self.register(ask, (now, wall_us))
            }
            AskBody::Extend(extend) => {
                self.counts.extensions += 1;
                self.extend(ask.id, extend, now)
            }
            AskBody::Request(page) if is_page(ask, page) => {
                self.counts.requests += 1;
                self.answer_page(ask, page, (now, wall_us))
            }
            AskBody::Request(_) => {
                self.counts.requests += 1;
                let decision = request(&self.world, &self.locations, ask);
                self.take_decision(decision.nonce, None);
                if decision.tenant.is_none() {
                    self.note_stranger(ask, &decision.verdict, (now, wall_us));
                }
                decision.verdict.into_answer(ask.id)
            }
            AskBody::Redirected(asked) => {
                self.counts.redirects += 1;
                self.answer_once(ask, |office| {
                    office.decide_redirect(ask, asked, SoFar::default(), (now, wall_us))
                })
            }
            AskBody::Pickup(pickup) => {
                self.counts.calls += 1;
                let times = (now, wall_us);
                let decision = picked_up(&self.world, &self.locations, (ask, pickup), times);
                // It costs nothing, so there is nobody to be left out.
                self.carry_out(ask, decision, false, times).unwrap_or(None)
            }
            AskBody::Resolve(asked) => {
                self.counts.names += 1;
                self.answer_once(ask, |office| {
                    office.resolve(ask, asked, SoFar::default(), (now, wall_us))
                })
            }
            AskBody::App(_) => {
                self.counts.others += 1;
                Some(refused(ask, Refusal::NotSupported))
            }
        };
        if let Some(answer) = answer {
            self.out.push_back(Output::Down(Down::Answer(Box::new(answer))));
        }
    }

    fn register(&mut self, ask: &Ask, (now, wall_us): (Tick, i64)) -> Option<Answer> {
        let decision = register(&self.world, &mut self.locations, ask, now, wall_us);
        self.drain_locations(now);
        match decision.tenant {
            Some(_) => self.guard.forgive(ask.hints.source),
            None => self.note_stranger(ask, &decision.verdict, (now, wall_us)),
        }
        decision.verdict.into_answer(ask.id)
    }

    /// Asked again while it waits, it is answered once.
    fn answer_once(
        &mut self,
        ask: &Ask,
        answer: impl FnOnce(&mut Office) -> Option<Answer>,
    ) -> Option<Answer> {
        if self.waiting.contains(ask.id) { None } else { answer(self) }
    }

    /// A subscriber puts the other party of its call through: a call of its own, at its cost.
    pub(crate) fn decide_transfer(
        &mut self,
        ask: &Ask,
        transfer: &TransferAsk,
        times: (Tick, i64),
    ) -> Option<Answer> {
        match transferred(&self.world, ask, transfer) {
            Ok((call, by)) => self.decide_call(&call, Some(by), times),
            Err(refusal) => {
                self.counts.refused += 1;
                Some(refused(ask, refusal))
            }
        }
    }

    /// A trunk that had answered is gone: the call goes elsewhere, as one of its own.
    pub(crate) fn decide_reroute(
        &mut self,
        ask: &Ask,
        asked: &RerouteAsk,
        times: (Tick, i64),
    ) -> Option<Answer> {
        match rerouted(ask, asked) {
            Ok((call, again)) => {
                let so_far = SoFar { again: Some(again), ..SoFar::default() };
                self.answer_once(&call, |office| office.consider(&call, so_far, times))
            }
            Err(refusal) => {
                self.counts.refused += 1;
                Some(refused(ask, refusal))
            }
        }
    }

    /// Decides on a call of `sender`, or of whoever shows to be who it is; `None` while it waits
    /// for somebody outside.
    pub(crate) fn decide_call(
        &mut self,
        ask: &Ask,
        sender: Option<SubscriberId>,
        times: (Tick, i64),
    ) -> Option<Answer> {
        let so_far = SoFar { sender, ..SoFar::default() };
        self.answer_once(ask, |office| office.consider(ask, so_far, times))
    }

    /// The same, with what it has come to so far.
    pub(crate) fn consider(
        &mut self,
        ask: &Ask,
        mut so_far: SoFar,
        (now, wall_us): (Tick, i64),
    ) -> Option<Answer> {
        loop {
            let (standing, shared) = (Arc::clone(&self.standing), Arc::clone(&self.shared));
            let (known, unable) = (take(&mut so_far.known), take(&mut so_far.unable));
            let (sender, again) = (so_far.sender, take(&mut so_far.again));
            let known = Some(known);
            let facts = Facts { known, sender, again, unable, standing, shared, explain: false };
            let mut decision = decide(&self.world, &self.locations, ask, &facts, now, wall_us);
            // Given up before it is changed, so that nothing is copied.
            drop((facts.standing, facts.shared));
            so_far.known = facts.known.unwrap_or_default();
            so_far.unable = facts.unable;
            so_far.again = facts.again;
            if let (Verdict::Go(plan), Some(_)) = (&mut decision.verdict, &so_far.again) {
                plan.follows();
            }
            if let Verdict::Need(query) = decision.verdict {
                // Each round knows a fact more, until no more are asked for.
                so_far = self.park(ask, so_far, query, (now, wall_us))?;
                continue;
            }
            // Each round leaves one payer of forwards out.
            let may_again = so_far.unable.len() < FORWARDS_MAX;
            match self.carry_out(ask, decision, may_again, (now, wall_us)) {
                Ok(answer) => return answer,
                Err(payer) => so_far.unable.push(payer),
            }
        }
    }

    /// Takes a decision; `Err` when one who would have to pay for forwards only cannot: decide
    /// again without them.
    pub(crate) fn carry_out(
        &mut self,
        ask: &Ask,
        decision: Decision,
        may_again: bool,
        (now, wall_us): (Tick, i64),
    ) -> Result<Option<Answer>, AccountId> {
        let Decision { verdict, nonce, turn, mut trace, tenant, sent, shared, places: _ } =
            decision;
        let Verdict::Go(plan) = verdict else {
            self.take_decision(nonce, turn);
            self.counts.refused += 1;
            match tenant {
                Some(tenant) => self.keep_trace(ask, tenant, &trace),
                None => self.note_stranger(ask, &verdict, (now, wall_us)),
            }
            return Ok(verdict.into_answer(ask.id));
        };
        let mut plan = *plan;
        let (free, packet) = self.choose_allowances(&mut plan);
        let granted = match &plan.admit {
            None => Ok(NO_LEASE),
            Some(admit) => self.admit(ask, admit, (free, packet), now),
        };
        if let Err(why) = granted
            && let Some(payer) = money::refused_payer(why)
            && may_again
            && pays_for_forwards(&plan, payer)
        {
            return Err(payer);
        }
        trace::note_granted(&mut trace, &granted, (free, packet));
        let payer = plan.admit.as_ref().and_then(|admit| admit.levels.first()).map(|p| p.account);
        let granted = granted.map_err(|why| trace::note_refused(&mut trace, why, payer));
        if let Some(tenant) = tenant {
            self.keep_trace(ask, tenant, &trace);
        }
        self.take_decision(nonce, turn);
        Ok(Some(match granted {
            Ok(granted) => {
                self.counts.admitted += 1;
                if let Some(admit) = &plan.admit {
                    self.note_crowd(admit, now);
                }
                let line = sent.as_ref().map(|sent| sent.trunk);
                self.note_sent(sent, wall_us);
                self.note_shared(shared, wall_us);
                self.note_live(ask, &plan, line, wall_us);
                finish(plan, granted)
            }
            Err(refusal) => {
                self.counts.refused += 1;
                reject(&plan, refusal)
            }
        }))
    }

    pub(crate) fn take_decision(&mut self, nonce: Option<NonceUse>, turn: Option<RingGroupId>) {
        if let Some(nonce) = nonce {
            self.locations.nonces_mut().spend(nonce);
        }
        if let Some(group) = turn {
            self.locations.take_turn(group);
        }
    }

    /// The free time and the packet that a call takes before money; its settlement names them then.
    pub(crate) fn choose_allowances(
        &self,
        plan: &mut Plan,
    ) -> (Option<AllowanceId>, Option<AllowanceId>) {
        let payer = plan.admit.as_ref().and_then(|admit| admit.levels.first());
        let found = payer.and_then(|payer| {
            // What costs nothing anyway takes nothing away.
            let is_free = || payer.bound.most() == Some(Amount::ZERO);
            let of = self.allowances.settlement_of(plan, payer.account).filter(|_| !is_free());
            of.map(|of| (payer.account, of))
        });
        let Some((payer, mut settlement)) = found else { return (None, None) };
        let has_time =
            |id: &AllowanceId| self.till.pool(*id).is_some_and(|pool| pool.left_ms() > 0);
        let has_money = |id: &AllowanceId| {
            let packet = self.till.packet(*id);
            packet.is_some_and(|packet| packet.used < packet.granted)
        };
        let free = self.allowances.matching(payer, &settlement, false).find(has_time);
        let packet = self.allowances.matching(payer, &settlement, true).find(has_money);
        if free.is_none() && packet.is_none() {
            return (None, None);
        }
        (settlement.allowance, settlement.packet) = (free, packet);
        let Ok(bytes) = settlement.encode() else { return (None, None) };
        plan.go.settlement = Octets(bytes);
        (free, packet)
    }

    pub(crate) fn admit(
        &mut self,
        ask: &Ask,
        plan: &AdmitPlan,
        beside: (Option<AllowanceId>, Option<AllowanceId>),
        now: Tick,
    ) -> Result<TalkTime, TillRefusal> {
        let who = (ask.id, ask.hints.source.ip());
        let event = Event::Admit(money::admit(self.node, who, plan, beside, ask.wall_us));
        self.till.handle(event, ms(now));
        let mut outcome = Err(TillRefusal::Malformed);
        while let Some(output) = self.till.poll_output() {
            if let Said::Admitted(granted) = output {
                outcome = Ok(money::talk_time(granted));
            } else if let Said::Refused { why, .. } = output {
                outcome = Err(why);
            } else {
                self.pass(output);
            }
        }
        outcome
    }

    pub(crate) fn extend(
        &mut self,
        id: AskId,
        extend: &strowger_link::ExtendAsk,
        now: Tick,
    ) -> Option<Answer> {
        let hold = HoldId(extend.call.0);
        let (granted_ms, free_ms) = (extend.granted_ms, extend.free_ms);
        let event = Event::Extend { hold, granted_ms, free_ms };
        let granted = match self.ask_extend(event.clone(), now) {
            Some(granted) => Some(granted),
            // This process never saw the call: take it up from its settlement, then ask again.
            None => {
                let granted = TalkTime { ms: granted_ms, free_ms, last: false };
                // Who forwarded is not known here: all are held for, as before the answer.
                self.adopt_talking(extend.call, &extend.settlement, granted, now);
                self.ask_extend(event, now)
            }
        }?;
        let go_on = self.live.get(&extend.call).is_some_and(|call| call.go_on);
        let TalkTime { ms, free_ms, last } = granted;
        let grant = Grant { ms, free_ms, last, go_on };
        Some(Answer { ask: id, body: AnswerBody::Extended(Extended { grant }) })
    }

    pub(crate) fn ask_extend(&mut self, event: Event, now: Tick) -> Option<TalkTime> {
        self.till.handle(event, ms(now));
        let mut granted = None;
        while let Some(output) = self.till.poll_output() {
            if let Said::Extended(more) = output {
                granted = Some(money::talk_time(more));
            } else {
                self.pass(output);
            }
        }
        granted
    }
}

/// A refusal before anything is known of who asks: it leaves no record.
fn refused(ask: &Ask, refusal: Refusal) -> Answer {
    let refuse = refusal.refuse(false, Octets::default());
    Answer { ask: ask.id, body: AnswerBody::Refuse(refuse) }
}
