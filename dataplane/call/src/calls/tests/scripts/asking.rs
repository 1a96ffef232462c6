//! From the INVITE to the control plane's word.

use super::super::script::check;

#[test]
fn a_caller_is_told_where_else_to_call() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        refuse 302 record redirected
          table ended
          journal ended 302/23 Switch Redirected
          a< fields Contact: <sip:b@h>
          a< hangup 302/0
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
        answered go b
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
