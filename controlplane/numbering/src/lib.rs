//! What is known of numbers beside rows: whose a range is, and where a number was ported to.
//!
//! Two tables. [`Ranges`] is shipped with the switch: countries, mobile, satellite, premium.
//! [`Ported`] is brought by an operator: up to ten million numbers with the prefix or number to
//! route them by, 12 bytes each, as an image that is also a file. Pure: no socket, no file, no
//! clock; who reads and writes files hands bytes in.
//!
//! Never guesses: of a number that no table names nothing is said.
//!
//! Standards: ITU-T E.164 (country codes).
//!
//! Where to start: [`Ranges::class`], then [`Ported::find`].

mod ported;
mod range;

pub use ported::{BadImage, BadLine, Gathering, PORTED_MAX, Ported, TARGETS_MAX, Target, is_e164};
pub use range::{Class, Country, Ranges};
