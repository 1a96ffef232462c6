//! What all requests share.

use crate::edit::Base;
use crate::guess::Guesses;
use crate::import::Decks;
use crate::limiter::Limiter;
use crate::password::Hasher;
use crate::{Live, openapi};
use axum::http::StatusCode;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use strowger_model::LoginSettings;
use strowger_routing::{Listener, Perimeter, Settings};
use strowger_store::{Reader, Sealer, Store, StoreError};

/// What the endpoints work on: rows in a store, what runs now, the host's key, the time.
pub struct Api {
    store: Store,
    live: Arc<dyn Live>,
    sealer: Sealer,
    listeners: Vec<Listener>,
    perimeter: Perimeter,
    clock: Clock,
    imports: Option<PathBuf>,
}

/// The time of day, microseconds since 1970 UTC.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

impl Api {
    /// Endpoints over `store` and `live`; secrets are sealed by `sealer`.
    #[must_use]
    pub fn new(store: Store, live: Arc<dyn Live>, sealer: Sealer) -> Api {
        let clock = Arc::new(|| jiff::Timestamp::now().as_microsecond());
        let (listeners, perimeter) = (Vec::new(), Perimeter::default());
        let imports = None;
        Api { store, live, sealer, listeners, perimeter, clock, imports }
    }

    /// The same for a process with these listeners, in the order of `sip.listen`: rows may name no
    /// others.
    #[must_use]
    pub fn with_listeners(self, listeners: Vec<Listener>) -> Api {
        Api { listeners, ..self }
    }

    /// The same with the addresses that calls may be sent to; without it, none that is special.
    #[must_use]
    pub fn with_perimeter(self, perimeter: Perimeter) -> Api {
        Api { perimeter, ..self }
    }

    /// The same with a directory of its own for files of prices; without it none is taken.
    #[must_use]
    pub fn with_imports(self, dir: PathBuf) -> Api {
        Api { imports: Some(dir), ..self }
    }

    /// The same with another time of day, for tests.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Api {
        Api { clock: Arc::new(clock), ..self }
    }
}

/// Settings, and when they were read, milliseconds since the server began.
type Known = (u64, Arc<Settings>);

/// How long settings that were read are believed: others may write them, too.
const SETTINGS_MS: u64 = 200;

/// The state of a running server.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) reader: Reader,
    pub(crate) live: Arc<dyn Live>,
    pub(crate) sealer: Sealer,
    /// Those of the process, by their places.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) perimeter: Perimeter,
    /// The world after the newest change that was made here.
    pub(crate) base: tokio::sync::Mutex<Option<Base>>,
    clock: Clock,
    requests: AtomicU64,
    /// Begins the numbers of requests: another for each start of the server.
    boot: u32,
    /// The listener's address is a loopback address.
    pub(crate) is_loopback: bool,
    pub(crate) document: Bytes,
    pub(crate) counts: Counts,
    pub(crate) hasher: Hasher,
    guesses: Mutex<Guesses>,
    settings: Mutex<Option<Known>>,
    limiter: Mutex<Limiter>,
    /// Files of prices.
    pub(crate) decks: Decks,
    started: Instant,
}

impl Shared {
    pub(crate) fn new(api: Api, is_loopback: bool) -> Shared {
        Shared {
            reader: api.store.reader(),
            store: api.store,
            live: api.live,
            sealer: api.sealer,
            listeners: api.listeners,
            perimeter: api.perimeter,
            base: tokio::sync::Mutex::default(),
            requests: AtomicU64::new(0),
            // Seconds, in 32 bits: unique for a century.
            boot: u32::try_from((api.clock)().div_euclid(1_000_000)).unwrap_or(0),
            clock: api.clock,
            is_loopback,
            document: Bytes::from(openapi::document().to_string()),
            counts: Counts::default(),
            hasher: Hasher::default(),
            guesses: Mutex::default(),
            settings: Mutex::default(),
            limiter: Mutex::default(),
            decks: Decks::new(api.imports),
            started: Instant::now(),
        }
    }

    /// The failed tokens; held for a look-up, never across an await.
    pub(crate) fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of day, microseconds since 1970 UTC.
    pub(crate) fn now_us(&self) -> i64 {
        (self.clock)()
    }

    /// The number of the next request: it names it in logs and in the change log.
    pub(crate) fn request_number(&self) -> String {
        format!("{:x}-{:x}", self.boot, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// The failed logins; held for a look-up, never across an await.
    pub(crate) fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_settings(&self) -> MutexGuard<'_, Option<Known>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is set, as of a moment ago.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn settings(&self) -> Result<Arc<Settings>, StoreError> {
        let now_ms = self.now_ms();
        let known = self.known_settings().clone();
        if let Some((at_ms, settings)) = known
            && now_ms.saturating_sub(at_ms) < SETTINGS_MS
        {
            return Ok(settings);
        }
        let settings = Arc::new(Settings::build(self.reader.settings().await?));
        *self.known_settings() = Some((now_ms, Arc::clone(&settings)));
        Ok(settings)
    }

    /// The same for logins.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn login_settings(&self) -> Result<LoginSettings, StoreError> {
        Ok(self.settings().await?.system().login.clone())
    }

    /// What is set has changed.
    pub(crate) fn forget_settings(&self) {
        *self.known_settings() = None;
    }

    /// Milliseconds since the server began.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// What the server counts of itself.
#[derive(Default)]
pub(crate) struct Counts {
    /// Answers of 2xx, 4xx, 5xx.
    answers: [AtomicU64; 3],
    token_failures: AtomicU64,
    connections: AtomicU64,
}

/// Kinds of answers, in the order of the counters.
pub(crate) const ANSWER_KINDS: [&str; 3] = ["2xx", "4xx", "5xx"];

impl Counts {
    pub(crate) fn answered(&self, status: StatusCode) {
        let [good, refused, failed] = &self.answers;
        let counter = match status.as_u16() {
            0..400 => good,
            400..500 => refused,
            500.. => failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn token_failed(&self) {
        self.token_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Answers in the order of [`ANSWER_KINDS`].
    pub(crate) fn answers(&self) -> [u64; 3] {
        self.answers.each_ref().map(|counter| counter.load(Ordering::Relaxed))
    }

    pub(crate) fn token_failures(&self) -> u64 {
        self.token_failures.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}
