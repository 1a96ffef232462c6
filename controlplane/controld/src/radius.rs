//! RADIUS on the product: servers are asked whether a call may be made, and told of calls.
//!
//! Servers are rows, read at boot and with each change of the configuration. Those of one tenant
//! for one purpose are a [`Group`], which has a socket and a task of its own and asks its servers
//! in turn; while its rows stay as they are it stays too, with what it knows of who is dead. No
//! decision looks at a row, so they are not part of the world.
//!
//! `access` asks for the task of facts; `accounting` tells what stands in the queue.

mod access;
mod accounting;
mod attribute;
mod group;

pub(crate) use accounting::{Accounting, keep};

use crate::run::chain;
use group::Group;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use strowger_api::radius_secret_place;
use strowger_model::{RadiusPurpose, RadiusServer, TenantId};
use strowger_radius::Secret;
use strowger_routing::{AskedCall, Finding};
use strowger_store::{LIST_MAX, Reader, Scope, Sealed, Sealer, StoreError};
use tracing::error;

/// Whose servers, and for what.
type Key = (RadiusPurpose, Option<TenantId>);

/// The servers of the configuration. A clone is the same.
#[derive(Clone)]
pub(crate) struct Radius {
    groups: Arc<RwLock<BTreeMap<Key, Arc<Group>>>>,
    sealer: Arc<Sealer>,
    accounting: Accounting,
}

impl Radius {
    /// With the rows of the database.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn open(reader: &Reader, sealer: Sealer) -> Result<Radius, StoreError> {
        let accounting = Accounting::new(reader.count_radius_events().await?);
        let (groups, sealer) = (Arc::default(), Arc::new(sealer));
        let radius = Radius { groups, sealer, accounting };
        radius.load(reader).await?;
        Ok(radius)
    }

    /// Calls that servers are told of.
    pub(crate) const fn accounting(&self) -> &Accounting {
        &self.accounting
    }

    /// Reads the rows; groups whose rows are as they were stay.
    ///
    /// # Errors
    /// The database; then all is as it was.
    pub(crate) async fn load(&self, reader: &Reader) -> Result<(), StoreError> {
        let mut rows: BTreeMap<Key, Vec<RadiusServer>> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = reader.rows::<RadiusServer>(Scope::All, &[], after, LIST_MAX).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.0);
            for row in page.into_iter().filter(|row| row.enabled) {
                rows.entry((row.purpose, row.tenant)).or_default().push(row);
            }
        }
        // Equals stay in order of ids.
        rows.values_mut().for_each(|all| all.sort_by_key(|row| core::cmp::Reverse(row.priority)));
        let told = rows.keys().filter(|(purpose, _)| *purpose == RadiusPurpose::Accounting);
        self.accounting.wish(told.map(|(_, tenant)| *tenant));
        let Ok(mut groups) = self.groups.write() else { return Ok(()) };
        groups.retain(|key, _| rows.contains_key(key));
        for (key, rows) in rows {
            if groups.get(&key).is_none_or(|group| group.rows() != rows) {
                let opened = self.opened(&rows);
                groups.insert(key, Arc::new(Group::begin(rows, opened)));
            }
        }
        Ok(())
    }

    /// What the servers of the call's tenant say.
    ///
    /// # Errors
    /// Why they say nothing, for the log.
    pub(crate) async fn ask(&self, call: &AskedCall) -> Result<Finding, String> {
        let group = self.find(RadiusPurpose::Access, call.tenant);
        let group = group.ok_or_else(|| "radius: no server for access".to_owned())?;
        access::ask(&group, call).await.map_err(|why| format!("radius: {why}"))
    }

    fn find(&self, purpose: RadiusPurpose, tenant: TenantId) -> Option<Arc<Group>> {
        let groups = self.groups.read().ok()?;
        let own = groups.get(&(purpose, Some(tenant)));
        own.or_else(|| groups.get(&(purpose, None))).cloned()
    }

    /// The rows with their secrets in clear. One that does not open (another host's key, a changed
    /// row) is left out, and somebody must know.
    fn opened(&self, rows: &[RadiusServer]) -> Vec<(RadiusServer, Secret)> {
        let open = |row: &RadiusServer| {
            let text = String::from_utf8(row.secret.0.clone()).ok();
            let place = radius_secret_place(row.id);
            let sealed = text.map(Sealed::from_column);
            let opened = sealed.and_then(|s| self.sealer.open_sealed(&place, &s).ok());
            let secret = opened.and_then(|s| Secret::new(s.expose().as_bytes()));
            if secret.is_none() {
                let server = row.id.0;
                error!(server, "the secret of a RADIUS server does not open with this host's key");
            }
            secret.map(|secret| (row.clone(), secret))
        };
        rows.iter().filter_map(open).collect()
    }
}

/// The same after a change; what cannot be read is told of and tried again.
pub(crate) async fn reload(radius: &Radius, reader: &Reader) -> Result<(), String> {
    radius.load(reader).await.map_err(|e| format!("RADIUS servers: {}", chain(&e)))
}
