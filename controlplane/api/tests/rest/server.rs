//! A running server over a database of its own.

use crate::client::{Response, ask, send};
use crate::fake_live::FakeLive;
use crate::rows;
use crate::sample::{DECK, VERSION, body, media, name_of};
use crate::world::{NOW_US, World};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::thread::JoinHandle;
use strowger_api::{Api, EndpointInfo};
use strowger_model::{Digits, Subscriber};
use strowger_store::{Scope, Sealer, Store};
use tokio::sync::oneshot;

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) live: Arc<FakeLive>,
    /// The time of day of the server.
    pub(crate) now_us: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    dir: PathBuf,
}

impl Server {
    /// On a loopback address.
    pub(crate) fn start() -> Server {
        Server::start_on("127.0.0.1:0")
    }

    /// In the world of the authorisation tests.
    pub(crate) fn start_in_world(address: &str) -> Server {
        Server::begin(address, Some(World::get()))
    }

    pub(crate) fn start_on(address: &str) -> Server {
        Server::begin(address, None)
    }

    fn begin(address: &str, world: Option<&World>) -> Server {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("strowger-rest-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let listener = TcpListener::bind(address).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        let live = Arc::new(if world.is_some() { FakeLive::world() } else { FakeLive::new() });
        let now_us = Arc::new(AtomicI64::new(NOW_US));
        let (stop, stopped) = oneshot::channel();
        let (file, shared, clock) = (dir.join("a.db"), live.clone(), now_us.clone());
        let is_empty = world.is_none();
        if let Some(world) = world {
            std::fs::copy(&world.file, &file).unwrap();
        }
        let imports = dir.join("imports");
        std::fs::create_dir_all(&imports).unwrap();
        for id in [1, 10] {
            std::fs::write(imports.join(format!("{id}.deck")), DECK).unwrap();
        }
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(async {
                let store = Store::open(&file).await.unwrap();
                if is_empty {
                    rows::write(&store).await;
                }
                let sealer = Sealer::new(&[0x5e; 32]).unwrap();
                let api = Api::new(store.clone(), shared, sealer);
                let api = api.with_listeners(rows::listeners()).with_imports(imports);
                let api = api.with_clock(move || clock.load(Ordering::Relaxed));
                let shutdown = async { drop(stopped.await) };
                let doors = strowger_api::Doors { listener, relayed: None };
                strowger_api::serve(doors, api, shutdown).await.unwrap();
            });
        });
        Server { at, live, now_us, stop: Some(stop), thread: Some(thread), dir }
    }

    /// Works on the database beside the server.
    pub(crate) fn beside<F: Future<Output = ()>>(&self, work: impl FnOnce(Store) -> F) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(async {
            let store = Store::open(&self.dir.join("a.db")).await.unwrap();
            work(store.clone()).await;
            store.close().await;
        });
    }

    /// Where it keeps the file of an import.
    pub(crate) fn deck(&self, id: &str) -> PathBuf {
        self.dir.join("imports").join(format!("{id}.deck"))
    }

    /// Gives a subscriber the number of another, as only somebody beside the server can.
    pub(crate) fn spoil(&self, id: i64, number: &str) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(async {
            let store = Store::open(&self.dir.join("a.db")).await.unwrap();
            let mut w = store.write().await.unwrap();
            let row = w.row::<Subscriber>(Scope::All, id).await.unwrap().unwrap();
            let numbers = vec![Digits::parse(number).unwrap()];
            assert!(w.update(&Subscriber { numbers, ..row }).await.unwrap());
            w.commit().await.unwrap();
            store.close().await;
        });
    }

    /// Asks with the token for everything.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.ask("GET", target, Some(rows::OWNER))
    }

    pub(crate) fn ask(&self, method: &str, target: &str, token: Option<&str>) -> Response {
        ask(self.at, 1, method, target, token)
    }

    /// Moves money under a key, with the token for everything.
    pub(crate) fn pay(&self, target: &str, key: &str, body: &str) -> Response {
        let headers = [("Idempotency-Key", key)];
        send((self.at, 1), "POST", target, Some(rows::OWNER), &headers, body)
    }

    /// Asks an endpoint, with a key and a body that it takes if it takes one.
    pub(crate) fn ask_well(&self, endpoint: &EndpointInfo, token: Option<&str>) -> Response {
        let target = endpoint.path.replace("{id}", "1").replace("{name}", name_of(endpoint.path));
        let target = target.replace("{login}", "1").replace("{number}", "1");
        let text = if endpoint.takes_body { body(endpoint, 1) } else { String::new() };
        let mut headers = Vec::new();
        if endpoint.needs_key {
            headers.push(("Idempotency-Key", endpoint.path));
        }
        if endpoint.needs_version {
            headers.push(("If-Match", VERSION));
        }
        if let Some(media) = media(endpoint) {
            headers.push(("Content-Type", media));
        }
        if endpoint.method == "PATCH" {
            headers.push(("Content-Type", "application/merge-patch+json"));
        }
        send((self.at, 1), endpoint.method, &target, token, &headers, &text)
    }

    /// Tells it to stop.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for its end; a panic of its thread is one of the test.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            self.join();
        }
        let _gone = std::fs::remove_dir_all(&self.dir);
    }
}
