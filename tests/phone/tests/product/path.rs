//! Which way media goes: the eight words of `media.path` on both sides, by what is known of NATs,
//! and NATs of every kind before real phones. What counts is where packets come from.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::json;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::forwarder::Forwarder;
use strowger_phone::rtp::Packet;
use strowger_phone::sdp::Sdp;
use strowger_phone::{Behind, Config, Nat, Pattern, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::dialog::{hang_up, peers, setting};
use crate::rows::{IN_FORCE, SILENCE, make};
use crate::talk::{SOON, Talk};
use crate::wire::sdp;

const EXPIRES_S: u32 = 300;
/// Ports of ours for media, by default.
const OURS: std::ops::Range<u16> = 16_384..32_768;

/// A registered phone at an address of its own: parties at one address are behind one NAT.
fn desk(demo: &Demo, (user, password): (&str, &str), last: u8) -> Phone {
    let bind = SocketAddr::from(([127, 0, 0, last], 0));
    let config = Config::new(user, password, demo.sip);
    let phone = Phone::new(Config { patience: SOON, bind, ..config }).unwrap();
    phone.register(EXPIRES_S).unwrap();
    phone
}

/// A setting of a subscriber; its row.
fn own(demo: &Demo, subscriber: &str, name: &str, value: &str) -> String {
    let body = json!({
        "category": "media", "name": name, "value": value, "tenant": "1", "subscriber": subscriber,
    });
    format!("settings/{}", make(demo, "settings", &body))
}

/// Changes rows of settings, all at once.
fn put(demo: &Demo, rows: &[(&String, &str)]) {
    for (path, value) in rows {
        let body = json!({"value": value}).to_string();
        let (status, said) = demo.rest.patch(&format!("/api/v1/{path}"), &body);
        assert_eq!(status, 200, "{path}: {said}");
    }
    std::thread::sleep(IN_FORCE);
}

/// Whether the media of a call comes through us: what both phones hear, and from where.
fn is_relayed(talk: &Talk) -> bool {
    let [out, inc] = [&*talk.out, &*talk.inc].map(|side| {
        let sources = side.media_report().sources;
        assert_eq!(sources.len(), 1, "{sources:?}");
        let other = if std::ptr::eq(side, &*talk.out) { &*talk.inc } else { &*talk.out };
        let relayed = OURS.contains(&sources[0].0.port());
        assert!(relayed || Some(sources[0].0) == other.rtp_addr(), "{sources:?}");
        relayed
    });
    assert_eq!(out, inc, "both ways go the same");
    out
}

/// The words of the caller's side and of the called one; whether they are behind NATs; whether
/// media goes through us.
const WAYS: [(&str, &str, bool, bool, bool); 31] = [
    ("relay", "relay", false, false, true),
    ("peer", "peer", false, false, true),
    // Past us, unless somebody cannot be reached.
    ("direct", "direct", false, false, false),
    ("direct", "direct", true, false, true),
    ("direct", "direct", false, true, true),
    ("direct", "direct", true, true, true),
    ("fixed", "fixed", false, false, false),
    ("fixed", "fixed", true, false, false),
    ("fixed", "fixed", true, true, false),
    ("both-nated", "both-nated", false, false, false),
    ("both-nated", "both-nated", true, false, false),
    ("both-nated", "both-nated", false, true, false),
    ("both-nated", "both-nated", true, true, true),
    ("caller-nated", "caller-nated", false, false, false),
    ("caller-nated", "caller-nated", true, false, true),
    ("caller-nated", "caller-nated", false, true, false),
    ("caller-nated", "caller-nated", true, true, true),
    ("called-nated", "called-nated", true, false, false),
    ("called-nated", "called-nated", false, true, true),
    ("called-nated", "called-nated", true, true, true),
    ("either-nated", "either-nated", false, false, false),
    ("either-nated", "either-nated", true, false, true),
    ("either-nated", "either-nated", false, true, true),
    ("either-nated", "either-nated", true, true, true),
    // Relayed wins, then past us, then the stricter; `peer` is what the other side says.
    ("relay", "direct", false, false, true),
    ("direct", "relay", false, false, true),
    ("direct", "either-nated", false, false, false),
    ("fixed", "either-nated", true, false, true),
    ("either-nated", "both-nated", false, true, true),
    ("peer", "direct", false, false, false),
    ("peer", "either-nated", true, false, true),
];

#[test]
fn media_goes_as_both_sides_are_set_and_nats_are_known() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let paths = ["1", "2"].map(|who| own(&demo, who, "path", "relay"));
    let nats = ["1", "2"].map(|who| own(&demo, who, "nat", "never"));
    let word = |nated: bool| if nated { "always" } else { "never" };
    let (ada, bob) = (desk(&demo, ALICE, 11), desk(&demo, BOB, 12));
    for (caller, called, one, other, relayed) in WAYS {
        put(
            &demo,
            &[
                (&paths[0], caller),
                (&paths[1], called),
                (&nats[0], word(one)),
                (&nats[1], word(other)),
            ],
        );
        let talk = Talk::anyhow(&ada, "1002", &bob);
        let case = format!("{caller} {called}, behind NATs {one} {other}");
        assert_eq!(is_relayed(&talk), relayed, "{case}");
        talk.end_after(Duration::from_millis(100));
    }
    // Two behind one NAT reach each other inside.
    drop(bob);
    let bob = desk(&demo, BOB, 11);
    put(&demo, &[(&paths[0], "either-nated"), (&nats[0], "always"), (&nats[1], "always")]);
    let talk = Talk::anyhow(&ada, "1002", &bob);
    assert!(!is_relayed(&talk), "one NAT");
    talk.end_after(Duration::from_millis(100));
    let cdrs = demo.rest.cdrs(WAYS.len() + 1);
    for (cdr, (caller, called, _, _, relayed)) in cdrs.iter().zip(WAYS) {
        assert_eq!(cdr["caller_media"].is_null(), !relayed, "{caller} {called}: {cdr:#}");
    }
    assert_tidy(&demo);
    demo.stop();
}

/// A phone behind a NAT, which signalling goes through as well as media: it knows no address but
/// its own.
struct Nated {
    phone: Phone,
    _sip: Forwarder,
}

impl Nated {
    fn new(demo: &Demo, (user, password): (&str, &str), nat: Nat, last: u8) -> Nated {
        let outside = IpAddr::from([127, 0, 0, last]);
        let front = SocketAddr::from(([127, 0, 0, 1], 0));
        let sip = Forwarder::nat((front, outside), Some(demo.sip), nat).unwrap();
        let inside = IpAddr::from([10, 9, 8, last]);
        let config = Config {
            patience: SOON,
            domain: Some(demo.sip.to_string()),
            outbound_proxy: true,
            media_behind: Some(Behind { nat, outside, inside }),
            ..Config::new(user, password, sip.front())
        };
        let phone = Phone::new(config).unwrap();
        phone.register(EXPIRES_S).unwrap();
        Nated { phone, _sip: sip }
    }
}

#[test]
fn phones_behind_nats_of_every_kind_talk() {
    let home = Home::new();
    let demo = Demo::start(&home);
    for (nth, nat) in Nat::ALL.into_iter().enumerate() {
        let last = 20 + 2 * u8::try_from(nth).unwrap();
        let ada = Nated::new(&demo, ALICE, nat, last);
        let bob = Nated::new(&demo, BOB, Nat::ALL[3 - nth], last + 1);
        let talk = Talk::anyhow(&ada.phone, "1002", &bob.phone);
        talk.heard_again(25, SOON);
        talk.held_by_both();
        talk.heard_again(25, SOON);
        for side in [&*talk.out, &*talk.inc] {
            let through = side.media_forwarder().unwrap();
            assert!(through.to_client.forwarded >= 50, "{nat:?}: {through:?}");
            assert_eq!(through.to_client.refused, 0, "{nat:?}: nobody else knocks");
        }
        talk.end_after(Duration::from_millis(100));
        let cdrs = demo.rest.cdrs(nth + 1);
        for (side, seen) in [("caller_media", last), ("called_media", last + 1)] {
            assert_eq!(cdrs[nth][side]["remote"], format!("127.0.0.{seen}"), "{:#}", cdrs[nth]);
        }
        ada.phone.unregister().unwrap();
        bob.phone.unregister().unwrap();
    }
    assert_tidy(&demo);
    assert_eq!(demo.rest.shard("media_stranger"), 0);
    demo.stop();
}

/// Past us a phone behind a NAT is told of at the address that it is seen at, and its own port:
/// that reaches it behind all NATs that keep ports, and behind a symmetric one only the relay does.
#[test]
fn past_us_a_symmetric_nat_is_deaf_and_the_relay_is_not() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let paths = ["1", "2"].map(|who| own(&demo, who, "path", "both-nated"));
    std::thread::sleep(IN_FORCE);
    for (nth, nat) in Nat::ALL.into_iter().enumerate() {
        let last = 40 + u8::try_from(nth).unwrap();
        let (ada, bob) = (Nated::new(&demo, ALICE, nat, last), desk(&demo, BOB, 12));
        let out = ada.phone.invite("1002").unwrap();
        let inc = bob.wait_call(SOON).unwrap();
        inc.answer().unwrap();
        out.wait_answer(SOON).unwrap();
        assert_eq!(out.remote_rtp(), inc.rtp_addr(), "{nat:?}: past us");
        assert_eq!(inc.remote_rtp().unwrap().ip(), IpAddr::from([127, 0, 0, last]), "{nat:?}");
        // The one behind the NAT speaks first, as phones do.
        out.start_sending(u64::MAX, Pattern::Marked).unwrap();
        inc.wait_media(SOON, "who is behind the NAT", |report| report.verified > 10).unwrap();
        inc.start_sending(50, Pattern::Marked).unwrap();
        if nat == Nat::Symmetric {
            std::thread::sleep(SILENCE);
            assert_eq!(out.media_report().received, 0, "its port is another one");
        } else {
            out.wait_media(SOON, "the other side", |report| report.verified > 20).unwrap();
        }
        out.bye().unwrap();
        inc.wait_end(SOON).unwrap();
        ada.phone.unregister().unwrap();
        bob.unregister().unwrap();
    }
    put(&demo, &[(&paths[0], "either-nated")]);
    let (ada, bob) = (Nated::new(&demo, ALICE, Nat::Symmetric, 44), desk(&demo, BOB, 12));
    let talk = Talk::anyhow(&ada.phone, "1002", &bob);
    talk.heard_again(25, SOON);
    talk.end_after(Duration::from_millis(100));
    assert_tidy(&demo);
    demo.stop();
}

/// A socket for media, silent until the test sends.
pub(crate) fn media_socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// Nothing comes for a while.
pub(crate) fn is_silent(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    let got = socket.recv(&mut [0; 2_048]);
    socket.set_read_timeout(Some(SOON)).unwrap();
    got.is_err()
}

#[test]
fn a_packet_of_ours_comes_first_where_that_is_set() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, _) = peers(&demo);
    let sockets = [media_socket(), media_socket()];
    let at = [0, 1].map(|n: usize| sockets[n].local_addr().unwrap());
    let call = || {
        let call = edge.invite_with("44700", &sdp(at[0]));
        let invite = far.expect("INVITE");
        far.respond(&invite, 180, &[], None);
        edge.expect("180 INVITE");
        assert!(sockets.iter().all(is_silent), "nothing before the answer");
        far.respond(&invite, 200, &[], Some(&sdp(at[1])));
        let ok = edge.expect("200 INVITE");
        edge.within(&call, &ok, "ACK", &[]);
        far.expect("ACK");
        let told = [&ok, &invite].map(|message| Sdp::parse(&message.body).unwrap().rtp);
        (call, ok, told)
    };
    let (first, ok, _) = call();
    assert!(sockets.iter().all(is_silent), "not set");
    hang_up((&edge, &far), &first, &ok);
    setting(&demo, "media.first_packet", "true");
    std::thread::sleep(IN_FORCE);
    let (second, ok, told) = call();
    for (socket, ours) in sockets.iter().zip(told) {
        let mut room = [0; 2_048];
        let (len, from) = socket.recv_from(&mut room).unwrap();
        assert_eq!(from, ours, "from the port that the party sends to");
        let packet = Packet::parse(&room[..len]).unwrap();
        assert!(packet.payload_type >= 96 && packet.payload_type != 101, "{packet:?}");
        assert!(packet.payload.is_empty());
        assert!(is_silent(socket), "one");
    }
    // A description that comes again brings no other.
    edge.within_with(&second, &ok, "INVITE", &[], &sdp(at[0]));
    let again = far.expect("INVITE");
    far.respond(&again, 200, &[], Some(&sdp(at[1])));
    let moved = edge.expect("200 INVITE");
    edge.within(&second, &moved, "ACK", &[]);
    far.expect("ACK");
    assert!(sockets.iter().all(is_silent), "once in a call");
    hang_up((&edge, &far), &second, &ok);
    let cdrs = demo.rest.cdrs(2);
    assert_eq!(cdrs[1]["caller_media"]["sent"], 0, "it is nobody's media: {:#}", cdrs[1]);
    assert_tidy(&demo);
    demo.stop();
}
