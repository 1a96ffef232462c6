//! Why a message is refused, and what its sender must be told.

use crate::header::Header;
use crate::status::Status;

/// Why a message is refused. What to do about it: [`Refusal::answer`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// No bytes at all.
    Empty,
    /// Only empty lines: a keep-alive (RFC 5626 3.5.1 for streams; phones send it by UDP as well).
    KeepAlive,
    /// More than `MESSAGE_MAX` bytes.
    TooLong,
    /// The first line is neither a request line nor a status line by far.
    NotSip,
    /// A CR without LF, or an LF without CR.
    LineEnd,
    /// The message ends before the empty line.
    Unterminated,
    /// A line of the header without a name, or with one that is not a token.
    HeaderLine,
    /// More than `HEADERS_MAX` header fields.
    HeadersTooMany,
    /// A field folded more than `FOLDS_MAX` times.
    FoldsTooMany,
    /// A request line that breaks RFC 3261 7.1.
    RequestLine,
    /// A status line that breaks RFC 3261 7.2, a code out of range included.
    StatusLine,
    /// Another version than SIP/2.0.
    Version,
    /// A Request-URI that breaks its grammar or carries header fields.
    RequestUri,
    /// A Request-URI of more than `URI_MAX` bytes.
    UriTooLong,
    /// Content-Length is not a number.
    ContentLength,
    /// Content-Length says more than there is.
    BodyShort,
    /// The method of CSeq is not that of the request line.
    MethodMismatch,
    /// A known field that breaks its grammar or range.
    Field(Header),
    /// A mandatory field that is not there.
    Missing(Header),
    /// A field that may stand there once stands there several times.
    Repeated(Header),
    /// A Request-URI or To of a scheme that we do not speak.
    UriScheme,
}

impl Refusal {
    /// The answer to a *request* refused so; `None`: drop it without a word.
    ///
    /// Responses and ACKs are always dropped; that is for the caller to see to.
    #[must_use]
    pub const fn answer(self) -> Option<Status> {
        match self {
            Refusal::Empty | Refusal::KeepAlive | Refusal::NotSip | Refusal::StatusLine => None,
            //= rfc3261#section-21.5.7
            //# The server was unable to process the request since the message length
            //# exceeded its capabilities.
            Refusal::TooLong => Some(Status::of(513)),
            Refusal::UriTooLong => Some(Status::of(414)),
            Refusal::Version => Some(Status::of(505)),
            Refusal::UriScheme => Some(Status::of(416)),
            Refusal::LineEnd
            | Refusal::Unterminated
            | Refusal::HeaderLine
            | Refusal::HeadersTooMany
            | Refusal::FoldsTooMany
            | Refusal::RequestLine
            | Refusal::RequestUri
            | Refusal::ContentLength
            | Refusal::BodyShort
            | Refusal::MethodMismatch
            | Refusal::Field(_)
            | Refusal::Missing(_)
            | Refusal::Repeated(_) => Some(Status::of(400)),
        }
    }

    /// The reason phrase of the answer, in two parts: what is wrong, and with which field.
    ///
    /// RFC 3261 21.4.1 wants it to name the fault ("Missing Call-ID header field").
    #[must_use]
    pub const fn phrase(self) -> (&'static str, &'static str) {
        match self {
            Refusal::Field(header) => ("Malformed ", header.name()),
            Refusal::Missing(header) => ("Missing ", header.name()),
            Refusal::Repeated(header) => ("Repeated ", header.name()),
            Refusal::Empty | Refusal::KeepAlive | Refusal::NotSip => ("Bad Request", ""),
            Refusal::TooLong => (Status::of(513).phrase(), ""),
            Refusal::UriTooLong => (Status::of(414).phrase(), ""),
            Refusal::LineEnd => ("Lines Must End With CRLF", ""),
            Refusal::Unterminated => ("Header Without End", ""),
            Refusal::HeaderLine => ("Malformed Header Line", ""),
            Refusal::HeadersTooMany => ("Too Many Header Fields", ""),
            Refusal::FoldsTooMany => ("Too Many Continuation Lines", ""),
            Refusal::RequestLine => ("Malformed Request Line", ""),
            Refusal::StatusLine => ("Malformed Status Line", ""),
            Refusal::Version => (Status::of(505).phrase(), ""),
            Refusal::RequestUri => ("Malformed Request-URI", ""),
            Refusal::ContentLength => ("Malformed ", Header::ContentLength.name()),
            Refusal::BodyShort => ("Body Shorter Than ", Header::ContentLength.name()),
            Refusal::MethodMismatch => ("Method Differs From ", Header::CSeq.name()),
            Refusal::UriScheme => (Status::of(416).phrase(), ""),
        }
    }
}
