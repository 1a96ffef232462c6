//! Every configuration row comes back as it was written; what cannot be true is refused.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use strowger_model::*;
use strowger_store::{
    CdrFilter, CdrKey, CdrOnly, Cell, ConfigRows, How, Position, Scope, Store, Wanted,
};

on_both! {
    rows_come_back_as_written
    an_unfinished_write_leaves_nothing
    radius_servers_come_back_as_written_to_who_sees_the_host
    references_stay_inside_the_tenant
    bindings_are_refreshed_and_end
    lists_go_on_behind_a_key_and_stay_in_their_scope
    records_are_listed_newest_first_without_a_gap
    records_are_picked_by_what_is_true_of_them
    subscribers_are_picked_by_what_they_did
    what_is_withheld_is_so_below_too
}

async fn rows_come_back_as_written(db: &Db) {
    let store = db.store.clone();
    assert_eq!(store.reader().config().await.unwrap(), ConfigRows::default());
    let rows = sample();
    write_all(&store, &rows).await;
    assert_eq!(store.reader().config().await.unwrap(), rows);
    assert_eq!(store.reader().newest_change().await.unwrap(), 1);
    store.close().await;
    // Also after the process ended.
    let again = db.another().await;
    assert_eq!(again.reader().config().await.unwrap(), rows);
    again.close().await;
}

async fn an_unfinished_write_leaves_nothing(db: &Db) {
    let store = db.store.clone();
    let mut w = store.write().await.unwrap();
    w.insert_tenant(&sample().tenants[0]).await.unwrap();
    drop(w);
    assert!(store.reader().config().await.unwrap().tenants.is_empty());
}

async fn radius_servers_come_back_as_written_to_who_sees_the_host(db: &Db) {
    let store = db.store.clone();
    write_all(&store, &sample()).await;
    let row = |id, tenant, purpose, holds| RadiusServer {
        id: RadiusServerId(id),
        tenant,
        purpose,
        name: "AAA".into(),
        address: "[2001:db8::1]:1812".parse().unwrap(),
        secret: Sealed(vec![1, 2, 0xff]),
        priority: -3,
        again_ms: 100,
        tries: 2,
        dead_s: 30,
        nas_identifier: "gate".into(),
        attributes: vec![RadiusAttribute {
            vendor: 9,
            number: 102,
            label: "h323-credit-time".into(),
            holds,
        }],
        enabled: false,
    };
    let (access, accounting) = (RadiusPurpose::Access, RadiusPurpose::Accounting);
    let rows = [
        row(1, Some(TenantId(1)), access, RadiusValue::TalkTime),
        row(2, None, accounting, RadiusValue::Price),
    ];
    let mut w = store.write().await.unwrap();
    for row in &rows {
        w.insert(row).await.unwrap();
    }
    let stray = row(3, Some(TenantId(99)), access, RadiusValue::Status);
    assert!(w.insert(&stray).await.is_err());
    drop(w);
    let mut w = store.write().await.unwrap();
    for row in &rows {
        w.insert(row).await.unwrap();
    }
    assert_eq!(w.all_rows::<RadiusServer>().await.unwrap(), rows);
    let tenant = w.referrer::<Tenant>(1).await.unwrap();
    assert!(tenant.is_some());
    w.commit().await.unwrap();
    let reader = store.reader();
    assert_eq!(reader.rows::<RadiusServer>(Scope::All, &[], None, 9).await.unwrap(), rows);
    let scope = Scope::Tenant(TenantId(1));
    assert_eq!(reader.rows::<RadiusServer>(scope, &[], None, 9).await.unwrap(), []);
}

async fn references_stay_inside_the_tenant(db: &Db) {
    let store = db.store.clone();
    let rows = sample();
    write_all(&store, &rows).await;
    let mut w = store.write().await.unwrap();
    let other = Tenant { id: TenantId(2), realm: "other".into(), ..rows.tenants[0].clone() };
    w.insert_tenant(&other).await.unwrap();
    let stray = Account { id: AccountId(9), tenant: TenantId(2), ..rows.accounts[0].clone() };
    assert!(w.insert_account(&stray).await.is_err());
}

async fn bindings_are_refreshed_and_end(db: &Db) {
    let store = db.store.clone();
    write_all(&store, &sample()).await;
    let mut binding = Binding {
        subscriber: SubscriberId(1),
        uri: "sip:1001@192.0.2.7:5060".into(),
        instance: String::new(),
        reg_id: 0,
        sip_call_id: "c".into(),
        cseq: 1,
        q: 1000,
        user_agent: "x".into(),
        path: vec!["<sip:p;lr>".into()],
        listener: 0,
        source: "192.0.2.7:5060".parse().unwrap(),
        transport: Transport::Udp,
        flow: u64::MAX,
        nated: true,
        refreshed_us: 1,
        expires_us: 100,
    };
    for cseq in [1, 2] {
        binding.cseq = cseq;
        let mut w = store.write().await.unwrap();
        w.put_binding(&binding).await.unwrap();
        w.commit().await.unwrap();
    }
    assert_eq!(store.reader().bindings(99).await.unwrap(), vec![binding.clone()]);
    assert!(store.reader().bindings(100).await.unwrap().is_empty());
    let mut w = store.write().await.unwrap();
    w.remove_binding(binding.subscriber, &binding.uri).await.unwrap();
    w.commit().await.unwrap();
    assert!(store.reader().bindings(0).await.unwrap().is_empty());
    // Those of trunks stand apart; one of a trunk that is gone is left out.
    let (trunk, binding) = (TrunkId(1), Binding { subscriber: SubscriberId(0), ..binding });
    for cseq in [3, 4] {
        let mut w = store.write().await.unwrap();
        w.put_trunk_binding(trunk, &Binding { cseq, ..binding.clone() }).await.unwrap();
        w.put_trunk_binding(TrunkId(99), &binding).await.unwrap();
        w.commit().await.unwrap();
    }
    let stored = vec![(trunk, Binding { cseq: 4, ..binding.clone() })];
    assert_eq!(store.reader().trunk_bindings(99).await.unwrap(), stored);
    assert!(store.reader().trunk_bindings(100).await.unwrap().is_empty());
    assert!(store.reader().bindings(0).await.unwrap().is_empty());
    let mut w = store.write().await.unwrap();
    w.remove_trunk_binding(trunk, &binding.uri).await.unwrap();
    w.commit().await.unwrap();
    assert!(store.reader().trunk_bindings(0).await.unwrap().is_empty());
}

fn ids<T>(rows: &[T], id: fn(&T) -> i64) -> Vec<i64> {
    rows.iter().map(id).collect()
}

async fn lists_go_on_behind_a_key_and_stay_in_their_scope(db: &Db) {
    let store = db.store.clone();
    let rows = sample();
    write_all(&store, &rows).await;
    let mut w = store.write().await.unwrap();
    let tenant = TenantId(2);
    w.insert_tenant(&Tenant { id: tenant, realm: "other".into(), ..rows.tenants[0].clone() })
        .await
        .unwrap();
    let organization = OrganizationId(7);
    w.insert_organization(&Organization {
        id: organization,
        tenant,
        ..rows.organizations[0].clone()
    })
    .await
    .unwrap();
    for id in [-3, 9, 10] {
        let account = Account {
            id: AccountId(id),
            tenant,
            organization,
            tariff: None,
            ..rows.accounts[0].clone()
        };
        w.insert_account(&account).await.unwrap();
    }
    w.commit().await.unwrap();
    let reader = store.reader();
    let list = async |scope, after: Option<i64>, limit| {
        let rows = reader.accounts(scope, after.map(AccountId), limit).await.unwrap();
        ids(&rows, |a| a.id.0)
    };
    assert_eq!(list(Scope::All, None, 9).await, [-3, 1, 9, 10]);
    assert_eq!(list(Scope::All, None, 2).await, [-3, 1]);
    assert_eq!(list(Scope::All, Some(1), 2).await, [9, 10]);
    assert_eq!(list(Scope::Tenant(tenant), None, 2).await, [-3, 9]);
    assert_eq!(list(Scope::Tenant(TenantId(1)), None, 9).await, [1]);
    for (scope, id, found) in [
        (Scope::All, 9, true),
        (Scope::Tenant(tenant), 9, true),
        (Scope::Tenant(TenantId(1)), 9, false),
        (Scope::All, 8, false),
    ] {
        let account = reader.account(scope, AccountId(id)).await.unwrap();
        assert_eq!(account.is_some(), found, "{scope:?} {id}");
    }
    let one = reader.subscriber(Scope::All, SubscriberId(1)).await.unwrap();
    assert_eq!(one.as_ref(), rows.subscribers.first());
    assert_eq!(reader.subscribers(Scope::All, None, 9).await.unwrap(), rows.subscribers);
    assert_eq!(reader.trunk(Scope::All, TrunkId(1)).await.unwrap().as_ref(), rows.trunks.first());
    assert_eq!(reader.trunks(Scope::Tenant(TenantId(1)), None, 9).await.unwrap(), rows.trunks);
}

/// Lists with pages of one row and with one page, which must agree.
async fn check_cdrs(store: &Store, scope: Scope, filter: CdrFilter, expect: &[(i64, u8)]) {
    let reader = store.reader();
    let whole = CdrFilter { limit: 99, ..filter.clone() };
    let whole = reader.cdrs(scope, &whole).await.unwrap();
    let keys: Vec<_> = whole.iter().map(|cdr| (cdr.id.0, cdr.part)).collect();
    assert_eq!(keys, expect, "{filter:?}");
    let mut page = CdrFilter { limit: 1, ..filter };
    for cdr in &whole {
        assert_eq!(reader.cdrs(scope, &page).await.unwrap(), vec![cdr.clone()]);
        page.before = Some(CdrKey { ended_us: cdr.times.ended_us, id: cdr.id, part: cdr.part });
    }
    assert!(reader.cdrs(scope, &page).await.unwrap().is_empty());
}

async fn records_are_listed_newest_first_without_a_gap(db: &Db) {
    let store = db.store.clone();
    write_all(&store, &sample()).await;
    let written = [
        record(1, 0, 100, Some(1), 1),
        record(2, 0, 200, Some(1), 2),
        record(3, 0, 200, Some(1), 1),
        record(3, 1, 200, Some(1), 1),
        record(4, 0, 300, None, 1),
    ];
    let to = Position { seq: 5, ..Position::default() };
    store.ingest(0, Position::default(), to, &written, 1).await.unwrap();
    let all = CdrFilter::default();
    let newest = [(4, 0), (3, 1), (3, 0), (2, 0), (1, 0)];
    check_cdrs(&store, Scope::All, all.clone(), &newest).await;
    check_cdrs(&store, Scope::Tenant(TenantId(1)), all.clone(), &newest[1..]).await;
    check_cdrs(&store, Scope::Tenant(TenantId(2)), all.clone(), &[]).await;
    let of_one = CdrFilter { account: Some(AccountId(1)), ..all.clone() };
    check_cdrs(&store, Scope::Tenant(TenantId(1)), of_one, &[(3, 1), (3, 0), (1, 0)]).await;
    let between = CdrFilter { from_us: Some(200), until_us: Some(300), ..all };
    check_cdrs(&store, Scope::All, between, &[(3, 1), (3, 0), (2, 0)]).await;
    let reader = store.reader();
    assert_eq!(reader.cdr(Scope::All, CdrId(4)).await.unwrap().as_ref(), written.last());
    assert!(reader.cdr(Scope::Tenant(TenantId(1)), CdrId(4)).await.unwrap().is_none());
    assert!(reader.cdr(Scope::All, CdrId(9)).await.unwrap().is_none());
}

/// Five records, each of which is alone in something.
fn picked() -> [Cdr; 5] {
    let mut all = [1, 2, 3, 4, 5].map(|id| {
        let mut cdr = record(id, 0, id * 100, Some(1), 1);
        cdr.caller.subscriber = Some(SubscriberId(1));
        (cdr.caller.trunk, cdr.called.trunk, cdr.called.subscriber) = (None, None, None);
        cdr.caller.number = "491".into();
        cdr.called.normalised = Digits::parse("4420").ok();
        cdr.times.answered_us = Some(id * 100 - 50);
        cdr.times.talk_ms = TALK_MS_MIN;
        cdr.outcome.reason = 0;
        cdr.unpriced = false;
        let media = CdrMedia { received: 500, ..CdrMedia::default() };
        (cdr.caller_media, cdr.called_media) = (Some(media.clone()), Some(media));
        let owed = cdr.customer.map(|charge| Charge { kind: ChargeKind::Supplier, ..charge });
        cdr.supplier = owed;
        cdr
    });
    all[0].caller.subscriber = Some(SubscriberId(7));
    all[0].called.subscriber = Some(SubscriberId(8));
    all[1].called.trunk = Some(TrunkId(9));
    all[1].caller.number = "331".into();
    all[2].called.normalised = Digits::parse("3320").ok();
    all[2].times.answered_us = None;
    all[3].outcome.reason = 2;
    all[3].unpriced = true;
    if let Some(media) = &mut all[3].called_media {
        media.received = 0;
    }
    if let Some(owed) = &mut all[4].supplier {
        owed.net = Amount(owed.net.0 + 1);
    }
    all
}

async fn records_are_picked_by_what_is_true_of_them(db: &Db) {
    let store = db.store.clone();
    write_all(&store, &sample()).await;
    let written = picked();
    assert!(written[3].called_media.is_some() && written[4].supplier.is_some());
    let to = Position { seq: 5, ..Position::default() };
    store.ingest(0, Position::default(), to, &written, 1).await.unwrap();
    let number = |text: &str| Digits::parse(text).unwrap();
    for (only, expect) in [
        (CdrOnly::CallerIs(SubscriberId(7)), &[1][..]),
        (CdrOnly::Subscriber(SubscriberId(8)), &[1]),
        (CdrOnly::Trunk(TrunkId(9)), &[2]),
        (CdrOnly::Caller(number("33")), &[2]),
        (CdrOnly::Called(number("33")), &[3]),
        (CdrOnly::Called(number("*")), &[]),
        (CdrOnly::Answered(false), &[3]),
        (CdrOnly::Answered(true), &[5, 4, 2, 1]),
        (CdrOnly::Reason(2), &[4]),
        (CdrOnly::OneSided(true), &[4]),
        (CdrOnly::OneSided(false), &[5, 3, 2, 1]),
        (CdrOnly::Unprofitable(true), &[5]),
        (CdrOnly::Unprofitable(false), &[4, 3, 2, 1]),
        (CdrOnly::Unpriced(true), &[4]),
        (CdrOnly::Unpriced(false), &[5, 3, 2, 1]),
    ] {
        let filter = CdrFilter { only: vec![only], ..CdrFilter::default() };
        let expect: Vec<(i64, u8)> = expect.iter().map(|id| (*id, 0)).collect();
        check_cdrs(&store, Scope::All, filter, &expect).await;
    }
    // All of it, beside the rest of the filter and the scope.
    let only = vec![CdrOnly::Answered(true), CdrOnly::Caller(number("491"))];
    let account = Some(AccountId(1));
    let filter = CdrFilter { only, account, until_us: Some(450), ..CdrFilter::default() };
    check_cdrs(&store, Scope::Tenant(TenantId(1)), filter, &[(4, 0), (1, 0)]).await;
}

async fn subscribers_are_picked_by_what_they_did(db: &Db) {
    let store = db.store.clone();
    write_all(&store, &sample()).await;
    let one = sample().subscribers[0].id;
    let mut w = store.write().await.unwrap();
    w.stamp::<Subscriber>(one.0, 1_000).await.unwrap();
    w.commit().await.unwrap();
    let count = async |column: &'static str, how: How, value: i64| {
        let wanted = [Wanted { column, how, value: Cell::from(value) }];
        let rows = store.reader().rows::<Subscriber>(Scope::All, &wanted, None, 9).await;
        rows.unwrap().len()
    };
    assert_eq!(count("made_us", How::Since, 1_000).await, 1);
    assert_eq!(count("made_us", How::Since, 1_001).await, 0);
    let called = "EXISTS (SELECT 1 FROM cdrs c WHERE c.caller_account_id = subscribers.account_id \
        AND c.caller_subscriber_id = subscribers.id AND c.ended_us >= ?)";
    assert_eq!(count(called, How::Where, 0).await, 0);
    let mut cdr = record(1, 0, 500, Some(1), sample().subscribers[0].account.0);
    cdr.caller.subscriber = Some(one);
    let to = Position { seq: 1, ..Position::default() };
    store.ingest(0, Position::default(), to, &[cdr], 1).await.unwrap();
    assert_eq!(count(called, How::Where, 500).await, 1);
    assert_eq!(count(called, How::Where, 501).await, 0);
    let flag = "EXISTS (SELECT 1 FROM bindings b WHERE b.subscriber_id = subscribers.id) = (? = 1)";
    let all = count(flag, How::Where, 1).await + count(flag, How::Where, 0).await;
    assert_eq!(all, 1, "registered or not");
    // What runs now is not asked of the database.
    assert_eq!(count("balance_below", How::Live, 0).await, 1);
}

async fn what_is_withheld_is_so_below_too(db: &Db) {
    let store = db.store.clone();
    let rows = sample();
    write_all(&store, &rows).await;
    let below = rows.organizations.iter().find(|row| row.parent.is_some()).unwrap();
    let own = vec![Right::Resellers, Right::Payments];
    assert_eq!(store.reader().withheld(below.id).await.unwrap(), own);
    let above = rows.organizations.iter().find(|row| row.parent.is_none()).unwrap();
    assert_eq!(store.reader().withheld(above.id).await.unwrap(), []);
    let mut w = store.write().await.unwrap();
    let withheld = vec![Right::Calls, Right::Payments];
    assert!(w.update(&Organization { withheld, ..above.clone() }).await.unwrap());
    w.commit().await.unwrap();
    let both = vec![Right::Resellers, Right::Payments, Right::Calls];
    assert_eq!(store.reader().withheld(below.id).await.unwrap(), both);
}
