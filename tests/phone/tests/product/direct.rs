//! What of a call is not ours: media between the parties, and callers who are told where to call.

use serde_json::json;
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::dialog::{answer, hang_up, peers};
use crate::rest::text;
use crate::rows::set;
use crate::why::trace_of;
use crate::wire::{Dialing, Wire, sdp};

fn body(message: &Message) -> String {
    String::from_utf8(message.body.clone()).unwrap()
}

#[test]
fn media_goes_past_us_where_both_trunks_are_set_so() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, trunk) = peers(&demo);
    let both = (&edge, &far);
    let direct = json!({"dialog": {"media": "direct"}});
    set(&demo, &trunk, &json!({"ingress": direct}));

    // One side alone is relayed: it is told of ports of ours.
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    assert_ne!(body(&invite), sdp(edge.addr()));
    let ok = answer(both, (&call, &invite), &[]);
    assert_ne!(body(&ok), sdp(far.addr()));
    hang_up(both, &call, &ok);

    set(&demo, "trunks/1", &json!({"egress": direct}));
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    assert_eq!(body(&invite), sdp(edge.addr()), "byte by byte");
    let ok = answer(both, (&call, &invite), &[]);
    assert_eq!(body(&ok), sdp(far.addr()));
    demo.rest.fresh_counters();
    assert_eq!(demo.rest.shard("media_ports_in_use"), 0);
    // A new description goes the same way.
    edge.within_with(&call, &ok, "INVITE", &[], &sdp(far.addr()));
    let again = far.expect("INVITE");
    assert_eq!(body(&again), sdp(far.addr()));
    far.respond(&again, 200, &[], Some(&sdp(edge.addr())));
    let moved = edge.expect("200 INVITE");
    assert_eq!(body(&moved), sdp(edge.addr()));
    edge.within(&call, &moved, "ACK", &[]);
    far.expect("ACK");
    hang_up(both, &call, &ok);

    let cdrs = demo.rest.cdrs(2);
    assert!(!cdrs[0]["caller_media"].is_null(), "{:#}", cdrs[0]);
    assert!(cdrs[1]["caller_media"].is_null() && cdrs[1]["called_media"].is_null());
    let why = trace_of(&demo, &cdrs[1]).to_string();
    assert!(why.contains("media goes between the parties"), "{why}");
    assert_tidy(&demo);
    demo.stop();
}

/// A description with an address that means nothing outside its own network.
fn inside(at: std::net::SocketAddr) -> String {
    sdp(at).replace("c=IN IP4 127.0.0.1", "c=IN IP4 10.9.8.7")
}

#[test]
fn an_address_that_nobody_reaches_is_replaced_where_a_side_is_set_so() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, trunk) = peers(&demo);
    let both = (&edge, &far);
    set(&demo, &trunk, &json!({"ingress": {"dialog": {"media": "fixed"}}}));
    set(&demo, "trunks/1", &json!({"egress": {"dialog": {"media": "peer"}}}));
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    assert_eq!(body(&invite), sdp(edge.addr()), "byte by byte");
    let ok = answer(both, (&call, &invite), &[]);
    assert_eq!(body(&ok), sdp(far.addr()));
    edge.within_with(&call, &ok, "INVITE", &[], &inside(edge.addr()));
    let again = far.expect("INVITE");
    assert_eq!(body(&again), sdp(edge.addr()), "where it is seen");
    far.respond(&again, 200, &[], Some(&inside(far.addr())));
    let moved = edge.expect("200 INVITE");
    assert_eq!(body(&moved), sdp(far.addr()));
    edge.within(&call, &moved, "ACK", &[]);
    far.expect("ACK");
    demo.rest.fresh_counters();
    assert_eq!(demo.rest.shard("media_ports_in_use"), 0);
    hang_up(both, &call, &ok);
    // The other side may want it relayed, and that wins.
    set(&demo, "trunks/1", &json!({"egress": {"dialog": {"media": "relay"}}}));
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    assert_ne!(body(&invite), sdp(edge.addr()));
    let ok = answer(both, (&call, &invite), &[]);
    hang_up(both, &call, &ok);
    let cdrs = demo.rest.cdrs(2);
    let why = trace_of(&demo, &cdrs[0]).to_string() + &trace_of(&demo, &cdrs[1]).to_string();
    assert!(why.contains("at addresses that are reached"), "{why}");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_redirected_trunk_is_told_where_to_call_and_pays_nothing() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, trunk) = peers(&demo);
    let before = demo.rest.balance(2);
    set(&demo, &trunk, &json!({"ingress": {"operation": "redirect"}}));
    let call = edge.invite("44700", &[]);
    let moved = edge.expect("302 INVITE");
    let contact = format!("<sip:44700@{}>;q=1.000", far.addr());
    assert_eq!(moved.lines("Contact"), [contact.as_str()]);
    edge.within(&call, &moved, "ACK", &[]);
    assert!(far.hears_no("INVITE", std::time::Duration::from_millis(300)));
    let cdrs = demo.rest.cdrs(1);
    let outcome = &cdrs[0]["outcome"];
    assert_eq!((text(outcome, "reason"), &outcome["sip"]), ("redirected", &json!(302)));
    assert!(cdrs[0]["customer"].is_null(), "{:#}", cdrs[0]);
    let why = trace_of(&demo, &cdrs[0]).to_string();
    assert!(why.contains("the caller is told 1 addresses"), "{why}");
    assert_eq!(demo.rest.balance(2), before);
    assert_tidy(&demo);
    demo.stop();
}

/// Within the call as well a challenge is the caller's to answer.
fn offer_again(
    (edge, far): (&Wire, &Wire),
    (call, ok): (&Dialing, &Message),
    (asked, shown): (&str, &str),
) {
    edge.within_with(call, ok, "INVITE", &[], &sdp(far.addr()));
    let again = far.expect("INVITE");
    far.respond(&again, 407, &[("Proxy-Authenticate", asked)], None);
    far.expect("ACK");
    let challenge = edge.expect("407 INVITE");
    assert_eq!(challenge.lines("Proxy-Authenticate"), [asked]);
    edge.within(call, &challenge, "ACK", &[]);
    let answers = [("Proxy-Authorization", shown)];
    edge.within_with(call, ok, "INVITE", &answers, &sdp(far.addr()));
    let again = far.expect("INVITE");
    assert_eq!(again.lines("Proxy-Authorization"), [shown]);
    far.respond(&again, 200, &[], Some(&sdp(edge.addr())));
    let moved = edge.expect("200 INVITE");
    edge.within(call, &moved, "ACK", &[]);
    far.expect("ACK");
}

#[test]
fn a_caller_answers_the_challenge_of_the_far_side_itself() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, trunk) = peers(&demo);
    let both = (&edge, &far);
    let direct = json!({"media": "direct"});
    set(&demo, "trunks/1", &json!({"egress": {"pass_digest": true, "dialog": direct}}));
    set(&demo, &trunk, &json!({"ingress": {"dialog": direct}}));
    let uri = format!("sip:44700@{};x=1", demo.sip);
    let call = edge.invite_uri(&uri, &[]);
    let invite = far.expect("INVITE");
    assert_eq!(invite.uri(), uri);
    let asked = "Digest realm=\"far.example\", nonce=\"abc\", algorithm=MD5, qop=\"auth-int\"";
    far.respond(&invite, 407, &[("Proxy-Authenticate", asked)], None);
    far.expect("ACK");
    let challenge = edge.expect("407 INVITE");
    assert_eq!(challenge.lines("Proxy-Authenticate"), [asked]);
    edge.within(&call, &challenge, "ACK", &[]);
    // What answers it is nobody's to read or to change on the way, the body it covers neither.
    let shown = format!(
        "Digest username=\"33\", realm=\"far.example\", nonce=\"abc\", uri=\"{uri}\", \
         qop=auth-int, nc=00000001, cnonce=\"c\", response=\"{}\"",
        "0".repeat(32)
    );
    let call = edge.invite_again(&call, ("Proxy-Authorization", &shown));
    let invite = far.expect("INVITE");
    assert_eq!(invite.lines("Proxy-Authorization"), [shown.as_str()]);
    assert_eq!((invite.uri(), body(&invite)), (uri.as_str(), sdp(edge.addr())));
    let ok = answer(both, (&call, &invite), &[]);
    offer_again(both, (&call, &ok), (asked, shown.as_str()));
    hang_up(both, &call, &ok);

    // By default nobody's credentials go anywhere, and a challenge is a fault of ours.
    set(&demo, "trunks/1", &json!({"egress": {"pass_digest": false}}));
    let call = edge.invite_uri(&uri, &[("Proxy-Authorization", &shown)]);
    let invite = far.expect("INVITE");
    assert_eq!(invite.lines("Proxy-Authorization"), [""; 0]);
    far.respond(&invite, 407, &[("Proxy-Authenticate", asked)], None);
    let refused = edge.expect("500 INVITE");
    assert_eq!(refused.lines("Proxy-Authenticate"), [""; 0]);
    edge.within(&call, &refused, "ACK", &[]);
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    let ok = answer(both, (&call, &invite), &[]);
    let answers = [("Proxy-Authorization", shown.as_str())];
    edge.within_with(&call, &ok, "INVITE", &answers, &sdp(far.addr()));
    let again = far.expect("INVITE");
    assert_eq!(again.lines("Proxy-Authorization"), [""; 0]);
    far.respond(&again, 407, &[("Proxy-Authenticate", asked)], None);
    far.expect("ACK");
    let refused = edge.expect("500 INVITE");
    assert_eq!(refused.lines("Proxy-Authenticate"), [""; 0]);
    edge.within(&call, &refused, "ACK", &[]);
    hang_up(both, &call, &ok);
    assert_tidy(&demo);
    demo.stop();
}
