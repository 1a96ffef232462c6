//! The torture messages of RFC 4475 sent to the running product, where the corpus is at hand: each
//! is answered as the RFC asks, a stranger's and a trunk's, and the product answers on.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rows::set;
use crate::talk::SOON;

/// In which what is not answered would have been.
const SILENCE: Duration = Duration::from_millis(60);
/// Any final refusal of a call that was taken: its number is nobody's here.
const TAKEN: u16 = 0;

/// What a stranger is answered, and what a trunk; nothing: silence. Where both lists are equal, the
/// message is refused before anybody asks who sent it.
const CASES: [(&str, &[u16], &[u16]); 50] = [
    // 3.1.1: valid messages.
    ("WSINV", &[481], &[481]), // its To has a tag
    ("INTMETH", &[501], &[501]),
    ("ESC01_V", &[401], &[100, TAKEN]),
    ("ESCNULL_V", &[401], &[401]),
    ("ESC02_V", &[501], &[501]),
    ("LWSDISP_V", &[200], &[200]),
    ("LONGREQ_V", &[401], &[100, TAKEN]),
    ("DBLREQ", &[401], &[401]),
    ("SEMIURI_V", &[200], &[200]),
    ("TRANSPORTS_V", &[200], &[200]),
    ("MPART01", &[401], &[401]),
    ("UNREASON_V", &[], &[]),
    ("NOREASON_V", &[], &[]),
    // 3.1.2: invalid ones.
    ("BADINV01_I", &[400], &[400]),
    ("CLERR_I", &[400], &[400]),
    ("NCL_I", &[400], &[400]),
    // Its 400 repeats a CSeq that this phone cannot read either: `rfc4475.rs` has the answer.
    ("SCALAR02_V", &[], &[]),
    ("SCALARLG_V", &[], &[]),
    ("QUOTBAL_I", &[400], &[400]),
    ("LTGTRURI_I", &[400], &[400]),
    ("LWSRURI_I", &[400], &[400]),
    ("LWSSTART_V", &[400], &[400]),
    ("TRWS_I", &[400], &[400]),
    ("ESCRURI_V", &[400], &[400]),
    ("BADDATE_V", &[400], &[400]),
    ("REGBADCT_I", &[400], &[400]),
    ("BADASPEC_I", &[400], &[400]),
    ("BADDN_I", &[400], &[400]),
    ("BADVERS_V", &[505], &[505]),
    ("MISMATCH01_V", &[400], &[400]),
    ("MISMATCH02_V", &[400], &[400]),
    ("BIGCODE_V", &[], &[]),
    // 3.2: transactions.
    ("BADBRANCH_V", &[200], &[200]),
    // 3.3: what users make of them.
    // No Call-ID to know its answer by: `rfc4475.rs` has it.
    ("INSUF_I", &[], &[]),
    ("UNKSCM_V", &[416], &[416]),
    ("NOVELSC_V", &[416], &[416]),
    ("UNKSM2_V", &[416], &[416]),
    ("BEXT01_V", &[420], &[420]),
    ("INVUT_V", &[401], &[415]),
    ("REGAUT01_V", &[401], &[401]),
    ("MULTI01_I", &[400], &[400]),
    ("MCL01_I", &[400], &[400]),
    ("BCAST_V", &[], &[]),
    ("ZEROMF_V", &[200], &[200]),
    ("CPARAM01_V", &[401], &[401]),
    ("CPARAM02_V", &[401], &[401]),
    ("REGESCRT_V", &[401], &[401]),
    ("SDP01_V", &[401], &[406]),
    // 3.4: RFC 2543.
    ("INV2543_I", &[401], &[100, TAKEN]),
    // Beside the RFC's: no version, and no CSeq that an answer could name.
    ("TEST_I", &[], &[]),
];

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("shared/corpora/rfc4475")).find(|f| f.is_dir())
}

/// A peer on an address of its own, with the default ports of SIP and of SIP over TLS: there go the
/// answers of messages that name a host without a port.
struct Peer {
    sockets: [UdpSocket; 2],
    server: SocketAddr,
    asked: u32,
}

impl Peer {
    fn new(demo: &Demo) -> Peer {
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 99, high, low.max(1));
        let sockets = [5_060, 5_061].map(|port| UdpSocket::bind((address, port)).unwrap());
        for socket in &sockets {
            socket.set_nonblocking(true).unwrap();
        }
        Peer { sockets, server: demo.sip, asked: 0 }
    }

    fn address(&self) -> SocketAddr {
        self.sockets[0].local_addr().unwrap()
    }

    fn send(&self, bytes: &[u8]) {
        self.sockets[0].send_to(bytes, self.server).unwrap();
    }

    /// What comes, until `is_done` or the time is over.
    fn hear(&self, within: Duration, is_done: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let (deadline, mut heard) = (Instant::now() + within, Vec::new());
        let mut buffer = vec![0; 65_535];
        while Instant::now() < deadline && !is_done(&heard) {
            let lengths = self.sockets.iter().filter_map(|socket| socket.recv(&mut buffer).ok());
            let Some(length) = lengths.into_iter().next() else {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            };
            // What answers a message that lacks a field cannot repeat it, and is no good message.
            heard.extend(Message::parse(&buffer[..length]));
        }
        heard
    }

    /// The codes of what comes back for a message that is answered so often, without repetitions;
    /// failures of INVITEs are acknowledged.
    fn ask(&self, bytes: &[u8], answers: usize) -> Vec<u16> {
        self.send(bytes);
        let call_id = call_id(bytes);
        let ours = |message: &Message| message.header("Call-ID") == Some(&call_id);
        let codes = |heard: &[Message]| {
            let ours = heard.iter().filter(|message| ours(message));
            let mut codes: Vec<u16> = ours.filter_map(Message::code).collect();
            codes.dedup();
            codes
        };
        let mut heard = self.hear(SOON, |heard| codes(heard).len() >= answers);
        heard.extend(self.hear(SILENCE, |_| false));
        for message in heard.iter().filter(|message| ours(message)) {
            if message.cseq().is_some_and(|(_, method)| method == "INVITE")
                && message.code().is_some_and(|code| code >= 300)
            {
                self.send(&ack(message));
            }
        }
        codes(&heard)
    }

    /// Whether the product still answers.
    fn is_answered(&mut self) -> bool {
        self.asked += 1;
        let (me, n) = (self.address(), self.asked);
        let options = format!(
            "OPTIONS sip:us SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKt{n}\r\n\
             From: <sip:a@{me}>;tag=1\r\nTo: <sip:us>\r\nCall-ID: alive-{n}@{me}\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        self.ask(options.as_bytes(), 1) == [200]
    }
}

/// The value of Call-ID, in whatever form the message has it.
fn call_id(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n ", " ");
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let is_call_id = |name: &str| ["call-id", "i"].contains(&name.trim().to_lowercase().as_str());
    let value = fields.find(|(name, _)| is_call_id(name)).map(|(_, value)| value);
    value.unwrap_or_default().trim().to_owned()
}

/// The ACK of a failure, by what it says itself.
fn ack(failure: &Message) -> Vec<u8> {
    let via = failure.lines("Via").first().copied().unwrap_or_default();
    let via = via.split(";received=").next().unwrap_or_default();
    let [from, to, call_id] = ["From", "To", "Call-ID"].map(|name| failure.header(name).unwrap());
    let number = failure.cseq().unwrap().0;
    format!(
        "ACK sip:user@example.com SIP/2.0\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\n\
         Call-ID: {call_id}\r\nCSeq: {number} ACK\r\nMax-Forwards: 70\r\n\r\n"
    )
    .into_bytes()
}

/// Sends all messages, each with a look at whether the product lives.
fn torture(demo: &Demo, peer: &mut Peer, folder: &Path, is_trunk: bool) {
    let mut wrong = Vec::new();
    for (name, stranger, trunk) in CASES {
        let bytes = std::fs::read(folder.join(format!("TC_{name}.dat"))).unwrap();
        let expected = if is_trunk { trunk } else { stranger };
        let codes = peer.ask(&bytes, expected.len());
        let fits = |(code, wanted): (&u16, &u16)| match *wanted {
            TAKEN => (402..700).contains(code),
            wanted => *code == wanted,
        };
        if codes.len() != expected.len() || !codes.iter().zip(expected).all(fits) {
            wrong.push(format!("{name}: {codes:?}, not {expected:?}"));
        }
        if !peer.is_answered() {
            wrong.push(format!("after {name} an OPTIONS is not answered"));
        }
    }
    assert!(wrong.is_empty(), "a trunk: {is_trunk}\n{}\n{}", wrong.join("\n"), demo.log());
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn torture_messages_are_answered_as_the_rfc_says() {
    let Some(folder) = corpus() else {
        eprintln!("SKIPPED: no shared/corpora/rfc4475 at hand");
        return;
    };
    let home = Home::new();
    let demo = Demo::start(&home);
    let planes = demo.planes();
    let mut peer = Peer::new(&demo);
    torture(&demo, &mut peer, &folder, false);
    let at = peer.address();
    let source = json!({"network": format!("{}/32", at.ip()), "port": at.port()});
    set(&demo, "trunks/1", &json!({"ingress": {"sources": [source]}}));
    torture(&demo, &mut peer, &folder, true);
    assert_eq!(demo.planes(), planes, "a plane was started again\n{}", demo.log());
    assert_tidy(&demo);
    demo.stop();
}
