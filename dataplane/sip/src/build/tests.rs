use super::*;
use crate::message::Index;

const REQUEST: &str = "\
INVITE sip:b@h SIP/2.0
Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa;rport;x=\"q;\", SIP/2.0/TCP p;branch=z9hG4bKb
v: SIP/2.0/TLS q
f: \"A
 B\" <sip:a@h>;tag=1
t: <sip:b@h>
Record-Route: <sip:p;lr>,
  <sip:q;lr>
i: id
CSeq: 5
  INVITE
Timestamp: 54

";

fn respond(text: &str, reply: Reply<'_>) -> String {
    let bytes = text.replace('\n', "\r\n").into_bytes();
    let mut index = Index::new();
    let request = Message::parse(&bytes, &mut index).unwrap();
    let mut out = Vec::new();
    let mut writer = Writer::response(&mut out, request, reply);
    writer.copy(request, Header::RecordRoute);
    writer.finish(None).unwrap();
    String::from_utf8(out).unwrap().replace("\r\n", "\n")
}

fn reply(code: u16, source: &str) -> Reply<'static> {
    Reply {
        status: Status::of(code),
        phrase: &[],
        to_tag: Some(b"tt"),
        source: source.parse().unwrap(),
    }
}

#[test]
fn a_response_copies_what_the_request_says() {
    assert_eq!(
        respond(REQUEST, reply(180, "192.0.2.9:6000")),
        "SIP/2.0 180 Ringing\n\
         Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa;rport=6000;x=\"q;\";received=192.0.2.9\n\
         Via: SIP/2.0/TCP p;branch=z9hG4bKb\n\
         Via: SIP/2.0/TLS q\n\
         From: \"A B\" <sip:a@h>;tag=1\n\
         To: <sip:b@h>;tag=tt\n\
         Call-ID: id\n\
         CSeq: 5 INVITE\n\
         Record-Route: <sip:p;lr>, <sip:q;lr>\n\
         Content-Length: 0\n\n"
    );
    assert!(respond(REQUEST, reply(100, "192.0.2.9:6000")).contains("\nTimestamp: 54\n"));
}

#[test]
fn received_is_ours_to_say() {
    let via = |line: &str, source: &str| {
        let text = REQUEST.replacen(
            "Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa;rport;x=\"q;\", \
             SIP/2.0/TCP p;branch=z9hG4bKb",
            line,
            1,
        );
        respond(&text, reply(200, source)).lines().nth(1).unwrap().to_string()
    };
    assert_eq!(via("Via: SIP/2.0/UDP 10.0.0.1", "10.0.0.1:9"), "Via: SIP/2.0/UDP 10.0.0.1");
    assert_eq!(
        via("Via: SIP/2.0/UDP 10.0.0.1;received=6.6.6.6", "10.0.0.2:9"),
        "Via: SIP/2.0/UDP 10.0.0.1;received=10.0.0.2"
    );
    assert_eq!(
        via("Via: SIP/2.0/UDP h", "[2001:db8::1]:9"),
        "Via: SIP/2.0/UDP h;received=2001:db8::1"
    );
}

#[test]
fn a_tag_is_not_given_twice() {
    let text = REQUEST.replacen("t: <sip:b@h>", "t: <sip:b@h>;tag=old", 1);
    assert!(respond(&text, reply(200, "10.0.0.1:9")).contains("\nTo: <sip:b@h>;tag=old\n"));
}

#[test]
fn no_value_brings_a_line_of_its_own() {
    let mut out = b"before".to_vec();
    for value in ["a\r\nEvil: x", "a\nb", "a\rb"] {
        let mut writer = Writer::request(&mut out, "OPTIONS", b"sip:h");
        writer.field(Header::Subject, value.as_bytes());
        assert_eq!(writer.finish(None), Err(BuildError::LineBreak));
    }
    assert_eq!(
        Writer::request(&mut out, "OPTIONS", b"sip:h x").finish(None),
        Err(BuildError::Word)
    );
    assert_eq!(Writer::request(&mut out, "OPT IONS", b"sip:h").finish(None), Err(BuildError::Word));
    let mut writer = Writer::request(&mut out, "OPTIONS", b"sip:h");
    writer.named(b"A b", &[b"x"]);
    assert_eq!(writer.finish(None), Err(BuildError::Word));
    let writer = Writer::status(&mut out, Status::of(400), &["Bad\r\n", "x"]);
    assert_eq!(writer.finish(None), Err(BuildError::LineBreak));
    let big = vec![b'x'; MESSAGE_MAX];
    let body = Body { content_type: b"text/plain", bytes: &big };
    let writer = Writer::request(&mut out, "OPTIONS", b"sip:h");
    assert_eq!(writer.finish(Some(body)), Err(BuildError::TooLong));
    let writer = Writer::request(&mut out, "OPTIONS", b"sip:h");
    let body = Body { content_type: b"a/b\r\nX: y", bytes: b"" };
    assert_eq!(writer.finish(Some(body)), Err(BuildError::LineBreak));
    assert_eq!(out, b"before");
}

#[test]
fn a_request_with_body() {
    let mut out = Vec::new();
    let mut writer = Writer::request(&mut out, "INFO", b"sip:h");
    writer.via(OwnVia {
        transport: "UDP",
        sent_by: "[2001:db8::1]:5060".parse().unwrap(),
        branch: b"z9hG4bKx",
    });
    writer.number(Header::MaxForwards, 70);
    writer.finish(Some(Body { content_type: b"a/b", bytes: b"xyz" })).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap().replace("\r\n", "\n"),
        "INFO sip:h SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKx;rport\n\
         Max-Forwards: 70\nContent-Type: a/b\nContent-Length: 3\n\nxyz"
    );
}
