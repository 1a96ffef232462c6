//! strowger-routing.
