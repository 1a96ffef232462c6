//! Who may call whom on the running product: user groups, callers of one subscriber, subscribers
//! known by their number alone, who is called in place of nobody, numbers as they are dialled at
//! home, numbers that are denied for a while, second tries, and what one account may spend.

use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::carrier::Script;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{Config, EndedBy, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::name::NameServer;
use crate::order::three;
use crate::rest::text;
use crate::rows::{IN_FORCE, TALK, answered, lead_to, make, new_carrier, refused, set};
use crate::talk::{SOON, Talk, desk};

/// Sets something at a place; in force when this returns.
pub(crate) fn turn(demo: &Demo, path: &str, value: &str, place: Value) -> String {
    let (category, name) = path.split_once('.').unwrap();
    let mut body = place;
    body["category"] = json!(category);
    body["name"] = json!(name);
    body["value"] = json!(value);
    let id = make(demo, "settings", &body);
    std::thread::sleep(IN_FORCE);
    id
}

fn of_subscriber(id: &str) -> Value {
    json!({"tenant": "1", "subscriber": id})
}

fn of_account(id: &str) -> Value {
    json!({"tenant": "1", "account": id})
}

/// A rule about callers; in force when this returns.
fn rule(demo: &Demo, mut body: Value) -> String {
    body["tenant"] = json!("1");
    let id = make(demo, "caller-rules", &body);
    std::thread::sleep(IN_FORCE);
    id
}

/// Why the newest of so many records is as it is. Decisions are written beside the records, now and
/// then a moment later.
fn why(demo: &Demo, count: usize) -> String {
    let records = demo.rest.cdrs(count);
    let id = text(&records[count - 1], "id").to_owned();
    let path = format!("/api/v1/cdrs/{id}/trace");
    eventually("the decision is written", || {
        let told = demo.rest.get(&path);
        let is_whole = told["decision"].as_array().is_some_and(|steps| !steps.is_empty());
        is_whole.then(|| told.to_string())
    })
}

/// Somebody outside with this number, whose calls come in by the demo's trunk.
fn outsider(demo: &Demo, number: &str) -> Phone {
    let config = Config { patience: SOON, ..Config::new(number, "", demo.sip) };
    let phone = Phone::new(config).unwrap();
    let source = json!({"network": "127.0.0.1/32", "port": phone.addr().port()});
    set(demo, "trunks/1", &json!({"ingress": {"sources": [source]}}));
    phone
}

#[test]
fn a_subscriber_is_called_by_whom_he_wants_and_by_his_group() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(TALK);
    let closed = rule(&demo, json!({"subscriber": "2", "reason": "does not take calls"}));
    assert_eq!(refused(&ada, "1002"), 403);
    assert!(why(&demo, 2).contains("caller-denied"));
    Talk::new(&bob, "1001", &ada).end_after(TALK);
    // But from this number.
    let but = rule(&demo, json!({"subscriber": "2", "prefix": "1001", "allow": true}));
    Talk::new(&ada, "1002", &bob).end_after(TALK);
    for id in [closed, but] {
        assert_eq!(demo.rest.delete(&format!("/api/v1/caller-rules/{id}")), 204);
    }
    let one = turn(&demo, "call.group", "7", of_subscriber("1"));
    for (caller, number) in [(&ada, "1002"), (&bob, "1001")] {
        assert_eq!(refused(caller, number), 403, "{number}");
    }
    let told = why(&demo, 6);
    assert!(told.contains("other-group"), "{told}");
    let other = turn(&demo, "call.group", "7", of_subscriber("2"));
    Talk::new(&ada, "1002", &bob).end_after(TALK);
    for id in [one, other] {
        assert_eq!(demo.rest.delete(&format!("/api/v1/settings/{id}")), 204);
    }
    let (status, said) = demo.rest.post(
        "/api/v1/caller-rules",
        "both",
        &json!({"tenant": "1", "subscriber": "2", "called": "44"}).to_string(),
    );
    assert_eq!((status, text(&said, "field")), (422, "called"), "{said}");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_trunk_s_call_is_the_subscriber_s_whose_number_it_shows() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let bob = desk(&demo, BOB);
    let mobile = outsider(&demo, "44700111");
    set(&demo, "subscribers/1", &json!({"numbers": ["1001", "44700111"]}));
    let who = |count: usize| {
        let record = demo.rest.cdrs(count).remove(count - 1);
        let caller = &record["caller"];
        let of = |name: &str| caller[name].as_str().unwrap_or_default().to_owned();
        [of("account"), of("subscriber"), of("trunk"), of("number")]
    };
    Talk::new(&mobile, "1002", &bob).end_after(TALK);
    assert_eq!(who(1), ["3", "", "1", "44700111"]);
    set(&demo, "trunks/1", &json!({"ingress": {"by_number": true}}));
    Talk::new(&mobile, "1002", &bob).end_after(TALK);
    assert_eq!(who(2), ["3", "", "1", "44700111"], "the subscriber says nothing of it");
    turn(&demo, "identity.by_number", "true", of_subscriber("1"));
    Talk::new(&mobile, "1002", &bob).end_after(TALK);
    assert_eq!(who(3), ["1", "1", "1", "44700111"]);
    assert!(why(&demo, 3).contains("behalf-of"));
    // What may not be called by one is called by neither.
    set(&demo, "subscribers/1", &json!({"enabled": false}));
    assert_eq!(refused(&mobile, "1002"), 403);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn somebody_is_called_in_place_of_nobody_and_who_is_away_outside() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let outside = outsider(&demo, "33123");
    assert_eq!(refused(&outside, "9999"), 404);
    turn(&demo, "call.unknown_to", "1002", json!({"tenant": "1"}));
    Talk::new(&outside, "9999", &bob).end_after(TALK);
    assert!(why(&demo, 2).contains("beyond"));
    answered(&ada.invite("44123").unwrap());
    // Who is registered nowhere.
    set(&demo, "subscribers/2", &json!({"numbers": ["1002", "44555"]}));
    Talk::new(&ada, "44555", &bob).end_after(TALK);
    bob.unregister().unwrap();
    assert_eq!(refused(&ada, "44555"), 480);
    turn(&demo, "call.offline_outside", "true", of_subscriber("2"));
    answered(&ada.invite("44555").unwrap());
    let seen = carrier.wait_ended(2, SOON).unwrap();
    assert_eq!(seen[1].number(), "44555");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn numbers_are_dialled_as_at_home_and_are_as_long_as_the_tenant_says() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    assert_eq!(refused(&ada, "02079460018"), 404);
    turn(&demo, "number.country", "44", of_account("1"));
    turn(&demo, "number.national_prefix", "0", of_account("1"));
    for number in ["02079460018", "+44 2079460018", "442079460018"] {
        answered(&ada.invite(&number.replace(' ', "")).unwrap());
    }
    let seen = carrier.wait_ended(3, SOON).unwrap();
    assert!(seen.iter().all(|call| call.number() == "442079460018"));
    // Short ones are as they were, and who is of another account dials as before.
    Talk::new(&ada, "1002", &bob).end_after(TALK);
    assert_eq!(refused(&bob, "02079460018"), 404);
    let lengths = json!({"normalisation": {"length_min": 4, "length_max": 8}});
    set(&demo, "tenants/1", &lengths);
    assert_eq!(refused(&ada, "442079460018"), 484);
    assert_eq!(refused(&ada, "123"), 484);
    answered(&ada.invite("44123#").unwrap());
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_number_that_nobody_answers_is_denied_for_a_while_and_listed() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    carrier.script("44666", Script::busy());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // Half of four in an hour.
    turn(&demo, "guard.target_failures_max", "4", json!({}));
    let report = |query: &str| {
        let told = demo.rest.get(&format!("/api/v1/caller-rules?{query}"));
        told["items"].as_array().unwrap().clone()
    };
    assert_eq!(refused(&ada, "44666"), 486);
    assert_eq!(report("automatic=true&called=44"), [] as [Value; 0]);
    assert_eq!(refused(&ada, "44666"), 486);
    let rule = eventually("the number is denied", || report("automatic=true&called=446").pop());
    assert_eq!((text(&rule, "called"), text(&rule, "account")), ("44666", "1"), "{rule}");
    assert!(text(&rule, "reason").starts_with("of 2 calls to the number 0 % answered"), "{rule}");
    assert!(text(&rule, "until") > text(&rule, "from"), "{rule}");
    assert_eq!(report("called=447"), [] as [Value; 0]);
    assert_eq!(report("from=2100-01-01T00:00:00Z"), [] as [Value; 0]);
    assert_eq!(report("from=2020-01-01T00:00:00Z").len(), 1);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44666"), 403);
    assert!(why(&demo, 3).contains("caller-denied"));
    // Only that number, and nobody else closes it.
    answered(&ada.invite("44123").unwrap());
    assert_eq!(refused(&bob, "44666"), 486);
    // Somebody looks at it and knows better.
    let id = text(&rule, "id").to_owned();
    set(&demo, &format!("caller-rules/{id}"), &json!({"allow": true}));
    assert_eq!(refused(&ada, "44666"), 486);
    // By hand: a client and one destination, and one caller of it.
    let client = json!({"tenant": "1", "account": "1", "called": "4412", "prefix": "1001"});
    make(&demo, "caller-rules", &client);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44123"), 403);
    answered(&bob.invite("44123").unwrap());
    assert_tidy(&demo);
    demo.stop();
}

/// Spec ROUTE-GUARD-01: the filter of wrong numbers.
#[test]
fn a_number_that_does_not_exist_is_asked_for_so_often() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    carrier.script("44667", Script::refuse(404));
    carrier.script("44668", Script::busy());
    let ada = desk(&demo, ALICE);
    turn(&demo, "guard.wrong_max", "2", json!({}));
    assert_eq!([refused(&ada, "44667"), refused(&ada, "44667")], [404, 404]);
    let rule = eventually("the number is denied", || {
        let told = demo.rest.get("/api/v1/caller-rules?automatic=true&called=4466");
        told["items"].as_array().unwrap().first().cloned()
    });
    assert_eq!((text(&rule, "called"), text(&rule, "account")), ("44667", "1"), "{rule}");
    assert_eq!(text(&rule, "reason"), "2 calls to the number, and no such number there");
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44667"), 403);
    assert_eq!(carrier.seen().len(), 2, "nobody was asked a third time");
    // Who is busy exists.
    for _ in 0..4 {
        assert_eq!(refused(&ada, "44668"), 486);
    }
    assert_tidy(&demo);
    demo.stop();
}

/// Spec USER-HIER-02.
#[test]
fn a_subscriber_calls_on_the_account_that_is_named_for_it() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let bob = desk(&demo, BOB);
    let pays = |count: usize| {
        answered(&bob.invite("44123").unwrap());
        let cdr = demo.rest.cdrs(count).remove(count - 1);
        assert_eq!(text(&cdr, "caller.subscriber"), "2");
        text(&cdr, "customer.account").to_owned()
    };
    assert_eq!(pays(1), "2");
    let before = demo.rest.balance(2);
    set(&demo, "subscribers/2", &json!({"account": "1"}));
    assert_eq!(pays(2), "1");
    assert_eq!(demo.rest.balance(2), before);
    // Whose credit is looked at.
    set(&demo, "accounts/1", &json!({"enabled": false}));
    assert_eq!(refused(&bob, "44123"), 403);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn who_calls_again_at_once_goes_by_another_supplier() {
    let home = Home::new();
    let (demo, carriers, _) = three(&home);
    set(&demo, "routes/1", &json!({"order": "price"}));
    turn(&demo, "route.second_try_ms", "25000", of_account("1"));
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let asked = || carriers.each_ref().map(|carrier| carrier.seen().len());
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked(), [0, 1, 0], "the cheapest");
    demo.rest.cdrs(1);
    answered(&bob.invite("44123").unwrap());
    assert_eq!(asked(), [0, 2, 0], "he did not call before");
    answered(&ada.invite("44124").unwrap());
    assert_eq!(asked(), [0, 3, 0], "another number");
    demo.rest.cdrs(3);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked(), [0, 3, 1]);
    assert!(why(&demo, 4).contains("second-try"));
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn users_of_another_domain_are_called_where_that_is_set() {
    let (home, names) = (Home::new(), NameServer::start());
    let demo = Demo::start_with(&home, &format!("dns.servers = [\"{}\"]\n", names.at));
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let there = new_carrier(&demo);
    let at = format!("other.example:{}", there.addr().port());
    names.address("other.example", [127, 0, 0, 1]);
    let dial = |user: &str| ada.invite_uri(&format!("sip:{user}@{at}"), &[], true).unwrap();
    let code = |user: &str| {
        let ended = dial(user).wait_end(2 * SOON).unwrap();
        let EndedBy::Refused(code) = ended else { panic!("{user}: {ended:?}") };
        code
    };
    // The domain is not looked at.
    assert_eq!(code("jo"), 404);
    let ours = dial("1002");
    let rings = bob.wait_call(SOON).unwrap();
    rings.answer().unwrap();
    answered(&ours);
    let trunk = json!({
        "tenant": "1", "organization": "3", "name": "domains",
        "egress": {"targets": ["192.0.2.1:5060"], "account": "3", "allow_private": true},
    });
    let trunk = make(&demo, "trunks", &trunk);
    turn(&demo, "fact.wait_ms", "2000", json!({}));
    turn(&demo, "call.foreign_trunk", &trunk, json!({"tenant": "1"}));
    let mode = turn(&demo, "call.foreign", "always", of_subscriber("1"));
    for user in ["jo", "1002"] {
        answered(&dial(user));
    }
    let seen = there.wait_ended(2, SOON).unwrap();
    let uris: Vec<&str> = seen.iter().map(|call| call.invite.uri()).collect();
    assert_eq!(uris, [format!("sip:jo@{at}"), format!("sip:1002@{at}")]);
    assert!(why(&demo, 4).contains("beyond"));
    set(&demo, &format!("settings/{mode}"), &json!({"value": "redirect"}));
    assert_eq!(code("jo"), 302);
    // A name that is nowhere, and one that would lead into this host.
    set(&demo, &format!("settings/{mode}"), &json!({"value": "always"}));
    let lost = ada.invite_uri("sip:jo@nowhere.example", &[], true).unwrap();
    assert!(matches!(lost.wait_end(2 * SOON).unwrap(), EndedBy::Refused(404 | 480)));
    names.address("inside.example", [127, 0, 0, 1]);
    let inside = format!("sip:jo@inside.example:{}", demo.sip.port());
    let inside = ada.invite_uri(&inside, &[], true).unwrap();
    assert_eq!(inside.wait_end(2 * SOON).unwrap(), EndedBy::Refused(404));
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_rule_tells_callers_where_to_call_before_anything_is_routed() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let uri = "'sip:' + called + '@198.51.100.7:5070'";
    let rule = json!({
        "tenant": "1", "name": "other site", "stage": "known",
        "condition": "called.startsWith('447')",
        "actions": [{"does": "redirect", "value": uri}],
    });
    make(&demo, "rules", &rule);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44777"), 302);
    assert!(why(&demo, 1).contains("rule-refuses"));
    answered(&ada.invite("44123").unwrap());
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn what_carriers_see_of_callers_is_forced_for_a_tenant() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let shown = |nth: usize| {
        answered(&ada.invite("44123").unwrap());
        carrier.wait_ended(nth, SOON).unwrap()[nth - 1].from().to_owned()
    };
    assert_eq!(shown(1), "1001");
    turn(&demo, "identity.number", "44990", json!({"tenant": "1"}));
    assert_eq!(shown(2), "44990");
    let cli = turn(&demo, "identity.cli", "hide-all", json!({"tenant": "1"}));
    assert_eq!(shown(3), "anonymous");
    assert_eq!(carrier.seen()[2].asserted(), None);
    set(&demo, &format!("settings/{cli}"), &json!({"value": "always"}));
    assert_eq!(shown(4), "44990");
    assert_tidy(&demo);
    demo.stop();
}

/// Spec C-RTE-07, C-RTE-12: one route for a long list of beginnings, found by a look at a tree.
#[test]
fn a_route_is_for_each_of_a_long_list_of_beginnings() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let list: Vec<String> = (44_100..45_000).map(|number| number.to_string()).collect();
    set(&demo, "routes/1", &json!({"prefix": "999", "more_prefixes": list}));
    for number in ["441001", "44123", "449999"] {
        answered(&ada.invite(number).unwrap());
    }
    assert_eq!(refused(&ada, "44099"), 404);
    assert!(why(&demo, 4).contains("no-route"));
    assert_tidy(&demo);
    demo.stop();
}

/// A call that nobody hangs up: it is cut where nothing more may be spent.
fn talk_until_cut(caller: &Phone) {
    let out = caller.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    assert_eq!(out.wait_end(2 * SOON).unwrap(), EndedBy::RemoteBye);
}

#[test]
fn an_account_spends_what_its_day_and_its_month_allow_and_has_so_many_lines() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // A second costs 0.001.
    let most = json!({"amount": "0.002", "currency": "EUR"});
    set(&demo, "accounts/1", &json!({"day_max": most}));
    set(&demo, "accounts/2", &json!({"month_max": most, "prepaid": false}));
    for phone in [&ada, &bob] {
        talk_until_cut(phone);
        assert_eq!(refused(phone, "44123"), 402);
    }
    let told = why(&demo, 4);
    assert!(told.contains("no-credit"), "{told}");
    set(&demo, "accounts/1", &json!({"day_max": null, "calls_max": 1}));
    let first = ada.invite("44123").unwrap();
    first.wait_answer(SOON).unwrap();
    assert_eq!(refused(&ada, "44123"), 480);
    first.bye().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    answered(&ada.invite("44123").unwrap());
    assert_tidy(&demo);
    demo.stop();
}
