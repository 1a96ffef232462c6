//! Which cells a record belongs to, and what it adds to them. Pure.

use super::{Cube, DAY_US, MONTH_DAYS};
use crate::usage::QUARTER_US;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use strowger_model::{
    Cdr, CdrHop, CdrOutcome, Charge, Currency, Digits, TenantId, Zone, reason_name,
};

/// Durations of talk above which an answered call may count as a success (ASRB), seconds.
pub const ASRB_S: [u32; 7] = [5, 10, 15, 20, 30, 60, 120];
/// Digits of a called number that are its class where it has no destination; also those of a
/// direction in the standing of trunks.
const DIGITS: usize = 4;
/// Most digits of a class: with a 1 before them they fit in 63 bits, base 12.
const CLASS_DIGITS_MAX: usize = 16;
/// Most that one record adds to a sum of milliseconds (30 days) and of money (at the ledger scale:
/// a million euros). Sums of what a wrong record says would leave the range of the database, which
/// would refuse the record and all behind it.
const MS_MAX: i64 = 30 * 86_400_000;
const AMOUNT_MAX: i64 = 100_000_000_000_000;
/// 0 to 9, `*` and `#`.
const BASE: i64 = 12;
const LETTERS: [char; 12] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#'];
/// Reasons by which an attempt that nobody answered reached the called party all the same
/// (ITU-T E.425, network effectiveness ratio: user busy, ring no answer, terminal rejection and
/// unavailability).
const EFFECTIVE: [&str; 4] = ["busy", "no-answer", "rejected", "offline"];

/// Columns that say which cell.
pub(super) const KEYS: [&str; 6] = ["cube", "slot", "tenant_id", "subject_id", "class", "currency"];
/// Columns that are summed.
pub(super) const MEASURES: [&str; 20] = [
    "calls",
    "answered",
    "effective",
    "rang",
    "talk_ms",
    "billable_ms",
    "setup_ms",
    "ring_ms",
    "held_ms",
    "over_5s",
    "over_10s",
    "over_15s",
    "over_20s",
    "over_30s",
    "over_60s",
    "over_120s",
    "customer",
    "reseller",
    "supplier",
    "sales",
];
const COUNTS: usize = MEASURES.len() - 4;

/// What is summed of calls: counts and milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Measures {
    /// Attempts (CDRC).
    pub calls: i64,
    /// Those that were answered (SUCC).
    pub answered: i64,
    /// Those that reached the called party: answered, busy, not answered, refused there.
    pub effective: i64,
    /// Those that rang.
    pub rang: i64,
    /// Talk (SL).
    pub talk_ms: i64,
    /// What of it may be charged.
    pub billable_ms: i64,
    /// From the beginning to the answer, of those that were answered.
    pub setup_ms: i64,
    /// From the beginning to ringing, of those that rang.
    pub ring_ms: i64,
    /// From the beginning to the end.
    pub held_ms: i64,
    /// Answered ones that talked for as long as [`ASRB_S`] says, each.
    pub over: [i64; ASRB_S.len()],
}

impl Measures {
    /// Adds `times` those of another.
    pub(super) fn add(&mut self, other: &Measures, times: i64) {
        let mut sums = self.values();
        for (sum, value) in sums.iter_mut().zip(other.values()) {
            *sum = sum.saturating_add(value.saturating_mul(times));
        }
        *self = Measures::of(sums);
    }

    fn values(&self) -> [i64; COUNTS] {
        let [a, b, c, d, e, f, g] = self.over;
        let Measures { calls, answered, effective, rang, talk_ms, billable_ms, .. } = *self;
        let Measures { setup_ms, ring_ms, held_ms, .. } = *self;
        [
            calls,
            answered,
            effective,
            rang,
            talk_ms,
            billable_ms,
            setup_ms,
            ring_ms,
            held_ms,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
        ]
    }

    pub(super) fn of(values: [i64; COUNTS]) -> Measures {
        let [calls, answered, effective, rang, talk_ms, billable_ms, setup_ms, rest @ ..] = values;
        let [ring_ms, held_ms, over @ ..] = rest;
        Measures {
            calls,
            answered,
            effective,
            rang,
            talk_ms,
            billable_ms,
            setup_ms,
            ring_ms,
            held_ms,
            over,
        }
    }

    /// Reads the columns of a row.
    pub(super) fn read<E>(of: impl Fn(&'static str) -> Result<i64, E>) -> Result<Measures, E> {
        let mut values = [0; COUNTS];
        for (value, name) in values.iter_mut().zip(MEASURES) {
            *value = of(name)?;
        }
        Ok(Measures::of(values))
    }
}

/// What calls cost in one currency, without tax, at its ledger scale.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Money {
    /// What the callers' accounts pay (EC).
    pub customer: i64,
    /// What the topmost resellers above them pay us.
    pub reseller: i64,
    /// What suppliers are owed (PC).
    pub supplier: i64,
    /// What agents earn (SC).
    pub sales: i64,
}

impl Money {
    /// Adds `times` those of another.
    pub(super) fn add(&mut self, other: &Money, times: i64) {
        let sum = |a: i64, b: i64| a.saturating_add(b.saturating_mul(times));
        self.customer = sum(self.customer, other.customer);
        self.reseller = sum(self.reseller, other.reseller);
        self.supplier = sum(self.supplier, other.supplier);
        self.sales = sum(self.sales, other.sales);
    }
}

/// A currency as a number: its letters, then its minor digits. 0 is none.
fn number_of(currency: Currency) -> i64 {
    let letters = currency.code().bytes().fold(0, |all, letter| all * 256 + i64::from(letter));
    letters * 256 + i64::from(currency.minor_digits())
}

/// The currency of a number.
pub(super) fn currency_of(number: i64) -> Option<Currency> {
    let [.., a, b, c, digits] = number.to_be_bytes();
    Currency::new(core::str::from_utf8(&[a, b, c]).ok()?, digits)
}

/// The beginning of a number as a number; a longer one than fits is cut.
pub(super) fn class_of(digits: &[u8]) -> i64 {
    let place = |byte: &u8| match byte {
        b'*' => 10,
        b'#' => 11,
        digit => i64::from(digit.saturating_sub(b'0').min(9)),
    };
    digits.iter().take(CLASS_DIGITS_MAX).fold(1, |all, byte| all * BASE + place(byte))
}

/// The digits of a class.
pub(super) fn digits_of(class: i64) -> String {
    let (mut text, mut rest) = (Vec::<char>::new(), class);
    while rest > 1 {
        let letter = usize::try_from(rest % BASE).ok().and_then(|place| LETTERS.get(place));
        text.extend(letter);
        rest /= BASE;
    }
    text.into_iter().rev().collect()
}

/// The classes that begin with these digits, as ranges of numbers with their ends.
pub(super) fn classes_within(prefix: &Digits) -> Vec<(i64, i64)> {
    let (mut from, mut size, mut ranges) = (class_of(prefix.as_bytes()), 1i64, Vec::new());
    for _ in prefix.len().min(CLASS_DIGITS_MAX)..=CLASS_DIGITS_MAX {
        ranges.push((from, from.saturating_add(size - 1)));
        (from, size) = (from.saturating_mul(BASE), size.saturating_mul(BASE));
    }
    ranges
}

fn first_digits(number: Option<&Digits>) -> &[u8] {
    let digits = number.map(Digits::as_bytes).unwrap_or_default();
    digits.get(..DIGITS).unwrap_or(digits)
}

/// Which cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Key {
    cube: Cube,
    slot: i64,
    tenant: i64,
    subject: i64,
    class: i64,
    currency: i64,
}

/// What cells grow by.
pub(super) struct Sums {
    zones: Arc<BTreeMap<TenantId, Zone>>,
    cells: HashMap<Key, (Measures, Money)>,
}

/// Where a record counts.
#[derive(Clone, Copy)]
struct Place {
    tenant: i64,
    quarter: i64,
    day: i64,
    class: i64,
    /// For the standing of trunks.
    direction: i64,
}

impl Sums {
    pub(super) fn new(zones: Arc<BTreeMap<TenantId, Zone>>) -> Sums {
        Sums { zones, cells: HashMap::new() }
    }

    /// Adds what a record counts, `times`: -1 takes it away.
    pub(super) fn add(&mut self, record: &Cdr, times: i64) {
        let place = self.place(record);
        let (measures, money) = (of_record(record), money_of(record));
        for (cube, slot, subject, class) in attempt(record, &place) {
            let key = Key { cube, slot, tenant: place.tenant, subject, class, currency: 0 };
            self.put(key, &measures, &money, times);
        }
        if let Some(trunk) = record.called.trunk {
            self.leg(&place, trunk.0, record.times.ended_us, (&measures, &money), times);
        }
        for hop in &record.hops {
            if let Some(trunk) = hop.trunk {
                self.leg(&place, trunk.0, hop.ended_us, (&of_hop(hop), &[]), times);
            }
        }
    }

    fn place(&self, record: &Cdr) -> Place {
        let started_us = record.times.started_us;
        let zone = record.tenant.and_then(|tenant| self.zones.get(&tenant));
        let local_us = zone.map_or(started_us, |zone| zone.local_us(started_us));
        let called = &record.called;
        let first = first_digits(called.normalised.as_ref());
        let class = called.destination.as_ref().map_or(first, Digits::as_bytes);
        Place {
            tenant: record.tenant.map_or(0, |tenant| tenant.0),
            quarter: started_us.div_euclid(QUARTER_US),
            day: local_us.div_euclid(DAY_US),
            class: class_of(class),
            direction: class_of(first),
        }
    }

    /// An attempt at a trunk.
    fn leg(
        &mut self,
        place: &Place,
        trunk: i64,
        ended_us: i64,
        (measures, money): (&Measures, &[(i64, Money)]),
        times: i64,
    ) {
        let day = ended_us.div_euclid(DAY_US);
        for (cube, slot, class) in [
            (Cube::Egress, place.quarter, 0),
            (Cube::EgressDay, place.day, 0),
            (Cube::EgressClasses, place.day, place.class),
        ] {
            let key = Key { cube, slot, tenant: place.tenant, subject: trunk, class, currency: 0 };
            self.put(key, measures, money, times);
        }
        for (cube, slot) in
            [(Cube::DirectionDay, day), (Cube::DirectionMonth, day.div_euclid(MONTH_DAYS))]
        {
            let key =
                Key { cube, slot, tenant: 0, subject: trunk, class: place.direction, currency: 0 };
            self.put(key, measures, &[], times);
        }
    }

    /// A record's counts stand beside what its caller pays, so that most cells are one row.
    fn put(&mut self, key: Key, measures: &Measures, money: &[(i64, Money)], times: i64) {
        let first = money.first().map_or(0, |(currency, _)| *currency);
        let (sum, _) = self.cells.entry(Key { currency: first, ..key }).or_default();
        sum.add(measures, times);
        for (currency, amounts) in money {
            let (_, paid) = self.cells.entry(Key { currency: *currency, ..key }).or_default();
            paid.add(amounts, times);
        }
    }

    /// The rows that say so, in order, each cell once; those that change nothing are left out.
    pub(super) fn rows(self) -> Vec<[i64; KEYS.len() + MEASURES.len()]> {
        let cells = self.cells.into_iter();
        let changed = cells.filter(|(_, (measures, money))| {
            *measures != Measures::default() || *money != Money::default()
        });
        let mut rows: Vec<_> =
            changed.map(|(key, (measures, money))| row(key, &measures, &money)).collect();
        rows.sort_unstable();
        rows
    }
}

fn row(key: Key, measures: &Measures, money: &Money) -> [i64; KEYS.len() + MEASURES.len()] {
    let Key { cube, slot, tenant, subject, class, currency } = key;
    let mut row = [0; KEYS.len() + MEASURES.len()];
    let keys = [cube as i64, slot, tenant, subject, class, currency];
    let paid = [money.customer, money.reseller, money.supplier, money.sales];
    let values = keys.into_iter().chain(measures.values()).chain(paid);
    for (to, value) in row.iter_mut().zip(values) {
        *to = value;
    }
    row
}

/// The cells of an attempt, but for those of the trunks it was sent to: cube, slot, subject, class.
fn attempt(record: &Cdr, place: &Place) -> impl Iterator<Item = (Cube, i64, i64, i64)> + use<> {
    let Place { quarter, day, class, .. } = *place;
    let account = record.caller.account.map(|account| account.0);
    let trunk = record.caller.trunk.map(|trunk| trunk.0);
    let of_account = move |id: i64| {
        let whole = [(Cube::Account, quarter, id, 0), (Cube::AccountDay, day, id, 0)];
        whole.into_iter().chain([(Cube::AccountClasses, day, id, class)])
    };
    let of_trunk = move |id: i64| [(Cube::Ingress, quarter, id, 0), (Cube::IngressDay, day, id, 0)];
    let all = [(Cube::Tenant, quarter, 0, 0), (Cube::Classes, day, 0, class)];
    let accounts = account.into_iter().flat_map(of_account);
    all.into_iter().chain(accounts).chain(trunk.into_iter().flat_map(of_trunk))
}

/// Milliseconds between two times of the wall clock; 0 when it was set back between them.
fn ms(from_us: i64, until_us: i64) -> i64 {
    (until_us.saturating_sub(from_us) / 1_000).clamp(0, MS_MAX)
}

fn count(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(MS_MAX).min(MS_MAX)
}

fn net(charge: &Charge) -> i64 {
    charge.net.0.clamp(-AMOUNT_MAX, AMOUNT_MAX)
}

fn is_effective(is_answered: bool, rang: bool, outcome: CdrOutcome) -> bool {
    let reason = reason_name(outcome.reason).unwrap_or_default();
    // Who gave up while it rang was not answered.
    is_answered || EFFECTIVE.contains(&reason) || (rang && reason == "cancelled")
}

fn of_record(record: &Cdr) -> Measures {
    let times = &record.times;
    let (is_answered, rang) = (times.answered_us.is_some(), times.rang_us.is_some());
    let talk_ms = if is_answered { count(times.talk_ms) } else { 0 };
    let over = ASRB_S.map(|s| i64::from(is_answered && talk_ms >= i64::from(s) * 1_000));
    Measures {
        calls: 1,
        answered: is_answered.into(),
        effective: is_effective(is_answered, rang, record.outcome).into(),
        rang: rang.into(),
        talk_ms,
        billable_ms: count(times.billable_ms),
        setup_ms: if is_answered { count(times.setup_ms) } else { 0 },
        ring_ms: times.rang_us.map_or(0, |at_us| ms(times.started_us, at_us)),
        held_ms: ms(times.started_us, times.ended_us),
        over,
    }
}

/// One that answered here lost the race for the call: it was reached, and nobody talked.
fn of_hop(hop: &CdrHop) -> Measures {
    let (is_answered, rang) = (hop.answered_us.is_some(), hop.rang_us.is_some());
    Measures {
        calls: 1,
        answered: is_answered.into(),
        effective: is_effective(is_answered, rang, hop.outcome).into(),
        rang: rang.into(),
        setup_ms: hop.answered_us.map_or(0, |at_us| ms(hop.started_us, at_us)),
        ring_ms: hop.rang_us.map_or(0, |at_us| ms(hop.started_us, at_us)),
        held_ms: ms(hop.started_us, hop.ended_us),
        ..Measures::default()
    }
}

fn money_of(record: &Cdr) -> Vec<(i64, Money)> {
    let mut all: Vec<(i64, Money)> = Vec::new();
    let mut put = |charge: &Charge, money: Money| {
        let currency = number_of(charge.currency);
        match all.iter_mut().find(|(of, _)| *of == currency) {
            Some((_, sum)) => sum.add(&money, 1),
            None => all.push((currency, money)),
        }
    };
    if let Some(charge) = &record.customer {
        put(charge, Money { customer: net(charge), ..Money::default() });
    }
    if let Some(charge) = record.levels.last() {
        put(charge, Money { reseller: net(charge), ..Money::default() });
    }
    if let Some(charge) = &record.supplier {
        put(charge, Money { supplier: net(charge), ..Money::default() });
    }
    for charge in &record.commissions {
        put(charge, Money { sales: net(charge), ..Money::default() });
    }
    all
}
