//! Calls in a hostile network, seeded: two phones, some behind NATs that rebind, a network that
//! loses, doubles and reorders, and strangers who spray ports and replay what they have seen.
//! Replay one seed with `SEED=n cargo test -p strowger-media --test simulation`.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input must fail")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_media::limits::RELATCH_SILENCE_MS;
use strowger_media::ports::{PortSpace, Ports};
use strowger_media::{
    Carried, Datagram, Drop, Endpoint, LocalPort, PairId, PairSpec, Peer, Relay, RelayConfig,
    Silence, Verdict,
};
use strowger_sdp::{Direction, PayloadTypes};
use strowger_wire::rtp;

const SEEDS: u64 = 200;
const STEPS: u64 = 1_000;
const STEP_MS: u64 = 20;
/// Loss and reordering after a rebinding may delay the packet that re-latches.
const GRACE_MS: u64 = 200;

/// splitmix64
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// A phone, as the network sees it.
struct Phone {
    local: LocalPort,
    signalled: SocketAddr,
    nat: bool,
    address: SocketAddr,
    addresses: BTreeSet<SocketAddr>,
    rebound_at: Option<u64>,
    ssrc: u32,
    sequence: u16,
    accepted: u64,
}

/// A packet on its way to the relay.
struct Flight {
    to: LocalPort,
    from: SocketAddr,
    octets: Vec<u8>,
    arrives_ms: u64,
    is_stranger: bool,
}

struct World {
    seed: u64,
    chance: Chance,
    relay: Relay,
    pair: PairId,
    phones: [Phone; 2],
    flights: Vec<Flight>,
    offered: u64,
    now_ms: u64,
}

fn octets(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut octets = vec![0xd5; 172];
    let timestamp = u32::from(sequence) * 160;
    let header = rtp::Header { marker: false, payload_type: 8, sequence, timestamp, ssrc };
    header.emit(&mut octets).unwrap();
    octets
}

impl Phone {
    fn new(local: LocalPort, host: u8, chance: &mut Chance) -> Phone {
        let nat = chance.percent(50);
        let port = 1024 + chance.below(30_000) as u16 * 2;
        let public = SocketAddr::from(([203, 0, 113, host], port));
        let signalled = if nat { SocketAddr::from(([10, 0, 0, host], 4000)) } else { public };
        Phone {
            local,
            signalled,
            nat,
            address: public,
            addresses: BTreeSet::from([public, signalled]),
            rebound_at: None,
            ssrc: chance.next() as u32,
            sequence: chance.next() as u16,
            accepted: 0,
        }
    }

    fn endpoint(&self) -> Endpoint {
        let peer = Peer {
            remote: Some(self.signalled),
            rtcp_remote: None,
            nat: self.nat.then_some(self.address.ip()),
            strict: false,
            direction: Direction::SendRecv,
            payload_types: PayloadTypes::ALL,
            telephone_event: None,
            clock_hz: 8000,
        };
        Endpoint { rtp: self.local, rtcp: None, peer, silence: Silence::DEFAULT }
    }

    /// Whether packets from its address must have been accepted by now.
    fn is_settled(&self, now_ms: u64) -> bool {
        self.rebound_at.is_none_or(|at| now_ms >= at + RELATCH_SILENCE_MS + GRACE_MS)
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut chance = Chance(seed);
        let mut ports = Ports::new(PortSpace::DEFAULT, seed);
        let mut relay = Relay::new(&RelayConfig::new(PortSpace::DEFAULT, 1));
        let mut phone = |host| Phone::new(ports.take(0, Tick(0)).unwrap().rtp, host, &mut chance);
        let phones = [phone(1), phone(2)];
        let [a, b] = [phones[0].endpoint(), phones[1].endpoint()];
        let pair = relay.open(&PairSpec { carried: Carried::Rtp, a, b }, Tick(0)).unwrap();
        let flights = Vec::new();
        World { seed, chance, relay, pair, phones, flights, offered: 0, now_ms: 0 }
    }

    /// A phone speaks; the network loses 2 %, doubles 2 % and holds 10 % back.
    fn speak(&mut self, which: usize) {
        let phone = &mut self.phones[which];
        phone.sequence = phone.sequence.wrapping_add(1);
        let copies = match self.chance.below(100) {
            0..2 => 0,
            2..4 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let late_ms = if self.chance.percent(10) { self.chance.below(60) } else { 0 };
            self.flights.push(Flight {
                to: phone.local,
                from: phone.address,
                octets: octets(phone.ssrc, phone.sequence),
                arrives_ms: self.now_ms + late_ms,
                is_stranger: false,
            });
        }
    }

    /// A NAT gives a phone another port, rarely. Non-NATed phones never move.
    fn rebind(&mut self, which: usize) {
        let phone = &mut self.phones[which];
        let quiet = phone.accepted > 0 && phone.is_settled(self.now_ms);
        if phone.nat && quiet && self.chance.below(300) == 0 {
            phone.address.set_port(1025 + self.chance.below(30_000) as u16 * 2);
            phone.addresses.insert(phone.address);
            phone.rebound_at = Some(self.now_ms);
        }
    }

    /// A stranger sends rubbish or RTP of its own; or replays a phone's SSRC and next number while
    /// the phone speaks. From the phone's own host it comes only when that is not behind a NAT or
    /// was learned: before, the relay cannot tell it from the phone.
    fn spray(&mut self) {
        let phone = &self.phones[self.chance.below(2) as usize];
        let host = match self.chance.percent(20) && phone.accepted > 0 {
            true => phone.address.ip(),
            false => [198, 51, 100, self.chance.below(255) as u8].into(),
        };
        let from = SocketAddr::new(host, 1 + self.chance.below(500) as u16 * 2);
        let steals = phone.is_settled(self.now_ms) && phone.accepted > 0;
        let octets = match self.chance.below(3) {
            0 => (0..self.chance.below(40)).map(|_| self.chance.next() as u8).collect(),
            1 if steals => octets(phone.ssrc, phone.sequence.wrapping_add(1)),
            _ => octets(self.chance.next() as u32, self.chance.next() as u16),
        };
        if !phone.addresses.contains(&from) {
            let (to, arrives_ms) = (phone.local, self.now_ms);
            self.flights.push(Flight { to, from, octets, arrives_ms, is_stranger: true });
        }
    }

    fn step(&mut self) {
        for which in 0..2 {
            self.rebind(which);
            self.speak(which);
        }
        while self.chance.percent(30) {
            self.spray();
        }
        let now_ms = self.now_ms;
        let (mut due, later): (Vec<Flight>, Vec<Flight>) =
            self.flights.drain(..).partition(|flight| flight.arrives_ms <= now_ms);
        self.flights = later;
        let last = due.len().max(1) as u64;
        (0..due.len()).for_each(|at| due.swap(at, self.chance.below(last) as usize));
        for flight in due {
            self.arrive(flight);
        }
        self.now_ms += STEP_MS;
    }

    fn arrive(&mut self, mut flight: Flight) {
        let now = Tick(0).plus_ms(self.now_ms);
        let mut burst = [Datagram::new(flight.to, flight.from, &mut flight.octets)];
        self.relay.handle_burst(&mut burst, now);
        self.offered += 1;
        let verdict = burst[0].verdict;
        let which = usize::from(self.phones[1].local == flight.to);
        let seed = self.seed;
        match verdict {
            Verdict::Send { from, to } => {
                assert!(!flight.is_stranger, "SEED={seed}: a stranger's packet went on");
                let other = &self.phones[1 - which];
                assert_eq!(from, other.local, "SEED={seed}: left by the wrong port");
                assert!(other.addresses.contains(&to), "SEED={seed}: sent to a stranger");
                if other.accepted > 0 && other.rebound_at.is_none() {
                    assert_eq!(to, other.address, "SEED={seed}: not where the phone is");
                }
                self.phones[which].accepted += 1;
            }
            Verdict::Dtls => unreachable!("SEED={seed}: nobody agrees on keys"),
            Verdict::Drop(reason) => {
                let phone = &self.phones[which];
                let is_old = flight.from != phone.address;
                let expected = flight.is_stranger || is_old || !phone.is_settled(self.now_ms);
                assert!(expected, "SEED={seed}: {reason:?} at {} ms", self.now_ms);
            }
        }
    }

    fn end(mut self) -> u64 {
        let seed = self.seed;
        let now = Tick(0).plus_ms(self.now_ms);
        let report = self.relay.close(self.pair, now).unwrap();
        let accepted: u64 = self.phones.iter().map(|phone| phone.accepted).sum();
        let drops = report.a.media.drops.total() + report.b.media.drops.total();
        assert_eq!(report.a.media.packets + report.b.media.packets, accepted, "SEED={seed}");
        assert_eq!(accepted + drops, self.offered, "SEED={seed}: packets unaccounted for");
        for (phone, side) in self.phones.iter().zip([report.a, report.b]) {
            assert!(phone.accepted > STEPS / 2, "SEED={seed}: {} of {STEPS}", phone.accepted);
            assert_eq!(side.media.ssrc, Some(phone.ssrc), "SEED={seed}");
            assert_eq!(side.media.moves > 0, phone.rebound_at.is_some(), "SEED={seed}");
        }
        for phone in &self.phones {
            let mut octets = octets(phone.ssrc, 1);
            let mut burst = [Datagram::new(phone.local, phone.address, &mut octets)];
            self.relay.handle_burst(&mut burst, now);
            assert_eq!(burst[0].verdict, Verdict::Drop(Drop::Closed), "SEED={seed}");
        }
        u64::from(report.a.media.moves + report.b.media.moves)
    }
}

fn run(seed: u64) -> u64 {
    let mut world = World::new(seed);
    (0..STEPS).for_each(|_| world.step());
    // Let the last rebinding settle.
    for _ in 0..(RELATCH_SILENCE_MS + GRACE_MS) / STEP_MS {
        (0..2).for_each(|which| world.speak(which));
        let flights: Vec<Flight> = world.flights.drain(..).collect();
        flights.into_iter().for_each(|flight| world.arrive(flight));
        world.now_ms += STEP_MS;
    }
    world.end()
}

#[test]
fn calls_survive_a_hostile_network() {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        run(seed);
        return;
    }
    let moves: u64 = (0..SEEDS).map(run).sum();
    assert!(moves > SEEDS, "only {moves} rebindings were followed: the simulation proves nothing");
}
