//! strowger-model.
