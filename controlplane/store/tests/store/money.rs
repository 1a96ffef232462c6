//! Payments and adjustments: once for each key, with their transfer, and shown as entries.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use strowger_billing::TransferKind;
use strowger_model::{AccountId, Amount, Currency, TenantId};
use strowger_store::{
    Finding, LedgerEntry, MoneyKind, MoneyRequest, NewMoney, Position, StoreError,
};

on_both! {
    money_is_written_once_for_each_key
    entries_come_newest_first_in_pages
    a_request_that_moved_something_else_is_found
}

fn money(key: &str, kind: MoneyKind, amount: i64) -> NewMoney {
    NewMoney {
        tenant: TenantId(1),
        account: AccountId(1),
        key: key.into(),
        kind,
        from: None,
        amount: Amount(amount),
        currency: Currency::new("EUR", 2).unwrap(),
        reason: format!("because of {key}"),
        actor: "admin".into(),
        at_us: 7,
    }
}

async fn write(db: &Db, new: &NewMoney) -> Result<MoneyRequest, StoreError> {
    let mut w = db.store.write().await?;
    let request = w.insert_money(new).await?;
    w.commit().await?;
    Ok(request)
}

async fn balance(db: &Db) -> i64 {
    let balances = db.store.reader().balances().await.unwrap();
    balances.iter().find(|b| b.account == AccountId(1)).map_or(0, |b| b.balance.0)
}

async fn money_is_written_once_for_each_key(db: &Db) {
    write_all(&db.store, &sample()).await;
    let reader = db.store.reader();
    assert_eq!(reader.money_request(AccountId(1), "a").await.unwrap(), None);
    let first = write(db, &money("a", MoneyKind::Payment, 500)).await.unwrap();
    assert_eq!(reader.money_request(AccountId(1), "a").await.unwrap().as_ref(), Some(&first));
    // The same key again is refused whole, whatever stands beside it.
    assert!(write(db, &money("a", MoneyKind::Adjustment, -1)).await.is_err());
    assert_eq!(balance(db).await, 500);
    write(db, &money("b", MoneyKind::Adjustment, -120)).await.unwrap();
    write(db, &money("c", MoneyKind::Adjustment, 20)).await.unwrap();
    assert_eq!(balance(db).await, 400);
    // Nothing moves nothing, and the key is free for something that does.
    assert!(write(db, &money("d", MoneyKind::Payment, 0)).await.is_err());
    write(db, &money("d\0", MoneyKind::Payment, 1)).await.unwrap();
    assert!(reader.money_request(AccountId(1), "d\0").await.unwrap().is_some());
    let other = money("a", MoneyKind::Payment, 5);
    let nobody = NewMoney { account: AccountId(99), ..other };
    assert!(write(db, &nobody).await.is_err());
    assert_eq!(reader.books_check().await.unwrap().findings, []);
}

async fn entries_come_newest_first_in_pages(db: &Db) {
    write_all(&db.store, &sample()).await;
    write(db, &money("a", MoneyKind::Payment, 500)).await.unwrap();
    let records = [record(1, 0, 100, Some(1), 1), record(2, 0, 100, Some(1), 2)];
    let to = Position { seq: 3, ..Position::default() };
    db.store.ingest(0, Position::default(), to, &records, 9).await.unwrap();
    write(db, &money("b", MoneyKind::Adjustment, -120)).await.unwrap();
    let page = async |before, limit| {
        let reader = db.store.reader();
        reader.entries(TenantId(1), AccountId(1), before, limit).await.unwrap()
    };
    let all = page(None, 10).await;
    let short = |e: &LedgerEntry| (e.amount.0, e.kind, e.batch, e.reason.clone(), e.at_us);
    let because = |key: &str| Some(format!("because of {key}"));
    let expect = [
        (-120, TransferKind::Adjustment, None, because("b"), 7),
        (-3, TransferKind::Charge, Some(1), None, 9),
        (500, TransferKind::Payment, None, because("a"), 7),
    ];
    assert_eq!(all.iter().map(short).collect::<Vec<_>>(), expect);
    assert_eq!(page(None, 2).await, all[..2]);
    assert_eq!(page(Some(all[1].id), 2).await, all[2..]);
    let reader = db.store.reader();
    assert_eq!(reader.entries(TenantId(2), AccountId(1), None, 9).await.unwrap(), []);
}

async fn a_request_that_moved_something_else_is_found(db: &Db) {
    write_all(&db.store, &sample()).await;
    let request = write(db, &money("a", MoneyKind::Payment, 500)).await.unwrap().id;
    db.execute("UPDATE money_requests SET amount = 499").await.unwrap();
    let found = db.store.reader().books_check().await.unwrap().findings;
    assert_eq!(found, [Finding::Request { request, amount: 499, moved: 500 }]);
    let says = format!("request {request}: should move 499, its transfers move 500");
    assert_eq!(found[0].to_string(), says);
}
