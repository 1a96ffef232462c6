//! The dataplane of a simulated switch: the real [`Shard`] over simulated traits.

use crate::cable::{Cable, SimLink};
use crate::disk::{Disk, Frame, SimJournal};
use crate::io::{Clock, Machine, SimIo};
use crate::plan::LISTENERS;
use crate::probe::{Place, SharedProbe};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use strowger_call::CallsConfig;
use strowger_link::codec::{decode, encode};
use strowger_link::journal::{Frame as JournalFrame, FrameKind, Ledger};
use strowger_link::table::{Setup as TableSetup, SlotState, Table, words_needed};
use strowger_link::{CallFacts, Key, Octets, RecordId, SlotBody, Tick, Transport};
use strowger_shard::{Adopted, Limits, MediaAddress, MediaConfig, Setup, Shard};
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

/// The planted fault that never writes the image of a call again: it has the one of its answer.
pub fn make_stale(words: &Words, images: &BTreeMap<RecordId, Octets>) {
    let Ok(mut table) = Table::adopt(words.unwatched(), 0) else { return };
    for (head, body) in crate::control::bodies(words) {
        if head.state == SlotState::Answered
            && let Some(image) = images.get(&head.record)
        {
            let stale = SlotBody { facts: body.facts, image: image.clone() };
            let _as_before = table.write(head.slot, head.state, head.ask, &encode(&stale));
        }
    }
}

/// The planted fault that keeps no leg of a call that has ended.
pub fn forget_last_words(words: &Words) {
    let Ok(mut table) = Table::adopt(words.unwatched(), 0) else { return };
    for (head, body) in crate::control::bodies(words) {
        if matches!(head.state, SlotState::Ended | SlotState::Leaving) {
            let bare = SlotBody { facts: body.facts, image: Octets::default() };
            let _as_before = table.write(head.slot, head.state, head.ask, &encode(&bare));
        }
    }
}

/// Calls that were answered, have not ended, and stand in no table, ended at the last mark of the
/// life that carried them: what `switchd` finds in the journal after a power cut.
fn cut_off(disk: &Disk, held: &BTreeSet<RecordId>) -> Vec<CallFacts> {
    let mut ledger = Ledger::default();
    for (seq, frame) in (0..).zip(&disk.frames) {
        let Frame { kind, payload, epoch } = frame;
        ledger.take(*epoch, &JournalFrame { kind: *kind, shard: 0, seq, payload });
    }
    held.iter().for_each(|record| ledger.forget(*record));
    ledger.close().calls
}

/// Records that stand in the journal as ended.
fn recorded(disk: &Disk) -> BTreeSet<RecordId> {
    let ended = disk.frames.iter().filter(|frame| frame.kind == FrameKind::Ended);
    let facts = ended.filter_map(|frame| decode::<CallFacts>(&frame.payload).ok());
    facts.map(|facts| facts.record).collect()
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
    /// Life `epoch` begins, in the table that the last one left if there is one, and takes up its
    /// calls as `switchd` does; `None` only if a constant here were wrong.
    #[must_use]
    pub fn start(
        plugs: &Plugs,
        epoch: u32,
        seed: u64,
        limits: &Limits,
        former: Option<&Words>,
    ) -> Option<(Switch, Adopted)> {
        let words = match former {
            Some(words) => words.unwatched(),
            None => Words::from_values(vec![0; words_needed(SLOTS, CHUNKS)?]),
        };
        let fresh = TableSetup {
            seg: 0,
            node: crate::control::NODE,
            boot_id: 1,
            token_key: u128::from(seed) << 64 | u128::from(epoch),
            slots: SLOTS,
            chunks: CHUNKS,
        };
        if former.is_none() {
            let _formatted = Table::create(words.unwatched(), &fresh, epoch).ok()?;
        }
        let held = crate::control::slots(&words).into_iter().map(|(_, facts)| facts.record);
        let cut = cut_off(&plugs.disk.borrow(), &held.collect());
        SimJournal::new(plugs, epoch).record(&cut).ok()?;
        plugs.probe.borrow_mut().watch(&words);
        let table = Table::adopt(words.watched(&plugs.probe), epoch).ok()?;
        let token_key = Key(table.setup().token_key.to_le_bytes());
        let now = plugs.clock.get();
        let setup = Setup { limits: limits.clone(), ..setup(token_key, epoch, seed, now) };
        let (io, journal) = (SimIo::new(plugs), SimJournal::new(plugs, epoch));
        let mut shard = Shard::new(setup, io, journal, SimLink::new(plugs), table)?;
        let recorded = recorded(&plugs.disk.borrow());
        plugs.probe.borrow_mut().adopting = true;
        let adopted = match former {
            Some(_) => shard.adopt(&recorded),
            None => Adopted::default(),
        };
        plugs.probe.borrow_mut().adopting = false;
        Some((Switch { shard, words, epoch, due: now }, adopted))
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
    let listener = |at| Listener { transport: Transport::Udp, local: at, advertised: at };
    sip.listeners = LISTENERS.map(listener).to_vec();
    let address = |at: SocketAddr| MediaAddress { local: at.ip(), advertised: at.ip() };
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
            addresses: LISTENERS.map(address).to_vec(),
            of_listener: vec![0, 1],
            port_min,
            port_max,
            pairs_max: usize::from(port_max - port_min).div_ceil(4),
            seed,
        },
        ask_timeout_ms: ASK_TIMEOUT_MS,
        limits: Limits::default(),
    }
}
