//! `strowger-switchd`: the dataplane's process.
//!
//! Reads the configuration, takes or binds its sockets, makes the call table, starts the journal
//! and the shard's pinned thread, and keeps the link to the control plane. It runs until SIGTERM,
//! then ends its calls in order and makes their records durable. On SIGHUP it reads
//! certificates again.
//!
//! `strowger-switchd [--data DIR] [--config FILE]`; wrong words or configuration: one line that
//! names them, exit code 2.

mod certificate;
mod identity;
mod keep;
mod power;
mod ring;
mod run;
mod splice;
mod state;

use std::io::Write;
use std::process::ExitCode;
use strowger_tuning::{Demo, Words};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = Words::parse(words.iter().map(String::as_str), Demo::Unknown);
    let config = match words.map_err(|e| e.to_string()).and_then(|words| words.load()) {
        Ok(config) => config,
        Err(wrong) => {
            complain(&wrong);
            return ExitCode::from(2);
        }
    };
    let pages = strowger_port::process::keep_small_pages().map_err(|e| format!("pages: {e}"));
    match pages.and_then(|()| run::run(&config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            complain(&wrong);
            ExitCode::FAILURE
        }
    }
}

/// Writes a line for a person to standard error; whoever read it may be gone, which ends nothing.
pub(crate) fn complain(text: &str) {
    let _gone = writeln!(std::io::stderr(), "strowger-switchd: {text}");
}
