//! Files with prices that were sent in, and their hold on the revisions that came of them.

use crate::column::{Columns, word_of};
use crate::{Cell, ConfigRow, Reader, StoreError, Tried, Writer};
use sqlx::AnyConnection;
use strowger_model::{Import, ImportId, ImportState, TariffId, TenantId};

const STATES: [(&str, ImportState); 7] = [
    ("uploaded", ImportState::Uploaded),
    ("mapped", ImportState::Mapped),
    ("checked", ImportState::Checked),
    ("writing", ImportState::Writing),
    ("published", ImportState::Published),
    ("undone", ImportState::Undone),
    ("failed", ImportState::Failed),
];
/// Most older files that are found to be forgotten at once.
const OLDER_MAX: i64 = 64;

impl ConfigRow for Import {
    const TABLE: &'static str = "imports";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "tariff_id",
        "file",
        "bytes",
        "sha256",
        "state",
        "reading",
        "report",
        "revision",
        "effective_us",
        "rows",
        "created_by",
        "created_us",
        "changed_by",
        "changed_us",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.tariff.0.into(),
            self.file.as_str().into(),
            self.bytes.into(),
            self.sha256.as_str().into(),
            word_of(&STATES, self.state).into(),
            self.reading.as_str().into(),
            self.report.as_str().into(),
            self.revision.map(i64::from).into(),
            self.effective_us.into(),
            self.rows.into(),
            self.created_by.as_str().into(),
            self.created_us.into(),
            self.changed_by.as_str().into(),
            self.changed_us.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Import, StoreError> {
        Ok(Import {
            id: ImportId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            tariff: TariffId(c.int("tariff_id")?),
            file: c.text("file")?,
            bytes: c.int("bytes")?,
            sha256: c.text("sha256")?,
            state: c.word("state", &STATES)?,
            reading: c.text("reading")?,
            report: c.text("report")?,
            revision: c.small_or_null("revision")?,
            effective_us: c.int_or_null("effective_us")?,
            rows: c.small("rows")?,
            created_by: c.text("created_by")?,
            created_us: c.int("created_us")?,
            changed_by: c.text("changed_by")?,
            changed_us: c.int("changed_us")?,
        })
    }
}

/// The import whose rows a revision has.
async fn import_of(
    connection: &mut AnyConnection,
    of: TariffId,
    number: u32,
) -> Result<Option<ImportId>, StoreError> {
    let sql = "SELECT id FROM imports WHERE tariff_id = $1 AND revision = $2";
    let query = sqlx::query(sql).bind(of.0).bind(i64::from(number));
    let row = query.fetch_optional(connection).await.tried("look for an import")?;
    row.map(|row| Columns::new("imports", &row).int("id").map(ImportId)).transpose()
}

/// Numbers and moments of what is published of a list, in order.
async fn published(
    connection: &mut AnyConnection,
    of: TariffId,
) -> Result<Vec<(u32, i64)>, StoreError> {
    let sql = "SELECT number, effective_us FROM tariff_revisions \
         WHERE tariff_id = $1 AND state = 'published' ORDER BY number";
    let rows = sqlx::query(sql).bind(of.0).fetch_all(connection).await.tried("read revisions")?;
    let one = |row| {
        let c = Columns::new("tariff_revisions", row);
        Ok((c.small("number")?, c.int("effective_us")?))
    };
    rows.iter().map(one).collect()
}

impl Reader {
    /// The import whose rows a revision has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn import_of(
        &self,
        of: TariffId,
        number: u32,
    ) -> Result<Option<ImportId>, StoreError> {
        import_of(&mut *self.pool.acquire().await.tried("look for an import")?, of, number).await
    }

    /// Numbers and moments of the published revisions of a tariff, in order: the same list means
    /// the same prices.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn published_revisions(&self, of: TariffId) -> Result<Vec<(u32, i64)>, StoreError> {
        published(&mut *self.pool.acquire().await.tried("read revisions")?, of).await
    }

    /// The newest import of a tariff whose columns are known: the next file looks like it.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn import_before(&self, of: TariffId) -> Result<Option<Import>, StoreError> {
        let sql = "SELECT * FROM imports WHERE tariff_id = $1 AND state <> 'uploaded' \
             ORDER BY id DESC LIMIT 1";
        let row = sqlx::query(sql).bind(of.0).fetch_optional(&self.pool).await;
        let row = row.tried("look for an import")?;
        row.map(|row| Import::read(&Columns::new("imports", &row))).transpose()
    }

    /// Imports of a tariff behind the newest `kept` ones, newest first, some of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn imports_behind(
        &self,
        of: TariffId,
        kept: u32,
    ) -> Result<Vec<ImportId>, StoreError> {
        let sql = "SELECT id FROM imports WHERE tariff_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3";
        let query = sqlx::query(sql).bind(of.0).bind(OLDER_MAX).bind(i64::from(kept));
        let rows = query.fetch_all(&self.pool).await.tried("look for older imports")?;
        rows.iter().map(|row| Columns::new("imports", row).int("id").map(ImportId)).collect()
    }

    /// Imports whose rows are being written, oldest first.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn imports_in_work(&self) -> Result<Vec<Import>, StoreError> {
        let sql = "SELECT * FROM imports WHERE state = 'writing' ORDER BY changed_us, id";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.tried("look for imports")?;
        rows.iter().map(|row| Import::read(&Columns::new("imports", row))).collect()
    }
}

impl Writer<'_> {
    /// As [`Reader::import_of`], as this transaction sees it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn import_of(
        &mut self,
        of: TariffId,
        number: u32,
    ) -> Result<Option<ImportId>, StoreError> {
        import_of(&mut self.tx, of, number).await
    }

    /// As [`Reader::published_revisions`], as this transaction sees it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn published_revisions(
        &mut self,
        of: TariffId,
    ) -> Result<Vec<(u32, i64)>, StoreError> {
        published(&mut self.tx, of).await
    }

    /// Whether a published revision with a number above `number` came of an import. An import holds
    /// only what differs from what is below it, so nothing below it may change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_import_above(
        &mut self,
        of: TariffId,
        number: u32,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM imports WHERE tariff_id = $1 AND revision > $2 \
             AND state = 'published' LIMIT 1";
        let query = sqlx::query(sql).bind(of.0).bind(i64::from(number));
        Ok(query.fetch_optional(&mut *self.tx).await.tried("look for an import")?.is_some())
    }

    /// Deletes rows of a draft, at most `most`; how many. Rows of what was published stay.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn clear_draft(
        &mut self,
        of: TariffId,
        number: u32,
        most: u32,
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM rates WHERE id IN (SELECT r.id FROM rates r \
             JOIN tariff_revisions v ON v.tariff_id = r.tariff_id AND v.number = r.revision \
             WHERE r.tariff_id = $1 AND r.revision = $2 AND v.state = 'draft' LIMIT $3)";
        let query = sqlx::query(sql).bind(of.0).bind(i64::from(number)).bind(i64::from(most));
        let done = query.execute(&mut *self.tx).await.tried("clear a draft")?;
        Ok(done.rows_affected())
    }
}
