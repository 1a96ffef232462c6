//! The configuration: every resource is made, read, changed and deleted; each of its fields changes
//! something, and a bad value names the field. What is tried stands in the OpenAPI document, so a
//! new field is tried too.

mod agree;
mod unfit;

use crate::client::{Response, send};
use crate::rows::{OWNER, TENANT};
use crate::server::Server;
use serde_json::{Map, Value, json};

const PATCH: (&str, &str) = ("Content-Type", "application/merge-patch+json");

/// A resource: its path, its path for one, and a body that makes one in the tests' database.
fn resources() -> Vec<(&'static str, Value)> {
    vec![
        ("tenants", json!({"name": "New", "realm": "new.example", "currency": "USD"})),
        ("organizations", json!({"tenant": "1", "parent": "1", "kind": "company", "name": "C"})),
        ("accounts", json!({"tenant": "1", "organization": "1", "name": "New", "currency": "EUR"})),
        (
            "subscribers",
            json!({
                "tenant": "1", "account": "1", "organization": "1", "username": "new",
                "password": "correct horse", "numbers": ["4977"],
            }),
        ),
        (
            "trunks",
            json!({
                "tenant": "1", "organization": "1", "name": "new",
                "ingress": {
                    "account": "1", "sources": [{"network": "198.51.100.0/24"}],
                    "credentials": {"username": "pbx", "password": "correct horse"},
                    "dialog": {"bodies": {"types": ["application/isup"]}},
                },
                "egress": {
                    "account": "1", "targets": ["198.51.100.1:5060"],
                    "dialog": {"bodies": {"types": ["application/isup"]}},
                },
            }),
        ),
        ("trunks/1/logins", json!({"username": "us", "password": "theirs"})),
        (
            "ring-groups",
            json!({
                "tenant": "1", "organization": "1", "account": "1", "name": "sales",
                "members": [{"subscriber": "1"}, {"number": "4420", "ring_ms": 5000}],
            }),
        ),
        ("dids", json!({"tenant": "1", "organization": "1", "number": "4999", "subscriber": "1"})),
        ("phonebook", json!({"tenant": "1", "subscriber": "1", "number": "4477", "name": "Ann"})),
        (
            "routes",
            json!({"tenant": "1", "prefix": "44", "targets": [{"trunk": "1", "weight": 5}]}),
        ),
        (
            "tariffs",
            json!({"tenant": "1", "name": "retail", "currency": "EUR", "kind": "customer"}),
        ),
        ("destinations", json!({"tenant": "1", "prefix": "44", "name": "United Kingdom"})),
        ("emergency-numbers", json!({"tenant": "1", "number": "112", "trunks": ["1"]})),
        (
            "holidays",
            json!({
                "tenant": "1", "name": "Christmas", "from": "2026-12-25", "until": "2026-12-26",
                "prefixes": ["49"],
            }),
        ),
        (
            "exchange-rates",
            json!({
                "tenant": "1", "currency": "GBP", "rate": "0.920000000",
                "from": "2026-01-01T00:00:00.000000Z",
            }),
        ),
        ("price-rules", price_rule()),
        ("bans", json!({"network": "203.0.113.0/24"})),
        ("caller-rules", json!({"tenant": "1", "account": "1", "prefix": "4477"})),
        ("number-lists", json!({"tenant": "1", "account": "1", "name": "L", "effect": "only"})),
        ("rules", rule()),
        ("settings", setting()),
        ("radius-servers", radius_server()),
    ]
}

fn setting() -> Value {
    json!({
        "tenant": "1", "account": "1", "category": "call", "name": "ring_ms", "value": "5000",
    })
}

fn radius_server() -> Value {
    json!({
        "tenant": "1", "purpose": "access", "name": "AAA", "address": "192.0.2.9:1812",
        "secret": "xyzzy5461", "attributes": [
            {"vendor": 9, "number": 102, "label": "h323-credit-time", "holds": "talk-time"},
        ],
    })
}

fn price_rule() -> Value {
    json!({
        "tenant": "1", "name": "evenings", "priority": -3, "organization": "1",
        "callers": ["4421"], "called": ["33"], "trunks": ["1"], "tech_prefixes": ["99"],
        "times": ["18:00-08:00"],
        "except_times": ["holiday"], "from": "2026-01-01T00:00:00.000000Z",
        "until": "2027-01-01T00:00:00.000000Z",
    })
}

fn rule() -> Value {
    json!({
        "tenant": "1", "name": "R", "stage": "routing", "condition": "called.startsWith('44')",
        "actions": [{"does": "refuse", "status": 603}],
    })
}

fn post(server: &Server, path: &str, body: &Value) -> Response {
    let target = format!("/api/v1/{path}");
    send((server.at, 1), "POST", &target, Some(OWNER), &[], &body.to_string())
}

fn patch(server: &Server, target: &str, version: &str, body: &Value) -> Response {
    let headers = [PATCH, ("If-Match", version)];
    send((server.at, 1), "PATCH", target, Some(OWNER), &headers, &body.to_string())
}

fn delete(server: &Server, target: &str, version: &str) -> Response {
    send((server.at, 1), "DELETE", target, Some(OWNER), &[("If-Match", version)], "")
}

fn made(server: &Server, path: &str, body: &Value) -> (String, String, Value) {
    let response = post(server, path, body);
    assert_eq!(response.status, 201, "{path}: {response:?}");
    let header = |name| response.header(name).unwrap().to_owned();
    (header("location"), header("etag"), response.json())
}

#[test]
fn every_resource_is_made_read_changed_and_deleted() {
    let server = Server::start();
    // The next id is in the books of a sample.
    let account = resources().into_iter().find(|(path, _)| *path == "accounts").unwrap();
    made(&server, account.0, &account.1);
    for (path, body) in resources() {
        let (target, version, row) = made(&server, path, &body);
        let read = server.get(&target);
        assert_eq!((read.status, read.header("etag")), (200, Some(version.as_str())), "{path}");
        assert_eq!(read.json(), row, "{path}");
        shows(&body, &row, path);
        let list = server.get(&format!("/api/v1/{path}?limit=1000")).json();
        assert!(list["items"].as_array().unwrap().contains(&row), "{path}");
        // Nothing but the version that is there can be changed.
        let blind = send((server.at, 1), "DELETE", &target, Some(OWNER), &[], "");
        assert_eq!((blind.status, blind.field().as_str()), (428, "If-Match"), "{path}");
        assert_eq!(patch(&server, &target, "\"0\"", &json!({})).status, 412, "{path}");
        assert_eq!(delete(&server, &target, "\"0\"").status, 412, "{path}");
        let plain = [("If-Match", version.as_str()), ("Content-Type", "application/json")];
        let other = send((server.at, 1), "PATCH", &target, Some(OWNER), &plain, "{}");
        assert_eq!((other.status, other.field().as_str()), (415, "content-type"), "{path}");
        let same = patch(&server, &target, &version, &json!({}));
        assert_eq!((same.status, same.json()), (200, row.clone()), "{path}");
        assert_eq!(delete(&server, &target, &version).status, 204, "{path}");
        assert_eq!(server.get(&target).status, 404, "{path}");
        assert_eq!(delete(&server, &target, &version).status, 404, "{path}");
        // Ids are never given again.
        let (again, ..) = made(&server, path, &body);
        assert_ne!(again, target, "{path}");
    }
}

/// Everything that was sent is shown, secrets apart.
fn is_secret(name: &str) -> bool {
    ["password", "secret"].contains(&name)
}

fn shows(sent: &Value, shown: &Value, at: &str) {
    match sent {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| !is_secret(name)) {
                shows(value, &shown[name], &format!("{at}.{name}"));
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                shows(item, &shown[place], &format!("{at}[{place}]"));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            assert_eq!(shown, sent, "{at}");
        }
    }
}

/// What a schema refers to.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let schema = schema.get("anyOf").map_or(schema, |choices| &choices[0]);
    match schema["$ref"].as_str() {
        Some(target) => document.pointer(target.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn other_rule() -> Value {
    json!([{
        "when": [{"header": "User-Agent", "test": "begins", "value": "Pbx"}],
        "action": "rewrite", "header": "X-Line", "value": "line-${1}",
        "pattern": "^([0-9]+)", "from": null,
    }])
}

fn other_place(name: &str) -> Value {
    match name {
        "network" => json!("198.51.101.0/24"),
        "address" => json!("[2001:db8::9]:1645"),
        _ => json!([{"vendor": 0, "number": 87, "label": "", "holds": "source"}]),
    }
}

/// Where calls come from and go to.
fn other_ends(name: &str, old: &Value) -> Value {
    match name {
        "sources" => json!([{"network": "198.51.102.7/32", "port": 5080}]),
        "hosts" => json!(["peer.example.com:5070"]),
        _ if old.to_string().contains("trunk") || old == &json!([]) => {
            json!([{"trunk": "3", "priority": 100, "weight": 0}])
        }
        _ => json!(["sip.example.com", "[2001:db8::9]:5060"]),
    }
}

fn precedence() -> Value {
    json!({"absolute": 1, "called": ["44"], "callers": ["49"], "organizations": ["1"]})
}

/// A good value that is not `old`.
fn other(document: &Value, schema: &Value, name: &str, old: &Value) -> Value {
    let schema = resolved(document, schema);
    match name {
        "realm" => return json!("other.example"),
        "timezone" => return json!("Europe/Berlin"),
        "country_prefix" | "tech_prefix" | "test_prefix" => return json!("43"),
        "short" | "number" | "prefix" | "caller_number" => return json!("4988"),
        "algorithms" => return json!(["MD5"]),
        "withheld" => return json!(["prices"]),
        "domains" => return json!(["sip.other.example"]),
        "numbers" => return json!(["4978", "4979"]),
        "network" | "address" | "attributes" => return other_place(name),
        "sources" | "hosts" | "targets" => return other_ends(name, old),
        "members" => return json!([{"number": "4421"}]),
        "users" => return json!(["4930", "alice"]),
        "codecs" => return json!(["G729", "PCMA"]),
        "types" => return json!(["text/*"]),
        "partners" | "organizations" => return json!(["1"]),
        "precedence" => return precedence(),
        "trunks" => return json!(["3", "1"]),
        "causes" => return json!([{"status": 503, "to_status": 486, "to_q850": 17}]),
        "continue_on" | "stop_on" => return json!([404, 480]),
        "listeners" => return json!([1, 0]),
        "times" | "except_times" => return json!(["peak", "mon 08:00-tue 18:00"]),
        "header_rules" => return other_rule(),
        "until" => return json!("2200-01-01T00:00:00.000000Z"),
        "actions" => return json!([{"does": "refuse", "value": "", "status": 604}]),
        "condition" => return json!("called == '1'"),
        "stage" => return json!("known"),
        "from_host" | "registrar" => return json!("us.example.com"),
        "forwards" => {
            return json!([{"when": "busy", "to": "1002", "after_ms": 0, "enabled": false}]);
        }
        "allowed" | "blocked" | "callers" | "called" | "more_prefixes" => return json!(["4420"]),
        "international" | "remove" | "if_begins" | "if_not_begins" => return json!(["9"]),
        "internal_price" => return json!({"amount": "0.010000000", "currency": "USD"}),
        "month_grows_since" => return json!("2020-01-01T00:00:00.000000Z"),
        "floor" | "day_max" | "month_max" | "month_grows_by" | "month_grows_to" => {
            return json!({"amount": "7.00000000", "currency": "EUR"});
        }
        // The tenant's currency has been changed before them.
        "subscriber_day_max" | "trunk_day_max" => {
            return json!({"amount": "7.00000000", "currency": "USD"});
        }
        n if n == "expires_ms_max" || n.starts_with("session_ms") => return json!(7_200_000),
        "length_min" | "length_max" => return json!(if name == "length_min" { 2 } else { 20 }),
        "credentials" => return json!({"username": "pbx", "digest": "md5-only"}),
        "account" | "agent" | "organization" | "tariff" | "subscriber" | "trunk" | "ring_group"
        | "parent" | "listener" | "did" | "payer" => {
            return Value::Null;
        }
        _ => {}
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().find(|word| *word != old).unwrap().clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => json!(old != &json!(true)),
        Some("integer") => {
            let step = schema["multipleOf"].as_i64().unwrap_or(1);
            let next = old.as_i64().unwrap_or(0) + step;
            json!(if next <= schema["maximum"].as_i64().unwrap() { next } else { next - 2 * step })
        }
        Some("string") => json!("other"),
        Some(_) | None => panic!("no other value for {name}: {schema}"),
    }
}

/// Every member that a patch can have, with its path.
fn members(document: &Value, schema: &Value, path: &[String]) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    for (name, member) in schema["properties"].as_object().unwrap() {
        let path: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
        let inner = resolved(document, member);
        found.push((path.clone(), member.clone()));
        let is_money = inner["properties"].get("amount").is_some();
        if inner["type"] == "object" && !is_money {
            found.extend(members(document, inner, &path));
        }
    }
    found
}

/// A patch of one member.
fn patch_of(path: &[String], value: Value) -> Value {
    path.iter()
        .rev()
        .fold(value, |value, name| Value::Object(Map::from_iter([(name.clone(), value)])))
}

fn at<'v>(value: &'v Value, path: &[String]) -> &'v Value {
    path.iter().fold(value, |value, name| &value[name])
}

#[test]
fn each_field_changes_something_and_a_bad_value_names_it() {
    let server = Server::start();
    let document = server.get("/api/v1/openapi.json").json();
    let mut tried = 0;
    for (path, body) in resources() {
        let (target, mut version, mut row) = made(&server, path, &body);
        let template = match path {
            "trunks/1/logins" => "/api/v1/trunks/{id}/logins/{login}".to_owned(),
            path => format!("/api/v1/{path}/{{id}}"),
        };
        let content = &document["paths"][&template]["patch"]["requestBody"]["content"];
        let schema = &content["application/merge-patch+json"]["schema"];
        for (member, schema) in members(&document, resolved(&document, schema), &[]) {
            let (name, field) = (member.last().unwrap().as_str(), member.join("."));
            let what = format!("{path} {field}");
            let bad = patch(&server, &target, &version, &patch_of(&member, json!({"zz": [true]})));
            assert!((400..500).contains(&bad.status), "{what}: {bad:?}");
            assert!(bad.field().starts_with(&field), "{what}: {bad:?}");
            if resolved(&document, &schema)["type"] == "object" && name != "credentials" {
                let is_money = resolved(&document, &schema)["properties"].get("amount").is_some();
                if !is_money {
                    continue;
                }
            }
            let value = match name {
                "password" | "secret" => json!("battery staple"),
                // A subscriber has the usual one, and trunks share the names of the tenant.
                "username" if path == "trunks" => json!("pbx-2"),
                "name" if path == "ring-groups" => json!("group-2"),
                "numbers" if path == "ring-groups" => json!(["4571"]),
                "short" if path == "ring-groups" => json!("88"),
                "value" if path == "settings" => json!("9000"),
                "from" if path == "holidays" => json!("2026-12-24"),
                "until" if path == "holidays" => json!("2026-12-27"),
                // What leads somewhere is not reserved; the pool has a test of its own.
                "reserved_until" => Value::Null,
                "discounts" => json!([{"prefix": "44", "share_bp": 500}]),
                "prefixes" | "tech_prefixes" => json!(["43", "36"]),
                "rate" => json!("1.250000000"),
                "from" => json!("2025-06-01T00:00:00.000000Z"),
                "called" if path == "caller-rules" => json!("4490"),
                _ => other(&document, &schema, name, at(&row, &member)),
            };
            // References have tests of their own.
            if value.is_null() {
                continue;
            }
            let mut change = patch_of(&member, value.clone());
            if name == "username" && path != "trunks/1/logins" {
                // A new name needs a new password.
                let outer = &member[..member.len() - 1];
                let both = json!({"username": value, "password": "battery staple"});
                change = patch_of(outer, both);
            }
            let changed = patch(&server, &target, &version, &change);
            assert_eq!(changed.status, 200, "{what} {value}: {changed:?}");
            let new = changed.json();
            if !is_secret(name) {
                shows(&value, at(&new, &member), &what);
                assert_ne!(at(&new, &member), at(&row, &member), "{what}");
                assert_ne!(changed.header("etag"), Some(version.as_str()), "{what}");
            }
            assert_eq!(server.get(&target).json(), new, "{what}");
            version = changed.header("etag").unwrap().to_owned();
            row = new;
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}

/// What is refused, with its status and field, and that nothing changed.
fn check(server: &Server, path: &str, body: &Value, status: u16, field: &str) {
    let before = server.get(&format!("/api/v1/{path}?limit=1000")).json();
    let refused = post(server, path, body);
    assert_eq!((refused.status, refused.field().as_str()), (status, field), "{body}: {refused:?}");
    assert_eq!(server.get(&format!("/api/v1/{path}?limit=1000")).json(), before, "{body}");
}

/// `base` with members set; null takes one away.
fn with(base: &Value, changes: &Value) -> Value {
    let mut body = base.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            body.remove(name);
        } else {
            body.insert(name.clone(), value.clone());
        }
    }
    Value::Object(body)
}

#[test]
fn what_does_not_fit_is_refused_by_its_field() {
    let server = Server::start();
    let all = resources();
    let of = |path: &str| all.iter().find(|(known, _)| *known == path).unwrap().1.clone();
    for (path, change, status, field) in unfit::all() {
        check(&server, path, &with(&of(path), &change), status, field);
    }
    made(&server, "bans", &of("bans"));
    check(&server, "bans", &of("bans"), 409, "network");
    made(&server, "caller-rules", &of("caller-rules"));
    check(&server, "caller-rules", &of("caller-rules"), 409, "prefix");
    made(&server, "dids", &of("dids"));
    check(&server, "dids", &of("dids"), 409, "number");
    // There is a most of them for one tenant and purpose; those that rest do not count.
    for _ in 0..4 {
        made(&server, "radius-servers", &of("radius-servers"));
    }
    check(&server, "radius-servers", &of("radius-servers"), 422, "enabled");
    let idle = with(&of("radius-servers"), &json!({"enabled": false}));
    made(&server, "radius-servers", &idle);
}

/// Spec AUTH-MODE-02: so no call is ever of two senders.
#[test]
fn senders_that_cannot_be_told_apart_are_refused() {
    let server = Server::start();
    let sender = |name: &str, network: &str, prefix: &str| {
        json!({
            "tenant": "1", "organization": "1", "name": name, "ingress": {
                "account": "1", "sources": [{"network": network}], "tech_prefix": prefix,
            },
        })
    };
    made(&server, "trunks", &sender("one", "198.51.100.0/24", "77"));
    let same = sender("two", "198.51.100.0/24", "77");
    check(&server, "trunks", &same, 409, "ingress.sources");
    made(&server, "trunks", &sender("two", "198.51.100.0/24", "78"));
    made(&server, "trunks", &sender("three", "198.51.101.0/24", "77"));
}

/// Numbers without a target are offered once, for a while; taken by a target, given back without.
#[test]
fn numbers_of_the_pool_are_reserved_taken_and_given_back() {
    let server = Server::start();
    let version = |target: &str| server.get(target).header("etag").unwrap().to_owned();
    let pool = |number: &str| {
        let did = json!({"tenant": "1", "organization": "1", "number": number});
        made(&server, "dids", &did).0
    };
    let [first, second, third] = ["4950", "4951", "4952"].map(pool);
    let reserve = |count: u32, prefix: &str| {
        let wanted = json!({
            "organization": "1", "count": count, "prefix": prefix, "reserved_ms": 60_000,
        });
        let said = post(&server, "dids/reserve", &wanted);
        if said.status != 200 {
            return (said.status, said.field());
        }
        let numbers = said.json()["items"].as_array().cloned().unwrap();
        let numbers = numbers.iter().map(|did| did["number"].as_str().unwrap().to_owned());
        (said.status, numbers.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(reserve(2, "495"), (200, "4950 4951".to_owned()));
    assert_eq!(reserve(2, "495"), (409, "count".to_owned()), "one is left, and two are wanted");
    assert_eq!(reserve(1, "495"), (200, "4952".to_owned()));
    assert_eq!(reserve(1, "495").0, 409);
    assert_eq!(reserve(0, "495").1, "count");

    // The first is taken: nobody thinks about it any more, and nobody is offered it.
    let taken = patch(&server, &first, &version(&first), &json!({"subscriber": "1"}));
    assert_eq!((taken.status, &taken.json()["reserved_until"]), (200, &Value::Null));
    // Who has not seen that cannot take it, too.
    let late = patch(&server, &second, "\"other\"", &json!({"subscriber": "3"}));
    assert_eq!(late.status, 412);
    // Time goes by, and what nobody took is free again.
    server.now_us.fetch_add(61_000_000, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(reserve(2, "495"), (200, "4951 4952".to_owned()));
    assert_eq!(reserve(1, "4950").0, 409, "taken");
    let back = patch(&server, &first, &version(&first), &json!({"subscriber": null}));
    assert_eq!(back.status, 200, "{}", back.body);
    assert_eq!(reserve(1, "4"), (200, "4950".to_owned()));
    assert_eq!(delete(&server, &third, &version(&third)).status, 204);
}

#[test]
fn what_others_refer_to_stays() {
    let server = Server::start();
    let version = |target: &str| server.get(target).header("etag").unwrap().to_owned();
    for (target, by) in [
        ("/api/v1/tenants/2", "organization 2"),
        ("/api/v1/organizations/1", "account 1"),
        ("/api/v1/accounts/3", "ledger account"),
        ("/api/v1/accounts/2", "subscriber 2"),
    ] {
        let refused = delete(&server, target, &version(target));
        assert_eq!((refused.status, refused.field().as_str()), (409, "id"), "{target}");
        let detail = refused.problem()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(by), "{target}: {detail}");
        assert_eq!(server.get(target).status, 200, "{target}");
    }
    let group = json!({
        "tenant": "1", "organization": "1", "account": "1", "name": "g",
        "members": [{"subscriber": "3"}],
    });
    let (group, ..) = made(&server, "ring-groups", &group);
    let id = group.rsplit('/').next().unwrap();
    let did = json!({"tenant": "1", "organization": "1", "number": "55", "ring_group": id});
    let (did, ..) = made(&server, "dids", &did);
    let refused = |target: &str| delete(&server, target, &version(target));
    let detail = |target: &str| refused(target).problem()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail("/api/v1/subscribers/3"), format!("ring group {id} refers to it"));
    assert!(detail(&group).starts_with("DID "), "{}", detail(&group));
    for target in [did.as_str(), group.as_str(), "/api/v1/subscribers/3"] {
        assert_eq!(refused(target).status, 204, "{target}");
    }
    // A realm stands in the digest secrets.
    let realm = json!({"realm": "moved.example"});
    let tenant = "/api/v1/tenants/1";
    let moved = patch(&server, tenant, &version(tenant), &realm);
    assert_eq!((moved.status, moved.field().as_str()), (409, "realm"));
    // So does the user name.
    let target = "/api/v1/subscribers/1";
    let renamed = patch(&server, target, &version(target), &json!({"username": "zed"}));
    assert_eq!((renamed.status, renamed.field().as_str()), (422, "password"));
    let both = json!({"username": "zed", "password": "battery staple"});
    assert_eq!(patch(&server, target, &version(target), &both).status, 200);
    let fixed = patch(&server, target, &version(target), &json!({"tenant": "2"}));
    assert_eq!((fixed.status, fixed.field().as_str()), (400, "tenant"));
}

#[test]
fn a_key_makes_a_request_count_once() {
    let server = Server::start();
    let body = json!({"tenant": "1", "prefix": "47", "name": "Norway"});
    let ask = |key: &str, body: &Value| {
        let headers = [("Idempotency-Key", key)];
        let target = "/api/v1/destinations";
        send((server.at, 1), "POST", target, Some(OWNER), &headers, &body.to_string())
    };
    let (first, again) = (ask("a", &body), ask("a", &body));
    assert_eq!((first.status, again.status), (201, 201));
    for name in ["location", "etag"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_eq!(first.json(), again.json());
    let other = ask("a", &with(&body, &json!({"prefix": "48"})));
    assert_eq!((other.status, other.field().as_str()), (422, "Idempotency-Key"));
    let taken = ask("b", &body);
    assert_eq!((taken.status, taken.field().as_str()), (409, "prefix"));
    let items = server.get("/api/v1/destinations?prefix=47").json()["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1);
}

#[test]
fn an_import_is_all_or_nothing() {
    let server = Server::start();
    let row = |name: &str, number: &str| {
        json!({
            "tenant": "1", "account": "1", "organization": "1", "username": name,
            "numbers": [number], "password": "correct horse",
        })
    };
    let count = || {
        let list = server.get("/api/v1/subscribers?tenant=1&limit=1000").json();
        list["items"].as_array().unwrap().len()
    };
    let before = count();
    let (fine, last) = (row("a1", "4901"), row("a3", "4903"));
    for (bad, status, field) in [
        (row("a2", "4901"), 409, "items[1].numbers"),
        (row("a1", "4902"), 409, "items[1].username"),
        (row("1001", "4902"), 409, "items[1].username"),
        (row("a2", "x"), 400, "items[1].numbers[0]"),
        (with(&row("a2", "4902"), &json!({"account": "77"})), 422, "items[1].account"),
        (json!(7), 400, "items[1]"),
    ] {
        let body = json!({"name": "spring", "items": [fine, bad, last]});
        let refused = post(&server, "subscribers/bulk", &body);
        assert_eq!((refused.status, refused.field().as_str()), (status, field), "{refused:?}");
        assert_eq!(count(), before);
    }
    let good = json!({"name": "spring", "items": [fine, row("a2", "4902"), last]});
    let done = post(&server, "subscribers/bulk", &good);
    assert_eq!(done.status, 201, "{done:?}");
    assert_eq!((&done.json()["count"], count()), (&json!(3), before + 3));
    let ids = done.json()["ids"].clone();
    let one = server.get(&format!("/api/v1/subscribers/{}", ids[1].as_str().unwrap()));
    assert_eq!(one.json()["username"], "a2");
    let changes = server.get("/api/v1/changes?resource=subscribers&limit=1").json();
    assert_eq!(changes["items"][0]["after"]["import"], "spring", "{changes}");
    assert_eq!(changes["items"][0]["after"]["count"], 3);
    for (body, field) in [
        (json!({"items": [fine]}), "name"),
        (json!({"name": "x", "items": []}), "items"),
        (json!({"name": "x"}), "items"),
        (json!({"name": "x", "items": [fine], "more": 1}), "more"),
    ] {
        let refused = post(&server, "subscribers/bulk", &body);
        assert_eq!((refused.status, refused.field().as_str()), (400, field), "{refused:?}");
    }
}

#[test]
fn lists_are_narrowed_by_fields() {
    let server = Server::start();
    let count = |query: &str| {
        let list = server.get(&format!("/api/v1/{query}")).json();
        list["items"].as_array().unwrap_or_else(|| panic!("{query}: {list}")).len()
    };
    for (query, expect) in [
        ("subscribers?tenant=1", 2),
        ("subscribers?tenant=1&username=1001", 1),
        ("subscribers?number=491002", 1),
        ("subscribers?number=49100", 0),
        ("subscribers?enabled=false", 0),
        ("subscribers?account=1&organization=1", 2),
        ("accounts?name=A1&tenant=1", 1),
        ("trunks?name=carrier%201", 1),
        ("tenants?realm=t2.example", 1),
        ("organizations?kind=owner", 2),
        ("organizations?kind=company", 0),
    ] {
        assert_eq!(count(query), expect, "{query}");
    }
}

#[test]
fn changes_are_logged_without_secrets() {
    let server = Server::start();
    let (_, body) = resources().into_iter().find(|(path, _)| *path == "subscribers").unwrap();
    let (target, version, _) = made(&server, "subscribers", &body);
    let set = json!({"password": "battery staple", "display": "Zed"});
    assert_eq!(patch(&server, &target, &version, &set).status, 200);
    let target = format!("{target}/credentials");
    let made = send((server.at, 1), "POST", &target, Some(OWNER), &[], "{}");
    assert_eq!(made.status, 200, "{made:?}");
    let password = made.json()["password"].as_str().unwrap().to_owned();
    assert_eq!((password.len(), &made.json()["realm"]), (20, &json!("t1.example")));
    let own = json!({"password": "battery staple"}).to_string();
    let set = send((server.at, 1), "POST", &target, Some(OWNER), &[], &own);
    assert_eq!((set.status, &set.json()["password"]), (200, &Value::Null));
    let changes = server.get("/api/v1/changes?resource=subscribers&limit=4");
    let items = changes.json()["items"].clone();
    let items = items.as_array().unwrap();
    assert_eq!(items.len(), 4);
    assert_eq!(items[3]["before"], Value::Null);
    assert_eq!(items[3]["after"]["username"], "new");
    assert_eq!(
        (&items[2]["before"]["display"], &items[2]["after"]["display"]),
        (&json!(""), &json!("Zed"))
    );
    for item in &items[..3] {
        assert_eq!(item["after"]["password"], "(secret)");
        assert_eq!(item["actor"], "admin");
        assert!(item["request"].is_string());
    }
    for secret in ["battery", "correct horse", password.as_str(), "ha1"] {
        assert!(!changes.body.contains(secret), "{secret}");
    }
}

#[test]
fn what_is_out_of_scope_does_not_exist() {
    let server = Server::start();
    let ask = |method: &str, target: &str, body: &Value| {
        let headers = [("If-Match", "\"0\""), PATCH];
        let headers = if method == "POST" { &headers[..0] } else { &headers[..] };
        let target = format!("/api/v1/{target}");
        let body = if method == "DELETE" { String::new() } else { body.to_string() };
        send((server.at, 1), method, &target, Some(TENANT), headers, &body)
    };
    for method in ["PATCH", "DELETE"] {
        for target in ["tenants/1", "organizations/1", "accounts/1", "subscribers/1", "trunks/1"] {
            let status = ask(method, target, &json!({})).status;
            let expect = if (method, target) == ("DELETE", "tenants/1") { 403 } else { 404 };
            assert_eq!(status, expect, "{method} {target}");
        }
    }
    // The tenant is that of the token.
    let account = json!({"organization": "2", "name": "Own", "currency": "EUR"});
    let made = ask("POST", "accounts", &account);
    assert_eq!((made.status, &made.json()["tenant"]), (201, &json!("2")), "{made:?}");
    for (change, field) in
        [(json!({"organization": "1"}), "organization"), (json!({"tenant": "1"}), "tenant")]
    {
        let refused = ask("POST", "accounts", &with(&account, &change));
        assert_eq!((refused.status, refused.field().as_str()), (422, field), "{refused:?}");
        assert!(refused.body.contains("does not exist"), "{refused:?}");
    }
    assert_eq!(ask("POST", "bans", &json!({"network": "203.0.113.0/24"})).status, 403);
    assert_eq!(ask("POST", "tenants", &json!({})).status, 403);
    // Another tenant's trunk is not named.
    let trunk = json!({
        "organization": "2", "name": "x",
        "ingress": {"account": "2", "sources": [{"network": "192.0.2.0/24"}], "tech_prefix": "123"},
    });
    let taken = ask("POST", "trunks", &trunk);
    assert_eq!((taken.status, taken.field().as_str()), (409, "ingress.sources"), "{taken:?}");
    assert_eq!(taken.problem()["detail"], "is taken");
}

#[test]
fn a_stored_row_that_does_not_fit_is_named() {
    let server = Server::start();
    assert_eq!(server.get("/healthz").status, 200);
    server.spoil(3, "491001");
    let refused =
        post(&server, "destinations", &json!({"tenant": "1", "prefix": "4", "name": "x"}));
    assert_eq!(refused.status, 503);
    let detail = refused.problem()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("subscriber 3: its numbers is taken by subscriber 1"), "{detail}");
}
