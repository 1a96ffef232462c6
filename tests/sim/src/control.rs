//! The control plane of a simulated switch: the real [`Office`], an intake of the journal, and the
//! memory twin of the store, joined as `controld` joins them, with a crash at any step.

use crate::cable::Cable;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::fault::Plant;
use crate::io::wall_us;
use crate::plan;
use crate::probe::SharedProbe;
use crate::step::{Plane, Step};
use crate::switch::Words;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use strowger_billing::{
    Cause, LedgerAccount, LedgerKind, Mode, Owner, Transfer, TransferKind, Unit, records,
};
use strowger_link::codec::decode;
use strowger_link::journal::FrameKind;
use strowger_link::table::{Reader, SlotHead, SlotState};
use strowger_link::{
    AnswerBody, AskBody, COUNTERS, CallFacts, DOOR, Down, Hello, MS, SlotBody, Tick, Transport, Up,
};
use strowger_locate::{PORT, Place, Wanted};
use strowger_model::{Account, Amount, BINDING_GRACE_US, Cdr};
use strowger_office::{Office, Output, Search, Ticket};
use strowger_routing::{
    EdgeSettings, Finding, Holder, Lack, Output as Written, Query, World, edge,
};
use strowger_store::{Life, MemoryStore, Position};

/// This node.
pub const NODE: u32 = 1;
/// Records of one transaction: few, so that a crash finds several under way.
const BATCH_MAX: usize = 3;
/// A transaction takes so long, milliseconds.
const COMMIT_MS: (u64, u64) = (1, 300);
/// Registrations are written behind within, milliseconds.
const BEHIND_MS: (u64, u64) = (1, 200);

/// The control plane and its database.
pub struct Control {
    world: Arc<World>,
    /// The database: outlives the process.
    pub store: MemoryStore,
    disk: Rc<RefCell<Disk>>,
    cable: Rc<RefCell<Cable>>,
    probe: SharedProbe,
    /// The files of the call tables and the life that they are of; a power cut takes them.
    pub table: Option<(Vec<Words>, u32)>,
    process: Option<Process>,
    dice: Dice,
    plant: Option<Plant>,
    /// The process dies after so many steps.
    pub crash_in: Option<u32>,
    /// Alarms of the till, as text.
    pub alarms: Vec<String>,
    /// What must not happen and did.
    pub breaches: Vec<String>,
    /// Crashes so far.
    pub crashes: u32,
    /// Hosts that the dataplane was told the addresses of.
    pub names_said: u32,
    /// Outcomes of verbs, as text.
    pub verbs: Vec<String>,
    /// The last counters of all shards, summed.
    pub counters: Vec<u64>,
    of_shards: BTreeMap<u8, Vec<u64>>,
    /// Turns of the first one between its last two reports.
    pub turns_per_report: Option<u64>,
}

/// What dies with the process.
struct Process {
    office: Office,
    at: Position,
    intake: Intake,
    session: Option<u32>,
    edges: u64,
    /// Life of the dataplane that was greeted last.
    last_life: Option<u32>,
    /// When the registrations that were written are durable.
    behind: Option<Tick>,
    /// Sequence that the journal must be read to before what has no record came to nothing.
    unread: Option<u64>,
    /// What the outside will say, and when.
    outside: BTreeSet<(Tick, Ticket, bool, Query)>,
}

/// Where the intake stands.
enum Intake {
    Idle,
    /// Written, not durable before `until`.
    Committing {
        until: Tick,
        number: u64,
        batch: Vec<Cdr>,
        to: Position,
    },
}

/// The process died in this step.
struct Died;

/// Where name servers say that a host is.
fn places(wanted: &Wanted) -> Vec<Place> {
    let Some(ip) = plan::address_of(&wanted.host) else { return Vec::new() };
    let port = if wanted.port == 0 { PORT } else { wanted.port };
    let (transport, addresses) =
        (wanted.transport.unwrap_or(Transport::Udp), vec![(ip, port).into()]);
    vec![Place { rank: 0, transport, priority: 0, weight: 0, addresses }]
}

impl Control {
    /// A database with the operator's credit in its books, and no process yet.
    #[must_use]
    pub fn new(
        world: Arc<World>,
        disk: Rc<RefCell<Disk>>,
        cable: Rc<RefCell<Cable>>,
        probe: SharedProbe,
        dice: Dice,
        plant: Option<Plant>,
    ) -> Control {
        let mut store = MemoryStore::new();
        for (account, cents) in world.accounts().zip(plan::CREDIT_CENTS) {
            if let Some(payment) = payment(account, cents) {
                store.insert_transfer(&payment);
            }
        }
        store.sync();
        Control {
            world,
            store,
            disk,
            cable,
            probe,
            table: None,
            process: None,
            dice,
            plant,
            crash_in: None,
            alarms: Vec::new(),
            breaches: Vec::new(),
            crashes: 0,
            names_said: 0,
            verbs: Vec::new(),
            counters: Vec::new(),
            of_shards: BTreeMap::new(),
            turns_per_report: None,
        }
    }

    /// The process begins: books and cursor, then the journal behind it, then the call table.
    pub fn boot(&mut self, now: Tick) {
        let wall = wall_us(now);
        let mut office = Office::new(NODE, Arc::clone(&self.world));
        let posted = self.store.balances();
        for account in self.world.accounts() {
            let of = |p: &&strowger_store::Posted| p.account == account.id;
            let balance = posted.iter().find(of).map_or(Amount::ZERO, |p| p.balance);
            office.load(account, balance, now);
        }
        let used = match self.plant {
            Some(Plant::FreeTimeAgain) => BTreeMap::new(),
            Some(_) | None => plan::free_used(self.store.cdrs()),
        };
        for allowance in plan::allowances() {
            let used_ms = used.get(&allowance.id).copied().unwrap_or_default();
            office.load_allowance(allowance, (used_ms, strowger_model::Amount::ZERO), now);
        }
        let bindings = self.store.bindings(wall - BINDING_GRACE_US).into_iter();
        let bindings = bindings.map(|b| (Holder::Subscriber(b.subscriber), b));
        let of_trunks = self.store.trunk_bindings(wall - BINDING_GRACE_US).into_iter();
        let of_trunks = of_trunks.map(|(id, b)| (Holder::Trunk(id), b));
        office.load_bindings(bindings.chain(of_trunks).collect(), now, wall);
        let cursors = self.store.cursors();
        let at = cursors.iter().find(|t| t.origin == NODE).map_or(Position::default(), |t| t.at);
        let from = if self.plant == Some(Plant::SettleTwice) { 0 } else { at.seq };
        // A boot reads the journal to its end, durable or not: nothing is counted on it.
        let whole = self.disk.borrow().frames.len();
        let records = self.read_from(from, whole, usize::MAX).0;
        let intake = Intake::Idle;
        let (edges, last_life, behind, unread) = (0, None, None, None);
        let (session, outside) = (None, BTreeSet::new());
        let process =
            Process { office, at, intake, session, edges, last_life, behind, unread, outside };
        self.process = Some(process);
        self.run(|control, process| {
            control.take_up(process, &records, now)?;
            control.work(process, now)
        });
    }

    /// Makes the balances true: records behind the cursor, then calls of the table.
    fn take_up(&mut self, p: &mut Process, records: &[Cdr], now: Tick) -> Result<(), Died> {
        self.begin(Step::Replayed)?;
        p.office.replay(records, now);
        self.done(Step::Replayed)?;
        self.begin(Step::TakenUp)?;
        for facts in self.tables().iter().flat_map(table_calls) {
            p.office.adopt_running(&facts, now);
        }
        self.done(Step::TakenUp)
    }

    fn tables(&self) -> &[Words] {
        self.table.as_ref().map_or(&[], |(tables, _)| tables)
    }

    /// The process dies now, and what the database has not committed is gone.
    pub fn crash(&mut self) {
        if self.process.take().is_some() {
            self.crashes += 1;
            self.crash_in = None;
            self.cable.borrow_mut().cut();
            self.store.crash();
        }
    }

    /// The process runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// The office, while the process runs.
    #[must_use]
    pub fn office(&self) -> Option<&Office> {
        self.process.as_ref().map(|p| &p.office)
    }

    /// The intake has taken and committed all that is durable.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let Some(p) = &self.process else { return false };
        let durable = self.disk.borrow().published;
        let rest = self.read_from(p.at.seq, durable, 1).0;
        matches!(p.intake, Intake::Idle) && rest.is_empty() && !self.cable.borrow().has_up()
    }

    /// When [`Control::turn`] is due by itself.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let p = self.process.as_ref()?;
        let intake = match &p.intake {
            Intake::Idle => None,
            Intake::Committing { until, .. } => Some(*until),
        };
        let outside = p.outside.first().map(|(at, ..)| *at);
        [p.office.poll_timeout(), intake, p.behind, outside].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn turn(&mut self, now: Tick) {
        self.run(|control, process| control.work(process, now));
    }

    fn run(&mut self, act: impl FnOnce(&mut Control, &mut Process) -> Result<(), Died>) {
        let Some(mut process) = self.process.take() else { return };
        let result = act(self, &mut process);
        self.process = Some(process);
        if let Err(Died) = result {
            self.crash();
        }
    }

    /// Runs `act` on the office and carries out what it wants.
    pub fn with_office(&mut self, now: Tick, act: impl FnOnce(&mut Office)) {
        if let Some(p) = &mut self.process {
            act(&mut p.office);
        }
        self.turn(now);
    }

    /// Sends a frame down, if there is a session.
    pub fn send(&self, down: &Down) {
        self.cable.borrow_mut().send_down(down);
    }

    fn work(&mut self, p: &mut Process, now: Tick) -> Result<(), Died> {
        self.greet(p, now)?;
        // As in the decider's loop, orders of the intake come before the frames that wait.
        self.take_journal(p, now)?;
        self.sync_behind(p, now)?;
        while let Some(frame) = self.recv() {
            self.step()?;
            match Up::from_bytes(&frame) {
                Ok(up) => self.take_frame(p, up, now)?,
                Err(_) => self.breaches.push("a frame of the dataplane cannot be read".into()),
            }
            self.step()?;
            self.carry_out(p, now)?;
        }
        self.hear_outside(p, now)?;
        if p.office.poll_timeout().is_some_and(|at| at <= now) {
            p.office.handle_timeout(now);
        }
        self.carry_out(p, now)
    }

    /// What the outside says by now.
    fn hear_outside(&mut self, p: &mut Process, now: Tick) -> Result<(), Died> {
        while p.outside.first().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, ticket, is_known, query)) = p.outside.pop_first() else { break };
            self.step()?;
            let finding = match (is_known, query) {
                (false, _) => Finding::Unknown(Lack::Failed),
                (true, Query::Place(wanted)) => {
                    self.names_said += 1;
                    Finding::Placed(places(&wanted))
                }
                (true, _) => Finding::Ported(None),
            };
            p.office.found(ticket, finding, now, wall_us(now));
            self.step()?;
            self.carry_out(p, now)?;
        }
        Ok(())
    }

    /// The outside answers soon, too late, or never; once in a while twice.
    fn ask_outside(&mut self, p: &mut Process, search: Search, now: Tick) {
        let Search { ticket, query } = search;
        let soon = self.dice.between(1, 250);
        let late = self.dice.between(290, 900);
        let at_ms = match self.dice.below(10) {
            0..=5 => soon,
            6..=7 => late,
            _ => return,
        };
        let is_known = self.dice.percent(85);
        p.outside.insert((now.plus_ms(at_ms), ticket, is_known, query.clone()));
        if self.dice.percent(10) {
            p.outside.insert((now.plus_ms(at_ms + late), ticket, true, query));
        }
    }

    fn take_frame(&mut self, p: &mut Process, up: Up, now: Tick) -> Result<(), Died> {
        let step = match &up {
            Up::Ask(ask) => match &ask.body {
                AskBody::Call(_) => Some(Step::AskTaken),
                AskBody::Extend(_) => Some(Step::ExtendTaken),
                AskBody::Redirected(_)
                | AskBody::Transfer(_)
                | AskBody::Reroute(_)
                | AskBody::Pickup(_)
                | AskBody::Register(_)
                | AskBody::Request(_)
                | AskBody::Resolve(_)
                | AskBody::App(_) => None,
            },
            Up::Started(_) => Some(Step::StartedTaken),
            Up::Abandoned(_) => Some(Step::AbandonedTaken),
            Up::Journal(_)
            | Up::Verb(_)
            | Up::Live(_)
            | Up::Turned(_)
            | Up::Counters(_)
            | Up::Listeners(_)
            | Up::Upstream(_)
            | Up::FlowFailed(_)
            | Up::Probed(_)
            | Up::FlowEpoch(_)
            | Up::Sounds(_) => None,
        };
        step.map_or(Ok(()), |step| self.begin(step))?;
        let started = if let Up::Started(started) = &up { Some(started.ask) } else { None };
        p.office.handle_up(up, now, wall_us(now));
        if let Some(ask) = started.filter(|_| self.plant == Some(Plant::HoldVoidedEarly))
            && self.dice.percent(20)
        {
            p.office.handle_up(Up::Abandoned(ask), now, wall_us(now));
        }
        step.map_or(Ok(()), |step| self.done(step))
    }

    /// Registrations are durable some time after they were written.
    fn sync_behind(&mut self, p: &mut Process, now: Tick) -> Result<(), Died> {
        if p.behind.take_if(|at| *at <= now).is_some() {
            self.begin(Step::BindingDurable)?;
            self.store.sync();
            self.done(Step::BindingDurable)?;
        }
        Ok(())
    }

    fn recv(&self) -> Option<Vec<u8>> {
        self.cable.borrow_mut().recv_up()
    }

    /// A place where the process may die.
    fn step(&mut self) -> Result<(), Died> {
        match &mut self.crash_in {
            Some(0) => Err(Died),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn begin(&mut self, step: Step) -> Result<(), Died> {
        self.step()?;
        if self.probe.borrow_mut().begin(step) { Ok(()) } else { Err(Died) }
    }

    fn done(&mut self, step: Step) -> Result<(), Died> {
        let mut probe = self.probe.borrow_mut();
        probe.done(step);
        if probe.is_dead(Plane::Control) {
            return Err(Died);
        }
        drop(probe);
        self.step()
    }

    fn greet(&mut self, p: &mut Process, now: Tick) -> Result<(), Died> {
        let Some(epoch) = self.table.as_ref().map(|(_, epoch)| *epoch) else { return Ok(()) };
        if !self.cable.borrow().listens {
            return Ok(());
        }
        let session = self.cable.borrow().session();
        if p.session.is_some() && p.session == session {
            return Ok(());
        }
        self.begin(Step::Linked)?;
        p.session = Some(self.cable.borrow_mut().connect());
        self.done(Step::Linked)?;
        for (shard, _) in (0..).zip(self.tables().to_vec()) {
            let life = Life { node: NODE, shard, boot: 1, epoch };
            let Some(origin) = self.store.origin(&life) else { return Ok(()) };
            self.begin(Step::HelloSent)?;
            let hello = Down::Hello(Hello { origin, node: NODE });
            self.cable.borrow_mut().send_to(shard, &hello);
            self.done(Step::HelloSent)?;
        }
        p.edges += 1;
        let settings = EdgeSettings {
            version: p.edges,
            tenant: plan::TENANT,
            nonce_key: [7; 16],
            denied: Vec::new(),
        };
        if let Some((edge, _)) = edge(&self.world, &settings) {
            self.send(&Down::Edge(Box::new(edge)));
        }
        if p.last_life.replace(epoch).is_some_and(|last| last != epoch) {
            for (shard, words) in (0..).zip(self.tables()) {
                p.office.dataplane_restarted(shard, &table_calls(words), now);
            }
            if self.plant == Some(Plant::AdoptedHoldVoided) {
                p.office.dataplane_restarted(0, &[], now);
                p.office.journal_read(now);
            }
            p.unread = Some(self.disk.borrow().published as u64);
        }
        Ok(())
    }

    fn carry_out(&mut self, p: &mut Process, now: Tick) -> Result<(), Died> {
        while let Some(output) = p.office.poll_output() {
            match output {
                Output::Down(down) => self.send_down(down)?,
                Output::Find(search) => self.ask_outside(p, *search, now),
                Output::Binding(change) => self.write_binding(p, change, now)?,
                Output::Alarm(alarm) => self.alarms.push(format!("{alarm:?}")),
                Output::Verb(result) => self.verbs.push(format!("{:?}", result.outcome)),
                Output::Counters(counters) => {
                    self.count(counters.shard, counters.values);
                }
                Output::Doorbell(_)
                | Output::Turned(_)
                | Output::Ban(_)
                | Output::Block(_)
                | Output::Crowded(_)
                | Output::Listeners(_)
                | Output::Trace(_) => {}
            }
        }
        while p.session.is_some()
            && let Some(order) = p.office.next_keep(now)
        {
            self.send(&Down::Keep(Box::new(order)));
        }
        Ok(())
    }

    fn count(&mut self, shard: u8, values: Vec<u64>) {
        let at = COUNTERS.iter().position(|name| *name == "turns");
        let turns = |values: &Vec<u64>| values.get(at?).copied();
        let (new, last) = (turns(&values), self.of_shards.insert(shard, values));
        if shard == DOOR {
            let old = last.as_ref().and_then(turns);
            self.turns_per_report = old.zip(new).map(|(old, new)| new.saturating_sub(old));
        }
        self.counters = vec![0; COUNTERS.len()];
        for values in self.of_shards.values() {
            self.counters.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }

    fn send_down(&mut self, down: Down) -> Result<(), Died> {
        let down = self.tamper(down);
        let step = match &down {
            Down::Answer(answer) => match answer.body {
                AnswerBody::Go(_) => Some(Step::GoSent),
                AnswerBody::Extended(_) => Some(Step::ExtendedSent),
                AnswerBody::Refuse(_)
                | AnswerBody::Challenge(_)
                | AnswerBody::Forward(_)
                | AnswerBody::Registered(_)
                | AnswerBody::Respond(_)
                | AnswerBody::Resolved(_) => None,
            },
            Down::Hello(_)
            | Down::Verb(_)
            | Down::Edge(_)
            | Down::Stored(_)
            | Down::Lengthen(_)
            | Down::Upstream(_)
            | Down::Keep(_)
            | Down::EdgePage(_) => None,
        };
        step.map_or(Ok(()), |step| self.begin(step))?;
        self.send(&down);
        step.map_or(Ok(()), |step| self.done(step))
    }

    fn write_binding(&mut self, p: &mut Process, change: Written, now: Tick) -> Result<(), Died> {
        self.begin(Step::BindingWritten)?;
        match change {
            Written::Save { who: Holder::Subscriber(_), binding } => {
                self.store.put_binding(*binding);
            }
            Written::Save { who: Holder::Trunk(id), binding } => {
                self.store.put_trunk_binding(id, *binding);
            }
            Written::Remove { who: Holder::Subscriber(id), uri } => {
                self.store.remove_binding(id, &uri);
            }
            Written::Remove { who: Holder::Trunk(id), uri } => {
                self.store.remove_trunk_binding(id, &uri);
            }
            Written::Save { who: Holder::RingGroup(_) | Holder::Did(_), .. }
            | Written::Remove { who: Holder::RingGroup(_) | Holder::Did(_), .. } => {}
        }
        let (least, most) = BEHIND_MS;
        let at = now.plus_ns(self.dice.between(least * MS, most * MS));
        p.behind.get_or_insert(at);
        self.done(Step::BindingWritten)
    }

    /// The planted fault that promises more talk time than is held.
    fn tamper(&self, mut down: Down) -> Down {
        if self.plant == Some(Plant::OverGrant)
            && let Down::Answer(answer) = &mut down
        {
            match &mut answer.body {
                AnswerBody::Go(go) => go.grant.ms = go.grant.ms.saturating_mul(2),
                AnswerBody::Extended(e) => e.grant.ms = e.grant.ms.saturating_mul(2),
                AnswerBody::Refuse(_)
                | AnswerBody::Challenge(_)
                | AnswerBody::Forward(_)
                | AnswerBody::Registered(_)
                | AnswerBody::Respond(_)
                | AnswerBody::Resolved(_) => {}
            }
        }
        down
    }

    /// Records behind `from` and before `end`, at most `max`, and the position behind the last
    /// frame read.
    fn read_from(&self, from: u64, end: usize, max: usize) -> (Vec<Cdr>, Position) {
        let disk = self.disk.borrow();
        let mut batch = Vec::new();
        let mut seq = from;
        for frame in disk.frames.iter().take(end).skip(from as usize) {
            if batch.len() >= max {
                break;
            }
            seq += 1;
            if frame.kind == FrameKind::Ended
                && let Ok(facts) = decode::<CallFacts>(&frame.payload)
            {
                batch.extend(records(&facts, Mode::CalledLeg));
            }
        }
        if self.plant == Some(Plant::WrongRounding) {
            batch.iter_mut().filter_map(|cdr| cdr.customer.as_mut()).for_each(round_down);
        }
        (batch, Position { seq, segment: 0, offset: seq })
    }

    fn take_journal(&mut self, p: &mut Process, now: Tick) -> Result<(), Died> {
        if let Intake::Committing { until, .. } = &p.intake {
            if *until > now {
                return Ok(());
            }
            let done = std::mem::replace(&mut p.intake, Intake::Idle);
            self.finish(p, done, now)?;
        }
        let durable = self.disk.borrow().published;
        let (batch, to) = self.read_from(p.at.seq, durable, BATCH_MAX);
        if batch.is_empty() && p.unread.is_some_and(|unread| unread <= to.seq) {
            p.unread = None;
            p.office.journal_read(now);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.begin(Step::Settled)?;
        let forgets = self.plant == Some(Plant::StaleHold) && self.dice.percent(20);
        if !forgets {
            p.office.settle(&batch, now);
        }
        self.done(Step::Settled)?;
        self.begin(Step::IngestBegun)?;
        if self.plant == Some(Plant::CursorMovesAlone) {
            // The cursor is committed in a transaction of its own, before the records.
            let _moved = self.store.ingest(NODE, p.at, to, &[], wall_us(now));
            self.store.sync();
            self.step()?;
            p.at = to;
        }
        match self.store.ingest(NODE, p.at, to, &batch, wall_us(now)) {
            Ok(ingested) => {
                let (least, most) = COMMIT_MS;
                let until = now.plus_ns(self.dice.between(least * MS, most * MS));
                let number = ingested.batch.unsigned_abs();
                p.intake = Intake::Committing { until, number, batch, to };
                self.done(Step::IngestBegun)
            }
            Err(e) => {
                self.breaches.push(format!("the store refuses records: {e}"));
                p.at = to;
                Ok(())
            }
        }
    }

    fn finish(&mut self, p: &mut Process, done: Intake, now: Tick) -> Result<(), Died> {
        let Intake::Committing { number, batch, to, .. } = done else { return Ok(()) };
        self.begin(Step::Committed)?;
        self.store.sync();
        self.done(Step::Committed)?;
        self.begin(Step::CommittedTold)?;
        p.office.committed(number, &batch, now);
        p.at = to;
        self.done(Step::CommittedTold)
    }
}

/// Calls of a table, as `controld` takes them up: those that ring, speak, or wait for their record
/// to be durable.
fn table_calls(words: &Words) -> Vec<CallFacts> {
    let known = slots(words).into_iter().filter(|(state, _)| match state {
        SlotState::Ringing | SlotState::Answered | SlotState::Ended => true,
        SlotState::Free | SlotState::Asked | SlotState::Leaving => false,
    });
    known.map(|(_, facts)| facts).collect()
}

/// What a call table tells the control plane.
#[must_use]
pub fn slots(words: &Words) -> Vec<(SlotState, CallFacts)> {
    bodies(words).into_iter().map(|(head, body)| (head.state, body.facts)).collect()
}

/// All that a call table holds.
#[must_use]
pub fn bodies(words: &Words) -> Vec<(SlotHead, SlotBody)> {
    let Ok(reader) = Reader::attach(words.unwatched()) else { return Vec::new() };
    let mut body = Vec::new();
    let mut all = Vec::new();
    for idx in 0..reader.setup().slots {
        let Ok(Some(head)) = reader.read(idx as u16, &mut body) else { continue };
        all.extend(decode::<SlotBody>(&body).map(|body| (head, body)));
    }
    all
}

/// Rounded towards zero at the ledger's scale, instead of half away at the tariff's.
fn round_down(charge: &mut strowger_model::Charge) {
    let seconds = charge.charged_ms as i128 / 1_000;
    let exact = i128::from(charge.unit_price.0) * seconds / 600;
    let amount = Amount(i64::try_from(exact).unwrap_or(i64::MAX));
    charge.net = amount;
    charge.gross = amount;
}

fn payment(account: &Account, cents: i64) -> Option<Transfer> {
    let unit = Unit::Money(account.currency);
    let side = |owner, kind| LedgerAccount { tenant: account.tenant, owner, kind, unit };
    let cash = side(Owner::Tenant, LedgerKind::Cash);
    let balance = side(Owner::Account(account.id), LedgerKind::Balance);
    let amount = Amount(cents * plan::CENT);
    let kind = TransferKind::Payment;
    Transfer::new(0, cash, balance, amount, kind, Cause::Request(account.id.0)).ok()
}
