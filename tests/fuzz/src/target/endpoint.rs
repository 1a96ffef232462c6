//! The SIP endpoint under a script of datagrams, commands and waits: it never panics, sends only
//! messages that are valid, never spins, has no alarm without an owner, and is empty in the end.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use strowger_leg::{Body, Command, Event, Invite, Part};
use strowger_link::codec::decode;
use strowger_link::{Branch, Cause, Key, LegId, SECOND, SlotRef, Tick, Transport};
use strowger_sip::build::{Reply, Writer};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{Admission, Config, Endpoint, LegKeys, Listener, Output, Path};
use strowger_sip::{Header, Index, Message, Method, Refusal, Status};

use super::Target;
use super::link::lucky;
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "endpoint", run, seeds, words: WORDS };

/// Between the steps of a script.
pub(super) const STEP_END: u8 = 0x1e;
pub(super) const STEPS_MAX: usize = 48;
/// The most effects of one step.
const OUTPUTS_MAX: usize = 256;

pub(super) const WORDS: &[&[u8]] = &[
    b"\x1e~w\x08",
    b"\x1e~w\xff",
    b"\x1e~r",
    b"\x1e~a",
    b"\x1e~h",
    b"\x1e~o",
    b"\x1e~y",
    b"\x1e~n",
    b"\x1e~i",
    b"\x1e~u",
    b"\x1e~s100",
    b"\x1e~s180",
    b"\x1e~s200@+",
    b"\x1e~s183+",
    b"\x1e~s200+",
    b"\x1e~s200",
    b"\x1e~s302",
    b"\x1e~s401",
    b"\x1e~s422",
    b"\x1e~s487",
    b"\x1e~s491",
    b";tag=$T",
    b"Require: 100rel\r\n",
    b"Supported: timer\r\nSession-Expires: 90;refresher=uac\r\nMin-SE: 90\r\n",
    b"Replaces: x;to-tag=a;from-tag=b\r\n",
    b"Content-Type: application/sdp\r\n",
];

pub(super) const TOKEN_KEY: Key = Key([5; 16]);
pub(super) const CHANCE: Key = Key([7; 16]);
const SDP: &[u8] = b"v=0\r\n";

/// One leg per INVITE, up to a few.
pub(super) struct Keys {
    pub(super) opened: Vec<LegId>,
}

const LEGS_MAX: u16 = 6;

pub(super) fn leg(idx: u16) -> LegId {
    LegId { slot: SlotRef { seg: 1, idx, r#gen: 1 }, leg: 0 }
}

impl LegKeys for Keys {
    fn open(&mut self) -> Option<LegId> {
        let next = self.opened.len() as u16;
        (next < LEGS_MAX).then(|| {
            self.opened.push(leg(next));
            leg(next)
        })
    }

    fn close(&mut self, leg: LegId) {
        assert_eq!(self.opened.last(), Some(&leg), "gives back what it did not open");
        self.opened.pop();
    }

    fn admission(&self, _: &Path, _: Method) -> Admission<'_> {
        Admission::Open
    }

    fn is_one_party(&self, _: SocketAddr, _: SocketAddr) -> bool {
        false
    }
}

pub(super) struct Bench {
    pub(super) endpoint: Endpoint,
    pub(super) keys: Keys,
    /// Legs that ended or came to nothing.
    over: BTreeSet<LegId>,
    path: Path,
    pub(super) now: Tick,
    /// Our last request, and our tag in our last response.
    request: Option<Arc<[u8]>>,
    tag: Vec<u8>,
    /// Whether what is sent must be valid, or may repeat faults of a damaged image.
    pub(super) strict: bool,
    pub(super) shape: Shape,
}

fn run(input: &[u8]) -> Shape {
    let mut bench = Bench::new(CHANCE);
    for step in input.split(|byte| *byte == STEP_END).take(STEPS_MAX) {
        bench.step(step);
        bench.drain();
    }
    bench.wind_up();
    bench.shape
}

impl Bench {
    pub(super) fn new(chance_key: Key) -> Bench {
        let (local, peer) = ([192, 0, 2, 1], [192, 0, 2, 10]);
        let (local, peer) = (SocketAddr::from((local, 5_060)), SocketAddr::from((peer, 5_060)));
        let transport = Transport::Udp;
        let nonces = Nonces::new(Key([9; 16]), 60);
        let mut config = Config::new(TOKEN_KEY, chance_key, nonces);
        config.listeners = vec![Listener { transport, local, advertised: local }];
        config.transactions_max = 32;
        Bench {
            endpoint: Endpoint::new(config),
            keys: Keys { opened: Vec::new() },
            over: BTreeSet::new(),
            path: Path { listener: 0, transport, local, peer, flow: 0 },
            now: Tick(SECOND),
            request: None,
            tag: b"none".to_vec(),
            strict: true,
            shape: Shape::new(),
        }
    }

    pub(super) fn step(&mut self, step: &[u8]) {
        match step {
            [b'~', b'w', tenths, ..] => self.wait(u64::from(*tenths) * 100),
            [b'~', b's', a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
                let code = [a, b, c].iter().fold(0, |n, digit| n * 10 + u16::from(**digit - b'0'));
                self.answer(code, rest);
            }
            [b'~', b'u', ..] => self.endpoint.handle_unreachable(self.path.peer, self.now),
            [b'~', b'i', rest @ ..] => self.invite(rest),
            [b'~', what, rest @ ..] => {
                let at = rest.first().map_or(0, |which| usize::from(*which % 4));
                let last = self.keys.opened.len().checked_sub(1 + at);
                let Some(id) = last.and_then(|at| self.keys.opened.get(at)).copied() else {
                    return;
                };
                if let Some(command) = command(*what, rest) {
                    self.endpoint.handle_command(id, command, self.now);
                }
            }
            datagram => {
                let bytes = self.filled_in(datagram);
                self.endpoint.handle_datagram(&bytes, self.path, self.now, &mut self.keys);
            }
        }
    }

    /// `$T` is the tag that we gave.
    fn filled_in(&self, datagram: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(datagram.len() + 32);
        let mut rest = datagram;
        while let Some(at) = rest.windows(2).position(|two| two == b"$T") {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(&self.tag);
            rest = &rest[at + 2..];
        }
        out.extend_from_slice(rest);
        out
    }

    /// The peer answers our last request; `@` is a Contact by name, `+` brings a description.
    fn answer(&mut self, code: u16, rest: &[u8]) {
        let Some(bytes) = self.request.clone() else { return };
        let mut index = Index::new();
        let Ok(request) = Message::parse(&bytes, &mut index) else { return };
        let reply = Reply {
            status: Status::of(code),
            phrase: &[],
            to_tag: Some(b"peer"),
            source: self.path.local,
        };
        let mut out = Vec::new();
        let mut writer = Writer::response(&mut out, request, reply);
        let (contact, rest): (&[u8], _) = match rest {
            [b'@', more @ ..] => (b"<sip:b@node.example.com>", more),
            more => (b"<sip:b@192.0.2.10>", more),
        };
        writer.field(Header::Contact, contact);
        let realm = b"Digest realm=\"r\",nonce=\"n\",qop=\"auth\"";
        if code == 401 {
            writer.field(Header::WwwAuthenticate, realm);
        }
        let (sdp, more) = match rest {
            [b'+', more @ ..] => (true, more),
            more => (false, more),
        };
        if !more.is_empty() {
            writer.named(b"X-More", &[more]);
        }
        let body = strowger_sip::build::Body { content_type: b"application/sdp", bytes: SDP };
        if writer.finish(sdp.then_some(body)).is_ok() {
            self.endpoint.handle_datagram(&out, self.path, self.now, &mut self.keys);
        }
    }

    fn invite(&mut self, rest: &[u8]) {
        let seed = rest.first().copied().unwrap_or(0);
        let branches = branches();
        let branch = branches.get(usize::from(seed) % branches.len()).cloned();
        let (Some(mut branch), Some(id)) = (branch, self.keys.open()) else { return };
        branch.target.address = self.path.peer;
        branch.target.transport = Transport::Udp;
        branch.target.uri = "sip:b@192.0.2.10".into();
        branch.target.routes = vec!["sip:192.0.2.20;lr".into(); usize::from(seed & 1)];
        branch.headers.truncate(usize::from(seed & 2));
        branch.listener = 0;
        let body = (seed & 4 == 0).then(|| Body::sdp(SDP));
        let part = || {
            let body = Body { content_type: "application/isup".into(), data: (*b"12").into() };
            Part { body, disposition: "signal".into(), required: seed & 16 == 0 }
        };
        let parts = (seed & 8 != 0).then(part).into_iter().collect();
        let invite =
            Invite { branch, hops_left: 70, body, parts, shown: Vec::new(), related: None };
        self.endpoint.handle_command(id, Command::Invite(Box::new(invite)), self.now);
    }

    /// Time goes on in steps from timer to timer.
    fn wait(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        for _ in 0..1_000 {
            let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.endpoint.handle_timeout(self.now);
            self.drain();
            let next = self.endpoint.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timer that is due again at once");
        }
        assert!(self.now >= end, "timers without end");
    }

    pub(super) fn drain(&mut self) {
        for _ in 0..OUTPUTS_MAX {
            match self.endpoint.poll_output() {
                None => {
                    let owners = self.endpoint.legs() + self.endpoint.transactions();
                    assert!(self.endpoint.alarms() <= owners, "an alarm without an owner");
                    return;
                }
                Some(Output::Transmit(transmit)) => self.sent(&transmit.bytes),
                Some(Output::Event(id, event)) => {
                    self.shape.kind("event", &event);
                    assert!(!self.over.contains(&id), "a leg that is over speaks: {event:?}");
                    if matches!(event, Event::Ended { .. } | Event::Refused { .. }) {
                        self.over.insert(id);
                    }
                }
                Some(Output::Moved(..)) => {}
                Some(Output::Name(name)) => {
                    // To nobody, to us and another host, or never said.
                    let known = [self.path.peer, SocketAddr::from(([192, 0, 2, 77], 5060))];
                    let found = usize::try_from(self.now.0 / 1_000_000 % 4).unwrap_or(0);
                    if let Some(addresses) = known.get(..found) {
                        let at = (name.host.as_str(), name.port);
                        self.endpoint.located(name.leg, at, addresses);
                    }
                }
                Some(Output::Request(outside)) => {
                    self.shape.kind("request", &outside.body);
                }
                Some(Output::Upstream(state)) => assert_eq!(Some(state), None, "no login was put"),
                Some(Output::Counted(counted)) => {
                    self.shape.print("counted", &counted);
                }
            }
        }
        assert!(self.endpoint.poll_output().is_none(), "effects without end");
    }

    /// What we send is a valid message.
    fn sent(&mut self, bytes: &Arc<[u8]>) {
        let mut index = Index::new();
        let parsed = Message::parse(bytes, &mut index).map(drop);
        if parsed == Err(Refusal::HeadersTooMany) {
            // The answer to a malformed request repeats what there was, and adds its own.
            return;
        }
        assert_eq!(parsed, Ok(()), "{}", bytes.escape_ascii());
        let message = Message::salvage(bytes, &index);
        self.shape.note("sent", &(message.method(), message.status().map(Status::code)));
        match message.method() {
            Some(method) => {
                let valid = !self.strict || message.validate() == Ok(());
                assert!(valid, "{:?} {}", message.validate(), bytes.escape_ascii());
                if method != Method::Ack {
                    self.request = Some(Arc::clone(bytes));
                }
            }
            None => {
                if let Ok(Some(tag)) = message.to().map(|to| to.tag()) {
                    self.tag = tag.to_vec();
                }
            }
        }
    }

    /// All is hung up; after the longest timers nothing is left.
    pub(super) fn wind_up(&mut self) {
        for id in self.keys.opened.clone() {
            if let Some(command) = command(b'h', &[]) {
                self.endpoint.handle_command(id, command, self.now);
                self.drain();
            }
        }
        self.wait(400_000);
        let left = (self.endpoint.legs(), self.endpoint.transactions(), self.endpoint.alarms());
        assert_eq!(left, (0, 0, 0), "legs, transactions, alarms left");
    }
}

/// A few random branches, made once.
fn branches() -> &'static [Branch] {
    static BRANCHES: OnceLock<Vec<Branch>> = OnceLock::new();
    let branch = |seed| decode(&lucky::<Branch>(&mut Dice::new(seed)));
    BRANCHES.get_or_init(|| (0..8).flat_map(branch).collect())
}

fn command(what: u8, rest: &[u8]) -> Option<Command> {
    let body = rest.contains(&b'+').then(|| Body::sdp(SDP));
    let cause = Cause { sip: 486, q850: 17 };
    match what {
        b'r' => Some(Command::Progress { status: 180, body }),
        b'p' => Some(Command::Progress { status: 183, body }),
        b'a' => Some(Command::Answer { body }),
        b'c' => Some(Command::Confirm { body }),
        b'h' => Some(Command::Hangup { cause, phrase: "".into(), retry_after_s: 0 }),
        b'o' => Some(Command::Reoffer { body }),
        b'y' => Some(Command::ReofferAnswer { body }),
        b'n' => Some(Command::ReofferRefuse { cause }),
        b'm' => Some(Command::Info { body: Body::sdp(rest) }),
        _ => None,
    }
}

/// Whole calls in both directions.
pub(super) fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let request = |method: &str, cseq: u32, tag: &str, more: &str| {
        let branch = format!("z9hG4bK{}{cseq}", method.to_ascii_lowercase());
        format!(
            "{method} sip:4420@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch={branch}\r\n\
             From: <sip:1001@192.0.2.10>;tag=p\r\nTo: <sip:4420@192.0.2.1>{tag}\r\nCall-ID: c\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:1001@192.0.2.10>\r\n{more}\r\n"
        )
    };
    let sdp = "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    let invite = |more: &str| {
        let text = request("INVITE", 1, "", &format!("{more}{sdp}"));
        text.strip_suffix("\r\n").map(str::to_owned).unwrap_or_default()
    };
    let plain = invite("");
    let timer = invite("Supported: timer, 100rel\r\nSession-Expires: 90\r\n");
    let (ack, bye) = (request("ACK", 1, ";tag=$T", ""), request("BYE", 2, ";tag=$T", ""));
    let again = request("INVITE", 2, ";tag=$T", "");
    let cancel = request("CANCEL", 1, "", "").replace("z9hG4bKcancel1", "z9hG4bKinvite1");
    let info = request("INFO", 3, ";tag=$T", "Content-Type: a/b\r\n");
    let options = request("OPTIONS", 1, "", "");
    let register = request("REGISTER", 1, "", "Expires: 60\r\n");
    let scripts: [&[&str]; 12] = [
        &[&plain, "~r", "~w\u{5}", "~a+", &ack, "~w\u{20}", &bye],
        &[&plain, &plain, "~w\u{3}", "~h", "~w\u{30}", &ack],
        &[&plain, "~p+", &cancel, "~w\u{9}"],
        &[&timer, "~a+", &ack, &again, "~y+", "~o+", "~s200+", "~w\u{7f}", "~h"],
        &[&plain, "~a+", "~w\u{7f}", "~w\u{7f}", "~w\u{7f}"],
        &["~i\u{1}", "~s100", "~s180", "~s200+", "~o", "~s200+", "~c+", "~h", "~s200"],
        &["~i\u{2}", "~s183+", "~h", "~s200", "~s487", "~w\u{7f}"],
        &["~i\u{4}", "~w\u{7f}", "~w\u{7f}", "~w\u{7f}", "~w\u{7f}"],
        &["~i\u{0}", "~s401", "~s302", "~i\u{3}", "~u", "~s486"],
        &["~i\u{0}", "~s200+", "~o+", "~s183"],
        &["~i\u{8}", "~s200@+", "~w\u{1}", "~o+", "~u", "~s200@+", "~h", "~u"],
        &[&options, &register, &info, &bye, "~w\u{7f}"],
    ];
    let separator = char::from(STEP_END).to_string();
    scripts.map(|script| script.join(&separator).into_bytes()).to_vec()
}
