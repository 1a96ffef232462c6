//! Decks as they come, read from bytes to lines.

use super::*;
use crate::xlsx::tests::book;
use crate::{BadCode, BadDate, BadNumber, Column, read};

fn terms() -> Terms {
    let currency = Currency::new("USD", 2).unwrap();
    Terms { currency, zone: TimeZone::UTC, increments: (1, 1) }
}

fn deck_by(bytes: &[u8], mapping: &Mapping) -> Deck {
    let table = read(bytes, mapping).unwrap();
    let columns = mapping.columns_of(&table).unwrap();
    Deck::new(&table, &columns, mapping, &terms())
}

fn deck(text: &str) -> Deck {
    deck_by(text.as_bytes(), &Mapping::default())
}

/// Lines as `line code price minimum/step from-until destination`.
fn told(deck: &Deck) -> Vec<String> {
    let day = |us: Option<i64>| {
        let stamp = us.and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
        stamp.map_or(String::new(), |stamp| stamp.strftime("%y%m%d").to_string())
    };
    let said = |said| match said {
        Said::Priced(price, None) => price.0.to_string(),
        Said::Priced(price, Some(peak)) => format!("{} peak {}", price.0, peak.0),
        Said::Ended => "ended".to_owned(),
        Said::Blocked => "blocked".to_owned(),
    };
    let line = |line: &Line| {
        format!(
            "{} {} {} {}/{} {}-{} {}",
            line.line,
            line.code,
            said(line.said),
            line.minimum_s,
            line.step_s,
            day(line.from_us),
            day(line.until_us),
            deck.destination(line)
        )
    };
    deck.lines.iter().map(line).collect()
}

fn faults(deck: &Deck) -> Vec<String> {
    deck.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_deck_with_all_columns() {
    let found = deck(
        "Rates of Example Ltd,,,,,,,\n\
         Destination,Dial Code,Rate (USD/min),Effective Date,Expiry,Billing Increments,Change,ASR\n\
         Germany Mobile,\"49151, 49152\",0.0123,31/01/2026,,60/1,Increase,50\n\
         Germany Mobile,4915-4916,0.02,01/02/2026,28/02/2026,1/1,new,\n\
         Cuba,53,,01/02/2026,,,Blocked,\n\
         Kiribati,686,0.5,,,,DELETED,\n\
         Notes: none,,,,,,,\n",
    );
    assert_eq!(faults(&found), [""; 0]);
    let wanted = [
        "4 4915 20000000 1/1 260201-260301 Germany Mobile",
        "3 49151 12300000 60/1 260131- Germany Mobile",
        "3 49152 12300000 60/1 260131- Germany Mobile",
        "4 4916 20000000 1/1 260201-260301 Germany Mobile",
        "5 53 blocked 1/1 260201- Cuba",
        "6 686 ended 1/1 - Kiribati",
    ];
    assert_eq!(told(&found), wanted);
    assert_eq!(found.skipped, 1);
}

#[test]
fn a_german_deck_in_windows_1252_with_country_and_area_codes() {
    let text = "Land;Ländervorwahl;Ortsvorwahl;Preis;Gültig ab;Währung\r\n\
                Österreich;+43;;0,0100;1.2.2026;USD\r\n\
                Österreich Mobil;43;650, 660-661;0,1;1.2.2026;usd\r\n";
    let bytes: Vec<u8> = text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    let found = deck_by(&bytes, &Mapping::default());
    assert_eq!(faults(&found), [""; 0]);
    let wanted = [
        "2 43 10000000 1/1 260201- Österreich",
        "3 43650 100000000 1/1 260201- Österreich Mobil",
        "3 43660 100000000 1/1 260201- Österreich Mobil",
        "3 43661 100000000 1/1 260201- Österreich Mobil",
    ];
    assert_eq!(told(&found), wanted);
}

#[test]
fn a_workbook_is_read_like_text() {
    let rows = r#"<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c>
        <c r="C2" t="s"><v>2</v></c><c r="D2" t="s"><v>3</v></c></row>
        <row r="3"><c r="A3"><v>49151</v></c><c r="B3"><v>1.2500000000000001E-2</v></c>
        <c r="C3"><v>46053</v></c><c r="D3"><v>60</v></c></row>
        <row r="4"><c r="A4" t="s"><v>4</v></c><c r="B4"><v>2</v></c></row>"#;
    let strings = "<si><t>Code</t></si><si><t>Rate</t></si><si><t>Effective</t></si>\
                   <si><t>Increment</t></si><si><t>44 7911</t></si>";
    let found = deck_by(&book(rows, strings), &Mapping::default());
    assert_eq!(faults(&found), [""; 0]);
    let wanted = ["4 447911 2000000000 1/1 - ", "3 49151 12500000 60/60 260131- "];
    assert_eq!(told(&found), wanted);
}

#[test]
fn faults_name_line_column_and_what_stands_there() {
    let found = deck(
        "code;rate;effective\n\
         4.9151E+11;0.1;\n\
         49;abc;\n\
         43;0.1;03/05/2026\n\
         41;;\n\
         ;0.5;\n",
    );
    let wanted = [
        "line 2, column A (code): \"4.9151E+11\" was cut by a spreadsheet, its digits are lost: \
         format the column as text",
        "line 3, column B (rate): \"abc\" is no number",
        "line 4, column C (effective): \"03/05/2026\" may be two days: say whether days or months \
         come first",
        "line 5, column B (rate): is missing",
        "line 6, column A (code): is missing",
    ];
    assert_eq!(faults(&found), wanted);
    assert_eq!(found.lines, []);
}

#[test]
fn one_day_of_a_column_proves_the_order_of_all() {
    let found = deck("code;rate;from date\n49;0.1;03/05/2026\n43;0.1;13/05/2026\n");
    assert_eq!(told(&found)[1], "2 49 100000000 1/1 260503- ");
    let both = deck("code;rate;from date\n49;0.1;03/05/2026\n43;0.1;13/05/2026\n1;1;05/13/2026");
    assert_eq!(both.faults[0].problem, Problem::Date(BadDate::Ambiguous));
    let mapping = Mapping { dates: Some(DateOrder::Month), ..Mapping::default() };
    let told_order = deck_by(b"code;rate;from date\n49;0.1;03/05/2026", &mapping);
    assert_eq!(told(&told_order), ["2 49 100000000 1/1 260305- "]);
}

#[test]
fn one_price_of_a_column_proves_the_mark_of_all() {
    let found = deck("code;rate\n49;1,234\n43;0,5\n");
    assert_eq!(told(&found)[1], "2 49 1234000000 1/1 - ");
    let found = deck("code;rate\n49;1,234\n");
    assert_eq!(found.faults[0].problem, Problem::Number(BadNumber::Ambiguous));
    let mapping = Mapping { unit: Unit::Hundredth, ..Mapping::default() };
    assert_eq!(told(&deck_by(b"code;rate\n49;1.25", &mapping)), ["2 49 12500000 1/1 - "]);
}

#[test]
fn what_is_said_twice_is_dropped_and_what_contradicts_is_told() {
    let found = deck("name;code;rate\na;49;0.1\nb;49;0.10\nc;4-5;1\nd;5;2\n");
    assert_eq!(found.repeated, 1);
    assert_eq!(faults(&found), ["line 5: the code 5 stands in line 4 too, with other terms"]);
    let found = deck("code;rate;valid from\n49;0.1;2026-01-01\n49;0.2;2026-02-01\n");
    assert_eq!((found.lines.len(), found.faults_all), (2, 0));
}

#[test]
fn currencies_ends_and_increments_are_checked() {
    let found = deck(
        "code;rate;currency;valid from;valid to;interval 1;interval n\n\
         1;1;EUR;;;;\n2;1;USD;2026-02-01;2026-01-01;;\n3;1;;;;30;60\n4;1;;;;60;6\n5;1 EUR;;;;;\n",
    );
    let problems: Vec<_> =
        found.faults.iter().map(|fault| (fault.line, fault.column.as_str())).collect();
    assert_eq!(
        problems,
        [(2, "C (currency)"), (3, "E (valid to)"), (4, "F (interval 1)"), (6, "B (rate)"),]
    );
    assert_eq!(told(&found), ["5 4 1000000000 60/6 - "]);
}

#[test]
fn faults_are_told_up_to_a_bound_and_counted_beyond() {
    let rows = "49x;1\n".repeat(FAULTS_MAX + 5);
    let found = deck(&format!("code;rate\n{rows}"));
    assert_eq!((found.faults.len(), found.faults_all), (FAULTS_MAX, FAULTS_MAX + 5));
    assert_eq!(found.faults[0].problem, Problem::Code(BadCode::Characters));
}

#[test]
fn a_deck_of_a_hundred_thousand_rows_is_read_whole() {
    let mut text = String::from("destination,code,rate,effective date,increments\n");
    for row in 0..100_000 {
        text.push_str(&format!(
            "Somewhere {},{},0.0{row},2026-02-01,60/1\n",
            row / 50,
            1_000_000 + row
        ));
    }
    let found = deck(&text);
    assert_eq!((found.lines.len(), found.faults_all), (100_000, 0));
    assert_eq!(found.destinations.len(), 2_000);
}

#[test]
fn a_workbook_of_a_hundred_thousand_rows_is_read_whole() {
    let mut rows = String::from(
        "<row r=\"1\"><c t=\"s\"><v>0</v></c><c t=\"s\"><v>1</v></c><c t=\"s\"><v>2</v></c></row>",
    );
    for row in 0..100_000 {
        let (line, code) = (row + 2, 1_000_000 + row);
        rows.push_str(&format!(
            "<row r=\"{line}\"><c r=\"A{line}\"><v>{code}</v></c>\
             <c r=\"B{line}\"><v>1.{row}E-2</v></c><c r=\"C{line}\"><v>46053</v></c></row>"
        ));
    }
    let strings = "<si><t>Code</t></si><si><t>Rate</t></si><si><t>Effective</t></si>";
    let found = deck_by(&book(&rows, strings), &Mapping::default());
    assert_eq!((found.lines.len(), found.faults_all), (100_000, 0));
}

#[test]
fn prices_of_nothing_and_rounded_ones_are_counted() {
    let found = deck("code;rate\n49;0\n43;0.0000000014\n41;0.000\n");
    assert_eq!((found.free, found.rounded), (2, 1));
}

#[test]
fn a_mapping_tells_columns_by_their_places() {
    let mut mapping = Mapping { header: crate::Header::None, ..Mapping::default() };
    mapping.columns.insert(Field::Code, Column::Place(2));
    mapping.columns.insert(Field::Price, Column::Place(3));
    let found = deck_by(b"x;49;0.5\n", &mapping);
    assert_eq!(told(&found), ["1 49 500000000 1/1 - "]);
}

/// Spec PRICE-IMP-01: one price, or one for peak hours and one for all others.
#[test]
fn prices_of_peak_hours_stand_beside_those_of_all_others() {
    let found =
        deck("prefix;price;peak;off-peak\n49;0.1;;\n44;;0.3;0.2\n33;;x;\n34;1;2;\n39;;1;\n");
    assert_eq!(told(&found), ["3 44 200000000 peak 300000000 1/1 - ", "2 49 100000000 1/1 - "]);
    assert!(found.has_peaks);
    let places: Vec<_> = found.faults.iter().map(|f| (f.line, f.column.as_str())).collect();
    assert_eq!(places, [(4, "C (peak)"), (5, "C (peak)"), (6, "C (peak)")]);
    assert!(found.faults.iter().all(|fault| fault.problem == Problem::Prices));
    // Without a column of one price for all times.
    let found = deck("prefix;peak rate;off peak rate\n44;0,3;0,25\n53;;blocked\n");
    let lines = ["2 44 250000000 peak 300000000 1/1 - ", "3 53 blocked 1/1 - "];
    assert_eq!(told(&found), lines);
    let table = read(b"prefix;peak\n44;1\n", &Mapping::default()).unwrap();
    assert!(Mapping::default().columns_of(&table).is_err(), "half of it is none");
    assert!(!deck("prefix;price\n44;1\n").has_peaks);
}

#[test]
fn prices_with_tax_are_kept_without() {
    let mapping = Mapping { vat_ppm: 190_000, ..Mapping::default() };
    let found = deck_by(b"code;rate;connection fee\n44;1.19;0.119\n49;1;\n", &mapping);
    assert_eq!(told(&found), ["2 44 1000000000 1/1 - ", "3 49 840336134 1/1 - "]);
    assert_eq!((found.lines[0].fee, found.rounded), (Amount(10_000_000), 1));
    assert_eq!(without_tax(i64::MAX, u32::MAX).0, 2_146_983_764_887_990);
    assert_eq!((without_tax(7, 0), without_tax(0, 190_000)), ((7, false), (0, false)));
}
