//! Suppliers' price lists ("decks") as they come: read, mapped, checked.
//!
//! Pure: bytes in, lines and faults out. It knows no file, no clock, no database and no price list
//! of ours; the time zone is handed in. It never guesses where two readings are possible: a date
//! that may be May or March, a comma that may group thousands and a code of which a spreadsheet has
//! cut digits are faults, told by line, column and what stands there. No input makes it panic or
//! grow beyond [`limits`].
//!
//! How to drive it:
//! 1. [`sheets`] of the bytes: what the file is, and the sheets of a workbook.
//! 2. [`read`] with the supplier's [`Mapping`] (the default one finds everything by itself): a
//!    [`Table`] of CSV text in any usual encoding, or of an XLSX sheet.
//! 3. [`Mapping::columns_of`]: which column is what, by the mapping or by its name in several
//!    languages. What it found can be stored as the supplier's mapping ([`Columns::remembered`]).
//! 4. [`Deck::new`]: one [`Line`] for each code, and the [`Fault`]s.
//! 5. [`compare`] with the prices in force: what is new, dearer, cheaper, ended, and the rows of a
//!    revision that makes it so; [`Comparison::against`] sale prices for what it does to margins.
//!
//! Beside it: [`sold`], every prefix with what it is sold and bought at, before and after;
//! [`rivals`], what each supplier asks for what a price list of reference sells.
//!
//! Sources: RFC 4180 (CSV), ISO 29500 (SpreadsheetML), E.164 (length of codes), RFC 3339 (times).
//!
//! Start reading at [`Deck::new`].

mod book;
mod cell;
mod compare;
mod csv;
mod deck;
mod fault;
mod field;
pub mod limits;
mod mapping;
mod margin;
mod supplier;
mod table;
mod text;
mod xlsx;

pub use book::{BadBook, ReadError, read, sheets};
pub use cell::code::BadCode;
pub use cell::date::{BadDate, DateOrder};
pub use cell::decimal::{BadNumber, DecimalMark};
pub use cell::interval::BadInterval;
pub use compare::{Comparison, Margin, Mode, Move, NewRow, Standing, Step, compare};
pub use deck::{Deck, Line, Said, Terms};
pub use fault::{Fault, Problem};
pub use field::Field;
pub use mapping::{BadMapping, Column, Columns, Header, Mapping, Unit};
pub use margin::{Sold, sold};
pub use supplier::{Offer, Rival, Supplier, rivals, rivals_csv};
pub use table::{Cell, Kind, Row, Table, letters};
