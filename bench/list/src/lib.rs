//! Nanoseconds of looks into a list of five million numbers: those on it, those not on it, and the
//! same with as many changes over it as there may be.
//!
//! Numbers are other ones each time, so that their places are not in the caches; entries have the
//! lengths of numbers of three countries and of a few beginnings, so a look that finds nothing
//! probes four lengths.
//!
//! What it never does: decide on calls, which `bench/decide` does. Where to start: [`works`].

use std::hint::black_box;

use strowger_bench_round::Work;
use strowger_list::{CHANGES_MAX, Numbers, Packed};
use strowger_model::Digits;

/// Entries of the list.
pub const ENTRIES: u64 = 5_000_000;
/// Nanoseconds that a look may take (SPECIFICATION.md).
const BAR_NS: f64 = 500.0;
/// A prime that numbers are spread by.
const SPREAD: u64 = 7_919;
/// Numbers that are looked up, one after the other and again; each is far from the one before.
const LOOKS: u64 = 65_536;
const STRIDE: u64 = 1_234_567;

/// All works; `None` only if a constant of this file were wrong.
#[must_use]
pub fn works() -> Option<Vec<Box<dyn Work>>> {
    let list = Numbers::new(Packed::build((0..ENTRIES).filter_map(on_it)));
    let more = (0..CHANGES_MAX as u64).filter_map(|nth| number(33, nth));
    let changed = list.changed(more.map(|entry| (entry, true)));
    let look = |name, list: &Numbers, of: fn(u64) -> Option<Digits>, finds| {
        let numbers = (0..LOOKS).filter_map(|nth| of(nth.wrapping_mul(STRIDE))).collect();
        Box::new(Look { name, list: list.clone(), numbers, finds, nth: 0 }) as Box<dyn Work>
    };
    Some(vec![
        look("found", &list, on_it, true),
        look("missed", &list, |nth| number(49, nth), false),
        look("found_changed", &changed, on_it, true),
        look("missed_changed", &changed, |nth| number(49, nth), false),
    ])
}

/// The nth entry: of 11 digits, 12 or 13.
fn on_it(nth: u64) -> Option<Digits> {
    let nth = nth % ENTRIES;
    number([40, 44, 8_613][(nth % 3) as usize], nth)
}

/// A number of a country, another one for each `nth` below a thousand million.
fn number(country: u64, nth: u64) -> Option<Digits> {
    let width = if country == 44 { 10 } else { 9 };
    let rest = nth.wrapping_mul(SPREAD) % 1_000_000_000;
    Digits::parse(&format!("{country}{rest:0width$}")).ok()
}

/// Looks one number after the other up.
struct Look {
    name: &'static str,
    list: Numbers,
    numbers: Vec<Digits>,
    finds: bool,
    nth: usize,
}

impl Work for Look {
    fn name(&self) -> &'static str {
        self.name
    }

    fn bar_ns(&self) -> Option<f64> {
        Some(BAR_NS)
    }

    fn run(&mut self) -> bool {
        let Some(number) = self.numbers.get(self.nth) else { return false };
        self.nth = (self.nth + 1) % self.numbers.len();
        black_box(self.list.find(number)).is_some() == self.finds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_does_what_it_says() {
        let mut works = works().unwrap();
        assert_eq!(works.len(), 4);
        for work in &mut works {
            assert!((0..100).all(|_| work.run()), "{}", work.name());
        }
    }

    /// The entries are as many as they are said to be.
    #[test]
    fn no_entry_stands_there_twice() {
        let list = Packed::build((0..ENTRIES).filter_map(on_it));
        assert_eq!(list.len() as u64, ENTRIES);
        assert_eq!(list.bytes() as u64, 12 * ENTRIES + 8);
    }
}
