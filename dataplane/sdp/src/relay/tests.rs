use super::{Keyed, Place, Policy, RelayError, RelayPlan};
use crate::{Description, Direction, DtlsForm, LocalSession, Target};

/// Our places: RTP ports 16384, 16388 ... on 203.0.113.1, RTCP one above.
fn places(count: usize) -> Vec<Option<Place>> {
    let at = |port: u16| format!("203.0.113.1:{port}").parse().unwrap();
    (0..count as u16)
        .map(|n| Some(Place { rtp: at(16384 + 4 * n), rtcp: at(16385 + 4 * n) }))
        .collect()
}

fn relay_to(body: &str, places: &[Option<Place>], policy: Policy) -> String {
    let body = body.replace('\n', "\r\n");
    let theirs = Description::parse(body.as_bytes()).unwrap();
    let plan = RelayPlan { address: "203.0.113.1".parse().unwrap(), places, policy, keys: &[] };
    let mut session = LocalSession::new(77);
    let ours = session.relay(&theirs, &plan).unwrap().to_vec();
    assert_eq!(Description::parse(&ours).unwrap().media_count(), theirs.media_count());
    String::from_utf8(ours).unwrap().replace("\r\n", "\n")
}

fn check(body: &str, expected: &str) {
    let count = body.matches("m=").count();
    assert_eq!(relay_to(body, &places(count), Policy::Plain), expected);
}

#[test]
fn a_plain_call_comes_to_us() {
    check(
        "v=0\no=alice 12 34 IN IP4 10.0.0.5\ns=Call\nc=IN IP4 10.0.0.5\nt=0 0\na=tool:x\n\
         m=audio 4000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\na=unknown\na=ptime:30\n",
        "v=0\no=- 77 77 IN IP4 203.0.113.1\ns=Call\nc=IN IP4 203.0.113.1\nt=0 0\na=tool:x\n\
         m=audio 16384 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\na=unknown\na=ptime:30\n",
    );
}

#[test]
fn connections_of_media_lines_are_ours_too() {
    check(
        "v=0\no=- 1 1 IN IP4 10.0.0.5\ns=-\nt=0 0\n\
         m=audio 4000 RTP/AVP 8\ni=talk\nc=IN IP4 10.0.0.5\nb=AS:64\n\
         m=video 4002/2 RTP/AVP 96\nc=IN IP4 10.0.0.6\nc=IN IP4 10.0.0.7\na=rtpmap:96 H264/90000\n\
         m=audio 0 RTP/AVP 0\nc=IN IP4 10.0.0.8\n",
        "v=0\no=- 77 77 IN IP4 203.0.113.1\ns=-\nt=0 0\n\
         m=audio 16384 RTP/AVP 8\ni=talk\nc=IN IP4 203.0.113.1\nb=AS:64\n\
         m=video 16388 RTP/AVP 96\nc=IN IP4 203.0.113.1\na=rtpmap:96 H264/90000\n\
         m=audio 0 RTP/AVP 0\nc=IN IP4 203.0.113.1\n",
    );
}

#[test]
fn ice_mux_and_bundles_are_taken_out_of_a_plain_call() {
    let body = "v=0\no=- 1 1 IN IP4 10.0.0.5\ns=-\nc=IN IP4 10.0.0.5\nt=0 0\n\
         a=ice-lite\na=group:BUNDLE 0\na=group:LS 0 1\n\
         m=audio 4000 RTP/AVP 8\na=ice-ufrag:u\na=ice-pwd:p\na=ice-options:trickle\n\
         a=candidate:1 1 UDP 2130706431 10.0.0.5 4000 typ host\na=end-of-candidates\n\
         a=rtcp-mux\na=mid:0\na=alt:1 1 : x y 10.0.0.5 4000\na=rtcp:4001 IN IP4 10.0.0.5\n\
         a=source-filter:incl IN IP4 * 10.0.0.5\na=ssrc:1 cname:x\n";
    check(
        body,
        "v=0\no=- 77 77 IN IP4 203.0.113.1\ns=-\nc=IN IP4 203.0.113.1\nt=0 0\na=group:LS 0 1\n\
         m=audio 16384 RTP/AVP 8\na=mid:0\na=ssrc:1 cname:x\n",
    );
    let transparent = relay_to(body, &places(1), Policy::Transparent);
    for kept in ["a=candidate", "a=rtcp-mux", "a=ice-lite", "a=group:BUNDLE"] {
        assert!(transparent.contains(kept), "{kept}");
    }
    assert!(!transparent.contains("10.0.0.5 4000\na=rtcp:"));
    for dropped in ["a=alt", "a=rtcp:", "a=source-filter"] {
        assert!(!transparent.contains(dropped), "{dropped}");
    }
}

#[test]
fn a_hold_by_address_becomes_a_hold_by_direction() {
    check(
        "v=0\no=- 1 1 IN IP4 10.0.0.5\ns=-\nc=IN IP4 0.0.0.0\nt=0 0\n\
         m=audio 4000 RTP/AVP 8\na=sendrecv\na=ptime:20\n\
         m=audio 4002 RTP/AVP 8\na=recvonly\n\
         m=audio 4004 RTP/AVP 8\nc=IN IP4 10.0.0.5\na=sendrecv\n",
        "v=0\no=- 77 77 IN IP4 203.0.113.1\ns=-\nc=IN IP4 203.0.113.1\nt=0 0\n\
         m=audio 16384 RTP/AVP 8\na=ptime:20\na=sendonly\n\
         m=audio 16388 RTP/AVP 8\na=inactive\n\
         m=audio 16392 RTP/AVP 8\nc=IN IP4 203.0.113.1\na=sendrecv\n",
    );
}

#[test]
fn holds_by_direction_pass() {
    for direction in ["sendonly", "recvonly", "inactive"] {
        let with = |o: &str, ip: &str, port: u16| {
            format!(
                "v=0\no={o} IN IP4 {ip}\nc=IN IP4 {ip}\nm=audio {port} RTP/AVP 8\na={direction}\n"
            )
        };
        check(&with("- 1 1", "10.0.0.5", 4000), &with("- 77 77", "203.0.113.1", 16384));
    }
}

#[test]
fn rtcp_is_named_where_it_is_not_one_above() {
    let at = |text: &str| text.parse().unwrap();
    let body = "v=0\no=- 1 1 IN IP4 10.0.0.5\nc=IN IP4 10.0.0.5\n\
        m=audio 4000 RTP/AVP 8\na=rtcp:9\nm=image 4002 udptl t38\n";
    let apart = Place { rtp: at("203.0.113.1:16384"), rtcp: at("203.0.113.1:16390") };
    let text = relay_to(body, &[Some(apart), Some(apart)], Policy::Plain);
    assert!(text.ends_with("m=audio 16384 RTP/AVP 8\na=rtcp:16390\nm=image 16384 udptl t38\n"));
    let elsewhere = Place { rtp: at("203.0.113.1:16384"), rtcp: at("[2001:db8::1]:16385") };
    let text = relay_to(body, &[Some(elsewhere), None], Policy::Plain);
    let expected = "a=rtcp:16385 IN IP6 2001:db8::1\nm=image 0 udptl t38\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn media_on_another_address_or_family_gets_its_own_connection() {
    let at = |text: &str| text.parse().unwrap();
    let place = Place { rtp: at("[2001:db8::1]:16384"), rtcp: at("[2001:db8::1]:16385") };
    let body = "v=0\no=- 1 1 IN IP4 10.0.0.5\nc=IN IP4 10.0.0.5\n\
        m=audio 4000 RTP/AVP 8\na=ptime:20\nm=audio 4002 RTP/AVP 8";
    let text = relay_to(body, &[Some(place), Some(place)], Policy::Plain);
    let expected = "c=IN IP4 203.0.113.1\n\
        m=audio 16384 RTP/AVP 8\nc=IN IP6 2001:db8::1\na=ptime:20\n\
        m=audio 16384 RTP/AVP 8\nc=IN IP6 2001:db8::1\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_plan_names_a_place_for_every_media_line() {
    let body = b"v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\nc=IN IP4 10.0.0.5\r\nm=audio 4 RTP/AVP 8\r\n";
    let theirs = Description::parse(body).unwrap();
    let address = "203.0.113.1".parse().unwrap();
    let plan = RelayPlan { address, places: &[], policy: Policy::Plain, keys: &[] };
    let mut session = LocalSession::new(1);
    assert_eq!(session.relay(&theirs, &plan), Err(RelayError::Places));
    assert!(session.last().is_empty());
}

#[test]
fn the_same_offer_again_keeps_its_version_whatever_theirs_is() {
    let body = |version: u8, extra: &str| {
        format!(
            "v=0\r\no=- 1 {version} IN IP4 10.0.0.5\r\nc=IN IP4 10.0.0.5\r\n\
             m=audio 4000 RTP/AVP 8\r\n{extra}"
        )
    };
    let mut session = LocalSession::new(5);
    let mut version_after = |body: String| {
        let theirs = Description::parse(body.as_bytes()).unwrap();
        let address = "203.0.113.1".parse().unwrap();
        let plan = RelayPlan { address, places: &places(1), policy: Policy::Plain, keys: &[] };
        session.relay(&theirs, &plan).unwrap();
        session.version()
    };
    assert_eq!(version_after(body(1, "")), 5);
    assert_eq!(version_after(body(2, "")), 5);
    assert_eq!(version_after(body(3, "a=sendonly\r\n")), 6);
    assert_eq!(version_after(body(3, "")), 7);
}

/// Keys are theirs, none, or ours; everything else of the line stays, and a rejected line names no
/// key.
#[test]
fn keys_are_taken_out_and_put_in() {
    let lines = "c=IN IP4 192.0.2.1\n\
        m=audio 4000 RTP/SAVP 8 101\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:their\n\
        a=x-vendor:kept\na=key-mgmt:mikey abc\n\
        m=video 4002 RTP/SAVPF 96\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:their\n\
        m=audio 0 RTP/SAVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:their\n";
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\n{lines}").replace('\n', "\r\n");
    let theirs = Description::parse(text.as_bytes()).unwrap();
    let ours = |is_required| Keyed::Ours { lines: b"a=crypto:7 X inline:our\r\n", is_required };
    let told = |keys: [Keyed<'static>; 3]| {
        let plan = RelayPlan {
            address: "203.0.113.1".parse().unwrap(),
            places: &places(3),
            policy: Policy::Plain,
            keys: &keys,
        };
        let mut session = LocalSession::new(9);
        let body = String::from_utf8(session.relay(&theirs, &plan).unwrap().to_vec()).unwrap();
        let is_told = |line: &&str| line.starts_with("m=") || line.contains("crypto");
        let kept = body.contains("x-vendor:kept\r\n");
        assert!(kept && (body.contains("mikey") == (keys[0] == Keyed::Theirs)), "{body}");
        let words = body.lines().filter(is_told).map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            words[2].to_owned()
        });
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        told([Keyed::Theirs; 3]),
        "RTP/SAVP inline:their RTP/SAVPF inline:their RTP/SAVP inline:their"
    );
    assert_eq!(told([Keyed::Plain; 3]), "RTP/AVP RTP/AVPF RTP/AVP");
    assert_eq!(
        told([ours(true), ours(false), ours(true)]),
        "RTP/SAVP inline:our RTP/AVPF inline:our RTP/SAVP"
    );
    assert_eq!(
        told([Keyed::Plain, ours(true), Keyed::Plain]),
        "RTP/AVP RTP/SAVPF inline:our RTP/AVP"
    );
    assert_eq!(format!("{:?}", ours(true)), "Ours (required)", "no key in a log");
}

const BROWSER: &str = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0\n\
    a=extmap-allow-mixed\na=msid-semantic: WMS\na=fingerprint:sha-256 AA\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 0\nc=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 0.0.0.0\n\
    a=candidate:1 1 udp 2113937151 a.local 54400 typ host\na=ice-ufrag:their\na=ice-pwd:their\n\
    a=setup:actpass\na=mid:0\na=extmap:1 urn:x\na=sendrecv\na=msid:- x\na=rtcp-mux\na=rtcp-rsize\n\
    a=rtpmap:111 opus/48000/2\na=rtcp-fb:111 transport-cc\na=fmtp:111 useinbandfec=1\n\
    a=x-vendor:kept\na=ssrc:7 cname:x\n";

fn keyed_to(body: &str, keyed: Keyed<'_>) -> String {
    let body = body.replace('\n', "\r\n");
    let theirs = Description::parse(body.as_bytes()).unwrap();
    let plan = RelayPlan {
        address: "203.0.113.1".parse().unwrap(),
        places: &places(1),
        policy: Policy::Plain,
        keys: &[keyed],
    };
    let mut session = LocalSession::new(77);
    let ours = session.relay(&theirs, &plan).unwrap().to_vec();
    let head = "v=0\no=- 77 77 IN IP4 203.0.113.1\ns=-\nt=0 0\n";
    let ours = String::from_utf8(ours).unwrap().replace("\r\n", "\n");
    ours.strip_prefix(head).unwrap().to_owned()
}

/// To who has no DTLS a browser is a phone.
#[test]
fn what_only_browsers_mean_goes_to_browsers_only() {
    let codecs = "a=rtpmap:111 opus/48000/2\n";
    assert_eq!(
        keyed_to(BROWSER, Keyed::Plain),
        format!(
            "m=audio 16384 RTP/AVP 111 0\nc=IN IP4 203.0.113.1\na=sendrecv\n{codecs}\
             a=fmtp:111 useinbandfec=1\na=x-vendor:kept\n"
        )
    );
    let keyed = Keyed::Dtls {
        lines: b"a=ours\r\n",
        form: DtlsForm { has_ice: true, has_mux: true, has_feedback: true },
    };
    assert_eq!(
        keyed_to(BROWSER, keyed),
        format!(
            "a=extmap-allow-mixed\na=msid-semantic: WMS\na=ice-lite\n\
             m=audio 16384 UDP/TLS/RTP/SAVPF 111 0\nc=IN IP4 203.0.113.1\na=mid:0\n\
             a=extmap:1 urn:x\na=sendrecv\na=msid:- x\na=rtcp-rsize\n{codecs}\
             a=rtcp-fb:111 transport-cc\na=fmtp:111 useinbandfec=1\na=x-vendor:kept\n\
             a=ssrc:7 cname:x\na=ours\na=rtcp-mux\n\
             a=candidate:1 1 UDP 2130706431 203.0.113.1 16384 typ host\na=end-of-candidates\n"
        )
    );
}

/// RTCP that has a port of its own has a candidate of its own; who has no ICE is told none.
#[test]
fn a_phone_is_told_dtls_as_it_speaks_it() {
    let phone =
        "v=0\no=- 1 1 IN IP4 10.0.0.5\ns=-\nt=0 0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 10.0.0.5\n";
    let form = DtlsForm { has_ice: true, has_mux: false, has_feedback: false };
    let told = |form| keyed_to(phone, Keyed::Dtls { lines: b"a=ours\r\n", form });
    assert_eq!(
        told(form),
        "a=ice-lite\nm=audio 16384 UDP/TLS/RTP/SAVP 0\nc=IN IP4 203.0.113.1\na=ours\n\
         a=candidate:1 1 UDP 2130706431 203.0.113.1 16384 typ host\n\
         a=candidate:1 2 UDP 2130706430 203.0.113.1 16385 typ host\na=end-of-candidates\n"
    );
    let none = DtlsForm { has_ice: false, ..form };
    let line = "m=audio 16384 UDP/TLS/RTP/SAVP 0\nc=IN IP4 203.0.113.1\na=ours\n";
    assert_eq!(told(none), line);
}

/// An address that is none is a hold, but not by ICE, where candidates say where a party is.
#[test]
fn a_browser_without_an_address_does_not_hold() {
    let terms = |body: &str| {
        let body = body.replace('\n', "\r\n");
        let theirs = Description::parse(body.as_bytes()).unwrap();
        let media = theirs.media().next().unwrap();
        let stated = media.stated("fingerprint").next().map(<[u8]>::to_vec);
        (media.terms().target, media.terms().direction, stated)
    };
    let fingerprint = Some(b"sha-256 AA".to_vec());
    let named = (Target::Named { port: 9 }, Direction::SendRecv, fingerprint.clone());
    assert_eq!(terms(BROWSER), named);
    let held = (Target::Held, Direction::SendOnly, fingerprint);
    assert_eq!(terms(&BROWSER.replace("ice-ufrag", "other")), held);
}
