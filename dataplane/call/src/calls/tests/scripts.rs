//! The behaviour of calls, scene by scene.

use super::script::check;

#[test]
fn a_call_from_invite_to_free_slot() {
    check(
        r#"
        show live
        a> offered 1002
          table asked
          live a dialing
          ask call
        go b
          table ringing
          live b dialing
          b< invite offer(a1)
        b> progress 180
          live b ringing
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          live a speaking
          live b speaking
          a< answer answer(b1)
        b> confirmed
        a> confirmed
        wait 10s
        b> bye
          part a b
          table ended
          journal ended 0/16 Called Normal
          live b ended
          live a ended
          a< hangup 0/16
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          progress b 180
          answered b
          answered a
          joined a b
          ended b 0/16 Called Normal
          ended a 0/16 Called Normal
          ended 0/16 Called Normal dropped 0
        durable
        a> ended 200 by-us
          free
        "#,
    );
}

#[test]
fn the_caller_hangs_up() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        a> bye
          part a b
          table ended
          journal ended 0/16 Caller Normal
          b< hangup 0/16
        b> ended 200 by-us
        durable
          free
        "#,
    );
}

#[test]
fn both_hang_up_at_once() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        a> bye
          part a b
          table ended
          journal ended 0/16 Caller Normal
          b< hangup 0/16
        b> bye
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          progress b 180
          answered b
          answered a
          joined a b
          ended a 0/16 Caller Normal
          ended b 0/16 Caller Normal
          ended 0/16 Caller Normal dropped 0
        durable
          free
        "#,
    );
}

#[test]
fn a_leg_that_fails_takes_the_other_with_it() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        b> ended 408 by-us
          part a b
          table ended
          journal ended 408/102 Switch PeerSilent
          a< hangup 408/102
        a> ended 200 by-us
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          progress b 180
          answered b
          answered a
          joined a b
          ended b 408/102 Switch PeerSilent
          ended a 408/102 Switch PeerSilent
          ended 408/102 Switch PeerSilent dropped 0
        "#,
    );
}

#[test]
fn refusals() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        refuse 403 phrase
          a< hangup 403/21 "Sorry" retry-after 2
        a> ended 403 by-us
          free
        a> offered 1002
          table asked
          ask call
        refuse 404 record
          table ended
          journal ended 404/1 Switch Denied
          a< hangup 404/1
        a> ended 404 by-us
        durable
          free
        a> offered 1002
          table asked
          ask call
        challenge
          a< challenge demo
        a> ended 401 by-us
          free
        a> offered 1002
          table asked
          ask call
        nonsense
          table ended
          journal ended 500/41 Switch Internal
          a< hangup 500/41
        "#,
    );
}

#[test]
fn no_answer_from_the_control_plane() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        wait 2999ms
        wait 1ms
          table ended
          journal ended 503/41 Switch NoAnswerFromControl
          a< hangup 503/41 retry-after 2
        go b
          abandoned
        go b
        a> ended 503 by-us
        durable
          free
        go b
        go b ; for-ask 4711
          abandoned
        go b ; for-ask 4711
        "#,
    );
}

#[test]
fn a_plan_that_comes_twice_is_taken_once() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        go b
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        go b
        a> bye
          part a b
          table ended
          journal ended 0/16 Caller Normal
          b< hangup 0/16
        go b
        "#,
    );
}

#[test]
fn asks_are_put_again_when_the_control_plane_is_back() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        control lost
        wait 1s
        control back
          ask call
        control back
        go b
          table ringing
          b< invite offer(a1)
        b> refused 486
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        a> ended 486 by-us
        durable
          free
        control lost
        a> offered 1003
          table asked
        wait 2999ms
        wait 1ms
          table ended
          journal ended 503/41 Switch NoAnswerFromControl
          a< hangup 503/41 retry-after 1
        control back
        "#,
    );
}

#[test]
fn emergency_calls_go_by_the_table() {
    check(
        r#"
        emergency 112 x y
        full 9
        a> offered 112
          table asked
          ask call emergency
        wait 999ms
        wait 1ms
          take 9
          table ringing
          b< invite offer(a1)
        b> refused 486
          give 9
          take 9
          c< invite offer(a1)
        c> progress 180
          a< progress 180
        go d
          abandoned
        c> answered c1
          join a c
          table answered
          journal start
          a< answer answer(c1)
        a> bye
          part a c
          give 9
          table ended
          journal ended 0/16 Caller Normal
          c< hangup 0/16
        b> ended 200
        c> ended 200
        a> offered 112
          table asked
          ask call emergency
        refuse 402 credit
          take 9
          table ringing
          b< invite offer(a1)
        hangup
          give 9
          table ended
          journal ended 0/16 Switch Operator
          verb done
          a< hangup 480/16
          b< hangup 0/16
        a> offered 112
          table asked
          ask call emergency
        refuse 403
          a< hangup 403/21
        a> offered 112
          table asked
          ask call emergency
        go b
          table ringing
          b< invite offer(a1)
        "#,
    );
}

#[test]
fn an_emergency_call_waits_for_nobody_who_is_gone() {
    check(
        r#"
        emergency 112 x
        control lost
        a> offered 112
          take 9
          table ringing
          b< invite offer(a1)
        b> refused 503
          give 9
          table ended
          journal ended 500/41 Called PeerError
          a< hangup 500/41
        "#,
    );
}

#[test]
fn ring_group_first_answer_wins() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b c d
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
          d< invite offer(a1)
        c> answered c1
          join a c
          table answered
          journal start
          started
          b< hangup 200/26
          d< hangup 200/26
          a< answer answer(c1)
        b> answered b1
          b< hangup 200/26
        b> ended 200 by-us
        d> refused 487
        a> bye
          part a c
          table ended
          journal ended 0/16 Caller Normal
          c< hangup 0/16
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          opened c Out 0.1 c
          opened d Out 0.2 d
          answered c
          ended b 200/26 Switch Normal
          ended d 200/26 Switch Normal
          answered a
          joined a c
          ended a 0/16 Caller Normal
          ended c 0/16 Caller Normal
          ended 0/16 Caller Normal dropped 0
        "#,
    );
}

#[test]
fn progress_is_told_once_and_only_when_it_is_more() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b c
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> progress 182
          a< progress 182
        b> progress 182
        b> progress 183
          a< progress 183
        c> progress 181
        b> progress 180
          a< progress 180
        c> progress 180
        b> progress 199
        b> progress 183 b1
          join a b
          a< progress 183 answer(b1)
        c> progress 183 c1
        b> progress 180
        b> progress 183 b1
        c> answered c1
          part a b
          join a c
          table answered
          journal start
          started
          b< hangup 200/26
          a< answer answer(c1)
        "#,
    );
}

#[test]
fn early_media_ends_with_its_branch_and_ringing_is_told_again() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b | c
          table ringing
          b< invite offer(a1)
        b> progress 183 b1
          join a b
          a< progress 183 answer(b1)
        b> refused 503
          part a b
          c< invite offer(a1)
        c> progress 180
          a< progress 180
        c> progress 180
        c> answered c1
          join a c
          table answered
          journal start
          started
          a< answer answer(c1)
        "#,
    );
}

#[test]
fn an_answer_without_a_description_after_early_media() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 183 b1
          join a b
          a< progress 183 answer(b1)
        b> answered
          table answered
          journal start
          started
          a< answer answer(b1)
        "#,
    );
}

#[test]
fn failover() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{gauge=7} | c{gauge=8} | d
          take 7
          table ringing
          b< invite offer(a1)
        b> refused 503
          give 7
          take 8
          c< invite offer(a1)
        c> silent
          give 8
          d< invite offer(a1)
        d> refused 486
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        a> ended 486 by-us
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          ended b 503/41 Called PeerError
          opened c Out 1.0 c
          ended c 408/102 Switch PeerSilent
          opened d Out 2.0 d
          ended d 486/17 Called Busy
          ended a 486/17 Called Busy
          ended 486/17 Called Busy dropped 0
        "#,
    );
}

#[test]
fn what_the_called_user_says_ends_the_hunt() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b | c
          table ringing
          b< invite offer(a1)
        b> refused 486
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        a> offered 1002
          table asked
          ask call
        go b | c
          table ringing
          b< invite offer(a1)
        b> refused 404
          table ended
          journal ended 404/1 Called UnknownNumber
          a< hangup 404/1
        a> offered 1002
          table asked
          ask call
        go b{continue=486} | c
          table ringing
          b< invite offer(a1)
        b> refused 486
          c< invite offer(a1)
        c> refused 500
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        a> offered 1002
          table asked
          ask call
        go b{continue=486} | c
          table ringing
          b< invite offer(a1)
        b> refused 503
          table ended
          journal ended 500/41 Called PeerError
          a< hangup 500/41
        "#,
    );
}

#[test]
fn stop_on_ends_the_hunt_and_lets_others_ring_on() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{stop=503} c | d
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> refused 503
        c> answered c1
          join a c
          table answered
          journal start
          started
          a< answer answer(c1)
        "#,
    );
}

#[test]
fn a_global_failure_ends_every_branch() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b c | d
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> progress 180
          a< progress 180
        c> refused 603
          table ended
          journal ended 603/21 Called Rejected
          b< hangup 487/16
          a< hangup 603/21
        "#,
    );
}

#[test]
fn nothing_heard_is_told_as_the_plan_says() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b | c
          table ringing
          b< invite offer(a1)
        b> silent
          c< invite offer(a1)
        c> silent
          table ended
          journal ended 480/18 Switch Exhausted
          a< hangup 480/18
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> refused 503
          table ended
          journal ended 500/41 Called PeerError
          a< hangup 500/41
        a> offered 1002
          table asked
          ask call
        go
          table ringing
          table ended
          journal ended 480/18 Switch Exhausted
          a< hangup 480/18
        "#,
    );
}

#[test]
fn full_gauges_are_skipped() {
    check(
        r#"
        full 7
        a> offered 1002
          table asked
          ask call
        go b{gauge=6,gauge=7} c{gauge=6} | d
          take 6
          give 6
          take 6
          table ringing
          c< invite offer(a1)
        c> answered c1
          join a c
          table answered
          journal start
          started
          a< answer answer(c1)
        a> bye
          part a c
          give 6
          table ended
          journal ended 0/16 Caller Normal
          c< hangup 0/16
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          ended b 0/34 Switch Limit
          opened c Out 0.1 c
          answered c
          answered a
          joined a c
          ended a 0/16 Caller Normal
          ended c 0/16 Caller Normal
          ended 0/16 Caller Normal dropped 0
        a> offered 1002
          table asked
          ask call
        go b{gauge=7}
          table ringing
          table ended
          journal ended 480/18 Switch Exhausted
          a< hangup 480/18
        a> offered 1002
          table asked
          ask call
        go b{app=ivr} | c
          table ringing
          c< invite offer(a1)
        "#,
    );
}

#[test]
fn ring_times() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{ring=5s,first=2s} | c{ring=5s,first=2s} | d
          table ringing
          b< invite offer(a1)
        wait 1999ms
        wait 1ms
          b< hangup 408/102
          c< invite offer(a1)
        b> refused 487
        c> progress 183
          a< progress 183
        wait 4999ms
        wait 1ms
          table ended
          journal ended 480/19 Switch NoAnswer
          c< hangup 408/19
          a< hangup 480/19
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          ended b 408/102 Switch PeerSilent
          opened c Out 1.0 c
          progress c 183
          ended c 408/19 Switch NoAnswer
          ended a 480/19 Switch NoAnswer
          ended 480/19 Switch NoAnswer dropped 0
        "#,
    );
}

#[test]
fn a_branch_that_only_worked_on_it_is_no_answer_of_the_user() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{ring=5s} | c{ring=5s,continue=486+408} | d
          table ringing
          b< invite offer(a1)
        b> progress 182
          a< progress 182
        wait 5s
          b< hangup 408/102
          c< invite offer(a1)
        c> progress 180
          a< progress 180
        wait 5s
          c< hangup 408/19
          d< invite offer(a1)
        "#,
    );
}

#[test]
fn the_caller_gives_up() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        a> ended 487
          table ended
          journal ended 487/16 Caller Cancelled
        go b
          abandoned
        durable
          free
        a> offered 1002
          table asked
          ask call
        go b{gauge=7} c
          take 7
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> progress 183 b1
          join a b
          a< progress 183 answer(b1)
        a> ended 487
          part a b
          give 7
          table ended
          journal ended 487/16 Caller Cancelled
          b< hangup 487/16
          c< hangup 487/16
        b> answered b1
          b< hangup 487/16
        c> refused 487
        b> ended 200 by-us
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          opened c Out 0.1 c
          progress b 183
          ended a 487/16 Caller Cancelled
          ended b 487/16 Caller Cancelled
          ended c 487/16 Caller Cancelled
          ended 487/16 Caller Cancelled dropped 0
        durable
          free
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        a> ended 408 by-us
          table ended
          journal ended 408/102 Switch PeerError
          b< hangup 408/102
        "#,
    );
}

#[test]
fn media_that_cannot_be_used() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        deaf b
        go b | c
          table ringing
          c< invite offer(a1)
        deaf c
        c> progress 183 c1
          a< progress 183
        c> answered c1
          table ended
          journal ended 488/65 Switch BadMedia
          c< hangup 488/65
          a< hangup 488/65
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted no-limit
          opened b Out 0.0 b
          ended b 488/65 Switch BadMedia
          opened c Out 1.0 c
          progress c 183
          answered c
          ended c 488/65 Switch BadMedia
          ended a 488/65 Switch BadMedia
          ended 488/65 Switch BadMedia dropped 0
        a> offered 1002
          table asked
          ask call
        go b | d
          table ringing
          table ended
          journal ended 488/65 Switch BadMedia
          a< hangup 488/65
        "#,
    );
}

#[test]
fn an_answer_without_media_is_a_failure() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b | c
          table ringing
          b< invite offer(a1)
        b> answered
          b< hangup 488/65
          c< invite offer(a1)
        c> answered c1
          join a c
          table answered
          journal start
          started
          a< answer answer(c1)
        "#,
    );
}

#[test]
fn re_offers() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        a> reoffer a2
          b< reoffer offer(a2)
        b> reoffer-answered b2
          a< reoffer-answer answer(b2)
        b> reoffer b3
          a< reoffer offer(b3)
        a> reoffer-refused 488
          b< reoffer-refuse 488/65
        a> reoffer a4
          b< reoffer offer(a4)
        b> reoffer b4
          b< reoffer-refuse 491/31
        a> reoffer a5
          a< reoffer-refuse 491/31
        b> reoffer-answered b4
          a< reoffer-answer answer(b4)
        a> reoffer a6
          b< reoffer offer(a6)
        b> reoffer-answered
          a< reoffer-refuse 488/65
        b> reoffer-answered b9
        a> reoffer-refused 500
        deaf b
        a> reoffer a7
          a< reoffer-refuse 488/65
        "#,
    );
}

#[test]
fn late_re_offers() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        a> reoffer
          b< reoffer
        b> reoffer-answered b2
          a< reoffer-answer offer(b2)
        b> reoffer b3
          b< reoffer-refuse 491/31
        a> confirmed a2
          b< confirm answer(a2)
        b> reoffer
          a< reoffer
        a> reoffer-refused 488
          b< reoffer-refuse 488/65
        b> reoffer
          a< reoffer
        a> reoffer-answered a3
          b< reoffer-answer offer(a3)
        b> confirmed
          part a b
          table ended
          journal ended 488/65 Switch BadMedia
          a< hangup 488/65
          b< hangup 488/65
        "#,
    );
}

#[test]
fn late_offer() {
    check(
        r#"
        a> offered 1002 late
          table asked
          ask call
        go b
          table ringing
          b< invite
        b> progress 183 b0
          a< progress 183
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer offer(b1)
        a> confirmed a1
          b< confirm answer(a1)
        a> confirmed
        a> bye
          part a b
          table ended
          journal ended 0/16 Caller Normal
          b< hangup 0/16
        a> offered 1002 late
          table asked
          ask call
        go b
          table ringing
          b< invite
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer offer(b1)
        a> confirmed
          part a b
          table ended
          journal ended 488/65 Switch BadMedia
          a< hangup 488/65
          b< hangup 488/65
        a> offered 1002 late
          table asked
          ask call
        go b
          table ringing
          b< invite
        b> answered
          table ended
          journal ended 488/65 Switch BadMedia
          b< hangup 488/65
          a< hangup 488/65
        "#,
    );
}

#[test]
fn a_late_re_offer_without_an_offer_ends_the_call() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        b> reoffer
          a< reoffer
        a> reoffer-answered
          part a b
          table ended
          journal ended 488/65 Switch BadMedia
          a< hangup 488/65
          b< hangup 488/65
        "#,
    );
}

#[test]
fn info_and_digits_pass() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        a> digits 1#
          b< info Signal=1 Duration=160
          b< info Signal=# Duration=160
        b> info hello
          a< info hello
        "#,
    );
}

#[test]
fn credit_is_extended_at_half_and_cut_at_the_end() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b ; grant 60s
          table ringing
          b< invite offer(a1)
        wait 1s
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        wait 29999ms
        wait 1ms
          ask extend 30000ms of 60000ms
        extended 120s
          table answered
        wait 59999ms
        wait 1ms
          ask extend 90000ms of 120000ms
        extended 150s last
          table answered
        wait 29999ms
        wait 1ms
        wait 29999ms
        wait 1ms
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted 60000ms
          opened b Out 0.0 b
          answered b
          answered a
          joined a b
          granted 120000ms
          granted 150000ms last
          ended a 0/31 Switch CreditEnded
          ended b 0/31 Switch CreditEnded
          ended 0/31 Switch CreditEnded dropped 0
        "#,
    );
}

#[test]
fn without_more_credit_the_slice_is_the_end() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b ; grant 60s
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        wait 30s
          ask extend 30000ms of 60000ms
        no more
        wait 29999ms
        wait 1ms
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        a> offered 1002
          table asked
          ask call
        go b ; grant 10s last
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        wait 9999ms
        wait 1ms
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        a> offered 1002
          table asked
          ask call
        go b ; grant 60s
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        wait 30s
          ask extend 30000ms of 60000ms
        extended 20s
          part a b
          table answered
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        "#,
    );
}

#[test]
fn a_lost_control_plane_costs_nobody_the_granted_time() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b ; grant 60s
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        control lost
        wait 30s
        wait 29999ms
        wait 1ms
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        control back
        "#,
    );
}

#[test]
fn an_extend_is_asked_again() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b ; grant 60s
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        control lost
        wait 40s
        control back
          ask extend 30000ms of 60000ms
        extended 90s
          table answered
        go c ; for-extend
          abandoned
        wait 34999ms
        wait 1ms
          ask extend 75000ms of 90000ms
        go c ; for-extend
          abandoned
        wait 15s
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        "#,
    );
}

#[test]
fn an_account_that_goes_on_without_an_answer() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b ; grant 60s go-on
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        wait 30s
          ask extend 30000ms of 60000ms
        wait 30s
          ask extend 30000ms of 60000ms
        wait 100s
        extended 200s last
          table answered
        wait 40s
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        a> offered 1002
          table asked
          ask call
        go b ; grant 60s go-on
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        control lost
        wait 70s
        control back
          ask extend 30000ms of 60000ms
        no more
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        "#,
    );
}

#[test]
fn longest_duration() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b ; grant 60s ; max 20s
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        wait 19999ms
        wait 1ms
          part a b
          table ended
          journal ended 0/31 Switch MaxDuration
          a< hangup 0/31
          b< hangup 0/31
        "#,
    );
}

#[test]
fn no_media() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        silence c
        silence b
          part a b
          table ended
          journal ended 0/102 Switch NoMedia
          a< hangup 0/102
          b< hangup 0/102
        silence b
        a> offered 1002
          table asked
          ask call
        silence a
        "#,
    );
}

#[test]
fn verbs() {
    check(
        r#"
        play
          verb unsupported
        hangup
          verb nosuchleg
        a> offered 1002
          table asked
          ask call
        play
          verb unsupported
        hangup-garbage
          verb badarguments
        hangup b
          verb nosuchleg
        hangup
          table ended
          journal ended 0/16 Switch Operator
          verb done
          a< hangup 480/16
        hangup
          verb nosuchleg
        a> offered 1002
          table asked
          ask call
        go b c | d
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        hangup c
          verb done
          c< hangup 0/16
        hangup b
          verb done
          b< hangup 0/16
          d< invite offer(a1)
        d> progress 180
          a< progress 180
        hangup a
          table ended
          journal ended 0/16 Switch Operator
          verb done
          a< hangup 480/16
          d< hangup 0/16
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        hangup b
          part a b
          table ended
          journal ended 0/16 Switch Operator
          verb done
          b< hangup 0/16
          a< hangup 0/16
        hangup b
          verb nosuchleg
        "#,
    );
}

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

#[test]
fn a_slot_waits_for_its_record_and_for_its_legs() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> progress 180
          a< progress 180
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        b> bye
          part a b
          table ended
          journal ended 0/16 Called Normal
          a< hangup 0/16
        durable
        a> ended 200 by-us
          free
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        a> ended 487
          table ended
          journal ended 487/16 Caller Cancelled
          b< hangup 487/16
        wait 63999ms
        wait 1ms
        durable
          free
        "#,
    );
}
