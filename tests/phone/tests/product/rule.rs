//! Numbers on the running product: rules at the stages of a call, and numbers that were ported.

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::order::{asked, three};
use crate::rest::text;
use crate::rows::{IN_FORCE, TALK, answered, lead_to, make, new_carrier, refused, set};
use crate::talk::{Talk, desk};
use crate::who::turn;

/// The sentences of what a call to `number` would be decided as.
pub(crate) fn told(demo: &Demo, number: &str) -> String {
    let test = json!({"username": "1001", "called": number}).to_string();
    let (status, answer) = demo.rest.post("/api/v1/route-tests", "", &test);
    assert_eq!(status, 200, "{answer:#}");
    let steps = answer["decision"].as_array().unwrap();
    let sentences: Vec<&str> = steps.iter().map(|step| text(step, "sentence")).collect();
    sentences.join("\n")
}

fn rule(name: &str, stage: &str, condition: &str, actions: &Value) -> Value {
    json!({
        "tenant": "1", "name": name, "stage": stage, "condition": condition, "actions": actions,
    })
}

#[test]
fn rules_change_numbers_and_refuse_and_a_dry_run_says_which() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let long = json!([{"does": "set-called", "value": "'44' + called.substring(4)"}]);
    make(&demo, "rules", &rule("old codes", "routing", "called.startsWith('1999')", &long));
    let premium = rule(
        "no premium",
        "routing",
        "class == 'premium' && country == 'GB'",
        &json!([{"does": "refuse", "status": 603}]),
    );
    make(&demo, "rules", &premium);
    let local = json!([{"does": "set-dialled", "value": "'0' + dialled.substring(2)"}]);
    make(&demo, "rules", &rule("as they dial", "routed", "called.startsWith('4420')", &local));
    std::thread::sleep(IN_FORCE);

    answered(&ada.invite("1999123").unwrap());
    answered(&ada.invite("442079").unwrap());
    assert_eq!(refused(&ada, "449011234567"), 603);
    let seen: Vec<String> = carrier.seen().iter().map(|seen| seen.number().to_owned()).collect();
    assert_eq!(seen, ["44123", "02079"]);
    let cdrs = demo.rest.cdrs(3);
    assert_eq!(text(&cdrs[0], "called.received"), "1999123", "{:#}", cdrs[0]);
    assert_eq!(text(&cdrs[0], "called.dialled"), "44123", "{:#}", cdrs[0]);

    let why = told(&demo, "1999123");
    assert!(why.contains("(old codes) changes the called number"), "{why}");
    let why = told(&demo, "449011234567");
    assert!(why.contains("(no premium) refuses the call with 603"), "{why}");
    let why = told(&demo, "44123");
    assert!(!why.contains("rule"), "{why}");

    let wrong = rule("wrong", "known", "called == '1' && class == 'mobile'", &json!([]));
    let (status, said) = demo.rest.post("/api/v1/rules", "", &wrong.to_string());
    let said = said.to_string();
    assert_eq!(status, 422, "{said}");
    assert!(said.contains("condition") && said.contains("character 18"), "{said}");

    assert_tidy(&demo);
}

#[test]
fn a_ported_number_goes_where_its_operator_is_reached() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    assert_eq!(refused(&ada, "33123456"), 404, "there is no route");
    let list = "# number, prefix, number instead\n33123456,44\n33123457,,44999\n";
    let (status, said) = demo.rest.csv("/api/v1/ported-numbers/replace", list);
    assert_eq!((status, said["numbers"].as_u64()), (200, Some(2)), "{said:#}");
    let (status, said) = demo.rest.csv("/api/v1/ported-numbers/add", "33123458,44\nwrong,44\n");
    assert_eq!(status, 422, "{said:#}");
    assert!(said.to_string().contains("line 2"), "{said:#}");
    std::thread::sleep(IN_FORCE);

    answered(&ada.invite("33123456").unwrap());
    answered(&ada.invite("33123457").unwrap());
    let seen: Vec<String> = carrier.seen().iter().map(|seen| seen.number().to_owned()).collect();
    assert_eq!(seen, ["4433123456", "44999"]);
    let found = demo.rest.get("/api/v1/ported-numbers?number=33123457");
    assert_eq!(text(&found, "routed"), "44999", "{found:#}");
    assert_eq!(found["numbers"], 2, "of a list that is wrong nothing is taken: {found:#}");
    assert!(told(&demo, "33123456").contains("was ported"));
    assert_eq!(refused(&ada, "33123458"), 404);

    assert_tidy(&demo);
}

/// Spec NP-01: the server of an operator is a route for its prefix.
#[test]
fn a_ported_number_goes_to_the_one_server_of_its_operator() {
    let home = Home::new();
    let (demo, carriers, [_, _, middle]) = three(&home);
    for name in ["customer_default", "supplier_default"] {
        turn(&demo, &format!("price.{name}"), "0.01", json!({"tenant": "1"}));
    }
    let operator = json!({"tenant": "1", "prefix": "9901", "targets": [{"trunk": middle}]});
    make(&demo, "routes", &operator);
    let called = json!({"egress": {"called": {"remove": ["9901"]}}});
    set(&demo, &format!("trunks/{middle}"), &called);
    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    let (status, said) = demo.rest.csv("/api/v1/ported-numbers/replace", "44123,9901\n");
    assert_eq!(status, 200, "{said:#}");
    std::thread::sleep(IN_FORCE);
    answered(&ada.invite("44123").unwrap());
    answered(&ada.invite("44124").unwrap());
    assert_eq!(asked(&carriers), [0, 2, 1]);
    assert_eq!(carriers[2].seen()[0].number(), "44123");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_number_of_the_pool_is_reserved_taken_and_given_back() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let did = make(&demo, "dids", &json!({"tenant": "1", "organization": "2", "number": "33777"}));
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "33777"), 404, "nobody has taken it");
    let wanted = json!({"organization": "2", "prefix": "337"}).to_string();
    let (status, said) = demo.rest.post("/api/v1/dids/reserve", "", &wanted);
    assert_eq!((status, text(&said["items"][0], "number")), (200, "33777"), "{said:#}");
    let (status, said) = demo.rest.post("/api/v1/dids/reserve", "", &wanted);
    assert_eq!(status, 409, "it is offered once: {said:#}");
    set(&demo, &format!("dids/{did}"), &json!({"subscriber": "2"}));
    Talk::new(&ada, "33777", &bob).end_after(TALK);
    set(&demo, &format!("dids/{did}"), &json!({"subscriber": null}));
    assert_eq!(refused(&ada, "33777"), 404, "it was given back");
    let (status, said) = demo.rest.post("/api/v1/dids/reserve", "", &wanted);
    assert_eq!(status, 200, "{said:#}");
    assert_tidy(&demo);
}
