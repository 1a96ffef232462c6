use super::*;
use crate::limits::FOLDS_MAX;
use crate::message::{Index, Message};

fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

#[test]
fn a_request_gives_its_facts() {
    let bytes = wire(
        "BYE sip:a@b SIP/2.0\nSubject: x\nv: SIP/2.0/UDP h\n ;branch=z9hG4bKq, SIP/2.0/UDP i\n\
         Via: SIP/2.0/UDP j;branch=no\nfrom: \"a <b>;tag=no\" <sip:a@b;tag=no>;tag=f1\n\
         To : sip:c@d\n ; tag = t1\n\
         Call-ID:  id@h \nCSeq: 7  BYE\n\nbody",
    );
    let scan = scan(&bytes).unwrap();
    assert_eq!(scan.method, Some(Method::Bye));
    assert_eq!(scan.branch, Some(b"z9hG4bKq".as_slice()));
    assert_eq!(scan.from_tag, Some(b"f1".as_slice()));
    assert_eq!(scan.to_tag, Some(b"t1".as_slice()));
    assert_eq!(scan.call_id, b"id@h");
    assert_eq!(scan.cseq_method, Some(Method::Bye));
}

#[test]
fn a_response_gives_its_facts() {
    let bytes = wire(
        "SIP/2.0 183 Session Progress\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\nCSeq: 7 INVITE\n\n",
    );
    let scan = scan(&bytes).unwrap();
    assert_eq!((scan.method, scan.code), (None, Some(183)));
    assert_eq!(scan.cseq_method, Some(Method::Invite));
    assert_eq!((scan.from_tag, scan.to_tag, scan.call_id), (None, None, b"".as_slice()));
}

#[test]
fn what_is_in_the_body_is_not_seen() {
    let bytes = wire("OPTIONS sip:a SIP/2.0\nVia: SIP/2.0/UDP h\n\nCall-ID: evil\n\n");
    assert_eq!(scan(&bytes).unwrap().call_id, b"");
}

#[test]
fn overload_refuses_only_what_begins_something() {
    let check = |head: &str, refused: bool| {
        assert_eq!(scan(&wire(head)).unwrap().begins_something(), refused, "{head}");
    };
    check("INVITE sip:a SIP/2.0\nTo: sip:a\n\n", true);
    check("INVITE sip:a SIP/2.0\nTo: sip:a;tag=1\n\n", false);
    check("REGISTER sip:a SIP/2.0\nTo: sip:a\n\n", true);
    check("ACK sip:a SIP/2.0\nTo: sip:a\n\n", false);
    check("CANCEL sip:a SIP/2.0\nTo: sip:a\n\n", false);
    check("SIP/2.0 200 OK\nTo: sip:a\n\n", false);
}

#[test]
fn what_is_no_message_has_no_facts() {
    for text in
        ["", "\n\n", "hello\n\n", "SIP/2.0 xyz\n\n", "SIP/2.0 2\n\n", "a{b sip:x SIP/2.0\n\n"]
    {
        assert_eq!(scan(&wire(text)), None, "{text}");
    }
}

#[test]
fn a_body_that_begins_with_white_space_is_no_fold_of_the_empty_line() {
    let bytes = wire("OPTIONS sip:a SIP/2.0\nVia: SIP/2.0/UDP h\n\n \nCall-ID: evil\n\n");
    assert_eq!(scan(&bytes).unwrap().call_id, b"");
}

#[test]
fn a_scan_ends_where_the_index_gives_up() {
    let head = "OPTIONS sip:a SIP/2.0\nVia: SIP/2.0/UDP h\n";
    for broken in ["X: y\rz\n".to_string(), format!("X: y{}\n", "\n z".repeat(FOLDS_MAX + 1))] {
        let bytes = wire(&format!("{head}{broken}Call-ID: behind\n\n"));
        assert_eq!(scan(&bytes).unwrap().call_id, b"", "{broken:?}");
        let mut index = Index::new();
        assert!(Message::parse(&bytes, &mut index).is_err(), "{broken:?}");
        assert_eq!(Message::salvage(&bytes, &index).value(Header::SipCallId), None);
    }
    let many = wire(&format!("{head}{}Call-ID: behind\n\n", "X: y\n".repeat(HEADERS_MAX - 1)));
    assert_eq!(scan(&many).unwrap().call_id, b"");
}
