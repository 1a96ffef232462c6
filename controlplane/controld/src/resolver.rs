//! Where the host names lead that trunks and registrars are known by, by RFC 3263.
//!
//! Each name is looked up when it comes up, and again when the shortest of its records' times is
//! over, within a floor and a ceiling; one that has no address yet, every few seconds. A lookup
//! that fails leaves the last good addresses in force, is said once in the log, and stays to be
//! seen in REST and metrics until the next success. Which records are asked for, and what they
//! mean, is `strowger_locate`'s to say; who asks a name server is a [`Resolve`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strowger_link::Transport;
use strowger_locate::{Answers, Place, Question, ROUNDS_MAX, Records, Step, Wanted, locate};
use strowger_model::ResolverSettings;
use strowger_routing::{NamedHost, Names};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

/// Names that are looked up at once.
const LOOKUPS_MAX: usize = 16;

/// What a name server says: records, none among them, and how long they are good, seconds.
pub(crate) type Said = Result<(Records, u32), String>;

/// A question on its way.
pub(crate) type Lookup = Pin<Box<dyn Future<Output = Said> + Send>>;

/// Who knows names.
pub(crate) trait Resolve: Clone + Send + Sync + 'static {
    /// The records that a name server has to a question.
    fn ask(&self, question: &Question) -> Lookup;
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
    pub(crate) wanted: watch::Receiver<Vec<NamedHost>>,
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
    let mut due: BTreeMap<NamedHost, Instant> = BTreeMap::new();
    loop {
        let wanted = wires.wanted.borrow_and_update().clone();
        let set = wires.settings.borrow_and_update().clone();
        // What waits by an older setting waits no longer than by this one.
        let latest = Instant::now() + Duration::from_millis(set.refresh_ms);
        due.values_mut().for_each(|at| *at = (*at).min(latest));
        due.retain(|host, _| wanted.contains(host));
        wires.forget(&wanted);
        let now = Instant::now();
        let ripe: Vec<NamedHost> = wanted
            .iter()
            .filter(|host| due.get(*host).is_none_or(|at| *at <= now))
            .cloned()
            .collect();
        for (host, found) in look_up(&resolver, ripe, Duration::from_millis(set.timeout_ms)).await {
            let is_known = wires.take(&host.name, &found);
            due.insert(host, Instant::now() + wait(&set, &found, is_known));
        }
        let next = due.values().min().copied();
        let next = next.unwrap_or_else(|| Instant::now() + Duration::from_millis(set.refresh_ms));
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            changed = wires.wanted.changed() => if changed.is_err() { return },
            changed = wires.settings.changed() => if changed.is_err() { return },
        }
    }
}

/// How long nobody is asked again: as long as the records are good, within bounds.
fn wait(set: &ResolverSettings, found: &Result<Found, Failure>, is_known: bool) -> Duration {
    let ceiling = set.refresh_ms;
    let within = |ttl_s: u32, floor: u64| (u64::from(ttl_s) * 1_000).max(floor).min(ceiling);
    Duration::from_millis(match found {
        Ok(found) => within(found.ttl_s, set.refresh_ms_min),
        Err(_) if is_known => ceiling,
        // That there is nothing is good for some time, too (RFC 2308).
        Err(Failure { ttl_s: Some(ttl_s), .. }) => within(*ttl_s, set.retry_ms),
        Err(Failure { ttl_s: None, .. }) => set.retry_ms,
    })
}

/// What was found for a name.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Found {
    /// Its own addresses, if they were asked for.
    addresses: Option<Vec<IpAddr>>,
    /// Places by SRV records for each transport that was asked for; none = it has no such records.
    services: Vec<(Transport, Vec<Place>)>,
    ttl_s: u32,
}

/// Why nothing was found.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Failure {
    why: String,
    /// There is nothing, and that is good for so long, seconds.
    ttl_s: Option<u32>,
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure { why, ttl_s: None }
    }
}

async fn look_up(
    resolver: &impl Resolve,
    hosts: Vec<NamedHost>,
    most: Duration,
) -> Vec<(NamedHost, Result<Found, Failure>)> {
    let mut found = Vec::with_capacity(hosts.len());
    for chunk in hosts.chunks(LOOKUPS_MAX) {
        let mut running = JoinSet::new();
        for host in chunk {
            let (resolver, host) = (resolver.clone(), host.clone());
            running.spawn(async move {
                let one = match timeout(most, one(&resolver, &host)).await {
                    Ok(one) => one,
                    Err(_) => Err("the name server does not answer".to_owned().into()),
                };
                (host, one)
            });
        }
        found.extend(running.join_all().await);
    }
    found
}

/// All that is to be known of a name.
async fn one(resolver: &impl Resolve, host: &NamedHost) -> Result<Found, Failure> {
    let mut found = Found { ttl_s: u32::MAX, ..Found::default() };
    for transport in &host.services {
        let wanted = Wanted {
            host: host.name.clone(),
            port: 0,
            transport: Some(*transport),
            is_secure: false,
        };
        let located = ask_all(resolver, &wanted).await?;
        found.ttl_s = found.ttl_s.min(located.ttl_s());
        if located.is_service() {
            found.services.push((*transport, located.places().to_vec()));
        } else {
            found.services.push((*transport, Vec::new()));
            let own = located.draw(0).into_iter().map(|(_, address)| address.ip());
            found.addresses = Some(own.collect());
        }
    }
    if found.addresses.is_none() && host.addresses {
        let (records, ttl_s) = resolver.ask(&Question::Address(host.name.clone())).await?;
        found.ttl_s = found.ttl_s.min(ttl_s);
        found.addresses = match records {
            Records::Address(addresses) => Some(addresses),
            Records::Naptr(_) | Records::Srv(_) => None,
        };
    }
    let has_place = found.services.iter().any(|(_, places)| !places.is_empty());
    match has_place || found.addresses.as_ref().is_some_and(|own| !own.is_empty()) {
        true => Ok(found),
        false => Err(Failure { why: "no address".to_owned(), ttl_s: Some(found.ttl_s) }),
    }
}

/// Where requests to a host go.
pub(crate) async fn located(
    resolver: &impl Resolve,
    wanted: &Wanted,
) -> Result<strowger_locate::Located, String> {
    ask_all(resolver, wanted).await.map_err(|failure| failure.why)
}

/// Asks until all is known of where requests go.
async fn ask_all(
    resolver: &impl Resolve,
    wanted: &Wanted,
) -> Result<strowger_locate::Located, Failure> {
    const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];
    let mut answers = Answers::default();
    for _ in 0..=ROUNDS_MAX {
        let questions = match locate(wanted, &ALL, &answers) {
            Step::Found(located) => return Ok(located),
            Step::Ask(questions) => questions,
        };
        for question in questions {
            let (records, ttl_s) = resolver.ask(&question).await?;
            answers.put(question, records, ttl_s);
        }
    }
    Err("the name server answers what nobody asked".to_owned().into())
}

impl Wires {
    /// Forgets what nobody wants any more.
    fn forget(&self, wanted: &[NamedHost]) {
        let is_wanted = |name: &str| wanted.iter().any(|host| host.name == name);
        if let Ok(mut standings) = self.standings.lock() {
            standings.retain(|name, _| is_wanted(name));
        }
        self.change(|names| names.retain(is_wanted));
    }

    /// Changes the names in force; who reads them hears of it if `change` says that it did.
    fn change(&self, change: impl FnOnce(&mut Names) -> bool) {
        self.names.send_if_modified(|names| {
            let mut next = Names::clone(names);
            let changed = change(&mut next);
            if changed {
                *names = Arc::new(next);
            }
            changed
        });
    }

    /// Takes what was found; whether the name has an address now.
    fn take(&self, name: &str, found: &Result<Found, Failure>) -> bool {
        let Ok(mut standings) = self.standings.lock() else { return false };
        let standing = standings.entry(name.to_owned()).or_default();
        match found {
            Ok(found) => {
                if standing.failure.take().is_some() {
                    info!(name, "the name has an address again");
                }
                standing.confirmed_us = (self.wall_us)();
                self.change(|names| {
                    let mut changed = names.set(name, found.addresses.as_deref().unwrap_or(&[]));
                    for (transport, places) in &found.services {
                        changed |= names.set_service(name, *transport, places.clone());
                    }
                    changed
                });
                standing.addresses = self.names.borrow().addresses(name);
            }
            Err(Failure { why, .. }) => {
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
        known: Arc<Mutex<BTreeMap<Question, (Records, u32)>>>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Resolve for Fake {
        fn ask(&self, question: &Question) -> Lookup {
            let known = self.known.lock().unwrap().get(question).cloned();
            let said = match question {
                Question::Address(name) => {
                    self.asked.lock().unwrap().push(name.clone());
                    known.ok_or_else(|| "no such host".to_owned())
                }
                Question::Srv(_) => Ok(known.unwrap_or((Records::Srv(Vec::new()), 3_600))),
                Question::Naptr(_) => Err("a transport is named".to_owned()),
            };
            Box::pin(async move { said })
        }
    }

    /// A name without a port, called over UDP.
    fn target(name: &str) -> NamedHost {
        NamedHost { name: name.into(), services: vec![Transport::Udp], addresses: false }
    }

    const AGAIN: Duration = Duration::from_secs(60);
    const RETRY: Duration = Duration::from_secs(5);

    struct Bench {
        fake: Fake,
        wanted: watch::Sender<Vec<NamedHost>>,
        settings: watch::Sender<ResolverSettings>,
        names: watch::Receiver<Arc<Names>>,
        standings: Standings,
    }

    impl Bench {
        fn start(wanted: &[&str]) -> Bench {
            let fake = Fake::default();
            let list = wanted.iter().map(|name| target(name)).collect();
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
            self.know_for(name, addresses, 3_600);
        }

        fn know_for(&self, name: &str, addresses: &[&str], ttl_s: u32) {
            let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
            let (question, records) = (Question::Address(name.into()), Records::Address(addresses));
            self.fake.known.lock().unwrap().insert(question, (records, ttl_s));
        }

        fn know_service(&self, name: &str, servers: &[(u16, u16, &str)]) {
            let record = |(priority, port, target): &(u16, u16, &str)| strowger_locate::Srv {
                priority: *priority,
                weight: 0,
                port: *port,
                target: (*target).into(),
            };
            let records = Records::Srv(servers.iter().map(record).collect());
            let question = Question::Srv(format!("_sip._udp.{name}"));
            self.fake.known.lock().unwrap().insert(question, (records, 3_600));
        }

        fn fails(&self, name: &str) {
            self.fake.known.lock().unwrap().remove(&Question::Address(name.into()));
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
        bench.know_for("a.example", &["192.0.2.1"], 1);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(lookups(&bench).await, 12, "records that are good for a second, each 5 s");
        set(|s| s.refresh_ms_min = 2_000);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(lookups(&bench).await, 30, "refresh_ms_min");
        // A look-up that takes longer than it may is none.
        let slow = async |most: u64| {
            let hosts = vec![target("slow.example")];
            let found = look_up(&Slow, hosts, Duration::from_millis(most)).await;
            found.into_iter().all(|(_, found)| found.is_ok())
        };
        assert!(slow(5_000).await);
        assert!(!slow(500).await, "timeout_ms");
    }

    /// Needs a second, half of it for each answer.
    #[derive(Clone)]
    struct Slow;

    impl Resolve for Slow {
        fn ask(&self, question: &Question) -> Lookup {
            let records = match question {
                Question::Address(_) => Records::Address(vec!["192.0.2.9".parse().unwrap()]),
                Question::Srv(_) | Question::Naptr(_) => Records::Srv(Vec::new()),
            };
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                Ok((records, 60))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn servers_that_a_name_names_go_before_its_own_address() {
        let bench = Bench::start(&["a.example"]);
        bench.know("a.example", &["192.0.2.1"]);
        bench.know("b.example", &["192.0.2.8"]);
        bench.know("c.example", &["192.0.2.9"]);
        bench.know_service("a.example", &[(2, 5080, "c.example"), (1, 5070, "b.example")]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let host = strowger_model::HostPort { name: "a.example".into(), port: 0 };
        let to = || {
            let names = bench.names.borrow();
            let to = names.targets(&host, Transport::Udp, 0);
            to.iter().map(ToString::to_string).collect::<Vec<String>>()
        };
        assert_eq!(to(), ["192.0.2.8:5070", "192.0.2.9:5080"]);
        assert_eq!(bench.of("a.example"), ["192.0.2.8", "192.0.2.9"]);
        // The records go: the host itself is called again.
        bench.know_service("a.example", &[]);
        tokio::time::sleep(AGAIN).await;
        assert_eq!(to(), ["192.0.2.1:5060"]);
    }

    #[test]
    fn how_long_nothing_is_asked_again() {
        let set = ResolverSettings::default();
        let found = |ttl_s| Ok(Found { ttl_s, ..Found::default() });
        let failed = |ttl_s| Err(Failure { why: String::new(), ttl_s });
        for (found, is_known, expect_s) in [
            (found(30), true, 30),
            (found(0), true, 5),
            (found(u32::MAX), true, 60),
            (failed(None), false, 5),
            (failed(None), true, 60),
            (failed(Some(1)), false, 5),
            (failed(Some(20)), false, 20),
            (failed(Some(900)), false, 60),
        ] {
            assert_eq!(wait(&set, &found, is_known).as_secs(), expect_s, "{found:?} {is_known}");
        }
    }

    /// The other settings that the control plane's housekeeping reads are in `books.rs`.
    #[test]
    fn every_setting_of_the_control_plane_has_a_test() {
        use strowger_model::{SETTINGS, Setting, SettingReader};
        let own = SETTINGS.iter().filter(|s| s.reader == SettingReader::Control);
        let paths: Vec<String> = own.map(Setting::path).collect();
        let tested = ["refresh_ms", "refresh_ms_min", "retry_ms", "timeout_ms"]
            .map(|n| format!("resolver.{n}"));
        // Each number of offences is tested in the office, and what a ban is.
        let guard = [
            "default_deny",
            "window_ms",
            "ban_ms",
            "wrong_credentials_max",
            "unproven_max",
            "malformed_max",
            "scanner_max",
            "lured_max",
            "wrong_credentials_port_max",
            "flood_max",
            "range_bans_max",
            "caller_ban_ms",
            "fruitless_ms",
            "scan_max",
            "fruitless_max",
            "judged_calls",
            "judged_asr_percent_min",
            "judged_acd_ms_min",
            "target_failures_max",
            "target_asr_percent_min",
            "target_acd_ms_min",
            "wrong_max",
            "target_ban_ms",
        ];
        // What a tenant's accounts may spend together, and what is learnt: in the office and till.
        let limit = [
            "tenant_day_max",
            "tenant_month_max",
            "learnt_day_times",
            "learnt_day_min",
            "day_talk_ms_max",
            "month_talk_ms_max",
        ];
        let limit = limit.map(|name| format!("limit.{name}"));
        let guard = guard.map(|name| format!("guard.{name}"));
        // Each is tested where the books are kept.
        let books = ["audit_hour", "record_days", "record_files"];
        let books = books.map(|name| format!("books.{name}"));
        // These are tested where trunks are judged: `routing::Standing`.
        let route = [
            "failures_max",
            "asr_percent_min",
            "acd_ms_min",
            "calls_min",
            "retry_ms",
            "retry_ms_max",
        ];
        let route = route.map(|name| format!("route.{name}"));
        // How long a call waits for the outside: in the office.
        let fact = ["fact.wait_ms".to_owned()];
        let limit = limit.into_iter().chain(fact);
        let rest = tested.into_iter().chain(guard).chain(books);
        // What is kept beside records: in the office.
        let call = ["call.headers_kept".to_owned()];
        let tested: Vec<String> = call.into_iter().chain(route).chain(limit).chain(rest).collect();
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
        bench.wanted.send(vec![target("b.example")]).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.of("b.example"), ["192.0.2.2"]);
        assert_eq!(bench.of("a.example"), Vec::<String>::new());
        assert_eq!(bench.standings.lock().unwrap().len(), 1);
    }
}
