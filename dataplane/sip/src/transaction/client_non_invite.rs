//! Non-INVITE client transaction.

use std::mem;

use strowger_link::Tick;

use super::backoff::{self, Backoff};
use super::client::{ClientOutbox, ClientOutput};
use super::{Reliability, ResponseClass, Timers};

/// Client transaction of every method but INVITE and ACK, RFC 3261 section 17.1.2.
#[derive(Clone, Debug)]
pub struct ClientNonInvite<M> {
    state: State<M>,
    timers: Timers,
    reliability: Reliability,
    out: ClientOutbox<M>,
}

#[derive(Clone, Default, Debug)]
enum State<M> {
    /// The request is out, nothing came back: timers E (unreliable transports) and F.
    Trying(Pending<M>),
    /// A provisional response came: timers E, at T2 from now on, and F.
    Proceeding(Pending<M>),
    /// The final response was passed up; its retransmissions end here: timer K.
    Completed { linger: Tick },
    /// Over.
    #[default]
    Terminated,
}

/// A request without a final response.
#[derive(Clone, Debug)]
struct Pending<M> {
    request: M,
    resend: Option<Backoff>,
    give_up: Tick,
}

impl<M: Clone> ClientNonInvite<M> {
    /// Sends `request`, neither INVITE nor ACK, at `now`.
    //= rfc3261#section-17.1.2.2
    //# The "Trying" state is entered when the TU initiates a new client
    //# transaction with a request.  When entering this state, the client
    //# transaction SHOULD set timer F to fire in 64*T1 seconds.  The request
    //# MUST be passed to the transport layer for transmission.  If an
    //# unreliable transport is in use, the client transaction MUST set timer
    //# E to fire in T1 seconds.
    pub fn new(request: M, reliability: Reliability, timers: Timers, now: Tick) -> Self {
        let mut out = ClientOutbox::new();
        out.push(ClientOutput::Send(request.clone()));
        let resend = match reliability {
            Reliability::Unreliable => Some(Backoff::start(now, timers.t1_ms())),
            Reliability::Reliable => None,
        };
        let give_up = now.plus_ms(timers.give_up_ms().into());
        let state = State::Trying(Pending { request, resend, give_up });
        ClientNonInvite { state, timers, reliability, out }
    }

    /// A response that matches this transaction came from the network.
    pub fn handle_response(&mut self, class: ResponseClass, now: Tick) {
        use ResponseClass::{Failure, Provisional, Success};
        use State::{Completed, Proceeding, Terminated, Trying};
        self.state = match (mem::take(&mut self.state), class) {
            //= rfc3261#section-17.1.2.2
            //# If a
            //# provisional response is received while in the "Trying" state, the
            //# response MUST be passed to the TU, and then the client transaction
            //# SHOULD move to the "Proceeding" state.
            (Trying(mut pending), Provisional) => {
                self.out.push(ClientOutput::Deliver);
                if let Some(resend) = pending.resend.as_mut() {
                    resend.continue_with(self.timers.t2_ms());
                }
                Proceeding(pending)
            }
            (state @ Proceeding(_), Provisional) => {
                self.out.push(ClientOutput::Deliver);
                state
            }
            (Trying(_) | Proceeding(_), Success | Failure) => self.complete(now),
            (state @ (Completed { .. } | Terminated), Provisional | Success | Failure) => state,
        };
    }

    /// The transport reports that it could not send what this transaction gave it.
    //= rfc3261#section-17.1.4
    //# The client transaction SHOULD inform the TU that a transport failure
    //# has occurred, and the client transaction SHOULD transition directly
    //# to the "Terminated" state.
    pub fn handle_transport_error(&mut self) {
        use State::{Completed, Proceeding, Terminated, Trying};
        self.state = match mem::take(&mut self.state) {
            Trying(_) | Proceeding(_) => {
                self.out.push(ClientOutput::TransportFailed);
                self.terminate()
            }
            state @ (Completed { .. } | Terminated) => state,
        };
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Tick) {
        use State::{Completed, Proceeding, Terminated, Trying};
        self.state = match mem::take(&mut self.state) {
            //= rfc3261#section-17.1.2.2
            //# If Timer F fires while the client transaction is still in the
            //# "Trying" state, the client transaction SHOULD inform the TU about the
            //# timeout, and then it SHOULD enter the "Terminated" state.
            //= rfc3261#section-17.1.2.2
            //# If timer F fires while in the
            //# "Proceeding" state, the TU MUST be informed of a timeout, and the
            //# client transaction MUST transition to the terminated state.
            Trying(pending) | Proceeding(pending) if pending.give_up <= now => {
                self.out.push(ClientOutput::TimedOut);
                self.terminate()
            }
            Trying(pending) => Trying(self.resend(pending, now)),
            Proceeding(pending) => Proceeding(self.resend(pending, now)),
            //= rfc3261#section-17.1.2.2
            //# If Timer K fires while in this state, the client transaction
            //# MUST transition to the "Terminated" state.
            Completed { linger } if linger <= now => self.terminate(),
            state @ (Completed { .. } | Terminated) => state,
        };
    }

    /// The next effect; drain to `None` after every event.
    pub fn poll_output(&mut self) -> Option<ClientOutput<M>> {
        self.out.pop()
    }

    /// When to call [`Self::handle_timeout`]; `None` if no timer runs.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        match &self.state {
            State::Trying(pending) | State::Proceeding(pending) => {
                Some(backoff::earlier(pending.resend.as_ref(), pending.give_up))
            }
            State::Completed { linger } => Some(*linger),
            State::Terminated => None,
        }
    }

    /// Whether the last word is said, and only copies of the peer's are waited for.
    #[must_use]
    pub const fn is_lingering(&self) -> bool {
        match &self.state {
            State::Completed { .. } => true,
            State::Trying(_) | State::Proceeding(_) | State::Terminated => false,
        }
    }

    /// Whether the transaction is over.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    //= rfc3261#section-17.1.2.2
    //# If timer E fires while still in this state,
    //# the timer is reset, but this time with a value of MIN(2*T1, T2).
    //# When the timer fires again, it is reset to a MIN(4*T1, T2).  This
    //# process continues so that retransmissions occur with an exponentially
    //# increasing interval that caps at T2.
    //= rfc3261#section-17.1.2.2
    //# If Timer E fires while in the "Proceeding" state, the request MUST be
    //# passed to the transport layer for retransmission, and Timer E MUST be
    //# reset with a value of T2 seconds.
    fn resend(&mut self, mut pending: Pending<M>, now: Tick) -> Pending<M> {
        if backoff::fire(&mut pending.resend, now, self.timers.t2_ms()) {
            self.out.push(ClientOutput::Send(pending.request.clone()));
        }
        pending
    }

    //= rfc3261#section-17.1.2.2
    //# Once the client transaction enters the "Completed" state, it MUST set
    //# Timer K to fire in T4 seconds for unreliable transports, and zero
    //# seconds for reliable transports.
    fn complete(&mut self, now: Tick) -> State<M> {
        self.out.push(ClientOutput::Deliver);
        match self.reliability {
            Reliability::Unreliable => {
                State::Completed { linger: now.plus_ms(self.timers.t4_ms().into()) }
            }
            Reliability::Reliable => self.terminate(),
        }
    }

    fn terminate(&mut self) -> State<M> {
        self.out.push(ClientOutput::Terminated);
        State::Terminated
    }
}

#[cfg(test)]
mod tests;
