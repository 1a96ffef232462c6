//! Old records go into files: `archive/records-NUMBER.jsonl` below the data directory, a line for
//! each record, as many as one step takes.
//!
//! Only what the nightly audit has proven leaves, and only as old as its tenant's setting says. A
//! file is on the disk before its records leave the database, in one transaction with the sums that
//! the audit needs in their place. A crash between the two leaves a file whose step comes again: it
//! has the same number and the same lines. A file is never replaced by another one.

use crate::run::{Until, chain};
use core::fmt::{Display, Formatter};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strowger_model::TenantId;
use strowger_routing::Settings;
use strowger_store::{OldRecords, Store, StoreError};
use tracing::{info, warn};

const DAY_US: i64 = 86_400_000_000;
/// How long steps follow each other before something else has its turn.
const ROUND: Duration = Duration::from_secs(4);
/// Pause between two steps, so that records and changes of rows need not wait for many.
const PAUSE: Duration = Duration::from_millis(50);
/// Files of one number: one, but where an older database was put back.
const NAMES_MAX: u32 = 1_000;

/// Why a step was not done.
#[derive(Debug)]
enum ArchiveError {
    File(PathBuf, std::io::Error),
    Store(StoreError),
    /// The thread that writes files has ended: a bug.
    Thread,
}

impl Display for ArchiveError {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        match self {
            ArchiveError::File(path, _) => path.display().fmt(f),
            ArchiveError::Store(_) => f.write_str("the database"),
            ArchiveError::Thread => f.write_str("the thread that writes files has ended"),
        }
    }
}

impl core::error::Error for ArchiveError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            ArchiveError::File(_, e) => Some(e),
            ArchiveError::Store(e) => Some(e),
            ArchiveError::Thread => None,
        }
    }
}

impl From<StoreError> for ArchiveError {
    fn from(e: StoreError) -> ArchiveError {
        ArchiveError::Store(e)
    }
}

/// Moves old records.
pub(crate) struct Archivist {
    directory: PathBuf,
    /// The newest batch that the audit has proven; `None` = nothing is to be done.
    proven: Option<i64>,
    moved: u64,
}

impl Archivist {
    /// Below this directory of data.
    pub(crate) fn new(data: &Path) -> Archivist {
        Archivist { directory: data.join("archive"), proven: None, moved: 0 }
    }

    /// The books agree up to this batch.
    pub(crate) fn begin(&mut self, last_batch: i64) {
        self.proven = Some(last_batch);
    }

    /// Goes on for a while, if something is to be done.
    pub(crate) async fn go_on(
        &mut self,
        store: &Store,
        settings: &Settings,
        now_us: i64,
        until: &mut Until,
    ) {
        let end = Instant::now() + ROUND;
        while let Some(proven) = self.proven
            && Instant::now() < end
        {
            match self.step(store, settings, (proven, now_us)).await {
                Ok(0) => {
                    if self.moved > 0 {
                        info!(records = self.moved, "old records have left the database");
                    }
                    (self.proven, self.moved) = (None, 0);
                }
                Ok(moved) => self.moved = self.moved.saturating_add(moved),
                Err(e) => {
                    warn!("old records stay until the next audit: {}", chain(&e));
                    self.proven = None;
                }
            }
            if !until.sleep(PAUSE).await {
                return;
            }
        }
    }

    /// One step; how many records it moved, 0 = there is none to be moved.
    async fn step(
        &self,
        store: &Store,
        settings: &Settings,
        (batch_max, now_us): (i64, i64),
    ) -> Result<u64, ArchiveError> {
        let reader = store.reader();
        let tenants = reader.tenant_ids().await?;
        for tenant in tenants.into_iter().map(Some).chain([None]) {
            let Some(before_us) = before(settings, tenant, now_us) else { continue };
            let old = OldRecords { tenant, before_us, batch_max };
            let Some(archive) = reader.old_records(old).await? else { continue };
            let is_in_file = settings.system().books.record_files;
            if is_in_file {
                let (directory, id) = (self.directory.clone(), archive.id);
                let text = archive.lines.join("\n") + "\n";
                let written = tokio::task::spawn_blocking(move || write(&directory, id, &text));
                written.await.map_err(|_| ArchiveError::Thread)??;
            }
            let mut w = store.write().await?;
            w.archive(&archive, is_in_file, now_us).await?;
            w.commit().await?;
            return Ok(u64::try_from(archive.lines.len()).unwrap_or(u64::MAX));
        }
        Ok(0)
    }
}

/// Records that ended before this moment leave; `None` = they are kept for ever.
fn before(settings: &Settings, tenant: Option<TenantId>, now_us: i64) -> Option<i64> {
    let profile = tenant.map_or(settings.system(), |tenant| settings.tenant(tenant));
    let days = profile.books.record_days?;
    Some(now_us.saturating_sub(i64::from(days).saturating_mul(DAY_US)))
}

/// Writes a file that is there, whole, when this returns, whatever happens next.
fn write(directory: &Path, id: i64, text: &str) -> Result<(), ArchiveError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |e| ArchiveError::File(path, e)
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(at(directory))?;
    let part = directory.join("part.new");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&part);
    let mut file = file.map_err(at(&part))?;
    file.write_all(text.as_bytes()).map_err(at(&part))?;
    file.sync_all().map_err(at(&part))?;
    for number in 1..=NAMES_MAX {
        let again = if number == 1 { String::new() } else { format!("-{number}") };
        let place = directory.join(format!("records-{id:09}{again}.jsonl"));
        match std::fs::hard_link(&part, &place) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if std::fs::read(&place).map_err(at(&place))? != text.as_bytes() {
                    continue;
                }
            }
            Err(e) => return Err(ArchiveError::File(place, e)),
        }
        std::fs::remove_file(&part).map_err(at(&part))?;
        return File::open(directory).and_then(|dir| dir.sync_all()).map_err(at(directory));
    }
    let full = std::io::Error::from(ErrorKind::AlreadyExists);
    Err(ArchiveError::File(directory.join(format!("records-{id:09}.jsonl")), full))
}

#[cfg(test)]
mod tests;
