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
    /// How long an ask may wait for the control plane, milliseconds.
    pub ask_timeout_ms: u32,
}

/// Media.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Local media addresses, at most [`MEDIA_ADDRESSES_MAX`], at least one of each listener's
    /// family. Which one a listener's calls have: see [`Config::listeners`].
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
    /// What packets come in and go out by: `sockets`, `lookup` or `auto`.
    pub backend: Backend,
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
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn shards_have_cores_and_ports_of_their_own() {
        let of = |text: &str| Config::parse(text).unwrap();
        let cores = |text: &str, allowed: &[usize]| of(text).shard_cores(allowed);
        assert_eq!(cores("", &[0]), [None]);
        assert_eq!(cores("", &[0, 3]), [Some(3)]);
        assert_eq!(cores("cores.count = 2", &[0, 1]), [None, None]);
        assert_eq!(cores("cores.count = 2", &[0, 1, 2]), [Some(1), Some(2)]);
        assert_eq!(cores("cores.shards = \"1-2\"", &[0]), [Some(1), Some(2)]);
        let more = "cores.shards = \"1\"\ncores.count = 2";
        assert_eq!(cores(more, &[0, 1]), [Some(1), Some(1)]);
        assert_eq!(of("").media_ports(0), (16_384, 32_767));
        let two = of("cores.count = 2\nmedia.port_min = 20000\nmedia.port_max = 20009");
        assert_eq!([two.media_ports(0), two.media_ports(1)], [(20_000, 20_003), (20_004, 20_007)]);
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn marks_and_the_limit_of_flows_change_something() {
        for line in ["sip.dscp = [26]", "media.dscp = [34]", "media.flow_packets_max = 0"] {
            assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
        }
    }

    #[test]
    fn every_key_changes_something() {
        for line in [
            "node.number = 3",
            "node.data = \"/srv/x\"",
            "node.run = \"/run/x\"",
            "sip.listen = [\"10.0.0.1:5060\"]",
            "sip.listen = [\"[::1]:5060\"]\nmedia.addresses = [\"::1\"]",
            "sip.advertise = [\"192.0.2.1:5060\"]",
            "sip.tcp = false",
            "sip.guests = [\"dids\"]",
            "[[sip.stream]]\nlisten = \"127.0.0.1:5070\"\ntransport = \"tcp\"",
            "sip.t1_ms = 250",
            "sip.t2_ms = 2000",
            "sip.give_up_ms = 8000",
            "sip.call_s_max = 7200",
            "sip.ask_timeout_ms = 1000",
            "media.addresses = [\"10.0.0.1\"]",
            "media.advertise = [\"192.0.2.1\"]",
            "media.port_min = 20000",
            "media.port_max = 20999",
            "cores.shards = \"1\"",
            "cores.control = \"0\"",
            "cores.count = 2",
            "cores.slots = 100",
            "journal.segment_mib = 4",
            "journal.waiting_mib_max = 64",
            "journal.keep_days = 30",
            "journal.group_commit_ms = 20",
            "admin.listen = \"127.0.0.1:9000\"",
            "database.url = \"sqlite:other.db\"",
            "database.url = \"postgres://strowger@db.example/strowger\"",
            "database.url = \"postgresql:///strowger?host=/run/postgresql\"",
            "database.url = \"postgres://h/n\"\ndatabase.password_file = \"db.password\"",
            "database.trace_days = 7",
            "log.level = \"debug\"",
            "trace.messages_mib = 0",
            "trace.hep = \"192.0.2.7:9060\"",
            "trace.hep_agent = 2001",
            "overload.delay_ms = 20",
            "overload.interval_ms = 50",
            "overload.silence_ms = 300",
            "overload.stranger_datagrams = 0",
            "overload.stranger_requests = 10",
            "overload.stranger_challenges = 10",
            "overload.exempt = [\"192.0.2.0/24\", \"2001:db8::/32\"]",
            "overload.units = 1000",
            "overload.ask_ms = 1000",
            "overload.ask_restart_ms = 5000",
            "overload.media_late_ms = 0",
            "overload.sip_buffer_kib = 1024",
            "guard.agents = [\"scanner\"]",
            "guard.honeypots = [\"9009\"]",
            "dns.servers = [\"192.0.2.53:53\"]",
            "targets.allowed = [\"10.0.0.0/8\", \"::1/128\"]",
            "overload.media_buffer_kib = 256",
            "streams.connections_max = 100",
            "streams.per_source_max = 0",
            "streams.connect_ms = 500",
            "streams.ping_s = 0",
            "streams.idle_s = 60",
            "streams.first_ms = 1000",
            "streams.message_ms = 1000",
            "streams.udp_bytes_max = 65535",
            "streams.trust = \"roots.pem\"",
            "streams.handshake_threads = 2",
            "streams.handshakes_per_s = 100",
        ] {
            assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
        }
    }

    #[test]
    fn media_goes_by_sockets_unless_told_otherwise() {
        let of = |text: &str| Config::parse(text).unwrap().media.backend;
        assert_eq!(of(""), Backend::Sockets);
        assert_eq!(of("media.backend = \"lookup\""), Backend::Lookup);
        assert_eq!(of("media.backend = \"auto\""), Backend::Auto);
    }

    #[test]
    fn every_key_of_certificates_changes_something() {
        for line in [
            "acme.names = [\"sip.example.com\"]\nacme.terms_agreed = true",
            "acme.directory = \"https://ca.example/directory\"",
            "acme.trust = \"authority.pem\"",
            "acme.contacts = [\"mailto:a@example.com\"]",
            "acme.folder = \"certificates\"",
            "acme.listen = \"127.0.0.1:8081\"",
        ] {
            assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
        }
    }

    #[test]
    fn every_key_of_facts_changes_something() {
        for line in [
            "facts.trust = \"roots.pem\"",
            "facts.dip.url = \"https://np.example/{number}\"",
            "facts.dip.token_file = \"dip.token\"",
            "facts.dip.pointer = \"/a/0\"",
            "facts.dip.gives = \"number\"",
            "facts.dip.keep_s = 0",
            "facts.dip.keep_nothing_s = 60",
            "facts.enum_suffix = \"e164.arpa\"",
            "facts.hook.url = \"https://app.example/call\"",
            "facts.hook.token_file = \"hook.token\"",
        ] {
            assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
        }
    }

    #[test]
    fn who_is_asked_about_calls_is_checked() {
        let url = |url: &str| format!("facts.dip.url = \"{url}\"");
        let with_token =
            |url: &str| format!("[facts.dip]\nurl = \"{url}\"\ntoken_file = \"dip.token\"");
        for (text, says) in [
            (url("ftp://a/{number}"), "facts.dip.url: must begin with `https://` or `http://`"),
            (url("http://a/"), "facts.dip.url: must have one `{number}`"),
            (url("http://a/{number}{number}"), "facts.dip.url: must have one `{number}`"),
            (url("http://u:p@a/{number}"), "facts.dip.url: must hold no user and no password"),
            (url("http:///{number}"), "facts.dip.url: names no host"),
            (url("http://{number}.a/"), "facts.dip.url: names no host"),
            (url("http://a/ {number}"), "facts.dip.url: has a character that no URL has"),
            (
                with_token("http://np.example/{number}"),
                "facts.dip.url: must begin with `https://`, a token does not travel in clear text",
            ),
            ("facts.hook.url = \"app\"".into(), "facts.hook.url: must begin with `https://`"),
            ("facts.dip.pointer = \"a\"".into(), "facts.dip.pointer: must begin with `/`"),
            (
                "facts.dip.gives = \"both\"".into(),
                "facts.dip.gives: must be prefix or number, is `both`",
            ),
            (
                "facts.dip.keep_s = 2592001".into(),
                "facts.dip.keep_s: at most 2592000, 2592001 given",
            ),
            (
                "facts.enum_suffix = \".e164.arpa\"".into(),
                "facts.enum_suffix: `.e164.arpa` is no domain name",
            ),
        ] {
            let said = Config::parse(&text).unwrap_err().to_string();
            assert!(said.contains(says), "{text}: {said}");
        }
        for url in ["http://127.0.0.1:8000/{number}", "http://[::1]/{number}", "https://a/{number}"]
        {
            Config::parse(&with_token(url)).unwrap();
        }
    }

    #[test]
    fn errors_name_the_key() {
        for (text, says) in [
            ("sip.listne = []", "line 1: sip.listne: unknown field `listne`"),
            ("sip.listen = [\"5060\"]", "line 1: sip.listen: invalid socket address syntax"),
            ("[sip]\nlisten = [\"x\"]", "line 2: sip.listen: invalid socket address syntax"),
            ("[sip]\nlisten = [\n  \"x\",\n]", "line 3: sip.listen: invalid socket"),
            ("[log]\n[media]\nport_min = \"low\"", "line 3: media.port_min: invalid type"),
            ("[phones]\n", "line 1: phones: unknown field `phones`"),
            ("sip = \n", "line 1: sip: "),
            ("= 5", "line 1: "),
            ("sip.guests = [\"all\"]", "line 1: sip.guests: unknown variant `all`"),
            (
                "sip.guests = [\"dids\", \"refuse\"]",
                "sip.guests: one for each of sip.listen, 1 wanted, 2 given",
            ),
            ("sip.dscp = [64]", "sip.dscp: must be 0 to 63, is 64"),
            ("sip.dscp = [1, 2]", "sip.dscp: one for each of sip.listen, 1 wanted, 2 given"),
            ("media.dscp = [255]", "media.dscp: must be 0 to 63, is 255"),
            ("media.dscp = [0, 0]", "media.dscp: one for each of media.addresses, 1 wanted"),
            ("media.flow_packets_max = 49", "media.flow_packets_max: must be 50 to 1000000, is 49"),
            ("sip.listen = []", "sip.listen: at least one address is needed"),
            ("sip.t1_ms = 0", "sip.t1_ms: must be 10 to 10000, is 0"),
            ("sip.t2_ms = 5", "sip.t2_ms: must be 10 to 60000, is 5"),
            (
                "sip.t1_ms = 2000\nsip.give_up_ms = 3000",
                "sip.give_up_ms: must be 4000 to 640000, is 3000",
            ),
            ("sip.call_s_max = 59", "sip.call_s_max: must be 60 to 2592000, is 59"),
            ("media.backend = \"xdp\"", "line 1: media.backend: unknown variant `xdp`"),
            ("media.port_min = 16385", "media.port_min: must be even, is 16385"),
            (
                "media.port_max = 100",
                "media.port_max: must be odd and above media.port_min, is 100",
            ),
            ("cores.shards = \"a\"", "cores.shards: `a` is no core number"),
            ("cores.slots = 70000", "cores.slots: must be 1 to 65535, is 70000"),
            ("node.number = 300", "node.number: must be 0 to 255, is 300"),
            ("journal.segment_mib = 0", "journal.segment_mib: must be 1 to 1024, is 0"),
            (
                "journal.waiting_mib_max = 31",
                "journal.waiting_mib_max: must be 32 to 4194304, is 31",
            ),
            ("journal.keep_days = 0", "journal.keep_days: must be 1 to 3650, is 0"),
            ("journal.group_commit_ms = 60", "journal.group_commit_ms: must be 1 to 50, is 60"),
            ("log.level = \"loud\"", "log.level: must be error, warn, info or debug, is `loud`"),
            ("database.trace_days = 0", "database.trace_days: must be 1 to 3650, is 0"),
            (
                "sip.advertise = [\"1.2.3.4:1\", \"1.2.3.4:2\"]",
                "sip.advertise: one address for each of sip.listen, 1 wanted, 2 given",
            ),
        ] {
            let said = problem(text);
            assert!(said.starts_with(says), "{text}: {said}");
        }
    }

    #[test]
    fn errors_of_the_database_name_the_key_and_no_password() {
        for (text, says) in [
            (
                "database.url = \"mysql:x\"",
                "database.url: must begin with `sqlite:`, `postgres://` or `postgresql://`",
            ),
            (
                "database.url = \"postgres:x\"",
                "database.url: must begin with `sqlite:`, `postgres://` or `postgresql://`",
            ),
            ("database.url = \"sqlite:\"", "database.url: names no file"),
            (
                "database.url = \"postgres://u:secret@h/n\"",
                "database.url: must hold no password; database.password_file names its file",
            ),
            (
                "database.url = \"postgres://u:se/cret@h/n\"",
                "database.url: must hold no password; database.password_file names its file",
            ),
            (
                "database.url = \"postgres://h/n?sslmode=require&password=secret\"",
                "database.url: must hold no password; database.password_file names its file",
            ),
            (
                "database.password_file = \"x\"",
                "database.password_file: SQLite has no password, database.url names a file",
            ),
        ] {
            let said = problem(text);
            assert!(said.starts_with(says), "{text}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn errors_of_shards_name_the_key() {
        for (text, says) in [
            (
                "cores.shards = \"1-2\"\ncores.count = 1",
                "cores.count: 2 cores are named in cores.shards for 1 shard",
            ),
            ("cores.count = 33", "cores.count: must be 1 to 32, is 33"),
            (
                "cores.count = 2\nmedia.port_min = 20000\nmedia.port_max = 20005",
                "media.port_max: 6 ports are too few for 2 shards: each has 4 at least",
            ),
        ] {
            let said = problem(text);
            assert!(said.starts_with(says), "{text}: {said}");
        }
    }

    #[test]
    fn errors_of_overload_name_the_key() {
        for (text, says) in [
            ("overload.delay_ms = 0", "overload.delay_ms: must be 1 to 10000, is 0"),
            ("overload.interval_ms = 0", "overload.interval_ms: must be 1 to 10000, is 0"),
            ("overload.silence_ms = 49", "overload.silence_ms: must be 50 to 60000, is 49"),
            (
                "overload.stranger_requests = 1000001",
                "overload.stranger_requests: must be 0 to 1000000, is 1000001",
            ),
            ("overload.exempt = [\"10.0.0.0/33\"]", "line 1: overload.exempt: `10.0.0.0/33` is no"),
            (
                "overload.exempt = [\"10.0.0.1\"]",
                "line 1: overload.exempt: `10.0.0.1` is no network",
            ),
            ("overload.units = 15", "overload.units: must be 16 to 100000000, is 15"),
            ("overload.ask_ms = 5", "overload.ask_ms: must be 10 to 60000, is 5"),
            (
                "overload.ask_restart_ms = 100",
                "overload.ask_restart_ms: must be 500 to 60000, is 100",
            ),
            ("overload.media_late_ms = 60001", "overload.media_late_ms: must be 0 to 60000, is"),
            ("overload.sip_buffer_kib = 1", "overload.sip_buffer_kib: must be 64 to 1048576, is 1"),
            (
                "overload.media_buffer_kib = 1",
                "overload.media_buffer_kib: must be 16 to 1048576, is 1",
            ),
        ] {
            let said = problem(text);
            assert!(said.starts_with(says), "{text}: {said}");
        }
    }

    #[test]
    fn errors_of_connections_name_the_key() {
        let stream = |keys: &str| format!("[[sip.stream]]\n{keys}");
        for (text, says) in [
            (
                stream("listen = \"127.0.0.1:5070\"\ntransport = \"udp\""),
                "line 3: sip.stream.transport: unknown variant `udp`, expected one of `tcp`",
            ),
            (
                stream("listen = \"0.0.0.0:5070\"\ntransport = \"tcp\""),
                "sip.stream: 0.0.0.0:5070 of sip.stream is no address of a host: peers must",
            ),
            (
                stream("listen = \"127.0.0.1:5060\"\ntransport = \"tcp\""),
                "sip.stream: 127.0.0.1:5060 is listened on for TCP already",
            ),
            (
                stream("listen = \"[::1]:5070\"\ntransport = \"tcp\""),
                "media.addresses: no IPv6 address, and [::1]:5070 of sip.stream needs one",
            ),
            (
                stream(
                    "listen = \"127.0.0.1:5070\"\ntransport = \"tcp\"\n\
                     advertise = \"[2001:db8::1]:0\"",
                ),
                "sip.stream: [2001:db8::1]:0 is not of the family of 127.0.0.1:5070",
            ),
            (
                stream("listen = \"127.0.0.1:5070\"\ntransport = \"tcp\"\norigins = [\"x\"]"),
                "sip.stream: origins are for ws and wss, 127.0.0.1:5070 is tcp",
            ),
            (
                stream("listen = \"127.0.0.1:5061\"\ntransport = \"tls\""),
                "sip.stream: 127.0.0.1:5061 is tls and has no certificates",
            ),
            (
                stream(
                    "listen = \"127.0.0.1:5070\"\ntransport = \"tcp\"\n\
                     certificates = [{ chain = \"a\", key = \"b\" }]",
                ),
                "sip.stream: certificates are for tls and wss, 127.0.0.1:5070 is tcp",
            ),
            (
                stream(
                    "listen = \"127.0.0.1:5061\"\ntransport = \"tls\"\nclients = \"required\"\n\
                     certificates = [{ chain = \"a\", key = \"b\" }]",
                ),
                "sip.stream: 127.0.0.1:5061 asks for certificates and has no clients_trust",
            ),
            (
                "streams.connections_max = 0".to_owned(),
                "streams.connections_max: must be 1 to 1000000, is 0",
            ),
            ("streams.connect_ms = 10".to_owned(), "streams.connect_ms: must be 100 to 30000, is"),
            ("streams.idle_s = 5".to_owned(), "streams.idle_s: must be 30 to 1000000, is 5"),
            ("streams.udp_bytes_max = 1".to_owned(), "streams.udp_bytes_max: must be 500 to 65535"),
        ] {
            let said = problem(&text);
            assert!(said.starts_with(says), "{text}: {said}");
        }
        let many = (0..15).map(|n| {
            stream(&format!("listen = \"127.0.0.1:{}\"\ntransport = \"tcp\"\n", 6000 + n))
        });
        let said = problem(&many.collect::<String>());
        assert_eq!(said, "sip.stream: 17 listeners with those of sip.listen, at most 16");
    }

    #[test]
    fn errors_of_certificates_name_the_key() {
        let stream = |keys: &str| format!("[[sip.stream]]\n{keys}");
        for (text, says) in [
            (
                "acme.names = [\"*.example.com\"]\nacme.terms_agreed = true".to_owned(),
                "acme.names: `*.example.com` is no host name",
            ),
            ("acme.names = [\"host\"]".to_owned(), "acme.names: `host` is no host name"),
            ("acme.names = [\"a.example\"]".to_owned(), "acme.terms_agreed: must be true"),
            (
                "acme.names = [\"a.example\"]\nacme.directory = \"http://x\"".to_owned(),
                "acme.directory: must begin with https://, is `http://x`",
            ),
            (
                stream("listen = \"127.0.0.1:5061\"\ntransport = \"tls\"\nobtained = true"),
                "sip.stream: 127.0.0.1:5061 shows what is obtained, and acme.names is empty",
            ),
            (
                stream("listen = \"127.0.0.1:5070\"\ntransport = \"tcp\"\nobtained = true"),
                "sip.stream: certificates are for tls and wss, 127.0.0.1:5070 is tcp",
            ),
            (
                stream("listen = \"127.0.0.1:5061\"\ntransport = \"ws\"\nrest = true"),
                "sip.stream: rest is for wss, 127.0.0.1:5061 is ws",
            ),
        ] {
            let said = problem(&text);
            assert!(said.starts_with(says), "{text}: {said}");
        }
    }

    #[test]
    fn errors_of_addresses_name_the_key() {
        for (text, says) in [
            ("media.addresses = [\"0.0.0.0\"]", "media.addresses: 0.0.0.0 is no address of a host"),
            ("media.addresses = [\"::\"]", "media.addresses: :: is no address of a host"),
            (
                "sip.listen = [\"[::1]:5060\"]",
                "media.addresses: no IPv6 address, and [::1]:5060 of sip.listen needs one",
            ),
            (
                "media.addresses = [\"::1\"]",
                "media.addresses: no IPv4 address, and 127.0.0.1:5060 of sip.listen needs one",
            ),
            (
                "sip.listen = [\"0.0.0.0:5060\"]",
                "sip.advertise: 0.0.0.0:5060 of sip.listen is no address of a host: peers must be \
                 told another one",
            ),
            (
                "sip.listen = [\"[::]:5060\"]\nmedia.addresses = [\"::1\"]",
                "sip.advertise: [::]:5060 of sip.listen is no address of a host: peers must",
            ),
            (
                "sip.listen = [\"0.0.0.0:5060\"]\nsip.advertise = [\"0.0.0.0:5060\"]",
                "sip.advertise: 0.0.0.0 is no address of a host",
            ),
            (
                "sip.advertise = [\"[2001:db8::1]:5060\"]",
                "sip.advertise: [2001:db8::1]:5060 is not of the family of 127.0.0.1:5060",
            ),
            (
                "media.advertise = [\"2001:db8::1\"]",
                "media.advertise: 2001:db8::1 is not of the family of 127.0.0.1",
            ),
            (
                "sip.listen = [\"[::ffff:10.0.0.1]:5060\"]",
                "sip.listen: ::ffff:10.0.0.1 is an IPv4 address, write 10.0.0.1",
            ),
            (
                "media.advertise = [\"::ffff:10.0.0.1\"]",
                "media.advertise: ::ffff:10.0.0.1 is an IPv4 address, write 10.0.0.1",
            ),
            ("sip.listen = [\"[ff02::1]:5060\"]", "sip.listen: ff02::1 is a multicast address"),
            (
                "sip.listen = [\"[fe80::1]:5060\"]",
                "sip.listen: fe80::1 is a link-local address, which means nothing to other links",
            ),
            (
                "sip.listen = [\"10.0.0.1:5060\", \"10.0.0.1:5060\"]",
                "sip.listen: 10.0.0.1:5060 stands there twice",
            ),
        ] {
            let said = problem(text);
            assert!(said.starts_with(says), "{text}: {said}");
        }
    }

    #[test]
    fn a_port_is_no_password() {
        for url in ["postgres://h:5432/n", "postgres://u@h:5432/n", "postgres://[::1]:5432/n?a=@:"]
        {
            let config = Config::parse(&format!("database.url = \"{url}\"")).unwrap();
            assert_eq!(config.database.url, url);
        }
    }
}
