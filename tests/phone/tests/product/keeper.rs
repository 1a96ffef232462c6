//! The supervisor dies, alone or with everything: what goes on, and what the next one finds.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually, program};
use crate::rest::{money, text};
use crate::talk::{SOON, Talk, desk};

/// Runs a program on the demo's directories until it ends by itself.
fn run(home: &Home, name: &str, words: &[&str]) -> Output {
    let (data, config) = (home.join("data"), home.join("strowger.toml"));
    let mut command = Command::new(program(name));
    command.args(words).arg("--data").arg(data).arg("--config").arg(config);
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn nothing_stops_when_the_supervisor_dies_and_a_new_one_takes_over() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let (planes, sip, supervisor) = (demo.planes(), demo.sip, demo.supervisor());
    demo.orphan();
    // Nobody supervises: audio goes on, and calls can be placed.
    talk.heard(50);
    assert!(ada.invite("0").unwrap().wait_end(SOON).is_ok());
    let demo = Demo::start(&home);
    assert_ne!(demo.supervisor(), supervisor);
    assert_eq!((demo.planes(), demo.sip), (planes, sip), "{}", demo.log());
    talk.heard(25);
    let (least, most) = talk.end_after(Duration::from_millis(500));
    let cdrs = demo.rest.cdrs(2);
    let talk_ms = cdrs.iter().find(|cdr| cdr["answered"].is_string()).unwrap()["talk_ms"].as_u64();
    assert!((least..=most).contains(&talk_ms.unwrap()), "{cdrs:#?}");
    // What was taken over is ended in order like one's own: `stop` sees to it.
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn planes_that_were_taken_over_start_again_on_the_same_sockets() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let (first, sip) = (demo.planes(), demo.sip);
    demo.orphan();
    let demo = Demo::start(&home);
    for plane in [first.switchd, first.controld] {
        demo.replace(plane);
    }
    assert_eq!(demo.sip, sip);
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    // Once more: these planes are the second supervisor's children.
    let second = demo.planes();
    demo.orphan();
    let demo = Demo::start(&home);
    assert_eq!((demo.planes(), demo.sip), (second, sip));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    demo.stop();
}

#[test]
fn a_plane_that_died_with_the_supervisor_is_started_and_the_other_taken_over() {
    let home = Home::new();
    let mut demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let (planes, sip) = (demo.planes(), demo.sip);
    // The supervisor cannot start the other one again: it is stopped until it is killed.
    demo.signal("STOP", demo.supervisor());
    demo.signal("KILL", planes.controld);
    demo.orphan();
    demo = Demo::start(&home);
    assert_eq!((demo.planes().switchd, demo.sip), (planes.switchd, sip), "{}", demo.log());
    talk.heard(25);
    talk.end_after(Duration::from_millis(300));
    let planes = demo.planes();
    demo.signal("STOP", demo.supervisor());
    demo.signal("KILL", planes.switchd);
    demo.orphan();
    let demo = Demo::start(&home);
    assert_eq!((demo.planes().controld, demo.sip), (planes.controld, sip), "{}", demo.log());
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    assert_eq!(demo.rest.cdrs(2).len(), 2);
    demo.stop();
}

#[test]
fn there_is_one_supervisor_and_one_of_each_plane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let planes = demo.planes();
    for (name, words, says) in [
        ("strowger", &["up", "--demo"][..], "a `strowger up` runs here already"),
        ("strowger-switchd", &[], "no place for a dataplane: switchd.lock: held by "),
        ("strowger-controld", &[], "no place for a control plane: controld.lock: held by "),
    ] {
        let output = run(&home, name, words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(output.stdout.is_empty());
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with(&format!("{name}: ")) && said.contains(says), "{said}");
    }
    assert_eq!(demo.planes(), planes);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    demo.stop();
}

#[test]
fn changed_addresses_wait_for_a_stop() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (planes, sip) = (demo.planes(), demo.sip);
    demo.orphan();
    let config = "[sip]\nlisten = [\"127.0.0.2:5060\"]\n";
    let demo = Demo::start_with(&home, config);
    assert_eq!((demo.planes(), demo.sip), (planes, sip));
    let says = format!("strowger: sip.listen: {sip} stays in force until this ends");
    assert_eq!(demo.log().lines().filter(|line| line.starts_with(&says)).count(), 1);
    demo.stop();
    let demo = Demo::start_with(&home, config);
    assert_eq!(demo.sip.ip().to_string(), "127.0.0.2");
    demo.stop();
}

#[test]
fn nobody_has_to_read_what_the_product_says() {
    let home = Home::new();
    let demo = Demo::start_unheard(&home);
    // The control plane's warnings and the supervisor's words go into a pipe without a reader.
    let planes = demo.planes();
    demo.replace(planes.controld);
    demo.replace(planes.switchd);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let planes = demo.planes();
    demo.orphan();
    talk.heard(25);
    let demo = Demo::start(&home);
    assert_eq!(demo.planes(), planes);
    talk.end_after(Duration::from_millis(300));
    demo.stop();
}

#[test]
fn records_arrive_once_when_all_three_are_killed() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let credit = demo.rest.balance(1);
    let speaking = Talk::new(&ada, "1002", &bob);
    let abroad = ada.invite("44123").unwrap();
    abroad.wait_answer(SOON).unwrap();
    // These end while no control plane lives: their records stand in the journal only.
    let planes = demo.planes();
    let ending: Vec<_> = (0..3).map(|n| ada.invite(&format!("4455{n}")).unwrap()).collect();
    for call in &ending {
        call.wait_answer(SOON).unwrap();
    }
    std::thread::sleep(Duration::from_millis(1_100));
    demo.signal("STOP", demo.supervisor());
    demo.signal("KILL", planes.controld);
    for call in &ending {
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    }
    // One group of the journal later they are durable.
    std::thread::sleep(Duration::from_millis(200));
    demo.crash();
    let demo = Demo::start(&home);
    // Those that had not ended go on.
    speaking.heard_again(10, SOON);
    assert_eq!(abroad.bye().unwrap(), EndedBy::LocalBye);
    let (least, most) = speaking.end_after(Duration::from_millis(1_500));
    let cdrs = demo.rest.cdrs(5);
    let mut paid = 0;
    for cdr in &cdrs {
        assert!(cdr["answered"].is_string(), "{cdr:#}");
        let number = text(cdr, "called.received");
        assert_eq!(text(cdr, "outcome.reason"), "normal", "{cdr:#}");
        let talk_ms = cdr["talk_ms"].as_u64().unwrap();
        let bounds = if number == "1002" { least..=most } else { 1_000..=most + 5_000 };
        assert!(bounds.contains(&talk_ms), "{cdr:#}");
        let price = if number == "1002" { 0 } else { 100_000 };
        let due = i64::try_from(talk_ms.div_ceil(1_000)).unwrap() * price;
        assert_eq!(money(&cdr["customer"]["gross"]), due, "{cdr:#}");
        paid += due;
    }
    assert_settled(&demo, credit - paid);
    drop((carrier, abroad, speaking));
    demo.stop();
    // Not once more by a later look at journal or table.
    let demo = Demo::start(&home);
    assert_eq!(demo.rest.cdrs(5), cdrs);
    assert_settled(&demo, credit - paid);
    demo.stop();
}

/// The account has `balance`, all of it free.
fn assert_settled(demo: &Demo, balance: i64) {
    eventually("nothing is held", || {
        let account = demo.rest.get("/api/v1/accounts/1");
        (money(&account["held"]) == 0 && account["calls"] == 0).then_some(())
    });
    assert_eq!(demo.rest.balance(1), balance);
    assert!(demo.rest.list("/api/v1/calls").is_empty());
}
