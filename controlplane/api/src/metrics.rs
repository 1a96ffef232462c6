//! The text format of Prometheus, version 0.0.4.

use crate::METRICS_BYTES_MAX;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Takes metrics and makes text of them.
///
/// A family that comes twice, a name that the format does not know, and what does not fit into
/// [`METRICS_BYTES_MAX`] is left out and counted, because one such line would spoil the whole text.
#[derive(Debug, Default)]
pub struct MetricsWriter {
    text: String,
    families: BTreeSet<&'static str>,
    dropped: u64,
}

/// One metric, whose samples differ by their labels.
#[derive(Debug)]
pub struct Family<'w> {
    writer: &'w mut MetricsWriter,
    name: &'static str,
    is_open: bool,
}

const DROPPED: &str = "strowger_metrics_dropped_total";

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b':');
    bytes.next().is_some_and(first) && bytes.all(|b| first(b) || b.is_ascii_digit())
}

impl MetricsWriter {
    /// A value that only grows; by custom its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// A value that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let is_new = is_name(name) && name != DROPPED && self.families.insert(name);
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        let is_open = is_new && self.push(&head);
        if !is_new {
            self.dropped = self.dropped.saturating_add(1);
        }
        Family { writer: self, name, is_open }
    }

    fn push(&mut self, line: &str) -> bool {
        let fits = self.text.len().saturating_add(line.len()) <= METRICS_BYTES_MAX;
        if fits {
            self.text.push_str(line);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        fits
    }

    /// The text, with the count of what was left out.
    pub(crate) fn finish(mut self) -> String {
        let dropped = self.dropped;
        // Writing to a String cannot fail.
        let _ok = write!(
            self.text,
            "# HELP {DROPPED} Metrics left out of this text.\n# TYPE {DROPPED} counter\n\
             {DROPPED} {dropped}\n"
        );
        self.text
    }
}

impl Family<'_> {
    /// A sample.
    pub fn sample(&mut self, labels: &[(&'static str, &str)], value: u64) -> &mut Self {
        self.line(labels, &value.to_string())
    }

    /// A sample of a duration, shown in seconds.
    pub fn seconds(&mut self, labels: &[(&'static str, &str)], value_us: u64) -> &mut Self {
        self.line(labels, &format!("{}.{:06}", value_us / 1_000_000, value_us % 1_000_000))
    }

    fn line(&mut self, labels: &[(&'static str, &str)], value: &str) -> &mut Self {
        if !self.is_open {
            return self;
        }
        let mut line = String::from(self.name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let before = if place == 0 { '{' } else { ',' };
            // Writing to a String cannot fail.
            let _ok = write!(line, "{before}{label}=\"{text}\"");
        }
        line.push_str(if labels.is_empty() { " " } else { "} " });
        line.push_str(value);
        line.push('\n');
        self.writer.push(&line);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_each_family_stands_once() {
        let mut writer = MetricsWriter::default();
        let mut calls = writer.counter("calls_total", "Calls.\nAll.");
        calls.sample(&[("why", "a\"b\\c\nd"), ("shard", "0")], 3).sample(&[], 4);
        writer.gauge("lag_seconds", "Lag.").seconds(&[], 1_000_002);
        writer.gauge("calls_total", "Again.").sample(&[], 9);
        writer.gauge("no name", "Bad.").sample(&[], 9);
        let text = writer.finish();
        let expect = "# HELP calls_total Calls.\\nAll.\n# TYPE calls_total counter\n\
            calls_total{why=\"a\\\"b\\\\c\\nd\",shard=\"0\"} 3\ncalls_total 4\n\
            # HELP lag_seconds Lag.\n# TYPE lag_seconds gauge\nlag_seconds 1.000002\n\
            # HELP strowger_metrics_dropped_total Metrics left out of this text.\n\
            # TYPE strowger_metrics_dropped_total counter\nstrowger_metrics_dropped_total 2\n";
        assert_eq!(text, expect);
    }

    #[test]
    fn text_is_bounded() {
        let mut writer = MetricsWriter::default();
        let long = "x".repeat(METRICS_BYTES_MAX / 2);
        writer.gauge("a", "A.").sample(&[("l", &long)], 1).sample(&[("l", &long)], 2);
        let text = writer.finish();
        assert!(text.len() < METRICS_BYTES_MAX + 1000);
        assert!(text.ends_with("strowger_metrics_dropped_total 1\n"));
    }
}
