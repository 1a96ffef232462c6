//! One row of configuration, whatever its table: written, changed, deleted, found and listed by the
//! columns that its type declares.

use crate::column::Columns;
use crate::scope::{
    ACCOUNTS, AnyQuery, Limits, OF_ORGANIZATION, OF_TENANT, ORGANIZATIONS, Owner, SUBSCRIBERS,
    TRUNKS,
};
use crate::{LIST_MAX, Reader, Scope, StoreError, Tried, Writer};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use std::fmt::Write as _;

/// A row of configuration: its table, its columns, and how it stands in them.
pub trait ConfigRow: Sized + Send + Sync + 'static {
    /// Table.
    const TABLE: &'static str;
    /// Columns; the first is `id`.
    const COLUMNS: &'static [&'static str];
    /// Column that says when it was made, microseconds; empty where nobody asks.
    const MADE: &'static str = "";
    /// A table of parts that belong to the row alone.
    const PARTS: Option<Parts> = None;

    /// Identity.
    fn id(&self) -> i64;
    /// Its values, in order of [`ConfigRow::COLUMNS`].
    fn cells(&self) -> Vec<Cell>;
    /// Reads it; parts come by [`ConfigRow::adopt`].
    ///
    /// # Errors
    /// [`StoreError::Row`] names the column that cannot be read.
    fn read(c: &Columns<'_>) -> Result<Self, StoreError>;

    /// The values of its parts, each in order of [`Parts::columns`].
    fn parts(&self) -> Vec<Vec<Cell>> {
        Vec::new()
    }

    /// Takes up one part, in their order.
    ///
    /// # Errors
    /// As [`ConfigRow::read`].
    fn adopt(&mut self, _part: &Columns<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A table of parts of rows.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Table.
    pub table: &'static str,
    /// Column with the id of the row.
    pub owner: &'static str,
    /// Columns of a part behind `position`.
    pub columns: &'static [&'static str],
}

/// A value of a column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell {
    /// An integer, or nothing.
    Int(Option<i64>),
    /// A text, or nothing.
    Text(Option<String>),
}

macro_rules! cells {
    ($($type:ty, $value:ident => $cell:expr;)+) => {$(
        impl From<$type> for Cell {
            fn from($value: $type) -> Cell {
                $cell
            }
        }
    )+};
}

cells! {
    i64, value => Cell::Int(Some(value));
    Option<i64>, value => Cell::Int(value);
    bool, value => Cell::Int(Some(value.into()));
    u8, value => Cell::Int(Some(value.into()));
    u16, value => Cell::Int(Some(value.into()));
    u32, value => Cell::Int(Some(value.into()));
    i32, value => Cell::Int(Some(value.into()));
    &str, value => Cell::Text(Some(value.to_owned()));
    String, value => Cell::Text(Some(value));
    Option<String>, value => Cell::Text(value);
    &Option<String>, value => Cell::Text(value.clone());
}

/// Rows to list: those whose column has this value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Column.
    pub column: &'static str,
    /// How it is compared.
    pub how: How,
    /// With what.
    pub value: Cell,
}

/// How a column is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It is the value.
    Equals,
    /// It is a list in JSON that has the value, a text of digits.
    Lists,
    /// It begins with the value, a text of digits.
    Begins,
    /// It is the value or more.
    Since,
    /// What stands for the column is a condition with one place, a `?`, for the value.
    Where,
    /// It is no column: what runs now decides, not the database.
    Live,
}

/// Binds one value.
pub(crate) fn bind<'q>(query: AnyQuery<'q>, cell: Cell) -> AnyQuery<'q> {
    match cell {
        Cell::Int(value) => query.bind(value),
        Cell::Text(value) => query.bind(value),
    }
}

fn places(first: usize, count: usize) -> String {
    let places: Vec<_> = (first..first.saturating_add(count)).map(|n| format!("${n}")).collect();
    places.join(", ")
}

impl Writer<'_> {
    /// Writes a new row under its own id; that and smaller ones are never given again.
    ///
    /// # Errors
    /// [`StoreError::Database`], also for a value that must be unique and is not.
    pub async fn insert<R: ConfigRow>(&mut self, row: &R) -> Result<(), StoreError> {
        self.insert_cells::<R>(R::COLUMNS, row.cells()).await?;
        self.write_parts(row).await?;
        self.use_id(R::TABLE, row.id()).await
    }

    /// Writes down when a new row was made, where its table says that.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn stamp<R: ConfigRow>(&mut self, id: i64, at_us: i64) -> Result<(), StoreError> {
        if R::MADE.is_empty() {
            return Ok(());
        }
        let sql = format!("UPDATE {} SET {} = $2 WHERE id = $1", R::TABLE, R::MADE);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(at_us);
        query.execute(&mut *self.tx).await.tried("say when a row was made").map(|_| ())
    }

    pub(super) async fn insert_cells<R: ConfigRow>(
        &mut self,
        columns: &[&'static str],
        cells: Vec<Cell>,
    ) -> Result<(), StoreError> {
        let (names, places) = (columns.join(", "), places(1, columns.len()));
        let sql = format!("INSERT INTO {} ({names}) VALUES ({places})", R::TABLE);
        let query = cells.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
        query.execute(&mut *self.tx).await.map_err(taken::<R>).map(|_| ())
    }

    /// Writes a row anew. `false` when there is none with its id.
    ///
    /// # Errors
    /// As [`Writer::insert`].
    pub async fn update<R: ConfigRow>(&mut self, row: &R) -> Result<bool, StoreError> {
        let set: Vec<_> = (R::COLUMNS.iter().zip(1..).skip(1))
            .map(|(column, place)| format!("{column} = ${place}"))
            .collect();
        let sql = format!("UPDATE {} SET {} WHERE id = $1", R::TABLE, set.join(", "));
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = row.cells().into_iter().fold(query, bind);
        let done = query.execute(&mut *self.tx).await.map_err(taken::<R>)?;
        self.delete_parts::<R>(row.id()).await?;
        self.write_parts(row).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes a row with its parts. `false` when there is none with this id.
    ///
    /// # Errors
    /// [`StoreError::Database`], also while other rows refer to it.
    pub async fn delete<R: ConfigRow>(&mut self, id: i64) -> Result<bool, StoreError> {
        self.delete_parts::<R>(id).await?;
        let sql = format!("DELETE FROM {} WHERE id = $1", R::TABLE);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id);
        let done = query.execute(&mut *self.tx).await.map_err(taken::<R>)?;
        Ok(done.rows_affected() == 1)
    }

    /// The row with this id, if it is in `scope`.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn row<R: ConfigRow>(
        &mut self,
        scope: Scope,
        id: i64,
    ) -> Result<Option<R>, StoreError> {
        let (sql, ids) = limited::<R>(scope, "id = $1");
        let query = ids.into_iter().fold(sqlx::query(AssertSqlSafe(sql)).bind(id), AnyQuery::bind);
        let row = query.fetch_optional(&mut *self.tx).await.tried("read a configuration row")?;
        let Some(row) = row else { return Ok(None) };
        let mut row = [R::read(&Columns::new(R::TABLE, &row))?];
        if let Some((sql, first, last)) = parts_of(&row) {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(first).bind(last);
            let parts = query.fetch_all(&mut *self.tx).await.tried("read parts of a row")?;
            adopt(&mut row, &parts)?;
        }
        Ok(row.into_iter().next())
    }

    /// Every row of a tenant, in order of id.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn rows_of<R: ConfigRow>(&mut self, tenant: i64) -> Result<Vec<R>, StoreError> {
        let sql = format!("SELECT * FROM {} WHERE tenant_id = $1 ORDER BY id", R::TABLE);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(tenant);
        let rows = query.fetch_all(&mut *self.tx).await.tried("read a tenant's rows")?;
        let mut rows = read_all::<R>(&rows)?;
        if let Some((sql, first, last)) = parts_of(&rows) {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(first).bind(last);
            let parts = query.fetch_all(&mut *self.tx).await.tried("read parts of rows")?;
            adopt(&mut rows, &parts)?;
        }
        Ok(rows)
    }

    /// The next id of a table: one that no row has or had.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn next_id<R: ConfigRow>(&mut self) -> Result<i64, StoreError> {
        let sql = "UPDATE next_ids SET next = next + 1 WHERE kind = $1 RETURNING next";
        let row = sqlx::query(sql).bind(R::TABLE).fetch_one(&mut *self.tx).await;
        let next: i64 = row.and_then(|row| row.try_get("next")).tried("take the next id")?;
        Ok(next.saturating_sub(1))
    }

    /// A row that brought its own id has used it up.
    pub(super) async fn use_id(&mut self, table: &'static str, id: i64) -> Result<(), StoreError> {
        let sql = "UPDATE next_ids SET next = $2 WHERE kind = $1 AND next < $2";
        let query = sqlx::query(sql).bind(table).bind(id.saturating_add(1));
        query.execute(&mut *self.tx).await.tried("use up an id").map(|_| ())
    }

    async fn write_parts<R: ConfigRow>(&mut self, row: &R) -> Result<(), StoreError> {
        let Some(Parts { table, owner, columns }) = R::PARTS else { return Ok(()) };
        let count = columns.len();
        let sql = format!(
            "INSERT INTO {table} ({owner}, position, {}) VALUES ($1, $2, {})",
            columns.join(", "),
            places(3, count)
        );
        for (position, part) in (0i64..).zip(row.parts()) {
            let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(row.id()).bind(position);
            let query = part.into_iter().fold(query, bind);
            query.execute(&mut *self.tx).await.tried("write a part of a row")?;
        }
        Ok(())
    }

    async fn delete_parts<R: ConfigRow>(&mut self, id: i64) -> Result<(), StoreError> {
        let Some(Parts { table, owner, .. }) = R::PARTS else { return Ok(()) };
        let sql = format!("DELETE FROM {table} WHERE {owner} = $1");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id);
        query.execute(&mut *self.tx).await.tried("delete parts of a row").map(|_| ())
    }
}

impl Reader {
    /// The row with this id, if it is in `scope`.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn row<R: ConfigRow>(&self, scope: Scope, id: i64) -> Result<Option<R>, StoreError> {
        let (sql, ids) = limited::<R>(scope, "id = $1");
        let query = ids.into_iter().fold(sqlx::query(AssertSqlSafe(sql)).bind(id), AnyQuery::bind);
        let row = query.fetch_optional(&self.pool).await.tried("read a configuration row")?;
        let Some(row) = row else { return Ok(None) };
        let mut rows = [R::read(&Columns::new(R::TABLE, &row))?];
        self.adopt_parts(&mut rows).await?;
        Ok(rows.into_iter().next())
    }

    /// The rows in `scope` that are `wanted`, with ids above `after`, by id, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn rows<R: ConfigRow>(
        &self,
        scope: Scope,
        wanted: &[Wanted],
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<R>, StoreError> {
        let (mut sql, ids) = limited::<R>(scope, "id > $1");
        let first = ids.len().saturating_add(2);
        let stored = || wanted.iter().filter(|wanted| wanted.how != How::Live);
        for (place, wanted) in (first..).zip(stored()) {
            let column = wanted.column;
            // Writing to a String cannot fail.
            let _ok = match wanted.how {
                How::Equals => write!(sql, " AND {column} = ${place}"),
                How::Lists | How::Begins => write!(sql, " AND {column} LIKE ${place}"),
                How::Since => write!(sql, " AND {column} >= ${place}"),
                How::Where => {
                    write!(sql, " AND {}", column.replace('?', &format!("${place}")))
                }
                How::Live => Ok(()),
            };
        }
        let last = first.saturating_add(stored().count());
        let _ok = write!(sql, " ORDER BY id LIMIT ${last}");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after.unwrap_or(i64::MIN));
        let query = ids.into_iter().fold(query, AnyQuery::bind);
        let query = stored().fold(query, |query, wanted| bind(query, compared(wanted)));
        let query = query.bind(i64::from(limit.min(LIST_MAX)));
        let rows = query.fetch_all(&self.pool).await.tried("list configuration rows")?;
        let mut rows = read_all::<R>(&rows)?;
        self.adopt_parts(&mut rows).await?;
        Ok(rows)
    }

    async fn adopt_parts<R: ConfigRow>(&self, rows: &mut [R]) -> Result<(), StoreError> {
        let Some((sql, first, last)) = parts_of(rows) else { return Ok(()) };
        let query = sqlx::query(AssertSqlSafe(sql)).bind(first).bind(last);
        let parts = query.fetch_all(&self.pool).await.tried("read parts of rows")?;
        adopt(rows, &parts)
    }
}

/// A number in a list in JSON stands between quotation marks; digits, `*` and `#` are no wildcards.
fn compared(wanted: &Wanted) -> Cell {
    match (wanted.how, &wanted.value) {
        (How::Lists, Cell::Text(Some(text))) => Cell::Text(Some(format!("%\"{text}\"%"))),
        (How::Begins, Cell::Text(Some(text))) => Cell::Text(Some(format!("{text}%"))),
        (How::Lists | How::Begins | How::Equals | How::Since | How::Where | How::Live, value) => {
            value.clone()
        }
    }
}

/// A value that must be unique and is not is the writer's mistake, not the database's.
fn taken<R: ConfigRow>(source: sqlx::Error) -> StoreError {
    if source.as_database_error().is_some_and(|error| error.is_foreign_key_violation()) {
        return StoreError::Refused { field: "body", why: "names a row that does not exist" };
    }
    let field = source.as_database_error().filter(|error| error.is_unique_violation());
    let field = field.and_then(|error| {
        // PostgreSQL names the constraint after its columns, SQLite lists them.
        let text = error.constraint().unwrap_or_else(|| error.message());
        let columns = R::COLUMNS.iter().skip(1).filter(|column| **column != "tenant_id");
        columns.copied().find(|column| text.contains(column))
    });
    match field {
        Some(field) => StoreError::Taken { field },
        None => StoreError::Database { what: "write a configuration row", source },
    }
}

/// A query for rows in `scope` under a condition with one value, and the values behind that.
fn limited<R: ConfigRow>(scope: Scope, condition: &str) -> (String, Vec<i64>) {
    let Limits { text, ids } = match R::TABLE {
        // Bans protect the host, and servers are reached from it: only who sees all sees them.
        "bans" | "radius_servers" if scope == Scope::All => {
            Limits { text: String::new(), ids: Vec::new() }
        }
        "bans" | "radius_servers" => Scope::Nothing.limits(&OF_TENANT, 2),
        table => scope.limits(owner_of(table), 2),
    };
    (format!("SELECT * FROM {} WHERE {condition}{text}", R::TABLE), ids)
}

/// How the rows of a table belong to somebody.
fn owner_of(table: &str) -> &'static Owner {
    match table {
        "tenants" => &TENANTS,
        "organizations" => &ORGANIZATIONS,
        "accounts" => &ACCOUNTS,
        "subscribers" => &SUBSCRIBERS,
        "trunks" => &TRUNKS,
        "trunk_logins" => &LOGINS,
        "ring_groups" | "dids" => &OF_ORGANIZATION,
        // Routes, prices and names of directions are the operator's.
        _ => &OF_TENANT,
    }
}

/// Tenants: themselves.
const TENANTS: Owner = Owner { tenant: "id", ..OF_TENANT };
/// Credentials: those who see the trunk.
const LOGINS: Owner = Owner {
    organization: "trunk_id IN (SELECT id FROM trunks WHERE organization_id IN \
        (SELECT below_id FROM organization_tree WHERE above_id = ?))",
    ..OF_TENANT
};

fn read_all<R: ConfigRow>(rows: &[AnyRow]) -> Result<Vec<R>, StoreError> {
    rows.iter().map(|row| R::read(&Columns::new(R::TABLE, row))).collect()
}

/// The query for the parts of rows that are in order of id, with the first and last of those.
fn parts_of<R: ConfigRow>(rows: &[R]) -> Option<(String, i64, i64)> {
    let Parts { table, owner, .. } = R::PARTS?;
    let (first, last) = (rows.first()?.id(), rows.last()?.id());
    let sql = format!(
        "SELECT * FROM {table} WHERE {owner} >= $1 AND {owner} <= $2 ORDER BY {owner}, position"
    );
    Some((sql, first, last))
}

/// Gives parts to their rows; both are in order of id, and other rows' parts are passed over.
pub(super) fn adopt<R: ConfigRow>(rows: &mut [R], parts: &[AnyRow]) -> Result<(), StoreError> {
    let Some(Parts { table, owner, .. }) = R::PARTS else { return Ok(()) };
    for part in parts {
        let part = Columns::new(table, part);
        let id = part.int(owner)?;
        if let Ok(at) = rows.binary_search_by_key(&id, ConfigRow::id)
            && let Some(row) = rows.get_mut(at)
        {
            row.adopt(&part)?;
        }
    }
    Ok(())
}
