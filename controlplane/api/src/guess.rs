//! Guessed passwords: each login and each source may fail a few times, then it waits, each time
//! longer.
//!
//! An attempt counts as failed when it begins and is taken back when it succeeds, so that attempts
//! that come together are not all judged before one of them has failed. Names that nobody has are
//! counted like others. Both tables are bounded: a new entry displaces the one that failed longest
//! ago. Waits end, so that a stranger can slow a login down but not shut it.

use crate::limiter::source_key;
use crate::limits::LOGINS_MAX;
use std::collections::BTreeMap;
use std::net::IpAddr;
use strowger_model::LoginSettings;

/// The failures of logins and of sources.
#[derive(Default)]
pub(crate) struct Guesses {
    logins: Table<String>,
    sources: Table<u128>,
}

impl Guesses {
    /// An attempt begins.
    ///
    /// # Errors
    /// Seconds to wait; then the attempt does not count.
    pub(crate) fn begin(
        &mut self,
        login: &str,
        from: IpAddr,
        now_ms: u64,
        set: &LoginSettings,
    ) -> Result<(), u64> {
        let source = source_key(from);
        let waits = [
            self.logins.wait_ms(&login.to_owned(), set.failures_free, now_ms, set),
            self.sources.wait_ms(&source, set.source_failures_free, now_ms, set),
        ];
        let wait_ms = waits.into_iter().max().unwrap_or(0);
        if wait_ms > 0 {
            return Err(wait_ms.div_ceil(1000));
        }
        self.logins.failed(login.to_owned(), now_ms, set.memory_ms);
        self.sources.failed(source, now_ms, set.memory_ms);
        Ok(())
    }

    /// The attempt was right: the login begins anew, the source gets this one back.
    pub(crate) fn succeeded(&mut self, login: &str, from: IpAddr) {
        self.logins.0.remove(login);
        if let Some(entry) = self.sources.0.get_mut(&source_key(from)) {
            entry.failures = entry.failures.saturating_sub(1);
        }
    }
}

#[derive(Clone, Copy)]
struct Entry {
    failures: u32,
    last_ms: u64,
}

struct Table<K>(BTreeMap<K, Entry>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Table(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Table<K> {
    /// How long to wait, milliseconds; 0 is not at all.
    fn wait_ms(&self, key: &K, free: u32, now_ms: u64, set: &LoginSettings) -> u64 {
        let Some(entry) = self.0.get(key) else { return 0 };
        let over = entry.failures.saturating_sub(free);
        if over == 0 && entry.failures < free {
            return 0;
        }
        let wait_ms = set.wait_ms.saturating_mul(1u64.checked_shl(over).unwrap_or(u64::MAX));
        let until_ms = entry.last_ms.saturating_add(wait_ms.min(set.wait_ms_max));
        until_ms.saturating_sub(now_ms)
    }

    fn failed(&mut self, key: K, now_ms: u64, memory_ms: u64) {
        if self.0.len() >= LOGINS_MAX && !self.0.contains_key(&key) {
            self.make_room(now_ms, memory_ms);
        }
        let new = Entry { failures: 0, last_ms: now_ms };
        let entry = self.0.entry(key).or_insert(new);
        if now_ms.saturating_sub(entry.last_ms) >= memory_ms {
            *entry = new;
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last_ms = now_ms;
    }

    fn make_room(&mut self, now_ms: u64, memory_ms: u64) {
        self.0.retain(|_, entry| now_ms.saturating_sub(entry.last_ms) < memory_ms);
        if self.0.len() < LOGINS_MAX {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, entry)| entry.last_ms);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.0.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn begin(guesses: &mut Guesses, login: &str, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        guesses.begin(login, from, now_ms, &LoginSettings::default())
    }

    fn from(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(n))
    }

    #[test]
    fn a_login_waits_longer_with_each_failure() {
        let mut guesses = Guesses::default();
        let mut now_ms = 0;
        for n in 0..LoginSettings::default().failures_free {
            assert_eq!(begin(&mut guesses, "ada", from(n), now_ms), Ok(()), "{n}");
        }
        for wait_s in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            assert_eq!(begin(&mut guesses, "ada", from(99), now_ms), Err(wait_s));
            assert_eq!(begin(&mut guesses, "ada", from(98), now_ms + wait_s * 1000 - 1), Err(1));
            now_ms += wait_s * 1000;
            assert_eq!(begin(&mut guesses, "ada", from(97), now_ms), Ok(()));
        }
        // Others do not wait; an hour forgets.
        assert_eq!(begin(&mut guesses, "bob", from(96), now_ms), Ok(()));
        now_ms += LoginSettings::default().memory_ms;
        assert_eq!(begin(&mut guesses, "ada", from(95), now_ms), Ok(()));
        assert_eq!(begin(&mut guesses, "ada", from(95), now_ms), Ok(()));
    }

    #[test]
    fn a_source_waits_whatever_names_it_tries() {
        let mut guesses = Guesses::default();
        for n in 0..LoginSettings::default().source_failures_free {
            assert_eq!(begin(&mut guesses, &format!("u{n}"), from(1), 0), Ok(()), "{n}");
        }
        assert_eq!(begin(&mut guesses, "another", from(1), 0), Err(1));
        assert_eq!(begin(&mut guesses, "another", from(2), 0), Ok(()));
    }

    #[test]
    fn a_right_one_begins_anew() {
        let mut guesses = Guesses::default();
        for _ in 0..1000 {
            assert_eq!(begin(&mut guesses, "ada", from(1), 0), Ok(()));
            guesses.succeeded("ada", from(1));
        }
    }

    /// How long failures are remembered: nobody waits for that over REST.
    #[test]
    fn failures_are_forgotten_after_the_time_that_is_set() {
        let waits = |memory_ms: u64| {
            let set = LoginSettings { memory_ms, failures_free: 2, ..LoginSettings::default() };
            let mut guesses = Guesses::default();
            for n in 0..2 {
                guesses.begin("ada", from(n), 0, &set).unwrap();
            }
            // The one that comes later is the first again, or one too many.
            guesses.begin("ada", from(8), 100_000, &set).unwrap();
            guesses.begin("ada", from(9), 100_000, &set).is_err()
        };
        assert!(waits(3_600_000));
        assert!(!waits(60_000));
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut guesses = Guesses::default();
        for n in 0..=u32::try_from(LOGINS_MAX).unwrap() {
            begin(&mut guesses, &format!("u{n}"), from(n), n.into()).unwrap();
        }
        assert_eq!((guesses.logins.0.len(), guesses.sources.0.len()), (LOGINS_MAX, LOGINS_MAX));
        assert!(!guesses.logins.0.contains_key("u0"));
    }
}
