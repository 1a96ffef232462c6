//! A 503 written from a scan alone: what overload says to a request that would begin something.

use std::net::SocketAddr;

use strowger_link::Key;
use strowger_link::siphash::siphash24;

use super::{All, Scan, fields, line, params};
use crate::build::Writer;
use crate::field::{Via, elements};
use crate::header::Header;
use crate::limits::MESSAGE_MAX;
use crate::status::Status;

/// Hexadecimal digits of the tag of a refusal.
const TAG_LEN: usize = 16;

/// How a scanned request is refused.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Where the request came from.
    pub source: SocketAddr,
    /// Key of the To tags.
    pub key: &'a Key,
    /// Seconds for Retry-After.
    pub retry_after_s: u32,
}

/// The hash of what a request and its copies have in common, and the ACK of its failure too
/// (RFC 3261 17.1.1.3): branch and Call-ID.
#[must_use]
pub fn request_hash(scan: &Scan<'_>, key: &Key) -> u64 {
    let hash = siphash24(key, scan.branch.unwrap_or_default());
    // Two hashes make one of two texts without a buffer: the second runs under the first.
    let mut second = key.0;
    second.iter_mut().zip(hash.to_le_bytes()).for_each(|(to, from)| *to ^= from);
    siphash24(&Key(second), scan.call_id)
}

//= rfc3261#section-8.2.7
//# To header tags MUST be generated for responses in a stateless
//# manner - in a manner that will generate the same tag for the
//# same request consistently.
/// The To tag of the refusal of a request, by which its ACK is known again.
#[must_use]
pub fn refused_tag(scan: &Scan<'_>, key: &Key) -> [u8; TAG_LEN] {
    let hash = request_hash(scan, key);
    let mut tag = [b'0'; TAG_LEN];
    for (place, digit) in tag.iter_mut().rev().enumerate() {
        let nibble = usize::try_from(hash >> (4 * place) & 15).unwrap_or(0);
        *digit = b"0123456789abcdef".get(nibble).copied().unwrap_or(b'0');
    }
    tag
}

//= rfc3261#section-21.5.4
//# The server is temporarily unable to process the request due to a
//# temporary overloading or maintenance of the server.  The server MAY
//# indicate when the client should retry the request in a Retry-After
//# header field.
/// Replaces `out` by a 503 to the request in `bytes`, of which `scan` was made; gives the address
/// it goes to. `None`, and nothing written: no answer could find its request, because one of Via,
/// From, To, Call-ID and CSeq is missing.
pub fn refuse(
    bytes: &[u8],
    scan: &Scan<'_>,
    refusal: Refusal<'_>,
    out: &mut Vec<u8>,
) -> Option<SocketAddr> {
    out.clear();
    let bytes = bytes.get(..bytes.len().min(MESSAGE_MAX))?;
    let (_, fields_at) = line::start(bytes).ok()?;
    let mut writer = Writer::status(out, Status::of(503), &[]);
    let (mut missing, mut reply) = (All::ALL, None);
    for (header, value) in fields(bytes, fields_at) {
        let found = All::of(header);
        if found == All::VIA {
            vias(&mut writer, value, refusal.source, &mut reply);
        } else if missing.has(found) {
            once(&mut writer, header, value, refused_tag(scan, refusal.key));
        }
        missing = missing.without(found);
    }
    writer.number(Header::RetryAfter, refusal.retry_after_s);
    writer.finish(None).ok()?;
    let to = reply.filter(|_| missing == All::NONE);
    if to.is_none() {
        out.clear();
    }
    to
}

/// A field that a request has once.
fn once(writer: &mut Writer<'_>, header: Header, value: &[u8], tag: [u8; TAG_LEN]) {
    writer.label(header).unfolded(value);
    // One without a value stays alone: two would be worse.
    let has_tag = || params(value).is_some_and(|params| params.find(b"tag").is_some());
    if header == Header::To && !has_tag() {
        writer.put(b";tag=").put(&tag);
    }
    writer.end();
}

/// All values of one Via field, in order; the topmost one of all says where the answer goes.
fn vias(writer: &mut Writer<'_>, value: &[u8], source: SocketAddr, reply: &mut Option<SocketAddr>) {
    for value in elements(value) {
        writer.label(Header::Via);
        match Via::parse(value).filter(|_| reply.is_none()) {
            Some(via) => {
                *reply = Some(via.reply_to(source));
                writer.top_via(via, source);
            }
            None => {
                writer.unfolded(value);
            }
        }
        writer.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Index, Message};
    use crate::scan::scan;

    const KEY: Key = Key([7; 16]);

    fn check(request: &str, from: &str) -> Option<(String, SocketAddr)> {
        let bytes = request.replace('\n', "\r\n").into_bytes();
        let source = from.parse().unwrap();
        let refusal = Refusal { source, key: &KEY, retry_after_s: 2 };
        let mut out = b"left of before".to_vec();
        let to = refuse(&bytes, &scan(&bytes).unwrap(), refusal, &mut out);
        assert!(to.is_some() || out.is_empty());
        Some((String::from_utf8(out).unwrap(), to?))
    }

    const INVITE: &str = "INVITE sip:112;x@h;y SIP/2.0\n\
         v: SIP/2.0/UDP 10.0.0.9:5070;rport\n ;branch=z9hG4bKa, \
         SIP/2.0/UDP p;branch=z9hG4bKb\nVia: SIP/2.0/TCP q;branch=z9hG4bKc\nf: <sip:a@h>;tag=1\n\
         TO: <sip:b@h>\ni: c\nCSeq: 4 INVITE\nContact: <sip:x@y>\n\nbody";

    #[test]
    fn the_answer_is_a_message_that_its_request_is_known_by() {
        let (text, to) = check(INVITE, "192.0.2.7:4000").unwrap();
        assert_eq!(to, "192.0.2.7:4000".parse().unwrap());
        let mut index = Index::new();
        let answer = Message::parse(text.as_bytes(), &mut index).unwrap();
        answer.validate().unwrap();
        assert_eq!(answer.status().unwrap().code(), 503);
        let vias: Vec<_> = answer.elements(Header::Via).map(String::from_utf8_lossy).collect();
        assert_eq!(
            vias,
            [
                "SIP/2.0/UDP 10.0.0.9:5070;rport=4000;branch=z9hG4bKa;received=192.0.2.7",
                "SIP/2.0/UDP p;branch=z9hG4bKb",
                "SIP/2.0/TCP q;branch=z9hG4bKc",
            ]
        );
        for (header, value) in [
            (Header::From, "<sip:a@h>;tag=1"),
            (Header::SipCallId, "c"),
            (Header::CSeq, "4 INVITE"),
            (Header::RetryAfter, "2"),
            (Header::ContentLength, "0"),
        ] {
            assert_eq!(answer.value(header), Some(value.as_bytes()), "{text}");
        }
        // The ACK of the refusal brings the tag back.
        let tag = answer.to().unwrap().tag().unwrap();
        let ack = INVITE.replace("INVITE", "ACK").replace('\n', "\r\n");
        assert_eq!(tag, refused_tag(&scan(ack.as_bytes()).unwrap(), &KEY));
        let other = ack.replace("z9hG4bKa", "z9hG4bKz");
        assert_ne!(tag, refused_tag(&scan(other.as_bytes()).unwrap(), &KEY));
        // Twice the same.
        assert_eq!(check(INVITE, "192.0.2.7:4000").unwrap().0, text);
    }

    #[test]
    fn a_tag_without_a_value_gets_no_second_one() {
        let asked = INVITE.replace("TO: <sip:b@h>", "TO: <sip:b@h>; Tag ;x");
        let (text, _) = check(&asked, "192.0.2.7:4000").unwrap();
        assert!(text.contains("\r\nTo: <sip:b@h>; Tag ;x\r\n"), "{text}");
    }

    #[test]
    fn without_rport_the_answer_goes_where_via_says() {
        let request = INVITE.replace(";rport", "");
        assert_eq!(check(&request, "10.0.0.9:999").unwrap().1, "10.0.0.9:5070".parse().unwrap());
    }

    #[test]
    fn a_request_that_no_answer_would_find_is_not_answered() {
        for gone in ["v: SIP/2.0/UDP", "Via: SIP/2.0/TCP", "f: ", "TO: ", "i: ", "CSeq: "] {
            let is_answered = check(&INVITE.replace(gone, "X: "), "10.0.0.9:5070").is_some();
            // One Via more or less makes no difference.
            assert_eq!(is_answered, gone.contains("SIP/2.0"), "{gone}");
        }
        assert_eq!(check("INVITE sip:a SIP/2.0\n\n", "10.0.0.9:5070"), None);
    }

    #[test]
    fn the_called_user_is_read_without_a_parser() {
        for (uri, user) in [
            ("sip:112@h", "112"),
            ("sips:112;phone-context=x@h;user=phone", "112"),
            ("sip:112:secret@h", "112"),
            ("tel:112;phone-context=+44", "112"),
            ("sip:h", ""),
            ("sip:h;x=1", ""),
            ("112", ""),
        ] {
            let bytes = format!("INVITE {uri} SIP/2.0\r\n\r\n").into_bytes();
            assert_eq!(scan(&bytes).unwrap().called_user(), user.as_bytes(), "{uri}");
        }
    }
}
