//! A party that agrees on keys by DTLS, joined with one in the clear: what comes to its ports, and
//! what leaves from there.

use super::*;
use crate::datagram::{Datagram, Drop, Verdict};
use crate::ports::{PortSpace, Ports};
use crate::relay::{Carried, Endpoint, PairSpec, Peer, RelayConfig, Side, Silence};
use crate::{Keys, ports::PortPair};
use strowger_ice::limits::{CHANCE_LEN, CONSENT_MS};
use strowger_ice::{Agent, Credentials, Reply, kind};
use strowger_link::{MS, Tick};
use strowger_sdp::{Direction, PayloadTypes};
use strowger_srtp::{KeyMaker, RtcpSealer, RtpOpener, RtpSealer, Suite};

const BROWSER: &str = "192.0.2.1:40000";
const ELSEWHERE: &str = "192.0.2.9:41000";
const PHONE: &str = "198.51.100.7:4000";

struct Rig {
    relay: Relay,
    browser: PortPair,
    phone: PortPair,
    keys: Keys,
    pair: crate::PairId,
}

fn credentials() -> Credentials {
    Credentials::from_chance(&[3; CHANCE_LEN])
}

fn peer(remote: Option<&str>) -> Peer {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let remote = remote.map(at);
    Peer {
        remote,
        rtcp_remote: remote.map(|at| SocketAddr::new(at.ip(), at.port() + 1)),
        nat: None,
        strict: false,
        direction: Direction::SendRecv,
        payload_types: PayloadTypes::ALL,
        telephone_event: None,
        clock_hz: 8000,
    }
}

fn rig(has_ice: bool) -> Rig {
    let space = PortSpace::new(1, 16_384, 16_399).unwrap();
    let mut ports = Ports::new(space, 1);
    let mut relay = Relay::new(&RelayConfig::new(space, 4));
    let now = Tick(0);
    let (browser, phone) = (ports.take(0, now).unwrap(), ports.take(0, now).unwrap());
    let agent = Agent::new(credentials(), b"theirs", now).filter(|_| has_ice);
    relay.secure((browser.rtp, browser.rtcp), Some(&Secured { agent, is_shared: true }));
    let endpoint = |pair: PortPair, remote| Endpoint {
        rtp: pair.rtp,
        rtcp: Some(pair.rtcp),
        peer: peer(remote),
        silence: Silence::NEVER,
    };
    let a = endpoint(browser, if has_ice { Some(ELSEWHERE) } else { Some(BROWSER) });
    let spec = PairSpec { carried: Carried::Rtp, a, b: endpoint(phone, Some(PHONE)) };
    let pair = relay.open(&spec, now).unwrap();
    let mut maker = KeyMaker::new(&[5; 32]).unwrap();
    let mut key = || maker.make(Suite::AesCm128Sha80).unwrap();
    let keys = Keys { ours: key(), theirs: key() };
    Rig { relay, browser, phone, keys, pair }
}

impl Rig {
    /// What becomes of a datagram: the octets that go, from which port, and to whom.
    fn send(
        &mut self,
        at: LocalPort,
        from: &str,
        data: &[u8],
        now: Tick,
    ) -> Result<(Vec<u8>, LocalPort, String), Verdict> {
        let mut room = [data, &[0; 80]].concat();
        let mut burst = [Datagram::in_room(at, from.parse().unwrap(), &mut room, data.len())];
        self.relay.handle_burst(&mut burst, now);
        let [Datagram { verdict, len, .. }] = burst;
        match verdict {
            Verdict::Send { from, to } => Ok((room[..len].to_vec(), from, to.to_string())),
            other @ (Verdict::Drop(_) | Verdict::Dtls) => Err(other),
        }
    }

    fn check(&mut self, from: &str, now: Tick) -> bool {
        let at = self.browser.rtp;
        let done = self.send(at, from, &check(credentials().pwd()), now);
        done.is_ok_and(|(answer, port, to)| port == at && to == from && answer.starts_with(&[1, 1]))
    }

    fn shake(&mut self) {
        let ports = (self.browser.rtp, self.browser.rtcp);
        self.relay.guard(ports, Some(&self.keys));
    }
}

fn check(pwd: &[u8]) -> Vec<u8> {
    let mut room = vec![0; 200];
    let mut reply = Reply::begin(&mut room, kind::BINDING_REQUEST, [9; 12]);
    let name = [credentials().ufrag(), b":theirs"].concat();
    reply.attribute(kind::USERNAME, &name);
    reply.attribute(kind::USE_CANDIDATE, &[]);
    reply.sign(pwd);
    reply.fingerprint();
    let len = reply.finish().unwrap();
    room.truncate(len);
    room
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0x55; 160]);
    packet
}

const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];
const HELLO: [u8; 14] = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
const NOW: Tick = Tick(MS);

#[test]
fn a_party_is_where_its_checks_come_from_and_nowhere_else() {
    let mut rig = rig(true);
    let at = rig.browser.rtp;
    for (from, data, drop) in [
        (ELSEWHERE, &HELLO[..], Drop::Stranger),
        (BROWSER, &HELLO, Drop::Stranger),
        (BROWSER, &check(b"another password"), Drop::Stranger),
        (BROWSER, &rtp(1), Drop::Stranger),
        (BROWSER, &[2; 30], Drop::Stranger),
        (BROWSER, &[100; 30], Drop::Junk),
    ] {
        assert_eq!(rig.send(at, from, data, NOW), Err(Verdict::Drop(drop)), "{data:?}");
    }
    assert_eq!(rig.relay.chosen(at), None);
    assert!(rig.check(BROWSER, NOW));
    assert_eq!(rig.relay.chosen(at), Some(BROWSER.parse().unwrap()));
    assert_eq!(rig.relay.destination(at), rig.relay.chosen(at));
    assert_eq!(rig.send(at, BROWSER, &HELLO, NOW), Err(Verdict::Dtls));
    assert_eq!(rig.send(at, ELSEWHERE, &HELLO, NOW), Err(Verdict::Drop(Drop::Stranger)));
    assert_eq!(rig.relay.poll_marked(), Some(at), "it is to be kept");
    // It moves, and what its description says again changes nothing.
    assert!(rig.check(ELSEWHERE, NOW));
    rig.relay.update(rig.pair, Side::A, &peer(Some(BROWSER)), NOW).unwrap();
    assert_eq!(rig.send(at, BROWSER, &HELLO, NOW), Err(Verdict::Drop(Drop::Stranger)));
    assert_eq!(rig.send(at, ELSEWHERE, &HELLO, NOW), Err(Verdict::Dtls));
}

#[test]
fn nothing_passes_in_the_clear() {
    let mut rig = rig(true);
    assert!(rig.check(BROWSER, NOW));
    let (browser, phone) = (rig.browser, rig.phone);
    let unproven = Err(Verdict::Drop(Drop::Unproven));
    assert_eq!(rig.send(phone.rtp, PHONE, &rtp(1), NOW), unproven, "no keys yet");
    assert_eq!(rig.send(browser.rtp, BROWSER, &rtp(1), NOW), unproven);
    assert_eq!(rig.send(phone.rtcp, "198.51.100.7:4001", &REPORT, NOW), unproven);
    rig.shake();
    assert_eq!(rig.send(browser.rtp, BROWSER, &rtp(2), NOW), unproven, "not under its key");
    let (sealed, from, to) = rig.send(phone.rtp, PHONE, &rtp(2), NOW).unwrap();
    assert_eq!((from, to.as_str()), (browser.rtp, BROWSER));
    let mut opened = sealed.clone();
    let len = RtpOpener::new(&rig.keys.ours).unwrap().open(&mut opened).unwrap().len;
    assert_eq!(opened[..len], rtp(2));
    // The keys go, and with them all that leaves there.
    rig.relay.guard((browser.rtp, browser.rtcp), None);
    assert_eq!(rig.send(phone.rtp, PHONE, &rtp(3), NOW), unproven);
    // Only when it is no such party any more it is spoken to in the clear.
    rig.relay.secure((browser.rtp, browser.rtcp), None);
    assert!(rig.send(phone.rtp, PHONE, &rtp(4), NOW).is_ok());
}

#[test]
fn rtcp_comes_and_goes_by_the_port_of_rtp() {
    let mut rig = rig(true);
    assert!(rig.check(BROWSER, NOW));
    rig.shake();
    let (browser, phone) = (rig.browser, rig.phone);
    let mut sealer = RtpSealer::new(&rig.keys.theirs).unwrap();
    let mut room = [rtp(7), vec![0; 20]].concat();
    let len = sealer.seal(&mut room, 172).unwrap().len;
    let (plain, from, to) = rig.send(browser.rtp, BROWSER, &room[..len], NOW).unwrap();
    assert_eq!((plain, from, to.as_str()), (rtp(7), phone.rtp, PHONE));
    let mut sealer = RtcpSealer::new(&rig.keys.theirs).unwrap();
    let mut room = [&REPORT[..], &[0; 20]].concat();
    let len = sealer.seal(&mut room, REPORT.len()).unwrap().len;
    let (plain, from, to) = rig.send(browser.rtp, BROWSER, &room[..len], NOW).unwrap();
    assert_eq!((&plain[..], from, to.as_str()), (&REPORT[..], phone.rtcp, "198.51.100.7:4001"));
    let (_, from, to) = rig.send(phone.rtcp, "198.51.100.7:4001", &REPORT, NOW).unwrap();
    assert_eq!((from, to.as_str()), (browser.rtp, BROWSER));
}

#[test]
fn who_proves_itself_no_more_is_sent_nothing() {
    let mut rig = rig(true);
    assert!(rig.check(BROWSER, NOW));
    rig.shake();
    let phone = rig.phone.rtp;
    let late = Tick(NOW.0 + CONSENT_MS * MS);
    assert!(rig.send(phone, PHONE, &rtp(1), Tick(late.0 - 1)).is_ok());
    let nowhere = Err(Verdict::Drop(Drop::NoDestination));
    assert_eq!(rig.send(phone, PHONE, &rtp(2), late), nowhere);
    assert!(rig.check(BROWSER, late));
    assert!(rig.send(phone, PHONE, &rtp(3), late).is_ok());
}

/// A party without ICE is where its description says.
#[test]
fn without_ice_the_description_counts() {
    let mut rig = rig(false);
    let at = rig.browser.rtp;
    assert_eq!(rig.send(at, BROWSER, &HELLO, NOW), Err(Verdict::Dtls));
    assert_eq!(rig.send(at, ELSEWHERE, &HELLO, NOW), Err(Verdict::Drop(Drop::Stranger)));
    let stranger = Err(Verdict::Drop(Drop::Stranger));
    assert_eq!(rig.send(at, BROWSER, &check(credentials().pwd()), NOW), stranger);
    rig.shake();
    let (_, from, to) = rig.send(rig.phone.rtp, PHONE, &rtp(1), Tick(u64::MAX / 2)).unwrap();
    assert_eq!((from, to.as_str()), (at, BROWSER));
}
