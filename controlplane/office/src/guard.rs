//! Who offends too often is banned: counted by source, and told as a ban to be made.
//!
//! A source is an IPv4 address or an IPv6 /64, which one host can use freely. Offences of each kind
//! are counted within a window that begins with the first; when there are as many as the settings
//! allow, a ban is told, once, and counting begins anew. Who has shown right credentials since has
//! nothing to answer for.
//!
//! Wrong credentials are counted by address and port as well: behind a NAT where others are
//! registered, the one who guesses is banned by its port alone. Bans of hosts are counted by their
//! network (IPv4 /24, IPv6 /48), so that a range from which many offend is banned as a whole.
//!
//! It never decides alone: [`Office`](crate::Office) leaves out the addresses of trusted trunks and
//! of living registrations before it tells anybody of a ban. Bounded: the source that has been
//! quiet for longest goes first.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use strowger_model::GuardSettings;

/// Most counts at once, of all sources and kinds.
pub const OFFENDERS_MAX: usize = 8_192;

/// What a source did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Offence {
    /// It showed wrong credentials.
    WrongCredentials,
    /// It was asked for credentials and showed none.
    Unproven,
    /// What it sent cannot be read.
    Malformed,
    /// Its program is on the list of scanners.
    Scanner,
    /// It called a number that nobody is called at.
    Lured,
    /// It sends more than is taken of a stranger.
    Flooding,
    /// Hosts of it were banned, one after the other: what a range does.
    Neighbours,
}

impl Offence {
    /// All of them.
    pub const ALL: [Offence; 7] = [
        Offence::WrongCredentials,
        Offence::Unproven,
        Offence::Malformed,
        Offence::Scanner,
        Offence::Lured,
        Offence::Flooding,
        Offence::Neighbours,
    ];

    /// Why a ban was made, for people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Offence::WrongCredentials => "wrong credentials",
            Offence::Unproven => "requests without credentials",
            Offence::Malformed => "malformed messages",
            Offence::Scanner => "a scanner by its User-Agent",
            Offence::Lured => "called a number that nobody is called at",
            Offence::Flooding => "more messages than are taken of a stranger",
            Offence::Neighbours => "hosts of the network that were banned",
        }
    }

    /// So many within the window make a ban; 0 = never.
    const fn most(self, set: &GuardSettings) -> u32 {
        match self {
            Offence::WrongCredentials => set.wrong_credentials_max,
            Offence::Unproven => set.unproven_max,
            Offence::Malformed => set.malformed_max,
            Offence::Scanner => set.scanner_max,
            Offence::Lured => set.lured_max,
            Offence::Flooding => set.flood_max,
            Offence::Neighbours => set.range_bans_max,
        }
    }
}

/// A ban to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewBan {
    /// Network.
    pub network: IpAddr,
    /// Bits of it that count.
    pub prefix_len: u8,
    /// Only this port of it; 0 = all.
    pub port: u16,
    /// Why.
    pub offence: Offence,
    /// How often it did that.
    pub count: u32,
    /// When, microseconds since 1970 UTC.
    pub from_us: i64,
    /// When it ends.
    pub until_us: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Count {
    began_us: i64,
    last_us: i64,
    count: u32,
}

/// Whose offences are counted together: a network, or one port of an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    network: IpAddr,
    prefix_len: u8,
    /// 0 = all.
    port: u16,
}

impl Place {
    fn of_host(source: IpAddr) -> Place {
        let (network, prefix_len) = network_of(source);
        Place { network, prefix_len, port: 0 }
    }

    fn of_port(source: SocketAddr) -> Place {
        let network = source.ip().to_canonical();
        let prefix_len = if network.is_ipv4() { 32 } else { 128 };
        Place { network, prefix_len, port: source.port() }
    }

    fn of_range(host: IpAddr) -> Place {
        let (network, prefix_len) = match host.to_canonical() {
            IpAddr::V4(ip) => (IpAddr::V4((ip.to_bits() >> 8 << 8).into()), 24),
            IpAddr::V6(ip) => (IpAddr::V6((ip.to_bits() >> 80 << 80).into()), 48),
        };
        Place { network, prefix_len, port: 0 }
    }
}

/// Offences by source and kind.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Guard {
    seen: BTreeMap<(Place, Offence), Count>,
    /// Hosts that are banned, and until when: one that goes on is no other one of its range.
    banned: BTreeMap<IpAddr, i64>,
}

impl Guard {
    /// A source did this so many times; the ban that it has earned by it.
    pub fn note(
        &mut self,
        source: IpAddr,
        offence: Offence,
        times: u32,
        now_us: i64,
        set: &GuardSettings,
    ) -> Option<NewBan> {
        let most = offence.most(set);
        self.count((Place::of_host(source), offence), (times, most), now_us, set)
    }

    /// A port of an address showed wrong credentials; the ban that the port has earned by it.
    pub fn note_port(
        &mut self,
        source: SocketAddr,
        now_us: i64,
        set: &GuardSettings,
    ) -> Option<NewBan> {
        if source.port() == 0 {
            return None;
        }
        let key = (Place::of_port(source), Offence::WrongCredentials);
        self.count(key, (1, set.wrong_credentials_port_max), now_us, set)
    }

    /// A host was banned; the ban that its range has earned by it.
    pub fn note_banned(
        &mut self,
        ban: &NewBan,
        now_us: i64,
        set: &GuardSettings,
    ) -> Option<NewBan> {
        // One port is not the host, and a range is no host.
        if ban.port != 0 || ban.offence == Offence::Neighbours {
            return None;
        }
        let offence = Offence::Neighbours;
        if offence.most(set) == 0 {
            return None;
        }
        self.banned.retain(|_, until_us| *until_us > now_us);
        let is_room = self.banned.len() < OFFENDERS_MAX;
        let is_known = self.banned.contains_key(&ban.network);
        if is_room || is_known {
            self.banned.insert(ban.network, ban.until_us);
        }
        if is_known {
            return None;
        }
        let range = Place::of_range(ban.network);
        self.count((range, offence), (1, offence.most(set)), now_us, set)
    }

    fn count(
        &mut self,
        key: (Place, Offence),
        (times, most): (u32, u32),
        now_us: i64,
        set: &GuardSettings,
    ) -> Option<NewBan> {
        let (Place { network, prefix_len, port }, offence) = key;
        if most == 0 || times == 0 || network.is_unspecified() {
            return None;
        }
        if self.seen.len() >= OFFENDERS_MAX && !self.seen.contains_key(&key) {
            self.forget_quietest();
        }
        let window_us = i64::try_from(set.window_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        let known =
            self.seen.entry(key).or_insert(Count { began_us: now_us, last_us: 0, count: 0 });
        if now_us.saturating_sub(known.began_us) > window_us {
            *known = Count { began_us: now_us, last_us: 0, count: 0 };
        }
        known.count = known.count.saturating_add(times);
        known.last_us = now_us;
        let count = known.count;
        if count < most {
            return None;
        }
        self.seen.remove(&key);
        let ban_us = i64::try_from(set.ban_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        let until_us = now_us.saturating_add(ban_us);
        Some(NewBan { network, prefix_len, port, offence, count, from_us: now_us, until_us })
    }

    /// A source has shown who it is: the host, and this port of it.
    pub fn forgive(&mut self, source: SocketAddr) {
        let host = Place::of_host(source.ip());
        for offence in Offence::ALL {
            self.seen.remove(&(host, offence));
        }
        self.seen.remove(&(Place::of_port(source), Offence::WrongCredentials));
    }

    /// Counts that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Nobody has offended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// A look at all of them, when a source beyond the bound comes: few of those that pass the
    /// dataplane's own limits are new.
    fn forget_quietest(&mut self) {
        let quietest = self.seen.iter().min_by_key(|(_, count)| count.last_us).map(|(key, _)| *key);
        quietest.map(|key| self.seen.remove(&key));
    }
}

/// The network that one host can use freely.
pub(crate) fn network_of(source: IpAddr) -> (IpAddr, u8) {
    match source.to_canonical() {
        IpAddr::V4(ip) => (IpAddr::V4(ip), 32),
        IpAddr::V6(ip) => (IpAddr::V6((ip.to_bits() >> 64 << 64).into()), 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn set() -> GuardSettings {
        GuardSettings {
            default_deny: false,
            window_ms: 60_000,
            ban_ms: 600_000,
            wrong_credentials_max: 3,
            unproven_max: 5,
            malformed_max: 4,
            scanner_max: 1,
            lured_max: 0,
            flood_max: 6,
            wrong_credentials_port_max: 2,
            range_bans_max: 3,
            ..GuardSettings::default()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn so_many_offences_within_the_window_make_a_ban() {
        let mut guard = Guard::default();
        let mut wrong = |from: &str, at: i64| {
            let ban = guard.note(ip(from), Offence::WrongCredentials, 1, at * SECOND, &set());
            ban.map(|ban| (ban.network.to_string(), ban.prefix_len, ban.count, ban.until_us))
        };
        assert_eq!(
            [wrong("192.0.2.1", 0), wrong("192.0.2.2", 1), wrong("192.0.2.1", 2)],
            [None, None, None]
        );
        let ban = Some(("192.0.2.1".to_owned(), 32, 3, 660 * SECOND));
        assert_eq!(wrong("::ffff:192.0.2.1", 60), ban, "the same host");
        assert_eq!(wrong("192.0.2.1", 61), None, "counting begins anew");
        // The window begins with the first.
        assert_eq!(wrong("192.0.2.2", 50), None);
        assert_eq!(wrong("192.0.2.2", 62), None, "the first is forgotten");
        // A host has a /64.
        assert_eq!(wrong("2001:db8::1", 0), None);
        assert_eq!(wrong("2001:db8::2:1", 0), None);
        let ban = Some(("2001:db8::".to_owned(), 64, 3, 600 * SECOND));
        assert_eq!(wrong("2001:db8::3:1", 0), ban);
    }

    #[test]
    fn each_kind_has_its_own_number() {
        for (offence, most) in [
            (Offence::WrongCredentials, 3),
            (Offence::Unproven, 5),
            (Offence::Malformed, 4),
            (Offence::Scanner, 1),
            (Offence::Flooding, 6),
        ] {
            let mut guard = Guard::default();
            for n in 1..most {
                assert_eq!(guard.note(ip("192.0.2.1"), offence, 1, 0, &set()), None, "{n}");
            }
            let ban = guard.note(ip("192.0.2.1"), offence, 1, 0, &set()).unwrap();
            assert_eq!((ban.offence, ban.count), (offence, most));
            assert!(guard.is_empty());
            // Many at once.
            assert!(guard.note(ip("192.0.2.1"), offence, 99, 0, &set()).is_some());
        }
        let mut guard = Guard::default();
        assert_eq!(guard.note(ip("192.0.2.1"), Offence::Lured, 9_999, 0, &set()), None, "never");
        assert_eq!(guard.note(ip("0.0.0.0"), Offence::Scanner, 9, 0, &set()), None, "nobody's");
    }

    #[test]
    fn who_shows_who_it_is_is_forgiven() {
        let mut guard = Guard::default();
        let from = ip("192.0.2.1");
        for _ in 0..2 {
            assert_eq!(guard.note(from, Offence::WrongCredentials, 2, 0, &set()), None);
            guard.forgive((from, 5060).into());
        }
        assert!(guard.is_empty());
    }

    #[test]
    fn who_guesses_behind_a_nat_is_banned_by_its_port() {
        let mut guard = Guard::default();
        let at = |port: u16| SocketAddr::new(ip("::ffff:192.0.2.1"), port);
        assert_eq!(guard.note_port(at(4_001), 0, &set()), None);
        assert_eq!(guard.note_port(at(4_002), 0, &set()), None);
        // Somebody else behind the same address shows who it is: the port has still to answer.
        guard.forgive(at(4_003));
        guard.forgive(at(4_002));
        let ban = guard.note_port(at(4_001), SECOND, &set()).unwrap();
        assert_eq!((ban.network, ban.prefix_len, ban.port), (ip("192.0.2.1"), 32, 4_001));
        assert_eq!(guard.note_port(at(4_002), SECOND, &set()), None, "forgiven, and begun anew");
        let six = SocketAddr::new(ip("2001:db8::1"), 7);
        assert_eq!(guard.note_port(six, 0, &set()), None);
        let ban = guard.note_port(six, 0, &set()).unwrap();
        assert_eq!((ban.prefix_len, ban.port), (128, 7));
        let never = GuardSettings { wrong_credentials_port_max: 0, ..set() };
        assert!((0..9).all(|_| guard.note_port(at(9), 0, &never).is_none()));
        assert!((0..9).all(|_| guard.note_port(at(0), 0, &set()).is_none()), "no port at all");
    }

    #[test]
    fn a_range_is_banned_when_its_hosts_are() {
        let mut guard = Guard::default();
        let banned = |network: &str, port, offence| NewBan {
            network: ip(network),
            prefix_len: 32,
            port,
            offence,
            count: 1,
            from_us: 0,
            until_us: 9 * SECOND,
        };
        let mut range = |network: &str, port, set: &GuardSettings| {
            let ban = guard.note_banned(&banned(network, port, Offence::Scanner), 0, set);
            ban.map(|ban| (ban.network.to_string(), ban.prefix_len, ban.offence, ban.count))
        };
        assert_eq!(range("192.0.2.1", 0, &set()), None);
        assert_eq!(range("192.0.3.2", 0, &set()), None, "another range");
        assert_eq!(range("192.0.2.7", 4_001, &set()), None, "a port is no host");
        assert_eq!(range("192.0.2.9", 0, &set()), None);
        assert_eq!(range("192.0.2.9", 0, &set()), None, "it goes on, and is one host");
        let ban = Some(("192.0.2.0".to_owned(), 24, Offence::Neighbours, 3));
        assert_eq!(range("192.0.2.200", 0, &set()), ban);
        let never = GuardSettings { range_bans_max: 0, ..set() };
        assert!((0..99).all(|_| range("198.51.100.1", 0, &never).is_none()));
        for n in 1..=3 {
            let ban = range(&format!("2001:db8:1:{n}::"), 0, &set());
            let expect = (n == 3).then(|| ("2001:db8:1::".into(), 48, Offence::Neighbours, 3));
            assert_eq!(ban, expect, "{n}");
        }
        let ranges = banned("192.0.2.0", 0, Offence::Neighbours);
        assert!((0..9).all(|_| guard.note_banned(&ranges, 0, &set()).is_none()));
    }

    #[test]
    fn a_flood_of_sources_takes_no_more_room() {
        let mut guard = Guard::default();
        for n in 0..=OFFENDERS_MAX as u32 {
            let from = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            assert_eq!(guard.note(from, Offence::Unproven, 1, i64::from(n), &set()), None);
        }
        assert_eq!(guard.len(), OFFENDERS_MAX);
        let first = (Place::of_host([10, 0, 0, 0].into()), Offence::Unproven);
        assert!(!guard.seen.contains_key(&first), "the quietest goes");
    }
}
