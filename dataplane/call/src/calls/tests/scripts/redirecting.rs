//! Branches that say that the call is to go elsewhere.

use super::super::script::check;

#[test]
fn where_a_redirect_leads_is_tried_in_its_place() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{redirect=ask,hop=15} c | d ; grant 60s
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> redirected 302 sip:x@y sip:z@y sip:x@y
          ask redirected 302 sip:x@y sip:z@y by 0xf
        c> progress 180
          a< progress 180
        go e | f ; grant 30s last ; for-redirect
          table ringing
          d< invite offer(a1)
        c> refused 404
        d> refused 503
          e< invite offer(a1)
        e> answered e1
          join a e
          table answered
          journal start
          started
          a< answer answer(e1)
        a> bye
          part a e
          table ended
          journal ended 0/16 Caller Normal
          e< hangup 0/16
        record
          began 1001 -> 1002
          opened a In 0.0 1002
          granted 60000ms
          opened b Out 0.0 b
          opened c Out 0.1 c
          ended b 302/23 Called Redirected
          progress c 180
          granted 30000ms last
          opened d Out 2.0 e
          ended c 404/1 Called UnknownNumber
          ended d 503/41 Called PeerError
          opened e Out 3.0 f
          answered e
          answered a
          joined a e
          ended a 0/16 Caller Normal
          ended e 0/16 Caller Normal
          ended 0/16 Caller Normal dropped 0
        "#,
    );
}

#[test]
fn what_a_redirect_came_to_counts_for_the_stage_it_was_in() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{redirect=ask} | 0-busy: c | 0-failed: d
          table ringing
          b< invite offer(a1)
        b> redirected 301 sip:x@y
          ask redirected 301 sip:x@y by 0x0
        go e ; for-redirect
          table ringing
          c< invite offer(a1)
        c> refused 486
          d< invite offer(a1)
        d> refused 486
          table ended
          journal ended 486/17 Called Busy
          a< hangup 486/17
        "#,
    );
}

#[test]
fn a_redirect_that_leads_nowhere_is_a_failure() {
    for (answer, answered) in
        [("refuse-redirect", ""), ("wait 3s", ""), ("control lost", "wait 3s\n")]
    {
        let script = format!(
            "
        a> offered 1002
          table asked
          ask call
        go b{{redirect=ask}} | c
          table ringing
          b< invite offer(a1)
        b> redirected 302 sip:x@y
          ask redirected 302 sip:x@y by 0x0
        {answer}
        {answered}  c< invite offer(a1)
        c> redirected 302 sip:x@y
          table ended
          journal ended 480/23 Called Redirected
          a< hangup 480/23
        "
        );
        check(&script);
    }
}

#[test]
fn nobody_is_called_twice_and_proxies_are_not_asked() {
    for said in ["302", "305 sip:p@y", "380 sip:p@y", "302 sip:b@peer", "302 sip:b@peer sip:b@peer"]
    {
        let script = format!(
            "
        a> offered 1002
          table asked
          ask call
        go b{{redirect=ask}} | c
          table ringing
          b< invite offer(a1)
        b> redirected {said}
          c< invite offer(a1)
        "
        );
        check(&script);
    }
}

#[test]
fn the_caller_is_told_where_to_call() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{redirect=pass} c | d
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> redirected 302 sip:x@y sip:z@y
        c> refused 503
          table ended
          journal ended 302/23 Called Redirected
          a< redirect 302 sip:x@y sip:z@y
        "#,
    );
}

#[test]
fn what_stops_everything_stops_redirects() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{redirect=ask} c | d
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> redirected 302 sip:x@y
          ask redirected 302 sip:x@y by 0x0
        c> refused 603
          table ended
          journal ended 603/21 Called Rejected
          a< hangup 603/21
        go e ; for-redirect
          abandoned
        "#,
    );
}

#[test]
fn who_answers_before_it_is_known_has_the_call() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{redirect=ask} c
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> redirected 302 sip:x@y
          ask redirected 302 sip:x@y by 0x0
        c> answered c1
          join a c
          table answered
          journal start
          started
          a< answer answer(c1)
        go e ; for-redirect
          abandoned
        go e ; for-redirect
        "#,
    );
}

#[test]
fn a_caller_who_gives_up_and_an_operator_end_it() {
    for (line, end) in [
        ("a> ended 487", "487/16 Caller Cancelled\n"),
        ("hangup", "0/16 Switch Operator\n          verb done\n          a< hangup 480/16\n"),
    ] {
        let script = format!(
            "
        a> offered 1002
          table asked
          ask call
        go b{{redirect=ask}} | c
          table ringing
          b< invite offer(a1)
        b> redirected 302 sip:x@y
          ask redirected 302 sip:x@y by 0x0
        {line}
          table ended
          journal ended {end}        go e ; for-redirect
          abandoned
        "
        );
        check(&script);
    }
}

#[test]
fn redirects_ask_one_after_the_other_and_again_when_control_is_back() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b{redirect=ask} c{redirect=ask}
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> redirected 302 sip:x@y
          ask redirected 302 sip:x@y by 0x0
        c> redirected 302 sip:z@y
        control lost
        control back
          ask redirected 302 sip:x@y by 0x0
        go e ; for-redirect
          table ringing
          ask redirected 302 sip:z@y by 0x0
          d< invite offer(a1)
        go f ; for-redirect
          table ringing
          e< invite offer(a1)
        d> refused 404
        e> refused 404
          table ended
          journal ended 404/1 Called UnknownNumber
          a< hangup 404/1
        "#,
    );
}

#[test]
fn a_chain_of_redirects_ends() {
    let mut script = String::from(
        "
        a> offered 1002
          table asked
          ask call
        go b{redirect=ask}
          table ringing
          b< invite offer(a1)
",
    );
    for (n, leg) in ('b'..='f').enumerate() {
        let next = char::from(b'c' + u8::try_from(n).unwrap());
        script += &format!(
            "        {leg}> redirected 302 sip:{n}@y
          ask redirected 302 sip:{n}@y by 0x0
        go x{n}{{redirect=ask}} ; for-redirect
          table ringing
          {next}< invite offer(a1)
"
        );
    }
    script += "        g> redirected 302 sip:last@y
          table ended
          journal ended 480/23 Called Redirected
          a< hangup 480/23
";
    check(&script);
}
