//! strowger-tidy.
