//! Question and answer between the planes: the rings of shared memory as switchd and controld use
//! them, with a control plane that decides nothing.
//!
//! `strowger-bench-link [--asks N] [--runs N] [--smoke]`: the shard's end runs here on the last
//! core, the control plane's in a child process on the first. An ask of a call with credentials is
//! encoded, sent, decoded there, answered by a plan of one branch, encoded, and decoded here; the
//! time is from before the first to after the last. Wake-ups are writes to an eventfd, counted on
//! both sides. Three ways, a line of JSON each on standard output:
//!
//! - `running`: neither side sleeps, one ask at a time;
//! - `busy`: neither side sleeps, 64 asks on their way;
//! - `idle`: both sides sleep as soon as nothing waits, one ask at a time.
//!
//! `--smoke` is short and asserts counts: every ask answered, no wake-up where nobody sleeps. What
//! it never does: decide, touch a database or a network. Where to start: [`shard::run`].

mod control;
mod frames;
mod shard;

use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asks of one run, and runs, unless told otherwise.
const ASKS: u32 = 200_000;
const RUNS: u32 = 5;
/// Of the smoke test.
const SMOKE_ASKS: u32 = 2_000;

/// What both sides of a run know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Nobody sleeps, one ask at a time.
    Running,
    /// Nobody sleeps, many asks at a time.
    Busy,
    /// Both sleep as soon as nothing waits.
    Idle,
}

impl Way {
    pub(crate) const ALL: [Way; 3] = [Way::Running, Way::Busy, Way::Idle];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Running => "running",
            Way::Busy => "busy",
            Way::Idle => "idle",
        }
    }

    /// Asks on their way at a time.
    pub(crate) fn window(self) -> u32 {
        match self {
            Way::Running | Way::Idle => 1,
            Way::Busy => 64,
        }
    }

    pub(crate) fn sleeps(self) -> bool {
        self == Way::Idle
    }
}

/// What the command line says.
pub(crate) struct Options {
    pub(crate) asks: u32,
    pub(crate) runs: u32,
    pub(crate) smoke: bool,
}

enum Role {
    Shard(Options),
    Control { socket: PathBuf, way: Way },
}

fn role(words: &[String]) -> Result<Role, String> {
    let mut options = Options { asks: ASKS, runs: RUNS, smoke: false };
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word {
            "--control" => {
                let (socket, name) = (value()?.into(), value()?);
                let way = Way::ALL.into_iter().find(|way| way.name() == name);
                return Ok(Role::Control { socket, way: way.ok_or("no such way")? });
            }
            "--smoke" => (options.asks, options.runs, options.smoke) = (SMOKE_ASKS, 1, true),
            "--asks" => options.asks = number(value()?)?,
            "--runs" => options.runs = number(value()?)?,
            _ => return Err(format!("unknown word {word}")),
        }
    }
    Ok(Role::Shard(options))
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or(format!("{text} is no count"))
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = role(&words).and_then(|role| match role {
        Role::Shard(options) => shard::run(&options),
        Role::Control { socket, way } => control::run(&socket, way).map(|wakes| wakes.to_string()),
    });
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("strowger-bench-link: {wrong}");
            ExitCode::FAILURE
        }
    }
}
