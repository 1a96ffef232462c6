use super::*;
use crate::method::Method;

#[test]
fn commas_separate_only_outside_quotes_and_brackets() {
    let split = |text: &str| {
        elements(text.as_bytes())
            .map(|e| String::from_utf8_lossy(e).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(split("a, b ,c"), ["a", "b", "c"]);
    assert_eq!(
        split("\"x, \\\" y\" <sip:a,b@c>;q=1,\r\n <sip:d>"),
        ["\"x, \\\" y\" <sip:a,b@c>;q=1", "<sip:d>"]
    );
    assert_eq!(split("a,,b"), ["a", "", "b"]);
    assert_eq!(split("a,"), ["a", ""]);
    assert_eq!(split(""), Vec::<String>::new());
}

#[test]
fn name_addrs() {
    let check = |text: &str, expected: Option<(&str, &str, Option<&str>)>| {
        let found = NameAddr::parse(text.as_bytes());
        let found = found.map(|a| (a.display, a.uri, a.tag()));
        let expected = expected.map(|(display, uri, tag)| {
            (display.as_bytes(), uri.as_bytes(), tag.map(str::as_bytes))
        });
        assert_eq!(found, expected, "{text}");
    };
    check("sip:a@b", Some(("", "sip:a@b", None)));
    check("sip:a@b;tag=x", Some(("", "sip:a@b", Some("x"))));
    check("<sip:a@b;tag=no>;tag=x", Some(("", "sip:a@b;tag=no", Some("x"))));
    check("A B<sip:a@b> ; TAG = x ;y", Some(("A B", "sip:a@b", Some("x"))));
    check(
        "\"<sip:x@y>;tag=1\" <sip:a@b>;tag=2",
        Some(("\"<sip:x@y>;tag=1\"", "sip:a@b", Some("2"))),
    );
    check("\"a\\\"\" <sip:a@b>", Some(("\"a\\\"\"", "sip:a@b", None)));
    check("sip:a@b;x=\"<q>\";tag=3", Some(("", "sip:a@b", Some("3"))));
    check("sip:a@b sip:c@d", None);
    check("<sip:a@b> x", None);
    check("A@B <sip:a@b>", None);
    check("", None);
}

#[test]
fn display_names_lose_quotes_and_escapes() {
    let text = |value: &str| NameAddr::parse(value.as_bytes()).unwrap().display_text();
    assert_eq!(text("\"J \\\\ \\\"R\\\"\" <sip:a@b>"), b"J \\ \"R\"");
    assert_eq!(text("Bob Smith <sip:a@b>"), b"Bob Smith");
}

#[test]
fn vias() {
    let via =
        Via::parse(b"SIP/2.0/TLS [2001:db8::9:1]:5061;received=192.0.2.1;branch=z9hG4bKa").unwrap();
    assert_eq!(via.transport, b"TLS");
    assert_eq!(via.sent_by_text, b"[2001:db8::9:1]:5061");
    assert_eq!(via.rfc3261_branch(), Some(b"a".as_slice()));
    let old = Via::parse(b"SIP/2.0/UDP host;branch=1").unwrap();
    assert_eq!((old.rfc3261_branch(), old.branch()), (None, Some(b"1".as_slice())));
    assert_eq!(Via::parse(b"SIP/2.0/UDP h;branch=z9hG4bK").unwrap().rfc3261_branch(), None);
}

#[test]
fn responses_go_to_the_source_and_rport_chooses_the_port() {
    let source = "192.0.2.7:6000".parse().unwrap();
    let to = |via: &str| Via::parse(via.as_bytes()).unwrap().reply_to(source).to_string();
    assert_eq!(to("SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKa"), "192.0.2.7:5070");
    assert_eq!(to("SIP/2.0/UDP host.example.com;branch=z9hG4bKa"), "192.0.2.7:5060");
    assert_eq!(to("SIP/2.0/UDP 192.0.2.7;rport"), "192.0.2.7:6000");
    assert_eq!(to("SIP/2.0/UDP 192.0.2.7;maddr=198.51.100.1"), "192.0.2.7:5060");
    assert_eq!(to("SIP/2.0/UDP 10.0.0.1:5070"), "192.0.2.7:6000");
    assert_eq!(to("SIP/2.0/TLS host"), "192.0.2.7:5061");
}

#[test]
fn reasons() {
    let reason = Reason::parse(b"Q.850 ;cause=16 ;text=\"Normal; clearing\"").unwrap();
    assert_eq!((reason.protocol, reason.cause), (b"Q.850".as_slice(), Some(16)));
    assert_eq!(reason.text, Some(b"Normal; clearing".as_slice()));
    assert_eq!(Reason::parse(b"SIP;cause=1000").unwrap().cause, None);
    assert_eq!(Reason::parse(b";cause=16"), None);
}

#[test]
fn cseqs() {
    let parse = |text: &str| CSeq::parse(text.as_bytes()).map(|c| (c.number, c.method));
    assert_eq!(parse("0 INVITE"), Some((0, Method::Invite)));
    assert_eq!(parse("2147483647 \t ACK"), Some((2_147_483_647, Method::Ack)));
    assert_eq!(parse("7 invite"), Some((7, Method::Other)));
    assert_eq!(parse("2147483648 ACK"), None);
    assert_eq!(parse("7INVITE"), None);
}

#[test]
fn dates_are_of_gmt() {
    let date = Date::parse(b"Sat, 13 Nov 2010 23:29:00 GMT").unwrap();
    assert_eq!((date.year, date.month, date.day, date.hour), (2010, 11, 13, 23));
    for bad in [
        "Sat, 13 Nov 2010 23:29:00 CET",
        "Sat, 13 Nov 2010 24:29:00 GMT",
        "Sat, 0 Nov 2010 23:29:00 GMT",
        "Sat, 00 Nov 2010 23:29:00 GMT",
        "Son, 13 Nov 2010 23:29:00 GMT",
        "Sat 13 Nov 2010 23:29:00 GMT",
        "1289690940",
    ] {
        assert_eq!(Date::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn contacts() {
    assert_eq!(Contacts::parse(b" * "), Some(Contacts::All));
    let several = Contacts::parse(b"<sip:a@b>;expires=5, \"x, y\" <sip:c@d>").unwrap();
    let uris: Vec<_> = several.iter().map(|a| a.uri).collect();
    assert_eq!(uris, [b"sip:a@b".as_slice(), b"sip:c@d"]);
    assert_eq!(Contacts::parse(b"*, <sip:a@b>"), None);
    assert_eq!(Contacts::parse(b""), None);
}
