//! Time-outs, on a clock that is moved on whenever nothing else is to do.

use crate::limits::{CONNECTION_MS_MAX, DRAIN_MS_MAX, HEAD_MS_MAX, READY_MS_MAX, REQUEST_MS_MAX};
use crate::{
    AccountBalance, AccountHold, AllowancePool, Api, CallId, CallMessages, CertificateStanding,
    Contact, HostStanding, Live, LiveCall, LogLine, LogOrder, LoginStanding, MessagesOrder,
    MetricsWriter, MoneyOrder, MoneyRefusal, Readiness, Registration, RegistrationKey, Reply,
    RouteRefusal, RouteTest, RouteTested, Stranger, TraceOrder, TraceWords,
};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use strowger_model::{AccountId, Allowance, AllowanceId, TrunkId};
use strowger_store::{MoneyRequest, NewAllowance, Scope, Sealer, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// Never answers.
struct Mute;

impl Live for Mute {
    fn calls(
        &self,
        _: Scope,
        _: (Option<CallId>, usize),
        _: Option<u16>,
    ) -> Reply<'_, Vec<LiveCall>> {
        Box::pin(pending())
    }

    fn call(&self, _: Scope, _: CallId) -> Reply<'_, Option<LiveCall>> {
        Box::pin(pending())
    }

    fn logins(&self, _: TrunkId) -> Reply<'_, Vec<LoginStanding>> {
        Box::pin(pending())
    }

    fn trunk_contacts(&self, _: TrunkId) -> Reply<'_, Vec<Contact>> {
        Box::pin(pending())
    }

    fn forget_contacts(
        &self,
        _: strowger_routing::Holder,
        _: Option<String>,
        _: String,
    ) -> Reply<'_, usize> {
        Box::pin(pending())
    }

    fn hosts(&self, _: TrunkId) -> Reply<'_, Vec<HostStanding>> {
        Box::pin(pending())
    }

    fn failures(&self, _: TrunkId) -> Reply<'_, Vec<crate::TrunkFailure>> {
        Box::pin(pending())
    }

    fn restore(&self, _: TrunkId) -> Reply<'_, ()> {
        Box::pin(pending())
    }

    fn ported(&self, _: Option<strowger_model::Digits>) -> Reply<'_, crate::PortedSeen> {
        Box::pin(pending())
    }

    fn import_ported(&self, _: crate::PortedOrder) -> Reply<'_, Result<crate::PortedSeen, String>> {
        Box::pin(pending())
    }

    fn list_entries(
        &self,
        _: strowger_model::NumberListId,
        _: Option<strowger_model::Digits>,
    ) -> Reply<'_, crate::ListSeen> {
        Box::pin(pending())
    }

    fn change_list(&self, _: crate::ListOrder) -> Reply<'_, Result<crate::ListSeen, String>> {
        Box::pin(pending())
    }

    fn begin_replay(
        &self,
        _: crate::ReplayOrder,
    ) -> Reply<'_, Result<crate::ReplayStanding, crate::ReplayRefusal>> {
        Box::pin(pending())
    }

    fn replays(&self) -> Reply<'_, Vec<crate::ReplayStanding>> {
        Box::pin(pending())
    }

    fn end_replay(&self, _: u64) -> Reply<'_, bool> {
        Box::pin(pending())
    }

    fn hangup(&self, _: Scope, _: CallId, _: String) -> Reply<'_, bool> {
        Box::pin(pending())
    }

    fn registrations(
        &self,
        _: Scope,
        _: Option<RegistrationKey>,
        _: usize,
    ) -> Reply<'_, Vec<Registration>> {
        Box::pin(pending())
    }

    fn balances(&self, _: Vec<AccountId>) -> Reply<'_, Vec<AccountBalance>> {
        Box::pin(pending())
    }

    fn holds(&self, _: AccountId, _: Option<CallId>, _: usize) -> Reply<'_, Vec<AccountHold>> {
        Box::pin(pending())
    }

    fn pools(&self, _: Vec<AllowanceId>) -> Reply<'_, Vec<AllowancePool>> {
        Box::pin(pending())
    }

    fn give(&self, _: NewAllowance) -> Reply<'_, Result<Allowance, MoneyRefusal>> {
        Box::pin(pending())
    }

    fn move_money(&self, _: MoneyOrder) -> Reply<'_, Result<MoneyRequest, MoneyRefusal>> {
        Box::pin(pending())
    }

    fn explain(&self, _: TraceOrder) -> Reply<'_, TraceWords> {
        Box::pin(pending())
    }

    fn test_route(&self, _: RouteTest) -> Reply<'_, Result<RouteTested, RouteRefusal>> {
        Box::pin(pending())
    }

    fn messages(&self, _: MessagesOrder) -> Reply<'_, CallMessages> {
        Box::pin(pending())
    }

    fn log_lines(&self, _: LogOrder) -> Reply<'_, Vec<LogLine>> {
        Box::pin(pending())
    }

    fn strangers(&self, _: usize) -> Reply<'_, Vec<Stranger>> {
        Box::pin(pending())
    }

    fn certificates(&self) -> Reply<'_, Vec<CertificateStanding>> {
        Box::pin(pending())
    }

    fn readiness(&self) -> Reply<'_, Readiness> {
        Box::pin(pending())
    }

    fn metrics(&self, _: &mut MetricsWriter) {}
}

/// Runs `client` against a server over a live side that never answers.
fn with_server<F: Future<Output = ()>>(name: &str, client: impl FnOnce(SocketAddr) -> F) {
    let dir = std::env::temp_dir().join(format!("strowger-serve-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&dir.join("a.db")).await.unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let sealer = Sealer::new(&[1; 32]).unwrap();
        let api = Api::new(store, Arc::new(Mute), sealer);
        let doors = crate::Doors { listener, relayed: None };
        let server = tokio::spawn(crate::serve(doors, api, pending()));
        tokio::time::pause();
        client(at).await;
        server.abort();
    });
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Reads to the end; what came, and when the end came, milliseconds.
async fn read_all(stream: &mut TcpStream) -> (String, u64) {
    let started = Instant::now();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (text, u64::try_from(started.elapsed().as_millis()).unwrap())
}

fn check_about(ms: u64, expect_ms: u64) {
    assert!((expect_ms..expect_ms + 100).contains(&ms), "{ms} is not about {expect_ms}");
}

const ALIVE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn who_sends_no_whole_head_is_dropped() {
    with_server("head", async |at| {
        for begin in [&b""[..], b"GET /healthz HTT"] {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(begin).await.unwrap();
            let (_, ms) = read_all(&mut stream).await;
            check_about(ms, HEAD_MS_MAX);
        }
    });
}

#[test]
fn an_idle_connection_is_dropped() {
    with_server("idle", async |at| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        sleep(Duration::from_millis(HEAD_MS_MAX / 2)).await;
        stream.write_all(ALIVE).await.unwrap();
        let (text, ms) = read_all(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        check_about(ms, HEAD_MS_MAX);
    });
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    with_server("body", async |at| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let (text, ms) = read_all(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{text}");
        assert!(text.contains("application/problem+json"), "{text}");
        check_about(ms, REQUEST_MS_MAX);
    });
}

#[test]
fn parts_that_do_not_answer_are_missing() {
    with_server("ready", async |at| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let (text, ms) = read_all(&mut stream).await;
        assert!(text.contains(r#""missing":["link","database","world"],"#), "{text}");
        check_about(ms, READY_MS_MAX);
    });
}

#[test]
fn a_busy_connection_ends_when_it_is_old() {
    with_server("old", async |at| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let started = Instant::now();
        let mut answer = [0; 1024];
        while stream.write_all(ALIVE).await.is_ok() {
            match stream.read(&mut answer).await {
                Ok(0) | Err(_) => break,
                Ok(_) => sleep(Duration::from_millis(HEAD_MS_MAX / 4)).await,
            }
        }
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap();
        let oldest = CONNECTION_MS_MAX + DRAIN_MS_MAX + HEAD_MS_MAX;
        assert!((CONNECTION_MS_MAX..oldest).contains(&ms), "{ms}");
    });
}
