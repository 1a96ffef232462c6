//! strowger-call.
