//! What parties hear of keys, and that media goes by it: descriptions through the desk, packets
//! through the relay behind it.

use super::super::tests::{CALLED, CALLER, Opened, POLICY, desk};
use super::super::{Desk, FrozenMedia, MediaDesk};
use super::*;
use std::net::SocketAddr;
use strowger_call::Resources;
use strowger_leg::Body;
use strowger_link::codec::{decode, encode};
use strowger_link::{MediaMode, Tick};
use strowger_media::ports::LocalPort;
use strowger_media::{Datagram, Verdict};
use strowger_srtp::{RtcpOpener, RtpOpener, RtpSealer};

const PARTY: &str = "198.51.100.7";
/// Where both parties receive, by their ports.
const PORTS: [u16; 2] = [4000, 5000];

/// A party of the tests: its key, and what it is told.
struct Party {
    leg: LegId,
    port: u16,
    key: Master,
    sealer: RtpSealer,
}

impl Party {
    fn new(leg: LegId, port: u16, suite: Suite) -> Party {
        let key = KeyMaker::new(&[port as u8; 32]).unwrap().make(suite).unwrap();
        let sealer = RtpSealer::new(&key).unwrap();
        Party { leg, port, key, sealer }
    }

    /// Its description by a transport, with its key at a tag where it has one.
    fn says(&self, transport: &str, tag: Option<u32>) -> Body {
        let mut text = format!(
            "v=0\r\no=- 1 1 IN IP4 {PARTY}\r\ns=-\r\nc=IN IP4 {PARTY}\r\nt=0 0\r\n\
             m=audio {} {transport} 0\r\n",
            self.port
        )
        .into_bytes();
        if let Some(tag) = tag {
            write_crypto(&mut text, tag, &self.key);
        }
        Body::sdp(text)
    }

    fn at(&self) -> SocketAddr {
        SocketAddr::new(PARTY.parse().unwrap(), self.port)
    }

    /// RTP of this number; under its key if it has agreed on one.
    fn rtp(&mut self, sequence: u16, is_sealed: bool) -> Vec<u8> {
        let mut room = vec![0x80, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, self.port as u8];
        room[2..4].copy_from_slice(&sequence.to_be_bytes());
        room.extend_from_slice(&[0x55; 160]);
        if is_sealed {
            let len = room.len();
            room.extend_from_slice(&[0; 20]);
            let len = self.sealer.seal(&mut room, len).unwrap().len;
            room.truncate(len);
        }
        room
    }
}

/// What a party was told: transport, and the key with its tag.
fn heard(body: &Body) -> (String, Option<Tagged>) {
    let parsed = Description::parse(&body.data).unwrap();
    let media = parsed.media().next().unwrap();
    (String::from_utf8(media.protocol().to_vec()).unwrap(), key_of(&media))
}

fn with(srtp: Srtp) -> MediaPolicy {
    MediaPolicy { srtp, ..POLICY }
}

/// A packet from a party to our port on its leg; what goes out, and to whom.
fn send(
    media: &mut MediaDesk,
    from: &Party,
    packet: &[u8],
    rtcp: bool,
) -> Option<(Vec<u8>, SocketAddr)> {
    let ports = media.legs[&from.leg].lines[0].ports.unwrap();
    let port: LocalPort = if rtcp { ports.rtcp } else { ports.rtp };
    let mut room = [packet, &[0; 40]].concat();
    let source = SocketAddr::new(from.at().ip(), from.port + u16::from(rtcp));
    let mut one = [Datagram::in_room(port, source, &mut room, packet.len())];
    media.relay_mut().handle_burst(&mut one, Tick(1));
    let [Datagram { verdict, len, .. }] = one;
    match verdict {
        Verdict::Send { to, .. } => Some((room[..len].to_vec(), to)),
        Verdict::Drop(_) | Verdict::Dtls => None,
    }
}

/// A call whose caller says SRTP and whose called party says RTP.
fn one_side(media: &mut MediaDesk, io: &mut Opened, ada: &Party, bob: &Party) -> Tagged {
    let mut desk = Desk { media, io, now: Tick(0) };
    for leg in [CALLER, CALLED] {
        desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
    }
    let (own, far) = (with(Srtp::Accept), with(Srtp::Off));
    let offer = ada.says("RTP/SAVP", Some(7));
    let told = desk.describe(CALLER, CALLED, Role::Offer, &offer, (&own, &far)).unwrap();
    assert_eq!(heard(&told), ("RTP/AVP".to_owned(), None));
    let answer = bob.says("RTP/AVP", None);
    let told = desk.describe(CALLED, CALLER, Role::Answer, &answer, (&far, &own)).unwrap();
    let (transport, key) = heard(&told);
    let (tag, key) = key.unwrap();
    assert_eq!((transport.as_str(), tag, key.suite()), ("RTP/SAVP", 7, ada.key.suite()));
    assert_ne!(key, ada.key);
    desk.join(CALLER, CALLED);
    (tag, key)
}

#[test]
fn srtp_of_one_side_ends_here_and_goes_on_in_another_life() {
    for (_, _, suite) in Suite::ALL {
        let (mut media, mut io) = (desk(), Opened::default());
        let mut ada = Party::new(CALLER, PORTS[0], suite);
        let mut bob = Party::new(CALLED, PORTS[1], suite);
        let (_, ours) = one_side(&mut media, &mut io, &ada, &bob);
        let mut opener = RtpOpener::new(&ours).unwrap();
        let talk = |media: &mut MediaDesk,
                    ada: &mut Party,
                    bob: &mut Party,
                    opener: &mut RtpOpener,
                    sequence: u16| {
            let plain = ada.rtp(sequence, false);
            let sealed = ada.rtp(sequence, true);
            let (arrived, to) = send(media, ada, &sealed, false).expect("it passes");
            assert_eq!((arrived, to), (plain.clone(), bob.at()), "{suite:?}");
            assert_eq!(send(media, ada, &sealed, false), None, "not twice");
            assert_eq!(send(media, ada, &plain, false), None, "not in the clear");
            let said = bob.rtp(sequence, false);
            let (mut arrived, to) = send(media, bob, &said, false).expect("it passes");
            assert_eq!(to, ada.at());
            assert_ne!(arrived, said);
            let len = opener.open(&mut arrived).expect("by the key that was told").len;
            assert_eq!(arrived[..len], said);
        };
        // Over the end of a round, so that a life that forgot it would be silent.
        for sequence in [65_530, 65_535, 0, 3] {
            talk(&mut media, &mut ada, &mut bob, &mut opener, sequence);
        }
        assert!(media.poll_touched().is_some(), "what was learned is kept");
        let kept: Vec<FrozenMedia> = [CALLER, CALLED]
            .map(|leg| {
                let mut bytes = Vec::new();
                media.freeze(leg, &mut bytes);
                let image = decode::<Option<FrozenMedia>>(&bytes).unwrap();
                assert_eq!(encode(&image), bytes, "one form");
                image.unwrap()
            })
            .into();
        assert!(!format!("{kept:?}").contains("octets"), "no key in a log");
        let (mut media, mut io) = (desk(), Opened::default());
        let mut again = Desk { media: &mut media, io: &mut io, now: Tick(2) };
        again.thaw(CALLER, &kept[0]).unwrap();
        again.thaw(CALLED, &kept[1]).unwrap();
        again.join(CALLER, CALLED);
        for sequence in [4, 9] {
            talk(&mut media, &mut ada, &mut bob, &mut opener, sequence);
        }
        let mut again = Desk { media: &mut media, io: &mut io, now: Tick(3) };
        again.release(CALLER);
        again.release(CALLED);
        assert!(media.guarded.is_empty(), "keys go with their ports");
    }
}

/// RTCP is protected by its own keys, and read here now.
#[test]
fn rtcp_of_one_side_ends_here() {
    let (mut media, mut io) = (desk(), Opened::default());
    let ada = Party::new(CALLER, PORTS[0], Suite::AesCm128Sha80);
    let bob = Party::new(CALLED, PORTS[1], Suite::AesCm128Sha80);
    let (_, ours) = one_side(&mut media, &mut io, &ada, &bob);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let (mut arrived, to) = send(&mut media, &bob, &report, true).expect("it passes");
    assert_eq!(to.port(), ada.port + 1);
    let len = RtcpOpener::new(&ours).unwrap().open(&mut arrived).unwrap().len;
    assert_eq!(arrived[..len], report);
    assert_eq!(send(&mut media, &ada, &report, true), None, "not in the clear");
}

/// A new offer with another key changes what is opened, and nothing of what is sealed; the same
/// key again changes nothing.
#[test]
fn a_party_changes_its_key_by_a_new_offer() {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut ada = Party::new(CALLER, PORTS[0], Suite::AesCm128Sha80);
    let mut bob = Party::new(CALLED, PORTS[1], Suite::AesCm128Sha80);
    let (_, ours) = one_side(&mut media, &mut io, &ada, &bob);
    let mut opener = RtpOpener::new(&ours).unwrap();
    let (own, far) = (with(Srtp::Accept), with(Srtp::Off));
    for (sequence, is_new) in [(1, false), (2, true), (3, false)] {
        if is_new {
            ada = Party::new(CALLER, PORTS[0], Suite::AesCm128Sha80);
            ada.key = KeyMaker::new(&[99; 32]).unwrap().make(Suite::AesCm128Sha80).unwrap();
            ada.sealer = RtpSealer::new(&ada.key).unwrap();
        }
        let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(2) };
        let offer = ada.says("RTP/SAVP", Some(1));
        let _told = desk.describe(CALLER, CALLED, Role::Offer, &offer, (&own, &far)).unwrap();
        let answer = bob.says("RTP/AVP", None);
        let told = desk.describe(CALLED, CALLER, Role::Answer, &answer, (&far, &own)).unwrap();
        assert_eq!(heard(&told).1, Some((1, ours.clone())), "ours stays");
        let sealed = ada.rtp(sequence, true);
        assert!(send(&mut media, &ada, &sealed, false).is_some());
        let said = bob.rtp(sequence, false);
        let (mut arrived, _) = send(&mut media, &bob, &said, false).unwrap();
        opener.open(&mut arrived).expect("under an index of its own");
    }
}

/// Who speaks no SRTP holds who does: the keys of the one go on, the other hears of none.
#[test]
fn an_offer_in_the_clear_leaves_the_other_side_its_keys() {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut ada = Party::new(CALLER, PORTS[0], Suite::AesCm128Sha80);
    let bob = Party::new(CALLED, PORTS[1], Suite::AesCm128Sha80);
    let (_, ours) = one_side(&mut media, &mut io, &ada, &bob);
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(2) };
    let (own, far) = (with(Srtp::Accept), with(Srtp::Off));
    let offer = bob.says("RTP/AVP", None);
    let told = desk.describe(CALLED, CALLER, Role::Offer, &offer, (&far, &own)).unwrap();
    assert_eq!(heard(&told), ("RTP/SAVP".to_owned(), Some((1, ours))));
    let answer = ada.says("RTP/SAVP", Some(1));
    let told = desk.describe(CALLER, CALLED, Role::Answer, &answer, (&own, &far)).unwrap();
    assert_eq!(heard(&told), ("RTP/AVP".to_owned(), None));
    let sealed = ada.rtp(1, true);
    assert!(send(&mut media, &ada, &sealed, false).is_some());
}

/// Audio that turns into fax and back goes on under its keys; audio that was in the clear between
/// gets another key of ours.
#[test]
fn a_key_is_never_used_from_the_beginning_again() {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut ada = Party::new(CALLER, PORTS[0], Suite::AesCm128Sha80);
    let mut bob = Party::new(CALLED, PORTS[1], Suite::AesCm128Sha80);
    let (_, ours) = one_side(&mut media, &mut io, &ada, &bob);
    let mut opener = RtpOpener::new(&ours).unwrap();
    let (own, far) = (with(Srtp::Accept), with(Srtp::Off));
    let mut exchange = |media: &mut MediaDesk, offer: &Body, answer: &Body| {
        let mut desk = Desk { media, io: &mut io, now: Tick(2) };
        let _told = desk.describe(CALLER, CALLED, Role::Offer, offer, (&own, &far)).unwrap();
        let told = desk.describe(CALLED, CALLER, Role::Answer, answer, (&far, &own)).unwrap();
        heard(&told)
    };
    let (secure, plain) = (ada.says("RTP/SAVP", Some(1)), bob.says("RTP/AVP", None));
    let fax = |party: &Party| {
        let text = String::from_utf8(party.says("udptl", None).data.to_vec()).unwrap();
        Body::sdp(text.replace("m=audio", "m=image").replace("udptl 0", "udptl t38").into_bytes())
    };
    for (sequence, is_fax) in [(65_535, false), (0, true), (1, false)] {
        if is_fax {
            exchange(&mut media, &fax(&ada), &fax(&bob));
            exchange(&mut media, &secure, &plain);
        }
        let said = bob.rtp(sequence, false);
        let (mut arrived, _) = send(&mut media, &bob, &said, false).unwrap();
        let len = opener.open(&mut arrived).expect("in the same count").len;
        assert_eq!(arrived[..len], said);
    }
    let (_, none) = exchange(&mut media, &ada.says("RTP/AVP", None), &plain);
    assert_eq!(none, None);
    let clear = ada.rtp(5, false);
    assert!(send(&mut media, &ada, &clear, false).is_some(), "in the clear");
    let (_, again) = exchange(&mut media, &secure, &plain);
    assert_ne!(again.unwrap().1, ours);
    let clear = ada.rtp(6, false);
    assert_eq!(send(&mut media, &ada, &clear, false), None);
    let sealed = ada.rtp(6, true);
    assert!(send(&mut media, &ada, &sealed, false).is_some());
}

/// What a browser says of keys.
fn browser() -> Says {
    let body = browser_sdp("actpass", "ufra", 'a');
    let parsed = Description::parse(body.as_bytes()).unwrap();
    let media = parsed.media().next().unwrap();
    let says = Says::of(&media, &media.terms());
    assert!(matches!(says, Says::Dtls(_)), "{says:?}");
    says
}

/// A browser's description, as far as it matters here; its certificate has this digit's sum.
fn browser_sdp(setup: &str, ufrag: &str, digit: char) -> String {
    let sum = vec![format!("{digit}{digit}"); 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         a=msid-semantic: WMS\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n\
         a=rtcp:9 IN IP4 0.0.0.0\r\na=candidate:1 1 udp 2 a.local 4 typ host\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {sum}\r\na=setup:{setup}\r\na=mid:0\r\na=sendrecv\r\n\
         a=extmap:1 urn:x\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtcp-fb:0 nack\r\n\
         a=ssrc:7 cname:x\r\n",
        "p".repeat(24)
    )
}

/// Who says what, by which policies, and what the other side is told. `-` is a refusal.
#[test]
fn the_table_of_policies() {
    let words = |told: Result<Told, Cause>| match told {
        Ok(Told::Theirs) => "through",
        Ok(Told::Plain) => "plain",
        Ok(Told::Beside) => "beside",
        Ok(Told::Only) => "only",
        Ok(Told::Dtls) => "dtls",
        Err(NOT_AS_SET) => "-",
        Err(_) => "unknown",
    };
    let key = KeyMaker::new(&[1; 32]).unwrap().make(Suite::Gcm128).unwrap();
    let says = [
        Says::Plain,
        Says::Beside((1, key.clone())),
        Says::Only((1, key)),
        Says::Unknown,
        browser(),
        Says::Other,
    ];
    use Srtp::{Accept, Dtls, EndToEnd, Off, Offer, Pass, Require};
    for (own, far, expected) in [
        (Accept, Accept, "plain beside beside unknown beside through"),
        (Accept, Off, "plain plain plain unknown plain through"),
        (Accept, Offer, "beside beside beside unknown beside through"),
        (Accept, Require, "only only only unknown only through"),
        (Accept, Pass, "plain beside beside unknown beside through"),
        (Accept, EndToEnd, "- - - - - through"),
        (Accept, Dtls, "dtls dtls dtls unknown dtls through"),
        (Off, Accept, "plain plain - - - through"),
        (Off, Require, "only only - - - through"),
        (Off, Dtls, "dtls dtls - - - through"),
        (Pass, Pass, "through through through through through through"),
        (Pass, Accept, "plain beside beside unknown beside through"),
        (Pass, Dtls, "dtls dtls dtls unknown dtls through"),
        (Pass, EndToEnd, "- - through through through through"),
        (Require, Accept, "- beside beside unknown beside through"),
        (Require, Off, "- plain plain unknown plain through"),
        (Dtls, Accept, "- beside beside unknown beside through"),
        (Dtls, EndToEnd, "- - - - - through"),
        (EndToEnd, Pass, "- - through through through through"),
        (EndToEnd, EndToEnd, "- - through through through through"),
        (EndToEnd, Accept, "- - - - - through"),
        (EndToEnd, Dtls, "- - - - - through"),
    ] {
        let told: Vec<&str> = says.iter().map(|says| words(tell(own, far, says))).collect();
        assert_eq!(told.join(" "), expected, "{own:?} to {far:?}");
    }
}

/// A called party that is offered keys answers as it was told, or the answer is refused.
#[test]
fn answers_fit_what_was_told() {
    for (far, answer, passes) in [
        (Srtp::Require, ("RTP/SAVP", Some(1)), Ok(true)),
        (Srtp::Require, ("RTP/AVP", None), Err(NOT_AS_SET)),
        (Srtp::Offer, ("RTP/AVP", Some(1)), Ok(true)),
        (Srtp::Offer, ("RTP/SAVP", Some(1)), Ok(true)),
        (Srtp::Offer, ("RTP/AVP", None), Ok(false)),
        (Srtp::Accept, ("RTP/AVP", None), Ok(false)),
        (Srtp::Accept, ("RTP/SAVP", Some(1)), Err(NOT_ACCEPTABLE)),
    ] {
        let (mut media, mut io) = (desk(), Opened::default());
        let ada = Party::new(CALLER, PORTS[0], Suite::AesCm128Sha80);
        let mut bob = Party::new(CALLED, PORTS[1], Suite::AesCm128Sha80);
        let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
        for leg in [CALLER, CALLED] {
            desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
        }
        let both = (&with(Srtp::Accept), &with(far));
        let offer = ada.says("RTP/AVP", None);
        let told = desk.describe(CALLER, CALLED, Role::Offer, &offer, both).unwrap();
        let (transport, key) = heard(&told);
        let expected = match far {
            Srtp::Require => ("RTP/SAVP", true),
            Srtp::Offer => ("RTP/AVP", true),
            Srtp::Off | Srtp::Pass | Srtp::Accept | Srtp::EndToEnd | Srtp::Dtls => {
                ("RTP/AVP", false)
            }
        };
        assert_eq!((transport.as_str(), key.is_some()), expected);
        let answered = bob.says(answer.0, answer.1);
        let told = desk.describe(CALLED, CALLER, Role::Answer, &answered, (both.1, both.0));
        assert_eq!(told.as_ref().map(heard).err(), passes.err().as_ref(), "{far:?} {answer:?}");
        let Ok(is_sealed) = passes else { continue };
        assert_eq!(heard(&told.unwrap()), ("RTP/AVP".to_owned(), None), "the caller said none");
        desk.join(CALLER, CALLED);
        let sealed = bob.rtp(1, is_sealed);
        let (arrived, _) = send(&mut media, &bob, &sealed, false).expect("it passes");
        assert_eq!(arrived, bob.rtp(1, false));
    }
}

/// Between parties that are set so, keys go through byte by byte, and SRTP is not looked into.
#[test]
fn keys_pass_where_both_sides_are_set_so() {
    let (mut media, mut io) = (desk(), Opened::default());
    let mut ada = Party::new(CALLER, PORTS[0], Suite::AesCm128Sha80);
    let bob = Party::new(CALLED, PORTS[1], Suite::AesCm128Sha80);
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    for leg in [CALLER, CALLED] {
        desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
    }
    let (own, far) = (with(Srtp::Pass), with(Srtp::EndToEnd));
    let offer = ada.says("RTP/SAVP", Some(3));
    let told = desk.describe(CALLER, CALLED, Role::Offer, &offer, (&own, &far)).unwrap();
    assert_eq!(heard(&told), ("RTP/SAVP".to_owned(), Some((3, ada.key.clone()))));
    let answer = bob.says("RTP/SAVP", Some(3));
    let told = desk.describe(CALLED, CALLER, Role::Answer, &answer, (&far, &own)).unwrap();
    assert_eq!(heard(&told), ("RTP/SAVP".to_owned(), Some((3, bob.key.clone()))));
    desk.join(CALLER, CALLED);
    let sealed = ada.rtp(1, true);
    let (arrived, _) = send(&mut media, &ada, &sealed, false).unwrap();
    assert_eq!(arrived, sealed);
    // In the clear is refused, also past us.
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    let plain = ada.says("RTP/AVP", None);
    for mode in [MediaMode::Relay, MediaMode::Direct] {
        let policies = [own, far].map(|policy| MediaPolicy { mode, ..policy });
        let told = desk.describe(CALLER, CALLED, Role::Offer, &plain, (&policies[0], &policies[1]));
        assert_eq!(told, Err(NOT_AS_SET), "{mode:?}");
    }
}

/// Threads of handshakes, and a certificate, for a desk.
fn armed(media: &mut MediaDesk) -> String {
    use strowger_dtls::Clock;
    let pem = Identity::make().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the protocol's code counts from somewhere")]
    let clock = Clock::new(std::time::Instant::now(), Tick(0));
    let identity = Arc::new(Identity::read(pem.as_bytes(), clock).unwrap());
    let print = identity.fingerprint().to_string();
    let threads = strowger_stream::Handshaker::start(1, |_| ()).unwrap();
    media.set_dtls(crate::Dtls { identity, desk: threads.desk(Arc::new(|| ())) });
    print
}

/// A browser's call to a plain phone: what each is told, and what of a browser nobody is.
#[test]
fn a_browser_and_a_plain_phone_are_told_what_each_can_do() {
    let (mut media, mut io) = (desk(), Opened::default());
    let print = armed(&mut media);
    let bob = Party::new(CALLED, PORTS[1], Suite::AesCm128Sha80);
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    for leg in [CALLER, CALLED] {
        desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
    }
    let both = with(Srtp::Accept);
    let text = |body: Body| String::from_utf8(body.data.to_vec()).unwrap();
    let offer = Body::sdp(browser_sdp("actpass", "ufra", 'a').into_bytes());
    // By SDES, as the far side is not known to want less.
    let off = with(Srtp::Off);
    let told = desk.describe(CALLER, CALLED, Role::Offer, &offer, (&both, &off)).map(text).unwrap();
    assert!(told.contains(" RTP/AVP 0\r\n") && !told.contains("0.0.0.0"), "{told}");
    assert!(told.contains("a=sendrecv"), "no hold: {told}");
    for gone in
        ["fingerprint", "setup", "ice-", "candidate", "mid", "extmap", "ssrc", "rtcp-", "BUNDLE"]
    {
        assert!(!told.contains(gone), "{gone}: {told}");
    }
    let answer = bob.says("RTP/AVP", None);
    let told = desk.describe(CALLED, CALLER, Role::Answer, &answer, (&off, &both)).map(text);
    let first = told.unwrap();
    for line in [
        " UDP/TLS/RTP/SAVPF 0\r\n",
        "a=ice-lite\r\n",
        &format!("a=fingerprint:{print}\r\n"),
        "a=setup:passive\r\n",
        "a=rtcp-mux\r\n",
        "a=candidate:1 1 UDP 2130706431 192.0.2.1 ",
        "a=end-of-candidates\r\n",
    ] {
        assert!(first.contains(line), "{line} in {first}");
    }
    desk.join(CALLER, CALLED);
    // The same again keeps our credentials; a restart of ICE changes them, and no role.
    let line = |told: &str, name: &str| {
        told.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
    };
    let mut again = |ufrag: &str| {
        let offer = Body::sdp(browser_sdp("actpass", ufrag, 'a').into_bytes());
        desk.describe(CALLER, CALLED, Role::Offer, &offer, (&both, &off)).unwrap();
        let told = desk.describe(CALLED, CALLER, Role::Answer, &answer, (&off, &both));
        told.map(text).unwrap()
    };
    let (same, other) = (again("ufra"), again("another"));
    assert_eq!(line(&first, "a=ice-pwd"), line(&same, "a=ice-pwd"));
    assert_ne!(line(&first, "a=ice-pwd"), line(&other, "a=ice-pwd"));
    assert_ne!(line(&first, "a=ice-ufrag"), line(&other, "a=ice-ufrag"));
    assert_eq!(line(&other, "a=setup"), "a=setup:passive");
    // The phone holds: the browser is offered what it has, and nobody else's keys.
    let offer = bob.says("RTP/AVP", None);
    let told = desk.describe(CALLED, CALLER, Role::Offer, &offer, (&off, &both)).map(text).unwrap();
    assert!(told.contains("UDP/TLS/RTP/SAVPF") && told.contains("a=setup:actpass"), "{told}");
    assert_eq!(line(&told, "a=ice-pwd"), line(&other, "a=ice-pwd"));
}

/// A check of the browser's, by what it was told.
fn check_for(told: &[u8]) -> Vec<u8> {
    use strowger_ice::{Reply, kind};
    let told = std::str::from_utf8(told).unwrap();
    let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let mut room = vec![0; 300];
    let mut check = Reply::begin(&mut room, kind::BINDING_REQUEST, [9; 12]);
    check.attribute(kind::USERNAME, format!("{}:ufra", value("a=ice-ufrag:")).as_bytes());
    check.sign(value("a=ice-pwd:").as_bytes());
    let len = check.finish().unwrap();
    room.truncate(len);
    room
}

/// What a browser is kept by goes on in another life: certificate, credentials, keys, where it is.
#[test]
fn a_browser_goes_on_in_another_life() {
    let (mut media, mut io) = (desk(), Opened::default());
    armed(&mut media);
    let mut bob = Party::new(CALLED, PORTS[1], Suite::AesCm128Sha80);
    let (both, off) = (with(Srtp::Accept), with(Srtp::Off));
    let mut desk = Desk { media: &mut media, io: &mut io, now: Tick(0) };
    for leg in [CALLER, CALLED] {
        desk.begin(leg, 0, "198.51.100.7:5060".parse().unwrap());
    }
    let offer = Body::sdp(browser_sdp("actpass", "ufra", 'a').into_bytes());
    desk.describe(CALLER, CALLED, Role::Offer, &offer, (&both, &off)).unwrap();
    let answer = bob.says("RTP/AVP", None);
    let told = desk.describe(CALLED, CALLER, Role::Answer, &answer, (&off, &both)).unwrap();
    desk.join(CALLER, CALLED);
    let room = check_for(&told.data);
    let pwd = String::from_utf8(told.data.to_vec()).unwrap();
    let pwd = pwd.lines().find_map(|line| line.strip_prefix("a=ice-pwd:")).unwrap().to_owned();
    let browser: SocketAddr = "203.0.113.77:50000".parse().unwrap();
    let ports = media.legs[&CALLER].lines[0].ports.unwrap();
    let hear = |media: &mut MediaDesk, data: &[u8]| {
        let mut room = [data, &[0; 200]].concat();
        let mut one = [Datagram::in_room(ports.rtp, browser, &mut room, data.len())];
        media.relay_mut().handle_burst(&mut one, Tick(1));
        one[0].verdict
    };
    assert!(matches!(hear(&mut media, &room), Verdict::Send { to, .. } if to == browser));
    assert_eq!(media.poll_touched(), Some(CALLER), "where it is is kept");
    // The handshake's end, as the threads would tell it.
    let mut maker = KeyMaker::new(&[77; 32]).unwrap();
    let mut key = || maker.make(Suite::Gcm256).unwrap();
    let keys = Keys { ours: key(), theirs: key() };
    let line = &mut media.legs.get_mut(&CALLER).unwrap().lines[0];
    line.secret.as_mut().unwrap().dtls.as_mut().unwrap().keys = Some(keys.clone());
    media.guard(CALLER, Tick(1));
    let said = bob.rtp(1, false);
    let (sealed, to) = send(&mut media, &bob, &said, false).unwrap();
    let mut opener = RtpOpener::new(&keys.ours).unwrap();
    let len = opener.open(&mut sealed.clone()).unwrap().len;
    assert_eq!((to, len), (browser, said.len()));
    let kept: Vec<FrozenMedia> = [CALLER, CALLED]
        .map(|leg| {
            let mut bytes = Vec::new();
            media.freeze(leg, &mut bytes);
            let image = decode::<Option<FrozenMedia>>(&bytes).unwrap();
            assert_eq!(encode(&image), bytes, "one form");
            image.unwrap()
        })
        .into();
    let shown = format!("{kept:?}");
    assert!(!shown.contains(&pwd) && !shown.contains("candidate"), "{shown}");
    let (mut media, mut io) = (super::super::tests::desk(), Opened::default());
    armed(&mut media);
    let mut again = Desk { media: &mut media, io: &mut io, now: Tick(2) };
    again.thaw(CALLER, &kept[0]).unwrap();
    again.thaw(CALLED, &kept[1]).unwrap();
    again.join(CALLER, CALLED);
    let said = bob.rtp(2, false);
    let (mut sealed, to) = send(&mut media, &bob, &said, false).expect("it goes on at once");
    assert_eq!(to, browser);
    assert_eq!(opener.open(&mut sealed).expect("by the same key").len, said.len());
    assert!(matches!(hear(&mut media, &room), Verdict::Send { .. }), "by the same password");
    assert_eq!(
        hear(&mut media, &[22, 254, 253, 0, 0]),
        Verdict::Dtls,
        "another handshake may come"
    );
}
