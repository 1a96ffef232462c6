//! strowger-leg.
