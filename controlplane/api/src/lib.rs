//! strowger-api.
