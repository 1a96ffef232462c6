//! Who offends too often is banned: counted by source, and told as a ban to be made.
//!
//! A source is an IPv4 address or an IPv6 /64, which one host can use freely. Offences of each kind
//! are counted within a window that begins with the first; when there are as many as the settings
//! allow, a ban is told, once, and counting begins anew. Who has shown right credentials since has
//! nothing to answer for.
//!
//! It never decides alone: [`Office`](crate::Office) leaves out the addresses of trusted trunks and
//! of living registrations before it tells anybody of a ban. Bounded: the source that has been
//! quiet for longest goes first.

use std::collections::BTreeMap;
use std::net::IpAddr;
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
}

impl Offence {
    /// All of them.
    pub const ALL: [Offence; 5] = [
        Offence::WrongCredentials,
        Offence::Unproven,
        Offence::Malformed,
        Offence::Scanner,
        Offence::Lured,
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

/// Offences by source and kind.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Guard {
    seen: BTreeMap<(IpAddr, Offence), Count>,
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
        if most == 0 || times == 0 || source.is_unspecified() {
            return None;
        }
        let (network, prefix_len) = network_of(source);
        let key = (network, offence);
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
        Some(NewBan { network, prefix_len, offence, count, from_us: now_us, until_us })
    }

    /// A source has shown who it is.
    pub fn forgive(&mut self, source: IpAddr) {
        let (network, _) = network_of(source);
        for offence in Offence::ALL {
            self.seen.remove(&(network, offence));
        }
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
            guard.forgive(from);
        }
        assert!(guard.is_empty());
    }

    #[test]
    fn a_flood_of_sources_takes_no_more_room() {
        let mut guard = Guard::default();
        for n in 0..=OFFENDERS_MAX as u32 {
            let from = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            assert_eq!(guard.note(from, Offence::Unproven, 1, i64::from(n), &set()), None);
        }
        assert_eq!(guard.len(), OFFENDERS_MAX);
        let first = (IpAddr::from([10, 0, 0, 0]), Offence::Unproven);
        assert!(!guard.seen.contains_key(&first), "the quietest goes");
    }
}
