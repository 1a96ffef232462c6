use super::*;
use crate::decider::{Order, orders};
use strowger_link::Tick;
use strowger_model::{
    Account, AllowanceId, Currency, DigestAlgorithm, Normalisation, Organization, OrganizationId,
    OrganizationKind, Price, Renewal, Tenant, TenantId,
};
use strowger_port::eventfd::EventFd;
use strowger_routing::{Rows, World};

const ACCOUNT: AccountId = AccountId(1);
const RESELLER: AccountId = AccountId(2);

fn eur() -> Currency {
    Currency::new("EUR", 2).unwrap()
}

fn account() -> Account {
    Account { name: "a".into(), ..Account::new(ACCOUNT, TenantId(1), OrganizationId(1), eur()) }
}

async fn store(dir: &std::path::Path) -> Store {
    std::fs::create_dir_all(dir).unwrap();
    let store = Store::open(&dir.join("a.db")).await.unwrap();
    let tenant = Tenant {
        id: TenantId(1),
        name: "t".into(),
        realm: "r".into(),
        domains: vec![],
        currency: eur(),
        timezone: "UTC".into(),
        algorithms: vec![DigestAlgorithm::Md5],
        country_prefix: strowger_model::Digits::parse("49").unwrap(),
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: 60,
        talk_s_max: 7_200,
        media_start_timeout_s: 30,
        media_timeout_s: 60,
        subscriber_day_max: None,
        trunk_day_max: None,
    };
    let (id, kind) = (OrganizationId(1), OrganizationKind::Owner);
    let organization = Organization {
        id,
        tenant: TenantId(1),
        parent: None,
        kind,
        name: "o".into(),
        withheld: Vec::new(),
    };
    let mut w = store.write().await.unwrap();
    w.insert_tenant(&tenant).await.unwrap();
    w.insert_organization(&organization).await.unwrap();
    w.insert_account(&account()).await.unwrap();
    w.commit().await.unwrap();
    store
}

/// A decider that only answers questions; its till knows the account with what is booked.
fn decider(posted: Amount) -> Orders {
    decider_of(World::build(Rows::default()).unwrap(), vec![(account(), posted)])
}

/// The same with a world, and with these accounts.
fn decider_of(world: World, accounts: Vec<(Account, Amount)>) -> Orders {
    let (orders, inbox) = orders(&Arc::new(EventFd::new().unwrap()));
    std::thread::spawn(move || {
        let mut office = Office::new(0, Arc::new(world));
        for (account, posted) in &accounts {
            office.load(account, *posted, Tick(0));
        }
        while let Ok(order) = inbox.recv() {
            if let Order::Query(query) = order {
                query(&mut office);
            }
        }
    });
    orders
}

fn order(key: &str, amount: i64) -> MoneyOrder {
    MoneyOrder {
        tenant: TenantId(1),
        account: ACCOUNT,
        key: key.into(),
        kind: MoneyKind::Adjustment,
        amount: Amount(amount),
        currency: eur(),
        reason: "r".into(),
        actor: "admin".into(),
    }
}

async fn till(orders: &Orders) -> (i64, i64) {
    let balance = ask(orders, |office| office.balance(ACCOUNT)).await.unwrap().unwrap();
    (balance.posted.0, balance.uncommitted.0)
}

#[tokio::test]
async fn books_and_till_move_together_and_once() {
    let dir = std::env::temp_dir().join(format!("strowger-cashier-{}", std::process::id()));
    let store = store(&dir).await;
    let orders = decider(Amount::ZERO);
    let cashier = Cashier::new(orders.clone(), store.clone());
    let go = async |key: &str, amount| cashier.clone().move_money(order(key, amount)).await;
    let first = go("a", 500).await.unwrap().unwrap();
    assert_eq!(go("a", 500).await, Ok(Ok(first)));
    assert_eq!(go("a", 501).await, Ok(Err(MoneyRefusal::OtherRequest)));
    assert_eq!(go("b", -501).await, Ok(Err(MoneyRefusal::Floor)));
    assert!(go("b", -400).await.unwrap().is_ok());
    assert_eq!(till(&orders).await, (100, 0));
    // All at once: two of them fit, and the same key counts once.
    let all =
        ["c", "d", "e", "c"].map(|key| tokio::spawn(cashier.clone().move_money(order(key, -40))));
    let mut done = 0;
    for one in all {
        done += usize::from(one.await.unwrap().unwrap().is_ok());
    }
    assert_eq!(done, 3, "c twice, and one other");
    assert_eq!(till(&orders).await, (20, 0));
    // A life of the process later the books say the same, and the keys are still known.
    let books = store.reader().balances().await.unwrap();
    assert_eq!(books.iter().map(|b| b.balance.0).collect::<Vec<_>>(), [20]);
    let orders = decider(books[0].balance);
    let cashier = Cashier::new(orders.clone(), store.clone());
    assert!(cashier.clone().move_money(order("a", 500)).await.unwrap().is_ok());
    assert_eq!(till(&orders).await, (20, 0));
    // What is not written is given back.
    let zero = cashier.clone().move_money(order("z", 0)).await;
    assert_eq!((zero, till(&orders).await), (Err(Unavailable), (20, 0)));
    let stranger = MoneyOrder { account: AccountId(9), ..order("a", 1) };
    let said = cashier.clone().move_money(stranger).await;
    assert_eq!(said, Ok(Err(MoneyRefusal::UnknownAccount)));
    assert_eq!(store.reader().books_check().await.unwrap().findings, []);
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A reseller (account 2) above the account, which pays early, with what it has.
async fn early(store: &Store, has: i64) -> Orders {
    let kind = OrganizationKind::Reseller;
    let (id, tenant) = (OrganizationId(2), TenantId(1));
    let above =
        Organization { id, tenant, parent: None, kind, name: "r".into(), withheld: Vec::new() };
    let reseller = Account {
        id: RESELLER,
        organization: id,
        name: "r".into(),
        resells: true,
        resells_early: true,
        ..account()
    };
    let mut w = store.write().await.unwrap();
    w.insert_organization(&above).await.unwrap();
    w.insert_account(&reseller).await.unwrap();
    w.commit().await.unwrap();
    let mut rows = strowger_api::world_rows(store.reader().config().await.unwrap());
    for organization in rows.organizations.iter_mut().filter(|o| o.id == OrganizationId(1)) {
        organization.parent = Some(id);
    }
    let world = World::build(rows).unwrap();
    let start = NewMoney {
        tenant,
        account: RESELLER,
        key: "start".into(),
        kind: MoneyKind::Payment,
        from: None,
        amount: Amount(has),
        currency: eur(),
        reason: String::new(),
        actor: "admin".into(),
        at_us: 0,
    };
    let mut w = store.write().await.unwrap();
    w.insert_money(&start).await.unwrap();
    w.commit().await.unwrap();
    decider_of(world, vec![(account(), Amount::ZERO), (reseller, Amount(has))])
}

#[tokio::test]
async fn credit_below_a_reseller_who_pays_early_comes_out_of_his_own() {
    let dir = std::env::temp_dir().join(format!("strowger-early-{}", std::process::id()));
    let store = store(&dir).await;
    let orders = early(&store, 100).await;
    let cashier = Cashier::new(orders.clone(), store.clone());
    let pays = |key: &str, amount| MoneyOrder { kind: MoneyKind::Payment, ..order(key, amount) };
    let has = async |id| {
        let balance = ask(&orders, move |office| office.balance(id)).await.unwrap().unwrap();
        (balance.posted.0, balance.uncommitted.0)
    };
    // All at once: three fit, whoever comes first, and the same key counts once.
    let keys = ["a", "b", "c", "d", "a", "b", "c", "d"];
    let all = keys.map(|key| tokio::spawn(cashier.clone().move_money(pays(key, 30))));
    let mut refused = 0;
    for one in all {
        match one.await.unwrap().unwrap() {
            Ok(done) => assert_eq!(done.money.from, Some(RESELLER)),
            Err(refusal) => {
                assert_eq!(refusal, MoneyRefusal::ResellerFloor);
                refused += 1;
            }
        }
    }
    assert_eq!((refused, has(ACCOUNT).await, has(RESELLER).await), (2, (90, 0), (10, 0)));
    // What the operator gives by hand is the operator's; what he pays in above is from outside.
    assert!(cashier.clone().move_money(order("hand", 500)).await.unwrap().is_ok());
    let above = MoneyOrder { account: RESELLER, ..pays("above", 20) };
    assert_eq!(cashier.clone().move_money(above).await.unwrap().unwrap().money.from, None);
    assert_eq!((has(ACCOUNT).await, has(RESELLER).await), ((590, 0), (30, 0)));
    // One that cannot be written leaves both as they are.
    let wrong = MoneyOrder { tenant: TenantId(2), ..pays("wrong", 30) };
    assert_eq!(cashier.clone().move_money(wrong).await, Err(Unavailable));
    assert_eq!((has(ACCOUNT).await, has(RESELLER).await), ((590, 0), (30, 0)));
    let dollars = Currency::new("USD", 2).unwrap();
    let other = MoneyOrder { currency: dollars, ..pays("other", 1) };
    let said = cashier.clone().move_money(other).await;
    assert_eq!(said, Ok(Err(MoneyRefusal::ResellerCurrency)));
    let books = store.reader().balances().await.unwrap();
    assert_eq!(books.iter().map(|b| b.balance.0).collect::<Vec<_>>(), [590, 30]);
    assert_eq!(store.reader().books_check().await.unwrap().findings, []);
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn free_time_is_given_once_and_known_again() {
    let dir = std::env::temp_dir().join(format!("strowger-given-{}", std::process::id()));
    let store = store(&dir).await;
    let orders = decider(Amount::ZERO);
    let cashier = Cashier::new(orders.clone(), store.clone());
    let new = |key: &str, seconds| NewAllowance {
        allowance: Allowance {
            id: AllowanceId(0),
            tenant: TenantId(1),
            account: ACCOUNT,
            name: "n".into(),
            prefix: None,
            seconds,
            credit: Amount::ZERO,
            from_us: 0,
            until_us: 1,
            renewal: None,
            price: Amount::ZERO,
            vat_ppm: 0,
        },
        key: key.into(),
        renews: None,
        payee: None,
        actor: "admin".into(),
        at_us: 0,
    };
    let given = cashier.clone().give(new("a", 600)).await.unwrap().unwrap();
    assert_eq!(cashier.clone().give(new("a", 600)).await, Ok(Ok(given.clone())));
    let other = cashier.clone().give(new("a", 601)).await;
    assert_eq!(other, Ok(Err(MoneyRefusal::OtherRequest)));
    let id = given.id;
    let pool = ask(&orders, move |office| office.till().pool(id)).await.unwrap().unwrap();
    assert_eq!((pool.granted_ms, pool.used_ms, pool.reserved_ms), (600_000, 0, 0));
    let booked = store.reader().allowances(0).await.unwrap();
    assert_eq!(booked.iter().map(|one| &one.allowance).collect::<Vec<_>>(), [&given]);
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn bought_time_is_paid_for_once_and_never_beyond_the_balance() {
    let dir = std::env::temp_dir().join(format!("strowger-bought-{}", std::process::id()));
    let store = store(&dir).await;
    let orders = decider(Amount::ZERO);
    let cashier = Cashier::new(orders.clone(), store.clone());
    assert!(cashier.clone().move_money(order("start", 100)).await.unwrap().is_ok());
    let packet = |key: &str, price| NewAllowance {
        allowance: Allowance {
            id: AllowanceId(0),
            tenant: TenantId(1),
            account: ACCOUNT,
            name: "packet".into(),
            prefix: None,
            seconds: 600,
            credit: Amount::ZERO,
            from_us: 0,
            until_us: 1,
            renewal: None,
            price: Amount(price),
            vat_ppm: 190_000,
        },
        key: key.into(),
        renews: None,
        payee: None,
        actor: "admin".into(),
        at_us: 0,
    };
    // All at once: three fit, and the same key counts once.
    let keys = ["a", "b", "c", "d", "a", "b", "c", "d"];
    let all = keys.map(|key| tokio::spawn(cashier.clone().give(packet(key, 30))));
    let mut refused = 0;
    for one in all {
        if let Err(refusal) = one.await.unwrap().unwrap() {
            assert_eq!(refusal, MoneyRefusal::Floor);
            refused += 1;
        }
    }
    assert_eq!((refused, till(&orders).await), (2, (10, 0)));
    let given = store.reader().allowances(0).await.unwrap();
    assert_eq!(given.len(), 3);
    for one in &given {
        let id = one.allowance.id;
        let pool = ask(&orders, move |office| office.till().pool(id)).await.unwrap().unwrap();
        assert_eq!(pool.granted_ms, 600_000);
    }
    // One that cannot be written leaves the balance as it is.
    let mut wrong = packet("wrong", 5);
    wrong.allowance.tenant = TenantId(2);
    assert_eq!(cashier.clone().give(wrong).await, Err(Unavailable));
    assert_eq!(till(&orders).await, (10, 0));
    let books = store.reader().balances().await.unwrap();
    assert_eq!(books.iter().map(|b| b.balance.0).collect::<Vec<_>>(), [10]);
    let entries = store.reader().entries(TenantId(1), ACCOUNT, None, 9).await.unwrap();
    let named = entries.iter().filter(|entry| entry.reason.as_deref() == Some("packet"));
    assert_eq!(named.filter_map(|entry| entry.allowance).count(), 6, "price and tax");
    assert_eq!(store.reader().books_check().await.unwrap().findings, []);
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn a_withdrawal_that_cannot_be_written_is_dropped_in_the_till() {
    let dir = std::env::temp_dir().join(format!("strowger-dropped-{}", std::process::id()));
    let store = store(&dir).await;
    let orders = decider(Amount(1_000));
    let cashier = Cashier::new(orders.clone(), store.clone());
    // A tenant that the account has not got: the reference is refused.
    let wrong = MoneyOrder { tenant: TenantId(2), ..order("a", -300) };
    assert_eq!(cashier.clone().move_money(wrong).await, Err(Unavailable));
    assert_eq!(till(&orders).await, (1_000, 0));
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = DAY_US / 24;

/// A life of the process behind a kill: its till knows what the books say.
async fn life(store: &Store) -> (Orders, Cashier) {
    let books = store.reader().balances().await.unwrap();
    let own = books.iter().find(|balance| balance.account == ACCOUNT);
    let orders = decider(own.map_or(Amount::ZERO, |balance| balance.balance));
    let cashier = Cashier::new(orders.clone(), store.clone());
    (orders, cashier)
}

#[tokio::test]
async fn a_packet_is_bought_again_at_its_day_once_and_never_beyond_the_balance() {
    let dir = std::env::temp_dir().join(format!("strowger-packet-{}", std::process::id()));
    let store = store(&dir).await;
    let (orders, cashier) = life(&store).await;
    assert!(cashier.clone().move_money(order("start", 100)).await.unwrap().is_ok());
    let packet = NewAllowance {
        allowance: Allowance {
            id: AllowanceId(0),
            tenant: TenantId(1),
            account: ACCOUNT,
            name: "packet".into(),
            prefix: None,
            seconds: 600,
            credit: Amount::ZERO,
            from_us: 0,
            until_us: DAY_US,
            renewal: Some(Renewal { days: 1, until_us: 9 * DAY_US }),
            price: Amount(30),
            vat_ppm: 0,
        },
        key: "p".into(),
        renews: None,
        payee: None,
        actor: "admin".into(),
        at_us: 0,
    };
    assert!(cashier.clone().give(packet).await.unwrap().is_ok());
    assert_eq!(till(&orders).await, (70, 0));
    let world = World::default();
    // Not before its day; then in each life that comes, once.
    for (now_us, bought, left) in [
        (DAY_US - 1, 0, 70),
        (DAY_US, 1, 40),
        (DAY_US, 0, 40),
        (DAY_US + HOUR_US, 0, 40),
        (2 * DAY_US + HOUR_US, 1, 10),
        (3 * DAY_US, 0, 10),
        (4 * DAY_US - 1, 0, 10),
    ] {
        let (orders, cashier) = life(&store).await;
        let count = crate::renewal::buy_again(&cashier, &world, now_us).await.unwrap();
        assert_eq!((count, till(&orders).await), (bought, (left, 0)), "{now_us}");
    }
    // Paid late it begins late; who does not pay for as long as it would be is not asked again.
    let (orders, cashier) = life(&store).await;
    assert!(cashier.clone().move_money(order("more", 50)).await.unwrap().is_ok());
    let late_us = 3 * DAY_US + 2 * HOUR_US;
    assert_eq!(crate::renewal::buy_again(&cashier, &world, late_us).await.unwrap(), 1);
    assert_eq!(till(&orders).await, (30, 0));
    let given = store.reader().allowances(0).await.unwrap();
    let mut days: Vec<(i64, i64)> =
        given.iter().map(|one| (one.allowance.from_us, one.allowance.until_us)).collect();
    days.sort_unstable();
    let ends = [DAY_US, 2 * DAY_US, 3 * DAY_US, late_us + DAY_US];
    let begins = [0, DAY_US, 2 * DAY_US, late_us];
    assert_eq!(days, begins.into_iter().zip(ends).collect::<Vec<_>>());
    let gone_us = late_us + 2 * DAY_US;
    assert_eq!(crate::renewal::buy_again(&cashier, &world, gone_us).await.unwrap(), 0);
    let newest = given.iter().map(|one| one.allowance.id.0).min().unwrap();
    let pool = ask(&orders, move |office| office.till().pool(AllowanceId(newest))).await.unwrap();
    assert_eq!(pool.unwrap().granted_ms, 600_000, "the till knows it at once");
    assert_eq!(store.reader().books_check().await.unwrap().findings, []);
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Whatever is paid in and taken out between, and whenever the process is killed: books and till
/// are what a purse would hold that buys each packet when it can.
#[tokio::test]
async fn packets_and_payments_in_any_order_leave_what_a_purse_would() {
    for seed in 1..=24u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from(state % below).unwrap()
        };
        let steps: Vec<(i64, i64)> = (0..20).map(|_| (next(4), 1 + next(59))).collect();
        purse(seed, &steps).await;
    }
}

async fn purse(seed: u64, steps: &[(i64, i64)]) {
    let dir = std::env::temp_dir().join(format!("strowger-purse-{}-{seed}", std::process::id()));
    let store = store(&dir).await;
    let (mut orders, mut cashier) = life(&store).await;
    assert!(cashier.clone().move_money(order("start", 100)).await.unwrap().is_ok());
    let packet = NewAllowance {
        allowance: Allowance {
            id: AllowanceId(0),
            tenant: TenantId(1),
            account: ACCOUNT,
            name: "packet".into(),
            prefix: None,
            seconds: 600,
            credit: Amount::ZERO,
            from_us: 0,
            until_us: DAY_US,
            renewal: Some(Renewal { days: 1, until_us: 400 * DAY_US }),
            price: Amount(30),
            vat_ppm: 0,
        },
        key: "p".into(),
        renews: None,
        payee: None,
        actor: "admin".into(),
        at_us: 0,
    };
    assert!(cashier.clone().give(packet).await.unwrap().is_ok());
    let world = World::default();
    // What is left, and when the packet ends that was bought last.
    let (mut left, mut end_us, mut now_us) = (70, DAY_US, 0);
    for (at, &(step, size)) in steps.iter().enumerate() {
        match step {
            0 => {
                assert!(cashier.clone().move_money(order(&format!("p{at}"), size)).await.is_ok());
                left += size;
            }
            1 => {
                let taken = cashier.clone().move_money(order(&format!("t{at}"), -size)).await;
                assert_eq!(taken.unwrap().is_ok(), size <= left);
                left -= if size <= left { size } else { 0 };
            }
            2 => (orders, cashier) = life(&store).await,
            _ => {
                now_us += size * HOUR_US;
                let is_due = end_us <= now_us && now_us < end_us + DAY_US;
                let is_bought = is_due && left >= 30;
                let is_late = now_us - end_us > HOUR_US;
                if is_bought {
                    (left, end_us) = (left - 30, DAY_US + if is_late { now_us } else { end_us });
                }
                let count = crate::renewal::buy_again(&cashier, &world, now_us).await.unwrap();
                assert_eq!(count, usize::from(is_bought), "seed {seed}, step {at}");
            }
        }
        assert_eq!(till(&orders).await, (left, 0), "seed {seed}, step {at}");
    }
    let (orders, _) = life(&store).await;
    assert_eq!(till(&orders).await, (left, 0), "the books say the same");
    assert_eq!(store.reader().books_check().await.unwrap().findings, []);
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}
