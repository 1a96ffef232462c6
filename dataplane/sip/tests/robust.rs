//! No bytes make the readers panic, and what the writer writes reads back as it was meant.

use proptest::prelude::*;
use strowger_sip::build::{Body, Reply, Writer};
use strowger_sip::digest::{Challenge, Credentials};
use strowger_sip::field::{Contacts, Params, Reason};
use strowger_sip::uri::Uri;
use strowger_sip::{Header, Index, Message, Status, scan};

const SEEDS: [&str; 3] = [
    "INVITE sip:bob:pw@[2001:db8::1]:5070;transport=udp SIP/2.0\r\n\
     Via: SIP/2.0/UDP pc33.example.com:5062;branch=z9hG4bKnashds8;rport, \
     SIP / 2.0 / TCP 10.1.2.3\r\n\
     Max-Forwards: 70\r\nTo: \"B \\\"o\\\" b\" <sip:bob@b.example.com;user=phone>;tag=9\r\n\
     f: Alice <sip:alice@a.example.com?x=y%20z>;tag=1928301774\r\ni: a84b4c76e66710@pc33\r\n\
     CSeq: 314159\r\n INVITE\r\nm: <sip:a@h>;q=0.5, <tel:+1-212;ext=3>\r\n\
     Record-Route: <sip:p;lr>\r\n\
     Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nRetry-After: 5 (x);duration=1\r\n\
     Warning: 301 h \"t\"\r\n\
     Session-Expires: 1800;refresher=uac\r\nReason: Q.850;cause=16;text=\"x\"\r\n\
     Supported: timer, 100rel\r\n\
     Content-Type: application/sdp;a=\"b\"\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq;received=1.2.3.4;rport=9\r\n\
     From: sip:a@h;tag=1\r\nTo: sip:b@h;tag=2\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\n\
     WWW-Authenticate: Digest realm=\"r\",nonce=\"n\",qop=\"auth,auth-int\",algorithm=MD5\r\n\r\n",
    "REGISTER sip:h SIP/2.0\r\nv: SIP/2.0/TLS h\r\nf: sip:a@h;tag=1\r\nt: sip:a@h\r\ni: y\r\n\
     CSeq: 2 REGISTER\r\nm: *\r\nExpires: 0\r\n\
     Authorization: Digest username=\"a\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"0\",\
     qop=auth,nc=00000001,cnonce=\"c\"\r\nl: 0\r\n\r\n",
];

/// Reads everything that can be read from `bytes`, in every way there is.
fn read_all(bytes: &[u8]) {
    let mut index = Index::new();
    let message = match Message::parse(bytes, &mut index) {
        Ok(message) => message,
        Err(_) => Message::salvage(bytes, &index),
    };
    let _ = message.validate();
    let _ = (message.top_via(), message.from(), message.to(), message.cseq(), message.body());
    for field in message.fields() {
        let _ = (Uri::parse(field.value), Params::parse(field.value), Reason::parse(field.value));
        let _ = (Credentials::parse(field.value), Challenge::parse(field.value));
        let _ = Contacts::parse(field.value).map(|contacts| contacts.iter().count());
    }
    if let Ok(Some(uri)) = message.to().map(|to| to.parsed_uri()) {
        assert!(uri.matches(uri));
    }
    scan_agrees(bytes);
    let reply = Reply {
        status: Status::of(400),
        phrase: &[],
        to_tag: Some(b"t"),
        source: ([192, 0, 2, 1], 5060).into(),
    };
    let mut out = Vec::new();
    if Writer::response(&mut out, message, reply).finish(None).is_ok() {
        let mut again = Index::new();
        assert!(Message::parse(&out, &mut again).is_ok(), "what we wrote reads back");
    }
}

/// The scan sees what the index sees: lines and names in every message that can be indexed, and
/// what stands in the fields when they are well formed.
fn scan_agrees(bytes: &[u8]) {
    let mut index = Index::new();
    let Ok(message) = Message::parse(bytes, &mut index) else {
        let _ = scan(bytes);
        return;
    };
    let scanned = scan(bytes);
    assert!(scanned.is_some(), "what is indexed is scanned");
    let Some(scanned) = scanned else { return };
    assert_eq!(scanned.method, message.method());
    assert_eq!(scanned.code, message.status().map(Status::code));
    assert_eq!(scanned.uri, message.request_uri().unwrap_or_default());
    assert_eq!(scanned.call_id, message.value(Header::SipCallId).unwrap_or_default());
    if message.validate().is_ok() {
        assert_eq!(Ok(scanned.from_tag), message.from().map(|from| from.tag()));
        assert_eq!(Ok(scanned.to_tag), message.to().map(|to| to.tag()));
        assert_eq!(Ok(scanned.branch), message.top_via().map(|via| via.branch()));
        assert_eq!(scanned.cseq_method, message.cseq().ok().map(|cseq| cseq.method));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn any_changed_message_is_read_without_panic(
        seed in 0..SEEDS.len(),
        changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), 0..4u8),
            1..8,
        ),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (place, byte, kind) in changes {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes[at] = b"\r\n\t ,;\"<>=%:@"[usize::from(byte) % 13],
            }
        }
        read_all(&bytes);
    }

    #[test]
    fn lines_in_any_order_are_scanned_as_they_are_indexed(
        seed in 0..SEEDS.len(),
        picks in proptest::collection::vec((any::<prop::sample::Index>(), 0..6u8), 0..12),
    ) {
        let (head, body) = SEEDS[seed].split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<String> = head.split("\r\n").map(str::to_string).collect();
        for (place, kind) in picks {
            let at = 1 + place.index(lines.len() - 1);
            match kind {
                0 => lines.swap(1, at),
                1 => lines[at] = lines[at].to_uppercase(),
                2 => lines[at] = lines[at].replacen(": ", " \t:  ", 1),
                3 => lines[at] = lines[at].replacen(": ", ":\r\n  ", 1),
                4 => lines.insert(at, "X-Odd: y".into()),
                _ => lines.insert(at, lines[at].clone()),
            }
        }
        scan_agrees(format!("{}\r\n\r\n{body}", lines.join("\r\n")).as_bytes());
    }

    #[test]
    fn what_is_written_reads_back(
        values in proptest::collection::vec("[!-~\u{80}-\u{ff}]{1,40}( [!-~]{1,9})?", 0..20),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut out = Vec::new();
        let mut writer = Writer::request(&mut out, "INVITE", b"sip:h");
        for value in &values {
            writer.field(Header::Subject, value.as_bytes());
        }
        writer.finish(Some(Body { content_type: b"a/b", bytes: &body })).unwrap();
        let mut index = Index::new();
        let message = Message::parse(&out, &mut index).unwrap();
        let read: Vec<_> = message.values(Header::Subject).collect();
        prop_assert_eq!(read, values.iter().map(|v| v.as_bytes()).collect::<Vec<_>>());
        prop_assert_eq!(message.body(), body.as_slice());
    }
}

#[test]
fn the_seeds_are_valid() {
    for seed in SEEDS {
        let mut index = Index::new();
        Message::parse(seed.as_bytes(), &mut index).unwrap().validate().unwrap();
        read_all(seed.as_bytes());
    }
}
