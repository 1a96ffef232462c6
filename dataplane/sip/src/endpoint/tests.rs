//! Scripts of what peer and call do, and what the endpoint does then. See `script` for the words.

mod bodies;
mod early;
mod former;
mod image;
mod inbound;
mod lead;
mod outbound;
mod outside;
mod pair;
mod proof;
mod race;
mod refer;
mod refused;
mod revival;
mod script;
mod session;
mod stream;
mod timed;
mod upstream;

use script::check;
