use super::*;

const SOON: Duration = Duration::from_secs(10);

/// Two ends that call each other without a product between them.
fn pair(packets_per_s: u32) -> Fleet {
    let seat = |user: &str| Seat {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        user: user.to_owned(),
        password: String::new(),
    };
    let fleet = Fleet::new(Config {
        server: SocketAddr::from(([127, 0, 0, 1], 9)),
        near: seat("near"),
        far: seat("far"),
        dial: Dial::Numbered("44".to_owned()),
        packets_per_s,
        t1: Duration::from_millis(100),
    })
    .unwrap();
    for side in Side::BOTH {
        let other = fleet.addr(side.other());
        fleet.lock().desk(side).server = other;
    }
    fleet
}

fn ends(fleet: &Fleet, number: u32) -> (Option<End>, Option<End>) {
    let view = fleet.view(number).unwrap();
    (view.near.end, view.far.and_then(|far| far.end))
}

#[test]
fn many_calls_talk_and_end_by_either_side() {
    let fleet = pair(50);
    let order = |at: u32| {
        let ender = if at.is_multiple_of(2) { Side::Near } else { Side::Far };
        Order::lasting(Duration::from_millis(400 + u64::from(at) * 5), ender)
    };
    let numbers = fleet.calls(40, 400, order);
    let views = fleet.wait_all(&numbers, "over", SOON, CallView::is_over).unwrap();
    for view in &views {
        let far = view.far.as_ref().unwrap();
        assert!(view.ended_well(), "{}", fleet.tell(&[view]));
        assert_eq!(view.near.end == Some(End::LocalBye), view.number.is_multiple_of(2));
        let asked = 400 + u64::from(view.number) * 5;
        let (least, most) = view.talk_ms().unwrap();
        assert!(least >= asked - 20 && most < asked + 300, "{least} to {most}, not {asked}");
        for (leg, other) in [(&view.near, far), (far, &view.near)] {
            assert!(leg.sound.received >= 10, "{leg:#?}");
            assert!(leg.sound.received + 3 >= other.sound.sent, "{leg:#?}");
        }
    }
    let summary = fleet.summary();
    assert_eq!((summary.calls, summary.answered, summary.over), (40, 40, 40));
    assert_eq!((summary.lost, summary.behind, summary.foreign, summary.strange), (0, 0, 0, 0));
    assert!(summary.gap_max >= Duration::from_millis(15), "{summary:?}");
    assert_eq!(summary.ends["Near LocalBye"], 20);
}

#[test]
fn a_call_is_held_taken_back_cancelled_and_refused() {
    let fleet = pair(50);
    let held = fleet.call(Order::TALK, Duration::ZERO);
    let (cancelled, refused) =
        (fleet.call(Order::RING, Duration::ZERO), fleet.call(Order::RING, Duration::ZERO));
    fleet.wait_all(&[held], "talking", SOON, CallView::talks).unwrap();
    for (side, wish, answer) in [
        (Side::Near, Direction::SendOnly, Direction::RecvOnly),
        (Side::Near, Direction::SendRecv, Direction::SendRecv),
        (Side::Far, Direction::Inactive, Direction::Inactive),
        (Side::Far, Direction::SendRecv, Direction::SendRecv),
    ] {
        fleet.change(held, side, wish);
        let done = |view: &CallView| {
            let (own, other) = (view.leg(side).unwrap(), view.leg(side.other()).unwrap());
            (own.change, own.hears) == (Change::Done(200), Some(answer))
                && other.hears == Some(wish)
        };
        let before = fleet.wait_all(&[held], "changed", SOON, done).unwrap().remove(0);
        std::thread::sleep(Duration::from_millis(150));
        let after = fleet.view(held).unwrap();
        for (side, hears) in [(side, answer.sends()), (side.other(), wish.sends())] {
            let heard = |view: &CallView| view.leg(side).unwrap().sound.received;
            // One packet may have been on its way.
            assert_eq!(heard(&after) > heard(&before) + 1, hears, "{side:?} {wish:?}");
        }
    }
    let rings = |view: &CallView| view.far.as_ref().is_some_and(|far| far.phase == Phase::Ringing);
    fleet.wait_all(&[cancelled, refused], "ringing", SOON, rings).unwrap();
    fleet.hang_up(cancelled, Side::Near);
    fleet.hang_up(refused, Side::Far);
    fleet.hang_up(held, Side::Far);
    let all = [held, cancelled, refused];
    fleet.wait_all(&all, "over", SOON, CallView::is_over).unwrap();
    assert_eq!(ends(&fleet, held), (Some(End::RemoteBye), Some(End::LocalBye)));
    assert_eq!(ends(&fleet, cancelled), (Some(End::LocalCancel), Some(End::RemoteCancel)));
    let end = End::Refused { code: 480, retry_after_s: None };
    assert_eq!(ends(&fleet, refused), (Some(end), Some(end)));
    assert_eq!(fleet.summary().lost, 0);
}

#[test]
fn silence_loss_and_strangers_are_noticed() {
    let fleet = pair(50);
    let numbers = fleet.calls(2, 100, |_| Order::TALK);
    fleet.wait_all(&numbers, "talking", SOON, CallView::talks).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let leg = |side, call| {
        let of = |leg: &leg::Leg| leg.side == side && leg.call == Some(call);
        fleet.lock().legs.iter().position(of).unwrap()
    };
    let (first, second, sender) = (leg(Side::Near, 0), leg(Side::Near, 1), leg(Side::Far, 1));
    let local = |at: usize| fleet.lock().legs[at].sound.local();
    let (own, theirs) = (local(first), local(second));
    // The other call's address: its audio comes here, where it is foreign.
    let swapped = |to: SocketAddr| fleet.lock().legs[sender].sound.set(to, true, true);
    swapped(own);
    std::thread::sleep(Duration::from_millis(300));
    swapped(theirs);
    std::thread::sleep(Duration::from_millis(200));
    let views = fleet.views();
    assert!(views[0].near.sound.foreign >= 5, "{views:#?}");
    let silent = views[1].near.sound;
    assert!(silent.lost >= 5, "{silent:?}");
    assert!(silent.gap_max >= Duration::from_millis(200), "{silent:?}");
    assert!(views[1].far.as_ref().unwrap().sound.strange > 0, "{views:#?}");
    fleet.forget_gaps();
    std::thread::sleep(Duration::from_millis(100));
    assert!(fleet.summary().gap_max < Duration::from_millis(100), "{:?}", fleet.summary());
}

#[test]
fn who_is_not_answered_ends_by_itself() {
    let fleet = pair(10);
    let nowhere = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    fleet.lock().desk(Side::Near).server = nowhere.local_addr().unwrap();
    let number = fleet.call(Order::TALK, Duration::ZERO);
    assert!(fleet.register(Side::Near, 60, Duration::from_millis(50)).is_err());
    let limit = Duration::from_secs(9);
    let views = fleet.wait_all(&[number], "over", limit, CallView::is_over).unwrap();
    assert_eq!(views[0].near.end, Some(End::Silent));
    let error = fleet.wait_all(&[number], "talking", Duration::ZERO, CallView::talks).unwrap_err();
    assert!(error.contains("1 of 1 calls not talking") && error.contains("> INVITE"), "{error}");
}
