//! Whole switches in memory, under virtual time, from a seed.
//!
//! A [`World`] holds one switch and its surroundings: the real [`strowger_shard::Shard`] over
//! simulated traits, the real [`strowger_office::Office`] joined to journal and store as
//! `controld` joins them, a memory twin of the store, phones and carriers that follow plans, and a
//! network that loses, delays, doubles and overtakes. Nothing reads a clock or a random source:
//! the same seed gives the same run. Laws are checked after every step and, all of them, when the
//! world has become quiet (`law.rs`). A run that breaks one prints its seed and the command that
//! repeats it; `README.md` tells how to read it.
//!
//! Crashes come between any two effects of either process, in the middle of a turn too: [`probe`]
//! sees every effect, and [`step`] names those that a call's life is made of. What a crash leaves
//! is what the hardware would: the words of the call table up to any store of the last write, the
//! bytes of the journal's segments up to any byte and with any unsynced blocks gone, the database
//! at its last commit. The next life is built by the functions that the processes use, and adopts.
//!
//! Agents speak UDP, or TCP over connections ([`stream`]): bytes cut anywhere, late when segments
//! are lost, connections that break in the middle of a message, and all when a process dies.
//!
//! The laws: one final response for each INVITE that was heard of, and each acknowledged; requests
//! repeated by their timers alone, and nothing over a connection; requests of a dialog in order,
//! one BYE of each life, and whatever a crash swallowed said by the next one; audio only of the own
//! call, none after its end or from a closed port; the table before the
//! journal, the journal before the network, no slot free or leaving before its record is durable; a
//! record of each call that a crash found ringing, answered or ended, and none lost with the host
//! but by a power cut; each record whole and in the journal once, in the store once, priced as an
//! arithmetic of the simulator's own prices it, never paid by a caller who was told of a failure;
//! each grant balanced by one record or one return, or by nothing if no slot had shown it when its
//! dataplane died; what a crash ended billed to its last sign of life; after a crash of the
//! dataplane every confirmed call goes on, its ports open and its gauges counted; no prepaid
//! balance below its floor, no alarm of the till, no mistake counted by the shard; the store never
//! ahead of what the disk keeps; every call ends after the network has healed; and then no slot,
//! port, socket, gauge, leg, transaction, hold or fast timer is left, and books, till and journal
//! tell the same sums.
//!
//! Its limits. A power cut takes the phones' calls with it: they begin anew. The ACK of a failure
//! that a callee sent is not repeated by a later life, and legs of a slot in quarantine end by
//! their phones. What a broken connection had taken is lost, so whoever waits for it hangs up after
//! a while, and is not asked what he missed. No NAT, no forking proxies.
//!
//! It never opens a socket, never sleeps, and never changes the product: faults are planted from
//! outside ([`Plant`]).
//!
//! To drive it: [`World::new`], [`World::at`] for what is to happen, [`World::run_ms`], and
//! [`World::quiesce`] at the end; or [`script::mixed`] for everything from one seed, and
//! [`script::transfers`] for parties that put each other through.
//!
//! Where to start: [`World`], then `law.rs`.

pub mod agent;
pub mod cable;
pub mod control;
pub mod dice;
pub mod disk;
pub mod fault;
pub mod io;
mod law;
pub mod net;
pub mod plan;
pub mod probe;
pub mod script;
pub mod step;
pub mod storm;
pub mod stream;
pub mod switch;
mod timer;
pub mod world;

pub use agent::{After, Agent, Callee, Caller, Manner, Reply, Word};
pub use fault::Plant;
pub use law::Breach;
pub use net::Quality;
pub use step::{CrashAt, Plane, Side, Step, Victim};
pub use stream::End;
pub use world::{Action, Refer, World, WorldConfig};
