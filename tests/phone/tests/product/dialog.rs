//! Session timers and reliable provisional responses on the wire, as settings and trunks say. Two
//! peers of hand-made messages: a trunk that sends, and the demo's trunk that takes.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rows::{IN_FORCE, lead_to, make, set};
use crate::why::trace_of;
use crate::wire::{Dialing, Wire, sdp};

/// A trunk that calls come from, at `source`; its id.
pub(crate) fn edge_trunk(demo: &Demo, source: SocketAddr) -> String {
    let body = json!({
        "tenant": "1", "organization": "2", "name": "edge",
        "ingress": {
            "account": "2",
            "sources": [{"network": "127.0.0.1/32", "port": source.port()}],
        },
    });
    let id = make(demo, "trunks", &body);
    std::thread::sleep(IN_FORCE);
    id
}

/// Sets a setting for the whole switch.
pub(crate) fn setting(demo: &Demo, name: &str, value: &str) {
    let (category, name) = name.split_once('.').unwrap();
    make(demo, "settings", &json!({"category": category, "name": name, "value": value}));
}

/// Both peers, and the path of the trunk that sends.
pub(crate) fn peers(demo: &Demo) -> (Wire, Wire, String) {
    let (edge, far) = (Wire::new(demo.sip), Wire::new(demo.sip));
    lead_to(demo, far.addr());
    let trunk = edge_trunk(demo, edge.addr());
    (edge, far, format!("trunks/{trunk}"))
}

/// The far peer answers `invite` with these fields; the caller's 200 and the far side's ACK.
pub(crate) fn answer(
    (edge, far): (&Wire, &Wire),
    (call, invite): (&Dialing, &Message),
    fields: &[(&str, &str)],
) -> Message {
    far.respond(invite, 200, fields, Some(&sdp(far.addr())));
    let ok = edge.expect("200 INVITE");
    edge.within(call, &ok, "ACK", &[]);
    far.expect("ACK");
    ok
}

/// The caller hangs up.
pub(crate) fn hang_up((edge, far): (&Wire, &Wire), call: &Dialing, ok: &Message) {
    edge.within(call, ok, "BYE", &[]);
    edge.expect("200 BYE");
    let bye = far.expect("BYE");
    far.respond(&bye, 200, &[], None);
}

fn said(message: &Message, name: &str) -> String {
    message.header(name).unwrap_or_default().to_owned()
}

#[test]
fn session_timers_are_as_set_for_each_side() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, trunk) = peers(&demo);
    let both = (&edge, &far);

    // By default nobody is asked, and who asks gets it.
    let call = edge.invite("44700", &[("Supported", "timer"), ("Session-Expires", "1800")]);
    let invite = far.expect("INVITE");
    assert_eq!((said(&invite, "Session-Expires"), said(&invite, "Min-SE")), Default::default());
    let ok = answer(both, (&call, &invite), &[]);
    assert_eq!(said(&ok, "Session-Expires"), "1800;refresher=uac");
    hang_up(both, &call, &ok);

    // The switch bounds what may be asked for, the far trunk is asked for two minutes.
    setting(&demo, "session.expires_ms_min", "300000");
    setting(&demo, "session.expires_ms_max", "900000");
    let dialog = json!({"timer": "ask", "session_ms": 120_000, "session_ms_min": 100_000});
    set(&demo, "trunks/1", &json!({"egress": {"dialog": dialog}}));
    let short = edge.invite("44700", &[("Supported", "timer"), ("Session-Expires", "299")]);
    let refused = edge.expect("422 INVITE");
    assert_eq!(said(&refused, "Min-SE"), "300");
    edge.within(&short, &refused, "ACK", &[]);
    let call = edge.invite("44700", &[("Supported", "timer"), ("Session-Expires", "1800")]);
    let invite = far.expect("INVITE");
    assert_eq!(
        (said(&invite, "Session-Expires"), said(&invite, "Min-SE")),
        ("120".into(), "100".into())
    );
    // The far side wants no less than three minutes, and gets them.
    far.respond(&invite, 422, &[("Min-SE", "180")], None);
    far.expect("ACK");
    let invite = far.expect("INVITE");
    assert_eq!(
        (said(&invite, "Session-Expires"), said(&invite, "Min-SE")),
        ("180".into(), "180".into())
    );
    let fields = [("Session-Expires", "180;refresher=uas"), ("Require", "timer")];
    let ok = answer(both, (&call, &invite), &fields);
    assert_eq!(said(&ok, "Session-Expires"), "900;refresher=uac");
    hang_up(both, &call, &ok);

    // A trunk that is never asked and never answered.
    set(&demo, &trunk, &json!({"ingress": {"dialog": {"timer": "never"}}}));
    let call = edge.invite("44700", &[("Supported", "timer"), ("Session-Expires", "1800")]);
    let invite = far.expect("INVITE");
    let ok = answer(both, (&call, &invite), &[]);
    assert_eq!(said(&ok, "Session-Expires"), "");
    hang_up(both, &call, &ok);
    short_sessions_are_recorded(&demo);
    assert_tidy(&demo);
    demo.stop();
}

/// The refused one stands among the records with its reason in words.
fn short_sessions_are_recorded(demo: &Demo) {
    let cdrs = demo.rest.cdrs(4);
    let refused =
        cdrs.iter().find(|cdr| cdr["outcome"]["sip"] == json!(422)).expect("a record of the 422");
    let why = trace_of(demo, refused).to_string();
    assert!(why.contains("a session of 299 seconds was asked for"), "{why}");
}

#[test]
fn a_forced_timer_refreshes_a_peer_that_knows_none() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, _) = peers(&demo);
    let dialog = json!({"timer": "force", "session_ms": 90_000});
    set(&demo, "trunks/1", &json!({"egress": {"dialog": dialog}}));
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    assert_eq!(said(&invite, "Session-Expires"), "90");
    let ok = answer((&edge, &far), (&call, &invite), &[("Allow", "INVITE, ACK, BYE, UPDATE")]);
    assert_eq!(said(&ok, "Session-Expires"), "");
    // At half of the interval, and by UPDATE because it is taken.
    let refresh = far.wait("UPDATE", Duration::from_secs(50));
    assert_eq!(said(&refresh, "Session-Expires"), "90;refresher=uac");
    assert!(refresh.body.is_empty());
    far.respond(&refresh, 200, &[], None);
    assert!(edge.hears_no("UPDATE", Duration::from_millis(200)), "the other side hears nothing");
    hang_up((&edge, &far), &call, &ok);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn reliable_responses_are_as_set_for_each_side() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, trunk) = peers(&demo);
    let both = (&edge, &far);
    let dialog = |mode: Value| json!({"dialog": {"reliable": mode}});

    // Nothing is offered to the one, and the other's 180 is acknowledged because it is set so.
    set(&demo, "trunks/1", &json!({"egress": dialog(json!("never"))}));
    set(&demo, &trunk, &json!({"ingress": dialog(json!("always"))}));
    let call = edge.invite("44700", &[("Supported", "100rel")]);
    let invite = far.expect("INVITE");
    assert!(!said(&invite, "Supported").contains("100rel"), "{}", said(&invite, "Supported"));
    far.respond(&invite, 180, &[], None);
    let ringing = edge.expect("180 INVITE");
    assert_eq!(said(&ringing, "Require"), "100rel");
    let rack = format!("{} 1 INVITE", said(&ringing, "RSeq"));
    edge.within(&call, &ringing, "PRACK", &[("RAck", &rack)]);
    edge.expect("200 PRACK");
    let ok = answer(both, (&call, &invite), &[]);
    hang_up(both, &call, &ok);

    // Required of the one, not used with the other.
    set(&demo, "trunks/1", &json!({"egress": dialog(json!("require"))}));
    set(&demo, &trunk, &json!({"ingress": dialog(json!("never"))}));
    let call = edge.invite("44700", &[("Supported", "100rel")]);
    let invite = far.expect("INVITE");
    assert_eq!(said(&invite, "Require"), "100rel");
    far.respond(&invite, 180, &[("Require", "100rel"), ("RSeq", "77")], None);
    let prack = far.expect("PRACK");
    assert_eq!(said(&prack, "RAck"), format!("77 {} INVITE", invite.cseq().unwrap().0));
    far.respond(&prack, 200, &[], None);
    assert_eq!(said(&edge.expect("180 INVITE"), "Require"), "");
    let ok = answer(both, (&call, &invite), &[]);
    hang_up(both, &call, &ok);

    // Null is as is set.
    set(&demo, "trunks/1", &json!({"egress": dialog(Value::Null)}));
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    assert!(said(&invite, "Supported").contains("100rel"), "{}", said(&invite, "Supported"));
    let ok = answer(both, (&call, &invite), &[]);
    hang_up(both, &call, &ok);
    assert_tidy(&demo);
    demo.stop();
}
