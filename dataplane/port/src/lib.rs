//! The operating system, behind traits; unsafe code lives here and nowhere else in the dataplane.

pub mod process;
