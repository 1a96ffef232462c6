//! strowger-controld.
fn main() {}
