use std::net::SocketAddr;

use strowger_leg::Body;
use strowger_link::token::{self, Token};
use strowger_link::{Key, Octets, Secret, Tick, Transport};

use super::script::{Bench, TOKEN_KEY, config, field, leg_id};
use super::*;
use crate::dialog::{Dialog, End};
use crate::endpoint::config::Chance;
use crate::endpoint::image::{Ack, Answer, Image, Invite, Pending, Shape, Standing};
use crate::endpoint::wallet::Wallet;
use crate::endpoint::{Config, Endpoint, Path, ThawError, Thawed};
use crate::header::Header;
use crate::limits::SEQ_STEP;
use crate::message::{Index, Message};

/// We are called.
const IN: &str = "
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
const OUT: &str = "
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

fn peer() -> std::net::SocketAddr {
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
        count< StrayResponse
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
        peer< BYE to=192.0.2.12:5060 | CSeq: 2 BYE
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

const CHALLENGE: &str =
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
fn touched_legs_are_named_once_and_never_when_they_are_over() {
    let mut bench = Bench::new();
    bench.run(IN);
    bench.run(&OUT.replace("thaw< Confirmed", "thaw< Confirmed\nthaw< Confirmed"));
    assert_eq!(bench.endpoint.poll_touched(), None);
    let hangup = |bench: &mut Bench| {
        let cause = strowger_link::Cause::new(0, 16);
        let hangup = strowger_leg::Command::Hangup { cause, phrase: "".into(), retry_after_s: 0 };
        bench.endpoint.handle_command(leg_id(2), hangup, bench.now);
    };
    let reoffer = strowger_leg::Command::Reoffer { body: None };
    for leg in [leg_id(1), leg_id(2), leg_id(1)] {
        let more = strowger_leg::Command::Info { body: Body::sdp(*b"x") };
        bench.endpoint.handle_command(leg, reoffer.clone(), bench.now);
        bench.endpoint.handle_command(leg, more, bench.now);
    }
    hangup(&mut bench);
    assert!(bench.endpoint.freeze(leg_id(1)).is_some());
    assert_eq!(bench.endpoint.freeze(leg_id(2)), None);
    assert_eq!(bench.endpoint.freeze(leg_id(9)), None);
    assert_eq!(bench.endpoint.poll_touched(), Some(leg_id(1)));
    assert_eq!(bench.endpoint.poll_touched(), None);
}

/// An image of each kind.
pub(super) fn images() -> Vec<(Thawed, Vec<u8>)> {
    let cut = |script: &str, thawed: Thawed| {
        let mut bench = Bench::new();
        bench.run_open(script);
        (thawed, bench.image().to_vec())
    };
    let offered = "peer> INVITE | Expires: 60\npeer< 100 INVITE\ncall< Offered 4420 sdp";
    let challenged = format!("call> Invite auth\npeer< INVITE sdp\npeer> 407 INVITE | {CHALLENGE}");
    let held = "call> Invite nosdp\npeer< INVITE\npeer> 200 INVITE sdp";
    let reinvite = format!("{IN}\npeer> re-INVITE\npeer< 100 INVITE\ncall< Reoffer sdp");
    vec![
        cut(offered, Thawed::Early),
        cut("call> Invite", Thawed::Early),
        cut(&challenged, Thawed::Early),
        cut(held, Thawed::Unconfirmed),
        cut(&format!("{offered}\ncall> Answer sdp"), Thawed::Unconfirmed),
        cut(IN, Thawed::Confirmed),
        cut(OUT, Thawed::Confirmed),
        cut(&format!("{held}\ncall< Answered sdp\ncall> Confirm sdp"), Thawed::Confirmed),
        cut(&reinvite, Thawed::Confirmed),
        cut(&format!("{reinvite}\ncall> ReofferAnswer sdp"), Thawed::Confirmed),
    ]
}

fn fresh() -> Endpoint {
    Endpoint::new(Config { chance_key: Key([99; 16]), ..config() })
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    for (thawed, image) in images() {
        let refused = |mut endpoint: Endpoint, leg, image: &[u8]| {
            let before = endpoint.legs();
            let error = endpoint.thaw(leg, image, Tick(5)).unwrap_err();
            assert_eq!((endpoint.legs(), endpoint.transactions()), (before, 0), "{thawed:?}");
            assert_eq!((endpoint.alarms(), endpoint.poll_touched()), (0, None));
            assert_eq!(endpoint.poll_output(), None);
            error
        };
        let leg = leg_id(1);
        let mut other = image.clone();
        other[0] += 1;
        assert_eq!(refused(fresh(), leg, &other), ThawError::Version);
        assert_eq!(refused(fresh(), leg_id(2), &image), ThawError::Token);
        let strange = Config { token_key: Key([1; 16]), ..config() };
        assert_eq!(refused(Endpoint::new(strange), leg, &image), ThawError::Token);
        let full = Config { legs_max: 0, ..config() };
        assert_eq!(refused(Endpoint::new(full), leg, &image), ThawError::Full);
        for len in 0..image.len() {
            assert_eq!(refused(fresh(), leg, &image[..len]), ThawError::Malformed, "{len}");
        }
        let longer = [image.as_slice(), b"x"].concat();
        assert_eq!(refused(fresh(), leg, &longer), ThawError::Malformed);
        let nowhere = strowger_link::LegId { leg: 16, ..leg };
        assert_eq!(refused(fresh(), nowhere, &image), ThawError::Token);
    }
}

#[test]
fn no_room_for_a_transaction_is_said() {
    let mut full = 0;
    for (_, image) in images() {
        let mut endpoint = Endpoint::new(Config { transactions_max: 0, ..config() });
        match endpoint.thaw(leg_id(1), &image, Tick(5)) {
            Ok(_) => assert_eq!(endpoint.legs(), 1),
            Err(error) => {
                assert_eq!((error, endpoint.legs()), (ThawError::Full, 0));
                full += 1;
            }
        }
    }
    // Offered, calling twice, answered, and the INVITEs in progress.
    assert_eq!(full, 6);
}

#[test]
fn a_leg_whose_invite_came_again_first_is_known() {
    let mut bench = Bench::new();
    bench.run_open("peer> INVITE\npeer< 100 INVITE\ncall< Offered 4420 sdp");
    let image = bench.image().to_vec();
    let token = token::seal(&TOKEN_KEY, leg_id(2)).unwrap();
    // As if another slot had it.
    let renamed = [&image[..1], token.as_str().as_bytes(), &image[18..]].concat();
    assert_eq!(bench.endpoint.thaw(leg_id(2), &renamed, bench.now), Err(ThawError::Known));
    assert_eq!(bench.endpoint.thaw(leg_id(1), &image, bench.now), Err(ThawError::Known));
}

/// Header fields as carriers and phones send them.
#[test]
#[expect(clippy::print_stdout, reason = "a size to be read")]
fn size_of_images() {
    let typical = "
        peer> INVITE callid=7f1a3c9e5b2d4a68-9c0b@10.20.30.40 fromtag=as58f4201b7a9c \
            | Contact: <sip:+15551234567@198.51.100.23:5060;transport=udp> \
            | Record-Route: <sip:198.51.100.20;lr;ftag=as58f4201b7a9c;did=1a2.5b6c> \
            | Record-Route: <sip:198.51.100.21:5060;lr>
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK callid=7f1a3c9e5b2d4a68-9c0b@10.20.30.40 fromtag=as58f4201b7a9c
        call< Confirmed
    ";
    let challenged = format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 407 INVITE | {CHALLENGE}
        peer< ACK
        peer< INVITE sdp
        peer> 200 INVITE sdp | Contact: <sip:4420@198.51.100.23:5060;transport=udp> \
            | Record-Route: <sip:198.51.100.20;lr;ftag=as58f4201b7a9c;did=1a2.5b6c>
        call< Answered sdp
        peer< ACK
        call< Confirmed"
    );
    for (what, script) in [
        ("in, bare", IN),
        ("out, bare", OUT),
        ("in, two proxies", typical),
        ("out, a proxy with credentials", &challenged),
    ] {
        let mut bench = Bench::new();
        bench.run(script);
        let len = bench.image().len();
        println!("image of a confirmed leg, {what}: {len} bytes");
        assert!(len <= 700, "{what}: {len}");
    }
}

/// Text that a header field may hold.
fn any_text(chance: &mut Chance, len_max: u32) -> Box<[u8]> {
    let len = 1 + chance.up_to(len_max);
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789.-_";
    (0..len).map(|_| letters[chance.up_to(38) as usize]).collect()
}

fn any_uri(chance: &mut Chance) -> Box<[u8]> {
    let user = any_text(chance, 20);
    [b"sip:", &*user, b"@192.0.2.", chance.up_to(255).to_string().as_bytes()].concat().into()
}

fn any_address(chance: &mut Chance) -> SocketAddr {
    let host = u8::try_from(chance.up_to(255)).unwrap();
    let port = u16::try_from(chance.up_to(65_535)).unwrap();
    match chance.up_to(3) {
        0 => SocketAddr::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()].into(), port),
        _ => SocketAddr::new([192, 0, 2, host].into(), port),
    }
}

fn any_path(chance: &mut Chance) -> Path {
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Wss];
    Path {
        listener: u8::try_from(chance.up_to(255)).unwrap(),
        transport: transports[chance.up_to(3) as usize],
        local: any_address(chance),
        peer: any_address(chance),
        flow: chance.next(),
    }
}

fn any_option<T>(chance: &mut Chance, some: impl FnOnce(&mut Chance) -> T) -> Option<T> {
    (chance.up_to(1) == 0).then(|| some(chance))
}

fn any_standing(chance: &mut Chance, token: &Token) -> Box<Standing> {
    let bracketed =
        |chance: &mut Chance| -> Box<[u8]> { [b"<", &*any_uri(chance), b";lr>"].concat().into() };
    let dialog = Dialog {
        call_id: any_text(chance, 60),
        local: End { address: bracketed(chance), tag: Some(token.as_str().as_bytes().into()) },
        remote: End {
            address: bracketed(chance),
            tag: any_option(chance, |chance| any_text(chance, 30)),
        },
        local_seq: chance.up_to(1_000_000),
        remote_seq: any_option(chance, |chance| chance.up_to(u32::MAX / 2)),
        target: any_uri(chance),
        route_set: (0..chance.up_to(4)).map(|_| bracketed(chance)).collect(),
        secure: chance.up_to(1) == 0,
    };
    let secret = any_option(chance, |chance| Secret {
        username: String::from_utf8(any_text(chance, 20).into()).unwrap(),
        password: String::from_utf8(any_text(chance, 20).into()).unwrap(),
    });
    let mut wallet = Wallet::new(secret);
    let challenged = "SIP/2.0 407 P\r\nProxy-Authenticate: Digest realm=\"r\",nonce=\"n\"\r\n\r\n";
    let mut index = Index::new();
    if chance.up_to(1) == 0 {
        wallet.learn(Message::parse(challenged.as_bytes(), &mut index).unwrap(), 407, 0);
    }
    let lines = any_option(chance, |chance| (Header::Authorization, any_text(chance, 90).into()));
    let lines = lines.into_iter().collect();
    Box::new(Standing { caller: chance.up_to(1) == 0, dialog, wallet, lines })
}

/// A message of the peer's INVITE, or our answer to it, in the dialog of `standing`.
fn of_invite(start: &str, chance: &mut Chance, standing: &Standing) -> Octets {
    let Dialog { call_id, local, remote, .. } = &standing.dialog;
    let tag = |end: &End| match &end.tag {
        Some(tag) => [b";tag=", &**tag].concat(),
        None => Vec::new(),
    };
    let branch = any_text(chance, 30);
    let text = [
        start.as_bytes(),
        b"\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK",
        &*branch,
        b"\r\nFrom: ",
        &*remote.address,
        &tag(remote),
        b"\r\nTo: ",
        &*local.address,
        &tag(local),
        b"\r\nCall-ID: ",
        &**call_id,
        b"\r\nCSeq: 7 INVITE\r\nContact: <",
        &*any_uri(chance),
        b">\r\nContent-Length: 0\r\n\r\n",
    ];
    Octets(text.concat())
}

fn any_answer(chance: &mut Chance, standing: &Standing) -> Answer {
    let ok = of_invite("SIP/2.0 200 OK", chance, standing);
    Answer { ok, reply: any_path(chance) }
}

fn any_shape(chance: &mut Chance, token: &Token) -> Shape {
    let mut standing = any_standing(chance, token);
    match chance.up_to(5) {
        0 => {
            standing.dialog.local.tag = None;
            Shape::Offered { head: of_invite("INVITE sip:x@y SIP/2.0", chance, &standing) }
        }
        1 => Shape::Calling {
            invite: Invite {
                branch: Octets([b"z9hG4bK", &*any_text(chance, 40)].concat()),
                cseq: chance.up_to(1_000),
                sent_by: any_address(chance),
                late: chance.up_to(1) == 0,
            },
            standing,
        },
        2 => Shape::Held { standing, cseq: chance.up_to(1_000) },
        3 => {
            // Ours is not to be acknowledged by us.
            standing.lines.clear();
            Shape::Answered {
                answer: any_option(chance, |chance| any_answer(chance, &standing)),
                standing,
            }
        }
        _ => {
            let body = any_option(chance, |chance| Body::sdp(any_text(chance, 300)));
            let ack = any_option(chance, |chance| Ack { cseq: chance.up_to(1_000), body });
            // Lines are kept for the ACK.
            standing.lines.retain(|_| ack.is_some());
            let pending = any_option(chance, |chance| any_answer(chance, &standing));
            let pending = pending.map(Pending::Answered);
            Shape::Confirmed { standing, ack, pending }
        }
    }
}

/// `freeze(thaw(x)) == x`, but for the numbers that go on.
#[test]
fn what_is_thawed_freezes_to_the_same() {
    let leg = leg_id(1);
    let token = token::seal(&TOKEN_KEY, leg).unwrap();
    for seed in 0..1_000u16 {
        let mut chance =
            Chance::new(Key([seed.to_le_bytes(); 8].as_flattened().try_into().unwrap()));
        let path = any_path(&mut chance);
        let nated = chance.up_to(1) == 0;
        let image = Image { nated, path, shape: any_shape(&mut chance, &token) };
        let bytes = image.encode(&token).expect("fits");
        assert_eq!(Image::decode(&bytes, &token).as_ref(), Ok(&image), "seed {seed}");
        let mut endpoint = fresh();
        let thawed = endpoint.thaw(leg, &bytes, Tick(5));
        assert!(thawed.is_ok(), "seed {seed}: {thawed:?} {image:?}");
        let again = endpoint.freeze(leg).expect("an image");
        let mut expected = image;
        if let Some(standing) = expected.shape.standing_mut() {
            standing.dialog.local_seq += SEQ_STEP;
            standing.wallet.skip(SEQ_STEP);
        }
        assert_eq!(Image::decode(&again, &token), Ok(expected), "seed {seed}");
    }
}
