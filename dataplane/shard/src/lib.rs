//! One core's turn.

mod desk;
mod edge;
mod gauge;
