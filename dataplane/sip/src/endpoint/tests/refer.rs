//! REFER and its subscription, MESSAGE inside the dialog, SUBSCRIBE and NOTIFY.

use super::check;
use super::proof::began_by_user;
use super::script::Bench;

const REFER: &str = "peer> REFER cseq=20 | Contact: <sip:1001@192.0.2.10> \
    | Refer-To: <sip:1003@pbx.example.com> | Referred-By: <sip:1001@pbx.example.com>";
const TOLD: &str = "call< Transfer 1003@pbx.example.com by <sip:1001@pbx.example.com>";
const FRAG: &str = "Content-Type: message/sipfrag;version=2.0";

fn up() -> Bench {
    began_by_user()
}

#[test]
fn a_transfer_is_told_word_by_word() {
    up().run(&format!(
        "{REFER}
        {TOLD}
        call> TransferAccept
        peer< 202 REFER
        peer< NOTIFY sdp | Event: refer | Subscription-State: active;expires=660 | {FRAG} \
            | SIP/2.0 100 Trying
        call> TransferProgress 180
        call> TransferProgress 183
        peer> 200 NOTIFY
        peer< NOTIFY sdp | Subscription-State: active;expires=660 | SIP/2.0 183 Session Progress
        peer> 200 NOTIFY
        wait 10000
        call> TransferProgress 200
        peer< NOTIFY sdp | Subscription-State: terminated;reason=noresource | SIP/2.0 200 OK
        peer> 200 NOTIFY
        peer> REFER cseq=21 | Refer-To: <tel:+44-123>
        call< Transfer +44123@
        call> TransferRefuse 404
        peer< 404 REFER
        peer> REFER cseq=22 | Refer-To: sip:1003@x
        call< Transfer 1003@x
        call> TransferAccept
        peer< 202 REFER
        peer< NOTIFY sdp | Event: refer;id=22"
    ));
}

#[test]
fn who_wants_no_notify_gets_none() {
    let mut bench = up();
    bench.run(&format!(
        "{REFER} | Refer-Sub: false | Require: norefersub
        {TOLD}
        call> TransferAccept
        peer< 202 REFER | Refer-Sub: false
        call> TransferProgress 180
        call> TransferProgress 200
        peer> BYE cseq=30
        peer< 200 BYE
        call< Ended 0/16 party
        wait 32000"
    ));
    assert_eq!((bench.endpoint.legs(), bench.endpoint.alarms()), (0, 0));
}

/// RFC 5057: the call ends, the subscription goes on to its last word.
#[test]
fn a_subscription_outlives_its_call() {
    let mut bench = up();
    bench.run(&format!(
        "{REFER}
        {TOLD}
        call> TransferAccept
        peer< 202 REFER
        peer< NOTIFY sdp
        peer> 200 NOTIFY
        peer> BYE cseq=30
        peer< 200 BYE
        call< Ended 0/16 party
        wait 40000
        call> TransferProgress 486
        peer< NOTIFY sdp | SIP/2.0 486 Busy Here
        peer> 200 NOTIFY
        wait 32000"
    ));
    assert_eq!((bench.endpoint.legs(), bench.endpoint.alarms()), (0, 0));
}

#[test]
fn a_notify_that_is_refused_ends_the_subscription_and_not_the_call() {
    let mut bench = up();
    bench.run(&format!(
        "{REFER}
        {TOLD}
        call> TransferAccept
        peer< 202 REFER
        peer< NOTIFY sdp
        peer> 481 NOTIFY
        call> TransferProgress 200
        peer> INFO cseq=30
        peer< 200 INFO"
    ));
}

#[test]
fn a_subscription_ends_by_itself() {
    let mut bench = up();
    bench.run(&format!(
        "{REFER}
        {TOLD}
        call> TransferAccept
        peer< 202 REFER
        peer< NOTIFY sdp
        peer> 200 NOTIFY
        wait 660000
        call> TransferProgress 200
        {}
        call< Transfer 1003@pbx.example.com by <sip:1001@pbx.example.com>
        wait 30000
        peer< 500 REFER",
        REFER.replace("cseq=20", "cseq=40")
    ));
}

#[test]
fn refers_that_lead_nowhere() {
    let mut bench = up();
    let cases = [
        ("", 400),
        (" | Refer-To: <sip:example.com>", 400),
        (" | Refer-To: <https://example.com>", 416),
        (" | Refer-To: <sip:1@x;method=BYE>", 403),
        (" | Refer-To: <sip:1@x> | Require: foo", 420),
    ];
    for (cseq, (fields, status)) in (20..).zip(cases) {
        bench.run(&format!(
            "peer> REFER cseq={cseq}{fields}\ncount< Barred({status})\npeer< {status} REFER"
        ));
    }
    bench.run(
        "peer> REFER cseq=30 | Refer-To: <sip:1@x> | Refer-To: <sip:2@x>
        count< Refused(Repeated(ReferTo))
        peer< 400 REFER
        peer> REFER cseq=31 | Refer-To: <sip:1@x
        count< Refused(Field(ReferTo))
        peer< 400 REFER",
    );
    bench.run(&format!(
        "{}
        {TOLD}
        peer> REFER cseq=41 | Refer-To: <sip:1@x>
        count< Barred(491)
        peer< 491 REFER",
        REFER.replace("cseq=20", "cseq=40")
    ));
}

/// A dialog that is not there, or that is somebody else's, is not joined with anything.
#[test]
fn what_cannot_be_replaced_is_told_by_notify() {
    up().run(
        "peer> REFER cseq=20 \
            | Refer-To: <sip:3@x?Replaces=a%40b%3Bto-tag%3Dnobody%3Bfrom-tag%3Dsomebody>
        peer< 202 REFER
        peer< NOTIFY sdp | SIP/2.0 100 Trying
        peer> 200 NOTIFY
        peer< NOTIFY sdp | SIP/2.0 481 Call/Transaction Does Not Exist
        peer> 200 NOTIFY",
    );
}

#[test]
fn a_leg_of_the_same_party_is_found_by_replaces() {
    let mut bench = up();
    let tag = bench.our_tag();
    let replaces = format!("call%40peer%3Bto-tag%3D{tag}%3Bfrom-tag%3Dp");
    bench.run(&format!(
        "peer> REFER cseq=20 | Refer-To: <sip:3@x?Replaces={replaces}>
        call< Transfer 3@x replaces"
    ));
}

#[test]
fn a_trunk_puts_nobody_through() {
    check(
        "peer> INVITE
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK
        call< Confirmed
        peer> REFER | Refer-To: <sip:1@x>
        count< Barred(403)
        peer< 403 REFER",
    );
}

#[test]
fn words_go_both_ways() {
    up().run(
        "peer> MESSAGE sdp cseq=20 | Content-Type: text/plain
        peer< 200 MESSAGE
        call< Message text/plain
        call> Message
        peer< MESSAGE sdp | Content-Type: text/plain
        peer> 415 MESSAGE
        peer> NOTIFY cseq=21 | Event: presence
        peer< 481 NOTIFY
        peer> SUBSCRIBE cseq=22 | Event: presence
        count< Barred(489)
        peer< 489 SUBSCRIBE | Allow-Events: refer
        peer> SUBSCRIBE cseq=23 | Event: refer
        peer< 481 SUBSCRIBE",
    );
}

#[test]
fn a_subscription_is_asked_for_again_and_ended_by_its_party() {
    up().run(&format!(
        "{REFER}
        {TOLD}
        call> TransferAccept
        peer< 202 REFER
        peer< NOTIFY sdp
        peer> 200 NOTIFY
        wait 60000
        peer> SUBSCRIBE cseq=22 | Event: refer;id=20
        peer< 200 SUBSCRIBE | Expires: 600
        peer< NOTIFY sdp | Subscription-State: active;expires=600
        peer> 200 NOTIFY
        peer> SUBSCRIBE cseq=23 | Event: refer | Expires: 0
        peer< 200 SUBSCRIBE | Expires: 0
        call> TransferProgress 200"
    ));
}

/// Whose place somebody wants to take is found by both tags, and by them in their order.
#[test]
fn an_invite_that_joins_or_replaces() {
    let mut bench = up();
    bench.keys.challenge = None;
    let tag = bench.our_tag();
    bench.run(&format!(
        "peer> INVITE callid=x1 fromtag=x1 | Replaces: call@peer;to-tag={tag};from-tag=p
        peer< 100 INVITE
        call< Offered 4420 sdp replaces
        peer> INVITE callid=x2 fromtag=x2 | Replaces: call@peer;to-tag={tag};from-tag=q
        count< Barred(481)
        peer< 481 INVITE
        peer> INVITE callid=x3 fromtag=x3 | Replaces: call@peer;to-tag=a;to-tag=b;from-tag=q
        count< Barred(400)
        peer< 400 INVITE
        peer> INVITE callid=x4 fromtag=x4 | Require: join | Join: call@peer;to-tag={tag};from-tag=p
        count< Barred(420)
        peer< 420 INVITE | Unsupported: join
        peer> INVITE callid=x5 fromtag=x5 | Replaces: call@peer;to-tag=p;from-tag={tag}
        count< Barred(481)
        peer< 481 INVITE
        peer> INVITE callid=x6 fromtag=x6 \
            | Replaces: call@peer;from-tag=p;to-tag={tag};early-only
        count< Barred(486)
        peer< 486 INVITE
        peer> INVITE callid=x7 fromtag=x7 | Join: call@peer;to-tag={tag};from-tag=p \
            | Replaces: call@peer;to-tag={tag};from-tag=p
        count< Barred(400)
        peer< 400 INVITE
        peer> INVITE callid=x8 fromtag=x8 | Replaces: call@peer;to-tag={tag};from-tag=p \
            | Replaces: call@peer;to-tag={tag};from-tag=p
        count< Refused(Repeated(Replaces))
        peer< 400 INVITE
        peer> INFO cseq=40 | Replaces: call@peer;to-tag={tag};from-tag=p
        count< Barred(400)
        peer< 400 INFO"
    ));
}
