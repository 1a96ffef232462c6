//! Putting a file in force, and undoing it.
//!
//! Publishing writes down that it is wanted and is answered at once; one task does the work. It
//! writes the rows into a draft, some at a time, and switches the draft on in one transaction with
//! the file's own row. Whatever ends the process in between leaves the file `publishing` with a
//! draft that counts nowhere: the next start throws the draft's rows away and begins again.

use super::preview::preview;
use super::{ImportView, change, no_state, own_for, view};
use crate::dispatch::Context;
use crate::edit::Edit;
use crate::limits::{DECK_ATTEMPTS_MAX, DECK_CHUNK_ROWS, DECK_PAUSE_MS};
use crate::problem::Problem;
use crate::reply::{Accepted, Json};
use crate::shared::Shared;
use crate::tariff::{self, PublishForm};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use strowger_model::{Import, ImportState, RevisionState, Tariff, TariffRevision};
use strowger_routing::Change;
use strowger_store::{Actor, Change as LogEntry, RevisedRate, Scope};

/// `POST /imports/{id}/publish`
pub(crate) async fn publish(
    form: PublishForm,
    cx: Context,
) -> Result<Accepted<ImportView>, Problem> {
    let mut w = cx.api.store.write().await?;
    let before = own_for(&cx, &mut w).await?;
    let now_us = cx.api.now_us();
    let effective_us = form.effective_us.unwrap_or(now_us);
    if before.state != ImportState::Checked {
        return Err(no_state(&before, "checked", now_us));
    }
    if effective_us < now_us {
        return Err(Problem::refused("effective", "is in the past, which has been charged"));
    }
    let after = Import {
        state: ImportState::Writing,
        effective_us: Some(effective_us),
        changed_by: cx.caller.name.clone(),
        changed_us: now_us,
        ..before.clone()
    };
    change(&mut w, &cx.actor(), &before, &after).await?;
    w.commit().await?;
    cx.api.decks.wake.notify_one();
    Ok(Accepted(view(&after, now_us)))
}

/// `POST /imports/{id}/undo`
pub(crate) async fn undo(cx: Context) -> Result<Json<ImportView>, Problem> {
    let mut edit = Edit::begin(&cx.api).await?;
    let before = own_for(&cx, &mut edit.w).await?;
    let (ImportState::Published, Some(number)) = (before.state, before.revision) else {
        return Err(no_state(&before, "in force", edit.at_us));
    };
    // What lies above holds only what differs from this.
    let newest = edit.w.published_revisions(before.tariff).await?.last().map(|(n, _)| *n);
    if let Some(above) = newest.filter(|newest| *newest != number) {
        let detail = format!("revision {above} was published after it: undo that first");
        return Err(Problem::conflict("state", detail));
    }
    let after = Import {
        state: ImportState::Undone,
        changed_by: cx.caller.name.clone(),
        changed_us: edit.at_us,
        ..before.clone()
    };
    let undone =
        |was: &TariffRevision| TariffRevision { state: RevisionState::Undone, ..was.clone() };
    let actor = cx.actor();
    let entry = switch(&mut edit, &before, RevisionState::Published, undone).await?;
    let entry = entry.map_err(|why| Problem::conflict("state", why))?;
    change(&mut edit.w, &actor, &before, &after).await?;
    let now_us = edit.at_us;
    edit.commit(&actor, &[entry]).await?;
    Ok(Json(view(&after, now_us)))
}

/// Changes the state of a file's revision and applies the prices that are then in force; the entry
/// for the change log, or why the world would not compile.
async fn switch(
    edit: &mut Edit<'_>,
    import: &Import,
    was: RevisionState,
    changed: impl FnOnce(&TariffRevision) -> TariffRevision,
) -> Result<Result<LogEntry, String>, Problem> {
    let tariff = edit.w.row::<Tariff>(Scope::All, import.tariff.0).await?;
    let tariff = tariff.ok_or_else(Problem::not_found)?;
    let number = import.revision.unwrap_or_default();
    let before = edit.w.tariff_revision(tariff.id, number).await?;
    let before = before.ok_or_else(Problem::not_found)?;
    let after = changed(&before);
    if !edit.w.change_tariff_revision(&after, was).await? {
        return Ok(Err(format!("its revision is {:?}", before.state)));
    }
    let rates = edit.w.tariff_rates(tariff.id).await?;
    let (id, tenant) = (tariff.id.0, tariff.tenant);
    if let Err(error) = edit.apply(Change::Tariff(tariff, rates)) {
        return Ok(Err(error.to_string()));
    }
    let json = |revision| serde_json::to_value(tariff::view(revision));
    let (old, new) = (json(&before), json(&after));
    let (old, new) = old.ok().zip(new.ok()).ok_or_else(Problem::internal)?;
    let owner = (Some(tenant), None);
    Ok(Ok(edit.entry(tariff::LOG, Some(id), owner, Some(old), Some(new))))
}

/// Puts files in force as they are wanted, one after the other, those of the last life first.
pub(crate) async fn keep_publishing(api: Arc<Shared>) {
    if let Err(problem) = api.decks.sweep(&api).await {
        tracing::warn!(?problem, "files of prices that nobody knows stay for now");
    }
    loop {
        match work(&api).await {
            Ok(()) => api.decks.wake.notified().await,
            Err(problem) => {
                tracing::warn!(?problem, "a file of prices is not in force yet");
                tokio::time::sleep(Duration::from_millis(DECK_PAUSE_MS)).await;
            }
        }
    }
}

/// Every file that is wanted. An error is the database's: the work is tried again.
async fn work(api: &Shared) -> Result<(), Problem> {
    for import in api.reader.imports_in_work().await? {
        let mut outcome = Outcome::Moved;
        for _ in 0..DECK_ATTEMPTS_MAX {
            outcome = put_in_force(api, &import).await?;
            match &outcome {
                Outcome::Moved => {}
                Outcome::Done | Outcome::Refused(_) => break,
            }
        }
        match outcome {
            Outcome::Done => {}
            Outcome::Refused(why) => fail(api, &import, &why).await?,
            Outcome::Moved => {
                fail(api, &import, "other prices were published again and again meanwhile").await?;
            }
        }
    }
    Ok(())
}

/// What became of an attempt.
enum Outcome {
    Done,
    /// The prices below are others than those that it was compared with.
    Moved,
    Refused(String),
}

/// Who wanted it.
fn actor(import: &Import) -> Actor {
    Actor { name: import.changed_by.clone(), on_behalf: None, request: String::new() }
}

async fn put_in_force(api: &Shared, import: &Import) -> Result<Outcome, Problem> {
    let at_us = import.effective_us.unwrap_or_default().max(api.now_us());
    let below = api.reader.published_revisions(import.tariff).await?;
    let seen = match preview(api, import, at_us).await? {
        Ok(seen) => seen,
        Err(why) => return Ok(Outcome::Refused(why)),
    };
    let rows = match seen.rows() {
        Ok(rows) => rows,
        Err(why) => return Ok(Outcome::Refused(why)),
    };
    let Some(import) = begin(api, import).await? else { return Ok(Outcome::Done) };
    for chunk in rows.chunks(DECK_CHUNK_ROWS) {
        if !write(api, &import, chunk).await? {
            return Ok(Outcome::Moved);
        }
    }
    // Kept so far: prices of another file would need the memory.
    drop(seen);
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    switch_on(api, &import, &below, (at_us, count)).await
}

/// Throws away what an earlier attempt wrote and begins a draft; `None` when the file is not wanted
/// any more.
async fn begin(api: &Shared, import: &Import) -> Result<Option<Import>, Problem> {
    loop {
        let mut w = api.store.write().await?;
        let known = w.row::<Import>(Scope::All, import.id.0).await?;
        let Some(before) = known.filter(|known| known.state == ImportState::Writing) else {
            return Ok(None);
        };
        let most = u32::try_from(DECK_CHUNK_ROWS).unwrap_or(u32::MAX);
        if let Some(old) = before.revision
            && w.clear_draft(import.tariff, old, most).await? > 0
        {
            w.commit().await?;
            continue;
        }
        let at_us = api.now_us();
        let last = w.newest_revisions(import.tariff, 1).await?.first().map_or(0, |r| r.number);
        let number = last.checked_add(1).ok_or_else(Problem::internal)?;
        let draft = TariffRevision {
            tariff: import.tariff,
            number,
            state: RevisionState::Draft,
            effective_us: 0,
            note: format!("import {}: {}", import.id, import.file),
            created_us: at_us,
            published_us: None,
        };
        w.insert_tariff_revision(&draft).await?;
        let view = tariff::view(&draft);
        let entry = LogEntry::new(tariff::LOG, import.tariff.0, None, Some(&view), at_us);
        w.record_change(&actor(import), &entry.of(Some(import.tenant), None)).await?;
        let after = Import { revision: Some(number), ..before };
        w.update(&after).await?;
        w.commit().await?;
        return Ok(Some(after));
    }
}

/// Some rows, in a transaction of their own; `false` when the draft is gone.
async fn write(api: &Shared, import: &Import, rows: &[RevisedRate]) -> Result<bool, Problem> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(true) };
    let [first, last] = [first, last].map(|row| row.rate.prefix);
    let number = import.revision.unwrap_or_default();
    let after = tariff::added(import.tariff, number, rows.len(), first.as_str(), last.as_str());
    let entry = LogEntry::new(tariff::LOG, import.tariff.0, None, Some(&after), api.now_us());
    let entry = entry.of(Some(import.tenant), None);
    let actor = actor(import);
    let added = api.store.add_rates(import.tariff, number, rows, &actor, &entry).await?;
    Ok(added.is_some())
}

/// The draft counts, and the file is in force: both or neither.
async fn switch_on(
    api: &Shared,
    import: &Import,
    below: &[(u32, i64)],
    (at_us, rows): (i64, u32),
) -> Result<Outcome, Problem> {
    let mut edit = Edit::begin(api).await?;
    if edit.w.published_revisions(import.tariff).await? != below {
        return Ok(Outcome::Moved);
    }
    let known = edit.w.row::<Import>(Scope::All, import.id.0).await?;
    let is_wanted =
        |known: &Import| known.state == ImportState::Writing && known.revision == import.revision;
    let Some(before) = known.filter(is_wanted) else { return Ok(Outcome::Done) };
    // Writing took its time; what was charged meanwhile stays.
    let (now_us, effective_us) = (edit.at_us, at_us.max(edit.at_us));
    let published = |was: &TariffRevision| TariffRevision {
        state: RevisionState::Published,
        effective_us,
        published_us: Some(now_us),
        ..was.clone()
    };
    let entry = match switch(&mut edit, import, RevisionState::Draft, published).await? {
        Ok(entry) => entry,
        Err(why) => return Ok(Outcome::Refused(why)),
    };
    let after = Import {
        state: ImportState::Published,
        effective_us: Some(effective_us),
        rows,
        changed_us: now_us,
        ..before.clone()
    };
    let actor = actor(import);
    change(&mut edit.w, &actor, &before, &after).await?;
    edit.commit(&actor, &[entry]).await?;
    Ok(Outcome::Done)
}

/// The file cannot be put in force; its row says why.
async fn fail(api: &Shared, import: &Import, why: &str) -> Result<(), Problem> {
    let mut w = api.store.write().await?;
    let known = w.row::<Import>(Scope::All, import.id.0).await?;
    let Some(before) = known.filter(|known| known.state == ImportState::Writing) else {
        return Ok(());
    };
    let mut report: Value = serde_json::from_str(&before.report).unwrap_or_default();
    if let Value::Object(members) = &mut report {
        members.insert("problem".to_owned(), json!(why));
    }
    let after = Import {
        state: ImportState::Failed,
        report: report.to_string(),
        changed_us: api.now_us(),
        ..before.clone()
    };
    change(&mut w, &actor(import), &before, &after).await?;
    w.commit().await?;
    tracing::warn!(import = import.id.0, why, "a file of prices cannot be put in force");
    Ok(())
}
