//! strowger.
fn main() {}
