//! Lists of numbers on the running product: from a file to a call that is denied, one number more
//! and one fewer within a second, what dry run, trace and change log say, and what a restart of the
//! control plane leaves. Kinds of numbers that are not called.

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, refused, set};
use crate::talk::desk;

/// What a dry run of 1001's call says.
fn told(demo: &Demo, called: &str) -> String {
    let test = json!({"username": "1001", "called": called});
    let (status, told) = demo.rest.post("/api/v1/route-tests", "", &test.to_string());
    assert_eq!(status, 200, "{told:#}");
    told.to_string()
}

/// Sends lines to a list: the answer.
fn send(demo: &Demo, list: &str, deed: &str, lines: &str) -> (u16, Value) {
    demo.rest.csv(&format!("/api/v1/number-lists/{list}/{deed}"), lines)
}

/// A list of the demo's tenant; in force when this returns.
fn list(demo: &Demo, side: &str, effect: &str, more: Value) -> String {
    let mut body = more;
    body["tenant"] = json!("1");
    body["name"] = json!(format!("{effect} {side}"));
    (body["side"], body["effect"]) = (json!(side), json!(effect));
    make(demo, "number-lists", &body)
}

#[test]
fn who_stands_on_a_list_is_denied_within_a_second_and_after_a_restart() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let fraud = list(&demo, "called", "deny", json!({}));
    answered(&ada.invite("44123").unwrap());
    // A hundred thousand numbers, of which 44123 is one.
    let many: String = (0..100_000).map(|n| format!("{},x\n", 44_100 + n)).collect();
    let (status, said) = send(&demo, &fraud, "replace", &format!("number,why\n{many}"));
    assert_eq!((status, said["entries"].as_u64()), (200, Some(100_000)), "{said:#}");
    assert_eq!(said["bytes"].as_u64(), Some(12 * 100_000 + 8), "{said:#}");
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44123"), 403);
    answered(&ada.invite("4420").unwrap());
    let cdrs = demo.rest.cdrs(3);
    let denied: Vec<&Value> =
        cdrs.iter().filter(|cdr| text(cdr, "outcome.reason") == "denied").collect();
    assert_eq!(denied.len(), 1, "{cdrs:#?}");
    let why = demo.rest.get(&format!("/api/v1/cdrs/{}/trace", text(denied[0], "id")));
    assert!(why.to_string().contains("list-denied"), "{why:#}");
    assert!(told(&demo, "44123").contains("(deny called) denies the number by its first 5 digits"));
    // One fewer, one more.
    let (status, said) = send(&demo, &fraud, "remove", "44123\n");
    assert_eq!((status, said["entries"].as_u64()), (200, Some(99_999)), "{said:#}");
    assert_eq!(send(&demo, &fraud, "add", "4420\n").0, 200);
    std::thread::sleep(IN_FORCE);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(refused(&ada, "4420"), 403);
    // Of a file with a wrong line nothing is taken.
    let (status, said) = send(&demo, &fraud, "replace", "44\n+44 20\n");
    assert_eq!(status, 422, "{said:#}");
    assert!(said.to_string().contains("line 2: "), "{said:#}");
    let path = format!("/api/v1/number-lists/{fraud}/entries?number=4420");
    let found = demo.rest.get(&path);
    assert_eq!(text(&found, "entry"), "4420", "{found:#}");
    let log = demo.rest.get("/api/v1/changes?resource=number-lists&limit=2");
    assert_eq!(log["items"][0]["after"]["deed"], "add", "{log:#}");
    assert_eq!(log["items"][1]["before"]["entries"], 100_000, "{log:#}");
    // Only some may be called by the other's account, whatever the tenant allows.
    let some = list(&demo, "called", "only", json!({"account": "2"}));
    std::thread::sleep(IN_FORCE);
    answered(&ada.invite("44123").unwrap());
    set(&demo, &format!("number-lists/{some}"), &json!({"enabled": false}));
    demo.replace(demo.planes().controld);
    assert_eq!(refused(&ada, "4420"), 403);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(text(&demo.rest.get(&path), "entry"), "4420");
    ada.unregister().unwrap();
    bob.unregister().unwrap();
    assert_tidy(&demo);
}

#[test]
fn a_caller_on_a_list_and_numbers_of_a_kind_are_denied() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let kinds = json!({
        "tenant": "1", "category": "call", "name": "kinds_denied", "value": "premium,satellite",
    });
    let kinds = make(&demo, "settings", &kinds);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "449011234567"), 403);
    assert!(told(&demo, "449011234567").contains("(premium) are not called"));
    answered(&ada.invite("44123").unwrap());
    set(&demo, &format!("settings/{kinds}"), &json!({"value": "none"}));
    answered(&ada.invite("449011234567").unwrap());
    let nuisance = list(&demo, "caller", "deny", json!({}));
    assert_eq!(send(&demo, &nuisance, "add", "1001\n").0, 200);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44123"), 403);
    assert!(told(&demo, "44123").contains("(deny caller) denies the number"));
    ada.unregister().unwrap();
    assert_tidy(&demo);
}
