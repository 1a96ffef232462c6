//! Names as next hops of dialogs: looked up, waited for, failed over.

use super::script::{Bench, check};

/// An answered call whose Contact is a name, up to its ACK, which waits.
const NAMED: &str = "call> Invite uri=sip:4420@carrier.example.com peer=192.0.2.50:5080
    peer< INVITE sdp to=192.0.2.50:5080
    peer> 200 INVITE sdp | Contact: <sip:x@node7.carrier.example.com>
    name< node7.carrier.example.com:0
    call< Answered sdp
    call< Confirmed";

fn after(rest: &str) {
    check(&format!("{NAMED}\n{rest}"));
}

#[test]
fn the_requests_of_a_dialog_go_to_where_its_name_leads() {
    after(
        "located node7.carrier.example.com:0 192.0.2.70:5090 192.0.2.71:5090
        peer< ACK to=192.0.2.70:5090 | ACK sip:x@node7.carrier.example.com SIP/2.0
        peer> 200 INVITE sdp | Contact: <sip:x@node7.carrier.example.com>
        peer< ACK to=192.0.2.70:5090
        call> Hangup 0/16
        peer< BYE to=192.0.2.70:5090
        call< Ended 0/16
        peer> 200 BYE",
    );
}

/// A 2xx that comes again meanwhile has no ACK yet, and no second question.
#[test]
fn an_ack_waits_until_the_name_is_known() {
    after(
        "peer> 200 INVITE sdp | Contact: <sip:x@node7.carrier.example.com>
        located elsewhere.example.com:0 192.0.2.99:5060
        located node7.carrier.example.com:5061 192.0.2.99:5060
        located node7.carrier.example.com:0
        peer< ACK to=192.0.2.50:5080
        located node7.carrier.example.com:0 192.0.2.70:5090
        call> Hangup 0/16
        peer< BYE to=192.0.2.50:5080
        call< Ended 0/16
        peer> 200 BYE",
    );
}

/// One host of several has the dialog: that which the leg began with. A private address is meant by
/// nobody who has none, one of the other family is reached from nowhere here.
#[test]
fn a_name_that_leads_to_where_the_leg_began_leads_there_first() {
    after(
        "located node7.carrier.example.com:0 192.0.2.70:5090 192.0.2.50:5060 192.0.2.50:5080
        peer< ACK to=192.0.2.50:5080
        call> Hangup 0/16
        peer< BYE to=192.0.2.50:5080
        call< Ended 0/16
        peer> 200 BYE",
    );
    after(
        "located node7.carrier.example.com:0 10.0.0.1:5060 [2001:db8::7]:5060
        peer< ACK to=192.0.2.50:5080
        call> Hangup 0/16
        peer< BYE to=192.0.2.50:5080
        call< Ended 0/16
        peer> 200 BYE",
    );
}

#[test]
fn the_next_address_is_tried_when_one_does_not_answer() {
    after(
        "located node7.carrier.example.com:0 192.0.2.70:5090 192.0.2.71:5090
        peer< ACK to=192.0.2.70:5090
        call> Hangup 0/16
        peer< BYE to=192.0.2.70:5090
        call< Ended 0/16
        unreachable 192.0.2.70:5090
        peer< BYE to=192.0.2.71:5090
        unreachable 192.0.2.71:5090",
    );
    after(
        "located node7.carrier.example.com:0 192.0.2.70:5090 192.0.2.71:5090
        peer< ACK to=192.0.2.70:5090
        call> Reoffer sdp
        peer< INVITE sdp to=192.0.2.70:5090
        unreachable 192.0.2.70:5090
        peer< INVITE sdp to=192.0.2.71:5090
        peer> 200 INVITE sdp | Contact: <sip:x@node7.carrier.example.com>
        peer< ACK to=192.0.2.71:5090
        call< ReofferAnswered sdp
        call> Hangup 0/16
        peer< BYE to=192.0.2.71:5090
        call< Ended 0/16
        peer> 200 BYE",
    );
}

/// Whoever we send to may send to us, the other hosts of the name included.
#[test]
fn the_hosts_of_a_name_are_the_party() {
    after(
        "located node7.carrier.example.com:0 192.0.2.70:5090 192.0.2.71:5090
        peer< ACK to=192.0.2.70:5090
        peer> BYE callid=OURS fromtag=b from=192.0.2.71:5099 via=192.0.2.71:5099
        peer< 200 BYE
        call< Ended 0/16 party",
    );
}

/// A route is the next hop, whatever the target is; what is kept for names of nothing, a browser's
/// contact for example, and whoever is behind a NAT are not looked up.
#[test]
fn what_is_looked_up_is_the_next_hop() {
    check(
        "call> Invite peer=192.0.2.50:5080
        peer< INVITE sdp to=192.0.2.50:5080
        peer> 200 INVITE sdp | Contact: <sip:x@192.0.2.60> \
            | Record-Route: <sip:edge.example.com:5070;lr>
        name< edge.example.com:5070
        call< Answered sdp
        call< Confirmed
        located edge.example.com:5070 192.0.2.80:5070
        peer< ACK to=192.0.2.80:5070 | Route: <sip:edge.example.com:5070;lr>",
    );
    for (order, contact) in [("", "x@host.invalid"), ("nated ", "x@host.example.com")] {
        check(&format!(
            "call> Invite {order}peer=192.0.2.50:5080
            peer< INVITE sdp to=192.0.2.50:5080
            peer> 200 INVITE sdp | Contact: <sip:{contact}>
            call< Answered sdp
            peer< ACK to=192.0.2.50:5080
            call< Confirmed"
        ));
    }
}

/// The name of an early dialog is looked up at once, so that the ACK need not wait.
#[test]
fn a_name_is_looked_up_as_early_as_it_is_known() {
    check(
        "call> Invite peer=192.0.2.50:5080
        peer< INVITE sdp to=192.0.2.50:5080
        peer> 180 INVITE | Contact: <sip:x@node7.example.com>
        name< node7.example.com:0
        call< Progress 180 fork 0
        located node7.example.com:0 192.0.2.70:5060
        peer> 200 INVITE sdp | Contact: <sip:x@node7.example.com>
        call< Answered sdp
        peer< ACK to=192.0.2.70:5060
        call< Confirmed",
    );
}

/// A caller's name is looked up when the call is answered: who is refused has none looked up. What
/// a re-INVITE names anew is looked up anew.
#[test]
fn a_callers_name_is_looked_up_when_the_call_is_answered() {
    let mut bench = Bench::new();
    bench.run(
        "peer> INVITE | Contact: <sip:1001@desk.example.com>
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        name< desk.example.com:0
        peer> ACK
        call< Confirmed
        located desk.example.com:0 192.0.2.70:5060
        peer> re-INVITE | Contact: <sip:1001@other.example.com>
        peer< 100 INVITE
        call< Reoffer sdp
        call> ReofferAnswer sdp
        name< other.example.com:0
        peer< 200 INVITE sdp
        peer> ACK
        call> Hangup 0/16
        peer< BYE to=192.0.2.10:5060
        call< Ended 0/16
        located other.example.com:0 192.0.2.71:5060
        peer> 200 BYE",
    );
}
