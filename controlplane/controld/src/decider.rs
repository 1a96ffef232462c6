//! The decider's thread: owns the [`Office`] and the link to the dataplane.
//!
//! A plain pinned thread that sleeps on the rings' bells and its own inbox. Everything that other
//! threads want of the office comes as an [`Order`]; nothing here waits for a database.

use crate::edge::EdgeSource;
use crate::fact::Desk;
use crossbeam::channel::{Receiver, Sender, TryRecvError};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use strowger_link::journal::Position;
use strowger_link::table::Reader as TableReader;
use strowger_link::{Counters, Down, FRAME_VERSION, Hello, Listeners, Tick, Up, UpstreamState};
use strowger_model::Cdr;
use strowger_office::{Crowd, Office, Output, Ticket};
use strowger_port::clock;
use strowger_port::eventfd::EventFd;
use strowger_port::net::LinkError;
use strowger_port::uplink::{ConnectError, DownEnd, Downlink, LaneEnd, ShardEnd};
use strowger_port::watch::Bells;
use strowger_routing::{Finding, Lack, World};
use tracing::{error, info, warn};

/// How often room is looked for while an edge snapshot is on its way, milliseconds.
const EDGE_MS: u32 = 2;
/// Orders that may wait; whoever gives one waits for room.
pub(crate) const ORDERS_MAX: usize = 4_096;
/// Lanes of a shard.
const LANES: usize = 3;
/// Frames taken from one lane before the others are looked at.
const FRAMES_MAX: usize = 256;
/// Frames taken before shards that sleep are rung for what was answered: some hundred microseconds.
const UNRUNG_MAX: usize = 16;
/// What a decider sleeps for beside the time, by its number among the bells.
const ORDERED: u8 = 0;
const FRAMES: u8 = 1;
const ENDED: u8 = 2;
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
    /// What the outside said, or did not.
    Found(Ticket, Finding),
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

    /// Gives an order if there is room for it; never waits.
    pub(crate) fn offer(&self, order: Order) -> bool {
        let given = self.sender.try_send(order).is_ok();
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
    /// The last counters of each shard.
    pub(crate) counters: std::sync::Mutex<BTreeMap<u8, Counters>>,
    /// The last counters of the listeners of each shard.
    pub(crate) listeners: std::sync::Mutex<BTreeMap<u8, Listeners>>,
    /// Trunks by which everybody may call out.
    pub(crate) open_trunks: AtomicU64,
    /// Counts of the office.
    pub(crate) counts: std::sync::Mutex<strowger_office::Counts>,
    /// Why the newest change of the configuration is not in force; `None` when it is.
    pub(crate) behind: std::sync::Mutex<Option<strowger_api::Behind>>,
    /// How registrations at carriers stand, by login.
    pub(crate) upstreams: std::sync::Mutex<BTreeMap<i64, UpstreamState>>,
    /// How host names stand.
    pub(crate) names: crate::resolver::Standings,
    /// How certificates of listeners stand.
    pub(crate) certificates: crate::certificate::Standings,
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
    /// Bans to write.
    pub(crate) bans: tokio::sync::mpsc::Sender<strowger_office::NewBan>,
    /// Callers that are to be blocked.
    pub(crate) blocks: tokio::sync::mpsc::Sender<strowger_office::NewBlock>,
    /// Who finds out what only the outside knows.
    pub(crate) facts: Desk,
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

/// One shard of the dataplane.
struct Seat {
    down: DownEnd,
    lanes: [LaneEnd; LANES],
    /// Its call table.
    table: TableReader<strowger_port::shm::Mapping>,
    greeted: bool,
}

struct Session {
    link: Downlink,
    /// What ends a sleep: orders, frames of any shard, the session's end.
    bells: Bells,
    /// Something was said of the session's end.
    may_have_ended: bool,
    /// By the shards' numbers; at least one.
    seats: Vec<Seat>,
    /// All shards have been greeted.
    greeted: bool,
    /// How many have the next frame of the edge snapshot.
    edged: usize,
    since: Tick,
    /// How far the journal was durable when it was first looked at.
    mark: Option<u64>,
    /// What was told of how far the journal is in the database; `None` = nothing yet.
    stored: Option<u64>,
}

impl Session {
    fn begin(mut link: Downlink, orders: &EventFd) -> Option<Session> {
        let ends = core::mem::take(&mut link.shards).into_iter();
        let tables = core::mem::take(&mut link.tables).into_iter();
        let seat = |(end, (_, map)): (ShardEnd, (u8, _))| {
            let ShardEnd { down, calls, registrations, bulk, .. } = end;
            let table = TableReader::attach(map).ok()?;
            let lanes = [calls, registrations, bulk];
            Some(Seat { down, lanes, table, greeted: false })
        };
        let seats: Vec<Seat> = ends.zip(tables).map(seat).collect::<Option<_>>()?;
        let bells = Bells::new().ok()?;
        // All lanes of a session have one bell.
        let lane = seats.first().and_then(|seat| seat.lanes.first())?;
        let all = [(orders.as_fd(), ORDERED), (lane.bell().as_fd(), FRAMES), (link.as_fd(), ENDED)];
        all.into_iter().try_for_each(|(fd, number)| bells.add(fd, number)).ok()?;
        info!(epoch = link.epoch(), shards = seats.len(), "linked to the dataplane");
        Some(Session {
            link,
            bells,
            may_have_ended: false,
            seats,
            greeted: false,
            edged: 0,
            since: clock::monotonic(),
            mark: None,
            stored: None,
        })
    }

    /// Rings the shards that sleep over what was sent.
    fn ring(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.down.ring());
    }

    /// How far the journal is durable: each table says the same.
    fn durable(&self) -> u64 {
        self.seats.first().map_or(0, |seat| word(seat.table.durable()))
    }

    /// Sends a frame to the shard that it is for, or to all; `false` when one had no room.
    fn send(&mut self, down: &Down) -> bool {
        let frame = down.to_bytes();
        match down.shard() {
            Some(shard) => {
                let seat = self.seats.get_mut(usize::from(shard));
                seat.is_some_and(|seat| seat.down.send(&frame).is_ok())
            }
            None => {
                let mut all = true;
                // Each gets it, whether another had room or not.
                for seat in &mut self.seats {
                    all &= seat.down.send(&frame).is_ok();
                }
                all
            }
        }
    }

    /// Sends a frame of the edge snapshot to those that have not got it; `false` when one had no
    /// room: it and those behind it get it later.
    fn send_edge(&mut self, frame: &[u8]) -> bool {
        while let Some(seat) = self.seats.get_mut(self.edged) {
            if seat.down.send(frame).is_err() {
                return false;
            }
            self.edged += 1;
        }
        self.edged = 0;
        true
    }
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
            // A system call: it is asked when something was said of it, and from time to time.
            let looks = |s: &Session| s.may_have_ended || now >= next_word;
            if session.as_ref().is_some_and(|s| looks(s) && s.link.has_ended()) {
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
                for shard in 0..session.seats.len() {
                    for lane in 0..LANES {
                        let at = (shard, lane);
                        busy |= self.take_frames(session, at, &mut frame, latency.as_mut());
                    }
                }
                self.publish_durable(session);
                self.tell_stored(session);
            }
            if self.office.poll_timeout().is_some_and(|at| at <= now) {
                self.office.handle_timeout(now);
            }
            self.carry_out(session.as_mut(), now);
            if let Some(session) = &mut session {
                session.ring();
            }
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
            Ok(link) => Session::begin(link, &self.bell),
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

    /// Greets a new session: origins of record ids, then the edge snapshot.
    fn greet(&mut self, session: &mut Session, read: u64) {
        if session.greeted {
            return;
        }
        // Records that the former life, or a power cut, left in the journal are charged before
        // anybody is granted anything.
        let durable = session.durable();
        let mark = *session.mark.get_or_insert(durable);
        if read < mark && clock::monotonic() < session.since.plus_ms(UNREAD_MS_MAX) {
            self.shared.journal.ring();
            return;
        }
        let origin = |seat: &Seat| (self.origins)(seat.table.setup(), seat.table.epoch());
        // All are asked for at once.
        let origins: Vec<Option<u32>> = session.seats.iter().map(origin).collect();
        let Some(origins) = origins.into_iter().collect::<Option<Vec<u32>>>() else { return };
        if !self.edge.make(self.office.world(), clock::monotonic()) {
            return;
        }
        session.edged = 0;
        let node = session.link.node();
        for (seat, origin) in session.seats.iter_mut().zip(origins) {
            let hello = Down::Hello(Hello { origin, node }).to_bytes();
            seat.greeted = seat.greeted || seat.down.send(&hello).is_ok();
        }
        if session.seats.iter().all(|seat| seat.greeted) {
            session.greeted = true;
            self.greeted(session);
        }
    }

    /// All shards have their greeting.
    fn greeted(&mut self, session: &Session) {
        self.office.greeted();
        let life = session.seats.first().map(|s| (s.table.setup().boot_id, s.table.epoch()));
        if let Some(life) = life
            && self.last_life.replace(life).is_some_and(|last| last != life)
        {
            for Seat { table, .. } in &session.seats {
                // The table first: a call that is not in it has its record before the mark.
                let (calls, _unreadable) = crate::boot::calls_of(table);
                self.office.dataplane_restarted(table.setup().seg, &calls, clock::monotonic());
            }
            self.unread = Some(session.durable());
        }
        self.shared.linked.store(true, Ordering::Release);
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
                Ok(Order::Found(ticket, finding)) => {
                    self.office.found(ticket, finding, now, clock::wall_us());
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
        (shard, lane): (usize, usize),
        frame: &mut Vec<u8>,
        mut latency: Option<&mut Histogram<u64>>,
    ) -> bool {
        for taken in 1..=FRAMES_MAX {
            let seat = session.seats.get_mut(shard);
            let Some(end) = seat.and_then(|seat| seat.lanes.get_mut(lane)) else { return false };
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
            self.carry_out(Some(session), began);
            if taken % UNRUNG_MAX == 0 {
                session.ring();
            }
            if let Some(latency) = latency.as_deref_mut().filter(|_| is_ask) {
                let spent_us = clock::monotonic().ns_since(began) / 1_000;
                latency.saturating_record(spent_us);
            }
        }
        true
    }

    fn carry_out(&mut self, mut session: Option<&mut Session>, now: Tick) {
        if let Some(session) = session.as_deref_mut().filter(|s| s.greeted) {
            if self.edge.refresh(self.office.world(), now) {
                session.edged = 0;
            }
            // What finds no room is sent when there is some.
            while self.edge.next().is_some_and(|frame| session.send_edge(frame)) {
                self.edge.sent();
            }
            self.tell_upstreams(session);
            self.tell_keeps(session, now);
        }
        while let Some(output) = self.office.poll_output() {
            match output {
                Output::Down(down) => {
                    let Some(session) = session.as_deref_mut() else { continue };
                    // A full ring means a dataplane that does not run: its asks have deadlines, and
                    // an answer that is lost is asked for again.
                    if !session.send(&down) {
                        warn!("an answer found the ring full");
                    }
                }
                Output::Find(search) => {
                    if let Err(ticket) = self.facts.put(*search) {
                        let (now, wall_us) = (clock::monotonic(), clock::wall_us());
                        self.office.found(ticket, Finding::Unknown(Lack::Full), now, wall_us);
                    }
                }
                Output::Binding(binding) => {
                    self.unwritten.insert(binding_key(&binding), binding);
                }
                Output::Doorbell(_) => self.shared.journal.ring(),
                Output::Counters(counters) => {
                    if let Ok(mut last) = self.shared.counters.lock() {
                        last.insert(counters.shard, counters);
                    }
                }
                Output::Listeners(listeners) => {
                    if let Ok(mut last) = self.shared.listeners.lock() {
                        last.insert(listeners.shard, listeners);
                    }
                }
                Output::Alarm(alarm) => error!(?alarm, "the till raises an alarm"),
                Output::Verb(result) => info!(id = result.id.0, outcome = ?result.outcome, "verb"),
                Output::Trace(trace) => self.shared.traces.put(trace),
                // Counted by source, for who asks; a line for each would be the flood's own.
                Output::Turned(_) => {}
                // One that finds no room is earned again soon.
                Output::Ban(ban) => {
                    let _full = self.bans.try_send(ban);
                }
                Output::Block(block) => {
                    let _full = self.blocks.try_send(block);
                }
                Output::Crowded(Crowd { tenant, calls }) => {
                    let tenant = tenant.map(|tenant| tenant.0);
                    warn!(tenant, calls, "as many calls at once as a warning is set for");
                }
            }
        }
    }

    /// Orders about registrations at carriers; what finds no room is told later.
    fn tell_upstreams(&mut self, session: &mut Session) {
        while let Some(order) = self.office.next_upstream() {
            if !session.send(&Down::Upstream(Box::new(order.clone()))) {
                return self.office.upstream_unsent(&order);
            }
        }
    }

    /// Orders about contacts that are kept alive; what finds no room is told later.
    fn tell_keeps(&mut self, session: &mut Session, now: Tick) {
        while let Some(order) = self.office.next_keep(now) {
            if !session.send(&Down::Keep(Box::new(order.clone()))) {
                return self.office.keep_unsent(order);
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
        self.shared.durable.store(session.durable(), Ordering::Release);
    }

    /// Tells the dataplane which segments are needed for a restore only. A word that finds no room
    /// is told with the next one.
    fn tell_stored(&self, session: &mut Session) {
        let stored = self.shared.stored.load(Ordering::Acquire);
        if session.greeted && session.stored != Some(stored) && session.send(&Down::Stored(stored))
        {
            session.stored = Some(stored);
        }
    }

    fn publish_latency(&self, latency: Option<&Histogram<u64>>) {
        if let Ok(mut counts) = self.shared.counts.lock() {
            *counts = self.office.counts();
        }
        let open = u64::try_from(self.office.world().open_trunks().count()).unwrap_or(u64::MAX);
        self.shared.open_trunks.store(open, Ordering::Relaxed);
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
        // A snapshot on its way waits for nothing but room.
        let most = if self.edge.next().is_some() { EDGE_MS } else { SLEEP_MS_MAX };
        let sleep_ms = u32::try_from(due).unwrap_or(u32::MAX).clamp(1, most);
        let Some(session) = session else {
            let _woken = self.bell.wait(Some(sleep_ms));
            return;
        };
        let mut quiet = true;
        for lane in session.seats.iter_mut().flat_map(|seat| &mut seat.lanes) {
            quiet &= lane.prepare_sleep();
        }
        if quiet {
            let rung = session.bells.wait(sleep_ms);
            session.may_have_ended = rung.is_ok_and(|rung| rung.has(ENDED));
        }
        for lane in session.seats.iter_mut().flat_map(|seat| &mut seat.lanes) {
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
