//! Calls over connections: the same stories as by datagrams, streams cut anywhere, connections that
//! break in the middle of a message, and what finds its way afterwards.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use strowger_model::{Cdr, reason_name};
use strowger_sim::world::CARRIER;
use strowger_sim::{
    Action, After, Breach, Callee, Caller, End, Quality, Reply, World, WorldConfig, script,
};

/// A world of this configuration whose phones are registered, then `story`, then quiet.
fn play(config: WorldConfig, story: impl FnOnce(&mut World) -> Result<(), Breach>) -> World {
    let mut world = World::new(config).expect("a world");
    let result = script::register_all(&mut world)
        .and_then(|()| story(&mut world))
        .and_then(|()| world.quiesce());
    match result {
        Ok(()) => world,
        Err(breach) => panic!("{config:?}: {breach}"),
    }
}

fn all(seed: u64) -> WorldConfig {
    WorldConfig { by_tcp: WorldConfig::ALL, ..WorldConfig::perfect(seed) }
}

fn call(world: &mut World, at_ms: u64, from: usize, to: &str, after: After) {
    let caller = Caller { to: to.into(), cancel_ms: None, after };
    world.at(at_ms, Action::Call(from, caller));
}

fn expect(world: &mut World, who: usize, callee: Callee) {
    world.at(0, Action::Expect(who, callee));
}

fn reasons(world: &World) -> Vec<&'static str> {
    let cdrs = world.control.store.cdrs();
    cdrs.iter().map(|cdr| reason_name(cdr.outcome.reason).unwrap_or("?")).collect()
}

fn outcomes(world: &World, who: usize) -> Vec<Option<u16>> {
    world.agents[who].calls.values().map(|call| call.outcome).collect()
}

/// Calls of all kinds one after another: to a carrier and back, between phones, held and resumed,
/// busy, given up, answered by two.
fn every_kind(world: &mut World) -> Result<(), Breach> {
    let hold = After { hold_ms: Some(400), resume_ms: Some(900), ..After::talk(2_000) };
    expect(world, CARRIER, Callee::answering(300, After::listen()));
    call(world, 0, 0, "44201234", hold);
    world.run_ms(4_000)?;
    expect(world, 1, Callee::answering(300, hold));
    call(world, 0, CARRIER, "1002", After::listen());
    world.run_ms(4_000)?;
    expect(world, 3, Callee::answering(300, After::talk(1_000)));
    call(world, 0, 0, "1004", After::listen());
    world.run_ms(4_000)?;
    expect(world, 1, Callee::rejecting(603));
    call(world, 0, 2, "1002", After::listen());
    world.run_ms(1_000)?;
    let never = Callee { reply: Reply::Never, ..Callee::answering(0, After::listen()) };
    expect(world, 1, never);
    let caller = Caller { to: "1002".into(), cancel_ms: Some(800), after: After::listen() };
    world.at(0, Action::Call(0, caller));
    world.run_ms(3_000)?;
    let forked = Callee { fork_ms: Some(200), ..Callee::answering(100, After::listen()) };
    expect(world, CARRIER, forked);
    call(world, 0, 0, "44201234", After::talk(1_000));
    world.run_ms(5_000)
}

#[test]
fn every_kind_of_call_goes_over_connections_and_between_them_and_datagrams() {
    // Everybody by TCP; phones alone; carriers alone; each second one.
    for by_tcp in [WorldConfig::ALL, 0b00_1111, 0b11_0000, 0b10_1010, 0b01_0101] {
        for seed in 1..4 {
            let world = play(WorldConfig { by_tcp, ..WorldConfig::perfect(seed) }, every_kind);
            let answered = world.control.store.cdrs().iter().filter(|c| c.is_answered()).count();
            assert_eq!(answered, 4, "{by_tcp:b} {:?}", reasons(&world));
            assert_eq!(outcomes(&world, 2), [Some(603)]);
            assert_eq!(outcomes(&world, 0), [Some(200), Some(200), Some(487), Some(200)]);
        }
    }
}

#[test]
fn a_lossy_network_only_makes_connections_slower() {
    for seed in 0..40 {
        let quality = Quality { loss_ppm: 200_000, jitter_ms: 80, ..Quality::PERFECT };
        let world = play(all(seed), |world| {
            world.at(0, Action::Network(quality));
            expect(world, 1, Callee::answering(800, After::listen()));
            call(world, 1, 0, "1002", After::talk(5_000));
            world.run_ms(30_000)
        });
        assert_eq!(reasons(&world), ["normal"], "seed {seed}");
        // What TCP brings is not said twice.
        let said = |what: &str| {
            let lines = world.agents[1].ladder.iter().filter(|line| line.contains(what));
            lines.count()
        };
        assert_eq!(said("< INVITE"), 1, "{:?}", world.agents[1].ladder);
    }
}

#[test]
fn a_phone_whose_connection_broke_is_found_by_its_next_one() {
    for seed in 0..20 {
        let world = play(all(seed), |world| {
            world.at(0, Action::Break(1));
            world.run_ms(5_000)?;
            assert_eq!(world.agents[1].lines_up(), 1);
            expect(world, 1, Callee::answering(300, After::talk(1_000)));
            call(world, 0, 0, "1002", After::listen());
            world.run_ms(10_000)
        });
        assert_eq!(reasons(&world), ["normal"]);
        assert!(world.control.store.cdrs().iter().all(Cdr::is_answered));
    }
}

/// The connections of both break while they speak: the requests of their dialogs go by the next
/// ones, and the call ends as it would have.
#[test]
fn a_call_outlives_the_connections_that_it_was_made_by() {
    for seed in 0..20 {
        for at_ms in [1_000, 3_000] {
            let world = play(all(seed), |world| {
                expect(world, 1, Callee::answering(300, After::listen()));
                let hold = After { hold_ms: Some(2_500), ..After::talk(6_000) };
                call(world, 0, 0, "1002", hold);
                world.at(at_ms, Action::Break(0));
                world.at(at_ms, Action::Break(1));
                world.run_ms(20_000)
            });
            assert_eq!(reasons(&world), ["normal"], "seed {seed}");
            let talk_ms = world.control.store.cdrs()[0].times.talk_ms;
            assert!((6_000..6_500).contains(&talk_ms), "{talk_ms}");
        }
    }
}

/// Wherever the connection of either side breaks, in either direction: nothing is left of the call,
/// records and money are right, and nobody waits for ever.
#[test]
fn a_connection_may_break_at_any_byte() {
    for (who, to) in [(0, End::Switch), (0, End::Agent), (1, End::Switch), (1, End::Agent)] {
        for bytes in (0..4_000).step_by(137) {
            let seed = bytes as u64;
            play(all(seed), |world| {
                expect(world, 1, Callee::answering(300, After::listen()));
                world.at(0, Action::BreakAfter(who, to, bytes));
                call(world, 1, 0, "1002", After::talk(2_000));
                world.run_ms(90_000)
            });
        }
    }
}

/// The dataplane dies, and with it all connections: calls that it takes up find their parties by
/// connections of the next life, whoever makes them.
#[test]
fn calls_that_are_taken_up_find_their_parties_by_new_connections() {
    for seed in 0..20 {
        let world = play(all(seed), |world| {
            expect(world, 1, Callee::answering(300, After::listen()));
            expect(world, CARRIER, Callee::answering(300, After::talk(9_000)));
            call(world, 0, 0, "1002", After::talk(8_000));
            call(world, 0, 2, "44201234", After::listen());
            world.at(3_000, Action::CrashSwitch { effects: 0, back_ms: 500, power: false });
            world.run_ms(30_000)
        });
        assert_eq!(world.adopted.last().map(|adopted| adopted.adopted), Some(2));
        let cdrs = world.control.store.cdrs();
        assert_eq!(cdrs.len(), 2);
        assert!(cdrs.iter().all(|cdr| cdr.times.talk_ms >= 8_000), "{:?}", reasons(&world));
    }
}
