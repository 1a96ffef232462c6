//! Works that are done again and again in process, and what each of them takes.
//!
//! A round's figure is its time over its turns, the work's figure the median of its rounds. Rounds
//! of the works alternate, so that a noisy minute hits all alike. One thread; nothing else runs.
//!
//! How to use it: a bench has a list of [`Work`]s and a [`Bench`] that names them;
//! [`Bench::main`] is its program.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

/// What is measured, once.
pub trait Work {
    /// Its name in the line of figures.
    fn name(&self) -> &'static str;
    /// Nanoseconds that SPECIFICATION.md allows, if it does.
    fn bar_ns(&self) -> Option<f64>;
    /// Once; whether it was done.
    fn run(&mut self) -> bool;
}

/// Rounds of one work, in nanoseconds a turn.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The work's name.
    pub name: &'static str,
    /// What it may take at most.
    pub bar_ns: Option<f64>,
    /// Sorted.
    rounds: Vec<f64>,
}

impl Figure {
    /// The median round.
    #[must_use]
    pub fn median_ns(&self) -> f64 {
        self.rounds.get(self.rounds.len() / 2).copied().unwrap_or_default()
    }

    /// The best round: what it takes when nobody else has the core.
    #[must_use]
    pub fn least_ns(&self) -> f64 {
        self.rounds.first().copied().unwrap_or_default()
    }
}

/// Measures all works, `turns` of each in each of `rounds`.
///
/// # Errors
/// The work that was not done.
pub fn measure(
    works: &mut [Box<dyn Work>],
    rounds: u32,
    turns: u32,
) -> Result<Vec<Figure>, String> {
    let mut figures: Vec<Figure> = works
        .iter()
        .map(|work| Figure { name: work.name(), bar_ns: work.bar_ns(), rounds: Vec::new() })
        .collect();
    // The first round warms caches and is not told.
    for round in 0..=rounds {
        for (work, figure) in works.iter_mut().zip(&mut figures) {
            let began = Instant::now();
            for _ in 0..turns {
                if !work.run() {
                    return Err(format!("{} was not done", work.name()));
                }
            }
            if round > 0 {
                let took_ns = began.elapsed().as_nanos() as f64;
                figure.rounds.push(took_ns / f64::from(turns.max(1)));
            }
        }
    }
    figures.iter_mut().for_each(|figure| figure.rounds.sort_by(f64::total_cmp));
    Ok(figures)
}

/// A program that measures works.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// Its name in the line of figures.
    pub name: &'static str,
    /// What one turn does, in the singular; its plural is an option, `--messages N`.
    pub turn: &'static str,
    /// Rounds, if nothing is said.
    pub rounds: u32,
    /// Turns of a round, if nothing is said.
    pub turns: u32,
}

impl Bench {
    /// Measures as the program's words say: one line of JSON on standard output. `what` says what
    /// all works are done with.
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
    pub fn main(&self, works: Option<Vec<Box<dyn Work>>>, what: &str) -> ExitCode {
        let words: Vec<String> = std::env::args().skip(1).collect();
        match self.told(&words, works, what) {
            Ok(line) => {
                println!("{line}");
                ExitCode::SUCCESS
            }
            Err(wrong) => {
                eprintln!("strowger-bench-{}: {wrong}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    /// The line that [`Bench::main`] prints.
    ///
    /// # Errors
    /// One line for a person.
    pub fn told(
        &self,
        words: &[String],
        works: Option<Vec<Box<dyn Work>>>,
        what: &str,
    ) -> Result<String, String> {
        let (rounds, turns) = self.options(words)?;
        let mut works = works.ok_or("a constant of the works is wrong")?;
        let figures = measure(&mut works, rounds, turns)?;
        let Bench { name, turn, .. } = self;
        let mut line = format!("{{\"bench\":\"{name}\",\"unit\":\"ns per {turn}\"");
        for figure in figures {
            let (name, median, least) = (figure.name, figure.median_ns(), figure.least_ns());
            // Writing into a string does not fail.
            let _ = write!(line, ",\"{name}\":{median:.0},\"{name}_min\":{least:.0}");
            if let Some(bar) = figure.bar_ns {
                let _ = write!(line, ",\"{name}_bar\":{bar:.0}");
            }
        }
        Ok(line + &format!(",\"work\":\"{what}, {rounds} rounds of {turns} {turn}s\"}}"))
    }

    /// Rounds, and turns of each.
    fn options(&self, words: &[String]) -> Result<(u32, u32), String> {
        let (mut rounds, mut turns) = (self.rounds, self.turns);
        for pair in words.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("{} needs a value", pair.concat()));
            };
            let number = value.parse().ok().filter(|n| *n > 0);
            let number = number.ok_or_else(|| format!("{value} is no count"))?;
            match name.strip_prefix("--") {
                Some("rounds") => rounds = number,
                Some(plural) if plural.strip_suffix('s') == Some(self.turn) => turns = number,
                Some(_) | None => {
                    return Err(format!("{name}: --rounds or --{}s?", self.turn));
                }
            }
        }
        Ok((rounds, turns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BENCH: Bench = Bench { name: "odd", turn: "sum", rounds: 5, turns: 7 };

    struct Sum(u64, bool);

    impl Work for Sum {
        fn name(&self) -> &'static str {
            "sum"
        }
        fn bar_ns(&self) -> Option<f64> {
            Some(1_000.0)
        }
        fn run(&mut self) -> bool {
            self.0 += 1;
            self.1
        }
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn works(is_done: bool) -> Vec<Box<dyn Work>> {
        vec![Box::new(Sum(0, is_done))]
    }

    #[test]
    fn the_line_names_every_figure_and_its_bar() {
        let told = BENCH.told(&words("--rounds 3 --sums 4"), Some(works(true)), "numbers").unwrap();
        for part in [
            "{\"bench\":\"odd\",\"unit\":\"ns per sum\",\"sum\":",
            "\"sum_min\":",
            "\"sum_bar\":1000",
            "\"work\":\"numbers, 3 rounds of 4 sums\"}",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn what_is_not_done_is_told() {
        let told = BENCH.told(&[], Some(works(false)), "numbers");
        assert_eq!(told, Err("sum was not done".into()));
        assert!(BENCH.told(&[], None, "numbers").is_err());
    }

    #[test]
    fn wrong_words_are_named() {
        assert_eq!(BENCH.options(&[]), Ok((5, 7)));
        assert_eq!(BENCH.options(&words("--rounds 3 --sums 4")), Ok((3, 4)));
        assert!(BENCH.options(&words("--rounds 0")).is_err_and(|e| e == "0 is no count"));
        assert!(BENCH.options(&words("--rounds")).is_err_and(|e| e == "--rounds needs a value"));
        assert!(BENCH.options(&words("--odd 1")).is_err_and(|e| e == "--odd: --rounds or --sums?"));
    }

    #[test]
    fn figures_are_the_middle_and_the_best_round() {
        let figure = Figure { name: "sum", bar_ns: None, rounds: vec![1.0, 3.0, 8.0] };
        assert_eq!((figure.median_ns(), figure.least_ns()), (3.0, 1.0));
    }
}
