//! A network between a phone and a server: forwards UDP both ways and loses, doubles, delays and
//! reorders on its way, the same way again for the same seed and the same order of arrival.
//!
//! Each client address gets a socket of its own towards the target, as behind a NAT, which may be
//! of any kind ([`Nat`]). It stops when it is dropped.

use std::collections::BinaryHeap;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::limits::{CLIENTS_MAX, DATAGRAM_BYTES_MAX, HELD_MAX, POLL};
use crate::random::Random;

/// What happens to datagrams. All shares are of 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impairment {
    /// Decides every fate.
    pub seed: u64,
    /// Datagrams that vanish.
    pub loss_per_mille: u16,
    /// Datagrams that come twice.
    pub duplicate_per_mille: u16,
    /// Datagrams held back by `reorder_by`, so that later ones overtake them.
    pub reorder_per_mille: u16,
    /// How long a reordered datagram is held back.
    pub reorder_by: Duration,
    /// Delay of every datagram.
    pub delay: Duration,
    /// Up to this much more, evenly spread.
    pub jitter: Duration,
}

impl Impairment {
    /// A network without faults.
    pub const NONE: Self = Self {
        seed: 1,
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        reorder_per_mille: 0,
        reorder_by: Duration::from_millis(50),
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
    };
}

/// The kinds of NATs, in the words of RFC 3489 section 5. Those that are not symmetric keep the
/// client's own port where it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// Whoever knows the address outside reaches the client.
    FullCone,
    /// Only addresses that the client has sent to, from any port.
    Restricted,
    /// Only where the client has sent to, port included.
    PortRestricted,
    /// The same, and another target is sent to from another port.
    Symmetric,
}

impl Nat {
    /// All kinds.
    pub const ALL: [Nat; 4] = [Nat::FullCone, Nat::Restricted, Nat::PortRestricted, Nat::Symmetric];

    /// Whether what comes from there is let in to a client that has sent to these.
    fn admits(self, sent: &BTreeSet<SocketAddr>, from: SocketAddr) -> bool {
        match self {
            Nat::FullCone => true,
            Nat::Restricted => sent.iter().any(|to| to.ip() == from.ip()),
            Nat::PortRestricted | Nat::Symmetric => sent.contains(&from),
        }
    }
}

/// Counts of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WayStats {
    /// Datagrams that came in.
    pub received: u64,
    /// Datagrams that went out, doubled ones counted twice.
    pub forwarded: u64,
    /// Lost on purpose.
    pub lost: u64,
    /// Doubled on purpose.
    pub duplicated: u64,
    /// Held back on purpose so that others overtake.
    pub reordered: u64,
    /// Dropped because nobody was known on the other side, or a bound was reached.
    pub refused: u64,
}

/// Counts of both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForwarderStats {
    /// From clients to the target.
    pub to_target: WayStats,
    /// From the target side to clients.
    pub to_client: WayStats,
}

/// The forwarder and its threads.
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    front_addr: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    front: Arc<UdpSocket>,
    bind: IpAddr,
    nat: Option<Nat>,
    stop: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    impairment: Impairment,
    random: Random,
    target: Option<SocketAddr>,
    clients: BTreeMap<Inside, Outside>,
    readers: Vec<JoinHandle<()>>,
    held: BinaryHeap<Held>,
    next_order: u64,
    stats: ForwarderStats,
}

/// A client, and behind a symmetric NAT its target.
type Inside = (SocketAddr, Option<SocketAddr>);

/// A client as others see it.
#[derive(Debug)]
struct Outside {
    socket: Arc<UdpSocket>,
    /// Where it has sent to.
    sent: BTreeSet<SocketAddr>,
}

#[derive(Debug)]
struct Held {
    due: Instant,
    order: u64,
    way: Way,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    ToTarget,
    ToClient,
}

impl Forwarder {
    /// Binds the front on `bind` (port 0 for any). Datagrams are refused until there is a target.
    ///
    /// # Errors
    /// From the operating system.
    pub fn new(
        bind: SocketAddr,
        target: Option<SocketAddr>,
        impairment: Impairment,
    ) -> io::Result<Self> {
        Self::open_at((bind, bind.ip()), target, (impairment, None))
    }

    /// A NAT without faults: clients send to `front`, and are seen at `outside`.
    ///
    /// # Errors
    /// From the operating system.
    pub fn nat(
        (front, outside): (SocketAddr, IpAddr),
        target: Option<SocketAddr>,
        nat: Nat,
    ) -> io::Result<Self> {
        Self::open_at((front, outside), target, (Impairment::NONE, Some(nat)))
    }

    fn open_at(
        (front, outside): (SocketAddr, IpAddr),
        target: Option<SocketAddr>,
        (impairment, nat): (Impairment, Option<Nat>),
    ) -> io::Result<Self> {
        let front = Arc::new(UdpSocket::bind(front)?);
        front.set_read_timeout(Some(POLL))?;
        let front_addr = front.local_addr()?;
        let state = State {
            impairment,
            random: Random::new(impairment.seed),
            target,
            clients: BTreeMap::new(),
            readers: Vec::new(),
            held: BinaryHeap::new(),
            next_order: 0,
            stats: ForwarderStats::default(),
        };
        let shared = Arc::new(Shared {
            front,
            bind: outside,
            nat,
            stop: AtomicBool::new(false),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let (reader, sender) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || reader.read_front()),
            std::thread::spawn(move || sender.send_held()),
        ];
        Ok(Self { shared, front_addr, threads })
    }

    /// Where clients send to.
    #[must_use]
    pub fn front(&self) -> SocketAddr {
        self.front_addr
    }

    /// Changes where clients' datagrams go.
    pub fn set_target(&self, target: SocketAddr) {
        self.shared.lock().target = Some(target);
    }

    /// Changes the faults from now on, the seed included.
    pub fn set_impairment(&self, impairment: Impairment) {
        let mut state = self.shared.lock();
        state.random = Random::new(impairment.seed);
        state.impairment = impairment;
    }

    /// The address by which the target side reaches `client`; opened when the client is new.
    ///
    /// # Errors
    /// From the operating system, or when there are too many clients.
    pub fn open(&self, client: SocketAddr) -> io::Result<SocketAddr> {
        Shared::client_socket(&self.shared, (client, None))?.local_addr()
    }

    /// The counts so far.
    #[must_use]
    pub fn stats(&self) -> ForwarderStats {
        self.shared.lock().stats
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        let readers = std::mem::take(&mut self.shared.lock().readers);
        for thread in self.threads.drain(..).chain(readers) {
            // A thread that panicked has already said so; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn read_front(self: Arc<Self>) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !self.stopped() {
            let Ok((length, client)) = self.front.recv_from(&mut buffer) else { continue };
            let target = self.lock().target;
            let of_target = target.filter(|_| self.nat == Some(Nat::Symmetric));
            let inside = (client, of_target);
            let socket = Self::client_socket(&self, inside);
            if let (Some(to), Some(outside)) = (target, self.lock().clients.get_mut(&inside)) {
                outside.sent.insert(to);
            }
            match (socket, target) {
                (Ok(socket), Some(to)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    self.forward(Way::ToTarget, socket, to, bytes);
                }
                _ => {
                    let stats = &mut self.lock().stats.to_target;
                    stats.received += 1;
                    stats.refused += 1;
                }
            }
        }
    }

    fn read_client(self: &Arc<Self>, socket: &Arc<UdpSocket>, inside: Inside) {
        let (client, _) = inside;
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !self.stopped() {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            if !self.admits(inside, from) {
                let stats = &mut self.lock().stats.to_client;
                stats.received += 1;
                stats.refused += 1;
                continue;
            }
            let bytes = buffer.get(..length).unwrap_or_default();
            self.forward(Way::ToClient, Arc::clone(&self.front), client, bytes);
        }
    }

    /// Whether what comes from there is let in.
    fn admits(&self, inside: Inside, from: SocketAddr) -> bool {
        let state = self.lock();
        let sent = state.clients.get(&inside).map(|outside| &outside.sent);
        self.nat.is_none_or(|nat| sent.is_some_and(|sent| nat.admits(sent, from)))
    }

    /// A socket outside for a client.
    fn bind_outside(&self, (client, _): Inside) -> io::Result<UdpSocket> {
        let keeps = self.nat.is_some_and(|nat| nat != Nat::Symmetric);
        let own = keeps.then(|| UdpSocket::bind((self.bind, client.port())));
        match own {
            Some(Ok(socket)) => Ok(socket),
            Some(Err(_)) | None => UdpSocket::bind((self.bind, 0)),
        }
    }

    fn client_socket(shared: &Arc<Self>, inside: Inside) -> io::Result<Arc<UdpSocket>> {
        let mut state = shared.lock();
        if let Some(outside) = state.clients.get(&inside) {
            return Ok(Arc::clone(&outside.socket));
        }
        if state.clients.len() >= CLIENTS_MAX {
            return Err(io::Error::other("too many clients of one forwarder"));
        }
        let socket = Arc::new(shared.bind_outside(inside)?);
        socket.set_read_timeout(Some(POLL))?;
        let outside = Outside { socket: Arc::clone(&socket), sent: BTreeSet::new() };
        state.clients.insert(inside, outside);
        let (shared, reading) = (Arc::clone(shared), Arc::clone(&socket));
        state.readers.push(std::thread::spawn(move || shared.read_client(&reading, inside)));
        Ok(socket)
    }

    fn forward(&self, way: Way, socket: Arc<UdpSocket>, to: SocketAddr, bytes: &[u8]) {
        let mut state = self.lock();
        let now = Instant::now();
        let held = state.held.len();
        let State { impairment, random, stats, .. } = &mut *state;
        let counts = match way {
            Way::ToTarget => &mut stats.to_target,
            Way::ToClient => &mut stats.to_client,
        };
        counts.received += 1;
        if random.chance(impairment.loss_per_mille) {
            counts.lost += 1;
            return;
        }
        let mut copies = 1;
        if random.chance(impairment.duplicate_per_mille) {
            counts.duplicated += 1;
            copies = 2;
        }
        let spread = u64::try_from(impairment.jitter.as_micros()).unwrap_or(u64::MAX);
        let mut wait = impairment.delay + Duration::from_micros(random.below(spread));
        if random.chance(impairment.reorder_per_mille) {
            counts.reordered += 1;
            wait += impairment.reorder_by;
        }
        if held + copies > HELD_MAX {
            counts.refused += 1;
            return;
        }
        if wait.is_zero() {
            for _ in 0..copies {
                // What the network refuses is lost, as everywhere in UDP.
                counts.forwarded += u64::from(socket.send_to(bytes, to).is_ok());
            }
            return;
        }
        for _ in 0..copies {
            let (socket, bytes, order) = (Arc::clone(&socket), bytes.to_vec(), state.next_order);
            state.next_order += 1;
            state.held.push(Held { due: now + wait, order, way, socket, to, bytes });
        }
        drop(state);
        self.changed.notify_all();
    }

    fn send_held(self: Arc<Self>) {
        let mut state = self.lock();
        while !self.stopped() {
            let now = Instant::now();
            while state.held.peek().is_some_and(|held| held.due <= now) {
                let Some(held) = state.held.pop() else { break };
                let sent = u64::from(held.socket.send_to(&held.bytes, held.to).is_ok());
                match held.way {
                    Way::ToTarget => state.stats.to_target.forwarded += sent,
                    Way::ToClient => state.stats.to_client.forwarded += sent,
                }
            }
            let due = state.held.peek().map(|held| held.due.saturating_duration_since(now));
            let wait = due.unwrap_or(POLL).min(POLL);
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The heap gives the greatest first, so the earliest is the greatest.
impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Held {}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    fn run(impairment: Impairment, count: u8) -> (Vec<u8>, ForwarderStats) {
        let target = UdpSocket::bind(any()).unwrap();
        target.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        let at = target.local_addr().unwrap();
        let forwarder = Forwarder::new(any(), Some(at), impairment).unwrap();
        let client = UdpSocket::bind(any()).unwrap();
        for n in 0..count {
            client.send_to(&[n], forwarder.front()).unwrap();
            std::thread::sleep(Duration::from_micros(200));
        }
        let mut got = Vec::new();
        let mut buffer = [0; 8];
        while let Ok((_, from)) = target.recv_from(&mut buffer) {
            assert_eq!(from, forwarder.open(client.local_addr().unwrap()).unwrap());
            got.push(buffer[0]);
        }
        (got, forwarder.stats())
    }

    #[test]
    fn without_faults_all_arrive_in_order() {
        let (got, stats) = run(Impairment::NONE, 50);
        assert_eq!(got, (0..50).collect::<Vec<u8>>());
        assert_eq!(stats.to_target.forwarded, 50);
    }

    #[test]
    fn faults_are_counted_and_repeat_with_the_seed() {
        let impairment = Impairment {
            seed: 3,
            loss_per_mille: 200,
            duplicate_per_mille: 100,
            reorder_per_mille: 100,
            reorder_by: Duration::from_millis(30),
            ..Impairment::NONE
        };
        let (got, stats) = run(impairment, 100);
        let to = stats.to_target;
        assert!(to.lost > 5 && to.duplicated > 2 && to.reordered > 2, "{stats:?}");
        assert_eq!(to.received, 100);
        assert_eq!(to.forwarded, 100 - to.lost + to.duplicated);
        assert_eq!(got.len() as u64, to.forwarded);
        assert!(got.windows(2).any(|pair| pair[0] > pair[1]), "nothing was overtaken");
        let (_, again) = run(impairment, 100);
        assert_eq!(again, stats);
    }

    /// Who is let in behind one packet to the target: the target, its host from another port, and
    /// anybody; and whether a second target sees the same port.
    #[test]
    fn the_kinds_of_nats_differ_in_whom_they_let_in() {
        let outside = IpAddr::from([127, 0, 0, 9]);
        let at = |last: u8| {
            let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            socket
        };
        for (nat, host, anybody, same) in [
            (Nat::FullCone, true, true, true),
            (Nat::Restricted, true, false, true),
            (Nat::PortRestricted, false, false, true),
            (Nat::Symmetric, false, false, false),
        ] {
            let (target, second, stranger, client) = (at(1), at(1), at(3), at(4));
            let to = target.local_addr().unwrap();
            let forwarder = Forwarder::nat((any(), outside), Some(to), nat).unwrap();
            let mut buffer = [0; 8];
            client.send_to(b"out", forwarder.front()).unwrap();
            let (_, door) = target.recv_from(&mut buffer).unwrap();
            assert_eq!(door.ip(), outside);
            let own = client.local_addr().unwrap().port();
            assert!(nat == Nat::Symmetric || door.port() == own, "its own port is kept");
            for (who, comes) in [(&target, true), (&second, host), (&stranger, anybody)] {
                let before = forwarder.stats().to_client;
                who.send_to(b"in", door).unwrap();
                while forwarder.stats().to_client.received == before.received {
                    std::thread::yield_now();
                }
                if comes {
                    assert_eq!(client.recv_from(&mut buffer).unwrap().1, forwarder.front());
                }
                let refused = forwarder.stats().to_client.refused - before.refused;
                assert_eq!(refused, u64::from(!comes), "{nat:?}");
            }
            forwarder.set_target(second.local_addr().unwrap());
            client.send_to(b"out", forwarder.front()).unwrap();
            let (_, other) = second.recv_from(&mut buffer).unwrap();
            assert_eq!(other == door, same, "{nat:?}");
        }
    }

    #[test]
    fn answers_find_their_client_and_a_missing_target_is_counted() {
        let forwarder = Forwarder::new(any(), None, Impairment::NONE).unwrap();
        let client = UdpSocket::bind(any()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        client.send_to(b"lost", forwarder.front()).unwrap();
        while forwarder.stats().to_target.refused == 0 {
            std::thread::yield_now();
        }
        let door = forwarder.open(client.local_addr().unwrap()).unwrap();
        let server = UdpSocket::bind(any()).unwrap();
        server.send_to(b"hello", door).unwrap();
        let mut buffer = [0; 8];
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"hello"[..], forwarder.front()));
        assert_eq!(forwarder.stats().to_target.forwarded, 0);
        assert_eq!(forwarder.stats().to_client.received, 1);
    }
}
