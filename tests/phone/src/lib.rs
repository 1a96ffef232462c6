//! An independent SIP and RTP test phone.
//!
//! It is evidence: it shares no code with the dataplane and has its own small parser, so that a
//! mistake of the product is not repeated here. It uses clocks, threads and sockets as a phone
//! does. It never judges by itself: it does what a test says, refuses what makes no sense, and
//! tells what it saw. Every blocking call has a time limit, and a failure says what was awaited,
//! what was seen, and all SIP messages so far.
//!
//! - [`Phone`]: register, call, be called (RFC 3261, digest by RFC 7616 and RFC 8760).
//! - [`call::Call`]: one call, with audio whose every packet can be verified (RFC 3550, RFC 3264).
//! - [`carrier::Carrier`]: the far end of a trunk, answering by a script for each number.
//! - [`forwarder::Forwarder`]: a bad network, repeatable by its seed.
//! - [`raw::Raw`]: any bytes.
//! - [`fleet::Fleet`]: hundreds of calls at a time.
//! - [`flows`]: what the product must do, as functions over its address.
//!
//! Start with [`Phone`] and `tests/peers.rs`. The binary `phone` is the same for people.

pub mod call;
pub mod carrier;
pub mod digest;
pub mod engine;
pub mod failure;
pub mod fleet;
pub mod flows;
pub mod forwarder;
pub mod gate;
pub mod ladder;
pub mod limits;
pub mod media;
pub mod message;
mod peer;
pub mod phone;
pub mod random;
pub mod raw;
pub mod rtp;
pub mod sdp;
pub mod srtp;

pub use call::{IncomingCall, OutgoingCall};
pub use digest::Algorithm;
pub use failure::{Cause, EndedBy, Failure};
pub use forwarder::Nat;
pub use gate::{Bound, Gate};
pub use media::{Behind, Pattern};
pub use phone::{Config, Phone, Registered};
pub use srtp::Srtp;
