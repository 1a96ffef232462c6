//! The REST endpoint from the command line: where it is, who asks, one request and its answer.
//!
//! Plain HTTP to an address of this host only: a token must not travel in clear text. From
//! elsewhere, tunnel to it (`ssh -L`).

use crate::Failure;
use crate::keeper::Addresses;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Where REST is when nobody says so.
const SERVER: &str = "127.0.0.1:8080";
/// The variable that says so.
pub(crate) const SERVER_VARIABLE: &str = "STROWGER_SERVER";
/// Longest answer read, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Longest token file, bytes.
const TOKEN_BYTES_MAX: u64 = 1024;
/// Longest request.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same of what goes through a file of a million prices.
const LONG_PATIENCE: Duration = Duration::from_secs(150);
/// Media type of a file that may be anything.
const FILE: &str = "application/octet-stream";

/// Where the endpoint is and who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `HOST:PORT`, or a URL of it.
    pub(crate) server: Option<String>,
    /// File with the token.
    pub(crate) token_file: Option<PathBuf>,
    /// Directory of the data, which knows both.
    pub(crate) data: PathBuf,
}

impl Default for Place {
    fn default() -> Place {
        Place { server: None, token_file: None, data: "data".into() }
    }
}

/// A way to ask.
pub(crate) struct Client {
    runtime: Runtime,
    address: SocketAddr,
    token: String,
}

/// A request beside method and path.
#[derive(Default)]
pub(crate) struct Asked {
    /// More headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Media type and text.
    pub(crate) body: Option<(String, String)>,
    /// A file in place of a text.
    pub(crate) file: Option<Vec<u8>>,
    /// The answer may take long.
    pub(crate) is_long: bool,
}

/// A body that is all there.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let len = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(len).unwrap_or(u64::MAX))
    }
}

/// What came back, of 2xx.
pub(crate) struct Reply {
    /// The version of what is shown, as it stood in `ETag`.
    pub(crate) version: Option<String>,
    /// The body.
    pub(crate) text: String,
}

impl Reply {
    /// The body as JSON; null when there is none.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.text)
            .map_err(|_| Failure::Running("the answer is no JSON: is this Strowger?".into()))
    }
}

/// What the server said no to.
#[derive(Debug)]
pub(crate) struct No {
    /// HTTP status.
    pub(crate) status: u16,
    /// One line for a person.
    pub(crate) why: String,
}

impl From<No> for Failure {
    fn from(no: No) -> Failure {
        Failure::Running(no.why)
    }
}

impl Client {
    /// Finds address and token.
    pub(crate) fn open(place: &Place) -> Result<Client, Failure> {
        let named = place.server.clone().or_else(|| std::env::var(SERVER_VARIABLE).ok());
        let own = || {
            let kept = Addresses::read(&place.data.join("run"));
            kept.map_or_else(|| SERVER.to_owned(), |kept| kept.admin.to_string())
        };
        let address = address(&named.unwrap_or_else(own)).map_err(Failure::Usage)?;
        let default = || place.data.join("admin.token");
        let token = token(&place.token_file.clone().unwrap_or_else(default));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Failure::Running(format!("runtime: {e}")))?;
        Ok(Client { runtime, address, token: token.map_err(Failure::Usage)? })
    }

    /// Asks; `path` begins with a slash and is encoded already. What is no 2xx is a [`No`] inside.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        asked: Asked,
    ) -> Result<Result<Reply, No>, Failure> {
        let what = format!("{method} {path}");
        // Made inside, where there is a clock.
        let patience = if asked.is_long { LONG_PATIENCE } else { PATIENCE };
        let work = async { tokio::time::timeout(patience, self.send(method, path, asked)).await };
        match self.runtime.block_on(work) {
            Ok(Ok(answer)) => Ok(read(&what, answer)),
            Ok(Err(why)) => Err(Failure::Running(format!("{}: {why}", self.address))),
            Err(_) => Err(Failure::Running(format!("{}: no answer in time", self.address))),
        }
    }

    /// As [`Client::ask`], where every no is a failure.
    pub(crate) fn get(&self, path: &str) -> Result<Reply, Failure> {
        Ok(self.ask(Method::GET, path, Asked::default())??)
    }

    async fn send(&self, method: Method, path: &str, asked: Asked) -> Result<Answer, String> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.map_err(|e| format!("{e}; is `strowger up` running?"))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in asked.headers {
            request = request.header(name, value);
        }
        let (media, bytes) = match asked.file {
            Some(file) => (FILE.to_owned(), file),
            None => asked.body.map_or_else(Default::default, |(m, text)| (m, text.into_bytes())),
        };
        if !media.is_empty() {
            request = request.header(CONTENT_TYPE, media);
        }
        let request = request.body(Whole(Some(bytes.into()))).map_err(|e| e.to_string())?;
        let (parts, body) = sender.send_request(request).await.map_err(said)?.into_parts();
        let text = whole(body).await?;
        driver.abort();
        let version = parts.headers.get(ETAG).and_then(|value| value.to_str().ok());
        let version = version.map(str::to_owned);
        Ok(Answer { status: parts.status.as_u16(), version, text })
    }
}

struct Answer {
    status: u16,
    version: Option<String>,
    text: String,
}

fn said(e: hyper::Error) -> String {
    format!("no HTTP: {e}")
}

async fn whole(mut body: Incoming) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(said)?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > ANSWER_BYTES_MAX {
            return Err("the answer is too long; ask for less".into());
        }
        bytes.extend_from_slice(data);
    }
    String::from_utf8(bytes).map_err(|_| "the answer is no text".into())
}

fn read(what: &str, answer: Answer) -> Result<Reply, No> {
    let Answer { status, version, text } = answer;
    if (200..300).contains(&status) {
        return Ok(Reply { version, text });
    }
    Err(No { status, why: format!("{what}: {}", problem(status, &text)) })
}

/// A problem (RFC 9457) in one line, the field first.
fn problem(status: u16, text: &str) -> String {
    let body = serde_json::from_str::<Value>(text).unwrap_or_default();
    let member = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (field, detail, title) = (member("field"), member("detail"), member("title"));
    let title = if title.is_empty() { "no answer of REST" } else { title };
    let mut line = String::new();
    if !field.is_empty() {
        line = format!("{field}: ");
    }
    if !detail.is_empty() {
        line.push_str(detail);
        line.push(' ');
    }
    line + &format!("({status} {title})")
}

/// Reads an address; one that is not of this host is refused, because nothing hides the token.
fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    if text.starts_with("https://") {
        return Err(format!("{text}: TLS is not spoken yet; tunnel to an address of this host"));
    }
    let named = bare.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let parsed = named.as_deref().unwrap_or(bare).parse::<SocketAddr>();
    let address = parsed.map_err(|_| format!("{text}: no ADDRESS:PORT"))?;
    if !address.ip().to_canonical().is_loopback() {
        return Err(format!("{text}: the token would travel in clear text; tunnel to it"));
    }
    Ok(address)
}

/// The first line of a token file.
fn token(file: &Path) -> Result<String, String> {
    use std::io::Read;
    let wrong = |what: &dyn std::fmt::Display| format!("token file {}: {what}", file.display());
    let open = std::fs::File::open(file).map_err(|e| wrong(&e))?;
    let mut text = String::new();
    open.take(TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(|e| wrong(&e))?;
    let token = text.lines().next().unwrap_or_default().trim();
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true if !token.is_empty() => Ok(token.to_owned()),
        true | false => Err(wrong(&"its first line is no token")),
    }
}

/// Percent-encodes what is not unreserved (RFC 3986 section 2.3).
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn addresses_are_of_this_host() {
        for (text, expect) in [
            ("127.0.0.1:8080", Ok("127.0.0.1:8080")),
            ("http://127.0.0.1:8081/", Ok("127.0.0.1:8081")),
            ("http://localhost:80", Ok("127.0.0.1:80")),
            ("[::1]:8080", Ok("[::1]:8080")),
            ("192.0.2.1:8080", Err("192.0.2.1:8080: the token would travel in clear text")),
            ("https://127.0.0.1:1", Err("https://127.0.0.1:1: TLS is not spoken yet")),
            ("8080", Err("8080: no ADDRESS:PORT")),
        ] {
            match (address(text), expect) {
                (Ok(is), Ok(wanted)) => assert_eq!(is.to_string(), wanted),
                (Err(is), Err(wanted)) => assert!(is.starts_with(wanted), "{is}"),
                (is, wanted) => panic!("{text}: {is:?}, not {wanted:?}"),
            }
        }
    }

    #[test]
    fn problems_are_one_line_that_names_the_field() {
        for (text, expect) in [
            (
                r#"{"title":"Bad Request","detail":"is no number","field":"amount"}"#,
                "amount: is no number (400 Bad Request)",
            ),
            (r#"{"title":"Not Found"}"#, "(400 Not Found)"),
            ("<html>", "(400 no answer of REST)"),
        ] {
            assert_eq!(problem(400, text), expect);
        }
    }

    #[test]
    fn a_token_is_the_first_line_of_its_file() {
        let file = std::env::temp_dir().join(format!("strowger-token-{}", std::process::id()));
        std::fs::write(&file, "abc.def\nrest\n").unwrap();
        assert_eq!(token(&file).unwrap(), "abc.def");
        for wrong in ["", "\nabc", "a b", "\u{fc}"] {
            std::fs::write(&file, wrong).unwrap();
            assert!(token(&file).unwrap_err().ends_with("its first line is no token"), "{wrong}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(token(&file).unwrap_err().contains("No such file"));
    }

    /// Answers one request with `answer`; what was asked comes back.
    fn answered(answer: &'static str, run: impl FnOnce(&Client)) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut asked, mut bytes) = (String::new(), [0; 4096]);
            while !asked.contains("\r\n\r\n") {
                let count = stream.read(&mut bytes).unwrap();
                asked.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        run(&Client { runtime, address, token: "secret".into() });
        server.join().unwrap()
    }

    #[test]
    fn a_request_carries_the_token_and_brings_the_version_back() {
        let answer = "HTTP/1.1 200 OK\r\nETag: \"7\"\r\nContent-Length: 9\r\n\r\n{\"id\":1}\n";
        let asked = answered(answer, |client| {
            let body = Some(("application/json".to_owned(), "{}".to_owned()));
            let headers = vec![("If-Match", "\"6\"".to_owned())];
            let reply = client
                .ask(Method::PATCH, "/x", Asked { headers, body, ..Asked::default() })
                .ok()
                .unwrap();
            let reply = reply.unwrap();
            assert_eq!(reply.version.as_deref(), Some("\"7\""));
            assert_eq!(reply.json().ok().unwrap()["id"], 1);
        });
        assert!(asked.starts_with("PATCH /x HTTP/1.1\r\n"), "{asked}");
        for header in ["authorization: Bearer secret", "if-match: \"6\"", "content-length: 2"] {
            assert!(asked.to_lowercase().contains(&header.to_lowercase()), "{header}: {asked}");
        }
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        answered(answer, |client| {
            let no = client.ask(Method::GET, "/y", Asked::default()).ok().unwrap();
            assert_eq!(no.err().unwrap().status, 404);
        });
        answered("nonsense\r\n\r\n", |client| {
            assert!(client.get("/z").is_err());
        });
    }

    #[test]
    fn texts_are_encoded_for_queries() {
        assert_eq!(encoded("a-Z.9_~+ /ü"), "a-Z.9_~%2B%20%2F%C3%BC");
    }
}
