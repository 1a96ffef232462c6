//! What each supplier asks for what a price list of reference sells.

use crate::limits::CODE_LEN_MAX;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;
use strowger_model::{Digits, PRICE_DIGITS, Price};

/// A supplier's prices in force, in the currency of the reference.
#[derive(Clone, Debug)]
pub struct Supplier<'a> {
    /// Its name.
    pub name: &'a str,
    /// Per minute, by prefix.
    pub prices: &'a BTreeMap<Digits, Price>,
}

/// What a supplier asks for the numbers of a code: from the cheapest to the dearest of its codes
/// among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Cheapest.
    pub least: Price,
    /// Dearest: what a call may cost at worst.
    pub most: Price,
    /// Whether every number of the code has a price; else only numbers of longer codes have.
    pub is_whole: bool,
}

/// A code of the reference beside all suppliers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rival {
    /// Prefix of the reference.
    pub code: Digits,
    /// Price of the reference.
    pub reference: Price,
    /// Offers in the order of the suppliers; `None` = no number of it has a price.
    pub offers: Vec<Option<Offer>>,
    /// Place of the supplier whose dearest price is lowest, of those with a price for every
    /// number; the first of equals.
    pub best: Option<usize>,
}

/// All codes of a reference, in order of digits.
#[must_use]
pub fn rivals(reference: &BTreeMap<Digits, Price>, suppliers: &[Supplier<'_>]) -> Vec<Rival> {
    let sorted: Vec<_> = suppliers.iter().map(|supplier| by_digits(supplier.prices)).collect();
    let codes = by_digits(reference);
    let rival = |(code, price): (&str, Price)| {
        let offers: Vec<_> = sorted.iter().map(|prices| offer(prices, code)).collect();
        let whole = offers.iter().enumerate().filter_map(|(place, offer)| {
            let offer = offer.filter(|offer| offer.is_whole)?;
            Some((offer.most.0, place))
        });
        let best = whole.min().map(|(_, place)| place);
        let code = Digits::parse(code).ok()?;
        Some(Rival { code, reference: price, offers, best })
    };
    codes.into_iter().filter_map(rival).collect()
}

/// By digits, so that all codes below one follow it.
fn by_digits(prices: &BTreeMap<Digits, Price>) -> BTreeMap<&str, Price> {
    prices.iter().map(|(code, price)| (code.as_str(), *price)).collect()
}

fn offer(prices: &BTreeMap<&str, Price>, code: &str) -> Option<Offer> {
    let own = (0..=code.len()).rev().find_map(|len| prices.get(code.get(..len)?));
    let below = prices.range::<str, _>((Bound::Excluded(code), Bound::Unbounded));
    let below = below.take_while(|(longer, _)| longer.starts_with(code)).map(|(_, price)| *price);
    let mut offer = own.map(|price| Offer { least: *price, most: *price, is_whole: true });
    for price in below {
        let known = offer.get_or_insert(Offer { least: price, most: price, is_whole: false });
        known.least = known.least.min(price);
        known.most = known.most.max(price);
    }
    offer
}

/// The same as CSV: the code, the reference, the best supplier and what is left of the reference's
/// price, and the dearest price of each supplier; a trailing `*` where some numbers have none.
#[must_use]
pub fn rivals_csv(rivals: &[Rival], suppliers: &[Supplier<'_>]) -> String {
    let mut csv = String::from("code,reference,best,left");
    for supplier in suppliers {
        let _ = write!(csv, ",{}", quoted(supplier.name));
    }
    csv.push_str("\r\n");
    for rival in rivals {
        let best = rival.best.and_then(|place| {
            let offer = rival.offers.get(place).copied().flatten()?;
            Some((suppliers.get(place)?.name, rival.reference.0.saturating_sub(offer.most.0)))
        });
        let (name, left) = best
            .map_or((String::new(), String::new()), |(name, left)| (quoted(name), decimal(left)));
        let _ = write!(csv, "{},{},{name},{left}", rival.code, decimal(rival.reference.0));
        for offer in &rival.offers {
            let _ = match offer {
                Some(Offer { most, is_whole: true, .. }) => write!(csv, ",{}", decimal(most.0)),
                Some(Offer { most, is_whole: false, .. }) => write!(csv, ",{}*", decimal(most.0)),
                None => write!(csv, ","),
            };
        }
        csv.push_str("\r\n");
    }
    csv
}

/// In quotes; a name that a spreadsheet would take for a formula gets an apostrophe.
fn quoted(name: &str) -> String {
    let guard = if name.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", name.replace('"', "\"\""))
}

fn decimal(units: i64) -> String {
    let scale = 10u64.pow(u32::from(PRICE_DIGITS));
    let (whole, rest) = (units.unsigned_abs() / scale, units.unsigned_abs() % scale);
    let sign = if units < 0 { "-" } else { "" };
    let fraction = format!("{rest:0width$}", width = usize::from(PRICE_DIGITS));
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

const _: () = assert!(CODE_LEN_MAX <= strowger_model::NUMBER_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(prices: &[(&str, i64)]) -> BTreeMap<Digits, Price> {
        let one = |(code, price): &(&str, i64)| (Digits::parse(code).unwrap(), Price(*price));
        prices.iter().map(one).collect()
    }

    #[test]
    fn each_supplier_stands_beside_the_reference() {
        let reference = list(&[("49", 20_000_000), ("4915", 50_000_000), ("7", 1_500_000_000)]);
        let one = list(&[("4", 10_000_000), ("49151", 60_000_000), ("49152", 5_000_000)]);
        let two = list(&[("49", 15_000_000), ("79", 1_000_000_000)]);
        let suppliers =
            [Supplier { name: "One", prices: &one }, Supplier { name: "=T\"wo", prices: &two }];
        let found = rivals(&reference, &suppliers);
        let whole = Offer { least: Price(5_000_000), most: Price(60_000_000), is_whole: true };
        assert_eq!(found[0].offers[0], Some(whole));
        assert_eq!(
            found.iter().map(|rival| rival.best).collect::<Vec<_>>(),
            [Some(1), Some(1), None]
        );
        let csv = "code,reference,best,left,\"One\",\"'=T\"\"wo\"\r\n\
                   49,0.02,\"'=T\"\"wo\",0.005,0.06,0.015\r\n\
                   4915,0.05,\"'=T\"\"wo\",0.035,0.06,0.015\r\n\
                   7,1.5,,,,1*\r\n";
        assert_eq!(rivals_csv(&found, &suppliers), csv);
        assert_eq!(decimal(-1_500_000_000), "-1.5");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// What a call to any number of a code costs lies within the offer; without a price for
        /// every number the offer says so.
        #[test]
        fn an_offer_holds_for_every_number_of_its_code(
            prices in proptest::collection::btree_map("[12]{0,4}", 1i64..50, 0..12),
            code in "[12]{1,3}",
            tail in "[12]{4}",
        ) {
            let all = prices.iter().map(|(code, price)| (code.as_str(), *price));
            let prices = list(&all.collect::<Vec<_>>());
            let offer = offer(&by_digits(&prices), &code);
            let number = Digits::parse(&format!("{code}{tail}")).unwrap();
            let fits = prices.iter().filter(|(code, _)| number.has_prefix(code));
            match fits.max_by_key(|(code, _)| code.len()) {
                Some((_, price)) => {
                    let offer = offer.unwrap();
                    prop_assert!((offer.least..=offer.most).contains(price));
                }
                None => prop_assert!(offer.is_none_or(|offer| !offer.is_whole)),
            }
        }
    }
}
