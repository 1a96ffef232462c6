//! Price lines and called numbers, the same in every run.
//!
//! Every deck has the 900 prefixes of three digits, so that every number has a price everywhere,
//! and draws the others from one stock of three times as many prefixes of four to nine digits:
//! decks of real suppliers name the same directions, but not all of them.

use crate::Options;
use std::collections::BTreeSet;
use std::io::Write;
use strowger_link::siphash::{Key, siphash24};
use strowger_model::Digits;

/// Prefixes that every deck has: 100 to 999.
const COUNTRIES: u32 = 900;
/// Directions of the stock for each that a deck takes.
const STOCK: u32 = 3;
/// Lines of a deck have one of so many prices.
const PRICES: u64 = 5_000;

/// A number that nothing but `words` decides.
pub(crate) fn draw(words: [u64; 3]) -> u64 {
    siphash24(&Key(*b"bench of routing"), &words.map(u64::to_le_bytes).concat())
}

/// The prefix of a place in the stock.
fn stock(place: u32) -> u64 {
    let dice = draw([1, place.into(), 0]);
    // Four to nine digits, longer ones more often, the first not 0.
    let len = 4 + (dice % 16).min(5);
    let low = 10u64.pow(u32::try_from(len).unwrap_or(4) - 1);
    low + (dice >> 8) % (9 * low)
}

/// The prefixes of a supplier's deck with their prices at 1e-9 a minute.
pub(crate) fn deck(supplier: u32, lines: u32) -> Vec<(u64, i64)> {
    let directions = u64::from(lines.saturating_mul(STOCK).max(1));
    let mut prefixes: BTreeSet<u64> = (100..100 + u64::from(COUNTRIES.min(lines))).collect();
    let mut turn = 0;
    while prefixes.len() < lines as usize {
        let place = draw([2, supplier.into(), turn]) % directions;
        prefixes.insert(stock(u32::try_from(place).unwrap_or_default()));
        turn += 1;
    }
    let price = |prefix: u64| {
        let step = draw([3, supplier.into(), prefix]) % PRICES + 1;
        i64::try_from(step * 10_000).unwrap_or(1)
    };
    prefixes.into_iter().map(|prefix| (prefix, price(prefix))).collect()
}

/// The called number of an ask: a direction of the stock, filled to twelve digits.
pub(crate) fn number(options: Options, ask: u32) -> u64 {
    let directions = u64::from(options.rates.saturating_mul(STOCK).max(1));
    let place = draw([4, ask.into(), 0]) % directions;
    let mut number = stock(u32::try_from(place).unwrap_or_default());
    let fill = draw([5, ask.into(), 0]);
    let mut digit = 0;
    while number < 100_000_000_000 {
        number = number * 10 + (fill >> (4 * digit)) % 10;
        digit += 1;
    }
    number
}

pub(crate) fn digits(number: u64) -> Option<Digits> {
    Digits::parse(&number.to_string()).ok()
}

/// All lines for a database.
pub(crate) fn write_csv(options: Options, out: &mut impl Write) -> Result<(), String> {
    let mut out = std::io::BufWriter::new(out);
    for supplier in 0..options.suppliers {
        for (prefix, price) in deck(supplier, options.rates) {
            writeln!(out, "{supplier},{prefix},{price}").map_err(|e| e.to_string())?;
        }
    }
    out.flush().map_err(|e| e.to_string())
}

/// Called numbers with their place.
pub(crate) fn write_numbers(options: Options, out: &mut impl Write) -> Result<(), String> {
    let mut out = std::io::BufWriter::new(out);
    for ask in 0..options.asks {
        writeln!(out, "{},{}", ask + 1, number(options, ask)).map_err(|e| e.to_string())?;
    }
    out.flush().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decks_share_directions_and_every_number_has_a_price() {
        let (one, two) = (deck(1, 2_000), deck(2, 2_000));
        assert_eq!((one.len(), two.len()), (2_000, 2_000));
        let prefixes = |deck: &[(u64, i64)]| deck.iter().map(|l| l.0).collect::<BTreeSet<_>>();
        let shared = prefixes(&one).intersection(&prefixes(&two)).count();
        assert!((1_100..1_700).contains(&shared), "{shared}");
        assert!(one.iter().all(|(_, price)| *price > 0));
        let options = Options { suppliers: 2, rates: 2_000, accounts: 1, asks: 100, deck: 1 };
        for ask in 0..100 {
            let text = number(options, ask).to_string();
            assert_eq!(text.len(), 12);
            assert!(one.iter().any(|(prefix, _)| text.starts_with(&prefix.to_string())));
        }
    }
}
