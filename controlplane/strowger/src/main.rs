//! `strowger`: supervisor, keeper of sockets, command line.
//!
//! - `strowger up` opens what must outlive a crash (SIP sockets, the admin socket), starts both
//!   planes with them, starts again whichever dies, and prints `ready {..}` when calls can be
//!   placed. Planes that a killed supervisor left running are taken over with their sockets.
//! - `strowger books check` audits the books, in the database itself.
//! - `strowger backup FILE` copies the database while it runs, and the files beside it.
//! - `strowger trace`, `route test`, `list`, `get`, `create`, `change`, `delete` ask a running
//!   server by REST, as everybody else does: they know resources by its OpenAPI document only.
//! - `strowger deck` sends suppliers' files of prices in, shows what they change, publishes and
//!   undoes them, and compares suppliers.
//! - `strowger numbers` says and changes what stands on a list of numbers.
//! - `strowger tune check` says what the host lacks, why it matters and what mends it.
//! - `strowger check-config FILE` says what is wrong with a configuration, and until when its
//!   certificates are valid.
//!
//! Standard output carries results only; everything else goes to standard error. Wrong arguments or
//! configuration: one line that names the word or key, exit code 2.

mod args;
mod beside;
mod books;
mod certificate;
mod client;
mod csv;
mod deck;
mod document;
mod holder;
mod keeper;
mod numbers;
mod plane;
mod remote;
mod replay;
mod resource;
mod table;
mod tune;
mod up;
mod why;

use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args::parse(&words) {
        Ok(args::Command::Help) => say(args::HELP),
        Ok(args::Command::Version) => say(concat!("strowger ", env!("CARGO_PKG_VERSION"))),
        Ok(args::Command::CheckConfig(file)) => check_config(&file),
        Ok(args::Command::BooksCheck(words)) => books::check(&words),
        Ok(args::Command::Backup(file, words)) => books::back_up(&file, &words),
        Ok(args::Command::Remote(remote)) => remote.run(),
        Ok(args::Command::Deck(deck)) => deck.run(),
        Ok(args::Command::Numbers(numbers)) => numbers.run(),
        Ok(args::Command::Tune(words)) => tune::check(&words),
        Ok(args::Command::Up(words)) => up::run(&words),
        Err(wrong) => Err(Failure::Usage(wrong)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match &failure {
                Failure::Usage(text) | Failure::Running(text) | Failure::Unchecked(text) => {
                    complain(text);
                }
                Failure::Findings | Failure::CannotRun | Failure::WouldNotGo => {}
            }
            failure.code()
        }
    }
}

/// Why a command did not succeed, as one line for a person.
pub(crate) enum Failure {
    /// The arguments or the configuration: exit code 2.
    Usage(String),
    /// Anything while running: exit code 1.
    Running(String),
    /// A check looked and found something, which is printed: exit code 1.
    Findings,
    /// The host is not one to run on, as is printed: exit code 2.
    CannotRun,
    /// A call was tried and would not go, as is printed: exit code 3.
    WouldNotGo,
    /// A check could not look: exit code 2.
    Unchecked(String),
}

impl Failure {
    fn code(&self) -> ExitCode {
        match self {
            Failure::Running(_) | Failure::Findings => ExitCode::from(1),
            Failure::Usage(_) | Failure::Unchecked(_) | Failure::CannotRun => ExitCode::from(2),
            Failure::WouldNotGo => ExitCode::from(3),
        }
    }
}

fn check_config(file: &std::path::Path) -> Result<(), Failure> {
    let config = strowger_tuning::read(file).map_err(Failure::Usage)?;
    let wrong = |what: String| Failure::Usage(format!("{}: {what}", file.display()));
    let now = std::time::SystemTime::now();
    let mut lines = vec![format!("{}: no problem found", file.display())];
    lines.extend(certificate::describe(&config, now).map_err(wrong)?);
    say(&format!("{}\n{config:#?}", lines.join("\n")))
}

/// Writes a result to standard output.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let said = writeln!(std::io::stdout(), "{text}");
    said.map_err(|e| Failure::Running(format!("standard output: {e}")))
}

/// Writes a line for a person to standard error; whoever read it may be gone, which ends nothing.
pub(crate) fn complain(text: &str) {
    let _gone = writeln!(std::io::stderr(), "strowger: {text}");
}
