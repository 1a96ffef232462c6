//! `strowger-controld`: the control plane's process.
//!
//! It opens the database, builds the world, links to the dataplane, and answers: the decider's
//! thread owns every decision and balance, the intake's thread turns the journal into records, a
//! small async runtime drives database and REST. Boot, change and recovery share one path.
//!
//! `strowger-controld [--data DIR] [--config FILE] [--demo]`; wrong words or configuration: one
//! line that names them, exit code 2.

mod args;
mod books;
mod boot;
mod calendar;
mod decider;
mod demo;
mod edge;
mod intake;
mod money;
mod run;
mod secret;
mod view;
mod world;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = match args::parse(&words) {
        Ok(options) => options,
        Err(wrong) => {
            complain(&wrong);
            return ExitCode::from(2);
        }
    };
    match run::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            complain(&wrong);
            ExitCode::FAILURE
        }
    }
}

/// Writes a line for a person to standard error.
#[expect(clippy::print_stderr, reason = "for what must be said before or without a log")]
fn complain(text: &str) {
    eprintln!("strowger-controld: {text}");
}
