//! HOT PATH
//!
//! epoll(7), level-triggered but for media, connections and the shard's bell.

mod setup;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use crate::sys::check;

/// Most events one wait brings; the rest come with the next.
const EVENTS_MAX: usize = 256;
const KIND_SHIFT: u32 = 32;
const KIND_WAKER: u64 = 0;
const KIND_SIP: u64 = 1;
const KIND_MEDIA: u64 = 2;
const KIND_ACCEPT: u64 = 3;
const KIND_STREAM: u64 = 4;
const KIND_RING: u64 = 5;

/// What a descriptor is to us; travels through the kernel as a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ready {
    Waker,
    Sip(u8),
    Media(u32),
    /// A listener for connections, by its place.
    Accept(u8),
    /// A connection, by its place.
    Stream(u32),
    /// The bell of a ring of io_uring, which tells in memory what it has.
    Ring,
}

/// One descriptor is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) ready: Ready,
    events: u32,
}

impl Event {
    /// An error waits on it.
    pub(super) const fn error(self) -> bool {
        self.events & libc::EPOLLERR as u32 != 0
    }

    /// There is something to read, or an end to be read.
    pub(super) const fn readable(self) -> bool {
        self.events & (libc::EPOLLIN as u32) != 0 || self.ended()
    }

    /// It is a connection, and has room to write, has come up, or has failed.
    pub(super) const fn writable(self) -> bool {
        self.events & (libc::EPOLLOUT | libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0
    }

    /// It is a connection, and its peer sends no more, or it is broken.
    pub(super) const fn ended(self) -> bool {
        self.events & (libc::EPOLLRDHUP | libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0
    }
}

pub(super) struct Poller {
    epoll: OwnedFd,
    events: Box<[libc::epoll_event]>,
}

impl Poller {
    /// The descriptor leaves with its end, as long as there is no clone of it.
    ///
    /// Media is told once for what comes (edge-triggered), which spares the kernel to look at each
    /// socket again in the next wait: whoever is told reads until less comes than was asked for. So
    /// is the bell, once for each ring, which spares us to silence it.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, ready: Ready) -> io::Result<()> {
        let edge = match ready {
            Ready::Media(_) | Ready::Waker | Ready::Ring => libc::EPOLLET,
            Ready::Sip(_) | Ready::Accept(_) | Ready::Stream(_) => 0,
        };
        self.add_for((libc::EPOLLIN | edge) as u32, fd, ready)
    }

    /// As [`Poller::add`], for a connection: it is told once that there is something to read, room
    /// to write, or an end, and then not before that is new.
    pub(super) fn add_stream(&self, fd: BorrowedFd<'_>, ready: Ready) -> io::Result<()> {
        let events = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        self.add_for(events as u32, fd, ready)
    }

    fn add_for(&self, events: u32, fd: BorrowedFd<'_>, ready: Ready) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: ready.to_number() };
        self.control(libc::EPOLL_CTL_ADD, fd, &raw mut event)
    }

    /// One that lives on elsewhere is not told of any more.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut())
    }

    fn control(
        &self,
        operation: libc::c_int,
        fd: BorrowedFd<'_>,
        event: *mut libc::epoll_event,
    ) -> io::Result<()> {
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: `event` is null (for DEL) or points at one event of the caller's frame.
        // JUSTIFICATION: epoll is not in std.
        check(unsafe { libc::epoll_ctl(epoll, operation, fd.as_raw_fd(), event) })?;
        Ok(())
    }

    /// Sleeps at most `timeout_ns` nanoseconds until a descriptor is ready. A signal ends the
    /// sleep.
    pub(super) fn wait(&mut self, timeout_ns: u64) -> impl Iterator<Item = Event> + '_ {
        let seconds = libc::time_t::try_from(timeout_ns / 1_000_000_000);
        let timeout = libc::timespec {
            tv_sec: seconds.unwrap_or(libc::time_t::MAX),
            tv_nsec: (timeout_ns % 1_000_000_000) as libc::c_long,
        };
        // SAFETY: `events` has EVENTS_MAX elements to write, `timeout` lives through the call, the
        // signal mask is null (its size is then not looked at).
        // JUSTIFICATION: epoll is not in std; epoll_pwait2 (Linux 5.11) has no wrapper in libc and
        // counts nanoseconds where epoll_wait rounds to milliseconds.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS_MAX as libc::c_int,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        self.events.iter().take(count).filter_map(|event| {
            let (number, events) = (event.u64, event.events);
            Some(Event { ready: Ready::from_number(number)?, events })
        })
    }
}

impl Ready {
    fn to_number(self) -> u64 {
        match self {
            Ready::Waker => KIND_WAKER << KIND_SHIFT,
            Ready::Sip(listener) => KIND_SIP << KIND_SHIFT | u64::from(listener),
            Ready::Media(slot) => KIND_MEDIA << KIND_SHIFT | u64::from(slot),
            Ready::Accept(place) => KIND_ACCEPT << KIND_SHIFT | u64::from(place),
            Ready::Stream(place) => KIND_STREAM << KIND_SHIFT | u64::from(place),
            Ready::Ring => KIND_RING << KIND_SHIFT,
        }
    }

    fn from_number(number: u64) -> Option<Ready> {
        match number >> KIND_SHIFT {
            KIND_WAKER => Some(Ready::Waker),
            KIND_SIP => Some(Ready::Sip(number as u8)),
            KIND_MEDIA => Some(Ready::Media(number as u32)),
            KIND_ACCEPT => Some(Ready::Accept(number as u8)),
            KIND_STREAM => Some(Ready::Stream(number as u32)),
            KIND_RING => Some(Ready::Ring),
            _ => None,
        }
    }
}
