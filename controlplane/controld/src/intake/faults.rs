//! The database fails in every way it can; the intake charges on, loses nothing, stores once.
//!
//! `scripts/test faults` runs them on both databases; without a server those of PostgreSQL say
//! loudly that they are skipped. `STROWGER_TEST_LONG=1` keeps the database away for ten minutes,
//! SQLite locked and PostgreSQL down.

use super::*;
use crate::decider::orders;
use crossbeam::channel::Receiver;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Instant;
use strowger_link::codec::encode;
use strowger_link::{
    AskId, Began, CallEnded, Cause, Direction, Fact, LegAnswered, LegEnded, LegOpened, MS, Octets,
    Pair, Party, PartyRef, Reason, RecordId, SlotRef, Tick, Transport,
};
use strowger_model::{AccountId, Currency, OrganizationId, Price, TenantId};
use strowger_port::eventfd::EventFd;
use strowger_port::journal_file::{Journal, JournalConfig, JournalHandle};
use strowger_port::net::JournalSink;
use strowger_store::Place;
use tokio::runtime::Runtime;

/// Longest wait for what must come.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How long the database is broken.
const BROKEN: Duration = Duration::from_secs(3);

/// The same where `STROWGER_TEST_LONG=1` makes ten minutes of it: once on each database, since one
/// test runs at a time.
fn broken_for_long() -> Duration {
    let long = std::env::var("STROWGER_TEST_LONG").is_ok();
    if long { Duration::from_secs(600) } else { BROKEN }
}

/// An intake at work between a journal and a database.
struct Rig {
    dir: PathBuf,
    url: String,
    server: Option<(String, String)>,
    runtime: Runtime,
    store: Store,
    journal: Option<Journal>,
    handle: JournalHandle,
    inbox: Receiver<Order>,
    end: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    calls: u64,
    /// How often each record was charged, and stored.
    charged: BTreeMap<i64, u32>,
    stored: BTreeMap<i64, u32>,
}

fn skip(name: &str, why: &str) {
    // Not by a macro: the harness would keep the line to itself.
    let line = format!("SKIPPED {name}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

impl Rig {
    fn sqlite(name: &str) -> Rig {
        let dir = std::env::temp_dir().join(format!("strowger-{name}-{}", std::process::id()));
        Rig::sqlite_in(name, &dir)
    }

    /// With the database in `dir`.
    fn sqlite_in(name: &str, dir: &Path) -> Rig {
        std::fs::create_dir_all(dir).unwrap();
        Rig::start(name, Place::File(dir.join("a.db")), format!("sqlite:{}/a.db", dir.display()))
    }

    /// On the test server, if there is one.
    fn postgres(name: &str) -> Option<Rig> {
        let Ok(server) = std::env::var("STROWGER_TEST_POSTGRES") else {
            skip(name, "STROWGER_TEST_POSTGRES names no server");
            return None;
        };
        let database = format!("{}_{}", name.replace('-', "_"), std::process::id());
        execute(&server, &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"));
        execute(&server, &format!("CREATE DATABASE {database}"));
        let url = format!("{server}&dbname={database}");
        let place = Place::parse(&url, Path::new(""), Path::new("")).unwrap();
        let mut rig = Rig::start(name, place, url);
        rig.server = Some((server, database));
        Some(rig)
    }

    fn start(name: &str, place: Place, url: String) -> Rig {
        // A failed test shows what the intake said.
        let _already = tracing_subscriber::fmt().with_test_writer().try_init();
        let dir = std::env::temp_dir().join(format!("strowger-{name}-j-{}", std::process::id()));
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let store = runtime.block_on(async {
            let store = Store::open_at(&place).await.unwrap();
            crate::demo::seed(&store, 1).await.unwrap();
            store
        });
        let config = JournalConfig::new(dir.clone(), 0, 1);
        std::fs::create_dir_all(&dir).unwrap();
        let (journal, mut handles) =
            Journal::start(&config, vec![EventFd::new().unwrap()], |_| {}).unwrap();
        let (given, inbox) = orders(&Arc::new(EventFd::new().unwrap()));
        let end = Arc::new(AtomicBool::new(false));
        let intake = Intake {
            directory: dir.clone(),
            node: 0,
            at: StoredPosition::default(),
            charged: StoredPosition::default(),
            store: store.clone(),
            runtime: runtime.handle().clone(),
            orders: given,
            accounting: crate::radius::Accounting::default(),
            shared: Arc::new(Shared {
                linked: AtomicBool::new(true),
                open_trunks: AtomicU64::new(0),
                durable: AtomicU64::new(0),
                stored: AtomicU64::new(0),
                read: AtomicU64::new(0),
                counters: Mutex::default(),
                listeners: Mutex::default(),
                behind: Mutex::default(),
                upstreams: Mutex::default(),
                names: crate::resolver::Standings::default(),
                certificates: crate::certificate::Standings::default(),
                counts: Mutex::default(),
                latency_us: Default::default(),
                traces: crate::trace::Traces::new(),
                journal: EventFd::new().unwrap(),
            }),
            end: Arc::clone(&end),
            reader: None,
        };
        Rig {
            dir,
            url,
            server: None,
            runtime,
            store,
            journal: Some(journal),
            handle: handles.pop().unwrap(),
            inbox,
            end,
            thread: Some(std::thread::spawn(move || intake.run())),
            calls: 0,
            charged: BTreeMap::new(),
            stored: BTreeMap::new(),
        }
    }

    /// Calls begin and end, as long as `time`, one every ten milliseconds, at least twenty.
    fn calls_for(&mut self, time: Duration) {
        let began = Instant::now();
        for n in 0.. {
            if n >= 20 && began.elapsed() >= time {
                break;
            }
            self.calls += 1;
            // Every call finds room in the journal, whatever the database does.
            self.handle.append(FrameKind::Ended, &call(self.calls)).unwrap();
            self.take_orders();
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn take_orders(&mut self) {
        while let Ok(order) = self.inbox.try_recv() {
            match order {
                Order::Settle(records) => {
                    for record in &*records {
                        *self.charged.entry(record.id.0).or_default() += 1;
                    }
                }
                Order::Committed(_, records) => {
                    for record in &*records {
                        *self.stored.entry(record.id.0).or_default() += 1;
                    }
                }
                Order::World(_) | Order::Found(..) | Order::Query(_) | Order::End => {
                    panic!("not from the intake")
                }
            }
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Rig) -> bool) {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            self.take_orders();
            if done(self) {
                return;
            }
            assert!(Instant::now() < deadline, "waited {WAIT_MAX:?} until {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn await_charged(&mut self) {
        self.until("all calls are charged", |rig| rig.charged.len() as u64 == rig.calls);
    }

    fn await_stored(&mut self) {
        self.until("all records are stored", |rig| rig.stored.len() as u64 == rig.calls);
    }

    fn execute(&self, sql: &str) {
        execute(&self.url, sql);
    }

    /// Everything is in the database exactly once; then it is taken down.
    fn end(mut self) {
        self.await_stored();
        self.await_charged();
        self.end.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap();
        assert!(self.charged.values().chain(self.stored.values()).all(|times| *times == 1));
        let reader = self.store.reader();
        self.runtime.block_on(async {
            assert_eq!(reader.cdr_count().await.unwrap().unsigned_abs(), self.calls);
            let report = reader.books_check().await.unwrap();
            assert_eq!(report.findings, []);
            let balance = reader.balances().await.unwrap();
            let balance = balance.iter().find(|p| p.account == AccountId(1)).unwrap();
            // Each call is one second at 0.60 EUR a minute; the demo gives 10 EUR.
            let spent = i64::try_from(self.calls).unwrap() * 1_000_000;
            assert_eq!(balance.balance.0, 1_000_000_000 - spent);
            self.store.close().await;
        });
        self.journal.take().unwrap().stop();
        std::fs::remove_dir_all(&self.dir).unwrap();
        if let Some((server, database)) = &self.server {
            execute(server, &format!("DROP DATABASE {database} WITH (FORCE)"));
        } else if let Some(file) = self.url.strip_prefix("sqlite:") {
            std::fs::remove_dir_all(Path::new(file).parent().unwrap()).unwrap();
        }
    }

    /// Calls go on while the database is broken, and afterwards all is there.
    fn outlives(self, breaks: impl FnOnce(&Rig), heals: impl FnOnce(&Rig)) {
        self.outlives_for(BROKEN, breaks, heals);
    }

    fn outlives_for(mut self, time: Duration, breaks: impl FnOnce(&Rig), heals: impl FnOnce(&Rig)) {
        self.calls_for(Duration::ZERO);
        self.await_stored();
        let before = self.stored.len();
        breaks(&self);
        self.calls_for(time);
        self.await_charged();
        // One stretch may have come through on the way into the fault.
        assert!(self.stored.len() < self.charged.len(), "the fault was none");
        assert!(self.stored.len() <= before + 2, "{} stored while broken", self.stored.len());
        heals(&self);
        self.calls_for(Duration::ZERO);
        self.end();
    }
}

fn execute(url: &str, sql: &str) {
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = AnyConnection::connect(url).await.unwrap();
        connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// A connection that holds a lock until it is dropped.
struct Lock {
    runtime: Runtime,
    connection: Option<AnyConnection>,
}

impl Lock {
    fn new(url: &str, sql: &str) -> Lock {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let mut connection = AnyConnection::connect(url).await.unwrap();
            connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
            connection
        });
        Lock { runtime, connection: Some(connection) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let connection = self.connection.take().unwrap();
        self.runtime.block_on(async { connection.close().await.unwrap() });
    }
}

/// The frame of a call of account 1 that talked for a second.
fn call(seq: u64) -> Vec<u8> {
    let terms = strowger_billing::Terms::flat(Price(600_000_000), Currency::new("EUR", 2).unwrap());
    let settlement = strowger_billing::Settlement {
        levels: vec![strowger_billing::Level {
            account: AccountId(1),
            organization: OrganizationId(2),
            prepaid: true,
            terms: terms.unwrap(),
            commission: None,
        }],
        ..strowger_billing::Settlement::free(TenantId(1))
    };
    let at = |ms: u64| Tick(ms * MS);
    let leg = |leg: u8| {
        Fact::LegOpened(Box::new(LegOpened {
            leg,
            at: at(0),
            direction: if leg == 0 { Direction::In } else { Direction::Out },
            stage: 0,
            branch: 0,
            hop: 0,
            dialed: "441".into(),
            from_user: "1001".into(),
            remote: ([127, 0, 0, 1], 5090).into(),
            transport: Transport::Udp,
            party: PartyRef::Trunk(1),
        }))
    };
    let (cause, by, reason) = (Cause::from_sip(200), Party::Caller, Reason::Normal);
    let ended = |leg| {
        let (at, media) = (at(2_000), None);
        Fact::LegEnded(Box::new(LegEnded { leg, at, cause, by, reason, media }))
    };
    let began = Began {
        at: at(0),
        listener: 0,
        source: None,
        received: "441".into(),
        from_user: "1001".into(),
        display: String::new(),
        sip_call_id: seq.to_string(),
        user_agent: String::new(),
    };
    encode(&CallFacts {
        record: RecordId::new(1, seq).unwrap(),
        ask: AskId(seq),
        slot: SlotRef::default(),
        anchor_us: 1_000_000,
        settlement: Octets(settlement.encode().unwrap()),
        facts: vec![
            Fact::Began(Box::new(began)),
            leg(0),
            leg(1),
            Fact::LegAnswered(LegAnswered { leg: 1, at: at(1_000) }),
            Fact::LegAnswered(LegAnswered { leg: 0, at: at(1_000) }),
            Fact::Joined(Pair { a: 0, b: 1, at: at(1_000) }),
            Fact::Parted(Pair { a: 0, b: 1, at: at(2_000) }),
            ended(0),
            ended(1),
            Fact::Ended(CallEnded { at: at(2_000), cause, by, reason, facts_dropped: 0 }),
        ],
    })
}

#[test]
fn faults_sqlite_locked() {
    let held = Mutex::new(None);
    Rig::sqlite("f-locked").outlives_for(
        broken_for_long(),
        |rig| *held.lock().unwrap() = Some(Lock::new(&rig.url, "BEGIN IMMEDIATE")),
        |_| drop(held.lock().unwrap().take()),
    );
}

#[test]
fn faults_sqlite_refuses_writes() {
    // What a file that may only be read says; root could write it all the same.
    Rig::sqlite("f-readonly").outlives(
        |rig| {
            rig.execute(
                "CREATE TRIGGER no_more BEFORE UPDATE ON ingest_cursors BEGIN \
                 SELECT RAISE(ABORT, 'attempt to write a readonly database'); END",
            );
        },
        |rig| rig.execute("DROP TRIGGER no_more"),
    );
}

#[test]
fn faults_postgres_locked() {
    let held = Mutex::new(None);
    let Some(rig) = Rig::postgres("f-locked") else { return };
    rig.outlives(
        |rig| *held.lock().unwrap() = Some(Lock::new(&rig.url, "BEGIN; LOCK TABLE cdrs")),
        |_| drop(held.lock().unwrap().take()),
    );
}

#[test]
fn faults_postgres_read_only() {
    let Some(rig) = Rig::postgres("f-readonly") else { return };
    let (server, database) = rig.server.clone().unwrap();
    let set = |rig: &Rig, to: &str| {
        let sql = format!("ALTER DATABASE {database} SET default_transaction_read_only = {to}");
        let _ = rig;
        execute(&server, &sql);
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        );
        execute(&server, &sql);
    };
    rig.outlives(|rig| set(rig, "on"), |rig| set(rig, "off"));
}

/// Each statement takes long: nothing is refused, everything arrives.
#[test]
fn faults_postgres_slow() {
    let Some(mut rig) = Rig::postgres("f-slow") else { return };
    rig.execute(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(1); RETURN NEW; END'; \
         CREATE TRIGGER slowly BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION slowly()",
    );
    let began = Instant::now();
    rig.calls_for(BROKEN);
    assert!(began.elapsed() < BROKEN + Duration::from_secs(5), "a call had to wait");
    rig.end();
}

/// The server dies in the middle, a commit on its way included, and comes back.
#[test]
fn faults_postgres_down() {
    let Ok(dir) = std::env::var("STROWGER_TEST_POSTGRES_DIR") else {
        return skip("faults_postgres_down", "STROWGER_TEST_POSTGRES_DIR names no cluster");
    };
    let Some(rig) = Rig::postgres("f-down") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres.sh");
    let run = |word: &str| {
        let status = Command::new(&script).args([word, &dir]).status().unwrap();
        assert!(status.success(), "{word}");
    };
    rig.outlives_for(broken_for_long(), |_| run("halt"), |_| run("resume"));
}

/// The answer of a commit is lost: what it wrote is found, and nothing is written twice.
#[test]
fn faults_postgres_dies_again_and_again() {
    let Some(mut rig) = Rig::postgres("f-dies") else { return };
    let (server, database) = rig.server.clone().unwrap();
    for _ in 0..40 {
        rig.calls_for(Duration::ZERO);
        execute(
            &server,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = '{database}' AND pid <> pg_backend_pid()"
            ),
        );
    }
    rig.end();
}

/// The disk under the database is full. Needs a small disk of its own (`scripts/test faults`).
#[test]
fn faults_sqlite_disk_full() {
    let Ok(small) = std::env::var("STROWGER_TEST_SMALL_DISK") else {
        return skip("faults_sqlite_disk_full", "STROWGER_TEST_SMALL_DISK names no small disk");
    };
    let small = PathBuf::from(small);
    let filler = small.join("filler");
    Rig::sqlite_in("f-full", &small.join("db")).outlives(
        |_| {
            let mut file = std::fs::File::create(&filler).unwrap();
            let block = vec![1u8; 64 * 1024];
            while file.write_all(&block).is_ok() {}
            while file.write_all(&block[..512]).is_ok() {}
        },
        |_| std::fs::remove_file(&filler).unwrap(),
    );
}

/// A database that was put back under a running intake ends it: only a boot makes balances true.
#[test]
fn faults_cursor_moved_by_somebody_else() {
    let mut rig = Rig::sqlite("f-moved");
    rig.calls_for(Duration::ZERO);
    rig.await_stored();
    rig.execute("UPDATE ingest_cursors SET seq = seq - 1");
    rig.calls_for(Duration::ZERO);
    let deadline = Instant::now() + WAIT_MAX;
    while !rig.thread.as_ref().unwrap().is_finished() {
        assert!(Instant::now() < deadline, "it goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    rig.take_orders();
    assert!((rig.stored.len() as u64) < rig.calls);
    std::fs::remove_dir_all(&rig.dir).unwrap();
}
