//! Overload and floods: what is served, refused and counted.

#![expect(clippy::print_stderr, reason = "a failing run tells its seed, and how to repeat it")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::SocketAddr;
use strowger_link::{COUNTERS, MS};
use strowger_shard::Limits;
use strowger_sim::storm::{request, storm};
use strowger_sim::world::Work;
use strowger_sim::{Action, After, Callee, Caller, Plant, World, WorldConfig, script, world};

/// Seeds in which a fault must show.
const SEEDS: u64 = 200;

#[test]
fn a_storm_passes_and_leaves_nothing_behind() {
    for seed in 0..12 {
        if let Err(breach) = storm(seed, None) {
            panic!("{breach:#?}");
        }
    }
}

#[test]
fn every_fault_of_overload_is_found() {
    let [unseen, in_dialog, trunk] = Plant::STORM;
    for (plant, expected) in [
        (unseen, "a request of a dialog"),
        (in_dialog, "a request of a dialog"),
        (trunk, "a request of a carrier"),
    ] {
        let found = (0..SEEDS).find_map(|seed| storm(seed, Some(plant)).err());
        let Some(breach) = found else { panic!("{plant:?}: not found in {SEEDS} seeds") };
        eprintln!("{plant:?}: seed {}: {}", breach.seed, breach.what);
        assert!(breach.what.contains(expected), "{plant:?}: {}", breach.what);
    }
}

fn counter(world: &World, name: &str) -> u64 {
    let at = COUNTERS.iter().position(|known| *known == name).unwrap();
    world.control.counters.get(at).copied().unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn limited(limits: Limits) -> World {
    let mut world = World::limited(WorldConfig::perfect(7), limits).unwrap();
    script::register_all(&mut world).unwrap();
    world
}

fn check_codes(world: &World, code: &str, count: usize) {
    let of = |(_, data): &&(_, Vec<u8>)| data.starts_with(format!("SIP/2.0 {code}").as_bytes());
    assert_eq!(world.witnessed.iter().filter(of).count(), count, "{code}");
}

#[test]
fn a_flood_of_strangers_is_limited_and_counted() {
    let limits = Limits { stranger_challenges: 5, stranger_requests: 20, ..Limits::default() };
    let mut world = limited(Limits { stranger_datagrams: 50, ..limits });
    let from = at("198.51.100.9:5060");
    for n in 0..500 {
        let data = request("INVITE", from, &format!("flood-{n}"), "");
        world.at(2 * n, Action::Raw(from, data));
    }
    world.run_ms(2_200).unwrap();
    // Two seconds' worth at once, and that of one second.
    let challenged = world.witnessed.len() as u64;
    check_codes(&world, "401", world.witnessed.len());
    let counts = *world.shard().unwrap().counts();
    let near = |value: u64, expected: u64| value.abs_diff(expected) <= 2;
    assert!(near(challenged, 5 * 3), "{challenged}");
    assert!(near(counts.limited_datagrams, 500 - 50 * 3), "{counts:#?}");
    let passed = 500 - counts.limited_datagrams - counts.limited_requests;
    assert!(near(passed, 20 * 3), "{counts:#?}");
    assert_eq!(counts.limited_challenges, passed - challenged);
    for (name, value) in [
        ("limited_datagrams", counts.limited_datagrams),
        ("limited_requests", counts.limited_requests),
        ("limited_challenges", counts.limited_challenges),
    ] {
        assert!(value > 0 && counter(&world, name) == value, "{name}");
    }
    world.quiesce().unwrap();
}

/// Calls that are up go on when the budget is spent; new ones hear 503, emergency calls do not.
#[test]
fn beyond_the_budget_nothing_new_is_taken() {
    let mut world = limited(Limits { units: 16, ..Limits::default() });
    world.run_ms(40_000).unwrap();
    for (callee, to) in [(world::CARRIER, "44201234"), (world::CARRIER + 1, "447")] {
        world.at(0, Action::Expect(callee, Callee::answering(100, After::talk(30_000))));
        let after = After::talk(25_000);
        let caller = if to == "447" { 1 } else { 0 };
        world.at(5, Action::Call(caller, Caller { to: to.into(), cancel_ms: None, after }));
    }
    world.run_ms(3_000).unwrap();
    assert!(counter(&world, "units_in_use") >= 16);
    let refused = |world: &World| world.agents[2].finals.get(&503).copied().unwrap_or(0);
    let call = |to: &str| Caller { to: to.into(), cancel_ms: None, after: After::talk(2_000) };
    world.at(0, Action::Call(2, call("1001")));
    world.run_ms(2_000).unwrap();
    assert_eq!((refused(&world), counter(&world, "over_budget")), (1, 1));
    world.at(0, Action::Call(2, call("112")));
    world.run_ms(5_000).unwrap();
    assert_eq!((refused(&world), counter(&world, "over_budget")), (1, 1));
    assert!(world.agents[2].finals.contains_key(&200), "{:?}", world.agents[2].finals);
    // A REGISTER is new work as well.
    world.at(0, Action::Register(3, 3_600));
    world.run_ms(2_000).unwrap();
    assert_eq!(counter(&world, "over_budget"), 2);
    world.quiesce().unwrap();
    assert_eq!(counter(&world, "units_in_use"), 0);
}

/// A control plane that takes two seconds for a look is asked by one call at a time.
#[test]
fn a_slow_control_plane_is_probed() {
    let mut world = limited(Limits::default());
    world.run_ms(10_000).unwrap();
    world.at(0, Action::Slow(2_500));
    for n in 0..20 {
        let after = After::talk(1_000);
        let plan = Caller { to: "1002".into(), cancel_ms: None, after };
        world.at(10 + 100 * n, Action::Call(0, plan));
    }
    world.run_ms(2_900).unwrap();
    // What it sees of itself is late as well.
    assert!(counter(&world, "asks_open") > 0);
    let counts = *world.shard().unwrap().counts();
    let (refused, probed) = (counts.asks_refused, counts.asks_probed);
    // After the first 500 ms one each 500 ms.
    assert!((8..=15).contains(&refused) && (2..=4).contains(&probed), "{refused} {probed}");
    world.quiesce().unwrap();
    assert_eq!(counter(&world, "asks_open"), 0);
    let shown = (counter(&world, "asks_refused"), counter(&world, "asks_probed"));
    assert_eq!(shown, (refused, probed));
    // And it is asked again as ever.
    world.at(0, Action::Register(0, 3_600));
    world.run_ms(3_000).unwrap();
    assert_eq!(counter(&world, "asks_refused"), refused);
}

/// Copies of what waits are dropped, and what is too late is not answered.
#[test]
fn each_counter_of_shedding_moves() {
    let mut world = limited(Limits::default());
    world.set_work(Work { serve_ns: 30 * MS, shed_ns: 8 * MS });
    let from = plan_carrier();
    for n in 0..300 {
        let data = request("INVITE", from, &format!("late-{n}"), "");
        world.at(4 * n, Action::Raw(from, data.clone()));
        // The sender's second try.
        world.at(4 * n + 40, Action::Raw(from, data));
    }
    world.run_ms(1_500).unwrap();
    assert!(counter(&world, "sip_delay_us_now") > 50_000);
    assert_eq!(counter(&world, "listeners_shedding_now"), 1);
    world.run_ms(30_000).unwrap();
    let counts = *world.shard().unwrap().counts();
    for (name, value) in [
        ("shed_refused", counts.shed_refused),
        ("shed_silent", counts.shed_silent),
        ("shed_repeats", counts.shed_repeats),
    ] {
        assert!(value > 0 && counter(&world, name) == value, "{name}: {counts:#?}");
    }
    for gauge in ["sip_delay_us_now", "listeners_shedding_now"] {
        assert_eq!(counter(&world, gauge), 0, "{gauge}");
    }
}

fn plan_carrier() -> SocketAddr {
    strowger_sim::plan::carrier_address(1)
}
