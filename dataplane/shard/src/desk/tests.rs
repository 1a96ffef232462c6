//! Which of our addresses a party is told.

use super::*;
use strowger_call::{Resources, Role};
use strowger_link::SlotRef;
use strowger_port::net::{
    MediaBurst, OpenError, SendResult, SipDatagram, SipFailure, SipPath, Woke,
};

/// A system that opens whatever it is asked to, and notes it.
#[derive(Default)]
struct Opened(BTreeSet<MediaPort>);

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

    fn recv_media(&mut self, _: &mut MediaBurst) -> usize {
        0
    }

    fn send_media(&mut self, _: &mut MediaBurst) {}

    fn flush(&mut self) {}

    fn wait(&mut self, _: Tick) -> Woke {
        Woke::default()
    }
}

const CALLER: LegId = LegId { slot: SlotRef { seg: 0, idx: 1, r#gen: 1 }, leg: 0 };
const CALLED: LegId = LegId { leg: 1, ..CALLER };

const POLICY: MediaPolicy =
    MediaPolicy { mode: MediaMode::Relay, nated: false, start_timeout_ms: 0, timeout_ms: 0 };

fn desk() -> MediaDesk {
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
        of_listener: vec![1, 0, 2],
        port_min: 16_384,
        port_max: 16_483,
        pairs_max: 10,
        seed: 7,
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
