//! What the till said of an attempt, as steps of its trace, and the trace on its way out.

use crate::money;
use strowger_link::{Ask, AskBody, AskId};
use strowger_model::{AccountId, AllowanceId, TenantId};
use strowger_routing::{Cap, Refusal, Step, TalkTime, Trace};
use strowger_till::{LimitKey, Refusal as Why, WindowCap};

/// Why an attempt was decided as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Traced {
    /// The attempt, as its record names it.
    pub ask: AskId,
    /// When it was asked, microseconds since 1970 UTC.
    pub at_us: i64,
    /// Whose call.
    pub tenant: TenantId,
    /// Version of the world that decided.
    pub snapshot: u64,
    /// The steps ([`Trace::from_bytes`]).
    pub steps: Box<[u8]>,
    /// Header fields of the INVITE that are kept, by the setting `call.headers_kept`.
    pub headers: Vec<(String, String)>,
}

/// Most header fields of one attempt that are kept.
pub const HEADERS_KEPT_MAX: usize = 16;
/// Most bytes of their names and values together; what is beyond is left out whole.
pub const HEADERS_KEPT_LEN_MAX: usize = 1_024;

/// The fields of an INVITE that are named, in their order. Bytes that are no text are replaced.
pub(crate) fn kept_headers(named: &[String], ask: &Ask) -> Vec<(String, String)> {
    let AskBody::Call(call) = &ask.body else { return Vec::new() };
    let is_named = |name: &str| named.iter().any(|named| named.eq_ignore_ascii_case(name));
    let mut room = HEADERS_KEPT_LEN_MAX;
    let fields = call.headers.iter().filter(|field| is_named(&field.name));
    let fitting = fields.filter_map(|field| {
        let value = String::from_utf8_lossy(&field.value.0);
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        room = room.checked_sub(field.name.len().checked_add(value.len())?)?;
        Some((field.name.clone(), value))
    });
    fitting.take(HEADERS_KEPT_MAX).collect()
}

/// Notes what was granted, if it was.
pub(crate) fn note_granted(
    trace: &mut Trace,
    granted: &Result<TalkTime, Why>,
    (free, packet): (Option<AllowanceId>, Option<AllowanceId>),
) {
    let Ok(granted) = granted else { return };
    let seconds = |ms: u64| i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    if let Some(packet) = packet {
        trace.note(Step::Packet { allowance: packet.0 });
    }
    if let Some(allowance) = free.filter(|_| granted.free_ms > 0) {
        trace.note(Step::FreeTime { allowance: allowance.0, seconds: seconds(granted.free_ms) });
    }
    trace.note(match granted.ms {
        u64::MAX => Step::Unlimited {},
        ms => Step::Granted { seconds: seconds(ms) },
    });
}

/// Notes why nothing was granted; what the caller is told comes back.
pub(crate) fn note_refused(trace: &mut Trace, why: Why, payer: Option<AccountId>) -> Refusal {
    let account = payer.map_or(0, |account| account.0);
    trace.note(match why {
        Why::NoCredit(key) => Step::NoCredit { account: key.account.0 },
        Why::TenantSpent(tenant) => Step::TenantSpent { tenant: tenant.0 },
        Why::AccountLimit(key) => Step::LimitReached { account: key.account.0 },
        Why::TalkedOut(key) => Step::CapReached { account: key.account.0, cap: Cap::Talk as i64 },
        Why::Window(cap) => Step::CapReached { account, cap: cap_of(cap) as i64 },
        Why::Limit(LimitKey::Subscriber(id)) => Step::SubscriberLimit { subscriber: id.0 },
        Why::Limit(LimitKey::Trunk(id)) => Step::TrunkLimit { trunk: id.0 },
        Why::Limit(LimitKey::Tenant(id)) => Step::TenantLimit { tenant: id.0 },
        Why::Limit(LimitKey::Switch) => Step::SwitchLimit {},
        Why::UnknownAccount(key) => Step::NotAdmitted { account: key.account.0 },
        Why::Duplicate | Why::Malformed | Why::Full => Step::NotAdmitted { account },
    });
    let refusal = money::refusal(why);
    let cause = refusal.cause();
    trace.note(Step::Refused { sip: cause.sip.into(), q850: cause.q850.into() });
    refusal
}

const fn cap_of(cap: WindowCap) -> Cap {
    match cap {
        WindowCap::Calls => Cap::AddressCalls,
        WindowCap::Talk => Cap::AddressTalk,
        WindowCap::Spend => Cap::AddressCost,
    }
}
