//! What `--demo` creates: two subscribers, a carrier, prices, a route and prepaid credit.
//!
//! The passwords are known to everybody, so the supervisor lets a demo listen on loopback only.

use strowger_model::{
    Account, AccountId, Amount, Barring, Currency, Destination, DigestAlgorithm, DigestPolicy,
    Digits, Egress, Identity, Ingress, Normalisation, Organization, OrganizationId,
    OrganizationKind, Price, Rate, RateId, RevisionState, Rounding, RoundingMode, Route, RouteId,
    RouteTarget, SourceMatch, Subscriber, SubscriberId, Tariff, TariffId, TariffKind,
    TariffRevision, Tenant, TenantId, Trunk, TrunkId,
};
use strowger_routing::digest::{ha1_md5, ha1_sha256};
use strowger_store::{ConfigRows, MoneyKind, NewMoney, Store, StoreError};

const TENANT: TenantId = TenantId(1);
const REALM: &str = "strowger.demo";
const OWNER: OrganizationId = OrganizationId(1);
const CUSTOMER: OrganizationId = OrganizationId(2);
const SUPPLIER: OrganizationId = OrganizationId(3);
const RETAIL: TariffId = TariffId(1);
const WHOLESALE: TariffId = TariffId(2);
const CARRIER_ACCOUNT: AccountId = AccountId(3);
/// Prepaid credit of each subscriber, EUR.
const CREDIT: &str = "10";

/// Writes the demo's rows into an empty database; one that has a tenant is left as it is.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn seed(store: &Store, now_us: i64) -> Result<(), StoreError> {
    if !store.reader().config().await?.tenants.is_empty() {
        return Ok(());
    }
    let Some(rows) = rows() else { return Ok(()) };
    let mut w = store.write().await?;
    for row in &rows.tenants {
        w.insert_tenant(row).await?;
    }
    for row in &rows.organizations {
        w.insert_organization(row).await?;
    }
    for row in &rows.tariffs {
        w.insert_tariff(row).await?;
        w.insert_tariff_revision(&first_revision(row.id, now_us)).await?;
    }
    for row in &rows.accounts {
        w.insert_account(row).await?;
    }
    for row in &rows.subscribers {
        w.insert_subscriber(row).await?;
    }
    for row in &rows.trunks {
        w.insert_trunk(row).await?;
    }
    for row in &rows.rates {
        w.insert_rate(row).await?;
    }
    for row in &rows.routes {
        w.insert_route(row).await?;
    }
    for row in &rows.destinations {
        w.insert_destination(row).await?;
    }
    for account in rows.accounts.iter().filter(|a| a.prepaid) {
        if let Some(payment) = payment(account, now_us) {
            w.insert_money(&payment).await?;
        }
    }
    w.log_change(Some(TENANT.0), "demo", "tenants", "created the demo", now_us).await?;
    w.commit().await
}

/// The prices of a list are there from the beginning.
fn first_revision(tariff: TariffId, now_us: i64) -> TariffRevision {
    TariffRevision {
        tariff,
        number: 1,
        state: RevisionState::Published,
        effective_us: 0,
        note: "prices of the demo".into(),
        created_us: now_us,
        published_us: Some(now_us),
    }
}

fn payment(account: &Account, now_us: i64) -> Option<NewMoney> {
    Some(NewMoney {
        tenant: account.tenant,
        account: account.id,
        key: "demo".into(),
        kind: MoneyKind::Payment,
        from: None,
        amount: Amount::parse(CREDIT, account.currency).ok()?,
        currency: account.currency,
        reason: "credit of the demo".into(),
        actor: "demo".into(),
        at_us: now_us,
    })
}

/// The rows, `None` only if a constant of this file were wrong (a test says that none is).
fn rows() -> Option<ConfigRows> {
    let euro = Currency::new("EUR", 2)?;
    Some(ConfigRows {
        tenants: vec![tenant(euro)?],
        organizations: organizations(),
        accounts: accounts(euro),
        subscribers: vec![subscriber(1, "1001", "Ada")?, subscriber(2, "1002", "Bob")?],
        trunks: vec![carrier()?],
        tariffs: vec![
            tariff(RETAIL, "demo retail", TariffKind::Customer, euro),
            tariff(WHOLESALE, "demo wholesale", TariffKind::Supplier, euro),
        ],
        rates: vec![rate(1, RETAIL, "44", "0.06")?, rate(2, WHOLESALE, "44", "0.015")?],
        routes: vec![Route {
            targets: vec![RouteTarget { trunk: TrunkId(1), priority: 0, weight: 1 }],
            ..Route::new(RouteId(1), TENANT, Digits::parse("44").ok()?)
        }],
        destinations: vec![Destination {
            tenant: TENANT,
            prefix: Digits::parse("44").ok()?,
            name: "United Kingdom".into(),
        }],
        ..ConfigRows::default()
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
        // MD5 alone: many phones refuse to register when SHA-256 is offered beside it.
        algorithms: vec![DigestAlgorithm::Md5],
        country_prefix: Digits::parse("49").ok()?,
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: 60,
        talk_s_max: 7_200,
        media_start_timeout_s: 0,
        media_timeout_s: 300,
        subscriber_day_max: None,
        trunk_day_max: None,
    })
}

fn organizations() -> Vec<Organization> {
    let row = |id, parent, kind, name: &str| Organization {
        id,
        tenant: TENANT,
        parent,
        kind,
        name: name.into(),
        withheld: Vec::new(),
    };
    vec![
        row(OWNER, None, OrganizationKind::Owner, "Demo"),
        row(CUSTOMER, Some(OWNER), OrganizationKind::Customer, "Demo customer"),
        row(SUPPLIER, Some(OWNER), OrganizationKind::Supplier, "Demo carrier"),
    ]
}

fn accounts(euro: Currency) -> Vec<Account> {
    let row = |id, organization, name: &str, prepaid: bool| Account {
        name: name.into(),
        prepaid,
        floor: prepaid.then_some(Amount::ZERO),
        tariff: Some(RETAIL),
        ..Account::new(id, TENANT, organization, euro)
    };
    vec![
        row(AccountId(1), CUSTOMER, "1001", true),
        row(AccountId(2), CUSTOMER, "1002", true),
        row(CARRIER_ACCOUNT, SUPPLIER, "demo-carrier", false),
    ]
}

fn subscriber(id: i64, username: &str, display: &str) -> Option<Subscriber> {
    let password = format!("demo{username}");
    Some(Subscriber {
        id: SubscriberId(id),
        tenant: TENANT,
        account: AccountId(id),
        organization: CUSTOMER,
        username: username.into(),
        numbers: vec![Digits::parse(username).ok()?],
        short: None,
        display: display.into(),
        ha1_md5: Some(ha1_md5(username, REALM, &password)),
        ha1_sha256: Some(ha1_sha256(username, REALM, &password)),
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

fn carrier() -> Option<Trunk> {
    let network = std::net::IpAddr::from([127, 0, 0, 1]);
    Some(Trunk {
        id: TrunkId(1),
        tenant: TENANT,
        organization: SUPPLIER,
        name: "demo-carrier".into(),
        enabled: true,
        ingress: Some(Ingress {
            sources: vec![SourceMatch { network, prefix_len: 32, port: 5090 }],
            ..Ingress::new(CARRIER_ACCOUNT)
        }),
        egress: Some(Egress {
            targets: vec![std::net::SocketAddr::new(network, 5090).into()],
            tariff: Some(WHOLESALE),
            calls_max: 100,
            ring_timeout_s: 60,
            first_timeout_s: 5,
            q: 1_000,
            ..Egress::new(CARRIER_ACCOUNT)
        }),
    })
}

fn tariff(id: TariffId, name: &str, kind: TariffKind, currency: Currency) -> Tariff {
    Tariff {
        id,
        tenant: TENANT,
        name: name.into(),
        currency,
        kind,
        rounding: Rounding { digits: 6, mode: RoundingMode::HalfAway },
        vat_ppm: 0,
        vat_included: false,
    }
}

fn rate(id: i64, tariff: TariffId, prefix: &str, price: &str) -> Option<Rate> {
    Some(Rate {
        id: RateId(id),
        tariff,
        prefix: Digits::parse(prefix).ok()?,
        price: Price(strowger_model::parse_decimal(price, strowger_model::PRICE_DIGITS).ok()?),
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

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_link::Transport as Wire;
    use strowger_routing::World;

    #[test]
    fn the_demo_is_a_world() {
        let rows = rows().unwrap();
        for account in rows.accounts.iter().filter(|a| a.prepaid) {
            assert!(payment(account, 0).is_some());
        }
        let address = "127.0.0.1:5060".parse().unwrap();
        let guests = strowger_model::Guests::Challenge;
        let listener = strowger_routing::Listener { transport: Wire::Udp, address, guests };
        let site = crate::world::Site { listeners: vec![listener], ..Default::default() };
        let world = World::build(crate::world::routing_rows(rows, &site)).unwrap();
        assert_eq!(world.subscriber_named(TENANT, "1001").unwrap().id, SubscriberId(1));
    }
}
