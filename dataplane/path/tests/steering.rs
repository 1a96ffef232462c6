//! The ways of media side by side, with real sockets, in network namespaces of their own: what the
//! one does with a socket for each port is what the others have to do.
//!
//! Each test runs itself again below `unshare --net`, as root; without root it is skipped.

#![cfg(test)]

mod scene;

use std::net::{SocketAddr, UdpSocket};

use scene::{Capture, World, at, config, inside, phone, set_mtu, silent};
use strowger_link::{SECOND, Tick};
use strowger_path::{Refusal, Steering, choose};
use strowger_port::clock;
use strowger_port::net::{Io, MediaCounters, MediaPort, OpenError};

const A: MediaPort = MediaPort { address: 0, port: 16_384 };
const A_RTCP: MediaPort = MediaPort { address: 0, port: 16_385 };
const B: MediaPort = MediaPort { address: 0, port: 16_386 };
const OTHER: MediaPort = MediaPort { address: 1, port: 16_384 };
const V6: MediaPort = MediaPort { address: 2, port: 16_384 };
const V6_LAST: MediaPort = MediaPort { address: 2, port: 32_767 };

/// What was heard: by whom, from where, and the bytes.
type Heard = Vec<(&'static str, SocketAddr, Vec<u8>)>;

/// A script: who sends what to which of our ports, and by which port it goes on to whom.
fn relayed(world: &mut World, sizes: &[usize]) -> Heard {
    let (ada, bob, carol) = (phone("127.0.0.1:0"), phone("127.0.0.9:0"), phone("[::1]:0"));
    for port in [A, A_RTCP, B, OTHER, V6, V6_LAST] {
        world.io.open_media(port).unwrap();
    }
    assert_eq!(world.io.open_media(A), Err(OpenError::InUse));
    let mut heard = Heard::new();
    let script: [(&UdpSocket, MediaPort, MediaPort, &'static str, &UdpSocket); 7] = [
        (&ada, A, B, "bob", &bob),
        (&bob, B, A, "ada", &ada),
        (&ada, A_RTCP, OTHER, "bob", &bob),
        (&bob, OTHER, V6, "carol", &carol),
        (&carol, V6, V6_LAST, "carol", &carol),
        (&carol, V6_LAST, A, "ada", &ada),
        (&ada, A, V6, "carol", &carol),
    ];
    for (round, (from, to, out, name, target)) in script.into_iter().enumerate() {
        for size in sizes {
            let payload: Vec<u8> = (0..*size).map(|at| (at + round * 7) as u8).collect();
            from.send_to(&payload, at(to)).unwrap();
            let came = world.relay_one(out, target.local_addr().unwrap());
            assert_eq!(came, (to, from.local_addr().unwrap(), payload));
            let mut buffer = [0; 2_048];
            let (len, source) = target.recv_from(&mut buffer).unwrap();
            heard.push((name, source, buffer[..len].to_vec()));
        }
    }
    heard
}

/// What the script heard each way, one after the other, as all want the same ports; the floor
/// without the program of the kernel.
#[expect(clippy::print_stderr, reason = "a way that is left out is told")]
fn each_way(sizes: &[usize]) -> [(Heard, MediaCounters); 3] {
    let steering = Steering::open(&config("lookup"), None).unwrap();
    let mut steered = World::steered(&steering);
    let by_lookup = (relayed(&mut steered, sizes), steered.io.media_counters());
    drop((steered, steering));
    let mut floor = World::floor();
    let by_sockets = (relayed(&mut floor, sizes), floor.io.media_counters());
    drop(floor);
    let by_ring = World::ringed().map(|mut world| {
        let heard = relayed(&mut world, sizes);
        (heard, world.io.media_counters())
    });
    let by_ring = by_ring.unwrap_or_else(|| {
        eprintln!("SKIPPED: io_uring cannot be had here, the floor stands for it");
        let (heard, counted) = by_sockets.clone();
        (heard, MediaCounters { is_ring: true, ..counted })
    });
    [by_sockets, by_lookup, by_ring]
}

fn sums(counted: &MediaCounters) -> [u64; 5] {
    let MediaCounters { received, sent, malformed, full, failed, .. } = *counted;
    [received, sent, malformed, full, failed]
}

#[test]
fn all_ways_relay_the_same() {
    if !inside("all_ways_relay_the_same") {
        return;
    }
    let [floor, lookup, ring] = each_way(&[1, 12, 171, 172, 1_200, 1_400]);
    assert_eq!(floor.0.len(), 42);
    for (way, counted) in [&lookup, &ring] {
        assert_eq!((way, sums(counted)), (&floor.0, sums(&floor.1)));
        assert_eq!((counted.fragmented, counted.rearmed, counted.silent), (0, 0, 0));
    }
    let is = |counted: &MediaCounters| (counted.is_steered, counted.is_ring);
    assert_eq!(
        [floor.1, lookup.1, ring.1].map(|one| is(&one)),
        [(false, false), (true, false), (false, true)]
    );
}

/// The last two sizes that fit, by family, and beyond: cut, whole at the other end.
#[test]
fn what_is_longer_than_the_device_takes_leaves_in_fragments() {
    if !inside("what_is_longer_than_the_device_takes_leaves_in_fragments") {
        return;
    }
    set_mtu(1_400);
    let sizes = [1_352, 1_353, 1_372, 1_373, 1_500, 1_983, 1_984];
    let [floor, lookup, ring] = each_way(&sizes);
    assert_eq!(floor.0.len(), 49);
    for (way, counted) in [&lookup, &ring] {
        assert_eq!((way, sums(counted)), (&floor.0, sums(&floor.1)));
    }
    // Of seven steps three go out by IPv6, and 28 or 48 bytes are headers.
    assert_eq!(lookup.1.fragmented, 3 * 6 + 4 * 4);
    assert_eq!((floor.1.fragmented, ring.1.fragmented), (0, 0));
}

/// They leave in the burst's order, as whole packets do.
#[test]
fn fragments_keep_the_order_of_their_port() {
    if !inside("fragments_keep_the_order_of_their_port") {
        return;
    }
    set_mtu(1_400);
    let steering = Steering::open(&config("lookup"), None).unwrap();
    let mut world = World::steered(&steering);
    world.io.open_media(A).unwrap();
    let (ada, bob) = (phone("127.0.0.1:0"), phone("127.0.0.9:0"));
    let sizes = [100, 1_900, 100, 1_984, 1_372, 1_373, 1];
    for size in sizes {
        ada.send_to(&vec![7; size], at(A)).unwrap();
    }
    let mut relayed = 0;
    while relayed < sizes.len() as u64 {
        relayed += world.relay_all(bob.local_addr().unwrap());
    }
    let mut buffer = [0; 2_048];
    let came: Vec<usize> = sizes.iter().map(|_| bob.recv(&mut buffer).unwrap()).collect();
    assert_eq!(came, sizes);
    let counted = world.io.media_counters();
    assert_eq!((counted.sent, counted.fragmented, counted.failed), (7, 3, 0));
}

#[test]
fn headers_are_right_to_the_bit() {
    if !inside("headers_are_right_to_the_bit") {
        return;
    }
    let steering = Steering::open(&config("lookup"), None).unwrap();
    let mut world = World::steered(&steering);
    let (ada, bob, carol) = (phone("127.0.0.1:0"), phone("127.0.0.9:0"), phone("[::1]:0"));
    for port in [A, B, V6] {
        world.io.open_media(port).unwrap();
    }
    let (v4, v6) = (Capture::v4(), Capture::v6());
    for size in [0, 1, 172, 173, 1_252, 1_253, 1_400] {
        let payload: Vec<u8> = (0..size).map(|at| (at * 3) as u8).collect();
        for (out, target) in [(B, &bob), (V6, &carol)] {
            ada.send_to(&payload, at(A)).unwrap();
            let to = target.local_addr().unwrap();
            world.relay_one(out, to);
            match out {
                V6 => v6.expect_v6((at(out), to), &payload),
                _ => v4.expect_v4((at(out), to), &payload),
            }
        }
    }
}

#[test]
fn a_port_that_no_call_has_is_silent() {
    if !inside("a_port_that_no_call_has_is_silent") {
        return;
    }
    let steering = Steering::open(&config("lookup"), None).unwrap();
    let mut world = World::steered(&steering);
    world.io.open_media(A).unwrap();
    world.io.open_media(B).unwrap();
    world.io.close_media(B);
    // Connected, so that an ICMP error would be told.
    for to in [at(B), at(V6), SocketAddr::new(at(A).ip(), 20_000)] {
        let ada = phone(if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" });
        ada.connect(to).unwrap();
        for _ in 0..3 {
            ada.send(b"nobody").unwrap();
            assert!(silent(&ada), "{to}");
        }
    }
    assert!(world.nothing_comes());
    // A port beyond the range is none of ours: it is refused as ever.
    let ada = phone("127.0.0.1:0");
    ada.connect("127.0.0.1:15000").unwrap();
    ada.send(b"x").unwrap();
    let refused = ada.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // So is another address of the host.
    ada.connect("127.0.0.77:16384").unwrap();
    ada.send(b"x").unwrap();
    let refused = ada.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // What is not open sends nothing.
    let bob = phone("127.0.0.9:0");
    phone("127.0.0.1:0").send_to(b"x", at(A)).unwrap();
    let failed = world.io.media_counters().failed;
    world.relay_one(B, bob.local_addr().unwrap());
    assert_eq!(world.io.media_counters().failed, failed + 1);
    assert!(silent(&bob));
    // And what is open does not send to another family.
    phone("127.0.0.1:0").send_to(b"x", at(A)).unwrap();
    world.relay_one(A, "[::1]:9".parse().unwrap());
    assert_eq!(world.io.media_counters().failed, failed + 2);
}

#[test]
fn a_flooded_port_is_bounded_and_the_others_lose_nothing() {
    if !inside("a_flooded_port_is_bounded_and_the_others_lose_nothing") {
        return;
    }
    let steering = Steering::open(&config("lookup"), None).unwrap();
    let mut world = World::steered(&steering);
    world.io.open_media(A).unwrap();
    world.io.open_media(B).unwrap();
    let (stranger, ada) = (phone("127.0.0.1:0"), phone("127.0.0.1:0"));
    let mut came = [0; 2];
    let began = clock::monotonic();
    for round in 0..100u8 {
        for _ in 0..200 {
            stranger.send_to(&[0; 172], at(A)).unwrap();
        }
        ada.send_to(&[round; 172], at(B)).unwrap();
        world.count(&mut came);
    }
    world.count(&mut came);
    let limited = world.io.media_counters().limited;
    // 512 at once and 10,000 a second, and a few for the clock between two of ours.
    let most = 512 + 10_000 * (clock::monotonic().ns_since(began) / 1_000_000 + 10) / 1_000;
    assert_eq!(came[1], 100, "the other port lost packets");
    assert!(came[0] <= most, "{} of the flood came, at most {most} may", came[0]);
    assert_eq!(came[0] + limited, 20_000);
}

/// A shard that hangs gets nothing any more, until it turns again.
#[test]
fn a_shard_that_does_not_turn_gets_nothing() {
    if !inside("a_shard_that_does_not_turn_gets_nothing") {
        return;
    }
    let steering = Steering::open(&config("lookup"), None).unwrap();
    let mut world = World::steered(&steering);
    world.io.open_media(A).unwrap();
    let (ada, bob) = (phone("127.0.0.1:0"), phone("127.0.0.9:0"));
    let to = bob.local_addr().unwrap();
    ada.connect(at(A)).unwrap();
    ada.send(b"1").unwrap();
    assert_eq!(world.relay_one(A, to).2, b"1");
    let flows = steering.of_shard(0).unwrap().flows;
    flows.stamp(0, Tick(clock::monotonic().0 - 11 * SECOND));
    ada.send(b"2").unwrap();
    assert!(silent(&ada));
    assert!(world.nothing_comes());
    // It turns on, and says so within a second.
    let began = clock::monotonic();
    while clock::monotonic().ns_since(began) < 2 * SECOND {
        assert!(world.nothing_comes());
    }
    ada.send(b"3").unwrap();
    assert_eq!(world.relay_one(A, to).2, b"3");
}

/// A kill of the dataplane, as its sockets see it.
#[test]
fn what_is_handed_on_waits_for_the_next_life() {
    if !inside("what_is_handed_on_waits_for_the_next_life") {
        return;
    }
    let config = config("lookup");
    let kept = choose(&config, Vec::new(), |line| panic!("{line}")).unwrap().unwrap();
    let (ada, bob) = (phone("127.0.0.1:0"), phone("127.0.0.9:0"));
    let mut first = World::steered(&kept);
    first.io.open_media(A).unwrap();
    let handed = kept.into_handles();
    drop(first);
    ada.connect(at(A)).unwrap();
    for number in 0..5u8 {
        ada.send(&[number]).unwrap();
        assert!(silent(&ada), "no error, nobody refuses");
    }
    // Another configuration does not take it.
    let other = scene::config_of("media.backend = \"lookup\"\nmedia.port_max = 20001");
    let copies = || handed.iter().map(|fd| fd.try_clone().unwrap()).collect();
    assert!(matches!(Steering::take(&other, copies()), Err(Refusal::Changed)));
    let mut short: Vec<_> = copies();
    short.pop();
    assert!(matches!(Steering::take(&config, short), Err(Refusal::Changed)));
    let again = choose(&config, copies(), |line| panic!("{line}")).unwrap().unwrap();
    let mut second = World::steered(&again);
    second.io.open_media(A).unwrap();
    second.io.open_media(B).unwrap();
    for number in 0..5u8 {
        let (port, _, data) = second.relay_one(B, bob.local_addr().unwrap());
        assert_eq!((port, data), (A, vec![number]));
        assert_eq!(bob.recv_from(&mut [0; 8]).unwrap().1, at(B));
    }
    // Who is to have a socket for each port ends it, though others hold it; it is not taken again.
    let held = copies();
    assert!(choose(&scene::config("sockets"), copies(), |_| ()).unwrap().is_none());
    ada.send(b"x").unwrap();
    let refused = ada.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(matches!(Steering::take(&config, held), Err(Refusal::Changed)));
}

/// The last holder's end is the end of it.
#[test]
fn nothing_stays_behind() {
    if !inside("nothing_stays_behind") {
        return;
    }
    let steering = Steering::open(&config("lookup"), None).unwrap();
    let copies = steering.copies().unwrap();
    let ada = phone("127.0.0.1:0");
    ada.connect(at(A)).unwrap();
    drop(steering);
    ada.send(b"x").unwrap();
    assert!(silent(&ada), "somebody holds it");
    drop(copies);
    ada.send(b"x").unwrap();
    let refused = ada.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn who_may_not_begin_is_told_why_and_has_a_socket_for_each_port() {
    if !inside("who_may_not_begin_is_told_why_and_has_a_socket_for_each_port") {
        return;
    }
    let refused = |says: &str| {
        let mut told = Vec::new();
        let auto = choose(&config("auto"), Vec::new(), |line| told.push(line.to_owned()));
        assert!(auto.unwrap().is_none(), "{says}");
        assert!(told.len() == 1 && told[0].contains(says), "{told:?}");
        told.remove(0)
    };
    let insists = |says: &str| {
        let error = choose(&config("lookup"), Vec::new(), |line| panic!("{line}")).err().unwrap();
        assert!(error.starts_with("media.backend: ") && error.contains(says), "{error}");
    };
    assert!(choose(&config("sockets"), Vec::new(), |_| ()).unwrap().is_none());
    let range = "/proc/sys/net/ipv4/ip_local_port_range";
    let before = std::fs::read_to_string(range).unwrap();
    std::fs::write(range, "20000 60000").unwrap();
    refused("ip_local_reserved_ports");
    insists("ip_local_reserved_ports");
    std::fs::write("/proc/sys/net/ipv4/ip_local_reserved_ports", "16384-32767").unwrap();
    assert!(choose(&config("lookup"), Vec::new(), |_| ()).unwrap().is_some());
    std::fs::write(range, before).unwrap();
    let resolver = UdpSocket::bind("0.0.0.0:17000").unwrap();
    refused("another socket is at 0.0.0.0:17000");
    insists("another socket is at 0.0.0.0:17000");
    drop(resolver);
    let first = Steering::open(&config("auto"), None).unwrap();
    refused("another program chooses sockets");
    assert!(choose(&config("lookup"), Vec::new(), |_| ()).unwrap().is_some());
    drop(first);
    assert!(choose(&config("auto"), Vec::new(), |_| ()).unwrap().is_some());
}

/// Many ports, many packets: all go out, each by its own port.
#[test]
fn bursts_go_out_whole() {
    if !inside("bursts_go_out_whole") {
        return;
    }
    let steering = Steering::open(&config("lookup"), None).unwrap();
    burst_goes_out_whole(World::steered(&steering));
    drop(steering);
    World::ringed().into_iter().for_each(burst_goes_out_whole);
}

fn burst_goes_out_whole(mut world: World) {
    let (ada, bob) = (phone("127.0.0.1:0"), phone("127.0.0.9:0"));
    socket2::SockRef::from(&bob).set_recv_buffer_size(1 << 20).unwrap();
    let to = bob.local_addr().unwrap();
    let ports: Vec<u16> = (0..260).map(|at| 20_000 + 2 * at).collect();
    for port in &ports {
        world.io.open_media(MediaPort { address: 0, port: *port }).unwrap();
    }
    let mut heard = vec![0u32; ports.len()];
    for _ in 0..10 {
        for port in &ports {
            ada.send_to(&port.to_be_bytes(), SocketAddr::new(at(A).ip(), *port)).unwrap();
        }
        assert_eq!(world.relay_all(to), ports.len() as u64);
        for _ in &ports {
            let mut told = [0; 4];
            let (len, from) = bob.recv_from(&mut told).unwrap();
            assert_eq!((len, &told[..2]), (2, &from.port().to_be_bytes()[..]));
            heard[usize::from(from.port() - 20_000) / 2] += 1;
        }
    }
    assert!(heard.iter().all(|count| *count == 10), "{heard:?}");
    assert_eq!(world.io.media_counters().sent, 2_600);
}
