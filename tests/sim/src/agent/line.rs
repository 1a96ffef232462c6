//! How an agent's messages travel: as datagrams, or over connections (RFC 3261 18).
//!
//! An agent that speaks TCP has a line of its own to the switch and takes those that the switch
//! makes. Responses go back by the line of their request while it is there (18.2.2), all else by
//! the newest. When its line breaks, it makes another and registers anew, as phones do; what the
//! broken one had taken is lost, and nobody repeats it.

use super::call::Do;
use super::fork::Fork;
use super::transaction::Purpose;
use super::{Agent, CallState};
use crate::net::Datagram;
use crate::plan::switch_for;
use std::collections::{BTreeMap, VecDeque};
use strowger_link::Tick;
use strowger_phone::message::Message;

/// After this time a phone tries again to connect, and registers anew, milliseconds.
const AGAIN_MS: u64 = 1_000;
/// Messages that wait for a connection.
const WAITING_MAX: usize = 100;
/// Longest message, bytes: more is a stream that is out of step.
const MESSAGE_MAX: usize = 20_000;
/// People hang up who have heard nothing for so long after their line broke, milliseconds.
const PATIENCE_MS: u64 = 60_000;

/// What an agent puts on the network.
#[derive(Clone, Debug)]
pub enum Out {
    /// A datagram.
    Datagram(Datagram),
    /// It wants a connection.
    Connect,
    /// Bytes on a connection, by its number.
    Bytes(u64, Vec<u8>),
}

/// The connections of an agent that speaks TCP.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Those that are up, with what has come and is no whole message yet.
    up: BTreeMap<u64, Vec<u8>>,
    /// One was asked for and is not there.
    connecting: bool,
    /// Messages for it.
    waiting: VecDeque<Vec<u8>>,
    /// When it is tried again.
    again: Option<Tick>,
    /// When it registers anew.
    register: Option<Tick>,
    /// When a line broke last.
    broke: Option<Tick>,
    /// The line of the message in hand.
    pub(super) hand: Option<u64>,
}

impl Agent {
    /// From now on it speaks TCP.
    pub fn speak_tcp(&mut self) {
        self.lines = Some(Lines::default());
    }

    /// Whether it speaks TCP.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        self.lines.is_some()
    }

    /// Connections that are up.
    #[must_use]
    pub fn lines_up(&self) -> usize {
        self.lines.as_ref().map_or(0, |lines| lines.up.len())
    }

    /// A line broke, or the switch died, since then: what was said may be lost.
    pub(super) fn lost_since(&self, since: Tick) -> bool {
        let broke = self.lines.as_ref().and_then(|lines| lines.broke);
        broke.is_some_and(|at| at >= since)
    }

    pub(super) fn lines_due(&self) -> Option<Tick> {
        let lines = self.lines.as_ref()?;
        [lines.again, lines.register].into_iter().flatten().min()
    }

    pub(super) fn lines_timeout(&mut self, now: Tick) {
        let Some(lines) = &mut self.lines else { return };
        if lines.again.take_if(|at| *at <= now).is_some() && !lines.waiting.is_empty() {
            lines.connecting = true;
            self.out.push(Out::Connect);
        }
        let Some(lines) = &mut self.lines else { return };
        if lines.register.take_if(|at| *at <= now).is_some() && self.registered {
            self.register(3_600, now);
        }
    }

    /// Sends a message by this line if it is there.
    pub(super) fn send_by(&mut self, line: Option<u64>, bytes: Vec<u8>, now: Tick) {
        if let Ok(message) = Message::parse(&bytes) {
            self.note(">", &message, now);
        }
        let to = switch_for(self.addr);
        let Some(lines) = &mut self.lines else {
            let datagram = Datagram { sent_at: now, from: self.addr, to, data: bytes };
            return self.out.push(Out::Datagram(datagram));
        };
        let named = line.filter(|line| lines.up.contains_key(line));
        match named.or_else(|| lines.up.last_key_value().map(|(line, _)| *line)) {
            Some(line) => self.out.push(Out::Bytes(line, bytes)),
            None => {
                if lines.waiting.len() < WAITING_MAX {
                    lines.waiting.push_back(bytes);
                }
                if !lines.connecting && lines.again.is_none() {
                    lines.connecting = true;
                    self.out.push(Out::Connect);
                }
            }
        }
    }

    /// A connection is up, whoever made it.
    pub fn line_up(&mut self, line: u64) {
        let Some(lines) = &mut self.lines else { return };
        lines.up.insert(line, Vec::new());
        lines.connecting = false;
        lines.again = None;
        while let Some(bytes) = lines.waiting.pop_front() {
            self.out.push(Out::Bytes(line, bytes));
        }
    }

    /// A connection is over, or did not come up.
    pub fn line_down(&mut self, line: u64, now: Tick) {
        let Some(lines) = &mut self.lines else { return };
        let again = now.plus_ms(AGAIN_MS);
        if lines.up.remove(&line).is_none() {
            lines.connecting = false;
            lines.again = Some(again);
            return;
        }
        lines.broke = Some(now);
        if self.registered || self.fail_registers() {
            self.registered = true;
            if let Some(lines) = &mut self.lines {
                lines.register.get_or_insert(again);
            }
        }
        self.lose_patience(now);
        self.say_again(now);
    }

    /// Whoever may wait for something that was lost hangs up some time.
    fn lose_patience(&mut self, now: Tick) {
        let at = now.plus_ms(PATIENCE_MS);
        for call in self.calls.values_mut() {
            match call.state {
                CallState::Up => call.plan(at, Do::Bye),
                CallState::Incoming => call.plan(at, Do::Reject(480)),
                CallState::Calling
                | CallState::Cancelling
                | CallState::Answered
                | CallState::Leaving
                | CallState::Over(_) => {}
            }
            // Who is answered or called while nobody hears has this plan as well.
            call.after.bye_ms = call.after.bye_ms.or(Some(PATIENCE_MS));
        }
        self.forks.iter_mut().for_each(Fork::give_up);
    }

    /// Nobody acknowledged our answer, and a line broke meanwhile: nobody hears it any more.
    pub(super) fn unheard(&mut self, key: u32, now: Tick) {
        if self.calls.get(&key).is_some_and(|call| call.state == CallState::Answered) {
            self.over(key, now);
        }
    }

    /// A BYE that was not answered when its line broke is said again, as another request: its
    /// transaction has failed (RFC 3261 17.1.4).
    fn say_again(&mut self, now: Tick) {
        for key in self.fail_byes() {
            if let Some(bye) = self.in_call(key, "BYE") {
                self.begin(bye, Purpose::Bye(key), now);
            }
        }
    }

    /// Bytes came by a connection.
    pub fn handle_bytes(&mut self, line: u64, bytes: &[u8], sent_at: Tick, now: Tick) {
        let Some(buffer) = self.lines.as_mut().and_then(|lines| lines.up.get_mut(&line)) else {
            return;
        };
        buffer.extend_from_slice(bytes);
        while let Some(taken) = self.take_message(line) {
            let message = match taken.as_deref().map(Message::parse) {
                Some(Ok(message)) => message,
                Some(Err(e)) => return self.breach(now, &format!("cannot be read: {e:?}")),
                None => return self.breach(now, "a stream that is out of step"),
            };
            self.sent_at = sent_at;
            if let Some(lines) = &mut self.lines {
                lines.hand = Some(line);
            }
            self.handle_message(&message, now);
            if let Some(lines) = &mut self.lines {
                lines.hand = None;
            }
        }
    }

    /// The first whole message of a line; `Some(None)` = what stands there can be none.
    fn take_message(&mut self, line: u64) -> Option<Option<Vec<u8>>> {
        let lines = self.lines.as_mut()?;
        let buffer = lines.up.get_mut(&line)?;
        // RFC 3261 7.5, RFC 5626 4.4.1: empty lines before a message; two of them ask for one.
        let empty = buffer.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        buffer.drain(..empty);
        if empty >= 4 {
            self.out.push(Out::Bytes(line, b"\r\n".to_vec()));
        }
        let head = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(head) = head else {
            return (buffer.len() > MESSAGE_MAX).then_some(None);
        };
        let text = String::from_utf8_lossy(buffer.get(..head).unwrap_or_default()).into_owned();
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.trim().eq_ignore_ascii_case("Content-Length");
            named.then(|| value.trim().parse::<usize>().ok()).flatten()
        });
        // RFC 3261 18.3: over streams it must be there.
        let Some(length) = length.filter(|length| *length <= MESSAGE_MAX) else {
            return Some(None);
        };
        let whole = head + 4 + length;
        (buffer.len() >= whole).then(|| Some(buffer.drain(..whole).collect()))
    }
}
