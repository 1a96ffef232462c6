//! Branches that came to nothing: what follows, and which failure the caller is told.

use strowger_link::{ANY_STATUS, Cause, Party, Reason, StageEnd};

/// Why a branch came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FailureKind {
    /// The peer refused.
    Refused,
    /// The peer asks the caller for credentials, who is told so and calls again.
    Challenged,
    /// Nothing at all was heard: time-out, transport error, first-answer timer.
    Silent,
    /// It rang until the ring time was over.
    RungOut,
    /// The peer answered with media that cannot be used, or could not be offered any.
    Unusable,
    /// It was never tried, or we ended it alone; for this reason.
    Skipped(Reason),
    /// The peer said where else to call, and the caller may be told so.
    Moved,
}

/// One branch's end without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) cause: Cause,
}

/// What a failure means for the hunt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The next stage may be tried.
    Continue,
    /// No stage follows; branches that ring, ring on.
    Stop,
    /// No stage follows and no branch rings on.
    StopAll,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, cause: Cause) -> Failure {
        Failure { kind, cause }
    }

    /// A gauge was full. A callee's own limit means that it is busy; anything else is a circuit
    /// that is not free (Q.850 34), and the next one may be.
    pub(crate) fn full(is_callee: bool) -> Failure {
        match is_callee {
            true => Failure::new(FailureKind::Skipped(Reason::Busy), Cause::new(486, 17)),
            false => Failure::new(FailureKind::Skipped(Reason::Limit), Cause::new(0, 34)),
        }
    }

    fn is_busy(&self) -> bool {
        match self.kind {
            FailureKind::Refused => matches!(self.status(), 486 | 600),
            FailureKind::Skipped(reason) => reason == Reason::Busy,
            FailureKind::Silent
            | FailureKind::Challenged
            | FailureKind::RungOut
            | FailureKind::Unusable
            | FailureKind::Moved => false,
        }
    }

    fn is_no_answer(&self) -> bool {
        match self.kind {
            FailureKind::RungOut => true,
            FailureKind::Refused => matches!(self.status(), 408 | 480),
            FailureKind::Silent
            | FailureKind::Challenged
            | FailureKind::Unusable
            | FailureKind::Skipped(_)
            | FailureKind::Moved => false,
        }
    }

    /// Nobody was there: silence, a contact that nobody has any more, or a broken one.
    fn is_unreachable(&self) -> bool {
        match self.kind {
            FailureKind::Silent => true,
            FailureKind::Refused => matches!(self.status(), 404 | 410 | 500..=599),
            FailureKind::RungOut
            | FailureKind::Challenged
            | FailureKind::Unusable
            | FailureKind::Skipped(_)
            | FailureKind::Moved => false,
        }
    }

    /// The status that rules and choice go by.
    pub(crate) fn status(&self) -> u16 {
        match self.cause.sip {
            300..=699 => self.cause.sip,
            0..=299 | 700..=u16::MAX => Cause::sip_from_q850(self.cause.q850),
        }
    }

    /// Whether `list` names this failure. Ringing out is both 408 (RFC 3261 16.8) and 480 (what
    /// Q.850 19 becomes by RFC 3398).
    fn named_in(&self, list: &[u16]) -> bool {
        match self.kind {
            FailureKind::RungOut => list.contains(&408) || list.contains(&480),
            FailureKind::Refused
            | FailureKind::Challenged
            | FailureKind::Silent
            | FailureKind::Unusable
            | FailureKind::Moved => list.contains(&self.status()),
            FailureKind::Skipped(_) => false,
        }
    }

    pub(crate) fn verdict(&self, continue_on: &[u16], stop_on: &[u16]) -> Verdict {
        let goes_on = !self.named_in(stop_on)
            && match self.kind {
                FailureKind::Skipped(_) | FailureKind::Silent => true,
                // Nobody else can answer it: the caller calls again, with credentials for this one.
                FailureKind::Challenged => false,
                // A challenge that we cannot answer is between the peer and us, whatever the list.
                FailureKind::Refused if matches!(self.status(), 401 | 407) => true,
                FailureKind::Refused
                | FailureKind::RungOut
                | FailureKind::Unusable
                | FailureKind::Moved => {
                    if continue_on.is_empty() {
                        self.goes_on_by_default()
                    } else {
                        continue_on.contains(&ANY_STATUS) || self.named_in(continue_on)
                    }
                }
            };
        match (goes_on, self.status()) {
            (true, _) => Verdict::Continue,
            //= rfc3261#section-16.7
            //# If a 6xx response is received, it is not immediately forwarded,
            //# but the stateful proxy SHOULD cancel all client pending
            //# transactions as described in Section 10, and it MUST NOT create
            //# any new branches in this context.
            (false, 600..=699) => Verdict::StopAll,
            (false, _) => Verdict::Stop,
        }
    }

    /// The default set: the word of the called user or about the called number ends the hunt,
    /// everything that may be this peer's own trouble does not. So 408 without ringing, all 5xx,
    /// 3xx and a supplier's 401, 403 or 488 go on; busy, declined, gone, unknown and "rang and
    /// nobody came" stop.
    fn goes_on_by_default(&self) -> bool {
        match self.kind {
            FailureKind::RungOut | FailureKind::Challenged | FailureKind::Moved => false,
            FailureKind::Refused
            | FailureKind::Silent
            | FailureKind::Unusable
            | FailureKind::Skipped(_) => {
                !matches!(self.status(), 404 | 410 | 480 | 484 | 485 | 486 | 600..=699)
            }
        }
    }

    /// Order of choice, lowest first; `None` when it is no response worth passing on.
    fn rank(&self) -> Option<u8> {
        match self.kind {
            FailureKind::Skipped(Reason::Busy) => Some(3),
            //= rfc3261#section-16.7
            //# If no 6xx class responses are present, the proxy SHOULD choose
            //# from the lowest response class stored in the response context.
            FailureKind::Challenged => Some(2),
            FailureKind::Silent | FailureKind::Skipped(_) => None,
            // The lowest class that was heard, and its contacts can be told.
            FailureKind::Moved => Some(1),
            FailureKind::Refused | FailureKind::RungOut | FailureKind::Unusable => {
                Some(match self.status() {
                    //= rfc3261#section-16.7
                    //# It MUST choose from the 6xx
                    //# class responses if any exist in the context.
                    600..=699 => 0,
                    // They affect resubmission. 401 and 407 do not here: the caller never sees
                    // the peer's challenge, so they are a fault between the peer and us.
                    415 | 420 | 484 => 2,
                    404 | 410 | 480 | 485 | 486 => 3,
                    401 | 407 => 7,
                    400..=499 => 4,
                    500..=599 => 5,
                    0..=399 | 700..=u16::MAX => 6,
                })
            }
        }
    }

    /// What the caller is told.
    pub(crate) fn told(&self) -> Cause {
        let status = match (self.kind, self.status()) {
            (FailureKind::RungOut, _) => 480,
            (FailureKind::Challenged | FailureKind::Moved, status) => status,
            //= rfc3261#section-16.7
            //# If the only
            //# response that was received is a 503, the proxy SHOULD generate
            //# a 500 response and forward that upstream.
            (_, 503 | 401 | 407) => 500,
            // Its contacts are not told, and a 3xx without them says nothing.
            (_, 300..=399) => 480,
            (_, status) => status,
        };
        Cause::new(status, self.cause.q850)
    }

    pub(crate) fn by(&self) -> Party {
        match self.kind {
            FailureKind::Refused | FailureKind::Challenged | FailureKind::Moved => Party::Called,
            FailureKind::Silent
            | FailureKind::RungOut
            | FailureKind::Unusable
            | FailureKind::Skipped(_) => Party::Switch,
        }
    }

    pub(crate) fn reason(&self) -> Reason {
        match self.kind {
            FailureKind::Silent => Reason::PeerSilent,
            FailureKind::RungOut => Reason::NoAnswer,
            FailureKind::Unusable => Reason::BadMedia,
            FailureKind::Challenged => Reason::Rejected,
            FailureKind::Skipped(reason) => reason,
            FailureKind::Moved => Reason::Redirected,
            FailureKind::Refused => match self.status() {
                300..=399 => Reason::Redirected,
                486 | 600 => Reason::Busy,
                408 | 480 => Reason::NoAnswer,
                403 | 603 | 607 => Reason::Rejected,
                404 | 410 | 484 | 485 | 604 => Reason::UnknownNumber,
                415 | 488 | 606 => Reason::BadMedia,
                _ => Reason::PeerError,
            },
        }
    }
}

/// The failure that the caller is told, of all that were heard (RFC 3261 16.7 step 6); `None` when
/// nobody said anything.
///
/// Each stands with the leg that said it.
pub(crate) fn best(failures: &[(u8, Failure)]) -> Option<(u8, Failure)> {
    let ranked = failures.iter().filter_map(|said| said.1.rank().map(|rank| (rank, said)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, said)| *said)
}

/// How a stage ended, by its branches' failures. A phone that rang in vain says more than a busy
/// one, and that more than those that could not be reached.
pub(crate) fn stage_end(failures: &[Failure]) -> StageEnd {
    if failures.iter().any(Failure::is_no_answer) {
        StageEnd::NoAnswer
    } else if failures.iter().any(Failure::is_busy) {
        StageEnd::Busy
    } else if !failures.is_empty() && failures.iter().all(Failure::is_unreachable) {
        StageEnd::Unreachable
    } else {
        StageEnd::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Failure {
        Failure::new(FailureKind::Refused, Cause::from_sip(status))
    }

    #[test]
    fn default_set() {
        let verdicts = |statuses: &[u16]| -> Vec<Verdict> {
            statuses.iter().map(|s| refused(*s).verdict(&[], &[])).collect()
        };
        for verdict in verdicts(&[302, 400, 401, 403, 407, 408, 487, 488, 500, 501, 503, 504, 580])
        {
            assert_eq!(verdict, Verdict::Continue);
        }
        for verdict in verdicts(&[404, 410, 480, 484, 485, 486]) {
            assert_eq!(verdict, Verdict::Stop);
        }
        for verdict in verdicts(&[600, 603, 604, 606]) {
            assert_eq!(verdict, Verdict::StopAll);
        }
        let rung_out = Failure::new(FailureKind::RungOut, Cause::new(408, 19));
        assert_eq!(rung_out.verdict(&[], &[]), Verdict::Stop);
        assert_eq!(rung_out.verdict(&[486, 480], &[]), Verdict::Continue);
        assert_eq!(rung_out.verdict(&[486, 408], &[]), Verdict::Continue);
    }

    #[test]
    fn lists_rule() {
        assert_eq!(refused(486).verdict(&[486], &[]), Verdict::Continue);
        assert_eq!(refused(603).verdict(&[603], &[]), Verdict::Continue);
        assert_eq!(refused(603).verdict(&[ANY_STATUS], &[]), Verdict::Continue);
        assert_eq!(refused(503).verdict(&[486], &[]), Verdict::Stop);
        assert_eq!(refused(503).verdict(&[503], &[503]), Verdict::Stop);
        let silent = Failure::new(FailureKind::Silent, Cause::from_sip(408));
        assert_eq!(silent.verdict(&[486], &[]), Verdict::Continue);
        assert_eq!(silent.verdict(&[], &[408]), Verdict::Stop);
        let full = Failure::new(FailureKind::Skipped(Reason::Limit), Cause::new(0, 34));
        assert_eq!(full.verdict(&[486], &[503, 480]), Verdict::Continue);
    }

    #[test]
    fn stages_end_in_one_of_four_ways() {
        let silent = Failure::new(FailureKind::Silent, Cause::from_sip(408));
        let rung_out = Failure::new(FailureKind::RungOut, Cause::new(408, 19));
        let unusable = Failure::new(FailureKind::Unusable, Cause::from_sip(488));
        let (full, no_line) = (Failure::full(true), Failure::full(false));
        let ended = Failure::new(FailureKind::Skipped(Reason::Operator), Cause::new(0, 16));
        let r = refused;
        let table: &[(&[Failure], StageEnd)] = &[
            (&[], StageEnd::Failed),
            (&[r(486)], StageEnd::Busy),
            (&[r(600)], StageEnd::Busy),
            (&[full], StageEnd::Busy),
            (&[full, full], StageEnd::Busy),
            (&[no_line], StageEnd::Failed),
            (&[r(603)], StageEnd::Failed),
            (&[r(403)], StageEnd::Failed),
            (&[r(302)], StageEnd::Failed),
            (&[unusable], StageEnd::Failed),
            (&[ended], StageEnd::Failed),
            (&[rung_out], StageEnd::NoAnswer),
            (&[r(480)], StageEnd::NoAnswer),
            (&[r(408)], StageEnd::NoAnswer),
            (&[silent], StageEnd::Unreachable),
            (&[r(404)], StageEnd::Unreachable),
            (&[r(410), silent], StageEnd::Unreachable),
            (&[r(503)], StageEnd::Unreachable),
            (&[silent, r(603)], StageEnd::Failed),
            (&[silent, r(486)], StageEnd::Busy),
            (&[r(486), rung_out], StageEnd::NoAnswer),
            (&[silent, rung_out], StageEnd::NoAnswer),
        ];
        for (failures, end) in table {
            assert_eq!(stage_end(failures), *end, "{failures:?}");
        }
        assert_eq!(best(&[(1, full)]).unwrap().1.told(), Cause::new(486, 17));
    }

    #[test]
    fn the_best_of_what_was_heard() {
        let best_of = |list: &[u16]| {
            let failures: Vec<(u8, Failure)> = list.iter().map(|s| (1, refused(*s))).collect();
            best(&failures).map(|(_, f)| f.told().sip)
        };
        assert_eq!(best_of(&[]), None);
        assert_eq!(best_of(&[486, 603]), Some(603));
        assert_eq!(best_of(&[500, 486, 404]), Some(486));
        assert_eq!(best_of(&[404, 484]), Some(484));
        assert_eq!(best_of(&[503, 502]), Some(500));
        assert_eq!(best_of(&[503]), Some(500));
        assert_eq!(best_of(&[407, 302, 502]), Some(502));
        assert_eq!(best_of(&[407]), Some(500));
        assert_eq!(best_of(&[302]), Some(480));
        assert_eq!(best_of(&[408, 503]), Some(408));
        let silent = Failure::new(FailureKind::Silent, Cause::from_sip(408));
        assert_eq!(best(&[(1, silent)]), None);
        let rung_out = Failure::new(FailureKind::RungOut, Cause::new(408, 19));
        assert_eq!(
            best(&[(1, silent), (2, rung_out)]).map(|(leg, f)| (leg, f.told())),
            Some((2, Cause::new(480, 19)))
        );
    }

    #[test]
    fn a_cause_without_a_status_is_read_by_its_q850_value() {
        let busy = Failure::new(FailureKind::Refused, Cause::new(0, 17));
        assert_eq!((busy.status(), busy.reason()), (486, Reason::Busy));
        assert_eq!(busy.told(), Cause::new(486, 17));
        assert_eq!(busy.verdict(&[], &[]), Verdict::Stop);
    }
}
