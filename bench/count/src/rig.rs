//! A whole shard with a control plane that gives every ask the same answer.

use crate::frames;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use strowger_call::CallsConfig;
use strowger_link::journal::FrameKind;
use strowger_link::table::{Setup as TableSetup, Table, words_needed};
use strowger_link::{
    Algorithm, Answer, AnswerBody, Ask, Down, Edge, EdgeSource, Hello, Key, SourceAction, Tick,
    Transport, Up,
};
use strowger_office::{Office, Output};
use strowger_port::net::{Io, JournalFull, JournalSink, Lane, LinkError, PlaneLink};
use strowger_shard::{KeySecret, Limits, MediaAddress, MediaConfig, Setup, Shard};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{Config as SipConfig, Listener};
use strowger_sip::transaction::Timers;

/// Where the shard listens, unless it is told otherwise.
pub const LISTENER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);
/// A trunk whose calls are taken without credentials.
pub const CALLER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 5060);
/// Nobody that is known.
pub const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5)), 5060);
/// Slots and chunks of the call table.
const SLOTS: u32 = 256;
const CHUNKS: u32 = 1_024;
/// Room for the frames of a turn, bytes.
const FRAME_BYTES: usize = 64 * 1024;

/// What the shard and its control plane have between them.
#[derive(Debug, Default)]
struct Between {
    down: VecDeque<Vec<u8>>,
    /// Taken, and freed outside of what is counted.
    taken: Vec<Vec<u8>>,
    up: Vec<u8>,
    ends: Vec<usize>,
    /// Frames of the lossy lane, which nobody reads.
    reports: u64,
}

/// The shard's end of the link, in memory.
#[derive(Debug)]
pub struct MemoryLink(Rc<RefCell<Between>>);

impl PlaneLink for MemoryLink {
    fn session(&mut self) -> Option<u32> {
        Some(1)
    }

    fn send(&mut self, lane: Lane, frame: &[u8]) -> Result<(), LinkError> {
        let mut between = self.0.borrow_mut();
        match lane {
            Lane::Bulk => between.reports += 1,
            Lane::Calls | Lane::Registrations => {
                between.up.extend_from_slice(frame);
                let end = between.up.len();
                between.ends.push(end);
            }
        }
        Ok(())
    }

    fn recv(&mut self, frame: &mut Vec<u8>) -> Result<bool, LinkError> {
        frame.clear();
        let mut between = self.0.borrow_mut();
        let Some(next) = between.down.pop_front() else { return Ok(false) };
        frame.extend_from_slice(&next);
        between.taken.push(next);
        Ok(true)
    }

    fn prepare_sleep(&mut self) -> bool {
        true
    }

    fn finish_sleep(&mut self) {}
}

/// A journal whose disk is always there; it keeps no frame.
#[derive(Debug, Default)]
pub struct MemoryJournal(u64);

impl JournalSink for MemoryJournal {
    fn append(&mut self, _: FrameKind, _: &[u8]) -> Result<u64, JournalFull> {
        self.0 += 1;
        Ok(self.0)
    }

    fn durable(&self) -> u64 {
        self.0
    }

    fn reserve(&mut self, _: u32) -> Result<(), JournalFull> {
        Ok(())
    }

    fn release(&mut self, _: u32) {}
}

/// What a rig is told beside its packets.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The listener, and the address of media.
    pub listener: SocketAddr,
    /// The trunk that calls.
    pub caller: SocketAddr,
    /// The trunk that is called.
    pub called: SocketAddr,
    /// In which order ports of media are taken.
    pub seed: u64,
    /// T1 (RFC 3261 table 4), milliseconds.
    pub t1_ms: u32,
}

/// The place in memory.
pub const IN_MEMORY: Place = Place {
    listener: LISTENER,
    caller: CALLER,
    called: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5090),
    seed: 11,
    t1_ms: 500,
};

/// A shard and its control plane.
pub struct Rig<I: Io> {
    /// The shard.
    pub shard: Shard<I, MemoryJournal, MemoryLink, Vec<AtomicU64>>,
    between: Rc<RefCell<Between>>,
    called: SocketAddr,
}

impl<I: Io> Rig<I> {
    /// A shard over `io`, greeted, with its edge snapshot. `None` only if a constant were wrong.
    #[must_use]
    pub fn new(io: I, place: Place) -> Option<Rig<I>> {
        let between = Rc::new(RefCell::new(Between::default()));
        {
            let mut between = between.borrow_mut();
            between.up.reserve(FRAME_BYTES);
            between.ends.reserve(FRAME_BYTES / 64);
            between.taken.reserve(FRAME_BYTES / 64);
            between.down.push_back(Down::Hello(Hello { origin: 7, node: 0 }).to_bytes());
            between.down.push_back(Down::Edge(Box::new(edge(place))).to_bytes());
        }
        let words = || {
            let count = words_needed(SLOTS, CHUNKS)?;
            Some((0..count).map(|_| AtomicU64::new(0)).collect::<Vec<_>>())
        };
        let fresh =
            TableSetup { seg: 0, node: 0, boot_id: 1, token_key: 9, slots: SLOTS, chunks: CHUNKS };
        let table = Table::create(words()?, &fresh, 1).ok()?;
        let link = MemoryLink(Rc::clone(&between));
        let shard = Shard::new(setup(place)?, io, MemoryJournal::default(), link, table)?;
        let mut rig = Rig { shard, between, called: place.called };
        rig.shard.turn();
        rig.shard.is_ready().then_some(rig)
    }

    /// Answers every ask that has come up; returns how many frames came.
    pub fn decide(&mut self) -> usize {
        let mut between = self.between.borrow_mut();
        let Between { down, taken, up, ends, .. } = &mut *between;
        let mut begin = 0;
        for end in ends.iter() {
            down.extend(up.get(begin..*end).and_then(|frame| self.answer(frame)));
            begin = *end;
        }
        let frames = ends.len();
        ends.clear();
        up.clear();
        taken.clear();
        frames
    }

    /// Has `office` answer what has come up, as the decider has; returns how many frames came.
    pub fn decide_by(&mut self, office: &mut Office, now: Tick, wall_us: i64) -> usize {
        let mut between = self.between.borrow_mut();
        let Between { down, taken, up, ends, .. } = &mut *between;
        let mut begin = 0;
        for end in ends.iter() {
            if let Ok(frame) = Up::from_bytes(up.get(begin..*end).unwrap_or_default()) {
                office.handle_up(frame, now, wall_us);
            }
            begin = *end;
            while let Some(order) = office.next_keep(now) {
                down.push_back(Down::Keep(Box::new(order)).to_bytes());
            }
            while let Some(output) = office.poll_output() {
                if let Output::Down(answer) = output {
                    down.push_back(answer.to_bytes());
                }
            }
        }
        let frames = ends.len();
        ends.clear();
        up.clear();
        taken.clear();
        frames
    }

    fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let Ok(Up::Ask(ask)) = Up::from_bytes(frame) else { return None };
        let Ask { id, .. } = *ask;
        let Answer { ask, body: AnswerBody::Go(mut go) } = frames::answer(id) else { return None };
        for branch in go.stages.iter_mut().flat_map(|stage| &mut stage.branches) {
            branch.target.address = self.called;
            branch.target.uri = format!("sip:441632960123@{}", self.called);
        }
        let answer = Answer { ask, body: AnswerBody::Go(go) };
        Some(Down::Answer(Box::new(answer)).to_bytes())
    }

    /// Reports of counters so far: about one a second.
    #[must_use]
    pub fn reports(&self) -> u64 {
        self.between.borrow().reports
    }
}

fn edge(place: Place) -> Edge {
    let trunk = |at: SocketAddr, id| EdgeSource {
        network: at.ip(),
        prefix_len: if at.is_ipv4() { 32 } else { 128 },
        port: at.port(),
        action: SourceAction::Trunk(id),
    };
    Edge {
        version: 1,
        realm: crate::plan::REALM.into(),
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        nonce_key: [5; 16],
        nonce_valid_s: 300,
        sources: vec![trunk(place.caller, 2), trunk(place.called, 1)],
        emergency: Vec::new(),
    }
}

fn setup(place: Place) -> Option<Setup> {
    let key = |byte| Key([byte; 16]);
    let mut sip = SipConfig::new(key(9), key(3), Nonces::new(key(5), 300));
    let (t1_ms, at) = (place.t1_ms, place.listener);
    sip.timers = Timers::new(t1_ms, 8 * t1_ms, 10 * t1_ms).ok()?;
    sip.listeners = vec![Listener { transport: Transport::Udp, local: at, advertised: at }];
    Some(Setup {
        sip,
        limits: Limits::default(),
        calls: CallsConfig {
            seg: 0,
            slots: SLOTS,
            shard: 0,
            ask_base: 1,
            first_gen: 1,
            ask_timeout_ms: 3_000,
            call_ms_max: 0,
            related_call_ids: false,
        },
        media: MediaConfig {
            addresses: vec![MediaAddress { local: at.ip(), advertised: at.ip() }],
            of_listener: vec![0],
            port_min: 16_384,
            port_max: 32_767,
            pairs_max: 4_096,
            // Its turns are faster than any stream.
            flow_packets_max: u32::MAX,
            seed: place.seed,
            secret: KeySecret([place.seed as u8; 32]),
        },
        ask_timeout_ms: 3_000,
    })
}
