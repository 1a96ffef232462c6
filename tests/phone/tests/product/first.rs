//! Which supplier comes first for whom, whatever it charges: by precedence, and by free lines.

use serde_json::{Value, json};
use strowger_phone::OutgoingCall;
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::open::wrong;
use crate::order::{asked, names, targets, three};
use crate::rows::{answered, set};
use crate::talk::{SOON, desk};

/// What a supplier comes first for.
fn put_first(demo: &Demo, trunk: &str, precedence: &Value) {
    set(demo, &format!("trunks/{trunk}"), &json!({"egress": {"precedence": precedence}}));
}

/// The suppliers of a call to 44123 in their order.
fn order(demo: &Demo) -> Vec<String> {
    names(&targets(demo, None)).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_supplier_comes_first_for_the_calls_that_its_row_names() {
    let home = Home::new();
    let (demo, carriers, [dear, cheap, middle]) = three(&home);
    let ada = desk(&demo, ALICE);
    assert_eq!(order(&demo), ["cheap", "middle", "dear"]);
    // For callers and their organizations among targets of one priority.
    put_first(&demo, &dear, &json!({"organizations": ["2"]}));
    assert_eq!(order(&demo), ["dear", "cheap", "middle"]);
    put_first(&demo, &middle, &json!({"callers": ["1001"]}));
    assert_eq!(order(&demo), ["middle", "dear", "cheap"]);
    let one_above = json!([
        {"trunk": dear}, {"trunk": cheap, "priority": 1}, {"trunk": middle},
    ]);
    set(&demo, "routes/1", &json!({"targets": one_above}));
    assert_eq!(order(&demo), ["cheap", "middle", "dear"]);
    // For called numbers, and for all calls, before any priority.
    put_first(&demo, &dear, &json!({"called": ["4412"], "organizations": []}));
    assert_eq!(order(&demo), ["dear", "cheap", "middle"]);
    put_first(&demo, &middle, &json!({"absolute": 1, "callers": []}));
    assert_eq!(order(&demo), ["middle", "dear", "cheap"]);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked(&carriers), [0, 0, 1]);
    // Others are not meant: the rest of the order is as it was.
    put_first(&demo, &middle, &Value::Null);
    put_first(&demo, &dear, &json!({"called": ["4413"], "callers": ["1002"]}));
    assert_eq!(order(&demo), ["cheap", "middle", "dear"]);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked(&carriers), [0, 1, 1]);
    let nobody = json!({"egress": {"precedence": {"organizations": ["99"]}}});
    let field = wrong(&demo, &format!("trunks/{dear}"), &nobody);
    assert_eq!(field, "egress.precedence.organizations[0]");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn the_supplier_with_the_most_free_lines_has_the_next_call() {
    let home = Home::new();
    let (demo, carriers, [dear, cheap, middle]) = three(&home);
    for (trunk, lines) in [(&dear, 4), (&cheap, 2), (&middle, 1)] {
        set(&demo, &format!("trunks/{trunk}"), &json!({"egress": {"calls_max": lines}}));
    }
    // Among as many free lines who has a weight comes first.
    let targets = json!([
        {"trunk": dear, "weight": 1}, {"trunk": cheap, "weight": 0},
        {"trunk": middle, "weight": 0},
    ]);
    set(&demo, "routes/1", &json!({"targets": targets, "order": "lines"}));
    let ada = desk(&demo, ALICE);
    let up = || {
        let call: OutgoingCall = ada.invite("44123").unwrap();
        call.wait_answer(SOON).unwrap();
        call
    };
    let mut calls = Vec::new();
    for count in [[1, 0, 0], [2, 0, 0], [3, 0, 0], [3, 1, 0], [4, 1, 0]] {
        calls.push(up());
        assert_eq!(asked(&carriers), count);
    }
    // Two have one line each and no weight: either is next, and then the other.
    calls.push(up());
    let middles = if asked(&carriers) == [4, 1, 1] { 5 } else { 6 };
    calls.push(up());
    assert_eq!(asked(&carriers), [4, 2, 1]);
    assert_eq!(order(&demo)[0], "dear", "nobody has a line left: by weight");
    // A line that is free again counts, and is counted no more after the call's end.
    calls[3].bye().unwrap();
    eventually("the line is free", || (order(&demo)[0] == "cheap").then_some(()));
    calls.push(up());
    assert_eq!(asked(&carriers), [4, 3, 1]);
    // The calls that run are known to another life of the control plane.
    calls[middles].bye().unwrap();
    eventually("the line is free", || (order(&demo)[0] == "middle").then_some(()));
    demo.replace(demo.planes().controld);
    assert_eq!(order(&demo), ["middle", "dear", "cheap"]);
    for place in [0, 1, 2, 4, 11 - middles, 7] {
        calls[place].bye().unwrap();
    }
    assert_tidy(&demo);
    demo.stop();
}
