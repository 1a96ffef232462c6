//! Threads for what takes too long for a shard: the steps of TLS handshakes.
//!
//! Jobs wait in one queue of fixed length; what came of them goes back to the desk that gave them,
//! which has room for all it may have out, so a thread never waits for a shard. A job holds no
//! socket and no place in a table: whoever gave it may have gone on, and drops what comes back.
//!
//! The threads end when the [`Handshaker`] and all its desks are dropped.

use crate::limits::{JOBS_MAX, OUT_MAX};
use crate::tls::{Done, Job};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::Builder;

/// Wakes a shard that may sleep: what came of a job is there.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

struct Work {
    id: u64,
    job: Job,
    back: Sender<(u64, Done)>,
    wake: Wake,
}

/// The queue in front of the threads.
#[derive(Clone)]
pub struct Handshaker {
    jobs: Sender<Work>,
}

impl fmt::Debug for Handshaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshaker").field("jobs", &self.jobs.len()).finish()
    }
}

impl Handshaker {
    /// Starts so many threads, at least one. `begin` is called on each with its number, to pin it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        threads: usize,
        begin: impl Fn(usize) + Send + Sync + 'static,
    ) -> io::Result<Handshaker> {
        let (jobs, inbox) = bounded::<Work>(JOBS_MAX);
        let begin = Arc::new(begin);
        for n in 0..threads.max(1) {
            let (inbox, begin) = (inbox.clone(), Arc::clone(&begin));
            Builder::new().name(format!("handshake-{n}")).spawn(move || {
                begin(n);
                inbox.iter().for_each(carry_out);
            })?;
        }
        Ok(Handshaker { jobs })
    }

    /// One shard's end; `wake` is called for each job that is done.
    #[must_use]
    pub fn desk(&self, wake: Wake) -> Desk {
        let (back, done) = bounded(OUT_MAX);
        Desk { jobs: self.jobs.clone(), back, done, out: 0, wake }
    }
}

fn carry_out(work: Work) {
    let done = work.job.run();
    // The desk has room for all that it has out, or is gone.
    if work.back.try_send((work.id, done)).is_ok() {
        (work.wake)();
    }
}

/// One shard's end of the queue. Never waits.
pub struct Desk {
    jobs: Sender<Work>,
    back: Sender<(u64, Done)>,
    done: Receiver<(u64, Done)>,
    /// Jobs given and not come back.
    out: usize,
    wake: Wake,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("out", &self.out).finish_non_exhaustive()
    }
}

impl Desk {
    /// Gives a job to the threads; `id` comes back with what came of it.
    ///
    /// # Errors
    /// There is no room, in the queue or among what this desk may have out: end the connection by
    /// [`Job::refused`], or try again.
    pub fn submit(&mut self, id: u64, job: Job) -> Result<(), Job> {
        if self.out >= OUT_MAX {
            return Err(job);
        }
        let work = Work { id, job, back: self.back.clone(), wake: Arc::clone(&self.wake) };
        self.jobs.try_send(work).map_err(|unsent| unsent.into_inner().job)?;
        self.out += 1;
        Ok(())
    }

    /// What came back, in the order it was done.
    pub fn poll_done(&mut self) -> Option<(u64, Done)> {
        let done = self.done.try_recv().ok()?;
        self.out = self.out.saturating_sub(1);
        Some(done)
    }

    /// Jobs that are out.
    #[must_use]
    pub fn out(&self) -> usize {
        self.out
    }
}
