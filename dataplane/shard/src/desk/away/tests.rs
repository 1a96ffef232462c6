//! When flows of a call go to the kernel, and when they come back.

use super::super::tests::{CALLED, CALLER, Kernel, Opened, POLICY, desk};
use super::*;
use strowger_call::{Resources, Role};
use strowger_leg::Body;
use strowger_link::{SECOND, Tally};
use strowger_media::Datagram;
use strowger_wire::rtp::Header;

const ADA: &str = "198.51.100.7:4000";
const BOB: &str = "198.51.100.8:4000";

/// A call between two parties that speak; the kernel counts what a test says it did.
struct Call {
    media: MediaDesk,
    io: Opened,
    now: Tick,
    sequence: u16,
}

fn sdp(ip: &str, port: u16, direction: &str) -> Body {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8\r\na={direction}\r\n"
    );
    Body::sdp(text.into_bytes())
}

impl Call {
    fn new() -> Call {
        let mut io = Opened::default();
        io.1 = Some(Kernel::new());
        let mut call = Call { media: desk(), io, now: Tick(SECOND), sequence: 0 };
        call.desk().begin(CALLER, 0, "198.51.100.7:5060".parse().unwrap());
        call.desk().begin(CALLED, 0, "198.51.100.8:5060".parse().unwrap());
        call.describe("sendrecv");
        call.desk().join(CALLER, CALLED);
        call.desk().answered(CALLER, CALLED);
        call
    }

    fn desk(&mut self) -> Desk<'_, Opened> {
        Desk { media: &mut self.media, io: &mut self.io, now: self.now }
    }

    /// The caller offers, the called party accepts.
    fn describe(&mut self, direction: &str) {
        let (offer, answer) =
            (sdp("198.51.100.7", 4_000, direction), sdp("198.51.100.8", 4_000, "sendrecv"));
        let both = (&POLICY, &POLICY);
        let _told = self.desk().describe(CALLER, CALLED, Role::Offer, &offer, both).unwrap();
        let _told = self.desk().describe(CALLED, CALLER, Role::Answer, &answer, both).unwrap();
    }

    /// The port that a party sends to, as the relay and as the system know it.
    fn port(&self, leg: strowger_link::LegId) -> (LocalPort, MediaPort) {
        let at = self.media.legs[&leg].lines[0].ports.unwrap().rtp;
        (at, self.media.media_port(at).unwrap())
    }

    fn packet(&mut self, leg: strowger_link::LegId, from: &str) {
        let header = Header {
            marker: false,
            payload_type: 8,
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: 7,
        };
        let mut octets = [0x2a; 172];
        header.emit(&mut octets).unwrap();
        let ((at, port), from) = (self.port(leg), from.parse().unwrap());
        if self.media.relay.is_away(at) {
            let Call { media, io, now, .. } = self;
            come_up(io, &mut media.relay, (at, port), (from, &octets), *now);
        }
        let mut burst = [Datagram::new(at, from, &mut octets)];
        self.media.relay.handle_burst(&mut burst, self.now);
    }

    /// Both speak for so long; what is the kernel's does not come up.
    fn speak(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.now = self.now.plus_ms(20);
            self.sequence += 1;
            for (leg, from) in [(CALLER, ADA), (CALLED, BOB)] {
                let (_, port) = self.port(leg);
                let (now, sequence) = (self.now, self.sequence);
                match self.io.1.as_mut().unwrap().get_mut(&port) {
                    Some((_, tally)) => {
                        tally.packets += 1;
                        tally.received += 1;
                        (tally.last, tally.highest) = (now, sequence);
                    }
                    None => self.packet(leg, from),
                }
            }
            let Call { media, io, now, .. } = self;
            media.look_after_away(io, *now);
        }
    }

    fn kernel(&self) -> &Kernel {
        self.io.1.as_ref().unwrap()
    }

    fn received(&self, leg: strowger_link::LegId) -> (u64, u64) {
        let report = self.media.so_far(leg, self.now).unwrap();
        (report.received, report.lost)
    }
}

#[test]
fn a_call_that_is_calm_is_the_kernels() {
    let mut call = Call::new();
    call.speak(900);
    assert!(call.kernel().is_empty(), "it is young");
    call.speak(1_500);
    let (to_called, to_caller) = (call.port(CALLED).1, call.port(CALLER).1);
    let given = call.kernel()[&to_caller].0;
    assert_eq!((given.from, given.to), (ADA.parse().unwrap(), BOB.parse().unwrap()));
    assert_eq!(given.out, to_called);
    assert_eq!(call.kernel().len(), 2);
    call.speak(3_000);
    let (received, lost) = call.received(CALLER);
    assert!(received >= 200 && lost == 0, "live quality goes on: {received}");
    // Without a kernel that relays nothing of this happens.
    let mut plain = Call::new();
    plain.io.1 = None;
    let Call { media, io, now, .. } = &mut plain;
    media.look_after_away(io, *now);
    media.take_up_away(io, *now);
    assert_eq!(media.relay.carriage().given, 0);
}

/// What takes flows back at once, with their counts; the last column is whether they may go again.
#[test]
fn the_table_of_what_takes_flows_back() {
    type Change = dyn Fn(&mut Call);
    let table: [(&str, &Change, bool); 5] = [
        ("a re-INVITE that changes nothing", &|call| call.describe("sendrecv"), true),
        ("hold", &|call| call.describe("inactive"), false),
        (
            "its own packet",
            &|call| {
                call.packet(CALLER, ADA);
                call.packet(CALLED, BOB);
            },
            true,
        ),
        ("a transfer", &|call| call.desk().part(CALLER, CALLED), false),
        ("the end", &|call| drop(call.desk().release(CALLER)), false),
    ];
    for (what, change, goes_again) in table {
        let mut call = Call::new();
        call.speak(3_000);
        assert_eq!(call.kernel().len(), 2, "{what}");
        call.now = call.now.plus_ms(500);
        change(&mut call);
        assert!(call.kernel().is_empty(), "{what}");
        assert_eq!(call.media.relay.carriage().now, 0, "{what}");
        if let Some(report) = call.media.so_far(CALLED, call.now) {
            assert!(report.received >= 150 && report.lost == 0, "{what}: {report:?}");
        }
        if call.media.legs.contains_key(&CALLER) {
            call.speak(6_000);
            assert_eq!(call.kernel().len(), if goes_again { 2 } else { 0 }, "{what}");
        }
    }
}

#[test]
fn strangers_and_other_kinds_take_nothing_back() {
    let mut call = Call::new();
    call.speak(3_000);
    call.packet(CALLER, "203.0.113.9:4000");
    let (at, port) = call.port(CALLER);
    let Call { media, io, now, .. } = &mut call;
    come_up(io, &mut media.relay, (at, port), (ADA.parse().unwrap(), b"stun"), *now);
    assert_eq!(call.kernel().len(), 2);
    // Once the party has fallen silent it may be the party.
    call.now = call.now.plus_ms(2_500);
    call.packet(CALLER, "203.0.113.9:4000");
    assert_eq!(call.kernel().len(), 1);
}

#[test]
fn a_flow_whose_way_has_changed_comes_back() {
    let mut call = Call::new();
    call.speak(3_000);
    let port = call.port(CALLER).1;
    call.io.1.as_mut().unwrap().get_mut(&port).unwrap().0.to.set_port(1);
    call.now = call.now.plus_ms(1_100);
    let Call { media, io, now, .. } = &mut call;
    media.look_after_away(io, *now);
    assert_eq!(call.kernel().len(), 1);
}

/// A next life has the call by its descriptions, and finds both flows with the kernel; one of them
/// is not what it would give, and one is of nobody.
#[test]
fn the_next_life_takes_up_what_is_away() {
    let mut before = Call::new();
    before.speak(3_000);
    let mut kernel = before.kernel().clone();
    let of_nobody = MediaPort { address: 1, port: 16_482 };
    let (given, tally) = kernel.values().next().copied().unwrap();
    kernel.insert(of_nobody, (given, tally));
    let changed = before.port(CALLED).1;
    kernel.get_mut(&changed).unwrap().0.clock_hz = 16_000;
    let mut call = Call::new();
    assert_eq!(call.port(CALLER).1, before.port(CALLER).1, "the same ports, as after an adoption");
    call.io.1 = Some(kernel);
    let Call { media, io, now, .. } = &mut call;
    media.take_up_away(io, *now);
    let port = call.port(CALLER).1;
    assert_eq!(call.kernel().keys().collect::<Vec<_>>(), [&port]);
    let (received, _) = call.received(CALLER);
    assert_eq!(received, before.kernel()[&port].1.packets);
    let expected: Tally = before.kernel()[&port].1;
    assert_eq!(call.media.relay.way(call.port(CALLER).0).unwrap().tally, expected);
    // The other one is here, with its source and its counts, and goes again.
    call.sequence = before.sequence;
    call.speak(2_500);
    assert_eq!(call.kernel().len(), 2);
}
