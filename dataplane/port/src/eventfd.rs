//! A bell between threads and processes: eventfd(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::sys::{check, wait_any_readable, wait_readable};

/// A bell: rung by anyone who holds it, heard by one waiter. Rings before the waiter listens are
/// kept, several become one.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A new bell, not rung.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn new() -> io::Result<EventFd> {
        // SAFETY: no pointers; the result is checked before use.
        // JUSTIFICATION: eventfd(2) is not in std.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        // JUSTIFICATION: the only way to an OwnedFd.
        Ok(EventFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The bell behind a descriptor another process sent.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> EventFd {
        EventFd(fd)
    }

    /// Another handle of the same bell.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn try_clone(&self) -> io::Result<EventFd> {
        Ok(EventFd(self.0.try_clone()?))
    }

    /// Rings. Never blocks: a counter that is full is rung already.
    pub fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: pointer and length are of `one`, which lives through the call.
        // JUSTIFICATION: write(2) on a bare descriptor without taking it into a File.
        // The result does not matter: EAGAIN means that the bell is rung.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Silences the bell; `true` = it was rung since the last time.
    pub fn drain(&self) -> bool {
        let mut count = [0u8; 8];
        // SAFETY: pointer and length are of `count`, which we may write.
        // JUSTIFICATION: as in `ring`.
        let got = unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        got == 8
    }

    /// Sleeps until rung, then silences the bell; `false` = the time is over. `None` = no limit.
    ///
    /// # Errors
    /// poll(2) failed.
    pub fn wait(&self, timeout_ms: Option<u32>) -> io::Result<bool> {
        Ok(wait_readable(self.as_fd(), timeout_ms)? && self.drain())
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<EventFd> for OwnedFd {
    fn from(bell: EventFd) -> OwnedFd {
        bell.0
    }
}

/// Most descriptors one [`wait_any_fd`] listens to.
pub const WAIT_ANY_MAX: usize = crate::sys::WAIT_ANY_MAX;

/// Waits until one of `fds` can be read or has hung up; `false` = the time is over, `None` = no
/// limit. Descriptors beyond [`WAIT_ANY_MAX`] are not listened to. Nothing is read.
///
/// # Errors
/// The system's.
pub fn wait_any_fd(fds: &[BorrowedFd<'_>], timeout_ms: Option<u32>) -> io::Result<bool> {
    wait_any_readable(fds.iter().copied(), timeout_ms)
}

#[cfg(test)]
mod tests {
    use super::EventFd;

    #[test]
    fn rings_are_kept_and_folded() {
        let bell = EventFd::new().unwrap();
        assert!(!bell.drain());
        assert!(!bell.wait(Some(1)).unwrap());
        let other = bell.try_clone().unwrap();
        other.ring();
        other.ring();
        assert!(bell.wait(None).unwrap());
        assert!(!bell.drain());
        std::thread::scope(|scope| {
            scope.spawn(|| other.ring());
            assert!(bell.wait(Some(10_000)).unwrap());
        });
    }
}
