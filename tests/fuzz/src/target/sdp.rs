//! Session descriptions: parse and print, every attribute, relaying, offering, answering.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use strowger_sdp::{
    Codec, Description, Direction, Keyed, LocalSession, Media, OwnMedia, Place, Policy, Reason,
    RelayPlan, agree,
};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "sdp", run, seeds, words: WORDS };

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"v=0\r\n",
    b"o=- 1 1 IN IP4 192.0.2.1\r\n",
    b"c=IN IP4 192.0.2.1\r\n",
    b"c=IN IP4 0.0.0.0\r\n",
    b"c=IN IP6 2001:db8::1\r\n",
    b"c=IN IP4 host.example\r\n",
    b"c=IN IP4 224.2.1.1/127/3\r\n",
    b"m=audio 4000 RTP/AVP 0 8 101\r\n",
    b"m=audio 0 RTP/AVP 0\r\n",
    b"m=video 4002/2 RTP/SAVPF 96\r\n",
    b"m=image 4004 udptl t38\r\n",
    b"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    b"a=rtpmap:96 opus/48000/2\r\n",
    b"a=rtpmap:101 telephone-event/8000\r\n",
    b"a=fmtp:101 0-15\r\n",
    b"a=ptime:20\r\n",
    b"a=maxptime:40\r\n",
    b"a=sendonly\r\n",
    b"a=recvonly\r\n",
    b"a=inactive\r\n",
    b"a=rtcp:4001 IN IP4 192.0.2.9\r\n",
    b"a=rtcp-mux\r\n",
    b"a=candidate:1 1 UDP 1 192.0.2.7 5000 typ host\r\n",
    b"a=ice-ufrag:x\r\n",
    b"a=group:BUNDLE 0 1\r\n",
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n",
    b"a=source-filter: incl IN IP4 * 192.0.2.5\r\n",
    b" 65535 ",
    b" 65536 ",
];

const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    offer(&mut Choices(input));
    let description = match Description::parse(input) {
        Ok(description) => description,
        Err(error) => {
            shape.kind("error", &error.reason);
            return shape;
        }
    };
    assert_eq!(description.to_bytes(), input);
    shape.count("session", description.session_lines().len());
    shape.count("attributes", description.attributes().count());
    shape.note("media", &description.media_count());
    description.media().for_each(|media| look(&media, &mut shape));
    for policy in [Policy::Plain, Policy::Transparent] {
        relay(&description, policy);
    }
    answer(&description, &mut shape);
    shape
}

fn look(media: &Media<'_, '_>, shape: &mut Shape) {
    let terms = media.terms();
    assert_eq!(terms.is_rejected(), media.port() == 0);
    let known = |pt: Option<u8>| pt.is_none_or(|pt| terms.payload_types.contains(pt));
    assert!(known(terms.preferred) && known(terms.telephone_event));
    shape.kind("kind", &terms.kind).kind("transport", &terms.transport);
    shape.kind("target", &terms.target).kind("direction", &terms.direction);
    shape.note("mux", &terms.rtcp_mux).note("ptime", &terms.ptime_ms.is_some());
    shape.note("event", &terms.telephone_event.is_some()).note("rtcp", &media.rtcp().is_some());
    shape.count("rtpmaps", media.rtpmaps().count()).count("crypto", media.crypto().count());
    shape.count("formats", media.formats().count()).note("max", &media.maxptime_ms().is_some());
    for payload_type in media.payload_types() {
        let map = media.rtpmap(payload_type);
        assert!(map.is_none_or(|map| map.payload_type == payload_type));
        let _ = media.fmtp(payload_type);
    }
}

fn place(index: u16) -> Place {
    let at = |port| SocketAddr::new(OURS, port);
    Place { rtp: at(16_384 + 4 * index), rtcp: at(16_386 + 4 * index) }
}

/// Relayed, a description parses, says our addresses, and means the same otherwise; said again
/// unchanged, it keeps its version.
fn relay(theirs: &Description<'_>, policy: Policy) {
    let places: Vec<_> = (0..).map(|index| Some(place(index))).take(theirs.media_count()).collect();
    let plan = RelayPlan { address: OURS, places: &places, policy, keys: &[] };
    let mut session = LocalSession::new(1);
    let body = session.relay(theirs, &plan).map(<[u8]>::to_vec).unwrap_or_default();
    let version = session.version();
    assert_eq!(session.relay(theirs, &plan), Ok(body.as_slice()));
    assert_eq!(session.version(), version);
    let ours = match Description::parse(&body) {
        Ok(ours) => ours,
        Err(error) => {
            // Our own lines came on top of as many as there may be.
            let full = matches!(error.reason, Reason::TooLong | Reason::TooManyLines);
            return assert!(full, "{error:?}: {}", body.escape_ascii());
        }
    };
    assert!(agree(theirs, &ours).is_ok());
    assert!(ours.origin().address == b"203.0.113.1" && ours.media_count() == places.len());
    for ((their, our), place) in theirs.media().zip(ours.media()).zip(places.into_iter().flatten())
    {
        let (their, our) = (their.terms(), our.terms());
        assert_eq!((our.direction, our.payload_types), (their.direction, their.payload_types));
        assert_eq!(our.rtp(), (!their.is_rejected()).then_some(place.rtp));
        let rtcp = our.rtcp.filter(|_| policy == Policy::Plain && !our.rtcp_mux);
        assert!(rtcp.is_none_or(|rtcp| rtcp == place.rtcp), "RTCP goes to {rtcp:?}");
    }
}

fn media<'a>(codecs: &'a [Codec<'a>], event: Option<u8>) -> OwnMedia<'a> {
    OwnMedia {
        place: place(0),
        codecs,
        telephone_event: event,
        ptime_ms: Some(20),
        direction: Direction::SendRecv,
    }
}

/// Our answer fits the offer and has one live line.
fn answer(offer: &Description<'_>, shape: &mut Shape) {
    let mut session = LocalSession::new(1);
    let taken = session.answer(offer, OURS, &media(&[Codec::PCMA, Codec::PCMU], Some(101)));
    shape.note("answered", &taken.is_ok());
    let Ok((body, answered)) = taken else { return };
    let agreed = Description::parse(body).ok().and_then(|ours| agree(offer, &ours).ok());
    let live = agreed.map(|lines| lines.iter().map(|line| line.is_live()).collect::<Vec<_>>());
    let wanted = (0..offer.media_count()).map(|index| index == answered.index).collect();
    assert_eq!(live, Some(wanted), "{}", body.escape_ascii());
}

/// What we offer reads as we meant it.
fn offer(choices: &mut Choices<'_>) {
    let directions =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    let codecs = [Codec::PCMU, Codec::PCMA];
    let codecs = &codecs[..1 + usize::from(choices.u8() % 2)];
    let event = Some(96 + choices.u8() % 32).filter(|event| event % 2 == 0);
    let direction = directions[usize::from(choices.u8() % 4)];
    let mut session = LocalSession::new(u64::from(choices.u32()));
    let ours = OwnMedia { direction, ..media(codecs, event) };
    let body = session.offer(OURS, &ours, Keyed::Plain);
    let Ok(description) = Description::parse(body) else {
        return assert!(body.is_empty(), "our own offer does not parse");
    };
    let terms: Vec<_> = description.media().map(|line| line.terms()).collect();
    let [terms] = terms[..] else { return assert!(terms.is_empty(), "one line was offered") };
    let types = codecs.iter().map(|codec| codec.payload_type).chain(event);
    assert_eq!((terms.direction, terms.payload_types), (direction, types.collect()));
    assert_eq!((terms.rtp(), terms.rtcp), (Some(place(0).rtp), Some(place(0).rtcp)));
    assert_eq!((terms.telephone_event, terms.ptime_ms), (event, Some(20)));
}

/// Bodies that are dear to read, if something walks over the lines for each format; the corpus has
/// the usual ones.
fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP";
    let events = "a=rtpmap:96 telephone-event/8000\r\n";
    let body = |formats: usize, lines: usize| {
        let (formats, maps) = (" 96".repeat(formats), "a=rtpmap:5 x/1\r\n".repeat(lines));
        format!("{head}{formats}\r\n{maps}{events}").into_bytes()
    };
    vec![body(14_000, 1_000), body(128, 1_000), body(128, 3)]
}
