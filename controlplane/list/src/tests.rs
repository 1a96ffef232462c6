use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn digits(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

fn list(entries: &[&str]) -> Numbers {
    Numbers::new(Packed::build(entries.iter().map(|entry| digits(entry))))
}

fn found(list: &Numbers, number: &str) -> String {
    list.find(&digits(number)).map_or_else(String::new, |digits| number[..digits].to_owned())
}

#[test]
fn the_longest_entry_that_a_number_begins_with_is_found() {
    let list = list(&["44", "4420", "442071234567", "4420", "*21#", "1234567890123456"]);
    for (number, expect) in [
        ("442071234567", "442071234567"),
        ("4420712345678", "442071234567"),
        ("44207123456", "4420"),
        ("4477", "44"),
        ("44", "44"),
        ("4", ""),
        ("49", ""),
        ("", ""),
        ("*21#", "*21#"),
        ("*21*", ""),
        ("12345678901234567890", "1234567890123456"),
        ("123456789012345", ""),
    ] {
        assert_eq!(found(&list, number), expect, "{number}");
    }
    assert_eq!((list.len(), list.bytes()), (5, (6 + 3 + 1) * 8));
    assert_eq!(found(&Numbers::default(), "44"), "");
    assert!(!is_entry(&Digits::EMPTY) && !is_entry(&digits("12345678901234567")));
}

#[test]
fn changes_lie_over_a_list_until_it_is_packed_anew() {
    let before = list(&["44", "49"]);
    let one = |entry: &str, stands| [(digits(entry), stands)];
    let after = before.changed(one("4420", true)).changed(one("49", false));
    assert_eq!((found(&after, "442071"), found(&after, "4930")), ("4420".into(), String::new()));
    assert_eq!((found(&before, "442071"), found(&before, "4930")), ("44".into(), "49".into()));
    assert_eq!((before.len(), after.len(), after.change_count()), (2, 2, 2));
    let packed = after.packed_anew();
    assert_eq!((packed.len(), packed.change_count()), (2, 0));
    assert_eq!(found(&packed, "442071"), "4420");
    // The last word counts; what was never there does no harm when it goes.
    let again = after.changed(one("49", true)).changed(one("33", false));
    assert_eq!((found(&again, "4930"), again.len()), ("49".into(), 3));
    // Too many are packed by themselves.
    let many = (0..=CHANGES_MAX).map(|n| (digits(&format!("7{n:09}")), true));
    let many = before.changed(many);
    assert_eq!((many.change_count(), many.len()), (0, CHANGES_MAX + 3));
    assert_eq!(found(&many, "7000000009"), "7000000009");
}

#[test]
fn numbers_in_a_row_do_not_crowd_the_table() {
    let list = Numbers::new(Packed::build(
        (0..100_000_u64).map(|n| digits(&(442_070_000_000 + n).to_string())),
    ));
    assert_eq!((list.len(), list.bytes()), (100_000, 12 * 100_000 + 8));
    let room = list.packed.places.len();
    let taken = list.packed.places.iter().enumerate().filter(|(_, key)| **key != 0);
    let far: Vec<usize> =
        taken.map(|(at, key)| (at + room - list.packed.first(*key)) % room).collect();
    assert!(far.iter().sum::<usize>() < 2 * far.len(), "a look ends soon");
    assert!(*far.iter().max().unwrap() < 512);
}

/// Five million numbers are 60 million bytes, in memory as in the tail of arithmetic.
#[test]
fn an_entry_takes_twelve_bytes() {
    let five = Packed::with_room(5_000_000);
    assert_eq!(five.bytes(), 5_000_000 * 12 + 8);
    assert_eq!(Packed::with_room(ENTRIES_MAX).bytes(), 240_000_008);
    assert_eq!(Packed::with_room(0).bytes(), 0);
}

proptest! {
    #[test]
    fn a_list_says_what_a_plain_set_says(
        entries in proptest::collection::btree_set("[0-9*#]{1,4}", 0..60),
        changes in proptest::collection::vec(("[0-9*#]{1,4}", any::<bool>()), 0..40),
        numbers in proptest::collection::vec("[0-9*#]{0,7}", 1..40),
    ) {
        let mut known: BTreeSet<String> = entries.clone();
        let before = Numbers::new(Packed::build(entries.iter().map(|entry| digits(entry))));
        let after = before.changed(changes.iter().map(|(entry, stands)| (digits(entry), *stands)));
        for (entry, stands) in changes {
            if stands { known.insert(entry); } else { known.remove(&entry); }
        }
        prop_assert_eq!(after.len(), known.len());
        for list in [after.packed_anew(), after] {
            for number in &numbers {
                let longest = (1..=number.len()).rev().find(|len| known.contains(&number[..*len]));
                let expect = longest.map_or("", |len| &number[..len]);
                prop_assert_eq!(found(&list, number), expect);
            }
        }
    }
}
