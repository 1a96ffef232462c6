//! The program that relays, between three hosts with real sockets: what goes on in the kernel is
//! what we send by ourselves, what is not certain comes up, and it outlives us no longer than it
//! may. Each test is of all programs that relay.
//!
//! Each test runs itself again below `unshare --net`, as root; without root it is skipped.

#![cfg(test)]

mod hosts;

use std::net::{IpAddr, SocketAddr};

use hosts::ours::{ADA, BOB, LONG_MS, Ours, PORTS, SHORT_MS, SSRC, at, config, packet, packet_of};
use hosts::{ALL, BEHIND, Host, OURS, backend, by, inside, parties};
use strowger_link::{MS, SECOND, Tally, Tick};
use strowger_path::{Steering, choose};
use strowger_port::clock;
use strowger_port::mmsg::Relayer;
use strowger_port::net::{Io, Offload};
use strowger_tuning::Config;
use strowger_wire::{ipv4, udp};

#[test]
fn a_partys_host() {
    hosts::be_a_host();
}

#[test]
fn the_kernel_relays_as_we_do() {
    if !inside("the_kernel_relays_as_we_do", &ALL) {
        return;
    }
    let [mut a, mut b] = parties();
    hosts::route_behind();
    let steering = Steering::open(&config(backend()), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    assert!(ours.io.offloads());
    let sizes = [0, 1, 2, 3, 160, 161, 480, 1_200];
    for family in 0..2 {
        let (ada, bob) = (a.bind(ADA[family]), b.bind(BOB[family]));
        let [port, out] = PORTS[family];
        let mut heard = [Vec::new(), Vec::new()];
        let mut sequence = 100;
        for by_kernel in [false, true] {
            if by_kernel {
                ours.give_fresh(family, sequence - 1);
            }
            for size in sizes {
                a.send(ada.0, at(port), &packet(sequence, size));
                if !by_kernel {
                    ours.relay(out, bob.1);
                }
                let (from, data) = b.hear(bob.0, LONG_MS).unwrap();
                assert_eq!(data, packet(sequence, size), "{family} {by_kernel} {size}");
                heard[usize::from(by_kernel)].push((from, data[12..].to_vec()));
                sequence += 1;
            }
        }
        assert_eq!(heard[0], heard[1]);
        assert_eq!(heard[0][0].0, at(out));
        assert_eq!(ours.next(SHORT_MS), None, "nothing of it came up");
        let tally = ours.take_back(family).unwrap();
        let octets = sizes.iter().map(|size| 12 + *size as u64).sum::<u64>();
        assert_eq!((tally.packets, tally.octets), (8, octets));
        assert_eq!((tally.received, tally.highest, tally.payload_type), (8, 115, Some(8)));
        a.send(ada.0, at(port), &packet(sequence, 160));
        assert!(ours.next(LONG_MS).is_some(), "it comes up again");
    }
    // What is behind a gateway goes to the gateway.
    let behind = format!("{BEHIND}:5002");
    let (ada, far) = (a.bind("10.77.1.2:4002"), b.bind(&behind));
    let offload = Offload {
        from: ada.1,
        to: far.1,
        out: PORTS[0][1],
        payload_types: u128::MAX,
        event: None,
        clock_hz: 8_000,
        packets_max: 0,
    };
    ours.io.sample();
    let tally = Tally { ssrc: SSRC, highest: 1, ..Tally::default() };
    assert!(ours.io.offload(PORTS[0][0], &offload, &tally));
    a.send(ada.0, at(PORTS[0][0]), &packet(2, 160));
    assert_eq!(b.hear(far.0, LONG_MS).unwrap(), (at(PORTS[0][1]), packet(2, 160)));
    assert_eq!(ours.io.given(PORTS[0][0]).unwrap(), offload);
    // No way goes on by loopback, nor by an interface that is not named.
    ours.take_back(0);
    ours.rest(2);
    ours.io.sample();
    for to in ["127.0.0.1:9", "10.99.0.1:9"] {
        let offload = Offload { to: to.parse().unwrap(), ..offload };
        assert!(!ours.io.offload(PORTS[0][0], &offload, &tally), "{to}");
    }
}

/// A packet of IPv4 with its checksums, as another system would send it.
fn whole(from: SocketAddr, to: SocketAddr, (payload, ttl): (&[u8], u8)) -> Vec<u8> {
    let mut bytes = vec![0; ipv4::HEADER_LEN + udp::HEADER_LEN + payload.len()];
    let (header, datagram) = bytes.split_at_mut(ipv4::HEADER_LEN);
    datagram[udp::HEADER_LEN..].copy_from_slice(payload);
    udp::emit(datagram, from, to).unwrap();
    let v4 = |at: SocketAddr| match at.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => panic!("{ip} is no IPv4 address"),
    };
    let fields = ipv4::Header {
        source: v4(from),
        destination: v4(to),
        protocol: ipv4::PROTOCOL_UDP,
        payload_len: u16::try_from(datagram.len()).unwrap(),
        dscp: 10,
        ttl,
        ident: 77,
        dont_fragment: true,
    };
    fields.emit(header).unwrap();
    bytes
}

#[test]
fn headers_and_checksums_are_right_to_the_bit() {
    if !inside("headers_and_checksums_are_right_to_the_bit", &ALL) {
        return;
    }
    let [mut a, mut b] = parties();
    let steering = Steering::open(&config(backend()), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    let (ada, bob) = (a.bind(ADA[0]), b.bind(BOB[0]));
    let [port, out] = PORTS[0];
    ours.give_fresh(0, 0);
    for (sequence, size) in (1..).zip([0, 1, 160, 161, 1_000]) {
        let payload = packet(sequence, size);
        a.send_whole(at(port).ip(), &whole(ada.1, at(port), (&payload, 9)));
        let came = b.captured(out.port);
        let packet = ipv4::Packet::new_checked(&came[..]).unwrap();
        assert!(packet.is_checksum_right() && packet.is_dont_fragment());
        // The class of the address that it leaves from, one hop less, and its own number.
        assert_eq!((packet.dscp(), packet.ttl(), packet.ident()), (34, 8, 77));
        let datagram = udp::Packet::new_checked(packet.payload()).unwrap();
        assert!(datagram.checksum() != 0 && datagram.is_checksum_right(at(out), bob.1));
        assert_eq!((datagram.source_port(), datagram.destination_port()), (out.port, 5_000));
        assert_eq!(datagram.payload(), payload);
        assert_eq!(b.hear(bob.0, LONG_MS).unwrap(), (at(out), payload));
    }
    // One without a checksum stays without; one that is wrong stays wrong and is not taken.
    for (sequence, sum, is_heard) in [(6, [0, 0], true), (7, [0x12, 0x34], false)] {
        let payload = packet(sequence, 160);
        let mut bytes = whole(ada.1, at(port), (&payload, 9));
        bytes[26..28].copy_from_slice(&sum);
        a.send_whole(at(port).ip(), &bytes);
        assert_eq!(b.captured(out.port)[26..28] == [0, 0], is_heard);
        assert_eq!(b.hear(bob.0, 200).is_some(), is_heard);
    }
    assert_eq!(ours.next(SHORT_MS), None);
}

/// Each is sent by the party itself, but for what is said of it.
#[test]
fn the_table_of_what_comes_up() {
    if !inside("the_table_of_what_comes_up", &ALL) {
        return;
    }
    let [mut a, mut b] = parties();
    hosts::narrow();
    let steering = Steering::open(&config(backend()), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    let (ada, bob) = (a.bind(ADA[0]), b.bind(BOB[0]));
    let stranger = a.bind("10.77.1.2:4444");
    let [port, _] = PORTS[0];
    ours.give_fresh(0, 1_000);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut octets = packet(1_001, 160);
        change(&mut octets);
        octets
    };
    let mut up = |a: &mut Host, what: &str, socket: usize, data: &[u8]| {
        a.send(socket, at(port), data);
        let came = ours.next(LONG_MS);
        assert!(came.is_some_and(|(to, _, came)| to == port && came == data), "{what}");
    };
    up(&mut a, "another source", stranger.0, &packet(1_001, 160));
    up(&mut a, "another type", ada.0, &packet_of((9, SSRC), 1_001, 160));
    up(&mut a, "another stream", ada.0, &packet_of((8, SSRC + 1), 1_001, 160));
    up(&mut a, "a jump ahead", ada.0, &packet(1_000 + 3_000, 160));
    up(&mut a, "a jump back", ada.0, &packet(1_000 - 100, 160));
    up(&mut a, "RTCP", ada.0, &with(&|octets| octets[1] = 200));
    up(&mut a, "STUN", ada.0, &with(&|octets| octets[0] = 0));
    up(&mut a, "another version", ada.0, &with(&|octets| octets[0] = 0x40));
    up(&mut a, "sources behind the header", ada.0, &with(&|octets| octets[0] |= 1));
    up(
        &mut a,
        "an extension that is cut",
        ada.0,
        &with(&|octets| {
            octets[0] |= 0x10;
            octets[14..16].copy_from_slice(&400u16.to_be_bytes());
        }),
    );
    up(&mut a, "too short", ada.0, &packet(1_001, 0)[..11]);
    up(&mut a, "longer than the next cable takes", ada.0, &packet(1_001, 1_300));
    up(&mut a, "in pieces", ada.0, &packet(1_001, 1_700));
    let mut whole_up = |a: &mut Host, what: &str, bytes: &[u8]| {
        a.send_whole(at(port).ip(), bytes);
        assert!(ours.next(LONG_MS).is_some(), "{what}");
    };
    let payload = packet(1_001, 160);
    whole_up(&mut a, "at its last hop", &whole(ada.1, at(port), (&payload, 1)));
    assert_eq!(b.hear(bob.0, SHORT_MS), None, "none of these went on");
    assert_eq!(ours.io.carried(port).unwrap().packets, 0, "none was counted");
    // What is a little behind is late, and what has a whole extension is whole.
    for octets in [packet(999, 160), packet(1_000 - 99, 160)] {
        a.send(ada.0, at(port), &octets);
        assert_eq!(b.hear(bob.0, LONG_MS).unwrap().1, octets);
    }
    let extended = with(&|octets| {
        octets[0] |= 0x10;
        octets[14..16].copy_from_slice(&39u16.to_be_bytes());
    });
    a.send(ada.0, at(port), &extended);
    assert_eq!(b.hear(bob.0, LONG_MS).unwrap().1, extended);
    let tally = ours.io.carried(port).unwrap();
    assert_eq!((tally.packets, tally.received, tally.highest), (3, 3, 1_001));
}

/// A flow that nobody looks after, or whose shard is dead, comes up; one that is too fast does not.
#[test]
fn what_nobody_looks_after_is_over() {
    if !inside("what_nobody_looks_after_is_over", &ALL) {
        return;
    }
    let [mut a, mut b] = parties();
    let steering = Steering::open(&config(backend()), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    let (ada, bob) = (a.bind(ADA[0]), b.bind(BOB[0]));
    let [port, _] = PORTS[0];
    ours.give_fresh(0, 0);
    let of_shard = steering.of_shard(0).unwrap();
    let mut goes_on = |a: &mut Host, ours: &mut Ours, sequence: u16| {
        a.send(ada.0, at(port), &packet(sequence, 160));
        let heard = b.hear(bob.0, 4 * SHORT_MS).is_some();
        // Of a dead shard nothing comes up either.
        let _came = ours.next(if heard { 1 } else { SHORT_MS });
        heard
    };
    assert!(goes_on(&mut a, &mut ours, 1));
    let now = clock::monotonic();
    of_shard.flows.stamp(0, Tick(now.0 - 11 * SECOND));
    assert!(!goes_on(&mut a, &mut ours, 2), "its shard hangs");
    of_shard.flows.stamp(0, clock::monotonic());
    assert!(goes_on(&mut a, &mut ours, 3));
    // Its own time.
    ours.io.sample();
    assert!(ours.io.look_after(port));
    let tally = ours.take_back(0).unwrap();
    let offloading = of_shard.offloading.unwrap();
    ours.rest(2);
    let now = clock::monotonic();
    let offload = Offload {
        from: ada.1,
        to: bob.1,
        out: PORTS[0][1],
        payload_types: u128::MAX,
        event: None,
        clock_hz: 8_000,
        packets_max: 50,
    };
    let hop = strowger_port::offload::Hop {
        interface: offloading.interfaces[1].index,
        next: bob.1.ip(),
        mac: [2, 0x77, 0, 0, 2, 2],
        len_max: 1_500,
        dscp: 46,
    };
    let until = now.plus_ns(300 * MS);
    assert!(offloading.offloads.give((port, 0), (&offload, &hop), &tally, (until, now)));
    assert!(goes_on(&mut a, &mut ours, 4));
    ours.rest(350);
    assert!(!goes_on(&mut a, &mut ours, 5), "its time is over");
    assert!(offloading.offloads.extend(port, &hop, clock::monotonic().plus_ns(60 * SECOND)));
    // 50 a second, and as many at once: the others are dropped, and counted.
    let sent = 200;
    for sequence in 0..sent {
        a.send(ada.0, at(port), &packet(6 + sequence, 160));
    }
    let mut heard = 0u32;
    while b.hear(bob.0, SHORT_MS).is_some() {
        heard += 1;
    }
    let tally = offloading.offloads.tally(port).unwrap();
    assert!((51..150).contains(&heard), "{heard}");
    assert_eq!(heard + tally.flooded, u32::from(sent), "{tally:?}");
    assert_eq!(ours.next(SHORT_MS), None);
}

/// A kill of the dataplane: packets go on without it, and the next life finds the flow as it is.
#[test]
fn a_flow_outlives_the_dataplane() {
    if !inside("a_flow_outlives_the_dataplane", &ALL[..2]) {
        return;
    }
    let [mut a, mut b] = parties();
    let config = config(backend());
    let kept = choose(&config, Vec::new(), |line| panic!("{line}")).unwrap().unwrap();
    let (ada, bob) = (a.bind(ADA[0]), b.bind(BOB[0]));
    let [port, _] = PORTS[0];
    let mut first = Ours::new(&kept);
    first.give_fresh(0, 0);
    let handed = kept.into_handles();
    drop(first);
    for sequence in 1..20 {
        a.send(ada.0, at(port), &packet(sequence, 160));
        assert_eq!(b.hear(bob.0, LONG_MS).unwrap().1, packet(sequence, 160));
    }
    let copies = || handed.iter().map(|fd| fd.try_clone().unwrap()).collect::<Vec<_>>();
    // Who wants it otherwise does not take it.
    for other in ["media.backend = \"lookup\"", "media.backend = \"tc\"\nmedia.port_max = 20003"] {
        let addresses = OURS.map(|ip| format!("\"{ip}\"")).join(", ");
        let more = "media.interfaces = [\"va\", \"vb\"]";
        let text = format!("media.addresses = [{addresses}]\n{more}\n{other}");
        assert!(Steering::take(&Config::parse(&text).unwrap(), copies()).is_err(), "{other}");
    }
    let again = choose(&config, copies(), |line| panic!("{line}")).unwrap().unwrap();
    let mut second = Ours::new(&again);
    let mut ports = Vec::new();
    second.io.ports_away(|port| ports.push(port));
    assert_eq!(ports, [port]);
    assert_eq!(second.io.given(port).unwrap().from, ada.1);
    a.send(ada.0, at(port), &packet(20, 160));
    assert!(b.hear(bob.0, LONG_MS).is_some());
    assert_eq!(second.take_back(0).unwrap().packets, 20);
    a.send(ada.0, at(port), &packet(21, 160));
    assert!(second.next(LONG_MS).is_some());
    // The last holder's end is the end of the programs.
    second.give_fresh(0, 21);
    let sockets = self::config("sockets");
    assert!(choose(&sockets, copies(), |_| ()).unwrap().is_none());
    a.send(ada.0, at(port), &packet(22, 160));
    assert_eq!(b.hear(bob.0, 4 * SHORT_MS), None);
}

#[test]
fn what_cannot_be_had_is_said() {
    if !inside("what_cannot_be_had_is_said", &ALL[..1]) {
        return;
    }
    let [_a, _b] = parties();
    let with = |backend: &str, interface: &str| {
        let addresses = OURS.map(|ip| format!("\"{ip}\"")).join(", ");
        let text = format!(
            "media.addresses = [{addresses}]\nmedia.interfaces = [\"{interface}\"]\n\
             media.backend = \"{backend}\""
        );
        Config::parse(&text).unwrap()
    };
    for (interface, says) in [("lo", "is none of Ethernet"), ("nowhere", "is not there")] {
        for backend in ["tc", "xdp"] {
            let error = choose(&with(backend, interface), Vec::new(), |_| ()).err().unwrap();
            let begins = error.starts_with("media.backend: interface ");
            assert!(begins && error.contains(says), "{error}");
        }
        let mut told = Vec::new();
        let best = choose(&with("auto", interface), Vec::new(), |line| told.push(line.to_owned()));
        assert_eq!(best.unwrap().unwrap().relayer(), None);
        let [xdp, tc] = &told[..] else { panic!("{told:?}") };
        assert!(xdp.contains("(XDP), as") && xdp.contains(says), "{xdp}");
        assert!(tc.contains("the kernel relays nothing, as") && tc.contains(says), "{tc}");
    }
    // Packets of such a cable have no checksums to begin with: `auto` leaves it to tc.
    let mut told = Vec::new();
    let best = choose(&with("auto", "va"), Vec::new(), |line| told.push(line.to_owned()));
    let best = best.unwrap().unwrap();
    assert_eq!(best.relayer(), Some(Relayer::Tc));
    assert!(told.len() == 1 && told[0].contains("va is an end of a veth"), "{told:?}");
    // `auto` takes what was handed on, whichever it is.
    let handed = best.into_handles();
    let again = choose(&with("auto", "va"), handed, |line| panic!("{line}")).unwrap().unwrap();
    assert_eq!(again.relayer(), Some(Relayer::Tc));
}
