//! Tables as the demo has them, and those who ask.

use std::net::SocketAddr;
use std::sync::Arc;

use md5::{Digest, Md5};
use strowger_link::{
    Algorithm, Ask, AskBody, AskId, CallAsk, CallerIdentity, Credentials, Hints, LegId, Tick,
    Transport,
};
use strowger_model::{
    Account, AccountId, Amount, Barring, Currency, DigestAlgorithm, DigestPolicy, Digits, Egress,
    Identity, Ingress, Normalisation, Organization, OrganizationId, OrganizationKind, Price, Rate,
    RateId, Rounding, RoundingMode, Route, RouteId, RouteTarget, SourceMatch, Subscriber,
    SubscriberId, Tariff, TariffId, TariffKind, Tenant, TenantId, Trunk, TrunkId,
};
use strowger_office::Office;
use strowger_routing::digest::ha1_md5;
use strowger_routing::{Listener, Rows, World};

const REALM: &str = "strowger.demo";
const PASSWORD: &str = "demo1001";
const TENANT: TenantId = TenantId(1);
const CUSTOMER: AccountId = AccountId(1);
const SUPPLIER: AccountId = AccountId(3);
const NUMBER: &str = "441632960123";
/// Credit of the customer: no run comes to its end.
const CREDIT: &str = "1000000";

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A trunk known by its address.
    Trunk,
    /// A subscriber with credentials.
    Subscriber,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::Trunk, Kind::Subscriber];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Trunk => "trunk",
            Kind::Subscriber => "subscriber",
        }
    }
}

/// Makes asks.
pub(crate) struct Asker {
    kind: Kind,
    listener: SocketAddr,
}

impl Asker {
    pub(crate) fn new(kind: Kind) -> Asker {
        Asker { kind, listener: listener() }
    }

    /// The question that an INVITE to the carrier's country asks.
    pub(crate) fn ask(&self, id: AskId, now: Tick, wall_us: i64) -> Ask {
        let (source, trunk, credentials) = match self.kind {
            Kind::Trunk => (SocketAddr::from(([192, 0, 2, 2], 5060)), Some(2), None),
            Kind::Subscriber => {
                (SocketAddr::from(([198, 51, 100, 7], 40_000)), None, Some(credentials(id)))
            }
        };
        Ask {
            id,
            parent: None,
            leg: LegId::default(),
            hints: Hints {
                listener: 0,
                local: self.listener,
                source,
                transport: Transport::Udp,
                host: REALM.into(),
                sni: None,
                trunk,
            },
            deadline: now.plus_ms(3_000),
            wall_us,
            body: AskBody::Call(Box::new(CallAsk {
                request_uri: format!("sip:{NUMBER}@{REALM}"),
                called: NUMBER.into(),
                to_user: NUMBER.into(),
                caller: CallerIdentity {
                    from_user: "1001".into(),
                    from_host: REALM.into(),
                    display: "Ada".into(),
                    asserted: Vec::new(),
                    preferred: None,
                    remote_party: None,
                    privacy: String::new(),
                },
                credentials,
                sip_call_id: format!("{}@bench", id.0),
                user_agent: "bench".into(),
                has_offer: true,
                emergency: false,
                headers: Vec::new(),
                diverted: Vec::new(),
                session_s: 0,
            })),
        }
    }
}

/// Right ones, each with a nonce of its own.
fn credentials(id: AskId) -> Credentials {
    let hash = |text: String| {
        let digest = Md5::digest(text.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let uri = format!("sip:{NUMBER}@{REALM}");
    let (nonce, cnonce) = (format!("{:032x}", id.0), "0a4f113b");
    let ha1 = hash(format!("1001:{REALM}:{PASSWORD}"));
    let ha2 = hash(format!("INVITE:{uri}"));
    let response = hash(format!("{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}"));
    Credentials {
        algorithm: Algorithm::Md5,
        username: "1001".into(),
        realm: REALM.into(),
        nonce,
        uri,
        method: "INVITE".into(),
        qop: Some("auth".into()),
        cnonce: cnonce.into(),
        nonce_count: "00000001".into(),
        response,
    }
}

fn listener() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

/// An office that knows its accounts.
pub(crate) fn office(more_rates: u64) -> Result<Office, String> {
    let rows = rows(more_rates).ok_or("a constant of the rows is wrong")?;
    let world = Arc::new(World::build(rows).map_err(|e| format!("{e:?}"))?);
    let mut office = Office::new(0, Arc::clone(&world));
    let now = strowger_port::clock::monotonic();
    for account in world.accounts() {
        let posted = if account.id == CUSTOMER { CREDIT } else { "0" };
        let posted = Amount::parse(posted, account.currency).map_err(|e| format!("{e:?}"))?;
        office.load(account, posted, now);
    }
    Ok(office)
}

fn rows(more_rates: u64) -> Option<Rows> {
    let euro = Currency::new("EUR", 2)?;
    let mut rates = vec![rate(1, 1, "44", 60_000_000)?, rate(2, 2, "44", 15_000_000)?];
    for number in 0..more_rates {
        let prefix = (100_000 + number).to_string();
        let id = i64::try_from(number).ok()? * 2 + 3;
        rates.extend([rate(id, 1, &prefix, 90_000_000)?, rate(id + 1, 2, &prefix, 20_000_000)?]);
    }
    Some(Rows {
        listeners: vec![Listener {
            transport: Transport::Udp,
            address: listener(),
            guests: strowger_model::Guests::Challenge,
        }],
        tenants: vec![tenant(euro)?],
        organizations: vec![organization(1, None), organization(2, Some(OrganizationId(1)))],
        accounts: vec![account(CUSTOMER, true, euro), account(SUPPLIER, false, euro)],
        subscribers: vec![subscriber()?],
        trunks: vec![carrier(), customer()],
        tariffs: vec![tariff(1, TariffKind::Customer, euro), tariff(2, TariffKind::Supplier, euro)],
        rates,
        routes: vec![Route {
            targets: vec![RouteTarget { trunk: TrunkId(1), priority: 0, weight: 1 }],
            ..Route::new(RouteId(1), TENANT, Digits::parse("44").ok()?)
        }],
        ..Rows::default()
    })
}

fn tenant(euro: Currency) -> Option<Tenant> {
    Some(Tenant {
        id: TENANT,
        name: "Demo".into(),
        realm: REALM.into(),
        domains: Vec::new(),
        currency: euro,
        timezone: "UTC".into(),
        algorithms: vec![DigestAlgorithm::Md5],
        country_prefix: Digits::parse("49").ok()?,
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: 60,
        subscriber_day_max: None,
        trunk_day_max: None,
        talk_s_max: 7_200,
        media_start_timeout_s: 0,
        media_timeout_s: 300,
    })
}

fn organization(id: i64, parent: Option<OrganizationId>) -> Organization {
    let kind = if parent.is_none() { OrganizationKind::Owner } else { OrganizationKind::Customer };
    let (name, withheld) = (format!("o{id}"), Vec::new());
    Organization { id: OrganizationId(id), tenant: TENANT, parent, kind, name, withheld }
}

fn account(id: AccountId, prepaid: bool, currency: Currency) -> Account {
    Account {
        name: format!("a{}", id.0),
        prepaid,
        floor: prepaid.then_some(Amount::ZERO),
        tariff: Some(TariffId(1)),
        ..Account::new(id, TENANT, OrganizationId(2), currency)
    }
}

fn subscriber() -> Option<Subscriber> {
    Some(Subscriber {
        id: SubscriberId(1),
        tenant: TENANT,
        account: CUSTOMER,
        organization: OrganizationId(2),
        username: "1001".into(),
        numbers: vec![Digits::parse("1001").ok()?],
        short: None,
        display: "Ada".into(),
        ha1_md5: Some(ha1_md5("1001", REALM, PASSWORD)),
        ha1_sha256: None,
        digest: DigestPolicy::Both,
        ring_timeout_s: 0,
        calls_max: 0,
        enabled: true,
        expires_s_min: 10,
        expires_s_max: 3_600,
        contacts_max: 5,
        identity: Identity::default(),
        barring: Barring::default(),
        forwards: Vec::new(),
    })
}

fn carrier() -> Trunk {
    let egress = Egress {
        targets: vec![SocketAddr::from(([192, 0, 2, 9], 5060)).into()],
        tariff: Some(TariffId(2)),
        calls_max: 100,
        ring_timeout_s: 60,
        first_timeout_s: 5,
        q: 1_000,
        ..Egress::new(SUPPLIER)
    };
    trunk(1, None, Some(egress))
}

fn customer() -> Trunk {
    let source = SourceMatch { network: [192, 0, 2, 2].into(), prefix_len: 32, port: 0 };
    trunk(2, Some(Ingress { sources: vec![source], ..Ingress::new(CUSTOMER) }), None)
}

fn trunk(id: i64, ingress: Option<Ingress>, egress: Option<Egress>) -> Trunk {
    Trunk {
        id: TrunkId(id),
        tenant: TENANT,
        organization: OrganizationId(2),
        name: format!("t{id}"),
        enabled: true,
        ingress,
        egress,
    }
}

fn tariff(id: i64, kind: TariffKind, currency: Currency) -> Tariff {
    Tariff {
        id: TariffId(id),
        tenant: TENANT,
        name: format!("p{id}"),
        currency,
        kind,
        rounding: Rounding { digits: 6, mode: RoundingMode::HalfAway },
        vat_ppm: 0,
        vat_included: false,
    }
}

fn rate(id: i64, tariff: i64, prefix: &str, price: i64) -> Option<Rate> {
    Some(Rate {
        id: RateId(id),
        tariff: TariffId(tariff),
        prefix: Digits::parse(prefix).ok()?,
        price: Price(price),
        step_s: 1,
        minimum_s: 1,
        free_s: 0,
        free_after_s: 0,
        class: strowger_model::TimeClass::All,
        digits_min: 0,
        digits_max: 0,
        connection_fee: Amount::ZERO,
        from_us: 0,
        until_us: None,
    })
}
