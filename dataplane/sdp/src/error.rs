//! Why a body is not a description.

/// A refused body: the reason and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// The line, from 1; 0 when the body as a whole is meant.
    pub line: u16,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// No octets.
    Empty,
    /// More than [`crate::limits::BODY_MAX`] octets.
    TooLong,
    /// More than [`crate::limits::LINES_MAX`] lines.
    TooManyLines,
    /// More than [`crate::limits::MEDIA_MAX`] media lines.
    TooManyMedia,
    /// A line that is not a small letter, `=` and a value; or an empty line before the end.
    Syntax,
    /// NUL, or a carriage return that ends no line: another parser might end the line there.
    ControlOctet,
    /// The first line is not `v=0`.
    Version,
    /// An `o=` line without its six fields.
    Origin,
    /// No `o=` line.
    MissingOrigin,
    /// A `c=` line that is not `IN`, a family and an address or a host name.
    Connection,
    /// A media line in use without `c=` of its own or of the session.
    MissingConnection,
    /// An `m=` line without kind, port, protocol, or (when in use) formats, or with more than
    /// [`crate::limits::FORMATS_MAX`] of them.
    Media,
    /// `v=` or `o=` after an `m=` line.
    Misplaced,
    /// A second `v=`, `o=`, or `c=` of the session.
    Duplicate,
}
