//! The operating system, and the only unsafe code of the dataplane.

mod burst;
pub mod net;
pub mod process;
