//! What runs now, as the process that runs it tells it.

use crate::MetricsWriter;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use strowger_model::{
    AccountId, Allowance, AllowanceId, Amount, Audio, Binding, Cdr, CdrId, CdrMedia, Currency,
    Digits, FalseAnswer, NumberListId, Price, RateId, SubscriberId, TariffId, TenantId, TrunkId,
    TrunkLoginId,
};
use strowger_routing::{Change, Holder, Replayed};
use strowger_store::{Actor, MoneyKind, MoneyRequest, NewAllowance, Scope};

/// A reply that takes time.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// The part that knows does not answer; REST says 503.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("what runs now cannot be asked")]
pub struct Unavailable;

/// The table of ported numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortedSeen {
    /// How many numbers it has.
    pub numbers: u64,
    /// Memory that it takes, bytes.
    pub bytes: u64,
    /// What calls to the number that was asked for are routed by; `None` when it was not ported.
    pub routed: Option<Digits>,
}

/// A list of ported numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortedOrder {
    /// Its lines.
    pub list: String,
    /// It adds to the table instead of replacing it.
    pub adds: bool,
    /// Who brings it, for the log.
    pub actor: String,
}

/// What stands on a list of numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ListSeen {
    /// How many entries it has.
    pub entries: u64,
    /// Memory that they take, bytes.
    pub bytes: u64,
    /// Changes that lie over them.
    pub changes: u64,
    /// Digits of the longest entry that the number which was asked for begins with.
    pub digits: Option<usize>,
}

/// What becomes of a list of numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListDeed {
    /// The lines are its entries.
    Replace,
    /// The lines are added.
    Add,
    /// The lines are taken away.
    Remove,
}

impl ListDeed {
    /// Its word in the change log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            ListDeed::Replace => "replace",
            ListDeed::Add => "add",
            ListDeed::Remove => "remove",
        }
    }
}

/// Lines for a list of numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListOrder {
    /// The list.
    pub list: NumberListId,
    /// Its tenant.
    pub tenant: Option<TenantId>,
    /// Where the lines lie until this was answered.
    pub file: PathBuf,
    /// SHA-256 of them, hexadecimal.
    pub sha256: String,
    /// What is done with them.
    pub deed: ListDeed,
    /// Who does it, for the change log.
    pub actor: Actor,
    /// When.
    pub at_us: i64,
}

/// What runs now. `controld` implements it over the decider's thread.
///
/// Every reply is dropped when the request's time is over. What is not in `scope` is as if it did
/// not exist.
pub trait Live: Send + Sync + 'static {
    /// Running calls with an id above the first of `page`, at most as many as the second says, in
    /// order of id; of `mos_below`, only those with a score below it, hundredths.
    fn calls(
        &self,
        scope: Scope,
        page: (Option<CallId>, usize),
        mos_below: Option<u16>,
    ) -> Reply<'_, Vec<LiveCall>>;

    /// One running call.
    fn call(&self, scope: Scope, id: CallId) -> Reply<'_, Option<LiveCall>>;

    /// Ends a call. `false` when there is none; `true` when the dataplane was told.
    /// `actor` is the name of the token, for the log.
    fn hangup(&self, scope: Scope, id: CallId, actor: String) -> Reply<'_, bool>;

    /// Registrations with a key above `after`, at most `limit`, in order of [`RegistrationKey`].
    fn registrations(
        &self,
        scope: Scope,
        after: Option<RegistrationKey>,
        limit: usize,
    ) -> Reply<'_, Vec<Registration>>;

    /// What the till says of `accounts`; those it does not know are missing.
    fn balances(&self, accounts: Vec<AccountId>) -> Reply<'_, Vec<AccountBalance>>;

    /// What running calls hold of `account`, with ids above `after`, at most `limit`, in order.
    fn holds(
        &self,
        account: AccountId,
        after: Option<CallId>,
        limit: usize,
    ) -> Reply<'_, Vec<AccountHold>>;

    /// Moves money: in the books and in the till, once for each key of an account, whatever becomes
    /// of the asker. One that was done before is answered as it was then.
    fn move_money(&self, order: MoneyOrder) -> Reply<'_, Result<MoneyRequest, MoneyRefusal>>;

    /// The logins of a trunk that register, by id, and how that stands.
    fn logins(&self, trunk: TrunkId) -> Reply<'_, Vec<LoginStanding>>;

    /// The contacts that a trunk registered with us, by URI.
    fn trunk_contacts(&self, trunk: TrunkId) -> Reply<'_, Vec<Contact>>;

    /// Forgets where a subscriber or a trunk registered with us: at one address, or at all. Says
    /// how many addresses those were. `actor` is the name of who asks, for the log.
    fn forget_contacts(
        &self,
        who: Holder,
        contact: Option<String>,
        actor: String,
    ) -> Reply<'_, usize>;

    /// The host names of a trunk and of its registrars, in order.
    fn hosts(&self, trunk: TrunkId) -> Reply<'_, Vec<HostStanding>>;

    /// For what a trunk failed lately, so that it stands behind others.
    fn failures(&self, trunk: TrunkId) -> Reply<'_, Vec<TrunkFailure>>;

    /// By hand: a trunk is as good as new.
    fn restore(&self, trunk: TrunkId) -> Reply<'_, ()>;

    /// What the till says of free time; what it does not know is missing.
    fn pools(&self, allowances: Vec<AllowanceId>) -> Reply<'_, Vec<AllowancePool>>;

    /// Gives free time: in the books and in the till, once for each key of an account, as
    /// [`Live::move_money`] does.
    fn give(&self, new: NewAllowance) -> Reply<'_, Result<Allowance, MoneyRefusal>>;

    /// Says a trace in words, with the names that its ids have now.
    fn explain(&self, order: TraceOrder) -> Reply<'_, TraceWords>;

    /// Begins to decide calls again on changed rows, while everything else goes on.
    fn begin_replay(&self, order: ReplayOrder) -> Reply<'_, Result<ReplayStanding, ReplayRefusal>>;

    /// The replays that are kept, oldest first.
    fn replays(&self) -> Reply<'_, Vec<ReplayStanding>>;

    /// Ends a replay and forgets it; `false` when there is none.
    fn end_replay(&self, id: u64) -> Reply<'_, bool>;
    /// The table of ported numbers, and what it says of one.
    fn ported(&self, number: Option<Digits>) -> Reply<'_, PortedSeen>;

    /// Takes a list of ported numbers in, all of it or nothing. The error is a sentence that names
    /// the line.
    fn import_ported(&self, order: PortedOrder) -> Reply<'_, Result<PortedSeen, String>>;

    /// What stands on a list of numbers, and what it says of one.
    fn list_entries(&self, list: NumberListId, number: Option<Digits>) -> Reply<'_, ListSeen>;

    /// Changes what stands on a list of numbers, by all lines or none. The error is a sentence that
    /// names the line.
    fn change_list(&self, order: ListOrder) -> Reply<'_, Result<ListSeen, String>>;

    /// Decides on a call that nobody makes, by the configuration and the registrations in force.
    /// Nothing is changed, no money is asked for.
    fn test_route(&self, test: RouteTest) -> Reply<'_, Result<RouteTested, RouteRefusal>>;

    /// The SIP messages of a call that are still kept; none when none are kept.
    fn messages(&self, order: MessagesOrder) -> Reply<'_, CallMessages>;

    /// Attempts of unknown senders, newest minute first, at most `limit`.
    fn strangers(&self, limit: usize) -> Reply<'_, Vec<Stranger>>;

    /// Lines of the log, the newest first.
    fn log_lines(&self, order: LogOrder) -> Reply<'_, Vec<LogLine>>;

    /// The certificates of listeners.
    fn certificates(&self) -> Reply<'_, Vec<CertificateStanding>>;

    /// Which parts work.
    fn readiness(&self) -> Reply<'_, Readiness>;

    /// Writes the process's metrics; reads counters only, never waits.
    fn metrics(&self, writer: &mut MetricsWriter);
}

/// Identity of a running call: its ask, which its record carries too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

/// Whose SIP messages are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessagesOrder {
    /// The call.
    pub call: CallId,
    /// Call-ID of its first leg; `None` = it runs, and that is known elsewhere.
    pub sip_call_id: Option<String>,
    /// Microseconds since 1970 UTC from which on its messages are.
    pub from_us: i64,
    /// And before which.
    pub until_us: i64,
}

/// The SIP messages of a call, without secrets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallMessages {
    /// In order.
    pub messages: Vec<SipMessage>,
    /// The same as a pcap file.
    pub capture: Vec<u8>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SipMessage {
    /// Microseconds since 1970 UTC.
    pub at_us: i64,
    /// We sent it.
    pub outgoing: bool,
    /// `udp`, `tcp`, `tls`, `ws`, `wss`.
    pub transport: &'static str,
    /// Our address.
    pub local: SocketAddr,
    /// The other's.
    pub peer: SocketAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// These are not all.
    pub is_cut: bool,
}

/// A running call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveCall {
    /// Identity.
    pub id: CallId,
    /// Its record, once it has one.
    pub record: Option<CdrId>,
    /// Tenant.
    pub tenant: Option<TenantId>,
    /// How far it is.
    pub state: CallState,
    /// Who pays.
    pub account: Option<AccountId>,
    /// The calling subscriber.
    pub subscriber: Option<SubscriberId>,
    /// The calling trunk.
    pub trunk: Option<TrunkId>,
    /// Caller's number as recognised; empty when none was.
    pub caller: String,
    /// Called number as received.
    pub called: String,
    /// When it was admitted, microseconds since 1970 UTC.
    pub started_us: i64,
    /// When it was answered.
    pub answered_us: Option<i64>,
    /// How it sounds, when it is relayed and was heard.
    pub sound: Option<Box<CallSound>>,
}

/// How a running call sounds by now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallSound {
    /// What the caller's side carried.
    pub caller: CdrMedia,
    /// The called side.
    pub called: CdrMedia,
    /// What it is like to hear; `None` while it is too short to tell.
    pub audio: Option<Audio>,
    /// Why its answer is taken for false.
    pub false_answer: Option<FalseAnswer>,
}

/// How far a call is: the furthest of its legs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallState {
    /// Invited.
    Dialing,
    /// Rings.
    Ringing,
    /// Answered.
    Speaking,
    /// Answered, on hold.
    Held,
    /// Over, its record is on its way.
    Ended,
}

/// A registered contact and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Tenant of the subscriber.
    pub tenant: TenantId,
    /// User name of the subscriber.
    pub username: String,
    /// The contact.
    pub contact: Contact,
}

/// A contact and how it is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// As registered.
    pub binding: Binding,
    /// Where requests to it are sent.
    pub target: SocketAddr,
    /// It is behind a NAT.
    pub nated: bool,
    /// The dataplane keeps that NAT open.
    pub kept_alive: bool,
    /// The connection that it came by is gone: it is not reached until it registers again.
    pub lost: bool,
}

/// A registration's place in the lists: by subscriber, then by URI.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RegistrationKey {
    /// Whose.
    pub subscriber: SubscriberId,
    /// Contact URI as registered.
    pub uri: String,
}

impl RegistrationKey {
    /// The key of a contact.
    #[must_use]
    pub fn of(binding: &Binding) -> RegistrationKey {
        RegistrationKey { subscriber: binding.subscriber, uri: binding.uri.clone() }
    }
}

/// How a login of ours stands at its registrar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginStanding {
    /// Login.
    pub login: TrunkLoginId,
    /// User part of the address of record.
    pub username: String,
    /// State.
    pub phase: LoginPhase,
    /// Since when.
    pub since_us: Option<i64>,
    /// When the registrar forgets us.
    pub expires_us: Option<i64>,
    /// When it is tried again.
    pub next_us: Option<i64>,
    /// What went wrong last.
    pub cause: Option<LoginCause>,
    /// The registrar's last final status.
    pub status: Option<u16>,
}

/// States of a login that registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LoginPhase {
    /// Nobody has said.
    Unknown,
    /// The first answer has not come.
    Trying,
    /// Bound.
    Registered,
    /// Not bound; tried again soon.
    Failed,
    /// The registrar will not have us; tried again at long intervals.
    Refused,
    /// Unregistered.
    Left,
    /// It stands for a subscriber who is not registered here, so it is not either.
    Away,
}

/// What went wrong with a registration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LoginCause {
    /// The status says it.
    Status,
    /// No answer.
    Silent,
    /// Nothing listens there.
    Unreachable,
    /// Our answer to the challenge was not accepted.
    WrongPassword,
    /// There is no password.
    NoPassword,
    /// A challenge that is not for us.
    ForeignChallenge,
    /// Accepted, and yet not bound.
    NotBound,
    /// The name has no address.
    NoAddress,
    /// No request can be written.
    Unwritable,
    /// No room.
    Full,
}

/// For what a trunk failed lately.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkFailure {
    /// Called numbers that begin so; empty = all.
    pub direction: String,
    /// Failures in a row.
    pub failures: u16,
    /// How often it was tried in vain since.
    pub tries: u8,
    /// When it is tried again; in the past it may be at any time.
    pub again_us: i64,
}

/// How a host name stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostStanding {
    /// The name.
    pub name: String,
    /// Addresses in force.
    pub addresses: Vec<IpAddr>,
    /// When they were last confirmed.
    pub confirmed_us: Option<i64>,
    /// Why the last look-up failed.
    pub failure: Option<String>,
}

/// What the till says an account has, at the ledger scale of its currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountBalance {
    /// Account.
    pub account: AccountId,
    /// What was booked, and what ended calls cost that are not booked yet.
    pub balance: Amount,
    /// Held for running calls.
    pub held: Amount,
    /// What further calls can hold; `None` = without end.
    pub available: Option<Amount>,
    /// Calls it pays for now.
    pub calls: u32,
    /// What calls of this day and of this month have cost.
    pub spent: [Amount; 2],
    /// What they may cost; `None` = no limit.
    pub most: [Option<Amount>; 2],
}

/// What one call holds of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountHold {
    /// The call.
    pub call: CallId,
    /// What it can still cost.
    pub amount: Amount,
    /// Talk time granted from answer, milliseconds; `None` = no limit.
    pub granted_ms: Option<u64>,
    /// There is no money for more.
    pub last: bool,
    /// It was answered.
    pub answered: bool,
}

/// What an allowance has given: times are milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllowancePool {
    /// Which.
    pub allowance: AllowanceId,
    /// What records used.
    pub used_ms: u64,
    /// What running calls can still use.
    pub reserved_ms: u64,
    /// What records used of a packet of money.
    pub used: Amount,
}

impl AllowancePool {
    /// One that nothing was used of.
    #[must_use]
    pub const fn none(allowance: AllowanceId) -> AllowancePool {
        AllowancePool { allowance, used_ms: 0, reserved_ms: 0, used: Amount::ZERO }
    }
}

/// Money that is to come or go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MoneyOrder {
    /// Tenant of the account.
    pub tenant: TenantId,
    /// Account.
    pub account: AccountId,
    /// The client's key.
    pub key: String,
    /// Why.
    pub kind: MoneyKind,
    /// Added to the balance, not zero; above zero for a payment.
    pub amount: Amount,
    /// Currency of the account.
    pub currency: Currency,
    /// Why, in words.
    pub reason: String,
    /// Name of the token.
    pub actor: String,
}

impl MoneyOrder {
    /// Whether `done` is what this asks for, whoever asked and whenever.
    #[must_use]
    pub fn is(&self, done: &MoneyRequest) -> bool {
        let money = &done.money;
        (self.account, self.kind, self.amount) == (money.account, money.kind, money.amount)
            && self.currency == money.currency
            && self.reason == money.reason
    }
}

/// Why no money moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MoneyRefusal {
    /// The key was used for something else.
    OtherRequest,
    /// The balance would pass its floor.
    Floor,
    /// That of the account which pays early for what is paid in below it would.
    ResellerFloor,
    /// That account is kept in another currency.
    ResellerCurrency,
    /// The till does not know the account.
    UnknownAccount,
}

/// Which parts work; calls can be placed when all do.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Readiness {
    /// The dataplane is attached.
    pub link: bool,
    /// The database answers.
    pub database: bool,
    /// A world is loaded.
    pub world: bool,
    /// The newest change is not in force; calls go on by the world before it.
    pub behind: Option<Behind>,
    /// What is wrong with certificates of listeners; `None` when nothing is. Calls by other
    /// listeners go on, and by connections that are there.
    pub certificates: Option<String>,
    /// Trunks by which everybody may call; `None` when there is none.
    pub open: Option<String>,
}

/// A certificate that listeners show.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CertificateStanding {
    /// The file that it stands in, as the configuration names it.
    pub file: String,
    /// An authority gives it.
    pub obtained: bool,
    /// The names that the authority is asked for.
    pub names: Vec<String>,
    /// The listeners that show it.
    pub listeners: Vec<SocketAddr>,
    /// From when until when it is valid, wall clock, microseconds since 1970; `None` = there is
    /// none yet.
    pub valid_us: Option<(i64, i64)>,
    /// When the next one is looked for.
    pub next_us: Option<i64>,
    /// Failures since the start.
    pub failures: u64,
    /// What is wrong, and since when.
    pub failing: Option<Behind>,
}

/// Why the newest change of the configuration is not in force, or something else is not as it
/// should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    /// Since when there is such a change, wall clock, microseconds since 1970.
    pub since_us: i64,
    /// What stands against it: the row that does not fit, or the database.
    pub problem: String,
}

/// A trace that is to be said in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceOrder {
    /// The steps of the decision, coded; empty when they are not kept.
    pub steps: Box<[u8]>,
    /// The record, which knows what became of the decision.
    pub record: Option<Cdr>,
    /// Who reads.
    pub eyes: TraceEyes,
}

/// Whose eyes read a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TraceEyes {
    /// Who runs the switch sees all.
    Operator,
    /// Who has a part in the call sees nothing of routes and suppliers.
    Party,
}

/// A trace in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceWords {
    /// The decision.
    pub decision: Vec<TraceStep>,
    /// What the dataplane did with it.
    pub afterwards: Vec<TraceStep>,
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceStep {
    /// Its name in one word.
    pub code: String,
    /// Its values with their names.
    pub parameters: Vec<(&'static str, String)>,
    /// The sentence.
    pub sentence: String,
}

/// Calls of a time that are to be decided again.
#[derive(Debug)]
pub struct ReplayOrder {
    /// Whose calls.
    pub tenant: TenantId,
    /// Calls that ended then or later, microseconds since 1970 UTC.
    pub from_us: i64,
    /// Calls that ended before.
    pub until_us: i64,
    /// What of the world is other.
    pub changes: Vec<Change>,
}

/// How a replay stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplayStanding {
    /// Identity, as long as the process lives.
    pub id: u64,
    /// Whose calls.
    pub tenant: TenantId,
    /// Calls that ended then or later, microseconds since 1970 UTC.
    pub from_us: i64,
    /// Calls that ended before.
    pub until_us: i64,
    /// Whether it runs.
    pub state: ReplayState,
    /// What it found so far.
    pub found: Replayed,
}

/// Whether a replay runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplayState {
    /// It does.
    Running,
    /// It has decided all calls.
    Done,
    /// It ended early, and why.
    Failed(String),
}

/// Why a replay does not begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplayRefusal {
    /// Another one runs.
    Busy,
    /// A change does not fit the world.
    Unfit(String),
}

/// A call that nobody makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteTest {
    /// Whose rows the asker may see.
    pub scope: Scope,
    /// Who reads the answer.
    pub eyes: TraceEyes,
    /// Tenant of a sender by name; the only one there is when nobody says which.
    pub tenant: Option<TenantId>,
    /// Who calls.
    pub sender: RouteSender,
    /// Number as dialled.
    pub called: String,
    /// Caller's number as in From.
    pub caller: Option<String>,
    /// When, microseconds since 1970 UTC; `None` is now.
    pub at_us: Option<i64>,
}

/// Who calls in a test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteSender {
    /// A subscriber.
    Subscriber(SubscriberId),
    /// A subscriber by the user name.
    Username(String),
    /// A trunk by id or name, and where the call comes from if that matters.
    Trunk(String, Option<SocketAddr>),
}

/// Why a call cannot be tested.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteRefusal {
    /// There is no such sender in scope.
    NoSender,
    /// There are several tenants, and none was named.
    WhichTenant,
    /// The trunk has no source, so no call comes from it.
    NoSource,
}

/// What would become of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteTested {
    /// The time that was asked about.
    pub at_us: i64,
    /// The decision.
    pub verdict: RouteVerdict,
    /// What rings: branches of one stage together, stages after each other.
    pub stages: Vec<Vec<RouteBranch>>,
    /// Who pays for it, the caller's account first.
    pub payers: Vec<RoutePayer>,
    /// Why.
    pub steps: Vec<TraceStep>,
    /// The targets of its routes in the order to try.
    pub targets: Vec<RouteTarget>,
}

/// A target of a route, and why it stands where it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteTarget {
    /// Trunk.
    pub trunk: TrunkId,
    /// Its name.
    pub name: Option<String>,
    /// Its priority.
    pub priority: i32,
    /// Failed lately: as a whole, for such numbers.
    pub failed: (bool, bool),
    /// It comes first to see how good it is.
    pub probes: bool,
    /// Price and quality together.
    pub rank: Option<u8>,
    /// Share of answered calls, percent.
    pub asr_percent: Option<u32>,
    /// Average talk, milliseconds.
    pub acd_ms: Option<u64>,
    /// What it talked today and this month, milliseconds; `None` when no minutes are agreed on.
    pub talked_ms: Option<[u64; 2]>,
    /// What the call of comparison costs.
    pub cost: Option<(Amount, Currency)>,
    /// The trunk's own preference, thousandths.
    pub preference: u16,
    /// Share among equals.
    pub weight: u16,
}

/// The decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteVerdict {
    /// The call would be tried, if the payers have the money and the limits room.
    Go,
    /// It would be refused: SIP status, Q.850 cause and reason as in records.
    Refuse {
        /// SIP status.
        sip: u16,
        /// Q.850 value.
        q850: u8,
        /// Reason, as in records.
        reason: u8,
    },
    /// The sender would be asked for credentials.
    Challenge,
}

/// One target of a tested call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteBranch {
    /// The trunk.
    pub trunk: Option<TrunkId>,
    /// Or the subscriber.
    pub subscriber: Option<SubscriberId>,
    /// Its name.
    pub name: Option<String>,
    /// Number as sent.
    pub dialled: String,
    /// Where to.
    pub address: Option<SocketAddr>,
    /// The caller as shown.
    pub caller: String,
    /// The caller as asserted.
    pub asserted: Option<String>,
    /// The caller is hidden.
    pub anonymous: bool,
    /// Ring time, milliseconds.
    pub ring_ms: u32,
    /// Header fields that go there beside those of the protocol: names with values.
    pub headers: Vec<(String, String)>,
    /// What the supplier takes a minute.
    pub price: Option<(Price, Currency)>,
    /// Account of the supplier.
    pub supplier: Option<AccountId>,
}

/// Who would pay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoutePayer {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: Option<String>,
    /// First price a minute.
    pub price: Price,
    /// Currency of the price.
    pub currency: Currency,
    /// Tariff; `None` for the internal price.
    pub tariff: Option<TariffId>,
    /// Price line.
    pub rate: Option<RateId>,
    /// Billing step, milliseconds.
    pub step_ms: u32,
    /// Least charged time, milliseconds.
    pub minimum_ms: u32,
}

/// What an unknown source did in one minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stranger {
    /// Begin of the minute, microseconds since 1970 UTC.
    pub minute_us: i64,
    /// The source.
    pub source: IpAddr,
    /// How often it was asked for credentials.
    pub challenged: u64,
    /// How often it was turned away.
    pub refused: u64,
}

/// How grave a line of the log is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    /// A person must act.
    Error,
    /// A peer misbehaves.
    Warn,
    /// Life cycle.
    Info,
    /// For who looks for a bug.
    Debug,
    /// All of it.
    Trace,
}

/// A line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// When, microseconds since 1970 UTC.
    pub at_us: i64,
    /// How grave.
    pub level: LogLevel,
    /// Part of the program.
    pub area: String,
    /// What it says.
    pub text: String,
}

/// Which lines of the log are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogOrder {
    /// From when on.
    pub from_us: Option<i64>,
    /// Before when.
    pub until_us: Option<i64>,
    /// Only these.
    pub level: Option<LogLevel>,
    /// Most of them.
    pub limit: usize,
}
