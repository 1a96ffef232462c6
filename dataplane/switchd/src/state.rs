//! What outlives this process: the number of its life, and the call table.

use crate::complain;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strowger_link::codec::decode;
use strowger_link::journal::{FrameKind, Position};
use strowger_link::table::{Reader as TableReader, Setup, SlotState, Table, words_needed};
use strowger_link::tape::{Tape, words_needed as words_of_tape};
use strowger_link::{CallFacts, Key, Reason, RecordId, SHARDS_MAX, SlotBody};
use strowger_port::journal_file::{Cursor, Entry, JournalReader, list_segments};
use strowger_port::process::boot_id;
use strowger_port::rng;
use strowger_port::shm::{self, Mapping, Window};

/// Chunks of the call table for each slot: facts and settlement of a call beyond its slot.
const CHUNKS_PER_SLOT: u32 = 4;

/// The call table and who may name its slots.
pub(crate) struct CallTable {
    /// The file, for the control plane.
    pub(crate) file: OwnedFd,
    /// Its memory.
    pub(crate) memory: Arc<Mapping>,
    /// The writing side.
    pub(crate) table: Table<Window>,
    /// Key of tokens in tags and branches.
    pub(crate) token_key: Key,
    /// Its number of slots.
    pub(crate) slots: u32,
    /// Records of the calls of a former life in it.
    pub(crate) records: BTreeSet<RecordId>,
}

/// Counts the lives of this node's dataplane: read, raised and made durable before anything else.
///
/// # Errors
/// The file cannot be read or written, or holds no number.
pub(crate) fn next_epoch(dir: &Path) -> io::Result<u32> {
    let file = dir.join("epoch");
    let last: u32 = match fs::read_to_string(&file) {
        Ok(text) => text.trim().parse().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: no number", file.display()))
        })?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        Err(e) => return Err(e),
    };
    let next = last.wrapping_add(1).max(1);
    let new = dir.join("epoch.new");
    let mut out = fs::File::create(&new)?;
    writeln!(out, "{next}")?;
    out.sync_all()?;
    fs::rename(&new, &file)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(next)
}

/// Makes the call table of one shard in this life; the key of its tokens is that of all.
///
/// # Errors
/// No room on the file system.
pub(crate) fn call_table(
    file: &Path,
    (seg, node): (u8, u32),
    slots: u32,
    (epoch, token_key): (u32, u128),
) -> io::Result<CallTable> {
    let chunks = slots.saturating_mul(CHUNKS_PER_SLOT);
    let setup = Setup { seg, node, boot_id: boot_id(), token_key, slots, chunks };
    let words = words_needed(slots, chunks).ok_or(io::ErrorKind::InvalidInput)?;
    match fs::remove_file(file) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let (fd, mapping) = shm::create_file(file, words)?;
    let memory = Arc::new(mapping);
    let window = Window::new(&memory, 0, words).ok_or(io::ErrorKind::InvalidInput)?;
    let table = Table::create(window, &setup, epoch).map_err(|_| io::ErrorKind::InvalidInput)?;
    let token_key = Key(token_key.to_le_bytes());
    Ok(CallTable { file: fd, memory, table, token_key, slots, records: BTreeSet::new() })
}

/// The file of a shard's call table.
pub(crate) fn table_file(run_dir: &Path, shard: u8) -> PathBuf {
    run_dir.join(format!("calls-{shard}.table"))
}

/// The call tables that a former life of this boot and this node left, to be gone on with; `None`
/// when there are none that this release can read. Without calls in any they are made anew if the
/// number of shards or slots has changed.
///
/// # Errors
/// One line for a person: a file is there and cannot be mapped, or calls are up in other tables
/// than those of so many shards.
pub(crate) fn former_tables(
    run_dir: &Path,
    node: u32,
    (shards, slots): (u8, u32),
    epoch: u32,
) -> Result<Option<Vec<CallTable>>, String> {
    let mut found = Vec::new();
    for seg in 0..SHARDS_MAX {
        let file = table_file(run_dir, seg);
        let table = former_table(&file, (seg, node), epoch);
        if let Some(table) = table.map_err(|e| format!("{}: {e}", file.display()))? {
            found.push((seg, table));
        }
    }
    let calls = |(_, table): &(u8, CallTable)| !table.records.is_empty();
    let up = found.iter().filter(|table| calls(table)).count();
    let is_whole = found.iter().map(|(seg, _)| *seg).eq(0..shards)
        && found
            .iter()
            .all(|(_, table)| Some(table.token_key) == found.first().map(|f| f.1.token_key));
    let same_slots = found.iter().all(|(_, table)| table.slots == slots);
    match (is_whole, up) {
        (false, 0) => Ok(None),
        (false, _) => Err(format!(
            "cores.count: calls are up in {} call tables, this is to be {shards} shard(s): start \
             with as many as before until they have ended",
            found.len()
        )),
        (true, 0) if !same_slots => Ok(None),
        (true, _) => {
            if let Some((_, old)) = found.iter().find(|(_, table)| table.slots != slots) {
                let old = old.slots;
                complain(&format!("calls are up: the table keeps its {old} slots, not {slots}"));
            }
            Ok(Some(found.into_iter().map(|(_, table)| table).collect()))
        }
    }
}

/// Makes the call tables of this life, and removes those of shards that are no more.
///
/// # Errors
/// One line for a person: no room on the file system, or no randomness.
pub(crate) fn call_tables(
    run_dir: &Path,
    node: u32,
    (shards, slots): (u8, u32),
    epoch: u32,
) -> Result<Vec<CallTable>, String> {
    let token_key = rng::random_u128().map_err(|e| format!("randomness: {e}"))?;
    for gone in shards..SHARDS_MAX {
        // Most were never there.
        let _none = fs::remove_file(table_file(run_dir, gone));
    }
    let make = |seg: u8| {
        let file = table_file(run_dir, seg);
        call_table(&file, (seg, node), slots, (epoch, token_key))
            .map_err(|e| format!("{}: {e}", file.display()))
    };
    (0..shards).map(make).collect()
}

/// A call table that a former life of this boot and this node left; `None` when there is none that
/// this release can read.
///
/// # Errors
/// The file is there and cannot be mapped.
fn former_table(file: &Path, (seg, node): (u8, u32), epoch: u32) -> io::Result<Option<CallTable>> {
    let (fd, mapping) = match shm::open_file(file) {
        Ok(opened) => opened,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let memory = Arc::new(mapping);
    let words = memory.words().len();
    let window = Window::new(&memory, 0, words).ok_or(io::ErrorKind::InvalidInput)?;
    // Looked at before it is touched: another boot's table is read by `lost_calls`.
    let look = Window::new(&memory, 0, words).ok_or(io::ErrorKind::InvalidInput)?;
    let Ok(reader) = TableReader::attach(look) else { return Ok(None) };
    let found = *reader.setup();
    if found.boot_id != boot_id() || found.node != node || found.seg != seg {
        return Ok(None);
    }
    let Ok(table) = Table::adopt(window, epoch) else { return Ok(None) };
    let mut body = Vec::new();
    let mut record = |idx: u32| {
        let head = table.read(u16::try_from(idx).ok()?, &mut body).ok()??;
        Some(head.record)
    };
    let records: BTreeSet<RecordId> = (0..found.slots).filter_map(&mut record).collect();
    let token_key = Key(found.token_key.to_le_bytes());
    Ok(Some(CallTable { file: fd, memory, table, token_key, slots: found.slots, records }))
}

/// The tape of messages, the one of the former life if it has the same length; `None` = of no
/// length.
///
/// # Errors
/// One line for a person: no room on the file system, or the file is another's.
pub(crate) fn tape(file: &Path, mib: u32) -> Result<Option<Tape<Window>>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let bytes = usize::try_from(u64::from(mib) << 20).map_err(|e| wrong(&e))?;
    let words = if mib == 0 { 0 } else { words_of_tape(bytes) };
    let former = shm::open_file(file).ok().filter(|(_, mapping)| mapping.words().len() == words);
    let mapping = match former {
        Some((_, mapping)) => mapping,
        None => {
            match fs::remove_file(file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(wrong(&e)),
                Ok(()) | Err(_) => {}
            }
            if words == 0 {
                return Ok(None);
            }
            shm::create_file(file, words).map_err(|e| wrong(&e))?.1
        }
    };
    let window = Window::new(&Arc::new(mapping), 0, words).ok_or_else(|| wrong(&"too short"))?;
    Tape::open(window).map(Some).map_err(|_| wrong(&"no room for a tape"))
}

/// Calls in a call table that cannot be gone on with (another boot of the host), ended at its last
/// heartbeat, so that none goes unbilled. Calls whose record stands in the journal already are left
/// out, and so are attempts of which nobody had decided.
///
/// Called before [`call_table`] makes a new one. A table that cannot be read, or of another boot,
/// has nothing to tell; [`crate::power`] asks the journal then.
///
/// # Errors
/// The journal cannot be read.
pub(crate) fn lost_calls(file: &Path, journal: &Path) -> io::Result<Vec<CallFacts>> {
    let Ok((_fd, mapping)) = shm::open_file(file) else { return Ok(Vec::new()) };
    let Ok(table) = TableReader::attach(mapping) else { return Ok(Vec::new()) };
    if table.setup().boot_id != boot_id() {
        // A disk may have kept any mixture of its pages: only the journal is believed then.
        return Ok(Vec::new());
    }
    let (heartbeat, _) = table.heartbeat();
    let mut body = Vec::new();
    let mut lost: BTreeMap<RecordId, CallFacts> = BTreeMap::new();
    for idx in 0..table.setup().slots {
        let Ok(idx) = u16::try_from(idx) else { break };
        let read = table.read(idx, &mut body);
        if let Err(e) = read {
            complain(&format!("slot {idx} of the last call table cannot be read ({e:?})"));
        }
        let Ok(Some(head)) = read else { continue };
        let Ok(SlotBody { mut facts, .. }) = decode(&body) else { continue };
        match head.state {
            SlotState::Ringing | SlotState::Answered | SlotState::Ended => {
                facts.close_at(heartbeat, Reason::ProcessLost);
                lost.insert(facts.record, facts);
            }
            SlotState::Free | SlotState::Asked | SlotState::Leaving => {}
        }
    }
    if !lost.is_empty() {
        for record in recorded(journal)? {
            lost.remove(&record);
        }
    }
    Ok(lost.into_values().collect())
}

/// Records that ended in the journal's last two segments. A slot leaves one group commit after its
/// record is durable, so older segments cannot hold the record of a slot that does not.
///
/// # Errors
/// The journal cannot be read.
pub(crate) fn recorded(journal: &Path) -> io::Result<BTreeSet<RecordId>> {
    let segments = list_segments(journal)?;
    let Some(&first) = segments.iter().rev().nth(1).or(segments.first()) else {
        return Ok(BTreeSet::new());
    };
    let position = Position { segment: first, offset: 0 };
    let mut reader = JournalReader::new(journal, Cursor { position, next_seq: 0 });
    let mut records = BTreeSet::new();
    loop {
        match reader.next(None)? {
            Entry::Frame { frame, .. } if frame.kind == FrameKind::Ended => {
                records.extend(decode::<CallFacts>(frame.payload).map(|facts| facts.record));
            }
            Entry::Frame { .. } | Entry::Damaged { .. } | Entry::Missing { .. } => {}
            Entry::Wait => return Ok(records),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_link::{AskId, Began, Fact, Octets, SlotRef, Tick};
    use strowger_port::eventfd::EventFd;
    use strowger_port::journal_file::{Journal, JournalConfig};
    use strowger_port::net::JournalSink;

    fn facts(seq: u64, slot: SlotRef) -> CallFacts {
        let began = Began {
            at: Tick(1_000),
            listener: 0,
            source: None,
            received: "44".into(),
            from_user: "1001".into(),
            display: String::new(),
            sip_call_id: "c".into(),
            user_agent: String::new(),
        };
        CallFacts {
            record: RecordId::new(1, seq).unwrap(),
            ask: AskId(seq),
            slot,
            anchor_us: 0,
            settlement: Octets(vec![1]),
            facts: vec![Fact::Began(Box::new(began))],
        }
    }

    #[test]
    fn calls_of_the_last_life_are_ended_once() {
        let dir = std::env::temp_dir().join(format!("strowger-lost-{}", std::process::id()));
        let journal_dir = dir.join("journal");
        fs::create_dir_all(&journal_dir).unwrap();
        let file = dir.join("calls.table");
        assert!(lost_calls(&file, &journal_dir).unwrap().is_empty());
        let mut old = call_table(&file, (0, 0), 16, (1, 7)).unwrap();
        for idx in 0..3 {
            let slot = SlotRef { seg: 0, idx, r#gen: 7 };
            let mut of_call = facts(idx.into(), slot);
            if idx == 1 {
                // An emergency call by the table of the dataplane.
                of_call.settlement = Octets::default();
            }
            let image = Octets::default();
            let (record, ask) = (of_call.record, of_call.ask);
            let body = strowger_link::codec::encode(&SlotBody { facts: of_call, image });
            old.table.open_at(slot, record, ask, &body, Tick(1_000)).unwrap();
            let states = [SlotState::Answered, SlotState::Answered, SlotState::Leaving];
            old.table.set_state(slot, states[usize::from(idx)]).unwrap();
        }
        old.table.beat(Tick(9_000), 0);
        drop(old);
        // The first call's record was written before the crash.
        let config = JournalConfig::new(journal_dir.clone(), 0, 1);
        let (journal, mut handles) =
            Journal::start(&config, vec![EventFd::new().unwrap()], |_| {}).unwrap();
        let ended = strowger_link::codec::encode(&facts(0, SlotRef::default()));
        handles[0].append(FrameKind::Ended, &ended).unwrap();
        journal.stop();
        let lost = lost_calls(&file, &journal_dir).unwrap();
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert_eq!(lost[0].record, RecordId::new(1, 1).unwrap());
        let Some(Fact::Ended(end)) = lost[0].facts.last() else { panic!("{lost:?}") };
        assert_eq!((end.at, end.reason), (Tick(9_000), Reason::ProcessLost));
        fs::remove_dir_all(&dir).unwrap();
    }

    /// Other numbers of shards or slots get new tables, unless calls are up.
    #[test]
    fn tables_of_other_shards_are_not_left_behind() {
        let dir = std::env::temp_dir().join(format!("strowger-tables-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let there = || (0..4).filter(|n| table_file(&dir, *n).exists()).count();
        let former = |shards, slots| former_tables(&dir, 0, (shards, slots), 2);
        assert!(former(2, 16).unwrap().is_none());
        let made = call_tables(&dir, 0, (3, 16), 1).unwrap();
        assert!(made.iter().all(|table| table.token_key == made[0].token_key));
        drop(made);
        assert_eq!(former(3, 16).unwrap().map(|tables| tables.len()), Some(3));
        assert!(former(3, 8).unwrap().is_none() && former(2, 16).unwrap().is_none());
        let mut two = call_tables(&dir, 0, (2, 16), 1).unwrap();
        assert_eq!(there(), 2);
        let slot = SlotRef { seg: 1, idx: 3, r#gen: 7 };
        let of_call = facts(1, slot);
        let (record, ask) = (of_call.record, of_call.ask);
        let body = SlotBody { facts: of_call, image: Octets::default() };
        let body = strowger_link::codec::encode(&body);
        two[1].table.open_at(slot, record, ask, &body, Tick(1)).unwrap();
        drop(two);
        for shards in [1, 3] {
            let wrong = former(shards, 16).err().unwrap();
            assert!(wrong.contains("calls are up in 2 call tables"), "{wrong}");
        }
        let kept = former(2, 8).unwrap().unwrap();
        assert_eq!((kept[1].records.len(), kept[0].slots), (1, 16));
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn epochs_rise_and_survive() {
        let dir = std::env::temp_dir().join(format!("strowger-epoch-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        assert_eq!(next_epoch(&dir).unwrap(), 1);
        assert_eq!(next_epoch(&dir).unwrap(), 2);
        fs::write(dir.join("epoch"), "x").unwrap();
        assert!(next_epoch(&dir).unwrap_err().to_string().contains("no number"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
