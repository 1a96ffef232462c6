//! Scripts in telephone. A line is a time in milliseconds and
//!
//! - `open KEY=VALUE...`, keys with their side (`a.remote`), `opaque=1` for UDPTL;
//! - `update SIDE KEY=VALUE...`;
//! - `SIDE[.rtcp] SOURCE PACKET > WHERE DESTINATION` for a packet that goes on, or `> REASON`;
//! - `silent SIDE...`: who is told silent by now; `close`.
//!
//! Packets are `PT/SEQUENCE/SSRC` for RTP, `rtcp/SSRC`, or `stun`, `junk`, `short`.

use super::Silence;
use super::{
    Carried, Endpoint, MediaEvent, NoSuchPair, OpenError, PairId, PairSpec, Peer, Relay,
    RelayConfig, Side,
};
use crate::datagram::{Datagram, Drop, Verdict};
use crate::flow::Flow;
use crate::ports::{LocalPort, PortSpace};
use crate::report::MediaReport;
use proptest::prelude::*;
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_sdp::{Direction, PayloadTypes};
use strowger_wire::{rtcp, rtp};

fn space() -> PortSpace {
    PortSpace::new(1, 16_384, 16_399).unwrap()
}

fn port(number: u16) -> LocalPort {
    space().local_port(0, number).unwrap()
}

const PORTS: [(&str, u16); 4] =
    [("a", 16_384), ("a.rtcp", 16_385), ("b", 16_386), ("b.rtcp", 16_387)];

fn named_port(name: &str) -> LocalPort {
    port(PORTS.iter().find(|(known, _)| *known == name).unwrap().1)
}

fn peer() -> Peer {
    Peer {
        remote: None,
        rtcp_remote: None,
        nat: None,
        strict: false,
        direction: Direction::SendRecv,
        payload_types: PayloadTypes::ALL,
        telephone_event: Some(101),
        clock_hz: 8000,
    }
}

fn spec(a: Peer, b: Peer, carried: Carried) -> PairSpec {
    let end = |rtp: &str, rtcp: &str, peer| {
        let rtcp = (carried == Carried::Rtp).then(|| named_port(rtcp));
        Endpoint { rtp: named_port(rtp), rtcp, peer, silence: Silence::DEFAULT }
    };
    PairSpec { carried, a: end("a", "a.rtcp", a), b: end("b", "b.rtcp", b) }
}

fn set(peer: &mut Peer, key: &str, value: &str) {
    match key {
        "remote" => {
            peer.remote = value.parse().ok();
            let rtcp = |at: SocketAddr| SocketAddr::new(at.ip(), at.port() + 1);
            peer.rtcp_remote = peer.remote.map(rtcp);
        }
        "nat" => peer.nat = value.parse().ok(),
        "strict" => peer.strict = value == "1",
        "dir" => peer.direction = Direction::parse(value.as_bytes()).unwrap(),
        "pt" => peer.payload_types = value.split(',').map(|pt| pt.parse().unwrap()).collect(),
        other => panic!("unknown key {other}"),
    }
}

fn packet(text: &str) -> Vec<u8> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts[..] {
        ["stun"] => vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0],
        ["junk"] => b"hello".to_vec(),
        ["short"] => vec![0x80, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        ["rtcp", ssrc] => {
            let mut buffer = [0; 8];
            let mut builder = rtcp::Builder::new(&mut buffer);
            builder.receiver_report(ssrc.parse().unwrap(), &[]).unwrap();
            builder.finish().to_vec()
        }
        [payload_type, sequence, ssrc] => {
            let sequence: u16 = sequence.parse().unwrap();
            let mut octets = vec![0x2a; 172];
            let header = rtp::Header {
                marker: false,
                payload_type: payload_type.parse().unwrap(),
                sequence,
                timestamp: u32::from(sequence) * 160,
                ssrc: ssrc.parse().unwrap(),
            };
            header.emit(&mut octets).unwrap();
            octets
        }
        _ => panic!("unknown packet {text}"),
    }
}

struct Script {
    relay: Relay,
    pair: Option<PairId>,
    peers: [Peer; 2],
    now: Tick,
}

impl Script {
    fn run(text: &str) -> Script {
        let config = RelayConfig::new(space(), 2);
        let mut script =
            Script { relay: Relay::new(&config), pair: None, peers: [peer(); 2], now: Tick(0) };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            script.now = Tick(0).plus_ms(words[0].parse().unwrap());
            script.line(&words[1..], line);
        }
        script
    }

    fn line(&mut self, words: &[&str], line: &str) {
        match words {
            ["open", settings @ ..] => self.open(settings),
            ["update", side, settings @ ..] => self.update(side, settings),
            ["close"] => drop(self.close()),
            ["silent", expected @ ..] => assert_eq!(self.silent(), *expected, "{line}"),
            [at, from, sent, ">", expected @ ..] => {
                assert_eq!(self.send(at, from, sent), expected.join(" "), "{line}");
            }
            _ => panic!("cannot read: {line}"),
        }
    }

    fn open(&mut self, settings: &[&str]) {
        let mut carried = Carried::Rtp;
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap();
            match key.split_once('.') {
                Some(("a", key)) => set(&mut self.peers[0], key, value),
                Some(("b", key)) => set(&mut self.peers[1], key, value),
                Some(_) => panic!("unknown setting {setting}"),
                None => carried = Carried::Opaque,
            }
        }
        let spec = spec(self.peers[0], self.peers[1], carried);
        self.pair = Some(self.relay.open(&spec, self.now).unwrap());
    }

    fn update(&mut self, side: &str, settings: &[&str]) {
        let (side, index) = if side == "a" { (Side::A, 0) } else { (Side::B, 1) };
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap();
            set(&mut self.peers[index], key, value);
        }
        self.relay.update(self.pair.unwrap(), side, &self.peers[index], self.now).unwrap();
    }

    fn close(&mut self) -> MediaReport {
        self.relay.close(self.pair.unwrap(), self.now).unwrap()
    }

    fn send(&mut self, at: &str, from: &str, sent: &str) -> String {
        let mut octets = packet(sent);
        let before = octets.clone();
        let mut burst = [Datagram::new(named_port(at), from.parse().unwrap(), &mut octets)];
        self.relay.handle_burst(&mut burst, self.now);
        let verdict = burst[0].verdict;
        assert_eq!(octets, before, "a plain relay changes nothing");
        match verdict {
            Verdict::Dtls => "DTLS".to_owned(),
            Verdict::Drop(reason) => format!("{reason:?}"),
            Verdict::Send { from, to } => {
                let name = PORTS.iter().find(|(_, number)| port(*number) == from).unwrap().0;
                format!("{name} {to}")
            }
        }
    }

    fn silent(&mut self) -> Vec<&'static str> {
        self.relay.handle_timeout(self.now);
        let told = std::iter::from_fn(|| self.relay.poll_output());
        told.map(|MediaEvent::Silent { side, .. }| if side == Side::A { "a" } else { "b" })
            .collect()
    }

    fn report(&self) -> MediaReport {
        self.relay.report(self.pair.unwrap(), self.now).unwrap()
    }
}

#[test]
fn what_arrives_on_one_side_leaves_from_the_other() {
    let script = Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 a      192.0.2.1:4000    8/1/7    > b      198.51.100.2:5000
           20 b      198.51.100.2:5000 8/900/9  > a      192.0.2.1:4000
           20 a.rtcp 192.0.2.1:4001    rtcp/7   > b.rtcp 198.51.100.2:5001
           20 b.rtcp 198.51.100.2:5001 rtcp/9   > a.rtcp 192.0.2.1:4001
           40 a      192.0.2.1:4000    101/2/7  > b      198.51.100.2:5000",
    );
    let report = script.report();
    assert_eq!((report.a.media.packets, report.a.media.octets), (2, 344));
    assert_eq!((report.a.media.ssrc, report.a.media.payload_type), (Some(7), Some(8)));
    assert_eq!(report.a.media.latched, "192.0.2.1:4000".parse().ok());
    assert_eq!(report.a.rtcp.unwrap().packets, 1);
    assert_eq!((report.b.media.packets, report.b.media.drops.total()), (1, 0));
}

/// A sender report, or a report of `lost` packets of stream 7 that answers it after `held_ms`.
fn told(script: &mut Script, at: &str, from: &str, said: Result<u64, (i32, u32)>) {
    let mut buffer = [0; 64];
    let mut builder = rtcp::Builder::new(&mut buffer);
    match said {
        Ok(ntp) => {
            let info = rtcp::SenderInfo { ntp, ..Default::default() };
            builder.sender_report(7, info, &[]).unwrap();
        }
        Err((cumulative_lost, held_ms)) => {
            let block = rtcp::ReportBlock {
                ssrc: 7,
                cumulative_lost,
                jitter: 40,
                last_sr: 0x5678_9abc,
                delay_since_last_sr: (held_ms << 16) / 1_000,
                ..Default::default()
            };
            builder.receiver_report(9, &[block]).unwrap();
        }
    }
    let mut octets = builder.finish().to_vec();
    let before = octets.clone();
    let mut burst = [Datagram::new(named_port(at), from.parse().unwrap(), &mut octets)];
    script.relay.handle_burst(&mut burst, script.now);
    assert!(matches!(burst[0].verdict, Verdict::Send { .. }), "reports go on");
    assert_eq!(octets, before, "as they came");
}

#[test]
fn a_report_tells_loss_jitter_and_the_round_trip_of_who_heard() {
    let mut script = Script::run("0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000");
    let (a, b) = (("a.rtcp", "192.0.2.1:4001"), ("b.rtcp", "198.51.100.2:5001"));
    told(&mut script, a.0, a.1, Ok(0x1234_5678_9abc_def0));
    script.now = script.now.plus_ms(1_080);
    told(&mut script, b.0, b.1, Err((11, 1_000)));
    let report = script.report();
    let heard = report.b.rtcp.unwrap().heard.unwrap();
    assert_eq!((heard.reports, heard.lost, heard.jitter_us), (1, 11, 5_000));
    assert_eq!(heard.round_trip_us.map(|us| us / 1_000), Some(80));
    assert_eq!(report.a.rtcp.unwrap().heard, None, "it has reported nothing");
    // A pair that has the ports after it knows nothing of that.
    script.close();
    script.open(&["a.remote=192.0.2.1:4000", "b.remote=198.51.100.2:5000"]);
    assert_eq!(script.report().b.rtcp.unwrap().heard, None);
}

#[test]
fn nothing_is_read_of_rtcp_that_is_encrypted() {
    let mut script = Script::run("0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000");
    script.close();
    let mut spec = spec(script.peers[0], script.peers[1], Carried::Rtp);
    spec.carried = Carried::Srtp;
    script.pair = Some(script.relay.open(&spec, script.now).unwrap());
    told(&mut script, "b.rtcp", "198.51.100.2:5001", Err((11, 0)));
    let rtcp = script.report().b.rtcp.unwrap();
    assert_eq!((rtcp.packets, rtcp.heard), (1, None));
}

#[test]
fn the_signalled_address_is_used_at_once_and_others_are_strangers() {
    let script = Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 b      198.51.100.2:5000 8/1/9  > a 192.0.2.1:4000
            0 a      192.0.2.1:4002    8/1/7  > Stranger
            0 a      203.0.113.9:4000  8/1/7  > Stranger
            0 a.rtcp 192.0.2.1:4000    rtcp/7 > Stranger
           20 a      192.0.2.1:4000    8/2/7  > b 198.51.100.2:5000
           40 a      203.0.113.9:4000  8/3/7  > Stranger",
    );
    let report = script.report();
    assert_eq!(report.a.media.drops.of(Drop::Stranger), 3);
    assert_eq!((report.a.media.packets, report.a.media.moves), (1, 0));
    assert_eq!(report.a.rtcp.unwrap().drops.of(Drop::Stranger), 1);
}

#[test]
fn a_phone_behind_a_nat_is_learned_from_the_address_of_its_signalling() {
    Script::run(
        "   0 open a.remote=10.0.0.5:4000 a.nat=203.0.113.5 b.remote=198.51.100.2:5000
            0 b      198.51.100.2:5000  8/1/9  > a 10.0.0.5:4000
            0 a      203.0.113.6:61000  8/1/7  > Stranger
           20 a      203.0.113.5:61000  8/2/7  > b 198.51.100.2:5000
           20 b      198.51.100.2:5000  8/2/9  > a 203.0.113.5:61000
           40 a      203.0.113.5:61002  8/3/8  > Stranger
           40 a      10.0.0.5:4000      8/3/7  > Stranger
           40 b.rtcp 198.51.100.2:5001  rtcp/9 > a.rtcp 10.0.0.5:4001
           60 a.rtcp 203.0.113.5:61009  rtcp/7 > b.rtcp 198.51.100.2:5001
           60 b.rtcp 198.51.100.2:5001  rtcp/9 > a.rtcp 203.0.113.5:61009",
    );
}

#[test]
fn a_private_address_may_be_kept_out_until_the_public_one_is_seen() {
    Script::run(
        "   0 open a.remote=none a.nat=203.0.113.5 b.remote=198.51.100.2:5000
            0 b 198.51.100.2:5000 8/1/9 > NoDestination
           20 a 203.0.113.5:61000 8/1/7 > b 198.51.100.2:5000
           40 b 198.51.100.2:5000 8/2/9 > a 203.0.113.5:61000",
    );
}

#[test]
fn a_stream_may_be_continued_from_elsewhere_after_silence() {
    let script = Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 a 192.0.2.1:4000   8/100/7 > b 198.51.100.2:5000
           20 a 192.0.2.1:61000  8/101/7 > Stranger
         1999 a 192.0.2.1:61000  8/199/7 > Stranger
         2000 a 192.0.2.1:61000  8/200/8 > Stranger
         2000 a 192.0.2.1:61000  8/100/7 > Stranger
         2000 a 192.0.2.1:61000  8/201/7 > b 198.51.100.2:5000
         2020 b 198.51.100.2:5000 8/1/9  > a 192.0.2.1:61000
         2020 a 192.0.2.1:4000   8/202/7 > Stranger",
    );
    assert_eq!(script.report().a.media.moves, 1);
}

#[test]
fn rtcp_may_move_after_a_longer_silence() {
    Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 a.rtcp 192.0.2.1:4001  rtcp/7 > b.rtcp 198.51.100.2:5001
         5000 a.rtcp 192.0.2.1:61001 rtcp/7 > Stranger
         8000 a.rtcp 192.0.2.1:61001 rtcp/8 > Stranger
         8000 a.rtcp 192.0.2.1:61001 rtcp/7 > b.rtcp 198.51.100.2:5001
         8000 b.rtcp 198.51.100.2:5001 rtcp/9 > a.rtcp 192.0.2.1:61001",
    );
}

#[test]
fn a_source_that_restarts_at_its_address_goes_on() {
    let script = Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 a 192.0.2.1:4000 8/100/7   > b 198.51.100.2:5000
           20 a 192.0.2.1:4000 0/60000/8 > b 198.51.100.2:5000
           40 a 192.0.2.1:4000 0/5/8     > b 198.51.100.2:5000
           60 a 192.0.2.1:4000 0/6/8     > b 198.51.100.2:5000",
    );
    let media = script.report().a.media;
    assert_eq!((media.packets, media.lost), (4, 0));
    assert_eq!((media.ssrc, media.payload_type), (Some(8), Some(0)));
}

#[test]
fn a_strict_party_sends_from_where_it_says_and_nowhere_else() {
    let script = Script::run(
        "   0 open a.remote=192.0.2.1:4000 a.nat=203.0.113.5 a.strict=1 b.remote=198.51.100.2:5000
            0 a      203.0.113.5:61000 8/1/7   > Stranger
           20 b      198.51.100.2:5000 8/1/9   > a 192.0.2.1:4000
           40 a      192.0.2.1:4000    8/2/7   > b 198.51.100.2:5000
         2040 a      192.0.2.1:61000   8/100/7 > Stranger
         8040 a      203.0.113.5:61000 8/400/7 > Stranger
         8040 a.rtcp 192.0.2.1:61001   rtcp/7  > Stranger
         8040 a.rtcp 192.0.2.1:4001    rtcp/7  > b.rtcp 198.51.100.2:5001
         8060 update a remote=192.0.2.9:4000
         8060 a      192.0.2.9:4000    8/401/7 > b 198.51.100.2:5000
         8080 update a strict=0
        10060 a      203.0.113.5:61000 8/501/7 > b 198.51.100.2:5000",
    );
    let report = script.report();
    assert_eq!(report.a.media.drops.of(Drop::Stranger), 3);
    assert_eq!(report.a.media.moves, 1);
}

#[test]
fn a_flow_sends_so_much_a_second_and_strangers_use_up_none_of_it() {
    let config = RelayConfig { flow_packets_max: 3, ..RelayConfig::new(space(), 2) };
    let mut script =
        Script { relay: Relay::new(&config), pair: None, peers: [peer(); 2], now: Tick(0) };
    script.open(&["a.remote=192.0.2.1:4000", "b.remote=198.51.100.2:5000"]);
    let mut sent = |ms: u64, from: &str, sequence: u16| {
        script.now = Tick(0).plus_ms(ms);
        script.send("a", from, &format!("8/{sequence}/7"))
    };
    for sequence in 1..=3 {
        assert_eq!(sent(10, "203.0.113.9:4000", sequence), "Stranger");
        assert_eq!(sent(10, "192.0.2.1:4000", sequence), "b 198.51.100.2:5000");
    }
    assert_eq!(sent(11, "192.0.2.1:4000", 4), "Flood");
    assert_eq!(sent(11, "203.0.113.9:4000", 4), "Stranger");
    assert_eq!(sent(1_100, "192.0.2.1:4000", 5), "b 198.51.100.2:5000", "another second");
    // The other direction has its own.
    assert_eq!(script.send("b", "198.51.100.2:5000", "8/1/9"), "a 192.0.2.1:4000");
    let drops = script.report().a.media.drops;
    assert_eq!((drops.of(Drop::Flood), drops.of(Drop::Stranger)), (1, 4));
}

#[test]
fn no_limit_is_no_limit() {
    let config = RelayConfig { flow_packets_max: 0, ..RelayConfig::new(space(), 2) };
    let mut script =
        Script { relay: Relay::new(&config), pair: None, peers: [peer(); 2], now: Tick(0) };
    script.open(&["a.remote=192.0.2.1:4000", "b.remote=198.51.100.2:5000"]);
    for sequence in 0..5_000 {
        let sent = script.send("a", "192.0.2.1:4000", &format!("8/{sequence}/7"));
        assert_eq!(sent, "b 198.51.100.2:5000");
    }
}

#[test]
fn what_a_party_sends_on_behind_the_answer_is_told_of_its_flow() {
    let mut script = Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 b 198.51.100.2:5000 8/1/9 > a 192.0.2.1:4000
           20 b 198.51.100.2:5000 8/2/9 > a 192.0.2.1:4000",
    );
    assert_eq!(script.report().b.media.answered, None);
    let answered = script.now.plus_ms(20);
    script.relay.answer(script.pair.unwrap(), answered).unwrap();
    // Packets of the script have one payload, and it is loud.
    script.now = answered.plus_ms(1_500);
    script.send("b", "198.51.100.2:5000", "8/3/9");
    let told = script.report().b.media.answered.unwrap();
    assert_eq!((told.at, told.spoke), (answered, Some(script.now)));
    assert_eq!(told.rang, Some(script.now));
    let silent = script.report().a.media.answered.unwrap();
    assert_eq!((silent.spoke, silent.rang), (None, None));
    let pair = script.pair.unwrap();
    script.close();
    assert_eq!(script.relay.answer(pair, script.now), Err(NoSuchPair));
    // Who has the ports next has nothing of it.
    script.open(&["a.remote=192.0.2.1:4000", "b.remote=198.51.100.2:5000"]);
    assert_eq!(script.report().b.media.answered, None);
}

#[test]
fn a_new_address_in_signalling_is_used_at_once() {
    Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 b 198.51.100.2:5000 8/1/9  > a 192.0.2.1:4000
           20 update b remote=198.51.100.3:6000
           20 a 192.0.2.1:4000    8/1/7  > b 198.51.100.3:6000
           20 b 198.51.100.2:5000 8/2/9  > Stranger
           20 b 198.51.100.3:6000 8/1/10 > a 192.0.2.1:4000
           20 b.rtcp 198.51.100.3:6001 rtcp/10 > a.rtcp 192.0.2.1:4001",
    );
}

#[test]
fn a_hold_stops_media_and_not_rtcp_and_forgets_nothing() {
    let script = Script::run(
        "   0 open a.remote=10.0.0.5:4000 a.nat=203.0.113.5 b.remote=198.51.100.2:5000
            0 a      203.0.113.5:61000 8/1/7  > b 198.51.100.2:5000
           20 update a dir=sendonly
           20 update b dir=recvonly
           20 a      203.0.113.5:61000 8/2/7  > b 198.51.100.2:5000
           20 b      198.51.100.2:5000 8/1/9  > Held
           20 b.rtcp 198.51.100.2:5001 rtcp/9 > a.rtcp 10.0.0.5:4001
           40 update a dir=inactive
           40 a      203.0.113.5:61000 8/3/7  > Held
           60 update a dir=sendrecv
           60 update b dir=sendrecv
           60 b      198.51.100.2:5000 8/2/9  > a 203.0.113.5:61000",
    );
    let report = script.report();
    assert_eq!((report.a.media.packets, report.a.media.drops.of(Drop::Held)), (3, 1));
    assert_eq!((report.b.media.packets, report.b.media.lost), (2, 0));
}

#[test]
fn a_hold_by_address_sends_nothing_and_keeps_the_latch() {
    Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 a      192.0.2.1:4000    8/1/7  > b 198.51.100.2:5000
           20 update a remote=none dir=sendonly
           20 b      198.51.100.2:5000 8/1/9  > Held
           20 b.rtcp 198.51.100.2:5001 rtcp/9 > NoDestination
           40 a      192.0.2.1:4000    8/2/7  > b 198.51.100.2:5000
           60 update a remote=192.0.2.1:4000 dir=sendrecv
           60 b      198.51.100.2:5000 8/2/9  > a 192.0.2.1:4000",
    );
}

#[test]
fn packets_latch_while_on_hold() {
    Script::run(
        "   0 open a.remote=10.0.0.5:4000 a.nat=203.0.113.5 b.remote=198.51.100.2:5000
            0 update a dir=recvonly
            0 b 198.51.100.2:5000 8/1/9 > a 10.0.0.5:4000
           20 a 203.0.113.5:61000 8/1/7 > Held
           40 b 198.51.100.2:5000 8/2/9 > a 203.0.113.5:61000",
    );
}

#[test]
fn what_is_not_media_is_dropped_with_its_reason() {
    let script = Script::run(
        "   0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000 a.pt=0,8
            0 a      192.0.2.1:4000 stun   > Junk
            0 a      192.0.2.1:4000 junk   > Junk
            0 a      192.0.2.1:4000 short  > Junk
            0 a      192.0.2.1:4000 rtcp/7 > Junk
            0 a.rtcp 192.0.2.1:4001 8/1/7  > Junk
            0 a.rtcp 192.0.2.1:4001 stun   > Junk
            0 a      192.0.2.1:4000 97/1/7 > PayloadType
            0 a      192.0.2.1:4000 8/1/7  > b 198.51.100.2:5000",
    );
    let report = script.report();
    assert_eq!(report.a.media.drops.of(Drop::Junk), 4);
    assert_eq!(report.a.rtcp.unwrap().drops.of(Drop::Junk), 2);
    assert_eq!(report.a.media.drops.of(Drop::PayloadType), 1);
    assert_eq!((report.a.media.packets, report.a.media.lost), (1, 0));
}

#[test]
fn a_truncated_packet_is_dropped() {
    let mut script = Script::run("0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000");
    let mut octets = packet("8/1/7");
    let from = "192.0.2.1:4000".parse().unwrap();
    let mut datagram = Datagram::new(named_port("a"), from, &mut octets);
    datagram.truncated = true;
    script.relay.handle_burst(std::slice::from_mut(&mut datagram), Tick(0));
    assert_eq!(datagram.verdict, Verdict::Drop(Drop::Truncated));
    assert_eq!(script.report().a.media.drops.of(Drop::Truncated), 1);
}

#[test]
fn fax_datagrams_are_not_looked_at() {
    let script = Script::run(
        "   0 open opaque=1 a.remote=10.0.0.5:4000 a.nat=203.0.113.5 b.remote=198.51.100.2:5000
            0 b 198.51.100.2:5000 stun > a 10.0.0.5:4000
            0 a 203.0.113.5:61000 stun > b 198.51.100.2:5000
            0 a 203.0.113.5:61002 stun > Stranger
         2000 a 203.0.113.6:61002 junk > Stranger
         2000 a 203.0.113.5:61002 junk > b 198.51.100.2:5000
         9000 b 198.51.100.2:5004 junk > Stranger",
    );
    assert_eq!((script.report().a.media.lost, script.report().a.media.ssrc), (0, None));
    assert_eq!(script.report().a.rtcp, None);
}

#[test]
fn closed_flows_send_nothing() {
    let mut script = Script::run(
        "   0 a 192.0.2.1:4000 8/1/7 > Closed
            0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
            0 a 192.0.2.1:4000 8/1/7 > b 198.51.100.2:5000
           20 close
           20 a      192.0.2.1:4000    8/2/7  > Closed
           20 b      198.51.100.2:5000 8/2/9  > Closed
           20 a.rtcp 192.0.2.1:4001    rtcp/7 > Closed",
    );
    assert_eq!((script.relay.closed_drops(), script.relay.open_count()), (4, 0));
    let gone = script.pair.unwrap();
    assert_eq!(script.relay.close(gone, script.now), Err(NoSuchPair));
    assert_eq!(script.relay.update(gone, Side::A, &peer(), script.now), Err(NoSuchPair));
    assert_eq!(script.relay.report(gone, script.now), None);
    assert_eq!(script.relay.poll_timeout(), None);
}

#[test]
fn the_next_pair_in_a_place_is_another_pair() {
    let mut script = Script::run("0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000");
    let first = script.pair.unwrap();
    script.close();
    script.open(&[]);
    assert_ne!(script.pair, Some(first));
    assert_eq!(script.relay.close(first, script.now), Err(NoSuchPair));
    assert_eq!(script.report().a.media.packets, 0);
}

#[test]
fn ports_belong_to_one_pair() {
    let mut script = Script::run("0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000");
    let end = |rtp, rtcp| Endpoint { rtp, rtcp, peer: peer(), silence: Silence::DEFAULT };
    let mut open =
        |a, b| script.relay.open(&PairSpec { carried: Carried::Rtp, a, b }, Tick(0)).map(|_| ());
    let free = [port(16_388), port(16_389), port(16_390), port(16_391)];
    let outside = PortSpace::DEFAULT.local_port(0, 30_000).unwrap();
    let busy = Err(OpenError::PortBusy);
    assert_eq!(open(end(named_port("a"), None), end(free[0], None)), busy);
    assert_eq!(open(end(free[0], Some(free[1])), end(free[2], Some(free[1]))), busy);
    assert_eq!(open(end(free[0], None), end(free[0], None)), busy);
    let unknown = Err(OpenError::UnknownPort);
    assert_eq!(open(end(free[0], None), end(outside, None)), unknown);
    assert_eq!(open(end(free[0], None), end(free[1], None)), Ok(()));
    assert_eq!(open(end(free[2], None), end(free[3], None)), Err(OpenError::PairsFull));
    assert_eq!(script.relay.open_count(), 2);
}

#[test]
fn a_side_without_rtcp_port_gets_none() {
    let mut script = Script::run("0 silent");
    let with = |remote: &str| {
        let mut peer = peer();
        set(&mut peer, "remote", remote);
        peer
    };
    let mut spec = spec(with("192.0.2.1:4000"), with("198.51.100.2:5000"), Carried::Rtp);
    spec.b.rtcp = None;
    script.pair = Some(script.relay.open(&spec, Tick(0)).unwrap());
    assert_eq!(script.send("a.rtcp", "192.0.2.1:4001", "rtcp/7"), "NoDestination");
    assert_eq!(script.report().b.rtcp, None);
}

#[test]
fn silence_is_told_once_and_again_after_speech() {
    Script::run(
        "     0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
              0 a 192.0.2.1:4000 8/1/7 > b 198.51.100.2:5000
          29999 silent
          30000 silent b
          59999 silent
          60000 silent a
         120000 silent
         130000 a 192.0.2.1:4000 8/9/7 > b 198.51.100.2:5000
         189999 silent
         190000 silent a",
    );
}

#[test]
fn a_side_may_be_silent_for_ever() {
    let space = PortSpace::new(1, 1024, 1027).unwrap();
    let mut relay = Relay::new(&RelayConfig::new(space, 1));
    let at = |n: u16| space.local_port(0, 1024 + n).unwrap();
    let from: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let known = Peer { remote: Some(from), ..peer() };
    let end = |n, silence| Endpoint { rtp: at(n), rtcp: None, peer: known, silence };
    let running = Silence { start_ms: 0, running_ms: 1_000 };
    let (a, b) = (end(0, Silence::NEVER), end(2, running));
    let pair = relay.open(&PairSpec { carried: Carried::Rtp, a, b }, Tick(0)).unwrap();
    relay.handle_timeout(Tick(0).plus_ms(3_600_000));
    assert_eq!(relay.poll_output(), None);
    // Once it has spoken, its pauses count.
    let mut octets = [0x80, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    let spoke = Tick(0).plus_ms(3_600_000);
    relay.handle_burst(&mut [Datagram::new(at(2), from, &mut octets)], spoke);
    relay.handle_timeout(spoke.plus_ms(5_000));
    assert_eq!(relay.poll_output(), Some(MediaEvent::Silent { pair, side: Side::B }));
    assert_eq!(relay.poll_output(), None);
}

#[test]
fn who_should_not_send_is_not_silent() {
    Script::run(
        "     0 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000
              0 b 198.51.100.2:5000 8/1/9 > a 192.0.2.1:4000
           1000 update b dir=sendonly
          50000 silent
          61000 silent b
          70000 update b dir=inactive
         900000 silent
         900000 update b dir=sendrecv
         929999 silent
         930000 silent a
         960000 silent b",
    );
}

#[test]
fn the_timeout_polled_is_when_silence_is_told() {
    let mut script = Script::run("100 open a.remote=192.0.2.1:4000 b.remote=198.51.100.2:5000");
    script.now = script.relay.poll_timeout().unwrap();
    assert_eq!(script.now, Tick(0).plus_ms(30_500)); // due at 30,100, in slots of half a second
    assert_eq!(script.silent(), ["a", "b"]);
    script.close();
    assert_eq!(script.relay.poll_timeout(), None);
}

#[test]
fn events_beyond_the_bound_wait() {
    let space = PortSpace::new(1, 1024, 3023).unwrap();
    let mut relay = Relay::new(&RelayConfig::new(space, 500));
    for pair in 0..500u16 {
        let at = |n: u16| space.local_port(0, 1024 + 4 * pair + n).unwrap();
        let end = |n| Endpoint {
            rtp: at(n),
            rtcp: Some(at(n + 1)),
            peer: peer(),
            silence: Silence::DEFAULT,
        };
        relay.open(&PairSpec { carried: Carried::Rtp, a: end(0), b: end(2) }, Tick(0)).unwrap();
    }
    let now = Tick(0).plus_ms(30_000);
    let mut told = Vec::new();
    while relay.poll_timeout().is_some_and(|due| due <= now) {
        relay.handle_timeout(now);
        let events: Vec<_> = std::iter::from_fn(|| relay.poll_output()).collect();
        assert!((1..=crate::limits::EVENTS_MAX).contains(&events.len()));
        told.extend(events.iter().map(MediaEvent::pair));
    }
    assert_eq!(told.len(), 1000);
    told.dedup();
    assert_eq!(told.len(), 500);
}

#[test]
fn sizes_are_what_was_decided() {
    let sizes = [
        ("Flow", size_of::<Flow>()),
        ("Slot", size_of::<super::Slot>()),
        ("PairSlot", size_of::<super::PairSlot>()),
        ("Datagram", size_of::<Datagram<'_>>()),
        ("MediaReport", size_of::<MediaReport>()),
    ];
    let expected =
        [("Flow", 272), ("Slot", 272), ("PairSlot", 96), ("Datagram", 104), ("MediaReport", 576)];
    assert_eq!(sizes, expected);
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic_and_never_leave_by_the_wrong_side(
        packets in prop::collection::vec(
            (0usize..4, 0u8..3, prop::collection::vec(any::<u8>(), 0..40), 0u64..5_000),
            0..60,
        ),
    ) {
        let mut script = Script::run(
            "0 open a.remote=192.0.2.1:4000 a.nat=203.0.113.5 b.remote=198.51.100.2:5000",
        );
        for (at, source, mut octets, ms) in packets {
            script.now = script.now.plus_ms(ms);
            let sources = ["192.0.2.1:4000", "198.51.100.2:5000", "203.0.113.5:9"];
            let source = sources[usize::from(source)];
            if let Some(first) = octets.first_mut() {
                *first |= 0x80; // likely RTP or RTCP
            }
            let at = port(PORTS[at].1);
            let mut burst = [Datagram::new(at, source.parse().unwrap(), &mut octets)];
            script.relay.handle_burst(&mut burst, script.now);
            if let Verdict::Send { from, .. } = burst[0].verdict {
                prop_assert_eq!(from.index(), at.index() ^ 2);
            }
            script.silent();
        }
    }
}
