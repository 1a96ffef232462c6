//! kill -9 of either plane in the middle of pushing: the other sees the end of the session and a
//! whole prefix of the frames, and a new session can begin.
//!
//! The victims are this test's own binary, started again with a role in its environment.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod scene;

use std::path::Path;

use scene::{Scene, random_below, role};
use strowger_port::eventfd::EventFd;
use strowger_port::net::{Lane, LinkError, PlaneLink};
use strowger_port::uplink::{Downlink, RingSizes, Uplink, UplinkConfig, UplinkEvent, UplinkLane};

const CONTRACT: u32 = 1;
const KILLS: u32 = 12;

fn bind(directory: &Path, first_epoch: u32) -> (Uplink, UplinkLane) {
    let path = directory.join("link.sock");
    let rings = RingSizes { down: 1 << 12, calls: 1 << 12, registrations: 8, bulk: 8 };
    let config = UplinkConfig { path, contract: CONTRACT, node: 1, first_epoch, rings };
    let (uplink, mut lanes) =
        Uplink::bind(config, vec![EventFd::new().unwrap()], Vec::new()).unwrap();
    (uplink, lanes.remove(0))
}

fn connect(directory: &Path) -> Downlink {
    let pause = EventFd::new().unwrap();
    for _ in 0..2_000 {
        if let Ok(downlink) = Downlink::connect(&directory.join("link.sock"), CONTRACT) {
            return downlink;
        }
        pause.wait(Some(5)).unwrap();
    }
    panic!("the peer never listened");
}

/// Frame `n`: its number, then bytes and a length that follow from it.
fn frame_of(n: u64) -> Vec<u8> {
    let tail = (0..n % 700).map(|at| (at ^ n) as u8);
    n.to_le_bytes().into_iter().chain(tail).collect()
}

#[test]
fn child_switchd_pushes() {
    let Some(directory) = role("child_switchd_pushes") else { return };
    let (mut uplink, mut lane) = bind(&directory, 1);
    while uplink.session().is_none() {
        uplink.wait(10_000).unwrap();
    }
    let mut n = 0;
    loop {
        match lane.send(Lane::Calls, &frame_of(n)) {
            Ok(()) => {
                lane.ring();
                n += 1;
            }
            Err(LinkError::Full) => std::thread::yield_now(),
            Err(error @ (LinkError::Down | LinkError::TooLong)) => panic!("{error:?}"),
        }
    }
}

#[test]
fn child_controld_pushes() {
    let Some(directory) = role("child_controld_pushes") else { return };
    let mut downlink = connect(&directory);
    let mut n = 0;
    loop {
        match downlink.shards[0].down.send(&frame_of(n)) {
            Ok(()) => {
                downlink.shards[0].down.ring();
                n += 1;
            }
            Err(LinkError::Full) => std::thread::yield_now(),
            Err(error @ (LinkError::Down | LinkError::TooLong)) => panic!("{error:?}"),
        }
    }
}

#[test]
fn controld_sees_a_whole_prefix_when_switchd_is_killed() {
    let mut all = 0;
    for _ in 0..KILLS {
        let mut scene = Scene::new();
        scene.start("child_switchd_pushes");
        let mut downlink = connect(&scene.directory);
        let until = random_below(3_000);
        let (mut n, mut frame) = (0, Vec::new());
        while n < until {
            if downlink.shards[0].calls.recv(&mut frame).unwrap() {
                assert_eq!(frame, frame_of(n));
                n += 1;
            } else {
                scene.pause();
                downlink.shards[0].calls.wait(1_000).unwrap();
            }
        }
        assert!(!downlink.has_ended());
        scene.kill();
        assert!(downlink.has_ended());
        while downlink.shards[0].calls.recv(&mut frame).unwrap() {
            assert_eq!(frame, frame_of(n));
            n += 1;
        }
        all += n;
    }
    assert!(all > u64::from(KILLS) * 100, "{all} frames: too few to have been in the middle");
}

#[test]
fn switchd_sees_a_whole_prefix_when_controld_is_killed() {
    let mut scene = Scene::new();
    let (mut uplink, mut lane) = bind(&scene.directory, 1);
    let mut all = 0;
    for epoch in 1..=KILLS {
        scene.start("child_controld_pushes");
        while uplink.session().is_none() {
            uplink.wait(10_000).unwrap();
        }
        assert_eq!(lane.session(), Some(epoch));
        let until = random_below(3_000);
        let (mut n, mut frame) = (0, Vec::new());
        while n < until {
            if lane.recv(&mut frame).unwrap() {
                assert_eq!(frame, frame_of(n));
                n += 1;
            } else {
                scene.pause();
            }
        }
        scene.kill();
        // Before anyone has noticed: what was published is whole.
        while lane.recv(&mut frame).unwrap() {
            assert_eq!(frame, frame_of(n));
            n += 1;
        }
        all += n;
        assert_eq!(uplink.wait(10_000).unwrap(), UplinkEvent::Ended { epoch, corrupt: false });
        assert_eq!(lane.recv(&mut frame), Err(LinkError::Down));
    }
    assert!(all > u64::from(KILLS) * 100, "{all} frames: too few to have been in the middle");
}
