//! Statistics: by which clocks days begin, what a boot learns from them, what of them is dropped.

use crate::run::{Until, chain};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strowger_model::{TenantId, Zone};
use strowger_office::{Office, PastCall, PastLeg};
use strowger_port::clock;
use strowger_routing::{CALLED_BACK_US, Counts, Direction, Recalled, TalkedDay, World};
use strowger_store::{LastCall, LastLeg, Reader, Store, StoreError, TrunkCounts, TrunkTalk};
use tracing::{info, warn};

/// How long ago attempts may have ended that a boot learns failures from, microseconds: longer than
/// a trunk that failed is usually left alone.
const LEGS_US: i64 = 86_400_000_000;
/// Days whose talk a boot learns: a month, and a day that clocks are ahead or behind.
const TALK_DAYS: i64 = 32;
const DAY_US: i64 = 86_400_000_000;
/// How often old cells are dropped.
const DROP: Duration = Duration::from_secs(6 * 3_600);

/// The clocks of a world's tenants.
fn zones(world: &World) -> BTreeMap<TenantId, Zone> {
    world.tenants().map(|tenant| (tenant.id, world.zone(tenant).clone())).collect()
}

/// Days of statistics begin as this world says, from now on.
pub(crate) fn set_zones(store: &Store, world: &World) {
    store.set_zones(zones(world));
}

/// Learns at boot how trunks did, as far as the database has records.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn recall(
    office: &mut Office,
    reader: &Reader,
    now_us: i64,
) -> Result<(), StoreError> {
    // The days of this month, wherever its first one began.
    let from_day = now_us.div_euclid(DAY_US).saturating_sub(TALK_DAYS);
    let talk = reader.trunk_talk(from_day).await?;
    office.recall_talk(&talk.iter().filter_map(talked).collect::<Vec<TalkedDay>>());
    let legs = reader.last_legs(now_us.saturating_sub(LEGS_US)).await?;
    let counts = reader.trunk_counts(now_us).await?;
    if legs.is_empty() && counts.is_empty() {
        return Ok(());
    }
    info!(legs = legs.len(), counts = counts.len(), "learned how trunks did");
    let legs: Vec<PastLeg> = legs.into_iter().map(past).collect();
    let counts: Vec<Recalled> = counts.iter().map(recalled).collect();
    office.recall_trunks(&legs, &counts);
    Ok(())
}

/// Learns at boot who called whom by shared DIDs, if there are any.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn recall_shared(
    office: &mut Office,
    reader: &Reader,
    now_us: i64,
) -> Result<(), StoreError> {
    if !office.world().has_shared_dids() {
        return Ok(());
    }
    let calls = reader.last_calls(now_us.saturating_sub(CALLED_BACK_US)).await?;
    let past = |call: LastCall| {
        let LastCall { by, number, received, from_user, started_us } = call;
        PastCall { by, number, received, from_user, started_us }
    };
    let calls: Vec<PastCall> = calls.into_iter().map(past).collect();
    office.recall_shared(&calls);
    Ok(())
}

/// Learns at boot what came from addresses in the windows of now, where such calls are capped.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn recall_addresses(
    office: &mut Office,
    reader: &Reader,
    now_us: i64,
) -> Result<(), StoreError> {
    let world = Arc::clone(office.world());
    let mut windows: BTreeMap<TenantId, i64> = BTreeMap::new();
    for account in world.accounts() {
        if let Some(caps) = office.address_caps(account.id) {
            windows.insert(account.tenant, caps.window_us(now_us).0);
        }
    }
    for (tenant, from_us) in windows {
        for known in reader.address_use(tenant, from_us).await? {
            let sums = (known.calls, known.talk_ms, known.cost);
            office.load_address(known.account, (known.source, now_us), sums, clock::monotonic());
        }
    }
    Ok(())
}

fn past(leg: LastLeg) -> PastLeg {
    let LastLeg { trunk, number, is_first, started_us, ended_us, talk_ms, outcome } = leg;
    PastLeg { trunk, number, is_first, started_us, ended_us, talk_ms, outcome }
}

fn talked(known: &TrunkTalk) -> Option<TalkedDay> {
    let day = i32::try_from(known.day).ok()?;
    let ms = u64::try_from(known.talk_ms).ok()?;
    Some(TalkedDay { trunk: known.trunk, day, ms })
}

fn recalled(known: &TrunkCounts) -> Recalled {
    let few = |count: i64| u32::try_from(count.max(0)).unwrap_or(u32::MAX);
    let counts = Counts {
        calls: few(known.counts.calls),
        answered: few(known.counts.answered),
        talk_ms: u64::try_from(known.counts.talk_ms).unwrap_or(0),
    };
    Recalled {
        trunk: known.trunk,
        direction: Direction::of(&known.direction),
        is_month: known.is_month,
        slot: known.slot,
        counts,
    }
}

/// Drops old cells now and then.
pub(crate) async fn keep(store: Store, mut until: Until) {
    while until.sleep(DROP).await {
        match drop_old(&store, clock::wall_us()).await {
            Ok(0) => {}
            Ok(dropped) => info!(dropped, "old statistics were dropped"),
            Err(e) => warn!("old statistics are not dropped: {}", chain(&e)),
        }
    }
}

async fn drop_old(store: &Store, now_us: i64) -> Result<u64, StoreError> {
    let mut w = store.write().await?;
    let dropped = w.drop_statistics(now_us).await?;
    w.commit().await?;
    Ok(dropped)
}
