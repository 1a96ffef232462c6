//! A call to a shared DID: who of many has it now, by five look-ups in their order (spec
//! DID-SHARED-01). The caller is known by then, by credentials, address or number.
//!
//! | | who calls | what is looked for | who gets the call |
//! |---|---|---|---|
//! | 1 | a subscriber | the contact that it gave the DID to | the contact |
//! | 2 | any | a contact with the caller's number that was given the DID | who keeps it |
//! | 3 | any | who called the caller last by the DID, within two hours | the same |
//! | 4 | any | any contact with the caller's number | who keeps it |
//! | 5 | any | who called the caller last by the DID, within a day | the same |
//!
//! Numbers are compared with and without the tenant's country prefix. A subscriber who is switched
//! off is passed over. What none decides goes where the DID itself leads, if anywhere. Only the
//! number that is dialled is looked up so: a forward to a shared DID goes where the DID leads.

use super::called::{Called, Party};
use super::sender::{Sender, Who};
use super::{Attempt, Stop};
use crate::refusal::Refusal;
use crate::shared_call::{CALLED_BACK_SOON_US, CALLED_BACK_US, SharedCall};
use crate::trace::Step;
use crate::world::LOOKED_UP_MAX;
use strowger_model::{Did, DidId, DidTarget, Digits, PhonebookEntry, SubscriberId};

/// Whose call it is.
pub(super) enum Shared<'a> {
    /// A contact's, who is called by its number.
    Contact(&'a PhonebookEntry),
    /// A subscriber's.
    Party(Party<'a>),
    /// Where the DID leads.
    Nobody,
}

impl<'a> Attempt<'a> {
    /// Whose the call is if a shared DID was dialled. Who gave it to a contact calls the contact,
    /// who sees the DID.
    pub(super) fn share(
        &mut self,
        sender: &Sender<'a>,
        called: Called,
    ) -> Result<(Called, Option<Party<'a>>), Stop> {
        if !self.world.has_shared_dids() || !sender.settings.call.local_numbers {
            return Ok((called, None));
        }
        let did = called.number.ok().and_then(|n| self.world.shared_did(sender.tenant.id, n));
        let Some(did) = did else { return Ok((called, None)) };
        match self.look_up(sender, did) {
            Shared::Contact(entry) => {
                let to = self.called_of(sender.tenant, entry.number.to_string());
                self.note_called(sender, &to);
                self.call_as(sender, Some(did.number.to_string()));
                self.via = Some(did.id);
                Ok((to, None))
            }
            Shared::Party(party) => Ok((called, Some(party))),
            // Our own number: no route brings the call to somebody.
            Shared::Nobody if did.target == DidTarget::Pool => {
                let step = Step::SharedNobody { did: did.id.0 };
                Err(self.refuse_for(Refusal::UnknownNumber, step))
            }
            Shared::Nobody => {
                self.note(Step::SharedNobody { did: did.id.0 });
                Ok((called, None))
            }
        }
    }

    /// The five look-ups.
    fn look_up(&mut self, sender: &Sender<'a>, did: &'a Did) -> Shared<'a> {
        let world = self.world;
        if let Some(row) = sender.subscriber()
            && let Some(entry) = world.contact_by_did(row.id, did.id)
        {
            self.note(Step::SharedOwn { did: did.id.0, entry: entry.id.0 });
            return Shared::Contact(entry);
        }
        let said = self.number_of(sender);
        let Some(caller) = world.contact_number(sender.tenant.id, &said) else {
            return Shared::Nobody;
        };
        let kept = || world.contacts_with(sender.tenant.id, caller).take(LOOKED_UP_MAX);
        let given: Vec<SubscriberId> = kept()
            .filter(|entry| entry.did == Some(did.id))
            .map(|entry| entry.subscriber)
            .collect();
        let known: Vec<SubscriberId> = kept().map(|entry| entry.subscriber).collect();
        let last = |within_us| {
            let calls = &self.facts.shared;
            calls.last(did.id, caller, within_us, self.wall_us).into_iter().collect()
        };
        let found: [Vec<SubscriberId>; 4] =
            [given, last(CALLED_BACK_SOON_US), known, last(CALLED_BACK_US)];
        for (look_up, ids) in (2..).zip(&found) {
            for id in ids {
                if let Some(party) = self.owner(did.id, look_up, *id) {
                    return Shared::Party(party);
                }
            }
        }
        Shared::Nobody
    }

    fn owner(&mut self, did: DidId, look_up: i64, id: SubscriberId) -> Option<Party<'a>> {
        let row = self.world.subscriber(id)?;
        self.note(Step::Shared { did: did.0, look_up, subscriber: id.0 });
        if row.enabled {
            return Some(Party::Subscriber(row));
        }
        self.note(Step::SubscriberDisabled { subscriber: id.0 });
        None
    }

    /// A subscriber's call that leaves us and shows a shared DID: the office remembers it, so that
    /// a call back finds the subscriber.
    pub(super) fn remember_shared(&mut self, sender: &Sender<'a>, called: &Called) {
        let Who::Subscriber(row) = sender.who else { return };
        if !self.world.has_shared_dids() || self.is_emergency {
            return;
        }
        let tenant = sender.tenant.id;
        let shown = || Digits::parse(&self.number_outside(sender)).ok();
        let did = self.via.or_else(|| Some(self.world.shared_did(tenant, shown()?)?.id));
        let number = called.number.ok();
        let number = number.and_then(|n| self.world.contact_number(tenant, n.as_str()));
        if let (Some(did), Some(number)) = (did, number) {
            self.shared_call = Some(SharedCall { did, number, by: row.id });
        }
    }
}
