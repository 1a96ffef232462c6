//! The supervisor dies, alone or with everything: what goes on, and what the next one finds.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually, kill, program};
use crate::rest::{money, text};
use crate::talk::{SOON, Talk, desk};
use crate::tls::free_port;

/// Runs a program on the demo's directories until it ends by itself; one that does not is ended.
fn run(home: &Home, name: &str, words: &[&str]) -> Output {
    let (data, config) = (home.join("data"), home.join("strowger.toml"));
    let mut command = Command::new("timeout");
    command
        .arg("20")
        .arg(program(name))
        .args(words)
        .arg("--data")
        .arg(data)
        .arg("--config")
        .arg(config);
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
    // As the kernel does when it finds them without a supervisor.
    assert!(kill("HUP", &[planes.switchd, planes.controld]));
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
fn however_early_the_supervisor_dies_there_is_one_of_each_plane() {
    let home = Home::new();
    for ms in [0, 2, 5, 10, 20, 40, 80, 120, 160] {
        Demo::start_for(&home, Duration::from_millis(ms));
        let demo = Demo::start(&home);
        assert_eq!(demo.count(), 3, "after {ms} ms\n{}", demo.log());
        demo.stop();
    }
}

#[test]
fn there_is_one_supervisor_and_one_of_each_plane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let planes = demo.planes();
    for (name, words, says) in [
        (
            "strowger",
            &["up", "--demo"][..],
            "no place for a supervisor: up.lock is held by strowger ",
        ),
        ("strowger-switchd", &[], "no place for a dataplane: switchd.lock is held by "),
        ("strowger-controld", &[], "no place for a control plane: controld.lock is held by "),
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
fn a_plane_that_does_not_answer_is_neither_doubled_nor_ended() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let planes = demo.planes();
    demo.orphan();
    // Not before: the kernel sets stopped processes going again when their supervisor dies.
    assert!(kill("STOP", &[planes.switchd]));
    let output = run(&home, "strowger", &["up", "--demo"]);
    assert!(kill("CONT", &[planes.switchd]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    let says = format!("cannot be taken over: process {} does not answer", planes.switchd);
    assert!(said.contains(&says), "{said}");
    let demo = Demo::start(&home);
    assert_eq!(demo.planes(), planes, "{}", demo.log());
    assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(demo.rest.cdrs(1).len(), 1);
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

/// What dies with the three processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    /// Nothing: the host lives, and with it the call table.
    Processes,
    /// All but what the disk has: the call table is gone, the journal stays.
    Power,
}

/// Price of a second to 44, in units of the ledger (1e-8 EUR).
const PRICE: i64 = 100_000;
/// Calls that end while no control plane lives.
const ENDED: [&str; 3] = ["44550", "44551", "44552"];

/// Calls that ended and were not in the database yet, and calls that were going on: then everything
/// is killed at once. Each leaves one record, of the right time and price.
fn everything_dies(cut: Cut) {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let credit = demo.rest.balance(1);
    let speaking = Talk::new(&ada, "1002", &bob);
    let abroad = ada.invite("44123").unwrap();
    abroad.wait_answer(SOON).unwrap();
    let ending = ENDED.map(|number| ada.invite(number).unwrap());
    ending.iter().for_each(|call| call.wait_answer(SOON).unwrap());
    let ringing = ada.invite("1002").unwrap();
    bob.wait_call(SOON).unwrap().ring().unwrap();
    ringing.wait_ringing(SOON).unwrap();
    // Longer than the time between two marks of life.
    std::thread::sleep(Duration::from_millis(1_700));
    demo.signal("STOP", demo.supervisor());
    demo.signal("KILL", demo.planes().controld);
    ending.iter().for_each(|call| assert_eq!(call.bye().unwrap(), EndedBy::LocalBye));
    // One group of the journal later they are durable.
    std::thread::sleep(Duration::from_millis(200));
    let least = speaking.lasted_at_least();
    demo.crash();
    let crashed = speaking.lasted_at_most();
    if cut == Cut::Power {
        lose_tables(&home);
    }
    let demo = Demo::start(&home);
    // A call may have been taken up again.
    let _ended = [speaking.out.bye(), abroad.bye()];
    let most = if cut == Cut::Power { crashed } else { speaking.lasted_at_most() };
    eventually("all records are there", || {
        let answered = demo.rest.list("/api/v1/cdrs");
        (answered.iter().filter(|cdr| cdr["answered"].is_string()).count() == 5).then_some(())
    });
    assert_settled(&demo);
    let mut cdrs = demo.rest.list("/api/v1/cdrs");
    let paid: i64 = cdrs.iter().map(|cdr| money(&cdr["customer"]["gross"])).sum();
    assert_eq!(demo.rest.balance(1), credit - paid);
    cdrs.retain(|cdr| cdr["answered"].is_string());
    assert_eq!(cdrs.len(), 5, "{cdrs:#?}");
    // The last mark of life is at most a second old, the last heartbeat a tenth of one.
    let sign = if cut == Cut::Power { 1_200 } else { 300 };
    for (number, reasons, least) in [
        ("1002", &["host-lost", "process-lost", "normal"][..], least - sign),
        ("44123", &["host-lost", "process-lost", "normal"], least - sign - 500),
        (ENDED[0], &["normal"], 1_700),
        (ENDED[1], &["normal"], 1_700),
        (ENDED[2], &["normal"], 1_700),
    ] {
        let mut found = cdrs.iter().filter(|cdr| text(cdr, "called.received") == number);
        let cdr = found.next().unwrap_or_else(|| panic!("{number}: {cdrs:#?}"));
        let reason = text(cdr, "outcome.reason");
        assert!(reasons.contains(&reason), "{cdr:#}");
        assert_eq!(reason == "host-lost", cut == Cut::Power && reasons.len() > 1, "{cdr:#}");
        assert_charged(cdr, least, most);
        assert!(found.next().is_none(), "{cdrs:#?}");
    }
    let balance = demo.rest.balance(1);
    let all = demo.rest.list("/api/v1/cdrs");
    drop(carrier);
    demo.stop();
    // Not once more by a later look at journal or table.
    let demo = Demo::start(&home);
    assert_settled(&demo);
    assert_eq!((demo.rest.list("/api/v1/cdrs"), demo.rest.balance(1)), (all, balance));
    demo.stop();
}

/// The tables of all shards go with the host's memory.
fn lose_tables(home: &Home) {
    let shards = std::env::var("STROWGER_TEST_SHARDS").map_or(1, |n| n.parse().unwrap());
    for shard in 0..shards {
        fs::remove_file(home.join(&format!("data/run/calls-{shard}.table"))).unwrap();
    }
}

/// The record's time is within bounds (ms), and its price is that of its time.
fn assert_charged(cdr: &serde_json::Value, least: u64, most: u64) {
    let talk_ms = cdr["talk_ms"].as_u64().unwrap();
    assert!((least..=most).contains(&talk_ms), "{talk_ms}, not {least} to {most}: {cdr:#}");
    let price = if text(cdr, "called.received").starts_with("44") { PRICE } else { 0 };
    let due = i64::try_from(talk_ms.div_ceil(1_000)).unwrap() * price;
    assert_eq!(money(&cdr["customer"]["gross"]), due, "{cdr:#}");
}

/// Nothing is held, and nothing goes on.
fn assert_settled(demo: &Demo) {
    eventually("nothing is held", || {
        let account = demo.rest.get("/api/v1/accounts/1");
        let free = money(&account["held"]) == 0 && account["calls"] == 0;
        (free && demo.rest.list("/api/v1/calls").is_empty()).then_some(())
    });
}

#[test]
fn records_arrive_once_when_all_three_are_killed() {
    everything_dies(Cut::Processes);
}

#[test]
fn a_power_cut_leaves_records_up_to_the_last_mark() {
    everything_dies(Cut::Power);
}

/// What a peer says by TCP, and the first answer.
fn ask(stream: &mut TcpStream, number: u32) -> Option<u16> {
    let request = format!(
        "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/TCP {};branch=z9hG4bKk{number}\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: k{number}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        stream.local_addr().unwrap()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut buffer = [0; 4_096];
    let got = stream.read(&mut buffer).ok().filter(|got| *got > 0)?;
    Message::parse(&buffer[..got]).ok()?.code()
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A control plane that says nothing to a new dataplane: who connects waits for it as long as may
/// be, and is answered then, for he does not say it again.
#[test]
fn who_connects_is_answered_though_nobody_is_known() {
    let home = Home::new();
    let demo = Demo::start(&home);
    assert_eq!(ask(&mut connect(demo.sip), 1), Some(200));
    let planes = demo.planes();
    demo.signal("STOP", planes.controld);
    demo.signal("KILL", planes.switchd);
    eventually("another dataplane runs", || {
        let now = demo.planes().switchd;
        (now != planes.switchd && now != 0).then_some(())
    });
    assert_eq!(ask(&mut connect(demo.sip), 2), Some(503));
    demo.signal("CONT", planes.controld);
    demo.await_replaced(planes.switchd);
    assert_eq!(ask(&mut connect(demo.sip), 3), Some(200));
    demo.stop();
}

/// Nobody is refused while the dataplane is away: who connects waits, with what he said.
#[test]
fn connections_wait_in_the_gap() {
    let home = Home::new();
    let further = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let config = format!("[[sip.stream]]\nlisten = \"{further}\"\ntransport = \"tcp\"\n");
    let mut demo = Demo::start_with(&home, &config);
    for round in 0..2 {
        let listeners = [demo.sip, further];
        for at in listeners {
            assert!(ask(&mut connect(at), round).is_some());
        }
        let killed = demo.planes().switchd;
        demo.signal("STOP", demo.supervisor());
        demo.signal("KILL", killed);
        eventually("it is dead", || {
            let path = format!("/proc/{killed}/stat");
            let stat = fs::read_to_string(path).unwrap_or_default();
            (!stat.contains(") R") && !stat.contains(") S")).then_some(())
        });
        let waiting =
            listeners.map(|at| std::thread::spawn(move || ask(&mut connect(at), 100 + round)));
        // Long enough to be refused.
        std::thread::sleep(Duration::from_millis(300));
        demo.signal("CONT", demo.supervisor());
        for waits in waiting {
            assert!(waits.join().unwrap().is_some(), "{}", demo.log());
        }
        demo.await_replaced(killed);
        // Once more, by a supervisor that has the sockets from the planes.
        demo.orphan();
        demo = Demo::start_with(&home, &config);
    }
    demo.stop();
}
