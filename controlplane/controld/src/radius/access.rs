//! Whether a call may be made: an Access-Request of a call that is checked (RFC 2865 section 5.6).
//!
//! Who calls was found out by us; the server says whether he may. So the request has an empty
//! password, and its User-Name is the caller's number, as the RFC recommends.

use super::attribute::{put_call, put_own, said};
use super::group::Group;
use std::time::Duration;
use strowger_billing::add_class;
use strowger_model::{RadiusServer, RadiusValue};
use strowger_port::rng;
use strowger_radius::{Code, Reply, Request, Secret, kind};
use strowger_routing::{AskedCall, Finding, RadiusSays};

/// How long an exchange may take; a call waits less.
const PATIENCE: Duration = Duration::from_secs(5);
/// The status of a refusal for which the server says none.
const FORBIDDEN: u16 = 403;

/// Asks the servers of a group.
///
/// # Errors
/// Why they say nothing.
pub(super) async fn ask(group: &Group, call: &AskedCall) -> Result<Finding, String> {
    let requests = group.servers().iter().map(|(row, secret)| request(row, secret, call));
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let (place, reply) = group.ask(requests, PATIENCE).await.map_err(|e| e.to_string())?;
    let (row, _) = group.servers().get(place).ok_or("an answer of nobody")?;
    says(&reply, row).map(Finding::Radius)
}

fn request(row: &RadiusServer, secret: &Secret, call: &AskedCall) -> Result<Request, String> {
    let mut authenticator = [0; 16];
    rng::fill(&mut authenticator).map_err(|e| e.to_string())?;
    let mut request = Request::access(authenticator);
    put_call(&mut request, row, (&call.caller, &call.from, &call.called))
        .and_then(|()| request.put_password(b"", secret))
        .map_err(|e| e.to_string())?;
    put_own(&mut request, row, |holds| value(call, holds));
    Ok(request)
}

fn value(call: &AskedCall, holds: RadiusValue) -> Option<String> {
    Some(match holds {
        RadiusValue::CallId => call.sip_call_id.clone(),
        RadiusValue::Received => call.received.clone(),
        RadiusValue::From => call.from.clone(),
        RadiusValue::Source => call.source.to_string(),
        RadiusValue::Tenant => call.tenant.to_string(),
        RadiusValue::Account => call.account.to_string(),
        RadiusValue::Organization => call.organization.to_string(),
        RadiusValue::Subscriber => call.subscriber?.to_string(),
        RadiusValue::Trunk => call.trunk?.to_string(),
        RadiusValue::Cause
        | RadiusValue::Price
        | RadiusValue::Currency
        | RadiusValue::TalkTime
        | RadiusValue::Status => return None,
    })
}

/// What the server wants to hear again; what has no room in a settlement is left out.
fn class(reply: &Reply) -> Vec<u8> {
    let mut class = Vec::new();
    for attribute in reply.attributes().filter(|one| one.kind == kind::CLASS) {
        if !add_class(&mut class, attribute.value) {
            break;
        }
    }
    class
}

fn says(reply: &Reply, row: &RadiusServer) -> Result<RadiusSays, String> {
    match reply.code {
        Code::AccessAccept => {
            let limits = said(reply, row, RadiusValue::TalkTime).into_iter();
            let talk_s = limits.chain(reply.number(kind::SESSION_TIMEOUT)).min();
            Ok(RadiusSays::Accept { talk_s, class: class(reply) })
        }
        Code::AccessReject => {
            let statuses = said(reply, row, RadiusValue::Status).into_iter();
            let statuses = statuses.filter_map(|status| u16::try_from(status).ok());
            let status = statuses.into_iter().find(|status| (400..700).contains(status));
            Ok(RadiusSays::Reject(status.unwrap_or(FORBIDDEN)))
        }
        Code::AccessChallenge => Err("a server asks for more than a call has".to_owned()),
        Code::AccessRequest | Code::AccountingRequest | Code::AccountingResponse => {
            Err("no answer to a question".to_owned())
        }
    }
}
