//! Stages, branches, progress, failures.

use super::super::script::check;

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
fn the_newest_fork_behind_a_leg_is_heard() {
    check(
        "
        a> offered 1002
          table asked
          ask call
        go b c
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> progress 183 b1
          join a b
          a< progress 183 answer(b1)
        c> progress 183 c1
        media b a
          answer(b1)
        b> progress 183 b2 fork 1
        media b a
          answer(b2)
        b> progress 180 fork 2
        ",
    );
}

#[test]
fn a_new_offer_before_the_answer_goes_to_the_other_side_as_such() {
    check(
        "
        a> offered 1002
          table asked
          ask call
        go b | c
          table ringing
          b< invite offer(a1)
        a> update a2
          a< reoffer-refuse 488/65
        b> progress 183 b1
          join a b
          a< progress 183 answer(b1)
        a> update a2
          b< update offer(a2)
        b> update b2
          b< reoffer-refuse 491/31
        b> reoffer-answered b2
          a< reoffer-answer answer(b2)
        b> update b3
          a< update offer(b3)
        a> reoffer-refused 488
          b< reoffer-refuse 488/65
        a> update a3
          b< update offer(a3)
        b> refused 503
          part a b
          c< invite offer(a3)
          a< reoffer-refuse 488/65
        ",
    );
}

#[test]
fn the_offer_of_a_caller_for_whom_several_ring_does_not_change() {
    check(
        "
        a> offered 1002
          table asked
          ask call
        go b c
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> progress 183 b1
          join a b
          a< progress 183 answer(b1)
        a> update a2
          a< reoffer-refuse 488/65
        b> update b2
          a< update offer(b2)
        a> reoffer-answered a2
          b< reoffer-answer answer(a2)
        ",
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
fn a_peers_challenge_is_a_failure_of_its_hop_and_never_the_callers() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{continue=486} | c
          table ringing
          b< invite offer(a1)
        b> refused 407
          c< invite offer(a1)
        c> refused 401
          table ended
          journal ended 500/21 Called PeerError
          a< hangup 500/21
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

/// Everything up to the first stage of a plan, which is `b`.
fn forwarding(plan: &str, then: &str) {
    let begin = format!(
        "a> offered 1002\n  table asked\n  ask call\ngo {plan}\n  table ringing\n  \
         b< invite offer(a1)\n"
    );
    check(&(begin + &then.replace("\n        ", "\n")));
}

#[test]
fn forward_on_busy_follows_a_busy_phone_only() {
    let plan = "b | 0-busy: c | 0-no-answer: d";
    forwarding(
        plan,
        r#"b> refused 486
          c< invite offer(a1)
        c> refused 404
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        "#,
    );
    forwarding(
        plan,
        r#"b> refused 600
          c< invite offer(a1)
        "#,
    );
    forwarding(
        plan,
        r#"b> refused 603
          table ended
          journal ended 603/21 Called Rejected
          a< hangup 603/21
        "#,
    );
    // Trouble of the phone's own goes on to nobody: no stage is named for it.
    forwarding(
        plan,
        r#"b> refused 503
          table ended
          journal ended 500/41 Called PeerError
          a< hangup 500/41
        "#,
    );
}

#[test]
fn forward_on_no_answer_follows_ringing_in_vain() {
    // The stage for busy could not be tried.
    let plan = "b{ring=20s} | 0-busy: x{app=x} | 0-no-answer: c";
    forwarding(
        plan,
        r#"b> progress 180
          a< progress 180
        wait 20s
          b< hangup 408/19
          c< invite offer(a1)
        "#,
    );
    forwarding(
        plan,
        r#"b> refused 480
          c< invite offer(a1)
        "#,
    );
}

#[test]
fn a_forward_may_be_forwarded_itself() {
    forwarding(
        "b | 0-busy: c | 1-no-answer: d | 0-unreachable: e",
        r#"b> refused 486
          c< invite offer(a1)
        c> refused 486
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        "#,
    );
    forwarding(
        "b | 0-busy: c | 1-no-answer: d | 0-unreachable: e",
        r#"b> refused 486
          c< invite offer(a1)
        c> refused 480
          d< invite offer(a1)
        "#,
    );
    forwarding(
        "b | 0-busy: x{app=x} | 1-no-answer: x{app=x} | 0-unreachable: c",
        r#"b> silent
          c< invite offer(a1)
        "#,
    );
}

#[test]
fn a_full_callee_is_busy_and_counts_a_call_once() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{callee=5} c{callee=5} | d{callee=5} | 1-busy: e
          take 2147483653
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> refused 503
        c> refused 503
          give 2147483653
          take 2147483653
          d< invite offer(a1)
        d> refused 486
          give 2147483653
          e< invite offer(a1)
        "#,
    );
}

#[test]
fn a_supplier_is_read_as_its_map_says() {
    check(
        r#"
        a> offered 4420
          table asked
          ask call
        go b{read=486>503} | c{read=503>486} | d
          table ringing
          b< invite offer(a1)
        b> refused 486
          c< invite offer(a1)
        c> refused 503
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        "#,
    );
}

#[test]
fn a_peer_that_wants_no_reasons_hears_none() {
    check(
        r#"
        a> offered 4420
          table asked
          ask call
        go b{mute=} c
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        c> answered c1
          join a c
          table answered
          journal start
          started
          b< hangup 0/0
          a< answer answer(c1)
        "#,
    );
}

#[test]
fn a_challenge_for_the_caller_ends_the_hunt_and_is_told_as_it_came() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{pass=1,continue=401} | c
          table ringing
          b< invite offer(a1)
        b> challenges n1
        b> refused 401
          table ended
          journal ended 401/21 Called Rejected
          a< fields WWW-Authenticate: n1
          a< hangup 401/21
        "#,
    );
    // A challenge that is nobody's to answer is the peer's fault: the next one is tried.
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b | c
          table ringing
          b< invite offer(a1)
        b> refused 401
          c< invite offer(a1)
        c> refused 401
          table ended
          journal ended 500/21 Called PeerError
          a< hangup 500/21
        "#,
    );
}

#[test]
fn an_offer_before_the_answer_is_refused_when_its_branch_ends_and_the_call_does_not() {
    let opening = r#"
        a> offered 1002
          table asked
          ask call
        go PLAN
          table ringing
          b< invite offer(a1)
        b> progress 183 b1
          join a b
          a< progress 183 answer(b1)
        a> update a2
          b< update offer(a2)
        "#;
    let goes_on = r#"
        b> refused 503
          part a b
          c< invite offer(a2)
          a< reoffer-refuse 488/65
        "#;
    check(&(opening.replace("PLAN", "b | c") + goes_on));
    // With its call it has its answer.
    let ends = r#"
        b> refused 486
          part a b
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        "#;
    check(&(opening.replace("PLAN", "b") + ends));
}
