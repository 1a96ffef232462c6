//! HOT PATH
//!
//! Buffers that the kernel has until it has put a datagram into one, and again once that was read.
//!
//! Each begins with what the kernel says of the datagram, in this order:
//!
//! | bytes | what |
//! |--:|---|
//! | 16 | lengths of name, control and datagram, and flags (`io_uring_recvmsg_out`) |
//! | [`RawAddress::ROOM`] | who sent it |
//! | [`Control::ROOM`] | control messages |
//! | the rest | the datagram |

use std::net::SocketAddr;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::setup::Area;
use crate::mmsg::address::RawAddress;
use crate::mmsg::control::{Control, Told};

pub(super) const LENGTHS_BYTES: usize = 16;
pub(super) const NAME_BYTES: usize = RawAddress::ROOM as usize;
/// Bytes before the datagram.
pub(super) const HEAD_BYTES: usize = LENGTHS_BYTES + NAME_BYTES + Control::ROOM;

/// What a buffer brought.
pub(in crate::mmsg) struct Arrived<'a> {
    /// The peer; `None` = of a family we do not know.
    pub(in crate::mmsg) source: Option<SocketAddr>,
    /// Control messages.
    pub(in crate::mmsg) told: Told,
    /// The datagram was longer than the buffer.
    pub(in crate::mmsg) truncated: bool,
    /// The datagram, or its first bytes.
    pub(in crate::mmsg) data: &'a [u8],
}

/// The buffers, and the list by which the kernel gets them.
pub(super) struct Lent {
    /// The list, a page at least, with the buffers behind it.
    pub(super) _area: Area,
    /// Where the list is.
    pub(super) entries: NonNull<BufRingEntry>,
    /// Where buffers begin.
    pub(super) first: NonNull<u8>,
    /// A power of two.
    pub(super) count: u16,
    /// From one buffer to the next.
    pub(super) stride: usize,
    /// Bytes of a buffer.
    pub(super) bytes: usize,
    /// Where the next one is put into the list.
    pub(super) tail: u16,
    /// What requests say of name and control messages.
    pub(super) header: Box<libc::msghdr>,
}

// SAFETY: the pointers are into the area, which nobody else has; the header has null pointers.
// JUSTIFICATION: raw pointers forbid Send by default; a shard's backend is made in one thread and
// used in another.
unsafe impl Send for Lent {}

impl Lent {
    /// For requests; it lives as long as this.
    pub(super) fn header(&self) -> *const libc::msghdr {
        &raw const *self.header
    }

    /// Where a buffer is; `None` = there is no such.
    fn place(&self, buffer: u16) -> Option<NonNull<u8>> {
        (buffer < self.count).then(|| {
            // SAFETY: the area has `count` buffers of `stride` bytes from `first` on.
            // JUSTIFICATION: the area is the kernel's memory and ours in turn, so it is no slice.
            unsafe { self.first.add(usize::from(buffer) * self.stride) }
        })
    }

    /// Gives the kernel a buffer that it does not have.
    pub(super) fn give(&mut self, buffer: u16) {
        let Some(place) = self.place(buffer) else { return };
        let at = usize::from(self.tail & (self.count - 1));
        // SAFETY: the list has `count` entries, and the kernel reads those before the tail alone,
        // of which it has at most `count - 1` now. Only we write there.
        // JUSTIFICATION: the list is the kernel's form, read while we write other entries.
        let entry = unsafe { &mut *self.entries.as_ptr().add(at) };
        entry.set_addr(place.as_ptr() as u64);
        entry.set_len(self.bytes as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail stands where the list's first entry has no use for its bytes, aligned,
        // and is written by us alone, as an atomic.
        // JUSTIFICATION: as above.
        let tail =
            unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// What the kernel put into a buffer that it gave us, `len` bytes in all.
    pub(super) fn arrived(&self, buffer: u16, len: usize) -> Option<Arrived<'_>> {
        let place = self.place(buffer)?;
        // SAFETY: the buffer has `bytes` bytes, zeroed at first, and the kernel, which told us of
        // it, writes there only when we have given it again, which takes `self` mutably.
        // JUSTIFICATION: as of `place`.
        let bytes = unsafe { std::slice::from_raw_parts(place.as_ptr(), len.min(self.bytes)) };
        read(bytes)
    }
}

fn read(bytes: &[u8]) -> Option<Arrived<'_>> {
    let (lengths, rest) = bytes.split_first_chunk::<LENGTHS_BYTES>()?;
    let (name, rest) = rest.split_first_chunk::<NAME_BYTES>()?;
    let (control, data) = rest.split_first_chunk::<{ Control::ROOM }>()?;
    let [n0, n1, n2, n3, c0, c1, c2, c3, _, _, _, _, f0, f1, f2, f3] = *lengths;
    let name_len = u32::from_ne_bytes([n0, n1, n2, n3]);
    let control_len = usize::try_from(u32::from_ne_bytes([c0, c1, c2, c3])).ok()?;
    let flags = libc::c_int::from_ne_bytes([f0, f1, f2, f3]);
    Some(Arrived {
        // What is left of the datagram before is nobody's address.
        source: if name_len > 0 { RawAddress::of(name).read() } else { None },
        told: Told::read(control.get(..control_len).unwrap_or(control)),
        truncated: flags & libc::MSG_TRUNC != 0,
        data,
    })
}
