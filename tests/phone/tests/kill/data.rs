//! Kills of the dataplane, alone and with the control plane.

use std::time::{Duration, Instant};

use strowger_phone::fleet::{CallView, Change, End, Order, Phase, Side};
use strowger_phone::sdp::Direction;

use crate::books::Bounds;
use crate::demo::Planes;
use crate::rest::text;
use crate::site::{JITTER, PACE, RICH, SOON, Site, is_long, many, say};

/// Within this much audio is back after a kill: the promise, judged on a quiet machine with the
/// release build; a test build on a machine that builds at the same time gets more.
fn audio_back() -> Duration {
    Duration::from_millis(if is_long() { 500 } else { 2_000 })
}
/// Packets that are enough to say that audio is back.
const HEARD: u64 = 5;

/// Kills the dataplane and waits until another one has taken its place.
fn replace_data(site: &Site) -> Planes {
    let (before, killed) = (site.demo.planes(), Instant::now());
    site.demo.signal("KILL", before.switchd);
    site.demo.await_replaced(before.switchd);
    say(&format!("another dataplane was there after {:?}", killed.elapsed()));
    before
}

/// Waits until all hear each other again.
fn assert_heard_again(site: &Site, numbers: &[u32]) {
    let heard = |view: &CallView, side| view.leg(side).map_or(0, |leg| leg.sound.received);
    let before: Vec<CallView> = numbers.iter().filter_map(|n| site.fleet.view(*n)).collect();
    let again = |view: &CallView| {
        let old = before.iter().find(|old| old.number == view.number);
        let more = |side| old.is_some_and(|old| heard(view, side) >= heard(old, side) + HEARD);
        more(Side::Near) && more(Side::Far)
    };
    let waited = site.fleet.wait_all(numbers, "heard again", SOON, again);
    waited.unwrap_or_else(|why| panic!("{why}\n{}", site.demo.log()));
}

/// One side of each call holds it and takes it back; the other side is told both.
fn hold_and_resume(site: &Site, numbers: &[u32], side: Side) {
    for (wish, answer) in
        [(Direction::SendOnly, Direction::RecvOnly), (Direction::SendRecv, Direction::SendRecv)]
    {
        numbers.iter().for_each(|number| site.fleet.change(*number, side, wish));
        let told = |view: &CallView| {
            let (Some(own), Some(other)) = (view.leg(side), view.leg(side.other())) else {
                return false;
            };
            own.change == Change::Done(200)
                && own.hears == Some(answer)
                && other.hears == Some(wish)
        };
        let waited = site.fleet.wait_all(numbers, "held or taken back", SOON, told);
        waited.unwrap_or_else(|why| panic!("{side:?} {wish:?}: {why}\n{}", site.demo.log()));
    }
    assert_heard_again(site, numbers);
}

/// What a record may say of a call that the product may have ended: its record is then closed at
/// the last sign of life of the killed process, so at most what the phones can have talked.
fn talked(view: &CallView) -> Option<Bounds> {
    let far = view.far.as_ref()?;
    let (answered, _) = (far.answered?, view.near.answered?);
    if view.near.end != Some(End::RemoteBye) || far.end != Some(End::RemoteBye) {
        return view.talk_ms();
    }
    let ended = view.near.ended.max(far.ended)?;
    Some((0, u64::try_from(ended.duration_since(answered).as_millis()).ok()? + 1))
}

#[test]
fn calls_outlive_the_dataplane() {
    let site = Site::start(RICH);
    let numbers = site.fill(many());
    let (gone, rest) = numbers.split_at(10);
    let killed = Instant::now();
    site.demo.signal("KILL", site.demo.planes().switchd);
    // Some hang up while nobody is there.
    for (at, number) in gone.iter().enumerate() {
        site.fleet.hang_up(*number, if at % 2 == 0 { Side::Near } else { Side::Far });
    }
    assert_heard_again(&site, rest);
    say(&format!("all hear each other {:?} after the kill", killed.elapsed()));
    site.say("after the kill of the dataplane");
    // The packet before the kill came up to its pace earlier.
    site.assert_heard(rest, audio_back() + PACE, false);
    site.fleet.wait_all(gone, "over", SOON, CallView::is_over).unwrap();
    let (by_near, by_far) = rest.split_at(rest.len() / 2);
    hold_and_resume(&site, by_near, Side::Near);
    hold_and_resume(&site, by_far, Side::Far);
    // As before: the subscriber calls, and the books are right.
    let fresh = site.fleet.calls(10, 50, |_| Order::TALK);
    site.fleet.wait_all(&fresh, "talking", SOON, CallView::talks).unwrap();
    site.empty(&[rest, &fresh].concat());
    let records = site.books.assert_right(&site.demo.rest, &site.fleet, CallView::talk_ms);
    for cdr in records.values() {
        assert_eq!(text(cdr, "outcome.reason"), "normal", "{cdr:#}");
    }
    site.demo.stop();
}

#[test]
fn calls_in_set_up_end_for_both_sides_with_the_dataplane() {
    let site = Site::start(RICH);
    let established = site.fill(10);
    let ringing = site.fleet.calls(many() / 2, 100, |_| Order::RING);
    let rings = |view: &CallView| {
        let far = view.far.as_ref().is_some_and(|far| far.phase == Phase::Ringing);
        far && view.near.phase == Phase::Ringing
    };
    site.fleet.wait_all(&ringing, "ringing", SOON, rings).unwrap();
    replace_data(&site);
    let views = site.fleet.wait_all(&ringing, "over", SOON, CallView::is_over).unwrap();
    let bad: Vec<&CallView> = views
        .iter()
        .filter(|view| {
            let refused = matches!(view.near.end, Some(End::Refused { code: 503, .. }));
            let far = view.far.as_ref();
            let cancelled = far.is_some_and(|far| far.end == Some(End::RemoteCancel));
            !(refused && cancelled)
        })
        .collect();
    let count = bad.len();
    assert!(bad.is_empty(), "{count} calls\n{}\n{}", site.fleet.tell(&bad), site.demo.log());
    assert_heard_again(&site, &established);
    site.fleet.register(Side::Near, 60, SOON).unwrap();
    let fresh = site.fill(10);
    site.empty(&[established, fresh].concat());
    let records = site.books.assert_right(&site.demo.rest, &site.fleet, CallView::talk_ms);
    for view in &views {
        let cdr = records.get(&view.dialled).unwrap_or_else(|| panic!("no record of {view:#?}"));
        assert_eq!(text(cdr, "outcome.reason"), "process-lost", "{cdr:#}");
    }
    site.demo.stop();
}

/// Whether both phones are rid of a call, in one of the ways in which a call may end.
fn ended_for_both(view: &CallView) -> bool {
    let near = matches!(
        view.near.end,
        Some(End::LocalBye | End::RemoteBye | End::Refused { code: 503 | 500 | 480, .. })
    );
    let far = view.far.as_ref().is_none_or(|far| {
        matches!(far.end, Some(End::LocalBye | End::RemoteBye | End::RemoteCancel))
    });
    near && far
}

#[test]
fn calls_that_come_and_go_while_the_dataplane_is_killed_end_for_both_sides() {
    let site = Site::start(RICH);
    let held = site.fill(20);
    let order = |at: u32| {
        let ender = if at.is_multiple_of(2) { Side::Near } else { Side::Far };
        let ring = Duration::from_millis(u64::from(at % 5) * 40);
        let order = Order::lasting(Duration::from_millis(200 + u64::from(at % 20) * 100), ender);
        Order { answer_after: Some(ring), ..order }
    };
    let passing = site.fleet.calls(many() * 3, 50, order);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(900));
        replace_data(&site);
    }
    // A phone whose 200 nobody wants gives up after 32 s; nobody should have to.
    let limit = Duration::from_secs(u64::from(many() * 3 / 50) + 20);
    let waited = site.fleet.wait_all(&passing, "over", limit, CallView::is_over);
    let views = waited.unwrap_or_else(|why| panic!("{why}\n{}", site.demo.log()));
    site.say("three kills of the dataplane");
    let bad: Vec<&CallView> = views.iter().filter(|view| !ended_for_both(view)).collect();
    let count = bad.len();
    assert!(bad.is_empty(), "{count} calls\n{}\n{}", site.fleet.tell(&bad), site.demo.log());
    let ended_well = views.iter().filter(|view| view.ended_well()).count();
    assert!(ended_well > views.len() / 2, "only {ended_well} of {} calls", views.len());
    assert_heard_again(&site, &held);
    site.empty(&held);
    site.books.assert_right(&site.demo.rest, &site.fleet, talked);
    site.demo.stop();
}

#[test]
fn calls_outlive_both_planes() {
    let site = Site::start(RICH);
    let numbers = site.fill(many());
    let before = site.demo.planes();
    let killed = Instant::now();
    site.demo.signal("KILL", before.switchd);
    site.demo.signal("KILL", before.controld);
    assert_heard_again(&site, &numbers);
    say(&format!("all hear each other {:?} after the kill of both", killed.elapsed()));
    site.demo.await_replaced(before.switchd);
    site.demo.await_replaced(before.controld);
    site.say("after the kill of both planes");
    site.assert_heard(&numbers, audio_back() + PACE + JITTER, false);
    hold_and_resume(&site, &numbers, Side::Near);
    hold_and_resume(&site, &numbers, Side::Far);
    let fresh = site.fill(10);
    site.empty(&[numbers, fresh].concat());
    site.books.assert_right(&site.demo.rest, &site.fleet, CallView::talk_ms);
    site.demo.stop();
}
