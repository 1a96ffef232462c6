//! Connections between hosts as TCP gives them (RFC 9293): bytes in order, cut anywhere, late when
//! the network loses segments, and gone with what was under way when a connection breaks.
//!
//! [`Sockets`] is the end at the switch, as its operating system shows it ([`crate::io::SimIo`]);
//! [`Wires`] is what lies between the ends. Neither looks into the bytes.

use crate::dice::Dice;
use crate::net::Network;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use strowger_link::{MS, Tick};
use strowger_port::net::{Closed, ConnId, STREAM_BURST_MAX, STREAM_BYTES_MAX, StreamEvent};

/// Longest segment, bytes.
const SEGMENT_MAX: u64 = 700;
/// A segment that is lost is sent again after this time, then twice as long, milliseconds.
const RESEND_MS: u64 = 200;
/// Losses of one segment that are waited for; then it arrives.
const LOSSES_MAX: u32 = 6;

/// One of the two ends of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// A phone or a carrier.
    Agent,
    /// The switch.
    Switch,
}

impl End {
    const fn index(self) -> usize {
        match self {
            End::Agent => 0,
            End::Switch => 1,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> End {
        match self {
            End::Agent => End::Switch,
            End::Switch => End::Agent,
        }
    }
}

/// What an end hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// The other end wants the connection, or has it now.
    Opened,
    /// Bytes, sent at that time or later.
    Bytes(Tick, Vec<u8>),
    /// There is room for more.
    Writable,
    /// It is over.
    Closed(Closed),
}

/// What the switch does with its connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Done {
    /// It wants one from the address of a listener to a peer.
    Open(ConnId, u8, SocketAddr),
    /// Bytes leave.
    Sent(ConnId, Vec<u8>),
    /// It took less than all, and wants to know when there is room.
    Stalled(ConnId),
    /// It ends one.
    Close(ConnId),
}

/// News for the switch; bytes with how many of them it has taken.
#[derive(Debug)]
enum News {
    Accepted { listener: u8, local: SocketAddr, peer: SocketAddr },
    Connected { local: SocketAddr },
    Received(Vec<u8>),
    Writable,
    Closed(Closed),
}

/// The switch's end of all connections.
#[derive(Debug)]
pub struct Sockets {
    dice: Dice,
    /// How many connections each place had.
    lives: Vec<u32>,
    open: BTreeMap<u32, ConnId>,
    news: VecDeque<(ConnId, News)>,
    /// The switch does not read for now.
    held: bool,
    /// What the switch did, in order.
    pub done: Vec<Done>,
}

impl Sockets {
    /// None open.
    #[must_use]
    pub fn new(dice: Dice) -> Sockets {
        let (lives, open) = (Vec::new(), BTreeMap::new());
        Sockets { dice, lives, open, news: VecDeque::new(), held: false, done: Vec::new() }
    }

    fn place(&mut self) -> ConnId {
        let free = (0..).find(|place| !self.open.contains_key(place)).unwrap_or(u32::MAX);
        let at = free as usize;
        if at >= self.lives.len() {
            self.lives.resize(at + 1, 0);
        }
        let life = self.lives.get_mut(at).map_or(1, |life| {
            *life += 1;
            *life
        });
        let conn = ConnId { place: free, life };
        self.open.insert(free, conn);
        conn
    }

    fn is_open(&self, conn: ConnId) -> bool {
        self.open.get(&conn.place) == Some(&conn)
    }

    /// Connections open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// The process is gone, and all its connections with it.
    pub fn clear(&mut self) {
        self.open.clear();
        self.news.clear();
        self.done.clear();
    }

    /// Whether the switch has something to look at.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.held && !self.news.is_empty()
    }

    /// Whether it may be left to wait.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// A peer connects.
    pub fn accept(&mut self, listener: u8, local: SocketAddr, peer: SocketAddr) -> ConnId {
        let conn = self.place();
        self.news.push_back((conn, News::Accepted { listener, local, peer }));
        conn
    }

    /// One of the switch's own is up.
    pub fn connected(&mut self, conn: ConnId, local: SocketAddr) {
        self.tell(conn, News::Connected { local });
    }

    /// Bytes came.
    pub fn received(&mut self, conn: ConnId, bytes: Vec<u8>) {
        self.tell(conn, News::Received(bytes));
    }

    /// There is room again.
    pub fn writable(&mut self, conn: ConnId) {
        self.tell(conn, News::Writable);
    }

    /// It is over.
    pub fn closed(&mut self, conn: ConnId, how: Closed) {
        self.tell(conn, News::Closed(how));
    }

    fn tell(&mut self, conn: ConnId, news: News) {
        if self.is_open(conn) {
            self.news.push_back((conn, news));
        }
    }

    /// See [`strowger_port::net::Io::recv_streams`].
    pub fn recv(&mut self, mut sink: impl FnMut(StreamEvent<'_>)) -> usize {
        let mut looked = 0;
        while looked < STREAM_BURST_MAX
            && let Some((conn, news)) = self.news.pop_front()
        {
            looked += 1;
            if !self.is_open(conn) {
                continue;
            }
            match news {
                News::Accepted { listener, local, peer } => {
                    sink(StreamEvent::Accepted { conn, listener, local, peer });
                }
                News::Connected { local } => sink(StreamEvent::Connected { conn, local }),
                News::Received(data) => {
                    data.chunks(STREAM_BYTES_MAX)
                        .for_each(|data| sink(StreamEvent::Received { conn, data }));
                }
                News::Writable => sink(StreamEvent::Writable { conn }),
                News::Closed(how) => {
                    self.open.remove(&conn.place);
                    sink(StreamEvent::Closed { conn, how });
                }
            }
        }
        looked
    }

    /// See [`strowger_port::net::Io::open_stream`].
    pub fn open(&mut self, listener: u8, peer: SocketAddr) -> ConnId {
        let conn = self.place();
        self.done.push(Done::Open(conn, listener, peer));
        conn
    }

    /// See [`strowger_port::net::Io::send_stream`]. Now and then there is room for a part alone.
    pub fn send(&mut self, conn: ConnId, data: &[u8]) -> usize {
        if !self.is_open(conn) {
            return 0;
        }
        let all = data.len() as u64;
        let most = if self.dice.percent(10) { self.dice.below(all + 1) } else { all };
        let taken = data.get(..most as usize).unwrap_or(data);
        if !taken.is_empty() {
            self.done.push(Done::Sent(conn, taken.to_vec()));
        }
        if taken.len() < data.len() {
            self.done.push(Done::Stalled(conn));
        }
        taken.len()
    }

    /// See [`strowger_port::net::Io::close_stream`].
    pub fn close(&mut self, conn: ConnId) {
        if self.is_open(conn) {
            self.open.remove(&conn.place);
            self.done.push(Done::Close(conn));
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Wire {
    /// Index of the agent.
    pub agent: usize,
    /// Address of its end.
    pub peer: SocketAddr,
    /// Address of the switch's end.
    pub local: SocketAddr,
    /// Index of the switch's listener.
    pub listener: u8,
    /// The switch began it.
    pub by_switch: bool,
    /// The switch's name of it, once it has one.
    pub conn: Option<ConnId>,
    /// Nothing arrives at an end before this.
    last: [Tick; 2],
    /// It breaks when so many bytes more have arrived at an end.
    breaks: Option<(End, usize)>,
}

/// All connections.
#[derive(Debug)]
pub struct Wires {
    dice: Dice,
    all: BTreeMap<u64, Wire>,
    serial: u64,
}

impl Wires {
    /// None yet.
    #[must_use]
    pub fn new(dice: Dice) -> Wires {
        Wires { dice, all: BTreeMap::new(), serial: 0 }
    }

    /// A new one; its number.
    pub fn add(&mut self, mut wire: Wire) -> u64 {
        self.serial += 1;
        if !wire.by_switch {
            // Of those that systems choose (RFC 6335 6), each once.
            wire.peer.set_port(49_152 + (self.serial % 16_000) as u16);
        }
        self.all.insert(self.serial, wire);
        self.serial
    }

    /// A wire of no bytes yet.
    #[must_use]
    pub fn wire(agent: usize, peer: SocketAddr, local: SocketAddr, listener: u8) -> Wire {
        Wire {
            agent,
            peer,
            local,
            listener,
            by_switch: false,
            conn: None,
            last: [Tick::default(); 2],
            breaks: None,
        }
    }

    /// One that is there.
    pub fn wire_mut(&mut self, number: u64) -> Option<&mut Wire> {
        self.all.get_mut(&number)
    }

    /// The number of the one that the switch calls so.
    #[must_use]
    pub fn of(&self, conn: ConnId) -> Option<u64> {
        self.all.iter().find(|(_, wire)| wire.conn == Some(conn)).map(|(number, _)| *number)
    }

    /// Those of an agent.
    #[must_use]
    pub fn of_agent(&self, agent: usize) -> Vec<u64> {
        let own = self.all.iter().filter(|(_, wire)| wire.agent == agent);
        own.map(|(number, _)| *number).collect()
    }

    /// It is no more: what is under way is lost.
    pub fn remove(&mut self, number: u64) -> Option<Wire> {
        self.all.remove(&number)
    }

    /// All are gone.
    pub fn clear(&mut self) -> Vec<(u64, Wire)> {
        std::mem::take(&mut self.all).into_iter().collect()
    }

    /// The connections of an agent break when so many bytes more have come to that end.
    pub fn break_after(&mut self, agent: usize, to: End, bytes: usize) {
        for wire in self.all.values_mut().filter(|wire| wire.agent == agent) {
            wire.breaks = Some((to, bytes));
        }
    }

    /// Bytes have arrived at an end: as many of them as came before the connection broke, and
    /// whether it did.
    pub fn arrive(&mut self, number: u64, to: End, mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
        let Some(wire) = self.all.get_mut(&number) else { return (Vec::new(), false) };
        let Some((end, left)) = wire.breaks.filter(|(end, _)| *end == to) else {
            return (bytes, false);
        };
        if bytes.len() < left {
            wire.breaks = Some((end, left - bytes.len()));
            return (bytes, false);
        }
        bytes.truncate(left);
        (bytes, true)
    }

    /// When something other than bytes arrives at an end: after all bytes before it.
    pub fn way(&mut self, net: &mut Network, number: u64, to: End, now: Tick) -> Option<Tick> {
        let wire = self.all.get_mut(&number)?;
        let ends = [wire.peer.ip(), wire.local.ip()];
        let (from, dest) = match to {
            End::Agent => (ends[1], ends[0]),
            End::Switch => (ends[0], ends[1]),
        };
        let mut sent_at = now;
        let mut arrives = None;
        for losses in 0..LOSSES_MAX {
            arrives = net.send(from, dest, sent_at).into_iter().min();
            if arrives.is_some() {
                break;
            }
            sent_at = sent_at.plus_ms(RESEND_MS << losses);
        }
        let last = wire.last.get_mut(to.index())?;
        *last = arrives.unwrap_or(sent_at).max(*last);
        Some(*last)
    }

    /// How long it takes until something of a connection is seen, milliseconds.
    pub fn pause_ms(&mut self) -> u64 {
        self.dice.between(1, 60)
    }

    /// Cuts bytes anywhere; when each piece arrives.
    pub fn pieces(
        &mut self,
        net: &mut Network,
        number: u64,
        to: End,
        bytes: &[u8],
        now: Tick,
    ) -> Vec<(Tick, Vec<u8>)> {
        let mut all = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = if self.dice.percent(10) { 3 } else { SEGMENT_MAX };
            let cut = (1 + self.dice.below(most) as usize).min(rest.len());
            let (piece, behind) = rest.split_at(cut);
            rest = behind;
            // A pause now and then, so that something comes between two pieces.
            let pause = if self.dice.percent(30) { self.dice.below(2 * MS) } else { 0 };
            let Some(at) = self.way(net, number, to, now.plus_ns(pause)) else { return all };
            all.push((at, piece.to_vec()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Quality;

    fn wires() -> (Wires, Network, u64) {
        let (peer, local) = ("10.0.1.1:5060".parse().unwrap(), "10.0.0.1:5060".parse().unwrap());
        let mut wires = Wires::new(Dice::new(1));
        let number = wires.add(Wires::wire(0, peer, local, 2));
        let quality = Quality { loss_ppm: 300_000, jitter_ms: 50, ..Quality::PERFECT };
        (wires, Network::new(Dice::new(2), quality), number)
    }

    #[test]
    fn bytes_arrive_in_order_once_and_cut_anywhere() {
        let (mut wires, mut net, number) = wires();
        let mut sent = Vec::new();
        let mut heard: Vec<(Tick, Vec<u8>)> = Vec::new();
        for n in 0..50u64 {
            let bytes: Vec<u8> = (0..900).map(|at| (at as u64 * n) as u8).collect();
            heard.extend(wires.pieces(&mut net, number, End::Switch, &bytes, Tick(n * MS)));
            sent.extend(bytes);
        }
        assert!(net.lost > 0 && heard.len() > 100);
        assert!(heard.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        assert_eq!(heard.into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<u8>>(), sent);
    }

    #[test]
    fn a_connection_breaks_at_the_byte_that_was_said() {
        let (mut wires, _, number) = wires();
        wires.break_after(0, End::Agent, 5);
        assert_eq!(wires.arrive(number, End::Switch, vec![1; 9]), (vec![1; 9], false));
        assert_eq!(wires.arrive(number, End::Agent, vec![2; 3]), (vec![2; 3], false));
        assert_eq!(wires.arrive(number, End::Agent, vec![3; 3]), (vec![3; 2], true));
    }

    #[test]
    fn what_is_said_of_a_connection_of_before_is_not_told() {
        let mut sockets = Sockets::new(Dice::new(3));
        let at = "10.0.0.1:5060".parse().unwrap();
        let first = sockets.accept(2, at, at);
        sockets.received(first, vec![1]);
        sockets.close(first);
        let second = sockets.accept(2, at, at);
        assert_eq!((second.place, second.life), (first.place, 2));
        sockets.received(first, vec![2]);
        let mut heard = Vec::new();
        sockets.recv(|event| heard.push(format!("{event:?}")));
        assert_eq!(heard.len(), 1, "{heard:?}");
        // Now and then less than all is taken, and then it is said when there is room.
        let taken: Vec<usize> = (0..100).map(|_| sockets.send(second, &[0; 50])).collect();
        let stalls = sockets.done.iter().filter(|done| **done == Done::Stalled(second)).count();
        assert_eq!(stalls, taken.iter().filter(|taken| **taken < 50).count());
        assert!((1..50).contains(&stalls), "{stalls}");
    }
}
