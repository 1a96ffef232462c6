//! A running server over a database of its own.

use crate::client::{Response, ask, send};
use crate::fake_live::FakeLive;
use crate::rows;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use strowger_api::{Api, EndpointInfo};
use strowger_store::{Sealer, Store};
use tokio::sync::oneshot;

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) live: Arc<FakeLive>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    dir: PathBuf,
}

impl Server {
    /// On a loopback address.
    pub(crate) fn start() -> Server {
        Server::start_on("127.0.0.1:0")
    }

    pub(crate) fn start_on(address: &str) -> Server {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("strowger-rest-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let listener = TcpListener::bind(address).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        let live = Arc::new(FakeLive::new());
        let (stop, stopped) = oneshot::channel();
        let (file, shared) = (dir.join("a.db"), live.clone());
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(async {
                let store = Store::open(&file).await.unwrap();
                rows::write(&store).await;
                let sealer = Sealer::new(&[0x5e; 32]).unwrap();
                let api = Api::new(store.clone(), shared, sealer);
                let shutdown = async { drop(stopped.await) };
                strowger_api::serve(listener, api, shutdown).await.unwrap();
            });
        });
        Server { at, live, stop: Some(stop), thread: Some(thread), dir }
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
        let target = endpoint.path.replace("{id}", "1");
        if !endpoint.takes_body {
            return self.ask(endpoint.method, &target, token);
        }
        let body = if endpoint.path.ends_with("/allowances") {
            r#"{"name":"f","seconds":"9","from":"2020-01-01T00:00:00Z","until":"2100-01-01T00Z"}"#
        } else {
            r#"{"amount":"1.5","currency":"EUR","reason":"gift"}"#
        };
        let headers = [("Idempotency-Key", endpoint.path)];
        send((self.at, 1), endpoint.method, &target, token, &headers, body)
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
