//! The flows of a dialog beyond INVITE and BYE, by the whole switch in virtual time: reliable
//! ringing and early media, late offers, INFO, MESSAGE, UPDATE, glare, transfers. Each on a perfect
//! network, on one that loses, doubles and overtakes, and over connections; the laws hold in all.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use strowger_model::{Cdr, reason_name};
use strowger_sim::world::CARRIER;
use strowger_sim::{
    Action, After, Breach, Callee, Caller, Manner, Quality, Refer, Word, World, WorldConfig, script,
};

/// One datagram in ten is lost, one in twenty comes twice, and any may overtake the one before.
const ROUGH: Quality = Quality {
    latency_ms: 10,
    jitter_ms: 60,
    loss_ppm: 100_000,
    loss_bad_ppm: 100_000,
    to_bad_ppm: 0,
    to_good_ppm: 0,
    twice_ppm: 50_000,
};

const PLAIN: Manner = Manner {
    allow: false,
    late_offer: false,
    reliable: false,
    early_media: false,
    isup: false,
    named: false,
};
const ALLOWS: Manner = Manner { allow: true, ..PLAIN };
const RELIABLE: Manner = Manner { reliable: true, ..ALLOWS };

fn play(
    config: WorldConfig,
    manner: Manner,
    story: &impl Fn(&mut World) -> Result<(), Breach>,
) -> World {
    let mut world = World::new(WorldConfig { quality: Quality::PERFECT, ..config }).expect("world");
    let result = script::register_all(&mut world).and_then(|()| {
        world.at(0, Action::Network(config.quality));
        for agent in 0..world.agents.len() {
            world.at(0, Action::Manner(agent, manner));
        }
        story(&mut world)
    });
    match result.and_then(|()| world.quiesce()) {
        Ok(()) => world,
        Err(breach) => panic!("{config:?}: {breach}"),
    }
}

/// The story in every surrounding; `expect` judges each world.
fn check(
    manner: Manner,
    story: impl Fn(&mut World) -> Result<(), Breach>,
    expect: impl Fn(&World),
) {
    let perfect = WorldConfig::perfect(1);
    expect(&play(perfect, manner, &story));
    for seed in 2..12 {
        let rough = WorldConfig { quality: ROUGH, ..WorldConfig::perfect(seed) };
        expect(&play(rough, manner, &story));
        let over_tcp = WorldConfig { by_tcp: WorldConfig::ALL, ..rough };
        expect(&play(over_tcp, manner, &story));
        // Phones by TCP, carriers by UDP.
        expect(&play(WorldConfig { by_tcp: 0b1111, ..rough }, manner, &story));
    }
}

/// 1001 calls 1002, which answers after two seconds, and speaks for eight.
fn call(world: &mut World, callers: After, callees: After) -> Result<(), Breach> {
    world.at(0, Action::Expect(1, Callee::answering(2_000, callees)));
    let caller = Caller { to: "1002".into(), cancel_ms: None, after: callers };
    world.at(1, Action::Call(0, caller));
    world.run_ms(60_000)
}

fn one_good_call(world: &World) {
    let cdrs = world.control.store.cdrs();
    let reasons: Vec<_> = cdrs.iter().map(|cdr| reason_name(cdr.outcome.reason)).collect();
    assert!(cdrs.iter().all(Cdr::is_answered), "{reasons:?}");
    assert_eq!(reasons, [Some("normal")]);
}

/// The first carrier calls the second.
fn carriers_talk(world: &mut World) -> Result<(), Breach> {
    world.at(0, Action::Expect(CARRIER + 1, Callee::answering(2_000, After::talk(30_000))));
    let caller = Caller { to: "447911".into(), cancel_ms: None, after: After::talk(8_000) };
    world.at(1, Action::Call(CARRIER, caller));
    world.run_ms(60_000)
}

/// What stands beside descriptions goes on once, in the message that it came in, whatever the
/// network does to the messages.
#[test]
fn isup_goes_on_in_every_message_of_a_call() {
    let manner = Manner { isup: true, early_media: true, ..RELIABLE };
    check(manner, carriers_talk, |world| {
        one_good_call(world);
        let heard = |agent: usize| format!("{:?}", world.agents[agent].isup_heard);
        assert_eq!(heard(CARRIER + 1), r#"{"BYE": 1, "INVITE": 1}"#, "{}", ladder(world));
        assert_eq!(heard(CARRIER), r#"{"183 INVITE": 1, "200 INVITE": 1}"#, "{}", ladder(world));
    });
}

/// Who names his host in his Contact is reached, whether its name is known soon, late or never.
#[test]
fn dialogs_go_on_whatever_is_said_of_the_names_of_their_hosts() {
    let said = std::cell::Cell::new(0);
    check(Manner { named: true, ..ALLOWS }, carriers_talk, |world| {
        one_good_call(world);
        said.set(said.get() + world.control.names_said);
    });
    assert!(said.get() > 10, "nobody asked for names: {}", said.get());
}

fn ladder(world: &World) -> String {
    let mut lines: Vec<_> = world.agents.iter().flat_map(|agent| agent.ladder.iter()).collect();
    lines.sort();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

fn talk(say: Option<(u64, Word)>) -> After {
    After { say, ..After::talk(8_000) }
}

fn listen(say: Option<(u64, Word)>) -> After {
    After { say, ..After::listen() }
}

#[test]
fn ringing_is_acknowledged_on_both_sides() {
    for early_media in [false, true] {
        check(
            Manner { early_media, ..RELIABLE },
            |world| call(world, talk(None), listen(None)),
            |world| {
                one_good_call(world);
                // The called side's is acknowledged by law; the caller is told reliably what
                // describes early media, and what only rings as it may be told.
                let told = world.agents[0].pracks >= 1;
                assert_eq!(told, early_media, "{}", ladder(world));
            },
        );
    }
}

#[test]
fn an_offer_may_come_late() {
    for manner in [ALLOWS, RELIABLE] {
        check(
            Manner { late_offer: true, ..manner },
            |world| {
                // Those before an ACK that was lost are for nobody.
                let long = |after| After { packets: 70, ..after };
                call(world, long(talk(None)), long(listen(None)))
            },
            |world| {
                one_good_call(world);
                let heard = [0, 1].map(|who| world.agents[who].media_heard > 0);
                assert_eq!(heard, [true, true], "{}", ladder(world));
            },
        );
    }
}

#[test]
fn words_go_both_ways_once() {
    for word in [Word::Info, Word::Message] {
        check(
            ALLOWS,
            |world| call(world, talk(Some((1_000, word))), listen(Some((1_500, word)))),
            |world| {
                one_good_call(world);
                for agent in &world.agents[..2] {
                    assert_eq!(agent.words_heard.len(), 1, "{word:?} {:?}", agent.words_heard);
                    assert_eq!(agent.words_answered.values().sum::<u32>(), 1);
                }
            },
        );
    }
}

#[test]
fn descriptions_change_by_update_and_meet_in_the_middle() {
    // Apart, at the same moment, and against a re-INVITE.
    for (callers_ms, callees_ms, hold_ms) in
        [(1_000, 3_000, None), (1_000, 1_000, None), (1_000, 4_000, Some(1_000))]
    {
        check(
            ALLOWS,
            |world| {
                let callees = After { hold_ms, ..listen(Some((callees_ms, Word::Update))) };
                call(world, talk(Some((callers_ms, Word::Update))), callees)
            },
            |world| {
                one_good_call(world);
                let answers = |who: usize| &world.agents[who].words_answered;
                assert!(answers(0).get(&("UPDATE", 200)).is_some(), "{:?}", answers(0));
            },
        );
    }
}

#[test]
fn a_call_is_put_through_and_the_transfer_is_told() {
    check(
        ALLOWS,
        |world| {
            // Whose audio it is a phone cannot know while its new description is on its way.
            let mute = |after| After { packets: 0, ..after };
            let callee = Callee::answering(500, mute(After::talk(6_000)));
            world.at(0, Action::Expect(CARRIER, callee));
            world.at(6_000, Action::Refer(0, 0, Refer::To("44201234".into())));
            call(world, mute(talk(None)), mute(After::listen()))
        },
        |world| {
            assert_eq!(world.agents[0].refers.get(&202), Some(&1), "{}", ladder(world));
            assert_eq!(world.agents[0].calls[&0].referred, Some(200), "{}", ladder(world));
            let cdrs = world.control.store.cdrs();
            assert_eq!(cdrs.iter().filter(|cdr| cdr.is_answered()).count(), 2);
        },
    );
}
