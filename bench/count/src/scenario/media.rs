//! The relay by itself.

use super::{Turn, done};
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_media::ports::{PortPair, PortSpace, Ports};
use strowger_media::{
    Carried, Datagram, Endpoint, Keys, PairSpec, Peer, Relay, RelayConfig, Silence, Verdict,
};
use strowger_sdp::{Direction, PayloadTypes};
use strowger_srtp::limits::GROWTH_MAX;
use strowger_srtp::{Master, RtpSealer, Suite};
use strowger_wire::rtp;

/// Pairs, of two flows each.
const PAIRS: usize = 2_000;
/// Packets of a burst, each of another flow.
const BURST: usize = 32;
/// Bytes of a packet: 20 ms of G.711.
const PACKET: usize = 172;
/// Pairs whose first side is encrypted: ten bursts are a round of all, so no packet comes twice.
const GUARDED: usize = 160;

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

/// A packet of round `round` of a flow, 20 ms after the one before.
fn write(octets: &mut [u8], round: u64) {
    let header = rtp::Header {
        marker: false,
        payload_type: 8,
        sequence: round as u16,
        timestamp: (round * 160) as u32,
        ssrc: 7,
    };
    let _written = header.emit(octets);
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
            write(octets, round);
            Datagram::new(pair.ports[side].rtp, pair.remotes[side], octets)
        });
        nth += 1;
        meter(&mut || relay.handle_burst(&mut burst, now));
        let is_sent = |one: &Datagram<'_>| matches!(one.verdict, Verdict::Send { .. });
        done(burst.iter().all(is_sent), "a packet was not relayed")
    }))
}

/// The keys of a side: ours and its own, of one suite.
fn keys(number: usize) -> Option<Keys> {
    let master = |salt: u8| {
        let octets = core::array::from_fn::<u8, 30, _>(|at| at as u8 ^ number as u8 ^ salt);
        Master::new(Suite::AesCm128Sha80, &octets)
    };
    Some(Keys { ours: master(1)?, theirs: master(2)? })
}

/// The same of pairs whose first side speaks SRTP: 16 packets are opened and 16 are sealed.
pub(super) fn guarded() -> Option<Turn> {
    let mut ports = Ports::new(PortSpace::DEFAULT, 7);
    let mut relay = Relay::new(&RelayConfig {
        flow_packets_max: u32::MAX,
        ..RelayConfig::new(PortSpace::DEFAULT, GUARDED)
    });
    let mut pairs = Vec::with_capacity(GUARDED);
    for number in 0..GUARDED {
        let (pair, keys) = (open(&mut relay, &mut ports, number)?, keys(number)?);
        relay.guard((pair.ports[0].rtp, pair.ports[0].rtcp), Some(&keys));
        pairs.push((pair, RtpSealer::new(&keys.theirs)?));
    }
    let (mut nth, mut buffers) = (0u64, [[0u8; PACKET + GROWTH_MAX]; BURST]);
    Some(Box::new(move |meter| {
        let mut flow = (nth as usize).wrapping_mul(BURST);
        let round = nth * BURST as u64 / (2 * GUARDED as u64);
        let now = Tick(0).plus_ms(20 * round);
        nth += 1;
        let mut burst = buffers.each_mut().map(|octets| {
            let ((pair, sealer), side) = (&mut pairs[flow / 2 % GUARDED], flow % 2);
            flow += 1;
            *octets = [0; PACKET + GROWTH_MAX];
            write(octets, round);
            let len = match side {
                0 => sealer.seal(octets, PACKET).map_or(0, |passed| passed.len),
                _ => PACKET,
            };
            Datagram::in_room(pair.ports[side].rtp, pair.remotes[side], octets, len)
        });
        meter(&mut || relay.handle_burst(&mut burst, now));
        let is_sent = |one: &Datagram<'_>| matches!(one.verdict, Verdict::Send { .. });
        let opened = burst.iter().filter(|one| one.len == PACKET).count();
        done(burst.iter().all(is_sent) && opened == BURST / 2, "a packet was not relayed")
    }))
}
