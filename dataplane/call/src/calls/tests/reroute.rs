//! Rerouting after the answer: a trunk is gone, and its caller is put through to another one by a
//! second call.

use super::transfer::{GRANT, Scene};
use super::world::{branch, go, offer, sdp};
use strowger_leg::Event;
use strowger_link::{AnswerBody, Cause, PartyRef, REROUTES_MAX, Reroute};

const BY_FAULT: Option<Reroute> = Some(Reroute { talk_ms_max: 20_000, any: false });
const BY_ANY: Option<Reroute> = Some(Reroute { talk_ms_max: 20_000, any: true });

/// The ask under way is answered with a plan to a trunk.
fn go_by(scene: &mut Scene, trunk: i64, terms: Option<Reroute>) -> Vec<String> {
    let ask = scene.world.call_ask;
    let mut target = branch("44");
    target.party = PartyRef::Trunk(trunk);
    let mut plan = go(ask, vec![vec![target]], GRANT, 0);
    plan.reroute = terms;
    scene.world.answer(ask, AnswerBody::Go(Box::new(plan)));
    scene.told()
}

/// A caller talks with trunk 7.
fn talking(terms: Option<Reroute>) -> Scene {
    let mut scene = Scene::empty(8);
    scene.world.offer(offer("44", Some("a1"))).unwrap();
    scene.slots.push(scene.world.slot);
    scene.told();
    go_by(&mut scene, 7, terms);
    scene.event(0, 1, Event::Answered { body: Some(sdp("b1")) });
    scene
}

/// A called leg hangs up with this cause.
fn ends(scene: &mut Scene, call: usize, cause: Cause) -> Vec<String> {
    scene.event(call, 1, Event::Ended { cause, by_party: true })
}

fn is_rerouted(told: &[String]) -> bool {
    told.iter().any(|line| line.starts_with("ask reroute"))
}

const FAULT: Cause = Cause::new(0, 41);
const USUAL: Cause = Cause::new(0, 16);

#[test]
fn the_caller_of_a_trunk_that_failed_talks_with_the_next_one() {
    let mut scene = talking(BY_FAULT);
    scene.world.wait(2_000);
    let asked = ends(&mut scene, 0, FAULT);
    assert_eq!(asked, ["part a b", "table answered", "table asked", "ask reroute 44 [7]"]);
    assert_eq!(go_by(&mut scene, 8, BY_FAULT), ["table ringing", "1b< invite offer(a1)"]);
    let rings = Event::Progress { status: 180, body: None, fork: 0 };
    assert_eq!(scene.event(1, 1, rings), [""; 0], "nobody is told who did not ask");
    let told = scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) });
    assert_eq!(
        told,
        [
            "join a b",
            "table answered",
            "table answered",
            "journal start",
            "started",
            "0a< reoffer offer(c1)",
        ]
    );
    scene.event(0, 0, Event::ReofferAnswered { body: Some(sdp("a2")) });
    let info = Event::Info { body: sdp("i") };
    assert_eq!(scene.event(0, 0, info), ["1b< info i"]);
    scene.bye(0, 0);
    scene.end();
    let first = scene.facts(0);
    let talk: Vec<&str> = first.iter().map(String::as_str).skip(5).collect();
    assert_eq!(
        talk,
        [
            "answered a",
            "joined a b",
            "parted b a",
            "ended b 0/41 Called Normal",
            "joined a c",
            "ended a 0/16 Caller Normal",
            "ended 0/16 Caller Normal dropped 0",
        ],
        "{first:#?}"
    );
}

#[test]
fn the_mode_the_cause_the_time_and_the_party_say_whether() {
    let told = |terms, cause, ms: u64, trunk: bool| {
        let mut scene = talking(terms);
        if !trunk {
            scene = Scene::talking();
        }
        scene.world.wait(ms);
        let told = ends(&mut scene, 0, cause);
        if is_rerouted(&told) {
            scene.refuse(404);
        }
        scene.end();
        is_rerouted(&told)
    };
    let stopped = Cause::new(486, 17);
    assert!(told(BY_FAULT, FAULT, 0, true) && told(BY_ANY, USUAL, 0, true));
    assert!(told(BY_FAULT, Cause::from_sip(503), 19_999, true), "in its time");
    assert!(!told(BY_FAULT, FAULT, 20_000, true), "later");
    assert!(!told(None, FAULT, 0, true), "no plan says so");
    assert!(!told(BY_FAULT, USUAL, 0, true) && !told(BY_FAULT, Cause::new(0, 31), 0, true));
    assert!(!told(BY_FAULT, stopped, 0, true), "the word of the called user");
    assert!(told(BY_ANY, stopped, 0, true));
    assert!(!told(BY_ANY, FAULT, 0, false), "a subscriber is nobody's choice");
}

#[test]
fn a_trunk_that_says_nothing_is_left_and_hung_up() {
    let mut scene = talking(BY_FAULT);
    let silent = scene.leg(0, 1);
    scene.world.silence(silent);
    let told = scene.told();
    assert!(told.iter().any(|line| line == "0b< hangup 0/102") && is_rerouted(&told), "{told:?}");
    scene.refuse(404);
    scene.end();
    // Of the caller's own silence nobody else is called.
    let mut scene = talking(BY_FAULT);
    let silent = scene.leg(0, 0);
    scene.world.silence(silent);
    let told = scene.told();
    assert!(!is_rerouted(&told) && told.iter().any(|line| line.starts_with("0a< hangup")));
    scene.end();
    // A trunk whose dialog is lost.
    let mut scene = talking(BY_FAULT);
    let lost = Event::Ended { cause: Cause::from_sip(408), by_party: false };
    let told = scene.event(0, 1, lost);
    assert!(is_rerouted(&told), "{told:?}");
    scene.refuse(404);
    scene.end();
}

#[test]
fn where_nobody_else_is_found_the_caller_is_hung_up() {
    let mut scene = talking(BY_FAULT);
    ends(&mut scene, 0, FAULT);
    let told = scene.refuse(404);
    assert!(told.iter().any(|line| line.starts_with("0a< hangup 404")), "{told:?}");
    scene.end();
    // The same behind one that rang.
    let mut scene = talking(BY_FAULT);
    ends(&mut scene, 0, FAULT);
    go_by(&mut scene, 8, BY_FAULT);
    let busy = Event::Refused { cause: Cause::new(486, 17), contacts: Vec::new(), silent: false };
    let told = scene.event(1, 1, busy);
    assert!(told.iter().any(|line| line.starts_with("0a< hangup 486")), "{told:?}");
    scene.end();
    // Who hangs up meanwhile ends what is tried.
    let mut scene = talking(BY_FAULT);
    ends(&mut scene, 0, FAULT);
    go_by(&mut scene, 8, BY_FAULT);
    let told = scene.bye(0, 0);
    assert!(told.iter().any(|line| line.starts_with("1b< hangup")), "{told:?}");
    scene.end();
}

#[test]
fn so_many_trunks_are_left_and_no_more() {
    let mut scene = talking(BY_ANY);
    let mut tried = vec![7];
    for turn in 0..REROUTES_MAX {
        let told = ends(&mut scene, turn, USUAL);
        let asks = format!("ask reroute 44 {tried:?}");
        assert!(told.contains(&asks), "{turn}: {told:?}");
        let trunk = 8 + i64::try_from(turn).unwrap();
        tried.push(trunk);
        go_by(&mut scene, trunk, BY_ANY);
        scene.event(turn + 1, 1, Event::Answered { body: Some(sdp("c1")) });
        scene.event(0, 0, Event::ReofferAnswered { body: Some(sdp("a2")) });
    }
    let told = ends(&mut scene, REROUTES_MAX, USUAL);
    assert!(!is_rerouted(&told), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("0a< hangup")), "{told:?}");
    scene.end();
}

/// Of the crash in the middle of a reroute nothing is paid twice.
#[test]
fn a_crash_while_it_is_tried_keeps_what_was_left() {
    let mut scene = talking(BY_FAULT);
    ends(&mut scene, 0, FAULT);
    go_by(&mut scene, 8, BY_FAULT);
    scene.restart();
    scene.end();
    let first = scene.facts(0);
    assert!(!first.iter().any(|line| line.starts_with("opened c")), "{first:#?}");
}

/// Who was put through once and is to be put through again is not asked for an offer by the next
/// life, which hangs up.
#[test]
fn a_crash_while_a_second_one_is_tried_ends_both() {
    let mut scene = talking(BY_FAULT);
    ends(&mut scene, 0, FAULT);
    go_by(&mut scene, 8, BY_FAULT);
    scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) });
    assert!(is_rerouted(&ends(&mut scene, 1, FAULT)));
    let told = scene.restart();
    let spoken: Vec<_> = told.iter().filter(|line| line.starts_with("0a<")).collect();
    assert!(matches!(spoken.as_slice(), [only] if only.starts_with("0a< hangup")), "{told:?}");
    scene.end();
}
