//! Rating records again: runs that are prepared, looked at, and published or discarded.
//!
//! The run itself is a row; who reads it carries it out. Records are never changed: what counts
//! beside them stands here.

use crate::cursor;
use crate::dispatch::{Context, KEY};
use crate::form::{Form, Members, id_shape, needed, object, saying_shape};
use crate::limits::{REASON_CHARS_MAX, RERATE_DAYS_MAX, RERATES_OPEN_MAX};
use crate::problem::Problem;
use crate::reply::{Accepted, Created, Json, Page};
use crate::shape::{Components, view};
use crate::value::{Id, MoneyView, Spelled, Time, Word, Worded, money, parse_time, price};
use serde_json::{Value, json};
use strowger_model::{AccountId, Amount, CdrId, ChargeKind, Tariff, TariffId, TenantId, TrunkId};
use strowger_store::{
    Change, NewRerate, Rated, Rerate, RerateLine, RerateState, RerateSum, RerateSumKey, Scope,
    Unpublished,
};

/// Runs in the change log, and their list.
const LOG: &str = "rerates";
const LINES: &str = "rerate-lines";
const SUMS: &str = "rerate-sums";
const DAY_US: i64 = 86_400_000_000;

/// What a run that is published does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RerateMode {
    Money,
    Statistics,
}

impl RerateMode {
    const fn of(with_money: bool) -> RerateMode {
        if with_money { RerateMode::Money } else { RerateMode::Statistics }
    }
}

view! {
    /// A run that rates records again.
    RerateView {
        /// Identity.
        id: Id,
        /// Tenant.
        tenant: Id,
        /// How far it is: `preparing`, `prepared`, `publishing`, `published` or `discarded`.
        state: Word<RerateState>,
        /// Records that ended then or later.
        from: Time,
        /// And before then.
        until: Time,
        /// Charges of this account only.
        account: Option<Id>,
        /// Charges by this tariff only.
        tariff: Option<Id>,
        /// Calls from or to this trunk only.
        trunk: Option<Id>,
        /// Such charges only.
        kind: Option<Word<ChargeKind>>,
        /// The tariff that they are rated by; null is each by its own.
        new_tariff: Option<Id>,
        /// Prices in force then; null is when each call began.
        prices_at: Option<Time>,
        /// Why, in words.
        reason: String,
        /// Who asked.
        actor: String,
        /// When it was asked for.
        created: Time,
        /// When all its records were rated.
        prepared: Option<Time>,
        /// When it was published.
        published: Option<Time>,
        /// What it does since it was published.
        mode: Option<Word<RerateMode>>,
        /// Records of answered calls that were looked at.
        records: u64,
        /// Charges that it changes.
        lines: u64,
        /// Charges that it would leave as they are.
        same: u64,
        /// Charges that the prices have no price for: they stay what they are.
        unpriced: u64,
        /// Lines that count already.
        posted: u64,
    }
}

view! {
    /// What a run changes for one account.
    RerateSumView {
        /// Account.
        account: Id,
        /// Which charges of it.
        kind: Word<ChargeKind>,
        /// Charges that change.
        lines: u64,
        /// What was booked for them, with tax.
        was: MoneyView,
        /// What they are then, with tax.
        now: MoneyView,
        /// By how much that is more, with tax.
        difference: MoneyView,
        /// The same without tax.
        difference_net: MoneyView,
    }
}

view! {
    /// A charge that a run changes.
    RerateLineView {
        /// Its number in the run.
        line: Id,
        /// The record.
        cdr: Id,
        /// Its part.
        part: u8,
        /// Which rating of the charge it is; the record's own is 1.
        version: u32,
        /// Account.
        account: Id,
        /// Whose charge.
        kind: Word<ChargeKind>,
        /// What was booked, without tax.
        was_net: MoneyView,
        /// What was booked, with tax.
        was_gross: MoneyView,
        /// What it is then, without tax.
        net: MoneyView,
        /// What it is then, with tax.
        gross: MoneyView,
        /// Tax rate, millionths.
        vat_ppm: u32,
        /// Charged time.
        charged_ms: u64,
        /// First price per minute, in the currency of its tariff.
        unit_price: MoneyView,
        /// Tariff.
        tariff: Option<Id>,
        /// Price line.
        rate: Option<Id>,
    }
}

view! {
    /// A later rating of a charge of a record.
    AdjustmentView {
        /// The run that it comes from.
        rerate: Id,
        /// Whether it moved money.
        mode: Word<RerateMode>,
        /// When the run was published.
        at: Time,
        /// The rating.
        rating: RerateLineView,
    }
}

fn view(run: &Rerate) -> RerateView {
    let wanted = &run.wanted;
    RerateView {
        id: run.id.into(),
        tenant: wanted.tenant.into(),
        state: Word(run.state),
        from: Time(wanted.from_us),
        until: Time(wanted.until_us),
        account: wanted.account.map(Id::from),
        tariff: wanted.tariff.map(Id::from),
        trunk: wanted.trunk.map(Id::from),
        kind: wanted.kind.map(Word),
        new_tariff: wanted.new_tariff.map(Id::from),
        prices_at: wanted.prices_us.map(Time),
        reason: wanted.reason.clone(),
        actor: wanted.actor.clone(),
        created: Time(wanted.at_us),
        prepared: run.prepared_us.map(Time),
        published: run.published_us.map(Time),
        mode: run.with_money.map(|with_money| Word(RerateMode::of(with_money))),
        records: run.counts.records,
        lines: run.lines,
        same: run.counts.same,
        unpriced: run.counts.unpriced,
        posted: run.posted,
    }
}

/// A run as it is asked for.
pub(crate) struct RerateForm {
    tenant: Option<i64>,
    from_us: i64,
    until_us: i64,
    account: Option<i64>,
    tariff: Option<i64>,
    trunk: Option<i64>,
    kind: Option<ChargeKind>,
    new_tariff: Option<i64>,
    prices_us: Option<i64>,
    reason: String,
}

fn time(name: &str, text: Option<String>) -> Result<Option<i64>, Problem> {
    let read = |text: String| {
        parse_time(&text).ok_or_else(|| Problem::field(name, "is no time of RFC 3339"))
    };
    text.map(read).transpose()
}

/// What agents earned has no price to be rated by.
fn kind(wanted: Option<ChargeKind>) -> Result<Option<ChargeKind>, Problem> {
    match wanted {
        Some(ChargeKind::Commission | ChargeKind::Packet) => {
            Err(Problem::field("kind", "is rated again with what it is a part of"))
        }
        Some(_) | None => Ok(wanted),
    }
}

fn word<T: Spelled>(name: &str, text: Option<String>) -> Result<Option<T>, Problem> {
    let read = |text: String| {
        let wrong = || Problem::field(name, format!("is none of {}", T::WORDS.join(", ")));
        T::of(&text).ok_or_else(wrong)
    };
    text.map(read).transpose()
}

impl Form for RerateForm {
    const NEEDS_KEY: bool = true;

    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let form = RerateForm {
            tenant: m.id("tenant")?.flatten(),
            from_us: needed("from", time("from", m.text("from")?)?)?,
            until_us: needed("until", time("until", m.text("until")?)?)?,
            account: m.id("account")?.flatten(),
            tariff: m.id("tariff")?.flatten(),
            trunk: m.id("trunk")?.flatten(),
            kind: kind(word("kind", m.text("kind")?)?)?,
            new_tariff: m.id("new_tariff")?.flatten(),
            prices_us: time("prices_at", m.text("prices_at")?)?,
            reason: needed("reason", m.saying("reason", REASON_CHARS_MAX)?)?,
        };
        m.end()?;
        if form.until_us <= form.from_us {
            return Err(Problem::refused("until", "is not behind from"));
        }
        let span_us = form.until_us.saturating_sub(form.from_us);
        if span_us > RERATE_DAYS_MAX.saturating_mul(DAY_US) {
            let what = format!("is more than {RERATE_DAYS_MAX} days behind from");
            return Err(Problem::refused("until", what));
        }
        Ok(form)
    }

    fn describe(_: &mut Components) -> Value {
        let time = || json!({"type": "string", "format": "date-time"});
        let kinds = ChargeKind::WORDS.iter().filter(|word| {
            ![ChargeKind::Commission.word(), ChargeKind::Packet.word()].contains(*word)
        });
        let kind = json!({"type": "string", "enum": kinds.collect::<Vec<_>>()});
        object(&[
            ("tenant", id_shape(), "Tenant; that of the token where it has one.", false),
            ("from", time(), "Records that ended then or later.", true),
            ("until", time(), "And before then; not in the future.", true),
            ("account", id_shape(), "Charges of this account only.", false),
            ("tariff", id_shape(), "Charges by this tariff only.", false),
            ("trunk", id_shape(), "Calls from or to this trunk only.", false),
            ("kind", kind, "Such charges only.", false),
            ("new_tariff", id_shape(), "By this tariff; without it each by its own.", false),
            ("prices_at", time(), "By prices in force then, not when a call began.", false),
            ("reason", saying_shape(REASON_CHARS_MAX), "Why, in words.", true),
        ])
    }
}

/// `POST /rerates`
pub(crate) async fn create(form: RerateForm, cx: Context) -> Result<Created<RerateView>, Problem> {
    let tenant = cx.caller.scope.tenant().or(form.tenant.map(TenantId));
    // A token of a tenant names it: that the member is needed depends on who asks.
    let tenant = tenant.ok_or_else(|| Problem::refused("tenant", "is missing"))?;
    if form.tenant.is_some_and(|id| id != tenant.0) {
        return Err(Problem::refused("tenant", format!("tenant {tenant} does not exist")));
    }
    let new = wanted(&cx, tenant, form).await?;
    if let Some(done) = cx.api.reader.rerate_with_key(tenant, &new.key).await? {
        let same = NewRerate { at_us: done.wanted.at_us, actor: done.wanted.actor.clone(), ..new };
        return match done.wanted == same {
            true => Ok(Created(view(&done))),
            false => Err(Problem::refused(KEY, "another run of this tenant has had this key")),
        };
    }
    if new.until_us > new.at_us {
        return Err(Problem::refused("until", "is in the future"));
    }
    if cx.api.reader.open_rerates(tenant).await? >= RERATES_OPEN_MAX {
        let detail = format!("{RERATES_OPEN_MAX} runs wait already: publish or discard some");
        return Err(Problem::conflict("tenant", detail));
    }
    let mut w = cx.api.store.write().await?;
    let run = w.insert_rerate(&new).await?;
    let entry = Change::new(LOG, run.id, None, Some(&view(&run)), new.at_us);
    w.record_change(&cx.actor(), &entry.of(Some(tenant), None)).await?;
    w.commit().await?;
    Ok(Created(view(&run)))
}

/// What is asked for, if all that it names is there.
async fn wanted(cx: &Context, tenant: TenantId, form: RerateForm) -> Result<NewRerate, Problem> {
    let (reader, scope) = (&cx.api.reader, Scope::Tenant(tenant));
    let missing = |field: &str, id: i64| Problem::refused(field, format!("{id} does not exist"));
    if !reader.is_there(scope).await? {
        return Err(missing("tenant", tenant.0));
    }
    if let Some(id) = form.account {
        reader.account(scope, AccountId(id)).await?.ok_or_else(|| missing("account", id))?;
    }
    if let Some(id) = form.trunk {
        reader.trunk(scope, TrunkId(id)).await?.ok_or_else(|| missing("trunk", id))?;
    }
    for (field, id) in [("tariff", form.tariff), ("new_tariff", form.new_tariff)] {
        if let Some(id) = id {
            reader.row::<Tariff>(scope, id).await?.ok_or_else(|| missing(field, id))?;
        }
    }
    Ok(NewRerate {
        tenant,
        key: cx.key()?.to_owned(),
        from_us: form.from_us,
        until_us: form.until_us,
        account: form.account.map(AccountId),
        tariff: form.tariff.map(TariffId),
        trunk: form.trunk.map(TrunkId),
        kind: form.kind,
        new_tariff: form.new_tariff.map(TariffId),
        prices_us: form.prices_us,
        reason: form.reason,
        actor: cx.caller.name.clone(),
        at_us: cx.api.now_us(),
    })
}

/// The run of the path.
async fn run(cx: &Context) -> Result<Rerate, Problem> {
    let found = cx.api.reader.rerate(cx.caller.scope, cx.id()?).await?;
    found.ok_or_else(Problem::not_found)
}

/// `GET /rerates`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<RerateView>>, Problem> {
    let before = cursor::decode(LOG, cx.query.next.as_deref())?;
    let rows = cx.api.reader.rerates(cx.caller.scope, before, cx.query.rows()).await?;
    let key = |run: &Rerate| cursor::encode(LOG, run.id);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `GET /rerates/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<RerateView>, Problem> {
    Ok(Json(view(&run(&cx).await?)))
}

/// `GET /rerates/{id}/sums`
pub(crate) async fn sums(cx: Context) -> Result<Json<Page<RerateSumView>>, Problem> {
    let after: Option<(i64, i64)> = cursor::decode(SUMS, cx.query.next.as_deref())?;
    let after = after.map(|(id, kind)| RerateSumKey { account: AccountId(id), kind });
    let run = run(&cx).await?;
    let rows = cx.api.reader.rerate_sums(run.id, after, cx.query.rows()).await?;
    let key = |sum: &RerateSum| cursor::encode(SUMS, (sum.key.account.0, sum.key.kind));
    Ok(Json(Page::cut(rows, cx.query.limit, sum, key)))
}

fn sum(sum: &RerateSum) -> RerateSumView {
    let ([was_net, was], [now_net, now]) = (sum.was, sum.now);
    let shown = |amount| money(amount, sum.currency);
    let more = |now: Amount, was: Amount| shown(Amount(now.0.saturating_sub(was.0)));
    RerateSumView {
        account: sum.key.account.into(),
        kind: Word(match sum.key.kind {
            0 => ChargeKind::Customer,
            1 => ChargeKind::Reseller,
            2 => ChargeKind::Supplier,
            _ => ChargeKind::Commission,
        }),
        lines: u64::try_from(sum.lines).unwrap_or_default(),
        was: shown(was),
        now: shown(now),
        difference: more(now, was),
        difference_net: more(now_net, was_net),
    }
}

/// `GET /rerates/{id}/lines`
pub(crate) async fn lines(cx: Context) -> Result<Json<Page<RerateLineView>>, Problem> {
    let after = cursor::decode(LINES, cx.query.next.as_deref())?.unwrap_or(0);
    let run = run(&cx).await?;
    let rows = cx.api.reader.rerate_lines(run.id, after, cx.query.rows()).await?;
    let key = |line: &RerateLine| cursor::encode(LINES, line.line);
    Ok(Json(Page::cut(rows, cx.query.limit, line, key)))
}

fn line(line: &RerateLine) -> RerateLineView {
    let charge = &line.charge;
    let shown = |amount| money(amount, charge.currency);
    RerateLineView {
        line: line.line.into(),
        cdr: line.cdr.into(),
        part: line.part,
        version: line.version,
        account: charge.account.into(),
        kind: Word(charge.kind),
        was_net: shown(line.was_net),
        was_gross: shown(line.was_gross),
        net: shown(charge.net),
        gross: shown(charge.gross),
        vat_ppm: charge.vat_ppm,
        charged_ms: charge.charged_ms,
        unit_price: price(charge.unit_price, charge.price_currency),
        tariff: charge.tariff.map(Id::from),
        rate: charge.rate.map(Id::from),
    }
}

/// How a run is published.
pub(crate) struct PublishForm {
    mode: RerateMode,
}

impl Form for PublishForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let mode = needed("mode", word("mode", m.text("mode")?)?)?;
        m.end()?;
        Ok(PublishForm { mode })
    }

    fn describe(_: &mut Components) -> Value {
        let words = json!({"type": "string", "enum": RerateMode::WORDS});
        let what = "`money` books what changes; `statistics` only shows it.";
        object(&[("mode", words, what, true)])
    }
}

/// `POST /rerates/{id}/publish`
pub(crate) async fn publish(
    form: PublishForm,
    cx: Context,
) -> Result<Accepted<RerateView>, Problem> {
    let before = run(&cx).await?;
    let at_us = cx.api.now_us();
    let mut w = cx.api.store.write().await?;
    let with_money = form.mode == RerateMode::Money;
    let after = match w.publish_rerate(&before, with_money, at_us).await? {
        Ok(after) => after,
        // Asked for again, the same is answered.
        Err(Unpublished::State(RerateState::Publishing | RerateState::Published))
            if before.with_money == Some(with_money) =>
        {
            return Ok(Accepted(view(&before)));
        }
        Err(Unpublished::State(state)) => {
            return Err(Problem::conflict("state", format!("is {}", state.word())));
        }
        Err(Unpublished::Stale) => {
            let what = "another run was published since this one began: discard it, prepare anew";
            return Err(Problem::conflict("state", what));
        }
    };
    let entry = Change::new(LOG, after.id, Some(&view(&before)), Some(&view(&after)), at_us);
    w.record_change(&cx.actor(), &entry.of(Some(after.wanted.tenant), None)).await?;
    w.commit().await?;
    Ok(Accepted(view(&after)))
}

/// `POST /rerates/{id}/discard`
pub(crate) async fn discard(cx: Context) -> Result<Accepted<RerateView>, Problem> {
    let before = run(&cx).await?;
    let at_us = cx.api.now_us();
    let mut w = cx.api.store.write().await?;
    let Some(after) = w.discard_rerate(before.id).await? else {
        return Err(Problem::conflict("state", format!("is {}", before.state.word())));
    };
    let entry = Change::new(LOG, after.id, Some(&view(&before)), Some(&view(&after)), at_us);
    w.record_change(&cx.actor(), &entry.of(Some(after.wanted.tenant), None)).await?;
    w.commit().await?;
    Ok(Accepted(view(&after)))
}

/// `GET /cdrs/{id}/adjustments`
pub(crate) async fn of_record(cx: Context) -> Result<Json<Page<AdjustmentView>>, Problem> {
    let cdr = cx.api.reader.cdr(cx.caller.scope, CdrId(cx.id()?)).await?;
    let cdr = cdr.ok_or_else(Problem::not_found)?;
    let ratings = cx.api.reader.ratings_of(&[cdr.id]).await?;
    let shown = |rated: &Rated| AdjustmentView {
        rerate: rated.rerate.into(),
        mode: Word(RerateMode::of(rated.with_money)),
        at: Time(rated.at_us),
        rating: line(&rated.line),
    };
    Ok(Json(Page::whole(ratings.iter().map(shown).collect())))
}
