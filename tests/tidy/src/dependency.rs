//! Which crate may use which.
//!
//! The dataplane knows nothing of the control plane and owns the contract (`link`); async I/O, SQL
//! and HTTP stay above it; `call` knows neither `sip` nor `media`, nor they each other: `shard`
//! carries requests between them. Only normal and build dependencies count: a test may compare
//! with anything. A crate that is not in the table is a finding: a new one is a decision.

use crate::{Finding, Tree};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A crate of the product, its folder and the crates of ours that it may use.
type Rule = (&'static str, &'static str, &'static [&'static str]);

/// The product's crates, lowest first.
const RULES: [Rule; 34] = [
    ("dataplane/wire", "strowger-wire", &[]),
    ("dataplane/sdp", "strowger-sdp", &[]),
    ("dataplane/srtp", "strowger-srtp", &[]),
    ("dataplane/link", "strowger-link", &[]),
    ("dataplane/ice", "strowger-ice", &["link"]),
    ("dataplane/dtls", "strowger-dtls", &["srtp", "link"]),
    ("dataplane/leg", "strowger-leg", &["sdp", "link"]),
    ("dataplane/sip", "strowger-sip", &["leg", "link"]),
    ("dataplane/stream", "strowger-stream", &["link"]),
    ("dataplane/media", "strowger-media", &["wire", "sdp", "srtp", "ice", "link"]),
    ("dataplane/call", "strowger-call", &["leg", "link"]),
    ("dataplane/port", "strowger-port", &["wire", "link"]),
    ("dataplane/path", "strowger-path", &["port", "link", "tuning"]),
    ("dataplane/shard", "strowger-shard", DATAPLANE),
    ("dataplane/switchd", "strowger-switchd", SWITCHD),
    ("controlplane/model", "strowger-model", &[]),
    ("controlplane/ladder", "strowger-ladder", &["link"]),
    ("controlplane/locate", "strowger-locate", &["link"]),
    ("controlplane/list", "strowger-list", &["model"]),
    ("controlplane/routing", "strowger-routing", ROUTING),
    ("controlplane/billing", "strowger-billing", &["model", "link"]),
    ("controlplane/till", "strowger-till", &["model"]),
    ("controlplane/fetch", "strowger-fetch", &[]),
    ("controlplane/certificate", "strowger-certificate", &["fetch"]),
    ("controlplane/import", "strowger-import", &["model"]),
    ("controlplane/radius", "strowger-radius", &[]),
    ("controlplane/numbering", "strowger-numbering", &["model"]),
    ("controlplane/condition", "strowger-condition", &[]),
    ("controlplane/office", "strowger-office", OFFICE),
    ("controlplane/store", "strowger-store", &["model", "billing"]),
    ("controlplane/api", "strowger-api", &["import", "model", "routing", "store"]),
    ("controlplane/controld", "strowger-controld", CONTROLD),
    (
        "controlplane/strowger",
        "strowger-cli",
        &["api", "certificate", "link", "path", "port", "store", "tuning"],
    ),
    ("tuning", "strowger-tuning", &[]),
];
const DATAPLANE: &[&str] = &[
    "wire", "sdp", "srtp", "ice", "dtls", "link", "leg", "sip", "stream", "media", "call", "port",
];
const SWITCHD: &[&str] = &[
    "shard", "dtls", "wire", "sdp", "link", "leg", "sip", "stream", "media", "call", "port",
    "path", "tuning",
];
const ROUTING: &[&str] = &["model", "link", "locate", "billing", "numbering", "condition", "list"];
const OFFICE: &[&str] = &["model", "routing", "billing", "till", "link"];
const CONTROLD: &[&str] = &[
    "model",
    "locate",
    "certificate",
    "fetch",
    "radius",
    "routing",
    "billing",
    "till",
    "office",
    "store",
    "api",
    "ladder",
    "link",
    "port",
    "tuning",
    "numbering",
    "list",
];

/// Evidence: what it tests it may use. The phone shares no code with what it judges.
const EVIDENCE: [(&str, &str); 15] = [
    ("bench/cdr", "strowger-bench-cdr"),
    ("bench/count", "strowger-bench-count"),
    ("bench/decide", "strowger-bench-decide"),
    ("bench/link", "strowger-bench-link"),
    ("bench/list", "strowger-bench-list"),
    ("bench/load", "strowger-bench-load"),
    ("bench/parse", "strowger-bench-parse"),
    ("bench/rate", "strowger-bench-rate"),
    ("bench/round", "strowger-bench-round"),
    ("bench/route", "strowger-bench-route"),
    ("bench/statistics", "strowger-bench-statistics"),
    ("tests/sim", "strowger-sim"),
    ("tests/fuzz", "strowger-fuzz"),
    ("tests/phone", "strowger-phone"),
    ("tests/tidy", "strowger-tidy"),
];
const INDEPENDENT: [&str; 2] = ["tests/phone", "tests/tidy"];

/// Foreign crates that only some of ours may use.
const RESERVED: [(&str, &[&str]); 13] = [
    ("sqlx", &["controlplane/store"]),
    ("libc", SYSTEM),
    ("socket2", SYSTEM),
    ("io-uring", &["dataplane/port"]),
    ("mimalloc", BINARIES),
    ("tokio", ASYNC),
    ("axum", &["controlplane/api", "controlplane/controld"]),
    ("hyper", HTTP),
    ("hyper-util", HTTP),
    ("rtp", &[]),
    ("opus", &[]),
    ("audiopus", &[]),
    ("glommio", &[]),
];
/// The command line asks REST as everybody else does.
const HTTP: &[&str] = &[
    "controlplane/api",
    "controlplane/certificate",
    "controlplane/controld",
    "controlplane/fetch",
    "controlplane/strowger",
];
const BINARIES: &[&str] = &[
    "dataplane/switchd",
    "controlplane/controld",
    "controlplane/strowger",
    "bench/cdr",
    "bench/count",
    "bench/decide",
    "bench/link",
    "bench/load",
    "bench/route",
    "bench/statistics",
];
const SYSTEM: &[&str] = &[
    "dataplane/port",
    "dataplane/switchd",
    "controlplane/controld",
    "controlplane/strowger",
    "tests/phone",
];
const ASYNC: &[&str] = &[
    "controlplane/store",
    "controlplane/api",
    "controlplane/certificate",
    "controlplane/controld",
    "controlplane/fetch",
    "controlplane/strowger",
    "bench/cdr",
    "bench/statistics",
];

#[derive(Deserialize, Default)]
struct Manifest {
    package: Option<Package>,
    #[serde(default)]
    dependencies: Table,
    #[serde(default, rename = "build-dependencies")]
    build: Table,
    #[serde(default)]
    target: BTreeMap<String, Target>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    dependencies: Table,
}

type Table = BTreeMap<String, toml::Value>;

/// Findings in every manifest but the root's.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files().filter(|file| file.name() == "Cargo.toml" && file.path.contains('/')) {
        match toml::from_str::<Manifest>(&file.text) {
            Ok(manifest) => {
                check_manifest(&manifest, file.folder(), |word, what| {
                    let line = file.lines().find(|(_, text)| text.trim_start().starts_with(word));
                    found.push(Finding::new(&file.path, line.map_or(1, |(line, _)| line), what));
                });
            }
            Err(e) => found.push(Finding::new(&file.path, 1, e.message())),
        }
    }
    found
}

fn check_manifest(manifest: &Manifest, folder: &str, mut say: impl FnMut(&str, String)) {
    let name = manifest.package.as_ref().map_or("", |package| package.name.as_str());
    let rule = RULES.iter().find(|(at, ..)| *at == folder);
    let evidence = EVIDENCE.iter().find(|(at, _)| *at == folder);
    let Some(wanted) = rule.map(|(_, name, _)| name).or(evidence.map(|(_, name)| name)) else {
        return say("name", format!("`{name}` in {folder} is not in the table of crates"));
    };
    if *wanted != name {
        say("name", format!("the crate in {folder} is called `{wanted}`, not `{name}`"));
    }
    let tables = [&manifest.dependencies, &manifest.build];
    let targets = manifest.target.values().map(|target| &target.dependencies);
    for (dependency, value) in tables.into_iter().chain(targets).flatten() {
        if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
            say(dependency, format!("`{dependency}` must come from the workspace"));
        }
        if let Some(what) = forbidden(folder, rule, dependency) {
            say(dependency, what);
        }
    }
}

fn forbidden(folder: &str, rule: Option<&Rule>, dependency: &str) -> Option<String> {
    let Some(ours) = dependency.strip_prefix("strowger-") else {
        let (name, users) = RESERVED.iter().find(|(name, _)| *name == dependency)?;
        let may = users.contains(&folder);
        return (!may).then(|| match users {
            [] => format!("`{name}` is for tests (dev-dependencies) only"),
            _ => format!("`{name}` is for {} only", users.join(", ")),
        });
    };
    let may = match rule {
        Some((.., allowed)) => allowed.contains(&ours),
        None => !INDEPENDENT.contains(&folder),
    };
    (!may).then(|| format!("{folder} must not depend on `{dependency}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    fn check_one(path: &str, name: &str, rest: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n{rest}");
        said(&check(&Tree::of(&[("Cargo.toml", "[workspace]"), (path, &text)])))
    }

    #[test]
    fn borders_hold() {
        for (folder, dependency) in [
            ("dataplane/call", "strowger-sip"),
            ("dataplane/call", "strowger-media"),
            ("dataplane/media", "strowger-call"),
            ("dataplane/link", "strowger-model"),
            ("controlplane/till", "strowger-link"),
            ("controlplane/api", "strowger-till"),
            ("dataplane/shard", "tokio"),
            ("dataplane/sip", "libc"),
            ("controlplane/api", "sqlx"),
            ("dataplane/wire", "rtp"),
            ("tests/phone", "strowger-sip"),
        ] {
            let name = folder.rsplit('/').next().unwrap_or_default();
            for table in ["dependencies", "build-dependencies", "target.'cfg(loom)'.dependencies"] {
                let rest = format!("[{table}]\n{dependency} = {{ workspace = true }}");
                let found =
                    check_one(&format!("{folder}/Cargo.toml"), &format!("strowger-{name}"), &rest);
                assert_eq!(found.len(), 1, "{folder} {dependency} {table}: {found:?}");
            }
        }
    }

    #[test]
    fn what_the_table_allows_is_silent() {
        let rest = "[dependencies]\nstrowger-leg = { workspace = true }\n\
            [dev-dependencies]\nstrowger-sip = { workspace = true }\nrtp = { workspace = true }";
        assert!(check_one("dataplane/call/Cargo.toml", "strowger-call", rest).is_empty());
    }

    #[test]
    fn strangers_are_told() {
        let found = check_one("dataplane/new/Cargo.toml", "strowger-new", "");
        let says =
            "dataplane/new/Cargo.toml:2: `strowger-new` in dataplane/new is not in the table";
        assert!(found.first().is_some_and(|f| f.starts_with(says)), "{found:?}");
        let found = check_one("dataplane/sdp/Cargo.toml", "strowger-text", "");
        assert!(found.first().is_some_and(|f| f.contains("is called `strowger-sdp`")), "{found:?}");
        let rest = "[dependencies]\nmemchr = { git = \"x\" }";
        let found = check_one("dataplane/sip/Cargo.toml", "strowger-sip", rest);
        assert_eq!(found, ["dataplane/sip/Cargo.toml:4: `memchr` must come from the workspace"]);
    }
}
