use super::*;
use crate::limits::{FOLDS_MAX, NAME_MAX, URI_MAX};

/// A request that nobody can complain about.
const INVITE: &str = "\
INVITE sip:bob@biloxi.example.com SIP/2.0
Via: SIP/2.0/UDP pc33.atlanta.example.com:5062;branch=z9hG4bKnashds8;rport
Max-Forwards: 70
To: Bob <sip:bob@biloxi.example.com>
From: Alice <sip:alice@atlanta.example.com>;tag=1928301774
Call-ID: a84b4c76e66710@pc33.atlanta.example.com
CSeq: 314159 INVITE
Contact: <sip:alice@pc33.atlanta.example.com>
Content-Type: application/sdp
Content-Length: 4

v=0
";

/// The bytes on the wire of a text written with plain line ends.
fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn invite_with(line: &str, instead: &str) -> String {
    assert!(INVITE.contains(line), "{line}");
    INVITE.replacen(line, instead, 1)
}

/// What the layers say of `bytes`.
fn verdict(bytes: &[u8]) -> Result<(), Refusal> {
    let mut index = Index::new();
    Message::parse(bytes, &mut index)?.validate()
}

#[track_caller]
fn check(text: &str, expected: Result<(), Refusal>) {
    assert_eq!(verdict(&wire(text)), expected, "{text}");
}

#[track_caller]
fn check_line(line: &str, instead: &str, expected: Result<(), Refusal>) {
    check(&invite_with(line, instead), expected);
}

#[test]
fn a_plain_invite_is_indexed() {
    let bytes = wire(INVITE);
    let mut index = Index::new();
    let message = Message::parse(&bytes, &mut index).unwrap();
    message.validate().unwrap();
    assert_eq!(message.method(), Some(Method::Invite));
    assert_eq!(message.request_uri().unwrap(), b"sip:bob@biloxi.example.com");
    assert_eq!(message.body(), b"v=0\r");
    assert_eq!(message.call_id().unwrap(), b"a84b4c76e66710@pc33.atlanta.example.com");
    assert_eq!(message.from().unwrap().tag(), Some(b"1928301774".as_slice()));
    assert_eq!(message.to().unwrap().tag(), None);
    assert_eq!(message.cseq().unwrap().number, 314_159);
    assert_eq!(message.number(Header::MaxForwards), Ok(Some(70)));
    assert_eq!(message.number(Header::Expires), Ok(None));
    let via = message.top_via().unwrap();
    assert_eq!((via.branch(), via.sent_by.port), (Some(b"z9hG4bKnashds8".as_slice()), Some(5062)));
    assert!(message.content_type().unwrap().is("application", "sdp"));
    assert_eq!(message.fields().count(), 9);
}

#[test]
fn an_index_is_used_again_without_traces() {
    let (first, second) = (wire(INVITE), wire("SIP/2.0 180 Ringing\nCSeq: 1 INVITE\n\n"));
    let mut index = Index::new();
    Message::parse(&first, &mut index).unwrap();
    let message = Message::parse(&second, &mut index).unwrap();
    assert_eq!(message.status(), Some(Status::of(180)));
    assert_eq!((message.fields().count(), message.body()), (1, b"".as_slice()));
}

#[test]
fn start_lines() {
    let request =
        |line: &str| check_line("INVITE sip:bob@biloxi.example.com SIP/2.0", line, Ok(()));
    request("INVITE tel:+1-212-555-1212 SIP/2.0");
    request("INVITE sips:[2001:db8::1]:5061;transport=tls SIP/2.0");
    request("INVITE sip:bob@biloxi.example.com sip/2.0");
    let refused = |line: &str, refusal: Refusal| {
        check_line("INVITE sip:bob@biloxi.example.com SIP/2.0", line, Err(refusal));
    };
    refused("INVITE  sip:bob@biloxi.example.com SIP/2.0", Refusal::RequestLine);
    refused("INVITE sip:bob@biloxi.example.com  SIP/2.0", Refusal::RequestLine);
    refused("INVITE sip:bob@biloxi.example.com SIP/2.0 ", Refusal::RequestLine);
    refused("INVITE <sip:bob@biloxi.example.com> SIP/2.0", Refusal::RequestLine);
    refused("INVITE sip:bob@biloxi.example.com; lr SIP/2.0", Refusal::RequestLine);
    refused("INVITE sip:bob@biloxi.example.com", Refusal::RequestLine);
    refused("INVITE sip:bob@biloxi.example.com SIP/7.0", Refusal::Version);
    refused("INVITE sip:bob@biloxi.example.com SIP/2.", Refusal::RequestLine);
    refused("INVITE sip:bob@b?Route=%3Csip:evil.example.com%3E SIP/2.0", Refusal::RequestUri);
    refused("INVITE sip:bob@bi%zzloxi SIP/2.0", Refusal::RequestUri);
    refused("INVITE sip:%4@biloxi SIP/2.0", Refusal::RequestUri);
    refused("INVITE bob SIP/2.0", Refusal::RequestUri);
    refused("INVITE nobodyknows:thisscheme SIP/2.0", Refusal::UriScheme);
    refused("OPTIONS sip:bob@biloxi.example.com SIP/2.0", Refusal::MethodMismatch);
    refused("INV(TE sip:bob@biloxi.example.com SIP/2.0", Refusal::NotSip);
    refused("GARBAGE", Refusal::NotSip);
}

#[test]
fn status_lines() {
    let status = |line: &str| {
        let bytes = wire(&format!("{line}\nCall-ID: x\n\n"));
        let mut index = Index::new();
        match Message::parse(&bytes, &mut index).map(|message| message.start().unwrap()) {
            Ok(StartLine::Response { status, phrase }) => {
                Ok((status.code(), String::from_utf8_lossy(phrase).into_owned()))
            }
            Ok(StartLine::Request { .. }) => panic!("a request: {line}"),
            Err(refusal) => Err(refusal),
        }
    };
    assert_eq!(status("SIP/2.0 200 OK"), Ok((200, "OK".into())));
    assert_eq!(status("SIP/2.0 100 "), Ok((100, String::new())));
    assert_eq!(status("SIP/2.0 100"), Ok((100, String::new())));
    assert_eq!(status("SIP/2.0 200 = 2**3 * 5**2 но"), Ok((200, "= 2**3 * 5**2 но".into())));
    assert_eq!(status("SIP/2.0 099 Low"), Err(Refusal::StatusLine));
    assert_eq!(status("SIP/2.0 700 High"), Err(Refusal::StatusLine));
    assert_eq!(status("SIP/2.0 4294967301 Huge"), Err(Refusal::StatusLine));
    assert_eq!(status("SIP/2.0 20x No"), Err(Refusal::StatusLine));
    assert_eq!(status("SIP/3.0 200 OK"), Err(Refusal::Version));
}

#[test]
fn lines_end_with_crlf_and_nothing_else() {
    let lf_only =
        INVITE.replace('\n', "\r\n").replacen("Max-Forwards: 70\r\n", "Max-Forwards: 70\n", 1);
    assert_eq!(verdict(lf_only.as_bytes()), Err(Refusal::LineEnd));
    let bare_cr = INVITE.replace('\n', "\r\n").replacen("To: Bob", "To: B\rob", 1);
    assert_eq!(verdict(bare_cr.as_bytes()), Err(Refusal::LineEnd));
    check(INVITE.split("\n\n").next().unwrap(), Err(Refusal::Unterminated));
}

#[test]
fn what_is_no_message_is_dropped() {
    assert_eq!(verdict(b""), Err(Refusal::Empty));
    assert_eq!(verdict(b"\r\n\r\n"), Err(Refusal::KeepAlive));
    assert_eq!(verdict(&vec![b'a'; MESSAGE_MAX + 1]), Err(Refusal::TooLong));
    for refusal in [Refusal::Empty, Refusal::KeepAlive, Refusal::NotSip] {
        assert_eq!(refusal.answer(), None);
    }
    let mut padded = b"\r\n\r\n".to_vec();
    padded.extend_from_slice(&wire(INVITE));
    assert_eq!(verdict(&padded), Ok(()));
}

#[test]
fn folded_and_compact_fields_are_the_same_fields() {
    let text = "\
OPTIONS sip:bob@biloxi.example.com SIP/2.0
v: SIP / 2.0 / UDP
  192.0.2.2 ;
\tbranch = z9hG4bKabc , SIP/2.0/TCP p.example.com
t:
 Bob
   <sip:bob@biloxi.example.com>
f : sip:alice@atlanta.example.com ; tag = 1928
i:  12@x
CSEQ: 0009
 OPTIONS
mAx-FoRwArDs: 0068
l: 0

";
    let bytes = wire(text);
    let mut index = Index::new();
    let message = Message::parse(&bytes, &mut index).unwrap();
    message.validate().unwrap();
    assert_eq!(message.elements(Header::Via).count(), 2);
    assert_eq!(message.top_via().unwrap().branch(), Some(b"z9hG4bKabc".as_slice()));
    assert_eq!(message.to().unwrap().display, b"Bob");
    assert_eq!(message.from().unwrap().tag(), Some(b"1928".as_slice()));
    assert_eq!(message.cseq().unwrap().number, 9);
    assert_eq!(message.number(Header::MaxForwards), Ok(Some(68)));
    assert_eq!(message.call_id(), Ok(b"12@x".as_slice()));
}

#[test]
fn bodies_are_cut_to_their_length() {
    let line = "Content-Length: 4";
    check_line(line, "Content-Length: 6", Err(Refusal::BodyShort));
    check_line(line, "Content-Length: -4", Err(Refusal::ContentLength));
    check_line(line, "Content-Length: 4, 4", Err(Refusal::ContentLength));
    check_line(line, "Content-Length: 99999999999999999999999", Err(Refusal::BodyShort));
    check_line(line, "Content-Length: 4\nl: 3", Err(Refusal::Repeated(Header::ContentLength)));
    let bytes = wire(&invite_with("Content-Length: 4\n", ""));
    let mut index = Index::new();
    assert_eq!(Message::parse(&bytes, &mut index).unwrap().body(), b"v=0\r\n");
}

#[test]
fn fields_out_of_grammar_or_range_are_refused() {
    let bad = |line: &str, instead: &str, header: Header| {
        check_line(line, instead, Err(Refusal::Field(header)));
    };
    let to = "To: Bob <sip:bob@biloxi.example.com>";
    bad(to, "To: \"Bob <sip:bob@biloxi.example.com>", Header::To);
    bad(to, "To: \"Bob\" < sip:bob@biloxi.example.com >", Header::To);
    bad(to, "To: Bell, Bob <sip:bob@biloxi.example.com>", Header::To);
    bad(to, "To: <sip:bob@biloxi.example.com", Header::To);
    bad(to, "To: <>", Header::To);
    bad(to, "To: sip:bob@biloxi.example.com?a=b", Header::To);
    bad(to, "To: <sip:bob@biloxi.example.com>;;tag=1", Header::To);
    bad(to, "To: <sip:bob@biloxi.example.com>;tag=", Header::To);
    bad(to, "To:", Header::To);
    bad(to, "To: <sip:bob@biloxi.example.com>;tag", Header::To);
    bad(to, "To: <sip:bob@biloxi.example.com> ; TAG ;x=y", Header::To);
    bad(to, "To: sip:bob@biloxi.example.com;tag", Header::To);
    bad(to, "To: <sip:bob@biloxi.example.com>;tag=1;tag=2", Header::To);
    bad(to, "To: <sip:bob@biloxi.example.com>;tag;tag=2", Header::To);
    bad(to, "To: <sip:bob@biloxi.example.com>;tag=\"a b\"", Header::To);
    bad(";tag=1928301774", ";tag", Header::From);
    let cseq = "CSeq: 314159 INVITE";
    bad(cseq, "CSeq: 2147483648 INVITE", Header::CSeq);
    bad(cseq, "CSeq: 36893488147419103232 INVITE", Header::CSeq);
    bad(cseq, "CSeq: -1 INVITE", Header::CSeq);
    bad(cseq, "CSeq: 1", Header::CSeq);
    bad(cseq, "CSeq: 1 INVITE 2", Header::CSeq);
    bad("Max-Forwards: 70", "Max-Forwards: 300", Header::MaxForwards);
    bad("Max-Forwards: 70", "Max-Forwards: x", Header::MaxForwards);
    let via = "Via: SIP/2.0/UDP pc33.atlanta.example.com:5062;branch=z9hG4bKnashds8;rport";
    bad(via, "Via: SIP/2.0/UDP 192.0.2.15;;,;,,", Header::Via);
    bad(via, "Via: SIP/2.0/UDP 192.0.2.15:65536;branch=z9hG4bK1", Header::Via);
    bad(via, "Via: SIP/2.0/UDP192.0.2.15", Header::Via);
    bad(via, "Via: SIP/2.0/UDP 192.0.2.999;branch=z9hG4bK1", Header::Via);
    let contact = "Contact: <sip:alice@pc33.atlanta.example.com>";
    bad(contact, "Contact: \"Joe\" <sip:joe@example.org>;;;;", Header::Contact);
    bad(contact, "Contact: sip:joe@example.org?Route=%3Csip:evil%3E", Header::Contact);
    bad(contact, "Contact: <sip:a@b>, ", Header::Contact);
    bad("Content-Type: application/sdp", "Content-Type: application", Header::ContentType);
    bad("Call-ID: a84b4c76e66710@pc33.atlanta.example.com", "Call-ID: a b", Header::SipCallId);
    bad("Max-Forwards: 70", "Date: Fri, 01 Jan 2010 16:00:00 EST", Header::Date);
    bad("Max-Forwards: 70", "Route: sip:proxy.example.com;lr", Header::Route);
    bad("Max-Forwards: 70", "Retry-After: 949302838503028349304023988", Header::RetryAfter);
    bad("Max-Forwards: 70", "Warning: 1812 overture \"In Progress\"", Header::Warning);
    bad("Max-Forwards: 70", "Require: 100rel, pre(", Header::Require);
}

#[test]
fn unusual_but_legal_fields_pass() {
    let good = |line: &str, instead: &str| check_line(line, instead, Ok(()));
    good("To: Bob <", "To: Bob<");
    good("To: Bob <", "To: \"%Z%45 \\\"B\\\" \u{442}\" <");
    good("To: Bob <", "To: \u{411}\u{43e}\u{431} <");
    good("Max-Forwards: 70", "Date: Sat, 15 Oct 2005 04:44:56 GMT");
    good("Max-Forwards: 70", "Expires: 99999999999999999999999999999");
    good("Max-Forwards: 70", "Retry-After: 18000 (in a (long) meeting) ;duration=3600");
    good("Max-Forwards: 70", "Warning: 307 isi.edu \"Session parameter 'foo' not understood\"");
    good("Max-Forwards: 70", "Supported:");
    good("Max-Forwards: 70", "X-Odd: ;;,,;;,;\u{fffd}");
    good("Max-Forwards: 70", "C%6Fntact: <sip:alias2@host2.example.com>");
    good("Call-ID: a84b4c76e66710@", "Call-ID: 3d94+/==@");
    good("To: Bob <sip:bob@biloxi.example.com>", "To: <sip:b@h;tag>;tags;x=\";tag\"");
    good(";tag=1928301774", ";x=\"tag\";Tag = 1@2;tagged");
    good(";branch=z9hG4bKnashds8", ";branch=z9hG4bK@{odd}=");
    good("Contact: <", "Contact: \"a,b\" <sip:a@b;x=y?h=v>;q=0.3, <");
}

#[test]
fn what_must_be_there_must_be_there_once() {
    for (line, header) in [
        ("To: Bob <sip:bob@biloxi.example.com>\n", Header::To),
        ("From: Alice <sip:alice@atlanta.example.com>;tag=1928301774\n", Header::From),
        ("Call-ID: a84b4c76e66710@pc33.atlanta.example.com\n", Header::SipCallId),
        ("CSeq: 314159 INVITE\n", Header::CSeq),
    ] {
        check_line(line, "", Err(Refusal::Missing(header)));
        check_line(line, &line.repeat(2), Err(Refusal::Repeated(header)));
    }
    let via = "Via: SIP/2.0/UDP pc33.atlanta.example.com:5062;branch=z9hG4bKnashds8;rport\n";
    check_line(via, "", Err(Refusal::Missing(Header::Via)));
    check_line(via, &via.repeat(2), Ok(()));
    check_line("Max-Forwards: 70\n", "", Ok(()));
}

#[test]
fn limits_refuse_and_do_not_cut() {
    let many = |count| invite_with("Max-Forwards: 70\n", &"X-A: b\n".repeat(count));
    check(&many(HEADERS_MAX - 8), Ok(()));
    check(&many(HEADERS_MAX - 7), Err(Refusal::HeadersTooMany));
    let folds = |count| invite_with("Max-Forwards: 70", &format!("X-A: b{}", "\n c".repeat(count)));
    check(&folds(FOLDS_MAX), Ok(()));
    check(&folds(FOLDS_MAX + 1), Err(Refusal::FoldsTooMany));
    let name = |len| invite_with("Max-Forwards", &"a".repeat(len));
    check(&name(NAME_MAX), Ok(()));
    check(&name(NAME_MAX + 1), Err(Refusal::HeaderLine));
}

#[test]
fn what_is_too_long_is_told_by_name() {
    let line = "INVITE sip:bob@biloxi.example.com SIP/2.0";
    let uri = |len: usize| format!("INVITE sip:{}@h SIP/2.0", "a".repeat(len - "sip:@h".len()));
    check_line(line, &uri(URI_MAX), Ok(()));
    check_line(line, &uri(URI_MAX + 1), Err(Refusal::UriTooLong));
    assert_eq!(Refusal::UriTooLong.answer(), Some(Status::of(414)));
    let to = format!("To: <sip:{}@h>", "a".repeat(URI_MAX));
    let bob = "To: Bob <sip:bob@biloxi.example.com>";
    check_line(bob, &to, Err(Refusal::Field(Header::To)));
    // Longer than any datagram: a stream's, which is still answered by its head.
    let long = |len: usize| {
        let body = len - wire(&invite_with("Content-Length: 4\n", "")).len();
        [wire(&invite_with("Content-Length: 4\n", "")), vec![b'x'; body]].concat()
    };
    assert_eq!(verdict(&long(MESSAGE_MAX)), Ok(()));
    assert_eq!(verdict(&long(MESSAGE_MAX + 1)), Err(Refusal::TooLong));
    assert_eq!(Refusal::TooLong.answer(), Some(Status::of(513)));
    let (bytes, mut index) = (long(MESSAGE_MAX + 1), Index::new());
    assert!(Message::parse(&bytes, &mut index).is_err());
    let message = Message::salvage(&bytes, &index);
    assert!(message.method() == Some(Method::Invite) && message.top_via().is_ok());
    let endless = [b"INVITE sip:h SIP/2.0\r\n".to_vec(), b"X: y\r\n".repeat(12_000)].concat();
    assert_eq!(verdict(&endless), Err(Refusal::TooLong));
}

/// RFC 3261 7.3.1 and 7.3.3: the forms of one field are one field.
#[test]
fn names_are_read_in_every_form() {
    for (forms, header) in [
        (["Via", "vIA", "v", "V"], Header::Via),
        (["Call-ID", "CALL-ID", "i", "I"], Header::SipCallId),
        (["From", "fROM", "f", "F"], Header::From),
        (["Content-Length", "content-LENGTH", "l", "L"], Header::ContentLength),
        (["Session-Expires", "SESSION-expires", "x", "X"], Header::SessionExpires),
        (
            [
                "P-Asserted-Identity",
                "p-asserted-identity",
                "P-ASSERTED-IDENTITY",
                "p-Asserted-iDENTITY",
            ],
            Header::PAssertedIdentity,
        ),
    ] {
        for form in forms {
            for colon in [":", ": ", " : ", "\t :\t ", ":\n ", ":\n\t \n "] {
                let bytes =
                    wire(&format!("OPTIONS sip:a SIP/2.0\n{form}{colon}7 \nOdd: y\n\n1234567"));
                let mut index = Index::new();
                let message = Message::parse(&bytes, &mut index).unwrap();
                assert_eq!(message.value(header), Some(b"7".as_slice()), "{form}{colon:?}");
                assert_eq!(message.value(Header::Other), Some(b"y".as_slice()));
            }
        }
    }
}

/// RFC 3261 7.3.1: lists may stand in one field or in several, and none is cut in a wrong place.
#[test]
fn lists_are_one_list() {
    let text = "OPTIONS sip:a SIP/2.0\nRoute: <sip:a;lr>, \"x, \\\"y\" <sip:b,c>\nSubject: s\n\
                Route:\n <sip:d>\nSupported: a,b , c\nk: d\nX: ,\n\n";
    let bytes = wire(text);
    let mut index = Index::new();
    let message = Message::parse(&bytes, &mut index).unwrap();
    let list = |header: Header| -> Vec<_> {
        message.elements(header).map(|e| String::from_utf8_lossy(e).into_owned()).collect()
    };
    assert_eq!(list(Header::Route), ["<sip:a;lr>", "\"x, \\\"y\" <sip:b,c>", "<sip:d>"]);
    assert_eq!(list(Header::Supported), ["a", "b", "c", "d"]);
    assert!(message.lists(Header::Supported, b"D") && !message.lists(Header::Supported, b"a,b"));
    assert_eq!(list(Header::RecordRoute), Vec::<String>::new());
}

#[test]
fn folds_belong_to_the_line_they_follow() {
    let bytes = wire(&invite_with(
        "Max-Forwards: 70",
        "X-A:\n one\n\t \n  two \nBad line\n of two\nX-B : \n \nX-C: c",
    ));
    let mut index = Index::new();
    assert!(Message::parse(&bytes, &mut index).is_err_and(|e| e == Refusal::HeaderLine));
    let message = Message::salvage(&bytes, &index);
    let odd: Vec<_> = message.fields().filter(|field| field.header == Header::Other).collect();
    let texts: Vec<_> = odd.iter().map(|f| (f.name, f.value)).collect();
    let two = b"one\r\n\t \r\n  two".as_slice();
    assert_eq!(texts, [(b"X-A".as_slice(), two), (b"X-B", b""), (b"X-C", b"c")]);
    // No body before a head has ended, whatever the body begins with.
    let bytes = wire("OPTIONS sip:a SIP/2.0\nTo: <sip:a>\n\n  \nFrom: <sip:b>\n\n");
    let message = Message::parse(&bytes, &mut index).unwrap();
    assert_eq!((message.fields().count(), message.value(Header::From)), (1, None));
}

#[test]
fn header_lines_without_name_are_refused() {
    for line in ["Max-Forwards 70", ": 70", "Max Forwards: 70", "Max-Forwards\u{e9}: 70"] {
        check_line("Max-Forwards: 70", line, Err(Refusal::HeaderLine));
    }
    check_line("SIP/2.0\nVia", "SIP/2.0\n Via", Err(Refusal::HeaderLine));
}

#[test]
fn a_refused_request_can_still_be_answered() {
    for (line, instead) in [
        ("INVITE sip:bob@biloxi.example.com SIP/2.0", "INVITE  sip:bob@biloxi.example.com SIP/2.0"),
        ("Max-Forwards: 70", "Max Forwards"),
        ("Content-Length: 4", "Content-Length: x"),
    ] {
        let bytes = wire(&invite_with(line, instead));
        let mut index = Index::new();
        let refusal = Message::parse(&bytes, &mut index).map(|_| ()).unwrap_err();
        assert_eq!(refusal.answer(), Some(Status::of(400)), "{instead}");
        let message = Message::salvage(&bytes, &index);
        assert_eq!(message.method(), Some(Method::Invite), "{instead}");
        assert!(message.top_via().is_ok() && message.call_id().is_ok(), "{instead}");
    }
}

#[test]
fn refusals_name_the_fault() {
    assert_eq!(Refusal::Missing(Header::SipCallId).phrase(), ("Missing ", "Call-ID"));
    assert_eq!(Refusal::Version.answer(), Some(Status::of(505)));
    assert_eq!(Refusal::UriScheme.answer(), Some(Status::of(416)));
}

#[test]
fn register_for_an_address_we_cannot_have_is_refused() {
    let text = "\
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw
To: isbn:2983792873
From: <http://www.example.com>;tag=3234233
Call-ID: x@y
CSeq: 234902 REGISTER
Contact: <name:John_Smith>

";
    check(text, Err(Refusal::UriScheme));
    check(&text.replace("isbn:2983792873", "sip:a@example.com"), Ok(()));
}
