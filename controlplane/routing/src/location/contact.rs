//! One contact: from the request to a binding, and from a binding to an address.

use super::{RegisterError, Request};
use crate::limits::{CONTACT_TEXT_MAX, CONTACT_URI_MAX, PATHS_MAX};
use crate::uri::{SipUri, parameter};
use crate::world::Holder;
use std::net::SocketAddr;
use strowger_link::{ContactAsk, Transport as Wire};
use strowger_model::{Binding, SubscriberId, Transport};

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
        let ask = request.ask;
        let fits = contact.uri.len() <= CONTACT_URI_MAX
            && instance.len() <= CONTACT_TEXT_MAX
            && ask.sip_call_id.len() <= CONTACT_TEXT_MAX
            && ask.path.len() <= PATHS_MAX
            && ask.path.iter().all(|p| p.len() <= CONTACT_URI_MAX);
        if !fits {
            return Err(RegisterError::Contact);
        }
        let expires_s = granted_s(contact.expires_s, request)?;
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
fn granted_s(wanted_s: u32, request: &Request<'_>) -> Result<u32, RegisterError> {
    let min_s = request.registrant.expires_s_min.min(crate::limits::EXPIRES_MIN_S_MAX);
    if wanted_s > 0 && wanted_s < min_s {
        return Err(RegisterError::TooBrief { min_s });
    }
    Ok(wanted_s.min(request.registrant.expires_s_max.max(1)))
}

/// Where requests for a binding are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Address.
    pub address: SocketAddr,
    /// The contact's own address is not the one it came from: a NAT lies between.
    pub nated: bool,
}

/// The way to a binding (spec SIP-NAT-01, SIP-NAT-02).
///
/// A contact that names the address it came from is taken at its word, port included: it may listen
/// elsewhere than it sends from. Any other contact is behind a NAT, or a name, or behind a proxy of
/// its own, and is reached where its REGISTER came from.
#[must_use]
pub fn reach(binding: &Binding) -> Reach {
    let named = SipUri::parse(&binding.uri).and_then(|uri| uri.address());
    match named {
        Some(address) if address.ip() == binding.source.ip() && binding.path.is_empty() => {
            Reach { address, nated: false }
        }
        Some(_) => Reach { address: binding.source, nated: binding.path.is_empty() },
        None => Reach { address: binding.source, nated: false },
    }
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
