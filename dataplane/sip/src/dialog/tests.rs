use super::*;
use crate::message::Index;

fn with<T>(text: &str, check: impl FnOnce(Message<'_>) -> T) -> T {
    let bytes = text.replace('\n', "\r\n").into_bytes();
    let mut index = Index::new();
    check(Message::parse(&bytes, &mut index).unwrap())
}

const INVITE: &str = "\
INVITE sips:bob@biloxi.example.com SIP/2.0
Via: SIP/2.0/TLS h;branch=z9hG4bKa
From: \"Alice\" <sips:alice@atlanta.example.com;x=y>;foo=bar;tag=at
To: <sips:bob@biloxi.example.com>
Call-ID: id@h
CSeq: 7 INVITE
Contact: <sips:alice@192.0.2.4:5071>
Record-Route: <sip:p2.example.com;lr>, \"P1\" <sip:192.0.2.1:5090;lr;x=1>
Record-Route: <sip:p0.example.com;lr>

";

const OK: &str = "\
SIP/2.0 200 OK
Via: SIP/2.0/UDP h;branch=z9hG4bKa
From: <sip:us@h>;tag=lt
To: <sip:bob@biloxi.example.com>;tag=bt
Call-ID: id@h
CSeq: 1 INVITE
Contact: Bob <sip:bob@[2001:db8::9]>
Record-Route: <sip:p1;lr>, <sip:p2;lr>

";

fn caller() -> Dialog {
    Dialog {
        call_id: (*b"id@h").into(),
        local: End { address: (*b"<sip:us@h>").into(), tag: Some((*b"lt").into()) },
        remote: End { address: (*b"<sip:bob@b>").into(), tag: None },
        local_seq: 1,
        remote_seq: None,
        target: (*b"sip:bob@b").into(),
        route_set: Vec::new(),
        secure: false,
    }
}

/// Request line and Route lines of a BYE in `dialog`.
fn bye(dialog: &Dialog) -> String {
    let mut out = Vec::new();
    let via =
        OwnVia { transport: "UDP", sent_by: ([192, 0, 2, 9], 5060).into(), branch: b"z9hG4bKb" };
    dialog.request(&mut out, Method::Bye, 2, MAX_FORWARDS, via).finish(None).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines = text.split("\r\n").filter(|l| l.starts_with("BYE") || l.starts_with("Route"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_callee_takes_the_routes_in_order() {
    let dialog = with(INVITE, |m| Dialog::of_request(m, b"bt", true)).unwrap();
    assert_eq!(*dialog.remote.address, *b"\"Alice\" <sips:alice@atlanta.example.com;x=y>");
    assert_eq!(dialog.remote.tag.as_deref(), Some(b"at".as_slice()));
    assert_eq!(*dialog.target, *b"sips:alice@192.0.2.4:5071");
    assert_eq!((dialog.remote_seq, dialog.secure), (Some(7), true));
    assert_eq!(
        bye(&dialog),
        "BYE sips:alice@192.0.2.4:5071 SIP/2.0\nRoute: <sip:p2.example.com;lr>\n\
         Route: \"P1\" <sip:192.0.2.1:5090;lr;x=1>\nRoute: <sip:p0.example.com;lr>"
    );
    assert!(!with(INVITE, |m| Dialog::of_request(m, b"bt", false)).unwrap().secure);
}

#[test]
fn a_caller_takes_them_reversed() {
    let mut dialog = caller();
    with(OK, |m| dialog.establish(m)).unwrap();
    assert_eq!(dialog.remote.tag.as_deref(), Some(b"bt".as_slice()));
    assert_eq!(
        bye(&dialog),
        "BYE sip:bob@[2001:db8::9] SIP/2.0\nRoute: <sip:p2;lr>\nRoute: <sip:p1;lr>"
    );
}

/// The example of RFC 3261 12.2.1.1.
#[test]
fn a_strict_router_gets_the_request_line() {
    let mut dialog = caller();
    dialog.target = (*b"sip:user@remoteua").into();
    dialog.route_set =
        ["<sip:proxy1;method=BYE;x?a=b>", "<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>"]
            .map(|r| r.as_bytes().into())
            .to_vec();
    assert_eq!(
        bye(&dialog),
        "BYE sip:proxy1;x SIP/2.0\nRoute: <sip:proxy2>\nRoute: <sip:proxy3;lr>\n\
         Route: <sip:proxy4>\nRoute: <sip:user@remoteua>"
    );
    assert_eq!(*dialog.request_uri(), *b"sip:proxy1;x");
}

#[test]
fn requests_come_in_order() {
    let mut dialog = caller();
    assert_eq!(dialog.order(0), Order::InOrder);
    assert_eq!(dialog.order(9), Order::InOrder);
    assert_eq!(dialog.order(9), Order::TooLate);
    assert_eq!(dialog.order(8), Order::TooLate);
    assert_eq!(dialog.order(10), Order::InOrder);
    assert_eq!((dialog.next_seq(), dialog.next_seq()), (2, 3));
}

#[test]
fn both_tags_and_the_call_id_must_match() {
    let dialog = with(INVITE, |m| Dialog::of_request(m, b"bt", false)).unwrap();
    let owns = |from: &str, to: &str, call_id: &str| {
        let text = format!(
            "BYE sip:x SIP/2.0\nFrom: <sip:a>{from}\nTo: <sip:b>{to}\nCall-ID: {call_id}\n\n"
        );
        with(&text, |m| dialog.owns_request(m))
    };
    assert!(owns(";tag=at", ";tag=bt", "id@h"));
    assert!(!owns(";tag=at", ";tag=bt", "ID@h"));
    assert!(!owns(";tag=au", ";tag=bt", "id@h"));
    assert!(!owns("", ";tag=bt", "id@h"));
    assert!(!owns(";tag=at", ";tag=bu", "id@h"));
    assert!(!owns(";tag=at", "", "id@h"));
}

#[test]
fn the_next_hop_is_the_first_route_or_the_target() {
    let hop = |target: &str, routes: &[&str]| {
        let mut dialog = caller();
        dialog.target = target.as_bytes().into();
        dialog.route_set = routes.iter().map(|r| r.as_bytes().into()).collect();
        dialog.next_hop().map(|hop| hop.to_string())
    };
    assert_eq!(hop("sip:a@192.0.2.1", &[]), Some("192.0.2.1:5060".into()));
    assert_eq!(hop("sip:a@192.0.2.1", &["<sip:192.0.2.2:99;lr>"]), Some("192.0.2.2:99".into()));
    assert_eq!(hop("sips:a@[2001:db8::1]", &[]), Some("[2001:db8::1]:5061".into()));
    assert_eq!(hop("sip:a@192.0.2.1;maddr=192.0.2.3", &[]), Some("192.0.2.3:5060".into()));
    assert_eq!(hop("sip:a@example.com", &[]), None);
}

#[test]
fn a_target_stays_when_a_message_brings_none() {
    let mut dialog = caller();
    with("ACK sip:x SIP/2.0\nContact: <tel:+1>\n\n", |m| dialog.refresh(m));
    with("ACK sip:x SIP/2.0\nContact: *\n\n", |m| dialog.refresh(m));
    assert_eq!(*dialog.target, *b"sip:bob@b");
    with("ACK sip:x SIP/2.0\nContact: <sip:new@h>\n\n", |m| dialog.refresh(m));
    assert_eq!(*dialog.target, *b"sip:new@h");
}

#[test]
fn an_endless_route_set_is_refused() {
    let routes = "Record-Route: <sip:p;lr>, <sip:p;lr>\n".repeat(ROUTES_MAX / 2 + 1);
    let text = INVITE.replacen("CSeq", &format!("{routes}CSeq"), 1);
    let refused = with(&text, |m| Dialog::of_request(m, b"bt", false));
    assert_eq!(refused, Err(Refusal::Field(Header::RecordRoute)));
}

/// RFC 3261 19.1.1, table 1: what may stand in a Contact may not stand in a request line.
#[test]
fn a_target_is_a_uri_that_requests_can_go_to() {
    let of = |contact: &str, from: &str| {
        let text = INVITE
            .replace("Contact: <sips:alice@192.0.2.4:5071>\n", contact)
            .replace("<sips:alice@atlanta.example.com;x=y>", from);
        with(&text, |m| Dialog::of_request(m, b"bt", false)).map(|dialog| dialog.target)
    };
    let from = "<sips:alice@atlanta.example.com;x=y>";
    let contact = "Contact: <sip:a@h;method=INVITE;x=1?Subject=s&Route=%3Csip:evil%3E>\n";
    assert_eq!(of(contact, from).as_deref(), Ok(b"sip:a@h;x=1".as_slice()));
    assert_eq!(of("", "<sip:a@h?x=y>").as_deref(), Ok(b"sip:a@h".as_slice()));
    assert_eq!(
        of("Contact: <tel:+1>\n", from).as_deref(),
        Ok(from.trim_matches(['<', '>']).as_bytes())
    );
    assert_eq!(of("", "<tel:+1>"), Err(Refusal::Missing(Header::Contact)));
    assert_eq!(of("Contact: *\n", "<urn:a:b>"), Err(Refusal::Missing(Header::Contact)));
}
