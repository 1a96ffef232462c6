//! The real server on a loopback port, over a real database and a live side that is told what to
//! say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod access;
mod client;
mod configured;
mod documents;
mod fake_live;
mod health;
mod imports;
mod lists;
mod login;
mod matrix;
mod money;
mod number_lists;
mod problems;
mod rerates;
mod rows;
mod sample;
mod server;
mod settings;
mod standing;
mod statistics;
mod tariffs;
mod trace;
mod views;
mod world;
