//! The wish to end: SIGTERM, SIGINT and SIGHUP as something to wait for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::sys::{check, wait_readable};

/// Takes SIGTERM, SIGINT and SIGHUP away from their default action; made once, in the first thread
/// and before any other is started (they inherit its signal mask).
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    hang_up: HangUp,
}

/// What SIGHUP means to a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HangUp {
    /// Its terminal is gone, so it is to end.
    Ends,
    /// What it read at its start is to be read again.
    Told,
    /// Nothing: it does not live for a terminal. The kernel sends it to stopped processes whose
    /// supervisor dies.
    Ignored,
}

/// A signal that asks the process to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGTERM: from a supervisor.
    Terminate,
    /// SIGINT: from a terminal.
    Interrupt,
    /// SIGHUP: the terminal is gone, or what was read at the start has changed. Not seen where it
    /// is ignored, as under nohup(1).
    HangUp,
}

impl Signals {
    /// Blocks these signals in this thread and those it starts, and listens for them.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn block(hang_up: HangUp) -> io::Result<Signals> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set it is given; the others get an initialised set
        // and valid signal numbers; the old mask is not wanted (null is allowed).
        // JUSTIFICATION: signal masks are not in std.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGHUP);
            let blocked =
                libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            if blocked != 0 {
                return Err(io::Error::from_raw_os_error(blocked));
            }
            let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
            let fd = check(libc::signalfd(-1, set.as_ptr(), flags))?;
            Ok(Signals { fd: OwnedFd::from_raw_fd(fd), hang_up })
        }
    }

    /// The next signal that came, if any.
    #[must_use]
    pub fn take(&self) -> Option<Signal> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `info` has `size` bytes to write. A signalfd_siginfo is integers only, so zeroed
        // or kernel-written bytes are a value of it.
        // JUSTIFICATION: reads a structure from a bare descriptor.
        let (got, info) = unsafe {
            let got = libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), size);
            (got, info.assume_init())
        };
        let whole = usize::try_from(got) == Ok(size);
        match libc::c_int::try_from(info.ssi_signo) {
            Ok(libc::SIGTERM) if whole => Some(Signal::Terminate),
            Ok(libc::SIGINT) if whole => Some(Signal::Interrupt),
            Ok(libc::SIGHUP) if whole && self.hang_up != HangUp::Ignored => Some(Signal::HangUp),
            Ok(_) | Err(_) => None,
        }
    }

    /// Sleeps until a signal comes; `None` = the time is over, or one came that is ignored.
    ///
    /// # Errors
    /// poll(2) failed.
    pub fn wait(&self, timeout_ms: Option<u32>) -> io::Result<Option<Signal>> {
        Ok(if wait_readable(self.as_fd(), timeout_ms)? { self.take() } else { None })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::{HangUp, Signal, Signals};

    #[test]
    fn signals_become_readable() {
        // In a thread of its own: the mask is the thread's, and so is the signal sent to it.
        std::thread::spawn(|| {
            let signals = Signals::block(HangUp::Ends).unwrap();
            assert_eq!(signals.take(), None);
            for (number, signal) in [
                (libc::SIGTERM, Signal::Terminate),
                (libc::SIGINT, Signal::Interrupt),
                (libc::SIGHUP, Signal::HangUp),
            ] {
                // SAFETY: a signal this thread has blocked, to this very thread.
                // JUSTIFICATION: the test needs a real signal that reaches no other test.
                assert_eq!(unsafe { libc::pthread_kill(libc::pthread_self(), number) }, 0);
                assert_eq!(signals.wait(Some(10_000)).unwrap(), Some(signal));
            }
            assert_eq!(signals.wait(Some(1)).unwrap(), None);
            let signals = Signals { hang_up: HangUp::Ignored, ..signals };
            // SAFETY: as above.
            // JUSTIFICATION: as above.
            assert_eq!(unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGHUP) }, 0);
            assert_eq!(signals.wait(Some(10_000)).unwrap(), None);
            assert_eq!(signals.wait(Some(1)).unwrap(), None);
        })
        .join()
        .unwrap();
    }
}
