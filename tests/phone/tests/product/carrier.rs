//! Carriers and subscribers as REST sets them up: where calls lead, who pays, what each side hears.
//!
//! The running demo is changed by REST alone; each change must be in force within a second. The
//! carriers are on ports of their own, so nobody waits for the demo's.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, BOB, NOBODY};
use strowger_phone::{EndedBy, OutgoingCall, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rest::{money, text};
use crate::rows::{
    IN_FORCE, SILENCE, TALK, answered, lead_to, make, new_carrier, new_cleo, new_peer, refused, set,
};
use crate::talk::{SOON, Talk, desk};

/// The demo's price for 44, in units of the ledger (1e-8 EUR) a second.
const OUTSIDE: i64 = 100_000;
/// What these tests set for calls inside, 0.006 EUR a minute, in the same units.
const INSIDE: i64 = 10_000;
/// Credit that the demo gives, in the same units.
const CREDIT: i64 = 1_000_000_000;

/// The newest `count` records of `all`, those of one call in the order of their parts.
fn newest(demo: &Demo, all: usize, count: usize) -> Vec<Value> {
    let mut cdrs = demo.rest.cdrs(all).split_off(all - count);
    cdrs.sort_by_key(|cdr| cdr["part"].as_u64());
    cdrs
}

/// What a record charges, which must be by this account and price.
fn charge(cdr: &Value, account: &str, price: i64) -> i64 {
    let charge = &cdr["customer"];
    assert_eq!(text(charge, "account"), account, "{cdr:#}");
    let charged_ms = charge["charged_ms"].as_i64().unwrap();
    assert!(charged_ms >= 1_000, "{cdr:#}");
    assert_eq!(money(&charge["gross"]), charged_ms / 1_000 * price, "{cdr:#}");
    money(&charge["gross"])
}

/// The last two records: the caller reached Bob and pays that, Bob pays the way onward. What each
/// was charged.
fn forwarded(demo: &Demo, all: usize) -> [i64; 2] {
    let cdrs = newest(demo, all, 2);
    let [own, onward] = cdrs.as_slice() else { panic!("{cdrs:#?}") };
    assert_eq!((text(own, "caller.account"), text(own, "called.received")), ("1", "1002"));
    assert_eq!(text(own, "call"), text(onward, "call"));
    assert_eq!(text(onward, "caller.account"), "2", "{onward:#}");
    assert_eq!(text(onward, "caller.subscriber"), "2", "{onward:#}");
    assert_eq!(text(onward, "called.trunk"), "1", "{onward:#}");
    assert_eq!(text(onward, "called.dialled"), "44700", "{onward:#}");
    assert_eq!(own["talk_ms"], onward["talk_ms"]);
    [charge(own, "1", INSIDE), charge(onward, "2", OUTSIDE)]
}

/// Bob's calls go to 44700 under this condition.
fn forward(demo: &Demo, when: &str, after_ms: u32) {
    let forward = json!({"when": when, "to": "44700", "after_ms": after_ms});
    set(demo, "subscribers/2", &json!({"forwards": [forward]}));
}

#[test]
fn forwards_lead_on_and_the_forwarder_pays() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    let price = json!({"internal_price": {"amount": "0.006", "currency": "EUR"}});
    set(&demo, "tenants/1", &price);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let mut spent = [0, 0];
    let mut note = |all: usize| {
        let now = forwarded(&demo, all);
        spent = [spent[0] + now[0], spent[1] + now[1]];
    };

    forward(&demo, "busy", 0);
    let out = ada.invite("1002").unwrap();
    bob.wait_call(SOON).unwrap().reject(486).unwrap();
    answered(&out);
    note(2);

    forward(&demo, "no-answer", 2_000);
    let out = ada.invite("1002").unwrap();
    let rings = bob.wait_call(SOON).unwrap();
    rings.ring().unwrap();
    let began = Instant::now();
    assert_eq!(rings.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    let rang = began.elapsed();
    assert!(rang >= Duration::from_millis(1_800) && rang < Duration::from_secs(4), "{rang:?}");
    answered(&out);
    note(4);

    forward(&demo, "always", 0);
    let out = ada.invite("1002").unwrap();
    answered(&out);
    bob.expect_no_call(SILENCE).unwrap();
    note(6);

    forward(&demo, "offline", 0);
    bob.unregister().unwrap();
    answered(&ada.invite("1002").unwrap());
    note(8);

    let seen = carrier.wait_ended(4, SOON).unwrap();
    let reasons = ["user-busy", "no-answer", "unconditional", "unavailable"];
    for (seen, reason) in seen.iter().zip(reasons) {
        assert_eq!((seen.number(), seen.from()), ("44700", "1001"));
        let said = seen.invite.header("Diversion").unwrap_or_default();
        assert!(said.contains("1002") && said.contains(reason), "{said}");
    }
    assert_eq!([1, 2].map(|id| demo.rest.balance(id)), spent.map(|spent| CREDIT - spent));
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_group_rings_together_and_in_turn() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let (id, cleo) = new_cleo(&demo);
    let members = json!([{"subscriber": "2", "ring_ms": 2000}, {"subscriber": id}]);
    let group = json!({
        "tenant": "1", "organization": "2", "account": "2", "name": "sales",
        "numbers": ["2000"], "short": "70", "mode": "parallel", "members": members,
    });
    let group = format!("ring-groups/{}", make(&demo, "ring-groups", &group));
    std::thread::sleep(IN_FORCE);

    // By its number, by its short number and by its name.
    for number in ["2000", "70", "sales"] {
        let out = ada.invite(number).unwrap();
        let (loses, wins) = (bob.wait_call(SOON).unwrap(), cleo.wait_call(SOON).unwrap());
        loses.ring().unwrap();
        wins.ring().unwrap();
        wins.answer().unwrap();
        assert_eq!(loses.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
        answered(&out);
        assert_eq!(wins.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    }
    let cdrs = demo.rest.cdrs(3);
    assert!(cdrs.iter().all(|cdr| text(cdr, "called.subscriber") == id), "{cdrs:#?}");
    assert!(cdrs.iter().all(|cdr| text(&cdr["hops"][0], "subscriber") == "2"), "{cdrs:#?}");

    set(&demo, &group, &json!({"mode": "in-turn", "overflow": "44700"}));
    let out = ada.invite("2000").unwrap();
    let first = bob.wait_call(SOON).unwrap();
    first.ring().unwrap();
    cleo.expect_no_call(Duration::from_secs(1)).unwrap();
    let second = cleo.wait_call(SOON).unwrap();
    assert_eq!(first.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    second.answer().unwrap();
    answered(&out);
    demo.rest.cdrs(4);

    // When nobody wants it, it goes on at the group's cost.
    let out = ada.invite("2000").unwrap();
    bob.wait_call(SOON).unwrap().reject(486).unwrap();
    cleo.wait_call(SOON).unwrap().reject(486).unwrap();
    answered(&out);
    assert_eq!(carrier.wait_ended(1, SOON).unwrap()[0].number(), "44700");
    let spent = charge(&newest(&demo, 6, 2)[1], "2", OUTSIDE);
    assert_eq!(demo.rest.balance(2), CREDIT - spent);
    assert_eq!(demo.rest.balance(1), CREDIT);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn numbers_lead_where_rest_says() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (carrier, switch) = (new_carrier(&demo), new_carrier(&demo));
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let pbx = json!({
        "tenant": "1", "organization": "2", "name": "customer switch",
        "egress": {"targets": [switch.addr().to_string()], "account": "2"},
    });
    let pbx = make(&demo, "trunks", &pbx);
    let did = |number: &str, target: &str, id: &str| {
        let body = json!({"tenant": "1", "organization": "2", "number": number, target: id});
        make(&demo, "dids", &body)
    };
    did("493012", "subscriber", "2");
    let to_switch = did("4930555", "trunk", &pbx);
    set(&demo, "subscribers/2", &json!({"short": "12"}));
    lead_to(&demo, carrier.addr());

    // A carrier and a subscriber reach both; a short number is its organization's.
    for (caller, number) in [(carrier.phone(), "493012"), (&ada, "493012"), (&ada, "12")] {
        Talk::new(caller, number, &bob).end_after(TALK);
    }
    for caller in [carrier.phone(), &ada] {
        answered(&caller.invite("4930555").unwrap());
    }
    assert_eq!(refused(carrier.phone(), "12"), 404);
    let seen = switch.wait_ended(2, SOON).unwrap();
    assert!(seen.iter().all(|seen| seen.number() == "4930555"), "{seen:#?}");
    let cdrs = demo.rest.cdrs(6);
    assert!(cdrs[..3].iter().all(|cdr| text(cdr, "called.subscriber") == "2"), "{cdrs:#?}");
    assert!(cdrs[3..5].iter().all(|cdr| text(cdr, "called.trunk") == pbx), "{cdrs:#?}");
    assert_eq!(demo.rest.delete(&format!("/api/v1/dids/{to_switch}")), 204);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "4930555"), 404);

    // The longest prefix decides what may be called.
    let barring = json!({"barring": {"blocked": ["447"], "allowed": ["44709", "441"]}});
    set(&demo, "subscribers/1", &barring);
    for number in ["447001", "44209"] {
        assert_eq!(refused(&ada, number), 403, "{number}");
    }
    answered(&ada.invite("447091").unwrap());
    let cdrs = demo.rest.cdrs(10);
    for cdr in &cdrs[7..9] {
        assert_eq!(text(cdr, "outcome.reason"), "denied", "{cdr:#}");
    }
    let dry = r#"{"username":"1001","called":"447001"}"#;
    let (_, dry) = demo.rest.post("/api/v1/route-tests", "", dry);
    let said = dry["decision"].to_string();
    assert!(said.contains("the called number is barred for the sender"), "{said}");
    assert_eq!(carrier.wait_ended(1, SOON).unwrap()[0].number(), "447091");
    assert_tidy(&demo);
    demo.stop();
}

/// Calls 44123 by two trunks: who was asked so far, first and second.
fn asked(carriers: [&Carrier; 2]) -> [usize; 2] {
    carriers.map(|carrier| carrier.seen().len())
}

/// Of so many calls begun at once, how many are answered; the others hear 480.
fn answered_of(caller: &Phone, count: usize) -> usize {
    let calls: Vec<OutgoingCall> = (0..count).map(|_| caller.invite("44123").unwrap()).collect();
    let lives: Vec<&OutgoingCall> =
        calls.iter().filter(|call| call.wait_answer(SOON).is_ok()).collect();
    for call in calls.iter().filter(|call| call.ended().is_some()) {
        assert_eq!(call.ended(), Some(EndedBy::Refused(480)));
    }
    lives.iter().for_each(|call| assert_eq!(call.bye().unwrap(), EndedBy::LocalBye));
    lives.len()
}

#[test]
fn the_next_trunk_is_tried_and_a_limit_holds() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let both = [new_carrier(&demo), new_carrier(&demo)];
    let [first, second] = &both;
    let asked = || asked([first, second]);
    let ada = desk(&demo, ALICE);
    let other = json!({
        "tenant": "1", "organization": "3", "name": "second",
        "egress": {"targets": [second.addr().to_string()], "account": "3"},
    });
    let other = make(&demo, "trunks", &other);
    let targets = json!([{"trunk": "1", "priority": 10}, {"trunk": other, "priority": 0}]);
    set(&demo, "routes/1", &json!({"targets": targets}));
    set(&demo, "trunks/1", &json!({"egress": {"first_timeout_ms": 1000}}));
    lead_to(&demo, first.addr());

    for (script, sip) in [(Script::refuse(503), json!(503)), (Script::Silent, json!(408))] {
        first.otherwise(script);
        let before = asked();
        answered(&ada.invite("44123").unwrap());
        assert_eq!(asked(), before.map(|count| count + 1), "{script:?}");
        let cdrs = demo.rest.cdrs(before[1] + 1);
        let cdr = &cdrs[before[1]];
        assert_eq!(text(cdr, "called.trunk"), other, "{cdr:#}");
        let hop = &cdr["hops"][0];
        assert_eq!((text(hop, "trunk"), &hop["outcome"]["sip"]), ("1", &sip), "{cdr:#}");
    }
    // What is said about the called number ends the hunt; so does what the row names.
    first.otherwise(Script::refuse(404));
    assert_eq!(refused(&ada, "44123"), 404);
    first.otherwise(Script::refuse(502));
    set(&demo, "trunks/1", &json!({"egress": {"stop_on": [502]}}));
    assert_eq!(refused(&ada, "44123"), 502);
    assert_eq!(asked(), [4, 2]);
    first.otherwise(Script::refuse(404));
    set(&demo, "trunks/1", &json!({"egress": {"stop_on": [], "continue_on": [404]}}));
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked(), [5, 3]);

    // One line: the second call takes the other trunk, or none.
    first.otherwise(Script::echo());
    set(&demo, "trunks/1", &json!({"egress": {"calls_max": 1}}));
    let holds = ada.invite("44123").unwrap();
    holds.wait_answer(SOON).unwrap();
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked(), [6, 4]);
    set(&demo, "routes/1", &json!({"targets": [{"trunk": "1"}]}));
    assert_eq!(refused(&ada, "44123"), 480);
    assert_eq!(asked(), [6, 4]);
    holds.bye().unwrap();
    let cdrs = demo.rest.cdrs(8);
    let limited = cdrs.iter().filter(|cdr| text(cdr, "outcome.reason") == "exhausted").count();
    assert_eq!(limited, 1, "{cdrs:#?}");
    assert_eq!(answered_of(&ada, 4), 1);
    assert_eq!(asked(), [7, 4]);
    demo.rest.cdrs(12);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn the_targets_of_a_trunk_follow_each_other() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (first, second) = (new_carrier(&demo), new_carrier(&demo));
    let ada = desk(&demo, ALICE);
    let targets = [first.addr().to_string(), second.addr().to_string()];
    set(&demo, "trunks/1", &json!({"egress": {"targets": targets}}));
    first.otherwise(Script::refuse(503));
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked([&first, &second]), [1, 1]);
    second.otherwise(Script::refuse(503));
    assert_eq!(refused(&ada, "44123"), 500, "a 503 of everybody is a 500");
    assert_eq!(asked([&first, &second]), [2, 2]);
    demo.rest.cdrs(2);
    assert_tidy(&demo);
    demo.stop();
}

/// How a call is shown to a peer: `1001` or `hidden` in From, `pai` where it is told who calls.
fn shown(caller: &Phone, number: &str, asks: &[(&str, &str)], peer: &Phone) -> String {
    let out = caller.invite_with(number, asks, true).unwrap();
    let call = peer.wait_call(SOON).unwrap();
    let invite = call.request();
    call.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    out.bye().unwrap();
    let header = |name: &str| invite.header(name).unwrap_or_default().to_owned();
    let (from, asserted) = (header("From"), header("P-Asserted-Identity"));
    let is_hidden = from.contains("sip:anonymous@anonymous.invalid");
    assert_eq!(is_hidden, !from.contains("1001") && !from.contains("Ada"), "{from}");
    assert_eq!(is_hidden, header("Privacy") == "id", "{from} {}", header("Privacy"));
    assert!(asserted.is_empty() || asserted.contains("sip:1001@"), "{asserted}");
    let who = if is_hidden { "hidden" } else { "1001" };
    format!("{who} {}", if asserted.is_empty() { "-" } else { "pai" })
}

/// What a trusted and an untrusted peer see of who does not ask to be hidden, and of who does.
const SHOWN: [(&str, [&str; 4]); 6] = [
    ("always", ["1001 pai", "1001 pai", "1001 pai", "1001 pai"]),
    ("normal", ["1001 pai", "1001 pai", "hidden pai", "hidden -"]),
    ("asserted", ["1001 pai", "1001 pai", "hidden pai", "hidden pai"]),
    ("asserted-trusted", ["1001 pai", "1001 -", "hidden pai", "hidden -"]),
    ("hide", ["hidden pai", "hidden -", "hidden pai", "hidden -"]),
    ("hide-all", ["hidden -", "hidden -", "hidden -", "hidden -"]),
];

#[test]
fn who_hides_is_hidden_and_only_the_trusted_are_told() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (trusted, stranger) = (new_peer(&demo), new_peer(&demo));
    let ada = desk(&demo, ALICE);
    let other = json!({
        "tenant": "1", "organization": "3", "name": "stranger",
        "egress": {"targets": [stranger.addr().to_string()], "account": "3", "trusted": false},
    });
    let other = make(&demo, "trunks", &other);
    let route = json!({"tenant": "1", "prefix": "449", "targets": [{"trunk": other}]});
    make(&demo, "routes", &route);
    lead_to(&demo, trusted.addr());
    for (cli, expect) in SHOWN {
        set(&demo, "subscribers/1", &json!({"identity": {"cli": cli}}));
        let hide = [("Privacy", "id")];
        let seen = [
            shown(&ada, "44123", &[], &trusted),
            shown(&ada, "44923", &[], &stranger),
            shown(&ada, "44123", &hide, &trusted),
            shown(&ada, "44923", &hide, &stranger),
        ];
        assert_eq!(seen, expect, "{cli}");
    }
    demo.rest.cdrs(24);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn of_several_numbers_each_is_called_and_the_chosen_one_shown() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let peer = new_peer(&demo);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    lead_to(&demo, peer.addr());
    let numbers = json!(["49301001", "49301011"]);
    set(&demo, "subscribers/1", &json!({"numbers": numbers, "short": "11"}));
    for number in ["1001", "49301001", "49301011", "11"] {
        Talk::new(&bob, number, &ada).end_after(TALK);
    }
    for (preferred, expect) in
        [("49301011", "49301011"), ("49309999", "49301001"), ("1001", "49301001")]
    {
        let preferred = format!("<sip:{preferred}@strowger.demo>");
        let out = ada.invite_with("44123", &[("P-Preferred-Identity", &preferred)], true).unwrap();
        let call = peer.wait_call(SOON).unwrap();
        let from = call.request().header("From").unwrap_or_default().to_owned();
        assert!(from.contains(&format!("sip:{expect}@")), "{preferred}: {from}");
        call.answer().unwrap();
        answered(&out);
    }
    demo.rest.cdrs(7);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn causes_are_read_by_the_trunks_map_and_given_when_asked() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let peer = new_peer(&demo);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    lead_to(&demo, peer.addr());
    let refuse = |code: u16| {
        let out = ada.invite("44123").unwrap();
        peer.wait_call(SOON).unwrap().reject(code).unwrap();
        out.wait_end(SOON).unwrap()
    };
    assert_eq!(refuse(480), EndedBy::Refused(480));
    let causes = json!([{"status": 480, "to_status": 486, "to_q850": 17}]);
    set(&demo, "trunks/1", &json!({"egress": {"causes": causes}}));
    assert_eq!(refuse(480), EndedBy::Refused(486));
    let cdrs = demo.rest.cdrs(2);
    assert_eq!(text(&cdrs[1], "outcome.reason"), "busy");
    assert_eq!(cdrs[1]["outcome"]["q850"], 17);

    // Our BYE says why only when the row asks for it.
    let bye = || {
        let out = ada.invite("44123").unwrap();
        let call = peer.wait_call(SOON).unwrap();
        call.answer().unwrap();
        answered(&out);
        assert_eq!(call.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
        call.requests().last().unwrap().lines("Reason").join(", ")
    };
    assert_eq!(bye(), "");
    set(&demo, "trunks/1", &json!({"egress": {"reason": true}}));
    assert!(bye().contains("Q.850;cause=16"));

    // The same the other way: what the trunk is told, and whether with a reason.
    let told = |number: &str| {
        let out = peer.invite(number).unwrap();
        if number == "1002" {
            bob.wait_call(SOON).unwrap().reject(486).unwrap();
        }
        let end = out.wait_end(SOON).unwrap();
        (end, out.response().unwrap().lines("Reason").join(", "))
    };
    assert_eq!(told(NOBODY), (EndedBy::Refused(404), String::new()));
    let causes = json!([{"status": 486, "to_status": 600}]);
    set(&demo, "trunks/1", &json!({"ingress": {"causes": causes, "reason": true}}));
    let (end, reason) = told(NOBODY);
    assert_eq!(end, EndedBy::Refused(404));
    assert!(reason.contains("Q.850;cause=1"), "{reason}");
    let (end, reason) = told("1002");
    assert_eq!(end, EndedBy::Refused(600));
    assert!(reason.contains("Q.850;cause="), "{reason}");
    demo.rest.cdrs(7);
    assert_tidy(&demo);
    demo.stop();
}
