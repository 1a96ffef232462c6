//! Every state against every event, as a table that stands beside this file.

use super::script::play;
use super::world::World;

/// A state, the script that leads to it, and the leg whose events are tried.
const STATES: &[(&str, &str, char)] = &[
    ("asked", "a> offered 1002", 'a'),
    ("hunting", "a> offered 1002\ngo b c | d", 'a'),
    ("hunting", "a> offered 1002\ngo b c | d", 'b'),
    ("hunting, b redirected", REDIRECTED, 'a'),
    ("hunting, b redirected", REDIRECTED, 'b'),
    ("hunting for a late offer", "a> offered 1002 late\ngo b", 'b'),
    ("setup of the first", "originate a b", 'a'),
    ("setup of the second", "originate a b\na> answered a1", 'a'),
    ("setup of the second", "originate a b\na> answered a1", 'b'),
    ("talking", TALKING, 'a'),
    ("talking", TALKING, 'b'),
    ("talking, a's offer passed", "TALKING\na> reoffer a2", 'a'),
    ("talking, a's offer passed", "TALKING\na> reoffer a2", 'b'),
    ("talking, a wants an offer", "TALKING\na> reoffer", 'b'),
    ("talking, a is to confirm", "TALKING\na> reoffer\nb> reoffer-answered b2", 'a'),
    ("talking, our own offer", "originate a b\na> answered a1\nb> answered b1", 'a'),
    ("talking, other leg hung up before", "a> offered 1002\ngo b c\nc> answered c1", 'b'),
    ("closed, leg owes its last word", "TALKING\nb> bye", 'a'),
    ("closed, leg is gone", "TALKING\nb> bye", 'b'),
];

const REDIRECTED: &str = "a> offered 1002\ngo b{redirect=ask} | d\nb> redirected 302 sip:x@y";
const TALKING: &str = "a> offered 1002\ngo b ; grant 60s\nb> answered b1";

const EVENTS: &[&str] = &[
    "offered-again",
    "progress 180",
    "progress 183 x1",
    "answered x1",
    "answered",
    "confirmed x1",
    "confirmed",
    "refused 486",
    "refused 503",
    "silent",
    "reoffer x1",
    "reoffer",
    "update x1",
    "refreshed x1",
    "reoffer-answered x1",
    "reoffer-answered",
    "reoffer-refused 488",
    "digits 1",
    "info x",
    "bye",
    "ended 408 by-us",
];

/// What comes from elsewhere.
const INPUTS: &[&str] = &[
    "go b",
    "go x ; for-redirect",
    "refuse-redirect",
    "refuse 404 record",
    "challenge",
    "extended 90s last",
    "lengthened 90s last",
    "wait 3600s",
    "hangup",
    "hangup a",
    "hangup b",
    "silence a",
    "control lost",
];

fn led_to(script: &str) -> World {
    let mut world = World::new(1);
    for line in script.replace("TALKING", TALKING).lines() {
        play(&mut world, line, false);
    }
    world
}

fn row(script: &str, input: &str) -> String {
    let mut world = led_to(script);
    let texts = play(&mut world, input, false);
    let slot = world.slot;
    let next = world.calls.state_name(slot);
    format!("  {input:<22} {next:<36} {}", texts.join(" ; ")).trim_end().to_owned() + "\n"
}

#[test]
fn every_state_hears_every_event() {
    let mut table = String::new();
    for (name, script, leg) in STATES {
        table += &format!("{name}: {leg}\n");
        for event in EVENTS {
            table += &row(script, &format!("{leg}> {event}"));
        }
    }
    compare(&table, include_str!("events.txt"));
}

#[test]
fn every_state_hears_the_other_side() {
    let mut table = String::new();
    let mut named = "";
    for (name, script, _) in STATES {
        if *name != named {
            table += &format!("{name}\n");
            for input in INPUTS {
                table += &row(script, input);
            }
        }
        named = name;
    }
    compare(&table, include_str!("inputs.txt"));
}

#[track_caller]
fn compare(table: &str, snapshot: &str) {
    let wrong = table.lines().zip(snapshot.lines()).find(|(is, was)| is != was);
    assert!(table == snapshot, "first difference: {wrong:?}\nthe table is now:\n{table}");
}
