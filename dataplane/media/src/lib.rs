//! strowger-media.
