//! Records into the database: frames of the journal decoded, composed to records, rated from their
//! settlements and stored, durable when the clock stops.
//!
//! `strowger-bench-cdr sqlite|postgres [--records N] [--runs N] [--batch N] [--dir DIR]`: SQLite in
//! a file of DIR, PostgreSQL as `STROWGER_TEST_POSTGRES` names it. It counts the rows and audits
//! the books behind the clock; the last line of standard output is JSON. Run it by `bench/run cdr`,
//! which builds it, pins it and gives it a cluster that syncs.
//!
//! What it never does: read a journal's file, charge a till. Where to start: [`run::run`].

mod call;
mod cpu;
mod run;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run::Options::parse(&words).and_then(|options| run::run(&options)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("strowger-bench-cdr: {wrong}");
            ExitCode::FAILURE
        }
    }
}
