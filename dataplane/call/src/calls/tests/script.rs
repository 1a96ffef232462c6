//! Call scripts: what goes in stands at the margin, what comes out is indented below it.
//!
//! Legs are letters in the order in which the call opened them. `a> ...` is an event of a leg, `a<
//! ...` a command to it; `go b c | d` is a plan of two stages; times are `3s` or `500ms`. A call
//! that opens as most do is one line, `answered go b`: [`OPENING`] with this plan.

use super::text::{fact_text, output_text};
use super::world::{World, branch, challenge, emergency, gauge, go, offer, refuse, sdp};
use crate::Output;
use strowger_leg::{Body, Event, Part};
use strowger_link::codec::encode;
use strowger_link::{
    AnswerBody, AskId, Branch, BranchAuth, Cause, CauseSwap, Extended, Gauge, Grant, Hangup,
    HeaderField, LegId, Octets, OnRedirect, Originate, Reason, Stage, VerbKind,
};

/// Indentation of scripts inside a test.
const MARGIN: &str = "        ";

/// How a call comes to be answered at once by its only callee; `PLAN` is what the line says.
const OPENING: &str = "\
a> offered 1002
  table asked
  ask call
PLAN
  table ringing
  b< invite offer(a1)
b> answered b1
  join a b
  table answered
  journal start
  started
  a< answer answer(b1)
";

/// The lines of a script, openings written out.
fn written_out(script: &str) -> String {
    let lines = script.lines().map(|l| l.strip_prefix(MARGIN).unwrap_or(l).trim_end());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| match line.strip_prefix("answered ") {
            Some(plan) => OPENING.replace("PLAN", plan),
            None => format!("{line}\n"),
        })
        .collect()
}

/// Plays the lines at the margin of `script` and compares everything that comes out.
#[track_caller]
pub(super) fn check(script: &str) {
    let mut world = World::new(4);
    let mut show_live = false;
    let mut played = String::new();
    let expected = written_out(script);
    for input in expected.lines().filter(|l| !l.starts_with(' ')) {
        show_live |= input == "show live";
        played += &format!("{input}\n");
        for text in play(&mut world, input, show_live) {
            played += &format!("  {text}\n");
        }
    }
    assert!(played == expected, "expected:\n{expected}\nplayed:\n{played}");
}

/// Plays one line. Everything that came of it: media first, then outputs in their order.
pub(super) fn play(world: &mut World, input: &str, show_live: bool) -> Vec<String> {
    let mut outputs = Vec::new();
    let mut texts = act(world, input, &mut outputs);
    outputs.extend(world.drain());
    texts.append(&mut world.media.lines);
    texts.extend(outputs.iter().filter_map(|output| output_text(output, show_live)));
    texts
}

/// Does what a line says. What it prints itself.
fn act(world: &mut World, input: &str, outputs: &mut Vec<Output>) -> Vec<String> {
    let words: Vec<&str> = input.split_whitespace().collect();
    if let Some(leg) = words[0].strip_suffix('>') {
        leg_line(world, leg_of(leg), &words[1..]);
        return Vec::new();
    }
    let first_leg = LegId { slot: world.slot, leg: 0 };
    match words.as_slice() {
        ["go", plan @ ..] => go_line(world, plan),
        ["refuse", status, rest @ ..] => refuse_line(world, status, rest),
        ["refuse-redirect"] => {
            let no = AnswerBody::Refuse(refuse(402, Reason::NoCredit));
            world.answer(world.redirect_ask, no);
        }
        ["challenge"] => world.answer(world.call_ask, challenge()),
        ["nonsense"] => {
            let extended = Extended { grant: grant("60s", &[]) };
            world.answer(world.call_ask, AnswerBody::Extended(extended));
        }
        ["extended", ms, flags @ ..] => {
            let extended = Extended { grant: grant(ms, flags) };
            world.answer(world.extend_ask, AnswerBody::Extended(extended));
        }
        ["lengthened", ms, flags @ ..] => {
            world.lengthen(first_leg, world.lengthen_ask(), grant(ms, flags));
        }
        ["lengthened-other", ms] => {
            let other = AskId(world.lengthen_ask().0 + 1);
            world.lengthen(first_leg, other, grant(ms, &[]));
        }
        ["no", "more"] => {
            let no = AnswerBody::Refuse(refuse(402, Reason::NoCredit));
            world.answer(world.extend_ask, no);
        }
        ["wait", time] => outputs.extend(world.wait(ms(time))),
        ["control", "lost"] => world.calls.handle_control_lost(),
        ["control", "back"] => world.calls.handle_control_back(),
        ["durable"] => world.calls.handle_durable(world.seq),
        ["hangup"] => hangup_line(world, None),
        ["hangup", leg] => hangup_line(world, Some(leg_of(leg))),
        ["play"] => world.verb(first_leg, VerbKind::Play, Vec::new()),
        ["hangup-garbage"] => world.verb(first_leg, VerbKind::Hangup, vec![1, 2]),
        ["originate", rest @ ..] => originate_line(world, rest),
        ["false", leg] => world.false_answer(LegId { leg: leg_of(leg), ..first_leg }),
        ["impostor", leg] => world.impostor(LegId { leg: leg_of(leg), ..first_leg }),
        ["silence", leg] => world.silence(LegId { leg: leg_of(leg), ..first_leg }),
        ["full", id] => drop(world.media.full.insert(id.parse().unwrap())),
        ["deaf", leg] => drop(world.media.deaf.insert(leg_of(leg))),
        ["emergency", number, names @ ..] => {
            world.calls.set_emergency(vec![emergency(number, names)]);
        }
        ["restart"] => outputs.extend(world.restart()),
        ["record"] => {
            return world.record.as_ref().unwrap().facts.iter().map(fact_text).collect();
        }
        ["media", from, to] => {
            return vec![world.media.told[&(leg_of(from), leg_of(to))].clone()];
        }
        ["show", "live"] => {}
        other => panic!("not understood: {other:?}"),
    }
    Vec::new()
}

fn leg_line(world: &mut World, leg: u8, words: &[&str]) {
    if let ["offered", called, rest @ ..] = words {
        let body = if rest == ["late"] { None } else { Some("a1") };
        world.offer(offer(called, body)).unwrap();
    } else {
        world.event(LegId { slot: world.slot, leg }, event_of(words));
    }
}

fn event_of(words: &[&str]) -> Event {
    let body = |rest: &[&str]| rest.first().map(|text| sdp(text));
    let status = |text: &str| Cause::from_sip(text.parse().unwrap());
    match words {
        ["progress", code, rest @ .., "fork", fork] => Event::Progress {
            status: code.parse().unwrap(),
            body: body(rest),
            fork: fork.parse().unwrap(),
        },
        ["progress", code, rest @ ..] => {
            Event::Progress { status: code.parse().unwrap(), body: body(rest), fork: 0 }
        }
        ["update", text] => Event::Update { body: sdp(text) },
        ["refreshed", rest @ ..] => Event::Refreshed { body: body(rest) },
        ["answered", rest @ ..] => Event::Answered { body: body(rest) },
        ["confirmed", rest @ ..] => Event::Confirmed { body: body(rest) },
        ["redirected", code, contacts @ ..] => Event::Refused {
            cause: status(code),
            contacts: contacts.iter().map(|uri| (*uri).to_owned()).collect(),
            silent: false,
        },
        ["challenges", value] => Event::Fields(vec![HeaderField {
            name: "WWW-Authenticate".to_owned(),
            value: Octets(value.as_bytes().to_vec()),
        }]),
        ["beside", kind] => {
            let body = Body { content_type: (*kind).into(), data: (*b"12345").into() };
            Event::Parts(vec![Part { body, disposition: "signal".into(), required: false }])
        }
        ["refused", code] => {
            Event::Refused { cause: status(code), contacts: Vec::new(), silent: false }
        }
        ["silent"] => Event::Refused { cause: status("408"), contacts: Vec::new(), silent: true },
        ["reoffer", rest @ ..] => Event::Reoffer { body: body(rest) },
        ["reoffer-answered", rest @ ..] => Event::ReofferAnswered { body: body(rest) },
        ["reoffer-refused", code] => Event::ReofferRefused { cause: status(code) },
        ["digits", digits] => Event::Digits { digits: (*digits).into(), duration_ms: 160 },
        ["info", text] => Event::Info {
            body: Body { content_type: "text/plain".into(), data: text.as_bytes().into() },
        },
        ["ended", code] => Event::Ended { cause: status(code), by_party: true },
        ["ended", code, "by-us"] => Event::Ended { cause: status(code), by_party: false },
        ["offered-again"] => Event::Offered(Box::new(offer("1002", None))),
        ["bye"] => Event::Ended { cause: Cause::new(0, 16), by_party: true },
        other => panic!("not understood: {other:?}"),
    }
}

/// The stage `index` follows others only as `label` says: `0-busy,1-no-answer`.
fn lead_to(stages: &mut [Stage], index: usize, label: &str) {
    let to = u8::try_from(index).ok();
    stages[index - 1].next.failed = None;
    for condition in label.split(',') {
        let (from, end) = condition.split_once('-').unwrap();
        let next = &mut stages[from.parse::<usize>().unwrap()].next;
        match end {
            "busy" => next.busy = to,
            "no-answer" => next.no_answer = to,
            "unreachable" => next.unreachable = to,
            "failed" => next.failed = to,
            other => panic!("not understood: {other}"),
        }
    }
}

/// `go b{ring=5s,gauge=7} c | d | 0-busy: e ; grant 60s last ; max 10s ; for-extend`
fn go_line(world: &mut World, words: &[&str]) {
    let mut parts = words.split(|w| *w == ";");
    let plan = parts.next().unwrap();
    let mut the_grant = grant("no-limit", &[]);
    let mut max_ms = 0;
    let mut ringing = false;
    let mut ask = world.call_ask;
    for part in parts {
        match part {
            ["grant", ms, flags @ ..] => the_grant = grant(ms, flags),
            ["max", time] => max_ms = ms(time),
            ["ringing"] => ringing = true,
            ["for-extend"] => ask = world.extend_ask,
            ["for-redirect"] => ask = world.redirect_ask,
            ["for-ask", id] => ask = AskId(id.parse().unwrap()),
            other => panic!("not understood: {other:?}"),
        }
    }
    let stages: Vec<&[&str]> = plan.split(|w| *w == "|").collect();
    let branches = |stage: &&[&str]| -> Vec<Branch> {
        stage.iter().filter(|b| !b.ends_with(':')).map(|b| branch_of(b)).collect()
    };
    let listed = stages.iter().map(branches).collect();
    let mut plan = go(ask, listed, the_grant, max_ms);
    plan.manner.ringing = ringing;
    for (index, stage) in stages.iter().enumerate() {
        if let Some(label) = stage.first().and_then(|word| word.strip_suffix(':')) {
            lead_to(&mut plan.stages, index, label);
        }
    }
    world.answer(ask, AnswerBody::Go(Box::new(plan)));
}

fn branch_of(text: &str) -> Branch {
    let (name, options) = text.split_once('{').unwrap_or((text, "}"));
    let mut branch = branch(name);
    for option in options.trim_end_matches('}').split(',').filter(|o| !o.is_empty()) {
        let codes = |v: &str| v.split('+').map(|code| code.parse().unwrap()).collect();
        match option.split_once('=') {
            Some(("ring", time)) => branch.ring_ms = u32::try_from(ms(time)).unwrap(),
            Some(("first", time)) => branch.first_ms = u32::try_from(ms(time)).unwrap(),
            Some(("gauge", id)) => branch.gauges.push(gauge(id.parse().unwrap())),
            Some(("continue", list)) => branch.continue_on = codes(list),
            Some(("stop", list)) => branch.stop_on = codes(list),
            Some(("callee", id)) => {
                let id = Gauge::CALLEE | id.parse::<u32>().unwrap();
                branch.gauges.push(Gauge { id, in_use_max: 1, per_second_max: 0 });
            }
            Some(("read", pair)) => {
                let (from, to) = pair.split_once('>').unwrap();
                let instead = Cause::from_sip(to.parse().unwrap());
                let swap = CauseSwap { status: from.parse().unwrap(), instead };
                branch.manner.causes.push(swap);
            }
            Some(("pass", _)) => branch.auth = BranchAuth::Pass,
            Some(("mute", _)) => branch.manner.explain = false,
            Some(("redirect", "ask")) => branch.redirect = OnRedirect::Ask,
            Some(("redirect", "pass")) => branch.redirect = OnRedirect::Pass,
            Some(("hop", hop)) => branch.hop = hop.parse().unwrap(),
            Some(("app", app)) => branch.app = Some(app.to_owned()),
            other => panic!("not understood: {other:?}"),
        }
    }
    branch
}

/// `refuse 403 record credit phrase`
fn refuse_line(world: &mut World, status: &str, rest: &[&str]) {
    let reason = if rest.contains(&"credit") { Reason::NoCredit } else { Reason::Denied };
    let mut no = refuse(status.parse().unwrap(), reason);
    no.record = rest.contains(&"record");
    if rest.contains(&"redirected") {
        (no.reason, no.explain) = (Reason::Redirected, false);
        let value = Octets(b"<sip:b@h>".to_vec());
        no.headers.push(HeaderField { name: "Contact".to_owned(), value });
    }
    if rest.contains(&"phrase") {
        no.phrase = "Sorry".to_owned();
        no.retry_after_s = 2;
    }
    world.answer(world.call_ask, AnswerBody::Refuse(no));
}

fn hangup_line(world: &mut World, leg: Option<u8>) {
    let args = Hangup { leg, cause: Cause::new(0, 16), reason: Reason::Operator };
    let id = LegId { slot: world.slot, leg: 0 };
    world.verb(id, VerbKind::Hangup, encode(&args));
}

/// `originate a b ; grant 60s ; deadline 20s`
fn originate_line(world: &mut World, words: &[&str]) {
    let mut parts = words.split(|w| *w == ";");
    let [first, second] = parts.next().unwrap() else { panic!("two legs") };
    let mut args = Originate {
        first: branch_of(first),
        second: branch_of(second),
        grant: grant("no-limit", &[]),
        settlement: Octets(77u64.to_le_bytes().to_vec()),
        ask: AskId(77),
        deadline_ms: 0,
    };
    for part in parts {
        match part {
            ["grant", ms, flags @ ..] => args.grant = grant(ms, flags),
            ["deadline", time] => args.deadline_ms = u32::try_from(ms(time)).unwrap(),
            other => panic!("not understood: {other:?}"),
        }
    }
    world.expect_origination(args.ask);
    world.verb(LegId::default(), VerbKind::Originate, encode(&args));
}

fn grant(time: &str, flags: &[&str]) -> Grant {
    let ms = if time == "no-limit" { u64::MAX } else { ms(time) };
    let free_ms = flags.iter().find_map(|flag| flag.strip_prefix("free=")).map_or(0, self::ms);
    Grant { ms, free_ms, last: flags.contains(&"last"), go_on: flags.contains(&"go-on") }
}

fn leg_of(text: &str) -> u8 {
    text.as_bytes()[0] - b'a'
}

fn ms(text: &str) -> u64 {
    match text.strip_suffix("ms") {
        Some(ms) => ms.parse().unwrap(),
        None => text.strip_suffix('s').unwrap().parse::<u64>().unwrap() * 1000,
    }
}
