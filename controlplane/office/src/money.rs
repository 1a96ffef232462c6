//! Between the words of plans, records and settlements and those of the till.

use crate::guard::network_of;
use crate::standing::TALK_MS_MAX;
use std::net::IpAddr;
use strowger_billing::{PriceRef, Settlement, Wait};
use strowger_link::AskId;
use strowger_model::{Account, AccountId, AllowanceId, Amount, Cdr, Charge, ChargeKind};
use strowger_routing::{AddressCaps, AdmitPlan, LimitOf, Refusal, TalkTime};
use strowger_till::{
    AccountKey, Admit, Adopt, FreeUse, Granted, Growth, HoldId, Learning, LimitAsk, LimitKey, Line,
    Load, PERIODS, PacketUse, Payer, Settle, Span, Talk, WindowAsk, WindowKey, WindowUse,
};

fn key(node: u32, account: AccountId) -> AccountKey {
    AccountKey { node, account }
}

/// What an account is limited by beside its own row.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// What its tenant lets any such account spend a day.
    pub(crate) day_max: Option<Amount>,
    pub(crate) learning: Option<Learning>,
    /// How long its calls of a day and of a month may talk, milliseconds.
    pub(crate) talk_ms_max: [Option<u64>; PERIODS],
    /// What it spends counts in what its tenant may spend.
    pub(crate) counts: bool,
}

/// An account as the till needs it.
pub(crate) fn load(node: u32, account: &Account, limits: Limits, posted: Amount) -> Load {
    let Limits { day_max, learning, talk_ms_max, counts } = limits;
    Load {
        key: key(node, account.id),
        posted,
        floor: account.least(),
        calls_max: account.calls_max,
        per_second_max: account.cps_max,
        tenant: account.tenant,
        spend_max: [[account.day_max, day_max].into_iter().flatten().min(), account.month_max],
        talk_ms_max,
        growth: account.month_grows_by.map(|by| Growth {
            by,
            to: account.month_grows_to,
            since_us: account.month_grows_since_us.unwrap_or_default(),
        }),
        learning,
        counts,
    }
}

/// Who would pay for a plan.
pub(crate) fn levels(node: u32, plan: &AdmitPlan) -> Vec<Payer> {
    let payer = |p: &strowger_routing::Payer| Payer { key: key(node, p.account), bound: p.bound };
    plan.levels.iter().map(payer).collect()
}

/// What the till is asked for a call that began at `at_us`.
pub(crate) fn admit(
    node: u32,
    (ask, source): (AskId, IpAddr),
    plan: &AdmitPlan,
    (free, packet): (Option<AllowanceId>, Option<AllowanceId>),
    at_us: i64,
) -> Admit {
    let levels = levels(node, plan);
    let limits = plan.limits.iter().map(|limit| LimitAsk {
        key: limit_key(limit.of),
        calls_max: limit.calls_max,
        per_second_max: limit.cps_max,
    });
    Admit {
        hold: HoldId(ask.0),
        levels,
        free,
        packet,
        limits: limits.collect(),
        window: plan.address.map(|caps| WindowAsk {
            key: window_key(&caps, source),
            span: span(&caps, at_us),
            calls_max: caps.calls_max,
            talk_ms_max: caps.talk_ms_max,
            spend_max: caps.spend_max,
        }),
        money_min: plan.money_min,
        ms_min: plan.ms_min,
        ms_max: plan.ms_max,
        at_us,
    }
}

fn window_key(caps: &AddressCaps, source: IpAddr) -> WindowKey {
    let (network, _) = network_of(source);
    WindowKey { tenant: caps.tenant, network }
}

fn span(caps: &AddressCaps, at_us: i64) -> Span {
    let (from_us, until_us) = caps.window_us(at_us);
    Span { from_us, until_us, at_us }
}

/// What calls from an address count, that began at `at_us`.
pub(crate) fn window(
    caps: &AddressCaps,
    (source, at_us): (IpAddr, i64),
    (calls, talk_ms, spent): (u32, u64, Amount),
) -> WindowUse {
    // What nobody counts the worth of costs nothing.
    let spent = if caps.spend_max.is_some() { spent } else { Amount::ZERO };
    let (key, span) = (window_key(caps, source), span(caps, at_us));
    WindowUse { key, span, calls, talk_ms, spent }
}

pub(crate) const fn limit_key(of: LimitOf) -> LimitKey {
    match of {
        LimitOf::Subscriber(id) => LimitKey::Subscriber(id),
        LimitOf::Trunk(id) => LimitKey::Trunk(id),
        LimitOf::Tenant(id) => LimitKey::Tenant(id),
        LimitOf::Switch => LimitKey::Switch,
    }
}

pub(crate) fn adopt(
    node: u32,
    ask: AskId,
    settlement: &Settlement,
    granted: TalkTime,
    answered: Option<PriceRef>,
) -> Adopt {
    // A trunk's call that is a subscriber's counts for both.
    let own = settlement.caller.subscriber.map(LimitKey::Subscriber);
    let sent = settlement.caller.trunk.map(LimitKey::Trunk);
    let all = [LimitKey::Tenant(settlement.tenant), LimitKey::Switch];
    let limits = own.into_iter().chain(sent).chain(all);
    Adopt {
        hold: HoldId(ask.0),
        levels: payers(node, settlement, answered, Wait::UNKNOWN),
        free: settlement.allowance,
        free_ms: granted.free_ms,
        packet: settlement.packet,
        limits: limits.collect(),
        granted_ms: granted.ms,
        last: granted.last,
        ms_max: settlement.ms_max,
        started: answered.is_some(),
        at_us: settlement.began_us,
    }
}

/// Who pays for a call: all who may have to before it is answered, then those who do.
pub(crate) fn payers(
    node: u32,
    settlement: &Settlement,
    answered: Option<PriceRef>,
    wait: Wait,
) -> Vec<Payer> {
    // Bounds that cannot be made were refused when the call was decided.
    let payers = settlement.payers(answered, wait).unwrap_or_default();
    payers.into_iter().map(|(account, bound)| Payer { key: key(node, account), bound }).collect()
}

/// What the records of one attempt do to balances and free time, as one step: its forwards have
/// records of their own beside the caller's. `parts` is not empty.
pub(crate) fn settle(node: u32, record: &Cdr, parts: &[Cdr], caps: Option<AddressCaps>) -> Settle {
    let charges = || parts.iter().flat_map(Cdr::charges);
    // What a packet pays the till says itself.
    let of_account = |charge: &&Charge| charge.kind != ChargeKind::Packet;
    let used =
        charges().filter(of_account).find_map(|charge| Some((charge.allowance?, charge.free_ms)));
    Settle {
        hold: HoldId(record.ask),
        lines: joined(lines_of(node, charges().filter(of_account))),
        talks: parts.iter().filter_map(|part| talk(node, part)).collect(),
        window: caps.and_then(|caps| {
            let source = record.caller.source?.ip();
            let talk_ms = parts.iter().filter_map(|part| talk(node, part)).map(|talk| talk.ms);
            let of_caller = |charge: &&Charge| charge.kind == ChargeKind::Customer;
            let spent = charges().filter(of_caller).map(|charge| charge.gross.0);
            let sums =
                (1, talk_ms.fold(0, u64::saturating_add), spent.fold(0, i64::saturating_add));
            let (calls, talk_ms, spent) = sums;
            let began = (source, record.times.started_us);
            Some(window(&caps, began, (calls, talk_ms, Amount(spent))))
        }),
        free: used.map(|(allowance, ms)| FreeUse { allowance, ms }),
        packet: parts.iter().find_map(|part| {
            let packet = part.packet.as_ref()?.allowance?;
            Some(PacketUse { packet, charge: part.customer.as_ref()?.gross })
        }),
        at_us: record.times.started_us,
    }
}

/// How long a record's call talked, by who made it.
fn talk(node: u32, part: &Cdr) -> Option<Talk> {
    part.times.answered_us?;
    let account = part.caller.account?;
    let ms = part.times.talk_ms.min(TALK_MS_MAX);
    (ms > 0).then_some(Talk { key: key(node, account), ms })
}

pub(crate) const fn talk_time(granted: Granted) -> TalkTime {
    let Granted { ms, free_ms, last, .. } = granted;
    TalkTime { ms, free_ms, last }
}

/// One line for what each account pays, which the till compares with what was held of it, and one
/// for what it is paid: that is no less spending, neither here nor in the database.
fn joined(lines: impl Iterator<Item = Line>) -> Vec<Line> {
    let mut joined: Vec<Line> = Vec::new();
    for line in lines {
        let is_same =
            |known: &Line| known.key == line.key && (known.charge.0 < 0) == (line.charge.0 < 0);
        match joined.iter_mut().find(|known| is_same(known)) {
            Some(known) => known.charge = Amount(known.charge.0.saturating_add(line.charge.0)),
            None => joined.push(line),
        }
    }
    joined
}

/// The records of one attempt stand behind each other: the caller's, then those of its forwards.
pub(crate) fn attempts(records: &[Cdr]) -> impl Iterator<Item = (&Cdr, &[Cdr])> {
    records.chunk_by(|a, b| a.id == b.id).filter_map(|parts| Some((parts.first()?, parts)))
}

/// What each account pays for a record; what we owe a supplier or an agent is paid to
/// its account.
pub(crate) fn lines(node: u32, record: &Cdr) -> Vec<Line> {
    lines_of(node, record.charges()).collect()
}

fn lines_of<'a>(
    node: u32,
    charges: impl Iterator<Item = &'a Charge>,
) -> impl Iterator<Item = Line> {
    charges.filter(|charge| charge.gross != Amount::ZERO).map(move |charge| Line {
        key: key(node, charge.account),
        charge: match charge.kind {
            ChargeKind::Customer | ChargeKind::Reseller => charge.gross,
            ChargeKind::Supplier | ChargeKind::Commission | ChargeKind::Packet => {
                Amount(charge.gross.0.saturating_neg())
            }
        },
    })
}

/// Whose account stood in the way.
pub(crate) const fn refused_payer(why: strowger_till::Refusal) -> Option<AccountId> {
    use strowger_till::Refusal as Why;
    match why {
        Why::NoCredit(key) | Why::AccountLimit(key) | Why::UnknownAccount(key) => Some(key.account),
        Why::TalkedOut(key) => Some(key.account),
        Why::TenantSpent(_)
        | Why::Limit(_)
        | Why::Window(_)
        | Why::Full
        | Why::Duplicate
        | Why::Malformed => None,
    }
}

pub(crate) const fn refusal(why: strowger_till::Refusal) -> Refusal {
    use strowger_till::Refusal as Why;
    match why {
        Why::NoCredit(_) => Refusal::NoCredit,
        Why::TenantSpent(_)
        | Why::AccountLimit(_)
        | Why::TalkedOut(_)
        | Why::Limit(_)
        | Why::Window(_)
        | Why::Full => Refusal::Limit,
        Why::UnknownAccount(_) | Why::Duplicate | Why::Malformed => Refusal::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_account_pays_and_is_paid_for_one_call_are_two_lines() {
        let line =
            |account, charge| Line { key: key(0, AccountId(account)), charge: Amount(charge) };
        let lines = [line(1, 10), line(2, -4), line(1, -3), line(1, 5), line(2, 1)];
        let expect = [line(1, 15), line(2, -4), line(1, -3), line(2, 1)];
        assert_eq!(joined(lines.into_iter()), expect);
    }
}
