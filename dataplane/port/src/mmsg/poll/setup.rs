//! Making the poller: once, outside of the packet path.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::{EVENTS_MAX, Poller};
use crate::sys::check;

impl Poller {
    pub(in crate::mmsg) fn new() -> io::Result<Poller> {
        // SAFETY: no pointers; the result is checked before use.
        // JUSTIFICATION: epoll is not in std.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        // JUSTIFICATION: the only way to an OwnedFd.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX].into();
        Ok(Poller { epoll, events })
    }
}
