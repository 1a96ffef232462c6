//! strowger-wire.
