//! Files of prices as suppliers send them: sent in, read, looked through, put in force, undone.
//!
//! A file in force is a revision of its list that holds only what differs from what was there
//! before. So what lies below it must not change as long as it counts, and files are undone newest
//! first: then exactly the prices before are in force again (`controlplane/adr/0108-*`).

mod file;
mod margin;
mod preview;
mod publish;
mod reading;

pub(crate) use file::Decks;
pub(crate) use margin::{DeckMarginsView, margins, name};
pub(crate) use preview::{
    CHANGE, DeckDestinationView, DeckDifferencesView, destinations, differences,
};
pub(crate) use publish::{keep_publishing, publish, undo};
pub(crate) use reading::Reading;

use crate::cursor;
use crate::dispatch::{Context, KEY};
use crate::limits::{DECK_FILES_KEPT, FILE_NAME_CHARS_MAX};
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Answer, Done, JSON, Json, Page};
use crate::shape::{Components, Shape, view};
use crate::shared::Shared;
use crate::table::{Pending, Responses};
use crate::value::{Id, Time, Word, Worded};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use file::Received;
use serde_json::{Value, json};
use strowger_import::limits::FILE_LEN_MAX;
use strowger_model::{Import, ImportId, ImportState, Tariff};
use strowger_store::{Actor, AnsweredRequest, Cell, Change, Scope, Writer};

/// Files in the change log, and their list.
const LOG: &str = "imports";

/// Only files of this list.
pub(crate) static TARIFF: Filter = Filter::id("tariff", "tariff_id");
/// What a file is called.
pub(crate) static FILE_NAME: Filter = Filter::text("file");

/// How far a file is, at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Uploaded,
    Mapped,
    Checked,
    Publishing,
    Scheduled,
    InForce,
    Undone,
    Failed,
}

impl Worded for Stage {
    const WORDS: &'static [&'static str] = &[
        "uploaded",
        "mapped",
        "checked",
        "publishing",
        "scheduled",
        "in-force",
        "undone",
        "failed",
    ];

    fn word(&self) -> &'static str {
        match self {
            Stage::Uploaded => "uploaded",
            Stage::Mapped => "mapped",
            Stage::Checked => "checked",
            Stage::Publishing => "publishing",
            Stage::Scheduled => "scheduled",
            Stage::InForce => "in-force",
            Stage::Undone => "undone",
            Stage::Failed => "failed",
        }
    }
}

view! {
    /// A file of prices that was sent in.
    ImportView {
        /// Identity.
        id: Id,
        /// Tenant.
        tenant: Id,
        /// The list that it is for.
        tariff: Id,
        /// What it was called.
        file: String,
        /// Its length, octets.
        bytes: u64,
        /// SHA-256 of it, hexadecimal.
        sha256: String,
        /// `uploaded`: its columns are not known; `mapped`: it has faults; `checked`: it may be
        /// published; `publishing`: its rows are being written; then `scheduled` or `in-force`.
        state: Word<Stage>,
        /// How it is read: what may be sent to `mapping`.
        reading: Value,
        /// What was found in it: columns, rows, faults, and what it changed when it was read.
        report: Value,
        /// The revision of the list with its rows.
        revision: Option<u32>,
        /// Its prices count from then on.
        effective: Option<Time>,
        /// Rows of that revision.
        rows: u32,
        /// When it was sent.
        created: Time,
        /// Who sent it.
        created_by: String,
        /// When something was done to it last.
        changed: Time,
        /// Who did it.
        changed_by: String,
    }
}

fn stage(import: &Import, now_us: i64) -> Stage {
    match import.state {
        ImportState::Uploaded => Stage::Uploaded,
        ImportState::Mapped => Stage::Mapped,
        ImportState::Checked => Stage::Checked,
        ImportState::Writing => Stage::Publishing,
        ImportState::Published if import.effective_us.is_some_and(|at| now_us < at) => {
            Stage::Scheduled
        }
        ImportState::Published => Stage::InForce,
        ImportState::Undone => Stage::Undone,
        ImportState::Failed => Stage::Failed,
    }
}

fn view(import: &Import, now_us: i64) -> ImportView {
    let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
    ImportView {
        id: import.id.0.into(),
        tenant: import.tenant.into(),
        tariff: import.tariff.into(),
        file: import.file.clone(),
        bytes: u64::try_from(import.bytes).unwrap_or_default(),
        sha256: import.sha256.clone(),
        state: Word(stage(import, now_us)),
        reading: json(&import.reading),
        report: json(&import.report),
        revision: import.revision,
        effective: import.effective_us.map(Time),
        rows: import.rows,
        created: Time(import.created_us),
        created_by: import.created_by.clone(),
        changed: Time(import.changed_us),
        changed_by: import.changed_by.clone(),
    }
}

/// What the change log says of a file; its mapping and report would be long.
fn entry(before: Option<&Import>, after: Option<&Import>, at_us: i64) -> Change {
    let shown = |import: &Import| {
        json!({
            "tariff": import.tariff.0.to_string(), "file": import.file, "sha256": import.sha256,
            "state": stage(import, at_us).word(), "revision": import.revision,
            "effective": import.effective_us.map(Time), "rows": import.rows,
        })
    };
    let id = before.or(after).map_or(0, |import| import.id.0);
    let tenant = before.or(after).map(|import| import.tenant);
    let (before, after) = (before.map(shown), after.map(shown));
    Change::new(LOG, id, before.as_ref(), after.as_ref(), at_us).of(tenant, None)
}

/// Writes a file's row anew, with its entry in the change log.
async fn change(
    w: &mut Writer<'static>,
    actor: &Actor,
    before: &Import,
    after: &Import,
) -> Result<(), Problem> {
    w.record_change(actor, &entry(Some(before), Some(after), after.changed_us)).await?;
    match w.update(after).await? {
        true => Ok(()),
        false => Err(Problem::not_found()),
    }
}

/// The file of the path.
async fn own(cx: &Context) -> Result<Import, Problem> {
    let row = cx.api.reader.row::<Import>(cx.caller.scope, cx.id()?).await?;
    row.ok_or_else(Problem::not_found)
}

/// The file of the path, for a change of it.
async fn own_for(cx: &Context, w: &mut Writer<'static>) -> Result<Import, Problem> {
    let row = w.row::<Import>(cx.caller.scope, cx.id()?).await?;
    row.ok_or_else(Problem::not_found)
}

/// The list that a file is for.
async fn tariff_of(api: &Shared, import: &Import) -> Result<Tariff, Problem> {
    let row = api.reader.row::<Tariff>(Scope::All, import.tariff.0).await?;
    row.ok_or_else(Problem::not_found)
}

fn no_state(import: &Import, wanted: &str, now_us: i64) -> Problem {
    Problem::conflict("state", format!("is {}, not {wanted}", stage(import, now_us).word()))
}

/// `GET /imports`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<ImportView>>, Problem> {
    let after: Option<i64> = cursor::decode(LOG, cx.query.next.as_deref())?;
    let (scope, wanted) = (cx.caller.scope, &cx.query.wanted);
    let rows = cx.api.reader.rows::<Import>(scope, wanted, after, cx.query.rows()).await?;
    let now_us = cx.api.now_us();
    let key = |row: &Import| cursor::encode(LOG, row.id.0);
    Ok(Json(Page::cut(rows, cx.query.limit, |row| view(row, now_us), key)))
}

/// `GET /imports/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<ImportView>, Problem> {
    Ok(Json(view(&own(&cx).await?, cx.api.now_us())))
}

/// `DELETE /imports/{id}`
pub(crate) async fn remove(cx: Context) -> Result<Done, Problem> {
    let mut w = cx.api.store.write().await?;
    let import = own_for(&cx, &mut w).await?;
    let now_us = cx.api.now_us();
    match import.state {
        ImportState::Uploaded
        | ImportState::Mapped
        | ImportState::Checked
        | ImportState::Failed => {}
        ImportState::Writing | ImportState::Published | ImportState::Undone => {
            return Err(no_state(&import, "one that was never published", now_us));
        }
    }
    w.delete::<Import>(import.id.0).await?;
    w.record_change(&cx.actor(), &entry(Some(&import), None, now_us)).await?;
    w.commit().await?;
    cx.api.decks.remove(import.id);
    Ok(Done)
}

/// `POST /imports/{id}/mapping`
pub(crate) async fn map(reading: Reading, cx: Context) -> Result<Json<ImportView>, Problem> {
    let import = own(&cx).await?;
    let (after, _) = preview::read_again(&cx, &import, reading).await?;
    Ok(Json(view(&after, cx.api.now_us())))
}

/// What a body of an upload is.
pub(crate) fn file_form(_: &mut Components) -> Value {
    json!({
        "type": "string", "format": "binary", "minLength": 1,
        "description": "The file as it came: CSV in any usual encoding, or XLSX.",
    })
}

/// What an upload is answered.
pub(crate) fn upload_responses(components: &mut Components) -> Responses {
    vec![(201, "It is there; `state` says how far.", JSON, ImportView::shape(components))]
}

fn file_name(cx: &Context) -> Result<String, Problem> {
    let said = cx.query.wanted.iter().find(|wanted| wanted.column == "file");
    let name = said.and_then(|wanted| match &wanted.value {
        Cell::Text(text) => text.clone(),
        Cell::Int(_) => None,
    });
    let name = name.unwrap_or_else(|| "deck".to_owned());
    if name.chars().count() > FILE_NAME_CHARS_MAX {
        return Err(Problem::refused(
            "file",
            format!("has more than {FILE_NAME_CHARS_MAX} characters"),
        ));
    }
    Ok(name)
}

/// `POST /tariffs/{id}/imports`
pub(crate) fn upload(cx: Context) -> Pending {
    Box::pin(async move {
        let tariff = cx.api.reader.row::<Tariff>(cx.caller.scope, cx.id()?).await?;
        let tariff = tariff.ok_or_else(Problem::not_found)?;
        let name = file_name(&cx)?;
        let received = cx.api.decks.receive(&cx, FILE_LEN_MAX).await?;
        let before = cx.api.reader.import_before(tariff.id).await?;
        let asked = format!("{}?file={name} {}", cx.target, received.sha256);
        let mut w = cx.api.store.write().await?;
        if let Some(known) = sent_before(&cx, &mut w, &asked).await? {
            return made(&cx, &known);
        }
        let at_us = cx.api.now_us();
        let who = cx.caller.name.clone();
        let import = Import {
            id: ImportId(w.next_id::<Import>().await?),
            tenant: tariff.tenant,
            tariff: tariff.id,
            file: name,
            bytes: received.bytes,
            sha256: received.sha256.clone(),
            state: ImportState::Uploaded,
            reading: before.map_or_else(|| Reading::default().text(), |before| before.reading),
            report: "{}".to_owned(),
            revision: None,
            effective_us: None,
            rows: 0,
            created_by: who.clone(),
            created_us: at_us,
            changed_by: who,
            changed_us: at_us,
        };
        w.insert(&import).await?;
        w.record_change(&cx.actor(), &entry(None, Some(&import), at_us)).await?;
        if let Ok(key) = cx.key() {
            let (actor, key) = (cx.caller.name.clone(), key.to_owned());
            let answer = import.id.0.to_string();
            w.remember_request(&AnsweredRequest { actor, key, asked, answer, at_us }).await?;
        }
        keep(&cx, received, &import).await?;
        w.commit().await?;
        let reading = Reading::of(&import);
        let (import, _) = preview::read_again(&cx, &import, reading).await?;
        made(&cx, &import)
    })
}

/// The file that the same request brought before under its key.
async fn sent_before(
    cx: &Context,
    w: &mut Writer<'static>,
    asked: &str,
) -> Result<Option<Import>, Problem> {
    let Ok(key) = cx.key() else { return Ok(None) };
    let known = w.answered_request(&cx.caller.name, key, cx.api.now_us()).await?;
    let Some(known) = known else { return Ok(None) };
    if known.asked != asked {
        return Err(Problem::refused(KEY, "another request has had this key"));
    }
    let id = known.answer.parse().map_err(|_| Problem::internal())?;
    Ok(w.row::<Import>(cx.caller.scope, id).await?)
}

/// Gives a file its place, before its row is durable: a row without a file would be none. Those of
/// long ago go.
async fn keep(cx: &Context, received: Received, import: &Import) -> Result<(), Problem> {
    cx.api.decks.keep(received, import.id).await?;
    let kept = DECK_FILES_KEPT.saturating_sub(1);
    for old in cx.api.reader.imports_behind(import.tariff, kept).await? {
        if old != import.id {
            cx.api.decks.remove(old);
        }
    }
    Ok(())
}

fn made(cx: &Context, import: &Import) -> Result<Answer, Problem> {
    let mut answer = Answer::json(StatusCode::CREATED, &view(import, cx.api.now_us()))?;
    let at = HeaderValue::try_from(format!("/api/v1/imports/{}", import.id));
    let at = at.map_err(|_| Problem::internal())?;
    answer.headers.push((HeaderName::from_static("location"), at));
    Ok(answer)
}
