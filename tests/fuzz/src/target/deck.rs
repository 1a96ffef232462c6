//! Suppliers' price lists: text in any encoding and workbooks.
//!
//! Laws: nothing panics; what is remembered of the columns finds the same columns again; lines are
//! in order, of whole codes; putting the rows of a comparison in force leaves nothing to change.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use strowger_import::limits::CODE_LEN_MAX;
use strowger_import::{Deck, Mapping, Mode, Move, NewRow, Said, Standing, Terms};
use strowger_import::{compare, read, sheets};
use strowger_model::{Currency, Digits};

use super::Target;
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "deck", run, seeds, words: WORDS };

const WORDS: &[&[u8]] = &[
    b"code",
    b"rate",
    b"peak",
    b"off peak",
    b"Country Code",
    b"area codes",
    b"effective",
    b"expiry",
    b"increments",
    b"change",
    b"currency",
    b"setup fee",
    b"interval 1",
    b"interval n",
    b"deleted",
    b"blocked",
    b"49151-3",
    b"4915 - 4917",
    b"+1",
    b"00",
    b"011",
    b"4.9151E+11",
    b"1.234,5",
    b"0,01",
    b"60/1",
    b"31.01.2026",
    b"05/03/2026",
    b"2026-01-31T00:00:00Z",
    b"31-Jan-26",
    b"12:30 PM",
    b"\"",
    b"\"\"",
    b"\r\n",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"sep=;\n",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x01\x02",
    b"<row r=\"1\">",
    b"<c t=\"s\"><v>0</v></c>",
    b"&amp;",
    b"<![CDATA[",
];
/// 2026-01-15.
const AT_US: i64 = 1_768_435_200_000_000;

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let mapping = Mapping::default();
    shape.note("sheets", &sheets(input).is_ok());
    let table = match read(input, &mapping) {
        Ok(table) => table,
        Err(error) => return shape.kind("unread", &error).clone(),
    };
    shape.count("rows", table.len());
    let columns = match mapping.columns_of(&table) {
        Ok(columns) => columns,
        Err(error) => return shape.kind("unmapped", &error).clone(),
    };
    let again = columns.remembered(&mapping);
    assert_eq!(again.columns_of(&table).as_ref(), Ok(&columns));
    let terms = Terms { currency: Currency::EUR, zone: TimeZone::UTC, increments: (1, 1) };
    let deck = Deck::new(&table, &columns, &mapping, &terms);
    for fault in &deck.faults {
        shape.kind("fault", &fault.problem);
        assert!(fault.to_string().starts_with("line "));
    }
    assert!(deck.faults.len() <= deck.faults_all);
    lines(&deck, &mut shape);
    settles(&deck, Mode::Full, &mut shape);
    settles(&deck, Mode::Partial, &mut shape);
    shape
}

fn lines(deck: &Deck, shape: &mut Shape) {
    shape.count("lines", deck.lines.len());
    for line in &deck.lines {
        shape.kind("said", &line.said);
        shape.note("dates", &(line.from_us.is_some(), line.until_us.is_some()));
        let is_code = line.code.as_bytes().iter().all(u8::is_ascii_digit);
        assert!(is_code && (1..=CODE_LEN_MAX).contains(&line.code.len()));
        assert!(line.step_s > 0 && line.fee.0 >= 0);
        match line.said {
            Said::Priced(price, peak) => {
                assert!(price.0 >= 0 && peak.is_none_or(|peak| deck.has_peaks && peak.0 >= 0));
            }
            Said::Ended | Said::Blocked => {}
        }
    }
    for pair in deck.lines.windows(2) {
        let key = |at: usize| (pair[at].code.as_str(), pair[at].from_us);
        assert!(key(0) < key(1), "two lines of one code and day");
    }
}

/// What is in force once all rows are.
fn settled(rows: &[NewRow]) -> BTreeMap<Digits, Standing> {
    let mut prices = BTreeMap::new();
    for row in rows {
        match row.terms {
            Some(terms) => prices.insert(row.code, terms),
            None => prices.remove(&row.code),
        };
    }
    prices
}

fn settles(deck: &Deck, mode: Mode, shape: &mut Shape) {
    let first = compare(&BTreeMap::new(), deck, mode, AT_US);
    shape.count("new", first.count(Move::New)).count("uncovered", first.uncovered.len());
    let standing = settled(&first.rows);
    let latest = deck.lines.iter().filter_map(|line| line.from_us).max().unwrap_or(AT_US);
    let second = compare(&standing, deck, mode, latest.max(AT_US));
    let moved: Vec<_> = second.rows.iter().filter(|row| row.terms.is_some()).collect();
    assert!(moved.is_empty(), "a second time something changes: {moved:?}");
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let price = dice.byte();
    let heads = [
        "code;rate",
        "Country Code\tArea Codes\tPrice",
        "Vorwahl|Preis|Gültig ab",
        "code;peak;off-peak",
    ];
    let rows = ["4915-4917;0,0", "49\t151,152\t0.", "0049|0,1|31.01.2026\n43|1,", "49;0,3;0,2"];
    let texts = heads.iter().zip(rows);
    texts.map(|(head, row)| format!("{head}\n{row}{price}\n").into_bytes()).collect()
}
