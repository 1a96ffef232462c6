//! Extensions of REGISTER: Path (RFC 3327), Service-Route (3608), Outbound (5626), GRUU (5627).

use crate::decide::Verdict;
use crate::location::bare;
use crate::trace::{Step, Trace};
use crate::uri::{SipUri, parameter};
use crate::world::Listener;
use strowger_link::{ContactAsk, HeaderField, Octets, RegisterAsk, Respond, Transport};
use strowger_model::{PathPolicy, RegistrationSettings};

/// What a REGISTER asks of the extensions, and gets.
pub(super) struct Extensions {
    /// Its Path is repeated in the answer.
    path: bool,
    /// Flows are told apart by `reg-id`.
    pub(super) outbound: bool,
    /// A flow of this very request is.
    flow: bool,
    /// GRUUs are given out.
    pub(super) gruu: bool,
    service_route: bool,
    flow_timer_s: u32,
}

/// Why it is refused before the bindings are looked at.
pub(super) struct Bar {
    pub(super) status: u16,
    /// Empty for the standard one.
    pub(super) phrase: &'static str,
    pub(super) field: Option<HeaderField>,
}

impl Extensions {
    pub(super) fn of(
        request: &RegisterAsk,
        settings: &RegistrationSettings,
    ) -> Result<Extensions, Bar> {
        let supports =
            |tag: &str| request.supported.iter().any(|own| own.eq_ignore_ascii_case(tag));
        let path = supports("path");
        check_path(request, settings.path, path)?;
        let wants_flow = request.contacts.iter().any(wants_flow);
        let outbound = first_hop_speaks_outbound(request);
        if wants_flow && !outbound && supports("outbound") {
            // RFC 5626 section 6: the first proxy would not keep the flow.
            let phrase = "First Hop Lacks Outbound Support";
            return Err(Bar { status: 439, phrase, field: None });
        }
        Ok(Extensions {
            path,
            outbound,
            flow: wants_flow && outbound,
            gruu: settings.gruu && supports("gruu"),
            service_route: settings.service_route,
            flow_timer_s: settings.flow_timer_ms / 1_000,
        })
    }

    /// Fields of the 200 beside Contact.
    pub(super) fn headers(
        &self,
        request: &RegisterAsk,
        listener: Option<&Listener>,
    ) -> Vec<HeaderField> {
        let mut headers = Vec::new();
        if self.path {
            headers.extend(request.path.iter().map(|value| field("Path", value.clone())));
        }
        if let Some(listener) = listener.filter(|_| self.service_route) {
            headers.push(field("Service-Route", route(listener)));
        }
        if self.flow {
            headers.push(field("Require", "outbound".to_owned()));
            if self.flow_timer_s > 0 {
                headers.push(field("Flow-Timer", self.flow_timer_s.to_string()));
            }
        }
        headers
    }
}

/// What the policy says of a Path (RFC 3327 5.3).
fn check_path(request: &RegisterAsk, policy: PathPolicy, supported: bool) -> Result<(), Bar> {
    if request.path.is_empty() {
        return Ok(());
    }
    let bar =
        |status, name| Bar { status, phrase: "", field: Some(field(name, "path".to_owned())) };
    match policy {
        PathPolicy::Accept => Ok(()),
        PathPolicy::Require if supported => Ok(()),
        PathPolicy::Require => Err(bar(421, "Require")),
        PathPolicy::Refuse => Err(bar(420, "Unsupported")),
    }
}

/// Whether a contact is one of several flows of its device.
fn wants_flow(contact: &ContactAsk) -> bool {
    contact.expires_s > 0
        && parameter(&contact.params, "reg-id").is_some()
        && parameter(&contact.params, "+sip.instance").is_some_and(|text| !text.is_empty())
}

/// Whether the device's first hop keeps its flow: we do, and a proxy that says so by `ob` in the
/// Path that was written first, which stands last (RFC 5626 section 6).
fn first_hop_speaks_outbound(request: &RegisterAsk) -> bool {
    let proxy = || request.path.last().and_then(|first| SipUri::parse(bare(first)));
    request.direct || proxy().is_some_and(|uri| uri.param("ob").is_some())
}

/// Where requests of who registered go: to the listener that it registered at.
fn route(listener: &Listener) -> String {
    let address = listener.address;
    match listener.transport {
        Transport::Udp => format!("<sip:{address};lr>"),
        Transport::Tcp => format!("<sip:{address};transport=tcp;lr>"),
        Transport::Tls => format!("<sip:{address};transport=tls;lr>"),
        Transport::Ws | Transport::Wss => format!("<sip:{address};transport=ws;lr>"),
    }
}

impl Bar {
    pub(super) fn answer(self, trace: &mut Trace) -> Verdict {
        trace.note(Step::Refused { sip: self.status.into(), q850: 0 });
        Verdict::Respond(Respond {
            status: self.status,
            phrase: self.phrase.to_owned(),
            headers: self.field.into_iter().collect(),
            body: Octets::default(),
        })
    }
}

/// A field of an answer.
pub(super) fn field(name: &str, value: String) -> HeaderField {
    HeaderField { name: name.to_owned(), value: Octets(value.into_bytes()) }
}
