//! One contact: from the request to a binding, and from a binding to an address.

use super::RegisterError;
use super::request::Request;
use crate::limits::{CONTACT_TEXT_MAX, CONTACT_URI_MAX, PATHS_MAX};
use crate::uri::{SipUri, parameter};
use crate::world::Holder;
use std::net::SocketAddr;
use strowger_link::siphash::siphash24;
use strowger_link::{ContactAsk, Key, Transport as Wire};
use strowger_locate::{PORT, PORT_TLS};
use strowger_model::{Binding, NatSettings, SendTo, SubscriberId, Transport};

/// A contact of the request, checked.
pub(super) struct Wish<'a> {
    pub(super) contact: &'a ContactAsk,
    /// Granted lifetime, seconds; 0 removes.
    pub(super) expires_s: u32,
    uri: SipUri,
    instance: &'a str,
    reg_id: u32,
}

impl<'a> Wish<'a> {
    pub(super) fn parse(
        contact: &'a ContactAsk,
        request: &Request<'a>,
    ) -> Result<Wish<'a>, RegisterError> {
        let uri = SipUri::parse(&contact.uri).ok_or(RegisterError::Contact)?;
        let instance = parameter(&contact.params, "+sip.instance").unwrap_or_default();
        let reg_id = parameter(&contact.params, "reg-id").unwrap_or("0");
        let reg_id = reg_id.parse().map_err(|_| RegisterError::Contact)?;
        // A reg-id alone says nothing (RFC 5626 section 6).
        let counts = request.registrant.outbound && !instance.is_empty();
        let reg_id = if counts { reg_id } else { 0 };
        let ask = request.ask;
        let fits = contact.uri.len() <= CONTACT_URI_MAX
            && is_instance(instance)
            && ask.sip_call_id.len() <= CONTACT_TEXT_MAX
            && ask.path.len() <= PATHS_MAX
            && ask.path.iter().all(|p| p.len() <= CONTACT_URI_MAX);
        if !fits {
            return Err(RegisterError::Contact);
        }
        let expires_s = granted_s(contact, request)?;
        Ok(Wish { contact, expires_s, uri, instance, reg_id })
    }

    /// Whether this contact stands for `binding`: the same flow of the same instance (RFC 5626
    /// section 6), else an equivalent URI.
    pub(super) fn replaces(&self, binding: &Binding) -> bool {
        let has_flow = !self.instance.is_empty() && self.reg_id != 0;
        if has_flow && binding.instance == self.instance && binding.reg_id == self.reg_id {
            return true;
        }
        SipUri::parse(&binding.uri).is_some_and(|uri| uri.equivalent(&self.uri))
    }

    pub(super) fn bind(&self, request: &Request<'_>) -> Binding {
        let (ask, hints) = (request.ask, request.hints);
        let lifetime_us = i64::from(self.expires_s) * 1_000_000;
        Binding {
            subscriber: match request.registrant.who {
                Holder::Subscriber(id) => id,
                // Kept under the trunk and never given out as anybody's.
                Holder::Trunk(_) | Holder::RingGroup(_) | Holder::Did(_) => SubscriberId(0),
            },
            uri: self.contact.uri.clone(),
            instance: self.instance.to_owned(),
            reg_id: self.reg_id,
            sip_call_id: ask.sip_call_id.clone(),
            cseq: ask.cseq,
            q: self.contact.q,
            user_agent: ask.user_agent.chars().take(CONTACT_TEXT_MAX / 4).collect(),
            path: ask.path.clone(),
            listener: hints.listener,
            source: hints.source,
            transport: from_wire(hints.transport),
            flow: ask.flow,
            nated: ask.nated,
            refreshed_us: request.wall_us,
            expires_us: request.wall_us.saturating_add(lifetime_us),
        }
    }
}

//= rfc3261#section-10.3
//# If and only if the requested expiration
//# interval is greater than zero AND smaller than one hour AND
//# less than a registrar-configured minimum, the registrar MAY
//# reject the registration with a response of 423 (Interval Too
//# Brief).
fn granted_s(contact: &ContactAsk, request: &Request<'_>) -> Result<u32, RegisterError> {
    let wanted_s = contact.expires_s;
    let registrant = &request.registrant;
    let min_s = registrant.expires_s_min.min(crate::limits::EXPIRES_MIN_S_MAX);
    if wanted_s > 0 && wanted_s < min_s {
        return Err(RegisterError::TooBrief { min_s });
    }
    let granted_s = wanted_s.min(registrant.expires_s_max.max(1));
    if granted_s <= SPREAD_FROM_S {
        return Ok(granted_s);
    }
    let most_s = u64::from(granted_s) * u64::from(registrant.spread_percent.min(100)) / 100;
    let share = siphash24(&Key([0; 16]), contact.uri.as_bytes()) % (most_s + 1);
    let spread_s = granted_s - u32::try_from(share).unwrap_or(0);
    Ok(spread_s.max(min_s).max(SPREAD_FROM_S))
}

/// The longest lifetime that is granted as it is wanted, seconds.
const SPREAD_FROM_S: u32 = 600;

/// Whether a text can be repeated between quotes as the instance that it is.
fn is_instance(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    text.len() <= CONTACT_TEXT_MAX && text.bytes().all(plain)
}

/// Where requests for a binding are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Address.
    pub address: SocketAddr,
    /// It is behind a NAT: the contact's own address, or that of its Via, is not the one it came
    /// from.
    pub nated: bool,
}

/// The way to a binding (spec SIP-NAT-01, SIP-NAT-02).
///
/// By default a contact that names the address it came from is taken at its word, port included:
/// it may listen elsewhere than it sends from. Any other contact is behind a NAT, or a name, and is
/// reached where its REGISTER came from. With a Path requests go to the first proxy of it (RFC 3327
/// 5.4), or where the REGISTER came from when that is a name.
#[must_use]
pub fn reach(binding: &Binding, send_to: SendTo) -> Reach {
    let source = binding.source;
    let address = |uri: &str| SipUri::parse(uri).and_then(|uri| uri.address());
    if let Some(first) = binding.path.first() {
        let proxy = match send_to {
            SendTo::ByContact | SendTo::Contact | SendTo::Both => address(bare(first)),
            SendTo::Source => None,
        };
        return Reach { address: proxy.unwrap_or(source), nated: false };
    }
    let named = address(&binding.uri);
    let is_near = named.is_none_or(|named| named.ip() == source.ip());
    let nated = binding.nated || !is_near;
    let own = match send_to {
        SendTo::ByContact | SendTo::Both => named.filter(|_| !nated),
        SendTo::Source => None,
        SendTo::Contact => named,
    };
    Reach { address: own.unwrap_or(source), nated }
}

/// Where else a contact may be, as is set: at the one of its address and its source that [`reach`]
/// does not name, and at the standard port of each of these. One that a connection or a proxy leads
/// to is nowhere else.
#[must_use]
pub(crate) fn elsewhere(binding: &Binding, nat: &NatSettings) -> Vec<SocketAddr> {
    let mut others = Vec::new();
    if binding.flow != 0 || !binding.path.is_empty() {
        return others;
    }
    let first = reach(binding, nat.send_to).address;
    let mut add = |other: SocketAddr| {
        if other != first && other.is_ipv4() == first.is_ipv4() && !others.contains(&other) {
            others.push(other);
        }
    };
    let named = SipUri::parse(&binding.uri).and_then(|uri| uri.address());
    let second = [Some(binding.source), named].into_iter().flatten();
    let second = second.filter(|_| nat.send_to == SendTo::Both);
    second.clone().for_each(&mut add);
    if nat.standard_port {
        let port = if binding.transport == Transport::Tls { PORT_TLS } else { PORT };
        let standard = |at: SocketAddr| SocketAddr::new(at.ip(), port);
        std::iter::once(first).chain(second).map(standard).for_each(add);
    }
    others
}

/// The URI of a Path value.
pub(crate) fn bare(value: &str) -> &str {
    let inner = value.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(value, |(uri, _)| uri).trim()
}

const fn from_wire(transport: Wire) -> Transport {
    match transport {
        Wire::Udp => Transport::Udp,
        Wire::Tcp => Transport::Tcp,
        Wire::Tls => Transport::Tls,
        Wire::Ws => Transport::Ws,
        Wire::Wss => Transport::Wss,
    }
}

/// A row's transport in the words of the contract.
pub(crate) const fn wire_transport(transport: Transport) -> Wire {
    match transport {
        Transport::Udp => Wire::Udp,
        Transport::Tcp => Wire::Tcp,
        Transport::Tls => Wire::Tls,
        Transport::Ws => Wire::Ws,
        Transport::Wss => Wire::Wss,
    }
}
