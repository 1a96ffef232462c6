//! `strowger-bench-rate [--rounds N] [--ratings N]`: one line of JSON on standard output.

use std::process::ExitCode;

use strowger_bench_rate::{PREFIXES, works};
use strowger_bench_round::Bench;

const BENCH: Bench = Bench { name: "rate", turn: "rating", rounds: 2_001, turns: 500 };

fn main() -> ExitCode {
    BENCH.main(works(), &format!("{PREFIXES} prefixes with peak prices"))
}
