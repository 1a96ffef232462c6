//! Statistics of ten million records: how long each question takes.
//!
//! `strowger-bench-statistics sqlite|postgres [--records N] [--runs N] [--dir DIR]`: SQLite in a
//! file of DIR, PostgreSQL as `STROWGER_TEST_POSTGRES` names it. The sums are written as so many
//! records of 30 days would write them, without the records; then every question is asked several
//! times, and answers are checked against what was written. The last line of standard output is
//! JSON. Run it by `bench/run statistics`, which builds it, pins it and gives it a cluster.
//!
//! What it never does: measure records going in, which is `bench/run cdr`. Where to start:
//! [`run::run`].

mod call;
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
            eprintln!("strowger-bench-statistics: {wrong}");
            ExitCode::FAILURE
        }
    }
}
