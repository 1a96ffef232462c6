//! Bodies within a call, and progress, as a leg's manner has them.

use super::script::{Bench, check, order};
use strowger_leg::{Body, Command, Invite, Part};

/// An answered leg of ours that is spoken to so.
fn up(manner: &str, rest: &str) {
    check(&format!(
        "call> Invite {manner}
        peer< INVITE sdp
        peer> 200 INVITE sdp
        call< Answered sdp
        peer< ACK
        call< Confirmed
        {rest}"
    ));
}

#[test]
fn bodies_within_a_call_pass_as_is_set() {
    let accept = "application/sdp, text/xml, application/dtmf-relay, application/dtmf";
    up(
        "bodies=text/xml",
        &format!(
            "peer> INFO sdp fromtag=b cseq=1 callid=OURS | Content-Type: text/plain
            count< Barred(415)
            peer< 415 INFO | Accept: {accept}
            peer> MESSAGE sdp fromtag=b cseq=2 callid=OURS | Content-Type: text/plain
            count< Barred(415)
            peer< 415 MESSAGE | Accept: {accept}
            peer> INFO sdp fromtag=b cseq=3 callid=OURS | Content-Type: TEXT/xml;charset=utf-8
            peer< 200 INFO
            call< Info TEXT/xml;charset=utf-8
            call> Info
            count< Withheld
            call> Message
            count< Withheld"
        ),
    );
    // Unless something is set all of them pass.
    up(
        "",
        "peer> INFO sdp fromtag=b cseq=1 callid=OURS | Content-Type: text/plain
        peer< 200 INFO
        call< Info text/plain
        call> Info
        peer< INFO sdp
        peer> 200 INFO",
    );
}

#[test]
fn a_183_is_a_180_one_way_and_the_other() {
    check(
        "call> Invite ringing
        peer< INVITE sdp
        peer> 183 INVITE sdp
        call< Progress 180 fork 0
        peer> 182 INVITE
        call< Progress 182 fork 0",
    );
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Speak ringing
        call> Progress 183 sdp
        peer< 180 INVITE
        call> Progress 181
        peer< 181 INVITE",
    );
}

#[test]
fn what_stands_beside_a_description_goes_out_in_parts() {
    let mut bench = Bench::new();
    let mut order = order();
    let body = Body { content_type: "application/isup".into(), data: (*b"\x01\x02").into() };
    order.parts =
        vec![Part { body, disposition: "signal;handling=required".into(), required: true }];
    let id = super::script::leg_id(1);
    bench.endpoint.handle_command(id, Command::Invite(Box::new(order)), bench.now);
    bench.drain();
    let messages = bench.messages();
    let (head, body) = messages[0].split_once("\n\n").unwrap();
    assert!(head.contains("\nMIME-Version: 1.0"), "{head}");
    let kind = head.lines().find_map(|l| l.strip_prefix("Content-Type: ")).unwrap();
    let boundary = kind.strip_prefix("multipart/mixed;boundary=").unwrap();
    let expect = format!(
        "--{boundary}\nContent-Type: application/sdp\n\nv=0\n\
         --{boundary}\nContent-Type: application/isup\n\
         Content-Disposition: signal;handling=required\n\n\u{1}\u{2}\n--{boundary}--\n"
    );
    assert_eq!(body, expect);
}

#[test]
fn what_stands_beside_a_word_of_the_peer_is_told_where_it_is_taken() {
    check(
        "call> Invite bodies=text/xml
        peer< INVITE sdp
        peer> 183 INVITE sdp beside=text/xml
        call< Parts text/xml
        call< Progress 183 fork 0 sdp
        peer> 180 INVITE beside=text/plain
        call< Progress 180 fork 0
        peer> 200 INVITE sdp beside=text/xml!
        call< Parts text/xml
        call< Answered sdp
        peer< ACK
        call< Confirmed
        peer> re-INVITE fromtag=b cseq=1 callid=OURS beside=text/xml
        peer< 100 INVITE
        call< Parts text/xml
        call< Reoffer sdp
        call> Parts text/xml text/plain
        count< Withheld
        call> ReofferAnswer sdp
        peer< 200 INVITE sdp+text/xml
        peer> ACK fromtag=b cseq=1 callid=OURS
        peer> UPDATE sdp fromtag=b cseq=2 callid=OURS beside=text/plain!
        count< Barred(415)
        peer< 415 UPDATE | Accept: application/sdp, text/xml
        peer> BYE fromtag=b cseq=3 callid=OURS beside=text/xml
        peer< 200 BYE
        call< Parts text/xml
        call< Ended 0/16 party",
    );
    // Where nothing is set nothing is told, and an answer counts whatever stands beside it.
    up(
        "",
        "peer> BYE fromtag=b cseq=1 callid=OURS beside=text/xml
        peer< 200 BYE
        call< Ended 0/16 party",
    );
    check(
        "call> Invite
        peer< INVITE sdp
        peer> 200 INVITE sdp beside=text/xml!
        call< Answered sdp
        peer< ACK
        call< Confirmed",
    );
}

#[test]
fn a_refusal_says_what_stands_in_it() {
    check(
        "call> Invite bodies=text/xml
        peer< INVITE sdp
        peer> 486 INVITE beside=text/xml
        peer< ACK
        call< Parts text/xml
        call< Refused 486/17",
    );
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Speak bodies=text/xml
        call> Parts text/xml
        call> Hangup 486/17
        peer< 486 INVITE sdp | Content-Type: text/xml | Content-Disposition: signal
        call< Ended 486/17",
    );
}

#[test]
fn what_stands_beside_our_words_goes_with_them() {
    check(
        "peer> INVITE cseq=7 | Supported: 100rel
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Speak bodies=text/xml reliable=always
        call> Parts text/xml
        call> Progress 183 sdp
        peer< 183 INVITE sdp+text/xml | MIME-Version: 1.0
        call> Parts text/xml
        call> Progress 180
        peer> PRACK cseq=8 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK
        peer< 180 INVITE sdp | Content-Type: text/xml | Content-Disposition: signal
        peer> PRACK cseq=9 | RAck: RSEQ 7 INVITE
        peer< 200 PRACK
        call> Parts text/xml
        call> Answer sdp
        peer< 200 INVITE sdp+text/xml
        peer> ACK cseq=7
        call< Confirmed
        call> Parts text/xml
        call> Reoffer sdp
        peer< INVITE sdp+text/xml
        peer> 491 INVITE
        peer< ACK
        wait 2000
        peer< INVITE sdp+text/xml
        peer> 200 INVITE sdp
        peer< ACK
        call< ReofferAnswered sdp
        call> Parts text/xml
        call> Hangup 0/16
        peer< BYE sdp | Content-Type: text/xml | Content-Disposition: signal
        call< Ended 0/16",
    );
}

#[test]
fn a_call_id_begins_as_the_order_says() {
    let call_id = |related: Option<&str>| {
        let mut bench = Bench::new();
        let order = Invite { related: related.map(Into::into), ..order() };
        let id = super::script::leg_id(1);
        bench.endpoint.handle_command(id, Command::Invite(Box::new(order)), bench.now);
        bench.drain();
        let messages = bench.messages();
        let line = messages[0].lines().find_map(|line| line.strip_prefix("Call-ID: "));
        line.unwrap().to_owned()
    };
    assert!(call_id(Some("a84b4c76e66710")).starts_with("a84b4c76e66710-"));
    assert!(!call_id(None).contains("a84b4c76e66710"));
}
