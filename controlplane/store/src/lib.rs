//! strowger-store.
