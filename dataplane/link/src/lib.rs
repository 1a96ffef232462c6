//! The contract between the planes.

mod tick;
pub use tick::{MS, SECOND, Tick};
