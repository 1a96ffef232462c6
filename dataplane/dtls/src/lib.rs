//! Keys of SRTP that are agreed on by DTLS (RFC 5763, RFC 5764).
//!
//! *What it is:* one [`Association`] for each local port whose party keys so, as a value that goes
//! from hand to hand: a [`Job`] takes it with what came in, a thread that may take its time runs
//! it, and the [`Done`] that comes of it has the association, what is to be sent, and, when both
//! sides have finished, the [`Exported`] keys. Our certificate is an [`Identity`], which lives
//! longer than the process; the party's is known by the [`Fingerprint`] that its description names,
//! and nothing is exported to anybody else.
//!
//! *What it never does:* open sockets, read a clock, keep a thread, look at media. The protocol is
//! `dimpl`'s (DTLS 1.2 and 1.3, no RSA, no unsafe code), which draws its chance from the system.
//!
//! *States:* waiting for the party (or, when we are active, saying hello), shaking hands,
//! connected; a fault ends it, and whoever wants another one begins it anew. A connected
//! association stays: the party may ask for our last flight again.
//!
//! *Where to start:* [`Job::run`].

mod association;
mod clock;
mod fingerprint;
mod identity;
pub mod limits;

pub use association::{Association, Done, Exported, Fault, Job, Start, is_client_hello};
pub use clock::Clock;
pub use fingerprint::Fingerprint;
pub use identity::{Identity, Unfit};
