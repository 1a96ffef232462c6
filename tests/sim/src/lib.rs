//! strowger-sim.
