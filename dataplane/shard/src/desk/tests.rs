//! Which of our addresses a party is told.

use super::*;
use strowger_call::{Resources, Role};
use strowger_link::codec::decode;
use strowger_link::{SlotRef, Tally};
use strowger_port::net::{
    MediaBurst, Offload, OpenError, SendResult, SipDatagram, SipFailure, SipPath, Woke,
};

/// A system that opens whatever it is asked to, and notes it; and whose kernel relays, if it has
/// one.
#[derive(Default)]
pub(super) struct Opened(BTreeSet<MediaPort>, pub(super) Option<Kernel>);

/// What a program of the kernel was given.
pub(super) type Kernel = BTreeMap<MediaPort, (Offload, Tally)>;

impl Io for Opened {
    fn now(&self) -> Tick {
        Tick(0)
    }

    fn sample(&mut self) -> Tick {
        Tick(0)
    }

    fn wall_us(&self) -> i64 {
        0
    }

    fn recv_sip(&mut self, _: impl FnMut(SipDatagram<'_>)) -> usize {
        0
    }

    fn recv_sip_errors(&mut self, _: impl FnMut(SipFailure)) -> usize {
        0
    }

    fn send_sip(&mut self, _: SipPath, _: &[u8]) -> SendResult {
        SendResult::Queued
    }

    fn open_media(&mut self, port: MediaPort) -> Result<(), OpenError> {
        assert!(self.0.insert(port), "opened twice");
        Ok(())
    }

    fn close_media(&mut self, port: MediaPort) {
        assert!(self.0.remove(&port), "was not open");
    }

    fn offloads(&self) -> bool {
        self.1.is_some()
    }

    fn offload(&mut self, port: MediaPort, offload: &Offload, tally: &Tally) -> bool {
        let kernel = self.1.as_mut().unwrap();
        assert!(kernel.insert(port, (*offload, *tally)).is_none(), "given twice");
        true
    }

    fn look_after(&mut self, port: MediaPort) -> bool {
        // Who is far away from here has another way by now.
        self.given(port).is_some_and(|given| given.to.port() != 1)
    }

    fn carried(&self, port: MediaPort) -> Option<Tally> {
        self.1.as_ref()?.get(&port).map(|(_, tally)| *tally)
    }

    fn given(&self, port: MediaPort) -> Option<Offload> {
        self.1.as_ref()?.get(&port).map(|(given, _)| *given)
    }

    fn take_back(&mut self, port: MediaPort) -> Option<Tally> {
        self.1.as_mut()?.remove(&port).map(|(_, tally)| tally)
    }

    fn ports_away(&self, sink: impl FnMut(MediaPort)) {
        self.1.iter().flat_map(BTreeMap::keys).copied().for_each(sink);
    }

    fn recv_media(&mut self, _: &mut MediaBurst) -> usize {
        0
    }

    fn send_media(&mut self, _: &mut MediaBurst) {}

    fn flush(&mut self) {}

    fn wait(&mut self, _: Tick) -> Woke {
        Woke::default()
    }
}

pub(super) const CALLER: LegId = LegId { slot: SlotRef { seg: 0, idx: 1, r#gen: 1 }, leg: 0 };
pub(super) const CALLED: LegId = LegId { leg: 1, ..CALLER };

pub(super) const POLICY: MediaPolicy = MediaPolicy {
    mode: MediaMode::Relay,
    nated: false,
    start_timeout_ms: 0,
    timeout_ms: 0,
    voices: Voices::ALL,
    strict: false,
    ends_false: false,
    first_packet: false,
    srtp: Srtp::Accept,
};

pub(super) fn desk() -> MediaDesk {
    desk_of(vec![1, 0, 2])
}

fn desk_of(of_listener: Vec<u8>) -> MediaDesk {
    let address = |local: &str, advertised: &str| MediaAddress {
        local: local.parse().unwrap(),
        advertised: advertised.parse().unwrap(),
    };
    MediaDesk::new(&MediaConfig {
        addresses: vec![
            address("2001:db8::1", "2001:db8::2"),
            address("10.0.0.1", "192.0.2.1"),
            address("10.0.0.2", "192.0.2.2"),
        ],
        of_listener,
        port_min: 16_384,
        port_max: 16_483,
        pairs_max: 10,
        flow_packets_max: 0,
        seed: 7,
        secret: KeySecret([7; 32]),
    })
    .unwrap()
}

fn sdp(family: &str, ip: &str) -> Body {
    let text = format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\na=rtcp:4001 IN {family} {ip}\r\n"
    );
    Body::sdp(text.into_bytes())
}

/// What the caller's and the called side's descriptions become: the address in each of their lines
/// that has one. `caller` and `called` are listener, signalling address, family and media address.
fn told(caller: [&str; 4], called: [&str; 4]) -> [String; 2] {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    for (leg, [listener, signalling, ..]) in [(CALLER, caller), (CALLED, called)] {
        desk.begin(leg, listener.parse().unwrap(), SocketAddr::new(signalling.parse().unwrap(), 9));
    }
    let both = (&POLICY, &POLICY);
    let (offer, answer) = (sdp(caller[2], caller[3]), sdp(called[2], called[3]));
    let to_called = desk.describe(CALLER, CALLED, Role::Offer, &offer, both).unwrap();
    let to_caller = desk.describe(CALLED, CALLER, Role::Answer, &answer, both).unwrap();
    desk.join(CALLER, CALLED);
    let addresses: BTreeSet<u8> = desk.io.0.iter().map(|port| port.address).collect();
    let told = [to_called, to_caller].map(|body| {
        let text = String::from_utf8(body.data.to_vec()).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once("IN IP"));
        let all: BTreeSet<String> = lines.map(|(_, address)| format!("IP{address}")).collect();
        let index =
            desk.media.addresses.iter().position(|own| text.contains(&own.advertised.to_string()));
        assert!(addresses.contains(&(index.unwrap() as u8)), "told where nothing is open: {text}");
        all.into_iter().collect::<Vec<_>>().join(" and ")
    });
    desk.part(CALLER, CALLED);
    desk.release(CALLER);
    desk.release(CALLED);
    assert!(io.0.is_empty() && media.ports_in_use() == 0);
    told
}

/// An image is written where it belongs, in the form that is read.
#[test]
fn what_is_frozen_reads_as_what_it_was() {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    desk.begin(CALLER, 0, "198.51.100.7:5060".parse().unwrap());
    desk.begin(CALLED, 0, "198.51.100.8:5060".parse().unwrap());
    let offer = sdp("IP4", "198.51.100.7");
    let _told = desk.describe(CALLER, CALLED, Role::Offer, &offer, (&POLICY, &POLICY)).unwrap();
    let frozen = |desk: &Desk<'_, Opened>, leg| {
        let mut bytes = Vec::new();
        desk.media.freeze(leg, &mut bytes);
        decode::<Option<FrozenMedia>>(&bytes).unwrap()
    };
    let caller = frozen(&desk, CALLER).unwrap();
    assert_eq!((caller.said.0.as_slice(), caller.ports), (&*offer.data, vec![None]));
    assert_eq!((caller.policy, caller.address), (Some(POLICY), 1));
    assert_eq!(caller.signalling, Some("198.51.100.7".parse().unwrap()));
    let called = frozen(&desk, CALLED).unwrap();
    let opened = desk.io.0.iter().map(|port| port.port).min();
    assert_eq!((called.said.0.as_slice(), called.ports), (&[][..], vec![opened]));
    let told = desk.media.legs.get(&CALLED).unwrap().session.clone();
    assert_eq!((called.session, called.version), (told.id(), told.version()));
    assert_eq!(frozen(&desk, LegId { leg: 9, ..CALLER }), None);
    desk.media.leg(CALLED).said = vec![b'x'; super::frozen::SAID_MAX + 1];
    assert_eq!(frozen(&desk, CALLED), None, "too much to keep");
}

/// Past us, a description is passed byte by byte but for what nobody outside could reach.
#[test]
fn what_goes_past_us_is_fixed_where_a_side_is_set_so() {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    desk.begin(CALLER, 0, "198.51.100.7:5060".parse().unwrap());
    desk.begin(CALLED, 0, "10.0.0.8:5060".parse().unwrap());
    let (inner, outer) = (sdp("IP4", "10.0.0.5"), sdp("IP4", "198.51.100.9"));
    let seen = String::from_utf8(inner.data.to_vec()).unwrap();
    let seen = seen.replace("c=IN IP4 10.0.0.5", "c=IN IP4 198.51.100.7");
    let seen = seen.replace("a=rtcp:4001 IN IP4 10.0.0.5", "a=rtcp:4001 IN IP4 198.51.100.7");
    let by = |mode| MediaPolicy { mode, ..POLICY };
    let (direct, fixed) = (by(MediaMode::Direct), by(MediaMode::Fixed));
    let mut told = |from, to, body: &Body, one, other| {
        let told = desk.describe(from, to, Role::Offer, body, (one, other)).unwrap();
        String::from_utf8(told.data.to_vec()).unwrap()
    };
    let text = |body: &Body| String::from_utf8(body.data.to_vec()).unwrap();
    assert_eq!(told(CALLER, CALLED, &inner, &direct, &fixed), seen);
    assert_eq!(told(CALLER, CALLED, &inner, &fixed, &direct), seen);
    assert_eq!(told(CALLER, CALLED, &inner, &direct, &direct), text(&inner));
    assert_eq!(told(CALLER, CALLED, &outer, &fixed, &fixed), text(&outer));
    // Who signals from the same network is where it says.
    assert_eq!(told(CALLED, CALLER, &inner, &fixed, &direct), text(&inner));
    // What cannot be read is not ours to judge.
    let odd = Body::sdp(b"v=1".to_vec());
    assert_eq!(told(CALLER, CALLED, &odd, &fixed, &fixed), "v=1");
    assert!(io.0.is_empty(), "no port is taken");
}

/// Codecs that one side may not speak are taken out of what the other says, whoever relays.
#[test]
fn codecs_are_those_that_both_sides_may_speak() {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    for leg in [CALLER, CALLED] {
        desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
    }
    let text = String::from_utf8(sdp("IP4", "198.51.100.9").data.to_vec()).unwrap();
    let offer = Body::sdp(text.replace("RTP/AVP 0", "RTP/AVP 0 8 18").into_bytes());
    let may = |order: [u8; 2], plain| {
        let [first, second] = order;
        let order = [first, second, 0, 0, 0, 0, 0, 0];
        MediaPolicy { voices: Voices { order, single: false, plain }, ..POLICY }
    };
    let [pcma, g729] = ["PCMA", "G729"].map(|name| Voices::place(name).unwrap());
    for (caller, called, expected) in [
        (POLICY, POLICY, Ok("0 8 18")),
        (may([g729, pcma], Plain::Kept), POLICY, Ok("18 8")),
        (may([g729, pcma], Plain::Kept), may([pcma, 0], Plain::Kept), Ok("8")),
        (POLICY, may([0, 0], Plain::Barred), Ok("18")),
        (may([pcma, 0], Plain::Kept), may([g729, 0], Plain::Kept), Err(NOT_ACCEPTABLE)),
    ] {
        for mode in [MediaMode::Relay, MediaMode::Direct] {
            let policies = [caller, called].map(|policy| MediaPolicy { mode, ..policy });
            let told =
                desk.describe(CALLER, CALLED, Role::Offer, &offer, (&policies[0], &policies[1]));
            let told = told.map(|body| String::from_utf8(body.data.to_vec()).unwrap());
            let line = told.as_ref().map(|text| text.lines().find(|line| line.starts_with('m')));
            let formats = line.map(|line| line.unwrap().split("RTP/AVP ").nth(1).unwrap());
            assert_eq!(formats, expected.as_ref().copied(), "{mode:?}");
        }
    }
    // What the party said is kept as it said it: somebody else may speak more.
    assert_eq!(desk.said(CALLER).unwrap().data, offer.data);
}

/// What passes is answered in kind or not at all, also by a phone that does not know better.
#[test]
fn an_answer_by_another_transport_than_was_offered_is_not_passed() {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    for leg in [CALLER, CALLED] {
        desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
    }
    let by = |transport: &str| {
        let text = String::from_utf8(sdp("IP4", "198.51.100.7").data.to_vec()).unwrap();
        Body::sdp(text.replace("RTP/AVP", transport).into_bytes())
    };
    let pass = MediaPolicy { srtp: Srtp::Pass, ..POLICY };
    let both = (&pass, &pass);
    for (offered, answered, passes) in [
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", false),
        ("RTP/AVP", "RTP/SAVP", false),
        ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", true),
        ("RTP/AVP", "RTP/AVPF", true),
    ] {
        let _told = desk.describe(CALLER, CALLED, Role::Offer, &by(offered), both).unwrap();
        let told = desk.describe(CALLED, CALLER, Role::Answer, &by(answered), both);
        assert_eq!(told.is_ok(), passes, "{offered} {answered}");
        assert!(passes || told == Err(NOT_ACCEPTABLE));
    }
    // Who was offered nothing is not judged.
    desk.release(CALLER);
    assert!(desk.describe(CALLED, CALLER, Role::Answer, &by("RTP/SAVP"), both).is_ok());
}

/// A packet of A-law as it comes to a port of ours.
fn packet(desk: &mut Desk<'_, Opened>, leg: LegId, number: u16) {
    let ports = desk.media.legs.get(&leg).unwrap().lines[0].ports.unwrap();
    let mut octets = [0x2a; 172];
    octets[..12].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    octets[2..4].copy_from_slice(&number.to_be_bytes());
    let from = "198.51.100.7:4000".parse().unwrap();
    let mut burst = [strowger_media::Datagram::new(ports.rtp, from, &mut octets)];
    desk.media.relay_mut().handle_burst(&mut burst, desk.now);
}

/// Two joined legs of call `idx`, both at one address.
fn joined(desk: &mut Desk<'_, Opened>, idx: u16, policy: &MediaPolicy) -> [LegId; 2] {
    let slot = SlotRef { idx, ..CALLER.slot };
    let legs = [LegId { slot, leg: 0 }, LegId { slot, leg: 1 }];
    let both = (&POLICY, policy);
    for leg in legs {
        desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
    }
    let body = sdp("IP4", "198.51.100.7");
    let _told = desk.describe(legs[0], legs[1], Role::Offer, &body, both).unwrap();
    let back = (policy, &POLICY);
    let _told = desk.describe(legs[1], legs[0], Role::Answer, &body, back).unwrap();
    desk.join(legs[0], legs[1]);
    legs
}

#[test]
fn each_call_is_looked_at_once_in_a_round() {
    let (mut media, mut io) = (desk(), Opened::default());
    let second = |s: u64| Tick(s * strowger_link::SECOND);
    let mut desk = Desk { media: &mut media, io: &mut io, now: second(5) };
    assert!(desk.media.sounds(second(5)).is_empty(), "nobody talks");
    let ends_false = MediaPolicy { ends_false: true, ..POLICY };
    let [caller, called] = joined(&mut desk, 1, &ends_false);
    let [other, _] = joined(&mut desk, 2, &POLICY);
    // It rings, is answered, and rings on.
    packet(&mut desk, called, 1);
    desk.answered(caller, called);
    desk.now = second(7);
    packet(&mut desk, called, 2);
    packet(&mut desk, caller, 1);
    let sounds = desk.media.sounds(second(7));
    let found: Vec<(LegId, bool)> =
        sounds.iter().map(|sound| (sound.called, sound.ends_false)).collect();
    assert_eq!(found, [(called, true), (LegId { leg: 1, ..other }, false)]);
    let [from_caller, from_called] = &sounds[0].reports;
    assert_eq!((from_caller.received, from_caller.silent_ms), (1, Some(2_000)));
    assert_eq!((from_called.received, from_called.rang_ms), (2, 2_000));
    assert!(from_called.is_false_answer(from_caller) && !from_caller.is_false_answer(from_called));
    assert_eq!(sounds[1].reports[1].silent_ms, None, "not answered");
    // The next round begins a second later, and has what a closed pair left as well.
    assert!(desk.media.sounds(second(7)).is_empty());
    desk.part(caller, called);
    desk.join(caller, called);
    packet(&mut desk, called, 3);
    let sounds = desk.media.sounds(second(8));
    let again = sounds.iter().find(|sound| sound.called == called).unwrap();
    assert_eq!((again.reports[1].received, again.reports[1].rang_ms), (3, 2_000));
    // Of two calls that were put together, each has the other's party in the place of who left.
    let far = LegId { leg: 1, ..other };
    desk.part(caller, called);
    desk.part(other, far);
    desk.join(caller, far);
    packet(&mut desk, far, 1);
    let sounds = desk.media.sounds(second(9));
    assert_eq!(desk.media.pairs(), 1);
    let told: Vec<_> = sounds
        .iter()
        .map(|sound| {
            let received = sound.reports.each_ref().map(|report| report.received);
            (sound.called, received, sound.ends_false)
        })
        .collect();
    assert_eq!(told, [(caller, [1, 1], false), (far, [1, 1], false)]);
}

#[test]
fn each_side_is_told_the_media_address_of_its_listener() {
    let v4 = ["0", "198.51.100.7", "IP4", "198.51.100.7"];
    let other = ["2", "203.0.113.7", "IP4", "203.0.113.7"];
    let v6 = ["1", "2001:db8:7::7", "IP6", "2001:db8:7::7"];
    assert_eq!(told(v4, v4), ["IP4 192.0.2.1", "IP4 192.0.2.1"]);
    assert_eq!(told(v4, other), ["IP4 192.0.2.2", "IP4 192.0.2.1"]);
    assert_eq!(told(v4, v6), ["IP6 2001:db8::2", "IP4 192.0.2.1"]);
    assert_eq!(told(v6, v4), ["IP4 192.0.2.1", "IP6 2001:db8::2"]);
    assert_eq!(told(v6, v6), ["IP6 2001:db8::2", "IP6 2001:db8::2"]);
}

/// Addresses that are no listener's carry what others have no room for; each leg stays where it is.
#[test]
fn addresses_of_no_listener_are_everybody_s() {
    let legs = |count: u16| {
        (0..count).map(|idx| LegId { slot: SlotRef { seg: 0, idx, r#gen: 1 }, leg: 0 })
    };
    let opened = |of_listener: Vec<u8>| {
        let (mut media, mut io) = (desk_of(of_listener), Opened::default());
        let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
        let told: Vec<bool> = legs(101)
            .map(|leg| {
                desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
                let told = desk.places(leg, &[true]);
                assert_eq!(told.is_ok(), desk.places(leg, &[true]).is_ok(), "it stays");
                told.is_ok()
            })
            .collect();
        let at = |address: u8| desk.io.0.iter().filter(|port| port.address == address).count();
        ([0, 1, 2].map(at), told.iter().filter(|told| **told).count())
    };
    // 50 pairs of ports at each address; the first is of the other family.
    assert_eq!(opened(vec![1, 0]), ([0, 100, 100], 100), "the third is everybody's");
    assert_eq!(opened(vec![1, 0, 2]), ([0, 100, 0], 50), "each is of a listener");
    assert_eq!(opened(vec![1, 2]), ([0, 100, 0], 50), "everybody's of the other family is not");
}

/// A party that signals by IPv6 and describes IPv4 media says what it can reach. A called party is
/// told before it says anything, and a held one names no address.
#[test]
fn a_party_that_describes_the_other_family_first_is_told_that_one() {
    let v4 = ["0", "198.51.100.7", "IP4", "198.51.100.7"];
    let dual = ["1", "2001:db8:7::7", "IP4", "198.51.100.8"];
    let mapped = ["1", "2001:db8:7::7", "IP6", "::ffff:198.51.100.8"];
    let held = ["1", "2001:db8:7::7", "IP4", "0.0.0.0"];
    assert_eq!(told(dual, v4), ["IP4 192.0.2.1", "IP4 192.0.2.1"]);
    assert_eq!(told(mapped, v4), ["IP4 192.0.2.1", "IP4 192.0.2.1"]);
    assert_eq!(told(held, v4), ["IP4 192.0.2.1", "IP6 2001:db8::2"]);
    assert_eq!(told(v4, dual), ["IP6 2001:db8::2", "IP4 192.0.2.1"]);
}
