//! The load generator: SIP and RTP in batches, both ends of every call, made to be faster than what
//! it measures.
//!
//! `strowger-bench-load calls|register|media|mix|memory OPTIONS`, see [`plan`]; the last line of
//! standard output is JSON. It shares no parser, transaction or timer with the product: only
//! `strowger-port`, which moves bytes. Rates are offered by the clock and times told from when a
//! message was *meant* to leave (`--rate`), or so much is kept under way (`--window`).
//!
//! What it never does: judge. Whoever runs it compares. Where to start: [`run::Load`].

mod calls;
mod cpu;
mod digest;
mod media;
mod memory;
mod message;
mod net;
mod ng;
mod pace;
mod plan;
mod register;
mod report;
mod run;
mod template;
mod timer;
mod words;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match plan::run(&words) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("strowger-bench-load: {wrong}");
            ExitCode::FAILURE
        }
    }
}
