//! Two endpoints back to back over a network that loses, delays and doubles, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use strowger_leg::{Body, Command, Event, Invite};
use strowger_link::{Cause, Key, LegId, SessionTimer, Tick, Transport};

use super::script::{TOKEN_KEY, config, event_text, leg_id, stable};
use crate::endpoint::config::Chance;
use crate::endpoint::{Admission, Bytes, Endpoint, LegKeys, Listener, Output, Path, Thawed};
use crate::message::{Index, Message};
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

    fn is_one_party(&self, _: SocketAddr, _: SocketAddr) -> bool {
        false
    }
}

struct Side {
    endpoint: Endpoint,
    slots: Slots,
    address: SocketAddr,
    events: Vec<(LegId, Event)>,
    /// What a shard would have stored.
    images: BTreeMap<LegId, Vec<u8>>,
    lives: u8,
    /// The requests of all its lives, ACK and CANCEL apart: dialog and CSeq, and branch.
    requests: BTreeSet<(String, Vec<u8>)>,
}

impl Side {
    fn new(host: u8) -> Side {
        let address = ([192, 0, 2, host], 5060).into();
        Side {
            endpoint: endpoint(address, host),
            slots: Slots(0),
            address,
            events: Vec::new(),
            images: BTreeMap::new(),
            lives: 0,
            requests: BTreeSet::new(),
        }
    }

    /// Neither a branch nor a CSeq number is used for two requests, in whatever life.
    fn note(&mut self, bytes: &[u8]) {
        let mut index = Index::new();
        let message = Message::parse(bytes, &mut index).expect("we send what parses");
        message.validate().expect("we send what is valid");
        if matches!(message.method(), None | Some(Method::Ack | Method::Cancel)) {
            return;
        }
        let (call_id, cseq) = (message.call_id().unwrap(), message.cseq().unwrap().number);
        let (from, to) = (message.from().unwrap().tag(), message.to().unwrap().tag());
        let name = format!("{:?}", (call_id, from, to, cseq));
        let branch = message.top_via().unwrap().branch().unwrap().to_vec();
        self.requests.insert((name, branch));
        // It is enough to look at this now and then; the set only grows.
        if self.requests.len().is_multiple_of(16) {
            self.check_requests();
        }
    }

    fn check_requests(&self) {
        let names: BTreeSet<_> = self.requests.iter().map(|(name, _)| name).collect();
        let branches: BTreeSet<_> = self.requests.iter().map(|(_, branch)| branch).collect();
        assert_eq!(names.len(), self.requests.len(), "a number was used twice");
        assert_eq!(branches.len(), self.requests.len(), "a branch was used twice");
    }

    /// Stores what is out of date, before anything is sent.
    fn store(&mut self) {
        while let Some(leg) = self.endpoint.poll_touched() {
            let image = self.endpoint.freeze(leg).expect("a leg that is over is not touched");
            self.images.insert(leg, image);
        }
        self.images.retain(|leg, stored| match self.endpoint.freeze(*leg) {
            Some(now) => {
                assert_eq!(stable(*leg, stored), stable(*leg, &now), "nobody was told");
                true
            }
            None => false,
        });
    }

    /// The process dies, and another one takes its legs over.
    fn restart(&mut self, now: Tick) -> BTreeMap<LegId, Thawed> {
        self.lives += 1;
        let [.., host] = match self.address.ip() {
            std::net::IpAddr::V4(address) => address.octets(),
            std::net::IpAddr::V6(_) => panic!("no such side"),
        };
        self.endpoint = endpoint(self.address, host + 16 * self.lives);
        self.check_requests();
        let thawed = self.images.iter().map(|(leg, image)| {
            (*leg, self.endpoint.thaw(*leg, image, now).expect("takes its own image"))
        });
        thawed.collect()
    }
}

fn endpoint(address: SocketAddr, chance: u8) -> Endpoint {
    let mut config = config();
    config.token_key = TOKEN_KEY;
    config.chance_key = Key([chance; 16]);
    config.listeners =
        vec![Listener { transport: Transport::Udp, local: address, advertised: address }];
    Endpoint::new(config)
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

    fn restart(&mut self, side: usize) -> BTreeMap<LegId, Thawed> {
        let thawed = self.sides[side].restart(self.now);
        self.drain(side);
        thawed
    }

    fn drain(&mut self, side: usize) {
        self.sides[side].store();
        while let Some(output) = self.sides[side].endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    self.sides[side].note(&transmit.bytes);
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
                Output::Request(_) | Output::Moved(..) => panic!("nobody registers or moves here"),
                Output::Counted(_) | Output::Upstream(_) | Output::Name(_) => {}
            }
        }
    }

    /// Runs to `end`, or until `done`.
    fn run(&mut self, end: Tick, done: impl Fn(&Net) -> bool) -> bool {
        for _ in 0..200_000 {
            if done(self) {
                return true;
            }
            let Some(next) = self.next().filter(|at| *at <= end) else {
                self.now = end;
                return done(self);
            };
            self.now = next.max(self.now);
            self.step();
        }
        panic!("events without end");
    }

    /// When something happens next.
    fn next(&self) -> Option<Tick> {
        let alarms = self.sides.iter().filter_map(|side| side.endpoint.poll_timeout());
        let arrival = self.flight.keys().next().map(|(at, _)| *at);
        alarms.chain(arrival).min()
    }

    /// What is due now happens.
    fn step(&mut self) {
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
    timed_order(to, SessionTimer::Answer)
}

fn timed_order(to: SocketAddr, timer: SessionTimer) -> Command {
    let mut order: Invite = super::script::order();
    order.branch.manner.timer = timer;
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
    match net.chance.up_to(11) {
        0 => Command::Progress { status: 180, body },
        1 | 2 => Command::Answer { body },
        3 => Command::Confirm { body },
        4 => Command::Reoffer { body },
        5 | 6 => Command::ReofferAnswer { body },
        7 => Command::ReofferRefuse { cause: Cause::from_sip(488) },
        8 => Command::Info { body: Body::sdp(*b"x") },
        9 => Command::Progress { status: 183, body: sdp() },
        10 => Command::Update { body: Body::sdp(*b"u") },
        _ => hangup(),
    }
}

/// The laws of `leg`: each leg ends once, nothing comes after, and nothing is left behind.
#[test]
fn whatever_calls_and_network_do_each_leg_ends_once() {
    for seed in 0..60u8 {
        anything_goes(seed, false);
    }
}

/// The same, while processes die and others take their legs over.
#[test]
fn whatever_processes_die_each_leg_ends_once() {
    let mut thawed = BTreeMap::<String, u32>::new();
    for seed in 0..100u8 {
        for (kind, n) in anything_goes(seed, true) {
            *thawed.entry(kind).or_default() += n;
        }
    }
    for kind in ["Confirmed", "Unconfirmed", "Early"] {
        assert!(thawed[kind] > 100, "{thawed:?}");
    }
}

/// Gives how many legs came back in which way.
fn anything_goes(seed: u8, mortal: bool) -> BTreeMap<String, u32> {
    let mut net = Net::new(seed, 15);
    let mut legs: Vec<(usize, LegId)> = Vec::new();
    let mut kinds = BTreeMap::new();
    for step in 0..120u16 {
        let side = usize::from(step % 2);
        if step % 12 < 2 {
            let (id, to) = (leg_id(10_000 + step), net.sides[1 - side].address);
            let timer = SessionTimer::Force(90 * u32::from(1 + step % 5));
            net.command(side, id, timed_order(to, timer));
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
        let answer = matches!(command, Command::Answer { .. });
        net.command(side, id, command);
        let ms = if mortal && answer { 20 } else { 900 };
        let end = net.now.plus_ms(u64::from(net.chance.up_to(ms)));
        net.run(end, |_| false);
        if mortal && net.chance.up_to(if answer { 3 } else { 15 }) == 0 {
            for (_, thawed) in net.restart(side) {
                *kinds.entry(format!("{thawed:?}")).or_default() += 1;
            }
        }
    }
    wind_up(&mut net, seed, &mut legs);
    kinds
}

/// Ends everything, and looks whether each leg ended once.
fn wind_up(net: &mut Net, seed: u8, legs: &mut Vec<(usize, LegId)>) {
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
    net.sides.iter().for_each(Side::check_requests);
    for (side, id) in legs {
        assert_eq!(net.ends(*side, *id), 1, "seed {seed}: {side} {id:?}");
        let last = net.last(*side, *id);
        assert!(last.starts_with("Ended") || last.starts_with("Refused"), "{seed}: {last}");
    }
}

/// Early media told reliably, a new offer before the answer, a session that both keep up for ten
/// of its intervals: through a network that loses a fifth of everything.
#[test]
fn early_offers_and_refreshes_come_through() {
    for seed in 0..30u8 {
        let mut net = Net::new(seed, 20);
        let (ours, theirs) = (leg_id(900), leg_id(1));
        let to = net.sides[1].address;
        net.command(0, ours, timed_order(to, SessionTimer::Ask(120)));
        let until = |net: &mut Net, side: usize, leg: LegId, wanted: &str| {
            let end = net.now.plus_ms(33 * SECONDS);
            let came = net.run(end, |net| net.last(side, leg).starts_with(wanted));
            assert!(came, "seed {seed}: no {wanted}, but {}", net.last(side, leg));
        };
        until(&mut net, 1, theirs, "Offered");
        net.command(1, theirs, Command::Progress { status: 183, body: sdp() });
        until(&mut net, 0, ours, "Progress 183 fork 0 sdp");
        // The callee knows that its description came through when PRACK does.
        let end = net.now.plus_ms(3 * SECONDS);
        net.run(end, |_| false);
        net.command(0, ours, Command::Update { body: Body::sdp(*b"v=1") });
        until(&mut net, 1, theirs, "Update sdp");
        net.command(1, theirs, Command::ReofferAnswer { body: sdp() });
        until(&mut net, 0, ours, "ReofferAnswered sdp");
        net.command(1, theirs, Command::Answer { body: sdp() });
        until(&mut net, 1, theirs, "Confirmed");
        let end = net.now.plus_ms(1_200 * SECONDS);
        net.run(end, |_| false);
        assert_eq!((net.ends(0, ours), net.ends(1, theirs)), (0, 0), "seed {seed}");
        let mut legs = vec![(0, ours), (1, theirs)];
        wind_up(&mut net, seed, &mut legs);
    }
}

/// The same session, and the network takes nothing any more: each side ends it by itself.
#[test]
fn a_session_that_nobody_hears_of_ends_on_both_sides() {
    let mut net = Net::new(3, 0);
    let (ours, theirs) = (leg_id(900), leg_id(1));
    let to = net.sides[1].address;
    net.command(0, ours, timed_order(to, SessionTimer::Ask(120)));
    let end = net.now.plus_ms(SECONDS);
    assert!(net.run(end, |net| net.last(1, theirs).starts_with("Offered")));
    net.command(1, theirs, Command::Answer { body: sdp() });
    assert!(net.run(end, |net| net.last(1, theirs).starts_with("Confirmed")));
    net.lost_percent = 100;
    let end = net.now.plus_ms(121 * SECONDS);
    net.run(end, |_| false);
    for (side, leg) in [(0, ours), (1, theirs)] {
        assert_eq!(net.last(side, leg), "Ended 408/102", "side {side}");
    }
    let end = net.now.plus_ms(100 * SECONDS);
    assert!(net.run(end, Net::is_empty));
}

/// What the two calls of an exam do: the side, when, and the command.
type Agenda = BTreeMap<(Tick, u64), (usize, LegId, Command)>;

/// One call between two sides whose calls answer everything, on a good network. The process of
/// one side dies after so many events.
struct Exam {
    net: Net,
    agenda: Agenda,
    /// How many events each side has been read of.
    read: [usize; 2],
    cut: u32,
    mortal: usize,
    came: Option<BTreeMap<LegId, Thawed>>,
}

const LEGS: [LegId; 2] = [leg_id(900), leg_id(1)];

impl Exam {
    fn new(seed: u8, cut: u32, mortal: usize) -> Exam {
        let net = Net::new(seed, 0);
        Exam { net, agenda: Agenda::new(), read: [0; 2], cut, mortal, came: None }
    }

    fn plan(&mut self, ms: u64, side: usize, command: Command) {
        let n = self.net.sent + u64::try_from(self.agenda.len()).unwrap() * 1_000_000;
        self.agenda.insert((self.net.now.plus_ms(ms), n), (side, LEGS[side], command));
    }

    /// Runs for `ms`, with the calls' answers to whatever comes.
    fn run(&mut self, ms: u64) {
        let end = self.net.now.plus_ms(ms);
        loop {
            self.think();
            let planned = self.agenda.first_key_value().map(|(at, _)| at.0);
            let next = self.net.next().into_iter().chain(planned).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.net.now = end;
                return;
            };
            if planned == Some(next) {
                self.net.now = next;
                let (_, (side, leg, command)) = self.agenda.pop_first().unwrap();
                self.net.command(side, leg, command);
            } else {
                self.net.now = next.max(self.net.now);
                self.net.step();
            }
            self.die();
        }
    }

    /// Each event that was dealt with brings the end nearer.
    fn die(&mut self) {
        let Some(left) = self.cut.checked_sub(1) else { return };
        self.cut = left;
        if left > 0 {
            return;
        }
        self.think();
        let side = self.mortal;
        let came = self.net.restart(side);
        self.read[side] = self.net.sides[side].events.len();
        if came.get(&LEGS[side]) != Some(&Thawed::Confirmed) {
            self.agenda.retain(|_, (of, ..)| *of != side);
            if came.contains_key(&LEGS[side]) {
                let cause = Cause::new(503, 41);
                let hangup = Command::Hangup { cause, phrase: "".into(), retry_after_s: 1 };
                self.plan(300, side, hangup);
            }
        }
        self.came = Some(came);
    }

    fn think(&mut self) {
        for side in [0, 1] {
            while let Some((id, event)) = self.net.sides[side].events.get(self.read[side]).cloned()
            {
                self.read[side] += 1;
                assert_eq!(id, LEGS[side]);
                match event {
                    Event::Offered(_) => {
                        self.plan(200, side, Command::Progress { status: 180, body: None });
                        self.plan(600, side, Command::Answer { body: sdp() });
                    }
                    Event::Reoffer { .. } | Event::Update { .. } => {
                        self.plan(100, side, Command::ReofferAnswer { body: sdp() });
                    }
                    Event::Progress { .. }
                    | Event::Fields(_)
                    | Event::Parts(_)
                    | Event::Answered { .. }
                    | Event::Confirmed { .. }
                    | Event::Refused { .. }
                    | Event::ReofferAnswered { .. }
                    | Event::ReofferRefused { .. }
                    | Event::Refreshed { .. }
                    | Event::Digits { .. }
                    | Event::Info { .. }
                    | Event::Message { .. }
                    | Event::Transfer(_)
                    | Event::Ended { .. } => {}
                }
            }
        }
    }

    fn count(&self, side: usize, wanted: impl Fn(&Event) -> bool) -> usize {
        self.net.sides[side].events.iter().filter(|(_, event)| wanted(event)).count()
    }

    fn ends(&self) -> [usize; 2] {
        [0, 1].map(|side| self.net.ends(side, LEGS[side]))
    }

    /// Both sides ask for new descriptions, send INFO, and one hangs up.
    fn finals(&mut self) {
        let before = [0, 1].map(|side| self.carried(side));
        for (ms, side) in [(0, 0), (1_000, 1)] {
            self.plan(ms, side, Command::Reoffer { body: sdp() });
            self.plan(ms + 2_000, side, Command::Info { body: Body::sdp(*b"x") });
        }
        self.run(10_000);
        for (side, (answered, offers, infos)) in before.into_iter().enumerate() {
            let expected = (answered + 1, offers + 1, infos + 1);
            let events: Vec<_> =
                self.net.sides[side].events.iter().map(|(_, event)| event_text(event)).collect();
            assert_eq!(self.carried(side), expected, "side {side}: {events:#?}");
        }
        let last = usize::try_from(self.net.sent % 2).unwrap();
        self.plan(0, last, hangup());
    }

    fn carried(&self, side: usize) -> (usize, usize, usize) {
        (
            self.count(side, |event| matches!(event, Event::ReofferAnswered { .. })),
            self.count(side, |event| matches!(event, Event::Reoffer { .. })),
            self.count(side, |event| matches!(event, Event::Info { .. })),
        )
    }
}

/// The process of `mortal` dies after `cut` events of a whole call; how its leg came back.
fn dies_after(seed: u8, cut: u32, mortal: usize) -> Option<Option<Thawed>> {
    let mut exam = Exam::new(seed, cut, mortal);
    let order = order(exam.net.sides[1].address);
    exam.plan(0, 0, order);
    exam.plan(3_000, 0, Command::Reoffer { body: sdp() });
    exam.plan(5_000, 1, Command::Reoffer { body: sdp() });
    exam.plan(7_000, 0, Command::Info { body: Body::sdp(*b"x") });
    exam.plan(7_500, 1, Command::Info { body: Body::sdp(*b"x") });
    exam.run(60_000);
    let came = exam.came.clone()?.get(&LEGS[mortal]).copied();
    let carries_on = matches!(came, None | Some(Thawed::Confirmed));
    let ends = if carries_on { [0, 0] } else { [1, 1] };
    assert_eq!(exam.ends(), ends, "after {cut}: {came:?} {:?}", exam.net.sides[1].events);
    if carries_on {
        exam.finals();
        exam.run(40_000);
        assert_eq!(exam.ends(), [1, 1], "after {cut}");
    }
    let end = exam.net.now.plus_ms(100 * SECONDS);
    assert!(exam.net.run(end, Net::is_empty), "after {cut}: something is left");
    exam.net.sides.iter().for_each(Side::check_requests);
    Some(came)
}

#[test]
fn a_process_may_die_at_any_step_of_a_call() {
    for mortal in [0, 1] {
        let mut kinds = BTreeMap::new();
        for seed in 0..4 {
            for cut in 1..1_000 {
                let Some(came) = dies_after(seed, cut, mortal) else { break };
                *kinds.entry(format!("{came:?}")).or_insert(0) += 1;
            }
        }
        assert!(kinds["Some(Confirmed)"] > 80, "{kinds:?}");
        assert!(kinds["Some(Early)"] > 12, "{kinds:?}");
    }
}
