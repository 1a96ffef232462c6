//! Between the words of plans, records and settlements and those of the till.

use strowger_billing::Settlement;
use strowger_link::AskId;
use strowger_model::{Account, AccountId, Amount, Cdr, ChargeKind};
use strowger_routing::{AdmitPlan, LimitOf, Refusal};
use strowger_till::{AccountKey, Admit, Adopt, HoldId, LimitAsk, LimitKey, Line, Load, Payer};

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
    }
}

pub(crate) fn admit(node: u32, ask: AskId, plan: &AdmitPlan) -> Admit {
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
        limits: limits.collect(),
        ms_min: plan.ms_min,
        ms_max: plan.ms_max,
    }
}

pub(crate) fn adopt(
    node: u32,
    ask: AskId,
    settlement: &Settlement,
    (granted_ms, last): (u64, bool),
    started: bool,
) -> Adopt {
    let levels = settlement.levels.iter().filter_map(|level| {
        Some(Payer { key: key(node, level.account), bound: level.terms.bound()? })
    });
    let limits = settlement.caller.subscriber.map(LimitKey::Subscriber);
    Adopt {
        hold: HoldId(ask.0),
        levels: levels.collect(),
        limits: limits.into_iter().collect(),
        granted_ms,
        last,
        ms_max: 0,
        started,
    }
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
