//! The pool of numbers: some are reserved for a while, so that nobody else is offered them.

use super::{Resource, body, fit, in_scope, wrong};
use crate::codec::{ID, Ident, Int, NUMBER, Seconds};
use crate::dispatch::Context;
use crate::edit::Edit;
use crate::field::{Codec, Shaped, Use, Wrong};
use crate::problem::Problem;
use crate::reply::{Answer, JSON};
use crate::resource::DidSeen;
use crate::shape::Components;
use crate::table::{Pending, Responses};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use strowger_model::{Did, Digits, OrganizationId};

/// Most numbers that are reserved at once.
const COUNT_MAX: i64 = 100;
/// Longest reservation, seconds.
const RESERVED_S_MAX: u32 = 7 * 24 * 3600;
/// How long one is reserved when nothing is said, seconds.
const RESERVED_S: u32 = 600;

/// What is asked for.
struct Wanted {
    organization: OrganizationId,
    count: usize,
    prefix: Digits,
    seconds: u32,
}

fn member<T, C: Codec<T>>(
    given: &mut Map<String, Value>,
    name: &str,
    codec: &C,
) -> Result<Option<T>, Problem> {
    let Some(json) = given.remove(name) else { return Ok(None) };
    let taken = codec.take(&json, None);
    taken.map(Some).map_err(|why: Wrong| wrong(why.at(name), ""))
}

fn wanted(mut given: Map<String, Value>) -> Result<Wanted, Problem> {
    let organization = member(&mut given, "organization", &Ident)?;
    let count: Option<u32> = member(&mut given, "count", &Int(1, COUNT_MAX))?;
    let span = Seconds(1, RESERVED_S_MAX);
    let wanted = Wanted {
        organization: organization.ok_or_else(|| Problem::field("organization", "is missing"))?,
        count: usize::try_from(count.unwrap_or(1)).unwrap_or(1),
        prefix: member(&mut given, "prefix", &NUMBER)?.unwrap_or(Digits::EMPTY),
        seconds: member(&mut given, "reserved_ms", &span)?.unwrap_or(RESERVED_S),
    };
    match given.keys().next() {
        Some(name) => Err(Problem::field(name, "is not a member of this body")),
        None => Ok(wanted),
    }
}

/// `POST /dids/reserve`: so many numbers of an organization's pool, or none.
pub(crate) fn reserve(cx: Context) -> Pending {
    Box::pin(async move {
        let wanted = wanted(body(&cx)?)?;
        let mut edit = Edit::begin(&cx.api).await?;
        let id = wanted.organization;
        let tenant = edit.world.organization(id).map(|row| row.tenant).ok_or_else(|| {
            Problem::refused("organization", format!("organization {id} does not exist"))
        })?;
        let own = json!({"tenant": tenant.0.to_string(), "organization": id.0.to_string()});
        in_scope(cx.caller.scope, &own, &edit.world)?;
        let before = free(&edit, &wanted)?;
        let ms = i64::from(wanted.seconds).saturating_mul(1_000_000);
        let until_us = edit.at_us.saturating_add(ms);
        let reserved = |seen: &DidSeen| {
            let did = Did { reserved_until_us: Some(until_us), ..seen.row().clone() };
            DidSeen::of(did)
        };
        let after: Vec<DidSeen> = before.iter().map(reserved).collect();
        fit::<DidSeen>(&cx, &mut edit, &after, &|_| String::new()).await?;
        let view = |row: &DidSeen| Value::Object(DidSeen::object().view(row));
        let mut entries = Vec::with_capacity(after.len());
        for (old, new) in before.iter().zip(&after) {
            new.update(old, &mut edit.w).await?;
            let id = Some(new.row().id.0);
            let (old, seen) = (Some(view(old)), Some(view(new)));
            entries.push(edit.entry(DidSeen::PATH, id, new.owner(), old, seen));
        }
        edit.commit(&cx.actor(), &entries).await?;
        let items: Vec<Value> = after.iter().map(view).collect();
        Answer::json(StatusCode::OK, &json!({"items": items}))
    })
}

/// The first numbers that are free, as many as are wanted.
fn free(edit: &Edit<'_>, wanted: &Wanted) -> Result<Vec<DidSeen>, Problem> {
    let fits = |did: &&Did| {
        did.organization == wanted.organization
            && did.enabled
            && did.is_free(edit.at_us)
            && did.number.has_prefix(&wanted.prefix)
    };
    let found = edit.world.dids().filter(fits).take(wanted.count).cloned();
    let found: Vec<DidSeen> = found.map(DidSeen::of).collect();
    match found.len() < wanted.count {
        true => {
            let detail = format!("only {} such numbers are free", found.len());
            Err(Problem::conflict("count", detail))
        }
        false => Ok(found),
    }
}

/// The body.
pub(crate) fn reserve_form(_: &mut Components) -> Value {
    let ms = i64::from(RESERVED_S_MAX) * 1000;
    json!({
        "type": "object",
        "required": ["organization"],
        "additionalProperties": false,
        "properties": {
            "organization": {"type": "string", "pattern": ID, "description": "Whose pool."},
            "count": {
                "type": "integer", "minimum": 1, "maximum": COUNT_MAX,
                "description": "How many; 1 when nothing is said.",
            },
            "prefix": {
                "type": "string", "pattern": "^[0-9*#]{1,32}$",
                "description": "Only numbers that begin so.",
            },
            "reserved_ms": {
                "type": "integer", "minimum": 1000, "maximum": ms, "multipleOf": 1000,
                "description": "For how long; ten minutes when nothing is said.",
            },
        },
    })
}

pub(crate) fn reserve_responses(components: &mut Components) -> Responses {
    let did = DidSeen::object().schema(components, Use::View);
    let shape = json!({
        "type": "object",
        "required": ["items"],
        "properties": {"items": {"type": "array", "items": did}},
    });
    vec![(200, "They are reserved, in the order of their ids.", JSON, shape)]
}
