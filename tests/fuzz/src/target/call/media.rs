//! Media and gauges that insist on their contract.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use strowger_call::{Resources, Role};
use strowger_leg::Body;
use strowger_link::{Cause, Gauge, LegId, MediaPolicy, MediaReport, Tick};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// Legs that cannot be described, by their numbers.
    pub(super) deaf: BTreeSet<u8>,
    /// Gauges that are full.
    pub(super) full: BTreeSet<u32>,
    in_use: BTreeMap<u32, u32>,
    joined: BTreeSet<(LegId, LegId)>,
    released: BTreeSet<LegId>,
    /// Legs that have described themselves.
    said: BTreeSet<LegId>,
}

impl Media {
    /// Of the same world with nothing open; what legs said stands in their images.
    pub(super) fn after_restart(&self) -> Media {
        let (deaf, full, said) = (self.deaf.clone(), self.full.clone(), self.said.clone());
        Media { deaf, full, said, ..Media::default() }
    }

    /// Nothing is open any more.
    pub(super) fn settled(&self) {
        assert!(self.joined.is_empty(), "media stays joined: {:?}", self.joined);
        assert!(self.in_use.values().all(|n| *n == 0), "gauges leak: {:?}", self.in_use);
    }

    fn alive(&self, leg: LegId) {
        assert!(!self.released.contains(&leg), "{leg:?} is used after its release");
    }

    fn is_deaf(&self, leg: LegId) -> bool {
        self.deaf.contains(&leg.leg)
    }
}

impl Resources for Media {
    fn begin(&mut self, leg: LegId, _listener: u8, _party: SocketAddr) {
        self.alive(leg);
    }

    fn describe(
        &mut self,
        from: LegId,
        to: LegId,
        _role: Role,
        body: &Body,
        _policy: (&MediaPolicy, &MediaPolicy),
    ) -> Result<Body, Cause> {
        self.alive(from);
        self.alive(to);
        assert_ne!(from, to, "described to itself");
        if self.is_deaf(from) || self.is_deaf(to) {
            return Err(Cause::from_sip(488));
        }
        self.said.insert(from);
        Ok(body.clone())
    }

    fn compose(&mut self, to: LegId, _policy: &MediaPolicy) -> Result<Body, Cause> {
        self.alive(to);
        if self.is_deaf(to) { Err(Cause::new(0, 34)) } else { Ok(Body::sdp(*b"ours")) }
    }

    fn said(&self, leg: LegId) -> Option<Body> {
        self.alive(leg);
        self.said.contains(&leg).then(|| Body::sdp(*b"said"))
    }

    fn join(&mut self, a: LegId, b: LegId) {
        self.alive(a);
        self.alive(b);
        let is_taken = |leg| self.joined.iter().any(|(x, y)| *x == leg || *y == leg);
        assert!(!is_taken(a) && !is_taken(b), "joined twice: {a:?} {b:?}");
        self.joined.insert((a, b));
    }

    fn answered(&mut self, a: LegId, b: LegId) {
        self.alive(a);
        self.alive(b);
    }

    fn part(&mut self, a: LegId, b: LegId) {
        self.alive(a);
        self.alive(b);
        assert!(self.joined.remove(&(a, b)), "parted without being joined: {a:?} {b:?}");
    }

    fn release(&mut self, leg: LegId) -> Option<MediaReport> {
        assert!(self.released.insert(leg), "{leg:?} is released twice");
        assert!(self.joined.iter().all(|(a, b)| *a != leg && *b != leg), "still joined: {leg:?}");
        None
    }

    fn take(&mut self, gauge: &Gauge, _now: Tick) -> bool {
        let is_unlimited = gauge.in_use_max == 0 && gauge.per_second_max == 0;
        let taken = is_unlimited || !self.full.contains(&gauge.id);
        *self.in_use.entry(gauge.id).or_default() += u32::from(taken);
        taken
    }

    fn retake(&mut self, id: u32) {
        *self.in_use.entry(id).or_default() += 1;
    }

    fn give(&mut self, id: u32) {
        let count = self.in_use.entry(id).or_default();
        assert!(*count > 0, "gauge {id} is given back without being taken");
        *count -= 1;
    }
}
