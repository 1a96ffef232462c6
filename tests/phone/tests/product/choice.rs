//! Which supplier a call goes to, by what is set: in turn, rested, with a profit, by bounds of what
//! good is, and by who calls.

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::order::{asked, called, names, targets, three};
use crate::rows::{IN_FORCE, answered, make, refused, set};
use crate::rule::told;
use crate::talk::desk;
use crate::who::turn;

/// A setting of the tenant; its id.
fn choose(demo: &Demo, name: &str, value: &str) -> String {
    turn(demo, &format!("route.{name}"), value, json!({"tenant": "1"}))
}

/// Spec ROUTE-LB-01 and key 19 of 19.3.
#[test]
fn who_had_a_call_rests_and_suppliers_take_turns() {
    let home = Home::new();
    let (demo, carriers, _) = three(&home);
    let ada = desk(&demo, ALICE);
    let rest = choose(&demo, "rest_ms", "600000");
    assert_eq!(names(&targets(&demo, None)), ["cheap", "middle", "dear"]);
    called(&ada);
    assert_eq!(names(&targets(&demo, None)), ["middle", "dear", "cheap"]);
    assert!(told(&demo, "44123").contains("had a call a moment ago"));
    called(&ada);
    called(&ada);
    // All have had one: the cheapest, as if none had.
    called(&ada);
    assert_eq!(asked(&carriers), [1, 2, 1]);
    set(&demo, &format!("settings/{rest}"), &json!({"value": "1"}));
    assert_eq!(names(&targets(&demo, None)), ["cheap", "middle", "dear"]);
    set(&demo, "routes/1", &json!({"order": "rotation"}));
    for _ in 0..6 {
        answered(&ada.invite("44123").unwrap());
    }
    assert_eq!(asked(&carriers), [3, 4, 3]);
    assert_tidy(&demo);
    demo.stop();
}

/// Spec BILL-STRICT-01: a call that is a loss, that brings too little, or that has no price.
#[test]
fn suppliers_that_leave_too_little_are_not_called() {
    let home = Home::new();
    let (demo, carriers, _) = three(&home);
    let ada = desk(&demo, ALICE);
    // 44 is sold at 0.06; they take 0.03, 0.01 and 0.02.
    assert_eq!(names(&targets(&demo, None)), ["cheap", "middle", "dear"]);
    let least = choose(&demo, "profit_percent_min", "60");
    assert_eq!(names(&targets(&demo, None)), ["cheap", "middle"]);
    set(&demo, &format!("settings/{least}"), &json!({"value": "75"}));
    assert_eq!(names(&targets(&demo, None)), ["cheap"]);
    answered(&ada.invite("44123").unwrap());
    set(&demo, &format!("settings/{least}"), &json!({"value": "90"}));
    assert_eq!(refused(&ada, "44123"), 404);
    assert_eq!(asked(&carriers), [0, 1, 0]);
    choose(&demo, "loss", "true");
    assert_eq!(names(&targets(&demo, None)), ["cheap", "middle", "dear"]);
    // Without any price of its own an account calls nobody outside.
    set(&demo, "accounts/1", &json!({"tariff": null}));
    assert_eq!(refused(&ada, "44123"), 403);
    assert_tidy(&demo);
    demo.stop();
}

/// Spec BRS-01: `minprice`, `maxprice`, `minasr` and the like.
#[test]
fn what_a_good_supplier_is_lies_between_bounds() {
    let home = Home::new();
    let (demo, _carriers, _) = three(&home);
    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    demo.rest.cdrs(1);
    set(&demo, "routes/1", &json!({"order": "quality"}));
    choose(&demo, "accuracy_percent", "100");
    let share = choose(&demo, "quality_percent", "0");
    let ranks = || {
        let mut all = targets(&demo, None);
        all.sort_by_key(|target| target["name"].as_str().map(str::to_owned));
        all.iter().map(|target| target["rank"].as_u64().unwrap()).collect::<Vec<u64>>()
    };
    // Cheap, dear, middle: how far each is below the dearest.
    assert_eq!(ranks(), [66, 0, 33]);
    let most = choose(&demo, "quality_price_max", "0.02");
    assert_eq!(ranks(), [50, 0, 0]);
    choose(&demo, "quality_price_min", "0.01");
    assert_eq!(ranks(), [100, 0, 0]);
    set(&demo, &format!("settings/{most}"), &json!({"value": "0.04"}));
    assert_eq!(ranks(), [100, 33, 66]);
    // By quality alone: one call of less than a second, all of which were answered.
    set(&demo, &format!("settings/{share}"), &json!({"value": "100"}));
    assert_eq!(ranks(), [50, 50, 50]);
    let asr = choose(&demo, "quality_asr_percent_min", "100");
    choose(&demo, "quality_asr_percent_max", "100");
    assert_eq!(ranks(), [50, 50, 50], "as good as the best");
    set(&demo, &format!("settings/{asr}"), &json!({"value": "20"}));
    // What is short is as good as what is long.
    choose(&demo, "quality_acd_ms_min", "0");
    choose(&demo, "quality_acd_ms_max", "0");
    assert_eq!(ranks(), [100, 50, 50]);
    assert_tidy(&demo);
    demo.stop();
}

/// Spec ROUTE-PAT-01: called and calling numbers, organizations, priorities.
#[test]
fn a_route_is_for_its_callers_and_the_larger_priority_wins() {
    let home = Home::new();
    let (demo, carriers, [dear, cheap, middle]) = three(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    set(&demo, "routes/1", &json!({"targets": [{"trunk": dear}]}));
    let route = |prefix: &str, trunk: &str, more: Value| {
        let mut body = json!({"tenant": "1", "prefix": prefix, "targets": [{"trunk": trunk}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        make(&demo, "routes", &body)
    };
    // Longer prefixes win, for the callers that they are for.
    route("441", &cheap, json!({"callers": ["1002"]}));
    std::thread::sleep(IN_FORCE);
    let call = || {
        for phone in [&ada, &bob] {
            answered(&phone.invite("44123").unwrap());
        }
        asked(&carriers)
    };
    assert_eq!(call(), [1, 1, 0]);
    // A priority counts before, for the organization that it is for: both are customers.
    let supplier = json!({"priority": 5, "organization": "3"});
    let first = route("4", &middle, supplier);
    std::thread::sleep(IN_FORCE);
    assert_eq!(call(), [2, 2, 0]);
    set(&demo, &format!("routes/{first}"), &json!({"organization": "2"}));
    assert_eq!(call(), [2, 2, 2]);
    assert_tidy(&demo);
    demo.stop();
}
