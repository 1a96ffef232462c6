//! Transfers (RFC 3515): a subscriber of a running call puts the other party through, by a call of
//! its own that it pays for (spec BILL-LEG-01: two normal calls).

use crate::refusal::Refusal;
use crate::uri::SipUri;
use crate::world::World;
use strowger_billing::Settlement;
use strowger_link::{Ask, AskBody, CallAsk, CallerIdentity, PartyRef, TransferAsk};
use strowger_model::{Subscriber, SubscriberId};

/// The call that a transfer means, as if its asker had dialled the target, and who that is, for
/// [`crate::Facts::sender`]. The target is a number or name of ours and no address: it is found by
/// the same steps as any call's.
///
/// # Errors
/// Trunks transfer nobody; neither does who is unknown or gone, or to another tenant's host.
pub fn transferred(
    world: &World,
    ask: &Ask,
    transfer: &TransferAsk,
) -> Result<(Ask, SubscriberId), Refusal> {
    let by = asker(transfer).and_then(|id| world.subscriber(id)).ok_or(Refusal::Denied)?;
    let target = SipUri::parse(&transfer.refer_to);
    let theirs = target.and_then(|uri| world.tenant_of_host(uri.host()));
    if theirs.is_some_and(|tenant| tenant.id != by.tenant) {
        return Err(Refusal::UnknownUser);
    }
    let mut call = ask.clone();
    call.body = AskBody::Call(Box::new(CallAsk {
        request_uri: transfer.refer_to.clone(),
        called: transfer.called.clone(),
        to_user: transfer.called.clone(),
        caller: identity(by),
        credentials: None,
        sip_call_id: String::new(),
        user_agent: String::new(),
        has_offer: true,
        emergency: false,
        headers: Vec::new(),
        diverted: Vec::new(),
        session_s: 0,
    }));
    Ok((call, by.id))
}

/// Who asks: whom we called, or the caller of the running call.
fn asker(transfer: &TransferAsk) -> Option<SubscriberId> {
    match &transfer.party {
        PartyRef::Subscriber(id) => Some(SubscriberId(*id)),
        PartyRef::Unknown => {
            Settlement::decode(&transfer.settlement.0).ok().and_then(|s| s.caller.subscriber)
        }
        PartyRef::Trunk(_) => None,
    }
}

fn identity(by: &Subscriber) -> CallerIdentity {
    CallerIdentity {
        from_user: by.username.clone(),
        from_host: String::new(),
        display: by.display.clone(),
        asserted: Vec::new(),
        preferred: None,
        remote_party: None,
        privacy: String::new(),
    }
}
