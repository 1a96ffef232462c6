//! The network between hosts: datagrams with latency, jitter, loss in bursts, duplicates.
//!
//! Loss is Gilbert and Elliott's: each direction between two hosts is good or bad, loses little or
//! much, and changes from datagram to datagram. Reordering comes from jitter.

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use strowger_link::{MS, Tick};

/// A datagram under way.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// When it was sent.
    pub sent_at: Tick,
    /// Source.
    pub from: SocketAddr,
    /// Destination.
    pub to: SocketAddr,
    /// Payload.
    pub data: Vec<u8>,
}

/// How good a network is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quality {
    /// Least time on the way, milliseconds.
    pub latency_ms: u64,
    /// Most that chance adds, milliseconds.
    pub jitter_ms: u64,
    /// Loss in the good state, parts of a million.
    pub loss_ppm: u32,
    /// Loss in the bad state.
    pub loss_bad_ppm: u32,
    /// Chance that a good direction becomes bad, at each datagram.
    pub to_bad_ppm: u32,
    /// Chance that a bad direction becomes good, at each datagram.
    pub to_good_ppm: u32,
    /// Chance that a datagram arrives twice.
    pub twice_ppm: u32,
}

impl Quality {
    /// Nothing is lost, nothing overtakes.
    pub const PERFECT: Quality = Quality {
        latency_ms: 5,
        jitter_ms: 0,
        loss_ppm: 0,
        loss_bad_ppm: 0,
        to_bad_ppm: 0,
        to_good_ppm: 1_000_000,
        twice_ppm: 0,
    };

    /// Hardly anything arrives.
    pub const DEAD: Quality = Quality { loss_ppm: 900_000, ..Quality::PERFECT };

    /// Of any kind, up to a fifth lost.
    pub fn drawn(dice: &mut Dice) -> Quality {
        Quality {
            latency_ms: dice.between(1, 40),
            jitter_ms: if dice.percent(50) { dice.between(0, 120) } else { 0 },
            loss_ppm: if dice.percent(60) { dice.between(0, 50_000) as u32 } else { 0 },
            loss_bad_ppm: dice.between(100_000, 600_000) as u32,
            to_bad_ppm: if dice.percent(40) { dice.between(0, 60_000) as u32 } else { 0 },
            to_good_ppm: dice.between(100_000, 500_000) as u32,
            twice_ppm: if dice.percent(40) { dice.between(0, 80_000) as u32 } else { 0 },
        }
    }
}

/// All directions.
#[derive(Debug)]
pub struct Network {
    dice: Dice,
    quality: Quality,
    bad: BTreeMap<(IpAddr, IpAddr), bool>,
    /// Datagrams lost so far.
    pub lost: u64,
}

impl Network {
    /// A network of this quality.
    #[must_use]
    pub fn new(dice: Dice, quality: Quality) -> Network {
        Network { dice, quality, bad: BTreeMap::new(), lost: 0 }
    }

    /// Another quality from now on.
    pub fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
        self.bad.clear();
    }

    /// When a datagram sent at `now` arrives: never, once or twice.
    pub fn send(&mut self, from: IpAddr, to: IpAddr, now: Tick) -> Vec<Tick> {
        let q = self.quality;
        let bad = self.bad.entry((from, to)).or_insert(false);
        let turn = if *bad { q.to_good_ppm } else { q.to_bad_ppm };
        *bad ^= self.dice.ppm(turn);
        let loss = if *bad { q.loss_bad_ppm } else { q.loss_ppm };
        if self.dice.ppm(loss) {
            self.lost += 1;
            return Vec::new();
        }
        let copies = if self.dice.ppm(q.twice_ppm) { 2 } else { 1 };
        let mut way = || {
            let jitter_ns = self.dice.below(q.jitter_ms * MS + 1);
            now.plus_ns(q.latency_ms * MS + jitter_ns)
        };
        (0..copies).map(|_| way()).collect()
    }
}
