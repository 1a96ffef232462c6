//! Header fields, numbers in To and diversions on their way from a trunk to a trunk.

use super::*;
use strowger_link::{DivertReason, Diverted, HeaderField, Octets};
use strowger_model::{
    CalledFrom, Egress, ForwardHeaders, HeaderAction, HeaderCondition, HeaderOn, HeaderRule,
    HeaderTest, Ingress, SentTo, UserPhone,
};

fn ingress(rows: &mut Rows) -> &mut Ingress {
    rows.trunks[2].ingress.as_mut().unwrap()
}

fn egress(rows: &mut Rows) -> &mut Egress {
    rows.trunks[0].egress.as_mut().unwrap()
}

fn rule(action: HeaderAction, header: &str, value: &str) -> HeaderRule {
    let (header, value) = (header.to_owned(), value.to_owned());
    HeaderRule {
        when: Vec::new(),
        action,
        header,
        value,
        pattern: None,
        from: None,
        on: HeaderOn::Request,
    }
}

/// The plan of a call of trunk 8, whose request `said` may change, in a world that `change` made.
fn planned(
    change: impl Fn(&mut Rows),
    called: &str,
    said: impl Fn(&mut Ask, &mut CallAsk),
) -> (Decision, Vec<String>) {
    let mut rows = rows();
    change(&mut rows);
    let mut switch = Switch::new(rows);
    let mut ask = ask("trunk 8", called);
    let AskBody::Call(mut call) = ask.body.clone() else { panic!("no call") };
    said(&mut ask, &mut call);
    ask.body = AskBody::Call(call);
    switch.ask = ask;
    let decision = switch.again();
    let fields = if let Verdict::Go(plan) = &decision.verdict {
        headers(&plan.go.stages[0].branches[0])
    } else {
        vec![words(&decision)]
    };
    (decision, fields)
}

fn headers(branch: &Branch) -> Vec<String> {
    let said = |f: &HeaderField| format!("{}: {}", f.name, String::from_utf8_lossy(&f.value.0));
    branch.headers.iter().map(said).collect()
}

fn sends(call: &mut CallAsk, fields: &[(&str, &str)]) {
    let field = |(name, value): &(&str, &str)| HeaderField {
        name: (*name).to_owned(),
        value: Octets(value.as_bytes().to_vec()),
    };
    call.headers = fields.iter().map(field).collect();
}

const CAME: &[(&str, &str)] = &[
    ("From", "<sip:+33123@h>;tag=1"),
    ("X-Own", "7"),
    ("P-Charge-Info", "<sip:33@h>"),
    ("Subject", "hello"),
];

#[test]
fn unknown_fields_stay_here_unless_the_trunk_takes_them() {
    let send = |_: &mut Ask, call: &mut CallAsk| sends(call, CAME);
    assert_eq!(planned(|_| {}, "4420", send).1, [""; 0]);
    let pass = |rows: &mut Rows| egress(rows).pass_headers = true;
    let all = ["X-Own: 7", "P-Charge-Info: <sip:33@h>", "Subject: hello"];
    assert_eq!(planned(pass, "4420", send).1, all);
    for edge in [
        |rows: &mut Rows| ingress(rows).trusted = false,
        |rows: &mut Rows| egress(rows).trusted = false,
    ] {
        let both = |rows: &mut Rows| {
            pass(rows);
            edge(rows);
        };
        assert_eq!(planned(both, "4420", send).1, ["X-Own: 7", "Subject: hello"]);
    }
}

#[test]
fn rules_of_both_trunks_work_and_are_traced() {
    let rows = |rows: &mut Rows| {
        let from = Some("X-Own".to_owned());
        let copy = HeaderRule { from, ..rule(HeaderAction::Copy, "X-Line", "") };
        ingress(rows).header_rules = vec![copy];
        let when = vec![HeaderCondition {
            header: "From".to_owned(),
            test: HeaderTest::Begins,
            value: "<sip:+33".to_owned(),
        }];
        let pattern = Some("^".to_owned());
        egress(rows).header_rules = vec![
            HeaderRule { when, ..rule(HeaderAction::Add, "X-Country", "France") },
            HeaderRule { pattern, ..rule(HeaderAction::Rewrite, "X-Line", "line-") },
        ];
    };
    let (decision, fields) = planned(rows, "4420", |_, call| sends(call, CAME));
    assert_eq!(fields, ["X-Line: line-7", "X-Country: France"]);
    let trace = decision.trace.to_string();
    assert!(trace.contains("1 header rules of trunk 8 worked on the request"), "{trace}");
    assert!(trace.contains("2 header rules of trunk 7 worked, 2 header fields"), "{trace}");
    // What an ingress rule wrote reaches a subscriber, too; the egress trunk's own do not.
    let (_, fields) = planned(rows, "442071002", |_, call| sends(call, CAME));
    assert_eq!(fields, ["X-Line: 7"]);
    let (_, fields) = planned(rows, "4420", |_, _| {});
    assert_eq!(fields, [""; 0]);
}

#[test]
fn a_changed_trunk_has_its_new_rules_and_a_deleted_one_none() {
    let mut rows = rows();
    egress(&mut rows).header_rules = vec![rule(HeaderAction::Add, "X-A", "1")];
    let mut switch = Switch::new(rows);
    let fields =
        |switch: &mut Switch| headers(&switch.go("trunk 8 dials 4420").stages[0].branches[0]);
    assert_eq!(fields(&mut switch), ["X-A: 1"]);
    let mut trunk = switch.world.trunk(TrunkId(7)).unwrap().clone();
    trunk.egress.as_mut().unwrap().header_rules[0].value = "2".to_owned();
    switch.world = switch.world.changed(Change::Trunk(Box::new(trunk.clone()))).unwrap();
    assert_eq!(fields(&mut switch), ["X-A: 2"]);
    let bad = rule(HeaderAction::Add, "Via", "x");
    trunk.egress.as_mut().unwrap().header_rules.push(bad);
    let refused = switch.world.changed(Change::Trunk(Box::new(trunk.clone()))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "trunk 7: its egress.header_rules[1]: header Via keeps the protocol right: no rule \
         writes it"
    );
    trunk.egress.as_mut().unwrap().header_rules.clear();
    switch.world = switch.world.changed(Change::Trunk(Box::new(trunk))).unwrap();
    assert_eq!(fields(&mut switch), [""; 0]);
}

#[test]
fn diversions_before_us_are_believed_of_a_trusted_trunk_and_go_on() {
    let diverted = |_: &mut Ask, call: &mut CallAsk| {
        let reason = DivertReason::Busy;
        call.diverted = vec![Diverted { user: "33999".into(), reason, count: 3, hidden: false }];
    };
    let told = "Diversion: <sip:33999@demo.example>;reason=user-busy;counter=3";
    let (decision, fields) = planned(|_| {}, "4420", diverted);
    assert_eq!(fields, [told]);
    assert!(decision.trace.to_string().contains("was diverted 1 times before"));
    let history = |rows: &mut Rows| egress(rows).forward_headers = ForwardHeaders::HistoryInfo;
    assert_eq!(
        planned(history, "4420", diverted).1,
        ["History-Info: <sip:33999@demo.example?Reason=SIP%3Bcause%3D486>;index=1, \
          <sip:4420@192.0.2.7:5060;cause=486>;index=1.1;mp=1"]
    );
    let none = |rows: &mut Rows| egress(rows).forward_headers = ForwardHeaders::None;
    assert_eq!(planned(none, "4420", diverted).1, [""; 0]);
    let stranger = |rows: &mut Rows| ingress(rows).trusted = false;
    assert_eq!(planned(stranger, "4420", diverted).1, [""; 0]);
    // A wish of the caller hides the way too: marked for who is trusted, untold to others.
    let wishes = |ask: &mut Ask, call: &mut CallAsk| {
        diverted(ask, call);
        call.caller.privacy = "history".to_owned();
    };
    assert_eq!(planned(|_| {}, "4420", wishes).1, [format!("{told};privacy=full")]);
    let untrusted = |rows: &mut Rows| egress(rows).trusted = false;
    assert_eq!(planned(untrusted, "4420", wishes).1, [""; 0]);
}

#[test]
fn the_called_number_stands_where_the_row_says() {
    let dialled = |from: CalledFrom, called: &str, to: &str| {
        let (decision, _) = planned(
            |rows| ingress(rows).called_from = from,
            called,
            |_, call| call.to_user = to.to_owned(),
        );
        words(&decision)
    };
    let seven =
        |number: &str| format!("{number} to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01");
    assert_eq!(dialled(CalledFrom::Auto, "4420", "4421"), seven("4420"));
    assert_eq!(dialled(CalledFrom::RequestUri, "4420", "4421"), seven("4420"));
    assert_eq!(dialled(CalledFrom::To, "4420", "4421"), seven("4421"));
    assert_eq!(dialled(CalledFrom::Auto, "", "4421"), seven("4421"));
    let empty = "484 BadRequest cause 28";
    assert_eq!(dialled(CalledFrom::Auto, "", ""), format!("{empty}, no record"));
    assert_eq!(dialled(CalledFrom::RequestUri, "", "4421"), empty);
    assert_eq!(dialled(CalledFrom::To, "4420", ""), empty);
}

#[test]
fn to_has_the_number_that_the_row_says() {
    let to = |sent_to: SentTo| {
        let change = |rows: &mut Rows| {
            ingress(rows).called.remove = vec!["99".to_owned()];
            egress(rows).called.add = "+".to_owned();
            egress(rows).sent_to = sent_to;
        };
        let said = |_: &mut Ask, call: &mut CallAsk| call.to_user = "desk".to_owned();
        let (decision, _) = planned(change, "994420", said);
        let Verdict::Go(plan) = decision.verdict else { panic!("{}", words(&decision)) };
        let branch = &plan.go.stages[0].branches[0];
        assert_eq!(branch.target.uri, "sip:+4420@192.0.2.7:5060");
        branch.to_uri.clone()
    };
    assert_eq!(to(SentTo::Routed), "");
    assert_eq!(to(SentTo::Received), "sip:994420@192.0.2.7:5060");
    assert_eq!(to(SentTo::ReceivedTo), "sip:desk@192.0.2.7:5060");
}

/// Request-URI and To as the trunk wants to see them: each form, in both.
#[test]
fn request_uri_and_to_are_written_as_the_row_says() {
    let uris = |request: SentTo, to: SentTo, phone: UserPhone| {
        let change = |rows: &mut Rows| {
            ingress(rows).called.remove = vec!["99".to_owned()];
            egress(rows).called.add = "+".to_owned();
            (egress(rows).sent_request, egress(rows).sent_to) = (request, to);
            egress(rows).user_phone = phone;
        };
        let said = |_: &mut Ask, call: &mut CallAsk| call.to_user = "desk".to_owned();
        let (decision, _) = planned(change, "994420", said);
        let Verdict::Go(plan) = decision.verdict else { panic!("{}", words(&decision)) };
        let branch = plan.go.stages[0].branches[0].clone();
        [branch.target.uri, branch.to_uri].map(|uri| uri.replace("192.0.2.7:5060", "h"))
    };
    use SentTo::{Received, ReceivedTo, Routed};
    let of = |request, to| uris(request, to, UserPhone::Never);
    assert_eq!(of(Received, Routed), ["sip:994420@h", ""]);
    assert_eq!(of(ReceivedTo, Received), ["sip:desk@h", "sip:994420@h"]);
    let phone = |to, phone| uris(Routed, to, phone);
    let request = ["sip:+4420@h;user=phone", "sip:+4420@h"];
    assert_eq!(phone(Routed, UserPhone::Request), request);
    assert_eq!(phone(Routed, UserPhone::To), ["sip:+4420@h;user=phone", ""]);
    let both = ["sip:+4420@h;user=phone", "sip:994420@h;user=phone"];
    assert_eq!(phone(Received, UserPhone::To), both);
    // A name is no number.
    assert_eq!(phone(ReceivedTo, UserPhone::To), ["sip:+4420@h;user=phone", "sip:desk@h"]);
}

#[test]
fn listeners_are_those_of_the_row() {
    let by = |listener: u8| move |ask: &mut Ask, _: &mut CallAsk| ask.hints.listener = listener;
    let only = |rows: &mut Rows| ingress(rows).listeners = vec![1];
    assert_eq!(planned(only, "4420", by(1)).1, [""; 0]);
    let (decision, said) = planned(only, "4420", by(0));
    assert!(said[0].starts_with("challenge demo.example"), "{said:?}");
    let trace = decision.trace.to_string();
    assert!(trace.contains("trunk 8 may not send calls by listener 0"), "{trace}");

    // The listener of the row, and no other that would fit.
    let leaves = |place: Option<u8>, asked: u8| {
        let change = |rows: &mut Rows| {
            rows.listeners.push(testing::listener("192.0.2.2:5060"));
            egress(rows).listener = place;
        };
        let Verdict::Go(plan) = planned(change, "4420", by(asked)).0.verdict else { return None };
        Some(plan.go.stages[0].branches[0].listener)
    };
    assert_eq!([leaves(None, 0), leaves(None, 2), leaves(None, 1)], [Some(0), Some(2), Some(0)]);
    assert_eq!([leaves(Some(2), 0), leaves(Some(0), 2)], [Some(2), Some(0)]);
    // One of another family, or one that is gone.
    assert_eq!([leaves(Some(1), 0), leaves(Some(9), 0)], [None, None]);
}

fn on_response(rule: HeaderRule) -> HeaderRule {
    HeaderRule { on: HeaderOn::Response, ..rule }
}

/// The names of what rules about responses write, in the order in which they work.
fn replies(branch: &Branch) -> Vec<&str> {
    branch.replies.iter().map(|rule| rule.name.as_str()).collect()
}

#[test]
fn rules_of_responses_go_with_the_branch() {
    use HeaderAction::Add;
    let both = |rows: &mut Rows| {
        let told = on_response(rule(Add, "X-Told", "1"));
        ingress(rows).header_rules = vec![rule(Add, "X-In", "1"), told];
        egress(rows).header_rules = vec![on_response(rule(Add, "X-Heard", "1"))];
    };
    let (decision, fields) = planned(both, "4420", |_, _| {});
    let Verdict::Go(plan) = &decision.verdict else { panic!("{decision:?}") };
    assert_eq!(replies(&plan.go.stages[0].branches[0]), ["X-Heard", "X-Told"]);
    let own: Vec<&str> = plan.go.on_exhausted.headers.iter().map(|f| f.name.as_str()).collect();
    assert_eq!((own, fields), (vec!["X-Told"], vec!["X-In: 1".to_owned()]));
    // A phone has no rules of its own, the caller's trunk has.
    let (decision, _) = planned(both, "442071002", |_, _| {});
    let Verdict::Go(plan) = &decision.verdict else { panic!("{decision:?}") };
    assert_eq!(replies(&plan.go.stages[0].branches[0]), ["X-Told"]);
    // Our own refusal is ruled as well.
    let (decision, _) = planned(both, "999999", |_, _| {});
    let Verdict::Refuse(refuse) = &decision.verdict else { panic!("{decision:?}") };
    assert!(refuse.headers.iter().any(|field| field.name == "X-Told"), "{refuse:?}");
}
