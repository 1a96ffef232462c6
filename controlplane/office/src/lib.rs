//! The decider's machine: asks in, answers out; facts in, charges out. Sans-IO.
//!
//! It joins what decides: the [`World`] (a snapshot), the registrar ([`Locations`]), the pure
//! decision of `routing`, and the [`Till`], which owns every number that changes. One thread drives
//! it in `controld`; the simulator drives the very same machine in virtual time.
//!
//! It never reads a clock, a socket or a database, and never waits: a call is admitted or refused
//! in one step. Records are priced by `billing` from the settlement that came back with the facts.
//!
//! How to drive it: [`Office::handle_up`] for each frame of the dataplane, [`Office::settle`] for
//! the records of each journal frame *before* they are stored, [`Office::committed`] after, then
//! drain [`Office::poll_output`]; sleep until [`Office::poll_timeout`].

mod allowance;
mod ask;
mod caller;
mod fact;
mod guard;
mod keep;
mod limit;
mod live;
mod money;
mod page;
mod probe;
mod redirect;
mod resolve;
mod shared;
mod standing;
mod stranger;
mod target;
mod trace;
mod upstream;

use allowance::Allowances;
pub use caller::{CALLERS_MAX, Caller, Callers, Heard, NewBlock, Nuisance};
use fact::WaitingAsks;
pub use fact::{Search, Ticket, WAITING_MAX};
pub use guard::{Guard, NewBan, OFFENDERS_MAX, Offence};
use keep::Keeps;
pub use limit::Crowd;
pub use live::{LIVE_MAX, LiveCall};
use probe::Probes;
pub use shared::PastCall;
pub use standing::PastLeg;
pub use stranger::{Attempts, STRANGER_MINUTES_MAX, STRANGERS_MAX, Strangers};
pub use strowger_till::{
    Bounds, Calendar, DAY, Learning, MONTH, PERIODS, Pool, Refusal as TillRefusal, Spent, Stage,
};
pub use target::{TARGETS_MAX, Targets};
pub use trace::{HEADERS_KEPT_LEN_MAX, HEADERS_KEPT_MAX, Traced};
use upstream::Upstreams;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use strowger_billing::{PriceRef, Settlement, Wait};
use strowger_link::{
    Ask, AskBody, AskId, CallFacts, Counters, Down, Fact, Grant, Hangup, KeepOrder, Key, LegId,
    Lengthen, Listeners, MS, Octets, Reason, RecordId, Started, Tick, Turned, Up, UpstreamOrder,
    UpstreamState, Verb, VerbId, VerbKind, VerbResult,
};
use strowger_model::{
    Account, AccountId, Allowance, Amount, Binding, Cdr, SourceMatch, SubscriberId, TenantId,
    TrunkId,
};
use strowger_routing::{
    AddressCaps, Holder, Locations, Plan, SharedCalls, Standing, TalkTime, Trace, Verdict, World,
    upstreams, upstreams_of,
};
use strowger_till::Output as Said;
use strowger_till::{
    AccountHold, AccountKey, Adjust, Allow, Balance, Commit, Event, HoldId, Ms, Packet, Till,
};

/// Most allowances that are forgotten in one step.
pub const FORGOTTEN_PER_STEP: usize = 1_024;

/// What the office wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send to the dataplane.
    Down(Down),
    /// Find this out, and say what came of it by [`Office::found`].
    Find(Box<Search>),
    /// Write behind: a registration changed.
    Binding(strowger_routing::Output),
    /// The journal has grown: read it.
    Doorbell(u64),
    /// The outcome of a verb.
    Verb(VerbResult),
    /// Strangers were turned away.
    Turned(Turned),
    /// A source is to be banned.
    Ban(NewBan),
    /// A caller is to be blocked.
    Block(NewBlock),
    /// As many calls at once as a warning is due for.
    Crowded(Crowd),
    /// Why an attempt of a known sender was decided as it was: to be written behind, or lost.
    Trace(Box<Traced>),
    /// A shard's counters, for metrics.
    Counters(Counters),
    /// What a shard's listeners counted.
    Listeners(Listeners),
    /// A human must look.
    Alarm(strowger_till::Alarm),
}

/// Counts since the start, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Asks answered, by kind: calls, registrations, extensions, others.
    pub calls: u64,
    /// REGISTER asks.
    pub registrations: u64,
    /// Requests outside calls, and those whose sender had to prove to be a call's party.
    pub requests: u64,
    /// Extend asks.
    pub extensions: u64,
    /// Calls lengthened unasked, because money came in.
    pub lengthened: u64,
    /// Redirects of calls under way.
    pub redirects: u64,
    /// Names of next hops.
    pub names: u64,
    /// Other kinds: not supported.
    pub others: u64,
    /// Asks that came after their deadline, dropped.
    pub expired: u64,
    /// Calls admitted.
    pub admitted: u64,
    /// Calls refused.
    pub refused: u64,
    /// Records settled.
    pub settled: u64,
    /// Alarms.
    pub alarms: u64,
    /// Contacts whose connections were lost.
    pub flows_lost: u64,
    /// Facts that an ask was decided without.
    pub facts_missing: u64,
    /// Asks that wait for the outside now.
    pub waiting: u64,
}

/// The machine.
#[derive(Debug)]
pub struct Office {
    node: u32,
    world: Arc<World>,
    locations: Locations,
    till: Till,
    allowances: Allowances,
    /// Accounts that trunks call on.
    senders: BTreeSet<AccountId>,
    live: BTreeMap<AskId, LiveCall>,
    waiting: WaitingAsks,
    upstreams: Upstreams,
    keeps: Keeps,
    probes: Probes,
    next_verb: u64,
    out: VecDeque<Output>,
    counts: Counts,
    /// Holds of a life of the dataplane that has ended, which its call table does not know.
    doubtful: BTreeSet<HoldId>,
    strangers: Strangers,
    guard: Guard,
    callers: Callers,
    /// Called numbers at which calls come to nothing.
    targets: Targets,
    /// Calls by address are capped for somebody.
    has_address_caps: bool,
    /// When a warning of many calls was given last, by whose they are.
    crowded: BTreeMap<Option<TenantId>, Tick>,
    /// How trunks did lately; shared with a decision only while that is made.
    standing: Arc<Standing>,
    /// Who called whom by shared DIDs lately; shared likewise.
    shared: Arc<SharedCalls>,
}

/// What records have used of free time, milliseconds, and of a packet of money.
pub type Used = (u64, Amount);

/// What the records of an attempt do to the till. Records that charge nobody only give its hold
/// back, if it
/// ever had one: a refused attempt had none, and that is no alarm.
fn settlement(node: u32, record: &Cdr, parts: &[Cdr], caps: Option<AddressCaps>) -> Event {
    let settle = money::settle(node, record, parts, caps);
    // Its table went with the host: a boot before its record came could not know of its hold.
    let unheld = record.outcome.reason == Reason::HostLost as u8;
    match (settle.lines.is_empty(), record.is_answered()) {
        (false, _) if unheld => Event::Replay(settle),
        (false, _) => Event::Settle(settle),
        // Remembered: a `Started` that comes after the record opens no new hold.
        (true, true) => Event::Replay(settle),
        // Not remembered: its ask may still wait, and is granted and given back.
        (true, false) => Event::Void(settle.hold),
    }
}

/// What a source did that was turned away for this reason.
const fn offence_of(reason: Reason) -> Option<Offence> {
    match reason {
        Reason::AuthFailed => Some(Offence::Unproven),
        Reason::Rejected => Some(Offence::Scanner),
        Reason::UnknownNumber => Some(Offence::Lured),
        Reason::BadRequest => Some(Offence::Malformed),
        Reason::Overload => Some(Offence::Flooding),
        Reason::Normal
        | Reason::Cancelled
        | Reason::Busy
        | Reason::NoAnswer
        | Reason::Offline
        | Reason::Denied
        | Reason::NoRoute
        | Reason::NoPrice
        | Reason::NoCredit
        | Reason::CreditEnded
        | Reason::Limit
        | Reason::MaxDuration
        | Reason::NoMedia
        | Reason::PeerSilent
        | Reason::PeerError
        | Reason::NoAnswerFromControl
        | Reason::Operator
        | Reason::ProcessLost
        | Reason::HostLost
        | Reason::BadMedia
        | Reason::Exhausted
        | Reason::Internal
        | Reason::Redirected
        | Reason::FalseAnswer
        | Reason::Impostor => None,
    }
}

/// Whether an account pays for forwards of a plan, and its caller would not pay without them.
fn pays_for_forwards(plan: &Plan, payer: AccountId) -> bool {
    Settlement::decode(&plan.go.settlement.0)
        .is_ok_and(|settlement| settlement.parts.iter().any(|part| part.level.account == payer))
}

/// The accounts that trunks call on.
fn senders(world: &World) -> BTreeSet<AccountId> {
    world.trunks().filter_map(|trunk| Some(trunk.ingress.as_ref()?.account)).collect()
}

fn ms(now: Tick) -> Ms {
    Ms(now.0 / MS)
}

impl Office {
    /// An office that knows nobody.
    #[must_use]
    pub fn new(node: u32, world: Arc<World>) -> Office {
        let mut wanted = Upstreams::default();
        wanted.set(upstreams(&world, |_| false));
        let senders = senders(&world);
        let has_address_caps = limit::has_address_caps(&world);
        let mut office = Office {
            node,
            world,
            locations: Locations::default(),
            till: Till::new(),
            allowances: Allowances::default(),
            senders,
            live: BTreeMap::new(),
            waiting: WaitingAsks::default(),
            upstreams: wanted,
            keeps: Keeps::default(),
            probes: Probes::default(),
            next_verb: 0,
            out: VecDeque::new(),
            counts: Counts::default(),
            doubtful: BTreeSet::new(),
            strangers: Strangers::default(),
            guard: Guard::default(),
            callers: Callers::default(),
            targets: Targets::default(),
            has_address_caps,
            crowded: BTreeMap::new(),
            standing: Arc::default(),
            shared: Arc::default(),
        };
        office.limit_tenants(Tick(0));
        office.set_probes();
        office
    }

    /// Another world is in force; accounts keep their numbers.
    pub fn set_world(&mut self, world: Arc<World>, now: Tick) {
        let other_settings = !std::ptr::eq(self.world.settings(), world.settings());
        let (old, old_senders) = (core::mem::replace(&mut self.world, world), self.senders.clone());
        if other_settings {
            self.has_address_caps = limit::has_address_caps(&self.world);
            self.keeps.again();
        }
        self.set_upstreams(now);
        self.set_probes();
        self.senders = senders(&self.world);
        // What all accounts of a tenant have in common is the tenant's; of a hundred thousand that
        // are as they were, none needs the till.
        let all = !old.tenants().eq(self.world.tenants()) || old_senders != self.senders;
        let new = Arc::clone(&self.world);
        let limits = |world: &World, id| world.account_settings(id).limit.clone();
        let is_other = |account: &&Account| {
            let id = account.id;
            all || old.account(id) != Some(account)
                || (other_settings && limits(&old, id) != limits(&new, id))
        };
        for account in new.accounts().filter(is_other) {
            self.load(account, Amount::ZERO, now);
        }
        if other_settings || all {
            self.limit_tenants(now);
        }
        self.forget_the_gone(now);
    }

    /// Ends the registrations of subscribers who are deleted or switched off, and of trunks that
    /// are, or that register no more; calls go on.
    fn forget_the_gone(&mut self, now: Tick) {
        let all = self.locations.list(None, usize::MAX, now);
        let is_gone = |id| !self.world.subscriber(id).is_some_and(|row| row.enabled);
        let gone: BTreeSet<_> =
            all.iter().map(|b| b.subscriber).filter(|id| is_gone(*id)).collect();
        gone.into_iter().for_each(|id| self.locations.forget(id));
        let registers = |id: &TrunkId| {
            let row = self.world.trunk(*id).filter(|row| row.enabled);
            row.and_then(|row| row.ingress.as_ref()).is_some_and(|i| i.credentials.is_some())
        };
        let gone: Vec<TrunkId> = self.locations.trunks().filter(|id| !registers(id)).collect();
        gone.into_iter().for_each(|id| self.locations.forget(id));
        self.drain_locations(now);
    }

    /// By hand: forgets where somebody registered, at one address or at all, and says how many
    /// addresses those were. Running calls go on, and he may register again.
    pub fn forget_contacts(&mut self, who: Holder, uri: Option<&str>, now: Tick) -> usize {
        let gone = self.locations.forget_at(who, uri, now);
        self.drain_locations(now);
        gone
    }

    /// The world in force.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Where the days and months of tenants begin: at boot before anything else, and again in time
    /// before the next ones begin.
    pub fn set_calendars(&mut self, calendars: &[(TenantId, Calendar)], now: Tick) {
        for (tenant, calendar) in calendars {
            let (tenant, calendar) = (*tenant, *calendar);
            self.till.handle(Event::Calendar { tenant, calendar }, ms(now));
            self.drain_till();
        }
    }

    /// Free time of an account, or a packet, and what records have used of it: at boot behind
    /// [`Office::load`], and when it is given. A known one keeps what the till has counted.
    pub fn load_allowance(&mut self, allowance: Allowance, (used_ms, used): Used, now: Tick) {
        let key = AccountKey { node: self.node, account: allowance.account };
        let event = match allowance.is_money() {
            true => {
                Event::Packet(Packet { packet: allowance.id, key, granted: allowance.credit, used })
            }
            false => Event::Allow(Allow {
                allowance: allowance.id,
                key,
                granted_ms: allowance.granted_ms(),
                used_ms,
            }),
        };
        self.allowances.put(allowance);
        self.till.handle(event, ms(now));
        self.drain_till();
    }

    /// Forgets free time that ended before `before_us`, so long ago that no record of it can come;
    /// at most [`FORGOTTEN_PER_STEP`] at a time.
    pub fn forget_allowances(&mut self, before_us: i64, now: Tick) {
        for _ in 0..FORGOTTEN_PER_STEP {
            let Some(allowance) = self.allowances.forget(before_us) else { return };
            self.till.handle(Event::Disallow(allowance), ms(now));
            self.drain_till();
        }
    }

    /// The key of what the registrar gives out and must know again: before anything is loaded.
    pub fn set_key(&mut self, key: Key) {
        self.locations = Locations::new(key);
    }

    /// Takes registrations up at boot.
    pub fn load_bindings(&mut self, rows: Vec<(Holder, Binding)>, now: Tick, wall_us: i64) {
        self.locations.load(rows, now, wall_us);
        self.drain_locations(now);
    }

    /// A frame of the dataplane. `wall_us` is the wall clock at `now`.
    pub fn handle_up(&mut self, frame: Up, now: Tick, wall_us: i64) {
        match frame {
            Up::Ask(ask) => self.handle_ask(&ask, now, wall_us),
            Up::Started(started) => self.handle_started(&started, now, wall_us),
            Up::Abandoned(ask) => {
                self.till.handle(Event::Void(HoldId(ask.0)), ms(now));
                self.end_live(ask);
                self.waiting.forget(ask);
                self.drain_till();
            }
            Up::Journal(seq) => self.out.push_back(Output::Doorbell(seq)),
            Up::Verb(result) => self.out.push_back(Output::Verb(result)),
            Up::Live(live) => live::update(&mut self.live, &live),
            Up::Sounds(sounds) => live::hear(&mut self.live, &sounds),
            Up::Turned(turned) => self.handle_turned(turned, now, wall_us),
            Up::Upstream(state) => self.upstreams.note(state),
            Up::FlowFailed(flow) => {
                self.counts.flows_lost += self.locations.lose_flow(flow);
                self.drain_locations(now);
            }
            Up::Probed(probed) => self.probed(probed),
            Up::FlowEpoch(epoch) => {
                self.counts.flows_lost += self.locations.lose_flows(epoch);
                self.drain_locations(now);
            }
            Up::Counters(counters) => self.out.push_back(Output::Counters(counters)),
            Up::Listeners(listeners) => self.out.push_back(Output::Listeners(listeners)),
        }
    }

    /// Strangers that the dataplane answered, or did not, by itself.
    fn handle_turned(&mut self, turned: Turned, now: Tick, wall_us: i64) {
        let (source, count) = (turned.source.ip(), turned.count.into());
        if turned.reason == Reason::AuthFailed {
            self.strangers.challenged(source, wall_us, count);
        } else {
            self.strangers.refused(source, wall_us, count);
        }
        if let Some(offence) = offence_of(turned.reason) {
            self.offended(source, offence, turned.count, now, wall_us);
        }
        self.out.push_back(Output::Turned(turned));
    }

    /// A source did what nobody should; whoever has done it too often is banned, unless it is a
    /// trusted trunk or somebody is registered there.
    fn offended(&mut self, source: IpAddr, what: Offence, times: u32, now: Tick, wall_us: i64) {
        let world = Arc::clone(&self.world);
        let set = &world.settings().system().guard;
        let Some(ban) = self.guard.note(source, what, times, wall_us, set) else { return };
        if self.ban(ban.clone(), now)
            && let Some(range) = self.guard.note_banned(&ban, wall_us, set)
        {
            self.ban(range, now);
        }
    }

    /// A source showed wrong credentials: its address, and its port of it.
    fn guessed(&mut self, source: SocketAddr, now: Tick, wall_us: i64) {
        let world = Arc::clone(&self.world);
        let set = &world.settings().system().guard;
        if let Some(ban) = self.guard.note_port(source, wall_us, set) {
            self.ban(ban, now);
        }
        self.offended(source.ip(), Offence::WrongCredentials, 1, now, wall_us);
    }

    /// Asks for a ban, unless it would hit a trusted trunk, or somebody who is registered there.
    fn ban(&mut self, ban: NewBan, now: Tick) -> bool {
        let (network, prefix_len, port) = (ban.network, ban.prefix_len, ban.port);
        let network = SourceMatch { network, prefix_len, port };
        let lives = self.locations.sources(now).any(|from| network.matches(from));
        if lives || self.world.is_trusted(&network) {
            return false;
        }
        self.out.push_back(Output::Ban(ban));
        true
    }

    /// A call with forwards was answered: whoever does not pay after all gets its money back. So
    /// does who pays a price of that time: until then it was held at the dearest that it might be.
    fn narrow(&mut self, started: &Started, now: Tick, wall_us: i64) {
        let Ok(settlement) = Settlement::decode(&started.settlement.0) else { return };
        self.move_line(started.ask, live::line_of(&settlement, started.hop));
        // A redirect that nobody waited for may have added payers as well.
        let is_widened = self.till.is_widened(HoldId(started.ask.0));
        if settlement.parts.is_empty() && !settlement.has_time_classes() && !is_widened {
            return;
        }
        let answered = PriceRef::of(started.hop);
        let ago_us =
            i64::try_from(now.ms_since(started.at).saturating_mul(1_000)).unwrap_or(i64::MAX);
        let waited_us = wall_us.saturating_sub(ago_us).saturating_sub(settlement.began_us);
        let wait = Wait::about(u64::try_from(waited_us).unwrap_or_default() / 1_000);
        let levels = money::payers(self.node, &settlement, Some(answered), wait);
        self.till.handle(Event::Narrow { hold: HoldId(started.ask.0), levels }, ms(now));
        self.drain_till();
    }

    fn handle_started(&mut self, started: &Started, now: Tick, wall_us: i64) {
        self.till.handle(Event::Started(HoldId(started.ask.0)), ms(now));
        let mut unknown = false;
        while let Some(output) = self.till.poll_output() {
            if let Said::Unknown(_) = output {
                unknown = true;
            } else {
                self.pass(output);
            }
        }
        let answered = PriceRef::of(started.hop);
        match unknown {
            true => {
                let none = TalkTime::default();
                self.adopt(started.ask, &started.settlement, none, Some(answered), now);
            }
            false => self.narrow(started, now, wall_us),
        }
        if let Some(call) = self.live.get_mut(&started.ask) {
            call.record = Some(started.record);
            call.answered_us.get_or_insert(wall_us);
        }
    }

    /// Takes a running call up that this process did not admit.
    fn adopt(
        &mut self,
        ask: AskId,
        settlement: &Octets,
        granted: TalkTime,
        answered: Option<PriceRef>,
        now: Tick,
    ) {
        let Ok(settlement) = Settlement::decode(&settlement.0) else { return };
        // A hold of 0 was never taken: an emergency call costs nothing and is never cut.
        if settlement.hold == 0 {
            return;
        }
        let adopt = money::adopt(self.node, ask, &settlement, granted, answered);
        self.till.handle(Event::Adopt(adopt), ms(now));
        self.drain_till();
    }

    /// The same for a call that talks, by which of its branches is not known.
    fn adopt_talking(&mut self, ask: AskId, settlement: &Octets, granted: TalkTime, now: Tick) {
        self.adopt(ask, settlement, granted, None, now);
        self.till.handle(Event::Started(HoldId(ask.0)), ms(now));
        self.drain_till();
    }

    /// Charges priced records: at once, so that nobody spends the same money again while they wait
    /// for the database.
    pub fn settle(&mut self, records: &[Cdr], now: Tick) {
        for (record, parts) in money::attempts(records) {
            self.counts.settled += 1;
            self.end_live(AskId(record.ask));
            self.note_trunks(parts);
            self.note_caller(record);
            let caps = record.caller.account.and_then(|id| self.address_caps(id));
            self.till.handle(settlement(self.node, record, parts, caps), ms(now));
            self.drain_till();
        }
    }

    /// Charges records that a boot reads behind the journal's cursor.
    pub fn replay(&mut self, records: &[Cdr], now: Tick) {
        for (record, parts) in money::attempts(records) {
            let caps = record.caller.account.and_then(|id| self.address_caps(id));
            let settle = money::settle(self.node, record, parts, caps);
            self.till.handle(Event::Replay(settle), ms(now));
            self.drain_till();
        }
    }

    /// Takes a running call up that the call table shows at boot, after [`Office::replay`]: a call
    /// that stands in both is in the journal, and the record wins.
    pub fn adopt_running(&mut self, facts: &CallFacts, now: Tick) {
        let granted = facts.facts.iter().rev().find_map(|fact| match fact {
            Fact::Granted(granted) => {
                let strowger_link::Granted { ms, free_ms, last, .. } = *granted;
                Some(TalkTime { ms, free_ms, last })
            }
            Fact::Began(_)
            | Fact::LegOpened(_)
            | Fact::LegProgress(_)
            | Fact::LegAnswered(_)
            | Fact::LegEnded(_)
            | Fact::Joined(_)
            | Fact::Parted(_)
            | Fact::Ended(_) => None,
        });
        let answered = facts.answered_hop().map(PriceRef::of);
        // One that has ended waits for its record: until then its money is not to be had.
        self.adopt(facts.ask, &facts.settlement, granted.unwrap_or_default(), answered, now);
        if facts.is_ended() || self.live.len() >= LIVE_MAX {
            return;
        }
        if self.till.has_hold(HoldId(facts.ask.0)) {
            let settlement = Settlement::decode(&facts.settlement.0).ok();
            self.begin_live(live::taken_up(facts, settlement.as_ref()));
        }
    }

    /// The dataplane's shard began a new life. Calls of its table are held for, answered ones as
    /// such even if their `Started` was lost. A hold of any other call stands until
    /// [`Office::journal_read`]: its record may be on its way, and its money is spent.
    pub fn dataplane_restarted(&mut self, shard: u8, table: &[CallFacts], now: Tick) {
        self.waiting.forget_shard(shard);
        for facts in table {
            self.adopt_running(facts, now);
        }
        let runs = |facts: &&CallFacts| !facts.is_ended();
        let running: BTreeSet<AskId> = table.iter().filter(runs).map(|facts| facts.ask).collect();
        let known: BTreeSet<AskId> = table.iter().map(|facts| facts.ask).collect();
        let is_over = |ask: &&AskId| ask.0 >> 56 == u64::from(shard) && !running.contains(ask);
        let over: Vec<AskId> = self.live.keys().filter(is_over).copied().collect();
        over.into_iter().for_each(|ask| self.end_live(ask));
        let holds = self.till.holds().map(|(hold, _)| hold);
        let gone = holds.filter(|hold| hold.0 >> 56 == u64::from(shard));
        self.doubtful.extend(gone.filter(|hold| !known.contains(&AskId(hold.0))));
    }

    /// All records of the former life have been settled: what no record came for was an attempt
    /// that came to nothing.
    pub fn journal_read(&mut self, now: Tick) {
        for hold in core::mem::take(&mut self.doubtful) {
            self.till.handle(Event::Void(hold), ms(now));
        }
        self.drain_till();
    }

    /// The store has these records in its books, as batch number `batch`.
    pub fn committed(&mut self, batch: u64, records: &[Cdr], now: Tick) {
        let lines = records.iter().flat_map(|record| money::lines(self.node, record)).collect();
        self.till.handle(Event::Committed(Commit { batch, lines }), ms(now));
        self.drain_till();
    }

    /// A payment, fee or correction: in the books already, to be agreed to, or its second word; see
    /// [`Stage`]. The balance now; `None` when nothing is said. Calls that this lengthens come as
    /// outputs.
    pub fn adjust(
        &mut self,
        id: u64,
        account: AccountId,
        amount: Amount,
        stage: Stage,
        now: Tick,
    ) -> Option<Result<Amount, strowger_till::Refusal>> {
        let key = AccountKey { node: self.node, account };
        self.till.handle(Event::Adjust(Adjust { id, key, amount, stage }), ms(now));
        let mut outcome = None;
        while let Some(output) = self.till.poll_output() {
            match output {
                Said::Adjusted { balance, .. } => outcome = Some(Ok(balance)),
                Said::AdjustRefused { why, .. } => outcome = Some(Err(why)),
                Said::Lengthened(_)
                | Said::Alarm(_)
                | Said::Expired(_)
                | Said::Admitted(_)
                | Said::Refused { .. }
                | Said::Extended(_)
                | Said::Unknown(_) => self.pass(output),
            }
        }
        outcome
    }

    /// Ends a running call; the outcome comes as [`Output::Verb`] with this id.
    pub fn hang_up(&mut self, ask: AskId, args: &Hangup) -> Option<VerbId> {
        let leg: LegId = self.live.get(&ask)?.leg;
        self.next_verb += 1;
        let id = VerbId(self.next_verb);
        let verb = Verb {
            id,
            leg,
            kind: VerbKind::Hangup,
            args: Octets(strowger_link::codec::encode(args)),
            resume: Octets::default(),
            on_driver_lost: strowger_link::OnDriverLost::RunOn,
        };
        self.out.push_back(Output::Down(Down::Verb(Box::new(verb))));
        Some(id)
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Tick) {
        self.locations.handle_timeout(now);
        self.drain_locations(now);
        self.till.handle_timeout(ms(now));
        self.drain_till();
        self.end_waits(now);
    }

    /// When [`Office::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        // The till counts whole milliseconds of the same clock.
        let till = self.till.poll_timeout().map(|at| Tick(at.0.saturating_mul(MS)));
        let waits = self.waiting.poll_timeout();
        [self.locations.poll_timeout(), till, waits].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// A dataplane was greeted: it is told of all registrations again.
    pub fn greeted(&mut self) {
        self.upstreams.greeted();
        self.keeps.again();
        self.probe_again();
    }

    /// The dataplane is gone.
    pub fn dataplane_lost(&mut self) {
        self.upstreams.lost();
    }

    /// The next order about registrations at carriers, once greeted; what cannot be sent comes back
    /// by [`Office::upstream_unsent`].
    pub fn next_upstream(&mut self) -> Option<UpstreamOrder> {
        self.upstreams.next()
    }

    /// An order that found no room: it is due again.
    pub fn upstream_unsent(&mut self, order: &UpstreamOrder) {
        self.upstreams.unsent(order);
    }

    /// The next order about contacts that are kept alive, once greeted; what cannot be sent comes
    /// back by [`Office::keep_unsent`].
    pub fn next_keep(&mut self, now: Tick) -> Option<KeepOrder> {
        self.keeps.next(&self.world, &self.locations, now).or_else(|| self.probes.next())
    }

    /// An order that found no room: it is due again.
    pub fn keep_unsent(&mut self, order: KeepOrder) {
        self.keeps.unsent(order);
    }

    /// How registrations at carriers stand, by login; empty while the dataplane is away.
    #[must_use]
    pub const fn upstream_states(&self) -> &BTreeMap<i64, UpstreamState> {
        self.upstreams.states()
    }

    /// Logins that find no room in the dataplane.
    #[must_use]
    pub const fn upstreams_left_out(&self) -> usize {
        self.upstreams.left_out()
    }

    /// Running calls by their ask.
    #[must_use]
    pub const fn live(&self) -> &BTreeMap<AskId, LiveCall> {
        &self.live
    }

    /// Registrations.
    #[must_use]
    pub const fn locations(&self) -> &Locations {
        &self.locations
    }

    /// Balances.
    #[must_use]
    pub const fn till(&self) -> &Till {
        &self.till
    }

    /// An account's numbers.
    #[must_use]
    pub fn balance(&self, account: AccountId) -> Option<Balance> {
        self.till.balance(AccountKey { node: self.node, account })
    }

    /// What running calls hold of an account, with asks above `after`, in order.
    pub fn holds_of(
        &self,
        account: AccountId,
        after: Option<AskId>,
    ) -> impl Iterator<Item = (AskId, AccountHold)> + '_ {
        let key = AccountKey { node: self.node, account };
        let holds = self.till.holds_of(key, after.map(|ask| HoldId(ask.0)));
        holds.map(|hold| (AskId(hold.granted.hold.0), hold))
    }

    /// Counts since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { waiting: self.waiting.len() as u64, ..self.counts }
    }

    /// The record of a running call, once it is answered.
    #[must_use]
    pub fn record_of(&self, ask: AskId) -> Option<RecordId> {
        self.live.get(&ask).and_then(|call| call.record)
    }

    /// Attempts of those who are not known, by source and minute.
    #[must_use]
    pub const fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    fn keep_trace(&mut self, ask: &Ask, tenant: TenantId, trace: &Trace) {
        let traced = Traced {
            // A redirect is a part of its call.
            ask: match &ask.body {
                AskBody::Redirected(_) => ask.parent.unwrap_or(ask.id),
                AskBody::Call(_)
                | AskBody::Transfer(_)
                | AskBody::Reroute(_)
                | AskBody::Pickup(_)
                | AskBody::Extend(_)
                | AskBody::Register(_)
                | AskBody::Request(_)
                | AskBody::Resolve(_)
                | AskBody::App(_) => ask.id,
            },
            at_us: ask.wall_us,
            tenant,
            snapshot: self.world.version(),
            steps: trace.as_bytes().into(),
            headers: self.kept_headers(ask),
        };
        self.out.push_back(Output::Trace(Box::new(traced)));
    }

    /// Where no field is named, nothing is looked at.
    fn kept_headers(&self, ask: &Ask) -> Vec<(String, String)> {
        match self.world.settings().system().call.headers_kept.as_slice() {
            [] => Vec::new(),
            named => trace::kept_headers(named, ask),
        }
    }

    /// Nobody knows who it was: counted, and no record.
    fn note_stranger(&mut self, ask: &Ask, verdict: &Verdict, (now, wall_us): (Tick, i64)) {
        let source = ask.hints.source.ip();
        match verdict {
            Verdict::Challenge(_) => self.strangers.challenged(source, wall_us, 1),
            Verdict::Refuse(refuse) => {
                self.strangers.refused(source, wall_us, 1);
                if refuse.reason == Reason::AuthFailed {
                    self.guessed(ask.hints.source, now, wall_us);
                }
            }
            Verdict::Go(_) | Verdict::Registered(_) | Verdict::Respond(_) | Verdict::Need(_) => {}
        }
    }

    fn note_live(&mut self, ask: &Ask, plan: &Plan, line: Option<TrunkId>, wall_us: i64) {
        if self.live.len() < LIVE_MAX
            && let AskBody::Call(call) = &ask.body
        {
            let parties = Settlement::parties(&plan.go.settlement.0).ok();
            let entry = live::begin(ask, call, parties, plan.go_on, wall_us);
            self.begin_live(LiveCall { line, ..entry });
        }
    }

    fn drain_locations(&mut self, now: Tick) {
        while let Some(output) = self.locations.poll_output() {
            self.out.push_back(Output::Binding(output));
        }
        while let Some(touched) = self.locations.poll_touched() {
            if let Holder::Subscriber(id) = touched.who
                && !touched.only_lasts
            {
                self.register_with(id, now);
            }
            self.keeps.touch(touched);
        }
    }

    /// A subscriber came or went: so do the registrations of its own logins at carriers.
    fn register_with(&mut self, id: SubscriberId, now: Tick) {
        let own = upstreams_of(&self.world, id);
        if own.is_empty() {
            return;
        }
        let is_here = self.is_here(id, now);
        for (login, wanted) in own {
            self.upstreams.change(login.0, wanted.filter(|_| is_here));
        }
    }

    /// Whether a subscriber has a living contact.
    #[must_use]
    pub fn is_here(&self, id: SubscriberId, now: Tick) -> bool {
        self.locations.of(Holder::Subscriber(id), now).next().is_some()
    }

    /// The registrations at carriers that the world in force wants.
    fn set_upstreams(&mut self, now: Tick) {
        let wanted = upstreams(&self.world, |id| self.is_here(id, now));
        self.upstreams.set(wanted);
    }

    fn drain_till(&mut self) {
        while let Some(output) = self.till.poll_output() {
            self.pass(output);
        }
    }

    /// Tells the dataplane of talk time that it did not ask for. A call that is not in the live
    /// view ends where it would have ended, and its record settles what was held.
    fn lengthen(&mut self, granted: strowger_till::Granted) {
        let ask = AskId(granted.hold.0);
        let Some(call) = self.live.get(&ask) else { return };
        let TalkTime { ms, free_ms, last } = money::talk_time(granted);
        let grant = Grant { ms, free_ms, last, go_on: call.go_on };
        self.counts.lengthened += 1;
        let more = Lengthen { ask, leg: call.leg, grant };
        self.out.push_back(Output::Down(Down::Lengthen(more)));
    }

    /// What the till says outside an exchange.
    fn pass(&mut self, output: strowger_till::Output) {
        match output {
            Said::Alarm(alarm) => {
                self.counts.alarms += 1;
                self.out.push_back(Output::Alarm(alarm));
            }
            Said::Lengthened(granted) => self.lengthen(granted),
            Said::Expired(hold) => {
                self.end_live(AskId(hold.0));
            }
            Said::Adjusted { .. }
            | Said::AdjustRefused { .. }
            | Said::Admitted(_)
            | Said::Refused { .. }
            | Said::Extended(_)
            | Said::Unknown(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
