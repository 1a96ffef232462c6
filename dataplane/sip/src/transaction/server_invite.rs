//! INVITE server transaction.

use std::mem;

use strowger_link::Tick;

use super::backoff::{self, Backoff};
use super::server::{ServerOutbox, ServerOutput};
use super::{Reliability, ResponseClass, Timers, Trying};

/// How long the transaction user may take before a 100 (Trying) is due, in milliseconds.
const TRYING_AFTER_MS: u64 = 200;

/// INVITE server transaction, RFC 3261 section 17.2.1 with RFC 6026 section 7.1.
///
/// Once the 100 is out, Proceeding owns no timer: the transaction user must respond some day.
#[derive(Clone, Debug)]
pub struct ServerInvite<M> {
    state: State<M>,
    timers: Timers,
    reliability: Reliability,
    out: ServerOutbox<M>,
}

#[derive(Clone, Default, Debug)]
enum State<M> {
    /// The INVITE was passed up, no response was handed in: the 200 ms of the 100, if it is ours.
    Waiting { trying: Option<Tick> },
    /// Proceeding with a provisional response, sent again when the INVITE comes again.
    Proceeding { last: M },
    /// A response of 300 to 699 is out: timers G (unreliable transports) and H.
    Completed { response: M, resend: Option<Backoff>, give_up: Tick },
    /// The ACK came; further ones end here: timer I.
    Confirmed { linger: Tick },
    /// A 2xx is out and is the dialog's to repeat: timer L.
    Accepted { linger: Tick },
    /// Over.
    #[default]
    Terminated,
}

impl<M: Clone> ServerInvite<M> {
    /// An INVITE that matches no transaction came at `now`; the caller passes it to the user.
    //= rfc3261#section-17.2.1
    //# When a server transaction is constructed for a request, it enters the
    //# "Proceeding" state.  The server transaction MUST generate a 100
    //# (Trying) response unless it knows that the TU will generate a
    //# provisional or final response within 200 ms, in which case it MAY
    //# generate a 100 (Trying) response.
    #[must_use]
    pub fn new(trying: Trying, reliability: Reliability, timers: Timers, now: Tick) -> Self {
        let trying = match trying {
            Trying::After200Ms => Some(now.plus_ms(TRYING_AFTER_MS)),
            Trying::ByCaller => None,
        };
        let state = State::Waiting { trying };
        ServerInvite { state, timers, reliability, out: ServerOutbox::new() }
    }

    /// The INVITE came again.
    pub fn handle_invite(&mut self) {
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated, Waiting};
        match &mut self.state {
            // The peer is impatient: quench it now rather than at the end of the 200 ms.
            Waiting { trying } => {
                if trying.take().is_some() {
                    self.out.push(ServerOutput::Trying);
                }
            }
            //= rfc3261#section-17.2.1
            //# If a request
            //# retransmission is received while in the "Proceeding" state, the most
            //# recent provisional response that was received from the TU MUST be
            //# passed to the transport layer for retransmission.
            Proceeding { last: response }
            //= rfc3261#section-17.2.1
            //# Furthermore,
            //# while in the "Completed" state, if a request retransmission is
            //# received, the server SHOULD pass the response to the transport for
            //# retransmission.
            | Completed { response, .. } => self.out.push(ServerOutput::Send(response.clone())),
            // RFC 6026 section 7.1: absorbed in Accepted, the user repeats the 2xx by itself.
            Confirmed { .. } | Accepted { .. } | Terminated => {}
        }
    }

    /// An ACK that matches this transaction came at `now`.
    pub fn handle_ack(&mut self, now: Tick) {
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated, Waiting};
        self.state = match mem::take(&mut self.state) {
            //= rfc3261#section-17.2.1
            //# If an ACK is received while the server transaction is in the
            //# "Completed" state, the server transaction MUST transition to the
            //# "Confirmed" state.
            Completed { .. } => self.confirm(now),
            // RFC 6026 section 7.1: the ACK of a 2xx, sent with the branch of the INVITE, is the
            // user's.
            state @ Accepted { .. } => {
                self.out.push(ServerOutput::Deliver);
                state
            }
            //= rfc3261#section-17.2.1
            //# The purpose of the "Confirmed" state is to absorb any additional ACK
            //# messages that arrive, triggered from retransmissions of the final
            //# response.
            state @ (Waiting { .. } | Proceeding { .. } | Confirmed { .. } | Terminated) => state,
        };
    }

    /// The transaction user hands in a response. One that the state does not allow is discarded:
    /// anything after 300 to 699, anything but a 2xx after a 2xx.
    pub fn respond(&mut self, class: ResponseClass, response: M, now: Tick) {
        use ResponseClass::{Failure, Provisional, Success};
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated, Waiting};
        self.state = match (mem::take(&mut self.state), class) {
            //= rfc3261#section-17.2.1
            //# So long as the server transaction is in the
            //# "Proceeding" state, each of these MUST be passed to the transport
            //# layer for transmission.
            (Waiting { .. } | Proceeding { .. }, Provisional) => {
                self.out.push(ServerOutput::Send(response.clone()));
                Proceeding { last: response }
            }
            //= rfc3261#section-17.2.1
            //# If, while in the "Proceeding" state, the TU passes a 2xx response to
            //# the server transaction, the server transaction MUST pass this
            //# response to the transport layer for transmission.
            (Waiting { .. } | Proceeding { .. }, Success) => {
                self.out.push(ServerOutput::Send(response));
                // RFC 6026 section 7.1: Accepted instead of Terminated, timer L on any transport.
                Accepted { linger: now.plus_ms(self.timers.linger_ms().into()) }
            }
            //= rfc3261#section-17.2.1
            //# It is not
            //# retransmitted by the server transaction; retransmissions of 2xx
            //# responses are handled by the TU.
            (state @ Accepted { .. }, Success) => {
                self.out.push(ServerOutput::Send(response));
                state
            }
            (Waiting { .. } | Proceeding { .. }, Failure) => self.complete(response, now),
            (state @ Accepted { .. }, Provisional | Failure)
            | (
                state @ (Completed { .. } | Confirmed { .. } | Terminated),
                Provisional | Success | Failure,
            ) => state,
        };
    }

    /// The transport reports that it could not send what this transaction gave it.
    ///
    /// RFC 6026 section 8.8: the user is told, the state stays, so that retransmissions of the
    /// INVITE still end here instead of ringing a second time.
    pub fn handle_transport_error(&mut self) {
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated, Waiting};
        match &self.state {
            Proceeding { .. } | Completed { .. } | Accepted { .. } => {
                self.out.push(ServerOutput::TransportFailed);
            }
            // Nothing is being sent in these states.
            Waiting { .. } | Confirmed { .. } | Terminated => {}
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Tick) {
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated, Waiting};
        self.state = match mem::take(&mut self.state) {
            Waiting { trying: Some(due) } if due <= now => {
                self.out.push(ServerOutput::Trying);
                Waiting { trying: None }
            }
            //= rfc3261#section-17.2.1
            //# If timer H fires while in the "Completed" state, it implies that the
            //# ACK was never received.  In this case, the server transaction MUST
            //# transition to the "Terminated" state, and MUST indicate to the TU
            //# that a transaction failure has occurred.
            Completed { give_up, .. } if give_up <= now => {
                self.out.push(ServerOutput::TimedOut);
                self.terminate()
            }
            //= rfc3261#section-17.2.1
            //# If timer G fires, the response
            //# is passed to the transport layer once more for retransmission, and
            //# timer G is set to fire in MIN(2*T1, T2) seconds.
            Completed { response, mut resend, give_up } => {
                if backoff::fire(&mut resend, now, self.timers.t2_ms()) {
                    self.out.push(ServerOutput::Send(response.clone()));
                }
                Completed { response, resend, give_up }
            }
            //= rfc3261#section-17.2.1
            //# Once timer I fires, the server MUST transition to the
            //# "Terminated" state.
            Confirmed { linger } | Accepted { linger } if linger <= now => self.terminate(),
            state @ (Waiting { .. }
            | Proceeding { .. }
            | Confirmed { .. }
            | Accepted { .. }
            | Terminated) => state,
        };
    }

    /// The next effect; drain to `None` after every event.
    pub fn poll_output(&mut self) -> Option<ServerOutput<M>> {
        self.out.pop()
    }

    /// When to call [`Self::handle_timeout`]; `None` if no timer runs.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        match &self.state {
            State::Waiting { trying } => *trying,
            State::Completed { resend, give_up, .. } => {
                Some(backoff::earlier(resend.as_ref(), *give_up))
            }
            State::Confirmed { linger } | State::Accepted { linger } => Some(*linger),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// All that is left of the transaction once a 2xx is out: the end of timer L.
    #[must_use]
    pub const fn accepted(&self) -> Option<Tick> {
        match &self.state {
            State::Accepted { linger } => Some(*linger),
            State::Waiting { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => None,
        }
    }

    /// Whether the last word is said, and only copies of the peer's are waited for.
    #[must_use]
    pub const fn is_lingering(&self) -> bool {
        match &self.state {
            State::Confirmed { .. } | State::Accepted { .. } => true,
            State::Waiting { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => false,
        }
    }

    /// Whether the transaction is over.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    //= rfc3261#section-17.2.1
    //# While in the "Proceeding" state, if the TU passes a response with
    //# status code from 300 to 699 to the server transaction, the response
    //# MUST be passed to the transport layer for transmission, and the state
    //# machine MUST enter the "Completed" state.  For unreliable transports,
    //# timer G is set to fire in T1 seconds, and is not set to fire for
    //# reliable transports.
    //= rfc3261#section-17.2.1
    //# When the "Completed" state is entered, timer H MUST be set to fire in
    //# 64*T1 seconds for all transports.
    fn complete(&mut self, response: M, now: Tick) -> State<M> {
        self.out.push(ServerOutput::Send(response.clone()));
        let resend = match self.reliability {
            Reliability::Unreliable => Some(Backoff::start(now, self.timers.t1_ms())),
            Reliability::Reliable => None,
        };
        let give_up = now.plus_ms(self.timers.give_up_ms().into());
        State::Completed { response, resend, give_up }
    }

    //= rfc3261#section-17.2.1
    //# When this state is entered, timer I is set to fire in T4
    //# seconds for unreliable transports, and zero seconds for reliable
    //# transports.
    fn confirm(&mut self, now: Tick) -> State<M> {
        match self.reliability {
            Reliability::Unreliable => {
                State::Confirmed { linger: now.plus_ms(self.timers.t4_ms().into()) }
            }
            Reliability::Reliable => self.terminate(),
        }
    }

    fn terminate(&mut self) -> State<M> {
        self.out.push(ServerOutput::Terminated);
        State::Terminated
    }
}

#[cfg(test)]
mod tests;
