//! A Unix socket of whole messages with descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::sys::{check, check_len, retry, wait_readable};

/// Most descriptors of one message.
pub(crate) const FDS_MAX: usize = 128;
const HEADER_BYTES: usize = size_of::<libc::cmsghdr>();
const CONTROL_BYTES: usize = HEADER_BYTES + (FDS_MAX * 4).next_multiple_of(8);
const BACKLOG: i32 = 8;
const SOCKET_MODE: libc::mode_t = 0o600;

const _: () = assert!(HEADER_BYTES == 16);

#[repr(C, align(8))]
struct ControlRoom([u8; CONTROL_BYTES]);

/// One end of a connection, or a listener.
#[derive(Debug)]
pub(crate) struct SeqPacket(Socket);

impl SeqPacket {
    /// Listens at `path`, mode 0600. A socket file that nobody listens at is replaced.
    pub(crate) fn listen(path: &Path) -> io::Result<SeqPacket> {
        let address = SockAddr::unix(path)?;
        if SeqPacket::open()?.0.connect(&address).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = SeqPacket::open()?;
        // Before bind, so that the file never has another mode.
        // SAFETY: no pointers.
        // JUSTIFICATION: std changes modes of files and paths only.
        check(unsafe { libc::fchmod(socket.0.as_raw_fd(), SOCKET_MODE) })?;
        socket.0.bind(&address)?;
        socket.0.listen(BACKLOG)?;
        socket.0.set_nonblocking(true)?;
        Ok(socket)
    }

    pub(crate) fn connect(path: &Path) -> io::Result<SeqPacket> {
        let socket = SeqPacket::open()?;
        socket.0.connect(&SockAddr::unix(path)?)?;
        Ok(socket)
    }

    /// The next connection, if one waits.
    pub(crate) fn accept(&self) -> io::Result<Option<SeqPacket>> {
        match self.0.accept() {
            Ok((socket, _)) => Ok(Some(SeqPacket(socket))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends and receives wait at most this long.
    pub(crate) fn set_timeout(&self, timeout_ms: u32) -> io::Result<()> {
        let timeout = Some(Duration::from_millis(u64::from(timeout_ms)));
        self.0.set_nonblocking(false)?;
        self.0.set_read_timeout(timeout)?;
        self.0.set_write_timeout(timeout)
    }

    /// Whether the peer's process runs as the same user as ours, or as root.
    pub(crate) fn is_peer_trusted(&self) -> io::Result<bool> {
        // SAFETY: takes nothing and cannot fail.
        // JUSTIFICATION: the effective user is not in std.
        let user = unsafe { libc::geteuid() };
        let peer = self.peer()?;
        Ok(peer.uid == user || peer.uid == 0)
    }

    /// The peer's process, 0 where it is not visible from here. On the connecting side: the one
    /// that called listen(2).
    pub(crate) fn peer_pid(&self) -> io::Result<u32> {
        Ok(u32::try_from(self.peer()?.pid).unwrap_or(0))
    }

    fn peer(&self) -> io::Result<libc::ucred> {
        let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
        let mut size = size_of::<libc::ucred>() as libc::socklen_t;
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        let value = (&raw mut peer).cast();
        // SAFETY: `peer` has `size` bytes to write; both live through the call.
        // JUSTIFICATION: peer credentials are not in std or socket2.
        check(unsafe {
            libc::getsockopt(self.0.as_raw_fd(), level, option, value, &raw mut size)
        })?;
        Ok(peer)
    }

    /// Whether the peer has closed, or died. Nothing is sent in a session, so whatever can be read
    /// ends it.
    pub(crate) fn has_ended(&self) -> bool {
        wait_readable(self.0.as_fd(), Some(0)).unwrap_or(true)
    }

    /// Sends one message.
    pub(crate) fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut control = ControlRoom([0; CONTROL_BYTES]);
        let length = control.set_fds(fds)?;
        // sendmsg(2) reads only, whatever the type of the pointer says.
        let base = bytes.as_ptr().cast_mut().cast();
        let mut iovec = libc::iovec { iov_base: base, iov_len: bytes.len() };
        let mut header = empty_header();
        header.msg_iov = &raw mut iovec;
        header.msg_iovlen = 1;
        if length > 0 {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = length;
        }
        let sent = retry(|| {
            // SAFETY: bytes, iovec and control live through the call with their true lengths; the
            // descriptors in `control` are borrowed.
            // JUSTIFICATION: SCM_RIGHTS is not in std or socket2.
            check_len(unsafe {
                libc::sendmsg(self.0.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL)
            })
        })?;
        if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// The next message and its descriptors; `buffer` is one byte longer than the longest message,
    /// so that a longer one is noticed by its length. `UnexpectedEof`: the peer closed.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<(&'b [u8], Vec<OwnedFd>)> {
        let mut control = ControlRoom([0; CONTROL_BYTES]);
        let (base, room) = (buffer.as_mut_ptr().cast(), buffer.len());
        let mut iovec = libc::iovec { iov_base: base, iov_len: room };
        let mut header = empty_header();
        header.msg_iov = &raw mut iovec;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_BYTES;
        let got = retry(|| {
            // SAFETY: bytes, iovec and control live through the call with their true lengths.
            // JUSTIFICATION: SCM_RIGHTS is not in std or socket2.
            check_len(unsafe {
                let flags = libc::MSG_CMSG_CLOEXEC;
                libc::recvmsg(self.0.as_raw_fd(), &raw mut header, flags)
            })
        })?;
        let fds = control.take_fds(header.msg_controllen);
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if header.msg_flags & libc::MSG_CTRUNC != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((buffer.get(..got).unwrap_or_default(), fds))
    }

    fn open() -> io::Result<SeqPacket> {
        Ok(SeqPacket(Socket::new(Domain::UNIX, Type::SEQPACKET.cloexec(), None)?))
    }
}

impl AsFd for SeqPacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ControlRoom {
    fn set_fds(&mut self, fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if fds.len() > FDS_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if fds.is_empty() {
            return Ok(0);
        }
        let length = HEADER_BYTES + fds.len() * 4;
        let header = (length as u64).to_ne_bytes().into_iter();
        let header = header.chain(libc::SOL_SOCKET.to_ne_bytes());
        let header = header.chain(libc::SCM_RIGHTS.to_ne_bytes());
        let numbers = fds.iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes());
        self.0.iter_mut().zip(header.chain(numbers)).for_each(|(to, from)| *to = from);
        Ok(length)
    }

    /// Takes over the descriptors the kernel put here: once, or they would be closed twice.
    fn take_fds(self, len: usize) -> Vec<OwnedFd> {
        let Some((header, data)) = self.0.get(..len).and_then(<[u8]>::split_first_chunk::<16>)
        else {
            return Vec::new();
        };
        let [l0, l1, l2, l3, l4, l5, l6, l7, v0, v1, v2, v3, t0, t1, t2, t3] = *header;
        let length = u64::from_ne_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        let rights = i32::from_ne_bytes([v0, v1, v2, v3]) == libc::SOL_SOCKET
            && i32::from_ne_bytes([t0, t1, t2, t3]) == libc::SCM_RIGHTS;
        let bytes = usize::try_from(length).unwrap_or(0).saturating_sub(HEADER_BYTES);
        if !rights {
            return Vec::new();
        }
        let (numbers, _) = data.get(..bytes).unwrap_or(data).as_chunks::<4>();
        let numbers = numbers.iter().map(|number| i32::from_ne_bytes(*number));
        // SAFETY: the kernel has just put these descriptors into our table for this message; by
        // taking `self` nobody takes them a second time.
        // JUSTIFICATION: SCM_RIGHTS gives numbers.
        numbers.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect()
    }
}

fn empty_header() -> libc::msghdr {
    // SAFETY: msghdr is integers and pointers; all bits zero is a value (null, no lengths).
    // JUSTIFICATION: it has private padding, so it cannot be written out.
    unsafe { std::mem::zeroed() }
}
