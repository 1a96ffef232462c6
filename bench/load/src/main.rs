//! The load generator: SIP and RTP in batches, both ends of every call, made to be faster than what
//! it measures.
//!
//! `strowger-bench-load calls|register|media|mix|memory OPTIONS`, see [`plan`]; the last line of
//! standard output is JSON. `users` prints what a server must know of the users, `summary` compares
//! rounds of two sides; `tls-idle` and `tls-handshakes` are connections by TLS, see [`tls`].
//! It shares no parser, transaction or timer with the product: only
//! `strowger-port`, which moves bytes, and `strowger-srtp`, which seals them. Rates are offered by
//! the clock and times told from when a message was *meant* to leave (`--rate`), or so much is kept
//! under way (`--window`).
//!
//! What it never does: judge. Whoever runs it compares. Where to start: [`run::Load`].

mod calls;
mod cpu;
mod digest;
mod flood;
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
mod secret;
mod summary;
mod template;
mod timer;
mod tls;
mod words;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let told = match words.split_first() {
        Some((first, rest)) if first == "users" => plan::users(rest),
        Some((first, rest)) if first == "summary" => summary::run(rest).map(|v| v.to_string()),
        Some((first, rest)) if first == "field" => summary::field(rest).map(|v| v.to_string()),
        Some((first, rest)) if first.starts_with("tls-") => {
            tls::run(first, rest).map(|value| value.to_string())
        }
        Some(_) | None => plan::run(&words).map(|value| value.to_string()),
    };
    match told {
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
