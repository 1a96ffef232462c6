//! How late the control plane is, by its oldest ask that has no answer.

use std::collections::{BTreeMap, BTreeSet};
use strowger_link::{AskId, MS, Tick};

/// Most asks that are watched; those beyond it are asked and not watched.
const OPEN_MAX: usize = 131_072;

/// The asks of one lane.
#[derive(Debug)]
pub(crate) struct Backlog {
    bound_ns: u64,
    away_ns: u64,
    /// How long an ask is waited for.
    patience_ns: u64,
    open: BTreeMap<AskId, Tick>,
    by_age: BTreeSet<(Tick, AskId)>,
    /// When the oldest ask was sent that was given up since the last answer.
    lost: Option<Tick>,
    /// When the last probe was let through, while the control plane is too slow.
    probed: Option<Tick>,
    /// Until then it counts as just come back; [`Tick::NEVER`] while it is away.
    away_until: Tick,
}

/// Whether a new request may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// As ever.
    Ask,
    /// The control plane is too slow: this one finds out whether it still is.
    Probe,
    /// Not now.
    Wait,
}

impl Backlog {
    /// Bounds in milliseconds; asks are given up after `patience_ms`. The control plane is away.
    pub(crate) fn new(bound_ms: u32, away_ms: u32, patience_ms: u32) -> Backlog {
        let ns = |ms: u32| u64::from(ms) * MS;
        Backlog {
            bound_ns: ns(bound_ms),
            away_ns: ns(away_ms),
            patience_ns: ns(patience_ms),
            open: BTreeMap::new(),
            by_age: BTreeSet::new(),
            lost: None,
            probed: None,
            away_until: Tick::NEVER,
        }
    }

    /// An ask was sent, or sent again.
    pub(crate) fn sent(&mut self, ask: AskId, now: Tick) {
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&ask) {
            return;
        }
        if let Some(before) = self.open.insert(ask, now) {
            self.by_age.remove(&(before, ask));
        }
        self.by_age.insert((now, ask));
    }

    /// An ask found no room in the ring: nobody will answer it.
    pub(crate) fn unsent(&mut self, ask: AskId) {
        if let Some(sent) = self.open.remove(&ask) {
            self.by_age.remove(&(sent, ask));
        }
    }

    /// An answer came. Asks go one behind the other, so whatever is older was seen and dropped.
    pub(crate) fn answered(&mut self, ask: AskId) {
        let Some(sent) = self.open.remove(&ask) else { return };
        self.by_age.remove(&(sent, ask));
        if self.probed.is_some_and(|probed| sent >= probed) {
            while let Some(&(at, older)) = self.by_age.first().filter(|(at, _)| *at < sent) {
                self.by_age.remove(&(at, older));
                self.open.remove(&older);
            }
        }
        (self.lost, self.probed) = (None, None);
    }

    /// The control plane is gone: what waits, waits since now at the latest.
    pub(crate) fn away(&mut self, now: Tick) {
        self.away_until = Tick::NEVER;
        self.lost = Some(self.lost.map_or(now, |lost| lost.min(now)));
    }

    /// It has greeted, and is asked again what it has not answered.
    pub(crate) fn back(&mut self, now: Tick) {
        self.away_until = now.plus_ns(self.away_ns);
        self.open.clear();
        self.by_age.clear();
        (self.lost, self.probed) = (None, None);
    }

    /// Whether a new request may ask now.
    pub(crate) fn turn(&mut self, now: Tick) -> Turn {
        let bound_ns = if now < self.away_until { self.away_ns } else { self.bound_ns };
        if self.age_ns(now) <= bound_ns {
            self.probed = None;
            return Turn::Ask;
        }
        if self.probed.is_some_and(|at| now.ns_since(at) < bound_ns) {
            return Turn::Wait;
        }
        self.probed = Some(now);
        Turn::Probe
    }

    /// Asks that have no answer yet.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Age of the oldest ask without an answer, those included that were given up since.
    fn age_ns(&mut self, now: Tick) -> u64 {
        while let Some(&(sent, ask)) = self.by_age.first()
            && now.ns_since(sent) >= self.patience_ns
        {
            self.by_age.remove(&(sent, ask));
            self.open.remove(&ask);
            self.lost = Some(self.lost.map_or(sent, |lost| lost.min(sent)));
        }
        let oldest = self.by_age.first().map(|(sent, _)| *sent);
        let since = match (self.lost, oldest) {
            (Some(lost), Some(oldest)) => lost.min(oldest),
            (lost, oldest) => lost.or(oldest).unwrap_or(now),
        };
        now.ns_since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Tick {
        Tick(1_000_000 * MS + ms * MS)
    }

    fn backlog() -> Backlog {
        let mut backlog = Backlog::new(500, 3_000, 3_000);
        backlog.back(at(0));
        backlog
    }

    #[test]
    fn a_slow_control_plane_is_probed_one_ask_at_a_time() {
        let mut backlog = backlog();
        backlog.sent(AskId(1), at(5_000));
        backlog.sent(AskId(2), at(5_100));
        assert_eq!(backlog.turn(at(5_500)), Turn::Ask);
        assert_eq!(backlog.turn(at(5_501)), Turn::Probe);
        backlog.sent(AskId(3), at(5_501));
        assert_eq!(backlog.turn(at(5_502)), Turn::Wait);
        assert_eq!(backlog.turn(at(6_000)), Turn::Wait);
        // The probe has no answer either.
        assert_eq!(backlog.turn(at(6_001)), Turn::Probe);
        backlog.sent(AskId(4), at(6_001));
        assert_eq!((backlog.turn(at(6_002)), backlog.open()), (Turn::Wait, 4));
        // An answer to what is older still: the oldest ask counts.
        backlog.answered(AskId(1));
        assert_eq!(backlog.turn(at(6_003)), Turn::Probe);
        backlog.sent(AskId(5), at(6_003));
        // The probe's answer: what was asked before it will have none.
        backlog.answered(AskId(5));
        assert_eq!((backlog.turn(at(6_004)), backlog.open()), (Turn::Ask, 0));
    }

    #[test]
    fn who_never_answers_stays_slow() {
        let mut backlog = backlog();
        backlog.sent(AskId(1), at(5_000));
        assert_eq!(backlog.turn(at(8_500)), Turn::Probe);
        assert_eq!(backlog.open(), 0);
        assert_eq!(backlog.turn(at(8_999)), Turn::Wait);
        assert_eq!(backlog.turn(at(60_000)), Turn::Probe);
        backlog.sent(AskId(2), at(60_000));
        backlog.answered(AskId(1));
        assert_eq!(backlog.turn(at(60_001)), Turn::Wait);
        backlog.answered(AskId(2));
        assert_eq!(backlog.turn(at(60_002)), Turn::Ask);
    }

    #[test]
    fn a_restart_has_more_time() {
        let mut backlog = backlog();
        backlog.sent(AskId(1), at(5_000));
        backlog.away(at(5_100));
        assert_eq!(backlog.turn(at(7_900)), Turn::Ask);
        assert_eq!(backlog.turn(at(8_001)), Turn::Probe);
        backlog.back(at(8_100));
        assert_eq!(backlog.turn(at(8_101)), Turn::Ask);
        backlog.sent(AskId(1), at(8_101));
        assert_eq!(backlog.turn(at(11_000)), Turn::Ask);
        assert_eq!(backlog.turn(at(11_101)), Turn::Probe);
    }
}
