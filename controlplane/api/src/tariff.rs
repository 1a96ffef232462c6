//! Revisions of tariffs: a draft takes rows, is published from a moment on, and can be undone.
//!
//! A revision holds only what differs from those below it. Publishing and undoing change one row of
//! the database, however many prices there are, and are refused when the world would not compile
//! with them. What a running call is charged stands in the call, so neither re-prices it.

mod difference;
mod like;
mod line;
mod rate;
mod upload;

pub(crate) use difference::{DifferencesView, differences};
pub(crate) use rate::{RateView, RevisedRateView, in_force, of_revision};
pub(crate) use upload::{rows_form, rows_responses, upload};

use self::like::Like;
use crate::codec::Factor;
use crate::cursor;
use crate::dispatch::Context;
use crate::edit::Edit;
use crate::field::{Shaped, Use};
use crate::form::{Form, Members, id_shape, line_shape, object};
use crate::limits::REASON_CHARS_MAX;
use crate::problem::Problem;
use crate::reply::{Json, Made, Page, Versioned};
use crate::shape::{Components, view};
use crate::value::{Id, Time, Word, Worded, parse_time};
use serde_json::{Value, json};
use strowger_model::{ImportId, Rate, RevisionState, Tariff, TariffId, TariffRevision};
use strowger_routing::{BuildError, Change, RowName};
use strowger_store::Writer;

/// Revisions in the change log; its ids are those of their tariffs.
pub(crate) const LOG: &str = "tariff-revisions";

view! {
    /// A change of a price list.
    TariffRevisionView {
        /// Its list.
        tariff: Id,
        /// 1 for the first; a later one counts before an earlier.
        number: u32,
        /// A draft takes rows; those of a published one count.
        state: Word<RevisionState>,
        /// Its rows count from then on; null for a draft.
        effective: Option<Time>,
        /// Why, for people.
        note: String,
        /// When it was begun.
        created: Time,
        /// When it was published.
        published: Option<Time>,
    }
}

pub(crate) fn view(revision: &TariffRevision) -> TariffRevisionView {
    let is_draft = revision.state == RevisionState::Draft;
    TariffRevisionView {
        tariff: revision.tariff.into(),
        number: revision.number,
        state: Word(revision.state),
        effective: (!is_draft).then_some(Time(revision.effective_us)),
        note: revision.note.clone(),
        created: Time(revision.created_us),
        published: revision.published_us.map(Time),
    }
}

fn versioned(revision: &TariffRevision) -> Versioned<TariffRevisionView> {
    let version = format!("{}-{}", revision.number, revision.state.word());
    Versioned { version, view: view(revision) }
}

/// The tariff of the path.
async fn tariff(cx: &Context) -> Result<Tariff, Problem> {
    let row = cx.api.reader.row::<Tariff>(cx.caller.scope, cx.id()?).await?;
    row.ok_or_else(Problem::not_found)
}

/// The tariff of the path, for a change of it.
async fn tariff_for(cx: &Context, w: &mut Writer<'static>) -> Result<Tariff, Problem> {
    let row = w.row::<Tariff>(cx.caller.scope, cx.id()?).await?;
    row.ok_or_else(Problem::not_found)
}

/// The tariff and the revision of the path.
async fn revision(cx: &Context) -> Result<(Tariff, TariffRevision), Problem> {
    let tariff = tariff(cx).await?;
    let found = cx.api.reader.tariff_revision(tariff.id, cx.number("number")?).await?;
    Ok((tariff, found.ok_or_else(Problem::not_found)?))
}

/// `GET /tariffs/{id}/revisions`
pub(crate) async fn revisions_of(cx: Context) -> Result<Json<Page<TariffRevisionView>>, Problem> {
    let tariff = tariff(&cx).await?;
    let after = cursor::decode(LOG, cx.query.next.as_deref())?.unwrap_or(0);
    let rows = cx.api.reader.tariff_revisions(tariff.id, after, cx.query.rows()).await?;
    let key = |row: &TariffRevision| cursor::encode(LOG, row.number);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `GET /tariffs/{id}/revisions/{number}`
pub(crate) async fn one_revision(cx: Context) -> Result<Versioned<TariffRevisionView>, Problem> {
    Ok(versioned(&revision(&cx).await?.1))
}

/// A revision as it is begun.
pub(crate) struct DraftForm {
    note: String,
    /// What it begins with; nothing without.
    like: Option<Like>,
}

impl Form for DraftForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let note = m.line("note", REASON_CHARS_MAX)?.unwrap_or_default();
        let of = m.id("like")?.flatten();
        let factor = m.text("factor")?;
        m.end()?;
        if factor.is_some() && of.is_none() {
            return Err(Problem::refused("factor", "is for a draft that begins like a list"));
        }
        let factor = like::factor(factor)?;
        let like = of.map(|tariff| Like { tariff: TariffId(tariff), factor });
        Ok(DraftForm { note, like })
    }

    fn describe(components: &mut Components) -> Value {
        let (like, factor) = (
            "A list of the same currency, or this one: the draft begins with the prices that are \
             in force there, and with those published for later.",
            "With `like`: what prices and fees are multiplied by.",
        );
        object(&[
            ("note", line_shape(REASON_CHARS_MAX), "Why, for people.", false),
            ("like", id_shape(), like, false),
            ("factor", Factor.schema(components, Use::Form), factor, false),
        ])
    }
}

/// `POST /tariffs/{id}/revisions`
pub(crate) async fn begin(
    form: DraftForm,
    cx: Context,
) -> Result<Made<TariffRevisionView>, Problem> {
    let rows = match form.like {
        Some(like) => like::rows(&cx, &tariff(&cx).await?, like).await?,
        None => Vec::new(),
    };
    let mut w = cx.api.store.write().await?;
    let tariff = tariff_for(&cx, &mut w).await?;
    let last = w.newest_revisions(tariff.id, 1).await?.first().map_or(0, |r| r.number);
    let number = last.checked_add(1).ok_or_else(Problem::internal)?;
    let at_us = cx.api.now_us();
    let new = TariffRevision {
        tariff: tariff.id,
        number,
        state: RevisionState::Draft,
        effective_us: 0,
        note: form.note,
        created_us: at_us,
        published_us: None,
    };
    w.insert_tariff_revision(&new).await?;
    let entry = strowger_store::Change::new(LOG, tariff.id.0, None, Some(&view(&new)), at_us);
    w.record_change(&cx.actor(), &entry.of(Some(tariff.tenant), None)).await?;
    w.commit().await?;
    like::fill(&cx, &tariff, number, &rows).await?;
    Ok(Made(versioned(&new)))
}

/// When a revision takes effect.
pub(crate) struct PublishForm {
    pub(crate) effective_us: Option<i64>,
}

impl Form for PublishForm {
    const IS_OPTIONAL: bool = true;

    fn read(cx: &Context) -> Result<Self, Problem> {
        if cx.body().is_empty() {
            return Ok(PublishForm { effective_us: None });
        }
        let mut m = Members::read(cx.body())?;
        let effective = m.text("effective")?;
        m.end()?;
        let time = |text: &str| {
            parse_time(text).ok_or_else(|| Problem::field("effective", "is no time of RFC 3339"))
        };
        Ok(PublishForm { effective_us: effective.as_deref().map(time).transpose()? })
    }

    fn describe(_: &mut Components) -> Value {
        let time = json!({"type": "string", "format": "date-time"});
        object(&[("effective", time, "From when on its rows count; without it now.", false)])
    }
}

/// `POST /tariffs/{id}/revisions/{number}/publish`
pub(crate) async fn publish(
    form: PublishForm,
    cx: Context,
) -> Result<Versioned<TariffRevisionView>, Problem> {
    let edit = Edit::begin(&cx.api).await?;
    let now_us = edit.at_us;
    let effective_us = form.effective_us.unwrap_or(now_us);
    if effective_us < now_us {
        return Err(Problem::refused("effective", "is in the past, which has been charged"));
    }
    let published = |before: TariffRevision| TariffRevision {
        state: RevisionState::Published,
        effective_us,
        published_us: Some(now_us),
        ..before
    };
    change(&cx, edit, RevisionState::Draft, published).await
}

/// `POST /tariffs/{id}/revisions/{number}/undo`
pub(crate) async fn undo(cx: Context) -> Result<Versioned<TariffRevisionView>, Problem> {
    let edit = Edit::begin(&cx.api).await?;
    let undone = |before: TariffRevision| TariffRevision { state: RevisionState::Undone, ..before };
    change(&cx, edit, RevisionState::Published, undone).await
}

/// Changes the state of a revision, if the world compiles with what is then in force.
async fn change(
    cx: &Context,
    mut edit: Edit<'_>,
    was: RevisionState,
    changed: impl FnOnce(TariffRevision) -> TariffRevision,
) -> Result<Versioned<TariffRevisionView>, Problem> {
    let tariff = tariff_for(cx, &mut edit.w).await?;
    let before = edit.w.tariff_revision(tariff.id, cx.number("number")?).await?;
    let before = before.ok_or_else(Problem::not_found)?;
    check_free(&mut edit.w, &before).await?;
    let after = changed(before.clone());
    if before.state != was || !edit.w.change_tariff_revision(&after, was).await? {
        let detail = format!("is {}, not {}", before.state.word(), was.word());
        return Err(Problem::conflict("state", detail));
    }
    let rates = edit.w.tariff_rates(tariff.id).await?;
    let (id, tenant) = (tariff.id, tariff.tenant);
    if let Err(error) = edit.apply(Change::Tariff(tariff, rates.clone())) {
        return Err(broken(&error, &rates));
    }
    let json = |revision| serde_json::to_value(view(revision)).map_err(|_| Problem::internal());
    let (old, new) = (json(&before)?, json(&after)?);
    let entry = edit.entry(LOG, Some(id.0), (Some(tenant), None), Some(old), Some(new));
    edit.commit(&cx.actor(), &[entry]).await?;
    Ok(versioned(&after))
}

/// A revision that came of a file is changed by its import, and what lies below one must not
/// change: the import holds only what differs from it.
async fn check_free(w: &mut Writer<'static>, revision: &TariffRevision) -> Result<(), Problem> {
    if let Some(import) = w.import_of(revision.tariff, revision.number).await? {
        return Err(of_import(import));
    }
    if w.has_import_above(revision.tariff, revision.number).await? {
        let detail = "a file was put in force above it: undo that first, or begin a new revision";
        return Err(Problem::conflict("number", detail));
    }
    Ok(())
}

/// The revision is an import's.
fn of_import(import: ImportId) -> Problem {
    Problem::conflict("number", format!("belongs to import {import}, which changes it"))
}

/// The world would not compile: names the row.
pub(crate) fn broken(error: &BuildError, rates: &[Rate]) -> Problem {
    let row = rates.iter().find(|rate| error.row == RowName::Rate(rate.id));
    match row {
        Some(rate) => {
            let detail =
                format!("{} of prefix {:?}: {}", error.row, rate.prefix.as_str(), error.problem);
            Problem::refused("rates", detail)
        }
        None => Problem::conflict("state", error.to_string()),
    }
}

/// What the change log says of rows that were added to a draft.
pub(crate) fn added(of: TariffId, number: u32, count: usize, first: &str, last: &str) -> Value {
    json!({
        "tariff": of.0.to_string(), "number": number, "state": RevisionState::Draft.word(),
        "rows": count, "first_prefix": first, "last_prefix": last,
    })
}
