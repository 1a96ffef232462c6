//! Handshakes of a party whose RTCP has a port of its own, and what became of them.

use super::super::tests::{CALLED, CALLER, Opened, POLICY, desk};
use super::super::{Desk, FrozenMedia, MediaDesk};
use super::*;
use strowger_call::{Resources, Role};
use strowger_dtls::{Clock, Fingerprint};
use strowger_leg::Body;
use strowger_link::codec::decode;
use strowger_link::{MS, MediaPolicy, Srtp};
use strowger_media::{Datagram, Verdict};
use strowger_srtp::{RtcpOpener, RtcpSealer};

const PARTY: &str = "198.51.100.7";
/// Where the party receives RTP and RTCP.
const PORTS: [u16; 2] = [4000, 4001];

fn identity() -> Arc<Identity> {
    let pem = Identity::make().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the protocol's code counts from somewhere")]
    let clock = Clock::new(std::time::Instant::now(), Tick(0));
    Arc::new(Identity::read(pem.as_bytes(), clock).unwrap())
}

fn arm(media: &mut MediaDesk) -> Fingerprint {
    let identity = identity();
    let print = *identity.fingerprint();
    let threads = strowger_stream::Handshaker::start(1, |_| ()).unwrap();
    media.set_dtls(Dtls { identity, desk: threads.desk(Arc::new(|| ())) });
    print
}

/// The party's end at one of its ports.
struct End {
    start: Start,
    association: Option<Box<Association>>,
    at: SocketAddr,
    inbox: Vec<Vec<u8>>,
    keys: Option<Exported>,
}

impl End {
    fn new(identity: &Arc<Identity>, theirs: Fingerprint, port: u16) -> End {
        let start = Start { identity: Arc::clone(identity), theirs, is_active: true };
        let at = SocketAddr::new(PARTY.parse().unwrap(), port);
        End { start, association: None, at, inbox: Vec::new(), keys: None }
    }

    fn step(&mut self, now: Tick) -> Vec<Vec<u8>> {
        let datagrams = core::mem::take(&mut self.inbox);
        let job = match self.association.take() {
            Some(association) => Job::go(association, datagrams, now),
            None => Job::start(self.start.clone(), datagrams, now),
        };
        let done = job.run();
        assert_eq!(done.fault, None);
        self.association = done.association;
        self.keys = self.keys.take().or(done.keys);
        done.out
    }
}

/// A party by DTLS without ICE and rtcp-mux calls a plain one; what it is told.
fn call(media: &mut MediaDesk, io: &mut Opened, print: &Fingerprint) -> String {
    let (own, far) = [Srtp::Accept, Srtp::Off].map(|srtp| MediaPolicy { srtp, ..POLICY }).into();
    let mut desk = Desk { media, io, now: Tick(0) };
    for leg in [CALLER, CALLED] {
        desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
    }
    let says = |line: &str| {
        let head = format!("v=0\r\no=- 1 1 IN IP4 {PARTY}\r\ns=-\r\nc=IN IP4 {PARTY}\r\nt=0 0\r\n");
        Body::sdp((head + line).into_bytes())
    };
    let offer = says(&format!(
        "m=audio {} UDP/TLS/RTP/SAVP 0\r\na=fingerprint:{print}\r\na=setup:active\r\n",
        PORTS[0]
    ));
    desk.describe(CALLER, CALLED, Role::Offer, &offer, (&own, &far)).unwrap();
    let answer = says("m=audio 5000 RTP/AVP 0\r\n");
    let told = desk.describe(CALLED, CALLER, Role::Answer, &answer, (&far, &own)).unwrap();
    desk.join(CALLER, CALLED);
    String::from_utf8(told.data.to_vec()).unwrap()
}

/// Carries datagrams between both until the party has keys at all of its ports.
#[expect(clippy::disallowed_methods, reason = "handshakes run in another thread")]
fn shake(media: &mut MediaDesk, ends: &mut [End; 2]) {
    let ports = media.legs[&CALLER].lines[0].ports.unwrap();
    for turn in 1..5_000 {
        let now = Tick(turn * MS);
        for (end, port) in ends.iter_mut().zip([ports.rtp, ports.rtcp]) {
            for datagram in end.step(now) {
                media.handle_dtls(port, end.at, datagram, now);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        media.take_agreed(now);
        while let Some((_, to, data)) = media.poll_own() {
            let end = ends.iter_mut().find(|end| end.at == to).unwrap();
            end.inbox.push(data);
        }
        if ends.iter().all(|end| end.keys.is_some()) && media.shaken().connected == 2 {
            return;
        }
    }
    panic!("no keys: {:?}", media.shaken());
}

fn dtls_of(media: &MediaDesk) -> [Option<Keys>; 2] {
    let line = &media.legs[&CALLER].lines[0];
    let dtls = line.secret.as_ref().unwrap().dtls.as_ref().unwrap();
    [dtls.keys.clone(), dtls.rtcp_keys.clone()]
}

/// RTCP of the party under a key at its port of ours, as it leaves to the other side.
fn rtcp(media: &mut MediaDesk, keys: &Exported) -> Verdict {
    let port = media.legs[&CALLER].lines[0].ports.unwrap().rtcp;
    let mut room = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
    room.extend([0; 40]);
    let len = RtcpSealer::new(&keys.ours).unwrap().seal(&mut room, 8).unwrap().len;
    let from = SocketAddr::new(PARTY.parse().unwrap(), PORTS[1]);
    let mut one = [Datagram::in_room(port, from, &mut room, len)];
    media.relay_mut().handle_burst(&mut one, Tick(9_000 * MS));
    let [Datagram { verdict, len, .. }] = one;
    assert!(matches!(verdict, Verdict::Drop(_)) || len == 8, "opened");
    verdict
}

#[test]
fn a_party_without_rtcp_mux_agrees_on_keys_at_both_ports() {
    let (mut media, mut io) = (desk(), Opened::default());
    let ours = arm(&mut media);
    let party = identity();
    let told = call(&mut media, &mut io, party.fingerprint());
    assert!(told.contains("a=setup:passive") && !told.contains("rtcp-mux"), "{told}");
    assert_eq!(media.shaken(), Shaken { now: 2, ..Shaken::default() });
    let mut ends = PORTS.map(|port| End::new(&party, ours, port));
    shake(&mut media, &mut ends);
    let keys = dtls_of(&media);
    for (end, keys) in ends.iter().zip(&keys) {
        let (theirs, ours) = (end.keys.as_ref().unwrap(), keys.as_ref().unwrap());
        assert_eq!((&theirs.ours, &theirs.theirs), (&ours.theirs, &ours.ours));
    }
    assert_ne!(keys[0], keys[1]);
    let [of_rtp, of_rtcp] = ends.map(|end| end.keys.unwrap());
    assert!(matches!(rtcp(&mut media, &of_rtcp), Verdict::Send { .. }));
    assert!(matches!(rtcp(&mut media, &of_rtp), Verdict::Drop(_)), "another key");
    // So it does in another life.
    let mut images = [CALLER, CALLED].map(|leg| {
        let mut bytes = Vec::new();
        media.freeze(leg, &mut bytes);
        decode::<Option<FrozenMedia>>(&bytes).unwrap().unwrap()
    });
    let (mut media, mut io) = (desk(), Opened::default());
    arm(&mut media);
    let mut again = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    again.thaw(CALLER, &images[0]).unwrap();
    again.thaw(CALLED, &images[1]).unwrap();
    again.join(CALLER, CALLED);
    assert_eq!(dtls_of(&media), keys);
    assert!(matches!(rtcp(&mut media, &of_rtcp), Verdict::Send { .. }));
    // Keys of RTCP alone are none of RTP.
    let secret = images[0].secrets[0].as_mut().unwrap();
    secret.dtls.as_mut().unwrap().keys.truncate(2);
    let (mut media, mut io) = (desk(), Opened::default());
    arm(&mut media);
    let mut again = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    again.thaw(CALLER, &images[0]).unwrap();
    assert_eq!(dtls_of(&media), [keys[0].clone(), None]);
}

/// What we send to such a party's RTCP is under the key of that port.
#[test]
fn what_leaves_by_the_port_of_rtcp_is_under_its_own_key() {
    let (mut media, mut io) = (desk(), Opened::default());
    let ours = arm(&mut media);
    let party = identity();
    call(&mut media, &mut io, party.fingerprint());
    let mut ends = PORTS.map(|port| End::new(&party, ours, port));
    shake(&mut media, &mut ends);
    let ports = media.legs[&CALLED].lines[0].ports.unwrap();
    let mut room = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
    room.extend([0; 40]);
    let from = SocketAddr::new(PARTY.parse().unwrap(), 5001);
    let mut one = [Datagram::in_room(ports.rtcp, from, &mut room, 8)];
    media.relay_mut().handle_burst(&mut one, Tick(9_000 * MS));
    let [Datagram { verdict, len, .. }] = one;
    let own = media.legs[&CALLER].lines[0].ports.unwrap().rtcp;
    assert_eq!(verdict, Verdict::Send { from: own, to: ends[1].at });
    let keys = ends[1].keys.as_ref().unwrap();
    let mut opener = RtcpOpener::new(&keys.theirs).unwrap();
    assert_eq!(opener.open(&mut room[..len]).unwrap().len, 8);
}
