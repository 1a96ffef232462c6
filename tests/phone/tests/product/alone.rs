//! A dataplane that has to do without: without the control plane, or without anybody who takes its
//! records.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_phone::EndedBy;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::database::Lock;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{lead_to, make, new_peer, refused};
use crate::talk::{SOON, Talk, desk};
use crate::tell;

/// Attempts that are under way at a time.
const WINDOW: usize = 32;
/// More attempts than the smallest journal has room for.
const ATTEMPTS_MAX: u32 = 20_000;
/// Between two attempts: the journal looks at its bound every two seconds.
const PACE: Duration = Duration::from_micros(400);
/// After so long without a record the journal is full.
const FULL: Duration = Duration::from_secs(1);
/// In which all of them must be made.
const FILL_MAX: Duration = Duration::from_secs(60);

#[test]
fn an_emergency_call_needs_no_control_plane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let peer = new_peer(&demo);
    let (ada, _bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    make(&demo, "emergency-numbers", &json!({"tenant": "1", "number": "112", "trunks": ["1"]}));
    lead_to(&demo, peer.addr());
    let credit = demo.rest.balance(1);
    // Nobody may start it again: the supervisor stands still.
    demo.signal("STOP", demo.supervisor());
    let killed = demo.planes().controld;
    demo.signal("KILL", killed);
    eventually("it is dead", || demo.rest.try_get("/healthz").is_none().then_some(()));
    let talk = Talk::new(&ada, "112", &peer);
    talk.heard(25);
    // Nobody else is served, and nobody waits for ever.
    assert_eq!(refused(&ada, "44123"), 503);
    let (least, most) = talk.end_after(Duration::from_secs(1));
    // One call goes on over the return of the control plane.
    let over = Talk::new(&ada, "112", &peer);
    demo.signal("CONT", demo.supervisor());
    demo.await_replaced(killed);
    over.heard(25);
    over.end_after(Duration::from_secs(1));
    let cdrs: Vec<Value> = eventually("both records are there", || {
        let all = demo.rest.list("/api/v1/cdrs");
        let mut calls: Vec<Value> =
            all.into_iter().filter(|cdr| cdr["answered"].is_string()).collect();
        calls.reverse();
        (calls.len() == 2).then_some(calls)
    });
    let talk_ms = cdrs[0]["talk_ms"].as_u64().unwrap();
    assert!((least..=most).contains(&talk_ms), "{talk_ms} ms, not {least} to {most}");
    for cdr in &cdrs {
        assert_eq!(text(cdr, "called.received"), "112", "{cdr:#}");
        assert_eq!(text(cdr, "called.trunk"), "1", "{cdr:#}");
        assert_eq!(text(cdr, "outcome.reason"), "normal", "{cdr:#}");
    }
    assert_eq!(demo.rest.balance(1), credit);
    assert_tidy(&demo);
    demo.stop();
}

/// An INVITE without a body, or the ACK of its refusal.
fn request(method: &str, number: u32, me: SocketAddr, to: &str) -> Vec<u8> {
    let mut request = Message::request(method, "sip:33000000@127.0.0.1");
    request.push("Via", &format!("SIP/2.0/UDP {me};branch=z9hG4bKfill{number}"));
    request.push("Max-Forwards", "70");
    request.push("From", "<sip:4989000@127.0.0.1>;tag=fill");
    request.push("To", to);
    request.push("Call-ID", &format!("fill-{number}"));
    request.push("CSeq", &format!("1 {method}"));
    request.push("Contact", &format!("<sip:fill@{me}>"));
    request.to_bytes()
}

/// Calls a number that nobody has, again and again, until all that is heard for a while is 503; how
/// many were refused with 404, each of which leaves a record.
///
/// Room for its record is kept for each attempt until that is written, so the first 503 come before
/// the journal is full.
fn fill(trunk: &UdpSocket, demo: &Demo) -> u32 {
    let me = trunk.local_addr().unwrap();
    trunk.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let (began, mut next, mut refused) = (Instant::now(), 0, 0);
    let mut last = began;
    let mut waiting: BTreeSet<u32> = BTreeSet::new();
    let to = "<sip:33000000@127.0.0.1>";
    let mut bytes = [0; 4096];
    loop {
        let full = last.elapsed() > FULL;
        if full && waiting.is_empty() {
            return refused;
        }
        assert!(began.elapsed() < FILL_MAX && next < ATTEMPTS_MAX, "{refused} of {next} refused");
        while !full && waiting.len() < WINDOW {
            trunk.send_to(&request("INVITE", next, me, to), demo.sip).unwrap();
            waiting.insert(next);
            next += 1;
        }
        let Ok((len, _)) = trunk.recv_from(&mut bytes) else {
            // As over UDP: what got lost is sent again.
            for number in &waiting {
                trunk.send_to(&request("INVITE", *number, me, to), demo.sip).unwrap();
            }
            continue;
        };
        let answer = Message::parse(&bytes[..len]).unwrap();
        let number = answer.header("Call-ID").unwrap().strip_prefix("fill-").unwrap();
        let number: u32 = number.parse().unwrap();
        let code = answer.code().unwrap();
        if code < 200 || !waiting.remove(&number) {
            continue;
        }
        let ack = request("ACK", number, me, answer.header("To").unwrap());
        trunk.send_to(&ack, demo.sip).unwrap();
        match code {
            404 => (refused, last) = (refused + 1, Instant::now()),
            503 => {}
            other => panic!("{other}"),
        }
        std::thread::sleep(PACE);
    }
}

#[test]
fn a_full_journal_takes_no_call_and_loses_none() {
    let home = Home::new();
    let config = "journal.segment_mib = 1\njournal.waiting_mib_max = 2\n";
    let demo = Demo::start_with(&home, config);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let trunk = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    lead_to(&demo, trunk.local_addr().unwrap());
    let talk = Talk::new(&ada, "1002", &bob);
    // Nobody takes records: the database is another's.
    let lock = Lock::take(&demo.file("strowger.db"));
    let began = Instant::now();
    let refused_404 = fill(&trunk, &demo);
    let took = began.elapsed();
    assert!(refused_404 > 1_000, "{refused_404}");
    // Everybody is told to come again; the call that runs goes on, and has its record.
    assert_eq!(refused(&ada, "1002"), 503);
    let EndedBy::Refused(503) = bob.invite("1001").unwrap().wait_end(SOON).unwrap() else {
        panic!("a call was taken")
    };
    demo.rest.fresh_counters();
    assert!(demo.rest.shard("journal_full") >= 3);
    talk.heard(10);
    let (least, most) = talk.end_after(Duration::ZERO);
    drop(lock);
    // Calls are served again, and each record is there once.
    eventually("calls are served again", || {
        let out = ada.invite("1002").unwrap();
        let Ok(call) = bob.wait_call(Duration::from_millis(500)) else { return None };
        call.answer().unwrap();
        out.wait_answer(SOON).unwrap();
        out.bye().unwrap();
        Some(())
    });
    let count = usize::try_from(refused_404).unwrap() + 2;
    let cdrs = demo.rest.cdrs(count);
    let ids: BTreeSet<&str> = cdrs.iter().map(|cdr| text(cdr, "id")).collect();
    assert_eq!(ids.len(), count);
    let of = |reason: &str| cdrs.iter().filter(|cdr| text(cdr, "outcome.reason") == reason).count();
    assert_eq!((of("unknown-number"), of("normal")), (count - 2, 2));
    let talked: Vec<u64> = cdrs
        .iter()
        .filter_map(|cdr| cdr["answered"].as_str().and(cdr["talk_ms"].as_u64()))
        .collect();
    assert!(talked.iter().any(|ms| (least..=most).contains(ms)), "{talked:?}, {least} to {most}");
    tell(&format!("{refused_404} records filled the journal in {took:?}"));
    demo.stop();
}
