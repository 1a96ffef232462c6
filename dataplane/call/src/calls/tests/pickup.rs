//! Pick-up: somebody takes the place of a party that talks or rings. Legs are told apart as in
//! `transfer`: `0b` is the called leg of the first call, `1a` the newcomer.

use super::transfer::Scene;
use super::world::{go, offer, sdp};
use strowger_leg::{Event, Replaces, TransferWish};
use strowger_link::{AnswerBody, Cause, Grant};

impl Scene {
    /// Somebody wants the place of a leg; may have it.
    fn comes(
        &mut self,
        (call, leg): (usize, u8),
        ringing: bool,
        body: Option<&str>,
    ) -> Vec<String> {
        let leg = self.leg(call, leg);
        let mut offer = offer("1001", body);
        offer.replaces = Some(Box::new(Replaces { leg, ringing, named: "c;to-tag=a".into() }));
        self.world.offer(offer).unwrap();
        if !self.slots.contains(&self.world.slot) {
            self.slots.push(self.world.slot);
        }
        self.told()
    }

    fn may(&mut self) -> Vec<String> {
        let ask = self.world.call_ask;
        let free = Grant { ms: u64::MAX, free_ms: 0, last: true, go_on: false };
        self.world.answer(ask, AnswerBody::Go(Box::new(go(ask, Vec::new(), free, 0))));
        self.told()
    }

    /// 1001 rings at 1002.
    fn ringing() -> Scene {
        let mut scene = Scene::empty(6);
        scene.world.offer(offer("1002", Some("caller"))).unwrap();
        scene.slots.push(scene.world.slot);
        scene.told();
        scene.go("1002");
        scene.event(0, 1, Event::Progress { status: 180, body: None, fork: 0 });
        scene
    }
}

fn answered(text: &str) -> Event {
    Event::ReofferAnswered { body: Some(sdp(text)) }
}

fn refused(status: u16) -> Event {
    Event::ReofferRefused { cause: Cause::from_sip(status) }
}

const CANCELLED: Event = Event::Ended { cause: Cause::new(487, 16), by_party: true };

#[test]
fn who_takes_a_place_talks_with_who_stays() {
    let mut scene = Scene::talking();
    let asks = scene.comes((0, 1), false, Some("new"));
    assert_eq!(asks, ["table asked", "ask pickup 1001 of Subscriber(9)"]);
    assert_eq!(scene.may(), ["table ringing", "table answered", "0a< reoffer offer(new)"]);
    assert_eq!(
        scene.event(0, 0, answered("caller 2")),
        [
            "part a b",
            "join a a",
            "table answered",
            "table answered",
            "journal start",
            "started",
            "0b< hangup 0/16",
            "1a< answer answer(caller 2)",
        ]
    );
    // Offers and words pass both calls.
    assert_eq!(
        scene.event(1, 0, Event::Reoffer { body: Some(sdp("o")) }),
        ["0a< reoffer offer(o)"]
    );
    assert_eq!(scene.event(0, 0, answered("w")), ["1a< reoffer-answer answer(w)"]);
    assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["1a< info i"]);
    scene.bye(1, 0);
    scene.end();
    // The first call was paid to its end, the second has a record of its own.
    let first = scene.facts(0);
    let talk: Vec<&str> = first.iter().map(String::as_str).skip(6).collect();
    assert_eq!(
        talk,
        [
            "joined a b",
            "parted b a",
            "ended b 0/16 Switch Normal",
            "opened c Out 0.0 1002",
            "answered c",
            "joined a c",
            "ended c 0/16 Called Normal",
            "ended a 0/16 Called Normal",
            "ended 0/16 Called Normal dropped 0",
        ],
        "{first:#?}"
    );
    let second = scene.facts(1);
    assert!(second.iter().any(|fact| fact == "opened b Out 0.0 1001"), "{second:#?}");
    assert!(second.iter().any(|fact| fact == "answered a"), "{second:#?}");
}

/// Whose place is taken has gone meanwhile, and who stays does not want the newcomer.
#[test]
fn a_place_that_is_empty_and_refused_ends_the_call() {
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    assert_eq!(scene.bye(0, 1), ["part a b", "table answered"]);
    let told = scene.event(0, 0, refused(488));
    assert!(told.contains(&"0a< hangup 488/65".to_owned()), "{told:?}");
    assert!(told.contains(&"1a< hangup 488/65".to_owned()), "{told:?}");
    scene.end();
}

/// The caller's place, by an INVITE without an offer: who was called makes one.
#[test]
fn the_callers_place_is_taken_without_an_offer() {
    let mut scene = Scene::talking();
    let asks = scene.comes((0, 0), false, None);
    assert_eq!(asks.last().unwrap(), "ask pickup 1001 of Unknown");
    assert_eq!(scene.may().last().unwrap(), "0b< reoffer");
    let told = scene.event(0, 1, answered("called 2"));
    assert_eq!(told.last().unwrap(), "1a< answer offer(called 2)");
    assert!(told.contains(&"0a< hangup 0/16".to_owned()), "{told:?}");
    let told = scene.event(1, 0, Event::Confirmed { body: Some(sdp("new")) });
    assert_eq!(told, ["0b< confirm answer(new)"]);
    scene.bye(0, 1);
    scene.end();
}

#[test]
fn what_the_other_party_refuses_leaves_the_call_as_it_was() {
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    let told = scene.event(0, 0, refused(488));
    assert_eq!(told.last().unwrap(), "1a< hangup 488/65", "{told:?}");
    assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["0b< info i"]);
    // And it may be tried again.
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    let told = scene.event(0, 0, answered("caller 2"));
    assert_eq!(told.last().unwrap(), "2a< answer answer(caller 2)", "{told:?}");
    scene.bye(0, 0);
    scene.end();
}

/// Who stays has accepted already: it is brought together again with who was there.
#[test]
fn a_newcomer_who_goes_meanwhile_changes_nothing() {
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    let told = scene.event(1, 0, CANCELLED);
    assert!(!told.iter().any(|line| line.starts_with('0')), "{told:?}");
    assert_eq!(scene.event(0, 0, answered("caller 2")), ["0b< reoffer offer(caller 2)"]);
    assert_eq!(scene.event(0, 1, answered("called 2")), ["0a< reoffer offer(called 2)"]);
    assert_eq!(scene.event(0, 0, answered("caller 3")), [""; 0]);
    assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["0b< info i"]);
    scene.bye(0, 0);
    scene.end();
    // Without an offer, who stays waits for its answer.
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, None);
    scene.may();
    scene.event(1, 0, CANCELLED);
    assert_eq!(scene.event(0, 0, answered("caller 2")), ["0b< reoffer offer(caller 2)"]);
    assert_eq!(scene.event(0, 1, answered("called 2")), ["0a< confirm answer(called 2)"]);
    scene.bye(0, 0);
    scene.end();
}

#[test]
fn who_is_replaced_may_hang_up_before() {
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    scene.bye(0, 1);
    let told = scene.event(0, 0, answered("caller 2"));
    assert_eq!(told.last().unwrap(), "1a< answer answer(caller 2)", "{told:?}");
    scene.bye(0, 0);
    scene.end();
    // Who stays hangs up: nobody is left to talk with.
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    let told = scene.bye(0, 0);
    assert!(told.iter().any(|line| line.starts_with("1a< hangup 480")), "{told:?}");
    scene.end();
}

#[test]
fn a_call_that_rings_is_picked_up() {
    let mut scene = Scene::ringing();
    let asks = scene.comes((0, 1), true, Some("new"));
    assert_eq!(asks.last().unwrap(), "ask pickup 1001 of Subscriber(9) ringing");
    let told = scene.may();
    for line in ["0b< hangup 200/26", "0a< answer answer(new)", "1a< answer answer(caller)"] {
        assert!(told.iter().any(|said| said == line), "{line}: {told:#?}");
    }
    assert_eq!(scene.event(1, 0, Event::Info { body: sdp("i") }), ["0a< info i"]);
    scene.bye(0, 0);
    scene.end();
    let first = scene.facts(0);
    assert!(first.iter().any(|fact| fact == "ended b 200/26 Switch Normal"), "{first:#?}");
    assert!(first.iter().any(|fact| fact == "answered c"), "{first:#?}");
}

#[test]
fn a_place_that_is_not_there_cannot_be_taken() {
    let mut scene = Scene::talking();
    // It talks, it does not ring.
    assert_eq!(scene.comes((0, 1), true, Some("new")), ["1a< hangup 481/41"]);
    assert_eq!(scene.comes((0, 7), false, Some("new")), ["2a< hangup 481/41"]);
    scene.bye(0, 0);
    assert_eq!(scene.comes((0, 1), false, Some("new")), ["3a< hangup 481/41"]);
    scene.end();
    // It goes while the control plane is asked.
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.bye(0, 0);
    assert_eq!(scene.may().last().unwrap(), "1a< hangup 481/41");
    scene.end();
    // Something else is under way.
    let mut scene = Scene::talking();
    scene.event(0, 0, Event::Reoffer { body: Some(sdp("o")) });
    scene.comes((0, 1), false, Some("new"));
    assert_eq!(scene.may().last().unwrap(), "1a< hangup 491/31");
    scene.bye(0, 0);
    scene.end();
    // Who rings and who comes both want the other's offer.
    let mut scene = Scene::ringing();
    scene.comes((0, 1), true, None);
    assert_eq!(scene.may().last().unwrap(), "1a< hangup 488/65");
    scene.bye(0, 0);
    scene.end();
}

#[test]
fn who_may_not_hears_it_and_nothing_changes() {
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    assert!(scene.refuse(403).contains(&"1a< hangup 403/21".to_owned()));
    assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["0b< info i"]);
    scene.bye(0, 0);
    scene.end();
}

/// Who took a place may put the other through, and lose its place to the next.
#[test]
fn a_place_that_was_taken_is_one_like_any_other() {
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    scene.event(0, 0, answered("caller 2"));
    scene.comes((1, 0), false, Some("newer"));
    assert_eq!(scene.may().last().unwrap(), "0a< reoffer offer(newer)");
    let told = scene.event(0, 0, answered("caller 3"));
    assert_eq!(told.last().unwrap(), "2a< answer answer(caller 3)", "{told:?}");
    let wish = TransferWish {
        target: "sip:1003@host".into(),
        user: "1003".into(),
        host: "host".into(),
        referred_by: None,
        replaces: None,
        abroad: Vec::new(),
    };
    scene.event(2, 0, Event::Transfer(Box::new(wish)));
    scene.go("1003");
    let told = scene.event(3, 1, Event::Answered { body: Some(sdp("c1")) });
    assert_eq!(told.last().unwrap(), "0a< reoffer offer(c1)", "{told:?}");
    scene.bye(3, 1);
    scene.end();
}

/// A crash while who stays is asked: the old call goes on, the newcomer is refused.
#[test]
fn a_crash_in_the_middle_leaves_the_call_as_it_was() {
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    let told = scene.restart();
    assert!(told.iter().any(|line| line == "0a< reoffer"), "{told:?}");
    assert_eq!(scene.event(0, 0, answered("caller 3")), ["0b< reoffer offer(caller 3)"]);
    assert_eq!(scene.event(0, 1, answered("called 3")), ["0a< confirm answer(called 3)"]);
    assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["0b< info i"]);
    scene.bye(0, 0);
    scene.end();
    // Both calls of a bridge are taken up.
    let mut scene = Scene::talking();
    scene.comes((0, 1), false, Some("new"));
    scene.may();
    scene.event(0, 0, answered("caller 2"));
    scene.restart();
    assert_eq!(scene.event(0, 0, Event::Info { body: sdp("i") }), ["1a< info i"]);
    scene.bye(0, 0);
    scene.end();
}

/// Who is put through rings at 1003, and somebody picks that up.
#[test]
fn the_target_of_a_transfer_is_picked_up_while_it_rings() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    scene.event(1, 1, Event::Progress { status: 180, body: None, fork: 0 });
    scene.comes((1, 1), true, Some("new"));
    let told = scene.may();
    let media = ["part a b", "join b a"];
    let legs = ["1b< hangup 200/26", "0a< hangup 0/16", "0b< reoffer offer(new)"];
    for line in media.into_iter().chain(legs).chain(["2a< answer answer(1002)"]) {
        assert!(told.iter().any(|told| told == line), "{line}: {told:?}");
    }
    scene.event(0, 1, answered("b2"));
    assert_eq!(scene.event(2, 0, Event::Info { body: sdp("i") }), ["0b< info i"]);
    scene.bye(2, 0);
    scene.end();
}
