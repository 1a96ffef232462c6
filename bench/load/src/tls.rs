//! Connections by TLS, of a client that is `rustls` over blocking sockets.
//!
//! | word | what |
//! |---|---|
//! | `tls-idle` | what a server holds for `--count` connections that said something once |
//! | `tls-handshakes` | `--rate` full handshakes a second for `--secs`, from when each was meant |
//!
//! `--server`, `--trust FILE` (PEM) and `--name` say whom they shake hands with. Each connection is
//! a full handshake: nothing is resumed.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::{Value, json};

use crate::memory::Held;
use crate::words::Words;

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Threads that shake hands at a rate: each may wait for the server.
const THREADS: u32 = 16;
/// Connections at most: one source has no more ports.
const COUNT_MAX: usize = 28_000;
/// Handshakes that take longer count as this, microseconds.
const US_MAX: u64 = 60_000_000;

/// Does what `words` ask for.
pub(crate) fn run(mode: &str, words: &[String]) -> Result<Value, String> {
    let mut words = Words::parse(words)?;
    let to = Server::parse(&mut words)?;
    match mode {
        "tls-idle" => idle(&to, words),
        "tls-handshakes" => handshakes(&to, words),
        other => Err(format!("{other}: tls-idle or tls-handshakes?")),
    }
}

/// Whom to shake hands with.
#[derive(Clone)]
struct Server {
    at: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Server {
    fn parse(words: &mut Words) -> Result<Server, String> {
        let at = words.value("server")?.ok_or("--server is missing")?;
        let name = ServerName::try_from(words.need("name")?).map_err(|e| e.to_string())?;
        let file = words.need("trust")?;
        let pem = fs::read(&file).map_err(|e| format!("{file}: {e}"))?;
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(&pem) {
            let root = root.map_err(|e| format!("{file}: {e}"))?;
            roots.add(root).map_err(|e| format!("{file}: {e}"))?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Server { at, name, config: Arc::new(config) })
    }

    /// A connection whose handshake is done.
    fn connect(&self) -> Result<(ClientConnection, TcpStream), String> {
        let told = |e: &dyn std::fmt::Display| format!("{}: {e}", self.at);
        let session = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut session = session.map_err(|e| told(&e))?;
        let mut tcp = TcpStream::connect(self.at).map_err(|e| told(&e))?;
        tcp.set_read_timeout(Some(PATIENCE)).map_err(|e| told(&e))?;
        tcp.set_nodelay(true).map_err(|e| told(&e))?;
        while session.is_handshaking() {
            session.complete_io(&mut tcp).map_err(|e| told(&e))?;
        }
        Ok((session, tcp))
    }
}

/// Says something and waits for the answer, as a phone does that registers and then rests.
fn speak((mut session, mut tcp): (ClientConnection, TcpStream), n: usize) -> Option<TcpStream> {
    let local = tcp.local_addr().ok()?;
    let request = format!(
        "OPTIONS sip:x@{local} SIP/2.0\r\nVia: SIP/2.0/TLS {local};branch=z9hG4bKidle{n}\r\n\
         From: <sip:a@b>;tag={n}\r\nTo: <sip:x@b>\r\nCall-ID: idle{n}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    let mut stream = rustls::Stream::new(&mut session, &mut tcp);
    stream.write_all(request.as_bytes()).ok()?;
    let mut buffer = [0; 2_048];
    let got = stream.read(&mut buffer).ok()?;
    buffer.get(..got)?.starts_with(b"SIP/2.0 ").then_some(tcp)
}

/// Whether the server has not ended it.
fn is_alive(tcp: &mut TcpStream) -> bool {
    if tcp.set_nonblocking(true).is_err() {
        return false;
    }
    match tcp.read(&mut [0; 64]) {
        // A ticket may wait there.
        Ok(got) => got > 0,
        Err(e) => e.kind() == ErrorKind::WouldBlock,
    }
}

fn idle(to: &Server, mut words: Words) -> Result<Value, String> {
    let held = Held::parse(&words.need("memory")?)?;
    let count = words.or("count", 15_000_usize)?.min(COUNT_MAX);
    let settle: f64 = words.or("settle", 3.0)?;
    words.done()?;
    // The first ones make the server's tables.
    let mut all = Vec::with_capacity(count);
    for n in 0..8 {
        all.extend(speak(to.connect()?, n));
    }
    std::thread::sleep(Duration::from_secs_f64(settle));
    let (before, first) = (held.bytes(), all.len());
    let (began, mut times) = (Instant::now(), histogram()?);
    while all.len() < count {
        let meant = Instant::now();
        let shaken = to.connect()?;
        times.saturating_record(us(meant.elapsed()));
        let silent = || format!("connection {} has no answer", all.len());
        all.push(speak(shaken, all.len()).ok_or_else(silent)?);
    }
    let seconds = began.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs_f64(settle));
    let after = held.bytes();
    let alive = all.iter_mut().filter_map(|tcp| is_alive(tcp).then_some(())).count();
    let more = (count - first).max(1) as f64;
    Ok(json!({
        "mode": "tls-idle",
        "kind": held.kind(),
        "connections": count,
        "alive": alive,
        "bytes": { "before": before, "after": after },
        "bytes_per_connection": after.saturating_sub(before) as f64 / more,
        "all_per_connection": after as f64 / count.max(1) as f64,
        "handshakes_per_s": more / seconds.max(1e-9),
        "handshake_ms": quantiles(&times),
    }))
}

fn handshakes(to: &Server, mut words: Words) -> Result<Value, String> {
    let rate: f64 = words.or("rate", 500.0)?;
    let secs: f64 = words.or("secs", 5.0)?;
    words.done()?;
    if !(rate > 0.0 && rate <= 100_000.0 && secs > 0.0 && secs <= 3_600.0) {
        return Err("--rate is above 0 and at most 100000, --secs at most 3600".into());
    }
    let total = (rate * secs) as u64;
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    let one = || -> Result<Histogram<u64>, String> {
        let mut times = histogram()?;
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= total {
                return Ok(times);
            }
            let meant = began + Duration::from_secs_f64(n as f64 / rate);
            std::thread::sleep(meant.saturating_duration_since(Instant::now()));
            match to.connect() {
                Ok(_closed) => times.saturating_record(us(meant.elapsed())),
                Err(_) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    let mut times = histogram()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(one)).collect();
        for thread in threads {
            let more = thread.join().map_err(|_| "a thread panicked")??;
            times.add(more).map_err(|e| e.to_string())?;
        }
        Ok::<_, String>(())
    })?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(json!({
        "mode": "tls-handshakes",
        "meant": total,
        "made": times.len(),
        "failed": failed.into_inner(),
        "per_s": times.len() as f64 / seconds.max(1e-9),
        "ms": quantiles(&times),
    }))
}

fn histogram() -> Result<Histogram<u64>, String> {
    Histogram::new_with_bounds(1, US_MAX, 3).map_err(|e| e.to_string())
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(US_MAX)
}

fn quantiles(times: &Histogram<u64>) -> Value {
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
    json!({ "p50": ms(0.5), "p99": ms(0.99), "max": times.max() as f64 / 1_000.0 })
}
