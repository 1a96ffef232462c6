//! What a change of buying prices does to the prices that we sell at.

use std::collections::BTreeMap;
use std::iter::Peekable;
use strowger_model::{Digits, Price};

/// A prefix within which one price is sold and one is bought, before and after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sold {
    /// Of called numbers.
    pub code: Digits,
    /// What we sell at; `None` = not at all.
    pub sale: Option<Price>,
    /// What we bought at before; `None` = not at all.
    pub before: Option<Price>,
    /// What we buy at then.
    pub after: Option<Price>,
}

impl Sold {
    /// Sold below what it costs then.
    #[must_use]
    pub fn is_at_loss(&self) -> bool {
        matches!((self.sale, self.after), (Some(sale), Some(after)) if sale < after)
    }

    /// Sold below what it costs then, and not before.
    #[must_use]
    pub fn turns_to_loss(&self) -> bool {
        let was = matches!((self.sale, self.before), (Some(sale), Some(before)) if sale < before);
        self.is_at_loss() && !was
    }

    /// What is left of a minute then, in units of a price.
    #[must_use]
    pub fn left(&self) -> Option<i64> {
        Some(self.sale?.0.saturating_sub(self.after?.0))
    }
}

/// Prices of one list while prefixes are walked in order: those of the prefixes around the present
/// one, longest last.
struct Layer<'a> {
    next: Peekable<std::collections::btree_map::Iter<'a, Digits, Price>>,
    around: Vec<(Digits, Price)>,
}

impl<'a> Layer<'a> {
    fn new(prices: &'a BTreeMap<Digits, Price>) -> Layer<'a> {
        Layer { next: prices.iter().peekable(), around: Vec::new() }
    }

    fn peek(&mut self) -> Option<Digits> {
        self.next.peek().map(|(code, _)| **code)
    }

    /// The price of numbers of `code`, which lies behind every one before.
    fn step(&mut self, code: &Digits) -> Option<Price> {
        while self.around.last().is_some_and(|(outer, _)| !code.has_prefix(outer)) {
            self.around.pop();
        }
        if let Some((own, price)) = self.next.next_if(|(own, _)| *own == code) {
            self.around.push((*own, *price));
        }
        self.around.last().map(|(_, price)| *price)
    }
}

/// Every prefix of any of the lists, in order of digits, with the price of each list for its
/// numbers: that of its longest prefix. One walk, whatever the lists hold; so no pair of prices
/// that some number has is missed, be the finer prefix on the selling side or on the buying one.
pub fn sold<'a>(
    sale: &'a BTreeMap<Digits, Price>,
    before: &'a BTreeMap<Digits, Price>,
    after: &'a BTreeMap<Digits, Price>,
) -> impl Iterator<Item = Sold> + use<'a> {
    let mut layers = [sale, before, after].map(Layer::new);
    std::iter::from_fn(move || {
        let code = layers.iter_mut().filter_map(Layer::peek).min()?;
        let [sale, before, after] = layers.each_mut().map(|layer| layer.step(&code));
        Some(Sold { code, sale, before, after })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type List = BTreeMap<Digits, Price>;

    fn list(prices: &BTreeMap<String, i64>) -> List {
        prices.iter().map(|(code, p)| (Digits::parse(code).unwrap(), Price(*p))).collect()
    }

    fn price(list: &List, number: &Digits) -> Option<Price> {
        let fits = list.iter().filter(|(code, _)| number.has_prefix(code));
        fits.max_by_key(|(code, _)| code.len()).map(|(_, price)| *price)
    }

    #[test]
    fn a_finer_sale_price_is_seen_below_a_dearer_purchase() {
        let of = |prices: &[(&str, i64)]| {
            list(&prices.iter().map(|(code, p)| ((*code).to_owned(), *p)).collect())
        };
        let sale = of(&[("49", 50), ("4915", 30)]);
        let (before, after) = (of(&[("49", 20)]), of(&[("49", 40), ("7", 9)]));
        let told: Vec<_> = sold(&sale, &before, &after)
            .map(|sold| (sold.code.to_string(), sold.left(), sold.turns_to_loss()))
            .collect();
        let wanted = [("49", Some(10), false), ("4915", Some(-10), true), ("7", None, false)];
        assert_eq!(told, wanted.map(|(code, left, turns)| (code.to_owned(), left, turns)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// The pair of prices of any number is that of the longest prefix that the walk shows.
        #[test]
        fn every_number_has_the_prices_of_its_longest_prefix(
            sale in proptest::collection::btree_map("[12]{0,4}", 1i64..50, 0..12),
            before in proptest::collection::btree_map("[12]{0,4}", 1i64..50, 0..12),
            after in proptest::collection::btree_map("[12]{0,4}", 1i64..50, 0..12),
            number in "[12]{5}",
        ) {
            let (sale, before, after) = (list(&sale), list(&before), list(&after));
            let number = Digits::parse(&number).unwrap();
            let all: Vec<_> = sold(&sale, &before, &after).collect();
            prop_assert!(all.is_sorted_by_key(|sold| sold.code));
            let found = all.iter().filter(|sold| number.has_prefix(&sold.code));
            let found = found.max_by_key(|sold| sold.code.len());
            let told = found.map_or((None, None, None), |s| (s.sale, s.before, s.after));
            let wanted = [&sale, &before, &after].map(|list| price(list, &number));
            prop_assert_eq!([told.0, told.1, told.2], wanted);
        }
    }
}
