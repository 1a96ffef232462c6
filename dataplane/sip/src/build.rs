//! Writing messages. A value with CR or LF makes the whole message fail, so no peer's text can
//! bring a header field of its own; Content-Length is always written, and always right.
//!
//! ```
//! use strowger_sip::{build::Writer, header::Header, method::Method};
//! let mut out = Vec::new();
//! let mut writer = Writer::request(&mut out, Method::Options.name(), b"sip:example.com");
//! writer.field(Header::MaxForwards, b"70");
//! writer.finish(None).unwrap();
//! let text = String::from_utf8(out).unwrap();
//! assert!(text.starts_with("OPTIONS sip:example.com SIP/2.0\r\nMax-Forwards: 70\r\n"));
//! assert!(text.ends_with("\r\nContent-Length: 0\r\n\r\n"));
//! ```

use std::net::SocketAddr;

use crate::field::Via;
use crate::header::{self, Header};
use crate::lex;
use crate::limits::MESSAGE_MAX;
use crate::message::Message;
use crate::status::Status;

/// Why no message was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BuildError {
    /// Longer than `MESSAGE_MAX`.
    TooLong,
    /// A CR or LF in a value.
    LineBreak,
    /// A header field's name, a method or a Request-URI that cannot stand there.
    Word,
}

/// A body with its Content-Type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Body<'a> {
    /// The value of Content-Type.
    pub content_type: &'a [u8],
    /// The bytes.
    pub bytes: &'a [u8],
}

/// One message in the making, appended to a buffer. Faults are kept until [`Writer::finish`],
/// which then leaves the buffer as it was.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
    begin: usize,
    fault: Option<BuildError>,
}

impl<'b> Writer<'b> {
    /// A request line.
    #[must_use]
    pub fn request(out: &'b mut Vec<u8>, method: &str, uri: &[u8]) -> Writer<'b> {
        let begin = out.len();
        let mut writer = Writer { out, begin, fault: None };
        let visible = !uri.is_empty() && uri.iter().all(u8::is_ascii_graphic);
        if !visible || !lex::all_token(method.as_bytes()) {
            writer.fail(BuildError::Word);
        }
        writer.line(&[method.as_bytes(), b" ", uri, b" SIP/2.0"]);
        writer
    }

    /// A status line; without `phrase` that of the code.
    #[must_use]
    pub fn status(out: &'b mut Vec<u8>, status: Status, phrase: &[&str]) -> Writer<'b> {
        let begin = out.len();
        let mut writer = Writer { out, begin, fault: None };
        let code = status.code().to_string();
        writer.put(b"SIP/2.0 ").put(code.as_bytes()).put(b" ");
        if phrase.is_empty() {
            writer.put(status.phrase().as_bytes());
        }
        for part in phrase {
            writer.text(part.as_bytes());
        }
        writer.put(b"\r\n");
        writer
    }

    //= rfc3261#section-8.2.6.2
    //# The From field of the response MUST equal the From header field of
    //# the request.  The Call-ID header field of the response MUST equal the
    //# Call-ID header field of the request.  The CSeq header field of the
    //# response MUST equal the CSeq field of the request.  The Via header
    //# field values in the response MUST equal the Via header field values
    //# in the request and MUST maintain the same ordering.
    /// A response: status line, Via (the topmost with `received` and `rport` of `source`), From,
    /// To with `to_tag` unless it has a tag, Call-ID, CSeq, and Timestamp for a 100.
    #[must_use]
    pub fn response(out: &'b mut Vec<u8>, request: Message<'_>, reply: Reply<'_>) -> Writer<'b> {
        let mut writer = Writer::status(out, reply.status, reply.phrase);
        writer.vias(request, reply.source);
        writer.copy(request, Header::From);
        writer.to(request, reply.to_tag);
        writer.copy(request, Header::SipCallId).copy(request, Header::CSeq);
        if reply.status == Status::of(100) {
            writer.copy(request, Header::Timestamp);
        }
        writer
    }

    /// One field with one value.
    pub fn field(&mut self, header: Header, value: &[u8]) -> &mut Self {
        self.parts(header, &[value])
    }

    /// One field whose value is written in parts.
    pub fn parts(&mut self, header: Header, parts: &[&[u8]]) -> &mut Self {
        self.named(header.name().as_bytes(), parts)
    }

    /// One field whose value is a number.
    pub fn number(&mut self, header: Header, number: u32) -> &mut Self {
        self.field(header, number.to_string().as_bytes())
    }

    /// One field of any name.
    pub fn named(&mut self, name: &[u8], parts: &[&[u8]]) -> &mut Self {
        if !header::is_name(name) {
            self.fail(BuildError::Word);
        }
        self.put(name).put(b": ");
        for part in parts {
            self.text(part);
        }
        self.put(b"\r\n")
    }

    /// All fields of `header` as `message` has them, folds made one space.
    pub fn copy(&mut self, message: Message<'_>, header: Header) -> &mut Self {
        for value in message.values(header) {
            self.put(header.name().as_bytes()).put(b": ").unfolded(value).put(b"\r\n");
        }
        self
    }

    /// Our own Via.
    pub fn via(&mut self, via: OwnVia<'_>) -> &mut Self {
        let address = via.sent_by.to_string();
        let transport = via.transport.as_bytes();
        let branch = via.branch;
        self.parts(
            Header::Via,
            &[b"SIP/2.0/", transport, b" ", address.as_bytes(), b";branch=", branch, b";rport"],
        )
    }

    /// Content-Length, the empty line and the body.
    ///
    /// # Errors
    /// The first fault of all that was written; the buffer is then as it was before.
    pub fn finish(mut self, body: Option<Body<'_>>) -> Result<(), BuildError> {
        let bytes = body.map_or(&[][..], |body| body.bytes);
        if let Some(body) = body {
            self.field(Header::ContentType, body.content_type);
        }
        self.field(Header::ContentLength, bytes.len().to_string().as_bytes());
        self.put(b"\r\n").put(bytes);
        match self.fault {
            None => Ok(()),
            Some(fault) => {
                self.out.truncate(self.begin);
                Err(fault)
            }
        }
    }

    fn to(&mut self, request: Message<'_>, tag: Option<&[u8]>) {
        let tagged = request.to().is_ok_and(|to| to.tag().is_some());
        match (request.value(Header::To), tag.filter(|_| !tagged)) {
            (Some(value), Some(tag)) => {
                self.put(b"To: ").unfolded(value).put(b";tag=").text(tag).put(b"\r\n");
            }
            (Some(_), None) => {
                self.copy(request, Header::To);
            }
            (None, _) => {}
        }
    }

    fn vias(&mut self, request: Message<'_>, source: SocketAddr) {
        for (at, value) in request.elements(Header::Via).enumerate() {
            self.put(b"Via: ");
            match Via::parse(value).filter(|_| at == 0) {
                Some(via) => self.top_via(via, source),
                None => {
                    self.unfolded(value);
                }
            }
            self.put(b"\r\n");
        }
    }

    //= rfc3261#section-18.2.1
    //# If the host portion of the "sent-by" parameter
    //# contains a domain name, or if it contains an IP address that differs
    //# from the packet source address, the server MUST add a "received"
    //# parameter to that Via header field value.
    pub(crate) fn top_via(&mut self, via: Via<'_>, source: SocketAddr) {
        self.put(b"SIP/2.0/").put(via.transport).put(b" ").unfolded(via.sent_by_text);
        // RFC 3581 4: with rport, `received` is added even when it equals sent-by.
        let received = via.wants_rport() || !via.is_sent_from(source.ip());
        for param in via.params.iter() {
            if param.name.eq_ignore_ascii_case(b"received") {
                continue;
            }
            self.put(b";").put(param.name);
            match param.value {
                Some(value) if param.quoted => self.put(b"=\"").unfolded(value).put(b"\""),
                Some(value) => self.put(b"=").put(value),
                None if param.name.eq_ignore_ascii_case(b"rport") => {
                    self.put(b"=").put(source.port().to_string().as_bytes())
                }
                None => self,
            };
        }
        if received {
            self.put(b";received=").put(source.ip().to_canonical().to_string().as_bytes());
        }
    }

    fn line(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.text(part);
        }
        self.put(b"\r\n");
    }

    /// Text from outside: no line may end in it.
    fn text(&mut self, text: &[u8]) -> &mut Self {
        if memchr::memchr2(b'\r', b'\n', text).is_some() {
            self.fail(BuildError::LineBreak);
        }
        self.put(text)
    }

    //= rfc3261#section-7.3.1
    //# The line break and the whitespace at the beginning of the next
    //# line are treated as a single SP character.
    pub(crate) fn unfolded(&mut self, value: &[u8]) -> &mut Self {
        let mut rest = value;
        while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
            let (text, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.put(lex::trim_end(text)).put(b" ");
            rest = lex::trim_start(tail);
        }
        self.put(rest)
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        if self.out.len() - self.begin + bytes.len() > MESSAGE_MAX {
            self.fail(BuildError::TooLong);
        } else {
            self.out.extend_from_slice(bytes);
        }
        self
    }

    fn fail(&mut self, fault: BuildError) {
        self.fault.get_or_insert(fault);
    }
}

/// What a response says of itself; the rest is the request's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply<'a> {
    /// The code.
    pub status: Status,
    /// The phrase in parts; none: that of the code.
    pub phrase: &'a [&'a str],
    /// The To tag, for a request whose To has none.
    pub to_tag: Option<&'a [u8]>,
    /// Where the request came from.
    pub source: SocketAddr,
}

/// Our own Via in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnVia<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS`.
    pub transport: &'a str,
    /// Where answers are expected.
    pub sent_by: SocketAddr,
    /// The whole branch, its magic cookie included.
    pub branch: &'a [u8],
}

#[cfg(test)]
mod tests;
