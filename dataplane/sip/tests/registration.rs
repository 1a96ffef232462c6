//! A registration's life in virtual time: a registrar that shortens, restarts, forgets, is away and
//! changes its password, over a network that loses, delays and repeats. Each seed is a story; a
//! story that fails prints its seed.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use strowger_link::siphash::siphash24;
use strowger_link::{
    Key, LegId, Secret, Tick, Transport, Upstream, UpstreamOrder, UpstreamPhase, UpstreamState,
};
use strowger_sip::build::{Reply, Writer};
use strowger_sip::digest::{Algorithm, Check, Credentials, Ha1, Nonces, write_challenge};
use strowger_sip::endpoint::{Admission, Config, Endpoint, LegKeys, Listener, Output, Path};
use strowger_sip::{Header, Index, Message, Method, Status};

const SEEDS: u64 = 200;
/// Length of the wild part of a story, seconds.
const WILD_S: u64 = 2 * 3_600;
/// After so long in a healthy world it must be registered, seconds: a registrar that forgot us is
/// not noticed before the next refresh, which a raised lifetime puts off to half an hour; then the
/// longest back-off.
const HEALED_S: u64 = 1_800 + 600;
/// Most REGISTERs in the wild part, retransmissions not counted: no storm.
const REGISTERS_MAX: u32 = 900;

struct Dice(Key, u64);

impl Dice {
    fn up_to(&mut self, max: u64) -> u64 {
        self.1 += 1;
        siphash24(&self.0, &self.1.to_le_bytes()) % (max + 1)
    }
}

struct Nobody;

impl LegKeys for Nobody {
    fn open(&mut self) -> Option<LegId> {
        None
    }
    fn close(&mut self, _: LegId) {}
    fn is_one_party(&self, _: SocketAddr, _: SocketAddr) -> bool {
        false
    }
    fn admission(&self, _: &Path, _: Method) -> Admission<'_> {
        Admission::Deny
    }
}

/// What a registrar is and knows.
struct Registrar {
    password: &'static str,
    away: bool,
    grant_max_s: u32,
    grant_min_s: u32,
    nonce: u64,
    bound_until: Option<Tick>,
    cseq: u32,
    call_id: Vec<u8>,
    asked: u32,
}

impl Registrar {
    fn answer(&mut self, bytes: &[u8], from: SocketAddr, now: Tick) -> Option<Vec<u8>> {
        if self.away {
            return None;
        }
        let mut index = Index::new();
        let request = Message::parse(bytes, &mut index).unwrap();
        request.validate().unwrap();
        assert_eq!(request.method(), Some(Method::Register));
        let cseq = request.cseq().unwrap().number;
        if cseq > self.cseq || request.call_id().unwrap() != self.call_id {
            self.asked += 1;
            self.cseq = cseq;
            self.call_id = request.call_id().unwrap().to_vec();
        }
        let (code, fields) = self.judge(request, cseq, now);
        let mut out = Vec::new();
        let status = Status::new(code).unwrap();
        let reply = Reply { status, phrase: &[], to_tag: Some(b"r"), source: from };
        let mut writer = Writer::response(&mut out, request, reply);
        for (header, value) in &fields {
            writer.field(*header, value);
        }
        writer.finish(None).unwrap();
        Some(out)
    }

    fn judge(
        &mut self,
        request: Message<'_>,
        cseq: u32,
        now: Tick,
    ) -> (u16, Vec<(Header, Vec<u8>)>) {
        let nonce = format!("n{}", self.nonce);
        let shown = request.value(Header::Authorization).and_then(Credentials::parse);
        let ha1 = Ha1::compute(Algorithm::Sha256, b"us", b"carrier", self.password.as_bytes());
        let known = shown.is_some_and(|shown| {
            shown.nonce == nonce.as_bytes() && shown.verify(&ha1, b"REGISTER") == Check::Match
        });
        if !known {
            let stale = shown.is_some_and(|shown| shown.nonce != nonce.as_bytes());
            let mut value = Vec::new();
            let bytes = nonce.as_bytes();
            write_challenge(&mut value, b"carrier", bytes, Algorithm::Sha256, stale);
            return (401, vec![(Header::WwwAuthenticate, value)]);
        }
        assert!(cseq >= self.cseq, "an old CSeq with new credentials");
        let wish = request.number(Header::Expires).unwrap().unwrap();
        if wish == 0 {
            self.bound_until = None;
            return (200, Vec::new());
        }
        if wish < self.grant_min_s {
            return (423, vec![(Header::MinExpires, self.grant_min_s.to_string().into())]);
        }
        let granted = wish.min(self.grant_max_s);
        self.bound_until = Some(now.plus_ms(u64::from(granted) * 1_000));
        let contact = request.value(Header::Contact).unwrap().to_vec();
        let tail = format!(";expires={granted}").into_bytes();
        (200, vec![(Header::Contact, [contact, tail].concat())])
    }
}

enum Packet {
    ToRegistrar(Vec<u8>),
    ToUs(Vec<u8>),
}

struct World {
    dice: Dice,
    now: Tick,
    endpoint: Endpoint,
    registrar: Registrar,
    wire: BTreeMap<(Tick, u64), Packet>,
    sent: u64,
    loss_percent: u64,
    state: Option<UpstreamState>,
    order: Upstream,
}

fn registrar_at() -> SocketAddr {
    ([192, 0, 2, 9], 5060).into()
}

fn us_at() -> SocketAddr {
    ([192, 0, 2, 1], 5060).into()
}

impl World {
    fn new(seed: u64) -> World {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let nonces = Nonces::new(Key([1; 16]), 60);
        let mut config = Config::new(Key([2; 16]), Key(key), nonces);
        config.listeners =
            vec![Listener { transport: Transport::Udp, local: us_at(), advertised: us_at() }];
        let secret =
            Secret { username: "us".into(), password: "pw".into(), realm: "carrier".into() };
        World {
            dice: Dice(Key(key), 0),
            now: Tick(1_000_000_000),
            endpoint: Endpoint::new(config),
            registrar: Registrar {
                password: "pw",
                away: false,
                grant_max_s: 3_600,
                grant_min_s: 0,
                nonce: 1,
                bound_until: None,
                cseq: 0,
                call_id: Vec::new(),
                asked: 0,
            },
            wire: BTreeMap::new(),
            sent: 0,
            loss_percent: 0,
            state: None,
            order: Upstream {
                id: 1,
                addresses: vec![registrar_at()],
                transport: Transport::Udp,
                listener: 0,
                registrar: "sip:carrier".into(),
                aor: "sip:us@carrier".into(),
                contact_user: "us".into(),
                secret: Some(secret),
                expires_s: 600,
            },
        }
    }

    fn put(&mut self) {
        self.endpoint.handle_upstream(UpstreamOrder::Put(self.order.clone()), self.now);
        self.drain();
    }

    fn throw(&mut self, packet: impl Fn() -> Packet) {
        let copies = 1 + u64::from(self.dice.up_to(99) < 3);
        for _ in 0..copies {
            if self.dice.up_to(99) < self.loss_percent {
                continue;
            }
            self.sent += 1;
            let at = self.now.plus_ms(1 + self.dice.up_to(80));
            self.wire.insert((at, self.sent), packet());
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    assert_eq!(transmit.path.peer, registrar_at());
                    self.throw(|| Packet::ToRegistrar(transmit.bytes.to_vec()));
                }
                Output::Upstream(state) => self.state = Some(state),
                Output::Event(..)
                | Output::Request(_)
                | Output::Moved(..)
                | Output::Name(_)
                | Output::Counted(_) => {}
            }
        }
    }

    /// Lets so much time pass.
    fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        loop {
            let alarm = self.endpoint.poll_timeout();
            let packet = self.wire.keys().next().map(|(at, _)| *at);
            let next = alarm.into_iter().chain(packet).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = next.max(self.now);
            if let Some((_, packet)) =
                self.wire.first_entry().filter(|e| e.key().0 <= self.now).map(|e| e.remove_entry())
            {
                self.carry(packet);
            } else {
                self.endpoint.handle_timeout(self.now);
                self.drain();
            }
        }
        self.now = end;
    }

    fn carry(&mut self, packet: Packet) {
        match packet {
            Packet::ToRegistrar(bytes) => {
                if let Some(answer) = self.registrar.answer(&bytes, us_at(), self.now) {
                    self.throw(|| Packet::ToUs(answer.clone()));
                }
            }
            Packet::ToUs(bytes) => {
                let path = Path {
                    listener: 0,
                    transport: Transport::Udp,
                    local: us_at(),
                    peer: registrar_at(),
                    flow: 0,
                };
                self.endpoint.handle_datagram(&bytes, path, self.now, &mut Nobody);
                self.drain();
            }
        }
    }

    fn phase(&self) -> UpstreamPhase {
        self.state.unwrap().phase
    }

    /// Something happens to the registrar or to the network.
    fn surprise(&mut self) {
        match self.dice.up_to(8) {
            0 => self.registrar.away = true,
            1 | 2 => self.registrar.away = false,
            3 => {
                // It was started again: no bindings, no nonces.
                self.registrar.bound_until = None;
                self.registrar.nonce += 1;
            }
            4 => self.registrar.nonce += 1,
            5 => self.loss_percent = self.dice.up_to(70),
            6 => self.registrar.grant_max_s = [20, 60, 300, 3_600][self.dice.up_to(3) as usize],
            7 => self.registrar.grant_min_s = [0, 0, 900, 1_800][self.dice.up_to(3) as usize],
            _ => self.registrar.password = if self.dice.up_to(3) == 0 { "other" } else { "pw" },
        }
    }

    fn is_bound(&self) -> bool {
        self.registrar.bound_until.is_some_and(|until| until > self.now)
    }
}

fn story(seed: u64) {
    let mut world = World::new(seed);
    world.put();
    let end = world.now.plus_ms(WILD_S * 1_000);
    while world.now < end {
        let wait_ms = 1_000 + world.dice.up_to(240_000);
        world.pass(wait_ms);
        world.surprise();
        if world.phase() == UpstreamPhase::Registered {
            assert!(world.state.unwrap().until >= world.now, "believed beyond its end");
        }
    }
    assert!(world.registrar.asked <= REGISTERS_MAX, "{} REGISTERs", world.registrar.asked);
    // The world heals; a wrong password is the operator's to repair, who changes the login then.
    world.loss_percent = 0;
    let registrar = &mut world.registrar;
    (registrar.away, registrar.password, registrar.grant_min_s) = (false, "pw", 0);
    if world.phase() == UpstreamPhase::Refused {
        world.order.expires_s += 1;
        world.put();
    }
    world.pass(HEALED_S * 1_000);
    assert_eq!(world.phase(), UpstreamPhase::Registered, "{:?}", world.state);
    assert!(world.is_bound(), "the registrar knows us");
    // For an hour it stays so without a gap.
    for _ in 0..360 {
        world.pass(10_000);
        assert!(world.is_bound() && world.phase() == UpstreamPhase::Registered);
    }
    world.endpoint.leave_upstreams(world.now);
    world.drain();
    world.pass(40_000);
    assert_eq!((world.endpoint.upstreams(), world.endpoint.alarms()), (0, 0), "all is over");
    assert!(!world.is_bound(), "unregistered");
}

#[test]
fn every_story_ends_registered() {
    for seed in 0..SEEDS {
        let told = std::panic::catch_unwind(|| story(seed));
        assert!(told.is_ok(), "seed {seed}");
    }
}

#[test]
fn a_wrong_password_is_tried_seldom() {
    let mut world = World::new(7);
    world.registrar.password = "other";
    world.put();
    world.pass(24 * 3_600_000);
    assert_eq!(world.phase(), UpstreamPhase::Refused);
    // Each attempt is two REGISTERs: one to be challenged, one to be refused.
    assert!(world.registrar.asked <= 2 * 40, "{} in a day", world.registrar.asked);
}
