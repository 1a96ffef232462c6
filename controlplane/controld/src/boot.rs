//! What a boot must know before it answers: charges that are not in the database yet, and calls
//! that run (design of control, 2).
//!
//! `available = posted(database at its cursor) - charges in the journal after it - holds of calls
//! in the table`. The table is read first, then the journal to its end: a call that ends between
//! the two stands in both, and its record wins.

use crate::intake::{compose, cursor};
use std::sync::atomic::AtomicU64;
use strowger_link::codec::decode;
use strowger_link::journal::FrameKind;
use strowger_link::table::{Reader as TableReader, SlotState};
use strowger_link::{CallFacts, OriginMark, SHARDS_MAX, SlotBody};
use strowger_office::Office;
use strowger_port::journal_file::{Entry, JournalReader};
use strowger_port::process::boot_id;
use strowger_port::{clock, shm};
use strowger_store::{Life, Position};
use strowger_tuning::Config;
use tracing::{info, warn};

/// Lives of the dataplane and the origins that they were given, as the journal has them.
pub(crate) type Origins = Vec<(Life, u32)>;

/// Makes the office's balances true; returns the origins given away behind the cursor, for a
/// database that was put back and does not know them.
pub(crate) fn take_up(office: &mut Office, config: &Config, at: Position) -> Origins {
    let running = running(config);
    let (charged, origins) = replay(office, config, at);
    let now = clock::monotonic();
    for facts in &running {
        office.adopt_running(facts, now);
    }
    if charged > 0 || !running.is_empty() {
        info!(records = charged, calls = running.len(), "took up what was not in the database");
    }
    origins
}

/// Calls in the tables of all shards; none where there is no table, or not one that can be read.
/// One of another boot is worth nothing: its calls are over, and the dataplane records them from
/// the journal.
fn running(config: &Config) -> Vec<CallFacts> {
    let mut calls = Vec::new();
    for shard in 0..SHARDS_MAX {
        let file = config.run_dir().join(format!("calls-{shard}.table"));
        let Ok((_fd, mapping)) = shm::open_file(&file) else { continue };
        let Ok(table) = TableReader::attach(mapping) else { continue };
        if table.setup().boot_id != boot_id() {
            continue;
        }
        let (of_shard, unreadable) = calls_of(&table);
        if unreadable > 0 {
            warn!(shard, unreadable, "slots of the call table cannot be read");
        }
        calls.extend(of_shard);
    }
    calls
}

/// What the call table knows of calls that ring, speak, or wait for their record to be durable, and
/// how many slots cannot be read.
pub(crate) fn calls_of<W: AsRef<[AtomicU64]>>(table: &TableReader<W>) -> (Vec<CallFacts>, usize) {
    let (mut body, mut calls, mut unreadable) = (Vec::new(), Vec::new(), 0);
    for idx in 0..table.setup().slots {
        let Ok(idx) = u16::try_from(idx) else { break };
        match table.read(idx, &mut body).map(|head| head.map(|head| head.state)) {
            Ok(Some(SlotState::Ringing | SlotState::Answered | SlotState::Ended)) => {
                match decode::<SlotBody>(&body) {
                    Ok(SlotBody { facts, .. }) => calls.push(facts),
                    Err(_) => unreadable += 1,
                }
            }
            Ok(Some(SlotState::Free | SlotState::Asked | SlotState::Leaving) | None) => {}
            Err(_) => unreadable += 1,
        }
    }
    (calls, unreadable)
}

/// Charges the records behind the cursor; the intake stores them afterwards, and the till knows
/// that they are charged already.
fn replay(office: &mut Office, config: &Config, at: Position) -> (usize, Origins) {
    let directory = config.node.data.join("journal");
    let mut reader = JournalReader::new(&directory, cursor(at));
    let now = clock::monotonic();
    let (mut count, mut origins) = (0, Origins::new());
    loop {
        match reader.next(None) {
            Ok(Entry::Frame { node, epoch, frame, .. }) if frame.kind == FrameKind::Origin => {
                let Ok(mark) = decode::<OriginMark>(frame.payload) else { continue };
                let boot = u128::from_le_bytes(mark.boot);
                let known = (Life { node, shard: frame.shard, boot, epoch }, mark.origin);
                if origins.last() != Some(&known) {
                    origins.push(known);
                }
            }
            Ok(Entry::Frame { frame, .. }) if frame.kind == FrameKind::Ended => {
                let records = compose(frame.payload);
                count += records.len();
                office.replay(&records, now);
            }
            Ok(Entry::Frame { .. } | Entry::Damaged { .. } | Entry::Missing { .. }) => {}
            Ok(Entry::Wait) => return (count, origins),
            // No journal yet: the first start of this node.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return (count, origins),
            Err(e) => {
                warn!("the journal cannot be read at boot: {e}");
                return (count, origins);
            }
        }
    }
}
