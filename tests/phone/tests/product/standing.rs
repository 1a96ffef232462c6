//! What the control plane knows and shows: it outlives a crash, hides who hides, and says itself
//! when a change is not in force.

use std::time::Duration;

use serde_json::json;
use strowger_phone::flows::{ALICE, BOB};

use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::talk::{SOON, Talk, desk, phone};

/// How long calls are held that only have to be answered.
const TALK: Duration = Duration::from_millis(300);
/// In which registrations are written behind their answer.
const BEHIND: Duration = Duration::from_millis(500);

#[test]
fn contacts_of_a_trunk_outlive_the_control_plane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let credentials = json!({"username": "pbx", "password": "correct horse"});
    let registers = json!({
        "ingress": {"credentials": credentials}, "egress": {"targets": ["registered"]},
    });
    let (status, said) = demo.rest.patch("/api/v1/trunks/1", &registers.to_string());
    assert_eq!(status, 200, "{said}");
    let pbx = phone(&demo, ("pbx", "correct horse"));
    // The edge must know the name first.
    eventually("the trunk registers", || pbx.register(300).ok());
    std::thread::sleep(BEHIND);
    let ada = desk(&demo, ALICE);
    demo.replace(demo.planes().controld);
    let out = ada.invite("44123").unwrap();
    let call = pbx.wait_call(SOON).unwrap();
    call.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    std::thread::sleep(TALK);
    out.bye().unwrap();
    let cdr = demo.rest.cdrs(1).remove(0);
    assert_eq!(text(&cdr, "called.trunk"), "1", "{cdr:#}");
    // One that registers no more is no target, in another life either.
    let off = json!({"ingress": {"credentials": null}, "egress": {"targets": ["127.0.0.1:9"]}});
    let (status, said) = demo.rest.patch("/api/v1/trunks/1", &off.to_string());
    assert_eq!(status, 200, "{said}");
    eventually("its contact is forgotten", || {
        (demo.rows("SELECT COUNT(*) FROM trunk_bindings") == "0").then_some(())
    });
    demo.stop();
}

#[test]
fn who_hides_is_hidden_in_the_records_of_whom_he_called() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let call = |headers: &[(&str, &str)]| {
        let out = ada.invite_with("1002", headers, true).unwrap();
        let inc = bob.wait_call(SOON).unwrap();
        inc.answer().unwrap();
        out.wait_answer(SOON).unwrap();
        std::thread::sleep(TALK);
        out.bye().unwrap();
    };
    call(&[]);
    demo.rest.cdrs(1);
    call(&[("Privacy", "id")]);
    let all = demo.rest.cdrs(2);
    let hidden: Vec<bool> = all.iter().map(|cdr| cdr["caller"]["hidden"] == true).collect();
    assert_eq!(hidden, [false, true], "the operator is told all the same: {all:#?}");
    let seen_by = |subscriber: u32| {
        let body = json!({
            "name": "phone", "role": "subscriber", "tenant": "1",
            "subscriber": subscriber.to_string(),
        });
        let (status, made) = demo.rest.post("/api/v1/tokens", "", &body.to_string());
        assert_eq!(status, 201, "{made}");
        let rest = demo.rest.with_token(text(&made, "secret"));
        let cdrs = rest.cdrs(2);
        let traces = cdrs.iter().map(|cdr| {
            let path = format!("/api/v1/cdrs/{}/trace", text(cdr, "id"));
            let trace = rest.get(&path);
            !trace["decision"].as_array().unwrap().is_empty()
        });
        let traces: Vec<bool> = traces.collect();
        let callers = cdrs.iter().map(|cdr| cdr["caller"].as_str().map(str::to_owned));
        (callers.collect::<Vec<_>>(), traces)
    };
    let ada_number = text(&all[0], "caller.number").to_owned();
    let (callers, traces) = seen_by(1);
    assert_eq!(callers, [Some(ada_number.clone()), Some(ada_number.clone())], "his own calls");
    assert_eq!(traces, [true, true]);
    let (callers, traces) = seen_by(2);
    assert_eq!(callers, [Some(ada_number), None]);
    assert_eq!(traces, [true, false], "its steps name who called");
    drop((ada, bob));
    demo.stop();
}

#[test]
fn readiness_names_the_row_with_which_no_world_can_be_built() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let current = || demo.rest.get("/readyz");
    assert_eq!((&current()["current"], &current()["problem"]), (&json!(true), &json!(null)));
    assert_eq!(demo.rest.metric("strowger_world_current"), 1);
    // As somebody who edits the database by hand may do.
    demo.change("UPDATE subscribers SET account_id = 999 WHERE id = 2");
    let told = eventually("the change is not in force, and said so", || {
        Some(current()).filter(|told| told["current"] == false)
    });
    assert!(text(&told, "problem").contains("subscriber 2"), "{told:#}");
    assert!(told["behind_since"].is_string() && told["ready"] == true, "{told:#}");
    assert_eq!(demo.rest.metric("strowger_world_current"), 0);
    // Calls go on by the world before it.
    Talk::new(&ada, "1002", &bob).end_after(TALK);
    demo.change("UPDATE subscribers SET account_id = 1 WHERE id = 2");
    eventually("the next change is in force", || (current()["current"] == true).then_some(()));
    assert_eq!(demo.rest.metric("strowger_world_current"), 1);
    demo.stop();
}
