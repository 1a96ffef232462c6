//! Dialogs (RFC 3261 12): who the two ends are, and how a request reaches the other one.
//!
//! A [`Dialog`] is values only. It is made from the request or response that establishes it,
//! orders the peer's requests by CSeq, and writes the head of each request inside it: Request-URI,
//! Route, From, To, Call-ID and CSeq. Who sends what and when is the usage's part (`endpoint`).

use std::net::{IpAddr, SocketAddr};

use crate::build::{OwnVia, Writer};
use crate::field::{NameAddr, PORT_DEFAULT, PORT_DEFAULT_TLS, elements};
use crate::header::Header;
use crate::lex;
use crate::limits::{HOST_LEN_MAX, ROUTES_MAX};
use crate::message::{Message, Refusal};
use crate::method::Method;
use crate::uri::{Host, SipUri, Uri};

/// Max-Forwards of requests that begin with us (RFC 3261 8.1.1.6).
pub const MAX_FORWARDS: u32 = 70;

/// One end of a dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// Its address as From and To have it, without the tag.
    pub address: Box<[u8]>,
    /// Its tag; `None` for a peer of RFC 2543, and until a response names one.
    pub tag: Option<Box<[u8]>>,
}

/// A dialog, early or confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: Box<[u8]>,
    /// Our end.
    pub local: End,
    /// The peer's end.
    pub remote: End,
    /// CSeq number of our last request; 0 before the first.
    pub local_seq: u32,
    /// CSeq number of the peer's last request.
    pub remote_seq: Option<u32>,
    /// Where requests go: the peer's Contact URI.
    pub target: Box<[u8]>,
    /// The Route values of our requests, in their order, as written.
    pub route_set: Vec<Box<[u8]>>,
    /// Whether it was established by a SIPS URI over TLS.
    pub secure: bool,
}

/// How a request of the peer stands in the order of its requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// It is the next one, or a later one.
    InOrder,
    /// A later one was seen already: 500 (RFC 3261 12.2.2).
    TooLate,
}

impl Dialog {
    //= rfc3261#section-12.1.1
    //# The route set MUST be set to the list of URIs in the Record-Route
    //# header field from the request, taken in order and preserving all URI
    //# parameters.
    /// The dialog that a request from a peer establishes once we answer with `tag`.
    ///
    /// # Errors
    /// A field it needs is missing, malformed or too long.
    pub fn of_request(request: Message<'_>, tag: &[u8], tls: bool) -> Result<Dialog, Refusal> {
        let (from, to, cseq) = (request.from()?, request.to()?, request.cseq()?);
        let secure_uri = request.request_uri().and_then(Uri::parse).and_then(Uri::sip);
        Ok(Dialog {
            call_id: request.call_id()?.into(),
            local: End { address: address(to), tag: Some(tag.into()) },
            remote: End { address: address(from), tag: from.tag().map(Into::into) },
            local_seq: 0,
            remote_seq: Some(cseq.number),
            // RFC 2543 had no Contact in requests; its From is where to send then.
            target: contact(request)
                .or_else(|| target(from.uri))
                .ok_or(Refusal::Missing(Header::Contact))?,
            route_set: routes(request)?,
            secure: tls && secure_uri.is_some_and(|uri| uri.secure),
        })
    }

    //= rfc3261#section-12.1.2
    //# The route set MUST be set to the list of URIs in the Record-Route
    //# header field from the response, taken in reverse order and preserving
    //# all URI parameters.
    /// Takes what a response to our request establishes: the peer's tag, route set and target.
    ///
    /// # Errors
    /// A field it needs is missing, malformed or too long; the dialog is then unchanged.
    pub fn establish(&mut self, response: Message<'_>) -> Result<(), Refusal> {
        let tag = response.to()?.tag().map(Into::into);
        let mut route_set = routes(response)?;
        route_set.reverse();
        self.remote.tag = tag;
        self.route_set = route_set;
        self.refresh(response);
        Ok(())
    }

    //= rfc3261#section-12.2.2
    //# When a UAS receives a target refresh request, it MUST replace the
    //# dialog's remote target URI with the URI from the Contact header field
    //# in that request, if present.
    /// Takes the new target of a re-INVITE or of its 2xx, if it has one.
    pub fn refresh(&mut self, message: Message<'_>) {
        if let Some(target) = contact(message) {
            self.target = target;
        }
    }

    /// Whether a request of the peer belongs here: Call-ID and both tags (RFC 3261 12).
    #[must_use]
    pub fn owns_request(&self, request: Message<'_>) -> bool {
        let (Ok(call_id), Ok(from), Ok(to)) = (request.call_id(), request.from(), request.to())
        else {
            return false;
        };
        *self.call_id == *call_id
            && self.remote.tag.as_deref() == from.tag()
            && self.local.tag.as_deref() == to.tag()
    }

    /// Whether a response names the peer's end of this dialog.
    #[must_use]
    pub fn owns_response(&self, response: Message<'_>) -> bool {
        response.to().is_ok_and(|to| to.tag() == self.remote.tag.as_deref())
    }

    //= rfc3261#section-12.2.2
    //# If the remote sequence number was not empty, but the sequence number
    //# of the request is lower than the remote sequence number, the request
    //# is out of order and MUST be rejected with a 500 (Server Internal
    //# Error) response.
    /// Takes note of a new request of the peer by its CSeq number. An equal number is too late as
    /// well: a retransmission would have ended at its transaction.
    pub fn order(&mut self, cseq: u32) -> Order {
        if self.remote_seq.is_some_and(|last| cseq <= last) {
            return Order::TooLate;
        }
        self.remote_seq = Some(cseq);
        Order::InOrder
    }

    //= rfc3261#section-12.2.1.1
    //# Requests within a dialog MUST contain strictly monotonically
    //# increasing and contiguous CSeq sequence numbers (increasing-by-one)
    //# in each direction
    /// The CSeq number of our next request.
    pub fn next_seq(&mut self) -> u32 {
        // 2^31 requests of one dialog do not happen; if they did, the peer would refuse the next.
        self.local_seq = self.local_seq.saturating_add(1);
        self.local_seq
    }

    /// Writes the head of a request in this dialog: everything up to CSeq. `hops` is Max-Forwards.
    pub fn request<'b>(
        &self,
        out: &'b mut Vec<u8>,
        method: Method,
        cseq: u32,
        hops: u32,
        via: OwnVia<'_>,
    ) -> Writer<'b> {
        let strict = self.strict_router();
        let stripped = strict.map(request_uri_of);
        let uri = stripped.as_deref().unwrap_or(&self.target);
        let mut writer = Writer::request(out, method.name(), uri);
        writer.via(via).number(Header::MaxForwards, hops);
        //= rfc3261#section-12.2.1.1
        //# The UAC MUST add a Route header field containing
        //# the remainder of the route set values in order, including all
        //# parameters.  The UAC MUST then place the remote target URI into the
        //# Route header field as the last value.
        for route in self.route_set.iter().skip(usize::from(strict.is_some())) {
            writer.field(Header::Route, route);
        }
        if strict.is_some() {
            writer.parts(Header::Route, &[b"<", &self.target, b">"]);
        }
        write_end(&mut writer, Header::From, &self.local);
        write_end(&mut writer, Header::To, &self.remote);
        writer.field(Header::SipCallId, &self.call_id);
        writer.cseq(cseq, method.name());
        writer
    }

    /// The Request-URI that `request` writes.
    #[must_use]
    pub fn request_uri(&self) -> Box<[u8]> {
        self.strict_router().map_or_else(|| self.target.clone(), |uri| request_uri_of(uri).into())
    }

    /// The address that a request goes to when it stands in numbers: that of the first route, or
    /// of the target. A name would have to be looked up.
    #[must_use]
    pub fn next_hop(&self) -> Option<SocketAddr> {
        next_hop(self.route_set.first().map(AsRef::as_ref), &self.target)
    }

    /// Host and port of what a request goes to when that is a name, which has to be looked up; port
    /// 0 = none is said. What RFC 2606 keeps for names of nothing is none.
    #[must_use]
    pub fn next_name(&self) -> Option<(&str, u16)> {
        let (uri, host) = hop(self.route_set.first().map(AsRef::as_ref), &self.target)?;
        let Host::Name(name) = host else { return None };
        let name = str::from_utf8(name).ok()?.trim_end_matches('.');
        let top = name.rsplit('.').next().unwrap_or_default();
        let is_none = name.is_empty() || top.eq_ignore_ascii_case("invalid");
        (!is_none && name.len() <= HOST_LEN_MAX).then_some((name, uri.port.unwrap_or(0)))
    }

    /// Whether the target is a GRUU (RFC 5627): the address of a device at its registrar.
    #[must_use]
    pub fn is_to_gruu(&self) -> bool {
        is_gruu(&self.target)
    }

    /// Whether the target or a route of the dialog is this address, in numbers: whoever we send to,
    /// or through, may send to us.
    #[must_use]
    pub fn names(&self, ip: IpAddr) -> bool {
        let is = |uri: Uri<'_>| {
            let host = uri.sip().and_then(|uri| uri.host.address());
            host.is_some_and(|host| host.to_canonical() == ip)
        };
        let routes = self.route_set.iter().filter_map(|route| NameAddr::parse(route)?.parsed_uri());
        routes.chain(Uri::parse(&self.target)).any(is)
    }

    /// The first route, when it is a strict router (no `lr`, RFC 2543).
    fn strict_router(&self) -> Option<SipUri<'_>> {
        let uri = NameAddr::parse(self.route_set.first()?)?.parsed_uri()?.sip()?;
        (!uri.is_loose_router()).then_some(uri)
    }
}

/// Whether a URI is a GRUU.
pub(crate) fn is_gruu(uri: &[u8]) -> bool {
    let uri = Uri::parse(uri).and_then(Uri::sip);
    uri.is_some_and(|uri| uri.param(b"gr").is_some())
}

/// The address of `route`, or of `target` when there is none, if it stands in numbers.
pub(crate) fn next_hop(route: Option<&[u8]>, target: &[u8]) -> Option<SocketAddr> {
    let (uri, host) = hop(route, target)?;
    let port = uri.port.unwrap_or(if uri.secure { PORT_DEFAULT_TLS } else { PORT_DEFAULT });
    Some(SocketAddr::new(host.address()?.to_canonical(), port))
}

/// The URI of `route`, or of `target` when there is none, and the host that it leads to.
fn hop<'a>(route: Option<&'a [u8]>, target: &'a [u8]) -> Option<(SipUri<'a>, Host<'a>)> {
    let uri = match route {
        Some(route) => NameAddr::parse(route)?.parsed_uri()?.sip()?,
        None => Uri::parse(target)?.sip()?,
    };
    let host = match uri.param(b"maddr") {
        Some(Some(text)) => Host::parse(text)?,
        Some(None) | None => uri.host,
    };
    Some((uri, host))
}

/// `[display] <uri>` of a From or To, without tag and other parameters.
fn address(value: NameAddr<'_>) -> Box<[u8]> {
    let space: &[u8] = if value.display.is_empty() { b"" } else { b" " };
    let text = [value.display, space, b"<", value.uri, b">"].concat();
    lex::unfolded(&text).into_owned().into()
}

/// The first contact. That all of them obey their grammar has been seen to (`check_syntax`).
fn contact(message: Message<'_>) -> Option<Box<[u8]>> {
    let first = elements(message.value(Header::Contact)?).next()?;
    target(NameAddr::parse(first)?.uri)
}

/// A SIP URI as requests can be sent to it; `None` when it is another one.
fn target(text: &[u8]) -> Option<Box<[u8]>> {
    let uri = Uri::parse(text)?.sip()?;
    let stays = !uri.has_headers() && uri.param(b"method").is_none();
    Some(if stays { text.into() } else { request_uri_of(uri).into() })
}

fn routes(message: Message<'_>) -> Result<Vec<Box<[u8]>>, Refusal> {
    let routes: Vec<Box<[u8]>> = message
        .elements(Header::RecordRoute)
        .map(|r| lex::unfolded(r).into_owned().into())
        .collect();
    if routes.len() > ROUTES_MAX {
        return Err(Refusal::Field(Header::RecordRoute));
    }
    Ok(routes)
}

/// A URI as it may stand in a request line: no header fields, no `method` (RFC 3261 19.1.1,
/// table 1).
fn request_uri_of(uri: SipUri<'_>) -> Vec<u8> {
    uri.without(|name| name.eq_ignore_ascii_case(b"method"))
}

fn write_end(writer: &mut Writer<'_>, header: Header, end: &End) {
    match &end.tag {
        Some(tag) => writer.parts(header, &[&end.address, b";tag=", tag]),
        None => writer.field(header, &end.address),
    };
}

#[cfg(test)]
mod tests;
