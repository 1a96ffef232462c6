use super::*;

#[track_caller]
fn uri(text: &str) -> Uri<'_> {
    Uri::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn parts_of_sip_uris() {
    let full = uri("sips:alice:secret@[2001:db8::1]:5061;transport=tcp;lr?subject=a%20b&x=")
        .sip()
        .unwrap();
    assert!(full.secure && full.is_loose_router() && full.has_headers());
    assert_eq!((full.user, full.password), (Some(b"alice".as_slice()), Some(b"secret".as_slice())));
    assert_eq!(full.host, Host::V6("2001:db8::1".parse().unwrap()));
    assert_eq!(full.port, Some(5061));
    assert_eq!(full.param(b"Transport"), Some(Some(b"tcp".as_slice())));
    assert_eq!(full.param(b"maddr"), None);
    assert_eq!(full.headers().count(), 2);
    let odd = uri("sip:user;par=u%40example.net@example.com").sip().unwrap();
    assert_eq!(odd.user, Some(b"user;par=u%40example.net".as_slice()));
    assert_eq!(odd.user_text().unwrap(), b"user;par=u@example.net".as_slice());
    assert_eq!(odd.params().count(), 0);
    assert_eq!(uri("sip:%00@host").user().unwrap(), b"\0".as_slice());
    assert_eq!(uri("SIP:*21#100@host").user().unwrap(), b"*21#100".as_slice());
}

#[test]
fn malformed_uris() {
    for text in [
        "",
        "sip",
        "sip:",
        "sip:@host",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@host:",
        "sip:a@host:65536",
        "sip:a@host;",
        "sip:a@host;=x",
        "sip:a@host;x=",
        "sip:a%2@host",
        "sip:a@ho st",
        "sip:a@h?",
        "sip:a@[::1",
        "sip:a@[zz]",
        "sip:1.2.3",
        "sip:-a",
        "sip:a..b",
        "<sip:a@b>",
        "sip:a@h?=v",
        "tel:",
        "tel:+",
        "tel:12a4g",
        "tel:+12*",
        "1x:y",
        "http:",
        "x y:z",
        "tel:12;x=%4",
    ] {
        assert!(Uri::parse(text.as_bytes()).is_none(), "{text}");
    }
    let long = format!("sip:{}@h", "a".repeat(URI_MAX));
    assert!(Uri::parse(long.as_bytes()).is_none());
}

#[test]
fn tel_uris() {
    let Uri::Tel(tel) = uri("tel:+1-(212)-555.1212;ext=7") else { panic!("not tel") };
    assert!(tel.is_global());
    assert_eq!(tel.digits().collect::<Vec<_>>(), b"+12125551212");
    assert_eq!(tel.params().next(), Some((b"ext".as_slice(), Some(b"7".as_slice()))));
    assert!(uri("tel:*21#").user().is_some());
}

/// The sets of RFC 3261 19.1.4, some pairs of its text, and tel.
#[test]
fn equivalence() {
    let check = |a: &str, b: &str, same: bool| {
        assert_eq!(uri(a).matches(uri(b)), same, "{a} {b}");
        assert_eq!(uri(b).matches(uri(a)), same, "{b} {a}");
    };
    check("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true);
    check("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true);
    check("sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true);
    check("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true);
    check("sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on", false);
    check(
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        true,
    );
    check(
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        true,
    );
    check("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false);
    check("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false);
    check("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false);
    check("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false);
    check("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false);
    check("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false);
    check("sip:a@h", "sips:a@h", false);
    check("sip:a@h", "sip:h", false);
    check("sip:a:p@h", "sip:a@h", false);
    check("sip:a@h;user=phone", "sip:a@h", false);
    check("sip:a@h;maddr=1.2.3.4", "sip:a@h", false);
    check("sip:a%3bb@h", "sip:a;b@h", false);
    check("sip:a%3bb@h", "sip:a%3Bb@h", true);
    check("tel:+1-212-555-1212", "tel:+12125551212", true);
    check("tel:+12125551212", "tel:12125551212", false);
    check("tel:123;phone-context=a.com", "tel:123;phone-context=b.com", false);
    check("urn:service:sos", "URN:service:sos", true);
    check("urn:service:sos", "sip:sos@h", false);
}

/// The comparison as the clause words it, each parameter against each: slow, and easy to check.
fn naive(a: &str, b: &str) -> bool {
    type Pairs = Vec<(String, Option<String>)>;
    let params = |text: &str| -> Pairs {
        let split = |part: &str| match part.split_once('=') {
            Some((name, value)) => (name.to_lowercase(), Some(value.to_lowercase())),
            None => (part.to_lowercase(), None),
        };
        text.split(';').skip(1).map(split).collect()
    };
    let within = |a: &Pairs, b: &Pairs| {
        a.iter().all(|(name, value)| match b.iter().find(|(other, _)| other == name) {
            Some((_, other)) => value == other,
            None => !["user", "ttl", "method", "maddr", "transport"].contains(&name.as_str()),
        })
    };
    let (a, b) = (params(a), params(b));
    within(&a, &b) && within(&b, &a)
}

#[test]
fn parameters_compare_as_the_clause_words_it() {
    let words = ["a", "A=1", "a=1", "a=2", "b", "b=x", "ttl=1", "ttl=2", "maddr=h", "c=%2b"];
    let mut dice = 7u32;
    let mut seen = [0; 2];
    for _ in 0..4_000 {
        let mut text = || {
            let mut text = String::from("sip:h");
            for _ in 0..3 {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (dice >> 16) as usize % (words.len() + 6);
                if let Some(word) = words.get(at) {
                    text.push(';');
                    text.push_str(word);
                }
            }
            text
        };
        let (a, b) = (text(), text());
        let same = uri(&a).matches(uri(&b));
        assert_eq!(same, naive(&a, &b), "{a} {b}");
        seen[usize::from(same)] += 1;
    }
    assert!(seen.iter().all(|n| *n > 500), "{seen:?}");
}

/// As many parameters, header fields and tel parameters as a URI can have.
#[test]
fn long_uris_compare_in_time() {
    let list = |n: usize, separator: &str, end: &str| -> Vec<String> {
        (0..n).map(|i| format!("{separator}{i:x}{end}")).collect()
    };
    let reversed = |mut parts: Vec<String>| {
        parts.reverse();
        parts.concat()
    };
    for (head, parts, other) in [
        ("sip:h", list(800, ";", ""), "sip:h;0=other"),
        ("tel:+1", list(800, ";", ""), "tel:+1;0"),
        ("sip:h?x=1", list(600, "&", "="), "sip:h?x=1"),
    ] {
        let (a, b) = (format!("{head}{}", parts.concat()), format!("{head}{}", reversed(parts)));
        assert!(a.len() <= URI_MAX, "{}", a.len());
        for _ in 0..200 {
            assert!(uri(&a).matches(uri(&b)) && uri(&b).matches(uri(&a)));
        }
        assert!(!uri(&a).matches(uri(other)));
    }
}

#[test]
fn builder_escapes_and_refuses() {
    let text = |builder: UriBuilder| builder.finish().map(|uri| String::from_utf8(uri).unwrap());
    assert_eq!(
        text(
            UriBuilder::sip()
                .user(b"+44 20#\"@:")
                .address("2001:db8::1".parse().unwrap())
                .port(5060)
        ),
        Some("sip:+44%2020%23%22%40%3A@[2001:db8::1]:5060".into())
    );
    assert_eq!(
        text(UriBuilder::sips().host("example.com").flag("lr").param("x", b"a;b")),
        Some("sips:example.com;lr;x=a%3Bb".into())
    );
    assert_eq!(text(UriBuilder::tel(b"+4420")), Some("tel:+4420".into()));
    assert_eq!(text(UriBuilder::sip().host("a\r\nVia: x")), None);
    assert_eq!(text(UriBuilder::sip().user(b"a").host("")), None);
    assert_eq!(text(UriBuilder::tel(b"+44\r\n")), None);
    assert_eq!(text(UriBuilder::sip().user(&[b'a'; URI_MAX]).host("h")), None);
}
