//! One core's turn: datagrams in, datagrams out, and everything between in one thread.
//!
//! A [`Shard`] joins the cores (`sip`, `call`, `media`) to an operating system that it only knows
//! by `port`'s traits, so the same code runs over sockets in `switchd` and over virtual time in the
//! simulator. [`Shard::turn`] does what is due and says until when to sleep; it never blocks.
//!
//! Order within a turn (design of the dataplane, 6 and 19): media burst, timers, control plane,
//! signalling (through the front, which sheds what is too much), media again; then what the cores
//! want done, always in the order **call table, journal, rings, network**, so that a crash never
//! leaves an effect without its state.
//!
//! It decides nothing: where calls go is the answer's, what a session description means is `sdp`'s.
//! Start at [`Shard::turn`], then `outcome.rs`; `LIFECYCLE.md` tells what becomes of a datagram
//! before the endpoint.

mod admission;
mod adopt;
mod backlog;
mod connection;
mod cost;
mod count;
mod desk;
mod edge;
mod front;
mod gauge;
mod image;
mod inbox;
mod keep;
mod link;
mod mesh;
mod outcome;
mod outside;
mod record;
mod shard;
mod turned;

pub use adopt::Adopted;
pub use connection::{Guest, Guests, Streams, Tls};
pub use count::Counts;
pub use desk::{Dtls, KeySecret, MediaAddress, MediaConfig, Step};
pub use edge::{NETWORKS_MAX, Sources, Verdict};
pub use front::{EXEMPT_MAX, Limits, UNWANTED_MAX, Unproven};
pub use gauge::{GAUGES_MAX, Gauges, SharedGauges};
pub use mesh::MeshConfig;
pub use shard::{Setup, Shard};
pub use strowger_stream::{Policy, Times};
pub use turned::{TURNED_FRAMES_MAX, TURNED_SOURCES_MAX};
