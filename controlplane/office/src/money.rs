//! Between the words of plans, records and settlements and those of the till.

use strowger_billing::Settlement;
use strowger_link::AskId;
use strowger_model::{Account, AccountId, AllowanceId, Amount, Cdr, ChargeKind};
use strowger_routing::{AdmitPlan, LimitOf, Refusal, TalkTime};
use strowger_till::{
    AccountKey, Admit, Adopt, FreeUse, Granted, HoldId, LimitAsk, LimitKey, Line, Load, Payer,
    Settle,
};

fn key(node: u32, account: AccountId) -> AccountKey {
    AccountKey { node, account }
}

pub(crate) fn load(node: u32, account: &Account, posted: Amount) -> Load {
    // A prepaid account without a floor of its own must not pass zero.
    let floor = account.floor.or(account.prepaid.then_some(Amount::ZERO));
    Load {
        key: key(node, account.id),
        posted,
        floor,
        calls_max: account.calls_max,
        per_second_max: account.cps_max,
        tenant: account.tenant,
        spend_max: [account.day_max, account.month_max],
    }
}

/// What the till is asked for a call that began at `at_us`.
pub(crate) fn admit(
    node: u32,
    ask: AskId,
    plan: &AdmitPlan,
    free: Option<AllowanceId>,
    at_us: i64,
) -> Admit {
    let levels =
        plan.levels.iter().map(|p| Payer { key: key(node, p.account), bound: p.bound }).collect();
    let limits = plan.limits.iter().map(|limit| LimitAsk {
        key: match limit.of {
            LimitOf::Subscriber(id) => LimitKey::Subscriber(id),
            LimitOf::Trunk(id) => LimitKey::Trunk(id),
        },
        calls_max: limit.calls_max,
        per_second_max: 0,
    });
    Admit {
        hold: HoldId(ask.0),
        levels,
        free,
        limits: limits.collect(),
        ms_min: plan.ms_min,
        ms_max: plan.ms_max,
        at_us,
    }
}

pub(crate) fn adopt(
    node: u32,
    ask: AskId,
    settlement: &Settlement,
    granted: TalkTime,
    started: bool,
) -> Adopt {
    let levels = settlement.levels.iter().filter_map(|level| {
        Some(Payer { key: key(node, level.account), bound: level.terms.bound()? })
    });
    let limits = settlement.caller.subscriber.map(LimitKey::Subscriber);
    Adopt {
        hold: HoldId(ask.0),
        levels: levels.collect(),
        free: settlement.allowance,
        free_ms: granted.free_ms,
        limits: limits.into_iter().collect(),
        granted_ms: granted.ms,
        last: granted.last,
        ms_max: settlement.ms_max,
        started,
        at_us: settlement.began_us,
    }
}

/// What a record does to balances and free time.
pub(crate) fn settle(node: u32, record: &Cdr) -> Settle {
    let used = record.charges().find_map(|charge| Some((charge.allowance?, charge.free_ms)));
    Settle {
        hold: HoldId(record.ask),
        lines: lines(node, record),
        free: used.map(|(allowance, ms)| FreeUse { allowance, ms }),
        at_us: record.times.started_us,
    }
}

pub(crate) const fn talk_time(granted: Granted) -> TalkTime {
    let Granted { ms, free_ms, last, .. } = granted;
    TalkTime { ms, free_ms, last }
}

/// What each account pays for a record; what we owe a supplier is paid to its account.
pub(crate) fn lines(node: u32, record: &Cdr) -> Vec<Line> {
    let charges = record.charges().filter(|charge| charge.gross != Amount::ZERO);
    charges
        .map(|charge| Line {
            key: key(node, charge.account),
            charge: match charge.kind {
                ChargeKind::Customer | ChargeKind::Reseller => charge.gross,
                ChargeKind::Supplier => Amount(charge.gross.0.saturating_neg()),
            },
        })
        .collect()
}

pub(crate) const fn refusal(why: strowger_till::Refusal) -> Refusal {
    use strowger_till::Refusal as Why;
    match why {
        Why::NoCredit(_) => Refusal::NoCredit,
        Why::AccountLimit(_) | Why::Limit(_) | Why::Full => Refusal::Limit,
        Why::UnknownAccount(_) | Why::Duplicate | Why::Malformed => Refusal::Internal,
    }
}
