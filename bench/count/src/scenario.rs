//! The scenarios, each a function that sets it up.

mod link;
mod media;
mod message;
mod money;
mod question;
pub mod register;
pub mod shard;

use crate::Meter;

/// One turn: plays the peers, and hands the work to the meter. An error says what did not happen.
pub type Turn = Box<dyn FnMut(Meter<'_>) -> Result<(), String>>;

/// One scenario.
pub struct Scenario {
    /// Its name in the table.
    pub name: &'static str,
    /// Turns that are counted.
    pub turns: u32,
    /// Sets it up; `None` only if a constant were wrong.
    pub make: fn() -> Option<Turn>,
}

const fn scenario(name: &'static str, turns: u32, make: fn() -> Option<Turn>) -> Scenario {
    Scenario { name, turns, make }
}

/// All of them.
pub const ALL: [Scenario; 19] = [
    scenario("parse-invite", 200, message::parse),
    scenario("scan-invite", 200, message::scan_one),
    scenario("write-response", 200, message::response),
    scenario("write-request", 200, message::request),
    scenario("challenge-stranger", 200, shard::challenge),
    scenario("whole-call", 100, shard::call),
    scenario("register", 200, register::fresh),
    scenario("register-refresh", 200, register::again),
    scenario("idle-turn", 200, shard::idle),
    scenario("relay-burst", 500, media::relay),
    scenario("srtp-burst", 500, media::guarded),
    scenario("verify-digest", 200, question::digest),
    scenario("decide", 200, question::decision),
    scenario("ask-and-answer", 200, question::office),
    scenario("rate", 200, money::rating),
    scenario("admit-settle", 200, money::till),
    scenario("compose-record", 200, money::compose),
    scenario("ring-frame", 200, link::ring),
    scenario("journal-frame", 200, link::journal),
];

/// Why a turn failed that did not do its work.
fn done(is_done: bool, what: &str) -> Result<(), String> {
    if is_done { Ok(()) } else { Err(what.to_owned()) }
}
