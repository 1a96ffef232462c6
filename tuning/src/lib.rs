//! The process configuration: one TOML file for both planes and the supervisor.
//!
//! It says what a host has (addresses, cores, directories), never what a customer bought: trunks,
//! prices and users are data in the database. Unknown keys are refused; every error names the key.
//! `profiles/` holds commented examples for kinds of host. [`Config::parse`] is pure;
//! [`Words::load`] is the one place that opens the file, by the words of the command line that all
//! programs share.
//!
//! Start at [`Config::parse`].

mod acme;
mod backend;
mod check;
mod cores;
mod facts;
mod guard;
mod guests;
pub mod host;
mod listener;
mod overload;
mod stream;
pub mod tune;
mod words;

pub use acme::{ACME_FILE, ACME_NAMES_MAX, Acme};
pub use backend::Backend;
pub use check::Problem;
pub use cores::{CoreList, parse_cores};
pub use facts::{Dip, FACT_KEEP_S_MAX, FACT_URL_MAX, Facts, Hook, NUMBER_PLACE};
pub use guard::{Guard, UNWANTED_MAX};
pub use guests::Guests;
pub use listener::Listener;
pub use overload::{EXEMPT_MAX, Network, Overload};
pub use stream::{Certificate, Clients, StreamListener, Streams, Transport};
pub use words::{CONFIG_BYTES_MAX, Demo, Words, WrongWord, read};

use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Most UDP listeners of a process.
pub const UDP_LISTENERS_MAX: usize = 8;
/// Most SIP listeners of a process, those for connections included.
pub const LISTENERS_MAX: usize = 16;
/// Most local media addresses.
pub const MEDIA_ADDRESSES_MAX: usize = 8;
/// Most interfaces at which the kernel relays by itself.
pub const INTERFACES_MAX: usize = 8;
/// The largest mark of datagrams: it has six bits.
pub const DSCP_MAX: u8 = 63;
/// The usual mark of signalling: CS3 (RFC 4594).
pub const SIP_DSCP: u8 = 24;
/// Most name servers.
pub const NAME_SERVERS_MAX: usize = 8;
/// Most networks of [`Targets::allowed`].
pub const ALLOWED_MAX: usize = 256;
/// Most call slots of a shard: a slot's index has 16 bits.
pub const SLOTS_MAX: u32 = 65_535;
/// Most shards of one dataplane.
pub const SHARDS_MAX: u8 = 32;

/// The whole file.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// This node.
    pub node: Node,
    /// Signalling.
    pub sip: Sip,
    /// Media.
    pub media: Media,
    /// Threads and cores.
    pub cores: Cores,
    /// Journal of facts.
    pub journal: Journal,
    /// REST endpoint.
    pub admin: Admin,
    /// Database.
    pub database: Database,
    /// Logs.
    pub log: Log,
    /// Overload and floods.
    pub overload: Overload,
    /// SIP messages for whoever asks afterwards.
    pub trace: Trace,
    /// Connections.
    pub streams: Streams,
    /// Strangers that give themselves away.
    pub guard: Guard,
    /// Where calls may be sent to.
    pub targets: Targets,
    /// Names.
    pub dns: Dns,
    /// Certificates that an authority gives.
    pub acme: Acme,
    /// Who is asked what only the outside knows of a call.
    pub facts: Facts,
}

/// This node.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    /// Number of this node, 0 to 255; stands in record origins.
    pub number: u32,
    /// Directory for database, journal, tokens; relative to the working directory.
    pub data: PathBuf,
    /// Directory for the call table and sockets, on tmpfs if possible; empty = `run` inside `data`.
    pub run: PathBuf,
}

/// Signalling.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sip {
    /// UDP addresses to listen on, at most [`UDP_LISTENERS_MAX`], IPv4 and IPv6 in any order.
    pub listen: Vec<SocketAddr>,
    /// Address that peers are told, for each listener in order and of its family; empty = the
    /// listener's own, port 0 = the listener's own port. A listener on all addresses (`0.0.0.0`,
    /// `::`) needs one.
    pub advertise: Vec<SocketAddr>,
    /// Listen for TCP at each of the UDP addresses as well (RFC 3261 18.2.1 wants it).
    pub tcp: bool,
    /// What becomes of calls of strangers without credentials, for each listener in order: one of
    /// `challenge`, `refuse`, `dids`, `account`; empty = `challenge` everywhere.
    pub guests: Vec<Guests>,
    /// DSCP of what is sent, for each listener in order, 0 to 63 (RFC 2474); empty = 24 (CS3)
    /// everywhere. TCP beside a UDP listener has the same.
    pub dscp: Vec<u8>,
    /// Further listeners, for connections: all together at most [`LISTENERS_MAX`].
    pub stream: Vec<StreamListener>,
    /// T1, milliseconds (RFC 3261 17.1.1.1; source `MINRESENDIVAL`).
    pub t1_ms: u32,
    /// T2, milliseconds: the longest pause before something is sent again (17.1.2.1; source
    /// `sipmsgresendival`). Never below T1.
    pub t2_ms: u32,
    /// How long a request or answer is sent again until it is given up, milliseconds (timers B, F
    /// and H; in place of a number of times, source `sipmsgresendcount`); 0 = 64 T1.
    pub give_up_ms: u32,
    /// Longest call from its first INVITE to its end, talking or not, seconds (source
    /// `ABSOLUTETIMEOUT`); 0 = no limit but those of ringing and talking.
    pub call_s_max: u32,
    /// The Call-ID of each branch begins as that of its caller, without what stands behind its `@`:
    /// one search finds both in a trace of somebody else. Off, a Call-ID says nothing of another.
    pub related_call_ids: bool,
    /// How long an ask may wait for the control plane, milliseconds.
    pub ask_timeout_ms: u32,
}

/// Media.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Local media addresses, at most [`MEDIA_ADDRESSES_MAX`], at least one of each listener's
    /// family. Which one a listener's calls have: see [`Config::listeners`]; what is no listener's
    /// has the calls of its family that find more room there.
    pub addresses: Vec<IpAddr>,
    /// Address that peers are told, for each media address in order and of its family; empty = the
    /// address itself.
    pub advertise: Vec<IpAddr>,
    /// First port (source `MinRTP`), even.
    pub port_min: u16,
    /// Last port (source `MaxRTP`), odd.
    pub port_max: u16,
    /// DSCP of media, for each media address in order, 0 to 63; empty = 46 (EF) everywhere.
    pub dscp: Vec<u8>,
    /// Packets that one party may send on one line in a second; what is beyond is dropped and
    /// counted (`media_flooded`). 0 = as many as come.
    pub flow_packets_max: u32,
    /// What packets come in and go out by: `sockets`, `lookup`, `tc`, `xdp`, `uring` or `auto`.
    pub backend: Backend,
    /// Interfaces at which the kernel relays by itself, at most [`INTERFACES_MAX`]; with `tc` and
    /// `xdp` at least one.
    pub interfaces: Vec<String>,
    /// With `xdp`, the program runs right behind a driver that has no place for it, rather than
    /// `tc`.
    pub xdp_generic: bool,
}

/// Threads and cores.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Cores {
    /// Cores that shards are pinned to, for example `"1"` or `"1-3"`, one shard to each in order;
    /// empty = the last cores of the host, as long as one is left for the control plane, else none.
    pub shards: String,
    /// How many shards there are; 0 = one for each core that `shards` names, at least one.
    pub count: u32,
    /// Cores of the control plane, for example `"0,2-3"`; empty = all but the shards'.
    pub control: String,
    /// Call slots of each shard.
    pub slots: u32,
}

/// Journal of facts.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Size of a segment, MiB.
    pub segment_mib: u32,
    /// Longest wait for company before a sync, milliseconds.
    pub group_commit_ms: u32,
    /// What may wait for the database, MiB; beyond it new calls are refused, running ones recorded.
    pub waiting_mib_max: u32,
    /// Days that segments are kept when the database has them: a backup older than this cannot be
    /// brought up to date from them.
    pub keep_days: u32,
}

/// SIP messages for whoever asks afterwards.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trace {
    /// The last messages that are kept in memory, MiB (a message takes about 700 bytes); 0 = none.
    pub messages_mib: u32,
    /// Where copies of all messages are sent by HEP version 3 over UDP; empty = nowhere.
    pub hep: Option<SocketAddr>,
    /// What they say who captured them.
    pub hep_agent: u32,
}

/// REST endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address to listen on.
    pub listen: SocketAddr,
}

/// Database.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `sqlite:FILE`, the file relative to `node.data`, or `postgres://USER@HOST/NAME`, a socket's
    /// directory as `?host=/DIRECTORY`. No password stands in it.
    pub url: String,
    /// File whose first line is PostgreSQL's password, relative to `node.data`, for its owner
    /// alone; empty = PostgreSQL's own ways (peer, `.pgpass`).
    pub password_file: PathBuf,
    /// Days that the reasons of decisions (traces of calls) are kept; records are kept apart.
    pub trace_days: u32,
}

/// Names.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Name servers, at most [`NAME_SERVERS_MAX`]; empty = those of the host.
    pub servers: Vec<SocketAddr>,
}

/// Where calls may be sent to.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Targets {
    /// Networks of loopback, link-local and private addresses that calls may be sent to all the
    /// same, at most [`ALLOWED_MAX`]. A trunk may have private ones to itself
    /// (`egress.allow_private`). Our own listeners are never called.
    pub allowed: Vec<Network>,
}

/// Logs.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Least level written: `error`, `warn`, `info`, `debug`.
    pub level: String,
}

impl Default for Node {
    fn default() -> Self {
        Node { number: 0, data: "data".into(), run: PathBuf::new() }
    }
}

impl Default for Sip {
    fn default() -> Self {
        Sip {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5060))],
            advertise: Vec::new(),
            tcp: true,
            guests: Vec::new(),
            dscp: Vec::new(),
            stream: Vec::new(),
            t1_ms: 500,
            t2_ms: 4_000,
            give_up_ms: 0,
            call_s_max: 0,
            related_call_ids: false,
            ask_timeout_ms: 3000,
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        Media {
            addresses: vec![IpAddr::from([127, 0, 0, 1])],
            advertise: Vec::new(),
            // Outside the ephemeral range, so that no resolver's port is ever taken for a flow's.
            port_min: 16_384,
            port_max: 32_767,
            dscp: Vec::new(),
            flow_packets_max: 2_000,
            backend: Backend::Sockets,
            interfaces: Vec::new(),
            xdp_generic: false,
        }
    }
}

impl Default for Trace {
    fn default() -> Self {
        Trace { messages_mib: 16, hep: None, hep_agent: 1 }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Journal { segment_mib: 16, group_commit_ms: 10, waiting_mib_max: 8_192, keep_days: 7 }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Admin { listen: SocketAddr::from(([127, 0, 0, 1], 8080)) }
    }
}

impl Default for Database {
    fn default() -> Self {
        Database { url: "sqlite:strowger.db".into(), password_file: PathBuf::new(), trace_days: 30 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into() }
    }
}

impl Config {
    /// Parses and checks the text of a configuration file.
    ///
    /// # Errors
    /// One [`Problem`]: the key and what is wrong with it.
    pub fn parse(text: &str) -> Result<Config, Problem> {
        let config: Config = toml::from_str(text).map_err(|e| Problem::of_toml(text, &e))?;
        config.check()?;
        Ok(config)
    }

    /// The directory of call table and sockets.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        if self.node.run.as_os_str().is_empty() {
            self.node.data.join("run")
        } else {
            self.node.run.clone()
        }
    }

    /// Where the dataplane brings the control plane HTTP that came to its listeners (`rest` of
    /// [`StreamListener`]).
    #[must_use]
    pub fn rest_socket(&self) -> PathBuf {
        self.run_dir().join("rest.sock")
    }

    /// All addresses that are listened on, REST's included.
    pub fn listen_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let streams = self.sip.stream.iter().map(|stream| stream.listen);
        let udp = self.sip.listen.iter().copied();
        let acme = self.acme.is_wanted().then_some(self.acme.listen);
        udp.chain(streams).chain([self.admin.listen]).chain(acme)
    }

    /// Units of work that a shard takes on at once.
    #[must_use]
    pub const fn units(&self) -> u32 {
        match self.overload.units {
            0 => self.slots() * 8 + 65_536,
            units => units,
        }
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u8 {
        let named = parse_cores(&self.cores.shards).map_or(1, |cores| cores.len().max(1));
        let count = match self.cores.count {
            0 => u8::try_from(named).unwrap_or(SHARDS_MAX),
            count => u8::try_from(count).unwrap_or(SHARDS_MAX),
        };
        count.min(SHARDS_MAX)
    }

    /// The core of each shard on a host that lets this process have the cores `allowed`, rising;
    /// `None` = it is not pinned.
    #[must_use]
    pub fn shard_cores(&self, allowed: &[usize]) -> Vec<Option<usize>> {
        let count = usize::from(self.shards());
        let named = parse_cores(&self.cores.shards).unwrap_or_default();
        let from = allowed.len().saturating_sub(count);
        let cores: &[usize] = match named.as_slice() {
            // One core at least is the control plane's.
            [] if from == 0 => &[],
            [] => allowed.get(from..).unwrap_or_default(),
            named => named,
        };
        (0..count).map(|shard| cores.get(shard.checked_rem(cores.len())?).copied()).collect()
    }

    /// First and last media port of a shard: the range in equal parts of whole pairs of calls.
    #[must_use]
    pub fn media_ports(&self, shard: u8) -> (u16, u16) {
        let Media { port_min, port_max, .. } = self.media;
        let all = u32::from(port_max).saturating_sub(u32::from(port_min)) + 1;
        let each = match self.shards() {
            0 | 1 => return (port_min, port_max),
            shards => all / u32::from(shards) / 4 * 4,
        };
        let first = u32::from(port_min) + each * u32::from(shard);
        let port = |number: u32| u16::try_from(number).unwrap_or(port_max);
        (port(first), port((first + each).saturating_sub(1)))
    }

    /// Call slots of each shard, the default being 4,096.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        if self.cores.slots == 0 { 4096 } else { self.cores.slots }
    }
}

#[cfg(test)]
mod tests;
