//! The laws of a client's timers: what the switch repeats, and when (RFC 3261 17.1.1.2, 17.1.2.2).
//!
//! Seen as the switch sends it, before the network loses or doubles anything. ACKs are repeated
//! when their response is, and responses when their request is, so only requests have a time of
//! their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_phone::message::Message;

/// T1 and T2, milliseconds.
const T1_MS: u64 = 500;
const T2_MS: u64 = 4_000;
/// 64 T1: timers B and F.
const GIVE_UP_MS: u64 = 64 * T1_MS;
/// What a timer may be early by rounding, milliseconds.
const EARLY_MS: u64 = 1;

/// How often a request was sent.
#[derive(Clone, Copy, Debug)]
struct Copies {
    first: Tick,
    last: Tick,
    count: u32,
}

/// Requests by branch, method and destination.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    sent: BTreeMap<(String, String, SocketAddr), Copies>,
}

impl Timers {
    /// The switch died: the next life says again what the last one may not have got out.
    pub(crate) fn clear(&mut self) {
        self.sent.clear();
    }

    /// The switch sends this.
    pub(crate) fn see(
        &mut self,
        to: SocketAddr,
        data: &[u8],
        now: Tick,
        breaches: &mut Vec<String>,
    ) {
        let Ok(message) = Message::parse(data) else { return };
        if message.code().is_some() || message.method() == "ACK" {
            return;
        }
        let Some(branch) = message.branch() else { return };
        let reliable = !message.via().unwrap_or_default().starts_with("SIP/2.0/UDP");
        let is_invite = message.method() == "INVITE";
        let key = (branch.to_owned(), message.method().to_owned(), to);
        let new = Copies { first: now, last: now, count: 0 };
        let copies = self.sent.entry(key).or_insert(new);
        copies.count += 1;
        if copies.count == 1 {
            return;
        }
        let doubled_ms = T1_MS << (copies.count - 2).min(16);
        let least_ms = if is_invite { doubled_ms } else { doubled_ms.min(T2_MS) };
        let gap_ms = now.ms_since(copies.last);
        copies.last = now;
        let what = message.summary();
        let at = now.0 as f64 / 1e9;
        if reliable {
            breaches.push(format!("{at:.3}: {what} is repeated over a connection"));
        } else if gap_ms + EARLY_MS < least_ms {
            breaches.push(format!("{at:.3}: {what} again after {gap_ms} ms, not {least_ms}"));
        } else if now.ms_since(copies.first) > GIVE_UP_MS {
            breaches.push(format!("{at:.3}: {what} is repeated for longer than 64 T1"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Timers;
    use strowger_link::Tick;

    fn breaches(method: &str, transport: &str, at_ms: &[u64]) -> Vec<String> {
        let text = format!(
            "{method} sip:a@10.0.0.9 SIP/2.0\r\n\
             Via: SIP/2.0/{transport} 10.0.0.1;branch=z9hG4bKx\r\n\
             From: <sip:b@c>;tag=1\r\nTo: <sip:a@c>\r\nCall-ID: i\r\nCSeq: 1 {method}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let (mut timers, mut breaches) = (Timers::default(), Vec::new());
        let to = "10.0.0.9:5060".parse().unwrap();
        for ms in at_ms {
            timers.see(to, text.as_bytes(), Tick::default().plus_ms(*ms), &mut breaches);
        }
        breaches
    }

    #[test]
    fn requests_are_repeated_by_their_timers_alone() {
        for (method, transport, at_ms, count) in [
            ("INVITE", "UDP", &[0, 500, 1_500, 3_500, 7_500, 15_500, 31_500][..], 0),
            ("BYE", "UDP", &[0, 500, 1_500, 3_500, 7_500, 11_500, 31_500][..], 0),
            ("INVITE", "UDP", &[0, 400][..], 1),
            ("INVITE", "UDP", &[0, 500, 1_000][..], 1),
            ("INVITE", "UDP", &[0, 500, 1_500, 3_500, 7_500, 11_500][..], 1),
            ("BYE", "UDP", &[0, 33_000][..], 1),
            ("BYE", "TCP", &[0, 500][..], 1),
            ("ACK", "UDP", &[0, 0][..], 0),
        ] {
            let found = breaches(method, transport, at_ms);
            assert_eq!(found.len(), count, "{method} {at_ms:?}: {found:?}");
        }
    }
}
