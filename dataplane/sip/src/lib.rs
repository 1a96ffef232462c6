//! strowger-sip.
