//! strowger-till.
