//! Bounds of a description.

/// Octets of a body. A UDP request cannot carry more.
pub const BODY_MAX: usize = 64 * 1024;
/// Lines of a body. A WebRTC offer with three media lines and many candidates has about 400.
pub const LINES_MAX: usize = 1024;
/// Media lines of a body, the rejected ones counted.
pub const MEDIA_MAX: usize = 8;
/// Formats of one media line. There are no more payload types, and each costs a walk over the
/// lines of its media.
pub const FORMATS_MAX: usize = 128;

const _: () = assert!(LINES_MAX <= u16::MAX as usize, "a line number is 16 bits");
const _: () = assert!(BODY_MAX <= u32::MAX as usize);
