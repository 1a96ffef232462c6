//! The far end of a trunk: answers INVITEs at a fixed address by a script for each called number,
//! and keeps what it saw.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::call::IncomingCall;
use crate::failure::{EndedBy, Failure};
use crate::limits::{CALLS_MAX, POLL};
use crate::media::Pattern;
use crate::message::{Message, address_uri, uri_user};
use crate::phone::{Config, Phone};
use crate::rtp::tally::MediaReport;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Ring, answer, send all audio back.
    Answer {
        /// Time between 180 and 200.
        ring_for: Duration,
        /// Ring with 183 and send audio of our own before the answer.
        early_media: bool,
        /// Send BYE so long after the answer; `None`: let the other side end.
        hang_up_after: Option<Duration>,
    },
    /// Refuse with a code.
    Refuse {
        /// 300 to 699.
        code: u16,
        /// Time of ringing before; zero: no 180.
        ring_for: Duration,
    },
    /// Ring until the other side gives up.
    NoAnswer,
    /// Say nothing at all, as a dead host.
    Silent,
}

impl Script {
    /// Ring shortly, answer, echo.
    #[must_use]
    pub fn echo() -> Self {
        Self::delayed(Duration::from_millis(100))
    }

    /// Ring so long, answer, echo.
    #[must_use]
    pub fn delayed(ring_for: Duration) -> Self {
        Self::Answer { ring_for, early_media: false, hang_up_after: None }
    }

    /// 183 with audio for a while, then answer and echo.
    #[must_use]
    pub fn early_media(ring_for: Duration) -> Self {
        Self::Answer { ring_for, early_media: true, hang_up_after: None }
    }

    /// Refuse at once.
    #[must_use]
    pub fn refuse(code: u16) -> Self {
        Self::Refuse { code, ring_for: Duration::ZERO }
    }

    /// 486 at once.
    #[must_use]
    pub fn busy() -> Self {
        Self::refuse(486)
    }
}

/// One call as the carrier saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The INVITE as it came.
    pub invite: Message,
    /// How it ended; `None` while it lives.
    pub ended: Option<EndedBy>,
    /// What its media counted, once it has ended.
    pub media: Option<MediaReport>,
    /// A step of the script that failed, with the ladder.
    pub failure: Option<String>,
}

impl Seen {
    /// Called number: user of the Request-URI.
    #[must_use]
    pub fn number(&self) -> &str {
        uri_user(self.invite.uri())
    }

    /// Calling number: user of From.
    #[must_use]
    pub fn from(&self) -> &str {
        uri_user(address_uri(self.invite.header("From").unwrap_or_default()))
    }

    /// User of To.
    #[must_use]
    pub fn to(&self) -> &str {
        uri_user(address_uri(self.invite.header("To").unwrap_or_default()))
    }

    /// User of P-Asserted-Identity (RFC 3325), if there is one.
    #[must_use]
    pub fn asserted(&self) -> Option<&str> {
        self.invite.header("P-Asserted-Identity").map(|value| uri_user(address_uri(value)))
    }
}

/// A running carrier; it ends its calls when it is dropped.
#[derive(Debug)]
pub struct Carrier {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    phone: Phone,
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    scripts: BTreeMap<String, Script>,
    otherwise: Script,
    seen: Vec<Seen>,
}

impl Carrier {
    /// Binds `bind` and answers every number with [`Script::echo`] until told otherwise. Its own
    /// calls (see [`Carrier::phone`]) go to `server`.
    ///
    /// # Errors
    /// From the operating system.
    pub fn new(bind: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let config = Config { bind, trying: false, ..Config::new("carrier", "", server) };
        Self::with(config)
    }

    /// As [`Carrier::new`], with all settings of its phone.
    ///
    /// # Errors
    /// From the operating system.
    pub fn with(config: Config) -> io::Result<Self> {
        let scripts = BTreeMap::new();
        let state = State { scripts, otherwise: Script::echo(), seen: Vec::new() };
        let shared = Arc::new(Shared {
            phone: Phone::new(config)?,
            stop: AtomicBool::new(false),
            state: Mutex::new(state),
        });
        let run = Arc::clone(&shared);
        Ok(Self { shared, thread: Some(std::thread::spawn(move || run.run())) })
    }

    /// Own address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.shared.phone.addr()
    }

    /// The phone behind it: for calls from the carrier, and for its ladder.
    #[must_use]
    pub fn phone(&self) -> &Phone {
        &self.shared.phone
    }

    /// Sets what happens to calls to `number` (user of the Request-URI).
    pub fn script(&self, number: &str, script: Script) {
        self.shared.lock().scripts.insert(number.to_owned(), script);
    }

    /// Sets what happens to all other calls.
    pub fn otherwise(&self, script: Script) {
        self.shared.lock().otherwise = script;
    }

    /// All calls so far, in the order of their arrival.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Waits until `count` calls have come and ended.
    ///
    /// # Errors
    /// With what was seen instead.
    pub fn wait_ended(&self, count: usize, limit: Duration) -> Result<Vec<Seen>, String> {
        let deadline = Instant::now() + limit;
        loop {
            let seen = self.seen();
            if seen.iter().filter(|s| s.media.is_some()).count() >= count {
                return Ok(seen);
            }
            if Instant::now() >= deadline {
                let list: Vec<_> = seen.iter().map(|s| (s.number().to_owned(), s.ended)).collect();
                let ladder = self.phone().ladder();
                return Err(format!("waited for {count} ended calls, saw {list:?}\n{ladder}"));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn run(self: Arc<Self>) {
        let mut servers: Vec<JoinHandle<()>> = Vec::new();
        while !self.stopped() {
            servers.retain(|thread| !thread.is_finished());
            let Ok(call) = self.phone.wait_call(POLL * 4) else { continue };
            let Some((at, script)) = self.note(&call) else { continue };
            let shared = Arc::clone(&self);
            servers.push(std::thread::spawn(move || shared.serve(at, &call, script)));
        }
        for thread in servers {
            let _ = thread.join();
        }
    }

    fn note(&self, call: &IncomingCall) -> Option<(usize, Script)> {
        let mut state = self.lock();
        if state.seen.len() >= CALLS_MAX {
            return None;
        }
        let seen = Seen { invite: call.request(), ended: None, media: None, failure: None };
        let script = state.scripts.get(seen.number()).copied().unwrap_or(state.otherwise);
        state.seen.push(seen);
        Some((state.seen.len() - 1, script))
    }

    fn serve(&self, at: usize, call: &IncomingCall, script: Script) {
        // A call that the other side ended during a step of the script has not failed.
        let played = self.play(call, script).err().filter(|_| call.ended().is_none());
        while call.ended().is_none() && !self.stopped() && played.is_none() {
            // Only time passes here: the end is looked at above.
            let _ = call.wait_end(POLL * 4);
        }
        let mut state = self.lock();
        if let Some(seen) = state.seen.get_mut(at) {
            seen.ended = call.ended();
            seen.media = Some(call.media_report());
            seen.failure = played.map(|failure| failure.to_string());
        }
    }

    fn play(&self, call: &IncomingCall, script: Script) -> Result<(), Failure> {
        match script {
            Script::Silent => Ok(()),
            Script::NoAnswer => {
                call.trying();
                call.ring()
            }
            Script::Refuse { code, ring_for } => {
                call.trying();
                if !ring_for.is_zero() {
                    call.ring()?;
                    self.pass(call, ring_for);
                }
                call.reject(code)
            }
            Script::Answer { ring_for, early_media, hang_up_after } => {
                call.trying();
                if early_media {
                    call.early_media()?;
                    call.start_sending(u64::MAX, Pattern::Marked)?;
                } else {
                    call.ring()?;
                }
                self.pass(call, ring_for);
                call.set_echo(true);
                if early_media {
                    call.start_sending(0, Pattern::Marked)?;
                }
                call.answer()?;
                if let Some(after) = hang_up_after {
                    self.pass(call, after);
                    call.bye()?;
                }
                Ok(())
            }
        }
    }

    /// Lets time pass, but not longer than the call or the carrier lives.
    fn pass(&self, call: &IncomingCall, time: Duration) {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline && !self.stopped() && call.ended().is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            // Only time passes here: the end is looked at above.
            let _ = call.wait_end(left.min(POLL * 4));
        }
    }
}
