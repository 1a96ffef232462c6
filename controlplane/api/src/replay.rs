//! Calls of a time decided again on changed rows: what would have gone elsewhere, and what it would
//! have earned.
//!
//! A change is told as where it is made: a row of routes, trunks or accounts with the members that
//! are other, or a draft of a tariff that counts as if it were published. Nothing is written.

use crate::codec::{ID, parse_id};
use crate::dispatch::Context;
use crate::form::{Form, Members, make_integers, needed, object};
use crate::problem::Problem;
use crate::reply::{Accepted, Done, Json, Page};
use crate::resource::{Paying, Resource};
use crate::shape::{Components, view};
use crate::value::{Id, MoneyView, Time, money, parse_time};
use crate::{ReplayOrder, ReplayRefusal, ReplayStanding, ReplayState};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use strowger_model::{Amount, Currency, Route, Tariff, TariffId, TenantId, Trunk};
use strowger_routing::{Change, ReplayLine, Replayed, Sides, Way};
use strowger_store::{Scope, StoreError};

/// Changes of one replay.
const CHANGES_MAX: usize = 32;
/// Lines and moves that are shown, those of most calls first.
const SHOWN_MAX: usize = 1_000;
/// Rows of a page of routes that are read.
const PAGE: u32 = 1_000;
/// Longest time of one replay: 31 days, microseconds.
const SPAN_US_MAX: i64 = 31 * 86_400_000_000;

view! {
    /// A replay: how it stands, and what it found so far.
    ReplayView {
        /// Identity, as long as this process lives.
        id: Id,
        /// Tenant.
        tenant: Id,
        /// Calls that ended then or later.
        from: Time,
        /// Calls that ended before.
        until: Time,
        /// `running`, `done` or `failed`.
        state: &'static str,
        /// Why it failed.
        problem: Option<String>,
        /// Calls that nobody can make again: senders who are gone, forwarded and transferred ones.
        unknown: u64,
        /// All calls that were decided again.
        total: ReplayLineView,
        /// The same by destination, those of most calls first, at most 1,000.
        destinations: Vec<ReplayLineView>,
        /// Which ways calls would change, those of most calls first, at most 1,000.
        moves: Vec<ReplayMoveView>,
    }
}

view! {
    /// What was found for calls to one destination, or to all.
    ReplayLineView {
        /// Prefix of the destination, or first digits; null for all.
        destination: Option<String>,
        /// Calls.
        calls: u64,
        /// Their talk that may be charged.
        billable_ms: u64,
        /// Calls that would go another way.
        moved: u64,
        /// Calls that would be refused as things are.
        refused_now: u64,
        /// Calls that would be refused after the change.
        refused_changed: u64,
        /// What they would cost, by currency.
        money: Vec<ReplayMoneyView>,
    }
}

view! {
    /// What customers pay and suppliers are owed, without tax; the first target of each decision is
    /// taken to carry its call.
    ReplayMoneyView {
        /// As recorded.
        recorded: ReplaySidesView,
        /// As things are.
        now: ReplaySidesView,
        /// After the change.
        changed: ReplaySidesView,
        /// Profit after the change less profit as things are.
        difference: MoneyView,
    }
}

view! {
    /// Both sides of calls.
    ReplaySidesView {
        /// What customers pay.
        customer: MoneyView,
        /// What suppliers are owed.
        supplier: MoneyView,
        /// The one less the other.
        profit: MoneyView,
    }
}

view! {
    /// Calls that go another way.
    ReplayMoveView {
        /// `refused`, `inside`, or the id of a trunk.
        from: String,
        /// The same, after the change.
        to: String,
        /// Calls.
        calls: u64,
    }
}

/// What of a resource is other.
struct RowChange {
    resource: String,
    id: i64,
    set: Map<String, Value>,
}

/// The order as it is sent.
pub(crate) struct ReplayForm {
    tenant: Option<i64>,
    from_us: i64,
    until_us: i64,
    rows: Vec<RowChange>,
    tariffs: Vec<(i64, u32)>,
}

impl Form for ReplayForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let wrong = |name: &str, what: &str| Problem::field(name, what);
        let mut all: Map<String, Value> =
            serde_json::from_slice(cx.body()).map_err(|_| wrong("body", "is no JSON object"))?;
        let lists = ["rows", "tariffs"].map(|name| match all.remove(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= CHANGES_MAX => Ok(items),
            Some(_) => Err(wrong(name, "is no list of at most 32")),
        });
        let [rows, tariffs] = lists;
        let rest = Value::Object(all).to_string();
        let mut members = Members::read(rest.as_bytes())?;
        let time = |name: &str, text: Option<String>| {
            let text = needed(name, text)?;
            parse_time(&text).ok_or_else(|| wrong(name, "is no time of RFC 3339"))
        };
        let from_us = time("from", members.text("from")?)?;
        let until_us = time("until", members.text("until")?)?;
        let tenant = members.id("tenant")?.flatten();
        members.end()?;
        if until_us <= from_us || until_us.saturating_sub(from_us) > SPAN_US_MAX {
            return Err(Problem::refused("until", "is not later than from, by at most 31 days"));
        }
        let rows = rows?.into_iter().map(row_change).collect::<Result<_, _>>()?;
        let tariffs = tariffs?.into_iter().map(draft).collect::<Result<_, _>>()?;
        Ok(ReplayForm { tenant, from_us, until_us, rows, tariffs })
    }

    fn describe(_: &mut Components) -> Value {
        let id = || json!({"type": "string", "pattern": ID});
        let time = || json!({"type": "string", "format": "date-time"});
        let row = object(&[
            ("resource", json!({"type": "string", "enum": RESOURCES}), "Whose row.", true),
            ("id", id(), "Which row.", true),
            ("set", json!({"type": "object"}), "Members that are other, as in a PATCH.", true),
        ]);
        let draft = object(&[
            ("tariff", id(), "Tariff.", true),
            ("revision", json!({"type": "integer", "minimum": 1}), "Number of a draft.", true),
        ]);
        let list = |items: Value| json!({"type": "array", "maxItems": CHANGES_MAX, "items": items});
        object(&[
            ("tenant", id(), "Whose calls, where there are several tenants.", false),
            ("from", time(), "Calls that ended then or later.", true),
            ("until", time(), "Calls that ended before, at most 31 days later.", true),
            ("rows", list(row), "Rows that are other.", false),
            ("tariffs", list(draft), "Drafts that count as if they were published.", false),
        ])
    }
}

const RESOURCES: [&str; 3] = ["routes", "trunks", "accounts"];

fn row_change(item: Value) -> Result<RowChange, Problem> {
    let wrong = || Problem::field("rows", "has an item without resource, id and set");
    let Value::Object(mut item) = item else { return Err(wrong()) };
    match (item.remove("resource"), item.remove("id"), item.remove("set")) {
        (Some(Value::String(resource)), Some(Value::String(id)), Some(Value::Object(set)))
            if item.is_empty() && RESOURCES.contains(&resource.as_str()) =>
        {
            let id = parse_id(&id).ok_or_else(wrong)?;
            Ok(RowChange { resource, id, set })
        }
        _ => Err(wrong()),
    }
}

fn draft(mut item: Value) -> Result<(i64, u32), Problem> {
    let wrong = || Problem::field("tariffs", "has an item without tariff and revision");
    make_integers(&mut item);
    let Value::Object(mut item) = item else { return Err(wrong()) };
    match (item.remove("tariff"), item.remove("revision").as_ref().and_then(Value::as_u64)) {
        (Some(Value::String(tariff)), Some(revision @ 1..)) if item.is_empty() => {
            let tariff = parse_id(&tariff).ok_or_else(wrong)?;
            let none = |_| Problem::refused("tariffs", "has a revision that is no draft");
            Ok((tariff, u32::try_from(revision).map_err(none)?))
        }
        _ => Err(wrong()),
    }
}

/// `POST /replays`
pub(crate) async fn begin(form: ReplayForm, cx: Context) -> Result<Accepted<ReplayView>, Problem> {
    let tenant = tenant(&cx, form.tenant).await?;
    let changes = changes(&cx, tenant, &form).await?;
    let (from_us, until_us) = (form.from_us, form.until_us);
    let order = ReplayOrder { tenant, from_us, until_us, changes };
    match cx.api.live.begin_replay(order).await? {
        Ok(standing) => Ok(Accepted(shown(&standing))),
        Err(ReplayRefusal::Busy) => Err(Problem::conflict("body", "another replay runs")),
        Err(ReplayRefusal::Unfit(why)) => Err(Problem::refused("rows", why)),
    }
}

/// `GET /replays`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<ReplayView>>, Problem> {
    let all = seen(&cx).await?;
    Ok(Json(Page::whole(all.iter().map(shown).collect())))
}

/// `GET /replays/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<ReplayView>, Problem> {
    let id: u64 = cx.id()?;
    let all = seen(&cx).await?;
    let found = all.iter().find(|standing| standing.id == id).ok_or_else(Problem::not_found)?;
    Ok(Json(shown(found)))
}

/// `DELETE /replays/{id}`
pub(crate) async fn end(cx: Context) -> Result<Done, Problem> {
    let id: u64 = cx.id()?;
    let is_seen = seen(&cx).await?.iter().any(|standing| standing.id == id);
    if !is_seen || !cx.api.live.end_replay(id).await? {
        return Err(Problem::not_found());
    }
    Ok(Done)
}

async fn seen(cx: &Context) -> Result<Vec<ReplayStanding>, Problem> {
    let mut all = cx.api.live.replays().await?;
    all.retain(|standing| cx.caller.scope.tenant().is_none_or(|own| own == standing.tenant));
    Ok(all)
}

/// The tenant that is named, else the only one.
async fn tenant(cx: &Context, named: Option<i64>) -> Result<TenantId, Problem> {
    if let (Some(own), None) = (cx.caller.scope.tenant(), named) {
        return Ok(own);
    }
    let all =
        cx.api.reader.rows::<strowger_model::Tenant>(cx.caller.scope, &[], None, PAGE).await?;
    let mut fitting = all.iter().filter(|row| named.is_none_or(|id| id == row.id.0));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only.id),
        (None, _) => Err(Problem::refused("tenant", "does not exist")),
        (Some(_), Some(_)) => Err(Problem::refused("tenant", "is missing, there are several")),
    }
}

/// What becomes of the world.
async fn changes(
    cx: &Context,
    tenant: TenantId,
    form: &ReplayForm,
) -> Result<Vec<Change>, Problem> {
    let mut changes = Vec::new();
    let mut routes: BTreeMap<i64, Route> = BTreeMap::new();
    for change in &form.rows {
        match change.resource.as_str() {
            "trunks" => {
                let row = patched::<Trunk>(cx, tenant, change).await?;
                changes.push(Change::Trunk(Box::new(row)));
            }
            "accounts" => {
                let row = patched::<Paying>(cx, tenant, change).await?;
                changes.push(Change::Account(row.row().clone()));
            }
            _ => {
                routes.insert(change.id, patched::<Route>(cx, tenant, change).await?);
            }
        }
    }
    if !routes.is_empty() {
        changes.push(Change::Routes(tenant, all_routes(cx, tenant, &routes).await?));
    }
    let mut seen = BTreeSet::new();
    for (tariff, revision) in &form.tariffs {
        if !seen.insert(*tariff) {
            return Err(Problem::refused("tariffs", "names a tariff twice"));
        }
        changes.push(with_draft(cx, tenant, TariffId(*tariff), *revision).await?);
    }
    Ok(changes)
}

/// A row as it would be.
async fn patched<R: Resource>(
    cx: &Context,
    tenant: TenantId,
    change: &RowChange,
) -> Result<R, Problem> {
    let gone =
        || Problem::refused("rows", format!("{} {} does not exist", change.resource, change.id));
    let row = cx.api.reader.row::<R::Row>(Scope::Tenant(tenant), change.id).await?;
    let old = R::of(row.ok_or_else(gone)?);
    let new = R::object().patch(&change.set, &old);
    new.map_err(|wrong| Problem::wrong("rows", wrong.at("set")))
}

async fn all_routes(
    cx: &Context,
    tenant: TenantId,
    changed: &BTreeMap<i64, Route>,
) -> Result<Vec<Route>, StoreError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = cx.api.reader.rows::<Route>(Scope::Tenant(tenant), &[], after, PAGE).await?;
        after = page.last().map(|route| route.id.0);
        if after.is_none() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|route| match changed.get(&route.id.0) {
            Some(other) => other.clone(),
            None => route,
        }));
    }
}

/// A tariff as it would be with a draft in force from the beginning of time.
async fn with_draft(
    cx: &Context,
    tenant: TenantId,
    id: TariffId,
    number: u32,
) -> Result<Change, Problem> {
    let gone = |what: String| Problem::refused("tariffs", format!("{what} does not exist"));
    let row = cx.api.reader.row::<Tariff>(Scope::Tenant(tenant), id.0).await?;
    let row = row.ok_or_else(|| gone(format!("tariff {}", id.0)))?;
    let revision = cx.api.reader.tariff_revision(id, number).await?;
    revision.ok_or_else(|| gone(format!("revision {number}")))?;
    Ok(Change::Tariff(row, cx.api.reader.rates_with(id, number).await?))
}

fn shown(standing: &ReplayStanding) -> ReplayView {
    let Replayed { lines, total, moves, unknown } = &standing.found;
    let (state, problem) = match &standing.state {
        ReplayState::Running => ("running", None),
        ReplayState::Done => ("done", None),
        ReplayState::Failed(why) => ("failed", Some(why.clone())),
    };
    let mut by_calls: Vec<_> = lines.iter().collect();
    by_calls.sort_by_key(|(_, line)| core::cmp::Reverse(line.calls));
    by_calls.truncate(SHOWN_MAX);
    let mut ways: Vec<_> = moves.iter().collect();
    ways.sort_by_key(|(_, calls)| core::cmp::Reverse(**calls));
    ways.truncate(SHOWN_MAX);
    let moved = |((from, to), calls): (&(Way, Way), &u64)| ReplayMoveView {
        from: way(*from),
        to: way(*to),
        calls: *calls,
    };
    ReplayView {
        id: standing.id.into(),
        tenant: standing.tenant.into(),
        from: Time(standing.from_us),
        until: Time(standing.until_us),
        state,
        problem,
        unknown: *unknown,
        total: line(None, total),
        destinations: by_calls
            .into_iter()
            .map(|(digits, found)| line(Some(digits.as_str().to_owned()), found))
            .collect(),
        moves: ways.into_iter().map(moved).collect(),
    }
}

fn way(way: Way) -> String {
    match way {
        Way::Refused => "refused".to_owned(),
        Way::Inside => "inside".to_owned(),
        Way::Trunk(id) => id.0.to_string(),
    }
}

fn line(destination: Option<String>, found: &ReplayLine) -> ReplayLineView {
    let [now, changed] = &found.decided;
    let currencies: BTreeSet<Currency> =
        found.recorded.keys().chain(now.keys()).chain(changed.keys()).copied().collect();
    let of = |currency: &Currency| {
        let in_it =
            |sums: &BTreeMap<Currency, Sides>| sums.get(currency).copied().unwrap_or_default();
        let [recorded, now, changed] = [in_it(&found.recorded), in_it(now), in_it(changed)];
        let difference = profit(changed).saturating_sub(profit(now));
        ReplayMoneyView {
            recorded: sides(recorded, *currency),
            now: sides(now, *currency),
            changed: sides(changed, *currency),
            difference: money(Amount(difference), *currency),
        }
    };
    ReplayLineView {
        destination,
        calls: found.calls,
        billable_ms: found.billable_ms,
        moved: found.moved,
        refused_now: found.refused[0],
        refused_changed: found.refused[1],
        money: currencies.iter().map(of).collect(),
    }
}

const fn profit(sides: Sides) -> i64 {
    sides.customer.saturating_sub(sides.supplier)
}

fn sides(sides: Sides, currency: Currency) -> ReplaySidesView {
    ReplaySidesView {
        customer: money(Amount(sides.customer), currency),
        supplier: money(Amount(sides.supplier), currency),
        profit: money(Amount(profit(sides)), currency),
    }
}
