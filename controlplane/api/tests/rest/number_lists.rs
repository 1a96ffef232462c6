//! Lists of numbers: lines that go to them, and who sees them.

use crate::client::{Response, send};
use crate::rows::{OWNER, TENANT};
use crate::server::Server;
use serde_json::{Value, json};

fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Response {
    if method == "GET" {
        return server.ask(method, &format!("/api/v1/{path}"), Some(token));
    }
    let media = if path.contains('/') { "text/csv" } else { "application/json" };
    let (at, target) = ((server.at, 1), format!("/api/v1/{path}"));
    send(at, method, &target, Some(token), &[("Content-Type", media)], body)
}

fn made(server: &Server, tenant: &Value) -> String {
    let body = json!({"tenant": tenant, "name": "fraud", "side": "called", "effect": "deny"});
    let answer = ask(server, OWNER, "POST", "number-lists", &body.to_string());
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn lines_go_to_a_list_whole_and_a_wrong_one_is_told() {
    let server = Server::start();
    let list = made(&server, &json!("1"));
    for deed in ["replace", "add", "remove"] {
        let path = format!("number-lists/{list}/{deed}");
        let taken = ask(&server, OWNER, "POST", &path, "4420\n4421\n");
        assert_eq!((taken.status, taken.json()["entries"].as_u64()), (200, Some(2)), "{taken:?}");
        let wrong = ask(&server, OWNER, "POST", &path, "bad");
        assert_eq!((wrong.status, wrong.field().as_str()), (422, "body"), "{wrong:?}");
        assert!(wrong.body.contains("line 1: bad"), "{wrong:?}");
        let empty = ask(&server, OWNER, "POST", &path, "");
        assert_eq!((empty.status, empty.field().as_str()), (422, "body"), "{empty:?}");
    }
    let look = |number: &str| {
        let target = format!("/api/v1/number-lists/{list}/entries{number}");
        server.ask("GET", &target, Some(OWNER)).json()
    };
    let found = look("?number=442079");
    assert_eq!((found["number"].as_str(), found["entry"].as_str()), (Some("442079"), Some("4420")));
    assert_eq!((look("")["number"].clone(), look("")["entry"].clone()), (Value::Null, Value::Null));
    assert_eq!(look("?number=49")["entry"], Value::Null);
}

#[test]
fn a_list_of_another_tenant_or_of_the_switch_is_not_there() {
    let server = Server::start();
    for tenant in [json!("1"), Value::Null] {
        let list = made(&server, &tenant);
        for (method, path) in [
            ("GET", format!("number-lists/{list}")),
            ("GET", format!("number-lists/{list}/entries")),
            ("POST", format!("number-lists/{list}/replace")),
            ("POST", format!("number-lists/{list}/add")),
            ("POST", format!("number-lists/{list}/remove")),
        ] {
            let answer = ask(&server, TENANT, method, &path, "44\n");
            assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
        }
    }
    let body = json!({"tenant": null, "name": "all", "side": "caller", "effect": "deny"});
    let refused = ask(&server, TENANT, "POST", "number-lists", &body.to_string());
    assert!(refused.status == 422 && refused.field() == "tenant", "{refused:?}");
}
