//! Asks that wait for the outside: answered once, by the answer or by their time.

use super::*;
use strowger_routing::{Finding, Lack, Query};

const WAIT_MS: u64 = 300;

fn setting(id: i64, name: &str, value: &str) -> SettingRow {
    SettingRow {
        id: SettingId(id),
        category: "fact".into(),
        name: name.into(),
        tenant: None,
        account: None,
        subscriber: None,
        value: value.into(),
    }
}

/// As [`office`], with 10 EUR: numbers that leave are asked about.
fn asking(more: &[SettingRow]) -> Office {
    let mut rows = rows();
    rows.settings.push(setting(1, "portability", "true"));
    rows.settings.extend_from_slice(more);
    let world = Arc::new(World::build(rows).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    for account in world.accounts() {
        let posted = if account.id == PAYER { "10" } else { "0" };
        office.load(account, Amount::parse(posted, account.currency).unwrap(), NOW);
    }
    office
}

/// What an office wants: searches, and the asks that it answers with whether they go.
fn drained(office: &mut Office) -> (Vec<Search>, Vec<(u64, bool)>) {
    let (mut searches, mut answers) = (Vec::new(), Vec::new());
    while let Some(output) = office.poll_output() {
        if let Output::Find(search) = output {
            searches.push(*search);
        } else if let Output::Down(Down::Answer(said)) = output {
            answers.push((said.ask.0, matches!(said.body, AnswerBody::Go(_))));
        }
    }
    (searches, answers)
}

fn put(office: &mut Office, ask: Ask) -> (Vec<Search>, Vec<(u64, bool)>) {
    office.handle_up(Up::Ask(Box::new(ask)), NOW, WALL_US);
    drained(office)
}

/// Ask 7 waits; what it waits for.
fn parked(office: &mut Office) -> Search {
    let (searches, answers) = put(office, ask(7, "44123"));
    assert_eq!((searches.len(), answers.len(), office.waiting()), (1, 0, 1));
    assert_eq!(searches[0].query, Query::Ported(digits("44123")));
    searches.into_iter().next().unwrap()
}

#[test]
fn an_answer_ends_the_wait_once() {
    let mut office = asking(&[]);
    let search = parked(&mut office);
    assert_eq!(payer(&office), at("10.00000000", "0.00000000", 0), "nothing is held meanwhile");
    assert_eq!(office.poll_timeout(), Some(NOW.plus_ms(WAIT_MS)));
    let later = NOW.plus_ms(50);
    office.found(search.ticket, Finding::Ported(None), later, WALL_US);
    assert_eq!(drained(&mut office), (vec![], vec![(7, true)]));
    assert_eq!(payer(&office), at("10.00000000", "1.25000000", 1));
    // The same answer again, and the end of a time that is over.
    office.found(search.ticket, Finding::Ported(None), later, WALL_US);
    office.handle_timeout(NOW.plus_ms(WAIT_MS));
    assert_eq!(drained(&mut office), (vec![], vec![]));
    assert_eq!((office.waiting(), office.counts().facts_missing), (0, 0));
}

#[test]
fn a_call_goes_on_when_its_time_is_over_and_what_comes_later_is_dropped() {
    let mut office = asking(&[]);
    let search = parked(&mut office);
    office.handle_timeout(NOW.plus_ms(WAIT_MS - 1));
    assert_eq!(drained(&mut office), (vec![], vec![]));
    office.handle_timeout(NOW.plus_ms(WAIT_MS));
    assert_eq!(drained(&mut office), (vec![], vec![(7, true)]));
    assert_eq!(office.counts().facts_missing, 1);
    office.found(search.ticket, Finding::Ported(None), NOW.plus_ms(WAIT_MS + 1), WALL_US);
    assert_eq!(drained(&mut office), (vec![], vec![]));
    assert_eq!(payer(&office), at("10.00000000", "1.25000000", 1), "held for once");
}

#[test]
fn a_call_that_must_not_go_on_without_is_refused() {
    let mut office = asking(&[setting(2, "portability_unknown", "refuse")]);
    let search = parked(&mut office);
    office.found(search.ticket, Finding::Unknown(Lack::Failed), NOW, WALL_US);
    assert_eq!(drained(&mut office), (vec![], vec![(7, false)]));
    assert_eq!(payer(&office), at("10.00000000", "0.00000000", 0));
}

#[test]
fn how_long_a_call_waits_is_set_and_ends_before_its_ask_does() {
    for (wait_ms, left_ms, expect_ms) in [
        ("300", 3_000, Some(300)),
        ("900", 3_000, Some(900)),
        ("900", 500, Some(400)),
        ("300", 90, None),
    ] {
        let mut office = asking(&[setting(2, "wait_ms", wait_ms)]);
        let asked = Ask { deadline: NOW.plus_ms(left_ms), ..ask(7, "44123") };
        let (searches, answers) = put(&mut office, asked);
        let until = expect_ms.map(|ms| NOW.plus_ms(ms));
        let timeout = until.and(office.poll_timeout());
        assert_eq!(timeout, until, "{wait_ms} of {left_ms}");
        let waits = usize::from(until.is_some());
        assert_eq!((searches.len(), answers.len()), (waits, 1 - waits));
    }
}

#[test]
fn an_ask_that_comes_twice_waits_once_and_one_that_is_given_up_is_forgotten() {
    let mut office = asking(&[]);
    let search = parked(&mut office);
    assert_eq!(put(&mut office, ask(7, "44123")), (vec![], vec![]));
    assert_eq!(office.waiting(), 1);
    office.handle_up(Up::Abandoned(AskId(7)), NOW, WALL_US);
    assert_eq!(office.waiting(), 0);
    office.found(search.ticket, Finding::Ported(None), NOW, WALL_US);
    assert_eq!(drained(&mut office), (vec![], vec![]));
    // Asked again it waits again, and an answer to the first time is none to this one.
    let again = parked(&mut office);
    office.found(search.ticket, Finding::Ported(None), NOW, WALL_US);
    assert_eq!(drained(&mut office), (vec![], vec![]));
    office.dataplane_restarted(0, &[], NOW);
    assert_eq!(office.waiting(), 0, "its life is over");
    office.found(again.ticket, Finding::Ported(None), NOW, WALL_US);
    office.handle_timeout(NOW.plus_ms(WAIT_MS));
    assert_eq!(drained(&mut office), (vec![], vec![]));
    assert_eq!(payer(&office), at("10.00000000", "0.00000000", 0));
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    let mut office = asking(&[]);
    for id in 1..=WAITING_MAX as u64 {
        let (searches, answers) = put(&mut office, ask(id, "44123"));
        assert_eq!((searches.len(), answers.len()), (1, 0));
    }
    let next = WAITING_MAX as u64 + 1;
    let (searches, answers) = put(&mut office, ask(next, "44123"));
    assert_eq!((searches, answers.len()), (vec![], 1), "decided at once, without");
    assert_eq!((office.waiting(), office.counts().facts_missing), (WAITING_MAX, 1));
    office.handle_timeout(NOW.plus_ms(WAIT_MS));
    assert_eq!(drained(&mut office).1.len(), WAITING_MAX);
    assert_eq!(office.waiting(), 0);
}
