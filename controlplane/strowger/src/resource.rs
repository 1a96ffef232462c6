//! `strowger get|list|create|change|delete`: any resource that the server's document names.

use crate::client::{Asked, Client, No, Place, Reply, encoded};
use crate::csv::Columns;
use crate::document::{Document, Operation, ROOT};
use crate::{Failure, complain, say, table};
use hyper::Method;
use serde_json::Value;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Most pages that `--all` follows.
const PAGES_MAX: usize = 10_000;

/// What is done to a resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    /// Shows one.
    Get,
    /// Shows a page, or all.
    List,
    /// Makes one, or does something.
    Create,
    /// Changes some fields.
    Change,
    /// Takes one away.
    Delete,
}

/// The command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// What is done.
    pub(crate) verb: Verb,
    /// The resource, as the path below the root.
    pub(crate) resource: String,
    /// Its id, for those that need one.
    pub(crate) id: Option<String>,
    /// `field=value`, or parameters of a list.
    pub(crate) fields: Vec<String>,
    /// The answer as it comes.
    pub(crate) is_json: bool,
    /// All pages of a list.
    pub(crate) is_all: bool,
    /// All of a list as CSV.
    pub(crate) is_csv: bool,
    /// The client's own key of a request that must count once.
    pub(crate) key: Option<String>,
}

impl Work {
    fn path(&self) -> String {
        let inner = self.resource.trim_matches('/');
        let parts = inner.split('/').chain(self.id.as_deref()).map(encoded);
        format!("{ROOT}/{}", parts.collect::<Vec<_>>().join("/"))
    }

    fn method(&self) -> &'static str {
        match self.verb {
            Verb::Get | Verb::List => "get",
            Verb::Create => "post",
            Verb::Change => "patch",
            Verb::Delete => "delete",
        }
    }
}

/// Does it.
pub(crate) fn run(place: &Place, work: &Work) -> Result<(), Failure> {
    let client = Client::open(place)?;
    let document = Document(client.get(&format!("{ROOT}/openapi.json"))?.json()?);
    let path = work.path();
    let method = work.method();
    let Some(operation) = document.operation(method, &path) else {
        let known = document.resources(method).join(", ");
        let what = format!("no resource `{}` to {}", work.resource, word(work.verb));
        return Err(Failure::Usage(format!("{what}; there are: {known}")));
    };
    match work.verb {
        Verb::Get => show(&client.get(&path)?, work.is_json),
        Verb::List if work.is_csv => export(&client, &operation, &path, work),
        Verb::List => list(&client, &path, work),
        Verb::Create => create(&client, &operation, &path, work),
        Verb::Change => change(&client, &operation, &path, work),
        Verb::Delete => delete(&client, &operation, &path, work),
    }
}

const fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::List => "list",
        Verb::Create => "create",
        Verb::Change => "change",
        Verb::Delete => "delete",
    }
}

fn show(reply: &Reply, is_json: bool) -> Result<(), Failure> {
    if is_json || reply.text.is_empty() {
        return say(reply.text.trim_end());
    }
    say(&table::lines(&reply.json()?))
}

/// The parameters of a list, as they stand in its query.
fn parameters(fields: &[String]) -> Result<Vec<String>, Failure> {
    let one = |field: &String| match field.split_once('=') {
        Some((name, value)) => Ok(format!("{}={}", encoded(name), encoded(value))),
        None => Err(Failure::Usage(format!("`{field}` is no parameter=value"))),
    };
    fields.iter().map(one).collect()
}

/// The page behind the cursor; its items, and the cursor of the next one. `None` = it is no list.
#[expect(clippy::type_complexity, reason = "a name for it would say less")]
fn page(
    client: &Client,
    path: &str,
    parameters: &[String],
    cursor: Option<&str>,
) -> Result<(Reply, Option<(Vec<Value>, Option<String>)>), Failure> {
    let next = cursor.map(|text| format!("next={}", encoded(text)));
    let all: Vec<String> = parameters.iter().cloned().chain(next).collect();
    let mark = if all.is_empty() { "" } else { "?" };
    let reply = client.get(&format!("{path}{mark}{}", all.join("&")))?;
    let mut page = reply.json()?;
    let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
    let items = match page.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Some((items, next)),
        Some(_) | None => None,
    };
    Ok((reply, items))
}

fn list(client: &Client, path: &str, work: &Work) -> Result<(), Failure> {
    let parameters = parameters(&work.fields)?;
    let (mut items, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let (reply, found) = page(client, path, &parameters, cursor.as_deref())?;
        if work.is_json && !work.is_all {
            return say(reply.text.trim_end());
        }
        let Some((more, next)) = found else { return show(&reply, work.is_json) };
        items.extend(more);
        cursor = next;
        if cursor.is_none() || !work.is_all {
            break;
        }
    }
    if let Some(next) = &cursor {
        complain(&format!("there is more: --all, or next={next}"));
    }
    if work.is_json {
        return say(&serde_json::json!({"items": items, "next": cursor}).to_string());
    }
    if items.is_empty() { Ok(()) } else { say(&table::table(&items)) }
}

/// All pages, each printed before the next one is asked for.
fn export(
    client: &Client,
    operation: &Operation<'_>,
    path: &str,
    work: &Work,
) -> Result<(), Failure> {
    let parameters = parameters(&work.fields)?;
    let (mut columns, mut cursor): (Option<Columns>, Option<String>) = (None, None);
    loop {
        let (_, found) = page(client, path, &parameters, cursor.as_deref())?;
        let Some((items, next)) = found else {
            return Err(Failure::Usage(format!("`{}` is no list", work.resource)));
        };
        // Without a row it is not known which columns there are: nothing is printed.
        let Some(first) = items.first() else { return Ok(()) };
        let is_first = columns.is_none();
        let columns = columns.get_or_insert_with(|| Columns::of(operation, first));
        let head = is_first.then(|| columns.head());
        let rows = items.iter().map(|item| columns.row(item));
        let lines: Vec<String> = head.into_iter().chain(rows).collect();
        // RFC 4180 ends lines with both.
        say(&format!("{}\r", lines.join("\r\n")))?;
        if next.is_none() || next == cursor {
            return Ok(());
        }
        cursor = next;
    }
}

fn create(
    client: &Client,
    operation: &Operation<'_>,
    path: &str,
    work: &Work,
) -> Result<(), Failure> {
    let body = operation.fields(&work.fields).map_err(Failure::Usage)?;
    let mut headers = Vec::new();
    let key = operation.takes_header("Idempotency-Key").then(|| own_key(work.key.as_ref()));
    headers.extend(key.iter().map(|key| ("Idempotency-Key", key.clone())));
    let asked = client.ask(Method::POST, path, Asked { headers, body, ..Asked::default() });
    // Whether it counted is not known then; the same key makes it safe to try again.
    let again = |failure: Failure| match (failure, &key) {
        (Failure::Running(why), Some(key)) => {
            Failure::Running(format!("{why}; again with --key {key} counts once"))
        }
        (other, _) => other,
    };
    show(&asked.map_err(again)??, work.is_json)
}

fn change(
    client: &Client,
    operation: &Operation<'_>,
    path: &str,
    work: &Work,
) -> Result<(), Failure> {
    let body = operation.fields(&work.fields).map_err(Failure::Usage)?;
    let headers = version(client, operation, path)?;
    show(
        &client.ask(Method::PATCH, path, Asked { headers, body, ..Asked::default() })??,
        work.is_json,
    )
}

fn delete(
    client: &Client,
    operation: &Operation<'_>,
    path: &str,
    work: &Work,
) -> Result<(), Failure> {
    let body = operation.fields(&work.fields).map_err(Failure::Usage)?;
    let headers = version(client, operation, path)?;
    let reply: Result<Reply, No> =
        client.ask(Method::DELETE, path, Asked { headers, body, ..Asked::default() })?;
    let reply = reply?;
    if reply.text.is_empty() { Ok(()) } else { show(&reply, work.is_json) }
}

/// What stands there now is what the change is meant for; somebody else's change in between is
/// refused by the server, not overwritten.
fn version(
    client: &Client,
    operation: &Operation<'_>,
    path: &str,
) -> Result<Vec<(&'static str, String)>, Failure> {
    if !operation.takes_header("If-Match") {
        return Ok(Vec::new());
    }
    let version = client.get(path)?.version;
    Ok(version.map(|version| ("If-Match", version)).into_iter().collect())
}

/// A key that nobody has had: 128 bits of the system's chance, by way of the hasher's seed.
fn own_key(given: Option<&String>) -> String {
    let chance = || RandomState::new().build_hasher().finish();
    given.cloned().unwrap_or_else(|| format!("cli-{:016x}{:016x}", chance(), chance()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_a_path() {
        let work = |resource: &str, id: Option<&str>| Work {
            verb: Verb::Get,
            resource: resource.into(),
            id: id.map(str::to_owned),
            fields: Vec::new(),
            is_json: false,
            is_all: false,
            is_csv: false,
            key: None,
        };
        assert_eq!(work("accounts", Some("1")).path(), "/api/v1/accounts/1");
        assert_eq!(work("/accounts/1/entries/", None).path(), "/api/v1/accounts/1/entries");
        assert_eq!(work("settings", Some("a b?c")).path(), "/api/v1/settings/a%20b%3Fc");
    }

    #[test]
    fn keys_differ() {
        assert_ne!(own_key(None), own_key(None));
        assert_eq!(own_key(Some(&"mine".to_owned())), "mine");
    }
}
