//! The audit finds what was planted, and nothing else.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use sqlx::Row;
use strowger_model::{
    AccountId, Allowance, AllowanceId, Amount, Cdr, Charge, ChargeKind, Currency, Digits, Renewal,
    TenantId, TrunkId,
};
use strowger_store::{Finding, MoneyKind, NewAllowance, NewMoney, Position, Reader};

on_both! {
    sound_books_have_no_finding
    a_checkpoint_covers_what_moved_since
    a_planted_charge_is_found
    a_planted_commission_is_found
    a_payment_out_of_another_account_is_found_out
    a_price_that_was_not_paid_is_found
    a_planted_transfer_is_found
    a_planted_checkpoint_is_found
    a_lost_batch_is_found
    a_row_that_belongs_to_nothing_is_found
    a_planted_count_is_found
    usage_is_counted_with_the_records
    talk_is_counted_with_the_records
    calls_by_address_are_added_up
    free_time_is_counted_with_the_records
    packets_of_money_pay_for_records_in_their_order
    a_reader_creates_nothing
}

/// Free time of account 1 by this key and name.
fn free_time(key: &str) -> NewAllowance {
    NewAllowance {
        allowance: Allowance {
            id: AllowanceId(0),
            tenant: TenantId(1),
            account: AccountId(1),
            name: key.into(),
            prefix: None,
            seconds: 600,
            credit: Amount::ZERO,
            from_us: 5,
            until_us: 50,
            renewal: None,
            price: Amount::ZERO,
            vat_ppm: 0,
        },
        key: key.into(),
        renews: None,
        payee: None,
        actor: "admin".into(),
        at_us: 7,
    }
}

/// What the first record used of an allowance, and the second of another.
async fn free_time_is_counted_with_the_records(db: &Db) {
    write_all(&db.store, &sample()).await;
    let free = |id, allowance, free_ms| {
        let mut record = record(id, 0, 100, Some(1), 1);
        let customer = record.customer.as_mut().unwrap();
        (customer.allowance, customer.free_ms) = (Some(AllowanceId(allowance)), free_ms);
        record
    };
    let new = |key: &str, prefix: Option<&str>| NewAllowance {
        allowance: Allowance {
            prefix: prefix.map(|text| Digits::parse(text).unwrap()),
            ..free_time("n\0").allowance
        },
        ..free_time(key)
    };
    let mut ids = Vec::new();
    for new in [new("a", None), new("b", Some("44"))] {
        let mut w = db.store.write().await.unwrap();
        let given = w.insert_allowance(&new).await.unwrap();
        w.commit().await.unwrap();
        let name = "n\u{fffd}".to_owned();
        assert_eq!(given, Allowance { id: given.id, name, ..new.allowance });
        ids.push(given);
    }
    let mut w = db.store.write().await.unwrap();
    assert!(w.insert_allowance(&new("a", None)).await.is_err(), "a key counts once");
    drop(w);
    let reader = db.store.reader();
    let found = reader.allowance_with_key(AccountId(1), "b").await.unwrap();
    assert_eq!(found.as_ref(), ids.get(1));
    assert_eq!(reader.allowance_with_key(AccountId(2), "b").await.unwrap(), None);
    let (a, b) = (ids[0].id.0, ids[1].id.0);
    let mut at = Position::default();
    for records in [vec![free(1, a, 60_000), free(2, b, 1), free(3, a, 500)], vec![free(4, a, 7)]] {
        let to = Position { seq: at.seq + 1, ..at };
        db.store.ingest(0, at, to, &records, 9).await.unwrap();
        // Taken again, it counts nothing.
        assert!(db.store.ingest(0, at, to, &records, 9).await.is_err());
        at = to;
    }
    let list = reader.allowances_of(AccountId(1), None, 10).await.unwrap();
    assert_eq!(list.iter().map(|one| one.used_ms).collect::<Vec<_>>(), [60_507, 1]);
    assert_eq!(list.iter().map(|one| &one.allowance).collect::<Vec<_>>(), [&ids[0], &ids[1]]);
    assert_eq!(reader.allowances_of(AccountId(1), Some(ids[0].id), 10).await.unwrap(), list[1..]);
    assert_eq!(reader.allowances(49).await.unwrap(), list);
    assert_eq!(reader.allowances(50).await.unwrap(), []);
    let (first, second) = give_again(db).await;
    assert_eq!(findings(db).await, []);
    db.execute("UPDATE allowance_usage SET used_ms = used_ms + 2 WHERE used_ms = 1").await.unwrap();
    db.execute("UPDATE allowances SET until_us = 61 WHERE from_us = 20").await.unwrap();
    assert_eq!(
        findings(db).await,
        [
            Finding::Free { allowance: b, used: 1, counted: 3 },
            Finding::Renewal { allowance: second.0, renews: first.0 },
        ]
    );
}

/// Free time that renews stands there until its next is written, which happens once.
async fn give_again(db: &Db) -> (AllowanceId, AllowanceId) {
    let renewal = Some(Renewal { days: 3, until_us: 100 });
    let first = Allowance {
        id: AllowanceId(0),
        tenant: TenantId(1),
        account: AccountId(1),
        name: "r".into(),
        prefix: None,
        seconds: 60,
        credit: Amount::ZERO,
        from_us: 20,
        until_us: 60,
        renewal,
        price: Amount::ZERO,
        vat_ppm: 0,
    };
    let new = |allowance: &Allowance, renews| NewAllowance {
        allowance: allowance.clone(),
        key: "r".into(),
        renews,
        payee: None,
        actor: "admin".into(),
        at_us: 7,
    };
    let give = async |new| {
        let mut w = db.store.write().await.unwrap();
        let given = w.insert_allowance(&new).await?;
        w.commit().await.map(|()| given)
    };
    let due = async |at_us| db.store.reader().allowances_to_renew(at_us, 10).await.unwrap();
    let first = give(new(&first, None)).await.unwrap();
    assert_eq!(due(19).await, []);
    assert_eq!(due(20).await, std::slice::from_ref(&first));
    let second = first.next(first.until_us, 90).unwrap();
    assert_eq!((second.from_us, second.until_us, second.renewal), (60, 90, renewal));
    let second = give(new(&second, Some(first.id))).await.unwrap();
    assert_eq!(second.id, first.id.renewed());
    assert!(give(new(&second, Some(first.id))).await.is_err(), "each has one next");
    assert_eq!((due(59).await, due(60).await), (vec![], vec![second.clone()]));
    // The last one ends where all of it ends.
    let third = second.next(second.until_us, 120).unwrap();
    assert_eq!((third.from_us, third.until_us, third.next(third.until_us, 300)), (90, 100, None));
    give(new(&third, Some(second.id))).await.unwrap();
    assert_eq!(due(1_000).await, []);
    (first.id, second.id)
}

/// When the calls of the sample began.
const STARTED_US: i64 = 1;

/// Three batches, a checkpoint behind the second.
async fn books(db: &Db) {
    write_all(&db.store, &sample()).await;
    for n in 0..3u64 {
        let first = i64::try_from(n * 5 + 1).unwrap();
        let records: Vec<Cdr> =
            (first..first + 5).map(|id| record(id, 0, id * 100, Some(1), 1 + id % 2)).collect();
        let at = |seq| Position { seq, ..Position::default() };
        db.store.ingest(0, at(n * 10), at(n * 10 + 10), &records, 1).await.unwrap();
        if n == 1 {
            assert!(db.store.checkpoint(7).await.unwrap());
        }
    }
}

async fn findings(db: &Db) -> Vec<Finding> {
    let report = db.store.reader().books_check().await.unwrap();
    assert!(!report.more);
    report.findings
}

async fn sound_books_have_no_finding(db: &Db) {
    let empty = db.store.reader().books_check().await.unwrap();
    assert_eq!((empty.batches, empty.transfers, empty.findings), (0, 0, vec![]));
    books(db).await;
    let report = db.store.reader().books_check().await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.batches, report.transfers, report.accounts), (3, 6, 3));
}

async fn a_checkpoint_covers_what_moved_since(db: &Db) {
    assert!(!db.store.checkpoint(1).await.unwrap());
    books(db).await;
    let read = async || {
        let sql = "SELECT ledger_account_id AS id, up_to_transfer, balance, at_us \
             FROM balance_checkpoints ORDER BY ledger_account_id";
        let number = |row: &sqlx::any::AnyRow, column| row.get::<i64, _>(column);
        let row = |row: &sqlx::any::AnyRow| {
            (number(row, "up_to_transfer"), number(row, "balance"), number(row, "at_us"))
        };
        db.rows(sql).await.iter().map(row).collect::<Vec<_>>()
    };
    // Ids 1 to 10: the odd ones on account 2, the even ones on account 1, three charges each.
    let (odd, even) = ((1 + 3 + 5 + 7 + 9) * 3, (2 + 4 + 6 + 8 + 10) * 3);
    let mut balances: Vec<i64> = read().await.iter().map(|c| c.1).collect();
    balances.sort_unstable();
    assert_eq!(balances, [-even, -odd, odd + even]);
    assert!(read().await.iter().all(|c| (c.0, c.2) == (4, 7)), "{:?}", read().await);
    assert!(db.store.checkpoint(8).await.unwrap());
    assert!(read().await.iter().all(|c| (c.0, c.2) == (6, 8)), "{:?}", read().await);
    assert!(!db.store.checkpoint(9).await.unwrap());
    // One that is gone is made again from nothing, when its account is next booked on.
    db.execute("DELETE FROM balance_checkpoints WHERE ledger_account_id = 1").await.unwrap();
    assert_eq!(findings(db).await, []);
    let at = |seq| Position { seq, ..Position::default() };
    let more: Vec<Cdr> = (20..22).map(|id| record(id, 0, 1, Some(1), 1 + id % 2)).collect();
    db.store.ingest(0, at(30), at(31), &more, 1).await.unwrap();
    assert!(db.store.checkpoint(10).await.unwrap());
    assert_eq!(findings(db).await, []);
}

/// A record that costs 119 with tax, of which this packet is to pay.
fn packed(id: i64, packet: AllowanceId) -> Cdr {
    let mut record = record(id, 0, 100, Some(1), 1);
    let mut cost = record.customer.unwrap();
    (cost.net, cost.gross) = (Amount(100), Amount(119));
    record.customer = Some(cost);
    record.packet = Some(Charge {
        kind: ChargeKind::Packet,
        allowance: Some(packet),
        net: Amount::ZERO,
        gross: Amount::ZERO,
        vat_ppm: 0,
        tariff: None,
        rate: None,
        ..cost
    });
    record
}

/// A packet pays all of the first records and what it has left of the third; no more, whoever asks.
async fn packets_of_money_pay_for_records_in_their_order(db: &Db) {
    write_all(&db.store, &sample()).await;
    let credit = Amount(2 * 119 + 60);
    let new = NewAllowance {
        allowance: Allowance { seconds: 0, credit, ..free_time("p").allowance },
        ..free_time("p")
    };
    let mut w = db.store.write().await.unwrap();
    let given = w.insert_allowance(&new).await.unwrap();
    w.commit().await.unwrap();
    let packed = |id| packed(id, given.id);
    let reader = db.store.reader();
    let balance = async || {
        let balances = reader.balances().await.unwrap();
        balances.iter().find(|b| b.account == AccountId(1)).map_or(0, |b| b.balance.0)
    };
    let at = |seq| Position { seq, ..Position::default() };
    let alone = record(9, 0, 90, Some(1), 1);
    let first = db.store.ingest(0, at(0), at(1), &[alone], 1).await.unwrap();
    assert_eq!(first.records, None, "none names a packet");
    let before = balance().await;
    let paid = |records: &[Cdr]| -> Vec<Option<(i64, i64)>> {
        let packet = |cdr: &Cdr| cdr.packet.map(|p| (p.net.0, p.gross.0));
        records.iter().map(packet).collect()
    };
    let others = |cdr: &Cdr| {
        let sides = cdr.charges().filter(|charge| charge.account == AccountId(1));
        let sign = |charge: &Charge| match charge.kind {
            ChargeKind::Customer | ChargeKind::Reseller => -charge.gross.0,
            ChargeKind::Supplier | ChargeKind::Commission | ChargeKind::Packet => charge.gross.0,
        };
        sides.map(sign).sum::<i64>()
    };
    let mut moved = 0;
    for (seq, records, expect) in [
        (1, vec![packed(1), packed(2)], vec![Some((100, 119)), Some((100, 119))]),
        // Of 60 the tax is a part like that of 119, rounded down.
        (2, vec![packed(3), packed(4)], vec![Some((51, 60)), None]),
        (3, vec![packed(5)], vec![None]),
    ] {
        let taken = db.store.ingest(0, at(seq), at(seq + 1), &records, 1).await.unwrap();
        let stored = taken.records.unwrap();
        assert_eq!(paid(&stored), expect);
        // Who lost the answer reads the same.
        let again = reader.paid_by_packets(&records).await.unwrap().unwrap();
        assert_eq!(again, stored);
        moved += stored.iter().map(others).sum::<i64>();
        assert_eq!(balance().await - before, moved);
    }
    let list = reader.allowances_of(AccountId(1), None, 10).await.unwrap();
    assert_eq!((list[0].used, list[0].used_ms), (credit, 0));
    assert_eq!(list[0].allowance, given);
    let back =
        reader.cdr(strowger_store::Scope::All, strowger_model::CdrId(3)).await.unwrap().unwrap();
    assert_eq!(paid(&[back]), [Some((51, 60))]);
    assert_eq!(findings(db).await, []);
    db.execute("UPDATE allowance_usage SET used = used + 1").await.unwrap();
    let (used, counted) = (credit.0, credit.0 + 1);
    let found = Finding::Packet { allowance: given.id.0, used, counted };
    assert_eq!(findings(db).await, [found]);
}

async fn a_planted_commission_is_found(db: &Db) {
    write_all(&db.store, &sample()).await;
    let mut cdr = record(1, 0, 100, Some(1), 1);
    let paid = cdr.levels[0];
    let agent = |account| Charge {
        kind: ChargeKind::Commission,
        account: AccountId(account),
        payee: None,
        ..paid
    };
    cdr.commissions = vec![agent(2), agent(1)];
    let at = |seq| Position { seq, ..Position::default() };
    db.store.ingest(0, at(0), at(1), std::slice::from_ref(&cdr), 1).await.unwrap();
    assert_eq!(findings(db).await, []);
    db.execute("UPDATE cdr_levels SET net = net + 1, gross = gross + 1 WHERE position = 65")
        .await
        .unwrap();
    let found = findings(db).await;
    let [Finding::Batch { charged, moved, .. }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(*charged, moved + 1);
    let words = found[0].to_string();
    assert!(words.contains("its records say commission"), "{words}");
}

async fn a_price_that_was_not_paid_is_found(db: &Db) {
    write_all(&db.store, &sample()).await;
    let mut new = free_time("packet");
    (new.allowance.price, new.allowance.vat_ppm) = (Amount(119), 190_000);
    let mut w = db.store.write().await.unwrap();
    let given = w.insert_allowance(&new).await.unwrap();
    w.commit().await.unwrap();
    let read = db.store.reader().allowance_with_key(AccountId(1), "packet").await.unwrap();
    assert_eq!(read, Some(given));
    let balances = db.store.reader().balances().await.unwrap();
    assert_eq!(balances.iter().map(|b| b.balance.0).collect::<Vec<_>>(), [-119]);
    assert_eq!(findings(db).await, []);
    db.execute("UPDATE allowances SET price = 120").await.unwrap();
    let found = findings(db).await;
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["allowance 1: its price is 120, its transfers moved 119"]);
}

async fn a_payment_out_of_another_account_is_found_out(db: &Db) {
    write_all(&db.store, &sample()).await;
    let new = NewMoney {
        tenant: TenantId(1),
        account: AccountId(1),
        key: "k".into(),
        kind: MoneyKind::Payment,
        from: Some(AccountId(2)),
        amount: Amount(50),
        currency: Currency::new("EUR", 2).unwrap(),
        reason: "handed out".into(),
        actor: "admin".into(),
        at_us: 7,
    };
    let mut w = db.store.write().await.unwrap();
    let done = w.insert_money(&new).await.unwrap();
    w.commit().await.unwrap();
    assert_eq!(done.money.from, Some(AccountId(2)));
    let read = db.store.reader().money_request(AccountId(1), "k").await.unwrap();
    assert_eq!(read, Some(done));
    let balances = db.store.reader().balances().await.unwrap();
    let balances: Vec<(i64, i64)> = balances.iter().map(|b| (b.account.0, b.balance.0)).collect();
    assert_eq!(balances, [(1, 50), (2, -50)]);
    assert_eq!(findings(db).await, []);
    // It says that it came from elsewhere.
    db.execute("UPDATE money_requests SET from_account_id = 1").await.unwrap();
    let found = findings(db).await;
    assert!(matches!(found.as_slice(), [Finding::Request { request: 1, .. }]), "{found:?}");
}

async fn a_planted_charge_is_found(db: &Db) {
    books(db).await;
    let sql = "UPDATE cdr_levels SET net = net + 1, gross = gross + 1 \
         WHERE cdr_id = 7 AND position = 1";
    db.execute(sql).await.unwrap();
    let found = findings(db).await;
    let [Finding::Batch { batch: 2, charged, moved, .. }, Finding::Usage { .. }] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert_eq!(*charged, moved + 1);
    let says = "batch 2: from tenant 1: account 2 balance EUR to tenant 1: own revenue EUR \
         its records say charge 49, its transfers 48";
    assert_eq!(found[0].to_string(), says);
    // Tax is compared as well.
    db.execute("UPDATE cdr_levels SET net = net - 1 WHERE cdr_id = 7 AND position = 1")
        .await
        .unwrap();
    let found = findings(db).await;
    assert_eq!(found.len(), 2);
    assert!(found[0].to_string().contains("its records say vat 1, its transfers 0"), "{found:?}");
    let says = format!("account 2: calls of quarter {} cost", STARTED_US / 900_000_000);
    assert!(found[1].to_string().contains(&says), "{found:?}");
}

async fn a_planted_transfer_is_found(db: &Db) {
    books(db).await;
    // One that no record has, in front of the checkpoint.
    db.execute("UPDATE transfers SET amount = amount + 5 WHERE id = 1").await.unwrap();
    let found = findings(db).await;
    let of_batch = found.iter().filter(|f| matches!(f, Finding::Batch { batch: 1, .. })).count();
    let of_balance = found.iter().filter(|f| matches!(f, Finding::Balance { .. })).count();
    assert_eq!((of_batch, of_balance, found.len()), (1, 2, 3), "{found:?}");
    db.execute("UPDATE transfers SET amount = amount - 5 WHERE id = 1").await.unwrap();
    assert_eq!(findings(db).await, []);
    // One of a batch that never was.
    let sql = "INSERT INTO transfers (tenant_id, at_us, debit_id, credit_id, unit, amount, kind, \
         cause_kind, cause_id) SELECT tenant_id, at_us, debit_id, credit_id, unit, amount, kind, \
         cause_kind, 99 FROM transfers WHERE id = 1";
    db.execute(sql).await.unwrap();
    let found = findings(db).await;
    assert_eq!(found, [Finding::NoBatch { transfer: 7, batch: 99 }]);
    assert_eq!(found[0].to_string(), "transfer 7: there is no batch 99");
}

async fn a_planted_checkpoint_is_found(db: &Db) {
    books(db).await;
    let sql = "UPDATE balance_checkpoints SET balance = balance + 3 WHERE ledger_account_id = 2";
    db.execute(sql).await.unwrap();
    let found = findings(db).await;
    let [Finding::Balance { account: 2, said, rebuilt }, unit] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(*said, rebuilt + 3);
    assert_eq!(*unit, Finding::Unit { tenant: TenantId(1), unit: "EUR".into(), sum: 3 });
    let sql = "UPDATE balance_checkpoints SET balance = balance - 3, up_to_transfer = 70 \
         WHERE ledger_account_id = 2";
    db.execute(sql).await.unwrap();
    let found = findings(db).await;
    assert!(found.contains(&Finding::Ahead { account: 2, up_to: 70, newest: 6 }), "{found:?}");
}

async fn a_lost_batch_is_found(db: &Db) {
    books(db).await;
    db.execute("UPDATE batches SET seq_first = 12 WHERE id = 2").await.unwrap();
    let gap = Finding::Stretch { batch: 2, origin: 0, first: 12, before: 10 };
    assert_eq!(findings(db).await, [gap]);
    db.execute("UPDATE batches SET seq_first = 11 WHERE id = 2").await.unwrap();
    db.execute("UPDATE ingest_cursors SET seq = 20").await.unwrap();
    let cursor = Finding::Cursor { origin: 0, seq: 20, last: 30 };
    assert_eq!(findings(db).await, [cursor]);
}

async fn a_row_that_belongs_to_nothing_is_found(db: &Db) {
    books(db).await;
    db.execute("DELETE FROM cdrs WHERE id = 7").await.unwrap();
    let found = findings(db).await;
    let stray = |table| Finding::Stray { table, record: 7 };
    for (table, rows) in [("cdr_levels", 2), ("cdr_hops", 2)] {
        assert_eq!(found.iter().filter(|f| **f == stray(table)).count(), rows, "{found:?}");
    }
    let says = "record 7: a row of cdr_hops refers to what is not there";
    assert!(found.iter().any(|f| f.to_string() == says), "{found:?}");
    // Its transfers have more than the records that are left.
    assert!(found.iter().any(|f| matches!(f, Finding::Batch { batch: 2, .. })), "{found:?}");
    db.execute("UPDATE cdrs SET batch = 99 WHERE id = 8").await.unwrap();
    assert!(findings(db).await.contains(&Finding::Stray { table: "cdrs", record: 8 }));
}

async fn a_reader_creates_nothing(db: &Db) {
    books(db).await;
    let reader = Reader::open_at(&db.place).await.unwrap();
    assert_eq!(reader.books_check().await.unwrap().transfers, 6);
    if let strowger_store::Place::File(file) = &db.place {
        let gone = file.with_file_name("gone.db");
        let place = strowger_store::Place::File(gone.clone());
        assert!(Reader::open_at(&place).await.is_err());
        assert!(!gone.exists());
    }
}

async fn a_planted_count_is_found(db: &Db) {
    books(db).await;
    db.execute("UPDATE account_usage SET amount = amount + 2 WHERE account_id = 1").await.unwrap();
    let found = findings(db).await;
    let [Finding::Usage { account: 1, charged, counted, .. }] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(*counted, charged + 2);
    db.execute("DELETE FROM account_usage WHERE account_id = 1").await.unwrap();
    assert!(matches!(findings(db).await[..], [Finding::Usage { account: 1, counted: 0, .. }]));
}

async fn talk_is_counted_with_the_records(db: &Db) {
    write_all(&db.store, &sample()).await;
    let at = |seq| Position { seq, ..Position::default() };
    let talked = |id: i64, talk_ms: u64, quarters: i64| {
        let mut record = record(id, 0, 100, Some(1), 1);
        record.times.started_us = STARTED_US + quarters * strowger_store::QUARTER_US;
        record.times.answered_us = Some(record.times.started_us);
        record.times.talk_ms = talk_ms;
        record
    };
    // Free of charge, it talks all the same; who was not answered does not, and who has no account.
    let mut free = talked(3, 5, 0);
    (free.customer, free.supplier, free.levels, free.packet) = (None, None, vec![], None);
    let mut silent = talked(4, 99, 0);
    silent.times.answered_us = None;
    let mut stranger = talked(5, 77, 0);
    stranger.caller.account = None;
    let records = [talked(1, 1_000, 0), talked(2, 30, 1), free, silent, stranger];
    db.store.ingest(0, at(0), at(5), &records, 1).await.unwrap();
    db.store.ingest(0, at(5), at(6), &[talked(6, 4, 1)], 1).await.unwrap();
    let usage = db.store.reader().usage(0).await.unwrap();
    let talk: Vec<_> = usage.iter().map(|u| (u.account.0, u.talk_ms)).collect();
    assert_eq!(talk, [(1, 1_005), (1, 34)]);
    // A month in which calls were free of charge is none in which they cost something.
    db.execute("UPDATE accounts SET month_grows_by = 1").await.unwrap();
    db.execute("UPDATE account_usage SET amount = 0").await.unwrap();
    let reader = db.store.reader();
    let active = reader.active_accounts(TenantId(1), (0, i64::MAX)).await.unwrap();
    assert_eq!(active, []);
}

async fn calls_by_address_are_added_up(db: &Db) {
    write_all(&db.store, &sample()).await;
    let from = |id: i64, source: &str, started_us: i64| {
        let mut record = record(id, 0, started_us + 9, Some(1), 1);
        record.times.started_us = started_us;
        record.times.answered_us = Some(started_us);
        record.times.talk_ms = 7;
        record.caller.source = source.parse().ok();
        record.called.trunk = Some(TrunkId(1));
        record
    };
    let mut refused = from(5, "192.0.2.1:5060", 50);
    refused.called.trunk = None;
    let mut silent = from(6, "192.0.2.1:9", 60);
    silent.times.answered_us = None;
    let records = [
        from(1, "192.0.2.1:5060", 10),
        from(2, "192.0.2.1:5060", 50),
        from(3, "[2001:db8::1]:5060", 50),
        from(4, "", 50),
        refused,
        silent,
    ];
    let at = |seq| Position { seq, ..Position::default() };
    db.store.ingest(0, at(0), at(6), &records, 1).await.unwrap();
    let used = async |tenant, from_us| {
        let all = db.store.reader().address_use(TenantId(tenant), from_us).await.unwrap();
        let one = |u: &strowger_store::AddressUse| {
            (u.account.0, u.source.to_string(), u.calls, u.talk_ms, u.cost.0)
        };
        let mut all: Vec<_> = all.iter().map(one).collect();
        all.sort();
        all
    };
    let v4 = "192.0.2.1".to_owned();
    let v6 = (1, "2001:db8::1".to_owned(), 1, 7, 3);
    let late = [(1, v4.clone(), 1, 0, 6), (1, v4.clone(), 1, 7, 2), v6.clone()];
    assert_eq!(used(1, 50).await, late);
    // Each port is a sum: they are added where they are counted.
    assert_eq!(used(1, 0).await, [(1, v4.clone(), 1, 0, 6), (1, v4, 2, 14, 3), v6]);
    assert_eq!(used(2, 0).await, []);
}

async fn usage_is_counted_with_the_records(db: &Db) {
    write_all(&db.store, &sample()).await;
    let at = |seq| Position { seq, ..Position::default() };
    let late = |id: i64, quarters: i64| {
        let mut record = record(id, 0, 100, Some(1), 1);
        record.times.started_us = STARTED_US + quarters * strowger_store::QUARTER_US;
        record
    };
    let records = [late(1, 0), late(2, 0), late(3, 1), record(4, 0, 100, None, 1)];
    db.store.ingest(0, at(0), at(5), &records, 1).await.unwrap();
    db.store.ingest(0, at(5), at(6), &[late(5, 1)], 1).await.unwrap();
    // The same stretch again changes nothing.
    assert!(db.store.ingest(0, at(5), at(6), &[late(6, 1)], 1).await.is_err());
    let usage = async |from_us| {
        let usage = db.store.reader().usage(from_us).await.unwrap();
        usage.iter().map(|u| (u.account.0, u.from_us, u.amount.0)).collect::<Vec<_>>()
    };
    let first = STARTED_US / strowger_store::QUARTER_US * strowger_store::QUARTER_US;
    let second = first + strowger_store::QUARTER_US;
    // Three charges of its number each.
    assert_eq!(usage(0).await, [(1, first, 9), (1, second, 24)]);
    assert_eq!(usage(second + 5).await, [(1, second, 24)]);
    // Months in which an account was active count for those whose limit grows.
    let active = async |from_us, until_us| {
        let reader = db.store.reader();
        reader.active_accounts(TenantId(1), (from_us, until_us)).await.unwrap()
    };
    db.execute("UPDATE accounts SET month_grows_by = NULL").await.unwrap();
    assert_eq!(active(first, second).await, []);
    let sql = "UPDATE accounts SET month_grows_by = 1, month_grows_since_us = 5 WHERE id < 3";
    db.execute(sql).await.unwrap();
    assert_eq!(active(first, second).await, [AccountId(1)]);
    assert_eq!(active(second + strowger_store::QUARTER_US, i64::MAX).await, []);
    let reader = db.store.reader();
    assert_eq!(reader.active_accounts(TenantId(2), (first, second)).await.unwrap(), []);
    let since = format!("UPDATE accounts SET month_grows_since_us = {second} WHERE id = 1");
    db.execute(&since).await.unwrap();
    assert_eq!(active(first, second).await, []);
    assert_eq!(findings(db).await, []);
}
