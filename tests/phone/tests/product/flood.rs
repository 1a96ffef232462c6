//! Floods and stalls: what strangers may take, what is refused when the product is late, and that
//! calls which are up do not notice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use strowger_phone::message::Message;
use strowger_phone::raw::Raw;
use strowger_phone::{EndedBy, flows};

use crate::demo::{Demo, Home, eventually};
use crate::talk::{SOON, Talk, desk};
use crate::{assert_tidy, tell};

/// Nobody of the product's lives here.
const STRANGER: [u8; 4] = [127, 0, 0, 66];
/// How much later than without a flood something may be.
const SLACK: Duration = Duration::from_millis(500);

/// INVITEs of a stranger until it is told to stop: so many at a time, each 20 milliseconds.
struct Flood {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    thread: JoinHandle<Vec<Message>>,
}

impl Flood {
    fn begin(demo: &Demo, at_a_time: u32) -> Flood {
        let raw = Raw::new(SocketAddr::from((STRANGER, 0)), demo.sip).unwrap();
        let from = raw.local().unwrap();
        let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (ends, counts) = (Arc::clone(&over), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let mut heard = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                for _ in 0..at_a_time {
                    let n = counts.fetch_add(1, Ordering::Relaxed);
                    raw.send(&invite(from, n)).unwrap();
                }
                heard.extend(raw.collect(Duration::from_millis(20)).unwrap());
            }
            heard.extend(raw.collect(Duration::from_millis(300)).unwrap());
            heard.iter().filter_map(|bytes| Message::parse(bytes).ok()).collect()
        });
        Flood { over, sent, thread }
    }

    /// What was answered, and how many were sent.
    fn end(self) -> (Vec<Message>, u32) {
        self.over.store(true, Ordering::Relaxed);
        let heard = self.thread.join().unwrap();
        (heard, self.sent.load(Ordering::Relaxed))
    }
}

fn invite(from: SocketAddr, n: u32) -> Vec<u8> {
    format!(
        "INVITE sip:1002@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};rport;branch=z9hG4bKfl{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@{from}>;tag=f{n}\r\nTo: <sip:1002@127.0.0.1>\r\n\
         Call-ID: flood-{n}@{from}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@{from}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Sets a call up, changes it twice and ends it; how long the set-up and each change took at most.
fn busy_call(demo: &Demo) -> (Duration, Duration) {
    let (ada, bob) = (desk(demo, flows::ALICE), desk(demo, flows::BOB));
    let began = Instant::now();
    let out = ada.invite("1002").unwrap();
    let inc = bob.wait_call(SOON).unwrap();
    inc.ring().unwrap();
    out.wait_ringing(SOON).unwrap();
    let set_up = began.elapsed();
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        let began = Instant::now();
        out.hold().unwrap();
        inc.wait_held(SOON).unwrap();
        out.resume().unwrap();
        longest = longest.max(began.elapsed() / 2);
    }
    let began = Instant::now();
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    (set_up, longest.max(began.elapsed()))
}

fn count(heard: &[Message], code: u16) -> u32 {
    let of = heard.iter().filter(|message| message.code() == Some(code));
    u32::try_from(of.count()).unwrap()
}

#[test]
fn a_flood_of_a_stranger_disturbs_nobody() {
    let home = Home::new();
    let limits = "overload.exempt = []\noverload.stranger_datagrams = 500\n\
                  overload.stranger_requests = 100\noverload.stranger_challenges = 20\n";
    let demo = Demo::start_with(&home, limits);
    let calm = busy_call(&demo);
    let flood = Flood::begin(&demo, 100);
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(300));
    let mut busy = (Duration::ZERO, Duration::ZERO);
    for _ in 0..4 {
        let (set_up, change) = busy_call(&demo);
        busy = (busy.0.max(set_up), busy.1.max(change));
        std::thread::sleep(Duration::from_millis(500));
    }
    let (heard, sent) = flood.end();
    let seconds = u32::try_from(began.elapsed().as_secs() + 1).unwrap();
    tell(&format!("{sent} INVITEs in {:?}: {calm:?} before, {busy:?} meanwhile", began.elapsed()));
    assert!(sent > 1_000, "{sent}");
    assert!(busy.0 < calm.0 + SLACK && busy.1 < calm.1 + SLACK, "{calm:?} {busy:?}");
    // Two seconds' worth at once, then the rate.
    let challenged = count(&heard, 401);
    assert!((20..=20 * (seconds + 2)).contains(&challenged), "{challenged} in {seconds} s");
    for counter in ["limited_datagrams", "limited_requests", "limited_challenges"] {
        eventually(counter, || (demo.rest.shard(counter) > 0).then_some(()));
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_late_product_refuses_new_calls_and_serves_those_that_are_up() {
    let home = Home::new();
    let tight = "overload.delay_ms = 1\noverload.interval_ms = 1\noverload.silence_ms = 60000\n";
    let demo = Demo::start_with(&home, tight);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    // No more than the socket holds: what the kernel drops, nobody can serve first.
    let flood = Flood::begin(&demo, 300);
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let began = Instant::now();
        talk.out.hold().unwrap();
        talk.inc.wait_held(SOON).unwrap();
        talk.out.resume().unwrap();
        longest = longest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    let (heard, sent) = flood.end();
    let (refused, challenged) = (count(&heard, 503), count(&heard, 401));
    tell(&format!(
        "{sent} INVITEs: {refused} refused, {challenged} challenged; hold and resume {longest:?}"
    ));
    assert!(refused > 0 && challenged > 0, "{refused} {challenged}");
    let after = heard.iter().filter(|message| message.code() == Some(503)).map(|refusal| {
        let seconds: u32 = refusal.header("Retry-After").unwrap().parse().unwrap();
        assert!((1..=3).contains(&seconds), "{refusal:?}");
    });
    assert_eq!(after.count(), usize::try_from(refused).unwrap());
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    demo.rest.fresh_counters();
    assert!(demo.rest.shard("shed_refused") >= u64::from(refused));
    assert_tidy(&demo);
    // Nobody has to wait for the end of anything.
    drop((ada, bob));
    busy_call(&demo);
    demo.stop();
}

/// The dataplane stands still for a moment: audio that waited is not sent late, and the call goes
/// on.
#[test]
fn audio_that_waited_is_dropped() {
    let home = Home::new();
    let demo = Demo::start_with(&home, "overload.media_late_ms = 50\n");
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let switchd = demo.planes().switchd;
    demo.signal("STOP", switchd);
    std::thread::sleep(Duration::from_millis(600));
    demo.signal("CONT", switchd);
    // 25 packets a side waited longer than 50 ms.
    eventually("late audio is counted", || (demo.rest.shard("media_late") >= 30).then_some(()));
    talk.heard_again(25, SOON);
    assert_eq!(demo.planes().switchd, switchd);
    assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_tidy(&demo);
    demo.stop();
}
