//! Calls as text: scripts, a table of states and events, and laws under random events.

mod edge;
mod parts;
mod pickup;
mod reroute;
mod script;
mod scripts;
mod states;
mod storm;
mod text;
mod tie;
mod transfer;

use super::world;
use super::world::media;
