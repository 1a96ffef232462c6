//! A deck beside the prices in force: what changes, and the rows that change it.

use crate::{Deck, Line, Said};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strowger_model::{Amount, Digits, Price};

/// Whether what is missing in a deck ends.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    /// The deck is all there is: codes that it does not have end.
    Full,
    /// The deck is what changes: codes that it does not have stay.
    Partial,
}

/// The price of a code in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Per minute.
    pub price: Price,
    /// Per minute in peak hours; `None` = the same.
    pub peak: Option<Price>,
    /// Of a connection.
    pub fee: Amount,
    /// Minimum, seconds.
    pub minimum_s: u32,
    /// Billing step, seconds.
    pub step_s: u32,
    /// Before when; `None` = until replaced.
    pub until_us: Option<i64>,
}

impl Standing {
    /// The dearest of its prices.
    #[must_use]
    pub fn dearest(&self) -> Price {
        self.peak.map_or(self.price, |peak| peak.max(self.price))
    }
}

/// What happens to a code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Move {
    /// It had no price.
    New,
    /// Its price rises.
    Dearer,
    /// Its price falls.
    Cheaper,
    /// Its price stays; increments, fee or end change.
    Terms,
    /// Nothing changes.
    Unchanged,
    /// It has no price any more.
    Ended,
    /// It must not be called, or ends, and had no price.
    Absent,
}

/// One code at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Which.
    pub code: Digits,
    /// Line of the deck; 0 = it is missing there.
    pub line: u32,
    /// What happens.
    pub change: Move,
    /// Price before.
    pub before: Option<Price>,
    /// Price behind.
    pub after: Option<Price>,
    /// The same in peak hours, before and behind, where it is another.
    pub peaks: [Option<Price>; 2],
    /// When, microseconds since 1970.
    pub from_us: i64,
}

/// A row of the revision that makes it so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewRow {
    /// Prefix.
    pub code: Digits,
    /// Its terms; `None` = it has no price from then on.
    pub terms: Option<Standing>,
    /// It had a price of its own in peak hours, and has none any more.
    pub ends_peak: bool,
    /// From when, microseconds since 1970.
    pub from_us: i64,
}

/// What a deck does.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Comparison {
    /// By code and time.
    pub steps: Vec<Step>,
    /// Rows for a revision: only where something changes.
    pub rows: Vec<NewRow>,
    /// How many of each.
    pub counts: BTreeMap<Move, usize>,
    /// Blocked codes whose numbers a shorter code still prices: they would be called all the same.
    pub uncovered: Vec<Digits>,
}

/// What a deck does to sale prices.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Margin {
    /// Codes with a sale price.
    pub sold: usize,
    /// Codes that were sold at or above their price and then are below it.
    pub turned_to_loss: usize,
    /// Codes that are sold below their price.
    pub at_loss: usize,
    /// Codes that nobody is sold.
    pub unsold: usize,
    /// Greatest fall of the margin per minute, with its code.
    pub worst: Option<(i64, Digits)>,
}

/// A deck beside the prices in force at `at_us`; prices that are already published for later are
/// not looked at. `at_us` = when the revision begins: earlier days, and none, are then.
#[must_use]
pub fn compare(
    standing: &BTreeMap<Digits, Standing>,
    deck: &Deck,
    mode: Mode,
    at_us: i64,
) -> Comparison {
    let mut comparison = Comparison::default();
    let mut now: BTreeMap<Digits, Standing> = standing.clone();
    for line in at_most_one_before(&deck.lines, at_us) {
        comparison.line(&mut now, &line, at_us);
    }
    if mode == Mode::Full {
        let named: std::collections::BTreeSet<Digits> =
            deck.lines.iter().map(|line| line.code).collect();
        for (code, before) in standing.iter().filter(|(code, _)| !named.contains(code)) {
            now.remove(code);
            comparison.put(*code, 0, Some(*before), None, at_us);
        }
    }
    let blocked = deck.lines.iter().filter(|line| line.said == Said::Blocked);
    let shorter = |code: &Digits| {
        let cut = |len: usize| Digits::parse(code.as_str().get(..len).unwrap_or_default()).ok();
        (0..code.len()).filter_map(cut).any(|prefix| now.contains_key(&prefix))
    };
    let uncovered = blocked.map(|line| line.code).filter(|code| !now.contains_key(code));
    comparison.uncovered = uncovered.filter(shorter).collect();
    comparison.uncovered.dedup();
    comparison
        .steps
        .sort_by(|a, b| (a.code.as_str(), a.from_us).cmp(&(b.code.as_str(), b.from_us)));
    comparison
}

/// Of lines of one code that all begin before the moment only the last counts: it is in force then.
fn at_most_one_before(lines: &[Line], at_us: i64) -> Vec<Line> {
    let mut kept: Vec<Line> = Vec::with_capacity(lines.len());
    let begins = |line: &Line| line.from_us.unwrap_or(i64::MIN);
    for line in lines {
        match kept.last_mut() {
            Some(last) if last.code == line.code && begins(line) <= at_us => *last = *line,
            Some(_) | None => kept.push(*line),
        }
    }
    kept
}

/// Terms by their price, and by that of peak hours where it is the same.
fn compared(a: &Standing, b: &Standing) -> std::cmp::Ordering {
    let peak = |terms: &Standing| terms.peak.unwrap_or(terms.price);
    a.price.cmp(&b.price).then(peak(a).cmp(&peak(b)))
}

impl Comparison {
    fn line(&mut self, now: &mut BTreeMap<Digits, Standing>, line: &Line, at_us: i64) {
        let from_us = line.from_us.map_or(at_us, |from_us| from_us.max(at_us));
        let has_passed = line.until_us.is_some_and(|until_us| until_us <= from_us);
        let after = match line.said {
            Said::Priced(price, peak) if !has_passed => Some(Standing {
                price,
                peak,
                fee: line.fee,
                minimum_s: line.minimum_s,
                step_s: line.step_s,
                until_us: line.until_us,
            }),
            Said::Priced(..) | Said::Ended | Said::Blocked => None,
        };
        let before = match after {
            Some(after) => now.insert(line.code, after),
            None => now.remove(&line.code),
        };
        self.put(line.code, line.line, before, after, from_us);
    }

    fn put(
        &mut self,
        code: Digits,
        line: u32,
        before: Option<Standing>,
        after: Option<Standing>,
        from_us: i64,
    ) {
        let change = match (before, after) {
            (None, None) => Move::Absent,
            (None, Some(_)) => Move::New,
            (Some(_), None) => Move::Ended,
            (Some(before), Some(after)) if before == after => Move::Unchanged,
            (Some(before), Some(after)) => match compared(&after, &before) {
                std::cmp::Ordering::Greater => Move::Dearer,
                std::cmp::Ordering::Less => Move::Cheaper,
                std::cmp::Ordering::Equal => Move::Terms,
            },
        };
        let count = self.counts.entry(change).or_default();
        *count = count.saturating_add(1);
        let price = |standing: Option<Standing>| standing.map(|standing| standing.price);
        let peaks = [before, after].map(|standing| standing?.peak);
        let [had_peak, has_peak] = peaks.map(|peak| peak.is_some());
        let (before, priced) = (price(before), price(after));
        self.steps.push(Step { code, line, change, before, after: priced, peaks, from_us });
        match change {
            Move::Unchanged | Move::Absent => {}
            Move::New | Move::Dearer | Move::Cheaper | Move::Terms | Move::Ended => {
                let ends_peak = had_peak && !has_peak;
                self.rows.push(NewRow { code, terms: after, ends_peak, from_us });
            }
        }
    }

    /// Ends a code that has no price yet but was promised one for later: one that the deck does not
    /// have, or no more. Without its row the promise would come true all the same.
    pub fn end_promised(&mut self, deck: &Deck, mode: Mode, code: Digits, at_us: i64) {
        let first = deck.lines.partition_point(|line| line.code < code);
        let own = deck.lines.get(first..).unwrap_or_default();
        let mut own = own.iter().take_while(|line| line.code == code).peekable();
        let is_named = own.peek().is_some();
        let is_priced = own.any(|line| matches!(line.said, Said::Priced(..)));
        if is_priced || !is_named && mode == Mode::Partial {
            return;
        }
        let count = self.counts.entry(Move::Ended).or_default();
        *count = count.saturating_add(1);
        let (change, before, after, peaks) = (Move::Ended, None, None, [None; 2]);
        self.steps.push(Step { code, line: 0, change, before, after, peaks, from_us: at_us });
        self.rows.push(NewRow { code, terms: None, ends_peak: false, from_us: at_us });
    }

    /// The dearest prices behind the last step, by prefix.
    #[must_use]
    pub fn after(&self, standing: &BTreeMap<Digits, Standing>) -> BTreeMap<Digits, Price> {
        let mut prices: BTreeMap<Digits, Price> =
            standing.iter().map(|(code, standing)| (*code, standing.dearest())).collect();
        for step in &self.steps {
            match step.after.max(step.peaks[1]) {
                Some(price) => prices.insert(step.code, price),
                None => prices.remove(&step.code),
            };
        }
        prices
    }

    /// How many codes move so.
    #[must_use]
    pub fn count(&self, change: Move) -> usize {
        self.counts.get(&change).copied().unwrap_or_default()
    }

    /// What it does beside sale prices of the same currency, by their longest prefix of each code.
    /// Sale prices of longer prefixes than the code are not looked at.
    #[must_use]
    pub fn against(&self, sale: &BTreeMap<Digits, Price>) -> Margin {
        let mut margin = Margin::default();
        for step in &self.steps {
            let Some(after) = step.after.max(step.peaks[1]) else { continue };
            let cut = |len: usize| Digits::parse(step.code.as_str().get(..len)?).ok();
            let mut prefixes = (0..=step.code.len()).rev().filter_map(cut);
            let Some(sold) = prefixes.find_map(|prefix| sale.get(&prefix)) else {
                margin.unsold = margin.unsold.saturating_add(1);
                continue;
            };
            margin.sold = margin.sold.saturating_add(1);
            if sold < &after {
                margin.at_loss = margin.at_loss.saturating_add(1);
                let was_fine = step.before.is_some_and(|before| sold >= &before);
                margin.turned_to_loss = margin.turned_to_loss.saturating_add(usize::from(was_fine));
            }
            let Some(before) = step.before else { continue };
            let fall = after.0.saturating_sub(before.0);
            if fall > 0 && margin.worst.is_none_or(|(worst, _)| fall > worst) {
                margin.worst = Some((fall, step.code));
            }
        }
        margin
    }
}

#[cfg(test)]
mod tests;
