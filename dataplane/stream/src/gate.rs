//! How many connections are let in: of all, and of one source.
//!
//! A handshake costs the server more than the client, so who may begin one is decided before a byte
//! is read. Two buckets, refilled as time goes: one of all connections, one of each source (an
//! IPv4 address, an IPv6 network of 64 bits) in a table of fixed size. In a full row the source
//! that has been quiet longest is forgotten, so a flood of sources can make us forget, not refuse:
//! that is what the bucket of all is for.

use crate::limits::{GATE_ROWS, GATE_WAYS};
use std::net::IpAddr;
use strowger_link::siphash::siphash24;
use strowger_link::{Key, SECOND, Tick};

/// A rate, and how much of it may come at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Connections a second; 0 = no limit.
    pub per_s: u32,
    /// Connections at once, after a time of quiet; at least one.
    pub burst: u32,
}

/// What a gate lets in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GateLimits {
    /// Of all sources together.
    pub all: Rate,
    /// Of each source.
    pub source: Rate,
}

impl Default for GateLimits {
    /// What one thread signs, and a site behind one address after its power came back.
    fn default() -> GateLimits {
        let all = Rate { per_s: 1_000, burst: 2_000 };
        GateLimits { all, source: Rate { per_s: 20, burst: 200 } }
    }
}

/// What becomes of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Admit {
    /// It is let in.
    Yes,
    /// Its source connects too often.
    Source,
    /// Too many connect.
    All,
}

/// Fills with time, in nanoseconds: a connection costs what one takes at its rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// The time at which it was empty, or would be: full is when that is long ago.
    empty: Tick,
}

impl Bucket {
    const FULL: Bucket = Bucket { empty: Tick(0) };

    /// Takes one, if there is one.
    fn take(&mut self, rate: Rate, now: Tick) -> bool {
        if rate.per_s == 0 {
            return true;
        }
        let cost = SECOND / u64::from(rate.per_s);
        let most = cost.saturating_mul(u64::from(rate.burst.max(1)));
        let empty = self.empty.max(Tick(now.0.saturating_sub(most))).plus_ns(cost);
        // At the very begin of time there is no long ago.
        let fits = empty <= now || now.0 < most && empty.0 <= most;
        if fits {
            self.empty = empty;
        }
        fits
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    source: u64,
    used: Tick,
    bucket: Bucket,
}

/// Lets connections in.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    key: Key,
    all: Bucket,
    rows: Vec<[Option<Place>; GATE_WAYS]>,
}

impl Gate {
    /// `key` must be random: nobody can choose the row of another.
    #[must_use]
    pub fn new(limits: GateLimits, key: Key) -> Gate {
        Gate { limits, key, all: Bucket::FULL, rows: vec![[None; GATE_WAYS]; GATE_ROWS] }
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: GateLimits) {
        self.limits = limits;
    }

    /// Judges one connection. What its source may not costs the others nothing.
    pub fn admit(&mut self, source: IpAddr, now: Tick) -> Admit {
        let (rate, hash) = (self.limits.source, siphash24(&self.key, &site(source)));
        let index = usize::try_from(hash % GATE_ROWS as u64).unwrap_or(0);
        let Some(row) = self.rows.get_mut(index) else { return Admit::Yes };
        let place = place(row, hash, now);
        if !place.bucket.take(rate, now) {
            return Admit::Source;
        }
        if self.all.take(self.limits.all, now) { Admit::Yes } else { Admit::All }
    }
}

/// What counts as one source.
fn site(source: IpAddr) -> [u8; 8] {
    let mut site = [0; 8];
    match source.to_canonical() {
        IpAddr::V4(v4) => site.iter_mut().zip(v4.octets()).for_each(|(to, from)| *to = from),
        IpAddr::V6(v6) => site.iter_mut().zip(v6.octets()).for_each(|(to, from)| *to = from),
    }
    site
}

/// The place of a source in its row, made if it has none.
fn place(row: &mut [Option<Place>; GATE_WAYS], source: u64, now: Tick) -> &mut Place {
    let known = row.iter().position(|place| place.is_some_and(|place| place.source == source));
    let oldest = || row.iter().enumerate().min_by_key(|(_, place)| place.map(|place| place.used));
    let at = known.or_else(|| oldest().map(|(at, _)| at)).unwrap_or(0);
    let fresh = Place { source, used: now, bucket: Bucket::FULL };
    let slot = &mut row[at % GATE_WAYS];
    if known.is_none() {
        *slot = None;
    }
    let place = slot.get_or_insert(fresh);
    place.used = now;
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GateLimits =
        GateLimits { all: Rate { per_s: 100, burst: 10 }, source: Rate { per_s: 2, burst: 3 } };

    fn gate() -> Gate {
        Gate::new(LIMITS, Key([5; 16]))
    }

    fn at(ms: u64) -> Tick {
        Tick(1_000_000 * SECOND).plus_ms(ms)
    }

    fn v4(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let mut gate = gate();
        let asked: Vec<_> = [0, 0, 1, 1, 499, 500, 501, 999, 1_000, 9_000, 9_000, 9_000, 9_000]
            .map(|ms| gate.admit(v4(1), at(ms)) == Admit::Yes)
            .to_vec();
        let [y, n] = [true, false];
        assert_eq!(asked, [y, y, y, n, n, y, n, n, y, y, y, y, n]);
        assert_eq!(gate.admit(v4(2), at(9_000)), Admit::Yes, "another is not touched");
    }

    #[test]
    fn all_together_have_theirs_and_a_refused_source_takes_none_of_it() {
        let mut gate = gate();
        for _ in 0..100 {
            gate.admit(v4(1), at(0));
        }
        let all: Vec<_> = (2..12).map(|n| gate.admit(v4(n), at(0))).collect();
        assert_eq!(all[..7], [Admit::Yes; 7], "ten, less three of the first");
        assert_eq!(all[7..], [Admit::All; 3]);
        assert_eq!(gate.admit(v4(12), at(10)), Admit::Yes);
    }

    #[test]
    fn a_network_is_one_source_of_ipv6_and_mapped_addresses_are_ipv4() {
        let mut gate = gate();
        let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
        for host in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"] {
            assert_eq!(gate.admit(v6(host), at(0)), Admit::Yes);
        }
        assert_eq!(gate.admit(v6("2001:db8::4"), at(0)), Admit::Source);
        assert_eq!(gate.admit(v6("2001:db8:0:1::1"), at(0)), Admit::Yes);
        for n in 0..3 {
            assert_eq!(gate.admit(v4(1), at(n)), Admit::Yes);
        }
        assert_eq!(gate.admit(v6("::ffff:192.0.2.1"), at(3)), Admit::Source);
    }

    #[test]
    fn no_limit_is_no_limit_and_time_may_begin_at_zero() {
        let free = Rate { per_s: 0, burst: 0 };
        let mut gate = Gate::new(GateLimits { all: free, source: free }, Key([5; 16]));
        assert!((0..10_000).all(|_| gate.admit(v4(1), at(0)) == Admit::Yes));
        gate.set_limits(LIMITS);
        assert_eq!(gate.admit(v4(1), Tick(0)), Admit::Yes);
        let mut gate = Gate::new(LIMITS, Key([5; 16]));
        let young: Vec<_> = (0..4).map(|n| gate.admit(v4(1), Tick(n))).collect();
        assert_eq!(young, [Admit::Yes, Admit::Yes, Admit::Yes, Admit::Source]);
    }

    #[test]
    fn a_flood_of_sources_takes_no_memory() {
        let mut gate =
            Gate::new(GateLimits { all: Rate { per_s: 0, burst: 0 }, ..LIMITS }, Key([5; 16]));
        for n in 0..100_000u32 {
            assert_eq!(gate.admit(IpAddr::from(n.to_be_bytes()), at(0)), Admit::Yes);
        }
        assert_eq!(gate.rows.len(), GATE_ROWS);
    }
}
