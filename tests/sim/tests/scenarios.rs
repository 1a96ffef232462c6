//! Named scenarios: one story each, all laws, and what the story itself promises.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use strowger_billing::Settlement;
use strowger_link::codec::encode;
use strowger_link::{
    AskId, Branch, BranchAuth, Gauge, Grant, LegId, Manner, MediaMode, MediaPolicy, Octets,
    OnDriverLost, OnRedirect, Originate, PartyRef, Srtp, Target, Transport, Verb, VerbId, VerbKind,
    Voices,
};
use strowger_model::{Cdr, reason_name};
use strowger_sim::world::CARRIER;
use strowger_sim::{
    Action, After, Breach, Callee, Caller, Quality, Reply, World, WorldConfig, plan, script,
};

/// Both ways on a perfect network: INVITE, 401, INVITE again, then towards the called side.
const TO_CALLED_MS: u64 = 20;
/// Of the network, one way.
const LATENCY_MS: u64 = 5;

/// A perfect world whose phones are registered, then `plan`, then quiet.
fn play(seed: u64, plan: impl FnOnce(&mut World) -> Result<(), Breach>) -> World {
    let mut world = World::new(WorldConfig::perfect(seed)).expect("a world");
    let result = script::register_all(&mut world)
        .and_then(|()| plan(&mut world))
        .and_then(|()| world.quiesce());
    match result {
        Ok(()) => world,
        Err(breach) => panic!("{breach}"),
    }
}

fn call(world: &mut World, at_ms: u64, from: usize, to: &str, caller: Caller) {
    world.at(at_ms, Action::Call(from, Caller { to: to.into(), ..caller }));
}

fn dial(after: After) -> Caller {
    Caller { to: String::new(), cancel_ms: None, after }
}

fn give_up(cancel_ms: u64) -> Caller {
    Caller { cancel_ms: Some(cancel_ms), ..dial(After::talk(3_000)) }
}

fn expect(world: &mut World, who: usize, callee: Callee) {
    world.at(0, Action::Expect(who, callee));
}

fn cdrs(world: &World) -> &[Cdr] {
    world.control.store.cdrs()
}

fn reason(cdr: &Cdr) -> &'static str {
    reason_name(cdr.outcome.reason).unwrap_or("?")
}

fn balance(world: &World, account: i64) -> i64 {
    let books = world.control.store.balances();
    books.iter().find(|posted| posted.account.0 == account).map_or(0, |posted| posted.balance.0)
}

#[test]
fn one_call_is_carried_recorded_and_paid() {
    let world = play(1, |world| {
        expect(world, CARRIER, Callee::answering(500, After::listen()));
        call(world, 0, 0, "44201234", dial(After::talk(3_000)));
        world.run_ms(10_000)
    });
    let [cdr] = cdrs(&world) else { panic!("{:?}", cdrs(&world)) };
    assert_eq!(cdr.times.talk_ms, 3_000 + 2 * LATENCY_MS);
    assert_eq!(balance(&world, 1), 1_000 * plan::CENT - plan::cost(plan::RETAIL, 3_010));
    let heard: u64 = world.agents.iter().map(|agent| agent.media_heard).sum();
    assert_eq!(heard, 16, "eight packets each way");
}

#[test]
fn a_wrong_password_and_an_unknown_number_are_refused() {
    let world = play(2, |world| {
        world.at(0, Action::Password(1, false));
        call(world, 1, 1, "44201234", dial(After::talk(1_000)));
        call(world, 1, 0, "0999999", dial(After::talk(1_000)));
        world.run_ms(2_000)
    });
    let outcome = |who: usize| world.agents[who].calls.values().next().and_then(|c| c.outcome);
    assert_eq!(outcome(0), Some(404));
    assert_eq!(outcome(1), Some(403));
    assert!(cdrs(&world).iter().all(|cdr| !cdr.is_answered()));
}

/// 1004 has IPv6 alone, 1001 and the carriers IPv4 alone: the switch stands between, and leaves by
/// the listener that each can reach (`Machine` notes a datagram between the families).
#[test]
fn an_ipv6_phone_calls_and_is_called_by_ipv4_ones() {
    let world = play(9, |world| {
        expect(world, 3, Callee::answering(300, After::listen()));
        expect(world, 0, Callee::answering(300, After::talk(2_000)));
        expect(world, CARRIER, Callee::answering(300, After::talk(2_000)));
        call(world, 0, 0, "1004", dial(After::talk(2_000)));
        call(world, 5_000, 3, "1001", dial(After::listen()));
        call(world, 10_000, 3, "44201234", dial(After::listen()));
        world.run_ms(16_000)
    });
    assert!(plan::phone_address(3).is_ipv6() && plan::phone_address(0).is_ipv4());
    assert_eq!(cdrs(&world).len(), 3);
    assert!(cdrs(&world).iter().all(Cdr::is_answered), "{:?}", cdrs(&world));
    let heard = |who: usize| world.agents[who].media_heard;
    assert!(heard(0) >= 16 && heard(3) >= 24 && heard(CARRIER) >= 8, "{}", heard(3));
}

#[test]
fn busy_is_told_as_busy() {
    let world = play(3, |world| {
        expect(world, 1, Callee::rejecting(486));
        call(world, 0, 0, "1002", dial(After::talk(1_000)));
        world.run_ms(2_000)
    });
    assert_eq!(world.agents[0].calls[&0].outcome, Some(486));
    assert_eq!(reason(&cdrs(&world)[0]), "busy");
}

#[test]
fn a_call_of_two_originated_legs_is_joined_and_recorded() {
    let world = play(4, |world| {
        expect(world, 0, Callee::answering(300, After::listen()));
        expect(world, 1, Callee::answering(300, After::talk(4_000)));
        world.at(1, Action::Verb(Box::new(originate())));
        world.run_ms(10_000)
    });
    assert_eq!(world.control.verbs, ["Done"]);
    let [cdr] = cdrs(&world) else { panic!("{:?}", cdrs(&world)) };
    assert!(cdr.is_answered() && cdr.charges().next().is_none());
    for who in [0, 1] {
        assert!(world.agents[who].media_heard > 0, "{who} hears the other");
    }
}

fn originate() -> Verb {
    let branch = |who: usize, number: &str| Branch {
        target: Target {
            uri: format!("sip:{number}@{}", plan::phone_address(who)),
            address: plan::phone_address(who),
            transport: Transport::Udp,
            flow: 0,
            routes: Vec::new(),
        },
        to_uri: String::new(),
        listener: 0,
        dialed: number.into(),
        from_user: "0800".into(),
        display: String::new(),
        asserted: None,
        anonymous: false,
        headers: Vec::new(),
        media: MediaPolicy {
            mode: MediaMode::Relay,
            nated: false,
            start_timeout_ms: 0,
            timeout_ms: 0,
            voices: Voices::ALL,
            strict: false,
            ends_false: false,
            first_packet: false,
            srtp: Srtp::Accept,
        },
        ring_ms: 20_000,
        first_ms: 0,
        record: false,
        app: None,
        auth: BranchAuth::Ours,
        gauges: vec![Gauge { id: 77, in_use_max: 5, per_second_max: 0 }],
        continue_on: Vec::new(),
        stop_on: Vec::new(),
        hop: 0,
        party: PartyRef::Subscriber(who as i64 + 1),
        manner: Manner::default(),
        redirect: OnRedirect::Fail,
        replies: Vec::new(),
    };
    let args = Originate {
        first: branch(0, "1001"),
        second: branch(1, "1002"),
        grant: Grant { ms: u64::MAX, free_ms: 0, last: false, go_on: false },
        settlement: Octets(Settlement::free(plan::TENANT).encode().expect("a settlement")),
        ask: AskId(1 << 54),
        deadline_ms: 30_000,
    };
    Verb {
        id: VerbId(1),
        leg: LegId::default(),
        kind: VerbKind::Originate,
        args: Octets(encode(&args)),
        resume: Octets::default(),
        on_driver_lost: OnDriverLost::RunOn,
    }
}

#[test]
fn ten_calls_on_a_small_balance_never_spend_more_and_are_cut_to_the_tick() {
    let world = play(5, |world| {
        for n in 0..10 {
            expect(world, CARRIER, Callee::answering(100 + 37 * n, After::listen()));
            // Only the till ends these.
            call(world, 40 * n, 2, "44201234", dial(After::listen()));
        }
        world.run_ms(240_000)
    });
    let answered: Vec<&Cdr> = cdrs(&world).iter().filter(|cdr| cdr.is_answered()).collect();
    assert!(!answered.is_empty());
    for cdr in &answered {
        assert_eq!(reason(cdr), "credit-ended");
        assert_eq!(cdr.times.talk_ms, cdr.times.billable_ms, "cut at the tick");
    }
    let left = balance(&world, 3);
    assert!(left >= 0, "{left}");
    // Less than one more second is left.
    assert!(left < plan::cost(plan::RETAIL, 1_000) + 100, "{left}");
}

#[test]
fn hold_stops_the_audio_and_resume_lets_it_flow() {
    let world = play(6, |world| {
        let hold = After {
            bye_ms: Some(6_000),
            packets: 50,
            hold_ms: Some(1_000),
            resume_ms: Some(4_000),
            say: None,
        };
        expect(world, 1, Callee::answering(100, After { packets: 50, ..After::listen() }));
        call(world, 0, 0, "1002", dial(hold));
        world.run_ms(10_000)
    });
    let (caller, called) = (&world.agents[0].calls[&0], &world.agents[1].calls[&0]);
    // 50 packets in five seconds, three of them on hold.
    assert!((18..=22).contains(&caller.sent) && (18..=22).contains(&called.sent));
    assert_eq!(called.heard, caller.sent);
    // One packet may be under way when the hold begins.
    assert!(called.sent - caller.heard <= 1);
}

/// Regression: answer and CANCEL in one batch of datagrams. The caller was told 487 and paid.
/// Either may come first in it, so both directions are tried.
#[test]
fn a_cancel_may_meet_the_answer_at_any_moment_and_the_record_says_what_the_caller_heard() {
    for (offset, from) in (0..=40).flat_map(|offset| [(offset, 0), (offset, 1)]) {
        let answer_ms = 1_000;
        let (to, number) = if from == 0 { (1, "1002") } else { (0, "1001") };
        // From before the 200 is sent until after it has arrived.
        let cancel_ms = TO_CALLED_MS + answer_ms - 20 + offset;
        let world = play(7, |world| {
            expect(world, to, Callee::answering(answer_ms, After::listen()));
            call(world, 0, from, number, give_up(cancel_ms));
            world.run_ms(5_000)
        });
        let outcome = world.agents[from].calls[&0].outcome;
        let [cdr] = cdrs(&world) else { panic!("{:?}", cdrs(&world)) };
        let heard = outcome == Some(200);
        assert_eq!(cdr.is_answered(), heard, "offset {offset}: {outcome:?} {cdr:?}");
    }
}

/// Regression: the ACK of a re-INVITE is lost, and another re-INVITE follows before its 200 comes
/// again. Each 200 must have its ACK (RFC 3261 13.2.2.4).
#[test]
fn an_old_2xx_is_acknowledged_after_a_later_reinvite() {
    let answer_ms = 100;
    let world = play(9, |world| {
        let after = After { hold_ms: Some(1_000), resume_ms: Some(1_300), ..After::talk(60_000) };
        expect(world, 1, Callee::answering(answer_ms, After::listen()));
        call(world, 0, 0, "1002", dial(after));
        // Answer, its way to the caller, hold, its way to the called side and back.
        let held = TO_CALLED_MS + answer_ms + 2 * LATENCY_MS + 1_000 + 3 * LATENCY_MS;
        world.at(held - 2, Action::LoseNext(1));
        world.run_ms(60_000)
    });
    assert_eq!(cdrs(&world).len(), 1);
}

#[test]
fn both_sides_may_hang_up_at_once() {
    for offset in 0..=24 {
        let world = play(10, |world| {
            expect(world, 1, Callee::answering(100, After::talk(2_000 + offset)));
            call(world, 0, 0, "1002", dial(After::talk(2_012)));
            world.run_ms(5_000)
        });
        assert_eq!(cdrs(&world).len(), 1);
    }
}

#[test]
fn both_sides_may_hold_at_once() {
    for offset in 0..=20 {
        let world = play(11, |world| {
            let hold =
                |ms| After { hold_ms: Some(ms), resume_ms: Some(9_000), ..After::talk(15_000) };
            expect(world, 1, Callee::answering(100, hold(1_000 + offset)));
            call(world, 0, 0, "1002", dial(hold(1_010)));
            world.run_ms(20_000)
        });
        assert_eq!(cdrs(&world).len(), 1);
    }
}

#[test]
fn a_silent_carrier_is_passed_over() {
    let world = play(12, |world| {
        let deaf = Callee { reply: Reply::Deaf, ..Callee::answering(0, After::listen()) };
        expect(world, CARRIER, deaf);
        expect(world, CARRIER + 1, Callee::answering(500, After::listen()));
        call(world, 0, 0, "44201234", dial(After::talk(3_000)));
        world.run_ms(60_000)
    });
    let [cdr] = cdrs(&world) else { panic!("{:?}", cdrs(&world)) };
    assert_eq!(cdr.called.trunk.map(|trunk| trunk.0), Some(2));
    assert_eq!(cdr.hops.len(), 1, "the silent one is a hop of the record");
}

#[test]
fn a_refusing_carrier_is_passed_over() {
    let world = play(13, |world| {
        expect(world, CARRIER, Callee::rejecting(503));
        expect(world, CARRIER + 1, Callee::answering(500, After::listen()));
        call(world, 0, 0, "44201234", dial(After::talk(3_000)));
        world.run_ms(60_000)
    });
    assert_eq!(cdrs(&world)[0].called.trunk.map(|trunk| trunk.0), Some(2));
}

/// The control plane dies after each of its steps, before, in and after a call.
#[test]
fn the_control_plane_may_die_at_every_step_of_a_call() {
    for at_ms in [0, 5, 12, 30, 600, 1_000, 3_500, 3_520, 3_600] {
        for steps in 0..8 {
            for back_ms in [20, 2_000, 5_000] {
                let world = play(at_ms + steps, |world| {
                    expect(world, CARRIER, Callee::answering(500, After::listen()));
                    call(world, 0, 0, "44201234", dial(After::talk(3_000)));
                    let steps = u32::try_from(steps).unwrap();
                    world.at(at_ms, Action::CrashControl { steps, back_ms });
                    world.run_ms(20_000)
                });
                assert!(world.control.crashes >= 1);
            }
        }
    }
}

/// Regression: after a boot, calls of the table hold their money before anything new is admitted.
#[test]
fn a_call_that_outlives_the_control_plane_keeps_its_money() {
    let world = play(14, |world| {
        for n in 0..3 {
            expect(world, CARRIER, Callee::answering(100, After::listen()));
            call(world, 100 * n, 2, "44201234", dial(After::listen()));
        }
        world.at(2_000, Action::CrashControl { steps: 0, back_ms: 50 });
        for n in 0..6 {
            expect(world, CARRIER, Callee::answering(100, After::listen()));
            call(world, 2_100 + 100 * n, 2, "44201234", dial(After::listen()));
        }
        world.run_ms(200_000)
    });
    assert!(balance(&world, 3) >= 0);
    assert!(cdrs(&world).iter().any(Cdr::is_answered));
}

#[test]
fn calls_go_on_without_the_control_plane_and_are_cut_at_the_end_of_their_slice() {
    let world = play(15, |world| {
        expect(world, CARRIER, Callee::answering(100, After::listen()));
        call(world, 0, 2, "44201234", dial(After::listen()));
        world.at(10_000, Action::CrashControl { steps: 0, back_ms: 200_000 });
        world.run_ms(150_000)?;
        assert_eq!(world.agents.iter().map(|agent| agent.open_calls()).sum::<usize>(), 0);
        world.run_ms(60_000)
    });
    assert_eq!(reason(&cdrs(&world)[0]), "credit-ended");
}

#[test]
fn a_lossy_network_only_makes_it_slower() {
    for seed in 0..40 {
        let quality =
            Quality { loss_ppm: 200_000, twice_ppm: 100_000, jitter_ms: 80, ..Quality::PERFECT };
        let world = play(seed, |world| {
            world.at(0, Action::Network(quality));
            expect(world, 1, Callee::answering(800, After::listen()));
            call(world, 1, 0, "1002", dial(After::talk(5_000)));
            world.run_ms(30_000)
        });
        assert_eq!(cdrs(&world).len(), 1);
    }
}
