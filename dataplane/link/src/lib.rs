//! The contract between the planes.

pub mod journal;
mod tick;
pub use tick::{MS, SECOND, Tick};
