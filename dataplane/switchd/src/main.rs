//! strowger-switchd.
fn main() {}
