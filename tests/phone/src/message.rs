//! SIP messages as the test phone sees them: an own small parser (RFC 3261 7 and 25), written
//! apart from the product's so that a mistake there is not repeated here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::limits::HEADERS_MAX;

/// One request or response with all its headers in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Request line or status line.
    pub start: Start,
    /// Names in their long form and values without line folds, in the order of the wire.
    pub headers: Vec<(String, String)>,
    /// As long as Content-Length says, or to the end of the datagram without one.
    pub body: Vec<u8>,
}

/// The first line of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// `METHOD uri SIP/2.0`
    Request {
        /// Method, case-sensitive.
        method: String,
        /// Request-URI as sent.
        uri: String,
    },
    /// `SIP/2.0 code reason`
    Response {
        /// 100 to 699.
        code: u16,
        /// Text, may be empty.
        reason: String,
    },
}

/// Why bytes are not a SIP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadMessage {
    /// No empty line after the headers.
    NoEnd,
    /// Header part is not UTF-8.
    NotText,
    /// First line is neither a request nor a status line.
    StartLine,
    /// A header line without a colon.
    Header,
    /// More headers than [`HEADERS_MAX`].
    TooManyHeaders,
    /// Content-Length is not a number or greater than what arrived (RFC 3261 18.3).
    ContentLength,
    /// A header that every message needs is missing: Via, From, To, Call-ID or CSeq (8.1.1).
    Mandatory(&'static str),
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Message {
    /// A request without headers.
    #[must_use]
    pub fn request(method: &str, uri: &str) -> Self {
        let start = Start::Request { method: method.to_owned(), uri: uri.to_owned() };
        Self { start, headers: Vec::new(), body: Vec::new() }
    }

    /// A response to `request` with the headers that must be copied (RFC 3261 8.2.6.2); `tag` goes
    /// into To when there is none yet.
    #[must_use]
    pub fn response(code: u16, request: &Message, tag: Option<&str>) -> Self {
        let start = Start::Response { code, reason: reason(code).to_owned() };
        let mut response = Self { start, headers: Vec::new(), body: Vec::new() };
        for (name, value) in &request.headers {
            let to = name == "To" && param(value, "tag").is_none();
            match (name.as_str(), tag) {
                ("To", Some(tag)) if to => response.push("To", &format!("{value};tag={tag}")),
                ("Via" | "From" | "To" | "Call-ID" | "CSeq", _) => response.push(name, value),
                _ => {}
            }
        }
        response
    }

    /// Parses one datagram.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadMessage> {
        let start_at = bytes.iter().position(|b| !b"\r\n".contains(b)).unwrap_or(0);
        let bytes = bytes.get(start_at..).unwrap_or_default();
        let end = find(bytes, b"\r\n\r\n").ok_or(BadMessage::NoEnd)?;
        let (head, rest) = bytes.split_at_checked(end).ok_or(BadMessage::NoEnd)?;
        let head = std::str::from_utf8(head).map_err(|_| BadMessage::NotText)?;
        let mut lines = head.split("\r\n");
        let start = parse_start(lines.next().unwrap_or_default())?;
        let headers = parse_headers(lines)?;
        let body = rest.get(4..).unwrap_or_default();
        let mut message = Self { start, headers, body: Vec::new() };
        message.body = message.cut_body(body)?.to_vec();
        message.check_mandatory()?;
        Ok(message)
    }

    /// The wire form. Content-Length is written from the body, whatever was pushed before.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = match &self.start {
            Start::Request { method, uri } => format!("{method} {uri} SIP/2.0\r\n"),
            Start::Response { code, reason } => format!("SIP/2.0 {code} {reason}\r\n"),
        };
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "Content-Length") {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The first value of a header, by its long name, case-insensitive.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All lines of a header, unsplit.
    #[must_use]
    pub fn lines(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        same.map(|(_, v)| v.as_str()).collect()
    }

    /// All values of a header that may be a comma-separated list (Via, Route, Contact ...).
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.lines(name).into_iter().flat_map(split_commas).collect()
    }

    /// Appends a header.
    pub fn push(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Replaces all lines of a header by one, in the place of the first.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(line) => value.clone_into(&mut line.1),
            None => return self.push(name, value),
        }
        let mut first = true;
        self.headers
            .retain(|(n, _)| !n.eq_ignore_ascii_case(name) || std::mem::replace(&mut first, false));
    }

    /// Removes all lines of a header.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Sets a body with its Content-Type.
    pub fn set_body(&mut self, kind: &str, body: &[u8]) {
        self.set("Content-Type", kind);
        self.body = body.to_vec();
    }

    /// Method of a request, else the method that a response answers.
    #[must_use]
    pub fn method(&self) -> &str {
        match &self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.cseq().map_or("", |(_, method)| method),
        }
    }

    /// Request-URI of a request; empty for responses.
    #[must_use]
    pub fn uri(&self) -> &str {
        match &self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => "",
        }
    }

    /// Status code of a response; `None` for requests.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match &self.start {
            Start::Request { .. } => None,
            Start::Response { code, .. } => Some(*code),
        }
    }

    /// Number and method of CSeq.
    #[must_use]
    pub fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("CSeq")?.split_once([' ', '\t'])?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// The topmost Via.
    #[must_use]
    pub fn via(&self) -> Option<&str> {
        self.values("Via").first().copied()
    }

    /// The branch of the topmost Via.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        param(self.via()?, "branch")
    }

    /// The tag of From or To.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        param(self.header(name)?, "tag")
    }

    /// One line for a ladder: `INVITE sip:1002@... (1 INVITE)` or `200 OK (1 INVITE)`.
    #[must_use]
    pub fn summary(&self) -> String {
        let cseq = self.header("CSeq").unwrap_or("no CSeq");
        let body = if self.body.is_empty() { "" } else { " +body" };
        match &self.start {
            Start::Request { method, uri } => format!("{method} {uri} ({cseq}){body}"),
            Start::Response { code, reason } => format!("{code} {reason} ({cseq}){body}"),
        }
    }

    fn cut_body<'b>(&self, body: &'b [u8]) -> Result<&'b [u8], BadMessage> {
        let Some(length) = self.header("Content-Length") else { return Ok(body) };
        let length: usize = length.trim().parse().map_err(|_| BadMessage::ContentLength)?;
        body.get(..length).ok_or(BadMessage::ContentLength)
    }

    fn check_mandatory(&self) -> Result<(), BadMessage> {
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            if self.header(name).is_none() {
                return Err(BadMessage::Mandatory(name));
            }
        }
        let (_, method) = self.cseq().ok_or(BadMessage::Mandatory("CSeq"))?;
        match &self.start {
            Start::Request { method: m, .. } if m != method => Err(BadMessage::Mandatory("CSeq")),
            Start::Request { .. } | Start::Response { .. } => Ok(()),
        }
    }
}

fn parse_start(line: &str) -> Result<Start, BadMessage> {
    let mut words = line.splitn(3, ' ');
    let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let third = words.next().unwrap_or("");
    if first.eq_ignore_ascii_case("SIP/2.0") {
        let code = second.parse().map_err(|_| BadMessage::StartLine)?;
        return match code {
            100..=699 => Ok(Start::Response { code, reason: third.to_owned() }),
            _ => Err(BadMessage::StartLine),
        };
    }
    if first.is_empty() || second.is_empty() || !third.eq_ignore_ascii_case("SIP/2.0") {
        return Err(BadMessage::StartLine);
    }
    Ok(Start::Request { method: first.to_owned(), uri: second.to_owned() })
}

fn parse_headers<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> Result<Vec<(String, String)>, BadMessage> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            // A folded line continues the one before it (RFC 3261 7.3.1).
            let last = headers.last_mut().ok_or(BadMessage::Header)?;
            last.1 = format!("{} {}", last.1, line.trim());
            continue;
        }
        if headers.len() >= HEADERS_MAX {
            return Err(BadMessage::TooManyHeaders);
        }
        let (name, value) = line.split_once(':').ok_or(BadMessage::Header)?;
        headers.push((long_name(name.trim()), value.trim().to_owned()));
    }
    Ok(headers)
}

/// The long form of a header's name (RFC 3261 7.3.3, 20), in the spelling this crate compares with.
fn long_name(name: &str) -> String {
    const SPELLED: [&str; 5] = ["Via", "From", "To", "Call-ID", "CSeq"];
    let long = match name.to_ascii_lowercase().as_str() {
        "v" => "Via",
        "f" => "From",
        "t" => "To",
        "i" => "Call-ID",
        "m" => "Contact",
        "c" => "Content-Type",
        "l" => "Content-Length",
        "k" => "Supported",
        "s" => "Subject",
        "e" => "Content-Encoding",
        "o" => "Event",
        "r" => "Refer-To",
        "x" => "Session-Expires",
        _ => SPELLED.into_iter().find(|s| s.eq_ignore_ascii_case(name)).unwrap_or(name),
    };
    long.to_owned()
}

/// Splits at commas that stand outside quotes and angle brackets.
#[must_use]
pub fn split_commas(value: &str) -> Vec<&str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut quoted, mut escaped, mut bracket) = (false, false, false);
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => bracket = true,
            '>' if !quoted => bracket = false,
            ',' if !quoted && !bracket => {
                parts.push(value.get(from..at).unwrap_or_default().trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value.get(from..).unwrap_or_default().trim());
    parts
}

/// The URI inside `"name" <uri>;params` or `uri;params` (RFC 3261 20.10).
#[must_use]
pub fn address_uri(value: &str) -> &str {
    let skip = quoted_end(value);
    let rest = value.get(skip..).unwrap_or_default();
    match rest.split_once('<').and_then(|(_, inner)| inner.split_once('>')) {
        Some((uri, _)) => uri.trim(),
        None => rest.split(';').next().unwrap_or_default().trim(),
    }
}

/// A parameter of a header's value, behind the angle brackets if there are any. A parameter without
/// a value is the empty text.
#[must_use]
pub fn param<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let skip = quoted_end(value);
    let rest = value.get(skip..)?;
    let rest = rest.split_once('>').map_or(rest, |(_, after)| after);
    uri_param(rest, name)
}

/// A `;name=value` parameter of a URI or of the tail of a header.
#[must_use]
pub fn uri_param<'v>(text: &'v str, name: &str) -> Option<&'v str> {
    text.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The user of a SIP URI; empty when there is none.
#[must_use]
pub fn uri_user(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.split('?').next().unwrap_or_default();
    rest.rsplit_once('@').map_or("", |(user, _)| user.split([':', ';']).next().unwrap_or(""))
}

/// Address and port of a SIP URI whose host is an IP literal; names are not resolved here.
#[must_use]
pub fn uri_socket(uri: &str) -> Option<SocketAddr> {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.split(['?', ';']).next().unwrap_or_default();
    host_socket(rest.rsplit_once('@').map_or(rest, |(_, host)| host))
}

/// `host:port` or `host` with an IP literal; port 5060 when absent.
#[must_use]
pub fn host_socket(host: &str) -> Option<SocketAddr> {
    if let Ok(addr) = host.parse::<SocketAddr>() {
        return Some(addr);
    }
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some(SocketAddr::new(ip, 5060))
}

/// `host:port` of `SIP/2.0/UDP host:port;params`, as `sent-by`.
#[must_use]
pub fn sent_by(via: &str) -> &str {
    let rest = via.trim_start().split_once([' ', '\t']).map_or("", |(_, rest)| rest);
    rest.split(';').next().unwrap_or_default().trim()
}

/// The reason phrase this phone writes.
#[must_use]
pub fn reason(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        420 => "Bad Extension",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Response",
    }
}

fn quoted_end(value: &str) -> usize {
    let trimmed = value.trim_start();
    let lead = value.len() - trimmed.len();
    let Some(inner) = trimmed.strip_prefix('"') else { return 0 };
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return lead + at + 2,
            _ => {}
        }
    }
    0
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:1002@127.0.0.1:5060 SIP/2.0\r\n\
        v: SIP/2.0/UDP 127.0.0.1:6000;rport;branch=z9hG4bKabc, \
        SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\n\
        From: \"A, <quoted> \\\" name;tag=no\" <sip:1001@127.0.0.1;tag=inner>;tag=from1\r\n\
        t: <sip:1002@127.0.0.1>\r\n\
        i: id@host\r\n\
        CSeq: 17\r\n  INVITE\r\n\
        m: <sip:1001@127.0.0.1:6000>\r\n\
        l: 3\r\n\r\nabcdef";

    #[test]
    fn a_request_with_short_names_folds_and_lists() {
        let message = Message::parse(INVITE.as_bytes()).unwrap();
        assert_eq!(message.method(), "INVITE");
        assert_eq!(message.uri(), "sip:1002@127.0.0.1:5060");
        assert_eq!(message.values("Via").len(), 2);
        assert_eq!(message.branch(), Some("z9hG4bKabc"));
        assert_eq!(message.tag("From"), Some("from1"));
        assert_eq!(message.tag("To"), None);
        assert_eq!(message.cseq(), Some((17, "INVITE")));
        assert_eq!(message.body, b"abc");
        assert_eq!(address_uri(message.header("From").unwrap()), "sip:1001@127.0.0.1;tag=inner");
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let mut message = Message::parse(INVITE.as_bytes()).unwrap();
        message.set_body("application/sdp", b"v=0\r\n");
        message.remove("Content-Length");
        message.push("Content-Length", "5");
        assert_eq!(Message::parse(&message.to_bytes()).unwrap(), message);
    }

    #[test]
    fn a_response_copies_what_it_must_and_adds_the_tag_once() {
        let request = Message::parse(INVITE.as_bytes()).unwrap();
        let response = Message::response(180, &request, Some("mine"));
        assert_eq!(response.tag("To"), Some("mine"));
        assert_eq!(response.values("Via"), request.values("Via"));
        assert_eq!(response.header("Contact"), None);
        let again = Message::response(200, &response, Some("other"));
        assert_eq!(again.tag("To"), Some("mine"));
    }

    #[test]
    fn bad_bytes_are_told_apart() {
        let check = |from: &str, to: &str, expect: BadMessage| {
            let text = INVITE.replace(from, to);
            assert_ne!(text, INVITE, "the replacement must hit");
            assert_eq!(Message::parse(text.as_bytes()), Err(expect), "{to}");
        };
        check("\r\n\r\n", "\r\n", BadMessage::NoEnd);
        check("SIP/2.0\r\nv:", "SIP/3.0\r\nv:", BadMessage::StartLine);
        check("l: 3", "l: 7", BadMessage::ContentLength);
        check("l: 3", "l: x", BadMessage::ContentLength);
        check("i: id@host", "no colon here", BadMessage::Header);
        check("i: id@host", "x: y", BadMessage::Mandatory("Call-ID"));
        check("17\r\n  INVITE", "17 BYE", BadMessage::Mandatory("CSeq"));
        assert_eq!(Message::parse(b""), Err(BadMessage::NoEnd));
        assert_eq!(Message::parse(b"SIP/2.0 99 x\r\n\r\n"), Err(BadMessage::StartLine));
        assert_eq!(Message::parse(b"\xff\r\n\r\n"), Err(BadMessage::NotText));
    }

    #[test]
    fn uris_give_user_and_socket() {
        assert_eq!(uri_user("sip:44123;x=1@10.0.0.1:5090;lr"), "44123");
        assert_eq!(uri_user("sip:10.0.0.1"), "");
        assert_eq!(uri_socket("sip:a@10.0.0.1:5090;lr"), "10.0.0.1:5090".parse().ok());
        assert_eq!(uri_socket("sip:10.0.0.1;lr"), "10.0.0.1:5060".parse().ok());
        assert_eq!(uri_socket("sip:a@[::1]"), "[::1]:5060".parse().ok());
        assert_eq!(uri_socket("sip:a@example.org"), None);
    }

    #[test]
    fn set_replaces_all_lines_by_one() {
        let mut message = Message::request("OPTIONS", "sip:x");
        message.push("Route", "a");
        message.push("To", "t");
        message.push("route", "b");
        message.set("Route", "c");
        assert_eq!(message.lines("Route"), vec!["c"]);
        message.remove("ROUTE");
        assert_eq!(message.headers.len(), 1);
    }
}
