//! Fuzzing of everything that reads bytes from outside: deterministic, seeded, on stable Rust.
//!
//! A [`Target`] is a function that feeds bytes to one reader and asserts its laws: it never panics,
//! its views agree with each other, and `parse(build(x)) == x` where there is a builder. What it
//! saw it returns as a [`Shape`]; an input with a feature not seen before is kept and mutated
//! further, which leads the search into the depth of a format without instrumenting the code.
//!
//! - `cargo test -p strowger-fuzz` replays the committed corpus (`corpus/TARGET/*`) and 2,000
//!   seeded mutations per target.
//! - `cargo run -p strowger-fuzz -- TARGET --seconds N --seed S` searches longer; what it finds is
//!   shrunk, written to a file and replayed by `-- TARGET --input FILE`. `--grow` adds the few
//!   inputs with the most features to the corpus.
//!
//! The same seed, corpus and number of steps give the same inputs. An endless loop is not caught
//! here but by the time limit of the suite; a slow input is ([`engine::SLOW_MS_MAX`]).
//!
//! A new target: a file in `target/`, a line in [`TARGETS`], a folder in `corpus/`.

pub mod corpus;
mod dice;
pub mod engine;
mod mutation;
mod shape;
mod target;

pub use dice::Dice;
pub use shape::Shape;
pub use target::{TARGETS, Target};

/// The longest input, in bytes: the longest UDP payload there is, and then some.
pub const INPUT_LEN_MAX: usize = 65_535;
