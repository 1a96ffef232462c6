//! What a former life began with peers that are no part of its call any more: other forks that
//! answered, and failures that were taken.

use super::revival::peer;
use super::script::Bench;
use super::*;

#[test]
fn another_fork_that_was_being_ended_is_sent_another_bye() {
    check(
        "call> Invite auth
        peer< INVITE sdp
        peer> 200 INVITE sdp
        call< Answered sdp
        peer< ACK
        call< Confirmed
        peer> 200 INVITE tag=c sdp | Contact: <sip:c@192.0.2.12>
        peer< ACK to=192.0.2.12:5060
        peer< BYE to=192.0.2.12:5060 | CSeq: 2 BYE
        restart
        thaw< Confirmed
        peer< BYE to=192.0.2.12:5060 | To: <sip:4420@192.0.2.10>;tag=c | CSeq: 103 BYE
        peer> 200 INVITE tag=c sdp | Contact: <sip:c@192.0.2.12>
        peer< ACK to=192.0.2.12:5060 | To: <sip:4420@192.0.2.10>;tag=c | CSeq: 1 ACK
        peer> 401 BYE tag=c | WWW-Authenticate: Digest realm=\"r\",nonce=\"1\"
        peer< BYE to=192.0.2.12:5060 | CSeq: 104 BYE
        restart
        thaw< Confirmed
        peer< BYE to=192.0.2.12:5060 | CSeq: 205 BYE
        peer> 200 BYE tag=c
        restart
        thaw< Confirmed",
    );
}

#[test]
fn another_fork_is_ended_after_its_call_is_over() {
    let mut bench = Bench::new();
    bench.run(
        "call> Invite
        peer< INVITE sdp
        peer> 200 INVITE sdp
        call< Answered sdp
        peer< ACK
        call< Confirmed
        call> Hangup 0/16
        peer< BYE
        call< Ended 0/16
        peer> 200 BYE
        peer> 200 INVITE tag=c sdp | Contact: <sip:c@192.0.2.12>
        peer< ACK to=192.0.2.12:5060
        peer< BYE to=192.0.2.12:5060 | CSeq: 2 BYE
        restart
        thaw< Leaving
        peer< BYE to=192.0.2.12:5060 | CSeq: 103 BYE
        peer> 200 BYE tag=c
        restart
        wait 64000",
    );
    assert_eq!((bench.endpoint.legs(), bench.endpoint.transactions()), (0, 0));
}

#[test]
fn a_failure_that_the_life_before_had_taken_gets_its_ack_without_a_leg() {
    let mut bench = Bench::new();
    bench.run(
        "call> Invite
        peer< INVITE sdp
        peer> 486 INVITE
        peer< ACK
        call< Refused 486/17
        restart
        peer> 486 INVITE
        peer< ACK to=192.0.2.10:5060 | CSeq: 1 ACK | To: <sip:4420@192.0.2.10>;tag=b",
    );
    let ours = bench.our_tag();
    let response = |branch: &str, tag: &str, code: u16, method: &str| {
        format!(
            "SIP/2.0 {code} X\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\
             From: <sip:1001@192.0.2.1>;tag={tag}\r\nTo: <sip:4420@192.0.2.10>;tag=b\r\n\
             Call-ID: x\r\nCSeq: 1 {method}\r\n\r\n"
        )
    };
    let branch = format!("z9hG4bK{ours}.1");
    let strange = ours.replace(char::is_alphanumeric, "a");
    for (branch, tag, code, method) in [
        (branch.as_str(), "other", 486, "INVITE"),
        (&format!("z9hG4bK{strange}.1"), strange.as_str(), 486, "INVITE"),
        ("z9hG4bKr.1", ours.as_str(), 486, "INVITE"),
        (&branch, &ours, 200, "INVITE"),
        (&branch, &ours, 180, "INVITE"),
        (&branch, &ours, 486, "BYE"),
    ] {
        bench.feed(response(branch, tag, code, method).as_bytes(), peer());
        bench.run("count< StrayResponse");
    }
}
