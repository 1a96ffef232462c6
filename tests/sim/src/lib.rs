//! Whole switches in memory, under virtual time, from a seed.
//!
//! A [`World`] holds one switch and its surroundings: the real [`strowger_shard::Shard`] over
//! simulated traits, the real [`strowger_office::Office`] joined to journal and store as `controld`
//! joins them, a memory twin of the store, phones and carriers that follow plans, and a network
//! that loses, delays, doubles and overtakes. Nothing reads a clock or a random source: the same
//! seed gives the same run. Laws are checked after every step and, all of them, when the world has
//! become quiet (`law.rs`). A run that breaks one prints its seed and the command that repeats it.
//!
//! It never opens a socket, never sleeps, and never changes the product: faults are planted from
//! outside ([`Plant`]) or by `--cfg fault`.
//!
//! To drive it: [`World::new`], [`World::at`] for what is to happen, [`World::run_ms`], and
//! [`World::quiesce`] at the end; or [`script::mixed`] for everything from one seed.
//!
//! Where to start: [`World`], then `law.rs`.

pub mod agent;
pub mod cable;
pub mod control;
pub mod dice;
pub mod disk;
pub mod fault;
pub mod io;
mod law;
pub mod net;
pub mod plan;
pub mod script;
pub mod switch;
pub mod world;

pub use agent::{After, Agent, Callee, Caller, Reply};
pub use fault::Plant;
pub use law::Breach;
pub use net::Quality;
pub use world::{Action, World, WorldConfig};
