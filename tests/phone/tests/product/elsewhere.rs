//! Requests of a running call from addresses that are none of its parties'.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use strowger_phone::digest::{Challenge, Secret, Use};
use strowger_phone::message::{Message, address_uri};
use strowger_phone::raw::Raw;
use strowger_phone::{Config, EndedBy, IncomingCall, OutgoingCall, Phone, flows};

use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually};
use crate::talk::{SOON, Talk, desk};

/// The caller's own BYE, as whoever has heard its dialog would write it.
fn bye(out: &OutgoingCall, cseq: u32, via: SocketAddr) -> Vec<u8> {
    let ok = out.response().unwrap();
    let field = |name| ok.header(name).unwrap();
    let mut bye = Message::request("BYE", address_uri(field("Contact")));
    bye.push("Via", &format!("SIP/2.0/UDP {via};branch=z9hG4bKother{cseq}"));
    bye.push("Max-Forwards", "70");
    for name in ["From", "To", "Call-ID"] {
        bye.push(name, field(name));
    }
    bye.push("CSeq", &format!("{cseq} BYE"));
    bye.to_bytes()
}

/// The codes that a BYE from `ip` is answered with.
fn bye_from(demo: &Demo, ip: [u8; 4], out: &OutgoingCall, cseq: u32) -> Vec<u16> {
    let raw = Raw::new(SocketAddr::from((ip, 0)), demo.sip).unwrap();
    raw.send(&bye(out, cseq, raw.local().unwrap())).unwrap();
    let got = raw.collect(Duration::from_millis(300)).unwrap();
    got.iter().filter_map(|bytes| Message::parse(bytes).ok()?.code()).collect()
}

/// An INFO of the callee's dialog.
fn info(inc: &IncomingCall, cseq: u32, via: SocketAddr) -> Message {
    let (invite, tag) = (inc.request(), inc.own_tag());
    let field = |name| invite.header(name).unwrap();
    let mut info = Message::request("INFO", address_uri(field("Contact")));
    info.push("Via", &format!("SIP/2.0/UDP {via};branch=z9hG4bKmoved{cseq}"));
    info.push("Max-Forwards", "70");
    info.push("From", &format!("{};tag={tag}", field("To")));
    info.push("To", field("From"));
    info.push("Call-ID", field("Call-ID"));
    info.push("CSeq", &format!("{cseq} INFO"));
    info.set_body("text/plain", b"moved");
    info
}

/// `request` again with the answer to a challenge.
fn answered(request: &Message, challenge: &Message, (user, password): (&str, &str)) -> Message {
    let challenge = challenge.lines("WWW-Authenticate");
    let challenge = challenge.iter().find_map(|value| Challenge::parse(value)).unwrap();
    let (cseq, method) = request.cseq().unwrap();
    let used = Use { method, uri: request.uri(), count: 1, cnonce: "moved" };
    let mut again = request.clone();
    let via = again.via().unwrap().replace("z9hG4bK", "z9hG4bKa");
    again.set("Via", &via);
    again.set("CSeq", &format!("{} {method}", cseq + 1));
    again.push("Authorization", &challenge.authorization(Secret { user, password }, used));
    again
}

/// Sends a request from a new address, challenged first; its final answer.
fn prove(raw: &Raw, request: &Message, who: (&str, &str)) -> Option<u16> {
    let asked = raw.expect(&request.to_bytes(), 401, SOON).unwrap().expect("a challenge");
    raw.send(&answered(request, &asked, who).to_bytes()).unwrap();
    let got = raw.collect(Duration::from_millis(500)).unwrap();
    got.iter().filter_map(|bytes| Message::parse(bytes).ok()?.code()).find(|code| *code >= 200)
}

#[test]
fn a_phone_that_moved_proves_itself_and_goes_on() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let moved = |ip| Raw::new(SocketAddr::from((ip, 0)), demo.sip).unwrap();
    // Whom we called, with a wrong password, as somebody else, and as itself.
    let (other, at) = (moved([127, 0, 0, 66]), |raw: &Raw| raw.local().unwrap());
    let wrong = info(&talk.inc, 900, at(&other));
    assert_eq!(prove(&other, &wrong, (flows::BOB.0, "guess")), Some(403));
    assert_eq!(prove(&other, &info(&talk.inc, 910, at(&other)), flows::ALICE), Some(403));
    assert_eq!(prove(&other, &info(&talk.inc, 920, at(&other)), flows::BOB), Some(200));
    let heard = || talk.out.requests().iter().any(|r| r.method() == "INFO");
    eventually("the other side heard it", || heard().then_some(()));
    // From now on it is at home there, and its old address is a stranger's.
    let plain = info(&talk.inc, 930, at(&other)).to_bytes();
    assert!(other.expect(&plain, 200, SOON).unwrap().is_some());
    // Who called proves itself by the user of its INVITE alone.
    let bye = |cseq, raw: &Raw| Message::parse(&bye(&talk.out, cseq, at(raw))).unwrap();
    let third = moved([127, 0, 0, 67]);
    assert_eq!(prove(&third, &bye(940, &third), flows::BOB), Some(403));
    talk.heard(20);
    assert_eq!(prove(&third, &bye(950, &third), flows::ALICE), Some(200));
    // INFO names no new Contact, so the callee is still reached at its old one.
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(demo.rest.cdrs(1).len(), 1);
    demo.stop();
}

#[test]
fn a_bye_from_elsewhere_does_not_end_a_call() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    assert_eq!(bye_from(&demo, [127, 0, 0, 66], &talk.out, 900), [401]);
    talk.heard(20);
    assert_eq!((talk.out.ended(), talk.inc.ended()), (None, None));
    eventually("it is shown", || (demo.rest.shard("sip_elsewhere") == 1).then_some(()));
    // Another port of the same address may be a NAT's doing.
    assert_eq!(bye_from(&demo, [127, 0, 0, 1], &talk.out, 901), [200]);
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(demo.rest.cdrs(1).len(), 1);
    demo.stop();
}

#[test]
fn a_bye_from_another_address_of_the_trunk_ends_the_call() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let bob = desk(&demo, flows::BOB);
    let config = Config { bind: CARRIER, ..Config::new("trunk", "", demo.sip) };
    let carrier = Phone::new(config).unwrap();
    let talk = Talk::new(&carrier, "1002", &bob);
    assert_eq!(bye_from(&demo, [127, 0, 0, 7], &talk.out, 900), [481]);
    talk.heard(10);
    demo.change(
        "UPDATE trunks SET ingress = json_insert(ingress, '$.sources[#]', \
         json('{\"network\":\"127.0.0.7\",\"prefix_len\":32,\"port\":0}'))",
    );
    let began = Instant::now();
    let mut cseq = 900;
    eventually("the trunk's new address counts", || {
        cseq += 1;
        (bye_from(&demo, [127, 0, 0, 7], &talk.out, cseq) == [200]).then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(3), "a change is in force within a second");
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    demo.stop();
}
