//! Between the words of plans, records and settlements and those of the till.

use strowger_billing::{PriceRef, Settlement, Wait};
use strowger_link::AskId;
use strowger_model::{Account, AccountId, AllowanceId, Amount, Cdr, Charge, ChargeKind};
use strowger_routing::{AdmitPlan, LimitOf, Refusal, TalkTime};
use strowger_till::{
    AccountKey, Admit, Adopt, FreeUse, Granted, Growth, HoldId, Learning, LimitAsk, LimitKey, Line,
    Load, PacketUse, Payer, Settle,
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
    /// What it spends counts in what its tenant may spend.
    pub(crate) counts: bool,
}

/// An account as the till needs it.
pub(crate) fn load(node: u32, account: &Account, limits: Limits, posted: Amount) -> Load {
    let Limits { day_max, learning, counts } = limits;
    Load {
        key: key(node, account.id),
        posted,
        floor: account.least(),
        calls_max: account.calls_max,
        per_second_max: account.cps_max,
        tenant: account.tenant,
        spend_max: [[account.day_max, day_max].into_iter().flatten().min(), account.month_max],
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
    ask: AskId,
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
        ms_min: plan.ms_min,
        ms_max: plan.ms_max,
        at_us,
    }
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
pub(crate) fn settle(node: u32, record: &Cdr, parts: &[Cdr]) -> Settle {
    let charges = || parts.iter().flat_map(Cdr::charges);
    // What a packet pays the till says itself.
    let of_account = |charge: &&Charge| charge.kind != ChargeKind::Packet;
    let used =
        charges().filter(of_account).find_map(|charge| Some((charge.allowance?, charge.free_ms)));
    Settle {
        hold: HoldId(record.ask),
        lines: joined(lines_of(node, charges().filter(of_account))),
        free: used.map(|(allowance, ms)| FreeUse { allowance, ms }),
        packet: parts.iter().find_map(|part| {
            let packet = part.packet.as_ref()?.allowance?;
            Some(PacketUse { packet, charge: part.customer.as_ref()?.gross })
        }),
        at_us: record.times.started_us,
    }
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
        Why::TenantSpent(_) | Why::Limit(_) | Why::Full | Why::Duplicate | Why::Malformed => None,
    }
}

pub(crate) const fn refusal(why: strowger_till::Refusal) -> Refusal {
    use strowger_till::Refusal as Why;
    match why {
        Why::NoCredit(_) => Refusal::NoCredit,
        Why::TenantSpent(_) | Why::AccountLimit(_) | Why::Limit(_) | Why::Full => Refusal::Limit,
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
