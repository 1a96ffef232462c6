//! Names of next hops: asked outside once, answered by what is said or by their time.

use super::*;
use strowger_link::{ResolveAsk, Transport};
use strowger_routing::{Finding, Lack, Query};

fn name(id: u64, host: &str) -> Ask {
    let body = AskBody::Resolve(ResolveAsk {
        host: host.into(),
        port: 5070,
        transport: Some(Transport::Udp),
    });
    Ask { body, ..ask(id, "44123") }
}

/// What is asked outside, and the addresses of each answer.
fn drained(office: &mut Office) -> (Vec<Search>, Vec<(u64, Vec<String>)>) {
    let (mut searches, mut answers) = (Vec::new(), Vec::new());
    while let Some(output) = office.poll_output() {
        if let Output::Find(search) = output {
            searches.push(*search);
        } else if let Output::Down(Down::Answer(said)) = output {
            let AnswerBody::Resolved(resolved) = said.body else { panic!("{:?}", said.body) };
            let shown = resolved.addresses.iter().map(ToString::to_string).collect();
            answers.push((said.ask.0, shown));
        }
    }
    (searches, answers)
}

fn put(office: &mut Office, ask: Ask) -> (Vec<Search>, Vec<(u64, Vec<String>)>) {
    office.handle_up(Up::Ask(Box::new(ask)), NOW, WALL_US);
    drained(office)
}

#[test]
fn a_name_is_asked_for_outside_and_answered_once() {
    let mut office = office("10");
    let (searches, answers) = put(&mut office, name(7, "node7.example.com"));
    assert_eq!((searches.len(), answers.len(), office.waiting()), (1, 0, 1));
    let Query::Place(wanted) = &searches[0].query else { panic!("{:?}", searches[0]) };
    assert_eq!((wanted.host.as_str(), wanted.port), ("node7.example.com", 5070));
    // Asked again, by a link that came back: nobody is asked twice.
    assert_eq!(put(&mut office, name(7, "node7.example.com")), (Vec::new(), Vec::new()));
    office.found(searches[0].ticket, Finding::Unknown(Lack::Failed), NOW, WALL_US);
    assert_eq!(drained(&mut office), (Vec::new(), vec![(7, Vec::new())]));
    assert_eq!((office.waiting(), office.counts().names), (0, 2));
}

#[test]
fn a_name_that_nobody_says_in_time_leads_nowhere() {
    let mut office = office("10");
    put(&mut office, name(7, "node7.example.com"));
    let due = office.poll_timeout().unwrap();
    office.handle_timeout(due);
    assert_eq!(drained(&mut office), (Vec::new(), vec![(7, Vec::new())]));
}

#[test]
fn an_address_is_nothing_to_be_asked_for() {
    let mut office = office("10");
    let (searches, answers) = put(&mut office, name(7, "192.0.2.77"));
    assert_eq!((searches, answers), (Vec::new(), vec![(7, vec!["192.0.2.77:5070".into()])]));
}
