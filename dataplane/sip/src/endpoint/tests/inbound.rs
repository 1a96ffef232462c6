use super::*;
use crate::endpoint::tests::script::Bench;

const UP: &str = "
    peer> INVITE
    peer< 100 INVITE
    call< Offered 4420 sdp
    call> Answer sdp
    peer< 200 INVITE sdp
    peer> ACK
    call< Confirmed
";

#[test]
fn a_call_comes_in_and_the_caller_ends_it() {
    check(
        "peer> INVITE
        peer< 100 INVITE to=192.0.2.10:5060
        call< Offered 4420 sdp
        call> Progress 180
        peer< 180 INVITE | Server: Strowger
        call> Progress 183 sdp
        peer< 183 INVITE sdp | Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, \
            REFER, SUBSCRIBE, MESSAGE
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK
        call< Confirmed
        peer> BYE | Reason: Q.850;cause=31
        peer< 200 BYE
        call< Ended 0/31 party",
    );
}

#[test]
fn the_answer_to_a_late_offer_comes_with_the_ack() {
    check(
        "peer> INVITE nosdp
        peer< 100 INVITE
        call< Offered 4420
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK sdp
        call< Confirmed sdp",
    );
}

#[test]
fn an_invite_that_comes_again_gets_the_last_response_again() {
    check(
        "peer> INVITE cseq=1 branch=z9hG4bKx
        peer< 100 INVITE
        call< Offered 4420 sdp
        peer> INVITE cseq=1 branch=z9hG4bKx
        peer< 100 INVITE
        call> Progress 180
        peer< 180 INVITE
        peer> INVITE cseq=1 branch=z9hG4bKx
        peer< 180 INVITE
        call> Hangup 486/17
        peer< 486 INVITE | Reason: Q.850;cause=17
        call< Ended 486/17
        peer> INVITE cseq=1 branch=z9hG4bKx
        peer< 486 INVITE
        peer> ACK same
        wait 40000",
    );
}

#[test]
fn a_caller_is_told_where_else_to_call() {
    let opened = "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp";
    check(&format!(
        "{opened}
        call> Redirect 302 sip:a@192.0.2.9 sip:b@192.0.2.8>,<x \"sip:c@h\" sip:d@h;user=phone
        peer< 302 INVITE | Contact: <sip:a@192.0.2.9> | Contact: <sip:d@h;user=phone>
        call< Ended 302/23
        peer> ACK same
        call> Redirect 302 sip:a@192.0.2.9
        count< Misuse"
    ));
    // With nothing to tell nobody is redirected.
    check(&format!(
        "{opened}
        call> Redirect 302 <sip:a@h>
        peer< 480 INVITE
        call< Ended 480/18
        peer> ACK same"
    ));
}

#[test]
fn a_refusal_is_sent_until_it_is_acknowledged() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Hangup 480/19 phrase=Nobody retry=5
        peer< 480 INVITE | Retry-After: 5 | SIP/2.0 480 Nobody
        call< Ended 480/19
        wait 500
        peer< 480 INVITE
        wait 1000
        peer< 480 INVITE
        peer> ACK same
        wait 40000",
    );
}

#[test]
fn what_the_call_says_more_stands_in_every_response_but_breaks_no_dialog() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Fields | X-Own: 1 | Contact: <sip:4420@h> | Via: SIP/2.0/UDP h | Require: x
        call> Progress 180
        peer< 180 INVITE | X-Own: 1 | Contact: <sip:acaabaaaqlixtdo7x@192.0.2.1:5060>
        call> Hangup 302/23
        peer< 302 INVITE | X-Own: 1 | Contact: <sip:4420@h>
        call< Ended 302/23
        peer> ACK same",
    );
}

#[test]
fn a_refusal_by_q850_alone_finds_its_status() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Hangup 0/17
        peer< 486 INVITE
        call< Ended 0/17
        peer> ACK same",
    );
}

#[test]
fn the_2xx_is_sent_until_it_is_acknowledged() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        wait 500
        peer< 200 INVITE sdp
        wait 1000
        peer< 200 INVITE sdp
        wait 2000
        peer< 200 INVITE sdp
        wait 4000
        peer< 200 INVITE sdp
        wait 4000
        peer< 200 INVITE sdp
        peer> ACK
        call< Confirmed
        wait 40000
        peer> ACK again",
    );
}

#[test]
fn a_2xx_that_nobody_acknowledges_ends_in_bye() {
    let mut bench = Bench::new();
    bench.run(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp",
    );
    let mut seconds = 0;
    let ended = loop {
        bench.now = bench.now.plus_ms(500);
        bench.endpoint.handle_timeout(bench.now);
        bench.drain();
        let texts = bench.texts();
        seconds += 1;
        if texts.iter().any(|text| text.starts_with("call<")) {
            break texts;
        }
        assert!(seconds < 100);
    };
    assert_eq!(seconds, 64, "64*T1 in steps of T1");
    assert_eq!(ended, ["peer< BYE", "call< Ended 408/102"]);
    bench.run("peer> 200 BYE");
}

#[test]
fn an_ack_may_share_the_branch_of_its_invite() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK same
        call< Confirmed",
    );
}

#[test]
fn a_hangup_before_the_ack_waits_for_it() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        call> Hangup 0/16
        call< Ended 0/16
        wait 500
        peer< 200 INVITE sdp
        peer> ACK
        peer< BYE | Reason: Q.850;cause=16
        peer> 200 BYE
        wait 40000",
    );
}

#[test]
fn cancel_gets_200_and_the_invite_487() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Progress 180
        peer< 180 INVITE
        peer> CANCEL
        peer< 200 CANCEL
        peer< 487 INVITE
        call< Ended 487/16 party
        peer> CANCEL
        peer< 200 CANCEL
        peer> ACK same
        call> Hangup 486/17
        count< Misuse",
    );
}

#[test]
fn a_cancel_behind_the_2xx_changes_nothing() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> CANCEL
        peer< 200 CANCEL
        peer> ACK
        call< Confirmed",
    );
}

#[test]
fn a_cancel_of_nothing_is_481() {
    check(
        "peer> CANCEL branch=z9hG4bKno
        count< NoTransaction
        peer< 481 CANCEL",
    );
}

#[test]
fn the_caller_may_end_an_early_dialog_by_bye() {
    check(
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
    );
}

#[test]
fn a_call_that_rings_long_is_kept_alive() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Progress 180
        peer< 180 INVITE
        wait 60000
        peer< 180 INVITE
        wait 60000
        peer< 180 INVITE",
    );
}

#[test]
fn an_invitation_expires() {
    check(
        "peer> INVITE | Expires: 20
        peer< 100 INVITE
        call< Offered 4420 sdp
        wait 20000
        peer< 487 INVITE
        call< Ended 487/19 party
        peer> ACK same",
    );
}

#[test]
fn record_routes_come_back_and_lead_our_requests() {
    let rr = "| Record-Route: <sip:192.0.2.20;lr>, <sip:192.0.2.21:5070;lr>";
    check(&format!(
        "peer> INVITE {rr}
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp {rr}
        peer> ACK
        call< Confirmed
        call> Hangup 0/16
        peer< BYE to=192.0.2.20:5060 | BYE sip:1001@192.0.2.10 SIP/2.0 \
            | Route: <sip:192.0.2.20;lr> | Route: <sip:192.0.2.21:5070;lr>
        call< Ended 0/16
        peer> 200 BYE"
    ));
}

#[test]
fn behind_a_nat_requests_go_where_the_call_came_from() {
    check(
        "peer> INVITE from=198.51.100.7:31000 | Contact: <sip:1001@10.1.1.1>
        peer< 100 INVITE to=198.51.100.7:31000
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK from=198.51.100.7:31000
        call< Confirmed
        call> Hangup 0/16
        peer< BYE to=198.51.100.7:31000 | BYE sip:1001@10.1.1.1 SIP/2.0
        call< Ended 0/16
        peer> 200 BYE",
    );
}

#[test]
fn a_bye_is_accepted_from_another_node_of_the_carrier() {
    check(&format!(
        "{UP}
        peer> BYE from=192.0.2.19:5077
        peer< 200 BYE to=192.0.2.19:5077
        call< Ended 0/16 party"
    ));
}

/// A NAT may give another port at any time.
#[test]
fn a_bye_is_accepted_from_another_port() {
    check(
        "peer> INVITE from=198.51.100.7:31000 | Contact: <sip:1001@10.1.1.1>
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK from=198.51.100.7:31001
        call< Confirmed
        peer> BYE from=198.51.100.7:31002
        peer< 200 BYE to=198.51.100.7:31002
        call< Ended 0/16 party",
    );
}

#[test]
fn a_bye_is_accepted_from_the_route_set_and_the_target() {
    for node in ["192.0.2.70:5060", "192.0.2.71:5060", "192.0.2.72:5060"] {
        check(&format!(
            "peer> INVITE | Record-Route: <sip:192.0.2.70;lr>, <sip:[::ffff:192.0.2.71];lr> \
                | Contact: <sip:1001@192.0.2.72:9>
            peer< 100 INVITE
            call< Offered 4420 sdp
            call> Answer sdp
            peer< 200 INVITE sdp
            peer> ACK
            call< Confirmed
            peer> BYE from={node}
            peer< 200 BYE to={node}
            call< Ended 0/16 party"
        ));
    }
}

/// Who has seen Call-ID and tags, but sends from elsewhere, changes nothing: not by a request, not
/// by an ACK with a description, not by a CANCEL.
#[test]
fn requests_from_elsewhere_are_481_and_counted() {
    check(
        "peer> INVITE nosdp
        peer< 100 INVITE
        call< Offered 4420
        peer> CANCEL from=203.0.113.9:5060
        count< Elsewhere
        peer< 481 CANCEL to=203.0.113.9:5060
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK sdp from=203.0.113.9:5060
        count< Elsewhere
        peer> ACK sdp
        call< Confirmed sdp
        peer> BYE from=203.0.113.9:5060
        count< Elsewhere
        peer< 481 BYE to=203.0.113.9:5060
        peer> re-INVITE from=[2001:db8::66]:5060
        count< Elsewhere
        peer< 481 INVITE to=[2001:db8::66]:5060
        peer> INFO sdp from=192.0.2.99:5060
        count< Elsewhere
        peer< 481 INFO to=192.0.2.99:5060
        call> Hangup 0/16
        peer< BYE to=192.0.2.10:5060
        call< Ended 0/16
        peer> 200 BYE",
    );
}

#[test]
fn where_a_call_came_from_is_known_after_a_restart() {
    check(&format!(
        "{UP}
        restart
        thaw< Confirmed
        peer> BYE from=192.0.2.99:5060
        count< Elsewhere
        peer< 481 BYE
        peer> BYE from=192.0.2.19:5060
        peer< 200 BYE
        call< Ended 0/16 party"
    ));
}

/// RFC 3581 by IPv6, and our Contact as the listener's peers know it.
#[test]
fn an_ipv6_caller_is_answered_by_its_listener() {
    let mut bench = Bench::new();
    bench.run(
        "peer> INVITE from=[2001:db8::77]:31000 via=[2001:db8::77]:5060;rport branch=z9hG4bKx \
            | Contact: <sip:1001@[2001:db8::77]:5061>
        peer< 100 INVITE to=[2001:db8::77]:31000 | Via: SIP/2.0/UDP [2001:db8::77]:5060\
            ;rport=31000;branch=z9hG4bKx;received=2001:db8::77
        call< Offered 4420 sdp",
    );
    bench.run_open("call> Answer sdp");
    let tag = bench.our_tag();
    let contact = format!("Contact: <sip:{tag}@[2001:db8::2]:5070>");
    let messages = bench.messages();
    assert!(messages[0].lines().any(|line| line == contact), "{}", messages[0]);
    bench.run_open(
        "peer> ACK from=[2001:db8::77]:31000
        call< Confirmed
        call> Hangup 0/16",
    );
    let messages = bench.messages();
    let via = messages[0].lines().find(|line| line.starts_with("Via: ")).unwrap();
    assert!(via.starts_with("Via: SIP/2.0/UDP [2001:db8::2]:5070;branch="), "{via}");
    assert!(messages[0].starts_with("BYE sip:1001@[2001:db8::77]:5061 SIP/2.0"));
    bench.run("peer> 200 BYE");
}

/// Without `rport` the answer goes to the port of sent-by; a sent-by elsewhere is not followed.
#[test]
fn an_ipv6_via_is_followed_as_rfc_3261_18_2_2_has_it() {
    for (via, to) in [
        ("[2001:db8::77]:5062", "[2001:db8::77]:5062"),
        ("[2001:DB8:0::77]", "[2001:db8::77]:5060"),
        ("[2001:db8::66]:5062", "[2001:db8::77]:31000"),
        ("192.0.2.10:5062", "[2001:db8::77]:31000"),
        ("host.example.com:5062", "[2001:db8::77]:5062"),
    ] {
        check(&format!(
            "peer> OPTIONS outside from=[2001:db8::77]:31000 via={via}
            peer< 200 OPTIONS to={to}"
        ));
    }
}

#[test]
fn requests_of_other_dialogs_are_481() {
    check(&format!(
        "{UP}
        peer> BYE callid=other
        count< NoDialog
        peer< 481 BYE
        peer> BYE fromtag=other
        count< NoDialog
        peer< 481 BYE
        peer> BYE totag=aaaaaaaaaaaaaaaaa
        count< NoDialog
        peer< 481 BYE
        peer> ACK fromtag=other
        count< StrayAck
        peer> BYE
        peer< 200 BYE
        call< Ended 0/16 party
        peer> INFO sdp
        count< NoDialog
        peer< 481 INFO"
    ));
}

#[test]
fn a_bye_that_comes_again_is_answered_again() {
    check(&format!(
        "{UP}
        peer> BYE cseq=9 branch=z9hG4bKbye
        peer< 200 BYE
        call< Ended 0/16 party
        peer> BYE cseq=9 branch=z9hG4bKbye
        peer< 200 BYE"
    ));
}

#[test]
fn a_challenge_by_the_call() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Challenge
        peer< 401 INVITE
        call< Ended 401/21
        peer> ACK same",
    );
}

#[test]
fn an_rfc_2543_caller_is_served() {
    let mut bench = Bench::new();
    let invite = "INVITE sip:4420@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10\r\n\
        From: <sip:a@192.0.2.10:5099>\r\nTo: <sip:4420@h>\r\nCall-ID: x\r\nCSeq: 5 INVITE\r\n\r\n";
    let source = "192.0.2.10:5060".parse().unwrap();
    bench.feed(invite.as_bytes(), source);
    bench.run(
        "peer< 100 INVITE
        call< Offered 4420
        call> Hangup 603/21
        peer< 603 INVITE
        call< Ended 603/21",
    );
    bench.feed(invite.as_bytes(), source);
    bench.run("peer< 603 INVITE");
    let ack = |tag: &str| {
        invite.replace("INVITE", "ACK").replace("<sip:4420@h>", &format!("<sip:4420@h>;tag={tag}"))
    };
    bench.feed(ack("wrong").as_bytes(), source);
    bench.run("count< StrayAck\nwait 500\npeer< 603 INVITE");
    let tag = bench.our_tag();
    bench.feed(ack(&tag).as_bytes(), source);
    bench.run("wait 40000");
    assert_eq!((bench.endpoint.transactions(), bench.endpoint.alarms()), (0, 0));
}

#[test]
fn nothing_is_left_of_an_ended_call() {
    let mut bench = Bench::new();
    bench.run(&format!(
        "{UP}\ncall> Hangup 0/16\npeer< BYE\ncall< Ended 0/16\npeer> 200 BYE\nwait 40000"
    ));
    assert_eq!(bench.endpoint.legs(), 0);
    assert_eq!((bench.endpoint.transactions(), bench.endpoint.alarms()), (0, 0));
    assert_eq!(bench.endpoint.poll_timeout(), None);
}
