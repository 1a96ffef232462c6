//! Several descriptors at a time, for threads beside the shard: [`Watcher`] for many that come and
//! go, poll(2), level-triggered; [`Bells`] for few that stay, epoll(7), edge-triggered.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

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

/// Most numbers of [`Bells`].
pub const BELLS_MAX: u8 = 32;

/// Waits for the same few bells again and again. Each ring is told once, so that nobody has to
/// silence a bell: a sleep costs one system call, whoever ends it.
#[derive(Debug)]
pub struct Bells(OwnedFd);

/// Which bells have rung.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Rung(u32);

impl Rung {
    /// Whether this one has.
    #[must_use]
    pub const fn has(self, number: u8) -> bool {
        number < BELLS_MAX && self.0 & (1 << number) != 0
    }

    /// Whether any has.
    #[must_use]
    pub const fn any(self) -> bool {
        self.0 != 0
    }
}

impl Bells {
    /// None to wait for yet.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn new() -> io::Result<Bells> {
        // SAFETY: no pointers; the result is checked before use.
        // JUSTIFICATION: epoll is not in std.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        // JUSTIFICATION: the only way to an OwnedFd.
        Ok(Bells(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Waits for this one, too, as long as this value lives: a bell, or a socket whose end is to be
    /// told. What it has to say already is told with the next wait.
    ///
    /// # Errors
    /// `InvalidInput`: a number from [`BELLS_MAX`] on. Else the system's error.
    pub fn add(&self, fd: BorrowedFd<'_>, number: u8) -> io::Result<()> {
        if number >= BELLS_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let events = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event { events, u64: number.into() };
        let (epoll, fd) = (self.0.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: `event` is of this frame and lives through the call.
        // JUSTIFICATION: epoll is not in std.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) })?;
        Ok(())
    }

    /// Sleeps until one of them has rung since it was told last, at most `timeout_ms`.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, timeout_ms: u32) -> io::Result<Rung> {
        let timeout = libc::c_int::try_from(timeout_ms).unwrap_or(libc::c_int::MAX);
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BELLS_MAX as usize];
        let count = retry(|| {
            // SAFETY: pointer and count are of `events`, which lives through the call.
            // JUSTIFICATION: epoll is not in std.
            check(unsafe {
                libc::epoll_wait(
                    self.0.as_raw_fd(),
                    events.as_mut_ptr(),
                    libc::c_int::from(BELLS_MAX),
                    timeout,
                )
            })
        })?;
        let count = usize::try_from(count).unwrap_or(0);
        let numbers = events.iter().take(count).map(|event| event.u64);
        Ok(Rung(numbers.fold(0, |rung, number| rung | 1 << (number % u64::from(BELLS_MAX)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventfd::EventFd;
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

    #[test]
    fn each_ring_is_told_once_though_nobody_silences_the_bell() {
        let (bells, [one, two]) =
            (Bells::new().unwrap(), [(); 2].map(|()| EventFd::new().unwrap()));
        let (end, peer) = UnixStream::pair().unwrap();
        one.ring();
        for (number, fd) in (0..).zip([one.as_fd(), two.as_fd(), end.as_fd()]) {
            bells.add(fd, number).unwrap();
        }
        assert!(bells.add(one.as_fd(), BELLS_MAX).is_err());
        let wait = || {
            let rung = bells.wait(0).unwrap();
            [0, 1, 2].map(|number| rung.has(number))
        };
        assert_eq!(wait(), [true, false, false], "it had rung before");
        assert_eq!(wait(), [false; 3]);
        assert!(!bells.wait(1).unwrap().any());
        one.ring();
        two.ring();
        two.ring();
        assert_eq!(wait(), [true, true, false]);
        assert_eq!(wait(), [false; 3]);
        std::thread::scope(|scope| {
            scope.spawn(|| two.ring());
            assert!(bells.wait(10_000).unwrap().has(1));
        });
        drop(peer);
        assert_eq!(wait(), [false, false, true], "an end");
    }
}
