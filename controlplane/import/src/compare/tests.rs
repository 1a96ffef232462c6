//! Decks beside standing prices.

use super::*;
use crate::{Mapping, Terms, read};
use jiff::tz::TimeZone;
use strowger_model::Currency;

/// 2026-01-15.
const AT_US: i64 = 1_768_435_200_000_000;
const DAY_US: i64 = 86_400_000_000;

fn deck(text: &str) -> Deck {
    let mapping = Mapping::default();
    let table = read(text.as_bytes(), &mapping).unwrap();
    let columns = mapping.columns_of(&table).unwrap();
    let terms = Terms { currency: Currency::EUR, zone: TimeZone::UTC, increments: (1, 1) };
    let deck = Deck::new(&table, &columns, &mapping, &terms);
    assert_eq!(deck.faults, []);
    deck
}

fn digits(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

fn standing(prices: &[(&str, i64)]) -> BTreeMap<Digits, Standing> {
    let one = |price| Standing {
        price: Price(price),
        peak: None,
        fee: Amount(0),
        minimum_s: 1,
        step_s: 1,
        until_us: None,
    };
    prices.iter().map(|(code, price)| (digits(code), one(price * 1_000_000))).collect()
}

fn moves(comparison: &Comparison) -> Vec<(&str, Move)> {
    comparison.steps.iter().map(|step| (step.code.as_str(), step.change)).collect()
}

const OLD: [(&str, i64); 5] = [("41", 10), ("43", 10), ("49", 10), ("491", 20), ("53", 90)];
const NEW: &str = "code;rate;change;increments\n41;0.01;;\n43;0.02;;\n49;0.005;;\n491;0.02;;60/1\n\
                   44;0.01;;\n7;;deleted;\n";

#[test]
fn every_move_is_told_and_only_changes_make_rows() {
    let partial = compare(&standing(&OLD), &deck(NEW), Mode::Partial, AT_US);
    let wanted = [
        ("41", Move::Unchanged),
        ("43", Move::Dearer),
        ("44", Move::New),
        ("49", Move::Cheaper),
        ("491", Move::Terms),
        ("7", Move::Absent),
    ];
    assert_eq!(moves(&partial), wanted);
    let rows: Vec<_> = partial.rows.iter().map(|row| row.code.as_str()).collect();
    assert_eq!(rows, ["43", "44", "49", "491"]);
    let full = compare(&standing(&OLD), &deck(NEW), Mode::Full, AT_US);
    assert_eq!(full.count(Move::Ended), 1);
    let last = full.rows.last().unwrap();
    assert_eq!((last.code.as_str(), last.terms, last.from_us), ("53", None, AT_US));
}

#[test]
fn days_gone_by_are_the_moment_of_the_revision_and_later_ones_their_own() {
    let text = "code;rate;valid from\n49;0.01;2026-01-01\n49;0.02;2026-01-10\n49;0.03;2026-01-17\n";
    let found = compare(&BTreeMap::new(), &deck(text), Mode::Full, AT_US);
    let rows: Vec<_> =
        found.rows.iter().map(|row| (row.from_us, row.terms.unwrap().price.0)).collect();
    assert_eq!(rows, [(AT_US, 20_000_000), (AT_US + 2 * DAY_US, 30_000_000)]);
    assert_eq!(moves(&found), [("49", Move::New), ("49", Move::Dearer)]);
}

#[test]
fn what_has_expired_has_no_price() {
    let text = "code;rate;valid to\n49;0.01;2026-01-10\n";
    let found = compare(&standing(&[("49", 10)]), &deck(text), Mode::Partial, AT_US);
    assert_eq!(moves(&found), [("49", Move::Ended)]);
}

#[test]
fn blocked_codes_that_a_shorter_one_still_prices_are_told() {
    let text = "code;rate;status\n49;0.01;\n49900;;blocked\n53;;blocked\n";
    let found = compare(&standing(&[("53", 1)]), &deck(text), Mode::Full, AT_US);
    assert_eq!(found.uncovered, [digits("49900")]);
    assert_eq!(found.count(Move::Ended), 1);
}

#[test]
fn margins_are_told_by_the_longest_sale_price() {
    let sale = [("4", 15), ("491", 12), ("53", 200)]
        .map(|(code, price)| (digits(code), Price(price * 1_000_000)));
    let text = "code;rate\n43;0.02\n49;0.01\n491;0.012\n7;1\n";
    let found = compare(&standing(&OLD), &deck(text), Mode::Partial, AT_US);
    let margin = found.against(&BTreeMap::from(sale));
    assert_eq!((margin.sold, margin.unsold), (3, 1));
    assert_eq!((margin.at_loss, margin.turned_to_loss), (1, 1));
    assert_eq!(margin.worst, Some((10_000_000, digits("43"))));
}

#[test]
fn a_promise_for_later_ends_with_the_deck_that_does_not_have_it() {
    let old = standing(&OLD);
    let deck = deck(NEW);
    for (mode, code, ends) in [
        (Mode::Full, "99", true),
        (Mode::Partial, "99", false),
        (Mode::Partial, "7", true),
        (Mode::Full, "44", false),
    ] {
        let mut comparison = compare(&old, &deck, mode, AT_US);
        let before = comparison.rows.len();
        comparison.end_promised(&deck, mode, digits(code), AT_US);
        assert_eq!(comparison.rows.len() > before, ends, "{code} {mode:?}");
    }
}

#[test]
fn prices_behind_the_last_step_are_those_of_the_rows() {
    let comparison = compare(&standing(&OLD), &deck(NEW), Mode::Full, AT_US);
    let after = comparison.after(&standing(&OLD));
    let told: Vec<_> = after.iter().map(|(code, price)| (code.as_str(), price.0)).collect();
    let wanted = [("41", 10), ("43", 20), ("44", 10), ("49", 5), ("491", 20)];
    assert_eq!(told, wanted.map(|(code, price)| (code, price * 1_000_000)));
}

#[test]
fn prices_of_peak_hours_come_change_and_end_with_those_of_all_others() {
    let all = standing(&[("41", 10), ("43", 10), ("44", 10), ("49", 10)]);
    let with_peaks = all
        .into_iter()
        .map(|(code, own)| (code, Standing { peak: Some(Price(20_000_000)), ..own }));
    let with_peaks: BTreeMap<Digits, Standing> = with_peaks.collect();
    let file = "code;rate;peak;off peak\n41;;0.02;0.01\n43;;0.03;0.01\n44;0.01;;\n\
                49;;0.01;0.005\n45;;2;1\n";
    let found = compare(&with_peaks, &deck(file), Mode::Partial, AT_US);
    let wanted = [
        ("41", Move::Unchanged),
        ("43", Move::Dearer),
        ("44", Move::Cheaper),
        ("45", Move::New),
        ("49", Move::Cheaper),
    ];
    assert_eq!(moves(&found), wanted);
    let ends: Vec<_> = found.rows.iter().map(|row| (row.code.as_str(), row.ends_peak)).collect();
    assert_eq!(ends, [("43", false), ("44", true), ("45", false), ("49", false)]);
    // Where sale prices are compared, the dearest counts.
    assert_eq!(found.after(&with_peaks)[&digits("43")], Price(30_000_000));
    assert_eq!(found.after(&with_peaks)[&digits("41")], Price(20_000_000));
}
