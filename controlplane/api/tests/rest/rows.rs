//! Rows and records that the tests read.

use strowger_model::*;
use strowger_store::{CallTrace, Grant, NewAllowance, NewToken, Position, Scope, Store};

/// Token for everything.
pub(crate) const OWNER: &str = "owner-0123456789abcdef";
/// Token of tenant 2.
pub(crate) const TENANT: &str = "tenant-0123456789abcdef";
/// Octet that fills every secret.
const SECRET: u8 = 0x5e;

fn digits(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

fn eur() -> Currency {
    Currency::new("EUR", 2).unwrap()
}

pub(crate) fn tenant(id: i64) -> Tenant {
    Tenant {
        id: TenantId(id),
        name: format!("T{id}"),
        realm: format!("t{id}.example"),
        domains: Vec::new(),
        currency: eur(),
        timezone: "Europe/Berlin".to_owned(),
        algorithms: vec![DigestAlgorithm::Sha256],
        country_prefix: digits("49"),
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

pub(crate) fn account(id: i64, tenant: i64) -> Account {
    Account {
        name: format!("A{id}"),
        floor: Some(Amount(0)),
        calls_max: 2,
        month_max: Some(Amount(5_000_000_000)),
        ..Account::new(AccountId(id), TenantId(tenant), OrganizationId(tenant), eur())
    }
}

pub(crate) fn subscriber(id: i64, tenant: i64) -> Subscriber {
    Subscriber {
        id: SubscriberId(id),
        tenant: TenantId(tenant),
        account: AccountId(tenant),
        organization: OrganizationId(tenant),
        username: format!("{}", 1000 + id),
        numbers: vec![digits(&format!("49{id}001")), digits(&format!("49{id}002"))],
        short: Some(digits(&format!("{id}1"))),
        display: "Zoë \"Z\"".to_owned(),
        ha1_md5: Some(Ha1([SECRET; 16])),
        ha1_sha256: Some(Ha1([SECRET; 32])),
        digest: DigestPolicy::Sha256Only,
        ring_timeout_s: 20,
        calls_max: 2,
        enabled: true,
        expires_s_min: 60,
        expires_s_max: 3600,
        contacts_max: 5,
        identity: Identity { cli: Cli::Hide, ..Identity::default() },
        barring: Barring::default(),
        forwards: Vec::new(),
    }
}

/// The listeners of the process: two of UDP, one of TCP.
pub(crate) fn listeners() -> Vec<strowger_routing::Listener> {
    let listener = |transport, address: &str| {
        strowger_routing::Listener::new(transport, address.parse().unwrap())
    };
    vec![
        listener(Transport::Udp, "192.0.2.200:5060"),
        listener(Transport::Udp, "[2001:db8::200]:5060"),
        listener(Transport::Tcp, "192.0.2.200:5060"),
    ]
}

pub(crate) fn trunk(id: i64, tenant: i64) -> Trunk {
    Trunk {
        id: TrunkId(id),
        tenant: TenantId(tenant),
        organization: OrganizationId(tenant),
        name: format!("carrier {id}"),
        enabled: true,
        ingress: Some(Ingress {
            sources: vec![
                SourceMatch {
                    network: format!("192.0.{}.0", id + 1).parse().unwrap(),
                    prefix_len: 24,
                    port: 0,
                },
                SourceMatch {
                    network: format!("2001:db8::{id}").parse().unwrap(),
                    prefix_len: 128,
                    port: 5060,
                },
            ],
            tech_prefix: Some(digits("123")),
            ..Ingress::new(AccountId(tenant))
        }),
        egress: Some(Egress {
            targets: ["192.0.2.1:5060", "[2001:db8::1]:5060"]
                .map(|text| EgressTarget::Address(text.parse().unwrap()))
                .to_vec(),
            called: PrefixEdit { add: "9".to_owned(), ..PrefixEdit::default() },
            calls_max: 10,
            cps_max: 5,
            ring_timeout_s: 30,
            first_timeout_s: 4,
            q: 1000,
            ..Egress::new(AccountId(tenant))
        }),
    }
}

fn charge(kind: ChargeKind, account: i64) -> Charge {
    Charge {
        account: AccountId(account),
        organization: OrganizationId(1),
        payee: None,
        kind,
        prepaid: kind == ChargeKind::Customer,
        currency: eur(),
        net: Amount(750),
        vat_ppm: 200_000,
        gross: Amount(900),
        charged_ms: 1000,
        free_ms: 0,
        allowance: None,
        step_ms: 1000,
        unit_price: Price(450_000),
        price_currency: Currency::new("KWD", 3).unwrap(),
        tariff: Some(TariffId(8)),
        rate: None,
    }
}

pub(crate) fn media() -> CdrMedia {
    CdrMedia {
        received: 50,
        received_octets: 8000,
        sent: 49,
        sent_octets: 7840,
        lost: 1,
        jitter_us: 1250,
        jitter_us_max: 3000,
        dropped: 2,
        payload_type: Some(8),
        codec: "PCMA".to_owned(),
        remote: Some("192.0.2.7".parse().unwrap()),
        mos: Some(436),
        heard: Some(CdrHeard {
            reports: 3,
            lost: 2,
            jitter_us: 900,
            round_trip_us: Some(41_000),
            round_trip_us_max: Some(52_000),
            mos: Some(431),
        }),
        silent_ms: Some(120),
        rang_ms: 1_020,
    }
}

/// A record with everything in it.
pub(crate) fn rich_cdr() -> Cdr {
    let base = 1_700_000_000_000_000;
    let failed = CdrOutcome { party: 1, reason: 2, sip: 486, q850: 17 };
    Cdr {
        id: CdrId(1),
        part: 0,
        tenant: Some(TenantId(1)),
        ask: u64::MAX,
        snapshot: 12,
        times: CdrTimes {
            started_us: base + 1,
            rang_us: Some(base + 500_000),
            answered_us: Some(base + 2_000_000),
            ended_us: base + 3_000_000,
            setup_ms: 2000,
            talk_ms: 1000,
            billable_ms: 999,
            caller_ms: 1000,
            called_ms: 998,
        },
        caller: CdrCaller {
            account: Some(AccountId(1)),
            organization: Some(OrganizationId(1)),
            subscriber: Some(SubscriberId(1)),
            trunk: None,
            number: "491001".to_owned(),
            from_user: "1001".to_owned(),
            display: "Zoë".to_owned(),
            source: Some("192.0.2.7:5060".parse().unwrap()),
            sip_call_id: "x@y".to_owned(),
            user_agent: "Phone/1".to_owned(),
            hidden: false,
        },
        called: CdrCalled {
            received: "0044123".to_owned(),
            normalised: Some(digits("44123")),
            dialled: "944123".to_owned(),
            destination: Some(digits("44")),
            subscriber: None,
            trunk: Some(TrunkId(1)),
            remote: Some("[2001:db8::1]:5060".parse().unwrap()),
        },
        outcome: CdrOutcome { party: 2, reason: 0, sip: 200, q850: 16 },
        caller_media: Some(media()),
        called_media: None,
        customer: Some(charge(ChargeKind::Customer, 1)),
        levels: vec![charge(ChargeKind::Reseller, 4)],
        supplier: Some(charge(ChargeKind::Supplier, 3)),
        commissions: Vec::new(),
        packet: None,
        hops: vec![CdrHop {
            index: 0,
            stage: 0,
            branch: 1,
            trunk: Some(TrunkId(2)),
            subscriber: None,
            supplier: Some(AccountId(3)),
            dialled: "44123".to_owned(),
            remote: "192.0.2.1:5060".parse().unwrap(),
            started_us: base + 2,
            rang_us: None,
            answered_us: None,
            ended_us: base + 3,
            outcome: failed,
        }],
        hops_dropped: 3,
        facts_dropped: 4,
        unpriced: false,
    }
}

/// A record with as little as there can be.
fn poor_cdr(id: i64, tenant: Option<i64>, account: i64, ended_us: i64) -> Cdr {
    Cdr {
        id: CdrId(id),
        part: 0,
        tenant: tenant.map(TenantId),
        ask: 1,
        snapshot: 1,
        times: CdrTimes { ended_us, ..CdrTimes::default() },
        caller: CdrCaller { account: Some(AccountId(account)), ..CdrCaller::default() },
        called: CdrCalled::default(),
        outcome: CdrOutcome { party: 0, reason: 200, sip: 0, q850: 0 },
        caller_media: None,
        called_media: None,
        customer: None,
        levels: Vec::new(),
        supplier: None,
        commissions: Vec::new(),
        packet: None,
        hops: Vec::new(),
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: true,
    }
}

/// A tariff in euros with an empty draft.
pub(crate) async fn insert_tariff(w: &mut strowger_store::Writer<'_>, id: i64) {
    let tariff = Tariff {
        id: TariffId(id),
        tenant: TenantId(1),
        name: format!("T{id}"),
        currency: Currency::new("EUR", 2).unwrap(),
        kind: TariffKind::Customer,
        rounding: Rounding { digits: 8, mode: RoundingMode::HalfAway },
        vat_ppm: 0,
        vat_included: false,
    };
    w.insert_tariff(&tariff).await.unwrap();
    w.insert_tariff_revision(&draft(id, 1)).await.unwrap();
}

/// A file of prices for the tariff of the same number, which may be published.
pub(crate) async fn insert_import(w: &mut strowger_store::Writer<'_>, id: i64) {
    let import = Import {
        id: ImportId(id),
        tenant: TenantId(1),
        tariff: TariffId(id),
        file: "deck.csv".to_owned(),
        bytes: 19,
        sha256: "0508715dbdc4789d4cb12d73ec7f193a2cf9260a572eb796e730b48b59b7ec3b".to_owned(),
        state: ImportState::Checked,
        reading: "{}".to_owned(),
        report: "{}".to_owned(),
        revision: None,
        effective_us: None,
        rows: 0,
        created_by: "ada".to_owned(),
        created_us: 1,
        changed_by: "ada".to_owned(),
        changed_us: 1,
    };
    w.insert(&import).await.unwrap();
}

fn draft(tariff: i64, number: u32) -> TariffRevision {
    TariffRevision {
        tariff: TariffId(tariff),
        number,
        state: RevisionState::Draft,
        effective_us: 0,
        note: String::new(),
        created_us: 1,
        published_us: None,
    }
}

/// A draft with a row that no change by REST can have written.
async fn insert_bad_draft(w: &mut strowger_store::Writer<'_>) {
    w.insert_tariff_revision(&draft(1, 2)).await.unwrap();
    let rate = Rate {
        id: RateId(7),
        tariff: TariffId(1),
        prefix: digits("4420"),
        price: Price(-1),
        step_s: 1,
        minimum_s: 0,
        free_s: 0,
        free_after_s: 0,
        class: strowger_model::TimeClass::All,
        digits_min: 0,
        digits_max: 0,
        connection_fee: Amount::ZERO,
        from_us: 0,
        until_us: None,
    };
    w.insert_revised_rate(&rate, 2, false).await.unwrap();
}

/// Free time of account 1, for all numbers and for some.
async fn insert_allowances(w: &mut strowger_store::Writer<'_>) {
    for (key, prefix, seconds) in [("A", None, 120), ("B", Some("44"), 60)] {
        let allowance = Allowance {
            id: AllowanceId(0),
            tenant: TenantId(1),
            account: AccountId(1),
            name: key.to_owned(),
            prefix: prefix.map(digits),
            seconds,
            credit: Amount::ZERO,
            from_us: 0,
            until_us: 1_700_000_000_000_000,
            renewal: None,
            price: Amount::ZERO,
            vat_ppm: 0,
        };
        let (key, actor) = (key.to_owned(), "admin".into());
        let new = NewAllowance { allowance, key, renews: None, payee: None, actor, at_us: 1 };
        w.insert_allowance(&new).await.unwrap();
    }
}

/// Two tenants with a row each of all kinds, records 1 to 5, two tokens.
pub(crate) async fn write(store: &Store) {
    let mut w = store.write().await.unwrap();
    for id in [1, 2] {
        w.insert_tenant(&tenant(id)).await.unwrap();
        let organization = Organization {
            id: OrganizationId(id),
            tenant: TenantId(id),
            parent: None,
            kind: OrganizationKind::Owner,
            name: format!("O{id}"),
            withheld: Vec::new(),
        };
        w.insert_organization(&organization).await.unwrap();
        w.insert_account(&account(id, id)).await.unwrap();
        w.insert_subscriber(&subscriber(id, id)).await.unwrap();
        w.insert_trunk(&trunk(id, id)).await.unwrap();
    }
    w.insert_account(&account(3, 1)).await.unwrap();
    w.insert_subscriber(&subscriber(3, 1)).await.unwrap();
    w.insert_trunk(&trunk(3, 1)).await.unwrap();
    insert_allowances(&mut w).await;
    insert_tariff(&mut w, 1).await;
    insert_bad_draft(&mut w).await;
    insert_import(&mut w, 1).await;
    let hash = strowger_api::token_hash(OWNER);
    w.insert_host_token("admin", Role::Owner, &hash, 1).await.unwrap();
    let new = NewToken {
        name: "shop".to_owned(),
        grant: Grant::new(Role::Owner, Scope::Tenant(TenantId(2))),
        hash: strowger_api::token_hash(TENANT),
        user: None,
        parent: None,
        at_us: 1,
        expires_us: None,
    };
    w.insert_token(&new).await.unwrap();
    let began_us = 1_700_000_000_000_001;
    let trace = |call, at_us, tenant| {
        let (steps, headers) = (vec![1, 200].into(), vec![("X-Route".into(), "7".into())]);
        CallTrace { call, at_us, tenant: TenantId(tenant), snapshot: 12, steps, headers }
    };
    w.insert_traces(&[trace(1, 5, 1), trace(2, 5, 2), trace(u64::MAX, began_us, 1)]).await.unwrap();
    w.commit().await.unwrap();
    let records = [
        rich_cdr(),
        poor_cdr(2, Some(2), 2, 1_000_000),
        poor_cdr(3, Some(1), 3, 1_000_000),
        poor_cdr(4, None, 1, 2_000_000),
        poor_cdr(5, Some(1), 1, 3_000_000),
    ];
    let to = Position { seq: 5, ..Position::default() };
    store.ingest(0, Position::default(), to, &records, 1).await.unwrap();
}
