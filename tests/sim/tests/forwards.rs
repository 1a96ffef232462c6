//! Forwards and ring groups, by the whole switch in virtual time: who rings, who pays, and that it
//! stays so on a network that loses, doubles and delays.

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

fn play(
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

/// 1001 calls `to` and talks for three seconds when somebody answers.
fn call(world: &mut World, to: &str) -> Result<(), Breach> {
    let caller = Caller { to: to.into(), cancel_ms: None, after: After::talk(3_000) };
    world.at(0, Action::Call(0, caller));
    world.run_ms(120_000)
}

fn expect(world: &mut World, who: usize, callee: Callee) {
    world.at(0, Action::Expect(who, callee));
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
    format!("{}: {caller} to {called} {answered} {how}{pays}", cdr.part)
}

/// The same story on a perfect network and, several times, on a bad one.
fn check(story: impl Fn(&mut World) -> Result<(), Breach>, expect: &[&str]) {
    for (seed, quality) in [(1, Quality::PERFECT), (2, LOSSY), (3, LOSSY), (4, LOSSY), (5, LOSSY)] {
        let world = play(seed, quality, &story);
        assert_eq!(records(&world), expect, "seed {seed}");
    }
}

#[test]
fn a_busy_phone_forwards_at_its_own_cost() {
    check(
        |world| {
            expect(world, 3, Callee::rejecting(486));
            expect(world, CARRIER, Callee::answering(500, After::listen()));
            call(world, "1004")
        },
        &["0: 1 to user 4 answered normal", "1: 4 to trunk 1 answered normal, 4 pays"],
    );
}

#[test]
fn nobody_answers_and_a_colleague_is_called() {
    // 1004 forwards to 1001 when nobody answers: 1002 calls. It rings in vain, or says nothing.
    for ring_ms in [Some(200), None] {
        check(
            |world| {
                let callee = Callee {
                    ring_ms,
                    reply: Reply::Never,
                    ..Callee::answering(0, After::listen())
                };
                expect(world, 3, callee);
                expect(world, 0, Callee::answering(500, After::listen()));
                let after = After::talk(3_000);
                world.at(0, Action::Call(1, Caller { to: "1004".into(), cancel_ms: None, after }));
                world.run_ms(120_000)
            },
            // The forward on busy would be part 1.
            &["0: 2 to user 4 answered normal", "2: 4 to user 1 answered normal"],
        );
    }
}

#[test]
fn who_is_offline_forwards_and_a_forward_is_forwarded() {
    let outside = |to: &'static str| {
        move |world: &mut World| {
            expect(world, CARRIER + 1, Callee::answering(500, After::listen()));
            call(world, to)
        }
    };
    check(
        outside("1011"),
        &["0: 1 to user 21 answered normal", "1: 3 to trunk 2 answered normal, 3 pays"],
    );
    check(
        outside("1012"),
        &[
            "0: 1 to user 22 answered normal",
            "1: 4 to user 21 answered normal",
            "2: 3 to trunk 2 answered normal, 3 pays",
        ],
    );
}

#[test]
fn a_call_forwarded_on_little_credit_is_cut_and_never_overspends() {
    let world = play(9, Quality::PERFECT, |world| {
        for n in 0..6 {
            expect(world, CARRIER + 1, Callee::answering(200 + 31 * n, After::listen()));
            let caller = Caller { to: "1011".into(), cancel_ms: None, after: After::listen() };
            world.at(50 * n, Action::Call(n as usize % 2, caller));
        }
        world.run_ms(240_000)
    });
    let cdrs = world.control.store.cdrs();
    let forwards: Vec<&Cdr> = cdrs.iter().filter(|c| c.part == 1 && c.is_answered()).collect();
    assert!(!forwards.is_empty());
    assert!(forwards.iter().all(|cdr| reason_name(cdr.outcome.reason) == Some("credit-ended")));
    let books = world.control.store.balances();
    let left = books.iter().find(|b| b.account.0 == 3).map_or(0, |b| b.balance.0);
    assert!(left >= 0, "{left}");
    assert!(left < plan::cost(plan::RETAIL, 1_000) + 100, "{left}");
}

#[test]
fn members_of_a_group_ring_together_and_the_losers_are_told() {
    let story = |world: &mut World| {
        expect(world, 1, Callee::answering(4_000, After::listen()));
        expect(world, 2, Callee::answering(1_500, After::listen()));
        call(world, "1020")
    };
    check(story, &["0: 1 to user 3 answered normal"]);
    let world = play(1, Quality::PERFECT, story);
    let told = world.agents[1].ladder.iter().any(|line| line.contains("CANCEL"));
    assert!(told, "{:?}", world.agents[1].ladder);
    let cdr = &world.control.store.cdrs()[0];
    let loser: Vec<_> =
        cdr.hops.iter().map(|hop| (hop.subscriber.map(|id| id.0), hop.outcome.sip)).collect();
    assert_eq!(loser, [(Some(2), 200)]);
}

#[test]
fn members_of_a_group_ring_in_turn_and_it_overflows() {
    check(
        |world| {
            expect(world, 1, Callee::rejecting(603));
            expect(world, 2, Callee::answering(500, After::listen()));
            call(world, "1021")
        },
        &["0: 1 to user 3 answered normal"],
    );
    check(
        |world| {
            expect(world, 1, Callee::rejecting(486));
            expect(world, 2, Callee::rejecting(486));
            expect(world, CARRIER, Callee::answering(500, After::listen()));
            call(world, "1021")
        },
        &["0: 1 to nobody answered normal", "1: 4 to trunk 1 answered normal, 4 pays"],
    );
}

#[test]
fn an_emergency_call_tries_the_next_trunk_with_the_control_plane_dead() {
    for back_ms in [1, 90_000] {
        let world = play(1, Quality::PERFECT, |world| {
            expect(world, CARRIER, Callee::rejecting(404));
            expect(world, CARRIER + 1, Callee::answering(500, After::listen()));
            world.at(0, Action::CrashControl { steps: 0, back_ms });
            let to = plan::EMERGENCY.into();
            let caller = Caller { to, cancel_ms: None, after: After::talk(3_000) };
            world.at(1_000, Action::Call(0, caller));
            world.run_ms(120_000)
        });
        let [cdr] = world.control.store.cdrs() else { panic!("one record") };
        assert!(cdr.is_answered(), "{cdr:?}");
        assert_eq!(cdr.called.trunk.map(|id| id.0), Some(2));
        let failed: Vec<_> = cdr.hops.iter().map(|hop| hop.outcome.sip).collect();
        assert_eq!(failed, [404]);
    }
}
