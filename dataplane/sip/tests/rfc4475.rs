//! The torture messages of RFC 4475, where the corpus is at hand: the syntax of each is accepted or
//! refused as the RFC says, and those of section 3.3 get the answer that it asks for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use strowger_link::{Key, LegId, SlotRef, Tick, Transport};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{Admission, Config, Endpoint, LegKeys, Listener, Output, Path as Way};
use strowger_sip::{Index, Message, Method, Refusal, scan};

/// `shared/corpora/rfc4475` beside the project or beside one of the folders above it.
fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("shared/corpora/rfc4475")).find(|f| f.is_dir())
}

/// Index and grammar, without what a message means.
fn syntax(bytes: &[u8]) -> Result<(), Refusal> {
    let mut index = Index::new();
    Message::parse(bytes, &mut index)?.check_syntax()
}

fn meaning(bytes: &[u8]) -> Option<u16> {
    let mut index = Index::new();
    let verdict = Message::parse(bytes, &mut index).and_then(Message::validate);
    verdict.err().and_then(Refusal::answer).map(|status| status.code())
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn every_message_is_judged_as_the_rfc_says() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: no shared/corpora/rfc4475 at hand");
        return;
    };
    let verdicts = std::fs::read_to_string(corpus.join("verdicts.tsv")).unwrap();
    let mut judged = 0;
    for line in verdicts.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let bytes = std::fs::read(corpus.join(columns[0])).unwrap();
        assert_eq!(syntax(&bytes).is_ok(), columns[3] == "Parse", "{line}: {:?}", syntax(&bytes));
        let _ = scan(&bytes);
        judged += 1;
    }
    assert_eq!(judged, 50, "the corpus has fifty messages");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn what_parses_may_still_mean_nothing() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: no shared/corpora/rfc4475 at hand");
        return;
    };
    for (file, answer) in [
        ("TC_INSUF_I.dat", Some(400)),
        ("TC_MULTI01_I.dat", Some(400)),
        ("TC_MCL01_I.dat", Some(400)),
        ("TC_UNKSCM_V.dat", Some(416)),
        ("TC_NOVELSC_V.dat", Some(416)),
        ("TC_UNKSM2_V.dat", Some(416)),
        ("TC_BADBRANCH_V.dat", None),
        ("TC_INV2543_I.dat", None),
        ("TC_WSINV.dat", None),
        ("TC_INTMETH.dat", None),
    ] {
        let bytes = std::fs::read(corpus.join(file)).unwrap();
        assert_eq!(meaning(&bytes), answer, "{file}");
    }
}

struct Slots(u16);

impl LegKeys for Slots {
    fn open(&mut self) -> Option<LegId> {
        self.0 += 1;
        Some(LegId { slot: SlotRef { seg: 0, idx: self.0, r#gen: 0 }, leg: 0 })
    }

    fn close(&mut self, _: LegId) {}

    fn admission(&self, _: &Way, _: Method) -> Admission<'_> {
        Admission::Open
    }

    fn is_one_party(&self, _: SocketAddr, _: SocketAddr) -> bool {
        false
    }
}

/// The status lines of what an endpoint sends for `bytes`.
fn answers(endpoint: &mut Endpoint, bytes: &[u8], now: Tick) -> Vec<String> {
    let address = ([192, 0, 2, 1], 5060).into();
    let peer = ([192, 0, 2, 2], 5060).into();
    let path = Way { listener: 0, transport: Transport::Udp, local: address, peer, flow: 0 };
    endpoint.handle_datagram(bytes, path, now, &mut Slots(0));
    let mut lines = Vec::new();
    while let Some(output) = endpoint.poll_output() {
        if let Output::Transmit(transmit) = output {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            lines.extend(text.lines().next().map(str::to_string));
        }
    }
    lines
}

fn endpoint() -> Endpoint {
    let mut config = Config::new(Key([1; 16]), Key([2; 16]), Nonces::new(Key([3; 16]), 60));
    let local = ([192, 0, 2, 1], 5060).into();
    config.listeners = vec![Listener { transport: Transport::Udp, local, advertised: local }];
    Endpoint::new(config)
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn an_endpoint_answers_as_the_rfc_says_and_lives_on() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: no shared/corpora/rfc4475 at hand");
        return;
    };
    let options = b"OPTIONS sip:us SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKo\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:us>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let mut shared = endpoint();
    let mut files: Vec<_> =
        std::fs::read_dir(&corpus).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "dat")) {
        answers(&mut shared, &std::fs::read(file).unwrap(), Tick(1));
        assert_eq!(answers(&mut shared, options, Tick(1)), ["SIP/2.0 200 OK"], "{file:?}");
    }
    for (file, expected) in [
        ("TC_BEXT01_V.dat", "SIP/2.0 420 Bad Extension"),
        ("TC_INVUT_V.dat", "SIP/2.0 415 Unsupported Media Type"),
        ("TC_SDP01_V.dat", "SIP/2.0 406 Not Acceptable"),
        ("TC_BADVERS_V.dat", "SIP/2.0 505 Version Not Supported"),
        ("TC_UNKSCM_V.dat", "SIP/2.0 416 Unsupported URI Scheme"),
        ("TC_INSUF_I.dat", "SIP/2.0 400 Missing From"),
        ("TC_MCL01_I.dat", "SIP/2.0 400 Repeated Content-Length"),
        ("TC_MISMATCH01_V.dat", "SIP/2.0 400 Method Differs From CSeq"),
        ("TC_MISMATCH02_V.dat", "SIP/2.0 400 Method Differs From CSeq"),
        ("TC_LTGTRURI_I.dat", "SIP/2.0 400 Malformed Request Line"),
        ("TC_CLERR_I.dat", "SIP/2.0 400 Body Shorter Than Content-Length"),
        ("TC_INTMETH.dat", "SIP/2.0 501 Not Implemented"),
        ("TC_ZEROMF_V.dat", "SIP/2.0 200 OK"),
        ("TC_WSINV.dat", "SIP/2.0 481 Call/Transaction Does Not Exist"),
        ("TC_INV2543_I.dat", "SIP/2.0 100 Trying"),
        ("TC_REGAUT01_V.dat", "SIP/2.0 403 Forbidden"),
    ] {
        let bytes = std::fs::read(corpus.join(file)).unwrap();
        assert_eq!(answers(&mut endpoint(), &bytes, Tick(1)), [expected], "{file}");
    }
    for file in ["TC_BCAST_V.dat", "TC_SCALARLG_V.dat", "TC_BIGCODE_V.dat", "TC_NOREASON_V.dat"] {
        let bytes = std::fs::read(corpus.join(file)).unwrap();
        assert!(answers(&mut endpoint(), &bytes, Tick(1)).is_empty(), "{file}");
    }
}
