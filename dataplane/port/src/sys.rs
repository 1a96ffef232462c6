//! Results of system calls as `io::Result`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The result of a call that says -1 and sets errno on failure.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// As [`check`], for calls that return a length.
pub(crate) fn check_len(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Repeats a call while a signal interrupts it.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// How many descriptors this process may have.
pub(crate) fn descriptors_max() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure lives through the call and is ours to be written.
    // JUSTIFICATION: getrlimit(2) is not in std.
    let told = check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) });
    // Every system gives at least so many (POSIX calls it 20; Linux begins at 1,024).
    told.map_or(1_024, |_| usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// Most descriptors one [`wait_any_readable`] listens to.
pub(crate) const WAIT_ANY_MAX: usize = 16;

/// Waits until `fd` is readable (or has hung up); `false` = the time is over. `None` waits for
/// ever.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout_ms: Option<u32>) -> io::Result<bool> {
    wait_any_readable(std::iter::once(fd), timeout_ms)
}

/// Waits until one of `fds` is readable (or has hung up); `false` = the time is over. `None` waits
/// for ever. Descriptors beyond [`WAIT_ANY_MAX`] are not listened to.
pub(crate) fn wait_any_readable<'a>(
    fds: impl IntoIterator<Item = BorrowedFd<'a>>,
    timeout_ms: Option<u32>,
) -> io::Result<bool> {
    let timeout = timeout_ms.map_or(-1, |ms| libc::c_int::try_from(ms).unwrap_or(libc::c_int::MAX));
    let mut polls = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; WAIT_ANY_MAX];
    for (poll, fd) in polls.iter_mut().zip(fds) {
        poll.fd = fd.as_raw_fd();
    }
    retry(|| {
        // SAFETY: the array lives through the call and the count is its length; entries that are
        // not in use hold -1, which poll passes over.
        // JUSTIFICATION: poll(2) is not in std.
        check(unsafe { libc::poll(polls.as_mut_ptr(), WAIT_ANY_MAX as libc::nfds_t, timeout) })
    })?;
    Ok(polls.iter().any(|poll| poll.revents != 0))
}
