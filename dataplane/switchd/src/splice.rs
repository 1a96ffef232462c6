//! HTTP that came to a listener for WebSocket and is REST's: brought to the control plane, byte for
//! byte, by a thread of its own.
//!
//! TLS ends here, with the certificates of the listener; behind it the bytes go by a Unix socket
//! that only our own user may open, with a header in front that says whose they are (PROXY
//! protocol, version 2). Each side is read only while the other one takes what was read before, so
//! a peer that does not read holds some kilobytes and nobody up. Everything is bounded: guests,
//! guests of one source, bytes that wait, time without a byte.

mod guest;

use crate::complain;
use guest::{Spliced, Step};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use strowger_port::clock;
use strowger_port::eventfd::EventFd;
use strowger_port::pin::add_nice;
use strowger_port::watch::{Interest, Watcher};
use strowger_shard::{Guest, Guests};

/// Guests at a time.
const GUESTS_MAX: usize = 256;
/// Guests at a time of one address, so that one peer cannot have all places.
const PER_SOURCE_MAX: usize = 32;
/// Guests that wait for the thread.
const WAITING_MAX: usize = 64;
/// How long the thread sleeps at most while there are guests, milliseconds: their times run out.
const LOOK_MS: u32 = 1_000;
/// How much the thread gives way to the shard.
const NICE: i32 = 10;
/// Pause after a wait that failed, milliseconds.
const RETRY_MS: u32 = 100;

/// Starts the thread; what takes guests of these listeners to it.
///
/// # Errors
/// One line for a person: no thread, no descriptor.
pub(crate) fn start(listeners: Vec<u8>, socket: PathBuf) -> Result<Guests, String> {
    let bell = EventFd::new().map_err(|e| format!("eventfd: {e}"))?;
    let heard = bell.try_clone().map_err(|e| format!("eventfd: {e}"))?;
    let (door, waiting) = sync_channel(WAITING_MAX);
    let house = House { socket, waiting, bell: heard, guests: Vec::new(), is_complained: false };
    let thread = std::thread::Builder::new().name("splice".into()).spawn(move || house.run());
    thread.map_err(|e| format!("thread: {e}"))?;
    Ok(Guests { listeners, take: Box::new(move |guest| bring(&door, &bell, guest)) })
}

/// Never waits.
fn bring(door: &SyncSender<Guest>, bell: &EventFd, guest: Guest) -> Result<(), Box<Guest>> {
    match door.try_send(guest) {
        Ok(()) => {
            bell.ring();
            Ok(())
        }
        Err(TrySendError::Full(guest) | TrySendError::Disconnected(guest)) => Err(Box::new(guest)),
    }
}

/// The thread.
struct House {
    socket: PathBuf,
    waiting: Receiver<Guest>,
    bell: EventFd,
    guests: Vec<Spliced>,
    /// It was said that the control plane is away.
    is_complained: bool,
}

impl House {
    fn run(mut self) {
        // Calls go first, where there is one core for all.
        let _as_before = add_nice(NICE);
        let mut watcher = Watcher::default();
        loop {
            let timeout_ms = (!self.guests.is_empty()).then_some(LOOK_MS);
            watcher.clear();
            watcher.add(self.bell.as_fd(), Interest { read: true, write: false });
            for guest in &self.guests {
                let [peer, rest] = guest.interests();
                watcher.add(guest.peer_fd(), peer);
                watcher.add(guest.rest_fd(), rest);
            }
            if watcher.wait(timeout_ms).is_err() {
                let _time_over = self.bell.wait(Some(RETRY_MS));
            }
            self.bell.drain();
            let now = clock::monotonic();
            let mut index = 0;
            self.guests.retain_mut(|guest| {
                let seen = [watcher.seen(2 * index + 1), watcher.seen(2 * index + 2)];
                index += 1;
                guest.step(seen, now) == Step::On
            });
            while let Ok(guest) = self.waiting.try_recv() {
                self.admit(guest);
            }
        }
    }

    fn admit(&mut self, guest: Guest) {
        let now = clock::monotonic();
        let source = guest.peer.ip();
        let from = |ip: IpAddr| self.guests.iter().filter(|one| one.source() == ip).count();
        let crowded = self.guests.len() >= GUESTS_MAX || from(source) >= PER_SOURCE_MAX;
        let (mut guest, begun) = Spliced::begin(guest, &self.socket, crowded, now);
        match begun {
            Ok(()) => self.is_complained = false,
            Err(why) if !std::mem::replace(&mut self.is_complained, true) => {
                complain(&format!("{}: {why}; REST is not reached", self.socket.display()));
            }
            Err(_) => {}
        }
        // What it said first goes at once.
        let nothing = Interest::default();
        if guest.step([nothing, nothing], now) == Step::On {
            self.guests.push(guest);
        }
    }
}

const _: () = assert!(2 * GUESTS_MAX < strowger_port::watch::WATCHED_MAX);
