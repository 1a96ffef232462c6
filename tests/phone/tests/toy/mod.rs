//! A toy switch for the phone's own tests: a registrar that challenges and a proxy that forwards
//! between its users and one trunk. It stays out of the audio, so it cannot keep strangers away.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use strowger_phone::digest::{Algorithm, Challenge, Credentials};
use strowger_phone::message::{
    Message, Start, address_uri, param, sent_by, split_commas, uri_socket, uri_user,
};
use strowger_phone::random::Random;

/// How the toy behaves.
#[derive(Clone)]
pub(crate) struct Rules {
    pub users: Vec<(&'static str, &'static str)>,
    pub algorithms: Vec<Algorithm>,
    /// Numbers with this prefix go there.
    pub trunk: Option<(&'static str, SocketAddr)>,
    pub ring_timeout: Duration,
    /// A nonce is stale after so many uses.
    pub nonce_uses: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            users: vec![("1001", "demo1001"), ("1002", "demo1002")],
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            trunk: None,
            ring_timeout: Duration::from_millis(700),
            nonce_uses: u32::MAX,
        }
    }
}

/// What the toy remembers for assertions.
#[derive(Default, Clone, Debug)]
pub(crate) struct Heard {
    /// Methods of requests in order of their arrival, without repetitions.
    pub requests: Vec<String>,
    /// Nonce counts of accepted credentials.
    pub counts: Vec<u32>,
    /// Challenges sent, with `stale`.
    pub challenges: Vec<bool>,
}

pub(crate) struct Toy {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    heard: Arc<Mutex<Heard>>,
    thread: Option<JoinHandle<()>>,
}

impl Toy {
    pub(crate) fn new(rules: Rules) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let addr = socket.local_addr().unwrap();
        let (stop, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let mut switch = Switch {
            socket,
            addr,
            rules,
            heard: Arc::clone(&heard),
            random: Random::fresh(),
            contacts: BTreeMap::new(),
            nonces: BTreeMap::new(),
            answered: BTreeMap::new(),
            pending: BTreeMap::new(),
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || switch.run(&stopped));
        Self { addr, stop, heard, thread: Some(thread) }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.thread.take().unwrap().join();
    }
}

struct Switch {
    socket: UdpSocket,
    addr: SocketAddr,
    rules: Rules,
    heard: Arc<Mutex<Heard>>,
    random: Random,
    /// User to the URIs of its contacts.
    contacts: BTreeMap<String, Vec<String>>,
    /// Nonce to its highest count.
    nonces: BTreeMap<String, u32>,
    /// Own responses by branch and method, for repetitions.
    answered: BTreeMap<(String, String), Vec<u8>>,
    /// Forwarded INVITEs by the branch they came with.
    pending: BTreeMap<String, Pending>,
}

struct Pending {
    forwarded: Message,
    to: SocketAddr,
    begun: Instant,
    rings: bool,
    timed_out: bool,
}

impl Switch {
    fn run(&mut self, stop: &AtomicBool) {
        let mut buffer = vec![0; 65_535];
        while !stop.load(Ordering::SeqCst) {
            if let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
                match Message::parse(&buffer[..length]) {
                    Ok(message) => match message.code() {
                        Some(code) => self.on_response(message, code),
                        None => self.on_request(message, source),
                    },
                    Err(_) => self.on_malformed(&buffer[..length], source),
                }
            }
            self.give_up_ringing();
        }
    }

    /// 400 for what begins as an INVITE and has the fields of an answer.
    fn on_malformed(&self, bytes: &[u8], source: SocketAddr) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let names = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "];
        let line = |name: &&str| text.split("\r\n").find(|line| line.starts_with(*name));
        let lines: Vec<&str> = names.iter().filter_map(line).collect();
        if text.starts_with("INVITE ") && lines.len() == names.len() {
            let answer = format!("SIP/2.0 400 Bad Request\r\n{}\r\n\r\n", lines.join("\r\n"));
            self.socket.send_to(answer.as_bytes(), source).unwrap();
        }
    }

    fn on_request(&mut self, mut request: Message, source: SocketAddr) {
        let Some(branch) = request.branch().map(str::to_owned) else { return };
        let method = request.method().to_owned();
        if let Some(bytes) = self.answered.get(&(branch.clone(), method.clone())) {
            self.socket.send_to(bytes, source).unwrap();
            return;
        }
        mark(&mut request, source);
        if let Some(pending) = self.pending.get(&branch) {
            let (to, uri) = (pending.to, pending.forwarded.uri().to_owned());
            return self.forward(request, &uri, to, &branch);
        }
        if method != "ACK" {
            self.heard.lock().unwrap().requests.push(method.clone());
        }
        if request.tag("To").is_some() {
            return self.inside(request, source, &branch);
        }
        match method.as_str() {
            "REGISTER" => self.register(&request, source),
            "INVITE" => self.invite(request, source, &branch),
            "OPTIONS" => self.answer(&request, source, 200, &[]),
            "CANCEL" => self.answer(&request, source, 481, &[]),
            "ACK" => {}
            _ => self.answer(&request, source, 405, &[]),
        }
    }

    fn inside(&mut self, mut request: Message, source: SocketAddr, branch: &str) {
        let own = format!("{}", self.addr);
        let mut routes: Vec<String> =
            request.values("Route").into_iter().map(str::to_owned).collect();
        let ours = routes.first().is_some_and(|route| route.contains(&own));
        if !ours {
            if request.method() != "ACK" {
                self.answer(&request, source, 481, &[]);
            }
            return;
        }
        routes.remove(0);
        request.remove("Route");
        for route in &routes {
            request.push("Route", route);
        }
        let uri = request.uri().to_owned();
        let next = routes.first().map_or(uri.as_str(), |route| address_uri(route));
        let to = uri_socket(next).unwrap();
        self.forward(request, &uri, to, &format!("{branch}in"));
    }

    fn register(&mut self, request: &Message, source: SocketAddr) {
        let Some(user) = self.authenticate(request, source, 401) else { return };
        let to = uri_user(address_uri(request.header("To").unwrap())).to_owned();
        if to != user {
            return self.answer(request, source, 403, &[]);
        }
        let expires: u32 = request.header("Expires").map_or(3_600, |e| e.parse().unwrap());
        let list = self.contacts.entry(user).or_default();
        for contact in request.values("Contact") {
            let uri = address_uri(contact).to_owned();
            list.retain(|known| *known != uri && contact != "*");
            let expires = param(contact, "expires").map_or(expires, |e| e.parse().unwrap());
            if expires > 0 {
                list.push(uri);
            }
        }
        let headers: Vec<(&str, String)> = list
            .iter()
            .map(|uri| ("Contact", format!("<{uri}>;expires={}", expires.min(600))))
            .collect();
        self.answer(request, source, 200, &headers);
    }

    fn invite(&mut self, mut request: Message, source: SocketAddr, branch: &str) {
        let from_trunk = self.rules.trunk.is_some_and(|(_, addr)| addr == source);
        if !from_trunk && self.authenticate(&request, source, 407).is_none() {
            return;
        }
        let number = uri_user(request.uri()).to_owned();
        let uri = match (self.contacts.get(&number), self.rules.trunk) {
            (Some(list), _) if !list.is_empty() => list[0].clone(),
            (_, Some((prefix, addr))) if number.starts_with(prefix) => {
                format!("sip:{number}@{addr}")
            }
            _ => {
                let known = self.rules.users.iter().any(|(user, _)| *user == number);
                return self.answer(&request, source, if known { 480 } else { 404 }, &[]);
            }
        };
        request.remove("Proxy-Authorization");
        let route = format!("<sip:{};lr>", self.addr);
        request.headers.insert(0, ("Record-Route".to_owned(), route));
        let to = uri_socket(&uri).unwrap();
        self.forward(request, &uri, to, branch);
    }

    /// Forwards with one more Via, whose branch follows from the one that came.
    fn forward(&mut self, mut request: Message, uri: &str, to: SocketAddr, branch: &str) {
        if let Start::Request { uri: own, .. } = &mut request.start {
            uri.clone_into(own);
        }
        // One line for all: SIPp can keep one line of an INVITE for its 487.
        let own = format!("SIP/2.0/UDP {};branch={branch}toy", self.addr);
        let vias: Vec<&str> = std::iter::once(own.as_str()).chain(request.values("Via")).collect();
        let vias = vias.join(", ");
        request.set("Via", &vias);
        let _ = self.socket.send_to(&request.to_bytes(), to);
        if request.method() == "INVITE" && request.tag("To").is_none() {
            let begun = Instant::now();
            let forwarded = request;
            self.pending.entry(branch.to_owned()).or_insert(Pending {
                forwarded,
                to,
                begun,
                rings: true,
                timed_out: false,
            });
        }
    }

    fn on_response(&mut self, mut response: Message, code: u16) {
        let branch = response.branch().unwrap_or_default().trim_end_matches("toy").to_owned();
        if response.method() == "INVITE"
            && code >= 200
            && let Some(pending) = self.pending.get_mut(&branch)
        {
            pending.rings = false;
            if pending.timed_out && code == 487 {
                response.start = Start::Response { code: 480, reason: "No Answer".to_owned() };
            }
        }
        let Some(line) = response.headers.iter_mut().find(|(name, _)| name == "Via") else {
            return;
        };
        let mut vias: Vec<String> = split_commas(&line.1).into_iter().map(str::to_owned).collect();
        vias.remove(0);
        if vias.is_empty() {
            let at = response.headers.iter().position(|(name, _)| name == "Via").unwrap();
            response.headers.remove(at);
        } else {
            line.1 = vias.join(", ");
        }
        // Without another Via it answers our own CANCEL.
        let Some(via) = response.via() else { return };
        let port = param(via, "rport").and_then(|port| port.parse().ok());
        let sent: Option<SocketAddr> = sent_by(via).parse().ok();
        let ip = param(via, "received").and_then(|ip| ip.parse().ok());
        let Some(ip) = ip.or(sent.map(|s| s.ip())) else { return };
        let Some(port) = port.or(sent.map(|s| s.port())) else { return };
        let _ = self.socket.send_to(&response.to_bytes(), SocketAddr::new(ip, port));
    }

    fn give_up_ringing(&mut self) {
        for pending in self.pending.values_mut() {
            if !pending.rings || pending.begun.elapsed() < self.rules.ring_timeout {
                continue;
            }
            (pending.rings, pending.timed_out) = (false, true);
            let invite = &pending.forwarded;
            let mut cancel = Message::request("CANCEL", invite.uri());
            cancel.push("Via", invite.via().unwrap());
            for name in ["From", "To", "Call-ID"] {
                cancel.push(name, invite.header(name).unwrap());
            }
            cancel.push("CSeq", &format!("{} CANCEL", invite.cseq().unwrap().0));
            let _ = self.socket.send_to(&cancel.to_bytes(), pending.to);
        }
    }

    /// The user whose password was right; else a challenge or refusal has been sent.
    fn authenticate(&mut self, request: &Message, to: SocketAddr, code: u16) -> Option<String> {
        let name = if code == 407 { "Proxy-Authorization" } else { "Authorization" };
        let credentials = request.header(name).and_then(Credentials::parse);
        let mut stale = false;
        if let Some(credentials) = credentials {
            let user = self.rules.users.iter().find(|(user, _)| *user == credentials.user);
            let last = self.nonces.get(&credentials.nonce).copied();
            let right = user.is_some_and(|(_, pw)| credentials.verify(request.method(), pw));
            let fresh = last.is_some_and(|last| {
                credentials.count > last && credentials.count <= self.rules.nonce_uses
            });
            if right && fresh {
                self.nonces.insert(credentials.nonce.clone(), credentials.count);
                self.heard.lock().unwrap().counts.push(credentials.count);
                return Some(credentials.user);
            }
            stale = right;
        }
        let header = if code == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let mut headers = Vec::new();
        for algorithm in self.rules.algorithms.clone() {
            let nonce = self.random.token();
            self.nonces.insert(nonce.clone(), 0);
            let challenge = Challenge {
                realm: "toy".to_owned(),
                nonce,
                opaque: Some("o\"paque".to_owned()),
                algorithm,
                qop_auth: true,
                stale,
            };
            headers.push((header, challenge.to_value()));
        }
        self.heard.lock().unwrap().challenges.push(stale);
        self.answer(request, to, code, &headers);
        None
    }

    fn answer(&mut self, request: &Message, to: SocketAddr, code: u16, more: &[(&str, String)]) {
        let tag = self.random.token();
        let mut response = Message::response(code, request, Some(&tag));
        for (name, value) in more {
            response.push(name, value);
        }
        let bytes = response.to_bytes();
        let key = (request.branch().unwrap().to_owned(), request.method().to_owned());
        self.answered.insert(key, bytes.clone());
        let _ = self.socket.send_to(&bytes, to);
    }
}

fn mark(request: &mut Message, source: SocketAddr) {
    let Some(line) = request.headers.iter_mut().find(|(name, _)| name == "Via") else { return };
    let port = format!(";rport={}", source.port());
    line.1 = line.1.replacen(";rport", &port, 1);
    if !line.1.contains("rport") {
        line.1 = line.1.replacen(";branch", &format!("{port};branch"), 1);
    }
}
