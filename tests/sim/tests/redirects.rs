//! Calls that a called party sends on by 302, by the whole switch in virtual time: who rings, who
//! pays, and that it stays so on a network that loses, doubles and delays, and through crashes.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use strowger_model::{Cdr, reason_name};
use strowger_sim::world::CARRIER;
use strowger_sim::{
    Action, After, Breach, Callee, Caller, Quality, Reply, World, WorldConfig, plan, script,
};

/// A network that loses one datagram in twenty and doubles one in fifty.
const LOSSY: Quality = Quality {
    latency_ms: 10,
    jitter_ms: 40,
    loss_ppm: 50_000,
    loss_bad_ppm: 50_000,
    to_bad_ppm: 0,
    to_good_ppm: 0,
    twice_ppm: 20_000,
};

fn played(
    seed: u64,
    quality: Quality,
    story: impl FnOnce(&mut World) -> Result<(), Breach>,
) -> World {
    let mut world =
        World::new(WorldConfig { quality, ..WorldConfig::perfect(seed) }).expect("world");
    let register = |world: &mut World| {
        script::register_all(world)?;
        world.run_ms(40_000)
    };
    let played = register(&mut world).and_then(|()| story(&mut world));
    match played.and_then(|()| world.quiesce()) {
        Ok(()) => world,
        Err(breach) => panic!("seed {seed}: {breach}"),
    }
}

fn expect(world: &mut World, who: usize, callee: Callee) {
    world.at(0, Action::Expect(who, callee));
}

fn call(world: &mut World, who: usize, to: &str) -> Result<(), Breach> {
    let caller = Caller { to: to.into(), cancel_ms: None, after: After::talk(3_000) };
    world.at(0, Action::Call(who, caller));
    world.run_ms(120_000)
}

/// `0: acc 1 -> sub 4; 1: acc 4 -> trunk 1`, whether answered, and who pays more than nothing.
fn records(world: &World) -> Vec<String> {
    let mut all: Vec<&Cdr> = world.control.store.cdrs().iter().collect();
    all.sort_by_key(|cdr| (cdr.id, cdr.part));
    all.into_iter().map(record).collect()
}

fn record(cdr: &Cdr) -> String {
    let called = match (cdr.called.trunk, cdr.called.subscriber) {
        (Some(trunk), _) => format!("trunk {trunk}"),
        (None, Some(id)) => format!("user {id}"),
        (None, None) => "nobody".to_owned(),
    };
    let payer = cdr.customer.as_ref().filter(|charge| charge.gross.0 > 0);
    let pays = payer.map_or(String::new(), |charge| format!(", {} pays", charge.account));
    let how = reason_name(cdr.outcome.reason).unwrap_or("?");
    let caller = cdr.caller.account.map_or(0, |id| id.0);
    let answered = if cdr.is_answered() { "answered" } else { "not answered" };
    let hops: Vec<u16> = cdr.hops.iter().map(|hop| hop.outcome.sip).collect();
    format!("{}: {caller} to {called} {answered} {how}{pays} {hops:?}", cdr.part)
}

/// The same story on a perfect network and, several times, on a bad one.
fn check(story: impl Fn(&mut World) -> Result<(), Breach>, expect: &[&str]) {
    for (seed, quality) in [(1, Quality::PERFECT), (2, LOSSY), (3, LOSSY), (4, LOSSY), (5, LOSSY)] {
        assert_eq!(records(&played(seed, quality, &story)), expect, "seed {seed}");
    }
}

#[test]
fn a_phone_that_sends_a_call_on_pays_for_it() {
    check(
        |world| {
            expect(world, 3, Callee::redirecting("44305555"));
            expect(world, CARRIER, Callee::answering(500, After::listen()));
            call(world, 0, "1004")
        },
        &["0: 1 to user 4 answered normal [302]", "2: 4 to trunk 1 answered normal, 4 pays []"],
    );
}

#[test]
fn a_phone_whose_calls_are_routed_anew_costs_the_caller() {
    check(
        |world| {
            expect(world, 1, Callee::redirecting("44305555"));
            expect(world, CARRIER, Callee::answering(500, After::listen()));
            call(world, 0, "1002")
        },
        &["0: 1 to trunk 1 answered normal, 1 pays [302]"],
    );
}

#[test]
fn a_phone_whose_redirects_are_passed_on_tells_the_caller() {
    let story = |world: &mut World| {
        expect(world, 2, Callee::redirecting("44305555"));
        call(world, 0, "1003")
    };
    check(story, &["0: 1 to user 3 not answered redirected []"]);
    let world = played(1, Quality::PERFECT, story);
    let told = |line: &String| line.contains("302");
    assert!(world.agents[0].ladder.iter().any(told), "{:?}", world.agents[0].ladder);
}

#[test]
fn a_carrier_names_another_number_and_may_take_it_itself() {
    // 447 goes to the second carrier alone, which may change the number and stays the carrier.
    check(
        |world| {
            expect(world, CARRIER + 1, Callee::redirecting("4410000000"));
            expect(world, CARRIER + 1, Callee::answering(500, After::listen()));
            call(world, 0, "44799")
        },
        &["0: 1 to trunk 2 answered normal, 1 pays [302]"],
    );
    // The first one's are routed anew, as if that had been dialled.
    check(
        |world| {
            expect(world, CARRIER, Callee::redirecting("44799"));
            expect(world, CARRIER + 1, Callee::answering(500, After::listen()));
            call(world, 0, "4410000000")
        },
        &["0: 1 to trunk 2 answered normal, 1 pays [302]"],
    );
}

#[test]
fn what_leads_nowhere_is_a_failure_and_the_next_carrier_is_tried() {
    for to in ["112", "0999999", "4410000000"] {
        check(
            |world| {
                expect(world, CARRIER, Callee::redirecting(to));
                expect(world, CARRIER + 1, Callee::answering(500, After::listen()));
                call(world, 0, "4410000000")
            },
            &["0: 1 to trunk 2 answered normal, 1 pays [302]"],
        );
    }
}

#[test]
fn two_phones_that_send_calls_to_each_other_end_it() {
    check(
        |world| {
            expect(world, 3, Callee::redirecting("1002"));
            expect(world, 1, Callee::redirecting("1004"));
            call(world, 0, "1004")
        },
        // Its forward on busy would be part 1.
        &["0: 1 to user 4 not answered redirected []", "2: 4 to user 2 not answered redirected []"],
    );
}

#[test]
fn money_that_is_little_cuts_a_redirected_call_and_never_overspends() {
    // 1011 has no phone and forwards at the cost of account 3, which has ten cents.
    let world = played(9, Quality::PERFECT, |world| {
        for n in 0..6 {
            let to = if n % 2 == 0 { "44305555" } else { "44799" };
            expect(
                world,
                1,
                Callee { reply: Reply::Redirect(to, 40 * n), ..Callee::redirecting(to) },
            );
            for carrier in [CARRIER, CARRIER + 1] {
                expect(world, carrier, Callee::answering(200 + 31 * n, After::listen()));
            }
            let caller = Caller { to: "1002".into(), cancel_ms: None, after: After::listen() };
            world.at(50 * n, Action::Call(2, caller));
        }
        world.run_ms(240_000)
    });
    let cdrs = world.control.store.cdrs();
    let paid: Vec<&Cdr> = cdrs.iter().filter(|cdr| cdr.is_answered()).collect();
    assert!(!paid.is_empty());
    assert!(paid.iter().all(|cdr| cdr.caller.account.map(|id| id.0) == Some(3)));
    assert!(paid.iter().all(|cdr| reason_name(cdr.outcome.reason) == Some("credit-ended")));
    let books = world.control.store.balances();
    let left = books.iter().find(|b| b.account.0 == 3).map_or(0, |b| b.balance.0);
    assert!((0..plan::cost(plan::RETAIL, 1_000) + 100).contains(&left), "{left}");
}

#[test]
fn a_crash_at_any_moment_of_it_leaves_the_books_right() {
    for at_ms in (0..160).step_by(4) {
        for (plane, back_ms) in [("data", 200), ("control", 1), ("control", 1_500)] {
            played(at_ms, Quality::PERFECT, |world| {
                expect(world, 3, Callee::redirecting("44305555"));
                expect(world, CARRIER, Callee::answering(300, After::listen()));
                world.at(
                    at_ms,
                    match plane {
                        "data" => Action::CrashSwitch { effects: 0, back_ms, power: false },
                        _ => Action::CrashControl { steps: 0, back_ms },
                    },
                );
                call(world, 0, "1004")
            });
        }
    }
}
