//! A process dies and the next one takes its calls up, or ends them.

use super::super::script::{check, play};
use super::super::world::World;
use crate::{Calls, CallsConfig};
use proptest::prelude::*;

#[test]
fn an_answered_call_goes_on_with_its_talk_time_its_gauges_and_its_record() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{gauge=7} ; grant 60s
          take 7
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        wait 10s
        restart
          join a b
        a> reoffer a2
          b< reoffer offer(a2)
        b> reoffer-answered b2
          a< reoffer-answer answer(b2)
        wait 19999ms
        wait 1ms
          ask extend 30000ms of 60000ms
        restart
          join a b
        wait 0s
          ask extend 30000ms of 60000ms
        extended 90s last
          table answered
        wait 59999ms
        wait 1ms
          part a b
          give 7
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        "#,
    );
}

#[test]
fn an_exchange_that_was_cut_off_is_made_good() {
    let start = r#"
        answered go b
        b> reoffer b2
          a< reoffer offer(b2)
        restart
          join a b
          a< reoffer
        b> reoffer b3
          b< reoffer-refuse 491/31
        "#;
    let good = r#"a> reoffer-answered a3
          b< reoffer offer(a3)
        b> reoffer-answered b4
          a< confirm answer(b4)
        restart
          join a b
        b> reoffer b5
          a< reoffer offer(b5)
        "#;
    // The asked one has a re-INVITE of its own on its way.
    let crossed = r#"a> reoffer-refused 491
        a> reoffer a3
          b< reoffer offer(a3)
        "#;
    let hopeless = r#"a> reoffer-answered a3
          b< reoffer offer(a3)
        b> reoffer-refused 488
          part a b
          table ended
          journal ended 488/65 Switch BadMedia
          a< hangup 488/65
          b< hangup 488/65
        "#;
    for end in [good, crossed, hopeless] {
        check(&format!("{start}{end}"));
    }
}

#[test]
fn a_slice_that_ended_in_between_is_the_end_unless_the_account_goes_on() {
    check(
        r#"
        answered go b ; grant 10s last
        restart
          join a b
        wait 9999ms
        wait 1ms
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        "#,
    );
}

#[test]
fn attempts_end_on_both_sides() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        restart
          a< hangup 503/41 retry-after 2
        a> ended 503 by-us
          free
        a> offered 1002
          table asked
          ask call
        go b c
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> progress 180
          a< progress 180
        restart
          table ended
          journal ended 0/41 Unknown ProcessLost
          a< hangup 503/41 retry-after 1
          b< hangup 503/41
          c< hangup 503/41
        durable
        a> ended 503 by-us
        b> refused 487
        c> answered c1
          c< hangup 503/41
        c> ended 200
          free
        "#,
    );
}

#[test]
fn a_call_that_had_ended_is_recorded_once() {
    check(
        r#"
        answered go b
        a> bye
          part a b
          table ended
          journal ended 0/16 Caller Normal
          b< hangup 0/16
        restart
          free
        "#,
    );
}

proptest! {
    /// Whatever a crash left behind is taken up whole or refused, and leaves nothing either way.
    #[test]
    fn any_image_is_taken_or_refused(at in 0..200usize, byte in any::<u8>(), cut in 0..200usize) {
        let mut world = World::new(2);
        for line in ["a> offered 1002", "go b{gauge=7} ; grant 60s", "b> answered b1"] {
            play(&mut world, line, false);
        }
        let slot = world.slot;
        let (_, facts) = world.calls.snapshot(slot).unwrap();
        let whole = world.calls.freeze(slot).unwrap();
        let mut image = whole.clone();
        if let Some(changed) = image.get_mut(at) {
            *changed = byte;
        }
        image.truncate(whole.len().saturating_sub(cut.saturating_sub(100)));
        let mut calls = Calls::new(CallsConfig { slots: 2, ..CallsConfig::default() });
        let mut media = world.media.after_restart();
        let taken = calls.thaw(slot, *facts, &image, world.now, &mut media);
        prop_assert_eq!(calls.in_use(), usize::from(taken.is_ok()));
        prop_assert!(taken.is_ok() || media.in_use.is_empty());
        prop_assert!(image != whole || taken.is_ok());
    }
}
