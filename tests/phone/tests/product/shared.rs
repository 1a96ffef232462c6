//! Shared DIDs on the running product: one number of many subscribers.

use serde_json::json;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{Config, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rest::text;
use crate::rows::{IN_FORCE, TALK, answered, make, new_carrier, refused, set};
use crate::talk::{SOON, Talk, desk};

/// The number that all share.
const DID: &str = "44888";

/// Which sentences a call from outside would be decided with.
fn told(demo: &Demo, caller: &str) -> String {
    let test = json!({"trunk": "demo-carrier", "called": DID, "caller": caller}).to_string();
    let (status, answer) = demo.rest.post("/api/v1/route-tests", "", &test);
    assert_eq!(status, 200, "{answer:#}");
    let steps = answer["decision"].as_array().unwrap();
    let sentences: Vec<&str> = steps.iter().map(|step| text(step, "sentence")).collect();
    sentences.join("\n")
}

#[test]
fn a_shared_did_is_whose_the_five_look_ups_say() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // Callers outside, each with a number of his own.
    let outside = ["44700111", "44700222", "44700333", "44700444"].map(|number| {
        let config = Config { patience: SOON, ..Config::new(number, "", demo.sip) };
        Phone::new(config).unwrap()
    });
    let source = |phone: &Phone| json!({"network": "127.0.0.1/32", "port": phone.addr().port()});
    let sources: Vec<_> = outside.iter().map(source).collect();
    set(
        &demo,
        "trunks/1",
        &json!({
            "ingress": {"sources": sources}, "egress": {"targets": [carrier.addr().to_string()]},
        }),
    );
    let did = json!({"tenant": "1", "organization": "2", "number": DID, "shared": true});
    let did = make(&demo, "dids", &did);
    let entry = |subscriber: &str, number: &str, did: Option<&str>| {
        let body = json!({
            "tenant": "1", "subscriber": subscriber, "number": number, "did": did,
        });
        make(&demo, "phonebook", &body)
    };
    entry("1", "44700111", Some(&did));
    entry("2", "44700222", None);
    std::thread::sleep(IN_FORCE);

    // 1: the owner reaches his contact, who sees the number that he can call back.
    answered(&ada.invite(DID).unwrap());
    let seen = carrier.wait_ended(1, SOON).unwrap();
    assert_eq!((seen[0].number(), seen[0].from()), ("44700111", DID));
    // 2: the contact reaches the owner; 4: who is only known, who knows him.
    Talk::new(&outside[0], DID, &ada).end_after(TALK);
    Talk::new(&outside[1], DID, &bob).end_after(TALK);
    let why = told(&demo, "44700222");
    assert!(why.contains("look-up 4"), "{why}");
    // 3: who called last by the number.
    assert_eq!(refused(&outside[2], DID), 404, "nobody knows him");
    set(&demo, "subscribers/2", &json!({"identity": {"number": DID}}));
    answered(&bob.invite("44700333").unwrap());
    Talk::new(&outside[2], DID, &bob).end_after(TALK);
    let why = told(&demo, "44700333");
    assert!(why.contains("look-up 3") && why.contains("1002"), "{why}");
    // Nobody's calls go where the number itself leads.
    set(&demo, &format!("dids/{did}"), &json!({"subscriber": "1"}));
    Talk::new(&outside[3], DID, &ada).end_after(TALK);
    let why = told(&demo, "44700444");
    assert!(why.contains("no look-up says whose call it is"), "{why}");
    let (status, said) = demo.rest.post(
        "/api/v1/phonebook",
        "",
        &json!({"tenant": "1", "subscriber": "1", "number": "1", "did": did}).to_string(),
    );
    assert_eq!(status, 409, "the owner gave it to another contact: {said:#}");
    assert_tidy(&demo);
}
