//! Frames, both sides: RFC 6455 5 to 7. No extensions, and messages as long as SIP's at most.

use crate::limits::{CONTROL_LEN_MAX, MESSAGE_LEN_MAX};
use strowger_link::Key;
use strowger_link::siphash::siphash24;

/// Bytes in front of a payload: two, eight of length, four of mask.
pub(crate) const HEAD_LEN_MAX: usize = 14;

/// Why a connection ends: RFC 6455 7.4.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    Normal = 1000,
    GoingAway = 1001,
    Protocol = 1002,
    BadText = 1007,
    TooLong = 1009,
}

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Opcode> {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        let all = [Continuation, Text, Binary, Close, Ping, Pong];
        all.into_iter().find(|opcode| *opcode as u8 == bits)
    }

    const fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// What stands at the front of the bytes: offsets and lengths in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// No whole frame.
    More,
    /// A part of a message; `taken` bytes are done with.
    Part {
        taken: usize,
    },
    /// A whole message of one frame.
    Whole {
        at: usize,
        len: usize,
        taken: usize,
    },
    /// The last part: the message is [`Frames::assembled`].
    Assembled {
        taken: usize,
    },
    /// A ping, to be answered with its payload.
    Ping {
        at: usize,
        len: usize,
        taken: usize,
    },
    Pong {
        taken: usize,
    },
    Close {
        taken: usize,
    },
    /// The peer breaks the protocol.
    Wrong(Code),
}

struct Head {
    last: bool,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    at: usize,
    len: usize,
}

/// Whether a message began that is not whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Between,
    Within { text: bool },
}

/// Takes frames apart and makes them.
#[derive(Debug)]
pub(crate) struct Frames {
    side: Side,
    state: State,
    parts: Vec<u8>,
}

/// Frames of a client are masked (RFC 6455 5.3), those of a server are not.
#[derive(Debug)]
enum Side {
    Server,
    /// The masks come from the key and how many there were.
    Client {
        key: Key,
        count: u64,
    },
}

impl Frames {
    /// Of the side that was connected to.
    pub(crate) fn server() -> Frames {
        Frames { side: Side::Server, state: State::Between, parts: Vec::new() }
    }

    /// Of the side that connected; `key` must be random.
    pub(crate) fn client(key: Key) -> Frames {
        Frames { side: Side::Client { key, count: 0 }, state: State::Between, parts: Vec::new() }
    }

    /// Whether a message began that is not whole.
    pub(crate) fn is_within(&self) -> bool {
        self.state != State::Between
    }

    /// The message that the last step made whole.
    pub(crate) fn assembled(&self) -> &[u8] {
        &self.parts
    }

    /// Gives the memory of the assembled message back.
    pub(crate) fn release(&mut self) {
        if self.state == State::Between {
            self.parts = Vec::new();
        }
    }

    /// Looks at `bytes`, which begin with a frame; its payload is unmasked in place, once.
    pub(crate) fn step(&mut self, bytes: &mut [u8]) -> Step {
        let head = match self.head(bytes) {
            Ok(Some(head)) => head,
            Ok(None) => return Step::More,
            Err(code) => return Step::Wrong(code),
        };
        let (at, len, taken) = (head.at, head.len, head.at + head.len);
        let Some(payload) = bytes.get_mut(at..taken) else { return Step::More };
        if let Some(mask) = head.mask {
            unmask(payload, mask);
        }
        match head.opcode {
            Opcode::Ping => Step::Ping { at, len, taken },
            Opcode::Pong => Step::Pong { taken },
            Opcode::Close => close(payload, taken),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => self.data(&head, payload),
        }
    }

    fn data(&mut self, head: &Head, payload: &[u8]) -> Step {
        let (at, len, taken) = (head.at, head.len, head.at + head.len);
        let text = match (self.state, head.opcode) {
            (State::Within { text }, _) => text,
            (State::Between, opcode) => opcode == Opcode::Text,
        };
        if head.last && self.state == State::Between {
            let sound = !text || str::from_utf8(payload).is_ok();
            return if sound { Step::Whole { at, len, taken } } else { Step::Wrong(Code::BadText) };
        }
        self.parts.extend_from_slice(payload);
        self.state = State::Within { text };
        if !head.last {
            return Step::Part { taken };
        }
        self.state = State::Between;
        let sound = !text || str::from_utf8(&self.parts).is_ok();
        if sound { Step::Assembled { taken } } else { Step::Wrong(Code::BadText) }
    }

    /// RFC 6455 5.2; None = it is not whole.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, Code> {
        let Some([first, second]) = bytes.first_chunk() else { return Ok(None) };
        let (last, opcode) = (first & 0x80 != 0, Opcode::from_bits(first & 0x0f));
        let masked = second & 0x80 != 0;
        let opcode = opcode.filter(|_| first & 0x70 == 0).ok_or(Code::Protocol)?;
        if masked != matches!(self.side, Side::Server) {
            return Err(Code::Protocol);
        }
        let (len, mut at) = match second & 0x7f {
            126 => match bytes.get(2..).and_then(<[u8]>::first_chunk) {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 4),
                None => return Ok(None),
            },
            127 => match bytes.get(2..).and_then(<[u8]>::first_chunk) {
                Some(len) => (u64::from_be_bytes(*len), 10),
                None => return Ok(None),
            },
            len => (u64::from(len), 2),
        };
        let shortest = match at {
            2 => 0,
            4 => 126,
            _ => 65_536,
        };
        if len < shortest {
            return Err(Code::Protocol);
        }
        let len = self.fits(last, opcode, len)?;
        let mut mask = None;
        if masked {
            let Some(bytes) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
                return Ok(None);
            };
            (mask, at) = (Some(*bytes), at + 4);
        }
        Ok(Some(Head { last, opcode, mask, at, len }))
    }

    /// RFC 6455 5.4 and 5.5: what may come where, and how long.
    fn fits(&self, last: bool, opcode: Opcode, len: u64) -> Result<usize, Code> {
        let len = usize::try_from(len).map_err(|_| Code::TooLong)?;
        if opcode.is_control() {
            let sound = last && len <= CONTROL_LEN_MAX;
            return sound.then_some(len).ok_or(Code::Protocol);
        }
        if self.is_within() != (opcode == Opcode::Continuation) {
            return Err(Code::Protocol);
        }
        let before = if self.is_within() { self.parts.len() } else { 0 };
        (len <= MESSAGE_LEN_MAX - before).then_some(len).ok_or(Code::TooLong)
    }

    /// A frame around `payload`: a message as text where it is text, so that every client reads it.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let text = str::from_utf8(payload).is_ok();
        self.frame(if text { Opcode::Text } else { Opcode::Binary }, payload)
    }

    pub(crate) fn close(&mut self, code: Code) -> Vec<u8> {
        self.frame(Opcode::Close, &(code as u16).to_be_bytes())
    }

    /// One whole frame.
    pub(crate) fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_LEN_MAX + payload.len());
        let mask_bit = if matches!(self.side, Side::Client { .. }) { 0x80 } else { 0 };
        out.push(0x80 | opcode as u8);
        match payload.len() {
            len @ 0..=125 => out.push(mask_bit | len as u8),
            len @ 126..=65_535 => {
                out.push(mask_bit | 126);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(mask_bit | 127);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        if let Side::Client { key, count } = &mut self.side {
            *count += 1;
            let [a, b, c, d, ..] = siphash24(key, &count.to_be_bytes()).to_be_bytes();
            out.extend_from_slice(&[a, b, c, d]);
            let at = out.len();
            out.extend_from_slice(payload);
            unmask(out.get_mut(at..).unwrap_or_default(), [a, b, c, d]);
        } else {
            out.extend_from_slice(payload);
        }
        out
    }
}

/// Masks as well: RFC 6455 5.3.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let word = u64::from_ne_bytes([mask, mask].concat().try_into().unwrap_or_default());
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let bytes: [u8; 8] = (&*chunk).try_into().unwrap_or_default();
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// RFC 6455 5.5.1 and 7.4: a code, if there is one, that may go over the wire, and text behind it.
fn close(payload: &[u8], taken: usize) -> Step {
    let sound = match payload.split_first_chunk() {
        Some((code, reason)) => {
            let code = u16::from_be_bytes(*code);
            let known = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            known && str::from_utf8(reason).is_ok()
        }
        None => payload.is_empty(),
    };
    if sound { Step::Close { taken } } else { Step::Wrong(Code::Protocol) }
}

#[cfg(test)]
mod tests;
