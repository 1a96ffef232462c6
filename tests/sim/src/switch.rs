//! The dataplane of a simulated switch: the real [`Shard`] over simulated traits.

use crate::cable::{Cable, SimLink};
use crate::disk::{Disk, SimJournal};
use crate::io::{Clock, Machine, SimIo};
use crate::plan::SWITCH;
use crate::probe::{Place, SharedProbe};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use strowger_call::CallsConfig;
use strowger_link::codec::{decode, encode};
use strowger_link::journal::FrameKind;
use strowger_link::table::{Reader, Setup as TableSetup, Table, words_needed};
use strowger_link::{CallFacts, Key, Reason, RecordId, Tick, Transport};
use strowger_port::net::JournalSink;
use strowger_shard::{MediaAddress, MediaConfig, Setup, Shard};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{Config as SipConfig, Listener};

/// Slots of the call table.
pub(crate) const SLOTS: u32 = 64;
/// Chunks of the call table.
const CHUNKS: u32 = 256;
/// First and last media port.
const PORTS: (u16, u16) = (16_384, 16_895);
/// How long asks wait, milliseconds.
const ASK_TIMEOUT_MS: u32 = 3_000;

/// Words that both planes map. The dataplane's own handle tells the probe of each use.
#[derive(Clone)]
pub struct Words {
    words: Rc<Vec<AtomicU64>>,
    probe: Option<SharedProbe>,
}

impl Words {
    /// Words with these values.
    #[must_use]
    pub fn from_values(values: Vec<u64>) -> Words {
        Words { words: Rc::new(values.into_iter().map(AtomicU64::new).collect()), probe: None }
    }

    /// Their values now.
    #[must_use]
    pub fn values(&self) -> Vec<u64> {
        self.words.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    /// Other words with the same values.
    #[must_use]
    pub fn copy(&self) -> Words {
        Words::from_values(self.values())
    }

    /// The same words for a reader.
    #[must_use]
    pub fn unwatched(&self) -> Words {
        Words { words: Rc::clone(&self.words), probe: None }
    }

    fn watched(&self, probe: &SharedProbe) -> Words {
        Words { words: Rc::clone(&self.words), probe: Some(Rc::clone(probe)) }
    }
}

impl AsRef<[AtomicU64]> for Words {
    fn as_ref(&self) -> &[AtomicU64] {
        if let Some(probe) = &self.probe {
            probe.borrow_mut().effect(Place::Table);
        }
        &self.words
    }
}

/// The shard under test.
pub type SimShard = Shard<SimIo, SimJournal, SimLink, Words>;

/// What a dataplane is plugged into.
#[derive(Clone)]
pub struct Plugs {
    /// The clock.
    pub clock: Clock,
    /// The host.
    pub machine: Rc<RefCell<Machine>>,
    /// The log.
    pub disk: Rc<RefCell<Disk>>,
    /// The link.
    pub cable: Rc<RefCell<Cable>>,
    /// What sees all of these.
    pub probe: SharedProbe,
}

/// Calls that the last life left in its table, ended at its last heartbeat, but for those whose
/// records stand in the journal: what `switchd` records at its start.
#[must_use]
pub fn lost_calls(words: &Words, disk: &Disk) -> Vec<CallFacts> {
    let Ok(reader) = Reader::attach(words.unwatched()) else { return Vec::new() };
    let (heartbeat, _) = reader.heartbeat();
    let recorded: BTreeSet<RecordId> = disk
        .frames
        .iter()
        .filter(|frame| frame.kind == FrameKind::Ended)
        .filter_map(|frame| decode::<CallFacts>(&frame.payload).ok())
        .map(|facts| facts.record)
        .collect();
    let mut lost = Vec::new();
    for (_, mut facts) in crate::control::slots(words) {
        if !facts.settlement.0.is_empty() && !recorded.contains(&facts.record) {
            facts.close_at(heartbeat, Reason::ProcessLost);
            lost.push(facts);
        }
    }
    lost
}

/// One life of the dataplane.
pub struct Switch {
    /// The shard.
    pub shard: SimShard,
    /// Its call table.
    pub words: Words,
    /// Its number.
    pub epoch: u32,
    /// When its next turn is due.
    pub due: Tick,
}

impl Switch {
    /// Life `epoch` begins and records what the last one `lost`; `None` only if a constant here
    /// were wrong.
    #[must_use]
    pub fn start(plugs: &Plugs, epoch: u32, seed: u64, lost: &[CallFacts]) -> Option<Switch> {
        let count = words_needed(SLOTS, CHUNKS)?;
        let words = Words::from_values(vec![0; count]);
        let token_key = u128::from(seed) << 64 | u128::from(epoch);
        let table_setup = TableSetup {
            seg: 0,
            node: crate::control::NODE,
            boot_id: 1,
            token_key,
            slots: SLOTS,
            chunks: CHUNKS,
        };
        let table = Table::create(words.watched(&plugs.probe), &table_setup, epoch).ok()?;
        let io = SimIo::new(plugs);
        let mut journal = SimJournal::new(plugs, epoch);
        for facts in lost {
            journal.append(FrameKind::Ended, &encode(facts)).ok()?;
        }
        plugs.probe.borrow_mut().watch(&words);
        let link = SimLink::new(plugs);
        let now = plugs.clock.get();
        let setup = setup(Key(token_key.to_le_bytes()), epoch, seed, now);
        let shard = Shard::new(setup, io, journal, link, table)?;
        Some(Switch { shard, words, epoch, due: now })
    }

    /// One turn; returns the time of the next.
    pub fn turn(&mut self) -> Tick {
        let until = self.shard.turn();
        self.shard.wait(until);
        self.due = until;
        until
    }
}

fn setup(token_key: Key, epoch: u32, seed: u64, now: Tick) -> Setup {
    let chance = Key((u128::from(seed ^ 0x5EED) << 32 | u128::from(epoch)).to_le_bytes());
    let mut sip = SipConfig::new(token_key, chance, Nonces::new(chance, 0));
    let listener = Listener { transport: Transport::Udp, local: SWITCH, advertised: SWITCH };
    sip.listeners = vec![listener];
    let address = MediaAddress { local: SWITCH.ip(), advertised: SWITCH.ip() };
    let (port_min, port_max) = PORTS;
    Setup {
        sip,
        calls: CallsConfig {
            seg: 0,
            slots: SLOTS,
            shard: 0,
            ask_base: now.0 / 1_000,
            first_gen: (epoch as u16).wrapping_mul(257),
            ask_timeout_ms: ASK_TIMEOUT_MS,
        },
        media: MediaConfig {
            addresses: vec![address],
            port_min,
            port_max,
            pairs_max: usize::from(port_max - port_min).div_ceil(4),
            seed,
        },
        ask_timeout_ms: ASK_TIMEOUT_MS,
    }
}
