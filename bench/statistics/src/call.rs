//! The calls that are counted: 30 days of a carrier with 2,000 customers, 40 trunks in, 50 out and
//! 600 destinations, of which few have most of the calls. By number alone, so each run is the same.

use strowger_model::{
    AccountId, Amount, Cdr, CdrCalled, CdrCaller, CdrId, CdrOutcome, CdrTimes, Charge, ChargeKind,
    Currency, Digits, OrganizationId, Price, TenantId, TrunkId,
};

/// Customers.
const ACCOUNTS: u64 = 2_000;
/// Trunks that send.
const INGRESS: u64 = 40;
/// Trunks that take.
const EGRESS: u64 = 50;
/// Destinations.
const DESTINATIONS: u64 = 600;
/// Beginning of the first day, microseconds since 1970 UTC.
pub(crate) const FROM_US: i64 = 20_000 * DAY_US;
/// Days.
pub(crate) const DAYS: i64 = 30;
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// Mixes a number (splitmix64).
const fn mixed(seed: u64) -> u64 {
    let a = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

/// One of so many, the first ones much more often than the last.
const fn skewed(chance: u64, of: u64) -> u64 {
    (chance % of) * ((chance >> 32) % of) / of
}

fn id(number: u64) -> i64 {
    i64::try_from(number).unwrap_or_default() + 1
}

/// A share of a call of so long, at so much a minute.
fn charge(of: (ChargeKind, i64), talk_ms: u64, a_minute: u64, currency: Currency) -> Charge {
    let net = i64::try_from(talk_ms * a_minute / 60_000).unwrap_or_default();
    Charge {
        account: AccountId(of.1),
        organization: OrganizationId(of.1),
        payee: None,
        kind: of.0,
        prepaid: false,
        currency,
        net: Amount(net),
        vat_ppm: 0,
        gross: Amount(net),
        charged_ms: talk_ms,
        free_ms: 0,
        allowance: None,
        step_ms: 1_000,
        unit_price: Price(1),
        price_currency: currency,
        tariff: None,
        rate: None,
    }
}

/// Call `seq` of `all`.
pub(crate) fn record(seq: u64, all: u64) -> Option<Cdr> {
    let (one, two) = (mixed(seq), mixed(seq ^ 0x5555_5555));
    let span_us = u128::try_from(DAYS * DAY_US).ok()?;
    let offset_us = i64::try_from(span_us * u128::from(seq) / u128::from(all)).ok()?;
    let started_us = FROM_US + offset_us;
    let (account, destination) = (skewed(one, ACCOUNTS), skewed(two, DESTINATIONS));
    let (ingress, egress) = (account % INGRESS, (destination * 7 + one % 5) % EGRESS);
    let is_answered = one >> 8 & 15 < 9;
    let talk_ms = if is_answered { two % 300_000 } else { 0 };
    let setup_ms = 2_000 + one % 9_000;
    let ended_us = started_us + i64::try_from(setup_ms + talk_ms).ok()? * 1_000;
    let eur = Currency::new("EUR", 2)?;
    let charge = |kind, account, a_minute| charge((kind, account), talk_ms, a_minute, eur);
    let digits = Digits::parse(&(1_000 + destination * 13).to_string()).ok();
    Some(Cdr {
        id: CdrId(id(seq)),
        part: 0,
        tenant: Some(TenantId(1)),
        ask: seq,
        snapshot: 1,
        times: CdrTimes {
            started_us,
            rang_us: Some(started_us + 1_500_000),
            answered_us: is_answered.then_some(started_us + i64::try_from(setup_ms).ok()? * 1_000),
            ended_us,
            setup_ms,
            talk_ms,
            billable_ms: talk_ms,
            caller_ms: talk_ms,
            called_ms: talk_ms,
        },
        caller: CdrCaller {
            account: Some(AccountId(id(account))),
            trunk: Some(TrunkId(1_000 + id(ingress))),
            ..CdrCaller::default()
        },
        called: CdrCalled {
            normalised: digits,
            destination: digits,
            trunk: Some(TrunkId(id(egress))),
            ..CdrCalled::default()
        },
        outcome: CdrOutcome { party: 1, reason: if is_answered { 0 } else { 3 }, sip: 0, q850: 0 },
        caller_media: None,
        called_media: None,
        customer: Some(charge(ChargeKind::Customer, id(account), 900_000)),
        levels: Vec::new(),
        supplier: Some(charge(ChargeKind::Supplier, 100_000 + id(egress), 700_000)),
        commissions: Vec::new(),
        packet: None,
        hops: Vec::new(),
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    })
}
