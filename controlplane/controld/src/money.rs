//! Payments and adjustments: in the books and in the till, each exactly once (design of control
//! 5).
//!
//! What comes in is durable first and in the till after, so that nobody spends what a crash could
//! take back. What goes out is asked in the till first and written after, so that no two spend the
//! same money. A crash between the two steps leaves either nothing, or what the next boot reads in
//! the books; a client that heard nothing sends the same key again and finds what was done.

use crate::decider::Orders;
use crate::run::chain;
use crate::view::ask;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strowger_api::{MoneyOrder, MoneyRefusal, Unavailable};
use strowger_billing::{LedgerKind, Owner, Transfer};
use strowger_model::{AccountId, Allowance, Amount};
use strowger_office::{Office, Stage, TillRefusal};
use strowger_port::clock;
use strowger_store::{MoneyRequest, NewAllowance, NewMoney, Rerate, Scope, Store, StoreError};
use tokio::sync::Mutex;
use tracing::{info, warn};

/// Pause while the database does not say whether something was written.
const RETRY: Duration = Duration::from_millis(500);

/// Moves money, one request at a time: they are few, and so none overtakes another with its key.
#[derive(Clone)]
pub(crate) struct Cashier {
    orders: Orders,
    store: Store,
    /// Number of the last adjustment that the till was told, in this life of the process.
    last: Arc<Mutex<u64>>,
}

impl Cashier {
    pub(crate) fn new(orders: Orders, store: Store) -> Cashier {
        Cashier { orders, store, last: Arc::default() }
    }

    /// The books that it writes.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Moves money. To be run to its end, whatever becomes of the asker.
    ///
    /// # Errors
    /// [`Unavailable`] when till or database do not answer; then nothing has moved.
    pub(crate) async fn move_money(
        self,
        order: MoneyOrder,
    ) -> Result<Result<MoneyRequest, MoneyRefusal>, Unavailable> {
        let mut last = self.last.lock().await;
        let found = self.store.reader().money_request(order.account, &order.key).await;
        if let Some(done) = found.map_err(|e| unavailable(&e))? {
            return Ok(if order.is(&done) { Ok(done) } else { Err(MoneyRefusal::OtherRequest) });
        }
        let account = order.account;
        if ask(&self.orders, move |office| office.balance(account)).await?.is_none() {
            return Ok(Err(MoneyRefusal::UnknownAccount));
        }
        *last = last.saturating_add(1);
        let id = *last;
        if order.amount < Amount::ZERO {
            match self.tell(id, &order, Stage::Asked).await? {
                Some(Ok(_)) => {}
                Some(Err(TillRefusal::NoCredit(_))) => return Ok(Err(MoneyRefusal::Floor)),
                Some(Err(_)) | None => return Ok(Err(MoneyRefusal::UnknownAccount)),
            }
        }
        let done = match self.write(&order).await {
            Ok(done) => Some(done),
            Err(e) => {
                warn!("a payment or adjustment was not written: {}", chain(&e));
                self.look(&order).await
            }
        };
        let stage = if done.is_some() { Stage::Durable } else { Stage::Dropped };
        self.tell(id, &order, stage).await?;
        let Some(done) = done else { return Err(Unavailable) };
        info!(request = done.id, account = account.0, actor = order.actor, "money moved");
        Ok(Ok(done))
    }

    /// Gives free time: durable first, in the till after. To be run to its end, whatever becomes of
    /// the asker.
    ///
    /// # Errors
    /// [`Unavailable`] when till or database do not answer; a write that reached the books all the
    /// same is found by its key, or by the next boot.
    pub(crate) async fn give(
        self,
        new: NewAllowance,
    ) -> Result<Result<Allowance, MoneyRefusal>, Unavailable> {
        let _turn = self.last.lock().await;
        let (account, key) = (new.allowance.account, new.key.clone());
        let found = self.store.reader().allowance_with_key(account, &key).await;
        let given = match found.map_err(|e| unavailable(&e))? {
            Some(done) => done,
            None => self.write_allowance(&new).await.map_err(|e| unavailable(&e))?,
        };
        if given != (Allowance { id: given.id, ..new.allowance }) {
            return Ok(Err(MoneyRefusal::OtherRequest));
        }
        let told = given.clone();
        // Told again, it changes nothing.
        ask(&self.orders, move |office| office.load_allowance(told, 0, clock::monotonic())).await?;
        info!(allowance = given.id.0, account = account.0, actor = new.actor, "free time given");
        Ok(Ok(given))
    }

    /// Books the next lines of a re-rating that is published with money, durable first, in the till
    /// after. A balance may pass its floor by it: what a call cost is no withdrawal.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was booked. A till that does not answer is the end of this
    /// process, and the next one reads the books.
    pub(crate) async fn post_rerate(self, run: &Rerate) -> Result<(), StoreError> {
        let mut last = self.last.lock().await;
        let (line, transfers) = self.store.reader().rerate_transfers(run, clock::wall_us()).await?;
        let is_booked = match self.store.post_rerate(run, (line, &transfers)).await {
            Ok(is_booked) => is_booked,
            Err(e) if self.has_posted(run, line).await => {
                warn!("a re-rating was booked, and its answer lost: {}", chain(&e));
                true
            }
            Err(e) => return Err(e),
        };
        if !is_booked {
            return Ok(());
        }
        let changes = changes(&transfers);
        let first = last.saturating_add(1);
        *last = last.saturating_add(changes.len() as u64);
        let tell = move |office: &mut Office| {
            for (id, (account, amount)) in (first..).zip(changes) {
                let said = office.adjust(id, account, amount, Stage::Durable, clock::monotonic());
                if !matches!(said, Some(Ok(_))) {
                    // One that is loaded later comes with what is booked.
                    warn!(account = account.0, "the till does not know an account yet");
                }
            }
        };
        // A till that is gone needs no word.
        let _gone = ask(&self.orders, tell).await;
        Ok(())
    }

    /// Whether lines of a re-rating up to `line` were booked by a commit whose answer was lost.
    async fn has_posted(&self, run: &Rerate, line: u64) -> bool {
        loop {
            if let Ok(w) = self.store.write().await {
                let found = self.store.reader().rerate(Scope::All, run.id).await;
                drop(w);
                if let Ok(found) = found {
                    return found.is_some_and(|now| now.posted != run.posted && now.posted == line);
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn write_allowance(&self, new: &NewAllowance) -> Result<Allowance, StoreError> {
        let mut w = self.store.write().await?;
        let new = NewAllowance { at_us: clock::wall_us(), ..new.clone() };
        let given = w.insert_allowance(&new).await?;
        w.commit().await?;
        Ok(given)
    }

    async fn tell(
        &self,
        id: u64,
        order: &MoneyOrder,
        stage: Stage,
    ) -> Result<Option<Result<Amount, TillRefusal>>, Unavailable> {
        let (account, amount) = (order.account, order.amount);
        ask(&self.orders, move |office| {
            office.adjust(id, account, amount, stage, clock::monotonic())
        })
        .await
    }

    async fn write(&self, order: &MoneyOrder) -> Result<MoneyRequest, StoreError> {
        let mut w = self.store.write().await?;
        let new = NewMoney {
            tenant: order.tenant,
            account: order.account,
            key: order.key.clone(),
            kind: order.kind,
            amount: order.amount,
            currency: order.currency,
            reason: order.reason.clone(),
            actor: order.actor.clone(),
            at_us: clock::wall_us(),
        };
        let done = w.insert_money(&new).await?;
        w.commit().await?;
        Ok(done)
    }

    /// Whether a write that failed has reached the books all the same: an answer to a commit can be
    /// lost. Asked behind the lock of all writers, so that none is still on its way.
    async fn look(&self, order: &MoneyOrder) -> Option<MoneyRequest> {
        loop {
            if let Ok(w) = self.store.write().await {
                let found = self.store.reader().money_request(order.account, &order.key).await;
                drop(w);
                if let Ok(found) = found {
                    return found;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// What the balances of accounts change by.
fn changes(transfers: &[Transfer]) -> Vec<(AccountId, Amount)> {
    let mut sums: BTreeMap<AccountId, i64> = BTreeMap::new();
    for transfer in transfers {
        let amount = transfer.amount().0;
        for (side, change) in
            [(transfer.credit(), amount), (transfer.debit(), amount.saturating_neg())]
        {
            if let (Owner::Account(account), LedgerKind::Balance) = (side.owner, side.kind) {
                let sum = sums.entry(account).or_default();
                *sum = sum.saturating_add(change);
            }
        }
    }
    sums.into_iter().map(|(account, sum)| (account, Amount(sum))).collect()
}

fn unavailable(e: &StoreError) -> Unavailable {
    warn!("payments wait for the database: {}", chain(e));
    Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decider::{Order, orders};
    use strowger_link::Tick;
    use strowger_model::{
        Account, AllowanceId, Currency, DigestAlgorithm, Normalisation, Organization,
        OrganizationId, OrganizationKind, Price, Tenant, TenantId,
    };
    use strowger_port::eventfd::EventFd;
    use strowger_routing::{Rows, World};
    use strowger_store::MoneyKind;

    const ACCOUNT: AccountId = AccountId(1);

    fn eur() -> Currency {
        Currency::new("EUR", 2).unwrap()
    }

    fn account() -> Account {
        Account {
            id: ACCOUNT,
            tenant: TenantId(1),
            organization: OrganizationId(1),
            name: "a".into(),
            currency: eur(),
            prepaid: true,
            floor: None,
            tariff: None,
            calls_max: 0,
            cps_max: 0,
            day_max: None,
            month_max: None,
            month_grows_by: None,
            month_grows_to: None,
            month_grows_since_us: None,
            discounts: Vec::new(),
            reduction_bp: 0,
            resells: false,
            partners: Vec::new(),
            barring: strowger_model::Barring::default(),
            enabled: true,
            go_on_without_control: false,
        }
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
            talk_s_max: 0,
            media_start_timeout_s: 0,
            media_timeout_s: 0,
            subscriber_day_max: None,
            trunk_day_max: None,
        };
        let (id, kind) = (OrganizationId(1), OrganizationKind::Owner);
        let organization =
            Organization { id, tenant: TenantId(1), parent: None, kind, name: "o".into() };
        let mut w = store.write().await.unwrap();
        w.insert_tenant(&tenant).await.unwrap();
        w.insert_organization(&organization).await.unwrap();
        w.insert_account(&account()).await.unwrap();
        w.commit().await.unwrap();
        store
    }

    /// A decider that only answers questions; its till knows the account with what is booked.
    fn decider(posted: Amount) -> Orders {
        let (orders, inbox) = orders(&Arc::new(EventFd::new().unwrap()));
        std::thread::spawn(move || {
            let mut office = Office::new(0, Arc::new(World::build(Rows::default()).unwrap()));
            office.load(&account(), posted, Tick(0));
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
        let all = ["c", "d", "e", "c"]
            .map(|key| tokio::spawn(cashier.clone().move_money(order(key, -40))));
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
                from_us: 0,
                until_us: 1,
                renewal: None,
            },
            key: key.into(),
            renews: None,
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
}
