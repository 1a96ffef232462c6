//! SQLite: many rows to a statement.

use super::Sink;
use crate::column::clean;
use crate::{StoreError, Tried};
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Sqlite, Transaction};

/// Rows of the largest statement.
const ROWS_MAX: usize = 128;
/// Rows of a statement: few sizes, so that each is prepared once and used again.
const SIZES: [usize; 4] = [ROWS_MAX, 32, 8, 1];
/// The most columns of a table here. SQLite binds 32,766 values.
const COLUMNS_MAX: usize = 128;

const _: () = assert!(ROWS_MAX * COLUMNS_MAX <= 32_766);

/// How many of the rows that are left go into the next statement.
pub(super) fn rows_of(left: usize) -> usize {
    SIZES.into_iter().find(|size| *size <= left).unwrap_or(0)
}

/// The places of the values of so many rows.
pub(super) fn places(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    vec![row; rows].join(",")
}

/// The values of a statement.
pub(super) struct Binds {
    arguments: SqliteArguments,
    wrong: Option<BoxDynError>,
}

impl Binds {
    pub(super) fn new(rows: usize, columns: usize) -> Binds {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(rows.saturating_mul(columns), 0);
        Binds { arguments, wrong: None }
    }

    pub(super) async fn insert(
        self,
        tx: &mut Transaction<'static, Sqlite>,
        table: &str,
        columns: &[&str],
        rows: usize,
    ) -> Result<(), StoreError> {
        let what = "write records";
        if let Some(wrong) = self.wrong {
            return Err(sqlx::Error::Encode(wrong)).tried(what);
        }
        let places = places(rows, columns.len());
        // Only names of this crate stand in the text; every value is bound.
        let sql = format!("INSERT INTO {table} ({}) VALUES {places}", columns.join(","));
        let query = sqlx::query_with(AssertSqlSafe(sql), self.arguments);
        query.execute(&mut **tx).await.tried(what).map(|_| ())
    }
}

impl Sink for Binds {
    fn int_or_null(&mut self, _: &'static str, value: Option<i64>) {
        if let Err(e) = self.arguments.add(value) {
            self.wrong.get_or_insert(e);
        }
    }

    fn text_or_null(&mut self, _: &'static str, value: Option<&str>) {
        if let Err(e) = self.arguments.add(value.map(clean)) {
            self.wrong.get_or_insert(e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_goes_into_one_statement() {
        for rows in 0..1000 {
            let (mut left, mut statements) = (rows, 0);
            while left > 0 {
                left -= rows_of(left);
                statements += 1;
            }
            assert!(statements <= rows / ROWS_MAX + 3 + 3 + 7, "{rows}: {statements}");
        }
        assert_eq!(rows_of(0), 0);
    }
}
