//! Numbers whose owner pays for the calls to them; which number a phone is told was called, and
//! which of several a carrier is shown.

use std::collections::BTreeSet;

use serde_json::json;
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::open::{switch_on, wrong};
use crate::rest::{money, text};
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, new_peer, refused, set};
use crate::talk::{SOON, Talk, desk};

#[test]
fn the_owner_of_a_number_pays_for_its_calls() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let owner = json!({
        "tenant": "1", "organization": "2", "name": "shop", "currency": "EUR", "tariff": "1",
        "prepaid": true,
    });
    let owner = make(&demo, "accounts", &owner);
    let number = json!({
        "tenant": "1", "organization": "2", "number": "44800", "subscriber": "2",
        "payer": owner,
    });
    let number = make(&demo, "dids", &number);
    std::thread::sleep(IN_FORCE);
    // Without credit nobody reaches it, whatever who calls has.
    assert_eq!(refused(&ada, "44800"), 402);
    let pays = json!({"amount": "10", "currency": "EUR", "reason": "credit"});
    let path = format!("/api/v1/accounts/{owner}/payments");
    let (status, said) = demo.rest.post(&path, "credit of the shop", &pays.to_string());
    assert_eq!(status, 201, "{said}");
    let before = demo.rest.balance(1);
    Talk::new(&ada, "44800", &bob).end_after(std::time::Duration::from_secs(1));
    Talk::new(carrier.phone(), "44800", &bob).end_after(std::time::Duration::from_secs(1));
    let cdrs = demo.rest.cdrs(3);
    for cdr in &cdrs[1..] {
        assert_eq!(text(cdr, "customer.account"), owner, "{cdr:#}");
        assert!(money(&cdr["customer"]["gross"]) > 0, "{cdr:#}");
    }
    assert_eq!(demo.rest.balance(1), before);
    let account = |cdr| text(cdr, "caller.account").to_owned();
    assert_eq!(account(&cdrs[1]), "1", "who called is who called");
    // Only the owner can be made to pay.
    let others = make(
        &demo,
        "accounts",
        &json!({
            "tenant": "1", "organization": "3", "name": "others", "currency": "EUR",
        }),
    );
    let path = format!("dids/{number}");
    assert_eq!(wrong(&demo, &path, &json!({"payer": others})), "payer");
    // Without one the caller pays again.
    set(&demo, &path, &json!({"payer": null}));
    Talk::new(&ada, "44800", &bob).end_after(std::time::Duration::from_millis(500));
    assert_eq!(text(&demo.rest.cdrs(4)[3], "customer.account"), "1");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_phone_is_told_which_number_was_called_and_a_carrier_one_of_several() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let peer = new_peer(&demo);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    set(&demo, "subscribers/2", &json!({"numbers": ["1002", "1902"]}));
    let to = |number: &str| {
        let out = ada.invite(number).unwrap();
        let call = bob.wait_call(SOON).unwrap();
        let said = call.request().header("To").unwrap_or_default().to_owned();
        call.answer().unwrap();
        answered(&out);
        let user = said.split_once("sip:").and_then(|(_, rest)| rest.split_once('@'));
        user.map(|(user, _)| user.to_owned()).unwrap_or_default()
    };
    let contact = to("1902");
    let set_to = json!({"tenant": "1", "subscriber": "2"});
    let row = switch_on(&demo, "call", "called_shown", "best", &set_to);
    assert_eq!([to("1902"), to("1002")], ["1902", "1002"]);
    for (word, user) in [("number", "1002"), ("username", "1002"), ("received", "1902")] {
        set(&demo, &format!("settings/{row}"), &json!({"value": word}));
        assert_eq!(to("1902"), user, "{word}");
    }
    set(&demo, &format!("settings/{row}"), &json!({"value": "contact"}));
    assert_eq!(to("1902"), contact);

    // Carriers: the first number, then one of them by lot.
    lead_to(&demo, peer.addr());
    set(&demo, "subscribers/1", &json!({"numbers": ["1001", "1901"]}));
    let from = || {
        let out = ada.invite("44123").unwrap();
        let call = peer.wait_call(SOON).unwrap();
        let said = call.request().header("P-Asserted-Identity").unwrap_or_default().to_owned();
        call.answer().unwrap();
        answered(&out);
        said.contains("1901")
    };
    assert!((0..4).all(|_| !from()));
    switch_on(&demo, "identity", "drawn", "true", &json!({"tenant": "1", "subscriber": "1"}));
    let seen: BTreeSet<bool> = (0..16).map(|_| from()).collect();
    assert_eq!(seen.len(), 2, "both numbers are shown, each in some calls");
    assert_tidy(&demo);
    demo.stop();
}
