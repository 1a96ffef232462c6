//! Answered calls: ends, exchanges, passing on.

use super::super::script::check;

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
fn an_offer_that_wants_its_answer_at_once_goes_on_as_such() {
    check(
        "
        answered go b
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
        ",
    );
}

#[test]
fn what_a_leg_refreshed_by_itself_only_media_learns() {
    check(
        "
        answered go b
        b> refreshed b2
        media b a
          answer(b2)
        b> refreshed
        a> reoffer a2
          b< reoffer offer(a2)
        a> refreshed a3
        b> reoffer-answered b3
          a< reoffer-answer answer(b3)
        ",
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

/// Another certificate than the one that was named ends the talk, with a reason of its own.
#[test]
fn a_party_that_is_not_who_it_says() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        impostor b
        go b
          table ringing
          b< invite offer(a1)
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        impostor c
        impostor b
          part a b
          table ended
          journal ended 0/57 Switch Impostor
          a< hangup 0/57
          b< hangup 0/57
        "#,
    );
}

/// A false answer ends the talk of its leg, and what does not talk is left alone.
#[test]
fn an_answer_that_was_false() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        false b
        go b
          table ringing
          b< invite offer(a1)
        false b
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< answer answer(b1)
        false c
        false b
          part a b
          table ended
          journal ended 0/31 Switch FalseAnswer
          a< hangup 0/31
          b< hangup 0/31
        false b
        "#,
    );
}
