//! What a file says, and what it changes: beside the prices in force at a moment.

use super::{Reading, change, no_state, own, tariff_of};
use crate::cursor;
use crate::dispatch::Context;
use crate::limits::DECK_FAULTS_MAX;
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::shared::Shared;
use crate::value::{MoneyView, Time, Word, Worded, price};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use strowger_import::{Comparison, Deck, Mode, Move, NewRow, Standing, Step, Terms, compare, read};
use strowger_model::{
    Currency, Digits, Import, ImportState, Price, Rate, RateId, Tariff, Tenant, TimeClass,
};
use strowger_routing::check_rate;
use strowger_store::{Cell, RevisedRate, Scope};
use tokio::sync::OwnedSemaphorePermit;

const STEPS: &str = "deck-differences";
const DESTINATIONS: &str = "deck-destinations";
/// Only what becomes of a prefix is this.
pub(crate) static CHANGE: Filter = Filter::word("change", MOVES);
const MOVES: &[&str] = &["new", "dearer", "cheaper", "terms", "unchanged", "ended", "absent"];

/// A file beside the prices in force. Only one is there at a time.
pub(crate) struct Preview {
    pub(crate) tariff: Tariff,
    pub(crate) deck: Deck,
    pub(crate) comparison: Comparison,
    /// Prices before, by prefix.
    pub(crate) standing: BTreeMap<Digits, Standing>,
    /// The moment at which they are compared.
    pub(crate) at_us: i64,
    _turn: OwnedSemaphorePermit,
}

/// A file as it was read, good or not.
struct Found {
    reading: Reading,
    report: Value,
    /// `None` when it has faults.
    deck: Option<Deck>,
}

/// Prices in force at a moment, as far as files are about them: for all lengths, and for all times
/// or peak hours.
#[derive(Default)]
struct Below {
    standing: BTreeMap<Digits, Standing>,
    /// Prefixes that have no price yet and are promised one.
    promised: BTreeSet<Digits>,
    /// Prices for some times or lengths only, which no file touches.
    apart: usize,
}

impl Below {
    /// `has_peaks` = the file is about prices of peak hours as well.
    fn of(rates: Vec<Rate>, at_us: i64, has_peaks: bool) -> Below {
        let mut below = Below::default();
        let mut peaks: BTreeMap<Digits, Price> = BTreeMap::new();
        for rate in rates {
            let is_in_force = || rate.until_us.is_none_or(|until_us| at_us < until_us);
            if (rate.digits_min, rate.digits_max) != (0, 0) {
                below.apart = below.apart.saturating_add(1);
            } else if has_peaks && rate.class == TimeClass::Peak {
                if rate.from_us <= at_us && is_in_force() {
                    peaks.insert(rate.prefix, rate.price);
                }
            } else if rate.class != TimeClass::All {
                below.apart = below.apart.saturating_add(1);
            } else if rate.from_us > at_us {
                below.promised.insert(rate.prefix);
            } else if is_in_force() {
                let standing = Standing {
                    price: rate.price,
                    peak: None,
                    fee: rate.connection_fee,
                    minimum_s: rate.minimum_s,
                    step_s: rate.step_s,
                    until_us: rate.until_us,
                };
                below.standing.insert(rate.prefix, standing);
            }
        }
        for (prefix, peak) in peaks {
            match below.standing.get_mut(&prefix) {
                Some(standing) => standing.peak = Some(peak),
                None => below.apart = below.apart.saturating_add(1),
            }
        }
        below.promised.retain(|prefix| !below.standing.contains_key(prefix));
        below
    }
}

/// Reads a file; `Err` says why it has no lines at all.
fn find(bytes: &[u8], reading: &Reading, terms: &Terms) -> Result<Found, String> {
    let mapping = &reading.mapping;
    let table = read(bytes, mapping).map_err(|error| error.to_string())?;
    let columns = mapping.columns_of(&table).map_err(|error| error.to_string())?;
    let deck = Deck::new(&table, &columns, mapping, terms);
    let told: BTreeMap<_, _> =
        columns.read().map(|(field, column)| (field.label(), column)).collect();
    let unread: Vec<_> = columns.unread().map(|(_, name)| name.to_owned()).collect();
    let faults: Vec<_> =
        deck.faults.iter().take(DECK_FAULTS_MAX).map(ToString::to_string).collect();
    let report = json!({
        "problem": null, "columns": told, "unread": unread, "lines": table.len(),
        "codes": deck.lines.len(), "faults": deck.faults_all, "first_faults": faults,
        "skipped": deck.skipped, "repeated": deck.repeated, "free": deck.free,
        "rounded": deck.rounded,
    });
    let reading = reading.with_mapping(columns.remembered(mapping));
    let is_good = deck.faults_all == 0;
    Ok(Found { reading, report, deck: is_good.then_some(deck) })
}

/// What a deck does to what is below it.
fn compared(deck: &Deck, below: &Below, mode: Mode, at_us: i64) -> Comparison {
    let mut comparison = compare(&below.standing, deck, mode, at_us);
    for code in &below.promised {
        comparison.end_promised(deck, mode, *code, at_us);
    }
    comparison.steps.sort_by_key(|step| (step.code, step.from_us));
    comparison.rows.sort_by_key(|row| (row.code, row.from_us));
    comparison
}

async fn terms(api: &Shared, tariff: &Tariff, reading: &Reading) -> Result<Terms, Problem> {
    let tenant = api.reader.row::<Tenant>(Scope::All, tariff.tenant.0).await?;
    let tenant = tenant.ok_or_else(Problem::not_found)?;
    // As everywhere: a zone that this host does not know is UTC.
    let zone = TimeZone::get(&tenant.timezone).unwrap_or(TimeZone::UTC);
    Ok(Terms { currency: tariff.currency, zone, increments: reading.increments() })
}

/// Work on all prices of a list is done on another thread.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())
}

/// Reads a file beside the prices in force at `at_us`; `Err(text)` inside says why it cannot be put
/// in force.
pub(super) async fn preview(
    api: &Shared,
    import: &Import,
    at_us: i64,
) -> Result<Result<Preview, String>, Problem> {
    let turn = api.decks.turn().await?;
    let tariff = tariff_of(api, import).await?;
    let reading = Reading::of(import);
    let terms = terms(api, &tariff, &reading).await?;
    let Some(bytes) = api.decks.read(import).await? else {
        return Ok(Err("the file is not there any more: send it again".to_owned()));
    };
    let rates = api.reader.tariff_rates(tariff.id).await?;
    let work = move || {
        let found = find(&bytes, &reading, &terms)?;
        drop(bytes);
        let deck = found.deck.ok_or("the file has faults")?;
        let below = Below::of(rates, at_us, deck.has_peaks);
        let comparison = compared(&deck, &below, reading.mode, at_us);
        let standing = below.standing;
        Ok(Preview { tariff, deck, comparison, standing, at_us, _turn: turn })
    };
    apart(work).await
}

/// The same for a reader; a file that cannot be compared is a conflict.
pub(super) async fn previewed(cx: &Context) -> Result<(Import, Preview), Problem> {
    let import = own(cx).await?;
    match import.state {
        ImportState::Checked | ImportState::Failed => {}
        ImportState::Uploaded
        | ImportState::Mapped
        | ImportState::Writing
        | ImportState::Published
        | ImportState::Undone => return Err(no_state(&import, "checked", cx.api.now_us())),
    }
    let at_us = cx.query.at_us.unwrap_or_else(|| cx.api.now_us());
    let seen = preview(&cx.api, &import, at_us).await?;
    seen.map(|seen| (import, seen)).map_err(|why| Problem::conflict("file", why))
}

impl Preview {
    /// The rows of a revision that makes it so; `Err` names one that no list may have.
    pub(super) fn rows(&self) -> Result<Vec<RevisedRate>, String> {
        let rows = |new: &NewRow| {
            let rows = revised(new, &self.tariff, self.at_us).into_iter();
            let code = new.code;
            rows.map(move |row| match check_rate(&self.tariff, &row.rate) {
                Ok(()) => Ok(row),
                Err(error) => Err(format!("prefix {code}: {}", error.problem)),
            })
        };
        self.comparison.rows.iter().flat_map(rows).collect()
    }

    /// Destination of each code of the file.
    fn destinations(&self) -> BTreeMap<Digits, &str> {
        self.deck.lines.iter().map(|line| (line.code, self.deck.destination(line))).collect()
    }
}

/// The rows of a code: that of all times, and that of peak hours where it has one or had one.
fn revised(new: &NewRow, tariff: &Tariff, at_us: i64) -> Vec<RevisedRate> {
    let terms = new.terms.as_ref();
    let rate = |class, price: Option<Price>| Rate {
        id: RateId(0),
        tariff: tariff.id,
        prefix: new.code,
        class,
        digits_min: 0,
        digits_max: 0,
        price: price.unwrap_or(Price(0)),
        step_s: terms.map_or(1, |terms| terms.step_s),
        minimum_s: terms.map_or(0, |terms| terms.minimum_s),
        free_s: 0,
        free_after_s: 0,
        connection_fee: terms.map_or(strowger_model::Amount::ZERO, |terms| terms.fee),
        // As soon as its revision.
        from_us: if new.from_us > at_us { new.from_us } else { 0 },
        until_us: terms.and_then(|terms| terms.until_us),
    };
    let row = |class, price: Option<Price>| RevisedRate {
        rate: rate(class, price),
        revision: 0,
        removed: price.is_none(),
    };
    let all = row(TimeClass::All, terms.map(|terms| terms.price));
    let peak = terms.and_then(|terms| terms.peak);
    let peak = (peak.is_some() || new.ends_peak).then(|| row(TimeClass::Peak, peak));
    [Some(all), peak].into_iter().flatten().collect()
}

/// Reads a file as `reading` says and writes down what was found, if it may still be read anew.
pub(super) async fn read_again(
    cx: &Context,
    import: &Import,
    reading: Reading,
) -> Result<(Import, bool), Problem> {
    let (state, reading, report) = inspect(&cx.api, import, reading).await?;
    let mut w = cx.api.store.write().await?;
    let id = import.id.0;
    let before = w.row::<Import>(cx.caller.scope, id).await?.ok_or_else(Problem::not_found)?;
    let now_us = cx.api.now_us();
    match before.state {
        ImportState::Uploaded
        | ImportState::Mapped
        | ImportState::Checked
        | ImportState::Failed => {}
        ImportState::Writing | ImportState::Published | ImportState::Undone => {
            return Err(no_state(&before, "one that waits", now_us));
        }
    }
    let after = Import {
        state,
        reading: reading.text(),
        report: report.to_string(),
        changed_by: cx.caller.name.clone(),
        changed_us: now_us,
        ..before.clone()
    };
    change(&mut w, &cx.actor(), &before, &after).await?;
    w.commit().await?;
    Ok((after, state == ImportState::Checked))
}

/// How far a file is when it is read, how the next one is, and what is in it.
async fn inspect(
    api: &Shared,
    import: &Import,
    reading: Reading,
) -> Result<(ImportState, Reading, Value), Problem> {
    let _turn = api.decks.turn().await?;
    let tariff = tariff_of(api, import).await?;
    let terms = terms(api, &tariff, &reading).await?;
    let problem = |why: String| json!({"problem": why});
    let Some(bytes) = api.decks.read(import).await? else {
        let why = "the file is not there any more: send it again".to_owned();
        return Ok((ImportState::Uploaded, reading, problem(why)));
    };
    let (asked, at_us) = (reading.clone(), api.now_us());
    let mut found = match apart(move || find(&bytes, &asked, &terms)).await? {
        Ok(found) => found,
        Err(why) => return Ok((ImportState::Uploaded, reading, problem(why))),
    };
    let Some(deck) = found.deck.take() else {
        return Ok((ImportState::Mapped, found.reading, found.report));
    };
    let rates = api.reader.tariff_rates(tariff.id).await?;
    let mode = found.reading.mode;
    let work = move || {
        let below = Below::of(rates, at_us, deck.has_peaks);
        let comparison = compared(&deck, &below, mode, at_us);
        let one = |change: Move| (change.word(), comparison.count(change));
        let counts: BTreeMap<_, _> = ALL.map(one).into();
        let wrong = comparison.rows.iter().find_map(|new| {
            let rows = revised(new, &tariff, at_us);
            let error = rows.iter().find_map(|row| check_rate(&tariff, &row.rate).err())?;
            Some(format!("prefix {}: {}", new.code, error.problem))
        });
        (counts, comparison.uncovered.len(), below.apart, wrong)
    };
    let (counts, uncovered, other, wrong) = apart(work).await?;
    if let Value::Object(members) = &mut found.report {
        members.insert("changes".to_owned(), json!(counts));
        members.insert("uncovered".to_owned(), json!(uncovered));
        members.insert("apart".to_owned(), json!(other));
        members.insert("problem".to_owned(), json!(wrong));
    }
    let state = if wrong.is_none() { ImportState::Checked } else { ImportState::Mapped };
    Ok((state, found.reading, found.report))
}

/// All moves, in the order of their words.
const ALL: [Move; 7] = [
    Move::New,
    Move::Dearer,
    Move::Cheaper,
    Move::Terms,
    Move::Unchanged,
    Move::Ended,
    Move::Absent,
];

impl Worded for Move {
    const WORDS: &'static [&'static str] = MOVES;

    fn word(&self) -> &'static str {
        match self {
            Move::New => "new",
            Move::Dearer => "dearer",
            Move::Cheaper => "cheaper",
            Move::Terms => "terms",
            Move::Unchanged => "unchanged",
            Move::Ended => "ended",
            Move::Absent => "absent",
        }
    }
}

view! {
    /// What becomes of a prefix.
    DeckDifferenceView {
        /// Called numbers.
        prefix: String,
        /// What the file calls them.
        destination: String,
        /// What becomes of them; `terms`: all but the price.
        change: Word<Move>,
        /// Line of the file; null when the prefix is not in it.
        line: Option<u32>,
        /// Price per minute before; null when there was none.
        old_price: Option<MoneyView>,
        /// Price per minute after; null when there is none.
        new_price: Option<MoneyView>,
        /// Price per minute in peak hours before; null when it was the same.
        old_peak_price: Option<MoneyView>,
        /// Price per minute in peak hours after; null when it is the same.
        new_peak_price: Option<MoneyView>,
        /// From when on.
        from: Time,
    }
}

view! {
    /// What a file changes.
    DeckDifferencesView {
        /// Prices in force then are those before.
        at: Time,
        /// Prefixes that had no price.
        new: u64,
        /// Prefixes whose price rises.
        dearer: u64,
        /// Prefixes whose price falls.
        cheaper: u64,
        /// Prefixes whose price stays and whose minimum, step, fee or end changes.
        terms: u64,
        /// Prefixes that stay as they are.
        unchanged: u64,
        /// Prefixes that have no price any more.
        ended: u64,
        /// Prefixes that the file ends and that had no price.
        absent: u64,
        /// Prefixes that must not be called and that a shorter one still prices.
        uncovered: Vec<String>,
        /// By prefix and time; what stays as it is only when it is asked for.
        rows: Page<DeckDifferenceView>,
    }
}

/// Most uncovered prefixes that are shown.
const UNCOVERED_MAX: usize = 100;

fn wanted_change(cx: &Context) -> Option<Move> {
    let wanted = cx.query.wanted.iter().find(|wanted| wanted.column == "change")?;
    let Cell::Text(Some(word)) = &wanted.value else { return None };
    ALL.into_iter().find(|change| change.word() == word)
}

/// `GET /imports/{id}/differences`
pub(crate) async fn differences(cx: Context) -> Result<Json<DeckDifferencesView>, Problem> {
    let after: Option<(String, i64)> = cursor::decode(STEPS, cx.query.next.as_deref())?;
    let (_, seen) = previewed(&cx).await?;
    let (comparison, currency) = (&seen.comparison, seen.tariff.currency);
    let only = wanted_change(&cx);
    let is_shown = |step: &&Step| match only {
        Some(only) => step.change == only,
        None => !matches!(step.change, Move::Unchanged | Move::Absent),
    };
    let is_behind = |step: &&Step| {
        let key = (step.code.as_str(), step.from_us);
        after.as_ref().is_none_or(|(code, from_us)| key > (code.as_str(), *from_us))
    };
    let steps = comparison.steps.iter().filter(is_behind).filter(is_shown);
    let page: Vec<&Step> = steps.take(cx.rows()).collect();
    let names = seen.destinations();
    let view = |step: &&Step| DeckDifferenceView {
        prefix: step.code.to_string(),
        destination: names.get(&step.code).copied().unwrap_or_default().to_owned(),
        change: Word(step.change),
        line: (step.line > 0).then_some(step.line),
        old_price: step.before.map(|before| price(before, currency)),
        new_price: step.after.map(|after| price(after, currency)),
        old_peak_price: step.peaks[0].map(|before| price(before, currency)),
        new_peak_price: step.peaks[1].map(|after| price(after, currency)),
        from: Time(step.from_us),
    };
    let key = |step: &&Step| cursor::encode(STEPS, (step.code.as_str(), step.from_us));
    let rows = Page::cut(page, cx.query.limit, view, key);
    let count = |change| u64::try_from(comparison.count(change)).unwrap_or(u64::MAX);
    Ok(Json(DeckDifferencesView {
        at: Time(seen.at_us),
        new: count(Move::New),
        dearer: count(Move::Dearer),
        cheaper: count(Move::Cheaper),
        terms: count(Move::Terms),
        unchanged: count(Move::Unchanged),
        ended: count(Move::Ended),
        absent: count(Move::Absent),
        uncovered: comparison.uncovered.iter().take(UNCOVERED_MAX).map(Digits::to_string).collect(),
        rows,
    }))
}

view! {
    /// What becomes of a destination.
    DeckDestinationView {
        /// What the file calls it; empty for prefixes that it does not have.
        destination: String,
        /// Prefixes that had no price.
        new: u64,
        /// Prefixes whose price rises.
        dearer: u64,
        /// Prefixes whose price falls.
        cheaper: u64,
        /// Prefixes of which something else changes.
        terms: u64,
        /// Prefixes that stay as they are.
        unchanged: u64,
        /// Prefixes that have no price any more.
        ended: u64,
        /// The dearest price before.
        old_price: Option<MoneyView>,
        /// The dearest price after.
        new_price: Option<MoneyView>,
    }
}

/// Sums of a destination.
#[derive(Default)]
struct Sum {
    counts: BTreeMap<Move, u64>,
    before: Option<Price>,
    after: Option<Price>,
}

fn sums(seen: &Preview) -> BTreeMap<&str, Sum> {
    let names = seen.destinations();
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for step in &seen.comparison.steps {
        let sum = sums.entry(names.get(&step.code).copied().unwrap_or_default()).or_default();
        let count = sum.counts.entry(step.change).or_default();
        *count = count.saturating_add(1);
        sum.before = sum.before.max(step.before).max(step.peaks[0]);
        sum.after = sum.after.max(step.after).max(step.peaks[1]);
    }
    sums
}

fn shown(name: &str, sum: &Sum, currency: Currency) -> DeckDestinationView {
    let count = |change| sum.counts.get(&change).copied().unwrap_or_default();
    DeckDestinationView {
        destination: name.to_owned(),
        new: count(Move::New),
        dearer: count(Move::Dearer),
        cheaper: count(Move::Cheaper),
        terms: count(Move::Terms),
        unchanged: count(Move::Unchanged),
        ended: count(Move::Ended),
        old_price: sum.before.map(|before| price(before, currency)),
        new_price: sum.after.map(|after| price(after, currency)),
    }
}

/// `GET /imports/{id}/destinations`
pub(crate) async fn destinations(cx: Context) -> Result<Json<Page<DeckDestinationView>>, Problem> {
    let after: Option<String> = cursor::decode(DESTINATIONS, cx.query.next.as_deref())?;
    let (_, seen) = previewed(&cx).await?;
    let sums = sums(&seen);
    let is_behind = |name: &str| after.as_deref().is_none_or(|after| name > after);
    let page: Vec<_> = sums.iter().filter(|(name, _)| is_behind(name)).take(cx.rows()).collect();
    let view = |(name, sum): &(&&str, &Sum)| shown(name, sum, seen.tariff.currency);
    let key = |(name, _): &(&&str, &Sum)| cursor::encode(DESTINATIONS, name);
    Ok(Json(Page::cut(page, cx.query.limit, view, key)))
}
