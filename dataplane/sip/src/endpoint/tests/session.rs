use super::*;
use crate::endpoint::Endpoint;
use crate::endpoint::tests::script::Bench;
use crate::endpoint::tests::script::config;
use strowger_link::Key;

/// We are called.
const IN: &str = "
    peer> INVITE
    peer< 100 INVITE
    call< Offered 4420 sdp
    call> Answer sdp
    peer< 200 INVITE sdp
    peer> ACK
    call< Confirmed
";

/// We call.
const OUT: &str = "
    call> Invite
    peer< INVITE sdp
    peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
    call< Answered sdp
    peer< ACK
    call< Confirmed
";

#[test]
fn the_peer_wants_a_new_description() {
    check(&format!(
        "{IN}
        peer> re-INVITE | Contact: <sip:new@192.0.2.66:5066>
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp
        wait 500
        peer< 200 INVITE sdp
        peer> ACK
        wait 40000
        call> Hangup 0/16
        peer< BYE to=192.0.2.66:5066 | BYE sip:new@192.0.2.66:5066 SIP/2.0
        call< Ended 0/16
        peer> 200 BYE"
    ));
}

#[test]
fn a_late_offer_inside_the_dialog() {
    check(&format!(
        "{IN}
        peer> re-INVITE nosdp
        peer< 100 INVITE
        call< Reoffer
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp
        peer> ACK sdp
        call< Confirmed sdp"
    ));
}

#[test]
fn we_refuse_a_new_description_and_the_target_stays() {
    check(&format!(
        "{IN}
        peer> re-INVITE | Contact: <sip:new@192.0.2.66>
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferRefuse 0/65
        peer< 488 INVITE
        peer> ACK same
        call> Hangup 0/16
        peer< BYE | BYE sip:1001@192.0.2.10 SIP/2.0
        call< Ended 0/16
        peer> 200 BYE"
    ));
}

#[test]
fn a_second_invite_before_the_first_is_answered_is_500() {
    let mut bench = Bench::new();
    bench.run_open(&format!(
        "{IN}
        peer> re-INVITE
        peer< 100 INVITE
        call< Reoffer sdp
        peer> re-INVITE
        count< Barred(500)"
    ));
    let answer = bench.messages().remove(0);
    let seconds = script::field(&answer, crate::Header::RetryAfter).unwrap();
    assert!(seconds.parse::<u32>().unwrap() <= 10, "{answer}");
}

#[test]
fn a_new_description_that_is_never_answered_ends_the_leg_and_leaves_nothing() {
    check(&format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp
        peer> 183 INVITE
        wait 179999
        wait 1
        peer< BYE
        call< Ended 408/102
        peer> 200 BYE"
    ));
}

#[test]
fn we_want_a_new_description() {
    check(&format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp | CSeq: 2 INVITE | INVITE sip:b@192.0.2.10 SIP/2.0
        peer> 100 INVITE
        peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.11>
        peer< ACK to=192.0.2.11:5060 | CSeq: 2 ACK
        call< ReofferAnswered sdp
        peer> 200 INVITE sdp
        peer< ACK
        call> Reoffer
        peer< INVITE | CSeq: 3 INVITE
        peer> 200 INVITE sdp
        call< ReofferAnswered sdp
        call> Confirm sdp
        peer< ACK sdp | CSeq: 3 ACK"
    ));
}

#[test]
fn the_peer_refuses_a_new_description() {
    check(&format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp
        peer> 488 INVITE
        peer< ACK
        call< ReofferRefused 488/65
        call> Reoffer sdp
        peer< INVITE sdp"
    ));
}

#[test]
fn a_peer_that_lost_the_dialog_ends_the_call() {
    check(&format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp
        peer> 481 INVITE
        peer< ACK
        peer< BYE
        call< Ended 481/41
        peer> 481 BYE"
    ));
}

#[test]
fn a_new_description_waits_for_the_ack_of_the_last() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        call> Reoffer sdp
        peer> ACK
        call< Confirmed
        peer< INVITE sdp",
    );
}

#[test]
fn glare_is_491_and_ours_is_tried_again() {
    // Ours is the Call-ID: 2.1 to 4 s.
    let mut bench = Bench::new();
    bench.run(&format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp
        peer> 491 INVITE
        peer< ACK"
    ));
    let wait_ms = wait_out(&mut bench);
    assert!((2_100..=4_000).contains(&wait_ms) && wait_ms.is_multiple_of(10), "{wait_ms}");
}

/// Waits for the next alarm, which sends a re-INVITE; gives how long that took.
fn wait_out(bench: &mut Bench) -> u64 {
    let wait_ms = bench.endpoint.poll_timeout().unwrap().ms_since(bench.now);
    bench.run_open(&format!("wait {wait_ms}"));
    assert_eq!(bench.texts(), ["peer< INVITE sdp"]);
    wait_ms
}

#[test]
fn glare_of_a_callee_is_tried_again_within_two_seconds() {
    let mut waits = std::collections::BTreeSet::new();
    for seed in 0..40u8 {
        let mut bench = Bench::new();
        let mut config = config();
        config.chance_key = Key([seed; 16]);
        bench.endpoint = Endpoint::new(config);
        bench.run(&format!(
            "{IN}\ncall> Reoffer sdp\npeer< INVITE sdp\npeer> 491 INVITE\npeer< ACK"
        ));
        let wait_ms = wait_out(&mut bench);
        assert!(wait_ms <= 2_000 && wait_ms.is_multiple_of(10), "{wait_ms}");
        waits.insert(wait_ms);
    }
    assert!(waits.len() > 20, "{waits:?}");
}

#[test]
fn glare_without_end_is_given_up() {
    let mut bench = Bench::new();
    bench.run(&format!("{OUT}\ncall> Reoffer sdp\npeer< INVITE sdp"));
    for _ in 0..crate::limits::GLARE_TRIES_MAX {
        bench.run("peer> 491 INVITE\npeer< ACK");
        wait_out(&mut bench);
    }
    bench.run("peer> 491 INVITE\npeer< ACK\ncall< ReofferRefused 491/31");
}

#[test]
fn an_offer_that_meets_ours_is_491() {
    check(&format!(
        "{IN}
        call> Reoffer sdp
        peer< INVITE sdp
        peer> re-INVITE
        peer< 491 INVITE
        peer> ACK same
        peer> 200 INVITE sdp
        peer< ACK
        call< ReofferAnswered sdp"
    ));
}

#[test]
fn while_we_wait_the_peers_offer_goes_first() {
    let mut bench = Bench::new();
    bench.run(&format!(
        "{IN}
        call> Reoffer sdp
        peer< INVITE sdp
        peer> 491 INVITE
        peer< ACK
        peer> re-INVITE
        peer< 100 INVITE
        call< Reoffer sdp
        wait 2000
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp
        peer> ACK
        peer< INVITE sdp"
    ));
}

#[test]
fn a_call_may_want_one_thing_at_a_time() {
    check(&format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp
        call> Reoffer sdp
        count< Misuse
        call< ReofferRefused 491/31"
    ));
}

#[test]
fn a_bye_ends_what_is_in_progress() {
    check(&format!(
        "{IN}
        peer> re-INVITE
        peer< 100 INVITE
        call< Reoffer sdp
        peer> BYE
        peer< 200 BYE
        peer< 487 INVITE
        call< Ended 0/16 party
        peer> ACK same"
    ));
    check(&format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp
        call> Hangup 0/16
        peer< BYE
        call< Ended 0/16
        peer> 200 BYE
        peer> 200 INVITE sdp
        peer< ACK"
    ));
}

#[test]
fn a_cancel_of_a_new_description_lets_it_run() {
    check(&format!(
        "{IN}
        peer> re-INVITE
        peer< 100 INVITE
        call< Reoffer sdp
        peer> CANCEL
        peer< 200 CANCEL
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp
        peer> ACK"
    ));
}

#[test]
fn digits_and_bodies_by_info() {
    let mut bench = Bench::new();
    bench.run(IN);
    let info = |cseq: u32, kind: &str, body: &str, tag: &str| {
        format!(
            "INFO sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKi{cseq}\r\n\
             From: <sip:1001@example.com>;tag=p\r\nTo: <sip:4420@h>;tag={tag}\r\n\
             Call-ID: call@peer\r\n\
             CSeq: {cseq} INFO\r\nContent-Type: {kind}\r\n\r\n{body}"
        )
    };
    let (tag, source) = (bench.our_tag(), "192.0.2.10:5060".parse().unwrap());
    bench.feed(
        info(50, "application/dtmf-relay", "Signal=#\r\nDuration=90", &tag).as_bytes(),
        source,
    );
    bench.run("peer< 200 INFO\ncall< Digits # 90");
    bench.feed(info(51, "application/vnd.x", "hello", &tag).as_bytes(), source);
    bench.run("peer< 200 INFO\ncall< Info application/vnd.x");
    let long = "x".repeat(strowger_leg::BODY_MAX + 1);
    bench.feed(info(52, "text/plain", &long, &tag).as_bytes(), source);
    bench.run("count< Barred(413)\npeer< 413 INFO");
    bench.run("call> Info\npeer< INFO sdp | Content-Type: text/plain\npeer> 200 INFO");
    bench.run(
        "call> Info\npeer< INFO sdp\npeer> 481 INFO\npeer< BYE\ncall< Ended 481/41\npeer> 200 BYE",
    );
}

#[test]
fn requests_come_in_order_and_options_are_answered() {
    check(&format!(
        "{IN}
        peer> OPTIONS cseq=20
        peer< 200 OPTIONS | Accept: application/sdp
        peer> OPTIONS cseq=19
        count< OutOfOrder
        peer< 500 OPTIONS
        peer> OPTIONS cseq=25 | Require: x, y
        count< Barred(420)
        peer< 420 OPTIONS | Unsupported: x, y
        peer> PUBLISH cseq=26
        count< Barred(405)
        peer< 405 PUBLISH | Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, \
            SUBSCRIBE, MESSAGE
        peer> FROB cseq=27
        count< Barred(501)
        peer< 501 FROB
        peer> BYE cseq=28
        peer< 200 BYE
        call< Ended 0/16 party"
    ));
}

#[test]
fn bodies_inside_the_dialog_are_looked_at() {
    check(&format!(
        "{IN}
        peer> re-INVITE | Content-Type: text/plain
        count< Barred(415)
        peer< 415 INVITE | Accept: application/sdp
        peer> ACK same
        peer> re-INVITE
        peer< 100 INVITE
        call< Reoffer sdp"
    ));
}

#[test]
fn commands_out_of_place_are_counted() {
    check(&format!(
        "{IN}
        call> Answer sdp
        count< Misuse
        call> Progress 180
        count< Misuse
        call> Confirm
        count< Misuse
        call> ReofferAnswer sdp
        count< Misuse
        call> ReofferRefuse 488
        count< Misuse
        call> Challenge
        count< Misuse"
    ));
}

#[test]
fn a_caller_within_its_call_hears_a_challenge_or_of_a_fault() {
    let asked = "Proxy-Authenticate: Digest realm=\"far\", nonce=\"n\"";
    check(&format!(
        "{IN}
        peer> re-INVITE | Authorization: Digest realm=\"far\"
        peer< 100 INVITE
        call< Fields Authorization: Digest realm=\"far\"
        call< Reoffer sdp
        call> Fields | {asked} | Authorization: Digest realm=\"x\"
        call> ReofferRefuse 407/21
        peer< 407 INVITE | {asked}
        peer> ACK same
        peer> re-INVITE
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferRefuse 407/21
        peer< 500 INVITE
        peer> ACK same"
    ));
}
