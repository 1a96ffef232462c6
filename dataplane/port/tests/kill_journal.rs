//! kill -9 of the writer at any time: every acknowledged frame is in the journal, in order, once;
//! and so over several lives in one directory.
//!
//! The victim is this test's own binary, started again with a role in its environment.
#![expect(clippy::unwrap_used, reason = "a test")]

mod scene;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use scene::{Scene, random_below, role};
use strowger_link::journal::{FrameKind, Position};
use strowger_port::eventfd::EventFd;
use strowger_port::journal_file::{Cursor, Entry, Journal, JournalConfig, JournalReader};
use strowger_port::net::JournalSink;
use strowger_port::shm::{create_file, open_file};

const KILLS: u32 = 12;
const SHARDS: usize = 2;
/// Words of the file both processes see: acknowledged frames of each shard, the log's durable end,
/// the run.
const POSITION_WORD: usize = SHARDS;
const RUN_WORD: usize = SHARDS + 1;
const WORDS: usize = 512;

fn payload_of(shard: usize, n: u64) -> Vec<u8> {
    let length = 16 + (n * 37 + shard as u64) % 2_000;
    let head = [n, shard as u64].into_iter().flat_map(u64::to_le_bytes);
    head.chain((16..length).map(|at| (at ^ n) as u8)).collect()
}

#[test]
fn child_writer_appends() {
    let Some(directory) = role("child_writer_appends") else { return };
    let (_, acknowledged) = open_file(&directory.join("acknowledged")).unwrap();
    let acknowledged = Arc::new(acknowledged);
    let words = acknowledged.words();
    let epoch = words[RUN_WORD].load(Ordering::Relaxed) as u32;
    let config = JournalConfig::new(directory.join("journal"), 1, epoch);
    let config = JournalConfig { segment_bytes: 1 << 20, group_ms: 1, ..config };
    let waker = EventFd::new().unwrap();
    let clones = (0..SHARDS).map(|_| waker.try_clone().unwrap()).collect();
    let published = Arc::clone(&acknowledged);
    let publish = move |end: Position| {
        published.words()[POSITION_WORD].store(end.to_word(), Ordering::Release);
    };
    let (_journal, mut handles) = Journal::start(&config, clones, publish).unwrap();
    let mut next = [1u64; SHARDS];
    loop {
        for (shard, handle) in handles.iter_mut().enumerate() {
            let payload = payload_of(shard, next[shard]);
            if handle.append(FrameKind::Ended, &payload).is_ok() {
                next[shard] += 1;
            } else {
                waker.wait(Some(1)).unwrap();
            }
            words[shard].store(handle.durable(), Ordering::Release);
        }
    }
}

/// Frames of run `epoch` per shard, each checked, from `cursor` on.
fn read(
    directory: &Path,
    epoch: u32,
    cursor: &mut Cursor,
    limit: Option<Position>,
) -> [u64; SHARDS] {
    let mut reader = JournalReader::new(directory, *cursor);
    let mut last = [0; SHARDS];
    loop {
        match reader.next(limit).unwrap() {
            Entry::Frame { epoch: found, frame, cursor: after, .. } => {
                assert_eq!(found, epoch);
                let shard = usize::from(frame.shard);
                last[shard] += 1;
                assert_eq!(frame.payload, payload_of(shard, last[shard]));
                *cursor = after;
            }
            Entry::Wait => return last,
            alarm @ (Entry::Damaged { .. } | Entry::Missing { .. }) => {
                assert_eq!(alarm, Entry::Wait, "no alarm");
            }
        }
    }
}

#[test]
fn acknowledged_frames_survive_kills() {
    let mut scene = Scene::new();
    let (_, acknowledged) = create_file(&scene.directory.join("acknowledged"), WORDS).unwrap();
    let words = acknowledged.words();
    let directory = scene.directory.join("journal");
    let mut cursor = Cursor::default();
    let mut all = 0;
    for epoch in 1..=KILLS {
        words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        words[RUN_WORD].store(u64::from(epoch), Ordering::Relaxed);
        scene.start("child_writer_appends");
        let until = 1 + random_below(1_500);
        while words[0].load(Ordering::Acquire) < until {
            scene.pause();
        }
        scene.kill();
        let limit = Position::from_word(words[POSITION_WORD].load(Ordering::Acquire));
        let acknowledged = [0, 1].map(|shard: usize| words[shard].load(Ordering::Acquire));
        let durable = read(&directory, epoch, &mut cursor.clone(), Some(limit));
        let found = read(&directory, epoch, &mut cursor, None);
        for shard in 0..SHARDS {
            assert!(durable[shard] >= acknowledged[shard], "{durable:?} of {acknowledged:?}");
            assert!(found[shard] >= durable[shard], "{found:?} of {durable:?}");
        }
        all += found[0];
    }
    assert!(all > u64::from(KILLS) * 50, "{all} frames: too few to have been in the middle");
}
