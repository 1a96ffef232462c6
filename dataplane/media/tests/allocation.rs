//! The packet path does not allocate: 10,000 warmed bursts, counted.

use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_media::ports::{PortSpace, Ports};
use strowger_media::{
    Carried, Datagram, Endpoint, Keys, PairSpec, Peer, Relay, RelayConfig, Side, Silence, Verdict,
};
use strowger_sdp::{Direction, PayloadTypes};
use strowger_srtp::{KeyMaker, RtpOpener, RtpSealer, Suite};
use strowger_wire::{rtcp, rtp};

const BURST: usize = 32;
const BURSTS: u64 = 10_000;

fn peer(remote: SocketAddr) -> Peer {
    Peer {
        remote: Some(remote),
        rtcp_remote: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
        nat: None,
        strict: false,
        direction: Direction::SendRecv,
        payload_types: PayloadTypes::ALL,
        telephone_event: Some(101),
        clock_hz: 8000,
    }
}

/// Without the limit of a flow: all packets come at one time.
const fn config() -> RelayConfig {
    RelayConfig { flow_packets_max: u32::MAX, ..RelayConfig::new(PortSpace::DEFAULT, 100) }
}

#[test]
fn ten_thousand_bursts_allocate_nothing() {
    let mut ports = Ports::new(PortSpace::DEFAULT, 7);
    let mut relay = Relay::new(&config());
    let (a, b) = ("192.0.2.1:4000".parse().unwrap(), "198.51.100.2:5000".parse().unwrap());
    let (pair_a, pair_b) = (ports.take(0, Tick(0)).unwrap(), ports.take(0, Tick(0)).unwrap());
    let spec = PairSpec {
        carried: Carried::Rtp,
        a: Endpoint {
            rtp: pair_a.rtp,
            rtcp: Some(pair_a.rtcp),
            peer: peer(a),
            silence: Silence::DEFAULT,
        },
        b: Endpoint {
            rtp: pair_b.rtp,
            rtcp: Some(pair_b.rtcp),
            peer: peer(b),
            silence: Silence::DEFAULT,
        },
    };
    let id = relay.open(&spec, Tick(0)).unwrap();

    let mut buffers = [[0u8; 172]; BURST];
    let mut sent = 0u64;
    let mut run = |relay: &mut Relay, nth: u64| {
        let now = Tick(0).plus_ms(20 * nth);
        let mut index = 0u64;
        let mut burst = buffers.each_mut().map(|octets| {
            index += 1;
            let header = rtp::Header {
                marker: false,
                payload_type: if index == 5 { 101 } else { 8 },
                sequence: (nth * BURST as u64 + index) as u16,
                timestamp: (nth * 160) as u32,
                ssrc: 7,
            };
            header.emit(octets).unwrap();
            match index {
                1 => Datagram::new(pair_a.rtp, "203.0.113.66:9".parse().unwrap(), octets),
                2 => Datagram::new(pair_b.rtp, b, octets),
                3 => {
                    octets[0] = 0; // junk
                    Datagram::new(pair_a.rtp, a, octets)
                }
                4 => {
                    let mut builder = rtcp::Builder::new(octets);
                    builder.receiver_report(7, &[]).unwrap();
                    let rtcp = SocketAddr::new(a.ip(), a.port() + 1);
                    Datagram::new(pair_a.rtcp, rtcp, octets)
                }
                _ => Datagram::new(pair_a.rtp, a, octets),
            }
        });
        relay.handle_burst(&mut burst, now);
        relay.handle_timeout(now);
        sent += burst.iter().filter(|d| matches!(d.verdict, Verdict::Send { .. })).count() as u64;
    };

    (0..100).for_each(|nth| run(&mut relay, nth));
    let counted = allocation_counter::measure(|| {
        (100..100 + BURSTS).for_each(|nth| run(&mut relay, nth));
    });
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0));
    assert_eq!(sent, (BURSTS + 100) * (BURST as u64 - 2), "a stranger and junk in each burst");

    // Signalling and reports take their memory at the start, too.
    let counted = allocation_counter::measure(|| {
        relay.update(id, Side::B, &peer(a), Tick(1)).unwrap();
        relay.close(id, Tick(2)).unwrap();
        relay.open(&spec, Tick(3)).unwrap();
    });
    assert_eq!(counted.count_total, 0);
}

/// The same where SRTP of one side ends: what it sends is opened, what it is sent is sealed.
#[test]
fn ten_thousand_packets_under_keys_allocate_nothing() {
    let mut ports = Ports::new(PortSpace::DEFAULT, 7);
    let mut relay = Relay::new(&config());
    let (a, b) = ("192.0.2.1:4000".parse().unwrap(), "198.51.100.2:5000".parse().unwrap());
    let (pair_a, pair_b) = (ports.take(0, Tick(0)).unwrap(), ports.take(0, Tick(0)).unwrap());
    let side = |pair: strowger_media::ports::PortPair, at| Endpoint {
        rtp: pair.rtp,
        rtcp: Some(pair.rtcp),
        peer: peer(at),
        silence: Silence::DEFAULT,
    };
    let spec = PairSpec { carried: Carried::Rtp, a: side(pair_a, a), b: side(pair_b, b) };
    relay.open(&spec, Tick(0)).unwrap();
    let mut maker = KeyMaker::new(&[5; 32]).unwrap();
    let mut key = || maker.make(Suite::AesCm128Sha80).unwrap();
    let keys = Keys { ours: key(), theirs: key() };
    relay.guard((pair_a.rtp, pair_a.rtcp), Some(&keys));
    let mut sealer = RtpSealer::new(&keys.theirs).unwrap();
    let mut opener = RtpOpener::new(&keys.ours).unwrap();
    let mut room = [0u8; 220];
    let forward = |relay: &mut Relay, at, from, room: &mut [u8], len| {
        let mut one = [Datagram::in_room(at, from, room, len)];
        relay.handle_burst(&mut one, Tick(1));
        let [Datagram { verdict, len, .. }] = one;
        matches!(verdict, Verdict::Send { .. }).then_some(len)
    };
    let counted = allocation_counter::measure(|| {
        for sequence in 0..10_000u16 {
            let header =
                rtp::Header { marker: false, payload_type: 8, sequence, timestamp: 0, ssrc: 7 };
            header.emit(&mut room[..172]).unwrap();
            let len = sealer.seal(&mut room, 172).unwrap().len;
            assert_eq!(forward(&mut relay, pair_a.rtp, a, &mut room, len), Some(172));
            let len = forward(&mut relay, pair_b.rtp, b, &mut room, 172).unwrap();
            assert_eq!(opener.open(&mut room[..len]).unwrap().len, 172);
        }
    });
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0));
    // In the clear nothing passes, and what has no room for its tag does not go out.
    assert_eq!(forward(&mut relay, pair_a.rtp, a, &mut room, 172), None);
    room[3] = room[3].wrapping_add(1);
    assert_eq!(forward(&mut relay, pair_b.rtp, b, &mut room[..175], 172), None);
    // Without keys both sides are plain again.
    relay.guard((pair_a.rtp, pair_a.rtcp), None);
    assert_eq!(forward(&mut relay, pair_b.rtp, b, &mut room[..172], 172), Some(172));
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7u64))));
    assert_eq!((counted.count_total, counted.bytes_total), (1, 8));
}
