//! SIP messages: index, salvage, grammar, scan, every typed field, answers, and writing again.

use std::net::SocketAddr;

use strowger_sip::build::{Body, Reply, Writer};
use strowger_sip::digest::{Challenge, Credentials};
use strowger_sip::field::{CSeq, Contacts, Date, MediaType, NameAddr, Params, Reason, Via};
use strowger_sip::limits::HEADERS_MAX;
use strowger_sip::message::Field;
use strowger_sip::{Header, Index, Message, Refusal, StartLine, Status, scan};

use super::Target;
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "sip", run, seeds, words: WORDS };

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n ",
    b"\r\n\t",
    b"\0",
    b"\"",
    b"\\\"",
    b"<",
    b">",
    b",",
    b";tag=",
    b";branch=z9hG4bK",
    b";received=",
    b";rport",
    b";lr",
    b";q=0.5",
    b"*",
    b"SIP/2.0 ",
    b" SIP/2.0\r\n",
    b"INVITE ",
    b"Via: SIP/2.0/UDP h\r\n",
    b"v: SIP/2.0/TCP [::1]:5060\r\n",
    b"Contact: *\r\n",
    b"m: <sip:a@h>\r\n",
    b"To: sip:a@h\r\n",
    b"f: <tel:+1>;tag=1\r\n",
    b"CSeq: 1 INVITE\r\n",
    b"l: 0\r\n",
    b"Content-Length: ",
    b"Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n",
    b"Reason: Q.850;cause=16\r\n",
    b"sips:",
    b"%00",
    b"[2001:db8::1]",
];

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let mut index = Index::new();
    let parsed = Message::parse(input, &mut index).map(drop);
    let message = Message::salvage(input, &index);
    shape.print("parsed", &parsed);
    fields(message, &mut shape);
    let valid = message.validate();
    shape.print("valid", &valid);
    scanned(message, parsed.and(valid));
    answer(message, parsed.and(valid), &mut shape);
    if parsed.is_ok() {
        again(message, &mut shape);
    }
    shape
}

/// Every field through its typed views; a view's parts are within the message.
fn fields(message: Message<'_>, shape: &mut Shape) {
    let mut count = 0;
    for field in message.fields() {
        count += 1;
        assert!(
            lies_within(field.value, message.bytes()) && lies_within(field.name, message.bytes())
        );
        assert_eq!(Header::parse(field.name), field.header);
        shape.note("field", &(field.header as u8, kinds(field)));
    }
    shape.count("fields", count).count("body", message.body().len());
    assert!(lies_within(message.body(), message.bytes()));
    if let Some(StartLine::Request { method, uri, .. }) = message.start() {
        shape.note("method", &method);
        super::uri::laws(uri, shape);
    }
    shape.print("via", &message.top_via().map(drop)).print("from", &message.from().map(drop));
    shape.print("to", &message.to().map(drop)).print("cseq", &message.cseq().map(drop));
    shape.print("expires", &message.number(Header::Expires).map(drop));
    shape.note("type", &message.content_type().is_some());
}

/// Which of the typed views take the value.
fn kinds(field: Field<'_>) -> [bool; 10] {
    let value = field.value;
    let name_addr = NameAddr::parse(value);
    if let Some(address) = name_addr {
        assert!(address.display_text().len() <= value.len());
        if let Some(uri) = address.parsed_uri() {
            assert!(uri.matches(uri) || super::uri::repeats(uri), "a URI that is not itself");
        }
        let _ = address.tag();
    }
    let via = Via::parse(value);
    if let Some(via) = via {
        assert!(via.branch().is_some() || via.rfc3261_branch().is_none());
        let source = SocketAddr::from(([192, 0, 2, 1], 5_060));
        let _ =
            (via.wants_rport(), via.port(), via.reply_to(source), via.is_sent_from(source.ip()));
    }
    let params = Params::parse(value);
    for param in params.into_iter().flat_map(Params::iter) {
        assert!(params.is_some_and(|params| params.find(param.name).is_some()));
    }
    let contacts = Contacts::parse(value).map(|contacts| contacts.iter().count());
    [
        name_addr.is_some(),
        via.is_some(),
        params.is_some(),
        contacts.is_some_and(|count| count > 1),
        contacts == Some(0),
        CSeq::parse(value).is_some(),
        Date::parse(value).is_some(),
        MediaType::parse(value).is_some() || Reason::parse(value).is_some(),
        Credentials::parse(value).is_some(),
        Challenge::parse(value).is_some(),
    ]
}

/// What the scan finds is what the index has, in any valid message.
fn scanned(message: Message<'_>, valid: Result<(), Refusal>) {
    let scan = scan(message.bytes());
    if valid.is_err() {
        return;
    }
    let method = scan.map(|scan| scan.method);
    assert_eq!(method, Some(message.method()));
    let Some(scan) = scan else { return };
    assert_eq!(scan.code, message.status().map(Status::code));
    assert_eq!(Ok(scan.call_id), message.call_id());
    assert_eq!(Ok(scan.to_tag), message.to().map(NameAddr::tag));
    assert_eq!(Ok(scan.from_tag), message.from().map(NameAddr::tag));
    assert_eq!(Ok(scan.branch), message.top_via().map(Via::branch));
    assert_eq!(scan.cseq_method, message.cseq().ok().map(|cseq| cseq.method));
}

/// A response to a valid request is valid, and goes back by the Vias of the request.
fn answer(message: Message<'_>, request: Result<(), Refusal>, shape: &mut Shape) {
    let reply = Reply {
        status: Status::of(400),
        phrase: &[],
        to_tag: Some(b"t"),
        source: ([192, 0, 2, 1], 5060).into(),
    };
    let mut out = Vec::new();
    let built = Writer::response(&mut out, message, reply).finish(None);
    shape.print("answer", &built);
    if built.is_err() {
        return assert!(out.is_empty(), "a failed message left bytes");
    }
    let mut index = Index::new();
    let valid = Message::parse(&out, &mut index).and_then(Message::validate);
    if message.method().is_none() || request.is_err() {
        return;
    }
    let vias = message.elements(Header::Via).count();
    if valid == Err(Refusal::HeadersTooMany) {
        // A Via in a list becomes a field of its own.
        return assert!(vias + 6 > HEADERS_MAX);
    }
    assert_eq!(valid, Ok(()), "{}", out.escape_ascii());
    let response = Message::salvage(&out, &index);
    assert_eq!(response.elements(Header::Via).count(), vias);
    assert_eq!(response.top_via().map(Via::branch), message.top_via().map(Via::branch));
    assert_eq!(response.from().map(NameAddr::tag), message.from().map(NameAddr::tag));
    assert_eq!(response.call_id(), message.call_id());
    assert!(response.to().is_ok_and(|to| to.tag().is_some()));
}

/// `parse(build(x)) == x`: start line, fields and body written again read the same.
fn again(message: Message<'_>, shape: &mut Shape) {
    let mut out = Vec::new();
    let mut writer = match message.start() {
        Some(StartLine::Request { name, uri, .. }) => {
            let Ok(name) = std::str::from_utf8(name) else { return };
            Writer::request(&mut out, name, uri)
        }
        Some(StartLine::Response { status, phrase }) => {
            let Ok(phrase) = std::str::from_utf8(phrase) else { return };
            Writer::status(&mut out, status, &[phrase])
        }
        None => return,
    };
    let wanted: Vec<_> = message.fields().filter_map(kept).collect();
    for (_, name, value) in &wanted {
        writer.named(name, &[value]);
    }
    let content_type = message.value(Header::ContentType).map(unfolded).unwrap_or_default();
    let body = Body { content_type: &content_type, bytes: message.body() };
    let built = writer.finish(Some(body));
    shape.print("again", &built);
    if built.is_err() {
        return;
    }
    let mut index = Index::new();
    let parsed = Message::parse(&out, &mut index).map(drop);
    if parsed == Err(Refusal::HeadersTooMany) {
        // The writer's own two fields came to as many as there may be.
        return assert!(wanted.len() + 2 > HEADERS_MAX);
    }
    assert_eq!(parsed, Ok(()), "{}", out.escape_ascii());
    let copy = Message::salvage(&out, &index);
    assert_eq!(copy.start(), message.start());
    assert_eq!(copy.fields().filter_map(kept).collect::<Vec<_>>(), wanted);
    assert_eq!(copy.body(), message.body());
}

/// A field as it is written again; not those which the writer makes itself.
fn kept(field: Field<'_>) -> Option<(Header, Vec<u8>, Vec<u8>)> {
    let made = matches!(field.header, Header::ContentType | Header::ContentLength);
    (!made).then(|| (field.header, field.name.to_vec(), unfolded(field.value)))
}

/// A value with each fold and the white space around it made one space.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut lines = value.split(|byte| *byte == b'\n');
    let mut text = lines.next().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).map(trim_end);
    let mut out = text.take().unwrap_or_default().to_vec();
    for line in lines {
        let line = trim_end(line.strip_suffix(b"\r").unwrap_or(line));
        out.push(b' ');
        out.extend(line.iter().skip_while(|byte| matches!(byte, b' ' | b'\t')));
    }
    out
}

fn trim_end(line: &[u8]) -> &[u8] {
    let blank = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    line.get(..line.len() - blank).unwrap_or_default()
}

fn lies_within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    part.is_empty() || (whole.start <= part.start && part.end <= whole.end)
}

/// Messages that are dear to read, if something takes their lists apart again and again; the corpus
/// has the usual ones.
fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let rest = "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let vias = ["SIP/2.0/UDP h;a"; 3_800].join(",");
    let params = ";a".repeat(30_000);
    vec![
        format!("OPTIONS sip:h SIP/2.0\r\nVia: {vias}\r\n{rest}").into_bytes(),
        format!("OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h{params}\r\n{rest}").into_bytes(),
        format!("OPTIONS sip:h SIP/2.0\r\nContact: <sip:h>{params}\r\n{rest}").into_bytes(),
    ]
}
