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

use crate::digits;
use crate::field::Via;
use crate::header::{self, Header};
use crate::lex::{self, Class};
use crate::limits::MESSAGE_MAX;
use crate::message::Message;
use crate::status::Status;
use crate::word;

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
///
/// Line breaks are not looked for in each value: in the end the head must have as many as lines
/// were ended here, no more.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
    begin: usize,
    /// Lines that were ended.
    lines: usize,
    fault: Option<BuildError>,
}

impl<'b> Writer<'b> {
    /// A request line.
    #[must_use]
    pub fn request(out: &'b mut Vec<u8>, method: &str, uri: &[u8]) -> Writer<'b> {
        let mut writer = Writer::new(out);
        if uri.is_empty() || !Class::VISIBLE.has_all(uri) || !lex::all_token(method.as_bytes()) {
            writer.fail(BuildError::Word);
        }
        writer.put(method.as_bytes()).put(b" ").put(uri).put(b" SIP/2.0").end();
        writer
    }

    /// A status line; without `phrase` that of the code.
    #[must_use]
    pub fn status(out: &'b mut Vec<u8>, status: Status, phrase: &[&str]) -> Writer<'b> {
        let mut writer = Writer::new(out);
        writer.put(b"SIP/2.0 ");
        digits::decimal(writer.out, u32::from(status.code()));
        writer.put(b" ");
        if phrase.is_empty() {
            writer.put(status.phrase().as_bytes());
        }
        for part in phrase {
            writer.put(part.as_bytes());
        }
        writer.end();
        writer
    }

    /// A response to the request that `head` was made of: as [`Writer::response`], with
    /// Record-Route where it makes or keeps a `dialog`.
    pub(crate) fn reply(
        out: &'b mut Vec<u8>,
        head: &ReplyHead,
        (status, phrase): (Status, &[&str]),
        to_tag: Option<&[u8]>,
        dialog: bool,
    ) -> Writer<'b> {
        let mut writer = Writer::status(out, status, phrase);
        let [to, common, timed, routed] = head.parts();
        writer.put(to);
        if let Some(tag) = to_tag.filter(|_| !head.has_tag) {
            writer.put(b";tag=").put(tag);
        }
        writer.put(common);
        writer.lines += head.lines.common;
        if status == Status::of(100) {
            writer.put(timed);
            writer.lines += head.lines.timed;
        }
        if dialog {
            writer.put(routed);
            writer.lines += head.lines.routed;
        }
        writer
    }

    fn new(out: &'b mut Vec<u8>) -> Writer<'b> {
        let begin = out.len();
        Writer { out, begin, lines: 0, fault: None }
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
    #[inline]
    pub fn field(&mut self, header: Header, value: &[u8]) -> &mut Self {
        self.label(header).put(value).end()
    }

    /// One field whose value is written in parts.
    pub fn parts(&mut self, header: Header, parts: &[&[u8]]) -> &mut Self {
        self.label(header);
        for part in parts {
            self.put(part);
        }
        self.end()
    }

    /// One field whose value is a number.
    pub fn number(&mut self, header: Header, number: u32) -> &mut Self {
        self.label(header);
        digits::decimal(self.out, number);
        self.end()
    }

    /// CSeq.
    pub(crate) fn cseq(&mut self, number: u32, method: &str) -> &mut Self {
        self.label(Header::CSeq);
        digits::decimal(self.out, number);
        self.put(b" ").put(method.as_bytes()).end()
    }

    /// One field of any name.
    pub fn named(&mut self, name: &[u8], parts: &[&[u8]]) -> &mut Self {
        if !header::is_name(name) {
            self.fail(BuildError::Word);
        }
        self.put(name).put(b": ");
        for part in parts {
            self.put(part);
        }
        self.end()
    }

    /// All fields of `header` as `message` has them, folds made one space.
    pub fn copy(&mut self, message: Message<'_>, header: Header) -> &mut Self {
        for value in message.values(header) {
            self.label(header).value_of(message, value).end();
        }
        self
    }

    /// Our own Via.
    pub fn via(&mut self, via: OwnVia<'_>) -> &mut Self {
        self.put(b"Via: SIP/2.0/").put(via.transport.as_bytes()).put(b" ");
        digits::socket(self.out, via.sent_by);
        self.put(b";branch=").put(via.branch).put(b";rport").end()
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
        // A longer one does not fit anyway.
        self.number(Header::ContentLength, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.end();
        self.check_breaks();
        self.put(bytes);
        if self.out.len() - self.begin > MESSAGE_MAX {
            self.fail(BuildError::TooLong);
        }
        match self.fault {
            None => Ok(()),
            Some(fault) => {
                self.out.truncate(self.begin);
                Err(fault)
            }
        }
    }

    /// No value may have ended a line. Counted apart, CR and LF need no look at their places: ours
    /// are as many as lines, so each further one is somebody else's.
    fn check_breaks(&mut self) {
        let head = self.out.get(self.begin..).unwrap_or_default();
        let count = |byte| memchr::memchr_iter(byte, head).count();
        if self.fault.is_none() && (count(b'\r') != self.lines || count(b'\n') != self.lines) {
            self.fail(BuildError::LineBreak);
        }
    }

    fn to(&mut self, request: Message<'_>, tag: Option<&[u8]>) {
        let Some(value) = request.value(Header::To) else { return };
        self.label(Header::To).value_of(request, value);
        if let Some(tag) = tag.filter(|_| !has_tag(request)) {
            self.put(b";tag=").put(tag);
        }
        self.end();
    }

    fn vias(&mut self, request: Message<'_>, source: SocketAddr) {
        let Ok(via) = request.top_via() else {
            // Of one that nobody can read we know less than its sender.
            self.copy(request, Header::Via);
            return;
        };
        self.label(Header::Via).top_via(via, source);
        self.end();
        for value in request.elements(Header::Via).skip(1) {
            self.label(Header::Via).value_of(request, value).end();
        }
    }

    //= rfc3261#section-18.2.1
    //# If the host portion of the "sent-by" parameter
    //# contains a domain name, or if it contains an IP address that differs
    //# from the packet source address, the server MUST add a "received"
    //# parameter to that Via header field value.
    pub(crate) fn top_via(&mut self, via: Via<'_>, source: SocketAddr) {
        self.put(b"SIP/2.0/").put(via.transport).put(b" ").unfolded(via.sent_by_text);
        let mut wants_rport = false;
        for param in via.params.iter() {
            if param.name.eq_ignore_ascii_case(b"received") {
                continue;
            }
            self.unfolded(param.text);
            if param.value.is_none() && param.name.eq_ignore_ascii_case(b"rport") {
                wants_rport = true;
                self.put(b"=");
                digits::decimal(self.out, u32::from(source.port()));
            }
        }
        // RFC 3581 4: with rport, `received` is added even when it equals sent-by.
        if wants_rport || !via.is_sent_from(source.ip()) {
            self.put(b";received=");
            digits::ip(self.out, source.ip().to_canonical());
        }
    }

    /// A value of `message`, its folds made one space.
    fn value_of(&mut self, message: Message<'_>, value: &[u8]) -> &mut Self {
        if message.has_folds() { self.unfolded(value) } else { self.put(value) }
    }

    //= rfc3261#section-7.3.1
    //# The line break and the whitespace at the beginning of the next
    //# line are treated as a single SP character.
    pub(crate) fn unfolded(&mut self, value: &[u8]) -> &mut Self {
        let mut rest = value;
        while let Some(at) = word::find2(b'\r', b'\n', rest) {
            let (text, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.put(lex::trim_end(text)).put(b" ");
            rest = lex::trim_start(tail);
        }
        self.put(rest)
    }

    /// The name of a field and what stands between it and its value.
    #[inline]
    pub(crate) fn label(&mut self, header: Header) -> &mut Self {
        if header == Header::Other {
            self.fail(BuildError::Word);
        }
        self.put(header.label().as_bytes())
    }

    /// Ends a line.
    #[inline]
    pub(crate) fn end(&mut self) -> &mut Self {
        self.lines += 1;
        self.put(b"\r\n")
    }

    #[inline]
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

/// Whether a request's To has a tag, be it one without a value.
fn has_tag(request: Message<'_>) -> bool {
    request.to().is_ok_and(|to| to.params.find(b"tag").is_some())
}

/// What all responses to one request have in common, as they write it. A request has up to four of
/// them: written once, each is a few copies, and the request itself need not be kept for them.
///
/// ```text
/// Via, From, To without the end of its line | that end, Call-ID, CSeq | Timestamp | Record-Route
/// ```
#[derive(Debug)]
pub(crate) struct ReplyHead {
    text: Box<[u8]>,
    /// Where the parts end; the last one does with the text.
    ends: [u16; 3],
    /// To has a tag, or there is no To.
    has_tag: bool,
    lines: ReplyLines,
}

/// Lines that end in the parts of a [`ReplyHead`].
#[derive(Debug)]
struct ReplyLines {
    common: usize,
    timed: usize,
    routed: usize,
}

impl ReplyHead {
    /// Of a request that came from `source`.
    ///
    /// # Errors
    /// It is too long, or a value would break a line.
    pub(crate) fn of(request: Message<'_>, source: SocketAddr) -> Result<ReplyHead, BuildError> {
        let mut out = Vec::with_capacity(REPLY_HEAD_LEN);
        let mut writer = Writer::new(&mut out);
        writer.vias(request, source);
        writer.copy(request, Header::From);
        let to = request.value(Header::To);
        to.into_iter().for_each(|to| _ = writer.label(Header::To).value_of(request, to));
        let to_end = writer.out.len();
        to.into_iter().for_each(|_| _ = writer.end());
        writer.copy(request, Header::SipCallId).copy(request, Header::CSeq);
        let (common_end, common) = (writer.out.len(), writer.lines);
        writer.copy(request, Header::Timestamp);
        let (timed_end, timed) = (writer.out.len(), writer.lines);
        writer.copy(request, Header::RecordRoute);
        let routed = writer.lines;
        writer.check_breaks();
        if let Some(fault) = writer.fault {
            return Err(fault);
        }
        let end = |at: usize| u16::try_from(at).map_err(|_| BuildError::TooLong);
        Ok(ReplyHead {
            ends: [end(to_end)?, end(common_end)?, end(timed_end)?],
            has_tag: to.is_none() || has_tag(request),
            lines: ReplyLines { common, timed: timed - common, routed: routed - timed },
            text: out.into(),
        })
    }

    fn parts(&self) -> [&[u8]; 4] {
        let [to, common, timed] = self.ends.map(usize::from);
        let part = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default();
        [part(0, to), part(to, common), part(common, timed), part(timed, self.text.len())]
    }
}

/// Bytes that most heads of replies fit in.
const REPLY_HEAD_LEN: usize = 448;

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
