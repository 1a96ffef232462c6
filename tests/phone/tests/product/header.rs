//! Header fields through the running product: rules of trunks, what passes, who forwarded, and by
//! which listener. One trunk sends, the demo's takes, and both are set up by REST.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, set};
use crate::talk::{SOON, desk};
use crate::why::trace_of;

/// A trunk that calls come from, at `source`; its id.
fn edge_trunk(demo: &Demo, source: SocketAddr) -> String {
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

/// The INVITE that the carrier gets for a call of the edge with these fields.
fn passed(edge: &Carrier, carrier: &Carrier, fields: &[(&str, &str)]) -> Message {
    let before = carrier.seen().len();
    let out = edge.phone().invite_with("44700", fields, true).unwrap();
    answered(&out);
    carrier.wait_ended(before + 1, SOON).unwrap()[before].invite.clone()
}

/// Names and values of fields, as far as they are there.
fn values<'m>(invite: &'m Message, names: &[&str]) -> Vec<&'m str> {
    names.iter().flat_map(|name| invite.lines(name)).collect()
}

#[test]
fn rules_of_both_trunks_and_what_passes() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, carrier) = (new_carrier(&demo), new_carrier(&demo));
    lead_to(&demo, carrier.addr());
    let trunk = edge_trunk(&demo, edge.addr());
    let came = [
        ("X-Line", "30;zone=1"),
        ("Subject", "Gr\u{fc}\u{df}e"),
        ("P-Charge-Info", "<sip:33@edge.example>"),
    ];
    let names = ["X-Line", "Subject", "P-Charge-Info", "X-Country", "X-Own"];

    // Nothing unknown goes on by itself.
    assert_eq!(values(&passed(&edge, &carrier, &came), &names), [""; 0]);
    set(&demo, "trunks/1", &json!({"egress": {"pass_headers": true}}));
    assert_eq!(
        values(&passed(&edge, &carrier, &came), &names),
        ["30;zone=1", "Gr\u{fc}\u{df}e", "<sip:33@edge.example>"]
    );
    // A network's own fields stay within it.
    set(&demo, &format!("trunks/{trunk}"), &json!({"ingress": {"trusted": false}}));
    let passes = values(&passed(&edge, &carrier, &came), &names).len();
    assert_eq!(passes, 2);

    // Both sides have rules: each works on what those before it left.
    let rules = json!([
        {"action": "copy", "header": "X-Own", "from": "X-Line"},
        {"action": "remove", "header": "X-Line"},
    ]);
    set(&demo, &format!("trunks/{trunk}"), &json!({"ingress": {"header_rules": rules}}));
    let rules = json!([
        {
            "action": "rewrite", "header": "X-Own", "pattern": "^([0-9]+);zone=(.*)$",
            "value": "zone ${2} line ${1}",
        },
        {
            "action": "add", "header": "X-Country", "value": "DE",
            "when": [{"header": "Subject", "test": "begins", "value": "Gr"}],
        },
    ]);
    let egress = json!({"egress": {"pass_headers": false, "header_rules": rules}});
    set(&demo, "trunks/1", &egress);
    let invite = passed(&edge, &carrier, &came);
    assert_eq!(values(&invite, &names), ["DE", "zone 1 line 30"]);

    // A rule about what keeps the protocol right is refused by its member.
    let bad = json!({"egress": {"header_rules": [
        {"action": "remove", "header": "Call-ID"},
    ]}});
    let (status, said) = demo.rest.patch("/api/v1/trunks/1", &bad.to_string());
    assert_eq!(status, 422, "{said}");
    assert!(said.to_string().contains("egress.header_rules[0].header"), "{said}");

    dry_runs_tell(&demo, &trunk);
    assert_tidy(&demo);
    demo.stop();
}

/// The dry run says which rules work and what goes out.
fn dry_runs_tell(demo: &Demo, trunk: &str) {
    let test = json!({"trunk": trunk, "called": "44700"}).to_string();
    let (_, dry) = demo.rest.post("/api/v1/route-tests", "", &test);
    let said = dry["decision"].to_string();
    assert!(said.contains("header rules of trunk"), "{dry:#}");
    set(
        demo,
        "trunks/1",
        &json!({"egress": {"header_rules": [
            {"action": "add", "header": "X-Country", "value": "FR"},
        ]}}),
    );
    let (_, dry) = demo.rest.post("/api/v1/route-tests", "", &test);
    let header = &dry["stages"][0]["branches"][0]["headers"][0];
    assert_eq!((text(header, "name"), text(header, "value")), ("X-Country", "FR"), "{dry:#}");
}

/// Rules about responses: of the trunk that answers, then of the one that called; those of the
/// latter work on refusals of ours as well.
#[test]
fn rules_about_responses_of_both_trunks() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, carrier) = (new_carrier(&demo), new_carrier(&demo));
    lead_to(&demo, carrier.addr());
    let trunk = edge_trunk(&demo, edge.addr());
    let rules = json!([
        {"action": "add", "header": "X-Heard", "value": "yes", "on": "response"},
        {
            "action": "add", "header": "X-Never", "value": "no", "on": "response",
            "when": [{"header": "X-Heard", "test": "absent"}],
        },
        {"action": "add", "header": "X-Asked", "value": "yes"},
    ]);
    set(&demo, "trunks/1", &json!({"egress": {"header_rules": rules}}));
    let rules = json!([
        {"action": "copy", "header": "X-Told", "from": "X-Heard", "on": "response"},
        {"action": "remove", "header": "X-Heard", "on": "response"},
        {"action": "add", "header": "X-Own", "value": "Gr\u{fc}\u{df}e", "on": "response"},
    ]);
    set(&demo, &format!("trunks/{trunk}"), &json!({"ingress": {"header_rules": rules}}));
    let names = ["X-Heard", "X-Told", "X-Own", "X-Never", "X-Asked"];
    let out = edge.phone().invite_with("44700", &[], true).unwrap();
    out.wait_answer(SOON).unwrap();
    let ok = out.response().unwrap();
    assert_eq!(values(&ok, &names), ["yes", "Gr\u{fc}\u{df}e"]);
    out.bye().unwrap();
    let seen = carrier.wait_ended(1, SOON).unwrap();
    assert_eq!(values(&seen[0].invite, &names), ["yes"]);
    // The carrier refuses, and nobody has the number.
    carrier.script("44701", Script::refuse(486));
    for (number, status, told) in
        [("44701", 486, vec!["yes", "Gr\u{fc}\u{df}e"]), ("1999", 404, vec!["Gr\u{fc}\u{df}e"])]
    {
        let out = edge.phone().invite_with(number, &[], true).unwrap();
        assert_eq!(out.wait_answer(SOON).unwrap_err().code(), Some(status));
        assert_eq!(values(&out.response().unwrap(), &names), told, "{number}");
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn bytes_above_127_go_on_untouched() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let [from, to] = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    lead_to(&demo, to.local_addr().unwrap());
    edge_trunk(&demo, from.local_addr().unwrap());
    set(&demo, "trunks/1", &json!({"egress": {"pass_headers": true}}));
    let at = from.local_addr().unwrap();
    let head = format!(
        "INVITE sip:44700@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKraw\r\n\
         Max-Forwards: 70\r\nFrom: <sip:33@{at}>;tag=r\r\nTo: <sip:44700@{sip}>\r\n\
         Call-ID: raw@{at}\r\nCSeq: 1 INVITE\r\nContact: <sip:33@{at}>\r\nX-Odd: ",
        sip = demo.sip,
    );
    let odd = [0xff, 0xc3, 0x28, b' ', 0x80, b'e', 0xe9];
    let request = [head.as_bytes(), &odd, b"\r\n\tfolded\r\nContent-Length: 0\r\n\r\n"].concat();
    from.send_to(&request, demo.sip).unwrap();
    to.set_read_timeout(Some(SOON)).unwrap();
    let mut bytes = [0; 4_096];
    let (len, _) = to.recv_from(&mut bytes).unwrap();
    let wanted = [b"\r\nX-Odd: ", &odd[..], b" folded\r\n"].concat();
    let found = bytes[..len].windows(wanted.len()).any(|part| part == wanted);
    assert!(found, "{}", String::from_utf8_lossy(&bytes[..len]));
    // The caller gives up.
    let cancel = String::from_utf8(head.into_bytes()).unwrap().replace("INVITE", "CANCEL");
    let cancel = cancel.split("Contact").next().unwrap().to_owned() + "\r\n";
    from.send_to(cancel.as_bytes(), demo.sip).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    demo.stop();
}

#[test]
fn who_forwarded_is_told_in_the_form_that_the_trunk_reads() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, carrier) = (new_carrier(&demo), new_carrier(&demo));
    lead_to(&demo, carrier.addr());
    edge_trunk(&demo, edge.addr());
    let (ada, _bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let forward = json!([{"when": "always", "to": "44700", "after_ms": 0}]);
    set(&demo, "subscribers/2", &json!({ "forwards": forward }));
    let call = |how: &str| -> (Option<String>, Option<String>) {
        set(&demo, "trunks/1", &json!({"egress": {"forward_headers": how}}));
        let before = carrier.seen().len();
        answered(&ada.invite("1002").unwrap());
        let invite = carrier.wait_ended(before + 1, SOON).unwrap()[before].invite.clone();
        let said = |name: &str| invite.header(name).map(str::to_owned);
        (said("Diversion"), said("History-Info"))
    };
    let (diversion, history) = call("both");
    let (diversion, history) = (diversion.unwrap(), history.unwrap());
    assert!(diversion.contains("1002") && diversion.contains("reason=unconditional"));
    assert!(history.contains("1002") && history.contains(";index=1,"), "{history}");
    assert!(history.contains(";cause=302>;index=1.1;mp=1"), "{history}");
    assert_eq!(call("none"), (None, None));
    assert!(matches!(call("history-info"), (None, Some(_))));
    assert!(matches!(call("diversion"), (Some(_), None)));

    // What a trunk says of the way to us is read in either form, and told in the other.
    let came = [("History-Info", "<sip:33111@h>;index=1, <sip:33222@h;cause=486>;index=1.1;mp=1")];
    let invite = passed(&edge, &carrier, &came);
    let said = invite.header("Diversion").unwrap_or_default().to_owned();
    assert!(said.contains("33111") && said.contains("reason=user-busy"), "{said}");
    set(&demo, "trunks/1", &json!({"egress": {"forward_headers": "history-info"}}));
    let came = [("Diversion", "<sip:33111@h>;reason=no-answer;counter=2;privacy=full")];
    let said = passed(&edge, &carrier, &came).header("History-Info").unwrap().to_owned();
    assert!(said.contains("33111") && said.contains("Privacy=history"), "{said}");
    assert!(said.contains(";cause=408>;index=1.1;mp=1"), "{said}");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn listeners_and_numbers_are_those_of_the_trunks_row() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, carrier) = (new_carrier(&demo), new_carrier(&demo));
    lead_to(&demo, carrier.addr());
    let trunk = edge_trunk(&demo, edge.addr());
    let path = format!("trunks/{trunk}");
    let refused = |path: &str, body: &Value| {
        let (status, said) = demo.rest.patch(&format!("/api/v1/{path}"), &body.to_string());
        assert_eq!(status, 422, "{said}");
        said.to_string()
    };
    // The demo has one address: UDP is its first listener, TCP its second.
    let said = refused("trunks/1", &json!({"egress": {"listener": 1}}));
    assert!(said.contains("egress.listener") && said.contains("transport"), "{said}");
    let said = refused("trunks/1", &json!({"egress": {"listener": 2}}));
    assert!(said.contains("egress.listener") && said.contains("sip.listen"), "{said}");
    let said = refused(&path, &json!({"ingress": {"listeners": [0, 7]}}));
    assert!(said.contains("ingress.listeners[1]"), "{said}");
    set(&demo, "trunks/1", &json!({"egress": {"listener": 0}}));
    set(&demo, &path, &json!({"ingress": {"listeners": [0], "called": {"remove": ["99"]}}}));

    set(
        &demo,
        "trunks/1",
        &json!({"egress": {
            "sent_to": "received", "called": {"add": "+"}, "identity_number": {"add": "00"},
        }}),
    );
    let before = carrier.seen().len();
    answered(&edge.phone().invite("9944700").unwrap());
    let seen = carrier.wait_ended(before + 1, SOON).unwrap()[before].clone();
    assert_eq!((seen.number(), seen.to()), ("+44700", "9944700"));
    let asserted = seen.asserted().unwrap_or_default();
    assert!(asserted.starts_with("00") && asserted.ends_with(seen.from()), "{asserted}");
    assert_tidy(&demo);
    demo.stop();
}

/// Header fields that an operator names stand beside the record.
#[test]
fn header_fields_that_are_named_are_kept_beside_the_record() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let kept = |count: usize| {
        let fields = [("X-Customer", "4711"), ("X-Other", "no")];
        let call = ada.invite_with("44700", &fields, true).unwrap();
        answered(&call);
        let cdrs = demo.rest.cdrs(count);
        let newest = cdrs.iter().max_by_key(|cdr| text(cdr, "started").to_owned()).unwrap();
        trace_of(&demo, newest)["headers"].clone()
    };
    assert_eq!(kept(1), json!([]));
    let named = json!({"category": "call", "name": "headers_kept", "value": "x-customer"});
    make(&demo, "settings", &named);
    std::thread::sleep(IN_FORCE);
    assert_eq!(kept(2), json!([{"name": "X-Customer", "value": "4711"}]));
    demo.stop();
}

/// Where Call-IDs are related, one search finds both sides of a call, and no address of the caller.
#[test]
fn call_ids_are_related_where_that_is_set() {
    let home = Home::new();
    let demo = Demo::start_with(&home, "sip.related_call_ids = true\n");
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    let call = ada.invite("44700").unwrap();
    answered(&call);
    let own = call.sip_call_id().split('@').next().unwrap().to_owned();
    let seen = carrier.wait_ended(1, SOON).unwrap();
    let there = seen[0].invite.header("Call-ID").unwrap();
    assert!(there.starts_with(&format!("{own}-")) && !there.contains('@'), "{own} {there}");
    demo.stop();
}
