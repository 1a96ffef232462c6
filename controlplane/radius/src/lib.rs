//! RADIUS as a client: packets of RFC 2865 and 2866, and exchanges that ask a server again until it
//! answers.
//!
//! [`Request`] makes an Access-Request or Accounting-Request, [`Reply`] is what a server answered,
//! believed only with the right authenticator. An Access-Request carries a Message-Authenticator
//! (RFC 3579 section 3.2) before all other attributes, and a reply to it must have one: without it
//! an answer can be forged by who sees the request. [`Exchanges`] sends, sends again, and gives up;
//! sans-IO, in milliseconds that are handed in.
//!
//! It never opens a socket, reads a clock or draws a random number: identifiers it counts,
//! authenticators of requests are given. Start at [`Exchanges`].

mod exchange;
mod packet;

pub use exchange::{Ended, Exchanges, OPEN_MAX, Output, SERVERS_MAX, Server};
pub use packet::{
    ATTRIBUTE_MAX, Attribute, BadPacket, Code, PACKET_MAX, Reply, Request, Secret, kind,
};
