//! Threads for what takes too long for a shard: the steps of handshakes, of TLS and of others.
//!
//! Jobs wait in one queue of fixed length; what came of them goes back to the desk that gave them,
//! which has room for all it may have out, so a thread never waits for a shard. A job holds no
//! socket and no place in a table: whoever gave it may have gone on, and drops what comes back.
//!
//! The threads end when the [`Handshaker`] and all its desks are dropped.

use crate::limits::{JOBS_MAX, OUT_MAX};
use crate::tls;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::Builder;

/// Wakes a shard that may sleep: what came of a job is there.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What a thread is given, by value; of what kind is its desk's.
pub trait Task: Send + 'static {
    /// What comes of it.
    type Done: Send;

    /// Takes its time.
    fn run(self) -> Self::Done;
}

impl Task for tls::Job {
    type Done = tls::Done;

    fn run(self) -> tls::Done {
        tls::Job::run(self)
    }
}

struct Work<T: Task> {
    id: u64,
    task: T,
    back: Sender<(u64, T::Done)>,
    wake: Wake,
}

/// Work of any kind, in the queue that all kinds wait in.
trait Run: Send {
    fn run(self: Box<Self>);

    /// The same, for whoever gave it and gets it back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Task> Run for Work<T> {
    fn run(self: Box<Self>) {
        let Work { id, task, back, wake } = *self;
        // The desk has room for all that it has out, or is gone.
        if back.try_send((id, task.run())).is_ok() {
            wake();
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The queue in front of the threads.
#[derive(Clone)]
pub struct Handshaker {
    jobs: Sender<Box<dyn Run>>,
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
        let (jobs, inbox) = bounded::<Box<dyn Run>>(JOBS_MAX);
        let begin = Arc::new(begin);
        for n in 0..threads.max(1) {
            let (inbox, begin) = (inbox.clone(), Arc::clone(&begin));
            Builder::new().name(format!("handshake-{n}")).spawn(move || {
                begin(n);
                inbox.iter().for_each(Run::run);
            })?;
        }
        Ok(Handshaker { jobs })
    }

    /// One shard's end, for one kind of task; `wake` is called for each that is done.
    #[must_use]
    pub fn desk<T: Task>(&self, wake: Wake) -> Desk<T> {
        let (back, done) = bounded(OUT_MAX);
        Desk { jobs: self.jobs.clone(), back, done, out: 0, wake }
    }
}

/// One shard's end of the queue. Never waits.
pub struct Desk<T: Task = tls::Job> {
    jobs: Sender<Box<dyn Run>>,
    back: Sender<(u64, T::Done)>,
    done: Receiver<(u64, T::Done)>,
    /// Jobs given and not come back.
    out: usize,
    wake: Wake,
}

impl<T: Task> fmt::Debug for Desk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("out", &self.out).finish_non_exhaustive()
    }
}

impl<T: Task> Desk<T> {
    /// Gives a job to the threads; `id` comes back with what came of it.
    ///
    /// # Errors
    /// The task: there is no room, in the queue or among what this desk may have out. End the
    /// connection by [`tls::Job::refused`], or try again.
    pub fn submit(&mut self, id: u64, task: T) -> Result<(), T> {
        if self.out >= OUT_MAX {
            return Err(task);
        }
        let work = Work { id, task, back: self.back.clone(), wake: Arc::clone(&self.wake) };
        match self.jobs.try_send(Box::new(work)) {
            Ok(()) => self.out += 1,
            Err(unsent) => {
                // What was put in a moment ago comes out as what it was.
                if let Ok(work) = unsent.into_inner().into_any().downcast::<Work<T>>() {
                    return Err(work.task);
                }
            }
        }
        Ok(())
    }

    /// What came back, in the order it was done.
    pub fn poll_done(&mut self) -> Option<(u64, T::Done)> {
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
