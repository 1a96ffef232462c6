//! Calls that outlive the dataplane's process: named stories, beside the exhaustive ones of
//! `crashes.rs`.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use strowger_sim::world::CARRIER;
use strowger_sim::{
    Action, After, Callee, Caller, CrashAt, Reply, Side, Step, Victim, World, WorldConfig, script,
};

/// Both ways through the switch.
const ROUND_MS: u64 = 10;
/// Between two packets of audio, milliseconds.
const PACKET_MS: u64 = 100;
/// Of all calls here.
const TALK_MS: u64 = 20_000;
const PACKETS: u32 = (TALK_MS / PACKET_MS) as u32;

fn speaking(bye_ms: Option<u64>) -> After {
    After { bye_ms, packets: PACKETS, hold_ms: None, resume_ms: None }
}

/// One call, from phone 0; the script may add to it. The world is quiet at the end.
fn play(to: &str, (caller, callee): (After, Callee), plan: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(WorldConfig::perfect(1)).expect("a world");
    let called = if to == "1002" { 1 } else { CARRIER };
    let result = script::register_all(&mut world).and_then(|()| {
        world.at(0, Action::Expect(called, callee));
        let caller = Caller { to: to.into(), cancel_ms: None, after: caller };
        world.at(0, Action::Call(0, caller));
        plan(&mut world);
        world.run_ms(60_000)?;
        world.quiesce()
    });
    match result {
        Ok(()) => world,
        Err(breach) => panic!("{breach}"),
    }
}

fn crash(world: &mut World, at_ms: u64, back_ms: u64) {
    world.at(at_ms, Action::CrashSwitch { effects: 0, back_ms, power: false });
}

fn adopted(world: &World) -> Vec<(u32, u32, u32)> {
    world.adopted.iter().skip(1).map(|a| (a.adopted, a.ended, a.quarantined)).collect()
}

#[test]
fn an_answered_call_goes_on_with_audio_and_either_side_ends_it() {
    for (to, number) in [("1002", 1), ("44201234", CARRIER)] {
        for caller_ends in [true, false] {
            for (at_ms, back_ms) in [(3_000, 40), (7_777, 400), (12_345, 2_500)] {
                let ends = |yes: bool| speaking(yes.then_some(TALK_MS));
                let callee = Callee::answering(500, ends(!caller_ends));
                let world = play(to, (ends(caller_ends), callee), |world| {
                    crash(world, at_ms, back_ms);
                });
                assert_eq!(adopted(&world), [(1, 0, 0)]);
                let [cdr] = world.control.store.cdrs() else { panic!("one record") };
                let off = cdr.times.talk_ms.abs_diff(TALK_MS);
                assert!(off <= 2 * ROUND_MS, "talked for {} ms", cdr.times.talk_ms);
                let silent = u32::try_from(back_ms / PACKET_MS + 2).expect("short");
                for who in [0, number] {
                    let call = world.agents[who].calls.values().next().expect("a call");
                    assert!(call.heard + silent >= PACKETS - 2, "{who} heard {}", call.heard);
                }
            }
        }
    }
}

#[test]
fn a_held_call_stays_held_and_is_resumed() {
    let hold = After { hold_ms: Some(1_000), resume_ms: Some(10_000), ..speaking(Some(TALK_MS)) };
    let world = play("1002", (hold, Callee::answering(500, speaking(None))), |world| {
        crash(world, 5_000, 300);
    });
    assert_eq!(adopted(&world), [(1, 0, 0)]);
    let (caller, called) = (&world.agents[0].calls[&0], &world.agents[1].calls[&0]);
    // Nine of twenty seconds were on hold.
    let wanted = PACKETS - 90;
    assert!(called.heard.abs_diff(wanted) <= 3, "{}", called.heard);
    assert!(caller.heard.abs_diff(wanted) <= 3, "{}", caller.heard);
}

#[test]
fn a_call_outlives_many_crashes() {
    let world =
        play("1002", (speaking(Some(TALK_MS)), Callee::answering(500, speaking(None))), |w| {
            (0..8).for_each(|n| crash(w, 2_000 + 2_000 * n, 200));
        });
    assert_eq!(adopted(&world), [(1, 0, 0); 8]);
    assert_eq!(world.control.store.cdrs().len(), 1);
}

#[test]
fn a_call_that_rings_is_refused_and_cancelled() {
    let never = Callee { reply: Reply::Never, ..Callee::answering(0, speaking(None)) };
    let world = play("1002", (speaking(None), never), |world| crash(world, 2_000, 100));
    assert_eq!(adopted(&world), [(0, 1, 0)]);
    assert_eq!(world.agents[0].calls[&0].outcome, Some(503));
}

/// The process dies twice while it thaws the same slot: the third life leaves it alone, and records
/// it.
#[test]
fn a_slot_whose_thawing_kills_twice_is_left_alone() {
    for side in [Side::Before, Side::After] {
        let thaw = CrashAt {
            step: Step::ThawBegun,
            nth: 1,
            side,
            victim: Victim::Switch,
            switch_back_ms: 100,
            control_back_ms: 100,
        };
        let callee = Callee::answering(500, speaking(None));
        let world = play("1002", (speaking(Some(TALK_MS)), callee), |world| {
            world.at(2_000, Action::CrashAt(thaw));
            world.at(2_000, Action::CrashAt(thaw));
            crash(world, 3_000, 100);
        });
        let last = if side == Side::Before { (1, 0, 0) } else { (0, 1, 1) };
        assert_eq!(adopted(&world).last(), Some(&last), "{side:?}");
        assert_eq!(world.control.store.cdrs().len(), 1);
    }
}
