//! From rows to the world in force: boot, change and recovery share this one path.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use strowger_routing::{BuildError, Listener, Rows, World};
use strowger_store::{ConfigRows, Reader, StoreError};

/// How often the change log is looked at: a change is in force within a second.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// A world and the change it is up to.
#[derive(Clone)]
pub(crate) struct Compiled {
    /// The snapshot.
    pub(crate) world: Arc<World>,
    /// Number of the newest change in it.
    pub(crate) change: i64,
}

/// Why there is no new world; the old one stays in force.
#[derive(Debug)]
pub(crate) enum CompileError {
    /// The rows cannot be read.
    Store(StoreError),
    /// A row does not fit.
    Build(BuildError),
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CompileError::Store(e) => e.fmt(f),
            CompileError::Build(e) => e.fmt(f),
        }
    }
}

impl From<StoreError> for CompileError {
    fn from(e: StoreError) -> CompileError {
        CompileError::Store(e)
    }
}

/// The rows in routing's own form.
pub(crate) fn routing_rows(rows: ConfigRows, listeners: Vec<Listener>) -> Rows {
    Rows {
        listeners,
        tenants: rows.tenants,
        organizations: rows.organizations,
        accounts: rows.accounts,
        subscribers: rows.subscribers,
        trunks: rows.trunks,
        tariffs: rows.tariffs,
        rates: rows.rates,
        routes: rows.routes,
        destinations: rows.destinations,
        emergencies: rows.emergencies,
    }
}

/// Reads all rows and builds the world.
///
/// # Errors
/// [`CompileError`].
pub(crate) async fn compile(
    reader: &Reader,
    listeners: &[Listener],
) -> Result<Compiled, CompileError> {
    let newer = reader.newer_config(0, &BTreeSet::new()).await?;
    let rows = routing_rows(newer.rows, listeners.to_vec());
    let world = World::build(rows).map_err(CompileError::Build)?;
    Ok(Compiled { world: Arc::new(world), change: newer.change })
}

/// The world after the changes behind `old`. Price lists of which nothing has changed are taken
/// over from it, so a change of something else costs the same whatever prices there are.
///
/// # Errors
/// [`CompileError`].
pub(crate) async fn caught_up(
    old: &Compiled,
    reader: &Reader,
    listeners: &[Listener],
) -> Result<Compiled, CompileError> {
    let held = old.world.tariffs().map(|tariff| tariff.id).collect();
    let newer = reader.newer_config(old.change, &held).await?;
    let rows = routing_rows(newer.rows, listeners.to_vec());
    match old.world.rebuilt(rows, &newer.kept) {
        Ok(world) => Ok(Compiled { world: Arc::new(world), change: newer.change }),
        // Rows that were written by hand, without the change log, or a dictionary that is full of
        // prefixes nobody uses any more: from the beginning.
        Err(_) => compile(reader, listeners).await,
    }
}
