//! One scenario under callgrind, and the comparison of what came of all of them.
//!
//! - `strowger-count list`: the names.
//! - `strowger-count run NAME`: warms the scenario, then does its turns; callgrind collects inside
//!   of `count_this` only. Prints the number of turns.
//! - `strowger-count compare EXPECTED COUNTED [--bless]`: one line for each scenario that is not
//!   what it should be; exit code 1. `--bless` writes what was counted into EXPECTED.

use std::path::Path;
use std::process::ExitCode;
use strowger_bench_count::scenario::{self, Scenario};
use strowger_bench_count::table::Table;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns before anything is counted.
const WARM_UP: u32 = 40;

/// What callgrind is told to collect: entered once for each piece of work.
#[inline(never)]
fn count_this(work: &mut dyn FnMut()) {
    work();
    // Nothing may be moved behind the end.
    std::hint::black_box(());
}

fn run(name: &str) -> Result<String, String> {
    let Scenario { turns, make, .. } =
        scenario::ALL.iter().find(|known| known.name == name).ok_or("no such scenario")?;
    let mut turn = make().ok_or("the scenario cannot be set up")?;
    for _ in 0..WARM_UP {
        turn(&mut |work| work()).map_err(|e| format!("warming up: {e}"))?;
    }
    for _ in 0..*turns {
        turn(&mut |work| count_this(work))?;
    }
    Ok(turns.to_string())
}

fn compare(expected: &Path, counted: &Path, bless: bool) -> Result<String, String> {
    let read =
        |file: &Path| std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
    let names: Vec<&str> = scenario::ALL.iter().map(|known| known.name).collect();
    let counted = Table::parse(&read(counted)?)?;
    if bless {
        let text = Table::parse(&read(expected)?).unwrap_or_default().blessed(&counted, &names);
        std::fs::write(expected, text).map_err(|e| format!("{}: {e}", expected.display()))?;
        return Ok("written".to_owned());
    }
    let differences = Table::parse(&read(expected)?)?.differences(&counted, &names);
    if differences.is_empty() {
        Ok(format!("{} scenarios as expected", counted.len()))
    } else {
        Err(differences.join("\n"))
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["list"] => Ok(scenario::ALL.map(|known| known.name).join("\n")),
        ["run", name] => run(name).map_err(|e| format!("{name}: {e}")),
        ["compare", expected, counted] => compare(expected.as_ref(), counted.as_ref(), false),
        ["compare", expected, counted, "--bless"] => {
            compare(expected.as_ref(), counted.as_ref(), true)
        }
        _ => Err("list | run NAME | compare EXPECTED COUNTED [--bless]".to_owned()),
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}
