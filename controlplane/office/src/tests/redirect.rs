//! Redirects under one hold: more payers, other prices, all of it given back once.

use super::*;
use strowger_link::{Go, RedirectedAsk};

/// Who pays for what trunk 2 sends on.
const SENDER_ON: AccountId = AccountId(3);

/// As [`office`]: calls to 447 cost twice as much, and what trunk 2 sends on is routed anew
/// (`mode`), or paid for by its own account, which has `own`.
fn redirecting(mode: &str, credit: &str, own: &str) -> Office {
    let mut rows = rows();
    rows.accounts.push(account(SENDER_ON, true, Some(TariffId(1))));
    rows.trunks[1].ingress = Some(Ingress::new(SENDER_ON));
    rows.rates.push(Rate { id: RateId(2), prefix: digits("447"), ..rows.rates[0] });
    rows.rates[1].price = Price(120_000_000);
    rows.settings.push(SettingRow {
        id: SettingId(1),
        category: "call".into(),
        name: "redirect".into(),
        tenant: Some(TenantId(1)),
        account: Some(SUPPLIER),
        subscriber: None,
        value: mode.into(),
    });
    let world = Arc::new(World::build(rows).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    for account in world.accounts() {
        let posted = match account.id {
            PAYER => credit,
            SENDER_ON => own,
            _ => "0",
        };
        let posted = Amount::parse(posted, account.currency).unwrap();
        office.load(account, posted, NOW);
    }
    office
}

/// Trunk 2 sends call 7 on to `to`.
fn moved(go: &Go, to: &str) -> Ask {
    let question = ask(7, "44123");
    let AskBody::Call(call) = question.body.clone() else { panic!("a call") };
    let branch = &go.stages[0].branches[0];
    Ask {
        id: AskId(8),
        parent: Some(AskId(7)),
        wall_us: WALL_US + 2_000_000,
        body: AskBody::Redirected(RedirectedAsk {
            status: 302,
            contacts: vec![format!("sip:{to}@r")],
            settlement: go.settlement.clone(),
            party: branch.party.clone(),
            hop: branch.hop,
            dialed: branch.dialed.clone(),
            call,
        }),
        ..question
    }
}

fn followed(office: &mut Office, ask: Ask) -> Go {
    match answer_to(office, ask) {
        Some(AnswerBody::Go(go)) => *go,
        other => panic!("{other:?}"),
    }
}

fn held_of(office: &Office, account: AccountId) -> (String, u32) {
    let balance = office.balance(account).unwrap();
    (balance.held.print(Currency::new("EUR", 2).unwrap()), balance.calls)
}

fn start(office: &mut Office, go: &Go, hop: u8) {
    let started = Started {
        ask: AskId(7),
        record: RecordId::new(1, 7).unwrap(),
        at: NOW,
        hop,
        settlement: go.settlement.clone(),
    };
    office.handle_up(Up::Started(started), NOW, WALL_US);
}

/// The record of a call of `talk_s` seconds that a branch of `hop` answered.
fn record(go: &Go, hop: u8, talk_s: u64) -> Vec<Cdr> {
    let mut facts = facts(7, &go.settlement, Some(talk_s));
    for fact in &mut facts.facts {
        if let Fact::LegOpened(opened) = fact
            && opened.leg == 1
        {
            opened.hop = hop;
        }
    }
    records(&facts)
}

#[test]
fn another_number_is_held_for_under_the_same_hold() {
    let mut office = redirecting("reroute", "10", "0");
    let go = go(&mut office, 7);
    assert_eq!(payer(&office), at("10.00000000", "1.25000000", 1));
    let again = followed(&mut office, moved(&go, "447123"));
    // An eighth of 5,000 seconds in whole steps, for whichever of the two is dearer; the bound of
    // both together is a hair above either.
    assert_eq!((again.grant.ms, again.grant.last), (624_000, false));
    assert_eq!(payer(&office), at("10.00000000", "1.24800400", 1));
    // Asked again it says the same, and holds no more.
    assert_eq!(followed(&mut office, moved(&go, "447123")), again);
    assert_eq!(payer(&office), at("10.00000000", "1.24800400", 1));
    let hop = again.stages[0].branches[0].hop;
    start(&mut office, &again, hop);
    assert_eq!(payer(&office), at("10.00000000", "1.24800000", 1));
    office.settle(&record(&again, hop, 30), NOW);
    assert_eq!(payer(&office), at("9.94000000", "0.00000000", 0));
    assert_eq!(alarms(&mut office), 0);
}

#[test]
fn the_old_number_costs_what_it_did_when_it_answers_after_all() {
    let mut office = redirecting("reroute", "10", "0");
    let go = go(&mut office, 7);
    let again = followed(&mut office, moved(&go, "447123"));
    // Another branch of the plan.
    let hop = go.stages[0].branches[0].hop;
    start(&mut office, &again, hop);
    assert_eq!(payer(&office), at("10.00000000", "0.62400000", 1));
    office.settle(&record(&again, hop, 30), NOW);
    assert_eq!(payer(&office), at("9.97000000", "0.00000000", 0));
    assert_eq!(alarms(&mut office), 0);
}

#[test]
fn who_sends_a_call_on_is_a_second_payer() {
    let mut office = redirecting("forward", "10", "5");
    let go = go(&mut office, 7);
    let again = followed(&mut office, moved(&go, "447123"));
    // 5.00 at 0.12 a minute: an eighth of 2,500 seconds, of both.
    assert_eq!(again.grant.ms, 312_000);
    assert_eq!(payer(&office), at("10.00000000", "0.31200000", 1));
    assert_eq!(held_of(&office, SENDER_ON), ("0.62400000".into(), 1));
    let hop = again.stages[0].branches[0].hop;
    start(&mut office, &again, hop);
    office.settle(&record(&again, hop, 30), NOW);
    assert_eq!(payer(&office), at("9.97000000", "0.00000000", 0));
    assert_eq!(held_of(&office, SENDER_ON), ("0.00000000".into(), 0));
    let left = office.balance(SENDER_ON).unwrap().total();
    assert_eq!(left.print(Currency::new("EUR", 2).unwrap()), "4.94000000");
    assert_eq!(alarms(&mut office), 0);
}

#[test]
fn who_cannot_pay_sends_nothing_on_and_all_is_as_before() {
    let mut office = redirecting("forward", "10", "0");
    let go = go(&mut office, 7);
    let before = payer(&office);
    assert!(matches!(answer_to(&mut office, moved(&go, "447123")), Some(AnswerBody::Refuse(_))));
    assert_eq!(payer(&office), before);
    assert_eq!(held_of(&office, SENDER_ON), ("0.00000000".into(), 0));
    start(&mut office, &go, go.stages[0].branches[0].hop);
    assert_eq!(payer(&office), before);
}

#[test]
fn a_redirect_that_nobody_waited_for_is_given_back_with_the_answer() {
    let mut office = redirecting("forward", "10", "5");
    let go = go(&mut office, 7);
    followed(&mut office, moved(&go, "447123"));
    office.handle_up(Up::Abandoned(AskId(8)), NOW, WALL_US);
    assert_eq!(held_of(&office, SENDER_ON).1, 1);
    // The call was answered by another branch meanwhile, under the settlement before.
    start(&mut office, &go, go.stages[0].branches[0].hop);
    assert_eq!(held_of(&office, SENDER_ON), ("0.00000000".into(), 0));
    office.handle_up(Up::Abandoned(AskId(7)), NOW, WALL_US);
    assert_eq!(payer(&office), at("10.00000000", "0.00000000", 0));
}

#[test]
fn an_office_that_never_saw_the_call_takes_it_up() {
    let go = go(&mut redirecting("forward", "10", "5"), 7);
    let mut office = redirecting("forward", "10", "5");
    let again = followed(&mut office, moved(&go, "447123"));
    assert_eq!(again.grant.ms, 312_000);
    assert_eq!(held_of(&office, SENDER_ON), ("0.62400000".into(), 1));
    office.handle_up(Up::Abandoned(AskId(7)), NOW, WALL_US);
    assert_eq!(payer(&office), at("10.00000000", "0.00000000", 0));
    assert_eq!(held_of(&office, SENDER_ON), ("0.00000000".into(), 0));
}

#[test]
fn the_trace_of_a_redirect_stands_with_its_call() {
    let mut office = redirecting("reroute", "10", "0");
    let go = go(&mut office, 7);
    office.handle_up(Up::Ask(Box::new(moved(&go, "447123"))), NOW, WALL_US);
    let mut traces = Vec::new();
    while let Some(output) = office.poll_output() {
        if let Output::Trace(traced) = output {
            let steps = Trace::from_bytes(&traced.steps);
            traces.push((traced.ask, steps.steps().map(|step| step.name()).collect::<Vec<_>>()));
        }
    }
    let expect = [
        "redirected-by-trunk",
        "number",
        "price",
        "redirect-instead",
        "route",
        "hop",
        "planned",
        "granted",
    ];
    assert_eq!(traces.last(), Some(&(AskId(7), expect.map(str::to_owned).to_vec())));
}
