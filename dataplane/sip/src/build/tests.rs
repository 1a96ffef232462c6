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

/// What is written once for all responses gives each of them as it is written from the request.
#[test]
fn a_head_of_replies_gives_the_responses_of_its_request() {
    let tagged = REQUEST.replacen("t: <sip:b@h>", "t: <sip:b@h>;tag=old", 1);
    let without_to = REQUEST.replacen("t: <sip:b@h>\n", "", 1);
    let bare = REQUEST.replacen("Timestamp: 54\n", "", 1);
    for (text, code) in [REQUEST, &tagged, &without_to, &bare]
        .into_iter()
        .flat_map(|text| [100, 180, 200, 486].map(|code| (text, code)))
    {
        let bytes = text.replace('\n', "\r\n").into_bytes();
        let mut index = Index::new();
        let request = Message::parse(&bytes, &mut index).unwrap();
        let Reply { status, to_tag, source, .. } = reply(code, "192.0.2.9:6000");
        let head = ReplyHead::of(request, source).unwrap();
        for dialog in [true, false] {
            let mut wanted = Vec::new();
            let mut writer = Writer::response(&mut wanted, request, reply(code, "192.0.2.9:6000"));
            if dialog {
                writer.copy(request, Header::RecordRoute);
            }
            writer.finish(None).unwrap();
            let mut out = Vec::new();
            let writer = Writer::reply(&mut out, &head, (status, &[]), to_tag, dialog);
            writer.finish(None).unwrap();
            assert_eq!(out.escape_ascii().to_string(), wanted.escape_ascii().to_string());
        }
    }
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

/// Whatever a peer writes above 127 goes back as it came, UTF-8 or not.
#[test]
fn bytes_above_127_go_back_untouched() {
    let all: Vec<u8> = (0x80..=0xff).collect();
    let mut bytes = b"OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa;x=".to_vec();
    bytes.extend_from_slice(&all);
    bytes.extend_from_slice(b"\r\nf: \"");
    bytes.extend_from_slice(&all);
    bytes.extend_from_slice(b"\" <sip:a@h>;tag=1\r\nt: ");
    bytes.extend_from_slice(&all);
    bytes.extend_from_slice(b" <sip:b@h>\r\ni: c\r\nCSeq: 1 OPTIONS\r\nTimestamp: 1\r\n\r\n");
    let mut index = Index::new();
    let request = Message::parse(&bytes, &mut index).unwrap();
    request.validate().unwrap();
    let mut out = Vec::new();
    Writer::response(&mut out, request, reply(200, "192.0.2.9:6000")).finish(None).unwrap();
    let mut again = Index::new();
    let response = Message::parse(&out, &mut again).unwrap();
    response.validate().unwrap();
    assert_eq!(response.value(Header::From), request.value(Header::From));
    assert_eq!(response.to().unwrap().display, request.to().unwrap().display);
    let x = |message: Message<'_>| message.top_via().unwrap().params.value(b"x").unwrap().to_vec();
    assert_eq!((x(response), x(request)), (all.clone(), all));
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
