//! Where a call goes with real tables: many suppliers' decks, many customers, one decider.
//!
//! `strowger-bench-route [--suppliers N] [--rates N] [--accounts N] [--asks N] [--deck N]`: calls
//! of customers' trunks to random numbers, each routed to the cheapest suppliers of all, priced on
//! both sides, held on a prepaid account and answered, by the `Office` in process; then a
//! supplier's deck is replaced by one of `--deck` lines while questions are answered. One line of
//! JSON. `strowger-bench-route csv ...` writes the same price lines for a database, tariff,
//! prefix, price, and `strowger-bench-route numbers ...` the same called numbers.
//!
//! What it never does: read a database (`cdr` does), link two processes (`link` does). Where to
//! start: [`run::run`].

mod run;
mod table;
mod world;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    pub(crate) suppliers: u32,
    pub(crate) rates: u32,
    pub(crate) accounts: u32,
    pub(crate) asks: u32,
    pub(crate) deck: u32,
}

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Measure,
    Csv,
    Numbers,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = options(&words).and_then(|(wanted, options)| match wanted {
        Wanted::Measure => run::run(options).map(|line| println!("{line}")),
        Wanted::Csv => table::write_csv(options, &mut std::io::stdout().lock()),
        Wanted::Numbers => table::write_numbers(options, &mut std::io::stdout().lock()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("strowger-bench-route: {wrong}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[String]) -> Result<(Wanted, Options), String> {
    let mut options = Options {
        suppliers: 50,
        rates: 200_000,
        accounts: 100_000,
        asks: 200_000,
        deck: 1_000_000,
    };
    let (wanted, words) = match words.split_first() {
        Some((first, rest)) if first == "csv" => (Wanted::Csv, rest),
        Some((first, rest)) if first == "numbers" => (Wanted::Numbers, rest),
        Some(_) | None => (Wanted::Measure, words),
    };
    for pair in words.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} needs a value", pair.concat())) };
        let number = value.parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| format!("{value} is no count"))?;
        match name.as_str() {
            "--suppliers" => options.suppliers = number,
            "--rates" => options.rates = number,
            "--accounts" => options.accounts = number,
            "--asks" => options.asks = number,
            "--deck" => options.deck = number,
            other => return Err(format!("{other}: no such option")),
        }
    }
    Ok((wanted, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ask_is_answered_with_a_plan_by_price_before_and_after_the_new_deck() {
        let options = Options { suppliers: 5, rates: 1_500, accounts: 50, asks: 200, deck: 3_000 };
        let line = run::run(options).unwrap();
        assert!(line.contains("\"bench\":\"route\""), "{line}");
    }

    #[test]
    fn wrong_words_are_named() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(options(&words("--asks 0")).is_err_and(|e| e == "0 is no count"));
        assert!(options(&words("--asks")).is_err_and(|e| e == "--asks needs a value"));
        assert!(options(&words("--odd 1")).is_err_and(|e| e.starts_with("--odd")));
        let (wanted, found) = options(&words("csv --rates 7")).unwrap();
        assert_eq!((wanted, found.rates), (Wanted::Csv, 7));
    }
}
