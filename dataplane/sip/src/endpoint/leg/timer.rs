//! Session timers (RFC 4028): what is asked and answered, who refreshes, when, and the end.
//!
//! Values only: a [`Timer`] is made of what both sides said, and says when something is due. Each
//! of our dialogs has its own; a refresh of one never shows on the other.
//!
//! | peer's request | policy | 2xx of ours |
//! |---|---|---|
//! | any | `Never` | no timer |
//! | no Session-Expires, no `timer` | `Answer`, `Ask` | no timer |
//! | no Session-Expires, no `timer` | `Force` | ours, we refresh |
//! | no Session-Expires, `timer` | `Answer` | no timer |
//! | no Session-Expires, `timer` | `Ask`, `Force` | ours, the peer refreshes |
//! | Session-Expires | `Answer` | the peer's |
//! | Session-Expires | `Ask`, `Force` | the shorter one, not below the peer's Min-SE |
//!
//! Where the request names no refresher, it is the peer if it speaks `timer`, else we (RFC 4028
//! section 9, table 2).

use strowger_link::codec::{Malformed, Reader, Wire};
use strowger_link::{SESSION_S_MIN, SessionTimer, Tick};

use super::terms::Bounds;
use crate::field::parameterized_number;
use crate::header::Header;
use crate::message::Message;

/// How long before its end a session without a refresh is ended, at most, in seconds (RFC 4028
/// section 10).
const END_EARLY_S: u32 = 32;
/// How long a refresh that was put off waits when the peer does not say, in milliseconds.
const AGAIN_MS: u64 = 5_000;

/// What a message says about its session's timer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Said {
    /// Session-Expires, seconds.
    pub(super) expires_s: Option<u32>,
    /// Who refreshes.
    refresher: Option<Refresher>,
    /// Min-SE, seconds; no less than the least there is.
    pub(super) min_s: u32,
    /// Supported or Require lists `timer`.
    pub(super) speaks: bool,
}

/// The side that refreshes, in the words of the transaction that settled it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answered it.
    Uas,
}

impl Said {
    pub(super) fn of(message: Message<'_>) -> Said {
        let expires = message.value(Header::SessionExpires).and_then(parameterized_number);
        let who = expires.and_then(|(_, params)| params.value(b"refresher"));
        let refresher = who.and_then(|who| match who {
            _ if who.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            _ if who.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            _ => None,
        });
        let min = message.value(Header::MinSe).and_then(parameterized_number);
        Said {
            expires_s: expires.map(|(seconds, _)| seconds),
            refresher,
            min_s: min.map_or(0, |(seconds, _)| seconds).max(SESSION_S_MIN),
            speaks: message.lists(Header::Supported, b"timer")
                || message.lists(Header::Require, b"timer"),
        }
    }

    /// Whether the peer asks for a shorter session than anybody may (422). A peer that does not
    /// speak `timer` did not ask itself and could not follow.
    pub(super) fn is_too_short(self, least_s: u32) -> bool {
        self.speaks && self.expires_s.is_some_and(|seconds| seconds < least_s)
    }

    /// The timer that our 2xx to a request of the peer sets, and whether it refreshes.
    pub(super) fn settle(self, policy: SessionTimer, bounds: Bounds) -> Option<Agreed> {
        let own_s = match policy {
            SessionTimer::Never => return None,
            SessionTimer::Answer => None,
            SessionTimer::Ask(seconds) => Some(seconds).filter(|_| self.asks()),
            SessionTimer::Force(seconds) => Some(seconds),
        };
        let interval_s = match (self.expires_s, own_s) {
            (Some(theirs), None) => theirs.min(bounds.most_s.max(self.min_s)),
            // No longer than the peer asks, and no shorter than it takes.
            (Some(theirs), Some(own)) => theirs.min(own.max(self.min_s)),
            (None, own) => own?.max(bounds.least_s).max(self.min_s),
        };
        let by_peer = match self.refresher {
            Some(Refresher::Uac) => true,
            Some(Refresher::Uas) => false,
            None => self.speaks,
        };
        Some(Agreed { interval_s: interval_s.max(SESSION_S_MIN), ours: !by_peer })
    }

    const fn asks(self) -> bool {
        self.speaks || self.expires_s.is_some()
    }

    /// The timer that the peer's 2xx to a request of ours sets, which asked for `asked_s`.
    pub(super) fn heed(self, policy: SessionTimer, asked_s: Option<u32>) -> Option<Agreed> {
        match (self.expires_s, policy) {
            (_, SessionTimer::Never) => None,
            (Some(seconds), _) => Some(Agreed {
                interval_s: seconds.max(SESSION_S_MIN),
                ours: self.refresher != Some(Refresher::Uas),
            }),
            // The peer knows nothing of it: we see by ourselves whether it lives (7.2).
            (None, SessionTimer::Force(_)) => {
                asked_s.map(|interval_s| Agreed { interval_s, ours: true })
            }
            (None, SessionTimer::Answer | SessionTimer::Ask(_)) => None,
        }
    }
}

/// What both sides agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Agreed {
    /// Session interval, seconds.
    pub(super) interval_s: u32,
    /// Whether we refresh.
    pub(super) ours: bool,
}

impl Agreed {
    /// Session-Expires of the 2xx that settles it.
    pub(super) fn of_response(self) -> Vec<u8> {
        let who = if self.ours { "uas" } else { "uac" };
        format!("{};refresher={who}", self.interval_s).into_bytes()
    }

    /// Session-Expires of a request inside the dialog, at least `min_s`: who refreshes goes on to.
    pub(super) fn of_request(self, min_s: u32) -> Vec<u8> {
        let who = if self.ours { "uac" } else { "uas" };
        format!("{};refresher={who}", self.interval_s.max(min_s)).into_bytes()
    }
}

/// The timer of one session, since its last refresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Timer {
    pub(super) agreed: Agreed,
    since: Tick,
    /// When the next refresh of ours is due.
    again: Tick,
}

/// What a timer wants now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    Nothing,
    /// A refresh of ours.
    Refresh,
    /// The end of the session: nobody refreshed it.
    End,
}

impl Timer {
    pub(super) fn new(agreed: Agreed, now: Tick) -> Timer {
        let again = if agreed.ours { plus_s(now, agreed.interval_s / 2) } else { Tick::NEVER };
        Timer { agreed, since: now, again }
    }

    /// When the session ends without a refresh.
    fn end(&self) -> Tick {
        let interval_s = self.agreed.interval_s;
        plus_s(self.since, interval_s - END_EARLY_S.min(interval_s / 3))
    }

    pub(super) fn deadline(&self) -> Tick {
        self.again.min(self.end())
    }

    pub(super) fn due(&self, now: Tick) -> Due {
        if self.end() <= now {
            Due::End
        } else if self.again <= now {
            Due::Refresh
        } else {
            Due::Nothing
        }
    }

    /// A refresh of ours is out; another one is due when this one was put off.
    pub(super) fn refreshing(&mut self) {
        self.again = Tick::NEVER;
    }

    /// A refresh of ours was refused for now: once more after `retry_after_s`, or a little later.
    pub(super) fn put_off(&mut self, retry_after_s: Option<u32>, now: Tick) {
        if self.agreed.ours {
            self.again = now.plus_ms(retry_after_s.map_or(AGAIN_MS, |s| u64::from(s) * 1_000));
        }
    }

    /// The timer as a later life goes on with it: a refresh that was out is sent again.
    pub(super) fn resumed(self, now: Tick) -> Timer {
        let half = plus_s(self.since, self.agreed.interval_s / 2);
        let again = if self.agreed.ours { half.max(now) } else { Tick::NEVER };
        Timer { again, ..self }
    }
}

fn plus_s(at: Tick, seconds: u32) -> Tick {
    at.plus_ms(u64::from(seconds) * 1_000)
}

impl Wire for Timer {
    fn put(&self, out: &mut Vec<u8>) {
        self.agreed.interval_s.put(out);
        self.agreed.ours.put(out);
        self.since.put(out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Timer, Malformed> {
        let agreed = Agreed { interval_s: u32::take(input)?, ours: bool::take(input)? };
        if agreed.interval_s < SESSION_S_MIN {
            return Err(Malformed);
        }
        Ok(Timer::new(agreed, Tick::take(input)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Index;

    fn said(fields: &str) -> Said {
        let text = format!("INVITE sip:a SIP/2.0\r\n{}\r\n", fields.replace('\n', "\r\n"));
        let mut index = Index::new();
        Said::of(Message::parse(text.as_bytes(), &mut index).unwrap())
    }

    const WIDE: Bounds = Bounds { least_s: 90, most_s: 86_400 };

    /// What our 2xx says to a request with these fields.
    #[track_caller]
    fn answered(fields: &str, policy: SessionTimer, expected: &str) {
        let agreed = said(fields).settle(policy, WIDE);
        let text = agreed.map(|agreed| String::from_utf8(agreed.of_response()).unwrap());
        assert_eq!(text.unwrap_or_default(), expected, "{fields} {policy:?}");
    }

    #[test]
    fn what_a_request_gets() {
        use SessionTimer::{Answer, Ask, Force, Never};
        let (speaks, asks) = ("Supported: timer\n", "Supported: timer\nSession-Expires: 1800\n");
        for policy in [Never, Answer, Ask(600)] {
            answered("", policy, "");
        }
        answered("", Force(600), "600;refresher=uas");
        answered(speaks, Never, "");
        answered(speaks, Answer, "");
        answered(speaks, Ask(600), "600;refresher=uac");
        answered(speaks, Force(600), "600;refresher=uac");
        answered(asks, Never, "");
        answered(asks, Answer, "1800;refresher=uac");
        answered(asks, Ask(600), "600;refresher=uac");
        answered(asks, Ask(3_600), "1800;refresher=uac");
        let bounded = "k: timer\nx: 1800;refresher=uas\nMin-SE: 900\n";
        answered(bounded, Answer, "1800;refresher=uas");
        answered(bounded, Force(600), "900;refresher=uas");
        // A proxy asked; the peer itself knows nothing of it.
        answered("Session-Expires: 1800\n", Answer, "1800;refresher=uas");
        answered("Session-Expires: 60\n", Answer, "90;refresher=uas");
        answered("Min-SE: 7200\n", Force(600), "7200;refresher=uas");
    }

    #[test]
    fn no_session_is_longer_than_the_longest_unless_the_peer_takes_none_as_short() {
        let bounds = Bounds { least_s: 300, most_s: 900 };
        let seconds = |fields: &str, policy| {
            said(fields).settle(policy, bounds).map(|agreed| agreed.interval_s)
        };
        let asks = "Supported: timer\nSession-Expires: 1800\n";
        assert_eq!(seconds(asks, SessionTimer::Answer), Some(900));
        let no_less = format!("{asks}Min-SE: 1200\n");
        assert_eq!(seconds(&no_less, SessionTimer::Answer), Some(1_200));
        assert_eq!(seconds("", SessionTimer::Force(120)), Some(300));
        assert_eq!(seconds(asks, SessionTimer::Ask(600)), Some(600));
    }

    #[test]
    fn what_a_2xx_settles() {
        use SessionTimer::{Answer, Ask, Force, Never};
        let heed = |fields: &str, policy| said(fields).heed(policy, Some(600));
        let agreed = |interval_s, ours| Some(Agreed { interval_s, ours });
        assert_eq!(heed("Session-Expires: 600;refresher=uas\n", Ask(600)), agreed(600, false));
        assert_eq!(heed("Session-Expires: 300;refresher=uac\n", Answer), agreed(300, true));
        assert_eq!(heed("Session-Expires: 600;refresher=uac\n", Never), None);
        assert_eq!(heed("", Ask(600)), None);
        assert_eq!(heed("", Answer), None);
        assert_eq!(heed("", Force(600)), agreed(600, true));
    }

    #[test]
    fn only_who_speaks_timer_is_told_that_it_is_too_short() {
        assert!(said("Supported: timer\nSession-Expires: 89\n").is_too_short(90));
        assert!(!said("Supported: timer\nSession-Expires: 90\n").is_too_short(90));
        assert!(said("Supported: timer\nSession-Expires: 299\n").is_too_short(300));
        assert!(!said("Session-Expires: 30\n").is_too_short(90));
    }

    #[test]
    fn refreshed_at_half_and_ended_before_the_end() {
        let at = |seconds| plus_s(Tick(0), seconds);
        let ours = Timer::new(Agreed { interval_s: 1_800, ours: true }, at(0));
        assert_eq!(ours.deadline(), at(900));
        assert_eq!((ours.due(at(899)), ours.due(at(900))), (Due::Nothing, Due::Refresh));
        assert_eq!((ours.due(at(1_767)), ours.due(at(1_768))), (Due::Refresh, Due::End));
        let theirs = Timer::new(Agreed { interval_s: 90, ours: false }, at(0));
        // A third of 90 s is less than 32 s.
        assert_eq!((theirs.due(at(59)), theirs.due(at(60))), (Due::Nothing, Due::End));
        let mut out = ours;
        out.refreshing();
        assert_eq!(out.due(at(1_000)), Due::Nothing);
        out.put_off(Some(7), at(1_000));
        assert_eq!((out.due(at(1_006)), out.due(at(1_007))), (Due::Nothing, Due::Refresh));
    }
}
