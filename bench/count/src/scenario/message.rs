//! Messages: read and written.

use super::{Turn, done};
use crate::peer;
use crate::rig::{CALLER, LISTENER};
use std::hint::black_box;
use strowger_sip::build::{Body, OwnVia, Reply, Writer};
use strowger_sip::header::Header;
use strowger_sip::message::{Index, Message};
use strowger_sip::scan;
use strowger_sip::status::Status;

fn invite() -> Vec<u8> {
    peer::invite(1, CALLER, LISTENER, 20_000)
}

/// A 1 KB INVITE is read whole, and the fields that a call needs are looked up.
pub(super) fn parse() -> Option<Turn> {
    let (bytes, mut index) = (invite(), Index::new());
    Some(Box::new(move |meter| {
        let mut read = 0;
        meter(&mut || {
            let Ok(message) = Message::parse(black_box(&bytes), &mut index) else { return };
            let fields = (message.call_id(), message.from(), message.to(), message.cseq());
            if let (Ok(call_id), Ok(_), Ok(_), Ok(_)) = black_box(fields) {
                read = call_id.len();
            }
        });
        done(read > 0, "not read")
    }))
}

/// The facts that find the owner of a datagram.
pub(super) fn scan_one() -> Option<Turn> {
    let bytes = invite();
    Some(Box::new(move |meter| {
        let mut is_found = false;
        meter(&mut || is_found = scan(black_box(&bytes)).is_some_and(|scan| scan.branch.is_some()));
        done(is_found, "not scanned")
    }))
}

/// A 200 with a description.
pub(super) fn response() -> Option<Turn> {
    let (bytes, mut index, mut out) = (invite(), Index::new(), Vec::with_capacity(4_096));
    let body = peer::description(LISTENER, 16_384).into_bytes();
    Some(Box::new(move |meter| {
        let Ok(request) = Message::parse(&bytes, &mut index) else { return Err("not read".into()) };
        let mut is_written = false;
        meter(&mut || {
            out.clear();
            let (status, to_tag) = (Status::of(200), Some(&b"7f3a9c5d1e"[..]));
            let reply = Reply { status, phrase: &[], to_tag, source: CALLER };
            let mut writer = Writer::response(&mut out, black_box(request), reply);
            writer.field(Header::Contact, b"<sip:441632960123@10.0.0.1>");
            let body = Body { content_type: b"application/sdp", bytes: &body };
            is_written = writer.finish(Some(body)).is_ok();
        });
        done(is_written && out.len() > 600, "not written")
    }))
}

/// An INVITE with a description.
pub(super) fn request() -> Option<Turn> {
    let mut out = Vec::with_capacity(4_096);
    let body = peer::description(LISTENER, 16_384).into_bytes();
    Some(Box::new(move |meter| {
        let mut is_written = false;
        meter(&mut || {
            out.clear();
            let uri = black_box(b"sip:441632960123@192.0.2.1:5090");
            let mut writer = Writer::request(&mut out, "INVITE", uri);
            writer.via(OwnVia {
                transport: "UDP",
                sent_by: LISTENER,
                branch: b"z9hG4bK0123456789",
            });
            writer.number(Header::MaxForwards, 69);
            writer.parts(Header::From, &[b"<sip:4930901820@10.0.0.1>;tag=", b"7f3a9c5d1e"]);
            writer.field(Header::To, b"<sip:441632960123@192.0.2.1>");
            writer.field(Header::SipCallId, b"7f3a9c5d1e7f3a9c5d1e@10.0.0.1");
            writer.field(Header::CSeq, b"1 INVITE");
            writer.field(Header::Contact, b"<sip:10.0.0.1:5060>");
            let body = Body { content_type: b"application/sdp", bytes: &body };
            is_written = writer.finish(Some(body)).is_ok();
        });
        done(is_written && out.len() > 500, "not written")
    }))
}
