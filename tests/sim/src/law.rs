//! The laws: what must hold after every step, and what must hold when the world is quiet.

use crate::agent::Agent;
use crate::plan;
use crate::switch::{Switch, Words};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use strowger_billing::{Mode, records};
use strowger_link::codec::decode;
use strowger_link::journal::FrameKind;
use strowger_link::table::{Reader, SlotState};
use strowger_link::{AskId, COUNTERS, CallFacts, Fact, PartyRef, Reason, RecordId, Tick};
use strowger_model::AccountId;
use strowger_port::net::MediaPort;

/// Longest sleep of a shard that has nothing to do, milliseconds.
const IDLE_MS: u64 = 100;
/// Between two heartbeats, and from the last one to the death, at most so many milliseconds.
const BEAT_MS: u64 = 250;
/// Between two marks of the journal, with the time until they are durable, milliseconds.
const MARK_MS: u64 = 1_300;
/// Lines of each agent's ladder that a report shows.
const LADDER_LINES: usize = 200;

/// A law was broken: what, when, and the end of what was said on the wire.
#[derive(Clone, Debug)]
pub struct Breach {
    /// Seed of the run.
    pub seed: u64,
    /// The law and what broke it.
    pub what: String,
    /// The last messages of all agents in order of time.
    pub ladder: Vec<String>,
}

impl core::fmt::Display for Breach {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for line in &self.ladder {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}: {}", self.seed, self.what)
    }
}

/// What the laws have seen so far.
#[derive(Debug, Default)]
pub(crate) struct Book {
    frames: usize,
    records: usize,
    started: BTreeSet<RecordId>,
    /// Ask and place in the journal of each record.
    ended: BTreeMap<RecordId, (AskId, usize)>,
    ended_asks: BTreeMap<AskId, u32>,
    /// Grants that the dataplane had taken when it died, and that no slot had shown yet.
    unseen: BTreeSet<AskId>,
    /// Between which signs of life each answered call may be ended: the last heartbeat of the last
    /// life that lived long enough for a mark, and of the last one at all.
    carried: BTreeMap<RecordId, (Tick, Tick)>,
    /// When the last life of the dataplane began.
    pub(crate) began: Tick,
    /// Call-IDs of calls that their callers held for confirmed when the dataplane died last.
    confirmed: BTreeSet<String>,
    /// What must not happen and did.
    pub(crate) breaches: Vec<String>,
    /// Records whose ends have been compared with it.
    marked: BTreeSet<RecordId>,
    /// Records of calls that had rung, spoken or ended when the dataplane died.
    owed: BTreeSet<RecordId>,
    /// Power cuts.
    pub(crate) power_cuts: u32,
}

impl World {
    /// A breach of what `what` says, with the ladders.
    pub(crate) fn breach(&self, what: &str) -> Breach {
        let mut ladder: Vec<String> = self
            .agents
            .iter()
            .flat_map(|agent| {
                let skip = agent.ladder.len().saturating_sub(LADDER_LINES);
                agent.ladder.iter().skip(skip).cloned()
            })
            .collect();
        ladder.sort();
        Breach { seed: self.seed, what: what.to_owned(), ladder }
    }

    fn demand(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Breach> {
        if holds { Ok(()) } else { Err(self.breach(&what())) }
    }

    /// Cheap laws, after every step.
    pub(crate) fn check_step(&mut self) -> Result<(), Breach> {
        let seen = self.agents.iter().flat_map(|agent| agent.breaches.first());
        let (machine, disk) = (self.plugs.machine.borrow(), self.plugs.disk.borrow());
        let probe = self.plugs.probe.borrow();
        let ours = machine.breaches.iter().chain(&disk.breaches).chain(&probe.breaches);
        let books = self.control.breaches.iter().chain(&self.book.breaches);
        let first = seen.chain(ours).chain(books).next().cloned();
        drop((machine, disk, probe));
        if let Some(what) = first {
            return Err(self.breach(&what));
        }
        self.check_alarms()?;
        self.check_counts()?;
        self.check_journal()?;
        self.check_freed()?;
        self.check_floors()?;
        self.check_free_time()?;
        self.check_records()
    }

    /// The till never drifts.
    fn check_alarms(&self) -> Result<(), Breach> {
        let alarm = self.control.alarms.first();
        self.demand(alarm.is_none(), || format!("the till raises an alarm: {alarm:?}"))
    }

    /// What the shard counts as our own mistakes.
    fn check_counts(&self) -> Result<(), Breach> {
        let Some(counts) = self.shard().map(strowger_shard::Shard::counts) else { return Ok(()) };
        let mistakes = [
            ("commands that no state allows", counts.sip_misuse),
            ("requests of a party from elsewhere", counts.sip_elsewhere),
            ("datagrams that no listener could take", counts.sip_lost),
            ("frames that cannot be read", counts.frames_malformed),
            ("calls that the table had no room for", counts.table_full),
            ("journal frames without room", counts.journal_full),
        ];
        for (what, count) in mistakes {
            let at = self.now().0 as f64 / 1e9;
            self.demand(count == 0, || format!("{at:.3}: {count} {what}"))?;
        }
        Ok(())
    }

    /// Frames as they come: records whole, each once, no more open ones than calls.
    fn check_journal(&mut self) -> Result<(), Breach> {
        let disk = self.plugs.disk.borrow();
        let first = self.book.frames;
        let new: Vec<_> = disk.all().skip(first).cloned().collect();
        self.book.frames = disk.count();
        drop(disk);
        for (at, frame) in (first..).zip(new) {
            if !matches!(frame.kind, FrameKind::Start | FrameKind::Ended) {
                continue;
            }
            let Ok(facts) = decode::<CallFacts>(&frame.payload) else {
                return Err(self.breach("a frame of the journal cannot be read"));
            };
            let ended = frame.kind == FrameKind::Ended;
            if ended {
                self.demand_whole(&facts)?;
                self.demand_mark(&facts)?;
                // An attempt that gave up waiting for its answer has a record without a settlement;
                // a grant that comes after that is given back.
                if !facts.settlement.0.is_empty() {
                    *self.book.ended_asks.entry(facts.ask).or_default() += 1;
                }
            }
            let twice = match ended {
                true => self.book.ended.insert(facts.record, (facts.ask, at)).is_some(),
                false => !self.book.started.insert(facts.record),
            };
            self.demand(!twice, || format!("{:?} of {:?} twice", frame.kind, facts.record))?;
        }
        let known = |id: &&RecordId| !self.book.ended.contains_key(id);
        let open = self.book.started.iter().filter(known).count();
        let in_use = |s: &Switch| s.shards.iter().map(strowger_shard::Shard::calls_in_use).sum();
        let active: usize = self.switch.as_ref().map_or(usize::MAX, in_use);
        self.demand(open <= active, || format!("{open} calls answered and open, {active} active"))
    }

    /// The table as the dead life left it, before anything else may take it.
    pub(crate) fn note_graves(&mut self, tables: &[Words], turned: bool) {
        let now = self.now();
        let up = self.agents.iter().flat_map(|agent| agent.calls_confirmed(now));
        let up: BTreeSet<String> = up.map(str::to_owned).collect();
        // A life that died in its start heard nothing: nobody was confirmed by it.
        if turned {
            self.book.confirmed.clear();
        }
        for words in tables {
            self.note_grave(words, turned, &up);
        }
    }

    fn note_grave(&mut self, words: &Words, turned: bool, up: &BTreeSet<String>) {
        let Ok(reader) = Reader::attach(words.unwatched()) else { return };
        let (beat, _) = reader.heartbeat();
        for (state, facts) in crate::control::slots(words) {
            if matches!(state, SlotState::Ringing | SlotState::Answered | SlotState::Ended) {
                self.book.owed.insert(facts.record);
            }
            if let (SlotState::Answered, Some(Fact::Began(began))) = (state, facts.facts.first())
                && turned
                && up.contains(&began.sip_call_id)
            {
                self.book.confirmed.insert(began.sip_call_id.clone());
            }
            let closed = matches!(facts.facts.last(),
                Some(Fact::Ended(end)) if end.reason == Reason::ProcessLost);
            if matches!(state, SlotState::Answered | SlotState::Ended) && !closed {
                let marked = beat.ms_since(self.book.began) > MARK_MS;
                let before = self.book.carried.get(&facts.record).filter(|_| !marked);
                let least = before.map_or(beat, |(least, _)| *least);
                self.book.carried.insert(facts.record, (least, beat));
            }
        }
    }

    /// A start: calls that were confirmed go on, and those that go on are counted. What was lost on
    /// the network may leave a call unconfirmed, and a crash in its thawing may quarantine it.
    pub(crate) fn judge_start(&mut self, former: bool) {
        let probe = self.plugs.probe.borrow();
        let lossless = self.net.lost == 0 && !probe.is_dead(crate::step::Plane::Data);
        let calm = self.adopted.iter().all(|adopted| adopted.quarantined == 0);
        for id in self.book.confirmed.iter().filter(|_| former && lossless && calm) {
            let shown = probe.shows(id);
            if !matches!(shown, Some(SlotState::Answered)) {
                self.book.breaches.push(format!("the confirmed call {id} is {shown:?} now"));
            }
        }
        for (id, port) in self.agents.iter().flat_map(Agent::sends_to) {
            let goes_on = matches!(probe.shows(id), Some(SlotState::Answered));
            let machine = self.plugs.machine.borrow();
            let open = (0..2).any(|address| machine.open.contains(&MediaPort { address, port }));
            if self.book.confirmed.contains(id) && goes_on && !open {
                self.book.breaches.push(format!("{id} goes on, and its port {port} is closed"));
            }
        }
        let Some(switch) = &self.switch else { return };
        let slots = switch.words.iter().flat_map(crate::control::slots);
        let trunks: usize = slots
            .filter(|(state, _)| *state == SlotState::Answered)
            .map(|(_, facts)| trunk_legs(&facts))
            .sum();
        let counted = switch.gauges_in_use();
        if counted < trunks as u64 && !probe.is_dead(crate::step::Plane::Data) {
            let what = format!("{trunks} legs of trunks are taken up, {counted} gauges in use");
            self.book.breaches.push(what);
        }
    }

    /// What a crash ended is billed to its last sign of life, and no longer.
    fn demand_mark(&mut self, facts: &CallFacts) -> Result<(), Breach> {
        let Some(Fact::Ended(end)) = facts.facts.last() else { return Ok(()) };
        let late_ms = if end.reason == Reason::HostLost {
            let cut = self.book.power_cuts > 0;
            self.demand(cut, || format!("{:?} is host-lost, and no power was", facts.record))?;
            MARK_MS
        } else if end.reason == Reason::ProcessLost {
            BEAT_MS
        } else {
            return Ok(());
        };
        let Some((least, most)) = self.book.carried.get(&facts.record).copied() else {
            return Ok(());
        };
        // The journal is read anew after each crash.
        if !self.book.marked.insert(facts.record) {
            return Ok(());
        }
        let right = least.ms_since(end.at) <= late_ms && end.at.ms_since(most) <= BEAT_MS;
        self.demand(right, || {
            format!("{:?} ended at {:?}, its life at {least:?}", facts.record, end.at)
        })
    }

    /// A slot is freed only when its record is durable.
    fn check_freed(&self) -> Result<(), Breach> {
        let freed = std::mem::take(&mut self.plugs.probe.borrow_mut().freed);
        let durable = self.plugs.disk.borrow().published;
        for record in freed {
            let at = self.book.ended.get(&record).map(|(_, at)| *at);
            self.demand(at.is_none_or(|at| at < durable), || {
                format!("the slot of {record:?} is free and its record not durable")
            })?;
        }
        Ok(())
    }

    /// One end for each leg, and the end of the call last.
    fn demand_whole(&self, facts: &CallFacts) -> Result<(), Breach> {
        let mut legs: BTreeMap<u8, (u32, u32)> = BTreeMap::new();
        for fact in &facts.facts {
            match fact {
                Fact::LegOpened(opened) => legs.entry(opened.leg).or_default().0 += 1,
                Fact::LegEnded(ended) => legs.entry(ended.leg).or_default().1 += 1,
                Fact::Began(_)
                | Fact::LegProgress(_)
                | Fact::LegAnswered(_)
                | Fact::Joined(_)
                | Fact::Parted(_)
                | Fact::Granted(_)
                | Fact::Ended(_) => {}
            }
        }
        let whole = legs.values().all(|counts| *counts == (1, 1));
        let last = matches!(facts.facts.last(), Some(Fact::Ended(_)));
        self.demand(whole && last, || format!("{:?} is not whole: {:?}", facts.record, facts.facts))
    }

    /// No balance with a floor passes it, neither in the till nor in the books.
    fn check_floors(&self) -> Result<(), Breach> {
        let Some(office) = self.control.office() else { return Ok(()) };
        for balance in office.till().balances() {
            let Some(floor) = balance.floor else { continue };
            let (total, key) = (balance.total(), balance.key);
            self.demand(total >= floor, || format!("{key:?} passed its floor: {total:?}"))?;
        }
        Ok(())
    }

    /// Nobody gets more free time than there is: neither by records and running calls together, nor
    /// by the records that the books have.
    fn check_free_time(&self) -> Result<(), Breach> {
        let Some(office) = self.control.office() else { return Ok(()) };
        for allowance in plan::allowances() {
            let pool = office.till().pool(allowance.id);
            let fits = pool.is_some_and(|pool| pool.used_ms + pool.reserved_ms <= pool.granted_ms);
            self.demand(fits, || format!("free time of {:?}: {pool:?}", allowance.id))?;
        }
        Ok(())
    }

    /// When no call is up, the till has counted what the books have, and nothing is reserved.
    fn check_free_time_counted(&self) -> Result<(), Breach> {
        let Some(office) = self.control.office() else { return Err(self.breach("no office")) };
        let used = plan::free_used(self.control.store.cdrs());
        for allowance in plan::allowances() {
            let used_ms = used.get(&allowance.id).copied().unwrap_or_default();
            let pool = office.till().pool(allowance.id);
            let counted = pool.is_some_and(|pool| (pool.used_ms, pool.reserved_ms) == (used_ms, 0));
            let granted_ms = allowance.granted_ms();
            self.demand(counted && used_ms <= granted_ms, || {
                format!("free time of {:?}: {pool:?}, by records {used_ms} ms", allowance.id)
            })?;
        }
        Ok(())
    }

    /// New records in the store: priced as the arithmetic of the plan prices them, and never ahead
    /// of what the disk can still lose.
    fn check_records(&mut self) -> Result<(), Breach> {
        let store = &self.control.store;
        let cdrs = store.cdrs();
        if cdrs.len() == self.book.records {
            return Ok(());
        }
        let new: Vec<_> = cdrs.get(self.book.records..).unwrap_or_default().to_vec();
        self.book.records = cdrs.len();
        let taken = store.cursors().first().map_or(0, |taken| taken.at.seq);
        let synced = self.plugs.disk.borrow().synced as u64;
        self.demand(taken <= synced, || {
            format!("the store has taken {taken} frames, the disk keeps {synced}")
        })?;
        for cdr in new {
            let paid = charges(&cdr);
            let expected = sum(plan::charges(&cdr));
            self.demand(paid == expected, || {
                format!("a record costs {paid:?}, not {expected:?}: {cdr:?}")
            })?;
        }
        Ok(())
    }

    /// The dataplane died. Only a grant of which neither table nor journal knows is lost: no slot
    /// had shown it yet, or a power cut took the table before its call was answered for good.
    pub(crate) fn note_crash(&mut self) {
        let cable = self.plugs.cable.borrow();
        let disk = self.plugs.disk.borrow();
        let mut kept = BTreeSet::new();
        for frame in &disk.frames {
            if matches!(frame.kind, FrameKind::Start | FrameKind::Ended)
                && let Ok(facts) = decode::<CallFacts>(&frame.payload)
                && !facts.settlement.0.is_empty()
            {
                kept.insert(facts.ask);
            }
        }
        if let Some((tables, _)) = &self.control.table {
            let shown = tables.iter().flat_map(crate::control::slots).map(|(_, facts)| facts);
            kept.extend(shown.filter(|f| !f.settlement.0.is_empty()).map(|f| f.ask));
        }
        let gone = cable.granted.iter().filter(|ask| !kept.contains(ask));
        let gone = gone.filter(|ask| !cable.abandoned.contains_key(ask)).copied();
        let book = &mut self.book;
        book.unseen.extend(gone);
        if self.control.table.is_none() {
            book.confirmed.clear();
            book.owed.clear();
        }
        // The journal is read anew: frames that were handed over and not written are gone.
        book.frames = 0;
        book.started.clear();
        book.ended.clear();
        book.ended_asks.clear();
    }

    /// Everything, once nothing happens any more.
    pub(crate) fn check_quiet(&mut self) -> Result<(), Breach> {
        self.check_switch_quiet()?;
        self.check_grants()?;
        self.check_store()?;
        self.check_callers()?;
        self.check_money()
    }

    /// Nobody pays for a call that he was told had failed.
    fn check_callers(&self) -> Result<(), Breach> {
        let answered: BTreeSet<&str> = self
            .control
            .store
            .cdrs()
            .iter()
            .filter(|cdr| cdr.is_answered())
            .map(|cdr| cdr.caller.sip_call_id.as_str())
            .collect();
        for agent in &self.agents {
            for call in agent.calls.values().filter(|call| call.outgoing) {
                // A caller that heard nothing at all (408 of its own) cannot know.
                let Some(code) = call.outcome.filter(|code| *code >= 300 && *code != 408) else {
                    continue;
                };
                let charged = answered.contains(call.id.as_str());
                let name = &agent.name;
                self.demand(!charged, || {
                    format!("{name} was told {code}, the record says answered: {}", call.id)
                })?;
            }
        }
        Ok(())
    }

    fn check_switch_quiet(&self) -> Result<(), Breach> {
        let Some(switch) = &self.switch else { return Err(self.breach("the switch is down")) };
        let open = self.plugs.machine.borrow().open.len();
        let counter = |name: &str| {
            let at = COUNTERS.iter().position(|known| *known == name);
            at.and_then(|at| self.control.counters.get(at)).copied().unwrap_or(u64::MAX)
        };
        let left = [
            ("calls", switch.shards.iter().map(|s| s.calls_in_use() as u64).sum()),
            ("port pairs", switch.shards.iter().map(|s| s.media_ports_in_use() as u64).sum()),
            ("gauges", switch.gauges_in_use()),
            ("sockets", open as u64),
            ("transactions", counter("transactions_open")),
            ("legs", counter("legs_open")),
        ];
        for (what, count) in left {
            self.demand(count == 0, || format!("{count} {what} are left"))?;
        }
        let asleep_ms = switch.due.ms_since(self.now());
        self.demand(asleep_ms <= IDLE_MS, || format!("the shard sleeps for {asleep_ms} ms"))?;
        let rate = self.book_turns();
        // A connection may be pinged in that second, and its peer answers.
        let most = 12 + 2 * self.plugs.machine.borrow().sockets.count() as u64;
        self.demand(rate.is_none_or(|turns| turns <= most), || {
            format!("{rate:?} turns in the last second of an idle shard: a timer without an owner")
        })
    }

    /// Turns in the last full second, from two reports of the shard's counters.
    fn book_turns(&self) -> Option<u64> {
        self.control.turns_per_report
    }

    /// Each grant came to exactly one end.
    fn check_grants(&self) -> Result<(), Breach> {
        let cable = self.plugs.cable.borrow();
        for ask in &cable.redirects {
            let returned = cable.abandoned.get(ask).copied().unwrap_or(0);
            self.demand(returned <= 1, || format!("{ask:?} was given back {returned} times"))?;
        }
        for ask in &cable.granted {
            let recorded = self.book.ended_asks.get(ask).copied().unwrap_or(0);
            let returned = cable.abandoned.get(ask).copied().unwrap_or(0);
            let wanted = if self.book.unseen.contains(ask) { 0 } else { 1 };
            self.demand(recorded + returned == wanted, || {
                format!("{ask:?} was granted; {recorded} records, {returned} times given back")
            })?;
        }
        let open: Vec<_> =
            self.book.started.iter().filter(|id| !self.book.ended.contains_key(id)).collect();
        self.demand(open.is_empty(), || format!("answered and never ended: {open:?}"))?;
        let lost: Vec<_> =
            self.book.owed.iter().filter(|id| !self.book.ended.contains_key(id)).collect();
        self.demand(lost.is_empty(), || format!("ended by a crash, without a record: {lost:?}"))
    }

    /// The store has each record of the journal exactly once, and nothing else.
    fn check_store(&self) -> Result<(), Breach> {
        self.demand(self.control.is_idle(), || "the intake has not taken all".to_owned())?;
        let mut stored: BTreeMap<i64, u32> = BTreeMap::new();
        for cdr in self.control.store.cdrs().iter().filter(|cdr| cdr.part == 0) {
            *stored.entry(cdr.id.0).or_default() += 1;
        }
        let journaled: BTreeMap<i64, u32> = self.book.ended.keys().map(|id| (id.0, 1)).collect();
        self.demand(stored == journaled, || {
            format!("records in the store {stored:?}, in the journal {journaled:?}")
        })
    }

    /// Books and till agree with credit less the charges of the journal's records; nothing is held.
    fn check_money(&self) -> Result<(), Breach> {
        let mut expected = sum(plan::CREDIT_CENTS
            .iter()
            .enumerate()
            .map(|(i, cents)| (AccountId(1 + i as i64), cents * plan::CENT)));
        let disk = self.plugs.disk.borrow();
        for frame in disk.frames.iter().filter(|frame| frame.kind == FrameKind::Ended) {
            let Ok(facts) = decode::<CallFacts>(&frame.payload) else { continue };
            for cdr in records(&facts, Mode::CalledLeg) {
                for (account, charge) in plan::charges(&cdr) {
                    *expected.entry(account).or_default() -= charge;
                }
            }
        }
        expected.retain(|_, amount| *amount != 0);
        let books = self.control.store.balances();
        let booked = sum(books.iter().map(|posted| (posted.account, posted.balance.0)));
        self.demand(booked == expected, || format!("books {booked:?}, expected {expected:?}"))?;
        self.check_free_time_counted()?;
        let Some(office) = self.control.office() else { return Err(self.breach("no office")) };
        let till = sum(office.till().balances().map(|b| (b.key.account, b.total().0)));
        self.demand(till == expected, || format!("till {till:?}, expected {expected:?}"))?;
        for balance in office.till().balances() {
            self.demand(balance.held.0 == 0 && balance.calls == 0, || {
                format!("no call is up, and the till holds {balance:?}")
            })?;
        }
        let holds = office.till().holds().count();
        self.demand(holds == 0, || format!("no call is up, and {holds} holds are left"))?;
        let live = office.live().len();
        self.demand(live == 0, || format!("no call is up, and {live} are shown as live"))
    }
}

/// Legs of trunks that a call has open, and counts in gauges.
fn trunk_legs(facts: &CallFacts) -> usize {
    let mut open = BTreeSet::new();
    let emergency = matches!(facts.facts.first(),
        Some(Fact::Began(began)) if began.received == plan::EMERGENCY);
    if emergency {
        // No limit stands before it.
        return 0;
    }
    for fact in &facts.facts {
        if let Fact::LegOpened(opened) = fact
            && matches!(opened.party, PartyRef::Trunk(_))
            && opened.leg != 0
        {
            open.insert(opened.leg);
        } else if let Fact::LegEnded(ended) = fact {
            open.remove(&ended.leg);
        }
    }
    open.len()
}

fn charges(cdr: &strowger_model::Cdr) -> BTreeMap<AccountId, i64> {
    sum(cdr.charges().map(|charge| {
        let sign = match charge.kind {
            strowger_model::ChargeKind::Customer | strowger_model::ChargeKind::Reseller => 1,
            strowger_model::ChargeKind::Supplier
            | strowger_model::ChargeKind::Commission
            | strowger_model::ChargeKind::Packet => -1,
        };
        (charge.account, sign * charge.gross.0)
    }))
}

/// Sums by account; accounts with nothing are left out.
fn sum(amounts: impl IntoIterator<Item = (AccountId, i64)>) -> BTreeMap<AccountId, i64> {
    let mut sums: BTreeMap<AccountId, i64> = BTreeMap::new();
    for (account, amount) in amounts {
        *sums.entry(account).or_default() += amount;
    }
    sums.retain(|_, amount| *amount != 0);
    sums
}
