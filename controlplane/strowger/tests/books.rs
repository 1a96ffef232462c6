//! `strowger books check` on a real database: sound, with a planted row, and without one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sqlx::{AnyConnection, Connection, Executor};
use std::path::Path;
use std::process::Command;
use strowger_billing::{Cause, LedgerAccount, LedgerKind, Owner, Transfer, TransferKind, Unit};
use strowger_model::{AccountId, Amount, Currency, Digits, Normalisation, Price, Tenant, TenantId};
use strowger_store::Store;

fn tenant() -> Tenant {
    Tenant {
        id: TenantId(1),
        name: "Own".into(),
        realm: "own.example".into(),
        domains: Vec::new(),
        currency: Currency::new("EUR", 2).unwrap(),
        timezone: "UTC".into(),
        algorithms: Vec::new(),
        country_prefix: Digits::parse("49").unwrap(),
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: 60,
        talk_s_max: 7200,
        media_start_timeout_s: 30,
        media_timeout_s: 60,
        subscriber_day_max: None,
        trunk_day_max: None,
    }
}

/// A payment of 5.00 into account 1.
fn payment() -> Transfer {
    let unit = Unit::Money(Currency::new("EUR", 2).unwrap());
    let account = |owner, kind| LedgerAccount { tenant: TenantId(1), owner, kind, unit };
    let cash = account(Owner::Tenant, LedgerKind::Cash);
    let balance = account(Owner::Account(AccountId(1)), LedgerKind::Balance);
    let amount = Amount(500_000_000);
    Transfer::new(1, cash, balance, amount, TransferKind::Payment, Cause::Request(1)).unwrap()
}

/// Exit code and standard output.
fn check(data: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strowger"));
    let out = command.args(["books", "check", "--data"]).arg(data).output().unwrap();
    (out.status.code(), String::from_utf8(out.stdout).unwrap())
}

async fn seed(dir: &Path) {
    let store = Store::open(&dir.join("strowger.db")).await.unwrap();
    let mut w = store.write().await.unwrap();
    w.insert_tenant(&tenant()).await.unwrap();
    w.insert_transfer(&payment()).await.unwrap();
    w.commit().await.unwrap();
    assert!(store.checkpoint(2).await.unwrap());
    store.close().await;
}

async fn plant(dir: &Path, sql: &'static str) {
    let url = format!("sqlite:{}", dir.join("strowger.db").display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    connection.execute(sql).await.unwrap();
    connection.close().await.unwrap();
}

#[test]
fn what_is_planted_is_found() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = std::env::temp_dir().join(format!("strowger-books-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // Nothing is created where nothing is.
    assert_eq!(check(&dir), (Some(2), String::new()));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);

    runtime.block_on(seed(&dir));
    let sound = "the books are sound: 0 batches, 1 transfers, 2 ledger accounts\n";
    assert_eq!(check(&dir), (Some(0), sound.to_owned()));

    runtime.block_on(plant(&dir, "UPDATE transfers SET amount = 900000000"));
    let (code, said) = check(&dir);
    assert_eq!(code, Some(1), "{said}");
    let expect = "ledger account 2: its checkpoint leads to 500000000, its transfers to 900000000";
    assert_eq!(said.lines().nth(1), Some(expect), "{said}");
    assert_eq!(said.lines().count(), 3, "{said}");
    std::fs::remove_dir_all(&dir).unwrap();
}
