//! The phone: one UDP socket, one background thread, and an API that blocks with time limits.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::call::{IncomingCall, OutgoingCall};
use crate::digest::{Algorithm, Challenge};
use crate::engine::client::Owner;
use crate::engine::{Counts, Engine, Exchange};
use crate::failure::{Cause, Failure};
use crate::forwarder::Impairment;
use crate::gate::{Bound, Gate, Guard};
use crate::limits::{DATAGRAM_BYTES_MAX, POLL};
use crate::media::Behind;
use crate::message::{Message, address_uri, param, uri_socket};
use crate::srtp::Srtp;

/// What a phone is and how it behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// User part of its address and digest user name.
    pub user: String,
    /// Digest password; empty for none.
    pub password: String,
    /// Host part of its address of record; the server's `ip:port` when absent.
    pub domain: Option<String>,
    /// Where requests outside calls go.
    pub server: SocketAddr,
    /// Own address; port 0 for any. The address must be a real one, not 0.0.0.0, as it is written
    /// into Contact and the session description.
    pub bind: SocketAddr,
    /// Digest algorithms it takes; the first challenge of these is answered (RFC 8760 2.4).
    pub algorithms: Vec<Algorithm>,
    /// Send credentials for known realms at once, with the next nonce count.
    pub reuse_nonce: bool,
    /// Send all requests to the server, those in calls too, as with an outbound proxy.
    pub outbound_proxy: bool,
    /// Answer INVITE with 100 at once.
    pub trying: bool,
    /// Timer T1 of RFC 3261; all other timers follow from it.
    pub t1: Duration,
    /// Limit of blocking calls that take none of their own.
    pub patience: Duration,
    /// Packet time of sent audio, ms.
    pub ptime_ms: u32,
    /// Time between RTCP reports.
    pub rtcp_interval: Duration,
    /// Faults of the network before the RTP port, if any.
    pub media_impairment: Option<Impairment>,
    /// The NAT that its media comes through, if any; its RTCP stays away then.
    pub media_behind: Option<Behind>,
    /// Whether its media is encrypted.
    pub srtp: Srtp,
}

impl Config {
    /// A phone on a free port of 127.0.0.1, with the timers of RFC 3261.
    #[must_use]
    pub fn new(user: &str, password: &str, server: SocketAddr) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            domain: None,
            server,
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            reuse_nonce: true,
            outbound_proxy: false,
            trying: true,
            t1: Duration::from_millis(500),
            patience: Duration::from_secs(10),
            ptime_ms: 20,
            rtcp_interval: Duration::from_secs(1),
            media_impairment: None,
            media_behind: None,
            srtp: Srtp::Off,
        }
    }
}

/// A registration that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Seconds granted for our contact; 0 after `unregister`.
    pub expires_s: u32,
    /// All contacts of the 200, ours included.
    pub contacts: Vec<String>,
    /// Challenges met on the way, in order.
    pub challenges: Vec<Challenge>,
}

/// A test phone. Its calls end when it is dropped.
#[derive(Debug)]
pub struct Phone {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    engine: Mutex<Engine>,
    changed: Condvar,
    stop: AtomicBool,
}

impl Phone {
    /// Binds the socket and starts the thread.
    ///
    /// # Errors
    /// From the operating system.
    pub fn new(config: Config) -> io::Result<Self> {
        if config.bind.ip().is_unspecified() {
            return Err(io::Error::other("bind a real address: it is told to the other side"));
        }
        let socket = Arc::new(UdpSocket::bind(config.bind)?);
        socket.set_read_timeout(Some(POLL))?;
        let local = socket.local_addr()?;
        let shared = Arc::new(Shared {
            engine: Mutex::new(Engine::new(config, Arc::clone(&socket), local)),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let run = Arc::clone(&shared);
        let thread = Some(std::thread::spawn(move || run.run(&socket)));
        Ok(Self { shared, thread })
    }

    /// Own SIP address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.shared.lock().local
    }

    /// Changes where requests outside calls go: for two phones that call each other.
    pub fn set_server(&self, server: SocketAddr) {
        self.shared.lock().server = server;
    }

    /// Makes it a carrier that asks for credentials and takes registrations, or no longer.
    pub fn set_gate(&self, gate: Option<Gate>) {
        let mut engine = self.shared.lock();
        engine.guard = match (gate, engine.guard.take()) {
            (Some(gate), Some(guard)) => Some(Guard { gate, ..guard }),
            (Some(gate), None) => Some(Guard::new(gate)),
            (None, _) => None,
        };
    }

    /// As a registrar that was started again: all contacts and counts are forgotten.
    pub fn forget_contacts(&self) {
        let mut engine = self.shared.lock();
        // Its nonces stay unique.
        engine.guard =
            engine.guard.take().map(|guard| Guard { count: guard.count, ..Guard::new(guard.gate) });
    }

    /// The contact that is registered here now.
    #[must_use]
    pub fn bound(&self) -> Option<Bound> {
        let bound = self.shared.lock().guard.as_ref()?.bound.clone()?;
        (bound.until > Instant::now()).then_some(bound)
    }

    /// How often requests of a method were challenged, let in, and answered wrongly.
    #[must_use]
    pub fn gate_counts(&self, method: &str) -> (u32, u32, u32) {
        let engine = self.shared.lock();
        let Some(guard) = &engine.guard else { return (0, 0, 0) };
        let of = |counts: &BTreeMap<String, u32>| counts.get(method).copied().unwrap_or(0);
        (of(&guard.challenged), of(&guard.admitted), of(&guard.wrong))
    }

    /// All SIP messages so far, as text.
    #[must_use]
    pub fn ladder(&self) -> String {
        self.shared.lock().ladder.to_text()
    }

    /// Lines of the ladder that contain `what`.
    #[must_use]
    pub fn seen(&self, what: &str) -> usize {
        self.shared.lock().ladder.count(what)
    }

    /// What was counted apart from calls.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// Registers its contact for `expires_s` seconds.
    ///
    /// # Errors
    /// With the final code when refused: 401 or 403 after a wrong password.
    pub fn register(&self, expires_s: u32) -> Result<Registered, Failure> {
        let contact = self.shared.lock().contact();
        let done = self.register_contact(&contact, expires_s)?;
        self.shared.lock().registered = expires_s > 0;
        Ok(done)
    }

    /// Removes its contact.
    ///
    /// # Errors
    /// As [`Phone::register`].
    pub fn unregister(&self) -> Result<Registered, Failure> {
        self.register(0)
    }

    /// Removes all contacts of its address of record (`Contact: *`, RFC 3261 10.2.2).
    ///
    /// # Errors
    /// As [`Phone::register`].
    pub fn unregister_all(&self) -> Result<Registered, Failure> {
        self.register_contact("*", 0)
    }

    /// Sends any request outside calls to the server and waits for its final response.
    ///
    /// # Errors
    /// With the code when it is not 2xx.
    pub fn request(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<Message, Failure> {
        let mut engine = self.shared.lock();
        let (tag, call_id) = (engine.random.token(), engine.random.token());
        let own = format!("<sip:{}@{}>", engine.config.user, engine.domain());
        let mut request = Message::request(method, uri);
        request.push("Max-Forwards", "70");
        request.push("From", &format!("{own};tag={tag}"));
        request.push("To", &format!("<{uri}>"));
        request.push("Call-ID", &call_id);
        request.push("CSeq", &format!("1 {method}"));
        for (name, value) in headers {
            request.set(name, value);
        }
        drop(engine);
        self.exchange(request).map(|(response, _)| response)
    }

    /// Calls a number at the server's domain.
    ///
    /// # Errors
    /// When there is no port for media.
    pub fn invite(&self, number: &str) -> Result<OutgoingCall, Failure> {
        self.invite_with(number, &[], true)
    }

    /// Calls with more headers, and with or without an offer in the INVITE.
    ///
    /// # Errors
    /// When there is no port for media.
    pub fn invite_with(
        &self,
        number: &str,
        headers: &[(&str, &str)],
        offer: bool,
    ) -> Result<OutgoingCall, Failure> {
        let uri = format!("sip:{number}@{}", self.shared.lock().domain());
        self.invite_uri(&uri, headers, offer)
    }

    /// Calls a URI as it is, by way of the server.
    ///
    /// # Errors
    /// When there is no port for media.
    pub fn invite_uri(
        &self,
        uri: &str,
        headers: &[(&str, &str)],
        offer: bool,
    ) -> Result<OutgoingCall, Failure> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers: Vec<(String, String)> = headers.iter().map(own).collect();
        let mut engine = self.shared.lock();
        let id = engine.invite(uri, &headers, offer);
        drop(engine);
        let awaited = format!("a call to {uri}");
        let id = id.map_err(|e| self.shared.failure(None, Cause::Io(e.to_string()), &awaited))?;
        Ok(OutgoingCall::new(Arc::clone(&self.shared), id))
    }

    /// The next call that comes.
    ///
    /// # Errors
    /// When none came within `limit`.
    pub fn wait_call(&self, limit: Duration) -> Result<IncomingCall, Failure> {
        let take = |engine: &mut Engine| engine.arrivals.pop_front().map(Ok);
        let id = self.shared.wait(None, limit, "an incoming call", take)?;
        Ok(IncomingCall::new(Arc::clone(&self.shared), id))
    }

    /// Fails when a call came within `limit`: for calls that must not arrive.
    ///
    /// # Errors
    /// When one came. It is refused with 480.
    pub fn expect_no_call(&self, limit: Duration) -> Result<(), Failure> {
        match self.wait_call(limit) {
            Err(_) => Ok(()),
            Ok(call) => {
                let cause = Cause::Protocol("a call came");
                let failure = self.shared.failure(Some(call.id()), cause, "no incoming call");
                drop(call);
                Err(failure)
            }
        }
    }

    fn register_contact(&self, contact: &str, expires_s: u32) -> Result<Registered, Failure> {
        let mut engine = self.shared.lock();
        let domain = engine.domain();
        let own = format!("<sip:{}@{domain}>", engine.config.user);
        let tag = engine.random.token();
        engine.register_cseq += 1;
        let mut request = Message::request("REGISTER", &format!("sip:{domain}"));
        request.push("Max-Forwards", "70");
        request.push("From", &format!("{own};tag={tag}"));
        request.push("To", &own);
        request.push("Call-ID", &engine.register_call_id);
        request.push("CSeq", &format!("{} REGISTER", engine.register_cseq));
        request.push("Contact", contact);
        request.push("Expires", &expires_s.to_string());
        request.push("User-Agent", "strowger-phone");
        let local = engine.local;
        drop(engine);
        let (response, challenges) = self.exchange(request)?;
        let contacts: Vec<String> =
            response.values("Contact").into_iter().map(str::to_owned).collect();
        let ours = contacts.iter().find(|c| uri_socket(address_uri(c)) == Some(local));
        let expires_s = match (ours, expires_s) {
            (None, 0) => 0,
            (Some(_), 0) => {
                return Err(self.protocol("our contact is still there after its removal"));
            }
            (None, _) => return Err(self.protocol("a 200 to REGISTER without our contact")),
            (Some(ours), _) => {
                let text = param(ours, "expires").or_else(|| response.header("Expires"));
                let granted = text.and_then(|text| text.trim().parse().ok());
                granted.ok_or_else(|| self.protocol("a contact without an expiry"))?
            }
        };
        Ok(Registered { expires_s, contacts, challenges })
    }

    fn protocol(&self, what: &'static str) -> Failure {
        self.shared.failure(None, Cause::Protocol(what), "a correct answer to REGISTER")
    }

    fn exchange(&self, request: Message) -> Result<(Message, Vec<Challenge>), Failure> {
        let awaited = format!("the final response to {}", request.summary());
        let mut engine = self.shared.lock();
        let (id, to, patience) = (engine.fresh_id(), engine.server, engine.config.patience);
        engine.exchanges.insert(id, Exchange::default());
        engine.send_request(Owner::Exchange(id), request, to);
        drop(engine);
        self.shared.wait_exchange(id, None, patience, &awaited)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let mut engine = self.shared.lock();
        let live: Vec<u64> =
            engine.dialogs.values().filter(|d| d.is_live()).map(|d| d.id).collect();
        for id in live {
            engine.abandon(id);
        }
        drop(engine);
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, socket: &UdpSocket) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !self.stop.load(Ordering::SeqCst) {
            let got = socket.recv_from(&mut buffer);
            let mut engine = self.lock();
            let mut did = false;
            if let Ok((length, source)) = got {
                engine.handle_datagram(buffer.get(..length).unwrap_or_default(), source);
                did = true;
            }
            did |= engine.handle_timers(Instant::now());
            drop(engine);
            if did {
                self.changed.notify_all();
            }
        }
    }

    /// Waits until `check` gives something.
    pub(crate) fn wait<T>(
        &self,
        call: Option<u64>,
        limit: Duration,
        awaited: &str,
        mut check: impl FnMut(&mut Engine) -> Option<Result<T, Cause>>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + limit;
        let mut engine = self.lock();
        loop {
            if let Some(result) = check(&mut engine) {
                drop(engine);
                return result.map_err(|cause| self.failure(call, cause, awaited));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(engine);
                let awaited = format!("{awaited} within {limit:?}");
                return Err(self.failure(call, Cause::TimedOut, &awaited));
            }
            let waited = self.changed.wait_timeout(engine, left);
            engine = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn wait_exchange(
        &self,
        id: u64,
        call: Option<u64>,
        limit: Duration,
        awaited: &str,
    ) -> Result<(Message, Vec<Challenge>), Failure> {
        let done = self.wait(call, limit, awaited, |engine| {
            let exchange = engine.exchanges.get(&id)?;
            let challenges = exchange.challenges.clone();
            exchange.outcome.clone().map(|o| o.map(|response| (response, challenges)))
        });
        self.lock().exchanges.remove(&id);
        done
    }

    /// A failure with all that is known now.
    pub(crate) fn failure(&self, call: Option<u64>, cause: Cause, awaited: &str) -> Failure {
        let engine = self.lock();
        let dialog = call.and_then(|id| engine.dialogs.get(&id));
        let seen = match dialog {
            Some(dialog) => dialog.describe(),
            None => format!("{} calls, {:?}", engine.dialogs.len(), engine.counts),
        };
        Failure { cause, awaited: awaited.to_owned(), seen, ladder: engine.ladder.to_text() }
    }
}
