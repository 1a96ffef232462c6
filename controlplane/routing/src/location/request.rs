//! One REGISTER: what it makes of the bindings (RFC 3261 10.3, steps 6 and 7).

use super::contact::{Terms, Wish};
use super::registrant::Registrant;
use super::{Bound, RegisterError};
use crate::limits::CONTACTS_MAX;
use strowger_link::{Hints, RegisterAsk, SECOND, Tick};
use strowger_model::{Binding, ContactsFull};

/// A request with its place and time, as the steps of RFC 3261 10.3 need it.
pub(super) struct Request<'a> {
    pub(super) registrant: Registrant,
    pub(super) ask: &'a RegisterAsk,
    pub(super) hints: &'a Hints,
    pub(super) now: Tick,
    pub(super) wall_us: i64,
}

impl Request<'_> {
    /// Most contacts at once.
    pub(super) fn contacts_max(&self) -> usize {
        usize::from(self.registrant.contacts_max).clamp(1, CONTACTS_MAX)
    }

    /// When a contact that is granted this ends.
    pub(super) fn ends(&self, terms: &Terms<'_>) -> Tick {
        self.now.plus_ns(u64::from(terms.expires_s) * SECOND)
    }

    /// The same by the wall clock.
    pub(super) fn ends_us(&self, terms: &Terms<'_>) -> i64 {
        self.wall_us.saturating_add(i64::from(terms.expires_s) * 1_000_000)
    }

    /// Step 6 of RFC 3261 10.3: `*`.
    pub(super) fn remove_all(&self, old: &[Bound]) -> Result<Vec<Bound>, RegisterError> {
        //= rfc3261#section-10.3
        //# If the request has additional Contact
        //# fields or an expiration time other than zero, the request is
        //# invalid, and the server MUST return a 400 (Invalid Request) and
        //# skip the remaining steps.
        match self.ask.contacts.as_slice() {
            [only] if only.expires_s == 0 => {}
            _ => return Err(RegisterError::Wildcard),
        }
        match old.iter().any(|b| self.is_not_newer_than(&b.binding)) {
            true => Err(RegisterError::OutOfOrder),
            false => Ok(Vec::new()),
        }
    }

    /// Step 7: each contact in turn, on a copy.
    pub(super) fn update(
        &self,
        old: Vec<Bound>,
        serial: &mut u64,
    ) -> Result<Vec<Bound>, RegisterError> {
        let max = self.contacts_max();
        let added = self.ask.contacts.iter().filter(|c| c.expires_s > 0).count();
        if added > max || self.ask.contacts.len() > CONTACTS_MAX {
            return Err(RegisterError::TooMany);
        }
        let wishes: Vec<Wish> =
            self.ask.contacts.iter().map(|c| Wish::parse(c, self)).collect::<Result<_, _>>()?;
        if self.is_repeat(&old, &wishes) {
            return Ok(old);
        }
        let before = *serial;
        let mut new = old;
        for wish in &wishes {
            self.apply(wish, &mut new, before, serial)?;
        }
        if new.len() > max && self.registrant.full == ContactsFull::Refuse {
            return Err(RegisterError::TooMany);
        }
        while new.len() > max {
            // A phone that came back under another address takes the place of what it left behind:
            // the binding refreshed longest ago.
            let stale = |b: &&Bound| b.serial <= before;
            let Some(victim) = new.iter().filter(stale).min_by_key(|b| b.binding.refreshed_us)
            else {
                return Err(RegisterError::TooMany);
            };
            let serial = victim.serial;
            new.retain(|b| b.serial != serial);
        }
        Ok(new)
    }

    fn apply(
        &self,
        wish: &Wish,
        new: &mut Vec<Bound>,
        before: u64,
        serial: &mut u64,
    ) -> Result<(), RegisterError> {
        let mut matched = new.iter().filter(|b| wish.replaces(&b.binding));
        // Of two contacts of this very request that mean one binding the last wins, as in order.
        if matched.any(|b| b.serial <= before && self.is_not_newer_than(&b.binding)) {
            return Err(RegisterError::OutOfOrder);
        }
        new.retain(|b| !wish.replaces(&b.binding));
        if wish.terms.expires_s > 0 {
            *serial += 1;
            let binding = wish.bind(self);
            let stored_us = binding.expires_us;
            let expires = self.ends(&wish.terms);
            new.push(Bound { binding, expires, serial: *serial, stored_us, lost: false });
        }
        Ok(())
    }

    //= rfc3261#section-10.3
    //# If they are
    //# the same, the registrar compares the CSeq value.  If the value
    //# is higher than that of the existing binding, it MUST update or
    //# remove the binding as above.  If not, the update MUST be
    //# aborted and the request fails.
    fn is_not_newer_than(&self, binding: &Binding) -> bool {
        binding.sip_call_id == self.ask.sip_call_id && self.ask.cseq <= binding.cseq
    }

    /// The same request again, asked by a dataplane that lost our answer in a crash: every contact
    /// stands as this request set it. Nothing is updated; the bindings are listed instead of
    /// failing a phone that did nothing wrong.
    fn is_repeat(&self, old: &[Bound], wishes: &[Wish]) -> bool {
        wishes.iter().all(|wish| {
            wish.terms.expires_s > 0
                && old.iter().any(|b| {
                    b.binding.uri == wish.contact.uri
                        && b.binding.sip_call_id == self.ask.sip_call_id
                        && b.binding.cseq == self.ask.cseq
                        && b.binding.source == self.hints.source
                })
        })
    }
}
