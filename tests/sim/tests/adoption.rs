//! Calls that outlive the dataplane's process: named stories, beside the exhaustive ones of
//! `crashes.rs`.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use strowger_link::Reason;
use strowger_sim::agent::CallState;
use strowger_sim::world::CARRIER;
use strowger_sim::{
    Action, After, Callee, Caller, CrashAt, Quality, Reply, Side, Step, Victim, World, WorldConfig,
    script,
};

/// Both ways through the switch.
const ROUND_MS: u64 = 10;
/// Between two packets of audio, milliseconds.
const PACKET_MS: u64 = 100;
/// Of all calls here.
const TALK_MS: u64 = 20_000;
const PACKETS: u32 = (TALK_MS / PACKET_MS) as u32;

fn speaking(bye_ms: Option<u64>) -> After {
    After { bye_ms, packets: PACKETS, ..After::listen() }
}

/// Nothing but signalling, so that the next datagram is one of it.
fn mute(bye_ms: Option<u64>) -> After {
    After { packets: 0, ..speaking(bye_ms) }
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

/// The world of one attempt that the caller gives up, if at all, after `cancel_ms`.
fn attempt(cancel_ms: Option<u64>, callee: Callee, plan: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(WorldConfig::perfect(1)).expect("a world");
    let result = script::register_all(&mut world).and_then(|()| {
        world.at(0, Action::Expect(1, callee));
        let caller = Caller { to: "1002".into(), cancel_ms, after: speaking(None) };
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

/// When the first call of an agent was over, milliseconds from the first tick.
fn over_ms(world: &World, who: usize) -> u64 {
    let call = world.agents[who].calls.values().next().expect("a call");
    let CallState::Over(at) = call.state else { panic!("{who} is {:?}", call.state) };
    at.0 / 1_000_000
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

/// The first tick, and the second that registrations take: a story's times count from there.
const BEGUN_MS: u64 = 2_000;

/// The record is durable and the call over when the dataplane dies, before it has sent the lost BYE
/// again. The next life does, and the control plane counts the call once whenever it boots.
#[test]
fn a_bye_that_was_lost_is_sent_by_the_next_life() {
    for boot_ms in [None, Some(5_250), Some(5_600)] {
        let bye = mute(Some(5_000));
        let world = play("44201234", (bye, Callee::answering(500, mute(None))), |world| {
            world.at(5_300, Action::LoseNext(CARRIER));
            if let Some(at_ms) = boot_ms {
                world.at(at_ms, Action::CrashControl { steps: 0, back_ms: 150 });
            }
            crash(world, 5_900, 300);
        });
        assert_eq!(adopted(&world), [(0, 0, 0)]);
        assert_eq!(world.adopted.last().map(|adopted| adopted.left), Some(1));
        assert_eq!(world.control.store.cdrs().len(), 1);
        let said_ms = over_ms(&world, CARRIER) - BEGUN_MS;
        assert!((6_200..6_300).contains(&said_ms), "told after {said_ms} ms");
    }
}

/// Two phones behind a proxy answer, and the BYE to the second one is lost with the process: the
/// next life says it, whether the call goes on or is over by then.
#[test]
fn a_fork_that_was_being_ended_is_ended_by_the_next_life() {
    for (bye_ms, left) in [(TALK_MS, 0), (250, 1)] {
        let forked = Callee { fork_ms: Some(100), ..Callee::answering(500, mute(None)) };
        let world = play("44201234", (mute(Some(bye_ms)), forked), |world| {
            // The second answer is on its way; the ACK and the BYE do not arrive.
            world.at(622, Action::Network(Quality::DEAD));
            world.at(700, Action::Network(Quality::PERFECT));
            crash(world, 900, 300);
        });
        let last = world.adopted.last().expect("a second life");
        assert_eq!((last.left, last.adopted), (left, 1 - left), "{bye_ms}");
        assert_eq!(world.agents[CARRIER].forks_ended(), 1);
        assert_eq!(world.control.store.cdrs().len(), 1);
    }
}

#[test]
fn strangers_are_counted_by_source_in_the_control_plane() {
    let world = play("1002", (mute(Some(1_000)), Callee::answering(500, mute(None))), |_| {});
    let seen = world.control.office().expect("it runs").strangers().list(100);
    // Each phone was asked for credentials once to register, and who calls once more.
    for (who, times) in [(0, 2), (1, 1)] {
        let source = world.agents[who].addr.ip();
        let count: u64 =
            seen.iter().filter(|(_, ip, _)| *ip == source).map(|(_, _, a)| a.challenged).sum();
        assert_eq!(count, times, "{source}: {seen:?}");
    }
    assert!(seen.iter().all(|(_, _, attempts)| attempts.refused == 0));
}

#[test]
fn a_cancel_that_was_lost_is_sent_by_the_next_life() {
    let never = Callee { reply: Reply::Never, ..Callee::answering(0, mute(None)) };
    let world = attempt(Some(3_000), never, |world| {
        world.at(2_900, Action::LoseNext(1));
        crash(world, 3_200, 300);
    });
    assert_eq!(world.agents[0].calls[&0].outcome, Some(487));
    let said_ms = over_ms(&world, 1) - BEGUN_MS;
    assert!((3_500..3_600).contains(&said_ms), "told after {said_ms} ms");
}

#[test]
fn a_refusal_that_was_lost_is_sent_by_the_next_life() {
    let busy = Callee { reply: Reply::Reject(486, 1_000), ..Callee::answering(0, mute(None)) };
    let world = attempt(None, busy, |world| {
        world.at(900, Action::LoseNext(0));
        crash(world, 1_300, 300);
    });
    assert_eq!(world.agents[0].calls[&0].outcome, Some(486));
    let said_ms = over_ms(&world, 0) - BEGUN_MS;
    assert!((1_600..1_700).contains(&said_ms), "told after {said_ms} ms");
}

/// A branch is given up for its silence before the INVITE reaches it, and another one answers. It
/// rings at last, and the CANCEL for that is lost with the process. It rings on, or it answers
/// while nobody listens: it is cancelled, or hung up, and the call goes on.
#[test]
fn a_branch_that_was_given_up_is_ended_beside_a_call_that_goes_on() {
    // The INVITE goes out at 15 ms and again 500, 1,500, 3,500 and 7,500 ms later.
    const CRASH_MS: u64 = 7_700;
    for reply in [Reply::Never, Reply::Answer(250)] {
        let late = Callee { reply, ..Callee::answering(0, mute(None)) };
        let world = play("44201234", (mute(Some(TALK_MS)), late), |world| {
            world.at(0, Action::Expect(CARRIER + 1, Callee::answering(200, mute(None))));
            for at_ms in [0, 100, 1_000, 3_000, 7_517] {
                world.at(at_ms, Action::LoseNext(CARRIER));
            }
            crash(world, CRASH_MS, 300);
        });
        assert_eq!(adopted(&world), [(1, 0, 0)], "{reply:?}");
        assert_eq!(world.agents[0].calls[&0].outcome, Some(200));
        let said_ms = over_ms(&world, CARRIER) - BEGUN_MS;
        assert!((CRASH_MS..CRASH_MS + 1_700).contains(&said_ms), "{reply:?}: after {said_ms} ms");
        assert_eq!(world.control.store.cdrs().len(), 1);
    }
}

/// Our re-INVITE is on its way when the dataplane dies. The callee answers it, and hangs up before
/// or after the next life can acknowledge that: it gets its ACK in either order.
#[test]
fn a_callee_that_hangs_up_after_the_adoption_gets_its_ack() {
    for bye_ms in (3_000..3_700).step_by(23) {
        let hold = After { hold_ms: Some(3_000), ..speaking(None) };
        let callee = Callee::answering(500, speaking(Some(bye_ms)));
        let world = play("1002", (hold, callee), |world| {
            let reoffer = CrashAt {
                step: Step::ReofferSent,
                nth: 1,
                side: Side::After,
                victim: Victim::Switch,
                switch_back_ms: 200,
                control_back_ms: 200,
            };
            world.at(0, Action::CrashAt(reoffer));
        });
        assert_eq!(world.control.store.cdrs().len(), 1, "{bye_ms}");
    }
}

/// An emergency call that the dataplane placed by its own table has no settlement. A crash does to
/// it what it does to any other call.
#[test]
fn an_emergency_call_without_a_settlement_is_taken_up_or_recorded_as_any_other() {
    let call = |answer_ms: u64, plan: &dyn Fn(&mut World)| {
        let callee = Callee::answering(answer_ms, speaking(None));
        play("112", (speaking(Some(TALK_MS)), callee), |world| {
            world.at(0, Action::CrashControl { steps: 0, back_ms: 40_000 });
            plan(world);
        })
    };
    let world = call(500, &|world| crash(world, 5_000, 300));
    assert_eq!(adopted(&world), [(1, 0, 0)]);
    let [cdr] = world.control.store.cdrs() else { panic!("one record") };
    assert!(cdr.times.talk_ms.abs_diff(TALK_MS) <= 2 * ROUND_MS, "{} ms", cdr.times.talk_ms);
    // It rings, and the caller is told.
    let world = call(9_000, &|world| crash(world, 5_000, 300));
    assert_eq!(adopted(&world), [(0, 1, 0)]);
    let [cdr] = world.control.store.cdrs() else { panic!("one record") };
    assert_eq!(cdr.outcome.reason, Reason::ProcessLost as u8);
    // Its thawing kills twice: the third life ends it at the last sign of life.
    let thaw = CrashAt {
        step: Step::ThawBegun,
        nth: 1,
        side: Side::After,
        victim: Victim::Switch,
        switch_back_ms: 100,
        control_back_ms: 100,
    };
    let world = call(500, &|world| {
        world.at(2_000, Action::CrashAt(thaw));
        world.at(2_000, Action::CrashAt(thaw));
        crash(world, 8_000, 100);
    });
    assert_eq!(adopted(&world).last(), Some(&(0, 1, 1)));
    let [cdr] = world.control.store.cdrs() else { panic!("one record") };
    assert_eq!(cdr.outcome.reason, Reason::ProcessLost as u8);
    assert!(cdr.times.talk_ms.abs_diff(8_000 - 500) < 200, "{} ms", cdr.times.talk_ms);
}
