//! Hundreds of calls at a time from one thread: what a phone is to one call, a fleet is to many.
//!
//! A fleet has two ends. The *near* end is a subscriber who calls, the *far* end answers: the
//! carrier of a trunk, or another subscriber. Each end has one signalling socket for all its
//! dialogs, each leg has an RTP socket of its own, and one thread serves them all. Every packet of
//! audio says whose it is (see [`crate::rtp`]), so that for every call and direction the fleet
//! knows what came, what was lost, what belongs to another call, and how long it was silent. What a
//! call did is told as the phones saw it, with times, so that records can be checked against it.
//!
//! Numbers of [`Dial::Numbered`] carry the number of the call, which joins the two legs; with
//! [`Dial::Fixed`] the first packet of audio joins them.
//!
//! It never judges: start with [`Fleet::new`], [`Fleet::call`] and [`Fleet::wait_all`], and read
//! [`CallView`]. Requests go to the server alone: it keeps no route set (RFC 3261 12.1), and it has
//! no early media.

mod client;
mod core;
mod desk;
mod leg;
mod server;
mod sound;
mod summary;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use summary::Summary;
pub use view::{CallView, Change, End, LegView, Phase, SoundView};

use self::core::Core;
use crate::sdp::Direction;

/// How long the fleet's thread sleeps between two looks at its sockets: the grain of its times.
const LOOK: Duration = Duration::from_millis(3);
/// How often a waiting test looks.
const GLANCE: Duration = Duration::from_millis(20);
/// Calls that a failure tells of in full.
const TOLD_MAX: usize = 3;

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The caller's.
    Near,
    /// The called one's.
    Far,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Near, Self::Far];

    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }
}

/// Who an end is.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Own signalling address; port 0 for any. A real address, as it is told to the other side.
    pub bind: SocketAddr,
    /// User part of its address and digest user name.
    pub user: String,
    /// Digest password.
    pub password: String,
}

/// What is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dial {
    /// This prefix and six digits of the call's number.
    Numbered(String),
    /// Always this.
    Fixed(String),
}

/// What a fleet is.
#[derive(Debug, Clone)]
pub struct Config {
    /// SIP address of the product.
    pub server: SocketAddr,
    /// Who calls.
    pub near: Seat,
    /// Who answers.
    pub far: Seat,
    /// What the near end dials.
    pub dial: Dial,
    /// RTP packets a second and direction, 1 to 100.
    pub packets_per_s: u32,
    /// Timer T1 of RFC 3261.
    pub t1: Duration,
}

/// What a call is to do by itself.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// How long it rings; `None`: until it is told to answer.
    pub answer_after: Option<Duration>,
    /// How long it talks, by the clock of the side that ends it; `None`: until it is told to end.
    pub talk: Option<Duration>,
    /// Who ends it.
    pub ender: Side,
}

impl Order {
    /// Answered at once, ended by command.
    pub const TALK: Self =
        Self { answer_after: Some(Duration::ZERO), talk: None, ender: Side::Near };
    /// Rings for ever.
    pub const RING: Self = Self { answer_after: None, ..Self::TALK };

    /// Answered at once, ended by `ender` after `talk`.
    #[must_use]
    pub fn lasting(talk: Duration, ender: Side) -> Self {
        Self { talk: Some(talk), ender, ..Self::TALK }
    }
}

/// A running fleet. Its calls are ended, without waiting, when it is dropped.
pub struct Fleet {
    core: Arc<Mutex<Core>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Binds the signalling sockets and starts the thread.
    ///
    /// # Errors
    /// From the operating system.
    pub fn new(config: Config) -> io::Result<Self> {
        let core = Arc::new(Mutex::new(Core::new(config)?));
        let stop = Arc::new(AtomicBool::new(false));
        let (run, end) = (Arc::clone(&core), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::SeqCst) {
                lock(&run).look(Instant::now());
                std::thread::sleep(LOOK);
            }
        });
        Ok(Self { core, stop, thread: Some(thread) })
    }

    /// Signalling address of an end.
    #[must_use]
    pub fn addr(&self, side: Side) -> SocketAddr {
        self.lock().desk(side).local
    }

    /// Registers an end's contact for `expires_s` seconds, 0 to remove it.
    ///
    /// # Errors
    /// The final code, or that none came within `limit`.
    pub fn register(&self, side: Side, expires_s: u32, limit: Duration) -> Result<(), String> {
        self.lock().register(side, expires_s);
        let deadline = Instant::now() + limit;
        loop {
            match self.lock().desk(side).registered {
                Some(200) => return Ok(()),
                Some(code) => return Err(format!("REGISTER of {side:?}: {code}")),
                None if Instant::now() >= deadline => {
                    return Err(format!("REGISTER of {side:?}: no answer in {limit:?}"));
                }
                None => {}
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Begins a call after `after`; its number.
    pub fn call(&self, order: Order, after: Duration) -> u32 {
        self.lock().order(order, Instant::now() + after)
    }

    /// Begins `count` calls, `per_s` a second; their numbers.
    pub fn calls(&self, count: u32, per_s: u32, order: impl Fn(u32) -> Order) -> Vec<u32> {
        let step = Duration::from_secs(1) / per_s.max(1);
        (0..count).map(|at| self.call(order(at), step * at)).collect()
    }

    /// Answers a ringing call.
    pub fn answer(&self, number: u32) {
        self.lock().answer(number);
    }

    /// Ends a call from one side: BYE, or CANCEL by a caller who has no answer.
    pub fn hang_up(&self, number: u32, side: Side) {
        self.lock().hang_up(number, side);
    }

    /// Sends a re-INVITE that wishes this direction; [`LegView::change`] tells its result.
    pub fn change(&self, number: u32, side: Side, wish: Direction) {
        self.lock().change(number, side, wish);
    }

    /// Forgets the longest silences so far. A silence under way goes on to count from its start.
    pub fn forget_gaps(&self) {
        self.lock().forget_gaps();
    }

    /// All calls, in order of their numbers.
    #[must_use]
    pub fn views(&self) -> Vec<CallView> {
        self.lock().views(Instant::now())
    }

    /// One call.
    #[must_use]
    pub fn view(&self, number: u32) -> Option<CallView> {
        self.lock().view(number, Instant::now())
    }

    /// SIP messages of a call, both legs, with seconds since the fleet began.
    #[must_use]
    pub fn log(&self, number: u32) -> String {
        self.lock().log(number)
    }

    /// What all calls did, in figures.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(&self.views())
    }

    /// Waits until `check` is true of each of these calls, and returns them.
    ///
    /// # Errors
    /// When `limit` passed: what all calls do, and some of those that fail in full.
    pub fn wait_all(
        &self,
        numbers: &[u32],
        what: &str,
        limit: Duration,
        check: impl Fn(&CallView) -> bool,
    ) -> Result<Vec<CallView>, String> {
        let deadline = Instant::now() + limit;
        loop {
            let now = Instant::now();
            let views: Vec<CallView> =
                numbers.iter().filter_map(|number| self.lock().view(*number, now)).collect();
            let failing: Vec<&CallView> = views.iter().filter(|view| !check(view)).collect();
            if failing.is_empty() {
                return Ok(views);
            }
            if now >= deadline {
                let (some, all) = (failing.len(), views.len());
                let told = self.tell(&failing);
                return Err(format!("{some} of {all} calls not {what} in {limit:?}\n{told}"));
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// All that is known of some calls, for people: the first few in full.
    #[must_use]
    pub fn tell(&self, calls: &[&CallView]) -> String {
        let mut text = format!("all: {}\n", self.summary().to_json());
        for call in calls.iter().take(TOLD_MAX) {
            text.push_str(&format!("call {} to {}\n", call.number, call.dialled));
            for (side, leg) in Side::BOTH.iter().filter_map(|s| call.leg(*s).map(|leg| (s, leg))) {
                text.push_str(&format!("  {side:?} {}\n", leg.to_line()));
            }
            text.push_str(&self.log(call.number));
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.lock().abandon();
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
