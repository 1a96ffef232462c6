//! Free time of accounts, and what records used of it.
//!
//! Given once for each key of an account, as payments are. What was used is counted in the
//! transaction that writes the records, so that it is exactly what they say.

use crate::bulk::{Bulk, Value};
use crate::column::{Columns, clean};
use crate::list::LIST_MAX;
use crate::{Reader, Scope, StoreError, Tried, Writer};
use std::collections::BTreeMap;
use strowger_billing::{bought, packets_of, pay_by_packets};
use strowger_model::{
    AccountId, Allowance, AllowanceId, Amount, Cdr, ChargeKind, Currency, OrganizationId, Renewal,
    TenantId,
};

/// Free time that is to be given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAllowance {
    /// What; its id is read where it renews another, see [`AllowanceId::renewed`].
    pub allowance: Allowance,
    /// The client's key, unique in the account; not read where it renews another.
    pub key: String,
    /// It is the next one of this.
    pub renews: Option<AllowanceId>,
    /// Who is paid for it, if it costs something: the organization of a reseller; `None` = the
    /// tenant.
    pub payee: Option<OrganizationId>,
    /// Who asked.
    pub actor: String,
    /// When, microseconds since 1970 UTC.
    pub at_us: i64,
}

/// Free time that was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenAllowance {
    /// What.
    pub allowance: Allowance,
    /// What records have used of it, milliseconds.
    pub used_ms: u64,
    /// What records have used of a packet of money.
    pub used: Amount,
}

/// What a batch of records used of each allowance: milliseconds, and of a packet money.
#[derive(Default)]
pub(crate) struct FreeSums(BTreeMap<i64, [i64; 2]>);

impl FreeSums {
    pub(crate) fn add(&mut self, record: &Cdr) {
        for charge in record.charges() {
            let Some(allowance) = charge.allowance else { continue };
            let [free, paid] = self.0.entry(allowance.0).or_default();
            match charge.kind {
                ChargeKind::Packet => *paid = paid.saturating_add(charge.gross.0),
                ChargeKind::Customer
                | ChargeKind::Reseller
                | ChargeKind::Supplier
                | ChargeKind::Commission => {
                    let free_ms = i64::try_from(charge.free_ms).unwrap_or(i64::MAX);
                    *free = free.saturating_add(free_ms);
                }
            }
        }
    }
}

impl Bulk {
    /// Counts what records used of allowances.
    pub(crate) async fn count_free(&mut self, sums: FreeSums) -> Result<(), StoreError> {
        let into = "INTO allowance_usage (allowance_id, used_ms, used)";
        let end = "ON CONFLICT (allowance_id) \
             DO UPDATE SET used_ms = allowance_usage.used_ms + excluded.used_ms, \
             used = allowance_usage.used + excluded.used";
        let rows: Vec<[i64; 3]> =
            sums.0.into_iter().map(|(id, [used_ms, used])| [id, used_ms, used]).collect();
        self.insert_ints("count what was used of allowances", (into, end), &rows).await
    }
}

impl Bulk {
    /// The records with what packets of money pay of them, as far as the books say that something
    /// is left; `None` where none names a packet.
    pub(crate) async fn paid_by_packets(
        &mut self,
        records: &[Cdr],
    ) -> Result<Option<Vec<Cdr>>, StoreError> {
        let packets = packets_of(records);
        if packets.is_empty() {
            return Ok(None);
        }
        let sql = "SELECT CAST(a.credit - COALESCE(u.used, 0) AS BIGINT) FROM allowances a \
             LEFT JOIN allowance_usage u ON u.allowance_id = a.id WHERE a.id = $1";
        let mut left = BTreeMap::new();
        for packet in packets {
            let found =
                self.int("look for a packet of money", sql, &[Value::Int(packet.0)]).await?;
            left.insert(packet, Amount(found.unwrap_or_default()));
        }
        let mut records = records.to_vec();
        pay_by_packets(&mut records, &mut left);
        Ok(Some(records))
    }
}

macro_rules! insert {
    ($id:literal, $place:literal) => {
        concat!(
            "INSERT INTO allowances (tenant_id, account_id, key, name, prefix, seconds, \
             from_us, until_us, actor, at_us, renew_days, renew_until_us, renews_id, \
             price, vat_ppm, credit",
            $id,
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16",
            $place,
            ") RETURNING id"
        )
    };
}

impl Writer<'_> {
    /// Gives free time, and moves what it costs; returns it with its id.
    ///
    /// # Errors
    /// [`StoreError::Database`], also when the account has had this key.
    pub async fn insert_allowance(&mut self, new: &NewAllowance) -> Result<Allowance, StoreError> {
        let a =
            Allowance { name: clean(&new.allowance.name).into_owned(), ..new.allowance.clone() };
        // No key of a client has a control character.
        let (sql, key) = match new.renews {
            None => (insert!("", ""), clean(&new.key).into_owned()),
            Some(renewed) => (insert!(", id", ", $17"), format!("\u{1}{}", renewed.0)),
        };
        let query = sqlx::query(sql)
            .bind(a.tenant.0)
            .bind(a.account.0)
            .bind(key)
            .bind(&a.name)
            .bind(a.prefix.as_ref().map(|prefix| prefix.as_str().to_owned()))
            .bind(i64::from(a.seconds))
            .bind(a.from_us)
            .bind(a.until_us)
            .bind(clean(&new.actor).into_owned())
            .bind(new.at_us)
            .bind(a.renewal.map(|renewal| i64::from(renewal.days)))
            .bind(a.renewal.map(|renewal| renewal.until_us))
            .bind(new.renews.map(|renewed| renewed.0))
            .bind(a.price.0)
            .bind(i64::from(a.vat_ppm))
            .bind(a.credit.0);
        let query = if new.renews.is_some() { query.bind(a.id.0) } else { query };
        let row = query.fetch_one(&mut *self.tx).await.tried("give free time")?;
        let id = AllowanceId(Columns::new("allowances", &row).int("id")?);
        let given = Allowance { id, ..a };
        if given.price > Amount::ZERO {
            let currency = self.currency_of(given.account).await?;
            for transfer in bought(&given, currency, new.payee, new.at_us) {
                self.insert_transfer(&transfer).await?;
            }
        }
        Ok(given)
    }

    async fn currency_of(&mut self, account: AccountId) -> Result<Currency, StoreError> {
        let query = sqlx::query("SELECT currency, minor_digits FROM accounts WHERE id = $1");
        let row = query.bind(account.0).fetch_one(&mut *self.tx).await;
        Columns::new("accounts", &row.tried("look for the currency of an account")?).currency()
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.id AS id, a.tenant_id AS tenant_id, a.account_id AS account_id, \
             a.name AS name, a.prefix AS prefix, a.seconds AS seconds, a.from_us AS from_us, \
             a.until_us AS until_us, a.renew_days AS renew_days, \
             a.renew_until_us AS renew_until_us, a.price AS price, a.vat_ppm AS vat_ppm, \
             a.credit AS credit, CAST(COALESCE(u.used, 0) AS BIGINT) AS used, \
             CAST(COALESCE(u.used_ms, 0) AS BIGINT) AS used_ms \
             FROM allowances a LEFT JOIN allowance_usage u ON u.allowance_id = a.id ",
            $rest
        )
    };
}

fn given(c: &Columns<'_>) -> Result<GivenAllowance, StoreError> {
    Ok(GivenAllowance {
        allowance: Allowance {
            id: AllowanceId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            account: AccountId(c.int("account_id")?),
            name: c.text("name")?,
            prefix: c.digits_or_null("prefix")?,
            seconds: c.small("seconds")?,
            credit: Amount(c.int("credit")?),
            from_us: c.int("from_us")?,
            until_us: c.int("until_us")?,
            renewal: match c.int_or_null("renew_days")? {
                None => None,
                Some(_) => Some(Renewal {
                    days: c.small("renew_days")?,
                    until_us: c.int("renew_until_us")?,
                }),
            },
            price: Amount(c.int("price")?),
            vat_ppm: c.small("vat_ppm")?,
        },
        used_ms: c.small("used_ms")?,
        used: Amount(c.int("used")?),
    })
}

impl Reader {
    /// Records that are in the books, with what packets of money paid of them; `None` where none
    /// names a packet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn paid_by_packets(&self, records: &[Cdr]) -> Result<Option<Vec<Cdr>>, StoreError> {
        if packets_of(records).is_empty() {
            return Ok(None);
        }
        let mut paid = records.to_vec();
        for record in paid.iter_mut().filter(|record| record.packet.is_some()) {
            let stored = self.cdr(Scope::All, record.id).await?;
            record.packet = stored.and_then(|stored| stored.packet);
        }
        Ok(Some(paid))
    }

    /// What the account was given under this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn allowance_with_key(
        &self,
        account: AccountId,
        key: &str,
    ) -> Result<Option<Allowance>, StoreError> {
        let sql = select!("WHERE a.account_id = $1 AND a.key = $2");
        let query = sqlx::query(sql).bind(account.0).bind(clean(key).into_owned());
        let row = query.fetch_optional(&self.pool).await.tried("find free time")?;
        let row = row.map(|row| given(&Columns::new("allowances", &row))).transpose()?;
        Ok(row.map(|given| given.allowance))
    }

    /// The free time of an account in order of its ids, above `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn allowances_of(
        &self,
        account: AccountId,
        after: Option<AllowanceId>,
        limit: u32,
    ) -> Result<Vec<GivenAllowance>, StoreError> {
        let sql = select!("WHERE a.account_id = $1 AND a.id > $2 ORDER BY a.id LIMIT $3");
        let query = sqlx::query(sql)
            .bind(account.0)
            .bind(after.map_or(i64::MIN, |id| id.0))
            .bind(i64::from(limit.min(LIST_MAX)));
        let rows = query.fetch_all(&self.pool).await.tried("list free time")?;
        rows.iter().map(|row| given(&Columns::new("allowances", row))).collect()
    }

    /// Free time that costs nothing, has begun at `at_us`, is given again and was not yet, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn allowances_to_renew(
        &self,
        at_us: i64,
        limit: u32,
    ) -> Result<Vec<Allowance>, StoreError> {
        let sql = select!(
            "WHERE a.renew_days IS NOT NULL AND a.price = 0 AND a.from_us <= $1 \
             AND a.until_us < a.renew_until_us \
             AND NOT EXISTS (SELECT 1 FROM allowances n WHERE n.renews_id = a.id) \
             ORDER BY a.id LIMIT $2"
        );
        let query = sqlx::query(sql).bind(at_us).bind(i64::from(limit.min(LIST_MAX)));
        let rows = query.fetch_all(&self.pool).await.tried("look for free time to give again")?;
        rows.iter().map(|row| Ok(given(&Columns::new("allowances", row))?.allowance)).collect()
    }

    /// Free time that was bought, has ended at `at_us`, is bought again and was not yet, of ids
    /// above `after`, at most `limit`. What could not be paid for as many days as it is for stays
    /// undone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn allowances_to_buy_again(
        &self,
        at_us: i64,
        after: Option<AllowanceId>,
        limit: u32,
    ) -> Result<Vec<Allowance>, StoreError> {
        let sql = select!(
            "WHERE a.renew_days IS NOT NULL AND a.price > 0 AND a.until_us <= $1 \
             AND a.until_us < a.renew_until_us AND a.until_us + a.renew_days * 86400000000 > $2 \
             AND NOT EXISTS (SELECT 1 FROM allowances n WHERE n.renews_id = a.id) AND a.id > $3 \
             ORDER BY a.id LIMIT $4"
        );
        let query = sqlx::query(sql)
            .bind(at_us)
            .bind(at_us)
            .bind(after.map_or(i64::MIN, |id| id.0))
            .bind(i64::from(limit.min(LIST_MAX)));
        let rows = query.fetch_all(&self.pool).await.tried("look for free time to buy again")?;
        rows.iter().map(|row| Ok(given(&Columns::new("allowances", row))?.allowance)).collect()
    }

    /// What was given when this ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renewal_of(&self, renewed: AllowanceId) -> Result<Option<Allowance>, StoreError> {
        let query = sqlx::query(select!("WHERE a.renews_id = $1")).bind(renewed.0);
        let row = query.fetch_optional(&self.pool).await.tried("find free time")?;
        let row = row.map(|row| given(&Columns::new("allowances", &row))).transpose()?;
        Ok(row.map(|given| given.allowance))
    }

    /// All free time that calls can use which began at `at_us` or later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn allowances(&self, at_us: i64) -> Result<Vec<GivenAllowance>, StoreError> {
        let sql = select!("WHERE a.until_us > $1 ORDER BY a.id");
        let query = sqlx::query(sql).bind(at_us);
        let rows = query.fetch_all(&self.pool).await.tried("read free time")?;
        rows.iter().map(|row| given(&Columns::new("allowances", row))).collect()
    }
}
