//! Kills of the control plane.

use std::time::{Duration, Instant};

use strowger_phone::fleet::{CallView, End, Order, Phase, Side};

use crate::demo::{Demo, eventually};
use crate::rest::{money, text};
use crate::site::{JITTER, Locked, PACE, RICH, SOON, Site, many, say, timed};

/// The longest that a caller waits for a word of the product: its limit for an ask, 3 s, and what
/// a busy machine adds.
const WORD_MAX: Duration = Duration::from_millis(3_800);
/// The longest of `Retry-After` (RFC 3261 20.33), design of calls 7.
const RETRY_AFTER_S_MAX: u32 = 3;

/// Kills the control plane and waits until another one takes calls; how long there was none.
fn replace_control(demo: &Demo) -> Duration {
    let (before, killed) = (demo.planes(), Instant::now());
    demo.signal("KILL", before.controld);
    demo.await_replaced(before.controld);
    let outage = killed.elapsed();
    assert_eq!(demo.planes().switchd, before.switchd, "the dataplane died too\n{}", demo.log());
    outage
}

/// Attempts made while there was no control plane: each had a word in time, and each is talking or
/// was told to come again. Those that talk.
fn assert_answered_or_turned_away(site: &Site, attempts: &[u32]) -> Vec<u32> {
    let decided = |view: &CallView| view.talks() || view.is_over();
    let views = site.fleet.wait_all(attempts, "decided", SOON, decided).unwrap();
    let mut talking = Vec::new();
    for view in &views {
        let told = || site.fleet.tell(&[view]);
        let word = view.near.answered.or(view.near.ended).zip(view.near.asked);
        let waited = word.map(|(word, asked)| word - asked).unwrap_or(Duration::MAX);
        assert!(waited <= WORD_MAX, "waited {waited:?} for a word\n{}", told());
        match view.near.end {
            None => talking.push(view.number),
            Some(End::Refused { code: 503, retry_after_s: Some(1..=RETRY_AFTER_S_MAX) }) => {
                assert!(view.far.is_none(), "refused, but the carrier was called\n{}", told());
            }
            Some(other) => panic!("{other:?}\n{}", told()),
        }
    }
    say(&format!("{} of {} attempts in the outage went through", talking.len(), attempts.len()));
    talking
}

#[test]
fn calls_outlive_the_control_plane() {
    let site = Site::start(RICH);
    let numbers = site.fill(many());
    let (early, rest) = numbers.split_at(numbers.len() / 2);
    let before = site.demo.planes();
    let killed = Instant::now();
    site.demo.signal("KILL", before.controld);
    // While there is none: a half ends, by either side, and others begin.
    let attempts = site.fleet.calls(20, 50, |_| Order::TALK);
    site.empty(early);
    site.demo.await_replaced(before.controld);
    say(&format!("the control plane was away for {:?}", killed.elapsed()));
    assert_eq!(site.demo.planes().switchd, before.switchd, "{}", site.demo.log());
    let talking = assert_answered_or_turned_away(&site, &attempts);
    site.assert_heard(rest, PACE + JITTER, true);
    site.say("after the kill");
    // As before: calls begin, talk and end.
    let fresh = site.fleet.calls(10, 50, |_| Order::TALK);
    site.fleet.wait_all(&fresh, "talking", SOON, CallView::talks).unwrap();
    site.empty(&[rest, &talking, &fresh].concat());
    let records = site.books.assert_right(&site.demo.rest, &site.fleet, CallView::talk_ms);
    // Not once more by a later look at the journal.
    let Site { fleet, books, demo, home, .. } = site;
    demo.stop();
    let demo = Demo::start(&home);
    assert_eq!(books.assert_right(&demo.rest, &fleet, CallView::talk_ms), records);
    demo.stop();
}

#[test]
fn callers_are_turned_away_in_time_while_the_control_plane_hangs() {
    let site = Site::start(RICH);
    let held = site.fill(20);
    let control = site.demo.planes().controld;
    site.demo.signal("STOP", control);
    let stat = format!("/proc/{control}/stat");
    eventually("it is stopped", || {
        std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
    });
    let attempts = site.fleet.calls(40, 100, |_| Order::TALK);
    let talking = assert_answered_or_turned_away(&site, &attempts);
    site.demo.signal("CONT", control);
    assert!(talking.is_empty(), "{talking:?} were answered by nobody");
    site.assert_heard(&held, PACE + JITTER, true);
    // Its answers come now, to callers who have left: nothing stays held, nothing is rung.
    let fresh = site.fill(20);
    site.empty(&[held, fresh].concat());
    site.books.assert_right(&site.demo.rest, &site.fleet, CallView::talk_ms);
    assert_eq!(site.demo.planes().controld, control, "{}", site.demo.log());
    site.demo.stop();
}

#[test]
fn calls_that_ended_uncommitted_are_charged() {
    let site = Site::start(RICH);
    let numbers = site.fill(many());
    let locked = Locked::new(&site.home);
    // A part ends well before the kill, a part in the moment of it.
    let (early, late) = numbers.split_at(numbers.len() / 2);
    site.empty(early);
    for number in late {
        site.fleet.hang_up(*number, Side::Near);
    }
    assert_eq!(site.demo.rest.list("/api/v1/cdrs").len(), 0, "some were committed");
    let before = site.demo.planes();
    site.demo.signal("KILL", before.controld);
    drop(locked);
    site.demo.await_replaced(before.controld);
    site.fleet.wait_all(late, "over", SOON, CallView::is_over).unwrap();
    site.books.assert_right(&site.demo.rest, &site.fleet, CallView::talk_ms);
    site.say("uncommitted");
    site.demo.stop();
}

/// Credit for ten seconds.
const POOR: &str = "UPDATE transfers SET amount = 1000000; \
     UPDATE money_requests SET amount = 1000000;";

#[test]
fn an_account_is_not_overspent_by_calls_that_were_not_committed() {
    let site = Site::start(POOR);
    let talk = |ms: u64| {
        // The call before it held all there was, until it was charged.
        eventually("nothing is held", || {
            let account = site.demo.rest.get("/api/v1/accounts/1");
            (money(&account["held"]) == 0 && account["calls"] == 0).then_some(())
        });
        let order = Order::lasting(Duration::from_millis(ms), Side::Near);
        let number = site.fleet.call(order, Duration::ZERO);
        site.fleet.wait_all(&[number], "over", SOON, CallView::is_over).unwrap().remove(0)
    };
    let locked = Locked::new(&site.home);
    // Three seconds and four: whatever the machine does, not less than three remain but for one.
    for ms in [2_500, 3_500] {
        let view = talk(ms);
        assert!(view.ended_well(), "{}", site.fleet.tell(&[&view]));
    }
    assert_eq!(site.demo.rest.list("/api/v1/cdrs").len(), 0, "they were committed");
    let before = site.demo.planes();
    site.demo.signal("KILL", before.controld);
    drop(locked);
    site.demo.await_replaced(before.controld);
    // The rest of the ten seconds is cut to the second, and then there is nothing left.
    let cut = talk(9_000);
    assert_eq!(cut.near.end, Some(End::RemoteBye), "{}", site.fleet.tell(&[&cut]));
    let (answered, ended) = (cut.near.answered.unwrap(), cut.near.ended.unwrap());
    let lasted = ended - answered;
    say(&format!("the call on the rest of the credit lasted {lasted:?}"));
    let last = talk(1_000);
    let told = site.fleet.tell(&[&last]);
    assert!(matches!(last.near.end, Some(End::Refused { .. })), "{told}");
    let bounds = |view: &CallView| match view.number {
        2 => Some((2_000, 4_000)),
        _ => view.talk_ms(),
    };
    let records = site.books.assert_right(&site.demo.rest, &site.fleet, bounds);
    let talk_ms = records[&cut.dialled]["talk_ms"].as_u64().unwrap();
    let seen = u64::try_from(lasted.as_millis()).unwrap();
    assert!(talk_ms.abs_diff(seen) < 300, "{talk_ms} ms recorded, {seen} ms seen");
    let account = site.demo.rest.get("/api/v1/accounts/1");
    assert!((0..100_000).contains(&money(&account["balance"])), "{account:#}");
    site.demo.stop();
}

#[test]
fn kills_of_the_control_plane_again_and_again_lose_nothing() {
    let site = Site::start(RICH);
    let held = site.fill(20);
    // Come and go by themselves, over all the kills and beyond.
    let per_s = if many() > 100 { 40 } else { 20 };
    let order = |at: u32| {
        let ender = if at.is_multiple_of(2) { Side::Near } else { Side::Far };
        Order::lasting(Duration::from_millis(300 + u64::from(at % 20) * 100), ender)
    };
    let passing = site.fleet.calls(per_s * 12, per_s, order);
    for _ in 0..5 {
        let outage = replace_control(&site.demo);
        say(&format!("the control plane was away for {outage:?}"));
        std::thread::sleep(Duration::from_millis(700));
    }
    let limit = Duration::from_secs(30);
    let views = site.fleet.wait_all(&passing, "over", limit, CallView::is_over).unwrap();
    let turned_away = views.iter().filter(|view| {
        matches!(view.near.end, Some(End::Refused { code: 503, retry_after_s: Some(_) }))
    });
    let ended_well = views.iter().filter(|view| view.ended_well()).count();
    let bad: Vec<&CallView> = views
        .iter()
        .filter(|view| !view.ended_well())
        .filter(|view| !matches!(view.near.end, Some(End::Refused { code: 503, .. })))
        .collect();
    say(&format!("{ended_well} calls ended well, {} were turned away", turned_away.count()));
    assert!(bad.is_empty(), "{} calls\n{}", bad.len(), site.fleet.tell(&bad));
    assert!(ended_well > views.len() / 4, "only {ended_well} of {} calls", views.len());
    site.assert_heard(&held, PACE + JITTER, true);
    site.empty(&held);
    site.books.assert_right(&site.demo.rest, &site.fleet, CallView::talk_ms);
    site.say("after five kills");
    site.demo.stop();
}

#[test]
fn calls_in_set_up_outlive_the_control_plane_or_end_for_both() {
    let site = Site::start(RICH);
    let ringing = site.fleet.calls(many() / 4, 100, |_| Order::RING);
    let rings = |view: &CallView| view.far.as_ref().is_some_and(|far| far.phase == Phase::Ringing);
    site.fleet.wait_all(&ringing, "ringing", SOON, rings).unwrap();
    let killed = Instant::now();
    // Others are asked for, rung and answered in the moment of the kill.
    let passing = site.fleet.calls(many() / 2, 200, |_| Order::TALK);
    std::thread::sleep(Duration::from_millis(100));
    let before = site.demo.planes();
    site.demo.signal("KILL", before.controld);
    ringing.iter().for_each(|number| site.fleet.answer(*number));
    let talking = site.fleet.wait_all(&ringing, "talking", SOON, CallView::talks).unwrap();
    assert!(talking.iter().all(|view| view.near.answered.is_some_and(|at| at > killed)));
    site.demo.await_replaced(before.controld);
    let through = assert_answered_or_turned_away(&site, &passing);
    site.empty(&[ringing, through].concat());
    let records = site.books.assert_right(&site.demo.rest, &site.fleet, CallView::talk_ms);
    assert!(records.values().all(|cdr| text(cdr, "outcome.reason") != "process-lost"));
    let idle = timed(SOON, || site.demo.rest.list("/api/v1/calls").is_empty());
    assert!(idle.is_some(), "calls are left");
    site.demo.stop();
}
