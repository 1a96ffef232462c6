//! Rows of a wholesale switch: customers with a trunk each, suppliers with a deck each.

use crate::{Options, table};
use std::net::{Ipv4Addr, SocketAddr};
use strowger_link::{Ask, AskBody, AskId, CallAsk, CallerIdentity, Hints, LegId, Tick, Transport};
use strowger_model::{
    Account, AccountId, Amount, Currency, DigestAlgorithm, Digits, Egress, Ingress, Normalisation,
    Organization, OrganizationId, OrganizationKind, Price, Rate, RateId, Rounding, RoundingMode,
    Route, RouteId, RouteOrder, RouteTarget, SourceMatch, Tariff, TariffId, TariffKind, Tenant,
    TenantId, Trunk, TrunkId,
};
use strowger_routing::{Listener, Rows};

const TENANT: TenantId = TenantId(1);
/// The customers' price list; the suppliers' follow it.
const CUSTOMERS: i64 = 1;
/// Rows of customers have ids from here on, so that suppliers keep small ones.
pub(crate) const CUSTOMER: i64 = 1_000;
/// Ids of lines of a tariff begin at a multiple of this.
const LINES: i64 = 10_000_000;
/// Dearer than any supplier.
const SALE: i64 = 90_000_000;

/// The tariff of a supplier.
pub(crate) fn tariff_of(supplier: u32) -> TariffId {
    TariffId(CUSTOMERS + 1 + i64::from(supplier))
}

/// All rows but the price lines of suppliers.
pub(crate) fn rows(options: Options) -> Option<Rows> {
    let euro = Currency::new("EUR", 2)?;
    let suppliers = 0..i64::from(options.suppliers);
    let customers = CUSTOMER..CUSTOMER + i64::from(options.accounts);
    let mut rows = Rows {
        listeners: vec![Listener {
            transport: Transport::Udp,
            address: listener(),
            guests: strowger_model::Guests::Challenge,
        }],
        tenants: vec![tenant(euro)?],
        organizations: vec![organization()],
        tariffs: vec![tariff(CUSTOMERS, TariffKind::Customer, euro)],
        routes: vec![Route {
            order: Some(RouteOrder::Price),
            targets: suppliers
                .clone()
                .map(|n| RouteTarget { trunk: TrunkId(n + 1), priority: 0, weight: 1 })
                .collect(),
            ..Route::new(RouteId(1), TENANT, Digits::EMPTY)
        }],
        ..Rows::default()
    };
    for supplier in suppliers {
        let id = supplier + 1;
        rows.accounts.push(account(id, false, euro));
        rows.tariffs.push(tariff(CUSTOMERS + id, TariffKind::Supplier, euro));
        let target = SocketAddr::from(([192, 0, 2, u8::try_from(id % 250).ok()?], 5_060));
        let egress = Egress {
            targets: vec![target.into()],
            tariff: Some(TariffId(CUSTOMERS + id)),
            ..Egress::new(AccountId(id))
        };
        rows.trunks.push(trunk(id, None, Some(egress)));
    }
    for id in customers {
        rows.accounts.push(account(id, true, euro));
        let source = SourceMatch { network: source(id).into(), prefix_len: 32, port: 0 };
        let ingress = Ingress { sources: vec![source], ..Ingress::new(AccountId(id)) };
        rows.trunks.push(trunk(id, Some(ingress), None));
    }
    rows.rates = (100..1_000)
        .map(|prefix| rate(TariffId(CUSTOMERS), prefix, prefix, SALE))
        .collect::<Option<_>>()?;
    Some(rows)
}

/// The price lines of a supplier's deck. The terms of lines differ as those of a real deck do.
pub(crate) fn lines(supplier: u32, count: u32) -> Option<Vec<Rate>> {
    let tariff = tariff_of(supplier);
    let deck = table::deck(supplier, count);
    (1..).zip(deck).map(|(n, (prefix, price))| rate(tariff, n, prefix, price)).collect()
}

/// Where a customer's calls come from.
pub(crate) fn source(customer: i64) -> Ipv4Addr {
    let place = u32::try_from(customer).unwrap_or_default();
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + place)
}

/// The question of a customer's INVITE.
pub(crate) fn ask(id: AskId, customer: i64, number: u64, now: Tick, wall_us: i64) -> Ask {
    let called = number.to_string();
    let source = SocketAddr::from((source(customer), 5_060));
    Ask {
        id,
        parent: None,
        leg: LegId::default(),
        hints: Hints {
            listener: 0,
            local: listener(),
            source,
            transport: Transport::Udp,
            host: "192.0.2.254".into(),
            sni: None,
            trunk: Some(customer),
        },
        deadline: now.plus_ms(3_000),
        wall_us,
        body: AskBody::Call(Box::new(CallAsk {
            request_uri: format!("sip:{called}@192.0.2.254"),
            called: called.clone(),
            to_user: called,
            caller: CallerIdentity {
                from_user: "4420794600".into(),
                from_host: "10.0.0.1".into(),
                display: String::new(),
                asserted: Vec::new(),
                preferred: None,
                remote_party: None,
                privacy: String::new(),
            },
            credentials: None,
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

fn listener() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 254], 5_060))
}

fn tenant(currency: Currency) -> Option<Tenant> {
    Some(Tenant {
        id: TENANT,
        name: "Bench".into(),
        realm: "bench.example".into(),
        domains: Vec::new(),
        currency,
        timezone: "UTC".into(),
        algorithms: vec![DigestAlgorithm::Md5],
        country_prefix: Digits::parse("44").ok()?,
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

fn organization() -> Organization {
    let (id, kind) = (OrganizationId(1), OrganizationKind::Owner);
    let (name, withheld) = ("Owner".into(), Vec::new());
    Organization { id, tenant: TENANT, parent: None, kind, name, withheld }
}

fn account(id: i64, prepaid: bool, currency: Currency) -> Account {
    Account {
        name: format!("a{id}"),
        prepaid,
        floor: prepaid.then_some(Amount::ZERO),
        tariff: prepaid.then_some(TariffId(CUSTOMERS)),
        ..Account::new(AccountId(id), TENANT, OrganizationId(1), currency)
    }
}

fn trunk(id: i64, ingress: Option<Ingress>, egress: Option<Egress>) -> Trunk {
    let (tenant, organization) = (TENANT, OrganizationId(1));
    Trunk {
        id: TrunkId(id),
        tenant,
        organization,
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

fn rate(tariff: TariffId, n: u64, prefix: u64, price: i64) -> Option<Rate> {
    let (step_s, minimum_s) = match prefix % 8 {
        0 => (60, 60),
        1..=3 => (6, 30),
        _ => (1, 1),
    };
    Some(Rate {
        id: RateId(tariff.0 * LINES + i64::try_from(n).ok()?),
        tariff,
        prefix: table::digits(prefix)?,
        class: strowger_model::TimeClass::All,
        digits_min: 0,
        digits_max: 0,
        price: Price(price),
        step_s,
        minimum_s,
        free_s: 0,
        free_after_s: 0,
        connection_fee: Amount::ZERO,
        from_us: 0,
        until_us: None,
    })
}
