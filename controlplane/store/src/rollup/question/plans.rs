//! How each database finds the cells of a question: by its key or by the index of subjects, and of
//! no question all of them. Written down as they say it themselves.

use super::super::cell::KEYS;
use super::*;
use crate::{Place, Store};
use sqlx::{Executor, Row};
use std::path::Path;
use strowger_model::{AccountId, OrganizationId};

const TENANT: TenantId = TenantId(1);
/// Days, subjects and classes that there are cells of.
const DAYS: i64 = 24;
const SUBJECTS: i64 = 40;
const CLASSES: i64 = 20;

/// Fills a cube: as many cells as a switch of some accounts has in some weeks.
fn filled(cube: Cube) -> String {
    let slots = if cube >= Cube::AccountDay { DAYS } else { DAYS * 96 };
    let (subjects, classes) = match cube {
        Cube::Tenant => (1, 1),
        Cube::Classes => (1, CLASSES),
        Cube::AccountClasses | Cube::EgressClasses => (SUBJECTS, CLASSES),
        Cube::Account
        | Cube::Ingress
        | Cube::Egress
        | Cube::AccountDay
        | Cube::IngressDay
        | Cube::EgressDay
        | Cube::DirectionDay
        | Cube::DirectionMonth => (SUBJECTS, 1),
    };
    let each = subjects * classes;
    let ones = vec!["1"; MEASURES.len()].join(", ");
    format!(
        "INSERT INTO statistic_cells ({}, {}) WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL \
         SELECT i + 1 FROM n WHERE i < {}) SELECT {}, i / {each}, 1, i % {subjects}, \
         (i % {each}) / {subjects}, 0, {ones} FROM n",
        KEYS.join(", "),
        MEASURES.join(", "),
        slots * each - 1,
        cube as i64,
    )
}

async fn fill(store: &Store) {
    let mut turn = store.write().await.unwrap();
    let cubes = [
        Cube::Tenant,
        Cube::Account,
        Cube::Ingress,
        Cube::Egress,
        Cube::AccountDay,
        Cube::IngressDay,
        Cube::EgressDay,
        Cube::Classes,
        Cube::AccountClasses,
        Cube::EgressClasses,
    ];
    for cube in cubes {
        turn.tx.execute(AssertSqlSafe(filled(cube))).await.unwrap();
    }
    turn.commit().await.unwrap();
}

/// What PostgreSQL does by itself some time after a table was filled, and SQLite never does.
async fn analyse(store: &Store) {
    let mut turn = store.write().await.unwrap();
    turn.tx.execute("ANALYZE statistic_cells").await.unwrap();
    turn.commit().await.unwrap();
}

/// Two days in the middle.
fn asked(by: StatisticBy) -> StatisticQuestion {
    StatisticQuestion {
        tenant: Some(TENANT),
        from_us: 10 * DAY_US,
        until_us: 12 * DAY_US,
        by,
        only: None,
        destination: None,
    }
}

/// What to ask, and whether one subject is named, by which its cells are found.
fn questions() -> Vec<(&'static str, Scope, StatisticQuestion, bool)> {
    use StatisticSubject::{Account, Egress, Ingress};
    let (all, hour, day) = (Scope::Tenant(TENANT), Some(TimeUnit::Hour), Some(TimeUnit::Day));
    let by = |time, subject, destination| asked(StatisticBy { time, subject, destination });
    let of = |subject, question| StatisticQuestion { only: Some((subject, 7)), ..question };
    let begins = |question| StatisticQuestion { destination: Digits::parse("4").ok(), ..question };
    let customer = Scope::Customer(TENANT, AccountId(7));
    let reseller = Scope::Organization(TENANT, OrganizationId(7));
    vec![
        ("all", all, by(None, None, false), false),
        ("hours", all, by(hour, None, false), false),
        ("accounts", all, by(None, Some(Account), false), false),
        ("trunks by hour", all, by(hour, Some(Egress), false), false),
        ("senders by day", all, by(day, Some(Ingress), false), false),
        ("destinations", all, by(None, None, true), false),
        ("trunks and destinations", all, by(None, Some(Egress), true), false),
        ("some destinations", all, begins(by(day, None, false)), false),
        ("an account by hour", all, of(Account, by(hour, None, false)), true),
        ("an account by day", all, of(Account, by(day, None, false)), true),
        ("an account's destinations", all, of(Account, by(None, None, true)), true),
        ("a trunk by hour", all, of(Egress, by(hour, None, false)), true),
        ("a trunk to some", all, begins(of(Egress, by(day, None, false))), true),
        ("a customer's own", customer, by(hour, None, false), true),
        ("a reseller's accounts by hour", reseller, by(hour, Some(Account), false), true),
    ]
}

/// The plan of a question as the database tells it.
async fn plan(
    store: &Store,
    explain: &str,
    (scope, question): (Scope, &StatisticQuestion),
) -> String {
    let plan = question.plan(scope, &Zone::UTC).unwrap();
    let (mut sql, values) = text(store.engine, scope, question, &plan);
    // Each place with its value, the last first: $1 is the beginning of $12.
    for (place, value) in values.iter().enumerate().rev() {
        sql = sql.replace(&format!("${}", place + 1), &value.to_string());
    }
    let rows = sqlx::query(AssertSqlSafe(format!("{explain} {sql}")));
    let rows = rows.fetch_all(&store.reader().pool).await.unwrap();
    let column = if explain == "EXPLAIN" { 0 } else { 3 };
    rows.iter().map(|row| row.get::<String, _>(column) + "\n").collect()
}

#[tokio::test]
async fn sqlite_finds_cells_by_their_key_or_by_their_subject() {
    let dir = std::env::temp_dir().join(format!("strowger-plans-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let store = Store::open_at(&Place::File(dir.join("a.db"))).await.unwrap();
    fill(&store).await;
    for (name, scope, question, is_one) in questions() {
        let said = plan(&store, "EXPLAIN QUERY PLAN", (scope, &question)).await;
        let found = |by: &str| said.contains(&format!("SEARCH statistic_cells USING {by}"));
        let expect = match is_one {
            true => "INDEX statistic_cells_subject (cube=? AND subject_id=? AND slot>? AND slot<?)",
            false => "PRIMARY KEY (cube=? AND slot>? AND slot<?)",
        };
        assert!(found(expect), "{name}: {said}");
        assert!(!said.contains("SCAN statistic_cells"), "{name}: {said}");
    }
    store.close().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn postgres_finds_cells_by_their_key_or_by_their_subject() {
    let Ok(server) = std::env::var("STROWGER_TEST_POSTGRES") else { return };
    sqlx::any::install_default_drivers();
    let admin = sqlx::AnyPool::connect(&server).await.unwrap();
    let name = format!("plans_{}", std::process::id());
    admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}"))).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let mark = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{mark}dbname={name}");
    let place = Place::parse(&url, Path::new(""), Path::new("")).unwrap();
    let store = Store::open_at(&place).await.unwrap();
    fill(&store).await;
    analyse(&store).await;
    for (name, scope, question, is_one) in questions() {
        let said = plan(&store, "EXPLAIN", (scope, &question)).await;
        let expect = if is_one { "statistic_cells_subject" } else { "statistic_cells_pkey" };
        assert!(said.contains(expect), "{name}: {said}");
        assert!(!said.contains("Seq Scan on statistic_cells"), "{name}: {said}");
    }
    store.close().await;
    let sql = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute(AssertSqlSafe(sql)).await.unwrap();
}
