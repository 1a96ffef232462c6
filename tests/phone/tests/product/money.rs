//! Records and money: one record for each attempt, charged to the last digit.

use std::time::Duration;

use serde_json::Value;
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, BOB, NOBODY};
use strowger_phone::{EndedBy, Pattern, Phone};

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn};
use crate::rest::{money, text};
use crate::talk::{SOON, Talk, desk, phone};

/// Credit that the demo gives, in units of the ledger (1e-8 EUR).
const CREDIT: i64 = 1_000_000_000;
/// The demo's price for 44, 0.06 EUR a minute, in these units a second.
const PRICE: i64 = 100_000;
/// What its carrier takes, 0.015 EUR a minute.
const COST: i64 = 25_000;

/// A call to `number` by the carrier, for `time`; bounds of its duration as of [`Talk::end_after`].
fn call_abroad(caller: &Phone, number: &str, time: Duration) -> (u64, u64) {
    let out = caller.invite(number).unwrap();
    let asked = std::time::Instant::now();
    out.wait_answer(SOON).unwrap();
    let answered = std::time::Instant::now();
    out.start_sending(u64::MAX, Pattern::Marked).unwrap();
    std::thread::sleep(time);
    let least = answered.elapsed();
    assert!(out.media_report().received > 0, "no audio came back");
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    (ms(least), ms(asked.elapsed()) + 1)
}

/// The three called numbers of a record.
fn numbers(cdr: &Value) -> [&str; 3] {
    ["called.received", "called.normalised", "called.dialled"].map(|path| text(cdr, path))
}

/// Durations and amounts of an answered call abroad.
fn assert_priced(cdr: &Value, (least, most): (u64, u64)) {
    let ms = |name: &str| cdr[name].as_u64().unwrap();
    let talk_ms = ms("talk_ms");
    assert!((least..=most).contains(&talk_ms), "{talk_ms} ms, not {least} to {most}");
    assert_eq!(ms("billable_ms"), talk_ms);
    let seconds = talk_ms.div_ceil(1_000);
    for (charge, price, per_minute, account) in
        [("customer", PRICE, "0.060000000", "1"), ("supplier", COST, "0.015000000", "3")]
    {
        let charge = &cdr[charge];
        let due = i64::try_from(seconds).unwrap() * price;
        assert_eq!(money(&charge["net"]), due, "{charge:#}");
        assert_eq!(money(&charge["gross"]), due, "{charge:#}");
        assert_eq!(charge["charged_ms"], seconds * 1_000, "{charge:#}");
        assert_eq!(text(&charge["unit_price"], "amount"), per_minute);
        assert_eq!(text(charge, "account"), account);
        assert_eq!(charge["vat_ppm"], 0);
    }
    assert_eq!(text(cdr, "called.destination"), "44");
    assert_eq!((text(cdr, "caller.number"), text(cdr, "caller.account")), ("1001", "1"));
    assert_eq!(text(cdr, "caller_media.codec"), "PCMU");
    assert!(text(cdr, "rang") < text(cdr, "answered"), "{cdr:#}");
    assert!(text(cdr, "answered") < text(cdr, "ended"), "{cdr:#}");
    assert_eq!(cdr["unpriced"], false);
}

#[test]
fn calls_are_priced_to_the_last_digit() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    carrier.script("44666", Script::busy());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    assert_eq!(demo.rest.balance(1), CREDIT);
    let first = call_abroad(&ada, "44123", Duration::from_millis(2_300));
    let second = call_abroad(&ada, "+44555", Duration::from_millis(400));
    let inside = Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(1_200));
    for (number, code) in [("44666", 486), (NOBODY, 404)] {
        assert_eq!(ada.invite(number).unwrap().wait_end(SOON).unwrap(), EndedBy::Refused(code));
    }
    let cdrs = demo.rest.cdrs(5);
    let [a, b, c, d, e] = cdrs.as_slice() else { panic!("{cdrs:#?}") };
    assert_priced(a, first);
    assert_priced(b, second);
    assert_eq!(numbers(a), ["44123", "44123", "44123"]);
    assert_eq!(numbers(b), ["+44555", "44555", "44555"]);
    assert_eq!(numbers(c), ["1002", "1002", "1002"]);
    let talk_ms = c["talk_ms"].as_u64().unwrap();
    assert!((inside.0..=inside.1).contains(&talk_ms), "{talk_ms} ms, not {inside:?}");
    assert_eq!(money(&c["customer"]["gross"]), 0);
    assert!(c["supplier"].is_null());
    let reasons = [a, b, c, d, e].map(|cdr| text(cdr, "outcome.reason"));
    assert_eq!(reasons, ["normal", "normal", "normal", "busy", "unknown-number"]);
    assert_eq!(numbers(d), ["44666", "44666", "44666"]);
    assert_eq!((money(&d["customer"]["gross"]), &d["talk_ms"]), (0, &0.into()));
    assert_eq!((text(e, "called.received"), text(e, "called.dialled")), (NOBODY, ""));
    assert_eq!((&e["outcome"]["sip"], &e["customer"]), (&404.into(), &Value::Null));
    assert_booked(&demo, &cdrs);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
    // What is booked is in the database: it is the same after a restart.
    let demo = Demo::start(&home);
    assert_eq!(demo.rest.cdrs(5), cdrs);
    assert_booked(&demo, &cdrs);
    demo.stop();
}

/// The balance fell by exactly what the records say.
fn assert_booked(demo: &Demo, cdrs: &[Value]) {
    let charges = cdrs.iter().map(|cdr| &cdr["customer"]).filter(|charge| !charge.is_null());
    let spent: i64 = charges.map(|charge| money(&charge["gross"])).sum();
    assert!(spent >= 3 * PRICE + PRICE);
    assert_eq!(demo.rest.balance(1), CREDIT - spent);
    assert_eq!(demo.rest.balance(2), CREDIT);
    let account = demo.rest.get("/api/v1/accounts/1");
    assert_eq!((money(&account["held"]), &account["calls"]), (0, &0.into()));
    assert_eq!(money(&account["available"]), CREDIT - spent);
    // Midnight may have passed during the test; the month hardly has.
    assert_eq!(money(&account["month_spent"]), spent);
}

#[test]
fn nobody_pays_for_a_call_with_a_wrong_password() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let bob = desk(&demo, BOB);
    let thief = phone(&demo, (ALICE.0, "wrong"));
    for number in ["1002", "44123"] {
        let end = thief.invite(number).unwrap().wait_end(SOON).unwrap();
        assert!(matches!(end, EndedBy::Refused(401 | 403 | 407)), "{end:?}");
    }
    bob.expect_no_call(Duration::from_millis(200)).unwrap();
    assert_eq!(demo.rest.metric("strowger_calls_total{verdict=\"admitted\"}"), 0);
    assert_eq!(demo.rest.balance(1), CREDIT);
    demo.stop();
}

/// A call abroad that nobody hangs up: how it ended, and its record, the only one.
fn call_until_cut(demo: &Demo, caller: &Phone, during: impl FnOnce()) -> Value {
    let out = caller.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    out.start_sending(u64::MAX, Pattern::Marked).unwrap();
    during();
    assert_eq!(out.wait_end(2 * SOON).unwrap(), EndedBy::RemoteBye);
    demo.rest.cdrs(1).remove(0)
}

/// It was cut for want of credit at the end of `seconds`, which cost exactly what there was.
fn assert_cut(demo: &Demo, cdr: &Value, seconds: u64) {
    assert_eq!(text(cdr, "outcome.reason"), "credit-ended", "{cdr:#}");
    assert_eq!(text(cdr, "outcome.party"), "switch");
    let talk_ms = cdr["talk_ms"].as_u64().unwrap();
    assert!((seconds * 1_000..seconds * 1_000 + 500).contains(&talk_ms), "{talk_ms} ms");
    assert_eq!(cdr["billable_ms"], seconds * 1_000);
    let due = i64::try_from(seconds).unwrap() * PRICE;
    assert_eq!(money(&cdr["customer"]["gross"]), due);
    assert_eq!(demo.rest.balance(1), 0);
    let balances = demo.rest.get("/api/v1/accounts/1/balances");
    let first = &balances["items"][0];
    assert_eq!((money(&first["held"]), money(&first["available"])), (0, 0));
}

#[test]
fn the_last_slice_is_cut_at_its_second() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    // Two seconds are left; nobody takes what is not there.
    let (status, done) = demo.rest.pay(1, "adjustments", "a", "-9.998");
    assert_eq!((status, money(&done["amount"])), (201, 2 * PRICE - CREDIT), "{done}");
    assert_eq!(demo.rest.pay(1, "adjustments", "a", "-9.998"), (201, done));
    let (status, problem) = demo.rest.pay(1, "adjustments", "b", "-0.002001");
    assert_eq!((status, &problem["field"]), (422, &"amount".into()), "{problem}");
    let cdr = call_until_cut(&demo, &ada, || {
        // What the call holds cannot be withdrawn either.
        assert_eq!(demo.rest.pay(1, "adjustments", "c", "-0.001").0, 422);
        let holds = demo.rest.list("/api/v1/accounts/1/holds");
        assert_eq!((money(&holds[0]["amount"]), &holds[0]["last"]), (2 * PRICE, &true.into()));
    });
    assert_cut(&demo, &cdr, 2);
    let end = ada.invite("44123").unwrap().wait_end(SOON).unwrap();
    assert!(matches!(end, EndedBy::Refused(_)), "{end:?}");
    assert_eq!(text(&demo.rest.cdrs(2)[1], "outcome.reason"), "no-credit");
    let entries = demo.rest.list("/api/v1/accounts/1/entries");
    let amounts: Vec<i64> = entries.iter().map(|entry| money(&entry["amount"])).collect();
    assert_eq!(amounts, [-2 * PRICE, 2 * PRICE - CREDIT, CREDIT]);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn a_recharge_during_a_call_lengthens_it() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    assert_eq!(demo.rest.pay(1, "adjustments", "a", "-9.997").0, 201);
    let cdr = call_until_cut(&demo, &ada, || {
        std::thread::sleep(Duration::from_millis(500));
        // Sent twice, it counts once.
        for _ in 0..2 {
            assert_eq!(demo.rest.pay(1, "payments", "p", "0.003").0, 201);
        }
    });
    assert_cut(&demo, &cdr, 6);
    assert_eq!(demo.rest.metric("strowger_lengthened_total"), 1);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn free_time_goes_before_money_and_is_used_once() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let give = |prefix: &str, seconds: &str, key| {
        let body = serde_json::json!({
            "name": "free", "prefix": prefix, "seconds": seconds,
            "from": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z",
        });
        demo.rest.post("/api/v1/accounts/1/allowances", key, &body.to_string())
    };
    // Not for this number, and sent twice.
    assert_eq!(give("45", "600", "a").0, 201);
    let (status, given) = give("44", "2", "b");
    assert_eq!((status, &given["granted_ms"]), (201, &2_000.into()), "{given}");
    assert_eq!(give("44", "2", "b"), (201, given));
    let pool = || {
        let all = demo.rest.list("/api/v1/accounts/1/allowances");
        let number = |name: &str| all[1][name].as_u64().unwrap();
        assert_eq!((all.len(), &all[0]["used_ms"]), (2, &0.into()));
        (number("granted_ms"), number("used_ms"), number("reserved_ms"))
    };
    call_abroad(&ada, "44123", Duration::from_millis(4_300));
    let first = demo.rest.cdrs(1).remove(0);
    assert_eq!(pool(), (2_000, 2_000, 0));
    call_abroad(&ada, "44123", Duration::from_millis(1_300));
    let second = demo.rest.cdrs(2).remove(1);
    let mut spent = 0;
    for (cdr, free_ms) in [(&first, 2_000), (&second, 0)] {
        let charge = &cdr["customer"];
        assert_eq!(charge["free_ms"], free_ms, "{cdr:#}");
        let seconds = (cdr["billable_ms"].as_u64().unwrap() - free_ms).div_ceil(1_000);
        assert_eq!(charge["charged_ms"], seconds * 1_000, "{cdr:#}");
        let due = i64::try_from(seconds).unwrap() * PRICE;
        assert_eq!(money(&charge["gross"]), due, "{cdr:#}");
        spent += due;
    }
    assert_eq!(text(&first, "customer.allowance"), "2");
    assert_eq!(second["customer"]["allowance"], Value::Null);
    assert!(spent >= 5 * PRICE, "three seconds and two at least");
    assert_eq!(demo.rest.balance(1), CREDIT - spent);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
    // The books say the same to the next life.
    let demo = Demo::start(&home);
    let all = demo.rest.list("/api/v1/accounts/1/allowances");
    assert_eq!((&all[1]["used_ms"], &all[1]["reserved_ms"]), (&2_000.into(), &0.into()));
    demo.stop();
}
