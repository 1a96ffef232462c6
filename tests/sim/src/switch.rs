//! The dataplane of a simulated switch: the real [`Shard`] over simulated traits.

use crate::cable::{Cable, SimLink};
use crate::disk::{Disk, Frame, SimJournal};
use crate::io::{Clock, Machine, SimIo};
use crate::plan::LISTENERS;
use crate::probe::{Place, SharedProbe};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use strowger_call::CallsConfig;
use strowger_link::codec::{decode, encode};
use strowger_link::journal::{Frame as JournalFrame, FrameKind, Ledger};
use strowger_link::table::{Setup as TableSetup, SlotState, Table, words_needed};
use strowger_link::{CallFacts, Key, Octets, RecordId, SlotBody, Tick, Transport};
use strowger_shard::{
    Adopted, KeySecret, Limits, MediaAddress, MediaConfig, MeshConfig, Setup, Shard, SharedGauges,
};
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
        let Frame { kind, payload, epoch, shard } = frame;
        ledger.take(*epoch, &JournalFrame { kind: *kind, shard: *shard, seq, payload });
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
    /// The shards; the first one is the door.
    pub shards: Vec<SimShard>,
    /// Their call tables.
    pub words: Vec<Words>,
    /// Its number.
    pub epoch: u32,
    /// When its next turn is due.
    pub due: Tick,
    /// When that of each shard is.
    dues: Vec<Tick>,
    /// Turns so far: shards take them in either order.
    turns: usize,
}

/// The table of a shard, made anew.
fn fresh(seed: u64, epoch: u32, seg: u8) -> Option<Words> {
    let words = Words::from_values(vec![0; words_needed(SLOTS, CHUNKS)?]);
    let fresh = TableSetup {
        seg,
        node: crate::control::NODE,
        boot_id: 1,
        token_key: u128::from(seed) << 64 | u128::from(epoch),
        slots: SLOTS,
        chunks: CHUNKS,
    };
    Table::create(words.unwatched(), &fresh, epoch).ok()?;
    Some(words)
}

impl Switch {
    /// Life `epoch` begins, in the tables that the last one left if there are any, and takes up
    /// their calls as `switchd` does; `None` only if a constant here were wrong.
    #[must_use]
    pub fn start(
        plugs: &Plugs,
        (epoch, count): (u32, u8),
        seed: u64,
        limits: &Limits,
        former: Option<&[Words]>,
    ) -> Option<(Switch, Adopted)> {
        let words: Vec<Words> = match former {
            Some(former) => former.iter().map(Words::unwatched).collect(),
            None => (0..count).map(|seg| fresh(seed, epoch, seg)).collect::<Option<_>>()?,
        };
        let slots = words.iter().flat_map(crate::control::slots);
        let held = slots.map(|(_, facts)| facts.record).collect();
        let cut = cut_off(&plugs.disk.borrow(), &held);
        SimJournal::new(plugs, epoch, 0).record(&cut).ok()?;
        plugs.probe.borrow_mut().watch(&words);
        plugs.cable.borrow_mut().set_shards(count);
        plugs.machine.borrow_mut().mesh = vec![VecDeque::new(); count.into()];
        let gauges = SharedGauges::default();
        let mut shards = Vec::new();
        for (number, words) in (0..count).zip(&words) {
            let table = Table::adopt(words.watched(&plugs.probe), epoch).ok()?;
            let token_key = Key(table.setup().token_key.to_le_bytes());
            let now = plugs.clock.get();
            let setup = setup(token_key, epoch, seed, now, (number, count));
            let mut setup = Setup { limits: limits.clone(), ..setup };
            setup.limits.streams.epoch = epoch as u16;
            let (io, link) = (SimIo::new(plugs, number), SimLink::new(plugs, number));
            let journal = SimJournal::new(plugs, epoch, number);
            let mut shard = Shard::new(setup, io, journal, link, table)?;
            let mesh = MeshConfig { shards: count, token_key, gauges: gauges.clone() };
            if count > 1 && !shard.join(&mesh) {
                return None;
            }
            shards.push(shard);
        }
        let recorded = recorded(&plugs.disk.borrow());
        let mut adopted = Adopted::default();
        plugs.probe.borrow_mut().adopting = true;
        for shard in shards.iter_mut().filter(|_| former.is_some()) {
            let of = shard.adopt(&recorded);
            adopted.adopted += of.adopted;
            adopted.ended += of.ended;
            adopted.left += of.left;
            adopted.quarantined += of.quarantined;
            adopted.unreadable += of.unreadable;
        }
        plugs.probe.borrow_mut().adopting = false;
        let due = plugs.clock.get();
        let dues = vec![due; shards.len()];
        Some((Switch { shards, words, epoch, due, dues, turns: 0 }, adopted))
    }

    /// One turn of each shard that is due or has something to take, of all if the switch was woken;
    /// returns the time of the next.
    pub fn turn(&mut self, plugs: &Plugs, now: Tick) -> Tick {
        let woken = self.dues.iter().all(|due| *due > now);
        let some_wait = {
            let machine = plugs.machine.borrow();
            !machine.sip_in.is_empty() || !machine.media_in.is_empty()
        };
        let count = self.shards.len();
        for turn in 0..count {
            let at = (self.turns + turn).checked_rem(count).unwrap_or(0);
            let words = || plugs.machine.borrow().mesh.get(at).is_some_and(|m| !m.is_empty());
            let waits = some_wait || words() || plugs.cable.borrow().has_down_for(at);
            let (Some(shard), Some(due)) = (self.shards.get_mut(at), self.dues.get_mut(at)) else {
                continue;
            };
            if woken || waits || *due <= now {
                let until = shard.turn();
                shard.wait(until);
                *due = until;
            }
        }
        self.turns += 1;
        let next = self.dues.iter().copied().min().unwrap_or(now);
        let more = plugs.machine.borrow().mesh.iter().any(|inlet| !inlet.is_empty());
        self.due = if more { now } else { next };
        self.due
    }

    /// Whether any of its shards has turned.
    #[must_use]
    pub fn has_turned(&self) -> bool {
        self.shards.iter().any(|shard| shard.counts().turns > 0)
    }

    /// The door.
    #[must_use]
    pub fn door(&self) -> Option<&SimShard> {
        self.shards.first()
    }

    /// Gauges in use: shards count them together.
    #[must_use]
    pub fn gauges_in_use(&self) -> u64 {
        self.door().map_or(0, SimShard::gauges_in_use)
    }
}

/// No two lives and no two shards make the same keys.
fn key_secret(seed: u64, epoch: u32, shard: u8) -> KeySecret {
    let mut octets = [shard; 32];
    octets[..8].copy_from_slice(&seed.to_le_bytes());
    octets[8..12].copy_from_slice(&epoch.to_le_bytes());
    KeySecret(octets)
}

fn setup(token_key: Key, epoch: u32, seed: u64, now: Tick, (shard, of): (u8, u8)) -> Setup {
    let chance = u128::from(seed ^ 0x5EED) << 32 | u128::from(epoch);
    let chance = Key((chance | u128::from(shard) << 120).to_le_bytes());
    let mut sip = SipConfig::new(token_key, chance, Nonces::new(chance, 0));
    let listener = |transport| move |at| Listener { transport, local: at, advertised: at };
    sip.listeners = LISTENERS.map(listener(Transport::Udp)).to_vec();
    sip.listeners.extend(LISTENERS.map(listener(Transport::Tcp)));
    let address = |at: SocketAddr| MediaAddress { local: at.ip(), advertised: at.ip() };
    let each = (PORTS.1 - PORTS.0 + 1) / u16::from(of);
    let port_min = PORTS.0 + each * u16::from(shard);
    let port_max = port_min + each - 1;
    Setup {
        sip,
        calls: CallsConfig {
            seg: shard,
            slots: SLOTS,
            shard,
            ask_base: now.0 / 1_000,
            first_gen: (epoch as u16).wrapping_mul(257),
            ask_timeout_ms: ASK_TIMEOUT_MS,
            call_ms_max: 0,
            related_call_ids: false,
        },
        media: MediaConfig {
            addresses: LISTENERS.map(address).to_vec(),
            of_listener: vec![0, 1, 0, 1],
            port_min,
            port_max,
            pairs_max: usize::from(port_max - port_min).div_ceil(4),
            flow_packets_max: 0,
            seed: seed ^ u64::from(shard) << 60,
            secret: key_secret(seed, epoch, shard),
        },
        ask_timeout_ms: ASK_TIMEOUT_MS,
        limits: Limits::default(),
    }
}
