//! The torture messages of RFC 4475, where the corpus is at hand: each is accepted, or refused by
//! the layer and with the answer that the RFC asks for.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use strowger_link::{Algorithm, Challenge, Key, LegId, SlotRef, Tick, Transport};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{Admission, Config, Endpoint, LegKeys, Listener, Output, Path as Way};
use strowger_sip::{Header, Index, Message, Method, Refusal, scan};

/// Who refuses a message; `Nobody`: it is valid, and what becomes of it is its user's matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layer {
    Index,
    Grammar,
    Meaning,
    Nobody,
}

use Layer::{Grammar, Index as Indexed, Meaning, Nobody};

/// What an endpoint sends for each message, which has calls for open sources, wants credentials for
/// REGISTER, and takes no other method outside calls; empty: silence.
///
/// The INVITEs that are fine get their 100 at once. Responses are never answered.
const CASES: [(&str, Layer, &str); 50] = [
    // 3.1.1: valid messages.
    ("WSINV", Nobody, "481 Call/Transaction Does Not Exist"), // its To has a tag
    ("INTMETH", Nobody, "501 Not Implemented"),
    ("ESC01_V", Nobody, "100 Trying"),
    ("ESCNULL_V", Nobody, "401 Unauthorized"),
    ("ESC02_V", Nobody, "501 Not Implemented"), // RE%47IST%45R is not REGISTER
    ("LWSDISP_V", Nobody, "200 OK"),
    ("LONGREQ_V", Nobody, "100 Trying"),
    ("DBLREQ", Nobody, "401 Unauthorized"), // once: the INVITE behind the end is none
    ("SEMIURI_V", Nobody, "200 OK"),
    ("TRANSPORTS_V", Nobody, "200 OK"),
    ("MPART01", Nobody, "405 Method Not Allowed"),
    ("UNREASON_V", Nobody, ""),
    ("NOREASON_V", Nobody, ""),
    // 3.1.2: invalid ones.
    ("BADINV01_I", Grammar, "400 Malformed Via"),
    ("CLERR_I", Indexed, "400 Body Shorter Than Content-Length"),
    ("NCL_I", Indexed, "400 Malformed Content-Length"),
    ("SCALAR02_V", Grammar, "400 Malformed CSeq"),
    ("SCALARLG_V", Grammar, ""),
    ("QUOTBAL_I", Grammar, "400 Malformed To"),
    ("LTGTRURI_I", Indexed, "400 Malformed Request Line"),
    ("LWSRURI_I", Indexed, "400 Malformed Request Line"),
    ("LWSSTART_V", Indexed, "400 Malformed Request Line"),
    ("TRWS_I", Indexed, "400 Malformed Request Line"),
    ("ESCRURI_V", Grammar, "400 Malformed Request-URI"),
    ("BADDATE_V", Grammar, "400 Malformed Date"),
    ("REGBADCT_I", Grammar, "400 Malformed Contact"),
    ("BADASPEC_I", Grammar, "400 Malformed To"),
    ("BADDN_I", Indexed, "400 Header Without End"), // cut short in the corpus; see below
    ("BADVERS_V", Indexed, "505 Version Not Supported"),
    ("MISMATCH01_V", Grammar, "400 Method Differs From CSeq"),
    ("MISMATCH02_V", Grammar, "400 Method Differs From CSeq"),
    ("BIGCODE_V", Indexed, ""),
    // 3.2: transactions.
    ("BADBRANCH_V", Nobody, "200 OK"), // taken for one of RFC 2543
    // 3.3: what users make of them.
    ("INSUF_I", Meaning, "400 Missing From"),
    ("UNKSCM_V", Meaning, "416 Unsupported URI Scheme"),
    ("NOVELSC_V", Meaning, "416 Unsupported URI Scheme"),
    ("UNKSM2_V", Meaning, "416 Unsupported URI Scheme"),
    ("BEXT01_V", Nobody, "420 Bad Extension"),
    ("INVUT_V", Nobody, "415 Unsupported Media Type"),
    ("REGAUT01_V", Nobody, "401 Unauthorized"),
    ("MULTI01_I", Meaning, "400 Repeated CSeq"),
    ("MCL01_I", Meaning, "400 Repeated Content-Length"),
    ("BCAST_V", Nobody, ""),
    ("ZEROMF_V", Nobody, "200 OK"), // it is for us, and goes no further
    ("CPARAM01_V", Nobody, "401 Unauthorized"),
    ("CPARAM02_V", Nobody, "401 Unauthorized"),
    ("REGESCRT_V", Nobody, "401 Unauthorized"),
    ("SDP01_V", Nobody, "406 Not Acceptable"),
    // 3.4: RFC 2543.
    ("INV2543_I", Nobody, "100 Trying"),
    // Beside the RFC's: a request line without a version, and no CSeq that an answer could name.
    ("TEST_I", Indexed, ""),
];

/// `shared/corpora/rfc4475` beside the project or beside one of the folders above it.
fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("shared/corpora/rfc4475")).find(|f| f.is_dir())
}

/// Each message with its case; none where the corpus is not at hand, which is said.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn messages() -> Vec<(&'static str, Layer, &'static str, Vec<u8>)> {
    let Some(corpus) = corpus() else {
        eprintln!("SKIPPED: no shared/corpora/rfc4475 at hand");
        return Vec::new();
    };
    let read = |(name, layer, answer): (&'static str, Layer, &'static str)| {
        (name, layer, answer, std::fs::read(corpus.join(format!("TC_{name}.dat"))).unwrap())
    };
    CASES.map(read).to_vec()
}

/// Who refuses `bytes`, and why.
fn judge(bytes: &[u8]) -> (Layer, Option<Refusal>) {
    let mut index = Index::new();
    let message = match Message::parse(bytes, &mut index) {
        Ok(message) => message,
        Err(refusal) => return (Layer::Index, Some(refusal)),
    };
    match (message.check_syntax(), message.check_meaning()) {
        (Err(refusal), _) => (Layer::Grammar, Some(refusal)),
        (Ok(()), Err(refusal)) => (Layer::Meaning, Some(refusal)),
        (Ok(()), Ok(())) => (Layer::Nobody, None),
    }
}

#[test]
fn every_message_is_judged_as_the_rfc_says() {
    let messages = messages();
    for (name, layer, answer, bytes) in &messages {
        let (refused_by, refusal) = judge(bytes);
        assert_eq!(refused_by, *layer, "{name}: {refusal:?}");
        // The phrase names the fault.
        if let Some(refusal) = refusal.filter(|_| !answer.is_empty()) {
            let (what, which) = refusal.phrase();
            let code = refusal.answer().map_or(0, |status| status.code());
            assert_eq!(format!("{code} {what}{which}"), *answer, "{name}");
        }
    }
    let Some(corpus) = corpus() else { return };
    let verdicts = std::fs::read_to_string(corpus.join("verdicts.tsv")).unwrap();
    let mut judged = 0;
    for line in verdicts.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let case = messages.iter().find(|case| format!("TC_{}.dat", case.0) == columns[0]);
        let (_, layer, ..) = case.unwrap_or_else(|| panic!("{} has no case", columns[0]));
        let parses = matches!(layer, Meaning | Nobody);
        assert_eq!(parses, columns[3] == "Parse", "{line}: {layer:?}");
        judged += 1;
    }
    assert_eq!(judged, CASES.len(), "the corpus has fifty messages");
}

/// The corpus has 3.1.2.15 without the empty line at its end.
#[test]
fn a_display_name_that_is_no_token_is_refused() {
    for (.., bytes) in messages().into_iter().filter(|(name, ..)| *name == "BADDN_I") {
        let whole = [bytes, b"\r\n".to_vec()].concat();
        assert_eq!(judge(&whole), (Grammar, Some(Refusal::Field(Header::From))));
        let sent = answers(&mut endpoint(), &whole, Tick(1)).concat();
        assert!(sent.starts_with("SIP/2.0 400 Malformed From\r\n"), "{sent}");
    }
}

#[test]
fn the_scan_sees_of_valid_messages_what_the_index_sees() {
    for (name, .., bytes) in messages() {
        let (layer, _) = judge(&bytes);
        let scan = scan(&bytes);
        let mut index = Index::new();
        let (Ok(message), Nobody) = (Message::parse(&bytes, &mut index), layer) else { continue };
        let scan = scan.unwrap_or_else(|| panic!("{name} was not scanned"));
        assert_eq!(scan.method, message.method(), "{name}");
        assert_eq!(Ok(scan.call_id), message.call_id(), "{name}");
        assert_eq!(Ok(scan.to_tag), message.to().map(|to| to.tag()), "{name}");
        assert_eq!(Ok(scan.from_tag), message.from().map(|from| from.tag()), "{name}");
        assert_eq!(Ok(scan.branch), message.top_via().map(|via| via.branch()), "{name}");
    }
}

struct Slots {
    opened: u16,
    challenge: Challenge,
}

impl Slots {
    fn new() -> Slots {
        let algorithms = vec![Algorithm::Sha256, Algorithm::Md5];
        let challenge = Challenge { realm: "example.com".into(), algorithms, stale: false };
        Slots { opened: 0, challenge }
    }
}

impl LegKeys for Slots {
    fn open(&mut self) -> Option<LegId> {
        self.opened += 1;
        Some(LegId { slot: SlotRef { seg: 0, idx: self.opened, r#gen: 0 }, leg: 0 })
    }

    fn close(&mut self, _: LegId) {}

    fn admission(&self, _: &Way, method: Method) -> Admission<'_> {
        if method == Method::Register {
            return Admission::Challenge(&self.challenge);
        }
        Admission::Open
    }

    fn is_one_party(&self, _: SocketAddr, _: SocketAddr) -> bool {
        false
    }
}

/// What an endpoint sends for `bytes`.
fn answers(endpoint: &mut Endpoint, bytes: &[u8], now: Tick) -> Vec<String> {
    let address = ([192, 0, 2, 1], 5060).into();
    let peer = ([192, 0, 2, 2], 5060).into();
    let path = Way { listener: 0, transport: Transport::Udp, local: address, peer, flow: 0 };
    endpoint.handle_datagram(bytes, path, now, &mut Slots::new());
    let mut sent = Vec::new();
    while let Some(output) = endpoint.poll_output() {
        if let Output::Transmit(transmit) = output {
            sent.push(String::from_utf8_lossy(&transmit.bytes).into_owned());
        }
    }
    sent
}

fn endpoint() -> Endpoint {
    let mut config = Config::new(Key([1; 16]), Key([2; 16]), Nonces::new(Key([3; 16]), 60));
    let local = ([192, 0, 2, 1], 5060).into();
    config.listeners = vec![Listener { transport: Transport::Udp, local, advertised: local }];
    config.outside = vec![Method::Register];
    Endpoint::new(config)
}

#[test]
fn an_endpoint_answers_as_the_rfc_says() {
    for (name, _, answer, bytes) in messages() {
        let sent = answers(&mut endpoint(), &bytes, Tick(1));
        let lines: Vec<_> = sent.iter().filter_map(|text| text.lines().next()).collect();
        let expected = (!answer.is_empty()).then(|| format!("SIP/2.0 {answer}"));
        assert_eq!(lines, Vec::from_iter(expected), "{name}");
    }
}

#[test]
fn answers_explain_themselves() {
    for (wanted, line) in [
        ("BEXT01_V", "Unsupported: nothingSupportsThis, nothingSupportsThisEither"),
        ("INVUT_V", "Accept: application/sdp"),
        ("MPART01", "Allow: INVITE, ACK"),
        ("BADINV01_I", "Via: SIP/2.0/UDP 192.0.2.15;;,;,,"),
        ("REGAUT01_V", "WWW-Authenticate: Digest realm=\"example.com\""),
    ] {
        for (.., bytes) in messages().into_iter().filter(|(name, ..)| *name == wanted) {
            let sent = answers(&mut endpoint(), &bytes, Tick(1)).concat();
            assert!(sent.lines().any(|l| l.starts_with(line)), "{wanted}: {sent}");
        }
    }
}

#[test]
fn an_endpoint_lives_on_after_all_of_them() {
    let options = b"OPTIONS sip:us SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKo\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:us>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let mut shared = endpoint();
    for (name, .., bytes) in messages() {
        answers(&mut shared, &bytes, Tick(1));
        let sent = answers(&mut shared, options, Tick(1)).concat();
        assert!(sent.starts_with("SIP/2.0 200 OK\r\n"), "{name}: {sent}");
    }
}
