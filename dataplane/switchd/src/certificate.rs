//! Certificates: read at the start, and again on SIGHUP, which the control plane sends as well
//! when an authority has given a new one or a file has changed.

use crate::{complain, splice};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use strowger_link::Key;
use strowger_port::eventfd::EventFd;
use strowger_port::net::{Io, JournalSink, PlaneLink};
use strowger_port::pin::add_nice;
use strowger_port::rng;
use strowger_shard::{Policy, Shard, Tls};
use strowger_stream::tls::{Client, Clients, Identity, Server, Speaks};
use strowger_stream::{Gate, GateLimits, Handshaker, Rate};
use strowger_tuning::{Clients as Asked, Config, Listener as Place, StreamListener};

/// Largest file of certificates or of a key that is read, bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// How much the threads of handshakes give way to the shard: a tenth of its share of a core that
/// both want, which is 500 handshakes a second, and no interruption of it.
const HANDSHAKES_NICE: i32 = 10;

/// What listeners show and whom we trust; the shard has the same.
#[derive(Default)]
pub(crate) struct Certificates {
    servers: BTreeMap<u8, Arc<Server>>,
    client: Option<Arc<Client>>,
}

impl Certificates {
    /// Reads all files.
    ///
    /// # Errors
    /// One line for a person: the key, the file, what is wrong with it.
    pub(crate) fn read(config: &Config) -> Result<Certificates, String> {
        let mut servers = BTreeMap::new();
        for (index, one) in secure(config) {
            let speaks = if one.transport.is_web() { Speaks::Http } else { Speaks::Sip };
            let server = server(config, one, speaks)?;
            servers.insert(index, Arc::new(server));
        }
        let client = match trust(config)? {
            Some(trust) => {
                let client = Client::new(&trust, None);
                Some(Arc::new(client.map_err(|unfit| format!("streams.trust: {unfit}"))?))
            }
            None => None,
        };
        Ok(Certificates { servers, client })
    }

    /// Reads all files again, for new connections. What is unfit leaves that in force which was.
    pub(crate) fn reload(&self, config: &Config) {
        for (index, one) in secure(config) {
            let Some(server) = self.servers.get(&index) else { continue };
            let unfit = |unfit| format!("sip.stream: {}: {unfit}", one.listen);
            let read = files(config, one);
            match read.and_then(|(ids, clients)| server.reload(&ids, clients).map_err(unfit)) {
                Ok(()) => complain(&format!("certificates of {} are read again", one.listen)),
                Err(wrong) => complain(&format!("{wrong}; those of before stay in force")),
            }
        }
        let Some(client) = &self.client else { return };
        let unfit = |unfit| format!("streams.trust: {unfit}");
        let read = trust(config).map(Option::unwrap_or_default);
        if let Err(wrong) = read.and_then(|trust| client.reload(&trust, None).map_err(unfit)) {
            complain(&format!("{wrong}; those of before stay in force"));
        }
    }

    /// What a shard needs for TLS; `None` when nothing is configured. Its waker is rung when a
    /// handshake has gone on.
    ///
    /// # Errors
    /// One line for a person: no descriptor, no random bytes.
    pub(crate) fn tls(
        &self,
        config: &Config,
        listeners: &[Place],
        (handshaker, waker): (&Handshaker, &EventFd),
    ) -> Result<Option<Tls>, String> {
        if self.servers.is_empty() && self.client.is_none() {
            return Ok(None);
        }
        let waker = waker.try_clone().map_err(|e| format!("eventfd: {e}"))?;
        let per_s = config.streams.handshakes_per_s;
        let all = Rate { per_s, burst: per_s.saturating_mul(2) };
        let limits = GateLimits { all, ..GateLimits::default() };
        let key = rng::random_u128().map_err(|e| format!("randomness: {e}"))?;
        let numbered = (0u8..).zip(listeners);
        let server = |(number, place): (u8, &Place)| {
            let server = self.servers.get(&place.stream?)?;
            Some((number, Arc::clone(server)))
        };
        Ok(Some(Tls {
            servers: numbered.filter_map(server).collect(),
            client: self.client.clone(),
            desk: handshaker.desk(Arc::new(move || waker.ring())),
            gate: Gate::new(limits, Key(key.to_le_bytes())),
        }))
    }
}

/// The threads of handshakes, of TLS and of media's keys.
///
/// # Errors
/// One line for a person: no thread.
pub(crate) fn handshaker(config: &Config) -> Result<Handshaker, String> {
    let threads = usize::try_from(config.streams.handshake_threads).unwrap_or(1);
    // The system spreads them over other cores; where there is none, calls go first.
    let begin = |_| {
        let _as_before = add_nice(HANDSHAKES_NICE);
    };
    Handshaker::start(threads, begin).map_err(|e| format!("thread: {e}"))
}

/// Gives a shard what its connections need: TLS, which browsers' pages may connect, and who takes
/// those that are REST's.
///
/// # Errors
/// One line for a person: no thread, no descriptor.
pub(crate) fn arm<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>>(
    shard: &mut Shard<I, J, L, W>,
    config: &Config,
    tls: Option<Tls>,
    listeners: &[Place],
) -> Result<(), String> {
    if let Some(tls) = tls {
        shard.set_tls(tls);
    }
    let mut rest = Vec::new();
    for (number, place) in (0u8..).zip(listeners) {
        let Some(index) = place.stream.map(usize::from) else { continue };
        let Some(one) = config.sip.stream.get(index) else { continue };
        if one.transport.is_web() {
            let origins = one.origins.iter().map(|origin| origin.as_str().into()).collect();
            shard.set_origins(number, Policy { origins });
        }
        if one.rest {
            rest.push(number);
        }
    }
    if !rest.is_empty() {
        shard.set_guests(splice::start(rest, config.rest_socket())?);
    }
    Ok(())
}

fn secure(config: &Config) -> impl Iterator<Item = (u8, &StreamListener)> {
    (0u8..).zip(&config.sip.stream).filter(|(_, one)| one.transport.is_secure())
}

/// What a listener shows from the start. An obtained certificate may not be there yet, or be of no
/// use: another one is on its way.
fn server(config: &Config, one: &StreamListener, speaks: Speaks) -> Result<Server, String> {
    let unfit = |unfit| format!("sip.stream: {}: {unfit}", one.listen);
    let (identities, clients) = files(config, one)?;
    let made = match identities.is_empty() {
        false => Server::new(&identities, clients.clone(), speaks),
        true => {
            complain(&format!("{} has no certificate yet; handshakes fail there", one.listen));
            Server::awaiting(clients.clone(), speaks)
        }
    };
    match made {
        Err(wrong) if one.obtained => {
            complain(&format!("{}; what was obtained is not shown", unfit(wrong)));
            let (rest, _) = files(config, &StreamListener { obtained: false, ..one.clone() })?;
            match rest.is_empty() {
                true => Server::awaiting(clients, speaks),
                false => Server::new(&rest, clients, speaks),
            }
            .map_err(unfit)
        }
        made => made.map_err(unfit),
    }
}

/// Certificates with their keys, the obtained one first, and whom of its clients a listener asks.
fn files(config: &Config, one: &StreamListener) -> Result<(Vec<Identity>, Clients), String> {
    let read = |path: &Path| read(config, "sip.stream", path);
    let mut identities = Vec::new();
    if one.obtained && config.node.data.join(config.acme.file()).exists() {
        let both = read(&config.acme.file())?;
        identities.push(Identity { chain: both.clone(), key: both });
    }
    for certificate in &one.certificates {
        let (chain, key) = (read(&certificate.chain)?, read(&certificate.key)?);
        identities.push(Identity { chain, key });
    }
    let clients = match one.clients {
        Asked::Unasked => Clients::Unasked,
        Asked::Welcome => Clients::Welcome(read(&one.clients_trust)?),
        Asked::Required => Clients::Required(read(&one.clients_trust)?),
    };
    Ok((identities, clients))
}

fn trust(config: &Config) -> Result<Option<Vec<u8>>, String> {
    let path = &config.streams.trust;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    read(config, "streams.trust", path).map(Some)
}

fn read(config: &Config, key: &str, path: &Path) -> Result<Vec<u8>, String> {
    let path = config.node.data.join(path);
    let wrong = |e: &dyn std::fmt::Display| format!("{key}: {}: {e}", path.display());
    let len = std::fs::metadata(&path).map_err(|e| wrong(&e))?.len();
    if len > FILE_BYTES_MAX {
        return Err(wrong(&"is too large for a file of certificates"));
    }
    std::fs::read(&path).map_err(|e| wrong(&e))
}
