//! Strangers that give themselves away.

use serde::Deserialize;

/// Most entries of a list.
pub const UNWANTED_MAX: usize = 256;

/// Programs that look for victims, by what they call themselves.
const AGENTS: [&str; 14] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sip-scan",
    "sipscan",
    "sipcli",
    "sipsak",
    "siparmyknife",
    "sivus",
    "sundayddr",
    "vaxsipuseragent",
    "pplsip",
    "iwar",
    "smap",
];

/// Strangers that give themselves away: who is no trunk, and in no network of `overload.exempt`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Requests of these programs are not answered, by what they call themselves in User-Agent, in
    /// either case: the whole name below five characters, else a part of it (source `blockua`). At
    /// most [`UNWANTED_MAX`].
    pub agents: Vec<String>,
    /// Requests of these programs alone are answered, by the same rule; of those that do not say
    /// what they are, none (source `allowua`). Empty serves all. At most [`UNWANTED_MAX`].
    pub served: Vec<String>,
    /// Beginnings of numbers that nobody is called at, as they are dialled: whoever calls one gets
    /// no answer. At most [`UNWANTED_MAX`].
    pub honeypots: Vec<String>,
}

impl Default for Guard {
    fn default() -> Guard {
        let agents = AGENTS.map(str::to_owned).into();
        Guard { agents, served: Vec::new(), honeypots: Vec::new() }
    }
}
