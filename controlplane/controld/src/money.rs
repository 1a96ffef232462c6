//! Payments and adjustments: in the books and in the till, each exactly once (design of control
//! 5).
//!
//! What comes in is durable first and in the till after, so that nobody spends what a crash could
//! take back. What goes out is asked in the till first and written after, so that no two spend the
//! same money. A crash between the two steps leaves either nothing, or what the next boot reads in
//! the books; a client that heard nothing sends the same key again and finds what was done.
//!
//! What is paid into an account below one that resells and pays early goes out of that one: asked
//! there first, written as one transfer between the two, and told to the account behind that.

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
use strowger_store::{
    MoneyKind, MoneyRequest, NewAllowance, NewMoney, Rerate, Scope, Store, StoreError,
};
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
        let from = match self.source(&order).await? {
            Ok(from) => from,
            Err(refusal) => return Ok(Err(refusal)),
        };
        *last = last.saturating_add(2);
        // What goes out of an account, if anything does, and what comes into one.
        let (out, comes) = (*last - 1, *last);
        let goes = match from {
            Some(from) => Some((from, Amount(order.amount.0.saturating_neg()))),
            None => (order.amount < Amount::ZERO).then_some((account, order.amount)),
        };
        if let Some(goes) = goes {
            match self.tell(out, goes, Stage::Asked).await? {
                Some(Ok(_)) => {}
                Some(Err(TillRefusal::NoCredit(_))) if from.is_some() => {
                    return Ok(Err(MoneyRefusal::ResellerFloor));
                }
                Some(Err(TillRefusal::NoCredit(_))) => return Ok(Err(MoneyRefusal::Floor)),
                Some(Err(_)) | None => return Ok(Err(MoneyRefusal::UnknownAccount)),
            }
        }
        let done = match self.write(&order, from).await {
            Ok(done) => Some(done),
            Err(e) => {
                warn!("a payment or adjustment was not written: {}", chain(&e));
                self.look(&order).await
            }
        };
        if let Some(goes) = goes {
            let stage = if done.is_some() { Stage::Durable } else { Stage::Dropped };
            self.tell(out, goes, stage).await?;
        }
        if done.is_some() && order.amount > Amount::ZERO {
            self.tell(comes, (account, order.amount), Stage::Durable).await?;
        }
        let Some(done) = done else { return Err(Unavailable) };
        info!(request = done.id, account = account.0, actor = order.actor, "money moved");
        Ok(Ok(done))
    }

    /// Gives free time: durable first, in the till after; what it costs is asked in the till before
    /// that. To be run to its end, whatever becomes of
    /// the asker.
    ///
    /// # Errors
    /// [`Unavailable`] when till or database do not answer; a write that reached the books all the
    /// same is found by its key, or by the next boot.
    pub(crate) async fn give(
        self,
        new: NewAllowance,
    ) -> Result<Result<Allowance, MoneyRefusal>, Unavailable> {
        let mut last = self.last.lock().await;
        let (account, key) = (new.allowance.account, new.key.clone());
        let found = self.store.reader().allowance_with_key(account, &key).await;
        let given = match found.map_err(|e| unavailable(&e))? {
            Some(done) => done,
            None if new.allowance.price > Amount::ZERO => {
                *last = last.saturating_add(1);
                match self.sell(*last, &new).await? {
                    Ok(done) => done,
                    Err(refusal) => return Ok(Err(refusal)),
                }
            }
            None => self.write_allowance(&new).await.map_err(|e| unavailable(&e))?,
        };
        if given != (Allowance { id: given.id, ..new.allowance }) {
            return Ok(Err(MoneyRefusal::OtherRequest));
        }
        let told = given.clone();
        // Told again, it changes nothing.
        ask(&self.orders, move |office| {
            office.load_allowance(told, (0, Amount::ZERO), clock::monotonic())
        })
        .await?;
        info!(allowance = given.id.0, account = account.0, actor = new.actor, "free time given");
        Ok(Ok(given))
    }

    /// Buys free time again that has ended. To be run to its end, whatever becomes of the asker.
    ///
    /// # Errors
    /// [`Unavailable`] as [`Cashier::give`].
    pub(crate) async fn renew(
        self,
        new: NewAllowance,
    ) -> Result<Result<Allowance, MoneyRefusal>, Unavailable> {
        let mut last = self.last.lock().await;
        *last = last.saturating_add(1);
        let given = match self.sell(*last, &new).await? {
            Ok(given) => given,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let told = given.clone();
        ask(&self.orders, move |office| {
            office.load_allowance(told, (0, Amount::ZERO), clock::monotonic())
        })
        .await?;
        info!(allowance = given.id.0, account = given.account.0, "free time bought again");
        Ok(Ok(given))
    }

    /// Free time that is paid for: asked in the till first, written with what it costs after.
    async fn sell(
        &self,
        id: u64,
        new: &NewAllowance,
    ) -> Result<Result<Allowance, MoneyRefusal>, Unavailable> {
        let account = new.allowance.account;
        let goes = (account, Amount(new.allowance.price.0.saturating_neg()));
        let seller = ask(&self.orders, move |office| {
            let world = office.world();
            let nearest = world.account(account).and_then(|of| world.resellers_above(of).next());
            // Who has paid for the credit already is not paid with it.
            nearest.filter(|seller| !world.is_early(seller)).map(|seller| seller.organization)
        });
        let new = NewAllowance { payee: seller.await?, ..new.clone() };
        match self.tell(id, goes, Stage::Asked).await? {
            Some(Ok(_)) => {}
            Some(Err(TillRefusal::NoCredit(_))) => return Ok(Err(MoneyRefusal::Floor)),
            Some(Err(_)) | None => return Ok(Err(MoneyRefusal::UnknownAccount)),
        }
        let done = match self.write_allowance(&new).await {
            Ok(done) => Some(done),
            Err(e) => {
                warn!("free time that is paid for was not written: {}", chain(&e));
                self.look_for_allowance(&new).await
            }
        };
        let stage = if done.is_some() { Stage::Durable } else { Stage::Dropped };
        self.tell(id, goes, stage).await?;
        done.map(Ok).ok_or(Unavailable)
    }

    /// As [`Cashier::look`].
    async fn look_for_allowance(&self, new: &NewAllowance) -> Option<Allowance> {
        loop {
            if let Ok(w) = self.store.write().await {
                let (reader, account) = (self.store.reader(), new.allowance.account);
                let found = match new.renews {
                    Some(renewed) => reader.renewal_of(renewed).await,
                    None => reader.allowance_with_key(account, &new.key).await,
                };
                drop(w);
                if let Ok(found) = found {
                    return found;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
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

    /// The account that pays for what is paid in: the nearest above that resells, if it pays early.
    /// What is given or taken by hand is the operator's.
    async fn source(
        &self,
        order: &MoneyOrder,
    ) -> Result<Result<Option<AccountId>, MoneyRefusal>, Unavailable> {
        if order.kind != MoneyKind::Payment {
            return Ok(Ok(None));
        }
        let account = order.account;
        let source = ask(&self.orders, move |office| {
            office.world().credit_source(account).map(|source| (source.id, source.currency))
        });
        Ok(match source.await? {
            None => Ok(None),
            Some((id, currency)) if currency == order.currency => Ok(Some(id)),
            Some(_) => Err(MoneyRefusal::ResellerCurrency),
        })
    }

    async fn tell(
        &self,
        id: u64,
        (account, amount): (AccountId, Amount),
        stage: Stage,
    ) -> Result<Option<Result<Amount, TillRefusal>>, Unavailable> {
        ask(&self.orders, move |office| {
            office.adjust(id, account, amount, stage, clock::monotonic())
        })
        .await
    }

    async fn write(
        &self,
        order: &MoneyOrder,
        from: Option<AccountId>,
    ) -> Result<MoneyRequest, StoreError> {
        let mut w = self.store.write().await?;
        let new = NewMoney {
            tenant: order.tenant,
            account: order.account,
            key: order.key.clone(),
            kind: order.kind,
            from,
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
mod tests;
