//! Rows and requests for this crate's tests.

use crate::digest;
use crate::world::Listener;
use strowger_link::{Algorithm, Credentials, Hints, Transport};
use strowger_model::{
    Account, AccountId, Amount, Barring, Binding, Currency, DigestAlgorithm, DigestPolicy, Digits,
    Egress, EgressTarget, Identity, Ingress, Normalisation, Organization, OrganizationId,
    OrganizationKind, Price, Rate, RateId, Rounding, RoundingMode, Route, RouteId, RouteTarget,
    SourceMatch, Subscriber, SubscriberId, Tariff, TariffId, TariffKind, Tenant, TenantId, Trunk,
    TrunkId, parse_decimal,
};

/// A UDP listener.
pub(crate) fn listener(address: &str) -> Listener {
    Listener::new(strowger_model::Transport::Udp, address.parse().unwrap())
}

pub(crate) const REALM: &str = "demo.example";

/// A subscriber of tenant 1 and account 1 whose password is `demo` and the user name.
pub(crate) fn subscriber(id: i64, username: &str) -> Subscriber {
    let password = format!("demo{username}");
    Subscriber {
        id: SubscriberId(id),
        tenant: TenantId(1),
        account: AccountId(1),
        organization: OrganizationId(1),
        username: username.to_owned(),
        numbers: Vec::new(),
        short: None,
        display: format!("Phone {username}"),
        ha1_md5: Some(digest::ha1_md5(username, REALM, &password)),
        ha1_sha256: Some(digest::ha1_sha256(username, REALM, &password)),
        digest: DigestPolicy::Both,
        ring_timeout_s: 0,
        calls_max: 0,
        enabled: true,
        expires_s_min: 60,
        expires_s_max: 3600,
        contacts_max: 4,
        identity: Identity::default(),
        barring: Barring::default(),
        forwards: Vec::new(),
    }
}

/// A contact of subscriber 1 that came from `source`.
pub(crate) fn binding(uri: &str, source: &str) -> Binding {
    Binding {
        subscriber: SubscriberId(1),
        uri: uri.to_owned(),
        instance: String::new(),
        reg_id: 0,
        sip_call_id: "c".to_owned(),
        cseq: 1,
        q: 1000,
        user_agent: String::new(),
        path: Vec::new(),
        listener: 0,
        source: source.parse().unwrap(),
        transport: strowger_model::Transport::Udp,
        flow: 0,
        nated: false,
        refreshed_us: 0,
        expires_us: 0,
    }
}

/// What a phone that knows `password` sends.
pub(crate) fn credentials(username: &str, method: &str, password: &str) -> Credentials {
    let ha1 = digest::ha1_md5(username, REALM, password);
    let mut credentials = Credentials {
        algorithm: Algorithm::Md5,
        username: username.to_owned(),
        realm: REALM.to_owned(),
        nonce: "nonce".to_owned(),
        uri: format!("sip:{REALM}"),
        method: method.to_owned(),
        qop: Some("auth".to_owned()),
        cnonce: "cnonce".to_owned(),
        nonce_count: "00000001".to_owned(),
        response: String::new(),
    };
    credentials.response = digest::response_md5(&credentials, &ha1);
    credentials
}

pub(crate) fn hints(source: &str) -> Hints {
    Hints {
        listener: 0,
        local: "192.0.2.1:5060".parse().unwrap(),
        source: source.parse().unwrap(),
        transport: Transport::Udp,
        host: REALM.to_owned(),
        sni: None,
        trunk: None,
    }
}

pub(crate) fn digits(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

pub(crate) fn eur() -> Currency {
    Currency::new("EUR", 2).unwrap()
}

pub(crate) fn tenant(id: i64, realm: &str) -> Tenant {
    Tenant {
        id: TenantId(id),
        name: realm.to_owned(),
        realm: realm.to_owned(),
        domains: Vec::new(),
        currency: eur(),
        timezone: "Europe/London".to_owned(),
        algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        country_prefix: digits("44"),
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: 60,
        talk_s_max: 7200,
        media_start_timeout_s: 30,
        media_timeout_s: 20,
        subscriber_day_max: None,
        trunk_day_max: None,
    }
}

pub(crate) fn organization(id: i64, parent: Option<i64>) -> Organization {
    Organization {
        id: OrganizationId(id),
        tenant: TenantId(1),
        parent: parent.map(OrganizationId),
        kind: OrganizationKind::Company,
        name: format!("Organization {id}"),
        withheld: Vec::new(),
    }
}

pub(crate) fn account(id: i64, tariff: Option<i64>) -> Account {
    Account {
        name: format!("Account {id}"),
        floor: Some(Amount(0)),
        tariff: tariff.map(TariffId),
        ..Account::new(AccountId(id), TenantId(1), OrganizationId(1), eur())
    }
}

pub(crate) fn tariff(id: i64) -> Tariff {
    Tariff {
        id: TariffId(id),
        tenant: TenantId(1),
        name: format!("Tariff {id}"),
        currency: eur(),
        kind: TariffKind::Customer,
        rounding: Rounding { digits: 4, mode: RoundingMode::HalfAway },
        vat_ppm: 0,
        vat_included: false,
    }
}

pub(crate) fn rate(id: i64, tariff: i64, prefix: &str, price: &str) -> Rate {
    Rate {
        id: RateId(id),
        tariff: TariffId(tariff),
        prefix: digits(prefix),
        price: Price(parse_decimal(price, 9).unwrap()),
        step_s: 1,
        minimum_s: 0,
        free_s: 0,
        free_after_s: 0,
        class: strowger_model::TimeClass::All,
        digits_min: 0,
        digits_max: 0,
        connection_fee: Amount(0),
        from_us: 0,
        until_us: None,
    }
}

/// A trunk that takes calls at `targets` and pays from account 9.
pub(crate) fn egress_trunk(id: i64, targets: &[&str]) -> Trunk {
    Trunk {
        id: TrunkId(id),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        name: format!("Trunk {id}"),
        enabled: true,
        ingress: None,
        egress: Some(Egress {
            targets: targets.iter().map(|t| EgressTarget::Address(t.parse().unwrap())).collect(),
            calls_max: 30,
            cps_max: 5,
            first_timeout_s: 4,
            ..Egress::new(AccountId(9))
        }),
    }
}

/// A trunk that sends calls from `source` on account 1.
pub(crate) fn ingress_trunk(id: i64, source: &str, tech_prefix: Option<&str>) -> Trunk {
    let source: std::net::SocketAddr = source.parse().unwrap();
    let sources = vec![SourceMatch { network: source.ip(), prefix_len: 32, port: source.port() }];
    let tech_prefix = tech_prefix.map(digits);
    Trunk {
        ingress: Some(Ingress { sources, tech_prefix, ..Ingress::new(AccountId(1)) }),
        egress: None,
        ..egress_trunk(id, &[])
    }
}

/// A route to `(trunk, priority, weight)`.
pub(crate) fn route(id: i64, prefix: &str, targets: &[(i64, i32, u16)]) -> Route {
    let target = |(trunk, priority, weight): &(i64, i32, u16)| RouteTarget {
        trunk: TrunkId(*trunk),
        priority: *priority,
        weight: *weight,
    };
    Route {
        targets: targets.iter().map(target).collect(),
        ..Route::new(RouteId(id), TenantId(1), digits(prefix))
    }
}
