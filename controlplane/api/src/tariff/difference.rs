//! What a revision changes: its rows beside what the revisions below it say.

use super::revision;
use crate::cursor;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, MoneyView, Time, Word, Worded, price};
use std::collections::BTreeMap;
use strowger_model::{Currency, Rate, RateKey, RevisionState};
use strowger_store::RevisedRate;

const LIST: &str = "differences";

/// What becomes of a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Difference {
    /// It had no price.
    Added,
    /// It has another price or other conditions.
    Changed,
    /// It has no price any more.
    Removed,
    /// Nothing.
    Unchanged,
}

impl Worded for Difference {
    const WORDS: &'static [&'static str] = &["added", "changed", "removed", "unchanged"];

    fn word(&self) -> &'static str {
        match self {
            Difference::Added => "added",
            Difference::Changed => "changed",
            Difference::Removed => "removed",
            Difference::Unchanged => "unchanged",
        }
    }
}

view! {
    /// What a row changes.
    DifferenceView {
        /// Identity of the row.
        id: Id,
        /// Called numbers.
        prefix: String,
        /// When it counts.
        class: String,
        /// What becomes of them.
        difference: Word<Difference>,
        /// Price per minute before; null when there was none.
        old_price: Option<MoneyView>,
        /// Price per minute after; null when there is none.
        new_price: Option<MoneyView>,
        /// From when on; null is as soon as its revision.
        from: Option<Time>,
    }
}

view! {
    /// What a revision changes.
    DifferencesView {
        /// Rows of prefixes that had no price.
        added: u64,
        /// Rows with another price or other conditions.
        changed: u64,
        /// Rows that take a price away.
        removed: u64,
        /// Rows that say what counts already.
        unchanged: u64,
        /// What the rows change, in the order in which they were added; those that change nothing
        /// are left out.
        rows: Page<DifferenceView>,
    }
}

/// The row in force for exactly this prefix, class and length of numbers at a moment.
fn at<'a>(below: &BTreeMap<RateKey, Vec<&'a Rate>>, key: &RateKey, at_us: i64) -> Option<&'a Rate> {
    let is_valid =
        |rate: &&&Rate| rate.from_us <= at_us && rate.until_us.is_none_or(|until| at_us < until);
    below.get(key)?.iter().find(is_valid).copied()
}

/// Price and conditions, dates and names apart.
const fn terms(rate: &Rate) -> (i64, u32, u32, u32, u32, i64) {
    let Rate { price, step_s, minimum_s, free_s, free_after_s, connection_fee, .. } = rate;
    (price.0, *step_s, *minimum_s, *free_s, *free_after_s, connection_fee.0)
}

pub(crate) fn compared(row: &RevisedRate, old: Option<&Rate>) -> Difference {
    match (row.removed, old) {
        (true, Some(_)) => Difference::Removed,
        (true, None) => Difference::Unchanged,
        (false, None) => Difference::Added,
        (false, Some(old)) if terms(old) == terms(&row.rate) => Difference::Unchanged,
        (false, Some(_)) => Difference::Changed,
    }
}

fn shown(row: &RevisedRate, old: Option<&Rate>, currency: Currency) -> DifferenceView {
    let rate = &row.rate;
    DifferenceView {
        id: rate.id.into(),
        prefix: rate.prefix.as_str().to_owned(),
        class: rate.class.to_string(),
        difference: Word(compared(row, old)),
        old_price: old.map(|old| price(old.price, currency)),
        new_price: (!row.removed).then(|| price(rate.price, currency)),
        from: (rate.from_us != 0).then_some(Time(rate.from_us)),
    }
}

/// `GET /tariffs/{id}/revisions/{number}/differences`
pub(crate) async fn differences(cx: Context) -> Result<Json<DifferencesView>, Problem> {
    let (tariff, revision) = revision(&cx).await?;
    let after: Option<i64> = cursor::decode(LIST, cx.query.next.as_deref())?;
    let (rows, below) = cx.api.reader.revision_and_below(tariff.id, revision.number).await?;
    let mut keys: BTreeMap<RateKey, Vec<&Rate>> = BTreeMap::new();
    for rate in &below {
        keys.entry(rate.key()).or_default().push(rate);
    }
    let begin_us = match revision.state {
        RevisionState::Draft => cx.api.now_us(),
        RevisionState::Published | RevisionState::Undone => revision.effective_us,
    };
    let mut counts = [0u64; 4];
    let mut page = Vec::new();
    for row in &rows {
        let old = at(&keys, &row.rate.key(), begin_us.max(row.rate.from_us));
        let difference = compared(row, old);
        if let Some(count) = counts.get_mut(difference as usize) {
            *count += 1;
        }
        let is_shown = difference != Difference::Unchanged
            && after.is_none_or(|after| row.rate.id.0 > after)
            && page.len() < cx.rows();
        if is_shown {
            page.push((row, old));
        }
    }
    let [added, changed, removed, unchanged] = counts;
    let view = |(row, old): &(&RevisedRate, Option<&Rate>)| shown(row, *old, tariff.currency);
    let key = |(row, _): &(&RevisedRate, _)| cursor::encode(LIST, row.rate.id.0);
    let rows = Page::cut(page, cx.query.limit, view, key);
    Ok(Json(DifferencesView { added, changed, removed, unchanged, rows }))
}
