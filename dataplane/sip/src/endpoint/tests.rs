//! Scripts of what peer and call do, and what the endpoint does then. See `script` for the words.

mod former;
mod image;
mod inbound;
mod outbound;
mod outside;
mod pair;
mod refused;
mod revival;
mod script;
mod session;
mod upstream;

use script::check;
