//! What is done with subscribers beside changing them: how they stand, copies, contacts that are
//! forgotten, lists that are narrowed; and what resellers are not let do.

use crate::client::{Response, send};
use crate::rows::OWNER;
use crate::server::Server;
use crate::world::token;
use serde_json::{Value, json};
use strowger_model::{Role, SubscriberId, TrunkId};
use strowger_routing::Holder;

fn start() -> Server {
    Server::start_in_world("127.0.0.1:0")
}

fn ask(server: &Server, method: &str, path: &str, role: Role, body: &Value) -> Response {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let target = format!("/api/v1/{path}");
    send((server.at, 1), method, &target, Some(&token(role)), &[], &text)
}

fn ids(response: &Response) -> Vec<String> {
    let page = response.json();
    let all = page["items"].as_array().unwrap_or_else(|| panic!("{response:?}"));
    all.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Changes a row as the owner.
fn change(server: &Server, path: &str, body: &Value) -> Response {
    let target = format!("/api/v1/{path}");
    let owner = token(Role::Owner);
    let seen = server.ask("GET", &target, Some(&owner));
    let headers = [
        ("If-Match", seen.header("etag").unwrap()),
        ("Content-Type", "application/merge-patch+json"),
    ];
    send((server.at, 1), "PATCH", &target, Some(&owner), &headers, &body.to_string())
}

#[test]
fn a_subscriber_shows_how_it_stands_in_one_look() {
    let server = start();
    let all = ask(&server, "GET", "subscribers/10/status", Role::Admin, &Value::Null).json();
    assert_eq!(all["state"], "calling");
    assert_eq!(all["contacts"][0]["contact"], "sip:a@192.0.2.7");
    assert_eq!(all["contacts"].as_array().unwrap().len(), 1);
    assert_eq!(all["calls"][0]["id"], "10");
    assert_eq!(all["last_call"]["cdr"], "10");
    assert_eq!(all["last_call"]["reason"], "normal");
    assert_eq!(all["account"], "10");
    // It is off, whatever it does.
    assert_eq!(change(&server, "subscribers/10", &json!({"enabled": false})).status, 200);
    let off = ask(&server, "GET", "subscribers/10/status", Role::Subscriber, &Value::Null).json();
    assert_eq!(off["state"], "off");
    // In a world whose till knows the account, who may see accounts sees what is left.
    let server = Server::start();
    let rich = server.get("/api/v1/subscribers/1/status").json();
    assert_eq!(rich["balance"], json!({"amount": "10.00000000", "currency": "EUR"}));
    assert_eq!(rich["available"]["amount"], "9.99999750");
}

#[test]
fn contacts_are_forgotten_one_or_all() {
    let server = start();
    let gone = |path: &str, role| ask(&server, "DELETE", path, role, &Value::Null);
    let one = gone("subscribers/10/contacts?contact=sip:a%40192.0.2.7", Role::Reseller);
    assert_eq!((one.status, one.json()), (200, json!({"count": 1})));
    assert_eq!(gone("trunks/10/contacts", Role::Support).status, 200);
    assert_eq!(gone("subscribers/20/contacts", Role::Reseller).status, 404);
    let said = server.live.forgotten.lock().unwrap().clone();
    let contact = Some("sip:a@192.0.2.7".to_owned());
    assert_eq!((said[0].0, &said[0].1), (Holder::Subscriber(SubscriberId(10)), &contact));
    assert_eq!((said[1].0, &said[1].1), (Holder::Trunk(TrunkId(10)), &None));
    assert_eq!(said.len(), 2);
    let log = ask(&server, "GET", "changes?resource=subscribers&id=10", Role::Owner, &Value::Null);
    assert_eq!(log.json()["items"][0]["after"]["contact"], "sip:a@192.0.2.7", "{log:?}");
}

#[test]
fn copies_have_what_the_row_has_and_what_they_are_given() {
    let server = start();
    let features = json!({"ring_timeout_ms": 17_000, "display": "Desk", "barring": {"all": true}});
    assert_eq!(change(&server, "subscribers/10", &features).status, 200);
    let items = json!([
        {"username": "2001", "password": "correct horse", "numbers": ["4992001"]},
        {"username": "2002", "display": null, "barring": {"blocked": ["900"]}},
    ]);
    let body = json!({"name": "new desks", "items": items});
    let made = ask(&server, "POST", "subscribers/10/copies", Role::Reseller, &body);
    assert_eq!((made.status, &made.json()["count"]), (201, &json!(2)), "{made:?}");
    let copy = |place: usize| {
        let id = made.json()["ids"][place].as_str().unwrap().to_owned();
        ask(&server, "GET", &format!("subscribers/{id}"), Role::Reseller, &Value::Null).json()
    };
    let (first, second) = (copy(0), copy(1));
    assert_eq!((&first["display"], &first["numbers"]), (&json!("Desk"), &json!(["4992001"])));
    assert_eq!((&first["short"], &first["barring"]["all"]), (&Value::Null, &json!(true)));
    assert_eq!((&second["display"], &second["numbers"]), (&json!(""), &json!([])));
    assert_eq!(second["barring"], json!({"all": true, "allowed": [], "blocked": ["900"]}));
    assert_eq!(second["ring_timeout_ms"], 17_000);
    // All or none, and the place is named.
    for (items, status, field) in [
        (json!([{"username": "2003"}, {"username": "2001"}]), 409, "items[1].username"),
        (json!([{"username": "2003"}, {}]), 422, "items[1].username"),
        (json!([{"username": "2003", "zz": null}]), 400, "items[0].zz"),
        (json!([]), 400, "items"),
    ] {
        let body = json!({"name": "n", "items": items});
        let said = ask(&server, "POST", "subscribers/10/copies", Role::Reseller, &body);
        assert_eq!((said.status, said.field().as_str()), (status, field), "{said:?}");
    }
    let found = ask(&server, "GET", "subscribers?username=2003", Role::Owner, &Value::Null);
    assert!(ids(&found).is_empty());
    // A copy of a trunk has none of the ways by which that one is known.
    let body = json!({"name": "n", "items": [{"name": "other carrier"}]});
    let made = ask(&server, "POST", "trunks/10/copies", Role::Reseller, &body);
    let id = made.json()["ids"][0].as_str().unwrap().to_owned();
    let trunk = ask(&server, "GET", &format!("trunks/{id}"), Role::Reseller, &Value::Null).json();
    assert_eq!(trunk["ingress"]["sources"], json!([]));
    assert_eq!(trunk["egress"]["targets"], json!(["192.0.2.1:5060", "[2001:db8::1]:5060"]));
}

#[test]
fn lists_of_subscribers_and_accounts_are_narrowed_by_what_they_did() {
    let server = start();
    let list = |query: &str| ids(&ask(&server, "GET", query, Role::Owner, &Value::Null));
    let body = json!({
        "tenant": "1", "account": "10", "organization": "10", "username": "newcomer",
    });
    let made = ask(&server, "POST", "subscribers", Role::Owner, &body).json()["id"].clone();
    let today = "made_since=2023-11-14T00:00:00Z";
    assert_eq!(list(&format!("subscribers?{today}")), [made.as_str().unwrap()]);
    let long_ago = "1970-01-01T00:00:00Z";
    assert_eq!(list(&format!("subscribers?called_since={long_ago}")), ["10", "11", "20", "30"]);
    assert!(list("subscribers?called_since=2024-01-01T00:00:00Z").is_empty());
    assert!(list("subscribers?registered=true").is_empty(), "no contact is in the database");
    assert_eq!(list("subscribers?registered=false").len(), 5);
    let server = Server::start();
    let list = |query: &str| ids(&server.get(&format!("/api/v1/accounts?{query}")));
    assert_eq!(list("balance_below=10.0001"), ["1"]);
    assert!(list("balance_below=10").is_empty());
    assert!(list("balance_below=-5").is_empty());
    let wrong = server.get("/api/v1/accounts?balance_below=1,5");
    assert_eq!((wrong.status, wrong.field().as_str()), (400, "balance_below"));
}

#[test]
fn records_are_narrowed_by_what_the_asker_may_know() {
    let server = Server::start();
    let from = "from=1970-01-01T00:00:00Z";
    let list = |query: &str| ids(&server.get(&format!("/api/v1/cdrs?{from}&{query}")));
    assert_eq!(list("called=44"), ["1"]);
    assert_eq!(list("caller=491"), ["1"]);
    assert_eq!(list("subscriber=1"), ["1"]);
    assert_eq!(list("trunk=1"), ["1"]);
    assert_eq!(list("answered=true"), ["1"]);
    assert_eq!(list("answered=false"), ["5", "4", "3", "2"]);
    assert_eq!(list("unpriced=false"), ["1"]);
    assert_eq!(list("reason=normal"), ["1"]);
    assert!(list("reason=busy").is_empty());
    assert_eq!(list("unprofitable=false"), ["1"]);
    assert!(list("unprofitable=true&called=44").is_empty());
    assert!(list("one_sided=true").is_empty());
    let blind = server.get("/api/v1/cdrs?answered=true");
    assert_eq!((blind.status, blind.field().as_str()), (422, "from"));
    let server = start();
    for (name, value, may) in [
        ("subscriber", "10", "yyyyynn"),
        ("trunk", "1", "yyynnnn"),
        ("caller", "49", "yyynnnn"),
        ("called", "44", "yyyyyny"),
        ("answered", "true", "yyyyyny"),
        ("reason", "normal", "yyyyyny"),
        ("one_sided", "true", "yyyyynn"),
        ("unprofitable", "true", "yyynnnn"),
        ("unpriced", "true", "yyynnnn"),
    ] {
        for (role, may) in Role::ALL.into_iter().zip(may.chars()) {
            let path = format!("cdrs?{from}&{name}={value}");
            let said = ask(&server, "GET", &path, role, &Value::Null);
            let expect = if may == 'y' { 200 } else { 403 };
            assert_eq!(said.status, expect, "{} {name}", role.name());
        }
    }
}

/// What a reseller tries, by the right that it takes, with the status when he has it.
fn tries() -> Vec<(&'static str, &'static str, &'static str, Value, u16)> {
    let organization = |kind| json!({"parent": "10", "kind": kind, "name": "N"});
    let account = |reduction: Value| {
        let (name, currency) = ("N", "EUR");
        json!({
            "organization": "10", "name": name, "currency": currency, "reduction_bp": reduction,
        })
    };
    let of = |more: Value| {
        let mut body = json!({"organization": "10"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    vec![
        ("resellers", "POST", "organizations", organization("reseller"), 201),
        ("organizations", "POST", "organizations", organization("company"), 201),
        ("accounts", "POST", "accounts", account(json!(0)), 201),
        ("prices", "POST", "accounts", account(json!(5)), 201),
        ("subscribers", "POST", "subscribers", of(json!({"account": "10", "username": "n"})), 201),
        ("trunks", "POST", "trunks", of(json!({"name": "n"})), 201),
        ("numbers", "POST", "dids", of(json!({"number": "7777", "subscriber": "10"})), 201),
        ("payments", "GET", "accounts/10/allowances", Value::Null, 200),
        (
            "logins",
            "POST",
            "tokens",
            json!({
                "name": "n", "role": "subscriber", "subscriber": "10",
            }),
            201,
        ),
        ("calls", "POST", "calls/10/hangup", Value::Null, 202),
        ("statistics", "GET", "statistics?by=account", Value::Null, 200),
    ]
}

#[test]
fn what_is_withheld_from_a_reseller_he_may_not_do() {
    for (right, method, path, body, status) in tries() {
        let server = start();
        let said = ask(&server, method, path, Role::Reseller, &body);
        assert_eq!(said.status, status, "{right} {path}: {said:?}");
        // It is so at once, and only for that.
        let server = start();
        let withheld = json!({"withheld": [right]});
        assert_eq!(change(&server, "organizations/10", &withheld).status, 200, "{right}");
        for (other, method, path, body, status) in tries() {
            let said = ask(&server, method, path, Role::Reseller, &body);
            let is_read = right == "payments" && other == right;
            let expect = match other == right && !is_read {
                true if ["resellers", "prices"].contains(&right) => 422,
                true => 403,
                false if right == "organizations" && other == "resellers" => 403,
                false if right == "accounts" && other == "prices" => 403,
                false => status,
            };
            assert_eq!(said.status, expect, "{right} withheld, {other}: {said:?}");
        }
        let me = ask(&server, "GET", "me", Role::Reseller, &Value::Null).json();
        let may = |name: &str| me["permissions"].as_array().unwrap().contains(&json!(name));
        assert_eq!(may("payments:write"), right != "payments");
        assert_eq!(may("calls:hangup"), right != "calls");
    }
}

#[test]
fn nobody_gives_himself_what_is_withheld_and_below_it_is_withheld_too() {
    let server = start();
    let target = "/api/v1/organizations/10";
    let reseller = token(Role::Reseller);
    let version = server.ask("GET", target, Some(&reseller)).header("etag").unwrap().to_owned();
    let headers =
        [("If-Match", version.as_str()), ("Content-Type", "application/merge-patch+json")];
    let body = json!({"withheld": ["calls"]}).to_string();
    let own = send((server.at, 1), "PATCH", target, Some(&reseller), &headers, &body);
    assert_eq!((own.status, own.field().as_str()), (422, "withheld"));
    // But to who is below him he does.
    let target = "/api/v1/organizations/11";
    let version = server.ask("GET", target, Some(&reseller)).header("etag").unwrap().to_owned();
    let headers =
        [("If-Match", version.as_str()), ("Content-Type", "application/merge-patch+json")];
    let below = send((server.at, 1), "PATCH", target, Some(&reseller), &headers, &body);
    assert_eq!(below.status, 200, "{below:?}");
}

/// Spec SEC-DB-01: what is sent stays a value, in every parameter of every list and in a row.
#[test]
fn no_text_becomes_sql() {
    let server = Server::start();
    let document = server.get("/api/v1/openapi.json").json();
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(parameters) = operations["get"]["parameters"].as_array() else { continue };
        let target = path.replace("{id}", "1").replace("{login}", "1").replace("{number}", "1");
        for parameter in parameters.iter().filter(|p| p["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            for text in ["%27%20OR%20%271%27=%271", "1;DROP%20TABLE%20subscribers;--", "%25", "%22"]
            {
                let said = server.get(&format!("{target}?{name}={text}"));
                assert!(said.status < 500, "{target} {name}={text}: {said:?}");
                // Nothing is found, rather than everything.
                let found = said.json()["items"].as_array().map_or(0, Vec::len);
                let is_bound = said.status == 200 && found > 0;
                assert!(!is_bound, "{target} {name}={text}: {said:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
    let text = "'); DROP TABLE subscribers; --";
    let body = json!({
        "tenant": "1", "account": "1", "organization": "1", "username": "o'brien",
        "display": text,
    });
    let target = "/api/v1/subscribers";
    let made = send((server.at, 1), "POST", target, Some(OWNER), &[], &body.to_string());
    assert_eq!(made.status, 201, "{made:?}");
    let found = server.get(&format!("{target}?username=o'brien")).json();
    assert_eq!(found["items"][0]["display"], text);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}
