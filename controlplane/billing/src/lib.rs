//! strowger-billing.
