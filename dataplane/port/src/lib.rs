//! The operating system, and the only unsafe code of the dataplane.

mod burst;
pub mod clock;
pub mod eventfd;
pub mod journal_file;
pub mod mmsg;
pub mod net;
pub mod pin;
pub mod process;
pub mod rng;
pub mod shm;
pub mod signals;
mod sys;
#[cfg(test)]
mod testing;
pub mod uplink;
