//! Questions about statistics: which cells answer, and what they sum to.

use super::cell::{MEASURES, Measures, Money, classes_within, currency_of, digits_of};
use super::{Cube, DAY_US};
use crate::column::Columns;
use crate::open::Engine;
use crate::scope::{IN_ORGANIZATION, Scope};
use crate::usage::QUARTER_US;
use crate::{Reader, StoreError, Tried};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use strowger_model::{Currency, Digits, TenantId, Zone};

const HOUR_US: i64 = 3_600_000_000;
/// Days that a question may span.
const DAYS_MAX: i64 = 400;
/// The index by which cells of one account or trunk are found, however many others there are.
const SUBJECT_INDEX: &str = "statistic_cells_subject";
/// Most sums that the database may answer with.
const SUMS_MAX: usize = 200_000;

/// Lengths of time that cells are put together by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    /// An hour of the tenant's clock.
    Hour,
    /// A day of it.
    Day,
    /// Seven days from Monday on.
    Week,
    /// A month of its calendar.
    Month,
}

/// Whose calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatisticSubject {
    /// Accounts that called.
    Account,
    /// Trunks that sent calls.
    Ingress,
    /// Trunks that calls were sent to, each attempt.
    Egress,
}

/// What has a line of its own in the answer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct StatisticBy {
    /// Times.
    pub time: Option<TimeUnit>,
    /// Accounts or trunks.
    pub subject: Option<StatisticSubject>,
    /// Destinations.
    pub destination: bool,
}

/// A question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatisticQuestion {
    /// Whose calls; `None` = of all that the scope sees, each day by its tenant's own clock.
    pub tenant: Option<TenantId>,
    /// Calls that began then or later, microseconds since 1970 UTC; at a quarter of an hour.
    pub from_us: i64,
    /// Calls that began before; at a quarter of an hour.
    pub until_us: i64,
    /// What has a line of its own.
    pub by: StatisticBy,
    /// Only calls of this account or trunk.
    pub only: Option<(StatisticSubject, i64)>,
    /// Only called numbers whose destination begins so.
    pub destination: Option<Digits>,
}

/// Why a question has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnfitQuestion {
    /// It names two kinds of accounts and trunks.
    TwoSubjects,
    /// Where calls came from is not counted by destination.
    IngressByDestination,
    /// Destinations of all accounts, each by itself, are not counted: one must be named.
    AccountsByDestination,
    /// Destinations are not counted by the hour.
    DestinationByHour,
    /// It begins or ends within a quarter of an hour.
    NoQuarter,
    /// With destinations it begins and ends where a day of the tenant does.
    NoDay,
    /// It spans more than 400 days.
    TooLong,
    /// Whoever asks sees accounts only, not trunks.
    NotForYou,
}

/// One line of an answer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Statistic {
    /// Beginning of its time, microseconds since 1970 UTC.
    pub from_us: Option<i64>,
    /// How long that is, microseconds.
    pub span_us: i64,
    /// The account or trunk.
    pub subject: Option<i64>,
    /// The destination: its prefix, else the first digits.
    pub destination: Option<String>,
    /// What was counted.
    pub measures: Measures,
    /// What it cost, by currency.
    pub money: Vec<(Currency, Money)>,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Statistics {
    /// Its lines, in order of time, subject and destination.
    pub lines: Vec<Statistic>,
    /// There is more than one answer may have: nothing of it is here.
    pub is_too_much: bool,
}

/// Which cells are read.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Plan {
    cube: Cube,
    /// Slots, the last one excluded.
    slots: (i64, i64),
    is_by_day: bool,
}

impl StatisticQuestion {
    /// The account or trunk that it is about, and whether one is named.
    fn subject(&self, scope: Scope) -> Result<Option<(StatisticSubject, bool)>, UnfitQuestion> {
        let named = self.only.map(|(kind, _)| kind);
        if let (Some(by), Some(named)) = (self.by.subject, named)
            && by != named
        {
            return Err(UnfitQuestion::TwoSubjects);
        }
        let is_one = named.is_some() || matches!(scope, Scope::Customer(..));
        let kind = named.or(self.by.subject);
        match scope {
            Scope::All | Scope::Tenant(_) | Scope::Nothing => Ok(kind.map(|kind| (kind, is_one))),
            Scope::Organization(..) | Scope::Customer(..) => match kind {
                None | Some(StatisticSubject::Account) => {
                    Ok(Some((StatisticSubject::Account, is_one)))
                }
                Some(StatisticSubject::Ingress | StatisticSubject::Egress) => {
                    Err(UnfitQuestion::NotForYou)
                }
            },
            Scope::Supplier(..) | Scope::Subscriber(..) => Err(UnfitQuestion::NotForYou),
        }
    }

    fn plan(&self, scope: Scope, zone: &Zone) -> Result<Plan, UnfitQuestion> {
        use StatisticSubject::{Account, Egress, Ingress};
        let (from_us, until_us) = (self.from_us, self.until_us);
        if until_us.saturating_sub(from_us) > DAYS_MAX * DAY_US {
            return Err(UnfitQuestion::TooLong);
        }
        let is_quarter = |at_us: i64| at_us.rem_euclid(QUARTER_US) == 0;
        if !is_quarter(from_us) || !is_quarter(until_us) {
            return Err(UnfitQuestion::NoQuarter);
        }
        let is_midnight = |at_us: i64| zone.local_us(at_us).rem_euclid(DAY_US) == 0;
        let is_days = is_midnight(from_us) && is_midnight(until_us);
        let is_by_hour = self.by.time == Some(TimeUnit::Hour);
        let subject = self.subject(scope)?;
        let is_classed = self.by.destination || self.destination.is_some();
        let cube = if is_classed {
            match subject {
                _ if is_by_hour => return Err(UnfitQuestion::DestinationByHour),
                _ if !is_days => return Err(UnfitQuestion::NoDay),
                Some((Ingress, _)) => return Err(UnfitQuestion::IngressByDestination),
                Some((Account, false)) if self.by.subject.is_some() => {
                    return Err(UnfitQuestion::AccountsByDestination);
                }
                Some((Account, _)) => Cube::AccountClasses,
                Some((Egress, _)) => Cube::EgressClasses,
                None => Cube::Classes,
            }
        } else {
            match (subject.map(|(kind, _)| kind), is_days && !is_by_hour) {
                (None, _) => Cube::Tenant,
                (Some(Account), true) => Cube::AccountDay,
                (Some(Ingress), true) => Cube::IngressDay,
                (Some(Egress), true) => Cube::EgressDay,
                (Some(Account), false) => Cube::Account,
                (Some(Ingress), false) => Cube::Ingress,
                (Some(Egress), false) => Cube::Egress,
            }
        };
        let is_by_day = cube >= Cube::AccountDay;
        let slot = |at_us: i64| match is_by_day {
            true => zone.local_us(at_us).div_euclid(DAY_US),
            false => at_us.div_euclid(QUARTER_US),
        };
        Ok(Plan { cube, slots: (slot(from_us), slot(until_us)), is_by_day })
    }
}

/// The moment at which a clock of the zone shows a time; at the hour that a clock change leaves
/// out, the moment of the change.
fn moment(zone: &Zone, local_us: i64) -> i64 {
    let first = local_us.saturating_sub(zone.local_us(local_us).saturating_sub(local_us));
    local_us.saturating_sub(zone.local_us(first).saturating_sub(first))
}

/// Years since 0000-03-01 of the Gregorian calendar repeat after 400.
const ERA_DAYS: i64 = 146_097;
/// 1 January 1970, counted from 1 March of the year 0.
const EPOCH_DAY: i64 = 719_468;

/// Months since March of the year 0 in which a day lies, counted since 1970.
const fn march_month(day: i64) -> i64 {
    let day = day + EPOCH_DAY;
    let (era, of_era) = (day.div_euclid(ERA_DAYS), day.rem_euclid(ERA_DAYS));
    let leap = of_era / 1_460 - of_era / 36_524 + of_era / 146_096;
    let year = (of_era - leap) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // Months from March on have 153 days in each five.
    (era * 400 + year) * 12 + (5 * of_year + 2) / 153
}

/// The first day of a month that is counted so, since 1970.
const fn first_day(march_month: i64) -> i64 {
    let (year, month) = (march_month.div_euclid(12), march_month.rem_euclid(12));
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let days = of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5;
    era * ERA_DAYS + days - EPOCH_DAY
}

/// The day on which the month of a day begins, and that of the next (Gregorian calendar).
const fn month_of(day: i64) -> (i64, i64) {
    let month = march_month(day);
    (first_day(month), first_day(month + 1))
}

/// Beginning and end of the time that a slot belongs to, on the tenant's clock.
fn local_time(unit: TimeUnit, slot: i64, is_by_day: bool, zone: &Zone) -> (i64, i64) {
    let local_us = match is_by_day {
        true => slot.saturating_mul(DAY_US),
        false => zone.local_us(slot.saturating_mul(QUARTER_US)),
    };
    let day = local_us.div_euclid(DAY_US);
    let days = |(from, until): (i64, i64)| (from * DAY_US, until * DAY_US);
    match unit {
        TimeUnit::Hour => {
            let from_us = local_us - local_us.rem_euclid(HOUR_US);
            (from_us, from_us + HOUR_US)
        }
        TimeUnit::Day => days((day, day + 1)),
        // 1 January 1970 was a Thursday.
        TimeUnit::Week => {
            let monday = day - (day + 3).rem_euclid(7);
            days((monday, monday + 7))
        }
        TimeUnit::Month => days(month_of(day)),
    }
}

/// A line's place in the answer.
type Place = (Option<(i64, i64)>, Option<i64>, Option<i64>);

impl Reader {
    /// The clock by which the days of a tenant begin here.
    #[must_use]
    pub fn zone(&self, tenant: Option<TenantId>) -> Zone {
        tenant.map_or(Zone::UTC, |tenant| self.zones.of(tenant))
    }

    /// Answers a question about the calls in `scope`.
    ///
    /// # Errors
    /// [`StoreError`]; within it, why the question has no answer.
    pub async fn statistics(
        &self,
        scope: Scope,
        question: &StatisticQuestion,
    ) -> Result<Result<Statistics, UnfitQuestion>, StoreError> {
        let zone = self.zone(question.tenant);
        let plan = match question.plan(scope, &zone) {
            Ok(plan) => plan,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let (sql, values) = text(self.engine, scope, question, &plan);
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = values.iter().fold(query, |query, value| query.bind(*value));
        let rows = query.fetch_all(&self.pool).await.tried("sum statistics up")?;
        if rows.len() > SUMS_MAX {
            return Ok(Ok(Statistics { lines: Vec::new(), is_too_much: true }));
        }
        let by = question.by;
        let mut lines: BTreeMap<Place, (Measures, BTreeMap<i64, Money>)> = BTreeMap::new();
        for row in &rows {
            let c = Columns::new("statistic_cells", row);
            let slot = c.int("slot")?;
            let time = by.time.map(|unit| local_time(unit, slot, plan.is_by_day, &zone));
            let subject = by.subject.map(|_| c.int("subject_id")).transpose()?;
            let class = by.destination.then(|| c.int("class")).transpose()?;
            let (measures, money) = lines.entry((time, subject, class)).or_default();
            measures.add(&Measures::read(|name| c.int(name))?, 1);
            let paid = Money {
                customer: c.int("customer")?,
                reseller: c.int("reseller")?,
                supplier: c.int("supplier")?,
                sales: c.int("sales")?,
            };
            let currency = c.int("currency")?;
            if currency != 0 {
                money.entry(currency).or_default().add(&paid, 1);
            }
        }
        let whole = (question.from_us, question.until_us);
        let line = |(place, sums)| line(whole, &zone, place, sums);
        Ok(Ok(Statistics { lines: lines.into_iter().map(line).collect(), is_too_much: false }))
    }
}

fn line(
    (from_us, until_us): (i64, i64),
    zone: &Zone,
    (time, subject, class): Place,
    (measures, money): (Measures, BTreeMap<i64, Money>),
) -> Statistic {
    let time = time.map(|(from, until)| (moment(zone, from), moment(zone, until)));
    let inside = time.map(|(from, until)| (from.max(from_us), until.min(until_us)));
    let (from, until) = inside.unwrap_or((from_us, until_us));
    let money = money.into_iter().filter_map(|(of, sum)| Some((currency_of(of)?, sum)));
    Statistic {
        from_us: time.map(|(from, _)| from),
        span_us: until.saturating_sub(from),
        subject,
        destination: class.map(digits_of),
        measures,
        money: money.collect(),
    }
}

/// The statement that sums the cells of a plan up, and its values.
fn text(
    engine: Engine,
    scope: Scope,
    question: &StatisticQuestion,
    plan: &Plan,
) -> (String, Vec<i64>) {
    let by = question.by;
    let is_of_some = question.only.is_some()
        || matches!(scope, Scope::Organization(..) | Scope::Customer(..) | Scope::Nothing);
    let found_by = if is_of_some { engine.found_by(SUBJECT_INDEX) } else { String::new() };
    let mut values = vec![plan.cube as i64, plan.slots.0, plan.slots.1];
    let mut conditions = String::from("cube = $1 AND slot >= $2 AND slot < $3");
    let mut and = |condition: &str, more: &[i64]| {
        let mut condition = condition.to_owned();
        for value in more {
            values.push(*value);
            condition = condition.replacen('?', &format!("${}", values.len()), 1);
        }
        conditions.push_str(" AND ");
        conditions.push_str(&condition);
    };
    if let Some(tenant) = scope.tenant() {
        and("tenant_id = ?", &[tenant.0]);
    }
    if let Some(tenant) = question.tenant {
        and("tenant_id = ?", &[tenant.0]);
    }
    if let Some((_, id)) = question.only {
        and("subject_id = ?", &[id]);
    }
    match scope {
        Scope::Nothing => and("1 = 0", &[]),
        Scope::Organization(_, id) => {
            let sql = format!("subject_id IN (SELECT id FROM accounts WHERE {IN_ORGANIZATION})");
            and(&sql, &[id.0]);
        }
        Scope::Customer(_, id) => and("subject_id = ?", &[id.0]),
        Scope::All | Scope::Tenant(_) | Scope::Supplier(..) | Scope::Subscriber(..) => {}
    }
    if let Some(prefix) = &question.destination {
        let ranges = classes_within(prefix);
        let any = vec!["(class >= ? AND class <= ?)"; ranges.len()].join(" OR ");
        let ends: Vec<i64> = ranges.into_iter().flat_map(|(first, last)| [first, last]).collect();
        and(&format!("({any})"), &ends);
    }
    let dimension = |is_wanted: bool, name: &str| match is_wanted {
        true => name.to_owned(),
        false => format!("CAST(0 AS BIGINT) AS {name}"),
    };
    let wanted = [
        (by.time.is_some(), "slot"),
        (by.subject.is_some(), "subject_id"),
        (by.destination, "class"),
    ];
    let shown = wanted.map(|(is_wanted, name)| dimension(is_wanted, name)).join(", ");
    let own = wanted.iter().filter(|(is_wanted, _)| *is_wanted);
    let groups: String = own.map(|(_, name)| format!("{name}, ")).collect();
    let sums = MEASURES.map(|name| format!("CAST(SUM({name}) AS BIGINT) AS {name}")).join(", ");
    let most = SUMS_MAX + 1;
    let sql = format!(
        "SELECT {shown}, currency, {sums} FROM statistic_cells{found_by} WHERE {conditions} \
         GROUP BY {groups}currency LIMIT {most}"
    );
    (sql, values)
}

#[cfg(test)]
mod plans;

#[cfg(test)]
mod tests {
    use super::*;

    fn question(by: StatisticBy) -> StatisticQuestion {
        StatisticQuestion {
            tenant: Some(TenantId(1)),
            from_us: 0,
            until_us: 2 * DAY_US,
            by,
            only: None,
            destination: None,
        }
    }

    fn by(
        time: Option<TimeUnit>,
        subject: Option<StatisticSubject>,
        destination: bool,
    ) -> StatisticBy {
        StatisticBy { time, subject, destination }
    }

    #[test]
    fn each_question_has_its_cube() {
        use StatisticSubject::{Account, Egress, Ingress};
        let tenant = Scope::Tenant(TenantId(1));
        let cube = |q: StatisticQuestion| q.plan(tenant, &Zone::UTC).map(|plan| plan.cube);
        let hour = Some(TimeUnit::Hour);
        for (asked, expect) in [
            (by(None, None, false), Ok(Cube::Tenant)),
            (by(hour, None, false), Ok(Cube::Tenant)),
            (by(None, Some(Account), false), Ok(Cube::AccountDay)),
            (by(hour, Some(Account), false), Ok(Cube::Account)),
            (by(Some(TimeUnit::Month), Some(Egress), false), Ok(Cube::EgressDay)),
            (by(hour, Some(Ingress), false), Ok(Cube::Ingress)),
            (by(None, None, true), Ok(Cube::Classes)),
            (by(None, Some(Egress), true), Ok(Cube::EgressClasses)),
            (by(hour, None, true), Err(UnfitQuestion::DestinationByHour)),
            (by(None, Some(Account), true), Err(UnfitQuestion::AccountsByDestination)),
            (by(None, Some(Ingress), true), Err(UnfitQuestion::IngressByDestination)),
        ] {
            assert_eq!(cube(question(asked)), expect, "{asked:?}");
        }
        let named = StatisticQuestion {
            only: Some((Account, 7)),
            ..question(by(None, Some(Account), true))
        };
        assert_eq!(cube(named.clone()), Ok(Cube::AccountClasses));
        let two = StatisticQuestion { only: Some((Egress, 7)), ..named };
        assert_eq!(cube(two), Err(UnfitQuestion::TwoSubjects));
    }

    #[test]
    fn bounds_are_quarters_and_days_where_needed() {
        let tenant = Scope::Tenant(TenantId(1));
        let india = Zone::new(19_800, Vec::new()).unwrap();
        let at = |from_us, by| StatisticQuestion { from_us, ..question(by) };
        let plan = |q: &StatisticQuestion, zone: &Zone| q.plan(tenant, zone);
        let all = by(None, None, false);
        assert_eq!(plan(&at(1, all), &Zone::UTC), Err(UnfitQuestion::NoQuarter));
        assert_eq!(plan(&at(QUARTER_US, all), &Zone::UTC).unwrap().slots, (1, 192));
        let classed = by(None, None, true);
        assert_eq!(plan(&at(QUARTER_US, classed), &Zone::UTC), Err(UnfitQuestion::NoDay));
        assert_eq!(plan(&at(0, classed), &india), Err(UnfitQuestion::NoDay));
        let from_us = -19_800_000_000;
        let days = StatisticQuestion { until_us: from_us + DAY_US, ..at(from_us, classed) };
        assert_eq!(plan(&days, &india).unwrap().slots, (0, 1));
        let long = StatisticQuestion { until_us: 401 * DAY_US, ..question(all) };
        assert_eq!(plan(&long, &Zone::UTC), Err(UnfitQuestion::TooLong));
    }

    #[test]
    fn who_sees_accounts_sees_no_trunks() {
        let customer = Scope::Customer(TenantId(1), strowger_model::AccountId(3));
        let all = question(by(None, None, false));
        assert_eq!(all.plan(customer, &Zone::UTC).unwrap().cube, Cube::AccountDay);
        let trunks = question(by(None, Some(StatisticSubject::Egress), false));
        assert_eq!(trunks.plan(customer, &Zone::UTC), Err(UnfitQuestion::NotForYou));
    }

    #[test]
    fn times_begin_where_the_clock_says() {
        // Two hours ahead, from 10 days on one hour.
        let zone = Zone::new(7_200, vec![(10 * DAY_US, 3_600)]).unwrap();
        let (from_us, until_us) = local_time(TimeUnit::Day, 9, true, &zone);
        assert_eq!(moment(&zone, from_us), 9 * DAY_US - 2 * HOUR_US);
        assert_eq!(moment(&zone, until_us), 10 * DAY_US - 2 * HOUR_US);
        let (from_us, _) = local_time(TimeUnit::Day, 11, true, &zone);
        assert_eq!(moment(&zone, from_us), 11 * DAY_US - HOUR_US);
        // 1970-01-05 was a Monday.
        let utc = Zone::UTC;
        assert_eq!(local_time(TimeUnit::Week, 10, true, &utc), (4 * DAY_US, 11 * DAY_US));
        assert_eq!(local_time(TimeUnit::Month, 40, true, &utc), (31 * DAY_US, 59 * DAY_US));
        let quarter = 4 * 24 * 3 + 5;
        let hour = 3 * DAY_US + HOUR_US;
        assert_eq!(local_time(TimeUnit::Hour, quarter, false, &utc), (hour, hour + HOUR_US));
    }

    #[test]
    fn months_follow_each_other() {
        // 2000-02-29 was day 11,016 and the last of its month; 1900 and 2100 have none.
        assert_eq!(month_of(11_016), (10_988, 11_017));
        assert_eq!(month_of(20_500), (20_485, 20_513), "2026-02-16");
        let (mut day, mut months) = (-25_567, 0);
        while day < 47_482 {
            let (first, next) = month_of(day);
            assert_eq!(first, day);
            assert!((28..=31).contains(&(next - first)), "{day}");
            assert_eq!(month_of(next - 1), (first, next));
            (day, months) = (next, months + 1);
        }
        assert_eq!((day, months), (47_482, 200 * 12), "1900-01-01 to 2100-01-01");
    }
}
