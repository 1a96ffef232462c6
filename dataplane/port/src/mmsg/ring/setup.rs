//! Making rings: once, outside of the packet path.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use super::lent::{HEAD_BYTES, Lent};
use super::{GROUP, REQUESTS_MAX, Receiver, Sender, Size};
use crate::burst::BURST_MAX;
use crate::eventfd::EventFd;
use crate::mmsg::address::RawAddress;
use crate::mmsg::control::Control;

/// Buffers begin at lines of the processor's cache, the list at a page.
const LINE_BYTES: usize = 64;
const PAGE_BYTES: usize = 4_096;

/// Memory of our own that the kernel knows by its address.
pub(super) struct Area {
    base: NonNull<u8>,
    bytes: usize,
}

impl Area {
    fn new(bytes: usize) -> io::Result<Area> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours;
        // the result is checked before use.
        // JUSTIFICATION: memory at a page's beginning that no reference covers.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Area { base, bytes })
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` mapped. The kernel has no request that writes there:
        // the ring ended before, and no reference outlives the buffers' owner.
        // JUSTIFICATION: munmap(2) is not in std.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// One that waits for [`IoUring::submitter`]'s `register_enable_rings`.
fn build(completions: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_r_disabled()
        .setup_submit_all()
        .setup_cqsize(completions)
        .dontfork();
    builder.build(REQUESTS_MAX)
}

impl Lent {
    fn new(size: &Size) -> io::Result<Lent> {
        let list =
            (usize::from(size.buffers) * size_of::<BufRingEntry>()).next_multiple_of(PAGE_BYTES);
        let bytes = HEAD_BYTES + size.payload;
        let stride = bytes.next_multiple_of(LINE_BYTES);
        let area = Area::new(list + usize::from(size.buffers) * stride)?;
        // SAFETY: the area is that long.
        // JUSTIFICATION: as of `Lent::place`.
        let first = unsafe { area.base.add(list) };
        // SAFETY: msghdr is integers and pointers; all bits zero is a value of it.
        // JUSTIFICATION: libc offers no constructor.
        let mut header: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        header.msg_namelen = RawAddress::ROOM;
        header.msg_controllen = Control::ROOM;
        let (entries, count) = (area.base.cast(), size.buffers);
        Ok(Lent { _area: area, entries, first, count, stride, bytes, tail: 0, header })
    }
}

impl Receiver {
    /// # Errors
    /// The system's: no io_uring, too old, or refused.
    pub(in crate::mmsg) fn new(size: &Size) -> io::Result<Receiver> {
        if !size.buffers.is_power_of_two() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let ring = build(size.completions)?;
        let bell = EventFd::new()?;
        let mut lent = Lent::new(size)?;
        ring.submitter().register_eventfd(bell.as_fd().as_raw_fd())?;
        let list = lent.entries.as_ptr() as u64;
        // SAFETY: the list is in the area, at its beginning, which is a page's, with room for
        // `buffers` entries; the area is freed after the ring.
        // JUSTIFICATION: the way to lend buffers.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(list, size.buffers, GROUP, 0)?;
        }
        (0..size.buffers).for_each(|buffer| lent.give(buffer));
        let wanted = VecDeque::new();
        Ok(Receiver { ring, lent, bell, wanted, is_running: false })
    }
}

impl Sender {
    /// # Errors
    /// As of [`Receiver::new`].
    pub(in crate::mmsg) fn new() -> io::Result<Sender> {
        const _: () = assert!(BURST_MAX <= REQUESTS_MAX as usize);
        Ok(Sender { ring: build(2 * REQUESTS_MAX)?, is_running: false })
    }
}
