//! A tariff as decisions read it: price lines in a deck, conditions written once.

use crate::deck::Deck;
use crate::prefix::{Chain, Dictionary, PrefixId};
use std::collections::BTreeMap;
use strowger_model::{Amount, Price, Rate, RateId, Tariff};

/// A tariff and its price lines. Immutable.
///
/// A line is 24 bytes: what lines of one import have in common (step, minimum, fee, dates) stands
/// once in a table. Lines of one prefix with different dates are a list, so a price comes into
/// force by the clock alone.
#[derive(Clone, Debug)]
pub struct TariffDeck {
    tariff: Tariff,
    deck: Deck<Line>,
    conditions: Vec<Conditions>,
    // Further lines of a prefix, in the order to try.
    more: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    price: Price,
    id: RateId,
    conditions: u32,
    // Place + 1 in `more` of the next line of this prefix, 0 = none.
    next: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Conditions {
    step_s: u32,
    minimum_s: u32,
    free_s: u32,
    free_after_s: u32,
    connection_fee: Amount,
    from_us: i64,
    until_us: Option<i64>,
}

impl Conditions {
    const fn of(rate: &Rate) -> Conditions {
        Conditions {
            step_s: rate.step_s,
            minimum_s: rate.minimum_s,
            free_s: rate.free_s,
            free_after_s: rate.free_after_s,
            connection_fee: rate.connection_fee,
            from_us: rate.from_us,
            until_us: rate.until_us,
        }
    }

    fn in_force(&self, wall_us: i64) -> bool {
        self.from_us <= wall_us && self.until_us.is_none_or(|until_us| wall_us < until_us)
    }
}

impl TariffDeck {
    /// Builds the deck from all lines of `tariff`; a line whose prefix the dictionary does not know
    /// is left out.
    #[must_use]
    pub fn build(tariff: Tariff, rates: &[Rate], dictionary: &Dictionary) -> TariffDeck {
        let mut sorted: Vec<(PrefixId, &Rate)> =
            rates.iter().filter_map(|rate| Some((dictionary.id(&rate.prefix)?, rate))).collect();
        // The line that came into force last is tried first; of two at once the newer row.
        sorted.sort_by_key(|(id, rate)| (*id, core::cmp::Reverse((rate.from_us, rate.id))));
        let mut table = BTreeMap::new();
        let mut conditions = Vec::new();
        let mut more: Vec<Line> = Vec::new();
        let mut first: Vec<(PrefixId, Line)> = Vec::new();
        // From the end, so that each line knows the one that follows it.
        for (id, rate) in sorted.into_iter().rev() {
            let own = Conditions::of(rate);
            let index = *table.entry(own).or_insert_with(|| {
                conditions.push(own);
                conditions.len() as u32 - 1
            });
            let next = match first.pop() {
                Some((same, follower)) if same == id => {
                    more.push(follower);
                    more.len() as u32
                }
                Some(other) => {
                    first.push(other);
                    0
                }
                None => 0,
            };
            first.push((id, Line { price: rate.price, id: rate.id, conditions: index, next }));
        }
        TariffDeck { tariff, deck: Deck::build(first), conditions, more }
    }

    /// The tariff.
    #[must_use]
    pub const fn tariff(&self) -> &Tariff {
        &self.tariff
    }

    /// The line of the longest prefix in `chain` that is in force at `wall_us`.
    #[must_use]
    pub fn find(&self, chain: &Chain, wall_us: i64, dictionary: &Dictionary) -> Option<Rate> {
        self.deck.matches(chain).find_map(|(id, first)| {
            let mut line = Some(first);
            while let Some(this) = line {
                let conditions = self.conditions.get(this.conditions as usize)?;
                if conditions.in_force(wall_us) {
                    return self.rate(this, conditions, id, dictionary);
                }
                line = (this.next as usize).checked_sub(1).and_then(|at| self.more.get(at));
            }
            None
        })
    }

    fn rate(&self, line: &Line, c: &Conditions, id: PrefixId, words: &Dictionary) -> Option<Rate> {
        Some(Rate {
            id: line.id,
            tariff: self.tariff.id,
            prefix: words.prefix(id)?,
            price: line.price,
            step_s: c.step_s,
            minimum_s: c.minimum_s,
            free_s: c.free_s,
            free_after_s: c.free_after_s,
            connection_fee: c.connection_fee,
            from_us: c.from_us,
            until_us: c.until_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;
    use strowger_model::Digits;

    fn deck(rates: &[Rate]) -> (TariffDeck, Dictionary) {
        let dictionary = Dictionary::default().extended(rates.iter().map(|r| r.prefix)).unwrap();
        (TariffDeck::build(testing::tariff(1), rates, &dictionary), dictionary)
    }

    fn dated(id: i64, prefix: &str, from_us: i64, until_us: Option<i64>) -> Rate {
        Rate { from_us, until_us, ..testing::rate(id, 1, prefix, "0.01") }
    }

    #[test]
    fn dates_decide_by_the_clock() {
        let rates = [
            dated(1, "44", 0, None),
            dated(2, "44", 100, Some(200)),
            dated(3, "447", 150, Some(160)),
            dated(4, "44", 300, None),
        ];
        let (deck, dictionary) = deck(&rates);
        let chain = dictionary.chain(&Digits::parse("447911").unwrap());
        for (wall_us, expect) in [
            (-1, None),
            (0, Some(1)),
            (99, Some(1)),
            (100, Some(2)),
            (150, Some(3)),
            (160, Some(2)),
            (200, Some(1)),
            (300, Some(4)),
        ] {
            let found = deck.find(&chain, wall_us, &dictionary);
            assert_eq!(found.map(|r| r.id.0), expect, "at {wall_us}");
        }
    }

    #[test]
    fn a_line_comes_back_as_it_was() {
        let rate = Rate { minimum_s: 30, connection_fee: Amount(5), ..dated(7, "44", 1, Some(9)) };
        let (deck, dictionary) = deck(std::slice::from_ref(&rate));
        let chain = dictionary.chain(&Digits::parse("4420").unwrap());
        assert_eq!(deck.find(&chain, 5, &dictionary), Some(rate));
        assert_eq!(size_of::<Line>(), 24);
    }

    fn brute_force(rates: &[Rate], number: &Digits, wall_us: i64) -> Option<i64> {
        rates
            .iter()
            .filter(|r| number.has_prefix(&r.prefix) && Conditions::of(r).in_force(wall_us))
            .max_by_key(|r| (r.prefix.len(), r.from_us, r.id))
            .map(|r| r.id.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn equals_brute_force(
            lines in prop::collection::vec(("[0-2]{0,3}", 0i64..50, 1i64..50), 0..40),
            numbers in prop::collection::vec("[0-2]{1,5}", 1..10),
            wall_us in 0i64..100,
        ) {
            let rates: Vec<Rate> = lines.iter().zip(1..).map(|((prefix, from, len), id)| {
                dated(id, prefix, *from, (len % 3 != 0).then_some(from + len))
            }).collect();
            let (deck, dictionary) = deck(&rates);
            for number in numbers {
                let number = Digits::parse(&number).unwrap();
                let found = deck.find(&dictionary.chain(&number), wall_us, &dictionary);
                prop_assert_eq!(found.map(|r| r.id.0), brute_force(&rates, &number, wall_us));
            }
        }
    }
}
