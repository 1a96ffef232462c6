//! Free time that is given again: the next of it stands in the books, and in the till, as soon as
//! the one before it has begun. So a database that is away for less than that changes nothing.
//!
//! What was bought is bought again at the day on which it ends, out of the balance: one after the
//! other, asked in the till and written in one transaction with what it costs. Who cannot pay then
//! is asked each minute, for as many days as it is for; what is paid late begins late.
//!
//! Reconciled, not planned: what is due is what the books say, each has one next, and boot and
//! running take the same way.

use crate::calendar::days_after;
use crate::decider::Orders;
use crate::money::Cashier;
use crate::run::{ALLOWANCES_US, Until, chain};
use crate::view::ask;
use std::sync::Arc;
use std::time::Duration;
use strowger_api::Unavailable;
use strowger_model::{Allowance, Amount};
use strowger_port::clock;
use strowger_routing::World;
use strowger_store::{NewAllowance, Store, StoreError};
use tracing::{debug, info, warn};

/// How often it is looked for what is due.
const LOOK: Duration = Duration::from_secs(60);
/// Allowances that are written in one transaction.
const AT_ONCE: u32 = 250;
/// Most transactions of one look: after a long time away the rest waits for the next one.
const ROUNDS_MAX: usize = 400;
/// What is bought again so soon after the one before it ended begins where that ended,
/// microseconds.
const LATE_US: i64 = 3_600_000_000;
/// Who gives it, as the books say.
const ACTOR: &str = "renewal";

/// Gives again what is due at `now_us`; returns what was given.
pub(crate) async fn renew(
    store: &Store,
    world: &World,
    now_us: i64,
) -> Result<Vec<Allowance>, StoreError> {
    let mut given = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let due = store.reader().allowances_to_renew(now_us, AT_ONCE).await?;
        let next: Vec<NewAllowance> =
            due.iter().filter_map(|old| next_of(old, world, (old.until_us, now_us))).collect();
        if next.is_empty() {
            break;
        }
        let mut w = store.write().await?;
        let mut written = Vec::with_capacity(next.len());
        for new in &next {
            written.push(w.insert_allowance(new).await?);
        }
        w.commit().await?;
        given.append(&mut written);
    }
    Ok(given)
}

/// Buys again what is due at `now_us`, as far as balances allow it; how much that was.
pub(crate) async fn buy_again(
    cashier: &Cashier,
    world: &World,
    now_us: i64,
) -> Result<usize, StoreError> {
    let (mut bought, mut after) = (0usize, None);
    for _ in 0..ROUNDS_MAX {
        let reader = cashier.store().reader();
        let due = reader.allowances_to_buy_again(now_us, after, AT_ONCE).await?;
        let Some(last) = due.last() else { break };
        after = Some(last.id);
        for old in &due {
            let is_late = now_us.saturating_sub(old.until_us) > LATE_US;
            let from_us = if is_late { now_us } else { old.until_us };
            let Some(new) = next_of(old, world, (from_us, now_us)) else { continue };
            match cashier.clone().renew(new).await {
                Ok(Ok(_)) => bought = bought.saturating_add(1),
                Ok(Err(_)) => {
                    debug!(allowance = old.id.0, account = old.account.0, "not bought again yet");
                }
                Err(Unavailable) => return Ok(bought),
            }
        }
    }
    Ok(bought)
}

fn next_of(old: &Allowance, world: &World, (from_us, now_us): (i64, i64)) -> Option<NewAllowance> {
    let timezone = world.tenant(old.tenant).map_or("UTC", |tenant| tenant.timezone.as_str());
    let end_us = days_after(timezone, from_us, old.renewal?.days);
    Some(NewAllowance {
        allowance: old.next(from_us, end_us)?,
        key: String::new(),
        renews: Some(old.id),
        payee: None,
        actor: ACTOR.to_owned(),
        at_us: now_us,
    })
}

/// Gives again and forgets what ended long ago, until the end.
pub(crate) async fn keep(orders: Orders, store: Store, cashier: Cashier, mut until: Until) {
    let mut pause = Duration::ZERO;
    while until.sleep(pause).await {
        pause = LOOK;
        let Ok(world) = ask(&orders, |office| Arc::clone(office.world())).await else { return };
        let now_us = clock::wall_us();
        let given = renew(&store, &world, now_us).await.unwrap_or_else(|e| {
            warn!("free time is not given again yet: {}", chain(&e));
            Vec::new()
        });
        if !given.is_empty() {
            info!(count = given.len(), "free time given again");
        }
        match buy_again(&cashier, &world, now_us).await {
            Ok(0) => {}
            Ok(count) => info!(count, "free time bought again"),
            Err(e) => warn!("free time is not bought again yet: {}", chain(&e)),
        }
        let tell = move |office: &mut strowger_office::Office| {
            for allowance in given {
                office.load_allowance(allowance, (0, Amount::ZERO), clock::monotonic());
            }
            office.forget_allowances(now_us.saturating_sub(ALLOWANCES_US), clock::monotonic());
        };
        if ask(&orders, tell).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo;
    use strowger_model::{AccountId, AllowanceId, Renewal, TenantId};
    use strowger_routing::Rows;

    const DAY_US: i64 = 86_400_000_000;

    fn first() -> Allowance {
        Allowance {
            id: AllowanceId(0),
            tenant: TenantId(1),
            account: AccountId(1),
            name: "n".into(),
            prefix: None,
            seconds: 60,
            credit: Amount::ZERO,
            from_us: 10 * DAY_US,
            until_us: 13 * DAY_US,
            renewal: Some(Renewal { days: 2, until_us: 18 * DAY_US }),
            price: Amount::ZERO,
            vat_ppm: 0,
        }
    }

    async fn give(store: &Store, allowance: Allowance, key: &str) {
        let (key, actor) = (key.to_owned(), "admin".to_owned());
        let new = NewAllowance { allowance, key, renews: None, payee: None, actor, at_us: 0 };
        let mut w = store.write().await.unwrap();
        w.insert_allowance(&new).await.unwrap();
        w.commit().await.unwrap();
    }

    /// What was given after a backup is not in it. What is given again has the ids of the first
    /// time all the same, because the journals that are read again name them.
    #[tokio::test]
    async fn a_restored_database_gives_again_under_the_same_ids() {
        let world = World::build(Rows::default()).unwrap();
        let mut ids = Vec::new();
        for is_restored in [false, true] {
            let name = format!("strowger-again-{}-{is_restored}", std::process::id());
            let dir = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&dir).unwrap();
            let store = Store::open(&dir.join("a.db")).await.unwrap();
            demo::seed(&store, 0).await.unwrap();
            give(&store, first(), "k").await;
            if !is_restored {
                give(&store, Allowance { renewal: None, ..first() }, "after the backup").await;
            }
            let given = renew(&store, &world, 99 * DAY_US).await.unwrap();
            ids.push(given.iter().map(|one| one.id).collect::<Vec<_>>());
            store.close().await;
            std::fs::remove_dir_all(&dir).unwrap();
        }
        assert_eq!(ids[0].len(), 3);
        assert_eq!(ids[0], ids[1]);
    }

    #[tokio::test]
    async fn each_is_given_again_once_and_one_ahead() {
        let dir = std::env::temp_dir().join(format!("strowger-renewed-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("a.db")).await.unwrap();
        demo::seed(&store, 0).await.unwrap();
        give(&store, first(), "k").await;
        let world = World::build(Rows::default()).unwrap();
        let given = async |day: i64| {
            let given = renew(&store, &world, day * DAY_US).await.unwrap();
            let days = |one: &Allowance| (one.from_us / DAY_US, one.until_us / DAY_US);
            given.iter().map(days).collect::<Vec<_>>()
        };
        assert_eq!(given(9).await, []);
        assert_eq!(given(10).await, [(13, 15)]);
        assert_eq!((given(10).await, given(12).await), (vec![], vec![]));
        // Away for a while: what was missed is there as well.
        assert_eq!(given(17).await, [(15, 17), (17, 18)]);
        assert_eq!(given(99).await, []);
        assert_eq!(store.reader().books_check().await.unwrap().findings, []);
        store.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
