//! Transfers, and transfers of transferred calls: with loss, and with crashes of either plane
//! between every pair of steps.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failing run tells how to repeat it"
)]

use strowger_sim::agent::CallState;
use strowger_sim::world::CARRIER;
use strowger_sim::{
    Action, After, Breach, Callee, Caller, CrashAt, Refer, Side, Step, Victim, World, WorldConfig,
    script,
};

/// A story with trouble.
type Story = fn(&[(u64, Action)]) -> Result<World, Breach>;

/// Seeds of the random scripts in CI, and with `STROWGER_TEST_LONG`.
const SEEDS: u64 = 60;
const SEEDS_LONG: u64 = 2_000;

fn long() -> bool {
    std::env::var("STROWGER_TEST_LONG").is_ok()
}

fn speaks(bye_ms: Option<u64>) -> After {
    After { bye_ms, packets: 0, ..After::listen() }
}

fn sends(packets: u32, bye_ms: Option<u64>) -> After {
    After { packets, ..speaks(bye_ms) }
}

/// 1001 calls 1002 and puts it through to 1003, who puts it through to the carrier; 1002 ends it.
fn blind(trouble: &[(u64, Action)]) -> Result<World, Breach> {
    let mut world = World::new(WorldConfig::perfect(3)).expect("a world");
    script::register_all(&mut world)?;
    trouble.iter().for_each(|(at_ms, action)| world.at(*at_ms, action.clone()));
    world.at(0, Action::Expect(1, Callee::answering(200, sends(200, Some(20_000)))));
    let caller = Caller { to: "1002".into(), cancel_ms: None, after: sends(20, None) };
    world.at(10, Action::Call(0, caller));
    world.at(2_000, Action::Expect(2, Callee::answering(400, sends(40, None))));
    world.at(2_010, Action::Refer(0, 0, Refer::To("1003".into())));
    world.at(9_000, Action::Expect(CARRIER, Callee::answering(400, sends(40, None))));
    world.at(9_010, Action::Refer(2, 0, Refer::To("44201234".into())));
    finish(world)
}

/// 1001 calls 1002 and then 1003, and joins the two; 1003 ends it.
fn attended(trouble: &[(u64, Action)]) -> Result<World, Breach> {
    let mut world = World::new(WorldConfig::perfect(4)).expect("a world");
    script::register_all(&mut world)?;
    trouble.iter().for_each(|(at_ms, action)| world.at(*at_ms, action.clone()));
    for (at_ms, to, callee, bye_ms) in [(0, "1002", 1, None), (2_000, "1003", 2, Some(15_000))] {
        world.at(at_ms, Action::Expect(callee, Callee::answering(200, sends(100, bye_ms))));
        let caller = Caller { to: to.into(), cancel_ms: None, after: sends(10, None) };
        world.at(at_ms + 10, Action::Call(0, caller));
    }
    world.at(5_000, Action::Refer(0, 0, Refer::WithNext));
    finish(world)
}

fn finish(mut world: World) -> Result<World, Breach> {
    // Who was left by a crash hangs up.
    world.at(40_000, Action::GiveUp);
    world.run_ms(45_000)?;
    world.quiesce()?;
    Ok(world)
}

/// When the first call of an agent was over, milliseconds of the story.
fn over_ms(world: &World, who: usize) -> u64 {
    let call = world.agents[who].calls.values().next().expect("a call");
    let CallState::Over(at) = call.state else { panic!("{who} is {:?}", call.state) };
    // The first tick, and the second that registrations take.
    at.0 / 1_000_000 - 2_000
}

fn talk_s(world: &World) -> Vec<u64> {
    let mut talk: Vec<u64> =
        world.control.store.cdrs().iter().map(|cdr| (cdr.times.talk_ms + 500) / 1_000).collect();
    talk.sort_unstable();
    talk
}

#[test]
fn a_call_that_is_put_through_twice_has_its_three_records_and_its_audio() {
    let world = blind(&[]).unwrap_or_else(|breach| panic!("{breach}"));
    for who in [0, 2] {
        assert_eq!(world.agents[who].refers.get(&202), Some(&1));
        assert_eq!(world.agents[who].calls[&0].referred, Some(200));
    }
    assert!(over_ms(&world, 0) < 2_600 && over_ms(&world, 2) < 9_600);
    for who in [1, CARRIER] {
        assert!(over_ms(&world, who) > 20_000, "{who}: {}", over_ms(&world, who));
    }
    // Each goes on under its record to the end.
    assert_eq!(talk_s(&world), [11, 18, 20]);
    let heard = |who: usize| world.agents[who].calls[&0].heard;
    // Those who were put through heard each other.
    assert!(heard(CARRIER) > 80 && heard(1) > 85, "{} {}", heard(CARRIER), heard(1));
}

#[test]
fn two_calls_that_are_joined_have_two_records_and_audio() {
    let world = attended(&[]).unwrap_or_else(|breach| panic!("{breach}"));
    assert_eq!(world.agents[0].refers.get(&202), Some(&1));
    assert!(world.agents[0].calls.values().all(|call| call.referred.is_none_or(|s| s == 200)));
    assert_eq!(talk_s(&world), [15, 17]);
    let heard = |who: usize| world.agents[who].calls[&0].heard;
    assert!(heard(1) > 70 && heard(2) > 50, "{} {}", heard(1), heard(2));
}

/// After the transfers a crash changes nothing for those who talk.
#[test]
fn transferred_calls_outlive_the_dataplane() {
    for (story, at_ms, calls) in
        [(blind as Story, 5_000, 2), (blind, 14_000, 3), (attended, 8_000, 2)]
    {
        let crash = Action::CrashSwitch { effects: 0, back_ms: 300, power: false };
        let world = story(&[(at_ms, crash)]).unwrap_or_else(|breach| panic!("{breach}"));
        let last = world.adopted.last().expect("a second life");
        assert_eq!((last.adopted, last.ended), (calls, 0), "at {at_ms}");
        assert_eq!(talk_s(&world), talk_s(&story(&[]).unwrap_or_else(|breach| panic!("{breach}"))));
    }
}

/// How often a story reaches each step before and while it is transferred.
fn crashes(story: Story) -> Vec<CrashAt> {
    let mut begun = World::new(WorldConfig::perfect(3)).expect("a world");
    script::register_all(&mut begun).unwrap_or_else(|breach| panic!("{breach}"));
    let world = story(&[]).unwrap_or_else(|breach| panic!("without a crash: {breach}"));
    let mut all = Vec::new();
    for step in Step::ALL {
        let count = (world.count(*step) - begun.count(*step)).min(30);
        for nth in 1..=count {
            for side in [Side::Before, Side::After] {
                let n = all.len();
                let victim = Victim::ALL.get(n % 4).copied().unwrap_or(Victim::Switch);
                let victims = if long() { Victim::ALL.to_vec() } else { vec![victim] };
                for victim in victims {
                    let (switch_back_ms, control_back_ms) = match n % 3 {
                        0 => (40, 1_700),
                        1 => (1_700, 40),
                        _ => (4_000, 4_000),
                    };
                    let step = *step;
                    all.push(CrashAt { step, nth, side, victim, switch_back_ms, control_back_ms });
                }
            }
        }
    }
    all
}

fn play_all(name: &str, story: Story) {
    let wanted = std::env::var("STROWGER_CRASH").ok();
    let (mut played, mut broken) = (0, Vec::new());
    for crash in crashes(story) {
        let CrashAt { step, nth, side, victim, .. } = crash;
        let what = format!("{name} {step:?} {nth} {side:?} {victim:?}");
        if wanted.as_ref().is_some_and(|wanted| !what.starts_with(wanted)) {
            continue;
        }
        match story(&[(0, Action::CrashAt(crash))]) {
            Ok(_) => played += 1,
            Err(breach) => {
                if broken.is_empty() || wanted.is_some() {
                    eprintln!("{breach}");
                }
                broken.push(format!("{what}: {}", breach.what));
            }
        }
    }
    eprintln!("{name}: {played} crashes played");
    assert!(broken.is_empty(), "{}: {broken:#?}", broken.len());
}

#[test]
fn either_plane_may_die_at_every_step_of_a_blind_transfer() {
    play_all("blind", blind);
}

#[test]
fn either_plane_may_die_at_every_step_of_an_attended_transfer() {
    play_all("attended", attended);
}

#[test]
fn random_transfers_keep_all_laws() {
    let seeds = if long() { SEEDS_LONG } else { SEEDS };
    let only = std::env::var("STROWGER_SEED").ok().and_then(|seed| seed.parse().ok());
    let (mut put_through, mut told) = (0, 0);
    for seed in 0..seeds {
        if only.is_some_and(|only: u64| only != seed) {
            continue;
        }
        let world = match script::transfers(seed) {
            Ok(world) => world.expect("a world"),
            Err(breach) => panic!("{breach}"),
        };
        for agent in &world.agents {
            told += agent.refers.get(&202).copied().unwrap_or_default();
            let done = agent.calls.values().filter(|call| call.referred == Some(200)).count();
            put_through += done;
        }
    }
    eprintln!("{told} transfers were tried, {put_through} calls were put through");
    assert!(only.is_some() || put_through as u64 > seeds / 2, "{told} {put_through}");
}
