//! The B2BUA core of one shard: every call from its first INVITE to its durable record.
//!
//! A caller's attempt becomes one [`strowger_link::Ask`]; the answer is a whole plan (stages of
//! branches, limits, leased talk time), and the call carries it out by itself: it rings branches
//! together and stages after each other, joins the first that answers, passes offers, renews talk
//! time, cuts to the tick, and leaves facts from which the control plane composes records.
//!
//! What it never does: it reads no clock, socket or random source, parses no message and no session
//! description, and knows neither `sip` nor `media`. Legs are events and commands
//! ([`strowger_leg`]); media and gauges are asked for through [`Resources`] in the same turn.
//!
//! How to drive it: [`Calls::reserve`] gives the leg of a new INVITE; then `handle_*` with the
//! time, and after each drain [`Calls::poll_output`] to `None` (it gives table, journal, rings and
//! network in that order); sleep until [`Calls::poll_timeout`].
//!
//! RFC 3261: 16.7 (choice among failures, cancelling on 6xx), 13 and 14 (offers, re-offers and
//! glare as seen by a call); RFC 3264 5 and 8; RFC 3960 for early media.
//!
//! Where to start: [`Calls`], then `State` in `call.rs`; `LIFECYCLE.md` tells a call's life.

mod alarm;
mod call;
mod calls;
mod desk;
pub mod limits;
mod outbox;
mod output;
mod resource;
mod slab;

pub use call::{Lost, LostLeg, NotThawed, Shown, bridged, explained, is_meshed};
#[cfg(any(test, feature = "world"))]
pub use calls::world;
pub use calls::{Calls, CallsConfig};
pub use desk::Counters;
pub use output::{Entry, Output};
pub use resource::{Resources, Role};
