//! The relay by itself.

use super::{Turn, done};
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_media::ports::{PortPair, PortSpace, Ports};
use strowger_media::{
    Carried, Datagram, Endpoint, PairSpec, Peer, Relay, RelayConfig, Silence, Verdict,
};
use strowger_sdp::{Direction, PayloadTypes};
use strowger_wire::rtp;

/// Pairs, of two flows each.
const PAIRS: usize = 2_000;
/// Packets of a burst, each of another flow.
const BURST: usize = 32;
/// Bytes of a packet: 20 ms of G.711.
const PACKET: usize = 172;

struct Pair {
    ports: [PortPair; 2],
    remotes: [SocketAddr; 2],
}

fn side(ports: PortPair, remote: SocketAddr) -> Endpoint {
    Endpoint {
        rtp: ports.rtp,
        rtcp: Some(ports.rtcp),
        peer: Peer {
            remote: Some(remote),
            rtcp_remote: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
            nat: None,
            strict: false,
            direction: Direction::SendRecv,
            payload_types: PayloadTypes::ALL,
            telephone_event: Some(101),
            clock_hz: 8_000,
        },
        silence: Silence::DEFAULT,
    }
}

fn open(relay: &mut Relay, ports: &mut Ports, number: usize) -> Option<Pair> {
    let at = |net: u8| -> SocketAddr {
        ([net, 0, (number >> 8) as u8, number as u8], 20_000 + 4 * (number as u16 % 4_096)).into()
    };
    let pair = Pair {
        ports: [ports.take(0, Tick(0)).ok()?, ports.take(0, Tick(0)).ok()?],
        remotes: [at(10), at(11)],
    };
    let [a, b] = [0, 1].map(|at: usize| side(pair.ports[at], pair.remotes[at]));
    let id = relay.open(&PairSpec { carried: Carried::Rtp, a, b }, Tick(0)).ok()?;
    // They talk: what rings before an answer is listened to, and costs that.
    relay.answer(id, Tick(0)).ok()?;
    Some(pair)
}

/// A burst of 32 packets, of 4,000 flows in turn.
pub(super) fn relay() -> Option<Turn> {
    let mut ports = Ports::new(PortSpace::DEFAULT, 7);
    let mut relay = Relay::new(&RelayConfig {
        flow_packets_max: u32::MAX,
        ..RelayConfig::new(PortSpace::DEFAULT, PAIRS)
    });
    let pairs: Option<Vec<Pair>> =
        (0..PAIRS).map(|number| open(&mut relay, &mut ports, number)).collect();
    let (pairs, mut nth, mut buffers) = (pairs?, 0u64, [[0u8; PACKET]; BURST]);
    Some(Box::new(move |meter| {
        let mut flow = (nth as usize).wrapping_mul(BURST);
        let round = nth * BURST as u64 / (2 * PAIRS as u64);
        let now = Tick(0).plus_ms(20 * round);
        let mut burst = buffers.each_mut().map(|octets| {
            let (pair, side) = (&pairs[flow / 2 % PAIRS], flow % 2);
            flow += 1;
            let header = rtp::Header {
                marker: false,
                payload_type: 8,
                sequence: round as u16,
                timestamp: (round * 160) as u32,
                ssrc: 7,
            };
            let _written = header.emit(octets);
            Datagram::new(pair.ports[side].rtp, pair.remotes[side], octets)
        });
        nth += 1;
        meter(&mut || relay.handle_burst(&mut burst, now));
        let is_sent = |one: &Datagram<'_>| matches!(one.verdict, Verdict::Send { .. });
        done(burst.iter().all(is_sent), "a packet was not relayed")
    }))
}
