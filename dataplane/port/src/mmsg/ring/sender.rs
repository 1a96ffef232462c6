//! HOT PATH
//!
//! Sending by io_uring: datagrams of many sockets in one call, which has sent all of them or said
//! why not when it returns (`MSG_DONTWAIT`): their memory is the caller's again.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{IoUring, squeue, types};

use super::is_passing;
use crate::mmsg::batch::Batch;

/// How often what was not taken is handed over again.
const TRIES_MAX: usize = 8;

pub(in crate::mmsg) struct Sender {
    pub(super) ring: IoUring,
    pub(super) is_running: bool,
}

impl Sender {
    /// Queues message `at` of a batch; `false` = there is no room, which there is for as many as
    /// a burst has.
    ///
    /// # Safety
    /// It was prepared, and the data it was prepared with is still borrowed when
    /// [`Sender::submit`] returns.
    pub(in crate::mmsg) unsafe fn push(
        &mut self,
        socket: BorrowedFd<'_>,
        batch: &Batch,
        at: usize,
    ) -> bool {
        let Some(request) = batch.request(types::Fd(socket.as_raw_fd()), at) else { return false };
        let request = request.flags(squeue::Flags::SKIP_SUCCESS).user_data(at as u64);
        // SAFETY: by this function's contract data, name and control live until `submit` returns,
        // and no request is left behind then.
        // JUSTIFICATION: the way into the ring.
        unsafe { self.ring.submission().push(&request) }.is_ok()
    }

    /// Sends what was queued. `refused` hears the place of each that did not leave, and the
    /// system's number of why.
    ///
    /// # Errors
    /// Some were not looked at, and the ring is to be dropped before anything else: how many, the
    /// last ones that were queued.
    pub(in crate::mmsg) fn submit(
        &mut self,
        mut refused: impl FnMut(usize, i32),
    ) -> Result<(), usize> {
        let done = self.hand_over();
        for entry in self.ring.completion() {
            let number = entry.result().checked_neg().filter(|number| *number > 0);
            if let (Some(number), Ok(at)) = (number, usize::try_from(entry.user_data())) {
                refused(at, number);
            }
        }
        done.map_err(|_| self.ring.submission().len())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if !self.is_running {
            self.ring.submitter().register_enable_rings()?;
            self.is_running = true;
        }
        for _ in 0..TRIES_MAX {
            match self.ring.submit() {
                Err(error) if !is_passing(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
            if self.ring.submission().is_empty() {
                return Ok(());
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}
