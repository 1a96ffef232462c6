//! A client of TLS that shares nothing with the product: plain `rustls` over a blocking socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use strowger_phone::message::Message;

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A port of the system's choice that nobody has just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One connection.
pub(crate) struct Tls {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// What came and is no whole message yet.
    rest: Vec<u8>,
}

impl Tls {
    /// Shakes hands with a server that must be `name` and be vouched for by `trust`, PEM. `None` =
    /// it does not listen, or is not that one.
    pub(crate) fn connect(to: SocketAddr, name: &str, trust: &str) -> Option<Tls> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(trust.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut tcp = TcpStream::connect(to).ok()?;
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut tcp).ok()?;
        }
        Some(Tls { stream: StreamOwned::new(session, tcp), rest: Vec::new() })
    }

    /// Its own end.
    pub(crate) fn local(&self) -> SocketAddr {
        self.stream.sock.local_addr().unwrap()
    }

    /// The certificate that the server showed, DER.
    pub(crate) fn shown(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().unwrap()[0].to_vec()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// All that comes until the server ends the connection, as text.
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut bytes = std::mem::take(&mut self.rest);
        // A server that closes without saying so under TLS has said all before.
        let _ended = self.stream.read_to_end(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    /// The next SIP message; `None` when none comes in time or the connection is over.
    pub(crate) fn message(&mut self) -> Option<Message> {
        next_message(&mut self.stream, &mut self.rest)
    }

    /// From here on SIP goes in frames of a WebSocket.
    pub(crate) fn upgrade(mut self, name: &str) -> Web {
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: {name}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: sip\r\n\r\n"
        );
        self.send(upgrade.as_bytes());
        let mut buffer = [0; 4_096];
        let got = self.stream.read(&mut buffer).unwrap();
        let said = String::from_utf8_lossy(&buffer[..got]).into_owned();
        assert!(said.starts_with("HTTP/1.1 101 ") && said.ends_with("\r\n\r\n"), "{said}");
        Web(self)
    }

    /// Sends an OPTIONS and gives the status of its answer.
    pub(crate) fn options(&mut self, number: u32) -> Option<u16> {
        let text = format!(
            "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/TLS {};branch=z9hG4bKo{number};rport\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: o{number}\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.local()
        );
        self.stream.write_all(text.as_bytes()).ok()?;
        self.message()?.code()
    }
}

/// A browser's end of a WebSocket under TLS (RFC 6455, RFC 7118).
pub(crate) struct Web(Tls);

impl Web {
    /// One message in one frame of text, masked with zeros.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let mut frame = vec![0x81];
        match u8::try_from(bytes.len()).ok().filter(|len| *len < 126) {
            Some(len) => frame.push(0x80 | len),
            None => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend_from_slice(bytes);
        self.0.send(&frame);
    }

    /// As [`Tls::message`].
    pub(crate) fn message(&mut self) -> Option<Message> {
        let Tls { stream, rest } = &mut self.0;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some((at, len)) = frame(rest) {
                let bytes: Vec<u8> = rest.drain(..at + len).skip(at).collect();
                if let Ok(message) = Message::parse(&bytes) {
                    return Some(message);
                }
                continue;
            }
            if Instant::now() > until || !read_more(stream, rest) {
                return None;
            }
        }
    }
}

/// Where the content of the first frame begins, and its length, if it is whole.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (at, len) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        len => (2, usize::from(len)),
    };
    (bytes.len() >= at + len).then_some((at, len))
}

/// Reads once; false = the end, or nothing in time.
fn read_more(stream: &mut impl Read, rest: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(got) => {
                rest.extend_from_slice(&buffer[..got]);
                return got > 0;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// The next SIP message of a stream; `None` when none comes in time or it is over.
pub(crate) fn next_message(stream: &mut impl Read, rest: &mut Vec<u8>) -> Option<Message> {
    let until = Instant::now() + PATIENCE;
    loop {
        while rest.starts_with(b"\r\n") {
            rest.drain(..2);
        }
        if let Some(len) = whole(rest) {
            let bytes: Vec<u8> = rest.drain(..len).collect();
            return Some(Message::parse(&bytes).unwrap());
        }
        if Instant::now() > until || !read_more(stream, rest) {
            return None;
        }
    }
}

/// Bytes of the first message, if it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let len = field("content-length:").or_else(|| field("l:"));
    let len: usize = len.map_or(0, |value| value.trim().parse().unwrap());
    (bytes.len() >= head + len).then_some(head + len)
}
