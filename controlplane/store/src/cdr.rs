//! Records: written once by the ingest, listed newest first by key.

pub use rerate::{
    NewRerate, RERATE_CHUNK, Rated, Rerate, RerateCounts, RerateLine, RerateState, RerateSum,
    RerateSumKey, Unpublished,
};

use crate::bulk::{Bulk, Sink};
use crate::column::Columns;
use crate::config::bind;
use crate::scope::CDRS;
use crate::{Cell, LIST_MAX, Reader, Scope, StoreError, Tried};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use strowger_billing::LEVELS_MAX;
use strowger_model::{
    AccountId, AllowanceId, Amount, Cdr, CdrCalled, CdrCaller, CdrHeard, CdrHop, CdrId, CdrMedia,
    CdrOutcome, CdrTimes, Charge, ChargeKind, Currency, Digits, OrganizationId, Price, RateId,
    SubscriberId, TALK_MS_MIN, TariffId, TenantId, TrunkId,
};

/// First place of what agents earn among the levels of a record; a payer has at most one.
pub const COMMISSIONS_FROM: i16 = 64;
const _: () = assert!(LEVELS_MAX < COMMISSIONS_FROM as usize);
/// Place of what a packet of money pays.
pub(crate) const PACKET_AT: i16 = 96;
const _: () = assert!(COMMISSIONS_FROM as usize + LEVELS_MAX <= PACKET_AT as usize);

/// Counters never reach 2^63; a value that did would be the largest that fits.
fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

macro_rules! tell_media {
    ($to:expr, $prefix:literal, $media:expr) => {{
        let to: &mut dyn Sink = $to;
        let m: Option<&CdrMedia> = $media;
        let counted = |f: fn(&CdrMedia) -> u64| m.map(|m| count(f(m)));
        to.int_or_null(concat!($prefix, "_received"), counted(|m| m.received));
        to.int_or_null(concat!($prefix, "_received_octets"), counted(|m| m.received_octets));
        to.int_or_null(concat!($prefix, "_sent"), counted(|m| m.sent));
        to.int_or_null(concat!($prefix, "_sent_octets"), counted(|m| m.sent_octets));
        to.int_or_null(concat!($prefix, "_lost"), counted(|m| m.lost));
        to.int_or_null(concat!($prefix, "_jitter_us"), counted(|m| m.jitter_us.into()));
        to.int_or_null(concat!($prefix, "_jitter_us_max"), counted(|m| m.jitter_us_max.into()));
        to.int_or_null(concat!($prefix, "_dropped"), counted(|m| m.dropped));
        let payload_type = m.and_then(|m| m.payload_type).map(i16::from);
        to.small_or_null(concat!($prefix, "_payload_type"), payload_type);
        to.text_or_null(concat!($prefix, "_codec"), m.map(|m| m.codec.as_str()));
        let remote = m.and_then(|m| m.remote).map(|remote| remote.to_string());
        to.text_or_null(concat!($prefix, "_media_remote"), remote.as_deref());
        let score = |mos: Option<u16>| mos.and_then(|mos| i16::try_from(mos).ok());
        to.small_or_null(concat!($prefix, "_mos"), score(m.and_then(|m| m.mos)));
        let heard = m.and_then(|m| m.heard.as_ref());
        let told = |f: fn(&CdrHeard) -> Option<u32>| heard.and_then(f).map(i64::from);
        to.int_or_null(concat!($prefix, "_heard_reports"), told(|h| Some(h.reports)));
        to.int_or_null(concat!($prefix, "_heard_lost"), told(|h| Some(h.lost)));
        to.int_or_null(concat!($prefix, "_heard_jitter_us"), told(|h| Some(h.jitter_us)));
        to.small_or_null(concat!($prefix, "_heard_mos"), score(heard.and_then(|h| h.mos)));
        to.int_or_null(concat!($prefix, "_round_trip_us"), told(|h| h.round_trip_us));
        to.int_or_null(concat!($prefix, "_round_trip_us_max"), told(|h| h.round_trip_us_max));
        to.int_or_null(concat!($prefix, "_silent_ms"), m.and_then(|m| m.silent_ms).map(i64::from));
        to.int_or_null(concat!($prefix, "_rang_ms"), counted(|m| m.rang_ms.into()));
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
                mos: c.small_or_null(concat!($prefix, "_mos"))?,
                heard: match c.small_or_null(concat!($prefix, "_heard_reports"))? {
                    None => None,
                    Some(reports) => Some(CdrHeard {
                        reports,
                        lost: c.small(concat!($prefix, "_heard_lost"))?,
                        jitter_us: c.small(concat!($prefix, "_heard_jitter_us"))?,
                        round_trip_us: c.small_or_null(concat!($prefix, "_round_trip_us"))?,
                        round_trip_us_max: c
                            .small_or_null(concat!($prefix, "_round_trip_us_max"))?,
                        mos: c.small_or_null(concat!($prefix, "_heard_mos"))?,
                    }),
                },
                silent_ms: c.small_or_null(concat!($prefix, "_silent_ms"))?,
                rang_ms: c.small_or_null(concat!($prefix, "_rang_ms"))?.unwrap_or_default(),
            }),
        }
    }};
}

fn tell_outcome(outcome: CdrOutcome, to: &mut dyn Sink) {
    to.small("party", outcome.party.into());
    to.small("reason", outcome.reason.into());
    to.medium("sip", outcome.sip.into());
    to.small("q850", outcome.q850.into());
}

fn tell_times(t: &CdrTimes, to: &mut dyn Sink) {
    to.int("started_us", t.started_us);
    to.int_or_null("rang_us", t.rang_us);
    to.int_or_null("answered_us", t.answered_us);
    to.int("ended_us", t.ended_us);
    to.int("setup_ms", count(t.setup_ms));
    to.int("talk_ms", count(t.talk_ms));
    to.int("billable_ms", count(t.billable_ms));
    to.int("caller_ms", count(t.caller_ms));
    to.int("called_ms", count(t.called_ms));
}

fn tell_caller(c: &CdrCaller, to: &mut dyn Sink) {
    to.int_or_null("caller_account_id", c.account.map(|id| id.0));
    to.int_or_null("caller_organization_id", c.organization.map(|id| id.0));
    to.int_or_null("caller_subscriber_id", c.subscriber.map(|id| id.0));
    to.int_or_null("caller_trunk_id", c.trunk.map(|id| id.0));
    to.text("caller_number", &c.number);
    to.text("from_user", &c.from_user);
    to.text("display", &c.display);
    to.text_or_null("source", c.source.map(|source| source.to_string()).as_deref());
    to.text("sip_call_id", &c.sip_call_id);
    to.text("user_agent", &c.user_agent);
    to.small("caller_hidden", c.hidden.into());
}

fn tell_called(c: &CdrCalled, to: &mut dyn Sink) {
    to.text("received", &c.received);
    to.text_or_null("normalised", c.normalised.as_ref().map(Digits::as_str));
    to.text("dialled", &c.dialled);
    to.text_or_null("destination", c.destination.as_ref().map(Digits::as_str));
    to.int_or_null("called_subscriber_id", c.subscriber.map(|id| id.0));
    to.int_or_null("called_trunk_id", c.trunk.map(|id| id.0));
    to.text_or_null("called_remote", c.remote.map(|remote| remote.to_string()).as_deref());
}

/// The columns of a charge, those of a record with a prefix; a charge that is not there is NULL in
/// all of them.
macro_rules! tell_charge {
    ($to:expr, $prefix:literal, $charge:expr) => {{
        let to: &mut dyn Sink = $to;
        let c: Option<&Charge> = $charge;
        let foreign = c.map(|c| c.price_currency).filter(|of| c.is_some_and(|c| c.currency != *of));
        let id = |f: fn(&Charge) -> Option<i64>| c.and_then(f);
        to.int_or_null(concat!($prefix, "account_id"), c.map(|c| c.account.0));
        to.int_or_null(concat!($prefix, "organization_id"), c.map(|c| c.organization.0));
        to.int_or_null(concat!($prefix, "payee_id"), id(|c| c.payee.map(|id| id.0)));
        to.small_or_null(concat!($prefix, "prepaid"), c.map(|c| c.prepaid.into()));
        to.text_or_null(concat!($prefix, "currency"), c.map(|c| c.currency.code()));
        let digits = |of: Currency| i16::from(of.minor_digits());
        to.small_or_null(concat!($prefix, "minor_digits"), c.map(|c| digits(c.currency)));
        to.int_or_null(concat!($prefix, "net"), c.map(|c| c.net.0));
        to.int_or_null(concat!($prefix, "vat_ppm"), c.map(|c| c.vat_ppm.into()));
        to.int_or_null(concat!($prefix, "gross"), c.map(|c| c.gross.0));
        to.int_or_null(concat!($prefix, "charged_ms"), c.map(|c| count(c.charged_ms)));
        to.int_or_null(concat!($prefix, "free_ms"), c.map(|c| count(c.free_ms)));
        to.int_or_null(concat!($prefix, "allowance_id"), id(|c| c.allowance.map(|id| id.0)));
        to.int_or_null(concat!($prefix, "step_ms"), c.map(|c| c.step_ms.into()));
        to.int_or_null(concat!($prefix, "unit_price"), c.map(|c| c.unit_price.0));
        let price_currency = foreign.as_ref().map(Currency::code);
        to.text_or_null(concat!($prefix, "price_currency"), price_currency);
        to.small_or_null(concat!($prefix, "price_minor_digits"), foreign.map(digits));
        to.int_or_null(concat!($prefix, "tariff_id"), id(|c| c.tariff.map(|id| id.0)));
        to.int_or_null(concat!($prefix, "rate_id"), id(|c| c.rate.map(|id| id.0)));
    }};
}

macro_rules! charge_of {
    ($c:expr, $prefix:literal, $kind:expr) => {{
        let c: &Columns<'_> = $c;
        let currency = |code: &'static str, minor: &'static str| {
            Currency::new(&c.text(code)?, c.small(minor)?).ok_or_else(|| c.unfit(code, "currency"))
        };
        match c.int_or_null(concat!($prefix, "account_id"))? {
            None => None,
            Some(account) => {
                let own = currency(concat!($prefix, "currency"), concat!($prefix, "minor_digits"))?;
                let price = concat!($prefix, "price_currency");
                Some(Charge {
                    account: AccountId(account),
                    organization: OrganizationId(c.int(concat!($prefix, "organization_id"))?),
                    payee: c.int_or_null(concat!($prefix, "payee_id"))?.map(OrganizationId),
                    kind: $kind,
                    prepaid: c.flag(concat!($prefix, "prepaid"))?,
                    currency: own,
                    net: Amount(c.int(concat!($prefix, "net"))?),
                    vat_ppm: c.small(concat!($prefix, "vat_ppm"))?,
                    gross: Amount(c.int(concat!($prefix, "gross"))?),
                    charged_ms: c.small(concat!($prefix, "charged_ms"))?,
                    free_ms: c.small(concat!($prefix, "free_ms"))?,
                    allowance: c.int_or_null(concat!($prefix, "allowance_id"))?.map(AllowanceId),
                    step_ms: c.small(concat!($prefix, "step_ms"))?,
                    unit_price: Price(c.int(concat!($prefix, "unit_price"))?),
                    price_currency: match c.text_or_null(price)? {
                        None => own,
                        Some(_) => currency(price, concat!($prefix, "price_minor_digits"))?,
                    },
                    tariff: c.int_or_null(concat!($prefix, "tariff_id"))?.map(TariffId),
                    rate: c.int_or_null(concat!($prefix, "rate_id"))?.map(RateId),
                })
            }
        }
    }};
}

// Behind the macros, which it uses.
mod rerate;

fn tell_cdr(cdr: &Cdr, batch: i64, to: &mut dyn Sink) {
    to.int("id", cdr.id.0);
    to.small("part", cdr.part.into());
    to.int_or_null("tenant_id", cdr.tenant.map(|id| id.0));
    to.int("batch", batch);
    to.int("ask", cdr.ask.cast_signed());
    to.int("snapshot", count(cdr.snapshot));
    tell_times(&cdr.times, to);
    tell_caller(&cdr.caller, to);
    tell_called(&cdr.called, to);
    tell_outcome(cdr.outcome, to);
    tell_media!(to, "caller", cdr.caller_media.as_ref());
    tell_media!(to, "called", cdr.called_media.as_ref());
    tell_charge!(to, "customer_", cdr.customer.as_ref());
    tell_charge!(to, "supplier_", cdr.supplier.as_ref());
    to.small("unpriced", cdr.unpriced.into());
    to.int("hops_dropped", cdr.hops_dropped.into());
    to.int("facts_dropped", cdr.facts_dropped.into());
}

fn tell_level(cdr: &Cdr, position: i16, charge: &Charge, to: &mut dyn Sink) {
    to.int("cdr_id", cdr.id.0);
    to.small("part", cdr.part.into());
    to.small("position", position);
    tell_charge!(to, "", Some(charge));
}

fn tell_hop(cdr: &Cdr, h: &CdrHop, to: &mut dyn Sink) {
    to.int("cdr_id", cdr.id.0);
    to.small("part", cdr.part.into());
    to.small("position", h.index.into());
    to.small("stage", h.stage.into());
    to.small("branch", h.branch.into());
    to.int_or_null("trunk_id", h.trunk.map(|id| id.0));
    to.int_or_null("subscriber_id", h.subscriber.map(|id| id.0));
    to.int_or_null("supplier_id", h.supplier.map(|id| id.0));
    to.text("dialled", &h.dialled);
    to.text("remote", &h.remote.to_string());
    to.int("started_us", h.started_us);
    to.int_or_null("rang_us", h.rang_us);
    to.int_or_null("answered_us", h.answered_us);
    to.int("ended_us", h.ended_us);
    tell_outcome(h.outcome, to);
}

impl Bulk {
    /// Writes the records of a batch with their levels and hops; `beside` gets each record, while
    /// the database is busy with those before it.
    pub(crate) async fn append_cdrs(
        &mut self,
        cdrs: &[Cdr],
        batch: i64,
        beside: impl FnMut(&Cdr),
    ) -> Result<(), StoreError> {
        // In the order of two of the indexes: an entry behind all others goes to the page that got
        // the one before, without a search from the root.
        let mut records: Vec<&Cdr> = cdrs.iter().collect();
        records.sort_unstable_by_key(|cdr| (cdr.times.ended_us, cdr.id, cdr.part));
        self.append_beside("cdrs", &records, |cdr, to| tell_cdr(cdr, batch, to), beside).await?;
        let levels = cdrs.iter().flat_map(|cdr| {
            let paid = (1i16..COMMISSIONS_FROM).zip(&cdr.levels);
            let earned = (COMMISSIONS_FROM..PACKET_AT).zip(&cdr.commissions);
            let packet = cdr.packet.iter().map(|charge| (PACKET_AT, charge));
            paid.chain(earned).chain(packet).map(move |(position, charge)| (cdr, position, charge))
        });
        let levels: Vec<(&Cdr, i16, &Charge)> = levels.collect();
        let tell = |(cdr, position, charge), to: &mut dyn Sink| {
            tell_level(cdr, position, charge, to);
        };
        self.append("cdr_levels", &levels, tell).await?;
        let hops = cdrs.iter().flat_map(|cdr| cdr.hops.iter().map(move |hop| (cdr, hop)));
        let hops: Vec<(&Cdr, &CdrHop)> = hops.collect();
        self.append("cdr_hops", &hops, |(cdr, hop), to| tell_hop(cdr, hop, to)).await
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
    /// Only records of which all of this is true. No index serves it: what is asked for is looked
    /// for among the records that fit the rest.
    pub only: Vec<CdrOnly>,
    /// Only records older than this one: the cursor of the next page.
    pub before: Option<CdrKey>,
    /// At most so many, at most [`LIST_MAX`].
    pub limit: u32,
}

/// What may be asked of a record beside when it ended and who pays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CdrOnly {
    /// This subscriber called.
    CallerIs(SubscriberId),
    /// This subscriber called, or was called.
    Subscriber(SubscriberId),
    /// This trunk sent the call or took it.
    Trunk(TrunkId),
    /// The caller's number begins so.
    Caller(Digits),
    /// The called number in its canonical form begins so.
    Called(Digits),
    /// Somebody answered, or nobody.
    Answered(bool),
    /// It ended for this reason.
    Reason(u8),
    /// Of two relayed sides, one sent nothing while the call talked; or none is so.
    OneSided(bool),
    /// The supplier is owed more than the customer pays, in one currency; or not.
    Unprofitable(bool),
    /// A charge is missing; or none is.
    Unpriced(bool),
}

impl CdrOnly {
    /// The condition, in which `?` stands for the value.
    const fn condition(&self) -> &'static str {
        match self {
            CdrOnly::CallerIs(_) => "caller_subscriber_id = ?",
            CdrOnly::Subscriber(_) => "(caller_subscriber_id = ? OR called_subscriber_id = ?)",
            CdrOnly::Trunk(_) => "(caller_trunk_id = ? OR called_trunk_id = ?)",
            CdrOnly::Caller(_) => "caller_number LIKE ?",
            CdrOnly::Called(_) => "normalised LIKE ?",
            CdrOnly::Answered(true) => "answered_us IS NOT NULL",
            CdrOnly::Answered(false) => "answered_us IS NULL",
            CdrOnly::Reason(_) => "reason = ?",
            // What is unknown is neither.
            CdrOnly::OneSided(true) => {
                "talk_ms >= ? AND (caller_received = 0 OR called_received = 0)"
            }
            CdrOnly::OneSided(false) => {
                "talk_ms >= ? AND caller_received > 0 AND called_received > 0"
            }
            CdrOnly::Unprofitable(true) => {
                "customer_currency = supplier_currency AND supplier_net > customer_net"
            }
            CdrOnly::Unprofitable(false) => {
                "customer_currency = supplier_currency AND supplier_net <= customer_net"
            }
            CdrOnly::Unpriced(_) => "unpriced = ?",
        }
    }

    /// The value; `None` for a condition without one.
    fn value(&self) -> Option<Cell> {
        match self {
            CdrOnly::CallerIs(id) | CdrOnly::Subscriber(id) => Some(id.0.into()),
            CdrOnly::Trunk(id) => Some(id.0.into()),
            // Digits, `*` and `#` are no wildcards.
            CdrOnly::Caller(digits) | CdrOnly::Called(digits) => {
                Some(format!("{}%", digits.as_str()).into())
            }
            CdrOnly::Answered(_) | CdrOnly::Unprofitable(_) => None,
            CdrOnly::OneSided(_) => Some(count(TALK_MS_MIN).into()),
            CdrOnly::Reason(code) => Some((*code).into()),
            CdrOnly::Unpriced(is) => Some((*is).into()),
        }
    }
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
        let mut limits = scope.limits(&CDRS, 6);
        sql.push_str(&limits.text);
        if let Some(account) = filter.account {
            limits.ids.push(account.0);
            // Writing to a String cannot fail.
            let place = limits.ids.len().saturating_add(5);
            let _ok = write!(sql, " AND caller_account_id = ${place}");
        }
        let mut values = Vec::new();
        for only in &filter.only {
            let place = limits.ids.len().saturating_add(values.len()).saturating_add(6);
            let condition = only.condition().replace('?', &format!("${place}"));
            let _ok = write!(sql, " AND {condition}");
            values.extend(only.value());
        }
        sql.push_str(" ORDER BY ended_us DESC, id DESC, part DESC LIMIT $5");
        let end = filter.end();
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(filter.from_us.unwrap_or(i64::MIN))
            .bind(end.ended_us)
            .bind(end.id.0)
            .bind(i64::from(end.part))
            .bind(i64::from(filter.limit.min(LIST_MAX)));
        let query = values.into_iter().fold(limits.bind(query), bind);
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
        let limits = scope.limits(&CDRS, 2);
        let sql = format!("SELECT * FROM cdrs WHERE id = $1{} ORDER BY part LIMIT 1", limits.text);
        let query = limits.bind(sqlx::query(AssertSqlSafe(sql)).bind(id.0));
        let row = query.fetch_optional(&self.pool).await.tried("read a record")?;
        let Some(row) = row else { return Ok(None) };
        let cdr = cdr(&Columns::new("cdrs", &row))?;
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

    /// Reads levels and hops of all of `cdrs`, at most [`LIST_MAX`], in one query each.
    pub(crate) async fn fill(&self, mut cdrs: Vec<Cdr>) -> Result<Vec<Cdr>, StoreError> {
        if cdrs.is_empty() {
            return Ok(cdrs);
        }
        let mut places = BTreeMap::new();
        for (place, cdr) in cdrs.iter().enumerate() {
            places.insert((cdr.id.0, i64::from(cdr.part)), place);
        }
        let owner = |c: &Columns<'_>| Ok::<_, StoreError>((c.int("cdr_id")?, c.int("part")?));
        for row in &self.rows_of(&cdrs, "cdr_levels").await? {
            let c = Columns::new("cdr_levels", row);
            let place = places.get(&owner(&c)?);
            let Some(cdr) = place.and_then(|place| cdrs.get_mut(*place)) else { continue };
            let position = c.int("position")?;
            if position < COMMISSIONS_FROM.into() {
                cdr.levels.extend(charge_of!(&c, "", ChargeKind::Reseller));
            } else if position >= PACKET_AT.into() {
                cdr.packet = charge_of!(&c, "", ChargeKind::Packet);
            } else {
                cdr.commissions.extend(charge_of!(&c, "", ChargeKind::Commission));
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

    pub(crate) async fn rows_of(
        &self,
        cdrs: &[Cdr],
        table: &'static str,
    ) -> Result<Vec<AnyRow>, StoreError> {
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

pub(crate) fn outcome(c: &Columns<'_>) -> Result<CdrOutcome, StoreError> {
    Ok(CdrOutcome {
        party: c.small("party")?,
        reason: c.small("reason")?,
        sip: c.small("sip")?,
        q850: c.small("q850")?,
    })
}

pub(crate) fn cdr(c: &Columns<'_>) -> Result<Cdr, StoreError> {
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
        customer: charge_of!(c, "customer_", ChargeKind::Customer),
        levels: Vec::new(),
        supplier: charge_of!(c, "supplier_", ChargeKind::Supplier),
        commissions: Vec::new(),
        packet: None,
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
        hidden: c.flag("caller_hidden")?,
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
