use super::*;
use crate::decider::{Order, orders};
use crate::demo;
use std::path::PathBuf;
use strowger_link::Tick;
use strowger_model::{
    AccountId, Amount, CdrCalled, CdrCaller, CdrOutcome, CdrTimes, ChargeKind, Currency, Digits,
    OrganizationId, Price, TariffId, TenantId,
};
use strowger_office::Office;
use strowger_port::eventfd::EventFd;
use strowger_routing::Rows;
use strowger_store::{Actor, Change, Position, Unpublished};

/// Calls end a second apart from here on, microseconds since 1970 UTC.
const FIRST_US: i64 = 1_700_000_000_000_000;
const MINUTE_PRICE: i64 = 6_000_000;
/// Who brought account 1, and earns a tenth of what it pays.
const AGENT: AccountId = AccountId(2);

struct Desk {
    dir: PathBuf,
    store: Store,
    cashier: Cashier,
    orders: Orders,
    world: Arc<World>,
}

fn eur() -> Currency {
    Currency::new("EUR", 2).unwrap()
}

/// A call of the demo's account 1 to 44 that talked for a minute and was charged 0.06 EUR.
fn record(number: i64) -> Cdr {
    let ended_us = FIRST_US + number * 1_000_000;
    let charge = Charge {
        account: AccountId(1),
        organization: OrganizationId(1),
        payee: None,
        kind: ChargeKind::Customer,
        prepaid: true,
        currency: eur(),
        net: Amount(MINUTE_PRICE),
        vat_ppm: 0,
        gross: Amount(MINUTE_PRICE),
        charged_ms: 60_000,
        free_ms: 0,
        allowance: None,
        step_ms: 1_000,
        unit_price: Price(60_000_000),
        price_currency: eur(),
        tariff: Some(TariffId(1)),
        rate: None,
    };
    Cdr {
        id: CdrId(number),
        part: 0,
        tenant: Some(TenantId(1)),
        ask: number.unsigned_abs(),
        snapshot: 1,
        times: CdrTimes {
            started_us: ended_us - 61_000_000,
            answered_us: Some(ended_us - 60_000_000),
            ended_us,
            talk_ms: 60_000,
            billable_ms: 60_000,
            called_ms: 60_000,
            ..CdrTimes::default()
        },
        caller: CdrCaller { account: Some(AccountId(1)), ..CdrCaller::default() },
        called: CdrCalled { normalised: Digits::parse("44123").ok(), ..CdrCalled::default() },
        outcome: CdrOutcome { party: 1, reason: 0, sip: 200, q850: 16 },
        caller_media: None,
        called_media: None,
        customer: Some(charge),
        levels: Vec::new(),
        supplier: None,
        commissions: Vec::new(),
        packet: None,
        hops: Vec::new(),
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    }
}

impl Desk {
    /// The demo with `count` calls on its books, and 44 at `price` a minute since ever.
    async fn new(name: &str, count: i64, price: i64) -> Desk {
        Desk::with(name, (1..=count).map(record).collect(), price).await
    }

    async fn with(name: &str, records: Vec<Cdr>, price: i64) -> Desk {
        let dir = std::env::temp_dir().join(format!("strowger-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("a.db")).await.unwrap();
        demo::seed(&store, 0).await.unwrap();
        let to = Position { seq: 1, ..Position::default() };
        store.ingest(1, Position::default(), to, &records, 1).await.unwrap();
        let mut desk = Desk::over(dir, store, price).await;
        desk.load().await;
        desk
    }

    async fn over(dir: PathBuf, store: Store, price: i64) -> Desk {
        let rows = store.reader().config().await.unwrap();
        let mut rows: Rows = strowger_api::world_rows(rows);
        for rate in rows.rates.iter_mut().filter(|rate| rate.tariff == TariffId(1)) {
            (rate.price, rate.from_us) = (Price(price), 0);
        }
        (rows.accounts[0].agent, rows.accounts[0].commission_bp) = (Some(AGENT), 1_000);
        let world = Arc::new(World::build(rows).unwrap());
        let (orders, inbox) = orders(&Arc::new(EventFd::new().unwrap()));
        let of = Arc::clone(&world);
        std::thread::spawn(move || {
            let mut office = Office::new(0, of);
            while let Ok(order) = inbox.recv() {
                if let Order::Query(query) = order {
                    query(&mut office);
                }
            }
        });
        let cashier = Cashier::new(orders.clone(), store.clone());
        Desk { dir, store, cashier, orders, world }
    }

    /// The till reads the books, as at a boot.
    async fn load(&mut self) {
        let posted = self.booked().await;
        let account = self.world.account(AccountId(1)).unwrap().clone();
        ask(&self.orders, move |office| office.load(&account, posted, Tick(0))).await.unwrap();
    }

    async fn booked(&self) -> Amount {
        self.booked_of(AccountId(1)).await
    }

    async fn booked_of(&self, account: AccountId) -> Amount {
        let balances = self.store.reader().balances().await.unwrap();
        balances.iter().find(|b| b.account == account).map_or(Amount::ZERO, |b| b.balance)
    }

    async fn till(&self) -> Amount {
        let found = ask(&self.orders, |office| office.balance(AccountId(1))).await.unwrap();
        found.unwrap().posted
    }

    async fn begin(&self, key: &str) -> Rerate {
        let new = NewRerate {
            tenant: TenantId(1),
            key: key.into(),
            from_us: FIRST_US,
            until_us: FIRST_US + 3_600_000_000,
            account: None,
            tariff: None,
            trunk: None,
            kind: None,
            new_tariff: None,
            prices_us: None,
            reason: "a wrong price".into(),
            actor: "admin".into(),
            at_us: 1,
        };
        let mut w = self.store.write().await.unwrap();
        let run = w.insert_rerate(&new).await.unwrap();
        w.commit().await.unwrap();
        run
    }

    async fn publish(&self, run: &Rerate, with_money: bool) -> Result<Rerate, Unpublished> {
        let mut w = self.store.write().await.unwrap();
        let done = w.publish_rerate(run, with_money, 2).await.unwrap();
        let change = Change::new("rerates", run.id, None, Some(&1), 2);
        w.record_change(&Actor::system("test"), &change).await.unwrap();
        w.commit().await.unwrap();
        done
    }

    /// Does `most` steps of what is due; how many there were.
    async fn go_on(&self, most: usize) -> usize {
        for done in 0..most {
            let Some(run) = self.store.reader().rerate_due().await.unwrap() else { return done };
            go_on(&self.store, &self.world, &self.cashier, &run).await.unwrap();
        }
        most
    }

    async fn run(&self, id: i64) -> Rerate {
        self.store.reader().rerate(strowger_store::Scope::All, id).await.unwrap().unwrap()
    }

    async fn is_sound(&self) {
        assert_eq!(self.store.reader().books_check().await.unwrap().findings, []);
    }

    async fn end(self) {
        self.store.close().await;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

#[tokio::test]
async fn a_run_is_prepared_booked_once_and_told_to_the_till() {
    let desk = Desk::new("rerated", 3, 20_000_000).await;
    let before = desk.booked().await;
    let run = desk.begin("a").await;
    desk.go_on(9).await;
    let prepared = desk.run(run.id).await;
    assert_eq!((prepared.state, prepared.lines), (RerateState::Prepared, 3));
    assert_eq!((prepared.counts.records, prepared.counts.same), (3, 0));
    assert_eq!(desk.booked().await, before, "a preview moves nothing");
    let sums = desk.store.reader().rerate_sums(run.id, None, 9).await.unwrap();
    assert_eq!((sums[0].was[1], sums[0].now[1]), (Amount(18_000_000), Amount(6_000_000)));
    desk.publish(&prepared, true).await.unwrap();
    desk.go_on(9).await;
    let after = desk.run(run.id).await;
    assert_eq!((after.state, after.posted), (RerateState::Published, 3));
    assert_eq!(desk.booked().await, Amount(before.0 + 12_000_000));
    assert_eq!(desk.till().await, desk.booked().await);
    let ratings = desk.store.reader().ratings_of(&[CdrId(2)]).await.unwrap();
    let [rated] = ratings.as_slice() else { panic!("{ratings:?}") };
    assert_eq!((rated.line.version, rated.with_money), (2, true));
    assert_eq!(
        (rated.line.was_gross, rated.line.charge.gross),
        (Amount(6_000_000), Amount(2_000_000))
    );
    // The record is what it was; the same run again changes nothing.
    let cdr = desk.store.reader().cdr(strowger_store::Scope::All, CdrId(2)).await.unwrap();
    assert_eq!(cdr.unwrap(), record(2));
    let again = desk.begin("b").await;
    desk.go_on(9).await;
    let again = desk.run(again.id).await;
    assert_eq!((again.lines, again.counts.same), (0, 3));
    desk.is_sound().await;
    desk.end().await;
}

#[tokio::test]
async fn a_process_that_dies_in_the_middle_is_followed_by_one_that_goes_on() {
    // Several transactions of preparing and of booking.
    let count = 2_600;
    let mut desk = Desk::new("rerated-kill", count, 20_000_000).await;
    let before = desk.booked().await;
    let run = desk.begin("a").await;
    let mut steps = 0;
    loop {
        // Each life does one step, and its till knows only what the books said at its boot.
        let Desk { dir, store, .. } = desk;
        desk = Desk::over(dir, store, 20_000_000).await;
        desk.load().await;
        if desk.go_on(1).await == 0 {
            let now = desk.run(run.id).await;
            match now.state {
                RerateState::Prepared => desk.publish(&now, true).await.map(|_| ()).unwrap(),
                RerateState::Published => break,
                other @ (RerateState::Preparing
                | RerateState::Publishing
                | RerateState::Discarded) => panic!("{other:?}"),
            }
        }
        assert_eq!(desk.till().await, desk.booked().await, "step {steps}");
        desk.is_sound().await;
        steps += 1;
    }
    assert!(steps > 13, "{steps}");
    assert_eq!(desk.booked().await, Amount(before.0 + count * 4_000_000));
    desk.end().await;
}

#[tokio::test]
async fn a_step_that_is_done_twice_counts_once() {
    let desk = Desk::new("rerated-twice", 3, 20_000_000).await;
    let before = desk.booked().await;
    let run = desk.begin("a").await;
    // Two that read the same state: the second changes nothing.
    for _ in 0..2 {
        prepare(&desk.store, &desk.world, &run).await.unwrap();
    }
    let prepared = desk.run(run.id).await;
    assert_eq!(prepared.lines, 3);
    let published = desk.publish(&prepared, true).await.unwrap();
    for _ in 0..2 {
        desk.cashier.clone().post_rerate(&published).await.unwrap();
    }
    assert_eq!(desk.booked().await, Amount(before.0 + 12_000_000));
    assert_eq!(desk.till().await, desk.booked().await);
    desk.is_sound().await;
    desk.end().await;
}

#[tokio::test]
async fn what_was_prepared_before_another_was_published_is_stale() {
    let desk = Desk::new("rerated-stale", 2, 20_000_000).await;
    let (first, second) = (desk.begin("a").await, desk.begin("b").await);
    desk.go_on(9).await;
    let (first, second) = (desk.run(first.id).await, desk.run(second.id).await);
    assert!(desk.publish(&first, true).await.is_ok());
    assert_eq!(desk.publish(&second, true).await, Err(Unpublished::Stale));
    let twice = desk.publish(&first, true).await;
    assert_eq!(twice, Err(Unpublished::State(RerateState::Publishing)));
    desk.go_on(9).await;
    // It can be discarded, and its lines go.
    let mut w = desk.store.write().await.unwrap();
    assert!(w.discard_rerate(second.id).await.unwrap().is_some());
    assert!(w.discard_rerate(first.id).await.unwrap().is_none());
    w.commit().await.unwrap();
    desk.go_on(9).await;
    assert_eq!(desk.run(second.id).await.lines, 0);
    assert_eq!(desk.store.reader().rerate_lines(second.id, 0, 9).await.unwrap(), []);
    desk.is_sound().await;
    desk.end().await;
}

#[tokio::test]
async fn statistics_move_no_money_and_money_moves_from_what_was_booked() {
    let Desk { dir, store, .. } = Desk::new("rerated-shown", 2, 20_000_000).await;
    let mut desk = Desk::over(dir, store, 20_000_000).await;
    desk.load().await;
    let before = desk.booked().await;
    let run = desk.begin("a").await;
    desk.go_on(9).await;
    let shown = desk.publish(&desk.run(run.id).await, false).await.unwrap();
    assert_eq!((shown.state, shown.posted), (RerateState::Published, 2));
    desk.go_on(9).await;
    assert_eq!(desk.booked().await, before);
    // Then dearer, with money: from what was booked, not from what was shown.
    let Desk { dir, store, .. } = desk;
    let mut desk = Desk::over(dir, store, 90_000_000).await;
    desk.load().await;
    let run = desk.begin("b").await;
    desk.go_on(9).await;
    desk.publish(&desk.run(run.id).await, true).await.unwrap();
    desk.go_on(9).await;
    assert_eq!(desk.booked().await, Amount(before.0 - 2 * 3_000_000));
    let ratings = desk.store.reader().ratings_of(&[CdrId(1)]).await.unwrap();
    let told = ratings.iter().map(|r| (r.line.version, r.with_money, r.line.charge.gross.0));
    assert_eq!(told.collect::<Vec<_>>(), [(2, false, 2_000_000), (3, true, 9_000_000)]);
    desk.is_sound().await;
    desk.end().await;
}

/// The same call, of which the agent has earned a tenth.
fn sold(number: i64) -> Cdr {
    let cdr = record(number);
    let paid = cdr.customer.unwrap();
    let earned = Charge {
        account: AGENT,
        kind: ChargeKind::Commission,
        net: Amount(MINUTE_PRICE / 10),
        gross: Amount(MINUTE_PRICE / 10),
        tariff: None,
        ..paid
    };
    Cdr { commissions: vec![earned], ..cdr }
}

#[tokio::test]
async fn what_an_agent_earned_follows_what_it_is_a_part_of() {
    let records = vec![sold(1), record(2), sold(3)];
    let desk = Desk::with("rerated-agent", records, 20_000_000).await;
    let before = desk.booked_of(AGENT).await;
    let run = desk.begin("a").await;
    desk.go_on(9).await;
    let prepared = desk.run(run.id).await;
    assert_eq!(prepared.lines, 5, "three charges, and what was earned of two");
    let sums = desk.store.reader().rerate_sums(run.id, None, 9).await.unwrap();
    let earned = sums.iter().find(|sum| sum.key.account == AGENT).unwrap();
    assert_eq!((earned.key.kind, earned.lines), (3, 2));
    assert_eq!((earned.was[1], earned.now[1]), (Amount(1_200_000), Amount(400_000)));
    desk.publish(&prepared, true).await.unwrap();
    desk.go_on(9).await;
    assert_eq!(desk.booked_of(AGENT).await, Amount(before.0 - 800_000));
    let ratings = desk.store.reader().ratings_of(&[CdrId(3)]).await.unwrap();
    let kinds = ratings.iter().map(|r| (r.line.charge.kind, r.line.charge.net.0));
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [(ChargeKind::Customer, 2_000_000), (ChargeKind::Commission, 200_000)]
    );
    // Again, nothing is new: what is earned is a part of what was booked last.
    let again = desk.begin("b").await;
    desk.go_on(9).await;
    let again = desk.run(again.id).await;
    assert_eq!((again.lines, again.counts.same), (0, 3));
    desk.is_sound().await;
    desk.end().await;
}
