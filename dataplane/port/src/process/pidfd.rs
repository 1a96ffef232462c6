//! A process held by descriptor, so that its number cannot come to mean another one.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::sys::{check, wait_readable};

/// A process, child or not: watched and signalled by pidfd.
///
/// The descriptor becomes readable when the whole process has ended; see [`AsFd`].
#[derive(Debug)]
pub struct Process {
    pid: u32,
    fd: OwnedFd,
}

impl Process {
    /// Holds the process with this number now.
    ///
    /// # Errors
    /// There is none, or the system has no descriptors left.
    pub fn open(pid: u32) -> io::Result<Process> {
        let number = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: no pointers; an unknown number is an error, nothing else.
        // JUSTIFICATION: pidfd_open(2) is not in std, and libc has no wrapper.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
        let fd = check(libc::c_int::try_from(fd).map_err(|_| io::ErrorKind::Other)?)?;
        // SAFETY: the kernel has just given us this descriptor (close-on-exec); nobody else owns
        // it.
        // JUSTIFICATION: the only way to an OwnedFd.
        Ok(Process { pid, fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sleeps until it has ended, at most `timeout_ms`; `true` = it has.
    ///
    /// # Errors
    /// poll(2) failed.
    pub fn wait(&self, timeout_ms: Option<u32>) -> io::Result<bool> {
        wait_readable(self.as_fd(), timeout_ms)
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// It has ended already, or belongs to somebody else.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(libc::SIGTERM)
    }

    /// Tells it that what it read at its start has changed (SIGHUP).
    ///
    /// # Errors
    /// As [`Process::terminate`].
    pub fn hang_up(&self) -> io::Result<()> {
        self.signal(libc::SIGHUP)
    }

    /// Ends it (SIGKILL).
    ///
    /// # Errors
    /// As [`Process::terminate`].
    pub fn kill(&self) -> io::Result<()> {
        self.signal(libc::SIGKILL)
    }

    fn signal(&self, signal: libc::c_int) -> io::Result<()> {
        let info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is a pidfd of ours; a null info and no flags mean what kill(2)
        // does.
        // JUSTIFICATION: std can signal children only, and only SIGKILL.
        let done = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.fd.as_raw_fd(), signal, info, 0)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// When a process began, in the kernel's clock ticks since boot: with the number it names one
/// process of a boot (proc(5), field 22 of stat).
///
/// # Errors
/// There is no such process.
pub fn started(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, second, may hold anything, brackets too; its last one ends it.
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = rest.and_then(|rest| rest.split_whitespace().nth(22 - 3));
    field.and_then(|field| field.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::{Process, started};
    use crate::process::spawn;
    use std::ffi::OsStr;

    #[test]
    fn an_end_is_seen_and_can_be_asked_for() {
        type End = fn(&Process) -> std::io::Result<()>;
        for end in [Process::terminate as End, Process::kill] {
            let mut child = spawn(OsStr::new("sleep"), &[OsStr::new("60")], &[], &[]).unwrap();
            let process = Process::open(child.id()).unwrap();
            assert_eq!(process.pid(), child.id());
            assert!(!process.wait(Some(1)).unwrap());
            end(&process).unwrap();
            assert!(process.wait(Some(10_000)).unwrap());
            assert!(!child.wait().unwrap().success());
            // Its number may be another one's by now; the descriptor is not.
            assert_eq!(process.terminate().unwrap_err().raw_os_error(), Some(libc::ESRCH));
            assert!(Process::open(u32::MAX).is_err());
        }
    }

    #[test]
    fn a_beginning_is_told() {
        let me = std::process::id();
        let mine = started(me).unwrap();
        assert_eq!(started(me).unwrap(), mine);
        // Some of the kernel's ticks, which are 10 ms apart.
        assert!(!Process::open(me).unwrap().wait(Some(30)).unwrap());
        let mut child = spawn(OsStr::new("sleep"), &[OsStr::new("60")], &[], &[]).unwrap();
        assert!(started(child.id()).unwrap() > mine);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(started(child.id()).is_err());
    }
}
