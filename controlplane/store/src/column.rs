//! Reading columns: every value is checked, and an unfit one is named with table, row and column.

use crate::StoreError;
use sqlx::any::AnyRow;
use sqlx::{Decode, Row, Type};
use std::borrow::Cow;
use strowger_model::{Currency, Digits};

/// One row being read: what only the store looks into.
pub struct Columns<'r> {
    pub(crate) table: &'static str,
    pub(crate) row: &'r AnyRow,
}

impl<'r> Columns<'r> {
    pub(crate) fn new(table: &'static str, row: &'r AnyRow) -> Self {
        Columns { table, row }
    }

    /// The error for a column that holds something else.
    pub(crate) fn unfit(&self, column: &'static str, wanted: &'static str) -> StoreError {
        let id = self.row.try_get::<i64, _>("id").unwrap_or(0);
        StoreError::Row { table: self.table, id, column, wanted }
    }

    fn get<T>(&self, column: &'static str, wanted: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, sqlx::Any> + Type<sqlx::Any>,
    {
        self.row.try_get(column).map_err(|_| self.unfit(column, wanted))
    }

    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.get(column, "integer")
    }

    pub(crate) fn int_or_null(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.get(column, "integer")
    }

    pub(crate) fn small<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.int(column)?).map_err(|_| self.unfit(column, "integer of its range"))
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.get(column, "text")
    }

    pub(crate) fn text_or_null(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.get(column, "text")
    }

    pub(crate) fn digits(&self, column: &'static str) -> Result<Digits, StoreError> {
        Digits::parse(&self.text(column)?).map_err(|_| self.unfit(column, "number"))
    }

    pub(crate) fn currency(&self) -> Result<Currency, StoreError> {
        Currency::new(&self.text("currency")?, self.small("minor_digits")?)
            .ok_or_else(|| self.unfit("currency", "currency"))
    }

    pub(crate) fn parsed<T: core::str::FromStr>(
        &self,
        column: &'static str,
        wanted: &'static str,
    ) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| self.unfit(column, wanted))
    }

    pub(crate) fn parsed_or_null<T: core::str::FromStr>(
        &self,
        column: &'static str,
        wanted: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let Some(text) = self.text_or_null(column)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.unfit(column, wanted))
    }

    pub(crate) fn small_or_null<T: TryFrom<i64>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let Some(value) = self.int_or_null(column)? else { return Ok(None) };
        T::try_from(value).map(Some).map_err(|_| self.unfit(column, "integer of its range"))
    }

    pub(crate) fn digits_or_null(
        &self,
        column: &'static str,
    ) -> Result<Option<Digits>, StoreError> {
        let Some(text) = self.text_or_null(column)? else { return Ok(None) };
        Digits::parse(&text).map(Some).map_err(|_| self.unfit(column, "number"))
    }

    /// A short text that stands for one value of an enumeration.
    pub(crate) fn word<T: Copy>(
        &self,
        column: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| self.unfit(column, "known word"))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.unfit(column, "known JSON"))
    }
}

/// The word of a value; every value of our enumerations has one.
pub(crate) fn word_of<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, v)| *v == value).map_or("", |(word, _)| word)
}

/// A text from outside as both databases keep it: PostgreSQL refuses NUL, and one record that is
/// refused would hold up all behind it.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
