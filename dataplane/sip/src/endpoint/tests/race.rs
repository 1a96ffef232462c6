//! The races of RFC 5407, each by its section: messages that cross, in the states of its section 2.

use super::script::Bench;

/// We are called and have answered; the ACK has not come ("moratorium").
const MORATORIUM: &str = "
    peer> INVITE cseq=2 | Allow: INVITE, ACK, BYE, UPDATE
    peer< 100 INVITE
    call< Offered 4420 sdp
    call> Answer sdp
    peer< 200 INVITE sdp
";

/// We call, and the call is up.
const ESTABLISHED: &str = "
    call> Invite
    peer< INVITE sdp
    peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10> | Allow: INVITE, ACK, BYE, UPDATE
    call< Answered sdp
    peer< ACK
    call< Confirmed
";

/// As `ESTABLISHED`; our BYE is out ("mortal").
const MORTAL: &str = "
    ESTABLISHED
    call> Hangup 0/16
    peer< BYE
    call< Ended 0/16
";

const RACES: &[(&str, &str)] = &[
    (
        "3.1.1 the INVITE comes again when the callee has answered",
        "MORATORIUM
        peer> INVITE again cseq=2
        wait 500
        peer< 200 INVITE sdp
        peer> ACK
        call< Confirmed",
    ),
    (
        "3.1.2 CANCEL comes when the callee has answered",
        "MORATORIUM
        peer> CANCEL
        peer< 200 CANCEL
        peer> ACK
        call< Confirmed
        peer> BYE
        peer< 200 BYE
        call< Ended 0/16 party",
    ),
    (
        "3.1.3 a BYE of the early dialog comes when the callee has answered",
        "MORATORIUM
        peer> BYE
        peer< 200 BYE
        call< Ended 0/16 party
        peer> ACK cseq=2
        count< StrayAck
        wait 40000",
    ),
    (
        "3.1.4 a re-INVITE overtakes the ACK, descriptions went both ways",
        "MORATORIUM
        peer> re-INVITE
        peer< 491 INVITE
        peer> ACK same
        peer> ACK cseq=2
        call< Confirmed
        peer> re-INVITE cseq=4
        peer< 100 INVITE
        call< Reoffer sdp",
    ),
    (
        "3.1.5 a re-INVITE overtakes the ACK that has the answer",
        "peer> INVITE nosdp cseq=2
        peer< 100 INVITE
        call< Offered 4420
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> re-INVITE
        peer< 491 INVITE
        peer> ACK same
        peer> ACK sdp cseq=2
        call< Confirmed sdp",
    ),
    (
        "3.1.6 BYE comes and the ACK was lost",
        "MORATORIUM
        wait 500
        peer< 200 INVITE sdp
        peer> BYE
        peer< 200 BYE
        call< Ended 0/16 party
        wait 40000",
    ),
    (
        "3.2.1 both hang up",
        "MORTAL
        peer> BYE callid=OURS fromtag=b
        peer< 200 BYE
        peer> 200 BYE
        wait 40000",
    ),
    (
        "3.2.2 a re-INVITE comes when we have hung up",
        "MORTAL
        peer> re-INVITE callid=OURS fromtag=b
        count< NoDialog
        peer< 481 INVITE
        peer> 200 BYE",
    ),
    (
        "3.2.3 the 200 to our re-INVITE comes when we have hung up",
        "ESTABLISHED
        call> Reoffer sdp
        peer< INVITE sdp | CSeq: 2 INVITE
        call> Hangup 0/16
        peer< BYE | CSeq: 3 BYE
        call< Ended 0/16
        peer> 200 INVITE sdp
        peer< ACK | CSeq: 2 ACK
        peer> 200 BYE",
    ),
    (
        "3.2.4 the ACK comes when the callee has hung up: its BYE has waited for it",
        "MORATORIUM
        call> Hangup 0/16
        call< Ended 0/16
        peer> ACK
        peer< BYE
        peer> 200 BYE
        wait 40000",
    ),
    (
        "3.3.1 re-INVITEs cross",
        "ESTABLISHED
        call> Reoffer sdp
        peer< INVITE sdp
        peer> re-INVITE callid=OURS fromtag=b cseq=1
        peer< 491 INVITE
        peer> ACK same callid=OURS fromtag=b
        peer> 491 INVITE
        peer< ACK
        peer> re-INVITE callid=OURS fromtag=b
        peer< 100 INVITE
        call< Reoffer sdp",
    ),
    (
        "3.3.2 an UPDATE crosses our re-INVITE",
        "ESTABLISHED
        call> Reoffer sdp
        peer< INVITE sdp
        peer> UPDATE sdp callid=OURS fromtag=b cseq=1
        peer< 491 UPDATE
        peer> 200 INVITE sdp
        peer< ACK
        call< ReofferAnswered sdp
        peer> UPDATE sdp callid=OURS fromtag=b
        call< Update sdp
        call> ReofferAnswer sdp
        peer< 200 UPDATE sdp",
    ),
    (
        "3.3.2 a re-INVITE crosses our UPDATE",
        "ESTABLISHED
        call> Update
        peer< UPDATE sdp
        peer> re-INVITE callid=OURS fromtag=b cseq=1
        peer< 491 INVITE
        peer> ACK same callid=OURS fromtag=b
        peer> 200 UPDATE sdp
        call< ReofferAnswered sdp",
    ),
    (
        "3.3.2 UPDATEs cross, the answer of a call that is not there yet included",
        "ESTABLISHED
        peer> UPDATE sdp callid=OURS fromtag=b cseq=1
        call< Update sdp
        call> Update
        peer> UPDATE sdp callid=OURS fromtag=b
        count< Barred(500)
        peer< 500 UPDATE
        call> ReofferAnswer sdp
        peer< 200 UPDATE sdp
        peer< UPDATE sdp
        peer> 200 UPDATE sdp
        call< ReofferAnswered sdp",
    ),
    (
        "A BYE in an early dialog",
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Progress 180
        peer< 180 INVITE
        peer> BYE
        peer< 200 BYE
        peer< 487 INVITE
        call< Ended 0/16 party
        peer> ACK same",
    ),
    (
        "B BYE comes while a re-INVITE waits for its answer",
        "MORATORIUM
        peer> ACK
        call< Confirmed
        peer> re-INVITE
        peer< 100 INVITE
        call< Reoffer sdp
        peer> BYE
        peer< 200 BYE
        peer< 487 INVITE
        call< Ended 0/16 party
        peer> ACK same",
    ),
];

#[test]
fn races_of_rfc_5407() {
    for (section, script) in RACES {
        let script = script.replace("MORTAL", MORTAL).replace("MORATORIUM", MORATORIUM);
        let script = script.replace("ESTABLISHED", ESTABLISHED);
        let run = || Bench::new().run(&script);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        assert!(ran.is_ok(), "RFC 5407 {section}");
    }
}
