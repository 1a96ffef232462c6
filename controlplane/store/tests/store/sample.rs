//! Rows and records to write.

use strowger_model::*;
use strowger_store::{ConfigRows, Store};

pub(crate) fn digits(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

fn account(tenant: TenantId, organization: OrganizationId, currency: Currency) -> Account {
    Account {
        id: AccountId(1),
        tenant,
        organization,
        name: "a".into(),
        currency,
        prepaid: true,
        floor: Some(Amount(-5)),
        tariff: Some(TariffId(1)),
        calls_max: 2,
        cps_max: 3,
        day_max: Some(Amount(70)),
        month_max: Some(Amount(900)),
        month_grows_by: Some(Amount(3)),
        month_grows_to: Some(Amount(1_000)),
        month_grows_since_us: Some(5),
        discounts: vec![Discount { prefix: digits("44"), share_bp: 250 }],
        reduction_bp: 125,
        resells: true,
        partners: vec![OrganizationId(1)],
        barring: Barring { all: false, allowed: vec![digits("44")], blocked: Vec::new() },
        resells_early: true,
        agent: Some(AccountId(77)),
        commission_bp: 750,
        commission_of_profit: true,
        enabled: true,
        go_on_without_control: false,
    }
}

fn own(id: TenantId, currency: Currency, incoming: PrefixEdit) -> Tenant {
    Tenant {
        id,
        name: "Own".into(),
        realm: "own.example".into(),
        domains: vec!["a.example".into(), "b.example".into()],
        currency,
        timezone: "Europe/Berlin".into(),
        algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        country_prefix: digits("49"),
        normalisation: Normalisation { incoming, ..Default::default() },
        internal_price: Price(-0),
        ring_timeout_s: 60,
        talk_s_max: 7200,
        media_start_timeout_s: 30,
        media_timeout_s: 60,
        subscriber_day_max: Some(Amount(8)),
        trunk_day_max: Some(Amount(9)),
    }
}

fn organizations(tenant: TenantId, owner: OrganizationId) -> Vec<Organization> {
    vec![
        Organization {
            id: owner,
            tenant,
            parent: None,
            kind: OrganizationKind::Owner,
            name: "Own".into(),
            withheld: Vec::new(),
        },
        Organization {
            id: OrganizationId(2),
            tenant,
            parent: Some(owner),
            kind: OrganizationKind::Supplier,
            name: "O'Carrier; DROP TABLE rates".into(),
            withheld: vec![Right::Resellers, Right::Payments],
        },
    ]
}

pub(crate) fn sample() -> ConfigRows {
    let eur = Currency::new("EUR", 2).unwrap();
    let (tenant, owner) = (TenantId(1), OrganizationId(1));
    let edit = PrefixEdit { add: "9".into(), if_begins: vec!["44".into()], ..Default::default() };
    ConfigRows {
        tenants: vec![own(tenant, eur, edit.clone())],
        organizations: organizations(tenant, owner),
        accounts: vec![account(tenant, owner, eur)],
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
            identity: Identity {
                cli: Cli::AssertedTrusted,
                number: Some(digits("49100")),
                any_number: true,
            },
            barring: barring("4", "44"),
            forwards: vec![Forward {
                when: ForwardWhen::NoAnswer,
                to: "1002".into(),
                after_s: 9,
                enabled: false,
            }],
        }],
        trunks: vec![trunk(tenant, edit)],
        tariffs: vec![tariff(tenant, eur)],
        rates: rates(),
        routes: routes(tenant, owner),
        destinations: vec![Destination { tenant, prefix: digits("44"), name: "UK".into() }],
        emergencies: vec![Emergency { tenant, number: digits("112"), trunks: vec![TrunkId(1)] }],
        ring_groups: ring_groups(tenant, owner),
        dids: dids(tenant, owner),
        phonebook: phonebook(tenant),
        trunk_logins: trunk_logins(tenant),
        bans: bans(),
        caller_rules: caller_rules(),
        number_lists: number_lists(),
        rules: rules(),
        settings: settings(),
        holidays: holidays(tenant),
        exchange_rates: exchange_rates(tenant),
        price_rules: price_rules(tenant, owner),
    }
}

fn barring(allowed: &str, blocked: &str) -> Barring {
    Barring { all: false, allowed: vec![digits(allowed)], blocked: vec![digits(blocked)] }
}

fn exchange_rates(tenant: TenantId) -> Vec<ExchangeRate> {
    vec![ExchangeRate {
        id: ExchangeRateId(1),
        tenant,
        currency: Currency::new("USD", 2).unwrap(),
        rate: 920_000_000,
        from_us: 9,
    }]
}

fn price_rules(tenant: TenantId, owner: OrganizationId) -> Vec<PriceRule> {
    vec![PriceRule {
        id: PriceRuleId(1),
        tenant,
        name: "evenings".into(),
        enabled: true,
        priority: -3,
        organization: Some(owner),
        callers: vec![digits("4420")],
        called: vec![digits("33"), digits("49")],
        trunks: vec![TrunkId(1)],
        tech_prefixes: vec![digits("99")],
        times: vec!["18:00-08:00".parse().unwrap()],
        except_times: vec![TimeClass::Holiday],
        from_us: Some(5),
        until_us: Some(9),
        tariff: Some(TariffId(1)),
    }]
}

fn routes(tenant: TenantId, owner: OrganizationId) -> Vec<Route> {
    vec![Route {
        id: RouteId(1),
        tenant,
        prefix: digits("44"),
        more_prefixes: vec![digits("33"), digits("49")],
        callers: vec![digits("4420")],
        organization: Some(owner),
        times: vec!["night".parse().unwrap(), "fri 18:00-mon 06:00".parse().unwrap()],
        except_times: vec![TimeClass::Holiday],
        reserved: true,
        priority: -7,
        overflow: true,
        order: Some(RouteOrder::Quality),
        targets: vec![
            RouteTarget { trunk: TrunkId(1), priority: 200, weight: 2 },
            RouteTarget { trunk: TrunkId(1), priority: 100, weight: 0 },
        ],
    }]
}

fn dialog() -> DialogTerms {
    DialogTerms {
        timer: Some(TimerMode::Force),
        session_s: Some(600),
        session_s_min: Some(120),
        session_s_max: Some(3_600),
        reliable: Some(ReliableMode::Never),
        media: Some(MediaPath::Direct),
        codecs: Some(vec![VoiceCodec::G729, VoiceCodec::Pcma]),
        one_codec: Some(true),
        g711: Some(G711::Spare),
        strict_media: true,
        end_false_answer: true,
        srtp: Some(SrtpUse::EndToEnd),
        progress: Some(ProgressMode::Ringing),
        bodies: Some(BodyTerms { types: vec!["application/isup".into()], len_max: 2_048 }),
    }
}

fn ingress(edit: PrefixEdit) -> Ingress {
    Ingress {
        sources: vec![SourceMatch {
            network: "192.0.2.0".parse().unwrap(),
            prefix_len: 24,
            port: 5060,
        }],
        hosts: vec![HostPort { name: "a.example".into(), port: 0 }],
        credentials: Some(TrunkCredentials {
            username: "pbx".into(),
            ha1_md5: None,
            ha1_sha256: Some(Ha1([0xcd; 32])),
            digest: DigestPolicy::Sha256Only,
        }),
        auth: IngressAuth::Both,
        users: vec!["pbx".into()],
        by_number: true,
        account: AccountId(1),
        tech_prefix: Some(digits("123")),
        called: edit,
        calls_max: 3,
        cps_max: 4,
        trusted: false,
        barring: Barring { all: true, ..Barring::default() },
        causes: vec![CauseMap { status: 404, to_status: 503, to_q850: 34 }],
        reason: true,
        listeners: vec![0, 2],
        called_from: CalledFrom::To,
        header_rules: vec![
            HeaderRule {
                when: vec![HeaderCondition {
                    header: "User-Agent".into(),
                    test: HeaderTest::Begins,
                    value: "Pbx".into(),
                }],
                action: HeaderAction::Copy,
                header: "X-Line".into(),
                value: String::new(),
                pattern: None,
                from: Some("Subject".into()),
                on: HeaderOn::Response,
            },
            HeaderRule {
                when: Vec::new(),
                action: HeaderAction::Rewrite,
                header: "X-Line".into(),
                value: "line-$1".into(),
                pattern: Some("^([0-9]+)".into()),
                from: None,
                on: HeaderOn::Request,
            },
        ],
        dialog: dialog(),
        operation: Some(Operation::Redirect),
    }
}

fn egress(edit: PrefixEdit) -> Egress {
    Egress {
        targets: vec![
            EgressTarget::Address("192.0.2.1:5060".parse().unwrap()),
            EgressTarget::Address("[2001:db8::1]:5060".parse().unwrap()),
            EgressTarget::Host(HostPort { name: "b.example".into(), port: 5070 }),
            EgressTarget::Registered,
        ],
        transport: Transport::Udp,
        listener: Some(1),
        allow_private: true,
        account: AccountId(1),
        tariff: None,
        called: edit,
        caller: PrefixEdit::default(),
        calls_max: 10,
        calls_reserved: 4,
        cps_max: 5,
        commitment: Commitment {
            day: Minutes { minutes_min: 1, minutes_desired: 2, minutes_max: 3 },
            month: Minutes { minutes_min: 0, minutes_desired: 0, minutes_max: u32::MAX },
        },
        precedence: Some(Precedence {
            absolute: 7,
            called: vec![digits("4420"), digits("1")],
            callers: vec![digits("4930")],
            organizations: vec![OrganizationId(2)],
        }),
        test_prefix: Some(digits("*7")),
        test_only: true,
        probe_s: 60,
        ring_timeout_s: 30,
        first_timeout_s: 4,
        q: 1000,
        identity: IdentityHeader::RemoteParty,
        trusted: false,
        caller_number: Some(digits("4930")),
        from_host: Some("from.example".into()),
        partners: vec![OrganizationId(2)],
        barring: Barring { all: false, allowed: vec![], blocked: vec![digits("1900")] },
        continue_on: vec![404, 486],
        stop_on: vec![603],
        causes: vec![CauseMap { status: 500, to_status: 480, to_q850: 0 }],
        reason: true,
        identity_number: Some(PrefixEdit { add: "+".into(), ..PrefixEdit::default() }),
        forward_headers: ForwardHeaders::HistoryInfo,
        sent_to: SentTo::ReceivedTo,
        sent_request: SentTo::Received,
        user_phone: UserPhone::To,
        pass_headers: true,
        header_rules: Vec::new(),
        dialog: DialogTerms::default(),
        pass_digest: true,
    }
}

fn ring_groups(tenant: TenantId, owner: OrganizationId) -> Vec<RingGroup> {
    vec![RingGroup {
        id: RingGroupId(1),
        tenant,
        organization: owner,
        account: AccountId(1),
        name: "sales".into(),
        numbers: vec![digits("491003")],
        short: Some(digits("12")),
        mode: RingMode::Rotating,
        members: vec![
            RingMember { party: RingParty::Subscriber(SubscriberId(1)), ring_s: 5 },
            RingMember { party: RingParty::Number(digits("4420")), ring_s: 0 },
        ],
        overflow: Some("1001".into()),
        enabled: true,
    }]
}

fn dids(tenant: TenantId, owner: OrganizationId) -> Vec<Did> {
    [
        DidTarget::Subscriber(SubscriberId(1)),
        DidTarget::Trunk(TrunkId(1)),
        DidTarget::RingGroup(RingGroupId(1)),
        DidTarget::Pool,
    ]
    .into_iter()
    .zip(1..)
    .map(|(target, id)| Did {
        id: DidId(id),
        tenant,
        organization: owner,
        number: digits(&format!("49200{id}")),
        target,
        enabled: id != 2,
        reserved_until_us: (id == 4).then_some(77),
        shared: id == 1,
        payer: (id == 3).then_some(AccountId(1)),
    })
    .collect()
}

fn phonebook(tenant: TenantId) -> Vec<PhonebookEntry> {
    let row = |id, did: Option<i64>| PhonebookEntry {
        id: PhonebookEntryId(id),
        tenant,
        subscriber: SubscriberId(1),
        number: digits("447700900123"),
        name: "Ann".into(),
        did: did.map(DidId),
    };
    vec![row(1, Some(1)), row(2, None)]
}

fn trunk_logins(tenant: TenantId) -> Vec<TrunkLogin> {
    vec![TrunkLogin {
        id: TrunkLoginId(1),
        tenant,
        trunk: TrunkId(1),
        priority: -3,
        username: "us".into(),
        auth_username: Some("us-auth".into()),
        realm: Some("carrier.example".into()),
        password: Sealed(vec![0, 1, 254, 255]),
        register: true,
        registrar: Some(HostPort { name: "reg.example".into(), port: 5070 }),
        contact_user: Some("line1".into()),
        expires_s: 600,
        caller_number: Some(digits("4940")),
        subscriber: Some(SubscriberId(1)),
        enabled: true,
    }]
}

fn settings() -> Vec<SettingRow> {
    let row = |id, tenant: Option<i64>, account: Option<i64>, subscriber: Option<i64>| SettingRow {
        id: SettingId(id),
        category: "call".into(),
        name: "ring_ms".into(),
        tenant: tenant.map(TenantId),
        account: account.map(AccountId),
        subscriber: subscriber.map(SubscriberId),
        value: "5000".into(),
    };
    vec![
        row(1, None, None, None),
        row(2, Some(1), None, None),
        row(3, Some(1), Some(1), None),
        row(4, Some(1), None, Some(1)),
    ]
}

fn rates() -> Vec<Rate> {
    vec![Rate {
        id: RateId(1),
        tariff: TariffId(1),
        prefix: digits("44"),
        class: "fri 18:00-mon 06:30".parse().unwrap(),
        digits_min: 5,
        digits_max: 15,
        price: Price(50_000_000),
        step_s: 1,
        minimum_s: 2,
        free_s: 3,
        free_after_s: 4,
        connection_fee: Amount(5),
        from_us: 7,
        until_us: Some(i64::MAX),
    }]
}

fn holidays(tenant: TenantId) -> Vec<Holiday> {
    vec![Holiday {
        id: HolidayId(1),
        tenant,
        name: "Christmas".into(),
        from_day: 20_812,
        until_day: 20_813,
        working: true,
        prefixes: vec![digits("49"), digits("43")],
    }]
}

fn bans() -> Vec<Ban> {
    vec![Ban {
        id: BanId(1),
        network: "2001:db8:bad::".parse().unwrap(),
        prefix_len: 48,
        port: 5060,
        reason: "scanner".into(),
        from_us: 5,
        until_us: Some(6),
        automatic: true,
        allow: true,
    }]
}

fn caller_rules() -> Vec<CallerRule> {
    let row = |id, account: Option<i64>, prefix: &str, allow| CallerRule {
        id: CallerRuleId(id),
        tenant: TenantId(1),
        account: account.map(AccountId),
        prefix: Digits::parse(prefix).unwrap_or(Digits::EMPTY),
        subscriber: None,
        called: Digits::EMPTY,
        allow,
        reason: "nuisance".into(),
        from_us: 5,
        until_us: account.map(|_| 6),
        automatic: account.is_some(),
    };
    let to = CallerRule { subscriber: Some(SubscriberId(1)), ..row(3, None, "", false) };
    let called = Digits::parse("4490").unwrap();
    let out = CallerRule { called, ..row(4, Some(1), "4420", false) };
    vec![row(1, None, "4477", false), row(2, Some(1), "", true), to, out]
}

fn trunk(tenant: TenantId, edit: PrefixEdit) -> Trunk {
    Trunk {
        id: TrunkId(1),
        tenant,
        organization: OrganizationId(2),
        name: "carrier".into(),
        enabled: true,
        ingress: Some(ingress(edit.clone())),
        egress: Some(egress(edit)),
    }
}

fn tariff(tenant: TenantId, currency: Currency) -> Tariff {
    Tariff {
        id: TariffId(1),
        tenant,
        name: "retail".into(),
        currency,
        kind: TariffKind::Customer,
        rounding: Rounding { digits: 6, mode: RoundingMode::HalfEven },
        vat_ppm: 190_000,
        vat_included: true,
    }
}

fn number_lists() -> Vec<NumberList> {
    let row = |id, tenant: Option<i64>, account: Option<i64>, trunk: Option<i64>| NumberList {
        id: NumberListId(id),
        tenant: tenant.map(TenantId),
        account: account.map(AccountId),
        trunk: trunk.map(TrunkId),
        name: "fraud".into(),
        side: if tenant.is_none() { NumberSide::Caller } else { NumberSide::Called },
        effect: match (account, trunk) {
            (Some(_), _) => ListEffect::Only,
            (None, Some(_)) => ListEffect::Allow,
            (None, None) => ListEffect::Deny,
        },
        enabled: account.is_none(),
    };
    vec![row(1, None, None, None), row(2, Some(1), Some(1), None), row(3, Some(1), None, Some(1))]
}

fn rules() -> Vec<Rule> {
    let action = |does, value: &str, status| RuleAction { does, value: value.into(), status };
    let row = |id, stage, actions| Rule {
        id: RuleId(id),
        tenant: TenantId(1),
        name: format!("Rule {id}"),
        stage,
        position: -5,
        condition: "called.startsWith('44')".into(),
        actions,
        last: id == 1,
        enabled: id == 2,
    };
    let first =
        vec![action(RuleDeed::SetCalled, "'0' + called", 0), action(RuleDeed::Refuse, "", 603)];
    let second = vec![
        action(RuleDeed::SetDialled, "dialled", 0),
        action(RuleDeed::SetCaller, "caller", 0),
        action(RuleDeed::Skip, "", 0),
        action(RuleDeed::Redirect, "'sip:' + called", 0),
    ];
    vec![
        row(1, RuleStage::Known, first),
        row(2, RuleStage::Routed, second),
        row(3, RuleStage::Received, Vec::new()),
        row(4, RuleStage::Routing, Vec::new()),
    ]
}

/// The revision of the only rate, published and counting from the beginning.
pub(crate) fn first_revision() -> TariffRevision {
    TariffRevision {
        tariff: TariffId(1),
        number: 1,
        state: RevisionState::Published,
        effective_us: 0,
        note: "first".into(),
        created_us: 1,
        published_us: Some(2),
    }
}

pub(crate) async fn write_all(store: &Store, rows: &ConfigRows) {
    let mut w = store.write().await.unwrap();
    w.insert_tenant(&rows.tenants[0]).await.unwrap();
    for row in &rows.organizations {
        w.insert_organization(row).await.unwrap();
    }
    w.insert_tariff(&rows.tariffs[0]).await.unwrap();
    w.insert_tariff_revision(&first_revision()).await.unwrap();
    w.insert_account(&rows.accounts[0]).await.unwrap();
    w.insert_subscriber(&rows.subscribers[0]).await.unwrap();
    w.insert_trunk(&rows.trunks[0]).await.unwrap();
    w.insert_rate(&rows.rates[0]).await.unwrap();
    w.insert_route(&rows.routes[0]).await.unwrap();
    w.insert_destination(&rows.destinations[0]).await.unwrap();
    w.insert_emergency(&rows.emergencies[0]).await.unwrap();
    w.insert_ring_group(&rows.ring_groups[0]).await.unwrap();
    for did in &rows.dids {
        w.insert_did(did).await.unwrap();
    }
    for row in &rows.phonebook {
        w.insert_phonebook_entry(row).await.unwrap();
    }
    w.insert_trunk_login(&rows.trunk_logins[0]).await.unwrap();
    w.insert_ban(&rows.bans[0]).await.unwrap();
    for row in &rows.caller_rules {
        w.insert_caller_rule(row).await.unwrap();
    }
    for row in &rows.number_lists {
        w.insert_number_list(row).await.unwrap();
    }
    for row in &rows.rules {
        w.insert_rule(row).await.unwrap();
    }
    for row in &rows.settings {
        w.insert_setting(row).await.unwrap();
    }
    w.insert_holiday(&rows.holidays[0]).await.unwrap();
    w.insert_exchange_rate(&rows.exchange_rates[0]).await.unwrap();
    w.insert_price_rule(&rows.price_rules[0]).await.unwrap();
    w.log_change(Some(1), "test", "all", "created", 7).await.unwrap();
    w.commit().await.unwrap();
}

pub(crate) fn record(id: i64, part: u8, ended_us: i64, tenant: Option<i64>, account: i64) -> Cdr {
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
        free_ms: 0,
        allowance: None,
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
        commissions: Vec::new(),
        packet: None,
        hops: vec![hop(0), hop(1)],
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    }
}
