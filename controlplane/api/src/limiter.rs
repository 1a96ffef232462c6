//! Failed tokens of each source in the present minute.
//!
//! A source that failed too often is refused without a look at its token, so that nobody can guess
//! on. Sources are IPv4 addresses and IPv6 networks of 64 bits. The table is bounded: a new source
//! displaces the one that began longest ago. Requests that arrive together are judged before any of
//! them has failed, so up to [`CONNECTIONS_MAX`](crate::CONNECTIONS_MAX) more guesses pass.

use crate::limits::SOURCES_MAX;
use std::collections::BTreeMap;
use std::net::IpAddr;

const MINUTE_MS: u64 = 60_000;

#[derive(Default)]
pub(crate) struct Limiter {
    sources: BTreeMap<u128, Minute>,
}

#[derive(Clone, Copy)]
struct Minute {
    start_ms: u64,
    failures: u32,
}

impl Minute {
    fn is_over(self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.start_ms) >= MINUTE_MS
    }
}

/// A source as it is counted: an IPv4 address, or an IPv6 network of 64 bits.
pub(crate) fn source_key(source: IpAddr) -> u128 {
    match source.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits() >> 64 << 64,
    }
}

impl Limiter {
    /// Seconds that `source` has to wait; `None` when it may try.
    pub(crate) fn wait_s(&self, source: IpAddr, now_ms: u64, failures_max: u32) -> Option<u64> {
        let minute = self.sources.get(&source_key(source))?;
        if minute.is_over(now_ms) || minute.failures < failures_max {
            return None;
        }
        let end_ms = minute.start_ms.saturating_add(MINUTE_MS);
        Some(end_ms.saturating_sub(now_ms).div_ceil(1000))
    }

    /// `source` showed a wrong token. `true` when this was the last one it may show.
    pub(crate) fn failed(&mut self, source: IpAddr, now_ms: u64, failures_max: u32) -> bool {
        let key = source_key(source);
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&key) {
            self.make_room(now_ms);
        }
        let new = Minute { start_ms: now_ms, failures: 0 };
        let minute = self.sources.entry(key).or_insert(new);
        if minute.is_over(now_ms) {
            *minute = new;
        }
        minute.failures = minute.failures.saturating_add(1);
        minute.failures == failures_max
    }

    fn make_room(&mut self, now_ms: u64) {
        self.sources.retain(|_, minute| !minute.is_over(now_ms));
        if self.sources.len() < SOURCES_MAX {
            return;
        }
        let oldest = self.sources.iter().min_by_key(|(_, minute)| minute.start_ms);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.sources.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const MAX: u32 = 20;

    fn exhaust(limiter: &mut Limiter, source: IpAddr, now_ms: u64) {
        for n in 1..=MAX {
            assert_eq!(limiter.wait_s(source, now_ms, MAX), None, "{n}");
            assert_eq!(limiter.failed(source, now_ms, MAX), n == MAX, "{n}");
        }
    }

    #[test]
    fn a_source_waits_until_its_minute_is_over() {
        let mut limiter = Limiter::default();
        let source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        exhaust(&mut limiter, source, 1000);
        assert_eq!(limiter.wait_s(source, 1000, MAX), Some(60));
        assert_eq!(limiter.wait_s(source, 60_999, MAX), Some(1));
        assert_eq!(limiter.wait_s(source, 61_000, MAX), None);
        exhaust(&mut limiter, source, 61_000);
    }

    #[test]
    fn sources_are_apart_and_networks_are_one() {
        let mut limiter = Limiter::default();
        let v6 = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        exhaust(&mut limiter, v6(1), 0);
        assert!(limiter.wait_s(v6(2), 0, MAX).is_some());
        let mapped = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        exhaust(&mut limiter, mapped, 0);
        assert!(limiter.wait_s(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 0, MAX).is_some());
        assert!(limiter.wait_s(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 0, MAX).is_none());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut limiter = Limiter::default();
        let source = |n: usize| IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap()));
        for n in 0..=SOURCES_MAX {
            limiter.failed(source(n), u64::try_from(n).unwrap(), MAX);
        }
        assert_eq!(limiter.sources.len(), SOURCES_MAX);
        assert!(!limiter.sources.contains_key(&source_key(source(0))));
        limiter.failed(source(SOURCES_MAX + 1), 1_000_000, MAX);
        assert_eq!(limiter.sources.len(), 1);
    }
}
