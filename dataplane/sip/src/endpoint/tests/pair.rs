//! Two endpoints back to back over a network that loses, delays and doubles, in virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use strowger_leg::{Body, Command, Event, Invite};
use strowger_link::{Cause, Key, LegId, Tick, Transport};

use super::script::{TOKEN_KEY, config, event_text, leg_id};
use crate::endpoint::config::Chance;
use crate::endpoint::{Admission, Bytes, Endpoint, LegKeys, Listener, Output, Path};
use crate::method::Method;

struct Slots(u16);

impl LegKeys for Slots {
    fn open(&mut self) -> Option<LegId> {
        self.0 += 1;
        Some(leg_id(self.0))
    }

    fn close(&mut self, _: LegId) {}

    fn admission(&self, _: &Path, _: Method) -> Admission<'_> {
        Admission::Open
    }
}

struct Side {
    endpoint: Endpoint,
    slots: Slots,
    address: SocketAddr,
    events: Vec<(LegId, Event)>,
}

impl Side {
    fn new(host: u8) -> Side {
        let address = ([192, 0, 2, host], 5060).into();
        let mut config = config();
        config.token_key = TOKEN_KEY;
        config.chance_key = Key([host; 16]);
        config.listeners =
            vec![Listener { transport: Transport::Udp, local: address, advertised: address }];
        Side { endpoint: Endpoint::new(config), slots: Slots(0), address, events: Vec::new() }
    }
}

/// A network between two sides; datagrams in flight by arrival time and number.
struct Net {
    sides: [Side; 2],
    now: Tick,
    flight: BTreeMap<(Tick, u64), (SocketAddr, SocketAddr, Bytes)>,
    sent: u64,
    chance: Chance,
    lost_percent: u32,
}

impl Net {
    fn new(seed: u8, lost_percent: u32) -> Net {
        Net {
            sides: [Side::new(1), Side::new(2)],
            now: Tick(0),
            flight: BTreeMap::new(),
            sent: 0,
            chance: Chance::new(Key([seed; 16])),
            lost_percent,
        }
    }

    fn command(&mut self, side: usize, leg: LegId, command: Command) {
        self.sides[side].endpoint.handle_command(leg, command, self.now);
        self.drain(side);
    }

    fn drain(&mut self, side: usize) {
        while let Some(output) = self.sides[side].endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let from = self.sides[side].address;
                    let copies = match self.chance.up_to(99) {
                        n if n < self.lost_percent => 0,
                        n if n < self.lost_percent + 3 => 2,
                        _ => 1,
                    };
                    for _ in 0..copies {
                        let delay_ms = 5 + u64::from(self.chance.up_to(60));
                        self.sent += 1;
                        let key = (self.now.plus_ms(delay_ms), self.sent);
                        self.flight.insert(key, (from, transmit.path.peer, transmit.bytes.clone()));
                    }
                }
                Output::Event(leg, event) => self.sides[side].events.push((leg, event)),
                Output::Request(_) => panic!("nobody registers here"),
                Output::Counted(_) => {}
            }
        }
    }

    /// Runs to `end`, or until `done`.
    fn run(&mut self, end: Tick, done: impl Fn(&Net) -> bool) -> bool {
        for _ in 0..200_000 {
            if done(self) {
                return true;
            }
            let alarms = self.sides.iter().filter_map(|side| side.endpoint.poll_timeout());
            let arrival = self.flight.keys().next().map(|(at, _)| *at);
            let Some(next) = alarms.chain(arrival).min().filter(|at| *at <= end) else {
                self.now = end;
                return done(self);
            };
            self.now = next.max(self.now);
            self.arrive();
            for side in 0..2 {
                self.sides[side].endpoint.handle_timeout(self.now);
                self.drain(side);
                let endpoint = &self.sides[side].endpoint;
                let owners = endpoint.legs() + endpoint.transactions();
                assert!(endpoint.alarms() <= owners, "an alarm without an owner");
                assert!(endpoint.layer.is_consistent(), "keys and transactions differ");
            }
        }
        panic!("events without end");
    }

    fn arrive(&mut self) {
        while let Some(entry) = self.flight.first_entry().filter(|e| e.key().0 <= self.now) {
            let (from, to, bytes) = entry.remove();
            let Some(side) = self.sides.iter().position(|side| side.address == to) else {
                continue;
            };
            let Side { endpoint, slots, .. } = &mut self.sides[side];
            let path =
                Path { listener: 0, transport: Transport::Udp, local: to, peer: from, flow: 0 };
            endpoint.handle_datagram(&bytes, path, self.now, slots);
            self.drain(side);
        }
    }

    fn last(&self, side: usize, leg: LegId) -> String {
        let mut mine = self.sides[side].events.iter().rev().filter(|(id, _)| *id == leg);
        mine.next().map(|(_, event)| event_text(event)).unwrap_or_default()
    }

    fn ends(&self, side: usize, leg: LegId) -> usize {
        let over = |event: &Event| matches!(event, Event::Ended { .. } | Event::Refused { .. });
        self.sides[side].events.iter().filter(|(id, e)| *id == leg && over(e)).count()
    }

    fn is_empty(&self) -> bool {
        self.sides.iter().all(|side| {
            side.endpoint.legs() == 0
                && side.endpoint.transactions() == 0
                && side.endpoint.alarms() == 0
        })
    }
}

fn sdp() -> Option<Body> {
    Some(Body::sdp(*b"v=0"))
}

fn order(to: SocketAddr) -> Command {
    let mut order: Invite = super::script::order();
    order.branch.target.uri = format!("sip:4420@{to}");
    order.branch.target.address = to;
    Command::Invite(Box::new(order))
}

fn hangup() -> Command {
    Command::Hangup { cause: Cause::new(0, 16), phrase: "".into(), retry_after_s: 0 }
}

const SECONDS: u64 = 1_000;

/// One call with everything in it: ring, answer, a new description from each side, BYE.
fn whole_call(seed: u8, lost_percent: u32) {
    let mut net = Net::new(seed, lost_percent);
    let (ours, theirs) = (leg_id(900), leg_id(1));
    let to = net.sides[1].address;
    net.command(0, ours, order(to));
    let offered = |net: &Net| net.last(1, theirs).starts_with("Offered");
    let end = net.now.plus_ms(40 * SECONDS);
    assert!(net.run(end, offered), "seed {seed}: not offered");
    net.command(1, theirs, Command::Progress { status: 180, body: None });
    net.command(1, theirs, Command::Answer { body: sdp() });
    let confirmed = |net: &Net| {
        net.last(0, ours).starts_with("Confirmed") && net.last(1, theirs).starts_with("Confirmed")
    };
    let end = net.now.plus_ms(40 * SECONDS);
    if !net.run(end, confirmed) {
        // So many losses in a row that one side gave up: then both did, and nothing is left.
        return finish(net, seed, ours, theirs);
    }
    for (asker, answerer, leg, other) in [(0, 1, ours, theirs), (1, 0, theirs, ours)] {
        net.command(asker, leg, Command::Reoffer { body: sdp() });
        let asked = |net: &Net| net.last(answerer, other).starts_with("Reoffer ");
        let end = net.now.plus_ms(40 * SECONDS);
        if !net.run(end, asked) {
            return finish(net, seed, ours, theirs);
        }
        net.command(answerer, other, Command::ReofferAnswer { body: sdp() });
        let answered = |net: &Net| net.last(asker, leg).starts_with("ReofferAnswered");
        let end = net.now.plus_ms(40 * SECONDS);
        if !net.run(end, answered) {
            return finish(net, seed, ours, theirs);
        }
    }
    finish(net, seed, ours, theirs);
}

fn finish(mut net: Net, seed: u8, ours: LegId, theirs: LegId) {
    if net.ends(0, ours) == 0 {
        net.command(0, ours, hangup());
    }
    let ended = |net: &Net| net.ends(0, ours) == 1 && net.ends(1, theirs) == 1;
    let end = net.now.plus_ms(40 * SECONDS);
    if !net.run(end, ended) {
        // Every BYE was lost; the other side would end by its media or its lease.
        net.command(1, theirs, hangup());
    }
    let end = net.now.plus_ms(200 * SECONDS);
    net.run(end, Net::is_empty);
    assert_eq!((net.ends(0, ours), net.ends(1, theirs)), (1, 1), "seed {seed}");
    assert!(net.is_empty(), "seed {seed}: something is left");
}

#[test]
fn whole_calls_on_a_good_network() {
    for seed in 0..20 {
        whole_call(seed, 0);
    }
}

#[test]
fn whole_calls_on_a_lossy_network() {
    for seed in 0..150 {
        whole_call(seed, 20);
    }
}

#[test]
fn cancel_and_answer_cross() {
    for seed in 0..150u8 {
        let mut net = Net::new(seed, 10);
        let (ours, theirs) = (leg_id(900), leg_id(1));
        let to = net.sides[1].address;
        net.command(0, ours, order(to));
        let offered = |net: &Net| net.last(1, theirs).starts_with("Offered");
        let end = net.now.plus_ms(40 * SECONDS);
        assert!(net.run(end, offered));
        net.command(1, theirs, Command::Progress { status: 180, body: None });
        let end = net.now.plus_ms(u64::from(seed) % 90);
        net.run(end, |_| false);
        net.command(0, ours, hangup());
        net.command(1, theirs, Command::Answer { body: sdp() });
        let ended = |net: &Net| net.ends(0, ours) == 1 && net.ends(1, theirs) == 1;
        let end = net.now.plus_ms(80 * SECONDS);
        assert!(net.run(end, ended), "seed {seed}: {:?}", net.sides[1].events);
        let end = net.now.plus_ms(200 * SECONDS);
        assert!(net.run(end, Net::is_empty), "seed {seed}: something is left");
    }
}

#[test]
fn offers_that_meet_are_both_answered_in_the_end() {
    for seed in 0..50u8 {
        let mut net = Net::new(seed, 0);
        let (ours, theirs) = (leg_id(900), leg_id(1));
        let to = net.sides[1].address;
        net.command(0, ours, order(to));
        let end = net.now.plus_ms(5 * SECONDS);
        assert!(net.run(end, |net| net.last(1, theirs).starts_with("Offered")));
        net.command(1, theirs, Command::Answer { body: sdp() });
        let end = net.now.plus_ms(5 * SECONDS);
        net.run(end, |_| false);
        net.command(0, ours, Command::Reoffer { body: sdp() });
        net.command(1, theirs, Command::Reoffer { body: sdp() });
        for _ in 0..2 {
            let asked = |net: &Net, side: usize, leg| net.last(side, leg).starts_with("Reoffer ");
            let end = net.now.plus_ms(20 * SECONDS);
            assert!(net.run(end, |net| asked(net, 0, ours) || asked(net, 1, theirs)), "{seed}");
            let (side, leg) = if asked(&net, 0, ours) { (0, ours) } else { (1, theirs) };
            net.command(side, leg, Command::ReofferAnswer { body: sdp() });
            let (other, peer) = if side == 0 { (1, theirs) } else { (0, ours) };
            let answered = |net: &Net| {
                net.sides[other].events.iter().any(|(id, event)| {
                    *id == peer && matches!(event, Event::ReofferAnswered { .. })
                })
            };
            let end = net.now.plus_ms(20 * SECONDS);
            assert!(net.run(end, answered), "seed {seed}");
            net.sides[side].events.retain(|(_, event)| !matches!(event, Event::Reoffer { .. }));
            net.sides[side].events.retain(|(_, e)| !matches!(e, Event::Confirmed { .. }));
        }
    }
}

/// Any command at any time, in place or not.
fn any_command(net: &mut Net) -> Command {
    let body = if net.chance.up_to(3) == 0 { None } else { sdp() };
    match net.chance.up_to(9) {
        0 => Command::Progress { status: 180, body },
        1 | 2 => Command::Answer { body },
        3 => Command::Confirm { body },
        4 => Command::Reoffer { body },
        5 | 6 => Command::ReofferAnswer { body },
        7 => Command::ReofferRefuse { cause: Cause::from_sip(488) },
        8 => Command::Info { body: Body::sdp(*b"x") },
        _ => hangup(),
    }
}

/// The laws of `leg`: each leg ends once, nothing comes after, and nothing is left behind.
#[test]
fn whatever_calls_and_network_do_each_leg_ends_once() {
    for seed in 0..60u8 {
        let mut net = Net::new(seed, 15);
        let mut legs: Vec<(usize, LegId)> = Vec::new();
        for step in 0..120u16 {
            let side = usize::from(step % 2);
            if step % 12 < 2 {
                let (id, to) = (leg_id(10_000 + step), net.sides[1 - side].address);
                net.command(side, id, order(to));
                legs.push((side, id));
            }
            let known = net.sides.iter().enumerate();
            let offered: Vec<_> = known
                .flat_map(|(side, s)| s.events.iter().map(move |(id, e)| (side, *id, e)))
                .filter(|(_, _, event)| matches!(event, Event::Offered(_)))
                .map(|(side, id, _)| (side, id))
                .filter(|leg| !legs.contains(leg))
                .collect();
            legs.extend(offered);
            let last = u32::try_from(legs.len()).unwrap() - 1;
            let (side, id) = legs[net.chance.up_to(last) as usize];
            let command = any_command(&mut net);
            net.command(side, id, command);
            let end = net.now.plus_ms(u64::from(net.chance.up_to(900)));
            net.run(end, |_| false);
        }
        for _ in 0..2 {
            for (side, id) in legs.clone() {
                net.command(side, id, hangup());
            }
            // Legs that were offered only now are ended in the second round.
            let end = net.now.plus_ms(80 * SECONDS);
            net.run(end, |_| false);
            for (side, s) in net.sides.iter().enumerate() {
                legs.extend(s.events.iter().map(|(id, _)| (side, *id)));
            }
            legs.sort();
            legs.dedup();
        }
        let end = net.now.plus_ms(200 * SECONDS);
        assert!(net.run(end, Net::is_empty), "seed {seed}: something is left");
        for (side, id) in legs {
            assert_eq!(net.ends(side, id), 1, "seed {seed}: {side} {id:?}");
            let last = net.last(side, id);
            assert!(last.starts_with("Ended") || last.starts_with("Refused"), "{seed}: {last}");
        }
    }
}
