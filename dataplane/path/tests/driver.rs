//! What a program in the driver has to do by itself, between three hosts with real sockets: whom a
//! frame is for, whether a checksum is whole, who the neighbour is; and what is done where it
//! cannot run.

#![cfg(test)]

#[expect(dead_code, reason = "the other tests use the rest")]
mod hosts;

use std::net::SocketAddr;
use std::process::Command;

use hosts::ours::{ADA, BOB, LONG_MS, Ours, PORTS, SHORT_MS, SSRC, at, config, packet};
use hosts::{ALL, backend, by, inside, ip, mac, parties, parties_by};
use strowger_link::Tally;
use strowger_path::{Steering, Wanted, choose};
use strowger_port::mmsg::Relayer;
use strowger_port::net::{Io, MediaPort, Offload};
use strowger_tuning::Config;

/// The runs that have a program of XDP.
const XDP: &[&str] = ALL.split_at(1).1;
const NATIVE: &[&str] = &["xdp"];
/// In the environment of a run that has few rights.
const BOUND: &str = "STROWGER_RELAYING_BOUND";
/// Flows of the test with several queues.
const FLOWS: u16 = 32;

#[test]
fn a_partys_host() {
    hosts::be_a_host();
}

fn bob() -> SocketAddr {
    BOB[0].parse().unwrap()
}

fn tally() -> Tally {
    Tally { ssrc: SSRC, highest: 0, ..Tally::default() }
}

/// What a sender on this machine leaves to a card that does not exist is for the kernel to end.
#[test]
fn a_checksum_that_is_only_begun_comes_up() {
    if !inside("a_checksum_that_is_only_begun_comes_up", XDP) {
        return;
    }
    let [mut a, mut b] = parties();
    let steering = Steering::open(&config("xdp"), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    for family in 0..2 {
        let (ada, bob) = (a.bind(ADA[family]), b.bind(BOB[family]));
        let port = PORTS[family][0];
        ours.give_fresh(family, 0);
        a.features("pa tx on");
        for sequence in 1..4 {
            a.send(ada.0, at(port), &packet(sequence, 160));
            assert_eq!(ours.next(LONG_MS).unwrap().2, packet(sequence, 160));
        }
        assert_eq!(ours.io.carried(port).unwrap().packets, 0);
        a.features("pa tx off");
        a.send(ada.0, at(port), &packet(4, 160));
        assert_eq!(b.hear(bob.0, LONG_MS).unwrap().1, packet(4, 160));
        assert_eq!(ours.io.carried(port).unwrap().packets, 1);
    }
}

#[test]
fn a_frame_for_another_host_is_not_relayed() {
    if !inside("a_frame_for_another_host_is_not_relayed", XDP) {
        return;
    }
    let [mut a, mut b] = parties();
    let steering = Steering::open(&config("xdp"), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    let (ada, bob) = (a.bind(ADA[0]), b.bind(BOB[0]));
    let port = PORTS[0][0];
    ours.give_fresh(0, 0);
    for (end, sequence, is_ours) in [(0x77, 1, false), (1, 2, true)] {
        let order =
            format!("ip neigh replace 10.77.1.1 lladdr {} dev pa nud permanent", mac(1, end));
        assert_eq!(a.ask(&order), "ok");
        a.send(ada.0, at(port), &packet(sequence, 160));
        assert_eq!(b.hear(bob.0, 4 * SHORT_MS).is_some(), is_ours, "{end}");
    }
    assert_eq!(ours.io.carried(port).unwrap().packets, 1);
    assert_eq!(ours.next(SHORT_MS), None, "nor is it ours");
}

/// Two parties on one cable.
#[test]
fn a_frame_goes_back_by_the_cable_that_it_came_by() {
    if !inside("a_frame_goes_back_by_the_cable_that_it_came_by", &ALL) {
        return;
    }
    let [mut a, _b] = parties();
    let steering = Steering::open(&config(backend()), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    let (ada, eve) = (a.bind(ADA[0]), a.bind("10.77.1.2:4600"));
    let (port, out) = (PORTS[0][0], MediaPort { address: 0, port: 20_004 });
    ours.io.open_media(out).unwrap();
    ours.rest(2);
    let offload = Offload {
        from: ada.1,
        to: eve.1,
        out,
        payload_types: 1 << 8,
        event: None,
        clock_hz: 8_000,
        packets_max: 0,
    };
    ours.io.sample();
    assert!(ours.io.offload(port, &offload, &tally()));
    for sequence in 1..20 {
        a.send(ada.0, at(port), &packet(sequence, 160));
        assert_eq!(a.hear(eve.0, LONG_MS).unwrap(), (at(out), packet(sequence, 160)));
    }
    assert_eq!(ours.io.carried(port).unwrap().packets, 19);
}

/// A neighbour that moves, that nobody heard of for a while, or that is gone.
#[test]
fn flows_come_back_when_their_neighbour_changes() {
    if !inside("flows_come_back_when_their_neighbour_changes", NATIVE) {
        return;
    }
    let [mut a, mut b] = parties();
    let steering = Steering::open(&config("xdp"), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    let (ada, far) = (a.bind(ADA[0]), b.bind(BOB[0]));
    let port = PORTS[0][0];
    let neighbour = |words: &str| ip(&format!("neigh {words}"));
    let looked_after = |ours: &mut Ours| {
        // Its answer is believed for a second.
        ours.rest(1_100);
        ours.io.sample();
        ours.io.look_after(port)
    };
    ours.give_fresh(0, 0);
    assert!(looked_after(&mut ours));
    let moved = mac(2, 0x55);
    assert_eq!(b.ask(&format!("ip link set pb address {moved}")), "ok");
    neighbour(&format!("replace 10.77.2.2 lladdr {moved} dev vb nud reachable"));
    assert!(!looked_after(&mut ours), "it moved");
    let tally = ours.take_back(0).unwrap();
    ours.rest(2);
    assert!(ours.give(0, bob(), &tally));
    a.send(ada.0, at(port), &packet(1, 160));
    assert_eq!(b.hear(far.0, LONG_MS).unwrap().1, packet(1, 160));
    // One flow comes back for the sake of one that is stale, and no other for a while.
    neighbour(&format!("replace 10.77.2.2 lladdr {moved} dev vb nud stale"));
    for _second in 0..5 {
        assert!(looked_after(&mut ours), "it is stale for a while only");
    }
    assert!((0..12).any(|_| !looked_after(&mut ours)), "nobody heard of it");
    assert!(looked_after(&mut ours), "one flow is enough");
    neighbour("del 10.77.2.2 dev vb");
    assert!(!looked_after(&mut ours), "it is gone");
    ours.take_back(0).unwrap();
    ours.rest(2);
    assert!(!ours.give(0, bob(), &tally));
}

/// The kernel's verifier takes the programs from whoever has these and no others.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn three_rights_are_enough() {
    if std::env::var_os(BOUND).is_some() {
        let steering = Steering::open(&config(backend()), Some(by())).unwrap();
        assert!(steering.relayer().is_some());
        return;
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("SKIPPED: three_rights_are_enough needs setpriv, to be without others");
        return;
    }
    if !inside("three_rights_are_enough", &ALL) {
        return;
    }
    let _hosts = parties();
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set", "-all,+bpf,+net_admin,+net_raw", "--"]);
    bound.arg(std::env::current_exe().unwrap());
    bound.args(["--exact", "three_rights_are_enough", "--nocapture"]).env(BOUND, "1");
    let output = bound.output().unwrap();
    let (told, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{said}");
}

/// Where a driver cannot, another one does, and it is said.
#[test]
fn where_no_driver_relays_another_does() {
    if !inside("where_no_driver_relays_another_does", NATIVE) {
        return;
    }
    let [mut a, _b] = parties();
    let choose_by = |config: &Config, handed| {
        let mut told = Vec::new();
        let chosen = choose(config, handed, |line| told.push(line.to_owned()));
        (chosen.unwrap().unwrap(), told)
    };
    let native = config("xdp");
    let mut generic = native.clone();
    generic.media.xdp_generic = true;
    let (steering, told) = choose_by(&native, Vec::new());
    assert_eq!((steering.relayer(), told.len()), (Some(Relayer::Xdp), 0));
    // There is one such program at an interface.
    let again = Steering::open(&native, Some(Wanted::Xdp)).unwrap_err().to_string();
    assert!(again.contains("another program of XDP"), "{again}");
    let (second, told) = choose_by(&native, steering.into_handles());
    assert_eq!((second.relayer(), told.len()), (Some(Relayer::Xdp), 0), "handed on");
    // An address that changed is one that frames are not for.
    let handed = second.into_handles();
    ip(&format!("link set va address {}", mac(1, 0x66)));
    let copies = handed.iter().map(|fd| fd.try_clone().unwrap()).collect();
    assert!(Steering::take(&native, copies).is_err());
    drop(handed);
    // The far end of such a cable takes frames only if it gathers packets.
    a.features("pa gro off");
    let (by_tc, told) = choose_by(&native, Vec::new());
    assert_eq!(by_tc.relayer(), Some(Relayer::Tc));
    let says = "no driver relays (XDP), as interface va has a driver that takes no frames";
    assert!(told.len() == 1 && told[0].contains(says), "{told:?}");
    let (by_tc, told) = choose_by(&native, by_tc.into_handles());
    assert_eq!((by_tc.relayer(), told.len()), (Some(Relayer::Tc), 0), "handed on");
    drop(by_tc);
    let (behind, told) = choose_by(&generic, Vec::new());
    assert_eq!((behind.relayer(), told.len()), (Some(Relayer::Xdp), 1), "{told:?}");
}

/// A cable of several queues: each flow is counted whole, wherever it arrives.
#[test]
fn flows_of_several_queues_are_counted_whole() {
    if !inside("flows_of_several_queues_are_counted_whole", NATIVE) {
        return;
    }
    let [mut a, mut b] = parties_by("numtxqueues 2 numrxqueues 2 ");
    let steering = Steering::open(&config("xdp"), Some(by())).unwrap();
    let mut ours = Ours::new(&steering);
    let far = b.bind(BOB[0]);
    let flows: Vec<_> = (0..FLOWS)
        .map(|nth| {
            let ada = a.bind(&format!("10.77.1.2:{}", 4_000 + 2 * nth));
            let port = MediaPort { address: 0, port: 21_000 + 2 * nth };
            ours.io.open_media(port).unwrap();
            ours.rest(2);
            let offload = Offload {
                from: ada.1,
                to: far.1,
                out: PORTS[0][1],
                payload_types: 1 << 8,
                event: None,
                clock_hz: 8_000,
                packets_max: 0,
            };
            ours.io.sample();
            assert!(ours.io.offload(port, &offload, &tally()), "{nth}");
            (ada.0, port)
        })
        .collect();
    for sequence in 1..=4 {
        for (socket, port) in &flows {
            a.send(*socket, at(*port), &packet(sequence, 160));
            assert_eq!(b.hear(far.0, LONG_MS).unwrap().1, packet(sequence, 160));
        }
    }
    for (_, port) in flows {
        let tally = ours.io.carried(port).unwrap();
        assert_eq!((tally.packets, tally.received, tally.highest), (4, 4, 4), "{port:?}");
    }
}
