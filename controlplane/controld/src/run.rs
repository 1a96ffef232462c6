//! Putting the control plane together, and taking it apart.

use crate::args::Options;
use crate::decider::{Decider, Orders, Origins, Shared, orders};
use crate::edge::EdgeSource;
use crate::intake::Intake;
use crate::view::View;
use crate::world::{self, Compiled};
use crate::{books, boot, calendar, demo, secret};
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use strowger_link::Transport;
use strowger_model::Amount;
use strowger_office::Office;
use strowger_port::eventfd::EventFd;
use strowger_port::signals::Signals;
use strowger_port::{clock, pin, process};
use strowger_routing::Output as Binding;
use strowger_store::{Life, Place, Position, Store};
use strowger_tuning::{Config, parse_cores};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::watch;
use tracing::{Level, error, info, warn};

/// Threads that drive database and REST.
const WORKERS: usize = 2;
/// How often the main thread looks for signals, milliseconds.
const LOOK_MS: u32 = 100;
/// How long records may take to reach the database at the end.
const END_MAX: Duration = Duration::from_secs(4);
/// Registrations written in one transaction.
const BINDINGS_MAX: usize = 256;
/// How long the writer of registrations waits for company.
const BINDINGS_PAUSE: Duration = Duration::from_millis(50);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// One line for a person.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let signals = Signals::block().map_err(|e| format!("signals: {e}"))?;
    let config = &options.config;
    start_log(config)?;
    pin_control(config)?;
    let mut ready = process::take_inherited("STROWGER_READY_FD").map_err(|e| e.to_string())?;
    let admin = admin_socket(config)?;
    private_dir(&config.node.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|e| format!("runtime: {e}"))?;
    let plant = runtime.block_on(Plant::open(options))?;
    let works = plant.start(config, &runtime, admin)?;
    for fd in ready.drain(..) {
        // A supervisor that is gone need not be told.
        let _gone = File::from(fd).write_all(b"ready\n");
    }
    info!("the control plane runs");
    while !matches!(signals.wait(Some(LOOK_MS)), Ok(Some(_))) {
        if works.has_failed() {
            return Err("a thread of the control plane has ended: a bug".into());
        }
    }
    works.end(runtime);
    Ok(())
}

fn start_log(config: &Config) -> Result<(), String> {
    let level: Level = config.log.level.parse().map_err(|_| "log.level: no level".to_owned())?;
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    Ok(())
}

/// The control plane keeps off the shard's core.
fn pin_control(config: &Config) -> Result<(), String> {
    let list = |key: &str, text: &str| parse_cores(text).map_err(|e| format!("cores.{key}: {e}"));
    let named = list("control", &config.cores.control)?;
    let allowed = pin::allowed_cpus().map_err(|e| format!("cores: {e}"))?;
    let shard = list("shards", &config.cores.shards)?.first().copied();
    let shard = shard.or_else(|| allowed.last().copied());
    let cores: Vec<usize> = match named.is_empty() {
        false => named,
        true if allowed.len() < 2 => return Ok(()),
        true => allowed.into_iter().filter(|core| Some(*core) != shard).collect(),
    };
    pin::pin_current_thread(&cores).map_err(|e| format!("cores.control: {e}"))
}

/// The REST socket: handed on by the supervisor, else bound here.
fn admin_socket(config: &Config) -> Result<TcpListener, String> {
    let inherited = process::take_inherited("STROWGER_ADMIN_FDS").map_err(|e| e.to_string())?;
    match inherited.into_iter().next() {
        Some(fd) => Ok(TcpListener::from(fd)),
        None => TcpListener::bind(config.admin.listen)
            .map_err(|e| format!("admin.listen: {}: {e}", config.admin.listen)),
    }
}

fn private_dir(dir: &Path) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| format!("{}: {e}", dir.display()))
}

/// What boot reads before anything is answered.
struct Plant {
    store: Store,
    compiled: Compiled,
    listeners: Vec<Transport>,
    office: Office,
    nonce_key: [u8; 16],
    at: Position,
}

impl Plant {
    async fn open(options: &Options) -> Result<Plant, String> {
        let config = &options.config;
        let said = |e: &dyn std::fmt::Display| e.to_string();
        let database = &config.database;
        let place = Place::parse(&database.url, &config.node.data, &database.password_file);
        let place = place.map_err(|e| chain(&e))?;
        let store = Store::open_at(&place).await.map_err(|e| chain(&e))?;
        let now_us = clock::wall_us();
        if options.demo {
            demo::seed(&store, now_us).await.map_err(|e| chain(&e))?;
        }
        let token_file = config.node.data.join("admin.token");
        secret::admin_token(&store, &token_file, now_us).await.map_err(|e| said(&e))?;
        let nonce_key = secret::nonce_key(&store).await.map_err(|e| said(&e))?;
        // The first listeners are UDP; others come with their transports.
        let listeners = vec![Transport::Udp; config.sip.listen.len()];
        let reader = store.reader();
        let compiled = world::compile(&reader, &listeners).await.map_err(|e| said(&e))?;
        let node = config.node.number;
        let mut office = Office::new(node, Arc::clone(&compiled.world));
        let now = clock::monotonic();
        calendar::warn_unknown(&compiled.world);
        let calendars = calendar::all(&office, now_us);
        office.set_calendars(&calendars, now);
        let posted = reader.balances().await.map_err(|e| chain(&e))?;
        for account in compiled.world.accounts() {
            let balance = posted.iter().find(|p| p.account == account.id);
            office.load(account, balance.map_or(Amount::ZERO, |p| p.balance), now);
        }
        let from_us = calendar::earliest_us(&calendars);
        for usage in reader.usage(from_us).await.map_err(|e| chain(&e))? {
            office.load_spent(usage.account, usage.from_us, usage.amount, now);
        }
        let bindings = reader.bindings(now_us).await.map_err(|e| chain(&e))?;
        office.load_bindings(bindings, now, now_us);
        let cursors = reader.cursors().await.map_err(|e| chain(&e))?;
        let at = cursors.iter().find(|c| c.origin == node).map(|c| c.at).unwrap_or_default();
        boot::take_up(&mut office, config, at);
        Ok(Plant { store, compiled, listeners, office, nonce_key, at })
    }

    fn start(
        self,
        config: &Config,
        runtime: &Runtime,
        admin: TcpListener,
    ) -> Result<Works, String> {
        let bell = || EventFd::new().map_err(|e| format!("eventfd: {e}"));
        let shared = Arc::new(Shared {
            linked: AtomicBool::new(false),
            durable: AtomicU64::new(0),
            counters: Mutex::new(None),
            counts: Mutex::default(),
            latency_us: Default::default(),
            journal: bell()?,
        });
        let decider_bell = Arc::new(bell()?);
        let (orders, inbox) = orders(&decider_bell);
        let (bindings, written_behind) = channel(crate::decider::BINDINGS_MAX);
        let handle = runtime.handle().clone();
        let decider = Decider {
            office: self.office,
            edge: EdgeSource::new(self.nonce_key),
            socket: config.run_dir().join("link.sock"),
            inbox,
            bell: decider_bell,
            origins: origins(self.store.clone(), handle.clone()),
            bindings,
            unwritten: crate::decider::Unwritten::new(),
            shared: Arc::clone(&shared),
            last_life: None,
        };
        let end = Arc::new(AtomicBool::new(false));
        let intake = Intake {
            directory: config.node.data.join("journal"),
            node: config.node.number,
            at: self.at,
            store: self.store.clone(),
            runtime: handle.clone(),
            orders: orders.clone(),
            shared: Arc::clone(&shared),
            end: Arc::clone(&end),
        };
        let (stop, stopped) = watch::channel(false);
        let reconciler =
            reconcile(self.store.clone(), self.compiled, self.listeners, orders.clone());
        handle.spawn(reconciler);
        handle.spawn(books::keep(self.store.clone()));
        handle.spawn(calendar::keep(orders.clone()));
        let writer = handle.spawn(write_bindings(self.store.clone(), written_behind));
        let view = View::new(orders.clone(), Arc::clone(&shared), self.store.clone());
        let rest = handle.spawn(crate::view::serve(admin, view, self.store.clone(), stopped));
        Ok(Works {
            orders,
            end,
            stop,
            decider: thread("decider", move || decider.run())?,
            intake: thread("intake", move || intake.run())?,
            rest,
            writer,
            store: self.store,
        })
    }
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    let started = std::thread::Builder::new().name(name.into()).spawn(body);
    started.map_err(|e| format!("thread {name}: {e}"))
}

/// An error with all its sources, for the log.
pub(crate) fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    text
}

/// The origin of record ids for a life of the dataplane, by the database.
fn origins(store: Store, runtime: Handle) -> Origins {
    Box::new(move |setup, epoch| {
        let life = Life { node: setup.node, shard: setup.seg, boot: setup.boot_id, epoch };
        match runtime.block_on(store.origin(&life)) {
            Ok(origin) => Some(origin),
            Err(e) => {
                warn!("no origin for records, calls have to wait: {}", chain(&e));
                None
            }
        }
    })
}

/// Looks at the change log and puts a new world in force when something was changed.
async fn reconcile(
    store: Store,
    mut compiled: Compiled,
    listeners: Vec<Transport>,
    orders: Orders,
) {
    let reader = store.reader();
    loop {
        tokio::time::sleep(world::LOOK).await;
        match reader.newest_change().await {
            Ok(change) if change == compiled.change => continue,
            Ok(_) => {}
            Err(e) => {
                warn!("the change log cannot be read: {}", chain(&e));
                continue;
            }
        }
        match world::compile(&reader, &listeners).await {
            Ok(new) => {
                compiled = new;
                calendar::warn_unknown(&compiled.world);
                let world = crate::decider::Order::World(Arc::clone(&compiled.world));
                // A new tenant's days begin with it.
                if !orders.give(world) || !orders.give(calendar::order()) {
                    return;
                }
            }
            Err(e) => error!("the changed configuration is not in force: {e}"),
        }
    }
}

/// Writes registrations behind the registrar's memory, several in a transaction.
async fn write_bindings(store: Store, mut changes: Receiver<Binding>) {
    let mut waiting: Vec<Binding> = Vec::new();
    while changes.recv_many(&mut waiting, BINDINGS_MAX).await > 0 {
        loop {
            match write_batch(&store, &waiting).await {
                Ok(()) => break,
                Err(e) => {
                    warn!("registrations wait for the database: {}", chain(&e));
                    tokio::time::sleep(world::LOOK).await;
                }
            }
        }
        waiting.clear();
        tokio::time::sleep(BINDINGS_PAUSE).await;
    }
}

async fn write_batch(store: &Store, batch: &[Binding]) -> Result<(), strowger_store::StoreError> {
    let mut w = store.write().await?;
    for change in batch {
        match change {
            Binding::Save(binding) => w.put_binding(binding).await?,
            Binding::Remove { subscriber, uri } => w.remove_binding(*subscriber, uri).await?,
        }
    }
    w.commit().await
}

/// Everything that runs.
struct Works {
    orders: Orders,
    end: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    decider: JoinHandle<()>,
    intake: JoinHandle<()>,
    rest: tokio::task::JoinHandle<()>,
    writer: tokio::task::JoinHandle<()>,
    store: Store,
}

impl Works {
    fn has_failed(&self) -> bool {
        self.decider.is_finished() || self.intake.is_finished() || self.rest.is_finished()
    }

    /// Takes the journal's last records, then ends everything.
    fn end(self, runtime: Runtime) {
        self.end.store(true, Ordering::Release);
        let until = std::time::Instant::now() + END_MAX;
        while !self.intake.is_finished() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.orders.give(crate::decider::Order::End);
        if self.decider.join().is_err() {
            error!("the decider's thread panicked: a bug");
        }
        // A receiver that is gone needs no word.
        let _gone = self.stop.send(true);
        runtime.block_on(async {
            // The decider is gone, so the writer ends with the last registration.
            let _ended = tokio::time::timeout(END_MAX, self.writer).await;
            let _ended = tokio::time::timeout(END_MAX, self.rest).await;
            self.store.close().await;
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        info!("the control plane has ended");
    }
}
