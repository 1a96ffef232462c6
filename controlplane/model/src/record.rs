//! The call detail record, as the store keeps it and REST shows it (spec 13.1).
//!
//! One [`Cdr`] per attempt of a caller, priced, immutable; a correction is another row that refers
//! to it. Times are microseconds since 1970 UTC, durations come from the monotonic clock and are
//! milliseconds; money is at the ledger scale of the currency beside it.

use crate::{
    AccountId, AllowanceId, Amount, Currency, Digits, OrganizationId, Price, RateId, SubscriberId,
    TariffId, TenantId, TrunkId,
};
use std::net::{IpAddr, SocketAddr};

/// Most failed branches kept of one attempt; further ones are counted in [`Cdr::hops_dropped`].
pub const CDR_HOPS_MAX: usize = 64;

/// Identity of a record: origin and sequence in its journal, given by the dataplane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CdrId(pub i64);

/// One attempt of a caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cdr {
    /// Identity, constant through crashes.
    pub id: CdrId,
    /// 0; a mode of billing that makes several records of one attempt counts them here.
    pub part: u8,
    /// Tenant; `None` when the attempt was refused before one was found.
    pub tenant: Option<TenantId>,
    /// The ask of the attempt, which is also its hold in the till.
    pub ask: u64,
    /// Version of the snapshot that decided.
    pub snapshot: u64,
    /// When it happened.
    pub times: CdrTimes,
    /// Who called.
    pub caller: CdrCaller,
    /// Who was called.
    pub called: CdrCalled,
    /// How it ended.
    pub outcome: CdrOutcome,
    /// Media of the caller's leg, when relayed.
    pub caller_media: Option<CdrMedia>,
    /// Media of the called leg, when relayed.
    pub called_media: Option<CdrMedia>,
    /// What the caller's account pays; amounts are zero when nothing is charged.
    pub customer: Option<Charge>,
    /// What the reseller levels above it pay, bottom up.
    pub levels: Vec<Charge>,
    /// What we owe the supplier of the called leg.
    pub supplier: Option<Charge>,
    /// What agents earn, each of a payer of `customer` and `levels`, in their order.
    pub commissions: Vec<Charge>,
    /// What a packet of money pays of `customer`, paid to the same account by who sold to it. Until
    /// the books have seen the record, nothing yet: they know what is left of the packet.
    pub packet: Option<Charge>,
    /// Branches other than the called leg. A supplier's attempts are the records with its trunk as
    /// [`CdrCalled::trunk`] plus its rows here: each leg stands in exactly one place.
    pub hops: Vec<CdrHop>,
    /// Branches beyond [`CDR_HOPS_MAX`].
    pub hops_dropped: u32,
    /// Facts the dataplane dropped beyond its bound; durations do not suffer.
    pub facts_dropped: u32,
    /// A charge is missing: its amount is beyond the ledger's range, or the settlement cannot be
    /// read. An alarm; a human must price it.
    pub unpriced: bool,
}

/// Times of a record.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CdrTimes {
    /// First INVITE (source: `Callstartdate`).
    pub started_us: i64,
    /// First provisional answer of a called party other than 100.
    pub rang_us: Option<i64>,
    /// Answer (source: `Connectdate`).
    pub answered_us: Option<i64>,
    /// First BYE, CANCEL or error (source: `Callenddate`); the partition key.
    pub ended_us: i64,
    /// Start to answer, or to the end when nobody answered, milliseconds (source: `Connecttime`).
    pub setup_ms: u64,
    /// Talk, milliseconds, as measured (source: `Origduration`); 0 when not answered.
    pub talk_ms: u64,
    /// What of it may be charged, milliseconds (source: `Realduration`): never above `talk_ms`.
    pub billable_ms: u64,
    /// Answered time of the caller's leg, milliseconds (source: `Alegduration`).
    pub caller_ms: u64,
    /// Answered time of the called leg, milliseconds (source: `Blegduration`).
    pub called_ms: u64,
}

/// The calling side.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CdrCaller {
    /// Who pays (source: `Callerid`).
    pub account: Option<AccountId>,
    /// Its organization.
    pub organization: Option<OrganizationId>,
    /// A subscriber called.
    pub subscriber: Option<SubscriberId>,
    /// A trunk sent the call.
    pub trunk: Option<TrunkId>,
    /// Number as recognised; empty when none was (source: `Callernumber`).
    pub number: String,
    /// From user as received.
    pub from_user: String,
    /// Display name as received.
    pub display: String,
    /// Where the INVITE came from (source: `Callerip`); `None` for an originated call.
    pub source: Option<SocketAddr>,
    /// SIP Call-ID of the caller's leg.
    pub sip_call_id: String,
    /// User-Agent.
    pub user_agent: String,
    /// The caller hides from whom he calls (RFC 3323): whom he called, and who forwarded the call,
    /// are not told who he is.
    pub hidden: bool,
}

/// The called side: the leg that answered, else the last one tried.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CdrCalled {
    /// Number as received (source: `OrigCalledNumber`).
    pub received: String,
    /// The same in canonical form; `None` when it has none (source: `Callednumber`).
    pub normalised: Option<Digits>,
    /// Number as sent to the called party; empty when no leg was opened (source: `DialedNumber`).
    pub dialled: String,
    /// Prefix of the destination it belongs to (source: `Dirid`).
    pub destination: Option<Digits>,
    /// A subscriber of ours.
    pub subscriber: Option<SubscriberId>,
    /// A trunk of ours.
    pub trunk: Option<TrunkId>,
    /// Address the call was sent to (source: `Calledip`).
    pub remote: Option<SocketAddr>,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CdrOutcome {
    /// Who ended it (source: `Discparty`): see [`party_name`].
    pub party: u8,
    /// Our reason (source: `Discreason`): see [`reason_name`].
    pub reason: u8,
    /// SIP status, 0 = none.
    pub sip: u16,
    /// Q.850 cause value, 0 = unknown.
    pub q850: u8,
}

/// What was received from and sent to one leg.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CdrMedia {
    /// Packets received from the leg (source: `Rtprec`).
    pub received: u64,
    /// Octets received.
    pub received_octets: u64,
    /// Packets sent to the leg (source: `Rtpsent`).
    pub sent: u64,
    /// Octets sent.
    pub sent_octets: u64,
    /// Packets lost on the way to us (source: `Rtplost`).
    pub lost: u64,
    /// Interarrival jitter at the end, microseconds (source: `Jittertime`).
    pub jitter_us: u32,
    /// Largest jitter, microseconds.
    pub jitter_us_max: u32,
    /// Packets of strangers and other packets dropped.
    pub dropped: u64,
    /// Last payload type; `None` = no packet (source: `Rtpcodec`).
    pub payload_type: Option<u8>,
    /// Codec name (source: `Rtpname`); empty when not described.
    pub codec: String,
    /// Where its media came from.
    pub remote: Option<IpAddr>,
    /// Mean opinion score of what came from the leg, where it reached us, hundredths; `None` of no
    /// audio.
    pub mos: Option<u16>,
    /// What the leg told by RTCP of what it was sent.
    pub heard: Option<CdrHeard>,
    /// From the answer to its first packet behind it, or to the end if none came, milliseconds;
    /// `None` when not answered, or not known.
    pub silent_ms: Option<u32>,
    /// For so long after the answer it sent the very sound that it had sent before, milliseconds.
    pub rang_ms: u32,
}

/// What a leg told of how it heard the other one (RFC 3550 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CdrHeard {
    /// Reports that told it.
    pub reports: u32,
    /// Packets that it missed.
    pub lost: u32,
    /// Interarrival jitter where it is, microseconds.
    pub jitter_us: u32,
    /// Round trip between it and us, microseconds; `None` when nothing measured it.
    pub round_trip_us: Option<u32>,
    /// The longest, microseconds; `None` likewise.
    pub round_trip_us_max: Option<u32>,
    /// Mean opinion score of what it heard, hundredths.
    pub mos: Option<u16>,
}

/// A branch that is not the called leg of its record: it failed, or another one won.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CdrHop {
    /// Its place among the branches of the attempt, from 0 in order of time.
    pub index: u8,
    /// Stage of the answer.
    pub stage: u8,
    /// Branch of the stage.
    pub branch: u8,
    /// Trunk tried.
    pub trunk: Option<TrunkId>,
    /// Subscriber tried.
    pub subscriber: Option<SubscriberId>,
    /// Supplier's account, when the hop was priced.
    pub supplier: Option<AccountId>,
    /// Number as sent.
    pub dialled: String,
    /// Address it was sent to.
    pub remote: SocketAddr,
    /// When it was sent.
    pub started_us: i64,
    /// First provisional answer other than 100.
    pub rang_us: Option<i64>,
    /// It answered and lost the race for the call.
    pub answered_us: Option<i64>,
    /// When it ended.
    pub ended_us: i64,
    /// How it ended.
    pub outcome: CdrOutcome,
}

/// Whose charge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChargeKind {
    /// The caller's account pays.
    Customer,
    /// A reseller above it pays.
    Reseller,
    /// We owe a supplier.
    Supplier,
    /// Who sold owes an agent.
    Commission,
    /// A packet of money pays of what the caller's account pays: that is given back to its balance.
    Packet,
}

/// What one account pays for one record, or is paid: [`Charge::kind`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Charge {
    /// Payer, or for a supplier or an agent the payee.
    pub account: AccountId,
    /// Organization of the account.
    pub organization: OrganizationId,
    /// Who receives it, or for an agent who pays it: the reseller above; `None` = the tenant
    /// itself. For a supplier `None`.
    pub payee: Option<OrganizationId>,
    /// Whose charge.
    pub kind: ChargeKind,
    /// Paid in advance.
    pub prepaid: bool,
    /// Currency of `net` and `gross`: the account's.
    pub currency: Currency,
    /// Without tax.
    pub net: Amount,
    /// Tax rate, millionths.
    pub vat_ppm: u32,
    /// With tax: what the account's balance changes by.
    pub gross: Amount,
    /// Charged time after free amount, minimum and step, milliseconds.
    pub charged_ms: u64,
    /// What an allowance paid of the talk, in whole steps as far as it was reserved, milliseconds.
    pub free_ms: u64,
    /// The allowance that paid it.
    pub allowance: Option<AllowanceId>,
    /// Billing step, milliseconds (source: `Billingstep`).
    pub step_ms: u32,
    /// First price per minute (source: `Unitprice`), in `price_currency`.
    pub unit_price: Price,
    /// Currency of the tariff.
    pub price_currency: Currency,
    /// Tariff; `None` for a price of no tariff (calls between subscribers of one tenant).
    pub tariff: Option<TariffId>,
    /// Price line (source: `Billingentry`).
    pub rate: Option<RateId>,
}

/// The five costs of a record, without tax (spec BILL-COST-01); of each `None` where nobody pays or
/// is owed it, or where it would add up currencies.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Costs {
    /// What the caller's account pays (source: `costenduser`).
    pub enduser: Option<(Amount, Currency)>,
    /// What the supplier is owed (source: `costprovider`).
    pub provider: Option<(Amount, Currency)>,
    /// What agents earn (source: `costsales`).
    pub sales: Option<(Amount, Currency)>,
    /// What is left to the tenant: what it is paid by the topmost reseller, or without one by the
    /// caller's account, less what it owes the supplier and its own agents (source: `costcompany`).
    pub company: Option<(Amount, Currency)>,
    /// What the topmost reseller pays (source: `othercost`).
    pub other: Option<(Amount, Currency)>,
}

/// An amount of a currency.
type Priced = (Amount, Currency);

/// The sum of charges without tax, each as `value` has it; `None` of none, in several currencies,
/// too large, or where one has no value.
fn total<'a>(
    charges: impl Iterator<Item = &'a Charge>,
    value: &dyn Fn(&Charge) -> Option<Priced>,
) -> Option<Priced> {
    let mut sum: Option<Priced> = None;
    for charge in charges {
        let (net, own) = value(charge)?;
        let (before, currency) = sum.unwrap_or((Amount::ZERO, own));
        if currency != own {
            return None;
        }
        sum = Some((Amount(before.0.checked_add(net.0)?), currency));
    }
    sum
}

impl Cdr {
    /// Its five costs.
    #[must_use]
    pub fn costs(&self) -> Costs {
        self.costs_by(&|charge| Some((charge.net, charge.currency)))
    }

    /// The same with each charge as `value` has it: in one currency, say.
    #[must_use]
    pub fn costs_by(&self, value: &dyn Fn(&Charge) -> Option<(Amount, Currency)>) -> Costs {
        let paid = self.levels.last().or(self.customer.as_ref());
        let agents = self.commissions.iter().filter(|charge| charge.payee.is_none());
        let owed: Vec<&Charge> = self.supplier.iter().chain(agents).collect();
        let company = paid.and_then(|paid| {
            let (net, currency) = value(paid)?;
            let owed = match owed.is_empty() {
                true => (Amount::ZERO, currency),
                false => total(owed.into_iter(), value)?,
            };
            let left = net.0.checked_sub(owed.0.0)?;
            (owed.1 == currency).then_some((Amount(left), currency))
        });
        Costs {
            enduser: total(self.customer.iter(), value),
            provider: total(self.supplier.iter(), value),
            sales: total(self.commissions.iter(), value),
            company,
            other: total(self.levels.last().into_iter(), value),
        }
    }

    /// Somebody answered.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.times.answered_us.is_some()
    }

    /// All charges: customer, resellers bottom up, supplier, agents, packet.
    pub fn charges(&self) -> impl Iterator<Item = &Charge> {
        let owed = self.supplier.iter().chain(&self.commissions).chain(&self.packet);
        self.customer.iter().chain(&self.levels).chain(owed)
    }
}

/// Added to a SIP status, what the source writes as `Discreason` (printed there: 4486, busy here).
pub const SOURCE_CODE_BASE: u16 = 4_000;

/// One of our reasons, and what it is called elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReasonRow {
    /// Our name, for REST and exports.
    pub name: &'static str,
    /// SIP status where none was said; 200 for what an answered call ends by.
    pub sip: u16,
    /// Q.850 value where none was said (RFC 3398).
    pub q850: u8,
    /// Q.931 value that the source gives by default (spec SIP-DISC-02), for imports and for who
    /// moves from there; 0 = the source prints none.
    pub source_q931: u8,
}

/// All reasons, in the order of the dataplane's codes; `billing` tests that none is missing.
#[must_use]
pub const fn reasons() -> &'static [ReasonRow] {
    &REASONS
}

/// Name of [`CdrOutcome::reason`], for REST and exports; `None` for a number of a later release.
#[must_use]
pub fn reason_name(code: u8) -> Option<&'static str> {
    REASONS.get(usize::from(code)).map(|row| row.name)
}

/// Number of a reason by its name, for filters.
#[must_use]
pub fn reason_code(name: &str) -> Option<u8> {
    u8::try_from(REASONS.iter().position(|known| known.name == name)?).ok()
}

impl CdrOutcome {
    /// What the source would have written (spec 5.1 of the FAQ): 4000 and the SIP status, by our
    /// reason where a call ended without one.
    #[must_use]
    pub fn source_code(&self) -> u16 {
        let usual = REASONS.get(usize::from(self.reason)).map_or(0, |row| row.sip);
        let sip = if self.sip == 0 { usual } else { self.sip };
        SOURCE_CODE_BASE.saturating_add(sip)
    }
}

/// The names of all reasons, in the order of their numbers.
pub const REASON_NAMES: [&str; REASONS.len()] = {
    let mut names = [""; REASONS.len()];
    let mut at = 0;
    while at < REASONS.len() {
        names[at] = REASONS[at].name;
        at += 1;
    }
    names
};

/// Name of [`CdrOutcome::party`].
#[must_use]
pub fn party_name(code: u8) -> Option<&'static str> {
    PARTIES.get(usize::from(code)).copied()
}

const fn row(name: &'static str, sip: u16, q850: u8, source_q931: u8) -> ReasonRow {
    ReasonRow { name, sip, q850, source_q931 }
}

/// In the order of the dataplane's codes; `billing` tests that none is missing.
const REASONS: [ReasonRow; 30] = [
    row("normal", 200, 16, 0),
    row("cancelled", 487, 16, 0),
    row("busy", 486, 17, 0),
    row("no-answer", 480, 19, 0),
    row("rejected", 603, 21, 0),
    row("unknown-number", 404, 1, 28),
    row("offline", 480, 20, 0),
    row("auth-failed", 403, 21, 6),
    row("denied", 403, 21, 6),
    row("no-route", 404, 3, 41),
    row("no-price", 403, 21, 41),
    row("no-credit", 402, 21, 6),
    row("credit-ended", 200, 31, 0),
    row("limit", 480, 34, 34),
    row("max-duration", 200, 31, 0),
    row("no-media", 200, 102, 0),
    row("peer-silent", 408, 102, 27),
    row("peer-error", 500, 41, 27),
    row("no-answer-from-control", 503, 41, 41),
    row("overload", 503, 42, 34),
    row("operator", 200, 31, 0),
    row("process-lost", 503, 41, 0),
    row("host-lost", 503, 41, 0),
    row("bad-request", 400, 127, 42),
    row("bad-media", 488, 65, 0),
    row("exhausted", 480, 34, 34),
    row("internal", 500, 41, 41),
    row("redirected", 302, 23, 0),
    row("false-answer", 200, 31, 0),
    row("impostor", 200, 57, 0),
];

const PARTIES: [&str; 4] = ["unknown", "called", "caller", "switch"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_would_have_written() {
        let check = |reason: &str, sip: u16, expect: u16| {
            let reason = reason_code(reason).unwrap();
            let outcome = CdrOutcome { party: 0, reason, sip, q850: 0 };
            assert_eq!(outcome.source_code(), expect);
        };
        // The only code that is printed.
        check("busy", 486, 4_486);
        check("busy", 0, 4_486);
        check("peer-error", 503, 4_503);
        check("normal", 0, 4_200);
        check("denied", 403, 4_403);
    }

    #[test]
    fn denied_is_q850_21() {
        let row = reasons().iter().find(|row| row.name == "denied").unwrap();
        assert_eq!((row.sip, row.q850, row.source_q931), (403, 21, 6));
    }
}
