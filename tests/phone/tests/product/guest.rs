//! Who calls on the running product: guests by the policy of their listener, trunks that must show
//! more than an address, partners, and calls to oneself.

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{Config, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rows::{IN_FORCE, TALK, answered, lead_to, make, new_carrier, refused, set};
use crate::talk::{SOON, Talk, desk};

/// A demo whose listener has this policy for guests.
fn start(home: &Home, policy: &str) -> Demo {
    Demo::start_with(home, &format!("log.level = \"info\"\nsip.guests = [\"{policy}\"]\n"))
}

/// A phone that is not registered and knows no more than this.
fn phone(demo: &Demo, user: &str, password: &str) -> Phone {
    let config = Config { patience: SOON, ..Config::new(user, password, demo.sip) };
    Phone::new(config).unwrap()
}

fn trunk(name: &str, ingress: &Value) -> Value {
    json!({"tenant": "1", "organization": "3", "name": name, "ingress": ingress})
}

/// Guests may not: they are asked for credentials, and have none that are right.
fn turned_away(guest: &Phone, number: &str) {
    let code = refused(guest, number);
    assert!(code == 401 || code == 403, "{number}: {code}");
}

#[test]
fn guests_of_a_listener_for_dids_reach_dids_and_nothing_else() {
    let home = Home::new();
    let demo = start(&home, "dids");
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // A phone that was asked for credentials shows them ever after: each guest calls once.
    let guest = || phone(&demo, "jo", "none");
    let did = json!({
        "tenant": "1", "organization": "2", "number": "44999", "subscriber": "2",
    });
    make(&demo, "dids", &did);
    std::thread::sleep(IN_FORCE);
    turned_away(&guest(), "44999");
    let ingress = json!({"account": "3", "auth": "nobody", "trusted": false});
    let id = make(&demo, "trunks", &trunk("guests", &ingress));
    std::thread::sleep(IN_FORCE);
    Talk::new(&guest(), "44999", &bob).end_after(TALK);
    let record = demo.rest.cdrs(1).remove(0);
    assert_eq!(record["caller"]["trunk"], json!(id), "{record:#}");
    for number in ["1002", "44123"] {
        turned_away(&guest(), number);
    }
    // A phone of ours is itself at the same listener, and nobody else is taken for it.
    answered(&ada.invite("44123").unwrap());
    turned_away(&phone(&demo, "1001", "none"), "44999");
    assert_eq!(demo.rest.get("/readyz")["authenticated"], true);
    assert_tidy(&demo);
}

#[test]
fn a_trunk_that_takes_everybody_is_loud() {
    let home = Home::new();
    let demo = start(&home, "account");
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let guest = || phone(&demo, "jo", "none");
    turned_away(&guest(), "44123");
    let ingress = json!({
        "account": "3", "auth": "nobody", "trusted": false, "tech_prefix": "77",
    });
    let id = make(&demo, "trunks", &trunk("prefix", &ingress));
    std::thread::sleep(IN_FORCE);
    turned_away(&guest(), "44123");
    answered(&guest().invite("7744123").unwrap());
    let ready = || demo.rest.get("/readyz");
    assert_eq!(ready()["authenticated"], true, "a tech prefix is wanted");
    set(&demo, &format!("trunks/{id}"), &json!({"ingress": {"tech_prefix": null}}));
    answered(&guest().invite("44123").unwrap());
    let said = ready();
    assert_eq!(said["authenticated"], false, "{said:#}");
    assert_eq!(said["open_trunks"], json!(format!("trunk {id}")), "{said:#}");
    std::thread::sleep(IN_FORCE);
    assert_eq!(demo.rest.metric("strowger_open_trunks"), 1);
    assert!(demo.log().contains("everybody may call out by a trunk"), "{}", demo.log());
    set(&demo, &format!("trunks/{id}"), &json!({"ingress": {"users": ["ann"]}}));
    turned_away(&guest(), "44123");
    answered(&phone(&demo, "ann", "none").invite("44123").unwrap());
    assert_eq!(ready()["authenticated"], true);
    assert_tidy(&demo);
}

#[test]
fn a_listener_that_refuses_takes_trunks_only() {
    let home = Home::new();
    let demo = start(&home, "refuse");
    let peer = phone(&demo, "peer", "none");
    lead_to(&demo, peer.addr());
    let ada = phone(&demo, ALICE.0, ALICE.1);
    assert!(ada.register(60).is_err());
    assert_eq!(refused(&ada, "1002"), 403);
    assert_eq!(refused(&peer, "1002"), 480, "a trunk is taken, and nobody is registered");
    assert_tidy(&demo);
}

/// Address and credentials: neither is enough. An address and the users that it may name.
#[test]
fn a_trunk_shows_what_its_mode_wants() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let own = phone(&demo, "pbx", "correct horse");
    let wrong = phone(&demo, "pbx", "wrong horse");
    let elsewhere = phone(&demo, "pbx", "correct horse");
    let source = |phone: &Phone| json!({"network": "127.0.0.1/32", "port": phone.addr().port()});
    let ingress = json!({
        "account": "3", "auth": "both", "sources": [source(&own), source(&wrong)],
        "credentials": {"username": "pbx", "password": "correct horse"},
    });
    let id = make(&demo, "trunks", &trunk("pbx", &ingress));
    std::thread::sleep(IN_FORCE);
    answered(&own.invite("44123").unwrap());
    assert_eq!(refused(&wrong, "44123"), 403);
    assert_eq!(refused(&elsewhere, "44123"), 403);
    set(&demo, &format!("trunks/{id}"), &json!({"ingress": {"auth": "either"}}));
    answered(&wrong.invite("44123").unwrap());
    answered(&elsewhere.invite("44123").unwrap());
    let named = json!({"ingress": {"credentials": null, "users": ["other", "4930"]}});
    set(&demo, &format!("trunks/{id}"), &named);
    turned_away(&own, "44123");
    set(&demo, &format!("trunks/{id}"), &json!({"ingress": {"users": ["pbx"]}}));
    answered(&own.invite("44123").unwrap());
    assert_tidy(&demo);
}

/// Trunks of others are no targets, prefixes of an account count for all who call on it, and the
/// dry run says which.
#[test]
fn an_account_calls_by_its_partners_and_what_it_may() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    let told = || {
        let test = json!({"username": "1001", "called": "44123"}).to_string();
        demo.rest.post("/api/v1/route-tests", "", &test).1.to_string()
    };
    // The carrier's organization is 3, hers 2; both are below 1.
    set(&demo, "accounts/1", &json!({"partners": ["2"]}));
    assert_eq!(refused(&ada, "44123"), 404);
    assert!(told().contains("not-partner"), "{}", told());
    set(&demo, "accounts/1", &json!({"partners": ["1"]}));
    answered(&ada.invite("44123").unwrap());
    set(&demo, "trunks/1", &json!({"egress": {"partners": ["3"]}}));
    assert_eq!(refused(&ada, "44123"), 404);
    set(&demo, "trunks/1", &json!({"egress": {"partners": ["2", "3"]}}));
    answered(&ada.invite("44123").unwrap());
    set(&demo, "accounts/1", &json!({"barring": {"blocked": ["441"]}}));
    assert_eq!(refused(&ada, "44123"), 403);
    assert!(told().contains("barred"), "{}", told());
    answered(&ada.invite("44223").unwrap());
    assert_tidy(&demo);
}

/// Who calls himself calls another number; calls between our own go out where nothing is local.
#[test]
fn calls_to_oneself_and_to_our_own_go_where_is_set() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    assert_eq!(refused(&ada, "1001"), 403);
    let row = json!({
        "tenant": "1", "category": "call", "name": "self_forward", "value": "44700",
    });
    let row = make(&demo, "settings", &row);
    std::thread::sleep(IN_FORCE);
    answered(&ada.invite("1001").unwrap());
    set(&demo, &format!("settings/{row}"), &json!({"value": "1002"}));
    Talk::new(&ada, "1001", &bob).end_after(TALK);
    let row = json!({
        "tenant": "1", "category": "call", "name": "local_numbers", "value": "false",
    });
    make(&demo, "settings", &row);
    let route = json!({"tenant": "1", "prefix": "1002", "targets": [{"trunk": "1"}]});
    make(&demo, "routes", &route);
    let price =
        json!({"tenant": "1", "category": "price", "name": "customer_default", "value": "0"});
    make(&demo, "settings", &price);
    let price =
        json!({"tenant": "1", "category": "price", "name": "supplier_default", "value": "0"});
    make(&demo, "settings", &price);
    std::thread::sleep(IN_FORCE);
    answered(&ada.invite("1002").unwrap());
    bob.expect_no_call(std::time::Duration::from_millis(100)).unwrap();
    let seen: Vec<String> = carrier.seen().iter().map(|seen| seen.number().to_owned()).collect();
    assert_eq!(seen, ["44700", "1002"]);
    assert_tidy(&demo);
}
