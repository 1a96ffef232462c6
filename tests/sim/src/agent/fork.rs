//! Another phone behind the same proxy that answers the same INVITE a moment later (RFC 3261
//! 13.2.2.4): the caller has to acknowledge and to end it, whatever becomes of the first one.

use super::Agent;
use strowger_link::Tick;
use strowger_phone::message::Message;

/// T1 and T2, milliseconds.
const T1_MS: u64 = 500;
const T2_MS: u64 = 4_000;
/// 64 T1: a 2xx that nobody acknowledges is given up, and its call with it.
const GIVE_UP_MS: u64 = 32_000;

/// The second answer to an INVITE.
#[derive(Debug)]
pub(super) struct Fork {
    /// The call here that answered first.
    key: u32,
    id: String,
    tag: String,
    answer: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The answer is repeated.
    Answered { resend: Tick, gap_ms: u64, end: Tick },
    /// It was acknowledged: it speaks until it hears BYE.
    Up,
    /// It heard BYE.
    Ended,
    /// It heard nobody.
    GivenUp,
}

impl Fork {
    /// It waits for its BYE, for ever if need be.
    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// It heard its BYE.
    pub(super) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    pub(super) fn next(&self) -> Option<Tick> {
        match self.state {
            State::Answered { resend, end, .. } => Some(resend.min(end)),
            State::Up | State::Ended | State::GivenUp => None,
        }
    }

    /// What was on its way to it may be lost: it waits for nothing any more.
    pub(super) fn give_up(&mut self) {
        match self.state {
            State::Answered { .. } | State::Up => self.state = State::GivenUp,
            State::Ended | State::GivenUp => {}
        }
    }

    fn is_meant_by(&self, request: &Message) -> bool {
        request.header("Call-ID") == Some(self.id.as_str())
            && request.tag("To") == Some(self.tag.as_str())
    }
}

impl Agent {
    /// The INVITE of a call is answered once more, by another phone.
    pub(super) fn answer_fork(&mut self, key: u32, branch: &str, now: Tick) {
        let Some(call) = self.calls.get(&key) else { return };
        let (id, tag) = (call.id.clone(), format!("f{}x{key}", self.index));
        let (contact, answer) = (self.contact(), self.describe(key));
        let Some(server) = self.server(branch, "INVITE") else { return };
        let mut response = Message::response(200, &server.request, Some(&tag));
        response.push("Contact", &contact);
        if let Some(answer) = answer {
            response.set_body("application/sdp", answer.as_bytes());
        }
        let (resend, end) = (now.plus_ms(T1_MS), now.plus_ms(GIVE_UP_MS));
        let state = State::Answered { resend, gap_ms: T1_MS, end };
        let answer = response.to_bytes();
        self.forks.push(Fork { key, id, tag, answer: answer.clone(), state });
        self.send(answer, now);
    }

    pub(super) fn resend_forks(&mut self, now: Tick) {
        let mut sends = Vec::new();
        for fork in &mut self.forks {
            let State::Answered { resend, gap_ms, end } = fork.state else { continue };
            if end <= now {
                fork.state = State::GivenUp;
            } else if resend <= now {
                let gap_ms = (gap_ms * 2).min(T2_MS);
                fork.state = State::Answered { resend: now.plus_ms(gap_ms), gap_ms, end };
                sends.push(fork.answer.clone());
            }
        }
        sends.into_iter().for_each(|answer| self.send(answer, now));
    }

    /// Another phone answered the same call. It may be the one that the switch heard first, and
    /// then it is the one that hears audio, at the same port.
    pub(super) fn is_forked(&self, key: u32) -> bool {
        self.forks.iter().any(|fork| fork.key == key)
    }

    /// Takes an ACK or a BYE that is meant for a fork.
    pub(super) fn fork_takes(&mut self, request: &Message, now: Tick) -> bool {
        let Some(fork) = self.forks.iter_mut().find(|fork| fork.is_meant_by(request)) else {
            return false;
        };
        match (request.method(), fork.state) {
            ("ACK", State::Answered { .. }) => fork.state = State::Up,
            ("BYE", _) => {
                fork.state = State::Ended;
                if let Some(branch) = self.serve(request, now) {
                    self.respond(&branch, "BYE", &Message::response(200, request, None), now);
                }
            }
            _ => {}
        }
        true
    }
}
