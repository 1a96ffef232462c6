//! Bytes on the wire as checked views and plain values.
//!
//! *What it is:* RTP and RTCP (RFC 3550), the first-byte demultiplexing of a media port
//! (RFC 7983, RFC 5761), IPv4, IPv6 and UDP headers with their
//! checksums (RFC 791, 8200, 768, 1071, 1624).
//! A view wraps a buffer: `Packet::new_checked(buffer)?` once, and after that no accessor fails
//! or panics, whatever the bytes are. A value (`rtp::Header`, `rtcp::ReportBlock`) is the small
//! legal space of a header and is built with `emit`.
//!
//! *What it never does:* allocate, keep state, read a clock, decide. A view does not know whether
//! a packet is wanted; that is `strowger-media`. Decryption and STUN attributes are not here.
//!
//! *Where to start:* [`demux::Kind::of`] tells what a datagram is, [`rtp::Packet`] and
//! [`rtcp::Compound`] open it.

pub mod checksum;
pub mod demux;
pub mod ipv4;
pub mod ipv6;
mod octet;
pub mod rtcp;
pub mod rtp;
pub mod udp;

/// The buffer handed to `emit` or to a builder is too small. Nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;
