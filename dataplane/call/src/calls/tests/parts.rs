//! What stands beside a caller's description: who is sent it, and what becomes of the call.

use super::script::check;
use super::text::command_text;
use super::world::{World, branch, go, offer};
use crate::Output;
use strowger_leg::{Body, Command, Part};
use strowger_link::{AnswerBody, Bodies, Grant, Manner, Stage};

fn part(kind: &str, required: bool) -> Part {
    let body = Body { content_type: kind.into(), data: (*b"12345").into() };
    Part { body, disposition: "signal".into(), required }
}

fn takes(manner: &mut Manner, kind: &str) {
    let types = kind.split('+').filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
    manner.bodies = Some(Box::new(Bodies { types, len_max: 5 }));
}

/// A call with these parts whose caller takes some types, and whose branches, one after the other,
/// take others: what the legs are told, with the parts of each INVITE.
fn told(parts: &[Part], caller: &str, branches: &[&str]) -> Vec<String> {
    let mut world = World::new(4);
    let mut asked = offer("1002", Some("a1"));
    asked.parts = parts.to_vec();
    world.offer(asked).unwrap();
    world.drain();
    let listed = branches.iter().map(|kinds| {
        let mut branch = branch("b");
        takes(&mut branch.manner, kinds);
        vec![branch]
    });
    let grant = Grant { ms: u64::MAX, free_ms: 0, last: true, go_on: false };
    let mut plan = go(world.call_ask, Vec::new(), grant, 0);
    plan.stages = Stage::in_turn(listed.collect());
    takes(&mut plan.manner, caller);
    world.answer(world.call_ask, AnswerBody::Go(Box::new(plan)));
    let text = |output: &Output| {
        let Output::Leg { command, .. } = output else { return None };
        if let Command::Invite(invite) = command {
            let kinds: Vec<&str> = invite.parts.iter().map(|p| &*p.body.content_type).collect();
            return Some(format!("invite {}", kinds.join(" ")));
        }
        (!matches!(command, Command::Speak(_))).then(|| command_text(command))
    };
    world.drain().iter().filter_map(text).collect()
}

#[test]
fn parts_go_on_where_both_sides_take_them() {
    let both = [part("application/isup", false), part("text/xml", false)];
    assert_eq!(told(&both, "text/*+application/isup", &["text/xml"]), ["invite text/xml"]);
    assert_eq!(told(&both, "text/xml", &["application/isup+text/*"]), ["invite text/xml"]);
    assert_eq!(told(&both, "", &["text/xml"]), ["invite "]);
    assert_eq!(told(&both, "text/xml", &[""]), ["invite "]);
    let body = Body { data: (*b"123456").into(), ..both[1].body.clone() };
    let long = Part { body, ..part("", false) };
    assert_eq!(told(&[long], "text/xml", &["text/xml"]), ["invite "]);
}

#[test]
fn who_sends_what_must_be_understood_is_told_what_is_taken() {
    let parts = [part("application/isup", true)];
    assert_eq!(
        told(&parts, "text/xml+image/*", &["application/isup"]),
        ["fields Accept: application/sdp, text/xml, image/*", "hangup 415/79"]
    );
}

#[test]
fn a_branch_that_would_miss_what_must_be_understood_is_not_tried() {
    let parts = [part("application/isup", true)];
    let next = told(&parts, "application/isup", &["text/xml", "application/isup"]);
    assert_eq!(next, ["invite application/isup"]);
}

#[test]
fn what_stands_beside_a_word_goes_with_what_it_makes_us_say() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b
          table ringing
          b< invite offer(a1)
        b> beside application/isup
        b> progress 183
          a< beside application/isup
          a< progress 183
        b> progress 183
        b> beside application/isup
        b> progress 183
          a< beside application/isup
          a< progress 183
        b> beside application/isup
        b> answered b1
          join a b
          table answered
          journal start
          started
          a< beside application/isup
          a< answer answer(b1)
        a> beside text/xml
        a> reoffer a2
          b< beside text/xml
          b< reoffer offer(a2)
        b> beside text/plain
        b> reoffer a3
          b< reoffer-refuse 491/31
        b> beside text/xml
        b> reoffer-answered b2
          a< beside text/xml
          a< reoffer-answer answer(b2)
        a> beside application/isup
        a> bye
          part a b
          table ended
          journal ended 0/16 Caller Normal
          b< beside application/isup
          b< hangup 0/16
        "#,
    );
}

#[test]
fn of_several_who_ring_nobody_says_more_than_the_status() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b c
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> progress 180
          a< progress 180
        b> beside application/isup
        b> progress 180
        c> beside application/isup
        c> answered c1
          join a c
          table answered
          journal start
          started
          b< hangup 200/26
          a< beside application/isup
          a< answer answer(c1)
        "#,
    );
}

#[test]
fn the_caller_hears_what_stood_beside_the_refusal_that_it_is_told() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b c
          table ringing
          b< invite offer(a1)
          c< invite offer(a1)
        b> beside application/isup
        b> refused 486
        c> beside text/xml
        c> refused 480
          table ended
          journal ended 486/17 Called Busy
          a< beside application/isup
          a< hangup 486/17
        "#,
    );
}

#[test]
fn a_plan_that_comes_to_nothing_at_once_is_told_to_nobody() {
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        full 3
        go b{gauge=3} ; ringing
          table ringing
          table ended
          journal ended 480/18 Switch Exhausted
          a< hangup 480/18
        "#,
    );
    check(
        r#"
        a> offered 1002
          table asked
          ask call
        go b ; ringing
          table ringing
          b< invite offer(a1)
          a< speak Answer Media
        "#,
    );
}
