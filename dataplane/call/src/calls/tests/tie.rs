//! Ties: what each of two calls of two shards does. The other shard is whoever plays leg `c`.

use super::media::letter;
use super::transfer::Scene;
use super::world::{offer, sdp};
use strowger_leg::{Event, Replaces};
use strowger_link::{Cause, LegId, SlotRef};

const ABROAD: LegId = LegId { slot: SlotRef { seg: 7, idx: 3, r#gen: 1 }, leg: 0 };

fn answered(text: &str) -> Event {
    Event::Answered { body: Some(sdp(text)) }
}

fn offers(text: &str) -> Event {
    Event::Reoffer { body: Some(sdp(text)) }
}

fn accepts(text: &str) -> Event {
    Event::ReofferAnswered { body: Some(sdp(text)) }
}

fn refused(status: u16) -> Event {
    Event::Refused { cause: Cause::from_sip(status), contacts: Vec::new(), silent: false }
}

/// The first call is bridged with another shard.
fn first_tied() -> Scene {
    let mut scene = Scene::talking();
    let tried = ["table answered", "0a< transfer-accept", "0c< invite offer(1002)"];
    assert_eq!(scene.refer(0, 0, Some(ABROAD)), tried);
    assert_eq!(
        scene.event(0, 2, answered("c1")),
        [
            "part a b",
            "join b c",
            "table answered",
            "0a< transfer-progress 200",
            "0a< hangup 0/16",
            "0b< reoffer offer(c1)",
        ]
    );
    assert_eq!(scene.event(0, 2, Event::Confirmed { body: None }), [""; 0]);
    scene
}

#[test]
fn the_first_call_asks_the_other_shard_and_then_each_of_both() {
    let mut scene = first_tied();
    assert_eq!(scene.event(0, 1, accepts("b2")), ["0c< reoffer offer(b2)"]);
    assert_eq!(scene.event(0, 2, accepts("c2")), [""; 0]);
    assert_eq!(scene.event(0, 1, offers("b3")), ["0c< reoffer offer(b3)"]);
    assert_eq!(scene.event(0, 2, accepts("c3")), ["0b< reoffer-answer answer(c3)"]);
    let told = scene.bye(0, 2);
    assert_eq!(told.last().unwrap(), "0b< hangup 0/16", "{told:?}");
    scene.end();
    let facts = scene.facts(0);
    assert!(facts.iter().all(|fact| !fact.starts_with("opened c")), "{facts:#?}");
    assert!(facts.contains(&"joined b c".to_owned()), "{facts:#?}");
}

#[test]
fn what_the_other_shard_refuses_leaves_the_first_call_as_it_was() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, Some(ABROAD));
    // One at a time, and none amid an exchange.
    assert_eq!(scene.refer(0, 1, Some(ABROAD)), ["0b< transfer-refuse 491/31"]);
    assert_eq!(scene.event(0, 2, refused(481)), ["table answered", "0a< transfer-progress 481"]);
    let info = Event::Info { body: sdp("i") };
    assert_eq!(scene.event(0, 0, info), ["0b< info i"]);
    // Nobody there speaks at all.
    scene.refer(0, 0, Some(ABROAD));
    let outputs = scene.world.wait(u64::from(crate::limits::TIE_MS));
    let told = scene.texts(&outputs);
    assert_eq!(told.last().unwrap(), "0a< transfer-progress 408", "{told:?}");
    // An answer that has crossed our CANCEL is ended.
    let told = scene.event(0, 3, answered("late"));
    assert!(told[0].starts_with("0d< hangup"), "{told:?}");
    scene.bye(0, 0);
    scene.end();
}

#[test]
fn an_answer_waits_for_an_exchange_and_the_asker_may_go_meanwhile() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, Some(ABROAD));
    scene.event(0, 0, offers("a2"));
    assert_eq!(scene.event(0, 2, answered("c1")), [""; 0]);
    assert_eq!(scene.event(0, 2, Event::Confirmed { body: None }), [""; 0]);
    assert_eq!(scene.event(0, 2, offers("c2")), ["0c< reoffer-refuse 491/31"]);
    let told = scene.event(0, 1, accepts("b2"));
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(c1)", "{told:?}");
    scene.bye(0, 1);
    scene.end();

    let mut scene = Scene::talking();
    scene.refer(0, 0, Some(ABROAD));
    scene.bye(0, 0);
    let told = scene.event(0, 2, answered("c1"));
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(c1)", "{told:?}");
    scene.bye(0, 2);
    scene.end();

    let mut scene = Scene::talking();
    scene.refer(0, 0, Some(ABROAD));
    let told = scene.bye(0, 1);
    assert!(told.iter().any(|line| line.starts_with("0c< hangup")), "{told:?}");
    scene.end();
}

/// A party of another shard takes the place of `leg` of the first call.
fn taken(scene: &mut Scene, leg: u8) -> Vec<String> {
    let replaced = scene.leg(0, leg);
    let tie = scene.world.calls.reserve_beside(replaced).unwrap();
    assert_eq!(tie, scene.leg(0, 2));
    scene.world.laws.offered(tie);
    let mut offer = offer("shard", Some("b1"));
    let named = String::new();
    offer.replaces = Some(Box::new(Replaces { leg: replaced, ringing: false, named }));
    scene.event(0, 2, Event::Offered(Box::new(offer)))
}

#[test]
fn the_second_call_gives_the_place_at_once() {
    let mut scene = Scene::talking();
    assert_eq!(
        taken(&mut scene, 0),
        ["part a b", "join b c", "table answered", "0a< hangup 0/16", "0c< answer offer(1002)",]
    );
    assert_eq!(scene.event(0, 2, Event::Confirmed { body: None }), [""; 0]);
    assert_eq!(scene.event(0, 2, offers("b2")), ["0b< reoffer offer(b2)"]);
    assert_eq!(scene.event(0, 1, accepts("c2")), ["0c< reoffer-answer answer(c2)"]);
    let told = scene.bye(0, 1);
    assert_eq!(told.last().unwrap(), "0c< hangup 0/16", "{told:?}");
    scene.end();

    // Whom we called asked: the record has a called leg to its end.
    let mut scene = Scene::talking();
    taken(&mut scene, 1);
    scene.bye(0, 2);
    scene.end();
    let facts = scene.facts(0);
    assert!(facts.iter().any(|fact| fact.starts_with("opened c")), "{facts:#?}");
    assert!(facts.iter().any(|fact| fact.starts_with("ended c")), "{facts:#?}");
}

#[test]
fn a_place_that_cannot_be_had_is_refused() {
    let mut scene = Scene::talking();
    let place = scene.leg(0, 0);
    let of = |scene: &mut Scene, leg| scene.world.calls.reserve_beside(leg).map_err(|c| c.sip);
    assert_eq!(of(&mut scene, LegId { leg: 5, ..place }), Err(481));
    assert_eq!(of(&mut scene, ABROAD), Err(481));
    scene.event(0, 1, offers("b2"));
    assert_eq!(of(&mut scene, place), Err(491));
    scene.event(0, 0, accepts("a2"));
    // What comes to nothing is given back and leaves the call alone.
    let tie = of(&mut scene, place).unwrap();
    scene.world.calls.unreserve(tie);
    assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["0b< info i"]);
    scene.bye(0, 0);
    scene.end();
}

#[test]
fn both_halves_outlive_their_process() {
    for mut scene in [first_tied(), {
        let mut scene = Scene::talking();
        taken(&mut scene, 0);
        scene
    }] {
        let slot = scene.leg(0, 0).slot;
        let legs = |scene: &Scene| scene.world.calls.legs(slot).collect::<Vec<_>>();
        assert_eq!(legs(&scene), [0, 1, 2], "its dialog is kept");
        scene.restart();
        assert_eq!(legs(&scene), [0, 1, 2]);
        let told = scene.bye(0, 1);
        assert!(told.iter().any(|line| line.starts_with("0c< hangup")), "{told:?}");
        scene.end();
    }
}

/// Time goes on by nothing.
fn at_once(scene: &mut Scene) -> Vec<String> {
    let outputs = scene.world.wait(0);
    scene.texts(&outputs)
}

#[test]
fn what_is_tried_ends_with_the_process() {
    let given_up = ["table answered", "0c< hangup 408/102", "0a< transfer-progress 408"];
    for is_answered in [false, true] {
        let mut scene = Scene::talking();
        scene.refer(0, 0, Some(ABROAD));
        if is_answered {
            // It waits for the end of an exchange.
            scene.event(0, 0, offers("a2"));
            assert_eq!(scene.event(0, 2, answered("c1")), [""; 0]);
        }
        scene.restart();
        assert_eq!(at_once(&mut scene), given_up);
        if !is_answered {
            assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["0b< info i"]);
        }
        scene.bye(0, 0);
        scene.end();
    }
}

#[test]
fn who_waits_alone_for_another_shard_ends_with_the_process() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, Some(ABROAD));
    scene.event(0, 1, offers("b2"));
    scene.bye(0, 0);
    // The asker is not there to be asked for an offer.
    assert_eq!(scene.restart(), [""; 0]);
    let told = at_once(&mut scene);
    assert!(told.contains(&"0c< hangup 408/102".to_owned()), "{told:?}");
    assert_eq!(told.last().unwrap(), "0b< hangup 408/102", "{told:?}");
    scene.end();
}

#[test]
fn a_tie_says_nothing_that_its_place_does_not_let_it_say() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, Some(ABROAD));
    // It has not answered, so it has made no offer that could be refused.
    assert_eq!(scene.event(0, 2, offers("c2")), [""; 0]);
    scene.event(0, 2, refused(481));
    // Who wants a place and has none yet is nobody's other party, and its end is its own.
    let place = scene.leg(0, 0);
    let tie = scene.world.calls.reserve_beside(place).unwrap();
    scene.world.laws.offered(tie);
    for said in [offers("t1"), accepts("t1"), Event::Info { body: sdp("i") }] {
        assert_eq!(scene.event(0, tie.leg, said), [""; 0]);
    }
    assert_eq!(scene.bye(0, tie.leg), [""; 0]);
    assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["0b< info i"]);
    // One that names no place has none.
    let tie = scene.world.calls.reserve_beside(place).unwrap();
    scene.world.laws.offered(tie);
    let nowhere = Event::Offered(Box::new(offer("shard", Some("b1"))));
    let told = scene.event(0, tie.leg, nowhere);
    assert_eq!(told, [format!("0{}< hangup 481/41", letter(tie.leg))]);
    scene.bye(0, 0);
    scene.end();
}
