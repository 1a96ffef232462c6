use super::*;
use crate::endpoint::tests::script::{Bench, field};
use crate::header::Header;

const UP: &str = "
    call> Invite
    peer< INVITE sdp
    peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
    call< Answered sdp
    peer< ACK
    call< Confirmed
";

#[test]
fn a_call_goes_out_and_we_end_it() {
    check(
        "call> Invite
        peer< INVITE sdp to=192.0.2.10:5060 | INVITE sip:4420@192.0.2.10 SIP/2.0 \
            | Max-Forwards: 68 | To: <sip:4420@192.0.2.10>
        peer> 100 INVITE
        peer> 180 INVITE
        call< Progress 180 fork 0
        peer> 183 INVITE sdp
        call< Progress 183 fork 0 sdp
        peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.77:5080>
        call< Answered sdp
        peer< ACK to=192.0.2.77:5080 | ACK sip:b@192.0.2.77:5080 SIP/2.0 | CSeq: 1 ACK
        call< Confirmed
        call> Hangup 0/31
        peer< BYE to=192.0.2.77:5080 | CSeq: 2 BYE | Reason: Q.850;cause=31
        call< Ended 0/31
        peer> 200 BYE",
    );
}

#[test]
fn the_callee_ends_it() {
    let mut bench = Bench::new();
    bench.run(UP);
    bench.feed(&bye(&bench, "b", 1), "192.0.2.10:5060".parse().unwrap());
    bench.run("peer< 200 BYE\ncall< Ended 0/16 party");
}

/// A BYE of the callee: From is its end, To ours.
fn bye(bench: &Bench, tag: &str, cseq: u32) -> Vec<u8> {
    format!(
        "BYE sip:us SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKb{cseq}\r\n\
         From: <sip:4420@192.0.2.10>;tag={tag}\r\nTo: <sip:1001@192.0.2.1>;tag={}\r\n\
         Call-ID: {}\r\nCSeq: {cseq} BYE\r\n\r\n",
        bench.our_tag(),
        bench.our_call_id(),
    )
    .into_bytes()
}

#[test]
fn legs_that_only_linger_make_room() {
    let mut bench = Bench::new();
    let mut config = script::config();
    config.legs_max = 16;
    bench.endpoint = crate::endpoint::Endpoint::new(config);
    // Each leaves an INVITE that may be answered again for 64 T1: at some hundred calls a second
    // they are more than a table holds.
    for n in 0..100 {
        bench.run(&format!("{UP}\ncall> Hangup 0/16\npeer< BYE\ncall< Ended 0/16\npeer> 200 BYE"));
        bench.run("wait 1");
        assert!(bench.endpoint.legs() <= 13, "call {n}: {} legs", bench.endpoint.legs());
    }
    bench.run("wait 40000");
    assert_eq!((bench.endpoint.legs(), bench.endpoint.transactions()), (0, 0));
}

#[test]
fn a_shard_of_more_calls_has_more_of_what_they_need() {
    let few = script::config().with_calls(100);
    assert_eq!((few.legs_max, few.transactions_max), (32_768, 131_072), "never below the usual");
    let many = script::config().with_calls(20_000);
    // Two legs of each call, with what may linger still above them.
    assert!(many.legs_max - many.legs_max / 4 >= 2 * 20_000, "{}", many.legs_max);
    assert!(many.transactions_max >= 4 * many.legs_max);
}

#[test]
fn both_ends_hang_up_at_once() {
    let mut bench = Bench::new();
    bench.run(&format!("{UP}\ncall> Hangup 0/16\npeer< BYE\ncall< Ended 0/16"));
    bench.feed(&bye(&bench, "b", 1), "192.0.2.10:5060".parse().unwrap());
    bench.run("peer< 200 BYE\npeer> 200 BYE\nwait 40000");
    assert_eq!((bench.endpoint.legs(), bench.endpoint.transactions()), (0, 0));
}

#[test]
fn a_peer_that_is_silent_is_told_after_32_seconds() {
    check(
        "call> Invite
        peer< INVITE sdp
        wait 500
        peer< INVITE sdp
        wait 1000
        peer< INVITE sdp
        wait 2000
        peer< INVITE sdp
        wait 4000
        peer< INVITE sdp
        wait 8000
        peer< INVITE sdp
        wait 16000
        peer< INVITE sdp
        wait 499
        wait 1
        call< Refused 408/102 silent",
    );
}

#[test]
fn an_unreachable_peer_is_told_at_once() {
    check(
        "call> Invite
        peer< INVITE sdp
        unreachable 192.0.2.11:5060
        unreachable 192.0.2.10:5060
        call< Refused 503/41 silent",
    );
}

#[test]
fn refusals_are_acknowledged_and_told() {
    check(
        "call> Invite
        peer< INVITE sdp
        peer> 486 INVITE | Reason: Q.850;cause=21
        peer< ACK to=192.0.2.10:5060 | CSeq: 1 ACK
        call< Refused 486/21
        peer> 486 INVITE
        peer< ACK",
    );
}

#[test]
fn a_redirect_gives_its_contacts_in_order() {
    check(
        "call> Invite
        peer< INVITE sdp
        peer> 302 INVITE | Contact: <sip:low@h>;q=0.2, <sip:high@h>;q=0.9, <sip:best@h>
        peer< ACK
        call< Refused 302/23 sip:best@h sip:high@h sip:low@h",
    );
}

#[test]
fn a_late_offer_withholds_the_ack() {
    check(
        "call> Invite nosdp
        peer< INVITE
        peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
        call< Answered sdp
        peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
        call> Confirm sdp
        peer< ACK sdp
        call< Confirmed
        peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
        peer< ACK sdp",
    );
}

#[test]
fn a_hangup_instead_of_the_answer_to_a_late_offer() {
    check(
        "call> Invite nosdp
        peer< INVITE
        peer> 200 INVITE sdp
        call< Answered sdp
        call> Hangup 488/65
        peer< ACK
        peer< BYE
        call< Ended 488/65
        peer> 200 BYE",
    );
}

#[test]
fn a_2xx_that_comes_again_gets_its_ack_again() {
    check(&format!(
        "{UP}
        peer> 200 INVITE sdp
        peer< ACK
        call> Hangup 0/16
        peer< BYE
        call< Ended 0/16
        peer> 200 BYE
        peer> 200 INVITE sdp
        peer< ACK"
    ));
}

#[test]
fn forks_are_told_apart_and_the_losers_ended() {
    check(
        "call> Invite
        peer< INVITE sdp
        peer> 180 INVITE tag=a
        call< Progress 180 fork 0
        peer> 180 INVITE tag=b
        call< Progress 180 fork 1
        peer> 183 INVITE tag=a
        call< Progress 183 fork 0
        peer> 200 INVITE tag=b sdp | Contact: <sip:b@192.0.2.10>
        call< Answered sdp
        peer< ACK
        call< Confirmed
        peer> 200 INVITE tag=a sdp | Contact: <sip:a@192.0.2.30>
        peer< ACK to=192.0.2.30:5060 | To: <sip:4420@192.0.2.10>;tag=a
        peer< BYE to=192.0.2.30:5060 | To: <sip:4420@192.0.2.10>;tag=a | CSeq: 2 BYE
        peer> 200 INVITE tag=a sdp | Contact: <sip:a@192.0.2.30>
        peer< ACK to=192.0.2.30:5060
        peer> 200 BYE
        call> Hangup 0/16
        peer< BYE to=192.0.2.10:5060 | To: <sip:4420@192.0.2.10>;tag=b
        call< Ended 0/16
        peer> 200 BYE",
    );
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    check(
        "call> Invite
        peer< INVITE sdp
        call> Hangup 487/16
        call< Refused 487/16
        wait 500
        peer< INVITE sdp
        peer> 100 INVITE
        peer< CANCEL to=192.0.2.10:5060 | CSeq: 1 CANCEL | Reason: Q.850;cause=16 \
            | Reason: SIP;cause=487
        peer> 200 CANCEL
        peer> 487 INVITE
        peer< ACK",
    );
}

#[test]
fn cancel_while_it_rings() {
    check(
        "call> Invite
        peer< INVITE sdp
        peer> 180 INVITE
        call< Progress 180 fork 0
        call> Hangup 200/26
        peer< CANCEL | Reason: SIP;cause=200;text=\"Call completed elsewhere\"
        call< Refused 200/26
        wait 500
        peer< CANCEL
        peer> 200 CANCEL
        peer> 180 INVITE
        peer> 487 INVITE
        peer< ACK",
    );
}

#[test]
fn an_answer_that_crosses_our_cancel_is_ended_by_bye() {
    check(
        "call> Invite
        peer< INVITE sdp
        peer> 180 INVITE
        call< Progress 180 fork 0
        call> Hangup 487/16
        peer< CANCEL
        call< Refused 487/16
        peer> 200 INVITE sdp
        peer< ACK
        peer< BYE
        peer> 200 INVITE sdp
        peer< ACK
        peer> 200 BYE
        peer> 200 CANCEL",
    );
}

#[test]
fn an_answer_before_any_cancel_could_go_is_ended_by_bye() {
    check(
        "call> Invite
        peer< INVITE sdp
        call> Hangup 487/16
        call< Refused 487/16
        peer> 200 INVITE sdp
        peer< ACK
        peer< BYE
        peer> 200 BYE",
    );
}

#[test]
fn a_cancel_that_brings_no_final_response_is_forgotten() {
    let mut bench = Bench::new();
    bench.run(
        "call> Invite
        peer< INVITE sdp
        peer> 180 INVITE
        call< Progress 180 fork 0
        call> Hangup 487/16
        peer< CANCEL
        call< Refused 487/16
        peer> 200 CANCEL
        wait 32000",
    );
    assert_eq!((bench.endpoint.legs(), bench.endpoint.alarms()), (0, 0));
    // It would be sent for 32 s more without its ACK.
    bench.run("peer> 487 INVITE\npeer< ACK");
}

#[test]
fn a_challenge_is_answered_once() {
    let asked =
        "| WWW-Authenticate: Digest realm=\"r\",nonce=\"n1\",qop=\"auth\",algorithm=SHA-256";
    let mut bench = Bench::new();
    bench.run_open(&format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 401 INVITE {asked}
        peer< ACK | CSeq: 1 ACK"
    ));
    let again = bench.messages().remove(0);
    let value = field(&again, Header::Authorization).unwrap();
    let credentials = crate::digest::Credentials::parse(value.as_bytes()).unwrap();
    let ha1 = crate::digest::Ha1::compute(crate::digest::Algorithm::Sha256, b"us", b"r", b"pw");
    assert_eq!(credentials.verify(&ha1, b"INVITE"), crate::digest::Check::Match);
    assert_eq!(field(&again, Header::CSeq), Some("2 INVITE"));
    bench.run(&format!(
        "peer> 401 INVITE {asked}
        peer< ACK
        call< Refused 401/21"
    ));
}

#[test]
fn an_old_nonce_and_a_proxy_are_further_challenges() {
    let realm = "Digest realm=\"r\",nonce=";
    check(&format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 407 INVITE | Proxy-Authenticate: {realm}\"1\"
        peer< ACK
        peer< INVITE sdp | CSeq: 2 INVITE
        peer> 401 INVITE | WWW-Authenticate: {realm}\"2\"
        peer< ACK
        peer< INVITE sdp | CSeq: 3 INVITE
        peer> 401 INVITE | WWW-Authenticate: {realm}\"3\",stale=true
        peer< ACK
        peer< INVITE sdp | CSeq: 4 INVITE
        peer> 407 INVITE | Proxy-Authenticate: {realm}\"4\"
        peer< ACK
        call< Refused 407/21"
    ));
    // Nonces that grow old faster than we answer are no loop.
    check(&format!(
        "call> Invite auth
        peer< INVITE sdp
        {}
        peer> 401 INVITE | WWW-Authenticate: {realm}\"9\",stale=true
        peer< ACK
        call< Refused 401/21",
        format!(
            "peer> 401 INVITE | WWW-Authenticate: {realm}\"2\",stale=true
            peer< ACK
            peer< INVITE sdp
            "
        )
        .repeat(crate::limits::AUTH_TRIES_MAX.into())
    ));
    check(&format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 401 INVITE | WWW-Authenticate: {realm}\"2\"
        peer< ACK
        peer< INVITE sdp
        peer> 401 INVITE | WWW-Authenticate: {realm}\"3\",stale=true
        peer< ACK
        peer< INVITE sdp | CSeq: 3 INVITE
        peer> 200 INVITE sdp
        call< Answered sdp
        peer< ACK | CSeq: 3 ACK
        call< Confirmed
        call> Hangup 0/16
        peer< BYE
        call< Ended 0/16
        peer> 401 BYE | WWW-Authenticate: {realm}\"4\"
        peer< BYE
        peer> 200 BYE"
    ));
}

/// What a request shows, without the field's name and `Digest`.
fn shown(message: &str, header: Header) -> Vec<(String, String)> {
    let fields = message.lines().filter_map(|line| line.strip_prefix(header.name()));
    let of = |value: &str| {
        let part = |name: &str| {
            let at = value.find(name)? + name.len();
            value[at..].split([',', '"']).find(|part| !part.is_empty()).map(str::to_string)
        };
        (part("nonce=").unwrap(), part("algorithm=").unwrap_or_default())
    };
    fields.map(of).collect()
}

#[test]
fn both_challenges_at_once_are_both_answered_by_the_best_hash() {
    let mut bench = Bench::new();
    bench.run_open(
        "call> Invite auth
        peer< INVITE sdp
        peer> 401 INVITE | WWW-Authenticate: Digest realm=\"s\",nonce=\"1\",qop=\"auth\" \
            | WWW-Authenticate: Digest realm=\"s\",nonce=\"2\",qop=\"auth\",algorithm=SHA-256 \
            | WWW-Authenticate: Digest realm=\"s\",nonce=\"3\",algorithm=SHA-512-256 \
            | Proxy-Authenticate: Digest realm=\"p\",nonce=\"4\",qop=\"auth\" \
            | Proxy-Authenticate: Digest realm=\"q\",nonce=\"5\",qop=\"auth\"
        peer< ACK",
    );
    let invite = bench.messages().remove(0);
    let pair = |nonce: &str, algorithm: &str| (nonce.to_string(), algorithm.to_string());
    assert_eq!(shown(&invite, Header::Authorization), [pair("2", "SHA-256")]);
    assert_eq!(shown(&invite, Header::ProxyAuthorization), [pair("4", ""), pair("5", "")]);
}

#[test]
fn a_challenge_for_another_realm_is_no_business_of_our_password() {
    check(
        "call> Invite auth realm=carrier
        peer< INVITE sdp
        peer> 401 INVITE | WWW-Authenticate: Digest realm=\"thief\",nonce=\"1\"
        peer< ACK
        call< Refused 401/21
        call> Invite auth realm=carrier
        peer< INVITE sdp
        peer> 401 INVITE | WWW-Authenticate: Digest realm=\"carrier\",nonce=\"1\"
        peer< ACK
        peer< INVITE sdp
        peer> 486 INVITE
        peer< ACK
        call< Refused 486/17",
    );
}

#[test]
fn a_nonce_given_ahead_is_used_next() {
    let mut bench = Bench::new();
    bench.run(
        "call> Invite auth
        peer< INVITE sdp
        peer> 401 INVITE | WWW-Authenticate: Digest realm=\"s\",nonce=\"1\",qop=\"auth\"
        peer< ACK
        peer< INVITE sdp
        peer> 200 INVITE sdp | Authentication-Info: nextnonce=\"2\"
        call< Answered sdp
        peer< ACK
        call< Confirmed",
    );
    bench.run_open("call> Info");
    let info = bench.messages().remove(0);
    assert_eq!(shown(&info, Header::Authorization)[0].0, "2");
    assert!(field(&info, Header::Authorization).unwrap().contains("nc=00000001"), "{info}");
}

#[test]
fn every_request_of_a_dialog_answers_a_challenge() {
    let asked = |nonce: u32| {
        format!("| Proxy-Authenticate: Digest realm=\"r\",nonce=\"{nonce}\",qop=\"auth\"")
    };
    check(&format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 407 INVITE {}
        peer< ACK
        peer< INVITE sdp | CSeq: 2 INVITE
        peer> 200 INVITE sdp
        call< Answered sdp
        peer< ACK | CSeq: 2 ACK
        call< Confirmed
        call> Info
        peer< INFO sdp | CSeq: 3 INFO
        peer> 407 INFO {}
        peer< INFO sdp | CSeq: 4 INFO | Content-Type: text/plain
        peer> 200 INFO
        call> Reoffer sdp
        peer< INVITE sdp | CSeq: 5 INVITE
        peer> 407 INVITE {}
        peer< ACK
        peer< INVITE sdp | CSeq: 6 INVITE
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 6 ACK
        call< ReofferAnswered sdp
        call> Hangup 0/16
        peer< BYE | CSeq: 7 BYE | Reason: Q.850;cause=16
        call< Ended 0/16
        peer> 407 BYE {}
        peer< BYE | CSeq: 8 BYE | Reason: Q.850;cause=16
        peer> 407 BYE {}",
        asked(1),
        asked(2),
        asked(3),
        asked(4),
        asked(5),
    ));
}

#[test]
fn the_bye_of_another_fork_answers_a_challenge() {
    check(
        "call> Invite auth
        peer< INVITE sdp
        peer> 200 INVITE tag=b sdp
        call< Answered sdp
        peer< ACK
        call< Confirmed
        peer> 200 INVITE tag=c sdp
        peer< ACK
        peer< BYE | CSeq: 2 BYE
        peer> 401 BYE tag=c | WWW-Authenticate: Digest realm=\"r\",nonce=\"1\"
        peer< BYE | CSeq: 3 BYE
        peer> 200 BYE",
    );
}

#[test]
fn a_session_key_is_made_where_nothing_else_is_wanted() {
    for (name, algorithm) in [
        ("MD5-sess", crate::digest::Algorithm::Md5),
        ("SHA-256-sess", crate::digest::Algorithm::Sha256),
    ] {
        let mut bench = Bench::new();
        bench.run_open(&format!(
            "call> Invite auth
            peer< INVITE sdp
            peer> 401 INVITE | WWW-Authenticate: Digest realm=\"r\",nonce=\"n\",qop=\"auth\",\
                algorithm={name}
            peer< ACK"
        ));
        let invite = bench.messages().remove(0);
        let value = field(&invite, Header::Authorization).unwrap();
        assert!(value.contains(&format!("algorithm={name},")), "{value}");
        let credentials = crate::digest::Credentials::parse(value.as_bytes()).unwrap();
        let ha1 = crate::digest::Ha1::compute(algorithm, b"us", b"r", b"pw");
        assert_eq!(credentials.verify(&ha1, b"INVITE"), crate::digest::Check::Match);
    }
}

#[test]
fn without_a_secret_a_challenge_is_a_refusal() {
    check(
        "call> Invite
        peer< INVITE sdp
        peer> 407 INVITE | Proxy-Authenticate: Digest realm=\"r\",nonce=\"n\"
        peer< ACK
        call< Refused 407/21",
    );
}

#[test]
fn the_ack_of_a_2xx_shows_the_credentials_of_the_invite() {
    let mut bench = Bench::new();
    bench.run_open(
        "call> Invite auth
        peer< INVITE sdp
        peer> 401 INVITE | WWW-Authenticate: Digest realm=\"r\",nonce=\"n1\"
        peer< ACK",
    );
    let invite = bench.messages().remove(0);
    bench.run_open("peer> 200 INVITE sdp");
    let ack = bench.messages().remove(0);
    assert!(ack.starts_with("ACK"), "{ack}");
    assert_eq!(field(&ack, Header::Authorization), field(&invite, Header::Authorization));
}

#[test]
fn who_calls_is_told_as_the_branch_says() {
    check(
        "call> Invite asserted display=A\"\\B | X-Trunk: 7 | Via: evil
        peer< INVITE sdp | P-Asserted-Identity: <sip:1001@192.0.2.1> | X-Trunk: 7
        unreachable 192.0.2.10:5060
        call< Refused 503/41 silent",
    );
    check(
        "call> Invite asserted identity=preferred host=sip.example
        peer< INVITE sdp | P-Preferred-Identity: <sip:1001@sip.example>
        unreachable 192.0.2.10:5060
        call< Refused 503/41 silent",
    );
    check(
        "call> Invite asserted identity=remote-party anonymous privacy=user;id
        peer< INVITE sdp \
         | Remote-Party-ID: <sip:1001@192.0.2.1>;party=calling;screen=yes;privacy=full \
         | Privacy: user;id
        unreachable 192.0.2.10:5060
        call< Refused 503/41 silent",
    );
    let mut bench = Bench::new();
    bench.run_open("call> Invite anonymous asserted display=Alice");
    let invite = bench.messages().remove(0);
    assert!(field(&invite, Header::From).unwrap().starts_with("\"Anonymous\" <sip:anonymous@"));
    assert_eq!(field(&invite, Header::Privacy), Some("id"));
    assert!(!invite.contains("Alice"), "{invite}");
}

#[test]
fn to_and_user_agent_are_those_of_the_branch() {
    let mut bench = Bench::new();
    bench.run_open("call> Invite to=sip:desk@192.0.2.10 | User-Agent: Pbx/9 | X-A: 1 | X-A: 2");
    let invite = bench.messages().remove(0);
    assert_eq!(invite.lines().next(), Some("INVITE sip:4420@192.0.2.10 SIP/2.0"));
    assert_eq!(field(&invite, Header::To), Some("<sip:desk@192.0.2.10>"));
    let agents = invite.lines().filter(|line| line.starts_with("User-Agent"));
    assert_eq!(agents.collect::<Vec<_>>(), ["User-Agent: Pbx/9"]);
    let own = invite.lines().filter(|line| line.starts_with("X-A"));
    assert_eq!(own.collect::<Vec<_>>(), ["X-A: 1", "X-A: 2"]);
}

#[test]
fn what_would_break_the_message_is_refused() {
    check(
        "call> Invite | X-A: b\\r\\nEvil: c
        count< Unbuildable
        call< Refused 500/41",
    );
    for listener in ["9", "1", "0 peer=[2001:db8::9]:5060"] {
        check(&format!(
            "call> Invite listener={listener}
            count< Misuse
            call< Refused 500/41"
        ));
    }
    check(
        "call> Invite uri=<sip:x>\u{7f}
        count< Unbuildable
        call< Refused 500/41",
    );
}

#[test]
fn preloaded_routes_lead_the_invite() {
    check(
        "call> Invite route=sip:192.0.2.40:5090;lr peer=192.0.2.40:5090
        peer< INVITE sdp to=192.0.2.40:5090 | Route: <sip:192.0.2.40:5090;lr> \
            | INVITE sip:4420@192.0.2.10 SIP/2.0
        peer> 404 INVITE
        peer< ACK to=192.0.2.40:5090 | Route: <sip:192.0.2.40:5090;lr>
        call< Refused 404/1",
    );
}

/// RFC 5627: the contact of a phone may be its GRUU, whose host is the registrar: us. Its requests
/// go to the phone all the same, and name the GRUU.
#[test]
fn a_gruu_as_target_is_reached_where_its_device_speaks_from() {
    check(
        "call> Invite uri=sip:1002@192.0.2.50:5080 peer=192.0.2.50:5080
        peer< INVITE sdp to=192.0.2.50:5080
        peer> 200 INVITE sdp | Contact: <sip:1002@192.0.2.1;gr=urn:uuid:7>
        call< Answered sdp
        peer< ACK to=192.0.2.50:5080 | ACK sip:1002@192.0.2.1;gr=urn:uuid:7 SIP/2.0
        call< Confirmed
        call> Hangup 0/16
        peer< BYE to=192.0.2.50:5080
        call< Ended 0/16
        peer> 200 BYE",
    );
}

/// A call that leaves by the IPv6 listener names that listener's address everywhere, and keeps to
/// it: a target or route of the other family, or one that is IPv4 in IPv6's clothes, is not ours to
/// reach from there.
#[test]
fn a_call_by_ipv6_stays_on_its_listener() {
    for contact in ["192.0.2.50", "[::ffff:192.0.2.50]", "[2001:db8::51]:5080"] {
        let to =
            if contact.ends_with("5080") { "[2001:db8::51]:5080" } else { "[2001:db8::50]:5060" };
        let mut bench = Bench::new();
        bench
            .run_open("call> Invite listener=1 peer=[2001:db8::50]:5060 uri=sip:44@[2001:db8::50]");
        let messages = bench.messages();
        let invite = &messages[0];
        for (name, begin) in [
            ("Via", "SIP/2.0/UDP [2001:db8::2]:5070;branch="),
            ("From", "<sip:1001@[2001:db8::2]>;tag="),
            ("To", "<sip:44@[2001:db8::50]>"),
        ] {
            let line = invite.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
            assert!(line.unwrap().starts_with(begin), "{invite}");
        }
        assert!(
            invite.contains("@[2001:db8::2]:5070>\n") && !invite.contains("192.0.2"),
            "{invite}"
        );
        bench.run(&format!(
            "peer> 200 INVITE sdp from=[2001:db8::50]:5060 | Contact: <sip:x@{contact}>
            call< Answered sdp
            peer< ACK to={to}
            call< Confirmed
            call> Hangup 0/16
            peer< BYE to={to}
            call< Ended 0/16
            peer> 200 BYE from=[2001:db8::50]:5060"
        ));
    }
}

/// RFC 8760: each challenge has a line of its own, the first that we speak is answered; a peer that
/// turns out to want another algorithm is answered by that one, and no more than once.
#[test]
fn another_algorithm_is_a_further_challenge() {
    let challenge = |algorithm: &str| {
        format!(
            "WWW-Authenticate: Digest realm=\"r\",nonce=\"n\",qop=\"auth\",algorithm={algorithm}"
        )
    };
    let (best, unknown) = (challenge("SHA-256"), challenge("SHA-512-256"));
    let (session, old) = (challenge("SHA-256-sess"), challenge("MD5"));
    let mut bench = Bench::new();
    bench.run_open(&format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 401 INVITE | {unknown} | {session} | {best} | {old}
        peer< ACK"
    ));
    let first = bench.messages().remove(0);
    assert!(field(&first, Header::Authorization).unwrap().contains("algorithm=SHA-256,"));
    bench.run_open(&format!("peer> 401 INVITE | {old}\npeer< ACK"));
    let second = bench.messages().remove(0);
    let value = field(&second, Header::Authorization).unwrap();
    let credentials = crate::digest::Credentials::parse(value.as_bytes()).unwrap();
    let ha1 = crate::digest::Ha1::compute(crate::digest::Algorithm::Md5, b"us", b"r", b"pw");
    assert_eq!(credentials.verify(&ha1, b"INVITE"), crate::digest::Check::Match);
    bench.run(&format!(
        "peer> 401 INVITE | {best}
        peer< ACK
        call< Refused 401/21"
    ));
}

#[test]
fn a_challenge_that_is_the_callers_goes_to_the_caller() {
    check(
        "call> Invite pass uri=sip:44@pbx.example
        peer< INVITE sdp | INVITE sip:44@pbx.example SIP/2.0 | Authorization: Digest realm=\"far\"
        peer> 401 INVITE | WWW-Authenticate: Digest realm=\"far\", nonce=\"n\" | Server: x
        peer< ACK
        call< Fields WWW-Authenticate: Digest realm=\"far\", nonce=\"n\"
        call< Refused 401/21",
    );
    // Without the branch's leave it is between the peer and us.
    check(
        "call> Invite
        peer< INVITE sdp
        peer> 407 INVITE | Proxy-Authenticate: Digest realm=\"far\", nonce=\"n\"
        peer< ACK
        call< Refused 407/21",
    );
}

/// Of an offer within the call too: what the caller shows goes with it, the challenge comes back.
#[test]
fn within_the_call_a_challenge_is_the_callers_as_well() {
    let up = |auth: &str| {
        format!(
            "call> Invite {auth}
            peer< INVITE sdp
            peer> 200 INVITE sdp
            call< Answered sdp
            peer< ACK
            call< Confirmed
            call> Fields | Authorization: Digest realm=\"far\" | Server: x
            call> Reoffer sdp"
        )
    };
    check(&format!(
        "{}
        peer< INVITE sdp | Authorization: Digest realm=\"far\"
        peer> 407 INVITE | Proxy-Authenticate: Digest realm=\"far\", nonce=\"n\"
        peer< ACK
        call< Fields Proxy-Authenticate: Digest realm=\"far\", nonce=\"n\"
        call< ReofferRefused 407/21",
        up("pass")
    ));
    let mut bench = Bench::new();
    bench.run_open(&up(""));
    let invite = bench.messages().remove(0);
    assert_eq!(field(&invite, Header::Authorization), None, "{invite}");
    bench.run(
        "peer> 407 INVITE | Proxy-Authenticate: Digest realm=\"far\", nonce=\"n\"
        peer< ACK
        call< ReofferRefused 407/21",
    );
}

/// Rules about responses: what they write is told before the words that it belongs to.
#[test]
fn fields_of_responses_are_ruled() {
    use strowger_link::{FieldAction, FieldRule, FieldTest, FieldTestKind, Octets};
    let mut bench = Bench::new();
    let copy = |when: &str, from: &str, to: &str| FieldRule {
        when: vec![FieldTest {
            name: when.into(),
            test: FieldTestKind::Present,
            value: Octets::default(),
        }],
        action: FieldAction::Copy,
        name: to.into(),
        text: Octets(from.as_bytes().to_vec()),
    };
    bench.replies = vec![copy("X-Line", "X-Line", "X-Port"), copy("Warning", "Subject", "X-Why")];
    bench.run(
        "call> Invite
        peer< INVITE sdp
        peer> 180 INVITE totag=t | X-Line: 7 | X-Own: 1
        call< Fields X-Port: 7
        call< Progress 180 fork 0
        peer> 183 INVITE totag=t
        call< Fields
        call< Progress 183 fork 0
        peer> 486 INVITE totag=t | Subject: no | X-Line: 8
        peer< ACK
        call< Fields X-Port: 8
        call< Refused 486/17",
    );
}
