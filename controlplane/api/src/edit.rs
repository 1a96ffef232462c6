//! One change of the configuration: a transaction, and the world that would be in force after it.
//!
//! A change is applied to the world first, by the same checks that compile uses, so that what is
//! committed always compiles. The world of the last change is remembered; it serves as long as
//! nobody else has written since.

use crate::problem::Problem;
use crate::shared::Shared;
use serde_json::Value;
use std::sync::Arc;
use strowger_model::{OrganizationId, TenantId};
use strowger_routing::{BuildError, Change, Problem as Unfit, RowName, Rows, World};
use strowger_store::{Actor, Change as LogEntry, ConfigRows, Scope, Writer};
use tokio::sync::MutexGuard;

/// The world after the newest change.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    change: i64,
    world: Arc<World>,
}

/// A change that is being made; dropped without [`Edit::commit`] it leaves nothing.
pub(crate) struct Edit<'a> {
    base: MutexGuard<'a, Option<Base>>,
    api: &'a Shared,
    pub(crate) w: Writer<'static>,
    /// The world as far as it is changed.
    pub(crate) world: Arc<World>,
    /// When.
    pub(crate) at_us: i64,
}

/// The rows of the configuration as routing takes them; listeners, names and logins are the
/// process's own. Here the listeners are added, for rows name them.
#[must_use]
pub fn world_rows(rows: ConfigRows) -> Rows {
    Rows {
        tenants: rows.tenants,
        organizations: rows.organizations,
        accounts: rows.accounts,
        subscribers: rows.subscribers,
        trunks: rows.trunks,
        tariffs: rows.tariffs,
        rates: rows.rates,
        routes: rows.routes,
        destinations: rows.destinations,
        emergencies: rows.emergencies,
        ring_groups: rows.ring_groups,
        dids: rows.dids,
        phonebook: rows.phonebook,
        bans: rows.bans,
        caller_rules: rows.caller_rules,
        number_lists: rows.number_lists,
        rules: rows.rules,
        settings: rows.settings,
        holidays: rows.holidays,
        exchange_rates: rows.exchange_rates,
        price_rules: rows.price_rules,
        ..Rows::default()
    }
}

/// Rows with what the process has beside them.
fn of_process(api: &Shared, rows: Rows) -> Rows {
    Rows { listeners: api.listeners.clone(), perimeter: api.perimeter.clone(), ..rows }
}

/// The world of all rows. A reader sees what the transaction that has the turn to write sees.
async fn whole(api: &Shared) -> Result<World, Problem> {
    let rows = of_process(api, world_rows(api.reader.config().await?));
    World::build(rows).map_err(|e| Problem::broken(&e.to_string()))
}

/// The same, with the price lists of a world before it of which nothing has changed.
async fn caught_up(known: &Base, api: &Shared) -> Result<World, Problem> {
    let held = known.world.tariffs().map(|tariff| tariff.id).collect();
    let newer = api.reader.newer_config(known.change, &held).await?;
    let rows = of_process(api, world_rows(newer.rows));
    match known.world.rebuilt(rows, &newer.kept) {
        Ok(world) => Ok(world),
        Err(_) => whole(api).await,
    }
}

/// The world as the database has it, to look at. That of the last change serves as long as nobody
/// has written since.
///
/// # Errors
/// As [`Edit::begin`].
pub(crate) async fn seen(api: &Shared) -> Result<Arc<World>, Problem> {
    let mut base = api.base.lock().await;
    // Read first: what is newer than this number is read again by whoever comes next.
    let change = api.reader.newest_change().await?;
    let world = match &*base {
        Some(known) if known.change == change => return Ok(Arc::clone(&known.world)),
        Some(known) => Arc::new(caught_up(known, api).await?),
        None => Arc::new(whole(api).await?),
    };
    *base = Some(Base { change, world: Arc::clone(&world) });
    Ok(world)
}

impl<'a> Edit<'a> {
    /// Begins a change; one is made at a time.
    ///
    /// # Errors
    /// The database, or a row in it that no change of ours can have written.
    pub(crate) async fn begin(api: &'a Shared) -> Result<Edit<'a>, Problem> {
        let base = api.base.lock().await;
        let mut w = api.store.write().await?;
        let newest = w.newest_change().await?;
        let world = match &*base {
            Some(known) if known.change == newest => Arc::clone(&known.world),
            Some(known) => Arc::new(caught_up(known, api).await?),
            None => Arc::new(whole(api).await?),
        };
        Ok(Edit { base, api, w, world, at_us: api.now_us() })
    }

    /// Applies a change to the world.
    ///
    /// # Errors
    /// [`BuildError`] names the row that does not fit.
    pub(crate) fn apply(&mut self, change: Change) -> Result<(), BuildError> {
        self.world = Arc::new(self.world.changed(change)?);
        Ok(())
    }

    /// Writes the change log and makes everything durable.
    ///
    /// # Errors
    /// The database; then nothing was changed.
    pub(crate) async fn commit(
        mut self,
        actor: &Actor,
        entries: &[LogEntry],
    ) -> Result<(), Problem> {
        let mut newest = None;
        for entry in entries {
            newest = Some(self.w.record_change(actor, entry).await?);
        }
        // If the commit fails, nobody knows whether it was done.
        *self.base = None;
        self.w.commit().await?;
        self.api.forget_settings();
        *self.base = newest.map(|change| Base { change, world: self.world });
        Ok(())
    }

    /// An entry of the change log.
    pub(crate) fn entry(
        &self,
        resource: &'static str,
        id: Option<i64>,
        (tenant, organization): (Option<TenantId>, Option<OrganizationId>),
        before: Option<Value>,
        after: Option<Value>,
    ) -> LogEntry {
        LogEntry { tenant, organization, resource, id, before, after, at_us: self.at_us }
    }
}

/// The problem of a row that does not fit. `document` is the row as the client sends it, `own` its
/// name, `at` what stands before the path (the place in an import).
pub(crate) fn unfit(
    error: &BuildError,
    own: Option<RowName>,
    document: &Value,
    scope: Scope,
    at: &str,
) -> Problem {
    if own.is_some_and(|own| own != error.row) {
        return Problem::conflict(at, format!("would break another row: {error}"));
    }
    let path = |name: &str| {
        let path = find_member(document, name).unwrap_or_else(|| in_json(name));
        if at.is_empty() { path } else { format!("{at}.{path}") }
    };
    // Values that are unique over all tenants say nothing of other tenants' rows.
    let sees_all = scope == Scope::All;
    let of_host = |field: &str| matches!(field, "realm" | "domains" | "sources" | "hosts");
    if let Unfit::Taken { field, by } = &error.problem {
        let detail = match sees_all || !of_host(field) {
            true => format!("is taken by {by}"),
            false => "is taken".to_owned(),
        };
        return Problem::conflict(&path(field), detail);
    }
    match &error.problem {
        Unfit::Missing(other) => {
            Problem::refused(&reference(document, *other, at), format!("{other} does not exist"))
        }
        Unfit::OtherTenant(other) => {
            let what = if sees_all { "belongs to another tenant" } else { "does not exist" };
            Problem::refused(&reference(document, *other, at), format!("{other} {what}"))
        }
        Unfit::TooMany { field, max } => {
            Problem::refused(&path(field), format!("has more than {max} entries"))
        }
        Unfit::OutOfRange { field } => Problem::refused(&path(field), "is out of range"),
        Unfit::Mismatch { field, other } => {
            Problem::refused(&path(field), format!("does not fit {other}"))
        }
        Unfit::Ring => Problem::refused(&path("parent"), error.problem.to_string()),
        Unfit::HeaderRule { at: rule, wrong } => {
            let path = if at.is_empty() { rule.clone() } else { format!("{at}.{rule}") };
            Problem::refused(&format!("{path}.{}", wrong.member), wrong.why.clone())
        }
        Unfit::Rule(wrong) => {
            let path = if at.is_empty() { wrong.at.clone() } else { format!("{at}.{}", wrong.at) };
            Problem::refused(&path, wrong.why.clone())
        }
        other @ (Unfit::Taken { .. } | Unfit::Terms(_) | Unfit::DictionaryFull) => {
            Problem::refused(at, other.to_string())
        }
    }
}

/// The name of a row's field in JSON, where durations are in milliseconds.
fn in_json(field: &str) -> String {
    match field.strip_suffix("_s") {
        Some(stem) => format!("{stem}_ms"),
        None => field.replace("_s_", "_ms_"),
    }
}

/// The path of the first member with this name, as a field of the row or of JSON.
fn find_member(document: &Value, field: &str) -> Option<String> {
    let name = in_json(field);
    // A DID's only number is one of the numbers of the world, and a group is dialled by its name.
    let other = match field {
        "numbers" => "number",
        "username" => "name",
        _ => field,
    };
    let first = |wanted: &[&str]| {
        let mut found = None;
        walk(document, "", &mut |path, last, _| {
            if found.is_none() && wanted.contains(&last) {
                found = Some(path.to_owned());
            }
        });
        found
    };
    first(&[&name, field]).or_else(|| first(&[other]))
}

/// The path of the member that names `other`.
fn reference(document: &Value, other: RowName, at: &str) -> String {
    let text = other.to_string();
    let mut found = String::new();
    for (path, kind, id) in references(document) {
        if found.is_empty() && text == format!("{kind} {id}") {
            found = path;
        }
    }
    match (at, found.as_str()) {
        ("", _) => found,
        (at, "") => at.to_owned(),
        (at, found) => format!("{at}.{found}"),
    }
}

/// Every reference in a document: its path, the kind of row in words, its id.
pub(crate) fn references(document: &Value) -> Vec<(String, &'static str, i64)> {
    let mut all = Vec::new();
    walk(document, "", &mut |path, name, value| {
        let kind = match name {
            "tenant" => "tenant",
            "organization" | "parent" => "organization",
            "account" | "agent" => "account",
            "subscriber" => "subscriber",
            "trunk" | "trunks" => "trunk",
            "ring_group" => "ring group",
            "tariff" => "tariff",
            "did" => "DID",
            _ => return,
        };
        if let Some(id) = value.as_str().and_then(|text| text.parse().ok()) {
            all.push((path.to_owned(), kind, id));
        }
    });
    all
}

/// Visits every member, with its path, its name (of the list, for an element) and its value.
fn walk(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                visit(&path, name, member);
                walk_list(member, &path, name, visit);
                walk(member, &path, visit);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{place}]"), visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Elements that are plain values go by the name of their list.
fn walk_list(value: &Value, path: &str, name: &str, visit: &mut dyn FnMut(&str, &str, &Value)) {
    let Value::Array(items) = value else { return };
    for (place, item) in items.iter().enumerate().filter(|(_, item)| item.is_string()) {
        visit(&format!("{path}[{place}]"), name, item);
    }
}
