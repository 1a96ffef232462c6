//! Putting the control plane together, and taking it apart.

use crate::archive::Archivist;
use crate::decider::{Decider, Orders, Origins, Shared, orders, word};
use crate::edge::EdgeSource;
use crate::intake::Intake;
use crate::ladder::{Ladders, send_on, tapes};
use crate::log::{Keep, LINES};
use crate::money::Cashier;
use crate::radius::Radius;
use crate::seat::{Seat, be_patient};
use crate::trace::Traces;
use crate::view::View;
use crate::world::{self, Compiled, Site};
use crate::{
    books, boot, calendar, certificate, demo, fact, guard, list, perimeter, ported, radius,
    renewal, rerate, resolver, secret, statistic,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use strowger_api::{Api, Behind, Doors};
use strowger_link::Transport;
use strowger_model::Amount;
use strowger_model::BINDING_GRACE_US;
use strowger_model::{Guests, NumberListId, ResolverSettings};
use strowger_numbering::Ported;
use strowger_office::Office;
use strowger_port::eventfd::EventFd;
use strowger_port::keep::Claim;
use strowger_port::signals::{HangUp, Signals};
use strowger_port::{clock, pin, process};
use strowger_routing::{
    Holder, ListEntries, Listener, NamedHost, Names, Output as Binding, World, named_hosts,
};
use strowger_store::{Life, Place, Position, Sealer, Store};
use strowger_tuning::{Config, parse_cores};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::watch;
use tracing::{Level, error, info, warn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Threads that drive database and REST.
const WORKERS: usize = 2;
/// How often the main thread looks whether a thread has failed, milliseconds; signals wake it.
const LOOK_MS: u32 = 1_000;
/// This process's place on its directories, and its name there.
const KIND: &str = "controld";
const ME: &str = concat!("strowger-controld ", env!("CARGO_PKG_VERSION"));
/// Pause between attempts to open the database at boot, milliseconds.
const DATABASE_MS: u32 = 500;
/// Free time that ended longer ago than this is not taken up at boot, microseconds: longer than a
/// call that may use it lasts, and its record waits.
pub(crate) const ALLOWANCES_US: i64 = 32 * 86_400_000_000;
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
pub(crate) fn run(config: &Config, demo: bool) -> Result<(), String> {
    let signals = Signals::block(HangUp::Ignored).map_err(|e| format!("signals: {e}"))?;
    start_log(config)?;
    pin_control(config)?;
    let seat = Seat::take("decider").map_err(|e| format!("thread decider: {e}"))?;
    be_patient().map_err(|e| format!("priority: {e}"))?;
    let mut ready = process::take_inherited("STROWGER_READY_FD").map_err(|e| e.to_string())?;
    private_dir(&config.node.data)?;
    private_dir(&config.run_dir())?;
    let claim = claim(config)?;
    let admin = admin_socket(config)?;
    let handle = admin.try_clone().map_err(|e| format!("admin.listen: {e}"))?;
    let offered = claim.offer(vec![handle.into()]).map_err(|e| format!("keep: {e}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|e| format!("runtime: {e}"))?;
    let Some(store) = await_database(config, &runtime, &signals)? else { return Ok(()) };
    let plant = runtime.block_on(Plant::open(config, demo, store))?;
    let works = plant.start(config, runtime.handle(), admin, seat)?;
    offered.set_ready();
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
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    // A log that nobody reads any more ends nothing: the crate would complain about it in a way
    // that panics.
    log.log_internal_errors(false).finish().with(Keep(&LINES)).init();
    Ok(())
}

/// The control plane keeps off the shards' cores, if any other is left.
fn pin_control(config: &Config) -> Result<(), String> {
    let list = |key: &str, text: &str| parse_cores(text).map_err(|e| format!("cores.{key}: {e}"));
    let named = list("control", &config.cores.control)?;
    let allowed = pin::allowed_cpus().map_err(|e| format!("cores: {e}"))?;
    let shards = config.shard_cores(&allowed);
    let others = || allowed.into_iter().filter(|core| !shards.contains(&Some(*core))).collect();
    let cores: Vec<usize> = if named.is_empty() { others() } else { named };
    if cores.is_empty() {
        return Ok(());
    }
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

/// Takes this process's place: two control planes would post the same records.
fn claim(config: &Config) -> Result<Claim, String> {
    let data = &config.node.data;
    Claim::take(data, &config.run_dir(), KIND, ME)
        .map_err(|e| format!("{}: no place for a control plane: {e}", data.display()))
}

fn private_dir(dir: &Path) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| format!("{}: {e}", dir.display()))
}

/// Opens the database, however long it is away; `None` = told to end meanwhile. Without it nothing
/// can be decided, but the dataplane keeps its calls and its journal their records: to wait is
/// better than to die again and again.
fn await_database(
    config: &Config,
    runtime: &Runtime,
    signals: &Signals,
) -> Result<Option<Store>, String> {
    let database = &config.database;
    let place = Place::parse(&database.url, &config.node.data, &database.password_file);
    let place = place.map_err(|e| chain(&e))?;
    let mut said = String::new();
    loop {
        match runtime.block_on(Store::open_at(&place)) {
            Ok(store) => return Ok(Some(store)),
            Err(e) => {
                let why = chain(&e);
                if why != said {
                    warn!("waiting for the database: {why}");
                    said = why;
                }
            }
        }
        if matches!(signals.wait(Some(DATABASE_MS)), Ok(Some(_))) {
            return Ok(None);
        }
    }
}

const fn guests(guests: strowger_tuning::Guests) -> Guests {
    match guests {
        strowger_tuning::Guests::Challenge => Guests::Challenge,
        strowger_tuning::Guests::Refuse => Guests::Refuse,
        strowger_tuning::Guests::Dids => Guests::Dids,
        strowger_tuning::Guests::Account => Guests::Account,
    }
}

const fn transport(spoken: strowger_tuning::Transport) -> Transport {
    match spoken {
        strowger_tuning::Transport::Udp => Transport::Udp,
        strowger_tuning::Transport::Tcp => Transport::Tcp,
        strowger_tuning::Transport::Tls => Transport::Tls,
        strowger_tuning::Transport::Ws => Transport::Ws,
        strowger_tuning::Transport::Wss => Transport::Wss,
    }
}

/// What boot reads before anything is answered.
struct Plant {
    store: Store,
    compiled: Compiled,
    ported: ported::Table,
    lists: list::Lists,
    radius: Radius,
    site: Site,
    office: Office,
    nonce_key: [u8; 16],
    sealer: Sealer,
    at: Position,
}

impl Plant {
    async fn open(config: &Config, demo: bool, store: Store) -> Result<Plant, String> {
        let said = |e: &dyn std::fmt::Display| e.to_string();
        let now_us = clock::wall_us();
        if demo {
            demo::seed(&store, now_us).await.map_err(|e| chain(&e))?;
        }
        let token_file = config.node.data.join("admin.token");
        secret::admin_token(&store, &token_file, now_us).await.map_err(|e| said(&e))?;
        let nonce_key = secret::nonce_key(&store).await.map_err(|e| said(&e))?;
        let sealer = secret::sealer(&config.node.data).map_err(|e| format!("host.key: {e}"))?;
        let places = config.listeners(&config.sip.listen).map_err(|e| said(&e))?;
        let listener = |place: &strowger_tuning::Listener| Listener {
            transport: transport(place.transport),
            address: place.advertised,
            guests: guests(place.guests),
        };
        let listeners: Vec<Listener> = places.iter().map(listener).collect();
        let site = Site { listeners, perimeter: perimeter::of(config, &places, demo) };
        let reader = store.reader();
        let own = secret::sealer(&config.node.data).map_err(|e| format!("host.key: {e}"))?;
        let radius = Radius::open(&reader, own).await.map_err(|e| chain(&e))?;
        let mut compiled = world::compile(&reader, &site, &sealer).await.map_err(|e| said(&e))?;
        let ported = ported::Table::open(&config.node.data);
        let lists = list::Lists::open(&config.node.data, store.clone(), compiled.world.lists());
        let world = compiled.world.with_ported(ported.now()).with_list_entries(lists.now());
        compiled.world = Arc::new(world);
        let node = config.node.number;
        let mut office = Office::new(node, Arc::clone(&compiled.world));
        let now = clock::monotonic();
        calendar::warn_unknown(&compiled.world);
        let calendars = calendar::all(&office, now_us);
        office.set_calendars(&calendars, now);
        statistic::set_zones(&store, &compiled.world);
        statistic::recall(&mut office, &reader, now_us).await.map_err(|e| chain(&e))?;
        statistic::recall_shared(&mut office, &reader, now_us).await.map_err(|e| chain(&e))?;
        let posted = reader.balances().await.map_err(|e| chain(&e))?;
        for account in compiled.world.accounts() {
            let balance = posted.iter().find(|p| p.account == account.id);
            office.load(account, balance.map_or(Amount::ZERO, |p| p.balance), now);
        }
        let grown = calendar::grown(&reader, &compiled.world, now_us).await;
        calendar::load_grown(&mut office, &grown.map_err(|e| chain(&e))?);
        let learners = calendar::learners(&office, now_us);
        let learnt = calendar::learnt(&reader, &compiled.world, &learners, now_us).await;
        calendar::load_learnt(&mut office, &learnt.map_err(|e| chain(&e))?);
        let from_us = calendar::earliest_us(&calendars);
        for usage in reader.usage(from_us).await.map_err(|e| chain(&e))? {
            office.load_spent(usage.account, usage.from_us, (usage.amount, usage.talk_ms), now);
        }
        statistic::recall_addresses(&mut office, &reader, now_us).await.map_err(|e| chain(&e))?;
        renewal::renew(&store, &compiled.world, now_us).await.map_err(|e| chain(&e))?;
        let from_us = now_us.saturating_sub(ALLOWANCES_US);
        for given in reader.allowances(from_us).await.map_err(|e| chain(&e))? {
            office.load_allowance(given.allowance, (given.used_ms, given.used), now);
        }
        // A binding may last a little longer than the database knows.
        let after_us = now_us.saturating_sub(BINDING_GRACE_US);
        let bindings = reader.bindings(after_us).await.map_err(|e| chain(&e))?;
        let of_trunks = reader.trunk_bindings(after_us).await.map_err(|e| chain(&e))?;
        office.set_key(secret::gruu_key(nonce_key));
        let bindings = bindings.into_iter().map(|b| (Holder::Subscriber(b.subscriber), b));
        let of_trunks = of_trunks.into_iter().map(|(trunk, b)| (Holder::Trunk(trunk), b));
        office.load_bindings(bindings.chain(of_trunks).collect(), now, now_us);
        let cursors = reader.cursors().await.map_err(|e| chain(&e))?;
        let at = cursors.iter().find(|c| c.origin == node).map(|c| c.at).unwrap_or_default();
        for (life, origin) in boot::take_up(&mut office, config, at) {
            store.learn_origin(&life, origin).await.map_err(|e| chain(&e))?;
        }
        Ok(Plant { store, compiled, ported, lists, radius, site, office, nonce_key, sealer, at })
    }

    fn intake(
        &self,
        config: &Config,
        runtime: &Handle,
        orders: &Orders,
        shared: &Arc<Shared>,
    ) -> Intake {
        Intake {
            directory: config.node.data.join("journal"),
            node: config.node.number,
            at: self.at,
            charged: self.at,
            store: self.store.clone(),
            runtime: runtime.clone(),
            orders: orders.clone(),
            shared: Arc::clone(shared),
            accounting: self.radius.accounting().clone(),
            end: Arc::new(AtomicBool::new(false)),
            reader: None,
        }
    }

    fn start(
        self,
        config: &Config,
        handle: &Handle,
        admin: TcpListener,
        seat: Seat,
    ) -> Result<Works, String> {
        let shared = Arc::new(shared(self.at, bell()?, certificate::begin(config, handle)));
        let decider_bell = Arc::new(bell()?);
        let (orders, inbox) = orders(&decider_bell);
        let (bindings, written_behind) = channel(crate::decider::BINDINGS_MAX);
        let (bans, blocks) = guard::begin(&self.store, config, handle);
        let intake = self.intake(config, handle, &orders, &shared);
        let facts = begin_facts(config, &self.radius, &orders, handle)?;
        let decider = Decider {
            office: self.office,
            edge: EdgeSource::new(self.nonce_key),
            socket: config.run_dir().join("link.sock"),
            inbox,
            bell: decider_bell,
            origins: origins(self.store.clone(), handle.clone()),
            bindings,
            unwritten: crate::decider::Unwritten::new(),
            bans,
            blocks,
            facts: facts.clone(),
            shared: Arc::clone(&shared),
            last_life: None,
            unread: None,
        };
        let (stop, stopped) = watch::channel(false);
        let (until, store) = (Until(stopped.clone()), self.store.clone());
        let (names, wanted, resolving) =
            resolve(&self.compiled.world, &config.dns.servers, &shared, handle);
        let Site { listeners, perimeter } = self.site.clone();
        let reconciler = Reconciler {
            store: store.clone(),
            compiled: self.compiled,
            site: self.site,
            names,
            tables: Tables::of(&self.ported, &self.lists),
            wanted,
            resolving,
            sealer: secret::sealer(&config.node.data).map_err(|e| format!("host.key: {e}"))?,
            orders: orders.clone(),
            shared: Arc::clone(&shared),
            radius: self.radius.clone(),
            until: until.clone(),
        };
        let cashier = keep_till(handle, &orders, &store, &until);
        let told = self.radius.accounting().clone();
        begin_hep(config, &Until(stopped.clone()))?;
        let files = (Ladders::new(config), self.ported, self.lists);
        let view = View::new(orders.clone(), Arc::clone(&shared), cashier, files, (facts, told));
        let api = Api::new(self.store.clone(), Arc::new(view), self.sealer);
        let api = with_files(api.with_perimeter(perimeter).with_listeners(listeners), config);
        let doors = Doors { listener: admin, relayed: relayed(config)? };
        Ok(Works {
            orders,
            end: Arc::clone(&intake.end),
            stop,
            decider: seat.sit(move || decider.run()),
            intake: thread("intake", move || intake.run())?,
            rest: handle.spawn(crate::view::serve(doors, api, stopped)),
            writer: handle.spawn(write_bindings(self.store.clone(), written_behind)),
            tracer: begin_traces(handle, &shared.traces, &self.store, config),
            keepers: keepers(handle, reconciler, (store, &config.node.data), self.radius),
            store: self.store,
        })
    }
}

/// Where the dataplane brings HTTP that is REST's, if a listener of the configuration wants it.
fn relayed(config: &Config) -> Result<Option<UnixListener>, String> {
    if !config.sip.stream.iter().any(|one| one.rest) {
        return Ok(None);
    }
    let path = config.rest_socket();
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    // A former life's: this process has its place alone.
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(wrong(e)),
        Ok(()) | Err(_) => {}
    }
    UnixListener::bind(&path).map(Some).map_err(wrong)
}

/// Begins to ask the outside about calls.
fn begin_facts(
    config: &Config,
    radius: &Radius,
    orders: &Orders,
    handle: &Handle,
) -> Result<fact::Desk, String> {
    let sources = fact::Sources::of(config)?.with_radius(radius.clone());
    Ok(fact::begin(sources, orders.clone(), handle))
}

/// What looks after the world, the books, and what RADIUS servers are to be told.
fn keepers(
    handle: &Handle,
    reconciler: Reconciler,
    (store, data): (Store, &Path),
    radius: Radius,
) -> Vec<tokio::task::JoinHandle<()>> {
    let until = reconciler.until.clone();
    vec![
        handle.spawn(reconciler.run()),
        handle.spawn(radius::keep(store.clone(), radius, until.clone())),
        handle.spawn(books::keep(store, Archivist::new(data), until)),
    ]
}

/// REST with a place for the files that are sent in.
fn with_files(api: Api, config: &Config) -> Api {
    api.with_imports(config.node.data.join("imports"))
}

fn bell() -> Result<EventFd, String> {
    EventFd::new().map_err(|e| format!("eventfd: {e}"))
}

/// Threads that send messages on, one for each shard's, if a collector is configured. Nobody waits
/// for their end.
fn begin_hep(config: &Config, until: &Until) -> Result<(), String> {
    let Some(to) = config.trace.hep.filter(|_| config.trace.messages_mib > 0) else {
        return Ok(());
    };
    let agent = config.trace.hep_agent;
    for tape in tapes(config) {
        let until = Until(until.0.clone());
        thread("hep", move || send_on(&tape, to, agent, &until))?;
    }
    Ok(())
}

/// The queue of traces and its writer.
type Tracer = (Arc<Traces>, tokio::task::JoinHandle<()>);

fn begin_traces(handle: &Handle, traces: &Arc<Traces>, store: &Store, config: &Config) -> Tracer {
    let keep_days = config.database.trace_days;
    let writer = crate::trace::write(Arc::clone(traces), store.clone(), keep_days);
    (Arc::clone(traces), handle.spawn(writer))
}

/// What the threads tell each other, before any has said anything.
fn shared(at: Position, journal: EventFd, certificates: certificate::Standings) -> Shared {
    Shared {
        linked: AtomicBool::new(false),
        durable: AtomicU64::new(0),
        stored: AtomicU64::new(word(crate::intake::cursor(at).position)),
        read: AtomicU64::new(0),
        counters: Mutex::default(),
        listeners: Mutex::default(),
        open_trunks: AtomicU64::new(0),
        counts: Mutex::default(),
        behind: Mutex::default(),
        upstreams: Mutex::default(),
        names: resolver::Standings::default(),
        certificates,
        latency_us: Default::default(),
        traces: Traces::new(),
        journal,
    }
}

/// Addresses of names, and where to say which names are wanted and how often.
type Resolving =
    (watch::Receiver<Arc<Names>>, watch::Sender<Vec<NamedHost>>, watch::Sender<ResolverSettings>);

/// Starts to look up the host names of a world.
fn resolve(world: &World, servers: &[SocketAddr], shared: &Shared, handle: &Handle) -> Resolving {
    let (wanted, wanted_end) = watch::channel(named_hosts(world));
    let set = world.settings().system().resolver.clone();
    let (settings, settings_end) = watch::channel(set);
    let (names_end, names) = watch::channel(Arc::new(Names::default()));
    let wires = resolver::Wires {
        wanted: wanted_end,
        settings: settings_end,
        names: names_end,
        standings: Arc::clone(&shared.names),
        wall_us: clock::wall_us,
    };
    // Its sockets are the runtime's.
    let _entered = handle.enter();
    handle.spawn(resolver::keep(crate::dns::NameServers::new(servers), wires));
    (names, wanted, settings)
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

/// Lives of the dataplane whose origins are asked for ahead, so that calls go on when it begins a
/// new one while the database is away: the epochs of a boot follow each other.
const LIVES_AHEAD: u32 = 4;
/// Pause after the database refused an origin.
const ORIGIN_RETRY: Duration = Duration::from_millis(500);

/// What is known of a life's origin; `None` = the database has been asked.
type Known = Arc<Mutex<BTreeMap<Life, Option<u32>>>>;

/// The origin of record ids for a life of the dataplane, by the database. Never waits for it: what
/// is not known yet is asked for, and known at a later call.
fn origins(store: Store, runtime: Handle) -> Origins {
    let known = Known::default();
    Box::new(move |setup, epoch| {
        let life = Life { node: setup.node, shard: setup.seg, boot: setup.boot_id, epoch };
        let mut map = known.lock().ok()?;
        map.retain(|of, _| of.boot == life.boot && of.epoch >= epoch);
        let mut wanted = Vec::new();
        for ahead in 0..=LIVES_AHEAD {
            let life = Life { epoch: epoch.wrapping_add(ahead), ..life.clone() };
            if let Entry::Vacant(place) = map.entry(life.clone()) {
                place.insert(None);
                wanted.push(life);
            }
        }
        if !wanted.is_empty() {
            let (store, known) = (store.clone(), Arc::clone(&known));
            // One after the other, so that later lives have larger origins.
            runtime.spawn(async move {
                for life in wanted {
                    ask_origin(&store, life, &known).await;
                }
            });
        }
        map.get(&life).copied().flatten()
    })
}

async fn ask_origin(store: &Store, life: Life, known: &Known) {
    let answer = store.origin(&life).await;
    if let Err(e) = &answer {
        warn!("no origin for records of epoch {}: {}", life.epoch, chain(e));
        tokio::time::sleep(ORIGIN_RETRY).await;
    }
    let Ok(mut map) = known.lock() else { return };
    match answer {
        Ok(origin) => map.insert(life, Some(origin)),
        // Asked for again when it is wanted.
        Err(_) => map.remove(&life),
    };
}

/// The end of everything, for those who sleep between two looks.
#[derive(Clone)]
pub(crate) struct Until(watch::Receiver<bool>);

impl Until {
    /// Sleeps; false when the end has come.
    pub(crate) async fn sleep(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.0.wait_for(|ended| *ended)).await.is_err()
    }

    /// Whether the end has come.
    pub(crate) fn is_over(&self) -> bool {
        *self.0.borrow()
    }
}

/// Keeps what the till knows of calendars, limits that grow, free time and re-ratings, and
/// statistics small; returns who moves money.
fn keep_till(handle: &Handle, orders: &Orders, store: &Store, until: &Until) -> Cashier {
    handle.spawn(calendar::keep(orders.clone(), store.reader()));
    handle.spawn(statistic::keep(store.clone(), until.clone()));
    let cashier = Cashier::new(orders.clone(), store.clone());
    let seller = cashier.clone();
    handle.spawn(renewal::keep(orders.clone(), store.clone(), seller, until.clone()));
    handle.spawn(rerate::keep(orders.clone(), store.clone(), cashier.clone(), until.clone()));
    cashier
}

/// What a world has from files beside the rows.
struct Tables {
    ported: watch::Receiver<Arc<Ported>>,
    entries: watch::Receiver<Arc<ListEntries>>,
    lists: list::Lists,
}

impl Tables {
    fn of(ported: &ported::Table, lists: &list::Lists) -> Tables {
        Tables { ported: ported.watch(), entries: lists.watch(), lists: lists.clone() }
    }

    fn have_changed(&self) -> bool {
        self.ported.has_changed().unwrap_or(false) || self.entries.has_changed().unwrap_or(false)
    }

    fn put_into(&mut self, world: &World) -> World {
        let ported = Arc::clone(&self.ported.borrow_and_update());
        let entries = Arc::clone(&self.entries.borrow_and_update());
        world.with_ported(ported).with_list_entries(entries)
    }
}

/// Puts a new world in force when a row or the address of a name was changed.
struct Reconciler {
    store: Store,
    compiled: Compiled,
    site: Site,
    sealer: Sealer,
    names: watch::Receiver<Arc<Names>>,
    tables: Tables,
    /// Names that the rows mention.
    wanted: watch::Sender<Vec<NamedHost>>,
    /// How they are looked up.
    resolving: watch::Sender<ResolverSettings>,
    orders: Orders,
    shared: Arc<Shared>,
    radius: Radius,
    until: Until,
}

impl Reconciler {
    /// Looks at the change log as long as there is a decider.
    async fn run(mut self) {
        let reader = self.store.reader();
        while self.until.sleep(world::LOOK).await {
            let named = self.names.has_changed().unwrap_or(false) || self.tables.have_changed();
            let changed = match reader.newest_change().await {
                Ok(change) if change == self.compiled.change => {
                    self.stand(None);
                    false
                }
                Ok(_) => true,
                Err(e) => {
                    warn!("the change log cannot be read: {}", chain(&e));
                    false
                }
            };
            if changed {
                if let Err(e) = radius::reload(&self.radius, &reader).await {
                    error!("the changed configuration is not in force: {e}");
                    self.stand(Some(e));
                    continue;
                }
                let (old, site) = (&self.compiled, &self.site);
                match world::caught_up(old, &reader, site, &self.sealer).await {
                    Ok(new) => {
                        self.tables.lists.forget(gone(&old.world, &new.world)).await;
                        self.compiled = new;
                    }
                    Err(e) => {
                        error!("the changed configuration is not in force: {e}");
                        self.stand(Some(e.to_string()));
                        continue;
                    }
                }
                calendar::warn_unknown(&self.compiled.world);
                statistic::set_zones(&self.store, &self.compiled.world);
            }
            if (changed || named) && !self.put_in_force(changed) {
                return;
            }
        }
    }

    /// Tells `/readyz` and `/metrics` what stands against the newest change, if anything does; it
    /// began when that was told first.
    fn stand(&self, problem: Option<String>) {
        let Ok(mut behind) = self.shared.behind.lock() else { return };
        *behind = problem.map(|problem| {
            let since_us = behind.as_ref().map_or_else(clock::wall_us, |behind| behind.since_us);
            Behind { since_us, problem }
        });
    }

    /// `false` when the decider is gone.
    fn put_in_force(&mut self, changed: bool) -> bool {
        let names = Arc::clone(&self.names.borrow_and_update());
        let world = self.tables.put_into(&self.compiled.world.with_names(names));
        self.compiled.world = Arc::new(world);
        let set = &self.compiled.world.settings().system().resolver;
        self.resolving.send_if_modified(|old| {
            let other = old != set;
            old.clone_from(set);
            other
        });
        let hosts = named_hosts(&self.compiled.world);
        self.wanted.send_if_modified(|wanted| {
            let other = *wanted != hosts;
            *wanted = hosts;
            other
        });
        let world = crate::decider::Order::World(Arc::clone(&self.compiled.world));
        // A new tenant's days begin with it.
        self.orders.give(world) && (!changed || self.orders.give(calendar::order()))
    }
}

/// Lists of numbers that a world had and the next one has not.
fn gone(old: &World, new: &World) -> Vec<NumberListId> {
    let ids = old.lists().iter().map(|row| row.id);
    ids.filter(|id| new.lists().get(*id).is_none()).collect()
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
            Binding::Save { who: Holder::Subscriber(_), binding } => w.put_binding(binding).await?,
            Binding::Save { who: Holder::Trunk(id), binding } => {
                w.put_trunk_binding(*id, binding).await?;
            }
            Binding::Remove { who: Holder::Subscriber(id), uri } => {
                w.remove_binding(*id, uri).await?;
            }
            Binding::Remove { who: Holder::Trunk(id), uri } => {
                w.remove_trunk_binding(*id, uri).await?;
            }
            // Nobody else registers.
            Binding::Save { who: Holder::RingGroup(_) | Holder::Did(_), .. }
            | Binding::Remove { who: Holder::RingGroup(_) | Holder::Did(_), .. } => {}
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
    tracer: Tracer,
    /// What looks after things now and then, by the database.
    keepers: Vec<tokio::task::JoinHandle<()>>,
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
        let (traces, tracer) = self.tracer;
        traces.end();
        // A receiver that is gone needs no word.
        let _gone = self.stop.send(true);
        runtime.block_on(async {
            // The decider is gone, so the writer ends with the last registration.
            let _ended = tokio::time::timeout(END_MAX, self.writer).await;
            let _ended = tokio::time::timeout(END_MAX, tracer).await;
            let _ended = tokio::time::timeout(END_MAX, self.rest).await;
            // Each ends between two looks, not with a database that was closed under it.
            for keeper in self.keepers {
                let _ended = tokio::time::timeout(END_MAX, keeper).await;
            }
            self.store.close().await;
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        info!("the control plane has ended");
    }
}
