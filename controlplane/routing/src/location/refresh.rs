//! A refresh: one contact, known by the same words from the same place, that only lasts longer.
//!
//! It is nearly all that a registrar hears, so nothing of the binding is copied or read anew: its
//! URI was parsed when it was bound. Whatever is not clearly such goes the whole way of RFC 3261
//! 10.3 in `request.rs`, with the same outcome.

use super::contact::{Terms, agent, from_wire};
use super::request::Request;
use super::{Bound, Locations, Output, Touched};
use strowger_link::ContactAsk;
use strowger_model::BINDING_GRACE_US;

impl Locations {
    /// Carries the request out if it is a refresh; `false` when it is not, and nothing is changed.
    pub(super) fn refresh(&mut self, request: &Request<'_>) -> bool {
        let [contact] = request.ask.contacts.as_slice() else { return false };
        let Ok(terms) = Terms::of(contact, request) else { return false };
        let who = request.registrant.who;
        let Some(bindings) = self.users.get_mut(&who) else { return false };
        let are_alive = bindings.iter().all(|b| b.expires > request.now);
        if terms.expires_s == 0 || !are_alive || bindings.len() > request.contacts_max() {
            return false;
        }
        let found = bindings.iter_mut().enumerate().find(|(_, b)| b.binding.uri == contact.uri);
        let Some((at, bound)) = found.filter(|(_, b)| is_known_so(b, contact, &terms, request))
        else {
            return false;
        };
        self.serial += 1;
        self.expiries.remove(&(bound.expires, bound.serial, who));
        bound.serial = self.serial;
        bound.expires = request.ends(&terms);
        bound.binding.cseq = request.ask.cseq;
        bound.binding.refreshed_us = request.wall_us;
        bound.binding.expires_us = request.ends_us(&terms);
        self.expiries.insert((bound.expires, bound.serial, who));
        if !bound.is_stored_well_enough(bound.stored_us) {
            bound.stored_us = bound.binding.expires_us;
            self.out.push_back(Output::Save { who, binding: Box::new(bound.binding.clone()) });
        }
        // The newest stands last.
        bindings.get_mut(at..).unwrap_or_default().rotate_left(1);
        let touched = Touched { only_lasts: true, ..Touched::new(who, &contact.uri) };
        self.touched.push_back(touched);
        true
    }
}

impl Bound {
    /// Whether a crash may take what the store does not know, when it knows of an end at
    /// `stored_us`.
    pub(super) fn is_stored_well_enough(&self, stored_us: i64) -> bool {
        let ahead_us = self.binding.expires_us.saturating_sub(stored_us);
        (0..=BINDING_GRACE_US).contains(&ahead_us)
    }
}

/// Whether the request says of the contact what is known of it, and is newer.
fn is_known_so(
    bound: &Bound,
    contact: &ContactAsk,
    terms: &Terms<'_>,
    request: &Request<'_>,
) -> bool {
    let (b, ask, hints) = (&bound.binding, request.ask, request.hints);
    !bound.lost
        && b.sip_call_id == ask.sip_call_id
        && b.cseq < ask.cseq
        && b.instance == terms.instance
        && b.reg_id == terms.reg_id
        && b.q == contact.q
        && b.user_agent == agent(ask)
        && b.path == ask.path
        && b.listener == hints.listener
        && b.source == hints.source
        && b.transport == from_wire(hints.transport)
        && b.flow == ask.flow
        && b.nated == ask.nated
}
