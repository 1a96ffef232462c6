//! The rows of the simulated operator, and its prices by an arithmetic of the simulator's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use strowger_link::Transport as Wire;
use strowger_model::{
    Account, AccountId, Allowance, AllowanceId, Amount, Barring, BodyTerms, Cdr, Currency,
    DialogTerms, DigestAlgorithm, DigestPolicy, Digits, Egress, Emergency, Forward, ForwardWhen,
    Guests, Identity, Ingress, Normalisation, Organization, OrganizationId, OrganizationKind,
    Price, Rate, RateId, RingGroup, RingGroupId, RingMember, RingMode, RingParty, Rounding,
    RoundingMode, Route, RouteId, RouteTarget, SettingId, SettingRow, SourceMatch, Subscriber,
    SubscriberId, Tariff, TariffId, TariffKind, Tenant, TenantId, Transport, Trunk, TrunkId,
};
use strowger_routing::digest::{ha1_md5, ha1_sha256};
use strowger_routing::{Listener, Perimeter, Rows, World};

/// The tenant.
pub const TENANT: TenantId = TenantId(1);
/// Its realm.
pub const REALM: &str = "strowger.sim";
/// Subscribers' user names; the account of each has its index plus 1.
pub const USERS: [&str; 4] = ["1001", "1002", "1003", "1004"];
/// Prepaid credit of each subscriber's account, cents.
pub const CREDIT_CENTS: [i64; 4] = [1_000, 1_000, 10, 500];
/// Free time of the accounts of the second and the fourth subscriber, seconds: an allowance each,
/// with the id of its account. The others have none.
pub const FREE_S: [(AccountId, u32); 2] = [(AccountId(2), 40), (AccountId(4), 7)];
/// Retail price per minute, 1e-9 EUR: no number of seconds divides it.
pub const RETAIL: i64 = 77_777_777;
/// Wholesale price per minute, 1e-9 EUR.
pub const WHOLESALE: i64 = 15_333_337;
/// Ledger units of a cent.
pub const CENT: i64 = 1_000_000;
/// Ring time of the tenant, seconds.
pub const RING_S: u32 = 40;
/// The emergency number: by the first carrier, with the second behind it, for nothing.
pub const EMERGENCY: &str = "112";
/// Carriers' accounts.
pub const CARRIER_ACCOUNTS: [AccountId; 2] = [AccountId(11), AccountId(12)];

const OWNER: OrganizationId = OrganizationId(1);
const CUSTOMER: OrganizationId = OrganizationId(2);
const SUPPLIER: OrganizationId = OrganizationId(3);

/// Address of the switch.
pub const SWITCH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);

/// Its address towards IPv6.
pub const SWITCH_V6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)), 5060);

/// Its listeners; each has its media at its own address.
pub const LISTENERS: [SocketAddr; 2] = [SWITCH, SWITCH_V6];

/// The address of the switch for a host at `addr`.
#[must_use]
pub const fn switch_for(addr: SocketAddr) -> SocketAddr {
    if addr.is_ipv6() { SWITCH_V6 } else { SWITCH }
}

/// Whether an address is the switch's.
#[must_use]
pub fn is_switch(ip: IpAddr) -> bool {
    LISTENERS.iter().any(|listener| listener.ip() == ip)
}

/// Address of the phone of `USERS[index]`. The last one has IPv6 alone.
#[must_use]
pub fn phone_address(index: usize) -> SocketAddr {
    let host = 1 + index as u8;
    if index + 1 == USERS.len() {
        SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 1, u16::from(host)], 5060))
    } else {
        SocketAddr::from(([10, 0, 1, host], 5060))
    }
}

/// Address of carrier `index`.
#[must_use]
pub fn carrier_address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 2, 1 + index as u8], 5060))
}

/// What an agent at this address calls its host.
#[must_use]
pub fn host_of(ip: IpAddr) -> String {
    format!("host-{}.example.net", ip.to_string().replace([':', '.'], "-"))
}

/// The address behind a name of [`host_of`], as name servers have it.
#[must_use]
pub fn address_of(host: &str) -> Option<IpAddr> {
    let agents = (0..USERS.len()).map(|index| phone_address(index).ip());
    let carriers = (0..CARRIER_ACCOUNTS.len()).map(|index| carrier_address(index).ip());
    agents.chain(carriers).find(|ip| host_of(*ip) == host)
}

/// Whether an address is a carrier's.
#[must_use]
pub fn is_carrier(ip: IpAddr) -> bool {
    (0..CARRIER_ACCOUNTS.len()).any(|index| carrier_address(index).ip() == ip)
}

/// The password of a user.
#[must_use]
pub fn password(user: &str) -> String {
    format!("sim-{user}")
}

/// The world that the office decides by, with the carriers that speak TCP; `None` only if a
/// constant here were wrong.
#[must_use]
pub fn world(by_tcp: [bool; 2], asks_outside: bool) -> Option<Arc<World>> {
    World::build(rows(by_tcp, asks_outside)?).ok().map(Arc::new)
}

fn rows(by_tcp: [bool; 2], asks_outside: bool) -> Option<Rows> {
    let euro = Currency::new("EUR", 2)?;
    let subscribers: Option<Vec<_>> =
        USERS.iter().enumerate().map(|(i, user)| subscriber(1 + i as i64, user)).collect();
    let subscribers = subscribers.and_then(with_forwards);
    let digits = |text| Digits::parse(text).ok();
    let target = |trunk, priority| RouteTarget { trunk: TrunkId(trunk), priority, weight: 1 };
    let route = |id, prefix, targets| Route { targets, ..Route::new(RouteId(id), TENANT, prefix) };
    let v6 = IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 0]);
    let inside = [(IpAddr::from([10, 0, 0, 0]), 8), (v6, 8)];
    Some(Rows {
        perimeter: Perimeter::new(inside, []),
        listeners: listeners(),
        tenants: vec![tenant(euro)?],
        organizations: organizations(),
        accounts: accounts(euro),
        subscribers: subscribers?,
        ring_groups: vec![
            group(1, "1020", RingMode::Parallel)?,
            group(2, "1021", RingMode::InTurn)?,
        ],
        trunks: vec![carrier(0, by_tcp[0]), carrier(1, by_tcp[1])],
        tariffs: vec![tariff(1, TariffKind::Customer, euro), tariff(2, TariffKind::Supplier, euro)],
        rates: vec![rate(1, 1, "44", RETAIL)?, rate(2, 2, "44", WHOLESALE)?],
        routes: vec![
            route(1, digits("44")?, vec![target(1, 100), target(2, 0)]),
            route(2, digits("447")?, vec![target(2, 0)]),
        ],
        destinations: Vec::new(),
        settings: redirects().into_iter().chain(asks_outside.then(asks)).collect(),
        emergencies: vec![Emergency {
            tenant: TENANT,
            number: digits(EMERGENCY)?,
            trunks: vec![TrunkId(1), TrunkId(2)],
        }],
        ..Rows::default()
    })
}

/// What 3xx mean: phones of accounts 2 and 3 reroute and pass, the others forward; of the carriers
/// the first reroutes, and the second may change the number.
fn redirects() -> Vec<SettingRow> {
    let modes = [(2, "reroute"), (3, "pass"), (11, "reroute"), (12, "number")];
    let row = |(account, mode): (i64, &str)| SettingRow {
        id: SettingId(account),
        category: "call".into(),
        name: "redirect".into(),
        tenant: Some(TENANT),
        account: Some(AccountId(account)),
        subscriber: None,
        value: mode.into(),
    };
    modes.into_iter().map(row).collect()
}

/// Numbers that leave are asked about outside.
fn asks() -> SettingRow {
    SettingRow {
        id: SettingId(100),
        category: "fact".into(),
        name: "portability".into(),
        tenant: None,
        account: None,
        subscriber: None,
        value: "true".into(),
    }
}

/// Those for datagrams, then those for connections at the same addresses.
fn listeners() -> Vec<Listener> {
    let of = |transport| {
        LISTENERS.map(|address| Listener { transport, address, guests: Guests::Challenge })
    };
    [of(Wire::Udp), of(Wire::Tcp)].concat()
}

fn tenant(euro: Currency) -> Option<Tenant> {
    Some(Tenant {
        id: TENANT,
        name: "Sim".into(),
        realm: REALM.into(),
        domains: Vec::new(),
        currency: euro,
        timezone: "UTC".into(),
        algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        country_prefix: Digits::parse("49").ok()?,
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: RING_S,
        talk_s_max: 7_200,
        media_start_timeout_s: 0,
        media_timeout_s: 0,
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
        row(OWNER, None, OrganizationKind::Owner, "Sim"),
        row(CUSTOMER, Some(OWNER), OrganizationKind::Customer, "Customer"),
        row(SUPPLIER, Some(OWNER), OrganizationKind::Supplier, "Supplier"),
    ]
}

fn accounts(euro: Currency) -> Vec<Account> {
    let row = |id, organization, name: &str, prepaid: bool| Account {
        name: name.into(),
        prepaid,
        floor: prepaid.then_some(Amount::ZERO),
        tariff: Some(TariffId(1)),
        ..Account::new(id, TENANT, organization, euro)
    };
    let mut all: Vec<Account> = USERS
        .iter()
        .enumerate()
        .map(|(i, user)| {
            let agent = agent_of(AccountId(1 + i as i64));
            Account {
                agent: agent.map(|(agent, _)| agent),
                commission_bp: COMMISSION_BP,
                commission_of_profit: agent.is_some_and(|(_, of_profit)| of_profit),
                ..row(AccountId(1 + i as i64), CUSTOMER, user, true)
            }
        })
        .collect();
    all.extend(CARRIER_ACCOUNTS.map(|id| row(id, SUPPLIER, "carrier", false)));
    all
}

fn subscriber(id: i64, user: &str) -> Option<Subscriber> {
    let password = password(user);
    Some(Subscriber {
        id: SubscriberId(id),
        tenant: TENANT,
        account: AccountId(id),
        organization: CUSTOMER,
        username: user.into(),
        numbers: vec![Digits::parse(user).ok()?],
        short: None,
        display: user.into(),
        ha1_md5: Some(ha1_md5(user, REALM, &password)),
        ha1_sha256: Some(ha1_sha256(user, REALM, &password)),
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

/// 1004 forwards when busy or when nobody answers; 1011, who has no phone, at the cost of account
/// 3, which has little, and 1012 always to 1011.
fn with_forwards(mut subscribers: Vec<Subscriber>) -> Option<Vec<Subscriber>> {
    let forward = |when, to: &str, after_s| Forward { when, to: to.into(), after_s, enabled: true };
    if let Some(last) = subscribers.last_mut() {
        last.forwards = vec![
            forward(ForwardWhen::Busy, "44305555", 0),
            forward(ForwardWhen::NoAnswer, "1001", 3),
        ];
    }
    let absent = Subscriber { account: AccountId(3), ..subscriber(21, "1011")? };
    let forwards = vec![forward(ForwardWhen::Offline, "44799", 0)];
    subscribers.push(Subscriber { forwards, ..absent });
    let sender = Subscriber { account: AccountId(4), ..subscriber(22, "1012")? };
    let forwards = vec![forward(ForwardWhen::Always, "1011", 0)];
    subscribers.push(Subscriber { forwards, ..sender });
    Some(subscribers)
}

/// 1002 and 1003, paid by account 4.
fn group(id: i64, number: &str, mode: RingMode) -> Option<RingGroup> {
    let member = |id| RingMember { party: RingParty::Subscriber(SubscriberId(id)), ring_s: 5 };
    Some(RingGroup {
        id: RingGroupId(id),
        tenant: TENANT,
        organization: CUSTOMER,
        account: AccountId(4),
        name: format!("group-{id}"),
        numbers: vec![Digits::parse(number).ok()?],
        short: None,
        mode,
        members: vec![member(2), member(3)],
        overflow: Some("44201234".into()),
        enabled: true,
    })
}

/// ISUP passes to and from carriers, and words as ever.
fn takes_isup() -> DialogTerms {
    let types = vec!["application/isup".to_owned(), "text/plain".to_owned()];
    DialogTerms { bodies: Some(BodyTerms { types, len_max: 1_000 }), ..DialogTerms::default() }
}

fn carrier(index: usize, by_tcp: bool) -> Trunk {
    let address = carrier_address(index);
    // A connection comes from any port.
    let port = if by_tcp { 0 } else { 5060 };
    let account = CARRIER_ACCOUNTS.get(index).copied().unwrap_or(AccountId(11));
    Trunk {
        id: TrunkId(1 + index as i64),
        tenant: TENANT,
        organization: SUPPLIER,
        name: format!("carrier-{index}"),
        enabled: true,
        ingress: Some(Ingress {
            sources: vec![SourceMatch { network: address.ip(), prefix_len: 32, port }],
            dialog: takes_isup(),
            ..Ingress::new(account)
        }),
        egress: Some(Egress {
            targets: vec![address.into()],
            transport: if by_tcp { Transport::Tcp } else { Transport::Udp },
            tariff: Some(TariffId(2)),
            calls_max: 100,
            ring_timeout_s: RING_S,
            first_timeout_s: 4,
            q: 1_000,
            dialog: takes_isup(),
            ..Egress::new(account)
        }),
    }
}

fn tariff(id: i64, kind: TariffKind, currency: Currency) -> Tariff {
    Tariff {
        id: TariffId(id),
        tenant: TENANT,
        name: format!("tariff-{id}"),
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

/// What `talk_ms` cost at `price`, ledger units: whole seconds begun, at least one, rounded half
/// away from zero to six digits. Written anew here, so that rating has a witness.
#[must_use]
pub fn cost(price: i64, talk_ms: u64) -> i64 {
    let seconds = talk_ms.div_ceil(1_000).max(1) as i128;
    // Price x 60 is 1e-9 per minute; divided by 60 s and 1_000 it is 1e-6.
    let millionths = (i128::from(price) * seconds * 2 + 60_000) / 120_000;
    // 1e-6 to 1e-8.
    i64::try_from(millionths * 100).unwrap_or(i64::MAX)
}

/// The free time of the operator's customers, for all numbers and times.
pub fn allowances() -> impl Iterator<Item = Allowance> {
    FREE_S.into_iter().map(|(account, seconds)| Allowance {
        id: AllowanceId(account.0),
        tenant: TENANT,
        account,
        name: "free".to_owned(),
        prefix: None,
        seconds,
        credit: Amount::ZERO,
        from_us: i64::MIN,
        until_us: i64::MAX,
        renewal: None,
        price: Amount::ZERO,
        vat_ppm: 0,
    })
}

/// What records used of free time, milliseconds.
pub fn free_used<'a>(cdrs: impl IntoIterator<Item = &'a Cdr>) -> BTreeMap<AllowanceId, u64> {
    let mut used = BTreeMap::new();
    for charge in cdrs.into_iter().flat_map(Cdr::charges) {
        if let Some(allowance) = charge.allowance {
            *used.entry(allowance).or_default() += charge.free_ms;
        }
    }
    used
}

/// What each account pays for a record by the arithmetic of this file; suppliers and agents are
/// paid.
#[must_use]
pub fn charges(cdr: &Cdr) -> Vec<(AccountId, i64)> {
    let Some(trunk) = cdr.called.trunk.filter(|_| cdr.is_answered()) else { return Vec::new() };
    if cdr.called.received == EMERGENCY {
        return Vec::new();
    }
    let Some(payer) = cdr.caller.account else { return Vec::new() };
    let carrier = AccountId(10 + trunk.0);
    // Free time comes first, in whole seconds as they are charged.
    let free_ms = cdr.customer.as_ref().map_or(0, |charge| charge.free_ms);
    let has_free = FREE_S.iter().any(|(account, _)| *account == payer);
    let charged_ms = cdr.customer.as_ref().map_or(0, |charge| charge.charged_ms);
    // A call that ended as it was answered takes nothing of what covers it, and costs a second
    // where nothing does; which of the two it was, only its record says.
    let least = u64::from(!(has_free && charged_ms == 0));
    let seconds = cdr.times.billable_ms.div_ceil(1_000).max(least);
    let retail = match seconds.saturating_sub(free_ms / 1_000) {
        0 => 0,
        paid => cost(RETAIL, paid * 1_000),
    };
    let wholesale = cost(WHOLESALE, cdr.times.called_ms);
    let mut all = vec![(payer, retail), (carrier, -wholesale)];
    if let Some((agent, of_profit)) = agent_of(payer) {
        let base = retail - if of_profit { wholesale } else { 0 };
        all.push((agent, -(base.max(0) * i64::from(COMMISSION_BP) / 10_000)));
    }
    all
}

/// Every other user was brought by somebody, who earns of what it pays, or of what is left of that.
fn agent_of(payer: AccountId) -> Option<(AccountId, bool)> {
    let is_user = payer.0 <= USERS.len() as i64;
    let agent = CARRIER_ACCOUNTS.first().copied().filter(|_| is_user && payer.0 % 2 == 1)?;
    Some((agent, payer.0 % 4 == 1))
}

/// An agent's part, 1e-4.
const COMMISSION_BP: u16 = 700;
