//! The array by which flows are given to the kernel's program: whatever its writer is asked for, in
//! whatever order, an entry says what it was given and nothing else, and what is taken back is what
//! was given.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use strowger_link::{SECOND, Tally, Tick};
use strowger_port::flows::FlowSpace;
use strowger_port::net::{MediaPort, Offload};
use strowger_port::offload::{Hop, OFFLOAD_WORDS, Offloads, REST_NS};
use strowger_port::shm::create_memfd;

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "offload", run, seeds, words: &[] };

/// The ports of the array: some more are asked for.
const PORTS: std::ops::RangeInclusive<u16> = 20_000..=20_007;
/// Orders of one input.
const ORDERS_MAX: usize = 64;

/// What an entry that is away was given.
struct Given {
    shard: u8,
    offload: Offload,
    hop: Hop,
    tally: Tally,
}

/// What has to be so.
#[derive(Default)]
struct Model {
    away: BTreeMap<(u8, u16), Given>,
    /// When an entry was taken back last.
    back: BTreeMap<(u8, u16), Tick>,
}

fn space() -> FlowSpace {
    let addresses = ["192.0.2.1", "198.51.100.1", "2001:db8::1"];
    FlowSpace {
        addresses: addresses.iter().filter_map(|ip| ip.parse().ok()).collect(),
        port_min: *PORTS.start(),
        port_max: *PORTS.end(),
        shards: 2,
    }
}

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let space = space();
    let words = usize::try_from(space.pairs()).unwrap_or(0) * OFFLOAD_WORDS;
    let Ok((_, mapping)) = create_memfd(c"offloads", words) else { return shape };
    let Ok(offloads) = Offloads::over(space, mapping) else { return shape };
    let (mut choices, mut model, mut now) = (Choices(input), Model::default(), Tick(SECOND));
    for _ in 0..ORDERS_MAX {
        if choices.0.is_empty() {
            break;
        }
        now = now.plus_ns(u64::from(choices.u8()) * REST_NS / 64);
        order(&mut shape, (&offloads, &mut model), &mut choices, now);
        for ((address, port), given) in &model.away {
            keeps(&offloads, MediaPort { address: *address, port: *port }, given);
        }
    }
    for shard in 0..3 {
        let there: Vec<_> =
            offloads.ports_away(shard).map(|port| (port.address, port.port)).collect();
        let known = model.away.iter().filter(|(_, given)| given.shard == shard);
        assert_eq!(there, known.map(|(port, _)| *port).collect::<Vec<_>>());
    }
    shape.count("away", model.away.len());
    shape
}

/// One order, and its answer.
fn order(
    shape: &mut Shape,
    (offloads, model): (&Offloads, &mut Model),
    choices: &mut Choices<'_>,
    now: Tick,
) {
    let what = choices.u8() % 4;
    let port = port(choices);
    let key = (port.address, port.port);
    match what {
        0 | 1 => {
            let (shard, offload, hop) = (choices.u8() % 2, offload(choices), hop(choices));
            let tally = tally(choices);
            let is_given =
                offloads.give((port, shard), (&offload, &hop), &tally, (now.plus_ns(SECOND), now));
            shape.note("given", &is_given);
            assert_eq!(is_given, may_go(model, port, (&offload, &hop), now));
            if is_given {
                model.away.insert(key, Given { shard, offload, hop, tally });
            }
        }
        2 => {
            let back = offloads.take_back(port, now);
            shape.note("back", &back.is_some());
            let given = model.away.remove(&key);
            assert_eq!(back, given.map(|given| given.tally));
            if back.is_some() {
                model.back.insert(key, now);
            }
        }
        _ => {
            let known = model.away.get(&key).map(|given| given.hop);
            let hop =
                known.filter(|_| choices.u8().is_multiple_of(2)).unwrap_or_else(|| hop(choices));
            let goes_on = offloads.extend(port, &hop, now.plus_ns(SECOND));
            shape.note("goes on", &goes_on);
            assert_eq!(goes_on, known == Some(hop));
        }
    }
}

/// Whether a flow may be given away: a port of the array with RTP, at rest, all of one family.
fn may_go(model: &Model, port: MediaPort, (offload, hop): (&Offload, &Hop), now: Tick) -> bool {
    let space = space();
    let ip = |port: MediaPort| space.addresses.get(usize::from(port.address)).copied();
    let is_port = PORTS.contains(&port.port) && (port.port - PORTS.start()).is_multiple_of(2);
    let (Some(local), Some(out), true) = (ip(port), ip(offload.out), is_port) else { return false };
    let ips = [offload.from.ip(), offload.to.ip(), out, hop.next];
    let key = (port.address, port.port);
    let rested = model.back.get(&key).is_none_or(|back| now.ns_since(*back) >= REST_NS);
    ips.iter().all(|ip| ip.is_ipv4() == local.is_ipv4()) && !model.away.contains_key(&key) && rested
}

fn keeps(offloads: &Offloads, port: MediaPort, given: &Given) {
    let cost = SECOND.checked_div(given.offload.packets_max.into()).unwrap_or(0);
    let rounded = SECOND.checked_div(cost).unwrap_or(0);
    let packets_max = u32::try_from(rounded).unwrap_or_default();
    assert_eq!(offloads.given(port), Some(Offload { packets_max, ..given.offload }));
    assert_eq!(offloads.tally(port), Some(given.tally));
}

fn port(choices: &mut Choices<'_>) -> MediaPort {
    let bits = choices.u8();
    MediaPort { address: bits >> 6, port: PORTS.start() - 2 + u16::from(bits & 15) }
}

/// Mostly of the family of the first addresses.
fn ip(choices: &mut Choices<'_>) -> IpAddr {
    match choices.u8() % 4 {
        3 => IpAddr::from(choices.array::<16>()),
        _ => IpAddr::from(choices.array::<4>()),
    }
}

fn offload(choices: &mut Choices<'_>) -> Offload {
    let from = SocketAddr::new(ip(choices), choices.u16());
    let to = SocketAddr::new(ip(choices), choices.u16());
    let event = choices.u8();
    Offload {
        from,
        to,
        out: port(choices),
        payload_types: u128::from_be_bytes(choices.array()),
        event: (event < 128).then_some(event),
        clock_hz: choices.u32(),
        packets_max: choices.u32() >> (choices.u8() % 32),
    }
}

fn hop(choices: &mut Choices<'_>) -> Hop {
    let dscp = choices.u8() & 63;
    let (interface, next, len_max) = (choices.u32(), ip(choices), choices.u16());
    Hop { interface, next, mac: choices.array(), len_max, dscp }
}

fn tally(choices: &mut Choices<'_>) -> Tally {
    let (transit, payload_type) = (choices.u32(), choices.u8());
    Tally {
        packets: u64::from(choices.u32()) << 16,
        octets: u64::from(choices.u32()) << 24,
        first: Tick(choices.u32().into()),
        last: Tick(choices.u32().into()),
        flooded: choices.u32(),
        lost_before: choices.u32(),
        base: choices.u32(),
        cycles: choices.u32(),
        received: choices.u32(),
        highest: choices.u16(),
        ssrc: choices.u32(),
        transit: (transit & 1 == 1).then_some(transit),
        jitter_16: choices.u32(),
        jitter_16_max: choices.u32(),
        payload_type: (payload_type < 128).then_some(payload_type),
    }
}

/// Orders of a flow's life: given, let go on, taken back, given again.
fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let fields = |dice: &mut Dice| -> Vec<u8> { (0..110).map(|_| dice.byte() & 0x7c).collect() };
    let life = |dice: &mut Dice| {
        let port = dice.byte() & 0x4e | 2;
        let mut bytes = vec![64, 0, port];
        bytes.extend(fields(dice));
        bytes.extend([1, 3, port, 0, 1, 2, port, 255, 0, port]);
        bytes.extend(fields(dice));
        bytes
    };
    (0..8).map(|_| life(dice)).collect()
}
