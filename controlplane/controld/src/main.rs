//! `strowger-controld`: the control plane's process.
//!
//! It opens the database, builds the world, links to the dataplane, and answers: the decider's
//! thread owns every decision and balance, the intake's thread turns the journal into records, a
//! small async runtime drives database and REST. Boot, change and recovery share one path.
//!
//! `strowger-controld [--data DIR] [--config FILE] [--demo]`; wrong words or configuration: one
//! line that names them, exit code 2.

mod archive;
mod books;
mod boot;
mod calendar;
mod certificate;
mod decider;
mod demo;
mod dns;
mod edge;
mod explain;
mod fact;
mod guard;
mod intake;
mod ladder;
mod list;
mod log;
mod money;
mod perimeter;
mod ported;
mod radius;
mod renewal;
mod replay;
mod rerate;
mod resolver;
mod run;
mod seat;
mod secret;
mod standing;
mod statistic;
mod trace;
mod view;
mod world;

use std::io::Write;
use std::process::ExitCode;
use strowger_tuning::{Demo, Words};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = Words::parse(words.iter().map(String::as_str), Demo::Taken);
    let loaded = words.map_err(|e| e.to_string()).and_then(|words| Ok((words.load()?, words.demo)));
    let (config, demo) = match loaded {
        Ok(loaded) => loaded,
        Err(wrong) => {
            complain(&wrong);
            return ExitCode::from(2);
        }
    };
    match run::run(&config, demo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            complain(&wrong);
            ExitCode::FAILURE
        }
    }
}

/// Writes a line for a person to standard error, before or without a log; whoever read it may be
/// gone, and that ends nothing.
fn complain(text: &str) {
    let _gone = writeln!(std::io::stderr(), "strowger-controld: {text}");
}
