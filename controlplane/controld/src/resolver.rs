//! Addresses of the host names that trunks and registrars are known by.
//!
//! Each name is looked up when it comes up and every minute after; one that has no address yet,
//! every few seconds. A lookup that fails leaves the last good addresses in force, is said once in
//! the log, and stays to be seen in REST and metrics until the next success. SRV and NAPTR records
//! (RFC 3263) are not read: a name means its A and AAAA records.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strowger_model::ResolverSettings;
use strowger_routing::Names;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

/// Lookups at once.
const LOOKUPS_MAX: usize = 16;

/// A lookup on its way.
pub(crate) type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows names.
pub(crate) trait Resolve: Send + 'static {
    /// The addresses of a name, in the order to try.
    fn lookup(&self, name: &str) -> Lookup;
}

/// The system's resolver.
pub(crate) struct System;

impl Resolve for System {
    fn lookup(&self, name: &str) -> Lookup {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|address| address.ip()) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            Ok(addresses)
        })
    }
}

/// How a name stands, for REST and metrics.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Standing {
    /// Addresses in force.
    pub(crate) addresses: Vec<IpAddr>,
    /// When they were last confirmed, microseconds since 1970; 0 = never.
    pub(crate) confirmed_us: i64,
    /// Why the last lookup failed; `None` when it did not.
    pub(crate) failure: Option<String>,
}

/// All names, shared with REST.
pub(crate) type Standings = Arc<Mutex<BTreeMap<String, Standing>>>;

/// What the resolver is connected to.
pub(crate) struct Wires {
    /// Names to be known.
    pub(crate) wanted: watch::Receiver<Vec<String>>,
    /// How often, and how long.
    pub(crate) settings: watch::Receiver<ResolverSettings>,
    /// Where their addresses go.
    pub(crate) names: watch::Sender<Arc<Names>>,
    /// For REST.
    pub(crate) standings: Standings,
    /// The wall clock, microseconds.
    pub(crate) wall_us: fn() -> i64,
}

/// Looks names up as long as anybody wants them.
pub(crate) async fn keep(resolver: impl Resolve, mut wires: Wires) {
    let mut due: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let wanted = wires.wanted.borrow_and_update().clone();
        let set = wires.settings.borrow_and_update().clone();
        let [again, retry, most] =
            [set.refresh_ms, set.retry_ms, set.timeout_ms].map(Duration::from_millis);
        // What waits by an older setting waits no longer than by this one.
        let latest = Instant::now() + again;
        due.values_mut().for_each(|at| *at = (*at).min(latest));
        wires.forget(&wanted, &mut due);
        let now = Instant::now();
        let ripe: Vec<String> = wanted
            .iter()
            .filter(|name| due.get(*name).is_none_or(|at| *at <= now))
            .cloned()
            .collect();
        for found in look_up(&resolver, ripe, most).await {
            let wait = if wires.take(&found) { again } else { retry };
            due.insert(found.name, Instant::now() + wait);
        }
        let next = due.values().min().copied().unwrap_or_else(|| Instant::now() + again);
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            changed = wires.wanted.changed() => if changed.is_err() { return },
            changed = wires.settings.changed() => if changed.is_err() { return },
        }
    }
}

struct Found {
    name: String,
    addresses: Result<Vec<IpAddr>, String>,
}

async fn look_up(resolver: &impl Resolve, names: Vec<String>, most: Duration) -> Vec<Found> {
    let mut found = Vec::with_capacity(names.len());
    for chunk in names.chunks(LOOKUPS_MAX) {
        let mut running = JoinSet::new();
        for name in chunk {
            let (name, lookup) = (name.clone(), resolver.lookup(name));
            running.spawn(async move {
                let addresses = match timeout(most, lookup).await {
                    Ok(Ok(addresses)) if addresses.is_empty() => Err("no address".to_owned()),
                    Ok(Ok(addresses)) => Ok(addresses),
                    Ok(Err(e)) => Err(e.to_string()),
                    Err(_) => Err("the name server does not answer".to_owned()),
                };
                Found { name, addresses }
            });
        }
        found.extend(running.join_all().await);
    }
    found
}

impl Wires {
    /// Forgets what nobody wants any more.
    fn forget(&self, wanted: &[String], due: &mut BTreeMap<String, Instant>) {
        due.retain(|name, _| wanted.contains(name));
        if let Ok(mut standings) = self.standings.lock() {
            standings.retain(|name, _| wanted.contains(name));
        }
        self.names.send_if_modified(|names| {
            let mut next = Names::clone(names);
            let changed = next.retain(|name| wanted.iter().any(|w| w == name));
            if changed {
                *names = Arc::new(next);
            }
            changed
        });
    }

    /// Takes what was found; whether the name has an address now.
    fn take(&self, found: &Found) -> bool {
        let Found { name, addresses } = found;
        let Ok(mut standings) = self.standings.lock() else { return false };
        let standing = standings.entry(name.clone()).or_default();
        match addresses {
            Ok(addresses) => {
                if standing.failure.take().is_some() {
                    info!(name, "the name has an address again");
                }
                standing.confirmed_us = (self.wall_us)();
                standing.addresses.clone_from(addresses);
                self.names.send_if_modified(|names| {
                    let mut next = Names::clone(names);
                    let changed = next.set(name, addresses);
                    if changed {
                        *names = Arc::new(next);
                    }
                    changed
                });
            }
            Err(why) => {
                if standing.failure.replace(why.clone()).is_none() {
                    let known = standing.addresses.len();
                    warn!(name, known, "the name cannot be resolved: {why}");
                }
            }
        }
        !standing.addresses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as the test says.
    #[derive(Clone, Default)]
    struct Fake {
        known: Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Resolve for Fake {
        fn lookup(&self, name: &str) -> Lookup {
            self.asked.lock().unwrap().push(name.to_owned());
            let known = self.known.lock().unwrap().get(name).cloned();
            Box::pin(async move { known.ok_or_else(|| io::Error::other("no such host")) })
        }
    }

    const AGAIN: Duration = Duration::from_secs(60);
    const RETRY: Duration = Duration::from_secs(5);

    struct Bench {
        fake: Fake,
        wanted: watch::Sender<Vec<String>>,
        settings: watch::Sender<ResolverSettings>,
        names: watch::Receiver<Arc<Names>>,
        standings: Standings,
    }

    impl Bench {
        fn start(wanted: &[&str]) -> Bench {
            let fake = Fake::default();
            let list = wanted.iter().map(ToString::to_string).collect();
            let (wanted, wanted_end) = watch::channel(list);
            let (names_end, names) = watch::channel(Arc::new(Names::default()));
            let (settings, settings_end) = watch::channel(ResolverSettings::default());
            let standings = Standings::default();
            let wires = Wires {
                wanted: wanted_end,
                settings: settings_end,
                names: names_end,
                standings: Arc::clone(&standings),
                wall_us: || 7,
            };
            tokio::spawn(keep(fake.clone(), wires));
            Bench { fake, wanted, settings, names, standings }
        }

        fn know(&self, name: &str, addresses: &[&str]) {
            let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
            self.fake.known.lock().unwrap().insert(name.to_owned(), addresses);
        }

        fn fails(&self, name: &str) {
            self.fake.known.lock().unwrap().remove(name);
        }

        fn of(&self, name: &str) -> Vec<String> {
            self.names.borrow().addresses(name).iter().map(ToString::to_string).collect()
        }

        fn failure(&self, name: &str) -> Option<String> {
            self.standings.lock().unwrap().get(name).unwrap().failure.clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_in_force_after_a_minute_and_a_failure_keeps_the_last_good() {
        let bench = Bench::start(&["a.example"]);
        bench.know("a.example", &["192.0.2.1", "192.0.2.2"]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.of("a.example"), ["192.0.2.1", "192.0.2.2"]);
        bench.know("a.example", &["192.0.2.3"]);
        tokio::time::sleep(Duration::from_secs(58)).await;
        assert_eq!(bench.of("a.example"), ["192.0.2.1", "192.0.2.2"], "believed for a minute");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(bench.of("a.example"), ["192.0.2.3"]);
        bench.fails("a.example");
        tokio::time::sleep(AGAIN).await;
        assert_eq!(bench.of("a.example"), ["192.0.2.3"], "kept");
        assert_eq!(bench.failure("a.example").as_deref(), Some("no such host"));
        bench.know("a.example", &["192.0.2.3"]);
        tokio::time::sleep(AGAIN).await;
        assert_eq!(bench.failure("a.example"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_without_an_address_is_asked_for_more_often() {
        let bench = Bench::start(&["a.example"]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.of("a.example"), Vec::<String>::new());
        bench.know("a.example", &["2001:db8::1"]);
        tokio::time::sleep(RETRY).await;
        assert_eq!(bench.of("a.example"), ["2001:db8::1"]);
        assert_eq!(bench.fake.asked.lock().unwrap().len(), 2);
    }

    /// How many look-ups there are in a minute.
    async fn lookups(bench: &Bench) -> usize {
        let asked = || bench.fake.asked.lock().unwrap().len();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let before = asked();
        tokio::time::sleep(Duration::from_secs(60)).await;
        asked() - before
    }

    #[tokio::test(start_paused = true)]
    async fn every_setting_of_the_resolver_changes_something() {
        let bench = Bench::start(&["a.example"]);
        let set = |change: fn(&mut ResolverSettings)| bench.settings.send_modify(change);
        assert_eq!(lookups(&bench).await, 12, "without an address, each 5 s");
        set(|s| s.retry_ms = 20_000);
        assert_eq!(lookups(&bench).await, 3, "retry_ms");
        bench.know("a.example", &["192.0.2.1"]);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(lookups(&bench).await, 1);
        set(|s| s.refresh_ms = 10_000);
        assert_eq!(lookups(&bench).await, 6, "refresh_ms");
        // A look-up that takes longer than it may is none.
        let slow = async |most: u64| {
            let names = vec!["slow.example".to_owned()];
            let found = look_up(&Slow, names, Duration::from_millis(most)).await;
            found.into_iter().all(|found| found.addresses.is_ok())
        };
        assert!(slow(5_000).await);
        assert!(!slow(500).await, "timeout_ms");
    }

    /// Needs a second.
    struct Slow;

    impl Resolve for Slow {
        fn lookup(&self, _: &str) -> Lookup {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(vec!["192.0.2.9".parse().unwrap()])
            })
        }
    }

    /// The other settings that the control plane's housekeeping reads are in `books.rs`.
    #[test]
    fn every_setting_of_the_control_plane_has_a_test() {
        use strowger_model::{SETTINGS, Setting, SettingReader};
        let own = SETTINGS.iter().filter(|s| s.reader == SettingReader::Control);
        let paths: Vec<String> = own.map(Setting::path).collect();
        let tested =
            ["resolver.refresh_ms", "resolver.retry_ms", "resolver.timeout_ms", "books.audit_hour"];
        assert_eq!(paths, tested);
    }

    /// Every key that a name of the source went to is one of the configuration file.
    #[test]
    fn keys_that_the_source_went_to_exist() {
        let keys = strowger_model::source_names().filter_map(|entry| match entry.target.parts() {
            Some(("key", key)) => Some((entry.name, key)),
            Some(_) | None => None,
        });
        let mut seen = 0;
        for (name, key) in keys {
            let said = strowger_tuning::Config::parse(&format!("{key} = {{}}")).unwrap_err();
            assert!(!said.to_string().contains("unknown field"), "{name}: {key}: {said}");
            seen += 1;
        }
        assert!(seen > 5, "{seen}");
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_come_and_go() {
        let bench = Bench::start(&["a.example"]);
        bench.know("a.example", &["192.0.2.1"]);
        bench.know("b.example", &["192.0.2.2"]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.wanted.send(vec!["b.example".to_owned()]).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.of("b.example"), ["192.0.2.2"]);
        assert_eq!(bench.of("a.example"), Vec::<String>::new());
        assert_eq!(bench.standings.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_system_knows_this_host() {
        let found = System.lookup("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
    }
}
