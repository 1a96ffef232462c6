//! Several listeners of both families: IPv4 to IPv6 calls, and which address stands where.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use strowger_phone::flows::{self, FLOWS, Site};
use strowger_phone::message::{Message, address_uri, sent_by, uri_socket};
use strowger_phone::{Config, EndedBy, Phone};

use crate::demo::{CARRIER, Demo, Home, carrier_turn};
use crate::talk::{SOON, Talk};
use crate::{RING_TIMEOUT, assert_tidy};

/// Two IPv4 listeners and an IPv6 one. Peers of the second one know it by another address, as
/// behind a port forwarding.
const CONFIG: &str = "\
    sip.listen = [\"127.0.0.1:5060\", \"127.0.0.2:5060\", \"[::1]:5060\"]\n\
    sip.advertise = [\"127.0.0.1:0\", \"127.0.0.9:5999\", \"[::1]:0\"]\n\
    media.addresses = [\"127.0.0.1\", \"::1\", \"127.0.0.2\"]\n\
    log.level = \"info\"\n";

/// Whether this machine has an IPv6 loopback; says so when it has none.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn has_ipv6() -> bool {
    let has = UdpSocket::bind("[::1]:0").is_ok();
    if !has {
        eprintln!("SKIPPED: this machine has no IPv6 loopback, IPv6 was NOT tested");
    }
    has
}

/// A registered phone at `listener`, on a free port of `ip`. It sends everything to the listener
/// itself, as the advertised address is nobody's here.
fn phone_at(listener: SocketAddr, ip: &str, (user, password): (&str, &str)) -> Phone {
    let config = Config::new(user, password, listener);
    let bind = SocketAddr::new(ip.parse().unwrap(), 0);
    let config = Config { bind, patience: SOON, outbound_proxy: true, ..config };
    let phone = Phone::new(config).unwrap();
    phone.register(300).unwrap();
    phone
}

/// The address that a message names in a field.
fn contact(message: &Message) -> SocketAddr {
    uri_socket(address_uri(message.header("Contact").unwrap())).unwrap()
}

/// A message of ours names `own` in every field and `media` in its description, and nothing of
/// any other address of ours.
fn names_only(message: &Message, own: SocketAddr, media: SocketAddr) {
    let text = String::from_utf8(message.to_bytes()).unwrap();
    assert_eq!(contact(message), own, "{text}");
    let (family, ip) = if media.is_ipv6() { ("IP6", media.ip()) } else { ("IP4", media.ip()) };
    let lines: Vec<&str> = text.lines().filter(|l| l.contains("IN IP")).collect();
    assert!(lines.len() >= 2, "{text}");
    assert!(lines.iter().all(|l| l.ends_with(&format!("IN {family} {ip}"))), "{text}");
    assert!(!text.to_lowercase().contains("::ffff"), "{text}");
}

#[test]
fn phones_of_both_families_speak_with_each_other() {
    if !has_ipv6() {
        return;
    }
    let home = Home::new();
    let demo = Demo::start_with(&home, CONFIG);
    let listeners = demo.listeners();
    let [_, second, third] = listeners[..] else { panic!("{listeners:?}") };
    let told: SocketAddr = "127.0.0.9:5999".parse().unwrap();
    let media = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
    let ada = phone_at(third, "::1", flows::ALICE);
    let bob = phone_at(second, "127.0.0.3", flows::BOB);
    for (caller, number, callee) in [(&ada, "1002", &bob), (&bob, "1001", &ada)] {
        let talk = Talk::new(caller, number, callee);
        let (invite, ok) = (talk.inc.request(), talk.out.response().unwrap());
        let to_bob = number == "1002";
        let (to_callee, to_caller) = match to_bob {
            true => ((told, media("127.0.0.2")), (third, media("::1"))),
            false => ((third, media("::1")), (told, media("127.0.0.2"))),
        };
        assert_eq!(sent_by(invite.via().unwrap()), to_callee.0.to_string());
        names_only(&invite, to_callee.0, to_callee.1);
        names_only(&ok, to_caller.0, to_caller.1);
        talk.held_by_both();
        talk.heard_again(10, SOON);
        assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
        assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    }
    let cdrs = format!("{:?}", demo.rest.cdrs(2));
    assert!(!cdrs.to_lowercase().contains("::ffff"), "{cdrs}");
    // What each listener carried is shown by its address.
    demo.rest.fresh_counters();
    for (index, (local, advertised)) in
        [(listeners[0], listeners[0]), (second, told), (third, third)].into_iter().enumerate()
    {
        let sample = |name: &str| {
            demo.rest.metric(&format!(
                "strowger_sip_listener_total{{shard=\"0\",listener=\"{index}\",local=\"{local}\",\
                 advertised=\"{advertised}\",name=\"{name}\"}}"
            ))
        };
        assert_eq!(sample("received") > 10, index > 0, "{local}");
        assert_eq!(sample("sent") > 10, index > 0, "{local}");
        assert_eq!(sample("malformed") + sample("failed"), 0, "{local}");
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn every_flow_passes_by_ipv6() {
    if !has_ipv6() {
        return;
    }
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start_with(&home, CONFIG);
    let server = demo.listeners()[2];
    // The carrier is an IPv4 one: its calls come from IPv6 phones.
    let site = Site { server, ring_timeout: RING_TIMEOUT, carrier: CARRIER };
    let mut failed = Vec::new();
    for (name, flow) in FLOWS.into_iter().filter(|(name, _)| *name != "no_answer") {
        if let Err(why) = flow(&site) {
            failed.push(format!("{name}: {why}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn all_listeners_outlive_the_dataplane() {
    if !has_ipv6() {
        return;
    }
    let home = Home::new();
    let demo = Demo::start_with(&home, CONFIG);
    let listeners = demo.listeners();
    let ada = phone_at(listeners[2], "::1", flows::ALICE);
    let bob = phone_at(listeners[1], "127.0.0.3", flows::BOB);
    let talk = Talk::new(&ada, "1002", &bob);
    demo.replace(demo.planes().switchd);
    // The call goes on between the families, and ends by the listeners that it began on.
    talk.heard_again(20, SOON);
    assert_eq!(talk.inc.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    for listener in &listeners {
        let ip = if listener.is_ipv6() { "::1" } else { "127.0.0.4" };
        let bind = SocketAddr::new(ip.parse().unwrap(), 0);
        let config = Config { bind, patience: SOON, ..Config::new("x", "", *listener) };
        let pinger = Phone::new(config).unwrap();
        let ok = pinger.request("OPTIONS", &format!("sip:{listener}"), &[]).unwrap();
        assert_eq!(ok.code(), Some(200), "{listener}");
    }
    let again = Talk::new(&bob, "1001", &ada);
    again.heard(10);
    assert_eq!(again.out.bye().unwrap(), EndedBy::LocalBye);
    demo.rest.cdrs(2);
    assert_eq!(demo.listeners(), listeners);
    demo.stop();
}

/// The demo's trunk moves to IPv6: known by its network there, and called there.
#[test]
fn an_ipv6_carrier_calls_and_is_called() {
    if !has_ipv6() {
        return;
    }
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start_with(&home, CONFIG);
    let listeners = demo.listeners();
    let at: SocketAddr = "[::1]:5090".parse().unwrap();
    demo.change(
        "UPDATE trunks SET egress = json_set(egress, '$.targets', json('[\"[::1]:5090\"]')), \
         ingress = json_set(ingress, '$.sources', \
         json('[{\"network\":\"::\",\"prefix_len\":64,\"port\":0}]'))",
    );
    let phone = Config::new("trunk", "", listeners[2]);
    let carrier = Phone::new(Config { bind: at, patience: SOON, ..phone }).unwrap();
    let bob = phone_at(listeners[0], "127.0.0.1", flows::BOB);
    // In force within a second: till then the trunk's calls are a stranger's.
    let deadline = Instant::now() + Duration::from_secs(3);
    let (out, inc) = loop {
        let out = carrier.invite("1002").unwrap();
        match bob.wait_call(Duration::from_millis(300)) {
            Ok(inc) => break (out, inc),
            Err(_) => assert!(Instant::now() < deadline, "the change is not in force"),
        }
    };
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    names_only(&inc.request(), listeners[0], SocketAddr::new(listeners[0].ip(), 0));
    names_only(&out.response().unwrap(), listeners[2], SocketAddr::new(at.ip(), 0));
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    let ada = phone_at(listeners[1], "127.0.0.3", flows::ALICE);
    let talk = Talk::new(&ada, flows::ABROAD, &carrier);
    let invite = talk.inc.request();
    names_only(&invite, listeners[2], SocketAddr::new(at.ip(), 0));
    assert!(invite.uri().starts_with("sip:44123@[::1]:5090"), "{}", invite.uri());
    assert_eq!(talk.inc.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    demo.stop();
}
