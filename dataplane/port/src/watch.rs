//! Many descriptors at a time, for threads beside the shard: poll(2), level-triggered.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::sys::{check, retry};

/// Most descriptors of a [`Watcher`]'s wait.
pub const WATCHED_MAX: usize = 2_048;

/// Waits for descriptors. It keeps its memory between two waits.
#[derive(Debug, Default)]
pub struct Watcher {
    polls: Vec<libc::pollfd>,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Interest {
    /// Something to read, or an end.
    pub read: bool,
    /// Room to write, or an end.
    pub write: bool,
}

impl Watcher {
    /// Begins another wait: nothing is waited for.
    pub fn clear(&mut self) {
        self.polls.clear();
    }

    /// Waits for this one, too. Its place in [`Watcher::seen`] is that of this call; without an
    /// interest nothing is told, an end neither. Beyond [`WATCHED_MAX`] it is passed over.
    ///
    /// The descriptor must stay open until the wait is over; one that is closed meanwhile is told
    /// as ready.
    pub fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) {
        if self.polls.len() >= WATCHED_MAX {
            return;
        }
        let read = if interest.read { libc::POLLIN } else { 0 };
        let events = read | if interest.write { libc::POLLOUT } else { 0 };
        // A negative one is passed over.
        let fd = if events == 0 { -1 } else { fd.as_raw_fd() };
        self.polls.push(libc::pollfd { fd, events, revents: 0 });
    }

    /// Sleeps until one of them is ready or the time is over; `None` = no limit.
    ///
    /// # Errors
    /// poll(2) failed.
    pub fn wait(&mut self, timeout_ms: Option<u32>) -> io::Result<()> {
        let timeout =
            timeout_ms.map_or(-1, |ms| libc::c_int::try_from(ms).unwrap_or(libc::c_int::MAX));
        let polls = &mut self.polls;
        retry(|| {
            let count = polls.len() as libc::nfds_t;
            // SAFETY: pointer and count are of the vector, which lives through the call; the kernel
            // writes `revents` of its elements only.
            // JUSTIFICATION: poll(2) is not in std.
            check(unsafe { libc::poll(polls.as_mut_ptr(), count, timeout) })
        })?;
        Ok(())
    }

    /// What was seen of the descriptor that was added as this one. An end or an error is both.
    #[must_use]
    pub fn seen(&self, index: usize) -> Interest {
        let seen = self.polls.get(index).map_or(0, |poll| poll.revents);
        let end = seen & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0;
        Interest { read: end || seen & libc::POLLIN != 0, write: end || seen & libc::POLLOUT != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn each_is_told_what_it_is_waited_for() {
        let (a, mut b) = UnixStream::pair().unwrap();
        let mut watcher = Watcher::default();
        let [read, write] =
            [Interest { read: true, write: false }, Interest { read: false, write: true }];
        let mut look = |timeout_ms| {
            watcher.clear();
            for interest in [Interest::default(), read, write] {
                watcher.add(a.as_fd(), interest);
            }
            watcher.wait(timeout_ms).unwrap();
            [0, 1, 2, 3].map(|index| watcher.seen(index))
        };
        let none = Interest::default();
        assert_eq!(look(Some(0)), [none, none, write, none]);
        b.write_all(b"x").unwrap();
        assert_eq!(look(None), [none, read, write, none]);
        drop(b);
        let both = Interest { read: true, write: true };
        assert_eq!(look(Some(10_000)), [none, both, both, none], "an end is both");
    }
}
