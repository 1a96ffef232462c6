//! What happens before the answer: reliable provisional responses of both sides (RFC 3262), the
//! early dialogs of forks (RFC 3261 13.2.2.4), UPDATE in them (RFC 3311).

use super::script::check;

/// The caller speaks reliable responses, and hears early media.
const IN: &str = "
    peer> INVITE cseq=7 | Supported: 100rel | Allow: INVITE, ACK, PRACK, UPDATE
    peer< 100 INVITE
    call< Offered 4420 sdp
    call> Progress 183 sdp
    peer< 183 INVITE sdp | Require: 100rel
";

/// As `IN`, acknowledged: descriptions went both ways.
fn described() -> String {
    format!(
        "{IN}
        peer> PRACK cseq=8 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK"
    )
}

/// We call; two forks answer provisionally, both reliably.
const OUT: &str = "
    call> Invite
    peer< INVITE sdp | Supported: 100rel, timer | CSeq: 1 INVITE
    peer> 183 INVITE sdp tag=b | Require: 100rel | RSeq: 10 | Contact: <sip:b@192.0.2.11> \
        | Allow: INVITE, PRACK, UPDATE
    peer< PRACK to=192.0.2.11:5060 | RAck: 10 1 INVITE | To: <sip:4420@192.0.2.10>;tag=b \
        | CSeq: 2 PRACK | PRACK sip:b@192.0.2.11 SIP/2.0
    call< Progress 183 fork 0 sdp
    peer> 200 PRACK tag=b
    peer> 180 INVITE tag=c | Require: 100rel | RSeq: 7 | Contact: <sip:c@192.0.2.12>
    peer< PRACK to=192.0.2.12:5060 | RAck: 7 1 INVITE | To: <sip:4420@192.0.2.10>;tag=c \
        | CSeq: 3 PRACK
    call< Progress 180 fork 1
    peer> 200 PRACK tag=c
";

#[test]
fn early_media_is_told_until_it_is_acknowledged() {
    check(&format!(
        "{IN}
        wait 500
        peer< 183 INVITE sdp
        wait 1000
        peer< 183 INVITE sdp
        peer> PRACK cseq=8 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK
        wait 50000
        call> Progress 180
        peer< 180 INVITE
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK cseq=7
        call< Confirmed
        peer> PRACK cseq=9 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK"
    ));
}

#[test]
fn an_answer_waits_for_the_description_in_front_of_it() {
    check(&format!(
        "{IN}
        call> Answer sdp
        wait 500
        peer< 183 INVITE sdp
        peer> PRACK cseq=8 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK
        peer< 200 INVITE sdp
        peer> ACK cseq=7
        call< Confirmed"
    ));
}

#[test]
fn what_nobody_acknowledges_ends_the_leg() {
    check(&format!(
        "{IN}
        wait 500
        peer< 183 INVITE sdp
        wait 1000
        peer< 183 INVITE sdp
        wait 2000
        peer< 183 INVITE sdp
        wait 4000
        peer< 183 INVITE sdp
        wait 8000
        peer< 183 INVITE sdp
        wait 16000
        peer< 183 INVITE sdp
        wait 499
        wait 1
        peer< 504 INVITE
        call< Ended 504/102
        peer> ACK same"
    ));
}

#[test]
fn acknowledgements_of_nothing() {
    check(&format!(
        "{IN}
        peer> PRACK cseq=8 | RAck: RSEQ+1 7 INVITE
        peer< 481 PRACK
        peer> PRACK cseq=9 | RAck: RSEQ 6 INVITE
        peer< 481 PRACK
        peer> PRACK cseq=10 | RAck: RSEQ 7 INFO
        peer< 481 PRACK
        peer> PRACK cseq=11
        peer< 481 PRACK
        call> Hangup 486/17
        peer< 486 INVITE
        call< Ended 486/17
        peer> ACK same"
    ));
}

#[test]
fn who_requires_it_gets_all_of_them_one_by_one() {
    check(
        "peer> INVITE cseq=7 | Require: 100rel
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Progress 180
        peer< 180 INVITE | Require: 100rel
        call> Progress 181
        call> Progress 183 sdp
        peer> PRACK cseq=8 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK
        peer< 181 INVITE | Require: 100rel
        peer> PRACK cseq=9 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK
        peer< 183 INVITE sdp | Require: 100rel
        peer> PRACK cseq=10 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK cseq=7
        call< Confirmed",
    );
}

#[test]
fn an_answer_overtakes_what_describes_nothing() {
    check(
        "peer> INVITE cseq=7 | Require: 100rel
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Progress 180
        peer< 180 INVITE | Require: 100rel
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> PRACK cseq=8 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK
        peer> ACK cseq=7
        call< Confirmed",
    );
}

#[test]
fn who_requires_it_without_an_offer_hears_the_answer_first() {
    check(
        "peer> INVITE nosdp | Require: 100rel
        peer< 100 INVITE
        call< Offered 4420
        call> Progress 180
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK sdp
        call< Confirmed sdp",
    );
}

#[test]
fn policies_of_the_calling_side() {
    for (policy, required, progress) in [
        ("never", "", "180 INVITE"),
        ("media", "", "180 INVITE"),
        ("always", " | Require: 100rel", "180 INVITE"),
        ("require", " | Require: 100rel", "180 INVITE"),
    ] {
        check(&format!(
            "peer> INVITE cseq=7 | Supported: 100rel
            peer< 100 INVITE
            call< Offered 4420 sdp
            call> Speak reliable={policy}
            call> Progress 180
            peer< {progress}{required}"
        ));
    }
    for (policy, fields) in [
        ("never", " | Supported: timer"),
        ("always", " | Supported: 100rel, timer"),
        ("require", " | Require: 100rel"),
    ] {
        check(&format!(
            "call> Invite reliable={policy}
            peer< INVITE sdp{fields}"
        ));
    }
    check(
        "call> Invite nosdp reliable=require
        peer< INVITE | Supported: timer",
    );
}

#[test]
fn the_callee_asks_too_much() {
    check(
        "call> Invite reliable=require
        peer< INVITE sdp | Require: 100rel
        peer> 420 INVITE | Unsupported: 100rel
        peer< ACK
        call< Refused 420/127",
    );
    check(
        "call> Invite reliable=never
        peer< INVITE sdp
        peer> 421 INVITE | Require: 100rel
        peer< ACK
        call< Refused 421/127",
    );
}

#[test]
fn forks_are_acknowledged_each_in_its_dialog() {
    check(&format!(
        "{OUT}
        peer> 183 INVITE sdp tag=b | Require: 100rel | RSeq: 10
        peer> 180 INVITE tag=b | Require: 100rel | RSeq: 12
        peer> 180 INVITE tag=b | Require: 100rel | RSeq: 11
        peer< PRACK to=192.0.2.11:5060 | RAck: 11 1 INVITE | CSeq: 4 PRACK
        call< Progress 180 fork 0
        peer> 200 PRACK tag=b
        peer> 200 INVITE sdp tag=c | Contact: <sip:c@192.0.2.12>
        call< Answered sdp
        peer< ACK to=192.0.2.12:5060 | CSeq: 1 ACK
        call< Confirmed
        peer> 200 INVITE tag=b | Contact: <sip:b@192.0.2.11>
        peer< ACK to=192.0.2.11:5060 | CSeq: 1 ACK
        peer< BYE to=192.0.2.11:5060 | CSeq: 5 BYE
        peer> 200 BYE tag=b
        call> Hangup 0/16
        peer< BYE to=192.0.2.12:5060 | CSeq: 5 BYE
        call< Ended 0/16
        peer> 200 BYE tag=c"
    ));
}

#[test]
fn an_answer_without_a_description_has_that_of_its_fork() {
    check(&format!(
        "{OUT}
        peer> 200 INVITE tag=b | Contact: <sip:b@192.0.2.11>
        call< Answered sdp
        peer< ACK to=192.0.2.11:5060
        call< Confirmed"
    ));
    check(&format!(
        "{OUT}
        peer> 200 INVITE tag=c | Contact: <sip:c@192.0.2.12>
        call< Answered
        peer< ACK to=192.0.2.12:5060
        call< Confirmed"
    ));
}

#[test]
fn a_challenged_acknowledgement_is_sent_again() {
    check(
        "call> Invite auth
        peer< INVITE sdp
        peer> 183 INVITE sdp | Require: 100rel | RSeq: 1
        peer< PRACK | CSeq: 2 PRACK
        call< Progress 183 fork 0 sdp
        peer> 401 PRACK | WWW-Authenticate: Digest realm=\"r\",nonce=\"1\"
        peer< PRACK | CSeq: 3 PRACK | RAck: 1 1 INVITE
        peer> 200 PRACK",
    );
}

#[test]
fn the_caller_gives_up_while_a_response_is_unacknowledged() {
    check(&format!(
        "{IN}
        peer> CANCEL
        peer< 200 CANCEL
        peer< 487 INVITE
        call< Ended 487/16 party
        peer> ACK same
        peer> PRACK cseq=8 | RAck: RSEQ 7 INVITE
        count< NoDialog
        peer< 481 PRACK"
    ));
}

#[test]
fn the_caller_changes_its_mind_before_the_answer() {
    let described = described();
    check(&format!(
        "{described}
        peer> UPDATE sdp
        call< Update sdp
        peer> UPDATE sdp
        count< Barred(500)
        peer< 500 UPDATE
        call> ReofferAnswer sdp
        peer< 200 UPDATE sdp
        peer> UPDATE sdp
        call< Update sdp
        call> ReofferRefuse 488/65
        peer< 488 UPDATE
        peer> UPDATE
        peer< 200 UPDATE
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK cseq=7
        call< Confirmed"
    ));
    check(&format!(
        "{described}
        peer> UPDATE sdp
        call< Update sdp
        call> Answer sdp
        count< Barred(500)
        peer< 500 UPDATE
        peer< 200 INVITE sdp
        peer> ACK cseq=7
        call< Confirmed"
    ));
    // Its first offer has no answer that it is sure to have.
    check(&format!(
        "{IN}
        peer> UPDATE sdp
        count< Barred(500)
        peer< 500 UPDATE"
    ));
}

#[test]
fn an_offer_in_an_acknowledgement_is_answered_there() {
    check(&format!(
        "{IN}
        peer> PRACK cseq=8 sdp | RAck: RSEQ 7 INVITE
        call< Update sdp
        call> ReofferAnswer sdp
        peer< 200 PRACK sdp"
    ));
    check(
        "peer> INVITE cseq=7 | Require: 100rel
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Progress 180
        peer< 180 INVITE
        peer> PRACK cseq=8 sdp | RAck: RSEQ 7 INVITE
        count< Barred(488)
        peer< 488 PRACK",
    );
}

#[test]
fn the_call_offers_the_caller_something_new_before_the_answer() {
    check(&format!(
        "{}
        call> Update
        peer< UPDATE sdp | CSeq: 1 UPDATE
        peer> UPDATE sdp
        peer< 491 UPDATE
        call> Update
        call< ReofferRefused 491/31
        peer> 200 UPDATE sdp
        call< ReofferAnswered sdp
        call> Update
        peer< UPDATE sdp | CSeq: 2 UPDATE
        peer> 488 UPDATE
        call< ReofferRefused 488/65",
        described()
    ));
    check(&format!(
        "{IN}
        call> Update
        call< ReofferRefused 488/65"
    ));
}

#[test]
fn the_callee_changes_its_mind_before_it_answers() {
    check(&format!(
        "{OUT}
        peer> UPDATE sdp fromtag=b cseq=1 from=192.0.2.11:5060 callid=OURS
        call< Update sdp
        call> ReofferAnswer sdp
        peer< 200 UPDATE sdp
        peer> UPDATE sdp fromtag=c cseq=1 callid=OURS
        peer< 491 UPDATE
        peer> BYE fromtag=b cseq=2 callid=OURS
        count< NoDialog
        peer< 481 BYE
        peer> UPDATE sdp fromtag=b cseq=1 callid=OURS
        count< OutOfOrder
        peer< 500 UPDATE
        call> Update
        peer< UPDATE sdp to=192.0.2.11:5060 | CSeq: 4 UPDATE
        peer> 200 UPDATE sdp tag=b
        call< ReofferAnswered sdp
        peer> 200 INVITE tag=b
        call< Answered sdp
        peer< ACK to=192.0.2.11:5060
        call< Confirmed
        peer> UPDATE fromtag=b cseq=3 callid=OURS
        peer< 200 UPDATE"
    ));
}

#[test]
fn another_branch_answers_than_the_one_that_was_heard() {
    // The description that was told reliably is the answer; what counts now is offered anew.
    check(&format!(
        "{}
        call> Answer other
        peer< 200 INVITE
        peer> ACK cseq=7
        call< Confirmed
        peer< INVITE sdp
        peer> 200 INVITE sdp
        peer< ACK
        call< Refreshed sdp",
        described()
    ));
}
