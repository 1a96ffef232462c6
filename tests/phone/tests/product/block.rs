//! Who may not, and what may not be spent: callers blocked by themselves, prices that are too high,
//! limits of a tenant and of the switch, and what a learnt limit leaves after a restart.

use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{EndedBy, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, refused, set};
use crate::talk::{SOON, desk};

/// Sets something for the whole switch: the row's id.
fn turn(demo: &Demo, path: &str, value: &str) -> String {
    turn_at(demo, path, value, json!({}))
}

/// Sets something at a place; in force when this returns.
fn turn_at(demo: &Demo, path: &str, value: &str, place: Value) -> String {
    let (category, name) = path.split_once('.').unwrap();
    let mut body = place;
    body["category"] = json!(category);
    body["name"] = json!(name);
    body["value"] = json!(value);
    let id = make(demo, "settings", &body);
    std::thread::sleep(IN_FORCE);
    id
}

/// A demo whose carrier is a phone of the test.
fn start(home: &Home) -> (Demo, Carrier) {
    let demo = Demo::start(home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    (demo, carrier)
}

/// Why the newest record is as it is.
fn why(demo: &Demo, count: usize) -> String {
    let records = demo.rest.cdrs(count);
    let id = text(&records[count - 1], "id").to_owned();
    demo.rest.get(&format!("/api/v1/cdrs/{id}/trace")).to_string()
}

/// What a dry run of 1001's call says.
fn dry_run(demo: &Demo, called: &str) -> String {
    let test = json!({"username": "1001", "called": called});
    let (status, told) = demo.rest.post("/api/v1/route-tests", "", &test.to_string());
    assert_eq!(status, 200, "{told}");
    told.to_string()
}

/// A call abroad that nobody hangs up: it is cut where nothing more may be spent.
fn talk_until_cut(caller: &Phone) {
    let out = caller.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    assert_eq!(out.wait_end(2 * SOON).unwrap(), EndedBy::RemoteBye);
}

/// Nobody answers there, one after the other.
fn seek(ada: &Phone, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert_eq!(refused(ada, &number.to_string()), 486, "{number}");
    }
}

#[test]
fn who_seeks_numbers_is_blocked_until_the_rule_is_taken_away() {
    let home = Home::new();
    let (demo, carrier) = start(&home);
    for number in 44_666..44_680 {
        carrier.script(&number.to_string(), Script::busy());
    }
    turn(&demo, "guard.scan_max", "9");
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // The first is no neighbour of any, the next three count three times each.
    seek(&ada, 44_666..44_669);
    assert!(demo.rest.list("/api/v1/caller-rules").is_empty());
    seek(&ada, 44_669..44_670);
    let rules = || demo.rest.list("/api/v1/caller-rules");
    let rule = eventually("a rule about the caller", || rules().into_iter().next());
    assert_eq!((text(&rule, "prefix"), text(&rule, "account")), ("1001", "1"), "{rule}");
    assert_eq!((&rule["automatic"], &rule["allow"]), (&json!(true), &json!(false)));
    assert!(text(&rule, "reason").starts_with("seeks numbers"), "{rule}");
    assert!(text(&rule, "until") > text(&rule, "from"), "{rule}");
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44123"), 403);
    assert!(why(&demo, 5).contains("caller-denied"));
    assert!(dry_run(&demo, "44123").contains("caller-denied"));
    // Not who shares the account, and not what somebody lets through.
    answered(&bob.invite("44123").unwrap());
    let id = text(&rule, "id").to_owned();
    set(&demo, &format!("caller-rules/{id}"), &json!({"allow": true}));
    seek(&ada, 44_670..44_676);
    std::thread::sleep(2 * IN_FORCE);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(rules().len(), 1);
    ada.unregister().unwrap();
    bob.unregister().unwrap();
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_price_above_what_is_allowed_is_refused_and_a_call_beyond_the_switch_s_limit() {
    let home = Home::new();
    let (demo, _carrier) = start(&home);
    let ada = desk(&demo, ALICE);
    // The demo's price for 44 is 0.06 a minute.
    let row = turn(&demo, "call.price_max", "0.059");
    assert_eq!(refused(&ada, "44123"), 403);
    assert!(why(&demo, 1).contains("price-above"));
    assert!(dry_run(&demo, "44123").contains("price-above"));
    let allowed = turn_at(&demo, "call.price_max", "1", json!({"tenant": "1", "account": "1"}));
    answered(&ada.invite("44123").unwrap());
    assert_eq!(demo.rest.delete(&format!("/api/v1/settings/{allowed}")), 204);
    set(&demo, &format!("settings/{row}"), &json!({"value": "0.06"}));
    answered(&ada.invite("44123").unwrap());
    // No more calls at once than the switch may have.
    turn(&demo, "limit.calls_max", "1");
    let bob = desk(&demo, BOB);
    let talk = ada.invite("44123").unwrap();
    talk.wait_answer(SOON).unwrap();
    assert_eq!(refused(&bob, "44123"), 480);
    talk.bye().unwrap();
    let limited = |cdr: &&Value| text(cdr, "outcome.reason") == "limit";
    assert_eq!(demo.rest.cdrs(5).iter().filter(limited).count(), 1);
    answered(&bob.invite("44123").unwrap());
    ada.unregister().unwrap();
    bob.unregister().unwrap();
    demo.stop();
}

#[test]
fn a_tenant_spends_no_more_than_its_day_allows_also_after_a_restart() {
    let home = Home::new();
    let (demo, carrier) = start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // A second costs 0.001; Ada and Bob have accounts of their own.
    turn_at(&demo, "limit.tenant_day_max", "0.002", json!({"tenant": "1"}));
    talk_until_cut(&ada);
    let talk = demo.rest.cdrs(1).remove(0);
    assert_eq!(text(&talk, "customer.gross.amount"), "0.00200000", "{talk:#}");
    assert_eq!(refused(&bob, "44123"), 480);
    assert!(why(&demo, 2).contains("tenant-spent"));
    ada.unregister().unwrap();
    bob.unregister().unwrap();
    assert_tidy(&demo);
    demo.stop();
    drop(carrier);
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let bob = desk(&demo, BOB);
    assert_eq!(refused(&bob, "44123"), 480);
    let rows = demo.rest.list("/api/v1/settings");
    let id = text(&rows[0], "id").to_owned();
    set(&demo, &format!("settings/{id}"), &json!({"value": "0.01"}));
    answered(&bob.invite("44123").unwrap());
    bob.unregister().unwrap();
    demo.stop();
}

#[test]
fn a_learnt_limit_stands_after_a_restart() {
    let home = Home::new();
    let (demo, _carrier) = start(&home);
    let ada = desk(&demo, ALICE);
    drop(ada);
    // Nothing was spent before, so a day may cost what is set as the least.
    turn(&demo, "limit.learnt_day_min", "0.002");
    turn(&demo, "limit.learnt_day_times", "7");
    demo.stop();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let account = demo.rest.get("/api/v1/accounts/1");
    assert_eq!(text(&account, "day_limit.amount"), "0.00200000", "{account}");
    talk_until_cut(&ada);
    assert_eq!(refused(&ada, "44123"), 402);
    // What was spent today is no lesson for today.
    let account = demo.rest.get("/api/v1/accounts/1");
    assert_eq!(text(&account, "day_limit.amount"), "0.00200000", "{account}");
    // Who calls itself is refused.
    assert_eq!(refused(&ada, "1001"), 403);
    ada.unregister().unwrap();
    demo.stop();
}

/// Spec ACL-SMART-01, C-SEC-01.
#[test]
fn whose_calls_come_to_nothing_is_blocked_and_who_is_judged_by_their_length() {
    let home = Home::new();
    let (demo, carrier) = start(&home);
    carrier.otherwise(Script::busy());
    turn(&demo, "guard.scan_max", "0");
    let fruitless = turn(&demo, "guard.fruitless_max", "3");
    let ada = desk(&demo, ALICE);
    let rule = || {
        let all = || demo.rest.list("/api/v1/caller-rules");
        eventually("a rule about the caller", || all().into_iter().next())
    };
    for number in ["44100", "44555", "44999"] {
        assert_eq!(refused(&ada, number), 486);
    }
    let own = rule();
    let reason = "3 numbers called one after the other, and no talk";
    assert_eq!((text(&own, "prefix"), text(&own, "reason")), ("1001", reason));
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44123"), 403);
    assert_eq!(demo.rest.delete(&format!("/api/v1/caller-rules/{}", text(&own, "id"))), 204);
    set(&demo, &format!("settings/{fruitless}"), &json!({"value": "0"}));
    // By how long they are: two that are answered and end at once.
    turn(&demo, "guard.judged_calls", "2");
    carrier.otherwise(Script::echo());
    for _ in 0..2 {
        answered(&ada.invite("44123").unwrap());
    }
    let reason = "of 2 calls 100 % answered, 0 s of talk on average";
    assert_eq!(text(&rule(), "reason"), reason);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44123"), 403);
    ada.unregister().unwrap();
    assert_tidy(&demo);
    demo.stop();
}

/// Spec USER-LIMIT-02: months of the past are those that the database has counted.
#[test]
fn the_limit_of_a_month_grows_by_each_that_cost_something_up_to_its_end() {
    let home = Home::new();
    let (demo, _carrier) = start(&home);
    let eur = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    let grows = json!({
        "prepaid": false, "month_max": eur("0.002"), "month_grows_by": eur("0.0015"),
        "month_grows_to": eur("0.004"), "month_grows_since": "2020-01-01T00:00:00Z",
    });
    set(&demo, "accounts/1", &grows);
    let limit = || text(&demo.rest.get("/api/v1/accounts/1"), "month_limit.amount").to_owned();
    assert_eq!(limit(), "0.00200000");
    // The middles of two months, in quarters of an hour since 1970.
    for (quarter, expect) in [(1_789_632, "0.00350000"), (1_792_608, "0.00400000")] {
        demo.change(&format!(
            "INSERT INTO account_usage (tenant_id, account_id, quarter, amount) \
             VALUES (1, 1, {quarter}, 1)"
        ));
        demo.replace(demo.planes().controld);
        eventually("the month has grown", || (limit() == expect).then_some(()));
    }
    // A second costs 0.001.
    let ada = desk(&demo, ALICE);
    talk_until_cut(&ada);
    let talk = demo.rest.cdrs(1).remove(0);
    assert_eq!(text(&talk, "customer.gross.amount"), "0.00400000", "{talk:#}");
    assert_eq!(refused(&ada, "44123"), 402);
    ada.unregister().unwrap();
    assert_tidy(&demo);
    demo.stop();
}
