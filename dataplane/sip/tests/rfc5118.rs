//! The points that RFC 5118 makes of IPv6 in SIP, section by section, in messages of our own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::net::{IpAddr, SocketAddr};

use strowger_leg::Event;
use strowger_link::{Key, LegId, SlotRef, Tick, Transport};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{Admission, Config, Endpoint, LegKeys, Listener, Output, Path};
use strowger_sip::field::Via;
use strowger_sip::uri::{Host, Uri};
use strowger_sip::{Index, Message, Method};

struct Slots(u16);

impl LegKeys for Slots {
    fn open(&mut self) -> Option<LegId> {
        self.0 += 1;
        Some(LegId { slot: SlotRef { seg: 0, idx: self.0, r#gen: 0 }, leg: 0 })
    }

    fn close(&mut self, _: LegId) {}

    fn admission(&self, _: &Path, _: Method) -> Admission<'_> {
        Admission::Open
    }

    fn is_one_party(&self, _: SocketAddr, _: SocketAddr) -> bool {
        false
    }
}

/// An endpoint on `[2001:db8::1]`.
fn endpoint() -> Endpoint {
    let mut config = Config::new(Key([1; 16]), Key([2; 16]), Nonces::new(Key([3; 16]), 60));
    let local = "[2001:db8::1]:5060".parse().unwrap();
    config.listeners = vec![Listener { transport: Transport::Udp, local, advertised: local }];
    Endpoint::new(config)
}

/// What it sends first for `text`, with where to.
fn sent(endpoint: &mut Endpoint, text: &str) -> (String, SocketAddr) {
    let (local, peer) = ("[2001:db8::1]:5060", "[2001:db8::9:1]:5060");
    let (local, peer) = (local.parse().unwrap(), peer.parse().unwrap());
    let path = Path { listener: 0, transport: Transport::Udp, local, peer, flow: 0 };
    let bytes = text.replace('\n', "\r\n").into_bytes();
    endpoint.handle_datagram(&bytes, path, Tick(1), &mut Slots(0));
    while let Some(output) = endpoint.poll_output() {
        if let Output::Transmit(transmit) = output {
            let text = String::from_utf8_lossy(&transmit.bytes).replace("\r\n", "\n");
            return (text, transmit.path.peer);
        }
    }
    panic!("no answer to\n{text}");
}

fn answer(text: &str) -> (String, SocketAddr) {
    sent(&mut endpoint(), text)
}

fn options(uri: &str, via: &str) -> String {
    format!(
        "OPTIONS {uri} SIP/2.0\nVia: SIP/2.0/UDP {via};branch=z9hG4bKas3\n\
         From: <sip:user@example.com>;tag=81x2\nTo: <sip:user@example.com>\n\
         Call-ID: SSG9559905523997077@hlau_4100\nMax-Forwards: 70\nCSeq: 1 OPTIONS\n\
         Contact: <sip:caller@[2001:db8::9:1]>\nContent-Length: 0\n\n"
    )
}

fn host(uri: &str) -> Option<(IpAddr, Option<u16>)> {
    let uri = Uri::parse(uri.as_bytes())?.sip()?;
    Some((uri.host.address()?, uri.port))
}

#[test]
fn section_4_1_a_reference_in_brackets_is_valid() {
    let (text, to) = answer(&options("sip:[2001:db8::10]", "[2001:db8::9:1]"));
    assert!(text.starts_with("SIP/2.0 200 OK\n"), "{text}");
    assert_eq!(to, "[2001:db8::9:1]:5060".parse().unwrap());
    // Sent from where it says: nothing to be received.
    assert!(text.contains("\nVia: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3\n"), "{text}");
}

#[test]
fn section_4_2_a_reference_without_brackets_is_not() {
    let (text, _) = answer(&options("sip:2001:db8::10", "[2001:db8::9:1]"));
    assert!(text.starts_with("SIP/2.0 400 "), "{text}");
    assert!(Via::parse(b"SIP/2.0/UDP 2001:db8::9:1;branch=z9hG4bK1").is_none());
}

#[test]
fn sections_4_3_and_4_4_the_bracket_tells_address_from_port() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(host("sip:[2001:db8::10:5070]"), Some((address("2001:db8::10:5070"), None)));
    assert_eq!(host("sip:[2001:db8::10]:5070"), Some((address("2001:db8::10"), Some(5070))));
    let port = |value: &str| Via::parse(value.as_bytes()).unwrap().port();
    assert_eq!(port("SIP/2.0/UDP [2001:db8::9:1]:5070"), 5070);
    assert_eq!(port("SIP/2.0/UDP [2001:db8::9:5070]"), 5060);
}

#[test]
fn section_4_5_received_is_read_with_brackets_and_without_and_written_without() {
    for received in ["2001:db8::9:255", "[2001:db8::9:255]"] {
        let value = format!("SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3");
        let via = Via::parse(value.as_bytes()).unwrap();
        assert_eq!(via.params.value(b"received"), Some(received.as_bytes()));
        assert_eq!(via.branch(), Some(b"z9hG4bKas3".as_slice()));
        // Behind a proxy that wrote it so, it goes back as it is.
        let via = format!("[2001:db8::9:1];branch=z9hG4bKtop\nVia: {value}\nSubject: y");
        let (text, _) = answer(&options("sip:[2001:db8::10]", &via));
        assert!(text.contains(&format!("\nVia: {value}\n")), "{text}");
    }
    let (text, to) = answer(&options("sip:[2001:db8::10]", "[2001:db8::9:255]"));
    assert!(text.contains(";received=2001:db8::9:1\n"), "{text}");
    assert_eq!(to.ip(), "2001:db8::9:1".parse::<IpAddr>().unwrap());
}

/// What the descriptions of an INVITE say of their media, and what the call hears of them.
fn offered(sdp: &str) -> Vec<SocketAddr> {
    let length = sdp.len() + sdp.matches('\n').count();
    let text = options("sip:user@[2001:db8::10]", "[2001:db8::9:1]")
        .replace("OPTIONS", "INVITE")
        .replace("Content-Length: 0", "Content-Type: application/sdp\nContent-Length: LEN");
    let text = text.replace("LEN", &length.to_string()) + sdp;
    let mut endpoint = endpoint();
    let (answer, _) = sent(&mut endpoint, &text);
    assert!(answer.starts_with("SIP/2.0 100 Trying\n"), "{answer}");
    let mut events = std::iter::from_fn(|| endpoint.poll_output());
    let body = events.find_map(|output| {
        let Output::Event(_, Event::Offered(offer)) = output else { return None };
        offer.body
    });
    let body = body.unwrap();
    assert_eq!(*body.data, *sdp.replace('\n', "\r\n").into_bytes());
    let description = strowger_sdp::Description::parse(&body.data).unwrap();
    description.media().filter_map(|media| media.terms().rtp()).collect()
}

#[test]
fn section_4_6_addresses_in_descriptions_have_no_brackets() {
    let media = offered(
        "v=0\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\ns=Live video feed\n\
         c=IN IP6 2001:db8::20\nt=3338481189 3370017201\nm=audio 6000 RTP/AVP 2\n\
         a=rtpmap:2 G726-32/8000\nm=video 6024 RTP/AVP 107\na=rtpmap:107 H263-1998/90000\n",
    );
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(media, [at("[2001:db8::20]:6000"), at("[2001:db8::20]:6024")]);
}

#[test]
fn section_4_8_each_medium_has_its_family() {
    let media = offered(
        "v=0\no=bob 280744730 28977631 IN IP4 host.example.com\ns=\nt=0 0\n\
         m=audio 22334 RTP/AVP 0\nc=IN IP4 192.0.2.1\nm=video 6024 RTP/AVP 107\n\
         c=IN IP6 2001:db8::1\na=rtpmap:107 H263-1998/90000\n",
    );
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(media, [at("192.0.2.1:22334"), at("[2001:db8::1]:6024")]);
}

#[test]
fn section_4_7_addresses_of_both_families_stand_in_one_message() {
    let via = "[2001:db8::9:1];branch=z9hG4bK1\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2\n\
               Via: SIP/2.0/TCP [2001:db8::192.0.2.1]:5070;branch=z9hG4bK3\nSubject: y";
    let (text, _) = answer(&options("sip:user@[2001:db8::10]:5060;maddr=192.0.2.9", via));
    assert!(text.starts_with("SIP/2.0 200 OK\n"), "{text}");
    assert!(text.contains("\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2\n"), "{text}");
}

#[test]
fn section_4_9_a_mapped_address_is_an_ipv4_one() {
    let mapped = Host::parse(b"[::ffff:192.0.2.10]").unwrap().address().unwrap();
    assert_eq!(mapped.to_canonical(), IpAddr::from([192, 0, 2, 10]));
    let (text, _) = answer(&options("sip:user@[::ffff:192.0.2.10]:19823", "[2001:db8::9:1]"));
    assert!(text.starts_with("SIP/2.0 200 OK\n"), "{text}");
}

/// The grammar of RFC 3261 lets an extra colon in; as the erratum has it, that is no address.
#[test]
fn section_4_10_three_colons_are_no_address() {
    assert!(Host::parse(b"[2001:db8:::192.0.2.1]").is_none());
    let (text, _) = answer(&options("sip:user@[2001:db8:::192.0.2.1]", "[2001:db8::9:1]"));
    assert!(text.starts_with("SIP/2.0 400 "), "{text}");
}

/// IPv6 written in any of its forms is the same address to the transaction and to the dialog.
#[test]
fn section_4_1_forms_of_one_address_are_one() {
    let mut index = Index::new();
    let text = options("sip:a@[2001:0DB8:0:0:0:0:0:10]", "[2001:db8::9:1]").replace('\n', "\r\n");
    let message = Message::parse(text.as_bytes(), &mut index).unwrap();
    assert!(message.validate().is_ok());
    let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
    assert!(uri.matches(Uri::parse(b"sip:a@[2001:db8::10]").unwrap()));
    assert!(!uri.matches(Uri::parse(b"sip:a@[2001:db8::11]").unwrap()));
}
