//! From rows to the world in force: boot, change and recovery share this one path.

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

/// Reads all rows and builds the world. The number of the change is read first: a change that comes
/// between is compiled twice, never missed.
///
/// # Errors
/// [`CompileError`].
pub(crate) async fn compile(
    reader: &Reader,
    listeners: &[Listener],
) -> Result<Compiled, CompileError> {
    let change = reader.newest_change().await?;
    let rows = reader.config().await?;
    let world =
        World::build(routing_rows(rows, listeners.to_vec())).map_err(CompileError::Build)?;
    Ok(Compiled { world: Arc::new(world), change })
}
