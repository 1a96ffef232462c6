//! Processes: a supervisor hands open descriptors to its children by number.
//!
//! The supervisor binds what needs rights or must outlive a crash (SIP sockets, the admin socket),
//! and each child finds them in an environment variable as `3,4`. Readiness goes back by a pipe.
//! A child does not need its supervisor to live on; [`Process`] is how one watches and ends a
//! process that may be no child of its own.

mod pidfd;

pub use pidfd::{Process, started};

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Most descriptors handed on under one name.
pub const INHERIT_MAX: usize = 128;

/// Descriptors that a child gets under the name of an environment variable.
#[derive(Clone, Debug)]
pub struct HandOn<'a> {
    /// Environment variable, for example `STROWGER_SIP_FDS`.
    pub name: &'a str,
    /// Descriptors in order.
    pub fds: Vec<BorrowedFd<'a>>,
}

/// This boot of the host, 0 where the system does not tell.
#[must_use]
pub fn boot_id() -> u128 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}

/// From now on the kernel gives this process pages of the small size alone, whatever was advised.
///
/// A huge page is emptied in one go when it is first touched: 4 to 9 ms under a hypervisor, in
/// which a shard does nothing else (`dataplane/adr/0091-the-dataplane-has-small-pages.md`).
///
/// # Errors
/// The system's.
pub fn keep_small_pages() -> io::Result<()> {
    let (yes, none) = (1 as libc::c_ulong, 0 as libc::c_ulong);
    // SAFETY: the call takes numbers only; it changes how memory is given, not what is in it.
    // JUSTIFICATION: prctl is not in std.
    crate::sys::check(unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, yes, none, none, none) })?;
    Ok(())
}

fn descriptor_flags(fd: RawFd) -> io::Result<i32> {
    // SAFETY: F_GETFD reads the flags of a descriptor number; an invalid one is an error, nothing
    // else.
    // JUSTIFICATION: the standard library has no safe fcntl.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    if flags < 0 { Err(io::Error::last_os_error()) } else { Ok(flags) }
}

fn set_close_on_exec(fd: RawFd, close: bool) -> io::Result<()> {
    let flags = descriptor_flags(fd)?;
    let flags = if close { flags | libc::FD_CLOEXEC } else { flags & !libc::FD_CLOEXEC };
    // SAFETY: F_SETFD changes one flag of a descriptor that is open, as F_GETFD just showed.
    // JUSTIFICATION: the standard library has no safe fcntl.
    let done = unsafe { libc::fcntl(fd, libc::F_SETFD, flags) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether this is a socket that listens for connections.
#[must_use]
pub fn is_listener(fd: BorrowedFd<'_>) -> bool {
    socket2::SockRef::from(&fd).is_listener().unwrap_or(false)
}

/// Whether this is a socket of any kind.
#[must_use]
pub fn is_socket(fd: BorrowedFd<'_>) -> bool {
    socket2::SockRef::from(&fd).r#type().is_ok()
}

/// Starts `program` in its own process group, with `hand_on` open in it. Standard input is closed
/// and standard output goes nowhere: whoever reads ours must see its end when we end, though the
/// child lives on. Standard error is ours.
///
/// Must be called from a single-threaded supervisor: between clearing and setting close-on-exec any
/// other child would inherit the descriptors too.
///
/// # Errors
/// As `fork`, `exec` and `fcntl` say.
pub fn spawn(
    program: &OsStr,
    args: &[&OsStr],
    env: &[(&str, &OsStr)],
    hand_on: &[HandOn<'_>],
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(args).envs(env.iter().copied()).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut opened = Vec::new();
    for entry in hand_on {
        let numbers: Vec<String> = entry.fds.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
        command.env(entry.name, numbers.join(","));
        for fd in &entry.fds {
            set_close_on_exec(fd.as_raw_fd(), false)?;
            opened.push(fd.as_raw_fd());
        }
    }
    let child = command.spawn();
    for fd in opened {
        set_close_on_exec(fd, true)?;
    }
    child
}

/// Takes the descriptors handed on under `name`; empty when the variable is not set.
///
/// Call it once for each name, at the start of the process: the descriptors become owned.
///
/// # Errors
/// The variable holds something else than open descriptors' numbers.
pub fn take_inherited(name: &str) -> io::Result<Vec<OwnedFd>> {
    let Ok(text) = std::env::var(name) else { return Ok(Vec::new()) };
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {what}"));
    let mut fds = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let number: RawFd = part.parse().map_err(|_| wrong("not a descriptor number"))?;
        if number < 3 || fds.len() >= INHERIT_MAX {
            return Err(wrong("descriptor out of range"));
        }
        descriptor_flags(number).map_err(|_| wrong("descriptor is not open"))?;
        set_close_on_exec(number, true)?;
        // SAFETY: the number is open (just checked), is none of the standard three, and the
        // supervisor put it there for this process alone; the variable is read once per name.
        // JUSTIFICATION: this is how descriptors cross exec.
        fds.push(unsafe { OwnedFd::from_raw_fd(number) });
    }
    Ok(fds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    #[test]
    fn a_boot_has_one_id() {
        assert_ne!(boot_id(), 0);
        assert_eq!(boot_id(), boot_id());
    }

    #[test]
    fn pages_stay_small() {
        keep_small_pages().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(status.lines().any(|line| line == "THP_enabled:\t0"), "{status}");
    }

    #[test]
    fn a_child_finds_what_it_was_handed() {
        let (mut reader, writer) = io::pipe().unwrap();
        // A shell's own redirection knows one digit only.
        let script = OsStr::new("echo ready >/proc/self/fd/$STROWGER_TEST_FD");
        let hand_on = HandOn { name: "STROWGER_TEST_FD", fds: vec![writer.as_fd()] };
        let args = [OsStr::new("-c"), script];
        let mut child = spawn(OsStr::new("sh"), &args, &[], &[hand_on]).unwrap();
        assert!(child.wait().unwrap().success());
        drop(writer);
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "ready\n");
    }

    #[test]
    fn a_listener_is_told_from_other_descriptors() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (pipe, _writer) = io::pipe().unwrap();
        let all = [listener.as_fd(), stream.as_fd(), datagrams.as_fd(), pipe.as_fd()];
        assert_eq!(all.map(is_listener), [true, false, false, false]);
    }

    #[test]
    fn without_the_hand_on_nothing_is_inherited() {
        let (_reader, writer) = io::pipe().unwrap();
        let number = writer.as_raw_fd().to_string();
        let script = format!("test ! -e /proc/self/fd/{number}");
        let args = [OsStr::new("-c"), OsStr::new(&script)];
        let mut child = spawn(OsStr::new("sh"), &args, &[], &[]).unwrap();
        assert!(child.wait().unwrap().success());
    }
}
