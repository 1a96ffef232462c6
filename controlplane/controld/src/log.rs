//! What the process has said lately: the newest lines of its log, beside standard error.
//!
//! One for the process, as the log is. Bounded by lines and by the length of each; the oldest go
//! first. What is not logged, by `log.level`, is not here either, and no line holds a secret.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use strowger_api::{LogLevel, LogLine, LogOrder};
use strowger_port::clock;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Most lines that are kept.
const LINES_MAX: usize = 8_192;
/// Longest text of one, bytes; what is beyond is cut.
const LINE_LEN_MAX: usize = 1_024;

/// The newest lines of the process.
pub(crate) static LINES: Lines = Lines::new();

/// See the module.
#[derive(Debug)]
pub(crate) struct Lines {
    kept: Mutex<VecDeque<LogLine>>,
}

impl Lines {
    const fn new() -> Lines {
        Lines { kept: Mutex::new(VecDeque::new()) }
    }

    fn put(&self, line: LogLine) {
        // A thread that panicked while it wrote a line leaves whole lines behind.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= LINES_MAX {
            kept.pop_front();
        }
        kept.push_back(line);
    }

    /// The newest lines that an order wants, the newest first.
    pub(crate) fn find(&self, order: &LogOrder) -> Vec<LogLine> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |line: &&LogLine| {
            order.level.is_none_or(|level| line.level == level)
                && order.from_us.is_none_or(|from| line.at_us >= from)
                && order.until_us.is_none_or(|until| line.at_us < until)
        };
        kept.iter().rev().filter(fits).take(order.limit).cloned().collect()
    }
}

/// Keeps what is logged.
pub(crate) struct Keep(pub(crate) &'static Lines);

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        self.0.put(LogLine {
            at_us: clock::wall_us(),
            level: level_of(*metadata.level()),
            area: metadata.target().to_owned(),
            text: text.cut(),
        });
    }
}

const fn level_of(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// The message, and its fields behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn cut(self) -> String {
        let Text { mut message, fields } = self;
        message.push_str(&fields);
        let end = (0..=LINE_LEN_MAX).rev().find(|at| message.is_char_boundary(*at));
        message.truncate(end.unwrap_or(0));
        message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn core::fmt::Debug) {
        // Writing to a text does not fail.
        let _written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    fn line(at_us: i64, level: LogLevel) -> LogLine {
        LogLine { at_us, level, area: "x".into(), text: at_us.to_string() }
    }

    fn all(limit: usize) -> LogOrder {
        LogOrder { from_us: None, until_us: None, level: None, limit }
    }

    #[test]
    fn lines_are_found_by_time_and_level_the_newest_first() {
        let lines = Lines::new();
        for at in 0..10 {
            let level = if at % 3 == 0 { LogLevel::Warn } else { LogLevel::Info };
            lines.put(line(at, level));
        }
        let found = |order: &LogOrder| -> Vec<i64> {
            lines.find(order).iter().map(|line| line.at_us).collect()
        };
        assert_eq!(found(&all(3)), [9, 8, 7]);
        let warnings = LogOrder { level: Some(LogLevel::Warn), ..all(99) };
        assert_eq!(found(&warnings), [9, 6, 3, 0]);
        let between = LogOrder { from_us: Some(4), until_us: Some(7), ..all(99) };
        assert_eq!(found(&between), [6, 5, 4]);
    }

    #[test]
    fn the_oldest_lines_go() {
        let lines = Lines::new();
        for at in 0..=LINES_MAX as i64 {
            lines.put(line(at, LogLevel::Info));
        }
        let found = lines.find(&all(usize::MAX));
        assert_eq!((found.len(), found.last().map(|line| line.at_us)), (LINES_MAX, Some(1)));
    }

    #[test]
    fn what_is_logged_is_kept_with_its_fields_and_cut() {
        static OWN: Lines = Lines::new();
        let subscriber = tracing_subscriber::registry().with(Keep(&OWN));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(tenant = 7, "as many calls as {}", "that");
            tracing::info!("{}", "ä".repeat(LINE_LEN_MAX));
        });
        let found = OWN.find(&all(9));
        assert_eq!(found[1].text, "as many calls as that tenant=7");
        assert_eq!((found[1].level, found[0].level), (LogLevel::Warn, LogLevel::Info));
        assert!(found[1].area.ends_with("log::tests"), "{}", found[1].area);
        assert_eq!(found[0].text.len(), LINE_LEN_MAX);
    }
}
