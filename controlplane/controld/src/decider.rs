//! The decider's thread: owns the [`Office`] and the link to the dataplane.
//!
//! A plain pinned thread that sleeps on the rings' bells and its own inbox. Everything that other
//! threads want of the office comes as an [`Order`]; nothing here waits for a database.

use crate::edge::EdgeSource;
use crossbeam::channel::{Receiver, Sender, TryRecvError};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use strowger_link::journal::Position;
use strowger_link::table::Reader as TableReader;
use strowger_link::{Counters, Down, FRAME_VERSION, Hello, Listeners, Tick, Up, UpstreamState};
use strowger_model::Cdr;
use strowger_office::{Office, Output};
use strowger_port::clock;
use strowger_port::eventfd::{EventFd, wait_any};
use strowger_port::net::LinkError;
use strowger_port::uplink::{ConnectError, DownEnd, Downlink, LaneEnd, ShardEnd};
use strowger_routing::World;
use tracing::{error, info, warn};

/// Orders that may wait; whoever gives one waits for room.
pub(crate) const ORDERS_MAX: usize = 4_096;
/// Frames taken from one lane before the others are looked at.
const FRAMES_MAX: usize = 256;
/// Longest sleep, milliseconds.
const SLEEP_MS_MAX: u32 = 50;
/// How often counts and latency are published: they cost more than a decision.
const PUBLISH_MS: u64 = 100;
/// Pause between attempts to reach the dataplane, milliseconds.
const CONNECT_MS: u64 = 50;
/// How long the greeting waits for the intake to read the journal, milliseconds: one that cannot be
/// read must not keep calls out.
const UNREAD_MS_MAX: u64 = 2_000;
/// Highest latency the histogram tells apart, microseconds.
const LATENCY_US_MAX: u64 = 10_000_000;

/// What other threads want of the office.
pub(crate) enum Order {
    /// Records of the journal: charge them now.
    Settle(Arc<[Cdr]>),
    /// The same records are in the database.
    Committed(u64, Arc<[Cdr]>),
    /// Another world is in force.
    World(Arc<World>),
    /// Ask it something; the closure sends its answer itself.
    Query(Box<dyn FnOnce(&mut Office) + Send>),
    /// End.
    End,
}

/// Where orders are given; each rings the decider.
#[derive(Clone)]
pub(crate) struct Orders {
    sender: Sender<Order>,
    bell: Arc<EventFd>,
}

impl Orders {
    /// Gives an order; `false` when the decider is gone.
    pub(crate) fn give(&self, order: Order) -> bool {
        let given = self.sender.send(order).is_ok();
        self.bell.ring();
        given
    }
}

/// What the decider tells the other threads.
pub(crate) struct Shared {
    /// The dataplane is linked and has been greeted.
    pub(crate) linked: AtomicBool,
    /// How far the journal is durable, as a word; 0 = the dataplane is not there.
    pub(crate) durable: AtomicU64,
    /// How far the intake has read the journal, as a word: all orders about records before it are
    /// given.
    pub(crate) read: AtomicU64,
    /// How far the journal is in the database, as a word; 0 = not known.
    pub(crate) stored: AtomicU64,
    /// The last counters of the shard.
    pub(crate) counters: std::sync::Mutex<Option<Counters>>,
    /// The last counters of its listeners.
    pub(crate) listeners: std::sync::Mutex<Option<Listeners>>,
    /// Counts of the office.
    pub(crate) counts: std::sync::Mutex<strowger_office::Counts>,
    /// Why the newest change of the configuration is not in force; `None` when it is.
    pub(crate) behind: std::sync::Mutex<Option<strowger_api::Behind>>,
    /// How registrations at carriers stand, by login.
    pub(crate) upstreams: std::sync::Mutex<BTreeMap<i64, UpstreamState>>,
    /// How host names stand.
    pub(crate) names: crate::resolver::Standings,
    /// Latency from ask to answer, microseconds: median, 99th percentile, highest.
    pub(crate) latency_us: [AtomicU64; 3],
    /// Why attempts were decided as they were, on its way to the database.
    pub(crate) traces: Arc<crate::trace::Traces>,
    /// Rung when the journal has grown.
    pub(crate) journal: EventFd,
}

/// What the decider needs beside the office.
pub(crate) struct Decider {
    /// The office.
    pub(crate) office: Office,
    /// The edge snapshot's maker.
    pub(crate) edge: EdgeSource,
    /// Where the dataplane listens.
    pub(crate) socket: PathBuf,
    /// Orders.
    pub(crate) inbox: Receiver<Order>,
    /// Their bell.
    pub(crate) bell: Arc<EventFd>,
    /// Origin of record ids for a life of the dataplane: asked of the store by another thread.
    pub(crate) origins: Origins,
    /// Registrations to write behind.
    pub(crate) bindings: tokio::sync::mpsc::Sender<strowger_routing::Output>,
    /// Registrations that found no room there yet: the last word on each contact, so at most as
    /// many as the registrar holds.
    pub(crate) unwritten: Unwritten,
    /// For the others.
    pub(crate) shared: Arc<Shared>,
    /// Boot and epoch of the dataplane's life that was greeted last.
    pub(crate) last_life: Option<(u128, u32)>,
    /// The dataplane began a new life when its journal was durable up to here, and records of the
    /// life before may not have been read yet.
    pub(crate) unread: Option<u64>,
}

/// Gives the origin of a dataplane life's record ids, by its call table's header and epoch.
pub(crate) type Origins = Box<dyn Fn(&strowger_link::table::Setup, u32) -> Option<u32> + Send>;

/// Registrations to write, by whose they are and contact.
pub(crate) type Unwritten = BTreeMap<(strowger_routing::Holder, String), strowger_routing::Output>;

/// Registrations on their way to the writer.
pub(crate) const BINDINGS_MAX: usize = 1_024;

fn binding_key(change: &strowger_routing::Output) -> (strowger_routing::Holder, String) {
    let (who, uri) = change.key();
    (who, uri.to_owned())
}

/// A way to give orders.
pub(crate) fn orders(bell: &Arc<EventFd>) -> (Orders, Receiver<Order>) {
    let (sender, receiver) = crossbeam::channel::bounded(ORDERS_MAX);
    (Orders { sender, bell: Arc::clone(bell) }, receiver)
}

struct Session {
    link: Downlink,
    down: DownEnd,
    lanes: [LaneEnd; 3],
    table: Option<TableReader<strowger_port::shm::Mapping>>,
    greeted: bool,
    since: Tick,
    /// How far the journal was durable when it was first looked at.
    mark: Option<u64>,
    /// What was told of how far the journal is in the database; `None` = nothing yet.
    stored: Option<u64>,
}

impl Decider {
    /// Runs until ordered to end.
    pub(crate) fn run(mut self) {
        let mut session: Option<Session> = None;
        let (mut next_try, mut next_word) = (Tick::default(), Tick::default());
        let mut frame = Vec::with_capacity(4_096);
        // The bounds are constants that fit.
        let mut latency = Histogram::<u64>::new_with_max(LATENCY_US_MAX, 2).ok();
        loop {
            let now = clock::monotonic();
            if session.as_ref().is_some_and(|s| s.link.has_ended()) {
                warn!("the dataplane is gone");
                session = None;
                self.office.dataplane_lost();
                self.unlink();
            }
            if session.is_none() && now >= next_try {
                next_try = now.plus_ms(CONNECT_MS);
                session = self.connect();
            }
            // Loaded before the orders are taken: whatever was read by then has been ordered.
            let read = self.shared.read.load(Ordering::Acquire);
            if !self.take_orders(now) {
                return;
            }
            if self.unread.is_some_and(|unread| unread <= read) {
                self.unread = None;
                self.office.journal_read(now);
            }
            let mut busy = false;
            if let Some(session) = &mut session {
                self.greet(session, read);
                for lane in 0..session.lanes.len() {
                    busy |= self.take_frames(session, lane, &mut frame, latency.as_mut());
                }
                self.publish_durable(session);
                self.tell_stored(session);
            }
            if self.office.poll_timeout().is_some_and(|at| at <= now) {
                self.office.handle_timeout(now);
            }
            self.carry_out(session.as_mut());
            self.write_behind();
            if now >= next_word {
                next_word = now.plus_ms(PUBLISH_MS);
                self.publish_latency(latency.as_ref());
            }
            if !busy {
                self.sleep(session.as_mut(), now);
            }
        }
    }

    fn connect(&mut self) -> Option<Session> {
        match Downlink::connect(&self.socket, FRAME_VERSION.into()) {
            Ok(mut link) => {
                let ShardEnd { down, calls, registrations, bulk, .. } = link.shards.pop()?;
                let table = link.tables.pop().and_then(|(_, map)| TableReader::attach(map).ok());
                info!(epoch = link.epoch(), "linked to the dataplane");
                let lanes = [calls, registrations, bulk];
                let since = clock::monotonic();
                let (greeted, mark, stored) = (false, None, None);
                Some(Session { link, down, lanes, table, greeted, since, mark, stored })
            }
            Err(ConnectError::Io(_)) => None,
            Err(e @ (ConnectError::Protocol | ConnectError::Refused { .. })) => {
                warn!("{e}");
                None
            }
        }
    }

    fn unlink(&self) {
        self.shared.linked.store(false, Ordering::Release);
        self.shared.durable.store(0, Ordering::Release);
    }

    /// Greets a new session: origin of record ids, then the edge snapshot.
    fn greet(&mut self, session: &mut Session, read: u64) {
        if session.greeted {
            return;
        }
        let Some(table) = &session.table else { return };
        // Records that the former life, or a power cut, left in the journal are charged before
        // anybody is granted anything.
        let mark = *session.mark.get_or_insert(word(table.durable()));
        if read < mark && clock::monotonic() < session.since.plus_ms(UNREAD_MS_MAX) {
            self.shared.journal.ring();
            return;
        }
        let Some(origin) = (self.origins)(table.setup(), table.epoch()) else { return };
        let hello = Down::Hello(Hello { origin, node: session.link.node() });
        let Some(edge) = self.edge.make(self.office.world()) else { return };
        let edge = Down::Edge(Box::new(edge));
        let sent = session.down.send(&hello.to_bytes());
        if sent.and_then(|()| session.down.send(&edge.to_bytes())).is_ok() {
            let life = (table.setup().boot_id, table.epoch());
            session.greeted = true;
            self.office.greeted();
            if self.last_life.replace(life).is_some_and(|last| last != life) {
                let shard = table.setup().seg;
                // The table first: a call that is not in it has its record before the mark.
                let (calls, _unreadable) = crate::boot::calls_of(table);
                self.office.dataplane_restarted(shard, &calls, clock::monotonic());
                self.unread = Some(word(table.durable()));
            }
            self.shared.linked.store(true, Ordering::Release);
        }
    }

    fn take_orders(&mut self, now: Tick) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Settle(records)) => self.office.settle(&records, now),
                Ok(Order::Committed(batch, records)) => {
                    self.office.committed(batch, &records, now);
                }
                Ok(Order::World(world)) => {
                    self.office.set_world(world, now);
                    self.edge.changed();
                }
                Ok(Order::Query(query)) => query(&mut self.office),
                Ok(Order::End) | Err(TryRecvError::Disconnected) => {
                    self.write_all_behind();
                    return false;
                }
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    /// Takes what waits in one lane; `true` when there may be more.
    fn take_frames(
        &mut self,
        session: &mut Session,
        lane: usize,
        frame: &mut Vec<u8>,
        mut latency: Option<&mut Histogram<u64>>,
    ) -> bool {
        for _ in 0..FRAMES_MAX {
            let Some(end) = session.lanes.get_mut(lane) else { return false };
            match end.recv(frame) {
                Ok(true) => {}
                Ok(false) | Err(LinkError::Down | LinkError::Full | LinkError::TooLong) => {
                    return false;
                }
            }
            let Ok(up) = Up::from_bytes(frame) else {
                error!("a frame of the dataplane cannot be read");
                continue;
            };
            let began = clock::monotonic();
            let is_ask = matches!(up, Up::Ask(_));
            self.office.handle_up(up, began, clock::wall_us());
            self.carry_out(Some(session));
            if let Some(latency) = latency.as_deref_mut().filter(|_| is_ask) {
                let spent_us = clock::monotonic().ns_since(began) / 1_000;
                latency.saturating_record(spent_us);
            }
        }
        true
    }

    fn carry_out(&mut self, mut session: Option<&mut Session>) {
        if let Some(session) = session.as_deref_mut().filter(|s| s.greeted)
            && let Some(edge) = self.edge.due(self.office.world())
            && session.down.send(&Down::Edge(Box::new(edge)).to_bytes()).is_err()
        {
            self.edge.changed();
        }
        if let Some(session) = session.as_deref_mut().filter(|s| s.greeted) {
            self.tell_upstreams(session);
        }
        while let Some(output) = self.office.poll_output() {
            match output {
                Output::Down(down) => {
                    let Some(session) = session.as_deref_mut() else { continue };
                    // A full ring means a dataplane that does not run: its asks have deadlines, and
                    // an answer that is lost is asked for again.
                    if session.down.send(&down.to_bytes()).is_err() {
                        warn!("an answer found the ring full");
                    }
                }
                Output::Binding(binding) => {
                    self.unwritten.insert(binding_key(&binding), binding);
                }
                Output::Doorbell(_) => self.shared.journal.ring(),
                Output::Counters(counters) => {
                    if let Ok(mut last) = self.shared.counters.lock() {
                        *last = Some(counters);
                    }
                }
                Output::Listeners(listeners) => {
                    if let Ok(mut last) = self.shared.listeners.lock() {
                        *last = Some(listeners);
                    }
                }
                Output::Alarm(alarm) => error!(?alarm, "the till raises an alarm"),
                Output::Verb(result) => info!(id = result.id.0, outcome = ?result.outcome, "verb"),
                Output::Trace(trace) => self.shared.traces.put(trace),
                // Counted by source, for who asks; a line for each would be the flood's own.
                Output::Turned(_) => {}
            }
        }
    }

    /// Orders about registrations at carriers; what finds no room is told later.
    fn tell_upstreams(&mut self, session: &mut Session) {
        while let Some(order) = self.office.next_upstream() {
            let frame = Down::Upstream(Box::new(order.clone())).to_bytes();
            if session.down.send(&frame).is_err() {
                return self.office.upstream_unsent(&order);
            }
        }
    }

    /// At the end: the writer takes them while this thread waits.
    fn write_all_behind(&mut self) {
        for change in core::mem::take(&mut self.unwritten).into_values() {
            // The writer is gone only when the process ends badly.
            let _gone = self.bindings.blocking_send(change);
        }
    }

    /// Hands registrations to the writer, as many as it takes.
    fn write_behind(&mut self) {
        while let Some(entry) = self.unwritten.first_entry() {
            let Ok(room) = self.bindings.try_reserve() else { return };
            room.send(entry.remove());
        }
    }

    fn publish_durable(&self, session: &Session) {
        if let Some(table) = &session.table {
            self.shared.durable.store(word(table.durable()), Ordering::Release);
        }
    }

    /// Tells the dataplane which segments are needed for a restore only. A word that finds no room
    /// is told with the next one.
    fn tell_stored(&self, session: &mut Session) {
        let stored = self.shared.stored.load(Ordering::Acquire);
        if session.greeted
            && session.stored != Some(stored)
            && session.down.send(&Down::Stored(stored).to_bytes()).is_ok()
        {
            session.stored = Some(stored);
        }
    }

    fn publish_latency(&self, latency: Option<&Histogram<u64>>) {
        if let Ok(mut counts) = self.shared.counts.lock() {
            *counts = *self.office.counts();
        }
        if let Ok(mut states) = self.shared.upstreams.lock()
            && *states != *self.office.upstream_states()
        {
            states.clone_from(self.office.upstream_states());
        }
        let Some(latency) = latency else { return };
        let values =
            [latency.value_at_quantile(0.5), latency.value_at_quantile(0.99), latency.max()];
        for (to, value) in self.shared.latency_us.iter().zip(values) {
            to.store(value, Ordering::Relaxed);
        }
    }

    fn sleep(&self, session: Option<&mut Session>, now: Tick) {
        let due = self.office.poll_timeout().unwrap_or(Tick::NEVER).ms_since(now);
        let sleep_ms = u32::try_from(due).unwrap_or(u32::MAX).clamp(1, SLEEP_MS_MAX);
        let Some(session) = session else {
            let _woken = self.bell.wait(Some(sleep_ms));
            return;
        };
        let mut quiet = true;
        for lane in &mut session.lanes {
            quiet &= lane.prepare_sleep();
        }
        if quiet {
            let [a, b, c] = &session.lanes;
            let _woken = wait_any(&[&self.bell, a.bell(), b.bell(), c.bell()], sleep_ms);
        }
        for lane in &mut session.lanes {
            lane.finish_sleep();
        }
    }
}

/// A position as one word, never 0 while the dataplane is there.
pub(crate) fn word(position: Position) -> u64 {
    u64::from(position.segment) << 32 | u64::from(position.offset)
}

/// The position of a word.
pub(crate) fn position(word: u64) -> Option<Position> {
    let segment = u32::try_from(word >> 32).ok()?;
    (word != 0).then_some(Position { segment, offset: word as u32 })
}
