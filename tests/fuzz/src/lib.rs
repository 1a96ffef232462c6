//! strowger-fuzz.
