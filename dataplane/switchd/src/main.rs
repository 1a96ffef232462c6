//! `strowger-switchd`: the dataplane's process.
//!
//! Reads the configuration, takes or binds its sockets, makes the call table, starts the journal
//! and the shard's pinned thread, and keeps the link to the control plane. It runs until SIGTERM,
//! then ends its calls in order and makes their records durable.
//!
//! `strowger-switchd [--data DIR] [--config FILE]`; wrong words or configuration: one line that
//! names them, exit code 2.

mod args;
mod run;
mod state;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let config = match args::config(&words) {
        Ok(config) => config,
        Err(wrong) => {
            complain(&wrong);
            return ExitCode::from(2);
        }
    };
    match run::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            complain(&wrong);
            ExitCode::FAILURE
        }
    }
}

/// Writes a line for a person to standard error.
#[expect(clippy::print_stderr, reason = "the one place where this process speaks to a person")]
pub(crate) fn complain(text: &str) {
    eprintln!("strowger-switchd: {text}");
}
