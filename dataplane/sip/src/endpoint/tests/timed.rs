//! Session timers (RFC 4028): sections of it behind each scene.

use super::script::{Bench, check};

/// We are called by a peer that asks for a timer, and is told to refresh itself.
const IN: &str = "
    peer> INVITE | Supported: timer | Session-Expires: 1800 | Allow: INVITE, ACK, BYE, UPDATE
    peer< 100 INVITE
    call< Offered 4420 sdp
    call> Answer sdp
    peer< 200 INVITE sdp | Session-Expires: 1800;refresher=uac | Require: timer
    peer> ACK
    call< Confirmed
";

/// We call and ask for a timer; the peer leaves the refreshes to us.
fn out(allow: &str) -> String {
    format!(
        "call> Invite timer=ask:600
        peer< INVITE sdp | Supported: 100rel, timer | Session-Expires: 600
        peer> 200 INVITE sdp | Require: timer | Session-Expires: 600;refresher=uac | Allow: {allow}
        call< Answered sdp
        peer< ACK
        call< Confirmed"
    )
}

#[test]
fn the_peer_refreshes_by_update_and_no_call_hears_of_it() {
    check(&format!(
        "{IN}
        wait 900000
        peer> UPDATE | Supported: timer | Session-Expires: 1800;refresher=uac
        peer< 200 UPDATE | Session-Expires: 1800;refresher=uac | Require: timer
        wait 1767999
        wait 1
        peer< BYE | Reason: Q.850;cause=102
        call< Ended 408/102
        peer> 200 BYE"
    ));
}

#[test]
fn a_peer_that_refreshes_no_more_is_ended_32_s_early() {
    check(&format!(
        "{IN}
        wait 1767999
        wait 1
        peer< BYE | Reason: Q.850;cause=102
        call< Ended 408/102
        peer> 200 BYE"
    ));
}

#[test]
fn a_re_invite_of_the_peer_refreshes_as_well() {
    check(&format!(
        "{IN}
        wait 1000000
        peer> re-INVITE | Supported: timer | Session-Expires: 900;refresher=uac
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp | Session-Expires: 900;refresher=uac
        peer> ACK
        wait 867999
        wait 1
        peer< BYE
        call< Ended 408/102
        peer> 200 BYE"
    ));
}

#[test]
fn a_refresh_that_asks_for_no_timer_any_more_ends_it() {
    check(&format!(
        "{IN}
        peer> UPDATE | Supported: timer
        peer< 200 UPDATE
        wait 10000000"
    ));
}

#[test]
fn too_short_a_session_is_refused_with_the_least() {
    check(
        "peer> INVITE | Supported: timer | Session-Expires: 89
        count< Barred(422)
        peer< 422 INVITE | Min-SE: 90",
    );
    check(&format!(
        "{IN}
        peer> UPDATE | Supported: timer | Session-Expires: 30
        count< Barred(422)
        peer< 422 UPDATE | Min-SE: 90
        peer> re-INVITE | Supported: timer | Session-Expires: 30
        count< Barred(422)
        peer< 422 INVITE | Min-SE: 90
        peer> ACK same"
    ));
}

#[test]
fn we_refresh_by_update_at_half() {
    check(&format!(
        "{}
        wait 299999
        wait 1
        peer< UPDATE | Session-Expires: 600;refresher=uac | Supported: timer
        peer> 200 UPDATE | Session-Expires: 600;refresher=uac | Require: timer
        wait 299999
        wait 1
        peer< UPDATE
        peer> 200 UPDATE | Session-Expires: 600;refresher=uas | Require: timer
        wait 567999
        wait 1
        peer< BYE
        call< Ended 408/102
        peer> 200 BYE",
        out("INVITE, UPDATE")
    ));
}

#[test]
fn a_peer_without_update_is_refreshed_by_its_last_description() {
    check(&format!(
        "{}
        wait 300000
        peer< INVITE sdp | Session-Expires: 600;refresher=uac | CSeq: 2 INVITE
        peer> 200 INVITE sdp | Session-Expires: 600;refresher=uac
        peer< ACK
        call< Refreshed sdp
        call> Reoffer sdp
        peer< INVITE sdp | Session-Expires: 600;refresher=uac
        peer> 200 INVITE sdp | Session-Expires: 600;refresher=uac
        peer< ACK
        call< ReofferAnswered sdp
        wait 299999
        wait 1
        peer< INVITE sdp",
        out("INVITE")
    ));
}

#[test]
fn update_that_the_peer_does_not_take_after_all() {
    check(&format!(
        "{}
        wait 300000
        peer< UPDATE
        peer> 405 UPDATE
        wait 5000
        peer< UPDATE
        peer> 500 UPDATE | Retry-After: 8
        wait 7999
        wait 1
        peer< UPDATE
        peer> 200 UPDATE | Session-Expires: 600;refresher=uac
        wait 299999",
        out("INVITE, UPDATE")
    ));
}

#[test]
fn a_call_may_want_something_while_we_refresh() {
    check(&format!(
        "{}
        wait 300000
        peer< INVITE sdp | CSeq: 2 INVITE
        call> Reoffer sdp
        peer> 200 INVITE sdp | Session-Expires: 600;refresher=uac
        peer< ACK
        call< Refreshed sdp
        peer< INVITE sdp | CSeq: 3 INVITE
        peer> 200 INVITE sdp
        peer< ACK
        call< ReofferAnswered sdp
        wait 3600000",
        out("INVITE")
    ));
}

#[test]
fn a_refresh_that_meets_the_peers_offer_comes_again() {
    let mut bench = Bench::new();
    bench.run_open(&format!(
        "{}
        wait 300000
        peer< INVITE sdp
        peer> 491 INVITE
        peer< ACK
        peer> re-INVITE callid=OURS fromtag=b
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp
        peer> ACK callid=OURS fromtag=b
        wait 4000",
        out("INVITE")
    ));
    assert!(bench.texts().contains(&"peer< INVITE sdp".into()));
    bench.run(
        "peer> 200 INVITE sdp | Session-Expires: 600;refresher=uac
        peer< ACK
        call< Refreshed sdp",
    );
}

#[test]
fn a_peer_that_knows_no_dialog_or_says_nothing_is_gone() {
    let out = out("UPDATE");
    check(&format!(
        "{out}
        wait 300000
        peer< UPDATE
        peer> 481 UPDATE
        peer< BYE
        call< Ended 481/41
        peer> 200 BYE"
    ));
    let mut bench = Bench::new();
    bench.run_open(&format!("{out}\nwait 331999"));
    assert_eq!(bench.texts().iter().filter(|text| *text == "peer< UPDATE").count(), 11);
    bench.run(
        "wait 1
        peer< BYE | Reason: Q.850;cause=102
        call< Ended 408/102
        peer> 200 BYE",
    );
}

#[test]
fn too_short_for_the_peer() {
    check(
        "call> Invite timer=ask:600
        peer< INVITE sdp | Session-Expires: 600
        peer> 422 INVITE | Min-SE: 1200
        peer< ACK
        peer< INVITE sdp | Session-Expires: 1200 | Min-SE: 1200 | CSeq: 2 INVITE
        peer> 422 INVITE | Min-SE: 1200
        peer< ACK
        call< Refused 422/31",
    );
    check(&format!(
        "{}
        wait 300000
        peer< UPDATE
        peer> 422 UPDATE | Min-SE: 1800
        wait 0
        peer< UPDATE | Session-Expires: 1800;refresher=uac | Min-SE: 1800
        peer> 200 UPDATE | Session-Expires: 1800;refresher=uac
        wait 899999
        wait 1
        peer< UPDATE",
        out("UPDATE")
    ));
}

#[test]
fn who_wants_no_timer_has_none() {
    check(
        "call> Invite timer=never
        peer< INVITE sdp | Supported: 100rel
        peer> 200 INVITE sdp | Session-Expires: 600;refresher=uac
        call< Answered sdp
        peer< ACK
        call< Confirmed
        wait 3600000",
    );
    check(
        "peer> INVITE | Supported: timer | Session-Expires: 1800
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Speak timer=never
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK
        call< Confirmed
        wait 3600000",
    );
}

#[test]
fn sessions_are_as_short_and_as_long_as_is_set() {
    check(
        "peer> INVITE | Supported: timer | Session-Expires: 1800
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Speak least=300 most=900
        call> Answer sdp
        peer< 200 INVITE sdp | Session-Expires: 900;refresher=uac
        peer> ACK
        call< Confirmed
        peer> UPDATE cseq=3 | Supported: timer | Session-Expires: 299
        count< Barred(422)
        peer< 422 UPDATE | Min-SE: 300
        peer> UPDATE cseq=4 | Supported: timer | Session-Expires: 300
        peer< 200 UPDATE | Session-Expires: 300;refresher=uac",
    );
    check(
        "call> Invite timer=ask:600 least=300
        peer< INVITE sdp | Session-Expires: 600 | Min-SE: 300",
    );
}

#[test]
fn who_forces_one_refreshes_by_itself() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Speak timer=force:120
        call> Answer sdp
        peer< 200 INVITE sdp | Session-Expires: 120;refresher=uas
        peer> ACK
        call< Confirmed
        wait 60000
        peer< INVITE sdp | Session-Expires: 120;refresher=uac
        peer> 200 INVITE sdp
        peer< ACK
        call< Refreshed sdp
        wait 59999
        wait 1
        peer< INVITE sdp",
    );
}

#[test]
fn a_timer_outlives_its_process() {
    check(&format!(
        "{}
        wait 200000
        restart
        thaw< Confirmed
        wait 99999
        wait 1
        peer< UPDATE | Session-Expires: 600;refresher=uac
        restart
        thaw< Confirmed
        wait 0
        peer< UPDATE | Session-Expires: 600;refresher=uac
        peer> 200 UPDATE | Session-Expires: 600;refresher=uac",
        out("INVITE, UPDATE")
    ));
    check(&format!(
        "{}
        restart
        thaw< Confirmed
        wait 300000
        peer< INVITE sdp
        peer> 200 INVITE sdp
        peer< ACK
        call< Refreshed sdp",
        out("INVITE")
    ));
    check(&format!(
        "{IN}
        restart
        thaw< Confirmed
        wait 1767999
        wait 1
        peer< BYE
        call< Ended 408/102
        peer> 200 BYE"
    ));
}
