//! `strowger-fuzz TARGET [--seconds N] [--seed S] [--grow]` searches, `strowger-fuzz TARGET --input
//! FILE` replays one input, `strowger-fuzz` alone lists the targets.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use strowger_fuzz::engine::{self, Failure, Fuzzer};
use strowger_fuzz::{TARGETS, Target, corpus};

/// The most files one `--grow` adds to the corpus, and the most bytes of each.
const GROW_FILES_MAX: usize = 16;
const GROW_LEN_MAX: usize = 2_048;
/// The most bytes of a failing input shown; the file has them all.
const SHOWN_LEN_MAX: usize = 400;

/// What the command line asks for.
struct Wish {
    target: &'static Target,
    seconds: u64,
    seed: u64,
    grow: bool,
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let wish = match parse(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(why) => {
            // Nowhere is left to say that standard output is closed.
            let _ = writeln!(out, "{why}\nstrowger-fuzz TARGET [--seconds N] [--seed S] [--grow]");
            let _ = writeln!(out, "strowger-fuzz TARGET --input FILE\ntargets:");
            let _ = TARGETS.iter().try_for_each(|target| writeln!(out, "  {}", target.name));
            return ExitCode::from(2);
        }
    };
    match carry_out(&wish, &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(out, "{error}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Wish, String> {
    let name = words.next().ok_or("no target named")?;
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.ok_or_else(|| format!("no target named {name}"))?;
    let mut wish = Wish { target, seconds: 10, seed: 1, grow: false, input: None };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--seconds" => wish.seconds = number(value()?)?,
            "--seed" => wish.seed = number(value()?)?,
            "--input" => wish.input = Some(PathBuf::from(value()?)),
            "--grow" => wish.grow = true,
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(wish)
}

/// Whether no law was broken.
fn carry_out(wish: &Wish, out: &mut impl Write) -> io::Result<bool> {
    if let Some(path) = &wish.input {
        return match engine::run(wish.target, &corpus::load_one(path)?) {
            Ok(shape) => {
                writeln!(out, "no law broken, {} features", shape.features().count())?;
                Ok(true)
            }
            Err(failure) => writeln!(out, "{}", failure.message).map(|()| false),
        };
    }
    let (began, mut steps) = (Instant::now(), 0_u64);
    let inputs = corpus::load(&corpus::folder(wish.target.name))?;
    let mut fuzzer = match Fuzzer::new(wish.target, inputs, wish.seed) {
        Ok(fuzzer) => fuzzer,
        Err(failure) => return tell(wish, failure, steps, out),
    };
    while began.elapsed() < Duration::from_secs(wish.seconds) {
        steps += 1;
        match fuzzer.step() {
            Ok(()) => {}
            Err(failure) => return tell(wish, failure, steps, out),
        }
    }
    if wish.grow {
        for input in fuzzer.best(GROW_FILES_MAX, GROW_LEN_MAX) {
            corpus::save(&corpus::folder(wish.target.name), &input)?;
        }
    }
    let (name, features) = (wish.target.name, fuzzer.features());
    writeln!(
        out,
        "{name}: {steps} steps, {features} features, no law broken (seed {})",
        wish.seed
    )?;
    Ok(true)
}

fn tell(wish: &Wish, failure: Failure, steps: u64, out: &mut impl Write) -> io::Result<bool> {
    let name = wish.target.name;
    let small = engine::shrink(wish.target, failure);
    let path = corpus::save(&std::env::temp_dir().join("strowger-fuzz").join(name), &small.input)?;
    writeln!(out, "{name}: law broken at step {steps} of seed {}\n{}", wish.seed, small.message)?;
    let shown = small.input.get(..SHOWN_LEN_MAX).unwrap_or(&small.input);
    writeln!(out, "input: {}", shown.escape_ascii())?;
    let path = path.display();
    writeln!(out, "again: cargo run -p strowger-fuzz -- {name} --input {path}")?;
    Ok(false)
}
