//! How much of one source is taken, for sources that are nobody's we know.

use super::Limits;
use std::net::IpAddr;
use strowger_link::siphash::siphash24;
use strowger_link::{Key, SECOND, Tick};

/// Sources that are told apart at once.
pub(super) const SOURCES_MAX: usize = 4_096;
/// Places in which a source can stand.
const WAYS: usize = 4;
const SETS: usize = SOURCES_MAX / WAYS;
const _: () = assert!(SETS.is_power_of_two() && SETS * WAYS == SOURCES_MAX);
/// A source may be ahead of its rate by what it may send in so long.
const BURST: u64 = 2 * SECOND;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Any datagram.
    Datagram,
    /// A request that begins something.
    Request,
    /// A challenge of ours.
    Challenge,
}

/// A source: when each of its allowances will be whole again (generic cell rate algorithm).
#[derive(Clone, Copy, Default, Debug)]
struct Source {
    /// Its hash; 0 = nobody.
    tag: u64,
    debts: [Tick; 3],
}

impl Source {
    fn debt(&self) -> Tick {
        self.debts.into_iter().fold(Tick(0), Tick::max)
    }
}

/// The table. See `LIFECYCLE.md`.
pub(super) struct Strangers {
    key: Key,
    sources: Box<[Source]>,
    /// Nanoseconds that one of each kind costs; 0 = no limit.
    costs: [u64; 3],
}

impl Strangers {
    pub(super) fn new(limits: &Limits, key: Key) -> Strangers {
        let cost = |per_second: u32| SECOND.checked_div(per_second.into()).unwrap_or(0);
        let costs = [
            cost(limits.stranger_datagrams),
            cost(limits.stranger_requests),
            cost(limits.stranger_challenges),
        ];
        Strangers { key, sources: vec![Source::default(); SOURCES_MAX].into(), costs }
    }

    /// Whether requests are counted at all.
    pub(super) fn asks(&self) -> bool {
        self.cost(Kind::Request) > 0
    }

    /// Takes one if the source has one left.
    pub(super) fn take(&mut self, source: IpAddr, kind: Kind, now: Tick) -> bool {
        let cost = self.cost(kind);
        if cost == 0 {
            return true;
        }
        let Some(source) = self.source(source) else { return true };
        let Some(debt) = source.debts.get_mut(kind as usize) else { return true };
        if debt.ns_since(now) > BURST - cost.min(BURST) {
            return false;
        }
        *debt = (*debt).max(now).plus_ns(cost);
        true
    }

    /// Whether it has one left.
    pub(super) fn has(&mut self, source: IpAddr, kind: Kind, now: Tick) -> bool {
        let cost = self.cost(kind);
        let debt = match cost {
            0 => None,
            _ => self.source(source).and_then(|source| source.debts.get(kind as usize).copied()),
        };
        debt.is_none_or(|debt| debt.ns_since(now) <= BURST - cost.min(BURST))
    }

    fn cost(&self, kind: Kind) -> u64 {
        self.costs.get(kind as usize).copied().unwrap_or(0)
    }

    /// The place of a source: its own, an empty one, or that of the one of its set that owes least,
    /// with its debts: nobody gains by pushing itself or another out.
    fn source(&mut self, source: IpAddr) -> Option<&mut Source> {
        let tag = siphash24(&self.key, &whose(source)).max(1);
        let set = usize::try_from(tag).unwrap_or(0) & (SETS - 1);
        let places = self.sources.get_mut(set * WAYS..(set + 1) * WAYS)?;
        let known = places.iter().position(|place| place.tag == tag);
        let at = known.or_else(|| {
            let owes = |(_, place): &(usize, &Source)| (place.tag != 0, place.debt());
            places.iter().enumerate().min_by_key(owes).map(|(at, _)| at)
        })?;
        let place = places.get_mut(at)?;
        place.tag = tag;
        Some(place)
    }
}

/// The addresses that are one source: of IPv6 a network, because a host has all of a /64.
fn whose(source: IpAddr) -> [u8; 16] {
    match source.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => (ip.to_bits() >> 64 << 64).to_be_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(50 * SECOND);

    fn strangers(per_second: u32) -> Strangers {
        let limits = Limits {
            stranger_datagrams: per_second,
            stranger_requests: 10,
            stranger_challenges: 0,
            ..Limits::default()
        };
        Strangers::new(&limits, Key([3; 16]))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `count` in a second pass.
    fn pass(strangers: &mut Strangers, from: IpAddr, count: u64, at: Tick) -> u64 {
        let times = (0..count).map(|n| at.plus_ns(n * SECOND / count));
        times.filter(|now| strangers.take(from, Kind::Datagram, *now)).count() as u64
    }

    #[test]
    fn a_rate_holds_after_a_burst() {
        let mut strangers = strangers(100);
        let from = ip("192.0.2.1");
        let first = pass(&mut strangers, from, 10_000, NOW);
        assert!((299..=301).contains(&first), "{first}");
        let second = pass(&mut strangers, from, 10_000, NOW.plus_ms(1_000));
        assert!((99..=101).contains(&second), "{second}");
        // Slower than the rate: all.
        let later = NOW.plus_ms(10_000);
        assert_eq!(pass(&mut strangers, from, 90, later), 90);
        // Kinds are counted apart, and one without a rate is not.
        assert!(strangers.has(from, Kind::Request, NOW) && strangers.asks());
        assert!((0..1_000).all(|_| strangers.take(from, Kind::Challenge, NOW)));
        assert_eq!((0..99).filter(|_| strangers.take(from, Kind::Request, later)).count(), 20);
        assert!(!strangers.has(from, Kind::Request, later));
    }

    #[test]
    fn a_host_of_ipv6_is_its_network() {
        let mut strangers = strangers(100);
        let (one, same) = (ip("2001:db8:1:2::1"), ip("2001:db8:1:2:ffff::9"));
        assert!(pass(&mut strangers, one, 1_000, NOW) < 400);
        assert!(!strangers.take(same, Kind::Datagram, NOW.plus_ms(999)));
        assert!(strangers.take(ip("2001:db8:1:3::1"), Kind::Datagram, NOW));
        assert!(strangers.take(ip("::ffff:192.0.2.1"), Kind::Datagram, NOW));
        assert_eq!(whose(ip("::ffff:192.0.2.1")), whose(ip("192.0.2.1")));
    }

    /// A million made-up addresses within a second get no more than the table's allowances, and
    /// the flooder that hides among them nothing anew.
    #[test]
    fn made_up_addresses_share_the_allowances_of_the_table() {
        let mut strangers = strangers(100);
        let flooder = ip("192.0.2.1");
        let (mut passed, mut of_flooder) = (0u64, 0);
        for n in 0u32..1_000_000 {
            let now = NOW.plus_ns(u64::from(n) * 1_000);
            passed += u64::from(strangers.take(n.to_be_bytes().into(), Kind::Datagram, now));
            if n % 100 == 0 {
                of_flooder += u64::from(strangers.take(flooder, Kind::Datagram, now));
            }
        }
        // Burst and one second of 4,096 sources.
        let most = SOURCES_MAX as u64 * (100 * 3 + 1);
        assert!(passed <= most && of_flooder <= 400, "{passed} of {most}, {of_flooder}");
    }

    #[test]
    fn the_table_has_its_size() {
        assert_eq!(size_of::<Source>() * SOURCES_MAX, 128 * 1_024);
    }
}
