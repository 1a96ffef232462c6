//! Numbers in all their forms on the running product: what is dialled, what it means, what each
//! side is sent, and who is shown as the caller.

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{Config, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, refused, set};
use crate::talk::{SOON, desk};
use crate::who::turn;

/// An edit of the front of a number: this, and nothing that stood there before.
fn edit(own: &Value) -> Value {
    let mut all = json!({
        "remove": [], "remove_length_min": 0, "remove_length_max": 255, "add_length_min": 0,
        "add_length_below": 255, "if_begins": [], "if_not_begins": [], "remove_then": "",
        "add": "",
    });
    for (member, value) in own.as_object().unwrap() {
        all[member] = value.clone();
    }
    all
}

/// Numbers of a country that nobody here has a price for.
fn lead_abroad(demo: &Demo) {
    for name in ["customer_default", "supplier_default"] {
        turn(demo, &format!("price.{name}"), "0.01", json!({"tenant": "1"}));
    }
    set(demo, "routes/1", &json!({"prefix": "40"}));
}

/// The vector of the source (spec NUM-TEST): four forms of one number, cleaned by the edit of the
/// tenant, sent out by that of the trunk.
#[test]
fn a_number_is_one_in_each_of_its_forms_and_leaves_as_its_carrier_wants_it() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    lead_abroad(&demo);
    let ada = desk(&demo, ALICE);
    let incoming = edit(&json!({"remove": ["00", "+"], "add": "4", "if_begins": ["07"]}));
    let clean = json!({"international": [], "incoming": incoming});
    set(&demo, "tenants/1", &json!({"normalisation": clean}));
    let outgoing = edit(&json!({"add": "00", "if_not_begins": ["00"]}));
    set(&demo, "trunks/1", &json!({"egress": {"called": outgoing}}));
    let forms = ["+40721234567", "0040721234567", "40721234567", "0721234567", "+40-721-234.567"];
    for form in forms {
        answered(&ada.invite(form).unwrap());
    }
    let seen = carrier.wait_ended(forms.len(), SOON).unwrap();
    assert!(seen.iter().all(|call| call.number() == "0040721234567"), "{seen:?}");
    for (cdr, form) in demo.rest.cdrs(forms.len()).iter().zip(forms) {
        assert_eq!(text(cdr, "called.received"), form, "{cdr:#}");
        assert_eq!(text(cdr, "called.normalised"), "40721234567", "{cdr:#}");
        assert_eq!(text(cdr, "called.dialled"), "0040721234567", "{cdr:#}");
    }
    // Where nothing is taken off, each form is another number.
    let untouched = json!({"international": [], "incoming": edit(&json!({}))});
    set(&demo, "tenants/1", &json!({"normalisation": untouched}));
    assert_eq!(refused(&ada, "0040721234567"), 404);
    answered(&ada.invite("40721234567").unwrap());
    // A roaming number, kept from its ninth digit on, behind another prefix (spec C-NUM-02).
    let roaming = json!({
        "tenant": "1", "name": "roaming", "stage": "routing",
        "condition": r"called.matches('^08[0-9]+$')",
        "actions": [{"does": "set-called", "value": "'40' + called.substring(8)"}],
    });
    make(&demo, "rules", &roaming);
    std::thread::sleep(IN_FORCE);
    answered(&ada.invite("08123456721234567").unwrap());
    let seen = carrier.wait_ended(forms.len() + 2, SOON).unwrap();
    assert_eq!(seen[forms.len() + 1].number(), "0040721234567");
    assert_tidy(&demo);
    demo.stop();
}

/// Spec NUM-PX-01: each of its conditions.
#[test]
fn what_a_carrier_is_sent_goes_by_each_condition_of_its_edit() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let (short, long) = ("44123", "441234");
    let mut sent = 0;
    for (own, expect) in [
        (json!({"remove": ["4412", "44"]}), ["3", "34"]),
        (json!({"remove": ["44"], "remove_length_min": 6}), [short, "1234"]),
        (json!({"remove": ["44"], "remove_length_max": 5}), ["123", long]),
        (json!({"add": "9", "add_length_min": 6}), [short, "9441234"]),
        (json!({"add": "9", "add_length_below": 6}), ["944123", long]),
        (
            json!({"remove": ["441"], "if_begins": ["234"], "remove_then": "2", "add": "7"}),
            ["23", "734"],
        ),
        (json!({"if_not_begins": ["44123"], "add": "00"}), [short, long]),
        (json!({"if_not_begins": ["441234"], "add": "00"}), ["0044123", long]),
    ] {
        set(&demo, "trunks/1", &json!({"egress": {"called": edit(&own)}}));
        for number in [short, long] {
            answered(&ada.invite(number).unwrap());
        }
        sent += 2;
        let seen = carrier.wait_ended(sent, SOON).unwrap();
        let numbers = [seen[sent - 2].number(), seen[sent - 1].number()];
        assert_eq!(numbers, expect, "{own}");
    }
    assert_tidy(&demo);
    demo.stop();
}

/// Spec C-NUM-05, C-CALL-03.
#[test]
fn a_tech_prefix_lets_a_call_in_and_another_goes_out_with_it() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let config = Config { patience: SOON, ..Config::new("33123", "", demo.sip) };
    let edge = Phone::new(config).unwrap();
    let source = json!({"network": "127.0.0.1/32", "port": edge.addr().port()});
    let sender = json!({
        "tenant": "1", "organization": "2", "name": "edge",
        "ingress": {"account": "1", "sources": [source], "tech_prefix": "987651"},
    });
    make(&demo, "trunks", &sender);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&edge, "44123"), 403);
    answered(&edge.invite("98765144123").unwrap());
    set(&demo, "trunks/1", &json!({"egress": {"called": {"add": "555"}}}));
    answered(&edge.invite("98765144123").unwrap());
    // As it came.
    set(&demo, "trunks/1", &json!({"egress": {"sent_request": "received"}}));
    answered(&edge.invite("98765144123").unwrap());
    let seen = carrier.wait_ended(3, SOON).unwrap();
    let numbers: Vec<&str> = seen.iter().map(|call| call.number()).collect();
    assert_eq!(numbers, ["44123", "55544123", "98765144123"]);
    // Routes and prices see the number alone.
    for cdr in &demo.rest.cdrs(4)[1..] {
        assert_eq!(text(cdr, "called.received"), "98765144123", "{cdr:#}");
        assert_eq!(text(cdr, "called.normalised"), "44123", "{cdr:#}");
    }
    assert_tidy(&demo);
    demo.stop();
}

/// Spec C-NUM-06, CLI-05.
#[test]
fn numbers_of_callers_pass_are_cut_or_replaced() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let mut calls = 0;
    let mut shown = || {
        for phone in [&ada, &bob] {
            answered(&phone.invite("44123").unwrap());
        }
        calls += 2;
        let seen = carrier.wait_ended(calls, SOON).unwrap();
        let [first, second] = [&seen[calls - 2], &seen[calls - 1]];
        let asserted = |seen: &strowger_phone::carrier::Seen| {
            seen.asserted().map(str::to_owned).unwrap_or_default()
        };
        [first.from().to_owned(), second.from().to_owned(), asserted(first), asserted(second)]
    };
    assert_eq!(shown(), ["1001", "1002", "1001", "1002"]);
    // Numbers with one beginning pass, another stands in the place of all others.
    let others = json!({
        "tenant": "1", "name": "others", "stage": "routed",
        "condition": "!caller.startsWith('1001')",
        "actions": [{"does": "set-caller", "value": "'44990'"}],
    });
    let rule = make(&demo, "rules", &others);
    std::thread::sleep(IN_FORCE);
    assert_eq!(shown(), ["1001", "44990", "1001", "44990"]);
    assert_eq!(demo.rest.delete(&format!("/api/v1/rules/{rule}")), 204);
    // A beginning is cut.
    set(&demo, "trunks/1", &json!({"egress": {"caller": edit(&json!({"remove": ["100"]}))}}));
    assert_eq!(shown(), ["1", "2", "1", "2"]);
    // One number for everybody, and no header beside From.
    let one = json!({
        "caller": edit(&json!({})), "caller_number": "44991", "identity": "none",
    });
    set(&demo, "trunks/1", &json!({"egress": one}));
    assert_eq!(shown(), ["44991", "44991", "", ""]);
    // Whose host stands behind it: ours, or the one that is set (spec C-NUM-10).
    let host = |nth: usize| {
        let from = carrier.seen()[nth].invite.header("From").unwrap_or_default().to_owned();
        from.split_once('@').map(|(_, host)| host.split(['>', ';', ':']).next().unwrap().to_owned())
    };
    assert_ne!(host(0).as_deref(), Some("callers.example"));
    set(&demo, "trunks/1", &json!({"egress": {"from_host": "callers.example"}}));
    shown();
    assert_eq!(host(8).as_deref(), Some("callers.example"));
    assert_tidy(&demo);
    demo.stop();
}

/// Spec CLI-07: `replacecalleronforward`.
#[test]
fn carriers_are_shown_who_forwards_where_that_is_set() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, _bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let forward = json!({"when": "always", "to": "44700"});
    set(&demo, "subscribers/2", &json!({"forwards": [forward]}));
    let shown = |nth: usize| {
        answered(&ada.invite("1002").unwrap());
        let seen = carrier.wait_ended(nth, SOON).unwrap()[nth - 1].clone();
        let diversion = seen.invite.header("Diversion").unwrap_or_default().to_owned();
        assert!(diversion.contains("1002"), "{diversion}");
        [seen.from().to_owned(), seen.asserted().unwrap_or_default().to_owned()]
    };
    assert_eq!(shown(1), ["1001", "1001"]);
    turn(&demo, "identity.forwarder", "true", json!({"tenant": "1", "subscriber": "2"}));
    assert_eq!(shown(2), ["1002", "1002"]);
    // What it forwards, not what it calls or others call.
    answered(&ada.invite("44123").unwrap());
    assert_eq!(carrier.wait_ended(3, SOON).unwrap()[2].from(), "1001");
    assert_tidy(&demo);
    demo.stop();
}
