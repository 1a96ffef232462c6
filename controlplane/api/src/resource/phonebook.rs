//! Phonebooks: the contacts of subscribers, and the shared DIDs between them.

use super::Resource;
use crate::codec::{Ident, NUMBER, Opt, Text};
use crate::field::{Object, object};
use crate::query::Filter;
use strowger_model::{
    Digits, OrganizationId, PhonebookEntry, PhonebookEntryId, SubscriberId, TenantId,
};
use strowger_routing::{Change, RowName};

object! {
    /// A contact of a subscriber. With a shared DID between the two, who of them dials the DID
    /// reaches the other.
    PHONEBOOK_ENTRY: PhonebookEntry as "PhonebookEntry", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Whose contact.
    subscriber: Need Ident => subscriber;
    /// The contact's number; it is compared with and without the tenant's country prefix.
    number: Need NUMBER => number;
    /// Shown name.
    name: Free Text(0, 64) => name;
    /// The shared DID between the two; the subscriber gives it to no other contact.
    did: Free Opt(Ident) => did;
}

fn blank() -> PhonebookEntry {
    PhonebookEntry {
        id: PhonebookEntryId(0),
        tenant: TenantId(0),
        subscriber: SubscriberId(0),
        number: Digits::EMPTY,
        name: String::new(),
        did: None,
    }
}

impl Resource for PhonebookEntry {
    type Row = PhonebookEntry;
    const PATH: &'static str = "phonebook";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("subscriber", "subscriber_id"),
        Filter::number("number"),
        Filter::id("did", "did_id"),
    ];

    fn object() -> &'static Object<Self> {
        &PHONEBOOK_ENTRY
    }

    fn of(row: PhonebookEntry) -> Self {
        row
    }

    fn row(&self) -> &PhonebookEntry {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = PhonebookEntryId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::PhonebookEntry(self.id))
    }

    fn change(&self) -> Option<Change> {
        Some(Change::PhonebookEntry(self.clone()))
    }
}
