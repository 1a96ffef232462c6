//! Every configuration row comes back as it was written; what cannot be true is refused.

#![expect(clippy::unwrap_used, clippy::too_many_lines, reason = "a test may panic and be long")]

use std::path::PathBuf;
use strowger_model::*;
use strowger_store::{CdrFilter, CdrKey, ConfigRows, Position, Scope, Store};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("strowger-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn digits(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

fn sample() -> ConfigRows {
    let eur = Currency::new("EUR", 2).unwrap();
    let (tenant, owner) = (TenantId(1), OrganizationId(1));
    let edit = PrefixEdit { add: "9".into(), if_begins: vec!["44".into()], ..Default::default() };
    ConfigRows {
        tenants: vec![Tenant {
            id: tenant,
            name: "Own".into(),
            realm: "own.example".into(),
            domains: vec!["a.example".into(), "b.example".into()],
            currency: eur,
            timezone: "Europe/Berlin".into(),
            algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            country_prefix: digits("49"),
            normalisation: Normalisation { incoming: edit.clone(), ..Default::default() },
            internal_price: Price(-0),
            ring_timeout_s: 60,
            talk_s_max: 7200,
            media_start_timeout_s: 30,
            media_timeout_s: 60,
        }],
        organizations: vec![
            Organization {
                id: owner,
                tenant,
                parent: None,
                kind: OrganizationKind::Owner,
                name: "Own".into(),
            },
            Organization {
                id: OrganizationId(2),
                tenant,
                parent: Some(owner),
                kind: OrganizationKind::Supplier,
                name: "O'Carrier; DROP TABLE rates".into(),
            },
        ],
        accounts: vec![Account {
            id: AccountId(1),
            tenant,
            organization: owner,
            name: "a".into(),
            currency: eur,
            prepaid: true,
            floor: Some(Amount(-5)),
            tariff: Some(TariffId(1)),
            calls_max: 2,
            cps_max: 3,
            enabled: true,
            go_on_without_control: false,
        }],
        subscribers: vec![Subscriber {
            id: SubscriberId(1),
            tenant,
            account: AccountId(1),
            organization: owner,
            username: "1001".into(),
            numbers: vec![digits("491001"), digits("491002")],
            short: Some(digits("11")),
            display: "Zoë".into(),
            ha1_md5: Some(Ha1([0xab; 16])),
            ha1_sha256: None,
            digest: DigestPolicy::Both,
            ring_timeout_s: 20,
            calls_max: 2,
            enabled: true,
            expires_s_min: 60,
            expires_s_max: 3600,
            contacts_max: 5,
            hide_number: true,
        }],
        trunks: vec![Trunk {
            id: TrunkId(1),
            tenant,
            organization: OrganizationId(2),
            name: "carrier".into(),
            enabled: true,
            ingress: Some(Ingress {
                sources: vec![SourceMatch {
                    network: "192.0.2.0".parse().unwrap(),
                    prefix_len: 24,
                    port: 5060,
                }],
                account: AccountId(1),
                tech_prefix: Some(digits("123")),
            }),
            egress: Some(Egress {
                targets: vec![
                    "192.0.2.1:5060".parse().unwrap(),
                    "[2001:db8::1]:5060".parse().unwrap(),
                ],
                transport: Transport::Udp,
                account: AccountId(1),
                tariff: None,
                called: edit,
                caller: PrefixEdit::default(),
                calls_max: 10,
                cps_max: 5,
                ring_timeout_s: 30,
                first_timeout_s: 4,
                q: 1000,
            }),
        }],
        tariffs: vec![Tariff {
            id: TariffId(1),
            tenant,
            name: "retail".into(),
            currency: eur,
            kind: TariffKind::Customer,
            rounding: Rounding { digits: 6, mode: RoundingMode::HalfEven },
            vat_ppm: 190_000,
            vat_included: true,
        }],
        rates: vec![Rate {
            id: RateId(1),
            tariff: TariffId(1),
            prefix: digits("44"),
            price: Price(50_000_000),
            step_s: 1,
            minimum_s: 2,
            free_s: 3,
            free_after_s: 4,
            connection_fee: Amount(5),
            from_us: -1,
            until_us: Some(i64::MAX),
        }],
        routes: vec![Route {
            id: RouteId(1),
            tenant,
            prefix: digits("44"),
            priority: -7,
            overflow: true,
            targets: vec![
                RouteTarget { trunk: TrunkId(1), priority: 200, weight: 2 },
                RouteTarget { trunk: TrunkId(1), priority: 100, weight: 0 },
            ],
        }],
        destinations: vec![Destination { tenant, prefix: digits("44"), name: "UK".into() }],
        emergencies: vec![Emergency { tenant, number: digits("112"), trunks: vec![TrunkId(1)] }],
    }
}

async fn write_all(store: &Store, rows: &ConfigRows) {
    let mut w = store.write().await.unwrap();
    w.insert_tenant(&rows.tenants[0]).await.unwrap();
    for row in &rows.organizations {
        w.insert_organization(row).await.unwrap();
    }
    w.insert_tariff(&rows.tariffs[0]).await.unwrap();
    w.insert_account(&rows.accounts[0]).await.unwrap();
    w.insert_subscriber(&rows.subscribers[0]).await.unwrap();
    w.insert_trunk(&rows.trunks[0]).await.unwrap();
    w.insert_rate(&rows.rates[0]).await.unwrap();
    w.insert_route(&rows.routes[0]).await.unwrap();
    w.insert_destination(&rows.destinations[0]).await.unwrap();
    w.insert_emergency(&rows.emergencies[0]).await.unwrap();
    w.log_change(Some(1), "test", "all", "created", 7).await.unwrap();
    w.commit().await.unwrap();
}

#[tokio::test]
async fn rows_come_back_as_written() {
    let scratch = Scratch::new("rows");
    let store = Store::open(&scratch.0.join("a.db")).await.unwrap();
    assert_eq!(store.reader().config().await.unwrap(), ConfigRows::default());
    let rows = sample();
    write_all(&store, &rows).await;
    assert_eq!(store.reader().config().await.unwrap(), rows);
    assert_eq!(store.reader().newest_change().await.unwrap(), 1);
    store.close().await;
    // Also after the process ended.
    let again = Store::open(&scratch.0.join("a.db")).await.unwrap();
    assert_eq!(again.reader().config().await.unwrap(), rows);
}

#[tokio::test]
async fn an_unfinished_write_leaves_nothing() {
    let scratch = Scratch::new("unfinished");
    let store = Store::open(&scratch.0.join("a.db")).await.unwrap();
    let mut w = store.write().await.unwrap();
    w.insert_tenant(&sample().tenants[0]).await.unwrap();
    drop(w);
    assert!(store.reader().config().await.unwrap().tenants.is_empty());
}

#[tokio::test]
async fn references_stay_inside_the_tenant() {
    let scratch = Scratch::new("tenants");
    let store = Store::open(&scratch.0.join("a.db")).await.unwrap();
    let rows = sample();
    write_all(&store, &rows).await;
    let mut w = store.write().await.unwrap();
    let other = Tenant { id: TenantId(2), realm: "other".into(), ..rows.tenants[0].clone() };
    w.insert_tenant(&other).await.unwrap();
    let stray = Account { id: AccountId(9), tenant: TenantId(2), ..rows.accounts[0].clone() };
    assert!(w.insert_account(&stray).await.is_err());
}

#[tokio::test]
async fn bindings_are_refreshed_and_end() {
    let scratch = Scratch::new("bindings");
    let store = Store::open(&scratch.0.join("a.db")).await.unwrap();
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
}

fn ids<T>(rows: &[T], id: fn(&T) -> i64) -> Vec<i64> {
    rows.iter().map(id).collect()
}

#[tokio::test]
async fn lists_go_on_behind_a_key_and_stay_in_their_scope() {
    let scratch = Scratch::new("lists");
    let store = Store::open(&scratch.0.join("a.db")).await.unwrap();
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

fn record(id: i64, part: u8, ended_us: i64, tenant: Option<i64>, account: i64) -> Cdr {
    let eur = Currency::new("EUR", 2).unwrap();
    let charge = |kind| Charge {
        account: AccountId(account),
        organization: OrganizationId(1),
        payee: None,
        kind,
        prepaid: true,
        currency: eur,
        net: Amount(id),
        vat_ppm: 0,
        gross: Amount(id),
        charged_ms: 1,
        step_ms: 1,
        unit_price: Price(1),
        price_currency: eur,
        tariff: None,
        rate: None,
    };
    let outcome = CdrOutcome { party: 1, reason: 0, sip: 200, q850: 16 };
    let hop = |index| CdrHop {
        index,
        stage: 0,
        branch: index,
        trunk: None,
        subscriber: None,
        supplier: None,
        dialled: id.to_string(),
        remote: "192.0.2.1:5060".parse().unwrap(),
        started_us: 1,
        rang_us: None,
        answered_us: None,
        ended_us: 2,
        outcome,
    };
    Cdr {
        id: CdrId(id),
        part,
        tenant: tenant.map(TenantId),
        ask: u64::MAX,
        snapshot: 1,
        times: CdrTimes { ended_us, ..CdrTimes::default() },
        caller: CdrCaller { account: Some(AccountId(account)), ..CdrCaller::default() },
        called: CdrCalled::default(),
        outcome,
        caller_media: None,
        called_media: None,
        customer: Some(charge(ChargeKind::Customer)),
        levels: vec![charge(ChargeKind::Reseller), charge(ChargeKind::Reseller)],
        supplier: None,
        hops: vec![hop(0), hop(1)],
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    }
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

#[tokio::test]
async fn records_are_listed_newest_first_without_a_gap() {
    let scratch = Scratch::new("records");
    let store = Store::open(&scratch.0.join("a.db")).await.unwrap();
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

#[tokio::test]
async fn tokens_are_found_by_hash_with_their_scope() {
    let scratch = Scratch::new("tokens");
    let store = Store::open(&scratch.0.join("a.db")).await.unwrap();
    write_all(&store, &sample()).await;
    let mut w = store.write().await.unwrap();
    let tenant = Scope::Tenant(TenantId(1));
    w.insert_token("admin", "owner", "aa", 1).await.unwrap();
    w.insert_scoped_token(tenant, "shop", "owner", "bb", 1).await.unwrap();
    w.commit().await.unwrap();
    for (hash, expect) in
        [("aa", Some(("admin", Scope::All))), ("bb", Some(("shop", tenant))), ("cc", None)]
    {
        let token = store.reader().token(hash).await.unwrap();
        assert_eq!(token.as_ref().map(|t| (t.name.as_str(), t.scope)), expect, "{hash}");
    }
}
