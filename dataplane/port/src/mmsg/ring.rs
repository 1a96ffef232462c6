//! HOT PATH
//!
//! Receiving by io_uring(7): the kernel puts what comes to any of many sockets into buffers that we
//! lent it, so that one call fetches what would take a call for each socket.
//!
//! Each socket has one request that stays, by a key of its own:
//!
//! | request | begins with | ends with |
//! |---|---|---|
//! | wanted | [`Receiver::want`] | the next [`Receiver::enter`], which hands it to the kernel |
//! | armed | that | a completion that says so: no buffer was free, an error, or it was cancelled |
//! | ended | that | who reads the completion wants it again, or has no use for the socket |
//!
//! Rules, each with a test:
//!
//! - A request that ended is made again whatever it ended with, an error too, unless we cancelled
//!   it. A socket whose request is lost all the same is found by looking ([`watch`]).
//! - A socket is closed, or begins another life, only after [`Receiver::cancel`]; what completes
//!   under the old key later brings its buffer back and nothing else.
//! - Every buffer that a completion brings is given back before the next completion is read or with
//!   it. There are never more in the kernel's hands than [`Lent`] has.
//! - When more completes than the queue of completions holds, the kernel keeps the rest, and the
//!   next [`Receiver::enter`] fetches it.
//! - One thread asks the kernel (`SINGLE_ISSUER`): the one that enters first.
//! - Whether something waits is read in memory ([`Receiver::is_ready`]); the bell wakes who sleeps
//!   in the poller, as everything else does, and is never read.
//!
//! Nothing here waits. A system that does not have it, or refuses it, is told by
//! [`Receiver::new`]; one that fails later fails `enter`, and its user goes on without.

mod lent;
mod sender;
mod setup;
pub(super) mod watch;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use io_uring::types::CancelBuilder;
use io_uring::{IoUring, cqueue, opcode, types};

use crate::eventfd::EventFd;
use lent::Lent;

pub(super) use lent::Arrived;
pub(super) use sender::Sender;

/// How often its user enters a ring in one turn: some twenty sockets are done in each.
pub(super) const ENTERS_MAX: usize = 16;

/// What went not as usual.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// Requests that ended and were made again.
    pub(super) rearmed: u64,
    /// Sockets that were silent.
    pub(super) silent: u64,
}

/// Requests that are handed over at once; more take one more call.
const REQUESTS_MAX: u32 = 256;
/// The group that the buffers are of; each ring has one.
const GROUP: u16 = 0;
/// `IORING_ENTER_GETEVENTS`: the kernel does what it put off until we ask (`DEFER_TASKRUN`), and
/// fetches completions that found no room.
const GET_EVENTS: u32 = 1;
/// How long a cancel may take, nanoseconds. What we ask for is never in other hands, so none does.
const CANCEL_NS_MAX: u32 = 1_000_000;

/// What a ring is for.
pub(super) struct Size {
    /// Buffers, a power of two.
    pub(super) buffers: u16,
    /// Longest datagram that is not cut.
    pub(super) payload: usize,
    /// Completions that find room at once, a power of two; more wait with the kernel.
    pub(super) completions: u32,
}

pub(super) struct Receiver {
    ring: IoUring,
    /// After the ring, so that it is freed after the ring is closed.
    lent: Lent,
    /// The kernel rings it, as long as it lives.
    bell: EventFd,
    /// To be handed over: socket and key.
    wanted: VecDeque<(RawFd, u64)>,
    is_running: bool,
}

/// One completion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    /// Of its request.
    pub(super) key: u64,
    /// Bytes, or the negative number of an error.
    result: i32,
    /// The buffer that it brings.
    buffer: Option<u16>,
    /// The request is over.
    pub(super) ended: bool,
}

impl Receiver {
    /// What rings when something waits.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// From the next `enter` on, datagrams of this socket come under this key, which no other
    /// request has. The socket stays open until [`Receiver::cancel`].
    pub(super) fn want(&mut self, socket: BorrowedFd<'_>, key: u64) {
        self.wanted.push_back((socket.as_raw_fd(), key));
    }

    /// Room for one more socket: [`Receiver::want`] allocates nothing then.
    pub(super) fn reserve(&mut self, sockets: usize) {
        self.wanted.reserve(sockets.saturating_sub(self.wanted.len()));
    }

    /// Ends the request of a key: nothing is put into a buffer for it any more. What completed
    /// before still comes.
    pub(super) fn cancel(&mut self, key: u64) {
        self.wanted.retain(|(_, wanted)| *wanted != key);
        if self.is_running {
            let limit = types::Timespec::new().nsec(CANCEL_NS_MAX);
            // One that ended already is not found, which is as well.
            let request = CancelBuilder::user_data(key);
            let _gone = self.ring.submitter().register_sync_cancel(Some(limit), request);
        }
    }

    /// Whether completions wait, or work that brings some.
    pub(super) fn is_ready(&mut self) -> bool {
        self.has_work() || !self.ring.completion().is_empty()
    }

    /// Whether something was left when it was read last. What has come since does not count: it may
    /// gather.
    pub(super) fn has_left(&mut self) -> bool {
        !self.wanted.is_empty() || !self.ring.completion().is_empty()
    }

    /// Whether [`Receiver::enter`] would do something.
    pub(super) fn has_work(&mut self) -> bool {
        let queue = self.ring.submission();
        !self.wanted.is_empty() || queue.taskrun() || queue.cq_overflow()
    }

    /// Hands over what is wanted, and has the kernel complete what it can. It does some twenty
    /// sockets in one call; more is told by [`Receiver::has_work`].
    ///
    /// # Errors
    /// The system refuses from now on.
    pub(super) fn enter(&mut self) -> io::Result<()> {
        self.run()?;
        let header = self.lent.header();
        let (submitter, mut queue, _) = self.ring.split();
        while let Some((socket, key)) = self.wanted.front().copied() {
            let request = opcode::RecvMsgMulti::new(types::Fd(socket), header, GROUP);
            let request = request.build().user_data(key);
            // SAFETY: the header lives as long as the ring, which is dropped before it; buffers are
            // those of the group. The descriptor is open: its owner cancels before it closes.
            // JUSTIFICATION: the way into the ring.
            if unsafe { queue.push(&request) }.is_err() {
                break;
            }
            self.wanted.pop_front();
        }
        queue.sync();
        let count = queue.len() as u32;
        drop(queue);
        // SAFETY: no argument. What is handed over was pushed above, and holds.
        // JUSTIFICATION: the safe calls wait for a completion, or do not have work done.
        match unsafe { submitter.enter::<libc::sigset_t>(count, 0, GET_EVENTS, None) } {
            Ok(_) => Ok(()),
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The calling thread is the one that asks from now on.
    fn run(&mut self) -> io::Result<()> {
        if !self.is_running {
            self.ring.submitter().register_enable_rings()?;
            self.is_running = true;
        }
        Ok(())
    }

    /// The next completion.
    pub(super) fn take(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        Some(Completion {
            key: entry.user_data(),
            result: entry.result(),
            buffer: cqueue::buffer_select(entry.flags()),
            ended: !cqueue::more(entry.flags()),
        })
    }

    /// The datagram that a completion brought; `None` = none, or one that cannot be read.
    pub(super) fn arrived(&self, done: &Completion) -> Option<Arrived<'_>> {
        self.lent.arrived(done.buffer?, usize::try_from(done.result).ok()?)
    }

    /// The completion's buffer is the kernel's again.
    pub(super) fn give_back(&mut self, done: &Completion) {
        if let Some(buffer) = done.buffer {
            self.lent.give(buffer);
        }
    }
}

impl Completion {
    /// It brings a buffer, and so a datagram, whole or not.
    pub(super) fn has_datagram(&self) -> bool {
        self.buffer.is_some()
    }

    /// The request ended by itself, and is to be made again.
    pub(super) fn is_to_be_made_again(&self) -> bool {
        self.ended && self.result != -libc::ECANCELED
    }

    /// The socket has an error, which the network told.
    pub(super) fn is_failure(&self) -> bool {
        self.result < 0 && ![-libc::ENOBUFS, -libc::ECANCELED].contains(&self.result)
    }

    /// The kernel does not do what we ask for, now or ever.
    pub(super) fn is_refusal(&self) -> bool {
        [-libc::EINVAL, -libc::EOPNOTSUPP, -libc::EBADF, -libc::EFAULT].contains(&self.result)
    }
}

/// The call did nothing, or not all, for a reason that passes: it is made again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY))
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if self.is_running {
            // Nothing is written into our buffers behind this; on another thread it is refused, and
            // the kernel's requests, which run in the first one alone, end with the ring.
            let limit = types::Timespec::new().nsec(CANCEL_NS_MAX);
            let all = CancelBuilder::any();
            let _gone = self.ring.submitter().register_sync_cancel(Some(limit), all);
        }
    }
}
