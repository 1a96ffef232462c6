//! Calls that begin here.

use super::super::script::check;

#[test]
fn originate() {
    check(
        r#"
        show live
        originate a{gauge=7} b{gauge=8} ; grant 60s
          take 7
          table ringing
          live a dialing
          verb done
          a< invite ours
        a> progress 180
          live a ringing
        a> answered a1
          take 8
          table ringing
          live b dialing
          b< invite offer(a1)
        a> confirmed
        a> reoffer a9
          a< reoffer-refuse 491/31
        b> progress 183 b0
          live b ringing
        b> answered b1
          join a b
          table answered
          journal start
          started
          live a speaking
          live b speaking
          a< reoffer offer(b1)
        a> reoffer b8
          a< reoffer-refuse 491/31
        a> reoffer-answered a2
        b> reoffer b3
          a< reoffer offer(b3)
        a> reoffer-answered a3
          b< reoffer-answer answer(a3)
        wait 30s
          ask extend 30000ms of 60000ms
        a> bye
          give 7
          part a b
          give 8
          table ended
          journal ended 0/16 Caller Normal
          live a ended
          live b ended
          b< hangup 0/16
        record
          began a -> b
          granted 60000ms
          opened a Out 0.0 a
          progress a 180
          answered a
          opened b Out 1.0 b
          progress b 183
          answered b
          joined a b
          ended a 0/16 Caller Normal
          ended b 0/16 Caller Normal
          ended 0/16 Caller Normal dropped 0
        b> ended 200 by-us
        durable
          free
        "#,
    );
}

#[test]
fn originate_comes_to_nothing() {
    check(
        r#"
        originate a b
          table ringing
          verb done
          a< invite ours
        a> refused 486
          table ended
          journal ended 486/17 Caller Busy
        record
          began a -> b
          granted no-limit
          opened a Out 0.0 a
          ended a 486/17 Caller Busy
          ended 486/17 Caller Busy dropped 0
        durable
          free
        originate a b
          table ringing
          verb done
          a< invite ours
        a> silent
          table ended
          journal ended 408/102 Switch PeerSilent
        originate a b
          table ringing
          verb done
          a< invite ours
        a> answered a1
          table ringing
          b< invite offer(a1)
        b> refused 603
          table ended
          journal ended 603/21 Called Rejected
          a< hangup 603/21
        record
          began a -> b
          granted no-limit
          opened a Out 0.0 a
          answered a
          opened b Out 1.0 b
          ended b 603/21 Called Rejected
          ended a 603/21 Called Rejected
          ended 603/21 Called Rejected dropped 0
        a> ended 200 by-us
        durable
          free
          free
        "#,
    );
}

#[test]
fn originate_ends_with_its_first_leg() {
    check(
        r#"
        originate a b{gauge=7}
          table ringing
          verb done
          a< invite ours
        a> answered a1
          take 7
          table ringing
          b< invite offer(a1)
        a> bye
          give 7
          table ended
          journal ended 0/16 Caller Cancelled
          b< hangup 0/16
        b> refused 487
        originate a b
          table ringing
          verb done
          a< invite ours
        a> answered
          table ended
          journal ended 488/65 Switch BadMedia
          a< hangup 488/65
        "#,
    );
}

#[test]
fn originate_times() {
    check(
        r#"
        originate a{ring=5s} b
          table ringing
          verb done
          a< invite ours
        a> progress 180
        wait 5s
          table ended
          journal ended 408/19 Switch NoAnswer
          a< hangup 408/19
        a> refused 487
        durable
          free
        originate a b ; deadline 20s
          table ringing
          verb done
          a< invite ours
        a> answered a1
          table ringing
          b< invite offer(a1)
        b> progress 180
        wait 19999ms
        wait 1ms
          table ended
          journal ended 408/102 Switch NoAnswer
          a< hangup 408/102
          b< hangup 408/102
        a> ended 200
        b> refused 487
        durable
          free
        "#,
    );
}

#[test]
fn originate_without_media_or_room() {
    check(
        r#"
        deaf a
        originate a b
          table ringing
          table ended
          journal ended 0/34 Switch BadMedia
          verb done
        durable
          free
        full 7
        originate a{gauge=7} b
          table ringing
          table ended
          journal ended 0/34 Switch Limit
          verb done
        "#,
    );
}

#[test]
fn a_re_offer_that_fails_leaves_an_originated_call() {
    check(
        r#"
        originate a b
          table ringing
          verb done
          a< invite ours
        a> answered a1
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< reoffer offer(b1)
        a> reoffer-refused 488
        b> bye
          part a b
          table ended
          journal ended 0/16 Called Normal
          a< hangup 0/16
        "#,
    );
}
