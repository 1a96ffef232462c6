//! The real product, started as a user starts it, seen by phones, a carrier, REST and the shell.
//!
//! Each test starts `strowger up --demo` from the workspace's build in a directory of its own and
//! ends it with SIGTERM; the ports are the next free ones, so several run at a time. Before it:
//! `cargo build --workspace`.

#![cfg(test)]

#[path = "product/demo.rs"]
mod demo;
#[path = "product/rest.rs"]
mod rest;
#[path = "product/rows.rs"]
mod rows;
#[path = "product/server.rs"]
mod server;
#[path = "product/talk.rs"]
mod talk;
#[path = "product/tls.rs"]
mod tls;
#[path = "product/wire.rs"]
mod wire;

#[path = "product/algorithm.rs"]
mod algorithm;
#[path = "product/alone.rs"]
mod alone;
#[path = "product/archive.rs"]
mod archive;
#[path = "product/backend.rs"]
mod backend;
#[path = "product/ban.rs"]
mod ban;
#[path = "product/block.rs"]
mod block;
#[path = "product/body.rs"]
mod body;
#[path = "product/bound.rs"]
mod bound;
#[path = "product/caps.rs"]
mod caps;
#[path = "product/carrier.rs"]
mod carrier;
#[path = "product/certificate.rs"]
mod certificate;
#[path = "product/choice.rs"]
mod choice;
#[path = "product/configure.rs"]
mod configure;
#[path = "product/crash.rs"]
mod crash;
#[path = "product/database.rs"]
mod database;
#[path = "product/deck.rs"]
mod deck;
#[path = "product/dialog.rs"]
mod dialog;
#[path = "product/direct.rs"]
mod direct;
#[path = "product/dtls.rs"]
mod dtls;
#[path = "product/elsewhere.rs"]
mod elsewhere;
#[path = "product/fact.rs"]
mod fact;
#[path = "product/family.rs"]
mod family;
#[path = "product/fax.rs"]
mod fax;
#[path = "product/first.rs"]
mod first;
#[path = "product/flood.rs"]
mod flood;
#[path = "product/group.rs"]
mod group;
#[path = "product/guest.rs"]
mod guest;
#[path = "product/header.rs"]
mod header;
#[path = "product/idle.rs"]
mod idle;
#[path = "product/keeper.rs"]
mod keeper;
#[path = "product/ladder.rs"]
mod ladder;
#[path = "product/line.rs"]
mod line;
#[path = "product/list.rs"]
mod list;
#[path = "product/live.rs"]
mod live;
#[path = "product/lookup.rs"]
mod lookup;
#[path = "product/mesh.rs"]
mod mesh;
#[path = "product/money.rs"]
mod money;
#[path = "product/name.rs"]
mod name;
#[path = "product/number.rs"]
mod number;
#[path = "product/open.rs"]
mod open;
#[path = "product/order.rs"]
mod order;
#[path = "product/owner.rs"]
mod owner;
#[path = "product/packet.rs"]
mod packet;
#[path = "product/path.rs"]
mod path;
#[path = "product/pickup.rs"]
mod pickup;
#[path = "product/port_443.rs"]
mod port_443;
#[path = "product/radius.rs"]
mod radius;
#[path = "product/redirect.rs"]
mod redirect;
#[path = "product/register.rs"]
mod register;
#[path = "product/registrar.rs"]
mod registrar;
#[path = "product/relayed.rs"]
mod relayed;
#[path = "product/rerate.rs"]
mod rerate;
#[path = "product/reroute.rs"]
mod reroute;
#[path = "product/reseller.rs"]
mod reseller;
#[path = "product/restore.rs"]
mod restore;
#[path = "product/rule.rs"]
mod rule;
#[path = "product/secure.rs"]
mod secure;
#[path = "product/settings.rs"]
mod settings;
#[path = "product/shared.rs"]
mod shared;
#[path = "product/sound.rs"]
mod sound;
#[path = "product/stand.rs"]
mod stand;
#[path = "product/standing.rs"]
mod standing;
#[path = "product/statistic.rs"]
mod statistic;
#[path = "product/stun.rs"]
mod stun;
#[path = "product/tariff.rs"]
mod tariff;
#[path = "product/tc.rs"]
mod tc;
#[path = "product/tls_call.rs"]
mod tls_call;
#[path = "product/torture.rs"]
mod torture;
#[path = "product/transfer.rs"]
mod transfer;
#[path = "product/uring.rs"]
mod uring;
#[path = "product/usage.rs"]
mod usage;
#[path = "product/who.rs"]
mod who;
#[path = "product/why.rs"]
mod why;
#[path = "product/xdp.rs"]
mod xdp;

use std::time::Duration;

use strowger_phone::EndedBy;
use strowger_phone::flows::{self, FLOWS, Site};

use demo::{CARRIER, Demo, Home, carrier_turn, eventually};
use rest::text;
use talk::{SOON, Talk, desk};

/// After how long the demo gives up an unanswered call.
const RING_TIMEOUT: Duration = Duration::from_secs(60);

fn site(demo: &Demo) -> Site {
    Site { server: demo.sip, ring_timeout: RING_TIMEOUT, carrier: CARRIER }
}

/// Says a figure beside the test that measured it.
#[expect(clippy::print_stdout, reason = "who runs it by hand reads the figure")]
fn tell(what: &str) {
    println!("{what}");
}

/// Nothing is left of calls that are over, and no bug was counted.
fn assert_tidy(demo: &Demo) {
    demo.rest.fresh_counters();
    for gauge in ["calls_in_use", "media_ports_in_use", "gauges_in_use"] {
        eventually(&format!("{gauge} is 0"), || (demo.rest.shard(gauge) == 0).then_some(()));
    }
    for bugs in ["sip_misuse", "frames_malformed", "table_full", "journal_full", "ring_full"] {
        assert_eq!(demo.rest.shard(bugs), 0, "{bugs}");
    }
    assert_eq!(demo.rest.metric("strowger_till_alarms_total"), 0);
    assert_eq!(demo.rest.list("/api/v1/calls").len(), 0);
}

#[test]
fn every_flow_passes() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let planes = demo.planes();
    let mut failed = Vec::new();
    for (name, flow) in FLOWS.into_iter().filter(|(name, _)| *name != "no_answer") {
        if let Err(why) = flow(&site(&demo)) {
            failed.push(format!("{name}: {why}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert_eq!(demo.planes(), planes, "a plane was started again\n{}", demo.log());
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn an_unanswered_call_is_given_up() {
    let home = Home::new();
    let demo = Demo::start(&home);
    flows::flow_no_answer(demo.sip, RING_TIMEOUT).unwrap();
    let cdrs = demo.rest.cdrs(1);
    assert_eq!(text(&cdrs[0], "outcome.reason"), "no-answer");
    let setup_ms = cdrs[0]["setup_ms"].as_u64().unwrap();
    assert!((60_000..61_000).contains(&setup_ms), "{setup_ms} ms of ringing");
    assert!(cdrs[0]["answered"].is_null());
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn what_runs_is_shown_and_an_operator_can_end_it() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let registered = demo.rest.list("/api/v1/registrations");
    let mut names: Vec<&str> = registered.iter().map(|row| text(row, "username")).collect();
    names.sort_unstable();
    assert_eq!(names, ["1001", "1002"]);
    let talk = Talk::new(&ada, "1002", &bob);
    let calls = demo.rest.list("/api/v1/calls");
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    for (field, shown) in [("state", "speaking"), ("caller", "1001"), ("called", "1002")] {
        assert_eq!(text(call, field), shown, "{call:#}");
    }
    assert!(call["answered"].is_string());
    assert_eq!(demo.rest.get("/api/v1/accounts/1")["calls"], 1);
    let one = format!("/api/v1/calls/{}", text(call, "id"));
    assert_eq!(text(&demo.rest.get(&one), "id"), text(call, "id"));
    assert_eq!(demo.rest.status("POST", &format!("{one}/hangup")), 202);
    assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    let cdrs = demo.rest.cdrs(1);
    assert_eq!(text(&cdrs[0], "outcome.reason"), "operator");
    assert_eq!(text(&cdrs[0], "call"), text(call, "id"));
    assert_eq!(demo.rest.status("POST", &format!("{one}/hangup")), 404);
    assert_eq!(demo.rest.status("GET", &one), 404);
    ada.unregister().unwrap();
    bob.unregister().unwrap();
    assert_eq!(demo.rest.list("/api/v1/registrations").len(), 0);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn rest_asks_for_the_token_and_health_does_not() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let lists = ["cdrs", "calls", "registrations", "subscribers", "trunks", "accounts"];
    for (token, status) in [("", 401), ("strowger", 401), (" ", 401)] {
        let stranger = demo.rest.with_token(token);
        for list in lists {
            assert_eq!(stranger.status("GET", &format!("/api/v1/{list}")), status, "{list}");
        }
        assert_eq!(stranger.status("POST", "/api/v1/calls/1/hangup"), status);
        for open in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(stranger.status("GET", open), 200, "{open}");
        }
    }
    let shown: Vec<usize> =
        lists.iter().map(|list| demo.rest.list(&format!("/api/v1/{list}")).len()).collect();
    assert_eq!(shown, [0, 0, 0, 2, 1, 3]);
    let subscribers = demo.rest.try_get("/api/v1/subscribers").unwrap().1;
    assert!(!subscribers.contains("ha1") && !subscribers.contains("demo1001"), "{subscribers}");
    assert_eq!(text(&demo.rest.list("/api/v1/trunks")[0], "name"), "demo-carrier");
    demo.stop();
}

#[test]
fn bad_input_is_counted_and_disturbs_nobody() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let planes = demo.planes();
    flows::flow_junk(demo.sip).unwrap();
    // Who was asked for credentials is counted by where it is.
    eventually("strangers are counted by source", || {
        let seen = demo.rest.list("/api/v1/statistics/strangers");
        let ours = seen.iter().filter(|row| row["source"] == "127.0.0.1");
        (ours.filter_map(|row| row["challenged"].as_u64()).sum::<u64>() > 0).then_some(())
    });
    eventually("junk is counted", || {
        let counted = demo.rest.shard("sip_malformed") > 150 && demo.rest.shard("sip_stray") > 3;
        counted.then_some(())
    });
    assert_eq!(demo.rest.shard("media_stranger"), 0);
    flows::flow_stranger_rtp(demo.sip).unwrap();
    // To each side 50 times: RTP that looks right, noise, a cut packet, an empty one.
    eventually("strangers are counted", || {
        let counted = demo.rest.shard("media_stranger") + demo.rest.shard("media_malformed");
        (counted == 400).then_some(())
    });
    assert_eq!(demo.planes(), planes, "a plane was started again\n{}", demo.log());
    assert_tidy(&demo);
    demo.stop();
}
