//! Bounds, ids, anchors: what a script cannot say.

use super::transfer::Scene;
use super::world::{WALL_US, World, branch, go, offer, refuse, sdp};
use crate::limits::{ATTEMPTS_MAX, DETAIL_MAX, LINGER_MS, RETRY_AFTER_S_MAX};
use crate::{Calls, CallsConfig, Entry, Output};
use strowger_leg::{Command, Event};
use strowger_link::table::SlotState;
use strowger_link::{
    AnswerBody, AskBody, Cause, Fact, Grant, LegId, Octets, Reason, RecordId, SETTLEMENT_MAX, Tick,
};

const NO_LIMIT: Grant = Grant { ms: u64::MAX, free_ms: 0, last: true, go_on: false };

fn plan(world: &World, stages: Vec<Vec<strowger_link::Branch>>) -> AnswerBody {
    AnswerBody::Go(Box::new(go(world.call_ask, stages, NO_LIMIT, 0)))
}

fn hangup_of(outputs: &[Output]) -> (Cause, u16) {
    match outputs {
        [Output::Leg { command: Command::Hangup { cause, retry_after_s, .. }, .. }] => {
            (*cause, *retry_after_s)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn before_the_greeting_new_calls_are_refused_and_leave_nothing() {
    let mut world = World::new(2);
    world.calls = Calls::new(CallsConfig { slots: 1, ..CallsConfig::default() });
    let leg = world.offer(offer("1002", None)).unwrap();
    let (cause, retry_after_s) = hangup_of(&world.drain());
    assert_eq!(cause.sip, 503);
    assert!((1..=RETRY_AFTER_S_MAX).contains(&retry_after_s));
    assert_eq!(world.calls.reserve(), None, "its leg owes a last word");
    world.event(leg, Event::Ended { cause, by_party: false });
    assert_eq!(world.drain(), [Output::Free { slot: leg.slot }]);
    assert_eq!(world.calls.poll_timeout(), None);

    let leg = world.offer(offer("1002", None)).unwrap();
    world.drain();
    let outputs = world.wait(LINGER_MS);
    assert_eq!(outputs, [Output::Free { slot: leg.slot }]);
    assert_eq!(world.calls.counters().legs_lost, 1);
}

#[test]
fn a_request_without_hops_left_goes_no_further() {
    let mut world = World::new(1);
    let mut last_hop = offer("1002", None);
    last_hop.hops_left = 0;
    world.offer(last_hop).unwrap();
    assert_eq!(hangup_of(&world.drain()), (Cause::new(483, 25), 0));
}

#[test]
fn hops_are_counted_down() {
    let mut world = World::new(1);
    world.offer(offer("1002", None)).unwrap();
    world.drain();
    world.answer(world.call_ask, plan(&world, vec![vec![branch("b")]]));
    let outputs = world.drain();
    let Some(Output::Leg { command: Command::Invite(invite), .. }) = outputs.last() else {
        panic!("{outputs:?}")
    };
    assert_eq!(invite.hops_left, 69);
}

#[test]
fn an_ask_says_what_the_caller_sent_and_when() {
    let mut world = World::new(1);
    let leg = world.offer(offer("1002", Some("a1"))).unwrap();
    let outputs = world.drain();
    let [Output::Slot { .. }, Output::Up(_), Output::Ask(ask)] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    let (_, facts) = world.calls.snapshot(leg.slot).unwrap();
    assert_eq!((ask.leg, ask.parent), (leg, None));
    assert_eq!(ask.deadline, world.now.plus_ms(3000));
    assert_eq!(ask.wall_us, WALL_US + 5_000_000);
    assert_eq!(ask.id.0 >> 56, 1, "the shard");
    let AskBody::Call(call) = &ask.body else { panic!("{ask:?}") };
    assert_eq!((call.called.as_str(), call.has_offer, call.emergency), ("1002", true, false));
    assert_eq!(facts.record, RecordId::new(9, 0).unwrap());
    assert_eq!((facts.ask, facts.slot), (ask.id, leg.slot));
    assert_eq!(facts.anchor_us, WALL_US);
}

#[test]
fn a_call_has_no_more_attempts_than_leg_numbers() {
    let mut world = World::new(1);
    world.offer(offer("1002", None)).unwrap();
    world.drain();
    let stages = (0..16).map(|n| vec![branch(&n.to_string())]).collect();
    world.answer(world.call_ask, plan(&world, stages));
    for leg in 1..=ATTEMPTS_MAX {
        world.drain();
        let id = LegId { slot: world.slot, leg };
        let event = Event::Refused { cause: Cause::from_sip(500), contacts: vec![], silent: false };
        world.event(id, event);
    }
    world.drain();
    let record = world.record.as_ref().expect("the hunt has ended");
    let opened = record.facts.iter().filter(|f| matches!(f, Fact::LegOpened(_))).count();
    assert_eq!(opened, usize::from(ATTEMPTS_MAX) + 1);
}

#[test]
fn a_chatty_branch_cannot_push_out_what_the_record_needs() {
    let mut world = World::new(1);
    world.offer(offer("1002", Some("a1"))).unwrap();
    world.drain();
    world.answer(world.call_ask, plan(&world, vec![vec![branch("b")]]));
    let id = LegId { slot: world.slot, leg: 1 };
    for n in 0..2000u16 {
        world.event(id, Event::Progress { status: 181 + n % 2, body: None, fork: 0 });
        world.drain();
    }
    world.event(id, Event::Answered { body: Some(sdp("b1")) });
    world.drain();
    world.event(id, Event::Ended { cause: Cause::new(0, 16), by_party: true });
    world.drain();
    let facts = &world.record.as_ref().unwrap().facts;
    assert_eq!(facts.len(), DETAIL_MAX + 6, "answered twice, joined, ended thrice");
    let Some(Fact::Ended(end)) = facts.last() else { panic!("{facts:?}") };
    assert_eq!(end.facts_dropped, 2000 - (DETAIL_MAX as u32 - 4));
}

#[test]
fn a_settlement_is_bounded() {
    let mut world = World::new(1);
    world.offer(offer("1002", None)).unwrap();
    world.drain();
    let mut plan = go(world.call_ask, Vec::new(), NO_LIMIT, 0);
    plan.settlement = Octets(vec![1; SETTLEMENT_MAX + 1]);
    world.calls.handle_answer(
        strowger_link::Answer { ask: world.call_ask, body: AnswerBody::Go(Box::new(plan)) },
        world.now,
        &mut world.media,
    );
    world.drain();
    assert_eq!(world.record.as_ref().unwrap().settlement.0.len(), SETTLEMENT_MAX);
}

#[test]
fn slots_end_and_strangers_are_counted() {
    let mut world = World::new(1);
    let leg = world.calls.reserve().unwrap();
    assert_eq!(world.calls.reserve(), None);
    world.calls.unreserve(leg);
    let again = world.calls.reserve().unwrap();
    assert_eq!(again.slot.r#gen, leg.slot.r#gen + 1);
    world.calls.unreserve(leg);
    assert_eq!(world.calls.in_use(), 1, "a former life gives nothing back");
    world.event(leg, Event::Ended { cause: Cause::default(), by_party: true });
    world.event(again, Event::Confirmed { body: None });
    assert_eq!(world.calls.counters().strays, 2);
    world.event(again, Event::Ended { cause: Cause::default(), by_party: true });
    assert_eq!((world.calls.in_use(), world.drain()), (0, vec![]));
}

#[test]
fn answered_calls_are_listed_while_they_last() {
    let mut world = World::new(2);
    world.offer(offer("1002", Some("a1"))).unwrap();
    world.drain();
    world.answer(world.call_ask, plan(&world, vec![vec![branch("b")]]));
    world.drain();
    assert_eq!(world.calls.answered().count(), 0);
    let id = LegId { slot: world.slot, leg: 1 };
    world.event(id, Event::Answered { body: Some(sdp("b1")) });
    world.drain();
    let listed: Vec<RecordId> = world.calls.answered().collect();
    assert_eq!(listed, [RecordId::new(9, 0).unwrap()]);
    world.event(id, Event::Ended { cause: Cause::new(0, 16), by_party: true });
    world.drain();
    assert_eq!(world.calls.answered().count(), 0);
}

#[test]
fn a_durable_start_frees_nothing() {
    let mut world = World::new(1);
    world.offer(offer("1002", Some("a1"))).unwrap();
    world.drain();
    world.answer(world.call_ask, plan(&world, vec![vec![branch("b")]]));
    let id = LegId { slot: world.slot, leg: 1 };
    world.event(id, Event::Answered { body: Some(sdp("b1")) });
    world.drain();
    // Both frames of a short call may be reported; the later one counts.
    world.calls.journaled(world.slot, 1);
    world.calls.handle_durable(1);
    world.event(id, Event::Ended { cause: Cause::new(0, 16), by_party: true });
    let caller = LegId { slot: world.slot, leg: 0 };
    let slot = world.slot;
    world.calls.journaled(slot, 1);
    world.drain();
    world.event(caller, Event::Ended { cause: Cause::default(), by_party: false });
    world.calls.handle_durable(world.seq - 1);
    assert_eq!(world.drain(), []);
    world.calls.handle_durable(world.seq);
    assert_eq!(world.drain(), [Output::Free { slot }]);
    assert_eq!(world.calls.poll_timeout().filter(|at| *at < Tick::NEVER), None);
}

/// A call that is refused without a record.
fn refused(world: &mut World) -> LegId {
    let leg = world.offer(offer("1002", None)).unwrap();
    world.drain();
    let refuse = AnswerBody::Refuse(refuse(404, Reason::Exhausted));
    world.answer(world.call_ask, refuse);
    world.drain();
    world.event(leg, Event::Ended { cause: Cause::from_sip(404), by_party: false });
    leg
}

#[test]
fn a_call_that_is_done_keeps_its_slot_until_its_parties_are_owed_nothing() {
    let mut world = World::new(1);
    world.owing = true;
    let leg = refused(&mut world);
    let slot = leg.slot;
    assert_eq!(world.drain(), [Output::Done { slot, shown: false }]);
    assert_eq!((world.calls.in_use(), world.calls.leaving()), (1, 1));
    assert_eq!(world.calls.slot_state(slot), Some(SlotState::Leaving));
    assert_eq!(world.calls.poll_timeout(), None);
    // Nothing moves it any more.
    let strays = world.calls.counters().strays;
    world.event(leg, Event::Ended { cause: Cause::default(), by_party: true });
    world.calls.handle_durable(99);
    assert_eq!(world.drain(), []);
    assert_eq!(world.calls.counters().strays, strays + 1);
    world.calls.vacate(slot);
    world.calls.vacate(slot);
    assert_eq!(world.drain(), [Output::Free { slot }]);
    assert_eq!((world.calls.in_use(), world.calls.leaving()), (0, 0));
}

#[test]
fn a_last_word_costs_no_call() {
    let mut world = World::new(2);
    world.owing = true;
    let (first, second) = (refused(&mut world), refused(&mut world));
    world.drain();
    let third = world.calls.reserve().unwrap();
    assert_eq!(third.slot.idx, first.slot.idx);
    assert_ne!(third.slot, first.slot);
    assert_eq!(world.drain(), [Output::Free { slot: first.slot }]);
    assert_eq!(world.calls.reserve().map(|leg| leg.slot.idx), Some(second.slot.idx));
    assert_eq!(world.calls.reserve(), None);
    assert_eq!(world.calls.leaving(), 0);
}

/// Ringing, talking and in a later process: it counts from the first INVITE.
#[test]
fn no_call_lasts_longer_than_any_may() {
    let ended = |outputs: &[Output]| {
        let is_end = |output: &&Output| {
            matches!(output, Output::Journal { entry, .. }
            if *entry == Entry::Ended)
        };
        outputs.iter().filter(is_end).count()
    };
    for (answers, restarts) in [(false, false), (true, false), (true, true)] {
        let mut scene = Scene::empty(2);
        scene.world.calls.desk.config.call_ms_max = 50_000;
        if answers {
            scene.call("1002");
        } else {
            scene.world.offer(offer("1002", Some("a"))).unwrap();
            scene.told();
            scene.go("1002");
        }
        assert_eq!(ended(&scene.world.wait(30_000)), 0);
        if restarts {
            scene.restart();
        }
        assert_eq!(ended(&scene.world.wait(19_999)), 0);
        assert_eq!(ended(&scene.world.wait(1)), 1, "answered {answers} restarted {restarts}");
        let facts = &scene.world.record.as_ref().unwrap().facts;
        let Some(Fact::Ended(end)) = facts.last() else { panic!("{facts:?}") };
        assert_eq!(end.reason, Reason::MaxDuration);
    }
}
