//! What a check found, for people and for programs.

use super::packet::PacketPath;
use serde::Serialize;

/// Narrowest and widest lines for people, columns.
const WIDTH_MIN: usize = 40;
const WIDTH_MAX: usize = 160;
/// What stands before the lines of a finding, columns.
const INDENT: usize = 7;

/// How much a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Good to know.
    Note,
    /// Costs calls, time or audio.
    Costs,
    /// It cannot run so.
    Stops,
}

impl Weight {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Weight::Note => "note",
            Weight::Costs => "costs",
            Weight::Stops => "stops",
        }
    }
}

/// One thing that a host lacks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// Its stable name: part of the host, then what it is about.
    pub id: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// What was seen.
    pub found: String,
    /// Why it matters.
    pub why: &'static str,
    /// Commands, or lines of files, that mend it; one of them each.
    pub remedy: Vec<String>,
}

/// What [`super::check`] found, the heaviest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
    /// Names of what was looked at and is as it should be.
    pub fine: Vec<&'static str>,
    /// Names of what could not be seen.
    pub unseen: Vec<&'static str>,
    /// The packet path in use.
    pub packet_path: PacketPath,
}

impl Report {
    pub(super) fn new(packet_path: PacketPath) -> Report {
        Report { findings: Vec::new(), fine: Vec::new(), unseen: Vec::new(), packet_path }
    }

    pub(super) fn note(
        &mut self,
        id: &'static str,
        found: String,
        why: &'static str,
        remedy: Vec<String>,
    ) {
        self.findings.push(Finding { id, weight: Weight::Note, found, why, remedy });
    }

    pub(super) fn cost(
        &mut self,
        id: &'static str,
        found: String,
        why: &'static str,
        remedy: Vec<String>,
    ) {
        self.findings.push(Finding { id, weight: Weight::Costs, found, why, remedy });
    }

    pub(super) fn stop(
        &mut self,
        id: &'static str,
        found: String,
        why: &'static str,
        remedy: Vec<String>,
    ) {
        self.findings.push(Finding { id, weight: Weight::Stops, found, why, remedy });
    }

    pub(super) fn fine(&mut self, id: &'static str) {
        self.fine.push(id);
    }

    pub(super) fn unseen(&mut self, name: &'static str) {
        self.unseen.push(name);
    }

    /// The heaviest first, in the order of their names otherwise.
    pub(super) fn sort(&mut self) {
        self.findings.sort_by(|a, b| b.weight.cmp(&a.weight).then(a.id.cmp(b.id)));
        let found: Vec<&str> = self.findings.iter().map(|finding| finding.id).collect();
        self.fine.retain(|id| !found.contains(id));
        self.fine.sort_unstable();
        self.fine.dedup();
        self.unseen.sort_unstable();
        self.unseen.dedup();
    }

    /// The heaviest weight; `None` when nothing was found.
    #[must_use]
    pub fn weight(&self) -> Option<Weight> {
        self.findings.iter().map(|finding| finding.weight).max()
    }

    /// Findings that cost or stop, the heaviest first.
    pub fn grave(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.weight > Weight::Note)
    }

    /// The report for a person whose lines have so many columns.
    #[must_use]
    pub fn lines(&self, columns: usize) -> Vec<String> {
        let columns = columns.clamp(WIDTH_MIN, WIDTH_MAX);
        let mut lines = Vec::new();
        for Finding { id, weight, found, why, remedy } in &self.findings {
            wrap(&format!("{:<w$}{id}: {found}", weight.name(), w = INDENT), columns, &mut lines);
            wrap(&format!("{:INDENT$}{why}", ""), columns, &mut lines);
            // Never broken: they are to be copied.
            lines.extend(remedy.iter().map(|line| format!("{:INDENT$}> {line}", "")));
        }
        self.packet_path.tell(columns, &mut lines);
        if !self.unseen.is_empty() {
            let names = self.unseen.join(", ");
            let why = "a container's are those of its host";
            wrap(&format!("{:<w$}{names}: {why}", "unseen", w = INDENT), columns, &mut lines);
        }
        wrap(&self.sum(), columns, &mut lines);
        lines
    }

    fn sum(&self) -> String {
        let count = |weight: Weight| {
            self.findings.iter().filter(|finding| finding.weight == weight).count()
        };
        let verdict = match self.weight() {
            Some(Weight::Stops) => "it cannot run here",
            Some(Weight::Costs) => "it runs here, at a cost",
            Some(Weight::Note) | None => "it is well here",
        };
        let [stops, costs, notes] = [Weight::Stops, Weight::Costs, Weight::Note].map(count);
        let fine = self.fine.len();
        format!("{verdict}: {stops} stop it, {costs} cost, {notes} notes, {fine} fine")
    }
}

/// Breaks a line between words; what follows is indented like the text of a finding.
pub(super) fn wrap(text: &str, columns: usize, lines: &mut Vec<String>) {
    let lead = text.len() - text.trim_start().len();
    let mut line = " ".repeat(lead);
    let mut is_empty = true;
    for word in text.trim_start().split_inclusive(' ') {
        let width = line.chars().count() + word.trim_end().chars().count();
        if !is_empty && width > columns {
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(INDENT);
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line.trim_end().to_owned());
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_are_broken_between_words() {
        let mut lines = Vec::new();
        wrap("costs  a.b: one two three four five six seven", 20, &mut lines);
        assert_eq!(
            lines,
            ["costs  a.b: one two", "       three four", "       five six", "       seven"]
        );
        lines.clear();
        wrap("       unbreakable-and-longer-than-that", 20, &mut lines);
        assert_eq!(lines, ["       unbreakable-and-longer-than-that"]);
    }
}
