//! A tariff as decisions read it: price lines in a deck, conditions written once.

use crate::deck::{Deck, Place};
use crate::joint::JointIndex;
use crate::prefix::{Chain, Dictionary, PrefixId};
use std::collections::{BTreeMap, BTreeSet};
use strowger_billing::VAT_PPM_MAX;
use strowger_model::{
    Amount, Clock, Digits, FOREVER_MS, Measure, PPM, Place as Time, Price, Prices, RAW_DIGITS,
    Rate, RateId, SEGMENTS_MAX, Segment, Tariff, TimeClass, flat_raw, takes_digits,
};

/// Most stretches of time that one call is looked at for: more than a month has.
const STRETCHES_MAX: usize = 1_024;

/// A tariff and its price lines. Immutable.
///
/// A line is 16 bytes: what lines of one import have in common (step, minimum, fee, dates) stands
/// once in a table. Lines of one prefix with different dates or classes of times are a list, so a
/// price comes into force by the clock alone.
#[derive(Clone, Debug)]
pub struct TariffDeck {
    tariff: Tariff,
    deck: Deck<Line>,
    conditions: Vec<Conditions>,
    // Of the prefixes that have several lines, in order of their ids.
    leaders: Vec<Leader>,
    // Their further lines, in the order to try, those of one prefix behind each other.
    more: Vec<Line>,
    ids: Ids,
    // A line counts at some times only.
    is_timed: bool,
    // Minutes of the day at which stretches of lines begin and end.
    edges: Vec<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    price: Price,
    // What `Ids` makes of it.
    id: u32,
    // Place in the table of conditions; with [`MORE`] that of a leader, which says it.
    conditions: u32,
}

/// Mark of a line that others of its prefix follow.
const MORE: u32 = 1 << 31;

/// The first line of a prefix that has several.
#[derive(Clone, Copy, Debug)]
struct Leader {
    // Place of its own conditions.
    conditions: u32,
    // Place of the first further line; they end where those of the next leader begin.
    begin: u32,
}

/// The ids of lines: of one tariff they lie near each other, as they came from one list.
#[derive(Clone, Debug)]
enum Ids {
    /// So much more than what a line says.
    From(i64),
    /// Too far apart for that: a line says its place here.
    Listed(Vec<RateId>),
}

impl Ids {
    fn of(rates: &[Rate]) -> Ids {
        let ids = || rates.iter().map(|rate| rate.id.0);
        let (least, most) = (ids().min().unwrap_or_default(), ids().max().unwrap_or_default());
        match most.checked_sub(least).and_then(|spread| u32::try_from(spread).ok()) {
            Some(_) => Ids::From(least),
            None => Ids::Listed(Vec::new()),
        }
    }

    /// What a line says for this id.
    fn put(&mut self, id: RateId) -> u32 {
        match self {
            Ids::From(least) => u32::try_from(id.0.saturating_sub(*least)).unwrap_or(u32::MAX),
            Ids::Listed(list) => {
                list.push(id);
                u32::try_from(list.len() - 1).unwrap_or(u32::MAX)
            }
        }
    }

    fn get(&self, said: u32) -> RateId {
        match self {
            Ids::From(least) => RateId(least.saturating_add(said.into())),
            Ids::Listed(list) => list.get(said as usize).copied().unwrap_or(RateId(0)),
        }
    }
}

/// What a line is looked up for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// When the call begins, microseconds since 1970 UTC.
    pub wall_us: i64,
    /// Digits of the called number.
    pub digits: usize,
}

/// The line of the longest prefix, whether in force or not.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    line: Line,
    prefix: PrefixId,
}

/// A line that counts for a number.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    deck: &'a TariffDeck,
    line: Line,
    conditions: &'a Conditions,
    prefix: PrefixId,
}

impl Found<'_> {
    /// The line itself.
    #[must_use]
    pub fn rate(&self, words: &Dictionary) -> Option<Rate> {
        Some(Rate { prefix: words.prefix(self.prefix)?, ..self.terms() })
    }

    /// The line without its prefix, which says nothing of what a call costs.
    #[must_use]
    pub fn terms(&self) -> Rate {
        let c = self.conditions;
        Rate {
            id: self.deck.ids.get(self.line.id),
            tariff: self.deck.tariff.id,
            prefix: Digits::EMPTY,
            class: c.class,
            digits_min: c.digits_min,
            digits_max: c.digits_max,
            price: self.line.price,
            step_s: c.step_s,
            minimum_s: c.minimum_s,
            free_s: c.free_s,
            free_after_s: c.free_after_s,
            connection_fee: c.connection_fee,
            from_us: c.from_us,
            until_us: c.until_us,
        }
    }

    /// What a call of `ms` costs by this line alone, without tax and before any rounding: of the
    /// terms that it makes with a discount, without making them. `None` where it makes none.
    #[must_use]
    pub fn net_cost(&self, discount: u16, ms: u64) -> Option<i128> {
        let (tariff, c) = (&self.deck.tariff, self.conditions);
        let measure = Measure::of_seconds(c.step_s, c.minimum_s, c.free_s, c.free_after_s)?;
        if tariff.rounding.digits > RAW_DIGITS || tariff.vat_ppm > VAT_PPM_MAX {
            return None;
        }
        let fee = (c.connection_fee, tariff.currency);
        let raw = flat_raw(self.line.price, measure.charged_ms(ms), fee, discount)?;
        Some(without_tax(raw, tariff.vat_included, tariff.vat_ppm))
    }
}

/// A price without the tax that it may include.
pub(crate) const fn without_tax(raw: i128, vat_included: bool, vat_ppm: u32) -> i128 {
    match vat_included {
        true => raw / (PPM + vat_ppm as i128) * PPM,
        false => raw,
    }
}

/// The prices of a call while they are put together.
struct Segments {
    list: [Segment; SEGMENTS_MAX],
    count: usize,
}

impl Default for Segments {
    fn default() -> Segments {
        let none = Segment { until_ms: FOREVER_MS, price: Price(0) };
        Segments { list: [none; SEGMENTS_MAX], count: 0 }
    }
}

impl Segments {
    /// Beyond [`SEGMENTS_MAX`] nothing is added.
    fn push(&mut self, segment: Segment) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = segment;
            self.count += 1;
        }
    }

    fn last_mut(&mut self) -> Option<&mut Segment> {
        self.list.get_mut(..self.count)?.last_mut()
    }

    fn as_slice(&self) -> &[Segment] {
        self.list.get(..self.count).unwrap_or_default()
    }
}

/// The line that counts at a moment: of the longest prefix that has one, the highest rank, of those
/// the first.
fn first_counting<'c, 'a>(found: &'c [Found<'a>], at: &Time) -> Option<&'c Found<'a>> {
    let mut best: Option<&Found<'a>> = None;
    for line in found {
        let rank = line.conditions.class.rank();
        match best {
            Some(other) if other.prefix != line.prefix => break,
            Some(other) if rank <= other.conditions.class.rank() => {}
            Some(_) | None if line.conditions.class.counts(at) => best = Some(line),
            Some(_) | None => {}
        }
    }
    best
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Conditions {
    class: TimeClass,
    digits_min: u8,
    digits_max: u8,
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
            class: rate.class,
            digits_min: rate.digits_min,
            digits_max: rate.digits_max,
            step_s: rate.step_s,
            minimum_s: rate.minimum_s,
            free_s: rate.free_s,
            free_after_s: rate.free_after_s,
            connection_fee: rate.connection_fee,
            from_us: rate.from_us,
            until_us: rate.until_us,
        }
    }

    fn fits(&self, wanted: Wanted) -> bool {
        self.in_force(wanted.wall_us)
            && takes_digits(self.digits_min, self.digits_max, wanted.digits)
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
        let mut ids = Ids::of(rates);
        let (mut leaders, mut more): (Vec<Leader>, Vec<Line>) = Default::default();
        let mut first: Vec<(PrefixId, Line)> = Vec::with_capacity(sorted.len());
        for (id, rate) in sorted {
            let own = Conditions::of(rate);
            let place = *table.entry(own).or_insert_with(|| {
                conditions.push(own);
                conditions.len() as u32 - 1
            });
            let line = Line { price: rate.price, id: ids.put(rate.id), conditions: place };
            match first.last_mut() {
                Some((same, leader)) if *same == id => {
                    if leader.conditions & MORE == 0 {
                        let begin = u32::try_from(more.len()).unwrap_or(u32::MAX);
                        leaders.push(Leader { conditions: leader.conditions, begin });
                        leader.conditions = MORE | (leaders.len() as u32 - 1);
                    }
                    more.push(line);
                }
                Some(_) | None => first.push((id, line)),
            }
        }
        leaders.shrink_to_fit();
        more.shrink_to_fit();
        let classes: BTreeSet<TimeClass> =
            conditions.iter().map(|c: &Conditions| c.class).collect();
        let edges: BTreeSet<u16> = classes.iter().filter_map(|c| c.edges()).flatten().collect();
        TariffDeck {
            tariff,
            deck: Deck::build_sorted(first),
            conditions,
            leaders,
            more,
            ids,
            is_timed: classes.iter().any(|class| *class != TimeClass::All),
            edges: edges.into_iter().collect(),
        }
    }

    /// The tariff.
    #[must_use]
    pub const fn tariff(&self) -> &Tariff {
        &self.tariff
    }

    /// Whether a line of it counts at some times only, so that [`TariffDeck::price`] alone says
    /// what a call costs.
    #[must_use]
    pub const fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// The line of the longest prefix in `chain` that is in force at `wall_us`, whenever in the
    /// week it counts and whatever the length of numbers it is for.
    #[must_use]
    pub fn find(&self, chain: &Chain, wall_us: i64, dictionary: &Dictionary) -> Option<Rate> {
        self.best(chain, |c| c.in_force(wall_us))?.rate(dictionary)
    }

    /// Where the first line to look at lies: see [`Deck::place`].
    #[must_use]
    pub fn place(&self, chain: &Chain) -> Option<Place> {
        self.deck.place(chain)
    }

    /// Where the first line of exactly this prefix lies.
    #[must_use]
    pub fn place_of(&self, id: PrefixId) -> Option<Place> {
        self.deck.place_of(id)
    }

    /// Takes the deck into an index of several.
    pub(crate) fn join(&self, index: &mut JointIndex) {
        index.put(self.tariff.id, &self.deck);
    }

    /// The line at a place, taken out. Several are taken before any is looked at, so that the
    /// waits for memory overlap.
    #[must_use]
    pub fn take(&self, place: Place) -> Option<Taken> {
        self.deck.at(place).map(|line| Taken { line: *line, prefix: place.id })
    }

    /// [`TariffDeck::locate`] for a line that was taken before.
    #[must_use]
    pub fn located(&self, taken: Taken, chain: &Chain, wanted: Wanted) -> Option<Found<'_>> {
        let Taken { line, prefix } = taken;
        let (own, _) = self.lines_of(&line);
        let first = self.found(own, prefix).filter(|found| found.conditions.fits(wanted));
        first.filter(|_| !self.is_timed).or_else(|| self.locate(chain, wanted))
    }

    /// The line of the longest prefix that is in force for numbers of that length, whenever in the
    /// week it counts: in a deck that is not timed, the line that a call is paid by.
    #[must_use]
    pub fn locate(&self, chain: &Chain, wanted: Wanted) -> Option<Found<'_>> {
        self.best(chain, |c| c.fits(wanted))
    }

    /// The line of a call that begins at `wall_us`, without its prefix, and the prices over its
    /// time, counted from then: at each moment up to `ms_max` that of the longest prefix which has
    /// a line for the class of that moment, of several the one of the highest rank. What is in
    /// force when the call begins stays so for all of it. A moment without any price goes on at the
    /// one before; after [`SEGMENTS_MAX`] different prices the last one stays.
    #[must_use]
    pub fn price(
        &self,
        chain: &Chain,
        clock: &Clock<'_>,
        (wall_us, ms_max): (i64, u64),
    ) -> Option<(Rate, Prices)> {
        self.price_as_of(chain, clock, (wall_us, ms_max), wall_us)
    }

    /// The same by the lines that were or will be in force at `prices_us`, whenever the call is:
    /// its own time still says which classes of times count.
    #[must_use]
    pub fn price_as_of(
        &self,
        chain: &Chain,
        clock: &Clock<'_>,
        (wall_us, ms_max): (i64, u64),
        prices_us: i64,
    ) -> Option<(Rate, Prices)> {
        let wanted = Wanted { wall_us: prices_us, digits: clock.number.len() };
        if !self.is_timed {
            return self.flat_price(chain, wanted);
        }
        let found = self.candidates(chain, wanted);
        let at = |at_us: i64| first_counting(&found, &clock.place(at_us));
        let rate = at(wall_us)?.terms();
        let end_us = wall_us.saturating_add_unsigned(ms_max.saturating_mul(1_000));
        let (mut now_us, mut price) = (wall_us, rate.price);
        let mut list = Segments::default();
        for _ in 0..STRETCHES_MAX {
            let next_us = clock.next_us(now_us, &self.edges);
            // The millisecond in which the next price begins is the next price's.
            let after_us = next_us.saturating_sub(wall_us);
            let until_ms = u32::try_from(after_us.div_euclid(1_000)).unwrap_or(FOREVER_MS);
            let is_full = list.count == SEGMENTS_MAX;
            match list.last_mut() {
                Some(last) if last.price == price => last.until_ms = until_ms,
                Some(_) if is_full => break,
                Some(_) | None => list.push(Segment { until_ms, price }),
            }
            if next_us >= end_us || until_ms == FOREVER_MS {
                break;
            }
            (now_us, price) = (next_us, at(next_us).map_or(price, |found| found.line.price));
        }
        if let Some(last) = list.last_mut() {
            last.until_ms = FOREVER_MS;
        }
        Some((rate, Prices::new(list.as_slice())?))
    }

    /// The line and the one price of a call in a deck that is not timed.
    #[must_use]
    pub fn flat_price(&self, chain: &Chain, wanted: Wanted) -> Option<(Rate, Prices)> {
        let found = self.locate(chain, wanted)?;
        Some((found.terms(), Prices::flat(found.line.price)?))
    }

    /// The lines that fit and may count at some moment, those of the longest prefix first: no
    /// shorter prefix counts behind one that has a line for all times.
    fn candidates(&self, chain: &Chain, wanted: Wanted) -> Vec<Found<'_>> {
        let mut list = Vec::with_capacity(4);
        for (prefix, first) in self.deck.matches(chain) {
            let mut is_always = false;
            let found = self.lines(first).filter_map(|line| self.found(line, prefix));
            for found in found.filter(|found| found.conditions.fits(wanted)) {
                is_always |= matches!(found.conditions.class, TimeClass::All | TimeClass::Rest);
                list.push(found);
            }
            if is_always {
                break;
            }
        }
        list
    }

    /// Of the lines that fit, one of the longest prefix, of those one of the highest rank, of those
    /// the first.
    fn best(&self, chain: &Chain, fits: impl Fn(&Conditions) -> bool) -> Option<Found<'_>> {
        self.deck.matches(chain).find_map(|(prefix, first)| {
            let found = self.lines(first).filter_map(|line| self.found(line, prefix));
            let mut fitting = found.filter(|found| fits(found.conditions));
            let best = fitting.next()?;
            if !self.is_timed {
                return Some(best);
            }
            let rank = |found: &Found<'_>| found.conditions.class.rank();
            Some(
                fitting
                    .fold(best, |best, next| if rank(&next) > rank(&best) { next } else { best }),
            )
        })
    }

    /// The lines of one prefix, in the order to try.
    fn lines(&self, first: &Line) -> impl Iterator<Item = Line> + use<'_> {
        let (own, further) = self.lines_of(first);
        core::iter::once(own).chain(further.iter().copied())
    }

    /// The first line of a prefix with its own conditions, and the further ones.
    fn lines_of(&self, first: &Line) -> (Line, &[Line]) {
        if first.conditions & MORE == 0 {
            return (*first, &[]);
        }
        let at = (first.conditions & !MORE) as usize;
        let mut leaders = self.leaders.get(at..).unwrap_or_default().iter();
        // There is one for each mark.
        let Some(Leader { conditions, begin }) = leaders.next().copied() else {
            return (*first, &[]);
        };
        let end = leaders.next().map_or(self.more.len(), |next| next.begin as usize);
        let further = self.more.get(begin as usize..end).unwrap_or_default();
        (Line { conditions, ..*first }, further)
    }

    fn found(&self, line: Line, prefix: PrefixId) -> Option<Found<'_>> {
        let conditions = self.conditions.get(line.conditions as usize)?;
        Some(Found { deck: self, line, conditions, prefix })
    }

    /// The price per minute of each prefix at a moment, for numbers of all lengths and all times of
    /// the week, in no order; prefixes with other lines only are left out.
    pub fn prices_at<'a>(
        &'a self,
        wall_us: i64,
        words: &'a Dictionary,
    ) -> impl Iterator<Item = (Digits, Price)> + use<'a> {
        let is_plain = |c: &Conditions| {
            matches!(c.class, TimeClass::All) && (c.digits_min, c.digits_max) == (0, 0)
        };
        self.deck.ids().zip(self.deck.rows()).filter_map(move |(id, first)| {
            let found = self.lines(first).filter_map(|line| self.found(line, id));
            let mut found = found.filter(|f| is_plain(f.conditions));
            let line = found.find(|f| f.conditions.in_force(wall_us))?.line;
            Some((words.prefix(id)?, line.price))
        })
    }

    /// How many lines it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.deck.rows().len() + self.more.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory that its lines take, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let listed = match &self.ids {
            Ids::From(_) => 0,
            Ids::Listed(list) => list.capacity() * size_of::<RateId>(),
        };
        self.deck.bytes()
            + self.conditions.capacity() * size_of::<Conditions>()
            + self.leaders.capacity() * size_of::<Leader>()
            + self.more.capacity() * size_of::<Line>()
            + self.edges.capacity() * size_of::<u16>()
            + listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;
    use strowger_model::{DayParts, Holidays, MINUTE_US, Zone};

    fn deck(rates: &[Rate]) -> (TariffDeck, Dictionary) {
        let dictionary = Dictionary::default().extended(rates.iter().map(|r| r.prefix)).unwrap();
        (TariffDeck::build(testing::tariff(1), rates, &dictionary), dictionary)
    }

    fn dated(id: i64, prefix: &str, from_us: i64, until_us: Option<i64>) -> Rate {
        Rate { from_us, until_us, ..testing::rate(id, 1, prefix, "0.01") }
    }

    #[test]
    fn prices_of_a_moment_are_told_for_every_prefix() {
        let mut rates =
            vec![dated(1, "44", 0, None), dated(2, "44", 100, None), dated(3, "1", 0, Some(50))];
        rates.push(Rate { class: TimeClass::Peak, ..dated(4, "7", 0, None) });
        rates.push(Rate { price: Price(7), ..dated(5, "447", 0, None) });
        rates[1].price = Price(9);
        let (deck, dictionary) = deck(&rates);
        let told = |wall_us| {
            let prices: BTreeMap<_, _> = deck.prices_at(wall_us, &dictionary).collect();
            let text = |(code, price): (&Digits, &Price)| format!("{code} {}", price.0);
            prices.iter().map(text).collect::<Vec<_>>()
        };
        let first = rates[0].price.0;
        assert_eq!(told(10), [format!("1 {first}"), format!("44 {first}"), "447 7".to_owned()]);
        assert_eq!(told(100), ["44 9", "447 7"]);
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
        let rate = Rate {
            minimum_s: 30,
            connection_fee: Amount(5),
            class: TimeClass::Holiday,
            digits_min: 3,
            digits_max: 9,
            ..dated(7, "44", 1, Some(9))
        };
        let (deck, dictionary) = deck(std::slice::from_ref(&rate));
        let chain = dictionary.chain(&Digits::parse("4420").unwrap());
        assert_eq!(deck.find(&chain, 5, &dictionary), Some(rate));
        assert_eq!(size_of::<Line>(), 16);
    }

    #[test]
    fn ids_that_lie_far_apart_come_back() {
        let rates = [dated(i64::MIN, "44", 0, None), dated(i64::MAX, "45", 0, None)];
        let (deck, dictionary) = deck(&rates);
        for rate in &rates {
            let chain = dictionary.chain(&rate.prefix);
            assert_eq!(deck.find(&chain, 5, &dictionary).as_ref(), Some(rate));
        }
        assert_eq!((deck.len(), deck.bytes() > 0), (2, true));
    }

    const PARTS: DayParts = DayParts {
        peak_from_min: 540,
        peak_until_min: 1_140,
        evening_from_min: 1_140,
        night_from_min: 1_320,
        weekend_is_peak: false,
        holiday_is_weekend: false,
    };

    /// The price of one moment, the slow way: every line is looked at.
    fn price_at(rates: &[Rate], clock: &Clock<'_>, (begin_us, at_us): (i64, i64)) -> Option<Price> {
        let place = clock.place(at_us);
        let fits = |r: &&Rate| {
            clock.number.has_prefix(&r.prefix)
                && Conditions::of(r).in_force(begin_us)
                && r.takes_digits(clock.number.len())
                && r.class.counts(&place)
        };
        let best = rates.iter().filter(fits);
        best.max_by_key(|r| (r.prefix.len(), r.class.rank(), r.from_us, r.id)).map(|r| r.price)
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
        fn prices_over_a_call_equal_those_of_each_minute(
            lines in prop::collection::vec(("[0-2]{0,2}", 0usize..12, 0u8..4), 1..24),
            number in "[0-2]{1,5}",
            begin_min in 0i64..200_000,
        ) {
            const CLASSES: [&str; 12] = [
                "all", "rest", "weekday", "weekend", "off-peak-or-weekend", "peak", "off-peak",
                "evening", "night", "holiday", "23:10-04:20", "fri 18:00-mon 06:30",
            ];
            let line = |((prefix, class, digits), id): (&(String, usize, u8), i64)| Rate {
                class: CLASSES[*class].parse().unwrap(),
                digits_min: *digits,
                price: Price(id),
                ..dated(id, prefix, 0, None)
            };
            let rates: Vec<Rate> = lines.iter().zip(1..).map(line).collect();
            let (deck, dictionary) = deck(&rates);
            let number = Digits::parse(&number).unwrap();
            // Clocks are put forward on the third day, and back on the 50th.
            let day_us = 1_440 * MINUTE_US;
            let changes = vec![(2 * day_us + 60 * MINUTE_US, 7_200), (50 * day_us, 3_600)];
            let zone = Zone::new(3_600, changes).unwrap();
            let holidays = Holidays::NONE;
            let clock = Clock { zone: &zone, parts: PARTS, holidays: &holidays, number: &number };
            let begin_us = begin_min * MINUTE_US;
            let chain = dictionary.chain(&number);
            let found = deck.price(&chain, &clock, (begin_us, 40 * 3_600_000));
            let first = price_at(&rates, &clock, (begin_us, begin_us));
            prop_assert_eq!(found.as_ref().map(|(rate, _)| rate.price), first);
            let Some((_, prices)) = found else { return Ok(()) };
            // What a moment without a price costs, and how far four prices reach.
            let (mut last, mut count) = (first.unwrap(), 1);
            for minute in 0..40 * 60 {
                let at_us = begin_us + minute * MINUTE_US;
                let now = price_at(&rates, &clock, (begin_us, at_us)).unwrap_or(last);
                count += usize::from(now != last);
                last = now;
                if count > SEGMENTS_MAX {
                    break;
                }
                let at_ms = u64::try_from(minute).unwrap() * 60_000;
                prop_assert_eq!(prices.at(at_ms), now, "minute {}", minute);
            }
        }

        #[test]
        fn equals_brute_force(
            lines in prop::collection::vec(("[0-2]{0,3}", 0i64..50, 1i64..50, 0u8..4), 0..40),
            numbers in prop::collection::vec("[0-2]{1,5}", 1..10),
            wall_us in 0i64..100,
        ) {
            let line = |((prefix, from, len, digits_min), id): (&(String, i64, i64, u8), i64)| {
                let until = (len % 3 != 0).then_some(from + len);
                Rate { digits_min: *digits_min, ..dated(id, prefix, *from, until) }
            };
            let rates: Vec<Rate> = lines.iter().zip(1..).map(line).collect();
            let (deck, dictionary) = deck(&rates);
            for number in numbers {
                let number = Digits::parse(&number).unwrap();
                let chain = dictionary.chain(&number);
                let found = deck.find(&chain, wall_us, &dictionary);
                prop_assert_eq!(found.map(|r| r.id.0), brute_force(&rates, &number, wall_us));
                // By its place it is found for numbers of its length only.
                let wanted = Wanted { wall_us, digits: number.len() };
                let long: Vec<Rate> =
                    rates.iter().filter(|r| r.takes_digits(number.len())).cloned().collect();
                let expected = brute_force(&long, &number, wall_us);
                let taken = deck.place(&chain).and_then(|place| deck.take(place));
                let by_place = taken.and_then(|taken| deck.located(taken, &chain, wanted));
                let by_place = by_place.and_then(|found| found.rate(&dictionary));
                prop_assert_eq!(by_place.map(|r| r.id.0), expected);
                let located = deck.locate(&chain, wanted).map(|found| found.terms().id.0);
                prop_assert_eq!(located, expected);
            }
        }
    }
}
