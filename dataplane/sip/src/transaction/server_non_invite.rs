//! Non-INVITE server transaction.

use std::mem;

use strowger_link::Tick;

use super::server::{ServerOutbox, ServerOutput};
use super::{Reliability, ResponseClass, Timers};

/// Server transaction of every method but INVITE and ACK, RFC 3261 section 17.2.2.
///
/// Before the final response it owns no timer: the transaction user must respond, and before the
/// client's timer F does (RFC 4320 section 4).
#[derive(Clone, Debug)]
pub struct ServerNonInvite<M> {
    state: State<M>,
    timers: Timers,
    reliability: Reliability,
    out: ServerOutbox<M>,
}

#[derive(Clone, Default, Debug)]
enum State<M> {
    /// The request was passed up, no response was handed in.
    Trying,
    /// A provisional response is out, sent again when the request comes again.
    Proceeding { last: M },
    /// The final response is out, sent again when the request comes again: timer J.
    Completed { response: M, linger: Tick },
    /// Over.
    #[default]
    Terminated,
}

impl<M: Clone> ServerNonInvite<M> {
    /// A request that matches no transaction came; the caller passes it to the user.
    //= rfc3261#section-17.2.2
    //# The state machine is initialized in the "Trying" state and is passed
    //# a request other than INVITE or ACK when initialized.
    #[must_use]
    pub fn new(reliability: Reliability, timers: Timers) -> Self {
        ServerNonInvite { state: State::Trying, timers, reliability, out: ServerOutbox::new() }
    }

    /// The request came again.
    pub fn handle_request(&mut self) {
        use State::{Completed, Proceeding, Terminated, Trying};
        match &self.state {
            //= rfc3261#section-17.2.2
            //# If a retransmission of the
            //# request is received while in the "Proceeding" state, the most
            //# recently sent provisional response MUST be passed to the transport
            //# layer for retransmission.
            Proceeding { last: response }
            //= rfc3261#section-17.2.2
            //# While in the "Completed" state, the
            //# server transaction MUST pass the final response to the transport
            //# layer for retransmission whenever a retransmission of the request is
            //# received.
            | Completed { response, .. } => self.out.push(ServerOutput::Send(response.clone())),
            //= rfc3261#section-17.2.2
            //# Once in the "Trying" state, any further request
            //# retransmissions are discarded.
            Trying | Terminated => {}
        }
    }

    /// The transaction user hands in a response. After a final one it is discarded.
    pub fn respond(&mut self, class: ResponseClass, response: M, now: Tick) {
        use ResponseClass::{Failure, Provisional, Success};
        use State::{Completed, Proceeding, Terminated, Trying};
        self.state = match (mem::take(&mut self.state), class) {
            //= rfc3261#section-17.2.2
            //# While in the "Trying" state, if the TU passes a provisional response
            //# to the server transaction, the server transaction MUST enter the
            //# "Proceeding" state.  The response MUST be passed to the transport
            //# layer for transmission.  Any further provisional responses that are
            //# received from the TU while in the "Proceeding" state MUST be passed
            //# to the transport layer for transmission.
            (Trying | Proceeding { .. }, Provisional) => {
                self.out.push(ServerOutput::Send(response.clone()));
                Proceeding { last: response }
            }
            (Trying | Proceeding { .. }, Success | Failure) => self.complete(response, now),
            //= rfc3261#section-17.2.2
            //# Any other final responses passed by the TU to the server
            //# transaction MUST be discarded while in the "Completed" state.
            (state @ (Completed { .. } | Terminated), Provisional | Success | Failure) => state,
        };
    }

    /// The transport reports that it could not send what this transaction gave it.
    ///
    /// The user is told and the state stays, as RFC 6026 section 8.8 has it for server transactions
    /// (RFC 3261 figure 8, which ends them, was not redrawn): a retransmission of the request must
    /// still end here instead of being taken for a new one.
    pub fn handle_transport_error(&mut self) {
        use State::{Completed, Proceeding, Terminated, Trying};
        match &self.state {
            Proceeding { .. } | Completed { .. } => self.out.push(ServerOutput::TransportFailed),
            // Nothing is being sent in these states.
            Trying | Terminated => {}
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Tick) {
        use State::{Completed, Proceeding, Terminated, Trying};
        self.state = match mem::take(&mut self.state) {
            //= rfc3261#section-17.2.2
            //# The
            //# server transaction remains in this state until Timer J fires, at
            //# which point it MUST transition to the "Terminated" state.
            Completed { linger, .. } if linger <= now => self.terminate(),
            state @ (Trying | Proceeding { .. } | Completed { .. } | Terminated) => state,
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
            State::Completed { linger, .. } => Some(*linger),
            State::Trying | State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// All that is left of the transaction once its final response is out: that, for copies of the
    /// request, and the end of timer J.
    #[must_use]
    pub const fn completed(&self) -> Option<(&M, Tick)> {
        match &self.state {
            State::Completed { response, linger } => Some((response, *linger)),
            State::Trying | State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// Whether the last word is said, and only copies of the peer's are waited for.
    #[must_use]
    pub const fn is_lingering(&self) -> bool {
        match &self.state {
            State::Completed { .. } => true,
            State::Trying | State::Proceeding { .. } | State::Terminated => false,
        }
    }

    /// Whether the transaction is over.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    //= rfc3261#section-17.2.2
    //# If the TU passes a final response (status
    //# codes 200-699) to the server while in the "Proceeding" state, the
    //# transaction MUST enter the "Completed" state, and the response MUST
    //# be passed to the transport layer for transmission.
    //= rfc3261#section-17.2.2
    //# When the server transaction enters the "Completed" state, it MUST set
    //# Timer J to fire in 64*T1 seconds for unreliable transports, and zero
    //# seconds for reliable transports.
    fn complete(&mut self, response: M, now: Tick) -> State<M> {
        self.out.push(ServerOutput::Send(response.clone()));
        match self.reliability {
            Reliability::Unreliable => {
                let linger = now.plus_ms(self.timers.linger_ms().into());
                State::Completed { response, linger }
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
