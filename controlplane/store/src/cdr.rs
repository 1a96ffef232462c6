//! Records: written once by the ingest, listed newest first by key.

use crate::column::{Columns, clean, word_of};
use crate::{LIST_MAX, Reader, Scope, StoreError, Tried, Writer};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use strowger_model::{
    AccountId, Amount, Cdr, CdrCalled, CdrCaller, CdrHop, CdrId, CdrMedia, CdrOutcome, CdrTimes,
    Charge, ChargeKind, Currency, Digits, OrganizationId, Price, RateId, SubscriberId, TariffId,
    TenantId, TrunkId,
};

pub(crate) const CHARGE_KINDS: [(&str, ChargeKind); 3] = [
    ("customer", ChargeKind::Customer),
    ("reseller", ChargeKind::Reseller),
    ("supplier", ChargeKind::Supplier),
];

/// A column's value on its way to the database.
enum Value {
    Int(i64),
    IntOrNull(Option<i64>),
    Text(String),
    TextOrNull(Option<String>),
}

fn int(value: impl Into<i64>) -> Value {
    Value::Int(value.into())
}

/// Counters never reach 2^63; a value that did would be the largest that fits.
fn count(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn null(value: Option<i64>) -> Value {
    Value::IntOrNull(value)
}

fn text(value: impl ToString) -> Value {
    Value::Text(clean(value.to_string()))
}

fn text_null(value: Option<impl ToString>) -> Value {
    Value::TextOrNull(value.map(|v| clean(v.to_string())))
}

type Row = Vec<(&'static str, Value)>;

/// `INSERT INTO table (columns) VALUES ($1, ..)` with its values bound.
async fn insert(writer: &mut Writer<'_>, table: &'static str, row: Row) -> Result<(), StoreError> {
    let mut sql = format!("INSERT INTO {table} (");
    let mut places = String::new();
    for (i, (column, _)) in row.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ok = write!(sql, "{comma}{column}");
        let _ok = write!(places, "{comma}${}", i + 1);
    }
    let _ok = write!(sql, ") VALUES ({places})");
    // Only names from this file stand in the text; every value is bound.
    let mut query: Query<'_, Any, AnyArguments> = sqlx::query(AssertSqlSafe(sql));
    for (_, value) in row {
        query = match value {
            Value::Int(v) => query.bind(v),
            Value::IntOrNull(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::TextOrNull(v) => query.bind(v),
        };
    }
    query.execute(&mut *writer.tx).await.tried("write a record").map(|_| ())
}

macro_rules! media_row {
    ($row:expr, $prefix:literal, $media:expr) => {{
        let m: Option<&CdrMedia> = $media;
        let counted =
            |f: fn(&CdrMedia) -> u64| null(m.map(|m| i64::try_from(f(m)).unwrap_or(i64::MAX)));
        $row.extend([
            (concat!($prefix, "_received"), counted(|m| m.received)),
            (concat!($prefix, "_received_octets"), counted(|m| m.received_octets)),
            (concat!($prefix, "_sent"), counted(|m| m.sent)),
            (concat!($prefix, "_sent_octets"), counted(|m| m.sent_octets)),
            (concat!($prefix, "_lost"), counted(|m| m.lost)),
            (concat!($prefix, "_jitter_us"), counted(|m| m.jitter_us.into())),
            (concat!($prefix, "_jitter_us_max"), counted(|m| m.jitter_us_max.into())),
            (concat!($prefix, "_dropped"), counted(|m| m.dropped)),
            (
                concat!($prefix, "_payload_type"),
                null(m.and_then(|m| m.payload_type).map(i64::from)),
            ),
            (concat!($prefix, "_codec"), text_null(m.map(|m| &m.codec))),
            (concat!($prefix, "_media_remote"), text_null(m.and_then(|m| m.remote))),
        ]);
    }};
}

macro_rules! media_of {
    ($c:expr, $prefix:literal) => {{
        let c: &Columns<'_> = $c;
        match c.int_or_null(concat!($prefix, "_received"))? {
            None => None,
            Some(_) => Some(CdrMedia {
                received: c.small(concat!($prefix, "_received"))?,
                received_octets: c.small(concat!($prefix, "_received_octets"))?,
                sent: c.small(concat!($prefix, "_sent"))?,
                sent_octets: c.small(concat!($prefix, "_sent_octets"))?,
                lost: c.small(concat!($prefix, "_lost"))?,
                jitter_us: c.small(concat!($prefix, "_jitter_us"))?,
                jitter_us_max: c.small(concat!($prefix, "_jitter_us_max"))?,
                dropped: c.small(concat!($prefix, "_dropped"))?,
                payload_type: c.small_or_null(concat!($prefix, "_payload_type"))?,
                codec: c.text(concat!($prefix, "_codec"))?,
                remote: c.parsed_or_null(concat!($prefix, "_media_remote"), "address")?,
            }),
        }
    }};
}

fn outcome_row(outcome: CdrOutcome) -> Row {
    vec![
        ("party", int(outcome.party)),
        ("reason", int(outcome.reason)),
        ("sip", int(outcome.sip)),
        ("q850", int(outcome.q850)),
    ]
}

fn times_row(t: &CdrTimes) -> Row {
    vec![
        ("started_us", int(t.started_us)),
        ("rang_us", null(t.rang_us)),
        ("answered_us", null(t.answered_us)),
        ("ended_us", int(t.ended_us)),
        ("setup_ms", count(t.setup_ms)),
        ("talk_ms", count(t.talk_ms)),
        ("billable_ms", count(t.billable_ms)),
        ("caller_ms", count(t.caller_ms)),
        ("called_ms", count(t.called_ms)),
    ]
}

fn caller_row(c: &CdrCaller) -> Row {
    vec![
        ("caller_account_id", null(c.account.map(|id| id.0))),
        ("caller_organization_id", null(c.organization.map(|id| id.0))),
        ("caller_subscriber_id", null(c.subscriber.map(|id| id.0))),
        ("caller_trunk_id", null(c.trunk.map(|id| id.0))),
        ("caller_number", text(&c.number)),
        ("from_user", text(&c.from_user)),
        ("display", text(&c.display)),
        ("source", text_null(c.source)),
        ("sip_call_id", text(&c.sip_call_id)),
        ("user_agent", text(&c.user_agent)),
    ]
}

fn called_row(c: &CdrCalled) -> Row {
    vec![
        ("received", text(&c.received)),
        ("normalised", text_null(c.normalised.as_ref().map(Digits::as_str))),
        ("dialled", text(&c.dialled)),
        ("destination", text_null(c.destination.as_ref().map(Digits::as_str))),
        ("called_subscriber_id", null(c.subscriber.map(|id| id.0))),
        ("called_trunk_id", null(c.trunk.map(|id| id.0))),
        ("called_remote", text_null(c.remote)),
    ]
}

fn cdr_row(cdr: &Cdr) -> Row {
    let mut row = vec![
        ("id", int(cdr.id.0)),
        ("part", int(cdr.part)),
        ("tenant_id", null(cdr.tenant.map(|id| id.0))),
        ("ask", int(cdr.ask.cast_signed())),
        ("snapshot", count(cdr.snapshot)),
        ("unpriced", int(cdr.unpriced)),
        ("hops_dropped", int(cdr.hops_dropped)),
        ("facts_dropped", int(cdr.facts_dropped)),
    ];
    row.extend(times_row(&cdr.times));
    row.extend(caller_row(&cdr.caller));
    row.extend(called_row(&cdr.called));
    row.extend(outcome_row(cdr.outcome));
    media_row!(row, "caller", cdr.caller_media.as_ref());
    media_row!(row, "called", cdr.called_media.as_ref());
    row
}

fn charge_row(cdr: &Cdr, position: i64, c: &Charge) -> Row {
    vec![
        ("cdr_id", int(cdr.id.0)),
        ("part", int(cdr.part)),
        ("position", int(position)),
        ("kind", text(word_of(&CHARGE_KINDS, c.kind))),
        ("account_id", int(c.account.0)),
        ("organization_id", int(c.organization.0)),
        ("payee_id", null(c.payee.map(|id| id.0))),
        ("prepaid", int(c.prepaid)),
        ("currency", text(c.currency.code())),
        ("minor_digits", int(c.currency.minor_digits())),
        ("net", int(c.net.0)),
        ("vat_ppm", int(c.vat_ppm)),
        ("gross", int(c.gross.0)),
        ("charged_ms", count(c.charged_ms)),
        ("step_ms", int(c.step_ms)),
        ("unit_price", int(c.unit_price.0)),
        ("price_currency", text(c.price_currency.code())),
        ("price_minor_digits", int(c.price_currency.minor_digits())),
        ("tariff_id", null(c.tariff.map(|id| id.0))),
        ("rate_id", null(c.rate.map(|id| id.0))),
    ]
}

fn hop_row(cdr: &Cdr, h: &CdrHop) -> Row {
    let mut row = vec![
        ("cdr_id", int(cdr.id.0)),
        ("part", int(cdr.part)),
        ("position", int(h.index)),
        ("stage", int(h.stage)),
        ("branch", int(h.branch)),
        ("trunk_id", null(h.trunk.map(|id| id.0))),
        ("subscriber_id", null(h.subscriber.map(|id| id.0))),
        ("supplier_id", null(h.supplier.map(|id| id.0))),
        ("dialled", text(&h.dialled)),
        ("remote", text(h.remote)),
        ("started_us", int(h.started_us)),
        ("rang_us", null(h.rang_us)),
        ("answered_us", null(h.answered_us)),
        ("ended_us", int(h.ended_us)),
    ];
    row.extend(outcome_row(h.outcome));
    row
}

impl Writer<'_> {
    /// Writes a record of a batch with its charges and hops.
    pub(crate) async fn insert_cdr(&mut self, cdr: &Cdr, batch: i64) -> Result<(), StoreError> {
        let mut row = cdr_row(cdr);
        row.push(("batch", int(batch)));
        insert(self, "cdrs", row).await?;
        for (position, charge) in (0i64..).zip(cdr.charges()) {
            insert(self, "cdr_charges", charge_row(cdr, position, charge)).await?;
        }
        for hop in &cdr.hops {
            insert(self, "cdr_hops", hop_row(cdr, hop)).await?;
        }
        Ok(())
    }
}

/// A record's place in the lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CdrKey {
    /// When it ended.
    pub ended_us: i64,
    /// Identity.
    pub id: CdrId,
    /// Part.
    pub part: u8,
}

/// Which records to list; newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CdrFilter {
    /// Ended at or after, microseconds.
    pub from_us: Option<i64>,
    /// Ended before, microseconds.
    pub until_us: Option<i64>,
    /// The caller's account.
    pub account: Option<AccountId>,
    /// Only records older than this one: the cursor of the next page.
    pub before: Option<CdrKey>,
    /// At most so many, at most [`LIST_MAX`].
    pub limit: u32,
}

impl Reader {
    /// Records in `scope` that fit `filter`, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cdrs(&self, scope: Scope, filter: &CdrFilter) -> Result<Vec<Cdr>, StoreError> {
        // Each set of conditions is a text of its own, so that each finds its index.
        let mut sql = String::from(
            "SELECT * FROM cdrs WHERE ended_us >= $1 AND (ended_us, id, part) < ($2, $3, $4)",
        );
        let tenant = match scope {
            Scope::All => None,
            Scope::Tenant(id) => Some(id.0),
        };
        let equals = [("tenant_id", tenant), ("caller_account_id", filter.account.map(|id| id.0))];
        let equals = equals.into_iter().filter_map(|(column, id)| Some((column, id?)));
        for ((column, _), place) in equals.clone().zip(6..) {
            // Writing to a String cannot fail.
            let _ok = write!(sql, " AND {column} = ${place}");
        }
        sql.push_str(" ORDER BY ended_us DESC, id DESC, part DESC LIMIT $5");
        let end = filter.end();
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(filter.from_us.unwrap_or(i64::MIN))
            .bind(end.ended_us)
            .bind(end.id.0)
            .bind(i64::from(end.part))
            .bind(i64::from(filter.limit.min(LIST_MAX)));
        for (_, id) in equals {
            query = query.bind(id);
        }
        let rows = query.fetch_all(&self.pool).await.tried("list records")?;
        let cdrs: Result<Vec<Cdr>, _> =
            rows.iter().map(|row| cdr(&Columns::new("cdrs", row))).collect();
        self.fill(cdrs?).await
    }

    /// One record in `scope` by its id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cdr(&self, scope: Scope, id: CdrId) -> Result<Option<Cdr>, StoreError> {
        let query =
            sqlx::query("SELECT * FROM cdrs WHERE id = $1 ORDER BY part LIMIT 1").bind(id.0);
        let row = query.fetch_optional(&self.pool).await.tried("read a record")?;
        let Some(row) = row else { return Ok(None) };
        let cdr = cdr(&Columns::new("cdrs", &row))?;
        if !scope.covers(cdr.tenant) {
            return Ok(None);
        }
        Ok(self.fill(vec![cdr]).await?.pop())
    }

    /// How many records there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cdr_count(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) AS n FROM cdrs");
        let row = row.fetch_one(&self.pool).await.tried("count records")?;
        Columns::new("cdrs", &row).int("n")
    }

    /// Reads charges and hops of all of `cdrs`, at most [`LIST_MAX`], in one query each.
    async fn fill(&self, mut cdrs: Vec<Cdr>) -> Result<Vec<Cdr>, StoreError> {
        if cdrs.is_empty() {
            return Ok(cdrs);
        }
        let mut places = BTreeMap::new();
        for (place, cdr) in cdrs.iter().enumerate() {
            places.insert((cdr.id.0, i64::from(cdr.part)), place);
        }
        let owner = |c: &Columns<'_>| Ok::<_, StoreError>((c.int("cdr_id")?, c.int("part")?));
        for row in &self.rows_of(&cdrs, "cdr_charges").await? {
            let c = Columns::new("cdr_charges", row);
            let place = places.get(&owner(&c)?);
            let Some(cdr) = place.and_then(|place| cdrs.get_mut(*place)) else { continue };
            let charge = charge(&c)?;
            match charge.kind {
                ChargeKind::Customer => cdr.customer = Some(charge),
                ChargeKind::Reseller => cdr.levels.push(charge),
                ChargeKind::Supplier => cdr.supplier = Some(charge),
            }
        }
        for row in &self.rows_of(&cdrs, "cdr_hops").await? {
            let c = Columns::new("cdr_hops", row);
            let place = places.get(&owner(&c)?);
            let Some(cdr) = place.and_then(|place| cdrs.get_mut(*place)) else { continue };
            cdr.hops.push(hop(&c)?);
        }
        Ok(cdrs)
    }

    async fn rows_of(&self, cdrs: &[Cdr], table: &'static str) -> Result<Vec<AnyRow>, StoreError> {
        let places: Vec<String> = (1..=cdrs.len()).map(|place| format!("${place}")).collect();
        let places = places.join(", ");
        let sql = format!(
            "SELECT * FROM {table} WHERE cdr_id IN ({places}) ORDER BY cdr_id, part, position"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for cdr in cdrs {
            query = query.bind(cdr.id.0);
        }
        query.fetch_all(&self.pool).await.tried("read what belongs to records")
    }
}

impl CdrFilter {
    /// The place that every listed record stands before.
    fn end(&self) -> CdrKey {
        let last = CdrKey { ended_us: i64::MAX, id: CdrId(i64::MAX), part: u8::MAX };
        let until = self.until_us.map(|ended_us| CdrKey { ended_us, id: CdrId(i64::MIN), part: 0 });
        last.min(until.unwrap_or(last)).min(self.before.unwrap_or(last))
    }
}

fn outcome(c: &Columns<'_>) -> Result<CdrOutcome, StoreError> {
    Ok(CdrOutcome {
        party: c.small("party")?,
        reason: c.small("reason")?,
        sip: c.small("sip")?,
        q850: c.small("q850")?,
    })
}

fn cdr(c: &Columns<'_>) -> Result<Cdr, StoreError> {
    Ok(Cdr {
        id: CdrId(c.int("id")?),
        part: c.small("part")?,
        tenant: c.int_or_null("tenant_id")?.map(TenantId),
        ask: c.int("ask")?.cast_unsigned(),
        snapshot: c.small("snapshot")?,
        times: times(c)?,
        caller: caller(c)?,
        called: called(c)?,
        outcome: outcome(c)?,
        caller_media: media_of!(c, "caller"),
        called_media: media_of!(c, "called"),
        customer: None,
        levels: Vec::new(),
        supplier: None,
        hops: Vec::new(),
        unpriced: c.flag("unpriced")?,
        hops_dropped: c.small("hops_dropped")?,
        facts_dropped: c.small("facts_dropped")?,
    })
}

fn times(c: &Columns<'_>) -> Result<CdrTimes, StoreError> {
    Ok(CdrTimes {
        started_us: c.int("started_us")?,
        rang_us: c.int_or_null("rang_us")?,
        answered_us: c.int_or_null("answered_us")?,
        ended_us: c.int("ended_us")?,
        setup_ms: c.small("setup_ms")?,
        talk_ms: c.small("talk_ms")?,
        billable_ms: c.small("billable_ms")?,
        caller_ms: c.small("caller_ms")?,
        called_ms: c.small("called_ms")?,
    })
}

fn caller(c: &Columns<'_>) -> Result<CdrCaller, StoreError> {
    Ok(CdrCaller {
        account: c.int_or_null("caller_account_id")?.map(AccountId),
        organization: c.int_or_null("caller_organization_id")?.map(OrganizationId),
        subscriber: c.int_or_null("caller_subscriber_id")?.map(SubscriberId),
        trunk: c.int_or_null("caller_trunk_id")?.map(TrunkId),
        number: c.text("caller_number")?,
        from_user: c.text("from_user")?,
        display: c.text("display")?,
        source: c.parsed_or_null("source", "address")?,
        sip_call_id: c.text("sip_call_id")?,
        user_agent: c.text("user_agent")?,
    })
}

fn called(c: &Columns<'_>) -> Result<CdrCalled, StoreError> {
    Ok(CdrCalled {
        received: c.text("received")?,
        normalised: c.digits_or_null("normalised")?,
        dialled: c.text("dialled")?,
        destination: c.digits_or_null("destination")?,
        subscriber: c.int_or_null("called_subscriber_id")?.map(SubscriberId),
        trunk: c.int_or_null("called_trunk_id")?.map(TrunkId),
        remote: c.parsed_or_null("called_remote", "address")?,
    })
}

fn charge(c: &Columns<'_>) -> Result<Charge, StoreError> {
    let currency = |code: &'static str, minor: &'static str| {
        Currency::new(&c.text(code)?, c.small(minor)?).ok_or_else(|| c.unfit(code, "currency"))
    };
    Ok(Charge {
        account: AccountId(c.int("account_id")?),
        organization: OrganizationId(c.int("organization_id")?),
        payee: c.int_or_null("payee_id")?.map(OrganizationId),
        kind: c.word("kind", &CHARGE_KINDS)?,
        prepaid: c.flag("prepaid")?,
        currency: currency("currency", "minor_digits")?,
        net: Amount(c.int("net")?),
        vat_ppm: c.small("vat_ppm")?,
        gross: Amount(c.int("gross")?),
        charged_ms: c.small("charged_ms")?,
        step_ms: c.small("step_ms")?,
        unit_price: Price(c.int("unit_price")?),
        price_currency: currency("price_currency", "price_minor_digits")?,
        tariff: c.int_or_null("tariff_id")?.map(TariffId),
        rate: c.int_or_null("rate_id")?.map(RateId),
    })
}

fn hop(c: &Columns<'_>) -> Result<CdrHop, StoreError> {
    Ok(CdrHop {
        index: c.small("position")?,
        stage: c.small("stage")?,
        branch: c.small("branch")?,
        trunk: c.int_or_null("trunk_id")?.map(TrunkId),
        subscriber: c.int_or_null("subscriber_id")?.map(SubscriberId),
        supplier: c.int_or_null("supplier_id")?.map(AccountId),
        dialled: c.text("dialled")?,
        remote: c.parsed("remote", "address")?,
        started_us: c.int("started_us")?,
        rang_us: c.int_or_null("rang_us")?,
        answered_us: c.int_or_null("answered_us")?,
        ended_us: c.int("ended_us")?,
        outcome: outcome(c)?,
    })
}
