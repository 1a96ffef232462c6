//! Nanoseconds of ratings: from a number and a time to what a call costs, and from a settlement to
//! the charges of a record.
//!
//! Each work is done again and again on one thread; a round's figure is its time over its ratings,
//! the work's figure the median of its rounds. Rounds of the works alternate, so that a noisy
//! minute hits all alike. Numbers and durations are other ones each time, so that prefixes are not
//! all in the caches.
//!
//! What it never does: decide on calls, which `bench/decide` does; write records, which `bench/cdr`
//! does. Where to start: [`works`].

use std::hint::black_box;

use strowger_bench_round::Work;
use strowger_billing::{Hop, Level, Settlement, Terms, rate};
use strowger_model::{
    AccountId, Amount, ClassRule, Clock, Currency, DayParts, Digits, Exchange, Holidays,
    OrganizationId, Price, Rate, RateId, Rounding, RoundingMode, Tariff, TariffId, TariffKind,
    TenantId, TimeClass, TrunkId, Zone,
};
use strowger_routing::{Dictionary, TariffDeck};

/// Prefixes of the tariff; each has a price of peak hours and one of all others.
pub const PREFIXES: usize = 100_000;
/// A Tuesday, 22:13:20 UTC, in microseconds since 1970.
const BEGAN_US: i64 = 1_700_000_000_000_000;
/// Longest talk that prices are looked at for, milliseconds.
const TALK_MS_MAX: u64 = 7_200_000;

/// Numbers that follow each other without a pattern, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number of so many digits.
    fn digits(&mut self, count: usize) -> Option<Digits> {
        let text = format!("{:020}", self.roll());
        Digits::parse(text.get(text.len().checked_sub(count)?..)?).ok()
    }
}

/// All works, each set up; `None` only if a constant of this file were wrong.
#[must_use]
pub fn works() -> Option<Vec<Box<dyn Work>>> {
    let list = list()?;
    let terms = list.terms(&Digits::parse("442079460000").ok()?, BEGAN_US)?;
    let settlement = settlement(terms).encode().ok()?;
    let flat = Terms::flat(Price(60_000_000), Currency::new("EUR", 2)?).ok()?;
    Some(vec![
        Box::new(One { name: "rate_flat", terms: flat, dice: Dice(7) }),
        Box::new(One { name: "rate", terms, dice: Dice(7) }),
        Box::new(LookUp { list, dice: Dice(7) }),
        Box::new(Record { settlement, dice: Dice(7) }),
    ])
}

/// A price list in dollars with tax in it, for an account in euros with a discount.
struct List {
    dictionary: Dictionary,
    deck: TariffDeck,
    zone: Zone,
    holidays: Holidays,
    numbers: Vec<Digits>,
    exchange: Exchange,
}

const PARTS: DayParts = DayParts {
    peak_from_min: 540,
    peak_until_min: 1_140,
    evening_from_min: 1_140,
    night_from_min: 1_320,
    weekend_is_peak: false,
    holiday_is_weekend: true,
};

fn list() -> Option<List> {
    let mut dice = Dice(42);
    let mut prefixes = vec![Digits::EMPTY];
    while prefixes.len() < PREFIXES {
        let length = 3 + dice.roll() as usize % 6;
        prefixes.push(dice.digits(length)?);
    }
    let rates: Vec<Rate> = (prefixes.iter().zip(1..))
        .flat_map(|(prefix, id)| {
            let base = line(prefix, id, TimeClass::All, 30_000_000 + id);
            [base, line(prefix, id, TimeClass::Peak, 60_000_000)]
        })
        .collect();
    let dictionary = Dictionary::default().extended(prefixes.iter().copied()).ok()?;
    let tariff = Tariff {
        id: TariffId(1),
        tenant: TenantId(1),
        name: "retail".to_owned(),
        currency: Currency::new("USD", 2)?,
        kind: TariffKind::Customer,
        rounding: Rounding { digits: 4, mode: RoundingMode::HalfAway },
        vat_ppm: 190_000,
        vat_included: true,
    };
    let deck = TariffDeck::build(tariff, &rates, &dictionary);
    let numbers = (0..65_536).map(|_| dice.digits(12)).collect::<Option<_>>()?;
    let zone = Zone::new(3_600, Vec::new())?;
    let exchange = Exchange::new(923_456_789, Currency::new("EUR", 2)?)?;
    Some(List { dictionary, deck, zone, holidays: Holidays::NONE, numbers, exchange })
}

fn line(prefix: &Digits, id: i64, class: TimeClass, price: i64) -> Rate {
    Rate {
        id: RateId(id),
        tariff: TariffId(1),
        prefix: *prefix,
        class,
        digits_min: 0,
        digits_max: 0,
        price: Price(price),
        step_s: 6,
        minimum_s: 30,
        free_s: 0,
        free_after_s: 0,
        connection_fee: Amount(1_000_000),
        from_us: 0,
        until_us: None,
    }
}

impl List {
    /// What a call to a number costs that begins then.
    fn terms(&self, number: &Digits, began_us: i64) -> Option<Terms> {
        let chain = self.dictionary.chain(number);
        let (zone, holidays) = (&self.zone, &self.holidays);
        let clock = Clock { zone, parts: PARTS, holidays, number };
        let when = (began_us, TALK_MS_MAX);
        let (rate, prices) = self.deck.price(&chain, &clock, when)?;
        let terms = Terms::of(self.deck.tariff(), &rate, 250, self.exchange).ok()?;
        Some(terms.with_prices(prices, ClassRule::Split))
    }
}

/// A caller, two resellers above, and a supplier.
fn settlement(terms: Terms) -> Settlement {
    let level = |account| Level {
        account: AccountId(account),
        organization: OrganizationId(account),
        prepaid: true,
        terms,
        commission: None,
    };
    let hop = Hop {
        trunk: TrunkId(1),
        account: AccountId(9),
        organization: OrganizationId(9),
        terms: Some(terms),
    };
    Settlement {
        began_us: BEGAN_US,
        levels: vec![level(1), level(2), level(3)],
        hops: vec![hop],
        ..Settlement::free(TenantId(1))
    }
}

/// The amount of one call by terms that are at hand.
struct One {
    name: &'static str,
    terms: Terms,
    dice: Dice,
}

impl Work for One {
    fn name(&self) -> &'static str {
        self.name
    }

    fn bar_ns(&self) -> Option<f64> {
        None
    }

    fn run(&mut self) -> bool {
        let talk_ms = self.dice.roll() % TALK_MS_MAX;
        black_box(rate(black_box(&self.terms), Some(talk_ms), 0)).is_ok()
    }
}

/// From number, moment and duration to the amount: longest prefix, class of times, terms, amount.
struct LookUp {
    list: List,
    dice: Dice,
}

impl Work for LookUp {
    fn name(&self) -> &'static str {
        "look_up_and_rate"
    }

    fn bar_ns(&self) -> Option<f64> {
        Some(1_000.0)
    }

    fn run(&mut self) -> bool {
        let dice = self.dice.roll();
        let at = (dice >> 32) as usize % self.list.numbers.len().max(1);
        let Some(number) = self.list.numbers.get(at) else { return false };
        // Any moment of a week.
        let began_us = BEGAN_US + (dice % 604_800_000) as i64 * 1_000;
        let Some(terms) = self.list.terms(black_box(number), began_us) else { return false };
        black_box(rate(&terms, Some(dice % TALK_MS_MAX), 0)).is_ok()
    }
}

/// A settlement is read, and its four charges are rated, as for a record.
struct Record {
    settlement: Vec<u8>,
    dice: Dice,
}

impl Work for Record {
    fn name(&self) -> &'static str {
        "record"
    }

    fn bar_ns(&self) -> Option<f64> {
        None
    }

    fn run(&mut self) -> bool {
        let Ok(settlement) = Settlement::decode(black_box(&self.settlement)) else { return false };
        let dice = self.dice.roll();
        let (wait_ms, talk_ms) = (dice % 60_000, dice % TALK_MS_MAX);
        let levels = settlement.levels.iter().map(|level| level.terms);
        let all = levels.chain(settlement.hops.iter().filter_map(|hop| hop.terms));
        all.map(|terms| rate(&terms.answered_after(wait_ms), Some(talk_ms), 0))
            .all(|rated| black_box(rated).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_bench_round::measure;

    #[test]
    fn every_work_is_done_and_has_its_figure() {
        let figures = measure(&mut works().unwrap(), 2, 3).unwrap();
        let names: Vec<_> = figures.iter().map(|figure| figure.name).collect();
        assert_eq!(names, ["rate_flat", "rate", "look_up_and_rate", "record"]);
        for figure in figures {
            assert!(figure.least_ns() > 0.0 && figure.least_ns() <= figure.median_ns());
        }
    }

    #[test]
    fn prices_change_at_nine_in_the_morning() {
        let list = list().unwrap();
        let number = Digits::parse("442079460000").unwrap();
        // 9 hours, 46 minutes and 40 seconds after 22:13:20 UTC it is 08:00 UTC, nine o'clock in
        // the list's zone.
        let morning_us = BEGAN_US + (9 * 3_600 + 2_800) * 1_000_000;
        let terms = list.terms(&number, morning_us - 60_000_000).unwrap();
        let prices = terms.pricing.prices.as_slice();
        assert_eq!((prices.len(), prices[0].until_ms, prices[1].price.0), (2, 60_000, 60_000_000));
    }

    #[test]
    fn what_is_not_done_is_told() {
        let mut broken = Record { settlement: vec![9], dice: Dice(7) };
        assert!(!broken.run());
    }
}
