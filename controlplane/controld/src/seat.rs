//! Who goes first where the control plane has too few cores: callers wait for the decider, and for
//! nobody else.
//!
//! What a thread begins is as patient as itself, the database's threads included. So the decider's
//! thread begins before this process becomes patient, and waits for its work.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use strowger_port::pin;

/// How patient all threads but the decider are: at this nice level a core that is wanted by both
/// gives the decider, or a shard of a host with one core, nine times as much.
const PATIENCE: i32 = 10;

/// How long the decider runs at a time where somebody else wants its core, nanoseconds: so short
/// that it has the core as soon as it is asked, whatever is being written to disk.
const SLICE_NS: u64 = 200_000;

type Work = Box<dyn FnOnce() + Send>;

/// A thread that has begun and waits for what it is to do.
pub(crate) struct Seat {
    work: SyncSender<Work>,
    thread: JoinHandle<()>,
}

impl Seat {
    /// Begins the thread.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn take(name: &str) -> io::Result<Seat> {
        let (work, wanted) = sync_channel::<Work>(1);
        let body = move || {
            // Whoever took the seat has gone without sitting down.
            let Ok(work) = wanted.recv() else { return };
            // A kernel without slices has its own time for all.
            let _as_before = pin::set_slice(SLICE_NS);
            work();
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(body)?;
        Ok(Seat { work, thread })
    }

    /// Gives the thread its work.
    pub(crate) fn sit(self, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        let _there_is_room_for_one = self.work.send(Box::new(work));
        self.thread
    }
}

/// Makes the calling thread patient, and with it all that it begins from now on.
///
/// # Errors
/// The system's.
pub(crate) fn be_patient() -> io::Result<()> {
    pin::add_nice(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sat_down_before_is_not_patient() {
        let nice = || pin::nice_level().unwrap();
        let all = std::thread::spawn(move || {
            let before = nice();
            let seat = Seat::take("first").unwrap();
            be_patient().unwrap();
            let patient = std::thread::spawn(move || {
                let (say, said) = sync_channel(1);
                let thread = seat.sit(move || say.send(nice()).unwrap());
                thread.join().unwrap();
                (nice(), said.recv().unwrap())
            });
            (before, patient.join().unwrap())
        });
        let (before, (patient, sat)) = all.join().unwrap();
        assert_eq!((patient, sat), ((before + PATIENCE).min(19), before));
    }

    #[test]
    fn a_seat_that_nobody_takes_is_left() {
        let Seat { work, thread } = Seat::take("nobody").unwrap();
        drop(work);
        thread.join().unwrap();
    }
}
