//! Requests that belong to no dialog: whether there is a leg for one, and who may send it.

use crate::backlog::{Backlog, Turn};
use crate::count::Counts;
use crate::edge::{Sources, Verdict};
use crate::front::{Front, Unproven};
use std::net::SocketAddr;
use strowger_call::Calls;
use strowger_link::{Cause, Challenge, LegId, Tick};
use strowger_sip::Method;
use strowger_sip::endpoint::{Admission, LegKeys, Path};

/// What the endpoint asks about a request that belongs to no dialog.
pub(crate) struct Keys<'a> {
    pub(crate) calls: &'a mut Calls,
    pub(crate) sources: &'a Sources,
    pub(crate) challenge: Option<&'a Challenge>,
    /// The first greeting of this life may still come before peers send again.
    pub(crate) may_wait: bool,
    /// The journal has room for the record of one more call.
    pub(crate) room: bool,
    /// Its sender was not challenged too often.
    pub(crate) may_challenge: bool,
    /// Too much is under way.
    pub(crate) over_budget: bool,
    pub(crate) backlog: &'a mut Backlog,
    pub(crate) front: &'a Front,
    /// The datagram in hand.
    pub(crate) data: &'a [u8],
    pub(crate) counts: &'a mut Counts,
    /// What becomes of strangers at the listener.
    pub(crate) unproven: Unproven,
    pub(crate) now: Tick,
}

impl LegKeys for Keys<'_> {
    fn open(&mut self) -> Option<LegId> {
        if !self.room {
            self.counts.journal_full += 1;
            return None;
        }
        if self.over_budget && !self.front.is_emergency(self.data) {
            self.counts.over_budget += 1;
            return None;
        }
        match self.backlog.turn(self.now) {
            Turn::Ask => {}
            Turn::Probe => self.counts.asks_probed += 1,
            Turn::Wait if self.front.is_emergency(self.data) => {}
            Turn::Wait => {
                self.counts.asks_refused += 1;
                return None;
            }
        }
        self.calls.reserve()
    }

    fn open_beside(&mut self, leg: LegId) -> Result<LegId, Cause> {
        self.calls.reserve_beside(leg)
    }

    fn close(&mut self, leg: LegId) {
        self.calls.unreserve(leg);
    }

    /// Before the first edge snapshot nobody is known. At first nothing is answered, because peers
    /// send again and may find us ready then; later they are told to come again.
    fn admission(&self, path: &Path, method: Method) -> Admission<'_> {
        let Some(challenge) = self.challenge else {
            return if self.may_wait { Admission::Deny } else { Admission::Unready };
        };
        match self.sources.verdict(path.peer) {
            Verdict::Deny => Admission::Deny,
            Verdict::Trunk(_) if method == Method::Invite => Admission::Open,
            Verdict::Stranger if self.unproven == Unproven::Refuse => Admission::Refuse,
            Verdict::Stranger if self.unproven == Unproven::Ask && method == Method::Invite => {
                Admission::Guest(challenge)
            }
            Verdict::Trunk(_) | Verdict::Stranger if self.may_challenge => {
                Admission::Challenge(challenge)
            }
            Verdict::Trunk(_) | Verdict::Stranger => Admission::Prove(challenge),
        }
    }

    fn is_one_party(&self, one: SocketAddr, other: SocketAddr) -> bool {
        self.sources.is_one_trunk(one, other)
    }
}
