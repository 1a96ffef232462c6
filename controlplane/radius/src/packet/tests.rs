use super::*;

/// RFC 2865 section 7.1.
const REQUEST_AUTHENTICATOR: [u8; 16] = [
    0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a,
];

fn secret() -> Secret {
    Secret::new(b"xyzzy5461").unwrap()
}

#[test]
fn a_password_is_hidden_as_in_the_rfc() {
    let mut request = Request::access(REQUEST_AUTHENTICATOR);
    request.put_password(b"arctangent", &secret()).unwrap();
    let hidden = [
        0x02, 0x12, 0x0d, 0xbe, 0x70, 0x8d, 0x93, 0xd4, 0x13, 0xce, 0x31, 0x96, 0xe4, 0x3f, 0x78,
        0x2a, 0x0a, 0xee,
    ];
    assert_eq!(request.attributes, hidden);
    assert_eq!(request.put_password(&[0; 129], &secret()), Err(BadPacket::TooLong));
}

#[test]
fn a_hash_with_a_key_is_that_of_rfc_2104() {
    let expect = [
        0x75, 0x0c, 0x78, 0x3e, 0x6a, 0xb0, 0xb5, 0x03, 0xea, 0xa8, 0x6e, 0x31, 0x0a, 0x5d, 0xb7,
        0x38,
    ];
    assert_eq!(hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]), expect);
}

/// A reply as a server makes it.
pub(crate) fn reply(
    code: u8,
    id: u8,
    request: &[u8; 16],
    attributes: &[u8],
    is_signed: bool,
    secret: &[u8],
) -> Vec<u8> {
    let mut body = if is_signed { [&[80, 18][..], &[0; 16]].concat() } else { Vec::new() };
    body.extend(attributes);
    let length = u16::try_from(20 + body.len()).unwrap().to_be_bytes();
    let mut packet = [&[code, id][..], &length, request, &body].concat();
    if is_signed {
        let signature = hmac(secret, &[&packet]);
        packet[22..38].copy_from_slice(&signature);
    }
    let signed = md5(&[&packet, secret]);
    packet[4..20].copy_from_slice(&signed);
    packet
}

#[test]
fn an_answer_is_believed_only_with_both_signatures() {
    let request = REQUEST_AUTHENTICATOR;
    let limit = [27, 6, 0, 0, 0, 60];
    let good = reply(2, 7, &request, &limit, true, b"xyzzy5461");
    let read = Reply::read(&good, &request, &secret()).unwrap();
    assert_eq!((read.code, read.number(kind::SESSION_TIMEOUT)), (Code::AccessAccept, Some(60)));
    for place in 0..good.len() {
        // The identifier is checked by who keeps the exchanges, and is signed too.
        let mut bad = good.clone();
        bad[place] ^= 1;
        assert!(Reply::read(&bad, &request, &secret()).is_err(), "octet {place}");
    }
    for length in 0..good.len() {
        assert!(Reply::read(&good[..length], &request, &secret()).is_err(), "{length} octets");
    }
    let padded = [&good[..], &[0; 9]].concat();
    assert_eq!(Reply::read(&padded, &request, &secret()).unwrap(), read);
    let other = Secret::new(b"another").unwrap();
    assert_eq!(Reply::read(&good, &request, &other), Err(BadPacket::Authenticator));
    // As the RFC's own example, of before signatures were asked for.
    let unsigned = reply(2, 7, &request, &limit, false, b"xyzzy5461");
    assert_eq!(Reply::read(&unsigned, &request, &secret()), Err(BadPacket::Unsigned));
    let accounted = reply(5, 7, &request, &[], false, b"xyzzy5461");
    assert!(Reply::read(&accounted, &request, &secret()).is_ok());
}

#[test]
fn the_example_of_the_rfc_has_the_right_authenticator() {
    let packet = [
        0x02, 0x00, 0x00, 0x26, 0x86, 0xfe, 0x22, 0x0e, 0x76, 0x24, 0xba, 0x2a, 0x10, 0x05, 0xf6,
        0xbf, 0x9b, 0x55, 0xe0, 0xb2, 0x06, 0x06, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x06, 0x00, 0x00,
        0x00, 0x00, 0x0e, 0x06, 0xc0, 0xa8, 0x01, 0x03,
    ];
    // It gets as far as the signature that it has not.
    let read = Reply::read(&packet, &REQUEST_AUTHENTICATOR, &secret());
    assert_eq!(read, Err(BadPacket::Unsigned));
}

#[test]
fn an_accounting_request_is_signed_by_its_authenticator() {
    let mut request = Request::accounting();
    request.put_number(kind::ACCT_STATUS_TYPE, 1).unwrap();
    request.put(kind::ACCT_SESSION_ID, b"7").unwrap();
    let (packet, authenticator) = request.build(9, &secret());
    assert_eq!((packet[0], packet[1], packet.len()), (4, 9, 20 + 6 + 3));
    let mut blank = packet.clone();
    blank[4..20].fill(0);
    assert_eq!(md5(&[&blank, b"xyzzy5461"]), authenticator);
    assert_eq!(packet[4..20], authenticator);
}

#[test]
fn an_access_request_is_signed_before_all_else() {
    let mut request = Request::access(REQUEST_AUTHENTICATOR);
    request.put(kind::USER_NAME, b"nemo").unwrap();
    let (packet, _) = request.build(1, &secret());
    assert_eq!(packet[20..22], [80, 18]);
    let mut blank = packet.clone();
    blank[22..38].fill(0);
    assert_eq!(hmac(b"xyzzy5461", &[&blank]), packet[22..38]);
}

#[test]
fn what_does_not_fit_is_refused_and_any_octets_are_taken() {
    let mut request = Request::accounting();
    assert_eq!(request.put(1, &[0; 254]), Err(BadPacket::TooLong));
    let mut count = 0;
    while request.put(1, &[0; 253]).is_ok() {
        count += 1;
    }
    assert_eq!(count, 15);
    assert!(request.build(0, &secret()).0.len() <= PACKET_MAX);
    let mut seed = 1u32;
    for length in 0..512 {
        let octets: Vec<u8> = (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect();
        assert!(Reply::read(&octets, &REQUEST_AUTHENTICATOR, &secret()).is_err());
        // Attributes of any form behind right authenticators.
        let attributes = octets.get(..200).unwrap_or(&octets);
        let signed = reply(5, 1, &REQUEST_AUTHENTICATOR, attributes, false, b"xyzzy5461");
        if let Ok(read) = Reply::read(&signed, &REQUEST_AUTHENTICATOR, &secret()) {
            let all: usize = read.attributes().map(|a| a.value.len() + 2).sum();
            assert_eq!(all, attributes.len());
        }
    }
    assert_eq!(Secret::new(b""), None);
    assert_eq!(format!("{:?}", secret()), "Secret(..)");
}

#[test]
fn attributes_of_vendors() {
    let mut request = Request::accounting();
    request.put_vendor(9, 102, b"h323-credit-time=60").unwrap();
    assert_eq!(request.attributes[..8], [26, 27, 0, 0, 0, 9, 102, 21]);
    assert_eq!(request.put_vendor(9, 1, &[0; 248]), Err(BadPacket::TooLong));
    // Two of ours in one, one of another vendor, one that is cut, and one with no vendor.
    let attributes = [
        &[26, 12, 0, 0, 0, 9, 1, 3, b'a', 1, 3, b'b'][..],
        &[26, 9, 0, 0, 0, 8, 1, 3, b'c'],
        &[26, 8, 0, 0, 0, 9, 1, 9],
        &[26, 3, 0],
        &[26, 9, 0, 0, 0, 9, 2, 3, b'd'],
    ];
    let packet = reply(2, 7, &REQUEST_AUTHENTICATOR, &attributes.concat(), true, b"xyzzy5461");
    let read = Reply::read(&packet, &REQUEST_AUTHENTICATOR, &secret()).unwrap();
    let values = |vendor, kind| read.vendor_values(vendor, kind).collect::<Vec<_>>();
    assert_eq!(values(9, 1), [b"a", b"b"]);
    assert_eq!((values(9, 2), values(9, 3)), (vec![&b"d"[..]], Vec::new()));
}
