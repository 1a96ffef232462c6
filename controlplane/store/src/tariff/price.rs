//! Looking up prices: of a number, of a stretch of prefixes, below a revision.

use super::{cut, revised};
use crate::column::Columns;
use crate::{Reader, StoreError, Tried};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use strowger_billing::{RevisedRate, in_force};
use strowger_model::{Digits, Rate, TariffId};

/// Prices in force of a stretch of prefixes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PricesAt {
    /// Rows, those of one prefix together, in order of prefix and time.
    pub rates: Vec<Rate>,
    /// The last prefix of the stretch, when there are more behind it.
    pub next: Option<Digits>,
}

/// What is published of one list.
pub(super) const IN_FORCE: &str = "SELECT r.*, v.effective_us FROM rates r JOIN tariff_revisions v \
     ON v.tariff_id = r.tariff_id AND v.number = r.revision \
     WHERE v.state = 'published' AND r.tariff_id = $1";

impl Reader {
    /// The prices in force of the `count` prefixes behind `after`, whenever they are.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn prices(
        &self,
        of: TariffId,
        after: Option<Digits>,
        count: u32,
    ) -> Result<PricesAt, StoreError> {
        // The first prefix may be the empty one. A condition that may be off would begin every page
        // at the first prefix.
        let behind = if after.is_some() { ">" } else { ">=" };
        let sql = format!(
            "SELECT DISTINCT r.prefix FROM rates r JOIN tariff_revisions v \
             ON v.tariff_id = r.tariff_id AND v.number = r.revision \
             WHERE v.state = 'published' AND r.tariff_id = $1 AND r.prefix {behind} $2 \
             ORDER BY r.prefix LIMIT $3"
        );
        let what = "read prices";
        let text = after.as_ref().map_or("", |prefix| prefix.as_str()).to_owned();
        let mut tx = self.snapshot().await.tried(what)?;
        let query = sqlx::query(AssertSqlSafe(sql)).bind(of.0).bind(text);
        let query = query.bind(i64::from(count).saturating_add(1));
        let rows = query.fetch_all(&mut *tx).await.tried(what)?;
        let shown = usize::try_from(count).unwrap_or(usize::MAX).min(rows.len());
        let (Some(first), Some(last)) = (rows.first(), rows.get(shown.saturating_sub(1))) else {
            return Ok(PricesAt::default());
        };
        let next = (rows.len() > shown).then(|| Columns::new("rates", last).digits("prefix"));
        let prefix = |row: &AnyRow| row.try_get::<String, _>("prefix").tried(what);
        let (first, last) = (prefix(first)?, prefix(last)?);
        let sql = AssertSqlSafe(format!("{IN_FORCE} AND r.prefix >= $2 AND r.prefix <= $3"));
        let query = sqlx::query(sql).bind(of.0).bind(first).bind(last);
        let rows = query.fetch_all(&mut *tx).await.tried(what)?;
        Ok(PricesAt { rates: cut(&rows)?, next: next.transpose()? })
    }

    /// The prices of a number at a moment: the rows in force of the longest prefix, one for each
    /// class of times; those for numbers of another length apart.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn price_of(
        &self,
        of: TariffId,
        number: &Digits,
        at_us: i64,
    ) -> Result<Vec<Rate>, StoreError> {
        // Its prefixes one by one, each of which the index knows.
        let prefixes = (0..=number.len()).filter_map(|len| number.as_str().get(..len));
        let places: Vec<String> = (2..=number.len() + 2).map(|at| format!("${at}")).collect();
        let places = places.join(", ");
        let sql = AssertSqlSafe(format!("{IN_FORCE} AND r.prefix IN ({places})"));
        let query = sqlx::query(sql).bind(of.0);
        let query = prefixes.fold(query, |query, prefix| query.bind(prefix.to_owned()));
        let rows = query.fetch_all(&self.pool).await.tried("read prices")?;
        let is_valid = |rate: &Rate| {
            rate.from_us <= at_us && rate.until_us.is_none_or(|until_us| at_us < until_us)
        };
        let mut valid: Vec<Rate> = cut(&rows)?.into_iter().filter(is_valid).collect();
        valid.retain(|rate| rate.takes_digits(number.len()));
        let longest = valid.iter().map(|rate| rate.prefix.len()).max();
        valid.retain(|rate| Some(rate.prefix.len()) == longest);
        Ok(valid)
    }

    /// The prices of a tariff as they would be if a revision counted from the beginning of time,
    /// over what is published below it.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn rates_with(&self, of: TariffId, number: u32) -> Result<Vec<Rate>, StoreError> {
        let (own, below) = self.revision_and_below(of, number).await?;
        let below = below.into_iter().map(|rate| RevisedRate { rate, revision: 0, removed: false });
        Ok(in_force(below.chain(own).collect()))
    }

    /// All rows of a revision, by id, and what is in force of the published revisions below it.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn revision_and_below(
        &self,
        of: TariffId,
        number: u32,
    ) -> Result<(Vec<RevisedRate>, Vec<Rate>), StoreError> {
        let what = "compare a revision";
        let mut tx = self.snapshot().await.tried(what)?;
        let sql = "SELECT * FROM rates WHERE tariff_id = $1 AND revision = $2 ORDER BY id";
        let query = sqlx::query(sql).bind(of.0).bind(i64::from(number));
        let own = query.fetch_all(&mut *tx).await.tried(what)?;
        let sql = AssertSqlSafe(format!("{IN_FORCE} AND r.revision < $2"));
        let query = sqlx::query(sql).bind(of.0).bind(i64::from(number));
        let below = query.fetch_all(&mut *tx).await.tried(what)?;
        let own = own.iter().map(|row| revised(&Columns::new("rates", row)));
        Ok((own.collect::<Result<_, _>>()?, cut(&below)?))
    }
}
