//! Talk time: leases, extensions, cuts.

use super::super::script::check;

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
        answered go b ; grant 60s
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
        answered go b ; grant 10s last
        wait 9999ms
        wait 1ms
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        answered go b ; grant 60s
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
        answered go b ; grant 60s
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
        answered go b ; grant 60s
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
        answered go b ; grant 60s go-on
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
        answered go b ; grant 60s go-on
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
        answered go b ; grant 60s ; max 20s
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
fn a_recharge_lengthens_the_last_slice() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b ; grant 20s last
          table ringing
          b< invite offer(a1)
        lengthened 25s last
          table ringing
        lengthened 10s
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        wait 24s
        lengthened 60s
          table answered
        lengthened 60s last
        wait 18499ms
        wait 1ms
          ask extend 42500ms of 60000ms
        lengthened 70s
          table answered
        extended 80s last
          table answered
        wait 37499ms
        wait 1ms
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        lengthened 99s
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted 20000ms last
          opened b Out 0.0 b
          granted 25000ms last
          answered b
          answered a
          joined a b
          granted 60000ms
          granted 70000ms
          granted 80000ms last
          ended a 0/31 Switch CreditEnded
          ended b 0/31 Switch CreditEnded
          ended 0/31 Switch CreditEnded dropped 0
        "#,
    );
}

#[test]
fn more_for_another_call_is_dropped() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        lengthened 90s
        go b ; grant 20s last
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        lengthened-other 90s
        wait 20s
          part a b
          table ended
          journal ended 0/31 Switch CreditEnded
          a< hangup 0/31
          b< hangup 0/31
        "#,
    );
}
