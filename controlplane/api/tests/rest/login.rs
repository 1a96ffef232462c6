//! Logins, passwords, second factors, tokens of programs, acting for another, and what the change
//! log says of all that.

use crate::client::{Response, send};
use crate::server::Server;
use crate::world::{NOW_US, PASSWORD, World, token};
use ring::hmac;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strowger_model::Role;

const LOGIN_FAILURES_FREE: u32 = 5;
const SESSION_IDLE_US: i64 = 30 * MINUTE_US;
const SESSION_US_MAX: i64 = 12 * 60 * MINUTE_US;
const IMPERSONATION_MIN_MAX: u32 = 60;
const MINUTE_US: i64 = 60_000_000;

fn start() -> Server {
    Server::start_in_world("127.0.0.1:0")
}

/// One request below the root, from 127.0.0.`last`.
struct Ask<'a> {
    server: &'a Server,
    last: u8,
}

impl Ask<'_> {
    fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Response {
        let target = format!("/api/v1/{path}");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let token = (!token.is_empty()).then_some(token);
        send((self.server.at, self.last), method, &target, token, &[], &text)
    }
}

fn get(server: &Server, path: &str, token: &str) -> Response {
    Ask { server, last: 1 }.send("GET", path, token, &Value::Null)
}

fn post(server: &Server, path: &str, token: &str, body: &Value) -> Response {
    Ask { server, last: 1 }.send("POST", path, token, body)
}

fn delete(server: &Server, path: &str, token: &str) -> Response {
    Ask { server, last: 1 }.send("DELETE", path, token, &Value::Null)
}

fn patch(server: &Server, path: &str, version: &str, body: &Value) -> Response {
    let headers = [("If-Match", version)];
    let headers = if version.is_empty() { &headers[..0] } else { &headers[..] };
    let target = format!("/api/v1/{path}");
    let admin = token(Role::Admin);
    send((server.at, 1), "PATCH", &target, Some(&admin), headers, &body.to_string())
}

fn login(server: &Server, name: &str, password: &str, code: Option<&str>) -> Response {
    let mut body = json!({"realm": "t1.example", "name": name, "password": password});
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    post(server, "sessions", "", &body)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The token of a login that must succeed.
fn logged_in(server: &Server, name: &str) -> String {
    let response = login(server, name, PASSWORD, None);
    assert_eq!(response.status, 201, "{response:?}");
    text(&response.json()["token"])
}

fn pass(server: &Server, us: i64) {
    server.now_us.fetch_add(us, Ordering::Relaxed);
}

fn user(role: Role) -> i64 {
    World::get().users[&role].0
}

#[test]
fn a_login_is_a_session_until_it_ends() {
    let server = start();
    let response = login(&server, "Admin", PASSWORD, None);
    assert_eq!(response.status, 201, "case of names does not count: {response:?}");
    let view = response.json();
    assert_eq!(view["user"]["realm"], "t1.example");
    let token = text(&view["token"]);
    let me = get(&server, "me", &token).json();
    assert_eq!(
        (me["name"].as_str(), me["role"].as_str()),
        (Some("admin@t1.example"), Some("admin"))
    );
    assert_eq!((&me["tenant"], &me["on_behalf"]), (&json!("1"), &Value::Null));
    assert_eq!(me["session"], view["session"]);
    let list = get(&server, "sessions", &token).json();
    let current: Vec<_> =
        list["items"].as_array().unwrap().iter().filter(|s| s["current"] == true).collect();
    assert_eq!((current.len(), &current[0]["id"]), (1, &view["session"]));
    assert_eq!(current[0]["source"], "127.0.0.1");
    assert_eq!(delete(&server, "sessions/current", &token).status, 204);
    assert_eq!(get(&server, "me", &token).status, 401);
    // The host is no realm.
    let host = json!({"name": "owner", "password": PASSWORD});
    let response = post(&server, "sessions", "", &host);
    assert_eq!((response.status, &response.json()["user"]["realm"]), (201, &Value::Null));
    assert_eq!(
        post(&server, "sessions", "", &json!({"name": "admin", "password": PASSWORD})).status,
        401
    );
}

#[test]
fn a_session_ends_when_idle_and_at_its_end() {
    let server = start();
    let token = logged_in(&server, "admin");
    let used = || {
        let list = get(&server, "sessions", &token).json();
        let mut items = list["items"].as_array().unwrap().iter();
        text(&items.find(|s| s["current"] == true).unwrap()["used"])
    };
    let began = used();
    // Use slides the end; that it is used is written down beside the request.
    let mut passed = 0;
    while passed < SESSION_US_MAX - SESSION_IDLE_US {
        let step = SESSION_IDLE_US - MINUTE_US;
        pass(&server, step);
        passed += step;
        let before = used();
        let until = Instant::now() + Duration::from_secs(10);
        while used() == before && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_ne!(used(), began, "after {passed}");
    }
    assert_eq!(get(&server, "me", &token).status, 200);
    pass(&server, SESSION_US_MAX - passed);
    assert_eq!(get(&server, "me", &token).status, 401, "however much it was used");
    let idle = logged_in(&server, "admin");
    pass(&server, SESSION_IDLE_US);
    assert_eq!(get(&server, "me", &idle).status, 401);
    // Who shows an ended one again and again is not taken for one who guesses.
    for _ in 0..30 {
        assert_eq!(get(&server, "me", &idle).status, 401);
    }
}

#[test]
fn who_does_not_come_in_is_told_one_thing() {
    let server = start();
    let ask = |last, name: &str, realm: &str, password: &str| {
        let body = json!({"realm": realm, "name": name, "password": password});
        Ask { server: &server, last }.send("POST", "sessions", "", &body)
    };
    let disabled = json!({"enabled": false});
    let id = World::get().id("users", 0);
    assert_eq!(patch(&server, &format!("users/{id}"), "\"1\"", &disabled).status, 200);
    let refused = [
        ask(1, "admin", "t1.example", "wrong horse"),
        ask(2, "nobody", "t1.example", PASSWORD),
        ask(3, "admin", "t2.example", PASSWORD),
        ask(4, "admin", "nowhere", PASSWORD),
        ask(5, "u10", "t1.example", PASSWORD),
    ];
    for response in &refused {
        assert_eq!((response.status, &response.body), (401, &refused[0].body));
    }
    // The same limits for who is there and who is not.
    for name in ["support", "nothere"] {
        for n in 0..LOGIN_FAILURES_FREE {
            let last = u8::try_from(n).unwrap() + 10;
            assert_eq!(ask(last, name, "t1.example", "wrong horse").status, 401, "{name} {n}");
        }
        let waits = ask(20, name, "t1.example", PASSWORD);
        assert_eq!((waits.status, waits.header("retry-after")), (429, Some("1")), "{name}");
    }
    assert_eq!(ask(20, "admin", "t1.example", PASSWORD).status, 201, "others go on");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(ask(20, "support", "t1.example", PASSWORD).status, 201);
}

/// RFC 6238, of our own.
fn code(secret: &str, at_us: i64) -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String =
        secret.chars().map(|c| format!("{:05b}", letters.find(c).unwrap())).collect();
    let key: Vec<u8> = (0..bits.len() / 8)
        .map(|n| u8::from_str_radix(&bits[8 * n..8 * n + 8], 2).unwrap())
        .collect();
    let step = (at_us / 30_000_000).to_be_bytes();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &step);
    let at = usize::from(tag.as_ref()[19] & 15);
    let four: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

#[test]
fn a_second_factor_is_asked_for_once_it_is_confirmed() {
    let server = start();
    let own = logged_in(&server, "admin");
    let proof = json!({"password": PASSWORD});
    let wrong = post(&server, "me/totp", &own, &json!({"password": "wrong horse"}));
    assert_eq!((wrong.status, wrong.field().as_str()), (422, "password"));
    let given = post(&server, "me/totp", &own, &proof).json();
    let secret = text(&given["secret"]);
    assert!(text(&given["uri"]).contains(&secret));
    // Given out is not asked for.
    logged_in(&server, "admin");
    let now = || server.now_us.load(Ordering::Relaxed);
    let confirm = |code: &str| post(&server, "me/totp/confirmations", &own, &json!({"code": code}));
    assert_eq!(confirm("000000").field(), "code");
    let codes = confirm(&code(&secret, now())).json();
    let codes: Vec<String> = codes["recovery_codes"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(codes.len(), 10);
    let ask = |code: Option<&str>| login(&server, "admin", PASSWORD, code);
    let missing = ask(None);
    assert_eq!((missing.status, missing.field().as_str()), (401, "code"));
    // Without the password nobody learns that a code is asked for.
    assert_eq!(login(&server, "admin", "wrong horse", None).field(), "");
    let used = code(&secret, now());
    assert_eq!(ask(Some(&used)).field(), "code", "it confirmed, so it is used up");
    pass(&server, 30_000_000);
    let fresh = code(&secret, now());
    assert_eq!(ask(Some(&fresh)).status, 201);
    assert_eq!(ask(Some(&fresh)).status, 401, "a code counts once");
    assert_eq!(ask(Some(&codes[0].to_lowercase())).status, 201);
    assert_eq!(ask(Some(&codes[0])).status, 401, "a recovery code too");
    let me = get(&server, "me", &own).json();
    assert_eq!((&me["recovery_codes"], &me["user"]["totp"]), (&json!(9), &json!(true)));
    assert_eq!(post(&server, "me/totp", &own, &proof).field(), "totp", "it is on");
    assert_eq!(post(&server, "me/totp/removals", &own, &proof).field(), "code");
    pass(&server, 30_000_000);
    let off = json!({"password": PASSWORD, "code": code(&secret, now())});
    assert_eq!(post(&server, "me/totp/removals", &own, &off).status, 204);
    logged_in(&server, "admin");
    // Somebody who may make him may turn it off for him.
    let given = post(&server, "me/totp", &own, &proof).json();
    pass(&server, 30_000_000);
    assert_eq!(confirm(&code(&text(&given["secret"]), now())).status, 200);
    assert_eq!(ask(None).status, 401);
    let path = format!("users/{}/totp", user(Role::Admin));
    assert_eq!(delete(&server, &path, &token(Role::Owner)).status, 204);
    assert_eq!(ask(None).status, 201);
}

#[test]
fn a_new_password_ends_the_other_logins() {
    let server = start();
    let (one, other) = (logged_in(&server, "admin"), logged_in(&server, "admin"));
    let change = |old: &str, new: &str| {
        post(&server, "me/password", &one, &json!({"password": old, "new": new}))
    };
    for (old, new, field) in [
        ("wrong horse", "battery staple", "password"),
        (PASSWORD, "short", "new"),
        (PASSWORD, "the admin himself", "new"),
    ] {
        assert_eq!(change(old, new).field(), field, "{old} {new}");
    }
    assert_eq!(get(&server, "me", &other).status, 200);
    assert_eq!(change(PASSWORD, "battery staple").status, 204);
    assert_eq!((get(&server, "me", &one).status, get(&server, "me", &other).status), (200, 401));
    assert_eq!(login(&server, "admin", PASSWORD, None).status, 401);
    assert_eq!(login(&server, "admin", "battery staple", None).status, 201);
    // Set by another it ends all.
    let path = format!("users/{}/password", user(Role::Admin));
    let body = json!({"password": "another staple"});
    assert_eq!(post(&server, &path, &token(Role::Owner), &body).status, 204);
    assert_eq!(get(&server, "me", &one).status, 401);
    assert_eq!(login(&server, "admin", "another staple", None).status, 201);
}

#[test]
fn a_token_never_gets_more_than_its_maker_has() {
    let server = start();
    let make = |maker: Role, body: Value| {
        let response = post(&server, "tokens", &token(maker), &body);
        let field = if response.status < 300 { String::new() } else { response.field() };
        (response.status, field)
    };
    for (maker, role, binding, expect) in [
        // A higher role.
        (Role::Admin, "owner", json!({}), (403, "")),
        (Role::Reseller, "admin", json!({}), (403, "")),
        (Role::Reseller, "supplier", json!({"account": "10"}), (403, "")),
        (Role::Customer, "reseller", json!({"organization": "10"}), (403, "")),
        // A wider scope, or another one.
        (Role::Admin, "admin", json!({"tenant": "2"}), (422, "tenant")),
        (
            Role::Admin,
            "subscriber",
            json!({"tenant": "2", "subscriber": "30"}),
            (422, "subscriber"),
        ),
        (Role::Reseller, "reseller", json!({"organization": "20"}), (422, "organization")),
        (Role::Reseller, "customer", json!({"account": "20"}), (422, "account")),
        (Role::Customer, "customer", json!({"account": "11"}), (422, "account")),
        (Role::Customer, "customer", json!({"organization": "10"}), (422, "organization")),
        (Role::Customer, "subscriber", json!({"subscriber": "20"}), (422, "subscriber")),
        (Role::Supplier, "supplier", json!({"account": "11"}), (422, "account")),
        // What is not there at all is answered alike.
        (Role::Reseller, "customer", json!({"account": "99"}), (422, "account")),
        (Role::Owner, "customer", json!({"tenant": "1", "account": "30"}), (422, "account")),
        // A role that does not fit its scope.
        (Role::Admin, "reseller", json!({}), (422, "role")),
        (Role::Owner, "subscriber", json!({"tenant": "1", "account": "10"}), (422, "role")),
        // What one has.
        (Role::Owner, "owner", json!({}), (201, "")),
        (Role::Admin, "support", json!({}), (201, "")),
        (Role::Admin, "supplier", json!({"account": "20"}), (201, "")),
        (Role::Reseller, "reseller", json!({}), (201, "")),
        (Role::Reseller, "reseller", json!({"organization": "11"}), (201, "")),
        (Role::Reseller, "customer", json!({"account": "11"}), (201, "")),
        (Role::Customer, "customer", json!({}), (201, "")),
        (Role::Customer, "subscriber", json!({"subscriber": "10"}), (201, "")),
        (Role::Supplier, "supplier", json!({}), (201, "")),
    ] {
        let mut body = json!({"name": "n", "role": role});
        for (name, value) in binding.as_object().unwrap() {
            body[name] = value.clone();
        }
        let what = format!("{maker:?} makes {body}");
        assert_eq!(make(maker, body), (expect.0, expect.1.to_owned()), "{what}");
    }
}

/// Makes a token with the session of a role; what it is shown once.
fn make_token(server: &Server, with: &str, body: &Value) -> (String, String) {
    let response = post(server, "tokens", with, body);
    assert_eq!(response.status, 201, "{response:?}");
    let view = response.json();
    (text(&view["secret"]), text(&view["token"]["id"]))
}

#[test]
fn a_token_ends_with_what_it_was_made_of() {
    let server = start();
    let me = |token: &str| get(&server, "me", token).status;
    let (reseller, owner) = (token(Role::Reseller), token(Role::Owner));
    let name = json!({"name": "ci"});
    let (first, id) = make_token(&server, &reseller, &name);
    assert!(first.starts_with("swt_"));
    let shown = get(&server, "me", &first).json();
    assert_eq!(shown["name"], "reseller@t1.example/ci");
    assert_eq!((&shown["organization"], &shown["user"]), (&json!("10"), &Value::Null));
    // One made with it goes with it; nobody else's.
    let (second, _) = make_token(&server, &first, &name);
    let (third, _) = make_token(&server, &reseller, &name);
    assert_eq!(delete(&server, &format!("tokens/{id}"), &reseller).status, 204);
    assert_eq!((me(&first), me(&second), me(&third)), (401, 401, 200));
    // It lasts no longer than that one.
    let body = json!({"name": "ci", "expires": "2023-11-14T23:00:00Z"});
    let (short, _) = make_token(&server, &reseller, &body);
    let longer = json!({"name": "x", "expires": "2023-11-14T23:00:01Z"});
    assert_eq!(post(&server, "tokens", &short, &longer).field(), "expires");
    let (below, _) = make_token(&server, &short, &name);
    assert_eq!((me(&short), me(&below)), (200, 200));
    pass(&server, 3_600_000_000);
    assert_eq!((me(&short), me(&below)), (401, 401));
    let late = json!({"name": "x", "expires": "2023-11-14T22:00:00Z"});
    assert_eq!(post(&server, "tokens", &reseller, &late).field(), "expires");
    // Its maker loses his role, and gets it again, and his login.
    let path = format!("users/{}", user(Role::Reseller));
    let version = || text(&json!(get(&server, &path, &owner).header("etag").unwrap()));
    let customer = json!({"role": "customer", "organization": null, "account": "10"});
    assert_eq!(patch(&server, &path, &version(), &customer).status, 200);
    assert_eq!(me(&third), 401, "a customer makes no reseller");
    let again = json!({"role": "reseller", "organization": "11", "account": null});
    assert_eq!(patch(&server, &path, &version(), &again).status, 200);
    assert_eq!(me(&third), 401, "its organization is not below his any more");
    let again = json!({"organization": "10"});
    assert_eq!(patch(&server, &path, &version(), &again).status, 200);
    assert_eq!(me(&third), 200);
    assert_eq!(patch(&server, &path, &version(), &json!({"enabled": false})).status, 200);
    assert_eq!(me(&third), 401);
    assert_eq!(delete(&server, &path, &owner).status, 204);
    assert_eq!((me(&third), get(&server, &path, &owner).status), (401, 404));
}

#[test]
fn who_acts_for_another_is_named_and_bounded() {
    let server = start();
    let admin = logged_in(&server, "admin");
    let target = World::get().id("users", 1);
    let path = format!("users/{target}/impersonations");
    let act = |body: Value| post(&server, &path, &admin, &body);
    for (body, field) in [
        (json!({}), "reason"),
        (json!({"reason": " "}), "reason"),
        (json!({"reason": "x", "minutes": "61"}), "minutes"),
        (json!({"reason": "x", "minutes": "0"}), "minutes"),
    ] {
        assert_eq!(act(body).field(), field);
    }
    let acting = act(json!({"reason": "he asked"})).json();
    let token = text(&acting["token"]);
    let me = get(&server, "me", &token).json();
    assert_eq!(
        (&me["name"], &me["on_behalf"]),
        (&json!("admin@t1.example"), &json!("u11@t1.example"))
    );
    assert_eq!((&me["role"], &me["subscriber"]), (&json!("subscriber"), &json!("11")));
    // It sees what he sees, no more, and leaves nothing that outlasts it.
    assert_eq!(get(&server, "subscribers/11", &token).status, 200);
    assert_eq!(get(&server, "subscribers/10", &token).status, 404);
    let passwords = json!({"password": PASSWORD, "new": "battery staple"});
    assert_eq!(post(&server, "me/password", &token, &passwords).status, 403);
    assert_eq!(post(&server, "me/totp", &token, &json!({"password": PASSWORD})).status, 403);
    // Not for one who is more; not by a token; not on and on; not for oneself.
    let for_whom = |role, with: &str| {
        let path = format!("users/{}/impersonations", user(role));
        post(&server, &path, with, &json!({"reason": "x"})).status
    };
    assert_eq!(for_whom(Role::Owner, &admin), 404, "he is of the host");
    assert_eq!(for_whom(Role::Admin, &admin), 403);
    let (program, _) = make_token(&server, &admin, &json!({"name": "ci"}));
    assert_eq!(for_whom(Role::Customer, &program), 403);
    let customer = post(
        &server,
        &format!("users/{}/impersonations", user(Role::Customer)),
        &admin,
        &json!({"reason": "x"}),
    );
    let customer = text(&customer.json()["token"]);
    let made = json!({"name": "n"});
    assert_eq!(post(&server, "tokens", &customer, &made).status, 403);
    let made = json!({"name": "n", "role": "subscriber", "subscriber": "10"});
    assert_eq!(post(&server, "users", &customer, &made).status, 403);
    // The log says who, for whom and why.
    let log = get(&server, "changes?resource=impersonations", &admin).json();
    let entry = &log["items"][1];
    assert_eq!((&entry["actor"], &entry["on_behalf"]), (&me["name"], &me["on_behalf"]));
    assert_eq!(entry["after"]["reason"], "he asked");
    // It ends, and with who acts.
    pass(&server, i64::from(IMPERSONATION_MIN_MAX) * MINUTE_US / 2 - 1);
    assert_eq!(get(&server, "me", &token).status, 200);
    let path = format!("users/{}", user(Role::Admin));
    let owner = crate::world::token(Role::Owner);
    let off = json!({"enabled": false}).to_string();
    let target = format!("/api/v1/{path}");
    let headers = [("If-Match", "\"1\"")];
    assert_eq!(send((server.at, 1), "PATCH", &target, Some(&owner), &headers, &off).status, 200);
    assert_eq!(get(&server, "me", &token).status, 401);
}

#[test]
fn acting_ends_after_its_hour_however_it_is_used() {
    let server = start();
    let admin = token(Role::Admin);
    let path = format!("users/{}/impersonations", World::get().id("users", 1));
    let acting = post(&server, &path, &admin, &json!({"reason": "x", "minutes": "10"})).json();
    let token = text(&acting["token"]);
    pass(&server, 10 * MINUTE_US - 1);
    assert_eq!(get(&server, "me", &token).status, 200);
    pass(&server, 1);
    assert_eq!(get(&server, "me", &token).status, 401);
}

#[test]
fn users_are_made_changed_and_removed() {
    let server = start();
    let admin = token(Role::Admin);
    let make = |body: Value| post(&server, "users", &admin, &body);
    for (body, field) in [
        (json!({"role": "support"}), "name"),
        (json!({"name": "a b", "role": "support"}), "name"),
        (json!({"name": "x".repeat(65), "role": "support"}), "name"),
        (json!({"name": "a"}), "role"),
        (json!({"name": "a", "role": "wizard"}), "role"),
        (json!({"name": "a", "role": "support", "password": "short"}), "password"),
        (json!({"name": "a", "role": "support", "enabled": "yes"}), "enabled"),
        (json!({"name": "a", "role": "support", "account": 7}), "account"),
        (json!({"name": "a", "role": "support", "pin": "1"}), "pin"),
        (json!({"name": "admin", "role": "support"}), "name"),
    ] {
        let response = make(body.clone());
        assert!([400, 422].contains(&response.status), "{body}: {response:?}");
        assert_eq!(response.field(), field, "{body}");
    }
    let body = json!({"name": "Ada@Firm.example", "display": "Ada", "role": "customer",
        "account": "11", "password": "battery staple"});
    let response = make(body);
    assert_eq!((response.status, response.header("etag")), (201, Some("\"1\"")));
    let made = response.json();
    assert_eq!((&made["name"], &made["tenant"]), (&json!("ada@firm.example"), &json!("1")));
    assert!(!response.body.contains("staple") && !response.body.contains("argon2"));
    let path = format!("users/{}", text(&made["id"]));
    let session = login(&server, "ada@firm.example", "battery staple", None);
    let session = text(&session.json()["token"]);
    let missing = patch(&server, &path, "", &json!({"display": "B"}));
    assert_eq!((missing.status, missing.field().as_str()), (428, "If-Match"));
    for version in ["1", "W/\"1\"", "\"1\", \"2\""] {
        assert_eq!(patch(&server, &path, version, &json!({})).status, 400, "{version}");
    }
    assert_eq!(patch(&server, &path, "\"2\"", &json!({})).status, 412);
    let changed = patch(&server, &path, "\"1\"", &json!({"display": "B"}));
    assert_eq!((changed.status, changed.header("etag")), (200, Some("\"2\"")));
    assert_eq!(patch(&server, &path, "\"1\"", &json!({"display": "C"})).status, 412);
    assert_eq!(get(&server, "me", &session).status, 200);
    // Another role is another login.
    let other = json!({"role": "subscriber", "account": null, "subscriber": "11"});
    assert_eq!(patch(&server, &path, "\"2\"", &other).json()["subscriber"], "11");
    assert_eq!(get(&server, "me", &session).status, 401);
    let unfit = patch(&server, &path, "\"3\"", &json!({"role": "admin"}));
    assert_eq!((unfit.status, unfit.field().as_str()), (422, "role"));
    // Nobody shuts himself out, and nobody touches who is more.
    let own = format!("users/{}", user(Role::Admin));
    assert_eq!(patch(&server, &own, "\"1\"", &json!({"enabled": false})).field(), "enabled");
    let less = json!({"role": "support"});
    assert_eq!(patch(&server, &own, "\"1\"", &less).field(), "role");
    assert_eq!(delete(&server, &own, &admin).status, 403);
    let boss = json!({"name": "boss", "role": "owner", "tenant": "1", "password": PASSWORD});
    let boss = post(&server, "users", &token(Role::Owner), &boss).json();
    let boss = format!("users/{}", text(&boss["id"]));
    assert_eq!(get(&server, &boss, &admin).status, 200);
    assert_eq!(patch(&server, &boss, "\"1\"", &json!({"enabled": false})).status, 403);
    assert_eq!(delete(&server, &boss, &admin).status, 403);
    let body = json!({"password": "battery staple"});
    assert_eq!(post(&server, &format!("{boss}/password"), &admin, &body).status, 403);
    assert_eq!(delete(&server, &path, &admin).status, 204);
    assert_eq!(get(&server, &path, &admin).status, 404);
}

#[test]
fn changes_are_logged_with_what_was_before_and_without_secrets() {
    let server = start();
    let admin = token(Role::Admin);
    let body = json!({"name": "ada", "role": "support", "password": "battery staple"});
    let made = post(&server, "users", &admin, &body);
    let id = text(&made.json()["id"]);
    let path = format!("users/{id}");
    patch(&server, &path, "\"1\"", &json!({"display": "Ada"}));
    post(&server, &format!("{path}/password"), &admin, &json!({"password": "another staple"}));
    delete(&server, &path, &admin);
    let log = get(&server, &format!("changes?resource=users&id={id}"), &admin);
    assert!(!log.body.contains("staple") && !log.body.contains("argon2"), "{}", log.body);
    let items = log.json()["items"].clone();
    let what: Vec<_> = items.as_array().unwrap().iter().map(|i| text(&i["what"])).collect();
    assert_eq!(what, ["removed", "changed", "changed", "created"]);
    let created = &items[3];
    assert_eq!(created["actor"], "admin@t1.example");
    assert_eq!(created["request"].as_str(), made.header("x-request-id"));
    assert_eq!((&created["before"], &created["after"]), (&Value::Null, &made.json()));
    assert_eq!(created["at"], "2023-11-14T22:13:20.000000Z");
    let renamed = &items[2];
    assert_eq!(
        (&renamed["before"]["display"], &renamed["after"]["display"]),
        (&json!(""), &json!("Ada"))
    );
    assert_eq!(items[0]["after"], Value::Null);
    let count = |query: &str| {
        let list = get(&server, &format!("changes?{query}"), &admin).json();
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(count(&format!("actor=admin%40t1.example&id={id}")), 4);
    assert_eq!(count("actor=nobody"), 0);
    assert_eq!(count("until=2023-11-14T22:13:20Z"), 0);
    assert_eq!(count("from=2023-11-14T22:13:20Z&resource=users"), 4);
    let first = get(&server, "changes?limit=1", &admin).json();
    let next = get(&server, &format!("changes?limit=9&next={}", text(&first["next"])), &admin);
    assert_eq!(next.json()["items"].as_array().unwrap().len(), 6, "three of the world");
    let now = server.now_us.load(Ordering::Relaxed);
    assert_eq!(now, NOW_US);
}

#[test]
fn no_audience_sees_what_is_not_its_own_in_a_record() {
    let server = start();
    // What the supplier is owed; what resellers above pay; trunks, addresses and hops of suppliers.
    let supplier = ["0.66660000", "7777", "9999", "[2001:db8::1]", "192.0.2.1:5060", "944123"];
    let above = ["0.44440000", "8888"];
    let own_level = ["0.33330000"];
    let payer = ["0.55550000", "491001", "192.0.2.7"];
    let all: Vec<_> = [&supplier[..], &above, &own_level, &payer].concat();
    for (role, shown) in [
        (Role::Owner, all.clone()),
        (Role::Support, all.clone()),
        (Role::Reseller, [&own_level[..], &payer].concat()),
        (Role::Customer, payer.to_vec()),
        (Role::Supplier, vec!["0.66660000", "[2001:db8::1]", "944123"]),
        (Role::Subscriber, vec!["491001"]),
    ] {
        for path in ["cdrs/10", "cdrs"] {
            let response = get(&server, path, &token(role));
            assert_eq!(response.status, 200);
            for mark in &all {
                let is_shown = response.body.contains(mark);
                assert_eq!(
                    is_shown,
                    shown.contains(mark),
                    "{role:?} {path} {mark}: {}",
                    response.body
                );
            }
        }
    }
    // Nor by asking.
    for (role, status) in [(Role::Customer, 200), (Role::Supplier, 403), (Role::Subscriber, 403)] {
        assert_eq!(get(&server, "cdrs?account=10", &token(role)).status, status, "{role:?}");
    }
}

#[test]
fn roles_say_what_they_may() {
    let server = start();
    let roles = get(&server, "roles", &token(Role::Subscriber)).json();
    let names: Vec<_> =
        roles["items"].as_array().unwrap().iter().map(|r| text(&r["name"])).collect();
    assert_eq!(names, Role::ALL.map(Role::name));
    let one = get(&server, "roles/supplier", &token(Role::Subscriber)).json();
    assert_eq!((&one["audience"], &one["grants"]), (&json!("supplier"), &json!(["supplier"])));
    assert!(!one["permissions"].as_array().unwrap().contains(&json!("users:write")));
    assert_eq!(get(&server, "roles/wizard", &token(Role::Owner)).status, 404);
    // What a role says and what the server does is one thing.
    let me = get(&server, "me", &token(Role::Supplier)).json();
    assert_eq!(me["permissions"], one["permissions"]);
}
