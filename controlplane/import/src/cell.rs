//! What stands in one cell.

pub(crate) mod code;
pub(crate) mod date;
pub(crate) mod decimal;
pub(crate) mod interval;
pub(crate) mod word;
