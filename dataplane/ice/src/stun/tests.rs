//! Messages as they come: the vectors of RFC 5769, and whatever else may come.

use super::*;
use crate::Reply;
use proptest::prelude::*;

const PWD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

fn octets(hex: &str) -> Vec<u8> {
    let hex: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = hex.chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// RFC 5769 2.1.
fn request() -> Vec<u8> {
    octets(
        "00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 \
         00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 \
         00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf",
    )
}

/// RFC 5769 2.2.
fn response() -> Vec<u8> {
    octets(
        "0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 \
         00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 \
         80280004 c07d4c96",
    )
}

#[test]
fn the_vectors_of_rfc_5769() {
    let (request, response) = (request(), response());
    for (octets, kind) in [(&request, kind::BINDING_REQUEST), (&response, kind::BINDING_SUCCESS)] {
        let message = Message::parse(octets).unwrap();
        assert_eq!(message.kind(), kind);
        assert!(message.is_by(PWD) && message.is_fingerprinted());
        assert!(!message.is_by(b"VOkJxbRl1RmTxUk/WvJxBu"));
    }
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.attribute(kind::USERNAME).unwrap().value, b"evtj:h6vY");
    assert_eq!(message.attribute(kind::PRIORITY).unwrap().value, [0x6e, 0, 1, 0xff]);
    assert_eq!(message.attribute(kind::USE_CANDIDATE), None);
    for at in 0..request.len() {
        let mut wrong = request.clone();
        wrong[at] ^= 1;
        let proves = Message::parse(&wrong).is_some_and(|m| m.is_by(PWD) && m.is_fingerprinted());
        assert!(!proves, "octet {at} was changed");
    }
}

/// The response of RFC 5769 2.2 but for its SOFTWARE, whose padding is of another octet there.
#[test]
fn an_answer_is_written_as_it_is_read() {
    let request = request();
    let mut room = [0xff; 200];
    let mut reply = Reply::to(&mut room, kind::BINDING_SUCCESS, &Message::parse(&request).unwrap());
    reply.mapped("192.0.2.1:32853".parse().unwrap());
    reply.sign(PWD);
    reply.fingerprint();
    let len = reply.finish().unwrap();
    let message = Message::parse(&room[..len]).unwrap();
    assert!(message.is_by(PWD) && message.is_fingerprinted());
    let mapped = message.attribute(kind::XOR_MAPPED_ADDRESS).unwrap();
    let response = response();
    let theirs = Message::parse(&response).unwrap().attribute(kind::XOR_MAPPED_ADDRESS).unwrap();
    assert_eq!(mapped.value, theirs.value);
    for less in 0..len {
        let mut room = vec![0; less];
        let mut reply = Reply::begin(&mut room, kind::BINDING_SUCCESS, [7; 12]);
        reply.mapped("192.0.2.1:32853".parse().unwrap());
        reply.sign(PWD);
        reply.fingerprint();
        assert_eq!(reply.finish(), None, "{less} octets of room");
    }
}

/// What stands behind MESSAGE-INTEGRITY proves nothing.
#[test]
fn nothing_is_read_behind_the_proof() {
    let mut room = [0; 200];
    let mut reply = Reply::begin(&mut room, kind::BINDING_REQUEST, [7; 12]);
    reply.attribute(kind::USERNAME, b"a:b");
    reply.sign(PWD);
    reply.attribute(kind::USE_CANDIDATE, &[]);
    reply.fingerprint();
    let len = reply.finish().unwrap();
    let message = Message::parse(&room[..len]).unwrap();
    assert!(message.is_by(PWD) && message.is_fingerprinted());
    assert_eq!(message.attributes().count(), 4);
    assert_eq!(message.attribute(kind::USE_CANDIDATE), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// No octets make it fail; what is whole is read to its end.
    #[test]
    fn any_octets_are_a_message_or_none(
        body in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((0usize..320, any::<u8>()), 0..4),
    ) {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        let mut octets = [&[0, 1], &len[..], &MAGIC_COOKIE, &[7; 12], &body].concat();
        for (at, octet) in flips {
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
            }
        }
        if let Some(message) = Message::parse(&octets) {
            let taken: usize =
                message.attributes().map(|a| HEAD_LEN + a.value.len().next_multiple_of(4)).sum();
            prop_assert_eq!(taken + HEADER_LEN, octets.len());
            let _either = (message.is_by(PWD), message.is_fingerprinted());
        }
    }
}
