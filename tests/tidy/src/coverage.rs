//! `tests/spec/coverage.toml`: what of the specification works, and what does not.
//!
//! One line for each ID. `works` needs a test that drives SIP, REST or the command line; `partly`
//! and `planned` need a step or a note, `refused` a note with the reason. The specification is no
//! part of the repository; where its texts are at hand, every ID of theirs must have its line.

use crate::{Finding, Tree, evidence};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The file.
pub const FILE: &str = "tests/spec/coverage.toml";
/// Folder with the specification's texts, beside the repository or above it.
pub const TEXTS: &str = "shared/spec";
/// Tables of the file and the texts that they cover.
pub const TABLES: [(&str, &str); 4] = [
    ("core", "softswitch-1-core.md"),
    ("apps", "softswitch-2-apps.md"),
    ("faq", "softswitch-3-faq.md"),
    ("client", "sip-client-service.md"),
];
/// Where tests stand that see the product from outside.
const OUTSIDE: [&str; 7] = [
    "tests/phone/",
    "tests/browser/",
    "tests/sipp/",
    "tests/sim/",
    "controlplane/api/tests/",
    "controlplane/strowger/tests/",
    "controlplane/controld/tests/",
];
/// Steps of the plan.
const STEPS: std::ops::RangeInclusive<u8> = 1..=7;

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    what: String,
    status: Status,
    test: Option<String>,
    step: Option<u8>,
    note: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
enum Status {
    Works,
    Partly,
    Planned,
    Refused,
}

type Coverage = BTreeMap<String, BTreeMap<String, Entry>>;

/// Findings in the form of the file.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let (coverage, mut found) = read(tree);
    for (table, id, entry) in entries(&coverage) {
        if let Err(what) = judge(tree, entry) {
            found.push(Finding::new(FILE, line_of(tree, table, id), format!("{id}: {what}")));
        }
    }
    let known = |table: &String| TABLES.iter().any(|(name, _)| name == table);
    for table in coverage.keys().filter(|table| !known(table)) {
        found.push(Finding::new(FILE, 1, format!("there is no text for `{table}`")));
    }
    found
}

/// Findings against the texts of the specification: lines that are missing, IDs that are not there.
/// `None` when the texts are not at hand.
#[must_use]
pub fn check_complete(tree: &Tree) -> Option<Vec<Finding>> {
    let folder = tree.beside(TEXTS)?;
    let texts = TABLES.map(|(table, name)| {
        (table, std::fs::read_to_string(folder.join(name)).unwrap_or_default())
    });
    Some(compare(tree, &texts))
}

fn compare(tree: &Tree, texts: &[(&str, String)]) -> Vec<Finding> {
    let (coverage, mut found) = read(tree);
    for (table, text) in texts {
        let wanted = if *table == "client" { ids_of_client(text) } else { ids(text) };
        let none = BTreeMap::new();
        let given = coverage.get(*table).unwrap_or(&none);
        for id in wanted.iter().filter(|id| !given.contains_key(*id)) {
            found.push(Finding::new(FILE, 1, format!("[{table}] has no line for {id}")));
        }
        for id in given.keys().filter(|id| !wanted.contains(*id)) {
            let line = line_of(tree, table, id);
            found.push(Finding::new(FILE, line, format!("the specification has no {id}")));
        }
    }
    found
}

/// Lines with each status: works, partly, planned, refused.
#[must_use]
pub fn count(tree: &Tree) -> [usize; 4] {
    let (coverage, _) = read(tree);
    [Status::Works, Status::Partly, Status::Planned, Status::Refused]
        .map(|status| entries(&coverage).filter(|(.., entry)| entry.status == status).count())
}

fn read(tree: &Tree) -> (Coverage, Vec<Finding>) {
    let Some(file) = tree.file(FILE) else {
        return (Coverage::new(), vec![Finding::new(FILE, 1, "there is no such file")]);
    };
    match toml::from_str::<Coverage>(&file.text) {
        Ok(coverage) => (coverage, Vec::new()),
        Err(e) => {
            let before = e.span().and_then(|span| file.text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            (Coverage::new(), vec![Finding::new(FILE, line, e.message())])
        }
    }
}

fn entries(coverage: &Coverage) -> impl Iterator<Item = (&str, &str, &Entry)> {
    coverage.iter().flat_map(|(table, entries)| {
        entries.iter().map(move |(id, entry)| (table.as_str(), id.as_str(), entry))
    })
}

/// Line of an ID in its table.
fn line_of(tree: &Tree, table: &str, id: &str) -> usize {
    let Some(file) = tree.file(FILE) else { return 1 };
    let (head, plain, quoted) = (format!("[{table}]"), format!("{id} ="), format!("\"{id}\" ="));
    let inside = file.lines().skip_while(|(_, line)| *line != head);
    let mut lines =
        inside.filter(|(_, line)| line.starts_with(&plain) || line.starts_with(&quoted));
    lines.next().map_or(1, |(line, _)| line)
}

fn judge(tree: &Tree, entry: &Entry) -> Result<(), String> {
    let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    if entry.what.trim().is_empty() {
        return Err("`what` is empty".into());
    }
    if entry.step.is_some_and(|step| !STEPS.contains(&step)) {
        return Err(format!("steps are {} to {}", STEPS.start(), STEPS.end()));
    }
    if let Some(test) = &entry.test {
        evidence::find(tree, test)?;
    }
    match entry.status {
        Status::Works => match &entry.test {
            Some(test) if OUTSIDE.iter().any(|place| test.starts_with(place)) => Ok(()),
            Some(_) => Err("`works` needs a test that drives SIP, REST or the command line".into()),
            None => Err("`works` needs a test".into()),
        },
        Status::Partly | Status::Planned if entry.step.is_none() && blank(&entry.note) => {
            Err("a step or a note is needed".into())
        }
        Status::Refused if blank(&entry.note) => Err("a note with the reason is needed".into()),
        Status::Partly | Status::Planned | Status::Refused => Ok(()),
    }
}

/// IDs that a catalogue defines: first cell of a table row, begin of bold words or of a line, or a
/// word before a colon; `A-01..03` in bold defines three.
fn ids(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let cell = line.strip_prefix("| ").and_then(|rest| rest.split_once(" |"));
        let bold = line.split("**").skip(1).step_by(2);
        let bold = bold.filter_map(|words| words.split_whitespace().next());
        let first = line.split_whitespace().next();
        let colon = line.split_whitespace().filter_map(|word| word.strip_suffix(':'));
        let candidates = bold.chain(cell.map(|(cell, _)| cell)).chain(first).chain(colon);
        for word in candidates {
            found.extend(range(word).filter(|id| is_id(id)));
        }
    }
    found
}

/// The IDs of `A-01..03`, or the word itself.
fn range(word: &str) -> impl Iterator<Item = String> {
    let (first, last) = word.split_once("..").unwrap_or((word, ""));
    let (head, number) = first.rsplit_once('-').unwrap_or((first, ""));
    let from: u8 = number.parse().unwrap_or_default();
    let to: u8 = last.parse().unwrap_or(from);
    let (head, plain) = (head.to_owned(), first.to_owned());
    let numbered = move |n: u8| if n == from { plain.clone() } else { format!("{head}-{n:02}") };
    (from..=to).map(numbered)
}

/// `SYS-01`, `C-CALL-01`, `PBX-3WAY-01`: capitals and figures in parts, the last two figures.
fn is_id(word: &str) -> bool {
    let Some((head, number)) = word.rsplit_once('-') else { return false };
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    number.len() == 2
        && number.bytes().all(|b| b.is_ascii_digit())
        && head.starts_with(|c: char| c.is_ascii_uppercase())
        && head.split('-').all(is_part)
}

/// The client service has no IDs: its functions by name, the rest by section. Functions stand one
/// by one, so the sections that list them do not.
fn ids_of_client(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let functions = line.split(|c| !is_part(c)).filter(|word| word.starts_with("API_"));
        found.extend(functions.map(str::to_owned));
        let heading = line.strip_prefix("### ").or_else(|| line.strip_prefix("**8."));
        if let Some(number) = heading.and_then(|rest| rest.split_whitespace().next()) {
            let number = if line.starts_with('#') { number.into() } else { format!("8.{number}") };
            found.extend((!number.starts_with("3.")).then_some(number));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    fn check_entry(entry: &str) -> Vec<String> {
        let text = format!("[core]\nSYS-01 = {{ {entry} }}\n");
        said(&check(&Tree::of(&[
            (FILE, &text),
            ("tests/phone/tests/product.rs", "#[test]\nfn calls() {}\n"),
            ("dataplane/sip/src/lib.rs", "#[test]\nfn parses() {}\n"),
        ])))
    }

    #[test]
    fn good_lines_are_silent() {
        for entry in [
            "what = \"x\", status = \"works\", test = \"tests/phone/tests/product.rs::calls\"",
            "what = \"x\", status = \"planned\", step = 3",
            "what = \"x\", status = \"partly\", note = \"no IPv6\"",
            "what = \"x\", status = \"refused\", note = \"cheats the payer\"",
        ] {
            assert!(check_entry(entry).is_empty(), "{entry}: {:?}", check_entry(entry));
        }
    }

    #[test]
    fn bad_lines_are_told() {
        for (entry, says) in [
            ("what = \"x\", status = \"works\"", "SYS-01: `works` needs a test"),
            (
                "what = \"x\", status = \"works\", test = \"tests/phone/tests/product.rs::gone\"",
                "SYS-01: tests/phone/tests/product.rs has no test `gone`",
            ),
            (
                "what = \"x\", status = \"works\", test = \"dataplane/sip/src/lib.rs::parses\"",
                "SYS-01: `works` needs a test that drives SIP, REST or the command line",
            ),
            ("what = \"x\", status = \"planned\"", "SYS-01: a step or a note is needed"),
            ("what = \"x\", status = \"planned\", step = 9", "SYS-01: steps are 1 to 7"),
            ("what = \"x\", status = \"refused\", step = 3", "SYS-01: a note with the reason is"),
            ("what = \"\", status = \"planned\", step = 3", "SYS-01: `what` is empty"),
            ("what = \"x\", status = \"done\"", "unknown variant `done`"),
            ("what = \"x\", status = \"planned\", stp = 3", "unknown field `stp`"),
        ] {
            let found = check_entry(entry);
            let wanted = format!("{FILE}:2: {says}");
            assert!(found.first().is_some_and(|f| f.starts_with(&wanted)), "{entry}: {found:?}");
        }
        let twice = "[core]\nA-01 = { what = \"x\", status = \"planned\", step = 1 }\n".to_owned();
        let twice = twice.clone() + twice.lines().nth(1).unwrap();
        assert!(said(&check(&Tree::of(&[(FILE, &twice)]))).first().unwrap().contains("duplicate"));
    }

    #[test]
    fn ids_of_texts_are_found() {
        let text = "| SYS-01 | One | see SIP-01 |\n| L1 | - | RFC 3261 |\n\
            - **CC-OPR-01** x **CC-OPR-02** y\n- **C-CALL-01 Order** (SHA-256)\n**Bold** words\n\
            TASK-01 (L1) CFG-02: see NO-01\n- **SEC-ACC-01..03** limits\n";
        let want = [
            "C-CALL-01",
            "CC-OPR-01",
            "CC-OPR-02",
            "CFG-02",
            "SEC-ACC-01",
            "SEC-ACC-02",
            "SEC-ACC-03",
            "SYS-01",
            "TASK-01",
        ];
        assert_eq!(ids(text).into_iter().collect::<Vec<_>>(), want);
        let text =
            "### 2.1 Form\n### 3.1 Functions\n| API_Test() / API_TestEx() |\n**8.2 Fail.** x\n";
        let want = ["2.1", "8.2", "API_Test", "API_TestEx"];
        assert_eq!(ids_of_client(text).into_iter().collect::<Vec<_>>(), want);
    }

    #[test]
    fn lines_and_ids_are_compared() {
        let text = "[core]\nA-01 = { what = \"x\", status = \"planned\", step = 1 }\n";
        let tree = Tree::of(&[(FILE, text)]);
        assert!(compare(&tree, &[("core", "| A-01 |".into())]).is_empty());
        let found = said(&compare(&tree, &[("core", "| A-02 |".into())]));
        let missing = format!("{FILE}:1: [core] has no line for A-02");
        let strange = format!("{FILE}:2: the specification has no A-01");
        assert_eq!(found, [missing, strange]);
    }
}
