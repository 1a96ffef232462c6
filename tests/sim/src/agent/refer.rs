//! Transfers as phones ask for them: REFER and its NOTIFYs (RFC 3515, RFC 3891).

use super::transaction::Purpose;
use super::{Agent, CallState};
use crate::plan::REALM;
use strowger_link::Tick;
use strowger_phone::message::Message;

/// Where an agent puts the other side of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Put {
    /// To a number.
    To(String),
    /// Together with the other side of this call of its own.
    With(u32),
}

/// How often who is heard may change: once for each transfer, and back and forth while packets
/// overtake each other.
pub(super) const CHANGES: u32 = 8;

impl Agent {
    /// Numbers of calls that are up, in order.
    pub fn up(&self) -> impl Iterator<Item = u32> {
        let up = self.calls.iter().filter(|(_, call)| call.state == CallState::Up);
        up.map(|(key, _)| *key)
    }

    /// Whom calls are with may change.
    pub fn expect_transfers(&mut self) {
        self.transfers = true;
        self.calls.values_mut().for_each(|call| call.changes = CHANGES);
    }

    /// Puts the other side of a call through, if the call is up.
    pub fn refer(&mut self, key: u32, put: &Put, now: Tick) {
        if !self.up().any(|up| up == key) {
            return;
        }
        let target = match put {
            Put::To(number) => format!("<sip:{number}@{REALM}>"),
            Put::With(other) => match self.replaces(*other) {
                Some(replaces) => format!("<sip:x@{REALM}?Replaces={replaces}>"),
                None => return,
            },
        };
        if let Some(mut refer) = self.in_call(key, "REFER") {
            refer.push("Refer-To", &target);
            let other = if let Put::With(other) = put { Some(*other) } else { None };
            for key in [Some(key), other].into_iter().flatten() {
                if let Some(call) = self.calls.get_mut(&key) {
                    (call.referred, call.refers) = (None, true);
                }
            }
            self.begin(refer, Purpose::Refer(key), now);
        }
    }

    /// The value of Replaces for a call of ours, escaped for a URI.
    fn replaces(&self, key: u32) -> Option<String> {
        let call = self.calls.get(&key)?;
        let (remote, local) = (tag(&call.remote)?, tag(&call.local)?);
        let id = call.id.replace('@', "%40");
        Some(format!("{id}%3Bto-tag%3D{remote}%3Bfrom-tag%3D{local}"))
    }

    /// The switch tells how a transfer goes on.
    pub(super) fn handle_notify(&mut self, request: &Message, now: Tick) {
        let Some(branch) = self.serve(request, now) else { return };
        let key = self.key_of(request);
        let code = if key.is_some() { 200 } else { 481 };
        if let Some(key) = key {
            // It may have overtaken another request of the dialog, or been overtaken.
            self.told(key, request, now);
        }
        self.respond(&branch, "NOTIFY", &Message::response(code, request, None), now);
    }

    fn told(&mut self, key: u32, request: &Message, now: Tick) {
        let line = String::from_utf8_lossy(&request.body).into_owned();
        let status = line.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
        let Some(status) = status else {
            return self.breach(now, &format!("a NOTIFY without a status: {line}"));
        };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let after_the_end = call.referred.take_if(|code| *code >= 200).is_some();
        call.referred = Some(status);
        if after_the_end {
            self.breach(now, "a NOTIFY after the last one");
        }
    }

    /// The switch said whether it tries.
    pub(super) fn referred(&mut self, key: u32, code: u16) {
        *self.refers.entry(code).or_default() += 1;
        if let Some(call) = self.calls.get_mut(&key).filter(|_| code == 202) {
            call.referred.get_or_insert(100);
        }
    }
}

fn tag(header: &str) -> Option<&str> {
    header.split(";tag=").nth(1).map(|rest| rest.split(';').next().unwrap_or(rest))
}
