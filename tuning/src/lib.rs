//! The process configuration: one TOML file for both planes and the supervisor.
//!
//! It says what a host has (addresses, cores, directories), never what a customer bought: trunks,
//! prices and users are data in the database. Unknown keys are refused; every error names the key.
//! `profiles/` holds commented examples for kinds of host. [`Config::parse`] is pure;
//! [`Words::load`] is the one place that opens the file, by the words of the command line that all
//! programs share.
//!
//! Start at [`Config::parse`].

mod check;
mod cores;
pub mod host;
mod listener;
mod overload;
pub mod tune;
mod words;

pub use check::Problem;
pub use cores::{CoreList, parse_cores};
pub use listener::Listener;
pub use overload::{EXEMPT_MAX, Network, Overload};
pub use words::{CONFIG_BYTES_MAX, Demo, Words, WrongWord, read};

use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Most SIP listeners of a process.
pub const LISTENERS_MAX: usize = 8;
/// Most local media addresses.
pub const MEDIA_ADDRESSES_MAX: usize = 8;
/// Most call slots of a shard: a slot's index has 16 bits.
pub const SLOTS_MAX: u32 = 65_535;

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
    /// UDP addresses to listen on, at most [`LISTENERS_MAX`], IPv4 and IPv6 in any order.
    pub listen: Vec<SocketAddr>,
    /// Address that peers are told, for each listener in order and of its family; empty = the
    /// listener's own, port 0 = the listener's own port. A listener on all addresses (`0.0.0.0`,
    /// `::`) needs one.
    pub advertise: Vec<SocketAddr>,
    /// T1, milliseconds (RFC 3261 17.1.1.1; source `MINRESENDIVAL`).
    pub t1_ms: u32,
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
}

/// Threads and cores.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Cores {
    /// The core that the shard is pinned to, for example `"1"`; empty = the last one of two or
    /// more, not pinned on a host with one core. This release runs one shard.
    pub shards: String,
    /// Cores of the control plane, for example `"0,2-3"`; empty = all but the shard's.
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
            t1_ms: 500,
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
        }
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

    /// Units of work that a shard takes on at once.
    #[must_use]
    pub const fn units(&self) -> u32 {
        match self.overload.units {
            0 => self.slots() * 8 + 65_536,
            units => units,
        }
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
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
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
            "sip.t1_ms = 250",
            "sip.ask_timeout_ms = 1000",
            "media.addresses = [\"10.0.0.1\"]",
            "media.advertise = [\"192.0.2.1\"]",
            "media.port_min = 20000",
            "media.port_max = 20999",
            "cores.shards = \"1\"",
            "cores.control = \"0\"",
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
            "overload.media_buffer_kib = 256",
        ] {
            assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
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
            ("sip.listen = []", "sip.listen: at least one address is needed"),
            ("sip.t1_ms = 0", "sip.t1_ms: must be 10 to 10000, is 0"),
            ("media.port_min = 16385", "media.port_min: must be even, is 16385"),
            (
                "media.port_max = 100",
                "media.port_max: must be odd and above media.port_min, is 100",
            ),
            ("cores.shards = \"a\"", "cores.shards: `a` is no core number"),
            (
                "cores.shards = \"1-2\"",
                "cores.shards: this release runs one shard, 2 cores are named",
            ),
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
            (
                "sip.advertise = [\"1.2.3.4:1\", \"1.2.3.4:2\"]",
                "sip.advertise: one address for each of sip.listen, 1 wanted, 2 given",
            ),
        ] {
            let said = problem(text);
            assert!(said.starts_with(says), "{text}: {said}");
            assert!(!said.contains("secret"), "{said}");
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
