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

/// Waits until `fd` is readable (or has hung up); `false` = the time is over. `None` waits for
/// ever.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout_ms: Option<u32>) -> io::Result<bool> {
    let timeout = timeout_ms.map_or(-1, |ms| libc::c_int::try_from(ms).unwrap_or(libc::c_int::MAX));
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: `poll` is one pollfd that lives through the call, and the count says one.
    // JUSTIFICATION: poll(2) is not in std.
    let ready = retry(|| check(unsafe { libc::poll(&raw mut poll, 1, timeout) }))?;
    Ok(ready > 0)
}
