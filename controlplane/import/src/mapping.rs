//! How a supplier's columns are read, and what can be told of it beforehand.

use crate::cell::word::words;
use crate::limits::{COLUMNS_MAX, HEADER_ROWS_MAX};
use crate::{DateOrder, DecimalMark, Field, Table, letters};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A column, as a mapping names it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// From 1.
    Place(u32),
    /// By its name in the head, whatever its case, marks and white space.
    Name(String),
}

/// Where the head is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// In the first row that names most columns of a deck.
    #[default]
    Find,
    /// In this line.
    Line(u32),
    /// Nowhere: all columns are told by their places.
    None,
}

/// What a price is of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Of the currency.
    #[default]
    Whole,
    /// Of its hundredths: cents.
    Hundredth,
}

/// How the files of one supplier are read. The default finds everything by itself; what is told
/// here stands above what is found.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Sheet of a workbook.
    pub sheet: Option<String>,
    /// What stands between the cells of a file of text.
    pub delimiter: Option<char>,
    /// Where the head is.
    pub header: Header,
    /// Columns.
    pub columns: BTreeMap<Field, Column>,
    /// Columns that are not to be read, whatever they are called.
    pub without: Vec<Field>,
    /// What stands first in dates of numbers.
    pub dates: Option<DateOrder>,
    /// What stands before fractions.
    pub decimal: Option<DecimalMark>,
    /// What prices are of.
    pub unit: Unit,
    /// Value added tax that prices and fees contain, millionths: it is taken off, for prices are
    /// kept without (spec C-BIL-02).
    pub vat_ppm: u32,
}

/// Why columns cannot be told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadMapping {
    /// No row of the beginning names a code and a price.
    #[error(
        "none of the first {HEADER_ROWS_MAX} rows names a column of codes and one of prices: \
         say which they are"
    )]
    NoHeader,
    /// There is no such line.
    #[error("there is nothing in line {0}, where the names of the columns should be")]
    NoLine(u32),
    /// A name that is not in the head.
    #[error("no column is called {0:?}")]
    NoColumn(String),
    /// Two columns of the name.
    #[error("two columns are called {0:?}: say which by its place")]
    TwoColumns(String),
    /// Two columns that may be the same, and nothing that says which is meant.
    #[error("columns {0} and {1} may both be it: say which is the {field}", field = .2.label())]
    Either(String, String, Field),
    /// Places are from 1 on.
    #[error("there is no column {0}")]
    Place(u32),
    /// A needed column is not there.
    #[error("there is no column of {0}")]
    Missing(&'static str),
}

/// Which column is what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Columns {
    /// Line of the head; 0 = there is none.
    pub header_line: u32,
    places: BTreeMap<Field, usize>,
    names: Vec<String>,
}

impl Columns {
    /// The place of a field's column, from 0.
    #[must_use]
    pub fn place(&self, field: Field) -> Option<usize> {
        self.places.get(&field).copied()
    }

    /// Name of a column in the head, or its letters.
    #[must_use]
    pub fn name(&self, place: usize) -> String {
        match self.names.get(place) {
            Some(name) if !name.is_empty() => format!("{} ({name})", letters(place)),
            Some(_) | None => letters(place),
        }
    }

    /// Fields that are read, and their columns.
    pub fn read(&self) -> impl Iterator<Item = (Field, String)> {
        self.places.iter().map(|(field, place)| (*field, self.name(*place)))
    }

    /// Names in the head that are not read, with their places from 0.
    pub fn unread(&self) -> impl Iterator<Item = (usize, &str)> {
        let read = |place: &usize| self.places.values().any(|other| other == place);
        let names = self.names.iter().enumerate();
        names
            .filter(move |(place, name)| !name.is_empty() && !read(place))
            .map(|(place, name)| (place, name.as_str()))
    }

    /// A mapping that finds the same columns in the supplier's next file by their names; of a file
    /// without a head by their places.
    #[must_use]
    pub fn remembered(&self, mapping: &Mapping) -> Mapping {
        let mut mapping = mapping.clone();
        for (field, place) in &self.places {
            let name = self.names.get(*place).filter(|name| !name.is_empty());
            let once = |name: &&String| {
                let same = |other: &&String| words(other) == words(name);
                self.names.iter().filter(same).count() == 1
            };
            let column = match name.filter(once) {
                Some(name) => Column::Name(name.clone()),
                None => Column::Place(u32::try_from(*place).unwrap_or(0).saturating_add(1)),
            };
            mapping.columns.insert(*field, column);
        }
        mapping
    }

    fn check(self) -> Result<Columns, BadMapping> {
        let has = |field| self.places.contains_key(&field);
        if !has(Field::Code) && !has(Field::CountryCode) {
            return Err(BadMapping::Missing("codes"));
        }
        if !(has(Field::Price) || has(Field::Peak) && has(Field::OffPeak)) {
            return Err(BadMapping::Missing("prices"));
        }
        Ok(self)
    }
}

impl Mapping {
    /// Which column of a table is what.
    ///
    /// # Errors
    /// [`BadMapping`]: a column that is told is not there, or the needed ones cannot be found.
    pub fn columns_of(&self, table: &Table) -> Result<Columns, BadMapping> {
        let (header_line, names) = match self.header {
            Header::None => (0, Vec::new()),
            Header::Line(line) => {
                let row = table.rows().find(|row| row.line == line);
                (line, heads(&row.ok_or(BadMapping::NoLine(line))?))
            }
            Header::Find => self.find(table)?,
        };
        let mut columns = Columns { header_line, places: BTreeMap::new(), names };
        for (field, column) in &self.columns {
            columns.places.insert(*field, place(column, &columns.names)?);
        }
        for (place, name) in columns.names.iter().enumerate() {
            let Some(field) = Field::of(name) else { continue };
            let is_taken = columns.places.values().any(|other| *other == place);
            if is_taken || self.without.contains(&field) || self.columns.contains_key(&field) {
                continue;
            }
            let first = *columns.places.entry(field).or_insert(place);
            // A wrong name does no harm, a wrong price does.
            if first != place && field != Field::Destination {
                let [first, second] = [first, place].map(|place| columns.name(place));
                return Err(BadMapping::Either(first, second, field));
            }
        }
        columns.check()
    }

    /// The row of the beginning that names most columns, the needed ones among them.
    fn find(&self, table: &Table) -> Result<(u32, Vec<String>), BadMapping> {
        let mut best: Option<(usize, u32, Vec<String>)> = None;
        for row in table.rows().take(HEADER_ROWS_MAX) {
            let names = heads(&row);
            let told = |column: &&Column| place(column, &names).is_ok();
            let is_told = |field| self.columns.get(&field).as_ref().is_some_and(told);
            let is_found = |field| names.iter().any(|name| Field::of(name) == Some(field));
            let has = |field| is_told(field) || is_found(field);
            let has_code = has(Field::Code) || has(Field::CountryCode);
            let has_price = has(Field::Price) || has(Field::Peak) && has(Field::OffPeak);
            let names_one = Field::ALL.into_iter().any(is_found)
                || self.columns.values().any(|column| matches!(column, Column::Name(_)));
            if !has_code || !has_price || !names_one {
                continue;
            }
            let fit = Field::ALL.into_iter().filter(|field| has(*field)).count();
            if best.as_ref().is_none_or(|(other, ..)| fit > *other) {
                best = Some((fit, row.line, names));
            }
        }
        best.map(|(_, line, names)| (line, names)).ok_or(BadMapping::NoHeader)
    }
}

fn heads(row: &crate::Row<'_>) -> Vec<String> {
    let short = |text: &str| text.chars().take(crate::limits::SAID_LEN_MAX).collect::<String>();
    row.cells().map(|cell| short(cell.text)).collect()
}

fn place(column: &Column, names: &[String]) -> Result<usize, BadMapping> {
    match column {
        Column::Place(place) => {
            let from_0 = usize::try_from(*place).ok().and_then(|place| place.checked_sub(1));
            let from_0 = from_0.filter(|place| *place < COLUMNS_MAX);
            from_0.ok_or(BadMapping::Place(*place))
        }
        Column::Name(name) => {
            let wanted = words(name);
            let mut found = names.iter().enumerate().filter(|(_, name)| words(name) == wanted);
            match (found.next(), found.next()) {
                (None, _) => Err(BadMapping::NoColumn(name.clone())),
                (Some((place, _)), None) => Ok(place),
                (Some(_), Some(_)) => Err(BadMapping::TwoColumns(name.clone())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str, mapping: &Mapping) -> Result<Columns, BadMapping> {
        mapping.columns_of(&crate::read(text.as_bytes(), mapping).unwrap())
    }

    const FILE: &str = "Price list of Example;;;\nvalid for you;;;\n\nLand;Vorwahl;Preis;Alt\n\
                        Germany;49;0,01;0,02\n";

    #[test]
    fn the_head_is_found_below_a_letterhead() {
        let found = columns(FILE, &Mapping::default()).unwrap();
        assert_eq!(found.header_line, 4);
        assert_eq!(found.place(Field::Code), Some(1));
        assert_eq!(found.place(Field::Price), Some(2));
        assert_eq!(found.unread().collect::<Vec<_>>(), [(3, "Alt")]);
        assert_eq!(found.name(1), "B (Vorwahl)");
    }

    #[test]
    fn what_is_told_stands_above_what_is_found_and_is_remembered() {
        let mut mapping = Mapping::default();
        mapping.columns.insert(Field::Price, Column::Name("ALT ".to_owned()));
        mapping.without.push(Field::Destination);
        let found = columns(FILE, &mapping).unwrap();
        assert_eq!(found.place(Field::Price), Some(3));
        assert_eq!(found.place(Field::Destination), None);
        let remembered = found.remembered(&mapping);
        let json = serde_json::to_string(&remembered).unwrap();
        let again: Mapping = serde_json::from_str(&json).unwrap();
        assert_eq!(again, remembered);
        let moved = "Alt;Preis;Vorwahl\n1;2;49";
        let found = columns(moved, &again).unwrap();
        assert_eq!(found.place(Field::Price), Some(0));
        assert_eq!(found.place(Field::Code), Some(2));
    }

    #[test]
    fn a_file_without_a_head_is_told_by_places() {
        let mut mapping = Mapping { header: Header::None, ..Mapping::default() };
        assert_eq!(columns("49;1", &mapping), Err(BadMapping::Missing("codes")));
        mapping.columns.insert(Field::Code, Column::Place(1));
        mapping.columns.insert(Field::Price, Column::Place(2));
        let found = columns("49;1", &mapping).unwrap();
        assert_eq!((found.header_line, found.place(Field::Price)), (0, Some(1)));
        mapping.columns.insert(Field::Price, Column::Place(0));
        assert_eq!(columns("49;1", &mapping), Err(BadMapping::Place(0)));
    }

    #[test]
    fn of_two_columns_of_prices_one_has_to_be_told() {
        let file = "Country;Destination;Code;Rate;New rate\na;b;49;1;2";
        let error = columns(file, &Mapping::default()).unwrap_err();
        let wanted = "columns D (Rate) and E (New rate) may both be it: say which is the price";
        assert_eq!(error.to_string(), wanted);
        let mut mapping = Mapping::default();
        mapping.columns.insert(Field::Price, Column::Name("new rate".to_owned()));
        assert_eq!(columns(file, &mapping).unwrap().place(Field::Price), Some(4));
    }

    #[test]
    fn columns_that_are_not_there_are_named() {
        let mut mapping = Mapping { header: Header::Line(1), ..Mapping::default() };
        let file = "code;rate;rate\n49;1;2";
        mapping.columns.insert(Field::Price, Column::Name("cost".to_owned()));
        assert_eq!(columns(file, &mapping), Err(BadMapping::NoColumn("cost".to_owned())));
        mapping.columns.insert(Field::Price, Column::Name("Rate".to_owned()));
        assert_eq!(columns(file, &mapping), Err(BadMapping::TwoColumns("Rate".to_owned())));
        mapping.header = Header::Line(9);
        assert_eq!(columns(file, &mapping), Err(BadMapping::NoLine(9)));
        assert_eq!(columns("a;b\n1;2", &Mapping::default()), Err(BadMapping::NoHeader));
    }
}
