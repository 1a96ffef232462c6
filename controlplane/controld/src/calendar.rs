//! Where the days and months of tenants begin, by their time zones: told to the till at boot, and
//! again long before the next ones begin.

use crate::decider::{Order, Orders};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use std::time::Duration;
use strowger_model::TenantId;
use strowger_office::{Bounds, Calendar, Office};
use strowger_port::clock;
use strowger_routing::World;
use tracing::warn;

/// How often the till is told; a period that is told once lasts until the next one has begun.
const TELL: Duration = Duration::from_secs(60);

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
pub(crate) fn order() -> Order {
    Order::Query(Box::new(|office| {
        let calendars = all(office, clock::wall_us());
        office.set_calendars(&calendars, clock::monotonic());
    }))
}

/// Keeps the till's calendars until the decider ends.
pub(crate) async fn keep(orders: Orders) {
    loop {
        tokio::time::sleep(TELL).await;
        let orders = orders.clone();
        // Giving an order may wait for room, which must not hold up the runtime.
        let told = tokio::task::spawn_blocking(move || orders.give(order())).await;
        if !matches!(told, Ok(true)) {
            return;
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
    fn an_unknown_zone_is_utc() {
        let now = us("2026-01-31T12:00:00Z");
        assert_eq!(calendar("Nowhere/At_All", now), calendar("UTC", now));
    }
}
