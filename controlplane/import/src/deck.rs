//! Lines of a deck: one for each code and day from which it has a price.

use crate::cell::date::{self, Moment};
use crate::cell::decimal::{self, number};
use crate::cell::word::{Change, change, words};
use crate::cell::{code, interval};
use crate::limits::{CODES_MAX, FAULTS_MAX};
use crate::{Cell, Columns, DateOrder, DecimalMark, Fault, Field, Kind, Mapping, Problem, Row};
use crate::{Table, Unit};
use jiff::tz::TimeZone;
use strowger_model::{Amount, Currency, Digits, PPM, PRICE_DIGITS, Price};

/// What is not in the file.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Currency of the tariff.
    pub currency: Currency,
    /// Zone in which days begin.
    pub zone: TimeZone,
    /// Minimum and step where the file has none, seconds.
    pub increments: (u32, u32),
}

/// What a line says of its code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// It has a price per minute, and in peak hours another one.
    Priced(Price, Option<Price>),
    /// It is no more in the deck.
    Ended,
    /// It must not be called.
    Blocked,
}

/// One code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Line of the file, or row of the sheet.
    pub line: u32,
    /// Prefix of called numbers.
    pub code: Digits,
    /// What is said of it.
    pub said: Said,
    /// Price of a connection, at the ledger's scale.
    pub fee: Amount,
    /// Minimum, seconds.
    pub minimum_s: u32,
    /// Billing step, seconds.
    pub step_s: u32,
    /// From when, microseconds since 1970; `None` = at once.
    pub from_us: Option<i64>,
    /// Before when; `None` = until replaced.
    pub until_us: Option<i64>,
    /// Place of its destination's name in [`Deck::destinations`].
    pub destination: u32,
}

/// A file as read: lines in order of code and time.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Deck {
    /// Lines without fault.
    pub lines: Vec<Line>,
    /// Names of destinations, as they follow each other in the file.
    pub destinations: Vec<String>,
    /// Faults by line, [`FAULTS_MAX`] at most, one of each row.
    pub faults: Vec<Fault>,
    /// How many faults there are in all.
    pub faults_all: usize,
    /// Rows with neither code nor price: notes, names of sections.
    pub skipped: usize,
    /// Lines that say again what another one says.
    pub repeated: usize,
    /// Prices of nothing: some suppliers write 0 where they offer no service, and the cheapest
    /// route would lead there.
    pub free: usize,
    /// Prices of which digits beyond the ninth were rounded.
    pub rounded: usize,
    /// It has a column of prices in peak hours: those are its word, too.
    pub has_peaks: bool,
}

impl Deck {
    /// Reads the rows behind the head. A deck with faults is not to be put in force: what a wrong
    /// row stands for is not known.
    #[must_use]
    pub fn new(table: &Table, columns: &Columns, mapping: &Mapping, terms: &Terms) -> Deck {
        let mut reader = Reader {
            columns,
            terms,
            unit: mapping.unit,
            vat_ppm: mapping.vat_ppm,
            decimal: mapping.decimal.or_else(|| decimal_of(table, columns)),
            dates: mapping.dates.or_else(|| dates_of(table, columns)),
            is_1904: table.is_1904,
            deck: Deck { has_peaks: columns.place(Field::Peak).is_some(), ..Deck::default() },
        };
        for row in table.rows().filter(|row| row.line > columns.header_line) {
            if let Err(fault) = reader.row(&row) {
                reader.deck.fault(*fault);
            }
            if reader.deck.lines.len() > CODES_MAX {
                reader.deck.lines.truncate(CODES_MAX);
                let fault = Fault::new(row.line, String::new(), "", Problem::TooMany);
                reader.deck.fault(fault);
                break;
            }
        }
        reader.deck.in_order()
    }

    /// Name of a line's destination.
    #[must_use]
    pub fn destination(&self, line: &Line) -> &str {
        let place = usize::try_from(line.destination).ok();
        place.and_then(|place| self.destinations.get(place)).map_or("", String::as_str)
    }

    fn fault(&mut self, fault: Fault) {
        self.faults_all = self.faults_all.saturating_add(1);
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Sorted by code, time and line; what is said twice is dropped, and told where it is not the
    /// same.
    fn in_order(mut self) -> Deck {
        let key = |line: &Line| (line.code, line.from_us, line.line);
        self.lines.sort_by(|a, b| {
            let by_text = |line: &Line| key(line).0;
            by_text(a)
                .as_str()
                .cmp(by_text(b).as_str())
                .then_with(|| (a.from_us, a.line).cmp(&(b.from_us, b.line)))
        });
        let mut lines: Vec<Line> = Vec::with_capacity(self.lines.len());
        for line in std::mem::take(&mut self.lines) {
            let same = |other: &&Line| (other.code, other.from_us) == (line.code, line.from_us);
            match lines.last().filter(same) {
                None => lines.push(line),
                Some(other) => {
                    let again = Line { line: other.line, destination: other.destination, ..line };
                    if again == *other {
                        self.repeated = self.repeated.saturating_add(1);
                    } else {
                        let problem = Problem::Conflict { code: line.code, other: other.line };
                        self.fault(Fault::new(line.line, String::new(), "", problem));
                    }
                }
            }
        }
        self.lines = lines;
        self.faults.sort_by_key(|fault| fault.line);
        self
    }
}

/// The cells of a column behind the head.
fn texts(table: &Table, columns: &Columns, field: Field) -> impl Iterator<Item = String> {
    let place = columns.place(field);
    let rows = table.rows().filter(|row| row.line > columns.header_line);
    let cells = rows.filter_map(move |row| place.map(|place| row.cell(place)));
    cells.filter(|cell| cell.kind == Kind::Text).map(|cell| cell.text.to_owned())
}

/// The mark before fractions that the column of prices proves; `None` where it proves none or both.
fn decimal_of(table: &Table, columns: &Columns) -> Option<DecimalMark> {
    let found = |wanted| {
        let prices = [Field::Price, Field::Peak, Field::OffPeak];
        let mut texts = prices.into_iter().flat_map(|field| texts(table, columns, field));
        texts.any(|text| decimal::evidence(&text) == Some(wanted))
    };
    match (found(DecimalMark::Point), found(DecimalMark::Comma)) {
        (true, false) => Some(DecimalMark::Point),
        (false, true) => Some(DecimalMark::Comma),
        (false, false) | (true, true) => None,
    }
}

/// The order of dates that their columns prove; `None` where they prove none or both.
fn dates_of(table: &Table, columns: &Columns) -> Option<DateOrder> {
    let found = |wanted| {
        let effective = texts(table, columns, Field::Effective);
        let mut both = effective.chain(texts(table, columns, Field::Expiry));
        both.any(|text| !text.contains('.') && date::evidence(&text) == Some(wanted))
    };
    match (found(DateOrder::Day), found(DateOrder::Month)) {
        (true, false) => Some(DateOrder::Day),
        (false, true) => Some(DateOrder::Month),
        (false, false) | (true, true) => None,
    }
}

struct Reader<'a> {
    columns: &'a Columns,
    terms: &'a Terms,
    unit: Unit,
    vat_ppm: u32,
    decimal: Option<DecimalMark>,
    dates: Option<DateOrder>,
    is_1904: bool,
    deck: Deck,
}

type Checked<T> = Result<T, Box<Fault>>;

impl Reader<'_> {
    fn cell<'r>(&self, row: &Row<'r>, field: Field) -> Cell<'r> {
        self.columns.place(field).map_or_else(Cell::default, |place| row.cell(place))
    }

    fn wrong(&self, row: &Row<'_>, field: Field, problem: Problem) -> Box<Fault> {
        let column = self.columns.place(field).map(|place| self.columns.name(place));
        let said = self.cell(row, field).text;
        Box::new(Fault::new(row.line, column.unwrap_or_default(), said, problem))
    }

    fn row(&mut self, row: &Row<'_>) -> Checked<()> {
        let is_empty = |field| self.cell(row, field).text.is_empty();
        let has_code =
            ![Field::Code, Field::CountryCode, Field::AreaCode].into_iter().all(is_empty);
        let has_price = ![Field::Price, Field::Peak, Field::OffPeak].into_iter().all(is_empty);
        if !has_code && !has_price {
            self.deck.skipped = self.deck.skipped.saturating_add(1);
            return Ok(());
        }
        let (codes, said) = (self.codes(row)?, self.said(row)?);
        self.currency(row)?;
        let fee = self.fee(row)?;
        let (minimum_s, step_s) = self.increments(row)?;
        let from_us = self.begins_us(row)?;
        let until_us = self.ends_us(row)?;
        if until_us.is_some() && until_us <= from_us {
            return Err(self.wrong(row, Field::Expiry, Problem::Order));
        }
        let destination = self.destination(row);
        let line = row.line;
        self.deck.lines.extend(codes.into_iter().map(|code| Line {
            line,
            code,
            said,
            fee,
            minimum_s,
            step_s,
            from_us,
            until_us,
            destination,
        }));
        Ok(())
    }

    fn codes(&self, row: &Row<'_>) -> Checked<Vec<Digits>> {
        let whole = self.cell(row, Field::Code);
        let country = self.cell(row, Field::CountryCode);
        // Beside a column of whole codes the country's is but a remark.
        let area_only = self.columns.place(Field::Code).is_none();
        let (field, cell) = if area_only {
            (Field::AreaCode, self.cell(row, Field::AreaCode))
        } else {
            (Field::Code, whole)
        };
        let country = match area_only {
            false => None,
            true => Some(
                code::code(country)
                    .map_err(|bad| self.wrong(row, Field::CountryCode, Problem::Code(bad)))?,
            ),
        };
        code::codes(country, cell).map_err(|bad| self.wrong(row, field, Problem::Code(bad)))
    }

    /// The price, or why there is none. A column of changes says so, or the price's own cell.
    fn said(&mut self, row: &Row<'_>) -> Checked<Said> {
        let told = self.cell(row, Field::Change).text;
        match change(told) {
            Some(Change::Ended) => return Ok(Said::Ended),
            Some(Change::Blocked) => return Ok(Said::Blocked),
            Some(Change::Priced) => {}
            None => return Err(self.wrong(row, Field::Change, Problem::Change)),
        }
        for field in [Field::Price, Field::OffPeak, Field::Peak] {
            match change(self.cell(row, field).text) {
                Some(Change::Ended) => return Ok(Said::Ended),
                Some(Change::Blocked) => return Ok(Said::Blocked),
                Some(Change::Priced) | None => {}
            }
        }
        let peak = self.peak_field(row)?;
        let field = if peak.is_some() { Field::OffPeak } else { Field::Price };
        if self.cell(row, field).text.is_empty() {
            return Err(self.wrong(row, field, Problem::NoPrice));
        }
        let price = self.price(row, field)?;
        let peak = peak.map(|field| self.price(row, field)).transpose()?;
        Ok(Said::Priced(price, peak))
    }

    /// The column of the row's price in peak hours; `None` = it has one price for all times.
    fn peak_field(&self, row: &Row<'_>) -> Checked<Option<Field>> {
        let says = |field| !self.cell(row, field).text.is_empty();
        match (says(Field::Price), says(Field::Peak), says(Field::OffPeak)) {
            (_, false, false) => Ok(None),
            (false, true, true) => Ok(Some(Field::Peak)),
            (true, true, _) | (false, true, false) => {
                Err(self.wrong(row, Field::Peak, Problem::Prices))
            }
            (true, false, true) | (false, false, true) => {
                Err(self.wrong(row, Field::OffPeak, Problem::Prices))
            }
        }
    }

    fn price(&mut self, row: &Row<'_>, field: Field) -> Checked<Price> {
        let units = self.units(row, field, PRICE_DIGITS)?;
        self.deck.free = self.deck.free.saturating_add(usize::from(units == 0));
        Ok(Price(units))
    }

    fn units(&mut self, row: &Row<'_>, field: Field, digits: u8) -> Checked<i64> {
        let cell = self.cell(row, field);
        let places = match self.unit {
            Unit::Whole => 0,
            Unit::Hundredth => 2,
        };
        let number = number(cell, self.decimal, self.terms.currency.code());
        let units = number.and_then(|number| number.divided(places).units(digits));
        let (units, rounded) = units.map_err(|bad| self.wrong(row, field, Problem::Number(bad)))?;
        let (units, was_cut) = without_tax(units, self.vat_ppm);
        let rounded = rounded || was_cut;
        self.deck.rounded = self.deck.rounded.saturating_add(usize::from(rounded));
        Ok(units)
    }

    fn fee(&mut self, row: &Row<'_>) -> Checked<Amount> {
        match self.cell(row, Field::Fee).text {
            "" | "-" => Ok(Amount(0)),
            _ => {
                let digits = self.terms.currency.ledger_digits();
                self.units(row, Field::Fee, digits).map(Amount)
            }
        }
    }

    fn currency(&self, row: &Row<'_>) -> Checked<()> {
        let told = self.cell(row, Field::Currency).text;
        if told.is_empty() || told.eq_ignore_ascii_case(self.terms.currency.code()) {
            return Ok(());
        }
        Err(self.wrong(row, Field::Currency, Problem::Currency))
    }

    fn increments(&self, row: &Row<'_>) -> Checked<(u32, u32)> {
        let wrong = |field| move |bad| self.wrong(row, field, Problem::Interval(bad));
        let both = self.cell(row, Field::Increments);
        if !both.text.is_empty() {
            return interval::increments(both).map_err(wrong(Field::Increments));
        }
        let one = |field| match self.cell(row, field) {
            Cell { text: "", .. } => Ok(None),
            cell => interval::seconds_of(cell).map(Some).map_err(wrong(field)),
        };
        match (one(Field::Minimum)?, one(Field::Step)?) {
            (None, None) => Ok(self.terms.increments),
            (Some(both), None) => Ok((both, both)),
            (None, Some(step)) => Ok((step, step)),
            (Some(minimum), Some(step)) => {
                interval::pair(minimum, step).map_err(wrong(Field::Minimum))
            }
        }
    }

    fn begins_us(&self, row: &Row<'_>) -> Checked<Option<i64>> {
        let moment = self.moment(row, Field::Effective)?;
        let us = moment.map(|moment| moment.begin_us(&self.terms.zone)).transpose();
        us.map_err(|bad| self.wrong(row, Field::Effective, Problem::Date(bad)))
    }

    fn ends_us(&self, row: &Row<'_>) -> Checked<Option<i64>> {
        let moment = self.moment(row, Field::Expiry)?;
        let us = moment.map(|moment| moment.end_us(&self.terms.zone)).transpose();
        us.map_err(|bad| self.wrong(row, Field::Expiry, Problem::Date(bad)))
    }

    fn moment(&self, row: &Row<'_>, field: Field) -> Checked<Option<Moment>> {
        let cell = self.cell(row, field);
        if is_open(cell.text) {
            return Ok(None);
        }
        let moment = date::moment(cell, self.dates, self.is_1904);
        moment.map(Some).map_err(|bad| self.wrong(row, field, Problem::Date(bad)))
    }

    /// Rows of one destination follow each other: a name that is that of the row before is not
    /// kept again.
    fn destination(&mut self, row: &Row<'_>) -> u32 {
        let name = self.cell(row, Field::Destination).text;
        if self.deck.destinations.last().is_none_or(|last| last != name) {
            self.deck.destinations.push(name.to_owned());
        }
        u32::try_from(self.deck.destinations.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }
}

/// A price without the tax that it contains, half up, and whether it was rounded.
fn without_tax(units: i64, vat_ppm: u32) -> (i64, bool) {
    let gross = PPM + i128::from(vat_ppm);
    let net = i128::from(units) * PPM;
    let (whole, rest) = (net.div_euclid(gross), net.rem_euclid(gross));
    let whole = whole + i128::from(rest * 2 >= gross);
    // No more than it was.
    (i64::try_from(whole).unwrap_or(units), rest != 0)
}

/// Nothing, or a word for "at once" or "without end".
fn is_open(text: &str) -> bool {
    const WORDS: [&str; 14] = [
        "",
        "now",
        "immediately",
        "immediate",
        "asap",
        "sofort",
        "immediat",
        "inmediato",
        "subito",
        "imediato",
        "open",
        "open end",
        "until further notice",
        "unlimited",
    ];
    WORDS.contains(&words(text).as_str())
}

#[cfg(test)]
mod tests;
