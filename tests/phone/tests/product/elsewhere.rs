//! Requests of a running call from addresses that are none of its parties'.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use strowger_phone::message::{Message, address_uri};
use strowger_phone::raw::Raw;
use strowger_phone::{Config, EndedBy, OutgoingCall, Phone, flows};

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

#[test]
fn a_bye_from_elsewhere_does_not_end_a_call() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    assert_eq!(bye_from(&demo, [127, 0, 0, 66], &talk.out, 900), [481]);
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
