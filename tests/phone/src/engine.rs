//! The phone's SIP side behind its lock: transactions, dialogs, registrations, and what the
//! background thread does with datagrams and timers. RFC 3261 8, 12, 13, 14, 15, 17.

pub(crate) mod client;
pub(crate) mod dialog;
pub(crate) mod offer;
pub(crate) mod server;

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::digest::Challenge;
use crate::failure::{Cause, EndedBy};
use crate::gate::Guard;
use crate::ladder::{Ladder, Way};
use crate::media::MediaConfig;
use crate::message::{Message, uri_socket};
use crate::phone::Config;
use crate::random::Random;
use client::ClientTx;
use dialog::Dialog;
use server::ServerTx;

/// Methods of the phone, for `Allow`.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE";

/// What a phone counted apart from its calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams that are not SIP.
    pub malformed: u64,
    /// Requests that came again and were answered from memory.
    pub repeated_requests: u64,
    /// Final responses to INVITE that came again and were acknowledged again.
    pub repeated_responses: u64,
    /// Responses that belong to no transaction.
    pub stray_responses: u64,
    /// ACKs that belong to no call or INVITE.
    pub stray_acks: u64,
    /// Requests for dialogs that do not exist, answered with 481.
    pub stray_requests: u64,
    /// Own requests and responses that were sent again.
    pub resent: u64,
    /// 2xx responses from other branches of a fork, acknowledged and ended with BYE.
    pub forked_answers: u64,
}

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) config: Config,
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) local: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) random: Random,
    pub(crate) ladder: Ladder,
    pub(crate) counts: Counts,
    pub(crate) clients: Vec<ClientTx>,
    pub(crate) servers: Vec<ServerTx>,
    pub(crate) dialogs: BTreeMap<u64, Dialog>,
    pub(crate) arrivals: VecDeque<u64>,
    pub(crate) exchanges: BTreeMap<u64, Exchange>,
    pub(crate) realms: Vec<Realm>,
    pub(crate) register_call_id: String,
    pub(crate) register_cseq: u32,
    pub(crate) registered: bool,
    /// Asks others for credentials, if it is a carrier.
    pub(crate) guard: Option<Guard>,
    next_id: u64,
}

/// A challenge that was met, for later requests.
#[derive(Debug)]
pub(crate) struct Realm {
    pub(crate) proxy: bool,
    pub(crate) challenge: Challenge,
    pub(crate) count: u32,
}

/// A request outside calls and its result.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) outcome: Option<Result<Message, Cause>>,
    pub(crate) challenges: Vec<Challenge>,
}

impl Engine {
    pub(crate) fn new(config: Config, socket: Arc<UdpSocket>, local: SocketAddr) -> Self {
        let mut random = Random::fresh();
        Self {
            server: config.server,
            ladder: Ladder::new(&format!("phone {} at {local}", config.user)),
            register_call_id: random.token(),
            register_cseq: 0,
            registered: false,
            guard: None,
            config,
            socket,
            local,
            random,
            counts: Counts::default(),
            clients: Vec::new(),
            servers: Vec::new(),
            dialogs: BTreeMap::new(),
            arrivals: VecDeque::new(),
            exchanges: BTreeMap::new(),
            realms: Vec::new(),
            next_id: 0,
        }
    }

    /// One datagram from the network.
    pub(crate) fn handle_datagram(&mut self, bytes: &[u8], source: SocketAddr) {
        // Keep-alives (RFC 5626 4.4.1) are no messages.
        if bytes.iter().all(|b| b"\r\n\0".contains(b)) {
            return;
        }
        match Message::parse(bytes) {
            Ok(message) => {
                self.ladder.add(Way::In, Some(source), &message.summary());
                match message.code() {
                    Some(_) => self.handle_response(&message),
                    None => self.handle_request(message, source),
                }
            }
            Err(error) => {
                self.counts.malformed += 1;
                let start =
                    String::from_utf8_lossy(bytes.get(..bytes.len().min(60)).unwrap_or(&[]));
                self.ladder.add(Way::In, Some(source), &format!("malformed ({error}): {start:?}"));
            }
        }
    }

    /// All timers; true when one of them did something.
    pub(crate) fn handle_timers(&mut self, now: Instant) -> bool {
        let clients = self.client_timers(now);
        let servers = self.server_timers(now);
        let dialogs = self.dialog_timers(now);
        clients || servers || dialogs
    }

    pub(crate) fn transmit(&mut self, bytes: &[u8], to: SocketAddr, what: &str) {
        let what = match self.socket.send_to(bytes, to) {
            Ok(_) => what.to_owned(),
            Err(error) => format!("{what} (not sent: {error})"),
        };
        self.ladder.add(Way::Out, Some(to), &what);
    }

    pub(crate) fn note(&mut self, what: &str) {
        self.ladder.add(Way::Note, None, what);
    }

    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Timer T1 (RFC 3261 17.1.1.1).
    pub(crate) fn t1(&self) -> Duration {
        self.config.t1
    }

    /// Timer T2: 4 s for the usual T1.
    pub(crate) fn t2(&self) -> Duration {
        self.config.t1 * 8
    }

    /// Timers B, F, H and the wait for an ACK.
    pub(crate) fn t1_64(&self) -> Duration {
        self.config.t1 * 64
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.config.user, self.local)
    }

    pub(crate) fn domain(&self) -> String {
        self.config.domain.clone().unwrap_or_else(|| self.server.to_string())
    }

    /// Where a request goes: out of dialogs to the server, in dialogs by route set and target
    /// (RFC 3261 8.1.2), always to the server with `outbound_proxy`.
    pub(crate) fn destination(&self, routes: &[String], target: &str) -> SocketAddr {
        let next = routes.first().map_or(target, String::as_str);
        match uri_socket(crate::message::address_uri(next)) {
            Some(addr) if !self.config.outbound_proxy => addr,
            _ => self.server,
        }
    }

    pub(crate) fn media_config(&self) -> MediaConfig {
        MediaConfig {
            bind: self.local.ip(),
            ptime_ms: self.config.ptime_ms,
            rtcp_interval: self.config.rtcp_interval,
            impairment: self.config.media_impairment,
            behind: self.config.media_behind,
            srtp: self.config.srtp,
        }
    }

    /// Ends a dialog once; later reasons do not count.
    pub(crate) fn end_dialog(&mut self, id: u64, by: EndedBy) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.end(by) {
            self.note(&format!("call {id} ended: {by:?}"));
        }
    }
}
