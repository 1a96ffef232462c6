//! What the bytes that came are made of.

use super::{Cover, Item, PING, PONG, Phase, Pipe, Speech};
use crate::fault::{Fault, Refusal};
use crate::frame;
use crate::limits::{INBOX_LEN_MAX, PONG_ROOM_LEN};
use crate::websocket::frame::{self as websocket, Code, Frames, Opcode};
use crate::websocket::upgrade::{self, Verdict};

/// What was found in the inbox, by offsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Nothing,
    /// Something of no meaning to the owner was taken.
    Again,
    Message {
        at: usize,
        len: usize,
    },
    /// A message that came in parts.
    Assembled,
    KeepAlive,
    Pong,
    Refused {
        len: usize,
        refusal: Refusal,
    },
    Foreign {
        len: usize,
    },
    Over(Fault),
}

impl Pipe {
    /// Shows what was found.
    pub(super) fn item(&self, found: Found) -> Option<Item<'_>> {
        let bytes = self.inbox.bytes();
        match found {
            Found::Nothing | Found::Again => None,
            Found::Message { at, len } => bytes.get(at..at + len).map(Item::Message),
            Found::Assembled => match &self.speech {
                Speech::Frames(frames) => Some(Item::Message(frames.assembled())),
                Speech::Sip { .. } | Speech::Asked(_) | Speech::Asking(_) | Speech::Foreign => None,
            },
            Found::KeepAlive => Some(Item::KeepAlive),
            Found::Pong => Some(Item::Pong),
            Found::Refused { len, refusal } => {
                bytes.get(..len).map(|head| Item::Refused { head, refusal })
            }
            Found::Foreign { len } => bytes.get(..len).map(Item::Foreign),
            Found::Over(fault) => Some(Item::Over(fault)),
        }
    }

    pub(super) fn find(&mut self) -> Found {
        // Each step but the last takes a byte at least, or changes the speech.
        for _ in 0..=INBOX_LEN_MAX {
            self.release();
            if matches!(self.phase, Phase::Deaf | Phase::Over(_)) {
                return Found::Nothing;
            }
            match self.find_once() {
                Found::Again => {}
                Found::Nothing => {
                    self.patience.drained(self.has_part());
                    return match self.ending {
                        true => Found::Over(self.end(Fault::Ended)),
                        false => Found::Nothing,
                    };
                }
                // We have said good-bye: what came before the peer's is not looked at.
                Found::Message { .. } | Found::Assembled | Found::KeepAlive | Found::Pong
                    if self.phase == Phase::Closing => {}
                found @ (Found::Message { .. }
                | Found::Assembled
                | Found::KeepAlive
                | Found::Pong
                | Found::Foreign { .. }) => {
                    self.patience.whole();
                    return found;
                }
                found @ (Found::Refused { .. } | Found::Over(_)) => return found,
            }
        }
        Found::Nothing
    }

    /// Whether a part of a message is here. While the connection opens, that has its own time.
    fn has_part(&self) -> bool {
        let within = match &self.speech {
            Speech::Frames(frames) => frames.is_within(),
            Speech::Sip { .. } | Speech::Asked(_) | Speech::Asking(_) | Speech::Foreign => false,
        };
        let record = match &self.cover {
            Cover::Clear => false,
            Cover::Tls(tls) => tls.has_part(),
        };
        self.phase != Phase::Opening && (within || record || !self.inbox.is_empty())
    }

    fn find_once(&mut self) -> Found {
        match self.speech {
            Speech::Sip { .. } => self.find_sip(),
            Speech::Asked(_) => self.find_request(),
            Speech::Asking(_) => self.find_answer(),
            Speech::Frames(_) => self.find_frame(),
            Speech::Foreign => {
                self.taken = self.inbox.len();
                match self.taken {
                    0 => Found::Nothing,
                    len => Found::Foreign { len },
                }
            }
        }
    }

    fn find_sip(&mut self) -> Found {
        let Speech::Sip { framer, half_ping } = &mut self.speech else { return Found::Nothing };
        match framer.step(self.inbox.bytes()) {
            frame::Step::More => Found::Nothing,
            frame::Step::EmptyLine => {
                self.inbox.take(PONG.len());
                self.empty_line()
            }
            frame::Step::Message(len) => {
                *half_ping = false;
                self.taken = len;
                Found::Message { at: 0, len }
            }
            frame::Step::Refused(len, refusal) => {
                self.phase = Phase::Deaf;
                self.taken = len;
                // Whoever owns the pipe closes it now; if not, time does.
                self.patience.drained(true);
                Found::Refused { len, refusal }
            }
            frame::Step::Garbage => Found::Over(self.end(Fault::Garbage)),
        }
    }

    /// One empty line answers our ping; of the peer's ping there are two.
    fn empty_line(&mut self) -> Found {
        if self.patience.pong() {
            return Found::Pong;
        }
        let Speech::Sip { half_ping, .. } = &mut self.speech else { return Found::Nothing };
        *half_ping = !*half_ping;
        if *half_ping {
            return Found::Again;
        }
        self.answer_ping(PONG);
        Found::KeepAlive
    }

    /// A peer that pings and does not read gets no answer beyond a bound.
    fn answer_ping(&mut self, bytes: &[u8]) {
        if self.outbox.len() <= PONG_ROOM_LEN {
            let now = self.patience.active();
            // There is room: twice as much.
            let _ = self.put(bytes, now);
        }
    }

    fn find_request(&mut self) -> Found {
        let Speech::Asked(policy) = &self.speech else { return Found::Nothing };
        if self.inbox.is_empty() {
            return Found::Nothing;
        }
        let now = self.patience.active();
        match upgrade::judge(self.inbox.bytes(), policy) {
            Verdict::More => Found::Nothing,
            Verdict::Foreign => {
                self.speech = Speech::Foreign;
                self.open(now);
                Found::Again
            }
            Verdict::Accept(len, proof) => {
                self.inbox.take(len);
                self.speech = Speech::Frames(Box::new(Frames::server()));
                self.say(&upgrade::response(&proof));
                self.open(now);
                Found::Again
            }
            Verdict::Refuse(status) => {
                self.say(status.response());
                Found::Over(self.end(Fault::UpgradeRefused))
            }
        }
    }

    fn find_answer(&mut self) -> Found {
        let Speech::Asking(asking) = &self.speech else { return Found::Nothing };
        match asking.0.judge(self.inbox.bytes()) {
            Ok(None) => Found::Nothing,
            Ok(Some(len)) => {
                self.inbox.take(len);
                let asking = std::mem::replace(&mut self.speech, Speech::Foreign);
                if let Speech::Asking(asking) = asking {
                    self.speech = Speech::Frames(Box::new(asking.1));
                }
                self.open(self.patience.active());
                Found::Again
            }
            Err(()) => Found::Over(self.end(Fault::UpgradeRefused)),
        }
    }

    fn find_frame(&mut self) -> Found {
        let Speech::Frames(frames) = &mut self.speech else { return Found::Nothing };
        match frames.step(self.inbox.bytes_mut()) {
            websocket::Step::More => Found::Nothing,
            websocket::Step::Part { taken } => {
                self.inbox.take(taken);
                Found::Again
            }
            websocket::Step::Whole { at, len, taken } => {
                self.taken = taken;
                self.content(Found::Message { at, len })
            }
            websocket::Step::Assembled { taken } => {
                self.inbox.take(taken);
                self.content(Found::Assembled)
            }
            websocket::Step::Ping { at, len, taken } => {
                let payload = self.inbox.bytes().get(at..at + len).unwrap_or_default();
                let pong = frames.frame(Opcode::Pong, payload);
                self.inbox.take(taken);
                self.answer_ping(&pong);
                Found::KeepAlive
            }
            websocket::Step::Pong { taken } => {
                self.inbox.take(taken);
                if self.patience.pong() { Found::Pong } else { Found::Again }
            }
            websocket::Step::Close { .. } => self.peer_closes(),
            websocket::Step::Wrong(code) => Found::Over(self.end(match code {
                Code::BadText => Fault::BadText,
                Code::TooLong => Fault::TooLong,
                Code::Normal | Code::GoingAway | Code::Protocol => Fault::Protocol,
            })),
        }
    }

    /// Clients without access to pings of the protocol send empty lines (RFC 5626 4.4.1).
    fn content(&mut self, found: Found) -> Found {
        let Some(Item::Message(bytes)) = self.item(found) else { return Found::Again };
        let (ping, pong) = (bytes == PING, bytes == PONG || bytes.is_empty());
        if ping {
            let Speech::Frames(frames) = &mut self.speech else { return Found::Again };
            let answer = frames.frame(Opcode::Text, PONG);
            self.answer_ping(&answer);
            return Found::KeepAlive;
        }
        match pong {
            true if self.patience.pong() => Found::Pong,
            true => Found::Again,
            false => found,
        }
    }

    /// RFC 6455 5.5.1: who hears a close and has not said it, says it.
    fn peer_closes(&mut self) -> Found {
        if self.phase == Phase::Closing {
            return Found::Over(self.end(Fault::Closed));
        }
        self.say_close(Code::Normal);
        Found::Over(self.end(Fault::Ended))
    }

    /// An answer to an upgrade, in front of all that waits.
    fn say(&mut self, bytes: &[u8]) {
        self.write(bytes, self.patience.active());
    }
}
