//! Lists: pages, order, filters.

use crate::server::Server;
use serde_json::Value;

fn ids(page: &Value) -> Vec<String> {
    let id = |item: &Value| match item.get("id") {
        Some(id) => id.as_str().unwrap().to_owned(),
        None => format!("{} {}", item["subscriber"], item["contact"]),
    };
    page["items"].as_array().unwrap().iter().map(id).collect()
}

/// Reads a list whole and in pages of one and two: always the same rows, each once.
fn check(server: &Server, target: &str, len: usize) {
    let join = if target.contains('?') { '&' } else { '?' };
    let whole = server.get(target).json();
    assert_eq!(whole["next"], Value::Null, "{target}");
    let whole = ids(&whole);
    assert_eq!(whole.len(), len, "{target}: {whole:?}");
    for limit in [1, 2] {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = server.get(&format!("{target}{join}limit={limit}{cursor}")).json();
            let shown = ids(&page);
            assert!(shown.len() <= limit, "{target}");
            rows.extend(shown);
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&next={next}");
            assert!(rows.len() <= len, "{target} never ends");
        }
        assert_eq!(rows, whole, "{target} by {limit}");
    }
}

#[test]
fn pages_join_to_the_whole_list() {
    let server = Server::start();
    check(&server, "/api/v1/cdrs", 5);
    check(&server, "/api/v1/cdrs?account=1", 3);
    check(&server, "/api/v1/cdrs?account=1&until=2000-01-01T00:00:00Z", 2);
    check(&server, "/api/v1/calls", 3);
    check(&server, "/api/v1/registrations", 3);
    check(&server, "/api/v1/subscribers", 3);
    check(&server, "/api/v1/trunks", 3);
    check(&server, "/api/v1/accounts", 3);
}

#[test]
fn records_are_newest_first_and_filtered() {
    let server = Server::start();
    let cdrs = |query: &str| ids(&server.get(&format!("/api/v1/cdrs{query}")).json());
    assert_eq!(cdrs(""), ["1", "5", "4", "3", "2"]);
    assert_eq!(cdrs("?account=2"), ["2"]);
    assert_eq!(cdrs("?account=99"), [""; 0]);
    // From is inside, until is outside.
    let from = "from=1970-01-01T00:00:02Z";
    assert_eq!(cdrs(&format!("?{from}&until=1970-01-01T00:00:03Z")), ["4"]);
    assert_eq!(cdrs(&format!("?{from}&until=1970-01-01T02:00:03.000001%2B02:00")), ["5", "4"]);
    assert_eq!(cdrs("?until=1970-01-01T02:00:02+02:00"), ["3", "2"]);
    assert_eq!(cdrs("?from=2023-11-14T22:13:23.000001Z"), [""; 0]);
    assert_eq!(cdrs("?from=2023-11-14T22:13:23Z"), ["1"]);
}

#[test]
fn running_calls_are_in_order_of_id() {
    let server = Server::start();
    let calls = server.get("/api/v1/calls").json();
    assert_eq!(ids(&calls), ["1", "2", "18446744073709551615"]);
    let last = server.get("/api/v1/calls/18446744073709551615");
    assert_eq!((last.status, last.json()["state"].as_str()), (200, Some("held")));
}
