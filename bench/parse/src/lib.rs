//! Nanoseconds of SIP messages read and written: an INVITE of 1 KB as a carrier's gear sends it.
//!
//! Each work is done again and again with warm caches; a round's figure is its time over its
//! messages, the work's figure the median of its rounds. Rounds of the works alternate, so that a
//! noisy minute hits all alike.
//!
//! What it never does: count instructions, which `bench/count` does and no neighbour disturbs.
//! Where to start: [`works`].

#[path = "../../count/src/peer.rs"]
pub mod peer;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use strowger_bench_round::Work;
use strowger_sip::build::{Body, OwnVia, Reply, Writer};
use strowger_sip::{Header, Index, Message, Status, scan};

const CALLER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5_090);
const LISTENER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5_060);
/// The port that descriptions name.
const MEDIA_PORT: u16 = 16_384;

/// The INVITE that is read.
#[must_use]
pub fn invite() -> Vec<u8> {
    peer::invite(1, CALLER, LISTENER, MEDIA_PORT)
}

/// All works, each set up.
#[must_use]
pub fn works() -> Vec<Box<dyn Work>> {
    let body = peer::description(LISTENER, MEDIA_PORT).into_bytes();
    vec![
        Box::new(Parse { bytes: invite(), index: Index::new() }),
        Box::new(Validate { bytes: invite(), index: Index::new() }),
        Box::new(Scan { bytes: invite() }),
        Box::new(Request { body: body.clone(), out: Vec::with_capacity(4_096) }),
        Box::new(Response { bytes: invite(), body, out: Vec::with_capacity(4_096) }),
    ]
}

/// Parsed and indexed, and the fields looked up that name the dialog.
struct Parse {
    bytes: Vec<u8>,
    index: Index,
}

impl Work for Parse {
    fn name(&self) -> &'static str {
        "parse"
    }

    fn bar_ns(&self) -> Option<f64> {
        Some(800.0)
    }

    fn run(&mut self) -> bool {
        let Ok(message) = Message::parse(black_box(&self.bytes), &mut self.index) else {
            return false;
        };
        let fields = (message.call_id(), message.from(), message.to(), message.cseq());
        matches!(black_box(fields), (Ok(_), Ok(_), Ok(_), Ok(_)))
    }
}

/// The grammar of every known field on top.
struct Validate {
    bytes: Vec<u8>,
    index: Index,
}

impl Work for Validate {
    fn name(&self) -> &'static str {
        "validate"
    }

    fn bar_ns(&self) -> Option<f64> {
        None
    }

    fn run(&mut self) -> bool {
        let message = Message::parse(black_box(&self.bytes), &mut self.index);
        message.and_then(Message::validate).is_ok()
    }
}

/// The facts that find the owner of a datagram.
struct Scan {
    bytes: Vec<u8>,
}

impl Work for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn bar_ns(&self) -> Option<f64> {
        None
    }

    fn run(&mut self) -> bool {
        black_box(scan(black_box(&self.bytes))).is_some_and(|scan| scan.branch.is_some())
    }
}

/// An INVITE with a description is written.
struct Request {
    body: Vec<u8>,
    out: Vec<u8>,
}

impl Work for Request {
    fn name(&self) -> &'static str {
        "write_request"
    }

    fn bar_ns(&self) -> Option<f64> {
        Some(300.0)
    }

    fn run(&mut self) -> bool {
        self.out.clear();
        let uri = black_box(b"sip:441632960123@192.0.2.1:5090");
        let mut writer = Writer::request(&mut self.out, "INVITE", uri);
        let branch = b"z9hG4bK0123456789";
        writer.via(OwnVia { transport: "UDP", sent_by: LISTENER, branch });
        writer.number(Header::MaxForwards, 69);
        writer.parts(Header::From, &[b"<sip:4930901820@10.0.0.1>;tag=", b"7f3a9c5d1e"]);
        writer.field(Header::To, b"<sip:441632960123@192.0.2.1>");
        writer.field(Header::SipCallId, b"7f3a9c5d1e7f3a9c5d1e@10.0.0.1");
        writer.field(Header::CSeq, b"1 INVITE");
        writer.field(Header::Contact, b"<sip:10.0.0.1:5060>");
        let body = Body { content_type: b"application/sdp", bytes: &self.body };
        writer.finish(Some(body)).is_ok()
    }
}

/// A 200 with a description is written from an INVITE that was read.
struct Response {
    bytes: Vec<u8>,
    body: Vec<u8>,
    out: Vec<u8>,
}

impl Response {
    fn write(&mut self, request: Message<'_>) -> bool {
        self.out.clear();
        let (status, to_tag) = (Status::of(200), Some(&b"7f3a9c5d1e"[..]));
        let reply = Reply { status, phrase: &[], to_tag, source: CALLER };
        let mut writer = Writer::response(&mut self.out, black_box(request), reply);
        writer.field(Header::Contact, b"<sip:441632960123@10.0.0.1>");
        let body = Body { content_type: b"application/sdp", bytes: &self.body };
        writer.finish(Some(body)).is_ok()
    }
}

impl Work for Response {
    fn name(&self) -> &'static str {
        "read_write_response"
    }

    fn bar_ns(&self) -> Option<f64> {
        None
    }

    fn run(&mut self) -> bool {
        let (bytes, mut index) = (std::mem::take(&mut self.bytes), Index::new());
        let is_written = match Message::parse(&bytes, &mut index) {
            Ok(request) => self.write(request),
            Err(_) => false,
        };
        self.bytes = bytes;
        is_written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_bench_round::measure;

    #[test]
    fn every_work_is_done_and_has_its_figure() {
        let figures = measure(&mut works(), 3, 5).unwrap();
        let names: Vec<_> = figures.iter().map(|figure| figure.name).collect();
        assert_eq!(names, ["parse", "validate", "scan", "write_request", "read_write_response"]);
        for figure in figures {
            assert!(figure.least_ns() > 0.0 && figure.least_ns() <= figure.median_ns());
        }
        assert!((900..1_200).contains(&invite().len()), "{}", invite().len());
    }

    #[test]
    fn what_is_not_done_is_told() {
        let mut broken = Parse { bytes: b"INVITE".to_vec(), index: Index::new() };
        assert!(!broken.run());
    }
}
