//! Settings over REST: what there is to set, who may set what where, what counts then, where the
//! source's names went; and each setting that REST itself reads changes something.

use crate::client::{Response, send};
use crate::server::Server;
use crate::world::{PASSWORD, token};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use strowger_model::{Role, SETTINGS, Setting, SettingReader};

const NEVER: &str = "";

fn ask(server: &Server, method: &str, path: &str, token: &str, body: &Value) -> Response {
    let target = format!("/api/v1/{path}");
    let text = if body.is_null() { String::new() } else { body.to_string() };
    send((server.at, 1), method, &target, (!token.is_empty()).then_some(token), &[], &text)
}

fn set(server: &Server, path: &str, value: &str, tenant: &Value) -> Response {
    let (category, name) = path.split_once('.').unwrap();
    let body = json!({"tenant": tenant, "category": category, "name": name, "value": value});
    ask(server, "POST", "settings", &token(Role::Owner), &body)
}

fn world() -> Server {
    Server::start_in_world("127.0.0.1:0")
}

/// A login of the admin with this password, from 127.0.0.`last`.
fn login(server: &Server, last: u8, name: &str, password: &str) -> Response {
    let body = json!({"realm": "t1.example", "name": name, "password": password});
    send((server.at, last), "POST", "/api/v1/sessions", None, &[], &body.to_string())
}

fn status_of_user(server: &Server, password: &str) -> String {
    let body = json!({
        "name": "ada", "role": "admin", "tenant": "1", "password": password,
    });
    ask(server, "POST", "users", &token(Role::Owner), &body).status.to_string()
}

fn status_of_subscriber(server: &Server, members: Value) -> String {
    let mut body = json!({
        "tenant": "1", "account": "10", "organization": "10", "username": "newcomer",
        "password": "correct horse",
    });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    ask(server, "POST", "subscribers", &token(Role::Owner), &body).status.to_string()
}

/// How many wrong logins pass before one must wait; each by another source or name.
fn free_failures(server: &Server, by_source: bool) -> String {
    let wrong = |n: u8| match by_source {
        true => login(server, 7, &format!("nobody{n}"), "wrong horse"),
        false => login(server, 20 + n, "nobody", "wrong horse"),
    };
    (0..40).take_while(|n| wrong(*n).status == 401).count().to_string()
}

/// Seconds to wait after so many failures more than are free.
fn wait_s(server: &Server, more: u8) -> String {
    for n in 0..=more {
        for _ in 0..40 {
            if login(server, 30 + n, "nobody", "wrong horse").status == 429 {
                let waits = login(server, 60, "nobody", "wrong horse");
                return waits.header("retry-after").unwrap_or("none").to_owned();
            }
        }
    }
    NEVER.to_owned()
}

/// The same with a first wait of 50 s.
fn long_wait_s(server: &Server) -> String {
    assert_eq!(set(server, "login.wait_ms", "50000", &Value::Null).status, 201);
    wait_s(server, 0)
}

fn session(server: &Server) -> Value {
    let began = login(server, 1, "admin", PASSWORD);
    assert_eq!(began.status, 201, "{began:?}");
    began.json()
}

/// Seconds from now to the end of a new session.
fn session_s(server: &Server) -> String {
    let text = session(server)["expires"].as_str().unwrap().to_owned();
    let ends: jiff::Timestamp = text.parse().unwrap();
    let now_us = server.now_us.load(Ordering::Relaxed);
    ((ends.as_microsecond() - now_us) / 1_000_000).to_string()
}

fn impersonates(server: &Server) -> String {
    let admin = session(server)["token"].as_str().unwrap().to_owned();
    let users = ask(server, "GET", "users", &admin, &Value::Null).json();
    let is_it = |user: &&Value| user["name"] == "u10";
    let id = users["items"].as_array().unwrap().iter().find(is_it).unwrap()["id"].clone();
    let path = format!("users/{}/impersonations", id.as_str().unwrap());
    let body = json!({"reason": "he asked", "minutes": "30"});
    ask(server, "POST", &path, &admin, &body).status.to_string()
}

fn wrong_tokens(server: &Server) -> String {
    let wrong = || send((server.at, 9), "GET", "/api/v1/me", Some("swt_wrong"), &[], "");
    (0..40).take_while(|_| wrong().status == 401).count().to_string()
}

fn made_password(server: &Server) -> String {
    let made = ask(server, "POST", "subscribers/10/credentials", &token(Role::Owner), &json!({}));
    made.json()["password"].as_str().unwrap().len().to_string()
}

/// Settings whose test stands beside the code: `guess.rs`, whose time nobody waits for here.
const IN_UNITS: [&str; 1] = ["login.memory_ms"];

type Case = (&'static str, &'static str, fn(&Server) -> String, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("login.password_chars_min", "20", |s| status_of_user(s, "battery staple"), "201", "400"),
    ("login.failures_free", "2", |s| free_failures(s, false), "5", "2"),
    ("login.source_failures_free", "3", |s| free_failures(s, true), "20", "3"),
    ("login.wait_ms", "40000", |s| wait_s(s, 0), "1", "40"),
    ("login.wait_ms_max", "1000", long_wait_s, "50", "1"),
    ("login.session_idle_ms", "60000", |s| session(s)["idle_ms"].to_string(), "1800000", "60000"),
    ("login.session_ms_max", "300000", session_s, "43200", "300"),
    ("login.impersonation_ms_max", "600000", impersonates, "201", "422"),
    ("login.token_failures_max", "4", wrong_tokens, "20", "4"),
    ("subscriber.password_chars_min", "20", |s| status_of_subscriber(s, json!({})), "201", "422"),
    ("subscriber.password_chars_made", "40", made_password, "20", "40"),
    ("subscriber.username_chars_min", "5",
        |s| status_of_subscriber(s, json!({"username": "abc"})), "201", "422"),
    ("subscriber.weak_passwords", "true",
        |s| status_of_subscriber(s, json!({"password": "12345678"})), "422", "201"),
];

#[test]
fn every_setting_that_rest_reads_changes_something() {
    let own = SETTINGS.iter().filter(|s| s.reader == SettingReader::Rest).map(Setting::path);
    let own: Vec<String> = own.filter(|path| !IN_UNITS.contains(&path.as_str())).collect();
    let tested: Vec<&str> = CASES.iter().map(|(path, ..)| *path).collect();
    assert_eq!(own, tested, "a setting without a case, or a case without one");
    for (path, value, see, before, after) in CASES {
        assert_eq!(see(&world()), *before, "{path} has its default");
        let server = world();
        let made = set(&server, path, value, &Value::Null);
        assert_eq!(made.status, 201, "{path}: {made:?}");
        assert_eq!(see(&server), *after, "{path} = {value}");
    }
}

/// What a POST is refused with: status, field.
fn check(server: &Server, role: Role, body: &Value, status: u16, field: &str) {
    let answer = ask(server, "POST", "settings", &token(role), body);
    assert_eq!((answer.status, answer.field().as_str()), (status, field), "{body}: {answer:?}");
}

#[test]
fn a_bad_setting_names_its_field() {
    let server = world();
    let good = json!({"tenant": "1", "category": "call", "name": "ring_ms", "value": "5000"});
    let with = |members: Value| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let owner = |members: Value, status, field| {
        check(&server, Role::Owner, &with(members), status, field);
    };
    owner(json!({"value": "5"}), 400, "value");
    owner(json!({"value": "never"}), 400, "value");
    owner(json!({"value": 5000}), 400, "value");
    owner(json!({"name": "rings"}), 422, "name");
    owner(json!({"category": "calls"}), 422, "category");
    owner(json!({"subscriber": "10"}), 422, "subscriber");
    owner(json!({"account": "10", "subscriber": "10"}), 422, "subscriber");
    owner(json!({"account": "99"}), 422, "account");
    owner(json!({"account": "30"}), 422, "account");
    owner(json!({"tenant": null, "account": "10"}), 422, "tenant");
    owner(json!({"tenant": "99"}), 422, "tenant");
    let host = json!({"category": "login", "name": "failures_free", "value": "9"});
    owner(host, 422, "tenant");
    // The whole switch is the host's.
    let wide = with(json!({"tenant": null}));
    check(&server, Role::Admin, &wide, 422, "tenant");
    check(&server, Role::Admin, &with(json!({"tenant": "2"})), 422, "tenant");
    assert_eq!(ask(&server, "POST", "settings", &token(Role::Admin), &good).status, 201);
    check(&server, Role::Owner, &good, 409, "name");
    // What is set for somebody goes before him.
    let shouted = json!({"tenant": "1", "account": "11", "category": "CALL", "name": "Ring_MS",
        "value": "9000"});
    let made = ask(&server, "POST", "settings", &token(Role::Owner), &shouted);
    let row = made.json();
    assert_eq!(
        (made.status, &row["category"], &row["name"]),
        (201, &json!("call"), &json!("ring_ms"))
    );
}

fn definition(server: &Server, role: Role, path: &str) -> Value {
    let answer =
        ask(server, "GET", &format!("setting-definitions/{path}"), &token(role), &Value::Null);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

#[test]
fn a_definition_says_what_counts_and_where_it_was_set() {
    let server = world();
    let of = |role, query: &str| {
        let found = definition(&server, role, &format!("call.talk_ms_max{query}"));
        let set_at = found["set_at"].as_str().unwrap().to_owned();
        (found["value"].as_str().unwrap().to_owned(), set_at, found["setting"].clone())
    };
    assert_eq!(of(Role::Owner, ""), ("auto".into(), "default".into(), Value::Null));
    let make = |members: Value| {
        let mut body = json!({"category": "call", "name": "talk_ms_max"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let made = ask(&server, "POST", "settings", &token(Role::Owner), &body);
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].clone()
    };
    let system = make(json!({"value": "4000"}));
    let tenant = make(json!({"tenant": "1", "value": "3000"}));
    let account = make(json!({"tenant": "1", "account": "10", "value": "2000"}));
    let own = make(json!({"tenant": "1", "subscriber": "10", "value": "1000"}));
    let is = |value: &str, set_at: &str, id: &Value| (value.into(), set_at.into(), id.clone());
    assert_eq!(of(Role::Owner, ""), is("4000", "system", &system));
    assert_eq!(of(Role::Owner, "?tenant=1"), is("3000", "tenant", &tenant));
    assert_eq!(of(Role::Owner, "?tenant=2"), is("4000", "system", &system));
    assert_eq!(of(Role::Owner, "?account=10"), is("2000", "account", &account));
    assert_eq!(of(Role::Owner, "?subscriber=10"), is("1000", "subscriber", &own));
    assert_eq!(of(Role::Owner, "?subscriber=11"), is("3000", "tenant", &tenant));
    // A tenant's people ask for their tenant, and see nothing of another.
    assert_eq!(of(Role::Admin, ""), is("3000", "tenant", &tenant));
    for query in ["?tenant=2", "?account=30", "?subscriber=30"] {
        let path = format!("setting-definitions/call.talk_ms_max{query}");
        let answer = ask(&server, "GET", &path, &token(Role::Admin), &Value::Null);
        assert_eq!(answer.status, 422, "{query}");
    }
    let listed = ask(&server, "GET", "settings", &token(Role::Admin), &Value::Null).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 4, "the switch's row is the host's");
}

#[test]
fn definitions_are_all_there_and_can_be_narrowed() {
    let server = world();
    let owner = token(Role::Owner);
    let list = |path: &str| {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page =
                ask(&server, "GET", &format!("{path}{joint}limit=20{next}"), &owner, &Value::Null);
            assert_eq!(page.status, 200, "{path}: {page:?}");
            let page = page.json();
            items.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(cursor) => next = format!("&next={cursor}"),
                None => return items,
            }
        }
    };
    let all = list("setting-definitions");
    let paths: Vec<&str> = all.iter().map(|d| d["path"].as_str().unwrap()).collect();
    assert_eq!(paths, SETTINGS.iter().map(Setting::path).collect::<Vec<_>>());
    assert_eq!(list("setting-definitions?category=digest").len(), 3);
    assert_eq!(list("setting-definitions?category=digest&depth=subscriber").len(), 2);
    assert_eq!(list("setting-definitions?source_name=UPPEREXPIRE").len(), 1);
    let names = list("source-settings");
    assert_eq!(names.len(), strowger_model::source_names().count());
    assert!(list("source-settings?disposition=refused").len() > 20);
    let found = ask(&server, "GET", "source-settings/UpperExpire", &owner, &Value::Null).json();
    let first = &found["items"][0];
    assert_eq!(first["kind"], "setting");
    assert_eq!(first["target"], "registration.expires_ms_max");
    assert_eq!(ask(&server, "GET", "source-settings/nosuch", &owner, &Value::Null).status, 404);
}

/// Every field of REST that a name of the source went to is a member of its resource.
#[test]
fn fields_that_the_source_went_to_exist() {
    let document = Server::start().get("/api/v1/openapi.json").json();
    let mut seen = 0;
    for entry in strowger_model::source_names() {
        let Some(("field", path)) = entry.target.parts() else { continue };
        let (resource, member) = path.split_once('.').unwrap();
        let body = &document["paths"][format!("/api/v1/{resource}")]["post"]["requestBody"];
        let schema = body["content"]["application/json"]["schema"]["$ref"].as_str();
        let schema = schema.unwrap_or_else(|| panic!("{}: no resource {resource}", entry.name));
        let known = document.pointer(schema.trim_start_matches('#')).unwrap();
        assert!(known["properties"].get(member).is_some(), "{}: {path}", entry.name);
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}
