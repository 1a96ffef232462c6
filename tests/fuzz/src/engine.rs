//! The search: take an input, mutate it, run it, keep it if it has a new feature.

use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::Instant;

use crate::mutation::mutate;
use crate::{Dice, Shape, Target};

/// An input that takes longer is a failure, in milliseconds of processor time. Real ones take
/// microseconds.
pub const SLOW_MS_MAX: u64 = 500;
/// The longest a failing input is shrunk, in seconds: one that is slow shrinks slowly.
const SHRINK_S_MAX: u64 = 20;
/// The most inputs kept. Later ones take the place of random earlier ones.
const POOL_LEN_MAX: usize = 20_000;

/// An input that broke a law.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The input.
    pub input: Vec<u8>,
    /// What the panic said and where, or how slow it was.
    pub message: String,
}

/// A search in one target.
pub struct Fuzzer {
    target: &'static Target,
    pool: Vec<Vec<u8>>,
    features: HashSet<u64>,
    dice: Dice,
    /// The first inputs of the pool: corpus, seeds and the empty one.
    corpus_len: usize,
}

impl Fuzzer {
    /// Runs the corpus and the target's own seeds as they are, to mutate them later.
    ///
    /// # Errors
    /// The first input that breaks a law.
    pub fn new(
        target: &'static Target,
        corpus: Vec<Vec<u8>>,
        seed: u64,
    ) -> Result<Fuzzer, Failure> {
        let mut dice = Dice::new(seed);
        let mut inputs = corpus;
        inputs.extend((target.seeds)(&mut dice));
        inputs.push(Vec::new());
        let (pool, features, corpus_len) = (Vec::new(), HashSet::new(), inputs.len());
        let mut fuzzer = Fuzzer { target, pool, features, dice, corpus_len };
        for input in inputs {
            let shape = run(target, &input)?;
            fuzzer.features.extend(shape.features());
            fuzzer.pool.push(input);
        }
        Ok(fuzzer)
    }

    /// One mutation.
    ///
    /// # Errors
    /// The input, if it breaks a law.
    pub fn step(&mut self) -> Result<(), Failure> {
        let none = Vec::new();
        let dice = &mut self.dice;
        // Half of the time one of the newest: a new feature is a door not yet gone through.
        let newest = self.pool.len().saturating_sub(16);
        let recent = self.pool.get(newest..).filter(|_| dice.below(2) == 0);
        let input = dice.pick(recent.unwrap_or(&self.pool)).unwrap_or(&none);
        let other = dice.pick(&self.pool).unwrap_or(&none);
        let output = mutate(input, other, self.target.words, dice);
        let shape = run(self.target, &output)?;
        let before = self.features.len();
        self.features.extend(shape.features());
        if self.features.len() == before {
            return Ok(());
        }
        if self.pool.len() >= POOL_LEN_MAX {
            let at = self.corpus_len + self.dice.below(self.pool.len() - self.corpus_len);
            self.pool.swap_remove(at);
        }
        self.pool.push(output);
        Ok(())
    }

    /// Up to `files` of the inputs found that have the most features beyond those of the corpus and
    /// of each other, none longer than `len_max`.
    #[must_use]
    pub fn best(&self, files: usize, len_max: usize) -> Vec<Vec<u8>> {
        let features = |input: &Vec<u8>| run(self.target, input).unwrap_or_default();
        let known = self.pool.iter().take(self.corpus_len);
        let mut have: HashSet<u64> =
            known.flat_map(|input| features(input).features().collect::<Vec<_>>()).collect();
        let found = self.pool.iter().skip(self.corpus_len);
        let mut left: Vec<(&Vec<u8>, Shape)> = found
            .filter(|input| input.len() <= len_max)
            .map(|input| (input, features(input)))
            .collect();
        let mut best = Vec::new();
        while best.len() < files {
            let gain =
                |shape: &Shape| shape.features().filter(|feature| !have.contains(feature)).count();
            left.retain(|(_, shape)| gain(shape) > 0);
            let Some(at) = (0..left.len()).max_by_key(|at| left.get(*at).map(|(_, s)| gain(s)))
            else {
                break;
            };
            let (input, shape) = left.swap_remove(at);
            have.extend(shape.features());
            best.push(input.clone());
        }
        best
    }

    /// How many features were seen.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features.len()
    }
}

/// Runs one input.
///
/// # Errors
/// The input, if it breaks a law.
pub fn run(target: &Target, input: &[u8]) -> Result<Shape, Failure> {
    let fail = |message| Failure { input: input.to_vec(), message };
    let began = Instant::now();
    let shape = quietly(|| (target.run)(input)).map_err(fail)?;
    if began.elapsed().as_millis() <= SLOW_MS_MAX.into() {
        return Ok(shape);
    }
    // Slow, or others had the processor: once more by the thread's own clock.
    let before_ms = thread_ms();
    quietly(|| (target.run)(input)).map_err(fail)?;
    let took_ms = thread_ms().saturating_sub(before_ms);
    if took_ms > SLOW_MS_MAX { Err(fail(format!("slow: {took_ms} ms"))) } else { Ok(shape) }
}

/// Processor time of this thread so far, in milliseconds; 0 where the system does not tell.
fn thread_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|word| word.parse::<u64>().ok());
    nanoseconds.unwrap_or(0) / 1_000_000
}

/// The smallest input found, by leaving parts out, that still breaks a law.
#[must_use]
pub fn shrink(target: &Target, failure: Failure) -> Failure {
    let mut best = failure;
    let began = Instant::now();
    let mut part = best.input.len().div_ceil(2);
    while part > 0 {
        let mut at = 0;
        while at < best.input.len() && began.elapsed().as_secs() < SHRINK_S_MAX {
            let end = best.input.len().min(at + part);
            let mut shorter = best.input.clone();
            shorter.drain(at..end);
            match run(target, &shorter) {
                Err(smaller) => best = smaller,
                Ok(_) => at = end,
            }
        }
        part /= 2;
    }
    best
}

thread_local! {
    /// The text of the last panic, while this thread runs a target.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `target`; a panic in it becomes its text, with the place, and prints nothing.
fn quietly<T>(target: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = PANIC.with_borrow_mut(|panic| match panic {
                Some(text) => {
                    *text = info.to_string();
                    true
                }
                None => false,
            });
            if !ours {
                usual(info);
            }
        }));
    });
    PANIC.set(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(target));
    let text = PANIC.take();
    result.map_err(|_| text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads lines `name: number`; breaks for a number above 250 under a name given twice.
    fn planted(input: &[u8]) -> Shape {
        let mut shape = Shape::new();
        let mut names: Vec<&[u8]> = Vec::new();
        for line in input.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = line.split_at(colon);
            let number = std::str::from_utf8(&value[1..]).ok().and_then(|v| v.trim().parse().ok());
            let twice = names.contains(&name);
            assert!(!twice || number.is_none_or(|n: u64| n <= 250), "planted");
            shape.note("line", &(twice, number.is_some()));
            names.push(name);
        }
        shape
    }

    static PLANTED: Target = Target {
        name: "planted",
        run: planted,
        seeds: |_| vec![b"a: 1\nb: 2\nc: 3\n".to_vec()],
        words: &[],
    };

    fn first_failure(target: &'static Target, seed: u64, steps: usize) -> Option<(usize, Failure)> {
        let mut fuzzer = Fuzzer::new(target, Vec::new(), seed).unwrap();
        (0..steps).find_map(|step| fuzzer.step().err().map(|failure| (step, failure)))
    }

    /// The canary: a fuzzer that does not find this finds nothing.
    #[test]
    fn a_planted_bug_is_found_shrunk_and_found_again() {
        for seed in 0..8 {
            let (step, failure) = first_failure(&PLANTED, seed, 2_000).unwrap();
            assert!(failure.message.contains("planted"), "{}", failure.message);
            assert!(failure.message.contains("engine.rs"), "{}", failure.message);
            let again = first_failure(&PLANTED, seed, 2_000).unwrap();
            assert_eq!((step, &failure.input), (again.0, &again.1.input));
            let small = shrink(&PLANTED, failure);
            assert!(small.input.len() <= 9, "{}", small.input.escape_ascii());
            assert!(run(&PLANTED, &small.input).is_err());
        }
    }

    #[test]
    fn an_input_that_takes_long_is_a_failure() {
        static SLOW: Target = Target {
            name: "slow",
            run: |input| {
                let work = if input == b"works" { SLOW_MS_MAX + 100 } else { 0 };
                let end = thread_ms() + work;
                while thread_ms() < end {}
                let idle = if input == b"sleeps" { SLOW_MS_MAX + 20 } else { 0 };
                std::thread::sleep(std::time::Duration::from_millis(idle));
                Shape::new()
            },
            seeds: |_| Vec::new(),
            words: &[],
        };
        assert!(run(&SLOW, b"").is_ok() && run(&SLOW, b"sleeps").is_ok());
        assert!(run(&SLOW, b"works").is_err_and(|failure| failure.message.starts_with("slow")));
    }

    #[test]
    fn a_corpus_that_breaks_a_law_is_refused_at_once() {
        let failure = Fuzzer::new(&PLANTED, vec![b"a: 1\na: 999\n".to_vec()], 1).err().unwrap();
        assert_eq!(failure.input, b"a: 1\na: 999\n");
    }
}
