//! Price lists by append-only revisions (design of control, 17): which rows are in force, when.
//!
//! A revision holds only what differs from those before it. Of the rows of one prefix, one class of
//! times and one range of digits ([`strowger_model::RateKey`]) that are valid at a moment, the
//! one of the latest revision counts, within a revision the one that came
//! into force last. So a price of a limited time uncovers the one below it when it ends, and a row
//! that removes a prefix hides those below as long as it is valid.

use std::collections::BTreeMap;
use strowger_model::{Rate, RateKey};

/// A row of a published revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevisedRate {
    /// The row. Its `from_us` is at least the moment at which its revision takes effect.
    pub rate: Rate,
    /// Number of its revision.
    pub revision: u32,
    /// From then on the prefix has no price.
    pub removed: bool,
}

impl RevisedRate {
    /// What lies above what.
    fn layer(&self) -> (u32, i64, i64) {
        (self.revision, self.rate.from_us, self.rate.id.0)
    }

    fn is_valid(&self, at_us: i64) -> bool {
        self.rate.from_us <= at_us && self.rate.until_us.is_none_or(|until_us| at_us < until_us)
    }
}

/// The rows in force of one tariff, cut at the moments at which another takes over: no two rows
/// with one key (prefix, class of times, digits) are valid at the same time. In order of key and
/// time.
#[must_use]
pub fn in_force(rows: Vec<RevisedRate>) -> Vec<Rate> {
    let mut keys: BTreeMap<RateKey, Vec<RevisedRate>> = BTreeMap::new();
    for row in rows {
        keys.entry(row.rate.key()).or_default().push(row);
    }
    keys.into_values().flat_map(cut).collect()
}

/// The rows of one key.
fn cut(mut rows: Vec<RevisedRate>) -> Vec<Rate> {
    if let [row] = rows.as_slice() {
        return if row.removed { Vec::new() } else { vec![row.rate.clone()] };
    }
    rows.sort_by_key(|row| core::cmp::Reverse(row.layer()));
    let begins = rows.iter().map(|row| row.rate.from_us);
    let mut moments: Vec<i64> =
        begins.chain(rows.iter().filter_map(|row| row.rate.until_us)).collect();
    moments.sort_unstable();
    moments.dedup();
    let mut pieces: Vec<Rate> = Vec::new();
    for (at, from_us) in moments.iter().enumerate() {
        let Some(top) = rows.iter().find(|row| row.is_valid(*from_us)) else { continue };
        if top.removed {
            continue;
        }
        let until_us = moments.get(at + 1).copied();
        match pieces.last_mut() {
            Some(last) if last.id == top.rate.id && last.until_us == Some(*from_us) => {
                last.until_us = until_us;
            }
            Some(_) | None => {
                pieces.push(Rate { from_us: *from_us, until_us, ..top.rate.clone() });
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use strowger_model::{Amount, Digits, Price, RateId, TariffId, TimeClass};

    fn row(
        id: i64,
        prefix: &str,
        revision: u32,
        from_us: i64,
        until_us: Option<i64>,
    ) -> RevisedRate {
        let rate = Rate {
            id: RateId(id),
            tariff: TariffId(1),
            prefix: Digits::parse(prefix).unwrap(),
            price: Price(id),
            step_s: 1,
            minimum_s: 0,
            free_s: 0,
            free_after_s: 0,
            class: TimeClass::All,
            digits_min: 0,
            digits_max: 0,
            connection_fee: Amount::ZERO,
            from_us,
            until_us,
        };
        RevisedRate { rate, revision, removed: false }
    }

    fn told(rates: &[Rate]) -> Vec<(i64, i64, Option<i64>)> {
        rates.iter().map(|rate| (rate.id.0, rate.from_us, rate.until_us)).collect()
    }

    #[test]
    fn a_later_revision_takes_over() {
        let rows = vec![row(1, "44", 1, 0, None), row(2, "44", 2, 100, None)];
        assert_eq!(told(&in_force(rows)), [(1, 0, Some(100)), (2, 100, None)]);
    }

    #[test]
    fn a_price_of_a_limited_time_uncovers_the_one_below() {
        let rows = vec![row(1, "44", 1, 0, None), row(2, "44", 2, 100, Some(200))];
        let expect = [(1, 0, Some(100)), (2, 100, Some(200)), (1, 200, None)];
        assert_eq!(told(&in_force(rows)), expect);
    }

    #[test]
    fn prices_of_other_times_and_lengths_stand_beside_each_other() {
        let mut rows = vec![row(1, "44", 1, 0, None), row(2, "44", 2, 100, None)];
        rows[1].rate.class = TimeClass::Peak;
        let mut short = row(3, "44", 2, 100, None);
        short.rate.digits_max = 6;
        rows.push(short);
        let mut gone = row(4, "44", 3, 200, None);
        (gone.rate.class, gone.removed) = (TimeClass::Peak, true);
        rows.push(gone);
        let expect = [(1, 0, None), (3, 100, None), (2, 100, Some(200))];
        assert_eq!(told(&in_force(rows)), expect);
    }

    #[test]
    fn a_later_revision_counts_whatever_an_older_one_planned() {
        let rows = vec![row(1, "44", 1, 500, None), row(2, "44", 2, 100, None)];
        assert_eq!(told(&in_force(rows)), [(2, 100, None)]);
    }

    #[test]
    fn a_removed_prefix_has_no_price_until_a_later_revision() {
        let gone = RevisedRate { removed: true, ..row(2, "44", 2, 100, None) };
        let rows = vec![row(1, "44", 1, 0, None), gone, row(3, "44", 3, 300, None)];
        assert_eq!(told(&in_force(rows)), [(1, 0, Some(100)), (3, 300, None)]);
        let alone = RevisedRate { removed: true, ..row(2, "44", 2, 100, None) };
        assert_eq!(in_force(vec![alone]), []);
    }

    /// The row in force, the slow way.
    fn naive(rows: &[RevisedRate], prefix: &Digits, at_us: i64) -> Option<i64> {
        let valid = rows.iter().filter(|row| row.rate.prefix == *prefix && row.is_valid(at_us));
        let top = valid.max_by_key(|row| row.layer())?;
        (!top.removed).then_some(top.rate.id.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn equals_the_naive_reading(
            lines in prop::collection::vec(("[12]", 1u32..4, 0i64..20, 1i64..20, 0u8..4), 0..20),
        ) {
            let made = |((prefix, n, from, len, kind), id): (&(String, u32, i64, i64, u8), i64)| {
                let until = (kind % 2 == 0).then_some(from + len);
                RevisedRate { removed: *kind == 3, ..row(id, prefix, *n, *from, until) }
            };
            let rows: Vec<RevisedRate> = lines.iter().zip(1..).map(made).collect();
            let rates = in_force(rows.clone());
            for text in ["1", "2"] {
                let prefix = Digits::parse(text).unwrap();
                for at in -1..45 {
                    let valid = |rate: &&Rate| {
                        let ends = rate.until_us.is_some_and(|until| until <= at);
                        rate.prefix == prefix && rate.from_us <= at && !ends
                    };
                    let found: Vec<i64> =
                        rates.iter().filter(valid).map(|rate| rate.id.0).collect();
                    let expect: Vec<i64> = naive(&rows, &prefix, at).into_iter().collect();
                    prop_assert_eq!(found, expect, "{} at {}", text, at);
                }
            }
        }
    }
}
