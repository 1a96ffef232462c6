//! The story of a phone as text: every SIP message that left or came, with its time.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

use crate::limits::LADDER_LINES_MAX;

/// Way of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Left the phone.
    Out,
    /// Came to the phone.
    In,
    /// A remark of the phone itself.
    Note,
}

/// A bounded log that goes into every failure.
#[derive(Debug)]
pub struct Ladder {
    name: String,
    begun: Instant,
    lines: VecDeque<String>,
    left_out: usize,
}

impl Ladder {
    /// An empty ladder; `name` heads its text.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let lines = VecDeque::new();
        Self { name: name.to_owned(), begun: Instant::now(), lines, left_out: 0 }
    }

    /// Adds one line.
    pub fn add(&mut self, way: Way, peer: Option<SocketAddr>, what: &str) {
        let arrow = match way {
            Way::Out => "->",
            Way::In => "<-",
            Way::Note => "--",
        };
        let at = self.begun.elapsed().as_secs_f64();
        let mut line = format!("{at:9.3} {arrow} ");
        if let Some(peer) = peer {
            let _ = write!(line, "{peer} ");
        }
        line.push_str(what);
        if self.lines.len() >= LADDER_LINES_MAX {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back(line);
    }

    /// All of it, one line a message.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("ladder of {} (seconds, way, peer, message):\n", self.name);
        if self.left_out > 0 {
            let _ = writeln!(text, "          ({} older lines left out)", self.left_out);
        }
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Lines that contain `what`.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.lines.iter().filter(|line| line.contains(what)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_in_order_and_bounded() {
        let mut ladder = Ladder::new("1001");
        ladder.add(Way::Out, "127.0.0.1:5060".parse().ok(), "INVITE");
        for n in 0..LADDER_LINES_MAX {
            ladder.add(Way::In, None, &format!("line {n}"));
        }
        let text = ladder.to_text();
        assert!(text.contains("(1 older lines left out)"), "{text}");
        assert_eq!(ladder.count("INVITE"), 0);
        assert_eq!(ladder.count("<- line"), LADDER_LINES_MAX);
    }
}
