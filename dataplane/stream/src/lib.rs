//! Streams: everything between a connected socket and whole SIP messages, without the socket.
//!
//! A [`Pipe`] is one connection. It takes bytes as they come and gives messages, keep-alives and
//! what must be answered; it takes messages and gives the bytes that must go. It never opens or
//! reads a socket, never reads a clock or a random source, and never looks into a message beyond
//! what its end depends on: the rest is `strowger-sip`'s.
//!
//! To drive one:
//!
//! 1. [`Pipe::handle_received`] with what a read gave, at most `RECEIVED_LEN_MAX` bytes;
//! 2. [`Pipe::poll_message`] until it gives nothing;
//! 3. [`Pipe::send`] what is to go;
//! 4. [`Pipe::poll_transmit`], write it, [`Pipe::sent`] as much as the socket took;
//! 5. [`Pipe::poll_timeout`], and [`Pipe::handle_timeout`] when it is due;
//! 6. [`Pipe::poll_job`] of a connection with TLS: have it run elsewhere, [`Pipe::handle_done`];
//! 7. when [`Pipe::over`] says why, write what is left and close the socket.
//!
//! Beside it, a [`Gate`] says who may connect how often, and a [`Handshaker`] has the threads that
//! run jobs; both never wait.
//!
//! RFC 3261 7.5, 18.3, 20.14 (framing by Content-Length), RFC 5626 4.4.1 (keep-alive), RFC 6455
//! and 7118 (WebSocket), RFC 5246 and 8446 (TLS, by rustls). Start at [`Pipe`]; [`limits`] has
//! every bound.

mod buffer;
mod fault;
mod frame;
mod gate;
mod handshaker;
pub mod limits;
mod patience;
mod pipe;
pub mod tls;
mod websocket;

pub use fault::{Fault, Refusal, Unsent};
pub use gate::{Admit, Gate, GateLimits, Rate};
pub use handshaker::{Desk, Handshaker, Task, Wake};
pub use patience::Times;
pub use pipe::{Item, Pipe, Role};
pub use websocket::upgrade::Policy;
