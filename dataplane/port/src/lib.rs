//! strowger-port.
