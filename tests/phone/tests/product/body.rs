//! Bodies beside session descriptions, progress and URIs as trunks want them: through the running
//! product, by peers that write their own words.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::json;
use strowger_phone::EndedBy;
use strowger_phone::carrier::Script;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::message::{Message, address_uri};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, set};
use crate::talk::{SOON, desk};

/// A peer that writes its messages itself.
pub(crate) struct Line {
    socket: UdpSocket,
}

impl Line {
    pub(crate) fn new() -> Line {
        Line::at_port(Ipv4Addr::LOCALHOST, 0)
    }

    pub(crate) fn at_port(ip: Ipv4Addr, port: u16) -> Line {
        let socket = UdpSocket::bind((ip, port)).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Line { socket }
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn say(&self, message: &Message, to: SocketAddr) {
        self.socket.send_to(&message.to_bytes(), to).unwrap();
    }

    /// The next message that `wanted` takes, and who sent it; copies of others are passed over.
    fn hear(&self, what: &str, wanted: impl Fn(&Message) -> bool) -> (Message, SocketAddr) {
        let mut buffer = [0; 65_535];
        loop {
            let (len, from) = self.socket.recv_from(&mut buffer).unwrap_or_else(|e| {
                panic!("no {what}: {e}");
            });
            let message = Message::parse(&buffer[..len]).unwrap();
            if wanted(&message) {
                return (message, from);
            }
        }
    }

    /// The next request of a method.
    pub(crate) fn request(&self, method: &str) -> (Message, SocketAddr) {
        self.hear(method, |message| message.code().is_none() && message.method() == method)
    }

    /// The final answer to a request of a method.
    pub(crate) fn answer(&self, method: &str) -> Message {
        let is_final = |message: &Message| message.code().is_some_and(|code| code >= 200);
        let of = |message: &Message| message.cseq().is_some_and(|(_, of)| of == method);
        self.hear(&format!("answer to {method}"), |message| is_final(message) && of(message)).0
    }

    /// Takes the next call: 200, with this host of the Contact.
    pub(crate) fn take(&self, host: &str) -> Message {
        let (invite, from) = self.request("INVITE");
        let mut ok = Message::response(200, &invite, Some("line"));
        ok.push("Contact", &format!("<sip:line@{host}>"));
        ok.set_body("application/sdp", sdp(self.at()).as_bytes());
        self.say(&ok, from);
        invite
    }

    /// Is told that a request is fine.
    pub(crate) fn agree(&self, method: &str) -> Message {
        let (request, from) = self.request(method);
        self.say(&Message::response(200, &request, None), from);
        request
    }

    /// Nothing has come.
    fn heard_nothing(&self) {
        self.socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(self.socket.recv_from(&mut [0; 65_535]).is_err());
        self.socket.set_read_timeout(Some(SOON)).unwrap();
    }
}

fn sdp(at: SocketAddr) -> String {
    let ip = at.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )
}

/// ISUP, whoever reads it.
const ISUP: &[u8] = b"\x01\x11\x48\x00\x0a";

/// A trunk that calls come from, at `source`, and its number.
fn edge(demo: &Demo, source: SocketAddr) -> String {
    let sources = json!([{"network": "127.0.0.1/32", "port": source.port()}]);
    let ingress = json!({"account": "2", "sources": sources});
    let body = json!({"tenant": "1", "organization": "2", "name": "edge", "ingress": ingress});
    let id = make(demo, "trunks", &body);
    std::thread::sleep(IN_FORCE);
    id
}

/// An INVITE with a description and ISUP that must be understood.
fn invite(line: &Line, demo: &Demo, nth: u32) -> Message {
    let (at, sip) = (line.at(), demo.sip);
    let mut invite = Message::request("INVITE", &format!("sip:44700@{sip}"));
    invite.push("Via", &format!("SIP/2.0/UDP {at};branch=z9hG4bKbody{nth}"));
    invite.push("Max-Forwards", "70");
    invite.push("From", &format!("<sip:33@{at}>;tag=edge"));
    invite.push("To", &format!("<sip:44700@{sip}>"));
    invite.push("Call-ID", &format!("body{nth}@edge"));
    invite.push("CSeq", "1 INVITE");
    invite.push("Contact", &format!("<sip:33@{at}>"));
    mix(&mut invite, at);
    invite
}

/// Gives a message a description and ISUP that must be understood.
fn mix(message: &mut Message, at: SocketAddr) {
    message.push("MIME-Version", "1.0");
    let head = "--b\r\nContent-Type: application/sdp\r\n\r\n";
    let isup = "\r\n--b\r\nContent-Type: application/ISUP;version=itu-t92+\r\n\
                Content-Disposition: signal;handling=required\r\n\r\n";
    let described = sdp(at);
    let body = [head.as_bytes(), described.as_bytes(), isup.as_bytes(), ISUP, b"\r\n--b--\r\n"];
    message.set_body("multipart/mixed;boundary=b", &body.concat());
}

/// Whether a message brings ISUP, byte by byte.
fn brings_isup(message: &Message) -> bool {
    message.to_bytes().windows(ISUP.len()).any(|part| part == ISUP)
}

/// A request of the dialog that `invite` and its answer made.
fn inside(invite: &Message, ok: &Message, method: &str, cseq: u32) -> Message {
    let field = |name| ok.header(name).unwrap();
    let mut request = Message::request(method, address_uri(field("Contact")));
    let via = invite.via().unwrap().split(';').next().unwrap();
    request.push("Via", &format!("{via};branch=z9hG4bKin{method}{cseq}"));
    request.push("Max-Forwards", "70");
    for name in ["From", "To", "Call-ID"] {
        request.push(name, field(name));
    }
    request.push("CSeq", &format!("{cseq} {method}"));
    request
}

/// Acknowledges a refusal.
fn acknowledged(invite: &Message, refused: &Message) -> Message {
    let mut ack = Message::request("ACK", invite.uri());
    ack.push("Via", invite.via().unwrap());
    ack.push("Max-Forwards", "70");
    for name in ["From", "To", "Call-ID"] {
        ack.push(name, refused.header(name).unwrap());
    }
    ack.push("CSeq", "1 ACK");
    ack
}

#[test]
fn bodies_pass_where_both_trunks_take_them() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (peer, carrier) = (Line::new(), Line::new());
    lead_to(&demo, carrier.at());
    let trunk = format!("trunks/{}", edge(&demo, peer.at()));
    let refused = |nth: u32| {
        let invite = invite(&peer, &demo, nth);
        peer.say(&invite, demo.sip);
        let said = peer.answer("INVITE");
        peer.say(&acknowledged(&invite, &said), demo.sip);
        carrier.heard_nothing();
        said
    };
    // By itself nothing passes that must be understood; where one side alone takes it, neither.
    let said = refused(1);
    assert_eq!((said.code(), said.header("Accept")), (Some(415), Some("application/sdp")));
    let dialog = |kind: &str| json!({"dialog": {"bodies": {"types": [kind], "len_max": 100}}});
    set(&demo, &trunk, &json!({"ingress": dialog("text/*")}));
    let accept = Some("application/sdp, text/*");
    let said = refused(2);
    assert_eq!((said.code(), said.header("Accept")), (Some(415), accept));
    set(&demo, &trunk, &json!({"ingress": dialog("application/isup")}));
    assert!(refused(3).code().is_some_and(|code| code >= 400));
    set(&demo, "trunks/1", &json!({"egress": dialog("application/isup")}));

    let invite = invite(&peer, &demo, 4);
    peer.say(&invite, demo.sip);
    let got = carrier.take(&carrier.at().to_string());
    let text = String::from_utf8_lossy(&got.to_bytes()).into_owned();
    for part in ["multipart/mixed;boundary=", "application/sdp", "ISUP;version", "=required"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let bytes = got.to_bytes();
    assert!(bytes.windows(ISUP.len()).any(|part| part == ISUP), "{text}");
    carrier.request("ACK");
    let ok = peer.answer("INVITE");
    peer.say(&inside(&invite, &ok, "ACK", 1), demo.sip);

    // Within the call: what is not taken is refused, with what is.
    let info = |kind: &str, cseq: u32| {
        let mut info = inside(&invite, &ok, "INFO", cseq);
        info.set_body(kind, ISUP);
        peer.say(&info, demo.sip);
        peer.answer("INFO")
    };
    let said = info("text/plain", 2);
    let accept = "application/sdp, application/isup, application/dtmf-relay, application/dtmf";
    assert_eq!((said.code(), said.header("Accept")), (Some(415), Some(accept)));
    carrier.heard_nothing();
    assert_eq!(info("application/isup", 3).code(), Some(200));
    assert!(carrier.agree("INFO").to_bytes().ends_with(ISUP));
    peer.say(&inside(&invite, &ok, "BYE", 4), demo.sip);
    carrier.agree("BYE");
    assert_eq!(peer.answer("BYE").code(), Some(200));
    // What is no media type is refused by its field.
    let (status, said) =
        demo.rest.patch("/api/v1/trunks/1", &json!({"egress": dialog("ISUP")}).to_string());
    assert_eq!(status, 400, "{said}");
    assert!(said.contains("egress.dialog.bodies.types[0]"), "{said}");
    demo.stop();
}

#[test]
fn isup_goes_on_in_every_message_of_a_call() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (peer, carrier) = (Line::new(), Line::new());
    lead_to(&demo, carrier.at());
    let trunk = format!("trunks/{}", edge(&demo, peer.at()));
    let bodies = json!({"dialog": {"bodies": {"types": ["application/isup"], "len_max": 100}}});
    set(&demo, &trunk, &json!({"ingress": bodies}));
    set(&demo, "trunks/1", &json!({"egress": bodies}));

    let invite = invite(&peer, &demo, 9);
    peer.say(&invite, demo.sip);
    let respond = |code: u16, (request, from): &(Message, SocketAddr)| {
        let mut said = Message::response(code, request, Some("line"));
        said.push("Contact", &format!("<sip:line@{}>", carrier.at()));
        mix(&mut said, carrier.at());
        carrier.say(&said, *from);
    };
    let asked = carrier.request("INVITE");
    respond(183, &asked);
    assert!(brings_isup(&peer.hear("183", |message| message.code() == Some(183)).0));
    respond(200, &asked);
    let ok = peer.answer("INVITE");
    assert!(brings_isup(&ok));
    peer.say(&inside(&invite, &ok, "ACK", 1), demo.sip);
    carrier.request("ACK");

    // A new offer within the call, and its answer.
    let mut again = inside(&invite, &ok, "INVITE", 2);
    again.push("Contact", &format!("<sip:33@{}>", peer.at()));
    mix(&mut again, peer.at());
    peer.say(&again, demo.sip);
    let is_within = |message: &Message| {
        message.code().is_none() && message.method() == "INVITE" && message.tag("To").is_some()
    };
    let asked = carrier.hear("re-INVITE", is_within);
    assert!(brings_isup(&asked.0));
    respond(200, &asked);
    let is_answer =
        |message: &Message| message.code() == Some(200) && message.cseq() == Some((2, "INVITE"));
    assert!(brings_isup(&peer.hear("answer to the offer", is_answer).0));
    peer.say(&inside(&invite, &ok, "ACK", 2), demo.sip);
    carrier.request("ACK");

    let mut bye = inside(&invite, &ok, "BYE", 3);
    bye.set_body("application/ISUP;version=itu-t92+", ISUP);
    peer.say(&bye, demo.sip);
    let got = carrier.agree("BYE");
    assert!(got.to_bytes().ends_with(ISUP), "{got:?}");
    assert_eq!(got.header("Content-Type"), Some("application/ISUP;version=itu-t92+"));
    assert_eq!(peer.answer("BYE").code(), Some(200));
    assert_tidy(&demo);
    demo.stop();
}

/// ISUP alone is a late offer: it goes on alone, and sessions are described by 200 and ACK.
#[test]
fn isup_alone_is_a_late_offer() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (peer, carrier) = (Line::new(), Line::new());
    lead_to(&demo, carrier.at());
    let trunk = format!("trunks/{}", edge(&demo, peer.at()));
    let alone = |nth: u32| {
        let mut invite = invite(&peer, &demo, nth);
        invite.push("Content-Disposition", "signal");
        invite.set_body("application/ISUP;version=itu-t92+", ISUP);
        invite
    };
    // Whoever takes none says so.
    let refused = alone(20);
    peer.say(&refused, demo.sip);
    let said = peer.answer("INVITE");
    assert_eq!(said.code(), Some(415));
    peer.say(&acknowledged(&refused, &said), demo.sip);

    let bodies = json!({"dialog": {"bodies": {"types": ["application/isup"], "len_max": 100}}});
    set(&demo, &trunk, &json!({"ingress": bodies}));
    set(&demo, "trunks/1", &json!({"egress": bodies}));
    let invite = alone(21);
    peer.say(&invite, demo.sip);
    let (asked, from) = carrier.request("INVITE");
    assert_eq!(asked.header("Content-Type"), Some("application/ISUP;version=itu-t92+"));
    assert!(asked.to_bytes().ends_with(ISUP), "{asked:?}");
    let mut ok = Message::response(200, &asked, Some("line"));
    ok.push("Contact", &format!("<sip:line@{}>", carrier.at()));
    mix(&mut ok, carrier.at());
    carrier.say(&ok, from);
    let ok = peer.answer("INVITE");
    assert!(brings_isup(&ok));
    let mut ack = inside(&invite, &ok, "ACK", 1);
    ack.set_body("application/sdp", sdp(peer.at()).as_bytes());
    peer.say(&ack, demo.sip);
    let acked = carrier.request("ACK").0;
    assert_eq!(acked.header("Content-Type"), Some("application/sdp"), "{acked:?}");
    peer.say(&inside(&invite, &ok, "BYE", 2), demo.sip);
    carrier.agree("BYE");
    assert_eq!(peer.answer("BYE").code(), Some(200));
    assert_tidy(&demo);
    demo.stop();
}

/// A trunk that shows no credentials calls by the programs that are set, and by no others.
#[test]
fn a_trunk_calls_by_the_programs_of_its_list() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (peer, carrier) = (Line::new(), Line::new());
    lead_to(&demo, carrier.at());
    edge(&demo, peer.at());
    let set = json!({"category": "call", "name": "trunk_programs", "value": "Acme SBC, x"});
    make(&demo, "settings", &set);
    std::thread::sleep(IN_FORCE);
    let said = |nth: u32, agent: &str| {
        let mut invite = invite(&peer, &demo, nth);
        invite.push("User-Agent", agent);
        peer.say(&invite, demo.sip);
        let said = peer.answer("INVITE");
        peer.say(&acknowledged(&invite, &said), demo.sip);
        said.code()
    };
    assert_eq!(said(11, "Other"), Some(403));
    // Its ISUP is what nobody takes.
    assert_eq!(said(12, "ACME sbc/2.1"), Some(415));
    // A list is refused as a whole.
    let wrong = json!({"category": "call", "name": "trunk_programs", "value": "Acme,,x"});
    let (status, said) = demo.rest.post("/api/v1/settings", "programs", &wrong.to_string());
    assert_eq!(status, 400, "{said}");
    demo.stop();
}

#[test]
fn a_trunk_is_told_and_called_in_its_own_way() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    carrier.otherwise(Script::early_media(Duration::from_millis(500)));
    let ada = desk(&demo, ALICE);
    let heard = || {
        let out = ada.invite("44700").unwrap();
        answered(&out);
        let codes = out.provisional_codes();
        codes.into_iter().filter(|code| *code != 100).collect::<Vec<u16>>()
    };
    assert_eq!(heard(), [183]);
    set(&demo, "trunks/1", &json!({"egress": {"dialog": {"progress": "ringing"}}}));
    assert_eq!(heard(), [180]);
    set(&demo, "trunks/1", &json!({"egress": {"user_phone": "request"}}));
    heard();
    set(
        &demo,
        "trunks/1",
        &json!({"egress": {
            "user_phone": "to", "sent_request": "received", "called": {"add": "+"},
        }}),
    );
    heard();
    let uris = |nth: usize| {
        let invite = carrier.seen()[nth].invite.clone();
        let to = address_uri(invite.header("To").unwrap()).to_owned();
        [invite.uri().to_owned(), to].map(|uri| uri.replace(&carrier.addr().to_string(), "h"))
    };
    assert_eq!(uris(1), ["sip:44700@h", "sip:44700@h"]);
    assert_eq!(uris(2), ["sip:44700@h;user=phone", "sip:44700@h"]);
    assert_eq!(uris(3), ["sip:44700@h;user=phone", "sip:44700@h;user=phone"]);
    assert_tidy(&demo);
    demo.stop();
}

/// A phone in a call is called again: what becomes of that is its own affair.
#[test]
fn a_second_call_is_the_phones_to_take() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let out = bob.invite("44700").unwrap();
    out.wait_answer(SOON).unwrap();
    let second = ada.invite("1002").unwrap();
    let waits = bob.wait_call(SOON).unwrap();
    waits.ring().unwrap();
    assert_eq!(second.wait_ringing(SOON).unwrap(), 180);
    waits.answer().unwrap();
    second.wait_answer(SOON).unwrap();
    // The first one goes on beside it.
    assert_eq!((out.ended(), second.bye().unwrap()), (None, EndedBy::LocalBye));
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn how_often_something_is_said_again_is_set() {
    let copies = |config: &str| {
        let home = Home::new();
        let demo = Demo::start_with(&home, config);
        let silent = Line::new();
        lead_to(&demo, silent.at());
        let ada = desk(&demo, ALICE);
        let out = ada.invite("44700").unwrap();
        silent.request("INVITE");
        let until = Instant::now() + Duration::from_millis(2_600);
        let mut count = 1;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            silent.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
            count += usize::from(silent.socket.recv_from(&mut [0; 65_535]).is_ok());
        }
        // Nothing has come of it, so nobody is told of its end.
        let _nobody = out.cancel();
        demo.stop();
        count
    };
    // At 0, 0.5 and 1.5 seconds; at 0, 0.1, 0.3, 0.7 and 1.5.
    assert_eq!(copies(""), 3);
    assert_eq!(copies("sip.t1_ms = 100\n"), 5);
}
