//! The upgrade of an HTTP/1.1 connection to WebSocket, both sides: RFC 6455 4, RFC 7118 4.
//!
//! Strict where it takes part: what claims to become SIP over WebSocket must do it by the letter.
//! What claims nothing of that kind is somebody else's and handed on as it came.

use super::base64;
use crate::limits::{HTTP_FIELDS_MAX, HTTP_HEAD_LEN_MAX};
use memchr::{memchr, memmem};
use ring::digest;

/// RFC 6455 1.3: what is hashed behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Letters of the proof that a server has understood.
const PROOF_LEN: usize = 28;
/// RFC 7118 4.1.
const SUBPROTOCOL: &[u8] = b"sip";

/// Who may open a SIP WebSocket.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Policy {
    /// Origins that browsers may come from, as `https://example.com`; empty = every one. Who names
    /// no origin is no browser, and the list protects only browsers' users (RFC 6455 10.2).
    pub origins: Vec<Box<str>>,
}

/// What a server makes of the begin of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    More,
    /// No upgrade to SIP over WebSocket.
    Foreign,
    /// An upgrade of so many bytes, with the proof for the answer.
    Accept(usize, [u8; PROOF_LEN]),
    /// It would be one, but is wrong or not allowed.
    Refuse(Status),
}

/// Why an upgrade is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    BadRequest,
    Forbidden,
    UpgradeRequired,
}

impl Status {
    /// The whole answer.
    pub(crate) const fn response(self) -> &'static [u8] {
        match self {
            Status::BadRequest => {
                b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            }
            Status::Forbidden => {
                b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            }
            Status::UpgradeRequired => {
                b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\
                  Connection: close\r\nContent-Length: 0\r\n\r\n"
            }
        }
    }
}

/// What a request's or an answer's fields say.
#[derive(Default)]
struct Fields<'a> {
    hosts: usize,
    upgrade: bool,
    connection: bool,
    keys: usize,
    key: &'a [u8],
    proof: &'a [u8],
    version: &'a [u8],
    sip: bool,
    extensions: bool,
    origin: Option<&'a [u8]>,
    /// A line that is no field, a body, or too many fields.
    wrong: bool,
}

/// Judges the begin of a connection that somebody made to us.
pub(crate) fn judge(bytes: &[u8], policy: &Policy) -> Verdict {
    const METHOD: &[u8] = b"GET ";
    let begun = bytes.len().min(METHOD.len());
    if bytes.get(..begun) != METHOD.get(..begun) {
        return Verdict::Foreign;
    }
    let Some(len) = head_len(bytes) else {
        let longer = bytes.len() > HTTP_HEAD_LEN_MAX;
        return if longer { Verdict::Foreign } else { Verdict::More };
    };
    let head = bytes.get(..len).unwrap_or_default();
    let Some((line, fields)) = head_parts(head) else { return Verdict::Foreign };
    if len > HTTP_HEAD_LEN_MAX || !line.ends_with(b" HTTP/1.1") {
        return Verdict::Foreign;
    }
    let fields = Fields::read(fields);
    if !fields.upgrade || !fields.sip {
        return Verdict::Foreign;
    }
    match fields.refusal(policy) {
        Some(status) => Verdict::Refuse(status),
        None => Verdict::Accept(len, proof(fields.key)),
    }
}

/// Our answer to an upgrade that we take.
pub(crate) fn response(proof: &[u8; PROOF_LEN]) -> Vec<u8> {
    let begin =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Accept: ";
    [&begin[..], proof, b"\r\n\r\n"].concat()
}

/// Our own upgrade, and what proves that it was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) text: Vec<u8>,
    proof: [u8; PROOF_LEN],
}

impl Request {
    /// `nonce` must be random; `host` is the authority that is called, `example.com:443`.
    pub(crate) fn new(host: &str, path: &str, nonce: [u8; 16]) -> Request {
        let key: [u8; 24] = base64::encode(&nonce);
        let text = [
            b"GET ",
            path.as_bytes(),
            b" HTTP/1.1\r\nHost: ",
            host.as_bytes(),
            b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Key: ",
            &key,
            b"\r\n\r\n",
        ];
        Request { text: text.concat(), proof: proof(&key) }
    }

    /// Length of the answer, if it is one that takes the upgrade; None = it is not whole.
    ///
    /// # Errors
    /// The upgrade was refused, or misunderstood.
    pub(crate) fn judge(&self, bytes: &[u8]) -> Result<Option<usize>, ()> {
        let Some(len) = head_len(bytes) else {
            return if bytes.len() > HTTP_HEAD_LEN_MAX { Err(()) } else { Ok(None) };
        };
        let (line, fields) = head_parts(bytes.get(..len).unwrap_or_default()).ok_or(())?;
        let fields = Fields::read(fields);
        let right = line.starts_with(b"HTTP/1.1 101")
            && fields.upgrade
            && fields.connection
            && fields.sip
            && !fields.extensions
            && !fields.wrong
            && fields.proof == self.proof;
        if right { Ok(Some(len)) } else { Err(()) }
    }
}

fn proof(key: &[u8]) -> [u8; PROOF_LEN] {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(GUID);
    base64::encode(hash.finish().as_ref())
}

fn head_len(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// The first line, and the lines of the fields, each with its CRLF.
fn head_parts(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memmem::find(head, b"\r\n")?;
    Some((head.get(..end)?, head.get(end + 2..head.len().checked_sub(2)?)?))
}

impl<'a> Fields<'a> {
    fn read(mut lines: &'a [u8]) -> Fields<'a> {
        let mut fields = Fields::default();
        for _ in 0..HTTP_FIELDS_MAX {
            if lines.is_empty() {
                return fields;
            }
            let Some(end) = memmem::find(lines, b"\r\n") else { break };
            let (line, rest) = (lines.get(..end), lines.get(end + 2..));
            lines = rest.unwrap_or_default();
            if fields.take(line.unwrap_or_default()).is_none() {
                break;
            }
        }
        fields.wrong = true;
        fields
    }

    /// None = this is no field.
    fn take(&mut self, line: &'a [u8]) -> Option<()> {
        let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
        let value = value.get(1..)?.trim_ascii();
        let sound = !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
        if !sound || value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return None;
        }
        match name.to_ascii_lowercase().as_slice() {
            b"host" => self.hosts += 1,
            b"upgrade" => self.upgrade |= has_word(value, b"websocket"),
            b"connection" => self.connection |= has_word(value, b"upgrade"),
            b"sec-websocket-key" => (self.keys, self.key) = (self.keys + 1, value),
            b"sec-websocket-accept" => self.proof = value,
            b"sec-websocket-version" => self.version = value,
            b"sec-websocket-protocol" => self.sip |= words(value).any(|word| word == SUBPROTOCOL),
            b"sec-websocket-extensions" => self.extensions = true,
            b"origin" => self.origin = Some(value),
            b"content-length" => self.wrong |= value != b"0",
            b"transfer-encoding" => self.wrong = true,
            _ => {}
        }
        Some(())
    }

    /// RFC 6455 4.2.1 and 4.2.2.
    fn refusal(&self, policy: &Policy) -> Option<Status> {
        let sound = self.hosts == 1 && self.connection && self.keys == 1 && !self.wrong;
        if !sound || !base64::is_of_16_bytes(self.key) {
            return Some(Status::BadRequest);
        }
        if self.version != b"13" {
            return Some(Status::UpgradeRequired);
        }
        let allowed = |origin: &[u8]| {
            policy.origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin))
        };
        let stranger = self.origin.is_some_and(|origin| !allowed(origin));
        (stranger && !policy.origins.is_empty()).then_some(Status::Forbidden)
    }
}

/// The elements of a list, RFC 9110 5.6.1.
fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}

fn has_word(list: &[u8], word: &[u8]) -> bool {
    words(list).any(|one| one.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 1.3, for SIP.
    const GOOD: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, sip\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    const PROOF: &[u8; PROOF_LEN] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn check(text: &str, expect: Verdict) {
        let policy = Policy { origins: vec!["https://a".into(), "http://example.com".into()] };
        assert_eq!(judge(text.as_bytes(), &policy), expect, "{text}");
    }

    /// The good request with one thing other.
    fn but(from: &str, to: &str, expect: Verdict) {
        assert!(GOOD.contains(from), "{from}");
        check(&GOOD.replacen(from, to, 1), expect);
    }

    #[test]
    fn an_upgrade_is_taken_with_the_proof_of_the_rfc() {
        check(GOOD, Verdict::Accept(GOOD.len(), *PROOF));
        check(&format!("{GOOD}more"), Verdict::Accept(GOOD.len(), *PROOF));
        let accept = Verdict::Accept(GOOD.len() - "Origin: http://example.com\r\n".len(), *PROOF);
        but("Origin: http://example.com\r\n", "", accept);
        but("Upgrade: websocket", "UPGRADE:WebSocket", Verdict::Accept(GOOD.len() - 1, *PROOF));
        for len in 0..GOOD.len() {
            check(&GOOD[..len], Verdict::More);
        }
    }

    #[test]
    fn what_is_no_upgrade_to_sip_is_somebody_elses() {
        for text in ["POST /x", "HEAD", "INVITE sip:", "get ", "\r\n", "\x16\x03", "GEX"] {
            check(text, Verdict::Foreign);
        }
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Verdict::Foreign);
        check("GET / HTTP/1.1\r\n\r\n", Verdict::Foreign);
        check(&format!("GET /{} ", "x".repeat(HTTP_HEAD_LEN_MAX)), Verdict::Foreign);
        but("HTTP/1.1", "HTTP/1.0", Verdict::Foreign);
        but("chat, sip", "chat, sips", Verdict::Foreign);
        but("Upgrade: websocket", "Upgrade: h2c", Verdict::Foreign);
    }

    #[test]
    fn what_would_be_an_upgrade_and_is_wrong_is_refused() {
        let bad = Verdict::Refuse(Status::BadRequest);
        but("Host: server.example.com\r\n", "", bad);
        but("Host: server.example.com\r\n", "Host: a\r\nHost: b\r\n", bad);
        but("keep-alive, Upgrade", "keep-alive", bad);
        but("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", bad);
        but(
            "Sec-WebSocket-Key:",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key:",
            bad,
        );
        but("Sec-WebSocket-Version: 13", "Content-Length: 3\r\nSec-WebSocket-Version: 13", bad);
        but("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 13\r\n folded\r\n", bad);
        but("Version: 13\r\n", "Version: 13\r\nA b: c\r\n", bad);
        let many = "A: b\r\n".repeat(HTTP_FIELDS_MAX);
        but("Version: 13\r\n", &format!("Version: 13\r\n{many}"), bad);
        but("Version: 13", "Version: 8", Verdict::Refuse(Status::UpgradeRequired));
        but("http://example.com", "http://evil.example", Verdict::Refuse(Status::Forbidden));
        but("http://example.com", "null", Verdict::Refuse(Status::Forbidden));
    }

    #[test]
    fn without_a_list_every_origin_is_welcome() {
        let any = judge(GOOD.as_bytes(), &Policy::default());
        assert_eq!(any, Verdict::Accept(GOOD.len(), *PROOF));
    }

    #[test]
    fn our_own_request_is_taken_by_us_and_its_answer_too() {
        let request = Request::new("example.com:443", "/ws", [7; 16]);
        let verdict = judge(&request.text, &Policy::default());
        let Verdict::Accept(len, proof) = verdict else { panic!("{verdict:?}") };
        assert_eq!(len, request.text.len());
        let answer = response(&proof);
        assert_eq!(request.judge(&answer), Ok(Some(answer.len())));
        assert_eq!(request.judge(&answer[..answer.len() - 1]), Ok(None));
        assert_eq!(Request::new("h", "/", [8; 16]).judge(&answer), Err(()));
        let other = String::from_utf8(answer).unwrap().replace("101", "200");
        assert_eq!(request.judge(other.as_bytes()), Err(()));
        let extended = other
            .replace("200", "101")
            .replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n");
        assert_eq!(request.judge(extended.as_bytes()), Err(()));
        assert_eq!(request.judge(Status::Forbidden.response()), Err(()));
    }
}
