//! The store's twin in memory, for the simulator: the same semantics without SQL.
//!
//! What is written stands at once for readers of the same life; it survives a crash only after
//! [`MemoryStore::sync`], as a transaction does only after its commit. [`MemoryStore::crash`] takes
//! the rest away. A stretch of a journal is taken exactly once by position, as by `Store::ingest`.

use crate::{Ingested, Life, Position, Posted, StoreError, Taken};
use std::collections::{BTreeMap, BTreeSet};
use strowger_billing::{LedgerKind, Owner, Transfer, postings};
use strowger_model::{AccountId, Amount, Binding, Cdr, SubscriberId, TenantId, TrunkId};

/// A database in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    now: Small,
    cdrs: Vec<Cdr>,
    transfers: Vec<Transfer>,
    synced: Small,
    cdrs_synced: usize,
    transfers_synced: usize,
    ids: BTreeSet<(i64, u8)>,
}

/// What changes in place.
#[derive(Clone, Debug, Default)]
struct Small {
    cursors: BTreeMap<u32, Position>,
    batches: i64,
    lives: BTreeMap<u32, Life>,
    bindings: BTreeMap<(SubscriberId, String), Binding>,
    trunk_bindings: BTreeMap<(TrunkId, String), Binding>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Everything written so far survives a crash from here on.
    pub fn sync(&mut self) {
        self.synced = self.now.clone();
        self.cdrs_synced = self.cdrs.len();
        self.transfers_synced = self.transfers.len();
    }

    /// The process or the host died: back to the last [`MemoryStore::sync`].
    pub fn crash(&mut self) {
        self.now = self.synced.clone();
        for lost in self.cdrs.drain(self.cdrs_synced..) {
            self.ids.remove(&(lost.id.0, lost.part));
        }
        self.transfers.truncate(self.transfers_synced);
    }

    /// As [`crate::Store::ingest`].
    ///
    /// # Errors
    /// [`StoreError::Cursor`] when the journal has been taken to another place than `from`;
    /// [`StoreError::Row`] when a record is there already. Nothing is written on any error.
    pub fn ingest(
        &mut self,
        origin: u32,
        from: Position,
        to: Position,
        records: &[Cdr],
        at_us: i64,
    ) -> Result<Ingested, StoreError> {
        let at = self.now.cursors.get(&origin).copied().unwrap_or_default();
        if at.seq != from.seq {
            return Err(StoreError::Cursor { origin: origin.into() });
        }
        let mut new = BTreeSet::new();
        for record in records {
            let id = (record.id.0, record.part);
            if self.ids.contains(&id) || !new.insert(id) {
                let (table, column, wanted) = ("cdrs", "id", "number that is free");
                return Err(StoreError::Row { table, id: record.id.0, column, wanted });
            }
        }
        self.now.cursors.insert(origin, to);
        self.now.batches += 1;
        let batch = self.now.batches;
        let transfers = postings(batch, at_us, records);
        self.ids.append(&mut new);
        self.cdrs.extend_from_slice(records);
        self.transfers.extend_from_slice(&transfers);
        Ok(Ingested { batch, transfers, doubled: 0, records: None })
    }

    /// As [`crate::Store::origin`]; durable at once, because record ids are made from it.
    pub fn origin(&mut self, life: &Life) -> Option<u32> {
        let known = self.now.lives.iter().find(|(_, known)| *known == life);
        if let Some((origin, _)) = known {
            return Some(*origin);
        }
        let last = self.now.lives.last_key_value().map_or(0, |(origin, _)| *origin);
        let origin = last.checked_add(1)?;
        self.learn_origin(life, origin).ok().map(|()| origin)
    }

    /// As [`crate::Store::learn_origin`]; durable at once.
    ///
    /// # Errors
    /// [`StoreError::Row`] when the life or the number stands there with another partner.
    pub fn learn_origin(&mut self, life: &Life, origin: u32) -> Result<(), StoreError> {
        let mut known = self.now.lives.iter();
        match known.find(|(number, known)| **number == origin || *known == life) {
            Some((number, known)) if *number == origin && known == life => Ok(()),
            Some((number, _)) => {
                let (table, column, wanted) = ("origins", "id", "origin of that life");
                Err(StoreError::Row { table, id: (*number).into(), column, wanted })
            }
            None => {
                self.now.lives.insert(origin, life.clone());
                self.synced.lives.insert(origin, life.clone());
                Ok(())
            }
        }
    }

    /// As [`crate::Reader::cursors`].
    #[must_use]
    pub fn cursors(&self) -> Vec<Taken> {
        self.now.cursors.iter().map(|(&origin, &at)| Taken { origin, at }).collect()
    }

    /// As [`crate::Writer::insert_transfer`].
    pub fn insert_transfer(&mut self, transfer: &Transfer) {
        self.transfers.push(*transfer);
    }

    /// As [`crate::Reader::balances`].
    #[must_use]
    pub fn balances(&self) -> Vec<Posted> {
        let mut sums: BTreeMap<AccountId, (TenantId, i64)> = BTreeMap::new();
        let mut add = |side: strowger_billing::LedgerAccount, amount: i64| {
            if let (Owner::Account(account), LedgerKind::Balance) = (side.owner, side.kind) {
                let sum = sums.entry(account).or_insert((side.tenant, 0));
                sum.1 = sum.1.saturating_add(amount);
            }
        };
        for transfer in &self.transfers {
            add(transfer.credit(), transfer.amount().0);
            add(transfer.debit(), transfer.amount().0.saturating_neg());
        }
        let posted = |(account, (tenant, balance))| Posted { tenant, account, balance };
        sums.into_iter().map(|(a, (t, sum))| posted((a, (t, Amount(sum))))).collect()
    }

    /// All records in the order of their ingestion.
    #[must_use]
    pub fn cdrs(&self) -> &[Cdr] {
        &self.cdrs
    }

    /// The record is there.
    #[must_use]
    pub fn has_cdr(&self, id: i64) -> bool {
        self.ids.range((id, 0)..=(id, u8::MAX)).next().is_some()
    }

    /// As [`crate::Writer::put_binding`].
    pub fn put_binding(&mut self, binding: Binding) {
        self.now.bindings.insert((binding.subscriber, binding.uri.clone()), binding);
    }

    /// Takes a binding away; one that is not there is no error.
    pub fn remove_binding(&mut self, subscriber: SubscriberId, uri: &str) {
        self.now.bindings.remove(&(subscriber, uri.to_owned()));
    }

    /// As [`crate::Writer::put_trunk_binding`].
    pub fn put_trunk_binding(&mut self, of: TrunkId, binding: Binding) {
        self.now.trunk_bindings.insert((of, binding.uri.clone()), binding);
    }

    /// Takes a trunk's binding away; one that is not there is no error.
    pub fn remove_trunk_binding(&mut self, of: TrunkId, uri: &str) {
        self.now.trunk_bindings.remove(&(of, uri.to_owned()));
    }

    /// As [`crate::Reader::trunk_bindings`].
    #[must_use]
    pub fn trunk_bindings(&self, now_us: i64) -> Vec<(TrunkId, Binding)> {
        let all = self.now.trunk_bindings.iter();
        let alive = all.filter(|(_, b)| b.expires_us > now_us);
        alive.map(|((id, _), binding)| (*id, binding.clone())).collect()
    }

    /// As [`crate::Reader::bindings`].
    #[must_use]
    pub fn bindings(&self, now_us: i64) -> Vec<Binding> {
        self.now.bindings.values().filter(|b| b.expires_us > now_us).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seq: u64) -> Position {
        Position { seq, segment: 0, offset: 0 }
    }

    #[test]
    fn a_stretch_is_taken_once_and_only_from_where_the_last_one_ended() {
        let mut store = MemoryStore::new();
        assert_eq!(store.ingest(1, at(0), at(5), &[], 0).unwrap().batch, 1);
        assert!(matches!(
            store.ingest(1, at(0), at(5), &[], 0),
            Err(StoreError::Cursor { origin: 1 })
        ));
        assert_eq!(store.ingest(1, at(5), at(6), &[], 0).unwrap().batch, 2);
        assert_eq!(store.ingest(2, at(0), at(1), &[], 0).unwrap().batch, 3);
    }

    #[test]
    fn a_crash_takes_what_was_not_synced() {
        let mut store = MemoryStore::new();
        store.ingest(1, at(0), at(5), &[], 0).unwrap();
        store.sync();
        store.ingest(1, at(5), at(9), &[], 0).unwrap();
        store.crash();
        assert_eq!(store.cursors(), [Taken { origin: 1, at: at(5) }]);
        store.ingest(1, at(5), at(7), &[], 0).unwrap();
        let life = |epoch| Life { node: 1, shard: 0, boot: 7, epoch };
        assert_eq!((store.origin(&life(1)), store.origin(&life(2))), (Some(1), Some(2)));
        store.crash();
        assert_eq!(store.origin(&life(2)), Some(2), "record ids are made from it");
    }
}
