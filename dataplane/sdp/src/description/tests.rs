use super::{Description, Host, Media};
use crate::error::Reason;
use crate::limits::{BODY_MAX, MEDIA_MAX};
use crate::{Direction, MediaKind, Target, Terms, Transport};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn terms(media: &str) -> Terms {
    with_first(media, |media| media.terms())
}

fn with_first<R>(media: &str, read: impl FnOnce(Media<'_, '_>) -> R) -> R {
    let body = format!("{HEAD}{media}");
    let description = Description::parse(body.as_bytes()).unwrap();
    read(description.media().next().unwrap())
}

fn refused(body: &str) -> (u16, Reason) {
    let error = Description::parse(body.as_bytes()).unwrap_err();
    (error.line, error.reason)
}

#[test]
fn a_phone_calls() {
    let body = format!(
        "{HEAD}m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:60\r\na=x-vendor:thing\r\n"
    );
    let description = Description::parse(body.as_bytes()).unwrap();
    assert_eq!(description.to_bytes(), body.as_bytes());
    assert_eq!(description.origin().session_id, b"1");
    assert_eq!(description.origin().address, b"192.0.2.1");
    assert_eq!(description.session_lines().len(), 5);
    let media = description.media().next().unwrap();
    assert_eq!(media.lines().len(), 6);
    assert_eq!(media.fmtp(101), Some(&b"0-16"[..]));
    assert_eq!(media.rtpmap(8).unwrap().encoding, b"PCMA");
    assert_eq!(media.rtpmap(77), None);
    assert_eq!(media.maxptime_ms(), Some(60));
    assert_eq!(media.attribute("x-vendor"), Some(&b"thing"[..]));
    assert_eq!(
        media.terms(),
        Terms {
            kind: MediaKind::Audio,
            transport: Transport::Rtp,
            target: Target::At("192.0.2.1:4000".parse().unwrap()),
            rtcp: Some("192.0.2.1:4001".parse().unwrap()),
            rtcp_mux: false,
            payload_types: [0, 8, 101].into_iter().collect(),
            preferred: Some(8),
            clock_hz: 8000,
            telephone_event: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: Some(20),
            has_keys: false,
        }
    );
}

#[test]
fn where_media_goes() {
    let target = |media: &str| terms(media).target;
    let at = |text: &str| Target::At(text.parse().unwrap());
    assert_eq!(target("m=audio 4000 RTP/AVP 8\r\n"), at("192.0.2.1:4000"));
    let own = "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 198.51.100.9\r\n";
    assert_eq!(target(own), at("198.51.100.9:4000"));
    assert_eq!(target("m=audio 4 RTP/AVP 8\r\nc=IN IP6 2001:db8::5\r\n"), at("[2001:db8::5]:4"));
    let multicast =
        "m=audio 4 RTP/AVP 8\r\nc=IN IP4 233.252.0.1/127\r\nc=IN IP4 233.252.0.2/127\r\n";
    assert_eq!(target(multicast), at("233.252.0.1:4"));
    let named = "m=audio 4 RTP/AVP 8\r\nc=IN IP4 media.example.org\r\n";
    assert_eq!(target(named), Target::Named { port: 4 });
    assert_eq!(target("m=audio 4 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n"), Target::Held);
    assert_eq!(target("m=audio 4 RTP/AVP 8\r\nc=IN IP6 ::\r\n"), Target::Held);
    assert_eq!(target("m=audio 0 RTP/AVP\r\n"), Target::Rejected);
}

#[test]
fn where_rtcp_goes() {
    let rtcp = |media: &str| terms(media).rtcp.map(|address| address.to_string());
    let with = |attributes: &str| rtcp(&format!("m=audio 4000 RTP/AVP 8\r\n{attributes}"));
    assert_eq!(with("").as_deref(), Some("192.0.2.1:4001"));
    assert_eq!(with("a=rtcp:5000\r\n").as_deref(), Some("192.0.2.1:5000"));
    assert_eq!(with("a=rtcp:5 IN IP4 192.0.2.7\r\n").as_deref(), Some("192.0.2.7:5"));
    assert_eq!(with("a=rtcp:5 IN IP4 0.0.0.0\r\n"), None);
    assert_eq!(with("a=rtcp:nonsense\r\n").as_deref(), Some("192.0.2.1:4001"));
    assert_eq!(rtcp("m=audio 65535 RTP/AVP 8\r\n"), None);
    assert_eq!(rtcp("m=image 4000 udptl t38\r\n"), None);
    assert!(terms("m=audio 4000 RTP/AVP 8\r\na=rtcp-mux\r\n").rtcp_mux);
}

#[test]
fn holds_of_both_manners() {
    let direction = |media: &str| terms(media).direction;
    let with = |attributes: &str| direction(&format!("m=audio 4000 RTP/AVP 8\r\n{attributes}"));
    assert_eq!(with(""), Direction::SendRecv);
    assert_eq!(with("a=sendonly\r\n"), Direction::SendOnly);
    assert_eq!(with("a=inactive\r\n"), Direction::Inactive);
    assert_eq!(with("c=IN IP4 0.0.0.0\r\n"), Direction::SendOnly);
    assert_eq!(with("c=IN IP4 0.0.0.0\r\na=recvonly\r\n"), Direction::Inactive);
    assert_eq!(direction("m=audio 0 RTP/AVP 8\r\na=sendrecv\r\n"), Direction::Inactive);
    let session = format!(
        "{HEAD}a=sendonly\r\nm=audio 4 RTP/AVP 8\r\nm=video 6 RTP/AVP 96\r\na=sendrecv\r\n"
    );
    let description = Description::parse(session.as_bytes()).unwrap();
    let directions: Vec<_> = description.media().map(|media| media.direction()).collect();
    assert_eq!(directions, [Direction::SendOnly, Direction::SendRecv]);
}

#[test]
fn codecs_and_events() {
    let opus = terms(
        "m=audio 4 RTP/AVP 101 13 111 110 0\r\na=rtpmap:111 opus/48000/2\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=rtpmap:110 telephone-event/48000\r\n",
    );
    assert_eq!(
        (opus.preferred, opus.clock_hz, opus.telephone_event),
        (Some(111), 48_000, Some(110))
    );
    let other_clock = terms("m=audio 4 RTP/AVP 9 99\r\na=rtpmap:99 telephone-event/16000\r\n");
    assert_eq!((other_clock.preferred, other_clock.telephone_event), (Some(9), Some(99)));
    let unlisted = terms("m=audio 4 RTP/AVP 8\r\na=rtpmap:101 telephone-event/8000\r\n");
    assert_eq!(unlisted.telephone_event, None);
    let unknown = terms("m=video 4 RTP/AVPF 120\r\n");
    assert_eq!(
        (unknown.kind, unknown.preferred, unknown.clock_hz),
        (MediaKind::Video, Some(120), 90_000)
    );
}

#[test]
fn kinds_and_transports() {
    for (line, kind, transport) in [
        ("audio 4 RTP/AVP 0", MediaKind::Audio, Transport::Rtp),
        ("AUDIO 4 rtp/avpf 0", MediaKind::Audio, Transport::Rtp),
        ("video 4 RTP/SAVP 96", MediaKind::Video, Transport::Srtp),
        ("audio 4 UDP/TLS/RTP/SAVPF 96", MediaKind::Audio, Transport::DtlsSrtp),
        ("image 4 udptl t38", MediaKind::Image, Transport::Udptl),
        ("image 4 UDPTL t38", MediaKind::Image, Transport::Udptl),
        ("text 4 RTP/AVP 98", MediaKind::Text, Transport::Rtp),
        ("message 4 TCP/MSRP *", MediaKind::Message, Transport::Other),
        (
            "application 9 UDP/DTLS/SCTP webrtc-datachannel",
            MediaKind::Application,
            Transport::Other,
        ),
        ("hologram 4 QUIC x", MediaKind::Other, Transport::Other),
    ] {
        let terms = terms(&format!("m={line}\r\n"));
        assert_eq!((terms.kind, terms.transport), (kind, transport), "{line}");
    }
}

#[test]
fn connections_are_addresses_or_names() {
    let host = |value: &'static str| Host::parse(value.as_bytes());
    assert_eq!(host("IN IP4 192.0.2.1"), Some(Host::Ip("192.0.2.1".parse().unwrap())));
    assert_eq!(host("in ip4  192.0.2.1"), Some(Host::Ip("192.0.2.1".parse().unwrap())));
    assert_eq!(host("IN IP4 2001:db8::1"), Some(Host::Ip("2001:db8::1".parse().unwrap())));
    assert_eq!(host("IN IP6 a.example"), Some(Host::Name(b"a.example")));
    for bad in ["", "IN IP4", "IN IP4 -", "IN IP4 a b", "IN IP5 192.0.2.1", "ATM X y", "IN IP4 a@b"]
    {
        assert_eq!(host(bad), None, "{bad}");
    }
}

#[test]
fn refusals_name_the_line() {
    let o = "o=- 1 1 IN IP4 192.0.2.1\r\n";
    for (body, line, reason) in [
        (String::new(), 0, Reason::Empty),
        ("x".repeat(BODY_MAX + 1), 0, Reason::TooLong),
        (format!("v=1\r\n{o}"), 1, Reason::Version),
        (format!("{o}v=0\r\n"), 1, Reason::Version),
        ("v=0\r\ns=-\r\n".to_owned(), 0, Reason::MissingOrigin),
        ("v=0\r\no=- 1 1 IN IP4\r\n".to_owned(), 2, Reason::Origin),
        ("v=0\r\no=- 1 1 IN IP4 a b\r\n".to_owned(), 2, Reason::Origin),
        (format!("v=0\r\n{o}{o}"), 3, Reason::Duplicate),
        (format!("v=0\r\n{o}v=0\r\n"), 3, Reason::Duplicate),
        (format!("{HEAD}c=IN IP4 192.0.2.2\r\n"), 6, Reason::Duplicate),
        (format!("{HEAD}c=IN IP4\r\n"), 6, Reason::Connection),
        (format!("{HEAD}m=audio 4 RTP/AVP\r\n"), 6, Reason::Media),
        (format!("{HEAD}m=audio 65536 RTP/AVP 0\r\n"), 6, Reason::Media),
        (format!("{HEAD}m=audio 4/x RTP/AVP 0\r\n"), 6, Reason::Media),
        (format!("{HEAD}m=audio\r\n"), 6, Reason::Media),
        (format!("{HEAD}m=audio 4 RTP/AVP{}\r\n", " 0".repeat(129)), 6, Reason::Media),
        (format!("{HEAD}m=audio 4 RTP/AVP 0\r\n{o}"), 7, Reason::Misplaced),
        (
            format!("v=0\r\n{o}m=audio 0 RTP/AVP\r\nm=audio 4 RTP/AVP 0\r\n"),
            4,
            Reason::MissingConnection,
        ),
        (
            HEAD.to_owned() + &"m=audio 4 RTP/AVP 0\r\n".repeat(MEDIA_MAX + 1),
            14,
            Reason::TooManyMedia,
        ),
        (format!("{HEAD}hello\r\n"), 6, Reason::Syntax),
    ] {
        assert_eq!(refused(&body), (line, reason), "{:.200}", body);
    }
}

#[test]
fn what_real_peers_forget_is_forgiven() {
    for body in [
        "v=0\no=- 1 1 IN IP4 192.0.2.1\n",
        "v=0\r\no=-  1 99999999999999999999999  IN IP4 host.local\r\nm=audio 0 RTP/AVP\r\n\r\n",
        "v=0 \r\no=x 1 1 IN IP4 192.0.2.1\r\nm=audio  4/2  RTP/AVP  0 \r\nc=IN IP4 192.0.2.1",
    ] {
        let description = Description::parse(body.as_bytes()).unwrap();
        assert_eq!(description.to_bytes(), body.as_bytes());
    }
}
