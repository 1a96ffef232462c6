use super::*;
use crate::endpoint::Output;
use crate::endpoint::tests::script::{Bench, field, realm};
use crate::header::Header;

#[test]
fn an_invite_is_refused_for_what_it_is_or_brings() {
    let refused = |words: &str, status: u16, told: &str| {
        check(&format!(
            "peer> INVITE {words}
            count< Barred({status})
            peer< {status} INVITE {told}
            peer> ACK
            count< StrayAck"
        ));
    };
    refused("| Max-Forwards: 0", 483, "");
    refused("| Require: 100rel, precondition", 420, "| Unsupported: precondition");
    refused("| Require: a | Require: b", 420, "| Unsupported: a, b");
    refused("| Content-Type: text/plain", 415, "| Accept: application/sdp");
    refused(
        "| Content-Type: application/sdp | Content-Encoding: gzip",
        415,
        "| Accept-Encoding: identity",
    );
    refused("| Accept: text/html", 406, "");
}

#[test]
fn an_invite_that_accepts_us_among_others_passes() {
    check(
        "peer> INVITE | Accept: text/plain, application/*;q=0.5
        peer< 100 INVITE
        call< Offered 4420 sdp",
    );
}

#[test]
fn malformed_requests_are_told_why() {
    check(
        "peer> INVITE | Max-Forwards: x
        count< Refused(Field(MaxForwards))
        peer< 400 INVITE | SIP/2.0 400 Malformed Max-Forwards
        peer> INVITE uri=foo:bar
        count< Refused(UriScheme)
        peer< 416 INVITE
        peer> ACK | Max-Forwards: x
        count< Dropped(Field(MaxForwards))",
    );
}

/// It is no request of a dialog, and none that begins one either.
#[test]
fn a_tag_without_a_value_is_malformed_and_gets_no_second_one() {
    let mut bench = Bench::new();
    let source = "192.0.2.9:5060".parse().unwrap();
    for to in ["<sip:a@192.0.2.1>;tag", "<sip:a@192.0.2.1>;Tag ;x=y", "sip:a@192.0.2.1;tag"] {
        let head = format!(
            "INVITE sip:a@192.0.2.1 SIP/2.0\r\n\
            Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx\r\n\
            From: <sip:b@192.0.2.9>;tag=1\r\nTo: {to}\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n"
        );
        bench.throw(head.as_bytes(), source);
        let mut told = std::iter::from_fn(|| bench.endpoint.poll_output());
        let sent = told.find_map(|output| {
            let Output::Transmit(sent) = output else { return None };
            Some(sent)
        });
        let text = String::from_utf8_lossy(&sent.unwrap().bytes).into_owned();
        assert!(text.starts_with("SIP/2.0 400 Malformed To\r\n"), "{text}");
        assert!(text.contains(&format!("\r\nTo: {to}\r\n")), "{text}");
    }
}

#[test]
fn a_request_without_cseq_is_dropped() {
    let mut bench = Bench::new();
    let source = "192.0.2.9:5060".parse().unwrap();
    let head = "INVITE sip:a@192.0.2.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx\r\n\
        From: <sip:b@192.0.2.9>;tag=1\r\nTo: <sip:a@192.0.2.1>\r\nCall-ID: c\r\n";
    for (rest, answers) in [("CSeq: 1 INVITE\r\n", 1), ("", 0)] {
        // Both end before the empty line.
        bench.feed(format!("{head}{rest}").as_bytes(), source);
        assert_eq!(bench.messages().len(), answers, "{rest:?}");
    }
}

#[test]
fn unknown_methods_and_those_not_taken() {
    check(
        "peer> FROB outside
        count< Barred(501)
        peer< 501 FROB
        peer> PUBLISH outside
        count< Barred(405)
        peer< 405 PUBLISH | Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, \
            SUBSCRIBE, MESSAGE, REGISTER
        peer> SUBSCRIBE outside | Event: presence
        count< Barred(489)
        peer< 489 SUBSCRIBE | Allow-Events: refer
        peer> BYE outside
        count< NoDialog
        peer< 481 BYE
        peer> NOTIFY outside
        count< NoDialog
        peer< 481 NOTIFY",
    );
}

#[test]
fn options_show_what_we_speak() {
    check(
        "peer> OPTIONS outside | Max-Forwards: 0
        peer< 200 OPTIONS | Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, \
            SUBSCRIBE, MESSAGE, REGISTER | Accept: application/sdp \
            | Supported: 100rel, timer, norefersub, replaces | Allow-Events: refer
        peer> OPTIONS outside | Require: foo
        count< Barred(420)
        peer< 420 OPTIONS | Unsupported: foo",
    );
}

#[test]
fn stateless_answers_are_the_same_each_time() {
    let mut bench = Bench::new();
    bench.run_open("peer> OPTIONS outside cseq=1 branch=z9hG4bKo");
    bench.run_open("peer< 200 OPTIONS");
    bench.run_open("peer> OPTIONS outside cseq=1 branch=z9hG4bKo");
    let first = bench.messages().remove(0);
    bench.run_open("peer> OPTIONS outside cseq=1 branch=z9hG4bKo");
    assert_eq!(bench.messages().remove(0), first);
    assert_eq!(bench.endpoint.transactions(), 0);
}

#[test]
fn the_same_request_by_another_way_is_merged() {
    check(
        "peer> INVITE cseq=7 branch=z9hG4bKa
        peer< 100 INVITE
        call< Offered 4420 sdp
        peer> INVITE cseq=7 branch=z9hG4bKb
        count< Merged
        peer< 482 INVITE
        peer> INVITE cseq=8 branch=z9hG4bKc
        peer< 100 INVITE
        call< Offered 4420 sdp",
    );
}

#[test]
fn a_full_node_says_when_to_come_again() {
    let mut bench = Bench::new();
    bench.keys.slots_max = 0;
    bench.run_open("peer> INVITE\ncount< Full");
    let answer = bench.messages().remove(0);
    assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
    let seconds: u32 = field(&answer, Header::RetryAfter).unwrap().parse().unwrap();
    assert!((1..=3).contains(&seconds));
}

#[test]
fn full_tables_still_take_what_ends_calls() {
    let mut bench = Bench::new();
    let mut config = script::config();
    config.transactions_max = 4;
    bench.endpoint = crate::endpoint::Endpoint::new(config);
    let calls = |n: u32| format!("peer> INVITE callid=c{n}");
    for n in 0..3 {
        bench.run(&format!("{}\npeer< 100 INVITE\ncall< Offered 4420 sdp", calls(n)));
    }
    bench.run(&format!("{}\ncount< Full\npeer< 503 INVITE", calls(3)));
    bench.run(
        "call> Answer sdp
        peer< 200 INVITE sdp
        peer> BYE callid=c2
        peer< 200 BYE
        call< Ended 0/16 party",
    );
}

#[test]
fn what_only_lingers_makes_room() {
    let mut bench = Bench::new();
    let mut config = script::config();
    config.transactions_max = 16;
    bench.endpoint = crate::endpoint::Endpoint::new(config);
    // Each call leaves an INVITE and a BYE that wait for copies for 64 T1.
    for n in 0..40 {
        bench.run(&format!(
            "peer> INVITE callid=c{n}
            peer< 100 INVITE
            call< Offered 4420 sdp
            call> Answer sdp
            peer< 200 INVITE sdp
            peer> ACK callid=c{n}
            call< Confirmed
            peer> BYE callid=c{n}
            peer< 200 BYE
            call< Ended 0/16 party"
        ));
        bench.run("wait 1");
        let endpoint = &bench.endpoint;
        assert!(endpoint.transactions() <= 8 + 1, "{}", endpoint.transactions());
        assert_eq!(endpoint.transactions() - endpoint.lingering(), 0);
    }
}

#[test]
fn whoever_comes_too_early_is_told_to_come_again() {
    let mut bench = Bench::new();
    bench.keys.unready = true;
    bench.run(
        "peer> INVITE
        count< Full
        peer< 503 INVITE
        peer> REGISTER
        count< Full
        peer< 503 REGISTER",
    );
    assert_eq!((bench.keys.next, bench.endpoint.legs()), (0, 0), "nothing is kept");
}

#[test]
fn strangers_are_not_answered_when_denied() {
    let mut bench = Bench::new();
    bench.keys.deny = true;
    bench.run(
        "peer> INVITE
        count< Denied
        peer> OPTIONS outside
        count< Denied
        peer> REGISTER
        count< Denied",
    );
}

#[test]
fn strangers_show_credentials_first_and_nothing_is_kept() {
    let mut bench = Bench::new();
    bench.keys.challenge = Some(realm());
    bench.run_open("peer> INVITE\ncount< Challenged");
    let asked = bench.messages().remove(0);
    assert!(asked.starts_with("SIP/2.0 401 "), "{asked}");
    let values: Vec<_> =
        asked.lines().filter_map(|l| l.strip_prefix("WWW-Authenticate: ")).collect();
    assert!(values.len() == 2 && values[0].contains("SHA-256") && values[1].contains("MD5"));
    assert_eq!((bench.endpoint.transactions(), bench.endpoint.legs()), (0, 0));
    let answer = |value: &str| {
        let challenge = crate::digest::Challenge::parse(value.as_bytes()).unwrap();
        let identity = crate::digest::Identity { username: b"1001", password: b"pw" };
        let request =
            crate::digest::Request { method: b"INVITE", uri: b"sip:4420@pbx.example.com" };
        let mut out = Vec::new();
        challenge.answer(identity, request, b"c", 1, &mut out);
        String::from_utf8(out).unwrap()
    };
    let credentials = answer(values[0]);
    bench.run(&format!(
        "peer> ACK
        count< StrayAck
        peer> INVITE from=192.0.2.200:5060 | Authorization: {credentials}
        count< Challenged
        peer< 401 INVITE
        peer> INVITE | Authorization: {credentials}
        peer< 100 INVITE
        call< Offered 4420 sdp"
    ));
    bench.endpoint.set_nonces(crate::digest::Nonces::new(strowger_link::Key([8; 16]), 60));
    bench.run(&format!(
        "peer> INVITE callid=y | Authorization: {credentials}
        count< Challenged
        peer< 401 INVITE"
    ));
    bench.endpoint.set_nonces(script::config().nonces);
    bench.now = bench.now.plus_ms(61_000);
    bench.run_open(&format!("peer> INVITE callid=z | Authorization: {credentials}\ncount< Stale"));
    assert!(bench.messages().remove(0).contains(",stale=true"));
}

#[test]
fn junk_changes_no_call() {
    let mut bench = Bench::new();
    bench.run(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK
        call< Confirmed",
    );
    let (legs, transactions) = (bench.endpoint.legs(), bench.endpoint.transactions());
    let tag = bench.our_tag();
    let seed = format!(
        "BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKj\r\n\
         From: <sip:a@b>;tag=stranger\r\nTo: <sip:c@d>;tag={tag}\r\n\
         Call-ID: call@peer\r\nCSeq: 90 BYE\r\n\r\n"
    );
    let mut chance = crate::endpoint::config::Chance::new(strowger_link::Key([3; 16]));
    for _ in 0..20_000 {
        let mut bytes = seed.clone().into_bytes();
        for _ in 0..=chance.up_to(3) {
            let at = chance.up_to(bytes.len() as u32 - 1) as usize;
            bytes[at] = chance.up_to(255) as u8;
        }
        bench.throw(&bytes, "192.0.2.66:5060".parse().unwrap());
        while let Some(output) = bench.endpoint.poll_output() {
            assert!(!matches!(output, Output::Event(..)), "a call heard of junk: {output:?}");
        }
    }
    assert_eq!((bench.endpoint.legs(), bench.endpoint.transactions()), (legs, transactions));
}
