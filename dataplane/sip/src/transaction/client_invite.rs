//! INVITE client transaction.

use std::mem;

use strowger_link::Tick;

use super::backoff::{self, Backoff};
use super::client::{ClientOutbox, ClientOutput};
use super::{Reliability, ResponseClass, Timers};

/// INVITE client transaction, RFC 3261 section 17.1.1 with RFC 6026 section 7.2.
///
/// In Proceeding it owns no timer: how long a callee may ring is Timer C's matter (RFC 3261
/// section 16.6 step 11), and that belongs to whoever owns the call.
#[derive(Clone, Debug)]
pub struct ClientInvite<M> {
    state: State<M>,
    timers: Timers,
    reliability: Reliability,
    out: ClientOutbox<M>,
}

#[derive(Clone, Default, Debug)]
enum State<M> {
    /// The INVITE is out, nothing came back: timers A (unreliable transports) and B.
    Calling { request: M, resend: Option<Backoff>, give_up: Tick },
    /// A provisional response came.
    Proceeding { request: M },
    /// A response of 300 to 699 came and is acknowledged each time it comes: timer D.
    Completed { request: M, linger: Tick },
    /// A 2xx came; those of other branches and retransmissions still pass: timer M.
    Accepted { linger: Tick },
    /// Over.
    #[default]
    Terminated,
}

impl<M: Clone> ClientInvite<M> {
    /// Sends `request`, an INVITE, at `now`.
    //= rfc3261#section-17.1.1.2
    //# The initial state, "calling", MUST be entered when the TU
    //# initiates a new client transaction with an INVITE request.  The
    //# client transaction MUST pass the request to the transport layer for
    //# transmission (see Section 18).  If an unreliable transport is being
    //# used, the client transaction MUST start timer A with a value of T1.
    //# If a reliable transport is being used, the client transaction SHOULD
    //# NOT start timer A (Timer A controls request retransmissions).  For
    //# any transport, the client transaction MUST start timer B with a value
    //# of 64*T1 seconds (Timer B controls transaction timeouts).
    pub fn new(request: M, reliability: Reliability, timers: Timers, now: Tick) -> Self {
        let mut out = ClientOutbox::new();
        out.push(ClientOutput::Send(request.clone()));
        let resend = match reliability {
            Reliability::Unreliable => Some(Backoff::start(now, timers.t1_ms())),
            Reliability::Reliable => None,
        };
        let give_up = now.plus_ms(timers.give_up_ms().into());
        let state = State::Calling { request, resend, give_up };
        ClientInvite { state, timers, reliability, out }
    }

    /// The transaction of an INVITE that a former process sent: it waits for the final response,
    /// and sends nothing by itself. Whether a provisional response came then does not matter: what
    /// may be sent again is lost with the other process.
    #[must_use]
    pub fn proceeding(request: M, reliability: Reliability, timers: Timers) -> Self {
        let state = State::Proceeding { request };
        ClientInvite { state, timers, reliability, out: ClientOutbox::new() }
    }

    /// A response that matches this transaction came from the network.
    pub fn handle_response(&mut self, class: ResponseClass, now: Tick) {
        use ResponseClass::{Failure, Provisional, Success};
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        self.state = match (mem::take(&mut self.state), class) {
            //= rfc3261#section-17.1.1.2
            //# If the client transaction receives a provisional response while in
            //# the "Calling" state, it transitions to the "Proceeding" state. In the
            //# "Proceeding" state, the client transaction SHOULD NOT retransmit the
            //# request any longer. Furthermore, the provisional response MUST be
            //# passed to the TU.  Any further provisional responses MUST be passed
            //# up to the TU while in the "Proceeding" state.
            (Calling { request, .. } | Proceeding { request }, Provisional) => {
                self.out.push(ClientOutput::Deliver);
                Proceeding { request }
            }
            // RFC 6026 section 7.2: a 2xx no longer ends the transaction, so that its
            // retransmissions and those of other forks find their way to the user.
            (Calling { .. } | Proceeding { .. }, Success) => {
                self.out.push(ClientOutput::Deliver);
                Accepted { linger: now.plus_ms(self.timers.linger_ms().into()) }
            }
            (state @ Accepted { .. }, Success) => {
                self.out.push(ClientOutput::Deliver);
                state
            }
            (Calling { request, .. } | Proceeding { request }, Failure) => {
                self.complete(request, now)
            }
            //= rfc3261#section-17.1.1.2
            //# Any retransmissions of the final response that are received while in
            //# the "Completed" state MUST cause the ACK to be re-passed to the
            //# transport layer for retransmission, but the newly received response
            //# MUST NOT be passed up to the TU.
            (Completed { request, linger }, Failure) => {
                self.out.push(ClientOutput::Ack(request.clone()));
                Completed { request, linger }
            }
            (state @ Completed { .. }, Provisional | Success)
            | (state @ Accepted { .. }, Provisional | Failure)
            | (state @ Terminated, Provisional | Success | Failure) => state,
        };
    }

    /// The transport reports that it could not send what this transaction gave it.
    //= rfc3261#section-17.1.4
    //# The client transaction SHOULD inform the TU that a transport failure
    //# has occurred, and the client transaction SHOULD transition directly
    //# to the "Terminated" state.
    pub fn handle_transport_error(&mut self) {
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        self.state = match mem::take(&mut self.state) {
            Calling { .. } | Completed { .. } => {
                self.out.push(ClientOutput::TransportFailed);
                self.terminate()
            }
            // Nothing is being sent in these states, and the peer has answered: figure 5 has no
            // transport error there.
            state @ (Proceeding { .. } | Accepted { .. } | Terminated) => state,
        };
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Tick) {
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        self.state = match mem::take(&mut self.state) {
            //= rfc3261#section-17.1.1.2
            //# If the client transaction is still in the "Calling" state when timer
            //# B fires, the client transaction SHOULD inform the TU that a timeout
            //# has occurred.  The client transaction MUST NOT generate an ACK.
            Calling { give_up, .. } if give_up <= now => {
                self.out.push(ClientOutput::TimedOut);
                self.terminate()
            }
            //= rfc3261#section-17.1.1.2
            //# When timer A fires, the client transaction MUST retransmit the
            //# request by passing it to the transport layer, and MUST reset the
            //# timer with a value of 2*T1.
            Calling { request, mut resend, give_up } => {
                // Timer A has no cap of its own: timer B ends it.
                if backoff::fire(&mut resend, now, self.timers.give_up_ms()) {
                    self.out.push(ClientOutput::Send(request.clone()));
                }
                Calling { request, resend, give_up }
            }
            //= rfc3261#section-17.1.1.2
            //# If timer D fires while the client transaction is in the "Completed"
            //# state, the client transaction MUST move to the terminated state.
            Completed { linger, .. } | Accepted { linger } if linger <= now => self.terminate(),
            state @ (Proceeding { .. } | Completed { .. } | Accepted { .. } | Terminated) => state,
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
            State::Calling { resend, give_up, .. } => {
                Some(backoff::earlier(resend.as_ref(), *give_up))
            }
            State::Completed { linger, .. } | State::Accepted { linger } => Some(*linger),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// Whether the last word is said, and only copies of the peer's are waited for.
    #[must_use]
    pub const fn is_lingering(&self) -> bool {
        match &self.state {
            State::Completed { .. } | State::Accepted { .. } => true,
            State::Calling { .. } | State::Proceeding { .. } | State::Terminated => false,
        }
    }

    /// Whether the transaction is over.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    //= rfc3261#section-17.1.1.2
    //# When in either the "Calling" or "Proceeding" states, reception of a
    //# response with status code from 300-699 MUST cause the client
    //# transaction to transition to "Completed".  The client transaction
    //# MUST pass the received response up to the TU, and the client
    //# transaction MUST generate an ACK request, even if the transport is
    //# reliable (guidelines for constructing the ACK from the response are
    //# given in Section 17.1.1.3) and then pass the ACK to the transport
    //# layer for transmission.  The ACK MUST be sent to the same address,
    //# port, and transport to which the original request was sent.  The
    //# client transaction SHOULD start timer D when it enters the
    //# "Completed" state, with a value of at least 32 seconds for unreliable
    //# transports, and a value of zero seconds for reliable transports.
    fn complete(&mut self, request: M, now: Tick) -> State<M> {
        self.out.push(ClientOutput::Ack(request.clone()));
        self.out.push(ClientOutput::Deliver);
        match self.reliability {
            Reliability::Unreliable => {
                State::Completed { request, linger: now.plus_ms(self.timers.d_ms().into()) }
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
