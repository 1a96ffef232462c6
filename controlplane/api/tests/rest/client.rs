//! A blocking HTTP client of a few lines, independent of the server's libraries.

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The body of a problem, checked for its shape.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["status"], self.status);
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body}");
        body
    }

    /// The field that a problem names.
    pub(crate) fn field(&self) -> String {
        self.problem()["field"].as_str().unwrap_or_default().to_owned()
    }
}

/// Opens a connection from 127.0.0.`last`.
pub(crate) fn connect(to: SocketAddr, last: u8) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends octets and reads until the server closes; what it said, if anything.
pub(crate) fn raw(stream: &mut TcpStream, request: &[u8]) -> Option<Response> {
    // The server may refuse and close before it has read all.
    let _sent = stream.write_all(request);
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer);
    parse(&String::from_utf8(answer).unwrap())
}

fn parse(text: &str) -> Option<Response> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers = lines.map(header).collect();
    Some(Response { status, headers, body: body.to_owned() })
}

/// One request on a connection of its own.
pub(crate) fn ask(
    to: SocketAddr,
    last: u8,
    method: &str,
    target: &str,
    token: Option<&str>,
) -> Response {
    send((to, last), method, target, token, &[], "")
}

/// One request with headers and a body, from 127.0.0.`last`.
pub(crate) fn send(
    (to, last): (SocketAddr, u8),
    method: &str,
    target: &str,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let token = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    let says_media = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let media = match method {
        _ if body.is_empty() || says_media => "",
        "PATCH" => "Content-Type: application/merge-patch+json\r\n",
        _ => "Content-Type: application/json\r\n",
    };
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {to}\r\n{token}{media}{more}Content-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let response = raw(&mut connect(to, last), request.as_bytes());
    response.unwrap_or_else(|| panic!("no answer to {method} {target}"))
}
