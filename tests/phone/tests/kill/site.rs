//! A product with room for hundreds of paid calls, and the fleet that fills it.

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use strowger_phone::fleet::{CallView, Config, Dial, Fleet, Order, Seat, Side};
use strowger_phone::flows::ALICE;

use crate::books::Books;
use crate::demo::{Demo, Home};

/// Limit of everything that should happen at once, on a machine that does other things too.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Time between two packets of one direction.
pub(crate) const PACE: Duration = Duration::from_millis(40);
/// The longest silence that is not a gap: packets that wait for a busy machine.
pub(crate) const JITTER: Duration = Duration::from_millis(250);
/// Calls begun in a second.
const PER_S: u32 = 50;
/// Prefix of the numbers that the demo's carrier takes.
const PREFIX: &str = "44";

/// Credit for hundreds of leases at a time, and a trunk without a limit of calls.
pub(crate) const RICH: &str = "UPDATE transfers SET amount = 10000000000000; \
     UPDATE money_requests SET amount = 10000000000000; \
     UPDATE trunks SET egress = json_set(egress, '$.calls_max', 0);";

/// Asked for the long tail.
pub(crate) fn is_long() -> bool {
    std::env::var_os("STROWGER_TEST_LONG").is_some()
}

/// Calls at a time.
pub(crate) fn many() -> u32 {
    if is_long() { 500 } else { 100 }
}

pub(crate) struct Site {
    pub(crate) fleet: Fleet,
    pub(crate) books: Books,
    pub(crate) demo: Demo,
    pub(crate) home: Home,
    _turn: MutexGuard<'static, ()>,
}

impl Site {
    /// Starts a demo whose rows were changed by `sql` before its second start.
    pub(crate) fn start(sql: &str) -> Site {
        let turn = turn();
        let home = Home::new();
        Demo::start(&home).stop();
        let carrier = free_port();
        let targets = format!("json_set(egress, '$.targets', json_array('{carrier}'))");
        // A fleet calls as many numbers as one who seeks them.
        let guard =
            "INSERT INTO settings (category, name, value) VALUES ('guard', 'scan_max', '0');";
        sqlite(&home, &format!("UPDATE trunks SET egress = {targets}; {guard} {sql}"));
        let demo = Demo::start(&home);
        let seat = |bind, (user, password): (&str, &str)| Seat {
            bind,
            user: user.to_owned(),
            password: password.to_owned(),
        };
        let fleet = Fleet::new(Config {
            server: demo.sip,
            near: seat(([127, 0, 0, 1], 0).into(), ALICE),
            far: seat(carrier, ("carrier", "")),
            dial: Dial::Numbered(PREFIX.to_owned()),
            packets_per_s: u32::try_from(1_000 / PACE.as_millis()).unwrap(),
            t1: Duration::from_millis(500),
        });
        let fleet = fleet.unwrap();
        let books = Books::open(&demo.rest);
        Site { fleet, books, demo, home, _turn: turn }
    }

    /// Begins `count` calls that talk until they are told to end, and waits until they do.
    pub(crate) fn fill(&self, count: u32) -> Vec<u32> {
        let numbers = self.fleet.calls(count, PER_S, |_| Order::TALK);
        let limit = Duration::from_secs(u64::from(count / PER_S)) + SOON;
        self.fleet.wait_all(&numbers, "talking", limit, CallView::talks).unwrap();
        // Audio for a while, so that a gap has two ends.
        std::thread::sleep(Duration::from_millis(300));
        self.fleet.forget_gaps();
        numbers
    }

    /// Ends calls, by either side in turn, and waits until both phones are done with them.
    pub(crate) fn empty(&self, numbers: &[u32]) -> Vec<CallView> {
        for (at, number) in numbers.iter().enumerate() {
            let side = if at % 2 == 0 { Side::Near } else { Side::Far };
            self.fleet.hang_up(*number, side);
        }
        let views = self.fleet.wait_all(numbers, "over", SOON, CallView::is_over).unwrap();
        let bad: Vec<&CallView> = views.iter().filter(|view| !view.ended_well()).collect();
        assert!(bad.is_empty(), "{} calls ended badly\n{}", bad.len(), self.fleet.tell(&bad));
        views
    }

    /// No call had a silence longer than `most`, lost a packet when none may be, or heard another.
    pub(crate) fn assert_heard(&self, numbers: &[u32], most: Duration, lossless: bool) {
        let views: Vec<CallView> = numbers.iter().filter_map(|n| self.fleet.view(*n)).collect();
        let bad: Vec<&CallView> = views
            .iter()
            .filter(|view| {
                Side::BOTH.into_iter().filter_map(|side| view.leg(side)).any(|leg| {
                    let sound = &leg.sound;
                    let mixed = sound.foreign + sound.strange + sound.behind > 0;
                    let silent = sound.received == 0 || sound.gap_max > most;
                    mixed || silent || (lossless && sound.lost > 0)
                })
            })
            .collect();
        let count = bad.len();
        assert!(
            bad.is_empty(),
            "audio of {count} calls, at most {most:?}\n{}\n{}",
            self.fleet.tell(&bad),
            self.demo.log()
        );
    }

    /// Says what was measured, for people.
    pub(crate) fn say(&self, what: &str) {
        say(&format!("{what}: {}", self.fleet.summary().to_json()));
    }
}

/// One test at a time: they share two cores with what they measure.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An address for the carrier that nobody uses, unlike the demo's own, which is everybody's.
fn free_port() -> SocketAddr {
    UdpSocket::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).unwrap()
}

/// A line that a person who runs the test sees.
pub(crate) fn say(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Waits until `look` is true or `limit` has passed; how long it took.
pub(crate) fn timed(limit: Duration, mut look: impl FnMut() -> bool) -> Option<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if look() {
            return Some(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Runs SQL on the product's database.
pub(crate) fn sqlite(home: &Home, sql: &str) {
    let output = Command::new("sqlite3").arg(database(home)).arg(sql).output();
    let output = output.expect("sqlite3 is needed: scripts/test installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{sql}: {said}");
}

/// Keeps everybody else from writing into the product's database, until it is dropped.
pub(crate) struct Locked {
    holder: Child,
}

impl Locked {
    pub(crate) fn new(home: &Home) -> Locked {
        let mut command = Command::new("sqlite3");
        command.arg("-bail").arg(database(home)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().unwrap();
        let begin = b".timeout 5000\nBEGIN IMMEDIATE;\nSELECT 'locked';\n";
        holder.stdin.as_mut().unwrap().write_all(begin).unwrap();
        let mut said = [0; 6];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(&said, b"locked");
        Locked { holder }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // The end of its input ends it, and with it the transaction, in which nothing was written.
        drop(self.holder.stdin.take());
        self.holder.wait().unwrap();
    }
}

fn database(home: &Home) -> std::path::PathBuf {
    home.join("data").join("strowger.db")
}
