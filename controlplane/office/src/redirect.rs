//! Redirects of calls under way: decided by `routing`, paid for under the call's own hold.

use super::{Office, TillRefusal, ms, pays_for_forwards};
use crate::fact::SoFar;
use crate::{money, trace};
use core::mem::take;
use strowger_billing::{FORWARDS_MAX, Settlement};
use strowger_link::{Answer, AnswerBody, Ask, AskId, Octets, RedirectedAsk, Tick};
use strowger_model::AccountId;
use strowger_routing::{
    Decision, Facts, Plan, Refusal, TalkTime, Verdict, finish, redirected, reject,
};
use strowger_till::Output as Said;
use strowger_till::{Event, HoldId};

impl Office {
    /// Where a redirect leads; `None` while it waits for somebody outside. A refusal costs the call
    /// nothing: it goes on as if the branch had failed.
    pub(crate) fn decide_redirect(
        &mut self,
        ask: &Ask,
        asked: &RedirectedAsk,
        mut so_far: SoFar,
        (now, wall_us): (Tick, i64),
    ) -> Option<Answer> {
        loop {
            let places = (&*self.world, &self.locations);
            let (known, unable) = (take(&mut so_far.known), take(&mut so_far.unable));
            let facts = Facts { known: Some(known), unable, ..Facts::default() };
            let decision = redirected(places, ask, asked, &facts, now, wall_us);
            so_far.known = facts.known.unwrap_or_default();
            so_far.unable = facts.unable;
            if let Verdict::Need(query) = decision.verdict {
                // Each round knows a fact more, until no more are asked for.
                so_far = self.park(ask, so_far, query, (now, wall_us))?;
                continue;
            }
            let may_again = so_far.unable.len() < FORWARDS_MAX;
            match self.carry_out_redirect(ask, asked, decision, (may_again, now)) {
                Ok(answer) => return Some(answer),
                Err(unable) => so_far.unable.push(unable),
            }
        }
    }

    /// `Err` when one who would have to pay for it cannot: decide again without.
    fn carry_out_redirect(
        &mut self,
        ask: &Ask,
        asked: &RedirectedAsk,
        decision: Decision,
        (may_again, now): (bool, Tick),
    ) -> Result<Answer, AccountId> {
        let Decision { verdict, nonce, turn, mut trace, tenant, sent: _, shared: _, places: _ } =
            decision;
        self.take_decision(nonce, turn);
        let plan = match verdict {
            Verdict::Go(plan) => *plan,
            Verdict::Refuse(refuse) => {
                if let Some(tenant) = tenant {
                    self.keep_trace(ask, tenant, &trace);
                }
                return Ok(Answer { ask: ask.id, body: AnswerBody::Refuse(refuse) });
            }
            Verdict::Challenge(_)
            | Verdict::Registered(_)
            | Verdict::Respond(_)
            | Verdict::Need(_) => {
                let refuse = Refusal::Internal.refuse(false, Octets::default());
                return Ok(Answer { ask: ask.id, body: AnswerBody::Refuse(refuse) });
            }
        };
        let granted = self.widen(ask, asked, &plan, now);
        if let Err(why) = granted
            && let Some(payer) = money::refused_payer(why)
            && may_again
            && pays_for_forwards(&plan, payer)
        {
            return Err(payer);
        }
        trace::note_granted(&mut trace, &granted, (None, None));
        let granted = granted.map_err(|why| trace::note_refused(&mut trace, why, None));
        if let Some(tenant) = tenant {
            self.keep_trace(ask, tenant, &trace);
        }
        Ok(match granted {
            Ok(granted) => finish(plan, granted),
            Err(refusal) => reject(&plan, refusal),
        })
    }

    /// Asks the till for what the plan costs beyond what the call holds already.
    fn widen(
        &mut self,
        ask: &Ask,
        asked: &RedirectedAsk,
        plan: &Plan,
        now: Tick,
    ) -> Result<TalkTime, TillRefusal> {
        let Some((call, admit)) = ask.parent.zip(plan.admit.as_ref()) else {
            return Err(TillRefusal::Malformed);
        };
        let began_us = Settlement::decode(&asked.settlement.0).map_or(0, |s| s.began_us);
        let levels = money::levels(self.node, admit);
        let ms_min = admit.ms_min;
        let event = Event::Widen { hold: HoldId(call.0), levels, ms_min, at_us: began_us };
        if let Some(said) = self.ask_widen(event.clone(), now) {
            return said;
        }
        // This process never saw the call: take it up from its settlement, then ask again.
        self.adopt_ringing(call, &asked.settlement, now);
        self.ask_widen(event, now).unwrap_or(Err(TillRefusal::Malformed))
    }

    fn adopt_ringing(&mut self, call: AskId, settlement: &Octets, now: Tick) {
        self.adopt(call, settlement, TalkTime::default(), None, now);
    }

    /// `None` when the till does not know the call.
    fn ask_widen(&mut self, event: Event, now: Tick) -> Option<Result<TalkTime, TillRefusal>> {
        self.till.handle(event, ms(now));
        let mut said = None;
        while let Some(output) = self.till.poll_output() {
            if let Said::Admitted(granted) = output {
                said = Some(Ok(money::talk_time(granted)));
            } else if let Said::Refused { why, .. } = output {
                said = Some(Err(why));
            } else {
                self.pass(output);
            }
        }
        said
    }
}
