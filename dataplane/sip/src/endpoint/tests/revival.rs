use strowger_leg::{Body, Command};
use strowger_link::Cause;

use super::script::{Bench, field, leg_id};
use super::*;
use crate::header::Header;
use crate::limits::{IMAGE_HEAD_LEN_MAX, IMAGE_OK_LEN_MAX};

/// We are called.
pub(super) const IN: &str = "
    peer> INVITE
    peer< 100 INVITE
    call< Offered 4420 sdp
    call> Answer sdp
    peer< 200 INVITE sdp
    peer> ACK
    call< Confirmed
    restart
    thaw< Confirmed
";

/// We call.
pub(super) const OUT: &str = "
    call> Invite
    peer< INVITE sdp | CSeq: 1 INVITE
    peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
    call< Answered sdp
    peer< ACK | CSeq: 1 ACK
    call< Confirmed
    restart
    thaw< Confirmed
";

/// A request of a callee.
fn of_callee(bench: &Bench, method: &str, cseq: u32) -> Vec<u8> {
    format!(
        "{method} sip:us SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKb{cseq}\r\n\
         From: <sip:4420@192.0.2.10>;tag=b\r\nTo: <sip:1001@192.0.2.1>;tag={}\r\n\
         Call-ID: {}\r\nCSeq: {cseq} {method}\r\n\r\n",
        bench.our_tag(),
        bench.our_call_id(),
    )
    .into_bytes()
}

pub(super) fn peer() -> std::net::SocketAddr {
    "192.0.2.10:5060".parse().unwrap()
}

fn assert_empty(bench: &Bench) {
    let left = (bench.endpoint.legs(), bench.endpoint.transactions(), bench.endpoint.alarms());
    assert_eq!(left, (0, 0, 0));
}

/// Runs a script to whose end nothing is left.
#[track_caller]
fn check_to_the_end(script: &str) {
    let mut bench = Bench::new();
    bench.run(script);
    bench.run("wait 40000");
    assert_empty(&bench);
}

#[test]
fn the_peer_hangs_up() {
    check_to_the_end(&format!(
        "{IN}
        peer> BYE
        peer< 200 BYE
        call< Ended 0/16 party"
    ));
    let mut bench = Bench::new();
    bench.run(OUT);
    let bye = of_callee(&bench, "BYE", 1);
    bench.feed(&bye, peer());
    bench.run("peer< 200 BYE\ncall< Ended 0/16 party\nwait 40000");
    assert_empty(&bench);
}

#[test]
fn we_hang_up() {
    check_to_the_end(&format!(
        "{IN}
        call> Hangup 0/16
        peer< BYE | CSeq: 101 BYE | BYE sip:1001@192.0.2.10 SIP/2.0
        call< Ended 0/16
        peer> 200 BYE"
    ));
    check_to_the_end(&format!(
        "{OUT}
        restart
        thaw< Confirmed
        call> Hangup 0/16
        peer< BYE | CSeq: 202 BYE | BYE sip:b@192.0.2.10 SIP/2.0
        call< Ended 0/16
        peer> 200 BYE"
    ));
}

#[test]
fn both_sides_hold_and_send_info() {
    check(&format!(
        "{IN}
        peer> re-INVITE | Contact: <sip:new@192.0.2.66:5066>
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp
        peer> ACK
        peer> INFO | Content-Type: application/dtmf-relay | Signal: 5
        peer< 200 INFO
        restart
        thaw< Confirmed
        call> Reoffer sdp
        peer< INVITE sdp to=192.0.2.66:5066 | INVITE sip:new@192.0.2.66:5066 SIP/2.0
        peer> 200 INVITE sdp tag=p
        peer< ACK to=192.0.2.66:5066
        call< ReofferAnswered sdp
        call> Info
        peer< INFO sdp
        peer> 200 INFO"
    ));
}

#[test]
fn routes_and_targets_come_back() {
    check(
        "call> Invite route=<sip:192.0.2.20;lr>
        peer< INVITE sdp | Route: <sip:192.0.2.20;lr>
        peer> 200 INVITE sdp | Contact: <sip:b@host.invalid> | Record-Route: \
            <sip:192.0.2.30;lr>, <sip:192.0.2.40:5070;lr>
        call< Answered sdp
        peer< ACK
        call< Confirmed
        restart
        thaw< Confirmed
        call> Hangup 0/16
        peer< BYE to=192.0.2.40:5070 | BYE sip:b@host.invalid SIP/2.0 \
            | Route: <sip:192.0.2.40:5070;lr> | Route: <sip:192.0.2.30;lr>
        call< Ended 0/16
        peer> 200 BYE",
    );
}

#[test]
fn a_lost_ack_is_sent_again() {
    check(&format!(
        "{OUT}
        peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
        peer< ACK | CSeq: 1 ACK | ACK sip:b@192.0.2.10 SIP/2.0
        restart
        thaw< Confirmed
        peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
        peer< ACK | CSeq: 1 ACK"
    ));
    // With the answer to a late offer.
    check(
        "call> Invite nosdp
        peer< INVITE
        peer> 200 INVITE sdp
        call< Answered sdp
        call> Confirm sdp
        peer< ACK sdp
        call< Confirmed
        restart
        thaw< Confirmed
        peer> 200 INVITE sdp
        peer< ACK sdp | CSeq: 1 ACK | Content-Type: application/sdp",
    );
}

#[test]
fn only_a_2xx_of_this_dialog_is_acknowledged() {
    let mut bench = Bench::new();
    bench.run(&format!(
        "{OUT}
        peer> 486 INVITE
        peer< ACK
        peer> 180 INVITE
        count< StrayResponse"
    ));
    let branch = format!("z9hG4bK{}.1", bench.our_tag());
    let response = |from: &str, call_id: &str, cseq: u32| {
        format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\
             From: <sip:1001@192.0.2.1>;tag={from}\r\nTo: <sip:4420@192.0.2.10>;tag=b\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} INVITE\r\n\r\n"
        )
    };
    let (tag, call_id) = (bench.our_tag(), bench.our_call_id());
    for strange in [
        response("other", &call_id, 1),
        response(&tag, "other", 1),
        // A number of this life.
        response(&tag, &call_id, 102),
    ] {
        bench.feed(strange.as_bytes(), peer());
        bench.run("count< StrayResponse");
    }
}

#[test]
fn a_new_description_of_ours_that_was_in_flight_gets_its_ack() {
    check(&format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp | CSeq: 102 INVITE
        restart
        thaw< Confirmed
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 102 ACK
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 102 ACK
        call> Reoffer sdp
        peer< INVITE sdp | CSeq: 203 INVITE
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 203 ACK
        call< ReofferAnswered sdp"
    ));
}

#[test]
fn another_fork_that_answers_late_is_ended() {
    check(&format!(
        "{OUT}
        peer> 200 INVITE tag=c sdp | Contact: <sip:c@192.0.2.12>
        peer< ACK to=192.0.2.12:5060 | CSeq: 1 ACK
        peer< BYE to=192.0.2.12:5060 | CSeq: 102 BYE
        peer> 200 BYE tag=c
        peer> 200 INVITE tag=c sdp | Contact: <sip:c@192.0.2.12>
        peer< ACK to=192.0.2.12:5060"
    ));
}

#[test]
fn a_new_description_of_the_peer_that_nobody_answered_is_refused() {
    check(&format!(
        "{IN}
        peer> re-INVITE cseq=7
        peer< 100 INVITE
        call< Reoffer sdp
        restart
        thaw< Confirmed
        count< Barred(500)
        peer< 500 INVITE | CSeq: 7 INVITE
        wait 500
        peer< 500 INVITE
        peer> re-INVITE again cseq=7
        peer< 500 INVITE
        peer> ACK same
        peer> re-INVITE cseq=8
        peer< 100 INVITE
        call< Reoffer sdp"
    ));
}

#[test]
fn an_answer_to_the_peer_without_its_ack_is_sent_again() {
    check_to_the_end(&format!(
        "{IN}
        peer> re-INVITE cseq=7
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp
        restart
        thaw< Confirmed
        peer< 200 INVITE sdp | CSeq: 7 INVITE
        wait 500
        peer< 200 INVITE sdp
        peer> re-INVITE again cseq=7
        peer> ACK
        wait 40000
        call> Hangup 0/16
        peer< BYE
        call< Ended 0/16
        peer> 200 BYE"
    ));
}

#[test]
fn an_offered_leg_is_refused_until_the_ack_comes() {
    check_to_the_end(
        "peer> INVITE | Record-Route: <sip:192.0.2.30;lr> | Expires: 60
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Progress 180
        peer< 180 INVITE
        restart
        thaw< Early
        peer< 100 INVITE
        peer> INVITE again cseq=2
        peer< 100 INVITE
        call> Hangup 503/41 retry=3
        peer< 503 INVITE | Retry-After: 3 | CSeq: 2 INVITE
        call< Ended 503/41
        wait 500
        peer< 503 INVITE
        peer> INVITE again cseq=2
        peer< 503 INVITE
        peer> ACK same
        wait 4000
        peer> ACK same",
    );
}

#[test]
fn an_offered_leg_can_still_be_cancelled() {
    check_to_the_end(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        restart
        thaw< Early
        peer< 100 INVITE
        restart
        thaw< Early
        peer< 100 INVITE
        peer> CANCEL
        peer< 200 CANCEL
        peer< 487 INVITE
        call< Ended 487/16 party
        peer> ACK same",
    );
}

#[test]
fn an_answered_leg_without_ack_gets_its_bye_after_the_ack() {
    check_to_the_end(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        restart
        thaw< Unconfirmed
        peer< 200 INVITE sdp
        peer> INVITE again cseq=2
        call> Hangup 503/41
        call< Ended 503/41
        wait 500
        peer< 200 INVITE sdp
        peer> ACK
        peer< BYE | CSeq: 101 BYE
        peer> 200 BYE",
    );
}

#[test]
fn an_answered_leg_whose_ack_never_comes_gets_its_bye_in_the_end() {
    let mut bench = Bench::new();
    bench.run_open(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        restart
        thaw< Unconfirmed
        peer< 200 INVITE sdp
        call> Hangup 503/41
        call< Ended 503/41
        wait 32000",
    );
    let texts = bench.texts();
    assert!(texts.len() > 5, "{texts:?}");
    let (last, before) = texts.split_last().unwrap();
    assert_eq!(last, "peer< BYE");
    assert!(before.iter().all(|text| text == "peer< 200 INVITE sdp"), "{texts:?}");
    bench.run("peer> 200 BYE\nwait 40000");
    assert_empty(&bench);
}

const CALLING: &str = "
    call> Invite
    peer< INVITE sdp | CSeq: 1 INVITE
    restart
    thaw< Early
";

#[test]
fn a_calling_leg_is_cancelled_at_once() {
    let mut bench = Bench::new();
    bench.run_open("call> Invite route=<sip:192.0.2.20;lr>");
    let invite = bench.messages().remove(0);
    bench.run_open("restart");
    bench.texts();
    bench.run_open("call> Hangup 0/41");
    let cancel = bench.messages().remove(0);
    assert!(cancel.starts_with("CANCEL sip:4420@192.0.2.10 SIP/2.0\n"), "{cancel}");
    for header in [Header::Via, Header::Route, Header::From, Header::To, Header::SipCallId] {
        assert_eq!(field(&invite, header), field(&cancel, header), "{header:?}");
    }
    assert_eq!(field(&cancel, Header::CSeq), Some("1 CANCEL"));
    bench.texts();
    bench.run(
        "peer> 200 CANCEL
        peer> 487 INVITE
        peer< ACK | CSeq: 1 ACK
        peer> 487 INVITE
        peer< ACK
        wait 40000",
    );
    assert_empty(&bench);
}

#[test]
fn a_calling_leg_that_the_peer_never_heard_of_ends() {
    check_to_the_end(&format!(
        "{CALLING}
        call> Hangup 0/41
        peer< CANCEL
        call< Refused 0/41
        peer> 481 CANCEL"
    ));
}

#[test]
fn a_late_answer_is_acknowledged_and_ended() {
    check_to_the_end(&format!(
        "{CALLING}
        call> Hangup 0/41
        peer< CANCEL
        call< Refused 0/41
        peer> 200 CANCEL
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 1 ACK
        peer< BYE | CSeq: 102 BYE
        peer> 200 INVITE sdp
        peer< ACK
        peer> 200 BYE"
    ));
}

#[test]
fn what_a_calling_leg_hears_before_it_is_given_up() {
    check_to_the_end(&format!(
        "{CALLING}
        peer> 180 INVITE
        call< Progress 180 fork 0
        restart
        thaw< Early
        peer> 486 INVITE
        peer< ACK
        call< Refused 486/17"
    ));
    check_to_the_end(&format!(
        "{CALLING}
        peer> 200 INVITE sdp
        call< Answered sdp
        peer< ACK | CSeq: 1 ACK
        call< Confirmed
        call> Hangup 503/41
        peer< BYE
        call< Ended 503/41
        peer> 200 BYE"
    ));
    // Nobody is left to send it again with credentials.
    check_to_the_end(
        "call> Invite auth
        peer< INVITE sdp
        restart
        thaw< Early
        peer> 407 INVITE | Proxy-Authenticate: Digest realm=\"r\",nonce=\"n\"
        peer< ACK
        call< Refused 407/21",
    );
}

#[test]
fn a_leg_that_withholds_its_ack_sends_it_with_the_bye() {
    check_to_the_end(
        "call> Invite nosdp
        peer< INVITE
        peer> 200 INVITE sdp
        call< Answered sdp
        restart
        thaw< Unconfirmed
        peer> 200 INVITE sdp
        call> Hangup 503/41
        peer< ACK | CSeq: 1 ACK
        peer< BYE | CSeq: 102 BYE
        call< Ended 503/41
        peer> 200 INVITE sdp
        peer< ACK
        peer> 200 BYE",
    );
}

pub(super) const CHALLENGE: &str =
    "Proxy-Authenticate: Digest realm=\"r\",nonce=\"n\",qop=\"auth\",algorithm=MD5";

#[test]
fn credentials_come_back_and_their_counts_go_on() {
    let mut bench = Bench::new();
    bench.run_open(&format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 407 INVITE | {CHALLENGE}
        peer< ACK"
    ));
    assert_eq!(count_shown(&mut bench), "nc=00000001");
    bench.run_open(
        "peer> 200 INVITE sdp
        call< Answered sdp",
    );
    assert_eq!(count_shown(&mut bench), "nc=00000001");
    bench.run_open(
        "restart
        thaw< Confirmed
        peer> 200 INVITE sdp",
    );
    assert_eq!(count_shown(&mut bench), "nc=00000001", "the ACK shows what its INVITE did");
    bench.run_open("call> Hangup 0/16");
    assert_eq!(count_shown(&mut bench), "nc=00000066");
    // A BYE that is challenged anew needs the password itself.
    bench.run_open("peer> 407 BYE | Proxy-Authenticate: Digest realm=\"r\",nonce=\"m\",stale=true");
    let bye = bench.messages().remove(0);
    assert!(field(&bye, Header::ProxyAuthorization).unwrap().contains("nonce=\"m\""), "{bye}");
}

#[test]
fn a_leg_that_came_back_answers_challenges_as_before() {
    let asked = |nonce: u32| {
        format!("| Proxy-Authenticate: Digest realm=\"r\",nonce=\"{nonce}\",qop=\"auth\"")
    };
    check_to_the_end(&format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 407 INVITE {}
        peer< ACK
        peer< INVITE sdp
        peer> 200 INVITE sdp
        call< Answered sdp
        peer< ACK
        call< Confirmed
        restart
        thaw< Confirmed
        call> Reoffer sdp
        peer< INVITE sdp | CSeq: 103 INVITE
        peer> 407 INVITE {}
        peer< ACK
        peer< INVITE sdp | CSeq: 104 INVITE
        peer> 200 INVITE sdp
        peer< ACK
        call< ReofferAnswered sdp
        call> Hangup 0/16
        peer< BYE | CSeq: 105 BYE
        call< Ended 0/16
        peer> 407 BYE {}
        peer< BYE | CSeq: 106 BYE
        peer> 200 BYE",
        asked(1),
        asked(2),
        asked(3),
    ));
}

fn count_shown(bench: &mut Bench) -> String {
    let message = bench.messages().remove(0);
    let shown = field(&message, Header::ProxyAuthorization).expect("credentials");
    let at = shown.find("nc=").expect("a count");
    shown[at..at + 11].to_string()
}

#[test]
fn an_image_without_secrets_where_none_are_needed() {
    let holds = |bench: &Bench| bench.image().windows(2).any(|two| two == b"pw");
    let mut bench = Bench::new();
    bench.run("call> Invite\npeer< INVITE sdp");
    assert!(!holds(&bench));
    bench.run("call> Invite auth\npeer< INVITE sdp");
    assert!(holds(&bench));
}

#[test]
fn many_requests_bring_a_new_image() {
    let mut bench = Bench::new();
    bench.run(OUT);
    for _ in 0..300 {
        bench.run("call> Info\npeer< INFO sdp\npeer> 200 INFO");
    }
    bench.run(
        "call> Info
        peer< INFO sdp | CSeq: 402 INFO
        peer> 200 INFO
        restart
        thaw< Confirmed",
    );
    bench.run_open("call> Info");
    let info = bench.messages().remove(0);
    let cseq = field(&info, Header::CSeq).and_then(|cseq| cseq.strip_suffix(" INFO")).unwrap();
    assert!(cseq.parse::<u32>().unwrap() > 402, "{cseq}");
}

#[test]
fn touched_legs_are_named_once_and_so_are_those_that_are_let_go() {
    let mut bench = Bench::new();
    bench.run(IN);
    bench.run(&OUT.replace("thaw< Confirmed", "thaw< Confirmed\nthaw< Confirmed"));
    assert_eq!(bench.endpoint.poll_touched(), None);
    let hangup = |bench: &mut Bench| {
        let cause = Cause::new(0, 16);
        let hangup = Command::Hangup { cause, phrase: "".into(), retry_after_s: 0 };
        bench.endpoint.handle_command(leg_id(2), hangup, bench.now);
    };
    let reoffer = Command::Reoffer { body: None };
    for leg in [leg_id(1), leg_id(2), leg_id(1)] {
        let more = Command::Info { body: Body::sdp(*b"x") };
        bench.endpoint.handle_command(leg, reoffer.clone(), bench.now);
        bench.endpoint.handle_command(leg, more, bench.now);
    }
    hangup(&mut bench);
    assert!(bench.endpoint.freeze(leg_id(1)).is_some());
    assert!(bench.endpoint.freeze(leg_id(2)).is_some());
    assert_eq!(bench.endpoint.freeze(leg_id(9)), None);
    assert_eq!(bench.endpoint.poll_touched(), Some(leg_id(1)));
    assert_eq!(bench.endpoint.poll_touched(), Some(leg_id(2)));
    assert_eq!((bench.endpoint.poll_touched(), bench.endpoint.poll_let_go()), (None, None));
    // Nobody answers the BYE, nor the description that was asked for.
    for _ in 0..64 {
        let at = bench.now.plus_ms(1_000);
        bench.endpoint.handle_timeout(at);
        bench.now = at;
    }
    assert_eq!(bench.endpoint.poll_touched(), None);
    let let_go = [bench.endpoint.poll_let_go(), bench.endpoint.poll_let_go()];
    assert_eq!(let_go, [Some(leg_id(1)), Some(leg_id(2))]);
    assert_eq!(bench.endpoint.poll_let_go(), None);
    assert_eq!(bench.endpoint.freeze(leg_id(2)), None);
    assert!(!bench.endpoint.owes(leg_id(2)) && !bench.endpoint.owes(leg_id(9)));
}

#[test]
fn what_is_too_long_is_left_out() {
    // A 2xx: the BYE goes out without waiting for its ACK.
    let mut bench = Bench::new();
    bench.run("peer> INVITE\npeer< 100 INVITE\ncall< Offered 4420 sdp");
    let long = Body::sdp(vec![b'x'; IMAGE_OK_LEN_MAX]);
    let answer = Command::Answer { body: Some(long.clone()) };
    bench.endpoint.handle_command(leg_id(1), answer, bench.now);
    bench.drain();
    bench.run(
        "peer< 200 INVITE sdp
        restart
        thaw< Unconfirmed
        restart
        thaw< Unconfirmed
        call> Hangup 503/41
        peer< BYE
        call< Ended 503/41
        peer> 200 BYE
        wait 40000",
    );
    assert_empty(&bench);
    // The answer to a late offer: the ACK is not kept, and the peer gets one without it.
    let mut bench = Bench::new();
    bench.run("call> Invite nosdp\npeer< INVITE\npeer> 200 INVITE sdp\ncall< Answered sdp");
    bench.endpoint.handle_command(leg_id(1), Command::Confirm { body: Some(long) }, bench.now);
    bench.drain();
    bench.run(
        "peer< ACK sdp
        call< Confirmed
        restart
        thaw< Confirmed
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 1 ACK",
    );
    // A re-INVITE: it is taken anew.
    let long = format!("Contact: <sip:{}@192.0.2.10>", "x".repeat(IMAGE_HEAD_LEN_MAX));
    check(&format!(
        "{IN}
        peer> re-INVITE cseq=7 | {long}
        peer< 100 INVITE
        call< Reoffer sdp
        restart
        thaw< Confirmed
        peer> re-INVITE again cseq=7 | {long}
        peer< 100 INVITE
        call< Reoffer sdp"
    ));
    // An INVITE: its leg ends with the process.
    let mut bench = Bench::new();
    let invite = format!(
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
         {long}\r\n\r\n"
    );
    bench.throw(invite.as_bytes(), peer());
    assert_eq!((bench.endpoint.legs(), bench.endpoint.poll_touched()), (1, Some(leg_id(1))));
    assert_eq!(bench.endpoint.freeze(leg_id(1)), None);
}

/// A branch that is given up: the life that was to cancel it dies.
#[test]
fn a_leg_that_was_given_up_is_cancelled_by_the_next_life() {
    // No answer had come, so no CANCEL went out; the next life cannot know and sends it at once.
    check_to_the_end(
        "call> Invite
        peer< INVITE sdp
        call> Hangup 0/26
        call< Refused 0/26
        restart
        thaw< Leaving
        peer< CANCEL | CSeq: 1 CANCEL | Reason: Q.850;cause=26
        peer> 200 CANCEL
        peer> 487 INVITE
        peer< ACK | CSeq: 1 ACK",
    );
    // It was sent and lost; the callee has answered meanwhile.
    check_to_the_end(
        "call> Invite
        peer< INVITE sdp
        peer> 180 INVITE
        call< Progress 180 fork 0
        call> Hangup 0/26
        peer< CANCEL
        call< Refused 0/26
        restart
        thaw< Leaving
        peer< CANCEL | CSeq: 1 CANCEL
        restart
        thaw< Leaving
        peer< CANCEL | CSeq: 1 CANCEL
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 1 ACK
        peer< BYE
        restart
        thaw< Leaving
        peer< BYE
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 1 ACK
        peer> 200 BYE",
    );
}

#[test]
fn a_bye_without_an_answer_is_sent_by_the_next_life_with_the_next_number() {
    check_to_the_end(&format!(
        "{OUT}
        call> Hangup 0/16
        peer< BYE | CSeq: 102 BYE | Reason: Q.850;cause=16
        call< Ended 0/16
        restart
        thaw< Leaving
        peer< BYE | CSeq: 203 BYE | Reason: Q.850;cause=16
        peer> 481 BYE"
    ));
    // One that waits for the ACK of our answer.
    check_to_the_end(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        call> Hangup 0/16
        call< Ended 0/16
        restart
        thaw< Leaving
        peer< 200 INVITE sdp
        peer> ACK
        peer< BYE
        restart
        thaw< Leaving
        peer< BYE
        peer> 200 BYE",
    );
}

#[test]
fn a_bye_that_was_answered_leaves_nothing_to_say() {
    let mut bench = Bench::new();
    bench.run(&format!(
        "{OUT}
        call> Hangup 0/16
        peer< BYE
        call< Ended 0/16
        peer> 200 BYE
        restart"
    ));
    assert_empty(&bench);
}

#[test]
fn a_refusal_without_its_ack_is_sent_again_by_the_next_life() {
    let offered = "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp";
    let again = |refusal: &str| {
        format!(
            "restart
            thaw< Leaving
            peer< {refusal}
            wait 500
            peer< {refusal}
            peer> INVITE again cseq=2
            peer< {refusal}
            peer> ACK same
            restart"
        )
    };
    for (command, refusal) in [
        ("call> Hangup 486/17\npeer< 486 INVITE\ncall< Ended 486/17", "486 INVITE"),
        (
            "peer> CANCEL\npeer< 200 CANCEL\npeer< 487 INVITE\ncall< Ended 487/16 party",
            "487 INVITE",
        ),
    ] {
        check_to_the_end(&format!("{offered}\n{command}\n{}", again(refusal)));
    }
    // One inside a dialog that goes on.
    check(&format!(
        "{IN}
        peer> re-INVITE cseq=7
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferRefuse 488/31
        peer< 488 INVITE
        restart
        thaw< Confirmed
        peer< 488 INVITE
        peer> ACK same
        restart
        thaw< Confirmed"
    ));
}

#[test]
fn a_new_description_of_ours_gets_its_ack_after_the_end_as_well() {
    let asked = format!(
        "{OUT}
        call> Reoffer sdp
        peer< INVITE sdp | CSeq: 102 INVITE
        restart
        thaw< Confirmed"
    );
    // The callee answers it and hangs up at once.
    for end in ["", "restart\nthaw< Leaving"] {
        let mut bench = Bench::new();
        bench.run(&asked);
        let bye = of_callee(&bench, "BYE", 1);
        bench.feed(&bye, peer());
        bench.run(&format!(
            "peer< 200 BYE
            call< Ended 0/16 party
            {end}
            peer> 200 INVITE sdp
            peer< ACK | CSeq: 102 ACK
            wait 4000
            peer> 200 INVITE sdp
            peer< ACK | CSeq: 102 ACK
            wait 40000"
        ));
        assert_empty(&bench);
    }
    // It refuses it.
    check(&format!(
        "{asked}
        peer> 491 INVITE
        peer< ACK | CSeq: 102 ACK
        peer> 491 INVITE
        peer< ACK | CSeq: 102 ACK"
    ));
}
