//! The office by its own words: a trunk calls through another one, on a prepaid account.

mod fact;
mod limit;
mod probe;
mod redirect;
mod resolve;
mod shared;
mod talk;

use crate::*;
use std::net::SocketAddr;
use strowger_link::{
    AnswerBody, Began, CallAsk, CallEnded, CallerIdentity, Cause, Direction, ExtendAsk, Fact,
    Hints, LegAnswered, LegEnded, LegOpened, Live, LiveState, Pair, Party, PartyRef, Reason,
    SlotRef, Transport,
};
use strowger_model::*;
use strowger_routing::{Listener, Rows};

const NOW: Tick = Tick(1_000_000_000);
const WALL_US: i64 = 1_700_000_000_000_000;
const PAYER: AccountId = AccountId(1);
const SUPPLIER: AccountId = AccountId(2);

fn digits(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

fn account(id: AccountId, prepaid: bool, tariff: Option<TariffId>) -> Account {
    Account {
        name: "a".into(),
        prepaid,
        tariff,
        ..Account::new(id, TenantId(1), OrganizationId(1), Currency::new("EUR", 2).unwrap())
    }
}

fn trunk(id: i64, ingress: Option<Ingress>, egress: Option<Egress>) -> Trunk {
    Trunk {
        id: TrunkId(id),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        name: format!("t{id}"),
        enabled: true,
        ingress,
        egress,
    }
}

fn tenant() -> Tenant {
    Tenant {
        id: TenantId(1),
        name: "t".into(),
        realm: "r".into(),
        domains: vec![],
        currency: Currency::new("EUR", 2).unwrap(),
        timezone: "UTC".into(),
        algorithms: vec![DigestAlgorithm::Md5],
        country_prefix: digits("49"),
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: 60,
        talk_s_max: 7_200,
        media_start_timeout_s: 0,
        media_timeout_s: 0,
        subscriber_day_max: None,
        trunk_day_max: None,
    }
}

fn ingress() -> Ingress {
    let source = SourceMatch { network: [192, 0, 2, 1].into(), prefix_len: 32, port: 0 };
    Ingress { sources: vec![source], ..Ingress::new(PAYER) }
}

fn egress() -> Egress {
    Egress {
        targets: vec![SocketAddr::from(([192, 0, 2, 9], 5060)).into()],
        q: 1_000,
        ..Egress::new(SUPPLIER)
    }
}

/// 0.06 EUR a minute, per second.
fn rows() -> Rows {
    Rows {
        listeners: vec![Listener {
            transport: Transport::Udp,
            address: "192.0.2.1:5060".parse().unwrap(),
            guests: strowger_model::Guests::Challenge,
        }],
        tenants: vec![tenant()],
        organizations: vec![Organization {
            id: OrganizationId(1),
            tenant: TenantId(1),
            parent: None,
            kind: OrganizationKind::Owner,
            name: "o".into(),
            withheld: Vec::new(),
        }],
        accounts: vec![account(PAYER, true, Some(TariffId(1))), account(SUPPLIER, false, None)],
        trunks: vec![trunk(1, Some(ingress()), None), trunk(2, None, Some(egress()))],
        tariffs: vec![Tariff {
            id: TariffId(1),
            tenant: TenantId(1),
            name: "p".into(),
            currency: Currency::new("EUR", 2).unwrap(),
            kind: TariffKind::Customer,
            rounding: Rounding { digits: 6, mode: RoundingMode::HalfAway },
            vat_ppm: 0,
            vat_included: false,
        }],
        rates: vec![Rate {
            id: RateId(1),
            tariff: TariffId(1),
            prefix: digits("44"),
            price: Price(60_000_000),
            step_s: 1,
            minimum_s: 0,
            free_s: 0,
            free_after_s: 0,
            class: strowger_model::TimeClass::All,
            digits_min: 0,
            digits_max: 0,
            connection_fee: Amount::ZERO,
            from_us: 0,
            until_us: None,
        }],
        routes: vec![Route {
            targets: vec![RouteTarget { trunk: TrunkId(2), priority: 0, weight: 1 }],
            ..Route::new(RouteId(1), TenantId(1), digits("44"))
        }],
        ..Rows::default()
    }
}

/// An office whose payer has `credit` EUR.
fn office(credit: &str) -> Office {
    let world = Arc::new(World::build(rows()).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    for account in world.accounts() {
        let posted = if account.id == PAYER { credit } else { "0" };
        let posted = Amount::parse(posted, account.currency).unwrap();
        office.load(account, posted, NOW);
    }
    office
}

fn ask(id: u64, called: &str) -> Ask {
    Ask {
        id: AskId(id),
        parent: None,
        leg: LegId { slot: SlotRef { seg: 0, idx: 1, r#gen: 1 }, leg: 0 },
        hints: Hints {
            listener: 0,
            local: ([192, 0, 2, 100], 5060).into(),
            source: ([192, 0, 2, 1], 5060).into(),
            transport: Transport::Udp,
            host: "r".into(),
            sni: None,
            trunk: Some(1),
        },
        deadline: NOW.plus_ms(3_000),
        wall_us: WALL_US,
        body: AskBody::Call(Box::new(CallAsk {
            request_uri: format!("sip:{called}@r"),
            called: called.into(),
            to_user: called.into(),
            caller: CallerIdentity {
                from_user: "491".into(),
                from_host: "h".into(),
                display: String::new(),
                asserted: vec![],
                preferred: None,
                remote_party: None,
                privacy: String::new(),
            },
            credentials: None,
            sip_call_id: "c".into(),
            user_agent: String::new(),
            has_offer: true,
            emergency: false,
            headers: Vec::new(),
            diverted: Vec::new(),
            session_s: 0,
        })),
    }
}

fn answer_to(office: &mut Office, ask: Ask) -> Option<AnswerBody> {
    office.handle_up(Up::Ask(Box::new(ask)), NOW, WALL_US);
    let mut answer = None;
    while let Some(output) = office.poll_output() {
        if let Output::Down(Down::Answer(said)) = output {
            answer = Some(said.body);
        }
    }
    answer
}

fn go(office: &mut Office, id: u64) -> strowger_link::Go {
    match answer_to(office, ask(id, "44123")) {
        Some(AnswerBody::Go(go)) => *go,
        other => panic!("{other:?}"),
    }
}

/// The facts of an answered call of `talk_s` seconds, or of one that goes on.
fn facts(id: u64, settlement: &Octets, talk_s: Option<u64>) -> CallFacts {
    let opened = |leg, direction, party| {
        Fact::LegOpened(Box::new(LegOpened {
            leg,
            at: NOW,
            direction,
            stage: 0,
            branch: 0,
            hop: 0,
            dialed: "44123".into(),
            from_user: "491".into(),
            remote: ([192, 0, 2, 9], 5060).into(),
            transport: Transport::Udp,
            party,
        }))
    };
    let mut list = vec![
        Fact::Began(Box::new(Began {
            at: NOW,
            listener: 0,
            source: Some(([192, 0, 2, 1], 5060).into()),
            received: "44123".into(),
            from_user: "491".into(),
            display: String::new(),
            sip_call_id: "c".into(),
            user_agent: String::new(),
        })),
        opened(0, Direction::In, PartyRef::Trunk(1)),
        opened(1, Direction::Out, PartyRef::Trunk(2)),
        Fact::Granted(strowger_link::Granted { at: NOW, ms: 60_000, free_ms: 0, last: false }),
        Fact::LegAnswered(LegAnswered { leg: 1, at: NOW }),
        Fact::LegAnswered(LegAnswered { leg: 0, at: NOW }),
        Fact::Joined(Pair { a: 0, b: 1, at: NOW }),
    ];
    if let Some(talk_s) = talk_s {
        let (at, cause) = (NOW.plus_ms(talk_s * 1_000), Cause::new(0, 16));
        let (by, reason) = (Party::Caller, Reason::Normal);
        for leg in 0..2 {
            list.push(Fact::LegEnded(Box::new(LegEnded {
                leg,
                at,
                cause,
                by,
                reason,
                media: None,
            })));
        }
        list.push(Fact::Ended(CallEnded { at, cause, by, reason, facts_dropped: 0 }));
    }
    CallFacts {
        record: RecordId::new(1, id).unwrap(),
        ask: AskId(id),
        slot: SlotRef::default(),
        anchor_us: WALL_US,
        settlement: settlement.clone(),
        facts: list,
    }
}

fn records(facts: &CallFacts) -> Vec<Cdr> {
    strowger_billing::records(facts, strowger_billing::Mode::CalledLeg)
}

/// Total, held and calls of the payer, in EUR.
fn payer(office: &Office) -> (String, String, u32) {
    let balance = office.balance(PAYER).unwrap();
    let euro = Currency::new("EUR", 2).unwrap();
    (balance.total().print(euro), balance.held.print(euro), balance.calls)
}

fn alarms(office: &mut Office) -> usize {
    let mut count = 0;
    while let Some(output) = office.poll_output() {
        count += usize::from(matches!(output, Output::Alarm(_)));
    }
    count
}

fn at(total: &str, held: &str, calls: u32) -> (String, String, u32) {
    (total.into(), held.into(), calls)
}

#[test]
fn a_call_is_held_for_and_then_charged() {
    let mut office = office("10");
    let go = go(&mut office, 7);
    // An eighth of 10,000 seconds is 1,250 seconds.
    assert_eq!((go.grant.ms, go.grant.last), (1_250_000, false));
    assert_eq!(payer(&office), at("10.00000000", "1.25000000", 1));
    let records = records(&facts(7, &go.settlement, Some(30)));
    office.settle(&records, NOW);
    assert_eq!(payer(&office), at("9.97000000", "0.00000000", 0));
    // The journal read twice charges once.
    office.settle(&records, NOW);
    office.committed(1, &records, NOW);
    assert_eq!(payer(&office), at("9.97000000", "0.00000000", 0));
    assert_eq!(alarms(&mut office), 0);
    assert!(office.live().is_empty());
}

#[test]
fn without_credit_the_answer_is_no() {
    let mut office = office("0");
    let Some(AnswerBody::Refuse(refuse)) = answer_to(&mut office, ask(7, "44123")) else {
        panic!("not refused")
    };
    assert_eq!((refuse.reason, refuse.record), (Reason::NoCredit, true));
    assert_eq!(payer(&office), at("0.00000000", "0.00000000", 0));
    assert_eq!((office.counts().admitted, office.counts().refused), (0, 1));
}

#[test]
fn an_attempt_that_came_to_nothing_gives_its_hold_back() {
    let mut office = office("10");
    go(&mut office, 7);
    office.handle_up(Up::Abandoned(AskId(7)), NOW, WALL_US);
    assert_eq!(payer(&office), at("10.00000000", "0.00000000", 0));
    // So does a record that charges nobody.
    let go = go(&mut office, 8);
    let mut refused = facts(8, &go.settlement, Some(0));
    refused.facts.retain(|f| !matches!(f, Fact::LegAnswered(_) | Fact::Joined(_)));
    office.settle(&records(&refused), NOW);
    assert_eq!(payer(&office), at("10.00000000", "0.00000000", 0));
    assert_eq!(alarms(&mut office), 0);
}

#[test]
fn talk_time_is_extended_up_to_the_balance() {
    let mut office = office("0.12");
    let go = go(&mut office, 7);
    assert_eq!((go.grant.ms, go.grant.last), (60_000, false));
    let extend = Ask {
        body: AskBody::Extend(ExtendAsk {
            call: AskId(7),
            used_ms: 30_000,
            granted_ms: 60_000,
            free_ms: 0,
            settlement: go.settlement,
        }),
        ..ask(8, "")
    };
    let Some(AnswerBody::Extended(extended)) = answer_to(&mut office, extend) else {
        panic!("not extended")
    };
    assert_eq!((extended.grant.ms, extended.grant.last), (120_000, true));
    assert_eq!(payer(&office).1, "0.12000000");
}

/// What the dataplane is told unasked: the call, its total talk time, and whether that is the last.
fn lengthened(office: &mut Office) -> Vec<(u64, u64, bool)> {
    let mut told = Vec::new();
    while let Some(output) = office.poll_output() {
        if let Output::Down(Down::Lengthen(more)) = output {
            assert_eq!(more.leg, ask(0, "").leg);
            told.push((more.ask.0, more.grant.ms, more.grant.last));
        }
    }
    told
}

#[test]
fn a_payment_lengthens_a_call_in_its_last_slice() {
    let mut first = office("0.03");
    let go = go(&mut first, 7);
    assert_eq!((go.grant.ms, go.grant.last), (30_000, true));
    let euro = |text: &str| Amount::parse(text, Currency::new("EUR", 2).unwrap()).unwrap();
    let pay = |office: &mut Office, id, text: &str| {
        office.adjust(id, PAYER, euro(text), Stage::Durable, NOW).unwrap()
    };
    assert_eq!(pay(&mut first, 1, "0.02"), Ok(euro("0.05")));
    assert_eq!(lengthened(&mut first), [(7, 50_000, true)]);
    assert_eq!(pay(&mut first, 1, "0.02"), Ok(euro("0.05")));
    assert_eq!(lengthened(&mut first), []);
    // The control plane dies; the table knows of the last slice, the books of the payment.
    let mut running = facts(7, &go.settlement, None);
    running.facts.push(Fact::Granted(strowger_link::Granted {
        at: NOW,
        ms: 50_000,
        free_ms: 0,
        last: true,
    }));
    let mut second = office("0.05");
    second.adopt_running(&running, NOW);
    assert_eq!(payer(&second), at("0.05000000", "0.05000000", 1));
    let leg = second.live()[&AskId(7)].leg;
    assert_eq!(pay(&mut second, 9, "0.10"), Ok(euro("0.15")));
    let Some(Output::Down(Down::Lengthen(more))) = second.poll_output() else { panic!("nothing") };
    assert_eq!((more.leg, more.grant.ms, more.grant.last), (leg, 110_000, false));
    assert_eq!(payer(&second), at("0.15000000", "0.11000000", 1));
    assert_eq!(alarms(&mut second), 0);
}

#[test]
fn a_late_ask_is_dropped() {
    let mut office = office("10");
    let late = Ask { deadline: NOW, ..ask(7, "44123") };
    assert_eq!(answer_to(&mut office, late), None);
    assert_eq!(office.counts().expired, 1);
    assert_eq!(payer(&office).2, 0);
}

#[test]
fn a_restarted_office_takes_up_journal_and_table() {
    let mut before = office("10");
    let (ended, running) = (go(&mut before, 7), go(&mut before, 8));
    drop(before);
    // The database knows neither; the journal has the first, the table still shows both.
    let mut after = office("10");
    let ended_facts = facts(7, &ended.settlement, Some(60));
    after.replay(&records(&ended_facts), NOW);
    after.adopt_running(&facts(7, &ended.settlement, None), NOW);
    after.adopt_running(&facts(8, &running.settlement, None), NOW);
    assert_eq!(payer(&after), at("9.94000000", "0.06000000", 1));
    assert_eq!(after.live().keys().collect::<Vec<_>>(), [&AskId(8)]);
    let seen = &after.live()[&AskId(8)];
    assert_eq!((seen.state, seen.called.as_str()), (LiveState::Speaking, "44123"));
    // The intake reads the same record once more: nothing is charged twice.
    after.settle(&records(&ended_facts), NOW);
    assert_eq!(payer(&after).0, "9.94000000");
    after.settle(&records(&facts(8, &running.settlement, Some(10))), NOW);
    assert_eq!(payer(&after), at("9.93000000", "0.00000000", 0));
    assert_eq!(alarms(&mut after), 0);
}

#[test]
fn an_answered_call_that_nobody_knows_is_taken_up() {
    let settlement = go(&mut office("10"), 7).settlement;
    let mut office = office("10");
    let record = RecordId::new(1, 7).unwrap();
    let started = Started { ask: AskId(7), record, at: NOW, hop: 0, settlement };
    office.handle_up(Up::Started(started), NOW, WALL_US);
    assert_eq!(payer(&office).2, 1);
    assert_eq!(alarms(&mut office), 0);
}

#[test]
fn a_price_that_rises_soon_is_held_for_until_the_answer_tells_when() {
    let mut rows = rows();
    // It begins at 22:13:20; from 22:14 on a second costs ten times as much.
    let class = "22:14-23:00".parse().unwrap();
    let dear = Rate { id: RateId(2), class, price: Price(600_000_000), ..rows.rates[0].clone() };
    rows.rates.push(dear);
    let world = Arc::new(World::build(rows).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    let euro = Currency::new("EUR", 2).unwrap();
    for account in world.accounts() {
        let posted = if account.id == PAYER { "0.03" } else { "0" };
        office.load(account, Amount::parse(posted, euro).unwrap(), NOW);
    }
    let go = go(&mut office, 7);
    assert_eq!((go.grant.ms, go.grant.last), (3_000, true));
    let record = RecordId::new(1, 7).unwrap();
    let at = NOW.plus_ms(10_000);
    let started = Started { ask: AskId(7), record, at, hop: 0, settlement: go.settlement.clone() };
    office.handle_up(Up::Started(started), at.plus_ms(5), WALL_US + 10_005_000);
    // Thirty seconds are left at the low price, two of which the clocks may be apart.
    assert_eq!(lengthened(&mut office), [(7, 28_000, true)]);
    assert_eq!(payer(&office).1, "0.02800000");
}

#[test]
fn a_new_life_of_the_dataplane_has_no_attempts() {
    let mut office = office("10");
    go(&mut office, 7);
    office.dataplane_restarted(1, &[], NOW);
    office.journal_read(NOW);
    assert_eq!(payer(&office).2, 1);
    office.dataplane_restarted(0, &[], NOW);
    assert!(office.live().is_empty());
    // Its record may be on its way.
    assert_eq!(payer(&office).2, 1);
    office.journal_read(NOW);
    assert_eq!(payer(&office), at("10.00000000", "0.00000000", 0));
    assert_eq!(alarms(&mut office), 0);
}

#[test]
fn a_record_that_comes_after_the_new_life_finds_its_hold() {
    let mut office = office("10");
    let settlement = go(&mut office, 7).settlement;
    office.dataplane_restarted(0, &[], NOW);
    office.settle(&records(&facts(7, &settlement, Some(60))), NOW);
    office.journal_read(NOW);
    assert_eq!(payer(&office), at("9.94000000", "0.00000000", 0));
    assert_eq!(alarms(&mut office), 0);
}

#[test]
fn calls_that_were_taken_up_keep_their_holds() {
    let mut office = office("10");
    let runs = facts(7, &go(&mut office, 7).settlement, None);
    let ended = facts(8, &go(&mut office, 8).settlement, Some(60));
    office.dataplane_restarted(0, &[runs.clone(), ended.clone()], NOW);
    office.journal_read(NOW);
    assert_eq!(office.live().keys().collect::<Vec<_>>(), [&AskId(7)]);
    assert_eq!(payer(&office).2, 2);
    office.settle(&records(&ended), NOW);
    let ends = facts(7, &runs.settlement, Some(60));
    office.settle(&records(&ends), NOW);
    assert_eq!(payer(&office), at("9.88000000", "0.00000000", 0));
    assert_eq!(alarms(&mut office), 0);
}

#[test]
fn the_live_view_follows_and_an_operator_hangs_up() {
    let mut office = office("10");
    go(&mut office, 7);
    let leg = ask(7, "").leg;
    for state in [LiveState::Ringing, LiveState::Speaking, LiveState::Ringing, LiveState::Ended] {
        office.handle_up(Up::Live(Live { ask: AskId(7), leg, state, at: NOW }), NOW, WALL_US);
    }
    assert_eq!(office.live()[&AskId(7)].state, LiveState::Speaking);
    let args = Hangup { leg: None, cause: Cause::new(480, 16), reason: Reason::Operator };
    assert_eq!(office.hang_up(AskId(9), &args), None);
    let id = office.hang_up(AskId(7), &args).unwrap();
    let Some(Output::Down(Down::Verb(verb))) = office.poll_output() else { panic!("no verb") };
    assert_eq!((verb.id, verb.leg, verb.kind), (id, leg, VerbKind::Hangup));
    assert_eq!(strowger_link::codec::decode::<Hangup>(&verb.args.0), Ok(args));
}

#[test]
fn the_live_view_knows_how_calls_sound() {
    let mut office = office("10");
    go(&mut office, 7);
    let side = |received, lost| strowger_link::MediaReport {
        received,
        received_octets: received * 172,
        sent: 300,
        sent_octets: 51_600,
        lost,
        jitter_us: 1_000,
        jitter_us_max: 2_000,
        strangers: 0,
        dropped: 0,
        payload_type: 8,
        codec: "PCMA".into(),
        remote: None,
        first_at: None,
        last_at: None,
        heard: None,
        silent_ms: Some(40),
        rang_ms: 0,
    };
    let sound = |ask, lost| strowger_link::Sound {
        ask: AskId(ask),
        caller: side(300, 0),
        called: side(200, lost),
    };
    assert_eq!(office.live()[&AskId(7)].sound, None);
    for lost in [0, 100] {
        let calls = vec![sound(7, lost), sound(9, lost)];
        office.handle_up(Up::Sounds(strowger_link::Sounds { calls }), NOW, WALL_US);
    }
    assert_eq!(office.live().len(), 1, "none is made of a sound");
    let [caller, called] = office.live()[&AskId(7)].sound.as_deref().unwrap();
    assert_eq!((caller.lost, called.lost, called.silent_ms), (0, 100, Some(40)));
    assert!(caller.mos > Some(MOS_GOOD_MIN) && called.mos < Some(MOS_FAIR_MIN), "{called:?}");
}

/// The office of [`office`], where the payer is billed later and may spend `most` EUR a month.
fn limited_office(most: &str) -> Office {
    let euro = Currency::new("EUR", 2).unwrap();
    let mut rows = rows();
    rows.accounts[0].prepaid = false;
    rows.tenants[0].talk_s_max = 70;
    rows.accounts[0].month_max = Some(Amount::parse(most, euro).unwrap());
    let world = Arc::new(World::build(rows).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    office.set_calendars(&[(TenantId(1), calendar())], NOW);
    for account in world.accounts() {
        office.load(account, Amount::ZERO, NOW);
    }
    office
}

/// The office of [`limited_office`] behind a change of its rows.
fn changed_office(change: impl Fn(&mut Rows)) -> Office {
    let mut office = limited_office("0.12");
    let mut changed = rows();
    changed.accounts[0].prepaid = false;
    change(&mut changed);
    office.set_world(Arc::new(World::build(changed).unwrap()), NOW);
    office
}

#[test]
fn a_tenant_limits_the_day_of_every_account() {
    let euro = |text: &str| Amount::parse(text, Currency::new("EUR", 2).unwrap()).unwrap();
    let day = |change: &dyn Fn(&mut Rows)| {
        let office = changed_office(|rows| {
            rows.tenants[0].subscriber_day_max = Some(euro("0.03"));
            rows.tenants[0].trunk_day_max = Some(euro("0.02"));
            change(rows);
        });
        office.spend_max(PAYER, WALL_US)[DAY]
    };
    // A trunk calls on it; then none does.
    assert_eq!(day(&|_| {}), Some(euro("0.02")));
    assert_eq!(day(&|rows| rows.trunks[0].ingress = None), Some(euro("0.03")));
    // The lower of both counts.
    assert_eq!(day(&|rows| rows.accounts[0].day_max = Some(euro("0.01"))), Some(euro("0.01")));
    assert_eq!(day(&|rows| rows.accounts[0].day_max = Some(euro("0.05"))), Some(euro("0.02")));
    assert_eq!(day(&|rows| rows.tenants[0].currency = Currency::new("USD", 2).unwrap()), None);
    let mut office = changed_office(|rows| rows.tenants[0].trunk_day_max = Some(euro("0.02")));
    assert_eq!(go(&mut office, 7).grant.ms, 20_000);
    let Some(AnswerBody::Refuse(refuse)) = answer_to(&mut office, ask(8, "44123")) else {
        panic!("not refused")
    };
    assert_eq!(refuse.reason, Reason::NoCredit);
}

#[test]
fn the_limit_of_a_month_has_grown_after_a_restart() {
    let euro = |text: &str| Amount::parse(text, Currency::new("EUR", 2).unwrap()).unwrap();
    let mut office = changed_office(|rows| {
        rows.accounts[0].month_max = Some(euro("0.01"));
        rows.accounts[0].month_grows_by = Some(euro("0.02"));
    });
    let month = |office: &Office| office.spend_max(PAYER, WALL_US)[MONTH];
    assert_eq!(month(&office), Some(euro("0.01")));
    office.load_grown(PAYER, calendar().0[MONTH].before_us, 2, NOW);
    office.load_spent(PAYER, calendar().0[MONTH].before_us, (euro("0.01"), 0), NOW);
    assert_eq!(month(&office), Some(euro("0.07")));
    assert_eq!(go(&mut office, 7).grant.ms, 60_000);
}

#[test]
fn free_time_that_ended_long_ago_is_forgotten() {
    let mut office = office("1");
    office.load_allowance(allowance(1, "", 900), (0, Amount::ZERO), NOW);
    office.forget_allowances(WALL_US + 1, NOW);
    assert!(office.till().pool(AllowanceId(1)).is_some(), "it ends then");
    office.forget_allowances(WALL_US + 2, NOW);
    assert_eq!(office.till().pool(AllowanceId(1)), None);
    let go = go(&mut office, 7);
    assert_eq!(Settlement::decode(&go.settlement.0).unwrap().allowance, None);
}

/// A month of thirty days around the time of the tests.
fn calendar() -> Calendar {
    let length = 30 * 86_400_000_000;
    let bounds =
        |from_us: i64| Bounds { before_us: from_us - length, from_us, next_us: from_us + length };
    Calendar([bounds(WALL_US - 1_000), bounds(WALL_US - 5_000)])
}

#[test]
fn a_month_s_limit_survives_a_restart_with_its_calls() {
    let euro = |text: &str| Amount::parse(text, Currency::new("EUR", 2).unwrap()).unwrap();
    let mut before = limited_office("0.12");
    let (ended, running) = (go(&mut before, 7), go(&mut before, 8));
    assert_eq!((ended.grant.ms, running.grant.ms), (60_000, 60_000));
    let read = Settlement::decode(&running.settlement.0).unwrap();
    assert_eq!((read.began_us, read.ms_max), (WALL_US, 70_000));
    // All of the month is held: the next call has to wait for one of them.
    let Some(AnswerBody::Refuse(refuse)) = answer_to(&mut before, ask(9, "44123")) else {
        panic!("not refused")
    };
    assert_eq!(refuse.reason, Reason::NoCredit);
    let record = records(&facts(7, &ended.settlement, Some(10)));
    assert_eq!(record[0].times.started_us, WALL_US + 1_000_000);
    before.settle(&record, NOW);
    assert_eq!(before.spent(PAYER, WALL_US)[MONTH], euro("0.01"));
    drop(before);
    // The books have counted the first, the table shows the second.
    let mut after = limited_office("0.12");
    after.load_spent(PAYER, WALL_US, (euro("0.01"), 0), NOW);
    after.adopt_running(&facts(8, &running.settlement, None), NOW);
    assert_eq!(after.spent(PAYER, WALL_US), [euro("0.01"); 2]);
    let held = after.balance(PAYER).unwrap().spent[MONTH].held;
    assert_eq!(held, euro("0.06"));
    // The longest duration came back as well.
    let extend = Ask {
        body: AskBody::Extend(ExtendAsk {
            call: AskId(8),
            used_ms: 30_000,
            granted_ms: 60_000,
            free_ms: 0,
            settlement: running.settlement,
        }),
        ..ask(11, "")
    };
    let Some(AnswerBody::Extended(extended)) = answer_to(&mut after, extend) else {
        panic!("not extended")
    };
    assert_eq!((extended.grant.ms, extended.grant.last), (70_000, true));
    let next = go(&mut after, 10);
    assert_eq!((next.grant.ms, next.grant.last), (40_000, true));
    after.replay(&records(&facts(7, &ended.settlement, Some(10))), NOW);
    assert_eq!(after.spent(PAYER, WALL_US)[MONTH], euro("0.02"));
    assert_eq!(alarms(&mut after), 0);
}

/// Free time of the payer for numbers that begin with `prefix`.
fn allowance(id: i64, prefix: &str, seconds: u32) -> Allowance {
    Allowance {
        id: AllowanceId(id),
        tenant: TenantId(1),
        account: PAYER,
        name: "free".into(),
        prefix: Digits::parse(prefix).ok(),
        seconds,
        credit: Amount::ZERO,
        from_us: WALL_US,
        until_us: WALL_US + 1,
        renewal: None,
        price: Amount::ZERO,
        vat_ppm: 0,
    }
}

#[test]
fn a_packet_pays_by_the_order_of_records_and_survives_a_restart() {
    let euro = |text: &str| Amount::parse(text, Currency::new("EUR", 2).unwrap()).unwrap();
    let packet =
        |id, prefix, credit| Allowance { credit: euro(credit), ..allowance(id, prefix, 0) };
    let used = |office: &Office| office.till().packet(AllowanceId(5)).map(|p| p.used);
    // Nothing on the account; a packet of another number, one that is used up, and one for this.
    let mut before = office("0");
    before.load_allowance(packet(1, "45", "9"), (0, Amount::ZERO), NOW);
    before.load_allowance(packet(2, "4412", "9"), (0, euro("9")), NOW);
    before.load_allowance(packet(5, "44", "0.07"), (0, Amount::ZERO), NOW);
    // Of a second 0.001: seventy seconds are there.
    let (ended, running) = (go(&mut before, 7), go(&mut before, 8));
    assert_eq!((ended.grant.ms, ended.grant.free_ms), (60_000, 0));
    assert_eq!((running.grant.ms, running.grant.last), (10_000, true));
    let named = Settlement::decode(&running.settlement.0).unwrap();
    assert_eq!((named.packet, named.allowance), (Some(AllowanceId(5)), None));
    assert_eq!(payer(&before), at("0.00000000", "0.00000000", 2));
    let mut record = records(&facts(7, &ended.settlement, Some(10)));
    assert_eq!(record[0].packet.unwrap().allowance, named.packet);
    before.settle(&record, NOW);
    assert_eq!(used(&before), Some(euro("0.01")));
    assert_eq!(payer(&before), at("0.00000000", "0.00000000", 1));
    // The books say how much of the record that was.
    let mut left = [(AllowanceId(5), euro("0.07"))].into();
    strowger_billing::pay_by_packets(&mut record, &mut left);
    before.committed(1, &record, NOW);
    assert_eq!(payer(&before), at("0.00000000", "0.00000000", 1));
    assert_eq!(alarms(&mut before), 0);
    for (used_before, replayed) in [("0.01", false), ("0", true)] {
        let mut after = office("0");
        let used_before = euro(used_before);
        after.load_allowance(packet(5, "44", "0.07"), (0, used_before), NOW);
        if replayed {
            after.replay(&record, NOW);
        }
        let mut list = facts(8, &running.settlement, None);
        let (ms, free_ms, last) = (10_000, 0, true);
        list.facts.push(Fact::Granted(strowger_link::Granted { at: NOW, ms, free_ms, last }));
        after.adopt_running(&list, NOW);
        assert_eq!(used(&after), Some(euro("0.01")));
        let held = after.till().packet(AllowanceId(5)).unwrap().held;
        assert_eq!(held, euro("0.01"), "what the running call can cost");
        assert_eq!(payer(&after), at("0.00000000", "0.00000000", 1));
        assert_eq!(alarms(&mut after), 0);
    }
}

#[test]
fn free_time_is_used_by_records_and_survives_a_restart() {
    let pool = |office: &Office, id| {
        let pool = office.till().pool(AllowanceId(id)).unwrap();
        (pool.used_ms, pool.reserved_ms)
    };
    let mut before = office("10");
    // Not for this number, over, empty, for all numbers; and the one that goes first.
    before.load_allowance(allowance(1, "45", 900), (0, Amount::ZERO), NOW);
    let over = Allowance { until_us: WALL_US, ..allowance(2, "44123", 900) };
    before.load_allowance(over, (0, Amount::ZERO), NOW);
    before.load_allowance(allowance(3, "4412", 20), (20_000, Amount::ZERO), NOW);
    before.load_allowance(allowance(4, "", 900), (0, Amount::ZERO), NOW);
    before.load_allowance(allowance(5, "44", 130), (10_000, Amount::ZERO), NOW);
    let (ended, running) = (go(&mut before, 7), go(&mut before, 8));
    assert_eq!(ended.grant, Grant { ms: 60_000, free_ms: 60_000, last: false, go_on: false });
    assert_eq!(running.grant, ended.grant);
    assert_eq!(payer(&before), at("10.00000000", "0.00000000", 2));
    let named = Settlement::decode(&running.settlement.0).unwrap().allowance;
    assert_eq!(named, Some(AllowanceId(5)));
    let mut list = facts(7, &ended.settlement, Some(10));
    list.facts.retain(|fact| !matches!(fact, Fact::Granted(_)));
    let free =
        |ms, free_ms| Fact::Granted(strowger_link::Granted { at: NOW, ms, free_ms, last: false });
    list.facts.insert(3, free(60_000, 60_000));
    let record = records(&list);
    let customer = record[0].customer.unwrap();
    assert_eq!((customer.free_ms, customer.gross, customer.charged_ms), (10_000, Amount(0), 0));
    before.settle(&record, NOW);
    assert_eq!(pool(&before, 5), (20_000, 60_000));
    before.committed(1, &record, NOW);
    assert_eq!((pool(&before, 1), pool(&before, 4)), ((0, 0), (0, 0)));
    assert_eq!(alarms(&mut before), 0);
    // The database has the first record or not; the table has the second call.
    for (used_ms, replayed) in [(20_000, false), (10_000, true)] {
        let mut after = office("10");
        after.load_allowance(allowance(5, "44", 130), (used_ms, Amount::ZERO), NOW);
        if replayed {
            after.replay(&record, NOW);
        }
        let mut list = facts(8, &running.settlement, None);
        list.facts.push(free(60_000, 60_000));
        after.adopt_running(&list, NOW);
        assert_eq!(pool(&after, 5), (20_000, 60_000));
        let extend = Ask {
            body: AskBody::Extend(ExtendAsk {
                call: AskId(8),
                used_ms: 30_000,
                granted_ms: 60_000,
                free_ms: 60_000,
                settlement: running.settlement.clone(),
            }),
            ..ask(11, "")
        };
        let Some(AnswerBody::Extended(more)) = answer_to(&mut after, extend) else {
            panic!("not extended")
        };
        // What is left of the pool, then money.
        assert_eq!(more.grant.free_ms, 110_000);
        assert!(more.grant.ms > 110_000 && !more.grant.last);
        assert_eq!(pool(&after, 5), (20_000, 110_000));
        assert_eq!(alarms(&mut after), 0);
    }
}

/// The words of the one trace that an ask leaves.
fn trace_of(office: &mut Office, ask: Ask) -> Vec<String> {
    let id = ask.id;
    office.handle_up(Up::Ask(Box::new(ask)), NOW, WALL_US);
    let mut found = Vec::new();
    while let Some(output) = office.poll_output() {
        if let Output::Trace(traced) = output {
            assert_eq!((traced.ask, traced.at_us, traced.tenant), (id, WALL_US, TenantId(1)));
            found.push(Trace::from_bytes(&traced.steps).to_string());
        }
    }
    let [words] = found.as_slice() else { panic!("{found:?}") };
    words.lines().map(str::to_owned).collect()
}

#[test]
fn each_attempt_of_a_known_sender_leaves_its_trace() {
    let mut rich = office("10");
    let said = trace_of(&mut rich, ask(7, "44123"));
    assert_eq!(said.first().map(String::as_str), Some("sender is trunk 1"));
    assert_eq!(said.last().map(String::as_str), Some("1250 seconds of talk were granted"));
    assert!(said.contains(&"hop to trunk 2, address 0".to_owned()), "{said:?}");
    let said = trace_of(&mut rich, ask(8, "33123"));
    assert_eq!(said.last().map(String::as_str), Some("refused with 404, cause 1"));
    let said = trace_of(&mut office("0"), ask(7, "44123"));
    let end =
        ["account 1 has not enough credit for the shortest call", "refused with 402, cause 21"];
    assert_eq!(said[said.len() - 2..], end);
    assert_eq!(rich.strangers().list(9), []);
}

#[test]
fn strangers_are_counted_and_leave_no_trace() {
    let mut office = office("10");
    let mut stranger = ask(7, "44123");
    stranger.hints.trunk = None;
    for _ in 0..3 {
        office.handle_up(Up::Ask(Box::new(stranger.clone())), NOW, WALL_US);
    }
    while let Some(output) = office.poll_output() {
        assert!(!matches!(output, Output::Trace(_)), "{output:?}");
    }
    let attempts = Attempts { challenged: 3, refused: 0 };
    let minute = WALL_US / 60_000_000 * 60_000_000;
    assert_eq!(office.strangers().list(9), [(minute, [192, 0, 2, 1].into(), attempts)]);
}

#[test]
fn header_fields_that_are_named_stand_beside_the_record() {
    let field = |name: &str, value: &[u8]| strowger_link::HeaderField {
        name: name.into(),
        value: Octets(value.to_vec()),
    };
    let kept = |named: Option<&str>, fields: Vec<strowger_link::HeaderField>| {
        let mut office = changed_office(|rows| {
            rows.settings.extend(named.map(|named| SettingRow {
                id: SettingId(1),
                category: "call".into(),
                name: "headers_kept".into(),
                tenant: None,
                account: None,
                subscriber: None,
                value: named.into(),
            }));
        });
        let mut ask = ask(7, "44123");
        if let AskBody::Call(call) = &mut ask.body {
            call.headers = fields;
        }
        office.handle_up(Up::Ask(Box::new(ask)), NOW, WALL_US);
        let traces = core::iter::from_fn(|| office.poll_output());
        let found = traces.filter_map(|output| {
            if let Output::Trace(traced) = output { Some(traced.headers) } else { None }
        });
        found.flatten().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let some =
        || vec![field("X-Route", b"7"), field("P-Other", b"x"), field("x-route", b"\xff\t8")];
    assert_eq!(kept(None, some()), Vec::<String>::new(), "nothing is named");
    assert_eq!(kept(Some("X-ROUTE, X-None"), some()), ["X-Route=7", "x-route=\u{fffd} 8"]);
    let long = vec![field("X-Route", &[b'a'; HEADERS_KEPT_LEN_MAX]), field("X-Route", b"b")];
    assert_eq!(kept(Some("X-Route"), long), ["X-Route=b"], "what is too long is left out whole");
    let many = (0..HEADERS_KEPT_MAX + 5).map(|_| field("X-Route", b"1")).collect();
    assert_eq!(kept(Some("X-Route"), many).len(), HEADERS_KEPT_MAX);
}

/// Strangers that the dataplane tells of.
fn turned(office: &mut Office, source: &str, reason: Reason, count: u32) -> Vec<String> {
    let source = source.parse().unwrap();
    office.handle_up(Up::Turned(Turned { source, reason, count }), Tick(1), 7);
    let mut bans = Vec::new();
    while let Some(output) = office.poll_output() {
        if let Output::Ban(ban) = output {
            bans.push(format!("{}/{} {:?}", ban.network, ban.prefix_len, ban.offence));
        }
    }
    bans
}

#[test]
fn who_offends_is_banned_but_no_trusted_trunk() {
    let mut office = Office::new(1, Arc::new(World::build(rows()).unwrap()));
    let none = Vec::<String>::new();
    // The defaults: a scanner at once, junk not before it is a flood.
    let scanner = turned(&mut office, "198.51.100.1:5060", Reason::Rejected, 1);
    assert_eq!(scanner, ["198.51.100.1/32 Scanner"]);
    assert_eq!(turned(&mut office, "198.51.100.4:1", Reason::Overload, 38_999), none);
    let flooding = turned(&mut office, "198.51.100.4:2", Reason::Overload, 1);
    assert_eq!(flooding, ["198.51.100.4/32 Flooding"]);
    let lured = turned(&mut office, "[2001:db8::1]:5060", Reason::UnknownNumber, 1);
    assert_eq!(lured, ["2001:db8::/64 Lured"]);
    assert_eq!(turned(&mut office, "198.51.100.2:1", Reason::BadRequest, 3_999), none);
    let junk = turned(&mut office, "198.51.100.2:2", Reason::BadRequest, 1);
    assert_eq!(junk, ["198.51.100.2/32 Malformed"]);
    assert_eq!(turned(&mut office, "198.51.100.3:1", Reason::Denied, 99_999), none);
    // Where a trusted trunk calls from, and where one is called.
    for of_trunk in ["192.0.2.1:5060", "192.0.2.9:31000"] {
        assert_eq!(turned(&mut office, of_trunk, Reason::Rejected, 9), none, "{of_trunk}");
        assert_eq!(turned(&mut office, of_trunk, Reason::BadRequest, 99_999), none, "{of_trunk}");
    }
    // The same trunk, not trusted any more: it may be banned where it calls from.
    let mut rows = rows();
    rows.trunks[0].ingress.as_mut().unwrap().trusted = false;
    office.set_world(Arc::new(World::build(rows).unwrap()), Tick(2));
    let untrusted = turned(&mut office, "192.0.2.1:5060", Reason::Rejected, 1);
    assert_eq!(untrusted, ["192.0.2.1/32 Scanner"]);
}

/// Where so many hosts are banned, their network is, but never one that has a trusted trunk.
#[test]
fn a_network_whose_hosts_are_banned_is_banned_but_no_trusted_trunk_with_it() {
    let mut office = changed_office(|rows| {
        rows.settings.push(SettingRow {
            id: SettingId(1),
            category: "guard".into(),
            name: "range_bans_max".into(),
            tenant: None,
            account: None,
            subscriber: None,
            value: "2".into(),
        });
    });
    let mut scan = |source: &str| turned(&mut office, source, Reason::Rejected, 1);
    assert_eq!(scan("198.51.100.1:1"), ["198.51.100.1/32 Scanner"]);
    let both = ["198.51.100.2/32 Scanner", "198.51.100.0/24 Neighbours"];
    assert_eq!(scan("198.51.100.2:1"), both);
    // A trusted trunk calls from 192.0.2.1.
    assert_eq!(scan("192.0.2.77:1"), ["192.0.2.77/32 Scanner"]);
    assert_eq!(scan("192.0.2.78:1"), ["192.0.2.78/32 Scanner"], "the network has a trunk in it");
}

/// A subscriber's login at a carrier is registered while he is registered here.
#[test]
fn a_subscribers_login_comes_and_goes_with_him() {
    let mut office = changed_office(|_| {});
    let row = TrunkLogin {
        id: TrunkLoginId(5),
        tenant: TenantId(1),
        trunk: TrunkId(2),
        priority: 0,
        username: "there".into(),
        auth_username: None,
        realm: None,
        password: Sealed(Vec::new()),
        register: true,
        registrar: None,
        contact_user: None,
        expires_s: 600,
        caller_number: None,
        subscriber: Some(SubscriberId(9)),
        enabled: true,
    };
    let logins = strowger_routing::Logins::build(vec![row], |_| Some("pw".into()));
    let world = Arc::new(office.world().with_logins(logins));
    office.set_world(world, NOW);
    let orders = |office: &mut Office| -> Vec<String> {
        let order = |order| match order {
            UpstreamOrder::Put(upstream) => format!("put {}", upstream.aor),
            UpstreamOrder::Remove(id) => format!("remove {id}"),
            UpstreamOrder::Keep(_) => "keep".into(),
        };
        core::iter::from_fn(|| office.next_upstream()).map(order).collect()
    };
    assert_eq!(orders(&mut office), Vec::<String>::new(), "nobody is here");
    let binding = Binding {
        subscriber: SubscriberId(9),
        uri: "sip:9@203.0.113.5".into(),
        instance: String::new(),
        reg_id: 0,
        sip_call_id: "c".into(),
        cseq: 1,
        q: 1_000,
        user_agent: String::new(),
        path: Vec::new(),
        listener: 0,
        source: "203.0.113.5:4001".parse().unwrap(),
        transport: strowger_model::Transport::Udp,
        flow: 0,
        nated: false,
        refreshed_us: 0,
        expires_us: WALL_US + 60_000_000,
    };
    let rows = vec![(Holder::Subscriber(SubscriberId(9)), binding)];
    office.load_bindings(rows, NOW, WALL_US);
    assert!(office.is_here(SubscriberId(9), NOW));
    assert_eq!(orders(&mut office), ["put sip:there@192.0.2.9"]);
    // Long after: a stored binding is given some grace.
    let late = Tick(NOW.0 + 3_600 * strowger_link::SECOND);
    office.handle_timeout(late);
    assert_eq!(orders(&mut office), ["remove 5"]);
    assert!(!office.is_here(SubscriberId(9), late));
}
