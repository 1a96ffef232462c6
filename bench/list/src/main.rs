//! `strowger-bench-list [--rounds N] [--looks N]`: one line of JSON on standard output.

use std::process::ExitCode;

use strowger_bench_list::{ENTRIES, works};
use strowger_bench_round::Bench;

const BENCH: Bench = Bench { name: "list", turn: "look", rounds: 2_001, turns: 500 };

fn main() -> ExitCode {
    BENCH.main(works(), &format!("a list of {ENTRIES} numbers"))
}
