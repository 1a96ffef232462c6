//! Shared DIDs, and the contacts of subscribers that say whose a call to one is (spec
//! DID-SHARED-01, DID-CONTACT-01).

use super::{BuildError, World};
use crate::page::PageMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use strowger_model::{
    Account, AccountId, Did, DidId, Digits, PhonebookEntry, PhonebookEntryId, SubscriberId, Tenant,
    TenantId,
};

/// Most subscribers that keep one number and are looked at for a call from it.
pub(crate) const LOOKED_UP_MAX: usize = 64;

/// Contacts by whose they are and by their numbers, in pages that worlds share.
#[derive(Clone, Debug, Default)]
pub(super) struct Phonebook {
    entries: PageMap<PhonebookEntryId, Arc<PhonebookEntry>>,
    /// The contact that a subscriber gave a DID to.
    own: PageMap<(SubscriberId, DidId), PhonebookEntryId>,
    /// How many each subscriber keeps.
    counts: PageMap<SubscriberId, usize>,
    /// The oldest of a number first, by [`plain`].
    by_number: PageMap<(TenantId, Digits), Arc<BTreeSet<PhonebookEntryId>>>,
    /// The number under which each entry stands in `by_number`: a tenant may change its mind about
    /// numbers.
    keys: PageMap<PhonebookEntryId, Digits>,
    /// DIDs that are shared.
    shared: PageMap<DidId, ()>,
    /// DIDs whose calls somebody else pays than who calls.
    paid: PageMap<DidId, AccountId>,
}

impl Phonebook {
    /// How many contacts a subscriber keeps beside this one.
    pub(super) fn count_of(&self, of: SubscriberId, beside: PhonebookEntryId) -> usize {
        let is_its = self.entries.get(&beside).is_some_and(|entry| entry.subscriber == of);
        let all = self.counts.get(&of).copied().unwrap_or_default();
        all.saturating_sub(usize::from(is_its))
    }

    /// The contact that a subscriber gave a DID to.
    pub(super) fn own(&self, of: SubscriberId, did: DidId) -> Option<&PhonebookEntry> {
        self.entries.get(self.own.get(&(of, did))?).map(Arc::as_ref)
    }

    fn put(&mut self, row: PhonebookEntry, key: Digits) {
        self.remove(row.id);
        if let Some(did) = row.did {
            self.own.insert((row.subscriber, did), row.id);
        }
        let count = self.counts.get(&row.subscriber).copied().unwrap_or_default();
        self.counts.insert(row.subscriber, count.saturating_add(1));
        let mut named = self.by_number.get(&(row.tenant, key)).cloned().unwrap_or_default();
        Arc::make_mut(&mut named).insert(row.id);
        self.by_number.insert((row.tenant, key), named);
        self.keys.insert(row.id, key);
        self.entries.insert(row.id, Arc::new(row));
    }

    fn remove(&mut self, id: PhonebookEntryId) {
        let Some(old) = self.entries.remove(&id) else { return };
        if let Some(did) = old.did {
            self.own.remove(&(old.subscriber, did));
        }
        match self.counts.get(&old.subscriber).copied() {
            Some(count) if count > 1 => {
                self.counts.insert(old.subscriber, count - 1);
            }
            Some(_) | None => {
                self.counts.remove(&old.subscriber);
            }
        }
        let Some(key) = self.keys.remove(&id) else { return };
        let place = (old.tenant, key);
        let Some(mut named) = self.by_number.get(&place).cloned() else { return };
        Arc::make_mut(&mut named).remove(&id);
        match named.is_empty() {
            true => self.by_number.remove(&place),
            false => self.by_number.insert(place, named),
        };
    }
}

/// A number without the tenant's country prefix: as numbers of contacts are compared.
pub(super) fn plain(tenant: &Tenant, number: &str) -> Option<Digits> {
    let canonical = tenant.normalisation.normalise(number).ok()?;
    let rest = canonical.as_str().strip_prefix(tenant.country_prefix.as_str());
    let own = rest.filter(|rest| !rest.is_empty()).and_then(|rest| Digits::parse(rest).ok());
    Some(own.unwrap_or(canonical))
}

impl World {
    /// Whether any DID is shared: otherwise nobody has to look.
    #[must_use]
    pub fn has_shared_dids(&self) -> bool {
        !self.phonebook.shared.is_empty()
    }

    /// The shared DID in use that has this number.
    #[must_use]
    pub fn shared_did(&self, tenant: TenantId, number: Digits) -> Option<&Did> {
        let super::Holder::Did(id) = self.numbered(tenant, number)? else { return None };
        self.did(id).filter(|did| did.shared && did.enabled)
    }

    /// The DID in use that has this number, and the account of its organization that pays for calls
    /// to it.
    #[must_use]
    pub fn payer_of(&self, tenant: TenantId, number: Digits) -> Option<(DidId, &Account)> {
        if self.phonebook.paid.is_empty() {
            return None;
        }
        let super::Holder::Did(id) = self.numbered(tenant, number)? else { return None };
        let account = self.account(*self.phonebook.paid.get(&id)?)?;
        let did = self.did(id).filter(|did| did.enabled)?;
        (did.organization == account.organization).then_some((id, account))
    }

    /// A number as contacts' numbers are compared: canonical, without the country prefix.
    #[must_use]
    pub fn contact_number(&self, tenant: TenantId, number: &str) -> Option<Digits> {
        plain(self.tenant(tenant)?, number)
    }

    /// The contact that a subscriber gave a shared DID to.
    #[must_use]
    pub fn contact_by_did(&self, of: SubscriberId, did: DidId) -> Option<&PhonebookEntry> {
        self.phonebook.own(of, did)
    }

    /// The entries that name a number, the oldest first.
    pub fn contacts_with(
        &self,
        tenant: TenantId,
        number: Digits,
    ) -> impl Iterator<Item = &PhonebookEntry> {
        let named = self.phonebook.by_number.get(&(tenant, number));
        let ids = named.into_iter().flat_map(|ids| ids.iter());
        ids.filter_map(|id| self.phonebook.entries.get(id)).map(Arc::as_ref)
    }

    pub(super) fn put_phonebook_entry(&mut self, row: PhonebookEntry) -> Result<(), BuildError> {
        self.check_phonebook_entry(&row)?;
        let key = self.contact_number(row.tenant, row.number.as_str()).unwrap_or(row.number);
        Arc::make_mut(&mut self.phonebook).put(row, key);
        Ok(())
    }

    pub(super) fn remove_phonebook_entry(&mut self, id: PhonebookEntryId) {
        Arc::make_mut(&mut self.phonebook).remove(id);
    }

    pub(super) fn share(&mut self, row: &Did) {
        if row.shared {
            Arc::make_mut(&mut self.phonebook).shared.insert(row.id, ());
        }
        if let Some(payer) = row.payer {
            Arc::make_mut(&mut self.phonebook).paid.insert(row.id, payer);
        }
    }

    pub(super) fn unshare(&mut self, row: &Did) {
        if row.shared {
            Arc::make_mut(&mut self.phonebook).shared.remove(&row.id);
        }
        if row.payer.is_some() {
            Arc::make_mut(&mut self.phonebook).paid.remove(&row.id);
        }
    }
}
