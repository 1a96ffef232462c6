//! Media and gauges that write down what they are asked and insist on their contract.

use crate::{Resources, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use strowger_leg::Body;
use strowger_link::{Cause, Gauge, LegId, MediaPolicy, MediaReport, Tick};

/// A description is the text of the one it came from, inside its role: `offer(a1)`.
#[derive(Default, Debug)]
pub struct Media {
    /// Lines for the transcript.
    pub lines: Vec<String>,
    /// Legs that cannot be described.
    pub deaf: BTreeSet<u8>,
    /// Gauges that are full.
    pub full: BTreeSet<u32>,
    /// How many have each gauge.
    pub in_use: BTreeMap<u32, u32>,
    /// Legs that hear each other.
    pub joined: BTreeSet<(LegId, LegId)>,
    released: BTreeSet<LegId>,
    /// The newest description from one leg to another.
    pub told: BTreeMap<(u8, u8), String>,
    said: BTreeMap<LegId, String>,
}

/// How a transcript names a leg.
#[must_use]
pub fn letter(leg: u8) -> char {
    char::from(b'a' + leg)
}

impl Media {
    /// Of the same world, with nothing open; what legs said stands in their images.
    #[must_use]
    pub fn after_restart(&self) -> Media {
        let (deaf, full, said) = (self.deaf.clone(), self.full.clone(), self.said.clone());
        Media { deaf, full, said, ..Media::default() }
    }

    fn alive(&self, leg: LegId) {
        assert!(!self.released.contains(&leg), "{leg:?} is used after its release");
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
        role: Role,
        body: &Body,
        _policy: (&MediaPolicy, &MediaPolicy),
    ) -> Result<Body, Cause> {
        self.alive(from);
        self.alive(to);
        assert_ne!(from, to);
        if self.deaf.contains(&from.leg) || self.deaf.contains(&to.leg) {
            return Err(Cause::from_sip(488));
        }
        let role = match role {
            Role::Offer => "offer",
            Role::Answer => "answer",
        };
        let text = String::from_utf8_lossy(&body.data);
        let told = format!("{role}({text})");
        self.told.insert((from.leg, to.leg), told.clone());
        self.said.insert(from, text.clone().into_owned());
        Ok(Body::sdp(told.into_bytes()))
    }

    fn compose(&mut self, to: LegId, _policy: &MediaPolicy) -> Result<Body, Cause> {
        self.alive(to);
        if self.deaf.contains(&to.leg) {
            return Err(Cause::new(0, 34));
        }
        Ok(Body::sdp(*b"ours"))
    }

    fn said(&self, leg: LegId) -> Option<Body> {
        self.alive(leg);
        let text = self.said.get(&leg)?;
        Some(Body::sdp(text.clone().into_bytes()))
    }

    fn join(&mut self, a: LegId, b: LegId) {
        self.alive(a);
        self.alive(b);
        let taken = |leg| self.joined.iter().any(|(x, y)| *x == leg || *y == leg);
        assert!(!taken(a) && !taken(b), "joined twice");
        self.joined.insert((a, b));
        self.lines.push(format!("join {} {}", letter(a.leg), letter(b.leg)));
    }

    fn answered(&mut self, a: LegId, b: LegId) {
        self.alive(a);
        self.alive(b);
        let joined = |leg| self.joined.iter().any(|(x, y)| *x == leg || *y == leg);
        // Across two calls each joins its own.
        assert!(!joined(b) || self.joined.contains(&(a, b)), "answered by another");
    }

    fn part(&mut self, a: LegId, b: LegId) {
        self.alive(a);
        self.alive(b);
        assert!(self.joined.remove(&(a, b)), "parted without being joined");
        self.lines.push(format!("part {} {}", letter(a.leg), letter(b.leg)));
    }

    fn release(&mut self, leg: LegId) -> Option<MediaReport> {
        assert!(self.released.insert(leg), "{leg:?} is released twice");
        assert!(self.joined.iter().all(|(a, b)| *a != leg && *b != leg), "still joined");
        None
    }

    fn take(&mut self, gauge: &Gauge, _now: Tick) -> bool {
        let unlimited = gauge.in_use_max == 0 && gauge.per_second_max == 0;
        let taken = unlimited || !self.full.contains(&gauge.id);
        if taken {
            *self.in_use.entry(gauge.id).or_default() += 1;
            self.lines.push(format!("take {}", gauge.id));
        }
        taken
    }

    fn retake(&mut self, id: u32) {
        *self.in_use.entry(id).or_insert(0) += 1;
    }

    fn give(&mut self, id: u32) {
        let count = self.in_use.get_mut(&id).expect("given back without being taken");
        *count = count.checked_sub(1).expect("given back twice");
        self.lines.push(format!("give {id}"));
    }
}
