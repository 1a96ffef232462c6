use super::*;
use crate::eventfd::EventFd;
use crate::net::{Lane, LinkError, PlaneLink};
use crate::shm::create_file;
use crate::testing::Scratch;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use strowger_link::table::{Reader, Setup, Table, words_needed};
use strowger_link::{AskId, RecordId, Tick};

const CONTRACT: u32 = 11;
const SMALL: RingSizes = RingSizes { down: 16, calls: 16, registrations: 16, bulk: 16 };

struct Bench {
    scratch: Scratch,
    uplink: Uplink,
    lanes: Vec<UplinkLane>,
    wakers: Vec<EventFd>,
}

fn bench(shards: usize) -> Bench {
    let scratch = Scratch::new("uplink");
    let config = config(&scratch);
    let wakers: Vec<EventFd> = (0..shards).map(|_| EventFd::new().unwrap()).collect();
    let clones = wakers.iter().map(|waker| waker.try_clone().unwrap()).collect();
    let (uplink, lanes) = Uplink::bind(config, clones, Vec::new()).unwrap();
    Bench { scratch, uplink, lanes, wakers }
}

fn config(scratch: &Scratch) -> UplinkConfig {
    let path = scratch.path().join("link.sock");
    UplinkConfig { path, contract: CONTRACT, node: 5, first_epoch: 40, rings: SMALL }
}

/// Both ends of one handshake.
fn connect(
    uplink: &mut Uplink,
    contract: u32,
) -> (io::Result<UplinkEvent>, Result<Downlink, ConnectError>) {
    let path = uplink.path().to_owned();
    thread::scope(|scope| {
        let client = scope.spawn(move || Downlink::connect(&path, contract));
        (uplink.wait(10_000), client.join().unwrap())
    })
}

fn session(uplink: &mut Uplink) -> Downlink {
    let (event, downlink) = connect(uplink, CONTRACT);
    assert!(matches!(event, Ok(UplinkEvent::Connected { .. })), "{event:?}");
    downlink.unwrap()
}

#[test]
fn frames_go_both_ways_in_their_lanes() {
    let mut bench = bench(2);
    assert_eq!(bench.lanes[1].session(), None);
    assert_eq!(bench.lanes[1].send(Lane::Calls, b"ask"), Err(LinkError::Down));
    let mut downlink = session(&mut bench.uplink);
    assert_eq!((downlink.epoch(), downlink.node(), bench.uplink.session()), (40, 5, Some(40)));
    assert!(bench.wakers.iter().all(EventFd::drain), "shards are told");
    let lane = &mut bench.lanes[1];
    assert_eq!(lane.session(), Some(40));
    lane.send(Lane::Bulk, b"log").unwrap();
    lane.send(Lane::Calls, b"ask").unwrap();
    lane.send(Lane::Registrations, b"register").unwrap();
    let end = &mut downlink.shards[1];
    assert_eq!(end.shard, 1);
    let mut frame = Vec::new();
    for (lane, expected) in [
        (&mut end.calls, b"ask".as_slice()),
        (&mut end.registrations, b"register"),
        (&mut end.bulk, b"log"),
    ] {
        assert_eq!(lane.recv(&mut frame), Ok(true));
        assert_eq!(frame, expected);
        assert_eq!(lane.recv(&mut frame), Ok(false));
    }
    end.down.send(b"answer").unwrap();
    assert_eq!(lane.recv(&mut frame), Ok(true));
    assert_eq!(frame, b"answer");
    assert_eq!(bench.lanes[0].recv(&mut frame), Ok(false), "the other shard's");
}

#[test]
fn sleepers_are_rung_and_a_full_lane_says_so() {
    let mut bench = bench(1);
    let mut downlink = session(&mut bench.uplink);
    let (lane, end) = (&mut bench.lanes[0], &mut downlink.shards[0]);
    assert!(lane.prepare_sleep() && end.calls.prepare_sleep());
    assert!(bench.wakers[0].drain(), "the session's ring");
    assert!(!end.calls.bell().drain());
    end.down.send(b"answer").unwrap();
    lane.send(Lane::Calls, b"ask").unwrap();
    assert!(!bench.wakers[0].drain() && !end.calls.bell().drain(), "rung when all is said");
    for _ in 0..2 {
        lane.ring();
        end.down.ring();
    }
    assert!(bench.wakers[0].drain() && end.calls.bell().drain());
    lane.ring();
    end.down.ring();
    assert!(!bench.wakers[0].drain() && !end.calls.bell().drain(), "once");
    lane.finish_sleep();
    end.calls.finish_sleep();
    assert!(!lane.prepare_sleep() && !end.calls.prepare_sleep(), "frames wait");
    lane.send(Lane::Calls, &[0; 13 * 8]).unwrap();
    assert_eq!(lane.send(Lane::Calls, b"more"), Err(LinkError::Full));
    assert_eq!(lane.send(Lane::Calls, &[0; 16 * 8]), Err(LinkError::TooLong));
    lane.send(Lane::Registrations, b"not behind it").unwrap();
    lane.ring();
    assert!(!end.calls.bell().drain(), "the reader is awake");
}

#[test]
fn what_is_in_no_hurry_wakes_nobody() {
    let mut bench = bench(1);
    let mut downlink = session(&mut bench.uplink);
    let (lane, end) = (&mut bench.lanes[0], &mut downlink.shards[0]);
    assert!(lane.prepare_sleep() && end.calls.prepare_sleep() && end.registrations.prepare_sleep());
    lane.leave(Lane::Calls, b"fact").unwrap();
    lane.ring();
    assert!(!end.calls.bell().drain());
    lane.send(Lane::Registrations, b"register").unwrap();
    lane.ring();
    assert!(end.calls.bell().drain(), "one bell for all lanes");
}

#[test]
fn the_end_of_either_side_ends_the_session() {
    let mut bench = bench(1);
    let downlink = session(&mut bench.uplink);
    bench.lanes[0].send(Lane::Calls, b"ask").unwrap();
    drop(downlink);
    assert_eq!(bench.lanes[0].session(), Some(40), "not noticed yet");
    let ended = UplinkEvent::Ended { epoch: 40, corrupt: false };
    assert_eq!(bench.uplink.wait(10_000).unwrap(), ended);
    assert_eq!(bench.lanes[0].session(), None);
    assert_eq!(bench.lanes[0].send(Lane::Calls, b"ask"), Err(LinkError::Down));
    let mut downlink = session(&mut bench.uplink);
    assert_eq!(bench.lanes[0].session(), Some(41));
    let mut frame = Vec::new();
    assert_eq!(downlink.shards[0].calls.recv(&mut frame), Ok(false), "fresh rings");
    bench.lanes[0].send(Lane::Calls, b"last words").unwrap();
    assert!(!downlink.has_ended());
    bench.uplink.end_session();
    assert!(downlink.has_ended());
    assert_eq!(downlink.shards[0].calls.recv(&mut frame), Ok(true), "still to be read");
    assert_eq!(frame, b"last words");
}

#[test]
fn other_versions_second_planes_and_strangers_are_refused() {
    let mut bench = bench(1);
    let (event, refused) = connect(&mut bench.uplink, CONTRACT + 1);
    assert_eq!(event.unwrap(), UplinkEvent::Refused);
    let expected = "the dataplane speaks link version 2 with frames of version 11";
    assert_eq!(refused.err().unwrap().to_string(), expected);
    let downlink = session(&mut bench.uplink);
    let (event, refused) = connect(&mut bench.uplink, CONTRACT);
    assert_eq!(event.unwrap(), UplinkEvent::Refused);
    assert!(matches!(refused, Err(ConnectError::Refused { why: Refusal::Busy, .. })));
    assert!(!downlink.has_ended());
    // Someone who connects and says nothing of the kind.
    drop(downlink);
    bench.uplink.wait(10_000).unwrap();
    drop(crate::seqpacket::SeqPacket::connect(bench.uplink.path()).unwrap());
    assert_eq!(bench.uplink.wait(10_000).unwrap(), UplinkEvent::Refused);
    session(&mut bench.uplink);
}

#[test]
fn the_socket_is_ours_alone_and_a_dead_one_is_replaced() {
    let bench = bench(1);
    let mode = std::fs::metadata(bench.uplink.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = || Uplink::bind(config(&bench.scratch), vec![EventFd::new().unwrap()], Vec::new());
    assert_eq!(again().err().unwrap().kind(), io::ErrorKind::AddrInUse);
    let Bench { scratch, uplink, .. } = bench;
    drop(uplink);
    let wakers = vec![EventFd::new().unwrap()];
    let (mut uplink, _lanes) = Uplink::bind(config(&scratch), wakers, Vec::new()).unwrap();
    session(&mut uplink);
}

#[test]
fn a_broken_ring_ends_the_session() {
    let mut bench = bench(2);
    let mut downlink = session(&mut bench.uplink);
    assert_eq!(bench.lanes[0].session(), Some(40));
    // The head of the down-ring, moved beyond what it may be.
    let words: &[AtomicU64] = downlink.shards[1].down.words();
    words[16].store(1 << 40, Ordering::Relaxed);
    let mut frame = Vec::new();
    assert_eq!(bench.lanes[1].recv(&mut frame), Err(LinkError::Down));
    assert_eq!(bench.lanes[0].session(), None, "for all shards");
    let ended = UplinkEvent::Ended { epoch: 40, corrupt: true };
    assert_eq!(bench.uplink.wait(10_000).unwrap(), ended);
    assert!(downlink.has_ended());
    downlink = session(&mut bench.uplink);
    downlink.shards[1].down.send(b"again").unwrap();
    assert_eq!(bench.lanes[1].recv(&mut frame), Ok(true));
}

#[test]
fn tables_come_with_the_session() {
    let scratch = Scratch::new("tables");
    let setup = Setup { seg: 4, node: 5, boot_id: 1, token_key: 2, slots: 2, chunks: 2 };
    let words = words_needed(2, 2).unwrap();
    let (file, mapping) = create_file(&scratch.path().join("table.4"), words).unwrap();
    let mut table = Table::create(&mapping, &setup, 1).unwrap();
    let waker = EventFd::new().unwrap();
    let (mut uplink, _lanes) =
        Uplink::bind(config(&scratch), vec![waker], vec![(4, file)]).unwrap();
    let mut downlink = session(&mut uplink);
    table.open(RecordId(7), AskId(8), b"charge", Tick(9)).unwrap();
    let (segment, memory) = downlink.tables.remove(0);
    let mut body = Vec::new();
    let head = Reader::attach(memory).unwrap().read(0, &mut body).unwrap().unwrap();
    assert_eq!((segment, head.record, head.ask), (4, RecordId(7), AskId(8)));
    assert_eq!(body, b"charge");
}

#[test]
fn other_bells_wake_too() {
    let mut bench = bench(1);
    let (bell, silent) = (EventFd::new().unwrap(), EventFd::new().unwrap());
    let beside = [silent.as_fd(), bell.as_fd()];
    bell.ring();
    assert_eq!(bench.uplink.wait_beside(&beside, None).unwrap(), UplinkEvent::Nothing);
    assert!(bell.drain());
    let early = crate::clock::monotonic();
    assert_eq!(bench.uplink.wait_beside(&beside, Some(20)).unwrap(), UplinkEvent::Nothing);
    assert!(crate::clock::monotonic().ms_since(early) >= 20);
}

#[test]
fn bounds_are_checked() {
    let scratch = Scratch::new("bounds");
    let bind = |config, count: usize| {
        let wakers = (0..count).map(|_| EventFd::new().unwrap()).collect();
        Uplink::bind(config, wakers, Vec::new()).err().map(|error| error.kind())
    };
    let invalid = Some(io::ErrorKind::InvalidInput);
    assert_eq!(bind(config(&scratch), 0), invalid);
    assert_eq!(bind(UplinkConfig { first_epoch: 0, ..config(&scratch) }, 1), invalid);
    for calls in [0, 4, 17, 1 << 31] {
        let rings = RingSizes { calls, ..SMALL };
        assert_eq!(bind(UplinkConfig { rings, ..config(&scratch) }, 1), invalid, "{calls}");
    }
}
