//! Counts that guard speed: instructions of each scenario, and (in `tests/`) allocations.
//!
//! A scenario is set up, warmed, and then measured turn by turn; what it does to play its peers is
//! not counted. Nothing depends on chance, time or addresses: keys are fixed, the clock is virtual,
//! so the same compiler gives the same counts. `bench/count/run.sh` runs each scenario under
//! callgrind and compares with `expected.txt`.
//!
//! What it never does: measure time. Where to start: [`scenario::ALL`], then [`rig::Rig`], the
//! whole shard over memory, which the tests drive over real sockets as well.

#[path = "../../cdr/src/call.rs"]
mod call;
#[path = "../../link/src/frames.rs"]
mod frames;
#[path = "../../../tests/sim/src/plan.rs"]
pub mod plan;

pub mod io;
pub mod peer;
pub mod rig;
pub mod scenario;
pub mod table;

/// Runs one piece of work and counts it, by instructions or allocations.
pub type Meter<'a> = &'a mut dyn FnMut(&mut dyn FnMut());
