//! What is wrong with a configuration, in one line that names the key.

use crate::{
    ALLOWED_MAX, Backend, Clients, Config, DSCP_MAX, EXEMPT_MAX, INTERFACES_MAX, LISTENERS_MAX,
    MEDIA_ADDRESSES_MAX, Media, NAME_SERVERS_MAX, SHARDS_MAX, SLOTS_MAX, StreamListener, Transport,
    UDP_LISTENERS_MAX, UNWANTED_MAX, parse_cores,
};
use std::fmt::Display;
use std::net::IpAddr;

/// One line: the key (or line) and what is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem(String);

impl Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl Problem {
    pub(crate) fn at(key: &str, what: impl Display) -> Problem {
        Problem(format!("{key}: {what}"))
    }

    pub(crate) fn of_toml(text: &str, error: &toml::de::Error) -> Problem {
        let message = error.message().lines().next().unwrap_or("unreadable");
        let Some(span) = error.span() else { return Problem(message.to_owned()) };
        // The whole line in which it begins: what stands before its key must not name another one.
        let rest = text.get(span.start..).unwrap_or_default();
        let end = span.start + rest.find('\n').unwrap_or(rest.len());
        let until = text.get(..end).unwrap_or(text);
        let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
        match key_of(until) {
            Some(key) => Problem(format!("line {line}: {key}: {message}")),
            None => Problem(format!("line {line}: {message}")),
        }
    }
}

/// The key that the last line of `text` belongs to: an array may be written over several lines.
fn key_of(text: &str) -> Option<String> {
    let bare = |key: &str| {
        let byte = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !key.is_empty() && key.bytes().all(byte)
    };
    let lines = || text.lines().rev().map(str::trim);
    // One of several under the same name stands in two pairs.
    let name = |line| in_brackets(line).map(|table| in_brackets(table).unwrap_or(table));
    let table = lines().find_map(name);
    let table = table.filter(|table| bare(table));
    if lines().next().is_some_and(|line| line.starts_with('[')) {
        return table.map(str::to_owned);
    }
    let key = lines()
        .take_while(|line| !line.starts_with('[') || !line.ends_with(']'))
        .find_map(|line| line.split_once('=').map(|(key, _)| key.trim()).filter(|key| bare(key)))?;
    Some(table.map_or_else(|| key.to_owned(), |table| format!("{table}.{key}")))
}

/// Longest name of an interface (`IFNAMSIZ`).
const NAME_BYTES_MAX: usize = 15;

/// Names of interfaces as the kernel has them, each once.
fn check_interfaces(media: &Media) -> Result<(), Problem> {
    const KEY: &str = "media.interfaces";
    let names = &media.interfaces;
    if names.len() > INTERFACES_MAX {
        let what = format!("at most {INTERFACES_MAX}, {} given", names.len());
        return Err(Problem::at(KEY, what));
    }
    let is_name = |name: &String| {
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name != "." && name != "..";
        fits && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
    };
    for (nth, name) in names.iter().enumerate() {
        if !is_name(name) {
            return Err(Problem::at(KEY, format!("`{name}` is no name of an interface")));
        }
        if names.iter().take(nth).any(|other| other == name) {
            return Err(Problem::at(KEY, format!("{name} is named twice")));
        }
    }
    let relayer = match media.backend {
        Backend::Tc => "tc",
        Backend::Xdp => "xdp",
        Backend::Auto | Backend::Lookup | Backend::Sockets | Backend::Uring => return Ok(()),
    };
    if names.is_empty() {
        let what = format!("media.backend `{relayer}` needs the interfaces that it is to run at");
        return Err(Problem::at(KEY, what));
    }
    Ok(())
}

/// Keys that a listener's transport wants or does not know.
fn check_stream(one: &StreamListener) -> Result<(), String> {
    let (at, transport) = (one.listen, one.transport);
    let name = transport.name();
    if !transport.is_web() && !one.origins.is_empty() {
        return Err(format!("origins are for ws and wss, {at} is {name}"));
    }
    if one.rest && transport != Transport::Wss {
        return Err(format!("rest is for wss, {at} is {name}"));
    }
    let given = one.obtained || !one.certificates.is_empty();
    let asks = one.clients != Clients::Unasked;
    if !transport.is_secure() && (given || asks) {
        return Err(format!("certificates are for tls and wss, {at} is {name}"));
    }
    if transport.is_secure() && !given {
        return Err(format!("{at} is {name} and has no certificates"));
    }
    if asks && one.clients_trust.as_os_str().is_empty() {
        return Err(format!("{at} asks for certificates and has no clients_trust"));
    }
    Ok(())
}

fn in_brackets(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

fn within(key: &str, value: u32, min: u32, max: u32) -> Result<(), Problem> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(Problem::at(key, format_args!("must be {min} to {max}, is {value}")))
    }
}

fn same_count(key: &str, other: &str, given: usize, wanted: usize) -> Result<(), Problem> {
    if given == 0 || given == wanted {
        return Ok(());
    }
    let what = format!("one address for each of {other}, {wanted} wanted, {given} given");
    Err(Problem::at(key, what))
}

/// Marks of datagrams (RFC 2474): none, or one for each of `other`.
fn each_dscp(key: &str, other: &str, given: &[u8], wanted: usize) -> Result<(), Problem> {
    if !given.is_empty() && given.len() != wanted {
        let what = format!("one for each of {other}, {wanted} wanted, {} given", given.len());
        return Err(Problem::at(key, what));
    }
    given.iter().try_for_each(|dscp| within(key, u32::from(*dscp), 0, DSCP_MAX.into()))
}

fn count(key: &str, given: usize, max: usize) -> Result<(), Problem> {
    if given == 0 {
        return Err(Problem::at(key, "at least one address is needed"));
    }
    if given > max {
        return Err(Problem::at(key, format_args!("at most {max} addresses, {given} given")));
    }
    Ok(())
}

/// An address that is of no use to a socket, or to a peer that is told it.
fn usable(key: &str, ip: IpAddr) -> Result<(), Problem> {
    let what = match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            format!("{ip} is an IPv4 address, write {}", ip.to_canonical())
        }
        _ if ip.is_multicast() => format!("{ip} is a multicast address"),
        // It would need a zone, and no SIP or SDP can name one.
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            format!("{ip} is a link-local address, which means nothing to other links")
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return Ok(()),
    };
    Err(Problem::at(key, what))
}

/// An address of a host, not all of them.
fn single(key: &str, ip: IpAddr) -> Result<(), Problem> {
    if ip.is_unspecified() {
        let what = format!("{ip} is no address of a host: name the address peers send to");
        return Err(Problem::at(key, what));
    }
    usable(key, ip)
}

/// An address that peers are told instead of `own`.
fn told<A: Copy + Display>(
    key: &str,
    (told, own): (A, A),
    ip: fn(A) -> IpAddr,
) -> Result<(), Problem> {
    single(key, ip(told))?;
    if ip(told).is_ipv6() == ip(own).is_ipv6() {
        return Ok(());
    }
    Err(Problem::at(key, format_args!("{told} is not of the family of {own}")))
}

/// Whether a URL behind its scheme holds a password: `user:password@` or `?password=`.
fn has_password(url: &str) -> bool {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    // A slash in a password that nobody escaped does not hide it.
    let user = place.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || query.split('&').any(|pair| pair.starts_with("password="))
}

impl Config {
    /// How many shards there may be, and what each must have.
    fn check_shards(&self, named: usize) -> Result<(), Problem> {
        let most = u32::from(SHARDS_MAX);
        if named > usize::from(SHARDS_MAX) {
            let what = format!("names {named} cores, there are {most} shards at most");
            return Err(Problem::at("cores.shards", what));
        }
        if self.cores.count > 0 {
            within("cores.count", self.cores.count, 1, most)?;
        }
        let shards = self.shards();
        if named > usize::from(shards) {
            let s = if shards == 1 { "" } else { "s" };
            let what = format!("{named} cores are named in cores.shards for {shards} shard{s}");
            return Err(Problem::at("cores.count", what));
        }
        let (first, last) = self.media_ports(0);
        if shards > 1 && last < first.saturating_add(3) {
            let ports = u32::from(self.media.port_max) + 1 - u32::from(self.media.port_min);
            let what =
                format!("{ports} ports are too few for {shards} shards: each has 4 at least");
            return Err(Problem::at("media.port_max", what));
        }
        Ok(())
    }

    /// Checks bounds and relations.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn check(&self) -> Result<(), Problem> {
        within("node.number", self.node.number, 0, 255)?;
        self.check_sip()?;
        self.check_media()?;
        let shards = parse_cores(&self.cores.shards).map_err(|e| Problem::at("cores.shards", e))?;
        self.check_shards(shards.len())?;
        parse_cores(&self.cores.control).map_err(|e| Problem::at("cores.control", e))?;
        if self.cores.slots > SLOTS_MAX {
            within("cores.slots", self.cores.slots, 1, SLOTS_MAX)?;
        }
        within("journal.segment_mib", self.journal.segment_mib, 1, 1024)?;
        within("journal.group_commit_ms", self.journal.group_commit_ms, 1, 50)?;
        // The open segment counts as a whole: with less, calls would never be taken.
        let least = self.journal.segment_mib.saturating_mul(2);
        within("journal.waiting_mib_max", self.journal.waiting_mib_max, least, 1 << 22)?;
        within("journal.keep_days", self.journal.keep_days, 1, 3_650)?;
        within("trace.messages_mib", self.trace.messages_mib, 0, 1_024)?;
        within("database.trace_days", self.database.trace_days, 1, 3_650)?;
        self.check_database()?;
        self.check_overload()?;
        let guard = &self.guard;
        let lists =
            [("agents", &guard.agents), ("served", &guard.served), ("honeypots", &guard.honeypots)];
        for (key, list) in lists {
            let key = format!("guard.{key}");
            if list.len() > UNWANTED_MAX {
                let what = format!("at most {UNWANTED_MAX} entries, {} given", list.len());
                return Err(Problem::at(&key, what));
            }
            // It would name everybody.
            if list.iter().any(String::is_empty) {
                return Err(Problem::at(&key, "an entry is empty"));
            }
        }
        let servers = self.dns.servers.len();
        if servers > NAME_SERVERS_MAX {
            let what = format!("at most {NAME_SERVERS_MAX} addresses, {servers} given");
            return Err(Problem::at("dns.servers", what));
        }
        self.facts.check()?;
        let allowed = self.targets.allowed.len();
        if allowed > ALLOWED_MAX {
            let what = format!("at most {ALLOWED_MAX} networks, {allowed} given");
            return Err(Problem::at("targets.allowed", what));
        }
        if !["error", "warn", "info", "debug"].contains(&self.log.level.as_str()) {
            let what = format!("must be error, warn, info or debug, is `{}`", self.log.level);
            return Err(Problem::at("log.level", what));
        }
        Ok(())
    }

    fn check_database(&self) -> Result<(), Problem> {
        let (url, key) = (&self.database.url, "database.url");
        if let Some(file) = url.strip_prefix("sqlite:") {
            if file.is_empty() {
                return Err(Problem::at(key, "names no file"));
            }
            if !self.database.password_file.as_os_str().is_empty() {
                let what = "SQLite has no password, database.url names a file";
                return Err(Problem::at("database.password_file", what));
            }
            return Ok(());
        }
        let server = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let Some(server) = server else {
            let what = "must begin with `sqlite:`, `postgres://` or `postgresql://`";
            return Err(Problem::at(key, what));
        };
        // The configuration is printed, and a URL ends in logs.
        if has_password(server) {
            let what = "must hold no password; database.password_file names its file";
            return Err(Problem::at(key, what));
        }
        Ok(())
    }

    fn check_overload(&self) -> Result<(), Problem> {
        let overload = &self.overload;
        within("overload.delay_ms", overload.delay_ms, 1, 10_000)?;
        within("overload.interval_ms", overload.interval_ms, 1, 10_000)?;
        within("overload.silence_ms", overload.silence_ms, overload.delay_ms, 60_000)?;
        within("overload.stranger_datagrams", overload.stranger_datagrams, 0, 1_000_000)?;
        within("overload.stranger_requests", overload.stranger_requests, 0, 1_000_000)?;
        within("overload.stranger_challenges", overload.stranger_challenges, 0, 1_000_000)?;
        if overload.exempt.len() > EXEMPT_MAX {
            let what = format!("at most {EXEMPT_MAX} networks, {} given", overload.exempt.len());
            return Err(Problem::at("overload.exempt", what));
        }
        if overload.units != 0 {
            within("overload.units", overload.units, 16, 100_000_000)?;
        }
        within("overload.ask_ms", overload.ask_ms, 10, 60_000)?;
        within("overload.ask_restart_ms", overload.ask_restart_ms, overload.ask_ms, 60_000)?;
        within("overload.media_late_ms", overload.media_late_ms, 0, 60_000)?;
        within("overload.sip_buffer_kib", overload.sip_buffer_kib, 64, 1 << 20)?;
        within("overload.media_buffer_kib", overload.media_buffer_kib, 16, 1 << 20)
    }

    fn check_sip(&self) -> Result<(), Problem> {
        count("sip.listen", self.sip.listen.len(), UDP_LISTENERS_MAX)?;
        let (given, wanted) = (self.sip.advertise.len(), self.sip.listen.len());
        same_count("sip.advertise", "sip.listen", given, wanted)?;
        let given = self.sip.guests.len();
        if given != 0 && given != wanted {
            let what = format!("one for each of sip.listen, {wanted} wanted, {given} given");
            return Err(Problem::at("sip.guests", what));
        }
        each_dscp("sip.dscp", "sip.listen", &self.sip.dscp, wanted)?;
        for (index, at) in self.sip.listen.iter().enumerate() {
            usable("sip.listen", at.ip())?;
            let before = self.sip.listen.get(..index).unwrap_or_default();
            if at.port() != 0 && before.contains(at) {
                return Err(Problem::at("sip.listen", format_args!("{at} stands there twice")));
            }
        }
        for (advertised, own) in self.sip.advertise.iter().zip(&self.sip.listen) {
            told("sip.advertise", (*advertised, *own), |at| at.ip())?;
        }
        self.check_streams()?;
        within("sip.t1_ms", self.sip.t1_ms, 10, 10_000)?;
        within("sip.t2_ms", self.sip.t2_ms, 10, 60_000)?;
        if self.sip.give_up_ms > 0 {
            // At least something is sent again.
            let least = self.sip.t1_ms.saturating_mul(2);
            within("sip.give_up_ms", self.sip.give_up_ms, least, 640_000)?;
        }
        if self.sip.call_s_max > 0 {
            within("sip.call_s_max", self.sip.call_s_max, 60, 2_592_000)?;
        }
        within("sip.ask_timeout_ms", self.sip.ask_timeout_ms, 100, 30_000)
    }

    fn check_streams(&self) -> Result<(), Problem> {
        const KEY: &str = "sip.stream";
        let udp = &self.sip.listen;
        let all = udp.len() * (1 + usize::from(self.sip.tcp)) + self.sip.stream.len();
        if all > LISTENERS_MAX {
            let what = format!("{all} listeners with those of sip.listen, at most {LISTENERS_MAX}");
            return Err(Problem::at(KEY, what));
        }
        self.acme.check()?;
        for (index, one) in self.sip.stream.iter().enumerate() {
            let at = one.listen;
            usable(KEY, at.ip())?;
            let mut before = self.sip.stream.iter().take(index);
            let taken = self.sip.tcp && udp.contains(&at) || before.any(|b| b.listen == at);
            if at.port() != 0 && taken {
                let what = format!("{at} is listened on for TCP already");
                return Err(Problem::at(KEY, what));
            }
            if let Some(advertised) = one.advertise {
                told(KEY, (advertised, at), |at| at.ip())?;
            }
            check_stream(one).map_err(|what| Problem::at(KEY, what))?;
            within("sip.stream.dscp", u32::from(one.dscp), 0, DSCP_MAX.into())?;
            if one.obtained && !self.acme.is_wanted() {
                let what = format!("{at} shows what is obtained, and acme.names is empty");
                return Err(Problem::at(KEY, what));
            }
        }
        let streams = &self.streams;
        within("streams.connections_max", streams.connections_max, 1, 1_000_000)?;
        within("streams.per_source_max", streams.per_source_max, 0, 1_000_000)?;
        within("streams.connect_ms", streams.connect_ms, 100, 30_000)?;
        if streams.ping_s != 0 {
            within("streams.ping_s", streams.ping_s, 10, 3_600)?;
        }
        if streams.idle_s != 0 {
            within("streams.idle_s", streams.idle_s, 30, 1_000_000)?;
        }
        within("streams.first_ms", streams.first_ms, 500, 600_000)?;
        within("streams.message_ms", streams.message_ms, 500, 600_000)?;
        within("streams.udp_bytes_max", streams.udp_bytes_max, 500, 65_535)?;
        within("streams.handshake_threads", streams.handshake_threads, 1, 64)?;
        within("streams.handshakes_per_s", streams.handshakes_per_s, 1, 1_000_000)
    }

    fn check_media(&self) -> Result<(), Problem> {
        count("media.addresses", self.media.addresses.len(), MEDIA_ADDRESSES_MAX)?;
        self.media.addresses.iter().try_for_each(|ip| single("media.addresses", *ip))?;
        let (given, wanted) = (self.media.advertise.len(), self.media.addresses.len());
        same_count("media.advertise", "media.addresses", given, wanted)?;
        for (advertised, own) in self.media.advertise.iter().zip(&self.media.addresses) {
            told("media.advertise", (*advertised, *own), |ip| ip)?;
        }
        each_dscp("media.dscp", "media.addresses", &self.media.dscp, wanted)?;
        let packets_max = self.media.flow_packets_max;
        if packets_max != 0 {
            within("media.flow_packets_max", packets_max, 50, 1_000_000)?;
        }
        check_interfaces(&self.media)?;
        self.listeners(&self.sip.listen)?;
        let (min, max) = (self.media.port_min, self.media.port_max);
        if min % 2 != 0 || min < 1024 {
            let rule = if min % 2 != 0 { "even" } else { "at least 1024" };
            return Err(Problem::at("media.port_min", format_args!("must be {rule}, is {min}")));
        }
        if max % 2 == 0 || max <= min {
            let what = format!("must be odd and above media.port_min, is {max}");
            return Err(Problem::at("media.port_max", what));
        }
        Ok(())
    }
}
