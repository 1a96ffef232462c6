//! Questions of one decider: the `Office` in process, with tables as the demo has them.
//!
//! `strowger-bench-decide [--asks N] [--runs N] [--rates N]`: calls of a trunk, and calls of a
//! subscriber with digest credentials, each routed to the carrier, priced on both sides, held on a
//! prepaid account and answered; one line of JSON for each kind. A call that was answered is given
//! up behind the clock, so the tables stay as they are. `--rates` adds prefixes to both lists.
//!
//! What it never does: link two processes, see `bench/link`; store a record, see
//! `bench/cdr`. Where to start: [`run`].

mod world;

use std::process::ExitCode;

use hdrhistogram::Histogram;
use strowger_link::{AnswerBody, Ask, AskId, Down, Tick, Up};
use strowger_office::{Office, Output};
use strowger_port::clock;

use world::{Asker, Kind};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Longest time of an answer, nanoseconds.
const ANSWER_NS_MAX: u64 = 10_000_000_000;
/// Asks of a run that are not counted, one in so many.
const WARM_UP_PART: u64 = 10;

#[derive(Clone, Copy)]
struct Options {
    asks: u64,
    runs: u64,
    rates: u64,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match options(&words).and_then(run) {
        Ok(lines) => {
            println!("{lines}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("strowger-bench-decide: {wrong}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[String]) -> Result<Options, String> {
    let mut options = Options { asks: 100_000, runs: 7, rates: 0 };
    for pair in words.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} needs a value", pair.concat())) };
        let number = value.parse().map_err(|_| format!("{value} is no count"))?;
        match name.as_str() {
            "--asks" => options.asks = number,
            "--runs" => options.runs = number,
            "--rates" => options.rates = number,
            other => return Err(format!("{other}: --asks, --runs or --rates?")),
        }
    }
    match options {
        Options { asks: 0, .. } | Options { runs: 0, .. } => Err("0 is no count".into()),
        options => Ok(options),
    }
}

/// What one run gave.
struct Run {
    per_s: f64,
    times: Histogram<u64>,
}

fn run(options: Options) -> Result<String, String> {
    let mut office = world::office(options.rates)?;
    let mut next = 1;
    let mut runs: [Vec<Run>; 2] = [Vec::new(), Vec::new()];
    // Alternating, so that a noisy hour hits both alike.
    for _ in 0..options.runs {
        for (kind, runs) in Kind::ALL.into_iter().zip(&mut runs) {
            let asker = Asker::new(kind);
            runs.push(measure(&mut office, &asker, options.asks, &mut next)?);
        }
    }
    let lines = Kind::ALL.into_iter().zip(&runs).map(|(kind, runs)| line(kind, options, runs));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn measure(office: &mut Office, asker: &Asker, asks: u64, next: &mut u64) -> Result<Run, String> {
    let times = Histogram::new_with_bounds(1, ANSWER_NS_MAX, 3).map_err(|e| e.to_string())?;
    let mut run = Run { per_s: 0.0, times };
    let (mut spent_ns, warm_up) = (0, asks / WARM_UP_PART);
    for count in 0..asks + warm_up {
        let id = AskId(*next);
        *next += 1;
        let (now, wall_us) = (clock::monotonic(), clock::wall_us());
        let ask = asker.ask(id, now, wall_us);
        let begun = clock::monotonic();
        let answer = answered(office, ask, now, wall_us);
        let took_ns = clock::monotonic().ns_since(begun);
        if !matches!(answer, Some(AnswerBody::Go(_))) {
            return Err(format!("ask {count} was answered {answer:?}"));
        }
        if count >= warm_up {
            spent_ns += took_ns;
            run.times.saturating_record(took_ns.max(1));
        }
        office.handle_up(Up::Abandoned(id), now, wall_us);
        while office.poll_output().is_some() {}
    }
    run.per_s = asks as f64 * 1e9 / spent_ns.max(1) as f64;
    Ok(run)
}

/// Asks, and takes all that comes of it.
fn answered(office: &mut Office, ask: Ask, now: Tick, wall_us: i64) -> Option<AnswerBody> {
    office.handle_up(Up::Ask(Box::new(ask)), now, wall_us);
    let mut body = None;
    while let Some(output) = office.poll_output() {
        if let Output::Down(Down::Answer(answer)) = output {
            body = Some(answer.body);
        }
    }
    body
}

fn line(kind: Kind, options: Options, runs: &[Run]) -> String {
    let column = |of: &dyn Fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let at = |part: usize| values.get(part).copied().unwrap_or_default();
        (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
    };
    let (ours, min, max) = column(&|run| run.per_s);
    let quantile = |q: f64| column(&|run: &Run| run.times.value_at_quantile(q) as f64).0;
    let longest = column(&|run: &Run| run.times.max() as f64).2;
    format!(
        "{{\"bench\":\"decide\",\"way\":\"{}\",\"ours\":{ours:.0},\"min\":{min:.0},\
         \"max\":{max:.0},\"unit\":\"asks per second\",\"p50_ns\":{:.0},\"p99_ns\":{:.0},\
         \"max_ns\":{longest:.0},\"work\":\"{} asks, {} more prefixes, {} runs\"}}",
        kind.name(),
        quantile(0.5),
        quantile(0.99),
        options.asks,
        options.rates,
        options.runs,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ask_is_answered_with_a_plan() {
        let options = Options { asks: 50, runs: 2, rates: 1_000 };
        let lines = run(options).unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
    }

    #[test]
    fn wrong_words_are_named() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(options(&words("--asks 0")).is_err_and(|e| e == "0 is no count"));
        assert!(options(&words("--asks")).is_err_and(|e| e == "--asks needs a value"));
        assert!(options(&words("--odd 1")).is_err_and(|e| e.starts_with("--odd")));
    }
}
