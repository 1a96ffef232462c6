//! Which transport carries a request of ours, and what its Via says about it.

use std::net::SocketAddr;

use strowger_link::{Tick, Transport};

use super::super::config::Path;
use super::super::output::Bytes;
use super::{Layer, Role, Whose};
use crate::limits::NO_STREAM_MAX;
use crate::message::{Index, Message};
use crate::uri::Uri;

/// How long a peer that took no connection is not asked for one again, milliseconds.
const NO_STREAM_MS: u64 = 3_600_000;

/// A request and its way, should the connection for it come to nothing.
pub(super) struct PlanB {
    pub(super) path: Path,
    pub(super) request: Bytes,
}

/// What is sent, how, and what if that fails.
pub(super) struct Carried {
    pub(super) path: Path,
    pub(super) request: Bytes,
    pub(super) plan_b: Option<Box<PlanB>>,
}

impl Layer {
    /// Chooses the transport of a request.
    pub(super) fn carry(&mut self, path: Path, whose: Whose, request: Bytes, now: Tick) -> Carried {
        let is_long = path.transport == Transport::Udp && request.len() > self.config.udp_len_max;
        if is_long
            && path.shard().is_none()
            && let Some(carried) = self.carry_by_stream(path, &request, now)
        {
            return carried;
        }
        // A CANCEL repeats the Via of its INVITE as it was written, not as it was sent.
        let is_cancel = matches!(whose, Whose::Leg(_, Role::Cancel));
        let renamed = (is_cancel && path.transport != Transport::Udp)
            .then(|| self.with_via_of(&path, &request))
            .flatten();
        Carried { path, request: renamed.unwrap_or(request), plan_b: None }
    }

    //= rfc3261#section-18.1.1
    //# If a request is within 200 bytes of the path MTU, or if it is larger
    //# than 1300 bytes and the path MTU is unknown, the request MUST be sent
    //# using an RFC 2914 [43] congestion controlled transport protocol, such
    //# as TCP. If this causes a change in the transport protocol from the
    //# one indicated in the top Via, the value in the top Via MUST be
    //# changed.
    fn carry_by_stream(&mut self, path: Path, request: &Bytes, now: Tick) -> Option<Carried> {
        if !self.may_stream_to(path.peer, now) || names_transport(request) {
            return None;
        }
        let listener = self.stream_listener(&path)?;
        let stream = Path { listener, transport: Transport::Tcp, ..path };
        let sent = self.with_via_of(&stream, request)?;
        let plan_b = PlanB { path, request: request.clone() };
        Some(Carried { path: stream, request: sent, plan_b: Some(Box::new(plan_b)) })
    }

    /// The listener for connections of the same family, at the same address if there is one.
    fn stream_listener(&self, path: &Path) -> Option<u8> {
        let own = self.listener(path.listener)?.local;
        let fit = |at: &SocketAddr| at.is_ipv4() == path.peer.is_ipv4();
        let all = || {
            let indexed = (0u8..).zip(&self.config.listeners);
            indexed.filter(|(_, l)| l.transport == Transport::Tcp && fit(&l.local))
        };
        let same = all().find(|(_, l)| l.local.ip() == own.ip());
        same.or_else(|| all().next()).map(|(index, _)| index)
    }

    fn may_stream_to(&mut self, peer: SocketAddr, now: Tick) -> bool {
        match self.no_stream.get(&peer) {
            Some(until) if *until > now => false,
            Some(_) => {
                self.no_stream.remove(&peer);
                true
            }
            None => true,
        }
    }

    //= rfc3261#section-18.1.1
    //# If an element sends a request over TCP because of these message size
    //# constraints, and that request would have otherwise been sent over
    //# UDP, if the attempt to establish the connection generates either an
    //# ICMP Protocol Not Supported, or results in a TCP reset, the element
    //# SHOULD retry the request, using UDP.
    /// A peer took no connection: long requests go to it by UDP for a while.
    pub(super) fn refuses_streams(&mut self, peer: SocketAddr, now: Tick) {
        if self.no_stream.len() >= NO_STREAM_MAX {
            self.no_stream.clear();
        }
        self.no_stream.insert(peer, now.plus_ms(NO_STREAM_MS));
    }

    /// `request` with the transport and the sent-by of `path` in its top Via, which we wrote.
    fn with_via_of(&self, path: &Path, request: &[u8]) -> Option<Bytes> {
        const BEGIN: &[u8] = b"\r\nVia: SIP/2.0/";
        let at = request.windows(BEGIN.len()).position(|window| window == BEGIN)?;
        let (head, rest) = request.split_at_checked(at + BEGIN.len())?;
        let params = rest.iter().position(|byte| *byte == b';')?;
        let sent_by = self.via(path, &[]).sent_by.to_string();
        let via = [path.via_name().as_bytes(), b" ", sent_by.as_bytes()].concat();
        Some([head, &via, rest.get(params..)?].concat().into())
    }
}

/// Whether the Request-URI says which transport it wants.
fn names_transport(request: &[u8]) -> bool {
    let mut index = Index::new();
    let Ok(request) = Message::parse(request, &mut index) else { return true };
    let uri = request.request_uri().and_then(Uri::parse).and_then(Uri::sip);
    uri.is_none_or(|uri| uri.secure || uri.param(b"transport").is_some())
}
