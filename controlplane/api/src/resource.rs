//! Resources of the configuration: list, create, read, change, delete, import; the same for all.
//!
//! A resource says what its fields are ([`Object`]), which rows of the database it is, and what is
//! its own. What a change would do to the world is checked before it is committed ([`Edit`]).

mod account;
mod ban;
mod caller_rule;
mod did;
mod did_pool;
mod direction;
mod login;
mod number_list;
mod organization;
mod password;
mod phonebook;
mod price_rule;
mod radius;
mod ring_group;
mod route;
mod rule;
mod setting;
mod subscriber;
mod tariff;
mod tenant;
mod trunk;
mod worth;

pub(crate) use account::Paying;
pub(crate) use ban::BanSeen;
pub(crate) use did::DidSeen;
pub(crate) use did_pool::{reserve, reserve_form, reserve_responses};
pub(crate) use login::Login;
pub use radius::radius_secret_place;
pub(crate) use subscriber::{credentials, credentials_form, credentials_responses};
pub(crate) use tenant::decimal;

use crate::codec::parse_id;
use crate::cursor;
use crate::dispatch::{Context, KEY};
use crate::edit::{Edit, references, unfit};
use crate::field::{Mode, Object, Shaped, Use, Wrong, merge};
use crate::limits::BULK_ROWS_MAX;
use crate::problem::Problem;
use crate::query::{Filter, Query};
use crate::reply::{Answer, JSON, Page};
use crate::shape::Components;
use crate::table::{Pending, ROOT, Responses};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use std::pin::Pin;
use strowger_model::{OrganizationId, Right, TenantId};
use strowger_routing::{Change, RowName, World};
use strowger_store::{
    AnsweredRequest, Cell, ConfigRow, How, LIST_MAX, Scope, StoreError, Wanted, Writer,
};

/// What a resource gives that takes time.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// The row above a row: the column and the member that name it, and its id.
#[derive(Clone, Copy)]
pub(crate) struct Parent {
    pub(crate) column: &'static str,
    pub(crate) member: &'static str,
    pub(crate) id: i64,
}

/// A kind of row that is configured.
pub(crate) trait Resource: Clone + Send + Sync + Sized + 'static {
    /// The row in the database.
    type Row: ConfigRow;
    /// Its name in paths and in the change log.
    const PATH: &'static str;
    /// What lists can be narrowed to.
    const FILTERS: &'static [Filter] = &[];
    /// The variable part of paths that is its id.
    const ID: &'static str = "id";

    /// Members that a copy does not take over, because only one row can have them: `name`, or
    /// `name.member`.
    const OWN: &'static [&'static str] = &[];

    /// Its fields.
    fn object() -> &'static Object<Self>;
    /// The resource of a row.
    fn of(row: Self::Row) -> Self;
    /// The row of the resource.
    fn row(&self) -> &Self::Row;
    /// Gives a new one its id.
    fn set_id(&mut self, id: i64);
    /// To whom it belongs.
    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>);
    /// Its name in the world; `None` when the world does not hold it.
    fn name(&self) -> Option<RowName>;

    /// What becomes of the world when it is new or changed, by this row alone; `None` when that
    /// takes more ([`Resource::world`]) or the world does not hold it.
    fn change(&self) -> Option<Change> {
        None
    }

    /// What becomes of the world with rows that are new, changed, or gone. The database does not
    /// have the change yet.
    fn world<'a>(
        _w: &'a mut Writer<'static>,
        rows: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        let change = move |row: &Self| match is_gone {
            true => row.name().map(Change::Remove),
            false => row.change(),
        };
        Box::pin(async move { Ok(rows.iter().filter_map(change).collect()) })
    }

    /// Makes whole what fields alone cannot: secrets, and rules over several fields.
    ///
    /// # Errors
    /// A problem that names the field.
    fn prepare(&mut self, _draft: &Draft<'_, Self>) -> Result<(), Problem> {
        Ok(())
    }

    /// Whether who has this scope may delete it.
    ///
    /// # Errors
    /// A problem that says why not.
    fn check_removal(&self, _scope: Scope, _world: &World) -> Result<(), Problem> {
        Ok(())
    }

    /// Other rows of the world that a change of this one may break.
    fn dependents(&self, _world: &World) -> Vec<Change> {
        Vec::new()
    }

    /// Writes a new row.
    fn insert<'a>(&'a self, w: &'a mut Writer<'static>) -> Later<'a, ()> {
        Box::pin(async move { Ok(w.insert(self.row()).await?) })
    }

    /// Writes a row that has changed.
    fn update<'a>(&'a self, _before: &'a Self, w: &'a mut Writer<'static>) -> Later<'a, ()> {
        Box::pin(async move { Ok(w.update(self.row()).await.map(|_| ())?) })
    }

    /// Deletes what belongs to a row alone, before the row.
    fn forget<'a>(&'a self, _w: &'a mut Writer<'static>) -> Later<'a, ()> {
        Box::pin(async move { Ok(()) })
    }

    /// Whether a row is wanted by what runs now, which the database does not know.
    fn is_wanted(&self, _query: &Query) -> bool {
        true
    }

    /// Adds what runs now to rows that are shown.
    fn enliven<'a>(_cx: &'a Context, rows: Vec<Self>) -> Later<'a, Vec<Self>> {
        Box::pin(async move { Ok(rows) })
    }

    /// The row above, of the path.
    fn parent(_cx: &Context) -> Later<'_, Option<Parent>> {
        Box::pin(async { Ok(None) })
    }

    /// Its path.
    fn location(&self) -> String {
        format!("{ROOT}/{}/{}", Self::PATH, self.row().id())
    }
}

/// A row that is being made or changed.
pub(crate) struct Draft<'a, R> {
    /// The row before; `None` for a new one.
    pub(crate) before: Option<&'a R>,
    /// What the client sent.
    pub(crate) given: &'a Map<String, Value>,
    /// The world before the change.
    pub(crate) world: &'a World,
    /// What the client may touch.
    pub(crate) scope: Scope,
    /// What is withheld from the client.
    pub(crate) withheld: &'a [Right],
    /// Seals secrets.
    pub(crate) sealer: &'a strowger_store::Sealer,
    /// When.
    pub(crate) at_us: i64,
}

/// Partners are organizations of the tenant, and the tenant's to say: who sees one organization of
/// it must not widen whom it reaches.
fn check_partners<R>(
    draft: &Draft<'_, R>,
    (tenant, partners): (TenantId, &[OrganizationId]),
    before: Option<&[OrganizationId]>,
    field: &str,
) -> Result<(), Problem> {
    if partners == before.unwrap_or_default() {
        return Ok(());
    }
    if !matches!(draft.scope, Scope::All | Scope::Tenant(_)) {
        return Err(Problem::refused(field, "is set by who sees the whole tenant"));
    }
    for (place, id) in partners.iter().enumerate() {
        if draft.world.organization(*id).is_none_or(|row| row.tenant != tenant) {
            let path = format!("{field}[{place}]");
            return Err(Problem::refused(&path, format!("organization {id} does not exist")));
        }
    }
    Ok(())
}

/// The version of a row: what a client can set of it, as a hash. Secrets are left out of it: from
/// the hash of a weak one it could be guessed.
fn version<R: Resource>(row: &R) -> String {
    let document = Value::Object(R::object().document(row)).to_string();
    hex(digest(&SHA256, document.as_bytes()).as_ref(), 16)
}

fn hex(bytes: &[u8], count: usize) -> String {
    bytes.iter().take(count).map(|byte| format!("{byte:02x}")).collect()
}

fn answer(status: StatusCode, body: &Value) -> Answer {
    Answer { status, media: JSON, body: body.to_string().into(), headers: Vec::new() }
}

fn header(name: HeaderName, value: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    Ok((name, HeaderValue::try_from(value).map_err(|_| Problem::internal())?))
}

fn tagged(mut answer: Answer, version: &str) -> Result<Answer, Problem> {
    answer.headers.push(header(header::ETAG, &format!("\"{version}\""))?);
    Ok(answer)
}

/// A wrong member, `at` some place of an import.
fn wrong(wrong: Wrong, at: &str) -> Problem {
    let path = match (at, wrong.path.as_str()) {
        ("", "") => "body".to_owned(),
        ("", path) => path.to_owned(),
        (at, "") => at.to_owned(),
        (at, path) => format!("{at}.{path}"),
    };
    Problem::wrong(&path, wrong)
}

/// The object of the body.
fn body(cx: &Context) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(cx.body()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Problem::field("body", "is no JSON object")),
        Err(_) => Err(Problem::field("body", "is no JSON")),
    }
}

/// `GET /X`
pub(crate) fn list<R: Resource>(cx: Context) -> Pending {
    Box::pin(async move {
        let after = cursor::decode(R::PATH, cx.query.next.as_deref())?;
        let mut wanted: Vec<Wanted> = cx.query.wanted.clone();
        if let Some(parent) = R::parent(&cx).await? {
            let value = Cell::from(parent.id);
            wanted.push(Wanted { column: parent.column, how: How::Equals, value });
        }
        let view = |row: &R| Value::Object(R::object().view(row));
        let key = |row: &R| cursor::encode(R::PATH, row.row().id());
        if wanted.iter().any(|wanted| wanted.how == How::Live) {
            let (rows, next) = looked_through::<R>(&cx, &wanted, after).await?;
            let next = next.map(|id| cursor::encode(R::PATH, id));
            return Answer::json(StatusCode::OK, &Page::of(rows.iter().map(view).collect(), next));
        }
        let rows = cx.api.reader.rows::<R::Row>(cx.caller.scope, &wanted, after, cx.query.rows());
        let rows = rows.await?.into_iter().map(R::of).collect();
        let rows = R::enliven(&cx, rows).await?;
        let page = Page::cut(rows, cx.query.limit, view, key);
        Answer::json(StatusCode::OK, &page)
    })
}

/// Rows that one page looks through for those that what runs now picks.
const LOOKED_MAX: usize = 10_000;

/// A page of rows that what runs now picks, with the id behind which the next page begins. It may
/// have fewer rows than were asked for, and none, where many had to be looked at.
async fn looked_through<R: Resource>(
    cx: &Context,
    wanted: &[Wanted],
    mut after: Option<i64>,
) -> Result<(Vec<R>, Option<i64>), Problem> {
    let most = usize::try_from(cx.query.limit).unwrap_or(usize::MAX);
    let mut picked = Vec::new();
    for _ in 0..LOOKED_MAX.div_ceil(LIST_MAX as usize) {
        let reader = &cx.api.reader;
        let rows = reader.rows::<R::Row>(cx.caller.scope, wanted, after, LIST_MAX).await?;
        let is_last = rows.len() < LIST_MAX as usize;
        for row in R::enliven(cx, rows.into_iter().map(R::of).collect()).await? {
            let id = row.row().id();
            if row.is_wanted(&cx.query) {
                if picked.len() == most {
                    return Ok((picked, after));
                }
                picked.push(row);
            }
            after = Some(id);
        }
        if is_last {
            return Ok((picked, None));
        }
    }
    Ok((picked, after))
}

/// A row that is under the parent of the path, if there is one.
fn is_under(parent: Option<Parent>, document: &Map<String, Value>) -> bool {
    parent.is_none_or(|parent| {
        document.get(parent.member).and_then(Value::as_str) == Some(&parent.id.to_string())
    })
}

/// `GET /X/{id}`
pub(crate) fn one<R: Resource>(cx: Context) -> Pending {
    Box::pin(async move {
        let parent = R::parent(&cx).await?;
        let row = cx.api.reader.row::<R::Row>(cx.caller.scope, cx.number(R::ID)?).await?;
        let row = R::of(row.ok_or_else(Problem::not_found)?);
        if !is_under(parent, &R::object().document(&row)) {
            return Err(Problem::not_found());
        }
        shown(&cx, row, StatusCode::OK).await
    })
}

async fn shown<R: Resource>(cx: &Context, row: R, status: StatusCode) -> Result<Answer, Problem> {
    let version = version(&row);
    let mut rows = R::enliven(cx, vec![row]).await?;
    let row = rows.pop().ok_or_else(Problem::internal)?;
    tagged(answer(status, &Value::Object(R::object().view(&row))), &version)
}

/// `POST /X`
pub(crate) fn create<R: Resource>(cx: Context) -> Pending {
    Box::pin(async move {
        let given = body(&cx)?;
        let parent = R::parent(&cx).await?;
        let mut edit = Edit::begin(&cx.api).await?;
        if let Some(answer) = answered_before::<R>(&cx, &mut edit).await? {
            return Ok(answer);
        }
        let row = draft::<R>(&cx, &mut edit, given, parent, "").await?;
        fit::<R>(&cx, &mut edit, std::slice::from_ref(&row), &|_| String::new()).await?;
        row.insert(&mut edit.w).await?;
        edit.w.stamp::<R::Row>(row.row().id(), edit.at_us).await?;
        let view = Value::Object(R::object().view(&row));
        let entry =
            edit.entry(R::PATH, Some(row.row().id()), row.owner(), None, Some(view.clone()));
        let (location, version) = (row.location(), version(&row));
        remember(&cx, &mut edit, &json!([location, version, view])).await?;
        edit.commit(&cx.actor(), &[entry]).await?;
        let mut answer = shown(&cx, row, StatusCode::CREATED).await?;
        answer.headers.push(header(header::LOCATION, &location)?);
        Ok(answer)
    })
}

/// Makes a new row of what was given; neither world nor database know it yet.
async fn draft<R: Resource>(
    cx: &Context,
    edit: &mut Edit<'_>,
    mut given: Map<String, Value>,
    parent: Option<Parent>,
    at: &str,
) -> Result<R, Problem> {
    let object = R::object();
    let is_set = |mode| !matches!(mode, Mode::Shown);
    let has =
        |name: &str| object.fields.iter().any(|field| field.name == name && is_set(field.mode));
    if let Some(parent) = parent {
        let own = json!(parent.id.to_string());
        match given.insert(parent.member.to_owned(), own.clone()) {
            Some(other) if other != own => {
                let is_id = other.as_str().and_then(parse_id).is_some();
                let problem = if is_id { Problem::refused } else { Problem::field };
                return Err(problem(parent.member, "is not that of the path"));
            }
            Some(_) | None => {}
        }
    }
    if let (true, Some(tenant)) = (has("tenant"), cx.caller.scope.tenant()) {
        given.entry("tenant").or_insert_with(|| json!(tenant.0.to_string()));
    }
    let mut row = object.take(&given, None).map_err(|w| wrong(w, at))?;
    row.set_id(edit.w.next_id::<R::Row>().await?);
    let draft = Draft {
        before: None,
        given: &given,
        world: &edit.world,
        scope: cx.caller.scope,
        withheld: &cx.caller.withheld,
        sealer: &cx.api.sealer,
        at_us: edit.at_us,
    };
    row.prepare(&draft).map_err(|problem| problem.within(at))?;
    in_scope(cx.caller.scope, &Value::Object(object.document(&row)), &edit.world)
        .map_err(|problem| problem.within(at))?;
    Ok(row)
}

/// Checks rows that are written against the world; `at` is the place of each in an import.
async fn fit<R: Resource>(
    cx: &Context,
    edit: &mut Edit<'_>,
    rows: &[R],
    at: &(dyn Fn(usize) -> String + Send + Sync),
) -> Result<(), Problem> {
    for change in R::world(&mut edit.w, rows, false).await? {
        if let Err(error) = edit.apply(change) {
            let place = rows.iter().position(|row| row.name() == Some(error.row));
            let place = place.unwrap_or(0);
            let Some(row) = rows.get(place) else { return Err(Problem::internal()) };
            let document = Value::Object(R::object().document(row));
            return Err(unfit(&error, row.name(), &document, cx.caller.scope, &at(place)));
        }
    }
    Ok(())
}

/// `PATCH /X/{id}`
pub(crate) fn change<R: Resource>(cx: Context) -> Pending {
    Box::pin(async move {
        let given = body(&cx)?;
        let parent = R::parent(&cx).await?;
        let mut edit = Edit::begin(&cx.api).await?;
        let before = meant::<R>(&cx, &mut edit, parent).await?;
        let object = R::object();
        let mut row = object.patch(&given, &before).map_err(|w| wrong(w, ""))?;
        let draft = Draft {
            before: Some(&before),
            given: &given,
            world: &edit.world,
            scope: cx.caller.scope,
            withheld: &cx.caller.withheld,
            sealer: &cx.api.sealer,
            at_us: edit.at_us,
        };
        row.prepare(&draft)?;
        let document = Value::Object(object.document(&row));
        in_scope(cx.caller.scope, &document, &edit.world)?;
        fit::<R>(&cx, &mut edit, std::slice::from_ref(&row), &|_| String::new()).await?;
        for change in row.dependents(&edit.world) {
            edit.apply(change)
                .map_err(|e| unfit(&e, row.name(), &document, cx.caller.scope, ""))?;
        }
        row.update(&before, &mut edit.w).await?;
        let entry = {
            let (old, new) = (object.view(&before), with_marks::<R>(object.view(&row), &given));
            let id = Some(row.row().id());
            edit.entry(R::PATH, id, row.owner(), Some(old.into()), Some(new.into()))
        };
        edit.commit(&cx.actor(), &[entry]).await?;
        shown(&cx, row, StatusCode::OK).await
    })
}

/// A view for the change log in which a secret that was set leaves its mark.
fn with_marks<R: Resource>(
    mut view: Map<String, Value>,
    given: &Map<String, Value>,
) -> Map<String, Value> {
    let secrets = R::object().fields.iter().filter(|field| field.mode.is_secret());
    for field in secrets.filter(|field| given.contains_key(field.name)) {
        view.insert(field.name.to_owned(), json!(strowger_store::Secret::default()));
    }
    view
}

/// The row that a change is meant for, in the version that it is meant for.
async fn meant<R: Resource>(
    cx: &Context,
    edit: &mut Edit<'_>,
    parent: Option<Parent>,
) -> Result<R, Problem> {
    let row = edit.w.row::<R::Row>(cx.caller.scope, cx.number(R::ID)?).await?;
    let row = R::of(row.ok_or_else(Problem::not_found)?);
    if !is_under(parent, &R::object().document(&row)) {
        return Err(Problem::not_found());
    }
    if cx.version()? == version(&row) { Ok(row) } else { Err(Problem::other_version()) }
}

/// `DELETE /X/{id}`
pub(crate) fn remove<R: Resource>(cx: Context) -> Pending {
    Box::pin(async move {
        let parent = R::parent(&cx).await?;
        let mut edit = Edit::begin(&cx.api).await?;
        let row = meant::<R>(&cx, &mut edit, parent).await?;
        row.check_removal(cx.caller.scope, &edit.world)?;
        let id = row.row().id();
        if let Some(other) = edit.w.referrer::<R::Row>(id).await? {
            let detail = format!("{} {} refers to it", other.kind, other.id);
            return Err(Problem::conflict("id", detail));
        }
        for change in R::world(&mut edit.w, std::slice::from_ref(&row), true).await? {
            edit.apply(change).map_err(|e| Problem::conflict("id", e.to_string()))?;
        }
        row.forget(&mut edit.w).await?;
        match edit.w.delete::<R::Row>(id).await {
            Ok(_) => {}
            Err(StoreError::Refused { .. }) => {
                return Err(Problem::conflict("id", "other rows refer to it"));
            }
            Err(error) => return Err(error.into()),
        }
        let view = Value::Object(R::object().view(&row));
        let entry = edit.entry(R::PATH, Some(id), row.owner(), Some(view), None);
        edit.commit(&cx.actor(), &[entry]).await?;
        let body = bytes::Bytes::new();
        Ok(Answer { status: StatusCode::NO_CONTENT, media: "", body, headers: Vec::new() })
    })
}

/// `POST /X/bulk`: all rows or none.
pub(crate) fn import<R: Resource>(cx: Context) -> Pending {
    Box::pin(async move {
        let (name, items) = import_of(body(&cx)?)?;
        let mut edit = Edit::begin(&cx.api).await?;
        if let Some(answer) = answered_before::<R>(&cx, &mut edit).await? {
            return Ok(answer);
        }
        make_all::<R>(&cx, edit, items, json!({"import": name})).await
    })
}

/// `POST /X/{id}/copies`: many like one, all or none. Each entry is a merge patch for the row that
/// is copied, without what only one row can have.
pub(crate) fn copy<R: Resource>(cx: Context) -> Pending {
    Box::pin(async move {
        let (name, items) = import_of(body(&cx)?)?;
        let mut edit = Edit::begin(&cx.api).await?;
        let id: i64 = cx.id()?;
        let row = edit.w.row::<R::Row>(cx.caller.scope, id).await?;
        let row = R::of(row.ok_or_else(Problem::not_found)?);
        if let Some(answer) = answered_before::<R>(&cx, &mut edit).await? {
            return Ok(answer);
        }
        let template = Value::Object(template_of(&row));
        let mut all = Vec::with_capacity(items.len());
        for (place, item) in items.into_iter().enumerate() {
            let made = copied::<R>(&template, &item);
            all.push(made.map_err(|w| wrong(w, &format!("items[{place}]")))?);
        }
        let what = json!({"import": name, "copy_of": id.to_string()});
        make_all::<R>(&cx, edit, all, what).await
    })
}

/// The document of a copy: that of the row with what the copy has of its own.
fn copied<R: Resource>(template: &Value, own: &Value) -> Result<Value, Wrong> {
    let object = R::object();
    let Value::Object(given) = own else { return Err(Wrong::new("is no JSON object")) };
    object.check_names(given)?;
    for field in object.fields.iter().filter(|field| field.mode.is_secret()) {
        if given.get(field.name).is_some_and(Value::is_null) {
            return Err(Wrong::new("is no text").at(field.name));
        }
    }
    let mut made = template.clone();
    merge(&mut made, own);
    let Value::Object(whole) = &made else { return Err(Wrong::new("is no JSON object")) };
    // What is missing is missing in the row that is copied: no document says what that has.
    object.take(whole, None).map_err(Wrong::after_patch)?;
    Ok(made)
}

/// The document of a row without what no other row may have.
fn template_of<R: Resource>(row: &R) -> Map<String, Value> {
    let mut document = R::object().document(row);
    for path in R::OWN {
        let (name, inner) = path.split_once('.').unwrap_or((path, ""));
        match (inner, document.get_mut(name)) {
            ("", _) => {
                document.remove(name);
            }
            (inner, Some(Value::Object(members))) => {
                members.remove(inner);
            }
            (_, Some(_) | None) => {}
        }
    }
    document
}

/// Makes rows of these documents, all or none; `what` says in the change log where they came from.
async fn make_all<R: Resource>(
    cx: &Context,
    mut edit: Edit<'_>,
    items: Vec<Value>,
    mut what: Value,
) -> Result<Answer, Problem> {
    let at = |place: usize| format!("items[{place}]");
    let mut rows = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        let Value::Object(given) = item else {
            return Err(Problem::field(&at(place), "is no JSON object"));
        };
        rows.push(draft::<R>(cx, &mut edit, given, None, &at(place)).await?);
    }
    fit::<R>(cx, &mut edit, &rows, &at).await?;
    for (place, row) in rows.iter().enumerate() {
        row.insert(&mut edit.w).await.map_err(|problem| problem.within(&at(place)))?;
        edit.w.stamp::<R::Row>(row.row().id(), edit.at_us).await?;
    }
    let ids: Vec<_> = rows.iter().map(|row| row.row().id().to_string()).collect();
    let done = json!({"count": ids.len(), "ids": ids});
    let tenant = rows.first().and_then(|row| row.owner().0);
    let is_one = rows.iter().all(|row| row.owner().0 == tenant);
    let summary = json!({"count": ids.len(), "first": ids.first(), "last": ids.last()});
    merge(&mut what, &summary);
    let owner = (tenant.filter(|_| is_one), None);
    let entry = edit.entry(R::PATH, None, owner, None, Some(what));
    remember(cx, &mut edit, &json!([null, null, done])).await?;
    edit.commit(&cx.actor(), &[entry]).await?;
    Ok(answer(StatusCode::CREATED, &done))
}

/// Name and rows of an import.
fn import_of(mut given: Map<String, Value>) -> Result<(String, Vec<Value>), Problem> {
    let (name, items) = (given.remove("name"), given.remove("items"));
    if let Some(name) = given.keys().next() {
        return Err(Problem::field(name, "is not a member of this body"));
    }
    let name = name.ok_or_else(|| Wrong::new("is missing"));
    let taken = name.and_then(|n| crate::field::Codec::take(&crate::codec::NAME, &n, None));
    let name: String = taken.map_err(|w| wrong(w.at("name"), ""))?;
    let Some(Value::Array(items)) = items else {
        return Err(Problem::field("items", "is no list"));
    };
    match items.len() {
        1..=BULK_ROWS_MAX => Ok((name, items)),
        _ => Err(Problem::field("items", format!("does not have 1 to {BULK_ROWS_MAX} entries"))),
    }
}

/// The answer that the same request had before under its key.
async fn answered_before<R: Resource>(
    cx: &Context,
    edit: &mut Edit<'_>,
) -> Result<Option<Answer>, Problem> {
    let Ok(key) = cx.key() else { return Ok(None) };
    let found = edit.w.answered_request(&cx.caller.name, key, edit.at_us).await?;
    let Some(known) = found else { return Ok(None) };
    if known.asked != asked(cx) {
        return Err(Problem::refused(KEY, "another request has had this key"));
    }
    let kept: Value = serde_json::from_str(&known.answer).map_err(|_| Problem::internal())?;
    let mut first = answer(StatusCode::CREATED, &kept[2]);
    if let (Some(location), Some(version)) = (kept[0].as_str(), kept[1].as_str()) {
        first = tagged(first, version)?;
        first.headers.push(header(header::LOCATION, location)?);
    }
    Ok(Some(first))
}

/// What was asked for, as a hash: path and body.
fn asked(cx: &Context) -> String {
    let mut all = cx.target.as_bytes().to_vec();
    all.push(0);
    all.extend_from_slice(cx.body());
    hex(digest(&SHA256, &all).as_ref(), 32)
}

/// Remembers the answer, if the request has a key.
async fn remember(cx: &Context, edit: &mut Edit<'_>, answer: &Value) -> Result<(), Problem> {
    let Ok(key) = cx.key() else { return Ok(()) };
    let done = AnsweredRequest {
        actor: cx.caller.name.clone(),
        key: key.to_owned(),
        asked: asked(cx),
        answer: answer.to_string(),
        at_us: edit.at_us,
    };
    Ok(edit.w.remember_request(&done).await?)
}

/// Whether everything that a row names is in the caller's scope; what is not does not exist.
fn in_scope(scope: Scope, document: &Value, world: &World) -> Result<(), Problem> {
    let (tenant, top) = match scope {
        Scope::All => return Ok(()),
        Scope::Tenant(tenant) => (tenant, None),
        Scope::Organization(tenant, top) => (tenant, Some(top)),
        Scope::Nothing | Scope::Customer(..) | Scope::Supplier(..) | Scope::Subscriber(..) => {
            return Err(Problem::denied("only organizations and what is wider may"));
        }
    };
    let below = |id: Option<OrganizationId>| {
        let above = |id: &OrganizationId| world.organization(*id).and_then(|o| o.parent);
        let mut chain = std::iter::successors(id, above).take(ABOVE_MAX);
        top.is_none_or(|top| chain.any(|id| id == top))
    };
    let mut is_bound = top.is_none();
    for (path, kind, id) in references(document) {
        let organization = match kind {
            "organization" => Some(OrganizationId(id)),
            "account" => world.account(strowger_model::AccountId(id)).map(|a| a.organization),
            "subscriber" => {
                world.subscriber(strowger_model::SubscriberId(id)).map(|s| s.organization)
            }
            "trunk" => world.trunk(strowger_model::TrunkId(id)).map(|t| t.organization),
            "tenant" if id == tenant.0 => continue,
            "tenant" => return Err(Problem::refused(&path, format!("tenant {id} does not exist"))),
            // Prices and groups are the tenant's; that they are is checked with the world.
            _ => continue,
        };
        if !below(organization) {
            return Err(Problem::refused(&path, format!("{kind} {id} does not exist")));
        }
        is_bound |= kind == "organization";
    }
    if is_bound { Ok(()) } else { Err(Problem::refused("parent", "is missing")) }
}

/// Most organizations above one.
const ABOVE_MAX: usize = 32;

/// The schema of a list.
pub(crate) fn list_responses<R: Resource>(components: &mut Components) -> Responses {
    let items = R::object().schema(components, Use::View);
    let next = "The parameter `next` of the page after this; null on the last.";
    let shape = json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": items},
            "next": {"type": ["string", "null"], "description": next},
        },
    });
    vec![(200, "Found.", JSON, shape)]
}

/// The schema of one row.
pub(crate) fn one_responses<R: Resource>(components: &mut Components) -> Responses {
    let shape = R::object().schema(components, Use::View);
    vec![(200, "The row; `ETag` is its version.", JSON, shape)]
}

/// The schema of a new row.
pub(crate) fn create_responses<R: Resource>(components: &mut Components) -> Responses {
    let shape = R::object().schema(components, Use::View);
    vec![(201, "Made; `Location` is its path, `ETag` its version.", JSON, shape)]
}

/// A deleted row has none.
pub(crate) fn remove_responses<R: Resource>(_: &mut Components) -> Responses {
    vec![(204, "Deleted.", "", Value::Null)]
}

/// The schema of an import's answer.
pub(crate) fn import_responses<R: Resource>(_: &mut Components) -> Responses {
    let shape = json!({
        "type": "object",
        "required": ["count", "ids"],
        "properties": {
            "count": {"type": "integer", "minimum": 1, "description": "Rows that were made."},
            "ids": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Their ids, in the order of the rows.",
            },
        },
    });
    vec![(201, "All rows were made.", JSON, shape)]
}

/// What a new row is made of.
pub(crate) fn form<R: Resource>(components: &mut Components) -> Value {
    R::object().schema(components, Use::Form)
}

/// What changes a row.
pub(crate) fn patch<R: Resource>(components: &mut Components) -> Value {
    R::object().schema(components, Use::Patch)
}

/// What copies are made of: what each is to have of its own.
pub(crate) fn copy_form<R: Resource>(components: &mut Components) -> Value {
    let mut items = R::object().overrides(components);
    if let Value::Object(keywords) = &mut items {
        let what = "What a copy has of its own: a merge patch for the row that is copied.";
        keywords.insert("description".to_owned(), json!(what));
    }
    let mut form = import_form::<R>(components);
    if let Some(list) = form.pointer_mut("/properties/items") {
        *list = json!({
            "type": "array", "minItems": 1, "maxItems": BULK_ROWS_MAX, "items": items,
        });
    }
    form
}

/// What an import is made of.
pub(crate) fn import_form<R: Resource>(components: &mut Components) -> Value {
    let items = R::object().schema(components, Use::Form);
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "items"],
        "properties": {
            "name": crate::codec::NAME.schema(components, Use::Form),
            "items": {
                "type": "array", "minItems": 1, "maxItems": BULK_ROWS_MAX, "items": items,
            },
        },
    })
}
