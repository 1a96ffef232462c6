//! What there is to set, what counts where, and where the names of the source went.

use crate::cursor;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::Id;
use strowger_model::{
    Account, AccountId, Depth, Disposition, SETTINGS, Setting, SettingKind, SettingReader,
    SettingRow, SourceName, Subscriber, SubscriberId, TenantId, print_setting, source_names,
};
use strowger_routing::Settings;
use strowger_store::{Cell, Scope};

const DEFINITIONS: &str = "setting-definitions";
const SOURCES: &str = "source-settings";

/// Dispositions of names of the source.
const DISPOSITIONS: &[&str] = &["mapped", "superseded", "refused", "pending", "meaningless"];
/// Places of settings.
const DEPTHS: &[&str] = &["system", "tenant", "account", "subscriber"];

/// Only of this category.
pub(crate) static CATEGORY: Filter = Filter::text("category");
/// Only of this name.
pub(crate) static NAME: Filter = Filter::text("name");
/// Only what may be set as narrow as this.
pub(crate) static DEPTH: Filter = Filter::word("depth", DEPTHS);
/// What counts for this tenant.
pub(crate) static TENANT: Filter = Filter::id("tenant", "tenant");
/// What counts for this account.
pub(crate) static ACCOUNT: Filter = Filter::id("account", "account");
/// What counts for this subscriber.
pub(crate) static SUBSCRIBER: Filter = Filter::id("subscriber", "subscriber");
/// Only what became of names like this.
pub(crate) static DISPOSITION: Filter = Filter::word("disposition", DISPOSITIONS);
/// Only what this name of the source became.
pub(crate) static SOURCE_NAME: Filter = Filter::text("source_name");

view! {
    /// A setting: what it is, and what counts at the place that was asked for.
    SettingDefinitionView {
        /// Category and name with a point between.
        path: String,
        /// Group of settings.
        category: &'static str,
        /// Name in its group; a unit stands last.
        name: &'static str,
        /// What it does, and what `auto` means.
        description: String,
        /// `flag`, `whole`, `milliseconds`, `word`, `number`, `statuses` or `price`.
        r#type: &'static str,
        /// What its values are, in words.
        values: String,
        /// Least value of a number.
        least: Option<u64>,
        /// Greatest value of a number.
        most: Option<u64>,
        /// Its words.
        words: Vec<&'static str>,
        /// It may be `auto`.
        auto: bool,
        /// The narrowest place where it may be set.
        depth: &'static str,
        /// Who acts by it: `routing`, `rest` or `control`.
        reader: &'static str,
        /// Names of the source that became it.
        source: Vec<&'static str>,
        /// Its value when nobody set it.
        default: String,
        /// Its value at the place.
        value: String,
        /// Where that was set: `default`, or a place.
        set_at: &'static str,
        /// The row of `settings` that says so; null for the default.
        setting: Option<Id>,
    }
}

view! {
    /// A setting of the source, and where it went.
    SourceSettingView {
        /// Category there; `prose` when it is named without one.
        category: &'static str,
        /// Name, as the source spells it.
        name: &'static str,
        /// `mapped`, `superseded`, `refused`, `pending` or `meaningless`.
        disposition: &'static str,
        /// `setting`, `field` (of a resource) or `key` (of the configuration file); null when it
        /// went nowhere.
        kind: Option<&'static str>,
        /// What it is called there.
        target: Option<&'static str>,
        /// Why, or what differs; may be empty for what is mapped.
        reason: &'static str,
    }
}

/// A place of which is asked what counts there.
#[derive(Clone, Copy, Default)]
struct Place {
    tenant: Option<TenantId>,
    account: Option<AccountId>,
    subscriber: Option<SubscriberId>,
}

/// What a query says under a name.
fn wanted<'q>(cx: &'q Context, column: &str) -> Option<&'q Cell> {
    cx.query.wanted.iter().find(|wanted| wanted.column == column).map(|wanted| &wanted.value)
}

fn text<'q>(cx: &'q Context, column: &str) -> Option<&'q str> {
    match wanted(cx, column)? {
        Cell::Text(text) => text.as_deref(),
        Cell::Int(_) => None,
    }
}

fn id(cx: &Context, column: &str) -> Option<i64> {
    match wanted(cx, column)? {
        Cell::Int(id) => *id,
        Cell::Text(_) => None,
    }
}

/// The place of a query, as far as the caller sees it.
async fn place(cx: &Context) -> Result<Place, Problem> {
    let scope = cx.caller.scope;
    let mut place = Place { tenant: scope.tenant(), ..Place::default() };
    let gone =
        |field: &str, id: i64| Problem::refused(field, format!("{field} {id} does not exist"));
    if let Some(tenant) = id(cx, "tenant") {
        let sees = scope == Scope::All || scope.tenant() == Some(TenantId(tenant));
        place.tenant = Some(TenantId(tenant)).filter(|_| sees);
        place.tenant.ok_or_else(|| gone("tenant", tenant))?;
    }
    let mut owner = None;
    if let Some(account) = id(cx, "account") {
        let row = cx.api.reader.row::<Account>(scope, account).await?;
        let row = row.ok_or_else(|| gone("account", account))?;
        (place.account, owner) = (Some(row.id), Some(row.tenant));
    }
    if let Some(subscriber) = id(cx, "subscriber") {
        let row = cx.api.reader.row::<Subscriber>(scope, subscriber).await?;
        let row = row.ok_or_else(|| gone("subscriber", subscriber))?;
        if place.account.is_some_and(|account| account != row.account) {
            return Err(Problem::refused("subscriber", "is not of that account"));
        }
        place.account = Some(row.account);
        (place.subscriber, owner) = (Some(row.id), Some(row.tenant));
    }
    match (place.tenant, owner) {
        (Some(tenant), Some(owner)) if tenant != owner => {
            Err(Problem::refused("tenant", "is not that of the account or subscriber"))
        }
        (tenant, owner) => Ok(Place { tenant: owner.or(tenant), ..place }),
    }
}

fn bounds(kind: SettingKind) -> (Option<u64>, Option<u64>, Vec<&'static str>) {
    match kind {
        SettingKind::Whole(least, most) | SettingKind::Millis(least, most, _) => {
            (u64::try_from(least).ok(), u64::try_from(most).ok(), Vec::new())
        }
        SettingKind::Word(words) | SettingKind::Words(words) => (None, None, words.to_vec()),
        SettingKind::Flag
        | SettingKind::Number
        | SettingKind::Statuses
        | SettingKind::Price
        | SettingKind::Sum
        | SettingKind::Codecs
        | SettingKind::Programs => (None, None, Vec::new()),
    }
}

const fn reader(reader: SettingReader) -> &'static str {
    match reader {
        SettingReader::Routing => "routing",
        SettingReader::Rest => "rest",
        SettingReader::Control => "control",
    }
}

fn view(cx: &Context, setting: &Setting, settings: &Settings, at: Place) -> SettingDefinitionView {
    let row = settings.row_in_force(setting, (at.tenant, at.account, at.subscriber));
    let (least, most, words) = bounds(setting.kind);
    let default = print_setting(setting.default().as_ref());
    let set_at = row.and_then(SettingRow::depth).map_or("default", Depth::name);
    // The row of the switch is nobody's but the host's.
    let seen = row.filter(|row| row.tenant.is_some() || cx.caller.scope == Scope::All);
    SettingDefinitionView {
        path: setting.path(),
        category: setting.category,
        name: setting.name,
        description: setting.doc.trim().to_owned(),
        r#type: setting.kind.name(),
        values: setting.kind.to_string(),
        least,
        most,
        words,
        auto: setting.auto,
        depth: setting.depth.name(),
        reader: reader(setting.reader),
        source: setting.source.to_vec(),
        value: row.map_or_else(|| default.clone(), |row| row.value.clone()),
        default,
        set_at,
        setting: seen.map(|row| Id::from(row.id.0)),
    }
}

/// `GET /setting-definitions`
pub(crate) async fn definitions(cx: Context) -> Result<Json<Page<SettingDefinitionView>>, Problem> {
    let at = place(&cx).await?;
    let settings = Settings::build(cx.api.reader.settings().await?);
    let after = cursor::decode(DEFINITIONS, cx.query.next.as_deref())?;
    let is = |text: Option<&str>, own: &str| text.is_none_or(|text| own.eq_ignore_ascii_case(text));
    let depth = text(&cx, "depth").and_then(|word| Depth::ALL.iter().find(|d| d.name() == word));
    let is_meant = |setting: &Setting| {
        let by_source = text(&cx, "source_name")
            .is_none_or(|name| setting.source.iter().any(|own| own.eq_ignore_ascii_case(name)));
        is(text(&cx, "category"), setting.category)
            && is(text(&cx, "name"), setting.name)
            && depth.is_none_or(|depth| *depth <= setting.depth)
            && by_source
    };
    let numbered = (0i64..).zip(SETTINGS).filter(|(n, _)| after.is_none_or(|after| *n > after));
    let rows: Vec<(i64, &Setting)> =
        numbered.filter(|(_, setting)| is_meant(setting)).take(cx.rows()).collect();
    let show = |(_, setting): &(i64, &Setting)| view(&cx, setting, &settings, at);
    let key = |(number, _): &(i64, &Setting)| cursor::encode(DEFINITIONS, *number);
    Ok(Json(Page::cut(rows, cx.query.limit, show, key)))
}

/// `GET /setting-definitions/{name}`
pub(crate) async fn definition(cx: Context) -> Result<Json<SettingDefinitionView>, Problem> {
    let (category, name) = cx.word().split_once('.').ok_or_else(Problem::not_found)?;
    let setting = Setting::find(category, name).ok_or_else(Problem::not_found)?;
    let at = place(&cx).await?;
    let settings = Settings::build(cx.api.reader.settings().await?);
    Ok(Json(view(&cx, setting, &settings, at)))
}

fn source_view(entry: &SourceName) -> SourceSettingView {
    let (kind, target) = entry.target.parts().unzip();
    SourceSettingView {
        category: entry.category,
        name: entry.name,
        disposition: entry.disposition.name(),
        kind,
        target,
        reason: entry.reason,
    }
}

/// `GET /source-settings`
pub(crate) async fn sources(cx: Context) -> Result<Json<Page<SourceSettingView>>, Problem> {
    let after = cursor::decode(SOURCES, cx.query.next.as_deref())?;
    let disposition = text(&cx, "disposition").and_then(Disposition::parse);
    let is = |text: Option<&str>, own: &str| text.is_none_or(|text| own.eq_ignore_ascii_case(text));
    let is_meant = |entry: &SourceName| {
        is(text(&cx, "category"), entry.category)
            && is(text(&cx, "name"), entry.name)
            && disposition.is_none_or(|wanted| wanted == entry.disposition)
    };
    let numbered = (0i64..).zip(source_names());
    let behind = numbered.filter(|(n, _)| after.is_none_or(|after| *n > after));
    let rows: Vec<(i64, SourceName)> =
        behind.filter(|(_, entry)| is_meant(entry)).take(cx.rows()).collect();
    let key = |(number, _): &(i64, SourceName)| cursor::encode(SOURCES, *number);
    Ok(Json(Page::cut(rows, cx.query.limit, |(_, entry)| source_view(entry), key)))
}

/// `GET /source-settings/{name}`: every category that has the name.
pub(crate) async fn source(cx: Context) -> Result<Json<Page<SourceSettingView>>, Problem> {
    let is_it = |entry: &SourceName| entry.name.eq_ignore_ascii_case(cx.word());
    let found: Vec<_> = source_names().filter(is_it).map(|entry| source_view(&entry)).collect();
    if found.is_empty() { Err(Problem::not_found()) } else { Ok(Json(Page::whole(found))) }
}
