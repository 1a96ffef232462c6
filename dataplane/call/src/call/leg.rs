//! One leg as its call sees it.

use strowger_link::{
    Branch, Cause, LegId, Manner, MediaMode, MediaPolicy, OnRedirect, Srtp, Tick, Voices,
};

/// One leg of a call.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) policy: MediaPolicy,
    /// Statuses after which the next stage is tried; empty = the default set.
    pub(crate) continue_on: Vec<u16>,
    /// Statuses after which none is.
    pub(crate) stop_on: Vec<u16>,
    /// Gauges taken for it, given back at its end.
    pub(crate) gauges: Vec<u32>,
    pub(crate) manner: Manner,
    /// Price of the branch, for the control plane.
    pub(crate) hop: u8,
    /// What its 3xx means.
    pub(crate) redirect: OnRedirect,
    /// The list of stages that it is a branch of.
    pub(crate) way: u8,
    pub(crate) state: LegState,
    /// It is no party, but the half of another call.
    pub(crate) mesh: Option<Box<Mesh>>,
    /// It is no party, but leads to a call of another shard.
    pub(crate) tie: bool,
}

/// The half of another call.
#[derive(Debug)]
pub(crate) struct Mesh {
    /// Its mesh leg.
    pub(crate) far: LegId,
    /// The party at the end of all calls behind it, once it is known.
    pub(crate) beyond: Option<(LegId, MediaPolicy)>,
    /// All calls from here to that party are bridged: none of them waits for this one as a target.
    pub(crate) whole: bool,
    /// Of two calls of one party: the leg of the other call whose place `far` takes. After a crash
    /// that call may not know of it.
    pub(crate) instead: Option<u8>,
}

impl Mesh {
    /// The other call is not there yet.
    pub(crate) fn waiting() -> Mesh {
        Mesh { far: LegId::default(), beyond: None, whole: false, instead: None }
    }
}

/// Where a leg stands.
#[derive(Debug)]
pub(crate) enum LegState {
    /// Inbound, unanswered.
    Offered,
    /// Outbound, unanswered.
    Trying(Trying),
    /// Answered, by us or by the party.
    Answered,
    /// Ended for the call; the protocol owes its last word until then. `cancelled` is the cause
    /// of a leg of ours that had not answered: its answer may be on its way.
    Closing { until: Tick, cancelled: Option<Cause> },
    /// Nothing comes any more.
    Gone,
}

/// An outbound leg that has not answered.
#[derive(Debug)]
pub(crate) struct Trying {
    /// Last provisional status, 0 before the first.
    pub(crate) status: u16,
    /// It rang: 180, or 183 which networks send instead.
    pub(crate) rung: bool,
    /// End of the ring time.
    ring_at: Tick,
    /// End of the wait for any word, [`Tick::NEVER`] when there was one.
    first_at: Tick,
}

/// What a time-out of a leg that has not answered means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expiry {
    /// Nothing was heard in time.
    Silent,
    /// The ring time is over.
    RungOut,
}

/// Media policy of a party of which nothing is known yet.
pub(crate) const fn unknown_policy(nated: bool) -> MediaPolicy {
    MediaPolicy {
        mode: MediaMode::Relay,
        nated,
        start_timeout_ms: 0,
        timeout_ms: 0,
        voices: Voices::ALL,
        strict: false,
        ends_false: false,
        first_packet: false,
        srtp: Srtp::Accept,
    }
}

impl Leg {
    pub(crate) fn inbound(nated: bool) -> Leg {
        Leg {
            policy: unknown_policy(nated),
            continue_on: Vec::new(),
            stop_on: Vec::new(),
            gauges: Vec::new(),
            manner: Manner::default(),
            hop: 0,
            redirect: OnRedirect::Fail,
            way: 0,
            state: LegState::Offered,
            mesh: None,
            tie: false,
        }
    }

    pub(crate) fn mesh(mesh: Mesh) -> Leg {
        Leg { mesh: Some(Box::new(mesh)), ..Leg::inbound(false) }
    }

    pub(crate) fn outbound(branch: &Branch, now: Tick) -> Leg {
        Leg {
            policy: branch.media,
            continue_on: branch.continue_on.clone(),
            stop_on: branch.stop_on.clone(),
            gauges: Vec::new(),
            manner: branch.manner.clone(),
            hop: branch.hop,
            redirect: branch.redirect,
            way: 0,
            state: LegState::Trying(Trying::new(branch, now)),
            mesh: None,
            tie: false,
        }
    }

    /// The call counts it as ended.
    pub(crate) fn is_over(&self) -> bool {
        match self.state {
            LegState::Closing { .. } | LegState::Gone => true,
            LegState::Offered | LegState::Trying(_) | LegState::Answered => false,
        }
    }

    /// It was given up before it answered.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self.state {
            LegState::Closing { cancelled, .. } => cancelled.is_some(),
            LegState::Offered | LegState::Trying(_) | LegState::Answered | LegState::Gone => false,
        }
    }

    pub(crate) fn trying(&self) -> Option<&Trying> {
        match &self.state {
            LegState::Trying(trying) => Some(trying),
            LegState::Offered | LegState::Answered | LegState::Closing { .. } | LegState::Gone => {
                None
            }
        }
    }

    pub(crate) fn trying_mut(&mut self) -> Option<&mut Trying> {
        match &mut self.state {
            LegState::Trying(trying) => Some(trying),
            LegState::Offered | LegState::Answered | LegState::Closing { .. } | LegState::Gone => {
                None
            }
        }
    }

    /// When it wants to be looked at.
    pub(crate) fn next_at(&self) -> Tick {
        match &self.state {
            LegState::Trying(trying) => trying.ring_at.min(trying.first_at),
            LegState::Closing { until, .. } => *until,
            LegState::Offered | LegState::Answered | LegState::Gone => Tick::NEVER,
        }
    }
}

impl Trying {
    fn new(branch: &Branch, now: Tick) -> Trying {
        use crate::limits::{RING_MS_DEFAULT, RING_MS_MAX};
        let ring_ms = match branch.ring_ms {
            0 => RING_MS_DEFAULT,
            ms => ms.min(RING_MS_MAX),
        };
        let first_at = match branch.first_ms {
            0 => Tick::NEVER,
            ms => now.plus_ms(ms.into()),
        };
        Trying { status: 0, rung: false, ring_at: now.plus_ms(ring_ms.into()), first_at }
    }

    /// One that is out of time at once.
    pub(crate) fn over(now: Tick) -> Trying {
        Trying { status: 0, rung: false, ring_at: now, first_at: Tick::NEVER }
    }

    /// A provisional answer came; whether its status is news.
    pub(crate) fn heard(&mut self, status: u16) -> bool {
        self.first_at = Tick::NEVER;
        self.rung |= matches!(status, 180 | 183);
        let news = self.status != status;
        self.status = status;
        news
    }

    pub(crate) fn expired(&self, now: Tick) -> Option<Expiry> {
        if self.first_at <= now {
            Some(Expiry::Silent)
        } else if self.ring_at > now {
            None
        } else if self.rung {
            Some(Expiry::RungOut)
        } else {
            Some(Expiry::Silent)
        }
    }
}
