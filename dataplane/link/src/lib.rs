//! The contract between the planes.

pub mod crc;
mod ids;
pub mod journal;
pub mod ring;
mod sync;
pub mod table;
mod tick;

pub use ids::SlotRef;
pub use tick::{MS, SECOND, Tick};
