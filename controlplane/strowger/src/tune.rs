//! `strowger tune check`: what the host lacks; and the same, shorter, when `strowger up` starts.

use crate::{Failure, complain, say};
use std::path::{Path, PathBuf};
use strowger_tuning::host::Host;
use strowger_tuning::tune::{Report, Weight, check as judge};
use strowger_tuning::{Config, Words};

/// Columns of a terminal that does not tell.
const COLUMNS: usize = 100;

/// The words of `strowger tune check`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tune {
    /// The root directory of the host.
    pub(crate) root: PathBuf,
    /// For programs.
    pub(crate) json: bool,
    /// Which configuration.
    pub(crate) words: Words,
}

/// Judges, prints the report; the exit code is its weight.
pub(crate) fn check(tune: &Tune) -> Result<(), Failure> {
    let config = tune.words.load().map_err(Failure::Usage)?;
    if !tune.root.is_dir() {
        return Err(Failure::Usage(format!("{}: no directory", tune.root.display())));
    }
    let report = judge(&Host::read(&tune.root), &config);
    if tune.json {
        say(&json(&report)?)?;
    } else {
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        for line in report.lines(columns.unwrap_or(COLUMNS)) {
            say(&line)?;
        }
    }
    match report.weight() {
        None | Some(Weight::Note) => Ok(()),
        Some(Weight::Costs) => Err(Failure::Findings),
        Some(Weight::Stops) => Err(Failure::CannotRun),
    }
}

fn json(report: &Report) -> Result<String, Failure> {
    let weight = report.weight();
    let verdict = weight.filter(|weight| *weight > Weight::Note).map_or("fine", Weight::name);
    let value = serde_json::to_value(report).map(|mut value| {
        if let Some(members) = value.as_object_mut() {
            members.insert("verdict".to_owned(), verdict.into());
        }
        value
    });
    let text = value.and_then(|value| serde_json::to_string_pretty(&value));
    text.map_err(|e| Failure::Running(format!("report: {e}")))
}

/// Says, one line each, what makes this start fail or what costs; a demo is not there to be fast.
/// A thread of its own looks, so that nothing waits for it.
pub(crate) fn tell(config: Config, demo: bool) {
    let least = if demo { Weight::Stops } else { Weight::Costs };
    let look = move || {
        let report = judge(&Host::read(Path::new("/")), &config);
        for line in short(&report, least) {
            complain(&line);
        }
    };
    // Without a thread it stays unsaid; the planes need theirs and will say so.
    let _unsaid = std::thread::Builder::new().name("tune".into()).spawn(look);
}

fn short(report: &Report, least: Weight) -> Vec<String> {
    let grave = report.grave().filter(|finding| finding.weight >= least);
    let mut lines: Vec<String> = grave
        .map(|finding| format!("{}: {}: {}", finding.weight.name(), finding.id, finding.found))
        .collect();
    if !lines.is_empty() {
        lines.push("what to do about it: strowger tune check".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(host: &Host) -> Report {
        judge(host, &Config::default())
    }

    #[test]
    fn the_start_says_one_line_for_each_finding_that_counts() {
        let mut host = Host { kernel: Some((5, 4)), ..Host::default() };
        host.memory.transparent = Some("always".to_owned());
        let lines = short(&report(&host), Weight::Costs);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("stops: kernel.release: Linux 5.4"), "{lines:?}");
        assert!(lines[1].starts_with("costs: memory.transparent: "), "{lines:?}");
        assert_eq!(short(&report(&host), Weight::Stops).len(), 2);
        assert!(short(&report(&Host::default()), Weight::Costs).is_empty());
    }

    #[test]
    fn programs_read_verdict_and_findings() {
        let host = Host { kernel: Some((5, 4)), ..Host::default() };
        let Ok(text) = json(&report(&host)) else { panic!("no JSON") };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["verdict"], "stops");
        let finding = &value["findings"][0];
        assert_eq!(
            (&finding["id"], &finding["weight"]),
            (&"kernel.release".into(), &"stops".into())
        );
        assert!(finding["why"].as_str().unwrap().contains("epoll_pwait2"));
        assert_eq!(value["packet_path"]["name"], "mmsg");
        assert_eq!(value["packet_path"]["others"][0]["name"], "sk_lookup");
        let others = value["packet_path"]["others"].as_array().unwrap();
        assert!(others.iter().any(|other| other["name"] == "XDP"), "{others:?}");
        assert!(others.iter().all(|other| other["built"] == true), "{others:?}");
    }
}
