//! Who is asked what only the outside knows of a call.

use crate::Problem;
use serde::Deserialize;
use std::path::PathBuf;

/// Longest URL.
pub const FACT_URL_MAX: usize = 512;
/// The longest that an answer is kept, seconds: 30 days.
pub const FACT_KEEP_S_MAX: u32 = 2_592_000;
/// Longest name below which numbers stand: with fifteen digits before it, it is a name.
const SUFFIX_MAX: usize = 220;
/// What stands in a URL for the number.
pub const NUMBER_PLACE: &str = "{number}";

/// Who is asked what only the outside knows of a call. Whose calls wait for it, and how long, is
/// set by REST (settings `fact.*`).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// PEM file of the roots that vouch for servers asked over https, relative to `node.data`.
    pub trust: PathBuf,
    /// A service that knows ported numbers.
    pub dip: Dip,
    /// Below which name numbers stand in the domain name system (ENUM, RFC 6116), as `e164.arpa`;
    /// empty = none is looked up.
    pub enum_suffix: String,
    /// The operator's own program, which is asked what is to be done with calls.
    pub hook: Hook,
}

/// The operator's own program.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Hook {
    /// Where calls are posted to as JSON; empty = nobody is asked.
    pub url: String,
    /// File whose first line is shown as a bearer's token, relative to `node.data`, for its owner
    /// alone; empty = none is shown.
    pub token_file: PathBuf,
}

/// A service that knows ported numbers.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dip {
    /// What is got by HTTP, with `{number}` where the number goes, digits only; empty = nobody is
    /// asked. Status 404 says that the number was not ported.
    pub url: String,
    /// File whose first line is shown as a bearer's token, relative to `node.data`, for its owner
    /// alone; empty = none is shown.
    pub token_file: PathBuf,
    /// Where in the JSON answer it stands how the number is routed (RFC 6901); empty, null or not
    /// there, it was not ported.
    pub pointer: String,
    /// What stands there: `prefix` goes before the number, `number` takes its place.
    pub gives: String,
    /// How long an answer is kept, seconds.
    pub keep_s: u32,
    /// The same of the answer that a number was not ported.
    pub keep_nothing_s: u32,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts {
            trust: "/etc/ssl/certs/ca-certificates.crt".into(),
            dip: Dip::default(),
            enum_suffix: String::new(),
            hook: Hook::default(),
        }
    }
}

impl Default for Dip {
    fn default() -> Dip {
        Dip {
            url: String::new(),
            token_file: PathBuf::new(),
            pointer: "/prefix".into(),
            gives: "prefix".into(),
            keep_s: 86_400,
            keep_nothing_s: 3_600,
        }
    }
}

impl Facts {
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let is_label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(plain)
        };
        let suffix = &self.enum_suffix;
        let is_name = suffix.len() <= SUFFIX_MAX && suffix.split('.').all(is_label);
        if !(suffix.is_empty() || is_name) {
            return Err(Problem::at("facts.enum_suffix", format!("`{suffix}` is no domain name")));
        }
        let hook = &self.hook;
        if !hook.url.is_empty() {
            url("facts.hook.url", &hook.url, !hook.token_file.as_os_str().is_empty())?;
        }
        let dip = &self.dip;
        if !dip.url.is_empty() {
            url("facts.dip.url", &dip.url, !dip.token_file.as_os_str().is_empty())?;
            if dip.url.matches(NUMBER_PLACE).count() != 1 {
                let what = format!("must have one `{NUMBER_PLACE}`");
                return Err(Problem::at("facts.dip.url", what));
            }
        }
        if !(dip.pointer.is_empty() || dip.pointer.starts_with('/')) {
            return Err(Problem::at("facts.dip.pointer", "must begin with `/`"));
        }
        if !["prefix", "number"].contains(&dip.gives.as_str()) {
            let what = format!("must be prefix or number, is `{}`", dip.gives);
            return Err(Problem::at("facts.dip.gives", what));
        }
        let keep = [("keep_s", dip.keep_s), ("keep_nothing_s", dip.keep_nothing_s)];
        for (key, keep_s) in keep {
            if keep_s > FACT_KEEP_S_MAX {
                let what = format!("at most {FACT_KEEP_S_MAX}, {keep_s} given");
                return Err(Problem::at(&format!("facts.dip.{key}"), what));
            }
        }
        Ok(())
    }
}

/// A URL that may be asked.
fn url(key: &str, url: &str, has_token: bool) -> Result<(), Problem> {
    let says = |what: &str| Err(Problem::at(key, what));
    if url.len() > FACT_URL_MAX {
        return Err(Problem::at(key, format!("at most {FACT_URL_MAX} characters")));
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return says("has a character that no URL has");
    }
    let (rest, is_secure) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return says("must begin with `https://` or `http://`"),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // The configuration is printed, and a URL ends in logs.
    if authority.contains('@') {
        return says("must hold no user and no password");
    }
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() || host.contains(['{', '}']) {
        return says("names no host");
    }
    let is_here = host == "localhost"
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if has_token && !is_secure && !is_here {
        return says("must begin with `https://`, a token does not travel in clear text");
    }
    Ok(())
}
