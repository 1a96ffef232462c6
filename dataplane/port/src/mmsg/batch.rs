//! HOT PATH
//!
//! The arrays behind recvmmsg and sendmmsg, and the two calls.

mod setup;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{opcode, squeue, types};

use super::address::RawAddress;
use super::control::{Control, Told};
use crate::sys::{check, retry};

/// Arrays for up to a fixed number of messages. Pointers into the caller's buffers are written
/// before each call and not used after it.
pub(super) struct Batch {
    headers: Box<[libc::mmsghdr]>,
    iovecs: Box<[libc::iovec]>,
    names: Box<[RawAddress]>,
    controls: Box<[Control]>,
}

// SAFETY: the raw pointers inside point into the boxes beside them or at buffers borrowed during
// one call; none is read between calls, so the thread does not matter.
// JUSTIFICATION: raw pointers forbid Send by default; a shard's backend is made in one thread and
// used in another.
unsafe impl Send for Batch {}

/// One received message.
pub(super) struct Received {
    /// The peer; `None` = of a family we do not know.
    pub(super) source: Option<SocketAddr>,
    /// Bytes received.
    pub(super) len: usize,
    /// The datagram was longer than the buffer.
    pub(super) truncated: bool,
    /// Control messages.
    pub(super) told: Told,
}

/// An entry of a socket's error queue.
pub(super) enum QueuedError {
    /// The queue is empty.
    None,
    /// Our own call's error: told there already.
    Ours,
    /// The network could not deliver a datagram to `peer`.
    Network { peer: SocketAddr, errno: i32 },
}

impl Batch {
    /// Receives into `buffers`, at most as many messages as there are; returns how many came.
    ///
    /// # Errors
    /// `WouldBlock`, or the socket's pending error.
    pub(super) fn receive<'b>(
        &mut self,
        fd: BorrowedFd<'_>,
        buffers: impl Iterator<Item = &'b mut [u8]>,
    ) -> io::Result<usize> {
        let mut count: libc::c_uint = 0;
        let entries = self.headers.iter_mut().zip(&mut self.iovecs).zip(&mut self.names);
        for ((((header, iovec), name), control), buffer) in
            entries.zip(&mut self.controls).zip(buffers)
        {
            iovec.iov_base = buffer.as_mut_ptr().cast();
            iovec.iov_len = buffer.len();
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_namelen = RawAddress::ROOM;
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = Control::ROOM;
            header.msg_hdr.msg_flags = 0;
            count += 1;
        }
        let headers = self.headers.as_mut_ptr();
        let got = retry(|| {
            // SAFETY: the first `count` headers were just filled: names, controls and iovecs are
            // elements of our boxes, buffers are borrowed mutably for 'b, all distinct and with
            // their true lengths. The time-out is null.
            // JUSTIFICATION: recvmmsg(2) is in no safe crate we use; one call for many datagrams.
            check(unsafe {
                let (flags, none) = (libc::MSG_DONTWAIT, std::ptr::null_mut());
                libc::recvmmsg(fd.as_raw_fd(), headers, count, flags, none)
            })
        })?;
        Ok(usize::try_from(got).unwrap_or(0))
    }

    /// What message `at` of the last `receive` brought.
    pub(super) fn received(&self, at: usize) -> Option<Received> {
        let (header, name) = (self.headers.get(at)?, self.names.get(at)?);
        Some(Received {
            source: name.read(),
            len: usize::try_from(header.msg_len).unwrap_or(0),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            told: self.controls.get(at)?.read(header.msg_hdr.msg_controllen),
        })
    }

    /// Prepares message `at`: `data` to `to`, from address `local` if told. The pointer to `data`
    /// is used by [`Batch::send`], whose caller keeps it alive.
    pub(super) fn prepare(
        &mut self,
        at: usize,
        to: SocketAddr,
        local: Option<IpAddr>,
        data: &[u8],
    ) {
        let (Some(header), Some(iovec), Some(name), Some(control)) = (
            self.headers.get_mut(at),
            self.iovecs.get_mut(at),
            self.names.get_mut(at),
            self.controls.get_mut(at),
        ) else {
            return;
        };
        iovec.iov_base = data.as_ptr().cast_mut().cast();
        iovec.iov_len = data.len();
        header.msg_hdr.msg_namelen = name.set(to);
        header.msg_hdr.msg_name = (&raw mut *name).cast();
        header.msg_hdr.msg_iov = iovec;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_controllen = local.map_or(0, |local| control.set_source(local));
        header.msg_hdr.msg_control =
            if local.is_some() { control.as_mut_ptr().cast() } else { std::ptr::null_mut() };
    }

    /// Message `at`, as it is asked of io_uring; `None` = there is none. It points at what it was
    /// prepared with.
    pub(super) fn request(&self, socket: types::Fd, at: usize) -> Option<squeue::Entry> {
        let (header, data) = (&self.headers.get(at)?.msg_hdr, self.iovecs.get(at)?);
        if header.msg_controllen > 0 {
            let request = opcode::SendMsg::new(socket, &raw const *header);
            return Some(request.flags(libc::MSG_DONTWAIT as u32).build());
        }
        // As of one message that is sent: the kernel copies neither header nor vector.
        let request = opcode::Send::new(socket, data.iov_base.cast(), data.iov_len as u32);
        let request = request.dest_addr(header.msg_name.cast()).dest_addr_len(header.msg_namelen);
        Some(request.flags(libc::MSG_DONTWAIT).build())
    }

    /// Sends messages `from..to`, all prepared; returns how many went, at least one.
    ///
    /// # Errors
    /// The first message did not go.
    ///
    /// # Safety
    /// Each of these messages was prepared since the last call, and the data it was prepared with
    /// is still borrowed.
    pub(super) unsafe fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        from: usize,
        to: usize,
    ) -> io::Result<usize> {
        let Some(headers) = self.headers.get_mut(from..to) else { return Ok(0) };
        if let [only] = headers
            && only.msg_hdr.msg_controllen == 0
            && let Some(data) = self.iovecs.get(from)
        {
            let to = &only.msg_hdr;
            return retry(|| {
                // SAFETY: by this function's contract the vector points at live data of its length;
                // the name is in our boxes, with its length.
                // JUSTIFICATION: sendto(2) of std takes a SocketAddr and writes it anew; this is
                // written already. For one message the kernel copies neither header nor vector.
                let sent = unsafe {
                    libc::sendto(
                        fd.as_raw_fd(),
                        data.iov_base,
                        data.iov_len,
                        libc::MSG_DONTWAIT,
                        to.msg_name.cast(),
                        to.msg_namelen,
                    )
                };
                if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(1) }
            });
        }
        let count = libc::c_uint::try_from(headers.len()).unwrap_or(0);
        let sent = retry(|| {
            // SAFETY: `count` headers follow the pointer; by this function's contract each points
            // at live data, and at a name and control in our boxes.
            // JUSTIFICATION: sendmmsg(2) is in no safe crate we use; one call for many datagrams.
            check(unsafe {
                libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT)
            })
        })?;
        Ok(usize::try_from(sent).unwrap_or(0))
    }

    /// Takes one entry of the socket's error queue: the peer of the failed datagram, and errno.
    pub(super) fn receive_error(&mut self, fd: BorrowedFd<'_>) -> QueuedError {
        let entry = (self.names.first_mut(), self.controls.first_mut(), self.headers.first_mut());
        let (Some(name), Some(control), Some(header)) = entry else { return QueuedError::None };
        let header = &mut header.msg_hdr;
        header.msg_name = (&raw mut *name).cast();
        header.msg_namelen = RawAddress::ROOM;
        header.msg_iov = std::ptr::null_mut();
        header.msg_iovlen = 0;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = Control::ROOM;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: name and control are elements of our boxes with their true lengths; there is no
        // iovec, so no data is written.
        // JUSTIFICATION: recvmsg(2) with MSG_ERRQUEUE and its control messages is not in socket2.
        let got = unsafe { libc::recvmsg(fd.as_raw_fd(), header, flags) };
        if got < 0 {
            return QueuedError::None;
        }
        match (name.read(), control.read(header.msg_controllen).errno) {
            (Some(peer), Some(errno)) => QueuedError::Network { peer, errno },
            (Some(_) | None, _) => QueuedError::Ours,
        }
    }
}
