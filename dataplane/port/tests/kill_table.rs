//! kill -9 of the table's owner in the middle of writing: every slot reads whole, and the next
//! owner takes over.
//!
//! The victim is this test's own binary, started again with a role in its environment.
#![expect(clippy::unwrap_used, reason = "a test")]

mod scene;

use scene::{Scene, random_below, role};
use strowger_link::table::{Reader, Setup, SlotState, Table, words_needed};
use strowger_link::{AskId, RecordId, Tick};
use strowger_port::shm::{create_file, open_file};

const SETUP: Setup = Setup { seg: 0, node: 1, boot_id: 2, token_key: 3, slots: 8, chunks: 40 };
const KILLS: usize = 20;

/// Version `n` of a slot: its body follows from its ask number.
fn body_of(n: u64) -> Vec<u8> {
    let len = if n.is_multiple_of(3) { n % 449 } else { n % 4_000 };
    (0..len).map(|at| (at ^ n) as u8).collect()
}

#[test]
fn child_owner_writes() {
    let Some(directory) = role("child_owner_writes") else { return };
    let (_, mapping) = open_file(&directory.join("table.0")).unwrap();
    let mut table = Table::adopt(&mapping, 2).unwrap();
    let mut open = Vec::new();
    for n in 1.. {
        table.beat(Tick(n), 0);
        if open.len() < 8 {
            open.push(table.open(RecordId(n as i64), AskId(n), &body_of(n), Tick(n)).unwrap());
        }
        let which = open[n as usize % open.len()];
        table.write(which, SlotState::Answered, AskId(n), &body_of(n)).unwrap();
        if n.is_multiple_of(5) {
            table.close(open.swap_remove(n as usize / 5 % open.len())).unwrap();
        }
    }
}

#[test]
fn every_slot_is_whole_after_a_kill() {
    let mut written = 0;
    for _ in 0..KILLS {
        let mut scene = Scene::new();
        let words = words_needed(SETUP.slots, SETUP.chunks).unwrap();
        let (_, mapping) = create_file(&scene.directory.join("table.0"), words).unwrap();
        drop(Table::create(&mapping, &SETUP, 1).unwrap());
        let reader = Reader::attach(&mapping).unwrap();
        scene.start("child_owner_writes");
        let until = Tick(random_below(20_000) + 1);
        while reader.heartbeat().0 < until {
            scene.pause();
        }
        scene.kill();
        written += reader.heartbeat().0.0;
        let mut body = Vec::new();
        let (mut live, mut chunks) = (0, 0);
        for idx in 0..SETUP.slots as u16 {
            let Some(head) = reader.read(idx, &mut body).unwrap() else { continue };
            assert_eq!(body, body_of(head.ask.0));
            live += 1;
            chunks += if body.len() <= 448 { 0 } else { body.len().div_ceil(1024) };
        }
        let mut next = Table::adopt(&mapping, 3).unwrap();
        assert_eq!((reader.epoch(), next.counts().slots_free), (3, 8 - live));
        assert_eq!(next.counts().chunks_free, 40 - chunks);
        for idx in 0..SETUP.slots as u16 {
            if let Some(at) = next.occupant(idx) {
                next.close(at).unwrap();
            }
        }
        assert_eq!((next.counts().slots_free, next.counts().chunks_free), (8, 40));
    }
    assert!(written > KILLS as u64 * 100, "{written} writes: too few to have been in the middle");
}
