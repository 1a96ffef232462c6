//! STUN binding requests at the sockets of SIP: how a phone keeps its NAT open and learns that the
//! NAT gave it another address (RFC 5626 4.4.2 and 8, RFC 8489).
//!
//! Only requests by UDP are answered, by the address they came from and nothing else. The answer
//! holds one attribute. Nobody shows who it is here, so an answer is taken from the same allowance
//! as a challenge: a made-up source gets no more of either.

use std::net::SocketAddr;
use strowger_ice::{Message, Reply, kind};

/// What tells STUN of RFC 5389 and later from all else.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Attributes that must be understood and change nothing here: MAPPED-ADDRESS, and those of
/// credentials, which this usage has none of (RFC 5626 8).
const INERT: [u16; 9] = [
    kind::MAPPED_ADDRESS,
    kind::USERNAME,
    kind::MESSAGE_INTEGRITY,
    kind::REALM,
    kind::NONCE,
    kind::MESSAGE_INTEGRITY_SHA256,
    kind::PASSWORD_ALGORITHM,
    kind::USERHASH,
    kind::XOR_MAPPED_ADDRESS,
];
/// Most attributes that are named as unknown.
const UNKNOWN_MAX: usize = 8;
/// The longest answer: that to a request with so many attributes, or an IPv6 address.
const ANSWER_LEN_MAX: usize = 20 + 8 + 4 + 2 * UNKNOWN_MAX;
/// An attribute that must be understood is not (RFC 8489 6.3.1).
const UNKNOWN_ATTRIBUTE: u16 = 420;

/// A well-formed binding request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Request<'a>(Message<'a>);

/// Whether a datagram is meant as STUN: no message of SIP begins so.
pub(super) fn is_stun(data: &[u8]) -> bool {
    data.first().is_some_and(|byte| byte & 0xc0 == 0) && data.get(4..8) == Some(&MAGIC_COOKIE)
}

impl<'a> Request<'a> {
    /// All of `data`; `None` for whatever else STUN has, and for what is malformed.
    pub(super) fn parse(data: &'a [u8]) -> Option<Request<'a>> {
        let message = Message::parse(data)?;
        (message.kind() == kind::BINDING_REQUEST).then_some(Request(message))
    }

    /// Replaces `out` by the answer to a request from `source`.
    pub(super) fn answer(&self, source: SocketAddr, out: &mut Vec<u8>) {
        let strange = self.0.attributes().filter(|a| !a.is_optional() && !INERT.contains(&a.kind));
        let unknown: Vec<u8> =
            strange.take(UNKNOWN_MAX).flat_map(|a| a.kind.to_be_bytes()).collect();
        out.clear();
        out.resize(ANSWER_LEN_MAX, 0);
        let len = if unknown.is_empty() {
            let mut reply = Reply::to(out, kind::BINDING_SUCCESS, &self.0);
            reply.mapped(source);
            reply.finish()
        } else {
            let mut reply = Reply::to(out, kind::BINDING_ERROR, &self.0);
            reply.error(UNKNOWN_ATTRIBUTE);
            reply.attribute(kind::UNKNOWN_ATTRIBUTES, &unknown);
            reply.finish()
        };
        out.truncate(len.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BINDING_REQUEST: [u8; 2] = [0, 1];
    const BINDING_SUCCESS: [u8; 2] = [1, 1];

    /// The transaction of the test vectors of RFC 5769.
    const TRANSACTION: [u8; 12] =
        [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn request(attributes: &[u8]) -> Vec<u8> {
        let len = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [&BINDING_REQUEST, &len, &MAGIC_COOKIE[..], &TRANSACTION, attributes].concat()
    }

    fn answer(request: &[u8], source: &str) -> Option<Vec<u8>> {
        let mut out = b"left of before".to_vec();
        Request::parse(request)?.answer(source.parse().unwrap(), &mut out);
        assert!(is_stun(request) && out.len() <= ANSWER_LEN_MAX, "{}", out.len());
        Some(out)
    }

    /// XOR-MAPPED-ADDRESS of RFC 5769 2.2 and 2.3.
    #[test]
    fn the_answer_is_the_address_that_the_request_came_from() {
        let v4 = answer(&request(&[]), "192.0.2.1:32853").unwrap();
        let head = [&[1, 1, 0, 12], &MAGIC_COOKIE[..], &TRANSACTION].concat();
        let value = [0x00, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        assert_eq!(v4, [head, value.to_vec()].concat());
        assert_eq!(answer(&request(&[]), "[::ffff:192.0.2.1]:32853").unwrap(), v4);
        let v6 = answer(&request(&[]), "[2001:db8:1234:5678:11:2233:4455:6677]:32853").unwrap();
        assert_eq!(v6[..4], [1, 1, 0, 24]);
        let value = [
            0x00, 0x20, 0, 20, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79,
            0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
        ];
        assert_eq!(v6[20..], value);
    }

    #[test]
    fn what_is_no_binding_request_is_not_answered() {
        let good = request(&[]);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        for (bad, why) in [
            (with(1, 3), "allocate"),
            (with(1, 0x11), "an indication"),
            (with(0, 1), "a response"),
            (with(0, 0x40), "no STUN"),
            (with(4, 0x22), "another cookie"),
            (with(3, 4), "shorter than it says"),
            (good[..19].to_vec(), "cut"),
            ([&good[..], &[0]].concat(), "longer than it says"),
            (request(&[0x80, 0x22, 0, 8, 0, 0, 0, 0]), "an attribute beyond the end"),
            (request(&[0x80, 0x22, 0]), "half an attribute"),
            (request(&[0x80, 0x22, 0, 5, 1, 2, 3, 4, 5]), "without its padding"),
            (
                request(&[0x80, 0x22, 2, 16].iter().copied().chain([0; 528]).collect::<Vec<_>>()),
                "too long",
            ),
            (Vec::new(), "nothing"),
        ] {
            assert_eq!(answer(&bad, "192.0.2.1:5060"), None, "{why}");
        }
    }

    #[test]
    fn attributes_that_must_be_understood_are_named() {
        let is_good = |attributes: &[u8]| {
            let answer = answer(&request(attributes), "192.0.2.1:5060").unwrap();
            answer[..2] == BINDING_SUCCESS
        };
        assert!(is_good(&[0x80, 0x22, 0, 5, b'p', b'h', b'o', b'n', b'e', 0, 0, 0]), "SOFTWARE");
        assert!(is_good(&[0x00, 0x06, 0, 1, b'a', 0, 0, 0]), "USERNAME");
        let asked = [0x00, 0x03, 0, 4, 0, 0, 0, 6, 0x80, 0x22, 0, 0, 0x00, 0x24, 0, 0];
        let refused = answer(&request(&asked), "192.0.2.1:5060").unwrap();
        assert_eq!(refused[..4], [0x01, 0x11, 0, 16]);
        let told = [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 4, 0x00, 0x03, 0x00, 0x24];
        assert_eq!(refused[20..], told);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// No bytes make it fail, and no answer is longer than what a source may have for a
        /// request of twenty bytes and more.
        #[test]
        fn answers_are_bounded(
            attributes in prop::collection::vec(any::<u8>(), 0..200),
            flips in prop::collection::vec((0usize..220, any::<u8>()), 0..4),
        ) {
            let mut bytes = request(&attributes);
            for (at, byte) in flips {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            if let Some(request) = Request::parse(&bytes) {
                let mut out = Vec::new();
                request.answer("[2001:db8::1]:5060".parse().unwrap(), &mut out);
                prop_assert!(out.len() <= bytes.len() + 24, "{} of {}", out.len(), bytes.len());
                prop_assert_eq!(out.len() % 4, 0);
                let len = usize::from(u16::from_be_bytes([out[2], out[3]]));
                prop_assert_eq!(len + 20, out.len());
            }
        }
    }
}
