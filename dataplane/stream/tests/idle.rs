//! What a connection that says nothing holds: allocations counted, on the server's side only.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use rcgen::{CertificateParams, KeyPair};
use std::sync::Arc;
use strowger_link::{Key, Tick};
use strowger_stream::tls::{Client, Clients, Identity, Server, Speaks};
use strowger_stream::{Item, Pipe, Role, Times};

/// The bar, all included.
const TLS_LEN_MAX: i64 = 20_480;
/// What it is held to here: sockets and tables take the rest.
const PIPE_LEN_MAX: i64 = 5_120;
const CONNECTIONS: i64 = 100;
const NOW: Tick = Tick(1);
const MESSAGE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n";

/// A server's pipe with the bytes that it holds.
struct Counted {
    pipe: Pipe,
    held: i64,
}

impl Counted {
    fn new(make: impl FnOnce() -> Pipe) -> Counted {
        let mut pipe = None;
        let held = allocation_counter::measure(|| pipe = Some(make())).bytes_current;
        Counted { pipe: pipe.unwrap(), held }
    }

    /// Everything a server does with a read: jobs, messages, an answer to each.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut messages = 0;
        let counted = allocation_counter::measure(|| {
            self.pipe.handle_received(bytes, NOW).unwrap();
            while let Some(job) = self.pipe.poll_job() {
                self.pipe.handle_done(job.run(), NOW).unwrap();
            }
            while let Some(item) = self.pipe.poll_message() {
                messages += usize::from(matches!(item, Item::Message(_)));
            }
            for _ in 0..messages {
                self.pipe.send(MESSAGE, NOW).unwrap();
            }
        });
        self.held += counted.bytes_current;
        messages
    }

    fn give(&mut self) -> Vec<u8> {
        let bytes = self.pipe.poll_transmit().unwrap_or_default().to_vec();
        let counted = allocation_counter::measure(|| self.pipe.sent(bytes.len(), NOW));
        self.held += counted.bytes_current;
        bytes
    }
}

/// Opens connections, sends one message each way over each, and tells what one then holds.
fn held(server: impl Fn() -> Pipe, client: impl Fn() -> Pipe) -> i64 {
    let all: Vec<Counted> = (0..CONNECTIONS)
        .map(|_| {
            let (mut ours, mut theirs) = (Counted::new(&server), client());
            theirs.send(MESSAGE, NOW).unwrap();
            let mut heard = 0;
            for _ in 0..8 {
                while let Some(job) = theirs.poll_job() {
                    theirs.handle_done(job.run(), NOW).unwrap();
                }
                let bytes = theirs.poll_transmit().unwrap_or_default().to_vec();
                theirs.sent(bytes.len(), NOW);
                heard += ours.take(&bytes);
                theirs.handle_received(&ours.give(), NOW).unwrap();
                while theirs.poll_message().is_some() {}
            }
            assert!(heard == 1 && ours.pipe.is_open() && theirs.is_open());
            ours
        })
        .collect();
    let sum: i64 = all.iter().map(|one| one.held + size_of::<Pipe>() as i64).sum();
    sum / CONNECTIONS
}

fn keys() -> (Server, Client) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem().into_bytes();
    let identity = Identity { chain: pem.clone(), key: key.serialize_pem().into_bytes() };
    let server = Server::new(&[identity], Clients::Unasked, Speaks::Http).unwrap();
    (server, Client::new(&pem, None).unwrap())
}

#[test]
fn an_idle_tls_connection_holds_little() {
    let (server, client) = keys();
    let times = Times::default();
    let tls = held(
        || Pipe::tls_server(&server, times, NOW),
        || Pipe::tls_client(&client, "a.example", times, NOW).unwrap(),
    );
    let chance = [Key([1; 16]), Key([2; 16])];
    let wss = held(
        || Pipe::wss_server(&server, Arc::default(), times, NOW),
        || Pipe::wss_client(&client, "a.example", "/", chance, times, NOW).unwrap(),
    );
    assert!((1_000..=PIPE_LEN_MAX).contains(&tls), "TLS: {tls} bytes");
    assert!((tls..=PIPE_LEN_MAX + 256).contains(&wss), "WSS: {wss} bytes, TLS: {tls}");
    const { assert!(PIPE_LEN_MAX + 256 < TLS_LEN_MAX / 3) };
}

#[test]
fn an_idle_tcp_connection_holds_no_heap() {
    let times = Times::default();
    let tcp = held(|| Pipe::tcp(Role::Server, times, NOW), || Pipe::tcp(Role::Client, times, NOW));
    assert_eq!(tcp, size_of::<Pipe>() as i64);
}

/// Before it has said anything a client costs next to nothing: no session is made.
#[test]
fn a_silent_tls_client_costs_no_session() {
    let (server, _) = keys();
    let silent = Counted::new(|| Pipe::tls_server(&server, Times::default(), NOW));
    assert!(silent.held < 512, "{} bytes", silent.held);
}
