//! NAT bindings of registered contacts, kept open from our side (design of calls, 6).
//!
//! The control plane says which contacts, where they are and how often; from then on the table goes
//! on by itself to the end of each registration, whether anybody is above it or not. Each contact
//! has its own place in the interval, so many thousands are a steady trickle and no burst, and a
//! turn sends a bounded number. A device that sends something by itself is left alone for an
//! interval.
//!
//! Places of trunks are probed by the same table, by datagrams or by a connection, which calls to
//! the trunk go by too.

use crate::Shard;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use strowger_link::siphash::siphash24;
use strowger_link::{KEPT_MAX, KeepMode, KeepOrder, Kept, Key, MS, Probed, Tick, Transport};
use strowger_port::net::{Io, JournalSink, PlaneLink, SipPath};
use strowger_sip::endpoint::Path;

/// Most datagrams sent in one turn; the next follows at once.
const PER_TURN_MAX: usize = 32;
/// Shortest interval, milliseconds.
const EVERY_MS_MIN: u32 = 1_000;
/// Two line ends: what SIP ignores before a message (RFC 3261 7.5, RFC 5626 3.5.1).
const CRLF: &[u8] = b"\r\n\r\n";
/// What branches of our OPTIONS begin with.
const BRANCH: &str = "z9hG4bKkeep";
/// What responses begin with.
const RESPONSE: &[u8] = b"SIP/2.0 ";
/// How far into a response its branch is looked for, bytes.
const HEAD_BYTES: usize = 512;
/// How a response begins that says that a trunk does not serve.
const UNAVAILABLE: &[u8] = b"SIP/2.0 503";
/// So many probes without an answer, one after the other, and a trunk is gone.
const MISSED_MAX: u8 = 3;
/// Hexadecimal digits of an id in a branch.
const ID_DIGITS: usize = 16;
/// Longest datagram of nothing but line ends.
const BLANK_BYTES_MAX: usize = 8;

/// All contacts that are kept.
#[derive(Debug)]
pub(crate) struct Keeper {
    key: Key,
    all: BTreeMap<u64, Entry>,
    due: BTreeSet<(Tick, u64)>,
    peers: BTreeMap<(u8, SocketAddr), u64>,
    sent: u64,
    heard: u64,
    full: u64,
    /// Those that are probed of which there is something to tell.
    news: BTreeSet<u64>,
}

/// What probes of a trunk came to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Probing {
    /// The last one is not answered yet.
    waits: bool,
    /// Unanswered ones in a row.
    missed: u8,
    /// It is gone.
    gone: bool,
}

#[derive(Debug)]
struct Entry {
    probing: Probing,
    listener: u8,
    transport: Transport,
    peer: SocketAddr,
    uri: Box<str>,
    how: KeepMode,
    every_ms: u32,
    until: Tick,
    due: Tick,
    count: u32,
}

/// One message to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ping {
    listener: u8,
    transport: Transport,
    peer: SocketAddr,
    /// The contact and which try, for OPTIONS; `None` is line ends.
    options: Option<(Box<str>, u64, u32)>,
}

impl Keeper {
    /// `key` makes the places in the interval.
    pub(crate) fn new(key: Key) -> Keeper {
        Keeper {
            key,
            all: BTreeMap::new(),
            due: BTreeSet::new(),
            peers: BTreeMap::new(),
            sent: 0,
            heard: 0,
            full: 0,
            news: BTreeSet::new(),
        }
    }

    /// An order of the control plane.
    pub(crate) fn handle_order(&mut self, order: KeepOrder, now: Tick) {
        match order {
            KeepOrder::Put(list) => list.into_iter().for_each(|kept| self.put(kept, now)),
            KeepOrder::Drop(ids) => ids.into_iter().for_each(|id| self.drop(id)),
        }
    }

    fn put(&mut self, kept: Kept, now: Tick) {
        let known = self.all.get(&kept.id).map(|entry| (entry.due, entry.every_ms, entry.count));
        let probing = self.all.get(&kept.id).map(|entry| entry.probing).unwrap_or_default();
        if known.is_none() && self.all.len() >= KEPT_MAX {
            self.full += 1;
            return;
        }
        self.drop(kept.id);
        let every_ms = kept.every_ms.max(EVERY_MS_MIN);
        let due = match known {
            Some((due, same_ms, _)) if same_ms == every_ms => due,
            Some(_) | None => {
                // Its own place in the interval: those that came together are sent to apart.
                let place =
                    siphash24(&self.key, &kept.id.to_le_bytes()) % (u64::from(every_ms) * MS);
                now.plus_ns(place)
            }
        };
        let entry = Entry {
            probing,
            listener: kept.listener,
            transport: kept.transport,
            peer: kept.peer,
            uri: kept.uri.into(),
            how: kept.how,
            every_ms,
            until: now.plus_ms(kept.left_ms),
            due,
            count: known.map_or(0, |(_, _, count)| count),
        };
        self.due.insert((due, kept.id));
        self.peers.insert((entry.listener, entry.peer), kept.id);
        self.all.insert(kept.id, entry);
    }

    fn drop(&mut self, id: u64) {
        let Some(entry) = self.all.remove(&id) else { return };
        self.news.remove(&id);
        self.due.remove(&(entry.due, id));
        let place = (entry.listener, entry.peer);
        // Another contact may have come to the same place since.
        if self.peers.get(&place) == Some(&id) {
            self.peers.remove(&place);
        }
    }

    /// A datagram came: whether it says nothing but that its device lives. Such a device needs no
    /// word of ours for an interval.
    pub(crate) fn is_sign(&mut self, path: &SipPath, data: &[u8], now: Tick) -> bool {
        let is_blank = is_blank(data);
        // Most responses are none of these, and most shards keep somebody: the cheap looks first.
        if !is_blank && (self.peers.is_empty() || !data.starts_with(RESPONSE)) {
            return false;
        }
        let Some(id) = self.peers.get(&(path.listener, path.peer)).copied() else {
            return is_blank;
        };
        if !is_blank && !is_answer(data) {
            return false;
        }
        if self.is_probed(id) {
            // Line ends of a trunk say nothing of whether it serves.
            if !is_blank {
                self.probe_answered(answered_id(data).unwrap_or(id), path, data);
            }
            return true;
        }
        self.heard += 1;
        self.move_on(id, now);
        true
    }

    /// A device keeps its NAT open by itself, by STUN.
    pub(crate) fn heard_from(&mut self, path: &SipPath, now: Tick) {
        if let Some(id) = self.peers.get(&(path.listener, path.peer)).copied() {
            self.heard += 1;
            self.move_on(id, now);
        }
    }

    /// The next time of a contact is an interval from now.
    fn move_on(&mut self, id: u64, now: Tick) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        self.due.remove(&(entry.due, id));
        entry.due = now.plus_ms(entry.every_ms.into());
        self.due.insert((entry.due, id));
    }

    /// When the next is due.
    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next datagram that is due; contacts whose time is over are forgotten on the way.
    pub(crate) fn next(&mut self, now: Tick) -> Option<Ping> {
        while let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let Some(entry) = self.all.get_mut(&id).filter(|entry| entry.until > now) else {
                self.due.pop_first();
                self.drop(id);
                continue;
            };
            entry.count = entry.count.wrapping_add(1);
            if entry.how == KeepMode::Probe && entry.probing.miss() {
                self.news.insert(id);
            }
            let options = match entry.how {
                KeepMode::Crlf => None,
                KeepMode::Options | KeepMode::Probe => Some((entry.uri.clone(), id, entry.count)),
            };
            let Entry { listener, transport, peer, .. } = *entry;
            let ping = Ping { listener, transport, peer, options };
            self.move_on(id, now);
            self.sent += 1;
            return Some(ping);
        }
        None
    }

    fn is_probed(&self, id: u64) -> bool {
        self.all.get(&id).is_some_and(|entry| entry.how == KeepMode::Probe)
    }

    /// A trunk answered a probe. That it does not serve is as if it did not.
    fn probe_answered(&mut self, id: u64, path: &SipPath, data: &[u8]) {
        let is_its = |entry: &&mut Entry| entry.peer == path.peer && entry.how == KeepMode::Probe;
        let Some(entry) = self.all.get_mut(&id).filter(is_its) else { return };
        self.heard += 1;
        if !data.starts_with(UNAVAILABLE) && entry.probing.answer() {
            self.news.insert(id);
        }
    }

    /// What there is to tell of a trunk that is probed, until it is told ([`Keeper::told`]).
    pub(crate) fn news(&self) -> Option<Probed> {
        let id = *self.news.first()?;
        let alive = self.all.get(&id).is_none_or(|entry| !entry.probing.gone);
        Some(Probed { id, alive })
    }

    pub(crate) fn told(&mut self, probed: Probed) {
        self.news.remove(&probed.id);
    }

    /// A control plane that knows nothing is told of all that are gone.
    pub(crate) fn tell_again(&mut self) {
        let gone = self.all.iter().filter(|(_, entry)| entry.probing.gone).map(|(id, _)| *id);
        self.news = gone.collect();
    }

    /// Sent, heard, contacts now, and those that found no room.
    pub(crate) fn report(&self) -> [u64; 4] {
        [self.sent, self.heard, self.all.len() as u64, self.full]
    }
}

impl Probing {
    /// The next probe is due; whether the trunk is gone with that.
    fn miss(&mut self) -> bool {
        if !core::mem::replace(&mut self.waits, true) {
            return false;
        }
        self.missed = self.missed.saturating_add(1);
        let is_news = self.missed >= MISSED_MAX && !self.gone;
        self.gone |= is_news;
        is_news
    }

    /// It answers; whether it was gone.
    fn answer(&mut self) -> bool {
        let was_gone = self.gone;
        *self = Probing::default();
        was_gone
    }
}

impl Ping {
    /// The message; `ours` is the address that peers are told.
    fn bytes(&self, ours: SocketAddr) -> Vec<u8> {
        let Some((uri, id, count)) = &self.options else { return CRLF.to_vec() };
        if uri.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'<' || b == b'>') {
            return CRLF.to_vec();
        }
        let (protocol, parameter) = match self.transport {
            Transport::Udp => ("UDP", ""),
            Transport::Tcp => ("TCP", ";transport=tcp"),
            Transport::Tls => ("TLS", ";transport=tls"),
            Transport::Ws => ("WS", ";transport=ws"),
            Transport::Wss => ("WSS", ";transport=ws"),
        };
        format!(
            "OPTIONS {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{protocol} {ours};branch={BRANCH}{id:016x}{count:08x};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{ours}>;tag={id:016x}\r\n\
             To: <{uri}>\r\n\
             Call-ID: keep-{id:016x}\r\n\
             CSeq: {count} OPTIONS\r\n\
             Contact: <sip:{ours}{parameter}>\r\n\
             Accept: application/sdp\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }
}

/// Whether a datagram is nothing but line ends and zeros.
fn is_blank(data: &[u8]) -> bool {
    data.len() <= BLANK_BYTES_MAX && data.iter().all(|b| matches!(b, b'\r' | b'\n' | b' ' | 0))
}

/// Whether a response is the answer to an OPTIONS of ours.
fn is_answer(data: &[u8]) -> bool {
    let head = data.get(..HEAD_BYTES).unwrap_or(data);
    head.windows(BRANCH.len()).any(|window| window == BRANCH.as_bytes())
}

/// The id in the branch of an answer to an OPTIONS of ours.
fn answered_id(data: &[u8]) -> Option<u64> {
    let head = data.get(..HEAD_BYTES).unwrap_or(data);
    let at = head.windows(BRANCH.len()).position(|window| window == BRANCH.as_bytes())?;
    let from = at.checked_add(BRANCH.len())?;
    let digits = head.get(from..from.checked_add(ID_DIGITS)?)?;
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// Sends what is due to contacts behind NATs and to trunks that are probed. A connection that
    /// does not come up is a probe without an answer.
    pub(crate) fn keep_alive(&mut self, now: Tick) {
        for _ in 0..PER_TURN_MAX {
            let Some(ping) = self.keeper.next(now) else { return };
            let Some(listener) = self.listeners.get(usize::from(ping.listener)) else { continue };
            let bytes = ping.bytes(listener.advertised);
            let Ping { listener: index, transport, peer, .. } = ping;
            if transport == Transport::Udp {
                let path = SipPath { listener: index, local: None, peer };
                let sent = self.io.send_sip(path, &bytes);
                self.counts.sent(sent, bytes.len());
                continue;
            }
            let path = Path { listener: index, transport, local: listener.local, peer, flow: 0 };
            let taken = self.connections.transmit(&mut self.io, &path, &bytes, now);
            self.counts.carried(taken, bytes.len());
        }
    }
}

#[cfg(test)]
mod tests;
