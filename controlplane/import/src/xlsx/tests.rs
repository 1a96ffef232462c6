//! Workbooks made here, byte by byte.

use super::*;
use crate::{Cell, Row};

/// An archive of parts; `is_packed` deflates them.
pub(crate) fn archive(parts: &[(&str, &[u8])], is_packed: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, plain) in parts {
        let packed = match is_packed {
            true => miniz_oxide::deflate::compress_to_vec(plain, 6),
            false => plain.to_vec(),
        };
        let at = u32::try_from(bytes.len()).unwrap();
        let method: u16 = if is_packed { 8 } else { 0 };
        let name_len = u16::try_from(name.len()).unwrap();
        let mut head = Vec::new();
        head.extend([20, 0, 0, 0]);
        head.extend(method.to_le_bytes());
        head.extend([0; 4]);
        head.extend(zip::crc32(plain).to_le_bytes());
        head.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        head.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
        head.extend(name_len.to_le_bytes());
        head.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&head);
        bytes.extend(name.as_bytes());
        bytes.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, len) = (bytes.len(), directory.len());
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend(u32::try_from(len).unwrap().to_le_bytes());
    bytes.extend(u32::try_from(at).unwrap().to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

const BOOK: &str = r#"<workbook xmlns:r="x"><workbookPr date1904="0"/><sheets>
<sheet name="Notes" sheetId="1" r:id="rId1"/>
<sheet name="Rates &amp; dates" sheetId="2" r:id="rId2"/>
</sheets></workbook>"#;
const LINKS: &str = r#"<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/>
<Relationship Target="/xl/worksheets/sheet2.xml" Id="rId2"/></Relationships>"#;

/// A workbook of two sheets, the second with the rows that are given.
pub(crate) fn book(rows: &str, strings: &str) -> Vec<u8> {
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let strings = format!("<sst>{strings}</sst>");
    let parts: [(&str, &[u8]); 5] = [
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", LINKS.as_bytes()),
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData/></worksheet>"),
        ("xl/worksheets/sheet2.xml", sheet.as_bytes()),
        ("xl/sharedStrings.xml", strings.as_bytes()),
    ];
    archive(&parts, true)
}

fn cells(row: Row<'_>) -> Vec<(String, Kind)> {
    row.cells().map(|Cell { text, kind }| (text.to_owned(), kind)).collect()
}

#[test]
fn strings_numbers_gaps_and_formulas() {
    let rows = r#"<row r="3"><c r="A3" t="s"><v>1</v></c><c r="C3"><v>1.25E-2</v></c></row>
        <row r="4"><c r="A4"/></row>
        <row r="7"><c t="inlineStr"><is><t>in</t><rPh><t>no</t></rPh><t>line</t></is></c>
        <c t="str"><f>A1</f><v>of &lt;</v></c><c t="e"><v>#N/A</v></c></row>"#;
    let strings = "<si><t>zero</t></si><si><r><t>o</t></r><r><t>ne</t></r></si>";
    let bytes = book(rows, strings);
    let book = Book::new(&bytes).unwrap();
    assert_eq!(book.sheets().collect::<Vec<_>>(), ["Notes", "Rates & dates"]);
    let table = book.table("Rates & dates").unwrap().unwrap();
    let rows: Vec<_> = table.rows().collect();
    let text = |text: &str| (text.to_owned(), Kind::Text);
    assert_eq!(rows[0].line, 3);
    assert_eq!(cells(rows[0]), [text("one"), text(""), ("1.25E-2".to_owned(), Kind::Number)]);
    assert_eq!(rows[1].line, 7);
    assert_eq!(cells(rows[1]), [text("inline"), text("of <"), text("#N/A")]);
    assert!(book.table("Notes").unwrap().unwrap().is_empty());
    assert!(book.table("Other").unwrap().is_none());
}

#[test]
fn a_part_that_grows_beyond_the_bound_is_refused() {
    let bomb = vec![b' '; PART_LEN_MAX + 1];
    let bytes = archive(&[("xl/_rels/workbook.xml.rels", &bomb)], true);
    assert!(bytes.len() < 1 << 20);
    assert_eq!(Book::new(&bytes).err(), Some(ReadError::TooLarge));
}

#[test]
fn broken_books_are_refused_and_never_half_read() {
    let rows = r#"<row r="1"><c r="A1" t="s"><v>0</v></c></row>"#;
    let whole = book(rows, "<si><t>x</t></si>");
    assert!(Book::new(&whole).unwrap().table("Rates & dates").is_ok());
    let broken = Some(ReadError::Book(BadBook::Broken));
    assert_eq!(Book::new(&whole[..whole.len() - 30]).err(), broken);
    for rows in [
        r#"<row r="1"><c t="s"><v>7</v></c></row>"#,
        r#"<row r="2"></row><row r="2"></row>"#,
        r#"<row r="1"><c r="B1"/><c r="A1"/></row>"#,
        r#"<row r="1"><c r="A1">"#,
        r#"<row r="1"><c r="XFD1"/></row>"#,
    ] {
        let bytes = book(rows, "");
        assert!(Book::new(&bytes).unwrap().table("Rates & dates").is_err(), "{rows}");
    }
    let one = archive(&[("a", b"b")], false);
    assert_eq!(Book::new(&one).err(), Some(ReadError::Book(BadBook::NoBook)));
}

#[test]
fn a_flipped_bit_is_found_by_the_checksum() {
    let parts: [(&str, &[u8]); 1] = [("xl/_rels/workbook.xml.rels", b"<a/>")];
    let mut bytes = archive(&parts, false);
    let at = bytes.windows(4).position(|window| window == b"<a/>").unwrap();
    bytes[at + 1] ^= 1;
    assert_eq!(Book::new(&bytes).err(), Some(ReadError::Book(BadBook::Broken)));
}
