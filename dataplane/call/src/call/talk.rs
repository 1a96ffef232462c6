//! Two legs are answered and joined: until one ends, or time does.

use super::credit::{Credit, Due};
use super::end::{End, Farewell};
use super::exchange::Exchange;
use super::transfer::Transfer;
use super::{Call, State};
use crate::Entry;
use crate::desk::{AskKind, Cx};
use crate::limits::DIGITS_MAX;
use std::sync::Arc;
use strowger_leg::{Body, Command, Event};
use strowger_link::table::SlotState;
use strowger_link::{
    AnswerBody, Ask, AskBody, Cause, ExtendAsk, Fact, Grant, LiveState, Pair, Party, Reason,
    Started, Tick, Up,
};

/// The bridge of a call: its first leg and the one that answered, or who is there after a transfer.
#[derive(Debug)]
pub(crate) struct Talk {
    /// Leg 0, unless that was put through to somebody else.
    pub(crate) first: u8,
    /// The other one.
    pub(crate) peer: u8,
    /// One of both wants the other to be put through.
    pub(crate) transfer: Option<Box<Transfer>>,
    pub(crate) credit: Credit,
    /// Longest duration; [`Tick::NEVER`] = no limit.
    pub(crate) max_at: Tick,
    pub(crate) exchange: Exchange,
}

// Q.850 31, normal, unspecified: the values have no word for "your time is up".
const TIME_IS_UP: Cause = Cause::new(0, 31);

impl Talk {
    pub(crate) fn has(&self, leg: u8) -> bool {
        leg == self.first || leg == self.peer
    }

    /// The leg at the other end of the bridge.
    pub(crate) fn other(&self, leg: u8) -> u8 {
        if leg == self.first { self.peer } else { self.first }
    }

    pub(crate) fn next_at(&self) -> Tick {
        self.credit.next_at().min(self.max_at)
    }

    pub(crate) fn ask_under_way(&self) -> Option<&Arc<Ask>> {
        self.credit.ask_under_way()
    }
}

impl Call {
    /// Leg 0 and `peer` speak from now on.
    pub(crate) fn talk(
        &mut self,
        peer: u8,
        (grant, max_ms): (Grant, u64),
        exchange: Exchange,
        cx: &mut Cx<'_>,
    ) -> State {
        self.join(0, peer, cx);
        cx.res.answered(self.leg_id(0), self.leg_id(peer));
        self.facts.push(Fact::Joined(Pair { a: 0, b: peer, at: cx.now }));
        self.write_slot(SlotState::Answered, cx);
        cx.desk.out.journal(Entry::Start, self.slot, self.call_facts());
        if self.granted {
            cx.desk.out.up(Up::Started(Started {
                ask: self.ask,
                record: self.record,
                at: cx.now,
                hop: self.leg(peer).map_or(0, |leg| leg.hop),
                settlement: self.settlement.clone(),
            }));
        }
        for leg in [0, peer] {
            self.live(leg, LiveState::Speaking, cx);
        }
        let max_at = match max_ms {
            0 => Tick::NEVER,
            ms => cx.now.plus_ms(ms),
        };
        let credit = Credit::new(grant, cx.now);
        State::Talking(Box::new(Talk { first: 0, peer, transfer: None, credit, max_at, exchange }))
    }

    pub(crate) fn talking_leg(
        &mut self,
        talk: Box<Talk>,
        leg: u8,
        event: Event,
        cx: &mut Cx<'_>,
    ) -> State {
        let (mut talk, event) = match self.transferring_leg(talk, leg, event, cx) {
            Ok(state) => return state,
            Err(rest) => rest,
        };
        if !talk.has(leg) {
            return self.beside_leg(talk, leg, event, cx);
        }
        let outcome = match event {
            Event::Ended { cause, by_party } => {
                return self.talking_leg_ended(talk, leg, ended(leg, cause, by_party), cx);
            }
            Event::Refused { cause, .. } => {
                return self.talking_leg_ended(talk, leg, ended(leg, cause, true), cx);
            }
            Event::Reoffer { body } => {
                self.reoffer(&mut talk, leg, body, cx);
                Ok(())
            }
            Event::Update { body } => {
                self.update(&mut talk, leg, &body, cx);
                Ok(())
            }
            Event::Refreshed { body } => {
                self.refreshed(&talk, leg, body.as_ref(), cx);
                Ok(())
            }
            Event::ReofferAnswered { body } => self.reoffer_answered(&mut talk, leg, body, cx),
            Event::ReofferRefused { cause } => self.reoffer_refused(&mut talk, leg, cause, cx),
            Event::Confirmed { body } => self.confirmed(&mut talk, leg, body, cx),
            // The other one has gone, and a target takes its place or nobody does.
            Event::Digits { .. }
            | Event::Info { .. }
            | Event::Message { .. }
            | Event::Fields(_)
                if self.is_over(talk.other(leg)) =>
            {
                Ok(())
            }
            Event::Digits { digits, duration_ms } => {
                self.pass_digits(talk.other(leg), &digits, duration_ms, cx);
                Ok(())
            }
            Event::Info { body } => self.pass(talk.other(leg), Command::Info { body }, cx),
            Event::Message { body } => self.pass(talk.other(leg), Command::Message { body }, cx),
            Event::Transfer(wish) => {
                self.transfer(&mut talk, leg, *wish, cx);
                Ok(())
            }
            // Digests of both sides, where they are not ours: the protocol knows where.
            Event::Fields(fields) => self.pass(talk.other(leg), Command::Fields(fields), cx),
            Event::Offered(_)
            | Event::Progress { .. }
            | Event::Answered { .. }
            | Event::Parts(_) => {
                Call::misplaced(cx);
                Ok(())
            }
        };
        match outcome {
            Ok(()) => self.put_through(talk, cx),
            Err(cause) => self.close_talk(*talk, End::ours(cause, Reason::BadMedia), cx),
        }
    }

    /// What one leg says to the other goes on as it is; nothing comes of it for the bridge.
    fn pass(&self, to: u8, command: Command, cx: &mut Cx<'_>) -> Result<(), Cause> {
        self.command(to, command, cx);
        Ok(())
    }

    fn talking_leg_ended(&mut self, talk: Box<Talk>, leg: u8, end: End, cx: &mut Cx<'_>) -> State {
        if self.is_rerouted(&talk, leg, &end, cx.now) {
            return self.reroute(talk, &end, Farewell::None, cx);
        }
        self.end_leg(leg, &end, Farewell::None, cx);
        self.close_talk(*talk, end, cx)
    }

    /// Ends a call that was answered; its ask, if one is under way, waits no longer.
    pub(crate) fn close_talk(&mut self, mut talk: Talk, end: End, cx: &mut Cx<'_>) -> State {
        self.give_up_transfer(&mut talk, cx);
        if let Some(ask) = talk.ask_under_way() {
            cx.desk.take(ask.id);
        }
        self.close(&end, cx)
    }

    /// Digits that came by signalling go on by signalling, one message each.
    fn pass_digits(&mut self, to: u8, digits: &str, duration_ms: u16, cx: &mut Cx<'_>) {
        for digit in digits.chars().take(DIGITS_MAX) {
            let text = format!("Signal={digit}\r\nDuration={duration_ms}\r\n");
            let body = Body {
                content_type: "application/dtmf-relay".into(),
                data: text.into_bytes().into(),
            };
            self.command(to, Command::Info { body }, cx);
        }
    }

    pub(crate) fn talking_timeout(&mut self, mut talk: Box<Talk>, cx: &mut Cx<'_>) -> State {
        if talk.max_at <= cx.now {
            let end = End::ours(TIME_IS_UP, Reason::MaxDuration);
            return self.close_talk(*talk, end, cx);
        }
        match talk.credit.due(cx.now) {
            Due::Nothing => {}
            Due::Cut => {
                let end = End::ours(TIME_IS_UP, Reason::CreditEnded);
                return self.close_talk(*talk, end, cx);
            }
            Due::Extend => self.ask_for_more(&mut talk, cx),
            Due::AskAgain => {
                if let Some(ask) = talk.ask_under_way() {
                    cx.desk.ask(ask, AskKind::Extend);
                }
            }
        }
        self.tie_timeout(talk, cx)
    }

    fn ask_for_more(&mut self, talk: &mut Talk, cx: &mut Cx<'_>) {
        let extend = ExtendAsk {
            call: self.ask,
            used_ms: talk.credit.used_ms(cx.now),
            granted_ms: talk.credit.granted_ms(),
            free_ms: talk.credit.free_ms(),
            settlement: self.settlement.clone(),
        };
        let ask = Arc::new(Ask {
            id: cx.desk.ask_id(),
            parent: Some(self.ask),
            leg: self.leg_id(0),
            hints: self.hints.clone(),
            deadline: talk.credit.end_at(),
            wall_us: self.wall_us(cx.now),
            body: AskBody::Extend(extend),
        });
        cx.desk.ask(&ask, AskKind::Extend);
        talk.credit.asked(ask);
    }

    /// More talk time came unasked.
    pub(crate) fn talking_lengthened(
        &mut self,
        mut talk: Box<Talk>,
        grant: Grant,
        cx: &mut Cx<'_>,
    ) -> State {
        if talk.credit.lengthened(grant, cx.now) {
            self.note_grant(talk.credit.grant(), SlotState::Answered, cx);
        }
        // A time-out that is due already is not put off.
        self.talking_timeout(talk, cx)
    }

    pub(crate) fn talking_answer(
        &mut self,
        mut talk: Box<Talk>,
        body: AnswerBody,
        cx: &mut Cx<'_>,
    ) -> State {
        match body {
            AnswerBody::Extended(extended) => {
                talk.credit.extended(extended.grant, cx.now);
                self.note_grant(talk.credit.grant(), SlotState::Answered, cx);
            }
            // Nothing more is given, whatever the words.
            AnswerBody::Refuse(_)
            | AnswerBody::Challenge(_)
            | AnswerBody::Forward(_)
            | AnswerBody::Go(_)
            | AnswerBody::Registered(_)
            | AnswerBody::Respond(_)
            | AnswerBody::Resolved(_) => talk.credit.refused(),
        }
        // An end that has passed already (go-on, or less than before) is now.
        self.talking_timeout(talk, cx)
    }
}

/// How the end of an answered leg stands in the record.
fn ended(leg: u8, cause: Cause, by_party: bool) -> End {
    match (by_party, cause.sip) {
        (true, _) => End::new(cause, Call::party(leg), Reason::Normal),
        (false, 408) => End::new(cause, Party::Switch, Reason::PeerSilent),
        (false, _) => End::new(cause, Party::Switch, Reason::PeerError),
    }
}
