//! How long a connection may take for what, and what it is waiting for.

use crate::fault::Fault;
use strowger_link::Tick;

/// How long a peer may take, in milliseconds; 0 = without end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// TLS handshake and upgrade to WebSocket, from the connection on.
    pub opening_ms: u32,
    /// The first whole message or ping of a peer that connected to us, from the opening on.
    pub first_ms: u32,
    /// A message, from its first byte on; every keep-alive between two bytes counts for nothing.
    pub message_ms: u32,
    /// Nothing either way.
    pub idle_ms: u32,
    /// No byte taken of what we have to send.
    pub stall_ms: u32,
    /// The answer to [`crate::Pipe::ping`]. RFC 5626 4.4.1 gives ten seconds.
    pub pong_ms: u32,
    /// The peer's part of an orderly end, and the sending of our last words.
    pub close_ms: u32,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            opening_ms: 10_000,
            first_ms: 20_000,
            message_ms: 10_000,
            idle_ms: 3_900_000,
            stall_ms: 20_000,
            pong_ms: 10_000,
            close_ms: 3_000,
        }
    }
}

/// Since when what is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Patience {
    times: Times,
    /// Since when the connection is getting ready; None = it is.
    opening: Option<Tick>,
    /// Since when nothing whole has come of a peer that connected to us.
    first: Option<Tick>,
    /// Since when a part of a message is here.
    part: Option<Tick>,
    /// Since when the peer has taken none of what waits to be sent.
    stalled: Option<Tick>,
    /// Since when our ping is not answered.
    ping: Option<Tick>,
    /// Since when we are closing.
    closing: Option<Tick>,
    /// When something went either way last.
    active: Tick,
}

impl Patience {
    /// For a connection made at `now` that has to be got ready first, if `opens`.
    pub(crate) fn new(times: Times, now: Tick, opens: bool) -> Patience {
        Patience {
            times,
            opening: opens.then_some(now),
            first: None,
            part: None,
            stalled: None,
            ping: None,
            closing: None,
            active: now,
        }
    }

    pub(crate) fn opened(&mut self) {
        self.opening = None;
    }

    /// The peer has to say something now.
    pub(crate) fn await_first(&mut self, now: Tick) {
        self.first = Some(now);
    }

    pub(crate) fn received(&mut self, now: Tick) {
        self.active = self.active.max(now);
    }

    /// When something went either way last.
    pub(crate) fn active(&self) -> Tick {
        self.active
    }

    /// A message, ping or pong is whole.
    pub(crate) fn whole(&mut self) {
        self.first = None;
        self.part = None;
    }

    /// All that came was looked at; whether a part of a message was left.
    pub(crate) fn drained(&mut self, part: bool) {
        self.part = part.then(|| self.part.unwrap_or(self.active));
    }

    /// Something waits to be sent.
    pub(crate) fn queued(&mut self, now: Tick) {
        self.stalled = self.stalled.or(Some(now));
    }

    /// Some of it has gone, and whether all.
    pub(crate) fn sent(&mut self, now: Tick, all: bool) {
        self.active = self.active.max(now);
        self.stalled = (!all).then_some(now);
    }

    pub(crate) fn pinged(&mut self, now: Tick) {
        self.ping = self.ping.or(Some(now));
    }

    /// Whether a pong was awaited.
    pub(crate) fn pong(&mut self) -> bool {
        self.ping.take().is_some()
    }

    pub(crate) fn closing(&mut self, now: Tick) {
        self.closing = self.closing.or(Some(now));
    }

    /// What runs out first, and when.
    pub(crate) fn deadline(&self) -> Option<(Tick, Fault)> {
        let times = &self.times;
        let due = |since: Option<Tick>, ms: u32, fault| {
            since.filter(|_| ms > 0).map(|since| (since.plus_ms(u64::from(ms)), fault))
        };
        if self.closing.is_some() {
            return due(self.closing, times.close_ms.max(1), Fault::Closed);
        }
        let all = [
            due(self.opening, times.opening_ms, Fault::OpeningLate),
            due(self.first, times.first_ms, Fault::FirstLate),
            due(self.part, times.message_ms, Fault::MessageLate),
            due(self.stalled, times.stall_ms, Fault::Stalled),
            due(self.ping, times.pong_ms, Fault::PongMissing),
            due(Some(self.active), times.idle_ms, Fault::Idle),
        ];
        all.into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        opening_ms: 1,
        first_ms: 2,
        message_ms: 3,
        idle_ms: 400,
        stall_ms: 5,
        pong_ms: 6,
        close_ms: 7,
    };

    fn at(ms: u64) -> Tick {
        Tick(0).plus_ms(ms)
    }

    fn check(patience: &Patience, ms: u64, fault: Fault) {
        assert_eq!(patience.deadline(), Some((at(ms), fault)));
    }

    #[test]
    fn each_wait_has_its_end() {
        let mut patience = Patience::new(TIMES, at(100), true);
        check(&patience, 101, Fault::OpeningLate);
        patience.opened();
        check(&patience, 500, Fault::Idle);
        patience.await_first(at(100));
        check(&patience, 102, Fault::FirstLate);
        patience.received(at(200));
        patience.whole();
        check(&patience, 600, Fault::Idle);
        patience.drained(true);
        check(&patience, 203, Fault::MessageLate);
        patience.received(at(202));
        patience.drained(true);
        check(&patience, 203, Fault::MessageLate);
        patience.whole();
        patience.drained(true);
        check(&patience, 205, Fault::MessageLate);
        patience.drained(false);
        patience.queued(at(300));
        patience.queued(at(301));
        check(&patience, 305, Fault::Stalled);
        patience.sent(at(303), false);
        check(&patience, 308, Fault::Stalled);
        patience.sent(at(303), true);
        patience.pinged(at(310));
        patience.pinged(at(312));
        check(&patience, 316, Fault::PongMissing);
        assert!(patience.pong() && !patience.pong());
        check(&patience, 703, Fault::Idle);
        patience.closing(at(400));
        check(&patience, 407, Fault::Closed);
    }

    #[test]
    fn zero_is_without_end_but_for_the_closing() {
        let times = Times {
            opening_ms: 0,
            first_ms: 0,
            message_ms: 0,
            idle_ms: 0,
            stall_ms: 0,
            pong_ms: 0,
            close_ms: 0,
        };
        let mut patience = Patience::new(times, at(0), true);
        patience.await_first(at(0));
        patience.drained(true);
        patience.queued(at(0));
        patience.pinged(at(0));
        assert_eq!(patience.deadline(), None);
        patience.closing(at(0));
        check(&patience, 1, Fault::Closed);
    }
}
