//! strowger-phone.
