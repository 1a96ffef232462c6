//! Re-ratings: which records by what prices, what came out, and carrying it out.
//!
//! A run is prepared some records at a time, each time in one transaction with how far it is; then
//! nothing of its lines changes. Published with money, its lines are booked some at a time, each
//! time in one transaction with how far that is. So whoever is killed in the middle goes on where
//! the database says, and nothing is booked twice. Records are never touched: the lines are their
//! later ratings.

use super::{COMMISSIONS_FROM, CdrKey, cdr, count};
use crate::bulk::{Bulk, Sink, Value};
use crate::column::{Columns, clean, word_of};
use crate::scope::OF_TENANT;
use crate::{LIST_MAX, Reader, Scope, Store, StoreError, Tried, Writer};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;
use std::fmt::Write as _;
use strowger_billing::{Correction, Transfer, corrections};
use strowger_model::{
    AccountId, AllowanceId, Amount, Cdr, CdrId, Charge, ChargeKind, Currency, OrganizationId,
    Price, RateId, TariffId, TenantId, TrunkId,
};

/// Records that are rated again in one transaction.
pub const RERATE_CHUNK: u32 = 256;
/// Lines that are booked in one transaction: the writers between two of them wait for little.
const POSTED_AT_ONCE: u32 = 1_024;
/// Lines of a discarded run that are taken away in one transaction.
const FORGOTTEN_AT_ONCE: u64 = 4_096;

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RerateState {
    /// Its records are rated.
    Preparing,
    /// It can be looked at, published or discarded.
    Prepared,
    /// Its corrections are booked.
    Publishing,
    /// It counts.
    Published,
    /// It never will.
    Discarded,
}

const STATES: [(&str, RerateState); 5] = [
    ("preparing", RerateState::Preparing),
    ("prepared", RerateState::Prepared),
    ("publishing", RerateState::Publishing),
    ("published", RerateState::Published),
    ("discarded", RerateState::Discarded),
];
const _: () = assert!(COMMISSIONS_FROM == 64, "places in the statements below");
const KINDS: [(&str, ChargeKind); 3] = [
    ("customer", ChargeKind::Customer),
    ("reseller", ChargeKind::Reseller),
    ("supplier", ChargeKind::Supplier),
];

/// A run that is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRerate {
    /// Tenant of its records.
    pub tenant: TenantId,
    /// The client's key, unique in the tenant.
    pub key: String,
    /// Records that ended then or later, microseconds since 1970 UTC.
    pub from_us: i64,
    /// And before then.
    pub until_us: i64,
    /// Charges of this account only.
    pub account: Option<AccountId>,
    /// Charges by this tariff only.
    pub tariff: Option<TariffId>,
    /// Calls from or to this trunk only.
    pub trunk: Option<TrunkId>,
    /// Such charges only.
    pub kind: Option<ChargeKind>,
    /// By this tariff; `None` is each by its own.
    pub new_tariff: Option<TariffId>,
    /// By the prices in force at this moment; `None` is each call's own beginning.
    pub prices_us: Option<i64>,
    /// Why, in words.
    pub reason: String,
    /// Who asked.
    pub actor: String,
    /// When, microseconds since 1970 UTC.
    pub at_us: i64,
}

/// What was counted while a run was prepared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RerateCounts {
    /// Records of answered calls that were looked at.
    pub records: u64,
    /// Charges that other prices do not change.
    pub same: u64,
    /// Charges that the prices have no price for: they stay what they are.
    pub unpriced: u64,
}

/// A run and how far it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rerate {
    /// Identity.
    pub id: i64,
    /// What was asked for.
    pub wanted: NewRerate,
    /// How far it is.
    pub state: RerateState,
    /// Published with money, or for statistics only; `None` = not published.
    pub with_money: Option<bool>,
    /// When all its records were rated.
    pub prepared_us: Option<i64>,
    /// When it was published.
    pub published_us: Option<i64>,
    /// The last record that was looked at.
    pub last: CdrKey,
    /// What was counted.
    pub counts: RerateCounts,
    /// Charges that other prices change.
    pub lines: u64,
    /// Lines that count already.
    pub posted: u64,
}

/// A charge that other prices change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RerateLine {
    /// Its number in the run, from 1; given when it is written.
    pub line: u64,
    /// The record.
    pub cdr: CdrId,
    /// Its part.
    pub part: u8,
    /// 0 is the customer, from 1 on the resellers, -1 the supplier, from [`COMMISSIONS_FROM`] on
    /// what agents earn.
    pub position: i16,
    /// Which rating of the charge this is; the record's own is 1.
    pub version: u32,
    /// What was booked before, without tax.
    pub was_net: Amount,
    /// What was booked before, with tax.
    pub was_gross: Amount,
    /// The charge now.
    pub charge: Charge,
}

/// A rating that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rated {
    /// Its run.
    pub rerate: i64,
    /// It moved money.
    pub with_money: bool,
    /// When its run was published.
    pub at_us: i64,
    /// The rating.
    pub line: RerateLine,
}

/// What a run changes for one account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RerateSum {
    /// Whose charges, and which.
    pub key: RerateSumKey,
    /// Currency of the amounts.
    pub currency: Currency,
    /// Charges that change.
    pub lines: i64,
    /// What they were, without and with tax.
    pub was: [Amount; 2],
    /// What they are then.
    pub now: [Amount; 2],
}

/// The place of a sum in its list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RerateSumKey {
    /// Account.
    pub account: AccountId,
    /// 0 customer, 1 reseller, 2 supplier, 3 agent.
    pub kind: i64,
}

/// Why a run is not published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unpublished {
    /// It is not prepared.
    State(RerateState),
    /// Another run of the tenant was published since it began: what counts is something else now.
    Stale,
}

const fn position_kind(position: i64) -> ChargeKind {
    const EARNED: i64 = COMMISSIONS_FROM as i64;
    match position {
        0 => ChargeKind::Customer,
        ..0 => ChargeKind::Supplier,
        EARNED.. => ChargeKind::Commission,
        1..EARNED => ChargeKind::Reseller,
    }
}

fn rerate(c: &Columns<'_>) -> Result<Rerate, StoreError> {
    let kind = match c.text_or_null("charge_kind")? {
        None => None,
        Some(_) => Some(c.word("charge_kind", &KINDS)?),
    };
    let with_money = match c.int_or_null("with_money")? {
        None => None,
        Some(_) => Some(c.flag("with_money")?),
    };
    Ok(Rerate {
        id: c.int("id")?,
        wanted: NewRerate {
            tenant: TenantId(c.int("tenant_id")?),
            key: c.text("key")?,
            from_us: c.int("from_us")?,
            until_us: c.int("until_us")?,
            account: c.int_or_null("account_id")?.map(AccountId),
            tariff: c.int_or_null("tariff_id")?.map(TariffId),
            trunk: c.int_or_null("trunk_id")?.map(TrunkId),
            kind,
            new_tariff: c.int_or_null("new_tariff_id")?.map(TariffId),
            prices_us: c.int_or_null("prices_us")?,
            reason: c.text("reason")?,
            actor: c.text("actor")?,
            at_us: c.int("at_us")?,
        },
        state: c.word("state", &STATES)?,
        with_money,
        prepared_us: c.int_or_null("prepared_us")?,
        published_us: c.int_or_null("published_us")?,
        last: CdrKey {
            ended_us: c.int("last_ended_us")?,
            id: CdrId(c.int("last_cdr_id")?),
            part: c.small("last_part")?,
        },
        counts: RerateCounts {
            records: c.small("records")?,
            same: c.small("same")?,
            unpriced: c.small("unpriced")?,
        },
        lines: c.small("lines")?,
        posted: c.small("posted")?,
    })
}

fn line(c: &Columns<'_>) -> Result<RerateLine, StoreError> {
    let position = c.small::<i16>("position")?;
    let charge = charge_of!(c, "", position_kind(position.into()));
    Ok(RerateLine {
        line: c.small("line")?,
        cdr: CdrId(c.int("cdr_id")?),
        part: c.small("part")?,
        position,
        version: c.small("version")?,
        was_net: Amount(c.int("was_net")?),
        was_gross: Amount(c.int("was_gross")?),
        charge: charge.ok_or_else(|| c.unfit("account_id", "account"))?,
    })
}

fn tell_line(of: i64, (number, line): (u64, &RerateLine), to: &mut dyn Sink) {
    to.int("rerate_id", of);
    to.int("line", count(number));
    to.int("cdr_id", line.cdr.0);
    to.small("part", line.part.into());
    to.small("position", line.position);
    to.int("version", line.version.into());
    to.int("was_net", line.was_net.0);
    to.int("was_gross", line.was_gross.0);
    tell_charge!(to, "", Some(&line.charge));
}

impl Writer<'_> {
    /// Begins a run: it is prepared from then on.
    ///
    /// # Errors
    /// [`StoreError::Database`], also when the tenant has had this key.
    pub async fn insert_rerate(&mut self, new: &NewRerate) -> Result<Rerate, StoreError> {
        let sql = "INSERT INTO rerates (tenant_id, key, state, from_us, until_us, account_id, \
             tariff_id, trunk_id, charge_kind, new_tariff_id, prices_us, reason, actor, at_us, \
             basis, last_ended_us, last_cdr_id, last_part, records, same, unpriced, lines, posted) \
             VALUES ($1, $2, 'preparing', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
             (SELECT COALESCE(MAX(number), 0) FROM rerates WHERE tenant_id = $14), \
             $15, $16, 0, 0, 0, 0, 0, 0) RETURNING *";
        let query = sqlx::query(sql)
            .bind(new.tenant.0)
            .bind(clean(&new.key).into_owned())
            .bind(new.from_us)
            .bind(new.until_us)
            .bind(new.account.map(|id| id.0))
            .bind(new.tariff.map(|id| id.0))
            .bind(new.trunk.map(|id| id.0))
            .bind(new.kind.map(|kind| word_of(&KINDS, kind)))
            .bind(new.new_tariff.map(|id| id.0))
            .bind(new.prices_us)
            .bind(clean(&new.reason).into_owned())
            .bind(clean(&new.actor).into_owned())
            .bind(new.at_us)
            .bind(new.tenant.0)
            .bind(new.from_us)
            .bind(i64::MIN);
        let row = query.fetch_one(&mut *self.tx).await.tried("begin a re-rating")?;
        rerate(&Columns::new("rerates", &row))
    }

    /// Publishes a prepared run: for statistics only it counts at once, with money as it is booked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn publish_rerate(
        &mut self,
        was: &Rerate,
        with_money: bool,
        at_us: i64,
    ) -> Result<Result<Rerate, Unpublished>, StoreError> {
        let what = "publish a re-rating";
        let sql = "UPDATE rerates SET state = $1, with_money = $2, published_us = $3, \
             number = basis + 1, posted = CASE WHEN $4 = 0 THEN lines ELSE 0 END \
             WHERE id = $5 AND state = 'prepared' AND basis = \
             (SELECT COALESCE(MAX(o.number), 0) FROM rerates o WHERE o.tenant_id = $6) RETURNING *";
        let state = if with_money { RerateState::Publishing } else { RerateState::Published };
        let query = sqlx::query(sql)
            .bind(word_of(&STATES, state))
            .bind(i64::from(with_money))
            .bind(at_us)
            .bind(i64::from(with_money))
            .bind(was.id)
            .bind(was.wanted.tenant.0);
        if let Some(row) = query.fetch_optional(&mut *self.tx).await.tried(what)? {
            return rerate(&Columns::new("rerates", &row)).map(Ok);
        }
        let sql = "SELECT * FROM rerates WHERE id = $1";
        let row = sqlx::query(sql).bind(was.id).fetch_one(&mut *self.tx).await.tried(what)?;
        Ok(Err(match rerate(&Columns::new("rerates", &row))?.state {
            RerateState::Prepared => Unpublished::Stale,
            other @ (RerateState::Preparing
            | RerateState::Publishing
            | RerateState::Published
            | RerateState::Discarded) => Unpublished::State(other),
        }))
    }

    /// Discards a run that is not published; `None` when it is. Its lines go some at a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn discard_rerate(&mut self, id: i64) -> Result<Option<Rerate>, StoreError> {
        let sql = "UPDATE rerates SET state = 'discarded' \
             WHERE id = $1 AND state IN ('preparing', 'prepared') RETURNING *";
        let query = sqlx::query(sql).bind(id);
        let row = query.fetch_optional(&mut *self.tx).await.tried("discard a re-rating")?;
        row.map(|row| rerate(&Columns::new("rerates", &row))).transpose()
    }
}

impl Store {
    /// Writes down what came out for some more records of a run, up to the record `last`; with
    /// `done_us` they were the last ones. `false` when somebody else went on with it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is written then.
    pub async fn prepare_rerate(
        &self,
        was: &Rerate,
        (last, counts): (CdrKey, RerateCounts),
        lines: &[RerateLine],
        done_us: Option<i64>,
    ) -> Result<bool, StoreError> {
        let mut bulk = self.bulk().await?;
        let sql = "UPDATE rerates SET last_ended_us = $1, last_cdr_id = $2, last_part = $3, \
             records = records + $4, same = same + $5, unpriced = unpriced + $6, \
             lines = lines + $7, state = CASE WHEN $8 = 0 THEN state ELSE 'prepared' END, \
             prepared_us = CASE WHEN $8 = 0 THEN NULL ELSE $9 END \
             WHERE id = $10 AND state = 'preparing' AND records = $11 AND lines = $12";
        let number = |value: u64| Value::Int(count(value));
        let values = [
            Value::Int(last.ended_us),
            Value::Int(last.id.0),
            Value::Int(last.part.into()),
            number(counts.records),
            number(counts.same),
            number(counts.unpriced),
            Value::Int(i64::try_from(lines.len()).unwrap_or(i64::MAX)),
            Value::Int(i64::from(done_us.is_some())),
            Value::Int(done_us.unwrap_or_default()),
            Value::Int(was.id),
            number(was.counts.records),
            number(was.lines),
        ];
        if bulk.execute("go on with a re-rating", sql, &values).await? != 1 {
            return Ok(false);
        }
        let first = was.lines.saturating_add(1);
        let rows: Vec<(u64, &RerateLine)> = (first..).zip(lines).collect();
        bulk.append("rerate_lines", &rows, |row, to| tell_line(was.id, row, to)).await?;
        bulk.commit().await?;
        Ok(true)
    }

    /// Books the next lines of a run that is published with money. `false` when somebody else went
    /// on with it.
    ///
    /// # Errors
    /// [`StoreError`]; unless a commit's answer was lost, nothing is written then. How far the run
    /// is tells.
    pub async fn post_rerate(
        &self,
        was: &Rerate,
        (last, transfers): (u64, &[Transfer]),
    ) -> Result<bool, StoreError> {
        let mut bulk = self.bulk().await?;
        let sql = "UPDATE rerates SET posted = $1, \
             state = CASE WHEN lines <= $2 THEN 'published' ELSE state END \
             WHERE id = $3 AND state = 'publishing' AND posted = $4";
        let number = |value: u64| Value::Int(count(value));
        let values = [number(last), number(last), Value::Int(was.id), number(was.posted)];
        if bulk.execute("book a re-rating", sql, &values).await? != 1 {
            return Ok(false);
        }
        let mut known = self.known_accounts();
        bulk.append_transfers(transfers, &mut known).await?;
        bulk.commit().await?;
        self.remember_accounts(known);
        Ok(true)
    }

    /// Takes some lines of a discarded run away.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_rerate(&self, was: &Rerate) -> Result<(), StoreError> {
        let what = "take lines of a re-rating away";
        let left = was.lines.saturating_sub(FORGOTTEN_AT_ONCE);
        let mut bulk: Bulk = self.bulk().await?;
        let number = |value: u64| Value::Int(count(value));
        let values = [Value::Int(was.id), number(left)];
        let sql = "DELETE FROM rerate_lines WHERE rerate_id = $1 AND line > $2";
        bulk.execute(what, sql, &values).await?;
        let sql = "UPDATE rerates SET lines = $2 WHERE id = $1 AND state = 'discarded'";
        bulk.execute(what, sql, &values).await?;
        bulk.commit().await
    }
}

impl Reader {
    /// What the tenant had under this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rerate_with_key(
        &self,
        tenant: TenantId,
        key: &str,
    ) -> Result<Option<Rerate>, StoreError> {
        let sql = "SELECT * FROM rerates WHERE tenant_id = $1 AND key = $2";
        let query = sqlx::query(sql).bind(tenant.0).bind(clean(key).into_owned());
        let row = query.fetch_optional(&self.pool).await.tried("find a re-rating")?;
        row.map(|row| rerate(&Columns::new("rerates", &row))).transpose()
    }

    /// A run in `scope`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rerate(&self, scope: Scope, id: i64) -> Result<Option<Rerate>, StoreError> {
        let limits = scope.limits(&OF_TENANT, 2);
        let sql = AssertSqlSafe(format!("SELECT * FROM rerates WHERE id = $1{}", limits.text));
        let query = limits.bind(sqlx::query(sql).bind(id));
        let row = query.fetch_optional(&self.pool).await.tried("read a re-rating")?;
        row.map(|row| rerate(&Columns::new("rerates", &row))).transpose()
    }

    /// Runs in `scope`, newest first, with ids below `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rerates(
        &self,
        scope: Scope,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Rerate>, StoreError> {
        let limits = scope.limits(&OF_TENANT, 3);
        let sql = AssertSqlSafe(format!(
            "SELECT * FROM rerates WHERE id < $1{} ORDER BY id DESC LIMIT $2",
            limits.text
        ));
        let query = sqlx::query(sql).bind(before.unwrap_or(i64::MAX));
        let query = limits.bind(query.bind(i64::from(limit.min(LIST_MAX))));
        let rows = query.fetch_all(&self.pool).await.tried("list re-ratings")?;
        rows.iter().map(|row| rerate(&Columns::new("rerates", row))).collect()
    }

    /// How many runs of a tenant are prepared and neither published nor discarded.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_rerates(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS n FROM rerates WHERE tenant_id = $1 \
             AND state IN ('preparing', 'prepared', 'publishing')";
        let row = sqlx::query(sql).bind(tenant.0).fetch_one(&self.pool).await;
        Columns::new("rerates", &row.tried("count re-ratings")?).int("n")
    }

    /// The run to go on with: one that is booked before all others, because what counts changes
    /// with it; then what is prepared, then what is forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rerate_due(&self) -> Result<Option<Rerate>, StoreError> {
        let sql = "SELECT * FROM rerates WHERE state IN ('preparing', 'publishing') \
             OR (state = 'discarded' AND lines > 0) ORDER BY CASE state \
             WHEN 'publishing' THEN 0 WHEN 'preparing' THEN 1 ELSE 2 END, id LIMIT 1";
        let row = sqlx::query(sql).fetch_optional(&self.pool).await;
        let row = row.tried("look for re-ratings")?;
        row.map(|row| rerate(&Columns::new("rerates", &row))).transpose()
    }

    /// The next records of a run, oldest first: of answered calls, at most [`RERATE_CHUNK`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rerate_records(&self, of: &Rerate) -> Result<Vec<Cdr>, StoreError> {
        let mut sql = String::from(
            "SELECT * FROM cdrs WHERE tenant_id = $1 AND ended_us >= $2 AND ended_us < $3 \
             AND (ended_us, id, part) > ($4, $5, $6) AND answered_us IS NOT NULL",
        );
        let mut ids = Vec::new();
        if let Some(account) = of.wanted.account {
            ids.push(account.0);
            let place = ids.len().saturating_add(7);
            // Writing to a String cannot fail.
            let _ok = write!(
                sql,
                " AND (customer_account_id = ${place} OR supplier_account_id = ${place} \
                 OR EXISTS (SELECT 1 FROM cdr_levels l WHERE l.cdr_id = cdrs.id \
                 AND l.part = cdrs.part AND l.account_id = ${place} AND l.position < 64))"
            );
        }
        if let Some(trunk) = of.wanted.trunk {
            ids.push(trunk.0);
            let place = ids.len().saturating_add(7);
            let _ok =
                write!(sql, " AND (caller_trunk_id = ${place} OR called_trunk_id = ${place})");
        }
        sql.push_str(" ORDER BY ended_us, id, part LIMIT $7");
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(of.wanted.tenant.0)
            .bind(of.last.ended_us.max(of.wanted.from_us))
            .bind(of.wanted.until_us)
            .bind(of.last.ended_us)
            .bind(of.last.id.0)
            .bind(i64::from(of.last.part))
            .bind(i64::from(RERATE_CHUNK));
        for id in ids {
            query = query.bind(id);
        }
        let rows = query.fetch_all(&self.pool).await.tried("read records to rate again")?;
        let cdrs: Result<Vec<Cdr>, _> =
            rows.iter().map(|row| cdr(&Columns::new("cdrs", row))).collect();
        self.fill(cdrs?).await
    }

    /// The later ratings of records that count, of at most [`LIST_MAX`] records; those of one
    /// charge together, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ratings_of(&self, ids: &[CdrId]) -> Result<Vec<Rated>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "SELECT l.*, r.with_money AS with_money, r.published_us AS published_us \
             FROM rerate_lines l JOIN rerates r ON r.id = l.rerate_id \
             WHERE l.cdr_id IN ({}) AND (r.state = 'published' \
             OR (r.state = 'publishing' AND l.line <= r.posted)) \
             ORDER BY l.cdr_id, l.part, l.position, l.version",
            places.join(", ")
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = ids.iter().fold(query, |query, id| query.bind(id.0));
        let rows = query.fetch_all(&self.pool).await.tried("read ratings of records")?;
        let rated = |row: &AnyRow| {
            let c = Columns::new("rerate_lines", row);
            Ok(Rated {
                rerate: c.int("rerate_id")?,
                with_money: c.flag("with_money")?,
                at_us: c.int("published_us")?,
                line: line(&c)?,
            })
        };
        rows.iter().map(rated).collect()
    }

    /// What the next lines of a run that is published with money book: the last of them, and the
    /// transfers. The lines of a prepared run never change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rerate_transfers(
        &self,
        of: &Rerate,
        at_us: i64,
    ) -> Result<(u64, Vec<Transfer>), StoreError> {
        let lines = self.lines_behind(of.id, of.posted, POSTED_AT_ONCE).await?;
        let last = lines.last().map_or(of.lines, |line| line.line);
        let correction = |line: &RerateLine| Correction {
            was_net: line.was_net,
            was_gross: line.was_gross,
            charge: line.charge,
        };
        let lines: Vec<Correction> = lines.iter().map(correction).collect();
        Ok((last, corrections(of.id, at_us, of.wanted.tenant, &lines)))
    }

    /// Lines of a run behind the line `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rerate_lines(
        &self,
        of: i64,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RerateLine>, StoreError> {
        self.lines_behind(of, after, limit.min(LIST_MAX)).await
    }

    async fn lines_behind(
        &self,
        of: i64,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RerateLine>, StoreError> {
        let sql = "SELECT * FROM rerate_lines WHERE rerate_id = $1 AND line > $2 \
             ORDER BY line LIMIT $3";
        let query = sqlx::query(sql).bind(of).bind(count(after)).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await.tried("read lines of a re-rating")?;
        rows.iter().map(|row| line(&Columns::new("rerate_lines", row))).collect()
    }

    /// What a run changes for each account, behind `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rerate_sums(
        &self,
        of: i64,
        after: Option<RerateSumKey>,
        limit: u32,
    ) -> Result<Vec<RerateSum>, StoreError> {
        let sql = "SELECT account_id, kind, currency, minor_digits, \
             CAST(COUNT(*) AS BIGINT) AS n, CAST(SUM(was_net) AS BIGINT) AS was_net, \
             CAST(SUM(was_gross) AS BIGINT) AS was_gross, CAST(SUM(net) AS BIGINT) AS net, \
             CAST(SUM(gross) AS BIGINT) AS gross FROM (SELECT l.*, CAST(CASE \
             WHEN l.position = 0 THEN 0 WHEN l.position < 0 THEN 2 WHEN l.position < 64 THEN 1 \
             ELSE 3 END AS BIGINT) AS kind \
             FROM rerate_lines l WHERE l.rerate_id = $1) s \
             WHERE (account_id, kind) > ($2, $3) \
             GROUP BY account_id, kind, currency, minor_digits \
             ORDER BY account_id, kind, currency LIMIT $4";
        let after = after.map_or((i64::MIN, i64::MIN), |key| (key.account.0, key.kind));
        let query = sqlx::query(sql).bind(of).bind(after.0).bind(after.1);
        let query = query.bind(i64::from(limit.min(LIST_MAX)));
        let rows = query.fetch_all(&self.pool).await.tried("add up a re-rating")?;
        let sum = |row: &AnyRow| {
            let c = Columns::new("rerate_lines", row);
            let pair = |net, gross| Ok::<_, StoreError>([c.int(net)?, c.int(gross)?].map(Amount));
            Ok(RerateSum {
                key: RerateSumKey {
                    account: AccountId(c.int("account_id")?),
                    kind: c.int("kind")?,
                },
                currency: c.currency()?,
                lines: c.int("n")?,
                was: pair("was_net", "was_gross")?,
                now: pair("net", "gross")?,
            })
        };
        rows.iter().map(sum).collect()
    }
}
