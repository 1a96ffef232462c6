//! `strowger-bench-parse [--rounds N] [--messages N]`: one line of JSON on standard output.

use std::process::ExitCode;

use strowger_bench_parse::{invite, works};
use strowger_bench_round::Bench;

const BENCH: Bench = Bench { name: "parse", turn: "message", rounds: 101, turns: 5_000 };

fn main() -> ExitCode {
    BENCH.main(Some(works()), &format!("an INVITE of {} bytes", invite().len()))
}
