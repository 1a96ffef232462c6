use super::super::{Carried, Endpoint, PairId, PairSpec, Peer, Side, Silence};
use super::*;
use crate::ports::PortSpace;
use crate::{Datagram, MediaEvent, RelayConfig, Verdict};
use strowger_sdp::Direction;
use strowger_wire::rtp;

const ADA: &str = "192.0.2.1:4000";
const BOB: &str = "198.51.100.2:5000";

fn space() -> PortSpace {
    PortSpace::new(1, 20_000, 20_007).unwrap()
}

fn port(number: u16) -> LocalPort {
    space().local_port(0, number).unwrap()
}

fn peer(remote: &str) -> Peer {
    Peer {
        remote: remote.parse().ok(),
        rtcp_remote: None,
        nat: None,
        strict: false,
        direction: Direction::SendRecv,
        payload_types: PayloadTypes::ALL,
        telephone_event: Some(101),
        clock_hz: 8_000,
    }
}

/// A pair of parties that speak every 20 ms; what the other relay of a flow does stands beside it.
struct Call {
    relay: Relay,
    pair: PairId,
    now: Tick,
    sequence: u16,
}

impl Call {
    fn new(carried: Carried) -> Call {
        Call::with(carried, [ADA, BOB])
    }

    fn with(carried: Carried, [a, b]: [&str; 2]) -> Call {
        let mut relay = Relay::new(&RelayConfig::new(space(), 2));
        let end = |rtp, rtcp, remote| Endpoint {
            rtp: port(rtp),
            rtcp: Some(port(rtcp)),
            peer: peer(remote),
            silence: Silence { start_ms: 5_000, running_ms: 5_000 },
        };
        let spec = PairSpec { carried, a: end(20_000, 20_001, a), b: end(20_002, 20_003, b) };
        let now = Tick(1_000_000_000);
        let pair = relay.open(&spec, now).unwrap();
        relay.answer(pair, now).unwrap();
        Call { relay, pair, now, sequence: 0 }
    }

    fn packet(sequence: u16) -> Vec<u8> {
        let mut octets = vec![0x2a; 172];
        let timestamp = u32::from(sequence) * 160;
        let header = rtp::Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 7 };
        header.emit(&mut octets).unwrap();
        octets
    }

    fn send(&mut self, at: u16, from: &str, sequence: u16) -> Verdict {
        let mut octets = Call::packet(sequence);
        let mut burst = [Datagram::new(port(at), from.parse().unwrap(), &mut octets)];
        self.relay.handle_burst(&mut burst, self.now);
        burst[0].verdict
    }

    /// Both speak for so long.
    fn speak(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.now = self.now.plus_ms(20);
            self.sequence += 1;
            self.send(20_000, ADA, self.sequence);
            self.send(20_002, BOB, self.sequence);
        }
    }

    fn offer(&self) -> Option<Offer> {
        self.relay.offer(port(20_000), self.now)
    }

    fn silent(&mut self, carried: Option<Tally>) -> usize {
        self.relay.handle_timeout_beside(self.now, |at| carried.filter(|_| at == port(20_000)));
        let told = std::iter::from_fn(|| self.relay.poll_output());
        told.filter(|MediaEvent::Silent { side, .. }| *side == Side::A).count()
    }
}

#[test]
fn a_calm_flow_may_go_with_all_that_is_known_of_it() {
    let mut call = Call::new(Carried::Rtp);
    assert_eq!(call.offer(), None, "it has not said a word");
    call.speak(980);
    assert_eq!(call.offer(), None, "it is young");
    call.speak(40);
    let offer = call.offer().unwrap();
    assert_eq!((offer.from, offer.to), (ADA.parse().unwrap(), BOB.parse().unwrap()));
    assert_eq!((offer.out, offer.event, offer.clock_hz), (port(20_002), Some(101), 8_000));
    assert_eq!(offer.packets_max, crate::limits::FLOW_PACKETS);
    assert_eq!((offer.tally.packets, offer.tally.highest, offer.tally.ssrc), (51, 51, 7));
    call.relay.given(port(20_000), call.now);
    assert_eq!(call.offer(), None, "it is away");
    assert!(call.relay.is_away(port(20_000)) && !call.relay.is_away(port(20_002)));
    assert_eq!(call.relay.carriage(), Carriage { now: 1, given: 1, ..Carriage::default() });
}

/// What a flow must not be, to stay.
#[test]
fn the_table_of_flows_that_stay() {
    let stays = |what: &str, change: &dyn Fn(&mut Call)| {
        let mut call = Call::new(Carried::Rtp);
        call.speak(1_200);
        assert!(call.offer().is_some());
        change(&mut call);
        assert_eq!(call.offer(), None, "{what}");
    };
    stays("nothing came for a while", &|call| call.now = call.now.plus_ms(SPEAKS_MS));
    stays("signalling spoke", &|call| {
        call.relay.update(call.pair, Side::A, &peer(ADA), call.now).unwrap();
    });
    stays("on hold", &|call| {
        let held = Peer { direction: Direction::SendOnly, ..peer(ADA) };
        call.relay.update(call.pair, Side::A, &held, call.now).unwrap();
        let held = Peer { direction: Direction::Inactive, ..peer(BOB) };
        call.relay.update(call.pair, Side::B, &held, call.now).unwrap();
        call.speak(3_000);
    });
    stays("the other side is nowhere", &|call| {
        let nowhere = Peer { remote: None, ..peer(BOB) };
        call.relay.update(call.pair, Side::B, &nowhere, call.now).unwrap();
        call.speak(3_000);
    });
    stays("closed", &|call| {
        call.relay.close(call.pair, call.now).unwrap();
    });
    let mut opaque = Call::new(Carried::Opaque);
    opaque.speak(2_000);
    assert_eq!(opaque.offer(), None, "no RTP");
    let mut families = Call::with(Carried::Rtp, [ADA, "[2001:db8::2]:5000"]);
    families.speak(2_000);
    assert_eq!(families.offer(), None, "between the families");
    let mut sealed = Call::new(Carried::Srtp);
    sealed.speak(2_000);
    assert!(sealed.offer().is_some(), "SRTP that passes is bytes to us");
}

#[test]
fn an_ear_keeps_its_flow() {
    let mut relay = Call::new(Carried::Rtp);
    relay.relay.close(relay.pair, relay.now).unwrap();
    let mut call = Call::new(Carried::Rtp);
    // Early media: what rang before the answer is listened for behind it.
    let pair = call.pair;
    call.relay.close(pair, call.now).unwrap();
    let end = |rtp, rtcp, remote| Endpoint {
        rtp: port(rtp),
        rtcp: Some(port(rtcp)),
        peer: peer(remote),
        silence: Silence::NEVER,
    };
    let spec = PairSpec {
        carried: Carried::Rtp,
        a: end(20_000, 20_001, ADA),
        b: end(20_002, 20_003, BOB),
    };
    call.pair = call.relay.open(&spec, call.now).unwrap();
    call.speak(5_000);
    assert_eq!(call.offer(), None, "it rings");
    call.relay.answer(call.pair, call.now).unwrap();
    call.speak(5_000);
    assert_eq!(call.offer(), None, "it may still ring");
    call.speak(crate::limits::LISTEN_MS);
    assert!(call.offer().is_some());
}

/// What was counted elsewhere is counted on here, with no seam.
#[test]
fn counts_go_on_where_they_are() {
    let mut call = Call::new(Carried::Rtp);
    call.speak(1_200);
    let mut elsewhere = Call::new(Carried::Rtp);
    elsewhere.speak(1_200);
    let offer = call.offer().unwrap();
    call.relay.given(port(20_000), call.now);
    // The other relay is this one's twin, which saw every packet.
    elsewhere.speak(2_000);
    let tally = elsewhere.relay.way(port(20_000)).unwrap().tally;
    call.now = elsewhere.now;
    call.relay.absorb(port(20_000), &tally);
    assert_eq!(call.relay.carriage().packets, 100);
    call.relay.bring_back(port(20_000), Some(&tally), Back::Asked, call.now);
    assert_eq!(call.relay.carriage().packets, 100);
    let report = |call: &Call| call.relay.report(call.pair, call.now).unwrap().a.media;
    assert_eq!(report(&call), report(&elsewhere));
    call.sequence = elsewhere.sequence;
    call.speak(100);
    elsewhere.speak(100);
    assert_eq!(report(&call), report(&elsewhere));
    assert_eq!(report(&call).lost, 0);
    assert!(offer.tally.packets < tally.packets);
    let flooded = Tally { flooded: 5, ..tally };
    call.relay.given(port(20_000), call.now);
    call.relay.absorb(port(20_000), &flooded);
    assert_eq!(call.relay.carriage().flooded, 5);
    assert_eq!(report(&call).drops.of(crate::Drop::Flood), 5);
}

/// Strangers bring nothing back, nor do other kinds; a packet of the flow does, and it stays longer
/// each time.
#[test]
fn a_flow_whose_packets_come_up_stays_ever_longer() {
    let mut call = Call::new(Carried::Rtp);
    call.speak(1_200);
    let at = port(20_000);
    let stray = |call: &Call, from: &str, octets: &[u8]| {
        call.relay.is_stray(at, (from.parse().unwrap(), octets), call.now)
    };
    let rtp = Call::packet(9);
    assert!(stray(&call, ADA, &rtp));
    assert!(!stray(&call, BOB, &rtp) && !stray(&call, ADA, b"stun") && !stray(&call, ADA, &[]));
    let now = call.now;
    call.now = now.plus_ms(RELATCH_SILENCE_MS);
    assert!(stray(&call, BOB, &rtp) && !stray(&call, BOB, b"stun"), "it may be the party itself");
    call.now = now;
    let mut waits = Vec::new();
    for _ in 0..9 {
        let began = call.now;
        while call.offer().is_none() {
            call.speak(100);
        }
        waits.push(call.now.ms_since(began) / 1_000);
        call.relay.given(at, call.now);
        call.now = call.now.plus_ms(STRAGGLERS_MS);
        call.relay.bring_back(at, None, Back::Strayed, call.now);
    }
    assert_eq!(waits, [0, 2, 4, 8, 16, 32, 64, 64, 64]);
    assert_eq!(call.relay.carriage().strayed, 9);
    // One that was on its way when the flow went is no sign of unrest, and a long time is one of
    // rest.
    let tries = |call: &Call| call.relay.aways[at.index()].tries;
    call.relay.given(at, call.now);
    call.relay.bring_back(at, None, Back::Strayed, call.now);
    assert_eq!(tries(&call), TRIES_MAX);
    call.relay.given(at, call.now);
    call.now = call.now.plus_ms(STAYED_MS);
    call.relay.bring_back(at, None, Back::Strayed, call.now);
    assert_eq!(tries(&call), 1);
    // What is not away does not come back.
    call.relay.bring_back(at, None, Back::Asked, call.now);
    assert_eq!(call.relay.carriage().now, 0);
}

#[test]
fn a_party_that_is_heard_elsewhere_is_not_silent() {
    let mut call = Call::new(Carried::Rtp);
    call.speak(1_200);
    let mut tally = call.offer().unwrap().tally;
    call.relay.given(port(20_000), call.now);
    for _ in 0..12 {
        call.now = call.now.plus_ms(1_000);
        tally.last = call.now;
        assert_eq!(call.silent(Some(tally)), 0);
    }
    call.now = call.now.plus_ms(6_000);
    assert_eq!(call.silent(Some(tally)), 1, "it fell silent there");
}

/// A flow that a former life left away goes on with its source and its counts.
#[test]
fn a_flow_is_taken_up_where_it_is() {
    let mut before = Call::new(Carried::Rtp);
    before.speak(1_200);
    let offer = before.offer().unwrap();
    let mut call = Call::new(Carried::Rtp);
    let (at, from) = (port(20_000), "192.0.2.77:9".parse().unwrap());
    assert!(call.relay.take_up(at, from, &offer.tally, call.now));
    assert!(!call.relay.take_up(at, from, &offer.tally, call.now), "it is away");
    assert!(!call.relay.take_up(port(20_001), from, &offer.tally, call.now), "RTCP never is");
    assert!(!call.relay.take_up(port(20_004), from, &offer.tally, call.now), "no call has it");
    let report = call.relay.report(call.pair, call.now).unwrap().a.media;
    assert_eq!((report.packets, report.latched), (offer.tally.packets, Some(from)));
    assert_eq!(call.relay.way(at).unwrap().from, from);
    call.relay.close(call.pair, call.now).unwrap();
    assert_eq!(call.relay.carriage().now, 0);
}
