//! What the till is told and what it answers.

use crate::{AccountKey, Calendar, Growth, HoldId, Learning, LimitKey, Ms, PERIODS};
use std::net::IpAddr;
use strowger_model::{AllowanceId, Amount, CostBound, TenantId};

/// Most payers of one call.
pub const LEVELS_MAX: usize = 16;
/// Most limits one call takes, beside those of its payers' accounts.
pub const LIMITS_MAX: usize = 8;
/// Most lines of one settlement or one commit.
pub const LINES_MAX: usize = 65_536;

/// One step of the till.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An account: new with its balance, or known with new settings (then `posted` is ignored,
    /// because the till's own is newer).
    Load(Load),
    /// Where the days and months of a tenant begin, told in time before they do.
    Calendar {
        /// Tenant.
        tenant: TenantId,
        /// Its periods.
        calendar: Calendar,
    },
    /// What the calls of all accounts of a tenant together may cost.
    Tenant {
        /// Tenant.
        tenant: TenantId,
        /// Most of one day and of one month; `None` = no limit.
        spend_max: [Option<Amount>; PERIODS],
    },
    /// Free time: new with what its records used, or known with another size (then `used_ms` is
    /// ignored, because the till's own is newer).
    Allow(Allow),
    /// A packet of money: new with what its records used, or known with another size.
    Packet(Packet),
    /// Free time, or a packet, that ended so long ago that no record of it can come: forgotten,
    /// unless a call holds some of it still.
    Disallow(AllowanceId),
    /// At boot: what the database has counted for calls that began at `at_us`.
    Spent {
        /// Account.
        key: AccountKey,
        /// A time in the period, microseconds since 1970 UTC.
        at_us: i64,
        /// What they cost.
        charge: Amount,
        /// How long those talked that it made.
        talk_ms: u64,
    },
    /// At boot: what the records in the database say of an address.
    Window(WindowUse),
    /// How many months before one a limit has grown by, as the database has counted them: at boot
    /// behind `Load` and before `Spent`, and whenever it was counted again.
    Grown {
        /// Account.
        key: AccountKey,
        /// They began before this, microseconds since 1970 UTC.
        before_us: i64,
        /// So many of them count.
        months: u32,
    },
    /// What the dearest day before one cost an account whose limit is learnt, as the database has
    /// counted: at boot behind `Load` and before `Spent`, and whenever it was counted again. Until
    /// it is told, nothing is limited by it.
    Learnt {
        /// Account.
        key: AccountKey,
        /// Days that began before this, microseconds since 1970 UTC.
        before_us: i64,
        /// What the dearest of them cost that taught something.
        peak: Amount,
    },
    /// A call asks for everything it needs. Answered by `Admitted` or `Refused`.
    Admit(Admit),
    /// A call that a restart of the control plane found running, or a `Started` whose hold was
    /// gone: held again without asking whether it can be afforded.
    Adopt(Adopt),
    /// The call was answered.
    Started(HoldId),
    /// Which of the payers pay is known now: a forward was answered, or was not needed. The others
    /// get back what was held of them, and a call that only they cut short is lengthened.
    Narrow {
        /// Hold.
        hold: HoldId,
        /// Who pays, with the bound of it; each of them has been asked.
        levels: Vec<Payer>,
    },
    /// More payers for a call that rings: a called party sent it on. Answered by `Admitted` with
    /// what is granted from now on, by `Refused` when one of them cannot pay (all is as before
    /// then), or by `Unknown`.
    Widen {
        /// Hold.
        hold: HoldId,
        /// All who may have to pay now, with the bounds of it; at most [`LEVELS_MAX`]. Who paid
        /// before and is not among them goes on paying.
        levels: Vec<Payer>,
        /// Least talk time worth going on, milliseconds.
        ms_min: u64,
        /// When the call began, microseconds since 1970 UTC: the day and month it counts in.
        at_us: i64,
    },
    /// Half of the talk time is used. Answered by `Extended` or `Unknown`.
    Extend {
        /// Hold.
        hold: HoldId,
        /// Talk time granted so far as the dataplane knows it, milliseconds from answer.
        granted_ms: u64,
        /// So much of it is free.
        free_ms: u64,
    },
    /// The call ended: release and charge.
    Settle(Settle),
    /// As `Settle`, for records read from the journal at boot, whose holds were never here.
    Replay(Settle),
    /// Nothing came of the attempt: release.
    Void(HoldId),
    /// A payment, fee or correction. Answered by `Adjusted` or `AdjustRefused`.
    Adjust(Adjust),
    /// The store has committed a batch: its lines are now in the posted balances.
    Committed(Commit),
}

/// An account as the till needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// Which.
    pub key: AccountKey,
    /// Balance in the database.
    pub posted: Amount,
    /// The balance never passes below this; `None` = no floor, hence no hold.
    pub floor: Option<Amount>,
    /// Most concurrent calls, 0 = no limit.
    pub calls_max: u32,
    /// Most admitted calls per second, 0 = no limit.
    pub per_second_max: u32,
    /// Whose calendar its periods follow.
    pub tenant: TenantId,
    /// Most that calls of one day and of one month may cost; `None` = no limit.
    pub spend_max: [Option<Amount>; PERIODS],
    /// How long its calls of one day and of one month may talk, milliseconds; `None` = no limit.
    pub talk_ms_max: [Option<u64>; PERIODS],
    /// How the limit of a month grows; `None` = not.
    pub growth: Option<Growth>,
    /// How the limit of a day is learnt; `None` = not.
    pub learning: Option<Learning>,
    /// What it spends counts in what its tenant may spend: who resells does not, for what it pays
    /// is for calls that others pay for too.
    pub counts: bool,
}

/// Free time of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allow {
    /// Which.
    pub allowance: AllowanceId,
    /// Whose calls may take it.
    pub key: AccountKey,
    /// How much there is, milliseconds.
    pub granted_ms: u64,
    /// What records have used.
    pub used_ms: u64,
}

/// Money of an account that pays for some of its calls before its balance does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Which.
    pub packet: AllowanceId,
    /// Whose calls it pays.
    pub key: AccountKey,
    /// How much there is.
    pub granted: Amount,
    /// What records have used.
    pub used: Amount,
}

/// Everything one call needs, all or nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admit {
    /// The ask. Asked again, it gets the same answer again.
    pub hold: HoldId,
    /// Payers, each account once, at most [`LEVELS_MAX`].
    pub levels: Vec<Payer>,
    /// An allowance of the first payer, which the call takes before money.
    pub free: Option<AllowanceId>,
    /// A packet of money of the first payer, which pays before its balance.
    pub packet: Option<AllowanceId>,
    /// Limits beyond those of the accounts, at most [`LIMITS_MAX`].
    pub limits: Vec<LimitAsk>,
    /// Caps of the address that it came from; `None` = none.
    pub window: Option<WindowAsk>,
    /// A call that costs anything does not begin while the first payer's balance leaves less than
    /// this above its floor (source: `mincreditonroute`); `None` = however little.
    pub money_min: Option<Amount>,
    /// Least talk time worth a call, milliseconds (source: `MINSPEACHLENONROUTE`).
    pub ms_min: u64,
    /// Longest talk time of this call, milliseconds; 0 = no limit. No more than that is held.
    pub ms_max: u64,
    /// When it began, microseconds since 1970 UTC: the day and month it counts in.
    pub at_us: i64,
}

/// One payer and what the call can cost it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payer {
    /// Account.
    pub key: AccountKey,
    /// Bound of its cost.
    pub bound: CostBound,
}

/// One limit with its values by value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitAsk {
    /// What is limited.
    pub key: LimitKey,
    /// Most calls at once, 0 = no limit.
    pub calls_max: u32,
    /// Most admitted calls per second, 0 = no limit.
    pub per_second_max: u32,
}

/// Whose window: an address, or a network that one host can use freely, of one tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WindowKey {
    /// Tenant.
    pub tenant: TenantId,
    /// Its first address.
    pub network: IpAddr,
}

/// A window of time, microseconds since 1970 UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Its beginning.
    pub from_us: i64,
    /// Its end.
    pub until_us: i64,
    /// When the call began that it is of.
    pub at_us: i64,
}

/// Caps of what comes from an address within a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowAsk {
    /// Whose.
    pub key: WindowKey,
    /// When.
    pub span: Span,
    /// Most calls, 0 = no cap.
    pub calls_max: u32,
    /// Longest talk, milliseconds, 0 = no cap.
    pub talk_ms_max: u64,
    /// Most that they may cost; `None` = no cap.
    pub spend_max: Option<Amount>,
}

/// What came from an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowUse {
    /// Whose.
    pub key: WindowKey,
    /// When.
    pub span: Span,
    /// Calls; of a settlement whose hold was counted when it was admitted none is counted.
    pub calls: u32,
    /// How long they talked, milliseconds.
    pub talk_ms: u64,
    /// What they cost.
    pub spent: Amount,
}

/// What of a window is used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WindowCap {
    /// Its calls.
    Calls,
    /// Its talk.
    Talk,
    /// What they may cost.
    Spend,
}

/// A running call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adopt {
    /// The ask.
    pub hold: HoldId,
    /// Payers.
    pub levels: Vec<Payer>,
    /// What the first payer's call takes before money.
    pub free: Option<AllowanceId>,
    /// Free talk time granted, milliseconds.
    pub free_ms: u64,
    /// The packet that pays before the first payer's balance.
    pub packet: Option<AllowanceId>,
    /// Limits it counts in.
    pub limits: Vec<LimitKey>,
    /// Talk time granted, milliseconds; `u64::MAX` = no lease.
    pub granted_ms: u64,
    /// That was its last slice: it asks for no more, and is lengthened when money comes in.
    pub last: bool,
    /// Longest talk time, milliseconds; 0 = no limit.
    pub ms_max: u64,
    /// It was answered.
    pub started: bool,
    /// When it began, as its record will say.
    pub at_us: i64,
}

/// The end of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settle {
    /// The ask.
    pub hold: HoldId,
    /// What each account pays (negative: is paid). At most [`LINES_MAX`].
    pub lines: Vec<Line>,
    /// How long its parts talked, by who made them. At most [`LEVELS_MAX`].
    pub talks: Vec<Talk>,
    /// What it counts for its address; `None` = nothing is counted there.
    pub window: Option<WindowUse>,
    /// What it used of an allowance.
    pub free: Option<FreeUse>,
    /// What a packet of money pays of it, as far as there is something left.
    pub packet: Option<PacketUse>,
    /// When it began, microseconds since 1970 UTC; the hold's own time goes first.
    pub at_us: i64,
}

/// How long a call talked that an account made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Talk {
    /// Account.
    pub key: AccountKey,
    /// Milliseconds.
    pub ms: u64,
}

/// What a record used of an allowance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FreeUse {
    /// Which.
    pub allowance: AllowanceId,
    /// Milliseconds.
    pub ms: u64,
}

/// What of a settlement a packet of money may pay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketUse {
    /// Which.
    pub packet: AllowanceId,
    /// All that the first payer pays.
    pub charge: Amount,
}

/// A change of one balance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Account.
    pub key: AccountKey,
    /// What it pays; negative when it is paid.
    pub charge: Amount,
}

/// A payment, fee or correction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Adjust {
    /// Identity: told twice, it counts once.
    pub id: u64,
    /// Account.
    pub key: AccountKey,
    /// Added to the balance; negative takes away.
    pub amount: Amount,
    /// How far it is.
    pub stage: Stage,
}

/// How far an adjustment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It stands in the database already: payments, so that nobody spends what a crash could lose.
    /// Also the second word on one that was asked: it was written.
    Durable,
    /// It will be written after the till agrees: fees and withdrawals, which must not pass the
    /// floor. `Durable` or `Dropped` follows.
    Asked,
    /// One that was asked was not written: all is as before. Not answered.
    Dropped,
}

/// A batch that the store has committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// Number of the batch, rising; an older one is ignored.
    pub batch: u64,
    /// The sum of its charges per account, at most [`LINES_MAX`] lines.
    pub lines: Vec<Line>,
}

/// What the till answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// The call has all it needs.
    Admitted(Granted),
    /// It has nothing.
    Refused {
        /// The ask.
        hold: HoldId,
        /// Why.
        why: Refusal,
    },
    /// More talk time, or the same again with `last`.
    Extended(Granted),
    /// More talk time that was not asked for: its last slice was not the last one, because money
    /// came in. Whoever does not hear of it ends where it would have ended.
    Lengthened(Granted),
    /// `Started`, `Widen` or `Extend` of a hold that is not here: adopt it from the settlement.
    Unknown(HoldId),
    /// An unanswered hold was given up after `UNSTARTED_MS`.
    Expired(HoldId),
    /// An adjustment is done.
    Adjusted {
        /// Its identity.
        id: u64,
        /// The balance now.
        balance: Amount,
    },
    /// An adjustment is not done.
    AdjustRefused {
        /// Its identity.
        id: u64,
        /// Why.
        why: Refusal,
    },
    /// A human must look.
    Alarm(Alarm),
}

/// Talk time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// The ask.
    pub hold: HoldId,
    /// Milliseconds from answer; `u64::MAX` = no lease.
    pub ms: u64,
    /// So many of them an allowance pays.
    pub free_ms: u64,
    /// Nothing will be added.
    pub last: bool,
}

/// Why something is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// This account cannot afford it.
    NoCredit(AccountKey),
    /// The accounts of this tenant together may spend no more today, or this month.
    TenantSpent(TenantId),
    /// This account has all its calls, or too many in this second.
    AccountLimit(AccountKey),
    /// The calls of this account have talked as long as its day or month allows.
    TalkedOut(AccountKey),
    /// The address that it came from has used this up.
    Window(WindowCap),
    /// This limit is reached.
    Limit(LimitKey),
    /// This account was never loaded.
    UnknownAccount(AccountKey),
    /// The id was used for something else already.
    Duplicate,
    /// An account stands on two levels, or a list is longer than its bound.
    Malformed,
    /// The till's own bound of holds, accounts or limits is reached.
    Full,
}

/// What must not happen; each counts as drift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// A call cost more than was held for it. It is charged all the same.
    Overspent {
        /// The ask.
        hold: HoldId,
        /// Who.
        key: AccountKey,
        /// Beyond the hold.
        by: Amount,
    },
    /// An allowance has given more than there is, or is not known here.
    Overdrawn {
        /// Which.
        allowance: AllowanceId,
        /// Beyond what there is, milliseconds.
        by_ms: u64,
    },
    /// A record names a packet of money that is not known here: its account has paid.
    UnknownPacket(AllowanceId),
    /// A record came whose hold was not here. It is charged all the same: the call took place.
    NoHold(HoldId),
    /// A charge for an account that was never loaded; kept until it is.
    UnknownAccount(AccountKey),
    /// An id of a live or settled call was used for a new one.
    HoldReused(HoldId),
    /// A settlement or commit with more than [`LINES_MAX`] lines was cut: a bug of the caller.
    TooManyLines,
    /// No room for another account; its charge is in the database only.
    Full,
}

/// Timer of the till.
pub(crate) type Deadline = (Ms, HoldId);
