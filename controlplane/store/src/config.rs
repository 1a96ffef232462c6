//! Configuration rows: read whole for a `World`, written one by one with their change-log entry.

use crate::column::{Columns, word_of};
use crate::json::{
    BadJson, BarringJson, DIGESTS, EgressJson, ForwardJson, IdentityJson, IngressJson, MemberJson,
    NormalisationJson, bytes_of, ha1_of, hex_of,
};
use crate::tariff::rates_in_force;
use crate::{Reader, StoreError, Tried, Writer};
use std::collections::BTreeMap;
use strowger_model::{
    Account, AccountId, Amount, Ban, BanId, Destination, Did, DidId, DidTarget, DigestAlgorithm,
    Digits, Emergency, Ha1, HostPort, Organization, OrganizationId, OrganizationKind, Price, Rate,
    RateId, RingGroup, RingGroupId, RingMode, Rounding, RoundingMode, Route, RouteId, RouteTarget,
    Sealed, Subscriber, SubscriberId, Tariff, TariffId, TariffKind, Tenant, TenantId, Trunk,
    TrunkId, TrunkLogin, TrunkLoginId,
};

/// Every configuration row, in order of id.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigRows {
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Organizations.
    pub organizations: Vec<Organization>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Subscribers.
    pub subscribers: Vec<Subscriber>,
    /// Trunks.
    pub trunks: Vec<Trunk>,
    /// Tariffs.
    pub tariffs: Vec<Tariff>,
    /// Rates.
    pub rates: Vec<Rate>,
    /// Routes with their targets.
    pub routes: Vec<Route>,
    /// Names of called directions.
    pub destinations: Vec<Destination>,
    /// Emergency numbers.
    pub emergencies: Vec<Emergency>,
    /// Ring groups.
    pub ring_groups: Vec<RingGroup>,
    /// Numbers of ours.
    pub dids: Vec<Did>,
    /// Credentials that we show to carriers.
    pub trunk_logins: Vec<TrunkLogin>,
    /// Networks that we do not talk to.
    pub bans: Vec<Ban>,
}

const KINDS: [(&str, OrganizationKind); 5] = [
    ("owner", OrganizationKind::Owner),
    ("reseller", OrganizationKind::Reseller),
    ("company", OrganizationKind::Company),
    ("customer", OrganizationKind::Customer),
    ("supplier", OrganizationKind::Supplier),
];
const RING_MODES: [(&str, RingMode); 3] = [
    ("parallel", RingMode::Parallel),
    ("in-turn", RingMode::InTurn),
    ("rotating", RingMode::Rotating),
];
const TARIFF_KINDS: [(&str, TariffKind); 2] =
    [("customer", TariffKind::Customer), ("supplier", TariffKind::Supplier)];
const ROUNDINGS: [(&str, RoundingMode); 4] = [
    ("half-away", RoundingMode::HalfAway),
    ("up", RoundingMode::Up),
    ("down", RoundingMode::Down),
    ("half-even", RoundingMode::HalfEven),
];
const ALGORITHMS: [(&str, DigestAlgorithm); 2] =
    [("SHA-256", DigestAlgorithm::Sha256), ("MD5", DigestAlgorithm::Md5)];

impl Reader {
    /// Reads all configuration in one read transaction.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn config(&self) -> Result<ConfigRows, StoreError> {
        let mut tx = self.snapshot().await.tried("read the configuration")?;
        let mut targets: BTreeMap<i64, Vec<RouteTarget>> = BTreeMap::new();
        macro_rules! all {
            ($table:literal, $order:literal, $read:expr) => {{
                let sql = concat!("SELECT * FROM ", $table, " ORDER BY ", $order);
                let rows =
                    sqlx::query(sql).fetch_all(&mut *tx).await.tried("read the configuration")?;
                let read = $read;
                let mut list = Vec::with_capacity(rows.len());
                for row in &rows {
                    list.push(read(&Columns::new($table, row))?);
                }
                list
            }};
        }
        for (route, target) in all!("route_targets", "route_id, position", route_target) {
            targets.entry(route).or_default().push(target);
        }
        let mut rows = ConfigRows {
            tenants: all!("tenants", "id", tenant),
            organizations: all!("organizations", "id", organization),
            accounts: all!("accounts", "id", account),
            subscribers: all!("subscribers", "id", subscriber),
            trunks: all!("trunks", "id", trunk),
            tariffs: all!("tariffs", "id", tariff),
            rates: rates_in_force(&mut tx, None).await?,
            routes: all!("routes", "id", route),
            destinations: all!("destinations", "tenant_id, prefix", destination),
            emergencies: all!("emergencies", "tenant_id, number", emergency),
            ring_groups: all!("ring_groups", "id", ring_group),
            dids: all!("dids", "id", did),
            trunk_logins: all!("trunk_logins", "id", trunk_login),
            bans: all!("bans", "id", ban),
        };
        for route in &mut rows.routes {
            route.targets = targets.remove(&route.id.0).unwrap_or_default();
        }
        Ok(rows)
    }
}

fn tenant(c: &Columns<'_>) -> Result<Tenant, StoreError> {
    let names: Vec<String> = c.json("algorithms")?;
    let known = |name: &String| ALGORITHMS.iter().find(|(w, _)| w == name).map(|(_, a)| *a);
    let algorithms: Option<Vec<_>> = names.iter().map(known).collect();
    Ok(Tenant {
        id: TenantId(c.int("id")?),
        name: c.text("name")?,
        realm: c.text("realm")?,
        domains: c.json("domains")?,
        currency: c.currency()?,
        timezone: c.text("timezone")?,
        algorithms: algorithms.ok_or_else(|| c.unfit("algorithms", "digest algorithms"))?,
        country_prefix: c.digits("country_prefix")?,
        normalisation: c.json::<NormalisationJson>("normalisation")?.into(),
        internal_price: Price(c.int("internal_price")?),
        ring_timeout_s: c.small("ring_timeout_s")?,
        talk_s_max: c.small("talk_s_max")?,
        media_start_timeout_s: c.small("media_start_timeout_s")?,
        media_timeout_s: c.small("media_timeout_s")?,
    })
}

fn organization(c: &Columns<'_>) -> Result<Organization, StoreError> {
    Ok(Organization {
        id: OrganizationId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        parent: c.int_or_null("parent_id")?.map(OrganizationId),
        kind: c.word("kind", &KINDS)?,
        name: c.text("name")?,
    })
}

pub(crate) fn account(c: &Columns<'_>) -> Result<Account, StoreError> {
    Ok(Account {
        id: AccountId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        organization: OrganizationId(c.int("organization_id")?),
        name: c.text("name")?,
        currency: c.currency()?,
        prepaid: c.flag("prepaid")?,
        floor: c.int_or_null("floor")?.map(Amount),
        tariff: c.int_or_null("tariff_id")?.map(TariffId),
        calls_max: c.small("calls_max")?,
        cps_max: c.small("cps_max")?,
        day_max: c.int_or_null("day_max")?.map(Amount),
        month_max: c.int_or_null("month_max")?.map(Amount),
        enabled: c.flag("enabled")?,
        go_on_without_control: c.flag("go_on_without_control")?,
    })
}

fn ha1<const N: usize>(
    c: &Columns<'_>,
    column: &'static str,
) -> Result<Option<Ha1<N>>, StoreError> {
    let Some(text) = c.text_or_null(column)? else { return Ok(None) };
    ha1_of(&text).map(Some).ok_or_else(|| c.unfit(column, "HA1"))
}

pub(crate) fn subscriber(c: &Columns<'_>) -> Result<Subscriber, StoreError> {
    Ok(Subscriber {
        id: SubscriberId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        account: AccountId(c.int("account_id")?),
        organization: OrganizationId(c.int("organization_id")?),
        username: c.text("username")?,
        numbers: numbers(c)?,
        short: c.digits_or_null("short")?,
        display: c.text("display")?,
        ha1_md5: ha1(c, "ha1_md5")?,
        ha1_sha256: ha1(c, "ha1_sha256")?,
        digest: c.word("digest", &DIGESTS)?,
        ring_timeout_s: c.small("ring_timeout_s")?,
        calls_max: c.small("calls_max")?,
        enabled: c.flag("enabled")?,
        expires_s_min: c.small("expires_s_min")?,
        expires_s_max: c.small("expires_s_max")?,
        contacts_max: c.small("contacts_max")?,
        identity: stored::<IdentityJson, _>(c, "identity")?,
        barring: stored::<BarringJson, _>(c, "barring")?,
        forwards: list::<ForwardJson, _>(c, "forwards")?,
    })
}

/// A value of a structure of ours.
fn stored<J, T>(c: &Columns<'_>, column: &'static str) -> Result<T, StoreError>
where
    J: serde::de::DeserializeOwned,
    T: TryFrom<J, Error = BadJson>,
{
    T::try_from(c.json::<J>(column)?).map_err(|BadJson| c.unfit(column, "known JSON"))
}

/// A list of structures of ours.
fn list<J, T>(c: &Columns<'_>, column: &'static str) -> Result<Vec<T>, StoreError>
where
    J: serde::de::DeserializeOwned,
    T: TryFrom<J, Error = BadJson>,
{
    let items = c.json::<Vec<J>>(column)?.into_iter().map(T::try_from);
    items.collect::<Result<_, _>>().map_err(|BadJson| c.unfit(column, "known JSON"))
}

fn numbers(c: &Columns<'_>) -> Result<Vec<Digits>, StoreError> {
    let numbers: Vec<String> = c.json("numbers")?;
    let numbers: Result<Vec<_>, _> = numbers.iter().map(|n| Digits::parse(n)).collect();
    numbers.map_err(|_| c.unfit("numbers", "numbers"))
}

pub(crate) fn ring_group(c: &Columns<'_>) -> Result<RingGroup, StoreError> {
    Ok(RingGroup {
        id: RingGroupId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        organization: OrganizationId(c.int("organization_id")?),
        account: AccountId(c.int("account_id")?),
        name: c.text("name")?,
        numbers: numbers(c)?,
        short: c.digits_or_null("short")?,
        mode: c.word("mode", &RING_MODES)?,
        members: list::<MemberJson, _>(c, "members")?,
        overflow: c.text_or_null("overflow")?,
        enabled: c.flag("enabled")?,
    })
}

pub(crate) fn did(c: &Columns<'_>) -> Result<Did, StoreError> {
    let ids = ["subscriber_id", "trunk_id", "ring_group_id"].map(|column| c.int_or_null(column));
    let target = match ids {
        [Ok(Some(id)), Ok(None), Ok(None)] => DidTarget::Subscriber(SubscriberId(id)),
        [Ok(None), Ok(Some(id)), Ok(None)] => DidTarget::Trunk(TrunkId(id)),
        [Ok(None), Ok(None), Ok(Some(id))] => DidTarget::RingGroup(RingGroupId(id)),
        _ => return Err(c.unfit("subscriber_id", "one target of three")),
    };
    Ok(Did {
        id: DidId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        organization: OrganizationId(c.int("organization_id")?),
        number: c.digits("number")?,
        target,
        enabled: c.flag("enabled")?,
    })
}

pub(crate) fn trunk_login(c: &Columns<'_>) -> Result<TrunkLogin, StoreError> {
    let registrar = match (c.text_or_null("registrar_host")?, c.small_or_null("registrar_port")?) {
        (Some(name), Some(port)) => Some(HostPort { name, port }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(c.unfit("registrar_host", "host with its port"));
        }
    };
    let password = bytes_of(&c.text("password")?);
    Ok(TrunkLogin {
        id: TrunkLoginId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        trunk: TrunkId(c.int("trunk_id")?),
        priority: c.small("priority")?,
        username: c.text("username")?,
        auth_username: c.text_or_null("auth_username")?,
        realm: c.text_or_null("realm")?,
        password: password.map(Sealed).ok_or_else(|| c.unfit("password", "sealed secret"))?,
        register: c.flag("register")?,
        registrar,
        contact_user: c.text_or_null("contact_user")?,
        expires_s: c.small("expires_s")?,
        caller_number: c.digits_or_null("caller_number")?,
        enabled: c.flag("enabled")?,
    })
}

pub(crate) fn ban(c: &Columns<'_>) -> Result<Ban, StoreError> {
    Ok(Ban {
        id: BanId(c.int("id")?),
        network: c.parsed("network", "address")?,
        prefix_len: c.small("prefix_len")?,
        reason: c.text("reason")?,
        from_us: c.int("from_us")?,
        until_us: c.int_or_null("until_us")?,
    })
}

fn facet<J, T>(c: &Columns<'_>, column: &'static str) -> Result<Option<T>, StoreError>
where
    J: serde::de::DeserializeOwned,
    T: TryFrom<J, Error = BadJson>,
{
    let Some(text) = c.text_or_null(column)? else { return Ok(None) };
    let json: J = serde_json::from_str(&text).map_err(|_| c.unfit(column, "known JSON"))?;
    T::try_from(json).map(Some).map_err(|BadJson| c.unfit(column, "known JSON"))
}

pub(crate) fn trunk(c: &Columns<'_>) -> Result<Trunk, StoreError> {
    Ok(Trunk {
        id: TrunkId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        organization: OrganizationId(c.int("organization_id")?),
        name: c.text("name")?,
        enabled: c.flag("enabled")?,
        ingress: facet::<IngressJson, _>(c, "ingress")?,
        egress: facet::<EgressJson, _>(c, "egress")?,
    })
}

fn tariff(c: &Columns<'_>) -> Result<Tariff, StoreError> {
    Ok(Tariff {
        id: TariffId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        name: c.text("name")?,
        currency: c.currency()?,
        kind: c.word("kind", &TARIFF_KINDS)?,
        rounding: Rounding {
            digits: c.small("rounding_digits")?,
            mode: c.word("rounding_mode", &ROUNDINGS)?,
        },
        vat_ppm: c.small("vat_ppm")?,
        vat_included: c.flag("vat_included")?,
    })
}

pub(crate) fn rate(c: &Columns<'_>) -> Result<Rate, StoreError> {
    Ok(Rate {
        id: RateId(c.int("id")?),
        tariff: TariffId(c.int("tariff_id")?),
        prefix: c.digits("prefix")?,
        price: Price(c.int("price")?),
        step_s: c.small("step_s")?,
        minimum_s: c.small("minimum_s")?,
        free_s: c.small("free_s")?,
        free_after_s: c.small("free_after_s")?,
        connection_fee: Amount(c.int("connection_fee")?),
        from_us: c.int("from_us")?,
        until_us: c.int_or_null("until_us")?,
    })
}

fn route(c: &Columns<'_>) -> Result<Route, StoreError> {
    Ok(Route {
        id: RouteId(c.int("id")?),
        tenant: TenantId(c.int("tenant_id")?),
        prefix: c.digits("prefix")?,
        priority: c.small("priority")?,
        overflow: c.flag("overflow")?,
        targets: Vec::new(),
    })
}

fn route_target(c: &Columns<'_>) -> Result<(i64, RouteTarget), StoreError> {
    let target = RouteTarget {
        trunk: TrunkId(c.int("trunk_id")?),
        priority: c.small("priority")?,
        weight: c.small("weight")?,
    };
    Ok((c.int("route_id")?, target))
}

fn destination(c: &Columns<'_>) -> Result<Destination, StoreError> {
    Ok(Destination {
        tenant: TenantId(c.int("tenant_id")?),
        prefix: c.digits("prefix")?,
        name: c.text("name")?,
    })
}

fn emergency(c: &Columns<'_>) -> Result<Emergency, StoreError> {
    let trunks: Vec<i64> = c.json("trunks")?;
    Ok(Emergency {
        tenant: TenantId(c.int("tenant_id")?),
        number: c.digits("number")?,
        trunks: trunks.into_iter().map(TrunkId).collect(),
    })
}

fn json_text<T: serde::Serialize>(value: &T) -> String {
    // Structures of strings and integers always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

fn strings(numbers: &[Digits]) -> Vec<String> {
    numbers.iter().map(|n| n.as_str().to_owned()).collect()
}

/// Runs one INSERT of as many columns as values are given.
macro_rules! insert {
    ($writer:expr, $sql:literal, $($value:expr),* $(,)?) => {
        sqlx::query($sql)$(.bind($value))*
            .execute(&mut *$writer.tx)
            .await
            .tried("write a configuration row")
            .map(|_| ())
    };
}

impl Writer<'_> {
    /// Writes a new tenant.
    ///
    /// # Errors
    /// [`StoreError::Database`], also for a realm that another tenant has.
    pub async fn insert_tenant(&mut self, t: &Tenant) -> Result<(), StoreError> {
        let algorithms: Vec<_> = t.algorithms.iter().map(|a| word_of(&ALGORITHMS, *a)).collect();
        insert!(
            self,
            "INSERT INTO tenants (id, name, realm, domains, currency, minor_digits, timezone, \
             algorithms, country_prefix, normalisation, internal_price, ring_timeout_s, \
             talk_s_max, media_start_timeout_s, media_timeout_s) VALUES \
             ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            t.id.0,
            &t.name,
            &t.realm,
            json_text(&t.domains),
            t.currency.code(),
            i64::from(t.currency.minor_digits()),
            &t.timezone,
            json_text(&algorithms),
            t.country_prefix.as_str(),
            json_text(&NormalisationJson::from(&t.normalisation)),
            t.internal_price.0,
            i64::from(t.ring_timeout_s),
            i64::from(t.talk_s_max),
            i64::from(t.media_start_timeout_s),
            i64::from(t.media_timeout_s),
        )
    }

    /// Writes a new organization and its place in the tree.
    ///
    /// # Errors
    /// [`StoreError::Database`]; [`StoreError::Refused`] when the tree becomes too deep.
    pub async fn insert_organization(&mut self, o: &Organization) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO organizations (id, tenant_id, parent_id, kind, name) \
             VALUES ($1, $2, $3, $4, $5)",
            o.id.0,
            o.tenant.0,
            o.parent.map(|p| p.0),
            word_of(&KINDS, o.kind),
            &o.name,
        )?;
        self.plant(o).await
    }

    /// Writes a new account.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_account(&mut self, a: &Account) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO accounts (id, tenant_id, organization_id, name, currency, minor_digits, \
             prepaid, floor, tariff_id, calls_max, cps_max, enabled, go_on_without_control, \
             day_max, month_max) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            a.id.0,
            a.tenant.0,
            a.organization.0,
            &a.name,
            a.currency.code(),
            i64::from(a.currency.minor_digits()),
            i64::from(a.prepaid),
            a.floor.map(|f| f.0),
            a.tariff.map(|t| t.0),
            i64::from(a.calls_max),
            i64::from(a.cps_max),
            i64::from(a.enabled),
            i64::from(a.go_on_without_control),
            a.day_max.map(|m| m.0),
            a.month_max.map(|m| m.0),
        )
    }

    /// Writes a new subscriber.
    ///
    /// # Errors
    /// [`StoreError::Database`], also for a user name that its tenant has already.
    pub async fn insert_subscriber(&mut self, s: &Subscriber) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO subscribers (id, tenant_id, account_id, organization_id, username, \
             numbers, short, display, ha1_md5, ha1_sha256, digest, ring_timeout_s, calls_max, \
             enabled, expires_s_min, expires_s_max, contacts_max, identity, barring, forwards) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18, $19, $20)",
            s.id.0,
            s.tenant.0,
            s.account.0,
            s.organization.0,
            &s.username,
            json_text(&strings(&s.numbers)),
            s.short.map(|n| n.as_str().to_owned()),
            &s.display,
            s.ha1_md5.map(|h| hex_of(&h.0)),
            s.ha1_sha256.map(|h| hex_of(&h.0)),
            word_of(&DIGESTS, s.digest),
            i64::from(s.ring_timeout_s),
            i64::from(s.calls_max),
            i64::from(s.enabled),
            i64::from(s.expires_s_min),
            i64::from(s.expires_s_max),
            i64::from(s.contacts_max),
            json_text(&IdentityJson::from(&s.identity)),
            json_text(&BarringJson::from(&s.barring)),
            json_text(&s.forwards.iter().map(ForwardJson::from).collect::<Vec<_>>()),
        )
    }

    /// Writes a new trunk.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_trunk(&mut self, t: &Trunk) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO trunks (id, tenant_id, organization_id, name, enabled, ingress, egress) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            t.id.0,
            t.tenant.0,
            t.organization.0,
            &t.name,
            i64::from(t.enabled),
            t.ingress.as_ref().map(|i| json_text(&IngressJson::from(i))),
            t.egress.as_ref().map(|e| json_text(&EgressJson::from(e))),
        )
    }

    /// Writes a new tariff.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_tariff(&mut self, t: &Tariff) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO tariffs (id, tenant_id, name, currency, minor_digits, kind, \
             rounding_digits, rounding_mode, vat_ppm, vat_included) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            t.id.0,
            t.tenant.0,
            &t.name,
            t.currency.code(),
            i64::from(t.currency.minor_digits()),
            word_of(&TARIFF_KINDS, t.kind),
            i64::from(t.rounding.digits),
            word_of(&ROUNDINGS, t.rounding.mode),
            i64::from(t.vat_ppm),
            i64::from(t.vat_included),
        )
    }

    /// Writes a new rate of the first revision of its tariff.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_rate(&mut self, r: &Rate) -> Result<(), StoreError> {
        self.insert_revised_rate(r, 1, false).await
    }

    /// Writes a new rate of a revision; a removed one says that its prefix has no price.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_revised_rate(
        &mut self,
        r: &Rate,
        revision: u32,
        removed: bool,
    ) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO rates (id, tariff_id, prefix, price, step_s, minimum_s, free_s, \
             free_after_s, connection_fee, from_us, until_us, revision, removed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            r.id.0,
            r.tariff.0,
            r.prefix.as_str(),
            r.price.0,
            i64::from(r.step_s),
            i64::from(r.minimum_s),
            i64::from(r.free_s),
            i64::from(r.free_after_s),
            r.connection_fee.0,
            r.from_us,
            r.until_us,
            i64::from(revision),
            i64::from(removed),
        )
    }

    /// Writes a new route with its targets.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_route(&mut self, r: &Route) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO routes (id, tenant_id, prefix, priority, overflow) \
             VALUES ($1, $2, $3, $4, $5)",
            r.id.0,
            r.tenant.0,
            r.prefix.as_str(),
            i64::from(r.priority),
            i64::from(r.overflow),
        )?;
        for (position, target) in (0i64..).zip(&r.targets) {
            insert!(
                self,
                "INSERT INTO route_targets (route_id, position, trunk_id, priority, weight) \
                 VALUES ($1, $2, $3, $4, $5)",
                r.id.0,
                position,
                target.trunk.0,
                i64::from(target.priority),
                i64::from(target.weight),
            )?;
        }
        Ok(())
    }

    /// Writes the name of a called direction.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_destination(&mut self, d: &Destination) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO destinations (tenant_id, prefix, name) VALUES ($1, $2, $3)",
            d.tenant.0,
            d.prefix.as_str(),
            &d.name,
        )
    }

    /// Writes an emergency number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_emergency(&mut self, e: &Emergency) -> Result<(), StoreError> {
        let trunks: Vec<i64> = e.trunks.iter().map(|t| t.0).collect();
        insert!(
            self,
            "INSERT INTO emergencies (tenant_id, number, trunks) VALUES ($1, $2, $3)",
            e.tenant.0,
            e.number.as_str(),
            json_text(&trunks),
        )
    }

    /// Writes a new ring group.
    ///
    /// # Errors
    /// [`StoreError::Database`], also for a name that its tenant has already.
    pub async fn insert_ring_group(&mut self, g: &RingGroup) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO ring_groups (id, tenant_id, organization_id, account_id, name, numbers, \
             short, mode, members, overflow, enabled) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            g.id.0,
            g.tenant.0,
            g.organization.0,
            g.account.0,
            &g.name,
            json_text(&strings(&g.numbers)),
            g.short.map(|n| n.as_str().to_owned()),
            word_of(&RING_MODES, g.mode),
            json_text(&g.members.iter().map(MemberJson::from).collect::<Vec<_>>()),
            &g.overflow,
            i64::from(g.enabled),
        )
    }

    /// Writes a new number of ours.
    ///
    /// # Errors
    /// [`StoreError::Database`], also for a number that its tenant has already.
    pub async fn insert_did(&mut self, d: &Did) -> Result<(), StoreError> {
        let (subscriber, trunk, group) = match d.target {
            DidTarget::Subscriber(id) => (Some(id.0), None, None),
            DidTarget::Trunk(id) => (None, Some(id.0), None),
            DidTarget::RingGroup(id) => (None, None, Some(id.0)),
        };
        insert!(
            self,
            "INSERT INTO dids (id, tenant_id, organization_id, number, subscriber_id, trunk_id, \
             ring_group_id, enabled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            d.id.0,
            d.tenant.0,
            d.organization.0,
            d.number.as_str(),
            subscriber,
            trunk,
            group,
            i64::from(d.enabled),
        )
    }

    /// Writes new credentials that we show to a carrier.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_trunk_login(&mut self, l: &TrunkLogin) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO trunk_logins (id, tenant_id, trunk_id, priority, username, \
             auth_username, realm, password, register, registrar_host, registrar_port, \
             contact_user, expires_s, caller_number, enabled) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            l.id.0,
            l.tenant.0,
            l.trunk.0,
            i64::from(l.priority),
            &l.username,
            &l.auth_username,
            &l.realm,
            hex_of(&l.password.0),
            i64::from(l.register),
            l.registrar.as_ref().map(|host| host.name.clone()),
            l.registrar.as_ref().map(|host| i64::from(host.port)),
            &l.contact_user,
            i64::from(l.expires_s),
            l.caller_number.map(|n| n.as_str().to_owned()),
            i64::from(l.enabled),
        )
    }

    /// Writes a new ban.
    ///
    /// # Errors
    /// [`StoreError::Database`], also for a network that is banned already.
    pub async fn insert_ban(&mut self, b: &Ban) -> Result<(), StoreError> {
        insert!(
            self,
            "INSERT INTO bans (id, network, prefix_len, reason, from_us, until_us) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            b.id.0,
            b.network.to_string(),
            i64::from(b.prefix_len),
            &b.reason,
            b.from_us,
            b.until_us,
        )
    }
}
