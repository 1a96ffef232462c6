//! A script has one line a step. The endpoint stands between `peer`, a SIP party by UDP, and
//! `call`:
//!
//! ```text
//! peer> INVITE nosdp cseq=3 from=192.0.2.77:5060 | Require: x
//! peer> 200 INVITE tag=b sdp | Contact: <sip:b@192.0.2.10>
//! call> Answer sdp
//! wait 500
//! ```
//!
//! and what must come then, all of it and in that order:
//!
//! ```text
//! peer< 420 INVITE to=192.0.2.77:5060 | Unsupported: x
//! peer< BYE | Reason: Q.850;cause=16
//! call< Ended 487/16 party
//! count< Barred(420)
//! ```
//!
//! `callid=OURS` is a request inside a dialog that we began. `RSEQ` in a field of the peer's is
//! the RSeq of our newest reliable response, `RSEQ+1` the next. `wait` gives milliseconds; what
//! fires on the way is told in its order. Fields behind `|` are added (`>`) or must stand in the
//! message (`<`).
//!
//! `restart` drops the endpoint and gives the images that were stored last to a new one, which
//! tells `thaw< Confirmed` and the like for each leg.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use strowger_leg::{Body, Command, Event, Invite, Part};
use strowger_link::token;
use strowger_link::{
    Algorithm, Bodies, Branch, BranchAuth, Cause, Challenge, HeaderField, IdentityHeader, Key,
    LegId, Manner, MediaMode, MediaPolicy, Octets, PartyRef, Reliable, SESSION_S_MAX,
    SESSION_S_MIN, Secret, SessionTimer, SlotRef, Srtp, Target, Tick, Transport, Upstream,
    UpstreamCause, UpstreamOrder, UpstreamState, Voices,
};

use crate::build::{Reply, Writer};
use crate::digest::Nonces;
use crate::endpoint::image::Image;
use crate::endpoint::{
    Admission, Bytes, Config, Endpoint, LegKeys, Listener, Output, OutsideBody, Path, RequestId,
    ThawError,
};
use crate::field::PORT_DEFAULT;
use crate::header::Header;
use crate::message::{Index, Message};
use crate::method::Method;
use crate::status::Status;

pub(super) const TOKEN_KEY: Key = Key(*b"token key of us!");
const PEER: &str = "192.0.2.10:5060";
const SDP: &str = "v=0";

/// Runs a script against a fresh endpoint.
#[track_caller]
pub(super) fn check(script: &str) {
    Bench::new().run(script);
}

pub(super) struct Bench {
    pub(super) endpoint: Endpoint,
    pub(super) now: Tick,
    pub(super) keys: Keys,
    told: VecDeque<Told>,
    peer: Peer,
    pub(super) requests: Vec<RequestId>,
    leg: LegId,
    /// What a shard would have stored.
    images: BTreeMap<LegId, Vec<u8>>,
    lives: u8,
    /// Rules about responses to INVITEs of ours.
    pub(super) replies: Vec<strowger_link::FieldRule>,
}

/// Slots and sources of the tests.
pub(super) struct Keys {
    pub(super) next: u16,
    pub(super) slots_max: u16,
    pub(super) challenge: Option<Challenge>,
    pub(super) deny: bool,
    pub(super) unready: bool,
}

impl LegKeys for Keys {
    fn open(&mut self) -> Option<LegId> {
        if self.next >= self.slots_max {
            return None;
        }
        self.next += 1;
        Some(leg_id(self.next))
    }

    fn close(&mut self, _: LegId) {
        self.next -= 1;
    }

    fn admission(&self, _: &Path, _: Method) -> Admission<'_> {
        if self.unready {
            return Admission::Unready;
        }
        match (&self.challenge, self.deny) {
            (_, true) => Admission::Deny,
            (Some(challenge), false) => Admission::Challenge(challenge),
            (None, false) => Admission::Open,
        }
    }

    /// A carrier has 192.0.2.10 to 192.0.2.19.
    fn is_one_party(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let pool = |at: SocketAddr| match at.ip() {
            IpAddr::V4(ip) => (10..20).contains(&ip.octets()[3]) && ip.octets()[..3] == [192, 0, 2],
            IpAddr::V6(_) => false,
        };
        pool(one) && pool(other)
    }
}

pub(super) const fn leg_id(slot: u16) -> LegId {
    LegId { slot: SlotRef { seg: 1, idx: slot, r#gen: 1 }, leg: 0 }
}

/// What the scripted peer knows.
#[derive(Default)]
struct Peer {
    /// Our last request of each method.
    requests: HashMap<String, Bytes>,
    /// The To tag that we gave.
    to_tag: Option<String>,
    invite_branch: String,
    cseq: u32,
    branches: u32,
    /// RSeq of our newest reliable response.
    rseq: u32,
}

/// One thing the endpoint did.
struct Told {
    text: String,
    message: String,
    to: String,
}

pub(super) fn realm() -> Challenge {
    Challenge {
        realm: "pbx".into(),
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        stale: false,
    }
}

pub(super) fn config() -> Config {
    let nonces = Nonces::new(Key([9; 16]), 60);
    let listener = |port| Listener {
        transport: Transport::Udp,
        local: ([192, 0, 2, 1], port).into(),
        advertised: ([192, 0, 2, 1], port).into(),
    };
    let mut config = Config::new(TOKEN_KEY, Key([7; 16]), nonces);
    let v6 = |last: u16, port| (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last), port).into();
    // Behind a translator: peers know it by another address than its own.
    let second =
        Listener { transport: Transport::Udp, local: v6(1, PORT_DEFAULT), advertised: v6(2, 5070) };
    config.listeners = vec![listener(PORT_DEFAULT), second];
    config
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench {
            endpoint: Endpoint::new(config()),
            now: Tick(1_000_000_000),
            keys: Keys { next: 0, slots_max: 1_000, challenge: None, deny: false, unready: false },
            told: VecDeque::new(),
            peer: Peer { cseq: 1, ..Peer::default() },
            requests: Vec::new(),
            leg: leg_id(1),
            images: BTreeMap::new(),
            lives: 1,
            replies: Vec::new(),
        }
    }

    /// The process dies, and another one takes over.
    pub(super) fn restart(&mut self) {
        self.lives += 1;
        self.endpoint = Endpoint::new(Config { chance_key: Key([self.lives; 16]), ..config() });
        for (leg, image) in self.images.clone() {
            let thawed = self.endpoint.thaw(leg, &image, self.now).expect("takes its own image");
            self.told.push_back(plain(format!("thaw< {thawed:?}")));
            let again = self.endpoint.thaw(leg, &image, self.now);
            assert_eq!(again, Err(ThawError::Known));
        }
        self.drain();
    }

    /// Stores the images that are out of date, as a shard does before anything is sent, and checks
    /// that no other one is, and that each is let go in the end.
    #[expect(clippy::disallowed_methods, reason = "counts, in whatever order")]
    fn store(&mut self) {
        while let Some(leg) = self.endpoint.poll_touched() {
            let image = self.endpoint.freeze(leg).expect("a leg that is over is not touched");
            self.images.insert(leg, image);
        }
        while let Some(leg) = self.endpoint.poll_let_go() {
            assert!(!self.endpoint.owes(leg), "let go of while something is owed");
            assert_eq!(self.endpoint.freeze(leg), None);
            self.images.remove(&leg);
        }
        assert_eq!(self.endpoint.touched.len(), 0);
        for (leg, stored) in &self.images {
            let now = self.endpoint.freeze(*leg).expect("nobody was told that it was let go");
            assert_eq!(stable(*leg, stored), stable(*leg, &now), "nobody was told");
        }
        let owing = self.endpoint.legs.keys().filter(|leg| self.endpoint.owes(**leg));
        assert!(owing.count() <= self.images.len(), "a leg without an image");
    }

    /// The image stored of the newest leg.
    pub(super) fn image(&self) -> &[u8] {
        &self.images[&self.leg]
    }

    /// Runs a script; nothing may be left over.
    #[track_caller]
    pub(super) fn run(&mut self, script: &str) {
        self.run_open(script);
        self.expect_nothing("the end");
    }

    /// Runs a script; what is left over is looked at by other means.
    #[track_caller]
    pub(super) fn run_open(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (who, what) = line.split_once(' ').unwrap_or((line, ""));
            if let "peer<" | "call<" | "count<" | "ask<" | "thaw<" | "login<" | "moved<" | "name<" =
                who
            {
                self.expect(line);
                continue;
            }
            self.expect_nothing(line);
            match who {
                "peer>" => self.peer(what),
                "call>" => self.call(what),
                "restart" => self.restart(),
                "login>" => self.login(what),
                "wait" => self.wait(what.parse().unwrap()),
                // `HOST:PORT ADDRESS...`
                "located" => {
                    let mut words = what.split_whitespace();
                    let name = words.next().unwrap();
                    let (host, port) = name.rsplit_once(':').unwrap();
                    let addresses: Vec<SocketAddr> = words.map(|w| w.parse().unwrap()).collect();
                    let name = (host, port.parse().unwrap());
                    self.endpoint.located(self.leg, name, &addresses);
                    self.drain();
                }
                "unreachable" => {
                    self.endpoint.handle_unreachable(what.parse().unwrap(), self.now);
                    self.drain();
                }
                _ => panic!("what is {line}?"),
            }
        }
    }

    #[track_caller]
    fn expect(&mut self, line: &str) {
        let mut parts = line.split(" | ");
        let head = parts.next().unwrap().trim();
        let (head, to) = match head.split_once(" to=") {
            Some((head, to)) => (head, Some(to)),
            None => (head, None),
        };
        let told = self.told.pop_front().unwrap_or_else(|| panic!("nothing came: {line}"));
        assert_eq!(told.text, head, "in: {line}\n{}", told.message);
        for field in parts {
            let wanted = field.trim();
            let held = told.message.lines().any(|line| line == wanted);
            assert!(held, "no {wanted} in\n{}", told.message);
        }
        if let Some(to) = to {
            assert_eq!(told.to, to, "{line}");
        }
    }

    #[track_caller]
    fn expect_nothing(&self, line: &str) {
        let rest: Vec<_> = self.told.iter().map(|told| told.text.clone()).collect();
        assert!(rest.is_empty(), "before {line}: {rest:#?}");
    }

    fn wait(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        for _ in 0..10_000 {
            match self.endpoint.poll_timeout().filter(|at| *at <= end) {
                Some(at) => {
                    self.now = at.max(self.now);
                    self.endpoint.handle_timeout(self.now);
                    self.drain();
                }
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("alarms without end");
    }

    /// Feeds bytes as they are.
    pub(super) fn feed(&mut self, bytes: &[u8], source: SocketAddr) {
        self.throw(bytes, source);
        self.drain();
    }

    /// Feeds bytes and leaves what comes of it in the endpoint.
    pub(super) fn throw(&mut self, bytes: &[u8], source: SocketAddr) {
        let listener = u8::from(source.is_ipv6());
        let local = config().listeners[usize::from(listener)].local;
        let path = Path { listener, transport: Transport::Udp, local, peer: source, flow: 0 };
        self.endpoint.handle_datagram(bytes, path, self.now, &mut self.keys);
    }

    pub(super) fn drain(&mut self) {
        assert!(self.endpoint.layer.is_consistent(), "keys and transactions differ");
        self.store();
        while let Some(output) = self.endpoint.poll_output() {
            let told = match output {
                Output::Transmit(transmit) => {
                    let Path { listener, peer, .. } = transmit.path;
                    assert_eq!(listener == 1, peer.is_ipv6(), "a listener of the other family");
                    self.note(&transmit.bytes, peer)
                }
                Output::Event(id, event) => {
                    self.leg = id;
                    plain(format!("call< {}", event_text(&event)))
                }
                Output::Upstream(state) => plain(format!("login< {}", state_text(&state))),
                Output::Counted(counted) => plain(format!("count< {counted:?}")),
                Output::Moved(_, to) => plain(format!("moved< {to}")),
                Output::Name(name) => plain(format!("name< {}:{}", name.host, name.port)),
                Output::Request(outside) => {
                    self.requests.push(outside.id);
                    let mut told = plain(format!("ask< {}", outside.host));
                    told.message = match outside.body {
                        OutsideBody::Register(ask) => format!("{ask:#?}"),
                        OutsideBody::Other(ask) => format!("{ask:#?}"),
                        OutsideBody::Proof(_, ask) => format!("{ask:#?}"),
                    };
                    told
                }
            };
            self.told.push_back(told);
        }
    }

    /// The message texts that are waiting to be expected.
    pub(super) fn messages(&mut self) -> Vec<String> {
        self.told.drain(..).filter(|told| !told.message.is_empty()).map(|t| t.message).collect()
    }

    pub(super) fn texts(&mut self) -> Vec<String> {
        self.told.drain(..).map(|told| told.text).collect()
    }

    fn note(&mut self, bytes: &Bytes, to: SocketAddr) -> Told {
        let mut index = Index::new();
        let message = Message::parse(bytes, &mut index).expect("we send what parses");
        message.validate().expect("we send what is valid");
        let sdp = if message.body().is_empty() { "" } else { " sdp" };
        let sdp = format!("{sdp}{}", beside(message));
        let text = match (message.method(), message.status()) {
            (Some(method), _) => {
                self.peer.requests.insert(method.name().into(), bytes.clone());
                format!("peer< {}{sdp}", method.name())
            }
            (None, status) => {
                let name = String::from_utf8_lossy(message.cseq().unwrap().name).into_owned();
                if let Some(tag) = message.to().unwrap().tag().filter(|_| name == "INVITE") {
                    self.peer.to_tag = Some(String::from_utf8_lossy(tag).into_owned());
                }
                if let Some(rseq) = message.number(Header::RSeq).unwrap() {
                    self.peer.rseq = rseq;
                }
                format!("peer< {} {name}{sdp}", status.unwrap().code())
            }
        };
        let message = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        Told { text, message, to: to.to_string() }
    }

    fn peer(&mut self, what: &str) {
        let mut parts = what.split(" | ");
        let words: Vec<&str> = parts.next().unwrap().split_whitespace().collect();
        let rseq = self.peer.rseq;
        let fields: Vec<String> = parts
            .map(|field| field.replace("RSEQ+1", &(rseq + 1).to_string()))
            .map(|field| field.replace("RSEQ", &rseq.to_string()))
            .collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let source = option(&words, "from").unwrap_or(PEER).parse().unwrap();
        let bytes = if words[0].starts_with(|c: char| c.is_ascii_digit()) {
            self.response(&words, &fields)
        } else {
            self.request(&words, &fields)
        };
        self.feed(&bytes, source);
    }

    fn request(&mut self, words: &[&str], fields: &[&str]) -> Vec<u8> {
        let (method, inside) = match words[0].strip_prefix("re-") {
            Some(method) => (method, true),
            None => (words[0], !matches!(words[0], "INVITE" | "CANCEL" | "REGISTER")),
        };
        let in_ours = option(words, "callid") == Some("OURS");
        let ours_tag = in_ours.then(|| self.our_tag());
        let ours_call_id = in_ours.then(|| self.our_call_id());
        let peer = &mut self.peer;
        match option(words, "cseq") {
            Some(cseq) => peer.cseq = cseq.parse().unwrap(),
            None if matches!(method, "ACK" | "CANCEL") => {}
            None => peer.cseq += 1,
        }
        if !matches!(method, "CANCEL") && !words.contains(&"again") {
            peer.branches += 1;
        }
        let branch = option(words, "branch").map(str::to_string);
        let branch = branch.unwrap_or_else(|| match method {
            "CANCEL" => peer.invite_branch.clone(),
            "ACK" if words.contains(&"same") => peer.invite_branch.clone(),
            _ => format!("z9hG4bKpeer{}", peer.branches),
        });
        if method == "INVITE" {
            peer.invite_branch.clone_from(&branch);
        }
        let to_tag = option(words, "totag").map(str::to_string);
        let to_tag = to_tag.or(ours_tag).or(peer.to_tag.clone());
        let to_tag = to_tag.filter(|_| inside && !words.contains(&"outside"));
        let to_tag = to_tag.map_or(String::new(), |tag| format!(";tag={tag}"));
        let from_tag = option(words, "fromtag").unwrap_or("p");
        let call_id = option(words, "callid").filter(|_| !in_ours).unwrap_or("call@peer");
        let call_id = ours_call_id.as_deref().unwrap_or(call_id);
        let uri = option(words, "uri").unwrap_or("sip:4420@pbx.example.com");
        let via = option(words, "via").unwrap_or(PEER);
        let sdp = match method {
            "INVITE" => !words.contains(&"nosdp"),
            _ => words.contains(&"sdp"),
        };
        let cseq = peer.cseq;
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch={branch}\r\n\
             From: \"Peer\" <sip:1001@example.com>;tag={from_tag}\r\n\
             To: <sip:4420@pbx.example.com>{to_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
        );
        if method == "INVITE" && !fields.iter().any(|f| f.starts_with("Contact")) {
            text.push_str("Contact: <sip:1001@192.0.2.10>\r\n");
        }
        finish(text, fields, sdp, option(words, "beside"))
    }

    /// A response to our last request of the method.
    fn response(&mut self, words: &[&str], fields: &[&str]) -> Vec<u8> {
        let request =
            self.peer.requests.get(words[1]).expect("we have sent such a request").clone();
        let mut index = Index::new();
        let request = Message::parse(&request, &mut index).unwrap();
        let mut out = Vec::new();
        let reply = Reply {
            status: Status::of(words[0].parse().unwrap()),
            phrase: &[],
            to_tag: Some(option(words, "tag").unwrap_or("b").as_bytes())
                .filter(|_| words[0] != "100"),
            source: ([192, 0, 2, 1], PORT_DEFAULT).into(),
        };
        Writer::response(&mut out, request, reply).finish(None).unwrap();
        let text = String::from_utf8(out).unwrap();
        let text = text.replace("Content-Length: 0\r\n\r\n", "");
        finish(text, fields, words.contains(&"sdp"), option(words, "beside"))
    }

    /// `Put 7 pw=x at=192.0.2.20:5060,192.0.2.21:5060 contact=c expires=600`, `Remove 7`, `Keep 7`,
    /// `Leave`.
    fn login(&mut self, what: &str) {
        let words: Vec<&str> = what.split_whitespace().collect();
        let id = || words[1].parse().unwrap();
        let order = match words[0] {
            "Put" => UpstreamOrder::Put(upstream(id(), &words)),
            "Remove" => UpstreamOrder::Remove(id()),
            "Keep" => UpstreamOrder::Keep(words[1..].iter().map(|w| w.parse().unwrap()).collect()),
            "Leave" => {
                self.endpoint.leave_upstreams(self.now);
                return self.drain();
            }
            other => panic!("what is {other}?"),
        };
        self.endpoint.handle_upstream(order, self.now);
        self.drain();
    }

    fn call(&mut self, what: &str) {
        let mut parts = what.split(" | ");
        let words: Vec<&str> = parts.next().unwrap().split_whitespace().collect();
        let fields: Vec<&str> = parts.collect();
        let body = words.contains(&"sdp").then(|| Body::sdp(SDP.as_bytes()));
        let body = body.or(words.contains(&"other").then(|| Body::sdp(*b"v=1")));
        let number = || words.get(1).and_then(|w| w.parse().ok()).unwrap_or(0);
        let mut command = match words[0] {
            "Invite" => Command::Invite(Box::new(invite(&words, &fields))),
            "Progress" => Command::Progress { status: number(), body },
            "Answer" => Command::Answer { body },
            "Confirm" => Command::Confirm { body },
            "Hangup" => Command::Hangup {
                cause: cause(words.get(1).unwrap_or(&"0/16")),
                phrase: option(&words, "phrase").unwrap_or("").into(),
                retry_after_s: option(&words, "retry").map_or(0, |s| s.parse().unwrap()),
            },
            "Fields" => Command::Fields(fields.iter().map(field_of).collect()),
            "Parts" => Command::Parts(words.iter().skip(1).map(|kind| part(kind)).collect()),
            "Challenge" => Command::Challenge(realm()),
            "Redirect" => Command::Redirect {
                status: number(),
                contacts: words.iter().skip(2).map(|uri| (*uri).to_owned()).collect(),
            },
            "Reoffer" => Command::Reoffer { body },
            "ReofferAnswer" => Command::ReofferAnswer { body },
            "Update" => Command::Update { body: Body::sdp(SDP.as_bytes()) },
            "Speak" => Command::Speak(Box::new(manner(&words))),
            "ReofferRefuse" => Command::ReofferRefuse { cause: cause(words[1]) },
            "Info" => Command::Info {
                body: Body { content_type: "text/plain".into(), data: (*b"hi").into() },
            },
            "Message" => Command::Message {
                body: Body { content_type: "text/plain".into(), data: (*b"hi").into() },
            },
            "TransferAccept" => Command::TransferAccept,
            "TransferRefuse" => Command::TransferRefuse { cause: cause(words[1]) },
            "TransferProgress" => Command::TransferProgress { status: number() },
            other => panic!("what is {other}?"),
        };
        if let Command::Invite(order) = &mut command {
            order.branch.replies.clone_from(&self.replies);
        }
        if words[0] == "Invite" {
            self.keys.next += 1;
            self.leg = leg_id(self.keys.next);
        }
        self.endpoint.handle_command(self.leg, command, self.now);
        self.drain();
    }

    /// The Call-ID of our last INVITE.
    pub(super) fn our_call_id(&self) -> String {
        let mut index = Index::new();
        let invite = Message::parse(&self.peer.requests["INVITE"], &mut index).unwrap();
        String::from_utf8_lossy(invite.call_id().unwrap()).into_owned()
    }

    /// The token that our tag has.
    pub(super) fn our_tag(&self) -> String {
        token::seal(&TOKEN_KEY, self.leg).unwrap().as_str().to_string()
    }
}

/// What a message has beside a description: `+text/xml`.
fn beside(message: Message<'_>) -> String {
    let is_multipart = message.content_type().is_some_and(|kind| kind.kind == b"multipart");
    let body = String::from_utf8_lossy(message.body()).into_owned();
    let kinds = body.lines().filter_map(|line| line.strip_prefix("Content-Type: "));
    let others = kinds.filter(|kind| is_multipart && *kind != "application/sdp");
    others.map(|kind| format!("+{kind}")).collect()
}

/// Three bytes of such a type.
fn part(kind: &str) -> Part {
    let body = Body { content_type: kind.into(), data: (*b"abc").into() };
    Part { body, disposition: "signal".into(), required: false }
}

/// A body that is or has a part of this type, which must be understood when a `!` stands behind it.
fn with_part(kind: &str, sdp: bool) -> (String, String) {
    let handling = if kind.ends_with('!') { "required" } else { "optional" };
    let kind = kind.trim_end_matches('!');
    let said = format!("Content-Type: {kind}\r\nContent-Disposition: x;handling={handling}\r\n");
    if !sdp {
        return (said, "abc".to_owned());
    }
    let sdp = format!("--mm\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n");
    let body = format!("{sdp}--mm\r\n{said}\r\nabc\r\n--mm--\r\n");
    ("Content-Type: multipart/mixed;boundary=mm\r\n".to_owned(), body)
}

fn finish(mut text: String, fields: &[&str], sdp: bool, beside: Option<&str>) -> Vec<u8> {
    for field in fields {
        text.push_str(field.trim());
        text.push_str("\r\n");
    }
    let typed = fields.iter().any(|field| field.starts_with("Content-Type"));
    let (head, body) = match beside {
        Some(kind) => with_part(kind, sdp),
        None if sdp && !typed => ("Content-Type: application/sdp\r\n".to_owned(), SDP.to_owned()),
        None => (String::new(), if sdp { SDP.to_owned() } else { String::new() }),
    };
    text.push_str(&head);
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn cause(text: &str) -> Cause {
    let (sip, q850) = text.split_once('/').unwrap_or((text, "0"));
    Cause::new(sip.parse().unwrap(), q850.parse().unwrap())
}

/// A plain order for an outbound leg.
pub(super) fn order() -> Invite {
    invite(&["Invite"], &[])
}

/// An order for an outbound leg: to the peer, as `1001`.
fn invite(words: &[&str], fields: &[&str]) -> Invite {
    let has = |word: &str| words.contains(&word);
    Invite {
        branch: Branch {
            target: Target {
                uri: option(words, "uri").unwrap_or("sip:4420@192.0.2.10").into(),
                address: option(words, "peer").unwrap_or(PEER).parse().unwrap(),
                transport: Transport::Udp,
                flow: 0,
                routes: option(words, "route").map(str::to_string).into_iter().collect(),
            },
            to_uri: option(words, "to").unwrap_or_default().into(),
            listener: option(words, "listener").map_or(0, |l| l.parse().unwrap()),
            dialed: "4420".into(),
            from_user: "1001".into(),
            display: option(words, "display").unwrap_or("").into(),
            asserted: has("asserted").then(|| "1001".into()),
            anonymous: has("anonymous"),
            headers: fields.iter().map(field_of).collect(),
            media: MediaPolicy {
                mode: MediaMode::Relay,
                nated: has("nated"),
                start_timeout_ms: 0,
                timeout_ms: 0,
                voices: Voices::ALL,
                strict: false,
                ends_false: false,
                first_packet: false,
                srtp: Srtp::Accept,
            },
            ring_ms: 0,
            first_ms: 0,
            record: false,
            app: None,
            auth: if has("auth") {
                BranchAuth::Mapped(Secret {
                    username: "us".into(),
                    password: "pw".into(),
                    realm: option(words, "realm").unwrap_or("").into(),
                })
            } else if has("pass") {
                BranchAuth::Pass
            } else {
                BranchAuth::Ours
            },
            gauges: Vec::new(),
            continue_on: Vec::new(),
            stop_on: Vec::new(),
            hop: 0,
            party: match option(words, "subscriber") {
                Some(id) => PartyRef::Subscriber(id.parse().unwrap()),
                None => PartyRef::Unknown,
            },
            manner: manner(words),
            redirect: strowger_link::OnRedirect::Fail,
            replies: Vec::new(),
        },
        hops_left: 68,
        body: (!has("nosdp")).then(|| Body::sdp(SDP.as_bytes())),
        parts: Vec::new(),
        shown: match has("pass") {
            true => vec![field_of(&"Authorization: Digest realm=\"far\"")],
            false => Vec::new(),
        },
        related: option(words, "related").map(Into::into),
    }
}

fn field_of(field: &&str) -> HeaderField {
    let (name, value) = field.split_once(": ").unwrap();
    HeaderField { name: name.into(), value: Octets(value.replace("\\r\\n", "\r\n").into()) }
}

/// `identity=preferred host=sip.example privacy=user;id timer=ask:1800 least=90 most=3600`
fn manner(words: &[&str]) -> Manner {
    Manner {
        identity: match option(words, "identity") {
            Some("preferred") => IdentityHeader::Preferred,
            Some("remote-party") => IdentityHeader::RemoteParty,
            Some(_) | None => IdentityHeader::Asserted,
        },
        from_host: option(words, "host").unwrap_or_default().into(),
        privacy: option(words, "privacy").unwrap_or_default().into(),
        timer: timer(option(words, "timer").unwrap_or("answer")),
        reliable: reliable(option(words, "reliable").unwrap_or("media")),
        session_s_min: option(words, "least").map_or(SESSION_S_MIN, |s| s.parse().unwrap()),
        session_s_max: option(words, "most").map_or(SESSION_S_MAX, |s| s.parse().unwrap()),
        ringing: words.contains(&"ringing"),
        bodies: option(words, "bodies")
            .map(|kind| Box::new(Bodies { types: vec![kind.into()], len_max: 3 })),
        ..Manner::default()
    }
}

/// `never`, `answer`, `ask:1800`, `force:1800`
fn timer(text: &str) -> SessionTimer {
    let (word, seconds) = text.split_once(':').unwrap_or((text, "0"));
    let seconds = seconds.parse().unwrap();
    match word {
        "never" => SessionTimer::Never,
        "answer" => SessionTimer::Answer,
        "ask" => SessionTimer::Ask(seconds),
        "force" => SessionTimer::Force(seconds),
        other => panic!("what is {other}?"),
    }
}

fn reliable(word: &str) -> Reliable {
    match word {
        "never" => Reliable::Never,
        "media" => Reliable::Media,
        "always" => Reliable::Always,
        "require" => Reliable::Require,
        other => panic!("what is {other}?"),
    }
}

/// An image without what moves between two of them.
pub(super) fn stable(leg: LegId, image: &[u8]) -> Image<'static> {
    let token = token::seal(&TOKEN_KEY, leg).unwrap();
    let mut image = Image::decode(image, &token).expect("reads its own image");
    if let Some(standing) = image.shape.standing_mut() {
        standing.dialog.to_mut().local_seq = 0;
        standing.wallet = Cow::Owned(standing.wallet.without_counts());
    }
    image
}

fn upstream(id: i64, words: &[&str]) -> Upstream {
    let addresses = option(words, "at").unwrap_or(PEER).split(',').filter(|a| !a.is_empty());
    let secret = option(words, "pw").map(|password| Secret {
        username: "us".into(),
        password: password.into(),
        realm: option(words, "realm").unwrap_or("").into(),
    });
    Upstream {
        id,
        addresses: addresses.map(|address| address.parse().unwrap()).collect(),
        transport: Transport::Udp,
        listener: option(words, "listener").map_or(0, |l| l.parse().unwrap()),
        registrar: "sip:carrier.example".into(),
        aor: "sip:us@carrier.example".into(),
        contact_user: option(words, "contact").unwrap_or("c1").into(),
        secret,
        expires_s: option(words, "expires").map_or(600, |s| s.parse().unwrap()),
    }
}

fn state_text(state: &UpstreamState) -> String {
    let UpstreamState { id, phase, cause, status, .. } = state;
    let fine = format!("{id} {phase:?} {status}");
    if *cause == UpstreamCause::None { fine } else { format!("{fine} {cause:?}") }
}

fn plain(text: String) -> Told {
    Told { text, message: String::new(), to: String::new() }
}

pub(super) fn event_text(event: &Event) -> String {
    let sdp = |body: &Option<Body>| if body.is_some() { " sdp" } else { "" };
    let cause = |cause: &Cause| format!("{}/{}", cause.sip, cause.q850);
    match event {
        Event::Offered(offer) => {
            let replaces = match &offer.replaces {
                None => "",
                Some(replaces) if replaces.ringing => " replaces ringing",
                Some(_) => " replaces",
            };
            format!("Offered {}{}{replaces}", offer.called, sdp(&offer.body))
        }
        Event::Progress { status, body, fork } => {
            format!("Progress {status} fork {fork}{}", sdp(body))
        }
        Event::Answered { body } => format!("Answered{}", sdp(body)),
        Event::Fields(fields) => {
            let said =
                |f: &HeaderField| format!(" {}: {}", f.name, String::from_utf8_lossy(&f.value.0));
            format!("Fields{}", fields.iter().map(said).collect::<String>())
        }
        Event::Parts(parts) => {
            let kinds = parts.iter().map(|part| format!(" {}", part.body.content_type));
            format!("Parts{}", kinds.collect::<String>())
        }
        Event::Confirmed { body } => format!("Confirmed{}", sdp(body)),
        Event::Refused { cause: why, contacts, silent } => {
            let contacts: String = contacts.iter().map(|contact| format!(" {contact}")).collect();
            format!("Refused {}{}{contacts}", cause(why), if *silent { " silent" } else { "" })
        }
        Event::Reoffer { body } => format!("Reoffer{}", sdp(body)),
        Event::Update { body: _ } => "Update sdp".into(),
        Event::Refreshed { body } => format!("Refreshed{}", sdp(body)),
        Event::ReofferAnswered { body } => format!("ReofferAnswered{}", sdp(body)),
        Event::ReofferRefused { cause: why } => format!("ReofferRefused {}", cause(why)),
        Event::Digits { digits, duration_ms } => format!("Digits {digits} {duration_ms}"),
        Event::Info { body } => format!("Info {}", body.content_type),
        Event::Message { body } => format!("Message {}", body.content_type),
        Event::Transfer(wish) => {
            let by = wish.referred_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let replaces = if wish.replaces.is_some() { " replaces" } else { "" };
            format!("Transfer {}@{}{by}{replaces}", wish.user, wish.host)
        }
        Event::Ended { cause: why, by_party } => {
            format!("Ended {}{}", cause(why), if *by_party { " party" } else { "" })
        }
    }
}

/// The value of a field in a message text.
pub(super) fn field(message: &str, header: Header) -> Option<&str> {
    message.lines().find_map(|line| line.strip_prefix(header.name())?.strip_prefix(": "))
}
