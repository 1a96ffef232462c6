//! strowger-sip.

pub mod transaction;
