//! How legs and calls end.

use super::leg::LegState;
use super::{Call, State};
use crate::Entry;
use crate::desk::Cx;
use crate::limits::LINGER_MS;
use strowger_leg::Command;
use strowger_link::table::SlotState;
use strowger_link::{
    CallEnded, Cause, Challenge, Fact, Gauge, HeaderField, LegEnded, LiveState, Party, Reason,
};

/// What a closed call still waits for, besides its legs' last words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Closed {
    /// Its record is not known to be durable.
    Recorded,
    /// Nothing: it left no record, or the record is durable.
    Settled {
        /// Its slot shows its end.
        shown: bool,
    },
    /// Parties that are owed a last word, which the protocol says by itself. `turn` is its place
    /// among all that leave: its slot is given up in that order when none is free.
    Leaving {
        /// It counts up.
        turn: u64,
    },
}

/// Why and by whom a call or a leg ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) cause: Cause,
    pub(crate) by: Party,
    pub(crate) reason: Reason,
    /// Reason phrase for an unanswered caller.
    pub(crate) phrase: Box<str>,
    /// Retry-After for an unanswered caller.
    pub(crate) retry_after_s: u16,
    /// Further fields for an unanswered caller.
    pub(crate) headers: Vec<HeaderField>,
}

impl End {
    pub(crate) fn new(cause: Cause, by: Party, reason: Reason) -> End {
        End { cause, by, reason, phrase: "".into(), retry_after_s: 0, headers: Vec::new() }
    }

    /// By this switch.
    pub(crate) fn ours(cause: Cause, reason: Reason) -> End {
        End::new(cause, Party::Switch, reason)
    }
}

/// What a leg is told when it ends.
pub(crate) enum Farewell {
    /// It is hung up.
    Hangup,
    /// It is to show credentials.
    Challenge(Challenge),
    /// It is told where else to call.
    Redirect { status: u16, contacts: Vec<String> },
    /// Nothing: it has ended by itself, or was never tried.
    None,
}

impl Farewell {
    pub(crate) fn plain_hangup(cause: Cause) -> Command {
        Command::Hangup { cause, phrase: "".into(), retry_after_s: 0 }
    }
}

impl Call {
    /// Ends one leg, once: media released, gauges given back, fact written, party told.
    pub(crate) fn end_leg(&mut self, leg: u8, end: &End, farewell: Farewell, cx: &mut Cx<'_>) {
        let until = cx.now.plus_ms(LINGER_MS);
        let id = self.leg_id(leg);
        let Some(known) = self.leg_mut(leg).filter(|l| !l.is_over()) else { return };
        let unanswered_caller = matches!(known.state, LegState::Offered);
        let told = told_cause(end.cause, known.manner.explain, unanswered_caller);
        let redirected = unanswered_caller && end.reason == Reason::Redirected;
        let told = if redirected { Cause { sip: end.cause.sip, ..told } } else { told };
        let cancelled = known.trying().map(|_| told);
        known.state = match farewell {
            Farewell::None => LegState::Gone,
            Farewell::Hangup | Farewell::Challenge(_) | Farewell::Redirect { .. } => {
                LegState::Closing { until, cancelled }
            }
        };
        for gauge in std::mem::take(&mut known.gauges) {
            // A callee is counted until the last of its contacts is given up.
            if !Gauge::is_callee(gauge) || !self.holds_gauge(gauge) {
                cx.res.give(gauge);
            }
        }
        self.part_from(leg, cx);
        let is_mesh = self.is_mesh(leg);
        let media = if is_mesh { None } else { cx.res.release(id) };
        let ended =
            LegEnded { leg, at: cx.now, cause: end.cause, by: end.by, reason: end.reason, media };
        // A mesh leg or a tie stands in the facts only where a record needs it.
        if !(is_mesh || self.is_tie(leg)) || self.facts.opened(leg).is_some() {
            self.facts.push(Fact::LegEnded(Box::new(ended)));
            self.live(leg, LiveState::Ended, cx);
        }
        match farewell {
            Farewell::None => {}
            Farewell::Challenge(challenge) => self.command(leg, Command::Challenge(challenge), cx),
            Farewell::Redirect { status, contacts } => {
                self.command(leg, Command::Redirect { status, contacts }, cx);
            }
            Farewell::Hangup if unanswered_caller => {
                if !end.headers.is_empty() {
                    self.command(leg, Command::Fields(end.headers.clone()), cx);
                }
                let command = Command::Hangup {
                    cause: told,
                    phrase: end.phrase.clone(),
                    retry_after_s: end.retry_after_s,
                };
                self.command(leg, command, cx);
            }
            Farewell::Hangup => self.command(leg, Farewell::plain_hangup(told), cx),
        }
    }

    /// Ends the call: every leg that is left, its last fact, and its record.
    pub(crate) fn close(&mut self, end: &End, cx: &mut Cx<'_>) -> State {
        for leg in self.leg_numbers() {
            self.end_leg(leg, end, Farewell::Hangup, cx);
        }
        self.facts.push(Fact::Ended(CallEnded {
            at: cx.now,
            cause: end.cause,
            by: end.by,
            reason: end.reason,
            facts_dropped: self.facts.dropped(),
        }));
        self.write_slot(SlotState::Ended, cx);
        cx.desk.out.journal(Entry::Ended, self.slot, self.call_facts());
        State::Closed(Closed::Recorded)
    }

    /// Ends an attempt that leaves no record: only the caller's leg exists.
    pub(crate) fn close_unrecorded(
        &mut self,
        end: &End,
        farewell: Farewell,
        cx: &mut Cx<'_>,
    ) -> State {
        self.end_leg(0, end, farewell, cx);
        State::Closed(Closed::Settled { shown: false })
    }

    /// The record is durable.
    pub(crate) fn handle_durable(&mut self) {
        if let State::Closed(closed @ Closed::Recorded) = &mut self.state {
            *closed = Closed::Settled { shown: true };
        }
    }

    /// Leaves if nothing is owed to it any more, by no leg and no journal; what is owed to its
    /// parties goes on without it. Whether its slot shows its end.
    pub(crate) fn leave(&mut self, turn: u64) -> Option<bool> {
        let State::Closed(Closed::Settled { shown }) = self.state else { return None };
        if !self.legs.iter().all(|leg| matches!(leg.state, LegState::Gone)) {
            return None;
        }
        self.state = State::Closed(Closed::Leaving { turn });
        Some(shown)
    }

    /// Its place among those that leave, if it does.
    pub(crate) fn leaving(&self) -> Option<u64> {
        match &self.state {
            State::Closed(Closed::Leaving { turn }) => Some(*turn),
            State::Closed(Closed::Recorded | Closed::Settled { .. })
            | State::Asked(_)
            | State::Hunting(_)
            | State::Picking(_)
            | State::Setup(_)
            | State::Talking(_) => None,
        }
    }

    /// Joins the media of two legs of this call, unless early media has done so. Whoever was joined
    /// before has ended by now, and was parted by that. Media of a mesh leg is joined by whoever
    /// puts a party through (`join_across`).
    pub(crate) fn join(&mut self, a: u8, b: u8, cx: &mut Cx<'_>) {
        if self.joined.is_none() && !self.is_mesh(a) && !self.is_mesh(b) {
            self.joined = Some((a, b));
            cx.res.join(self.leg_id(a), self.leg_id(b));
        }
    }

    /// Joins the media of the two parties at the ends of a chain of calls.
    pub(crate) fn join_across(&self, a: u8, b: u8, cx: &mut Cx<'_>) {
        if let (Some((one, _)), Some((other, _))) = (self.speaker(a), self.speaker(b)) {
            cx.desk.join((one, other), cx.res);
        }
    }

    pub(crate) fn is_mesh(&self, leg: u8) -> bool {
        self.leg(leg).is_some_and(|leg| leg.mesh.is_some())
    }

    pub(super) fn part_from(&mut self, leg: u8, cx: &mut Cx<'_>) {
        if let Some((a, b)) = self.joined.take_if(|(a, b)| *a == leg || *b == leg) {
            return cx.res.part(self.leg_id(a), self.leg_id(b));
        }
        // Of a chain of calls, the one that has a party at its end parts it.
        if !self.is_mesh(leg) {
            cx.desk.part(self.leg_id(leg), cx.res);
        }
    }
}

/// What a leg is told of a cause: a peer that wants no reasons hears a status and nothing else.
pub(crate) fn told_cause(cause: Cause, explain: bool, unanswered_caller: bool) -> Cause {
    let cause = if unanswered_caller { final_cause(cause) } else { cause };
    match (explain, unanswered_caller) {
        (true, _) => cause,
        (false, true) => Cause::new(cause.sip, 0),
        (false, false) => Cause::default(),
    }
}

/// A cause that can be the final answer to an INVITE.
pub(crate) fn final_cause(cause: Cause) -> Cause {
    match cause.sip {
        400..=699 => cause,
        0..=399 | 700..=u16::MAX => Cause::new(Cause::sip_from_q850(cause.q850), cause.q850),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_kept_from_peers_that_want_none() {
        let busy = Cause::new(0, 17);
        assert_eq!(told_cause(busy, true, true), Cause::new(486, 17));
        assert_eq!(told_cause(busy, false, true), Cause::new(486, 0));
        assert_eq!(told_cause(busy, true, false), busy);
        assert_eq!(told_cause(busy, false, false), Cause::default());
    }

    #[test]
    fn an_unanswered_caller_always_hears_a_failure() {
        assert_eq!(final_cause(Cause::new(486, 17)), Cause::new(486, 17));
        assert_eq!(final_cause(Cause::new(0, 17)), Cause::new(486, 17));
        assert_eq!(final_cause(Cause::new(200, 26)), Cause::new(404, 26));
        assert_eq!(final_cause(Cause::new(302, 16)), Cause::new(480, 16));
        assert_eq!(final_cause(Cause::new(999, 0)), Cause::new(480, 0));
    }
}
