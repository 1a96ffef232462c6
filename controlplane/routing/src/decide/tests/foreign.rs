//! Calls to users of domains that are none of ours.

use super::setting::setting_row;
use super::*;
use crate::fact::{Finding, Lack};
use crate::place::wanted_of;
use strowger_link::Transport;
use strowger_locate::Place;
use strowger_model::{Depth, SettingId, SettingRow};

const BOB: &str = "sip:bob@other.example";

fn with(settings: &[(&str, &str)]) -> Rows {
    let nth = |((path, value), id): (&(&str, &str), i64)| SettingRow {
        id: SettingId(id),
        ..setting_row(path, value, Depth::Account, 1)
    };
    Rows { settings: settings.iter().zip(1..).map(nth).collect(), ..rows() }
}

/// Where name servers say that the domain is.
fn at(uri: &str, address: &str) -> Option<Vec<Fact>> {
    let transport = Transport::Udp;
    let addresses = vec![address.parse().unwrap()];
    let place = Place { rank: 0, transport, priority: 0, weight: 0, addresses };
    said(uri, Finding::Placed(vec![place]))
}

fn said(uri: &str, finding: Finding) -> Option<Vec<Fact>> {
    Some(vec![Fact { query: where_is(uri), finding }])
}

/// The question where a URI leads.
fn where_is(uri: &str) -> Query {
    Query::Place(Box::new(wanted_of(uri).unwrap().1))
}

/// What becomes of a call of 1001 to a URI.
fn dials(rows: Rows, uri: &str, known: Option<Vec<Fact>>) -> Decision {
    let mut switch = Switch::new(rows);
    switch.known = known;
    let user = SipUri::parse(uri).unwrap().user().unwrap_or_default().to_owned();
    switch.prepare(&format!("1001 dials {user}"));
    switch.call().request_uri = uri.to_owned();
    switch.again()
}

fn check(settings: &[(&str, &str)], uri: &str, known: Option<Vec<Fact>>, expect: &str) {
    assert_eq!(words(&dials(with(settings), uri, known)), expect, "{settings:?} {uri}");
}

#[test]
fn by_default_nobody_leaves_us_by_a_domain() {
    check(&[], BOB, at(BOB, "198.51.100.7:5060"), "404 UnknownNumber cause 1");
    let there = "sip:1002@other.example";
    check(&[], there, at(there, "198.51.100.7:5060"), "ring 10.0.0.2:5060; account 1 pays 0");
}

#[test]
fn another_domain_is_called_by_its_trunk_at_the_internal_price() {
    let set = [("call.foreign", "always"), ("call.foreign_trunk", "7")];
    let to = |user: &str| format!("{user} to trunk 7 at 198.51.100.7:5060; account 1 pays 0");
    check(&set, BOB, at(BOB, "198.51.100.7:5060"), &to("bob"));
    let number = "sip:1002@other.example";
    check(&set, number, at(number, "198.51.100.7:5060"), &to("1002"));
    let decision = dials(with(&set), BOB, at(BOB, "198.51.100.7:5060"));
    assert!(decision.trace.steps().any(|step| step == Step::Beyond { beyond: 2 }));
    let Verdict::Go(plan) = decision.verdict else { panic!("no plan") };
    assert_eq!(plan.go.stages[0].branches[0].target.uri, BOB);
    // Asked once; with the answer the same decision.
    let asked = dials(with(&set), BOB, Some(Vec::new())).verdict;
    assert_eq!(asked, Verdict::Need(where_is(BOB)));
    // Our own names and addresses are ours.
    for own in ["sip:1002@demo.example", "sip:1002@192.0.2.1", "sip:1002@203.0.113.77:5060"] {
        check(&set, own, Some(Vec::new()), "ring 10.0.0.2:5060; account 1 pays 0");
    }
}

#[test]
fn whom_nobody_here_is_meant_by_is_called_there() {
    let set = [("call.foreign", "unknown"), ("call.foreign_trunk", "7")];
    let ours = "sip:1002@other.example";
    check(&set, ours, Some(Vec::new()), "ring 10.0.0.2:5060; account 1 pays 0");
    let there = "bob to trunk 7 at 198.51.100.7:5060; account 1 pays 0";
    check(&set, BOB, at(BOB, "198.51.100.7:5060"), there);
}

#[test]
fn a_caller_is_told_to_call_there_himself() {
    let decision = dials(with(&[("call.foreign", "redirect")]), BOB, None);
    let Verdict::Refuse(refuse) = decision.verdict else { panic!("no refusal") };
    let contact = refuse.headers.iter().find(|field| field.name == "Contact").unwrap();
    assert_eq!((refuse.cause.sip, &*contact.value.0), (302, &b"<sip:bob@other.example>"[..]));
}

#[test]
fn nothing_goes_where_nobody_may_or_nobody_is() {
    let set = [("call.foreign", "always"), ("call.foreign_trunk", "7")];
    let (nowhere, unknown) = ("404 NoRoute cause 3", "480 NoRoute cause 41");
    check(&set[..1], BOB, at(BOB, "198.51.100.7:5060"), nowhere);
    check(&set, BOB, said(BOB, Finding::Placed(Vec::new())), nowhere);
    check(&set, BOB, said(BOB, Finding::Unknown(Lack::Late)), unknown);
    check(&set, BOB, None, nowhere);
    // What we do not call is nowhere, and nobody is asked.
    check(&set, "sip:bob@other.example;transport=ws", Some(Vec::new()), nowhere);
    // Into our networks, or into this host.
    for inside in ["10.0.0.9:5060", "127.0.0.1:5060", "192.0.2.1:5060"] {
        check(&set, BOB, at(BOB, inside), nowhere);
    }
    // Who may call nobody outside.
    let mut rows = with(&set);
    rows.subscribers[0].barring.all = true;
    let decision = dials(rows, BOB, at(BOB, "198.51.100.7:5060"));
    assert_eq!(words(&decision), "403 Denied cause 21");
}
