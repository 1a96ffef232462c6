//! Requests and responses by connections: which way they go, and what fails with a connection.

use super::script::{Bench, config};
use crate::endpoint::{Config, Endpoint, Listener, Output, Path, Transmit};
use strowger_link::{Tick, Transport};

const FLOW: u64 = 0x77;

/// An endpoint with a listener for TCP behind those of the scripts, and this bound of UDP.
fn bench(udp_len_max: usize) -> Bench {
    let mut config = config();
    let local = ([192, 0, 2, 1], 5060).into();
    config.listeners.push(Listener { transport: Transport::Tcp, local, advertised: local });
    let mut bench = Bench::new();
    bench.endpoint = Endpoint::new(Config { udp_len_max, ..config });
    bench
}

fn tcp(peer: &str, flow: u64) -> Path {
    let local = ([192, 0, 2, 1], 5060).into();
    Path { listener: 2, transport: Transport::Tcp, local, peer: peer.parse().unwrap(), flow }
}

/// A peer's message by `path`; what leaves for it.
fn feed(bench: &mut Bench, text: &str, path: Path) -> Vec<Transmit> {
    let bytes = text.replace('\n', "\r\n");
    bench.endpoint.handle_datagram(bytes.as_bytes(), path, bench.now, &mut bench.keys);
    transmits(bench)
}

fn transmits(bench: &mut Bench) -> Vec<Transmit> {
    let mut all = Vec::new();
    while let Some(output) = bench.endpoint.poll_output() {
        if let Output::Transmit(transmit) = output {
            all.push(transmit);
        }
    }
    all
}

fn text(transmit: &Transmit) -> String {
    String::from_utf8(transmit.bytes.to_vec()).unwrap()
}

fn request(method: &str, more: &str) -> String {
    format!(
        "{method} sip:4420@192.0.2.1 SIP/2.0\n\
         Via: SIP/2.0/TCP 10.0.0.5:5060;branch=z9hG4bK{method}\n\
         From: <sip:a@b>;tag=1\nTo: <sip:4420@b>{more}\nCall-ID: c\nCSeq: 1 {method}\n\
         Contact: <sip:a@10.0.0.5;transport=tcp>\nContent-Length: 0\n\n"
    )
}

/// RFC 3261 18.2.2: whatever Via says.
#[test]
fn an_answer_goes_back_by_its_connection() {
    let mut bench = bench(1_300);
    let path = tcp("198.51.100.7:40000", FLOW);
    let sent = feed(&mut bench, &request("OPTIONS", ""), path);
    let [ok] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(ok.path, path);
    assert!(text(ok).starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 10.0.0.5:5060;"));
}

/// Nothing is retransmitted hop by hop: no timer G, and timer H ends it.
#[test]
fn a_refusal_is_sent_once_by_a_connection() {
    let mut bench = bench(1_300);
    let path = tcp("198.51.100.7:40000", FLOW);
    let trying = feed(&mut bench, &request("INVITE", ""), path);
    assert!(text(trying.first().unwrap()).starts_with("SIP/2.0 100 "), "{trying:?}");
    let cause = strowger_link::Cause::from_sip(486);
    let hangup = strowger_leg::Command::Hangup { cause, phrase: "".into(), retry_after_s: 0 };
    bench.endpoint.handle_command(super::script::leg_id(1), hangup, bench.now);
    let sent = transmits(&mut bench);
    let [busy] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(busy.path, path);
    let mut ends = Vec::new();
    while let Some(at) = bench.endpoint.poll_timeout() {
        bench.endpoint.handle_timeout(at);
        assert_eq!(transmits(&mut bench), [], "at {at:?}");
        ends.push(at);
    }
    assert_eq!(ends, [Tick(bench.now.0).plus_ms(32_000)], "timer H alone");
    assert_eq!(bench.endpoint.transactions(), 0);
}

/// RFC 3261 18.1.1: a long request goes by TCP, and by UDP when TCP is refused; that is remembered.
#[test]
fn a_long_request_goes_by_tcp_or_back_to_udp() {
    let mut bench = bench(200);
    bench.run_open("call> Invite\npeer< INVITE sdp to=192.0.2.10:5060");
    let call = |bench: &mut Bench| {
        let order = strowger_leg::Command::Invite(Box::new(super::script::order()));
        bench.keys.next += 1;
        let id = super::script::leg_id(bench.keys.next);
        bench.endpoint.handle_command(id, order, bench.now);
        transmits(bench)
    };
    let sent = call(&mut bench);
    let [first] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(first.path, Path { flow: 0, ..tcp("192.0.2.10:5060", 0) });
    assert!(text(first).contains("\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch="), "{}", text(first));
    bench.endpoint.handle_disconnected(Transport::Tcp, first.path.peer, 9, bench.now);
    let sent = transmits(&mut bench);
    let both = [Transport::Udp, Transport::Udp];
    let ways: Vec<Transport> = sent.iter().map(|transmit| transmit.path.transport).collect();
    assert_eq!(ways, both, "both calls that went by TCP");
    assert!(sent.iter().all(|transmit| text(transmit).contains("\r\nVia: SIP/2.0/UDP 192.0.2.1")));
    // The next one does not try again, for an hour.
    assert_eq!(call(&mut bench)[0].path.transport, Transport::Udp);
    bench.now = bench.now.plus_ms(3_600_001);
    assert_eq!(call(&mut bench)[0].path.transport, Transport::Tcp);
}

#[test]
fn short_requests_and_peers_whose_address_says_udp_stay_with_it() {
    let mut bench = bench(1_300);
    bench.run_open("call> Invite\npeer< INVITE sdp to=192.0.2.10:5060");
    let mut order = super::script::order();
    order.branch.target.uri.push_str(";transport=udp");
    let mut other = super::stream::bench(200);
    let order = strowger_leg::Command::Invite(Box::new(order));
    other.endpoint.handle_command(super::script::leg_id(1), order, other.now);
    assert_eq!(transmits(&mut other)[0].path.transport, Transport::Udp);
}

/// A connection that is gone fails what went by it, and nothing else.
#[test]
fn what_went_by_a_connection_fails_with_it() {
    let mut bench = bench(1_300);
    let ends = |bench: &mut Bench, flow: u64, of: Path| {
        bench.endpoint.handle_disconnected(Transport::Tcp, of.peer, flow, bench.now);
        bench.drain();
        bench.texts()
    };
    let mut order = super::script::order();
    order.branch.listener = 2;
    let target = &mut order.branch.target;
    (target.transport, target.flow) = (Transport::Tcp, FLOW);
    let path = tcp("192.0.2.10:5060", FLOW);
    let order = strowger_leg::Command::Invite(Box::new(order));
    bench.endpoint.handle_command(super::script::leg_id(1), order, bench.now);
    assert_eq!(transmits(&mut bench)[0].path, path);
    assert_eq!(ends(&mut bench, FLOW + 1, path), [""; 0]);
    // ICMP is of datagrams.
    bench.endpoint.handle_unreachable(path.peer, bench.now);
    assert_eq!(ends(&mut bench, FLOW, path), ["call< Refused 503/41 silent"]);
}

/// A phone that connected again is found by its new connection.
#[test]
fn a_leg_follows_its_party_to_another_connection() {
    let mut bench = bench(1_300);
    let (old, new) = (tcp("198.51.100.7:40000", FLOW), tcp("198.51.100.7:40001", FLOW + 1));
    let sent = feed(&mut bench, &request("INVITE", ""), old);
    assert_eq!(sent[0].path, old);
    let body =
        strowger_leg::Body { content_type: "application/sdp".into(), data: (*b"v=0").into() };
    let answer = strowger_leg::Command::Answer { body: Some(body) };
    bench.endpoint.handle_command(super::script::leg_id(1), answer, bench.now);
    let ok = text(&transmits(&mut bench)[0]);
    let tag = ok.split(";tag=").last().and_then(|rest| rest.split("\r\n").next()).unwrap();
    let inside = |method: &str| {
        let text = request(method, &format!(";tag={tag}"));
        text.replace("CSeq: 1 INFO", "CSeq: 2 INFO")
    };
    assert_eq!(feed(&mut bench, &inside("ACK"), old), []);
    let sent = feed(&mut bench, &inside("INFO"), new);
    assert_eq!(sent[0].path, new, "{sent:?}");
    let cause = strowger_link::Cause::new(0, 16);
    let hangup = strowger_leg::Command::Hangup { cause, phrase: "".into(), retry_after_s: 0 };
    bench.endpoint.handle_command(super::script::leg_id(1), hangup, bench.now);
    let bye = &transmits(&mut bench)[0];
    assert!(text(bye).starts_with("BYE sip:a@10.0.0.5;transport=tcp"));
    assert_eq!(bye.path, new);
}

#[test]
fn the_begin_of_an_endless_message_is_answered() {
    let mut bench = bench(1_300);
    let path = tcp("198.51.100.7:40000", FLOW);
    let head = request("OPTIONS", "").replace("Content-Length: 0\n", "").replace('\n', "\r\n");
    for (is_long, status) in [(false, "SIP/2.0 400 "), (true, "SIP/2.0 513 ")] {
        bench.endpoint.refuse_unframed(head.as_bytes(), path, is_long);
        let sent = transmits(&mut bench);
        assert!(text(&sent[0]).starts_with(status), "{}", text(&sent[0]));
        assert_eq!(sent[0].path, path);
    }
    bench.endpoint.refuse_unframed(b"SIP/2.0 200 OK\r\n\r\n", path, true);
    assert_eq!(transmits(&mut bench), []);
}
