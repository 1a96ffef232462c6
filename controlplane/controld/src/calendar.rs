//! Where the days and months of tenants begin, by their time zones: told to the till at boot, and
//! again long before the next ones begin. And the clocks of time zones, for prices by the hour.

use crate::decider::{Order, Orders};
use crate::run::chain;
use crate::view::ask;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use strowger_model::{AccountId, Amount, TenantId, Zone};
use strowger_office::{Bounds, Calendar, Learning, Office};
use strowger_port::clock;
use strowger_routing::World;
use strowger_store::{Reader, StoreError};
use tracing::warn;

/// How often the till is told; a period that is told once lasts until the next one has begun.
const TELL: Duration = Duration::from_secs(60);

/// Most months that a limit that grows is counted by; those before them add nothing.
const MONTHS_MAX: i32 = 120;

/// How long ago and how far ahead clocks of a zone are known, years; after that they stay.
const YEARS: i64 = 40;
/// Most changes of a zone's clocks that are kept.
const CHANGES_MAX: usize = 512;

/// The clocks of the zones with these names that this host knows.
pub(crate) fn zones<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<String, Zone> {
    let names: BTreeSet<&str> = names.collect();
    let known = |name: &str| Some((name.to_owned(), zone(&TimeZone::get(name).ok()?)?));
    names.into_iter().filter_map(known).collect()
}

/// The clocks of a zone.
fn zone(zone: &TimeZone) -> Option<Zone> {
    let span = SignedDuration::from_hours(YEARS * 8_766);
    let now = Timestamp::from_microsecond(clock::wall_us()).ok()?;
    let first = now.checked_sub(span).ok()?;
    let last = now.checked_add(span).ok()?;
    let changes = zone.following(first).take(CHANGES_MAX).take_while(|c| c.timestamp() <= last);
    let changes = changes.map(|c| (c.timestamp().as_microsecond(), c.offset().seconds()));
    Zone::new(zone.to_offset(first).seconds(), changes.collect())
}

/// The calendar at `now_us` in a time zone; UTC for one that this host does not know.
pub(crate) fn calendar(timezone: &str, now_us: i64) -> Calendar {
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    let now = Timestamp::from_microsecond(now_us).unwrap_or_default().to_zoned(zone);
    let today = now.date();
    Calendar([days(&now, today), months(&now, today.first_of_month())])
}

fn days(now: &Zoned, today: Date) -> Bounds {
    Bounds {
        before_us: begin(now, today.saturating_sub(1.day())),
        from_us: begin(now, today),
        next_us: begin(now, today.saturating_add(1.day())),
    }
}

fn months(now: &Zoned, first: Date) -> Bounds {
    Bounds {
        before_us: begin(now, first.saturating_sub(1.month())),
        from_us: begin(now, first),
        next_us: begin(now, first.saturating_add(1.month())),
    }
}

/// The first moment of a date: midnight, or the first after it where that is left out.
fn begin(now: &Zoned, date: Date) -> i64 {
    let begin = date.to_zoned(now.time_zone().clone());
    begin.map_or(i64::MAX, |begin| begin.timestamp().as_microsecond())
}

/// The months from that of `since_us` to the one before the last, newest first: beginning and end.
fn months_since(timezone: &str, since_us: i64, now_us: i64) -> Vec<(i64, i64)> {
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    let now = Timestamp::from_microsecond(now_us).unwrap_or_default().to_zoned(zone);
    let first = now.date().first_of_month();
    let begin_of = |back: i32| begin(&now, first.saturating_sub(back.months()));
    let months =
        (2..=MONTHS_MAX.saturating_add(1)).map(|back| (begin_of(back), begin_of(back - 1)));
    months.take_while(|(_, end_us)| *end_us > since_us).collect()
}

/// So many days after a time, at the same time of the day.
pub(crate) fn days_after(timezone: &str, at_us: i64, days: u32) -> i64 {
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    let at = Timestamp::from_microsecond(at_us).unwrap_or_default().to_zoned(zone);
    at.saturating_add(i64::from(days).days()).timestamp().as_microsecond()
}

/// How far the limit of an account's month has grown by months before the last one, which the till
/// counts itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Grown {
    account: AccountId,
    before_us: i64,
    months: u32,
}

/// Counts the months in which calls of accounts cost something whose limits grow.
pub(crate) async fn grown(
    reader: &Reader,
    world: &World,
    now_us: i64,
) -> Result<Vec<Grown>, StoreError> {
    let mut tenants: BTreeMap<TenantId, (i64, BTreeMap<AccountId, u32>)> = BTreeMap::new();
    for account in world.accounts().filter(|account| account.month_grows_by.is_some()) {
        let since_us = account.month_grows_since_us.unwrap_or_default();
        let (first_us, counts) =
            tenants.entry(account.tenant).or_insert((i64::MAX, BTreeMap::new()));
        *first_us = since_us.min(*first_us);
        counts.insert(account.id, 0);
    }
    let mut grown = Vec::new();
    for (tenant, (first_us, mut counts)) in tenants {
        let timezone = world.tenant(tenant).map_or("UTC", |tenant| tenant.timezone.as_str());
        for month in months_since(timezone, first_us, now_us) {
            for account in reader.active_accounts(tenant, month).await? {
                counts.entry(account).and_modify(|months| *months = months.saturating_add(1));
            }
        }
        let Calendar([_, Bounds { before_us, .. }]) = calendar(timezone, now_us);
        grown.extend(counts.into_iter().map(|(account, months)| Grown {
            account,
            before_us,
            months,
        }));
    }
    Ok(grown)
}

/// Days that a learnt limit is learnt from, before yesterday, which the till counts itself.
const LEARNT_DAYS: i32 = 30;

/// An account whose limit of a day is learnt, and from which days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Learner {
    account: AccountId,
    tenant: TenantId,
    learning: Learning,
    /// Days that began before this are counted by the database.
    before_us: i64,
}

/// What the dearest day cost each of them.
pub(crate) type Learnt = Vec<(Learner, Amount)>;

/// The accounts whose limit of a day is learnt.
pub(crate) fn learners(office: &Office, now_us: i64) -> Vec<Learner> {
    let world = office.world();
    let mut days: BTreeMap<TenantId, i64> = BTreeMap::new();
    let mut before = |tenant: TenantId| {
        *days.entry(tenant).or_insert_with(|| {
            let timezone = world.tenant(tenant).map_or("UTC", |tenant| tenant.timezone.as_str());
            let Calendar([Bounds { before_us, .. }, _]) = calendar(timezone, now_us);
            before_us
        })
    };
    let learner = |account: &strowger_model::Account| {
        let (account, tenant, learning) = (account.id, account.tenant, office.learning(account)?);
        Some(Learner { account, tenant, learning, before_us: before(tenant) })
    };
    world.accounts().filter_map(learner).collect()
}

/// The days of a tenant that are learnt from, oldest first: beginning and end.
fn learnt_days(timezone: &str, now_us: i64) -> Vec<(i64, i64)> {
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    let now = Timestamp::from_microsecond(now_us).unwrap_or_default().to_zoned(zone);
    let today = now.date();
    let begin_of = |back: i32| begin(&now, today.saturating_sub(back.days()));
    let days = (2..=LEARNT_DAYS.saturating_add(1)).rev();
    days.map(|back| (begin_of(back), begin_of(back - 1))).collect()
}

/// Counts what the dearest day cost accounts whose limits are learnt.
pub(crate) async fn learnt(
    reader: &Reader,
    world: &World,
    learners: &[Learner],
    now_us: i64,
) -> Result<Learnt, StoreError> {
    let mut peaks: BTreeMap<AccountId, (Learner, Amount)> =
        learners.iter().map(|one| (one.account, (*one, Amount::ZERO))).collect();
    let tenants: BTreeSet<TenantId> = learners.iter().map(|one| one.tenant).collect();
    for tenant in tenants {
        let timezone = world.tenant(tenant).map_or("UTC", |tenant| tenant.timezone.as_str());
        for day in learnt_days(timezone, now_us) {
            for (account, used) in reader.spent_between(tenant, day).await? {
                if let Some((learner, peak)) = peaks.get_mut(&account) {
                    *peak = learner.learning.after(*peak, used);
                }
            }
        }
    }
    Ok(peaks.into_values().collect())
}

/// Tells the till.
pub(crate) fn load_learnt(office: &mut Office, learnt: &Learnt) {
    for (learner, peak) in learnt {
        office.load_learnt(learner.account, learner.before_us, *peak, clock::monotonic());
    }
}

/// Tells the till.
pub(crate) fn load_grown(office: &mut Office, grown: &[Grown]) {
    for Grown { account, before_us, months } in grown {
        office.load_grown(*account, *before_us, *months, clock::monotonic());
    }
}

/// The calendars of all tenants that an office knows.
pub(crate) fn all(office: &Office, now_us: i64) -> Vec<(TenantId, Calendar)> {
    let tenants = office.world().tenants();
    tenants.map(|tenant| (tenant.id, calendar(&tenant.timezone, now_us))).collect()
}

/// Says which time zones this host does not know; at boot and for a new world, not each time.
pub(crate) fn warn_unknown(world: &World) {
    for tenant in world.tenants() {
        if let Err(e) = TimeZone::get(&tenant.timezone) {
            let (tenant, timezone) = (tenant.id.0, tenant.timezone.as_str());
            warn!(tenant, timezone, "not known, days and months begin as in UTC: {e}");
        }
    }
}

/// The earliest time that the calendars reach back to; what began before counts nowhere.
pub(crate) fn earliest_us(calendars: &[(TenantId, Calendar)]) -> i64 {
    let bounds = calendars.iter().flat_map(|(_, calendar)| calendar.0);
    bounds.map(|bounds| bounds.before_us).min().unwrap_or(i64::MAX)
}

/// Tells the till of the calendars of the world in force.
fn tell(office: &mut Office) {
    let calendars = all(office, clock::wall_us());
    office.set_calendars(&calendars, clock::monotonic());
}

/// As an order.
pub(crate) fn order() -> Order {
    Order::Query(Box::new(tell))
}

/// Keeps the till's calendars, and limits that grow, until the decider ends.
pub(crate) async fn keep(orders: Orders, reader: Reader) {
    let mut known: Vec<Learner> = Vec::new();
    loop {
        tokio::time::sleep(TELL).await;
        let told = ask(&orders, |office| {
            tell(office);
            (Arc::clone(office.world()), learners(office, clock::wall_us()))
        });
        let Ok((world, learners)) = told.await else { return };
        // Counted again when a day begins, or another account learns.
        if known != learners {
            match learnt(&reader, &world, &learners, clock::wall_us()).await {
                Ok(learnt) => {
                    known = learners;
                    if ask(&orders, move |office| load_learnt(office, &learnt)).await.is_err() {
                        return;
                    }
                }
                Err(e) => warn!("days of accounts are not counted: {}", chain(&e)),
            }
        }
        match grown(&reader, &world, clock::wall_us()).await {
            Ok(grown) if grown.is_empty() => {}
            Ok(grown) => {
                if ask(&orders, move |office| load_grown(office, &grown)).await.is_err() {
                    return;
                }
            }
            // What the till knows stands; it is told the next time.
            Err(e) => warn!("months of accounts are not counted: {}", chain(&e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    /// Beginnings of the period before, of this one and of the next.
    #[track_caller]
    fn check(zone: &str, now: &str, kind: usize, expect: [&str; 3]) {
        let bounds = calendar(zone, us(now)).0[kind];
        assert_eq!([bounds.before_us, bounds.from_us, bounds.next_us], expect.map(us), "{now}");
    }

    #[test]
    fn days_and_months_begin_at_local_midnight() {
        let day = ["2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"];
        check("UTC", "2026-01-31T00:00:00Z", 0, day);
        check("UTC", "2026-01-31T23:59:59.999999Z", 0, day);
        let month = ["2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"];
        check("UTC", "2026-01-31T23:59:59.999999Z", 1, month);
        // Half past eleven at night in Berlin is still yesterday.
        let day = ["2026-01-29T23:00:00Z", "2026-01-30T23:00:00Z", "2026-01-31T23:00:00Z"];
        check("Europe/Berlin", "2026-01-31T22:59:59Z", 0, day);
        let month = ["2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z"];
        check("Europe/Berlin", "2026-01-31T23:00:00Z", 1, month);
        check(
            "Asia/Kathmandu",
            "2026-01-31T18:15:00Z",
            1,
            ["2025-12-31T18:15:00Z", "2026-01-31T18:15:00Z", "2026-02-28T18:15:00Z"],
        );
    }

    #[test]
    fn a_day_of_a_clock_change_is_longer_or_shorter() {
        let long = ["2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"];
        check("Europe/Berlin", "2026-10-25T12:00:00Z", 0, long);
        let short = ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"];
        check("Europe/Berlin", "2026-03-29T12:00:00Z", 0, short);
        let month = ["2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"];
        check("Europe/Berlin", "2026-04-01T00:00:00Z", 1, month);
        // Every boundary is one of quarters of an hour, as the database counts.
        for zone in ["Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"] {
            for bounds in calendar(zone, us("2026-04-05T00:00:00Z")).0 {
                for at in [bounds.before_us, bounds.from_us, bounds.next_us] {
                    assert_eq!(at % strowger_store::QUARTER_US, 0, "{zone}");
                }
            }
        }
    }

    #[test]
    fn months_of_a_limit_that_grows_go_back_to_that_of_its_beginning() {
        let now = us("2026-03-29T12:00:00Z");
        let months = |since: &str| months_since("Europe/Berlin", us(since), now);
        let january = (us("2025-12-31T23:00:00Z"), us("2026-01-31T23:00:00Z"));
        let december = (us("2025-11-30T23:00:00Z"), january.0);
        // The last month and this one are the till's own.
        assert_eq!(months("2026-02-01T00:00:00Z"), []);
        assert_eq!(months("2026-01-31T22:59:59Z"), [january]);
        assert_eq!(months("2025-12-24T00:00:00Z"), [january, december]);
        assert_eq!(january.1, calendar("Europe/Berlin", now).0[1].before_us);
        let all = months_since("UTC", 0, now);
        assert_eq!(all.len(), usize::try_from(MONTHS_MAX).unwrap());
    }

    #[test]
    fn thirty_days_before_yesterday_are_learnt_from() {
        let now = us("2026-03-31T12:00:00Z");
        let days = learnt_days("Europe/Berlin", now);
        assert_eq!(days.len(), 30);
        let [first, .., last] = days.as_slice() else { panic!() };
        assert_eq!(first.0, us("2026-02-27T23:00:00Z"));
        // The last ends where yesterday begins, which the till counts itself.
        assert_eq!(*last, (us("2026-03-28T23:00:00Z"), us("2026-03-29T22:00:00Z")));
        assert_eq!(last.1, calendar("Europe/Berlin", now).0[0].before_us);
        assert!(days.windows(2).all(|pair| pair[0].1 == pair[1].0));
    }

    #[test]
    fn clocks_of_zones_are_told_as_offsets() {
        let zones = zones(["Europe/Berlin", "Asia/Kathmandu", "Nowhere/At_All"].into_iter());
        assert_eq!(zones.len(), 2);
        let check = |name: &str, at: &str, offset_s| {
            assert_eq!(zones[name].offset_s(us(at)), offset_s, "{name} {at}");
        };
        check("Europe/Berlin", "2026-03-29T00:59:59.999999Z", 3_600);
        check("Europe/Berlin", "2026-03-29T01:00:00Z", 7_200);
        check("Europe/Berlin", "2026-10-25T00:59:59.999999Z", 7_200);
        check("Europe/Berlin", "2026-10-25T01:00:00Z", 3_600);
        check("Europe/Berlin", "2050-07-01T00:00:00Z", 7_200);
        check("Asia/Kathmandu", "2026-01-01T00:00:00Z", 20_700);
        // Whatever the moment, as the database of time zones has it.
        for (name, zone) in &zones {
            let known = TimeZone::get(name).unwrap();
            for hours in (-100_000..100_000).step_by(997) {
                let at_us = us("2026-06-01T00:00:00Z") + hours * 3_600_000_000;
                let at = Timestamp::from_microsecond(at_us).unwrap();
                assert_eq!(zone.offset_s(at_us), known.to_offset(at).seconds(), "{name} {at}");
            }
        }
    }

    #[test]
    fn days_keep_the_time_of_the_day() {
        let after = |from: &str, days| days_after("Europe/Berlin", us(from), days);
        assert_eq!(after("2026-03-28T23:00:00Z", 1), us("2026-03-29T22:00:00Z"));
        assert_eq!(after("2026-03-28T23:00:00Z", 30), us("2026-04-27T22:00:00Z"));
        assert_eq!(after("2026-10-24T22:00:00Z", 366), us("2027-10-25T22:00:00Z"));
    }

    #[test]
    fn an_unknown_zone_is_utc() {
        let now = us("2026-01-31T12:00:00Z");
        assert_eq!(calendar("Nowhere/At_All", now), calendar("UTC", now));
    }
}
