//! The world: clock, events in order of time, hosts.

mod connection;

use crate::agent::{Agent, Callee, Caller, Login, Manner, Out, Put};
use crate::cable::Cable;
use crate::control::Control;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::fault::Plant;
use crate::io::{Clock, Machine};
use crate::law::{Book, Breach};
use crate::net::{Datagram, Network, Quality};
use crate::plan::{self, is_switch};
use crate::probe::{Place, Probe, SharedProbe};
use crate::step::{CrashAt, Plane, Step, Victim};
use crate::storm;
use crate::stream::{End, Heard, Wires};
use crate::switch::{Plugs, Switch, Words, forget_last_words, make_stale};
use crate::timer::Timers;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use strowger_link::{Cause, Down, Gauge, Hangup, Reason, SECOND, Tick, Verb};
use strowger_phone::message::Message;
use strowger_port::net::{Closed, ConnId};
use strowger_shard::{Adopted, Limits};

/// Index of the first carrier among the agents; phones stand before.
pub const CARRIER: usize = plan::USERS.len();
/// Every call ends within this time after the network has healed, seconds.
const LIVENESS_S: u64 = 400;
/// After the last call so much is left for transactions, journal and store, seconds.
const LINGER_S: u64 = 140;
/// A new life raises CSeq by so much.
const RAISED: u32 = 100;
/// Steps of one run; more is a loop without progress.
const STEPS_MAX: u64 = 20_000_000;

/// What a world begins with.
#[derive(Clone, Copy, Debug)]
pub struct WorldConfig {
    /// Seed of everything.
    pub seed: u64,
    /// Network at the beginning.
    pub quality: Quality,
    /// A planted fault.
    pub plant: Option<Plant>,
    /// Agents that speak TCP, by their bits: phones, then carriers.
    pub by_tcp: u8,
    /// Shards of the dataplane.
    pub shards: u8,
    /// Numbers that leave are asked about outside, which answers early, late or never.
    pub asks_outside: bool,
}

impl WorldConfig {
    /// All agents, for [`WorldConfig::by_tcp`].
    pub const ALL: u8 = u8::MAX;

    /// A perfect network without a fault; everybody speaks UDP.
    #[must_use]
    pub const fn perfect(seed: u64) -> WorldConfig {
        let quality = Quality::PERFECT;
        WorldConfig { seed, quality, plant: None, by_tcp: 0, shards: 1, asks_outside: false }
    }

    const fn speaks_tcp(&self, agent: usize) -> bool {
        self.by_tcp >> agent & 1 == 1
    }
}

/// What is to happen.
#[derive(Clone, Debug)]
pub enum Action {
    /// An agent registers for so many seconds.
    Register(usize, u32),
    /// An agent calls.
    Call(usize, Caller),
    /// An agent signals so from now on.
    Manner(usize, Manner),
    /// An agent's next incoming call goes so.
    Expect(usize, Callee),
    /// A phone's password becomes wrong, or right again.
    Password(usize, bool),
    /// Another network.
    Network(Quality),
    /// The next datagram of the switch to an agent is lost.
    LoseNext(usize),
    /// An agent's connections break now: what is under way on them is lost.
    Break(usize),
    /// They break when so many bytes more have come to that end.
    BreakAfter(usize, End, usize),
    /// The control plane takes so many milliseconds to look at a frame.
    Slow(u64),
    /// The control plane dies after so many steps, and boots so many milliseconds from now.
    CrashControl {
        /// Steps.
        steps: u32,
        /// Milliseconds.
        back_ms: u64,
    },
    /// A crash exactly at a step.
    CrashAt(CrashAt),
    /// The dataplane's process dies after so many of its effects, mostly in the middle of a turn,
    /// and the next one begins so many milliseconds later.
    CrashSwitch {
        /// Effects: datagrams, frames, uses of the call table; 0 = at once.
        effects: u32,
        /// Milliseconds.
        back_ms: u64,
        /// The whole host loses power: both planes and what no disk has.
        power: bool,
    },
    /// An agent puts the other side of a call through, by the place of the call among those that
    /// are up.
    Refer(usize, usize, Refer),
    /// Everybody hangs up.
    GiveUp,
    /// The control plane tells the dataplane something.
    Verb(Box<Verb>),
    /// The control plane ends its first live call.
    HangUpLive,
    /// A datagram of nobody's we simulate; answers to Call-IDs that begin with
    /// [`crate::storm::MARK`] go to [`World::witnessed`].
    Raw(SocketAddr, Vec<u8>),
}

/// Where to: to a number, or together with the call that is up next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refer {
    /// A number.
    To(String),
    /// The next call of the same agent.
    WithNext,
}

/// What work costs the switch, in virtual time; without it a turn takes none.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// A datagram that the endpoint takes, nanoseconds.
    pub serve_ns: u64,
    /// One that ends before it.
    pub shed_ns: u64,
}

enum Event {
    Arrive(Datagram),
    /// Something comes to an end of a connection.
    Stream(u64, End, Heard),
    /// A connection that broke is seen to be over by an agent, or by the switch.
    AgentSees(usize, u64),
    SwitchSees(ConnId, Closed),
    Act(Action),
    BootControl,
    StartSwitch,
}

/// One switch and all around it.
pub struct World {
    /// Seed of everything.
    pub seed: u64,
    pub(crate) clock: Clock,
    queue: BTreeMap<(Tick, u64), Event>,
    serial: u64,
    dice: Dice,
    pub(crate) net: Network,
    wires: Wires,
    timers: Timers,
    pub(crate) plugs: Plugs,
    pub(crate) switch: Option<Switch>,
    shards: u8,
    epoch: u32,
    /// Control plane and database.
    pub control: Control,
    control_due: Option<Tick>,
    lag_ms: u64,
    lose_next: Option<IpAddr>,
    /// Phones, then carriers.
    pub agents: Vec<Agent>,
    plant: Option<Plant>,
    invite_branches: BTreeSet<String>,
    /// Branches of INVITEs of the switch, by the life that sent them.
    former_branches: BTreeMap<String, u32>,
    pub(crate) book: Book,
    steps: u64,
    limits: Limits,
    work: Option<Work>,
    busy_until: Tick,
    /// Most SIP datagrams that waited at once.
    pub waiting_max: usize,
    /// When what was answered to [`Action::Raw`] came.
    pub witnessed: Vec<(Tick, Vec<u8>)>,
    /// What became of the calls in the table at each start of the dataplane.
    pub adopted: Vec<Adopted>,
}

impl World {
    /// A world at tick 1 s with both planes up; `None` only if a constant of the plan were wrong.
    #[must_use]
    pub fn new(config: WorldConfig) -> Option<World> {
        World::limited(config, Limits::default())
    }

    /// The same with limits of the shard.
    #[must_use]
    pub fn limited(config: WorldConfig, limits: Limits) -> Option<World> {
        let WorldConfig { seed, quality, plant, shards, .. } = config;
        let mut dice = Dice::new(seed);
        // Of its own, so that connections do not shift what happens without them.
        let chance = |salt| Dice::new(seed.wrapping_add(0x7C0_0000)).fork(salt);
        let clock: Clock = Rc::new(Cell::new(Tick(SECOND)));
        let probe: SharedProbe = Rc::new(RefCell::new(Probe::new(dice.fork(4), plant)));
        let disk = Disk::new(dice.fork(1), Rc::clone(&probe), plant);
        let disk = Rc::new(RefCell::new(disk));
        let cable = Rc::new(RefCell::new(Cable::new(plant)));
        let plugs = Plugs {
            clock: Rc::clone(&clock),
            machine: Rc::new(RefCell::new(Machine::new(plan::LISTENERS, chance(1), plant))),
            disk: Rc::clone(&disk),
            cable: Rc::clone(&cable),
            probe: Rc::clone(&probe),
        };
        let by_tcp = [CARRIER, CARRIER + 1].map(|carrier| config.speaks_tcp(carrier));
        let rows = plan::world(by_tcp, config.asks_outside)?;
        let control = Control::new(rows, disk, cable, probe, dice.fork(2), plant);
        let mut world = World {
            seed,
            clock,
            queue: BTreeMap::new(),
            serial: 0,
            net: Network::new(dice.fork(3), quality),
            wires: Wires::new(chance(2)),
            timers: Timers::default(),
            plugs,
            switch: None,
            shards,
            epoch: 0,
            control,
            control_due: None,
            lag_ms: 0,
            lose_next: None,
            agents: agents(&mut dice, &config),
            plant,
            invite_branches: BTreeSet::new(),
            former_branches: BTreeMap::new(),
            book: Book::default(),
            steps: 0,
            limits,
            work: None,
            busy_until: Tick::default(),
            waiting_max: 0,
            witnessed: Vec::new(),
            adopted: Vec::new(),
            dice,
        };
        world.start_switch();
        let now = world.now();
        world.control.boot(now);
        world.after_control(now);
        Some(world)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.clock.get()
    }

    /// The first shard, while the dataplane runs.
    #[must_use]
    pub fn shard(&self) -> Option<&crate::switch::SimShard> {
        self.switch.as_ref().and_then(Switch::door)
    }

    /// What the shards have counted, while the dataplane runs.
    #[must_use]
    pub fn counts(&self) -> Vec<strowger_shard::Counts> {
        let shards = self.switch.iter().flat_map(|switch| &switch.shards);
        shards.map(|shard| *shard.counts()).collect()
    }

    /// Grants that the dataplane gave back so far.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.plugs.cable.borrow().abandoned.len()
    }

    /// How often a step was reached.
    #[must_use]
    pub fn count(&self, step: Step) -> u32 {
        self.plugs.probe.borrow().count(step)
    }

    /// Planned crashes that came, by their steps.
    #[must_use]
    pub fn crashed_at(&self) -> Vec<Step> {
        self.plugs.probe.borrow().crashed_at.clone()
    }

    /// From now on the switch takes one datagram a turn, and its turns take time.
    pub fn set_work(&mut self, work: Work) {
        self.work = Some(work);
        self.plugs.machine.borrow_mut().sip_burst = 1;
    }

    /// Something is to happen `ns` nanoseconds from now.
    pub fn at_ns(&mut self, ns: u64, action: Action) {
        self.push(self.now().plus_ns(ns), Event::Act(action));
    }

    /// Something is to happen `ms` from now.
    pub fn at(&mut self, ms: u64, action: Action) {
        self.push(self.now().plus_ms(ms), Event::Act(action));
    }

    /// Runs for `ms`.
    ///
    /// # Errors
    /// The first law that was broken.
    pub fn run_ms(&mut self, ms: u64) -> Result<(), Breach> {
        self.run_until(self.now().plus_ms(ms), |_| false)
    }

    /// Heals the network, brings both planes back, waits until every call has ended and everything
    /// has been given back, and checks all laws.
    ///
    /// # Errors
    /// The first law that was broken.
    pub fn quiesce(&mut self) -> Result<(), Breach> {
        self.net.set_quality(Quality::PERFECT);
        self.lag_ms = 0;
        let over = |world: &World| {
            world.queue.is_empty() && world.agents.iter().all(|agent| agent.open_calls() == 0)
        };
        self.run_until(self.now().plus_ms(LIVENESS_S * 1_000), over)?;
        let quarantined = self.adopted.iter().any(|adopted| adopted.quarantined > 0);
        if quarantined {
            // Nobody tells the phones of a call whose slot is left alone: people hang up.
            let now = self.now();
            self.agents.iter_mut().for_each(|agent| agent.give_up(now));
            self.collect_agents(now);
            self.run_until(now.plus_ms(LINGER_S * 1_000), over)?;
        }
        for agent in &self.agents {
            let open = agent.open_calls();
            if open > 0 {
                let states: Vec<_> = agent.calls.values().filter(|c| !c.is_over()).collect();
                return Err(
                    self.breach(&format!("{open} calls of {} never end: {states:?}", agent.name))
                );
            }
        }
        self.run_ms(LINGER_S * 1_000)?;
        self.check_quiet()
    }

    fn run_until(&mut self, end: Tick, done: impl Fn(&World) -> bool) -> Result<(), Breach> {
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            if done(self) {
                return Ok(());
            }
            self.clock.set(at.max(self.now()));
            self.step();
            self.bury();
            self.check_step()?;
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(self.breach("no end of steps: something fires for ever"));
            }
        }
        if !done(self) {
            self.clock.set(end.max(self.now()));
        }
        Ok(())
    }

    fn next_at(&self) -> Option<Tick> {
        let queue = self.queue.first_key_value().map(|((at, _), _)| *at);
        let switch = self.switch.as_ref().map(|switch| switch.due);
        let control = [self.control_due, self.control.poll_timeout()];
        let disk = self.plugs.disk.borrow().poll_timeout();
        let agents = self.agents.iter().filter_map(Agent::poll_timeout).min();
        let all = [queue, switch, disk, agents].into_iter().chain(control);
        all.flatten().min()
    }

    /// The one thing that is due next; ties go in this order.
    fn step(&mut self) {
        let now = self.now();
        let due = |at: Option<Tick>| at.is_some_and(|at| at <= now);
        let disk = self.plugs.disk.borrow().poll_timeout();
        if due(self.queue.first_key_value().map(|((at, _), _)| *at)) {
            if let Some((_, event)) = self.queue.pop_first() {
                self.happen(event, now);
            }
        } else if due(disk) {
            self.plugs.disk.borrow_mut().handle_timeout(now);
            self.wake_switch(now);
            self.wake_control(now);
        } else if due(self.switch.as_ref().map(|switch| switch.due)) {
            self.turn_switch(now);
        } else if due(self.control_due) || due(self.control.poll_timeout()) {
            self.control_due = None;
            self.control.turn(now);
            self.after_control(now);
        } else {
            for agent in &mut self.agents {
                if agent.poll_timeout().is_some_and(|at| at <= now) {
                    agent.handle_timeout(now);
                }
            }
            self.collect_agents(now);
        }
    }

    fn happen(&mut self, event: Event, now: Tick) {
        match event {
            Event::Arrive(datagram) => self.arrive(datagram, now),
            Event::Stream(wire, to, heard) => self.stream(wire, to, heard, now),
            Event::AgentSees(who, wire) => {
                self.agent(who, |agent| agent.line_down(wire, now));
                self.collect_agents(now);
            }
            Event::SwitchSees(conn, how) => {
                self.plugs.machine.borrow_mut().sockets.closed(conn, how);
                self.wake_switch(now);
            }
            Event::Act(action) => self.act(action, now),
            Event::BootControl => {
                self.control.crash();
                self.plugs.probe.borrow_mut().control_lives();
                self.control.boot(now);
                self.after_control(now);
            }
            Event::StartSwitch => self.start_switch(),
        }
    }

    fn act(&mut self, action: Action, now: Tick) {
        match action {
            Action::Register(who, expires_s) => {
                self.agent(who, |agent| agent.register(expires_s, now));
            }
            Action::Call(who, plan) => self.agent(who, |agent| {
                agent.call(&plan, now);
            }),
            Action::Manner(who, manner) => self.agent(who, |agent| agent.manner = manner),
            Action::Expect(who, plan) => self.agent(who, |agent| agent.expect(plan)),
            Action::Password(who, right) => {
                let user = plan::USERS.get(who).copied().unwrap_or_default();
                let password = if right { plan::password(user) } else { "wrong".to_owned() };
                self.agent(who, |agent| agent.set_password(&password));
            }
            Action::Network(quality) => self.net.set_quality(quality),
            Action::LoseNext(who) => {
                self.lose_next = self.agents.get(who).map(|agent| agent.addr.ip());
            }
            Action::Break(who) => {
                self.wires.of_agent(who).into_iter().for_each(|wire| self.cut(wire, now));
            }
            Action::BreakAfter(who, to, bytes) => self.wires.break_after(who, to, bytes),
            Action::Slow(ms) => self.lag_ms = ms,
            Action::CrashControl { steps, back_ms } => {
                self.control.crash_in = Some(steps);
                self.push(now.plus_ms(back_ms), Event::BootControl);
            }
            Action::CrashAt(crash) => self.plugs.probe.borrow_mut().plan(crash),
            Action::CrashSwitch { effects, back_ms, power } => {
                self.plugs.probe.borrow_mut().plan_switch(effects, back_ms, power);
            }
            Action::Refer(who, nth, refer) => self.refer(who, nth, &refer, now),
            Action::GiveUp => self.agents.iter_mut().for_each(|agent| agent.give_up(now)),
            Action::Verb(verb) => {
                self.control.send(&Down::Verb(verb));
                self.wake_switch(now);
            }
            Action::Raw(from, data) => {
                let to = plan::switch_for(from);
                self.transmit(Datagram { sent_at: now, from, to, data }, now);
            }
            Action::HangUpLive => {
                let cause = Cause::new(480, 31);
                let args = Hangup { leg: None, cause, reason: Reason::Operator };
                self.control.with_office(now, |office| {
                    let first = office.live().keys().next().copied();
                    first.map(|ask| office.hang_up(ask, &args));
                });
                self.after_control(now);
            }
        }
        self.collect_agents(now);
    }

    fn refer(&mut self, who: usize, nth: usize, refer: &Refer, now: Tick) {
        self.agents.iter_mut().for_each(Agent::expect_transfers);
        self.agent(who, |agent| {
            let up: Vec<u32> = agent.up().collect();
            let Some(key) = up.get(nth % up.len().max(1)).copied() else { return };
            let put = match refer {
                Refer::To(number) => Put::To(number.clone()),
                Refer::WithNext => match up.get((nth + 1) % up.len()) {
                    Some(other) if *other != key => Put::With(*other),
                    Some(_) | None => return,
                },
            };
            agent.refer(key, &put, now);
        });
    }

    fn agent(&mut self, who: usize, act: impl FnOnce(&mut Agent)) {
        if let Some(agent) = self.agents.get_mut(who) {
            act(agent);
        }
    }

    fn arrive(&mut self, datagram: Datagram, now: Tick) {
        if is_switch(datagram.to.ip()) {
            if self.switch.is_some() || self.keeps_sockets() {
                let mut machine = self.plugs.machine.borrow_mut();
                machine.receive(datagram, now);
                self.waiting_max = self.waiting_max.max(machine.sip_in.len());
                drop(machine);
                self.wake_switch(now);
            }
            return;
        }
        let to = datagram.to.ip();
        if storm::is_marked(&datagram.data) {
            return self.witnessed.push((now, datagram.data));
        }
        if let Some(agent) = self.agents.iter_mut().find(|agent| agent.addr.ip() == to) {
            agent.handle(&datagram, now);
        }
        self.collect_agents(now);
    }

    fn turn_switch(&mut self, now: Tick) {
        if let Some(switch) = &mut self.switch {
            let counts = |switch: &Switch| switch.door().map(|door| *door.counts());
            let before = counts(switch).unwrap_or_default();
            switch.turn(&self.plugs, now);
            if let Some(Work { serve_ns, shed_ns }) = self.work {
                let after = &counts(switch).unwrap_or_default();
                let taken = after.sip_received - before.sip_received;
                let shed = storm::shed(after) - storm::shed(&before);
                let took_ns = (taken - shed) * serve_ns + shed * shed_ns;
                self.busy_until = now.plus_ns(took_ns);
                let waits = !self.plugs.machine.borrow().sip_in.is_empty();
                switch.due = if waits { self.busy_until } else { switch.due.max(self.busy_until) };
            }
            if self.plugs.machine.borrow().sockets.has_news() {
                switch.due = now.max(self.busy_until);
            }
            let mut probe = self.plugs.probe.borrow_mut();
            probe.look(Place::TurnEnd);
            let leaks = self.plant == Some(Plant::StaleGauge) && !probe.freed.is_empty();
            if leaks && self.dice.percent(30) {
                let gauge = Gauge { id: 1, in_use_max: 0, per_second_max: 0 };
                let door = switch.shards.first_mut();
                let _taken = door.map(|door| door.gauges_mut().take(&gauge, now));
            }
        }
        self.send_out(now);
        if self.plugs.cable.borrow().has_up() && self.control.is_up() {
            self.wake_control(now);
        }
    }

    /// What the switch has sent goes on its way.
    fn send_out(&mut self, now: Tick) {
        let out = std::mem::take(&mut self.plugs.machine.borrow_mut().out);
        for datagram in out {
            for datagram in self.tamper(datagram) {
                self.timers.see(datagram.to, &datagram.data, now, &mut self.book.breaches);
                self.transmit(datagram, now);
            }
        }
        self.send_out_streams(now);
    }

    /// The control plane looks at its rings after the lag of the moment.
    fn wake_control(&mut self, now: Tick) {
        let at = now.plus_ms(self.lag_ms);
        self.control_due = Some(self.control_due.map_or(at, |due| due.min(at)));
    }

    fn after_control(&mut self, now: Tick) {
        if self.plugs.cable.borrow().has_down() {
            self.wake_switch(now);
        }
    }

    fn wake_switch(&mut self, now: Tick) {
        if let Some(switch) = &mut self.switch {
            switch.due = now.max(self.busy_until);
        }
    }

    /// A supervisor keeps the SIP sockets while the dataplane is away, and datagrams wait in them.
    fn keeps_sockets(&self) -> bool {
        self.seed % 2 == 1
    }

    fn start_switch(&mut self) {
        if self.switch.is_some() {
            return;
        }
        let now = self.now();
        self.epoch += 1;
        self.book.began = now;
        self.plugs.disk.borrow_mut().reopen(self.epoch, now);
        self.plugs.probe.borrow_mut().switch_begins();
        let former = self.control.table.take().map(|(words, _)| words);
        let Self { plugs, epoch, shards, seed, limits, .. } = self;
        let started = Switch::start(plugs, (*epoch, *shards), *seed, limits, former.as_deref());
        if let Some((switch, adopted)) = started {
            let tables = switch.words.iter().map(Words::unwatched).collect();
            self.control.table = Some((tables, switch.epoch));
            self.adopted.push(adopted);
            self.switch = Some(switch);
            self.plugs.probe.borrow_mut().look(Place::TurnEnd);
            self.uncount_adopted();
            self.judge_start(former.is_some());
        }
        self.send_out(now);
        self.plugs.cable.borrow_mut().listens = true;
        self.control_due = Some(now);
    }

    /// The planted fault that does not count calls that are taken up.
    fn uncount_adopted(&mut self) {
        if self.plant != Some(Plant::AdoptedUncounted) {
            return;
        }
        let Some(switch) = &mut self.switch else { return };
        let Some(door) = switch.shards.first_mut() else { return };
        let gauges = door.gauges_mut();
        for id in 0..1_000 {
            (0..gauges.in_use(id)).for_each(|_| gauges.give(id));
        }
    }

    /// Carries out what has crashed within the last step.
    fn bury(&mut self) {
        while let Some(crash) = self.take_happened() {
            self.carry_out(crash);
        }
    }

    fn take_happened(&mut self) -> Option<CrashAt> {
        self.plugs.probe.borrow_mut().take_happened()
    }

    fn carry_out(&mut self, crash: CrashAt) {
        let now = self.now();
        if crash.victim.hits(Plane::Data) {
            self.crash_switch(now, crash.switch_back_ms, crash.victim == Victim::Host);
        }
        if crash.victim.hits(Plane::Control) {
            self.control.crash();
            self.push(now.plus_ms(crash.control_back_ms), Event::BootControl);
        }
    }

    fn crash_switch(&mut self, now: Tick, back_ms: u64, power: bool) {
        self.book.power_cuts += u32::from(power);
        let turned = self.switch.take().is_some_and(|switch| switch.has_turned());
        let keeps = self.keeps_sockets();
        let grave = self.plugs.probe.borrow_mut().bury_switch();
        if let Some(tables) = grave {
            self.note_graves(&tables, turned);
            for words in &tables {
                if self.plant == Some(Plant::AdoptedImageStale) {
                    make_stale(words, &self.plugs.probe.borrow().first_images);
                }
                if self.plant == Some(Plant::LastWordsForgotten) {
                    forget_last_words(words);
                }
            }
            self.control.table = Some((tables, self.epoch));
        }
        if power {
            self.control.table = None;
        }
        self.agents.iter_mut().for_each(|agent| agent.switch_died(now));
        self.plugs.cable.borrow_mut().cut();
        self.plugs.cable.borrow_mut().listens = false;
        {
            let mut machine = self.plugs.machine.borrow_mut();
            if power || !keeps {
                machine.sip_in.clear();
            }
            machine.media_in.clear();
            machine.mesh.iter_mut().for_each(std::collections::VecDeque::clear);
            machine.open.clear();
            machine.sockets.clear();
        }
        self.cut_all(now, power);
        if power {
            // Nobody knows of the calls any more: what was under way either way is nobody's, and
            // phones begin anew.
            self.queue.retain(|_, event| match event {
                Event::Arrive(_)
                | Event::Stream(..)
                | Event::AgentSees(..)
                | Event::SwitchSees(..) => false,
                Event::Act(_) | Event::BootControl | Event::StartSwitch => true,
            });
            for agent in &mut self.agents {
                agent.reset(now);
            }
            self.plugs.disk.borrow_mut().cut_power();
        } else {
            self.plugs.disk.borrow_mut().crash();
        }
        self.timers.clear();
        self.note_crash();
        self.push(now.plus_ms(back_ms), Event::StartSwitch);
    }

    fn collect_agents(&mut self, now: Tick) {
        for index in 0..self.agents.len() {
            while let Some(out) = self.agents.get_mut(index).and_then(Agent::poll_output) {
                match out {
                    Out::Datagram(datagram) => self.transmit(datagram, now),
                    Out::Connect => self.connect(index, now),
                    Out::Bytes(wire, bytes) => self.carry(wire, End::Switch, &bytes, now),
                }
            }
        }
    }

    fn transmit(&mut self, datagram: Datagram, now: Tick) {
        let to = datagram.to.ip();
        if is_switch(datagram.from.ip()) && self.lose_next.take_if(|lost| *lost == to).is_some() {
            return;
        }
        for at in self.net.send(datagram.from.ip(), datagram.to.ip(), now) {
            self.push(at, Event::Arrive(datagram.clone()));
        }
    }

    fn push(&mut self, at: Tick, event: Event) {
        self.serial += 1;
        self.queue.insert((at, self.serial), event);
    }

    /// Faults planted on the way of what the switch sends.
    fn tamper(&mut self, datagram: Datagram) -> Vec<Datagram> {
        let Some(plant) = self.plant else { return vec![datagram] };
        let Ok(message) = Message::parse(&datagram.data) else { return vec![datagram] };
        let branch = message.branch().unwrap_or_default().to_owned();
        let request = message.code().is_none();
        match (plant, message.method()) {
            (Plant::ForgottenCancel, "CANCEL") if request => return Vec::new(),
            (Plant::EagerTimer, "INVITE") if request => return vec![datagram.clone(), datagram],
            (Plant::AdoptedCseqAgain, "BYE") if request => {
                return vec![Datagram { data: used_again(&message), ..datagram }];
            }
            (Plant::LostAckOfFailure | Plant::LostAckOfSuccess, "INVITE") if request => {
                self.invite_branches.insert(branch);
            }
            (Plant::FormerFailureUnheard, "INVITE") if request => {
                self.former_branches.insert(branch, self.epoch);
            }
            (Plant::FormerFailureUnheard, "ACK")
                if self.former_branches.get(&branch).is_some_and(|epoch| *epoch < self.epoch) =>
            {
                return Vec::new();
            }
            (Plant::FormerForkForgotten, "BYE") if request && is_of_fork(&message) => {
                let raised = message.cseq().is_some_and(|(number, _)| number > RAISED);
                if raised {
                    return Vec::new();
                }
            }
            (Plant::LostAckOfFailure, "ACK") if self.invite_branches.contains(&branch) => {
                return Vec::new();
            }
            (Plant::LostAckOfSuccess, "ACK") if !self.invite_branches.contains(&branch) => {
                return Vec::new();
            }
            (Plant::DoubleBye, "BYE") if request => {
                let again = Datagram { data: renewed(&message, &branch), ..datagram.clone() };
                return vec![datagram, again];
            }
            (Plant::DoubleFinal, "INVITE") => {
                if let Some(code @ (400..=480 | 482..=699)) = message.code().filter(|c| *c != 401) {
                    let other = if code == 480 { 486 } else { 480 };
                    let text = String::from_utf8_lossy(&datagram.data);
                    let data = text.replacen(&code.to_string(), &other.to_string(), 1).into_bytes();
                    return vec![datagram.clone(), Datagram { data, ..datagram }];
                }
            }
            _ => {}
        }
        vec![datagram]
    }

    /// Chance of the world itself, for scripts.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }
}

/// Whether it is meant for another phone than the one that answered first.
fn is_of_fork(message: &Message) -> bool {
    message.tag("To").is_some_and(|tag| tag.starts_with('f'))
}

/// The request with the last number that its dialog had used before a new life raised it.
fn used_again(message: &Message) -> Vec<u8> {
    let mut again = message.clone();
    let number = message.cseq().map_or(0, |(number, _)| number);
    let used = if number > RAISED { number - RAISED - 1 } else { number };
    again.set("CSeq", &format!("{used} {}", message.method()));
    again.to_bytes()
}

/// The same request as a new one: another branch, the next number.
fn renewed(message: &Message, branch: &str) -> Vec<u8> {
    let mut again = message.clone();
    let via = message.via().unwrap_or_default().replace(branch, &format!("{branch}again"));
    again.set("Via", &via);
    let number = message.cseq().map_or(0, |(number, _)| number) + 1;
    again.set("CSeq", &format!("{number} {}", message.method()));
    again.to_bytes()
}

fn agents(dice: &mut Dice, config: &WorldConfig) -> Vec<Agent> {
    let mut all = Vec::new();
    for (index, user) in plan::USERS.iter().enumerate() {
        let login = Login { user: (*user).into(), password: plan::password(user) };
        let dice = dice.fork(10 + index as u64);
        let addr = plan::phone_address(index);
        all.push(Agent::new(user, 1 + index as u16, addr, Some(login), dice));
    }
    for index in 0..plan::CARRIER_ACCOUNTS.len() {
        let dice = dice.fork(20 + index as u64);
        let name = format!("carrier{index}");
        let addr = plan::carrier_address(index);
        all.push(Agent::new(&name, 11 + index as u16, addr, None, dice));
    }
    for (index, agent) in all.iter_mut().enumerate().filter(|(at, _)| config.speaks_tcp(*at)) {
        agent.speak_tcp();
        debug_assert!(index < 8, "one bit each");
    }
    all
}
