//! The process from outside, without a control plane: whoever connects is told to come again, by
//! whichever transport. Certificates are read again on SIGHUP, and a bad file changes nothing.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and a process runs by the real clock"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use strowger_link::Tick;
use strowger_stream::tls::Client;
use strowger_stream::{Item, Pipe, Role, Times};

const PATIENCE: Duration = Duration::from_secs(30);

/// The program with its directory; both go with this.
struct Running {
    child: Child,
    dir: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        let _gone = std::fs::remove_dir_all(&self.dir);
    }
}

impl Running {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes a new certificate of 127.0.0.1 and its key; gives the certificate, which is its own root.
fn certify(dir: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(dir.join("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem().into_bytes()
}

fn start(dir: &Path, [sip, tls, ws]: [u16; 3]) -> Running {
    let config = format!(
        "sip.listen = [\"127.0.0.1:{sip}\"]\n\
         [[sip.stream]]\nlisten = \"127.0.0.1:{tls}\"\ntransport = \"tls\"\n\
         certificates = [{{ chain = \"chain.pem\", key = \"key.pem\" }}]\n\
         [[sip.stream]]\nlisten = \"127.0.0.1:{ws}\"\ntransport = \"ws\"\n"
    );
    let file = dir.join("strowger.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_strowger-switchd"));
    let child = command.arg("--data").arg(dir).arg("--config").arg(file).spawn().unwrap();
    Running { child, dir: dir.to_owned() }
}

fn connect(port: u16) -> TcpStream {
    let (at, until) = (SocketAddr::from(([127, 0, 0, 1], port)), Instant::now() + PATIENCE);
    loop {
        match TcpStream::connect(at) {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                return stream;
            }
            Err(e) => assert!(Instant::now() < until, "{e}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn options(transport: &str, number: u32) -> String {
    format!(
        "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/{transport} 127.0.0.1:5099;branch=z9hG4bKt{number}\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: c{number}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A client's end of a connection.
struct Peer {
    stream: TcpStream,
    pipe: Pipe,
    began: Instant,
}

impl Peer {
    fn new(port: u16, trust: Option<&[u8]>) -> Peer {
        let (stream, times, now) = (connect(port), Times::default(), Tick(0));
        let pipe = match trust {
            Some(trust) => {
                let client = Client::new(trust, None).unwrap();
                Pipe::tls_client(&client, "127.0.0.1", times, now).unwrap()
            }
            None => Pipe::tcp(Role::Client, times, now),
        };
        Peer { stream, pipe, began: Instant::now() }
    }

    /// Writes and reads once; the next item as text, `None` when the connection is over.
    fn turn(&mut self) -> Option<Option<String>> {
        let now = Tick(u64::try_from(self.began.elapsed().as_nanos()).unwrap());
        if let Some(job) = self.pipe.poll_job() {
            let _over = self.pipe.handle_done(job.run(), now);
        }
        while let Some(bytes) = self.pipe.poll_transmit() {
            let sent = self.stream.write(bytes).ok()?;
            self.pipe.sent(sent, now);
        }
        self.pipe.over().is_none().then_some(())?;
        let mut buffer = [0; 4_096];
        match self.stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(got) => {
                let _over = self.pipe.handle_received(&buffer[..got], now);
            }
            // Nothing came for a second.
            Err(_) => return Some(None),
        }
        Some(self.pipe.poll_message().map(|item| match item {
            Item::Message(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other @ (Item::KeepAlive
            | Item::Pong
            | Item::Refused { .. }
            | Item::Foreign(_)
            | Item::Over(_)) => format!("{other:?}"),
        }))
    }

    /// The first answer; `None` when the connection ends instead.
    fn ask(&mut self, transport: &str) -> Option<String> {
        for number in 0..20 {
            let sent = self.pipe.send(options(transport, number).as_bytes(), Tick(0));
            assert_eq!(sent, Ok(()));
            // A handshake takes some turns; in its first moments a switch says nothing.
            for _ in 0..4 {
                if let Some(answer) = self.turn()? {
                    return Some(answer);
                }
            }
        }
        panic!("no answer by {transport}");
    }
}

fn come_again(peer: &mut Peer, transport: &str) {
    let answer = peer.ask(transport).unwrap_or_else(|| panic!("{transport} ended"));
    let expected =
        format!("SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/{transport} 127.0.0.1:");
    assert!(answer.starts_with(&expected), "{answer}");
}

#[test]
fn every_transport_answers_and_certificates_change_while_it_runs() {
    let dir = std::env::temp_dir().join(format!("strowger-connections-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (old, ports) = (certify(&dir), [free_port(), free_port(), free_port()]);
    let mut running = start(&dir, ports);
    let [sip, tls, ws] = ports;
    let mut tcp = Peer::new(sip, None);
    come_again(&mut tcp, "TCP");
    tcp.pipe.ping(Tick(0)).unwrap();
    assert_eq!(tcp.turn(), Some(Some("Pong".to_owned())));
    let mut first = Peer::new(tls, Some(&old));
    come_again(&mut first, "TLS");
    // A browser's upgrade, and one that does not want SIP: nobody else answers there.
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n";
    for (protocol, begins) in
        [("Sec-WebSocket-Protocol: sip\r\n", "HTTP/1.1 101 "), ("X: y\r\n", "")]
    {
        let mut browser = connect(ws);
        browser.write_all(format!("{upgrade}{protocol}\r\n").as_bytes()).unwrap();
        let mut buffer = [0; 512];
        let got = browser.read(&mut buffer).unwrap();
        let said = String::from_utf8_lossy(&buffer[..got]).into_owned();
        assert!(said.starts_with(begins) && said.is_empty() == begins.is_empty(), "{said}");
    }
    // Another certificate, and then a file that is none.
    let new = certify(&dir);
    running.signal("-HUP");
    let until = Instant::now() + PATIENCE;
    while Peer::new(tls, Some(&new)).ask("TLS").is_none() {
        assert!(Instant::now() < until, "the new certificate is not shown");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(Peer::new(tls, Some(&old)).ask("TLS"), None, "the old one is not trusted any more");
    come_again(&mut first, "TLS");
    std::fs::write(dir.join("key.pem"), "nonsense").unwrap();
    running.signal("-HUP");
    std::thread::sleep(Duration::from_millis(300));
    come_again(&mut Peer::new(tls, Some(&new)), "TLS");
    running.signal("-TERM");
    assert!(running.child.wait().unwrap().success());
}
