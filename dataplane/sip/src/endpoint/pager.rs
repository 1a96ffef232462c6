//! A request outside calls that goes on to somebody else: MESSAGE in pager mode (RFC 3428).
//!
//! The sender's transaction waits, a request of our own goes to the target, and its final response
//! is the answer: status and nothing else, so nobody learns of the other's addresses. It is a new
//! request with its own Call-ID and tags, of which only type and body are the sender's. What the
//! target challenges or never answers is 480 for the sender.

use strowger_link::{Forward, Tick};

use super::layer::{Heard, Response, Way, Whose};
use super::output::{Counted, RequestId};
use super::slab::Id;
use super::{Endpoint, Path};
use crate::build::{Body, Writer};
use crate::header::Header;
use crate::message::{Index, Message};
use crate::method::Method;
use crate::uri::UriBuilder;

/// Max-Forwards of a request that has none.
const HOPS: u32 = 70;
/// What the sender hears of a target that cannot be had.
const GONE: u16 = 480;

impl Endpoint {
    /// Answers a request outside calls by what a target says to it.
    pub fn forward_request(&mut self, id: RequestId, forward: &Forward, now: Tick) {
        let sent = self.layer.request_of(id.0).and_then(|bytes| {
            let mut index = Index::new();
            let request = Message::parse(&bytes, &mut index).ok()?;
            self.pass_on(id.0, request, forward, now)
        });
        if sent.is_none() {
            self.page_answered(id.0, GONE, now);
        }
    }

    fn pass_on(
        &mut self,
        server: Id,
        request: Message<'_>,
        forward: &Forward,
        now: Tick,
    ) -> Option<Id> {
        let target = &forward.target;
        let listener = self.layer.listener(forward.listener)?;
        if listener.local.is_ipv4() != target.address.is_ipv4() {
            return None;
        }
        let path = Path {
            listener: forward.listener,
            transport: target.transport,
            local: listener.local,
            peer: target.address,
            flow: target.flow,
        };
        let branch = self.layer.free_branch();
        let bytes = self.write_page(request, forward, &path, &branch)?;
        let whose = Whose::Page(server);
        self.layer.start(Way { path, branch: &branch, whose }, bytes.into(), now)
    }

    fn write_page(
        &mut self,
        request: Message<'_>,
        forward: &Forward,
        path: &Path,
        branch: &[u8],
    ) -> Option<Vec<u8>> {
        let target = &forward.target;
        let us = self.layer.listener(path.listener)?.advertised;
        let from = UriBuilder::sip().user(forward.from_user.as_bytes()).address(us.ip());
        let from = from.finish()?;
        let tag = format!("{:016x}", self.layer.chance.next());
        let call_id = format!("{:016x}{:016x}", self.layer.chance.next(), self.layer.chance.next());
        let hops = request.number(Header::MaxForwards).ok()?.unwrap_or(HOPS).checked_sub(1)?;
        let mut out = Vec::with_capacity(1_024);
        let via = self.layer.via(path, branch);
        let uri = target.uri.as_bytes();
        let mut writer = Writer::request(&mut out, Method::Message.name(), uri);
        writer.via(via).number(Header::MaxForwards, hops);
        for route in &target.routes {
            writer.field(Header::Route, route.as_bytes());
        }
        writer.parts(Header::From, &[b"<", &from, b">;tag=", tag.as_bytes()]);
        writer.parts(Header::To, &[b"<", uri, b">"]);
        writer.field(Header::SipCallId, call_id.as_bytes());
        writer.field(Header::CSeq, b"1 MESSAGE");
        writer.field(Header::UserAgent, self.layer.config.product.as_bytes());
        let kind = request.value(Header::ContentType).unwrap_or(b"text/plain");
        let bytes = request.body();
        writer.finish(Some(Body { content_type: kind, bytes })).ok()?;
        Some(out)
    }

    /// The target of a page said something, or nothing.
    pub(super) fn page_heard(
        &mut self,
        server: Id,
        heard: &Heard,
        response: Option<Message<'_>>,
        now: Tick,
    ) {
        if heard.failure.is_some() {
            return self.page_answered(server, GONE, now);
        }
        let status = response.filter(|_| heard.response).and_then(Message::status);
        let Some(status) = status.filter(|status| status.is_final()) else { return };
        let told = match status.code() {
            // A phone that wants credentials of us, or points elsewhere, is as good as gone.
            300..=399 | 401 | 407 => GONE,
            // RFC 3261 16.7: it is not we who cannot.
            503 => 500,
            code => code,
        };
        self.page_answered(server, told, now);
    }

    fn page_answered(&mut self, server: Id, status: u16, now: Tick) {
        let tag = format!("{:016x}", self.layer.chance.next());
        let response = Response { tag: Some(tag.as_bytes()), ..Response::new(status) };
        if self.layer.respond(server, response, now).is_none() {
            // The sender has given up.
            self.layer.count(Counted::Unanswered);
        }
    }
}
