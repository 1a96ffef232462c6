//! What is wrong with a configuration, in one line that names the key.

use crate::{Config, EXEMPT_MAX, LISTENERS_MAX, MEDIA_ADDRESSES_MAX, SLOTS_MAX, parse_cores};
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
    let table = lines().find_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    let table = table.filter(|table| bare(table));
    if lines().next().is_some_and(|line| line.starts_with('[')) {
        return table.map(str::to_owned);
    }
    let key = lines()
        .take_while(|line| !line.starts_with('[') || !line.ends_with(']'))
        .find_map(|line| line.split_once('=').map(|(key, _)| key.trim()).filter(|key| bare(key)))?;
    Some(table.map_or_else(|| key.to_owned(), |table| format!("{table}.{key}")))
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
    /// Checks bounds and relations.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn check(&self) -> Result<(), Problem> {
        within("node.number", self.node.number, 0, 255)?;
        self.check_sip()?;
        self.check_media()?;
        let shards = parse_cores(&self.cores.shards).map_err(|e| Problem::at("cores.shards", e))?;
        if shards.len() > 1 {
            let what = format!("this release runs one shard, {} cores are named", shards.len());
            return Err(Problem::at("cores.shards", what));
        }
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
        within("database.trace_days", self.database.trace_days, 1, 3_650)?;
        self.check_database()?;
        self.check_overload()?;
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
        count("sip.listen", self.sip.listen.len(), LISTENERS_MAX)?;
        let (given, wanted) = (self.sip.advertise.len(), self.sip.listen.len());
        same_count("sip.advertise", "sip.listen", given, wanted)?;
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
        within("sip.t1_ms", self.sip.t1_ms, 10, 10_000)?;
        within("sip.ask_timeout_ms", self.sip.ask_timeout_ms, 100, 30_000)
    }

    fn check_media(&self) -> Result<(), Problem> {
        count("media.addresses", self.media.addresses.len(), MEDIA_ADDRESSES_MAX)?;
        self.media.addresses.iter().try_for_each(|ip| single("media.addresses", *ip))?;
        let (given, wanted) = (self.media.advertise.len(), self.media.addresses.len());
        same_count("media.advertise", "media.addresses", given, wanted)?;
        for (advertised, own) in self.media.advertise.iter().zip(&self.media.addresses) {
            told("media.advertise", (*advertised, *own), |ip| ip)?;
        }
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
