//! HOT PATH
//!
//! Whether sockets are silent though datagrams wait in them: a request that is lost, by whoever's
//! fault, must not silence a call for good.
//!
//! Some sockets are looked at, in turn. One that has a datagram, and of which nothing has come a
//! while later though it still has one, is silent.

use std::os::fd::BorrowedFd;

use strowger_link::{MS, Tick};

use crate::sys::wait_readable;

/// How often is looked, and how long a datagram may wait, nanoseconds.
pub(in crate::mmsg) const WATCH_NS: u64 = 20 * MS;
/// Most sockets that are looked at together.
pub(in crate::mmsg) const WATCHED_MAX: usize = 32;

/// A socket that is looked at.
#[derive(Clone, Copy, Default)]
pub(in crate::mmsg) struct Watched {
    /// Of its request.
    pub(in crate::mmsg) key: u64,
    /// How many datagrams have come of it.
    pub(in crate::mmsg) came: u32,
}

pub(in crate::mmsg) struct Watch {
    looked: Tick,
    /// Those that had a datagram when last looked at.
    waiting: [Watched; WATCHED_MAX],
    count: usize,
}

impl Watch {
    pub(in crate::mmsg) const fn new() -> Watch {
        Watch { looked: Tick(0), waiting: [Watched { key: 0, came: 0 }; WATCHED_MAX], count: 0 }
    }

    /// It is time to look.
    pub(in crate::mmsg) fn is_due(&mut self, now: Tick) -> bool {
        let is_due = now.ns_since(self.looked) >= WATCH_NS;
        if is_due {
            self.looked = now;
        }
        is_due
    }

    /// Those that had a datagram; they are forgotten.
    pub(in crate::mmsg) fn take(&mut self) -> impl Iterator<Item = Watched> + use<> {
        let count = std::mem::take(&mut self.count);
        self.waiting.into_iter().take(count)
    }

    /// Remembers those of these sockets that have a datagram.
    pub(in crate::mmsg) fn note<'a>(
        &mut self,
        sockets: impl Iterator<Item = (Watched, BorrowedFd<'a>)>,
    ) {
        for (watched, _) in sockets.take(WATCHED_MAX).filter(|(_, socket)| has_datagram(*socket)) {
            if let Some(place) = self.waiting.get_mut(self.count) {
                *place = watched;
                self.count += 1;
            }
        }
    }
}

/// Whether a datagram waits in a socket.
pub(in crate::mmsg) fn has_datagram(socket: BorrowedFd<'_>) -> bool {
    wait_readable(socket, Some(0)).unwrap_or(false)
}
