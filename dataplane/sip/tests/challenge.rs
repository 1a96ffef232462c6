//! Strangers are answered without state: nobody is asked, nothing is kept, and a nonce proves
//! itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::SocketAddr;

use strowger_link::{Algorithm, Challenge, Key, LegId, SECOND, SlotRef, Tick, Transport};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{
    Admission, Config, Counted, Endpoint, LegKeys, Listener, Output, Path,
};
use strowger_sip::method::Method;

/// Everybody is a stranger; `silent` ones were challenged too often.
struct Strangers {
    challenge: Challenge,
    silent: bool,
}

impl LegKeys for Strangers {
    fn open(&mut self) -> Option<LegId> {
        Some(LegId { slot: SlotRef { seg: 0, idx: 1, r#gen: 0 }, leg: 0 })
    }

    fn close(&mut self, _: LegId) {}

    fn admission(&self, _: &Path, _: Method) -> Admission<'_> {
        let challenge = &self.challenge;
        if self.silent { Admission::Prove(challenge) } else { Admission::Challenge(challenge) }
    }

    fn is_one_party(&self, _: SocketAddr, _: SocketAddr) -> bool {
        false
    }
}

struct Bench {
    endpoint: Endpoint,
    keys: Strangers,
    sent: u32,
}

const PEER: &str = "198.51.100.7:5060";

impl Bench {
    fn new(silent: bool) -> Bench {
        let mut config = Config::new(Key([1; 16]), Key([2; 16]), Nonces::new(Key([3; 16]), 60));
        let local = "192.0.2.1:5060".parse().unwrap();
        config.listeners = vec![Listener { transport: Transport::Udp, local, advertised: local }];
        let algorithms = vec![Algorithm::Sha256, Algorithm::Md5];
        let challenge = Challenge { realm: "r".into(), algorithms, stale: false };
        Bench { endpoint: Endpoint::new(config), keys: Strangers { challenge, silent }, sent: 0 }
    }

    fn request(&mut self, method: &str, nonce: Option<&str>) -> Vec<u8> {
        self.sent += 1;
        let n = self.sent;
        let credentials = nonce.map_or(String::new(), |nonce| {
            format!(
                "Authorization: Digest username=\"u\",realm=\"r\",nonce=\"{nonce}\",\
                 uri=\"sip:r\",response=\"{}\",algorithm=MD5,qop=auth,nc=00000001,cnonce=\"c\"\r\n",
                "0".repeat(32)
            )
        });
        format!(
            "{method} sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bK{n}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:u@r>;tag={n}\r\nTo: <sip:1@r>\r\nCall-ID: c{n}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:u@{PEER}>\r\n{credentials}Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    /// The answer, what was counted, and whether anybody was asked.
    fn take(&mut self, request: &[u8], peer: &str, now: Tick) -> (String, Option<Counted>, bool) {
        let local = "192.0.2.1:5060".parse().unwrap();
        let peer = peer.parse().unwrap();
        let path = Path { listener: 0, transport: Transport::Udp, local, peer, flow: 0 };
        self.endpoint.handle_datagram(request, path, now, &mut self.keys);
        let (mut answer, mut counted, mut asked) = (String::new(), None, false);
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(sent) => answer = String::from_utf8(sent.bytes.to_vec()).unwrap(),
                Output::Counted(what) => counted = Some(what),
                Output::Event(..) | Output::Request(_) => asked = true,
                Output::Upstream(_) | Output::Moved(..) | Output::Name(_) => {}
            }
        }
        (answer, counted, asked)
    }

    fn is_empty(&self) -> bool {
        let endpoint = &self.endpoint;
        (endpoint.transactions(), endpoint.legs(), endpoint.alarms()) == (0, 0, 0)
    }
}

const NOW: Tick = Tick(1_000 * SECOND);

fn nonce_of(answer: &str) -> String {
    answer.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn strangers_are_answered_without_state() {
    let mut bench = Bench::new(false);
    for (method, code, counted) in [
        ("INVITE", "401", Some(Counted::Challenged)),
        ("REGISTER", "401", Some(Counted::Challenged)),
        ("OPTIONS", "200", None),
        ("MESSAGE", "401", Some(Counted::Challenged)),
        ("SUBSCRIBE", "489", Some(Counted::Barred(489))),
        ("PUBLISH", "405", Some(Counted::Barred(405))),
        ("NOTIFY", "481", Some(Counted::NoDialog)),
    ] {
        let request = bench.request(method, None);
        let (answer, what, asked) = bench.take(&request, PEER, NOW);
        assert!(answer.starts_with(&format!("SIP/2.0 {code} ")), "{method}: {answer}");
        assert_eq!((what, asked, bench.is_empty()), (counted, false, true), "{method}");
    }
}

#[test]
fn a_nonce_proves_its_age_and_its_source() {
    let mut bench = Bench::new(false);
    let request = bench.request("INVITE", None);
    let (answer, ..) = bench.take(&request, PEER, NOW);
    let nonce = nonce_of(&answer);
    for (peer, at, expect) in [
        (PEER, NOW.plus_ms(60_000), None),
        ("198.51.100.7:9", NOW.plus_ms(60_000), None),
        (PEER, NOW.plus_ms(60_001), Some((Counted::Stale, true))),
        ("198.51.100.8:5060", NOW, Some((Counted::Challenged, false))),
    ] {
        let request = bench.request("REGISTER", Some(&nonce));
        let (answer, counted, asked) = bench.take(&request, peer, at);
        let Some((what, stale)) = expect else {
            assert!(asked && counted.is_none(), "{peer}");
            continue;
        };
        assert_eq!((counted, asked), (Some(what), false), "{peer}");
        assert_eq!(answer.contains("stale=true"), stale, "{answer}");
        assert_ne!(nonce_of(&answer), nonce);
    }
}

/// Whoever was challenged too often is heard when it proves itself, and not answered else.
#[test]
fn who_must_prove_itself_is_not_challenged() {
    let mut bench = Bench::new(false);
    let request = bench.request("INVITE", None);
    let nonce = nonce_of(&bench.take(&request, PEER, NOW).0);
    bench.keys.silent = true;
    for (nonce, at) in [(None, NOW), (Some("00"), NOW), (Some(&*nonce), NOW.plus_ms(61_000))] {
        let request = bench.request("INVITE", nonce);
        let silence = (String::new(), Some(Counted::Unchallenged), false);
        assert_eq!(bench.take(&request, PEER, at), silence);
    }
    assert!(bench.is_empty());
    let request = bench.request("REGISTER", Some(&nonce));
    assert!(bench.take(&request, PEER, NOW).2);
}

/// The cost of a challenge, all of it: read, judge, hash, write.
#[test]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a figure for who runs it")]
fn a_challenge_costs_little() {
    let mut bench = Bench::new(false);
    let request = bench.request("INVITE", None);
    let mut best_us = f64::MAX;
    for _ in 0..5 {
        let began = std::time::Instant::now();
        for _ in 0..2_000 {
            let (_, counted, _) = bench.take(&request, PEER, NOW);
            assert_eq!(counted, Some(Counted::Challenged));
        }
        best_us = best_us.min(began.elapsed().as_secs_f64() * 1e6 / 2_000.0);
    }
    println!("{best_us:.1} us a challenge");
    assert!(bench.is_empty() && best_us < 200.0, "{best_us} us");
}
