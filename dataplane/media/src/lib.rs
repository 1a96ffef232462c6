//! The relay of media: RTP, RTCP and other datagrams between the two sides of a call.
//!
//! *What it is:* a sans-IO core. A [`Relay`] owns a bounded slab of [`Flow`]s, one for each local
//! port: **the local port is the identity of a flow**, never the remote address or the SSRC.
//! A pair joins two sides, each with an RTP and an RTCP port; what arrives at a port of one side
//! leaves from the port of the other to that side's address. The relay learns addresses behind
//! NATs (latching), refuses strangers and floods, keeps to holds, counts loss and jitter by RFC
//! 3550, reads what RTCP tells, listens for what rings on behind an answer, and notices silence.
//! SRTP ends here where [`Relay::guard`] gives a party's ports keys: each side of a pair is
//! protected or not by itself; [`Relay::secure`] has checks of ICE answered there, and handshakes
//! of DTLS told apart ([`Verdict::Dtls`]). [`ports::Ports`] hands the port numbers out. A flow that
//! is calm may be given away to somebody faster ([`Relay::offer`]), and comes back with its counts.
//!
//! *What it never does:* open sockets, read a clock, know SIP or calls, resolve names, agree on
//! keys, change a packet of a plain relay. The packet path (files marked `HOT PATH`) does not
//! allocate, lock, hash, log or compute in floating point.
//!
//! *How to drive it:* [`Relay::open`] at the offer, [`Relay::update`] at answers and re-INVITEs,
//! [`Relay::close`] for the [`MediaReport`]. Packets go through [`Relay::handle_burst`], which
//! leaves a [`Verdict`] in each. Sleep to [`Relay::poll_timeout`], call
//! [`Relay::handle_timeout`], and drain [`Relay::poll_output`] until it is `None`.
//!
//! RFC 3550 6.4.1, A.1, A.3, A.8; RFC 3264 5.1 and 8.4; RFC 5761 4; RFC 7983 7; RFC 4961.
//! *Where to start:* [`Relay`], then `relay/burst.rs`.

mod component;
mod datagram;
mod ear;
mod flow;
mod guard;
mod hearing;
pub mod limits;
pub mod ports;
mod reception;
mod relay;
mod remote;
mod report;
mod wheel;

pub use component::Secured;
pub use datagram::{Datagram, Drop, Drops, Verdict};
pub use ear::Answered;
pub use flow::Flow;
pub use guard::{GuardMarks, Keys};
pub use hearing::Heard;
pub use ports::LocalPort;
pub use relay::{
    Back, Carriage, Carried, Endpoint, MediaEvent, NoSuchPair, Offer, OpenError, PairId, PairSpec,
    Peer, Relay, RelayConfig, Side, Silence,
};
pub use report::{FlowReport, MediaReport, RtcpReport, SideReport};
