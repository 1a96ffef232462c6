//! Transfers by REFER, blind and attended, as phones do them, and words by MESSAGE in a call.

use std::time::Duration;

use strowger_phone::call::Call;
use strowger_phone::message::Message;
use strowger_phone::rtp::tally::MediaReport;
use strowger_phone::{EndedBy, IncomingCall, Pattern, Phone, flows};

use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{anywhere, new_cleo};
use crate::talk::{SOON, Talk, desk};

/// Packets of a proof of audio.
const AUDIO: u64 = 25;

/// Both hear the other, whatever they heard before.
pub(crate) fn hear_each_other(one: &Call, other: &Call) {
    for (side, far) in [(one, other), (other, one)] {
        let stream = far.media_report().own_stream;
        let received = |r: &MediaReport| r.stream(stream).map_or(0, |s| s.received);
        let goal = received(&side.media_report()) + AUDIO;
        let report = side.wait_media(SOON, "audio", |r| received(r) >= goal).unwrap();
        assert_eq!(report.corrupt, 0, "{report:?}");
    }
}

/// The status lines that NOTIFYs of a call told.
fn told(call: &Call) -> Vec<String> {
    let notify = |request: &Message| {
        assert_eq!(request.header("Event"), Some("refer"));
        String::from_utf8_lossy(&request.body).trim().to_owned()
    };
    call.requests().iter().filter(|r| r.method() == "NOTIFY").map(notify).collect()
}

fn refer(call: &Call, to: &str) -> Result<Option<u16>, Option<u16>> {
    let headers = [("Refer-To", to), ("Referred-By", "<sip:1001@127.0.0.1>")];
    match call.request_inside_with("REFER", &headers, None) {
        Ok(response) => Ok(response.code()),
        Err(failure) => Err(failure.code()),
    }
}

/// Whoever has both calls has their other sides joined, and is hung up in both.
pub(crate) fn join_calls(first: &Call, second: &Call) {
    let escaped = second.sip_call_id().replace('@', "%40");
    let (to, from) = (second.remote_tag().unwrap(), second.own_tag());
    let replaces = format!("{escaped}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}");
    let target = format!("<sip:1003@127.0.0.1?Replaces={replaces}>");
    assert_eq!(refer(first, &target), Ok(Some(202)));
    assert_eq!(first.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(second.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
}

/// `from` puts its other side through to `number`, whose `phone` answers and speaks.
fn put_through(from: &Call, number: &str, phone: &Phone) -> IncomingCall {
    assert_eq!(refer(from, &format!("<sip:{number}@127.0.0.1>")), Ok(Some(202)));
    let call = phone.wait_call(SOON).unwrap();
    call.answer().unwrap();
    assert_eq!(from.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    call.start_sending(u64::MAX, Pattern::Marked).unwrap();
    call
}

/// What both sides of each of two running calls have carried, by now.
fn carried(demo: &Demo) -> Option<Vec<u64>> {
    let calls = demo.rest.list("/api/v1/calls");
    let both = calls.iter().flat_map(|call| {
        ["/caller_media/received", "/called_media/received"]
            .map(|side| call.pointer(side).and_then(serde_json::Value::as_u64))
    });
    both.collect::<Option<Vec<u64>>>().filter(|all| all.len() == 4)
}

/// Each of the two calls has one of the parties, and hears the other one in the place of who left.
fn both_calls_tell_how_they_sound(demo: &Demo) {
    let before = eventually("both calls tell how they sound", || carried(demo));
    eventually("both sides of both calls carry more", || {
        let now = carried(demo)?;
        now.iter().zip(&before).all(|(now, before)| *now >= before + 50).then_some(())
    });
}

#[test]
fn a_blind_transfer_joins_the_other_two_under_two_records() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let (_, cleo) = new_cleo(&demo);
    let talk = Talk::new(&ada, "1002", &bob);
    talk.out.hold().unwrap();
    talk.inc.wait_held(SOON).unwrap();
    assert_eq!(refer(&talk.out, "<sip:1003@127.0.0.1>"), Ok(Some(202)));
    let third = cleo.wait_call(SOON).unwrap();
    third.ring().unwrap();
    let rings = || told(&talk.out).iter().any(|line| line == "SIP/2.0 180 Ringing");
    eventually("the asker hears that it rings", || rings().then_some(()));
    third.answer().unwrap();
    assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(told(&talk.out), ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]);
    third.start_sending(u64::MAX, Pattern::Marked).unwrap();
    hear_each_other(&talk.inc, &third);
    both_calls_tell_how_they_sound(&demo);
    // Hold and INFO pass between the two as in any call.
    third.hold().unwrap();
    talk.inc.wait_held(SOON).unwrap();
    third.resume().unwrap();
    hear_each_other(&talk.inc, &third);
    talk.inc.request_inside("INFO", Some(("text/plain", b"hello"))).unwrap();
    let heard = || third.requests().iter().any(|r| r.method() == "INFO");
    eventually("INFO comes through both calls", || heard().then_some(()));
    assert_eq!(third.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // The asker pays for both: what it dialled, and where it put the other through.
    let cdrs = demo.rest.cdrs(2);
    let mut called: Vec<&str> = cdrs.iter().map(|cdr| text(cdr, "called.received")).collect();
    called.sort_unstable();
    assert_eq!(called, ["1002", "1003"]);
    for cdr in &cdrs {
        assert_eq!(text(cdr, "caller.number"), "1001", "{cdr:#}");
        assert_eq!(text(cdr, "customer.account"), "1", "{cdr:#}");
    }
    assert_eq!(demo.rest.shard("sip_misuse"), 0);
    demo.stop();
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let (_, cleo) = new_cleo(&demo);
    // Whom we called asks this time.
    let talk = Talk::new(&ada, "1002", &bob);
    assert_eq!(refer(&talk.inc, "<sip:9999@127.0.0.1>"), Err(Some(404)));
    assert_eq!(refer(&talk.inc, "<https://127.0.0.1/>"), Err(Some(416)));
    assert_eq!(refer(&talk.inc, "<sip:1003@127.0.0.1>"), Ok(Some(202)));
    cleo.wait_call(SOON).unwrap().reject(486).unwrap();
    let busy = || told(&talk.inc).last().is_some_and(|line| line == "SIP/2.0 486 Busy Here");
    eventually("the asker hears that it is busy", || busy().then_some(()));
    talk.heard(AUDIO);
    talk.held_by_both();
    // And then one that is answered: the caller talks on with another one.
    assert_eq!(refer(&talk.inc, "<sip:1003@127.0.0.1>"), Ok(Some(202)));
    let third = cleo.wait_call(SOON).unwrap();
    third.answer().unwrap();
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    third.start_sending(u64::MAX, Pattern::Marked).unwrap();
    hear_each_other(&talk.out, &third);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(third.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // The number that nobody has, the busy one, and the two that were answered.
    let cdrs = demo.rest.cdrs(4);
    let whole = cdrs.iter().find(|cdr| text(cdr, "called.received") == "1002").unwrap();
    // The caller pays to its end, not to that of whom it had called.
    let talk_ms = |cdr: &serde_json::Value| cdr["talk_ms"].as_u64().unwrap();
    let answered =
        |cdr: &&serde_json::Value| text(cdr, "called.received") == "1003" && talk_ms(cdr) > 0;
    let second = cdrs.iter().find(answered).unwrap();
    assert!(talk_ms(whole) > talk_ms(second) + 500, "{whole:#} {second:#}");
    assert_eq!(demo.rest.shard("sip_misuse"), 0);
    demo.stop();
}

#[test]
fn an_attended_transfer_joins_the_two_others() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let (_, cleo) = new_cleo(&demo);
    let talk = Talk::new(&ada, "1002", &bob);
    talk.out.hold().unwrap();
    let second = Talk::new(&ada, "1003", &cleo);
    join_calls(&talk.out, &second.out);
    hear_each_other(&talk.inc, &second.inc);
    assert_eq!(talk.inc.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(second.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(demo.rest.cdrs(2).len(), 2);
    assert_eq!(demo.rest.shard("sip_misuse"), 0);
    demo.stop();
}

#[test]
fn a_transferred_call_is_transferred_again_from_either_end() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let (_, cleo) = new_cleo(&demo);
    let talk = Talk::new(&ada, "1002", &bob);
    let third = put_through(&talk.out, "1003", &cleo);
    hear_each_other(&talk.inc, &third);
    // Who was put through to passes the call on, and then who was called in the beginning.
    let fourth = put_through(&third, "1001", &ada);
    hear_each_other(&talk.inc, &fourth);
    let fifth = put_through(&talk.inc, "1003", &cleo);
    hear_each_other(&fourth, &fifth);
    fourth.hold().unwrap();
    fifth.wait_held(SOON).unwrap();
    fourth.resume().unwrap();
    hear_each_other(&fourth, &fifth);
    assert_eq!(fifth.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(fourth.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // Each asker pays for where it put the others, each call to its end.
    let cdrs = demo.rest.cdrs(4);
    let mut calls: Vec<(&str, &str)> =
        cdrs.iter().map(|cdr| (text(cdr, "caller.number"), text(cdr, "called.received"))).collect();
    calls.sort_unstable();
    assert_eq!(calls, [("1001", "1002"), ("1001", "1003"), ("1002", "1003"), ("1003", "1001")]);
    let talk_ms = |of: (&str, &str)| {
        let is = |cdr: &&serde_json::Value| {
            (text(cdr, "caller.number"), text(cdr, "called.received")) == of
        };
        cdrs.iter().find(is).unwrap()["talk_ms"].as_u64().unwrap()
    };
    let longest = [("1001", "1002"), ("1001", "1003"), ("1003", "1001"), ("1002", "1003")];
    assert!(longest.map(talk_ms).is_sorted_by(|a, b| a > b), "{:?}", longest.map(talk_ms));
    assert_eq!(demo.rest.shard("sip_misuse"), 0);
    demo.stop();
}

/// A kill while a target rings ends that attempt alone. After it the parties talk on, each call
/// under its record, and are put through once more.
#[test]
fn a_transferred_call_outlives_the_dataplane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let (_, cleo) = new_cleo(&demo);
    let kill = || demo.replace(demo.planes().switchd);
    let talk = Talk::new(&ada, "1002", &bob);
    assert_eq!(refer(&talk.out, "<sip:1003@127.0.0.1>"), Ok(Some(202)));
    let rung = cleo.wait_call(SOON).unwrap();
    rung.ring().unwrap();
    kill();
    assert_eq!(rung.wait_end(2 * SOON).unwrap(), EndedBy::RemoteCancel);
    talk.heard_again(AUDIO, SOON);
    talk.held_by_both();
    let third = put_through(&talk.out, "1003", &cleo);
    hear_each_other(&talk.inc, &third);
    kill();
    hear_each_other(&talk.inc, &third);
    third.hold().unwrap();
    talk.inc.wait_held(SOON).unwrap();
    third.resume().unwrap();
    let fourth = put_through(&third, "1001", &ada);
    hear_each_other(&talk.inc, &fourth);
    kill();
    hear_each_other(&talk.inc, &fourth);
    let least = talk.lasted_at_least();
    assert_eq!(talk.inc.bye().unwrap(), EndedBy::LocalBye);
    let most = talk.lasted_at_most();
    assert_eq!(fourth.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    let cdrs = demo.rest.cdrs(4);
    let talked = |cdr: &&serde_json::Value| cdr["answered"].is_string();
    let mut called: Vec<&str> =
        cdrs.iter().filter(talked).map(|cdr| text(cdr, "called.received")).collect();
    called.sort_unstable();
    assert_eq!(called, ["1001", "1002", "1003"], "{cdrs:#?}");
    let whole = cdrs.iter().find(|cdr| text(cdr, "called.received") == "1002").unwrap();
    let talk_ms = whole["talk_ms"].as_u64().unwrap();
    assert!((least..=most).contains(&talk_ms), "{talk_ms} ms, not {least} to {most}");
    for cdr in cdrs.iter().filter(talked) {
        assert_eq!(text(cdr, "outcome.reason"), "normal", "{cdr:#}");
    }
    assert_eq!(demo.rest.shard("sip_misuse"), 0);
    demo.stop();
}

#[test]
fn a_word_in_a_call_reaches_the_other_side() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let word = Some(("text/plain", &b"Watson, come here"[..]));
    for (from, to) in [(&*talk.out, &*talk.inc), (&*talk.inc, &*talk.out)] {
        assert_eq!(from.request_inside("MESSAGE", word).unwrap().code(), Some(200));
        let heard = || to.requests().iter().any(|r| r.method() == "MESSAGE");
        eventually("the word is heard", || heard().then_some(()));
    }
    // What we do not take is said with what we do.
    let publish = talk.out.request_inside("PUBLISH", None).unwrap_err();
    assert_eq!(publish.code(), Some(405));
    assert_eq!(talk.out.request_inside("FROB", None).unwrap_err().code(), Some(501));
    let options = ada.request("OPTIONS", &format!("sip:{}", demo.sip), &[]).unwrap();
    assert_eq!(options.header("Allow-Events"), Some("refer"));
    assert!(options.header("Supported").unwrap().contains("replaces"));
    let subscribe = ada.request(
        "SUBSCRIBE",
        &format!("sip:1002@{}", demo.sip),
        &[("Event", "presence"), ("Contact", &format!("<sip:1001@{}>", anywhere()))],
    );
    assert_eq!(subscribe.unwrap_err().code(), Some(489));
    talk.heard(AUDIO);
    demo.stop();
}

#[test]
fn a_word_outside_calls_reaches_a_phone_that_is_registered() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let word = |number: &str| {
        ada.request("MESSAGE", &format!("sip:{number}@{}", demo.sip), &[("Subject", "hello")])
            .map(|response| response.code())
            .map_err(|failure| failure.code())
    };
    assert_eq!(word("1002"), Ok(Some(200)));
    assert!(bob.seen("MESSAGE") > 0, "{}", bob.ladder());
    assert_eq!(word("9999"), Err(Some(404)));
    // Carriers take no words.
    assert_eq!(word(flows::ABROAD), Err(Some(404)));
    bob.unregister().unwrap();
    assert_eq!(word("1002"), Err(Some(480)));
    let long = "x".repeat(1_300);
    let sent = ada.request("MESSAGE", &format!("sip:1002@{}", demo.sip), &[("Subject", &long)]);
    assert_eq!(sent.unwrap_err().code(), Some(413));
    assert_eq!(demo.rest.list("/api/v1/cdrs").len(), 0, "a word is no call");
    demo.stop();
}
