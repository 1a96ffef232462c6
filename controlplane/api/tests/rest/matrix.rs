//! Every endpoint with every role, for what is its own, its child's, its sibling's and another
//! tenant's. The table is `matrix.txt`; an endpoint without a line there fails.

use crate::client::{Response, send};
use crate::sample::{VERSION, body, media, name_of};
use crate::server::Server;
use crate::world::{NUMBERS, World, token};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use strowger_api::{EndpointInfo, endpoints};
use strowger_model::Role;

const TABLE: &str = include_str!("matrix.txt");

/// What the table says: method and path, then a cell for each role.
fn expected() -> BTreeMap<(String, String), Vec<String>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let row = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let key = (words.next().unwrap(), words.next().unwrap());
        (key, words.collect())
    };
    lines.map(row).collect()
}

/// Whether the endpoint is about one of the four things, in its path, its list or its body.
fn has_things(endpoint: &EndpointInfo) -> bool {
    endpoint.rule == "rows"
}

fn resource(endpoint: &EndpointInfo) -> &'static str {
    endpoint.path.split('/').nth(3).unwrap_or_default()
}

fn ask(server: &Server, endpoint: &EndpointInfo, role: Role, place: usize) -> Response {
    let id = World::get().id(resource(endpoint), place).to_string();
    let target = endpoint.path.replace("{id}", &id).replace("{name}", name_of(endpoint.path));
    let mut target = target.replace("{login}", &id).replace("{number}", "1");
    if target.ends_with("/statistics") {
        target.push_str("?by=account");
    }
    let text = if endpoint.takes_body { body(endpoint, NUMBERS[place]) } else { String::new() };
    let mut headers = Vec::new();
    let key = format!("{} {place}", endpoint.path);
    if endpoint.needs_key {
        headers.push(("Idempotency-Key", key.as_str()));
    }
    if endpoint.needs_version {
        headers.push(("If-Match", VERSION));
    }
    if let Some(media) = media(endpoint) {
        headers.push(("Content-Type", media));
    }
    if endpoint.method == "PATCH" {
        headers.push(("Content-Type", "application/merge-patch+json"));
    }
    send((server.at, 1), endpoint.method, &target, Some(&token(role)), &headers, &text)
}

/// One letter: `+` comes in, `-` is as if it were not there, `x` may not.
fn letter(endpoint: &EndpointInfo, response: &Response, place: usize) -> char {
    match response.status {
        200 if has_things(endpoint) && !endpoint.path.contains("{id}") => {
            let id = World::get().id(resource(endpoint), place).to_string();
            let items = response.json()["items"].clone();
            let names = ["seq", "id", "subscriber", "account"];
            let is = |item: &Value| names.iter().find_map(|name| item[name].as_str()) == Some(&id);
            if items.as_array().unwrap().iter().any(is) { '+' } else { '-' }
        }
        200..300 => '+',
        403 => 'x',
        404 => '-',
        // What is named in a body and out of scope is not there either.
        422 if endpoint.method == "POST" && is_missing(response) => '-',
        // It came in, and the state of things refuses: the version above all.
        409 | 412 | 422 => '+',
        other => panic!("{} {}: {other} {}", endpoint.method, endpoint.path, response.body),
    }
}

fn is_missing(response: &Response) -> bool {
    ["is not there", "does not exist"].iter().any(|words| response.body.contains(words))
}

/// The answer to an owner who asks about what is his.
pub(crate) fn ask_as_owner(endpoint: &EndpointInfo) -> (Server, Response) {
    let server = start(endpoint);
    let response = ask(&server, endpoint, Role::Owner, 0);
    (server, response)
}

fn start(endpoint: &EndpointInfo) -> Server {
    // On a loopback address the metrics are open.
    let address = if endpoint.is_open_on_loopback { "0.0.0.0:0" } else { "127.0.0.1:0" };
    Server::start_in_world(address)
}

/// The cells of a row, as the server has them.
fn cells(endpoint: &EndpointInfo) -> Vec<String> {
    let places = if has_things(endpoint) { 4 } else { 1 };
    let mut shared = None;
    let cell = |role| {
        if shared.is_none() || endpoint.method != "GET" {
            shared = Some(start(endpoint));
        }
        let server = shared.as_ref().unwrap();
        (0..places)
            .map(|place| letter(endpoint, &ask(server, endpoint, role, place), place))
            .collect()
    };
    Role::ALL.into_iter().map(cell).collect()
}

#[test]
fn every_endpoint_with_every_role_and_every_relation() {
    let expected = expected();
    let mut wrong = String::new();
    for endpoint in endpoints() {
        let key = (endpoint.method.to_owned(), endpoint.path.to_owned());
        let is = match endpoint.permission {
            Some(_) => cells(&endpoint),
            None => vec!["open".to_owned()],
        };
        if expected.get(&key) != Some(&is) {
            writeln!(wrong, "{:6} {:42} {}", key.0, key.1, is.join(" ")).unwrap();
        }
    }
    assert!(wrong.is_empty(), "not as matrix.txt says; the server does:\n{wrong}");
}

#[test]
fn the_table_has_no_line_of_what_is_gone() {
    let known: Vec<_> = endpoints().map(|e| (e.method.to_owned(), e.path.to_owned())).collect();
    for key in expected().keys() {
        assert!(known.contains(key), "{key:?}");
    }
}
