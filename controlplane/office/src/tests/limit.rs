//! What is set of limits reaches the till; callers who seek numbers are told of.

use super::*;

/// The rows with these settings of the switch.
fn set(settings: &[(&str, &str)]) -> Rows {
    let mut rows = rows();
    rows.accounts[0].prepaid = false;
    for (id, (path, value)) in (1..).zip(settings) {
        let (category, name) = path.split_once('.').unwrap();
        rows.settings.push(SettingRow {
            id: SettingId(id),
            category: category.into(),
            name: name.into(),
            tenant: None,
            account: None,
            subscriber: None,
            value: (*value).into(),
        });
    }
    rows
}

fn office_with(settings: &[(&str, &str)]) -> Office {
    let world = Arc::new(World::build(set(settings)).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    office.set_calendars(&[(TenantId(1), calendar())], NOW);
    for account in world.accounts() {
        office.load(account, Amount::ZERO, NOW);
    }
    office
}

fn euro(text: &str) -> Amount {
    Amount::parse(text, Currency::new("EUR", 2).unwrap()).unwrap()
}

fn reason(office: &mut Office, id: u64) -> Reason {
    match answer_to(office, ask(id, "44123")) {
        Some(AnswerBody::Refuse(refuse)) => refuse.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tenant_s_whole_is_limited_by_settings() {
    // A second costs 0.001.
    let mut office = office_with(&[("limit.tenant_day_max", "0.10")]);
    assert_eq!(go(&mut office, 7).grant.ms, 60_000);
    assert_eq!(go(&mut office, 8).grant.ms, 40_000);
    assert_eq!(reason(&mut office, 9), Reason::Limit);
    let spent = office.tenant_spent(TenantId(1)).unwrap()[DAY];
    assert_eq!((spent.held, spent.most), (euro("0.10"), Some(euro("0.10"))));
    // Another limit, then none: in force with the next world.
    let world = World::build(set(&[("limit.tenant_day_max", "0.20")])).unwrap();
    office.set_world(Arc::new(world), NOW);
    assert_eq!(lengthened(&mut office), [(8, 100_000, false)]);
    assert_eq!(go(&mut office, 10).grant.ms, 40_000);
    office.set_world(Arc::new(World::build(set(&[])).unwrap()), NOW);
    assert_eq!(go(&mut office, 11).grant.ms, u64::MAX);
    // After a restart it is what the database says of all accounts.
    let mut office = office_with(&[("limit.tenant_month_max", "0.10")]);
    office.load_spent(PAYER, WALL_US, (euro("0.07"), 0), NOW);
    office.load_spent(SUPPLIER, WALL_US, (euro("0.02"), 0), NOW);
    assert_eq!(go(&mut office, 7).grant.ms, 10_000);
    assert_eq!(reason(&mut office, 8), Reason::Limit);
}

#[test]
fn accounts_that_resell_or_are_kept_in_another_currency_do_not_count() {
    let counts = |change: &dyn Fn(&mut Account)| {
        let mut rows = set(&[("limit.tenant_day_max", "0.10")]);
        change(&mut rows.accounts[0]);
        let world = Arc::new(World::build(rows).unwrap());
        let mut office = Office::new(0, Arc::clone(&world));
        office.load(world.account(PAYER).unwrap(), Amount::ZERO, NOW);
        office.load_spent(PAYER, WALL_US, (euro("0.07"), 0), NOW);
        office.tenant_spent(TenantId(1)).unwrap()[DAY].used
    };
    assert_eq!(counts(&|_| {}), euro("0.07"));
    assert_eq!(counts(&|account| account.resells = true), Amount::ZERO);
    let dollars = Currency::new("USD", 2).unwrap();
    let foreign = |account: &mut Account| (account.currency, account.tariff) = (dollars, None);
    assert_eq!(counts(&foreign), Amount::ZERO);
}

#[test]
fn the_limit_of_a_day_is_learnt_by_settings() {
    let settings = [("limit.learnt_day_times", "7"), ("limit.learnt_day_min", "0.01")];
    let mut office = office_with(&settings);
    let day = |office: &Office| office.spend_max(PAYER, WALL_US)[DAY];
    assert_eq!(day(&office), None, "nobody has said what was before");
    let before_us = calendar().0[DAY].before_us;
    office.load_learnt(PAYER, before_us, Amount::ZERO, NOW);
    assert_eq!(day(&office), Some(euro("0.01")));
    office.load_learnt(PAYER, before_us, euro("0.004"), NOW);
    assert_eq!(day(&office), Some(euro("0.028")));
    assert_eq!(go(&mut office, 7).grant.ms, 28_000);
    assert_eq!(reason(&mut office, 8), Reason::NoCredit);
    // What an account is set to counts from the next world on, and what it learnt stays.
    let world = World::build(set(&[("limit.learnt_day_times", "8"), settings[1]])).unwrap();
    office.set_world(Arc::new(world), NOW);
    assert_eq!(day(&office), Some(euro("0.032")));
    assert_eq!(lengthened(&mut office), [(7, 32_000, true)]);
}

#[test]
fn many_calls_at_once_are_warned_of_once_a_minute_and_then_refused() {
    let settings =
        [("limit.calls_warn", "2"), ("limit.calls_max", "4"), ("limit.tenant_calls_warn", "3")];
    let mut office = office_with(&settings);
    let mut crowds = |id: u64, seconds: u64| {
        let mut ask = ask(id, "44123");
        let now = NOW.plus_ms(seconds * 1_000);
        ask.deadline = now.plus_ms(1_000);
        office.handle_up(Up::Ask(Box::new(ask)), now, WALL_US);
        let mut said = Vec::new();
        while let Some(output) = office.poll_output() {
            if let Output::Crowded(Crowd { tenant, calls }) = &output {
                said.push(format!("{:?} {calls}", tenant.map(|tenant| tenant.0)));
            }
            if let Output::Down(Down::Answer(answer)) = output
                && let AnswerBody::Refuse(refuse) = answer.body
            {
                said.push(format!("{:?}", refuse.reason));
            }
        }
        said
    };
    assert_eq!(crowds(1, 0), Vec::<String>::new());
    assert_eq!(crowds(2, 1), ["None 2"]);
    assert_eq!(crowds(3, 2), ["Some(1) 3"]);
    assert_eq!(crowds(4, 62), ["Some(1) 4", "None 4"]);
    assert_eq!(crowds(5, 63), ["Limit"]);
}

/// Calls to these numbers that talk for a second; who is to be blocked.
fn seek(office: &mut Office, numbers: impl Iterator<Item = u64>) -> Vec<NewBlock> {
    let mut blocks = Vec::new();
    for (id, number) in (100..).zip(numbers) {
        let called = number.to_string();
        let Some(AnswerBody::Go(go)) = answer_to(office, ask(id, &called)) else { panic!() };
        office.settle(&records(&facts(id, &go.settlement, Some(1))), NOW);
        while let Some(output) = office.poll_output() {
            if let Output::Block(block) = output {
                blocks.push(block);
            }
        }
    }
    blocks
}

#[test]
fn who_seeks_numbers_is_told_of_but_no_trusted_trunk() {
    let untrusted = |settings: &[(&str, &str)]| {
        let mut rows = set(settings);
        rows.trunks[0].ingress.as_mut().unwrap().trusted = false;
        let world = Arc::new(World::build(rows).unwrap());
        let mut office = Office::new(0, Arc::clone(&world));
        world.accounts().for_each(|account| office.load(account, Amount::ZERO, NOW));
        office
    };
    let settings = [("guard.scan_max", "9"), ("guard.caller_ban_ms", "60000")];
    let mut office = untrusted(&settings);
    let blocks = seek(&mut office, 44_100..44_120);
    assert_eq!(blocks[0].why, Nuisance::Scanning);
    assert_eq!((blocks[0].count, blocks[0].account), (9, Some(PAYER)));
    assert_eq!(blocks[0].until_us - blocks[0].from_us, 60_000_000);
    assert!(seek(&mut untrusted(&settings), [44_100; 50].into_iter()).is_empty());
    // Other measures by their settings.
    let fruitless = [("guard.scan_max", "0"), ("guard.fruitless_max", "3")];
    let blocks = seek(&mut untrusted(&fruitless), [44_100, 44_555, 44_100, 44_777].into_iter());
    assert_eq!((blocks.len(), blocks[0].why), (1, Nuisance::Fruitless));
    let judged = [("guard.scan_max", "0"), ("guard.judged_calls", "4")];
    let blocks = seek(&mut untrusted(&judged), [44_100; 4].into_iter());
    assert_eq!(blocks[0].why, Nuisance::Judged { asr_percent: 100, acd_s: 1 });
    // Whom a rule lets through.
    let mut rows = set(&settings);
    rows.trunks[0].ingress.as_mut().unwrap().trusted = false;
    rows.caller_rules.push(CallerRule {
        id: CallerRuleId(1),
        tenant: TenantId(1),
        account: None,
        prefix: digits("491"),
        subscriber: None,
        called: Digits::EMPTY,
        allow: true,
        reason: String::new(),
        from_us: 0,
        until_us: None,
        automatic: false,
    });
    let world = Arc::new(World::build(rows).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    world.accounts().for_each(|account| office.load(account, Amount::ZERO, NOW));
    assert!(seek(&mut office, 44_100..44_120).is_empty());
    // The trunk of the other tests is trusted.
    assert!(seek(&mut office_with(&settings), 44_100..44_150).is_empty());
}

#[test]
fn talk_of_a_day_and_a_month_is_set_and_survives_a_restart() {
    let settings = [("limit.day_talk_ms_max", "120000"), ("limit.month_talk_ms_max", "180000")];
    let mut office = office_with(&settings);
    let talk = |office: &mut Office, id: u64, seconds: u64| {
        let settlement = go(office, id).settlement;
        office.settle(&records(&facts(id, &settlement, Some(seconds))), NOW);
    };
    talk(&mut office, 7, 60);
    let running = go(&mut office, 8);
    talk(&mut office, 9, 60);
    assert_eq!(reason(&mut office, 10), Reason::Limit);
    // A call that runs goes on, and ends as it likes.
    office.settle(&records(&facts(8, &running.settlement, Some(60))), NOW);
    assert_eq!(office.till().talked_at(key(), WALL_US), [180_000; PERIODS]);
    // More a day, the same a month; then no limit at all.
    let world = World::build(set(&[("limit.day_talk_ms_max", "240000"), settings[1]])).unwrap();
    office.set_world(Arc::new(world), NOW);
    assert_eq!(reason(&mut office, 11), Reason::Limit);
    office.set_world(Arc::new(World::build(set(&[])).unwrap()), NOW);
    go(&mut office, 12);
    // After a restart it is what the database says.
    let mut office = office_with(&settings);
    office.load_spent(PAYER, WALL_US, (Amount::ZERO, 119_999), NOW);
    go(&mut office, 7);
    office.load_spent(PAYER, WALL_US, (Amount::ZERO, 1), NOW);
    assert_eq!(reason(&mut office, 8), Reason::Limit);
}

fn key() -> strowger_till::AccountKey {
    strowger_till::AccountKey { node: 0, account: PAYER }
}

#[test]
fn calls_of_one_address_are_capped_by_settings() {
    let mut office = office_with(&[("limit.address_calls_max", "2")]);
    go(&mut office, 7);
    go(&mut office, 8);
    assert_eq!(reason(&mut office, 9), Reason::Limit);
    let elsewhere = |office: &mut Office, id: u64, wall_us: i64| {
        let mut ask = ask(id, "44123");
        ask.hints.source = ([192, 0, 2, 1], 9_999).into();
        ask.wall_us = wall_us;
        matches!(answer_to(office, ask), Some(AnswerBody::Go(_)))
    };
    assert!(!elsewhere(&mut office, 10, WALL_US), "the port is no address");
    assert!(elsewhere(&mut office, 11, WALL_US + 86_400_000_000), "the next window");
    // Who is not capped is not counted.
    let mut office = office_with(&[("limit.address_window_ms", "60000")]);
    (7..20).for_each(|id| drop(go(&mut office, id)));
    // Talk and cost, by records; a second costs 0.001.
    for cap in [("limit.address_talk_ms_max", "60000"), ("limit.address_spend_max", "0.06")] {
        let mut office = office_with(&[cap]);
        for id in 7..9 {
            let settlement = go(&mut office, id).settlement;
            office.settle(&records(&facts(id, &settlement, Some(30))), NOW);
        }
        assert_eq!(reason(&mut office, 9), Reason::Limit, "{}", cap.0);
        // A restart has them of the database.
        let mut office = office_with(&[cap]);
        let from = [192, 0, 2, 1].into();
        office.load_address(PAYER, (from, WALL_US), (9, 59_999, euro("0.059")), NOW);
        go(&mut office, 7);
        office.load_address(PAYER, (from, WALL_US), (9, 1, euro("0.001")), NOW);
        assert_eq!(reason(&mut office, 8), Reason::Limit, "{}", cap.0);
    }
}

#[test]
fn a_refusal_by_a_cap_says_which() {
    let said = |settings: &[(&str, &str)]| {
        let mut office = office_with(settings);
        go(&mut office, 7);
        office.load_spent(PAYER, WALL_US, (Amount::ZERO, 60_000), NOW);
        answer_traced(&mut office, ask(8, "44123"))
    };
    let minutes = said(&[("limit.day_talk_ms_max", "60000")]);
    assert!(minutes.contains("the talk of a day or a month is used up, so account 1"), "{minutes}");
    let calls = said(&[("limit.address_calls_max", "1")]);
    assert!(calls.contains("the calls from the address are used up, so account 1"), "{calls}");
}

/// The trace of a call.
fn answer_traced(office: &mut Office, ask: Ask) -> String {
    office.handle_up(Up::Ask(Box::new(ask)), NOW, WALL_US);
    let mut said = String::new();
    while let Some(output) = office.poll_output() {
        if let Output::Trace(traced) = output {
            said = strowger_routing::Trace::from_bytes(&traced.steps).to_string();
        }
    }
    said
}
