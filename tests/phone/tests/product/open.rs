//! What is open to a call: routes at their times, shares of suppliers, minutes that are agreed on,
//! lines that are kept for some, suppliers tried by hand, and which failures lead on.

use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::order::{asked, names, targets, three};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, make, refused, set};
use crate::talk::{SOON, desk};

/// What would become of a call to 44123 at a time, or now.
fn tried(demo: &Demo, at: &str) -> Value {
    let test = json!({"username": "1001", "called": "44123", "at": at});
    let (status, told) = demo.rest.post("/api/v1/route-tests", "", &test.to_string());
    assert_eq!(status, 200, "{told:#}");
    told
}

/// The first supplier of a dry run, and whether this step is among its reasons.
fn first(told: &Value, step: &str) -> (String, bool) {
    let said = told["decision"].as_array().unwrap().iter().any(|one| text(one, "step") == step);
    (text(&told["targets"][0], "name").to_owned(), said)
}

pub(crate) fn switch_on(
    demo: &Demo,
    category: &str,
    name: &str,
    value: &str,
    place: &Value,
) -> String {
    let mut row = json!({"category": category, "name": name, "value": value});
    for (member, id) in place.as_object().unwrap() {
        row[member] = id.clone();
    }
    let id = make(demo, "settings", &row);
    std::thread::sleep(IN_FORCE);
    id
}

#[test]
fn a_route_is_for_its_times_on_the_tenants_clock() {
    let home = Home::new();
    let (demo, carriers, [dear, cheap, _]) = three(&home);
    set(&demo, "tenants/1", &json!({"timezone": "Europe/Berlin"}));
    set(&demo, "routes/1", &json!({"targets": [{"trunk": dear}]}));
    let day = json!({
        "tenant": "1", "prefix": "441", "targets": [{"trunk": cheap}],
        "times": ["08:00-18:00"], "except_times": ["weekend", "holiday"],
    });
    let route = make(&demo, "routes", &day);
    let easter = json!({
        "tenant": "1", "name": "Good Friday", "from": "2027-03-26", "until": "2027-03-26",
    });
    make(&demo, "holidays", &easter);
    std::thread::sleep(IN_FORCE);
    for (at, supplier) in [
        // Thursday before the clocks change: Berlin is an hour ahead.
        ("2027-03-25T06:59:59Z", "dear"),
        ("2027-03-25T07:00:00Z", "cheap"),
        ("2027-03-25T16:59:59Z", "cheap"),
        ("2027-03-25T17:00:00Z", "dear"),
        ("2027-03-27T12:00:00Z", "dear"),
        // Monday after: two hours.
        ("2027-03-29T05:59:59Z", "dear"),
        ("2027-03-29T06:00:00Z", "cheap"),
        ("2027-03-29T16:00:00Z", "dear"),
        ("2027-04-01T12:00:00Z", "cheap"),
        ("2027-03-26T12:00:00Z", "dear"),
    ] {
        let told = tried(&demo, at);
        assert_eq!(first(&told, "route-closed"), (supplier.to_owned(), supplier == "dear"), "{at}");
    }
    // Calls go as the dry run says.
    let ada = desk(&demo, ALICE);
    set(&demo, &format!("routes/{route}"), &json!({"times": ["all"], "except_times": []}));
    answered(&ada.invite("44123").unwrap());
    set(&demo, &format!("routes/{route}"), &json!({"except_times": ["all"]}));
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked(&carriers), [1, 1, 0]);
    let path = format!("routes/{route}");
    assert_eq!(wrong(&demo, &path, &json!({"times": ["rest"]})), "times[0]");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn suppliers_share_calls_exactly_and_what_one_cannot_take() {
    let home = Home::new();
    let (demo, carriers, [dear, cheap, middle]) = three(&home);
    let targets = json!([
        {"trunk": dear, "weight": 50}, {"trunk": cheap, "weight": 25},
        {"trunk": middle, "weight": 25},
    ]);
    set(&demo, "routes/1", &json!({"targets": targets, "order": "share"}));
    let ada = desk(&demo, ALICE);
    let call = |times: usize| (0..times).for_each(|_| answered(&ada.invite("44123").unwrap()));
    call(4);
    assert_eq!(asked(&carriers), [2, 1, 1]);
    call(4);
    assert_eq!(asked(&carriers), [4, 2, 2]);
    // A dry run takes nobody's turn, and says whose it is.
    let told = tried(&demo, "2030-01-01T00:00:00Z");
    assert_eq!(first(&told, "share-turn"), ("dear".to_owned(), true), "{told:#}");
    assert_eq!(first(&tried(&demo, "2030-01-01T00:00:01Z"), "share-turn").0, "dear");
    // The others take the calls of one that is switched off, by their shares.
    set(&demo, &format!("trunks/{cheap}"), &json!({"enabled": false}));
    call(3);
    assert_eq!(asked(&carriers), [6, 2, 3]);
    assert_tidy(&demo);
    demo.stop();
}

/// The field by which a change is refused.
pub(crate) fn wrong(demo: &Demo, path: &str, body: &Value) -> String {
    let (status, said) = demo.rest.patch(&format!("/api/v1/{path}"), &body.to_string());
    assert!((400..500).contains(&status), "{path} {body}: {status} {said}");
    let problem: Value = serde_json::from_str(&said).unwrap();
    text(&problem, "field").to_owned()
}

/// Talks on so many lines for so long.
fn talk(demo: &Demo, lines: usize, time: Duration) {
    let ada = desk(demo, ALICE);
    let calls: Vec<_> = (0..lines).map(|_| ada.invite("44123").unwrap()).collect();
    calls.iter().for_each(|call| call.wait_answer(SOON).unwrap());
    std::thread::sleep(time);
    for call in &calls {
        call.bye().unwrap();
    }
}

#[test]
fn agreed_minutes_are_counted_from_records_and_known_after_a_restart() {
    let home = Home::new();
    let (demo, carriers, [dear, ..]) = three(&home);
    let trunk = format!("trunks/{dear}");
    let agree = |day: Value| set(&demo, &trunk, &json!({"egress": {"commitment": {"day": day}}}));
    agree(json!({"minutes_min": 1}));
    let order = targets(&demo, None);
    assert_eq!(names(&order), ["dear", "cheap", "middle"]);
    assert_eq!((&order[0]["day_talk_ms"], &order[1]["day_talk_ms"]), (&json!(0), &Value::Null));
    // A minute of talk: six lines of ten seconds each.
    talk(&demo, 6, Duration::from_millis(10_200));
    assert_eq!(asked(&carriers), [6, 0, 0]);
    eventually("the minute is counted", || {
        (names(&targets(&demo, None)) == ["cheap", "middle", "dear"]).then_some(())
    });
    let talked = || targets(&demo, None)[2]["day_talk_ms"].as_u64().unwrap();
    let before = talked();
    assert!((60_000..70_000).contains(&before), "{before}");
    demo.replace(demo.planes().controld);
    assert_eq!(talked(), before, "exactly what it was");
    assert_eq!(names(&targets(&demo, None)), ["cheap", "middle", "dear"]);
    // The most is reached: not even when nobody else is there.
    agree(json!({"minutes_min": 0, "minutes_max": 1}));
    assert_eq!(names(&targets(&demo, None)), ["cheap", "middle"]);
    let told = tried(&demo, "2030-01-01T00:00:00Z");
    assert_eq!(names(told["targets"].as_array().unwrap()), ["cheap", "middle", "dear"]);
    set(&demo, "routes/1", &json!({"targets": [{"trunk": dear}]}));
    let ada = desk(&demo, ALICE);
    assert_eq!(refused(&ada, "44123"), 404);
    assert_eq!(asked(&carriers), [6, 0, 0]);
    let falling = json!({"egress": {"commitment": {"day": {"minutes_min": 2}}}});
    assert_eq!(wrong(&demo, &trunk, &falling), "egress.commitment.day");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn lines_are_kept_for_who_may_take_them() {
    let home = Home::new();
    let (demo, carriers, [dear, ..]) = three(&home);
    set(&demo, "routes/1", &json!({"targets": [{"trunk": dear}]}));
    let lines = json!({"egress": {"calls_max": 2, "calls_reserved": 1}});
    set(&demo, &format!("trunks/{dear}"), &lines);
    switch_on(&demo, "route", "reserved", "true", &json!({"tenant": "1", "subscriber": "2"}));
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let up = |phone: &strowger_phone::Phone| {
        let call = phone.invite("44123").unwrap();
        call.wait_answer(SOON).unwrap();
        call
    };
    let first = up(&ada);
    // The second line is not for Ada; Bob gets it, and nobody a third.
    assert_eq!(refused(&ada, "44123"), 480);
    let second = up(&bob);
    assert_eq!(refused(&bob, "44123"), 480);
    first.bye().unwrap();
    // One line is in use, whoever has it: what is left is kept.
    assert_eq!(refused(&ada, "44123"), 480);
    let third = up(&bob);
    third.bye().unwrap();
    second.bye().unwrap();
    answered(&ada.invite("44123").unwrap());
    // A route that may take them all.
    set(&demo, "routes/1", &json!({"reserved": true}));
    let (first, second) = (up(&ada), up(&ada));
    assert_eq!(refused(&ada, "44123"), 480);
    first.bye().unwrap();
    second.bye().unwrap();
    assert_eq!(asked(&carriers), [6, 0, 0]);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_supplier_is_tried_by_its_prefix_by_who_may() {
    let home = Home::new();
    let (demo, carriers, [dear, cheap, middle]) = three(&home);
    let tested = json!({"egress": {"test_prefix": "*99", "test_only": true}});
    set(&demo, &format!("trunks/{cheap}"), &tested);
    let ada = desk(&demo, ALICE);
    // It takes no other calls, and nobody may try it yet.
    assert_eq!(names(&targets(&demo, None)), ["middle", "dear"]);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(refused(&ada, "*9944123"), 404);
    assert_eq!(asked(&carriers), [0, 0, 1]);
    switch_on(&demo, "route", "test_calls", "true", &json!({"tenant": "1", "subscriber": "1"}));
    answered(&ada.invite("*9944123").unwrap());
    let [_, carrier, _] = &carriers;
    let seen: Vec<String> = carrier.seen().iter().map(|one| one.number().to_owned()).collect();
    assert_eq!(seen, ["44123"]);
    // It fails alone: nobody else is asked in its place.
    carrier.otherwise(Script::refuse(503));
    assert_eq!(refused(&ada, "*9944123"), 500);
    assert_eq!(asked(&carriers), [0, 2, 1]);
    assert_eq!(refused(&desk(&demo, BOB), "*9944123"), 404);
    // A prefix is one trunk's own.
    let same = json!({"egress": {"test_prefix": "*99"}});
    for trunk in [dear, middle] {
        assert_eq!(wrong(&demo, &format!("trunks/{trunk}"), &same), "egress.test_prefix");
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_mode_says_which_failures_lead_on() {
    let home = Home::new();
    let (demo, carriers, _) = three(&home);
    let [_, cheap, middle]: &[Carrier; 3] = &carriers;
    let ada = desk(&demo, ALICE);
    let answers = |status: u16| {
        cheap.otherwise(Script::refuse(status));
        let before = middle.seen().len();
        let call = ada.invite("44123").unwrap();
        let is_answered = call.wait_answer(SOON).is_ok();
        if is_answered {
            call.bye().unwrap();
        }
        assert_eq!(middle.seen().len(), before + usize::from(is_answered));
        is_answered
    };
    let goes_on = |mode: &str| {
        let row = switch_on(&demo, "failover", "mode", mode, &json!({}));
        let told = [486, 403, 503, 504].map(answers);
        let path = format!("/api/v1/settings/{row}");
        assert_eq!(demo.rest.delete(&path), 204);
        told
    };
    // What failed lately would be tried last.
    switch_on(&demo, "route", "failover", "false", &json!({}));
    assert_eq!([486, 403, 503, 504].map(answers), [false, true, true, true]);
    assert_eq!(goes_on("silence"), [false, false, false, true]);
    assert_eq!(goes_on("fault"), [false, false, true, true]);
    assert_eq!(goes_on("all"), [true; 4]);
    drop(ada);
    demo.stop();
}
